//! The IP packet of a capture. Unlike `wire`, which acts on whole packets of local apps, it bears
//! with what captures do to packets: their ends are missing where only heads were kept, and their
//! length is 0 where the network card was to cut them.

use crate::limits::IPV6_HEADERS;
use crate::wire::{FiveTuple, Proto};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A packet between two hosts.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// Sender and receiver.
    pub(super) tuple: FiveTuple,
    pub(super) payload: Payload<'a>,
    /// Whether the capture lacks its end.
    pub(super) cut: bool,
    /// What stands behind it in the frame.
    pub(super) behind: &'a [u8],
}

#[derive(Debug)]
pub(super) enum Payload<'a> {
    Tcp(Segment<'a>),
    Udp(&'a [u8]),
}

/// The parts of a TCP segment that order its bytes (RFC 9293 §3.1).
#[derive(Debug)]
pub(super) struct Segment<'a> {
    pub(super) seq: u32,
    flags: u8,
    /// As much of the data as was captured.
    pub(super) data: &'a [u8],
    /// How much data there was.
    pub(super) len: u32,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl Segment<'_> {
    /// Whether a client begins a connection with it.
    pub(super) fn opens(&self) -> bool {
        self.flags & (SYN | ACK | RST) == SYN
    }

    pub(super) fn fin(&self) -> bool {
        self.flags & FIN != 0
    }

    pub(super) fn rst(&self) -> bool {
        self.flags & RST != 0
    }

    /// Number of its first byte of data: a SYN takes a number itself (RFC 9293 §3.4).
    pub(super) fn first(&self) -> u32 {
        self.seq.wrapping_add(u32::from(self.flags & SYN != 0))
    }
}

/// Why a packet is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// Its headers are not all there.
    Cut,
    /// A part of a packet, to be read by [`Fragment::parse`].
    Fragment,
    /// Not TCP or UDP from one host to one host, or no IP packet.
    Other,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

impl<'a> Packet<'a> {
    /// Reads from the IP header on.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Skip> {
        let Head { src, dst, proto, at, len, part } = Head::of(bytes)?;
        if dst.is_multicast() || src.is_multicast() || dst == IpAddr::from(Ipv4Addr::BROADCAST) {
            return Err(Skip::Other);
        }
        if part.is_some() {
            return Err(Skip::Fragment);
        }
        let (whole, behind) = bytes.split_at(len.min(bytes.len()));
        let inner = whole.get(at..).ok_or(Skip::Cut)?;
        let Some(&[a, b, c, d]) = inner.first_chunk() else { return Err(Skip::Cut) };
        let ports = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let (proto, payload) = match proto {
            TCP => (Proto::Tcp, segment(inner, len - at)?),
            UDP => (Proto::Udp, Payload::Udp(datagram(inner)?)),
            _ => return Err(Skip::Other),
        };
        let (src, dst) = (SocketAddr::new(src, ports.0), SocketAddr::new(dst, ports.1));
        let cut = len > bytes.len();
        Ok(Self { tuple: FiveTuple { proto, src, dst }, payload, cut, behind })
    }
}

/// A part of an IP packet.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub(super) place: Place,
    /// From the IP header on.
    bytes: &'a [u8],
    pub(super) data: &'a [u8],
    /// What stands behind it in the frame.
    pub(super) behind: &'a [u8],
}

/// Of which packet a fragment is, and where it stands in that one's data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// 0 for IPv6, whose fragments do not differ by protocol (RFC 8200 §4.5).
    pub(super) proto: u8,
    pub(super) id: u32,
    pub(super) offset: usize,
    /// Whether others follow behind it.
    pub(super) more: bool,
}

impl<'a> Fragment<'a> {
    /// Reads from the IP header on. One that the capture has not whole is [`Skip::Cut`].
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Skip> {
        let Head { src, dst, proto, at, len, part } = Head::of(bytes)?;
        let Part { id, offset, more } = part.ok_or(Skip::Other)?;
        let data = bytes.get(at..len).ok_or(Skip::Cut)?;
        // Places count in eight bytes (RFC 791 §3.1).
        if data.is_empty() || more && data.len() % 8 != 0 {
            return Err(Skip::Other);
        }
        let proto = if src.is_ipv4() { proto } else { 0 };
        let place = Place { src, dst, proto, id, offset, more };
        Ok(Self { place, bytes, data, behind: bytes.get(len..).unwrap_or_default() })
    }

