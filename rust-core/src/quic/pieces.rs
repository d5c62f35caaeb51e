//! Puts the CRYPTO stream together (RFC 9000 §19.6), in whatever order and overlap it comes. Never
//! holds more than was sent, nor more than [`limits::CLIENT_HELLO`] bytes in
//! [`limits::QUIC_PIECES`] pieces; bytes that are held are never moved, so a mean order of frames
//! costs no more than a plain one.

use super::Unreadable;
use crate::limits;
use crate::tls::{TlsError, message_len};

/// What is there of the stream.
#[derive(Default)]
pub(super) struct Pieces(Vec<Piece>);

/// In order, without overlap.
struct Piece {
    start: usize,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.bytes.len()
    }
}

impl Pieces {
    /// Adds what one frame carries.
    pub(super) fn put(&mut self, offset: u64, mut data: &[u8]) -> Result<(), Unreadable> {
        let mut at = usize::try_from(offset)
            .ok()
            .filter(|at| at.checked_add(data.len()).is_some_and(|end| end <= limits::CLIENT_HELLO))
            .ok_or(Unreadable::Hello(TlsError::TooLarge))?;
        let mut index = self.0.partition_point(|piece| piece.end() < at);
        // Each turn passes one piece, or makes one of what lies before it.
        while !data.is_empty() {
            let next = self.0.get(index).filter(|piece| piece.start > at).map(|piece| piece.start);
            if let Some(piece) = self.0.get_mut(index)
                && next.is_none()
            {
                let known = piece.bytes.get(at - piece.start..).unwrap_or_default();
                let common = known.len().min(data.len());
                let (again, new) = data.split_at(common);
                if known.get(..common) != Some(again) {
                    return Err(Unreadable::Contradiction);
                }
                at += common;
                let follower = self.0.get(index + 1).map(|piece| piece.start);
                let (new, rest) = until(new, at, follower);
                if let Some(piece) = self.0.get_mut(index) {
                    piece.bytes.extend_from_slice(new);
                }
                at += new.len();
                data = rest;
            } else {
                if self.0.len() >= limits::QUIC_PIECES {
                    return Err(Unreadable::TooMany);
                }
                let (new, rest) = until(data, at, next);
                self.0.insert(index, Piece { start: at, bytes: new.to_vec() });
                at += new.len();
                data = rest;
            }
            index += 1;
        }
        Ok(())
    }

    /// The first message of the stream, once it is whole.
    pub(super) fn message(&self) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut head = self.contiguous().flatten().copied();
        let Some(kind) = head.next() else { return Ok(None) };
        if kind != 1 {
            return Err(Unreadable::Hello(TlsError::NotAHello));
        }
        let [Some(a), Some(b), Some(c)] = std::array::from_fn(|_| head.next()) else {
            return Ok(None);
        };
        let total = message_len(&[kind, a, b, c]).unwrap_or_default();
        if total > limits::CLIENT_HELLO {
            return Err(Unreadable::Hello(TlsError::TooLarge));
        }
        if self.contiguous().map(<[u8]>::len).sum::<usize>() < total {
            return Ok(None);
        }
        let mut message = Vec::with_capacity(total);
        for bytes in self.contiguous() {
            let wanted = total - message.len();
            message.extend_from_slice(bytes.get(..wanted).unwrap_or(bytes));
        }
        Ok(Some(message))
    }

    /// The pieces that follow one another without a gap from the start of the stream.
    fn contiguous(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        self.0.iter().map_while(move |piece| {
            let fits = piece.start == at;
            at = piece.end();
            fits.then_some(piece.bytes.as_slice())
        })
    }
}

