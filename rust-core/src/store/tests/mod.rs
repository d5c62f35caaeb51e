//! The store as its users see it: records in, events and sums out, and what goes wrong.

mod faults;
mod kill;
mod redecode;
mod retention;
mod roundtrip;

use super::writer::Hooks;
use super::{Config, Reader, RecordSender, Writer};
use crate::event::{
    Event, FlowFacts, FlowId, Reason, ReasonCode, Record, State, Transport, Verdict,
};
use crate::http::Request;
use std::path::PathBuf;
use tempfile::TempDir;

/// 2026-11-21T08:00:00Z.
pub(crate) const NOW: i64 = 1_795_248_000_000;
pub(crate) const DAY: i64 = 86_400_000;

/// A decoder for tests: the body is the JSON of the events. `panic` as a body panics.
pub(crate) fn decode(facts: Option<&FlowFacts>, _: Option<i64>, request: &Request) -> Vec<Event> {
    assert!(request.body != b"panic", "as told");
    let mut events: Vec<Event> = serde_json::from_slice(&request.body).unwrap_or_default();
    if let Some(facts) = facts {
        for event in &mut events {
            let own = facts.event(event.state);
            event.app.uid = own.app.uid;
            event.app.package = own.app.package;
            event.host = own.host;
            event.server = own.server;
            event.verdict = own.verdict;
            event.reason = own.reason;
        }
    }
    events
}

/// A database in a folder of its own, with its writer.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) writer: Writer,
    pub(crate) sender: RecordSender,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().join("muzzle.db"));
        change(&mut config);
        let writer = Writer::open_with(config, hooks()).unwrap();
        let sender = writer.sender();
        Self { dir, writer, sender }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("muzzle.db")
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    /// Sends and waits for the commit.
    pub(crate) fn send(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            assert!(self.sender.send(record));
        }
        self.writer.flush().unwrap();
    }
}

pub(in crate::store) fn hooks() -> Hooks {
    Hooks { decode, now_ms: || NOW }
}

pub(crate) fn facts(flow: u64, package: &str, host: &str, verdict: Verdict) -> FlowFacts {
    FlowFacts {
        flow: FlowId(flow),
        time_ms: NOW,
        uid: Some(10_123),
        package: Some(package.to_owned()),
        host: Some(host.to_owned()),
        ech: false,
        server: (verdict == Verdict::Record).then(|| "203.0.113.9:80".parse().unwrap()),
        port: 80,
        transport: Transport::Tcp,
        verdict,
        reason: Reason {
            code: ReasonCode::ListedHost,
            rule: Some(host.to_owned()),
            list: Some("xiaomi@3".to_owned()),
        },
    }
}

/// A request that decodes to these events.
pub(crate) fn request(flow: u64, time_ms: i64, events: &[Event]) -> Record {
    let body = serde_json::to_vec(events).unwrap();
    let request = Box::new(Request {
        method: "POST".to_owned(),
        target: "/sa?project=x".to_owned(),
        headers: vec![("Host".to_owned(), "sa.example".to_owned())],
        body_size: body.len() as u64,
        body,
        cut: false,
    });
    Record::Request { flow: FlowId(flow), time_ms, request }
}

/// A flow with one request, from its beginning to its end.
pub(crate) fn flow(flow: u64, time_ms: i64, events: &[Event]) -> [Record; 3] {
    let facts =
        FlowFacts { time_ms, ..facts(flow, "com.mi.globalbrowser", "sa.example", Verdict::Record) };
    [
        Record::Opened(facts.into()),
        request(flow, time_ms, events),
        Record::Closed { flow: FlowId(flow), time_ms: time_ms + 100, up: 812, down: 96 },
    ]
}

pub(crate) fn decoded() -> Event {
    Event::empty(State::Decoded)
}
