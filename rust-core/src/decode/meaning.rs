//! What the fields of events tell, worked out once for each name: senders repeat their events. Never
//! outlives a request, and never remembers a value.

use super::json::{self, Leaf, Object, Shape};
use super::names::Name;
use super::{app_key, ids, is_package, kinds};
use crate::event::{Field, IdKind, Identifier, Kind, Protocol};
use crate::limits;
use compact_str::{CompactString, format_compact};

/// Events of different names that are remembered.
const EVENTS: usize = 32;

/// How far ahead a field is looked for where it is not the one that came next before.
const AHEAD: usize = 8;

/// What is known of the fields of one request.
pub(super) struct Meanings {
    protocol: Protocol,
    events: Vec<Remembered>,
    /// What the places of the shape tell in every event, by the place.
    always: Vec<Option<Meaning>>,
}

/// The fields of one event, in its order.
#[derive(Default)]
struct Remembered {
    event: String,
    fields: Vec<Known>,
    /// What the places of the shape tell in this event, by the place.
    places: Vec<Option<Meaning>>,
    /// How many identifiers there were the last time.
    ids: usize,
}

struct Known {
    place: Leaf,
    meaning: Meaning,
}

#[derive(Clone, Copy)]
struct Meaning {
    kinds: kinds::Kinds,
    id: ids::Named,
    /// As [`app_key`] says.
    app: Option<u8>,
}

impl Meaning {
    fn new(protocol: Protocol, event: &str, leaf: &Leaf) -> Self {
        let name = Name::new(leaf.key());
        let kinds = kinds::of(protocol, event, &leaf.path, name);
        Self { kinds, id: ids::Named::new(&leaf.path, name), app: app_key(name.text) }
    }
}

/// What the leaves of one event tell.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) fields: Vec<Field>,
    pub(super) ids: Vec<Identifier>,
    /// The package that they name.
    pub(super) app_hint: Option<String>,
    /// The place of its name among those of packages.
    rank: Option<u8>,
}

impl Meanings {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, events: Vec::new(), always: Vec::new() }
    }

    /// Fields and identifiers of one event from its leaves, and the package that it speaks of.
    pub(super) fn told(&mut self, event: &str, leaves: Vec<Leaf>) -> Told {
        let protocol = self.protocol;
        let Some(known) = remembered(&mut self.events, event, leaves.len()) else {
            return Told::default();
        };
        known.fields.reserve(leaves.len().saturating_sub(known.fields.len()));
        let (mut told, mut next) = (Told::of(leaves.len(), known.ids), 0);
        for leaf in leaves {
            let meaning = known.meaning(&mut next, protocol, &leaf);
            let id = ids::of(meaning.id, &leaf, &leaf.value, leaf.text);
            let mut field = Field { path: leaf.path, value: leaf.value, kind: Kind::Other };
            let created = told.tell(meaning, id, &mut field);
            told.fields.push(field);
            told.fields.extend(created);
        }
        known.ids = told.ids.len();
        told.bounded()
    }

    /// As [`Meanings::told`] of an object that was read by a shape: always the same one.
    pub(super) fn told_of(&mut self, event: &str, shape: &Shape, object: &mut Object<'_>) -> Told {
        let protocol = self.protocol;
        let mut fields = std::mem::take(&mut object.fields);
        let Some(known) = remembered(&mut self.events, event, fields.len()) else {
            return Told::default();
        };
        let (mut told, mut more) = (Told::of(0, known.ids), Vec::new());
        for (at, (field, (place, text))) in fields.iter_mut().zip(&object.places).enumerate() {
            let meaning = known.at(*place, &mut self.always, protocol, shape);
            let id = ids::of(meaning.id, shape.names(*place), &field.value, *text);
            more.extend(told.tell(meaning, id, field).map(|created| (at, created)));
        }
        known.ids = told.ids.len();
        told.fields = with(fields, more);
        told.bounded()
    }
}

/// What is remembered of an event; none where it has no fields.
fn remembered<'a>(
    events: &'a mut Vec<Remembered>,
    event: &str,
    fields: usize,
) -> Option<&'a mut Remembered> {
    if fields == 0 {
        return None;
    }
    let known = events.iter().position(|known| known.event == event);
    if known.is_none() {
        events.truncate(EVENTS - 1);
        let event = event.to_owned();
        events.push(Remembered { event, ..Remembered::default() });
    }
    let last = events.len().checked_sub(1)?;
    events.get_mut(known.unwrap_or(last))
}

impl Remembered {
    /// `next` is the place of the field that came next before.
    fn meaning(&mut self, next: &mut usize, protocol: Protocol, leaf: &Leaf) -> Meaning {
        if let Some(known) = self.fields.get(*next).filter(|known| known.place.is_like(leaf)) {
            *next += 1;
            return known.meaning;
        }
        let ahead = self.fields.iter().enumerate().skip(*next).take(AHEAD);
        let mut like = ahead.filter(|(_, known)| known.place.is_like(leaf));
        if let Some((at, known)) = like.next() {
            *next = at + 1;
            return known.meaning;
        }
        let meaning = Meaning::new(protocol, &self.event, leaf);
        if self.fields.len() < limits::FIELDS_PER_EVENT {
            self.fields.insert(*next, Known { place: leaf.bare(), meaning });
            *next += 1;
        }
        meaning
    }

