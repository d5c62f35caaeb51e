//! Captures made here, of requests that are committed, and the records that come of them.

use super::*;
use crate::event::{FlowFacts, Record, Transport};
use crate::http::Request;
use crate::policy::Policy;
use crate::signatures::HostTable;
use crate::tls::samples;
use std::sync::Arc;

pub(super) const CLIENT: End = ([10, 0, 0, 2], 40_000);
pub(super) const SERVER: End = ([203, 0, 113, 9], 80);
pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
const RST: u8 = 4;
pub(super) const ACK: u8 = 16;
/// Number of the SYN: the numbers wrap on the way.
const FIRST: u32 = 0xffff_ff00;
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
/// 2026-11-21T08:00:00Z, seconds.
pub(super) const BEGIN: u32 = 1_795_248_000;

/// A committed request, to this host.
pub(crate) fn vector(host: &str) -> Vec<u8> {
    let body = include_bytes!("../../tests/data/sensors/web-plain.body");
    let head = format!(
        "POST /sa?project=default HTTP/1.1\r\nHost: {host}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], inner: &[u8]) -> Vec<u8> {
    let len = (20 + inner.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend_from_slice(&from);
    packet.extend_from_slice(&to);
    packet.extend_from_slice(inner);
    packet
}

pub(crate) type End = ([u8; 4], u16);

pub(crate) fn tcp(from: End, to: End, flags: u8, seq: u32, data: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    inner.extend_from_slice(&from.1.to_be_bytes());
    inner.extend_from_slice(&to.1.to_be_bytes());
    inner.extend_from_slice(&seq.to_be_bytes());
    inner.extend_from_slice(&[0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    inner.extend_from_slice(data);
    ipv4(6, from.0, to.0, &inner)
}

pub(crate) fn udp(from: End, to: End, data: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    inner.extend_from_slice(&from.1.to_be_bytes());
    inner.extend_from_slice(&to.1.to_be_bytes());
    inner.extend_from_slice(&((8 + data.len()) as u16).to_be_bytes());
    inner.extend_from_slice(&[0, 0]);
    inner.extend_from_slice(data);
    ipv4(17, from.0, to.0, &inner)
}

/// The client's data in segments of a size.
fn segments(data: &[u8], size: usize) -> Vec<Vec<u8>> {
    let places = (0..data.len()).step_by(size);
    data.chunks(size).zip(places).map(|(chunk, at)| segment(at, chunk)).collect()
}

/// A segment of the client whose data stands at this place of its stream.
fn segment(at: usize, data: &[u8]) -> Vec<u8> {
    tcp(CLIENT, SERVER, ACK, FIRST.wrapping_add(1 + at as u32), data)
}

/// A beginning, these packets, an answer of 19 bytes, and an end behind so many bytes.
fn around(middle: Vec<Vec<u8>>, len: usize) -> Vec<Vec<u8>> {
    let last = FIRST.wrapping_add(1 + len as u32);
    let mut packets =
        vec![tcp(CLIENT, SERVER, SYN, FIRST, b""), tcp(SERVER, CLIENT, SYN | ACK, 0, b"")];
    packets.extend(middle);
    packets.push(tcp(SERVER, CLIENT, ACK, 1, b"HTTP/1.1 200 OK\r\n\r\n"));
    packets.push(tcp(CLIENT, SERVER, FIN | ACK, last, b""));
    packets.push(tcp(SERVER, CLIENT, FIN | ACK, 20, b""));
    packets
}

/// A connection that carries these bytes in segments of this size.
pub(crate) fn exchange(data: &[u8], size: usize) -> Vec<Vec<u8>> {
    around(segments(data, size), data.len())
}

/// The same from another port of the client.
pub(crate) fn from_port(port: u16, mut packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for packet in &mut packets {
        // Source port, or destination where the server sends.
        let at = if packet[12..16] == CLIENT.0 { 20 } else { 22 };
        packet[at..at + 2].copy_from_slice(&port.to_be_bytes());
    }
    packets
}

/// A capture of packets a second apart from 2026-11-21T08:00:00.250Z on.
pub(crate) fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 262_144, link] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for (at, packet) in (BEGIN..).zip(packets) {
        for word in [at, 250_000, packet.len() as u32, packet.len() as u32] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(packet);
    }
    out
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, &body, &len].concat()
}

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

pub(super) fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]))
}

