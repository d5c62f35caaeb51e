//! The collection of identifiers (asms), sent apart from the analytics: clear JSON up to 1.4, closed
//! since. Never opens what is closed.

use super::super::json::{Flat, Tape};
use super::super::report::{Report, is_json, text};
use super::super::{Decoded, Input};
use super::header::Facts;
use super::{DECODER, is_at_umeng, keys};
use crate::event::{ProblemCode, Protocol, State};

/// The step of the path that tells; a version may follow it.
const STEP: &str = "postZdata";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    if input.body.is_empty() || !input.path.split('/').any(|step| step == STEP) {
        return None;
    }
    if is_json(input.body) { clear(input) } else { closed(input) }
}

/// An object with names of the header.
fn clear(input: &Input<'_>) -> Option<Decoded> {
    let (text, broken) = text(input.body, input.cut);
    let tape = Tape::new(&text);
    let known = tape.within(0).filter(|(_, node)| keys::find(&node.name).is_some()).count();
    if !text.starts_with('{') || known < 2 && !is_at_umeng(input) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Umeng, DECODER);
    if let Some(code) = broken {
        report.problem(code, "");
    }
    if !report.budget.work(text.len()) {
        report.problem(ProblemCode::TooLarge, "");
        return Some(report.read());
    }
    let mut facts = Facts::default();
    facts.read(&mut report, "", &tape, 0);
    if tape.within(0).next().is_none() {
        return Some(report.read());
    }
    report.event(Some(STEP.to_owned()), None, Flat::default());
    facts.give(&mut report);
    let malformed = broken.is_some() || tape.problem == Some(ProblemCode::Malformed);
    Some(if malformed { report.done(State::Undecodable) } else { report.read() })
}

/// Octets that are no text, at the vendor's host.
fn closed(input: &Input<'_>) -> Option<Decoded> {
    let octets = input
        .request
        .header("content-type")
        .is_some_and(|t| t.starts_with("application/octet-stream"));
    let binary = std::str::from_utf8(input.body).is_err_and(|e| e.error_len().is_some());
    if !(octets || binary) || !is_at_umeng(input) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Umeng, DECODER);
    let mut flat = Flat::default();
    flat.problem(ProblemCode::Encrypted, "body");
    let size = input.body.len().to_string();
    flat.put(&mut report.budget, "body.size", "size", size, false);
    report.event(Some(STEP.to_owned()), None, flat);
    Some(report.done(State::Encrypted))
}
