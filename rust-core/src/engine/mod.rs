//! The engine: packets of the apps in, packets to the apps and socket operations out.
//!
//! Owned by one thread. Never opens a descriptor, reads a clock or waits: whatever it wants of the
//! world it asks of [`Effects`], and the moment is an argument. Nothing is allocated, queued
//! across threads or started per packet; flows allocate when they begin.

mod connect;
mod counters;
mod effects;
mod gate;
mod icmp;
mod inspect;
mod local;
mod nat;
mod network;
mod park;
mod pipe;
mod questions;
mod quic;
mod refused;
mod resolver;
mod sockets;
mod tcp;
mod timers;
mod udp;

pub use counters::{Counters, Drop};
pub use effects::{
    Complaint, ConnectError, Effects, Now, Owner, Readiness, Received, Sent, Undelivered,
};
pub(crate) use gate::{Gate, Told};
pub(crate) use inspect::Inspect;

use crate::event::{FlowFacts, FlowId, Record, Transport, Verdict};
use crate::flow::{Table, Token};
use crate::limits;
use crate::names::{self, FakePool, Slot};
use crate::policy::{Decision, Policy, Target};
use crate::signatures::HostTable;
use crate::tcp::Stack;
use crate::wire::{self, FiveTuple, Packet, Payload, Proto, Unreachable};
use questions::Asker;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// How much of the phone's traffic comes to the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Questions for names, and flows to fake addresses. All else bypasses us.
    #[default]
    Light,
    /// Everything that the covered apps send.
    Deep,
}

/// What the engine is made for.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is routed to it.
    pub reach: Reach,
    /// Upstream resolvers, in the order of preference; at least one.
    pub resolvers: Vec<SocketAddr>,
    /// Unpredictable to apps and network; fixed where a run must be repeatable.
    pub seed: [u64; 2],
    /// Quiet connections that keep their buffers: [`limits::AWAKE`], and fewer where a test wants
    /// them to be parked.
    pub awake: usize,
}

/// What decides: the lists and the owner's choices. Swapped whole.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Listed hosts.
    pub table: Arc<HostTable>,
    /// The owner's choices.
    pub policy: Policy,
}

/// What a verdict is about.
enum Subject {
    /// The name at a fake address.
    Place(Slot),
    /// A host that a flow named by itself; `None` for a bare address.
    Host(Option<String>),
}

enum Flow {
    Tcp(tcp::TcpFlow),
    Udp(udp::UdpFlow),
    Nat(nat::NatFlow),
    Quic(quic::QuicGate),
    Lookup(resolver::Lookup),
    Rival(connect::Rival),
}

/// See the module.
pub struct Engine {
    config: Config,
    rules: Rules,
    pool: FakePool,
    stack: Stack,
    flows: Table<Flow>,
    /// Flows that a packet or a socket has something new for, each once: those that said little
    /// the last time, and those that move much, which wait for them.
    dirty: VecDeque<Token>,
    bulk: VecDeque<Token>,
    timers: BinaryHeap<Reverse<(i64, Token)>>,
    /// Connections that may be parked, the one that is quiet longest in front.
    resting: VecDeque<(i64, Token)>,
    /// Flows of echoes, the one that began first in front.
    echoes: VecDeque<Token>,
    refusals: refused::Refusals,
    questions: questions::Questions,
    scratch: Vec<u8>,
    datagram: Vec<u8>,
    flows_begun: u64,
    counters: Counters,
}

impl Engine {
    /// An engine without flows.
    pub fn new(config: Config, rules: Rules) -> Self {
        Self {
            stack: Stack::new(keyed(config.seed, 0), config.awake),
            questions: questions::Questions::new(config.seed),
            config,
            rules,
            pool: FakePool::default(),
            flows: Table::default(),
            dirty: VecDeque::new(),
            bulk: VecDeque::new(),
            timers: BinaryHeap::new(),
            resting: VecDeque::new(),
            echoes: VecDeque::new(),
            refusals: refused::Refusals::default(),
            scratch: vec![0; limits::PACKET],
            datagram: vec![0; limits::PACKET + wire::DATAGRAM_V6],
            flows_begun: 0,
            counters: Counters::default(),
        }
    }

