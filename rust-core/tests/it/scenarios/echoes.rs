//! ICMP echoes.

use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::event::{Record, Transport, Verdict};
use muzzle::limits;
use std::net::{IpAddr, SocketAddr};

const HOST: [u8; 4] = [198, 51, 100, 7];
const HOST_V6: &str = "2001:db8:51::7";
const BLOCK_ALL: &str = "version = 1\ndefault = \"block\"\n";
const RECORD_ALL: &str = "version = 1\ndefault = \"record\"\n";
const OFF_ALL: &str = "version = 1\ndefault = \"off\"\n";

fn v6() -> IpAddr {
    HOST_V6.parse().unwrap()
}

/// A world whose hosts answer echoes.
fn awake(mut sim: Sim) -> Sim {
    for host in [HOST.into(), SERVER.into(), SERVER_V6.parse().unwrap(), v6()] {
        sim.world.serve(SocketAddr::new(host, 0), Script::echo());
    }
    sim
}

fn ping(sim: &mut Sim, from: SocketAddr, to: IpAddr, number: u16, data: &[u8]) {
    sim.send_packet(echo(from, to, number, data));
    sim.settle();
}

#[test]
fn an_echo_to_an_address_comes_back_as_it_was_with_the_apps_identifier() {
    for to in [HOST.into(), v6()] {
        let mut sim = awake(Sim::deep(POLICY));
        let from = sim.app(to, 0xbeef);
        let large = pattern(1400, 3);
        for (number, data) in [(1, &b""[..]), (2, b"x"), (3, &large)] {
            ping(&mut sim, from, to, number, data);
        }
        let expected = [(to, 1, &b""[..]), (to, 2, b"x"), (to, 3, &large)];
        assert_eq!(sim.echoes(from), expected);
        assert_eq!(sim.world.tried(), [SocketAddr::new(to, 0)], "one socket for all of them");
    }
}

#[test]
fn two_programs_that_ping_one_host_get_their_own_replies() {
    let mut sim = awake(Sim::deep(POLICY));
    let to = HOST.into();
    let (one, other) = (sim.app(to, 1), sim.app(to, 2));
    sim.send_packet(echo(one, to, 7, b"one"));
    ping(&mut sim, other, to, 7, b"other");
    assert_eq!(sim.echoes(one), [(to, 7, &b"one"[..])]);
    assert_eq!(sim.echoes(other), [(to, 7, &b"other"[..])]);
}

#[test]
fn a_quiet_echo_flow_ends_and_wakes_nobody_again() {
    let mut sim = awake(Sim::deep(POLICY));
    let from = sim.app(HOST.into(), 1);
    ping(&mut sim, from, HOST.into(), 1, b"12345678");
    sim.run(limits::ECHO_IDLE.as_micros() as i64 / 2);
    ping(&mut sim, from, HOST.into(), 2, b"12345678");
    sim.run(limits::ECHO_IDLE.as_micros() as i64 * 3 / 4);
    assert_eq!(sim.engine.flow_count(), 1);
    sim.run(limits::ECHO_IDLE.as_micros() as i64);
    sim.assert_clean();
    let [Record::Passed { facts, up: 32, down: 32 }] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    assert_eq!((facts.transport, facts.uid), (Transport::Icmp, None));
}

#[test]
fn a_blocked_name_is_refused_each_time_and_told_of_once() {
    let mut sim = awake(Sim::new(BLOCK_ALL));
    for (to, kind, code) in [(sim.fake(LISTED), 3, 13), (sim.fake_v6(LISTED), 1, 1)] {
        let before = sim.blocked();
        let from = sim.app(to, 9);
        ping(&mut sim, from, to, 1, b"x");
        ping(&mut sim, from, to, 2, b"x");
        let expected = [1, 2].map(|number| EchoError { kind, code, ident: 9, number });
        assert_eq!(sim.echo_errors().split_off(2 * before), expected);
        assert_eq!(sim.blocked(), before + 1);
    }
    let Some(Record::Blocked(facts)) = sim.world.records.first() else { panic!() };
    assert_eq!(facts.host.as_deref(), Some(LISTED));
    assert_eq!((facts.transport, facts.verdict), (Transport::Icmp, Verdict::Block));
    assert_eq!((sim.world.tried(), sim.world.asked_for(LISTED)), (vec![], 0));
    sim.run(2 * limits::ECHO_IDLE.as_micros() as i64);
    sim.assert_clean();
}

