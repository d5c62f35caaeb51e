//! The Thrift envelope around deflated JSON, which may be closed under a key that the envelope itself
//! carries. Never needs a path; a header beside it names app, model and system.

use super::super::cipher::{self, Block};
use super::super::form;
use super::super::json::{self, Flat};
use super::super::report::{Report, hex, is_json, text};
use super::super::thrift::Struct;
use super::super::unpack::{self, Unpacked};
use super::super::{Decoded, Input};
use super::header::Facts;
use super::{DECODER, events};
use crate::event::{Check, Kind, ProblemCode, Protocol, State, Time};
use crate::limits;
use compact_str::CompactString;
use md5::{Digest as _, Md5};
use std::borrow::Cow;

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

/// Header lines that are shown as they are.
const LINES: [(&str, &str); 2] =
    [("X-Umeng-UTC", "header.X-Umeng-UTC"), ("Msg-Type", "header.Msg-Type")];

/// The one that is taken apart.
const SDK: &str = "X-Umeng-Sdk";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let envelope = Struct::parse(input.body);
    let line = |(name, path)| Some((path, Cow::Borrowed(input.request.header(name)?), Kind::Other));
    let named = [SDK, LINES[0].0].iter().any(|name| input.request.header(name).is_some());
    if !(is_envelope(&envelope) || named && !input.body.is_empty()) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Umeng, DECODER);
    if let Some(code) = envelope.problem {
        report.problem(code, "envelope");
    }
    checksum(&mut report, &envelope);
    let seconds = envelope.int(SECONDS).and_then(|s| s.checked_mul(1000)).and_then(Time::from_ms);
    let mut facts = Facts::default();
    let sound = match envelope.bytes(ENTITY) {
        Some(entity) => contents(&mut report, &mut facts, (&envelope, entity), seconds),
        None => {
            report.problem(ProblemCode::Truncated, "envelope.entity");
            false
        }
    };
    // The headers tell something even where the body does not.
    if report.count() == 0 && (sound || named) {
        report.event(None, seconds, Flat::default());
    }
    let sdk = input.request.header(SDK).map(sdk).unwrap_or_default();
    let lines = LINES.into_iter().filter_map(line);
    for (path, value, kind) in sdk.into_iter().chain(lines).chain(members(&envelope)) {
        facts.beside(&mut report, CompactString::const_new(path), value, kind);
    }
    facts.give(&mut report);
    let sound = sound && envelope.problem != Some(ProblemCode::Malformed);
    Some(if sound { report.read() } else { report.done(State::Undecodable) })
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

/// What stands beside the payload: where, what and of which kind.
type Beside<'a> = (&'static str, Cow<'a, str>, Kind);

/// Fields of the envelope, apart from the payload. They count the upload, not the phone, so that
/// their names (`serial`) would mislead.
fn members<'a>(envelope: &Struct<'a>) -> impl Iterator<Item = Beside<'a>> {
    let members = [
        (VERSION, "envelope.version"),
        (APP_KEY, "envelope.app_key"),
        (SIGNATURE, "envelope.signature"),
        (GUID, "envelope.guid"),
        (CHECKSUM, "envelope.checksum"),
        (SERIAL, "envelope.serial"),
        (SECONDS, "envelope.seconds"),
        (LENGTH, "envelope.length"),
        (CODEX, "envelope.codex"),
    ];
    members.into_iter().filter_map(|(id, path)| {
        let text = envelope.text(id).map(|text| json::cut(text, limits::FIELD_PATH));
        let value =
            text.map(Cow::Borrowed).or_else(|| Some(envelope.int(id)?.to_string().into()))?;
        Some((path, value, Kind::Other))
    })
}

/// `a/<SDK's version> <app's version>/Android/<build>/<model>/<system's version> <MD5 of the app key>`,
/// since SDK 9.8 without build, model and version. The whole may be percent-encoded, or each piece.
fn sdk(value: &str) -> Vec<Beside<'_>> {
    let value = json::cut(value, limits::FIELD_VALUE);
    let encoded = !value.contains('/');
    let whole = if encoded { form::decode(value.as_bytes()) } else { value.to_owned() };
    let piece = |piece: &str| match encoded {
        false if piece.contains('%') => form::decode(piece.as_bytes()),
        _ => piece.to_owned(),
    };
    let (tag, rest) = whole.split_once('/').unwrap_or((&whole, ""));
    // An app may have a slash in its version.
    let system = rest.find("/Android").or_else(|| rest.find('/')).unwrap_or(rest.len());
    let (versions, system) = rest.split_at(system);
    let versions = piece(versions);
    let (sdk, app) = versions.split_once(' ').unwrap_or((&versions, ""));
    let system = system.strip_prefix('/').unwrap_or(system);
    let (system, key) = match system.rsplit_once(' ') {
        Some((front, last)) if last.bytes().all(|b| b.is_ascii_hexdigit()) => (front, last),
        _ => (system, ""),
    };
    let (os, phone) = system.split_once('/').unwrap_or((system, ""));
    // A build may have slashes in its name.
    let mut phone = phone.rsplitn(3, '/');
    let (version, model) = (phone.next().unwrap_or_default(), phone.next().unwrap_or_default());
    let build = phone.next().unwrap_or_default();
    let all = [
        ("sdk.tag", tag.to_owned(), Kind::Other),
        ("sdk.version", sdk.to_owned(), Kind::Other),
        ("sdk.app_version", app.to_owned(), Kind::DeviceFact),
        ("sdk.os", piece(os), Kind::DeviceFact),
        ("sdk.build", piece(build), Kind::DeviceFact),
        ("sdk.model", piece(model), Kind::DeviceFact),
        ("sdk.os_version", piece(version), Kind::DeviceFact),
        ("sdk.app_key_md5", key.to_owned(), Kind::Other),
    ];
    let said = all.into_iter().filter(|(_, value, _)| !value.is_empty());
    said.map(|(path, value, kind)| (path, Cow::Owned(value), kind)).collect()
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
    let (bytes, broken) = hex(declared);
    let fits = broken.is_none() && *bytes == *Md5::digest(input.as_bytes());
    report.check("checksum", if fits { Check::Ok } else { Check::Mismatch });
}

