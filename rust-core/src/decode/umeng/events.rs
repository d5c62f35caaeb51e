//! The members of the payload: the header, and sections that hold events. What a list of the
//! sections is known to hold gives one event each; the rest of a section is one event by its name.

use super::super::json::{self, Flat, Node, Sort, Tape};
use super::super::names::Name;
use super::super::report::{Report, moment};
use super::super::{DecodedEvent, ids, is_package, kinds};
use super::header::{self, Facts};
use super::keys::{self, Is, List};
use crate::event::{Field, Identifier, Kind, Problem, ProblemCode, Protocol, Time};
use crate::limits;
use compact_str::{CompactString, format_compact};

const USER: &str = "active_user";

/// Reads the payload; whether it was an object with which nothing is wrong, apart from its end.
pub(super) fn read(report: &mut Report, facts: &mut Facts, text: &str, time: Option<Time>) -> bool {
    if !report.budget.work(text.len()) {
        report.problem(ProblemCode::TooLarge, "entity");
        return false;
    }
    let tape = Tape::new(text);
    let named = || tape.within(0).map(|(place, node)| (place, keys::section(&node.name)));
    for (place, _) in named().filter(|(_, name)| *name == "header") {
        facts.read(report, "entity.header.", &tape, place);
    }
    let walk = Walk { tape: &tape, time, shared: facts.counts() };
    for (place, name) in named().filter(|(_, name)| *name != "header") {
        walk.section(report, place, name);
    }
    if let Some(code) = tape.problem {
        report.problem(code, "entity");
    }
    let empty = tape.problem.is_some() && walk.is_empty(0);
    tape.problem != Some(ProblemCode::Malformed) && !empty
}

/// The payload while its events are taken.
struct Walk<'t, 'a> {
    tape: &'t Tape<'a>,
    /// When it was sent, for events that do not say when they happened.
    time: Option<Time>,
    /// How many fields each event will get of the header, and the first one beside them.
    shared: [usize; 2],
}

impl Walk<'_, '_> {
    fn is_empty(&self, place: usize) -> bool {
        self.tape.within(place).next().is_none()
    }

    fn section(&self, report: &mut Report, place: usize, name: &str) {
        let Some(section) = self.tape.at(place) else { return };
        let root = format!("entity.{name}");
        if section.sort != Sort::Object || self.is_empty(place) && !section.broken {
            // An empty section of events says nothing.
            if section.sort != Sort::Object || name != "analytics" {
                let mut flat = Flat::default();
                header::flatten(report, &mut flat, &root, name, section);
                self.add(report, name, flat);
            }
            return;
        }
        let mut rest = Flat::default();
        let mut listed = false;
        for (place, node) in self.tape.within(place) {
            if let Some(list) = keys::LISTS.iter().find(|list| list.name == node.name) {
                listed = true;
                self.list(report, list, (place, node));
            } else if node.name == USER && node.sort == Sort::Object {
                listed = true;
                let mut flat = Flat::default();
                flat.add_text(&mut report.budget, "entity.active_user", USER, &node.value);
                self.add(report, USER, flat);
            } else {
                let path = format!("{root}.{}", node.name);
                header::flatten(report, &mut rest, &path, &node.name, node);
            }
        }
        if let Some(code) = self.tape.problem.filter(|_| section.broken) {
            report.problem(code, &root);
        }
        if !listed || !rest.leaves.is_empty() || !rest.problems.is_empty() {
            self.add(report, name, rest);
        }
    }

    /// Adds what is no list of events, and the identifiers that are known by where they stand.
    fn add(&self, report: &mut Report, name: &str, flat: Flat) {
        let count = report.count();
        report.event(Some(name.to_owned()), self.time, flat);
        if let Some(event) = report.events().get_mut(count) {
            super::add_ids(event, keys::WITHIN);
        }
    }

