//! IP packets in and out: a checked view of what an app sent, and the few packets that are
//! answered without a stack (resets, unreachables, datagrams, echoes).
//!
//! Never allocates, never keeps a packet, never trusts a length. Checked views are smoltcp's.

mod build;
mod echo;

pub use build::{
    Control, DATAGRAM_V4, DATAGRAM_V6, NoRoom, Segment, Unreachable, datagram, reset, segment,
    segment_head, unreachable,
};
pub use echo::{ECHO_V4, ECHO_V6, Echo, echo};

use smoltcp::wire::{
    Icmpv4Message, Icmpv6Message, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// What a flow is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proto {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
    /// Echo requests (RFC 792, RFC 4443 §4.1). The app's port is the identifier, the other is 0.
    Icmp,
}

/// A five-tuple as the app sees it: `src` is the app, `dst` what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    /// What it is made of.
    pub proto: Proto,
    /// The app's end.
    pub src: SocketAddr,
    /// The other end.
    pub dst: SocketAddr,
}

/// Flags of a TCP segment that decide about a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags {
    /// Synchronise without acknowledgement: the app opens a connection.
    pub opens: bool,
    /// Reset.
    pub rst: bool,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A TCP segment.
    Tcp(TcpFlags),
    /// A datagram; the range of its data in the packet.
    Udp(Range<usize>),
    /// An echo request; the range of the ICMP message in the packet.
    Echo(Range<usize>),
}

/// A packet that the core can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who to whom.
    pub tuple: FiveTuple,
    /// What.
    pub payload: Payload,
    /// Length by the IP header, at most that of the bytes.
    pub len: usize,
}

/// Why a packet is dropped. Nothing is logged of it; it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Shorter than a header or than its own lengths say.
    #[error("packet ends too early")]
    Truncated,
    /// A field contradicts another.
    #[error("packet is malformed")]
    Malformed,
    /// A fragment. Local apps do not fragment toward this MTU.
    #[error("packet is a fragment")]
    Fragment,
    /// Neither TCP, UDP nor an echo request, or behind extension headers.
    #[error("protocol is not handled")]
    Unsupported,
    /// To a group, to all, or from nobody.
    #[error("packet is not from one host to one host")]
    NotUnicast,
}

impl Packet {
    /// Reads the headers of one IP packet. Checksums are not verified: what a local app sends
    /// was summed by the kernel in the same memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let (src, dst, protocol, at, len) = match bytes.first().map(|b| b >> 4) {
            Some(4) => parse_v4(bytes)?,
            Some(6) => parse_v6(bytes)?,
            Some(_) => return Err(Refused::Malformed),
            None => return Err(Refused::Truncated),
        };
        if dst.is_multicast() || src.is_multicast() || src.is_unspecified() || is_broadcast(dst) {
            return Err(Refused::NotUnicast);
        }
        let inner = bytes.get(at..len).ok_or(Refused::Truncated)?;
        let (proto, src_port, dst_port, payload) = match protocol {
            IpProtocol::Tcp => parse_tcp(inner)?,
            IpProtocol::Udp => parse_udp(inner, at)?,
            IpProtocol::Icmp if src.is_ipv4() => {
                echo::parse(inner, at, Icmpv4Message::EchoRequest.into())?
            }
            IpProtocol::Icmpv6 if src.is_ipv6() => {
                echo::parse(inner, at, Icmpv6Message::EchoRequest.into())?
            }
            _ => return Err(Refused::Unsupported),
        };
        let (src, dst) = (SocketAddr::new(src, src_port), SocketAddr::new(dst, dst_port));
        Ok(Self { tuple: FiveTuple { proto, src, dst }, payload, len })
    }
}

fn is_broadcast(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V4(a) if a.is_broadcast())
}

type Head = (IpAddr, IpAddr, IpProtocol, usize, usize);

