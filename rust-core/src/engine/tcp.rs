//! TCP flows: held at the SYN until the owner and so the verdict is known, and until the network
//! answered; then joined to it, or to a service of ours.
//!
//! An app never sees a connection that the real server did not accept: nothing is said to a SYN
//! before the other side has answered.

use super::connect::Race;
use super::gate::Told;
use super::inspect::Inspect;
use super::local::Local;
use super::park::Rest;
use super::pipe::{Open, Peer, Pipe, Turn, give_local, take_local};
use super::timers::Timer;
use super::{Drop, Effects, Engine, Flow, Now, Readiness};
use super::{Subject, questions::Asker};
use crate::event::{FlowFacts, FlowId, Record, Verdict};
use crate::flow::Token;
use crate::limits;
use crate::names::{FakePool, Slot};
use crate::wire::{self, FiveTuple, Packet, Payload, Proto};
use std::net::SocketAddr;
use std::sync::Arc;

/// Largest SYN: an IPv4 and a TCP header with all their options.
const SYN: usize = 60 + 60;

/// See the module.
pub(super) struct TcpFlow {
    pub(super) tuple: FiveTuple,
    pub(super) uid: Option<u32>,
    pub(super) slot: Option<Slot>,
    pub(super) syn: [u8; SYN],
    pub(super) syn_len: usize,
    pub(super) facts: Option<Arc<FlowFacts>>,
    pub(super) phase: Phase,
    /// Until when its owner may still be told, while it is connected ahead of that.
    pub(super) ahead_until: Option<i64>,
    queued: bool,
    /// It moved much in its last turn.
    bulk: bool,
    pub(super) rest: Rest,
    up: u64,
    down: u64,
    pub(super) timer: Timer,
}

pub(super) enum Phase {
    /// Who sent this?
    Owner,
    /// Where is it really?
    Resolving { open_questions: u8 },
    /// Is anybody there?
    Connecting(Box<Race>),
    /// Somebody is; but who sent this?
    Connected { server: SocketAddr, ready: Readiness },
    /// Bytes flow.
    Open(Box<Open>),
}

impl Engine {
    pub(super) fn handle_segment(
        &mut self,
        now: Now,
        packet: &Packet,
        bytes: &[u8],
        fx: &mut dyn Effects,
    ) {
        let Payload::Tcp(flags) = packet.payload else { return };
        match self.flows.find(&packet.tuple) {
            // The app uses its port again, and the last bytes of before are still on their way.
            Some(token) if flags.opens && self.is_spent(token) => {
                self.tcp_abort(now, token, fx);
                self.open_tcp(now, packet.tuple, bytes, fx);
            }
            Some(token) => self.known_segment(now, token, flags.rst, bytes, fx),
            None if flags.rst => {}
            None if !flags.opens => {
                self.counters.drop(Drop::NoFlow);
                self.refuse(bytes, Proto::Tcp, fx);
            }
            None => self.open_tcp(now, packet.tuple, bytes, fx),
        }
    }

    fn known_segment(
        &mut self,
        now: Now,
        token: Token,
        rst: bool,
        bytes: &[u8],
        fx: &mut dyn Effects,
    ) {
        self.flows.touch(token);
        self.make_room(now, token, fx);
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        match &mut flow.phase {
            Phase::Open(open) => {
                self.stack.wake(now.mono_us, &mut open.socket, &flow.syn[..flow.syn_len]);
                self.stack.ingress(now.mono_us, bytes, &mut open.socket, fx);
                match open.socket.has_ended() {
                    // At once: the next packet may open a connection from the same port.
                    true if rst => self.tcp_abort(now, token, fx),
                    true => _ = self.pump(now, token, fx),
                    false => self.mark(token),
                }
            }
            // The app gave up before the network answered; a repeated SYN changes nothing.
            _ if rst => {
                self.end_race(token, fx);
                self.drop_tcp(now, token, fx);
            }
            _ => {}
        }
    }

