//! What the fields of events tell, worked out once for each name: senders repeat their events. Never
//! outlives a request, and never remembers a value.

use super::json::{self, Leaf};
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
}

/// The fields of one event, in its order.
struct Remembered {
    event: String,
    fields: Vec<Known>,
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
    app: Option<usize>,
}

/// What the leaves of one event tell.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) fields: Vec<Field>,
    pub(super) ids: Vec<Identifier>,
    /// The package that they name.
    pub(super) app_hint: Option<String>,
}

impl Meanings {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, events: Vec::new() }
    }

    /// Fields and identifiers of one event from its leaves, and the package that it speaks of.
    pub(super) fn told(&mut self, event: &str, leaves: Vec<Leaf>) -> Told {
        let protocol = self.protocol;
        let Some(known) = self.event(event, leaves.len()) else { return Told::default() };
        let (mut fields, mut ids) = (Vec::with_capacity(leaves.len() + 1), Vec::new());
        let (mut next, mut hint) = (0, None);
        for leaf in leaves {
            let Meaning { kinds, id, app } = known.meaning(&mut next, protocol, &leaf);
            let mut kind = kinds.of(&leaf.value);
            if let Some(rank) = app
                && hint.as_ref().is_none_or(|(before, _)| rank < *before)
                && is_package(&leaf.value)
            {
                hint = Some((rank, leaf.value.to_string()));
            }
            let id = ids::of(&leaf, id);
            let Leaf { path, value, .. } = leaf;
            if let Some(id) = id {
                if kind == Kind::Other {
                    kind = if id == IdKind::LoginId { Kind::Account } else { Kind::Identifier };
                }
                ids.push(Identifier { kind: id, value: value.clone(), path: path.clone() });
            }
            let created = id.and_then(|id| ids::created(id, &value)).map(|time| Field {
                path: format_compact!("{}.created", json::cut(&path, limits::FIELD_PATH - 8)),
                value: CompactString::from(time.to_string()),
                kind: Kind::Identifier,
            });
            fields.push(Field { path, value, kind });
            fields.extend(created);
        }
        fields.truncate(limits::FIELDS_PER_EVENT);
        Told { fields, ids, app_hint: hint.map(|(_, package)| package) }
    }

    /// What is remembered of an event; none where it has no fields.
    fn event(&mut self, event: &str, fields: usize) -> Option<&mut Remembered> {
        if fields == 0 {
            return None;
        }
        let known = self.events.iter().position(|known| known.event == event);
        if known.is_none() {
            self.events.truncate(EVENTS - 1);
            let fields = Vec::with_capacity(fields);
            self.events.push(Remembered { event: event.to_owned(), fields });
        }
        let last = self.events.len().checked_sub(1)?;
        self.events.get_mut(known.unwrap_or(last))
    }
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
        let name = Name::new(leaf.key());
        let kinds = kinds::of(protocol, &self.event, &leaf.path, name);
        let id = ids::Named::new(&leaf.path, name);
        let meaning = Meaning { kinds, id, app: app_key(name.text) };
        if self.fields.len() < limits::FIELDS_PER_EVENT {
            self.fields.insert(*next, Known { place: leaf.bare(), meaning });
            *next += 1;
        }
        meaning
    }
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
