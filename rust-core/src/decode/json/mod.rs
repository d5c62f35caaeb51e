//! Flattens JSON text into paths and values, without a tree in memory. Never changes a number,
//! reorders keys or merges repeated ones; never goes past its budget. What stands before the place
//! where text breaks off is read.

mod flat;
mod scan;
mod shape;
mod tape;
mod tree;

pub use flat::{Flat, Leaf};
pub(super) use shape::{Object, Shape, objects};
pub(super) use tape::{Node, Sort, Tape};
pub(super) use tree::{Tree, trees};

use crate::event::ProblemCode;
use crate::limits;
use scan::Scanner;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What one request may still make us read and keep.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    work: usize,
    out: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { work: limits::JSON_WORK, out: limits::DECODED }
    }
}

impl Budget {
    /// Whether `bytes` more may be read.
    pub fn work(&mut self, bytes: usize) -> bool {
        take(&mut self.work, bytes)
    }

    /// Whether `bytes` more may be kept.
    pub fn keep(&mut self, bytes: usize) -> bool {
        take(&mut self.out, bytes)
    }
}

fn take(from: &mut usize, bytes: usize) -> bool {
    let rest = from.checked_sub(bytes);
    *from = rest.unwrap_or(0);
    rest.is_some()
}

/// A member of an object: its name, cut but still visibly longer than [`limits::FIELD_PATH`], and the
/// text of its value.
pub type Member<'a> = (Cow<'a, str>, &'a str);

/// The parts of a list or object, up to the first that could not be read.
#[derive(Debug)]
pub struct Parts<T> {
    /// In the sender's order.
    pub items: Vec<T>,
    /// Why there are no more of them.
    pub problem: Option<ProblemCode>,
}

/// Texts of the list's items.
pub fn items(text: &str, most: usize) -> Parts<&str> {
    if let Some(items) = sound_list(text, most) {
        return Parts { items, problem: None };
    }
    let parts: Parts<&RawValue> = read(text, most, |de, seed| de.deserialize_seq(seed));
    Parts { items: parts.items.into_iter().map(RawValue::get).collect(), problem: parts.problem }
}

/// Names and texts of the object's values.
pub fn members(text: &str, most: usize) -> Parts<Member<'_>> {
    if let Some(items) = sound_object(text, most) {
        return Parts { items, problem: None };
    }
    let parts: Parts<(Cow<'_, str>, &RawValue)> =
        read(text, most, |de, seed| de.deserialize_map(seed));
    let items = parts.items.into_iter().map(|(name, value)| (name, value.get())).collect();
    Parts { items, problem: parts.problem }
}

/// As [`items`]; the last one breaks off where `text` does so within a list or object.
pub fn list(text: &str, most: usize) -> Parts<&str> {
    let mut parts = items(text, most);
    let last = parts.items.last().copied();
    parts.items.extend(rest(text, last, parts.problem).map(|(_, rest)| rest));
    parts
}

/// As [`members`], of which the last may break off as in [`list`].
pub fn object(text: &str, most: usize) -> Parts<Member<'_>> {
    let mut parts = members(text, most);
    let last = parts.items.last().map(|(_, value)| *value);
    parts.items.extend(rest(text, last, parts.problem));
    parts
}

/// The items of a list with which nothing is wrong.
fn sound_list(text: &str, most: usize) -> Option<Vec<&str>> {
    let mut scanner = Scanner::new(text);
    scanner.take(b'[')?;
    let mut items = Vec::new();
    while scanner.next(items.is_empty(), b']')? {
        if items.len() == most {
            return None;
        }
        items.push(scanner.value()?);
    }
    scanner.is_done().then_some(items)
}

