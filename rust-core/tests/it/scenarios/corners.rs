//! Corners of TCP, in Light and in Deep, over IPv4 and IPv6: by segments written by hand.

use crate::harness::*;
use muzzle::engine::Reach;
use muzzle::limits;
use smoltcp::wire::TcpControl;
use std::net::{IpAddr, SocketAddr};

/// A port whose server may speak first: it is connected to before the app is answered.
const PORT: u16 = 5222;

/// An app's connection of which each segment is written here.
struct Raw {
    sim: Sim,
    from: SocketAddr,
    to: SocketAddr,
    /// The next byte of the app.
    seq: i32,
    /// The next byte of the server.
    ack: i32,
}

fn v6() -> IpAddr {
    SERVER_V6.parse().unwrap()
}

/// The same world in Light at a fake address, and in Deep at a bare one of each family; each where
/// quiet connections keep their buffers, and where all of them are parked.
fn worlds(script: &Script) -> Vec<(Sim, SocketAddr)> {
    let mut all = Vec::new();
    for awake in [limits::AWAKE, 0] {
        let mut light = Sim::keeping(awake, Reach::Light, POLICY);
        light.world.serve((SERVER, PORT), script.clone());
        let v4 = light.fake(LISTED);
        all.push((light, SocketAddr::new(v4, PORT)));
        for addr in [SERVER.into(), v6()] {
            let mut deep = Sim::keeping(awake, Reach::Deep, POLICY);
            deep.world.serve((addr, PORT), script.clone());
            all.push((deep, (addr, PORT).into()));
        }
    }
    all
}

/// Does the same with an open connection in each of the [`worlds`].
fn each(script: &Script, work: impl Fn(Raw)) {
    for (sim, to) in worlds(script) {
        work(Raw::open(sim, to));
    }
}

impl Raw {
    fn open(mut sim: Sim, to: SocketAddr) -> Self {
        let from = sim.source(RECORD, to.ip());
        let mut raw = Self { sim, from, to, seq: 1000, ack: 0 };
        raw.sim.send_packet(tcp(from, to, Tcp::SYN));
        raw.sim.settle();
        let answer = raw.last();
        assert!(answer.syn && answer.ack && !answer.rst, "{to}: {answer:?}");
        (raw.seq, raw.ack) = (1001, answer.seq + 1);
        raw
    }

    fn segment(&self, control: TcpControl, data: &[u8]) -> Vec<u8> {
        tcp(self.from, self.to, Tcp { control, seq: self.seq, ack: Some(self.ack), data })
    }

    /// Sends a segment and lets everything happen that needs no time-out.
    fn say(&mut self, control: TcpControl, data: &[u8]) {
        let segment = self.segment(control, data);
        self.put(segment, data.len() + usize::from(control == TcpControl::Fin));
    }

    fn put(&mut self, segment: Vec<u8>, len: usize) {
        self.sim.send_packet(segment);
        self.sim.settle();
        self.seq += len as i32;
    }

    /// Says with this window that everything up to `ack` has come.
    fn window(&mut self, window: u16) {
        let segment = self.segment(TcpControl::None, &[]);
        self.put(edit(segment, |tcp| tcp.set_window_len(window)), 0);
    }

    fn last(&self) -> Segment {
        self.sim.segments().last().copied().expect("a segment").clone()
    }

    /// Takes all bytes that came in order; whether anything new did.
    fn take(&mut self, into: &mut Vec<u8>) -> bool {
        let before = (into.len(), self.ack);
        let segments: Vec<_> = self.sim.segments().into_iter().cloned().collect();
        for segment in segments {
            if segment.seq == self.ack && (!segment.data.is_empty() || segment.fin) {
                into.extend_from_slice(&segment.data);
                self.ack += segment.data.len() as i32 + i32::from(segment.fin);
            }
        }
        before != (into.len(), self.ack)
    }

    fn server(&self) -> &[u8] {
        &self.sim.world.conns[0].received
    }

    fn is_gone(&self) -> bool {
        self.sim.engine.flow_count() == 0 && self.sim.world.open() == 0
    }
}

#[test]
fn urgent_bytes_stay_in_the_stream_and_an_urgent_end_ends_it() {
    each(&Script::echo(), |mut raw| {
        let urgent = |segment| {
            edit(segment, |tcp: &mut smoltcp::wire::TcpPacket<&mut [u8]>| {
                tcp.set_urg(true);
                tcp.set_urgent_at(3);
            })
        };
        let data = urgent(raw.segment(TcpControl::None, b"urgent"));
        raw.put(data, 6);
        let end = urgent(raw.segment(TcpControl::Fin, b"end"));
        raw.put(end, 4);
        assert_eq!(raw.server(), b"urgentend");
        assert_eq!(raw.sim.world.conns[0].fins, 1);
        let mut back = Vec::new();
        while raw.take(&mut back) {
            raw.say(TcpControl::None, &[]);
        }
        assert_eq!(back, b"urgentend");
        assert!(raw.is_gone());
    });
}