    /// As [`Remembered::meaning`], by the place in a shape.
    fn at(
        &mut self,
        place: usize,
        always: &mut Vec<Option<Meaning>>,
        protocol: Protocol,
        shape: &Shape,
    ) -> Meaning {
        if let Some(Some(meaning)) = self.places.get(place) {
            return *meaning;
        }
        let before = always.get(place).copied().flatten();
        let meaning =
            before.unwrap_or_else(|| Meaning::new(protocol, &self.event, shape.names(place)));
        if before.is_none() && !meaning.kinds.is_by_event() {
            always.resize(shape.count(), None);
            always[place] = Some(meaning);
        }
        self.places.resize(shape.count(), None);
        self.places[place] = Some(meaning);
        meaning
    }
}

impl Told {
    /// About as many will be added.
    fn of(fields: usize, ids: usize) -> Self {
        let (fields, ids) = (Vec::with_capacity(fields + 1), Vec::with_capacity(ids));
        Self { fields, ids, ..Self::default() }
    }

    /// Says what the field is of; gives what follows it where it says when it was made.
    fn tell(&mut self, meaning: Meaning, id: Option<IdKind>, field: &mut Field) -> Option<Field> {
        let Field { path, value, kind } = field;
        *kind = meaning.kinds.of(value);
        if meaning.app.is_some() {
            self.hint(meaning.app, value);
        }
        let id = id?;
        if *kind == Kind::Other {
            *kind = if id == IdKind::LoginId { Kind::Account } else { Kind::Identifier };
        }
        self.ids.push(Identifier { kind: id, value: value.clone(), path: path.clone() });
        ids::created(id, value).map(|time| Field {
            path: format_compact!("{}.created", json::cut(path, limits::FIELD_PATH - 8)),
            value: CompactString::from(time.to_string()),
            kind: Kind::Identifier,
        })
    }

    /// Of several packages the one with the lowest rank counts.
    fn hint(&mut self, rank: Option<u8>, value: &str) {
        if (self.rank.is_none() || rank < self.rank) && is_package(value) {
            self.rank = rank;
            self.app_hint = Some(value.to_owned());
        }
    }

    fn bounded(mut self) -> Self {
        self.fields.truncate(limits::FIELDS_PER_EVENT);
        self
    }
}

/// The fields, each with what follows it behind it.
fn with(fields: Vec<Field>, more: Vec<(usize, Field)>) -> Vec<Field> {
    if more.is_empty() {
        return fields;
    }
    let mut all = Vec::with_capacity(fields.len() + more.len());
    let mut more = more.into_iter().peekable();
    for (at, field) in fields.into_iter().enumerate() {
        all.push(field);
        all.extend(more.next_if(|(after, _)| *after == at).map(|(_, field)| field));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(list: &[(&str, &str)]) -> Vec<Leaf> {
        let leaf = |(path, value): &(&str, &str)| {
            Leaf::new(*path, path.rsplit('.').next().unwrap_or(path), *value, true)
        };
        list.iter().map(leaf).collect()
    }

    #[test]
    fn what_is_remembered_tells_the_same_as_what_is_worked_out() {
        let events: &[(&str, &[(&str, &str)])] = &[
            ("search", &[("a", "1"), ("search_word", "x"), ("oaid", "o-1"), ("z", "2")]),
            ("search", &[("a", "1"), ("search_word", ""), ("oaid", ""), ("z", "a@example.org")]),
            ("search", &[("uri", "https://example.org/"), ("a", "1"), ("z", "2")]),
            ("search", &[("uri", "x"), ("oaid", "o-2"), ("a", "1"), ("a", "2")]),
            ("other", &[("op", "1"), ("search_word", "x"), ("uid", "10123")]),
            ("youtube_search_op", &[("op", "1"), ("search_word", "x"), ("uid", "u-1")]),
            ("other", &[("search_word", "x"), ("op", "1"), ("uid", "u-1")]),
            ("other", &[]),
            ("app", &[("pkg", "com.example.one"), ("app_id", "x"), ("$app_id", "com.example.two")]),
            ("app", &[("pkg", "com.example.one"), ("app_id", "a.b"), ("$app_id", "x")]),
        ];
        let mut shared = Meanings::new(Protocol::Sensors);
        for (event, list) in events.iter().cycle().take(events.len() * 2) {
            let fresh = Meanings::new(Protocol::Sensors).told(event, leaves(list));
            assert_eq!(shared.told(event, leaves(list)), fresh, "{event} {list:?}");
        }
    }

    #[test]
    fn the_same_path_may_end_in_different_names() {
        let leaf = |key| vec![Leaf::new("imei.0", key, "490154203237518", true)];
        let mut meanings = Meanings::new(Protocol::Sensors);
        for (key, id) in [("imei", Some(IdKind::Imei)), ("0", None), ("imei", Some(IdKind::Imei))] {
            let told = meanings.told("e", leaf(key));
            assert_eq!(told.ids.first().map(|id| id.kind), id, "{key}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut meanings = Meanings::new(Protocol::Sensors);
        for event in 0..EVENTS * 2 {
            for field in 0..limits::FIELDS_PER_EVENT * 2 {
                let path = format!("f{field}");
                meanings.told(&event.to_string(), leaves(&[(&path, "x")]));
            }
        }
        assert_eq!(meanings.events.len(), EVENTS);
        let most = meanings.events.iter().map(|known| known.fields.len()).max();
        assert_eq!(most, Some(limits::FIELDS_PER_EVENT));
    }
}
