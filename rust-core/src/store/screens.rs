//! Sums over the events of any range of time, by app, by host and by kind: what screens show.
//! [`super::stats`] sums whole days in UTC over a year; a phone's owner has days of their own.

use super::select::{self, Query};
use super::stats::{self, SeenIdentifier};
use super::{AppFilter, Filter, Gap, KindCount, Reader, StoreError};
use crate::event::{Kind, Reason, Server, Time};
use crate::limits::PAGE;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use serde::Serialize;
use std::collections::BTreeMap;

/// Events by what became of them; see [`super::Outcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Refused.
    pub stopped: u64,
    /// Answered on the phone.
    pub answered: u64,
    /// Passed and read.
    pub readable: u64,
    /// Passed, closed.
    pub encrypted: u64,
    /// Passed, not understood.
    pub unread: u64,
}

/// What an app sent, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppSums {
    /// Its user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Time of its last event, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// How many events.
    #[serde(flatten)]
    pub outcomes: Outcomes,
}

/// What was sent to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostSums {
    /// The name.
    pub host: String,
    /// Time of the last event, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// How many events.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// Of the addresses that were contacted, the one seen first most lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// A host that was refused to an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// The name; `None` for a bare address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Who wanted to reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Time of the last attempt, milliseconds.
    pub last: i64,
    /// How many attempts.
    pub count: u64,
    /// The last attempt's event.
    pub id: i64,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// How much the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Bytes of the database's pages.
    pub bytes: u64,
    /// Events.
    pub events: u64,
    /// Time of the first event, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// Time of the last event, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// Records that were lost.
    pub dropped: u64,
}

const OUTCOMES: &str = "count(*) FILTER (WHERE e.verdict = 'block'),
    count(*) FILTER (WHERE e.verdict = 'capture'),
    count(*) FILTER (WHERE e.verdict = 'record' AND e.state = 'decoded'),
    count(*) FILTER (WHERE e.verdict = 'record' AND e.state = 'encrypted'),
    count(*) FILTER (WHERE e.verdict = 'record' AND e.state = 'undecodable')";
const FROM: &str =
    "FROM events e LEFT JOIN apps a ON a.id = e.app LEFT JOIN hosts h ON h.id = e.host";

fn outcomes(row: &Row<'_>, from: usize) -> rusqlite::Result<Outcomes> {
    let count = |at: usize| row.get::<_, i64>(from + at).map(i64::unsigned_abs);
    Ok(Outcomes {
        stopped: count(0)?,
        answered: count(1)?,
        readable: count(2)?,
        encrypted: count(3)?,
        unread: count(4)?,
    })
}