/// An interface whose time stamps are nanoseconds.
pub(super) fn interface(link: u16) -> Vec<u8> {
    let resolution = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    block(1, &[&words(&[u32::from(link), 262_144])[..], &resolution].concat())
}

pub(super) fn enhanced(interface: u32, at: u32, packet: &[u8]) -> Vec<u8> {
    let stamp = u64::from(at) * 1_000_000_000 + 250_000_000;
    let len = packet.len() as u32;
    let head = words(&[interface, (stamp >> 32) as u32, stamp as u32, len, len]);
    block(6, &[&head[..], packet].concat())
}

/// The same as pcapng, little-endian, with a block that nobody knows.
pub(super) fn pcapng(link: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = [section(), interface(link), block(0x0bad, b"whatever")].concat();
    for (at, packet) in (BEGIN..).zip(packets) {
        out.extend(enhanced(0, at, packet));
    }
    out
}

pub(super) fn rules(policy: &str) -> Rules {
    let table = Arc::new(HostTable::builtin().clone());
    let policy = Policy::parse(&format!("version = 1\n{policy}\n")).unwrap();
    Rules { table, policy }
}

/// What comes of a file, its counts, and why reading ended.
pub(crate) fn outcome(file: &[u8], policy: &str) -> (Vec<Record>, Counts, Option<CaptureError>) {
    let (mut replay, mut records) = (Replay::new(rules(policy)), Vec::new());
    let mut capture = match Capture::new(file) {
        Ok(capture) => capture,
        Err(error) => return (records, replay.counts(), Some(error)),
    };
    let error = loop {
        match capture.next_item() {
            Ok(Some(item)) => replay.take(item, &mut |record| records.push(record)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    replay.finish(&mut |record| records.push(record));
    assert_eq!(replay.held(), 0);
    (records, replay.counts(), error)
}

fn replayed(file: &[u8]) -> Vec<Record> {
    let (records, _, error) = outcome(file, "default = \"record\"");
    assert!(error.is_none(), "{error:?}");
    records
}

pub(super) fn requests(records: &[Record]) -> Vec<&Request> {
    fn request(record: &Record) -> Option<&Request> {
        match record {
            Record::Request { request, .. } => Some(request),
            _ => None,
        }
    }
    records.iter().filter_map(request).collect()
}

fn opened(records: &[Record]) -> &FlowFacts {
    let open = records.iter().find_map(|record| match record {
        Record::Opened(facts) => Some(&**facts),
        _ => None,
    });
    open.unwrap_or_else(|| panic!("{records:?}"))
}

fn opaque(records: &[Record]) -> Vec<Transport> {
    let transport = |record: &Record| match record {
        Record::Opaque { transport, .. } => Some(*transport),
        _ => None,
    };
    records.iter().filter_map(transport).collect()
}

/// Of the flow that ended last, up and down.
fn bytes(records: &[Record]) -> (u64, u64) {
    match records.last() {
        Some(Record::Closed { up, down, .. }) => (*up, *down),
        _ => panic!("{records:?}"),
    }
}

fn framed(head: &[u8], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    packets.iter().map(|packet| [head, packet].concat()).collect()
}

#[test]
fn a_request_is_found_behind_every_link_header_and_in_both_formats() {
    let packets = exchange(&vector("tracking.miui.com"), 500);
    let expected = replayed(&pcap(101, &packets));
    let facts = opened(&expected);
    assert_eq!(facts.host.as_deref(), Some("tracking.miui.com"));
    assert_eq!((facts.time_ms, facts.uid), (i64::from(BEGIN) * 1000 + 250, None));
    assert_eq!(requests(&expected).len(), 1);
    assert_eq!(bytes(&expected), (vector("tracking.miui.com").len() as u64, 19));

    let tagged = [&ETHERNET[..12], &[0x81, 0, 0, 7], &[8, 0]].concat();
    let (mut cooked, mut cooked_2) = ([0; 16], [0; 20]);
    cooked[14..].copy_from_slice(&[8, 0]);
    cooked_2[..2].copy_from_slice(&[8, 0]);
    for (link, head) in [
        (0, &[2, 0, 0, 0][..]),
        (1, &ETHERNET),
        (1, &tagged),
        (12, &[]),
        (14, &[]),
        (108, &[0, 0, 0, 2]),
        (113, &cooked),
        (228, &[]),
        (276, &cooked_2),
    ] {
        let framed = framed(head, &packets);
        assert_eq!(replayed(&pcap(link, &framed)), expected, "{link}");
        assert_eq!(replayed(&pcapng(link as u16, &framed)), expected, "{link}");
    }
}

#[test]
fn both_byte_orders_and_both_fractions_of_a_second_are_read() {
    let packets = exchange(&vector("tracking.miui.com"), 500);
    let expected = replayed(&pcap(101, &packets));
    let mut little = words(&[0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 101]);
    for (at, packet) in (BEGIN..).zip(&packets) {
        let len = packet.len() as u32;
        little.extend(words(&[at, 250_000_000, len, len]));
        little.extend(packet);
    }
    assert_eq!(replayed(&little), expected);
    // Big-endian, of microseconds since a day later, and in the old form of a block.
    let turned = |bytes: Vec<u8>| -> Vec<u8> {
        bytes.chunks(4).flat_map(|four| four.iter().rev().copied().collect::<Vec<_>>()).collect()
    };
    let mut big = turned(section());
    let offset = [&[0, 14, 0, 8][..], &(-86_400_i64).to_be_bytes(), &[0; 4]].concat();
    let body = [&[0, 101, 0, 0, 0, 0, 0, 0][..], &offset].concat();
    let len = (body.len() as u32 + 12).to_be_bytes();
    big.extend([&1_u32.to_be_bytes()[..], &len, &body, &len].concat());
    for (at, packet) in (BEGIN..).zip(&packets) {
        let stamp = (u64::from(at) + 86_400) * 1_000_000 + 250_000;
        let size = (packet.len() as u32).to_be_bytes();
        let mut body = [&[0, 0, 0, 0][..], &stamp.to_be_bytes(), &size, &size, packet].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = (body.len() as u32 + 12).to_be_bytes();
        big.extend([&2_u32.to_be_bytes()[..], &len, &body, &len].concat());
    }
    assert_eq!(replayed(&big), expected);
}

#[test]
fn ipv6_is_read() {
    let request = vector("tracking.miui.com");
    let v6 = |packet: Vec<u8>| {
        let inner = &packet[20..];
        let mut out = vec![0x60, 0, 0, 0];
        out.extend((inner.len() as u16).to_be_bytes());
        out.extend([packet[9], 64]);
        for addr in [&packet[12..16], &packet[16..20]] {
            out.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            out.extend(addr);
        }
        [&out, inner].concat()
    };
    let packets: Vec<_> = exchange(&request, 500).into_iter().map(v6).collect();
    let mut ethernet = ETHERNET;
    ethernet[12..].copy_from_slice(&[0x86, 0xdd]);
    let records = replayed(&pcap(1, &framed(&ethernet, &packets)));
    assert_eq!(opened(&records).server, Some("[fd00::cb00:7109]:80".parse().unwrap()));
    assert_eq!(requests(&records).len(), 1);
}

/// Frames as PCAPdroid writes them, of this app.
pub(crate) fn with_trailer(uid: i32, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut trailer = vec![1, 7, 0x20, 0x21];
    trailer.extend_from_slice(&uid.to_be_bytes());
    trailer.resize(32, 0);
    packets.iter().map(|packet| [&ETHERNET[..], packet, &trailer].concat()).collect()
}

#[test]
fn the_trailer_of_pcapdroid_tells_the_app() {
    let packets = with_trailer(10_123, &exchange(&vector("tracking.miui.com"), 500));
    let policy =
        "default = \"block\"\n[[app]]\npackage = \"com.a.b\"\nuid = 10123\nsetting = \"record\"";
    let (records, ..) = outcome(&pcap(1, &packets), policy);
    let facts = opened(&records);
    assert_eq!((facts.uid, facts.package.as_deref()), (Some(10_123), Some("com.a.b")));
    assert_eq!(requests(&records).len(), 1);
}

#[test]
fn order_repetition_and_overlap_change_nothing() {
    let data = vector("tracking.miui.com");
    let whole = replayed(&pcap(101, &exchange(&data, 500)));
    let expected = requests(&whole);
    let mut shuffled = segments(&data, 100);
    shuffled.reverse();
    let mut twice = segments(&data, 70);
    twice.extend(segments(&data, 90));
    for middle in [shuffled, twice] {
        let records = replayed(&pcap(101, &around(middle, data.len())));
        assert_eq!(requests(&records), expected);
        assert_eq!(bytes(&records), bytes(&whole), "they are counted once");
    }
    // The last segment behind both ends of the connection, and a SYN that is sent again.
    let mut late = exchange(&data, 100);
    let last = late.remove(late.len() - 4);
    late.push(last);
    late.insert(1, late[0].clone());
    let records = replayed(&pcap(101, &late));
    assert_eq!(requests(&records), expected);
    assert_eq!(records.iter().filter(|r| matches!(r, Record::Opened(_))).count(), 1);
}

#[test]
fn a_lost_segment_cuts_its_request_and_the_next_is_read() {
    let one = vector("tracking.miui.com");
    let data = [&one[..], &one].concat();
    let mut middle = segments(&one, 200);
    middle.remove(2);
    middle.push(segment(one.len(), &one));
    let records = replayed(&pcap(101, &around(middle, data.len())));
    let [cut, whole] = requests(&records)[..] else { panic!("{records:?}") };
    assert!(cut.cut && !whole.cut);
    assert_eq!(whole.body, one[one.len() - whole.body.len()..]);
    assert_eq!(opaque(&records), [], "the rest of a body is no event");
    assert_eq!(bytes(&records).0, data.len() as u64, "what the capture lost was sent");
}

#[test]
fn packets_without_their_ends_give_what_they_have() {
    let data = vector("tracking.miui.com");
    let mut file = pcap(101, &[]);
    let packets = exchange(&data, 400);
    for packet in &packets {
        let kept = packet.len().min(300);
        let words = [BEGIN, 0, kept as u32, packet.len() as u32];
        file.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        file.extend(&packet[..kept]);
    }
    let (records, counts, error) = outcome(&file, "default = \"record\"");
    assert!(error.is_none());
    assert_eq!(counts.cut, packets.iter().filter(|packet| packet.len() > 300).count() as u64);
    assert_eq!(opened(&records).host.as_deref(), Some("tracking.miui.com"));
    let [request] = requests(&records)[..] else { panic!("{records:?}") };
    assert!(request.cut && request.target == "/sa?project=default");
}

#[test]
fn a_capture_that_begins_in_the_middle_finds_the_next_request() {
    let one = vector("tracking.miui.com");
    let data = [&one[..], &one].concat();
    let mut packets = exchange(&data, one.len());
    // Without the beginning, and with the end of the first request only.
    packets.drain(..3);
    packets.insert(0, segment(one.len() - 60, &one[one.len() - 60..]));
    let records = replayed(&pcap(101, &packets));
    let [request] = requests(&records)[..] else { panic!("{records:?}") };
    assert!(!request.cut);
    assert_eq!(opaque(&records), []);
    assert_eq!(opened(&records).host.as_deref(), Some("tracking.miui.com"));
}

#[test]
fn ports_that_are_used_again_are_another_connection() {
    let one = vector("tracking.miui.com");
    let mut packets = exchange(&one, 500);
    // The first one has no end in the capture.
    packets.truncate(packets.len() - 2);
    packets.push(tcp(CLIENT, SERVER, SYN, 77, b""));
    packets.push(tcp(CLIENT, SERVER, ACK, 78, &one));
    packets.push(tcp(SERVER, CLIENT, RST, 1, b""));
    let records = replayed(&pcap(101, &packets));
    assert_eq!(requests(&records).len(), 2);
    let closed = records.iter().filter(|record| matches!(record, Record::Closed { .. }));
    assert_eq!(closed.count(), 2);
}

#[test]
fn tls_is_told_by_its_server_name() {
    let names = samples::names(&[(0, b"tracking.miui.com")]);
    let hello = samples::in_records(&samples::hello(&[(0, &names)]), 16_384);
    let records = replayed(&pcap(101, &exchange(&hello, 40)));
    assert_eq!(opened(&records).host.as_deref(), Some("tracking.miui.com"));
    assert_eq!(opaque(&records), [Transport::Tls]);
}

#[test]
fn quic_is_told_by_its_server_name() {
    let datagrams = [crate::quic::samples::hello_to(b"tracking.miui.com")];
    let server = ([203, 0, 113, 9], 443);
    let mut packets: Vec<_> = datagrams.iter().map(|data| udp(CLIENT, server, data)).collect();
    packets.push(udp(server, CLIENT, b"an answer"));
    let records = replayed(&pcap(101, &packets));
    let facts = opened(&records);
    assert_eq!(facts.host.as_deref(), Some("tracking.miui.com"));
    assert_eq!((facts.transport, opaque(&records)), (Transport::Quic, vec![Transport::Quic]));
    let up = datagrams.iter().map(|data| data.len() as u64).sum();
    let closed = Record::Closed {
        flow: facts.flow,
        time_ms: (i64::from(BEGIN) + datagrams.len() as i64) * 1000 + 250,
        up,
        down: 9,
    };
    assert_eq!(records.last(), Some(&closed));
}

/// An answer for the address of [`SERVER`]; an alias leads there if `alias` is not empty.
pub(super) fn answer(name: &[u8], alias: &[u8]) -> Vec<u8> {
    let mut answer = vec![0, 1, 0x81, 0x80, 0, 1, 0, if alias.is_empty() { 1 } else { 2 }];
    answer.extend_from_slice(&[0, 0, 0, 0]);
    answer.extend_from_slice(name);
    answer.extend_from_slice(&[0, 1, 0, 1]);
    let mut owner = vec![0xc0, 12];
    if !alias.is_empty() {
        answer.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, alias.len() as u8]);
        owner = vec![0xc0, answer.len() as u8];
        answer.extend_from_slice(alias);
    }
    answer.extend_from_slice(&owner);
    answer.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    answer.extend_from_slice(&SERVER.0);
    udp(([10, 0, 0, 1], 53), CLIENT, &answer)
}

pub(super) const LISTED: &[u8] = b"\x08tracking\x04miui\x03com\0";

#[test]
fn an_address_has_the_name_that_an_answer_gave_it() {
    let packets = [answer(LISTED, b""), udp(CLIENT, SERVER, b"neither QUIC nor anything")];
    let records = replayed(&pcap(101, &packets));
    let facts = opened(&records);
    assert_eq!(facts.host.as_deref(), Some("tracking.miui.com"));
    assert_eq!((facts.transport, opaque(&records)), (Transport::Udp, vec![Transport::Udp]));
}

#[test]
fn a_name_is_judged_by_a_listed_alias() {
    let packets =
        [vec![answer(b"\x01a\x07example\0", LISTED)], exchange(&vector("a.example"), 500)].concat();
    let records = replayed(&pcap(101, &packets));
    let facts = opened(&records);
    assert_eq!(facts.host.as_deref(), Some("a.example"));
    assert_eq!(facts.reason.rule.as_deref(), Some(".tracking.miui.com"));
}

#[test]
fn an_allowed_flow_leaves_its_bytes_and_no_name() {
    let data = vector("www.example.org");
    let records = replayed(&pcap(101, &exchange(&data, 500)));
    let [Record::Passed { up, down: 19, .. }] = &records[..] else { panic!("{records:?}") };
    assert_eq!(*up, data.len() as u64);
}

#[test]
fn what_would_be_captured_is_read_if_it_is_http_and_else_stopped() {
    let policy = "default = \"block\"\nwhen_blocked = \"capture\"";
    let http = pcap(101, &exchange(&vector("tracking.miui.com"), 500));
    let (records, ..) = outcome(&http, policy);
    let facts = opened(&records);
    assert_eq!((facts.verdict, facts.server), (crate::event::Verdict::Capture, None));
    assert_eq!(requests(&records).len(), 1);
    let names = samples::names(&[(0, b"tracking.miui.com")]);
    let hello = samples::in_records(&samples::hello(&[(0, &names)]), 16_384);
    let (records, ..) = outcome(&pcap(101, &exchange(&hello, 500)), policy);
    assert!(matches!(&records[..], [Record::Blocked(_)]), "{records:?}");
}

#[test]
fn what_is_not_read_is_counted() {
    let mut ip = exchange(b"", 1);
    let echo = ipv4(1, [10, 0, 0, 2], [10, 0, 0, 1], &[8, 0, 0, 0, 0, 1, 0, 1]);
    ip.push(echo);
    let mut packets = framed(&ETHERNET, &ip);
    packets.push([&ETHERNET[..12], &[8, 6], &[0; 28]].concat());
    packets.push(ETHERNET[..9].to_vec());
    let mut file = [section(), interface(1), interface(147)].concat();
    for packet in &packets {
        file.extend(enhanced(0, BEGIN, packet));
    }
    file.extend(enhanced(1, BEGIN, b"who knows"));
    let (_, counts, error) = outcome(&file, "");
    assert!(error.is_none());
    let packets = packets.len() as u64 + 1;
    let none = Counts::default();
    let wanted =
        Counts { packets, foreign: 1, passed_over: 3, flows: 1, foreign_link: Some(147), ..none };
    assert_eq!(counts, wanted);
}

#[test]
fn many_flows_that_hold_much_are_bounded_together() {
    let mut replay = Replay::new(rules("default = \"record\""));
    let mut cut = 0;
    let mut count = |record| cut += usize::from(matches!(record, Record::Request { .. }));
    let head = b"POST / HTTP/1.1\r\nHost: tracking.miui.com\r\nContent-Length: 9999999\r\n\r\n";
    let chunk = vec![b'a'; 60_000];
    let mut most = 0;
    for port in 1..200_u16 {
        let client = ([10, 0, 0, 2], 40_000 + port);
        let mut put = |flags, seq, data: &[u8]| {
            let bytes = tcp(client, SERVER, flags, seq, data);
            let packet = Captured { time_us: 0, link: RAW, bytes: &bytes, comment: "" };
            replay.take(Item::Packet(packet), &mut count);
            most = most.max(replay.held());
        };
        put(SYN, 0, b"");
        put(ACK, 1, head);
        for at in 0..12 {
            put(ACK, 1 + head.len() as u32 + at * 60_000, &chunk);
        }
    }
    assert!((REPLAY_HELD / 2..=REPLAY_HELD + 2_000_000).contains(&most), "{most}");
    replay.finish(&mut count);
    assert_eq!((cut, replay.held()), (199, 0));
}

#[test]
fn where_there_is_no_room_for_a_flow_the_one_that_was_idle_longest_ends() {
    let (mut replay, mut ended) = (Replay::new(rules("")), Vec::new());
    let mut open = |replay: &mut Replay, number: usize| {
        let client = ([10, 0, (number >> 8) as u8, number as u8], 40_000);
        let bytes = tcp(client, SERVER, SYN, 0, b"");
        let packet = Captured { time_us: 0, link: RAW, bytes: &bytes, comment: "" };
        replay.take(Item::Packet(packet), &mut |record| ended.push(record));
    };
    (0..FLOWS).for_each(|number| open(&mut replay, number));
    // The first one says something once more, so the second goes.
    open(&mut replay, 0);
    open(&mut replay, FLOWS);
    let [Record::Passed { facts, .. }] = &ended[..] else { panic!("{ended:?}") };
    assert_eq!(facts.flow, FlowId(2));
}

#[test]
fn datagrams_after_a_long_silence_are_another_flow() {
    let mut replay = Replay::new(rules(""));
    let bytes = udp(CLIENT, SERVER, b"data");
    for (minutes, flows) in [(0, 1), (1, 1), (4, 2)] {
        let time_us = minutes * 60_000_000;
        let packet = Captured { time_us, link: RAW, bytes: &bytes, comment: "" };
        replay.take(Item::Packet(packet), &mut |_| {});
        assert_eq!(replay.counts().flows, flows);
    }
}
