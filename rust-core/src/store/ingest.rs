//! Records of flows become events: requests are decoded, what cannot be read is named so, totals
//! are joined to their flow. Never fails on what a peer sent, not even where a decoder panics.

use super::names::Names;
use super::pack::Packer;
use super::rows::{Links, insert_event, insert_request};
use super::tally::{Sums, Tally, UNKNOWN, signed};
use crate::event::{App, Event, FlowFacts, FlowId, ProblemCode, Record, State, Time, Transport};
use crate::http::Request;
use crate::limits::{EVENTS_PER_REQUEST, FLOWS};
use crate::servers::Servers;
use rusqlite::{Connection, Result, params};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Reads the events of a request, given its flow's facts and its time in milliseconds: usually
/// [`crate::decode::events`].
pub type Decode = fn(Option<&FlowFacts>, Option<i64>, &Request) -> Vec<Event>;

/// Flows remembered at once. The engine holds [`FLOWS`]; the rest is room for flows whose end was
/// dropped on the way.
const OPEN_FLOWS: usize = 2 * FLOWS;

#[derive(Debug)]
struct Open {
    facts: Arc<FlowFacts>,
    /// Row and the batch that made it.
    row: Option<(i64, u64)>,
}

/// State between records.
#[derive(Debug)]
pub(super) struct Ingest {
    pub(super) names: Names,
    pub(super) tally: Tally,
    packer: Packer,
    flows: BTreeMap<FlowId, Open>,
    /// What the engine dropped, by code, and the database does not know of yet.
    dropped: BTreeMap<&'static str, u64>,
    decode: Decode,
    batch: u64,
    /// Events written in this batch.
    pub(super) events: u64,
}

impl Ingest {
    pub(super) fn new(decode: Decode, servers: Servers) -> Self {
        Self {
            names: Names::new(servers),
            tally: Tally::default(),
            packer: Packer::default(),
            flows: BTreeMap::new(),
            dropped: BTreeMap::new(),
            decode,
            batch: 0,
            events: 0,
        }
    }

    /// A new transaction begins.
    pub(super) fn begin(&mut self) {
        self.batch += 1;
        self.events = 0;
    }

    /// The transaction that began last is committed.
    pub(super) fn done(&mut self) {
        self.dropped.clear();
    }

    /// The transaction that began last is undone: nothing that it made exists.
    pub(super) fn undo(&mut self) {
        self.names.clear();
        self.tally = Tally::default();
        let batch = self.batch;
        for open in self.flows.values_mut() {
            open.row = open.row.filter(|(_, made)| *made != batch);
        }
    }

    /// Rows were deleted: ids are looked up anew, and open flows get a new row when they need one.
    pub(super) fn forget(&mut self) {
        self.names.clear();
        for open in self.flows.values_mut() {
            open.row = None;
        }
    }

    /// Whether an open flow has this row.
    pub(super) fn holds(&self, row: i64) -> bool {
        self.flows.values().any(|open| open.row.is_some_and(|(id, _)| id == row))
    }

    /// Writes what was counted, after the records.
    pub(super) fn write_counts(&mut self, db: &Connection) -> Result<()> {
        self.packer.rest();
        self.tally.write(db)?;
        for (code, count) in &self.dropped {
            add_to_meta(db, &format!("drop.{code}"), *count)?;
        }
        Ok(())
    }

    /// Writes one record.
    pub(super) fn record(&mut self, db: &Connection, record: &Record) -> Result<()> {
        match record {
            Record::Opened(facts) => self.opened(db, facts),
            Record::Blocked(facts) => {
                self.count(db, facts, facts.time_ms, Sums { flows: 1, ..Sums::default() })?;
                self.event(db, &facts.event(State::Blocked), Links::default())
            }
            Record::Request { flow, time_ms, request } => {
                self.request(db, *flow, *time_ms, request)
            }
            Record::Opaque { flow, time_ms, transport } => {
                self.opaque(db, *flow, *time_ms, *transport)
            }
            Record::Closed { flow, time_ms, up, down } => {
                self.closed(db, *flow, *time_ms, (*up, *down))
            }
            Record::Dropped(counts) => {
                for (code, count) in counts {
                    *self.dropped.entry(code).or_default() += count;
                }
                Ok(())
            }
            Record::Passed { facts, up, down } => {
                let sums = Sums { flows: 1, events: 0, up: *up, down: *down };
                // An allowed flow leaves no name behind.
                let app = self.app(db, facts)?;
                self.tally.count(facts.time_ms, (app, UNKNOWN), facts.verdict, sums);
                Ok(())
            }
        }
    }

    fn opened(&mut self, db: &Connection, facts: &Arc<FlowFacts>) -> Result<()> {
        self.count(db, facts, facts.time_ms, Sums { flows: 1, ..Sums::default() })?;
        if self.flows.len() >= OPEN_FLOWS {
            self.flows.pop_first();
        }
        self.flows.insert(facts.flow, Open { facts: Arc::clone(facts), row: None });
        Ok(())
    }

