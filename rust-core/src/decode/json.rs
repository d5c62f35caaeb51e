//! Flattens JSON text into paths and values, without a tree in memory. Never changes a number,
//! reorders keys or merges repeated ones; never goes past its budget. What stands before the place
//! where text breaks off is read.

use crate::event::{Problem, ProblemCode};
use crate::limits;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// One value of an object or list that holds no further values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Names joined by dots, list places as numbers.
    pub path: String,
    /// The name that is nearest to the value; empty where there is none.
    pub key: String,
    /// Text without quotes; other values as they were written.
    pub value: String,
    /// Whether it was written in quotes.
    pub text: bool,
}

/// What one request may still make us read and keep.
#[derive(Debug)]
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

/// The parts of a list or object, up to the first that could not be read.
#[derive(Debug)]
pub struct Parts<T> {
    /// In the sender's order.
    pub items: Vec<T>,
    /// Why there are no more of them.
    pub problem: Option<ProblemCode>,
}

/// Items of the list that is `text`.
pub fn items(text: &str, most: usize) -> Parts<&RawValue> {
    read(text, most, |de, seed| de.deserialize_seq(seed))
}

/// Names and values of the object that is `text`.
pub fn members(text: &str, most: usize) -> Parts<(String, &RawValue)> {
    read(text, most, |de, seed| de.deserialize_map(seed))
}

/// Texts of the list's items. The last one breaks off where `text` does so within a list or object.
pub fn list(text: &str, most: usize) -> Parts<&str> {
    let parts = items(text, most);
    let last = parts.items.last().copied();
    let mut items: Vec<_> = parts.items.iter().map(|item| item.get()).collect();
    if let Some((_, rest)) = rest(text, last, parts.problem) {
        items.push(rest);
    }
    Parts { items, problem: parts.problem }
}

/// Names and texts of the object's values, of which the last may break off as in [`list`].
pub fn object(text: &str, most: usize) -> Parts<(String, &str)> {
    let parts = members(text, most);
    let last = parts.items.last().map(|(_, value)| *value);
    let mut items: Vec<_> = parts.items.into_iter().map(|(name, v)| (name, v.get())).collect();
    items.extend(rest(text, last, parts.problem));
    Parts { items, problem: parts.problem }
}

/// Name, empty in a list, and text of the container in which `text` breaks off, `last` being what
/// was read before it.
fn rest<'a>(
    text: &'a str,
    last: Option<&RawValue>,
    problem: Option<ProblemCode>,
) -> Option<(String, &'a str)> {
    if !matches!(problem, Some(ProblemCode::Truncated | ProblemCode::Malformed)) {
        return None;
    }
    let start = last.map_or(1, |item| {
        (item.get().as_ptr().addr() + item.get().len()).wrapping_sub(text.as_ptr().addr())
    });
    let between = |c: char| c == ',' || c.is_ascii_whitespace();
    let mut rest = text.get(start..)?.trim_start_matches(between);
    let mut name = String::new();
    if text.starts_with('{') {
        let mut names = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        name = cut(&names.next()?.ok()?, limits::FIELD_PATH + 4).to_owned();
        rest = rest.get(names.byte_offset()..)?.trim_start().strip_prefix(':')?.trim_start();
    }
    rest.starts_with(['{', '[']).then_some((name, rest))
}

/// One whole value at the start of `text`.
pub fn value(text: &str) -> Result<&RawValue, ProblemCode> {
    serde_json::from_str(text).map_err(|e| code(&e))
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

impl<'de> Visitor<'de> for Collect<'_, (String, &'de RawValue)> {
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

/// A name, cut right where it is read, but still visibly longer than [`limits::FIELD_PATH`].
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<String, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(cut(text, limits::FIELD_PATH + 4).to_owned())
    }
}

/// The longest prefix of at most `most` bytes that ends at a character.
pub fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The text of a JSON string; `None` where it is not one or holds half a surrogate pair.
pub fn string(raw: &RawValue) -> Option<String> {
    unquote(raw.get())
}

