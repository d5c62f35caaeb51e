//! Sums of one batch, written once at its end: a counter's row is touched once a batch and not
//! once a record. Holds ids only, never a name.

use crate::event::{Kind, Time, Verdict};
use rusqlite::{Connection, Result, params};
use std::collections::BTreeMap;

const MS_PER_DAY: i64 = 86_400_000;

/// Id that stands for an unknown app and for no host; real ids start at 1.
pub(super) const UNKNOWN: i64 = 0;

/// What is counted of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) flows: u64,
    pub(super) events: u64,
    pub(super) up: u64,
    pub(super) down: u64,
}

/// First and last sighting, milliseconds.
#[derive(Clone, Copy, Debug)]
struct Span(i64, i64);

/// The sums of one batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counters: BTreeMap<(i64, i64, i64, Verdict), Sums>,
    kinds: BTreeMap<(i64, i64, Kind), u64>,
    identifiers: BTreeMap<i64, Span>,
    identifier_apps: BTreeMap<(i64, i64), Span>,
    identifier_hosts: BTreeMap<(i64, i64), Span>,
}

/// Day of a time, in days since 1970.
fn day_number(time_ms: i64) -> i64 {
    time_ms.clamp(Time::MIN.0, Time::MAX.0).div_euclid(MS_PER_DAY)
}

/// Day of a time, as rows name it.
pub(super) fn day(time_ms: i64) -> String {
    Time(day_number(time_ms) * MS_PER_DAY).day()
}

/// SQLite's integers are signed; a count beyond them stays at the largest.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn widen<K: Ord>(spans: &mut BTreeMap<K, Span>, key: K, time_ms: i64) {
    let span = spans.entry(key).or_insert(Span(time_ms, time_ms));
    *span = Span(span.0.min(time_ms), span.1.max(time_ms));
}

impl Tally {
    /// Adds to the counter of a day, app, host and verdict.
    pub(super) fn count(&mut self, time_ms: i64, who: (i64, i64), verdict: Verdict, add: Sums) {
        let sums = self.counters.entry((day_number(time_ms), who.0, who.1, verdict)).or_default();
        sums.flows = sums.flows.saturating_add(add.flows);
        sums.events = sums.events.saturating_add(add.events);
        sums.up = sums.up.saturating_add(add.up);
        sums.down = sums.down.saturating_add(add.down);
    }

    /// Adds one event of a kind.
    pub(super) fn kind(&mut self, time_ms: i64, app: i64, kind: Kind) {
        *self.kinds.entry((day_number(time_ms), app, kind)).or_default() += 1;
    }

    /// Notes that an identifier was seen.
    pub(super) fn saw(&mut self, identifier: i64, time_ms: i64, who: (i64, i64)) {
        widen(&mut self.identifiers, identifier, time_ms);
        if who.0 != UNKNOWN {
            widen(&mut self.identifier_apps, (identifier, who.0), time_ms);
        }
        if who.1 != UNKNOWN {
            widen(&mut self.identifier_hosts, (identifier, who.1), time_ms);
        }
    }

    /// Writes the sums and starts anew.
    pub(super) fn write(&mut self, db: &Connection) -> Result<()> {
        let tally = std::mem::take(self);
        tally.write_counters(db)?;
        tally.write_identifiers(db)
    }

    fn write_counters(&self, db: &Connection) -> Result<()> {
        let mut counter = db.prepare_cached(
            "INSERT INTO counters (day, app, host, verdict, flows, events, up, down)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET flows = flows + excluded.flows,
                 events = events + excluded.events, up = up + excluded.up,
                 down = down + excluded.down",
        )?;
        for ((day, app, host, verdict), sums) in &self.counters {
            counter.execute(params![
                Time(day * MS_PER_DAY).day(),
                app,
                host,
                verdict.as_str(),
                signed(sums.flows),
                signed(sums.events),
                signed(sums.up),
                signed(sums.down)
            ])?;
        }
        let mut kinds = db.prepare_cached(
            "INSERT INTO kind_counters (day, app, kind, events) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET events = events + excluded.events",
        )?;
        for ((day, app, kind), events) in &self.kinds {
            let day = Time(day * MS_PER_DAY).day();
            kinds.execute(params![day, app, kind.as_str(), signed(*events)])?;
        }
        Ok(())
    }

    fn write_identifiers(&self, db: &Connection) -> Result<()> {
        let mut seen = db.prepare_cached(
            "UPDATE identifiers SET first_seen = min(first_seen, ?2),
                 last_seen = max(last_seen, ?3) WHERE id = ?1",
        )?;
        for (id, Span(first, last)) in &self.identifiers {
            seen.execute((id, first, last))?;
        }
        for (table, column, spans) in [
            ("identifier_apps", "app", &self.identifier_apps),
            ("identifier_hosts", "host", &self.identifier_hosts),
        ] {
            let mut sighting = db.prepare_cached(&format!(
                "INSERT INTO {table} (identifier, {column}, first_seen, last_seen)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),
                     last_seen = max(last_seen, excluded.last_seen)"
            ))?;
            for ((id, who), Span(first, last)) in spans {
                sighting.execute((id, who, first, last))?;
            }
        }
        Ok(())
    }
}
