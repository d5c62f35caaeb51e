//! Packets written and read by hand, for what a well-behaved app would never send.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv6Packet, IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, TcpControl,
    TcpOption, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
};
use std::net::{IpAddr, SocketAddr};

/// A segment toward an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub seq: i32,
    pub ack_number: i32,
    /// As it stands in the header, and the scale that a SYN names.
    pub window: u16,
    pub scale: Option<u8>,
    pub data: Vec<u8>,
}

/// An unreachable toward an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    pub to: IpAddr,
    /// Of the packet that it is about.
    pub src_port: u16,
    pub dst_port: u16,
    /// Whether the port is meant, or the host.
    pub port: bool,
}

/// What an app is told of a packet that the path does not take whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBig {
    pub to: IpAddr,
    pub src_port: u16,
    pub dst_port: u16,
    pub mtu: u16,
}

/// A message about an echo, by identifier and number of what it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoError {
    pub kind: u8,
    pub code: u8,
    pub ident: u16,
    pub number: u16,
}

/// A packet toward an app; its sums were right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Segment(Segment),
    Datagram {
        src: SocketAddr,
        dst: SocketAddr,
        data: Vec<u8>,
    },
    /// A reply; the port of `dst` is the identifier.
    Echo {
        src: IpAddr,
        dst: SocketAddr,
        number: u16,
        data: Vec<u8>,
    },
    Icmp(Icmp),
    EchoError(EchoError),
    TooBig(TooBig),
}

/// What a segment says.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    pub control: TcpControl,
    pub seq: i32,
    pub ack: Option<i32>,
    pub data: &'a [u8],
}

impl Tcp<'_> {
    pub const SYN: Self = Tcp { control: TcpControl::Syn, seq: 1000, ack: None, data: &[] };
}

fn ip(src: SocketAddr, dst: SocketAddr, protocol: IpProtocol, len: usize) -> (IpRepr, Vec<u8>) {
    let repr = IpRepr::new(IpAddress::from(src.ip()), dst.ip().into(), protocol, len, 64);
    let mut bytes = vec![0; repr.header_len() + len];
    repr.emit(&mut bytes[..], &ChecksumCapabilities::default());
    (repr, bytes)
}

pub fn tcp(src: SocketAddr, dst: SocketAddr, what: Tcp<'_>) -> Vec<u8> {
    let syn = what.control == TcpControl::Syn;
    let repr = TcpRepr {
        src_port: src.port(),
        dst_port: dst.port(),
        control: what.control,
        seq_number: TcpSeqNumber(what.seq),
        ack_number: what.ack.map(TcpSeqNumber),
        window_len: 60_000,
        window_scale: syn.then_some(0),
        max_seg_size: syn.then_some(1400),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: what.data,
    };
    let (ip, mut bytes) = ip(src, dst, IpProtocol::Tcp, repr.buffer_len());
    let mut packet = TcpPacket::new_unchecked(&mut bytes[ip.header_len()..]);
    repr.emit(&mut packet, &ip.src_addr(), &ip.dst_addr(), &ChecksumCapabilities::default());
    bytes
}

/// The same segment with something changed in its TCP header; the sum is right again.
pub fn edit(mut packet: Vec<u8>, change: impl FnOnce(&mut TcpPacket<&mut [u8]>)) -> Vec<u8> {
    let v4 = packet[0] >> 4 == 4;
    let head = if v4 { usize::from(packet[0] & 15) * 4 } else { 40 };
    let (src, dst): (IpAddress, IpAddress) = if v4 {
        let ip = Ipv4Packet::new_unchecked(&packet[..]);
        (ip.src_addr().into(), ip.dst_addr().into())
    } else {
        let ip = Ipv6Packet::new_unchecked(&packet[..]);
        (ip.src_addr().into(), ip.dst_addr().into())
    };
    let mut tcp = TcpPacket::new_unchecked(&mut packet[head..]);
    change(&mut tcp);
    tcp.fill_checksum(&src, &dst);
    packet
}

pub fn udp(src: SocketAddr, dst: SocketAddr, data: &[u8]) -> Vec<u8> {
    let (ip, mut bytes) = ip(src, dst, IpProtocol::Udp, 8 + data.len());
    let mut packet = UdpPacket::new_unchecked(&mut bytes[ip.header_len()..]);
    packet.set_src_port(src.port());
    packet.set_dst_port(dst.port());
    packet.set_len(8 + data.len() as u16);
    packet.payload_mut().copy_from_slice(data);
    packet.fill_checksum(&ip.src_addr(), &ip.dst_addr());
    bytes
}

