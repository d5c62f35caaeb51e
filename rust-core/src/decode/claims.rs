//! No format is claimed without the shape of what comes out: whatever stands in the usual frame of a
//! format, on its usual path and under its usual headers.

use super::hostile::packing::{base64, gzip, post};
use super::vectors::Random;
use super::{decode, events};
use crate::event::{ProblemCode, Protocol, State};
use crate::http::Request;

fn at(target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request {
    let headers = headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    Request { target: target.into(), headers, ..post(&body) }
}

fn form(target: &str, before: &str, value: &[u8]) -> Request {
    let escaped: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
    at(target, &[], format!("{before}{escaped}").into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that nobody can read.
fn closed(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| random.below(256) as u8).collect()
}

/// What other senders might put into a frame.
fn contents() -> Vec<Vec<u8>> {
    let clear: [&[u8]; 12] = [
        b"",
        b"hello",
        b"{}",
        b"[]",
        b"null",
        br#"{"a":1}"#,
        br#"[{"a":1},2]"#,
        br#"{"event":"e","properties":{"name":"x"}}"#,
        br#"{"type":"track","event":"e","properties":{},"userId":"1"}"#,
        br#"{"H":1,"B":2}"#,
        br#"{"messages":[{"data":"eyJhIjoxfQ==","attributes":{"a":"b"}}]}"#,
        b"<html></html>",
    ];
    let mut random = Random(0x0063_6c61_696d);
    let closed = [1, 15, 16, 100, 256].map(|size| closed(&mut random, size));
    let plain: Vec<Vec<u8>> = clear.map(<[u8]>::to_vec).into_iter().chain(closed).collect();
    let encoded = plain.iter().map(|bytes| base64(bytes).into_bytes());
    let zipped = plain.iter().map(|bytes| base64(&gzip(bytes)).into_bytes());
    plain.iter().cloned().chain(encoded).chain(zipped).collect()
}

/// The frames of the formats, around one content.
fn frames(content: &[u8]) -> Vec<(Protocol, Request)> {
    let bare = |target: &str, headers: &[(&str, &str)]| at(target, headers, content.to_vec());
    let mut all = Vec::new();
    for before in ["gzip=0&data=", "gzip=1&data_list=", "data=", "gzip=9&crc=1&data_list="] {
        all.push((Protocol::Sensors, form("/sa?project=x", before, content)));
        all.push((Protocol::Sensors, form("/sa.gif", before, content)));
    }
    let query: String = content.iter().map(|byte| format!("%{byte:02X}")).collect();
    all.push((Protocol::Sensors, at(&format!("/sa?data={query}"), &[], Vec::new())));
    all.push((Protocol::Mixpanel, form("/track?verbose=1", "ip=1&data=", content)));
    all.push((Protocol::Mixpanel, bare("/track", &[])));
    all.push((Protocol::MiuiAnalytics, form("/track/v1", "sign=1&ts=2&nonce=3&value=", content)));
    for mode in ["", "mistatv=3&", "mistatv=5&sign=1&"] {
        let seeds = format!("{mode}app_id=1&app_key=2&device_id=3&stat_value=");
        all.push((Protocol::Mistat, form("/mistats/v2", &seeds, content)));
        let digits = hex(content);
        all.push((Protocol::Mistat, form("/mistats/v2", &seeds, digits.as_bytes())));
    }
    all.push((Protocol::MistatCrash, form("/crash", "device_model=x&text=", content)));
    all.push((Protocol::OnetrackPlain, bare("/track/v4/o", &[])));
    let project = "/v1/projects/xiaomiaccount/topics/account-global:publish";
    all.push((Protocol::OnetrackPubsub, bare(project, &[])));
    let message = format!(
        r#"{{"messages":[{{"attributes":{{"pub_sid":"1"}},"data":"{}"}}]}}"#,
        base64(content)
    );
    all.push((Protocol::OnetrackPubsub, at(project, &[], message.into_bytes())));
    all.push((Protocol::Sls, bare("/logstores/x/shards/lb", &[("x-log-apiversion", "0.6.0")])));
    all.push((Protocol::Sls, bare("/logstores/x/track?APIVersion=0.6.0", &[])));
    let upload = [b"\x01\0\0\0\x01\0\0\0".as_slice(), &gzip(content)].concat();
    if content.len() > 2 && !content.starts_with(b"\0") {
        all.push((Protocol::Ut, at("/upload", &[], upload)));
    }
    all
}

#[test]
fn no_frame_is_a_claim_without_the_shape_of_what_comes_out() {
    for content in contents() {
        for (protocol, request) in frames(&content) {
            let decoded = decode(&request);
            assert_ne!(decoded.protocol, protocol, "{request:?} {decoded:?}");
        }
    }
}

#[test]
fn what_is_said_to_be_closed_and_can_be_read_is_not_encrypted() {
    let sender = [("OT_SID", "1"), ("OT_sender", "com.miui.home")];
    for clear in [&b""[..], b"text of more than sixteen bytes", br#"{"a":"b","c":[1,2,3,4]}"#] {
        for request in [
            at("/track/v4", &sender, clear.to_vec()),
            at("/track/v4", &sender, gzip(clear)),
            form("/mistats/v3", "ai=1&sv=2&sid=3&p=", base64(clear).as_bytes()),
            form("/track/key_get", "secretKey=", base64(clear).as_bytes()),
            at("/rest/sur?ak=1&s=2&t=3", &[], clear.to_vec()),
        ] {
            let decoded = decode(&request);
            assert_ne!(decoded.state, State::Encrypted, "{request:?} {decoded:?}");
        }
    }
}

#[test]
fn what_is_closed_is_never_decoded() {
    let mut random = Random(0x0063_6970_6865);
    for size in [16, 32, 48, 256, 1000] {
        let closed = closed(&mut random, size);
        for (_, request) in frames(&closed) {
            let decoded = decode(&request);
            // Of a form or a query the rest is readable, which is not the format's.
            let claimed = decoded.protocol != Protocol::Unknown;
            assert!(!(claimed && decoded.state == State::Decoded), "{request:?} {decoded:?}");
        }
    }
}

#[test]
fn what_is_malformed_as_a_whole_is_never_decoded() {
    for body in [
        r#"{"a":"b","url":"https://example.org/"} garbage"#,
        r#"[{"event":"e","properties":{"token":"t"}}] x"#,
        r#"{"event":"e","properties":{"token":"t"},,}"#,
        r#"[{"H":{"event":"e"},"B":{}}]]"#,
        r#"{"__logs__":[{"a":"b"}]}}"#,
    ] {
        let all = events(None, None, &post(body.as_bytes()));
        for event in &all {
            let whole = |p: &crate::event::Problem| p.path.is_empty();
            let broken =
                event.problems.iter().any(|p| whole(p) && p.code == ProblemCode::Malformed);
            assert!(!(broken && event.state == State::Decoded), "{body} {event:?}");
        }
        assert_eq!(all[0].state, State::Undecodable, "{body} {all:?}");
    }
}

#[test]
fn one_broken_event_does_not_make_the_others_undecodable() {
    let body = r#"[{"event":"e","properties":{"token":"t"}},{"event":"f","x":01},17]"#;
    let all = events(None, None, &post(body.as_bytes()));
    assert_eq!(all[0].state, State::Undecodable, "a list that breaks off is broken: {all:?}");
    let body = r#"[{"event":"e","properties":{"token":"t"}},17]"#;
    assert_eq!(events(None, None, &post(body.as_bytes()))[0].state, State::Decoded);
}

#[test]
fn what_others_publish_is_not_claimed() {
    let onetrack = base64(br#"{"H":{"event":"e"},"B":{}}"#);
    let message = |attributes: &str, data: &str| {
        format!(r#"{{"messages":[{{"attributes":{attributes},"data":"{data}"}}]}}"#).into_bytes()
    };
    let others = "/v1/projects/some-shop/topics/orders:publish";
    let ours = "/v1/projects/xiaomiaccount/topics/account-global:publish";
    let closed = base64(&closed(&mut Random(7), 64));
    for (target, body, protocol, state) in [
        (others, message("{}", &onetrack), false, None),
        (others, message(r#"{"region":"IN"}"#, &closed), false, None),
        (ours, message("{}", &closed), false, None),
        (ours, message("{}", &onetrack), true, Some(State::Decoded)),
        (others, message(r#"{"pub_sid":"1"}"#, &onetrack), true, Some(State::Decoded)),
        (others, message(r#"{"pub_gzipencrypt":"true"}"#, &closed), true, Some(State::Encrypted)),
        (others, message(r#"{"pub_gzipencrypt":true}"#, &closed), true, Some(State::Encrypted)),
        // The bytes decide.
        (ours, message(r#"{"pub_gzipencrypt":"true"}"#, &onetrack), true, Some(State::Decoded)),
        (ours, message(r#"{"pub_gzipencrypt":"false"}"#, &closed), false, None),
    ] {
        let decoded = decode(&at(target, &[], body));
        assert_eq!(decoded.protocol == Protocol::OnetrackPubsub, protocol, "{decoded:?}");
        assert!(state.is_none_or(|state| state == decoded.state), "{decoded:?}");
    }
}
