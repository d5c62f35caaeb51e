//! The old analytics of MIUI: a parameter `value` that holds JSON in URL-safe base64, packed by gzip
//! or not. Never needs the signature, whose making is not known.
//!
//! Evidence: read in a description; the vectors are synthetic.

use super::form::Form;
use super::json;
use super::onetrack_plain::event;
use super::report::{Report, headers, pairs, text};
use super::{Decoded, Input, unpack};
use crate::event::{Check, ProblemCode, Protocol};
use crate::limits;

const DECODER: &str = "miui-analytics/3";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let forms = [("form", &input.form), ("query", &input.query)];
    forms.into_iter().find_map(|(place, form)| carried(input, place, form))
}

fn carried(input: &Input<'_>, place: &str, form: &Form) -> Option<Decoded> {
    let value = form.get("value")?;
    let packed = unpack::base64(value);
    let mut error = packed.error;
    let bytes = match unpack::by_magic(&packed.bytes) {
        Some(unpacked) => {
            error = error.or(unpacked.error);
            unpacked.bytes
        }
        None => packed.bytes,
    };
    let (text, broken) = text(&bytes, input.cut || error.is_some());
    let members = json::object(&text, limits::FIELDS_PER_EVENT);
    let get = |name: &str| members.items.iter().find(|(n, _)| n == name).map(|(_, text)| *text);
    let shaped = get("H").is_some_and(|h| h.starts_with('{'));
    let has = |name| form.get(name).is_some() || input.query.get(name).is_some();
    let signed = has("sign") && has("ts") && has("nonce");
    let body = || get("B").is_some_and(|b| b.starts_with(['{', '[']));
    if !(shaped && (body() || signed || error.is_some())) {
        return None;
    }
    let path = format!("{place}.value");
    let mut report = Report::new(input, Protocol::MiuiAnalytics, DECODER);
    if !has("sign") && !input.cut {
        report.check("sign", Check::Absent);
    }
    if let Some(code) = error.map(|e| e.code()).or(broken).or(members.problem) {
        report.problem(code, &path);
    }
    report.beside(common(get("H")));
    report.beside(pairs("query", &input.query, &["value"]));
    if place == "form" {
        report.beside(pairs("form", &input.form, &["value"]));
    }
    report.beside(headers(input, &["gzip"]));
    items(&mut report, get("B"));
    Some(report.read())
}

/// The head that all events share, as leaves below `common`.
fn common(head: Option<&str>) -> Vec<json::Leaf> {
    let mut flat = json::Flat::default();
    if let Some(head) = head {
        flat.add_text(&mut json::Budget::default(), "common", "", head);
    }
    flat.leaves
}

fn items(report: &mut Report, body: Option<&str>) {
    let Some(body) = body else {
        // The common head alone tells something too.
        return report.event(None, None, json::Flat::default());
    };
    let single = || json::Parts { items: vec![body], problem: None };
    let listed = body.starts_with('[');
    let parts = if listed { json::list(body, limits::EVENTS_PER_REQUEST) } else { single() };
    for (place, item) in parts.items.iter().enumerate() {
        if item.starts_with('{') {
            event(report, item);
        } else {
            report.problem(ProblemCode::Malformed, &format!("B.{place}"));
        }
    }
    if let Some(code) = parts.problem {
        report.problem(code, "B");
    }
}