    /// A list of events, or of objects that hold lists of them by their sessions.
    fn list(&self, report: &mut Report, list: &List, (place, node): (usize, &Node<'_>)) {
        let items = self.tape.within(place).filter(|_| node.sort == Sort::List);
        // One that stands alone need not be in a list.
        let alone = node.sort != Sort::List && !self.is_empty(place);
        for (place, item) in items.chain(alone.then_some((place, node))) {
            let mut members = self.tape.within(place).peekable();
            let by_session = item.sort == Sort::Object
                && list.event != "session"
                && members.peek().is_some_and(|(_, node)| node.sort == Sort::List);
            if !by_session {
                self.event(report, list, (place, item), None);
                continue;
            }
            for (place, session) in members {
                for (place, item) in self.tape.within(place) {
                    self.event(report, list, (place, item), Some(&session.name));
                }
            }
        }
        if let Some(code) = self.tape.problem.filter(|_| node.broken) {
            report.problem(code, list.root);
        }
    }

    /// Adds one event with what it says itself.
    fn event(
        &self,
        report: &mut Report,
        list: &List,
        (place, node): (usize, &Node<'_>),
        session: Option<&str>,
    ) {
        if report.is_full("entity") {
            return;
        }
        if node.sort != Sort::Object {
            return report.problem(ProblemCode::Malformed, list.root);
        }
        let [each, first] = self.shared;
        let shared = if report.count() == 0 { each + first + BESIDE } else { each };
        let mut own = Own::default();
        own.event.fields.reserve_exact(shared + OWN);
        own.event.event_time = self.time;
        for (_, member) in self.tape.within(place) {
            own.member(report, list, member);
        }
        if let Some(session) = session {
            let session = json::cut(session, limits::FIELD_PATH);
            own.put(report, CompactString::const_new(keys::SESSION), session, Kind::Other);
        }
        if let Some(code) = self.tape.problem.filter(|_| node.broken) {
            own.problem(code, list.root);
        }
        own.event.event.get_or_insert_with(|| list.event.to_owned());
        report.events().push(own.event);
    }
}

/// About as many fields an event has of its own, and come from beside the payload.
const OWN: usize = 14;
const BESIDE: usize = 24;

/// An event that is being read.
#[derive(Default)]
struct Own {
    event: DecodedEvent,
    full: bool,
}

impl Own {
    fn member(&mut self, report: &mut Report, list: &List, node: &Node<'_>) {
        let nested = matches!(node.sort, Sort::Object | Sort::List);
        let Some(row) = list.row(&node.name).filter(|_| !nested && !node.broken) else {
            return self.unknown(report, list, node);
        };
        let value = &*node.value;
        match row.is {
            Is::Name if !value.is_empty() => {
                self.event.event = Some(json::cut(value, limits::FIELD_PATH).to_owned());
            }
            Is::Time => match moment(value) {
                Some(time) => self.event.event_time = Some(time),
                None => self.problem(ProblemCode::Malformed, row.path),
            },
            Is::Package if is_package(value) => self.event.app_hint = Some(value.to_owned()),
            _ => {}
        }
        let kind = if kinds::is_nothing(value) { Kind::Other } else { row.kind };
        self.put(report, CompactString::const_new(row.path), value, kind);
    }

    /// What the app added, by what is known of names in any format.
    fn unknown(&mut self, report: &mut Report, list: &List, node: &Node<'_>) {
        let path = format_compact!("{}.{}", list.root, node.name);
        let mut flat = Flat::default();
        header::flatten(report, &mut flat, &path, &node.name, node);
        let event = self.event.event.clone().unwrap_or_default();
        for leaf in flat.leaves {
            let id = ids::kind(&leaf);
            let named = kinds::of(Protocol::Umeng, &event, &leaf.path, Name::new(leaf.key()));
            let kind = match (named.of(&leaf.value), id) {
                (Kind::Other, Some(id)) => ids::kind_of(id),
                (Kind::Other, None) if !kinds::is_nothing(&leaf.value) => list.own,
                (kind, _) => kind,
            };
            let count = self.event.fields.len();
            self.put(report, leaf.path, leaf.value, kind);
            let Some(kind) = id.filter(|_| self.event.fields.len() > count) else { continue };
            let Field { path, value, .. } = &self.event.fields[count];
            let id = Identifier { kind, value: value.clone(), path: path.clone() };
            if let Some(time) = ids::created(kind, &id.value) {
                let path =
                    format_compact!("{}.created", json::cut(&id.path, limits::FIELD_PATH - 8));
                self.put(report, path, time.to_string(), Kind::Identifier);
            }
            self.event.ids.push(id);
        }
        for problem in flat.problems {
            self.problem(problem.code, &problem.path);
        }
    }

    fn put(
        &mut self,
        report: &mut Report,
        path: CompactString,
        value: impl Into<CompactString> + AsRef<str>,
        kind: Kind,
    ) {
        let size = size_of::<Field>() + path.len() + value.as_ref().len();
        let room = self.event.fields.len() < limits::FIELDS_PER_EVENT;
        if !room || !report.budget.keep(size) {
            if !std::mem::replace(&mut self.full, true) {
                self.problem(ProblemCode::TooLarge, "");
            }
            return;
        }
        let value = if value.as_ref().len() > limits::FIELD_VALUE {
            self.problem(ProblemCode::TooLarge, &path);
            json::cut(value.as_ref(), limits::FIELD_VALUE).into()
        } else {
            value.into()
        };
        self.event.fields.push(Field { path, value, kind });
    }

    fn problem(&mut self, code: ProblemCode, path: &str) {
        if self.event.problems.len() < limits::FIELDS_PER_EVENT {
            self.event.problems.push(Problem { code, path: path.to_owned() });
        }
    }
}