    /// The header of the whole packet, but for its length. Extension headers before the one of
    /// fragments tell nothing that is read here, and are left out.
    pub(super) fn head(&self) -> Vec<u8> {
        let size = self.bytes.len() - self.data.len() - self.behind.len();
        let before = self.bytes.get(..size).unwrap_or_default();
        if self.place.src.is_ipv4() {
            let mut head = before.to_vec();
            head.iter_mut().skip(6).take(2).for_each(|byte| *byte = 0);
            return head;
        }
        let next = size.checked_sub(FRAGMENT_HEADER).and_then(|at| before.get(at)).copied();
        let mut head = before.get(..IPV6_HEADER).unwrap_or_default().to_vec();
        head.iter_mut().skip(6).take(1).for_each(|byte| *byte = next.unwrap_or_default());
        head
    }
}

const IPV6_HEADER: usize = 40;
const FRAGMENT_HEADER: usize = 8;

/// What an IP header says: where its payload stands and the packet ends.
struct Head {
    src: IpAddr,
    dst: IpAddr,
    proto: u8,
    at: usize,
    len: usize,
    part: Option<Part>,
}

/// What it says of a fragment.
struct Part {
    id: u32,
    offset: usize,
    more: bool,
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, Skip> {
        match bytes.first().map(|byte| byte >> 4) {
            Some(4) => Self::v4(bytes),
            Some(6) => Self::v6(bytes),
            Some(_) => Err(Skip::Other),
            None => Err(Skip::Cut),
        }
    }

    /// RFC 791 §3.1.
    fn v4(bytes: &[u8]) -> Result<Self, Skip> {
        let head = bytes.first_chunk::<20>().ok_or(Skip::Cut)?;
        let at = usize::from(head[0] & 15) * 4;
        let len = match u16::from_be_bytes([head[2], head[3]]) {
            0 => bytes.len(),
            len => usize::from(len),
        };
        if at < head.len() || len < at {
            return Err(Skip::Other);
        }
        let place = u16::from_be_bytes([head[6], head[7]]);
        let part = (place & 0x3fff != 0).then(|| Part {
            id: u16::from_be_bytes([head[4], head[5]]).into(),
            offset: usize::from(place & 0x1fff) * 8,
            more: place & 0x2000 != 0,
        });
        let addr = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]);
        Ok(Self { src: addr(12).into(), dst: addr(16).into(), proto: head[9], at, len, part })
    }

    /// RFC 8200 §3, and the extension headers that may stand before TCP and UDP (§4).
    fn v6(bytes: &[u8]) -> Result<Self, Skip> {
        const HOP_BY_HOP: u8 = 0;
        const ROUTING: u8 = 43;
        const FRAGMENT: u8 = 44;
        const AUTHENTICATION: u8 = 51;
        const DESTINATION: u8 = 60;
        let head = bytes.first_chunk::<IPV6_HEADER>().ok_or(Skip::Cut)?;
        let len = match u16::from_be_bytes([head[4], head[5]]) {
            0 => bytes.len(),
            len => head.len() + usize::from(len),
        };
        let (mut proto, mut at, mut part) = (head[6], head.len(), None);
        for _ in 0..IPV6_HEADERS {
            let unit = match proto {
                HOP_BY_HOP | ROUTING | DESTINATION => 8,
                AUTHENTICATION => 4,
                FRAGMENT => {
                    let header = bytes.get(at..).and_then(|b| b.first_chunk::<FRAGMENT_HEADER>());
                    let &[next, _, a, b, id @ ..] = header.ok_or(Skip::Cut)?;
                    let place = u16::from_be_bytes([a, b]);
                    at += FRAGMENT_HEADER;
                    proto = next;
                    if place & 0xfff9 == 0 {
                        // All of a packet after all (RFC 6946).
                        continue;
                    }
                    let (offset, more) = (usize::from(place & 0xfff8), place & 1 != 0);
                    part = Some(Part { id: u32::from_be_bytes(id), offset, more });
                    break;
                }
                _ => break,
            };
            let Some(&[next, size]) = bytes.get(at..at + 2) else { return Err(Skip::Cut) };
            // AH counts in four bytes and without two of them (RFC 4302 §2.2).
            at += (usize::from(size) + if unit == 4 { 2 } else { 1 }) * unit;
            proto = next;
        }
        if len < at {
            return Err(Skip::Other);
        }
        let addr = |at: usize| {
            let bytes = head.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok());
            IpAddr::from(Ipv6Addr::from(bytes.unwrap_or_default()))
        };
        Ok(Self { src: addr(8), dst: addr(24), proto, at, len, part })
    }
}

/// `size` is what the IP header says.
fn segment(inner: &[u8], size: usize) -> Result<Payload<'_>, Skip> {
    let head = inner.first_chunk::<20>().ok_or(Skip::Cut)?;
    let at = usize::from(head[12] >> 4) * 4;
    let len = size.checked_sub(at).filter(|_| at >= head.len()).ok_or(Skip::Other)?;
    Ok(Payload::Tcp(Segment {
        seq: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        flags: head[13],
        data: inner.get(at..).unwrap_or_default(),
        // At most what an IP packet or a block of a capture can hold.
        len: len as u32,
    }))
}