    fn request(
        &mut self,
        db: &Connection,
        flow: FlowId,
        time_ms: i64,
        request: &Request,
    ) -> Result<()> {
        let facts = self.flows.get(&flow).map(|open| &*open.facts);
        let mut events = read(self.decode, facts, time_ms, request)
            .unwrap_or_else(|| vec![Event::unread(facts, Transport::Http, ProblemCode::Malformed)]);
        let row = self.flow_row(db, flow)?;
        let request = insert_request(db, &mut self.packer, time_ms, request)?;
        for event in &mut events {
            event.time = Some(Time(time_ms));
            self.event(db, event, Links { id: None, flow: row, request: Some(request) })?;
        }
        Ok(())
    }

    fn opaque(
        &mut self,
        db: &Connection,
        flow: FlowId,
        time_ms: i64,
        transport: Transport,
    ) -> Result<()> {
        // Without its flow (its beginning was dropped, and counted) it says nothing.
        let Some(open) = self.flows.get(&flow) else { return Ok(()) };
        let event = open.facts.opaque(time_ms, transport);
        let row = self.flow_row(db, flow)?;
        self.event(db, &event, Links { id: None, flow: row, request: None })
    }

    fn closed(
        &mut self,
        db: &Connection,
        flow: FlowId,
        time_ms: i64,
        (up, down): (u64, u64),
    ) -> Result<()> {
        let Some(open) = self.flows.remove(&flow) else { return Ok(()) };
        self.count(db, &open.facts, time_ms, Sums { up, down, ..Sums::default() })?;
        if let Some((row, _)) = open.row {
            db.prepare_cached("UPDATE flows SET closed = ?2, up = ?3, down = ?4 WHERE id = ?1")?
                .execute(params![row, time_ms, signed(up), signed(down)])?;
        }
        Ok(())
    }

    /// The row of an open flow, made when its first event needs it.
    fn flow_row(&mut self, db: &Connection, flow: FlowId) -> Result<Option<i64>> {
        let Some(open) = self.flows.get_mut(&flow) else { return Ok(None) };
        if let Some((row, _)) = open.row {
            return Ok(Some(row));
        }
        let facts = &open.facts;
        let event = facts.event(State::Decoded);
        let app = self.names.app(db, &event.app)?;
        let host = self.names.host(db, facts.host.as_deref())?;
        let server = self.names.server(db, event.server.as_ref())?;
        let rule = self.names.rule(db, &facts.reason)?;
        db.prepare_cached(
            "INSERT INTO flows (opened, app, host, server, port, transport, verdict, rule)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            facts.time_ms,
            app,
            host,
            server,
            facts.port,
            facts.transport.as_str(),
            facts.verdict.as_str(),
            rule
        ])?;
        let row = db.last_insert_rowid();
        open.row = Some((row, self.batch));
        Ok(Some(row))
    }

    fn event(&mut self, db: &Connection, event: &Event, links: Links) -> Result<()> {
        self.events += 1;
        insert_event(db, &mut self.names, &mut self.tally, event, links).map(|_| ())
    }

    fn app(&mut self, db: &Connection, facts: &FlowFacts) -> Result<i64> {
        let app = App { uid: facts.uid, package: facts.package.clone(), hint: None };
        Ok(self.names.app(db, &app)?.unwrap_or(UNKNOWN))
    }

    fn count(
        &mut self,
        db: &Connection,
        facts: &FlowFacts,
        time_ms: i64,
        sums: Sums,
    ) -> Result<()> {
        let app = self.app(db, facts)?;
        let host = self.names.host(db, facts.host.as_deref())?.unwrap_or(UNKNOWN);
        self.tally.count(time_ms, (app, host), facts.verdict, sums);
        Ok(())
    }
}

/// Adds to a count among the facts about the store.
pub(super) fn add_to_meta(db: &Connection, key: &str, count: u64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET value = value + excluded.value",
    )?
    .execute((key, signed(count)))?;
    Ok(())
}

/// The events of a request; none where a decoder panicked. A decoder's bug costs one request its
/// reading, not the owner the log.
pub(super) fn read(
    decode: Decode,
    facts: Option<&FlowFacts>,
    time_ms: i64,
    request: &Request,
) -> Option<Vec<Event>> {
    match catch_unwind(AssertUnwindSafe(|| decode(facts, Some(time_ms), request))) {
        Ok(mut events) if !events.is_empty() => {
            events.truncate(EVENTS_PER_REQUEST);
            Some(events)
        }
        Ok(_) => Some(vec![Event::unread(facts, Transport::Http, ProblemCode::Unsupported)]),
        Err(_) => {
            log::error!("store: a decoder panicked; its request is kept undecoded");
            None
        }
    }
}
