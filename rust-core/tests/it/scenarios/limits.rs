//! Bounds, quiet, and the end.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::limits;

#[test]
fn idle_connections_need_no_timer() {
    let mut sim = Sim::with(Script::echo());
    let apps: Vec<_> = (0..100).map(|n| sim.open([RECORD, OFF, CAPTURE][n % 3])).collect();
    for app in &apps {
        sim.send(*app, POST);
    }
    sim.settle();
    assert!(apps.iter().all(|app| !sim.received(*app).is_empty()));
    assert_eq!(sim.engine.flow_count(), 100);
    sim.assert_idle();
    let written = sim.world.written;
    sim.run(3600 * SECOND);
    assert_eq!((sim.engine.flow_count(), sim.world.written), (100, written));
}

#[test]
fn the_flow_that_was_idle_longest_gives_way_and_is_counted() {
    let mut sim = Sim::new(POLICY);
    let to = (sim.fake(LISTED), 9).into();
    let from = |n: usize| {
        std::net::SocketAddr::from((
            [198, 18, 0, 3 + (n / 60_000) as u8],
            (1024 + n % 60_000) as u16,
        ))
    };
    // Their name is looked up once.
    sim.world.owners.insert(1024, (Some(RECORD), 0));
    sim.send_packet(udp(from(0), to, b"x"));
    sim.settle();
    for n in 1..limits::FLOWS {
        let app = from(n);
        sim.world.owners.insert(app.port(), (Some(RECORD), 0));
        sim.send_packet(udp(app, to, b"x"));
    }
    sim.run(SECOND);
    assert_eq!(sim.engine.flow_count(), limits::FLOWS);
    assert_eq!(sim.closed(), 0);
    // The first is used again, so the second is the one that goes.
    sim.send_packet(udp(from(0), to, b"y"));
    let late = from(limits::FLOWS);
    sim.world.owners.insert(late.port(), (Some(RECORD), 0));
    sim.send_packet(udp(late, to, b"z"));
    sim.run(SECOND);
    assert_eq!(sim.engine.flow_count(), limits::FLOWS);
    assert_eq!(sim.engine.counters().dropped(Drop::FlowLimit), 1);
    assert_eq!((sim.closed(), sim.world.open()), (1, limits::FLOWS));
    let gone: Vec<_> = (0..3).map(|n| sim.world.conns[n].closed.is_some()).collect();
    assert_eq!(gone, [false, true, false]);
    sim.shut_down();
    sim.assert_clean();
}

#[test]
fn at_the_end_every_socket_is_closed_and_every_record_complete() {
    let mut sim = Sim::with(Script::echo());
    sim.world.serve((SERVER_TOO, 80), Script::connect(Connect::Silent));
    let (fake, silent) = (sim.fake(LISTED), sim.fake(LISTED_TOO));
    for uid in [RECORD, OFF, CAPTURE, BLOCK] {
        for _ in 0..5 {
            let app = sim.connect(uid, (fake, 80).into());
            sim.send(app, &POST[..POST.len() - 1]);
            sim.connect(uid, (silent, 80).into());
        }
        let from = sim.source(uid, fake);
        sim.send_packet(udp(from, (fake, 80).into(), b"x"));
    }
    let late = sim.connect(RECORD, (fake, 80).into());
    sim.world.owners.insert(sim.clients[late].local.port(), (Some(RECORD), 60 * SECOND));
    let stream = sim.connect(RECORD, resolver());
    sim.send(stream, b"\x00\x20half a question");
    sim.settle();
    assert!(sim.world.open() > 10 && sim.engine.flow_count() > 20);
    sim.shut_down();
    sim.assert_clean();
    sim.settle();
    assert!(sim.clients.iter().all(|c| c.was_reset || !c.was_open), "apps are told");
}

#[test]
fn the_same_calls_give_the_same_records_and_packets() {
    let run = || {
        let mut sim = super::chance::storm(41, 60);
        sim.shut_down();
        (sim.world.records.clone(), sim.world.written, sim.seen.len())
    };
    let (first, second) = (run(), run());
    assert!(first.0.len() > 50, "{}", first.0.len());
    assert!(first == second);
}
