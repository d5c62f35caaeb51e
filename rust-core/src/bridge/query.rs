//! The queries of screens. Each reads, and says nothing but codes and numbers: words are the app's.

use super::ask::{self, limit};
use super::rules::{self, Known};
use super::{Code, Core, Fault, answer, export, locked};
use crate::event::{Server, Time};
use crate::limits::{BARS, PAGE};
use crate::policy::Decision;
use crate::store::{Filter, Outcomes, Reader, Stop, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value, json};

const USUAL: u32 = 100;

impl Core {
    /// Answers one of the queries of `docs/jni.md`.
    ///
    /// # Errors
    /// `bad-json`, `bad-version`, `bad-argument`, `closed`, and those of the store.
    pub fn query(&self, text: &str) -> Result<String, Fault> {
        self.open()?;
        let mut object = ask::object(text)?;
        let name = ask::name(&mut object, "q")?;
        match name.as_str() {
            "host" => rules::host(self, ask::read(object)?),
            "rules" => rules::search(self, ask::read(object)?),
            #[cfg(feature = "planted-panic")]
            #[allow(clippy::panic)]
            "planted-panic" => panic!("as planted"),
            "lists" => ask::read(object).and_then(|ask::Nothing {}| rules::lists(self)),
            name => {
                let reader = locked(&self.reader);
                from_store(self, &reader, name, object)
            }
        }
    }
}

fn from_store(
    core: &Core,
    reader: &Reader,
    name: &str,
    object: Map<String, Value>,
) -> Result<String, Fault> {
    match name {
        "events" => events(reader, ask::read(object)?),
        "event" => event(reader, ask::read(object)?),
        "raw" => raw(reader, ask::read(object)?),
        "chart" => chart(reader, &ask::read(object)?),
        "kinds" => answer("kinds", &reader.kinds(&scope(object)?)?),
        "apps" => {
            let ask::Range { since, until } = ask::read(object)?;
            answer("apps", &reader.apps(&ask::range(since, until)?)?)
        }
        "hosts" => hosts(core, reader, object),
        "identifiers" => identifiers(reader, ask::read(object)?),
        "stops" => stops(core, reader, ask::read(object)?),
        "gaps" => gaps(reader, &ask::read(object)?),
        "store" => {
            let ask::Nothing {} = ask::read(object)?;
            versioned(&reader.extent()?)
        }
        "export-size" => export::size(core, reader, ask::read(object)?),
        "preview" => export::preview(core, reader, ask::read(object)?),
        _ => Err(Fault::new(Code::BadJson, "unknown `q`")),
    }
}

fn scope(object: Map<String, Value>) -> Result<Filter, Fault> {
    ask::read::<ask::Scope>(object)?.try_into()
}

/// An object of ours with its version.
pub(super) fn versioned(value: &impl Serialize) -> Result<String, Fault> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        v: u8,
        #[serde(flatten)]
        value: &'a T,
    }
    Ok(serde_json::to_string(&Versioned { v: 1, value })?)
}

/// Rows as JSON; `last` is what to go on from. Never holds them in another form.
pub(super) fn rows(reader: &Reader, filter: &Filter, last: i64) -> Result<(String, usize), Fault> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"v\":1,\"rows\":[");
    let (mut count, mut newest) = (0, last);
    reader.briefs(filter, &mut |brief| {
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        newest = brief.id;
        serde_json::to_writer(&mut out, brief).map_err(|_| StoreError::Corrupt)
    })?;
    out.extend_from_slice(format!("],\"last\":{newest}}}").as_bytes());
    let text = String::from_utf8(out).map_err(|_| StoreError::Corrupt)?;
    Ok((text, count))
}

fn events(reader: &Reader, asked: ask::Events) -> Result<String, Fault> {
    let oldest_first = asked.after_id.is_some();
    let filter = Filter {
        after_id: asked.after_id,
        before_id: asked.before_id,
        newest_first: !oldest_first,
        limit: Some(limit(asked.limit, USUAL, PAGE)?.into()),
        ..asked.filter.0.try_into()?
    };
    let last = asked.after_id.or(asked.before_id).unwrap_or_default();
    Ok(rows(reader, &filter, last)?.0)
}

fn event(reader: &Reader, ask::One { id }: ask::One) -> Result<String, Fault> {
    match reader.event(id)? {
        Some(event) => answer("event", &event),
        None => versioned(&json!({})),
    }
}

