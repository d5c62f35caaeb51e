//! Deep reach, QUIC to bare addresses: recorded clients at the gate.

use super::gate::{HOST, blocking};
use crate::harness::*;
use muzzle::engine::Reach;
use muzzle::event::{Record, Transport, Verdict};
use muzzle::limits;
use std::net::{IpAddr, SocketAddr};

macro_rules! recorded {
    ($($name:literal: $needed:literal),+ $(,)?) => {
        [$(($name, &include_bytes!(concat!("../../data/quic/", $name, ".bin"))[..], $needed)),+]
    };
}

/// A client, its datagrams, and how many of them hold its hello.
type Recorded = (&'static str, Vec<Vec<u8>>, usize);

fn recorded() -> Vec<Recorded> {
    let all = recorded![
        "aioquic-v1": 1,
        "aioquic-v1-answered": 1,
        "aioquic-v1-large": 2,
        "aioquic-v1-retry": 1,
        "aioquic-v2": 1,
        "aioquic-v2-large": 2,
        "chromium": 2,
        "ngtcp2-as-chrome": 2,
        "ngtcp2-as-firefox": 2,
    ];
    all.map(|(name, framed, needed)| (name, datagrams(framed), needed)).to_vec()
}

/// A hello of a version that nobody speaks, and after the server said so one of version 1.
fn restarted() -> Vec<Vec<u8>> {
    datagrams(include_bytes!("../../data/quic/aioquic-unknown-version.bin"))
}

fn named(name: &str) -> Vec<Vec<u8>> {
    recorded().into_iter().find(|r| r.0 == name).unwrap().1
}

fn datagrams(mut framed: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((len, rest)) = framed.split_first_chunk() {
        let (datagram, rest) = rest.split_at(u16::from_be_bytes(*len).into());
        all.push(datagram.to_vec());
        framed = rest;
    }
    all
}

/// A world, an address with a server at it, and an app's address.
fn world(uid: u32) -> (Sim, SocketAddr, SocketAddr) {
    world_at(uid, SERVER.into())
}

fn world_at(uid: u32, server: IpAddr) -> (Sim, SocketAddr, SocketAddr) {
    let mut sim = Sim::reaching(Reach::Deep, &blocking());
    let to = SocketAddr::new(server, 443);
    sim.world.serve(to, Script::echo());
    let from = sim.source(uid, server);
    (sim, from, to)
}

fn send(sim: &mut Sim, from: SocketAddr, to: SocketAddr, datagrams: &[Vec<u8>]) {
    for datagram in datagrams {
        sim.send_packet(udp(from, to, datagram));
        sim.run(100);
    }
    sim.run(SECOND / 10);
}

/// Refused at once, by an unreachable for its socket, and nothing has left.
fn assert_blocked(sim: &mut Sim, from: SocketAddr, what: &str) {
    let told = Icmp { to: from.ip(), src_port: from.port(), dst_port: 443, port: true };
    assert!(sim.icmp().contains(&&told), "{what}: {:?}", sim.seen);
    assert_eq!(sim.world.tried(), [], "{what}");
    for record in &sim.world.records {
        let Record::Blocked(facts) = record else { panic!("{what}: {record:?}") };
        assert_eq!(facts.host.as_deref(), Some(HOST), "{what}");
        assert_eq!((facts.transport, facts.verdict), (Transport::Quic, Verdict::Block), "{what}");
    }
    assert!(!sim.world.records.is_empty(), "{what}");
    sim.assert_clean();
}

/// Every datagram arrives, in this order and unchanged.
fn assert_passed(sim: &Sim, sent: &[Vec<u8>], what: &str) {
    let arrived = sim.world.conns.iter().flat_map(|c| c.datagrams.iter());
    assert!(arrived.eq(sent), "{what}");
    assert_eq!(sim.icmp(), [] as [&Icmp; 0], "{what}");
}

#[test]
fn recorded_clients_of_a_blocked_host_are_refused_at_once_over_both_families() {
    for server in [SERVER.into(), SERVER_V6.parse().unwrap()] {
        for (client, datagrams, needed) in recorded() {
            let (mut sim, from, to) = world_at(BLOCK, server);
            send(&mut sim, from, to, &datagrams[..needed]);
            assert_blocked(&mut sim, from, client);
        }
    }
}

#[test]
fn recorded_clients_that_may_pass_reach_the_server_unchanged_and_are_named() {
    for (client, datagrams, _) in recorded() {
        let (mut sim, from, to) = world(RECORD);
        send(&mut sim, from, to, &datagrams);
        assert_passed(&sim, &datagrams, client);
        let back: Vec<_> = sim.datagrams(from).into_iter().map(<[u8]>::to_vec).collect();
        assert_eq!(back, datagrams, "{client}");
        let opened = sim.world.records.iter().find_map(|r| match r {
            Record::Opened(facts) => Some(facts.host.as_deref()),
            _ => None,
        });
        assert_eq!(opened, Some(Some(HOST)), "{client}");
        sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
        sim.assert_clean();
    }
}

#[test]
fn a_hello_over_several_datagrams_is_read_in_any_order_and_held_until_whole() {
    for (client, mut datagrams, needed) in recorded() {
        datagrams.truncate(needed);
        datagrams.reverse();
        let (mut sim, from, to) = world(BLOCK);
        send(&mut sim, from, to, &datagrams);
        assert_blocked(&mut sim, from, client);
        let (mut sim, from, to) = world(RECORD);
        if needed == 2 {
            send(&mut sim, from, to, &datagrams[..1]);
            assert_eq!(sim.world.tried(), [], "{client}: held");
            send(&mut sim, from, to, &datagrams[1..]);
            assert_passed(&sim, &datagrams, client);
        }
    }
}

#[test]
fn a_hello_that_never_becomes_whole_goes_on_after_the_wait_for_first_bytes() {
    let (mut sim, from, to) = world(BLOCK);
    let first = &named("chromium")[..1];
    send(&mut sim, from, to, first);
    assert_eq!(sim.world.tried(), []);
    sim.run(limits::FIRST_BYTES.as_micros() as i64);
    assert_passed(&sim, first, "unnamed");
}

/// Where the first packet of a datagram of version 1 ends (RFC 9000 §17.2.2).
fn initial_end(datagram: &[u8]) -> usize {
    let varint = |at: usize| {
        let len = 1 << (datagram[at] >> 6);
        let value = datagram[at..at + len].iter().fold(0, |v, byte| v << 8 | usize::from(*byte));
        (value & ((1 << (8 * len - 2)) - 1), at + len)
    };
    let scid = 6 + usize::from(datagram[5]);
    let (token, at) = varint(scid + 1 + usize::from(datagram[scid]));
    let (len, at) = varint(at + token);
    at + len
}

#[test]
fn a_packet_coalesced_before_or_behind_the_initial_does_not_hide_it() {
    let datagram = &named("aioquic-v1")[0];
    let initial = &datagram[..initial_end(datagram)];
    // A packet with the same header up to its type, without a token, 40 bytes long.
    let ids = 6 + usize::from(datagram[5]);
    let ids = &datagram[1..ids + 1 + usize::from(datagram[ids])];
    let other = |kind: u8| [&[0xc0 | kind << 4][..], ids, &[40], &[7; 40]].concat();
    for (what, whole) in [
        ("0-RTT behind", [initial, &other(1)].concat()),
        ("handshake behind", [initial, &other(2)].concat()),
        ("0-RTT before", [&other(1)[..], initial].concat()),
        ("handshake before", [&other(2)[..], initial].concat()),
        ("padding behind", [initial, &[0; 100]].concat()),
    ] {
        let (mut sim, from, to) = world(BLOCK);
        send(&mut sim, from, to, &[whole]);
        assert_blocked(&mut sim, from, what);
    }
}

#[test]
fn after_a_retry_the_hello_is_known_again() {
    // The hello, and once more with a token.
    let both = &named("aioquic-v1-retry")[..2];
    for datagrams in [both, &both[1..]] {
        let (mut sim, from, to) = world(BLOCK);
        send(&mut sim, from, to, datagrams);
        assert_blocked(&mut sim, from, "with a token");
    }
}

#[test]
fn a_client_that_comes_back_with_another_version_is_judged_then() {
    let noise = vec![0x17; 1300];
    for first in [restarted()[0].clone(), noise, b"hello".to_vec()] {
        let (mut sim, from, to) = world(BLOCK);
        send(&mut sim, from, to, std::slice::from_ref(&first));
        assert_eq!((sim.world.conns[0].datagrams.as_slice(), sim.blocked()), (&[first][..], 0));
        send(&mut sim, from, to, &restarted()[1..2]);
        assert_eq!((sim.world.conns.len(), sim.world.conns[0].datagrams.len()), (1, 1));
        let told = Icmp { to: from.ip(), src_port: from.port(), dst_port: 443, port: true };
        assert_eq!((sim.icmp(), sim.blocked()), (vec![&told], 1));
        sim.assert_clean();
    }
    let (mut sim, from, to) = world(RECORD);
    let datagrams = restarted();
    send(&mut sim, from, to, &datagrams);
    assert_passed(&sim, &datagrams, "restarted");
}

#[test]
fn a_connection_that_goes_on_is_not_held_at_the_gate_again() {
    let mut datagrams = named("aioquic-v1-answered");
    // Its first one is repeated, as when the answer was lost.
    datagrams.push(datagrams[0].clone());
    let (mut sim, from, to) = world(RECORD);
    send(&mut sim, from, to, &datagrams);
    assert_eq!(sim.world.conns.len(), 1);
    assert_passed(&sim, &datagrams, "answered");
}

#[test]
fn a_client_that_moves_to_another_port_goes_on_without_waiting() {
    let datagrams = named("aioquic-v1-answered");
    let (mut sim, from, to) = world(RECORD);
    send(&mut sim, from, to, &datagrams);
    let moved = sim.source(RECORD, to.ip());
    // A short header: its first bit is 0, its second 1 (RFC 9000 §17.3.1).
    let short = vec![[&[0x41][..], &pattern(60, 7)].concat()];
    let before = sim.world.conns.len();
    send(&mut sim, moved, to, &short);
    assert_eq!(sim.world.conns.len(), before + 1);
    assert_eq!(sim.world.conns[before].datagrams, short);
    assert_eq!(sim.datagrams(moved), [&short[0][..]]);
}

#[test]
fn datagrams_that_are_not_quic_pass_on_443_without_waiting() {
    // First bytes of DTLS, STUN and WireGuard.
    for head in [&[22, 0xfe, 0xfd][..], &[0, 1, 0, 0, 0x21, 0x12], &[1, 0, 0, 0]] {
        let (mut sim, from, to) = world(BLOCK);
        let datagram = vec![[head, &pattern(100, 5)].concat()];
        send(&mut sim, from, to, &datagram);
        assert_passed(&sim, &datagram, "not QUIC");
    }
}

#[test]
fn a_hello_waits_for_a_slow_owner_and_the_app_that_is_off_is_not_looked_at() {
    let datagrams = named("aioquic-v1");
    for (uid, passes) in [(BLOCK, false), (OFF, true)] {
        let (mut sim, from, to) = world(uid);
        sim.world.owners.insert(from.port(), (Some(uid), SECOND / 2));
        send(&mut sim, from, to, &datagrams);
        assert_eq!((sim.world.tried(), sim.icmp().len()), (vec![], 0));
        sim.run(SECOND / 2);
        if passes {
            assert_passed(&sim, &datagrams, "off");
        } else {
            assert_blocked(&mut sim, from, "late");
        }
    }
}

#[test]
fn a_storm_of_datagrams_at_the_gate_is_held_within_bounds() {
    let (mut sim, from, to) = world(RECORD);
    sim.world.owners.insert(from.port(), (Some(RECORD), SECOND / 2));
    let first = &named("aioquic-v1")[0];
    for _ in 0..1000 {
        sim.send_packet(udp(from, to, first));
    }
    sim.run(SECOND);
    let arrived = sim.world.conns[0].datagrams.len();
    assert_eq!(arrived, usize::from(limits::QUIC_DATAGRAMS));
}

/// The client of RFC 9001 Appendix A.2, which asks for example.com.
fn of_the_rfc() -> Vec<Vec<u8>> {
    datagrams(include_bytes!("../../data/quic/rfc9001-a2.bin"))
}

#[test]
fn a_second_connection_of_a_socket_is_judged_by_its_own_name() {
    let short = [&[0x41][..], &pattern(60, 7)].concat();
    // A datagram of the first connection under the server's name for it, which no own key opens.
    let mut handshake = of_the_rfc()[0].clone();
    handshake[6..14].fill(7);
    for (client, second, needed) in recorded() {
        let (mut sim, from, to) = world(BLOCK);
        send(&mut sim, from, to, &of_the_rfc());
        let begun = second[..needed].iter().flat_map(|one| [one.clone(), handshake.clone()]);
        send(&mut sim, from, to, &begun.collect::<Vec<_>>());
        // Sent again, as nobody answers; and the first one goes on.
        send(&mut sim, from, to, &second[..needed]);
        send(&mut sim, from, to, std::slice::from_ref(&short));
        let passed = sim.world.conns[0].datagrams.clone();
        let first = of_the_rfc().into_iter().chain(vec![handshake.clone(); needed]);
        assert!(first.chain([short.clone()]).eq(passed), "{client}");
        let told = Icmp { to: from.ip(), src_port: from.port(), dst_port: 443, port: true };
        assert!(sim.icmp().len() > 1 && sim.icmp().iter().all(|one| **one == told), "{client}");
        let [Record::Blocked(facts)] = &sim.world.records[..] else {
            panic!("{client}: {:?}", sim.world.records)
        };
        assert_eq!((facts.host.as_deref(), facts.uid), (Some(HOST), Some(BLOCK)), "{client}");
        assert_eq!((sim.world.conns.len(), facts.transport), (1, Transport::Quic), "{client}");
        sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
        sim.assert_clean();
    }
}

#[test]
fn a_second_connection_that_may_pass_is_told_of_under_its_own_name() {
    for (client, second, _) in recorded() {
        let (mut sim, from, to) = world(RECORD);
        let all = [of_the_rfc(), second].concat();
        send(&mut sim, from, to, &all);
        assert_passed(&sim, &all, client);
        sim.run(2 * limits::UDP_IDLE.as_micros() as i64);
        let bytes = |from: usize| all[from..].iter().map(|one| one.len() as u64).sum::<u64>();
        let [first, opened, _, closed] = &sim.world.records[..] else {
            panic!("{client}: {:?}", sim.world.records)
        };
        let Record::Passed { facts, up, .. } = first else { panic!("{client}: {first:?}") };
        assert_eq!((facts.host.as_deref(), *up), (Some("example.com"), 1200), "{client}");
        let Record::Opened(facts) = opened else { panic!("{client}: {opened:?}") };
        assert_eq!((facts.host.as_deref(), facts.server), (Some(HOST), Some(to)), "{client}");
        let Record::Closed { up, .. } = closed else { panic!("{client}: {closed:?}") };
        assert_eq!(*up, bytes(1), "{client}");
        sim.assert_clean();
    }
}

#[test]
fn a_second_hello_that_never_becomes_whole_goes_on_when_its_client_tries_again() {
    let (mut sim, from, to) = world(BLOCK);
    send(&mut sim, from, to, &of_the_rfc());
    let half = named("chromium")[..1].to_vec();
    send(&mut sim, from, to, &half);
    assert_eq!(sim.world.conns[0].datagrams.len(), 1);
    sim.run(2 * limits::FIRST_BYTES.as_micros() as i64);
    send(&mut sim, from, to, &half);
    assert_eq!(sim.world.conns[0].datagrams.len(), 3);
}
