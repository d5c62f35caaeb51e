//! One event of Sensors Analytics, in clear or closed. Never sees the form around it.

use crate::decode::json::{self, Budget, Flat, Leaf, Member, Object, Shape};
use crate::decode::meaning::{Meanings, Told};
use crate::decode::{DecodedEvent, problem, unpack};
use crate::event::{Field, Kind, Problem, ProblemCode, Protocol, Time};
use crate::limits;
use compact_str::{CompactString, ToCompactString as _};
use std::borrow::Cow;

/// Every `type` of an event.
pub(super) const TYPES: &[&str] = &[
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

/// What the events of one request share.
pub(super) struct Common {
    /// Leaves that each event gets.
    pub(super) extras: Vec<Leaf>,
    meanings: Meanings,
}

impl Common {
    pub(super) fn new(extras: Vec<Leaf>) -> Self {
        Self { extras, meanings: Meanings::new(Protocol::Sensors) }
    }
}

/// The members of one event.
pub(super) struct Members<'a>(pub(super) &'a [Member<'a>]);

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, text)| *text)
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).and_then(json::unquote)
    }

    /// A known type and whose it is, or whose it is and what else only this format has.
    pub(super) fn is_event(&self) -> bool {
        let has = |name| self.get(name).is_some();
        let known = || self.text("type").is_some_and(|t| TYPES.contains(&&*t));
        let other = || has("lib") || has("type") && (has("event") || has("properties"));
        has("distinct_id") && (other() || known()) || (has("item_id") || has("lib")) && known()
    }

    /// A payload and what it is closed under: an encrypted key, or the name of a shared one.
    pub(super) fn is_encrypted(&self) -> bool {
        let has = |name| self.get(name).is_some();
        let closed = has("ekey") || has("key_id") && (has("key_hash") || has("nc"));
        closed && (has("payloads") || has("payload")) && !(has("type") || has("event"))
    }

    pub(super) fn event(
        &self,
        mut flat: Flat,
        common: &mut Common,
        budget: &mut Budget,
    ) -> DecodedEvent {
        let (name, event_time) = self.head(&mut flat.problems);
        for (key, text) in self.0 {
            flat.add_text(budget, key, key, text);
        }
        finish(name, event_time, flat, common, budget)
    }

    /// The event's name and when it happened.
    fn head(&self, problems: &mut Vec<Problem>) -> (Option<String>, Option<Time>) {
        let kind = self.text("type").unwrap_or_default();
        if kind.is_empty() {
            problems.push(problem(ProblemCode::Malformed, "type"));
        } else if !TYPES.contains(&&*kind) {
            problems.push(problem(ProblemCode::Unsupported, "type"));
        }
        let event_time = self.time("time", problems);
        let own = self.text("event").filter(|_| kind.is_empty() || kind.starts_with("track"));
        let name = own.filter(|name| !name.is_empty()).or(Some(kind).filter(|k| !k.is_empty()));
        (name.map(|n| json::cut(&n, limits::FIELD_PATH).to_owned()), event_time)
    }

    /// Milliseconds since 1970, as a number or as its digits in quotes.
    fn time(&self, name: &str, problems: &mut Vec<Problem>) -> Option<Time> {
        let text = self.get(name)?;
        let digits = json::unquote(text).unwrap_or(Cow::Borrowed(text));
        let time = digits.parse().ok().and_then(Time::from_ms);
        if time.is_none() {
            problems.push(problem(ProblemCode::Malformed, name));
        }
        time
    }

    /// Key, key version and sizes are all that can be seen.
    pub(super) fn encrypted(
        &self,
        mut flat: Flat,
        common: &mut Common,
        budget: &mut Budget,
    ) -> DecodedEvent {
        let event_time = self.time("flush_time", &mut flat.problems);
        for (key, text) in self.0 {
            if !matches!(&**key, "payloads" | "payload") {
                flat.add_text(budget, key, key, text);
                continue;
            }
            flat.problems.push(problem(ProblemCode::Encrypted, &**key));
            let single = || json::Parts { items: vec![*text], problem: None };
            let list = text.starts_with('[');
            let parts = if list { json::items(text, limits::FIELDS_PER_EVENT) } else { single() };
            for (place, item) in parts.items.iter().enumerate() {
                let path = if list { format!("{key}.{place}") } else { key.to_string() };
                let Some(text) = json::unquote(item) else {
                    flat.problems.push(problem(ProblemCode::Malformed, path));
                    continue;
                };
                // The app may bring its own cipher, whose text need not be base64.
                let packed = unpack::base64(&text);
                let own = packed.error.is_some();
                let size = if own { text.len() } else { packed.bytes.len() };
                let size = size.to_compact_string();
                flat.put(budget, &format!("{path}.size"), "size", size, false);
            }
            if let Some(code) = parts.problem {
                flat.problems.push(problem(code, &**key));
            }
        }
        finish(None, event_time, flat, common, budget)
    }
}

