//! OneTrack for Android: uploads that are closed under a key which the app and the server hold.
//! Never opens them; the headers beside the body tell the sending app, the time and the network.
//!
//! Evidence: read in a description; the vectors are synthetic.

use super::json::Flat;
use super::report::{Report, headers, is_open, moment, pairs};
use super::{Decoded, Input, is_package, unpack};
use crate::event::{ProblemCode, Protocol, State};

const DECODER: &str = "onetrack/2";

/// Headers of an upload.
const HEADERS: &[&str] = &["OT_SID", "OT_ts", "OT_net", "OT_sender", "OT_protocol"];

/// Sizes of what RSA with the usual moduli gives, bytes.
const RSA: &[usize] = &[128, 256, 384, 512];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    key_exchange(input).or_else(|| upload(input))
}

/// Two of the headers, one of which names the session or the sender; one suffices on the usual path.
fn upload(input: &Input<'_>) -> Option<Decoded> {
    let beside = headers(input, HEADERS);
    let has = |name| beside.iter().any(|l| l.key() == name);
    let usual = input.path.trim_end_matches('/').ends_with("/track/v4");
    let marked = beside.len() >= 2 || usual;
    let closed = !input.body.is_empty() && !is_open(input.body);
    if !(marked && (has("OT_SID") || has("OT_sender")) && closed) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Onetrack, DECODER);
    let mut flat = Flat::default();
    flat.problem(ProblemCode::Encrypted, "body");
    if !input.cut && !input.body.len().is_multiple_of(16) {
        flat.problem(ProblemCode::Malformed, "body");
    }
    let size = input.request.body_size.to_string();
    flat.put(&mut report.budget, "body.size", "size", size, false);
    let value = |name: &str| input.request.header(name);
    let time = value("OT_ts").and_then(moment);
    let sender = value("OT_sender").map(str::trim).filter(|s| is_package(s)).map(str::to_owned);
    report.beside(beside);
    report.event(None, time, flat);
    for event in report.events() {
        event.app_hint = event.app_hint.take().or_else(|| sender.clone());
    }
    Some(report.done(State::Encrypted))
}

/// The form that carries a key of the phone to the server, wrapped by RSA.
fn key_exchange(input: &Input<'_>) -> Option<Decoded> {
    let packed = unpack::base64(input.form.get("secretKey")?);
    if !RSA.contains(&packed.bytes.len()) || packed.error.is_some() || is_open(&packed.bytes) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Onetrack, DECODER);
    let mut flat = Flat::default();
    flat.problem(ProblemCode::Encrypted, "form.secretKey");
    let size = packed.bytes.len().to_string();
    flat.put(&mut report.budget, "form.secretKey.size", "size", size, false);
    report.beside(pairs("form", &input.form, &["secretKey"]));
    report.beside(pairs("query", &input.query, &[]));
    report.beside(headers(input, HEADERS));
    report.event(Some("key_get".to_owned()), None, flat);
    Some(report.done(State::Encrypted))
}