#[test]
fn keep_alives_with_and_without_a_byte_are_answered_and_pass_nothing_on() {
    each(&Script::default(), |mut raw| {
        raw.say(TcpControl::None, b"x");
        for data in [&b""[..], b"\0"] {
            raw.sim.run(3 * limits::TCP_TIMEOUT.as_micros() as i64);
            let before = raw.sim.segments().len();
            raw.seq -= 1;
            raw.put(raw.segment(TcpControl::None, data), 1);
            let answers = raw.sim.segments()[before..].to_vec();
            assert!(matches!(answers[..], [s] if s.ack_number == 1002 && !s.rst), "{answers:?}");
            raw.sim.assert_idle();
        }
        assert_eq!(raw.server(), b"x");
    });
}

#[test]
fn a_closed_window_is_probed_for_as_long_as_the_app_answers() {
    let all = pattern(5000, 3);
    let script = Script { latency_us: 1000, ..Script::echo() };
    each(&script, |mut raw| {
        raw.window(0);
        let data = edit(raw.segment(TcpControl::None, &all), |tcp| tcp.set_window_len(0));
        raw.put(data, all.len());
        let mut probes = 0;
        // Five times as long as an app may be silent.
        for _ in 0..600 {
            let before = raw.sim.segments().len();
            raw.sim.run(SECOND);
            let new = raw.sim.segments().len() - before;
            probes += new;
            if new > 0 {
                raw.window(0);
            }
        }
        assert!((3..2000).contains(&probes), "{probes} probes");
        assert_eq!((raw.sim.engine.flow_count(), raw.sim.world.open()), (1, 1));
        let mut back = Vec::new();
        raw.window(60_000);
        for _ in 0..100 {
            raw.take(&mut back);
            raw.window(60_000);
            raw.sim.run(SECOND);
        }
        assert!(back == all, "{} of {}", back.len(), all.len());
    });
}

#[test]
fn a_window_that_opens_unheard_is_found_by_a_probe() {
    let all = pattern(3000, 4);
    each(&Script::echo(), |mut raw| {
        let data = edit(raw.segment(TcpControl::None, &all), |tcp| tcp.set_window_len(0));
        raw.put(data, all.len());
        // The app's word that it reads again is lost: nothing comes but what probes ask for.
        let mut back = Vec::new();
        for _ in 0..100 {
            raw.sim.run(SECOND);
            if raw.take(&mut back) {
                raw.window(60_000);
            }
        }
        assert!(back == all, "{} of {}", back.len(), all.len());
    });
}

#[test]
fn ends_that_cross_on_their_way_end_the_connection_in_peace() {
    each(&Script { fin: Fin::Never, ..Script::default() }, |mut raw| {
        raw.say(TcpControl::None, b"x");
        raw.sim.world.end(0);
        raw.sim.settle();
        let end = raw.last();
        assert!(end.fin && end.seq == raw.ack, "{end:?}");
        // The app's own end was sent before it saw ours.
        raw.say(TcpControl::Fin, b"y");
        assert_eq!((raw.server(), raw.sim.world.conns[0].fins), (&b"xy"[..], 1));
        raw.ack += 1;
        raw.say(TcpControl::None, &[]);
        assert_eq!(raw.sim.world.conns[0].closed, Some(false));
        assert!(!raw.last().rst && raw.is_gone());
    });
}

#[test]
fn after_the_apps_end_the_server_goes_on_and_after_the_servers_the_app() {
    each(&Script { fin: Fin::Never, ..Script::echo() }, |mut raw| {
        raw.say(TcpControl::Fin, b"first");
        let mut back = Vec::new();
        raw.take(&mut back);
        raw.say(TcpControl::None, &[]);
        assert_eq!((&back[..], raw.sim.world.conns[0].fins), (&b"first"[..], 1));
        raw.sim.run(1000 * SECOND);
        assert_eq!(raw.sim.engine.flow_count(), 1, "half closed is open");
        raw.sim.world.end(0);
        raw.sim.settle();
        raw.take(&mut back);
        raw.say(TcpControl::None, &[]);
        assert!(raw.is_gone());
    });
    each(&Script { fin: Fin::AfterGreeting, ..Script::greets(b"bye") }, |mut raw| {
        let mut back = Vec::new();
        raw.say(TcpControl::None, &[]);
        while raw.take(&mut back) {
            raw.say(TcpControl::None, &[]);
        }
        assert_eq!(back, b"bye");
        raw.sim.run(1000 * SECOND);
        for part in [b"late", b"more"] {
            raw.say(TcpControl::None, part);
        }
        assert_eq!((raw.server(), raw.sim.world.conns[0].fins), (&b"latemore"[..], 0));
        raw.say(TcpControl::Fin, &[]);
        assert_eq!((raw.sim.world.conns[0].fins, raw.is_gone()), (1, true));
    });
}

