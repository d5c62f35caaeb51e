//! Bodies packed by real encoders, by label and by magic number; `tests/data/packed/make.py` makes
//! them.

use super::unpack::{UnpackError, Unpacked, by_magic, content, content_so_far};
use super::{State, decode, lz, unpack};
use crate::event::Protocol;
use crate::http::Request;
use crate::limits;
use std::borrow::Cow;

macro_rules! packed {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/data/packed/", $name)).as_slice()
    };
}

/// The lines from `event 0` on.
fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| format!("event {n}\n").into_bytes()).collect()
}

fn coded(coding: &str, body: &[u8]) -> Request {
    let headers = vec![("Content-Encoding".to_owned(), coding.to_owned())];
    Request { headers, body: body.to_vec(), body_size: body.len() as u64, ..Request::default() }
}

fn failed(bytes: &[u8], error: UnpackError) -> Unpacked<'static> {
    Unpacked { bytes: Cow::Owned(bytes.to_vec()), error: Some(error) }
}

const SOUND: &[(&str, &[u8])] = &[
    ("zstd", packed!("one.zst")),
    ("zstd", packed!("two.zst")),
    ("zstd", packed!("blocks.zst")),
    ("zstd", packed!("skipped.zst")),
    ("gzip", packed!("one.gz")),
    ("gzip", packed!("two.gz")),
];

#[test]
fn frames_and_members_come_out_by_label_and_by_magic_number() {
    let whole = lines(400);
    for (label, body) in SOUND {
        for label in [*label, label.to_ascii_uppercase().as_str(), "zstd", "GZip", "deflate"] {
            assert_eq!(content(&coded(label, body)).as_deref(), Ok(whole.as_slice()), "{label}");
        }
        assert_eq!(
            by_magic(body),
            Some(Unpacked { bytes: Cow::Borrowed(whole.as_slice()), error: None })
        );
    }
}

#[test]
fn codings_may_be_stacked() {
    let whole = lines(400);
    for (codings, body) in [
        ("gzip, zstd", packed!("gzip-in-zstd.bin")),
        ("zstd,Identity , X-GZIP", packed!("zstd-in-gzip.bin")),
        ("gzip", packed!("one.zlib")),
    ] {
        assert_eq!(content(&coded(codings, body)).as_deref(), Ok(whole.as_slice()), "{codings}");
    }
    let four = coded("zstd,zstd,zstd,zstd,zstd", packed!("one.zst"));
    assert_eq!(content(&four), Err(UnpackError::Unsupported));
}

#[test]
fn a_label_that_lies_is_named_and_the_bytes_stay() {
    for label in ["gzip", "ZSTD"] {
        let plain = coded(label, b"{\"a\":1}");
        assert_eq!(content_so_far(&plain), failed(b"{\"a\":1}", UnpackError::Malformed));
        assert_eq!(content(&coded(label, b"")), Err(UnpackError::Truncated));
        assert_eq!(content(&coded(label, b"\x28\xb5")), Err(UnpackError::Truncated));
    }
    assert_eq!(content(&coded("zstd, zstd", packed!("one.zst"))), Err(UnpackError::Malformed));
}

#[test]
fn a_part_that_was_cut_keeps_those_before_it() {
    let (whole, first) = (lines(400), lines(200));
    for (label, body) in SOUND.iter().filter(|(_, body)| body != &packed!("blocks.zst")) {
        let mut before = 0;
        for end in 1..body.len() {
            let request = coded(label, &body[..end]);
            let cut = content_so_far(&request);
            assert!(whole.starts_with(&cut.bytes), "{label} {end}");
            assert!(cut.bytes.len() >= before, "{label} {end}");
            before = cut.bytes.len();
            // Between two parts nothing is missing that could be told.
            let between = cut.error.is_none() && (cut.bytes == first || cut.bytes.is_empty());
            let told = cut.error == Some(UnpackError::Truncated);
            assert!(told || between || cut.bytes == whole, "{label} {end} {:?}", cut.error);
        }
    }
    let blocks = packed!("blocks.zst");
    let cut = lz::zstd(&blocks[..blocks.len() - 8]);
    assert_eq!(cut, failed(&first, UnpackError::Truncated), "the first block is whole");
}

#[test]
fn what_follows_the_last_part_is_left_unread() {
    let whole = lines(400);
    for (label, body) in SOUND {
        let trailed = [body, b"\0\0\0\0 and more".as_slice()].concat();
        assert_eq!(content(&coded(label, &trailed)).as_deref(), Ok(whole.as_slice()));
    }
}

#[test]
fn bombs_end_at_the_bound_however_many_parts_they_have() {
    for bomb in [packed!("bomb.zst"), packed!("bombs.zst")] {
        assert_eq!(content(&coded("zstd", bomb)), Err(UnpackError::TooLarge));
    }
    let member = packed!("two.gz");
    let many = member.repeat(limits::PACKED_PARTS);
    let parts = limits::PACKED_PARTS / 2 * lines(400).len();
    let out = unpack::gunzip(&many);
    assert_eq!((out.bytes.len(), out.error), (parts, Some(UnpackError::TooLarge)));
    let skips = b"\x50\x2a\x4d\x18\0\0\0\0".repeat(limits::PACKED_PARTS + 1);
    assert_eq!(lz::zstd(&skips), failed(b"", UnpackError::TooLarge));
    let claims = b"\x5f\x2a\x4d\x18\xff\xff\xff\xffabc";
    assert_eq!(lz::zstd(claims), failed(b"", UnpackError::Truncated));
    let only = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
    assert_eq!(lz::zstd(only), Unpacked { bytes: Cow::Borrowed(b""), error: None });
}

#[test]
fn a_dictionary_that_is_not_here_is_named() {
    assert_eq!(lz::zstd(packed!("dictionary.zst")), failed(b"", UnpackError::Unsupported));
}

#[test]
fn a_request_packed_with_zstd_is_decoded_as_one_that_is_not() {
    let json =
        br#"[{"event":"open","properties":{"token":"t","distinct_id":"d","time":1796077460}}]"#;
    // One raw block: its header has the length and the mark of the last one (RFC 8878 §3.1.1.2).
    let size = u32::try_from(json.len()).unwrap() << 3 | 1;
    let block = &size.to_le_bytes()[..3];
    let frame = [b"\x28\xb5\x2f\xfd\x00\x00".as_slice(), block, json].concat();
    for headers in [vec![], vec![("Content-Encoding".to_owned(), "Zstd".to_owned())]] {
        let target = "/track/".to_owned();
        let request = Request {
            method: "POST".into(),
            target,
            headers,
            body: frame.clone(),
            body_size: frame.len() as u64,
            ..Request::default()
        };
        let decoded = decode(&request);
        assert_eq!((decoded.protocol, decoded.state), (Protocol::Mixpanel, State::Decoded));
        assert_eq!(decoded.events.len(), 1);
    }
}
