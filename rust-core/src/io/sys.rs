//! The few system calls that no safe wrapper covers. The only `unsafe` of the data plane.
#![allow(unsafe_code)]

use super::batch::{Head, Piece};
use crate::engine::Complaint;
use crate::limits::{DATAGRAM_BATCH, LARGE_BLOCK, PACKET};
use crate::wire::Unreachable;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

/// Bytes of a file, in memory only where they are read.
#[derive(Debug)]
pub struct Mapped {
    base: *mut libc::c_void,
    whole: usize,
    /// Where what was asked for begins, and its bytes.
    at: usize,
    length: usize,
}

// SAFETY: the mapping is read-only and private, and goes only with its owner.
unsafe impl Send for Mapped {}
// SAFETY: nobody writes to it, so that many may read.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps `length` bytes of a file from `offset` on, without a length all behind it. The file must
    /// not become shorter while it is mapped: one of an installed package never does.
    pub fn open(path: &Path, offset: u64, length: Option<u64>) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let length = length.unwrap_or(size.saturating_sub(offset));
        if length == 0 || offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        // A mapping begins at a page; pages of 64 KiB are the largest that there are.
        let at = offset % 0x1_0000;
        let whole = usize::try_from(at + length).map_err(too_large)?;
        let begin = libc::off_t::try_from(offset - at).map_err(too_large)?;
        // SAFETY: a new mapping of an open file, at an address that the kernel chooses.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                whole,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                begin,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base, whole, at: at as usize, length: whole - at as usize })
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `at` and `length` lie within the mapping, which lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.base.cast::<u8>().add(self.at), self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and nothing borrowed from it is left.
        unsafe {
            libc::munmap(self.base, self.whole);
        }
    }
}

/// The system's allocator, but for blocks of [`LARGE_BLOCK`] bytes and more. Those lie in pages of
/// their own, which cost nothing until they are touched and are gone when they are given back.
///
/// Allocators keep such blocks for the next ones, Android's scudo for a second, and clear them by
/// hand where zeros are asked for: each buffer of a connection would be touched as a whole.
#[derive(Debug)]
pub struct Pages;

impl Pages {
    /// Whether a block has pages of its own; none wants more than a page to be aligned to.
    fn own(layout: Layout) -> bool {
        layout.size() >= LARGE_BLOCK && layout.align() <= 4096
    }
}

// SAFETY: a block is the system allocator's or a private mapping of its own, which its size tells
// for as long as it lives; both are aligned as asked, or null where there is no memory.
unsafe impl GlobalAlloc for Pages {
    // SAFETY: the caller asks for more than nothing.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as our caller promised.
        if Self::own(layout) { map(layout.size()) } else { unsafe { System.alloc(layout) } }
    }

    // SAFETY: the caller asks for more than nothing. New pages are zeros.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as our caller promised.
        if Self::own(layout) { map(layout.size()) } else { unsafe { System.alloc_zeroed(layout) } }
    }

    // SAFETY: the caller has the block from here, with this layout, and uses it no more.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as our caller promised; of a mapping this is the whole.
        unsafe {
            if Self::own(layout) {
                libc::munmap(block.cast(), layout.size());
            } else {
                System.dealloc(block, layout);
            }
        }
    }

    // SAFETY: the caller has the block from here, with this layout, and uses it no more where this
    // gives another.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as our caller promised, with an alignment that was good before. Pages that stay pages
        // are moved as they are; what becomes another block is copied as far as both reach, and given
        // back once.
        unsafe {
            let wanted = Layout::from_size_align_unchecked(size, layout.align());
            if !Self::own(layout) && !Self::own(wanted) {
                return System.realloc(block, layout, size);
            }
            // The libc crate has no mremap for Android.
            #[cfg(not(target_os = "android"))]
            if Self::own(layout) && Self::own(wanted) {
                let moved = libc::mremap(block.cast(), layout.size(), size, libc::MREMAP_MAYMOVE);
                return if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() };
            }
            let new = self.alloc(wanted);
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// New pages for so many bytes; null where there are none.
fn map(size: usize) -> *mut u8 {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping of nothing, at an address that the kernel chooses.
    let at = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
    if at == libc::MAP_FAILED { ptr::null_mut() } else { at.cast() }
}

