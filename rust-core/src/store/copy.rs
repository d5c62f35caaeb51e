//! Copies of the store as files of their own: whole, or the events that fit.
//!
//! Never changes the store. A copy holds no rows that were deleted, and one whose events are
//! changed on the way holds nothing of what they were.

use super::names::Names;
use super::retention::give_back;
use super::rows::{Links, insert_event};
use super::tally::{Sums, Tally, UNKNOWN, signed};
use super::{Filter, Reader, StoreError, migrations};
use crate::event::{Event, Reason, Verdict};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result as Sql, params};
use std::path::Path;

/// Pages that are copied between two looks at whether to go on.
const PAGES: i32 = 256;
/// Events in one transaction.
const BATCH: u64 = 1024;

/// Why a copy was not made. What is there of it is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// The store could not be read.
    Read(StoreError),
    /// The copy could not be written.
    Write(StoreError),
    /// Whoever was told how it goes said no.
    Stopped,
}

impl From<StoreError> for CopyError {
    fn from(error: StoreError) -> Self {
        Self::Read(error)
    }
}

fn writing(error: rusqlite::Error) -> CopyError {
    CopyError::Write(error.into())
}

fn reading(error: rusqlite::Error) -> CopyError {
    CopyError::Read(error.into())
}

/// Both sides fail in the same words; a full or read-only disk can only be that of the copy.
fn either(error: rusqlite::Error) -> CopyError {
    match StoreError::from(error) {
        error @ (StoreError::Full | StoreError::ReadOnly | StoreError::CannotOpen) => {
            CopyError::Write(error)
        }
        error => CopyError::Read(error),
    }
}

impl Reader {
    /// Copies all of the store into an empty file, as it is now, while a writer goes on. `tell`
    /// gets the pages done and all of them, and stops it by `false`.
    pub fn copy_all(
        &self,
        to: &Path,
        tell: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), CopyError> {
        let mut copy = open(to)?;
        // One snapshot: otherwise each commit of the writer would begin the copy anew.
        let snapshot = self.db.unchecked_transaction().map_err(reading)?;
        self.max_id()?;
        let backup = Backup::new(&self.db, &mut copy).map_err(either)?;
        loop {
            let step = backup.step(PAGES).map_err(either)?;
            if !matches!(step, StepResult::Done | StepResult::More) {
                return Err(StoreError::Locked.into());
            }
            let pages = backup.progress();
            let count = |pages: i32| u64::from(pages.unsigned_abs());
            if !tell(count(pages.pagecount - pages.remaining), count(pages.pagecount)) {
                return Err(CopyError::Stopped);
            }
            if step == StepResult::Done {
                break;
            }
        }
        drop(backup);
        snapshot.finish().map_err(reading)?;
        // One file without a log beside it, and nobody who runs.
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(writing)?;
        copy.execute("DELETE FROM meta WHERE key = 'run.alive'", []).map_err(writing)?;
        give_back(&copy).map_err(writing)?;
        close(copy)
    }

    /// Copies the events that fit into an empty file, with their ids, requests and flows, and sums
    /// over them alone. With `change` each event goes through it, and of its request only the size
    /// is left. `tell` gets the count so far, and stops it by `false`. Returns the count.
    pub fn copy_events(
        &self,
        to: &Path,
        filter: &Filter,
        change: Option<&dyn Fn(Event) -> Event>,
        tell: &mut dyn FnMut(u64) -> bool,
    ) -> Result<u64, CopyError> {
        let mut copy = Copy::new(open(to)?)?;
        let mut count = 0;
        self.for_each(filter, &mut |event| {
            copy.event(&self.db, event, change)?;
            count += 1;
            if count % BATCH == 0 {
                copy.commit()?;
            }
            if tell(count) { Ok(()) } else { Err(CopyError::Stopped) }
        })?;
        copy.gaps(self, filter)?;
        copy.commit()?;
        copy.db.execute_batch("COMMIT").map_err(writing)?;
        close(copy.db)?;
        Ok(count)
    }
}

/// Opens a file that is to become a copy. It needs no journal: what fails is thrown away.
fn open(to: &Path) -> Result<Connection, CopyError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(to, flags).map_err(writing)?;
    db.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(())).map_err(writing)?;
    db.pragma_update(None, "synchronous", "OFF").map_err(writing)?;
    db.pragma_update(None, "temp_store", "MEMORY").map_err(writing)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

