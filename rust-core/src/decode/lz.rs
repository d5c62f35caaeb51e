//! LZ4 blocks and Zstandard frames. Never grows past the bound, and keeps what came out before an
//! error.

use super::unpack::{UnpackError, Unpacked, bounded};
use crate::limits;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::borrow::Cow;

/// An LZ4 block (LZ4 Block Format Description) that holds `size` bytes when unpacked. Written here
/// because the crates for it give nothing of a block that was cut.
pub(super) fn lz4(packed: &[u8], size: usize) -> Unpacked<'static> {
    let bound = size.min(limits::UNPACKED);
    // The capacity is claimed by the sender; pages are touched only by data.
    let mut out = Vec::with_capacity(bound.min(packed.len().saturating_mul(8)));
    let error = match sequences(packed, bound, &mut out) {
        Err(UnpackError::TooLarge) if size <= limits::UNPACKED => Some(UnpackError::Malformed),
        Ok(()) if out.len() < size => Some(UnpackError::Truncated),
        other => other.err(),
    };
    Unpacked { bytes: Cow::Owned(out), error }
}

fn sequences(packed: &[u8], bound: usize, out: &mut Vec<u8>) -> Result<(), UnpackError> {
    let mut rest = packed;
    // Each sequence takes a byte at least.
    while let Some((&token, after)) = rest.split_first() {
        rest = after;
        let count = length(token >> 4, &mut rest)?;
        let literals = rest.get(..count.min(rest.len())).unwrap_or_default();
        let room = bound - out.len();
        out.extend_from_slice(literals.get(..room).unwrap_or(literals));
        if literals.len() > room {
            return Err(UnpackError::TooLarge);
        }
        rest = rest.get(count..).ok_or(UnpackError::Truncated)?;
        if rest.is_empty() {
            return Ok(());
        }
        let (offset, after) = rest.split_first_chunk().ok_or(UnpackError::Truncated)?;
        rest = after;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let count = length(token & 15, &mut rest)?.saturating_add(4);
        if offset == 0 || offset > out.len() {
            return Err(UnpackError::Malformed);
        }
        copy(out, offset, count.min(bound - out.len()));
        if out.len() == bound && !rest.is_empty() && rest != [0] {
            return Err(UnpackError::TooLarge);
        }
    }
    Ok(())
}

/// Repeats what stands `offset` bytes before the end; source and target may overlap.
fn copy(out: &mut Vec<u8>, offset: usize, count: usize) {
    let start = out.len() - offset;
    let mut left = count;
    while left > 0 {
        let step = left.min(out.len() - start);
        out.extend_from_within(start..start + step);
        left -= step;
    }
}

/// Four bits, and where those are all ones, bytes that add to it up to one that is not 255.
fn length(nibble: u8, rest: &mut &[u8]) -> Result<usize, UnpackError> {
    let mut total = usize::from(nibble);
    let mut more = nibble == 15;
    while more {
        let (&byte, after) = rest.split_first().ok_or(UnpackError::Truncated)?;
        *rest = after;
        total = total.saturating_add(usize::from(byte));
        more = byte == 255;
    }
    Ok(total)
}

/// RFC 8878 §3.1.1.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Whether bytes begin like a Zstandard frame (RFC 8878 §3.1.1), or like one to be skipped.
pub(super) fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&FRAME) || is_skippable(bytes)
}

/// RFC 8878 §3.1.2.
fn is_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Whether bytes end inside the number that a frame begins with.
pub(super) fn ends_inside_magic(bytes: &[u8]) -> bool {
    let skippable =
        matches!(bytes, [0x50..=0x5f] | [0x50..=0x5f, 0x2a] | [0x50..=0x5f, 0x2a, 0x4d]);
    let frame = !bytes.is_empty() && bytes.len() < FRAME.len() && FRAME.starts_with(bytes);
    skippable || frame
}

/// Zstandard frames in a row (RFC 8878 §3.1), those to be skipped left out. Their checksums are not
/// compared. Of a frame that was cut, the whole blocks come out. What follows the last one is left
/// unread.
pub(super) fn zstd(packed: &[u8]) -> Unpacked<'static> {
    let mut decoder = FrameDecoder::new();
    let (mut out, mut rest) = (Vec::new(), packed);
    let mut error = Some(UnpackError::TooLarge);
    for _ in 0..limits::PACKED_PARTS {
        let read =
            if is_skippable(rest) { skipped(rest) } else { frame(rest, &mut decoder, &mut out) };
        match read {
            Ok(after) if is_zstd(after) => rest = after,
            Ok(after) => {
                error = ends_inside_magic(after).then_some(UnpackError::Truncated);
                break;
            }
            Err(UnpackError::TooLarge) => return Unpacked::failed(UnpackError::TooLarge),
            Err(e) => {
                error = Some(e);
                break;
            }
        }
    }
    Unpacked { bytes: Cow::Owned(out), error }
}

