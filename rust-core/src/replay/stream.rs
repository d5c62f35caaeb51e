//! The bytes of one direction of a captured connection in their order (RFC 9293 §3.4). What comes
//! twice counts once, as it came first; what never comes is a gap, and the bytes behind it are not
//! lost.

use crate::limits::{REPLAY_SEGMENT, REPLAY_STREAM, TCP_WINDOW};
use std::collections::BTreeMap;

/// What comes out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The next bytes.
    Bytes(&'a [u8]),
    /// Bytes that the capture does not have.
    Gap,
}

/// Where pieces go.
type Each<'a> = &'a mut dyn FnMut(Piece<'_>);

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    /// Sequence number of the next byte, and its place since the beginning.
    next: u32,
    at: u64,
    /// Segments behind a hole, by place.
    waiting: BTreeMap<u64, Vec<u8>>,
    held: usize,
}

impl Stream {
    /// A stream whose first byte has this sequence number.
    pub(super) fn new(next: u32) -> Self {
        Self { next, at: 0, waiting: BTreeMap::new(), held: 0 }
    }

    /// Sequence number of the next byte.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Bytes that wait, with what their places take.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes a segment.
    pub(super) fn put(&mut self, seq: u32, data: &[u8], each: Each<'_>) {
        let ahead = seq.wrapping_sub(self.next) as i32;
        if ahead > 0 && !data.is_empty() {
            self.keep(self.at + u64::from(ahead.unsigned_abs()), data);
            while self.held > REPLAY_STREAM {
                self.jump(each);
            }
            return;
        }
        let seen = ahead.unsigned_abs() as usize;
        if let Some(fresh) = data.get(seen..).filter(|fresh| !fresh.is_empty()) {
            self.pass(fresh, each);
            self.drain(each);
        }
    }

    /// Gives all that waits; the holes are gaps.
    pub(super) fn end(&mut self, each: Each<'_>) {
        while !self.waiting.is_empty() {
            self.jump(each);
        }
    }

    fn keep(&mut self, place: u64, data: &[u8]) {
        if self.waiting.get(&place).is_some_and(|old| old.len() >= data.len()) {
            return;
        }
        self.held += data.len() + REPLAY_SEGMENT;
        if let Some(old) = self.waiting.insert(place, data.to_vec()) {
            self.held -= old.len() + REPLAY_SEGMENT;
        }
    }

    /// Gives up the first hole.
    fn jump(&mut self, each: Each<'_>) {
        let Some((&place, _)) = self.waiting.first_key_value() else { return };
        // What waits lies ahead: `drain` leaves nothing that does not.
        self.next = self.next.wrapping_add((place - self.at) as u32);
        self.at = place;
        each(Piece::Gap);
        self.drain(each);
    }

    /// Gives what joins on.
    fn drain(&mut self, each: Each<'_>) {
        while let Some(first) = self.waiting.first_entry().filter(|first| *first.key() <= self.at) {
            let (place, data) = first.remove_entry();
            self.held -= data.len() + REPLAY_SEGMENT;
            let seen = usize::try_from(self.at - place).unwrap_or(usize::MAX);
            if let Some(fresh) = data.get(seen..).filter(|fresh| !fresh.is_empty()) {
                self.pass(fresh, each);
            }
        }
    }

    fn pass(&mut self, data: &[u8], each: Each<'_>) {
        self.next = self.next.wrapping_add(data.len() as u32);
        self.at += data.len() as u64;
        each(Piece::Bytes(data));
    }
}

/// How many bytes one side has sent, by its sequence numbers: what the capture lost counts, what
/// was sent twice does not.
#[derive(Debug, Default)]
pub(super) struct Sent {
    next: Option<u32>,
    pub(super) bytes: u64,
}

impl Sent {
    /// Saw so many bytes from this number on, and perhaps a FIN, which takes a number of its own.
    pub(super) fn saw(&mut self, first: u32, len: u32, fin: bool) {
        let end = first.wrapping_add(len).wrapping_add(u32::from(fin));
        let ahead = end.wrapping_sub(self.next.unwrap_or(first));
        // More than a window ahead is a number before the last one, or damage.
        if ahead <= TCP_WINDOW {
            self.bytes += u64::from(ahead).saturating_sub(u64::from(fin));
            self.next = Some(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of these segments, a gap as `|`.
    fn joined(first: u32, segments: &[(u32, &[u8])]) -> String {
        let (mut stream, mut out) = (Stream::new(first), String::new());
        let mut each = |piece: Piece<'_>| match piece {
            Piece::Bytes(bytes) => out.push_str(std::str::from_utf8(bytes).unwrap()),
            Piece::Gap => out.push('|'),
        };
        for (seq, data) in segments {
            stream.put(*seq, data, &mut each);
        }
        stream.end(&mut each);
        assert_eq!(stream.held(), 0);
        out
    }

    #[test]
    fn segments_come_out_in_their_order_once() {
        assert_eq!(joined(7, &[(7, b"ab"), (9, b"cd")]), "abcd");
        assert_eq!(joined(7, &[(9, b"cd"), (7, b"ab"), (7, b"ab")]), "abcd");
        assert_eq!(joined(7, &[(7, b"abc"), (8, b"XXd"), (10, b"de")]), "abcde");
        assert_eq!(joined(7, &[(10, b"d"), (10, b"def"), (7, b"abcX")]), "abcXef");
        assert_eq!(joined(u32::MAX, &[(1, b"cd"), (u32::MAX, b"ab")]), "abcd");
    }

    #[test]
    fn what_never_comes_is_a_gap() {
        assert_eq!(joined(7, &[(7, b"ab"), (10, b"d"), (20, b"x")]), "ab|d|x");
        assert_eq!(joined(7, &[(10, b"d"), (12, b"x"), (11, b"e")]), "|dex");
    }

    #[test]
    fn every_order_of_segments_gives_the_same_bytes() {
        let segments: [(u32, &[u8]); 4] = [(0, b"ab"), (1, b"bc"), (2, b"cde"), (4, b"ef")];
        for order in 0..256 {
            let mut left = segments.to_vec();
            let mut turn = Vec::new();
            let mut rest = order;
            while !left.is_empty() {
                turn.push(left.remove(rest % left.len()));
                rest /= 4;
            }
            assert_eq!(joined(0, &turn), "abcdef", "{turn:?}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut stream, mut gaps) = (Stream::new(0), 0);
        for at in 1..100_000_u32 {
            stream.put(at * 2, b"x", &mut |piece| gaps += usize::from(piece == Piece::Gap));
            assert!(stream.held() <= REPLAY_STREAM);
        }
        assert!(gaps > 90_000, "{gaps}");
    }

    #[test]
    fn bytes_are_counted_by_their_numbers() {
        let mut sent = Sent::default();
        // A SYN, two segments, the second again, one lost, one behind it, an old one, damage.
        let segments = [(0, 0), (0, 10), (10, 10), (10, 10), (30, 10), (5, 5), (1 << 31, 10)];
        let begin = 15_u32.wrapping_neg();
        for (first, len) in segments {
            sent.saw(begin.wrapping_add(first), len, false);
        }
        assert_eq!(sent.bytes, 40);
        // The end twice, and what acknowledges the other side's.
        for (first, fin) in [(40, true), (40, true), (41, false)] {
            sent.saw(begin.wrapping_add(first), 0, fin);
        }
        assert_eq!(sent.bytes, 40);
    }
}
