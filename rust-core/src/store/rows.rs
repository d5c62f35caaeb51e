//! Events, requests and payloads as rows. Runs inside the writer's transaction and never opens
//! or ends one.

use super::many::Many;
use super::names::Names;
use super::pack::Packer;
use super::tally::{Sums, Tally, UNKNOWN, signed};
use crate::event::{Event, Identifier, Kind};
use crate::http::Request;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Result, params};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Rows that an event belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    /// The event's own, where it is not a new one.
    pub(super) id: Option<i64>,
    pub(super) flow: Option<i64>,
    pub(super) request: Option<i64>,
}

/// Writes an event and counts it. Its id, bytes and payload come from elsewhere: the row, the
/// flow, the request.
pub(super) fn insert_event(
    db: &Connection,
    names: &mut Names,
    tally: &mut Tally,
    event: &Event,
    links: Links,
) -> Result<i64> {
    let app = names.app(db, &event.app)?;
    let host = names.host(db, event.host.as_deref())?;
    let server = names.server(db, event.server.as_ref())?;
    let rule = event.reason.as_ref().map(|r| names.rule(db, r)).transpose()?;
    db.prepare_cached(
        "INSERT INTO events (id, time, app, hint, host, server, transport, verdict, rule, state,
             protocol, event, event_time, kinds, checks, problems, decoder, decoder_before,
             flow, request)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
             ?19, ?20)",
    )?
    .execute(params![
        links.id,
        event.time.map(|t| t.0),
        app,
        event.app.hint,
        host,
        server,
        event.transport.map(|c| c.as_str()),
        event.verdict.map(|c| c.as_str()),
        rule,
        event.state.as_str(),
        event.protocol.map(|c| c.as_str()),
        event.event,
        event.event_time.map(|t| t.0),
        kinds_text(&event.kinds),
        json_or_null(&event.checks, event.checks.is_empty()),
        json_or_null(&event.problems, event.problems.is_empty()),
        event.decoder,
        event.decoder_before,
        links.flow,
        links.request,
    ])?;
    let id = db.last_insert_rowid();
    let who = (app.unwrap_or(UNKNOWN), host.unwrap_or(UNKNOWN));
    let time_ms = event.time.map_or(0, |t| t.0);
    insert_said(db, names, tally, (id, event), (time_ms, who))?;
    for kind in &event.kinds {
        tally.kind(time_ms, who.0, *kind);
    }
    if let Some(verdict) = event.verdict {
        tally.count(time_ms, who, verdict, Sums { events: 1, ..Sums::default() });
    }
    Ok(id)
}

/// Writes the fields and identifiers of an event.
pub(super) fn insert_said(
    db: &Connection,
    names: &mut Names,
    tally: &mut Tally,
    (id, event): (i64, &Event),
    (time_ms, who): (i64, (i64, i64)),
) -> Result<()> {
    insert_fields(db, id, event)?;
    insert_identifiers(db, names, tally, (id, event), (time_ms, who))
}

fn insert_fields(db: &Connection, id: i64, event: &Event) -> Result<()> {
    static INSERT: LazyLock<Many<5>> =
        LazyLock::new(|| Many::new("fields (event, place, path, value, kind)"));
    let rows = event.fields.iter().enumerate().map(|(place, field)| {
        let (path, value) = (field.path.as_str().into(), field.value.as_str().into());
        [id.into(), number(place), path, value, field.kind.as_str().into()]
    });
    INSERT.insert(db, rows)
}

fn insert_identifiers(
    db: &Connection,
    names: &mut Names,
    tally: &mut Tally,
    (id, event): (i64, &Event),
    (time_ms, who): (i64, (i64, i64)),
) -> Result<()> {
    static INSERT: LazyLock<Many<4>> =
        LazyLock::new(|| Many::new("identifier_events (event, place, identifier, path)"));
    let known = |found: &Identifier| {
        let identifier = names.identifier(db, found.kind, &found.value, time_ms)?;
        tally.saw(identifier, time_ms, who);
        Ok(identifier)
    };
    let known = event.ids.iter().map(known).collect::<Result<Vec<i64>>>()?;
    let rows = known.into_iter().zip(&event.ids).enumerate().map(|(place, (identifier, found))| {
        [id.into(), number(place), identifier.into(), found.path.as_str().into()]
    });
    INSERT.insert(db, rows)
}

/// A place in a list.
fn number(place: usize) -> ToSqlOutput<'static> {
    signed(place as u64).into()
}

/// Writes a request with its body, which is written once however often it is sent.
pub(super) fn insert_request(
    db: &Connection,
    packer: &mut Packer,
    time_ms: i64,
    request: &Request,
) -> Result<i64> {
    // A body of which nothing arrived has a size all the same.
    let has_body = !request.body.is_empty() || request.body_size > 0;
    let payload = has_body.then(|| insert_payload(db, packer, &request.body)).transpose()?;
    db.prepare_cached(
        "INSERT INTO requests (time, method, target, headers, payload, body_size, cut)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        time_ms,
        request.method,
        request.target,
        json(&request.headers),
        payload,
        signed(request.body_size.max(request.body.len() as u64)),
        request.cut
    ])?;
    Ok(db.last_insert_rowid())
}

fn insert_payload(db: &Connection, packer: &mut Packer, body: &[u8]) -> Result<i64> {
    let hash = Sha256::digest(body);
    let hash: &[u8] = hash.as_ref();
    let known = db
        .prepare_cached("SELECT id FROM payloads WHERE sha256 = ?1")?
        .query_row([hash], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO payloads (sha256, size, data) VALUES (?1, ?2, ?3)")?
        .execute(params![hash, signed(body.len() as u64), packer.pack(body)])?;
    Ok(db.last_insert_rowid())
}

pub(super) fn kinds_text(kinds: &[Kind]) -> String {
    let mut text = String::new();
    for kind in kinds {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(kind.as_str());
    }
    text
}

/// JSON of checks or problems; none where there are none.
pub(super) fn json_or_null<T: serde::Serialize>(values: &T, empty: bool) -> Option<String> {
    (!empty).then(|| json(values))
}

/// JSON of values whose serialisation cannot fail: text, codes, lists and maps of them.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_a_list() {
        assert_eq!(kinds_text(&[]), "");
        assert_eq!(kinds_text(&[Kind::Search, Kind::Other]), "search,other");
    }
}
