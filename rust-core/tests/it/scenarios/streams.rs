//! Bytes of open connections: both ways, whole, and to their end.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::limits;
use smoltcp::wire::TcpControl;
use std::net::SocketAddr;

#[test]
fn the_server_goes_on_after_the_app_has_ended() {
    let reply = pattern(600_000, 1);
    let mut sim =
        Sim::with(Script { replies: vec![(POST.len(), reply.clone())], ..Script::default() });
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.clients[app].finish = true;
    sim.run(SECOND);
    assert!(sim.received(app) == reply, "{} of {}", sim.received(app).len(), reply.len());
    assert_eq!((sim.world.conns[0].fins, sim.clients[app].peer_finished), (1, true));
    assert_eq!(sim.sums(), [(POST.len() as u64, reply.len() as u64)]);
    sim.assert_clean();
}

#[test]
fn the_app_goes_on_after_the_server_has_ended() {
    let mut sim = Sim::with(Script { fin: Fin::AfterGreeting, ..Script::greets(b"bye") });
    let app = sim.open(RECORD);
    sim.run(SECOND);
    assert_eq!((sim.received(app), sim.clients[app].peer_finished), (&b"bye"[..], true));
    assert_eq!((sim.world.conns[0].fins, sim.closed()), (0, 0));
    let late = pattern(300_000, 2);
    sim.send(app, &late);
    sim.clients[app].finish = true;
    sim.run(SECOND);
    let conn = &sim.world.conns[0];
    assert_eq!((conn.received == late, conn.fins, conn.closed), (true, 1, Some(false)));
    sim.assert_clean();
}

#[test]
fn a_slow_server_that_ended_first_still_gets_every_byte() {
    let slow = Script {
        fin: Fin::AfterGreeting,
        window: 4096,
        read_us: 200_000,
        ..Script::greets(b"bye")
    };
    let mut sim = Sim::with(slow);
    let app = sim.open(RECORD);
    sim.run(SECOND);
    let late = pattern(200_000, 2);
    sim.send(app, &late);
    sim.clients[app].finish = true;
    sim.run(60 * SECOND);
    let conn = &sim.world.conns[0];
    assert_eq!(conn.received.len(), late.len());
    assert_eq!((conn.received == late, conn.fins, conn.closed), (true, 1, Some(false)));
    sim.assert_clean();
}

#[test]
fn a_port_may_be_used_again_while_a_slow_server_still_reads() {
    let slow =
        Script { fin: Fin::AfterGreeting, window: 4096, read_us: 20_000, ..Script::greets(b"bye") };
    let mut sim = Sim::with(slow);
    let first = sim.open(RECORD);
    sim.run(SECOND);
    sim.send(first, &pattern(100_000, 2));
    sim.clients[first].finish = true;
    sim.run(SECOND / 10);
    assert!(sim.clients[first].is_over() && sim.engine.flow_count() == 1);
    sim.world.serve((SERVER, 80), Script::echo());
    let (local, remote) = (sim.clients[first].local, sim.clients[first].remote);
    let second = sim.connect_from(local, remote);
    sim.send(second, POST);
    sim.settle();
    assert_eq!(sim.received(second), POST);
    assert_eq!((sim.world.conns[0].closed, sim.closed()), (Some(true), 1));
}

#[test]
fn a_server_that_breaks_while_it_still_reads_leaves_nothing() {
    let slow = Script {
        fin: Fin::AfterGreeting,
        window: 4096,
        read_us: 20_000,
        reset_after: Some(20_000),
        ..Script::greets(b"bye")
    };
    let mut sim = Sim::with(slow);
    let app = sim.open(RECORD);
    sim.run(SECOND);
    sim.send(app, &pattern(100_000, 2));
    sim.clients[app].finish = true;
    sim.run(10 * SECOND);
    assert!(sim.world.conns[0].received.len() < 100_000);
    sim.assert_clean();
}

#[test]
fn a_keep_alive_of_an_idle_app_is_answered_and_changes_nothing() {
    let mut sim = Sim::with(Script::default());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(tcp(from, to, Tcp::SYN));
    sim.settle();
    let ack = Some(sim.segments()[0].seq + 1);
    let control = TcpControl::None;
    sim.send_packet(tcp(from, to, Tcp { control, seq: 1001, ack, data: &[] }));
    for _ in 0..3 {
        sim.run(3 * limits::TCP_TIMEOUT.as_micros() as i64);
        let before = sim.segments().len();
        sim.send_packet(tcp(from, to, Tcp { control, seq: 1000, ack, data: &[] }));
        sim.settle();
        let answer = sim.segments()[before..].to_vec();
        assert!(matches!(answer[..], [s] if s.ack_number == 1001 && !s.rst), "{answer:?}");
        sim.assert_idle();
    }
    sim.world.end(0);
    sim.settle();
    let last = sim.segments().last().copied().unwrap();
    assert!(last.fin && !last.rst);
}

