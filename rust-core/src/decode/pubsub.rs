//! OneTrack over Google's Pub/Sub: messages whose data is OneTrack's in clear, packed or not, or closed
//! under a key. Never claims what other customers of Google publish: the project or the attributes
//! must be Xiaomi's, and what comes out OneTrack's.
//!
//! Evidence: read in public sources of 2024 to 2026; the vectors are synthetic.

use super::json::{self, Flat};
use super::report::{Report, is_json, is_open, text};
use super::{Decoded, Input, onetrack_plain, unpack};
use crate::event::{ProblemCode, Protocol, State};
use crate::limits;

const DECODER: &str = "onetrack-pubsub/1";

/// What the names of Xiaomi's projects begin with.
const PROJECT: &str = "xiaomi";

/// Attributes that its SDK alone gives to a message.
const MARKS: [&str; 2] = ["pub_gzipencrypt", "pub_sid"];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    if !is_json(input.body) {
        return None;
    }
    let (text, broken) = text(input.body, input.cut);
    let body = json::object(&text, limits::FIELDS_PER_EVENT);
    let list = get(&body.items, "messages").filter(|list| list.starts_with('['))?;
    let messages = json::list(list, limits::EVENTS_PER_REQUEST);
    let mut report = Report::new(input, Protocol::OnetrackPubsub, DECODER);
    for code in messages.problem.into_iter().chain(broken) {
        report.problem(code, "messages");
    }
    let published = is_published(input.path);
    let (mut clear, mut closed) = (0, 0);
    for (place, text) in messages.items.iter().enumerate() {
        let message = Message::of(text);
        if !(published || message.is_marked()) {
            report.problem(ProblemCode::Malformed, &format!("messages.{place}"));
            continue;
        }
        match message.data() {
            Some(Data::Clear(text)) => clear += message.events(&mut report, &text),
            Some(Data::Closed(size)) if message.is_encrypted() => {
                closed += 1;
                message.closed(&mut report, size);
            }
            _ => report.problem(ProblemCode::Malformed, &format!("messages.{place}.data")),
        }
    }
    match (clear, closed) {
        (0, 0) => None,
        (0, _) => Some(report.done(State::Encrypted)),
        _ => Some(report.read()),
    }
}

/// Whether the path publishes to a topic of Xiaomi's.
fn is_published(path: &str) -> bool {
    let rest = path.split_once("/projects/").map(|(_, rest)| rest);
    let project = rest.and_then(|rest| rest.split_once("/topics/")).map(|(project, _)| project);
    path.ends_with(":publish") && project.is_some_and(|project| project.starts_with(PROJECT))
}

fn get<'a>(members: &[json::Member<'a>], name: &str) -> Option<&'a str> {
    members.iter().find(|(n, _)| n == name).map(|(_, text)| *text)
}

/// What a message holds.
enum Data {
    Clear(String),
    /// Its bytes.
    Closed(usize),
}

/// Members of one message.
struct Message<'a> {
    members: Vec<json::Member<'a>>,
    attributes: Vec<json::Member<'a>>,
}

impl<'a> Message<'a> {
    fn of(text: &'a str) -> Self {
        let members = json::object(text, limits::FIELDS_PER_EVENT).items;
        let attributes = get(&members, "attributes").unwrap_or("{}");
        let attributes = json::object(attributes, limits::FIELDS_PER_EVENT).items;
        Self { members, attributes }
    }

    fn is_marked(&self) -> bool {
        MARKS.iter().any(|mark| get(&self.attributes, mark).is_some())
    }

    /// Written as text or as a truth value.
    fn is_encrypted(&self) -> bool {
        let said = get(&self.attributes, MARKS[0]);
        said.is_some_and(|said| said.trim_matches('"').eq_ignore_ascii_case("true"))
    }

    /// The bytes decide whether it is closed; nothing where it is neither closed nor OneTrack's.
    fn data(&self) -> Option<Data> {
        let packed = json::unquote(get(&self.members, "data")?)?;
        let mut bytes = unpack::base64(&packed).bytes;
        if unpack::is_gzip(&bytes) {
            bytes = unpack::gunzip(&bytes).bytes.into_owned().into();
        }
        if is_json(&bytes) {
            let (text, _) = text(&bytes, true);
            return items(&text)
                .iter()
                .any(|i| onetrack_plain::is_event(i))
                .then_some(Data::Clear(text));
        }
        (!bytes.is_empty() && !is_open(&bytes)).then_some(Data::Closed(bytes.len()))
    }

    /// The attributes as leaves.
    fn flat(&self, report: &mut Report) -> Flat {
        let mut flat = Flat::default();
        for (name, value) in &self.attributes {
            flat.add_text(&mut report.budget, &format!("attributes.{name}"), name, value);
        }
        flat
    }

    fn events(&self, report: &mut Report, text: &str) -> usize {
        let before = report.count();
        for item in items(text) {
            let flat = self.flat(report);
            onetrack_plain::event_with(report, item, flat);
        }
        report.count() - before
    }

    fn closed(&self, report: &mut Report, size: usize) {
        let mut flat = self.flat(report);
        flat.problem(ProblemCode::Encrypted, "data");
        flat.put(&mut report.budget, "data.size", "size", size.to_string(), false);
        report.event(None, None, flat);
    }
}

/// A list's, or the one object.
fn items(text: &str) -> Vec<&str> {
    if text.starts_with('[') {
        json::list(text, limits::EVENTS_PER_REQUEST).items
    } else {
        vec![text]
    }
}
