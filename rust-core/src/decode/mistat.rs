//! MiStat, versions 1 and 2 of its form: `stat_value` is AES-128 under a key that derives from other
//! fields of the same form. `sign` is a digest of the form's own fields and is checked, never needed.
//!
//! Evidence: key, `sign` and `size` (the number of values, which are the events of this format) were
//! checked for `mistatv=3` on a request that others recorded; it names a phone and is not shown here.
//! `sign` is that of the SDK's own code, on which many public decompilations agree. The rule for
//! `mistatv=5` was read in a description. The vectors are synthetic.

use super::cipher::{self, Block};
use super::form::Form;
use super::json::{self, Flat, Member, Parts, Tree};
use super::report::{Report, hex, is_json, json_moment, pairs, text};
use super::{Decoded, Input};
use crate::event::{Check, ProblemCode, Protocol, Time};
use crate::limits;
use md5::{Digest as _, Md5};
use std::borrow::Cow;

const DECODER: &str = "mistat/4";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let forms = [("form", &input.form), ("query", &input.query)];
    forms.into_iter().find_map(|(place, form)| carried(input, place, form))
}

/// What the SDK appends to the fields before it takes their digest.
const SIGN_END: &str = "mistats_sdkconfig_jafej!@#)(*e@!#";

/// The fields that make the key.
struct Seeds<'a> {
    app_id: &'a str,
    app_key: &'a str,
    device_id: &'a str,
}

impl Seeds<'_> {
    fn key(&self) -> Block {
        derive(&format!("seed:{}-{}-{}", self.app_id, self.app_key, self.device_id))
    }

    fn iv(&self) -> Block {
        derive(&format!("seed:{}-{}-{}", self.device_id, self.app_key, self.app_id))
    }
}

/// MD5 over the other fields in the order of their names, each name before its value.
fn sign(form: &Form, declared: &str) -> Check {
    let mut fields: Vec<_> = form.pairs.iter().filter(|(name, _)| name != "sign").collect();
    // As Java orders texts.
    fields.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    let mut digest = Md5::new();
    for (name, value) in fields {
        digest.update(name);
        digest.update(value);
    }
    digest.update(SIGN_END);
    let fits = hex(declared) == (digest.finalize().to_vec(), None);
    if fits { Check::Ok } else { Check::Mismatch }
}

/// The first 16 of the upper-case hex digits of the MD5, as text.
fn derive(seed: &str) -> Block {
    let digest = Md5::digest(seed.as_bytes());
    let mut digits = [0; 16];
    for (place, digit) in digits.iter_mut().enumerate() {
        let byte = digest[place / 2];
        let nibble = if place % 2 == 0 { byte >> 4 } else { byte & 15 };
        *digit = b"0123456789ABCDEF"[usize::from(nibble)];
    }
    digits
}

