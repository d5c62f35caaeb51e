//! Whole requests, recorded or synthetic, against their expected events: every field, every
//! truncation, and which decoder takes which.

use super::hostile::packing::post;
use super::vectors::{VECTORS, check};
use super::{DECODERS, Input, decode, events, unpack};
use crate::event::{Check, ProblemCode, Protocol, State};
use crate::http::Request;
use crate::limits;
use std::path::Path;

/// One file under `tests/data`.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) request: Request,
    expected: Vec<String>,
}

/// A request of HTTP/1.1 as bytes, its Content-Length right.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Request {
    let mut lines = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut lines);
    let httparse::Status::Complete(end) = head.parse(bytes).unwrap() else { panic!("{name}") };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let request = Request {
        method: head.method.unwrap().into(),
        target: head.path.unwrap().into(),
        headers: head.headers.iter().map(|h| (h.name.into(), text(h.value))).collect(),
        body: bytes[end..].to_vec(),
        body_size: (bytes.len() - end) as u64,
        cut: false,
    };
    let length = request.header("content-length").unwrap_or("0");
    assert_eq!(length, request.body_size.to_string(), "{name}");
    request
}

/// Every `*.http` of the formats here, sorted.
pub(super) fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let formats = [
        "onetrack",
        "miui-analytics",
        "mistat",
        "umeng",
        "ut",
        "sls",
        "mixpanel",
        "generic",
        "recorded",
    ];
    let mut files: Vec<_> = formats
        .iter()
        .flat_map(|format| std::fs::read_dir(root.join(format)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "http"))
        .collect();
    files.sort();
    let sample = |path: &std::path::PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let request = parse(&name, &std::fs::read(path).unwrap());
        let expected = std::fs::read_to_string(path.with_extension("expected.jsonl")).unwrap();
        Sample { name, request, expected: expected.lines().map(str::to_owned).collect() }
    };
    files.iter().map(sample).collect()
}

#[test]
fn every_field_of_every_request_is_as_expected() {
    let samples = samples();
    assert!(samples.len() >= 40, "{} requests", samples.len());
    for Sample { name, request, expected } in samples {
        let got = events(None, None, &request);
        let got: Vec<_> = got.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        assert_eq!(got, expected, "{name}");
    }
}

/// What each decoder but the last, which takes what is left, says of the request.
fn claims(request: &Request) -> Vec<Protocol> {
    let content = unpack::content_so_far(request);
    let input = Input::new(request, &content);
    let (_, named) = DECODERS.split_last().unwrap();
    named.iter().filter_map(|decoder| decoder(&input)).map(|decoded| decoded.protocol).collect()
}

#[test]
fn each_vector_is_claimed_by_its_own_decoder_alone() {
    for Sample { name, request, .. } in samples() {
        let expected: &[Protocol] = match name.as_str() {
            n if n.starts_with("generic/") => &[],
            n if n.contains("onetrack/synthetic-pubsub") => &[Protocol::OnetrackPubsub],
            n if n.contains("onetrack/synthetic-plain") => &[Protocol::OnetrackPlain],
            n if n.starts_with("onetrack/") => &[Protocol::Onetrack],
            n if n.starts_with("miui-analytics/") => &[Protocol::MiuiAnalytics],
            n if n.contains("-v3.") => &[Protocol::Mistat3],
            n if n.contains("-crash.") => &[Protocol::MistatCrash],
            n if n.starts_with("mistat/") => &[Protocol::Mistat],
            n if n.starts_with("umeng/") => &[Protocol::Umeng],
            n if n.starts_with("ut/") => &[Protocol::Ut],
            n if n.starts_with("sls/") => &[Protocol::Sls],
            n if n.starts_with("mixpanel/") => &[Protocol::Mixpanel],
            n if n.starts_with("recorded/arms_") => &[],
            n if n.starts_with("recorded/datarangers_") => &[],
            n if n.starts_with("recorded/mixpanel_") => &[Protocol::Mixpanel],
            n if n.starts_with("recorded/sensors_") => &[Protocol::Sensors],
            n if n.starts_with("recorded/sls_") => &[Protocol::Sls],
            n if n.starts_with("recorded/umeng_") => &[Protocol::Umeng],
            _ => panic!("{name}"),
        };
        assert_eq!(claims(&request), expected, "{name}");
        let first = expected.first().copied().unwrap_or(Protocol::Unknown);
        assert_eq!(decode(&request).protocol, first, "{name}");
    }
    for (name, body, _) in VECTORS {
        assert_eq!(claims(&post(body)), [Protocol::Sensors], "{name}");
    }
}

