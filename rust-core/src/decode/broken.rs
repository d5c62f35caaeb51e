//! Requests that are nearly right: each failure by its code and path, and neighbours that are not
//! taken for a format.

use super::decode;
use super::hostile::packing::post;
use crate::event::{Problem, ProblemCode as Code, Protocol, State};
use crate::http::Request;

fn at(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    Request { target: target.into(), headers, ..post(body) }
}

/// A form of MiStat whose fields are ordered by name, with its right sign.
fn signed(text: &str) -> Request {
    use md5::Digest as _;
    let fields = text.replace(['=', '&'], "");
    let digest = md5::Md5::digest(format!("{fields}mistats_sdkconfig_jafej!@#)(*e@!#"));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    form(&format!("{text}&sign={digits}"))
}

fn form(text: &str) -> Request {
    post(text.as_bytes())
}

/// A Thrift struct of Umeng: signature, entity and codex are given, the rest is made up.
fn envelope(signature: &str, entity: &[u8], codex: u8) -> Request {
    let binary = |bytes: &[u8]| [&[0x18, bytes.len() as u8], bytes].concat();
    let head = [binary(b"1"), binary(b"key"), binary(signature.as_bytes())].concat();
    let ints = [0x15, 2, 0x15, 2, 0x15, 2];
    let tail = [binary(b"g"), binary(b"c"), vec![0x15, codex * 2, 0]].concat();
    post(&[&head, &ints[..], &binary(entity), &tail].concat())
}

fn upload(clear: &[u8]) -> Request {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(clear).unwrap();
    post(&[b"\x01\0\0\0\x01\0\0\0".as_slice(), &gzip.finish().unwrap()].concat())
}

const SIGNATURE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn each_failure_has_its_code_and_path() {
    let mistat = "app_id=1&app_key=2&device_id=3&stat_value=";
    let packed = |packing| at("/", &[("x-log-compresstype", packing)], b"\x30abc");
    let open = [("OT_SID", "1"), ("OT_sender", "com.miui.home")];
    let encrypted = State::Encrypted;
    let unread = State::Undecodable;
    for (protocol, state, request, code, path) in [
        (
            Protocol::Mistat,
            unread,
            signed(&format!("{mistat}xy")),
            Code::Malformed,
            "form.stat_value",
        ),
        (
            Protocol::Mistat,
            unread,
            signed(&format!("{mistat}{SIGNATURE}")),
            Code::Malformed,
            "form.stat_value",
        ),
        (
            Protocol::Mistat,
            unread,
            signed(&format!("{mistat}abc")),
            Code::Truncated,
            "form.stat_value",
        ),
        (
            Protocol::Mistat,
            unread,
            signed("app_id=1&app_key=2&device_id=3&mistatv=7&stat_value=00"),
            Code::Unsupported,
            "form.mistatv",
        ),
        (
            Protocol::Mistat3,
            encrypted,
            form("ai=1&sv=2&sid=3&p=AAAAAAAAAAAAAAAAAAAAAAAA*"),
            Code::Malformed,
            "form.p",
        ),
        (Protocol::Onetrack, encrypted, at("/", &open, b"\x01\x02\x03"), Code::Malformed, "body"),
        (
            Protocol::Umeng,
            unread,
            envelope(SIGNATURE, b"\xff\xff", 0),
            Code::Malformed,
            "envelope.entity",
        ),
        (
            Protocol::Umeng,
            unread,
            envelope(SIGNATURE, b"0123456789abcdef", 1),
            Code::Malformed,
            "envelope.entity",
        ),
        (
            Protocol::Umeng,
            unread,
            envelope("01234567", b"x", 1),
            Code::Malformed,
            "envelope.signature",
        ),
        (
            Protocol::Umeng,
            unread,
            envelope(SIGNATURE, b"\xff\xff", 5),
            Code::Unsupported,
            "envelope.codex",
        ),
        (
            Protocol::Umeng,
            unread,
            at("/", &[("X-Umeng-UTC", "1")], b"\x1f"),
            Code::Malformed,
            "envelope",
        ),
        (Protocol::Ut, unread, post(b"\x01\0\0\0\x01\0\0\0\x1f\x8b\x08"), Code::Truncated, "body"),
        (
            Protocol::Ut,
            State::Decoded,
            upload(b"\0\0\0\0\x07\xd1\0\0\0\x09rec"),
            Code::Truncated,
            "records.0",
        ),
        (Protocol::Sls, unread, packed("lz4"), Code::Unsupported, "body"),
        (Protocol::Sls, unread, packed("snappy"), Code::Unsupported, "body"),
        (Protocol::Sls, unread, packed("zstd"), Code::Truncated, "body"),
    ] {
        let decoded = decode(&request);
        assert_eq!((decoded.protocol, decoded.state), (protocol, state), "{path} {code}");
        let within = decoded.events.iter().flat_map(|e| &e.problems);
        let expected = Problem { code, path: path.into() };
        let all: Vec<_> = decoded.problems.iter().chain(within).collect();
        assert!(all.contains(&&expected), "{protocol} {path} {code}: {all:?}");
    }
}

