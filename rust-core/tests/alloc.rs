//! The paths of every packet allocate nothing. A test binary of its own, because it counts what
//! the whole process allocates on its thread.

#[path = "../benches/support/mod.rs"]
#[allow(clippy::expect_used, reason = "a test that cannot begin fails")]
mod support;

use muzzle::engine::Rules;
use muzzle::policy::Policy;
use muzzle::signatures::HostTable;
use std::sync::Arc;
use support::{Flow, LISTED, Quiet, at, engine, question_packet};

const ROUNDS: i64 = 1000;

/// How often `work` allocates when it is done [`ROUNDS`] times.
fn allocations(mut work: impl FnMut(i64)) -> u64 {
    allocation_counter::measure(|| (0..ROUNDS).for_each(&mut work)).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|n| drop(std::hint::black_box(Box::new(n)))), ROUNDS as u64);
}

#[test]
fn a_question_for_a_listed_name_allocates_nothing() {
    let (mut engine, mut world) = (engine(), Quiet::default());
    let packet = question_packet(&format!("a.{LISTED}"));
    engine.handle_packet(at(0), &packet, &mut world);
    let counted = allocations(|n| engine.handle_packet(at(n), &packet, &mut world));
    assert_eq!(counted, 0);
    assert_eq!(engine.counters().answered, 1 + ROUNDS as u64);
}

#[test]
fn a_question_that_the_owners_rules_speak_about_allocates_nothing() {
    let app = "[[app]]\npackage = \"a\"\nuid = 1\n";
    let host = format!("[[host]]\nhost = \".{LISTED}\"\nverdict = \"record\"\n");
    let text = format!("version = 1\n{app}{host}{host}app = \"a\"\n");
    let policy = Policy::parse(&text).unwrap();
    let table = Arc::new(HostTable::builtin().clone());
    let (mut engine, mut world) = (engine(), Quiet::default());
    engine.set_rules(at(0), Rules { table, policy }, &mut world);
    let packet = question_packet(&format!("a.{LISTED}"));
    engine.handle_packet(at(0), &packet, &mut world);
    let counted = allocations(|n| engine.handle_packet(at(n), &packet, &mut world));
    assert_eq!(counted, 0);
    assert_eq!(engine.counters().answered, 1 + ROUNDS as u64);
}

#[test]
fn bytes_of_an_app_allocate_nothing() {
    let data = [0; 8000];
    let mut flow = Flow::open();
    flow.up(&data);
    let before = flow.world.sent;
    let mut packets = Vec::new();
    let mut probe = Flow::open();
    probe.up(&data);
    for _ in 0..ROUNDS {
        packets.push(probe.next(&data));
        probe.up(&data);
    }
    let counted = allocations(|n| flow.handle(&packets[n as usize]));
    assert_eq!(counted, 0);
    assert_eq!(flow.world.sent - before, ROUNDS as usize * data.len());
}

#[test]
fn bytes_for_an_app_allocate_nothing() {
    let mut flow = Flow::open();
    flow.down(50_000);
    let ack = flow.ack();
    flow.handle(&ack);
    let acks: Vec<_> = {
        let mut probe = Flow::open();
        probe.down(50_000);
        let ack = probe.ack();
        probe.handle(&ack);
        let next = |_| {
            probe.down(50_000);
            let ack = probe.ack();
            probe.handle(&ack);
            ack
        };
        (0..ROUNDS).map(next).collect()
    };
    let counted = allocations(|n| {
        flow.down(50_000);
        assert_eq!(flow.world.packet.len(), 50_040);
        flow.handle(&acks[n as usize]);
    });
    assert_eq!(counted, 0);
}
