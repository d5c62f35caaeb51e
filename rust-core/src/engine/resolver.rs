//! The virtual resolver: listed names get fake addresses, all others go to the upstream resolver
//! and come back unchanged.
//!
//! An answer never carries the verdict of the app that asked: phones share one cache among apps.
//! Nothing is cached here.

use super::questions::{Asked, Asker, Waiter};
use super::timers::Timer;
use super::{Drop, Effects, Engine, Flow, Now, Received, Sent};
use crate::dns::{self, DnsError, DomainName, Query, Response, qtype, rcode};
use crate::event::{FlowFacts, FlowId, Reason, Transport, Verdict};
use crate::flow::Token;
use crate::limits;
use crate::names::FakePool;
use crate::wire;
use crate::wire::Proto;
use std::net::IpAddr;

const TIMEOUT_US: i64 = limits::DNS_TIMEOUT.as_micros() as i64;
/// In place of the moment at which a question was sent: it is asked over TCP now.
const OVER_TCP: i64 = i64::MAX;

/// A question that went to the upstream resolver over TCP, because its answer did not fit.
pub(super) struct Lookup {
    id: u16,
    sent: usize,
    reply: Vec<u8>,
    pub(super) timer: Timer,
}

/// What a listed name gets.
#[derive(Clone, Copy)]
enum Reply {
    Address(IpAddr),
    Nothing(u32),
    NoName,
    Failure,
}

impl Engine {
    /// Answers a question of an app, or sends it on.
    pub(super) fn answer(&mut self, now: Now, asker: Asker, message: &[u8], fx: &mut dyn Effects) {
        self.counters.questions += 1;
        let query = match dns::parse_query(message) {
            Ok(query) => query,
            Err(error) => return self.reject(now, asker, message, error, fx),
        };
        if query.qclass != dns::CLASS_IN {
            return self.forward(now, asker, message, query.qtype, fx);
        }
        let name = query.name.as_str();
        let reply = if is_discovery(name) {
            Some(Reply::Nothing(limits::FAKE_TTL))
        } else if name == CANARY && self.rules.policy.refuses_bypass(now.wall_ms) {
            Some(Reply::NoName)
        } else if self.concerns(now, name) {
            self.reply(now, name, name, query.qtype, fx)
        } else {
            None
        };
        match reply {
            Some(reply) => self.send_reply(now, asker, &query, reply, fx),
            None => self.forward(now, asker, message, query.qtype, fx),
        }
    }

    fn concerns(&self, now: Now, name: &str) -> bool {
        self.rules.policy.concerns(&self.rules.table, now.wall_ms, name)
    }

    fn reject(
        &mut self,
        now: Now,
        asker: Asker,
        message: &[u8],
        error: DnsError,
        fx: &mut dyn Effects,
    ) {
        self.counters.drop(Drop::BadDns);
        let code = if error == DnsError::Unsupported { rcode::NOTIMP } else { rcode::FORMERR };
        let mut out = [0; 512];
        // What is no question gets no answer; the connection that it came by is not kept for one.
        let len = dns::write_error_for(message, code, &mut out).unwrap_or_default();
        if len > 0 || matches!(asker, Asker::Stream(_)) {
            self.deliver(now, asker, &out[..len], fx);
        }
    }

    /// What `name` gets because a rule speaks about `listed`; `None` where this type of record is
    /// none of ours.
    fn reply(
        &mut self,
        now: Now,
        name: &str,
        listed: &str,
        asked: u16,
        fx: &mut dyn Effects,
    ) -> Option<Reply> {
        match asked {
            qtype::A | qtype::AAAA => {}
            // Service bindings would tell the app real addresses and keys; ANY would tell all.
            qtype::HTTPS | qtype::SVCB | qtype::ANY => {
                return Some(Reply::Nothing(limits::FAKE_TTL));
            }
            _ => return None,
        }
        let refused = self.rules.policy.refuses_name(&self.rules.table, now.wall_ms, listed);
        if let Some(reason) = refused {
            self.name_blocked(now, name, reason, fx);
            return Some(Reply::Nothing(limits::BLOCKED_TTL));
        }
        Some(match self.pool.assign(now.mono_us, name, listed) {
            Ok(slot) if asked == qtype::A => Reply::Address(FakePool::v4(slot).into()),
            Ok(slot) => Reply::Address(FakePool::v6(slot).into()),
            Err(_) => {
                self.counters.drop(Drop::NameLimit);
                Reply::Failure
            }
        })
    }

