//! Sensors Analytics: forms that carry JSON events in base64, mostly packed by gzip. Never needs
//! the checksum, a path or a Content-Type, and never opens what is encrypted.
//!
//! Evidence: recorded from SDKs for Android (`tests/data/sensors`), Python 1.11.0, browsers 1.27.11,
//! with each of its three plugins for encryption, and mini programs 1.22.7 (`tests/data/recorded`); the
//! encrypted form of Android is synthetic.

mod event;

use super::form::Form;
use super::json::{self, Budget, Flat, Leaf, Object, Shape};
use super::meaning::Meanings;
use super::report::leaf;
use super::unpack::{self, UnpackError};
use super::{Decoded, DecodedEvent, Input, problem};
use crate::event::{Check, Problem, ProblemCode, Protocol, State};
use crate::limits;
use event::{Common, Members};

const DECODER: &str = "sensors/3";

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
        return Some(decoded(State::Decoded, None, Vec::new(), vec![event]));
    }
    let forms = [&input.form, &input.query];
    let carriers = forms.into_iter().flat_map(|form| {
        ["data_list", "data"]
            .into_iter()
            .filter_map(move |name| Some(Carrier { name, text: form.get(name)?, form }))
    });
    carriers.into_iter().find_map(|carrier| carrier.decode(input))
}

/// A GET of `/debug` for a project: asks a server whether it is a collector.
fn is_probe(input: &Input<'_>) -> bool {
    matches!(input.request.method.as_str(), "GET" | "HEAD")
        && input.path.rsplit('/').next() == Some("debug")
        && input.query.get("project").is_some()
        && input.request.body.is_empty()
        && input.query.get("data").is_none()
        && input.query.get("data_list").is_none()
}

fn decoded(
    state: State,
    crc: Option<Check>,
    problems: Vec<Problem>,
    events: Vec<DecodedEvent>,
) -> Decoded {
    Decoded {
        state,
        protocol: Protocol::Sensors,
        decoder: DECODER,
        checks: crc.map(|check| ("crc".to_owned(), check)).into_iter().collect(),
        problems,
        events,
    }
}

impl Carrier<'_> {
    fn decode(&self, input: &Input<'_>) -> Option<Decoded> {
        let crc = self.crc();
        let mut contents = self.contents(input);
        // Only the checksum speaks for what nobody can look into.
        let closed = || crc == Check::Ok && self.is_closed() && !contents.json;
        if contents.shaped == 0 && !closed() {
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
        // Missing bytes explain a mismatch; it would say nothing about the sender.
        let told = (!input.cut || crc != Check::Mismatch).then_some(crc);
        Some(decoded(state, told, problems, contents.events))
    }

    /// Whether the payload is said to be closed under a key.
    fn is_closed(&self) -> bool {
        matches!(self.gzip(), Some("9" | "13"))
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
        if contents.shaped == 0 {
            contents.problems = vec![problem(ProblemCode::Encrypted, self.name)];
            State::Encrypted
        } else if contents.encrypted == count {
            State::Encrypted
        } else {
            State::Decoded
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
            let (json, broken) = match String::from_utf8(bytes.into_owned()) {
                Ok(whole) => (whole, false),
                Err(e) => (String::from_utf8_lossy(e.as_bytes()).into_owned(), true),
            };
            let code = code.or(broken.then_some(ProblemCode::Malformed));
            contents.problems.extend(code.map(|c| problem(c, self.name)));
            contents.json = true;
            self.read(input, json.trim_start_matches('\u{feff}').trim(), &mut contents);
        } else {
            contents.problems.extend(code.map(|code| problem(code, self.name)));
        }
        contents
    }

    /// Reads one event or a list of them.
    fn read(&self, input: &Input<'_>, text: &str, contents: &mut Contents) {
        let mut common = Common::new(self.extras(input));
        if !text.starts_with('[') {
            return contents.event(text, self.name, &mut common, &mut Budget::default());
        }
        if let Some(events) = sound(text, &common.extras) {
            contents.shaped = events.shaped;
            contents.events = events.events;
            return;
        }
        parts(text, self.name, &mut common, contents);
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
                    let key = json::cut(name, limits::FIELD_PATH / 2);
                    extras.push(leaf(&format!("{place}.{key}"), key, value));
                }
            }
        }
        if let Some(value) = input.request.header("dry-run") {
            extras.push(leaf("header.Dry-Run", "Dry-Run", value));
        }
        extras
    }
}

