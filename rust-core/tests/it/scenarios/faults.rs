//! Faults that other engines had and that no other file here is about: `docs/testing.md` has the
//! list.

use crate::harness::*;
use muzzle::event::Record;
use muzzle::limits;
use smoltcp::wire::TcpControl;
use std::net::SocketAddr;

#[test]
fn blocked_datagrams_hold_no_place_in_the_table_of_flows() {
    let mut sim = Sim::new(POLICY);
    let to = (sim.fake(LISTED), 443).into();
    let from = sim.source(BLOCK, SocketAddr::ip(&to));
    for n in 0..20_000_u16 {
        let from = SocketAddr::new(from.ip(), 10_000 + n);
        sim.world.owners.insert(from.port(), (Some(BLOCK), 0));
        sim.send_packet(udp(from, to, b"x"));
    }
    sim.settle();
    assert_eq!((sim.engine.flow_count(), sim.blocked()), (0, 20_000));
    assert_eq!(sim.engine.deadline(), None);
}

#[test]
fn a_name_that_moved_keeps_its_verdict_and_leads_to_the_new_server() {
    let mut sim = Sim::with(Script::echo());
    sim.world.serve((SERVER_TOO, 80), Script::echo());
    for (round, server) in [SERVER, SERVER_TOO].into_iter().enumerate() {
        sim.world.forget(LISTED);
        sim.world.zone(LISTED, Rr::A(server));
        let (blocked, recorded) = (sim.open(BLOCK), sim.open(RECORD));
        sim.send(recorded, b"GET / HTTP/1.1\r\n\r\n");
        sim.settle();
        assert!(sim.clients[blocked].was_reset && !sim.clients[recorded].was_reset);
        assert_eq!(sim.world.tried()[round..], [(server, 80).into()]);
        // Until the old addresses are no longer good.
        sim.run(i64::from(*limits::REAL_TTL.end() + 1) * SECOND);
    }
    assert_eq!(sim.blocked(), 2);
}

#[test]
fn one_socket_may_ask_many_questions_and_gets_every_answer() {
    let mut sim = Sim::new(POLICY);
    for n in 0..20 {
        sim.world.zone(&format!("n{n}.example.org"), Rr::A([198, 51, 100, n]));
    }
    let app = sim.source(RECORD, resolver().ip());
    for n in 0..20_u8 {
        let before = sim.seen.len();
        let question = query(n.into(), &format!("n{n}.example.org"), 1);
        sim.send_packet(udp(app, resolver(), &question));
        sim.settle();
        let answer = sim.answer_to(before, app).expect("an answer to each");
        assert!(answer.ends_with(&[198, 51, 100, n]), "{n}");
    }
}

#[test]
fn more_than_64_kib_may_be_under_way_to_an_app_that_offers_it() {
    let all = pattern(2_000_000, 8);
    let mut sim = Sim::with(Script::greets(&all));
    let to: SocketAddr = (sim.fake(LISTED), 80).into();
    let from = sim.source(RECORD, to.ip());
    let mut syn = tcp(from, to, Tcp::SYN);
    // The option of the window's scale (RFC 7323 §2.2): six bits.
    let at = syn.windows(3).rposition(|option| option == [3, 3, 0]).expect("an offer to scale");
    syn[at + 2] = 6;
    sim.send_packet(edit(syn, |_| ()));
    sim.run(10_000);
    let first = sim.segments()[0].seq + 1;
    let say = |ack, window| {
        let control = TcpControl::None;
        edit(tcp(from, to, Tcp { control, seq: 1001, ack: Some(ack), data: &[] }), |tcp| {
            tcp.set_window_len(window);
        })
    };
    // 40 000 << 6 is beyond what 16 bits hold, and what they would hold of it is 4096.
    sim.send_packet(say(first, 40_000));
    sim.settle();
    let flying: usize = sim.segments().iter().map(|s| s.data.len()).sum();
    assert!(flying > 1 << 17, "{flying}");
    let mut got = Vec::new();
    for _ in 0..100 {
        for segment in sim.segments() {
            if segment.seq == first + got.len() as i32 {
                got.extend_from_slice(&segment.data);
            }
        }
        sim.seen.clear();
        sim.send_packet(say(first + got.len() as i32, 40_000));
        sim.settle();
    }
    assert!(got == all, "{} of {}", got.len(), all.len());
    assert_eq!(sim.count(|r| matches!(r, Record::Closed { .. })), 0);
}