#[test]
fn a_recorded_name_is_answered_by_its_real_host() {
    let mut sim = awake(Sim::new(RECORD_ALL));
    let to = sim.fake(LISTED);
    let from = sim.app(to, 9);
    ping(&mut sim, from, to, 1, b"hello");
    assert_eq!(sim.echoes(from), [(to, 1, &b"hello"[..])]);
    assert_eq!(sim.world.tried(), [(SERVER, 0).into()]);
    let told = |r: &Record| matches!(r, Record::Opaque { transport: Transport::Icmp, .. });
    assert_eq!((sim.opened(), sim.count(told)), (1, 1));
    sim.run(2 * limits::ECHO_IDLE.as_micros() as i64);
    assert_eq!(sim.sums(), [(13, 13)]);
    sim.assert_clean();
}

#[test]
fn an_echo_finds_a_host_of_the_other_family() {
    let mut sim = awake(Sim::new(RECORD_ALL));
    let to = sim.fake_v6(LISTED);
    let from = sim.app(to, 9);
    ping(&mut sim, from, to, 1, b"hello");
    assert_eq!(sim.echoes(from), [(to, 1, &b"hello"[..])]);
    assert_eq!(sim.world.tried(), [(SERVER, 0).into()]);
}

#[test]
fn a_choice_for_one_app_does_not_reach_echoes() {
    // Nobody tells whose an echo is, so what holds for all holds for it.
    let mut sim = awake(Sim::new(POLICY));
    let to = sim.fake(LISTED);
    let from = sim.source(OFF, to);
    ping(&mut sim, from, to, 1, b"x");
    assert_eq!((sim.echo_errors().len(), sim.blocked()), (1, 1));
}

#[test]
fn a_new_policy_acts_on_an_echo_flow_at_once() {
    let mut sim = awake(Sim::new(BLOCK_ALL));
    let to = sim.fake(LISTED);
    let from = sim.app(to, 9);
    ping(&mut sim, from, to, 1, b"x");
    assert_eq!(sim.echo_errors().len(), 1);
    sim.set_rules(OFF_ALL);
    ping(&mut sim, from, to, 2, b"x");
    assert_eq!(sim.echoes(from), [(to, 2, &b"x"[..])]);
    sim.set_rules(BLOCK_ALL);
    ping(&mut sim, from, to, 3, b"x");
    assert_eq!((sim.echoes(from).len(), sim.echo_errors().len()), (1, 2));
}

#[test]
fn where_no_echo_can_be_sent_the_host_is_unreachable() {
    let mut sim = Sim::deep(POLICY);
    sim.world.serve((HOST, 0), Script::connect(Connect::NoDescriptor));
    let from = sim.app(HOST.into(), 9);
    ping(&mut sim, from, HOST.into(), 1, b"x");
    let expected = EchoError { kind: 3, code: 1, ident: 9, number: 1 };
    assert_eq!(sim.echo_errors(), [expected]);
    assert_eq!(sim.engine.counters().dropped(Drop::ConnectFailed), 1);
    sim.assert_clean();
}

#[test]
fn an_address_of_ours_without_a_name_is_unreachable_and_others_are_none_of_lights() {
    let mut sim = awake(Sim::new(POLICY));
    let from = sim.app(HOST.into(), 9);
    ping(&mut sim, from, [198, 19, 7, 7].into(), 1, b"x");
    ping(&mut sim, from, HOST.into(), 1, b"x");
    assert_eq!(sim.echo_errors(), [EchoError { kind: 3, code: 1, ident: 9, number: 1 }]);
    assert_eq!(sim.engine.counters().dropped(Drop::NoName), 2);
    sim.assert_clean();
}

#[test]
fn a_program_that_pings_everybody_holds_so_many_sockets_and_no_more() {
    let mut sim = awake(Sim::deep(POLICY));
    let from = sim.app(HOST.into(), 9);
    for n in 0..limits::ECHOES + 10 {
        let to = [198, 51, 100 + (n / 200) as u8, (n % 200) as u8];
        sim.send_packet(echo(from, to.into(), 1, b"x"));
    }
    sim.settle();
    assert_eq!((sim.world.open(), sim.engine.flow_count()), (limits::ECHOES, limits::ECHOES));
    assert_eq!(sim.engine.counters().dropped(Drop::FlowLimit), 10);
    sim.shut_down();
    sim.assert_clean();
}
