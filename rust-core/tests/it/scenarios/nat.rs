//! Datagrams to bare addresses, which one socket carries for each socket of an app.

use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::event::Record;
use muzzle::limits;
use muzzle::wire::Unreachable;
use std::net::SocketAddr;

fn peer(n: u8) -> SocketAddr {
    ([198, 51, 100, n], 3478).into()
}

fn six() -> SocketAddr {
    "[2001:db8:51::7]:3478".parse().unwrap()
}

/// A Deep world with two peers that give back what they get.
fn peers() -> (Sim, SocketAddr) {
    let mut sim = Sim::deep(POLICY);
    for to in [peer(1), peer(2), six()] {
        sim.world.serve(to, Script::echo());
    }
    let from = sim.source(RECORD, peer(1).ip());
    (sim, from)
}

/// Where each datagram to an app came from.
fn senders(sim: &Sim, to: SocketAddr) -> Vec<SocketAddr> {
    let all = sim.seen.iter().filter_map(|seen| match seen {
        Seen::Datagram { src, dst, .. } if *dst == to => Some(*src),
        _ => None,
    });
    all.collect()
}

#[test]
fn one_port_of_an_app_has_one_socket_whoever_it_talks_to() {
    let (mut sim, from) = peers();
    for to in [peer(1), peer(2), peer(1)] {
        sim.send_packet(udp(from, to, b"hello"));
        sim.settle();
    }
    assert_eq!(sim.world.conns.len(), 1);
    assert_eq!(sim.world.conns[0].peers, [peer(1), peer(2), peer(1)]);
    assert_eq!(senders(&sim, from), [peer(1), peer(2), peer(1)]);
}

#[test]
fn a_third_party_that_knows_the_port_reaches_the_app_as_it_would_without_us() {
    // Endpoint-independent filtering (RFC 4787 REQ-8): ICE counts on it, and what may come in from
    // outside is for the network's own firewall to say.
    let (mut sim, from) = peers();
    sim.send_packet(udp(from, peer(1), b"hello"));
    sim.settle();
    sim.world.arrive(0, peer(9), b"I am new here");
    sim.settle();
    assert_eq!(senders(&sim, from), [peer(1), peer(9)]);
}

#[test]
fn what_other_protocols_send_comes_through_unharmed_both_ways() {
    // The first bytes of STUN (RFC 8489 §5), DTLS 1.2 (RFC 6347 §4.1), WireGuard, RTP, and QUIC on
    // a port of its own; whatever follows.
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &pattern(12, 1)].concat();
    let dtls = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200][..], &pattern(200, 2)].concat();
    let wireguard = [&[1, 0, 0, 0][..], &pattern(144, 3)].concat();
    let rtp = [&[0x80, 0x60][..], &pattern(1170, 4)].concat();
    let quic = [&[0xc3, 0, 0, 0, 1][..], &pattern(1195, 5)].concat();
    let sent = [stun, dtls, wireguard, rtp, quic, Vec::new(), pattern(8000, 6)];
    for to in [peer(1), six()] {
        let (mut sim, _) = peers();
        let from = sim.source(RECORD, to.ip());
        for data in &sent {
            sim.send_packet(udp(from, to, data));
            sim.settle();
        }
        assert_eq!(sim.world.conns[0].datagrams, sent);
        assert_eq!(sim.datagrams(from), sent);
    }
}

#[test]
fn what_the_network_says_of_a_peer_is_told_of_that_peer() {
    let (mut sim, from) = peers();
    for to in [peer(1), peer(2)] {
        sim.send_packet(udp(from, to, b"hello"));
    }
    sim.settle();
    sim.world.complain(0, peer(2), Unreachable::Port);
    sim.world.complain(0, peer(1), Unreachable::Host);
    sim.world.complain(0, peer(1), Unreachable::TooBig(1400));
    sim.settle();
    let (to, src_port, dst_port) = (from.ip(), from.port(), 3478);
    let about = |port| Icmp { to, src_port, dst_port, port };
    assert_eq!(sim.icmp(), [&about(true), &about(false)]);
    assert_eq!(sim.too_big(), [TooBig { to, src_port, dst_port, mtu: 1400 }]);
    sim.send_packet(udp(from, peer(2), b"again"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [&b"hello"[..], b"hello", b"again"], "the flow goes on");
}

#[test]
fn a_datagram_that_the_path_does_not_take_is_answered_with_what_it_takes() {
    for to in [peer(3), "[2001:db8:51::3]:3478".parse().unwrap()] {
        let mut sim = Sim::deep(POLICY);
        sim.world.serve(to, Script { mtu: 1400, ..Script::echo() });
        let from = sim.source(RECORD, to.ip());
        let fits = 1400 - if to.is_ipv4() { 28 } else { 48 };
        for len in [fits + 1, fits] {
            sim.send_packet(udp(from, to, &pattern(len, 1)));
            sim.settle();
        }
        let (src_port, dst_port) = (from.port(), 3478);
        assert_eq!(sim.too_big(), [TooBig { to: from.ip(), src_port, dst_port, mtu: 1400 }]);
        assert_eq!(sim.datagrams(from), [pattern(fits, 1)]);
    }
}

#[test]
fn a_quiet_port_is_given_back_and_a_busy_one_is_not() {
    let (mut sim, busy) = peers();
    let quiet = sim.source(RECORD, peer(1).ip());
    sim.send_packet(udp(quiet, peer(1), b"q"));
    for _ in 0..5 {
        sim.send_packet(udp(busy, peer(1), b"b"));
        sim.run(60 * SECOND);
    }
    assert_eq!((sim.engine.flow_count(), sim.sums()), (1, vec![(1, 1)]));
    sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
    assert_eq!(sim.sums(), [(1, 1), (5, 5)]);
    sim.assert_clean();
}

#[test]
fn a_fragment_is_dropped_and_counted() {
    let (mut sim, from) = peers();
    let mut v4 = udp(from, peer(1), b"hello");
    v4[6] |= 0x20;
    let mut v6 = udp(sim.app(six().ip(), 5), six(), b"hello");
    v6[6] = 44;
    sim.send_packet(v4);
    sim.send_packet(v6);
    sim.settle();
    assert_eq!(sim.engine.counters().dropped(Drop::Fragment), 2);
    assert_eq!((sim.world.conns.len(), sim.engine.flow_count()), (0, 0));
}

#[test]
fn a_full_table_closes_the_port_that_was_idle_longest() {
    let (mut sim, first) = peers();
    sim.send_packet(udp(first, peer(1), b"x"));
    for n in 0..limits::FLOWS {
        let ip = [10, 1, (n >> 8) as u8, n as u8];
        sim.send_packet(udp((ip, 5000).into(), peer(1), b"x"));
        if n % 64 == 0 {
            sim.settle();
        }
    }
    sim.settle();
    assert_eq!((sim.engine.flow_count(), sim.world.open()), (limits::FLOWS, limits::FLOWS));
    assert_eq!(sim.engine.counters().dropped(Drop::FlowLimit), 1);
    let gone =
        sim.count(|r| matches!(r, Record::Passed { facts, .. } if facts.uid == Some(RECORD)));
    assert_eq!(gone, 1);
}
