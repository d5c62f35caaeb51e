//! A day of short connections in virtual time: memory stays flat, and no socket is left.

use crate::harness::*;
use crate::{held, number};
use smoltcp::wire::TcpControl;
use std::net::SocketAddr;

/// Connections between two looks at what is held.
const BLOCK_OF: u64 = 5000;
const REQUEST: &[u8] = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

/// One connection, from its SYN to both ends; each tenth ends by a reset.
fn connection(sim: &mut Sim, number: u64, to: SocketAddr) {
    let port = 10_000 + (number % 50_000) as u16;
    let from = sim.app(to.ip(), port);
    let seq = number as i32;
    sim.send_packet(tcp(from, to, Tcp { seq, ..Tcp::SYN }));
    sim.run(3000);
    let answer = sim.segments().last().map(|s| (s.syn && s.ack, s.seq.wrapping_add(1)));
    let Some((true, ack)) = answer else { panic!("connection {number}: {:?}", sim.seen) };
    let seq = seq.wrapping_add(1);
    let say = |control, seq, ack, data| tcp(from, to, Tcp { control, seq, ack: Some(ack), data });
    sim.send_packet(say(TcpControl::Psh, seq, ack, REQUEST));
    sim.run(3000);
    let reply = sim.segments().last().map(|s| s.data.clone());
    assert_eq!(reply.as_deref(), Some(REQUEST), "connection {number}");
    let (seq, ack) =
        (seq.wrapping_add(REQUEST.len() as i32), ack.wrapping_add(REQUEST.len() as i32));
    if number.is_multiple_of(10) {
        sim.send_packet(say(TcpControl::Rst, seq, ack, b""));
        sim.run(10);
    } else {
        sim.send_packet(say(TcpControl::Fin, seq, ack, b""));
        sim.run(3000);
        let ended = sim.segments().last().is_some_and(|s| s.fin);
        assert!(ended, "connection {number}: the server's end did not come");
        sim.send_packet(say(TcpControl::None, seq.wrapping_add(1), ack.wrapping_add(1), b""));
        sim.run(10);
    }
    sim.seen.clear();
}

#[test]
fn many_short_flows_leave_memory_flat_and_no_socket() {
    let all = number("MUZZLE_FLOWS", 20_000);
    println!("{all} short flows");
    let mut sim = Sim::with(Script::echo());
    sim.world.serve((SERVER, 443), Script::echo());
    let (listed, mut done) = (sim.fake(LISTED), 0_u64);
    for port in 10_000..60_000 {
        sim.world.owners.insert(port, ([Some(RECORD), Some(OFF)][usize::from(port % 2)], 0));
    }
    let mut block = |sim: &mut Sim| {
        for _ in 0..BLOCK_OF {
            let port = if done.is_multiple_of(4) { 443 } else { 80 };
            connection(sim, done, (listed, port).into());
            done += 1;
        }
        assert_eq!((sim.engine.flow_count(), sim.world.open()), (0, 0), "after {done}");
        assert_eq!(sim.engine.deadline(), None, "after {done}");
        sim.forget_past();
        done
    };
    // The first block fills pools and vectors; from there on nothing grows.
    let mut first = 0;
    let warm = held(|| first = block(&mut sim));
    let mut grown = 0;
    while first < all {
        grown += held(|| first = block(&mut sim));
        let bound = warm.max(1 << 20) / 20;
        assert!(grown < bound, "{grown} bytes more are held after {first} flows, {warm} at first");
    }
}
