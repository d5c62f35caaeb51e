//! A text read once into a row of its values, each before those in it: whoever goes down several
//! levels need not read the lower ones anew. Never repairs: what stands before the place where the
//! text breaks off is there, and whatever it breaks off in is marked.

use super::scan::Scanner;
use super::{code, name};
use crate::event::ProblemCode;
use crate::limits;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Levels of which the values are told apart; those below stay the text of what holds them.
const LEVELS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Sort {
    Text,
    /// A number or a word.
    Scalar,
    List,
    Object,
}

/// One value.
pub(in crate::decode) struct Node<'a> {
    /// As of a [`super::Member`]; empty in a list.
    pub(in crate::decode) name: Cow<'a, str>,
    /// Text without quotes and escapes; of all else what was written.
    pub(in crate::decode) value: Cow<'a, str>,
    pub(in crate::decode) sort: Sort,
    /// Whether the text breaks off in it, or what is between the quotes is no text.
    pub(in crate::decode) broken: bool,
    /// Place behind it and what is in it.
    next: usize,
}

/// At most [`limits::JSON_NODES`] values.
pub(in crate::decode) struct Tape<'a> {
    nodes: Vec<Node<'a>>,
    /// Why the text breaks off.
    pub(in crate::decode) problem: Option<ProblemCode>,
}

impl<'a> Tape<'a> {
    pub(in crate::decode) fn new(text: &'a str) -> Self {
        let nodes = Vec::with_capacity((text.len() / 16).min(limits::JSON_NODES));
        let mut writer = Writer { text, scanner: Scanner::new(text), nodes };
        let whole = writer.value(Cow::Borrowed(""), 0).is_some() && writer.scanner.is_done();
        let full = writer.nodes.len() == limits::JSON_NODES;
        let problem = (!whole).then(|| match serde_json::from_str::<&RawValue>(text) {
            _ if full => ProblemCode::TooLarge,
            Err(error) => code(&error),
            Ok(_) => ProblemCode::Malformed,
        });
        Self { nodes: writer.nodes, problem }
    }

    /// The value at a place, 0 that of the whole.
    pub(in crate::decode) fn at(&self, place: usize) -> Option<&Node<'a>> {
        self.nodes.get(place)
    }

    /// What is in the value at a place, with its places.
    pub(in crate::decode) fn within(
        &self,
        place: usize,
    ) -> impl Iterator<Item = (usize, &Node<'a>)> {
        let end = self.nodes.get(place).map_or(0, |node| node.next);
        let mut next = place + 1;
        std::iter::from_fn(move || {
            let place = next;
            let node = self.nodes.get(place).filter(|_| place < end)?;
            next = node.next;
            Some((place, node))
        })
    }
}

