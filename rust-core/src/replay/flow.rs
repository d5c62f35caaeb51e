//! One captured flow: what it told of its host, what the rules say of it, and the requests in it.
//! Goes by the engine's own sniffers, so that a capture says what a live flow would have said.

use super::DNS;
use super::answers::Answers;
use super::packet::Segment;
use super::stream::{Piece, Sent, Stream};
use crate::dns::{DomainName, Response, addresses, aliases};
use crate::engine::{Gate, Inspect, Now, Rules, Told};
use crate::event::{App, FlowFacts, FlowId, ReasonCode, Record, Transport, Verdict};
use crate::http::{Addressed, HeadReader};
use crate::limits::FAKE_NAMES;
use crate::policy::Target;
use crate::quic::{InitialReader, Outcome};
use crate::tls::Ech;
use crate::wire::FiveTuple;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Where records go.
pub(super) type Out<'a> = &'a mut dyn FnMut(Record);

/// Says what the rules make of a flow.
pub(super) struct Judge {
    rules: Rules,
    names: HashMap<IpAddr, Named>,
}

/// What a resolver's answer, or the file, called an address.
struct Named {
    name: String,
    /// The first alias on the way that a rule speaks about.
    listed: Option<String>,
}

impl Judge {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, names: HashMap::new() }
    }

    /// Learns from a DNS message; one that is no answer says nothing.
    pub(super) fn learn(&mut self, now_ms: i64, message: &[u8]) {
        let Ok(response) = Response::parse(message) else { return };
        let Some(question) = response.question() else { return };
        let asked = question.name.as_str();
        let Rules { table, policy } = &self.rules;
        let mut listed = None;
        aliases(&response, asked, &mut |alias| {
            if listed.is_none() && policy.concerns(table, now_ms, alias) {
                listed = Some(alias.to_owned());
            }
        });
        let mut found = Vec::new();
        addresses(&response, asked, &mut |addr, _| found.push(addr));
        for addr in found {
            self.call(addr, asked, listed.clone());
        }
    }

    /// Learns what the file calls an address.
    pub(super) fn name(&mut self, addr: IpAddr, name: &str) {
        if let Ok(name) = name.parse::<DomainName>()
            && !name.is_root()
        {
            self.call(addr, name.as_str(), None);
        }
    }

    fn call(&mut self, addr: IpAddr, name: &str, listed: Option<String>) {
        if self.names.len() < FAKE_NAMES || self.names.contains_key(&addr) {
            self.names.insert(addr, Named { name: name.to_owned(), listed });
        }
    }

    /// The verdict on a flow, by the host that it told or that its address was given for.
    fn facts(&self, flow: &Flow, told: Told) -> FlowFacts {
        let Rules { table, policy } = &self.rules;
        let (uid, server) = (flow.app.uid, flow.tuple.dst);
        let decide = |host| {
            let target = Target { host, addr: Some(server.ip()), port: server.port() };
            policy.decide(table, flow.begun_ms, uid, target)
        };
        let named = self.names.get(&server.ip());
        let host = told.host.or_else(|| named.map(|named| named.name.clone()));
        let mut decision = decide(host.as_deref());
        // What a rule says of the name itself outweighs what one says of its alias.
        if let Some(Named { name, listed: Some(alias) }) = named
            && host.as_deref() == Some(name)
            && decision.reason.code == ReasonCode::UnknownAllow
        {
            decision = decide(Some(alias));
        }
        let stopped = matches!(decision.verdict, Verdict::Block | Verdict::Capture);
        let package = uid.and_then(|uid| policy.package(uid)).map(str::to_owned);
        FlowFacts {
            flow: flow.id,
            time_ms: flow.begun_ms,
            uid,
            package: package.or_else(|| flow.app.package.clone()),
            ech: told.ech,
            server: Some(server).filter(|_| !stopped || host.is_none()),
            host,
            port: server.port(),
            transport: told.transport,
            verdict: decision.verdict,
            reason: decision.reason,
        }
    }
}

