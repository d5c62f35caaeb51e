//! The objects of a list, read in one pass beside those before them: senders repeat their events, so
//! the name that comes is mostly the one that came there last time, and its path is known. Never
//! repairs: with a text of which anything is wrong it ends in `None`.

use super::flat::Leaf;
use super::scan::Scanner;
use super::{Budget, Member, take};
use crate::event::{Field, Kind};
use crate::limits;
use compact_str::{CompactString, ToCompactString as _};
use std::borrow::Cow;

/// Among how many names below a place one is looked for where another comes than before.
const SEARCHED: usize = 64;

/// Place of the objects themselves.
const ROOT: usize = 0;
const NOWHERE: usize = usize::MAX;

/// Names that were met, in a tree by where they stand. Never holds a value.
pub(in crate::decode) struct Shape {
    places: Vec<Place>,
}

struct Place {
    /// The name as it was written, with its quotes; empty in a list.
    written: Box<str>,
    /// Path and name.
    names: Leaf,
    /// What a value here takes of the budget, apart from itself.
    size: usize,
    /// The name below it, and the item, that came first the last time.
    first: [usize; 2],
    /// What came after it the last time.
    then: usize,
    /// The youngest of the names below it, and of those below the same place the one before it.
    youngest: usize,
    older: usize,
}

const NAMES: usize = 0;
const ITEMS: usize = 1;

impl Place {
    fn new(written: &str, names: Leaf) -> Self {
        Self {
            written: written.into(),
            size: size_of::<Leaf>() + names.path.len() + names.key().len(),
            names,
            first: [NOWHERE; 2],
            then: NOWHERE,
            youngest: NOWHERE,
            older: NOWHERE,
        }
    }
}

impl Default for Shape {
    fn default() -> Self {
        Self { places: vec![Place::new("", Leaf::new("", "", "", false))] }
    }
}

impl Shape {
    /// How many places there are.
    pub(in crate::decode) fn count(&self) -> usize {
        self.places.len()
    }

    /// Path and name of a place.
    pub(in crate::decode) fn names(&self, place: usize) -> &Leaf {
        &self.places[place].names
    }

    /// A place of its own for what stands beside the objects.
    pub(in crate::decode) fn beside(&mut self, names: Leaf) -> usize {
        self.places.push(Place::new("", names));
        self.places.len() - 1
    }

    /// What came the last time below a place after another one, or first.
    fn next(&mut self, above: usize, sort: usize, before: usize) -> &mut usize {
        match before {
            NOWHERE => &mut self.places[above].first[sort],
            before => &mut self.places[before].then,
        }
    }

    /// A name below a place.
    fn find(&self, above: usize, written: &str) -> Option<usize> {
        let mut place = self.places[above].youngest;
        for _ in 0..SEARCHED {
            let known = self.places.get(place)?;
            if *known.written == *written {
                return Some(place);
            }
            place = known.older;
        }
        None
    }

    /// A new place below one. `None` where there is no room or the path is too long.
    fn add(&mut self, above: usize, step: &str, key: &str, written: &str) -> Option<usize> {
        let mut path = self.names(above).path.clone();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(step);
        let new = self.places.len();
        if new >= limits::NAME_PLACES || path.len() > limits::FIELD_PATH {
            return None;
        }
        let names = Leaf::new(path, key, "", false);
        let older = std::mem::replace(&mut self.places[above].youngest, new);
        self.places.push(Place { older, ..Place::new(written, names) });
        Some(new)
    }
}

/// One object.
#[derive(Default)]
pub(in crate::decode) struct Object<'a> {
    pub(in crate::decode) members: Vec<Member<'a>>,
    /// The values below the members that hold no further ones, at most [`limits::FIELDS_PER_EVENT`].
    pub(in crate::decode) fields: Vec<Field>,
    /// For each of the fields its place, and whether it was written in quotes.
    pub(in crate::decode) places: Vec<(usize, bool)>,
}

impl Object<'_> {
    /// Adds a value, of which nothing is told yet; `None` where it does not fit as it is.
    #[inline]
    pub(in crate::decode) fn put(
        &mut self,
        (shape, budget): (&Shape, &mut Budget),
        (place, text): (usize, bool),
        value: impl Into<CompactString>,
    ) -> Option<()> {
        let (Place { names, size, .. }, value) = (&shape.places[place], value.into());
        let full = self.fields.len() == limits::FIELDS_PER_EVENT;
        if full || value.len() > limits::FIELD_VALUE || !budget.keep(size + value.len()) {
            return None;
        }
        self.fields.push(Field { path: names.path.clone(), value, kind: Kind::Other });
        self.places.push((place, text));
        Some(())
    }
}