/// An event with which nothing is wrong; `None` where what stands beside it does not fit.
pub(super) fn sound(
    object: &mut Object<'_>,
    (shape, beside): (&Shape, &[(usize, CompactString)]),
    meanings: &mut Meanings,
    budget: &mut Budget,
) -> Option<DecodedEvent> {
    for (place, value) in beside {
        object.put((shape, &mut *budget), (*place, true), value.clone())?;
    }
    let mut problems = Vec::new();
    let (event, event_time) = Members(&object.members).head(&mut problems);
    let name = event.as_deref().unwrap_or_default();
    let Told { fields, ids, app_hint, .. } = meanings.told_of(name, shape, object);
    let mut event = DecodedEvent { event, event_time, app_hint, fields, ids, problems };
    pages(&mut event);
    Some(event)
}

/// The page of a mini program is no page of the web, whose paths begin with a slash.
fn pages(event: &mut DecodedEvent) {
    let page = |f: &Field| f.kind == Kind::VisitedPage && f.path.ends_with("$url_path");
    if !event.fields.iter().any(page) {
        return;
    }
    let mini = event.fields.iter().any(|f| f.path == "lib.$lib" && is_mini(&f.value));
    for field in event.fields.iter_mut().filter(|f| page(f)) {
        if mini || !field.value.starts_with('/') {
            field.kind = Kind::FeatureUsed;
        }
    }
}

/// Whether an SDK is that of a program within another app: `MiniProgram`, `AlipayMini` and others.
fn is_mini(lib: &str) -> bool {
    lib.contains("Mini") || lib == "QuickApp"
}

