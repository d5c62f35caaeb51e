//! The leaves below a value, with their paths. Never goes past the budget of its request.

use super::scan::Scanner;
use super::{Budget, cut, list, object, take, unquote};
use crate::event::{Problem, ProblemCode};
use crate::limits;
use compact_str::{CompactString, ToCompactString as _};

/// One value of an object or list that holds no further values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Names joined by dots, list places as numbers.
    pub path: CompactString,
    key: Key,
    /// Text without quotes; other values as they were written.
    pub value: CompactString,
    /// Whether it was written in quotes.
    pub text: bool,
}

/// Nearly every name stands in its path: that saves an allocation for each field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    In { start: usize, size: usize },
    Own(Box<str>),
}

impl Key {
    fn of(path: &str, key: &str) -> Self {
        let size = key.len();
        let start = match path.len().checked_sub(size) {
            Some(start) if path.as_bytes().ends_with(key.as_bytes()) => Some(start),
            _ => path.rfind(key),
        };
        start.map_or_else(|| Self::Own(key.into()), |start| Self::In { start, size })
    }
}

impl Leaf {
    /// `key` is the name that is nearest to the value, empty where there is none.
    pub fn new(
        path: impl Into<CompactString>,
        key: &str,
        value: impl Into<CompactString>,
        text: bool,
    ) -> Self {
        let (path, value) = (path.into(), value.into());
        let key = Key::of(&path, key);
        Self { path, key, value, text }
    }

    /// The same without its value.
    pub(in crate::decode) fn bare(&self) -> Self {
        let (path, key) = (self.path.clone(), self.key.clone());
        Self { path, key, value: CompactString::default(), text: self.text }
    }

    /// Whether path and name are the other's.
    pub(in crate::decode) fn is_like(&self, other: &Self) -> bool {
        self.key == other.key && self.path == other.path
    }

    /// The name that is nearest to the value; empty where there is none.
    pub fn key(&self) -> &str {
        match &self.key {
            Key::In { start, size } => self.path.get(*start..start + size).unwrap_or_default(),
            Key::Own(key) => key,
        }
    }
}

/// Leaves of one event and what of it could not be read.
#[derive(Debug, Default)]
pub struct Flat {
    /// In the sender's order, at most [`limits::FIELDS_PER_EVENT`].
    pub leaves: Vec<Leaf>,
    /// With paths below the event.
    pub problems: Vec<Problem>,
    /// Values are not cut.
    whole: bool,
    full: bool,
}

impl Flat {
    /// One that does not cut values, for whoever looks into them; the budget alone bounds it.
    pub fn uncut() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// Notes what could not be read.
    pub fn problem(&mut self, code: ProblemCode, path: &str) {
        if self.problems.len() < limits::FIELDS_PER_EVENT {
            self.problems.push(Problem { code, path: path.to_owned() });
        }
    }

    /// Notes that no more fields are taken.
    fn stop(&mut self) {
        if !self.full {
            self.full = true;
            self.problems.push(Problem { code: ProblemCode::TooLarge, path: String::new() });
        }
    }

    /// Adds everything below the value that is `text`, which may break off.
    pub fn add_text(&mut self, budget: &mut Budget, path: &str, key: &str, text: &str) {
        let path = cut(path, limits::FIELD_PATH);
        if !self.full && !text.starts_with(['{', '[']) {
            return self.leaf(budget, path, key, text);
        }
        let mut path = String::from(path);
        if !self.walk_sound(budget, &mut path, key, text) {
            self.walk(budget, &mut path, key, text, 1);
        }
    }

    /// As [`Flat::walk`] in one pass, where nothing is wrong with the text and all of it fits;
    /// otherwise false, and nothing was added.
    fn walk_sound(
        &mut self,
        budget: &mut Budget,
        path: &mut String,
        key: &str,
        text: &str,
    ) -> bool {
        if self.full {
            return false;
        }
        let before = (self.leaves.len(), self.problems.len(), path.len(), *budget);
        let mut scanner = Scanner::new(text);
        let sound = self.step(budget, path, key, (text, &mut scanner), 1).is_some();
        if sound && scanner.at() == text.len() {
            return true;
        }
        self.leaves.truncate(before.0);
        self.problems.truncate(before.1);
        path.truncate(before.2);
        *budget = before.3;
        false
    }

