//! UDP that is not DNS.

use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::event::{Record, Transport, Verdict};
use muzzle::limits;
use muzzle::wire::Unreachable;
use std::net::SocketAddr;

const RECORD_BY_DEFAULT: &str = "version = 1\ndefault = \"record\"";

fn with_echo() -> (Sim, SocketAddr) {
    let mut sim = Sim::new(POLICY);
    sim.world.serve((SERVER, 443), Script::echo());
    let to = (sim.fake(LISTED), 443).into();
    (sim, to)
}

#[test]
fn a_blocked_datagram_is_answered_by_port_unreachable() {
    for uid in [BLOCK, CAPTURE] {
        let (mut sim, to) = with_echo();
        let from = sim.source(uid, to.ip());
        sim.send_packet(udp(from, to, b"\xc0\x00\x00\x00\x01initial"));
        sim.settle();
        let expected = Icmp { to: from.ip(), src_port: from.port(), dst_port: 443, port: true };
        assert_eq!(sim.icmp(), [&expected]);
        let [Record::Blocked(facts)] = &sim.world.records[..] else {
            panic!("{:?}", sim.world.records)
        };
        assert_eq!((facts.verdict, facts.transport), (Verdict::Block, Transport::Udp));
        assert_eq!((sim.world.tried(), sim.world.asked_for(LISTED)), (vec![], 0));
        sim.assert_clean();
    }
}

#[test]
fn datagrams_pass_both_ways_with_their_edges_and_empty_ones_too() {
    let (mut sim, to) = with_echo();
    let from = sim.source(RECORD, to.ip());
    let large = pattern(8000, 3);
    let sent: [&[u8]; 5] = [b"first", b"", b"x", &large, b""];
    for data in sent {
        sim.send_packet(udp(from, to, data));
        sim.settle();
    }
    assert_eq!(sim.world.conns[0].datagrams, sent);
    assert_eq!(sim.datagrams(from), sent);
    assert_eq!(sim.world.conns.len(), 1);
    let bytes = sent.iter().map(|d| d.len() as u64).sum();
    sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
    assert_eq!(sim.sums(), [(bytes, bytes)]);
    sim.assert_clean();
}

#[test]
fn quic_is_named_by_its_first_byte() {
    let (mut sim, to) = with_echo();
    for (first, transport) in [(0xc3, Transport::Quic), (0x40, Transport::Udp)] {
        let from = sim.source(RECORD, to.ip());
        sim.send_packet(udp(from, to, &[first, 0, 0, 0, 1]));
        sim.settle();
        let last = sim.world.records.last().unwrap();
        assert!(matches!(last, Record::Opaque { transport: t, .. } if *t == transport), "{last:?}");
    }
}

#[test]
fn datagrams_of_an_app_that_is_off_pass_uncounted_by_events() {
    let (mut sim, to) = with_echo();
    let from = sim.source(OFF, to.ip());
    sim.send_packet(udp(from, to, b"hello"));
    sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
    assert_eq!(sim.datagrams(from), [b"hello"]);
    let [Record::Passed { up: 5, down: 5, .. }] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    sim.assert_clean();
}

#[test]
fn a_busy_flow_outlives_the_idle_time_and_a_quiet_one_does_not() {
    let (mut sim, to) = with_echo();
    let (busy, quiet) = (sim.source(RECORD, to.ip()), sim.source(RECORD, to.ip()));
    sim.send_packet(udp(quiet, to, b"q"));
    for _ in 0..5 {
        sim.send_packet(udp(busy, to, b"b"));
        sim.run(60 * SECOND);
    }
    assert_eq!((sim.engine.flow_count(), sim.closed(), sim.world.conns.len()), (1, 1, 2));
    assert_eq!(sim.datagrams(busy).len(), 5);
}

#[test]
fn datagrams_between_families_are_translated() {
    let (mut sim, _) = with_echo();
    let to: SocketAddr = (sim.fake_v6(LISTED), 443).into();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"hello"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [b"hello"]);
    assert_eq!(sim.world.tried(), [(SERVER, 443).into()]);
}

#[test]
fn on_a_network_without_ipv4_datagrams_reach_the_ipv6_server() {
    let (mut sim, to) = with_echo();
    let v6 = (SERVER_V6.parse::<std::net::Ipv6Addr>().unwrap(), 443);
    sim.world.zone(LISTED, Rr::v6(SERVER_V6));
    sim.world.serve((SERVER, 443), Script::connect(Connect::NoRoute));
    sim.world.serve(v6, Script::echo());
    for _ in 0..2 {
        // The first time the addresses are asked for, the second time they are known.
        let from = sim.source(RECORD, to.ip());
        sim.send_packet(udp(from, to, b"hello"));
        sim.settle();
        assert_eq!(sim.datagrams(from), [b"hello"]);
    }
    assert_eq!(sim.world.tried(), [v6.into(), v6.into()]);

    sim.world.serve(v6, Script::connect(Connect::NoRoute));
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"hello"));
    sim.settle();
    assert_eq!((sim.icmp().len(), sim.engine.flow_count()), (1, 2));
}

