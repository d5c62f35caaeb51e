//! From rows back to events. Never trusts a row: what our schema could not have written is
//! reported as damage.

use super::{AppFilter, Filter, StoreError};
use crate::event::{
    App, Bytes, Event, Field, Identifier, Kind, Payload, Reason, Server, Time, VERSION,
};
use compact_str::CompactString;
use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::DeserializeOwned;
use std::str::FromStr;

const COLUMNS: &str = "
SELECT e.id, e.time, a.uid, a.package, e.hint, h.name,
    s.addr, s.port, s.country, s.asn, s.operator,
    e.transport, e.verdict, r.code, r.rule, r.list,
    e.state, e.protocol, e.event, e.event_time, e.kinds, e.checks, e.problems, e.decoder, {before},
    f.up, f.down, lower(hex(p.sha256)), q.body_size, p.data IS NOT NULL";

const TABLES: &str = "
FROM events e
LEFT JOIN apps a ON a.id = e.app
LEFT JOIN hosts h ON h.id = e.host
LEFT JOIN servers s ON s.id = e.server
LEFT JOIN rules r ON r.id = e.rule
LEFT JOIN flows f ON f.id = e.flow
LEFT JOIN requests q ON q.id = e.request
LEFT JOIN payloads p ON p.id = q.payload
WHERE 1";

/// A statement and the values that it binds.
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// The statement that reads the events which fit. A reader changes no file, so that of an older
/// schema is read as it is.
pub(super) fn events(filter: &Filter, schema: u32) -> Query {
    let before = if schema < 2 { "NULL" } else { "e.decoder_before" };
    let columns = COLUMNS.replace("{before}", before);
    let mut query = Query { sql: format!("{columns}{TABLES}"), values: Vec::new() };
    query.conditions(filter);
    query.order(filter);
    query
}

/// The statement that reads them in short; [`super::brief`] reads its columns. What is joined and
/// not read, SQLite leaves out.
pub(super) fn briefs(filter: &Filter) -> Query {
    let columns = "SELECT e.id, e.time, a.uid, a.package, e.hint, h.name, e.transport, e.verdict,
        e.state, e.protocol, e.event, e.kinds";
    let mut query = Query { sql: format!("{columns}{TABLES}"), values: Vec::new() };
    query.conditions(filter);
    query.order(filter);
    query
}

/// The end of a statement over `e` (events), `a` (apps) and `h` (hosts) that keeps what fits;
/// `WHERE` stands before it.
pub(super) fn matching(filter: &Filter) -> Query {
    let mut query = Query { sql: " 1".to_owned(), values: Vec::new() };
    query.conditions(filter);
    query
}

/// The statement that counts them.
pub(super) fn count(filter: &Filter) -> Query {
    let mut query =
        Query { sql: format!("SELECT count(*) FROM (SELECT 1{TABLES}"), values: Vec::new() };
    query.conditions(filter);
    query.limit(filter);
    query.sql.push(')');
    query
}

impl Query {
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn conditions(&mut self, filter: &Filter) {
        match &filter.app {
            Some(AppFilter::Uid(uid)) => self.and("a.uid = ?", [Value::from(*uid)]),
            Some(AppFilter::Package(package)) => {
                let package = Value::from(package.clone());
                self.and("(a.package = ? OR e.hint = ?)", [package.clone(), package]);
            }
            None => {}
        }
        if let Some(kind) = filter.kind {
            let needle = Value::from(format!(",{},", kind.as_str()));
            self.and("instr(',' || e.kinds || ',', ?)", [needle]);
        }
        if let Some(state) = filter.state {
            self.and("e.state = ?", [Value::from(state.as_str().to_owned())]);
        }
        if let Some(verdict) = filter.verdict {
            self.and("e.verdict = ?", [Value::from(verdict.as_str().to_owned())]);
        }
        if let Some(host) = &filter.host {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            let below = Value::from(format!(".{name}"));
            self.and(
                "(h.name = ? OR substr(h.name, -length(?)) = ?)",
                [Value::from(name), below.clone(), below],
            );
        }
        if let Some(text) = &filter.text {
            let like = Value::from(like(text));
            self.and(
                "(e.event LIKE ? ESCAPE '!' OR h.name LIKE ? ESCAPE '!' OR EXISTS
                 (SELECT 1 FROM fields WHERE event = e.id AND value LIKE ? ESCAPE '!'))",
                [like.clone(), like.clone(), like],
            );
        }
        self.range(filter);
    }

    /// Times bound the ids first: rows are then read in order of id without sorting, and few
    /// beside the wanted ones. The unary plus keeps the planner from the index on time.
    fn range(&mut self, filter: &Filter) {
        if let Some(since) = filter.since {
            let since = Value::from(since.0);
            self.and(
                "e.id >= (SELECT min(id) FROM events WHERE time >= ?) AND +e.time >= ?",
                [since.clone(), since],
            );
        }
        if let Some(until) = filter.until {
            let until = Value::from(until.0);
            self.and(
                "e.id <= (SELECT max(id) FROM events WHERE time < ?) AND +e.time < ?",
                [until.clone(), until],
            );
        }
        if let Some(id) = filter.after_id {
            self.and("e.id > ?", [Value::from(id)]);
        }
        if let Some(id) = filter.before_id {
            self.and("e.id < ?", [Value::from(id)]);
        }
    }

    fn order(&mut self, filter: &Filter) {
        let order = if filter.newest_first { " ORDER BY e.id DESC" } else { " ORDER BY e.id" };
        self.sql.push_str(order);
        self.limit(filter);
    }

    fn limit(&mut self, filter: &Filter) {
        if let Some(limit) = filter.limit {
            self.sql.push_str(" LIMIT ?");
            self.values.push(Value::from(super::tally::signed(limit)));
        }
    }
}

