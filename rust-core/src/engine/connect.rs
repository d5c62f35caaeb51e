//! From a held SYN to a connection with the real server: its addresses are found, and tried each a
//! moment after the one before, until one answers (Happy Eyeballs, RFC 8305 §5). An address that
//! swallows packets costs a quarter of a second, and not the app's patience.
//!
//! Says nothing to the app before the end: the SYN stays unanswered meanwhile.

use super::inspect::Inspect;
use super::pipe::Peer;
use super::tcp::Phase;
use super::timers::Timer;
use super::{ConnectError, Drop, Effects, Engine, Flow, Now, Readiness};
use crate::event::Verdict;
use crate::flow::Token;
use crate::limits;
use crate::names::Slot;
use crate::wire::Proto;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

const STAGGER_US: i64 = limits::CONNECT_STAGGER.as_micros() as i64;

/// The attempts of one flow to reach its server.
pub(super) struct Race {
    /// Addresses that were not tried yet.
    candidates: VecDeque<IpAddr>,
    /// Attempts under way, each by the token that holds its socket: the flow's own for one of them,
    /// a [`Rival`]'s for each other.
    attempts: Vec<(Token, SocketAddr)>,
    last: ConnectError,
    /// Questions whose answers may bring further addresses.
    open_questions: u8,
    /// When the next address gets its turn although another may still answer.
    next_us: i64,
    until_us: i64,
}

/// Holds the socket of an attempt beside the first one.
pub(super) struct Rival {
    pub(super) of: Token,
    pub(super) timer: Timer,
}

/// The app's own family first, then the families in turns (RFC 8305 §4).
fn in_turns(real: &[IpAddr], ipv4: bool) -> VecDeque<IpAddr> {
    let mut own = real.iter().filter(|addr| addr.is_ipv4() == ipv4);
    let mut other = real.iter().filter(|addr| addr.is_ipv4() != ipv4);
    let mut all = VecDeque::with_capacity(real.len());
    while all.len() < real.len() {
        all.extend(own.next());
        all.extend(other.next());
    }
    all
}

