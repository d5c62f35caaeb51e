//! Queries, on a connection of their own. Never writes, and never makes a file.

use super::db::open_reader;
use super::stats::{self, SeenIdentifier, Stats};
use super::{Filter, StoreError, kept, select};
use crate::event::{Event, Time};
use crate::http::Request;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use std::path::Path;

/// What an event was made of. Rows tell apart what is of one request, and of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Row of its flow; `None` for what was refused.
    pub flow: Option<i64>,
    /// The port that the app asked for.
    pub port: Option<u16>,
    /// Row of its request.
    pub request: Option<i64>,
    /// Whether its flow has no later event.
    pub last: bool,
}

/// A read-only view of a database, which may have a writer at the same time.
#[derive(Debug)]
pub struct Reader {
    pub(super) db: Connection,
    /// Version of the file's schema.
    pub(super) schema: u32,
}

impl Reader {
    /// Opens an existing database.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (db, schema) = open_reader(path)?;
        Ok(Self { db, schema })
    }

    /// Events that fit the filter; page on with `after_id` or `before_id`.
    pub fn events(&self, filter: &Filter) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        self.for_each(filter, &mut |event| {
            events.push(event);
            Ok::<(), StoreError>(())
        })?;
        Ok(events)
    }

    /// Gives each event that fits to `each`, from one snapshot and one at a time. Returns how
    /// many. An error of `each` ends it.
    pub fn for_each<E: From<StoreError>>(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<u64, E> {
        // A read transaction: fields are read by statements of their own.
        let snapshot = self.db.unchecked_transaction().map_err(StoreError::from)?;
        let query = select::events(filter, self.schema);
        let mut statement = self.db.prepare_cached(&query.sql).map_err(StoreError::from)?;
        let mut rows = statement.query(params_from_iter(query.values)).map_err(StoreError::from)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            each(select::event(&self.db, row)?)?;
            count += 1;
        }
        drop(rows);
        drop(statement);
        snapshot.finish().map_err(StoreError::from)?;
        Ok(count)
    }

    /// One event.
    pub fn event(&self, id: i64) -> Result<Option<Event>, StoreError> {
        let after_id = Some(id.saturating_sub(1));
        let before_id = Some(id.saturating_add(1));
        let filter = Filter { after_id, before_id, ..Filter::default() };
        Ok(self.events(&filter)?.pop())
    }

    /// The request that an event was read from, as far as it was kept: for a later decoder, or to
    /// show its bytes. The body is empty where it was too large to keep.
    pub fn request(&self, id: i64) -> Result<Option<Request>, StoreError> {
        let request = "SELECT request FROM events WHERE id = ?1";
        let request: Option<Option<i64>> =
            self.db.prepare_cached(request)?.query_row([id], |row| row.get(0)).optional()?;
        let Some(request) = request.flatten() else { return Ok(None) };
        Ok(kept::request(&self.db, request)?.map(|kept| kept.request))
    }

    /// What an event was made of; nothing for one that is not there.
    pub fn source(&self, id: i64) -> Result<Source, StoreError> {
        let mut select = self.db.prepare_cached(
            "SELECT e.flow, f.port, e.request, NOT EXISTS
                 (SELECT 1 FROM events n WHERE n.flow = e.flow AND n.id > e.id)
             FROM events e LEFT JOIN flows f ON f.id = e.flow WHERE e.id = ?1",
        )?;
        let found = select.query_row([id], |row| {
            Ok(Source {
                flow: row.get(0)?,
                port: row.get(1)?,
                request: row.get(2)?,
                last: row.get(3)?,
            })
        });
        Ok(found.optional()?.unwrap_or_default())
    }

    /// How many events fit the filter.
    pub fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        let query = select::count(filter);
        let count: i64 = self
            .db
            .prepare_cached(&query.sql)?
            .query_row(params_from_iter(query.values), |row| row.get(0))?;
        u64::try_from(count).map_err(|_| StoreError::Corrupt)
    }

    /// Sums over the days from `since` to `until`, both included, from one snapshot.
    pub fn stats(&self, since: Option<Time>, until: Option<Time>) -> Result<Stats, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let stats = stats::stats(&self.db, since, until)?;
        snapshot.finish()?;
        Ok(stats)
    }

    /// Identifiers, those sent by most apps first.
    pub fn identifiers(&self) -> Result<Vec<SeenIdentifier>, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let found = stats::identifiers(&self.db, None, u32::MAX)?;
        snapshot.finish()?;
        Ok(found)
    }

    /// Highest event id; 0 where there is none.
    pub fn max_id(&self) -> Result<i64, StoreError> {
        self.number("SELECT ifnull(max(id), 0) FROM events")
    }

    /// Changes when another connection has committed.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.number("PRAGMA data_version")
    }

    /// Asked at each look of a screen, so the statement is kept.
    fn number(&self, sql: &str) -> Result<i64, StoreError> {
        Ok(self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Records lost since the database was made or wiped.
    pub fn drops(&self) -> Result<u64, StoreError> {
        stats::drops(&self.db)
    }

    /// Reads the whole file and says whether it is sound. Takes seconds on a large one.
    pub fn check(&self) -> Result<(), StoreError> {
        let verdict: String =
            self.db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::Corrupt) }
    }
}
