//! Datagrams to bare addresses (Deep reach) that may be QUIC, or that some rule is about: a flow's
//! first ones wait until their ClientHello tells the host. A blocked host is answered by an
//! unreachable at once, so that the app falls back to TCP without waiting. What is not QUIC, or of
//! a version that is not read, passes; the first connection after it waits again.
//!
//! Never changes a datagram, and holds no more of them than the limits say.

use super::timers::Timer;
use super::udp::{UdpFlow, data};
use super::{Drop, Effects, Engine, Flow, Now, Subject};
use crate::event::{FlowFacts, Transport, Verdict};
use crate::flow::Token;
use crate::limits;
use crate::policy::ENCRYPTED_DNS;
use crate::quic::{ConnectionId, InitialReader, Outcome};
use crate::tls::{ClientHello, Ech};
use crate::wire::{FiveTuple, Packet, Proto};
use std::net::SocketAddr;
use std::ops::Range;

/// The port of HTTP/3.
const HTTP3: u16 = 443;

/// The QUIC connections of a flow behind its first: one that begins is judged, too.
#[derive(Default)]
pub(super) struct Later {
    /// The last one that passed, and the last that did not.
    passed: ConnectionId,
    refused: ConnectionId,
    waiting: Option<Box<Waiting>>,
}

/// One whose hello is not whole.
struct Waiting {
    id: ConnectionId,
    since_us: i64,
    reader: InitialReader,
    /// Whole packets in their order.
    held: Vec<Vec<u8>>,
}

/// What is to be done with a datagram of a [`Later`] connection.
enum Step {
    Send,
    Hold,
    Refuse,
    /// Judge it, and send what was held.
    Judge(Option<ClientHello>, Vec<Vec<u8>>),
}

impl Later {
    fn step(&mut self, now: Now, packet: &[u8], data: &[u8]) -> Step {
        let Some(id) = ConnectionId::of(data) else { return Step::Send };
        if id == self.passed {
            return Step::Send;
        }
        if id == self.refused {
            return Step::Refuse;
        }
        let mut one = match self.waiting.take_if(|waiting| waiting.id == id) {
            Some(waiting) => waiting,
            None => Box::new(Waiting {
                id,
                since_us: now.mono_us,
                reader: InitialReader::default(),
                held: Vec::new(),
            }),
        };
        let outcome = one.reader.feed(data);
        // The server has named the connection that is under way, or it is of another version: no
        // key of its own opens it.
        if !one.reader.has_begun() {
            return Step::Send;
        }
        one.held.push(packet.to_vec());
        let overdue = now.mono_us - one.since_us > limits::FIRST_BYTES.as_micros() as i64;
        match outcome {
            Outcome::Done(hello) => Step::Judge(Some(hello), one.held),
            Outcome::More if !overdue => {
                self.waiting = Some(one);
                Step::Hold
            }
            _ => Step::Judge(None, one.held),
        }
    }
}

/// A flow that waits at its gate.
pub(super) struct QuicGate {
    tuple: FiveTuple,
    /// The owner, once it is known; and who it is, if the system knows.
    owner: Option<Option<u32>>,
    reader: InitialReader,
    /// Whole packets in their order, and how many of them were read.
    held: Vec<Vec<u8>>,
    read: usize,
    pub(super) timer: Timer,
}

fn host_of(hello: Option<&ClientHello>) -> Option<String> {
    hello.and_then(ClientHello::name).map(ToString::to_string)
}

/// A datagram cannot be answered in a collector's place.
fn stops(facts: &FlowFacts) -> bool {
    matches!(facts.verdict, Verdict::Block | Verdict::Capture)
}

impl Engine {
    /// Whether datagrams to this address are judged each flow for itself.
    pub(super) fn is_judged(&self, dst: SocketAddr) -> bool {
        matches!(dst.port(), HTTP3 | ENCRYPTED_DNS)
            || self.rules.policy.knows_address(&self.rules.table, dst.ip())
    }

    /// The first datagram of a flow.
    pub(super) fn quic_open(
        &mut self,
        now: Now,
        packet: &Packet,
        bytes: &[u8],
        fx: &mut dyn Effects,
    ) {
        let tuple = packet.tuple;
        let gate = QuicGate {
            tuple,
            owner: None,
            reader: InitialReader::default(),
            held: vec![bytes.to_vec()],
            read: 0,
            timer: Timer::default(),
        };
        let token = self.begin(now, Some(tuple), Flow::Quic(gate), fx);
        if let Some(uid) = self.owner(now, token, &tuple, fx) {
            self.quic_owner(now, token, uid, fx);
        }
    }

    /// A further datagram of a flow that waits.
    pub(super) fn quic_more(&mut self, now: Now, token: Token, bytes: &[u8], fx: &mut dyn Effects) {
        let Some(Flow::Quic(gate)) = self.flows.get_mut(token) else { return };
        if gate.held.len() < usize::from(limits::QUIC_DATAGRAMS) {
            gate.held.push(bytes.to_vec());
        }
        self.quic_read(now, token, fx);
    }

