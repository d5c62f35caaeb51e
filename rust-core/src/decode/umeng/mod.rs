//! Umeng: a Thrift envelope around deflated JSON, which may be closed under a key that the envelope
//! itself carries. Never needs a path; a header beside it names app, model and system.
//!
//! Evidence: the rules were checked on bodies of the vendor's SDK 9.8.9, of which none is at hand to
//! show; the vectors are synthetic.

use super::cipher::{self, Block};
use super::form;
use super::json::{self, Flat, Leaf};
use super::report::{Report, headers, hex, is_json, leaf, text};
use super::thrift::Struct;
use super::{Decoded, Input, is_package, unpack};
use crate::event::{Check, ProblemCode, Protocol, State, Time};
use crate::limits;
use md5::{Digest as _, Md5};

const DECODER: &str = "umeng/1";

const IV: Block = [10, 1, 11, 5, 4, 15, 7, 9, 23, 3, 1, 6, 8, 12, 13, 91];

const VERSION: i16 = 1;
const APP_KEY: i16 = 2;
const SIGNATURE: i16 = 3;
const SERIAL: i16 = 4;
const SECONDS: i16 = 5;
const LENGTH: i16 = 6;
const ENTITY: i16 = 7;
const GUID: i16 = 8;
const CHECKSUM: i16 = 9;
const CODEX: i16 = 10;

/// Headers that are shown; the first one is taken apart as well.
const HEADERS: &[&str] = &["X-Umeng-Sdk", "X-Umeng-UTC", "Msg-Type"];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let envelope = Struct::parse(input.body);
    let beside = headers(input, HEADERS);
    let named = beside.iter().any(|l| l.key().starts_with("X-Umeng"));
    if !(is_envelope(&envelope) || named && !input.body.is_empty()) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Umeng, DECODER);
    let sdk = input.request.header("X-Umeng-Sdk").map(sdk).unwrap_or_default();
    let app = sdk.iter().find(|l| l.key() == "app_name").map(|l| l.value.to_string());
    report.beside(beside);
    report.beside(sdk);
    report.beside(members(&envelope));
    if let Some(code) = envelope.problem {
        report.problem(code, "envelope");
    }
    checksum(&mut report, &envelope);
    let seconds = envelope.int(SECONDS).and_then(|s| s.checked_mul(1000)).and_then(Time::from_ms);
    match envelope.bytes(ENTITY) {
        Some(entity) => contents(&mut report, &envelope, entity, seconds),
        None => report.problem(ProblemCode::Truncated, "envelope.entity"),
    }
    if report.count() == 0 && named {
        // The headers tell something even where the body does not.
        report.event(None, seconds, Flat::default());
        return Some(report.done(State::Undecodable));
    }
    let app = app.filter(|name| is_package(name));
    let app = report.events().first().and_then(|e| e.app_hint.clone()).or(app);
    for event in report.events() {
        event.app_hint = event.app_hint.take().or_else(|| app.clone());
    }
    Some(report.read())
}

/// The first fields have their types, and the signature is hex.
fn is_envelope(envelope: &Struct<'_>) -> bool {
    let signed = envelope.text(SIGNATURE).is_some_and(|s| {
        s.len() >= 8 && s.len() <= 512 && s.bytes().all(|b| b.is_ascii_hexdigit())
    });
    let ids: Vec<i16> = envelope.fields.iter().map(|(id, _)| *id).collect();
    signed
        && ids.starts_with(&[VERSION, APP_KEY, SIGNATURE, SERIAL, SECONDS, LENGTH])
        && envelope.text(APP_KEY).is_some()
        && [SERIAL, SECONDS, LENGTH].iter().all(|id| envelope.int(*id).is_some())
}

/// Fields of the envelope, apart from the payload, below `envelope`. They count the upload, not the
/// phone, so that their names (`serial`) would mislead.
fn members(envelope: &Struct<'_>) -> Vec<Leaf> {
    let texts = [
        (VERSION, "version"),
        (APP_KEY, "app_key"),
        (SIGNATURE, "signature"),
        (GUID, "guid"),
        (CHECKSUM, "checksum"),
    ];
    let ints = [(SERIAL, "serial"), (SECONDS, "seconds"), (LENGTH, "length"), (CODEX, "codex")];
    let texts = texts.into_iter().filter_map(|(id, name)| {
        let value = envelope.text(id)?;
        Some(leaf(&format!("envelope.{name}"), "", json::cut(value, limits::FIELD_PATH)))
    });
    let ints = ints.into_iter().filter_map(|(id, name)| {
        let value = envelope.int(id)?.to_string();
        Some(Leaf::new(format!("envelope.{name}"), "", value, false))
    });
    texts.chain(ints).collect()
}