    /// One value of [`Flat::walk_sound`].
    fn step<'a>(
        &mut self,
        budget: &mut Budget,
        path: &mut String,
        key: &str,
        (text, scanner): (&'a str, &mut Scanner<'a>),
        depth: usize,
    ) -> Option<()> {
        let open = scanner.peek()?;
        let start = scanner.at();
        if open == b'"' {
            let value = scanner.string()?.into();
            return self.put_sound(budget, path, key, value, true);
        }
        if !matches!(open, b'{' | b'[') {
            let value = scanner.scalar()?.into();
            return self.put_sound(budget, path, key, value, false);
        }
        scanner.take(open)?;
        let (close, mut count) = (open + 2, 0);
        while scanner.next(count == 0, close)? {
            if depth == limits::JSON_DEPTH || count == limits::FIELDS_PER_EVENT {
                return None;
            }
            if open == b'{' {
                let name = scanner.string()?;
                let name = cut(&name, limits::FIELD_PATH + 4);
                scanner.take(b':')?;
                let end = self.push(path, name);
                self.step(budget, path, name, (text, scanner), depth + 1)?;
                path.truncate(end);
            } else {
                let end = self.push(path, &count.to_compact_string());
                self.step(budget, path, key, (text, scanner), depth + 1)?;
                path.truncate(end);
            }
            count += 1;
        }
        if count == 0 {
            let value = text.get(start..scanner.at())?.into();
            return self.put_sound(budget, path, key, value, false);
        }
        take(&mut budget.work, scanner.at() - start).then_some(())
    }

    /// As [`Flat::put`]; `None` where it does not fit.
    fn put_sound(
        &mut self,
        budget: &mut Budget,
        path: &str,
        key: &str,
        value: CompactString,
        text: bool,
    ) -> Option<()> {
        let count = self.leaves.len();
        self.put(budget, path, key, value, text);
        if self.leaves.len() > count {
            return Some(());
        }
        // It noted that no more are taken, which is for the other way to say.
        self.full = false;
        None
    }

    /// `depth` counts the containers around `text`; it is at most [`limits::JSON_DEPTH`].
    pub(super) fn walk(
        &mut self,
        budget: &mut Budget,
        path: &mut String,
        key: &str,
        text: &str,
        depth: usize,
    ) {
        let nested = text.starts_with(['{', '[']);
        if self.full {
        } else if nested && !is_empty(text) {
            if depth >= limits::JSON_DEPTH {
                self.problem(ProblemCode::TooDeep, path);
            } else if !take(&mut budget.work, text.len()) {
                self.stop();
            } else {
                self.descend(budget, path, key, text, depth);
            }
        } else {
            self.leaf(budget, path, key, text);
        }
    }

    fn descend(
        &mut self,
        budget: &mut Budget,
        path: &mut String,
        key: &str,
        text: &str,
        depth: usize,
    ) {
        let most = limits::FIELDS_PER_EVENT;
        let problem = if text.starts_with('[') {
            let parts = list(text, most);
            for (place, item) in parts.items.into_iter().enumerate() {
                let end = self.push(path, &place.to_compact_string());
                self.walk(budget, path, key, item, depth + 1);
                path.truncate(end);
            }
            parts.problem
        } else {
            let parts = object(text, most);
            for (name, item) in parts.items {
                let end = self.push(path, &name);
                self.walk(budget, path, &name, item, depth + 1);
                path.truncate(end);
            }
            parts.problem
        };
        match problem {
            Some(ProblemCode::TooLarge) => self.stop(),
            Some(code) => self.problem(code, path),
            None => {}
        }
    }

    /// Appends a step and returns the former length.
    fn push(&mut self, path: &mut String, step: &str) -> usize {
        let end = path.len();
        let dot = usize::from(end > 0);
        if end + dot + step.len() <= limits::FIELD_PATH {
            path.push_str(&"."[..dot]);
            path.push_str(step);
            return end;
        }
        self.problem(ProblemCode::TooLarge, path);
        if end + dot < limits::FIELD_PATH {
            path.push_str(&"."[..dot]);
            path.push_str(cut(step, limits::FIELD_PATH - end - dot));
        }
        end
    }

    fn leaf(&mut self, budget: &mut Budget, path: &str, key: &str, text: &str) {
        let quoted = text.starts_with('"');
        let value = if quoted {
            unquote(text).map(CompactString::from).unwrap_or_else(|| {
                self.problem(ProblemCode::Malformed, path);
                text.trim_matches('"').into()
            })
        } else {
            text.into()
        };
        self.put(budget, path, key, value, quoted);
    }

    /// Adds one leaf, its value cut to [`limits::FIELD_VALUE`] unless it stays whole.
    pub fn put(
        &mut self,
        budget: &mut Budget,
        path: &str,
        key: &str,
        value: impl Into<CompactString>,
        text: bool,
    ) {
        let mut value = value.into();
        if value.len() > limits::FIELD_VALUE && !self.whole {
            value = cut(&value, limits::FIELD_VALUE).into();
            self.problem(ProblemCode::TooLarge, path);
        }
        let size = size_of::<Leaf>() + path.len() + key.len() + value.len();
        if self.leaves.len() == limits::FIELDS_PER_EVENT || !budget.keep(size) {
            return self.stop();
        }
        let key = Key::of(path, key);
        self.leaves.push(Leaf { path: path.into(), key, value, text });
    }
}

fn is_empty(text: &str) -> bool {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    inner.bytes().all(|b| b.is_ascii_whitespace())
}