/// What a flow is at.
enum Phase {
    /// The first bytes of a connection have not told a host yet.
    Gate(Gate, Vec<u8>),
    /// Neither have the first datagrams, of so many bytes.
    Quic(InitialReader, usize),
    /// Judged; requests are read.
    Watched(Inspect),
    /// Judged, but bytes are missing: whatever begins a request is read again.
    Lost(Inspect),
    /// Judged; nothing of it is looked at.
    Unseen,
    /// Its end was told.
    Over,
}

/// A flow between a client and its server.
pub(super) struct Flow {
    pub(super) id: FlowId,
    /// From the client to the server.
    tuple: FiveTuple,
    app: App,
    begun_ms: i64,
    seen_ms: i64,
    up: Sent,
    down: Sent,
    /// What the client sends, while it is looked at.
    stream: Option<Stream>,
    /// Number of the client's first byte; `None` where the capture lacks the beginning.
    first: Option<u32>,
    /// The number behind the client's last byte, once it is known.
    last: Option<u32>,
    /// Whether the server sends no more.
    ended: bool,
    phase: Phase,
    facts: Option<Arc<FlowFacts>>,
    /// What the server says, where it is a resolver.
    answers: Option<Answers>,
}

impl Flow {
    fn new(id: FlowId, tuple: FiveTuple, now_ms: i64, phase: Phase) -> Self {
        Self {
            id,
            tuple,
            app: App::default(),
            begun_ms: now_ms,
            seen_ms: now_ms,
            up: Sent::default(),
            down: Sent::default(),
            stream: None,
            first: None,
            last: None,
            ended: false,
            phase,
            facts: None,
            answers: None,
        }
    }

    /// A connection; `first` is the number of the client's first byte, if its SYN was seen.
    pub(super) fn connection(
        id: FlowId,
        tuple: FiveTuple,
        now_ms: i64,
        first: Option<u32>,
    ) -> Self {
        if tuple.dst.port() == DNS {
            // Nothing is told of it, as of questions over UDP.
            let answers = Some(Answers::default());
            return Self { first, answers, ..Self::new(id, tuple, now_ms, Phase::Over) };
        }
        let phase = Phase::Gate(Gate::new(Now::default()), Vec::new());
        Self { first, ..Self::new(id, tuple, now_ms, phase) }
    }

    /// Where what a resolver says is to be read.
    pub(super) fn answers(&mut self) -> Option<&mut Answers> {
        self.answers.as_mut()
    }

    pub(super) fn datagrams(id: FlowId, tuple: FiveTuple, now_ms: i64) -> Self {
        Self::new(id, tuple, now_ms, Phase::Quic(InitialReader::default(), 0))
    }

    /// A packet of it was seen, which may tell whose it is.
    pub(super) fn seen(&mut self, now_ms: i64, app: App) {
        self.seen_ms = now_ms;
        if self.app.uid.is_none() {
            self.app = app;
        }
    }

