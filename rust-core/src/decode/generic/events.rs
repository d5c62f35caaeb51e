//! Events in JSON of formats that nobody knows here: a list of objects that have a name and a moment is
//! a list of events. What stands beside the list belongs to each of them. Never looks for events inside
//! an event.

use super::Unwrap;
use crate::decode::json::{self, Flat, Leaf, Member};
use crate::decode::report::{is_json, json_moment};
use crate::event::{ProblemCode, Time};
use crate::limits;
use std::borrow::Cow;

/// How many containers and strings around a list of events are opened to find it.
const LEVELS: usize = 4;

/// What lists of events are called, as [`plain`] writes it.
#[rustfmt::skip]
const LISTS: &[&str] = &[
    "events", "event", "eventlist", "eventdata", "eventsdata", "eventv3", "logs", "log", "loglist", "records",
    "recordlist", "items", "data", "datalist", "list", "batch", "messages", "metrics", "actions", "payload",
    "payloads", "tracks", "points", "reports",
];

/// Members that name an event and nothing else, the best first.
const NAMES: &[&str] =
    &["event", "eventname", "eventkey", "eventcode", "eventtype", "eventaction", "eventid"];

/// Members that name an event where it stands in a list of events.
const LOOSE: &[&str] = &["name", "action", "type", "key", "code", "metric", "t"];

/// Members that say when an event happened, the best first.
#[rustfmt::skip]
const TIMES: &[&str] = &[
    "timestamp", "time", "ts", "eventtime", "eventtimestamp", "eventts", "ets", "clienttime", "clienttimestamp",
    "clientts", "localtimems", "localtime", "localtimestamp", "createtime", "createdat", "occurredat", "starttime",
    "begin", "date", "datetime", "logtime", "t",
];

/// Names that say only that the sender chose another one.
const NO_NAMES: &[&str] = &["custom", "event", "track", "log"];

/// Earlier moments are none: 2000-01-01, in milliseconds.
const EARLIEST: i64 = 946_684_800_000;

/// One event.
pub(super) struct Found {
    pub(super) name: Option<String>,
    pub(super) time: Option<Time>,
    pub(super) flat: Flat,
}

