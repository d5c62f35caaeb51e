//! Captured flows: answered here, stored, and never seen by the network.

use super::verdicts::POST;
use crate::harness::*;
use muzzle::event::Record;

fn answers(bytes: &[u8]) -> usize {
    bytes.windows(12).filter(|w| w == b"HTTP/1.1 200").count()
}

fn nothing_left(sim: &Sim) {
    assert_eq!(sim.world.tried(), []);
    assert_eq!(sim.world.asked, []);
}

#[test]
fn a_captured_request_is_answered_here_and_nothing_connects() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(answers(sim.received(app)), 1);
    sim.clients[app].finish = true;
    sim.settle();
    assert!(sim.clients[app].peer_finished && !sim.clients[app].was_reset);
    assert_eq!((sim.opened(), sim.bodies()), (1, vec![&b"hello"[..]]));
    let down = sim.received(app).len() as u64;
    assert_eq!(sim.sums(), [(POST.len() as u64, down)]);
    nothing_left(&sim);
    sim.assert_clean();
}

#[test]
fn pipelined_requests_are_answered_in_their_number() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.clients[app].piece = 7;
    for n in 0..20 {
        let body = format!("event-{n:02}");
        let head = format!("POST /{n} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        sim.send(app, (head + &body).as_bytes());
    }
    sim.settle();
    assert_eq!(answers(sim.received(app)), 20);
    let expected: Vec<_> = (0..20).map(|n| format!("event-{n:02}").into_bytes()).collect();
    assert_eq!(sim.bodies(), expected);
    nothing_left(&sim);
}

#[test]
fn a_chunked_body_is_stored_without_its_chunks() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.clients[app].piece = 3;
    sim.send(app, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    sim.send(app, b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
    sim.settle();
    assert_eq!((answers(sim.received(app)), sim.bodies()), (1, vec![&b"abcde"[..]]));
}

#[test]
fn an_app_that_waits_for_100_gets_it_and_then_its_answer() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.send(app, b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    sim.settle();
    assert_eq!(sim.received(app), b"HTTP/1.1 100 Continue\r\n\r\n");
    sim.send(app, b"hello");
    sim.settle();
    assert_eq!((answers(sim.received(app)), sim.bodies()), (1, vec![&b"hello"[..]]));
    nothing_left(&sim);
}

#[test]
fn a_connection_that_asks_to_be_closed_is_closed_after_the_answer() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.send(app, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    sim.settle();
    assert_eq!(answers(sim.received(app)), 1);
    assert!(sim.clients[app].peer_finished);
    sim.clients[app].finish = true;
    sim.settle();
    sim.assert_clean();
}

#[test]
fn tls_where_it_cannot_be_answered_is_reset_and_stored_as_blocked() {
    let mut sim = Sim::with(Script::echo());
    let to = (sim.fake(LISTED), 443).into();
    let app = sim.connect(CAPTURE, to);
    sim.send(app, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03");
    sim.settle();
    assert!(sim.clients[app].was_reset);
    assert_eq!(sim.blocked(), 1);
    nothing_left(&sim);
    sim.assert_clean();
}

#[test]
fn a_captured_request_that_is_cut_is_stored_as_cut() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.send(app, &POST[..POST.len() - 1]);
    sim.settle();
    sim.clients[app].abort();
    sim.settle();
    let cut = |r: &Record| matches!(r, Record::Request { request, .. } if request.cut);
    assert_eq!(sim.count(cut), 1);
    sim.assert_clean();
}

#[test]
fn a_captured_app_that_does_not_read_holds_a_bounded_backlog() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(CAPTURE);
    sim.clients[app].reading = false;
    for _ in 0..40_000 {
        sim.send(app, b"GET / HTTP/1.1\r\n\r\n");
    }
    sim.run(5 * SECOND);
    let taken = sim.bodies().len();
    assert!(taken < 40_000, "all of {taken} requests were taken");
    sim.clients[app].reading = true;
    sim.run(30 * SECOND);
    assert_eq!((sim.bodies().len(), answers(sim.received(app))), (40_000, 40_000));
}