fn carried(input: &Input<'_>, place: &str, form: &Form) -> Option<Decoded> {
    let value = form.get("stat_value")?;
    let seeds = Seeds {
        app_id: form.get("app_id")?,
        app_key: form.get("app_key")?,
        device_id: form.get("device_id")?,
    };
    let mode = form.get("mistatv").map(str::trim);
    let mut report = Report::new(input, Protocol::Mistat, DECODER);
    match form.get("sign") {
        // Of fields that were left out nothing is known.
        Some(_) if form.more => {}
        Some(declared) => report.check("sign", sign(form, declared)),
        None if input.cut => {}
        None => report.check("sign", Check::Absent),
    }
    report.beside(pairs(place, form, &["stat_value"]));
    let path = format!("{place}.stat_value");
    let (closed, broken) = hex(value.trim());
    let open = |iv: Option<Block>| {
        let clear = cipher::decrypt(&seeds.key(), iv.as_ref(), &closed);
        is_json(&clear.bytes).then_some(clear)
    };
    // What the bytes decrypt to decides, not the declared mode.
    let (ecb, cbc) = (|| open(None), || open(Some(seeds.iv())));
    let clear = if mode == Some("5") { cbc().or_else(ecb) } else { ecb().or_else(cbc) };
    if let Some(code) = broken {
        report.problem(code, &path);
    }
    let signed = report.outcome("sign") == Some(Check::Ok);
    let shaped = |clear: &cipher::Clear| is_sessions(&clear.bytes);
    if !(signed || clear.as_ref().is_some_and(shaped)) {
        return None;
    }
    let Some(clear) = clear else {
        match mode {
            None | Some("3" | "5") if broken.is_none() => {
                report.problem(ProblemCode::Malformed, &path);
            }
            None | Some("3" | "5") => {}
            Some(_) => report.problem(ProblemCode::Unsupported, &format!("{place}.mistatv")),
        }
        return Some(report.read());
    };
    let (text, replaced) = text(&clear.bytes, input.cut || clear.error.is_some());
    if let Some(code) = clear.error.map(|e| e.code()).or(replaced).filter(|_| broken.is_none()) {
        report.problem(code, &path);
    }
    let values = sessions(&mut report, &text, &path);
    // Beyond the bound of events nothing was counted.
    if report.count() < limits::EVENTS_PER_REQUEST {
        let declared = form.get("size").map(|size| size.trim().parse() == Ok(values));
        let outcome = match declared {
            None => Check::Absent,
            Some(true) => Check::Ok,
            Some(false) => Check::Mismatch,
        };
        report.check("size", outcome);
    }
    Some(report.read())
}

/// Whether a member of this format's sessions is named.
fn is_sessions(clear: &[u8]) -> bool {
    let has = |name: &[u8]| clear.windows(name.len()).any(|part| part == name);
    has(b"\"startTS\"") || has(b"\"content\"")
}

/// An object, read already where nothing was wrong with the whole.
enum Part<'a> {
    Text(&'a str),
    Read(Tree<'a>),
}

impl<'a> Part<'a> {
    /// Its members, and the list that was read along with it.
    fn open(self) -> (Parts<Member<'a>>, Option<Vec<Part<'a>>>) {
        match self {
            Self::Text(text) => (json::object(text, limits::FIELDS_PER_EVENT), None),
            Self::Read(Tree { members, items }) => {
                let items = items.map(|items| items.into_iter().map(Part::Read).collect());
                (Parts { items: members, problem: None }, items)
            }
        }
    }
}

/// Adds the events; gives how many values there were.
fn sessions(report: &mut Report, text: &str, path: &str) -> usize {
    if let Some(sessions) = json::trees(text, &["content", "values"]) {
        return sessions.into_iter().map(|session| contents(report, Part::Read(session))).sum();
    }
    parts(report, text, path)
}

/// As [`sessions`], of which a part may be wrong.
fn parts(report: &mut Report, text: &str, path: &str) -> usize {
    let mut values = 0;
    let single = || Parts { items: vec![text], problem: None };
    let listed = text.starts_with('[');
    let parts = if listed { json::list(text, limits::EVENTS_PER_REQUEST) } else { single() };
    for (place, session) in parts.items.iter().enumerate() {
        if session.starts_with('{') {
            values += contents(report, Part::Text(session));
        } else {
            report.problem(ProblemCode::Malformed, &format!("{path}.{place}"));
        }
    }
    if let Some(code) = parts.problem {
        report.problem(code, path);
    }
    values
}

/// Members of an object apart from the one named `inner`, as leaves; that one's items, and when the
/// object began.
fn split<'a>(
    report: &mut Report,
    part: Part<'a>,
    inner: &str,
    flat: &mut Flat,
) -> (Vec<Part<'a>>, Option<Time>) {
    let (members, mut items) = part.open();
    let mut start = None;
    for (key, value) in members.items {
        if key == "startTS" && start.is_none() {
            start = Some(value);
        }
        if key == inner && value.starts_with('[') && items.is_none() {
            let list = json::list(value, limits::EVENTS_PER_REQUEST);
            if list.problem == Some(ProblemCode::TooLarge) {
                report.problem(ProblemCode::TooLarge, inner);
            }
            items = Some(list.items.into_iter().map(Part::Text).collect());
        } else {
            flat.add_text(&mut report.budget, &key, &key, value);
        }
    }
    if let Some(code) = members.problem {
        flat.problem(code, "");
    }
    (items.unwrap_or_default(), start.and_then(json_moment))
}

