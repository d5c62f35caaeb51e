//! Connections to bare addresses (Deep reach): on the ports of the web and of encrypted DNS the app
//! is accepted first, its first bytes are looked at for a host name, and only after the verdict is
//! anybody connected to. Not even a SYN goes to a blocked host.
//!
//! Never takes bytes out of the app's stream: they wait in the ring until somebody may have them.

use super::inspect::Inspect;
use super::local::Local;
use super::pipe::{Open, Peer};
use super::tcp::Phase;
use super::{Effects, Engine, Flow, Now, Rules, Subject};
use crate::event::{Transport, Verdict};
use crate::flow::Token;
use crate::http::{Addressed, HeadReader};
use crate::limits;
use crate::policy::{ENCRYPTED_DNS, Target};
use crate::tls::{Ech, Hello, HelloReader};
use crate::wire::Proto;
use std::net::IpAddr;
use std::sync::Arc;

/// Looks at a stream until it tells its host.
#[derive(Debug)]
pub(crate) struct Gate {
    head: HeadReader,
    hello: HelloReader,
    /// When the connection is made although the app has not said a host.
    pub(super) until_us: i64,
}

/// What the first bytes told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) host: Option<String>,
    pub(crate) transport: Transport,
    /// Whether the host may hide another.
    pub(crate) ech: bool,
}

impl Told {
    /// The app said nothing, or nothing that names a host.
    pub(crate) const NOTHING: Self = Self { host: None, transport: Transport::Tcp, ech: false };
}

impl Gate {
    pub(crate) fn new(now: Now) -> Self {
        let until_us = now.mono_us + limits::FIRST_BYTES.as_micros() as i64;
        Self { head: HeadReader::default(), hello: HelloReader::default(), until_us }
    }

    /// Looks at all bytes so far; `None` while more are needed.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Option<Told> {
        let told = |host, transport| Some(Told { host, transport, ech: false });
        if bytes.is_empty() {
            return None;
        }
        match self.head.peek(bytes) {
            Addressed::To(host) => return told(host, Transport::Http),
            Addressed::More if bytes.len() < limits::GATE => return None,
            Addressed::More => return told(None, Transport::Tcp),
            Addressed::NotHttp => {}
        }
        match self.hello.peek(bytes) {
            Hello::Done(hello) => Some(Told {
                host: hello.name().map(ToString::to_string),
                transport: Transport::Tls,
                ech: hello.ech == Ech::Offered,
            }),
            Hello::More if bytes.len() < limits::GATE => None,
            Hello::More | Hello::Broken(_) => told(None, Transport::Tls),
            Hello::NotTls => told(None, Transport::Tcp),
        }
    }
}

/// Whether the first bytes to this port are looked at before anybody is connected to: clients of
/// the web and of encrypted DNS speak first.
fn is_looked_at(port: u16) -> bool {
    matches!(port, 80 | 443 | ENCRYPTED_DNS)
}

