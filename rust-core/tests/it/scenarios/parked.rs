//! Quiet connections give their buffers back and go on as if nothing had been; and what all buffers
//! together hold has a bound.

use crate::harness::*;
use muzzle::engine::{Drop, Reach};
use muzzle::limits;
use smoltcp::socket::tcp::State;

/// A world in which every connection that is quiet is parked.
fn parking(script: Script) -> Sim {
    let mut sim = Sim::keeping(0, Reach::Light, POLICY);
    sim.world.serve((SERVER, 80), script);
    sim
}

/// Lets what is quiet be parked; whether each connection is.
fn park(sim: &mut Sim) -> u64 {
    let before = sim.engine.counters().parked;
    sim.settle();
    sim.settle();
    sim.engine.counters().parked - before
}

#[test]
fn a_parked_connection_goes_on_whoever_speaks_first_and_however_much_is_said() {
    // The answer comes when the connection is long parked.
    let mut sim = parking(Script { latency_us: 2 * SECOND, ..Script::echo() });
    let app = sim.open(RECORD);
    sim.run(3 * SECOND);
    let mut sent = Vec::new();
    for round in 0..12 {
        let bytes = pattern([1, 40_000, 700_000][round % 3], round as u64 + 1);
        sim.send(app, &bytes);
        sent.extend(bytes);
        sim.run(SECOND);
        let parked = park(&mut sim);
        assert!(parked > 0 || round % 3 > 0, "round {round}");
        sim.run(30 * SECOND);
        assert!(sim.received(app) == sent, "round {round}: {}", sim.received(app).len());
        assert_eq!(sim.clients[app].state(), State::Established);
    }
    assert!(sim.world.conns[0].received == sent);
    sim.clients[app].finish = true;
    sim.run(10 * SECOND);
    assert!(sim.clients[app].peer_finished && !sim.clients[app].was_reset);
    sim.assert_clean();
}

#[test]
fn parked_connections_hold_no_buffers_and_need_no_timer() {
    let mut sim = parking(Script { fin: Fin::Never, ..Script::echo() });
    let apps: Vec<_> = (0..100).map(|_| sim.open(OFF)).collect();
    for app in &apps {
        sim.send(*app, b"x");
    }
    sim.settle();
    park(&mut sim);
    assert!(apps.iter().all(|app| sim.received(*app) == b"x"));
    assert_eq!(sim.engine.flow_count(), 100);
    assert!(sim.engine.touched() <= 2 * 4096 * limits::SPARE_SOCKETS, "{}", sim.engine.touched());
    sim.assert_idle();
    let written = sim.world.written;
    sim.run(3600 * SECOND);
    assert_eq!((sim.engine.flow_count(), sim.world.written), (100, written));
}

#[test]
fn so_many_quiet_connections_keep_their_buffers_and_no_more() {
    let mut sim = Sim::keeping(8, Reach::Light, POLICY);
    sim.world.serve((SERVER, 80), Script::echo());
    for n in 1..=20 {
        let app = sim.open(OFF);
        sim.send(app, b"x");
        sim.settle();
        sim.settle();
        assert_eq!(sim.engine.counters().parked, u64::saturating_sub(n, 8));
    }
}

#[test]
fn whatever_ends_a_parked_connection_reaches_the_other_side() {
    for end in 0..5 {
        let mut sim = parking(Script { fin: Fin::Never, ..Script::echo() });
        let app = sim.open(RECORD);
        sim.send(app, b"x");
        sim.settle();
        assert!(park(&mut sim) > 0, "{end}");
        match end {
            0 => sim.world.end(0),
            1 => sim.world.break_off(0),
            2 => sim.clients[app].finish = true,
            3 => sim.clients[app].abort(),
            _ => sim.set_rules(&POLICY.replace("\"record\"", "\"block\"")),
        }
        sim.settle();
        let client = &sim.clients[app];
        let told = (client.peer_finished, client.was_reset, client.state());
        let conn = &sim.world.conns[0];
        match end {
            0 => assert_eq!((told, conn.closed), ((true, false, State::CloseWait), None)),
            1 | 4 => assert_eq!((told.1, told.2, conn.closed), (true, State::Closed, Some(true))),
            2 => assert_eq!((told.2, conn.fins, conn.closed), (State::FinWait2, 1, None)),
            _ => assert_eq!((conn.closed, sim.engine.flow_count()), (Some(true), 0)),
        }
    }
}

#[test]
fn a_connection_with_a_hole_in_its_bytes_is_not_parked() {
    use smoltcp::wire::TcpControl;
    let mut sim = parking(Script::default());
    let to = std::net::SocketAddr::new(sim.fake(LISTED), 80);
    let from = sim.source(OFF, to.ip());
    sim.send_packet(tcp(from, to, Tcp::SYN));
    sim.settle();
    let ack = Some(sim.segments()[0].seq + 1);
    let say = |seq, data| tcp(from, to, Tcp { control: TcpControl::None, seq, ack, data });
    sim.send_packet(say(1004, b"def"));
    assert_eq!(park(&mut sim), 0);
    sim.send_packet(say(1001, b"abc"));
    assert_eq!(park(&mut sim), 1);
    assert_eq!(sim.world.conns[0].received, b"abcdef");
}

/// Uploads to servers that read nothing, and downloads to apps that read nothing.
fn stuck(sim: &mut Sim, flows: usize) {
    let to = sim.fake(LISTED);
    for n in 0..flows {
        let port = [81, 82][n % 2];
        let app = sim.connect(OFF, (to, port).into());
        sim.clients[app].reading = port == 81;
        sim.send(app, &vec![7; if port == 81 { limits::TCP_BUFFER + 100_000 } else { 1 }]);
    }
}

#[test]
fn the_buffers_of_all_connections_have_a_bound_and_good_ones_go_on_beside_them() {
    let mut sim = Sim::new(POLICY);
    let deaf =
        Script { window: 1, read_us: 100_000 * SECOND, fin: Fin::Never, ..Script::default() };
    sim.world.serve((SERVER, 80), Script::echo());
    sim.world.serve((SERVER, 81), deaf);
    sim.world
        .serve((SERVER, 82), Script { fin: Fin::Never, ..Script::greets(&pattern(600_000, 9)) });
    let good: Vec<_> = (0..5).map(|_| sim.open(RECORD)).collect();
    let (mut sent, mut most) = (Vec::new(), 0);
    for round in 0..30 {
        stuck(&mut sim, 20);
        let bytes = pattern(30_000, round + 1);
        for app in &good {
            sim.send(*app, &bytes);
        }
        sent.extend(bytes);
        for _ in 0..200 {
            sim.run(1000);
            most = most.max(sim.engine.touched());
        }
        sim.run(2 * SECOND);
        most = most.max(sim.engine.touched());
        for app in &good {
            assert!(sim.received(*app) == sent, "round {round}: {}", sim.received(*app).len());
        }
    }
    // One turn of one connection may pass it, and buffers that wait for the next one.
    let beyond = limits::PUMP_BUDGET + limits::SPARE_SOCKETS * limits::SPARE_BYTES;
    assert!(most > limits::TOUCHED * 3 / 4 && most <= limits::TOUCHED + beyond, "{most}");
    assert!(sim.engine.counters().dropped(Drop::MemoryLimit) > 0);
    assert!(good.iter().all(|app| !sim.clients[*app].was_reset));
    sim.shut_down();
    sim.assert_clean();
    assert!(sim.engine.touched() <= limits::SPARE_SOCKETS * limits::SPARE_BYTES);
}