/// As [`string`], from JSON text.
pub fn unquote(text: &str) -> Option<String> {
    text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten()
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

    /// Adds everything below `raw`.
    pub fn add(&mut self, budget: &mut Budget, path: &str, key: &str, raw: &RawValue) {
        self.add_text(budget, path, key, raw.get());
    }

    /// Adds everything below the value that is `text`, which may break off.
    pub fn add_text(&mut self, budget: &mut Budget, path: &str, key: &str, text: &str) {
        let mut path = cut(path, limits::FIELD_PATH).to_owned();
        self.walk(budget, &mut path, key, text, 1);
    }

    /// `depth` counts the containers around `text`; it is at most [`limits::JSON_DEPTH`].
    fn walk(
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
                let end = self.push(path, &place.to_string());
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
        if end + dot + step.len() > limits::FIELD_PATH {
            self.problem(ProblemCode::TooLarge, path);
        }
        if end + dot < limits::FIELD_PATH {
            path.push_str(&"."[..dot]);
            path.push_str(cut(step, limits::FIELD_PATH - end - dot));
        }
        end
    }

    fn leaf(&mut self, budget: &mut Budget, path: &str, key: &str, text: &str) {
        let quoted = text.starts_with('"');
        let value = if quoted {
            unquote(text).unwrap_or_else(|| {
                self.problem(ProblemCode::Malformed, path);
                text.trim_matches('"').to_owned()
            })
        } else {
            text.to_owned()
        };
        self.put(budget, path, key, value, quoted);
    }

    /// Adds one leaf, its value cut to [`limits::FIELD_VALUE`] unless it stays whole.
    pub fn put(
        &mut self,
        budget: &mut Budget,
        path: &str,
        key: &str,
        mut value: String,
        text: bool,
    ) {
        if value.len() > limits::FIELD_VALUE && !self.whole {
            value = cut(&value, limits::FIELD_VALUE).to_owned();
            self.problem(ProblemCode::TooLarge, path);
        }
        let size = size_of::<Leaf>() + path.len() + key.len() + value.len();
        if self.leaves.len() == limits::FIELDS_PER_EVENT || !budget.keep(size) {
            return self.stop();
        }
        self.leaves.push(Leaf { path: path.to_owned(), key: key.to_owned(), value, text });
    }
}