#[test]
fn the_first_datagram_waits_for_a_slow_owner() {
    let (mut sim, to) = with_echo();
    let from = sim.source(RECORD, to.ip());
    sim.world.owners.insert(from.port(), (Some(RECORD), SECOND));
    sim.send_packet(udp(from, to, b"first"));
    sim.run(2 * SECOND);
    sim.send_packet(udp(from, to, b"second"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [&b"first"[..], b"second"]);
}

#[test]
fn a_name_without_an_address_ends_the_flow() {
    let (mut sim, to) = with_echo();
    sim.world.forget(LISTED);
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"first"));
    sim.settle();
    assert_eq!(sim.icmp().len(), 1);
    assert_eq!(sim.engine.counters().dropped(Drop::ConnectFailed), 1);
    sim.assert_clean();
}

#[test]
fn a_closed_port_of_the_resolver_is_said_to_be_closed() {
    let mut sim = Sim::new(POLICY);
    let to = SocketAddr::new(resolver().ip(), 853);
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"x"));
    let foreign = ([8, 8, 8, 8], 443).into();
    sim.send_packet(udp(from, foreign, b"x"));
    let app = sim.connect(RECORD, to);
    sim.settle();
    assert_eq!(sim.icmp().len(), 1, "one for the resolver, none for addresses that are not ours");
    assert!(sim.clients[app].was_reset);
    assert_eq!(sim.engine.counters().dropped(Drop::NoName), 3);
}

#[test]
fn a_socket_that_breaks_ends_the_flow() {
    let (mut sim, to) = with_echo();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"x"));
    sim.settle();
    sim.shut_down();
    sim.assert_clean();
    assert_eq!(sim.sums(), [(1, 1)]);
}

#[test]
fn what_the_network_says_of_a_connected_flow_is_passed_on() {
    let (mut sim, to) = with_echo();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"one"));
    sim.settle();
    sim.world.complain(0, (SERVER, 443), Unreachable::Port);
    sim.world.complain(0, (SERVER, 443), Unreachable::TooBig(1300));
    sim.settle();
    let (app, src_port, dst_port) = (from.ip(), from.port(), 443);
    assert_eq!(sim.icmp(), [&Icmp { to: app, src_port, dst_port, port: true }]);
    assert_eq!(sim.too_big(), [TooBig { to: app, src_port, dst_port, mtu: 1300 }]);
    sim.send_packet(udp(from, to, b"two"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [b"one", b"two"], "the flow goes on");
}

#[test]
fn the_size_that_passes_is_told_in_the_apps_own_family() {
    let mut sim = Sim::new(POLICY);
    sim.world.serve((SERVER, 443), Script { mtu: 1400, ..Script::echo() });
    let to: SocketAddr = (sim.fake_v6(LISTED), 443).into();
    let from = sim.source(RECORD, to.ip());
    // 28 bytes of headers on the way to the server, 48 on the way from the app.
    for len in [1373, 1372] {
        sim.send_packet(udp(from, to, &pattern(len, 1)));
        sim.settle();
    }
    let (src_port, dst_port) = (from.port(), 443);
    assert_eq!(sim.too_big(), [TooBig { to: from.ip(), src_port, dst_port, mtu: 1420 }]);
    assert_eq!(sim.datagrams(from), [pattern(1372, 1)]);
}

#[test]
fn a_retry_from_a_socket_that_is_closed_gets_the_answer_of_the_first() {
    let policy = POLICY.replace("setting = \"block\"", "setting = \"record\"");
    let rule = format!(
        "[[host]]\nhost = \"{LISTED}\"\napp = \"org.example.block\"\nverdict = \"block\"\n"
    );
    let mut sim = Sim::new(&format!("{policy}{rule}").replace("version = 1", RECORD_BY_DEFAULT));
    sim.world.serve((SERVER, 443), Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 443).into();
    let from = sim.source(BLOCK, to.ip());
    sim.send_packet(udp(from, to, b"first"));
    sim.settle();
    sim.world.owners.remove(&from.port());
    sim.send_packet(udp(from, to, b"retry"));
    sim.settle();
    assert_eq!((sim.blocked(), sim.icmp().len(), sim.world.tried().len()), (2, 2, 0));
    let uids = sim.world.records.iter().map(|r| match r {
        Record::Blocked(facts) => facts.uid,
        other => panic!("{other:?}"),
    });
    assert_eq!(uids.collect::<Vec<_>>(), [Some(BLOCK); 2]);
    // Later the port may be somebody else's, and nobody's is not the app's.
    sim.run(limits::REFUSAL.as_micros() as i64);
    sim.send_packet(udp(from, to, b"late"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [b"late"]);
}