/// RFC 768; a length of 0 is that of a jumbogram or of a card's work to come.
fn datagram(inner: &[u8]) -> Result<&[u8], Skip> {
    let head = inner.first_chunk::<8>().ok_or(Skip::Cut)?;
    let end = match usize::from(u16::from_be_bytes([head[4], head[5]])) {
        0 => inner.len(),
        len if len < head.len() => return Err(Skip::Other),
        len => len.min(inner.len()),
    };
    Ok(inner.get(head.len()..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::SYN_V4;

    fn with_data(data: &[u8]) -> Vec<u8> {
        let mut bytes = [&SYN_V4[..], data].concat();
        let len = (bytes.len() as u16).to_be_bytes();
        bytes[2..4].copy_from_slice(&len);
        bytes
    }

    fn segment_of<'a>(packet: &'a Packet<'_>) -> &'a Segment<'a> {
        let Payload::Tcp(segment) = &packet.payload else { panic!("{packet:?}") };
        segment
    }

    #[test]
    fn a_syn_opens_and_its_data_follows_its_number() {
        let bytes = with_data(b"early");
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.tuple.src, "198.18.0.1:40000".parse().unwrap());
        assert_eq!(packet.tuple.dst, "198.18.0.9:80".parse().unwrap());
        let segment = segment_of(&packet);
        assert!(segment.opens() && !segment.fin() && !segment.rst());
        assert_eq!((segment.first(), segment.data), (0x1234_5679, &b"early"[..]));
        assert!(!packet.cut);
    }

    #[test]
    fn what_stands_behind_the_packet_is_no_part_of_it() {
        let bytes = [with_data(b"data"), b"trailer".to_vec()].concat();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((segment_of(&packet).data, packet.behind), (&b"data"[..], &b"trailer"[..]));
    }

    #[test]
    fn a_packet_without_its_end_tells_how_long_it_was() {
        let whole = with_data(b"0123456789");
        for kept in 0..whole.len() {
            match Packet::parse(&whole[..kept]) {
                Err(skip) => assert!(skip == Skip::Cut && kept < 40, "{kept}"),
                Ok(packet) => {
                    assert!(packet.cut && kept >= 40);
                    assert_eq!(segment_of(&packet).len, 10);
                    assert_eq!(segment_of(&packet).data, &b"0123456789"[..kept.saturating_sub(60)]);
                }
            }
        }
    }

    #[test]
    fn a_length_of_zero_is_that_of_the_frame() {
        let mut bytes = with_data(b"offloaded");
        bytes[2..4].fill(0);
        assert_eq!(segment_of(&Packet::parse(&bytes).unwrap()).data, b"offloaded");
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let tcp = &SYN_V4[20..];
        let (hops, destination) = ([60, 0, 0, 0, 0, 0, 0, 0], [6, 1, 0, 0, 0, 0, 0, 0]);
        let inner = [&hops[..], &destination, &[0; 8], tcp].concat();
        let mut bytes = vec![0x60, 0, 0, 0, 0, inner.len() as u8, 0, 64];
        bytes.extend(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).octets());
        bytes.extend(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).octets());
        bytes.extend(&inner);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.tuple.dst, "[fd00::2]:80".parse().unwrap());
        assert!(segment_of(&packet).opens());
        for end in 0..bytes.len() {
            assert!(!matches!(Packet::parse(&bytes[..end]), Ok(Packet { cut: false, .. })));
        }
        bytes[6] = 44;
        assert!(Packet::parse(&bytes).is_ok(), "one fragment that is all of a packet");
        bytes[43] = 1;
        assert_eq!(Packet::parse(&bytes).unwrap_err(), Skip::Fragment);
        for end in 0..bytes.len() {
            assert_eq!(Fragment::parse(&bytes[..end]).unwrap_err(), Skip::Cut);
        }
    }

    #[test]
    fn what_is_not_between_two_hosts_is_passed_over() {
        let with = |change: fn(&mut [u8])| {
            let mut bytes = SYN_V4.to_vec();
            change(&mut bytes);
            Packet::parse(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(|b| b[0] = 0x35), Skip::Other);
        assert_eq!(with(|b| b[6] = 0x20), Skip::Fragment);
        assert_eq!(with(|b| b[7] = 1), Skip::Fragment);
        assert_eq!(with(|b| b[9] = 1), Skip::Other, "ICMP");
        assert_eq!(with(|b| b[16] = 224), Skip::Other);
        assert_eq!(with(|b| b[16..20].fill(255)), Skip::Other);
        assert_eq!(with(|b| b[32] = 0x40), Skip::Other, "a TCP header of 16 bytes");
        assert_eq!(with(|b| b[3] = 30), Skip::Cut);
    }
}
