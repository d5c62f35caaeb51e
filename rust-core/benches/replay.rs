//! A capture through reader, reassembly, sniffers, policy and decoders, in bytes of the capture per
//! second. Never a test: nothing here fails because a machine is busy.

// A bench that cannot begin stops.
#![allow(clippy::expect_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use muzzle::engine::Rules;
use muzzle::event::Record;
use muzzle::policy::Policy;
use muzzle::replay::{Capture, Replay};
use muzzle::signatures::HostTable;
use muzzle::wire::{Control, Segment, segment};
use muzzle::{decode, limits};
use std::hint::black_box;
use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

const PHONE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// Data of one segment.
const SEGMENT: usize = 1400;
/// Flows that run beside each other.
const FLOWS: u16 = 64;
/// Bytes of one flow, each way.
const FLOW_BYTES: usize = 512 * 1024;

/// A capture of raw IP packets in memory.
struct File {
    bytes: Vec<u8>,
    packet: Vec<u8>,
    packets: u32,
}

impl File {
    fn new() -> Self {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 262_144, 101] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        Self { bytes, packet: vec![0; limits::PACKET], packets: 0 }
    }

    fn put(&mut self, from: SocketAddr, to: SocketAddr, sent: Segment<'_>) {
        let len = segment(from, to, sent, &mut self.packet).expect("room for a packet");
        let seconds = 1_795_248_000 + self.packets / 1000;
        self.packets += 1;
        for word in [seconds, self.packets % 1000, len as u32, len as u32] {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
        self.bytes.extend_from_slice(&self.packet[..len]);
    }
}

/// [`FLOWS`] connections in turns, a segment each way at a time: the app sends its stream, the
/// server answers with bytes of its own.
fn mixed(stream_of: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    let mut file = File::new();
    let ends = |port: u16| {
        let (client, server) = ((PHONE, 40_000 + port), (SERVER, 80));
        (SocketAddr::from(client), SocketAddr::from(server))
    };
    for port in 0..FLOWS {
        let (client, server) = ends(port);
        file.put(client, server, Segment { control: Control::Syn, seq: 0, ack: None, data: b"" });
    }
    let streams: Vec<_> = (0..FLOWS).map(stream_of).collect();
    let (mut seq, answer) = (1, [b'x'; SEGMENT]);
    for at in (0..FLOW_BYTES).step_by(SEGMENT) {
        for (port, stream) in (0..FLOWS).zip(&streams) {
            let (client, server) = ends(port);
            let (control, ack) = (Control::None, Some(seq));
            if let Some(rest) = stream.get(at..).filter(|rest| !rest.is_empty()) {
                let data = &rest[..rest.len().min(SEGMENT)];
                file.put(client, server, Segment { control, seq, ack, data });
            }
            file.put(server, client, Segment { control, seq, ack, data: &answer });
        }
        seq += SEGMENT as u32;
    }
    file.bytes
}

/// A request over and over.
fn repeated(request: &[u8]) -> Vec<u8> {
    request.iter().copied().cycle().take(FLOW_BYTES).collect()
}

fn request(host: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST /sa HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// How many events there are in a capture.
fn replayed(file: &[u8]) -> usize {
    let policy = Policy::parse("version = 1\ndefault = \"record\"\n").expect("a policy");
    let table = Arc::new(HostTable::builtin().clone());
    let mut replay = Replay::new(Rules { table, policy });
    let mut events = 0;
    let mut count = |record: Record| {
        if let Record::Request { time_ms, request, .. } = record {
            events += decode::events(None, Some(time_ms), &request).len();
        }
    };
    let from = BufReader::with_capacity(limits::CAPTURE_READ, file);
    let mut capture = Capture::new(from).expect("a capture");
    while let Some(item) = capture.next_item().expect("an undamaged capture") {
        replay.take(item, &mut count);
    }
    replay.finish(&mut count);
    events
}

fn replay(c: &mut Criterion) {
    let upload = vec![b'a'; 300_000];
    let other = repeated(&request("www.example.org", &upload));
    let listed = repeated(&request("tracking.miui.com", &upload));
    let events = include_bytes!("../tests/data/sensors/web-plain.body");
    let events = request("tracking.miui.com", events).repeat(3);
    let cases = [
        ("hosts that no list knows", mixed(|_| other.clone())),
        ("among them one flow in 16 with telemetry", {
            mixed(|port| if port % 16 == 0 { events.clone() } else { other.clone() })
        }),
        ("large uploads to a listed host", mixed(|_| listed.clone())),
    ];
    let mut group = c.benchmark_group("replay");
    group.sample_size(10);
    for (name, file) in &cases {
        let events = replayed(file);
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function(format!("{name}, {events} events"), |b| {
            b.iter(|| replayed(black_box(file)));
        });
    }
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
