//! Flows of datagrams and of echoes that have a connected socket each: those to fake addresses,
//! QUIC behind its gate, and ICMP.
//!
//! Never reads into a datagram beyond its first byte, and keeps one datagram at most while the
//! verdict and the address are not known; UDP may lose the rest.

use super::quic::Later;
use super::timers::{Idle, Timer};
use super::{Drop, Effects, Engine, Flow, Now, Readiness, Received, Sent, Subject};
use super::{Undelivered, is_resolver};
use crate::event::{FlowFacts, Record, Transport, Verdict};
use crate::flow::Token;
use crate::limits;
use crate::names::{FakePool, Slot};
use crate::quic::{self, InitialReader};
use crate::wire::{self, Echo, FiveTuple, Packet, Payload, Proto, Unreachable};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

/// See the module.
pub(super) struct UdpFlow {
    pub(super) tuple: FiveTuple,
    pub(super) slot: Option<Slot>,
    facts: Option<Arc<FlowFacts>>,
    phase: Phase,
    /// It passed its gate and no QUIC connection has begun: the first one goes there, too.
    unbegun: bool,
    /// What is known of its further QUIC connections.
    pub(super) later: Later,
    /// Number of the last echo request.
    pub(super) last: u16,
    pub(super) idle: Idle,
    up: u64,
    down: u64,
    pub(super) timer: Timer,
}

enum Phase {
    /// The whole first packet, until somebody can be asked to take it.
    Waiting {
        first: Vec<u8>,
        open_questions: u8,
    },
    Open,
    /// Each further echo is refused, too, and told of no more.
    Refused,
}

/// What a packet that was accepted before carries: a datagram's data, an echo's message.
pub(super) fn data(packet: &[u8]) -> &[u8] {
    match Packet::parse(packet) {
        Ok(Packet { payload: Payload::Udp(range) | Payload::Echo(range), .. }) => &packet[range],
        _ => &[],
    }
}

/// Bytes before what a packet toward the app carries.
fn head(tuple: &FiveTuple) -> usize {
    match (tuple.proto, tuple.src.is_ipv4()) {
        (Proto::Icmp, true) => wire::ECHO_V4,
        (Proto::Icmp, false) => wire::ECHO_V6,
        (_, true) => wire::DATAGRAM_V4,
        (_, false) => wire::DATAGRAM_V6,
    }
}

/// Writes the headers around `len` bytes toward the app, which stand behind [`head`].
fn answer(tuple: &FiveTuple, len: usize, out: &mut [u8]) -> Result<usize, wire::NoRoom> {
    match tuple.proto {
        Proto::Icmp => wire::echo(tuple.dst, tuple.src, Echo::Reply, len, out),
        Proto::Tcp | Proto::Udp => wire::datagram(tuple.dst, tuple.src, len, out),
    }
}

impl UdpFlow {
    /// A flow about which nothing is known yet.
    pub(super) fn waiting(now: Now, tuple: FiveTuple, slot: Option<Slot>, first: &[u8]) -> Self {
        let limit = match tuple.proto {
            Proto::Icmp => limits::ECHO_IDLE,
            Proto::Tcp | Proto::Udp => limits::UDP_IDLE,
        };
        Self {
            tuple,
            slot,
            facts: None,
            phase: Phase::Waiting {
                first: first.to_vec(),
                open_questions: if slot.is_some() { 2 } else { 0 },
            },
            unbegun: false,
            later: Later::default(),
            last: 0,
            idle: Idle::new(now, limit),
            up: 0,
            down: 0,
            timer: Timer::default(),
        }
    }

    /// A flow whose verdict has fallen and whose socket is connected.
    pub(super) fn joined(now: Now, tuple: FiveTuple, facts: FlowFacts, unbegun: bool) -> Self {
        Self {
            tuple,
            slot: None,
            facts: Some(Arc::new(facts)),
            phase: Phase::Open,
            unbegun,
            later: Later::default(),
            last: 0,
            idle: Idle::new(now, limits::UDP_IDLE),
            up: 0,
            down: 0,
            timer: Timer::default(),
        }
    }