/// Cuts `data`, which begins at `at`, where the next piece begins.
fn until(data: &[u8], at: usize, next: Option<usize>) -> (&[u8], &[u8]) {
    let room = next.map_or(data.len(), |next| next.saturating_sub(at).min(data.len()));
    data.split_at(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::samples::Random;

    /// A message of this many bytes.
    fn message(len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
        let [_, head @ ..] = u32::try_from(len - 4).unwrap().to_be_bytes();
        bytes[0] = 1;
        bytes[1..4].copy_from_slice(&head);
        bytes
    }

    fn held(pieces: &Pieces) -> usize {
        pieces.0.iter().map(|piece| piece.bytes.len()).sum()
    }

    #[test]
    fn any_order_with_overlap_and_repetition_gives_the_message() {
        let whole = message(5000);
        let mut random = Random(3);
        for _ in 0..500 {
            let mut pieces = Pieces::default();
            let mut missing = vec![true; whole.len()];
            let mut rounds = 0;
            while missing.contains(&true) {
                assert_eq!(pieces.message(), Ok(None));
                let start = random.below(whole.len());
                let end = (start + 1 + random.below(900)).min(whole.len());
                // Few enough to stay within the bound on pieces.
                match pieces.put(start as u64, &whole[start..end]) {
                    Ok(()) => missing[start..end].fill(false),
                    Err(error) => panic!("{error} in round {rounds}"),
                }
                rounds += 1;
                let unseen = missing.iter().filter(|m| **m).count();
                assert_eq!(held(&pieces), whole.len() - unseen);
            }
            assert_eq!(pieces.message(), Ok(Some(whole.clone())));
        }
    }

    #[test]
    fn neither_an_empty_frame_nor_bytes_after_the_message_count() {
        let whole = message(40);
        let mut pieces = Pieces::default();
        assert_eq!(pieces.put(0, &[]), Ok(()));
        assert_eq!(pieces.put(9, &[]), Ok(()));
        assert_eq!(pieces.message(), Ok(None));
        assert_eq!(pieces.put(0, &[&whole[..], b"more"].concat()), Ok(()));
        assert_eq!(pieces.message(), Ok(Some(whole)));
    }

    #[test]
    fn other_bytes_for_the_same_place_are_a_contradiction() {
        let whole = message(100);
        for at in [10, 49, 50, 69] {
            let mut pieces = Pieces::default();
            assert_eq!(pieces.put(10, &whole[10..20]), Ok(()));
            assert_eq!(pieces.put(49, &whole[49..70]), Ok(()));
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(pieces.put(0, &other), Err(Unreadable::Contradiction), "{at}");
        }
    }

    #[test]
    fn offsets_beyond_the_bound_are_too_large() {
        let too_large = Err(Unreadable::Hello(TlsError::TooLarge));
        let bound = limits::CLIENT_HELLO as u64;
        let mut pieces = Pieces::default();
        for offset in [bound, u64::MAX, u64::MAX >> 2, 1 << 32] {
            assert_eq!(pieces.put(offset, b"a"), too_large);
        }
        assert_eq!(pieces.put(bound - 1, b"ab"), too_large);
        assert_eq!(held(&pieces), 0);
        assert_eq!(pieces.put(bound - 1, b"a"), Ok(()));
        assert_eq!(held(&pieces), 1);
        assert_eq!(pieces.put(0, b"\x01\xff\xff\xff"), Ok(()));
        assert_eq!(pieces.message().map(|_| ()), too_large);
    }

    #[test]
    fn pieces_are_bounded_and_filling_gaps_needs_no_more() {
        let whole = message(2 * limits::QUIC_PIECES + 2);
        let mut pieces = Pieces::default();
        for i in 1..=limits::QUIC_PIECES {
            assert_eq!(pieces.put(2 * i as u64, &whole[2 * i..=2 * i]), Ok(()));
        }
        assert_eq!(pieces.put(0, &whole[..1]), Err(Unreadable::TooMany));
        assert_eq!(pieces.put(2, &whole[2..]), Ok(()));
        assert_eq!(pieces.0.len(), limits::QUIC_PIECES);
    }

    #[test]
    fn another_message_is_named_by_its_first_byte() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.put(0, b"\x02"), Ok(()));
        assert_eq!(pieces.message(), Err(Unreadable::Hello(TlsError::NotAHello)));
    }
}
