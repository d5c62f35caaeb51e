//! Alibaba Cloud SLS: logs in a query, in JSON, or in a protobuf LogGroup, packed or not. Never needs
//! a signature and never checks one.
//!
//! Evidence: LogGroups recorded from aliyun-log-python-sdk 0.9.52, raw, in LZ4 and in Zstandard, and
//! from aliyun-log-producer 0.1.2 (Rust); the web tracking forms are synthetic.

use super::json::{self, Budget, Flat};
use super::lz;
use super::protobuf::{Fields, Value};
use super::report::{Report, is_json, json_moment, leaf, text};
use super::unpack::{self, UnpackError, Unpacked};
use super::{Decoded, Input};
use crate::event::{Check, ProblemCode, Protocol, Time};
use crate::limits;
use std::borrow::Cow;

const DECODER: &str = "sls/2";

/// Parameters and members that are not the log's own.
const OUTER: &[&str] = &["APIVersion", "__topic__", "__source__"];

/// Entries that name an event, where there is no topic.
const EVENT: &[&str] = &["log.event", "log.event_name"];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    posted(input).or_else(|| tracked(input))
}

/// The log store that the path names.
fn store<'a>(input: &Input<'a>) -> Option<&'a str> {
    input.path.split_once("/logstores/").and_then(|(_, rest)| rest.split('/').next())
}

fn report(input: &Input<'_>) -> Report {
    let mut report = Report::new(input, Protocol::Sls, DECODER);
    report.beside(store(input).map(|s| leaf("path.logstore", "logstore", s)).into_iter().collect());
    report
}

/// One log in the query.
fn tracked(input: &Input<'_>) -> Option<Decoded> {
    let get = |name| input.query.get(name);
    get("APIVersion")?;
    let usual = store(input).is_some() && input.path.trim_end_matches('/').ends_with("/track");
    if !(usual || get("__topic__").is_some()) || input.query.pairs.len() < 2 {
        return None;
    }
    let mut report = report(input);
    let mut flat = Flat::default();
    for (name, value) in &input.query.pairs {
        let name = json::cut(name, limits::FIELD_PATH / 2);
        if OUTER.contains(&name) {
            flat.put(&mut report.budget, name, name, value.clone(), true);
        } else {
            said(&mut flat, &mut report.budget, name, value);
        }
    }
    report.event(name(get("__topic__"), &flat), None, flat);
    Some(report.read())
}

/// The topic, or, where there is none, what the log itself calls its event.
fn name(topic: Option<&str>, flat: &Flat) -> Option<String> {
    let own = || flat.leaves.iter().find(|leaf| EVENT.contains(&leaf.path.as_str()));
    let name = topic.filter(|topic| !topic.is_empty()).or_else(|| own().map(|l| l.value.as_str()));
    name.filter(|name| !name.is_empty()).map(|name| json::cut(name, limits::FIELD_PATH).to_owned())
}

/// One entry of a log. Senders put JSON into values, so that is taken apart.
fn said(flat: &mut Flat, budget: &mut Budget, name: &str, value: &str) {
    let path = format!("log.{name}");
    if value.starts_with(['{', '[']) && json::is_value(value) {
        flat.add_text(budget, &path, name, value);
    } else {
        flat.put(budget, &path, name, value.to_owned(), true);
    }
}