    fn name_blocked(&mut self, now: Now, name: &str, reason: Reason, fx: &mut dyn Effects) {
        self.flows_begun += 1;
        let facts = FlowFacts {
            flow: FlowId(self.flows_begun),
            time_ms: now.wall_ms,
            uid: None,
            package: None,
            host: Some(name.to_owned()),
            ech: false,
            server: None,
            port: 53,
            transport: Transport::Dns,
            verdict: Verdict::Block,
            reason,
        };
        self.blocked(facts, fx);
    }

    fn send_reply(
        &mut self,
        now: Now,
        asker: Asker,
        query: &Query<'_>,
        reply: Reply,
        fx: &mut dyn Effects,
    ) {
        self.counters.answered += 1;
        let mut out = [0; 1024];
        let written = match reply {
            Reply::Address(addr) => dns::write_address(query, addr, limits::FAKE_TTL, &mut out),
            Reply::Nothing(ttl) => dns::write_nodata(query, ttl, &mut out),
            Reply::NoName => dns::write_error(query, rcode::NXDOMAIN, &mut out),
            Reply::Failure => dns::write_error(query, rcode::SERVFAIL, &mut out),
        };
        if let Ok(len) = written {
            self.deliver(now, asker, &out[..len], fx);
        }
    }

    fn forward(
        &mut self,
        now: Now,
        asker: Asker,
        message: &[u8],
        qtype: u16,
        fx: &mut dyn Effects,
    ) {
        match self.questions.add(now, asker, message, qtype) {
            Asked::New(id) => self.ask(id, fx),
            Asked::Shared => {}
            Asked::Full => {
                self.counters.drop(Drop::DnsLimit);
                self.fail(now, asker, message, fx);
            }
        }
    }

    fn ask(&mut self, id: u16, fx: &mut dyn Effects) {
        if let Some(question) = self.questions.get(id) {
            fx.ask(question.resolver, &question.message);
        }
    }

    fn fail(&mut self, now: Now, asker: Asker, message: &[u8], fx: &mut dyn Effects) {
        if let Asker::Flow(token) = asker {
            return self.resolved(now, token, &[], fx);
        }
        let mut out = [0; 512];
        if let Ok(len) = dns::write_error_for(message, rcode::SERVFAIL, &mut out) {
            self.deliver(now, asker, &out[..len], fx);
        }
    }

    /// Asks for the real addresses of a name, for a flow that wants to connect.
    pub(super) fn ask_for_flow(
        &mut self,
        now: Now,
        token: Token,
        name: &str,
        fx: &mut dyn Effects,
    ) {
        let Ok(name) = name.parse::<DomainName>() else {
            return self.resolved(now, token, &[], fx);
        };
        for kind in [qtype::A, qtype::AAAA] {
            let mut out = [0; 512];
            if let Ok(len) = dns::write_query(0, &name, kind, &mut out) {
                self.forward(now, Asker::Flow(token), &out[..len], kind, fx);
            }
        }
    }

    /// Gives an answer to an app.
    fn deliver(&mut self, now: Now, asker: Asker, message: &[u8], fx: &mut dyn Effects) {
        match asker {
            Asker::Datagram { app, resolver } => {
                let head = if app.is_ipv4() { wire::DATAGRAM_V4 } else { wire::DATAGRAM_V6 };
                if let Some(room) = self.datagram.get_mut(head..head + message.len()) {
                    room.copy_from_slice(message);
                }
                let built = wire::datagram(resolver, app, message.len(), &mut self.datagram);
                if let Ok(len) = built {
                    fx.write(&self.datagram[..len]);
                }
            }
            Asker::Stream(token) => self.stream_answer(now, token, message),
            Asker::Flow(_) => {}
        }
    }

    /// Handles a datagram of the upstream resolver.
    pub fn handle_answer(&mut self, now: Now, message: &mut [u8], fx: &mut dyn Effects) {
        let waits = |id| self.questions.get(id).is_some_and(|q| q.sent_us != OVER_TCP);
        let waits = dns::id(message).is_some_and(waits);
        let matches = waits && dns::id(message).is_some_and(|id| self.is_answer(id, message));
        match dns::id(message) {
            Some(id) if matches => self.answered(now, id, message, false, fx),
            _ => self.counters.drop(Drop::StrayAnswer),
        }
    }

    /// Whether the message answers the question of this id: whoever guesses an id must guess the
    /// question too.
    fn is_answer(&mut self, id: u16, message: &[u8]) -> bool {
        let Some(question) = self.questions.get(id) else { return false };
        let (Ok(asked), Ok(response)) =
            (dns::parse_query(&question.message), Response::parse(message))
        else {
            return false;
        };
        match response.question() {
            Some(q) => q.name == asked.name && q.qtype == asked.qtype && q.qclass == asked.qclass,
            // A server that could not read the question does not repeat it.
            None => response.rcode() != rcode::NOERROR,
        }
    }

