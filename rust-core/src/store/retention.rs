//! What goes, and when: events by age and by size, counters after a year, everything at a wipe.
//! Never deletes more than a chunk in one transaction, so that a record does not wait for long.

use super::StoreError;
use super::ingest::Ingest;
use crate::event::Time;
use rusqlite::{Connection, Result, TransactionBehavior, params};
use std::collections::BTreeSet;

const MS_PER_DAY: i64 = 86_400_000;
/// Events deleted in one transaction for their age.
const CHUNK: i64 = 500;
/// Events deleted in one transaction for the size: few, as none more than needed are to go.
const SIZE_CHUNK: i64 = 50;
/// Days that counters and gaps are kept.
const COUNTER_DAYS: i64 = 366;

/// Deletes what is older than `retention_days` (0: nothing is) and what is above `max_bytes`
/// (0: nothing is), oldest first. Returns how many events went.
pub(super) fn retain(
    db: &mut Connection,
    ingest: &mut Ingest,
    now_ms: i64,
    (retention_days, max_bytes): (u32, u64),
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    if retention_days > 0 {
        let cutoff = now_ms.saturating_sub(i64::from(retention_days) * MS_PER_DAY);
        deleted += delete_while(db, ingest, |db| older(db, cutoff))?;
        forget_identifiers(db, cutoff)?;
    }
    deleted += shrink(db, ingest, max_bytes)?;
    prune(db, ingest, now_ms)?;
    give_back(db)?;
    Ok(deleted)
}

/// Deletes the oldest events while the data is above `max_bytes`, down to nine tenths of it.
pub(super) fn shrink(
    db: &mut Connection,
    ingest: &mut Ingest,
    max_bytes: u64,
) -> Result<u64, StoreError> {
    if max_bytes == 0 || used(db)? <= max_bytes {
        return Ok(0);
    }
    let target = max_bytes / 10 * 9;
    let deleted =
        delete_while(
            db,
            ingest,
            |db| {
                if used(db)? <= target { Ok(Vec::new()) } else { oldest(db) }
            },
        )?;
    give_back(db)?;
    Ok(deleted)
}

/// Deletes all rows and gives the space back. Versions stay; event ids go on counting, so that
/// whoever follows by id misses nothing.
pub(super) fn wipe(db: &mut Connection, ingest: &mut Ingest) -> Result<(), StoreError> {
    ingest.forget();
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in [
        "events",
        "fields",
        "identifiers",
        "identifier_events",
        "identifier_apps",
        "identifier_hosts",
        "requests",
        "payloads",
        "flows",
        "counters",
        "kind_counters",
        "gaps",
        "apps",
        "hosts",
        "servers",
        "rules",
    ] {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    transaction.execute("DELETE FROM meta WHERE key = 'drops' OR key GLOB 'drop.*'", [])?;
    transaction.commit()?;
    db.execute_batch("VACUUM")?;
    // Until the log is truncated it still holds pages of before.
    let busy: bool = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(StoreError::Locked) } else { Ok(()) }
}

/// Bytes of the pages in use.
fn used(db: &Connection) -> Result<u64> {
    let pragma = |name: &str| -> Result<i64> {
        db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(pragma("page_size")?)).unwrap_or_default())
}

fn older(db: &Connection, cutoff: i64) -> Result<Vec<i64>> {
    db.prepare_cached("SELECT id FROM events WHERE time < ?1 ORDER BY time LIMIT ?2")?
        .query_map(params![cutoff, CHUNK], |row| row.get(0))?
        .collect()
}

fn oldest(db: &Connection) -> Result<Vec<i64>> {
    db.prepare_cached("SELECT id FROM events ORDER BY id LIMIT ?1")?
        .query_map([SIZE_CHUNK], |row| row.get(0))?
        .collect()
}

/// Deletes the events that `next` names, a chunk a transaction, until it names none.
fn delete_while(
    db: &mut Connection,
    ingest: &mut Ingest,
    next: impl Fn(&Connection) -> Result<Vec<i64>>,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let ids = next(db)?;
        if ids.is_empty() {
            return Ok(deleted);
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        delete_events(&transaction, ingest, &ids)?;
        transaction.commit()?;
        deleted += ids.len() as u64;
    }
}