    /// Whether nothing of the app can belong to this flow any more.
    fn is_spent(&mut self, token: Token) -> bool {
        let Some(Flow::Tcp(TcpFlow { phase: Phase::Open(open), .. })) = self.flows.get_mut(token)
        else {
            return false;
        };
        open.socket.has_ended()
    }

    fn open_tcp(&mut self, now: Now, tuple: FiveTuple, bytes: &[u8], fx: &mut dyn Effects) {
        let slot = FakePool::slot(tuple.dst.ip()).filter(|s| self.pool.entry(*s).is_some());
        let to_resolver = self.is_question(tuple.dst);
        if slot.is_none() && !to_resolver && !self.is_carried(tuple.dst) {
            self.counters.drop(Drop::NoName);
            return self.refuse(bytes, Proto::Tcp, fx);
        }
        // Data in a SYN is left out, and so sent again.
        let mut syn = [0; SYN];
        let Ok(syn_len) = wire::segment_head(bytes, &mut syn) else { return };
        let flow = TcpFlow {
            tuple,
            uid: None,
            slot,
            syn,
            syn_len,
            facts: None,
            phase: Phase::Owner,
            ahead_until: None,
            queued: false,
            bulk: false,
            rest: Rest::default(),
            up: 0,
            down: 0,
            timer: Timer::default(),
        };
        let token = self.begin(now, Some(tuple), Flow::Tcp(flow), fx);
        if let Some(slot) = slot {
            self.pool.pin(slot);
        }
        if to_resolver {
            return self.accept_local(now, token, Local::resolver(), fx);
        }
        match self.owner(now, token, &tuple, fx) {
            Some(uid) => self.tcp_owner(now, token, uid, fx),
            None if slot.is_none() => self.connect_ahead(now, token, fx),
            None => {}
        }
    }

