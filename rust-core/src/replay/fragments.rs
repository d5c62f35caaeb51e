//! IP packets that were sent in fragments (RFC 791 §3.2, RFC 8200 §4.5), put together again. What
//! overlaps is refused (RFC 5722 §3): which of two texts the receiver took cannot be known. Holds
//! little, for little time, and counts each packet that it gives up.

use super::packet::{Fragment, Place};
use crate::limits::{FRAGMENT, FRAGMENTED, FRAGMENTED_BYTES, FRAGMENTED_MS, PACKET};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// What the fragments of one packet share.
type Key = (IpAddr, IpAddr, u8, u32);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: HashMap<Key, Pieces>,
    held: usize,
    begun: u64,
    given_up: u64,
}

/// The fragments of one packet that came so far.
#[derive(Debug)]
struct Pieces {
    /// Which packet it is, in the order in which they began.
    number: u64,
    begun_ms: i64,
    /// Header of the packet, once its first fragment came.
    head: Option<Vec<u8>>,
    /// Data by place.
    data: BTreeMap<usize, Vec<u8>>,
    /// Bytes of data.
    size: usize,
    /// How many bytes of data there are in all, once the last fragment came.
    end: Option<usize>,
    /// Two of them do not agree: what else comes is refused with them.
    refused: bool,
}

impl Fragments {
    /// Packets that were given up.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Takes a fragment; gives the whole packet with the last one that was missing.
    pub(super) fn put(&mut self, now_ms: i64, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        let Place { src, dst, proto, id, .. } = fragment.place;
        let key = (src, dst, proto, id);
        if self.waiting.get(&key).is_some_and(|pieces| pieces.is_late(now_ms)) {
            self.give_up(&key);
        }
        let begun = self.begun;
        let pieces = self.waiting.entry(key).or_insert_with(|| Pieces::new(begun, now_ms));
        let new = pieces.number == begun;
        self.begun += u64::from(new);
        let before = if new { 0 } else { pieces.held() };
        pieces.put(fragment);
        self.held = self.held - before + pieces.held();
        if pieces.is_whole() {
            let pieces = self.waiting.remove(&key)?;
            self.held -= pieces.held();
            let packet = pieces.packet();
            self.given_up += u64::from(packet.is_none());
            return packet;
        }
        while self.waiting.len() > FRAGMENTED || self.held > FRAGMENTED_BYTES {
            let oldest = self.waiting.iter().min_by_key(|(_, pieces)| pieces.number);
            let oldest = *oldest?.0;
            self.give_up(&oldest);
        }
        None
    }

    /// Gives up all that still wait.
    pub(super) fn end(&mut self) {
        self.given_up += self.waiting.len() as u64;
        self.waiting.clear();
        self.held = 0;
    }

    fn give_up(&mut self, key: &Key) {
        let Some(pieces) = self.waiting.remove(key) else { return };
        self.held -= pieces.held();
        self.given_up += 1;
    }
}

impl Pieces {
    fn new(number: u64, begun_ms: i64) -> Self {
        let data = BTreeMap::new();
        Self { number, begun_ms, head: None, data, size: 0, end: None, refused: false }
    }

    /// Whether the numbers of its packet may be used again by now; so may they be by a clock that
    /// was set back.
    fn is_late(&self, now_ms: i64) -> bool {
        now_ms.abs_diff(self.begun_ms) > FRAGMENTED_MS
    }

    fn held(&self) -> usize {
        self.head.as_ref().map_or(0, Vec::len) + self.size + (self.data.len() + 1) * FRAGMENT
    }

    fn put(&mut self, fragment: &Fragment<'_>) {
        if !self.refused && !self.fits(fragment) {
            *self = Self { refused: true, ..Self::new(self.number, self.begun_ms) };
        }
        let Place { offset, more, .. } = fragment.place;
        if self.refused || self.data.contains_key(&offset) {
            return;
        }
        if offset == 0 {
            self.head = Some(fragment.head());
        }
        if !more {
            self.end = Some(offset + fragment.data.len());
        }
        self.size += fragment.data.len();
        self.data.insert(offset, fragment.data.to_vec());
    }