fn posted(input: &Input<'_>) -> Option<Decoded> {
    let header = |name| input.request.header(name).map(str::trim);
    let marks = ["x-log-apiversion", "x-log-bodyrawsize", "x-log-compresstype"];
    let marked = marks.into_iter().any(|name| header(name).is_some())
        || store(input).is_some() && input.query.get("APIVersion").is_some();
    let size = header("x-log-bodyrawsize").and_then(|s| s.parse::<usize>().ok());
    if input.body.is_empty() {
        return None;
    }
    let unpacked = unpacked(input.body, header("x-log-compresstype"), size);
    let mut report = report(input);
    let short = input.cut || unpacked.error.is_some();
    let found = if is_json(&unpacked.bytes) {
        logs(&mut report, &unpacked.bytes, short)
    } else {
        group(&mut report, &unpacked.bytes, marked)
    };
    // What is marked and cannot be looked into may be one; what is something else is none.
    let hidden = |error: UnpackError| error.code() != ProblemCode::Malformed;
    if !(found || marked && unpacked.error.is_some_and(hidden)) {
        return None;
    }
    if let Some(error) = unpacked.error {
        report.problem(error.code(), "body");
    }
    if let Some(size) = size.filter(|_| unpacked.error.is_none()) {
        let fits = size == unpacked.bytes.len();
        report.check("size", if fits { Check::Ok } else { Check::Mismatch });
    }
    Some(report.read())
}

fn unpacked<'a>(body: &'a [u8], packing: Option<&str>, size: Option<usize>) -> Unpacked<'a> {
    let failed = |error| Unpacked { bytes: Cow::Borrowed(&[]), error: Some(error) };
    match packing.map(str::to_ascii_lowercase).as_deref() {
        Some("lz4") => match size {
            Some(size) => lz::lz4(body, size),
            None => failed(UnpackError::Unsupported),
        },
        Some("deflate" | "gzip" | "zlib") => {
            unpack::by_magic(body).unwrap_or_else(|| unpack::inflate(body))
        }
        Some("zstd") => unpack::by_magic(body).unwrap_or_else(|| lz::zstd(body)),
        None | Some("" | "none") => match unpack::by_magic(body) {
            Some(unpacked) => unpacked,
            None => Unpacked { bytes: Cow::Borrowed(body), error: None },
        },
        Some(_) => failed(UnpackError::Unsupported),
    }
}

/// `{"__topic__","__source__","__logs__":[{…}],"__tags__":{…}}`; false where it is something else.
fn logs(report: &mut Report, bytes: &[u8], short: bool) -> bool {
    let (text, broken) = text(bytes, short);
    let members = json::object(&text, limits::FIELDS_PER_EVENT);
    let get = |name: &str| members.items.iter().find(|(n, _)| n == name).map(|(_, text)| *text);
    let Some(list) = get("__logs__").filter(|l| l.starts_with('[')) else { return false };
    if let Some(code) = members.problem {
        report.problem(code, "");
    }
    if let Some(code) = broken {
        report.problem(code, "body");
    }
    let mut outer = Flat::default();
    for (name, value) in members.items.iter().filter(|(name, _)| name != "__logs__") {
        outer.add_text(&mut report.budget, name, name, value);
    }
    report.beside(outer.leaves);
    let topic = get("__topic__").and_then(json::unquote).map(Cow::into_owned);
    let parts = json::list(list, limits::EVENTS_PER_REQUEST);
    for (place, log) in parts.items.iter().enumerate() {
        if !log.starts_with('{') {
            report.problem(ProblemCode::Malformed, &format!("__logs__.{place}"));
            continue;
        }
        let entries = json::object(log, limits::FIELDS_PER_EVENT);
        let mut flat = Flat::default();
        if let Some(code) = entries.problem {
            flat.problem(code, "");
        }
        let mut time = None;
        for (name, value) in &entries.items {
            time = time.or_else(|| (name == "__time__").then(|| json_moment(value)).flatten());
            match json::unquote(value) {
                Some(value) => said(&mut flat, &mut report.budget, name, &value),
                None => flat.add_text(&mut report.budget, &format!("log.{name}"), name, value),
            }
        }
        report.event(name(topic.as_deref(), &flat), time, flat);
    }
    if let Some(code) = parts.problem.filter(|_| members.problem.is_none()) {
        report.problem(code, "__logs__");
    }
    true
}

