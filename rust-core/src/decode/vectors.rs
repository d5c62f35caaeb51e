//! Whole requests against the committed bodies: every field, every truncation, many mutations.

use super::hostile::packing::post;
use super::{decode, events};
use crate::event::{
    Check, Event, IdKind, Kind, ProblemCode, Protocol, ReasonCode, State, Transport, Verdict,
};
use crate::http::Request;
use crate::limits;

macro_rules! vectors {
    ($($name:literal),+ $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!("../../tests/data/sensors/", $name, ".body")).as_slice(),
            include_str!(concat!("../../tests/data/sensors/", $name, ".expected.jsonl")),
        )),+]
    };
}

pub(super) const VECTORS: [(&str, &[u8], &str); 7] = vectors!(
    "android-batch-gzip",
    "web-gzip-wrong-crc",
    "web-plain",
    "python-sdk-1.11.0-default",
    "python-sdk-1.11.0-batch",
    "python-sdk-1.11.0-debug",
    "synthetic-encrypted-gzip9",
);

/// What must hold whatever the bytes.
pub(super) fn check(request: &Request) {
    let events = events(None, None, request);
    assert!((1..=limits::EVENTS_PER_REQUEST + 1).contains(&events.len()));
    for event in &events {
        assert!(event.fields.len() <= limits::FIELDS_PER_EVENT);
        assert!(event.problems.len() <= limits::FIELDS_PER_EVENT + 16 + limits::EVENTS_PER_REQUEST);
        assert!(!event.kinds.is_empty());
        let unread = (event.protocol, event.state) == (Some(Protocol::Unknown), State::Undecodable);
        assert!(unread || event.decoder.is_some());
        assert!(event.decoder.is_some() || event.fields.is_empty());
        assert_ne!(event.state, State::Blocked);
        for field in &event.fields {
            assert!(field.value.len() <= limits::FIELD_VALUE);
            assert!(field.path.len() <= limits::FIELD_PATH);
        }
    }
}

