//! Stored requests read again by the present decoders, for events that an older one read; and what
//! is known of stored servers, by the present table.
//!
//! Never touches what a flow said of itself: app, host, address, verdict and times stay. An event
//! that reads as before stays as it is. A batch is one transaction, so that whoever stops half-way
//! has a whole database and may begin anew.

use super::db::{must_exist, open_writer};
use super::ingest::{Decode, read};
use super::names::Names;
use super::rows::{Links, insert_event, insert_said, json_or_null, kinds_text};
use super::tally::{Tally, day};
use super::{StoreError, kept, refresh, select};
use crate::event::{App, Event, FlowFacts, FlowId, Kind, Transport};
use crate::limits::STORE_BATCH;
use crate::servers::Servers;
use rusqlite::{Connection, OptionalExtension, Result as Sql, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::path::Path;

/// What stands for the decoder of an event that none had read.
const NONE: &str = "none";

/// What came of reading again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redecoded {
    /// Requests that were looked at.
    pub requests: u64,
    /// Requests that read otherwise now.
    pub changed: u64,
    /// Requests whose body was too large to keep; their events stay as they are.
    pub not_kept: u64,
    /// Servers of which another country, network or operator is known now, or was not before.
    pub servers: u64,
}

/// Reads every stored request again, after each stored server got what `servers` knows of it. `progress`
/// is told how many of how many, a batch at a time.
///
/// # Errors
/// [`StoreError::Locked`] while another program writes to the database, and whatever else keeps a
/// writer from opening it. What was committed until then stays.
pub fn redecode(
    path: &Path,
    decode: Decode,
    servers: &Servers,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Redecoded, StoreError> {
    must_exist(path)?;
    let mut writer = open_writer(path)?;
    let total: i64 = writer.db.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))?;
    let mut work = Work::new(decode);
    let batch = writer.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    work.done.servers = refresh::servers(&batch, servers)?;
    batch.commit()?;
    let mut last = 0;
    loop {
        let batch = writer.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let requests = after(&batch, last)?;
        for request in &requests {
            work.request(&batch, *request)?;
        }
        work.finish(&batch)?;
        batch.commit()?;
        let Some(newest) = requests.last() else { break };
        last = *newest;
        progress(work.done.requests, total.unsigned_abs());
    }
    writer.checkpoint()?;
    Ok(work.done)
}