    fn answered(
        &mut self,
        now: Now,
        id: u16,
        message: &mut [u8],
        over_tcp: bool,
        fx: &mut dyn Effects,
    ) {
        let Some(question) = self.questions.get(id) else { return };
        if dns::is_truncated(message) && !over_tcp && !question.by_datagram() {
            // An app that asked by a datagram sees the mark and asks again over TCP.
            return self.look_up(now, id, fx);
        }
        let asked = std::mem::take(&mut question.message);
        let kind = question.qtype;
        let Some(waiters) = self.questions.remove(id) else { return };
        let mut alias = None;
        for Waiter { asker, id } in waiters {
            if let Asker::Flow(token) = asker {
                self.take_addresses(now, token, message, fx);
                continue;
            }
            let reply =
                *alias.get_or_insert_with(|| self.reply_for_alias(now, &asked, kind, message, fx));
            match (reply, dns::parse_query(&asked)) {
                (Some(reply), Ok(mut query)) => {
                    query.id = id;
                    self.send_reply(now, asker, &query, reply, fx);
                }
                (Some(_), Err(_)) => {}
                (None, _) => {
                    dns::set_id(message, id);
                    self.deliver(now, asker, message, fx);
                }
            }
        }
        self.questions.keep_room(asked);
    }

    /// What the asker gets in place of an answer that leads to a listed name.
    fn reply_for_alias(
        &mut self,
        now: Now,
        asked: &[u8],
        kind: u16,
        message: &[u8],
        fx: &mut dyn Effects,
    ) -> Option<Reply> {
        if !matches!(kind, qtype::A | qtype::AAAA | qtype::HTTPS | qtype::SVCB) {
            return None;
        }
        let response = Response::parse(message).ok()?;
        let asked = dns::parse_query(asked).ok()?.name;
        let mut listed = None;
        dns::aliases(&response, asked.as_str(), &mut |alias| {
            if listed.is_none() && self.concerns(now, alias) {
                listed = Some(alias.to_owned());
            }
        });
        // A never-block rule about the name itself outweighs one about its alias.
        let listed = listed.filter(|_| !self.is_exempt(now, asked.as_str()))?;
        self.reply(now, asked.as_str(), &listed, kind, fx)
    }

    fn is_exempt(&self, now: Now, name: &str) -> bool {
        use crate::event::ReasonCode::{HostOverride, NeverBlock};
        let decision = self.rules.policy.decide(&self.rules.table, now.wall_ms, None, Some(name));
        matches!(decision.reason.code, HostOverride | NeverBlock)
    }

    fn take_addresses(&mut self, now: Now, token: Token, message: &[u8], fx: &mut dyn Effects) {
        let mut found = [IpAddr::from([0, 0, 0, 0]); limits::REAL_ADDRESSES];
        let (mut count, mut ttl) = (0, *limits::REAL_TTL.end());
        if let Ok(response) = Response::parse(message)
            && let Some(question) = response.question()
        {
            dns::addresses(&response, question.name.as_str(), &mut |addr, seconds| {
                let usable = !addr.is_unspecified() && !FakePool::covers(addr);
                if usable && count < found.len() {
                    found[count] = addr;
                    count += 1;
                    ttl = ttl.min(seconds);
                }
            });
        }
        let ttl = ttl.clamp(*limits::REAL_TTL.start(), *limits::REAL_TTL.end());
        if let Some(slot) = self.slot_of(token) {
            let until = now.mono_us + i64::from(ttl) * 1_000_000;
            self.pool.set_real(slot, &found[..count], now.mono_us, until);
        }
        self.resolved(now, token, &found[..count], fx);
    }

    /// Asks again, another resolver if there is one, or tells the asker of the failure.
    pub(super) fn questions_due(&mut self, now: Now, fx: &mut dyn Effects) {
        while self.questions.deadline().is_some_and(|at| at <= now.mono_us) {
            let Some(id) = self.questions.pop() else { break };
            let resolvers = self.config.resolvers.len();
            let Some(question) = self.questions.get(id) else { continue };
            if question.tries < limits::DNS_TRIES {
                question.tries += 1;
                question.sent_us = now.mono_us;
                question.resolver = (question.resolver + 1) % resolvers.max(1);
                self.questions.sent(now, id);
                self.ask(id, fx);
            } else {
                self.give_up(now, id, fx);
            }
        }
    }