/// Hands over the objects of a list one after the other. `None` where anything is wrong with the text,
/// or does not fit, or `each` says so: then the list is to be read part by part, and what was handed
/// over is void.
pub(in crate::decode) fn objects<'a>(
    text: &'a str,
    most: usize,
    (shape, budget): (&mut Shape, &mut Budget),
    mut each: impl FnMut(&mut Object<'a>, &Shape, &mut Budget) -> Option<()>,
) -> Option<()> {
    let scanner = Scanner::new(text);
    let mut walk = Walk { text, scanner, shape, budget, object: Object::default() };
    let mut count = 0;
    walk.scanner.take(b'[')?;
    while walk.scanner.next(count == 0, b']')? {
        if count == most {
            return None;
        }
        count += 1;
        // One after the other is about as large as the one before.
        walk.object.fields = Vec::with_capacity(walk.object.places.len() + 1);
        walk.object.places.clear();
        walk.object.members.clear();
        walk.members()?;
        each(&mut walk.object, walk.shape, walk.budget)?;
    }
    walk.scanner.is_done().then_some(())
}

struct Walk<'a, 's> {
    text: &'a str,
    scanner: Scanner<'a>,
    shape: &'s mut Shape,
    budget: &'s mut Budget,
    object: Object<'a>,
}

impl<'a> Walk<'a, '_> {
    /// One object of the list.
    fn members(&mut self) -> Option<()> {
        self.scanner.take(b'{')?;
        let mut before = NOWHERE;
        while self.scanner.next(before == NOWHERE, b'}')? {
            if self.object.members.len() == limits::FIELDS_PER_EVENT {
                return None;
            }
            let start = self.scanner.at();
            before = self.name(ROOT, before)?;
            let name = self.member(start, before);
            self.scanner.peek()?;
            let start = self.scanner.at();
            self.value(before, 1)?;
            self.object.members.push((name, self.text.get(start..self.scanner.at())?));
        }
        Some(())
    }

    /// The name of the member at `place`, written at `start`.
    fn member(&self, start: usize, place: usize) -> Cow<'a, str> {
        let Place { written, names, .. } = &self.shape.places[place];
        // Escapes are longer than what they stand for.
        let plain = written.len() == names.path.len() + 2;
        let inner = self.text.get(start + 1..start + written.len() - 1).filter(|_| plain);
        inner.map_or_else(|| Cow::Owned(names.path.to_string()), Cow::Borrowed)
    }

    /// One value at `place`; `depth` counts the containers around it.
    fn value(&mut self, place: usize, depth: usize) -> Option<()> {
        let open = self.scanner.peek()?;
        if open == b'"' {
            let to = (&*self.shape, &mut *self.budget);
            return match self.scanner.plain_string() {
                Some(value) => self.object.put(to, (place, true), value),
                None => self.object.put(to, (place, true), self.scanner.string()?),
            };
        }
        if !matches!(open, b'{' | b'[') {
            let value = self.scanner.scalar()?;
            return self.object.put((self.shape, self.budget), (place, false), value);
        }
        let start = self.scanner.at();
        self.scanner.take(open)?;
        let (close, mut count, mut before) = (open + 2, 0, NOWHERE);
        while self.scanner.next(count == 0, close)? {
            if depth == limits::JSON_DEPTH || count == limits::FIELDS_PER_EVENT {
                return None;
            }
            before = if open == b'{' {
                self.name(place, before)?
            } else {
                self.item(place, before, count)?
            };
            self.value(before, depth + 1)?;
            count += 1;
        }
        let whole = self.text.get(start..self.scanner.at())?;
        if count == 0 {
            return self.object.put((self.shape, self.budget), (place, false), whole);
        }
        take(&mut self.budget.work, whole.len()).then_some(())
    }

    /// Takes the name that is here and its colon; the place that it leads to.
    fn name(&mut self, above: usize, before: usize) -> Option<usize> {
        let next = *self.shape.next(above, NAMES, before);
        let known = self.shape.places.get(next);
        if known.is_some_and(|known| self.scanner.skip_text(&known.written)) {
            self.scanner.take(b':')?;
            return Some(next);
        }
        let start = self.scanner.at();
        let name = self.scanner.string()?;
        let written = self.text.get(start..self.scanner.at())?;
        self.scanner.take(b':')?;
        let place = match self.shape.find(above, written) {
            None => self.shape.add(above, &name, &name, written)?,
            Some(place) => place,
        };
        *self.shape.next(above, NAMES, before) = place;
        Some(place)
    }

    /// The place of an item of a list: they come one after the other.
    fn item(&mut self, above: usize, before: usize, count: usize) -> Option<usize> {
        let next = *self.shape.next(above, ITEMS, before);
        if next != NOWHERE {
            return Some(next);
        }
        let key = self.shape.names(above).key().to_owned();
        let place = self.shape.add(above, &count.to_compact_string(), &key, "")?;
        *self.shape.next(above, ITEMS, before) = place;
        Some(place)
    }
}