#[test]
fn every_field_of_every_vector_is_as_expected() {
    for (name, body, expected) in VECTORS {
        let got: Vec<_> = events(None, None, &post(body))
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        let expected: Vec<_> = expected.lines().collect();
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn checksums_of_vectors_are_told_apart() {
    let crc = |at: usize| decode(&post(VECTORS[at].1)).checks["crc"];
    assert_eq!((crc(0), crc(1), crc(2)), (Check::Ok, Check::Mismatch, Check::Ok));
    assert_eq!((crc(3), crc(4), crc(6)), (Check::Absent, Check::Absent, Check::Ok));
    let wrong = decode(&post(VECTORS[1].1));
    assert_eq!(
        (wrong.problems[0].code, wrong.problems[0].path.as_str()),
        (ProblemCode::CheckFailed, "crc")
    );
}

#[test]
fn every_truncation_of_every_vector_is_read_as_far_as_it_goes() {
    for (name, body, _) in VECTORS {
        let all = decode(&post(body)).events.len();
        let mut seen = 0;
        for end in 0..body.len() {
            let mut request = post(&body[..end]);
            check(&request);
            request.cut = true;
            check(&request);
            let cut = decode(&request);
            assert!(cut.events.len() <= all, "{name} {end}");
            assert!(cut.problems.iter().any(|p| p.code == ProblemCode::Truncated), "{name} {end}");
            assert_ne!(cut.checks.get("crc"), Some(&Check::Mismatch), "{name} {end}");
            seen = seen.max(cut.events.len());
        }
        assert_eq!(seen, all, "{name}");
    }
}

#[test]
fn a_body_cut_in_half_still_tells_its_first_events() {
    let mut request = post(&VECTORS[4].1[..VECTORS[4].1.len() * 7 / 10]);
    request.body_size = VECTORS[4].1.len() as u64;
    // The SDK puts the payload first; the mark of the format is lost with the rest.
    request.target = "/sa".into();
    let cut = decode(&request);
    assert_eq!((cut.protocol, cut.state), (Protocol::Sensors, State::Decoded));
    assert!(cut.events.len() > 1, "{}", cut.events.len());
    assert_eq!(cut.events[0].event.as_deref(), Some("search"));
}

const DESCRIPTION: &str = include_str!("../../../docs/events.md");

#[test]
fn the_example_in_the_description_is_an_event_with_its_keys_in_order() {
    let start = DESCRIPTION.find("```json\n").unwrap() + 8;
    let example = &DESCRIPTION[start..];
    let example = &example[..example.find("```").unwrap()];
    let event: Event = serde_json::from_str(example).unwrap();
    // Beyond spaces, which no text of the example holds, writing it again changes nothing.
    let written = serde_json::to_string(&event).unwrap();
    assert_eq!(written, example.replace([' ', '\n'], ""));
}

#[test]
fn the_codes_in_the_description_are_all_codes() {
    fn line<T: std::fmt::Display>(name: &str, all: &[T]) -> String {
        let codes: Vec<_> = all.iter().map(ToString::to_string).collect();
        format!("| `{name}` | {} |", codes.join(", "))
    }
    for expected in [
        line("transport", Transport::ALL),
        line("verdict", Verdict::ALL),
        line("state", State::ALL),
        line("reason.code", ReasonCode::ALL),
        line("protocol", Protocol::ALL),
        line("kinds", Kind::ALL),
        line("ids.kind", IdKind::ALL),
        line("checks", Check::ALL),
        line("problems.code", ProblemCode::ALL),
    ] {
        assert!(DESCRIPTION.lines().any(|l| l == expected), "{expected}");
    }
}

/// Xorshift (G. Marsaglia, 2003), so that a failure can be repeated.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

pub(super) fn mutate(random: &mut Random, body: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(body.len());
        let piece = body[at..(at + random.below(40)).min(body.len())].to_vec();
        match random.below(6) {
            _ if body.is_empty() => return,
            0 => body[at] = random.below(256) as u8,
            1 => body[at] ^= 1 << random.below(8),
            2 => body.truncate(at),
            3 => body.insert(at, b"&=%+[]{}\",\0\\"[random.below(12)]),
            4 => drop(body.splice(at..at, piece)),
            _ => drop(body.drain(at..at + piece.len())),
        }
    }
}

#[test]
fn twenty_thousand_mutated_bodies_are_survived() {
    let mut random = Random(0x6d75_7a7a_6c65);
    // The JSON within is mutated as well: packed, nearly every mutation ends at the packing.
    let texts = [br#"gzip=0&data_list=[{"type":"track","event":"e","time":1,"distinct_id":"d",
        "properties":{"a":[1,{"b":"\u0041"}],"$url":"http://x"}},{"ekey":"k","payloads":["QQ=="]}]"#
        .as_slice()];
    let seeds: Vec<&[u8]> = VECTORS.iter().map(|v| v.1).chain(texts).collect();
    for round in 0..20_000 {
        let seed = if round % 2 == 0 { seeds.len() - 1 } else { random.below(seeds.len()) };
        let mut body = seeds[seed].to_vec();
        mutate(&mut random, &mut body);
        let mut request = post(&body);
        request.cut = random.below(8) == 0;
        check(&request);
    }
}

#[test]
fn mutated_heads_are_survived() {
    let mut random = Random(0x0068_6561_6473);
    for _ in 0..2000 {
        let mut target = b"http://h/sa.gif?project=x&data=W3t9XQ%3D%3D&ext=crc%3D1#f".to_vec();
        mutate(&mut random, &mut target);
        let mut coding = b"gzip, deflate,identity,x-gzip,br".to_vec();
        mutate(&mut random, &mut coding);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut request = post(b"\x1f\x8b\x08");
        request.target = text(target);
        request.headers = vec![("Content-Encoding".into(), text(coding.clone()))];
        request.headers.push(("Host".into(), text(coding)));
        check(&request);
        super::answer::answer(&request);
    }
}