    fn give_up(&mut self, now: Now, id: u16, fx: &mut dyn Effects) {
        self.counters.drop(Drop::DnsTimeout);
        let Some(question) = self.questions.get(id) else { return };
        let mut message = std::mem::take(&mut question.message);
        for Waiter { asker, id } in self.questions.remove(id).into_iter().flatten() {
            dns::set_id(&mut message, id);
            self.fail(now, asker, &message, fx);
        }
        self.questions.keep_room(message);
    }

    /// Asks the upstream resolver over TCP (RFC 7766).
    fn look_up(&mut self, now: Now, id: u16, fx: &mut dyn Effects) {
        let Some(question) = self.questions.get(id) else { return };
        // The lookup has its own deadline; the question must not be sent again meanwhile.
        question.sent_us = OVER_TCP;
        let resolver = self.config.resolvers.get(question.resolver).copied();
        let lookup = Lookup { id, sent: 0, reply: Vec::new(), timer: Timer::default() };
        let token = self.begin(now, None, Flow::Lookup(lookup), fx);
        self.set_timer(token, Some(now.mono_us + TIMEOUT_US));
        let connected = resolver.map(|to| self.connect(now, token, (Proto::Tcp, to), fx));
        if connected.is_none_or(|result| result.is_err()) {
            self.lookup_failed(now, token, fx);
        }
    }

    /// Asks everything that waits again, as if it were asked now.
    pub(super) fn ask_all_again(&mut self, now: Now, fx: &mut dyn Effects) {
        self.questions.begin_anew();
        for id in self.questions.waiting() {
            let Some(question) = self.questions.get(id) else { continue };
            (question.sent_us, question.tries, question.resolver) = (now.mono_us, 1, 0);
            self.questions.sent(now, id);
            self.ask(id, fx);
        }
    }

    pub(super) fn lookup_failed(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        fx.close(token, true);
        if let Some(Flow::Lookup(lookup)) = self.flows.remove(token) {
            self.give_up(now, lookup.id, fx);
        }
    }

    pub(super) fn lookup_ready(
        &mut self,
        now: Now,
        token: Token,
        ready: super::Readiness,
        fx: &mut dyn Effects,
    ) {
        let sent = !ready.writable || self.lookup_send(token, fx);
        match (sent, sent && ready.readable) {
            (false, _) => self.lookup_failed(now, token, fx),
            (true, true) => self.lookup_recv(now, token, fx),
            (true, false) => {}
        }
    }

    /// Sends the question with its length before it; whether that went well so far.
    fn lookup_send(&mut self, token: Token, fx: &mut dyn Effects) -> bool {
        let Some(Flow::Lookup(lookup)) = self.flows.get_mut(token) else { return true };
        let Some(question) = self.questions.get(lookup.id) else { return false };
        let length = (question.message.len() as u16).to_be_bytes();
        let whole = [&length[..], &question.message].concat();
        if lookup.sent == 0 && fx.connect_result(token).is_err() {
            return false;
        }
        while lookup.sent < whole.len() {
            match fx.send(token, &whole[lookup.sent..]) {
                Sent::Bytes(n) => lookup.sent += n,
                Sent::Later => return true,
                Sent::TooLong(_) | Sent::Failed => return false,
            }
        }
        true
    }

    fn lookup_recv(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Lookup(lookup)) = self.flows.get_mut(token) else { return };
        loop {
            match fx.recv(token, &mut self.scratch) {
                Received::Bytes(n) => lookup.reply.extend_from_slice(&self.scratch[..n]),
                Received::Later => return,
                Received::End | Received::Failed => return self.lookup_failed(now, token, fx),
            }
            let Some((length, rest)) = lookup.reply.split_at_checked(2) else { continue };
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if rest.len() >= length {
                break;
            }
        }
        let (id, mut reply) = (lookup.id, std::mem::take(&mut lookup.reply));
        let length = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
        fx.close(token, false);
        self.flows.remove(token);
        let message = &mut reply[2..2 + length];
        if dns::id(message) == Some(id) && self.is_answer(id, message) {
            self.answered(now, id, message, true, fx);
        } else {
            self.give_up(now, id, fx);
        }
    }
}

/// A name that Firefox asks for to learn whether the network wants its own resolver to be used; it
/// does where the name does not exist.
const CANARY: &str = "use-application-dns.net";

/// Names by which a client asks a resolver for an encrypted way to it (RFC 9462 §6.4): they are
/// answered here, never by the resolver behind us.
fn is_discovery(name: &str) -> bool {
    name == "resolver.arpa" || name.ends_with(".resolver.arpa")
}
