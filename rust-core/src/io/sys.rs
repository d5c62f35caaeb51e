//! The few system calls that no safe wrapper covers. The only `unsafe` of the data plane.
#![allow(unsafe_code)]

use rustix::fd::{AsRawFd, OwnedFd};

/// Keeps buffers of 128 KiB and more in pages of their own, which cost nothing until they are
/// touched. glibc would raise that bound with the first buffer that is given back, and then clear
/// reused ones by hand.
pub(super) fn keep_large_buffers_lazy() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two integers and changes only the allocator's own settings.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
    }
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
pub(super) fn set_mark(fd: &OwnedFd, mark: u32) -> Result<(), rustix::io::Errno> {
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
        _ => Err(rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
            .unwrap_or(rustix::io::Errno::IO)),
    }
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
pub fn add_ipv6(interface: &str, addr: std::net::Ipv6Addr, prefix: u8) -> std::io::Result<()> {
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
    let index = libc::c_int::try_from(index).map_err(std::io::Error::other)?;
    if index == 0 {
        return Err(std::io::Error::last_os_error());
    }
    let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let request = Request { addr: addr.octets(), prefix: prefix.into(), index };
    // SAFETY: SIOCSIFADDR of an IPv6 socket reads a struct in6_ifreq, which `Request` lays out.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR, &raw const request) };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