const BETWEEN: [char; 5] = [',', ' ', '\t', '\r', '\n'];

fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The events of a list with which nothing is wrong, and of which none is closed.
fn sound(text: &str, extras: &[Leaf]) -> Option<Contents> {
    let (mut shape, mut budget) = (Shape::default(), Budget::default());
    let mut meanings = Meanings::new(Protocol::Sensors);
    let (mut events, mut shaped) = (Vec::new(), 0);
    let beside = |leaf: &Leaf| (shape.beside(leaf.bare()), leaf.value.clone());
    let beside: Vec<_> = extras.iter().map(beside).collect();
    let each = |object: &mut Object<'_>, shape: &Shape, budget: &mut Budget| {
        let members = Members(&object.members);
        if object.fields.is_empty() || members.is_encrypted() {
            return None;
        }
        shaped += usize::from(members.is_event());
        events.push(event::sound(object, (shape, &beside), &mut meanings, budget)?);
        Some(())
    };
    json::objects(text, limits::EVENTS_PER_REQUEST, (&mut shape, &mut budget), each)?;
    Some(Contents { events, shaped, ..Contents::default() })
}

/// The events of a list of which a part may be wrong; `name` is the list's.
fn parts(text: &str, name: &str, common: &mut Common, contents: &mut Contents) {
    let mut budget = Budget::default();
    let parts = json::items(text, limits::EVENTS_PER_REQUEST);
    let count = parts.items.len();
    let mut rest = text.get(1..).unwrap_or_default();
    for (place, item) in parts.items.into_iter().enumerate() {
        contents.event(item, &format!("{name}.{place}"), common, &mut budget);
        rest = text.get(json::end_of(item, text)..).unwrap_or_default();
    }
    match parts.problem {
        // The event that broke off may have said something before.
        Some(ProblemCode::Truncated | ProblemCode::Malformed)
            if rest.trim_start_matches(BETWEEN).starts_with('{') =>
        {
            let rest = rest.trim_start_matches(BETWEEN);
            contents.event(rest, &format!("{name}.{count}"), common, &mut budget);
        }
        Some(code) => contents.problem(code, name),
        None => {}
    }
}

/// Java's `String.hashCode`: over UTF-16 code units, in wrapping signed 32-bit arithmetic.
pub(super) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

impl Contents {
    fn problem(&mut self, code: ProblemCode, path: &str) {
        self.problems.push(problem(code, path));
    }

    /// Reads the object at the start of `text`; `place` names it in the request's problems.
    fn event(&mut self, text: &str, place: &str, common: &mut Common, budget: &mut Budget) {
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
            members.encrypted(flat, common, budget)
        } else {
            members.event(flat, common, budget)
        };
        self.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode as decode_request;
    use crate::decode::vectors::{Random, mutate};
    use crate::event::{IdKind, Kind, Time};
    use crate::http::Request;
    use base64::Engine as _;
    use std::io::Write as _;

    pub(super) const EVENT: &str =
        r#"{"type":"track","event":"e","time":1795248000123,"distinct_id":"d1"}"#;