fn parse_v4(bytes: &[u8]) -> Result<Head, Refused> {
    let ip = Ipv4Packet::new_checked(bytes).map_err(|_| Refused::Truncated)?;
    let (head, len) = (usize::from(ip.header_len()), usize::from(ip.total_len()));
    if head < 20 || len < head {
        return Err(Refused::Malformed);
    }
    if ip.more_frags() || ip.frag_offset() != 0 {
        return Err(Refused::Fragment);
    }
    Ok((ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), head, len))
}

fn parse_v6(bytes: &[u8]) -> Result<Head, Refused> {
    let ip = Ipv6Packet::new_checked(bytes).map_err(|_| Refused::Truncated)?;
    let protocol = ip.next_header();
    if protocol == IpProtocol::Ipv6Frag {
        return Err(Refused::Fragment);
    }
    Ok((ip.src_addr().into(), ip.dst_addr().into(), protocol, ip.header_len(), ip.total_len()))
}

type Inner = (Proto, u16, u16, Payload);

fn parse_tcp(inner: &[u8]) -> Result<Inner, Refused> {
    let tcp = TcpPacket::new_checked(inner).map_err(|_| Refused::Truncated)?;
    let flags = TcpFlags { opens: tcp.syn() && !tcp.ack() && !tcp.rst(), rst: tcp.rst() };
    let (from, to) = ports(tcp.src_port(), tcp.dst_port())?;
    Ok((Proto::Tcp, from, to, Payload::Tcp(flags)))
}

fn parse_udp(inner: &[u8], at: usize) -> Result<Inner, Refused> {
    let udp = UdpPacket::new_checked(inner).map_err(|_| Refused::Truncated)?;
    let len = usize::from(udp.len());
    if len < 8 {
        return Err(Refused::Malformed);
    }
    let (from, to) = ports(udp.src_port(), udp.dst_port())?;
    Ok((Proto::Udp, from, to, Payload::Udp(at + 8..at + len)))
}

