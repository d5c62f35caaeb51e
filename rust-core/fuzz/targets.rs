//! What each fuzz target does with its bytes: a plain function, so that `cargo test` replays the
//! seeds without a fuzzer. A target asserts what must hold whatever the bytes are.
// Helpers of tests fail as tests do.
#![allow(dead_code, reason = "each binary uses one")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "packing.rs"]
mod packing;

use crate::harness::*;
use muzzle::engine::{Reach, Rules};
use muzzle::event::Record;
use muzzle::http::Request;
use muzzle::policy::Policy;
use muzzle::quic::InitialReader;
use muzzle::replay::{Capture, Replay};
use muzzle::signatures::HostTable;
use muzzle::tls::{Hello, HelloReader};
use muzzle::wire::{self, Packet, Payload, Unreachable};
use muzzle::{decode as decoders, dns as codec, http as parsers, limits};

/// Its name, and what it does with its bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: &[Target] = &[
    ("wire", wire),
    ("dns", dns),
    ("tls", tls),
    ("quic", quic),
    ("http", http),
    ("decode", decode),
    ("sensors", sensors),
    ("onetrack", onetrack),
    ("onetrack_plain", onetrack_plain),
    ("miui_analytics", miui_analytics),
    ("mistat", mistat),
    ("mistat3", mistat3),
    ("mistat_crash", mistat_crash),
    ("umeng", umeng),
    ("ut", ut),
    ("sls", sls),
    ("mixpanel", mixpanel),
    ("generic", generic),
    ("engine", engine),
    ("replay", replay),
];

/// A packet of an app, and everything that is built from it.
pub fn wire(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    assert!(packet.len <= data.len());
    let whole = &data[..packet.len];
    if let Payload::Udp(range) = &packet.payload {
        assert!(range.start <= range.end && range.end <= packet.len);
    }
    let mut out = vec![0; limits::PACKET];
    for built in [
        wire::unreachable(whole, Unreachable::Port, &mut out),
        wire::unreachable(whole, Unreachable::Host, &mut out),
        wire::reset(whole, &mut out),
        wire::segment_head(whole, &mut out),
    ] {
        assert!(built.is_ok_and(|len| len <= limits::PACKET) || built.is_err());
    }
}

/// A message, read as a question and as an answer.
pub fn dns(data: &[u8]) {
    if let Ok(query) = codec::parse_query(data) {
        assert!(query.question().len() <= data.len() && query.name.as_str().len() <= 253);
    }
    let Ok(response) = codec::Response::parse(data) else { return };
    // Each record takes eleven bytes at least.
    assert!(response.records().count() <= data.len() / 11 + 1);
    let mut names = 0;
    codec::aliases(&response, "a.example", &mut |name| {
        assert!(name.len() <= 253);
        names += 1;
    });
    assert!(names <= limits::CNAME_CHAIN);
    codec::addresses(&response, "a.example", &mut |_, _| {});
}

/// A stream, at once and byte by byte: both must end in the same.
pub fn tls(data: &[u8]) {
    let whole = HelloReader::default().peek(data);
    let mut reader = HelloReader::default();
    let mut last = Hello::More;
    for end in 1..=data.len().min(3000) {
        last = reader.peek(&data[..end]);
        if !matches!(last, Hello::More) {
            break;
        }
    }
    if data.len() <= 3000 && !data.is_empty() {
        assert_eq!(format!("{last:?}"), format!("{whole:?}"));
    }
}

/// Datagrams, each behind its length.
pub fn quic(data: &[u8]) {
    let mut reader = InitialReader::default();
    for datagram in framed(data) {
        reader.feed(datagram);
    }
}

/// A stream, at once and in two pieces: both must give the same requests.
pub fn http(data: &[u8]) {
    let all = requests(&[data]);
    let cut = data.len() / 2;
    assert!(all == requests(&[&data[..cut], &data[cut..]]));
    let host = parsers::HeadReader::default().peek(data);
    let mut reader = parsers::HeadReader::default();
    let early = reader.peek(&data[..cut]);
    assert!(early != parsers::Addressed::More || reader.peek(data) == host);
}

fn requests(pieces: &[&[u8]]) -> Vec<Request> {
    let (mut parser, mut all) = (parsers::Parser::new(), Vec::new());
    for piece in pieces {
        parser.feed(piece, &mut |request| all.push(request));
        assert!(parser.held() <= limits::HTTP_HEAD + 2 * limits::HTTP_BODY);
    }
    all.extend(parser.finish());
    all
}

/// The requests of a stream, or one whose body is all of the bytes, against every decoder.
pub fn decode(data: &[u8]) {
    let mut all = requests(&[data]);
    if all.is_empty() {
        all.push(packing::post(data));
    }
    all.iter().for_each(read);
}

/// What must hold whatever the request.
fn read(request: &Request) {
    let events = decoders::events(None, None, request);
    assert!((1..=limits::EVENTS_PER_REQUEST + 1).contains(&events.len()));
    let mut kept = 0;
    for event in &events {
        assert!(event.fields.len() <= limits::FIELDS_PER_EVENT);
        for field in &event.fields {
            assert!(field.value.len() <= limits::FIELD_VALUE);
            assert!(field.path.len() <= limits::FIELD_PATH);
            kept += field.value.len();
        }
    }
    // The budget, and the moments that identifiers tell beside it.
    assert!(kept <= limits::DECODED + limits::EVENTS_PER_REQUEST * 4096);
}

/// The clear text of a format behind a byte that chooses: as it is, packed, or packed and cut. A
/// recorded request is read as it is.
fn packed(data: &[u8], pack: fn(&[u8]) -> Request) {
    let Some((choice, clear)) = data.split_first() else { return };
    if choice & 3 == 0 || !requests(&[data]).is_empty() {
        return decode(data);
    }
    let request = Request { cut: choice & 3 == 3, ..pack(clear) };
    read(&request);
}

