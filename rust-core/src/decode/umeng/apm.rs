//! The performance monitor (apm): a percent-encoded header that says whose report it is, and records,
//! a JSON object or a form a line, packed and in parts or bare. Never needs the header where a record
//! comes out at the vendor's host.

use super::super::form::{self, Form};
use super::super::json::{self, Flat};
use super::super::report::{Report, moment, text};
use super::super::{Decoded, Input, multipart, unpack};
use super::header::Facts;
use super::keys::{self, Says};
use super::{DECODER, add_ids, is_at_umeng};
use crate::event::{IdKind, Kind, Problem, ProblemCode, Protocol, State, Time};
use crate::limits;
use compact_str::format_compact;
use std::borrow::Cow;

const HEADER: &str = "wpk-header";

/// How its paths begin.
const PATHS: &[&str] = &["/apm_cc", "/perf_upload", "/api/crashsdk/", "/api/v1/crashtrack/"];

/// When a record happened, the most exact first.
const TIMES: &[&str] = &["record.stime", "record.tm", "record.time", "record.ctime", "record.w_tm"];

/// Where a record says of which sort it is.
const SORT: &str = "record.type";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let head = input.request.header(HEADER).map(head).unwrap_or_default();
    let here = is_at_umeng(input);
    let marked = head.get("app").is_some() && (here || head.get("um_sdk_ver").is_some());
    let usual = here && PATHS.iter().any(|path| input.path.starts_with(path));
    if !(marked || usual) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Umeng, DECODER);
    let records = records(input, &mut report);
    if records.is_empty() && !marked {
        return None;
    }
    let sort = head.get("type").unwrap_or_default();
    let step = input.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let step = json::cut(step, limits::FIELD_PATH);
    let sort = if sort.is_empty() { step } else { sort };
    let mut read = input.body.is_empty();
    for record in &records {
        if report.is_full("records") {
            break;
        }
        read |= self::record(&mut report, record, sort);
    }
    if report.count() == 0 {
        report.event(Some(step.to_owned()), None, Flat::default());
    }
    for event in report.events() {
        add_ids(event, keys::RECORD);
    }
    let mut facts = Facts::default();
    for (name, value) in &head.pairs {
        let path = format_compact!("header.{HEADER}.{}", json::cut(name, limits::FIELD_PATH / 2));
        let value = Cow::Borrowed(value.as_str());
        match name.as_str() {
            "uid" => facts.id(&mut report, path, value, Says::Id(IdKind::InstanceId)),
            "os" => facts.fact(&mut report, path, value, Kind::DeviceFact),
            _ => facts.beside(&mut report, path, value, Kind::Other),
        }
    }
    facts.give(&mut report);
    Some(if read { report.read() } else { report.done(State::Undecodable) })
}

fn head(value: &str) -> Form {
    let value = json::cut(value, limits::FIELD_VALUE);
    let encoded = !value.contains('=');
    let clear =
        if encoded { Cow::Owned(form::decode(value.as_bytes())) } else { Cow::Borrowed(value) };
    Form::parse(clear.as_bytes())
}

/// Texts of the records.
fn records(input: &Input<'_>, report: &mut Report) -> Vec<String> {
    let parts = multipart::parts(input.body);
    let mut records = Vec::new();
    if parts.is_empty() && !input.body.is_empty() {
        lines(report, (input.body, "body", !input.cut), &mut records);
    }
    for part in parts {
        let path = format!("form.{}", part.name);
        if !part.whole {
            report.problem(ProblemCode::Truncated, &path);
        }
        lines(report, (part.bytes, &path, part.whole), &mut records);
    }
    records
}

fn lines(report: &mut Report, (bytes, path, whole): (&[u8], &str, bool), into: &mut Vec<String>) {
    let unpacked = unpack::is_gzip(bytes).then(|| unpack::gunzip(bytes));
    let clear = unpacked.as_ref().map_or(bytes, |u| &u.bytes);
    let error = unpacked.as_ref().and_then(|u| u.error);
    if let Some(error) = error {
        report.problem(error.code(), path);
    }
    if !report.budget.work(clear.len()) {
        return report.problem(ProblemCode::TooLarge, path);
    }
    let cut = error.is_some() || !whole;
    let (text, broken) = text(clear, cut);
    if broken.is_some() {
        // No text: closed, or of another form.
        return report.problem(ProblemCode::Unsupported, path);
    }
    if json::is_value(&text) && text.starts_with(['{', '[']) {
        let items = json::items(&text, limits::EVENTS_PER_REQUEST);
        match text.starts_with('[') {
            true => into.extend(items.items.into_iter().map(str::to_owned)),
            false => into.push(text),
        }
        return;
    }
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if into.len() == limits::EVENTS_PER_REQUEST {
            return report.problem(ProblemCode::TooLarge, path);
        }
        if line.starts_with('{') || Form::of_body(line.as_bytes()).pairs.len() > 1 {
            into.push(line.to_owned());
        } else {
            report.problem(ProblemCode::Malformed, path);
        }
    }
}

/// Adds one record; whether it was one.
fn record(report: &mut Report, text: &str, sort: &str) -> bool {
    let mut flat = Flat::default();
    if text.starts_with(['{', '[']) {
        flat.add_text(&mut report.budget, "record", "record", text);
    } else {
        for (name, value) in Form::of_body(text.as_bytes()).pairs {
            let path = format!("record.{}", json::cut(&name, limits::FIELD_PATH / 2));
            flat.put(&mut report.budget, &path, &name, value, true);
        }
    }
    let value = |path: &&str| flat.leaves.iter().find(|leaf| leaf.path == **path);
    let name = value(&SORT).map_or(sort, |leaf| leaf.value.as_str()).to_owned();
    let time: Option<Time> = TIMES.iter().filter_map(value).find_map(|leaf| moment(&leaf.value));
    let broken = |p: &Problem| p.code == ProblemCode::Malformed && p.path == "record";
    let sound = !flat.problems.iter().any(broken);
    report.event(Some(name), time, flat);
    sound
}
