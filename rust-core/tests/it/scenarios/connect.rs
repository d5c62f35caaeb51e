//! From the SYN to the connection, or to what the network says instead.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::engine::Drop;
use muzzle::limits;
use smoltcp::socket::tcp::State;
use smoltcp::wire::TcpControl;
use std::net::SocketAddr;

const V6: &str = SERVER_V6;

fn v6() -> SocketAddr {
    (V6.parse::<std::net::Ipv6Addr>().unwrap(), 80).into()
}

#[test]
fn a_connection_refused_by_the_server_is_refused_to_the_app() {
    let mut sim = Sim::with(Script::connect(Connect::Refuse));
    let app = sim.open(RECORD);
    sim.settle();
    assert!(sim.clients[app].was_reset && !sim.clients[app].was_open);
    assert_eq!(sim.engine.counters().dropped(Drop::ConnectFailed), 1);
    assert_eq!(sim.world.records, []);
    sim.assert_clean();
}

#[test]
fn an_unreachable_server_is_unreachable_to_the_app() {
    for connect in [Connect::Unreachable, Connect::NoRoute, Connect::NoDescriptor] {
        let mut sim = Sim::with(Script::connect(connect));
        let app = sim.open(RECORD);
        sim.settle();
        let local = sim.clients[app].local;
        let [icmp] = sim.icmp()[..] else { panic!("{connect:?} {:?}", sim.seen) };
        let expected = Icmp { to: local.ip(), src_port: local.port(), dst_port: 80, port: false };
        assert_eq!(*icmp, expected);
        sim.assert_clean();
    }
}

#[test]
fn a_server_that_never_answers_is_unreachable_after_the_time_for_a_connect() {
    let mut sim = Sim::with(Script::connect(Connect::Silent));
    let app = sim.open(RECORD);
    let limit = limits::CONNECT_TIMEOUT.as_micros() as i64;
    sim.run(limit - SECOND);
    assert!(!sim.clients[app].is_over());
    assert_eq!((sim.world.conns.len(), sim.world.open()), (1, 1));
    sim.run(2 * SECOND);
    assert!(sim.clients[app].unreachable);
    assert_eq!(sim.world.conns[0].closed, Some(true));
    sim.assert_clean();
}

#[test]
fn the_next_address_is_tried_where_the_first_refuses() {
    let mut sim = Sim::with(Script::connect(Connect::Refuse));
    sim.world.zone(LISTED, Rr::A(SERVER_TOO));
    sim.world.serve((SERVER_TOO, 80), Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.world.tried(), [(SERVER, 80).into(), (SERVER_TOO, 80).into()]);
    let server = sim.world.records.iter().find_map(|r| match r {
        muzzle::event::Record::Opened(facts) => facts.server,
        _ => None,
    });
    assert_eq!(server, Some((SERVER_TOO, 80).into()));
}

#[test]
fn an_ipv6_app_reaches_an_ipv4_server_and_the_other_way_round() {
    let mut sim = Sim::with(Script::echo());
    let to = (sim.fake_v6(LISTED), 80).into();
    let app = sim.connect(RECORD, to);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.world.tried(), [(SERVER, 80).into()]);

    let mut sim = Sim::new(POLICY);
    sim.world.forget(LISTED);
    sim.world.zone(LISTED, Rr::v6(V6));
    sim.world.serve(v6(), Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.world.tried(), [v6()]);
}

#[test]
fn an_app_gets_its_own_family_first() {
    for (own, first) in [(1, (SERVER, 80).into()), (28, v6())] {
        let mut sim = Sim::with(Script::echo());
        sim.world.zone(LISTED, Rr::v6(V6));
        sim.world.serve(v6(), Script::echo());
        let to = if own == 1 { sim.fake(LISTED) } else { sim.fake_v6(LISTED) };
        let app = sim.connect(RECORD, (to, 80).into());
        sim.send(app, POST);
        sim.settle();
        assert_eq!(sim.received(app), POST);
        assert_eq!(sim.world.tried(), [first]);
    }
}

#[test]
fn on_a_network_without_ipv4_an_ipv4_app_reaches_the_ipv6_server() {
    let mut sim = Sim::with(Script::connect(Connect::NoRoute));
    sim.world.zone(LISTED, Rr::v6(V6));
    sim.world.serve(v6(), Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.world.tried(), [v6()]);
}

#[test]
fn a_name_that_does_not_exist_is_unreachable() {
    let mut sim = Sim::new(POLICY);
    sim.world.forget(LISTED);
    let app = sim.open(RECORD);
    sim.settle();
    assert!(sim.clients[app].unreachable);
    assert_eq!(sim.world.tried(), []);
    sim.assert_clean();
}

