//! Exported packets, read again as any capture is: the same events come of them.

use super::*;
use crate::replay::tests::{exchange, from_port, outcome, pcap, udp, vector, with_trailer};
use crate::replay::{Capture, Item};
use crate::store::{Config, Writer};
use crate::tls::samples;
use crate::wire::{Packet, Proto};
use tempfile::TempDir;

const POLICY: &str = "default = \"record\"\n[[app]]\npackage = \"com.mi.globalbrowser\"\n\
    uid = 10123\n[[app]]\npackage = \"com.blocked\"\nuid = 10124\nsetting = \"block\"";

/// A store of what comes of a capture.
fn stored(file: &[u8]) -> (TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let writer = Writer::open(Config { retention_days: 0, ..Config::new(&path) }).unwrap();
    let (records, _, error) = outcome(file, POLICY);
    assert!(error.is_none(), "{error:?}");
    for record in records {
        assert!(writer.sender().send(record));
    }
    writer.close().unwrap();
    let reader = Reader::open(&path).unwrap();
    (folder, reader)
}

fn exported(reader: &Reader, filter: &Filter) -> Vec<u8> {
    let order =
        Order { filter, format: Format::Pcapng, redaction: None, scratch: Path::new("/tmp") };
    let mut out = Vec::new();
    to_writer(reader, &order, &mut out, &mut |_| true).unwrap();
    out
}

fn chunked(host: &str) -> Vec<u8> {
    let whole = vector(host);
    let text = String::from_utf8(whole).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.lines().filter(|line| !line.starts_with("Content-Length"));
    let head: Vec<_> = head.chain(["Transfer-Encoding: chunked", "", ""]).collect();
    let (one, two) = body.split_at(100);
    let chunks = format!("64\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", two.len());
    [head.join("\r\n").as_bytes(), chunks.as_bytes()].concat()
}

/// Two requests on a connection; a chunked one on another meanwhile; one that is cut; TLS, QUIC,
/// and what another app may not.
fn capture() -> Vec<u8> {
    let host = "tracking.miui.com";
    let two = [vector(host), vector(host)].concat();
    let one = exchange(&two, 700);
    let other = from_port(40_001, exchange(&chunked(host), 300));
    let mut mixed = Vec::new();
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        let pair: Vec<_> = one.next().into_iter().chain(other.next()).collect();
        if pair.is_empty() {
            break;
        }
        mixed.extend(pair);
    }
    let part = vector(host);
    mixed.extend(from_port(40_002, exchange(&part[..part.len() - 40], 700)));
    let names = samples::names(&[(0, host.as_bytes())]);
    let hello = samples::in_records(&samples::hello(&[(0, &names)]), 16_384);
    mixed.extend(from_port(40_003, exchange(&hello, 700)));
    let (client, server) = (([10, 0, 0, 2], 40_004), ([203, 0, 113, 9], 443));
    mixed.push(udp(client, server, &crate::quic::samples::hello_to(host.as_bytes())));
    let mut frames = with_trailer(10_123, &mixed);
    frames.extend(with_trailer(10_124, &from_port(40_005, exchange(&vector(host), 700))));
    pcap(1, &frames)
}

#[test]
fn exported_packets_replay_to_the_same_decoded_events() {
    let (_one, reader) = stored(&capture());
    let all = reader.events(&Filter::default()).unwrap();
    let states: Vec<_> = all.iter().map(|event| event.state.as_str()).collect();
    for state in ["decoded", "encrypted", "blocked"] {
        assert!(states.contains(&state), "{states:?}");
    }
    let (_other, again) = stored(&exported(&reader, &Filter::default()));
    let decoded = |reader: &Reader| -> Vec<Event> {
        let filter = Filter { state: Some(crate::event::State::Decoded), ..Filter::default() };
        // Answers, and how the bytes were framed, were not stored.
        let plain = |event| Event { id: None, bytes: None, ..event };
        reader.events(&filter).unwrap().into_iter().map(plain).collect()
    };
    let wanted = decoded(&reader);
    assert!(wanted.len() >= 4, "{wanted:?}");
    assert_eq!(decoded(&again), wanted);
    assert_eq!(wanted[0].app.package.as_deref(), Some("com.mi.globalbrowser"));
}

/// Every packet of an export, and its comment.
fn packets(file: &[u8]) -> Vec<(Vec<u8>, String)> {
    let mut capture = Capture::new(file).unwrap();
    let mut all = Vec::new();
    while let Some(item) = capture.next_item().unwrap() {
        if let Item::Packet(packet) = item {
            all.push((packet.bytes.to_vec(), packet.comment.to_owned()));
        }
    }
    all
}