pub fn sensors(data: &[u8]) {
    packed(data, packing::sensors);
}

pub fn onetrack(data: &[u8]) {
    packed(data, packing::onetrack);
}

pub fn onetrack_plain(data: &[u8]) {
    packed(data, packing::post);
}

pub fn miui_analytics(data: &[u8]) {
    packed(data, packing::miui);
}

pub fn mistat(data: &[u8]) {
    packed(data, packing::mistat);
}

pub fn mistat3(data: &[u8]) {
    packed(data, packing::mistat3);
}

pub fn mistat_crash(data: &[u8]) {
    packed(data, packing::mistat_crash);
}

pub fn umeng(data: &[u8]) {
    packed(data, packing::umeng);
}

pub fn ut(data: &[u8]) {
    packed(data, packing::ut);
}

pub fn sls(data: &[u8]) {
    packed(data, packing::sls_deflated);
}

pub fn mixpanel(data: &[u8]) {
    packed(data, packing::mixpanel);
}

pub fn generic(data: &[u8]) {
    packed(data, packing::unknown);
}

/// Pieces behind their lengths; what does not add up is one piece.
fn framed(mut data: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*len));
        let (piece, rest) = rest.split_at(len.min(rest.len()));
        all.push(piece);
        data = rest;
    }
    all
}

/// A list of operations: the first byte chooses the reach, each further one what happens next.
/// Whatever happened, nothing is left after the end.
pub fn engine(data: &[u8]) {
    let Some((reach, mut ops)) = data.split_first() else { return };
    let reach = if reach & 1 == 0 { Reach::Light } else { Reach::Deep };
    let mut sim = Sim::reaching(reach, POLICY);
    for port in [80, 443, 5222] {
        sim.world.serve((SERVER, port), Script::echo());
    }
    let listed = sim.fake(LISTED);
    for uid in [BLOCK, RECORD, OFF, CAPTURE] {
        for port in 0..16 {
            sim.world.owners.insert(1024 + uid as u16 % 4 * 16 + port, (Some(uid), 0));
        }
    }
    let mut bytes = |n: usize| -> Option<&[u8]> {
        let (piece, rest) = ops.split_at_checked(n)?;
        ops = rest;
        Some(piece)
    };
    // Each turn takes a byte at least.
    while let Some(&[op]) = bytes(1) {
        let Some(&[port, len]) = bytes(2) else { break };
        let from = sim.app(listed, 1024 + u16::from(port % 64));
        let server = if op & 0x80 == 0 { listed } else { SERVER.into() };
        let to = (server, [80, 443, 5222, 53][usize::from(op >> 4 & 3)]).into();
        match op & 15 {
            0..4 => {
                let control = smoltcp::wire::TcpControl::Syn;
                let seq = i32::from(len) << 20;
                sim.send_packet(tcp(from, to, Tcp { control, seq, ack: None, data: &[] }));
            }
            4..9 => {
                let data = bytes(usize::from(len)).unwrap_or_default();
                // What this app was last told: the answer to it is in its window.
                let last = sim.segments().into_iter().rfind(|s| s.dst == from && s.src == to);
                let (seq, ack) = last.map_or((1, 1), |s| {
                    (s.ack_number, s.seq.wrapping_add(s.data.len() as i32 + i32::from(s.syn)))
                });
                let control = match op & 15 {
                    4 => smoltcp::wire::TcpControl::Fin,
                    5 => smoltcp::wire::TcpControl::Rst,
                    _ => smoltcp::wire::TcpControl::Psh,
                };
                let ack = Some(ack);
                sim.send_packet(tcp(from, to, Tcp { control, seq, ack, data }));
            }
            9 => sim.send_packet(udp(from, to, bytes(usize::from(len)).unwrap_or_default())),
            10 => {
                let question = bytes(usize::from(len)).unwrap_or_default();
                sim.send_packet(udp(from, resolver(), question));
            }
            11 => sim.send_packet(bytes(usize::from(len)).unwrap_or_default().to_vec()),
            12 => sim.world.answer(bytes(usize::from(len)).unwrap_or_default().to_vec()),
            13 => sim.set_rules(POLICY),
            14 => sim.world.stalled_until = sim.world.now_us + i64::from(len) * 1000,
            _ => sim.run(i64::from(len) * i64::from(len) * 2000),
        }
        sim.run(100);
    }
    sim.run(300 * SECOND);
    sim.shut_down();
    sim.assert_clean();
}

/// A capture, from its first byte to where it ends or breaks. What is held is bounded, and nothing
/// is left after the end.
pub fn replay(data: &[u8]) {
    let Ok(mut capture) = Capture::new(data) else { return };
    let table = std::sync::Arc::new(HostTable::builtin().clone());
    let policy = Policy::parse("version = 1\ndefault = \"record\"\n").unwrap();
    let mut replay = Replay::new(Rules { table, policy });
    let mut requests = 0;
    let mut count = |record| requests += usize::from(matches!(record, Record::Request { .. }));
    while let Ok(Some(item)) = capture.next_item() {
        replay.take(item, &mut count);
        assert!(replay.held() <= limits::REPLAY_HELD);
    }
    replay.finish(&mut count);
    let counts = replay.counts();
    // A packet takes eight bytes of a file at least, a request more than that.
    assert!(counts.packets as usize <= data.len() / 8 && requests <= data.len() / 8);
    assert!(counts.flows <= counts.packets);
    assert_eq!(replay.held(), 0);
}