    pub(super) fn quic_owner(
        &mut self,
        now: Now,
        token: Token,
        uid: Option<u32>,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Quic(gate)) = self.flows.get_mut(token) else { return };
        let tuple = gate.tuple;
        let uid = self.owner_or_before(now, &tuple, uid);
        let Some(Flow::Quic(gate)) = self.flows.get_mut(token) else { return };
        gate.owner = Some(uid);
        self.set_timer(token, Some(now.mono_us + limits::FIRST_BYTES.as_micros() as i64));
        let facts = self.decide(now, &tuple, Subject::Host(None), uid);
        if facts.is_unseen() {
            return self.quic_pass(now, token, None, fx);
        }
        self.quic_read(now, token, fx);
    }

    fn quic_read(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Quic(gate)) = self.flows.get_mut(token) else { return };
        if gate.owner.is_none() {
            return;
        }
        while let Some(packet) = gate.held.get(gate.read) {
            gate.read += 1;
            match gate.reader.feed(data(packet)) {
                Outcome::More => {}
                Outcome::Done(hello) => {
                    return self.quic_pass(now, token, Some(hello), fx);
                }
                Outcome::NotQuic | Outcome::Unsupported(_) | Outcome::Unreadable(_) => {
                    return self.quic_pass(now, token, None, fx);
                }
            }
        }
    }

    /// Nothing told the owner, or a host, in time.
    pub(super) fn quic_due(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        if let Some(Flow::Quic(QuicGate { owner: None, .. })) = self.flows.get_mut(token) {
            return self.owner_due(now, token, fx);
        }
        self.quic_pass(now, token, None, fx);
    }

    /// Lets the flow through, or refuses it.
    fn quic_pass(
        &mut self,
        now: Now,
        token: Token,
        hello: Option<ClientHello>,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Quic(gate)) = self.flows.remove(token) else { return };
        let facts = self.quic_decide(now, &gate.tuple, hello.as_ref(), gate.owner.flatten());
        match stops(&facts) {
            true => self.quic_refuse(now, gate.tuple, facts, &gate.held, fx),
            false => self.udp_join(now, facts, &gate, fx),
        }
    }

    /// Decides about a connection by its hello.
    fn quic_decide(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        hello: Option<&ClientHello>,
        uid: Option<u32>,
    ) -> FlowFacts {
        let host = host_of(hello);
        let named = host.is_some();
        let mut facts = self.decide(now, tuple, Subject::Host(host), uid);
        if named {
            facts.transport = Transport::Quic;
            facts.ech = hello.is_some_and(|hello| hello.ech == Ech::Offered);
        }
        facts
    }

    fn quic_refuse(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        facts: FlowFacts,
        held: &[Vec<u8>],
        fx: &mut dyn Effects,
    ) {
        if let Some(first) = held.first() {
            self.refuse(first, Proto::Udp, fx);
        }
        self.refused(now, tuple, facts, fx);
    }

    /// Sends what was held, to the address that the app asked for.
    fn udp_join(&mut self, now: Now, facts: FlowFacts, gate: &QuicGate, fx: &mut dyn Effects) {
        let (tuple, held) = (gate.tuple, &gate.held);
        let unbegun = gate.read > 0 && !gate.reader.has_begun();
        let mut flow = UdpFlow::joined(now, tuple, facts, unbegun);
        let first = held.first().and_then(|packet| ConnectionId::of(data(packet)));
        flow.later.passed = first.unwrap_or_default();
        let token = self.begin(now, Some(tuple), Flow::Udp(flow), fx);
        if self.connect(now, token, (Proto::Udp, tuple.dst), fx).is_err() {
            self.counters.drop(Drop::ConnectFailed);
            if let Some(first) = held.first() {
                self.unreachable(first, fx);
            }
            self.flows.remove(token);
            return;
        }
        let first = held.first().map(|packet| data(packet)).unwrap_or_default();
        self.udp_opened(now, token, tuple.dst, first, fx);
        self.watch_idle(token);
        for packet in held {
            self.send_datagram(now, token, data(packet), fx);
        }
    }

    /// A datagram of a flow that passed its gate, perhaps of another connection: an app may speak
    /// to several hosts at one address from one socket.
    pub(super) fn quic_later(
        &mut self,
        now: Now,
        token: Token,
        packet: &[u8],
        range: Range<usize>,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        match flow.later.step(now, packet, &packet[range.clone()]) {
            Step::Send => self.send_datagram(now, token, &packet[range], fx),
            Step::Hold => {}
            Step::Refuse => self.refuse(packet, Proto::Udp, fx),
            Step::Judge(hello, held) => self.quic_judge(now, token, hello, &held, fx),
        }
    }

    /// Decides about a connection behind the first of its flow, which goes on whatever comes out.
    fn quic_judge(
        &mut self,
        now: Now,
        token: Token,
        hello: Option<ClientHello>,
        held: &[Vec<u8>],
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Udp(flow)) = self.flows.get_mut(token) else { return };
        let (tuple, Some(before)) = (flow.tuple, flow.facts()) else { return };
        let first = held.first().map(Vec::as_slice).unwrap_or_default();
        let id = ConnectionId::of(data(first)).unwrap_or_default();
        let host = host_of(hello.as_ref());
        if host.is_some() && host != before.host {
            let uid = before.uid;
            let facts = self.quic_decide(now, &tuple, hello.as_ref(), uid);
            if stops(&facts) {
                if let Some(Flow::Udp(flow)) = self.flows.get_mut(token) {
                    flow.later.refused = id;
                }
                return self.quic_refuse(now, tuple, facts, held, fx);
            }
            self.udp_renamed(now, token, facts, data(first), fx);
        }
        if let Some(Flow::Udp(flow)) = self.flows.get_mut(token) {
            flow.later.passed = id;
        }
        for packet in held {
            self.send_datagram(now, token, data(packet), fx);
        }
    }
}