impl Engine {
    /// Finds the real addresses of the name, and begins to connect.
    pub(super) fn seek(&mut self, now: Now, token: Token, slot: Slot, fx: &mut dyn Effects) {
        let deadline = now.mono_us + limits::CONNECT_TIMEOUT.as_micros() as i64;
        if let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) {
            flow.phase = Phase::Resolving { open_questions: 2 };
        }
        self.set_timer(token, Some(deadline));
        let Some(entry) = self.pool.entry(slot) else { return };
        if entry.real(now.mono_us).is_some() {
            if let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) {
                flow.phase = Phase::Resolving { open_questions: 0 };
            }
            return self.first_connect(now, token, fx);
        }
        let name = entry.name.clone();
        self.ask_for_flow(now, token, &name, fx);
    }

    /// The place whose name a flow wants.
    pub(super) fn slot_of(&mut self, token: Token) -> Option<Slot> {
        match self.flows.get_mut(token)? {
            Flow::Tcp(flow) => flow.slot,
            Flow::Udp(flow) => flow.slot,
            Flow::Nat(_) | Flow::Quic(_) | Flow::Lookup(_) | Flow::Rival(_) => None,
        }
    }

    /// One of a flow's questions was answered; its addresses are in the pool already.
    pub(super) fn resolved(
        &mut self,
        now: Now,
        token: Token,
        found: &[IpAddr],
        fx: &mut dyn Effects,
    ) {
        match self.flows.get_mut(token) {
            Some(Flow::Tcp(flow)) => {
                let wanted = flow.tuple.dst.is_ipv4();
                match &mut flow.phase {
                    Phase::Resolving { open_questions } => {
                        *open_questions = open_questions.saturating_sub(1);
                        if *open_questions == 0 || found.iter().any(|a| a.is_ipv4() == wanted) {
                            self.first_connect(now, token, fx);
                        }
                    }
                    Phase::Connecting(race) => {
                        race.open_questions = race.open_questions.saturating_sub(1);
                        race.candidates.extend(found);
                        self.go_on(now, token, fx);
                    }
                    Phase::Owner | Phase::Connected { .. } | Phase::Open(_) => {}
                }
            }
            Some(Flow::Udp(_)) => self.udp_resolved(now, token, found, fx),
            Some(Flow::Nat(_) | Flow::Quic(_) | Flow::Lookup(_) | Flow::Rival(_)) | None => {}
        }
    }

    /// Begins with the addresses that are known.
    fn first_connect(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let entry = flow.slot.and_then(|slot| self.pool.entry(slot));
        let real = entry.and_then(|e| e.real(now.mono_us)).unwrap_or_default();
        let candidates = in_turns(real, flow.tuple.dst.is_ipv4());
        let open_questions = match flow.phase {
            Phase::Resolving { open_questions } if !real.is_empty() => open_questions,
            _ => 0,
        };
        self.race(now, token, candidates, open_questions, fx);
    }

    /// Connects to one address, the app still waiting for an answer to its SYN.
    pub(super) fn connect_to(
        &mut self,
        now: Now,
        token: Token,
        addr: IpAddr,
        fx: &mut dyn Effects,
    ) {
        self.race(now, token, VecDeque::from([addr]), 0, fx);
    }

    fn race(
        &mut self,
        now: Now,
        token: Token,
        candidates: VecDeque<IpAddr>,
        open_questions: u8,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        flow.phase = Phase::Connecting(Box::new(Race {
            candidates,
            attempts: Vec::new(),
            last: ConnectError::Unreachable,
            open_questions,
            next_us: now.mono_us,
            until_us: now.mono_us + limits::CONNECT_TIMEOUT.as_micros() as i64,
        }));
        self.go_on(now, token, fx);
    }

    fn race_of(&mut self, token: Token) -> Option<(&mut Race, u16)> {
        match self.flows.get_mut(token)? {
            Flow::Tcp(flow) => match &mut flow.phase {
                Phase::Connecting(race) => Some((race, flow.tuple.dst.port())),
                _ => None,
            },
            _ => None,
        }
    }

    fn ahead_until(&mut self, token: Token) -> Option<i64> {
        match self.flows.get_mut(token)? {
            Flow::Tcp(flow) => flow.ahead_until,
            _ => None,
        }
    }

    /// Tries the next address, where it is its turn; ends the race where nothing is left of it.
    fn go_on(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        loop {
            let Some((race, port)) = self.race_of(token) else { return };
            let alone = race.attempts.is_empty();
            if !alone && race.next_us > now.mono_us {
                break;
            }
            let Some(addr) = race.candidates.pop_front() else { break };
            self.attempt(now, token, SocketAddr::new(addr, port), fx);
        }
        let Some((race, _)) = self.race_of(token) else { return };
        if race.attempts.is_empty() && race.open_questions == 0 {
            let last = race.last;
            return self.connect_failed(now, token, last, fx);
        }
        let next = (!race.candidates.is_empty()).then_some(race.next_us);
        let due = next.unwrap_or(race.until_us).min(race.until_us);
        let ahead = self.ahead_until(token);
        self.set_timer(token, ahead.into_iter().chain([due]).min());
    }

    fn attempt(&mut self, now: Now, token: Token, server: SocketAddr, fx: &mut dyn Effects) {
        let Some((race, _)) = self.race_of(token) else { return };
        let first = !race.attempts.iter().any(|(holder, _)| *holder == token);
        let (holder, outcome) = if first {
            (token, self.connect(now, token, (Proto::Tcp, server), fx))
        } else {
            let rival = Rival { of: token, timer: Timer::default() };
            let holder = self.begin(now, None, Flow::Rival(rival), fx);
            // No other flow gives its descriptor away for a second attempt.
            (holder, fx.connect(holder, Proto::Tcp, server))
        };
        if let (Ok(()), Some((race, _))) = (outcome, self.race_of(token)) {
            race.attempts.push((holder, server));
            race.next_us = now.mono_us + STAGGER_US;
            return;
        }
        if holder != token {
            fx.close(holder, true);
            self.flows.remove(holder);
        }
        if let (Err(why), Some((race, _))) = (outcome, self.race_of(token)) {
            race.last = why;
        }
    }

    /// The socket of an attempt has something to say.
    pub(super) fn rival_ready(
        &mut self,
        now: Now,
        holder: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Rival(rival)) = self.flows.get_mut(holder) else { return };
        let of = rival.of;
        self.attempt_ready(now, of, holder, ready, fx);
    }

    pub(super) fn attempt_ready(
        &mut self,
        now: Now,
        token: Token,
        holder: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        let Some((race, _)) = self.race_of(token) else { return };
        let attempt = race.attempts.iter().find(|(other, _)| *other == holder);
        let Some((_, server)) = attempt.copied().filter(|_| ready.writable) else { return };
        match fx.connect_result(holder) {
            Ok(()) => {
                race.attempts.retain(|(other, _)| *other != holder);
                self.end_rivals(token, fx);
                if holder != token {
                    fx.close(token, true);
                    fx.take_over(holder, token);
                    self.flows.remove(holder);
                }
                self.connected(now, token, server, ready, fx);
            }
            Err(why) => self.attempt_failed(now, token, holder, why, fx),
        }
    }

    /// The next address need not wait any longer.
    fn attempt_failed(
        &mut self,
        now: Now,
        token: Token,
        holder: Token,
        why: ConnectError,
        fx: &mut dyn Effects,
    ) {
        fx.close(holder, true);
        if holder != token {
            self.flows.remove(holder);
        }
        let Some((race, _)) = self.race_of(token) else { return };
        race.attempts.retain(|(other, _)| *other != holder);
        race.last = why;
        race.next_us = now.mono_us;
        self.go_on(now, token, fx);
    }

    /// A rival has to make room. The race goes on when the engine is done with what needs it.
    pub(super) fn rival_end(&mut self, now: Now, holder: Token, fx: &mut dyn Effects) {
        fx.close(holder, true);
        let Some(Flow::Rival(Rival { of, .. })) = self.flows.remove(holder) else { return };
        let Some((race, _)) = self.race_of(of) else { return };
        race.attempts.retain(|(other, _)| *other != holder);
        race.last = ConnectError::Limit;
        self.set_timer(of, Some(now.mono_us));
    }

    /// Closes the flow's own socket and all attempts that are under way.
    pub(super) fn end_race(&mut self, token: Token, fx: &mut dyn Effects) {
        self.end_rivals(token, fx);
        fx.close(token, true);
    }

    fn end_rivals(&mut self, token: Token, fx: &mut dyn Effects) {
        let rivals = match self.race_of(token) {
            Some((race, _)) => std::mem::take(&mut race.attempts),
            None => Vec::new(),
        };
        for (holder, _) in rivals.into_iter().filter(|(holder, _)| *holder != token) {
            fx.close(holder, true);
            self.flows.remove(holder);
        }
    }

    /// The next address has its turn, or the time is over.
    pub(super) fn connect_due(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        match self.race_of(token) {
            Some((race, _)) if now.mono_us < race.until_us => self.go_on(now, token, fx),
            _ => self.connect_failed(now, token, ConnectError::Unreachable, fx),
        }
    }

    /// Tells the app what the network said to the connect.
    fn connect_failed(&mut self, now: Now, token: Token, why: ConnectError, fx: &mut dyn Effects) {
        self.counters.drop(Drop::ConnectFailed);
        self.end_race(token, fx);
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let (syn, len) = (flow.syn, flow.syn_len);
        match why {
            ConnectError::Refused => self.refuse(&syn[..len], Proto::Tcp, fx),
            ConnectError::Unreachable | ConnectError::Limit => self.unreachable(&syn[..len], fx),
        }
        self.drop_tcp(now, token, fx);
    }

    /// The network accepted: so does the app's connection, once its owner is known.
    pub(super) fn connected(
        &mut self,
        now: Now,
        token: Token,
        server: SocketAddr,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        if let Some(until) = flow.ahead_until {
            flow.phase = Phase::Connected { server, ready };
            return self.set_timer(token, Some(until));
        }
        let recorded = flow.facts.as_ref().is_some_and(|f| f.verdict == Verdict::Record);
        let inspect = if recorded { Inspect::requests() } else { Inspect::Off };
        let Readiness { readable, writable, .. } = ready;
        let peer = Peer::Network { readable, writable, ended: false, finished: false };
        self.accept(now, token, peer, inspect, fx);
        self.tcp_opened(token, Some(server), fx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_apps_own_begins() {
        let [a, b, c]: [IpAddr; 3] = [1, 2, 3].map(|n| [192, 0, 2, n].into());
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(in_turns(&[a, b, c, six], true), [a, six, b, c]);
        assert_eq!(in_turns(&[a, b, six], false), [six, a, b]);
        assert!(in_turns(&[], true).is_empty());
    }
}
