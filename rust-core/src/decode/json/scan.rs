//! JSON read in one pass, where nothing is wrong with it (RFC 8259). Never repairs: whatever is out
//! of the ordinary ends in `None`, and the rest of this module reads it again part by part.

use crate::limits;
use std::borrow::Cow;

/// A place in a text.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes before this place.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on behind the first `at` bytes.
    pub(super) fn go(&mut self, at: usize) {
        self.at = at;
    }

    /// Whether nothing but white space follows.
    pub(super) fn is_done(mut self) -> bool {
        self.peek().is_none()
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                byte if byte > b' ' => return Some(byte),
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Takes this byte, after white space.
    pub(super) fn take(&mut self, wanted: u8) -> Option<()> {
        // Few senders write white space.
        if self.text.as_bytes().get(self.at) == Some(&wanted) || self.peek()? == wanted {
            self.at += 1;
            return Some(());
        }
        None
    }

    /// Takes a text that is written here, if it is.
    pub(super) fn skip_text(&mut self, text: &str) -> bool {
        let bytes = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let found = bytes.starts_with(text.as_bytes());
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Takes what separates two members, or the end: whether one more follows. `None` where it is
    /// neither. Before the first member there is nothing to separate.
    pub(super) fn next(&mut self, first: bool, end: u8) -> Option<bool> {
        let byte = self.peek()?;
        if byte == end {
            self.at += 1;
            return Some(false);
        }
        if first {
            return Some(true);
        }
        if byte != b',' {
            return None;
        }
        self.at += 1;
        (self.peek()? != end).then_some(true)
    }

    /// The text between quotes, and whether it has escapes.
    fn quoted(&mut self) -> Option<(&'a str, bool)> {
        self.take(b'"')?;
        let (start, mut escaped) = (self.at, false);
        let bytes = self.text.as_bytes();
        loop {
            self.at += plain(bytes.get(self.at..)?);
            match bytes.get(self.at)? {
                b'"' => break,
                b'\\' => escaped = true,
                _ => return None,
            }
            // What is escaped is checked by whoever undoes it; here only the quote counts.
            self.at += 2;
        }
        let inner = self.text.get(start..self.at)?;
        self.at += 1;
        Some((inner, escaped))
    }

    /// A string without escapes, most of them; where it is another one, nothing is taken.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let rest = self.text.as_bytes().get(start..)?;
        let size = plain(rest);
        let found = self.text.get(start..start + size)?;
        if rest.get(size) != Some(&b'"') {
            return None;
        }
        self.at = start + size + 1;
        Some(found)
    }

    /// A string with its escapes undone.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let (inner, escaped) = self.quoted()?;
        if !escaped {
            return Some(Cow::Borrowed(inner));
        }
        let quoted = self.text.get(start..self.at)?;
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    }

    /// A number or a word, as it is written.
    pub(super) fn scalar(&mut self) -> Option<&'a str> {
        self.peek()?;
        let rest = self.text.get(self.at..)?;
        let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let end = rest.as_bytes().iter().position(|b| !inner(b));
        let word = rest.get(..end.unwrap_or(rest.len()))?;
        if !(matches!(word, "true" | "false" | "null") || is_number(word)) {
            return None;
        }
        self.at += word.len();
        Some(word)
    }

    /// The text of a whole value, checked.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.skip(0)?;
        self.text.get(start..self.at)
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                // Escapes must be right for the whole to be.
                self.string().map(drop)
            }
            open @ (b'{' | b'[') => {
                if depth == limits::JSON_DEPTH {
                    return None;
                }
                self.at += 1;
                let end = open + 2;
                let mut first = true;
                while self.next(first, end)? {
                    first = false;
                    if open == b'{' {
                        self.string()?;
                        self.take(b':')?;
                    }
                    self.skip(depth + 1)?;
                }
                Some(())
            }
            _ => self.scalar().map(drop),
        }
    }
}

/// How many bytes come before a quote, a backslash or a control character, eight looked at at once.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The lowest flag that either sets is right; those above it may not be.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let found = below(word, b' ') | equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| *b < b' ' || matches!(b, b'"' | b'\\')).unwrap_or(rest.len())
}

/// RFC 8259 §6.
fn is_number(word: &str) -> bool {
    fn digits(bytes: &[u8]) -> (usize, &[u8]) {
        let count = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        (count, bytes.get(count..).unwrap_or_default())
    }
    let bytes = word.as_bytes();
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, mut rest) = digits(bytes);
    if whole == 0 || whole > 1 && bytes.starts_with(b"0") {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let sign = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-"));
        let (count, after) = digits(sign.unwrap_or(exponent));
        return count > 0 && after.is_empty();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::vectors::Random;

    fn whole(text: &str) -> Option<&str> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value()?;
        scanner.is_done().then_some(value)
    }

    #[test]
    fn what_is_accepted_is_json() {
        for good in [
            "0",
            "-0.5e+3",
            "true",
            "null",
            r#""""#,
            r#""a\"\\\u0041""#,
            "[]",
            "{}",
            "[ 1 , [ ] ]",
            r#" {"a" : {"b":[1,"x"]} , "c":null} "#,
            "1e999",
            "\"é😀\"",
        ] {
            assert_eq!(whole(good), Some(good.trim()), "{good}");
        }
        for bad in [
            "",
            "01",
            "-",
            "1.",
            "1e",
            ".5",
            "+1",
            "nul",
            "truex",
            "\"",
            "\"\\",
            "\"\\x\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{1:2}",
            "\"\n\"",
            "[1",
            "{]",
            "\"\\ud800\"",
            "1 2",
        ] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_string_is_found_to_its_end_at_every_length() {
        for length in 0..40 {
            let before = "ÿ~ !xé#[".chars().cycle().take(length).collect::<String>();
            for stop in ["\"", "\\", "\u{1f}", "\n"] {
                for after in ["", "x", "\"\\\n plain again"] {
                    let text = format!("{before}{stop}{after}");
                    assert_eq!(plain(text.as_bytes()), before.len(), "{text:?}");
                }
            }
            assert_eq!(plain(before.as_bytes()), before.len());
        }
    }

    #[test]
    fn mutated_texts_that_are_accepted_are_accepted_by_serde_too() {
        let seed = br#"{"a":[1,-2.5e3,{"b":"\u00e9\n x"}],"c":{"d":null,"e":[true,false,[]]},"f":"long enough for a word"}"#;
        let mut random = Random(0x7363_616e);
        let mut accepted = 0;
        for _ in 0..60_000 {
            let mut text = seed.to_vec();
            crate::decode::vectors::mutate(&mut random, &mut text);
            let Ok(text) = String::from_utf8(text) else { continue };
            let serde = serde_json::from_str::<&serde_json::value::RawValue>(&text);
            let scanned = whole(&text);
            if let Some(value) = scanned {
                accepted += 1;
                assert_eq!(serde.map(|v| v.get()).ok(), Some(value), "{text}");
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }
}
