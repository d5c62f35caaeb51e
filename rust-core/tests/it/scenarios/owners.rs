//! Owners that are told late, or never.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::event::{Record, Verdict};
use muzzle::limits;

const LIMIT: i64 = limits::OWNER_TIMEOUT.as_micros() as i64;

/// A connection whose owner is told after so long.
fn open_slowly(sim: &mut Sim, uid: u32, wait_us: i64) -> usize {
    let app = sim.open(uid);
    sim.world.owners.insert(sim.clients[app].local.port(), (Some(uid), wait_us));
    app
}

#[test]
fn a_connection_waits_for_its_owner_and_holds_up_no_other() {
    let mut sim = Sim::with(Script::echo());
    let slow = open_slowly(&mut sim, BLOCK, LIMIT - 1);
    let quick = sim.open(RECORD);
    sim.send(quick, POST);
    sim.run(LIMIT / 2);
    assert_eq!(sim.received(quick), POST);
    assert!(!sim.clients[slow].was_reset && !sim.clients[slow].was_open);
    sim.run(LIMIT);
    assert!(sim.clients[slow].was_reset);
    assert_eq!((sim.blocked(), sim.engine.counters().dropped(Drop::OwnerTimeout)), (1, 0));
}

#[test]
fn a_verdict_that_depends_on_a_late_owner_is_the_owners() {
    let mut sim = Sim::with(Script::echo());
    let app = open_slowly(&mut sim, RECORD, LIMIT - 1);
    sim.send(app, POST);
    sim.run(2 * LIMIT);
    assert_eq!((sim.received(app), sim.bodies().len()), (POST, 1));
    assert_eq!(sim.world.owners_asked, 1, "a repeated SYN asks for nothing");
}

#[test]
fn a_connection_whose_owner_is_never_told_is_that_of_an_unknown_app() {
    let mut sim = Sim::with(Script::echo());
    let app = open_slowly(&mut sim, RECORD, UNTOLD);
    sim.run(LIMIT - 1);
    assert!(!sim.clients[app].was_reset);
    sim.run(2);
    assert!(sim.clients[app].was_reset);
    let [Record::Blocked(facts)] = &sim.world.records[..] else { panic!("one was refused") };
    assert_eq!((facts.uid, facts.verdict), (None, Verdict::Block));
    assert_eq!(sim.engine.counters().dropped(Drop::OwnerTimeout), 1);
    sim.assert_clean();
}

#[test]
fn an_owner_that_is_told_after_the_limit_changes_nothing() {
    let mut sim = Sim::with(Script::echo());
    let app = open_slowly(&mut sim, RECORD, LIMIT + 1);
    sim.run(2 * LIMIT);
    assert!(sim.clients[app].was_reset);
    assert_eq!((sim.blocked(), sim.opened()), (1, 0));
    sim.assert_clean();
}

#[test]
fn above_the_queue_an_owner_is_unknown_at_once_and_counted() {
    let mut sim = Sim::with(Script::echo());
    sim.world.owner_queue = 3;
    let apps: Vec<_> = (0..5).map(|_| open_slowly(&mut sim, RECORD, LIMIT / 2)).collect();
    sim.run(LIMIT / 4);
    let reset = |sim: &Sim| apps.iter().filter(|app| sim.clients[**app].was_reset).count();
    assert_eq!((reset(&sim), sim.engine.counters().dropped(Drop::OwnerLimit)), (2, 2));
    sim.run(LIMIT);
    assert_eq!((reset(&sim), sim.opened()), (2, 3));
}

#[test]
fn a_datagram_waits_for_its_owner_and_those_behind_it_are_counted() {
    let mut sim = Sim::new(POLICY);
    sim.world.serve((SERVER, 443), Script::echo());
    let to = (sim.fake(LISTED), 443).into();
    let from = sim.source(RECORD, std::net::SocketAddr::ip(&to));
    sim.world.owners.insert(from.port(), (Some(RECORD), LIMIT / 2));
    for data in [b"1", b"2", b"3"] {
        sim.send_packet(udp(from, to, data));
    }
    sim.run(LIMIT);
    assert_eq!(sim.datagrams(from), [b"1"]);
    assert_eq!(sim.engine.counters().dropped(Drop::Datagram), 2);
    sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
    sim.assert_clean();
}

#[test]
fn a_datagram_whose_owner_is_never_told_is_that_of_an_unknown_app() {
    let mut sim = Sim::new(POLICY);
    let to = (sim.fake(LISTED), 443).into();
    let from = sim.source(RECORD, std::net::SocketAddr::ip(&to));
    sim.world.owners.insert(from.port(), (Some(RECORD), UNTOLD));
    sim.send_packet(udp(from, to, b"x"));
    sim.run(2 * LIMIT);
    assert_eq!((sim.icmp().len(), sim.blocked()), (1, 1));
    assert_eq!(sim.engine.counters().dropped(Drop::OwnerTimeout), 1);
    sim.assert_clean();
}