    pub(super) fn tcp_owner(
        &mut self,
        now: Now,
        token: Token,
        uid: Option<u32>,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let ahead = flow.ahead_until.take().is_some();
        if !ahead && !matches!(flow.phase, Phase::Owner) {
            return;
        }
        flow.uid = uid;
        let tuple = flow.tuple;
        let Some(slot) = flow.slot else { return self.address_owner(now, token, fx) };
        let facts = Arc::new(self.decide(now, &tuple, Subject::Place(slot), uid));
        let verdict = facts.verdict;
        if let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) {
            flow.facts = Some(facts);
        }
        match verdict {
            Verdict::Block => self.tcp_block(now, token, fx),
            Verdict::Capture => {
                self.accept_local(now, token, Local::collector(), fx);
                self.tcp_opened(token, None, fx);
            }
            Verdict::Allow | Verdict::Record => self.seek(now, token, slot, fx),
        }
    }

    pub(super) fn tcp_block(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let (syn, len, facts) = (flow.syn, flow.syn_len, flow.facts.take());
        self.refuse(&syn[..len], Proto::Tcp, fx);
        if let Some(facts) = facts {
            self.blocked(Arc::unwrap_or_clone(facts), fx);
        }
        self.drop_tcp(now, token, fx);
    }

    /// Accepts the app's connection for a service of ours.
    fn accept_local(&mut self, now: Now, token: Token, local: Local, fx: &mut dyn Effects) {
        self.accept(now, token, Peer::Local(local), Inspect::Off, fx);
    }

    /// Answers the SYN, which was held until now.
    pub(super) fn accept(
        &mut self,
        now: Now,
        token: Token,
        peer: Peer,
        inspect: Inspect,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let syn = &flow.syn[..flow.syn_len];
        let accepted = self.stack.accept(now.mono_us, flow.tuple.dst, syn, fx);
        let Some(socket) = accepted else { return };
        flow.phase = Phase::Open(Box::new(Open { socket, peer, inspect }));
        self.set_timer(token, None);
        self.mark(token);
    }

    /// Tells the store of a flow that will be recorded.
    pub(super) fn tcp_opened(
        &mut self,
        token: Token,
        server: Option<SocketAddr>,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let Some(facts) = &mut flow.facts else { return };
        Arc::make_mut(facts).server = server;
        if facts.verdict != Verdict::Allow {
            fx.record(Record::Opened(Arc::clone(facts)));
        }
    }

    pub(super) fn tcp_ready(
        &mut self,
        now: Now,
        token: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        match &mut flow.phase {
            Phase::Connecting(_) => self.attempt_ready(now, token, token, ready, fx),
            Phase::Connected { ready: before, .. } => {
                before.readable |= ready.readable;
                before.writable |= ready.writable;
            }
            Phase::Open(open) => match &mut open.peer {
                Peer::Network { readable, writable, .. } => {
                    *readable |= ready.readable;
                    *writable |= ready.writable;
                    self.mark(token);
                }
                Peer::Joining { .. } if ready.writable => {
                    self.joined(now, token, ready.readable, fx);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Puts a flow in the queue of [`Engine::flush`], once.
    pub(super) fn mark(&mut self, token: Token) {
        if let Some(Flow::Tcp(flow)) = self.flows.get_mut(token)
            && !flow.queued
        {
            flow.queued = true;
            let queue = if flow.bulk { &mut self.bulk } else { &mut self.dirty };
            queue.push_back(token);
        }
    }

    /// Moves what can be moved for one flow, both ways, and writes what is due to the app. Returns
    /// the bytes that were moved.
    pub(super) fn pump(&mut self, now: Now, token: Token, fx: &mut dyn Effects) -> u64 {
        self.make_room(now, token, fx);
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return 0 };
        flow.queued = false;
        let (id, before) = (flow.id(), flow.up + flow.down);
        let Phase::Open(open) = &mut flow.phase else { return 0 };
        self.stack.wake(now.mono_us, &mut open.socket, &flow.syn[..flow.syn_len]);
        self.stack.allot(&mut open.socket);
        let mut questions = Vec::new();
        let turn = match &mut open.peer {
            Peer::Network { .. } => {
                let mut pipe = Pipe { token, id, now, up: 0, down: 0 };
                let turn = pipe.turn(open, fx);
                flow.up += pipe.up;
                flow.down += pipe.down;
                turn
            }
            Peer::Local(local) => {
                let (turn, up) = take_local(id, now, &mut open.socket, local, fx);
                questions = local.next_questions();
                flow.up += up;
                turn
            }
            Peer::Gate(gate) => {
                let finished = open.socket.app_finished();
                match open.socket.peek(|bytes| gate.look(bytes)) {
                    Some(told) => {
                        self.pass_gate(now, token, told, fx);
                        return 0;
                    }
                    None if finished => {
                        self.pass_gate(now, token, Told::NOTHING, fx);
                        return 0;
                    }
                    None => Turn::Rest,
                }
            }
            Peer::Joining { .. } => Turn::Rest,
        };
        let moved = flow.up + flow.down - before;
        flow.bulk = moved > limits::SMALL_TURN;
        for question in questions {
            self.answer(now, Asker::Stream(token), &question, fx);
        }
        self.settle(now, token, turn, fx);
        moved
    }

    /// After a turn: writes to the app, ends what is over, and sets the clock.
    fn settle(&mut self, now: Now, token: Token, turn: Turn, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let Phase::Open(open) = &mut flow.phase else { return };
        if let Peer::Local(local) = &mut open.peer {
            flow.down += give_local(&mut open.socket, local);
        }
        if matches!(turn, Turn::Broken | Turn::Refused) {
            open.socket.abort();
        }
        open.socket.watch_acks(now.mono_us);
        self.stack.egress(now.mono_us, &mut open.socket, fx);
        if turn == Turn::Refused
            && let Some(facts) = flow.facts.clone()
        {
            self.blocked(Arc::unwrap_or_clone(facts), fx);
            return self.drop_tcp(now, token, fx);
        }
        if open.socket.is_over() {
            let peaceful = matches!(open.peer, Peer::Network { ended: true, finished: true, .. });
            fx.close(token, !peaceful);
            return self.drop_tcp(now, token, fx);
        }
        if turn == Turn::Again {
            return self.mark(token);
        }
        let deadline = self.stack.deadline(now.mono_us, &open.socket);
        // A millisecond at least: the kernel's queue may be full, and a spin would not empty it.
        let deadline = deadline.map(|at| at.max(now.mono_us + 1000));
        let waits_until = match &open.peer {
            Peer::Gate(gate) => Some(gate.until_us),
            Peer::Joining { until_us } => Some(*until_us),
            Peer::Network { .. } | Peer::Local(_) => None,
        };
        let due = [deadline, waits_until].into_iter().flatten().min();
        self.set_timer(token, due);
        if due.is_none() {
            self.rest(now, token);
        }
    }

    /// Gives an answer of the virtual resolver to the connection that asked.
    pub(super) fn stream_answer(&mut self, _now: Now, token: Token, message: &[u8]) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        if let Phase::Open(open) = &mut flow.phase
            && let Peer::Local(local) = &mut open.peer
        {
            local.answer(message);
            self.mark(token);
        }
    }

    pub(super) fn tcp_due(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        if flow.ahead_until.is_some_and(|at| at <= now.mono_us) {
            return self.owner_due(now, token, fx);
        }
        match &flow.phase {
            Phase::Open(open) => match &open.peer {
                Peer::Gate(gate) if gate.until_us <= now.mono_us => {
                    self.pass_gate(now, token, Told::NOTHING, fx);
                }
                Peer::Joining { until_us } if *until_us <= now.mono_us => {
                    self.tcp_abort(now, token, fx);
                }
                _ => self.mark(token),
            },
            Phase::Owner => self.owner_due(now, token, fx),
            _ => self.connect_due(now, token, fx),
        }
    }

    /// Refuses a flow whose first bytes told a blocked host.
    pub(super) fn block_open(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        if let Some(facts) = flow.facts.take() {
            self.blocked(Arc::unwrap_or_clone(facts), fx);
        }
        self.tcp_abort(now, token, fx);
    }

    /// Stops looking at what passes.
    pub(super) fn tcp_unseen(&mut self, token: Token) {
        if let Some(Flow::Tcp(flow)) = self.flows.get_mut(token)
            && let Phase::Open(open) = &mut flow.phase
        {
            open.inspect = Inspect::Off;
        }
    }

    /// Ends a connection at once, on both sides.
    pub(super) fn tcp_abort(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        self.end_race(token, fx);
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        if let Phase::Open(open) = &mut flow.phase {
            self.stack.wake(now.mono_us, &mut open.socket, &flow.syn[..flow.syn_len]);
            open.socket.abort();
            self.stack.egress(now.mono_us, &mut open.socket, fx);
        }
        self.drop_tcp(now, token, fx);
    }

    /// Takes a flow out and completes its records.
    pub(super) fn drop_tcp(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.remove(token) else { return };
        if let Some(slot) = flow.slot {
            self.pool.unpin(slot);
        }
        let (id, up, down, time_ms) = (flow.id(), flow.up, flow.down, now.wall_ms);
        let Phase::Open(open) = flow.phase else { return };
        let Open { socket, mut peer, mut inspect, .. } = *open;
        self.stack.give_back(socket);
        let Some(facts) = flow.facts else { return };
        // Nobody was connected to: there was no flow to speak of.
        if matches!(peer, Peer::Gate(_) | Peer::Joining { .. }) {
            return;
        }
        if facts.verdict == Verdict::Allow {
            return fx.record(Record::Passed { facts: Arc::unwrap_or_clone(facts), up, down });
        }
        let cut = match &mut peer {
            Peer::Local(local) => local.finish(),
            _ => inspect.finish(),
        };
        if let Some(request) = cut {
            fx.record(Record::Request { flow: id, time_ms, request: Box::new(request) });
        }
        fx.record(Record::Closed { flow: id, time_ms, up, down });
    }
}

impl TcpFlow {
    /// Whether it waits in the queue of [`Engine::flush`].
    pub(super) fn is_queued(&self) -> bool {
        self.queued
    }

    /// What was decided, once it is.
    pub(super) fn facts(&self) -> Option<&FlowFacts> {
        self.facts.as_deref()
    }

    fn id(&self) -> FlowId {
        self.facts.as_ref().map_or(FlowId(0), |f| f.flow)
    }
}
