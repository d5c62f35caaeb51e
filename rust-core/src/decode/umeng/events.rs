//! The members of the payload: the header, and sections that hold events. What a list of the
//! sections is known to hold gives one event each; the rest of a section is one event by its name.

use super::super::json::{self, Flat};
use super::super::report::{Report, json_moment};
use super::header::Facts;
use super::keys;
use crate::event::{ProblemCode, Time};
use crate::limits;

/// Lists that a section may hold: name, where their members stand, and the members' names of an
/// event's own name and time. Events of a list without own names are called by what follows `entity.`.
struct List {
    name: &'static str,
    root: &'static str,
    own: Option<&'static str>,
    time: &'static str,
}

const LISTS: &[List] = &[
    List { name: "sessions", root: "entity.session", own: None, time: "entity.session.start_time" },
    List { name: "ekv", root: "entity.ekv", own: Some("entity.ekv.id"), time: "entity.ekv.ts" },
    List { name: "gkv", root: "entity.ekv", own: Some("entity.ekv.id"), time: "entity.ekv.ts" },
    List { name: "error", root: "entity.error", own: None, time: "entity.error.ts" },
];

/// Where the session of an event stands, the same as of itself.
const SESSION: &str = "entity.session.id";

const USER: &str = "active_user";

/// Reads the payload; whether it was an object with which nothing is wrong, apart from its end.
pub(super) fn read(report: &mut Report, facts: &mut Facts, text: &str, time: Option<Time>) -> bool {
    let members = json::object(text, limits::FIELDS_PER_EVENT);
    let names = || members.items.iter().map(|(name, value)| (keys::section(name), *value));
    for (_, header) in names().filter(|(name, _)| *name == "header") {
        facts.read(report, "entity.header.", header);
    }
    for (name, section) in names().filter(|(name, _)| *name != "header") {
        self::section(report, name, section, time);
    }
    if let Some(code) = members.problem {
        report.problem(code, "entity");
    }
    let cut = matches!(members.problem, Some(ProblemCode::Truncated));
    members.problem != Some(ProblemCode::Malformed) && !(cut && members.items.is_empty())
}

fn section(report: &mut Report, name: &str, text: &str, time: Option<Time>) {
    let root = format!("entity.{name}");
    let mut rest = Flat::default();
    let mut listed = false;
    if text.starts_with('{') && report.budget.work(text.len()) {
        let members = json::object(text, limits::FIELDS_PER_EVENT);
        for (name, value) in &members.items {
            if let Some(list) = LISTS.iter().find(|list| list.name == *name) {
                listed = true;
                self::list(report, list, value, time);
            } else if *name == USER && value.starts_with('{') {
                listed = true;
                user(report, value, time);
            } else {
                rest.add_text(&mut report.budget, &format!("{root}.{name}"), name, value);
            }
        }
        if let Some(code) = members.problem {
            rest.problem(code, &root);
        }
        listed |= members.items.is_empty() && members.problem.is_none();
    } else {
        rest.add_text(&mut report.budget, &root, name, text);
    }
    if listed && rest.leaves.is_empty() {
        for problem in rest.problems {
            report.problem(problem.code, &problem.path);
        }
        return;
    }
    add(report, name.to_owned(), time, rest);
}

/// A list of events, or of objects that hold lists of them by their sessions.
fn list(report: &mut Report, list: &List, text: &str, time: Option<Time>) {
    let items = match text.starts_with('[') {
        true => json::list(text, limits::EVENTS_PER_REQUEST),
        false => json::Parts { items: vec![text], problem: None },
    };
    for item in items.items {
        if report.is_full("entity") || !report.budget.work(item.len()) {
            return;
        }
        let members = json::object(item, limits::FIELDS_PER_EVENT);
        let of_sessions = |(_, value): &json::Member<'_>| value.starts_with('[');
        if list.name == "sessions"
            || !members.items.iter().all(of_sessions)
            || members.items.is_empty()
        {
            event(report, list, item, None, time);
            continue;
        }
        for (session, events) in members.items {
            let events = json::list(events, limits::EVENTS_PER_REQUEST);
            for item in events.items {
                event(report, list, item, Some(&session), time);
            }
            if let Some(code) = events.problem {
                report.problem(code, list.root);
            }
        }
        if let Some(code) = members.problem {
            report.problem(code, list.root);
        }
    }
    if let Some(code) = items.problem {
        report.problem(code, list.root);
    }
}

fn event(report: &mut Report, list: &List, text: &str, session: Option<&str>, time: Option<Time>) {
    if report.is_full("entity") {
        return;
    }
    if !text.starts_with('{') {
        return report.problem(ProblemCode::Malformed, list.root);
    }
    let mut flat = Flat::default();
    flat.add_text(&mut report.budget, list.root, "", text);
    if let Some(session) = session {
        let session = json::cut(session, limits::FIELD_PATH);
        flat.put(&mut report.budget, SESSION, "id", session, true);
    }
    let value = |path: &str| {
        let leaf = flat.leaves.iter().find(|leaf| leaf.path == path);
        leaf.map(|leaf| leaf.value.to_string())
    };
    let own = list.own.and_then(value);
    let name = own.unwrap_or_else(|| list.root.trim_start_matches("entity.").to_owned());
    let said = value(list.time);
    let moment = said.as_deref().map(json_moment);
    if moment == Some(None) {
        flat.problem(ProblemCode::Malformed, list.time);
    }
    add(report, name, moment.flatten().or(time), flat);
}

/// Who is signed in.
fn user(report: &mut Report, text: &str, time: Option<Time>) {
    let mut flat = Flat::default();
    flat.add_text(&mut report.budget, "entity.active_user", USER, text);
    add(report, USER.to_owned(), time, flat);
}

/// Adds an event and the identifiers that are known by where they stand.
fn add(report: &mut Report, name: String, time: Option<Time>, flat: Flat) {
    let count = report.count();
    report.event(Some(name), time, flat);
    if let Some(event) = report.events().get_mut(count) {
        super::add_ids(event, keys::WITHIN);
    }
}
