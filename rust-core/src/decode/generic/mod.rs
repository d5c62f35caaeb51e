//! What no other decoder knows: undoes base64, gzip, zlib, forms, multipart, JSON and protobuf, one
//! inside the other, and shows what is then readable. Never claims a format, and never goes past
//! [`limits::NESTING`] and [`limits::NESTED`].
//!
//! Evidence: its readers are tested by the formats that use them; bodies of its own are synthetic.

mod events;

use super::form::{self, Form};
use super::json::{Budget, Flat, Leaf};
use super::meaning::{Meanings, Told};
use super::protobuf::{Fields, Value};
use super::report::is_json;
use super::unpack::{self, UnpackError, Unpacked};
use super::{Decoded, DecodedEvent, Input, ids, kinds, lz, multipart};
use crate::event::{Field, Kind, ProblemCode, Protocol, State};
use crate::limits;
use events::Found;
use std::collections::BTreeMap;

const DECODER: &str = "generic/3";

/// Shortest text that is tried as base64.
const BASE64_TEXT: usize = 16;

/// Shortest text that counts as found in bytes without names.
const WORD: usize = 4;

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let mut unwrap = Unwrap::new(input.cut);
    let mut structured = false;
    for (name, value) in input.query.pairs.iter().filter(|(name, _)| is_name(name)) {
        structured |= unwrap.value(&format!("query.{name}"), name, value, 1);
    }
    if !input.body.is_empty() {
        structured |= unwrap.body(input.body);
    }
    let mut problems = input.problems.clone();
    let mut reader = Reader { meanings: Meanings::new(Protocol::Unknown), telling: structured };
    let events = match std::mem::take(&mut unwrap.events) {
        found if found.is_empty() => vec![reader.event(alone(unwrap.flat))],
        found => unwrap.beside(found).into_iter().map(|one| reader.event(one)).collect(),
    };
    if !reader.telling {
        // What stood in the way may still be worth telling.
        problems.extend(events.into_iter().flat_map(|event| event.problems));
        return Some(Decoded::unknown(problems));
    }
    Some(Decoded {
        state: State::Decoded,
        protocol: Protocol::Unknown,
        decoder: DECODER,
        checks: BTreeMap::new(),
        problems,
        events,
    })
}

/// A request that is one event: parameters of a form or query may name it and say when it was.
fn alone(flat: Flat) -> Found {
    let parameter = |leaf: &&Leaf| {
        let place = leaf.path.strip_suffix(leaf.key());
        matches!(place, Some("query." | "form."))
    };
    let parameters = flat.leaves.iter().filter(parameter);
    let quoted =
        |leaf: &Leaf| Some((leaf.key().to_owned(), serde_json::to_string(&leaf.value).ok()?));
    let parameters: Vec<_> = parameters.filter_map(quoted).collect();
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match events::named(parameters, true) {
        (Some(name), Some(time)) => Found { name: Some(name), time: Some(time), flat },
        _ => Found { name: None, time: None, flat },
    }
}

/// Tells what the fields of events say.
struct Reader {
    meanings: Meanings,
    /// Whether any of it says something.
    telling: bool,
}

impl Reader {
    fn event(&mut self, Found { name, time, flat }: Found) -> DecodedEvent {
        let told = self.meanings.told(name.as_deref().unwrap_or_default(), flat.leaves);
        let Told { fields, ids, app_hint, .. } = told;
        let mut event = DecodedEvent {
            event: name,
            event_time: time,
            app_hint,
            fields,
            ids,
            ..DecodedEvent::default()
        };
        ids::add_within(&mut event);
        let telling = |f: &Field| f.kind != Kind::Other || kinds::is_web_address(&f.value);
        self.telling |= event.fields.iter().any(telling) || !event.ids.is_empty();
        for problem in flat.problems {
            if !event.problems.contains(&problem) {
                event.problems.push(problem);
            }
        }
        event
    }
}

struct Unwrap {
    flat: Flat,
    budget: Budget,
    /// Events that stood in lists.
    events: Vec<Found>,
    /// Within an event or what belongs to one.
    within: bool,
    /// Bytes that packings may still give.
    left: usize,
    cut: bool,
}

/// Where to go back to when a reading turned out wrong.
struct Mark(usize, usize);

/// The answer of each method below: whether the bytes had an inner structure that was read.
impl Unwrap {
    fn new(cut: bool) -> Self {
        let (flat, budget, events) = (Flat::default(), Budget::default(), Vec::new());
        Self { flat, budget, events, within: false, left: limits::NESTED, cut }
    }

    fn mark(&self) -> Mark {
        Mark(self.flat.leaves.len(), self.flat.problems.len())
    }

    /// That something was too deep or too large to look into stays.
    fn back(&mut self, mark: &Mark) {
        self.flat.leaves.truncate(mark.0);
        let tried = self.flat.problems.split_off(mark.1.min(self.flat.problems.len()));
        let bound = |code| matches!(code, ProblemCode::TooDeep | ProblemCode::TooLarge);
        let stays = tried.into_iter().filter(|p| bound(p.code));
        for problem in stays {
            if !self.flat.problems.contains(&problem) {
                self.flat.problems.push(problem);
            }
        }
    }

