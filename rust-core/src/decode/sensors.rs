//! Sensors Analytics: forms that carry JSON events in base64, mostly packed by gzip. Never needs
//! the checksum, a path or a Content-Type, and never opens what is encrypted.
//!
//! Evidence: bodies recorded from three of the vendor's SDKs (`tests/data/sensors`); the encrypted
//! forms are synthetic.

use super::form::Form;
use super::json::{self, Budget, Flat, Leaf};
use super::unpack::{self, UnpackError};
use super::{Decoded, DecodedEvent, Input, app_hint, fields, problem};
use crate::event::{Check, Problem, ProblemCode, Protocol, State, Time};
use crate::limits;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const DECODER: &str = "sensors/1";

/// Every `type` of an event.
const TYPES: &[&str] = &[
    "track",
    "track_signup",
    "track_id_bind",
    "track_id_unbind",
    "profile_set",
    "profile_set_once",
    "profile_unset",
    "profile_increment",
    "profile_append",
    "profile_delete",
    "item_set",
    "item_delete",
];

/// Parameters that carry or describe the payload; the others are shown as fields.
const CARRIERS: &[&str] = &["data_list", "data", "gzip", "crc", "ext"];

/// A parameter that may hold events.
struct Carrier<'a> {
    name: &'static str,
    text: &'a str,
    form: &'a Form,
}

/// What a carrier was found to hold.
#[derive(Default)]
struct Contents {
    events: Vec<DecodedEvent>,
    problems: Vec<Problem>,
    /// Events that are closed under a key.
    encrypted: usize,
    /// Events that look like ones of this format.
    shaped: usize,
    /// Whether there was JSON at all.
    json: bool,
}

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    if is_probe(input) {
        let event = DecodedEvent { event: Some("debug-probe".to_owned()), ..Default::default() };
        return Some(decoded(State::Decoded, Check::Absent, Vec::new(), vec![event]));
    }
    let forms = [&input.form, &input.query];
    let carriers = forms.into_iter().flat_map(|form| {
        ["data_list", "data"]
            .into_iter()
            .filter_map(move |name| Some(Carrier { name, text: form.get(name)?, form }))
    });
    carriers.into_iter().find_map(|carrier| carrier.decode(input))
}

/// A GET of `/debug`: asks a server whether it is a collector.
fn is_probe(input: &Input<'_>) -> bool {
    matches!(input.request.method.as_str(), "GET" | "HEAD")
        && last_step(input.path) == "debug"
        && input.request.body.is_empty()
        && input.query.get("data").is_none()
        && input.query.get("data_list").is_none()
}

