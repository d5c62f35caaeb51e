//! Who owns a flow: on Linux the kernel's socket table tells, by netlink (sock_diag(7)).

use crate::wire::{FiveTuple, Proto};
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::net::{IpAddr, SocketAddr};

/// Tells who owns a flow. It lives on a thread of its own and may take its time: an answer that
/// comes later than [`crate::limits::OWNER_TIMEOUT`] is of no use any more.
pub trait Owners: Send {
    /// The user id of the socket whose packets have this source and destination; `None` where
    /// nobody knows. Asked once a flow.
    fn owner(&mut self, tuple: &FiveTuple) -> Option<u32>;
}

/// Asks the kernel, a few microseconds a question. Sees the sockets of its own network namespace.
pub struct SockDiag {
    socket: OwnedFd,
    asked: u32,
}

const REQUEST: usize = 72;
const HEADER: usize = 16;
/// Where `struct inet_diag_msg` has `idiag_uid`, after the netlink header.
const UID: usize = HEADER + 4 + 48 + 12;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;

impl SockDiag {
    /// Opens the kernel's interface.
    pub fn new() -> std::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        Ok(Self { socket, asked: 0 })
    }

    fn ask(&mut self, proto: Proto, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        self.asked = self.asked.wrapping_add(1);
        send(&self.socket, &request(proto, local, remote, self.asked), SendFlags::empty()).ok()?;
        let mut reply = [0; 1024];
        loop {
            let (_, len) = recv(&self.socket, &mut reply, RecvFlags::empty()).ok()?;
            let reply = reply.get(..len)?;
            if word(reply, 8)? == self.asked {
                return uid(reply);
            }
        }
    }
}

impl Owners for SockDiag {
    fn owner(&mut self, tuple: &FiveTuple) -> Option<u32> {
        let FiveTuple { proto, src, dst } = *tuple;
        // The kernel's table has no echo sockets.
        if proto == Proto::Icmp {
            return None;
        }
        let found = self.ask(proto, src, dst);
        match (found, proto) {
            // Kernels disagree which end of a datagram socket comes first.
            (None, Proto::Udp) => self.ask(proto, dst, src),
            _ => found,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The user id of a reply; `None` for an error reply.
fn uid(reply: &[u8]) -> Option<u32> {
    let kind = word(reply, 4)?.to_ne_bytes();
    let is_socket = u16::from_ne_bytes([kind[0], kind[1]]) == SOCK_DIAG_BY_FAMILY;
    if is_socket { word(reply, UID) } else { None }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2` for one socket.
fn request(proto: Proto, local: SocketAddr, remote: SocketAddr, number: u32) -> [u8; REQUEST] {
    let mut out = [0; REQUEST];
    out[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    out[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    out[8..12].copy_from_slice(&number.to_ne_bytes());
    out[16] = if local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
    out[17] = match proto {
        Proto::Tcp => libc::IPPROTO_TCP,
        Proto::Udp => libc::IPPROTO_UDP,
        Proto::Icmp => libc::IPPROTO_ICMP,
    } as u8;
    out[20..24].fill(0xff); // any state
    out[24..26].copy_from_slice(&local.port().to_be_bytes());
    out[26..28].copy_from_slice(&remote.port().to_be_bytes());
    put_addr(&mut out[28..44], local.ip());
    put_addr(&mut out[44..60], remote.ip());
    out[64..72].fill(0xff); // INET_DIAG_NOCOOKIE
    out
}

fn put_addr(out: &mut [u8], addr: IpAddr) {
    match addr {
        IpAddr::V4(a) => out[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => out.copy_from_slice(&a.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ProcNet;
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    /// What each way to know tells.
    fn owners(proto: Proto, src: SocketAddr, dst: SocketAddr) -> [Option<u32>; 2] {
        let tuple = FiveTuple { proto, src, dst };
        [SockDiag::new().unwrap().owner(&tuple), ProcNet::default().owner(&tuple)]
    }

    fn us() -> [Option<u32>; 2] {
        [Some(rustix::process::getuid().as_raw()); 2]
    }

    #[test]
    fn the_owner_of_our_own_sockets_is_us() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(host).unwrap();
            let app = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (src, dst) = (app.local_addr().unwrap(), app.peer_addr().unwrap());
            assert_eq!(owners(Proto::Tcp, src, dst), us(), "TCP {host}");

            let server = UdpSocket::bind(host).unwrap();
            let app = UdpSocket::bind(host).unwrap();
            app.connect(server.local_addr().unwrap()).unwrap();
            let (src, dst) = (app.local_addr().unwrap(), app.peer_addr().unwrap());
            assert_eq!(owners(Proto::Udp, src, dst), us(), "UDP {host}");
        }
    }

    #[test]
    fn a_socket_of_ipv6_that_speaks_ipv4_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")).unwrap();
        let src = SocketAddr::from(([127, 0, 0, 1], app.local_addr().unwrap().port()));
        assert_eq!(owners(Proto::Tcp, src, listener.local_addr().unwrap()), us());
    }

    #[test]
    fn a_datagram_socket_that_speaks_to_anybody_is_found() {
        let app = UdpSocket::bind("0.0.0.0:0").unwrap();
        let src = SocketAddr::from(([127, 0, 0, 1], app.local_addr().unwrap().port()));
        assert_eq!(owners(Proto::Udp, src, "127.0.0.1:9".parse().unwrap()), us());
    }

    #[test]
    fn a_socket_that_does_not_exist_has_no_owner() {
        let (src, dst) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        assert_eq!(owners(Proto::Tcp, src, dst), [None; 2]);
    }

    #[test]
    fn a_short_reply_is_no_owner() {
        assert_eq!(uid(&[0; 20]), None);
        assert_eq!(uid(&[20, 0, 0, 0, 20, 0]), None);
    }
}