    fn body(&mut self, body: &[u8]) -> bool {
        let mark = self.mark();
        let parts = multipart::parts(body);
        if !parts.is_empty() {
            for part in &parts {
                let path = format!("form.{}", part.name);
                if !self.bytes(&path, &part.name, part.bytes, 1) {
                    self.plain(&path, &part.name, part.bytes);
                }
            }
            return true;
        }
        if self.bytes("", "", body, 0) {
            return true;
        }
        self.back(&mark);
        false
    }

    /// Keeps bytes that are text as they are.
    fn plain(&mut self, path: &str, key: &str, bytes: &[u8]) {
        if let Some(text) = printable(bytes).filter(|t| !t.is_empty()) {
            self.flat.put(&mut self.budget, path, key, text.to_owned(), true);
        }
    }

    fn bytes(&mut self, path: &str, key: &str, bytes: &[u8], depth: usize) -> bool {
        if depth >= limits::NESTING {
            self.flat.problem(ProblemCode::TooDeep, path);
            return false;
        }
        if unpack::is_gzip(bytes) {
            return self.packed(path, key, unpack::gunzip, bytes, depth);
        }
        if lz::is_zstd(bytes) {
            return self.packed(path, key, lz::zstd, bytes, depth);
        }
        if unpack::is_zlib(bytes) && self.packed(path, key, unpack::inflate, bytes, depth) {
            return true;
        }
        match printable(bytes) {
            Some(text) => self.text(path, key, text, depth),
            None => self.protobuf(path, bytes, depth),
        }
    }

    fn packed(
        &mut self,
        path: &str,
        key: &str,
        unpack: fn(&[u8]) -> Unpacked<'static>,
        bytes: &[u8],
        depth: usize,
    ) -> bool {
        let mark = self.mark();
        if self.left == 0 {
            self.flat.problem(ProblemCode::TooLarge, path);
            return false;
        }
        let unpacked = unpack(bytes);
        // A bomb costs what it took to find it out.
        let bomb = unpacked.error == Some(UnpackError::TooLarge);
        let cost = if bomb { limits::UNPACKED } else { unpacked.bytes.len() };
        self.left = self.left.saturating_sub(cost);
        if let Some(error) = unpacked.error {
            self.flat.problem(error.code(), path);
        }
        if unpacked.bytes.is_empty() {
            return false;
        }
        if !self.bytes(path, key, &unpacked.bytes, depth + 1) {
            if printable(&unpacked.bytes).is_none() {
                self.back(&mark);
                return false;
            }
            self.plain(path, key, &unpacked.bytes);
        }
        true
    }

    fn text(&mut self, path: &str, key: &str, text: &str, depth: usize) -> bool {
        let text = text.trim();
        if depth >= limits::NESTING {
            self.flat.problem(ProblemCode::TooDeep, path);
            return false;
        }
        if text.is_empty() || !self.budget.work(text.len()) {
            return false;
        }
        let mark = self.mark();
        if is_json(text.as_bytes()) {
            if self.json(path, key, text, depth) {
                return true;
            }
        } else if self.base64(path, key, text, depth) || self.form(path, text, depth) {
            return true;
        } else if text.starts_with("%7B") || text.starts_with("%5B") || text.starts_with("%7b") {
            let plain = form::decode(text.as_bytes());
            if self.text(path, key, &plain, depth + 1) {
                return true;
            }
        }
        self.back(&mark);
        false
    }

    fn json(&mut self, path: &str, key: &str, text: &str, depth: usize) -> bool {
        if self.events(path, text, depth) {
            return true;
        }
        let mut inner = Flat::uncut();
        inner.add_text(&mut self.budget, path, key, text);
        let broken = inner.problems.iter().any(|p| p.code == ProblemCode::Malformed);
        if inner.leaves.is_empty() || broken && inner.leaves.len() < 2 {
            return false;
        }
        let mut named = false;
        for leaf in inner.leaves {
            // Items of a list bear the list's name.
            let own = leaf.path.len() > path.len() && leaf.path.ends_with(leaf.key());
            named |= own && !leaf.key().is_empty();
            self.leaf(leaf, depth + 1);
        }
        for problem in inner.problems {
            self.flat.problem(problem.code, &problem.path);
        }
        named
    }

    fn leaf(&mut self, leaf: Leaf, depth: usize) {
        let long = leaf.value.len() >= BASE64_TEXT;
        let worth = leaf.text && (long || is_json(leaf.value.as_bytes()));
        if worth && self.text(&leaf.path, leaf.key(), &leaf.value, depth) {
            return;
        }
        let (path, key) = (&leaf.path, leaf.key());
        self.flat.put(&mut self.budget, path, key, leaf.value.clone(), leaf.text);
    }

