//! Packets toward the app that need no flow: resets, unreachables, datagrams.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
};
use std::net::SocketAddr;

/// Bytes before the data of an IPv4 datagram.
pub const DATAGRAM_V4: usize = 28;
/// Bytes before the data of an IPv6 datagram.
pub const DATAGRAM_V6: usize = 48;
const HOP_LIMIT: u8 = 64;

/// The buffer is too small, or the ends are of two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for the packet")]
pub struct NoRoom;

/// Why something cannot be reached (RFC 792, RFC 4443 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody listens.
    Port,
    /// No such host, or no way there.
    Host,
    /// Refused by policy.
    Prohibited,
    /// Larger than the path takes whole: the largest packet that passes, bytes (RFC 1191 §4,
    /// RFC 4443 §3.2).
    TooBig(u16),
}

pub(super) fn ip_repr(
    src: SocketAddr,
    dst: SocketAddr,
    protocol: IpProtocol,
    len: usize,
) -> IpRepr {
    IpRepr::new(IpAddress::from(src.ip()), IpAddress::from(dst.ip()), protocol, len, HOP_LIMIT)
}

/// Writes the headers of a datagram around `len` bytes of data that the caller has put at
/// [`DATAGRAM_V4`] or [`DATAGRAM_V6`]. Returns the packet's length.
pub fn datagram(
    src: SocketAddr,
    dst: SocketAddr,
    len: usize,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(NoRoom);
    }
    let ip = ip_repr(src, dst, IpProtocol::Udp, 8 + len);
    let total = ip.header_len() + 8 + len;
    if total > usize::from(u16::MAX) {
        return Err(NoRoom);
    }
    let out = out.get_mut(..total).ok_or(NoRoom)?;
    ip.emit(&mut *out, &ChecksumCapabilities::default());
    let mut udp = UdpPacket::new_unchecked(&mut out[ip.header_len()..]);
    udp.set_src_port(src.port());
    udp.set_dst_port(dst.port());
    udp.set_len((8 + len) as u16);
    udp.fill_checksum(&ip.src_addr(), &ip.dst_addr());
    Ok(total)
}

/// What a segment is beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Data, or an acknowledgement.
    None,
    /// The first one of its side.
    Syn,
    /// The last one of its side.
    Fin,
    /// A refusal.
    Rst,
}

/// A TCP segment to be written (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// What it is.
    pub control: Control,
    /// Number of its first byte, or of itself.
    pub seq: u32,
    /// Number of the next byte that is expected of the other side.
    pub ack: Option<u32>,
    /// Its data.
    pub data: &'a [u8],
}

/// Writes a segment into a packet. Returns the packet's length.
pub fn segment(
    src: SocketAddr,
    dst: SocketAddr,
    segment: Segment<'_>,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(NoRoom);
    }
    let repr = TcpRepr {
        src_port: src.port(),
        dst_port: dst.port(),
        control: match segment.control {
            Control::None => TcpControl::None,
            Control::Syn => TcpControl::Syn,
            Control::Fin => TcpControl::Fin,
            Control::Rst => TcpControl::Rst,
        },
        seq_number: number(segment.seq),
        ack_number: segment.ack.map(number),
        window_len: u16::MAX,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: segment.data,
    };
    emit(src, dst, &repr, out)
}

fn number(value: u32) -> TcpSeqNumber {
    TcpSeqNumber(value.cast_signed())
}

fn emit(
    src: SocketAddr,
    dst: SocketAddr,
    repr: &TcpRepr<'_>,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    let ip = ip_repr(src, dst, IpProtocol::Tcp, repr.buffer_len());
    let total = ip.header_len() + repr.buffer_len();
    if total > usize::from(u16::MAX) {
        return Err(NoRoom);
    }
    let out = out.get_mut(..total).ok_or(NoRoom)?;
    ip.emit(&mut *out, &ChecksumCapabilities::default());
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut out[ip.header_len()..]),
        &ip.src_addr(),
        &ip.dst_addr(),
        &ChecksumCapabilities::default(),
    );
    Ok(total)
}

