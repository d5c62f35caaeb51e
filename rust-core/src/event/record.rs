//! What the engine tells the store. The engine has seen bytes; nobody has decoded them yet.

use super::{Event, Problem, ProblemCode, Reason, ReasonCode, Transport, Verdict};
use crate::http::Request;
use std::net::SocketAddr;
use std::sync::Arc;

/// A flow of this run of the engine; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// What is known of a flow when its verdict falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFacts {
    /// Names the flow in later records.
    pub flow: FlowId,
    /// Milliseconds since 1970, UTC.
    pub time_ms: i64,
    /// Owner of the socket.
    pub uid: Option<u32>,
    /// The owner's package.
    pub package: Option<String>,
    /// The name that the flow's address stands for.
    pub host: Option<String>,
    /// Whether the client offered an encrypted hello, so that `host` may be that of a front and the
    /// real one hidden. Browsers offer it for show, too (RFC 9849 §6.2).
    pub ech: bool,
    /// The real address; `None` for what was refused or answered here.
    pub server: Option<SocketAddr>,
    /// The port that the app asked for.
    pub port: u16,
    /// As far as is known yet.
    pub transport: Transport,
    /// What becomes of the flow.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// One thing for the store to write. Sent at most a few times a flow, never per packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A flow with verdict record or capture began; its requests follow.
    Opened(Arc<FlowFacts>),
    /// A flow or a name was refused. Nothing follows.
    Blocked(FlowFacts),
    /// A whole HTTP request of an opened flow (or its head, where the flow ended early).
    Request {
        /// The flow, opened before.
        flow: FlowId,
        /// When its last byte was seen.
        time_ms: i64,
        /// Head and bounded body.
        request: Box<Request>,
    },
    /// An opened flow carries something whose content cannot be read: TLS, QUIC, or not HTTP.
    Opaque {
        /// The flow, opened before.
        flow: FlowId,
        /// When that was known.
        time_ms: i64,
        /// What it is.
        transport: Transport,
    },
    /// An opened flow ended.
    Closed {
        /// The flow, opened before.
        flow: FlowId,
        /// When.
        time_ms: i64,
        /// Bytes app to network.
        up: u64,
        /// Bytes network to app.
        down: u64,
    },
    /// Packets, questions and flows were dropped: how many more, by the code of the reason.
    Dropped(Vec<(&'static str, u64)>),
    /// An allowed flow ended: counters only, no event, no host name.
    Passed {
        /// The facts when the flow began.
        facts: FlowFacts,
        /// Bytes app to network.
        up: u64,
        /// Bytes network to app.
        down: u64,
    },
}

impl FlowFacts {
    /// Whether the flow is not looked at: its app is off, or protection is paused.
    pub fn is_unseen(&self) -> bool {
        matches!(self.reason.code, ReasonCode::AppOff | ReasonCode::Paused)
    }

    /// An event that holds these facts and nothing else yet.
    pub fn event(&self, state: super::State) -> Event {
        Event {
            time: Some(super::Time(self.time_ms)),
            app: super::App { uid: self.uid, package: self.package.clone(), hint: None },
            host: self.host.clone(),
            problems: self.hidden_host().into_iter().collect(),
            server: self.server.map(|s| super::Server {
                addr: s.ip(),
                port: s.port(),
                country: None,
                asn: None,
                operator: None,
            }),
            transport: Some(self.transport),
            verdict: Some(self.verdict),
            reason: Some(self.reason.clone()),
            ..Event::empty(state)
        }
    }

    /// The event of a flow that carries something whose content cannot be read.
    pub fn opaque(&self, time_ms: i64, transport: Transport) -> Event {
        let mut event = if matches!(transport, Transport::Tls | Transport::Quic) {
            self.event(super::State::Encrypted)
        } else {
            Event::unread(Some(self), transport, ProblemCode::Unsupported)
        };
        event.transport = Some(transport);
        event.time = Some(super::Time(time_ms));
        event
    }

    fn hidden_host(&self) -> Option<Problem> {
        let told = Problem { code: ProblemCode::Encrypted, path: Problem::HOST.to_owned() };
        self.ech.then_some(told)
    }
}

impl Event {
    /// An event that says: something was sent and could not be read.
    pub fn unread(facts: Option<&FlowFacts>, transport: Transport, code: ProblemCode) -> Self {
        let state = super::State::Undecodable;
        let event = facts.map_or_else(|| Self::empty(state), |facts| facts.event(state));
        let problems = vec![Problem { code, path: String::new() }];
        Self { transport: Some(transport), problems, ..event }
    }

    /// An event of which nothing is known but its state.
    pub fn empty(state: super::State) -> Self {
        Self {
            v: super::VERSION,
            id: None,
            time: None,
            app: super::App::default(),
            host: None,
            server: None,
            transport: None,
            verdict: None,
            reason: None,
            state,
            protocol: None,
            event: None,
            event_time: None,
            kinds: Vec::new(),
            fields: Vec::new(),
            ids: Vec::new(),
            checks: std::collections::BTreeMap::new(),
            problems: Vec::new(),
            bytes: None,
            payload: None,
            decoder: None,
            decoder_before: None,
        }
    }
}
