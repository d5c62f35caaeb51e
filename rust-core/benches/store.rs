//! Rows per second of the store's writer: `cargo bench --bench store`.
//!
//! Each request decodes to one event of twenty fields and two identifiers, about what a Sensors
//! event has. Rows are events, fields, sightings and requests; counters are left out of the sum.

use muzzle::event::{
    Event, Field, FlowFacts, FlowId, IdKind, Identifier, Kind, Reason, ReasonCode, Record, State,
    Transport, Verdict,
};
use muzzle::http::Request;
use muzzle::store::{Config, Writer};
use std::time::Instant;

const FIELDS: usize = 20;
const IDENTIFIERS: usize = 2;
const REQUESTS: u64 = 50_000;
/// Requests between two flushes: within the queue, so that nothing is dropped.
const ROUND: u64 = 2000;

fn decode(facts: Option<&FlowFacts>, _: Option<i64>, request: &Request) -> Vec<Event> {
    let number = String::from_utf8_lossy(&request.body);
    let field = |n: usize| Field {
        path: format!("properties.$property_{n}").into(),
        value: format!("value {n} of event {number}").into(),
        kind: Kind::DeviceFact,
    };
    let identifier = |n: usize| Identifier {
        kind: IdKind::ALL[n],
        value: "9774d56d682e549c".into(),
        path: "properties.$device_id".into(),
    };
    let base =
        facts.map_or_else(|| Event::empty(State::Decoded), |facts| facts.event(State::Decoded));
    vec![Event {
        kinds: vec![Kind::Identifier, Kind::DeviceFact],
        fields: (0..FIELDS).map(field).collect(),
        ids: (0..IDENTIFIERS).map(identifier).collect(),
        decoder: Some("sensors/1".to_owned()),
        ..base
    }]
}

fn facts() -> FlowFacts {
    FlowFacts {
        flow: FlowId(1),
        time_ms: 1_795_248_000_000,
        uid: Some(10_123),
        package: Some("com.mi.globalbrowser".to_owned()),
        host: Some("sa.example".to_owned()),
        ech: false,
        server: None,
        port: 80,
        transport: Transport::Http,
        verdict: Verdict::Record,
        reason: Reason { code: ReasonCode::ListedHost, rule: None, list: None },
    }
}

fn request(number: u64) -> Record {
    let body = number.to_string().into_bytes();
    let headers = vec![("Host".to_owned(), "sa.example".to_owned())];
    let request = Request {
        method: "POST".to_owned(),
        target: "/sa?project=x".to_owned(),
        headers,
        body_size: body.len() as u64,
        body,
        cut: false,
    };
    Record::Request { flow: FlowId(1), time_ms: 1_795_248_000_000, request: Box::new(request) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("bench.db");
    let config = Config { retention_days: 0, max_bytes: 0, ..Config::new(&path) };
    let writer = Writer::open_with_decoder(config, decode)?;
    let sender = writer.sender();
    assert!(sender.send(Record::Opened(facts().into())));
    let start = Instant::now();
    for number in 0..REQUESTS {
        assert!(sender.send(request(number)), "the queue is full");
        if number % ROUND == ROUND - 1 {
            writer.flush()?;
        }
    }
    let summary = writer.close()?;
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((summary.events, summary.dropped), (REQUESTS, 0));
    // An event, its request and its payload, and what hangs on the event.
    let rows = REQUESTS * (3 + (FIELDS + IDENTIFIERS) as u64);
    let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
    println!(
        "{REQUESTS} events, {rows} rows in {seconds:.2} s: {:.0} rows/s, {:.0} events/s, {} bytes an event",
        rows as f64 / seconds,
        REQUESTS as f64 / seconds,
        bytes / REQUESTS
    );
    Ok(())
}
