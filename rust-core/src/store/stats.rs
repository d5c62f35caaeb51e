//! Sums for people. Never reads fields or payloads.

use super::{AppFilter, StoreError};
use crate::event::{App, IdKind, Kind, Time};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::collections::BTreeMap;

/// Sums under one key: a day, an app, a host or a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The day, app (package, else uid), host or verdict; empty where it is unknown.
    pub key: String,
    /// Flows, refused ones too.
    pub flows: u64,
    /// Events.
    pub events: u64,
    /// Bytes app to network.
    pub up: u64,
    /// Bytes network to app.
    pub down: u64,
}

/// Events of one data kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindCount {
    /// The kind.
    pub kind: Kind,
    /// Events that have it among theirs.
    pub events: u64,
}

/// Events of one data kind on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindDay {
    /// The day in UTC, `2026-11-21`.
    pub day: String,
    /// The kind.
    pub kind: Kind,
    /// Events that have it among theirs.
    pub events: u64,
}

/// A time when protection was wanted and did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// When it stopped.
    pub start: Time,
    /// When it ran again; absent while it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    /// A code for why.
    pub reason: String,
}

/// An identifier, and who was seen sending it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenIdentifier {
    /// What it identifies.
    pub kind: IdKind,
    /// The value as sent.
    pub value: String,
    /// Earliest sighting.
    pub first: Time,
    /// Latest sighting.
    pub last: Time,
    /// Apps that sent it, in the order of their first sighting.
    pub apps: Vec<App>,
    /// Hosts it was sent to, likewise.
    pub hosts: Vec<String>,
}

/// Sums over the whole store or a range of days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// By day, oldest first.
    pub days: Vec<Count>,
    /// By app, most events first.
    pub apps: Vec<Count>,
    /// By host, most events first; flows that were only allowed have none.
    pub hosts: Vec<Count>,
    /// By data kind, most events first.
    pub kinds: Vec<KindCount>,
    /// By day and data kind, oldest first.
    pub kind_days: Vec<KindDay>,
    /// By verdict.
    pub verdicts: Vec<Count>,
    /// Times without protection.
    pub gaps: Vec<Gap>,
    /// Records that were lost since the database was made or wiped.
    pub drops: u64,
    /// What the engine dropped since then, by the code of the reason.
    pub dropped: BTreeMap<String, u64>,
}

/// First and last day, as text that compares like days.
type Days = (String, String);

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// All sums of the days from `since` to `until`, both included.
pub(super) fn stats(
    db: &Connection,
    since: Option<Time>,
    until: Option<Time>,
) -> Result<Stats, StoreError> {
    let since = since.unwrap_or(Time::MIN);
    let until = until.unwrap_or(Time::MAX);
    let days = (since.day(), until.day());
    Ok(Stats {
        days: counts(db, "c.day", "", "1", &days)?,
        apps: counts(
            db,
            "coalesce(a.package, a.uid, '')",
            "LEFT JOIN apps a ON a.id = c.app",
            "3 DESC, 2 DESC, 1",
            &days,
        )?,
        hosts: counts(db, "h.name", "JOIN hosts h ON h.id = c.host", "3 DESC, 2 DESC, 1", &days)?,
        kinds: kinds(db, &days)?,
        kind_days: kind_days(db, &days)?,
        verdicts: counts(db, "c.verdict", "", "2 DESC, 1", &days)?,
        gaps: gaps(db, since, until)?,
        drops: drops(db)?,
        dropped: dropped(db)?,
    })
}