fn close(db: Connection) -> Result<(), CopyError> {
    db.close().map_err(|(_, error)| writing(error))
}

/// A copy that is being filled.
struct Copy {
    db: Connection,
    names: Names,
    tally: Tally,
}

impl Copy {
    fn new(mut db: Connection) -> Result<Self, CopyError> {
        migrations::migrate(&mut db).map_err(CopyError::Write)?;
        db.execute_batch("BEGIN").map_err(writing)?;
        Ok(Self { db, names: Names::default(), tally: Tally::default() })
    }

    /// Writes the sums so far, and begins a new transaction.
    fn commit(&mut self) -> Result<(), CopyError> {
        self.tally.write(&self.db).map_err(writing)?;
        self.db.execute_batch("COMMIT; BEGIN").map_err(writing)
    }

    fn event(
        &mut self,
        from: &Connection,
        event: Event,
        change: Option<&dyn Fn(Event) -> Event>,
    ) -> Result<(), CopyError> {
        let id = event.id;
        let (flow, request): (Option<i64>, Option<i64>) = from
            .prepare_cached("SELECT flow, request FROM events WHERE id = ?1")
            .and_then(|mut links| links.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(reading)?;
        let event = match change {
            Some(change) => change(event),
            None => event,
        };
        let flow = flow.map(|flow| self.flow(from, flow, &event)).transpose()?.flatten();
        match request {
            Some(request) if change.is_some() => self.size_of_request(from, request, &event)?,
            Some(request) => self.request(from, request)?,
            None => {}
        }
        let links = Links { id, flow, request };
        insert_event(&self.db, &mut self.names, &mut self.tally, &event, links)
            .map(drop)
            .map_err(writing)
    }

    fn has(&self, table: &str, id: i64) -> Result<bool, CopyError> {
        let sql = format!("SELECT 1 FROM {table} WHERE id = ?1");
        let found = self
            .db
            .prepare_cached(&sql)
            .and_then(|mut select| select.query_row([id], |_| Ok(())).optional());
        Ok(found.map_err(writing)?.is_some())
    }

    /// The flow of an event, by what the event says of it; none where the event has no reason.
    fn flow(
        &mut self,
        from: &Connection,
        id: i64,
        event: &Event,
    ) -> Result<Option<i64>, CopyError> {
        if self.has("flows", id)? {
            return Ok(Some(id));
        }
        let (Some(reason), Some(verdict)) = (&event.reason, event.verdict) else {
            return Ok(None);
        };
        let found = from
            .prepare_cached(
                "SELECT opened, closed, port, transport, up, down FROM flows WHERE id = ?1",
            )
            .and_then(|mut select| select.query_row([id], FlowRow::read).optional())
            .map_err(reading)?;
        let Some(row) = found else { return Ok(None) };
        self.insert_flow(id, &row, event, verdict, reason).map_err(writing)?;
        Ok(Some(id))
    }

    fn insert_flow(
        &mut self,
        id: i64,
        row: &FlowRow,
        event: &Event,
        verdict: Verdict,
        reason: &Reason,
    ) -> Sql<()> {
        let app = self.names.app(&self.db, &event.app)?;
        let host = self.names.host(&self.db, event.host.as_deref())?;
        let server = self.names.server(&self.db, event.server.as_ref())?;
        let rule = self.names.rule(&self.db, reason)?;
        self.db
            .prepare_cached(
                "INSERT INTO flows (id, opened, closed, app, host, server, port, transport,
                     verdict, rule, up, down)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                id,
                row.opened,
                row.closed,
                app,
                host,
                server,
                row.port,
                row.transport,
                verdict.as_str(),
                rule,
                row.bytes.map(|b| signed(b.0)),
                row.bytes.map(|b| signed(b.1)),
            ])?;
        let who = (app.unwrap_or(UNKNOWN), host.unwrap_or(UNKNOWN));
        self.tally.count(row.opened, who, verdict, Sums { flows: 1, ..Sums::default() });
        if let (Some(closed), Some((up, down))) = (row.closed, row.bytes) {
            self.tally.count(closed, who, verdict, Sums { up, down, ..Sums::default() });
        }
        Ok(())
    }

    /// A request with its body.
    fn request(&mut self, from: &Connection, id: i64) -> Result<(), CopyError> {
        if self.has("requests", id)? {
            return Ok(());
        }
        let payload: Option<i64> = copy_row(
            from,
            &self.db,
            id,
            "requests",
            &["id", "time", "method", "target", "headers", "payload", "body_size", "cut"],
            |row| row.get("payload"),
        )?;
        match payload {
            Some(payload) if !self.has("payloads", payload)? => copy_row(
                from,
                &self.db,
                payload,
                "payloads",
                &["id", "sha256", "size", "data"],
                |_| Ok(()),
            ),
            _ => Ok(()),
        }
    }

    /// A request of which nothing is said but its time and size, and its body's hash as the event
    /// has it.
    fn size_of_request(
        &mut self,
        from: &Connection,
        id: i64,
        event: &Event,
    ) -> Result<(), CopyError> {
        if self.has("requests", id)? {
            return Ok(());
        }
        let (time, body_size, cut, size): (i64, i64, bool, Option<i64>) = from
            .prepare_cached(
                "SELECT q.time, q.body_size, q.cut, p.size
                 FROM requests q LEFT JOIN payloads p ON p.id = q.payload WHERE q.id = ?1",
            )
            .and_then(|mut select| {
                select
                    .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            })
            .map_err(reading)?;
        let hash = event.payload.as_ref().and_then(|payload| from_hex(&payload.sha256));
        let insert = || -> Sql<()> {
            let payload: Option<i64> = match (hash, size) {
                (Some(hash), Some(size)) => Some(
                    self.db
                        .prepare_cached(
                            "INSERT INTO payloads (sha256, size) VALUES (?1, ?2)
                             ON CONFLICT DO UPDATE SET size = size RETURNING id",
                        )?
                        .query_row(params![hash, size], |row| row.get(0))?,
                ),
                _ => None,
            };
            self.db
                .prepare_cached(
                    "INSERT INTO requests (id, time, method, target, headers, payload, body_size,
                         cut)
                     VALUES (?1, ?2, '', '', '[]', ?3, ?4, ?5)",
                )?
                .execute(params![id, time, payload, body_size, cut])?;
            Ok(())
        };
        insert().map_err(writing)
    }

    fn gaps(&self, from: &Reader, filter: &Filter) -> Result<(), CopyError> {
        for gap in from.gaps(filter.since, filter.until)? {
            self.db
                .execute(
                    "INSERT INTO gaps (start, stop, reason) VALUES (?1, ?2, ?3)",
                    params![gap.start.0, gap.end.map(|time| time.0), gap.reason],
                )
                .map_err(writing)?;
        }
        Ok(())
    }
}