/// Opens the payload and reads it; whether it was one and nothing was wrong with it, apart from its
/// end.
fn contents(
    report: &mut Report,
    facts: &mut Facts,
    (envelope, entity): (&Struct<'_>, &[u8]),
    time: Option<Time>,
) -> bool {
    const PATH: &str = "envelope.entity";
    let key = || Some(*hex(envelope.text(SIGNATURE)?).0.get(1..)?.first_chunk::<16>()?);
    let mut closed = None;
    match (envelope.int(CODEX), key()) {
        (Some(1), Some(key)) => closed = Some(cipher::decrypt(&key, Some(&IV), entity)),
        (Some(1), None) => {
            report.problem(ProblemCode::Malformed, "envelope.signature");
            return false;
        }
        (Some(0) | None, _) => {}
        (Some(_), _) => report.problem(ProblemCode::Unsupported, "envelope.codex"),
    }
    let clear = closed.as_ref().map_or(entity, |c| &c.bytes);
    let size = envelope.int(LENGTH).and_then(|size| usize::try_from(size).ok());
    let sound = size.and_then(|size| unpack::inflate_to(clear, size));
    let sound = sound.map(|bytes| Unpacked { bytes: Cow::Owned(bytes), error: None });
    let unpacked = match sound {
        None if is_json(clear) => None,
        None => Some(unpack::inflate(clear)),
        sound => sound,
    };
    let bytes = unpacked.as_ref().map_or(clear, |u| &u.bytes);
    let error = closed.as_ref().and_then(|c| c.error).or(unpacked.as_ref().and_then(|u| u.error));
    if error.is_none() {
        let fits = envelope.int(LENGTH) == i64::try_from(bytes.len()).ok();
        report.check("size", if fits { Check::Ok } else { Check::Mismatch });
    }
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(whole) if whole.starts_with('{') => (Cow::Borrowed(whole), None),
        _ => {
            let (text, broken) = text(bytes, error.is_some());
            (Cow::Owned(text), broken)
        }
    };
    if let Some(code) = error.map(|e| e.code()).or(broken) {
        report.problem(code, PATH);
    }
    if !text.starts_with('{') {
        if error.is_none() {
            report.problem(ProblemCode::Malformed, PATH);
        }
        return false;
    }
    let read = events::read(report, facts, &text, time);
    read && error.is_none_or(|e| e.code() != ProblemCode::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Vec<(String, String)> {
        sdk(value).iter().map(|(path, value, _)| ((*path).to_owned(), value.to_string())).collect()
    }

    #[test]
    fn the_header_names_app_model_and_system() {
        let said = |pairs: &[(&str, &str)]| {
            let pair = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
            pairs.iter().map(pair).collect::<Vec<_>>()
        };
        let expected = said(&[
            ("sdk.tag", "a"),
            ("sdk.version", "9.5.6"),
            ("sdk.app_version", "1.2 beta"),
            ("sdk.os", "Android"),
            ("sdk.build", "UKQ1.231003.002 release-keys"),
            ("sdk.model", "Redmi Note 8"),
            ("sdk.os_version", "11"),
            ("sdk.app_key_md5", "8b76fd25e7ec6882315c22c9717f4eca"),
        ]);
        for line in [
            "a/9.5.6 1.2 beta/Android/UKQ1.231003.002 release-keys/Redmi Note 8/11 8b76fd25e7ec6882315c22c9717f4eca",
            "a/9.5.6 1.2%20beta/Android/UKQ1.231003.002%20release-keys/Redmi%20Note%208/11 8b76fd25e7ec6882315c22c9717f4eca",
            "a%2F9.5.6+1.2+beta%2FAndroid%2FUKQ1.231003.002+release-keys%2FRedmi+Note+8%2F11+8b76fd25e7ec6882315c22c9717f4eca",
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
        let new = "t/9.8.9 1/2/Android 8b76fd25e7ec6882315c22c9717f4eca";
        let expected = said(&[
            ("sdk.tag", "t"),
            ("sdk.version", "9.8.9"),
            ("sdk.app_version", "1/2"),
            ("sdk.os", "Android"),
            ("sdk.app_key_md5", "8b76fd25e7ec6882315c22c9717f4eca"),
        ]);
        assert_eq!(shown(new), expected);
        assert_eq!(shown(&new.replace('/', "%2F").replace(' ', "%20")), expected);
        let build = shown("a/9 1/Android/Redmi/x:14/y/model/14 ab");
        assert_eq!(build[4].1, "Redmi/x:14/y");
        assert_eq!(shown(""), []);
        assert_eq!(shown("a/9"), said(&[("sdk.tag", "a"), ("sdk.version", "9")]));
    }
}