/// Writes the reset that refuses a segment (RFC 9293 §3.10.7.1). `packet` is a TCP packet that
/// [`super::Packet::parse`] accepted, cut to its length. Returns the length of the reset.
pub fn reset(packet: &[u8], out: &mut [u8]) -> Result<usize, NoRoom> {
    let parsed = super::Packet::parse(packet).map_err(|_| NoRoom)?;
    let at = if parsed.tuple.src.is_ipv4() { usize::from(packet[0] & 15) * 4 } else { 40 };
    let tcp = TcpPacket::new_checked(packet.get(at..).ok_or(NoRoom)?).map_err(|_| NoRoom)?;
    let (seq_number, ack_number) = if tcp.ack() {
        (tcp.ack_number(), None)
    } else {
        (TcpSeqNumber(0), Some(tcp.seq_number() + tcp.segment_len()))
    };
    let repr = TcpRepr {
        src_port: tcp.dst_port(),
        dst_port: tcp.src_port(),
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    emit(parsed.tuple.dst, parsed.tuple.src, &repr, out)
}

/// Writes a segment without its data. `packet` is a TCP packet that [`super::Packet::parse`]
/// accepted, cut to its length. Returns the length.
pub fn segment_head(packet: &[u8], out: &mut [u8]) -> Result<usize, NoRoom> {
    let v4 = packet.first().map(|b| b >> 4) == Some(4);
    let at = if v4 { usize::from(packet[0] & 15) * 4 } else { 40 };
    let tcp = TcpPacket::new_checked(packet.get(at..).ok_or(NoRoom)?).map_err(|_| NoRoom)?;
    let len = at + usize::from(tcp.header_len());
    let out = out.get_mut(..len).ok_or(NoRoom)?;
    out.copy_from_slice(packet.get(..len).ok_or(NoRoom)?);
    if len == packet.len() {
        return Ok(len);
    }
    let (src, dst): (IpAddress, IpAddress) = if v4 {
        let mut ip = Ipv4Packet::new_unchecked(&mut *out);
        ip.set_total_len(len as u16);
        ip.fill_checksum();
        (ip.src_addr().into(), ip.dst_addr().into())
    } else {
        let mut ip = Ipv6Packet::new_unchecked(&mut *out);
        ip.set_payload_len((len - at) as u16);
        (ip.src_addr().into(), ip.dst_addr().into())
    };
    TcpPacket::new_unchecked(&mut out[at..]).fill_checksum(&src, &dst);
    Ok(len)
}

/// Writes the ICMP message that says why a packet was not carried; it quotes the packet's start.
/// `packet` was accepted by [`super::Packet::parse`] and is cut to its length. Returns the length.
pub fn unreachable(packet: &[u8], why: Unreachable, out: &mut [u8]) -> Result<usize, NoRoom> {
    match packet.first().map(|b| b >> 4) {
        Some(4) => unreachable_v4(packet, why, out),
        Some(6) => unreachable_v6(packet, why, out),
        _ => Err(NoRoom),
    }
}

fn unreachable_v4(packet: &[u8], why: Unreachable, out: &mut [u8]) -> Result<usize, NoRoom> {
    let ip = Ipv4Packet::new_checked(packet).map_err(|_| NoRoom)?;
    // RFC 792: the header and at least eight bytes of what it carried; RFC 1812 §4.3.2.3 allows
    // more, up to a packet of 576 bytes.
    let quoted = ip.payload();
    let repr = Icmpv4Repr::DstUnreachable {
        reason: match why {
            Unreachable::Port => Icmpv4DstUnreachable::PortUnreachable,
            Unreachable::Host => Icmpv4DstUnreachable::HostUnreachable,
            Unreachable::Prohibited => Icmpv4DstUnreachable::CommProhibited,
            Unreachable::TooBig(_) => Icmpv4DstUnreachable::FragRequired,
        },
        header: Ipv4Repr::parse(&ip, &ChecksumCapabilities::ignored()).map_err(|_| NoRoom)?,
        data: &quoted[..quoted.len().min(64)],
    };
    let outer = IpRepr::new(
        ip.dst_addr().into(),
        ip.src_addr().into(),
        IpProtocol::Icmp,
        repr.buffer_len(),
        HOP_LIMIT,
    );
    let total = outer.header_len() + repr.buffer_len();
    let out = out.get_mut(..total).ok_or(NoRoom)?;
    outer.emit(&mut *out, &ChecksumCapabilities::default());
    let message = &mut out[outer.header_len()..];
    repr.emit(&mut Icmpv4Packet::new_unchecked(&mut *message), &ChecksumCapabilities::ignored());
    if let Unreachable::TooBig(mtu) = why {
        message[6..8].copy_from_slice(&mtu.to_be_bytes());
    }
    Icmpv4Packet::new_unchecked(message).fill_checksum();
    Ok(total)
}

fn unreachable_v6(packet: &[u8], why: Unreachable, out: &mut [u8]) -> Result<usize, NoRoom> {
    let ip = Ipv6Packet::new_checked(packet).map_err(|_| NoRoom)?;
    let quoted = ip.payload();
    let header = Ipv6Repr::parse(&ip).map_err(|_| NoRoom)?;
    let data = &quoted[..quoted.len().min(64)];
    let unreachable = |reason| Icmpv6Repr::DstUnreachable { reason, header, data };
    let repr = match why {
        Unreachable::Port => unreachable(Icmpv6DstUnreachable::PortUnreachable),
        Unreachable::Host => unreachable(Icmpv6DstUnreachable::AddrUnreachable),
        Unreachable::Prohibited => unreachable(Icmpv6DstUnreachable::AdminProhibit),
        Unreachable::TooBig(mtu) => Icmpv6Repr::PktTooBig { mtu: mtu.into(), header, data },
    };
    let (src, dst) = (ip.dst_addr(), ip.src_addr());
    let outer =
        IpRepr::new(src.into(), dst.into(), IpProtocol::Icmpv6, repr.buffer_len(), HOP_LIMIT);
    let total = outer.header_len() + repr.buffer_len();
    let out = out.get_mut(..total).ok_or(NoRoom)?;
    outer.emit(&mut *out, &ChecksumCapabilities::default());
    let mut icmp = Icmpv6Packet::new_unchecked(&mut out[outer.header_len()..]);
    repr.emit(&src, &dst, &mut icmp, &ChecksumCapabilities::default());
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::SYN_V4;

    #[test]
    fn a_syn_is_reset_with_its_number_acknowledged() {
        let mut out = [0; 64];
        let len = reset(&SYN_V4, &mut out).unwrap();
        let ip = Ipv4Packet::new_checked(&out[..len]).unwrap();
        assert!(ip.verify_checksum());
        assert_eq!(ip.src_addr().octets(), [198, 18, 0, 9]);
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert!(tcp.rst() && tcp.ack());
        assert_eq!((tcp.src_port(), tcp.dst_port()), (80, 40000));
        assert_eq!(tcp.ack_number(), TcpSeqNumber(0x1234_5679));
    }

    #[test]
    fn a_segment_is_written_as_it_is_read() {
        let mut out = [0; 100];
        for (src, dst) in [("1.2.3.4:5", "6.7.8.9:10"), ("[fd00::1]:5", "[fd00::2]:10")] {
            let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
            let (seq, ack) = (u32::MAX, Some(7));
            let fin = Segment { control: Control::Fin, seq, ack, data: b"last" };
            let len = segment(src, dst, fin, &mut out).unwrap();
            let packet = crate::wire::Packet::parse(&out[..len]).unwrap();
            assert_eq!((packet.tuple.src, packet.tuple.dst), (src, dst));
            let at = if src.is_ipv4() { 20 } else { 40 };
            let tcp = TcpPacket::new_checked(&out[at..len]).unwrap();
            assert!(tcp.verify_checksum(&src.ip().into(), &dst.ip().into()));
            assert!(tcp.fin() && tcp.ack() && !tcp.syn() && !tcp.rst());
            assert_eq!((tcp.seq_number(), tcp.payload()), (TcpSeqNumber(-1), &b"last"[..]));
            assert_eq!(segment(src, dst, fin, &mut [0; 43]), Err(NoRoom));
        }
    }

    #[test]
    fn the_head_of_a_segment_is_a_segment_without_data() {
        let mut out = [0; 120];
        assert_eq!(segment_head(&SYN_V4, &mut out), Ok(60));
        assert_eq!(out[..60], SYN_V4);
        let mut long = [&SYN_V4[..], &[7; 40]].concat();
        long[3] += 40;
        let len = segment_head(&long, &mut out).unwrap();
        let ip = Ipv4Packet::new_checked(&out[..len]).unwrap();
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(ip.verify_checksum() && tcp.payload().is_empty());
        assert!(tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert_eq!(segment_head(&SYN_V4, &mut [0; 59]), Err(NoRoom));
    }

    #[test]
    fn an_unreachable_quotes_the_packet_and_sums_up() {
        let mut out = [0; 256];
        let len = unreachable(&SYN_V4, Unreachable::Host, &mut out).unwrap();
        let ip = Ipv4Packet::new_checked(&out[..len]).unwrap();
        let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
        assert!(ip.verify_checksum() && icmp.verify_checksum());
        let repr = Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()).unwrap();
        let Icmpv4Repr::DstUnreachable { reason, header, data } = repr else { panic!("{repr:?}") };
        assert_eq!(reason, Icmpv4DstUnreachable::HostUnreachable);
        assert_eq!(header.src_addr.octets(), [198, 18, 0, 1]);
        assert_eq!(data, &SYN_V4[20..]);
    }

    #[test]
    fn a_v6_datagram_and_its_unreachable_sum_up() {
        let (src, dst) = ("[fd00::1]:5000".parse().unwrap(), "[fd00::2]:443".parse().unwrap());
        let mut udp = [7; 100];
        let len = datagram(src, dst, 20, &mut udp).unwrap();
        assert_eq!(len, DATAGRAM_V6 + 20);
        let ip = Ipv6Packet::new_checked(&udp[..len]).unwrap();
        let inner = UdpPacket::new_checked(ip.payload()).unwrap();
        assert!(inner.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert_eq!(inner.payload(), [7; 20]);

        let mut out = [0; 256];
        let len = unreachable(&udp[..len], Unreachable::Port, &mut out).unwrap();
        let ip = Ipv6Packet::new_checked(&out[..len]).unwrap();
        let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
        let caps = ChecksumCapabilities::default();
        let repr = Icmpv6Repr::parse(&ip.src_addr(), &ip.dst_addr(), &icmp, &caps).unwrap();
        let Icmpv6Repr::DstUnreachable { reason, .. } = repr else { panic!("{repr:?}") };
        assert_eq!(reason, Icmpv6DstUnreachable::PortUnreachable);
    }

    #[test]
    fn a_packet_that_is_too_big_is_told_the_size_that_passes() {
        let mut out = [0; 256];
        let len = unreachable(&SYN_V4, Unreachable::TooBig(1400), &mut out).unwrap();
        let icmp = Icmpv4Packet::new_checked(&out[20..len]).unwrap();
        assert!(icmp.verify_checksum());
        // Type, code, sum, unused, next-hop MTU (RFC 1191 §4).
        assert_eq!((out[20..22].to_vec(), out[24..28].to_vec()), (vec![3, 4], vec![0, 0, 5, 120]));

        let (src, dst) = ("[fd00::1]:5000".parse().unwrap(), "[fd00::2]:443".parse().unwrap());
        let mut udp = [7; 100];
        let len = datagram(src, dst, 20, &mut udp).unwrap();
        let len = unreachable(&udp[..len], Unreachable::TooBig(1400), &mut out).unwrap();
        let ip = Ipv6Packet::new_checked(&out[..len]).unwrap();
        let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
        assert!(icmp.verify_checksum(&ip.src_addr(), &ip.dst_addr()));
        assert_eq!(icmp.pkt_too_big_mtu(), 1400);
    }

    #[test]
    fn a_small_buffer_is_refused() {
        assert_eq!(reset(&SYN_V4, &mut [0; 39]), Err(NoRoom));
        assert_eq!(unreachable(&SYN_V4, Unreachable::Port, &mut [0; 40]), Err(NoRoom));
        let (v4, v6) = ("1.1.1.1:1".parse().unwrap(), "[::1]:1".parse().unwrap());
        assert_eq!(datagram(v4, v4, 10, &mut [0; 37]), Err(NoRoom));
        assert_eq!(datagram(v4, v6, 1, &mut [0; 100]), Err(NoRoom));
        assert_eq!(datagram(v4, v4, 65_508, &mut vec![0; 70_000]), Err(NoRoom));
    }
}
