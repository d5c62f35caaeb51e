//! Echo requests and replies, of ICMP and of ICMPv6 (RFC 792, RFC 4443 §4): eight bytes of header
//! with the asker's identifier and a number, and data that comes back as it was.

use super::build::{NoRoom, ip_repr};
use super::{Inner, Payload, Proto, Refused};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet, IpAddress, IpProtocol,
};
use std::net::SocketAddr;

/// Bytes before the ICMP message of an IPv4 packet.
pub const ECHO_V4: usize = 20;
/// Bytes before the ICMPv6 message of an IPv6 packet.
pub const ECHO_V6: usize = 40;
/// Type, code, sum, identifier, number.
const HEAD: usize = 8;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Asks.
    Request,
    /// Answers.
    Reply,
}

impl Echo {
    /// The type that the message's first byte tells.
    pub fn kind(self, ipv4: bool) -> u8 {
        match (self, ipv4) {
            (Self::Request, true) => Icmpv4Message::EchoRequest.into(),
            (Self::Reply, true) => Icmpv4Message::EchoReply.into(),
            (Self::Request, false) => Icmpv6Message::EchoRequest.into(),
            (Self::Reply, false) => Icmpv6Message::EchoReply.into(),
        }
    }
}

/// Reads the message of a packet; `at` is where it stands, `request` the only type that is taken.
pub(super) fn parse(inner: &[u8], at: usize, request: u8) -> Result<Inner, Refused> {
    let Some(&[kind, code, _, _, high, low, _, _]) = inner.first_chunk() else {
        return Err(Refused::Truncated);
    };
    if (kind, code) != (request, 0) {
        return Err(Refused::Unsupported);
    }
    let ident = u16::from_be_bytes([high, low]);
    Ok((Proto::Icmp, ident, 0, Payload::Echo(at..at + inner.len())))
}

/// Makes an echo of a message of `len` bytes that the caller has put at [`ECHO_V4`] or
/// [`ECHO_V6`]: number and data stay, the rest is written. The identifier is the port of the end
/// that asks. Returns the packet's length.
pub fn echo(
    src: SocketAddr,
    dst: SocketAddr,
    which: Echo,
    len: usize,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    if src.is_ipv4() != dst.is_ipv4() || len < HEAD {
        return Err(NoRoom);
    }
    let ipv4 = src.is_ipv4();
    let protocol = if ipv4 { IpProtocol::Icmp } else { IpProtocol::Icmpv6 };
    let ip = ip_repr(src, dst, protocol, len);
    let total = ip.header_len() + len;
    if total > usize::from(u16::MAX) {
        return Err(NoRoom);
    }
    let out = out.get_mut(..total).ok_or(NoRoom)?;
    ip.emit(&mut *out, &ChecksumCapabilities::default());
    let message = &mut out[ip.header_len()..];
    let asker = if which == Echo::Request { src } else { dst };
    message[..2].copy_from_slice(&[which.kind(ipv4), 0]);
    message[4..6].copy_from_slice(&asker.port().to_be_bytes());
    match (ip.src_addr(), ip.dst_addr()) {
        (IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) => {
            Icmpv6Packet::new_unchecked(message).fill_checksum(&src, &dst);
        }
        _ => Icmpv4Packet::new_unchecked(message).fill_checksum(),
    }
    Ok(total)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::wire::Packet;
    use smoltcp::wire::{Ipv4Packet, Ipv6Packet};

    pub(crate) fn packet(src: SocketAddr, dst: SocketAddr, which: Echo, data: &[u8]) -> Vec<u8> {
        let at = if src.is_ipv4() { ECHO_V4 } else { ECHO_V6 };
        let mut out = vec![0; at + HEAD];
        out[at + 7] = 3;
        out.extend_from_slice(data);
        let len = echo(src, dst, which, HEAD + data.len(), &mut out).unwrap();
        assert_eq!(len, out.len());
        out
    }

    fn ends(v4: bool) -> (SocketAddr, SocketAddr) {
        let (app, host) = if v4 { ("10.0.0.1", "192.0.2.7") } else { ("fd00::1", "2001:db8::7") };
        (SocketAddr::new(app.parse().unwrap(), 0xbeef), SocketAddr::new(host.parse().unwrap(), 0))
    }

    #[test]
    fn a_request_is_known_by_its_identifier() {
        for v4 in [true, false] {
            let (app, host) = ends(v4);
            let bytes = packet(app, host, Echo::Request, b"hello");
            let parsed = Packet::parse(&bytes).unwrap();
            assert_eq!((parsed.tuple.src, parsed.tuple.dst), (app, host));
            assert_eq!((parsed.tuple.proto, parsed.len), (Proto::Icmp, bytes.len()));
            let Payload::Echo(range) = parsed.payload else { panic!("{parsed:?}") };
            assert_eq!(&bytes[range.start + HEAD..range.end], b"hello");
        }
    }

    #[test]
    fn a_reply_has_the_askers_identifier_and_right_sums() {
        let (app, host) = ends(true);
        let bytes = packet(host, app, Echo::Reply, b"hello");
        let ip = Ipv4Packet::new_checked(&bytes).unwrap();
        let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
        assert!(ip.verify_checksum() && icmp.verify_checksum());
        assert_eq!((icmp.msg_type(), icmp.echo_ident()), (Icmpv4Message::EchoReply, 0xbeef));
        assert_eq!((icmp.echo_seq_no(), icmp.data()), (3, &b"hello"[..]));

        let (app, host) = ends(false);
        let bytes = packet(host, app, Echo::Reply, b"hello");
        let ip = Ipv6Packet::new_checked(&bytes).unwrap();
        let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
        assert!(icmp.verify_checksum(&ip.src_addr(), &ip.dst_addr()));
        assert_eq!((icmp.msg_type(), icmp.echo_ident()), (Icmpv6Message::EchoReply, 0xbeef));
        assert_eq!((icmp.echo_seq_no(), icmp.payload()), (3, &b"hello"[..]));
    }

    #[test]
    fn other_messages_are_not_taken() {
        for v4 in [true, false] {
            let (app, host) = ends(v4);
            let reply = packet(app, host, Echo::Reply, b"");
            assert_eq!(Packet::parse(&reply), Err(Refused::Unsupported));
            let at = if v4 { ECHO_V4 } else { ECHO_V6 };
            let mut odd = packet(app, host, Echo::Request, b"");
            odd[at + 1] = 1;
            assert_eq!(Packet::parse(&odd), Err(Refused::Unsupported));
        }
    }

    #[test]
    fn a_message_without_room_is_refused() {
        let (app, host) = ends(true);
        assert_eq!(echo(app, host, Echo::Request, 7, &mut [0; 64]), Err(NoRoom));
        assert_eq!(echo(app, host, Echo::Request, 8, &mut [0; 27]), Err(NoRoom));
        assert_eq!(echo(app, ends(false).1, Echo::Request, 8, &mut [0; 64]), Err(NoRoom));
        assert_eq!(echo(app, host, Echo::Request, 65_520, &mut vec![0; 70_000]), Err(NoRoom));
    }
}