/// What follows a frame to be skipped.
fn skipped(packed: &[u8]) -> Result<&[u8], UnpackError> {
    let [_, _, _, _, s0, s1, s2, s3, rest @ ..] = packed else {
        return Err(UnpackError::Truncated);
    };
    let size = usize::try_from(u32::from_le_bytes([*s0, *s1, *s2, *s3])).ok();
    size.and_then(|size| rest.get(size..)).ok_or(UnpackError::Truncated)
}

/// Adds what one frame holds, or its whole blocks; gives what follows it.
fn frame<'a>(
    packed: &'a [u8],
    decoder: &mut FrameDecoder,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], UnpackError> {
    let before = out.len();
    let read = whole(packed, decoder, out);
    if read == Err(UnpackError::Truncated)
        && let Some(mended) = mended(packed)
    {
        out.truncate(before);
        whole(&mended, decoder, out)?;
    }
    read
}

fn whole<'a>(
    packed: &'a [u8],
    decoder: &mut FrameDecoder,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], UnpackError> {
    // The decoder reserves the window before it reads any data.
    match header(packed)? {
        Header { window, .. } if window > limits::ZSTD_WINDOW => return Err(UnpackError::TooLarge),
        Header { dictionary: true, .. } => return Err(UnpackError::Unsupported),
        Header { .. } => {}
    }
    let mut source = Source { rest: packed, dry: false };
    let read = match StreamingDecoder::new_with_decoder(&mut source, decoder) {
        Ok(mut decoder) => bounded(&mut decoder, out).map_err(drop),
        Err(_) => Err(()),
    };
    match read {
        Ok(true) => Ok(source.rest),
        Ok(false) => Err(UnpackError::TooLarge),
        Err(()) if source.dry => Err(UnpackError::Truncated),
        Err(()) => Err(UnpackError::Malformed),
    }
}

/// The frame up to its last whole block, that one marked as the last and the checksum as absent: the
/// decoder keeps a window back until the frame ends.
fn mended(packed: &[u8]) -> Option<Vec<u8>> {
    let mut at = header(packed).ok()?.size;
    let mut last = None;
    // Each turn takes a block's header at least (RFC 8878 §3.1.1.2).
    while let Some(&[b0, b1, b2]) = packed.get(at..).and_then(|rest| rest.first_chunk()) {
        let head = u32::from_le_bytes([b0, b1, b2, 0]);
        let size = if head >> 1 & 3 == 1 { 1 } else { head >> 3 };
        let end = at + 3 + usize::try_from(size).ok()?;
        if end > packed.len() {
            break;
        }
        last = Some((at, end));
        at = end;
    }
    let (at, end) = last?;
    let mut frame = packed.get(..end)?.to_vec();
    *frame.get_mut(at)? |= 1;
    *frame.get_mut(4)? &= !4;
    Some(frame)
}

/// Tells whether the decoder wanted more than there was.
struct Source<'a> {
    rest: &'a [u8],
    dry: bool,
}

impl std::io::Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.rest.read(into)?;
        self.dry |= count == 0 && !into.is_empty();
        Ok(count)
    }
}

/// What a frame's header says.
struct Header {
    /// Bytes that must be held to unpack it.
    window: u64,
    /// Bytes of the header itself, the magic number included.
    size: usize,
    /// Whether it needs a dictionary that was agreed on elsewhere.
    dictionary: bool,
}