    /// A value of a form or query: shown as it is where nothing is inside.
    fn value(&mut self, path: &str, key: &str, value: &str, depth: usize) -> bool {
        let inside = value.len() >= 2 && self.text(path, key, value, depth);
        if !inside && !value.is_empty() {
            self.flat.put(&mut self.budget, path, key, value.to_owned(), true);
        }
        inside
    }

    fn base64(&mut self, path: &str, key: &str, text: &str, depth: usize) -> bool {
        let digit = |b: u8| b.is_ascii_alphanumeric() || b"+/-_= \r\n".contains(&b);
        if text.len() < BASE64_TEXT || !text.bytes().all(digit) {
            return false;
        }
        // A word of small letters or a number is no packing.
        let word = || text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-');
        let number = || text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let spaced = || text.contains(' ') && !text.bytes().any(|b| b.is_ascii_digit());
        if word() || number() || spaced() {
            return false;
        }
        let unpacked = unpack::base64(text);
        if unpacked.error.is_some_and(|e| !(self.cut && e == UnpackError::Truncated)) {
            return false;
        }
        if self.bytes(path, key, &unpacked.bytes, depth + 1) {
            return true;
        }
        let Some(plain) = printable(&unpacked.bytes) else { return false };
        self.flat.put(&mut self.budget, path, key, plain.to_owned(), true);
        true
    }

    /// Only where each pair has a name and a value could be looked into or tells something.
    fn form(&mut self, path: &str, text: &str, depth: usize) -> bool {
        if !text.contains('=') || text.contains('\n') || text.contains('<') {
            return false;
        }
        let form = Form::parse(text.as_bytes());
        if form.pairs.is_empty() || !form.pairs.iter().all(|(name, _)| is_name(name)) {
            return false;
        }
        let outer = if path.is_empty() { "form" } else { path };
        let mut inside = false;
        for (name, value) in &form.pairs {
            inside |= self.value(&format!("{outer}.{name}"), name, value, depth + 1);
        }
        if form.more {
            self.flat.problem(ProblemCode::TooLarge, outer);
        }
        let pairs = self.flat.leaves.iter().filter(|l| l.path.starts_with(outer));
        inside || pairs.filter(|l| ids::kind(l).is_some()).count() > 0 || self.tells(outer)
    }

    /// Whether a leaf below `outer` has a kind, or is an address.
    fn tells(&self, outer: &str) -> bool {
        let mut leaves = self.flat.leaves.iter().filter(|l| l.path.starts_with(outer));
        leaves.any(|l| {
            kinds::is_web_address(&l.value)
                || kinds::kind(Protocol::Unknown, "", &l.path, l.key(), &l.value) != Kind::Other
        })
    }

    /// Only where it is read to its end and holds some word: random bytes may look like a message.
    fn protobuf(&mut self, path: &str, bytes: &[u8], depth: usize) -> bool {
        let mark = self.mark();
        if depth >= limits::NESTING || !self.budget.work(bytes.len()) {
            self.flat.problem(ProblemCode::TooDeep, path);
            return false;
        }
        let mut words = 0;
        for field in Fields(bytes).take(limits::FIELDS_PER_EVENT + 1) {
            let (number, value) = match field {
                Ok(field) => field,
                Err(ProblemCode::Truncated) if self.cut && words > 0 => break,
                Err(_) => {
                    self.back(&mark);
                    return false;
                }
            };
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{number}");
            let number = match value {
                Value::Bytes(bytes) => {
                    words += usize::from(self.message(&path, bytes, depth + 1));
                    continue;
                }
                Value::Varint(n) | Value::Fixed64(n) => n,
                Value::Fixed32(n) => u64::from(n),
            };
            self.flat.put(&mut self.budget, &path, "", number.to_string(), false);
        }
        if words == 0 {
            self.back(&mark);
        }
        words > 0
    }

    /// A field of bytes: text, or a message, or something packed. Whether a word was in it.
    fn message(&mut self, path: &str, bytes: &[u8], depth: usize) -> bool {
        // A message may begin with a line feed and look like text.
        if bytes.first().is_some_and(|&b| b < b' ') && self.protobuf(path, bytes, depth) {
            return true;
        }
        match printable(bytes) {
            Some(text) if !text.is_empty() => {
                self.value(path, "", text, depth) || text.len() >= WORD
            }
            Some(_) => false,
            None => self.bytes(path, "", bytes, depth),
        }
    }
}

/// What senders name a parameter or a field.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::FIELD_PATH / 2
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.$[]:".contains(&b))
}

/// Text without control characters apart from white space.
fn printable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
    // Most texts have none of what needs a closer look, which is quickly said of many bytes at once.
    let odd = |b: &u8| (*b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) | (*b > b'~');
    let ordinary = bytes.chunks(256).all(|some| !some.iter().fold(false, |any, b| any | odd(b)));
    (ordinary || text.chars().all(plain)).then_some(text)
}