/// A name in small letters, without what joins its words.
fn plain(name: &str) -> String {
    let name = json::cut(name, limits::FIELD_PATH);
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A moment, as digits or written out, not before [`EARLIEST`].
fn moment(text: &str) -> Option<Time> {
    let written = || json::unquote(text)?.trim().parse::<Time>().ok();
    json_moment(text).or_else(written).filter(|time| time.0 >= EARLIEST)
}

/// What names an event: text, or a number.
fn word(text: &str) -> Option<String> {
    let word = match json::unquote(text) {
        Some(word) => word.trim().to_owned(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.to_owned(),
        None => return None,
    };
    (!word.is_empty() && word.len() <= limits::FIELD_PATH).then_some(word)
}

/// Name and moment of an event, from its members by their [`plain`] names.
pub(super) fn named<'a>(
    members: impl Iterator<Item = (&'a str, &'a str)>,
    in_list: bool,
) -> (Option<String>, Option<Time>) {
    let (mut best, mut loose, mut time) = (None, None, None);
    let first = |list: &[&str], name: &str| list.iter().position(|known| *known == name);
    for (name, value) in members {
        let name = plain(name);
        if let Some(rank) = first(NAMES, &name) {
            keep(&mut best, rank, word(value));
        }
        if let Some(rank) = first(LOOSE, &name).filter(|_| in_list) {
            keep(&mut loose, rank, word(value).filter(|_| moment(value).is_none()));
        }
        if let Some(rank) = first(TIMES, &name) {
            keep(&mut time, rank, moment(value));
        }
    }
    let said = |name: &(usize, String)| !NO_NAMES.contains(&&*name.1);
    let better = loose.filter(|loose| best.is_none() || said(loose));
    let name = match best {
        Some(best) if said(&best) || better.is_none() => Some(best),
        _ => better,
    };
    (name.map(|(_, name)| name), time.map(|(_, time)| time))
}

/// Keeps the one of the lowest rank.
fn keep<T>(kept: &mut Option<(usize, T)>, rank: usize, new: Option<T>) {
    if let Some(new) = new
        && kept.as_ref().is_none_or(|(known, _)| rank < *known)
    {
        *kept = Some((rank, new));
    }
}

fn of_members(members: &[Member<'_>], in_list: bool) -> (Option<String>, Option<Time>) {
    named(members.iter().map(|(name, value)| (&**name, *value)), in_list)
}

fn is_event(text: &str, in_list: bool) -> bool {
    if !text.starts_with('{') {
        return false;
    }
    let members = json::object(text, limits::FIELDS_PER_EVENT).items;
    matches!(of_members(&members, in_list), (Some(_), Some(_)))
}

/// Whether all are objects and some an event; those of a list of events may be named loosely.
fn are_events(items: &[&str], listed: bool) -> bool {
    items.iter().all(|item| item.starts_with('{'))
        && items.iter().any(|item| is_event(item, listed))
}

fn is_list_name(name: &str) -> bool {
    LISTS.contains(&&*plain(name))
}

/// The text inside a string that is JSON itself.
fn inside(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.starts_with('"').then(|| json::unquote(text))??;
    is_json(inner.as_bytes()).then_some(inner)
}

/// As [`inside`], with white space around it left out; other text as it is.
fn opened(text: &str) -> Cow<'_, str> {
    inside(text).map_or(Cow::Borrowed(text), |inner| Cow::Owned(inner.trim().to_owned()))
}

impl Unwrap {
    /// Takes the events of a text that begins like a list or an object; false where there are none.
    pub(super) fn events(&mut self, path: &str, text: &str, depth: usize) -> bool {
        if self.within || !self.holds(path, text, LEVELS) {
            return false;
        }
        self.within = true;
        self.take(path, text, &mut Vec::new(), (LEVELS, depth));
        self.within = false;
        true
    }

    /// Whether there are events in a text, at most `levels` deep; `name` is that of its member.
    fn holds(&mut self, name: &str, text: &str, levels: usize) -> bool {
        if levels == 0 || !self.budget.work(text.len()) {
            return false;
        }
        if let Some(inner) = inside(text) {
            return self.holds(name, inner.trim(), levels - 1);
        }
        if text.starts_with('[') {
            let items = json::list(text, limits::EVENTS_PER_REQUEST).items;
            let listed = levels == LEVELS || is_list_name(name);
            return are_events(&items, listed)
                || items.iter().any(|item| self.holds("", item, levels - 1));
        }
        if !text.starts_with('{') {
            return false;
        }
        let members = json::object(text, limits::FIELDS_PER_EVENT).items;
        let listed = |(name, value): &Member<'_>| {
            let value = opened(value);
            let items = || json::list(&value, limits::EVENTS_PER_REQUEST).items;
            is_list_name(name) && value.starts_with('[') && are_events(&items(), true)
        };
        if members.iter().any(listed) {
            return true;
        }
        match of_members(&members, false) {
            (Some(_), Some(_)) => true,
            _ => members.iter().any(|(name, value)| self.holds(name, value, levels - 1)),
        }
    }

    /// Takes the events of a text that holds some; `beside` is what they share.
    fn take(
        &mut self,
        path: &str,
        text: &str,
        beside: &mut Vec<Leaf>,
        (levels, depth): (usize, usize),
    ) {
        if let Some(inner) = inside(text) {
            return self.take(path, inner.trim(), beside, (levels.saturating_sub(1), depth + 1));
        }
        let below = levels.saturating_sub(1);
        if text.starts_with('[') {
            let list = json::list(text, limits::EVENTS_PER_REQUEST);
            let name = path.rsplit('.').next().unwrap_or_default();
            let events = are_events(&list.items, levels == LEVELS || is_list_name(name));
            for item in &list.items {
                if events {
                    self.found(item, beside, depth);
                } else if self.holds("", item, below) {
                    self.take(path, item, &mut beside.clone(), (below, depth));
                } else {
                    let rest = self.leaves(path, "", item, depth);
                    self.keep(rest);
                }
            }
            if let Some(code) = list.problem {
                self.flat.problem(code, path);
            }
            return;
        }
        let object = json::object(text, limits::FIELDS_PER_EVENT);
        let mut holders = Vec::new();
        for (name, value) in &object.items {
            if self.holds(name, value, below) {
                holders.push((name, value));
                continue;
            }
            let inner = self.leaves(&joined(path, name), name, value, depth);
            if beside.len() < limits::FIELDS_PER_EVENT {
                beside.extend(inner.leaves);
            }
            inner.problems.iter().for_each(|p| self.flat.problem(p.code, &p.path));
        }
        if holders.is_empty() {
            return self.found(text, &[], depth);
        }
        if let Some(code) = object.problem {
            self.flat.problem(code, path);
        }
        for (name, value) in holders {
            self.take(&joined(path, name), value, &mut beside.clone(), (below, depth));
        }
    }

    /// One event, its paths its own.
    fn found(&mut self, text: &str, beside: &[Leaf], depth: usize) {
        if self.events.len() == limits::EVENTS_PER_REQUEST {
            return self.flat.problem(ProblemCode::TooLarge, "");
        }
        let members = json::object(text, limits::FIELDS_PER_EVENT).items;
        let (name, time) = of_members(&members, true);
        let mut flat = self.leaves("", "", text, depth);
        for leaf in beside {
            flat.put(&mut self.budget, &leaf.path, leaf.key(), leaf.value.clone(), leaf.text);
        }
        self.events.push(Found { name, time, flat });
    }

    /// All below a value.
    fn leaves(&mut self, path: &str, key: &str, text: &str, depth: usize) -> Flat {
        let outer = std::mem::take(&mut self.flat);
        if !is_json(text.as_bytes()) {
            let mut plain = Flat::uncut();
            plain.add_text(&mut self.budget, path, key, text);
            plain.leaves.into_iter().for_each(|leaf| self.leaf(leaf, depth + 1));
        } else if !self.json(path, key, text, depth) && self.flat.leaves.is_empty() {
            self.flat.add_text(&mut self.budget, path, key, text);
        }
        std::mem::replace(&mut self.flat, outer)
    }

    /// The events, each with what stands beside all of them.
    pub(super) fn beside(&mut self, mut events: Vec<Found>) -> Vec<Found> {
        let rest = std::mem::take(&mut self.flat);
        for one in &mut events {
            for leaf in &rest.leaves {
                let (path, key) = (&leaf.path, leaf.key());
                one.flat.put(&mut self.budget, path, key, leaf.value.clone(), leaf.text);
            }
        }
        if let Some(first) = events.first_mut() {
            first.flat.problems.extend(rest.problems);
        }
        events
    }

    /// Adds what belongs to no event.
    fn keep(&mut self, rest: Flat) {
        for leaf in rest.leaves {
            let (path, key) = (&leaf.path, leaf.key());
            self.flat.put(&mut self.budget, path, key, leaf.value.clone(), leaf.text);
        }
        rest.problems.iter().for_each(|p| self.flat.problem(p.code, &p.path));
    }
}

fn joined(path: &str, name: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    json::cut(&format!("{path}{dot}{name}"), limits::FIELD_PATH).to_owned()
}