#[test]
fn a_resolver_that_is_silent_ends_the_connect_and_leaves_nothing() {
    let mut sim = Sim::with(Script::echo());
    sim.world.modes.fill(Mode::Silent);
    let app = sim.open(RECORD);
    sim.run(20 * SECOND);
    assert!(sim.clients[app].unreachable);
    assert_eq!(sim.world.tried(), []);
    sim.assert_clean();
}

#[test]
fn real_addresses_are_asked_once_while_they_are_fresh() {
    let mut sim = Sim::with(Script::echo());
    let to = (sim.fake(LISTED), 80).into();
    for _ in 0..3 {
        let app = sim.connect(RECORD, to);
        sim.send(app, POST);
        sim.settle();
        assert_eq!(sim.received(app), POST);
    }
    assert_eq!(sim.world.asked_for(LISTED), 2, "A and AAAA");
    sim.run(61 * SECOND);
    let app = sim.connect(RECORD, to);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.world.asked_for(LISTED), 4);
}

#[test]
fn a_reset_while_connecting_closes_the_socket() {
    let slow = Script { latency_us: 5 * SECOND, ..Script::echo() };
    let mut sim = Sim::with(slow);
    let app = sim.open(RECORD);
    sim.settle();
    assert_eq!(sim.world.open(), 1);
    sim.clients[app].abort();
    sim.settle();
    assert_eq!(sim.world.conns[0].closed, Some(true));
    assert_eq!(sim.world.records, []);
    sim.assert_clean();
}

#[test]
fn a_reset_in_answer_to_our_syn_ack_closes_the_socket() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    sim.send_packet(tcp(from, to, Tcp::SYN));
    sim.settle();
    let [first, ..] = sim.segments()[..] else { panic!("no answer to the SYN") };
    assert!(first.syn && first.ack);
    let control = TcpControl::Rst;
    sim.send_packet(tcp(from, to, Tcp { control, seq: 1001, ack: None, data: &[] }));
    sim.settle();
    assert_eq!(sim.world.conns[0].closed, Some(true));
    sim.assert_clean();
}

#[test]
fn an_app_that_never_completes_the_handshake_is_forgotten() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    for _ in 0..50 {
        let from = sim.source(RECORD, to.ip());
        sim.send_packet(tcp(from, to, Tcp::SYN));
    }
    sim.run(SECOND);
    assert_eq!(sim.engine.flow_count(), 50);
    sim.run(2 * limits::TCP_TIMEOUT.as_micros() as i64);
    sim.assert_clean();
}

#[test]
fn an_app_that_vanishes_after_our_end_of_the_stream_is_forgotten() {
    let mut sim =
        Sim::with(Script { fin: Fin::AfterGreeting, latency_us: SECOND, ..Script::default() });
    let app = sim.open(RECORD);
    sim.run(3 * SECOND / 2);
    assert_eq!(sim.clients[app].state(), State::Established);
    sim.clients[app].unreachable = true;
    sim.run(2 * limits::TCP_TIMEOUT.as_micros() as i64);
    sim.assert_clean();
}

#[test]
fn a_syn_that_carries_data_opens_a_connection_like_any_other() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    let data = pattern(500, 1);
    sim.send_packet(tcp(from, to, Tcp { data: &data, ..Tcp::SYN }));
    sim.settle();
    let [first, ..] = sim.segments()[..] else { panic!("no answer to the SYN") };
    assert!(first.syn && first.ack);
    assert_eq!(first.ack_number, 1001, "the data is to be sent again");

    let from = sim.source(BLOCK, to.ip());
    sim.send_packet(tcp(from, to, Tcp { data: &data, ..Tcp::SYN }));
    sim.settle();
    assert!(sim.segments().iter().any(|s| s.rst && s.dst == from));
}

#[test]
fn a_port_is_used_again_right_after_a_reset() {
    let mut sim = Sim::with(Script::echo());
    let first = sim.open(RECORD);
    sim.send(first, POST);
    sim.settle();
    let (local, remote) = (sim.clients[first].local, sim.clients[first].remote);
    sim.clients[first].abort();
    // Reset and SYN reach the engine in one batch.
    let second = sim.connect_from(local, remote);
    sim.send(second, POST);
    sim.settle();
    assert!(!sim.clients[second].was_reset);
    assert_eq!(sim.received(second), POST);
    assert_eq!((sim.world.conns.len(), sim.opened(), sim.closed()), (2, 2, 1));
    assert_eq!(sim.world.conns[0].closed, Some(true));
}

#[test]
fn a_port_is_used_again_after_a_peaceful_end() {
    let mut sim = Sim::with(Script::echo());
    let first = sim.open(RECORD);
    sim.send(first, POST);
    sim.clients[first].finish = true;
    sim.settle();
    let (local, remote) = (sim.clients[first].local, sim.clients[first].remote);
    let second = sim.connect_from(local, remote);
    sim.send(second, POST);
    sim.settle();
    assert_eq!(sim.received(second), POST);
    assert_eq!((sim.opened(), sim.closed()), (2, 1));
}