fn is_empty(text: &str) -> bool {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    inner.bytes().all(|b| b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Flat {
        let mut flat = Flat::default();
        flat.add(&mut Budget::default(), "", "", value(text).unwrap());
        flat
    }

    fn pairs(flat: &Flat) -> Vec<(&str, &str)> {
        flat.leaves.iter().map(|l| (l.path.as_str(), l.value.as_str())).collect()
    }

    fn problems(flat: &Flat) -> Vec<(ProblemCode, &str)> {
        flat.problems.iter().map(|p| (p.code, p.path.as_str())).collect()
    }

    #[test]
    fn leaves_keep_order_repeats_and_exact_numbers() {
        let flat = flat(
            r#"{"z":123456789012345678901234567890,"a":{"b.c":[1.50,"x\né",[true]],"d":{}},
               "z":null,"e":[ ],"s":"","n":-0.0e+5}"#,
        );
        assert_eq!(
            pairs(&flat),
            [
                ("z", "123456789012345678901234567890"),
                ("a.b.c.0", "1.50"),
                ("a.b.c.1", "x\né"),
                ("a.b.c.2.0", "true"),
                ("a.d", "{}"),
                ("z", "null"),
                ("e", "[ ]"),
                ("s", ""),
                ("n", "-0.0e+5"),
            ]
        );
        assert_eq!(problems(&flat), []);
        assert_eq!((flat.leaves[3].key.as_str(), flat.leaves[3].text), ("b.c", false));
        assert!(flat.leaves[2].text);
    }

    #[test]
    fn half_a_surrogate_pair_is_shown_as_written_and_named() {
        let flat = flat(r#"{"a":"\ud800x","b":1}"#);
        assert_eq!(pairs(&flat), [("a", r"\ud800x"), ("b", "1")]);
        assert_eq!(problems(&flat), [(ProblemCode::Malformed, "a")]);
    }

    #[test]
    fn depth_is_bounded_and_neighbours_come_out() {
        let nest = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        let fits = flat(&nest(limits::JSON_DEPTH - 1));
        assert_eq!((fits.leaves.len(), fits.problems.len()), (1, 0));
        let over = flat(&nest(limits::JSON_DEPTH));
        assert_eq!((over.leaves.len(), over.problems[0].code), (0, ProblemCode::TooDeep));
        let deep = flat(&format!(r#"{{"a":{},"b":2}}"#, nest(100_000)));
        assert_eq!(pairs(&deep), [("b", "2")]);
        assert_eq!(deep.problems[0].code, ProblemCode::TooDeep);
        assert!(deep.problems[0].path.starts_with("a.0.0"));
    }

    #[test]
    fn fields_are_bounded_and_the_rest_is_named_once() {
        let many = format!("[{}1]", "1,".repeat(limits::FIELDS_PER_EVENT));
        let flat = flat(&format!(r#"{{"a":{many},"b":{many}}}"#));
        assert_eq!(flat.leaves.len(), limits::FIELDS_PER_EVENT);
        assert_eq!(problems(&flat), [(ProblemCode::TooLarge, "")]);
    }

    #[test]
    fn long_values_and_paths_are_cut_at_a_character() {
        let long = "é".repeat(limits::FIELD_VALUE);
        let flat = flat(&format!(r#"{{"a":"{long}","x{long}":{{"y":1}}}}"#));
        assert_eq!(flat.leaves[0].value.len(), limits::FIELD_VALUE);
        assert_eq!(flat.leaves[1].path.len(), limits::FIELD_PATH - 1);
        assert_eq!(problems(&flat)[0], (ProblemCode::TooLarge, "a"));
        assert_eq!(problems(&flat)[1].0, ProblemCode::TooLarge);
    }

    #[test]
    fn the_budget_ends_a_request_of_many_large_events() {
        let mut budget = Budget { work: 100, out: limits::DECODED };
        let mut flat = Flat::default();
        let text = format!("[{}1]", "1,".repeat(30));
        flat.add(&mut budget, "a", "", value(&text).unwrap());
        flat.add(&mut budget, "b", "", value(&text).unwrap());
        assert_eq!((flat.leaves.len(), problems(&flat)), (31, vec![(ProblemCode::TooLarge, "")]));
        assert!(!budget.keep(limits::DECODED));
    }

    #[test]
    fn text_that_breaks_off_is_read_to_its_end() {
        let whole = r#"{"H":{"a":1},"B":[{"x":"y"},{"z":[1,{"q":2}]}]}"#;
        for end in 0..whole.len() {
            let mut flat = Flat::default();
            flat.add_text(&mut Budget::default(), "", "", &whole[..end]);
            let before = whole[..end].matches(['1', '2']).count();
            // A number at the very end may have further digits.
            assert!(flat.leaves.iter().filter(|l| !l.text).count() + 1 >= before, "{end}");
        }
        let mut flat = Flat::default();
        flat.add_text(&mut Budget::default(), "", "", &whole[..whole.len() - 4]);
        assert_eq!(
            pairs(&flat),
            [("H.a", "1"), ("B.0.x", "y"), ("B.1.z.0", "1"), ("B.1.z.1.q", "2")]
        );
        assert_eq!(problems(&flat)[0], (ProblemCode::Truncated, "B.1.z"));
        assert_eq!(object(r#"{"a":1,"b":"x"#, 9).items.len(), 1);
        assert_eq!(object(r#"{"a":{"#, 9).items, [("a".to_owned(), "{")]);
        assert_eq!(list(r#"[1,{"a"#, 9).items, ["1", r#"{"a"#]);
        assert_eq!(list("[1,2,3", 2).items, ["1", "2"]);
    }

    #[test]
    fn what_came_before_an_error_stays() {
        let cut = items(r#"[{"a":1},2,{"b":"#, 10);
        assert_eq!((cut.items.len(), cut.problem), (2, Some(ProblemCode::Truncated)));
        let bad = items("[1,2,x]", 10);
        assert_eq!((bad.items.len(), bad.problem), (2, Some(ProblemCode::Malformed)));
        let more = items("[1,2,3]", 2);
        assert_eq!((more.items.len(), more.problem), (2, Some(ProblemCode::TooLarge)));
        let tail = members(r#"{"a":1} x"#, 10);
        assert_eq!((tail.items.len(), tail.problem), (1, Some(ProblemCode::Malformed)));
        let none = members("[1]", 10);
        assert_eq!((none.items.len(), none.problem), (0, Some(ProblemCode::Malformed)));
    }
}