#[test]
fn bodies_are_recognised_on_any_host_and_path() {
    // Without a header or a path of its own, nothing tells these from any other bytes.
    let marked = [
        "onetrack/synthetic-android",
        "lz4",
        "zstd",
        "deflate.http",
        "ut/synthetic-rest",
        "recorded/umeng_apm_efs",
        "recorded/umeng_zdata",
    ];
    for Sample { name, mut request, .. } in samples() {
        let protocol = decode(&request).protocol;
        let packed = marked.iter().any(|part| name.contains(part)) && !name.starts_with("umeng");
        if packed || request.method == "GET" {
            continue;
        }
        request.target = "/".into();
        request.headers.retain(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        assert_eq!(decode(&request).protocol, protocol, "{name}");
    }
}

#[test]
fn self_checks_tell_right_from_wrong() {
    for (name, check, outcome) in [
        ("mistat/synthetic-v2-ecb.http", "size", Check::Ok),
        ("mistat/synthetic-v2-cbc.http", "size", Check::Mismatch),
        ("mistat/synthetic-v2-ecb.http", "sign", Check::Ok),
        ("mistat/synthetic-v2-cbc.http", "sign", Check::Ok),
        ("mistat/synthetic-v2-ecb-wrong-sign.http", "sign", Check::Mismatch),
        ("mistat/synthetic-v2-cbc-unsigned.http", "sign", Check::Absent),
        ("umeng/synthetic-codex0.http", "checksum", Check::Ok),
        ("umeng/synthetic-codex1.http", "size", Check::Ok),
        ("umeng/synthetic-codex0-raw-deflate-wrong-checksum.http", "checksum", Check::Mismatch),
        ("miui-analytics/synthetic-spock-plain-unsigned.http", "sign", Check::Absent),
        ("sls/python-sdk-0.9.52-v4-zstd.http", "size", Check::Ok),
    ] {
        let sample = samples().into_iter().find(|s| s.name == name).unwrap();
        let decoded = decode(&sample.request);
        assert_eq!(decoded.checks.get(check), Some(&outcome), "{name} {check}");
        assert_eq!(decoded.state, State::Decoded, "{name}");
        let told = decoded.problems.iter().any(|p| p.code == ProblemCode::CheckFailed);
        assert_eq!(told, decoded.checks.values().any(|c| *c == Check::Mismatch), "{name}");
    }
}

#[test]
fn every_truncation_of_every_request_is_read_as_far_as_it_goes() {
    for Sample { name, mut request, .. } in samples() {
        let whole = std::mem::take(&mut request.body);
        let all = decode(&Request { body: whole.clone(), ..request.clone() }).events.len();
        let mut seen = 0;
        for end in 0..whole.len() {
            request.body = whole[..end].to_vec();
            request.body_size = end as u64;
            request.cut = false;
            check(&request);
            request.cut = true;
            let cut = decode(&request);
            assert!(cut.events.len() <= all.max(1), "{name} {end}");
            assert!(cut.events.len() <= limits::EVENTS_PER_REQUEST);
            assert!(cut.problems.iter().any(|p| p.code == ProblemCode::Truncated), "{name} {end}");
            assert!(!cut.checks.values().any(|c| *c == Check::Mismatch), "{name} {end}");
            seen = seen.max(cut.events.len());
        }
        // Of a cut zstd frame the last block is lost; these have but one.
        let lost = whole.is_empty() || name.contains("zstd");
        assert!(lost || seen == all, "{name} {seen} {all}");
    }
}