/// RFC 8878 §3.1.1.1.
fn header(packed: &[u8]) -> Result<Header, UnpackError> {
    let [_, _, _, _, descriptor, rest @ ..] = packed else { return Err(UnpackError::Truncated) };
    let single = descriptor & 0x20 != 0;
    let digits = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let at = usize::from(!single);
    let id = rest.get(at..at + digits).ok_or(UnpackError::Truncated)?;
    let dictionary = id.iter().any(|&byte| byte != 0);
    let content = match descriptor >> 6 {
        0 => usize::from(single),
        flag => 1 << flag,
    };
    if !single {
        let &byte = rest.first().ok_or(UnpackError::Truncated)?;
        let base = 1u64 << (10 + (byte >> 3));
        let window = base + base / 8 * u64::from(byte & 7);
        return Ok(Header { window, size: 6 + digits + content, dictionary });
    }
    let size = rest.get(digits..digits + content).ok_or(UnpackError::Truncated)?;
    let window = size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte));
    let window = if content == 2 { window + 256 } else { window };
    Ok(Header { window, size: 5 + digits + content, dictionary })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8], error: Option<UnpackError>) -> Unpacked<'static> {
        Unpacked { bytes: Cow::Owned(bytes.to_vec()), error }
    }

    #[test]
    fn lz4_blocks_unpack() {
        // Made with Python's lz4 4.4.5.
        let block = b"\x1fa\x01\x00\x53\x50aaaaa";
        assert_eq!(lz4(block, 108), unpacked(&[b'a'; 108], None));
        assert_eq!(lz4(b"\x30abc", 3), unpacked(b"abc", None));
        assert_eq!(lz4(b"\x00", 0), unpacked(b"", None));
        // One byte of literals, an offset of one and five more bytes: the copy overlaps.
        assert_eq!(lz4(b"\x11a\x01\x00\x10b", 7), unpacked(b"aaaaaab", None));
    }

    #[test]
    fn broken_lz4_keeps_what_came_before() {
        for (block, size, bytes, error) in [
            (b"\x30ab".as_slice(), 3, b"ab".as_slice(), UnpackError::Truncated),
            (b"\x11a\x01", 7, b"a", UnpackError::Truncated),
            (b"\x1fa\x01\x00\xff", 999, b"a", UnpackError::Truncated),
            (b"\x11a\x02\x00\x10b", 7, b"a", UnpackError::Malformed),
            (b"\x11a\x00\x00\x10b", 7, b"a", UnpackError::Malformed),
            (b"\x30abc", 2, b"ab", UnpackError::Malformed),
            (b"\x30abc", 9, b"abc", UnpackError::Truncated),
        ] {
            assert_eq!(lz4(block, size), unpacked(bytes, Some(error)), "{block:?}");
        }
    }

    #[test]
    fn an_lz4_bomb_ends_at_the_bound() {
        let bomb = [b"\x1fa\x01\x00".as_slice(), &[255; 40_000], b"\x00\x50aaaaa"].concat();
        let out = lz4(&bomb, usize::MAX);
        assert_eq!((out.bytes.len(), out.error), (limits::UNPACKED, Some(UnpackError::TooLarge)));
        assert_eq!(lz4(&bomb, 10).error, Some(UnpackError::Malformed));
    }

    /// "abc" in one raw block, a window of 1 KiB.
    const ABC: &[u8] = b"\x28\xb5\x2f\xfd\x00\x00\x19\x00\x00abc";

    #[test]
    fn zstd_frames_unpack_and_truncations_are_named() {
        assert_eq!(zstd(ABC), unpacked(b"abc", None));
        for end in 0..ABC.len() {
            assert_eq!(zstd(&ABC[..end]).error, Some(UnpackError::Truncated), "{end}");
        }
        let two = [&ABC[..6], b"\x18\0\0abc", &ABC[6..]].concat();
        assert_eq!(zstd(&two), unpacked(b"abcabc", None));
        for end in 12..two.len() {
            assert_eq!(zstd(&two[..end]), unpacked(b"abc", Some(UnpackError::Truncated)), "{end}");
        }
        let mut broken = ABC.to_vec();
        broken[6] |= 6;
        assert_eq!(zstd(&broken).error, Some(UnpackError::Malformed));
    }

    #[test]
    fn a_zstd_bomb_is_too_large() {
        // Blocks of 128 KiB that repeat one byte (RFC 8878 §3.1.1.2.2), the last bit never set.
        let bomb = [b"\x28\xb5\x2f\xfd\x00\x38".as_slice(), &b"\x02\x00\x10a".repeat(70)].concat();
        assert_eq!(zstd(&bomb).error, Some(UnpackError::TooLarge));
        let wide = b"\x28\xb5\x2f\xfd\x00\xf8\x19\x00\x00abc";
        assert_eq!(zstd(wide), unpacked(b"", Some(UnpackError::TooLarge)));
    }
}