fn last_step(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn decoded(state: State, crc: Check, problems: Vec<Problem>, events: Vec<DecodedEvent>) -> Decoded {
    Decoded {
        state,
        protocol: Protocol::Sensors,
        decoder: DECODER,
        checks: BTreeMap::from([("crc".to_owned(), crc)]),
        problems,
        events,
    }
}

impl Carrier<'_> {
    fn decode(&self, input: &Input<'_>) -> Option<Decoded> {
        let crc = self.crc();
        let mut contents = self.contents(input);
        if contents.shaped == 0 && !(crc == Check::Ok || self.is_marked(input.path)) {
            return None;
        }
        let mut problems = input.problems.clone();
        if self.form.more {
            problems.push(problem(ProblemCode::TooLarge, ""));
        }
        if crc == Check::Mismatch && !input.cut {
            problems.push(problem(ProblemCode::CheckFailed, "crc"));
        }
        let state = self.state(&mut contents);
        problems.append(&mut contents.problems);
        let mut decoded = decoded(state, crc, problems, contents.events);
        // Missing bytes explain a mismatch; it would say nothing about the sender.
        if input.cut && crc == Check::Mismatch {
            decoded.checks.clear();
        }
        Some(decoded)
    }

    /// Whether the parameters around the payload are this format's, whatever it holds.
    fn is_marked(&self, path: &str) -> bool {
        matches!(self.gzip(), Some("0" | "1" | "9" | "13"))
            || self.declared_crc().is_some_and(|crc| crc.parse::<i64>().is_ok())
            || matches!(last_step(path), "sa" | "sa.gif")
    }

    fn gzip(&self) -> Option<&str> {
        self.form.get("gzip").map(str::trim)
    }

    /// `crc=…`, or `ext=crc%3D…` as browsers send it.
    fn declared_crc(&self) -> Option<&str> {
        let ext = self.form.get("ext").and_then(|e| e.trim().strip_prefix("crc="));
        self.form.get("crc").or(ext).map(str::trim)
    }

    fn crc(&self) -> Check {
        let Some(declared) = self.declared_crc() else { return Check::Absent };
        let declared: Option<i32> = declared.parse().ok();
        let fits = |text: &str| declared == Some(java_hash(text));
        // An unescaped `+` became a space on the way here, but not for the sender.
        if fits(self.text) || fits(self.text.trim_end()) || fits(&self.text.replace(' ', "+")) {
            Check::Ok
        } else {
            Check::Mismatch
        }
    }

    fn state(&self, contents: &mut Contents) -> State {
        let count = contents.events.len();
        if count > 0 && contents.encrypted == count {
            State::Encrypted
        } else if count > 0 || (contents.json && contents.problems.is_empty()) {
            State::Decoded
        } else if matches!(self.gzip(), Some("9" | "13"))
            && !contents.problems.iter().any(|p| p.code == ProblemCode::TooLarge)
        {
            contents.problems = vec![problem(ProblemCode::Encrypted, self.name)];
            State::Encrypted
        } else {
            State::Undecodable
        }
    }

    /// Undoes the packing. The bytes decide which one it is, not the `gzip` parameter.
    fn contents(&self, input: &Input<'_>) -> Contents {
        let mut contents = Contents::default();
        let text = self.text.trim();
        let mut error = None;
        let bytes = if is_json(text.as_bytes()) {
            text.as_bytes().into()
        } else {
            let unpacked = unpack::base64(text);
            error = unpacked.error;
            if unpack::is_gzip(&unpacked.bytes) {
                let unzipped = unpack::gunzip(&unpacked.bytes);
                error = error.or(unzipped.error);
                unzipped.bytes
            } else {
                unpacked.bytes
            }
        };
        let code = error.map(UnpackError::code);
        if is_json(&bytes) {
            let (json, broken) = match String::from_utf8_lossy(&bytes) {
                std::borrow::Cow::Borrowed(whole) => (whole.to_owned(), false),
                std::borrow::Cow::Owned(replaced) => (replaced, true),
            };
            let code = code.or(broken.then_some(ProblemCode::Malformed));
            contents.problems.extend(code.map(|c| problem(c, self.name)));
            contents.json = true;
            self.read(input, json.trim_start_matches('\u{feff}').trim(), &mut contents);
        } else {
            let code = code.unwrap_or(match self.gzip() {
                None | Some("0" | "1" | "9" | "13") => ProblemCode::Malformed,
                Some(_) => ProblemCode::Unsupported,
            });
            contents.problems.push(problem(code, self.name));
        }
        contents
    }

    /// Reads one event or a list of them.
    fn read(&self, input: &Input<'_>, text: &str, contents: &mut Contents) {
        let mut budget = Budget::default();
        let extras = self.extras(input);
        if !text.starts_with('[') {
            return contents.event(text, self.name, &extras, &mut budget);
        }
        let parts = json::items(text, limits::EVENTS_PER_REQUEST);
        let count = parts.items.len();
        let mut rest = text.get(1..).unwrap_or_default();
        for (place, item) in parts.items.into_iter().enumerate() {
            contents.event(item.get(), &format!("{}.{place}", self.name), &extras, &mut budget);
            rest = after(text, item);
        }
        match parts.problem {
            // The event that broke off may have said something before.
            Some(ProblemCode::Truncated | ProblemCode::Malformed)
                if rest.trim_start_matches(BETWEEN).starts_with('{') =>
            {
                let rest = rest.trim_start_matches(BETWEEN);
                contents.event(rest, &format!("{}.{count}", self.name), &extras, &mut budget);
            }
            Some(code) => contents.problem(code, self.name),
            None => {}
        }
    }

    /// What the request says beside the payload.
    fn extras(&self, input: &Input<'_>) -> Vec<Leaf> {
        let mut extras = Vec::new();
        for (place, form) in [("query", &input.query), ("form", &input.form)] {
            // A body is only a form where it carries the payload as one.
            if place == "form" && !std::ptr::eq(self.form, form) {
                continue;
            }
            for (name, value) in &form.pairs {
                if !name.is_empty() && !CARRIERS.contains(&name.as_str()) {
                    let key = json::cut(name, limits::FIELD_PATH / 2).to_owned();
                    let path = format!("{place}.{key}");
                    extras.push(Leaf { path, key, value: value.clone(), text: true });
                }
            }
        }
        if let Some(value) = input.request.header("dry-run") {
            let key = "Dry-Run".to_owned();
            extras.push(Leaf {
                path: "header.Dry-Run".into(),
                key,
                value: value.into(),
                text: true,
            });
        }
        extras
    }
}

const BETWEEN: [char; 5] = [',', ' ', '\t', '\r', '\n'];

/// The text behind an item that lies within it.
fn after<'a>(text: &'a str, item: &RawValue) -> &'a str {
    let end = (item.get().as_ptr().addr() + item.get().len()).wrapping_sub(text.as_ptr().addr());
    text.get(end..).unwrap_or_default()
}

fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Java's `String.hashCode`: over UTF-16 code units, in wrapping signed 32-bit arithmetic.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

