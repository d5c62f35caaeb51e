//! Bytes that no kernel would send: counted, dropped, survived.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::engine::Drop;
use smoltcp::wire::TcpControl;
use std::net::SocketAddr;

#[test]
fn each_kind_of_bad_packet_is_counted_under_its_own_name() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    let syn = tcp(from, to, Tcp::SYN);
    let with = |at: usize, value: u8| {
        let mut packet = syn.clone();
        packet[at] = value;
        packet
    };
    for (packet, why) in [
        (vec![], Drop::Malformed),
        (vec![0x45], Drop::Malformed),
        (syn[..30].to_vec(), Drop::Malformed),
        (with(0, 0x75), Drop::Malformed),
        (with(0, 0x44), Drop::Malformed),
        (with(32, 0x10), Drop::Malformed),
        (with(6, 0x20), Drop::Fragment),
        (with(9, 1), Drop::Unsupported),
        (with(16, 224), Drop::NotUnicast),
    ] {
        let before = sim.engine.counters().dropped(why);
        sim.send_packet(packet.clone());
        sim.settle();
        assert_eq!(sim.engine.counters().dropped(why), before + 1, "{packet:02x?}");
    }
    assert_eq!((sim.seen.len(), sim.engine.flow_count()), (1, 0), "nothing but the DNS answer");
}

#[test]
fn a_syn_that_tcp_does_not_take_leaves_nothing() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    let mut packet = tcp(from, to, Tcp::SYN);
    packet[33] |= 1; // FIN beside SYN
    sim.send_packet(packet);
    sim.run(SECOND);
    assert_eq!(sim.world.open(), 0);
    sim.assert_clean();
}

#[test]
fn mutated_packets_are_borne_and_the_good_flow_beside_them_goes_on() {
    let mut sim = Sim::with(Script::echo());
    let good = sim.open(RECORD);
    sim.settle();
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    let question = query(7, LISTED, 1);
    let control = TcpControl::Psh;
    let originals = [
        tcp(from, to, Tcp::SYN),
        tcp(from, to, Tcp { control, seq: 1001, ack: Some(1), data: POST }),
        udp(from, to, b"some bytes of a datagram"),
        udp(from, resolver(), &question),
        udp(from, resolver(), &query(9, "www.example.org", 16)),
    ];
    let mut dice = Dice(0x5eed);
    let mut sent = 0;
    for round in 0..40_000 {
        let mut packet = originals[dice.below(originals.len())].clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(packet.len());
            packet[at] = dice.next() as u8;
        }
        packet.truncate(1 + dice.below(packet.len() * 4).min(packet.len() - 1));
        sim.send_packet(packet);
        if round % 500 == 0 {
            sim.send(good, POST);
            sent += POST.len();
            sim.run(SECOND / 10);
        }
    }
    sim.run(SECOND);
    assert_eq!(sim.received(good).len(), sent);
    sim.shut_down();
    assert_eq!((sim.engine.flow_count(), sim.world.open()), (0, 0));
    assert_eq!(sim.opened(), sim.closed());
}
