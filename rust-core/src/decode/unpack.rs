//! Undoes what only packs bytes: base64, gzip, zlib, raw deflate, and content codings with Zstandard. Never decrypts,
//! never grows past [`limits::UNPACKED`], and keeps what came out before an error.

use super::lz;
use crate::event::ProblemCode;
use crate::http::Request;
use crate::limits;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;
use std::io::{self, BufRead as _, Read as _};

/// Why packed bytes did not come out whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// More than [`limits::UNPACKED`] bytes would come out.
    #[error("more bytes than the bound would come out")]
    TooLarge,
    /// The packed bytes end too early.
    #[error("the packed bytes end too early")]
    Truncated,
    /// The packed bytes break the format's rules.
    #[error("the packed bytes break the format's rules")]
    Malformed,
    /// All came out, and its checksum says otherwise.
    #[error("the checksum does not fit what came out")]
    Checksum,
    /// A packing that is not known here, or too many of them.
    #[error("a packing that is not known here")]
    Unsupported,
}

impl UnpackError {
    /// The code that an event shows.
    pub fn code(self) -> ProblemCode {
        match self {
            Self::TooLarge => ProblemCode::TooLarge,
            Self::Truncated => ProblemCode::Truncated,
            Self::Malformed => ProblemCode::Malformed,
            Self::Checksum => ProblemCode::CheckFailed,
            Self::Unsupported => ProblemCode::Unsupported,
        }
    }
}

/// Bytes that came out, and why there are no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked<'a> {
    /// All of them, or those before the error.
    pub bytes: Cow<'a, [u8]>,
    /// `None` where they are whole.
    pub error: Option<UnpackError>,
}

impl Unpacked<'_> {
    pub(super) fn failed(error: UnpackError) -> Self {
        Self { bytes: Cow::Borrowed(&[]), error: Some(error) }
    }
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Base64 (RFC 4648 §4 and §5), either alphabet, padding optional, line breaks left out. A space
/// counts as `+`: form decoding makes one of a `+` that the sender did not escape.
pub fn base64(text: &str) -> Unpacked<'static> {
    if text.len() / 4 > limits::UNPACKED / 3 {
        return Unpacked::failed(UnpackError::TooLarge);
    }
    let text = text.trim_end_matches(['\r', '\n', ' ']);
    let mut digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let mut url_safe = false;
    for digit in &mut digits {
        match digit {
            b' ' => *digit = b'+',
            b'-' | b'_' => url_safe = true,
            _ => {}
        }
    }
    let end = digits.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
    let padding = digits.len() - end;
    digits.truncate(end);
    // One digit alone holds six bits: the byte that it began is missing.
    let lone = if digits.len() % 4 == 1 { digits.pop() } else { None };
    let short = lone.map(|digit| match digit {
        b'+' | b'/' | b'-' | b'_' => UnpackError::Truncated,
        _ if digit.is_ascii_alphanumeric() => UnpackError::Truncated,
        _ => UnpackError::Malformed,
    });
    let engine = if url_safe { &BASE64_URL } else { &BASE64 };
    let (decoded, error) = match engine.decode(&digits) {
        Err(base64::DecodeError::InvalidByte(at, _)) => {
            digits.truncate(at - at % 4);
            (engine.decode(&digits), Some(UnpackError::Malformed))
        }
        decoded if padding > 2 => (decoded, Some(UnpackError::Malformed)),
        decoded => (decoded, short),
    };
    match decoded {
        Ok(bytes) => Unpacked { bytes: Cow::Owned(bytes), error },
        Err(_) => Unpacked::failed(UnpackError::Malformed),
    }
}

/// RFC 1952 §2.3.1.
const MEMBER: [u8; 2] = [0x1f, 0x8b];

/// What bytes hold that tell by their first ones how they are packed: gzip or Zstandard.
pub(super) fn by_magic(bytes: &[u8]) -> Option<Unpacked<'static>> {
    if is_gzip(bytes) {
        return Some(gunzip(bytes));
    }
    lz::is_zstd(bytes).then(|| lz::zstd(bytes))
}

/// Whether bytes begin like gzip with deflate (RFC 1952 §2.3.1).
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MEMBER)
}