    /// Whether it agrees with what is there: it is the same as one of them, or touches none, and
    /// lies before the end.
    fn fits(&self, fragment: &Fragment<'_>) -> bool {
        let Place { offset, more, .. } = fragment.place;
        let end = offset + fragment.data.len();
        if self.data.get(&offset).is_some_and(|same| same == fragment.data) {
            return more != (self.end == Some(end));
        }
        let before = self.data.range(..offset).next_back();
        let last = self.data.last_key_value().map_or(0, |(at, data)| at + data.len());
        before.is_none_or(|(at, data)| at + data.len() <= offset)
            && self.data.range(offset..).next().is_none_or(|(at, _)| end <= *at)
            && end <= PACKET
            && match self.end {
                Some(known) => more && end <= known,
                None => more || last <= end,
            }
    }

    /// Nothing overlaps, so as many bytes as there are in all are all of them.
    fn is_whole(&self) -> bool {
        self.head.is_some() && self.end == Some(self.size)
    }

    /// The packet as it would have come in one piece; `None` where no length could say how long.
    fn packet(self) -> Option<Vec<u8>> {
        let mut packet = self.head?;
        let head = packet.len();
        self.data.values().for_each(|data| packet.extend_from_slice(data));
        let v4 = packet.first()? >> 4 == 4;
        let (at, len) = if v4 { (2, packet.len()) } else { (4, packet.len() - head) };
        let len = u16::try_from(len).ok()?.to_be_bytes();
        packet.get_mut(at..at + 2)?.copy_from_slice(&len);
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Packet, Payload, Skip};
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// A datagram of UDP with ports 1 and 2.
    fn udp(data: &[u8]) -> Vec<u8> {
        let len = (8 + data.len() as u16).to_be_bytes();
        [&[0, 1, 0, 2], &len[..], &[0, 0], data].concat()
    }

    /// Data from `at` on in a fragment of the packet `id`.
    fn v4(id: u16, at: usize, more: bool, data: &[u8]) -> Vec<u8> {
        let place = ((at / 8) as u16 | u16::from(more) << 13).to_be_bytes();
        let (id, len) = (id.to_be_bytes(), (20 + data.len() as u16).to_be_bytes());
        let head = [0x45, 0, len[0], len[1], id[0], id[1], place[0], place[1], 64, 17, 0, 0];
        let (src, dst) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        [&head[..], &src.octets(), &dst.octets(), data].concat()
    }

    fn v6(id: u16, at: usize, more: bool, data: &[u8]) -> Vec<u8> {
        let place = (at as u16 | u16::from(more)).to_be_bytes();
        let (id, len) = (id.to_be_bytes(), (16 + data.len() as u16).to_be_bytes());
        let head = [0x60, 0, 0, 0, len[0], len[1], 0, 64];
        let (src, dst) = (Ipv6Addr::from(0xfd00 << 112), Ipv6Addr::from(0xfd00 << 112 | 1));
        let hops = [44, 0, 0, 0, 0, 0, 0, 0];
        let fragment = [17, 0, place[0], place[1], 0, 0, id[0], id[1]];
        [&head[..], &src.octets(), &dst.octets(), &hops, &fragment, data].concat()
    }

    fn put(fragments: &mut Fragments, now_ms: i64, bytes: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(Packet::parse(bytes).map(|_| ()), Err(Skip::Fragment));
        fragments.put(now_ms, &Fragment::parse(bytes).unwrap())
    }

    fn data(packet: &[u8]) -> Vec<u8> {
        let packet = Packet::parse(packet).unwrap();
        let Payload::Udp(data) = packet.payload else { panic!("{packet:?}") };
        assert!(!packet.cut && packet.behind.is_empty());
        assert_eq!((packet.tuple.src.port(), packet.tuple.dst.port()), (1, 2));
        data.to_vec()
    }

    type Made = fn(u16, usize, bool, &[u8]) -> Vec<u8>;

