//! MiStat's crash reports: a form in clear, with the stack trace. Never needs the path.
//!
//! Evidence: read in a description; the vectors are synthetic.

use super::json::Flat;
use super::report::{Report, pairs};
use super::{Decoded, Input};
use crate::event::Protocol;

const DECODER: &str = "mistat-crash/1";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let has = |start: &str| input.form.pairs.iter().any(|(name, _)| name.starts_with(start));
    if !(has("crash_exception_type") || has("crash_callstack")) || !has("device_") {
        return None;
    }
    let mut report = Report::new(input, Protocol::MistatCrash, DECODER);
    report.beside(pairs("form", &input.form, &[]));
    report.beside(pairs("query", &input.query, &[]));
    report.event(Some("crash".to_owned()), None, Flat::default());
    Some(report.read())
}