/// Gzip (RFC 1952), several members in a row included. What follows the last one is left unread.
pub fn gunzip(packed: &[u8]) -> Unpacked<'static> {
    if let Some(bytes) = sound_member(packed) {
        return Unpacked { bytes: Cow::Owned(bytes), error: None };
    }
    let mut out = Vec::new();
    let mut rest = packed;
    for _ in 0..limits::PACKED_PARTS {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        let before = out.len();
        let read = bounded(&mut decoder, &mut out);
        let after = decoder.into_inner();
        let member = rest.get(..rest.len() - after.len()).unwrap_or(rest);
        rest = after;
        let error = match read {
            Err(e) => match classify(&e) {
                UnpackError::Malformed if trailed(member, &out[before..]) => UnpackError::Checksum,
                error => error,
            },
            Ok(false) => return Unpacked::failed(UnpackError::TooLarge),
            Ok(true) if is_gzip(rest) => continue,
            Ok(true) if matches!(rest, [0x1f]) => UnpackError::Truncated,
            Ok(true) => return Unpacked { bytes: Cow::Owned(out), error: None },
        };
        return Unpacked { bytes: Cow::Owned(out), error: Some(error) };
    }
    Unpacked { bytes: Cow::Owned(out), error: Some(UnpackError::TooLarge) }
}

/// Deflate makes no more of one byte.
const MOST: usize = 1032;

/// What a single member holds, with a plain header and in order up to its last byte, unpacked in one
/// go: its trailer says how large that is. `None` for all else.
fn sound_member(packed: &[u8]) -> Option<Vec<u8>> {
    let packed = packed.strip_prefix(&[0x1f, 0x8b, 8, 0])?.get(6..)?;
    let (packed, [c0, c1, c2, c3, s0, s1, s2, s3]) = packed.split_last_chunk()?;
    let size = usize::try_from(u32::from_le_bytes([*s0, *s1, *s2, *s3])).ok()?;
    if size > limits::UNPACKED || size / MOST > packed.len() {
        return None;
    }
    let (mut inflate, mut out) = (flate2::Decompress::new(false), Vec::with_capacity(size));
    let end = inflate.decompress_vec(packed, &mut out, flate2::FlushDecompress::Finish).ok()?;
    let mut crc = flate2::Crc::new();
    crc.update(&out);
    let whole = end == flate2::Status::StreamEnd
        && (inflate.total_in(), out.len()) == (packed.len() as u64, size)
        && crc.sum() == u32::from_le_bytes([*c0, *c1, *c2, *c3]);
    whole.then_some(out)
}

/// Whether a gzip member ends in a trailer of which half fits `out` (RFC 1952 §2.3.1). The library
/// reports broken deflate and a wrong trailer alike, but only the latter after reading the trailer.
fn trailed(member: &[u8], out: &[u8]) -> bool {
    let Some((_, [c0, c1, c2, c3, s0, s1, s2, s3])) = member.split_last_chunk::<8>() else {
        return false;
    };
    let mut crc = flate2::Crc::new();
    crc.update(out);
    // Without output, zeros of the header would pass for a trailer.
    if out.is_empty() {
        return false;
    }
    crc.sum() == u32::from_le_bytes([*c0, *c1, *c2, *c3])
        || crc.amount() == u32::from_le_bytes([*s0, *s1, *s2, *s3])
}

/// Whether bytes begin like zlib with deflate (RFC 1950 §2.2).
pub fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flags, ..]
        if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0)
}

/// Deflate with a zlib header (RFC 1950) or without one (RFC 1951); senders mean either.
pub fn inflate(packed: &[u8]) -> Unpacked<'static> {
    let mut out = Vec::new();
    let read = if is_zlib(packed) {
        bounded(&mut flate2::bufread::ZlibDecoder::new(packed), &mut out)
    } else {
        let mut decoder = flate2::bufread::DeflateDecoder::new(packed);
        bounded(&mut decoder, &mut out)
    };
    match read {
        Ok(true) => Unpacked { bytes: Cow::Owned(out), error: None },
        Ok(false) => Unpacked::failed(UnpackError::TooLarge),
        Err(e) => Unpacked { bytes: Cow::Owned(out), error: Some(classify(&e)) },
    }
}

/// Deflate with a zlib header that holds `size` bytes and nothing is wrong with, unpacked in one go.
/// `None` for all else.
pub(super) fn inflate_to(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    if !is_zlib(packed) || size > limits::UNPACKED || size / MOST > packed.len() {
        return None;
    }
    let (mut inflate, mut out) = (flate2::Decompress::new(true), Vec::with_capacity(size));
    let end = inflate.decompress_vec(packed, &mut out, flate2::FlushDecompress::Finish).ok()?;
    let whole = end == flate2::Status::StreamEnd
        && (inflate.total_in(), out.len()) == (packed.len() as u64, size);
    whole.then_some(out)
}

