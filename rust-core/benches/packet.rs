//! What one packet costs in the engine, without the system calls around it. Never a test: nothing
//! here fails because a machine is busy.

// A bench that cannot begin stops.
#![allow(clippy::expect_used)]

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use muzzle::wire::Packet;
use std::hint::black_box;
use support::{Flow, LISTED, Quiet, SERVER, at, engine, question_packet, syn};

fn parse(c: &mut Criterion) {
    let packet = syn(SERVER);
    c.bench_function("packet/parse a SYN", |b| b.iter(|| Packet::parse(black_box(&packet))));
}

fn questions(c: &mut Criterion) {
    let (mut engine, mut world) = (engine(), Quiet::default());
    let packets: Vec<_> = (0..10_000).map(|n| question_packet(&format!("n{n}.{LISTED}"))).collect();
    let (mut next, mut now) = (packets.iter().cycle(), 0);
    c.bench_function("packet/answer a listed name", |b| {
        b.iter(|| {
            now += 1;
            if let Some(packet) = next.next() {
                engine.handle_packet(at(now), black_box(packet), &mut world);
            }
        });
    });
    assert_eq!(engine.counters().answered, now as u64);
}

/// Bytes of an app, through the flow, to the network; the segment is built outside of the time
/// only in part, so this is an upper bound.
fn bytes(c: &mut Criterion) {
    let data = vec![0; 8900];
    let mut group = c.benchmark_group("packet");
    group.throughput(Throughput::Bytes(data.len() as u64));
    let mut flow = Flow::open();
    group.bench_function("8900 bytes up", |b| b.iter(|| flow.up(black_box(&data))));
    group.throughput(Throughput::Bytes(60_000));
    let mut flow = Flow::open();
    group.bench_function("60000 bytes down", |b| {
        b.iter(|| {
            flow.down(black_box(60_000));
            let ack = flow.ack();
            flow.handle(&ack);
        });
    });
    group.finish();
}

criterion_group!(benches, parse, questions, bytes);
criterion_main!(benches);