fn delete_events(db: &Connection, ingest: &Ingest, ids: &[i64]) -> Result<()> {
    let (mut flows, mut requests) = (BTreeSet::new(), BTreeSet::new());
    let mut event =
        db.prepare_cached("DELETE FROM events WHERE id = ?1 RETURNING flow, request")?;
    let mut fields = db.prepare_cached("DELETE FROM fields WHERE event = ?1")?;
    let mut sightings = db.prepare_cached("DELETE FROM identifier_events WHERE event = ?1")?;
    for id in ids {
        let (flow, request): (Option<i64>, Option<i64>) =
            event.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        flows.extend(flow);
        requests.extend(request);
        fields.execute([id])?;
        sightings.execute([id])?;
    }
    let mut flow = db.prepare_cached(
        "DELETE FROM flows WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE flow = ?1)",
    )?;
    for id in flows.into_iter().filter(|id| !ingest.holds(*id)) {
        flow.execute([id])?;
    }
    delete_requests(db, requests)
}

fn delete_requests(db: &Connection, requests: BTreeSet<i64>) -> Result<()> {
    let mut request = db.prepare_cached(
        "DELETE FROM requests WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM events WHERE request = ?1) RETURNING payload",
    )?;
    let mut payloads = BTreeSet::new();
    for id in requests {
        for payload in request.query_map([id], |row| row.get::<_, Option<i64>>(0))? {
            payloads.extend(payload?);
        }
    }
    let mut payload = db.prepare_cached(
        "DELETE FROM payloads WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM requests WHERE payload = ?1)",
    )?;
    for id in payloads {
        payload.execute([id])?;
    }
    Ok(())
}

/// An identifier that stopped being sent goes with its events; one that recurs keeps its first
/// sighting.
fn forget_identifiers(db: &mut Connection, cutoff: i64) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "DELETE FROM identifiers WHERE last_seen < ?1
             AND id NOT IN (SELECT identifier FROM identifier_events)",
        [cutoff],
    )?;
    for table in ["identifier_apps", "identifier_hosts"] {
        transaction.execute(
            &format!("DELETE FROM {table} WHERE identifier NOT IN (SELECT id FROM identifiers)"),
            [],
        )?;
    }
    Ok(transaction.commit()?)
}

/// Old counters and gaps, flows that ended without an event left, and names that no row uses.
fn prune(db: &mut Connection, ingest: &mut Ingest, now_ms: i64) -> Result<(), StoreError> {
    let cutoff = now_ms.saturating_sub(COUNTER_DAYS * MS_PER_DAY);
    let day = Time(cutoff).day();
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM counters WHERE day < ?1", [&day])?;
    transaction.execute("DELETE FROM kind_counters WHERE day < ?1", [&day])?;
    transaction.execute("DELETE FROM gaps WHERE ifnull(stop, start) < ?1", [cutoff])?;
    transaction.execute_batch(
        "DELETE FROM flows WHERE closed IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM events WHERE flow = flows.id);
         DELETE FROM hosts WHERE id NOT IN (
             SELECT host FROM counters
             UNION ALL SELECT host FROM identifier_hosts
             UNION ALL SELECT host FROM flows WHERE host IS NOT NULL
             UNION ALL SELECT host FROM events WHERE host IS NOT NULL);
         DELETE FROM apps WHERE id NOT IN (
             SELECT app FROM counters
             UNION ALL SELECT app FROM kind_counters
             UNION ALL SELECT app FROM identifier_apps
             UNION ALL SELECT app FROM flows WHERE app IS NOT NULL
             UNION ALL SELECT app FROM events WHERE app IS NOT NULL);
         DELETE FROM servers WHERE id NOT IN (
             SELECT server FROM flows WHERE server IS NOT NULL
             UNION ALL SELECT server FROM events WHERE server IS NOT NULL);
         DELETE FROM rules WHERE id NOT IN (
             SELECT rule FROM flows
             UNION ALL SELECT rule FROM events WHERE rule IS NOT NULL);",
    )?;
    transaction.commit()?;
    ingest.names.clear();
    Ok(())
}

/// Returns free pages to the file system. Each step of the statement frees one page.
pub(super) fn give_back(db: &Connection) -> Result<()> {
    let mut vacuum = db.prepare("PRAGMA incremental_vacuum")?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