/// Reads to the end into `out`; `false` where the bound was hit first.
pub(super) fn bounded(from: &mut impl io::Read, out: &mut Vec<u8>) -> io::Result<bool> {
    let room = limits::UNPACKED - out.len().min(limits::UNPACKED);
    let mut from = io::BufReader::new(from.take(room as u64 + 1));
    loop {
        let chunk = from.fill_buf()?;
        if chunk.is_empty() {
            return Ok(out.len() <= limits::UNPACKED);
        }
        out.extend_from_slice(chunk);
        let used = chunk.len();
        from.consume(used);
    }
}

fn classify(error: &io::Error) -> UnpackError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => UnpackError::Truncated,
        _ => UnpackError::Malformed,
    }
}

/// The body with its content codings undone (RFC 9110 §8.4).
///
/// # Errors
/// Says why the codings could not all be undone to the end.
pub fn content(request: &Request) -> Result<Cow<'_, [u8]>, UnpackError> {
    let unpacked = content_so_far(request);
    unpacked.error.map_or(Ok(unpacked.bytes), Err)
}

/// As [`content`], with what came out before an error.
pub fn content_so_far(request: &Request) -> Unpacked<'_> {
    let mut result = Unpacked { bytes: Cow::Borrowed(&request.body), error: None };
    let lines = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("content-encoding"));
    let codings: Vec<&str> = lines
        .flat_map(|(_, value)| value.split(','))
        .map(str::trim)
        .filter(|c| !c.is_empty() && !c.eq_ignore_ascii_case("identity"))
        .take(limits::CONTENT_CODINGS + 1)
        .collect();
    if codings.len() > limits::CONTENT_CODINGS {
        return Unpacked::failed(UnpackError::Unsupported);
    }
    for coding in codings.iter().rev().map(|c| c.to_ascii_lowercase()) {
        let step = match coding.as_str() {
            "gzip" | "x-gzip" | "zstd" => labelled(result.bytes),
            "deflate" => by_magic(&result.bytes).unwrap_or_else(|| inflate(&result.bytes)),
            _ => return Unpacked::failed(UnpackError::Unsupported),
        };
        result = Unpacked { bytes: step.bytes, error: result.error.or(step.error) };
    }
    result
}