impl Contents {
    fn problem(&mut self, code: ProblemCode, path: &str) {
        self.problems.push(problem(code, path));
    }

    /// Reads the object at the start of `text`; `place` names it in the request's problems.
    fn event(&mut self, text: &str, place: &str, extras: &[Leaf], budget: &mut Budget) {
        let object = json::members(text, limits::FIELDS_PER_EVENT);
        if object.items.is_empty() {
            let empty = object.problem.unwrap_or(ProblemCode::Malformed);
            return self.problem(empty, place);
        }
        let members = Members(&object.items);
        let mut flat = Flat::default();
        if let Some(code) = object.problem {
            flat.problems.push(problem(code, ""));
        }
        self.shaped += usize::from(members.is_event() || members.is_encrypted());
        let event = if members.is_encrypted() {
            self.encrypted += 1;
            members.encrypted(flat, extras, budget)
        } else {
            members.event(flat, extras, budget)
        };
        self.events.push(event);
    }
}

/// The members of one event.
struct Members<'a>(&'a [(String, &'a RawValue)]);

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, raw)| *raw)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(json::string)
    }

    fn is_event(&self) -> bool {
        let has = |name| self.get(name).is_some();
        let known = self.text("type").is_some_and(|t| TYPES.contains(&t.as_str()));
        let anchored = has("distinct_id") || has("item_id") || has("lib") || has("properties");
        known && anchored || has("distinct_id") && has("lib")
    }

    fn is_encrypted(&self) -> bool {
        self.get("ekey").is_some() && self.get("type").is_none()
    }

    fn event(&self, mut flat: Flat, extras: &[Leaf], budget: &mut Budget) -> DecodedEvent {
        let kind = self.text("type").unwrap_or_default();
        if kind.is_empty() {
            flat.problems.push(problem(ProblemCode::Malformed, "type"));
        } else if !TYPES.contains(&kind.as_str()) {
            flat.problems.push(problem(ProblemCode::Unsupported, "type"));
        }
        let event_time = self.time("time", &mut flat);
        let own = self.text("event").filter(|_| kind.is_empty() || kind == "track");
        let name = own.or(Some(kind).filter(|k| !k.is_empty()));
        let name = name.map(|n| json::cut(&n, limits::FIELD_PATH).to_owned());
        for (key, raw) in self.0 {
            flat.add(budget, key, key, raw);
        }
        finish(name, event_time, flat, extras, budget)
    }

    /// Milliseconds since 1970, as a number or as its digits in quotes.
    fn time(&self, name: &str, flat: &mut Flat) -> Option<Time> {
        let raw = self.get(name)?;
        let digits = json::string(raw).unwrap_or_else(|| raw.get().to_owned());
        let time = digits.parse().ok().and_then(Time::from_ms);
        if time.is_none() {
            flat.problems.push(problem(ProblemCode::Malformed, name));
        }
        time
    }

    /// Key, key version and sizes are all that can be seen.
    fn encrypted(&self, mut flat: Flat, extras: &[Leaf], budget: &mut Budget) -> DecodedEvent {
        let event_time = self.time("flush_time", &mut flat);
        for (key, raw) in self.0 {
            if !matches!(key.as_str(), "payloads" | "payload") {
                flat.add(budget, key, key, raw);
                continue;
            }
            flat.problems.push(problem(ProblemCode::Encrypted, key));
            let single = || json::Parts { items: vec![*raw], problem: None };
            let list = raw.get().starts_with('[');
            let parts =
                if list { json::items(raw.get(), limits::FIELDS_PER_EVENT) } else { single() };
            for (place, item) in parts.items.iter().enumerate() {
                let path = if list { format!("{key}.{place}") } else { key.clone() };
                let packed = json::string(item).map(|text| unpack::base64(&text));
                match packed {
                    Some(packed) if packed.error.is_none() => {
                        let size = packed.bytes.len().to_string();
                        flat.put(budget, &format!("{path}.size"), "size", size, false);
                    }
                    _ => flat.problems.push(problem(ProblemCode::Malformed, path)),
                }
            }
            if let Some(code) = parts.problem {
                flat.problems.push(problem(code, key));
            }
        }
        finish(None, event_time, flat, extras, budget)
    }
}

fn finish(
    event: Option<String>,
    event_time: Option<Time>,
    mut flat: Flat,
    extras: &[Leaf],
    budget: &mut Budget,
) -> DecodedEvent {
    for extra in extras {
        flat.put(budget, &extra.path, &extra.key, extra.value.clone(), extra.text);
    }
    let app_hint = app_hint(&flat.leaves);
    let name = event.as_deref().unwrap_or_default();
    let (fields, ids) = fields(Protocol::Sensors, name, flat.leaves);
    DecodedEvent { event, event_time, app_hint, fields, ids, problems: flat.problems }
}