fn contents(report: &mut Report, session: Part<'_>) -> usize {
    let mut outer = Flat::default();
    let (items, time) = split(report, session, "content", &mut outer);
    if items.is_empty() {
        report.event(None, time, outer);
        return 0;
    }
    let mut count = 0;
    for content in items {
        if report.is_full("content") {
            return count;
        }
        let mut flat = Flat::default();
        let (values, _) = split(report, content, "values", &mut flat);
        if values.is_empty() {
            let event = joined(report, [&outer, &flat]);
            report.event(None, time, event);
        }
        count += values.len();
        for value in values {
            if report.is_full("content") {
                break;
            }
            let mut event = joined(report, [&outer, &flat]);
            let (members, _) = value.open();
            for (key, text) in &members.items {
                event.add_text(&mut report.budget, key, key, text);
            }
            if let Some(code) = members.problem {
                event.problem(code, "");
            }
            let key = members.items.iter().find(|(name, _)| name == "key");
            let name = key.and_then(|(_, text)| json::unquote(text)).map(Cow::into_owned);
            report.event(name, time, event);
        }
    }
    count
}

/// Leaves and problems of both.
fn joined(report: &mut Report, of: [&Flat; 2]) -> Flat {
    let mut event = Flat::default();
    for leaf in of.iter().flat_map(|flat| &flat.leaves) {
        let (path, key) = (&leaf.path, leaf.key());
        event.put(&mut report.budget, path, key, leaf.value.clone(), leaf.text);
    }
    for problem in of.iter().flat_map(|flat| &flat.problems) {
        event.problem(problem.code, &problem.path);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::report::leaf;
    use crate::decode::unpack;
    use crate::decode::vectors::{Random, mutate};
    use crate::http::Request;

    #[test]
    fn keys_are_the_first_half_of_an_upper_case_digest() {
        // printf 'seed:a-b-c' | md5sum
        assert_eq!(&derive("seed:a-b-c"), b"2C0B0F85CFD84CC7");
    }

    #[test]
    fn sessions_read_the_same_in_one_pass_and_part_by_part() {
        let seed = r#"[{"startTS":1795248000000,"content":[{"category":"c","values":[{"key":"k",
            "type":"event","params":{"a":[1,{}]}},{"key":"l"}],"values":[2],"x":1},{"content":[]},
            {"values":[]}],"endTS":1795248000001},{"content":{},"startTS":"1795248000000"}]"#;
        let request = Request::default();
        let content = unpack::content_so_far(&request);
        let input = Input::new(&request, &content);
        let new = || {
            let mut report = Report::new(&input, Protocol::Mistat, DECODER);
            report.beside(vec![leaf("form.app_id", "app_id", "1")]);
            report
        };
        let (mut random, mut sounds) = (Random(0x7472_6565), 0);
        for _ in 0..20_000 {
            let mut text = seed.as_bytes().to_vec();
            mutate(&mut random, &mut text);
            let Ok(text) = String::from_utf8(text) else { continue };
            sounds += usize::from(json::trees(&text, &["content", "values"]).is_some());
            let (mut one, mut other) = (new(), new());
            assert_eq!(sessions(&mut one, &text, "p"), parts(&mut other, &text, "p"), "{text}");
            assert_eq!(one.read(), other.read(), "{text}");
        }
        assert!(sounds > 500, "{sounds}");
    }
}