fn raw(reader: &Reader, ask::One { id }: ask::One) -> Result<String, Fault> {
    let Some(request) = reader.request(id)? else { return versioned(&json!({})) };
    let raw = json!({
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": STANDARD.encode(&request.body),
        "body_size": request.body_size,
        "cut": request.cut,
    });
    answer("raw", &raw)
}

#[derive(Serialize)]
struct Bar {
    since: i64,
    #[serde(flatten)]
    outcomes: Outcomes,
}

fn chart(reader: &Reader, asked: &ask::Chart) -> Result<String, Fault> {
    let bounds = &asked.bounds;
    let ascending = bounds.is_sorted_by(|a, b| a < b);
    if !(2..=BARS).contains(&bounds.len()) || !ascending {
        let expected = format!("expected 2 to {BARS} ascending `bounds`");
        return Err(Fault::new(Code::BadJson, expected));
    }
    let bars = bounds
        .windows(2)
        .map(|pair| {
            let filter = ask::range(pair.first().copied(), pair.last().copied())?;
            let since = pair.first().copied().unwrap_or_default();
            Ok(Bar { since, outcomes: reader.outcomes(&filter)? })
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    answer("bars", &bars)
}

#[derive(Serialize)]
struct HostLine<'a> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
    #[serde(flatten)]
    outcomes: Outcomes,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Known<'a>>,
    decision: Value,
}

fn hosts(core: &Core, reader: &Reader, object: Map<String, Value>) -> Result<String, Fault> {
    let asked: ask::Scope = ask::read(object)?;
    let uid = core.service.with_rules(|rules| asked.uid(&rules.policy));
    let sums = reader.hosts(&asked.of_package().try_into()?)?;
    core.service.with_rules(|rules| {
        let lines: Vec<_> = sums
            .iter()
            .map(|sums| HostLine {
                host: &sums.host,
                last: sums.last,
                outcomes: sums.outcomes,
                server: sums.server.as_ref(),
                rule: rules::known(rules, &sums.host),
                decision: decision(&rules::decide(rules, uid, &sums.host)),
            })
            .collect();
        answer("hosts", &lines)
    })
}

/// A decision as JSON.
pub(super) fn decision(decision: &Decision) -> Value {
    json!({"verdict": decision.verdict, "reason": decision.reason})
}

fn identifiers(reader: &Reader, asked: ask::OfApp) -> Result<String, Fault> {
    if asked.limit.is_some() {
        return Err(Fault::new(Code::BadJson, "unknown field `limit`"));
    }
    let app = ask::app(asked.uid, asked.package)?;
    let found: Vec<_> = reader
        .identifiers_of(app.as_ref())?
        .into_iter()
        .map(|one| {
            let (first, last) = (one.first.0, one.last.0);
            json!({"kind": one.kind, "value": one.value, "first": first, "last": last,
                "apps": one.apps, "hosts": one.hosts})
        })
        .collect();
    answer("identifiers", &found)
}

#[derive(Serialize)]
struct StopLine<'a> {
    #[serde(flatten)]
    stop: &'a Stop,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Known<'a>>,
}

fn stops(core: &Core, reader: &Reader, asked: ask::OfApp) -> Result<String, Fault> {
    let filter = Filter { app: ask::app(asked.uid, asked.package)?, ..Filter::default() };
    let stops = reader.stops(&filter, limit(asked.limit, 10, 100)?)?;
    core.service.with_rules(|rules| {
        let rule = |stop: &'_ Stop| rules::known(rules, stop.host.as_deref()?);
        let lines: Vec<_> = stops.iter().map(|stop| StopLine { stop, rule: rule(stop) }).collect();
        answer("stops", &lines)
    })
}

fn gaps(reader: &Reader, asked: &ask::Range) -> Result<String, Fault> {
    let range = ask::range(asked.since, asked.until)?;
    let ms = |time: Time| time.0;
    let gaps: Vec<_> = reader
        .gaps(range.since, range.until)?
        .into_iter()
        .map(|gap| match gap.end.map(ms) {
            Some(end) => json!({"start": gap.start.0, "end": end, "reason": gap.reason}),
            None => json!({"start": gap.start.0, "reason": gap.reason}),
        })
        .collect();
    answer("gaps", &gaps)
}