/// Undoes gzip or Zstandard; which of them, the bytes say better than their label. Bytes that were
/// packed otherwise or not at all stay, and are named.
fn labelled(bytes: Cow<'_, [u8]>) -> Unpacked<'_> {
    if let Some(unpacked) = by_magic(&bytes) {
        return unpacked;
    }
    if is_zlib(&bytes) {
        let unpacked = inflate(&bytes);
        if unpacked.error.is_none() {
            return unpacked;
        }
    }
    if bytes.is_empty() || matches!(*bytes, [0x1f]) || lz::ends_inside_magic(&bytes) {
        return Unpacked::failed(UnpackError::Truncated);
    }
    Unpacked { bytes, error: Some(UnpackError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn whole(bytes: &[u8]) -> Unpacked<'static> {
        Unpacked { bytes: Cow::Owned(bytes.to_vec()), error: None }
    }

    fn coded(coding: &str, body: Vec<u8>) -> Request {
        let headers = vec![("content-encoding".to_owned(), coding.to_owned())];
        Request { headers, body, ..Request::default() }
    }

    #[test]
    fn zlib_of_a_known_size_is_the_same_in_one_go() {
        let clear = b"once or twice, once or twice".repeat(40);
        let packed = zlib(&clear);
        assert_eq!(inflate_to(&packed, clear.len()), Some(inflate(&packed).bytes.into_owned()));
        for size in [0, clear.len() - 1, clear.len() + 1, limits::UNPACKED + 1] {
            assert_eq!(inflate_to(&packed, size), None, "{size}");
        }
        for end in 0..packed.len() {
            assert_eq!(inflate_to(&packed[..end], clear.len()), None, "{end}");
        }
        let mut wrong = packed;
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(inflate_to(&wrong, clear.len()), None);
    }

    #[test]
    fn base64_vectors_of_rfc_4648_decode_with_and_without_padding() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zg", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9v\r\nYmFy\n", "foobar"),
        ] {
            assert_eq!(base64(text), whole(bytes.as_bytes()), "{text}");
        }
    }

    #[test]
    fn both_alphabets_and_a_plus_turned_space_decode() {
        for text in ["+/+/", "-_-_", " / /"] {
            assert_eq!(base64(text), whole(&[0xfb, 0xff, 0xbf]), "{text}");
        }
    }

    #[test]
    fn broken_base64_is_named() {
        for (text, before) in [
            ("Zg=a", ""),
            ("Zg====", "f"),
            ("Zm9v*", "foo"),
            ("Zm9vZ*9v", "foo"),
            ("天气", ""),
            ("\0\0\0\0", ""),
        ] {
            let expected =
                Unpacked { error: Some(UnpackError::Malformed), ..whole(before.as_bytes()) };
            assert_eq!(base64(text), expected, "{text}");
        }
        let short = base64("Zm9vY");
        assert_eq!(short, Unpacked { error: Some(UnpackError::Truncated), ..whole(b"foo") });
        let long = "A".repeat(limits::UNPACKED / 3 * 4 + 8);
        assert_eq!(base64(&long), Unpacked::failed(UnpackError::TooLarge));
    }

    #[test]
    fn gzip_of_one_and_of_two_members_comes_out() {
        assert_eq!(gunzip(&gzip(b"abc")), whole(b"abc"));
        let two = [gzip(b"abc"), gzip(b"def")].concat();
        assert_eq!(gunzip(&two), whole(b"abcdef"));
        let trailed = [gzip(b"abc"), b"\n".to_vec()].concat();
        assert_eq!(gunzip(&trailed), whole(b"abc"));
    }

    #[test]
    fn a_wrong_gzip_checksum_keeps_the_bytes() {
        let mut packed = gzip(b"abc");
        let at = packed.len() - 8;
        packed[at] ^= 1;
        let expected = Unpacked { error: Some(UnpackError::Checksum), ..whole(b"abc") };
        assert_eq!(gunzip(&packed), expected);
    }

    #[test]
    fn every_truncation_of_gzip_is_named_and_keeps_a_prefix() {
        let text: Vec<u8> = (0..3000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let packed = gzip(&text);
        let mut longest = 0;
        for end in 0..packed.len() {
            let cut = gunzip(&packed[..end]);
            assert_eq!(cut.error, Some(UnpackError::Truncated), "{end}");
            assert!(text.starts_with(&cut.bytes), "{end}");
            longest = longest.max(cut.bytes.len());
        }
        assert_eq!(longest, text.len(), "a missing trailer loses nothing");
    }

    #[test]
    fn what_is_no_gzip_is_malformed() {
        assert_eq!(gunzip(b"\x1f\x8b\x09 and more").error, Some(UnpackError::Malformed));
        assert_eq!(gunzip(b"not packed at all").error, Some(UnpackError::Malformed));
        let mut packed = gzip(b"abc");
        packed[10] = 0xff;
        assert_eq!(gunzip(&packed).error, Some(UnpackError::Malformed));
    }

    #[test]
    fn deflate_comes_out_with_and_without_a_zlib_header() {
        assert_eq!(inflate(&zlib(b"abc")), whole(b"abc"));
        assert_eq!(inflate(&raw(b"abc")), whole(b"abc"));
        assert_eq!(inflate(&zlib(b"abc")[..4]).error, Some(UnpackError::Truncated));
        assert_eq!(inflate(b"\xff\xff").error, Some(UnpackError::Malformed));
    }

    #[test]
    fn a_bomb_is_too_large_and_the_bound_itself_is_not() {
        let exact = vec![0; limits::UNPACKED];
        assert_eq!(gunzip(&gzip(&exact)), whole(&exact));
        let over = vec![0; limits::UNPACKED + 1];
        assert_eq!(gunzip(&gzip(&over)), Unpacked::failed(UnpackError::TooLarge));
        assert_eq!(inflate(&raw(&over)), Unpacked::failed(UnpackError::TooLarge));
        let parts = [gzip(&exact), gzip(b"x")].concat();
        assert_eq!(gunzip(&parts), Unpacked::failed(UnpackError::TooLarge));
    }

    #[test]
    fn content_codings_are_undone_last_first() {
        let stacked = coded("deflate, identity , X-GZIP", gzip(&zlib(b"abc")));
        assert_eq!(content(&stacked).as_deref(), Ok(b"abc".as_slice()));
        let plain = Request { body: b"abc".to_vec(), ..Request::default() };
        assert_eq!(content(&plain), Ok(Cow::Borrowed(b"abc".as_slice())));
    }

    #[test]
    fn codings_that_cannot_be_undone_are_named() {
        assert_eq!(content(&coded("br", vec![1])), Err(UnpackError::Unsupported));
        let five = coded("gzip,gzip,gzip,gzip,gzip", gzip(b"abc"));
        assert_eq!(content(&five), Err(UnpackError::Unsupported));
        let cut = gzip(b"abc")[..12].to_vec();
        assert_eq!(content(&coded("gzip", cut)), Err(UnpackError::Truncated));
    }
}