fn finish(
    event: Option<String>,
    event_time: Option<Time>,
    mut flat: Flat,
    common: &mut Common,
    budget: &mut Budget,
) -> DecodedEvent {
    for extra in &common.extras {
        flat.put(budget, &extra.path, extra.key(), extra.value.clone(), extra.text);
    }
    let name = event.as_deref().unwrap_or_default();
    let Told { fields, ids, app_hint, .. } = common.meanings.told(name, flat.leaves);
    let problems = flat.problems;
    let mut event = DecodedEvent { event, event_time, app_hint, fields, ids, problems };
    pages(&mut event);
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sensors::java_hash;
    use crate::decode::sensors::tests::{EVENT, base64, codes, escape, list, names, read, value};
    use crate::event::{Check, State};

    #[test]
    fn every_type_is_named_and_tracks_by_their_event() {
        for kind in TYPES {
            let json =
                format!(r#"[{{"type":"{kind}","event":"$E","distinct_id":"d","lib":{{}}}}]"#);
            let decoded = list(&json);
            let name = if kind.starts_with("track") { "$E" } else { kind };
            assert_eq!((names(&decoded), codes(&decoded.problems)), (vec![Some(name)], vec![]));
            assert_eq!(decoded.events[0].problems, []);
            assert_eq!(value(&decoded.events[0], "type"), Some(*kind));
        }
    }

    #[test]
    fn records_of_items_need_neither_distinct_id_nor_properties() {
        let json = r#"[{"type":"item_set","item_type":"book","item_id":"1","properties":{"a":1}},
            {"type":"item_delete","item_type":"book","item_id":"1","_track_id":-5}]"#;
        let decoded = list(json);
        assert_eq!(names(&decoded), [Some("item_set"), Some("item_delete")]);
        assert_eq!(value(&decoded.events[1], "_track_id"), Some("-5"));
        assert!(decoded.events.iter().all(|e| e.problems.is_empty()));
    }

    #[test]
    fn times_and_types_out_of_bounds_are_named() {
        for time in ["99999999999999999", "1e400", "\"x\"", "null", "-99999999999999999999"] {
            let decoded = list(&format!("[{}]", EVENT.replace("1795248000123", time)));
            assert_eq!(decoded.events[0].event_time, None, "{time}");
            let problems = codes(&decoded.events[0].problems);
            assert_eq!(problems, [(ProblemCode::Malformed, "time")], "{time}");
        }
        let odd = list(&format!("[{}]", EVENT.replace("\"track\"", "\"new_type\"")));
        assert_eq!(names(&odd), [Some("new_type")]);
        assert_eq!(codes(&odd.events[0].problems), [(ProblemCode::Unsupported, "type")]);
    }

    #[test]
    fn synthetic_encrypted_uploads_show_key_version_and_sizes() {
        for gzip in ["9", "13"] {
            let payload = base64(&[7; 48]);
            let json = format!(
                r#"[{{"ekey":"a2V5","pkv":2,"payloads":["{payload}","*",7],"flush_time":1795248000123}}]"#
            );
            let body = format!("crc={}&gzip={gzip}&data_list={}", java_hash(&json), escape(&json));
            let decoded = read(body);
            assert_eq!((decoded.state, decoded.checks["crc"]), (State::Encrypted, Check::Ok));
            let [event] = decoded.events.as_slice() else { panic!("{decoded:?}") };
            assert_eq!(value(event, "ekey"), Some("a2V5"));
            assert_eq!(value(event, "pkv"), Some("2"));
            assert_eq!(value(event, "payloads.0.size"), Some("48"));
            assert_eq!(event.event_time, Some(Time(1_795_248_000_123)));
            assert_eq!(
                codes(&event.problems),
                [(ProblemCode::Encrypted, "payloads"), (ProblemCode::Malformed, "payloads.2")]
            );
            assert_eq!(value(event, "payloads.1.size"), Some("1"));
        }
    }

    #[test]
    fn closed_forms_are_encrypted_whatever_stands_beside_them() {
        for json in [
            r#"{"key_id":1,"key_hash":"h","nc":1,"payload":"QUJD"}"#,
            r#"{"pkv":1,"ekey":"a","flush_time":1795248000123,"payloads":["QUJD"]}"#,
            r#"{"pkv":1,"ekey":"a","payloads":["any text"]}"#,
            r#"{"ekey":"a","payload":"QUJD"}"#,
        ] {
            let packed = base64(json.as_bytes());
            for form in [
                format!("data={}", escape(json)),
                format!("data={}&gzip=9&ext=crc%3D1", escape(json)),
                format!("data_list={}&gzip=0", escape(&format!("[{json}]"))),
                format!("data={}", escape(&packed)),
            ] {
                let decoded = read(form.clone());
                assert_eq!(
                    (decoded.protocol, decoded.state),
                    (Protocol::Sensors, State::Encrypted)
                );
                let [event] = decoded.events.as_slice() else { panic!("{decoded:?}") };
                let [closed] = event.problems.as_slice() else { panic!("{form} {event:?}") };
                assert_eq!(closed.code, ProblemCode::Encrypted, "{form}");
            }
        }
    }

    #[test]
    fn what_looks_closed_and_has_its_own_event_is_no_closed_form() {
        let json = r#"{"type":"track","event":"e","distinct_id":"d","ekey":"k","payload":"QUJD"}"#;
        let decoded = read(format!("data={}", escape(json)));
        assert_eq!((decoded.state, names(&decoded)), (State::Decoded, vec![Some("e")]));
    }

    #[test]
    fn pages_of_mini_programs_are_features_and_not_pages_of_the_web() {
        for (lib, path, kind) in [
            ("js", "/sa.html", Kind::VisitedPage),
            ("js", "pages/index", Kind::FeatureUsed),
            ("MiniProgram", "pages/index", Kind::FeatureUsed),
            ("MiniProgram", "/pages/index", Kind::FeatureUsed),
            ("AlipayMini", "/pages/index", Kind::FeatureUsed),
            ("QuickApp", "/home", Kind::FeatureUsed),
        ] {
            let json = format!(
                r#"[{{"type":"track","event":"e","distinct_id":"d","lib":{{"$lib":"{lib}"}},
                "properties":{{"$url_path":"{path}","$url":"https://example.org/"}}}}]"#
            );
            // Once in one pass, once part by part.
            for json in [json.clone(), json.replace("}]", "},{}]")] {
                let decoded = list(&json);
                let kind_of = |path: &str| {
                    decoded.events[0].fields.iter().find(|f| f.path == path).map(|f| f.kind)
                };
                assert_eq!(kind_of("properties.$url_path"), Some(kind), "{lib} {path}");
                assert_eq!(kind_of("properties.$url"), Some(Kind::VisitedPage));
            }
        }
    }

    #[test]
    fn what_no_one_can_read_is_claimed_by_its_checksum_alone() {
        let text = "\0\u{1}\u{2}";
        let body = |crc: i32| format!("gzip=13&crc={crc}&data_list=%00%01%02");
        let opaque = read(body(java_hash(text)));
        assert_eq!((opaque.protocol, opaque.state), (Protocol::Sensors, State::Encrypted));
        assert_eq!(opaque.events.len(), 0);
        assert_eq!(codes(&opaque.problems), [(ProblemCode::Encrypted, "data_list")]);
        assert_eq!(read(body(1)).protocol, Protocol::Unknown);
    }
}