/// Gives memory that is free back to the system; glibc keeps it otherwise.
pub(super) fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes an integer and touches only memory that nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bounds what the kernel holds unsent of a TCP socket (TCP_NOTSENT_LOWAT), bytes. A kernel that
/// does not know it goes on without.
pub(super) fn set_not_sent_low_water(fd: &OwnedFd, bytes: u32) {
    // SAFETY: the descriptor is open, and the option's value is an integer of the stated size.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of::<u32>() as libc::socklen_t,
        );
    }
}

/// Marks the packets of a socket (SO_MARK, socket(7)), so that routing rules can tell them.
pub(super) fn set_mark(fd: &OwnedFd, mark: u32) -> Result<(), Errno> {
    // SAFETY: the descriptor is open, and the option's value is an integer of the stated size.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MARK,
            (&raw const mark).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// Sets an option whose value is an integer. A kernel that does not know it goes on without.
fn set_option(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    // SAFETY: the descriptor is open, and the option's value is an integer of the stated size.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// Has the kernel keep what the network says of a socket's packets (IP_RECVERR, ip(7)).
pub(super) fn keep_complaints(fd: &OwnedFd, ipv4: bool) {
    match ipv4 {
        true => set_option(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1),
        false => set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    }
}

/// Whether the kernel may cut packets that the path does not take whole (IP_MTU_DISCOVER, ip(7)).
pub(super) fn allow_cutting(fd: &OwnedFd, ipv4: bool, cut: bool) {
    let value = if cut { libc::IP_PMTUDISC_WANT } else { libc::IP_PMTUDISC_DO };
    match ipv4 {
        true => set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value),
        false => set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, value),
    }
}

/// Largest packet that the path of a connected socket takes (IP_MTU, ip(7)), bytes.
pub(super) fn path_mtu(fd: &OwnedFd, ipv4: bool) -> Option<u16> {
    let (level, name) = match ipv4 {
        true => (libc::IPPROTO_IP, libc::IP_MTU),
        false => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let mut mtu: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel writes at most `len` bytes to the integer.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut mtu).cast(), &raw mut len)
    };
    if result != 0 {
        return None;
    }
    u16::try_from(mtu).ok().filter(|mtu| *mtu > 0)
}

/// Takes the next message about a packet that the socket sent off its error queue (MSG_ERRQUEUE,
/// recv(2)); `None` when there is none. What this machine itself said is left out: the sender was
/// told at once.
pub(super) fn take_complaint(fd: &OwnedFd) -> Option<Complaint> {
    loop {
        let (to, error) = take_error(fd)?;
        if let (Some(to), Some(why)) = (to, error.and_then(meaning)) {
            return Some(Complaint { to, why });
        }
    }
}

/// What a message of ICMP or ICMPv6 says of a packet (RFC 792, RFC 1122 §3.2.2.1, RFC 4443 §3).
fn meaning(error: libc::sock_extended_err) -> Option<Unreachable> {
    let size = || u16::try_from(error.ee_info).ok().filter(|mtu| *mtu > 0);
    match (error.ee_origin, error.ee_type, error.ee_code) {
        (libc::SO_EE_ORIGIN_ICMP, 3, 3) | (libc::SO_EE_ORIGIN_ICMP6, 1, 4) => {
            Some(Unreachable::Port)
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, 4) | (libc::SO_EE_ORIGIN_ICMP6, 2, _) => {
            size().map(Unreachable::TooBig)
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13) | (libc::SO_EE_ORIGIN_ICMP6, 1, 1) => {
            Some(Unreachable::Prohibited)
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, _) | (libc::SO_EE_ORIGIN_ICMP6, 1, _) => {
            Some(Unreachable::Host)
        }
        _ => None,
    }
}

/// To whom the packet was, and the kernel's words, each where it is told.
type SocketError = (Option<SocketAddr>, Option<libc::sock_extended_err>);

fn take_error(fd: &OwnedFd) -> Option<SocketError> {
    // SAFETY: of both structures, all zeroes is a value.
    let (mut name, mut message): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // Aligned as `struct cmsghdr`; the error and the address of who told it take some 70 bytes.
    let mut control = [0u64; 32];
    // What was sent comes back, too. Without room for a byte of it qemu-user does not ask.
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of_val(&name) as libc::socklen_t;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the descriptor is open; `message` names three buffers with their sizes, which
    // outlive the call, and no other.
    if unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) } < 0 {
        return None;
    }
    let mut error = None;
    // SAFETY: the kernel has filled `control` with whole headers and set its length, by which the
    // macros of cmsg(3) walk. A header's data is read unaligned, and only where it is long enough.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(&raw const message);
        while !head.is_null() {
            let kind = ((*head).cmsg_level, (*head).cmsg_type);
            let whole = libc::CMSG_LEN(size_of::<libc::sock_extended_err>() as u32);
            let told = kind == (libc::IPPROTO_IP, libc::IP_RECVERR)
                || kind == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
            if told && (*head).cmsg_len as usize >= whole as usize {
                error =
                    Some(libc::CMSG_DATA(head).cast::<libc::sock_extended_err>().read_unaligned());
            }
            head = libc::CMSG_NXTHDR(&raw const message, head);
        }
    }
    Some((address(&name), error))
}