#[test]
fn a_port_serves_again_right_after_a_reset_in_the_same_batch() {
    each(&Script::echo(), |mut raw| {
        raw.say(TcpControl::None, b"old");
        let (reset, again) = (raw.segment(TcpControl::Rst, &[]), Tcp { seq: 90_000, ..Tcp::SYN });
        raw.sim.send_packet(reset);
        raw.sim.send_packet(tcp(raw.from, raw.to, again));
        raw.sim.settle();
        let answer = raw.last();
        assert!(answer.syn && answer.ack_number == 90_001, "{answer:?}");
        (raw.seq, raw.ack) = (90_001, answer.seq + 1);
        raw.say(TcpControl::None, b"new");
        let conns = &raw.sim.world.conns;
        assert_eq!((&conns[0].received[..], conns[0].closed), (&b"old"[..], Some(true)));
        assert_eq!((&conns[1].received[..], conns[1].closed), (&b"new"[..], None));
    });
}

#[test]
fn bytes_outside_the_window_change_nothing() {
    each(&Script::echo(), |mut raw| {
        raw.say(TcpControl::None, b"good");
        for far in [-100_000, 900_000, i32::MIN / 2, i32::MAX / 2] {
            let seq = raw.seq.wrapping_add(far);
            for control in [TcpControl::None, TcpControl::Fin, TcpControl::Rst, TcpControl::Syn] {
                let ack = Some(raw.ack);
                raw.put(tcp(raw.from, raw.to, Tcp { control, seq, ack, data: b"evil" }), 0);
            }
        }
        raw.say(TcpControl::None, b"still");
        assert_eq!((raw.server(), raw.sim.engine.flow_count()), (&b"goodstill"[..], 1));
    });
}

#[test]
fn bytes_beyond_the_buffer_are_not_taken_although_our_syn_seemed_to_offer_room() {
    each(&Script::echo(), |mut raw| {
        let (all, ack) = (pattern(300_000, 5), Some(raw.ack));
        let control = TcpControl::None;
        for at in [limits::TCP_BUFFER - 500, 290_000] {
            let (seq, data) = (raw.seq + at as i32, &all[at..at + 1000]);
            raw.put(tcp(raw.from, raw.to, Tcp { control, seq, ack, data }), 0);
        }
        for part in all.chunks(9000) {
            raw.say(control, part);
            raw.take(&mut Vec::new());
        }
        assert!(raw.server() == all, "{} of {}", raw.server().len(), all.len());
    });
}

#[test]
fn a_reset_behind_the_servers_own_end_reaches_an_app_that_is_silent() {
    for together in [false, true] {
        each(&Script { fin: Fin::Never, ..Script::echo() }, |mut raw| {
            raw.say(TcpControl::None, b"x");
            raw.take(&mut Vec::new());
            raw.sim.world.end(0);
            if !together {
                raw.sim.settle();
                raw.take(&mut Vec::new());
                raw.say(TcpControl::None, &[]);
            }
            raw.sim.world.break_off(0);
            raw.sim.settle();
            assert!(raw.last().rst && raw.is_gone(), "{together}");
        });
    }
}

#[test]
fn bytes_behind_the_apps_own_end_break_the_connection_and_reach_nobody() {
    each(&Script { fin: Fin::Never, ..Script::echo() }, |mut raw| {
        raw.say(TcpControl::Fin, b"all");
        raw.say(TcpControl::None, b"and more");
        assert_eq!((raw.server(), raw.sim.world.conns[0].closed), (&b"all"[..], Some(true)));
        assert!(raw.last().rst && raw.is_gone());
    });
}

#[test]
fn where_only_the_other_family_is_there_the_app_is_told_so_at_once() {
    for connect in [Connect::NoRoute, Connect::Unreachable] {
        for (mut sim, to) in worlds(&Script::connect(connect)) {
            let app = sim.connect(RECORD, to);
            sim.settle();
            assert!(sim.clients[app].unreachable && !sim.clients[app].was_open, "{to}");
            sim.assert_clean();
        }
    }
}