#[test]
fn an_address_that_stands_for_no_name_is_refused() {
    let mut sim = Sim::with(Script::echo());
    let to = ([198, 18, 77, 77], 80).into();
    let app = sim.connect(RECORD, to);
    sim.settle();
    assert!(sim.clients[app].was_reset);
    assert_eq!(sim.engine.counters().dropped(Drop::NoName), 1);
    let foreign = sim.connect(RECORD, ([8, 8, 8, 8], 443).into());
    sim.settle();
    assert!(sim.clients[foreign].was_reset);
    assert_eq!(sim.engine.counters().dropped(Drop::NoName), 2);
    assert_eq!(sim.world.records, []);
    sim.assert_clean();
}

#[test]
fn a_segment_of_no_connection_is_reset_and_a_reset_is_not_answered() {
    let mut sim = Sim::with(Script::echo());
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    let control = TcpControl::None;
    sim.send_packet(tcp(from, to, Tcp { control, seq: 5, ack: Some(77), data: b"x" }));
    sim.send_packet(tcp(from, to, Tcp { control: TcpControl::Rst, seq: 5, ack: None, data: &[] }));
    sim.settle();
    let [reset] = sim.segments()[..] else { panic!("{:?}", sim.seen) };
    assert!(reset.rst && reset.seq == 77);
    assert_eq!(sim.engine.counters().dropped(Drop::NoFlow), 1);
    sim.assert_clean();
}

/// A name with two IPv4 addresses and one of IPv6; the first swallows packets.
fn silent_first(second: Script, third: Script) -> Sim {
    let mut sim = Sim::with(Script::connect(Connect::Silent));
    sim.world.zone(LISTED, Rr::A(SERVER_TOO));
    sim.world.zone(LISTED, Rr::v6(V6));
    sim.world.serve((SERVER_TOO, 80), second);
    sim.world.serve(v6(), third);
    sim
}

#[test]
fn an_address_that_swallows_packets_costs_a_moment() {
    let mut sim = silent_first(Script::echo(), Script::connect(Connect::Silent));
    // The app's first connect learns the addresses, and each has its turn.
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.run(SECOND);
    assert_eq!(sim.received(app), POST);
    assert!(sim.world.tried().contains(&(SERVER_TOO, 80).into()));
    assert_eq!(sim.world.open(), 1, "the others were given up");
    // The second knows them: its own family, then the other, then its own.
    let before = sim.world.tried().len();
    let again = sim.open(RECORD);
    sim.send(again, POST);
    sim.run(limits::CONNECT_STAGGER.as_micros() as i64 * 3 / 2);
    let first: SocketAddr = (SERVER, 80).into();
    assert_eq!(sim.world.tried()[before..], [first, v6()]);
    sim.run(SECOND);
    assert_eq!(sim.world.tried()[before..], [first, v6(), (SERVER_TOO, 80).into()]);
    assert_eq!(sim.received(again), POST);
    let servers = sim.world.records.iter().filter_map(|r| match r {
        muzzle::event::Record::Opened(facts) => facts.server,
        _ => None,
    });
    assert_eq!(servers.collect::<Vec<_>>(), [(SERVER_TOO, 80).into(); 2]);
    for client in [app, again] {
        sim.clients[client].finish = true;
    }
    sim.run(15 * SECOND);
    sim.assert_clean();
}

#[test]
fn a_slow_first_address_wins_where_it_answers_first() {
    let slow = 400_000;
    let mut sim = silent_first(Script::echo(), Script::connect(Connect::Silent));
    sim.world.serve((SERVER, 80), Script { latency_us: slow, ..Script::echo() });
    sim.world.serve((SERVER_TOO, 80), Script { latency_us: 2 * slow, ..Script::echo() });
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.run(5 * SECOND);
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.world.conns[0].received, POST, "the first attempt was not given up");
    assert_eq!(sim.world.open(), 1);
}

#[test]
fn an_app_that_gives_up_takes_all_attempts_along() {
    let silent = || Script::connect(Connect::Silent);
    let mut sim = silent_first(silent(), silent());
    let app = sim.open(RECORD);
    sim.run(SECOND);
    assert_eq!((sim.world.open(), sim.engine.flow_count()), (3, 3));
    sim.clients[app].abort();
    sim.settle();
    assert!(sim.world.conns.iter().all(|conn| conn.closed == Some(true)));
    sim.assert_clean();

    let app = sim.open(RECORD);
    sim.run(limits::CONNECT_TIMEOUT.as_micros() as i64 + SECOND);
    assert!(sim.clients[app].unreachable);
    sim.assert_clean();
}