    /// Takes new lists and choices. Flows that would now be stopped, or answered otherwise than
    /// they are, end at once; those that are no longer to be recorded go on unseen.
    pub fn set_rules(&mut self, now: Now, rules: Rules, fx: &mut dyn Effects) {
        self.rules = rules;
        for token in self.flows.tokens() {
            let Some((facts, slot)) = self.verdict_of(token) else { continue };
            let (old, uid, host) = (facts.verdict, facts.uid, facts.host.clone());
            let addr = facts.server.map(|server| server.ip());
            let (addr, port) = meant(facts.transport, addr, facts.port);
            let new = match slot.and_then(|slot| self.pool.entry(slot)) {
                Some(entry) => self.decide_place(now, uid, &entry.name, &entry.listed, port),
                // What waits at its gate is decided there.
                None if host.is_none() && addr.is_none() => continue,
                None => self.decide_for(now, uid, Target { host: host.as_deref(), addr, port }),
            };
            let new = new.verdict;
            match (old, new) {
                (Verdict::Record, Verdict::Allow) => self.tcp_unseen(token),
                (_, Verdict::Block | Verdict::Capture) | (Verdict::Block | Verdict::Capture, _)
                    if old != new =>
                {
                    self.evict(now, token, fx);
                }
                _ => {}
            }
        }
    }