#[test]
fn a_slow_server_gets_every_byte_of_an_app_that_ended_first() {
    let mut sim = Sim::with(Script { window: 4096, read_us: 20_000, ..Script::echo() });
    let app = sim.open(RECORD);
    let all = pattern(200_000, 2);
    sim.send(app, &all);
    sim.clients[app].finish = true;
    sim.run(30 * SECOND);
    assert_eq!((sim.world.conns[0].received == all, sim.received(app) == all), (true, true));
    assert_eq!(sim.world.conns[0].fins, 1);
    sim.assert_clean();
}

#[test]
fn a_reset_by_the_server_resets_the_app() {
    let mut sim = Sim::with(Script { reset_after: Some(5), ..Script::default() });
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert!(sim.clients[app].was_open && sim.clients[app].was_reset);
    assert_eq!(sim.closed(), 1);
    sim.assert_clean();
}

#[test]
fn a_reset_by_the_app_resets_the_server() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    sim.clients[app].abort();
    sim.settle();
    let conn = &sim.world.conns[0];
    assert_eq!((conn.closed, conn.fins), (Some(true), 0));
    sim.assert_clean();
}

#[test]
fn a_server_that_ends_after_the_request_ends_the_connection_once_the_app_does() {
    let script = Script { fin: Fin::AfterBytes(POST.len()), ..Script::echo() };
    let mut sim = Sim::with(script);
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!((sim.received(app), sim.clients[app].peer_finished), (POST, true));
    sim.clients[app].finish = true;
    sim.settle();
    assert_eq!((sim.world.conns[0].fins, sim.world.conns[0].closed), (1, Some(false)));
    sim.assert_clean();
}

#[test]
fn both_may_end_at_the_same_moment() {
    let mut sim = Sim::with(Script { fin: Fin::AfterGreeting, ..Script::greets(b"x") });
    let app = sim.open(RECORD);
    sim.clients[app].finish = true;
    sim.run(SECOND);
    assert_eq!((sim.received(app), sim.world.conns[0].fins), (&b"x"[..], 1));
    sim.assert_clean();
}

#[test]
fn an_app_that_reads_late_gets_every_byte() {
    let all = pattern(2_000_000, 4);
    let mut sim = Sim::with(Script { fin: Fin::AfterGreeting, ..Script::greets(&all) });
    let app = sim.open(RECORD);
    sim.clients[app].reading = false;
    sim.run(300 * SECOND);
    assert!(!sim.clients[app].was_reset);
    assert_eq!(sim.closed(), 0);
    sim.clients[app].reading = true;
    sim.run(60 * SECOND);
    assert!(sim.received(app) == all, "{} of {}", sim.received(app).len(), all.len());
    assert!(sim.clients[app].peer_finished);
}

#[test]
fn much_passes_both_ways_whatever_the_sizes() {
    for (mtu, piece, v6) in [(1300, 1400, false), (9000, usize::MAX, true)] {
        let mut sim = Sim::with(Script { window: 70_000, read_us: 300, piece, ..Script::echo() });
        let to = if v6 { sim.fake_v6(LISTED) } else { sim.fake(LISTED) };
        let from = sim.source(OFF, to);
        let now = sim.world.now_us;
        let mut client = Client::new(from, (to, 80).into(), mtu, now);
        client.dice = Some(Dice(77));
        let all = pattern(8 << 20, 5);
        client.to_send = all.clone();
        client.finish = true;
        sim.clients.push(client);
        sim.run(600 * SECOND);
        assert!(sim.world.conns[0].received == all, "{}", sim.world.conns[0].received.len());
        assert!(sim.received(0) == all, "{}", sim.received(0).len());
        assert_eq!(sim.sums(), [(all.len() as u64, all.len() as u64)]);
        sim.assert_clean();
    }
}

#[test]
fn packets_that_are_lost_on_the_way_to_the_app_are_sent_again() {
    let mut sim = Sim::with(Script { piece: 5000, ..Script::echo() });
    let app = sim.open(RECORD);
    sim.settle();
    sim.world.loss = 5;
    let all = pattern(1_000_000, 6);
    sim.send(app, &all);
    sim.clients[app].finish = true;
    sim.run(600 * SECOND);
    assert!(sim.world.lost > 5, "{}", sim.world.lost);
    assert!(sim.world.conns[0].received == all && sim.received(app) == all);
    sim.world.loss = 0;
    sim.run(300 * SECOND);
    sim.assert_clean();
}