#[test]
fn one_broken_event_costs_that_event_alone() {
    let log = b"\x0a\x0e\x08\x80\x9f\x85\xd8\x06\x12\x06\x0a\x01a\x12\x01b".as_slice();
    let group = [log, b"\x0a\x03\x08\x80\x80", log].concat();
    for (request, path, events) in [
        (form(r#"[{"H":{"event":"e"},"B":{}},17,{"H":{"event":"f"},"B":{}}]"#), "1", 2),
        (form(r#"[{"event":"e","properties":{"token":"t"}},17]"#), "1", 1),
        (form(r#"data=[{"event":"e","properties":{"token":"t"}},17]"#), "form.data.1", 1),
        (form(r#"{"__logs__":[17,{"a":"b"}]}"#), "__logs__.0", 1),
        (form(r#"[{"H":{"event":"e","e_ts":"x"},"B":{}}]"#), "H.e_ts", 1),
        (form(r#"[{"event":"e","properties":{"token":"t","time":"x"}}]"#), "properties.time", 1),
    ] {
        let decoded = decode(&request);
        assert_eq!((decoded.state, decoded.events.len()), (State::Decoded, events), "{path}");
        let within = decoded.events.iter().flat_map(|e| &e.problems);
        let all: Vec<_> = decoded.problems.iter().chain(within).collect();
        assert_eq!(all, [&Problem { code: Code::Malformed, path: path.into() }]);
    }
    let decoded = decode(&at("/", &[("x-log-apiversion", "0.6.0")], &group));
    assert_eq!((decoded.events.len(), decoded.problems.len()), (3, 0));
    assert_eq!(decoded.events[1].problems, [Problem { code: Code::Truncated, path: "log".into() }]);
    // Without a mark beside it, only a LogGroup that is right throughout is one.
    assert_ne!(decode(&post(&group)).protocol, Protocol::Sls);
}

#[test]
fn neighbours_are_not_taken_for_a_format() {
    for request in [
        form("app_id=1&app_key=2&device_id=3"),
        form("ai=1&sv=2&p=3"),
        form("p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&ai=1"),
        form("device_model=x&app_version=1"),
        form("value=e30&sign=1&ts=2"),
        form("secretKey=QUJD"),
        at("/track/key_get", &[], b"secretKey=QUJD*"),
        at("/track/v1", &[], b"value=!!&sign=1&ts=2&nonce=3"),
        at("/", &[("x-log-apiversion", "0.6.0")], b"text"),
        form("app_id=1&app_key=2&device_id=3&stat_value=xy"),
        upload(b"\0\x09short"),
        form(r#"[{"H":1,"B":{}}]"#),
        form(r#"[{"H":{"x":1},"B":{}}]"#),
        form(r#"{"event":"e","properties":{"name":"x"}}"#),
        form(r#"{"type":"track","event":"e","properties":{"token":"x"}}"#),
        at("/", &[("OT_ts", "1"), ("OT_net", "WIFI")], b"0123456789abcdef"),
        at("/track?APIVersion=0.6.0&k=v", &[], b""),
        at("/rest/sur?ak=1&t=2", &[], b""),
        at("/x?ak=1&s=2&t=3&v=4&d=notautdid", &[], b""),
        at("/mistats/v3", &[], b"x"),
        at("/unify_logs", &[], b"\x18\x01x\0"),
        at("/track", &[], b"data=hello"),
        at("/upload", &[], b"\x01\0\0\0\x01\0\0\0plain"),
    ] {
        let decoded = decode(&request);
        assert_eq!(decoded.protocol, Protocol::Unknown, "{request:?}");
    }
}