    /// Whether this datagram begins the flow's first QUIC connection: after one of a version that
    /// the server does not speak, or after something else.
    fn begins(&self, data: &[u8]) -> bool {
        self.unbegun && data.len() >= quic::LEAST && quic::is_long_header(data) && {
            let mut reader = InitialReader::default();
            reader.feed(data);
            reader.has_begun()
        }
    }

    /// Whether this datagram may belong to another QUIC connection than the one that was judged. The
    /// name at a fake address is known whatever is said there.
    fn may_begin_another(&self, data: &[u8]) -> bool {
        self.slot.is_none()
            && self.tuple.proto == Proto::Udp
            && quic::is_long_header(data)
            && self.facts().is_some_and(|facts| !facts.is_unseen())
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused)
    }

    /// Whether there is a socket.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// What was decided, once it is.
    pub(super) fn facts(&self) -> Option<&FlowFacts> {
        self.facts.as_deref()
    }
}

impl Engine {
    pub(super) fn handle_datagram(
        &mut self,
        now: Now,
        packet: &Packet,
        bytes: &[u8],
        data: Range<usize>,
        fx: &mut dyn Effects,
    ) {
        if let Some(token) = self.flows.find(&packet.tuple) {
            self.flows.touch(token);
            match self.flows.get_mut(token) {
                Some(Flow::Quic(_)) => return self.quic_more(now, token, bytes, fx),
                Some(Flow::Udp(flow)) if flow.begins(&bytes[data.clone()]) => {
                    self.udp_end(now, token, fx);
                    return self.quic_open(now, packet, bytes, fx);
                }
                Some(Flow::Udp(flow)) if flow.may_begin_another(&bytes[data.clone()]) => {
                    return self.quic_later(now, token, bytes, data, fx);
                }
                _ => {}
            }
            return self.send_datagram(now, token, &bytes[data], fx);
        }
        let slot = FakePool::slot(packet.tuple.dst.ip()).filter(|s| self.pool.entry(*s).is_some());
        let Some(slot) = slot else {
            if self.is_carried(packet.tuple.dst) && self.is_judged(packet.tuple.dst) {
                return self.quic_open(now, packet, bytes, fx);
            }
            if self.is_carried(packet.tuple.dst) {
                return self.nat_datagram(now, packet, bytes, &bytes[data], fx);
            }
            self.counters.drop(Drop::NoName);
            // A closed port of the resolver is told so; opportunistic encryption then falls back.
            if is_resolver(packet.tuple.dst, packet.tuple.dst.port())
                || FakePool::covers(packet.tuple.dst.ip())
            {
                self.refuse(bytes, Proto::Udp, fx);
            }
            return;
        };
        let flow = UdpFlow::waiting(now, packet.tuple, Some(slot), bytes);
        let token = self.begin(now, Some(packet.tuple), Flow::Udp(flow), fx);
        self.pool.pin(slot);
        if let Some(uid) = self.owner(now, token, &packet.tuple, fx) {
            self.udp_owner(now, token, uid, fx);
        }
    }

    pub(super) fn udp_owner(
        &mut self,
        now: Now,
        token: Token,
        uid: Option<u32>,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let (tuple, slot, None) = (flow.tuple, flow.slot, &flow.facts) else { return };
        let uid = self.owner_or_before(now, &tuple, uid);
        self.watch_idle(token);
        let subject = slot.map_or(Subject::Host(None), Subject::Place);
        let facts = Arc::new(self.decide(now, &tuple, subject, uid));
        // A datagram cannot be answered in a collector's place.
        if matches!(facts.verdict, Verdict::Block | Verdict::Capture) {
            self.answer_first(token, fx, Self::refuse);
            self.refused(now, tuple, FlowFacts::clone(&facts), fx);
            return self.udp_refused(now, token, facts, fx);
        }
        if let Some(Flow::Udp(flow)) = self.flows.get_mut(token) {
            flow.facts = Some(facts);
        }
        let Some(entry) = slot.and_then(|slot| self.pool.entry(slot)) else {
            return self.udp_connect(now, token, fx);
        };
        if entry.real(now.mono_us).is_some() {
            if let Some(Flow::Udp(UdpFlow {
                phase: Phase::Waiting { open_questions, .. }, ..
            })) = self.flows.get_mut(token)
            {
                *open_questions = 0;
            }
            return self.udp_connect(now, token, fx);
        }
        let name = entry.name.clone();
        self.ask_for_flow(now, token, &name, fx);
    }