    /// How long nothing was seen of it, milliseconds.
    pub(super) fn silent(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.seen_ms)
    }

    /// Whether an opening segment of the client belongs to this connection.
    pub(super) fn opened_by(&self, segment: &Segment<'_>) -> bool {
        self.first == Some(segment.first())
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        let phase = match &self.phase {
            Phase::Gate(_, head) => head.capacity(),
            Phase::Quic(_, bytes) => *bytes,
            Phase::Watched(inspect) | Phase::Lost(inspect) => inspect.held(),
            Phase::Unseen | Phase::Over => 0,
        };
        let answers = self.answers.as_ref().map_or(0, Answers::held);
        phase + answers + self.stream.as_ref().map_or(0, Stream::held)
    }

    /// A segment of the client.
    pub(super) fn client_said(&mut self, judge: &Judge, segment: &Segment<'_>, out: Out<'_>) {
        let first = segment.first();
        self.up.saw(first, segment.len, segment.fin());
        if segment.fin() {
            self.last = Some(first.wrapping_add(segment.len));
        }
        if !matches!(self.phase, Phase::Unseen | Phase::Over) {
            let mut stream = self.stream.take().unwrap_or_else(|| Stream::new(first));
            stream.put(first, segment.data, &mut |piece| self.piece(judge, &piece, out));
            self.stream = Some(stream).filter(|_| !matches!(self.phase, Phase::Unseen));
        }
        self.close_if_over(judge, segment, out);
    }

    /// A segment of the server.
    pub(super) fn server_said(&mut self, judge: &Judge, segment: &Segment<'_>, out: Out<'_>) {
        self.down.saw(segment.first(), segment.len, segment.fin());
        self.ended |= segment.fin();
        self.close_if_over(judge, segment, out);
    }

    fn close_if_over(&mut self, judge: &Judge, segment: &Segment<'_>, out: Out<'_>) {
        // What was sent before the client's FIN may come behind it.
        let all_read = self
            .last
            .is_some_and(|last| self.stream.as_ref().is_none_or(|stream| stream.next() == last));
        if segment.rst() || (self.ended && all_read) {
            self.close(judge, out);
        }
    }

    /// What comes next of what the client said, or that something is missing.
    fn piece(&mut self, judge: &Judge, piece: &Piece<'_>, out: Out<'_>) {
        let Piece::Bytes(bytes) = *piece else { return self.gap(judge, out) };
        let (id, time_ms, begun) = (self.id, self.seen_ms, self.first.is_some());
        match &mut self.phase {
            Phase::Gate(gate, head) => {
                if head.is_empty() && !begun && !begins_request(bytes) {
                    if is_tls(bytes) {
                        let transport = Transport::Tls;
                        self.pass_gate(judge, Told { transport, ..Told::NOTHING }, out);
                    }
                    // Else it is in the middle of something.
                    return;
                }
                head.extend_from_slice(bytes);
                if let Some(told) = gate.look(head) {
                    self.pass_gate(judge, told, out);
                }
            }
            Phase::Watched(inspect) => {
                inspect.feed(id, time_ms, bytes, out);
                // What was named once is not looked at again.
                if !inspect.is_on() {
                    self.phase = Phase::Unseen;
                }
            }
            Phase::Lost(inspect) => resume(inspect, (id, time_ms), bytes, out),
            Phase::Quic(..) | Phase::Unseen | Phase::Over => {}
        }
    }

    fn gap(&mut self, judge: &Judge, out: Out<'_>) {
        if matches!(self.phase, Phase::Gate(..)) {
            self.pass_gate(judge, Told::NOTHING, out);
        }
        if let Phase::Watched(inspect) | Phase::Lost(inspect) = &mut self.phase {
            finish(inspect, (self.id, self.seen_ms), out);
            self.phase = Phase::Lost(Inspect::requests());
        }
    }

    /// Judges a connection by what its first bytes told, and looks at them.
    fn pass_gate(&mut self, judge: &Judge, told: Told, out: Out<'_>) {
        let Phase::Gate(_, head) = std::mem::replace(&mut self.phase, Phase::Unseen) else {
            return;
        };
        let transport = told.transport;
        let mut facts = judge.facts(self, told);
        // What is not HTTP cannot be answered in the collector's place.
        if facts.verdict == Verdict::Capture && transport != Transport::Http {
            facts.verdict = Verdict::Block;
        }
        if !self.open(facts, out) {
            return;
        }
        let (flow, time_ms) = (self.id, self.seen_ms);
        if transport == Transport::Tls {
            return out(Record::Opaque { flow, time_ms, transport });
        }
        let mut inspect = Inspect::requests();
        self.phase = if self.first.is_some() {
            inspect.feed(flow, time_ms, &head, out);
            if inspect.is_on() { Phase::Watched(inspect) } else { Phase::Unseen }
        } else {
            resume(&mut inspect, (flow, time_ms), &head, out);
            Phase::Lost(inspect)
        };
    }

    /// Tells of a flow that is judged; whether it is to be looked at.
    fn open(&mut self, facts: FlowFacts, out: Out<'_>) -> bool {
        let facts = self.facts.insert(Arc::new(facts));
        match facts.verdict {
            Verdict::Record | Verdict::Capture => {
                out(Record::Opened(Arc::clone(facts)));
                true
            }
            Verdict::Block => {
                out(Record::Blocked((**facts).clone()));
                false
            }
            Verdict::Allow => false,
        }
    }

    /// A datagram of the client or, where not `up`, of its server.
    pub(super) fn datagram(&mut self, judge: &Judge, up: bool, data: &[u8], out: Out<'_>) {
        (if up { &mut self.up } else { &mut self.down }).bytes += data.len() as u64;
        let Phase::Quic(reader, bytes) = &mut self.phase else { return };
        if !up {
            return;
        }
        *bytes += data.len();
        match reader.feed(data) {
            Outcome::More => {}
            Outcome::NotQuic => self.pass_quic(judge, Told::NOTHING, Transport::Udp, out),
            Outcome::Done(hello) => {
                let told = Told {
                    host: hello.name().map(ToString::to_string),
                    ech: hello.ech == Ech::Offered,
                    ..Told::NOTHING
                };
                self.pass_quic(judge, told, Transport::Quic, out);
            }
            Outcome::Unsupported(_) | Outcome::Unreadable(_) => {
                self.pass_quic(judge, Told::NOTHING, Transport::Quic, out);
            }
        }
    }

    fn pass_quic(&mut self, judge: &Judge, told: Told, transport: Transport, out: Out<'_>) {
        self.phase = Phase::Unseen;
        let named = told.host.is_some();
        let mut facts = judge.facts(self, Told { transport: Transport::Udp, ..told });
        if named {
            facts.transport = transport;
        }
        // A datagram cannot be answered in a collector's place.
        if facts.verdict == Verdict::Capture {
            facts.verdict = Verdict::Block;
        }
        if self.open(facts, out) {
            out(Record::Opaque { flow: self.id, time_ms: self.seen_ms, transport });
        }
    }

    /// Tells what was still held, the judgement if there was none, and the totals.
    pub(super) fn close(&mut self, judge: &Judge, out: Out<'_>) {
        if let Some(mut stream) = self.stream.take() {
            stream.end(&mut |piece| self.piece(judge, &piece, out));
        }
        match self.phase {
            Phase::Gate(..) => self.pass_gate(judge, Told::NOTHING, out),
            Phase::Quic(..) => self.pass_quic(judge, Told::NOTHING, Transport::Quic, out),
            _ => {}
        }
        if let Phase::Watched(inspect) | Phase::Lost(inspect) = &mut self.phase {
            finish(inspect, (self.id, self.seen_ms), out);
        }
        self.phase = Phase::Over;
        self.answers = None;
        let Some(facts) = self.facts.take() else { return };
        let (up, down) = (self.up.bytes, self.down.bytes);
        match facts.verdict {
            Verdict::Record | Verdict::Capture => {
                out(Record::Closed { flow: self.id, time_ms: self.seen_ms, up, down });
            }
            Verdict::Allow => out(Record::Passed { facts: (*facts).clone(), up, down }),
            Verdict::Block => {}
        }
    }
}