impl Reader {
    /// Runs `SELECT columns FROM … WHERE what fits rest`, and reads each row.
    fn sums<T>(
        &self,
        columns: &str,
        filter: &Filter,
        rest: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let Query { sql, values } = select::matching(filter);
        let mut select =
            self.db.prepare_cached(&format!("SELECT {columns} {FROM} WHERE{sql} {rest}"))?;
        let rows = select.query_map(params_from_iter(values), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many events fit, by outcome.
    pub fn outcomes(&self, filter: &Filter) -> Result<Outcomes, StoreError> {
        let found = self.sums(OUTCOMES, filter, "", |row| outcomes(row, 0))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// How many events that fit have each kind, most first.
    pub fn kinds(&self, filter: &Filter) -> Result<Vec<KindCount>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let sets = self.sums("e.kinds, count(*)", filter, "GROUP BY e.kinds", read)?;
        let mut counts = BTreeMap::<Kind, u64>::new();
        for (names, events) in sets {
            for name in names.split(',').filter(|name| !name.is_empty()) {
                let kind = name.parse().map_err(|_| StoreError::Corrupt)?;
                *counts.entry(kind).or_default() += events.unsigned_abs();
            }
        }
        let mut kinds: Vec<_> =
            counts.into_iter().map(|(kind, events)| KindCount { kind, events }).collect();
        kinds.sort_by_key(|one| std::cmp::Reverse(one.events));
        Ok(kinds)
    }

    /// Apps with events that fit, most events first.
    pub fn apps(&self, filter: &Filter) -> Result<Vec<AppSums>, StoreError> {
        let columns = format!("a.uid, a.package, max(e.time), {OUTCOMES}");
        let rest = format!("GROUP BY e.app ORDER BY count(*) DESC, e.app LIMIT {PAGE}");
        self.sums(&columns, filter, &rest, |row| {
            Ok(AppSums {
                uid: row.get(0)?,
                package: row.get(1)?,
                last: row.get(2)?,
                outcomes: outcomes(row, 3)?,
            })
        })
    }

    /// Hosts of the events that fit, most events first.
    pub fn hosts(&self, filter: &Filter) -> Result<Vec<HostSums>, StoreError> {
        let columns = format!("h.name, max(e.time), max(e.server), {OUTCOMES}");
        let rest = format!(
            "AND h.name IS NOT NULL GROUP BY e.host ORDER BY count(*) DESC, h.name LIMIT {PAGE}"
        );
        let found = self.sums(&columns, filter, &rest, |row| {
            let server: Option<i64> = row.get(2)?;
            let (host, last) = (row.get(0)?, row.get(1)?);
            Ok((server, HostSums { host, last, outcomes: outcomes(row, 3)?, server: None }))
        })?;
        found
            .into_iter()
            .map(|(server, sums)| {
                let server = server.map(|id| self.server(id)).transpose()?.flatten();
                Ok(HostSums { server, ..sums })
            })
            .collect()
    }

    fn server(&self, id: i64) -> Result<Option<Server>, StoreError> {
        let mut select = self.db.prepare_cached(
            "SELECT addr, port, country, asn, operator FROM servers WHERE id = ?1",
        )?;
        let found = select
            .query_row([id], |row| {
                let addr: String = row.get(0)?;
                let rest = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((addr, rest))
            })
            .optional()?;
        let Some((addr, (port, country, asn, operator))) = found else { return Ok(None) };
        let addr = addr.parse().map_err(|_| StoreError::Corrupt)?;
        Ok(Some(Server { addr, port, country, asn, operator }))
    }

    /// Hosts that were refused, an app and a host once, the last first.
    pub fn stops(&self, filter: &Filter, limit: u32) -> Result<Vec<Stop>, StoreError> {
        // A bare `max(e.id)` makes SQLite take the other columns from that row.
        let columns =
            "h.name, a.uid, a.package, e.time, count(*), max(e.id), r.code, r.rule, r.list";
        let Query { sql, mut values } = select::matching(filter);
        values.push(limit.into());
        let mut select = self.db.prepare_cached(&format!(
            "SELECT {columns} {FROM} LEFT JOIN rules r ON r.id = e.rule
             WHERE{sql} AND e.verdict = 'block' GROUP BY e.app, e.host ORDER BY 6 DESC LIMIT ?"
        ))?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut stops = Vec::new();
        while let Some(row) = rows.next()? {
            let code = row.get::<_, Option<String>>(6)?;
            let code =
                code.map(|code| code.parse().map_err(|_| StoreError::Corrupt)).transpose()?;
            let (rule, list) = (row.get(7)?, row.get(8)?);
            stops.push(Stop {
                host: row.get(0)?,
                uid: row.get(1)?,
                package: row.get(2)?,
                last: row.get::<_, Option<i64>>(3)?.unwrap_or_default(),
                count: row.get::<_, i64>(4)?.unsigned_abs(),
                id: row.get(5)?,
                reason: code.map(|code| Reason { code, rule, list }),
            });
        }
        Ok(stops)
    }

    /// Identifiers that an app sent, or any; those sent by most apps first.
    pub fn identifiers_of(
        &self,
        app: Option<&AppFilter>,
    ) -> Result<Vec<SeenIdentifier>, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let found = stats::identifiers(&self.db, app, PAGE)?;
        snapshot.finish()?;
        Ok(found)
    }

    /// Times without protection that touch the range, oldest first.
    pub fn gaps(&self, since: Option<Time>, until: Option<Time>) -> Result<Vec<Gap>, StoreError> {
        stats::gaps(&self.db, since.unwrap_or(Time::MIN), until.unwrap_or(Time::MAX))
    }

    /// How much there is.
    pub fn extent(&self) -> Result<Extent, StoreError> {
        let pages = |name: &str| -> Result<u64, StoreError> {
            let number: i64 = self.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
            Ok(number.unsigned_abs())
        };
        let (events, first, last): (i64, _, _) =
            self.db.query_row("SELECT count(*), min(time), max(time) FROM events", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        Ok(Extent {
            bytes: pages("page_count")? * pages("page_size")?,
            events: events.unsigned_abs(),
            first,
            last,
            dropped: self.drops()?,
        })
    }
}