/// An echo request; the port of `src` is the identifier.
pub fn echo(src: SocketAddr, dst: IpAddr, number: u16, data: &[u8]) -> Vec<u8> {
    let protocol = if dst.is_ipv4() { IpProtocol::Icmp } else { IpProtocol::Icmpv6 };
    let (ip, mut bytes) = ip(src, SocketAddr::new(dst, 0), protocol, 8 + data.len());
    let message = &mut bytes[ip.header_len()..];
    message[0] = if dst.is_ipv4() { 8 } else { 128 };
    message[4..6].copy_from_slice(&src.port().to_be_bytes());
    message[6..8].copy_from_slice(&number.to_be_bytes());
    message[8..].copy_from_slice(data);
    match (src.ip(), dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            Icmpv6Packet::new_unchecked(message).fill_checksum(&src, &dst);
        }
        _ => Icmpv4Packet::new_unchecked(message).fill_checksum(),
    }
    bytes
}

/// Reads a packet toward an app; panics where a real kernel would drop it.
pub fn read(bytes: &[u8]) -> Seen {
    let (src, dst, protocol, inner) = match bytes[0] >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(bytes).unwrap();
            assert!(ip.verify_checksum(), "the IPv4 sum is wrong");
            assert_eq!(usize::from(ip.total_len()), bytes.len());
            (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), ip.payload())
        }
        _ => {
            let ip = Ipv6Packet::new_checked(bytes).unwrap();
            assert_eq!(ip.total_len(), bytes.len());
            (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), ip.payload())
        }
    };
    let (from, to): (IpAddr, IpAddr) = (src, dst);
    match protocol {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(inner).unwrap();
            assert!(tcp.verify_checksum(&from.into(), &to.into()), "the TCP sum is wrong");
            Seen::Segment(Segment {
                src: (from, tcp.src_port()).into(),
                dst: (to, tcp.dst_port()).into(),
                syn: tcp.syn(),
                ack: tcp.ack(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                seq: tcp.seq_number().0,
                ack_number: tcp.ack_number().0,
                window: tcp.window_len(),
                scale: scale(tcp.options()),
                data: tcp.payload().to_vec(),
            })
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(inner).unwrap();
            assert!(udp.verify_checksum(&from.into(), &to.into()), "the UDP sum is wrong");
            Seen::Datagram {
                src: (from, udp.src_port()).into(),
                dst: (to, udp.dst_port()).into(),
                data: udp.payload().to_vec(),
            }
        }
        IpProtocol::Icmp => {
            let icmp = Icmpv4Packet::new_checked(inner).unwrap();
            assert!(icmp.verify_checksum(), "the ICMP sum is wrong");
            if inner[0] == 0 {
                return echo_reply(from, to, inner);
            }
            // Type, code, sum, four bytes (RFC 792, RFC 1191 §4); then an IPv4 header.
            assert_eq!(inner[0], 3, "no destination unreachable");
            let head = usize::from(inner[8] & 15) * 4;
            let about = About { to, carried: inner[8 + 9], quoted: &inner[8 + head..] };
            about.read(inner, (inner[0], inner[1]) == (3, 4), inner[1] == 3)
        }
        IpProtocol::Icmpv6 => {
            let icmp = Icmpv6Packet::new_checked(inner).unwrap();
            let (IpAddr::V6(src), IpAddr::V6(dst)) = (from, to) else { panic!("{from} {to}") };
            assert!(icmp.verify_checksum(&src, &dst), "the ICMPv6 sum is wrong");
            if inner[0] == 129 {
                return echo_reply(from, to, inner);
            }
            // Type, code, sum, four bytes (RFC 4443 §3); then an IPv6 header.
            assert!(matches!(inner[0], 1 | 2), "neither unreachable nor too big");
            let about = About { to, carried: inner[8 + 6], quoted: &inner[48..] };
            about.read(inner, inner[0] == 2, inner[1] == 4)
        }
        other => panic!("{other}"),
    }
}

fn scale(mut options: &[u8]) -> Option<u8> {
    while let Ok((rest, option)) = TcpOption::parse(options) {
        match option {
            TcpOption::WindowScale(shift) => return Some(shift),
            TcpOption::EndOfList => return None,
            _ => options = rest,
        }
    }
    None
}

fn number(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn echo_reply(src: IpAddr, to: IpAddr, message: &[u8]) -> Seen {
    let dst = SocketAddr::new(to, number(message, 4));
    Seen::Echo { src, dst, number: number(message, 6), data: message[8..].to_vec() }
}

/// Of a packet of the app, by its start.
struct About<'a> {
    to: IpAddr,
    carried: u8,
    quoted: &'a [u8],
}

impl About<'_> {
    fn read(self, message: &[u8], too_big: bool, port: bool) -> Seen {
        let Self { to, carried, quoted } = self;
        if matches!(carried, 1 | 58) {
            let (ident, number) = (number(quoted, 4), number(quoted, 6));
            return Seen::EchoError(EchoError {
                kind: message[0],
                code: message[1],
                ident,
                number,
            });
        }
        let (src_port, dst_port) = (number(quoted, 0), number(quoted, 2));
        if too_big {
            return Seen::TooBig(TooBig { to, src_port, dst_port, mtu: number(message, 6) });
        }
        Seen::Icmp(Icmp { to, src_port, dst_port, port })
    }
}
