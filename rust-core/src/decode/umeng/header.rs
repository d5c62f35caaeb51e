//! What the events of a request share: the header is understood once, and each event gets a copy of
//! what it tells. What counts the upload or tells of the SDK stands in the first event alone.

use super::super::json::{self, Flat, Node, Sort, Tape};
use super::super::names::Name;
use super::super::report::Report;
use super::super::{DecodedEvent, ids, is_package, kinds};
use super::digest::{self, Digests};
use super::keys::{self, Says};
use super::tracking;
use crate::event::{Field, IdKind, Identifier, Kind, Problem, ProblemCode, Protocol};
use crate::limits;
use compact_str::{CompactString, format_compact};
use std::borrow::Cow;

/// What is known so far.
#[derive(Default)]
pub(super) struct Facts {
    /// Each event gets these.
    every: Vec<Field>,
    /// The first one gets these, too.
    first: Vec<Field>,
    /// Among those of each event.
    ids: Vec<Identifier>,
    /// Identifiers of which the others say what they are, by their places.
    unsure: Vec<(usize, Unsure)>,
    /// The package that the header names.
    pub(super) app: Option<String>,
    full: bool,
}

#[derive(Clone, Copy)]
enum Unsure {
    Device,
    Digest,
}

impl Facts {
    /// How many fields each event gets so far, and the first one beside them.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.every.len(), self.first.len()]
    }

    /// Reads the header, or an object with names of a header below no `root`.
    pub(super) fn read(&mut self, report: &mut Report, root: &str, tape: &Tape<'_>, place: usize) {
        let path = root.trim_end_matches('.');
        let Some(header) = tape.at(place).filter(|node| node.sort == Sort::Object) else {
            return report.problem(ProblemCode::Malformed, path);
        };
        self.every.reserve(limits::FIELDS_PER_EVENT / 8);
        self.first.reserve(limits::FIELDS_PER_EVENT / 8);
        for (_, node) in tape.within(place) {
            self.member(report, root, node);
        }
        if let Some(code) = tape.problem.filter(|_| header.broken) {
            report.problem(code, path);
        }
    }

    fn member(&mut self, report: &mut Report, root: &str, node: &Node<'_>) {
        let key = keys::find(&node.name);
        let nested = matches!(node.sort, Sort::Object | Sort::List);
        let Some(key) = key.filter(|_| !nested && !node.broken) else {
            let name = key.map_or(&*node.name, |key| key.long());
            return self.unknown(report, &[root, name].concat(), name, node);
        };
        let path = match root {
            "" => CompactString::const_new(key.long()),
            _ => CompactString::const_new(key.path),
        };
        let value = Cow::Borrowed(&*node.value);
        match key.says {
            Says::Tracking => tracking::read(self, report, &path, &value),
            Says::Fact(kind) => self.fact(report, path, value, kind),
            Says::App => self.put(report, path, value, Kind::Other, true),
            Says::Own => self.put(report, path, value, Kind::Other, false),
            Says::Package => {
                if self.app.is_none() && is_package(&value) {
                    self.app = Some(value.to_string());
                }
                self.fact(report, path, value, Kind::DeviceFact);
            }
            says => self.id(report, path, value, says),
        }
    }

    /// Adds a value that tells something, if it does.
    pub(super) fn fact(
        &mut self,
        report: &mut Report,
        path: CompactString,
        value: Cow<'_, str>,
        kind: Kind,
    ) {
        let kind = if kinds::is_nothing(&value) { Kind::Other } else { kind };
        self.put(report, path, value, kind, kind != Kind::Other);
    }

    /// Adds an identifier, if it is one.
    pub(super) fn id(
        &mut self,
        report: &mut Report,
        path: CompactString,
        value: Cow<'_, str>,
        says: Says,
    ) {
        let (kind, unsure) = match says {
            Says::Id(kind) => (ids::exact(kind, &value), None),
            Says::Digest if digest::is_one(&value) => {
                (ids::exact(IdKind::DeviceIdHash, &value), Some(Unsure::Digest))
            }
            Says::Digest => (ids::exact(IdKind::InstanceId, &value), None),
            _ => (ids::exact(IdKind::InstanceId, &value), Some(Unsure::Device)),
        };
        let Some(kind) = kind else {
            return self.put(report, path, value, Kind::Other, false);
        };
        let count = self.every.len();
        self.put(report, path, value, Kind::Identifier, true);
        if let Some(Field { path, value, .. }) = self.every.get(count) {
            self.unsure.extend(unsure.map(|unsure| (self.ids.len(), unsure)));
            let id = Identifier { kind, value: value.clone(), path: path.clone() };
            if let Some(time) = ids::created(kind, &id.value) {
                let path = format_compact!("{}.created", id.path);
                self.fact(report, path, Cow::Owned(time.to_string()), Kind::Identifier);
            }
            self.ids.push(id);
        }
    }

    /// Adds what no row tells of, by what is known of names in any format.
    fn unknown(&mut self, report: &mut Report, path: &str, name: &str, node: &Node<'_>) {
        let mut flat = Flat::default();
        flatten(report, &mut flat, path, name, node);
        for leaf in flat.leaves {
            let id = ids::kind(&leaf);
            let kind = kinds::of(Protocol::Umeng, "", &leaf.path, Name::new(leaf.key()));
            let value = Cow::Borrowed(leaf.value.as_str());
            match id {
                Some(id) => self.id(report, leaf.path, value, Says::Id(id)),
                None => self.fact(report, leaf.path, value, kind.of(&leaf.value)),
            }
        }
        for Problem { code, path } in flat.problems {
            report.problem(code, &path);
        }
    }

    /// What stands beside the payload: the first event gets it.
    pub(super) fn beside(
        &mut self,
        report: &mut Report,
        path: CompactString,
        value: Cow<'_, str>,
        kind: Kind,
    ) {
        self.put(report, path, value, kind, false);
    }

    fn put(
        &mut self,
        report: &mut Report,
        path: CompactString,
        value: Cow<'_, str>,
        kind: Kind,
        every: bool,
    ) {
        let value = if value.len() > limits::FIELD_VALUE {
            report.problem(ProblemCode::TooLarge, &path);
            CompactString::from(json::cut(&value, limits::FIELD_VALUE))
        } else {
            CompactString::from(value)
        };
        let field = Field { path, value, kind };
        let full = self.every.len() + self.first.len() >= limits::FIELDS_PER_EVENT;
        if full || !report.budget.keep(size(&field)) {
            if !std::mem::replace(&mut self.full, true) {
                report.problem(ProblemCode::TooLarge, "");
            }
            return;
        }
        if every { self.every.push(field) } else { self.first.push(field) }
    }

    /// Says of identifiers what the others tell of them: a device's id is the one that has the same
    /// value, and a digest that of one whose digest it is.
    fn settle(&mut self) {
        let mut digests = Digests::default();
        for (place, unsure) in std::mem::take(&mut self.unsure) {
            let Some(Identifier { kind, value, .. }) = self.ids.get(place) else { continue };
            let same = |other: &&Identifier| {
                other.value == *value
                    && !matches!(other.kind, IdKind::InstanceId | IdKind::DeviceIdHash)
            };
            let found = match unsure {
                Unsure::Device => {
                    let named = self.ids.iter().find(same).map(|other| other.kind);
                    named.unwrap_or_else(|| ids::device_id(value))
                }
                Unsure::Digest => digests.kind(value, &self.ids).unwrap_or(*kind),
            };
            self.ids[place].kind = found;
        }
    }

    /// Adds what is shared to the events; each has its own fields before it.
    pub(super) fn give(mut self, report: &mut Report) {
        self.settle();
        let shared: usize = self.every.iter().map(size).sum();
        let mut events = std::mem::take(report.events());
        for (at, event) in events.iter_mut().enumerate() {
            if event.app_hint.is_none() || self.app.is_some() {
                event.app_hint.clone_from(&self.app);
            }
            if at > 0 && !report.budget.keep(shared) {
                too_large(event);
                continue;
            }
            let first = if at == 0 { self.first.as_slice() } else { &[] };
            for shared in [self.every.as_slice(), first] {
                let room = limits::FIELDS_PER_EVENT.saturating_sub(event.fields.len());
                if room < shared.len() {
                    too_large(event);
                }
                event.fields.extend_from_slice(shared.get(..room).unwrap_or(shared));
            }
            event.ids.extend_from_slice(&self.ids);
        }
        *report.events() = events;
    }
}

/// Adds the leaves below a value.
pub(super) fn flatten(
    report: &mut Report,
    flat: &mut Flat,
    path: &str,
    name: &str,
    node: &Node<'_>,
) {
    if matches!(node.sort, Sort::Object | Sort::List) {
        return flat.add_text(&mut report.budget, path, name, &node.value);
    }
    let path = json::cut(path, limits::FIELD_PATH);
    if node.broken {
        flat.problem(ProblemCode::Malformed, path);
    }
    flat.put(&mut report.budget, path, name, &*node.value, node.sort == Sort::Text);
}

fn too_large(event: &mut DecodedEvent) {
    event.problems.push(Problem { code: ProblemCode::TooLarge, path: String::new() });
}

/// What a field takes of the budget.
fn size(field: &Field) -> usize {
    size_of::<Field>() + field.path.len() + field.value.len()
}
