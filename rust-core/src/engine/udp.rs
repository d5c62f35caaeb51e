//! UDP flows to fake addresses: one connected socket each.
//!
//! Never reads into a datagram beyond its first byte, and keeps one datagram at most while the
//! verdict and the address are not known; UDP may lose the rest.

use super::timers::Timer;
use super::{
    Drop, Effects, Engine, Flow, Now, Owner, Readiness, Received, Sent, Subject, is_resolver,
};
use crate::event::{FlowFacts, Record, Transport, Verdict};
use crate::flow::Token;
use crate::limits;
use crate::names::{FakePool, Slot};
use crate::wire::{self, FiveTuple, Packet, Proto};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

const IDLE_US: i64 = limits::UDP_IDLE.as_micros() as i64;

/// See the module.
pub(super) struct UdpFlow {
    tuple: FiveTuple,
    pub(super) slot: Option<Slot>,
    facts: Option<Arc<FlowFacts>>,
    phase: Phase,
    used_us: i64,
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
}

impl UdpFlow {
    /// A flow whose verdict has fallen and whose socket is connected.
    pub(super) fn joined(now: Now, tuple: FiveTuple, facts: FlowFacts) -> Self {
        Self {
            tuple,
            slot: None,
            facts: Some(Arc::new(facts)),
            phase: Phase::Open,
            used_us: now.mono_us,
            up: 0,
            down: 0,
            timer: Timer::default(),
        }
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
            if let Some(Flow::Quic(_)) = self.flows.get_mut(token) {
                return self.quic_more(now, token, bytes, fx);
            }
            return self.send_datagram(now, token, &bytes[data], fx);
        }
        let slot = FakePool::slot(packet.tuple.dst.ip()).filter(|s| self.pool.entry(*s).is_some());
        let Some(slot) = slot else {
            if self.is_carried(packet.tuple.dst) && packet.tuple.dst.port() == super::quic::PORT {
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
        let flow = UdpFlow {
            tuple: packet.tuple,
            slot: Some(slot),
            facts: None,
            phase: Phase::Waiting { first: bytes.to_vec(), open_questions: 2 },
            used_us: now.mono_us,
            up: 0,
            down: 0,
            timer: Timer::default(),
        };
        let token = self.begin(now, Some(packet.tuple), Flow::Udp(flow), fx);
        self.udp_watch(now, token);
        self.pool.pin(slot);
        if let Owner::Known(uid) = fx.owner(token, &packet.tuple) {
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
        let (tuple, Some(slot), None) = (flow.tuple, flow.slot, &flow.facts) else { return };
        let facts = Arc::new(self.decide(now, &tuple, Subject::Place(slot), uid));
        // A datagram cannot be answered in a collector's place.
        if matches!(facts.verdict, Verdict::Block | Verdict::Capture) {
            self.refuse_first(token, fx);
            self.blocked(Arc::unwrap_or_clone(facts), fx);
            return self.udp_end(now, token, fx);
        }
        if let Some(Flow::Udp(flow)) = self.flows.get_mut(token) {
            flow.facts = Some(facts);
        }
        let Some(entry) = self.pool.entry(slot) else { return };
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
        let entry = flow.slot.and_then(|slot| self.pool.entry(slot));
        let real = entry.and_then(|e| e.real(now.mono_us)).unwrap_or_default();
        let wanted = flow.tuple.dst.is_ipv4();
        let own = real.iter().filter(|a| a.is_ipv4() == wanted);
        let port = flow.tuple.dst.port();
        let server = own
            .chain(real.iter().filter(|a| a.is_ipv4() != wanted))
            .map(|addr| SocketAddr::new(*addr, port))
            .find(|server| fx.connect(token, Proto::Udp, *server).is_ok());
        let Some(server) = server else {
            if matches!(flow.phase, Phase::Waiting { open_questions: 1.., .. }) && !real.is_empty()
            {
                // The other family may have a way.
                return;
            }
            self.counters.drop(Drop::ConnectFailed);
            self.refuse_first(token, fx);
            return self.udp_end(now, token, fx);
        };
        let phase = std::mem::replace(&mut flow.phase, Phase::Open);
        let Phase::Waiting { first, .. } = phase else { return };
        let data = match Packet::parse(&first) {
            Ok(Packet { payload: wire::Payload::Udp(data), .. }) => &first[data],
            _ => &[],
        };
        self.udp_opened(now, token, server, data, fx);
        self.send_datagram(now, token, data, fx);
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
            let transport = if quic { Transport::Quic } else { Transport::Udp };
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
        flow.used_us = now.mono_us;
        if matches!(flow.phase, Phase::Open)
            && let Sent::Bytes(n) = fx.send(token, data)
        {
            flow.up += n as u64;
        }
    }

    pub(super) fn udp_ready(
        &mut self,
        now: Now,
        token: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        if !ready.readable {
            return;
        }
        flow.used_us = now.mono_us;
        let (app, server) = (flow.tuple.src, flow.tuple.dst);
        let head = if app.is_ipv4() { wire::DATAGRAM_V4 } else { wire::DATAGRAM_V6 };
        // The socket tells of readiness once, so it is emptied; its queue bounds the loop.
        loop {
            match fx.recv(token, &mut self.datagram[head..]) {
                Received::Bytes(n) => {
                    flow.down += n as u64;
                    if let Ok(len) = wire::datagram(server, app, n, &mut self.datagram) {
                        fx.write(&self.datagram[..len]);
                    }
                }
                Received::Later | Received::End => return,
                Received::Failed => return self.udp_end(now, token, fx),
            }
        }
    }

    /// Ends the flow when it was idle for long.
    pub(super) fn udp_watch(&mut self, now: Now, token: Token) {
        self.set_timer(token, Some(now.mono_us + IDLE_US));
    }

    pub(super) fn udp_due(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let idle_until = flow.used_us + IDLE_US;
        if idle_until <= now.mono_us {
            return self.udp_end(now, token, fx);
        }
        self.set_timer(token, Some(idle_until));
    }

    fn refuse_first(&mut self, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        if let Phase::Waiting { first, .. } = &mut flow.phase {
            let first = std::mem::take(first);
            self.refuse(&first, Proto::Udp, fx);
        }
    }

    /// Takes a flow out and completes its records.
    pub(super) fn udp_end(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        fx.close(token, false);
        let Some(Flow::Udp(flow)) = self.flows.remove(token) else { return };
        if let Some(slot) = flow.slot {
            self.pool.unpin(slot);
        }
        let (Phase::Open, Some(facts)) = (flow.phase, flow.facts) else { return };
        let (up, down) = (flow.up, flow.down);
        match facts.verdict {
            Verdict::Allow => {
                fx.record(Record::Passed { facts: Arc::unwrap_or_clone(facts), up, down });
            }
            _ => fx.record(Record::Closed { flow: facts.flow, time_ms: now.wall_ms, up, down }),
        }
    }
}
