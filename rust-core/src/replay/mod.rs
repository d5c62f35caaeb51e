//! Captures read as if their flows passed now: packets in, the records of the engine out.
//!
//! Judges by the same rules, and looks at streams with the same sniffers and parsers, as the
//! engine does. Never answers a packet: what a captured app received came from its real server.
//! The same capture gives the same records.

mod answers;
mod capture;
#[cfg(test)]
mod damaged;
mod flow;
mod fragments;
#[cfg(test)]
mod joined;
mod link;
mod packet;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use capture::{Capture, CaptureError, Captured, Item};
pub use link::{RAW, app_line};

use crate::engine::Rules;
use crate::event::{App, FlowId};
use crate::flow::{Table, Token};
use crate::limits::{FLOWS, REPLAY_HELD, UDP_IDLE};
use crate::wire::FiveTuple;
use flow::{Flow, Judge, Out};
use fragments::Fragments;
use packet::{Fragment, Packet, Payload, Segment, Skip};

const DNS: u16 = 53;

/// What was done with the packets of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub packets: u64,
    /// Of a link type that is not read.
    pub foreign: u64,
    /// Not IP, and other protocols than TCP and UDP.
    pub passed_over: u64,
    /// Packets that came in fragments of which some are missing, late or contradict each other.
    pub unjoined: u64,
    /// Captured without their end.
    pub cut: u64,
    /// Connections, and flows of datagrams.
    pub flows: u64,
    /// The first link type that is not read.
    pub foreign_link: Option<u32>,
}

/// See the module.
pub struct Replay {
    judge: Judge,
    flows: Table<Flow>,
    fragments: Fragments,
    /// Bytes that all flows hold.
    held: usize,
    counts: Counts,
}