#[test]
fn a_tun_that_takes_nothing_for_a_while_loses_no_byte() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(RECORD);
    let all = pattern(3_000_000, 7);
    sim.send(app, &all);
    sim.clients[app].finish = true;
    for _ in 0..6 {
        sim.run(10_000);
        sim.world.stalled_until = sim.world.now_us + 2 * SECOND;
        sim.run(2 * SECOND);
    }
    sim.run(60 * SECOND);
    assert!(sim.world.conns[0].received == all && sim.received(app) == all);
    sim.assert_clean();
}

#[test]
fn a_small_flow_has_its_turn_beside_a_large_one() {
    let mut sim = Sim::with(Script::echo());
    let large = sim.open(RECORD);
    let small = sim.open(RECORD);
    sim.settle();
    let up = pattern(8 << 20, 8);
    sim.send(large, &up);
    sim.send(small, b"x");
    sim.run_while(sim.world.now_us + SECOND, |sim| sim.world.conns[1].received.is_empty());
    assert_eq!(sim.world.conns[1].received, b"x");
    assert!(sim.world.conns[0].received.len() <= 2 * limits::PUMP_BUDGET);
}

#[test]
fn segments_that_overlap_or_come_twice_give_each_byte_once() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(tcp(from, to, Tcp::SYN));
    sim.settle();
    let ack = Some(sim.segments()[0].seq + 1);
    let all = pattern(1000, 9);
    let control = TcpControl::None;
    for range in [0..100, 300..500, 50..200, 450..600, 0..1000, 300..400, 999..1000] {
        let seq = 1001 + range.start as i32;
        sim.send_packet(tcp(from, to, Tcp { control, seq, ack, data: &all[range] }));
        sim.settle();
    }
    assert_eq!(sim.world.conns[0].received, all);
    let last = sim.segments().iter().map(|s| s.ack_number).max();
    assert_eq!(last, Some(1001 + 1000));
}

#[test]
fn sequence_numbers_may_pass_through_zero() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(tcp(from, to, Tcp { seq: -500, ..Tcp::SYN }));
    sim.settle();
    let ack = Some(sim.segments()[0].seq + 1);
    let all = pattern(3000, 9);
    for at in (0..3000).step_by(1000) {
        let (control, data) = (TcpControl::None, &all[at..at + 1000]);
        sim.send_packet(tcp(from, to, Tcp { control, seq: -499 + at as i32, ack, data }));
        sim.settle();
    }
    assert_eq!(sim.world.conns[0].received, all);
}

#[test]
fn data_to_an_app_that_does_not_answer_ends_the_flow_in_time() {
    let mut sim = Sim::with(Script { latency_us: SECOND, ..Script::echo() });
    let app = sim.open(RECORD);
    sim.run(2 * SECOND);
    // Idle for longer than the bound: that alone ends nothing.
    sim.run(3 * limits::TCP_TIMEOUT.as_micros() as i64);
    sim.send(app, POST);
    sim.run(SECOND / 2);
    sim.clients[app].unreachable = true;
    sim.run(SECOND);
    assert_eq!(sim.closed(), 0);
    sim.run(2 * limits::TCP_TIMEOUT.as_micros() as i64);
    sim.assert_clean();
}

#[test]
fn a_connection_that_was_idle_for_long_goes_on() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(RECORD);
    for n in 1..4 {
        sim.send(app, POST);
        sim.run(SECOND);
        assert_eq!(sim.received(app).len(), n * POST.len());
        sim.run(10 * limits::TCP_TIMEOUT.as_micros() as i64);
    }
    sim.clients[app].finish = true;
    sim.run(SECOND);
    assert!(sim.clients[app].peer_finished && !sim.clients[app].was_reset);
    sim.assert_clean();
}

#[test]
fn a_server_that_ends_after_a_long_silence_ends_in_peace() {
    let mut sim = Sim::with(Script {
        latency_us: 1000 * SECOND,
        fin: Fin::AfterBytes(1),
        ..Script::default()
    });
    sim.world.serve(
        (SERVER, 80),
        Script { latency_us: 14 * SECOND, fin: Fin::Never, ..Script::default() },
    );
    let app = sim.open(RECORD);
    sim.run(20 * SECOND);
    assert!(sim.clients[app].was_open);
    sim.run(10 * limits::TCP_TIMEOUT.as_micros() as i64);
    sim.world.end(0);
    sim.run(SECOND);
    assert!(sim.clients[app].peer_finished && !sim.clients[app].was_reset);
    sim.clients[app].finish = true;
    sim.run(SECOND);
    sim.assert_clean();
}
