//! Where descriptors are short.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::engine::Drop;

fn short(sim: &Sim) -> u64 {
    sim.engine.counters().dropped(Drop::DescriptorLimit)
}

#[test]
fn the_connection_that_was_idle_longest_gives_its_descriptor_away() {
    let mut sim = Sim::with(Script::echo());
    sim.world.descriptors = 3;
    let apps: Vec<_> = (0..3).map(|_| sim.open(RECORD)).collect();
    for app in &apps {
        sim.send(*app, POST);
    }
    sim.settle();
    // The first is used again, so the second goes.
    sim.send(apps[0], POST);
    sim.settle();
    let late = sim.open(RECORD);
    sim.send(late, POST);
    sim.settle();
    assert_eq!(sim.received(late), POST);
    let reset: Vec<_> = apps.iter().map(|app| sim.clients[*app].was_reset).collect();
    assert_eq!((reset, short(&sim)), (vec![false, true, false], 1));
    assert_eq!((sim.opened(), sim.closed(), sim.world.open()), (4, 1, 3));
    sim.shut_down();
    sim.assert_clean();
}

#[test]
fn datagram_flows_give_way_too_and_their_apps_see_nothing() {
    let mut sim = Sim::new(POLICY);
    sim.world.serve((SERVER, 443), Script::echo());
    let to = (sim.fake(LISTED), 443).into();
    let from = sim.source(RECORD, std::net::SocketAddr::ip(&to));
    sim.send_packet(udp(from, to, b"first"));
    sim.settle();
    sim.world.descriptors = 1;
    let other = sim.source(RECORD, from.ip());
    sim.send_packet(udp(other, to, b"second"));
    sim.settle();
    assert_eq!((sim.datagrams(other), short(&sim), sim.closed()), (vec![&b"second"[..]], 1, 1));
    assert_eq!(sim.icmp().len(), 0);
    // It begins anew with the next datagram.
    sim.send_packet(udp(from, to, b"third"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [&b"first"[..], b"third"]);
}

#[test]
fn without_any_descriptor_an_app_is_told_and_the_engine_goes_on() {
    let mut sim = Sim::with(Script::echo());
    sim.world.descriptors = 0;
    let app = sim.open(RECORD);
    sim.settle();
    assert!(sim.clients[app].unreachable);
    assert_eq!(sim.engine.counters().dropped(Drop::ConnectFailed), 1);
    sim.assert_clean();
    sim.world.descriptors = 1;
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!((sim.received(app), short(&sim)), (POST, 0));
}