/// Sums by an expression over the counters. All texts are ours.
fn counts(
    db: &Connection,
    key: &str,
    join: &str,
    order: &str,
    days: &Days,
) -> Result<Vec<Count>, StoreError> {
    let mut select = db.prepare_cached(&format!(
        "SELECT CAST({key} AS TEXT), sum(c.flows), sum(c.events), sum(c.up), sum(c.down)
         FROM counters c {join} WHERE c.day BETWEEN ?1 AND ?2 GROUP BY 1 ORDER BY {order}"
    ))?;
    let rows = select.query_map(params![days.0, days.1], |row| {
        Ok(Count {
            key: row.get(0)?,
            flows: unsigned(row.get(1)?),
            events: unsigned(row.get(2)?),
            up: unsigned(row.get(3)?),
            down: unsigned(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn kinds(db: &Connection, days: &Days) -> Result<Vec<KindCount>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT kind, sum(events) FROM kind_counters WHERE day BETWEEN ?1 AND ?2
         GROUP BY kind ORDER BY 2 DESC, 1",
    )?;
    let mut rows = select.query(params![days.0, days.1])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = row.get::<_, String>(0)?.parse().map_err(|_| StoreError::Corrupt)?;
        counts.push(KindCount { kind, events: unsigned(row.get(1)?) });
    }
    Ok(counts)
}

fn kind_days(db: &Connection, days: &Days) -> Result<Vec<KindDay>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT day, kind, sum(events) FROM kind_counters WHERE day BETWEEN ?1 AND ?2
         GROUP BY day, kind ORDER BY 1, 3 DESC, 2",
    )?;
    let mut rows = select.query(params![days.0, days.1])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = row.get::<_, String>(1)?.parse().map_err(|_| StoreError::Corrupt)?;
        counts.push(KindDay { day: row.get(0)?, kind, events: unsigned(row.get(2)?) });
    }
    Ok(counts)
}

pub(super) fn gaps(db: &Connection, since: Time, until: Time) -> Result<Vec<Gap>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT start, stop, reason FROM gaps
         WHERE start <= ?2 AND ifnull(stop, ?2) >= ?1 ORDER BY start, id",
    )?;
    let rows = select.query_map([since.0, until.0], |row| {
        let end: Option<i64> = row.get(1)?;
        Ok(Gap { start: Time(row.get(0)?), end: end.map(Time), reason: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records that were lost since the database was made or wiped.
pub(super) fn drops(db: &Connection) -> Result<u64, StoreError> {
    let drops: Option<i64> = db
        .query_row("SELECT value FROM meta WHERE key = 'drops'", [], |row| row.get(0))
        .optional()?;
    Ok(unsigned(drops.unwrap_or_default()))
}

fn dropped(db: &Connection) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut select =
        db.prepare_cached("SELECT substr(key, 6), value FROM meta WHERE key GLOB 'drop.*'")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Identifiers of an app or of all, those sent by most apps first; `limit` at most.
pub(super) fn identifiers(
    db: &Connection,
    app: Option<&AppFilter>,
    limit: u32,
) -> Result<Vec<SeenIdentifier>, StoreError> {
    let (column, value) = match app {
        None => ("1", Value::from(1)),
        Some(AppFilter::Uid(uid)) => ("a.uid", Value::from(*uid)),
        Some(AppFilter::Package(package)) => ("a.package", Value::from(package.clone())),
    };
    let all = app.is_none();
    let mut select = db.prepare_cached(&format!(
        "SELECT id, kind, value, first_seen, last_seen FROM identifiers i
         WHERE {all} OR EXISTS (SELECT 1 FROM identifier_apps s JOIN apps a ON a.id = s.app
             WHERE s.identifier = i.id AND {column} = ?1)
         ORDER BY (SELECT count(*) FROM identifier_apps WHERE identifier = i.id) DESC,
             first_seen, id LIMIT ?2"
    ))?;
    let mut rows = select.query(params![value, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        found.push(SeenIdentifier {
            kind: row.get::<_, String>(1)?.parse().map_err(|_| StoreError::Corrupt)?,
            value: row.get(2)?,
            first: Time(row.get(3)?),
            last: Time(row.get(4)?),
            apps: apps_of(db, id)?,
            hosts: hosts_of(db, id)?,
        });
    }
    Ok(found)
}

fn apps_of(db: &Connection, identifier: i64) -> Result<Vec<App>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT a.uid, a.package FROM identifier_apps s JOIN apps a ON a.id = s.app
         WHERE s.identifier = ?1 ORDER BY s.first_seen, s.app",
    )?;
    let rows = select.query_map([identifier], |row| {
        Ok(App { uid: row.get(0)?, package: row.get(1)?, hint: None })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn hosts_of(db: &Connection, identifier: i64) -> Result<Vec<String>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT h.name FROM identifier_hosts s JOIN hosts h ON h.id = s.host
         WHERE s.identifier = ?1 ORDER BY s.first_seen, s.host",
    )?;
    let rows = select.query_map([identifier], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