/// `a/<sdk version> <app version>/<system>/<app>/<model>/<system version> …`, below `sdk`. The whole
/// may be percent-encoded, or each piece.
fn sdk(value: &str) -> Vec<Leaf> {
    let value = json::cut(value, limits::FIELD_VALUE);
    let whole = if value.contains('/') { value.to_owned() } else { form::decode(value.as_bytes()) };
    let mut pieces = whole.splitn(6, '/').skip(1).map(|piece| {
        if whole == value && piece.contains('%') {
            form::decode(piece.as_bytes())
        } else {
            piece.to_owned()
        }
    });
    let versions = pieces.next().unwrap_or_default();
    let (sdk, app) = versions.split_once(' ').unwrap_or((&versions, ""));
    let mut leaves =
        vec![leaf("sdk.version", "sdk_version", sdk), leaf("sdk.app_version", "app_version", app)];
    let names = [("sdk.os", "os"), ("sdk.app_name", "app_name"), ("sdk.model", "model")];
    for ((path, key), piece) in names.into_iter().zip(pieces.by_ref()) {
        leaves.push(leaf(path, key, &piece));
    }
    if let Some(rest) = pieces.next() {
        let version = rest.split(' ').next().unwrap_or_default();
        leaves.push(leaf("sdk.os_version", "os_version", version));
    }
    leaves.retain(|l| !l.value.is_empty());
    leaves
}

/// MD5 over the envelope's own fields, as text.
fn checksum(report: &mut Report, envelope: &Struct<'_>) {
    let Some(declared) = envelope.text(CHECKSUM) else {
        if envelope.problem.is_none() {
            report.check("checksum", Check::Absent);
        }
        return;
    };
    let int = |id| envelope.int(id).map(|i| i.to_string()).unwrap_or_default();
    let text = |id| envelope.text(id).unwrap_or_default();
    let input = [text(SIGNATURE), &int(SERIAL), &int(SECONDS), &int(LENGTH), text(GUID)].concat();
    let digest = Md5::digest(input.as_bytes());
    let digest = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let fits = digest.eq_ignore_ascii_case(declared);
    report.check("checksum", if fits { Check::Ok } else { Check::Mismatch });
}

fn contents(report: &mut Report, envelope: &Struct<'_>, entity: &[u8], time: Option<Time>) {
    const PATH: &str = "envelope.entity";
    let key = || Some(*hex(envelope.text(SIGNATURE)?).0.get(1..)?.first_chunk::<16>()?);
    let mut closed = None;
    match (envelope.int(CODEX), key()) {
        (Some(1), Some(key)) => closed = Some(cipher::decrypt(&key, Some(&IV), entity)),
        (Some(1), None) => return report.problem(ProblemCode::Malformed, "envelope.signature"),
        (Some(0) | None, _) => {}
        (Some(_), _) => report.problem(ProblemCode::Unsupported, "envelope.codex"),
    }
    let clear = closed.as_ref().map_or(entity, |c| &c.bytes);
    let unpacked = if is_json(clear) { None } else { Some(unpack::inflate(clear)) };
    let bytes = unpacked.as_ref().map_or(clear, |u| &u.bytes);
    let error = closed.as_ref().and_then(|c| c.error).or(unpacked.as_ref().and_then(|u| u.error));
    if error.is_none() {
        let fits = envelope.int(LENGTH) == i64::try_from(bytes.len()).ok();
        report.check("size", if fits { Check::Ok } else { Check::Mismatch });
    }
    let (text, broken) = text(bytes, error.is_some());
    if let Some(code) = error.map(|e| e.code()).or(broken) {
        report.problem(code, PATH);
    }
    if !text.starts_with('{') {
        if error.is_none() {
            report.problem(ProblemCode::Malformed, PATH);
        }
        return;
    }
    sections(report, &text, time);
}

/// One event for each member beside `header`, which belongs to the first of them.
fn sections(report: &mut Report, text: &str, time: Option<Time>) {
    let members = json::object(text, limits::FIELDS_PER_EVENT);
    let mut head = Flat::default();
    for (_, value) in members.items.iter().filter(|(name, _)| name == "header") {
        head.add_text(&mut report.budget, "entity.header", "header", value);
    }
    if let Some(code) = members.problem {
        head.problem(code, "entity");
    }
    for (name, value) in members.items.iter().filter(|(name, _)| name != "header") {
        let mut flat = std::mem::take(&mut head);
        flat.add_text(&mut report.budget, &format!("entity.{name}"), name, value);
        report.event(Some(name.to_string()), time, flat);
    }
    if report.count() == 0 {
        report.event(None, time, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Vec<(String, String)> {
        sdk(value).iter().map(|l| (l.path.to_string(), l.value.to_string())).collect()
    }

    #[test]
    fn the_header_names_app_model_and_system() {
        let expected = [
            ("sdk.version", "9.8.9"),
            ("sdk.app_version", "1.2"),
            ("sdk.os", "Android"),
            ("sdk.app_name", "com.example.app"),
            ("sdk.model", "Redmi Note 8"),
            ("sdk.os_version", "11"),
        ]
        .map(|(path, value)| (path.to_owned(), value.to_owned()));
        assert_eq!(shown("a/9.8.9 1.2/Android/com.example.app/Redmi Note 8/11 3F2A"), expected);
        assert_eq!(shown("a/9.8.9 1.2/Android/com.example.app/Redmi%20Note%208/11"), expected);
        assert_eq!(
            shown("a%2F9.8.9+1.2%2FAndroid%2Fcom.example.app%2FRedmi+Note+8%2F11+x"),
            expected
        );
        assert_eq!(shown(""), []);
        assert_eq!(shown("a/9"), [("sdk.version".to_owned(), "9".to_owned())]);
    }
}