/// The pattern of LIKE for a text anywhere, with `!` before what would mean more than itself.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The columns of a row, one after the other.
struct Columns<'a, 's>(&'a Row<'s>, usize);

impl Columns<'_, '_> {
    fn next<T: FromSql>(&mut self) -> Result<T, StoreError> {
        self.1 += 1;
        Ok(self.0.get(self.1 - 1)?)
    }

    fn text(&mut self) -> Result<CompactString, StoreError> {
        self.1 += 1;
        let text = self.0.get_ref(self.1 - 1)?.as_str();
        text.map(CompactString::from).map_err(|_| StoreError::Corrupt)
    }

    fn parsed<T: FromStr>(&mut self) -> Result<Option<T>, StoreError> {
        self.1 += 1;
        let text = self.0.get_ref(self.1 - 1)?.as_str_or_null();
        let text = text.map_err(|_| StoreError::Corrupt)?;
        text.map(|t| t.parse().map_err(|_| StoreError::Corrupt)).transpose()
    }

    fn json<T: DeserializeOwned + Default>(&mut self) -> Result<T, StoreError> {
        self.1 += 1;
        let text = self.0.get_ref(self.1 - 1)?.as_str_or_null();
        let Some(text) = text.map_err(|_| StoreError::Corrupt)? else { return Ok(T::default()) };
        serde_json::from_str(text).map_err(|_| StoreError::Corrupt)
    }

    fn unsigned(&mut self) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self.next()?;
        number.map(|n| u64::try_from(n).map_err(|_| StoreError::Corrupt)).transpose()
    }
}

/// One event, in a file of today's schema.
pub(super) fn one(db: &Connection, id: i64) -> Result<Option<Event>, StoreError> {
    let (after_id, before_id) = (Some(id.saturating_sub(1)), Some(id.saturating_add(1)));
    let query = events(&Filter { after_id, before_id, ..Filter::default() }, super::SCHEMA);
    let mut select = db.prepare_cached(&query.sql)?;
    let mut rows = select.query(params_from_iter(query.values))?;
    rows.next()?.map(|row| event(db, row)).transpose()
}

/// The event of a row of [`events`], with its fields and identifiers.
pub(super) fn event(db: &Connection, row: &Row<'_>) -> Result<Event, StoreError> {
    let mut c = Columns(row, 0);
    let id: i64 = c.next()?;
    let time = c.next::<Option<i64>>()?.map(Time);
    let app = App { uid: c.next()?, package: c.next()?, hint: c.next()? };
    let host = c.next()?;
    let server = server(&mut c)?;
    let transport = c.parsed()?;
    let verdict = c.parsed()?;
    let (code, rule, list) = (c.parsed()?, c.next()?, c.next()?);
    let state = c.parsed()?.ok_or(StoreError::Corrupt)?;
    let protocol = c.parsed()?;
    let name = c.next()?;
    let event_time = c.next::<Option<i64>>()?.map(Time);
    let kinds = kinds(&c.next::<String>()?)?;
    let (checks, problems) = (c.json()?, c.json()?);
    let (decoder, decoder_before) = (c.next()?, c.next()?);
    let (up, down) = (c.unsigned()?, c.unsigned()?);
    let (sha256, size): (Option<String>, _) = (c.next()?, c.unsigned()?);
    let stored = c.next()?;
    Ok(Event {
        v: VERSION,
        id: Some(id),
        time,
        app,
        host,
        server,
        transport,
        verdict,
        reason: code.map(|code| Reason { code, rule, list }),
        state,
        protocol,
        event: name,
        event_time,
        kinds,
        fields: fields(db, id)?,
        ids: identifiers(db, id)?,
        checks,
        problems,
        bytes: up.zip(down).map(|(up, down)| Bytes { up, down }),
        // `hex` of no payload is an empty text.
        payload: sha256.filter(|hex| !hex.is_empty()).zip(size).map(|(sha256, size)| Payload {
            sha256,
            size,
            stored,
        }),
        decoder,
        decoder_before,
    })
}

fn server(c: &mut Columns<'_, '_>) -> Result<Option<Server>, StoreError> {
    let (addr, port): (_, Option<u16>) = (c.parsed()?, c.next()?);
    let (country, asn, operator) = (c.next()?, c.next()?, c.next()?);
    Ok(addr.zip(port).map(|(addr, port)| Server { addr, port, country, asn, operator }))
}

fn kinds(text: &str) -> Result<Vec<Kind>, StoreError> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(|name| name.parse().map_err(|_| StoreError::Corrupt)).collect()
}

fn fields(db: &Connection, id: i64) -> Result<Vec<Field>, StoreError> {
    let mut select =
        db.prepare_cached("SELECT path, value, kind FROM fields WHERE event = ?1 ORDER BY place")?;
    let mut rows = select.query([id])?;
    let mut fields = Vec::new();
    while let Some(row) = rows.next()? {
        let mut c = Columns(row, 0);
        let (path, value) = (c.text()?, c.text()?);
        fields.push(Field { path, value, kind: c.parsed()?.ok_or(StoreError::Corrupt)? });
    }
    Ok(fields)
}

fn identifiers(db: &Connection, id: i64) -> Result<Vec<Identifier>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT i.kind, i.value, e.path FROM identifier_events e
         JOIN identifiers i ON i.id = e.identifier WHERE e.event = ?1 ORDER BY e.place",
    )?;
    let mut rows = select.query([id])?;
    let mut identifiers = Vec::new();
    while let Some(row) = rows.next()? {
        let mut c = Columns(row, 0);
        let kind = c.parsed()?.ok_or(StoreError::Corrupt)?;
        identifiers.push(Identifier { kind, value: c.text()?, path: c.text()? });
    }
    Ok(identifiers)
}