    /// What was decided about a flow, and the place of its name.
    fn verdict_of(&mut self, token: Token) -> Option<(&FlowFacts, Option<Slot>)> {
        match self.flows.get_mut(token)? {
            Flow::Tcp(flow) => Some((flow.facts()?, flow.slot)),
            Flow::Udp(flow) => Some((flow.facts()?, flow.slot)),
            Flow::Nat(_) | Flow::Quic(_) | Flow::Lookup(_) | Flow::Rival(_) => None,
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Questions that wait for the upstream resolver.
    pub fn questions_waiting(&self) -> usize {
        self.questions.len()
    }

    /// Bytes of TCP buffers that hold, or held, something; at most about [`limits::TOUCHED`].
    pub fn touched(&self) -> usize {
        self.stack.touched()
    }

    /// Flows that are held now.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// Handles one packet of an app. [`Engine::flush`] follows after a batch.
    pub fn handle_packet(&mut self, now: Now, bytes: &[u8], fx: &mut dyn Effects) {
        self.counters.packets_in += 1;
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err(why) => return self.counters.drop(why.into()),
        };
        let bytes = &bytes[..packet.len];
        match packet.payload {
            Payload::Udp(ref data) if self.is_question(packet.tuple.dst) => {
                let asker = Asker::Datagram { app: packet.tuple.src, resolver: packet.tuple.dst };
                self.answer(now, asker, &bytes[data.clone()], fx);
            }
            Payload::Udp(ref data) => self.handle_datagram(now, &packet, bytes, data.clone(), fx),
            Payload::Echo(ref message) => {
                self.handle_echo(now, &packet, bytes, message.clone(), fx);
            }
            Payload::Tcp(_) => self.handle_segment(now, &packet, bytes, fx),
        }
    }

    /// Handles a socket that became ready.
    pub fn handle_socket(
        &mut self,
        now: Now,
        token: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        match self.flows.get_mut(token) {
            Some(Flow::Tcp(_)) => self.tcp_ready(now, token, ready, fx),
            Some(Flow::Udp(_)) => self.udp_ready(now, token, ready, fx),
            Some(Flow::Nat(_)) => self.nat_ready(now, token, ready, fx),
            Some(Flow::Quic(_)) => {}
            Some(Flow::Lookup(_)) => self.lookup_ready(now, token, ready, fx),
            Some(Flow::Rival(_)) => self.rival_ready(now, token, ready, fx),
            None => {}
        }
    }

    /// Handles the answer to [`Effects::owner`] that came later.
    pub fn handle_owner(&mut self, now: Now, token: Token, uid: Option<u32>, fx: &mut dyn Effects) {
        match self.flows.get_mut(token) {
            Some(Flow::Tcp(_)) => self.tcp_owner(now, token, uid, fx),
            Some(Flow::Udp(_)) => self.udp_owner(now, token, uid, fx),
            Some(Flow::Nat(_)) => self.nat_owner(now, token, uid),
            Some(Flow::Quic(_)) => self.quic_owner(now, token, uid, fx),
            Some(Flow::Lookup(_) | Flow::Rival(_)) | None => {}
        }
    }

    /// Asks for the owner of a new flow; `None` while it is not known. The flow then waits for
    /// [`Engine::handle_owner`], until its timer comes up.
    fn owner(
        &mut self,
        now: Now,
        token: Token,
        tuple: &FiveTuple,
        fx: &mut dyn Effects,
    ) -> Option<Option<u32>> {
        match fx.owner(token, tuple) {
            Owner::Known(uid) => Some(uid),
            Owner::Busy => {
                self.counters.drop(Drop::OwnerLimit);
                Some(None)
            }
            Owner::Later => {
                let until = now.mono_us + limits::OWNER_TIMEOUT.as_micros() as i64;
                self.set_timer(token, Some(until));
                None
            }
        }
    }

    /// Lets a flow that waits no longer for its owner go on as one of an unknown app.
    fn owner_due(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        self.counters.drop(Drop::OwnerTimeout);
        self.handle_owner(now, token, None, fx);
    }

    /// Moves the bytes of flows that have something new, each within its budget; of those that
    /// move much only as many as [`limits::TURN_BUDGET`] allows, so that packets and sockets which
    /// became ready meanwhile are seen soon. Returns whether there is more to do at once.
    pub fn flush(&mut self, now: Now, fx: &mut dyn Effects) -> bool {
        self.lose_datagrams(fx);
        for _ in 0..self.dirty.len() {
            let Some(token) = self.dirty.pop_front() else { break };
            self.pump(now, token, fx);
        }
        let mut moved = 0;
        for _ in 0..self.bulk.len() {
            let Some(token) = self.bulk.pop_front() else { break };
            moved += self.pump(now, token, fx);
            if moved >= limits::TURN_BUDGET {
                break;
            }
        }
        self.park_quiet(now);
        !(self.dirty.is_empty() && self.bulk.is_empty()) && fx.ready()
    }

    /// When [`Engine::handle_timeout`] is due, on the clock of [`Now::mono_us`]; `None` while
    /// nothing waits for time.
    pub fn deadline(&mut self) -> Option<i64> {
        let flows = self.first_timer().map(|(at, _)| at);
        [flows, self.questions.deadline()].into_iter().flatten().min()
    }

    /// Handles all that is due. [`Engine::flush`] follows.
    pub fn handle_timeout(&mut self, now: Now, fx: &mut dyn Effects) {
        self.questions_due(now, fx);
        while let Some(token) = self.take_due(now.mono_us) {
            match self.flows.get_mut(token) {
                Some(Flow::Tcp(_)) => self.tcp_due(now, token, fx),
                Some(Flow::Udp(flow)) if flow.facts().is_none() => self.owner_due(now, token, fx),
                Some(Flow::Udp(_) | Flow::Nat(_)) => self.idle_due(now, token, fx),
                Some(Flow::Quic(_)) => self.quic_due(now, token, fx),
                Some(Flow::Lookup(_)) => self.lookup_failed(now, token, fx),
                Some(Flow::Rival(_)) | None => {}
            }
        }
    }

    /// Ends all flows: connections are reset, records are completed.
    pub fn shut_down(&mut self, now: Now, fx: &mut dyn Effects) {
        for token in self.flows.tokens() {
            self.evict(now, token, fx);
        }
    }

    /// Ends a flow that did nothing wrong.
    fn evict(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        match self.flows.get_mut(token) {
            Some(Flow::Tcp(_)) => self.tcp_abort(now, token, fx),
            Some(Flow::Udp(_)) => self.udp_end(now, token, fx),
            Some(Flow::Nat(_)) => self.nat_end(token, fx),
            // Nobody was asked yet, and nothing was sent.
            Some(Flow::Quic(_)) => {
                self.flows.remove(token);
            }
            Some(Flow::Lookup(_)) => self.lookup_failed(now, token, fx),
            Some(Flow::Rival(_)) => self.rival_end(now, token, fx),
            None => {}
        }
    }

    /// Puts a flow in; where the table is full, the one that was idle longest goes.
    fn begin(
        &mut self,
        now: Now,
        tuple: Option<FiveTuple>,
        flow: Flow,
        fx: &mut dyn Effects,
    ) -> Token {
        if self.flows.len() >= limits::FLOWS
            && let Some(oldest) = self.flows.oldest()
        {
            self.counters.drop(Drop::FlowLimit);
            self.evict(now, oldest, fx);
        }
        self.flows.insert(tuple, flow)
    }

    /// The owner of a flow of datagrams; where the system knows none, that of one that was refused
    /// a moment ago.
    fn owner_or_before(&self, now: Now, tuple: &FiveTuple, uid: Option<u32>) -> Option<u32> {
        uid.or_else(|| self.refusals.owner(now, tuple))
    }

    /// Tells of a flow of datagrams that was refused.
    fn refused(&mut self, now: Now, tuple: FiveTuple, facts: FlowFacts, fx: &mut dyn Effects) {
        if let Some(uid) = facts.uid {
            self.refusals.remember(now, tuple, uid);
        }
        self.blocked(facts, fx);
    }

    /// The verdict for an app's flow, and the facts to be stored.
    fn decide(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        subject: Subject,
        uid: Option<u32>,
    ) -> FlowFacts {
        let entry = match subject {
            Subject::Place(slot) => self.pool.entry(slot),
            Subject::Host(_) => None,
        };
        let transport = match tuple.proto {
            Proto::Tcp => Transport::Tcp,
            Proto::Udp => Transport::Udp,
            Proto::Icmp => Transport::Icmp,
        };
        let (addr, port) = meant(transport, Some(tuple.dst.ip()), tuple.dst.port());
        let (host, decision) = match (entry, subject) {
            (Some(entry), _) => {
                let decision = self.decide_place(now, uid, &entry.name, &entry.listed, port);
                (Some(entry.name.to_string()), decision)
            }
            (None, Subject::Host(host)) => {
                let target = Target { host: host.as_deref(), addr, port };
                let decision = self.decide_for(now, uid, target);
                (host, decision)
            }
            (None, Subject::Place(_)) => (None, self.decide_for(now, uid, None)),
        };
        let stopped = matches!(decision.verdict, Verdict::Block | Verdict::Capture);
        // Where there is no name, the address says what was stopped.
        let server = Some(tuple.dst).filter(|_| stopped && host.is_none());
        self.flows_begun += 1;
        FlowFacts {
            flow: FlowId(self.flows_begun),
            time_ms: now.wall_ms,
            uid,
            package: uid.and_then(|u| self.rules.policy.package(u)).map(str::to_owned),
            host,
            ech: false,
            server,
            port: tuple.dst.port(),
            transport,
            verdict: decision.verdict,
            reason: decision.reason,
        }
    }

    fn decide_for<'a>(
        &self,
        now: Now,
        uid: Option<u32>,
        target: impl Into<Target<'a>>,
    ) -> Decision {
        self.rules.policy.decide(&self.rules.table, now.wall_ms, uid, target)
    }