struct Writer<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Writer<'a> {
    /// One value; `None` where the text breaks off in it or there is no room for more.
    fn value(&mut self, named: Cow<'a, str>, level: usize) -> Option<()> {
        let open = self.scanner.peek()?;
        if self.nodes.len() == limits::JSON_NODES {
            return None;
        }
        let (place, start, mut broken) = (self.nodes.len(), self.scanner.at(), false);
        let (value, sort) = match open {
            b'"' => match self.scanner.string() {
                Some(text) => (text, Sort::Text),
                None => {
                    // Half of a surrogate pair is JSON and no text.
                    broken = true;
                    (Cow::Borrowed(self.skip(start)?.trim_matches('"')), Sort::Text)
                }
            },
            b'{' | b'[' => {
                let sort = if open == b'{' { Sort::Object } else { Sort::List };
                let node =
                    Node { name: named, value: Cow::Borrowed(""), sort, broken: true, next: 0 };
                self.nodes.push(node);
                let whole = self.container(open, level);
                let end = if whole.is_some() { self.scanner.at() } else { self.text.len() };
                let next = self.nodes.len();
                let node = self.nodes.get_mut(place)?;
                node.value = Cow::Borrowed(self.text.get(start..end)?);
                (node.broken, node.next) = (whole.is_none(), next);
                return whole;
            }
            _ => (Cow::Borrowed(self.scanner.scalar()?), Sort::Scalar),
        };
        self.nodes.push(Node { name: named, value, sort, broken, next: place + 1 });
        Some(())
    }

    /// Steps over the value that begins at `start`, of any depth, as the library does.
    fn skip(&mut self, start: usize) -> Option<&'a str> {
        let rest = self.text.get(start..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        self.scanner.go(start + values.byte_offset());
        Some(value.get())
    }

    fn container(&mut self, open: u8, level: usize) -> Option<()> {
        if level == LEVELS {
            let start = self.scanner.at();
            if self.scanner.value().is_none() {
                self.skip(start)?;
            }
            return Some(());
        }
        self.scanner.take(open)?;
        let mut first = true;
        while self.scanner.next(first, open + 2)? {
            first = false;
            let mut named = Cow::Borrowed("");
            if open == b'{' {
                named = name(self.scanner.string()?);
                self.scanner.take(b':')?;
            }
            self.value(named, level + 1)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::vectors::{Random, mutate};

    /// The values in a row, with their levels.
    fn shown(tape: &Tape<'_>, place: usize, level: usize, into: &mut Vec<String>) {
        for (place, node) in tape.within(place) {
            let sign = if node.broken { "!" } else { "" };
            let value = if node.next == place + 1 { &*node.value } else { "" };
            into.push(format!("{level}{sign}{}={value}", node.name));
            shown(tape, place, level + 1, into);
        }
    }

    fn row(text: &str) -> (Vec<String>, Option<ProblemCode>) {
        let tape = Tape::new(text);
        let mut row = Vec::new();
        shown(&tape, 0, 0, &mut row);
        (row, tape.problem)
    }

    #[test]
    fn values_stand_in_a_row_before_those_in_them() {
        let text = r#" {"a":1,"b\u0041":["x\n",{"c":null}],"d":{}} "#;
        let expected = ["0a=1", "0bA=", "1=x\n", "1=", "2c=null", "0d={}"];
        assert_eq!(row(text), (expected.map(str::to_owned).to_vec(), None));
        assert_eq!(Tape::new(text).at(0).map(|node| node.sort), Some(Sort::Object));
        assert_eq!(Tape::new("").at(0).map(|node| node.sort), None);
    }

    #[test]
    fn what_breaks_off_is_there_up_to_that_place() {
        let (rows, problem) = row(r#"{"a":1,"b":[{"c":2,"d":"x"#);
        assert_eq!(rows, ["0a=1", "0!b=", "1!=", "2c=2"]);
        assert_eq!(problem, Some(ProblemCode::Truncated));
        let (rows, problem) = row(r#"{"a":1,"b":x}"#);
        assert_eq!((rows.len(), problem), (1, Some(ProblemCode::Malformed)));
        assert_eq!(
            row(r#"{"a":"x\ud800","b":1}"#),
            (vec![r"0!a=x\ud800".into(), "0b=1".into()], None)
        );
        assert_eq!(row(r#"{"a\ud800":1}"#).1, Some(ProblemCode::Malformed));
        assert_eq!(row(r#"{"a":1} x"#).1, Some(ProblemCode::Malformed));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        for depth in [LEVELS, 60, 100, 5000] {
            let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            let (rows, problem) = row(&format!("{{\"a\":{deep},\"b\":2}}"));
            assert_eq!(problem, None, "{depth}");
            assert_eq!(rows.last().map(String::as_str), Some("0b=2"), "{depth}");
        }
        let many = format!("[{}1]", "1,".repeat(limits::JSON_NODES));
        let tape = Tape::new(&many);
        assert_eq!(
            (tape.nodes.len(), tape.problem),
            (limits::JSON_NODES, Some(ProblemCode::TooLarge))
        );
    }

    #[test]
    fn a_mutated_text_is_whole_where_the_library_says_so() {
        let seed = br#"{"a":[1,-2.5e3,{"b":"\u00e9\n x"}],"c":{"d":null,"e":[true,[]]},"f":"long enough"}"#;
        let mut random = Random(0x7461_7065);
        for _ in 0..20_000 {
            let mut text = seed.to_vec();
            mutate(&mut random, &mut text);
            let Ok(text) = String::from_utf8(text) else { continue };
            let tape = Tape::new(&text);
            let whole = serde_json::from_str::<&RawValue>(&text).is_ok();
            let odd = text.contains("\\u");
            assert!(tape.problem.is_none() == whole || odd, "{text}");
            assert!(whole || tape.at(0).is_none_or(|root| root.broken || root.next > 0), "{text}");
        }
    }
}