/// The members of an object with which nothing is wrong.
fn sound_object(text: &str, most: usize) -> Option<Vec<Member<'_>>> {
    let mut scanner = Scanner::new(text);
    scanner.take(b'{')?;
    let mut items = Vec::new();
    while scanner.next(items.is_empty(), b'}')? {
        if items.len() == most {
            return None;
        }
        let name = name(scanner.string()?);
        scanner.take(b':')?;
        items.push((name, scanner.value()?));
    }
    scanner.is_done().then_some(items)
}

/// Name, empty in a list, and text of the container in which `text` breaks off, `last` being what
/// was read before it.
fn rest<'a>(text: &'a str, last: Option<&str>, problem: Option<ProblemCode>) -> Option<Member<'a>> {
    if !matches!(problem, Some(ProblemCode::Truncated | ProblemCode::Malformed)) {
        return None;
    }
    let start = last.map_or(1, |item| end_of(item, text));
    let between = |c: char| c == ',' || c.is_ascii_whitespace();
    let mut rest = text.get(start..)?.trim_start_matches(between);
    let mut name = Cow::default();
    if text.starts_with('{') {
        let mut names = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        name = self::name(Cow::Owned(names.next()?.ok()?));
        rest = rest.get(names.byte_offset()..)?.trim_start().strip_prefix(':')?.trim_start();
    }
    rest.starts_with(['{', '[']).then_some((name, rest))
}

/// Where in `text` a part of it ends.
pub fn end_of(part: &str, text: &str) -> usize {
    (part.as_ptr().addr() + part.len()).wrapping_sub(text.as_ptr().addr())
}

/// Whether `text` is one whole value.
pub fn is_value(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

type Reader<'a> = serde_json::Deserializer<serde_json::de::StrRead<'a>>;

fn read<'a, T>(
    text: &'a str,
    most: usize,
    run: impl FnOnce(&mut Reader<'a>, Collect<'_, T>) -> serde_json::Result<bool>,
) -> Parts<T>
where
{
    let mut items = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let whole = run(&mut reader, Collect { items: &mut items, most });
    let problem = match whole {
        Ok(true) => reader.end().err().map(|e| code(&e)),
        Ok(false) => Some(ProblemCode::TooLarge),
        Err(_) if items.len() >= most => Some(ProblemCode::TooLarge),
        Err(e) => Some(code(&e)),
    };
    Parts { items, problem }
}

fn code(error: &serde_json::Error) -> ProblemCode {
    if error.is_eof() { ProblemCode::Truncated } else { ProblemCode::Malformed }
}

/// Collects into a borrowed list, so that what came before an error stays.
struct Collect<'v, T> {
    items: &'v mut Vec<T>,
    most: usize,
}

impl<'de> Visitor<'de> for Collect<'_, &'de RawValue> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while let Some(item) = seq.next_element()? {
            if self.items.len() == self.most {
                return Ok(false);
            }
            self.items.push(item);
        }
        Ok(true)
    }
}

impl<'de> Visitor<'de> for Collect<'_, (Cow<'de, str>, &'de RawValue)> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let value = map.next_value()?;
            if self.items.len() == self.most {
                return Ok(false);
            }
            self.items.push((key, value));
        }
        Ok(true)
    }
}

/// A name, cut right where it is read.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(name(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(cut(text, limits::FIELD_PATH + 4).to_owned()))
    }
}

/// The name of a [`Member`].
fn name(text: Cow<'_, str>) -> Cow<'_, str> {
    const MOST: usize = limits::FIELD_PATH + 4;
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text, MOST)),
        Cow::Owned(text) if text.len() > MOST => Cow::Owned(cut(&text, MOST).to_owned()),
        short => short,
    }
}

/// The longest prefix of at most `most` bytes that ends at a character.
pub fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The text of a JSON string; `None` where it is not one or holds half a surrogate pair.
pub fn unquote(text: &str) -> Option<Cow<'_, str>> {
    let mut scanner = Scanner::new(text);
    let inner = text.starts_with('"').then(|| scanner.string())??;
    scanner.is_done().then_some(inner)
}

#[cfg(test)]
mod tests;
