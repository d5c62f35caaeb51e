//! Queries, on a connection of their own. Never writes, and never makes a file.

use super::{Filter, StoreError};
use crate::event::{App, Event, IdKind, Kind, Time};
use crate::http::Request;
use serde::Serialize;
use std::path::Path;

/// Sums under one key: a day, an app, a host or a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The day, package, host or verdict; empty where it is unknown.
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
    /// By verdict.
    pub verdicts: Vec<Count>,
    /// Times without protection.
    pub gaps: Vec<Gap>,
    /// Records that were lost since the database was made or wiped.
    pub drops: u64,
}

/// A read-only view of a database, which may have a writer at the same time.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Opens an existing database.
    pub fn open(_path: &Path) -> Result<Self, StoreError> {
        Ok(Self {})
    }

    /// Events that fit the filter; page on with `after_id` or `before_id`.
    pub fn events(&self, _filter: &Filter) -> Result<Vec<Event>, StoreError> {
        Ok(Vec::new())
    }

    /// Gives each event that fits to `each`, from one snapshot and one at a time.
    pub fn for_each<E: From<StoreError>>(
        &self,
        _filter: &Filter,
        _each: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<u64, E> {
        Ok(0)
    }

    /// One event.
    pub fn event(&self, _id: i64) -> Result<Option<Event>, StoreError> {
        Ok(None)
    }

    /// The request that an event was read from, as far as it was kept.
    pub fn request(&self, _id: i64) -> Result<Option<Request>, StoreError> {
        Ok(None)
    }

    /// How many events fit the filter.
    pub fn count(&self, _filter: &Filter) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Sums over the days from `since` to `until`, both included.
    pub fn stats(&self, _since: Option<Time>, _until: Option<Time>) -> Result<Stats, StoreError> {
        Ok(Stats::default())
    }

    /// Identifiers, those sent by most apps first.
    pub fn identifiers(&self) -> Result<Vec<SeenIdentifier>, StoreError> {
        Ok(Vec::new())
    }

    /// Highest event id; 0 where there is none.
    pub fn max_id(&self) -> Result<i64, StoreError> {
        Ok(0)
    }

    /// Changes when another connection has committed.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(0)
    }

    /// Records lost since the database was made or wiped.
    pub fn drops(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
