//! Owners that are told late, or never.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::event::{Record, Verdict};
use muzzle::limits;
use smoltcp::wire::TcpControl;

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

/// A connection to a bare address on a port of no name, its owner told after so long; the server
/// answers after a millisecond.
fn open_ahead(policy: &str, wait_us: i64) -> (Sim, usize) {
    let mut sim = Sim::deep(policy);
    sim.world.serve((SERVER, 7000), Script { latency_us: 1000, ..Script::echo() });
    let app = sim.connect(RECORD, (SERVER, 7000).into());
    sim.world.owners.insert(sim.clients[app].local.port(), (Some(RECORD), wait_us));
    sim.send(app, POST);
    (sim, app)
}

fn passed(sim: &Sim) -> Vec<(Option<u32>, u64)> {
    let passed = |record: &Record| match record {
        Record::Passed { facts, up, .. } => Some((facts.uid, *up)),
        _ => None,
    };
    sim.world.records.iter().filter_map(passed).collect()
}

#[test]
fn an_address_that_nothing_is_said_about_is_connected_to_while_its_owner_is_looked_up() {
    for wait_us in [500, 1000, LIMIT - 1] {
        let (mut sim, app) = open_ahead(POLICY, wait_us);
        sim.run(400);
        assert_eq!(sim.world.tried(), [(SERVER, 7000).into()], "{wait_us}");
        sim.run_while(wait_us - 1, |sim| !sim.clients[app].was_open);
        assert!(!sim.clients[app].was_open, "{wait_us}: the app is answered last");
        sim.run(LIMIT);
        assert_eq!(sim.received(app), POST, "{wait_us}");
        sim.clients[app].abort();
        sim.settle();
        assert_eq!(passed(&sim), [(Some(RECORD), POST.len() as u64)], "{wait_us}");
        sim.assert_clean();
    }
}

#[test]
fn a_connection_ahead_whose_owner_is_never_told_is_that_of_an_unknown_app() {
    let (mut sim, app) = open_ahead(POLICY, UNTOLD);
    sim.run(LIMIT - 1);
    assert!(!sim.clients[app].was_open);
    sim.run(LIMIT);
    assert_eq!((sim.received(app), sim.engine.counters().dropped(Drop::OwnerTimeout)), (POST, 1));
    sim.clients[app].abort();
    sim.settle();
    assert_eq!(passed(&sim), [(None, POST.len() as u64)]);
    sim.assert_clean();
}

#[test]
fn a_server_that_refuses_is_heard_before_the_owner_is_known() {
    let (mut sim, app) = open_ahead(POLICY, LIMIT / 2);
    sim.world.serve((SERVER, 7000), Script::connect(Connect::Refuse));
    sim.run(LIMIT / 4);
    assert!(sim.clients[app].was_reset);
    sim.run(LIMIT);
    sim.assert_clean();
}

#[test]
fn an_app_that_gives_up_before_its_owner_is_known_leaves_nothing_behind() {
    let mut sim = Sim::deep(POLICY);
    let to: std::net::SocketAddr = (SERVER, 7000).into();
    sim.world.serve((SERVER, 7000), Script::echo());
    let from = sim.source(RECORD, to.ip());
    sim.world.owners.insert(from.port(), (Some(RECORD), LIMIT / 2));
    sim.send_packet(tcp(from, to, Tcp::SYN));
    sim.run(LIMIT / 4);
    assert_eq!(sim.world.open(), 1);
    sim.send_packet(tcp(from, to, Tcp { control: TcpControl::Rst, ..Tcp::SYN }));
    sim.run(LIMIT / 8);
    assert_eq!((sim.world.tried().len(), sim.world.open()), (1, 0));
    sim.run(LIMIT);
    sim.assert_clean();
}

#[test]
fn an_address_that_a_rule_is_about_waits_for_its_owner() {
    let rule = format!("{POLICY}[[host]]\nhost = \"203.0.113.9\"\nverdict = \"block\"\n");
    let special = rule.clone() + "app = \"org.example.off\"\n";
    for policy in [rule, special] {
        let (mut sim, _) = open_ahead(&policy, LIMIT / 2);
        sim.run(LIMIT / 4);
        assert_eq!(sim.world.tried(), [], "{policy}");
    }
}

#[test]
fn a_rule_that_comes_before_the_owner_is_known_still_counts() {
    let (mut sim, app) = open_ahead(POLICY, LIMIT / 2);
    sim.run(LIMIT / 4);
    assert_eq!(sim.world.open(), 1);
    sim.set_rules(&format!("{POLICY}[[host]]\nhost = \"203.0.113.9\"\nverdict = \"block\"\n"));
    sim.run(LIMIT);
    assert!(sim.clients[app].was_reset && !sim.clients[app].was_open);
    assert_eq!((sim.blocked(), sim.world.open()), (1, 0));
    sim.assert_clean();
}

#[test]
fn a_network_that_changes_before_the_owner_is_known_is_connected_to_anew() {
    let (mut sim, app) = open_ahead(POLICY, LIMIT / 2);
    sim.run(LIMIT / 4);
    sim.move_to(&[], &[(SERVER, 7000).into()]);
    sim.run(LIMIT);
    assert_eq!((sim.received(app), sim.world.tried().len()), (POST, 2));
}