/// The address that the kernel wrote; `None` for other families.
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure it is, and the storage has room for each.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let addr = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some((addr, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the same.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let addr = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some((addr, u16::from_be(name.sin6_port)).into())
        }
        _ => None,
    }
}

/// The option that has the kernel cut what it is given into equal datagrams (UDP_SEGMENT, udp(7)).
const UDP_SEGMENT: libc::c_int = 103;

/// Whether the kernel knows the option (4.18 and later), by the first datagram socket that asks. One
/// that does not would send all as one.
pub(super) fn knows_segments(fd: &OwnedFd) -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| takes_segments(fd))
}

fn takes_segments(fd: &OwnedFd) -> bool {
    let off: libc::c_int = 0;
    // SAFETY: the descriptor is open, and the option's value is an integer of the stated size.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_UDP,
            UDP_SEGMENT,
            (&raw const off).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    result == 0
}

/// An address as the kernel wants it, and its length.
fn name_of(addr: SocketAddr) -> (libc::sockaddr_in6, libc::socklen_t) {
    // SAFETY: of both structures, all zeroes is a value.
    let (mut v6, mut v4): (libc::sockaddr_in6, libc::sockaddr_in) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    match addr {
        SocketAddr::V6(addr) => {
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = addr.port().to_be();
            v6.sin6_flowinfo = addr.flowinfo();
            v6.sin6_addr.s6_addr = addr.ip().octets();
            v6.sin6_scope_id = addr.scope_id();
            (v6, size_of_val(&v6) as libc::socklen_t)
        }
        SocketAddr::V4(addr) => {
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = addr.port().to_be();
            v4.sin_addr.s_addr = u32::from(*addr.ip()).to_be();
            // SAFETY: it is the smaller of the two, and both are plain data.
            unsafe { (&raw mut v6).cast::<libc::sockaddr_in>().write(v4) };
            (v6, size_of_val(&v4) as libc::socklen_t)
        }
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Sends datagrams of `size` bytes, and perhaps a shorter last one, by one call. All leave, or
/// none.
pub(super) fn send_segments(
    fd: &OwnedFd,
    bytes: &[u8],
    size: usize,
    to: Option<SocketAddr>,
) -> Result<(), Errno> {
    let mut name = to.map(name_of);
    let mut piece =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: of this structure, all zeroes is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // Aligned as `struct cmsghdr`; one integer of 16 bits.
    let mut control = [0u64; 4];
    if let Some((name, len)) = &mut name {
        message.msg_name = (&raw mut *name).cast();
        message.msg_namelen = *len;
    }
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // SAFETY: `control` has room for the header and two bytes, whose place the macros of cmsg(3)
    // say; `message` names buffers with their sizes, which outlive the call, and the kernel only
    // reads them.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as _;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::IPPROTO_UDP;
        (*head).cmsg_type = UDP_SEGMENT;
        (*head).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(head).cast::<u16>().write_unaligned(size as u16);
        libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Sends the datagrams from the one at `first` on by one call (sendmmsg(2)); how many left.
pub(super) fn send_many(
    fd: &OwnedFd,
    bytes: &[u8],
    pieces: &[Piece],
    first: usize,
) -> Result<usize, Errno> {
    let mut begin = first.checked_sub(1).map_or(0, |before| pieces[before].end);
    // SAFETY: of these structures, all zeroes is a value.
    let mut messages: [libc::mmsghdr; DATAGRAM_BATCH] = unsafe { std::mem::zeroed() };
    let mut parts: [libc::iovec; DATAGRAM_BATCH] = unsafe { std::mem::zeroed() };
    let mut names: [libc::sockaddr_in6; DATAGRAM_BATCH] = unsafe { std::mem::zeroed() };
    let rest = &pieces[first..];
    let places = messages.iter_mut().zip(&mut parts).zip(&mut names);
    for (piece, ((message, part), name)) in rest.iter().zip(places) {
        let datagram = &bytes[begin..piece.end];
        begin = piece.end;
        part.iov_base = datagram.as_ptr().cast_mut().cast();
        part.iov_len = datagram.len();
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        if let Some(to) = piece.to {
            (*name, message.msg_hdr.msg_namelen) = name_of(to);
            message.msg_hdr.msg_name = (&raw mut *name).cast();
        }
    }
    let count = rest.len().min(DATAGRAM_BATCH) as libc::c_uint;
    let flags = (libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as _;
    // SAFETY: the first `count` messages name buffers with their sizes, which outlive the call; the
    // kernel writes to nothing but the messages' lengths.
    let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), messages.as_mut_ptr(), count, flags) };
    usize::try_from(sent).map_err(|_| last_errno())
}

/// Takes datagrams that wait (recvmmsg(2)), each into its own place of [`PACKET`] bytes.
pub(super) fn recv_many(
    fd: &OwnedFd,
    bytes: &mut [u8],
    heads: &mut Vec<Head>,
) -> Result<(), Errno> {
    // SAFETY: of these structures, all zeroes is a value.
    let mut messages: [libc::mmsghdr; DATAGRAM_BATCH] = unsafe { std::mem::zeroed() };
    let mut parts: [libc::iovec; DATAGRAM_BATCH] = unsafe { std::mem::zeroed() };
    let mut names: [libc::sockaddr_storage; DATAGRAM_BATCH] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    let places = messages.iter_mut().zip(&mut parts).zip(&mut names);
    for (place, ((message, part), name)) in bytes.chunks_exact_mut(PACKET).zip(places) {
        part.iov_base = place.as_mut_ptr().cast();
        part.iov_len = place.len();
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        message.msg_hdr.msg_name = (&raw mut *name).cast();
        message.msg_hdr.msg_namelen = size_of_val(name) as libc::socklen_t;
        count += 1;
    }
    let (flags, wait) = (libc::MSG_DONTWAIT as _, ptr::null_mut());
    // SAFETY: the first `count` messages name buffers with their sizes, which outlive the call and
    // which nobody else uses meanwhile.
    let got = unsafe { libc::recvmmsg(fd.as_raw_fd(), messages.as_mut_ptr(), count, flags, wait) };
    let got = usize::try_from(got).map_err(|_| last_errno())?;
    let came = messages.iter().zip(&names).take(got);
    heads.extend(came.map(|(message, name)| Head {
        len: (message.msg_len as usize).min(PACKET),
        from: address(name),
    }));
    Ok(())
}

/// Takes over the descriptor of something that gives it away.
#[cfg(feature = "cli")]
pub fn take_descriptor(from: impl std::os::fd::IntoRawFd) -> OwnedFd {
    use rustix::fd::FromRawFd;
    // SAFETY: `into_raw_fd` passes the ownership of an open descriptor to its caller.
    unsafe { OwnedFd::from_raw_fd(from.into_raw_fd()) }
}

/// Gives an interface an IPv6 address; its prefix becomes a route (netdevice(7), ipv6(7)).
#[cfg(feature = "cli")]
pub fn add_ipv6(interface: &str, addr: Ipv6Addr, prefix: u8) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

    #[repr(C)]
    struct Request {
        addr: [u8; 16],
        prefix: u32,
        index: libc::c_int,
    }
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: the name is a C string that outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    let index = libc::c_int::try_from(index).map_err(io::Error::other)?;
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let request = Request { addr: addr.octets(), prefix: prefix.into(), index };
    // SAFETY: SIOCSIFADDR of an IPv6 socket reads a struct in6_ifreq, which `Request` lays out.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR, &raw const request) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn error(ee_origin: u8, ee_type: u8, ee_code: u8, ee_info: u32) -> libc::sock_extended_err {
        let (ee_errno, ee_pad, ee_data) = (0, 0, 0);
        libc::sock_extended_err { ee_errno, ee_origin, ee_type, ee_code, ee_pad, ee_info, ee_data }
    }

    #[test]
    fn each_message_of_the_network_has_one_meaning() {
        let (v4, v6) = (libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6);
        let said = |origin, kind, code, info| meaning(error(origin, kind, code, info));
        assert_eq!(said(v4, 3, 3, 0), Some(Unreachable::Port));
        assert_eq!(said(v6, 1, 4, 0), Some(Unreachable::Port));
        assert_eq!(said(v4, 3, 1, 0), Some(Unreachable::Host));
        assert_eq!(said(v6, 1, 0, 0), Some(Unreachable::Host));
        assert_eq!(said(v4, 3, 13, 0), Some(Unreachable::Prohibited));
        assert_eq!(said(v6, 1, 1, 0), Some(Unreachable::Prohibited));
        assert_eq!(said(v4, 3, 4, 1400), Some(Unreachable::TooBig(1400)));
        assert_eq!(said(v6, 2, 0, 1280), Some(Unreachable::TooBig(1280)));
        assert_eq!(said(v4, 3, 4, 0), None, "a router that tells no size");
        assert_eq!(said(v4, 11, 0, 0), None, "time exceeded");
        assert_eq!(said(libc::SO_EE_ORIGIN_LOCAL, 3, 3, 0), None, "said by this machine");
    }

    #[test]
    fn a_closed_port_is_told_with_its_address() {
        for (host, ipv4) in [("127.0.0.1:0", true), ("[::1]:0", false)] {
            let closed = UdpSocket::bind(host).unwrap().local_addr().unwrap();
            let socket = OwnedFd::from(UdpSocket::bind(host).unwrap());
            keep_complaints(&socket, ipv4);
            assert_eq!(take_complaint(&socket), None);
            rustix::net::sendto(&socket, b"x", rustix::net::SendFlags::empty(), &closed).unwrap();
            let told = Complaint { to: closed, why: Unreachable::Port };
            assert_eq!(take_complaint(&socket), Some(told), "{host}");
            assert_eq!(take_complaint(&socket), None);
        }
    }

    #[test]
    fn a_datagram_that_may_not_be_cut_is_too_long_for_the_path() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(peer.local_addr().unwrap()).unwrap();
        let socket = OwnedFd::from(socket);
        let mtu = path_mtu(&socket, true).unwrap_or(u16::MAX);
        let long = vec![0; 65_500];
        let sends = || rustix::net::send(&socket, &long, rustix::net::SendFlags::empty());
        allow_cutting(&socket, true, false);
        assert_eq!(sends().is_ok(), long.len() + 28 <= usize::from(mtu));
        allow_cutting(&socket, true, true);
        assert_eq!(sends(), Ok(65_500));
    }

    /// How many of a block's pages are in memory.
    fn resident(block: *mut u8, layout: Layout) -> usize {
        // A page has 4 KiB at least.
        let mut pages = vec![0; layout.size().div_ceil(4096)];
        // SAFETY: the block is a mapping of this size, and there is a byte for each of its pages.
        let told = unsafe { libc::mincore(block.cast(), layout.size(), pages.as_mut_ptr().cast()) };
        assert_eq!(told, 0);
        pages.iter().filter(|page| **page & 1 == 1).count()
    }

    #[test]
    fn a_large_block_costs_what_is_touched_of_it_also_after_another_was_given_back() {
        let layout = Layout::from_size_align(crate::limits::TCP_BUFFER, 1).unwrap();
        for _ in 0..3 {
            // SAFETY: the block is written within its size and given back once, as it was asked for.
            unsafe {
                let block = Pages.alloc_zeroed(layout);
                assert_eq!(resident(block, layout), 0);
                *block = 1;
                assert_eq!(resident(block, layout), 1);
                block.write_bytes(1, layout.size());
                assert!(resident(block, layout) > 1);
                Pages.dealloc(block, layout);
            }
        }
    }

    #[test]
    fn a_block_that_grows_and_shrinks_over_the_bound_keeps_its_bytes() {
        let sizes = [1, LARGE_BLOCK - 1, LARGE_BLOCK, 5 * LARGE_BLOCK + 7, LARGE_BLOCK + 1, 100];
        let mut layout = Layout::from_size_align(10, 1).unwrap();
        // SAFETY: each block is read and written within its size, and given back once with it.
        unsafe {
            let mut block = Pages.alloc_zeroed(layout);
            for (round, size) in (1_u8..).zip(sizes) {
                let kept = layout.size().min(size);
                let before = std::slice::from_raw_parts(block, kept).to_vec();
                block = Pages.realloc(block, layout, size);
                layout = Layout::from_size_align(size, 1).unwrap();
                assert_eq!(std::slice::from_raw_parts(block, kept), before);
                block.write_bytes(round, size);
            }
            Pages.dealloc(block, layout);
        }
    }
}