impl Engine {
    /// A connection to a bare address whose owner is known.
    pub(super) fn address_owner(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let (tuple, uid) = (flow.tuple, flow.uid);
        let facts = self.decide(now, &tuple, Subject::Host(None), uid);
        let unseen = facts.is_unseen();
        let verdict = facts.verdict;
        if let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) {
            flow.facts = Some(Arc::new(facts));
        }
        if !unseen && is_looked_at(tuple.dst.port()) {
            let gate = Peer::Gate(Box::new(Gate::new(now)));
            return self.accept(now, token, gate, Inspect::Off, fx);
        }
        match verdict {
            Verdict::Allow | Verdict::Record => self.reach(now, token, tuple.dst.ip(), fx),
            // Nobody here could answer in the place of a server of any port.
            Verdict::Block | Verdict::Capture => {
                self.end_race(token, fx);
                self.tcp_block(now, token, fx);
            }
        }
    }

    /// Connects to a bare address although its owner is not known yet, where that makes no
    /// difference: the look-up and the network take their time together. Nothing is said to the
    /// app before both have answered.
    pub(super) fn connect_ahead(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let dst = flow.tuple.dst;
        let target = Target { host: None, addr: Some(dst.ip()), port: dst.port() };
        let Rules { table, policy } = &self.rules;
        if is_looked_at(dst.port()) || !policy.is_free(table, now.wall_ms, target) {
            return;
        }
        flow.ahead_until = Some(now.mono_us + limits::OWNER_TIMEOUT.as_micros() as i64);
        self.connect_to(now, token, dst.ip(), fx);
    }

    /// Connects, or goes on with what [`Engine::connect_ahead`] began.
    fn reach(&mut self, now: Now, token: Token, addr: IpAddr, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        match flow.phase {
            Phase::Connecting(_) => self.connect_due(now, token, fx),
            Phase::Connected { server, ready } => self.connected(now, token, server, ready, fx),
            _ => self.connect_to(now, token, addr, fx),
        }
    }

    /// Lets a flow through its gate, by what its first bytes told.
    pub(super) fn pass_gate(&mut self, now: Now, token: Token, told: Told, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let (tuple, uid) = (flow.tuple, flow.uid);
        let mut facts = self.decide(now, &tuple, Subject::Host(told.host), uid);
        facts.transport = told.transport;
        facts.ech = told.ech;
        let verdict = match facts.verdict {
            // What is not HTTP cannot be answered in the collector's place.
            Verdict::Capture if told.transport != Transport::Http => Verdict::Block,
            verdict => verdict,
        };
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let Phase::Open(open) = &mut flow.phase else { return };
        flow.facts = Some(Arc::new(facts));
        match verdict {
            Verdict::Block => self.block_open(now, token, fx),
            Verdict::Capture => {
                open.peer = Peer::Local(Local::collector());
                self.tcp_opened(token, None, fx);
                self.mark(token);
            }
            Verdict::Allow | Verdict::Record => self.join(now, token, fx),
        }
    }

    /// Connects an accepted flow to the address that the app asked for.
    pub(super) fn join(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let server = flow.tuple.dst;
        let Phase::Open(open) = &mut flow.phase else { return };
        let deadline = now.mono_us + limits::CONNECT_TIMEOUT.as_micros() as i64;
        open.peer = Peer::Joining { until_us: deadline };
        self.set_timer(token, Some(deadline));
        if self.connect(now, token, (Proto::Tcp, server), fx).is_err() {
            self.tcp_abort(now, token, fx);
        }
    }

    /// The network answered to [`Engine::join`].
    pub(super) fn joined(&mut self, now: Now, token: Token, readable: bool, fx: &mut dyn Effects) {
        if fx.connect_result(token).is_err() {
            return self.tcp_abort(now, token, fx);
        }
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        let recorded = flow.facts().is_some_and(|f| f.verdict == Verdict::Record);
        let server = flow.tuple.dst;
        let Phase::Open(open) = &mut flow.phase else { return };
        let Open { peer, inspect, .. } = &mut **open;
        *peer = Peer::Network { readable, writable: true, ended: false, finished: false };
        if recorded {
            *inspect = Inspect::requests();
        }
        self.tcp_opened(token, Some(server), fx);
        self.mark(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bytes: &[u8]) -> Option<Told> {
        Gate::new(Now::default()).look(bytes)
    }

    #[test]
    fn a_request_tells_its_host() {
        let host = Some("a.example".to_owned());
        let told = Told { host, transport: Transport::Http, ech: false };
        assert_eq!(look(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), Some(told));
        assert_eq!(look(b"GET / HTTP/1.1\r\nHost: a.exa"), None);
        assert_eq!(look(b""), None);
    }

    #[test]
    fn other_bytes_tell_no_host_and_are_not_held_up() {
        assert_eq!(look(b"\x00\x01"), Some(Told::NOTHING));
        let broken = look(b"\x16\x03\x01\xff\xff\x01");
        assert_eq!(broken, Some(Told { transport: Transport::Tls, ..Told::NOTHING }));
    }
}