    pub(super) fn base64(bytes: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(super) fn escape(text: &str) -> String {
        text.bytes().map(|b| format!("%{b:02X}")).collect()
    }

    fn request(method: &str, target: &str, body: impl Into<Vec<u8>>) -> Request {
        let body = body.into();
        let body_size = body.len() as u64;
        let (method, target) = (method.into(), target.into());
        Request { method, target, body, body_size, ..Request::default() }
    }

    pub(super) fn read(body: impl Into<Vec<u8>>) -> Decoded {
        decode_request(&request("POST", "/", body))
    }

    /// The events of a list that stands in the form as it is.
    pub(super) fn list(json: &str) -> Decoded {
        read(format!("gzip=0&data_list={}", escape(json)))
    }

    pub(super) fn names(decoded: &Decoded) -> Vec<Option<&str>> {
        decoded.events.iter().map(|e| e.event.as_deref()).collect()
    }

    pub(super) fn codes(problems: &[Problem]) -> Vec<(ProblemCode, &str)> {
        problems.iter().map(|p| (p.code, p.path.as_str())).collect()
    }

    pub(super) fn value<'a>(event: &'a DecodedEvent, path: &str) -> Option<&'a str> {
        event.fields.iter().find(|f| f.path == path).map(|f| f.value.as_str())
    }

    #[test]
    fn the_hash_is_that_of_java() {
        for (text, hash) in [
            ("", 0),
            ("hello", 99_162_322),
            ("polygenelubricants", i32::MIN),
            ("\u{1f600}", 1_772_899),
        ] {
            assert_eq!(java_hash(text), hash, "{text}");
        }
    }

    #[test]
    fn synthetic_forms_of_every_sdk_decode_alike() {
        let array = format!("[{EVENT}]");
        let packed = escape(&base64(&gzip(array.as_bytes())));
        let plain = base64(EVENT.as_bytes());
        let crc = java_hash(&plain);
        let plain = escape(&plain);
        for (method, target, body) in [
            ("POST", "/sa?project=x", format!("crc=1&gzip=1&data_list={packed}")),
            ("POST", "/anything", format!("data_list={packed}&gzip=1&instant_event=true")),
            ("POST", "/", format!("gzip=0&data_list={}", escape(&base64(array.as_bytes())))),
            ("POST", "/", format!("data={}&gzip=1", escape(&base64(&gzip(EVENT.as_bytes()))))),
            ("POST", "/", format!("data={plain}&ext=crc%3D{crc}")),
            ("GET", &format!("/sa.gif?project=x&data={plain}&ext=crc%3D{crc}"), String::new()),
            ("GET", &format!("http://h/p.gif?data={plain}"), String::new()),
            ("POST", &format!("/sa.gif?data={plain}"), String::new()),
            ("POST", "/", format!("data_list={}", escape(&array))),
            ("POST", "/sa", format!("data_list={}", escape(&base64(array.as_bytes())))),
            ("GET", &format!("/sa?project=x&data_list={}", escape(&array)), String::new()),
        ] {
            let decoded = decode_request(&request(method, target, body.clone()));
            assert_eq!(decoded.protocol, Protocol::Sensors, "{method} {target} {body}");
            assert_eq!((decoded.state, decoded.decoder), (State::Decoded, DECODER));
            assert_eq!(names(&decoded), [Some("e")], "{method} {target} {body}");
            assert_eq!(decoded.events[0].event_time, Some(Time(1_795_248_000_123)));
        }
    }

    #[test]
    fn the_checksum_is_compared_and_never_required() {
        let text = base64(EVENT.as_bytes());
        let crc = |rest: &str| read(format!("data={}{rest}", escape(&text))).checks["crc"];
        let hash = java_hash(&text);
        assert_eq!(crc(""), Check::Absent);
        assert_eq!(crc(&format!("&crc={hash}")), Check::Ok);
        assert_eq!(crc(&format!("&ext=crc%3D{hash}\n")), Check::Ok);
        assert_eq!(crc("&crc=1"), Check::Mismatch);
        assert_eq!(crc("&crc=99999999999"), Check::Mismatch);
        assert_eq!(crc("&crc=x"), Check::Mismatch);
    }

    #[test]
    fn a_plus_that_was_not_escaped_is_restored() {
        let json = EVENT.replace("\"d1\"", "\">>>>>>\"");
        let text = base64(json.as_bytes());
        assert!(text.contains('+'));
        let decoded = read(format!("data={text}&crc={}", java_hash(&text)));
        assert_eq!(value(&decoded.events[0], "distinct_id"), Some(">>>>>>"));
        assert_eq!(decoded.checks["crc"], Check::Ok);
    }

    #[test]
    fn one_broken_event_among_many_is_named_and_the_others_come_out() {
        let decoded = list(&format!(r#"[{EVENT},17,{{}},{{"a":1}},{EVENT}]"#));
        assert_eq!(names(&decoded), [Some("e"), None, Some("e")]);
        let malformed = |path| (ProblemCode::Malformed, path);
        assert_eq!(codes(&decoded.problems), [malformed("data_list.1"), malformed("data_list.2")]);
        assert_eq!(codes(&decoded.events[1].problems), [malformed("type")]);
        assert_eq!(value(&decoded.events[1], "a"), Some("1"));
        assert_eq!(decoded.state, State::Decoded);
    }

    #[test]
    fn an_event_that_breaks_off_keeps_what_it_said() {
        let decoded = list(&format!(r#"[{EVENT}, {{"type":"track","event":"f","prop"#));
        assert_eq!(names(&decoded), [Some("e"), Some("f")]);
        assert_eq!(codes(&decoded.events[1].problems), [(ProblemCode::Truncated, "")]);
        let decoded = list(&format!("[{EVENT},"));
        assert_eq!(codes(&decoded.problems), [(ProblemCode::Truncated, "data_list")]);
    }

    #[test]
    fn other_formats_and_plain_forms_are_not_claimed() {
        let mixpanel = base64(br#"{"event":"e","properties":{"token":"t","distinct_id":"d"}}"#);
        for body in [
            format!("data={}", escape(&mixpanel)),
            "data=hello".to_owned(),
            "data_list=hello".to_owned(),
            "data=[1,2,3]".to_owned(),
            r#"data={"a":1}"#.to_owned(),
            r#"data={"type":"track"}"#.to_owned(),
            r#"data={"type":"track","event":"e","properties":{},"userId":"1"}"#.to_owned(),
            r#"data={"event":"e","time":1,"properties":{}}"#.to_owned(),
            r#"data={"distinct_id":"d"}"#.to_owned(),
            r#"data={"key_id":1,"payload":"QUJD"}"#.to_owned(),
            r#"data={"payload":"QUJD","payloads":[]}"#.to_owned(),
            r#"data={"ekey":"a","type":"x"}"#.to_owned(),
            format!("data={}", escape(&base64(&[7; 48]))),
            format!("data={}", escape(&base64(&gzip(&[b' '; 4096])))),
            String::new(),
            "\0\u{1}\u{2}".to_owned(),
        ] {
            for mark in ["", "&gzip=0", "&gzip=1", "&gzip=1&crc=7", "&gzip=9&ext=crc%3D1"] {
                let marked = request("POST", "/sa?project=x", format!("{body}{mark}"));
                let decoded = decode_request(&marked);
                assert_ne!(decoded.protocol, Protocol::Sensors, "{body}{mark}");
            }
        }
        for page in ["/debugger", "/debug"] {
            let page = decode_request(&request("GET", page, ""));
            assert_eq!(page.protocol, Protocol::Unknown);
        }
    }

    #[test]
    fn a_wrong_gzip_checksum_decodes_and_is_named() {
        let mut packed = gzip(format!("[{EVENT}]").as_bytes());
        let at = packed.len() - 6;
        packed[at] ^= 0x10;
        let decoded = read(format!("gzip=1&data_list={}", escape(&base64(&packed))));
        assert_eq!(names(&decoded), [Some("e")]);
        assert_eq!(codes(&decoded.problems), [(ProblemCode::CheckFailed, "data_list")]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_named() {
        let bytes = [&EVENT.as_bytes()[..EVENT.len() - 3], b"\xff\"}"].concat();
        let decoded = read(format!("data={}", escape(&base64(&bytes))));
        assert_eq!(value(&decoded.events[0], "distinct_id"), Some("d\u{fffd}"));
        assert_eq!(codes(&decoded.problems), [(ProblemCode::Malformed, "data")]);
        let zeros = list(&format!("[{EVENT}\0]"));
        assert_eq!(names(&zeros), [Some("e")]);
        assert_eq!(codes(&zeros.problems), [(ProblemCode::Malformed, "data_list")]);
    }

    #[test]
    fn deep_and_huge_lists_are_bounded() {
        let deep = EVENT.replace("\"d1\"", &format!("{}{}", "[".repeat(9000), "]".repeat(9000)));
        let decoded = list(&format!("[{deep},{EVENT}]"));
        assert_eq!(names(&decoded), [Some("e"), Some("e")]);
        assert_eq!(decoded.events[0].problems[0].code, ProblemCode::TooDeep);
        let most = limits::EVENTS_PER_REQUEST;
        let huge = list(&format!("[{EVENT}{}]", format!(",{EVENT}").repeat(most)));
        assert_eq!(huge.events.len(), most);
        assert_eq!(codes(&huge.problems), [(ProblemCode::TooLarge, "data_list")]);
    }

    #[test]
    fn a_probe_for_a_collector_is_recognised() {
        let decoded = decode_request(&request("GET", "/debug?project=x", ""));
        assert_eq!((decoded.protocol, decoded.state), (Protocol::Sensors, State::Decoded));
        assert_eq!(names(&decoded), [Some("debug-probe")]);
        assert!(decoded.checks.is_empty());
        assert_eq!(decode_request(&request("POST", "/debug", "x")).protocol, Protocol::Unknown);
    }

    #[test]
    fn what_stands_beside_the_payload_is_shown() {
        let event =
            EVENT.replace("\"d1\"", r#""d1","properties":{"$app_id":"com.mi.globalbrowser"}"#);
        let body = format!("gzip=0&data_list={}&instant_event=true", escape(&format!("[{event}]")));
        let mut request = request("POST", "/sa?project=global_browser_mini&r=IN", body);
        request.headers.push(("Dry-Run".into(), "true".into()));
        let decoded = decode_request(&request);
        let [event] = decoded.events.as_slice() else { panic!("{decoded:?}") };
        for (path, expected) in [
            ("query.project", "global_browser_mini"),
            ("query.r", "IN"),
            ("form.instant_event", "true"),
            ("header.Dry-Run", "true"),
        ] {
            assert_eq!(value(event, path), Some(expected), "{path}");
        }
        assert_eq!(value(event, "query.gzip"), None);
        assert_eq!(event.app_hint.as_deref(), Some("com.mi.globalbrowser"));
        assert_eq!(event.fields[3].kind, Kind::Identifier);
        assert_eq!((event.ids[0].kind, event.ids[0].value.as_str()), (IdKind::DistinctId, "d1"));
    }

    #[test]
    fn content_codings_around_the_form_are_undone() {
        let body = gzip(format!("data={}", escape(&base64(EVENT.as_bytes()))).as_bytes());
        let mut coded = request("POST", "/", body);
        coded.headers.push(("Content-Encoding".into(), "gzip".into()));
        assert_eq!(names(&decode_request(&coded)), [Some("e")]);
        coded.body.truncate(coded.body.len() - 3);
        let cut = decode_request(&coded);
        assert_eq!(names(&cut), [Some("e")]);
        assert_eq!(codes(&cut.problems)[0], (ProblemCode::Truncated, ""));
    }

    #[test]
    fn a_list_reads_the_same_in_one_pass_and_part_by_part() {
        let seed = format!(
            r#"[{EVENT},{{"type":"item_set","item_id":"1","lib":{{"$lib":"js"}},"x":[1,{{}}]}},{EVENT},
            {{"item_id":"2","utdid":"VwECAwQFBgcDAAgJCgsMDQ4P","type":"item_set","lib":{{"$l\u0069b":"js"}},"x":{{"0":1,"1":[]}}}},{EVENT}]"#
        );
        let extras = vec![leaf("query.r", "r", "IN"), leaf("form.pkg", "pkg", "com.example.app")];
        let mut random = Random(0x6c69_7374);
        let mut sounds = 0;
        for _ in 0..20_000 {
            let mut text = seed.clone().into_bytes();
            mutate(&mut random, &mut text);
            let Ok(text) = String::from_utf8(text) else { continue };
            let Some(sound) = sound(&text, &extras) else { continue };
            let mut slow = Contents::default();
            parts(&text, "data_list", &mut Common::new(extras.clone()), &mut slow);
            assert_eq!((sound.events, sound.shaped), (slow.events, slow.shaped), "{text}");
            assert_eq!((slow.problems, slow.encrypted), (Vec::new(), 0), "{text}");
            sounds += 1;
        }
        assert!(sounds > 500, "{sounds}");
    }
}