impl Replay {
    /// One that judges by these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            judge: Judge::new(rules),
            flows: Table::default(),
            fragments: Fragments::default(),
            held: 0,
            counts: Counts::default(),
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        Counts { unjoined: self.fragments.given_up(), ..self.counts }
    }

    /// Bytes of streams that are held now, at most [`REPLAY_HELD`] and what one flow holds.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes what the capture holds next.
    pub fn take(&mut self, item: Item<'_>, out: Out<'_>) {
        match item {
            Item::Packet(captured) => self.packet(&captured, out),
            Item::Name(addr, name) => self.judge.name(addr, name),
        }
    }

    /// Ends all flows, in the order in which they began.
    pub fn finish(&mut self, out: Out<'_>) {
        let tokens = self.flows.tokens();
        let mut all: Vec<_> = tokens.into_iter().filter_map(|t| self.flows.remove(t)).collect();
        all.sort_by_key(|flow| flow.id);
        for mut flow in all {
            flow.close(&self.judge, out);
        }
        self.held = 0;
        self.fragments.end();
    }

    fn packet(&mut self, captured: &Captured<'_>, out: Out<'_>) {
        self.counts.packets += 1;
        if !link::is_known(captured.link) {
            self.counts.foreign += 1;
            self.counts.foreign_link.get_or_insert(captured.link);
            return;
        }
        let Some(bytes) = link::ip(captured.link, captured.bytes) else {
            return self.skip(Skip::Other);
        };
        match Packet::parse(bytes) {
            Ok(packet) => self.whole(captured, &packet, out),
            Err(Skip::Fragment) => self.fragment(captured, bytes, out),
            Err(skip) => self.skip(skip),
        }
    }

    fn skip(&mut self, why: Skip) {
        match why {
            Skip::Cut => self.counts.cut += 1,
            Skip::Other | Skip::Fragment => self.counts.passed_over += 1,
        }
    }

    /// A part of a packet; with the last one that was missing the packet is taken.
    fn fragment(&mut self, captured: &Captured<'_>, bytes: &[u8], out: Out<'_>) {
        let fragment = match Fragment::parse(bytes) {
            Ok(fragment) => fragment,
            Err(skip) => return self.skip(skip),
        };
        let now_ms = captured.time_us.div_euclid(1000);
        let Some(joined) = self.fragments.put(now_ms, &fragment) else { return };
        match Packet::parse(&joined) {
            Ok(packet) => {
                self.whole(captured, &Packet { behind: fragment.behind, ..packet }, out);
            }
            Err(skip) => self.skip(skip),
        }
    }

    fn whole(&mut self, captured: &Captured<'_>, packet: &Packet<'_>, out: Out<'_>) {
        self.counts.cut += u64::from(packet.cut);
        let app = match link::uid(packet.behind) {
            None => link::app_in(captured.comment),
            uid => App { uid, ..App::default() },
        };
        let now_ms = captured.time_us.div_euclid(1000);
        match &packet.payload {
            Payload::Tcp(segment) => self.segment(packet.tuple, now_ms, app, segment, out),
            Payload::Udp(data) => self.datagram(packet.tuple, now_ms, app, data, out),
        }
    }

    /// The flow that a packet belongs to, and whether the client sent it.
    fn find(&self, tuple: &FiveTuple) -> Option<(Token, bool)> {
        let back = FiveTuple { src: tuple.dst, dst: tuple.src, ..*tuple };
        let up = self.flows.find(tuple).map(|token| (token, true));
        up.or_else(|| self.flows.find(&back).map(|token| (token, false)))
    }

    fn segment(
        &mut self,
        tuple: FiveTuple,
        now_ms: i64,
        app: App,
        segment: &Segment<'_>,
        out: Out<'_>,
    ) {
        let mut found = self.find(&tuple);
        if let Some((token, up)) = found
            && segment.opens()
            && !(up && self.flows.get_mut(token).is_some_and(|flow| flow.opened_by(segment)))
        {
            // The ports are used once more.
            self.end(token, out);
            found = None;
        }
        let (token, up) = match found {
            Some(found) => found,
            None if segment.opens() => {
                let first = Some(segment.first());
                let begin = |id| Flow::connection(id, tuple, now_ms, first);
                (self.begin(tuple, begin, out), true)
            }
            None if segment.data.is_empty() => return,
            None => {
                let (up, tuple) = by_ports(tuple);
                (self.begin(tuple, |id| Flow::connection(id, tuple, now_ms, None), out), up)
            }
        };
        let Some(flow) = self.flows.get_mut(token) else { return };
        let before = flow.held();
        flow.seen(now_ms, app);
        if up {
            flow.client_said(&self.judge, segment, out);
        } else {
            if let Some(answers) = flow.answers() {
                answers.put(segment, &mut |message| self.judge.learn(now_ms, message));
            }
            flow.server_said(&self.judge, segment, out);
        }
        self.used(token, before, out);
    }

    fn datagram(&mut self, tuple: FiveTuple, now_ms: i64, app: App, data: &[u8], out: Out<'_>) {
        if tuple.src.port() == DNS || tuple.dst.port() == DNS {
            return self.judge.learn(now_ms, data);
        }
        let mut found = self.find(&tuple);
        if let Some((token, _)) = found
            && self.flows.get_mut(token).is_some_and(|flow| is_idle(flow, now_ms))
        {
            self.end(token, out);
            found = None;
        }
        let (token, up) = match found {
            Some(found) => found,
            None => {
                let (up, tuple) = by_ports(tuple);
                (self.begin(tuple, |id| Flow::datagrams(id, tuple, now_ms), out), up)
            }
        };
        let Some(flow) = self.flows.get_mut(token) else { return };
        let before = flow.held();
        flow.seen(now_ms, app);
        flow.datagram(&self.judge, up, data, out);
        self.used(token, before, out);
    }

    /// Puts a new flow in; where the table is full, the one that was idle longest goes.
    fn begin(
        &mut self,
        tuple: FiveTuple,
        flow: impl FnOnce(FlowId) -> Flow,
        out: Out<'_>,
    ) -> Token {
        if self.flows.len() >= FLOWS
            && let Some(oldest) = self.flows.oldest()
        {
            self.end(oldest, out);
        }
        self.counts.flows += 1;
        self.flows.insert(Some(tuple), flow(FlowId(self.counts.flows)))
    }

    fn end(&mut self, token: Token, out: Out<'_>) {
        let Some(mut flow) = self.flows.remove(token) else { return };
        self.held -= flow.held();
        flow.close(&self.judge, out);
    }

    /// Counts what a flow holds now, `before` bytes until then; where all hold too much, those that
    /// were idle longest go.
    fn used(&mut self, token: Token, before: usize, out: Out<'_>) {
        self.flows.touch(token);
        let now = self.flows.get_mut(token).map_or(0, |flow| flow.held());
        self.held = self.held - before + now;
        while self.held > REPLAY_HELD
            && let Some(oldest) = self.flows.oldest()
        {
            self.end(oldest, out);
        }
    }
}

/// Who is the client of a flow whose beginning was not seen: who has the higher port. Whether the
/// client sent this packet, and the tuple from its side.
fn by_ports(tuple: FiveTuple) -> (bool, FiveTuple) {
    if tuple.src.port() >= tuple.dst.port() {
        return (true, tuple);
    }
    (false, FiveTuple { src: tuple.dst, dst: tuple.src, ..tuple })
}

fn is_idle(flow: &Flow, now_ms: i64) -> bool {
    flow.silent(now_ms) > UDP_IDLE.as_millis() as i64
}
