//! One app floods; the others go on. What is held is bounded by count, not by time.

use crate::harness::*;
use muzzle::engine::{Drop, Reach};
use muzzle::limits;
use std::net::SocketAddr;

const FLOOD: usize = 60_000;

/// Two open connections of other apps, and what they said.
fn others(sim: &mut Sim, to: SocketAddr) -> [usize; 2] {
    let both = [sim.connect(RECORD, to), sim.connect(OFF, to)];
    for client in both {
        sim.send(client, b"before");
    }
    sim.settle();
    both
}

fn assert_going_on(sim: &mut Sim, both: [usize; 2], to: SocketAddr) {
    let late = sim.connect(RECORD, to);
    for client in both {
        sim.send(client, b" and after");
    }
    sim.send(late, b"new");
    sim.settle();
    for client in both {
        assert_eq!(sim.received(client), b"before and after");
    }
    assert_eq!(sim.received(late), b"new");
}

fn at(n: usize) -> (u8, u16) {
    (100 + (n / 30_000) as u8, 30_000 + (n % 30_000) as u16)
}

#[test]
fn a_flood_of_syns_ends_in_the_oldest_going_and_the_others_going_on() {
    for reach in [Reach::Light, Reach::Deep] {
        let mut sim = Sim::reaching(reach, POLICY);
        sim.world.serve((SERVER, 5222), Script::echo());
        sim.world.serve((SERVER_TOO, 5222), Script::connect(Connect::Silent));
        let (good, silent) = match reach {
            Reach::Light => (sim.fake(LISTED), sim.fake(LISTED_TOO)),
            Reach::Deep => (SERVER.into(), SERVER_TOO.into()),
        };
        let (good, silent) = ((good, 5222).into(), (silent, 5222).into());
        let both = others(&mut sim, good);
        // Its name is looked up once, and not by each of them.
        sim.connect(RECORD, silent);
        sim.settle();
        for n in 0..FLOOD {
            let (last, port) = at(n);
            let from = SocketAddr::from(([198, 18, 0, last], port));
            sim.world.owners.insert(port, (Some(RECORD), 0));
            sim.send_packet(tcp(from, silent, Tcp::SYN));
            if n % 5000 == 4999 {
                sim.run(1000);
                sim.seen.clear();
                sim.world.forget_past();
                assert!(sim.engine.flow_count() <= limits::FLOWS, "{reach:?}");
                assert!(sim.world.open() <= limits::FLOWS, "{reach:?}");
            }
            if n % 10_000 == 9999 {
                // Who is used is never the oldest.
                keep_alive(&mut sim, both);
            }
        }
        let dropped = sim.engine.counters().dropped(Drop::FlowLimit) as usize;
        assert!(dropped >= FLOOD - limits::FLOWS, "{reach:?}: {dropped}");
        assert_going_on(&mut sim, both, good);
        sim.run(2 * limits::CONNECT_TIMEOUT.as_micros() as i64);
        assert_eq!(sim.engine.flow_count(), 3, "{reach:?}: only the good ones are left");
    }
}

/// A sign of life of each, as apps give them.
fn keep_alive(sim: &mut Sim, both: [usize; 2]) {
    for client in both {
        let (local, remote) = (sim.clients[client].local, sim.clients[client].remote);
        let control = smoltcp::wire::TcpControl::None;
        let data = &[];
        sim.send_packet(tcp(local, remote, Tcp { control, seq: 0, ack: Some(0), data }));
    }
    sim.run(1000);
}

#[test]
fn a_flood_of_questions_is_bounded_and_others_get_their_answers() {
    let mut sim = Sim::with(Script::echo());
    sim.world.zone("www.example.org", Rr::A([198, 51, 100, 20]));
    let to = (sim.fake(LISTED), 80).into();
    let both = others(&mut sim, to);
    sim.world.modes = vec![Mode::Silent; 2];
    for n in 0..FLOOD {
        let (last, port) = at(n);
        let from = SocketAddr::from(([198, 18, 0, last], port));
        let question = query(n as u16, &format!("n{n}.example.net"), 1);
        sim.send_packet(udp(from, resolver(), &question));
        if n % 5000 == 4999 {
            sim.run(1000);
            sim.world.asked.clear();
        }
    }
    let dropped = sim.engine.counters().dropped(Drop::DnsLimit) as usize;
    assert!(dropped >= FLOOD - limits::DNS_PENDING, "{dropped}");
    // Listed names need no upstream: they are answered amid the flood.
    assert!(sim.ask(LISTED_TOO, 1).is_some());
    assert_going_on(&mut sim, both, to);
    sim.world.modes = vec![Mode::Answer; 2];
    sim.run(20 * SECOND);
    assert!(sim.ask("www.example.org", 1).is_some(), "the flood is over");
    assert_eq!(sim.engine.flow_count(), 3);
}