    /// The rule about the name itself decides; where there is none, that about its alias.
    fn decide_place(
        &self,
        now: Now,
        uid: Option<u32>,
        name: &str,
        listed: &str,
        port: u16,
    ) -> Decision {
        let Rules { table, policy } = &self.rules;
        let alias = name != listed && !policy.concerns(table, now.wall_ms, name);
        let host = Some(if alias { listed } else { name });
        self.decide_for(now, uid, Target { host, addr: None, port })
    }

    /// Whether plain DNS goes to this address: to the virtual resolver, or in Deep to any.
    fn is_question(&self, dst: SocketAddr) -> bool {
        is_resolver(dst, 53) || (self.config.reach == Reach::Deep && dst.port() == 53)
    }

    /// Whether a flow to this address is carried although no fake address stands there.
    fn is_carried(&self, dst: SocketAddr) -> bool {
        self.config.reach == Reach::Deep && !FakePool::covers(dst.ip())
    }

    /// Refuses a packet by a reset or an unreachable: what its protocol has for it.
    fn refuse(&mut self, packet: &[u8], proto: Proto, fx: &mut dyn Effects) {
        let built = match proto {
            Proto::Tcp => wire::reset(packet, &mut self.scratch),
            Proto::Udp => wire::unreachable(packet, Unreachable::Port, &mut self.scratch),
            Proto::Icmp => wire::unreachable(packet, Unreachable::Prohibited, &mut self.scratch),
        };
        if let Ok(len) = built {
            fx.write(&self.scratch[..len]);
        }
    }

    fn unreachable(&mut self, packet: &[u8], fx: &mut dyn Effects) {
        if let Ok(len) = wire::unreachable(packet, Unreachable::Host, &mut self.scratch) {
            fx.write(&self.scratch[..len]);
        }
    }

    fn blocked(&mut self, facts: FlowFacts, fx: &mut dyn Effects) {
        self.counters.blocked += 1;
        fx.record(Record::Blocked(FlowFacts { verdict: Verdict::Block, ..facts }));
    }
}

/// The address and port that rules may speak about. An echo resolves no name, whoever it goes to,
/// and has no port.
fn meant(transport: Transport, addr: Option<IpAddr>, port: u16) -> (Option<IpAddr>, u16) {
    if transport == Transport::Icmp { (None, 0) } else { (addr, port) }
}

/// Whether the address is the virtual resolver's, at this port.
fn is_resolver(addr: SocketAddr, port: u16) -> bool {
    addr.port() == port
        && match addr.ip() {
            IpAddr::V4(ip) => ip == names::RESOLVER_V4,
            IpAddr::V6(ip) => ip == names::RESOLVER_V6,
        }
}

/// A number that nobody without the seed can guess: SipHash of a counter.
fn keyed(seed: [u64; 2], counter: u64) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write_u64(seed[0]);
    hasher.write_u64(counter);
    hasher.write_u64(seed[1]);
    hasher.finish()
}
