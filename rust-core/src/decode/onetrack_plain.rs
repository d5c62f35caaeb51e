//! OneTrack in clear: a JSON list of events, each with a head `H` and a body `B`. Never needs the
//! path or a Content-Type.
//!
//! Evidence: read in a description; the vectors are synthetic.

use super::json::{self, Flat};
use super::report::{Report, is_json, json_moment, text};
use super::{Decoded, Input, unpack};
use crate::event::{ProblemCode, Protocol};
use crate::limits;
use std::borrow::Cow;

const DECODER: &str = "onetrack-plain/3";

/// Members of `H`, of which one must be there.
const HEAD: &[&str] = &["event", "app_id", "instance_id", "e_ts"];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let unpacked = unpack::by_magic(input.body);
    let bytes = unpacked.as_ref().map_or(input.body, |u| &u.bytes);
    if !is_json(bytes) {
        return None;
    }
    let (text, broken) = text(bytes, input.cut);
    let single = || json::Parts { items: vec![text.as_str()], problem: None };
    let listed = text.starts_with('[');
    let parts = if listed { json::list(&text, limits::EVENTS_PER_REQUEST) } else { single() };
    if !parts.items.iter().any(|item| is_event(item)) {
        return None;
    }
    let mut report = Report::new(input, Protocol::OnetrackPlain, DECODER);
    let error = unpacked.as_ref().and_then(|u| u.error);
    for code in error.map(|e| e.code()).into_iter().chain(parts.problem) {
        report.problem(code, "");
    }
    // The text was read, apart from a letter somewhere.
    if let Some(code) = broken {
        report.problem(code, "body");
    }
    for (place, item) in parts.items.iter().enumerate() {
        if item.starts_with('{') {
            event(&mut report, item);
        } else {
            report.problem(ProblemCode::Malformed, &place.to_string());
        }
    }
    Some(report.read())
}

/// Whether an object has both halves, or what is there of them, and the head is this format's.
pub(super) fn is_event(item: &str) -> bool {
    let members = json::object(item, limits::FIELDS_PER_EVENT);
    let get = |name: &str| members.items.iter().find(|(n, _)| n == name).map(|(_, text)| *text);
    let Some(head) = get("H") else { return false };
    let body = get("B").is_some_and(|b| b.starts_with('{')) || members.problem.is_some();
    let head = json::object(head, limits::FIELDS_PER_EVENT);
    body && head.items.iter().any(|(name, _)| HEAD.contains(&&**name))
}

/// Adds the event that is `item`; also used where a format wraps such events.
pub(super) fn event(report: &mut Report, item: &str) {
    event_with(report, item, Flat::default());
}

/// As [`event`], behind what is known of it already.
pub(super) fn event_with(report: &mut Report, item: &str, mut flat: Flat) {
    let members = json::object(item, limits::FIELDS_PER_EVENT);
    if let Some(code) = members.problem {
        flat.problem(code, "");
    }
    let (mut name, mut time) = (None, None);
    for (key, text) in &members.items {
        if key == "H" {
            let head = json::object(text, limits::FIELDS_PER_EVENT);
            let get = |name: &str| head.items.iter().find(|(n, _)| n == name).map(|(_, t)| *t);
            name = get("event").and_then(json::unquote).map(Cow::into_owned);
            time = get("e_ts").map(|text| (text, json_moment(text)));
        }
        flat.add_text(&mut report.budget, key, key, text);
    }
    if time.is_some_and(|(_, time)| time.is_none()) {
        flat.problem(ProblemCode::Malformed, "H.e_ts");
    }
    report.event(name, time.and_then(|(_, time)| time), flat);
}