#[test]
fn every_flow_begins_with_a_packet_that_names_its_app() {
    let (_folder, reader) = stored(&capture());
    let mut begun = std::collections::BTreeSet::new();
    for (bytes, comment) in packets(&exported(&reader, &Filter::default())) {
        let from_phone = bytes[12..16] == crate::names::TUN_V4.octets();
        if from_phone && begun.insert([bytes[20], bytes[21]]) {
            let app = if comment.contains("blocked") { "com.blocked" } else { "com.mi.global" };
            assert!(comment.starts_with(app), "{comment}");
            assert!(comment.contains("tracking.miui.com\n"), "{comment}");
            assert!(comment.contains(" .tracking.miui.com xiaomi@"), "{comment}");
        }
    }
    // Five flows, and one that was stopped.
    assert_eq!(begun.len(), 6);
}

#[test]
fn what_was_stopped_is_an_attempt_and_its_refusal() {
    let (_folder, reader) = stored(&capture());
    let filter = Filter { state: Some(crate::event::State::Blocked), ..Filter::default() };
    let all = packets(&exported(&reader, &filter));
    let [(syn, comment), (reset, none)] = &all[..] else { panic!("{all:?}") };
    assert!(comment.starts_with("com.blocked (uid 10124)\ntracking.miui.com\nblock listed-host"));
    assert!(none.is_empty());
    // Where no address was contacted, one stands for the host.
    assert_eq!(syn[16..20], [198, 18, 1, 0]);
    assert_eq!((syn[33], reset[33]), (2, 20), "SYN, then RST and ACK");
    let (records, ..) = outcome(&exported(&reader, &filter), POLICY);
    let [crate::event::Record::Blocked(facts)] = &records[..] else { panic!("{records:?}") };
    assert_eq!(facts.host.as_deref(), Some("tracking.miui.com"));
}

#[test]
fn datagrams_of_every_kind_are_packets_that_can_be_read() {
    use crate::event::{FlowId, Record, Transport, Verdict};
    use crate::store::tests::{Fixture, NOW, facts};
    let store = Fixture::new();
    let kinds = [Transport::Udp, Transport::Quic, Transport::Icmp, Transport::Dns];
    for (number, transport) in (1..).zip(kinds) {
        let blocked = facts(number, "com.a.b", "t.example", Verdict::Block);
        store.send([Record::Blocked(crate::event::FlowFacts { transport, ..blocked })]);
        let opened = facts(100 + number, "com.a.b", "t.example", Verdict::Record);
        let server = Some("[2001:db8::9]:443".parse().unwrap());
        let opened = crate::event::FlowFacts { transport, server, ..opened };
        let flow = FlowId(100 + number);
        store.send([
            Record::Opened(opened.into()),
            Record::Opaque { flow, time_ms: NOW, transport },
        ]);
    }
    let all = packets(&exported(&store.reader(), &Filter::default()));
    let read: Vec<_> = all.iter().filter_map(|(bytes, _)| Packet::parse(bytes).ok()).collect();
    let protos: Vec<_> = read.iter().map(|packet| packet.tuple.proto).collect();
    // Refused ones go to a port that is not known, which `wire` does not read, but for DNS and ICMP.
    assert_eq!(protos, [Proto::Udp, Proto::Udp, Proto::Icmp, Proto::Icmp, Proto::Udp, Proto::Udp]);
    assert_eq!(all.len(), 4 * 3, "each is there, and each refusal");
}

#[test]
fn what_was_not_kept_of_a_body_is_missing_and_not_made_up() {
    // What does not compress is not kept above a bound.
    let mut random = samples::Random(1);
    let noise: Vec<u8> = (0..400_000).map(|_| random.below(256) as u8).collect();
    let head = format!(
        "POST /sa HTTP/1.1\r\nHost: tracking.miui.com\r\nContent-Length: {}\r\n\r\n",
        noise.len()
    );
    let (_folder, reader) =
        stored(&pcap(101, &exchange(&[head.as_bytes(), &noise].concat(), 1400)));
    let event = &reader.events(&Filter::default()).unwrap()[0];
    assert!(!event.payload.as_ref().unwrap().stored);
    let file = exported(&reader, &Filter::default());
    assert!(file.len() < 3000, "{}", file.len());
    let (records, ..) = outcome(&file, POLICY);
    let closed = records.iter().find_map(|record| match record {
        crate::event::Record::Closed { up, .. } => Some(*up),
        _ => None,
    });
    assert_eq!(closed, Some((head.len() + noise.len()) as u64), "its size is still told");
}

#[test]
fn an_empty_export_is_a_capture_without_packets() {
    let (_folder, reader) = stored(&pcap(101, &[]));
    let file = exported(&reader, &Filter::default());
    assert_eq!(packets(&file), []);
}