/// Nobody has port 0.
fn ports(from: u16, to: u16) -> Result<(u16, u16), Refused> {
    if from == 0 || to == 0 { Err(Refused::Malformed) } else { Ok((from, to)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A SYN from 198.18.0.1:40000 to 198.18.0.9:80, as Linux writes it, sums included.
    pub(crate) const SYN_V4: [u8; 60] = [
        0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x8e, 0x55, 198, 18, 0, 1, 198,
        18, 0, 9, 0x9c, 0x40, 0x00, 0x50, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0xa0, 0x02, 0xfa,
        0xf0, 0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x23, 0x00, 0x04, 0x02, 0x08, 0x0a, 0, 0, 0, 1,
        0, 0, 0, 0, 0x01, 0x03, 0x03, 0x07,
    ];

    fn udp_v6(data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 2000];
        let src = "[fd00::1]:5000".parse().unwrap();
        let dst = "[fd00::2]:53".parse().unwrap();
        out[DATAGRAM_V6..DATAGRAM_V6 + data.len()].copy_from_slice(data);
        let len = datagram(src, dst, data.len(), &mut out).unwrap();
        out.truncate(len);
        out
    }

    #[test]
    fn a_syn_is_read() {
        let packet = Packet::parse(&SYN_V4).unwrap();
        assert_eq!(packet.tuple.src, "198.18.0.1:40000".parse().unwrap());
        assert_eq!(packet.tuple.dst, "198.18.0.9:80".parse().unwrap());
        assert_eq!(packet.payload, Payload::Tcp(TcpFlags { opens: true, rst: false }));
        assert_eq!(packet.len, 60);
    }

    #[test]
    fn bytes_after_the_packet_are_left_out() {
        let mut long = SYN_V4.to_vec();
        long.extend([0xff; 9]);
        assert_eq!(Packet::parse(&long).unwrap().len, 60);
    }

    #[test]
    fn a_datagram_is_read() {
        let bytes = udp_v6(b"hello");
        let packet = Packet::parse(&bytes).unwrap();
        let Payload::Udp(range) = packet.payload else { panic!("not UDP") };
        assert_eq!(&bytes[range], b"hello");
        assert_eq!(packet.tuple.dst, "[fd00::2]:53".parse().unwrap());
    }

    #[test]
    fn an_empty_datagram_is_a_datagram() {
        let packet = Packet::parse(&udp_v6(b"")).unwrap();
        assert_eq!(packet.payload, Payload::Udp(48..48));
    }

    #[test]
    fn every_truncation_is_refused() {
        for bytes in [SYN_V4.to_vec(), udp_v6(b"hello")] {
            for end in 0..bytes.len() {
                assert_eq!(Packet::parse(&bytes[..end]), Err(Refused::Truncated), "{end}");
            }
        }
    }

    fn with(change: impl Fn(&mut [u8; 60])) -> Result<Packet, Refused> {
        let mut bytes = SYN_V4;
        change(&mut bytes);
        Packet::parse(&bytes)
    }

    #[test]
    fn what_cannot_be_handled_says_why() {
        assert_eq!(with(|b| b[0] = 0x35), Err(Refused::Malformed));
        assert_eq!(with(|b| b[0] = 0x41), Err(Refused::Truncated));
        assert_eq!(with(|b| b[6] = 0x20), Err(Refused::Fragment));
        assert_eq!(with(|b| b[7] = 0x01), Err(Refused::Fragment));
        assert_eq!(with(|b| b[9] = 1), Err(Refused::Unsupported), "ICMP that is no echo request");
        assert_eq!(with(|b| b[9] = 58), Err(Refused::Unsupported), "ICMPv6 in IPv4");
        assert_eq!(with(|b| b[16] = 224), Err(Refused::NotUnicast));
        assert_eq!(with(|b| b[16..20].fill(255)), Err(Refused::NotUnicast));
        assert_eq!(with(|b| b[12..16].fill(0)), Err(Refused::NotUnicast));
        assert_eq!(with(|b| b[22..24].fill(0)), Err(Refused::Malformed));
        assert_eq!(with(|b| b[32] = 0xf0), Err(Refused::Truncated));
    }

    #[test]
    fn a_fragment_is_refused_whatever_it_carries() {
        // The first one has its ports and says that more follow; a later one says where it belongs.
        assert_eq!(with(|b| b[6] = 0x20), Err(Refused::Fragment));
        assert_eq!(with(|b| (b[6], b[7], b[9]) = (0x00, 0x10, 17)), Err(Refused::Fragment));
        // IPv6 has a header of its own for it (RFC 8200 §4.5).
        let mut v6 = udp_v6(b"hello");
        v6[6] = 44;
        assert_eq!(Packet::parse(&v6), Err(Refused::Fragment));
    }

    #[test]
    fn no_mutation_panics() {
        let mut seed = 0x2545_f491_4f6c_dd1du64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let (v4, v6) = ("10.0.0.1:7".parse().unwrap(), "[fd00::1]:7".parse().unwrap());
        let originals = [
            SYN_V4.to_vec(),
            udp_v6(b"hello, resolver"),
            echo::tests::packet(v4, v4, Echo::Request, b"hello"),
            echo::tests::packet(v6, v6, Echo::Request, b"hello"),
        ];
        let mut out = [0; 256];
        for _ in 0..200_000 {
            let mut bytes = originals[next() as usize % 4].clone();
            for _ in 0..=next() % 4 {
                let at = next() as usize % bytes.len();
                bytes[at] = next() as u8;
            }
            bytes.truncate(1 + next() as usize % bytes.len());
            if let Ok(packet) = Packet::parse(&bytes) {
                assert!(packet.len <= bytes.len());
                let _ = reset(&bytes[..packet.len], &mut out);
                let _ = unreachable(&bytes[..packet.len], Unreachable::Port, &mut out);
            }
        }
    }
}