/// LogGroup `{1 logs*, 3 topic, 4 source, 6 tags*}`; 2 and 5 are let pass. False where the bytes are
/// something else; what is marked as a LogGroup may be broken.
fn group(report: &mut Report, bytes: &[u8], marked: bool) -> bool {
    let known = |field: Result<(u32, Value<'_>), _>| match field {
        Ok((1, Value::Bytes(log))) => marked || is_log(log),
        Ok((number, Value::Bytes(_))) => (2..=6).contains(&number),
        Ok(_) => false,
        Err(_) => marked,
    };
    let of = |number| Fields(bytes).flatten().filter_map(move |field| part(&field, number));
    if !of(1).any(is_log) || !Fields(bytes).all(known) {
        return false;
    }
    if let Some(Err(code)) = Fields(bytes).last() {
        report.problem(code, "body");
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let topic = of(3).next().map(text);
    let mut beside: Vec<_> = topic.iter().map(|t| leaf("__topic__", "__topic__", t)).collect();
    beside.extend(of(4).next().map(|source| leaf("__source__", "__source__", &text(source))));
    for tag in of(6).take(limits::PARTS) {
        let (name, value) = pair(tag);
        beside.push(leaf(&format!("__tags__.{name}"), &name, &value));
    }
    report.beside(beside);
    for log in of(1).take(limits::EVENTS_PER_REQUEST + 1) {
        log_event(report, topic.as_deref(), log);
    }
    true
}

/// The bytes of the field of this number.
fn part<'a>(field: &(u32, Value<'a>), number: u32) -> Option<&'a [u8]> {
    match field {
        (n, Value::Bytes(bytes)) if *n == number => Some(bytes),
        _ => None,
    }
}

/// Log `{1 time, 2 contents* {1 key, 2 value}, 4 nanoseconds}`: every field of its type, the time
/// there, and all names text.
fn is_log(log: &[u8]) -> bool {
    let named = |bytes| {
        let mut fields = Fields(bytes);
        matches!(fields.next(), Some(Ok((1, Value::Bytes(name))))
            if !name.is_empty() && std::str::from_utf8(name).is_ok())
            && matches!(fields.next(), Some(Ok((2, Value::Bytes(_)))))
            && fields.next().is_none()
    };
    let fits = |field| match field {
        Ok((1, Value::Varint(_)) | (4, Value::Fixed32(_))) => true,
        Ok((2, Value::Bytes(bytes))) => named(bytes),
        _ => false,
    };
    Fields(log).all(fits) && Fields(log).any(|f| matches!(f, Ok((1, Value::Varint(_)))))
}

fn pair(bytes: &[u8]) -> (String, String) {
    let mut pair = [String::new(), String::new()];
    for field in Fields(bytes).flatten() {
        for (place, text) in pair.iter_mut().enumerate() {
            if let Some(bytes) = part(&field, place as u32 + 1) {
                *text = String::from_utf8_lossy(bytes).into_owned();
            }
        }
    }
    let [name, value] = pair;
    (json::cut(&name, limits::FIELD_PATH / 2).to_owned(), value)
}

fn log_event(report: &mut Report, topic: Option<&str>, log: &[u8]) {
    let mut flat = Flat::default();
    let (mut seconds, mut nanoseconds) = (None, 0);
    for field in Fields(log).take(limits::FIELDS_PER_EVENT) {
        match field {
            Ok((1, Value::Varint(time))) => seconds = i64::try_from(time).ok(),
            Ok((4, Value::Fixed32(part))) => nanoseconds = i64::from(part),
            Ok((2, Value::Bytes(content))) => {
                let (name, value) = pair(content);
                said(&mut flat, &mut report.budget, &name, &value);
            }
            Ok(_) => {}
            Err(code) => flat.problem(code, "log"),
        }
    }
    let ms = seconds.and_then(|s| s.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000));
    report.event(name(topic, &flat), ms.and_then(Time::from_ms), flat);
}