/// What a flow's row says and its events do not.
struct FlowRow {
    opened: i64,
    closed: Option<i64>,
    port: u16,
    transport: String,
    bytes: Option<(u64, u64)>,
}

impl FlowRow {
    fn read(row: &rusqlite::Row<'_>) -> Sql<Self> {
        let (up, down): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
        let count = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
        Ok(Self {
            opened: row.get(0)?,
            closed: row.get(1)?,
            port: row.get(2)?,
            transport: row.get(3)?,
            bytes: up.zip(down).map(|(up, down)| (count(up), count(down))),
        })
    }
}

/// Copies these columns of one row as they are, and reads something of it.
fn copy_row<T>(
    from: &Connection,
    to: &Connection,
    id: i64,
    table: &str,
    columns: &[&str],
    read: impl FnOnce(&rusqlite::Row<'_>) -> Sql<T>,
) -> Result<T, CopyError> {
    let names = columns.join(", ");
    let mut select = from
        .prepare_cached(&format!("SELECT {names} FROM {table} WHERE id = ?1"))
        .map_err(reading)?;
    let mut rows = select.query([id]).map_err(reading)?;
    let row = rows.next().map_err(reading)?.ok_or(CopyError::Read(StoreError::Corrupt))?;
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = to
        .prepare_cached(&format!("INSERT INTO {table} ({names}) VALUES ({places})"))
        .map_err(writing)?;
    for place in 0..columns.len() {
        let value = ToSqlOutput::Borrowed(row.get_ref(place).map_err(reading)?);
        insert.raw_bind_parameter(place + 1, value).map_err(writing)?;
    }
    insert.raw_execute().map_err(writing)?;
    read(row).map_err(reading)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(pair).collect())?
}