/// The next requests.
fn after(db: &Connection, last: i64) -> Sql<Vec<i64>> {
    db.prepare_cached("SELECT id FROM requests WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![last, STORE_BATCH as i64], |row| row.get(0))?
        .collect()
}

struct Work {
    decode: Decode,
    names: Names,
    tally: Tally,
    /// Identifiers that an event had before.
    left: BTreeSet<i64>,
    done: Redecoded,
}

impl Work {
    fn new(decode: Decode) -> Self {
        let (names, tally, left) = (Names::default(), Tally::default(), BTreeSet::new());
        Self { decode, names, tally, left, done: Redecoded::default() }
    }

    fn request(&mut self, db: &Connection, id: i64) -> Result<(), StoreError> {
        self.done.requests += 1;
        let Some(kept) = kept::request(db, id)? else { return Ok(()) };
        if !kept.whole {
            self.done.not_kept += 1;
            return Ok(());
        }
        let before = events(db, id)?;
        let facts = before.first().and_then(|event| facts(event, kept.time_ms));
        let Some(now) = read(self.decode, facts.as_ref(), kept.time_ms, &kept.request) else {
            return Ok(());
        };
        // Requests are deleted with their last event.
        let Some(model) = before.last() else { return Ok(()) };
        let now: Vec<Event> = now
            .into_iter()
            .enumerate()
            .map(|(place, event)| onto(before.get(place).unwrap_or(model), event))
            .collect();
        if same(&before, &now) {
            return Ok(());
        }
        self.done.changed += 1;
        for (was, event) in before.iter().zip(&now) {
            self.change(db, was, event)?;
        }
        for event in now.iter().skip(before.len()) {
            self.add(db, id, model, event)?;
        }
        for was in before.iter().skip(now.len()) {
            self.remove(db, was)?;
        }
        Ok(())
    }

    fn change(&mut self, db: &Connection, was: &Event, now: &Event) -> Sql<()> {
        if one_same(was, now) {
            return Ok(());
        }
        let id = was.id.unwrap_or_default();
        let who = self.take_said(db, id)?;
        db.prepare_cached(
            "UPDATE events SET hint = ?2, state = ?3, protocol = ?4, event = ?5, event_time = ?6,
                 kinds = ?7, checks = ?8, problems = ?9, decoder = ?10, decoder_before = ?11
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            now.app.hint,
            now.state.as_str(),
            now.protocol.map(|c| c.as_str()),
            now.event,
            now.event_time.map(|t| t.0),
            kinds_text(&now.kinds),
            json_or_null(&now.checks, now.checks.is_empty()),
            json_or_null(&now.problems, now.problems.is_empty()),
            now.decoder,
            now.decoder_before,
        ])?;
        let time_ms = now.time.map_or(0, |t| t.0);
        insert_said(db, &mut self.names, &mut self.tally, (id, now), (time_ms, who))?;
        for kind in was.kinds.iter().filter(|kind| !now.kinds.contains(kind)) {
            uncount_kind(db, time_ms, who.0, *kind)?;
        }
        for kind in now.kinds.iter().filter(|kind| !was.kinds.contains(kind)) {
            self.tally.kind(time_ms, who.0, *kind);
        }
        Ok(())
    }

    /// An event more than before. It stands behind all others, as ids are given in order.
    fn add(&mut self, db: &Connection, request: i64, model: &Event, event: &Event) -> Sql<()> {
        let flow = db
            .prepare_cached("SELECT flow FROM events WHERE id = ?1")?
            .query_row([model.id], |row| row.get(0))?;
        let links = Links { id: None, flow, request: Some(request) };
        insert_event(db, &mut self.names, &mut self.tally, event, links).map(drop)
    }

    fn remove(&mut self, db: &Connection, was: &Event) -> Sql<()> {
        let id = was.id.unwrap_or_default();
        let who = self.take_said(db, id)?;
        db.prepare_cached("DELETE FROM events WHERE id = ?1")?.execute([id])?;
        let time_ms = was.time.map_or(0, |t| t.0);
        for kind in &was.kinds {
            uncount_kind(db, time_ms, who.0, *kind)?;
        }
        if let Some(verdict) = was.verdict {
            db.prepare_cached(
                "UPDATE counters SET events = max(0, events - 1)
                 WHERE day = ?1 AND app = ?2 AND host = ?3 AND verdict = ?4",
            )?
            .execute(params![day(time_ms), who.0, who.1, verdict.as_str()])?;
        }
        Ok(())
    }

    /// Takes fields and identifiers off an event. Gives the ids of its app and host.
    fn take_said(&mut self, db: &Connection, id: i64) -> Sql<(i64, i64)> {
        db.prepare_cached("DELETE FROM fields WHERE event = ?1")?.execute([id])?;
        let mut taken = db.prepare_cached(
            "DELETE FROM identifier_events WHERE event = ?1 RETURNING identifier",
        )?;
        for identifier in taken.query_map([id], |row| row.get(0))? {
            self.left.insert(identifier?);
        }
        db.prepare_cached("SELECT ifnull(app, 0), ifnull(host, 0) FROM events WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Writes the sums of a batch, and drops what is no identifier any more.
    fn finish(&mut self, db: &Connection) -> Sql<()> {
        self.tally.write(db)?;
        db.prepare_cached("DELETE FROM kind_counters WHERE events <= 0")?.execute([])?;
        for identifier in std::mem::take(&mut self.left) {
            let still = db
                .prepare_cached("SELECT 1 FROM identifier_events WHERE identifier = ?1 LIMIT 1")?
                .query_row([identifier], |_| Ok(()))
                .optional()?;
            if still.is_some() {
                continue;
            }
            for (table, column) in [
                ("identifiers", "id"),
                ("identifier_apps", "identifier"),
                ("identifier_hosts", "identifier"),
            ] {
                db.prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?
                    .execute([identifier])?;
            }
        }
        self.names.clear();
        Ok(())
    }
}

/// The events of a request, in their order.
fn events(db: &Connection, request: i64) -> Result<Vec<Event>, StoreError> {
    let ids: Vec<i64> = db
        .prepare_cached("SELECT id FROM events WHERE request = ?1 ORDER BY id")?
        .query_map([request], |row| row.get(0))?
        .collect::<Sql<_>>()?;
    ids.into_iter().filter_map(|id| select::one(db, id).transpose()).collect()
}

/// What was known of the flow when the request was read first; none where the flow was not known.
fn facts(event: &Event, time_ms: i64) -> Option<FlowFacts> {
    Some(FlowFacts {
        flow: FlowId(0),
        time_ms,
        uid: event.app.uid,
        package: event.app.package.clone(),
        host: event.host.clone(),
        ech: false,
        server: event.server.as_ref().map(|server| (server.addr, server.port).into()),
        port: event.server.as_ref().map_or(0, |server| server.port),
        transport: event.transport.unwrap_or(Transport::Http),
        verdict: event.verdict?,
        reason: event.reason.clone()?,
    })
}

/// What a payload says now, with all that stands beside it.
fn onto(was: &Event, now: Event) -> Event {
    let before = was.decoder_before.as_ref().or(was.decoder.as_ref());
    Event {
        id: was.id,
        time: was.time,
        app: App { hint: now.app.hint, ..was.app.clone() },
        host: was.host.clone(),
        server: was.server.clone(),
        transport: was.transport,
        verdict: was.verdict,
        reason: was.reason.clone(),
        bytes: was.bytes,
        payload: was.payload.clone(),
        decoder_before: Some(before.map_or_else(|| NONE.to_owned(), Clone::clone)),
        ..now
    }
}

fn same(before: &[Event], now: &[Event]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(was, now)| one_same(was, now))
}

/// Whether two readings say the same, whatever read them before.
fn one_same(was: &Event, now: &Event) -> bool {
    let now = Event { decoder_before: was.decoder_before.clone(), ..now.clone() };
    *was == now
}

fn uncount_kind(db: &Connection, time_ms: i64, app: i64, kind: Kind) -> Sql<()> {
    db.prepare_cached(
        "UPDATE kind_counters SET events = max(0, events - 1)
         WHERE day = ?1 AND app = ?2 AND kind = ?3",
    )?
    .execute(params![day(time_ms), app, kind.as_str()])
    .map(drop)
}