    #[test]
    fn fragments_in_any_order_give_the_packet() {
        let text: Vec<u8> = (0..=99).collect();
        let whole = udp(&text);
        for made in [v4 as Made, v6] {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let mut fragments = Fragments::default();
                let mut out = Vec::new();
                for n in order {
                    let end = (n * 40 + 40).min(whole.len());
                    let one = made(7, n * 40, n < 2, &whole[n * 40..end]);
                    out.extend(put(&mut fragments, 0, &one));
                    // Other packets pass in between, and each fragment is captured twice.
                    assert_eq!(put(&mut fragments, 0, &made(8, 0, true, &whole[..40])), None);
                    if out.is_empty() {
                        assert_eq!(put(&mut fragments, 0, &one), None);
                    }
                }
                assert_eq!(out.len(), 1);
                assert_eq!(data(&out[0]), text);
                fragments.end();
                assert_eq!((fragments.given_up(), fragments.held), (1, 0), "the other packet");
            }
        }
    }

    #[test]
    fn what_overlaps_is_refused_and_counted_once() {
        let whole = udp(&[7; 40]);
        for made in [v4 as Made, v6] {
            for wrong in [
                made(7, 16, true, &[7; 16]),
                made(7, 0, true, &[8; 24]),
                made(7, 8, false, &[7; 8]),
                made(7, 16, true, &[7; 8]),
            ] {
                let mut fragments = Fragments::default();
                assert_eq!(put(&mut fragments, 0, &made(7, 0, true, &whole[..24])), None);
                assert_eq!(put(&mut fragments, 0, &wrong), None);
                assert_eq!(put(&mut fragments, 0, &made(7, 24, false, &whole[24..])), None);
                assert_eq!(put(&mut fragments, 0, &made(7, 0, true, &whole[..24])), None);
                fragments.end();
                assert_eq!(fragments.given_up(), 1, "{wrong:x?}");
            }
        }
    }

    #[test]
    fn there_is_one_end() {
        let whole = udp(&[7; 40]);
        for second in [v4(7, 32, true, &[7; 8]), v4(7, 32, false, &[7; 8])] {
            let mut fragments = Fragments::default();
            assert_eq!(put(&mut fragments, 0, &v4(7, 16, false, &whole[16..24])), None);
            assert_eq!(put(&mut fragments, 0, &second), None);
            assert_eq!(put(&mut fragments, 0, &v4(7, 0, true, &whole[..16])), None);
        }
    }

    #[test]
    fn numbers_are_used_again_after_a_while() {
        let whole = udp(&[7; 40]);
        let mut fragments = Fragments::default();
        assert_eq!(put(&mut fragments, 0, &v4(7, 0, true, &[9; 24])), None);
        let later = FRAGMENTED_MS as i64 + 1;
        assert_eq!(put(&mut fragments, later, &v4(7, 0, true, &whole[..24])), None);
        let packet = put(&mut fragments, later, &v4(7, 24, false, &whole[24..])).unwrap();
        assert_eq!((data(&packet), fragments.given_up()), (vec![7; 40], 1));
    }

    #[test]
    fn what_waits_is_bounded_by_number_and_bytes() {
        let mut fragments = Fragments::default();
        for id in 0..1000 {
            assert_eq!(put(&mut fragments, 0, &v4(id, 8, true, &[0; 8])), None);
            assert!(fragments.waiting.len() <= FRAGMENTED && fragments.held <= FRAGMENTED_BYTES);
        }
        assert_eq!(fragments.waiting.len(), FRAGMENTED);
        for id in 1000..2000 {
            for at in [8, 1488, 2968, 4448] {
                assert_eq!(put(&mut fragments, 0, &v4(id, at, true, &[0; 1480])), None);
                assert!(fragments.held <= FRAGMENTED_BYTES);
            }
        }
        assert!(fragments.waiting.len() < FRAGMENTED, "their bytes end them first");
        let waiting = fragments.waiting.len() as u64;
        assert_eq!(fragments.begun, fragments.given_up() + waiting);
        // One packet of all lengths that a place can name.
        for at in (0..65_528).step_by(8) {
            put(&mut fragments, 0, &v4(1, at, true, &[0; 8]));
            assert!(fragments.held <= FRAGMENTED_BYTES);
        }
        put(&mut fragments, 0, &v4(1, 65_528, false, &[0; 1000]));
        assert!(fragments.held <= FRAGMENTED_BYTES);
    }
}
