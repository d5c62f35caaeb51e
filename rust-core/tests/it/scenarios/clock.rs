//! Clocks that jump: somebody sets the time, or the phone sleeps.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::event::Record;
use std::net::SocketAddr;

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

#[test]
fn a_wall_clock_that_is_set_moves_no_timer_and_ends_no_flow() {
    for jump in [-20 * YEAR_MS, 20 * YEAR_MS] {
        let mut sim = Sim::with(Script::echo());
        let app = sim.open(RECORD);
        sim.send(app, POST);
        sim.settle();
        sim.wall_ms += jump;
        sim.send(app, POST);
        sim.settle();
        assert_eq!(sim.received(app), [POST, POST].concat());
        let times = sim.world.records.iter().filter_map(|record| match record {
            Record::Request { time_ms, .. } => Some(*time_ms),
            _ => None,
        });
        let [before, after] = times.collect::<Vec<_>>()[..] else { panic!("not two requests") };
        assert!((after - before - jump).abs() < 1000, "{before} and {after}");
        sim.assert_idle();
        assert_eq!((sim.engine.flow_count(), sim.closed()), (1, 0));
    }
}

#[test]
fn a_pause_ends_by_the_wall_clock_however_it_comes_to_be_late() {
    let mut sim = Sim::with(Script::echo());
    let to = (sim.fake(LISTED), 80).into();
    sim.set_rules("version = 1\npaused_until = 2030-01-01T00:00:00Z\n");
    let app = sim.connect(BLOCK, to);
    sim.send(app, POST);
    sim.settle();
    assert_eq!((sim.received(app), sim.blocked()), (POST, 0));
    sim.wall_ms += 20 * YEAR_MS;
    let app = sim.connect(BLOCK, to);
    sim.settle();
    assert_eq!((sim.clients[app].was_open, sim.blocked()), (false, 1));
}

#[test]
fn after_a_long_sleep_connections_go_on_and_quiet_datagrams_are_over() {
    let mut sim = Sim::with(Script::echo());
    sim.world.serve((SERVER, 443), Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, POST);
    let to = SocketAddr::new(sim.fake(LISTED), 443);
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(udp(from, to, b"x"));
    sim.settle();
    assert_eq!(sim.engine.flow_count(), 2);
    // Nothing runs meanwhile, not even what was due.
    sim.world.now_us += 9 * HOUR_MS * 1000;
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), [POST, POST].concat());
    assert_eq!((sim.engine.flow_count(), sim.closed()), (1, 1));
    sim.assert_idle();
}