/// Whether a request may begin here: what follows a lost segment may as well be text of a body.
fn begins_request(bytes: &[u8]) -> bool {
    let method = bytes.iter().position(|byte| !byte.is_ascii_uppercase());
    let method = method.filter(|len| *len > 0 && bytes.get(*len) == Some(&b' '));
    method.is_some() && HeadReader::default().peek(bytes) != Addressed::NotHttp
}

/// Whether a TLS record begins here (RFC 8446 §5.1).
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=4, ..])
}

/// Reads requests where the stream may begin in the middle of something else: that is no event.
fn resume(inspect: &mut Inspect, (flow, time_ms): (FlowId, i64), bytes: &[u8], out: Out<'_>) {
    if inspect.is_idle() && !begins_request(bytes) {
        return;
    }
    inspect.feed(flow, time_ms, bytes, &mut |record| {
        if !matches!(record, Record::Opaque { .. }) {
            out(record);
        }
    });
    if !inspect.is_on() {
        *inspect = Inspect::requests();
    }
}

/// Tells of a request that the end of its bytes cut.
fn finish(inspect: &mut Inspect, (flow, time_ms): (FlowId, i64), out: Out<'_>) {
    if let Some(request) = inspect.finish() {
        out(Record::Request { flow, time_ms, request: Box::new(request) });
    }
}
