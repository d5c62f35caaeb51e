//! The phone comes to another network while flows live.

use super::verdicts::POST;
use crate::harness::*;
use std::net::SocketAddr;

const OTHERS: [SocketAddr; 1] =
    [SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 53)), 53)];

fn server() -> SocketAddr {
    (SERVER, 80).into()
}

#[test]
fn connections_whose_address_is_gone_end_and_the_others_go_on() {
    let mut sim = Sim::with(Script::echo());
    sim.world.serve((SERVER_TOO, 80), Script::echo());
    let lost = sim.open(RECORD);
    let to = (sim.fake(LISTED_TOO), 80).into();
    let kept = sim.connect(RECORD, to);
    for app in [lost, kept] {
        sim.send(app, POST);
    }
    sim.settle();
    sim.move_to(&[], &[server()]);
    sim.send(kept, POST);
    sim.settle();
    assert!(sim.clients[lost].was_reset && !sim.clients[kept].was_reset);
    assert_eq!(sim.received(kept), [POST, POST].concat());
    assert_eq!((sim.closed(), sim.world.open()), (1, 1));
}

#[test]
fn a_connection_that_is_not_made_yet_is_made_from_the_new_network() {
    let mut sim = Sim::with(Script::connect(Connect::Silent));
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!((sim.world.tried(), sim.world.asked_for(LISTED)), (vec![server()], 2));
    sim.world.serve((SERVER, 80), Script::echo());
    sim.move_to(&[], &[server()]);
    sim.world.cut_off.clear();
    sim.settle();
    assert_eq!((sim.received(app), sim.clients[app].was_reset), (POST, false));
    assert_eq!(sim.world.asked_for(LISTED), 4, "addresses of elsewhere are asked for again");
    assert_eq!(sim.world.conns[0].closed, Some(true));
    sim.shut_down();
    sim.assert_clean();
}

#[test]
fn questions_that_wait_are_asked_of_the_new_resolver() {
    let mut sim = Sim::with(Script::echo());
    sim.world.modes.fill(Mode::Silent);
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), b"");
    sim.move_to(&OTHERS, &[]);
    assert_eq!(sim.world.resolvers, OTHERS);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    let asked: Vec<_> = sim.world.asked.iter().map(|a| a.resolver).collect();
    assert_eq!(asked, [0, 0, 0, 0]);
    sim.shut_down();
    sim.assert_clean();
}

#[test]
fn without_new_resolvers_those_before_are_spoken_to_anew() {
    let mut sim = Sim::new(POLICY);
    sim.move_to(&OTHERS, &[]);
    sim.move_to(&[], &[]);
    assert_eq!(sim.world.resolvers, OTHERS);
}

#[test]
fn a_question_over_tcp_is_asked_by_a_datagram_again() {
    let mut sim = Sim::with(Script::echo());
    sim.world.modes.fill(Mode::Truncate);
    let resolvers: Vec<_> = ["192.0.2.53:53", "192.0.2.54:53"].map(|a| a.parse().unwrap()).into();
    for resolver in &resolvers {
        sim.world.serve(*resolver, Script::connect(Connect::Silent));
    }
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.world.open(), 2, "both questions go over TCP");
    sim.move_to(&OTHERS, &resolvers);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    sim.shut_down();
    sim.assert_clean();
}

#[test]
fn datagrams_go_on_from_the_new_address() {
    let mut sim = Sim::new(POLICY);
    let server = SocketAddr::from((SERVER, 443));
    sim.world.serve(server, Script::echo());
    let to = (sim.fake(LISTED), 443).into();
    let from = sim.source(RECORD, SocketAddr::ip(&to));
    sim.send_packet(udp(from, to, b"before"));
    sim.settle();
    sim.move_to(&[], &[server]);
    sim.send_packet(udp(from, to, b"after"));
    sim.settle();
    assert_eq!(sim.datagrams(from), [&b"before"[..], b"after"]);
    assert_eq!((sim.world.tried(), sim.world.open()), (vec![server, server], 1));
    assert_eq!((sim.opened(), sim.closed()), (1, 0));
}

#[test]
fn a_datagram_flow_ends_where_the_new_network_has_no_way() {
    let mut sim = Sim::new(POLICY);
    let server = SocketAddr::from((SERVER, 443));
    sim.world.serve(server, Script::echo());
    let to = (sim.fake(LISTED), 443).into();
    let from = sim.source(RECORD, SocketAddr::ip(&to));
    sim.send_packet(udp(from, to, b"before"));
    sim.settle();
    sim.world.serve(server, Script::connect(Connect::NoRoute));
    sim.move_to(&[], &[server]);
    sim.settle();
    sim.assert_clean();
}