    /// A refused datagram leaves nothing. A refused echo leaves its flow: an app that pings a host
    /// each second is told so each second, and the owner once.
    fn udp_refused(&mut self, now: Now, token: Token, facts: Arc<FlowFacts>, fx: &mut dyn Effects) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        if flow.tuple.proto != Proto::Icmp {
            return self.udp_end(now, token, fx);
        }
        flow.facts = Some(facts);
        flow.phase = Phase::Refused;
    }

    pub(super) fn udp_resolved(
        &mut self,
        now: Now,
        token: Token,
        found: &[IpAddr],
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let Phase::Waiting { open_questions, .. } = &mut flow.phase else { return };
        *open_questions = open_questions.saturating_sub(1);
        let wanted = flow.tuple.dst.is_ipv4();
        if *open_questions == 0 || found.iter().any(|a| a.is_ipv4() == wanted) {
            self.udp_connect(now, token, fx);
        }
    }

    fn udp_connect(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let FiveTuple { proto, dst, .. } = flow.tuple;
        let entry = flow.slot.and_then(|slot| self.pool.entry(slot));
        let asked_for = [dst.ip()];
        let real = match flow.slot {
            Some(_) => entry.and_then(|e| e.real(now.mono_us)).unwrap_or_default(),
            None => &asked_for,
        };
        let wanted = dst.is_ipv4();
        let own = real.iter().filter(|a| a.is_ipv4() == wanted);
        let other = real.iter().filter(|a| a.is_ipv4() != wanted);
        let port = dst.port();
        let servers: Vec<_> = own.chain(other).map(|addr| SocketAddr::new(*addr, port)).collect();
        let known = !servers.is_empty();
        let mut reached = |to: &SocketAddr| self.connect(now, token, (proto, *to), fx).is_ok();
        let server = servers.into_iter().find(|to| reached(to));
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let Some(server) = server else {
            if matches!(flow.phase, Phase::Waiting { open_questions: 1.., .. }) && known {
                // The other family may have a way.
                return;
            }
            self.counters.drop(Drop::ConnectFailed);
            self.answer_first(token, fx, Self::lost);
            return self.udp_end(now, token, fx);
        };
        let phase = std::mem::replace(&mut flow.phase, Phase::Open);
        let Phase::Waiting { first, .. } = phase else { return };
        self.udp_opened(now, token, server, data(&first), fx);
        self.send_datagram(now, token, data(&first), fx);
    }

    pub(super) fn udp_opened(
        &mut self,
        now: Now,
        token: Token,
        server: SocketAddr,
        first: &[u8],
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let Some(facts) = &mut flow.facts else { return };
        Arc::make_mut(facts).server = Some(server);
        if facts.verdict == Verdict::Record {
            // A QUIC long header has its two top bits set (RFC 8999 §5.1, RFC 9000 §17.2).
            let quic = first.first().is_some_and(|b| b & 0xc0 == 0xc0);
            let transport = match flow.tuple.proto {
                Proto::Icmp => Transport::Icmp,
                _ if quic => Transport::Quic,
                _ => Transport::Udp,
            };
            fx.record(Record::Opened(Arc::clone(facts)));
            fx.record(Record::Opaque { flow: facts.flow, time_ms: now.wall_ms, transport });
        }
    }

    pub(super) fn send_datagram(
        &mut self,
        now: Now,
        token: Token,
        data: &[u8],
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        flow.idle.used(now);
        if matches!(flow.phase, Phase::Waiting { .. }) {
            return self.counters.drop(Drop::Datagram);
        }
        let server = flow.facts.as_ref().and_then(|facts| facts.server);
        let (Phase::Open, Some(server)) = (&flow.phase, server) else { return };
        let sent = match flow.tuple.proto {
            Proto::Icmp => self.send_echo(token, data, server, fx),
            Proto::Tcp | Proto::Udp => fx.send(token, data),
        };
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        match sent {
            Sent::Bytes(n) => flow.up += n as u64,
            // The queue is full: it may be lost.
            Sent::Later => self.counters.drop(Drop::Datagram),
            Sent::TooLong(mtu) => self.complain(token, server, Unreachable::TooBig(mtu), fx),
            Sent::Failed => {}
        }
    }

    /// Hears of datagrams that did not go after all.
    pub(super) fn lose_datagrams(&mut self, fx: &mut dyn Effects) {
        while let Some(Undelivered { token, to, len, why }) = fx.undelivered() {
            let (up, server) = match self.flows.get_mut(token) {
                Some(Flow::Udp(flow)) => {
                    let server = flow.facts.as_ref().and_then(|facts| facts.server);
                    (&mut flow.up, server)
                }
                Some(Flow::Nat(flow)) => (&mut flow.up, to),
                _ => continue,
            };
            *up = up.saturating_sub(len as u64);
            let why = match why {
                Sent::TooLong(mtu) => Unreachable::TooBig(mtu),
                Sent::Failed if to.is_some() => Unreachable::Host,
                Sent::Failed => continue,
                // The queue is full: it may be lost.
                Sent::Later | Sent::Bytes(_) => {
                    self.counters.drop(Drop::Datagram);
                    continue;
                }
            };
            if let Some(server) = server {
                self.complain(token, server, why, fx);
            }
        }
    }

    pub(super) fn udp_ready(
        &mut self,
        now: Now,
        token: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        if ready.failed {
            self.hear(token, fx);
        }
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        if !ready.readable {
            return;
        }
        flow.idle.used(now);
        let tuple = flow.tuple;
        let head = head(&tuple);
        // The socket tells of readiness once, so it is emptied; its queue bounds the loop.
        loop {
            match fx.recv(token, &mut self.datagram[head..]) {
                Received::Bytes(n) => {
                    flow.down += n as u64;
                    if let Ok(len) = answer(&tuple, n, &mut self.datagram) {
                        fx.write(&self.datagram[..len]);
                    }
                }
                Received::Later | Received::End => return,
                Received::Failed => return self.udp_end(now, token, fx),
            }
        }
    }

    /// Tells the app what became of the packet that waits.
    fn answer_first(
        &mut self,
        token: Token,
        fx: &mut dyn Effects,
        say: fn(&mut Self, &[u8], Proto, &mut dyn Effects),
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        if let Phase::Waiting { first, .. } = &mut flow.phase {
            let (first, proto) = (std::mem::take(first), flow.tuple.proto);
            say(self, &first, proto, fx);
        }
    }

    /// There was no way for a packet. A system tells a datagram's sender of closed ports, and of
    /// hosts only where it asks for that.
    fn lost(&mut self, packet: &[u8], proto: Proto, fx: &mut dyn Effects) {
        match proto {
            Proto::Icmp => self.unreachable(packet, fx),
            Proto::Tcp | Proto::Udp => self.refuse(packet, proto, fx),
        }
    }

    /// What follows in an open flow is another host's: the record of the one before ends.
    pub(super) fn udp_renamed(
        &mut self,
        now: Now,
        token: Token,
        facts: FlowFacts,
        first: &[u8],
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let Some(before) = flow.facts.replace(Arc::new(facts)) else { return };
        let server = before.server;
        let (up, down) = (std::mem::take(&mut flow.up), std::mem::take(&mut flow.down));
        ended(now, before, up, down, fx);
        if let Some(server) = server {
            self.udp_opened(now, token, server, first, fx);
        }
    }

    /// Takes a flow out and completes its records.
    pub(super) fn udp_end(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        fx.close(token, false);
        let Some(Flow::Udp(flow)) = self.flows.remove(token) else { return };
        if flow.tuple.proto == Proto::Icmp {
            self.echoes.retain(|other| *other != token);
        }
        if let Some(slot) = flow.slot {
            self.pool.unpin(slot);
        }
        let (Phase::Open, Some(facts)) = (flow.phase, flow.facts) else { return };
        ended(now, facts, flow.up, flow.down, fx);
    }
}

/// Completes the records of a flow that was open.
fn ended(now: Now, facts: Arc<FlowFacts>, up: u64, down: u64, fx: &mut dyn Effects) {
    fx.record(match facts.verdict {
        Verdict::Allow => Record::Passed { facts: Arc::unwrap_or_clone(facts), up, down },
        _ => Record::Closed { flow: facts.flow, time_ms: now.wall_ms, up, down },
    });
}
