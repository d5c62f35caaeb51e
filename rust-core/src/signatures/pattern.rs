//! Exceptions that name no single host: `-part^`, `||cdn.us*.example.org^`, `/^ok[0-9]+\./`.
//!
//! A list holds few of them, [`limits::LIST_PATTERNS`] at most, and they are asked only about a host
//! that the list would otherwise speak about. This module never blocks anything: a pattern that
//! cannot be read is refused, and the list's report says so.

use crate::limits;
use regex_lite::{Regex, RegexBuilder};

/// Where a match may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Anywhere.
    Anywhere,
    /// At the host's first byte: `|`.
    Host,
    /// At the first byte of a label: `||`.
    Label,
}

#[derive(Debug)]
enum Kind {
    Glob {
        start: Start,
        /// What stands between the `*`, in order; never empty.
        parts: Vec<Box<str>>,
        /// The match ends with the host: `^` or `|`.
        end: bool,
    },
    Regex(Regex),
}

/// An exception that names no single host.
#[derive(Debug)]
pub(super) struct Pattern {
    kind: Kind,
    /// Beats important rules too.
    pub(super) important: bool,
}

impl Pattern {
    /// Reads a pattern without its `@@` and its modifiers, any case. None for what is no pattern of
    /// a host: other characters, nothing but `*`, too long, or an expression that is not regular.
    pub(super) fn parse(text: &str, important: bool) -> Option<Self> {
        if text.len() > limits::LIST_PATTERN {
            return None;
        }
        let kind = match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(expression) => Kind::Regex(regex(expression)?),
            None => glob(&text.to_ascii_lowercase())?,
        };
        Some(Self { kind, important })
    }

    /// Whether it speaks about a host: lower case, without a trailing dot. Takes time in proportion
    /// to the host's length times the pattern's.
    pub(super) fn fits(&self, host: &str) -> bool {
        match &self.kind {
            Kind::Regex(regex) => regex.is_match(host),
            Kind::Glob { start, parts, end } => match start {
                Start::Host => from_here(host, parts, *end),
                Start::Anywhere => anywhere(host, parts, *end),
                Start::Label => {
                    let labels = host.match_indices('.').filter_map(|(dot, _)| host.get(dot + 1..));
                    std::iter::once(host).chain(labels).any(|rest| from_here(rest, parts, *end))
                }
            },
        }
    }

    /// A name of two labels or more that every host ends with that it speaks about.
    pub(super) fn above(&self) -> Option<&str> {
        let Kind::Glob { parts, end: true, .. } = &self.kind else { return None };
        let (_, name) = parts.last()?.split_once('.')?;
        super::is_pattern(name).then_some(name).filter(|name| !name.starts_with('.'))
    }

    pub(super) fn is_regex(&self) -> bool {
        matches!(self.kind, Kind::Regex(_))
    }
}

fn regex(expression: &str) -> Option<Regex> {
    let plain = expression.replace("\\/", "/");
    let mut builder = RegexBuilder::new(&plain);
    builder.case_insensitive(true).size_limit(limits::LIST_REGEX_SIZE);
    builder.build().ok().filter(|_| !expression.is_empty())
}

fn glob(text: &str) -> Option<Kind> {
    let (start, rest) = match (text.strip_prefix("||"), text.strip_prefix('|')) {
        (Some(rest), _) => (Start::Label, rest),
        (None, Some(rest)) => (Start::Host, rest),
        (None, None) => (Start::Anywhere, text),
    };
    let (rest, end) = body(rest);
    let start = if rest.starts_with('*') { Start::Anywhere } else { start };
    let rest = rest.trim_start_matches('*');
    let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*');
    if !rest.bytes().all(fits) || !rest.bytes().any(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    Some(Kind::Glob { start, parts: rest.split('*').map(Box::from).collect(), end })
}

/// What stands before the end of a pattern, and whether its end is that of the host. A host has no
/// separator inside, so `^` is its end, and so it is before `*`.
pub(super) fn body(text: &str) -> (&str, bool) {
    let bare = text.trim_end_matches('*');
    let ends = ["^|", "^", "|"];
    match ends.iter().find_map(|end| bare.strip_suffix(end)) {
        Some(body) if bare.len() == text.len() || !bare.ends_with('|') => (body, true),
        _ => (bare, false),
    }
}

/// Whether the parts follow each other in a text that begins with the first.
fn from_here(text: &str, parts: &[Box<str>], end: bool) -> bool {
    let Some((first, others)) = parts.split_first() else { return true };
    match text.strip_prefix(&**first) {
        Some(rest) if others.is_empty() => !end || rest.is_empty(),
        Some(rest) => anywhere(rest, others, end),
        None => false,
    }
}

/// Whether the parts follow each other, each where it is found first: one that came later would
/// leave less for the others. The last one is that at the end, where there is an end.
fn anywhere(mut text: &str, parts: &[Box<str>], end: bool) -> bool {
    let Some((last, others)) = parts.split_last() else { return true };
    for part in others {
        let Some((_, rest)) = text.split_once(&**part) else { return false };
        text = rest;
    }
    if end { text.ends_with(&**last) } else { text.contains(&**last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, host: &str) -> bool {
        Pattern::parse(pattern, false).unwrap_or_else(|| panic!("{pattern}")).fits(host)
    }

    #[test]
    fn a_pattern_speaks_about_what_its_list_means() {
        for (pattern, yes, no) in [
            (
                "-ds.a.example^|",
                &["x-ds.a.example"][..],
                &["ds.a.example", "x-ds.a.example.org"][..],
            ),
            ("b.example^", &["b.example", "ab.example", "x.b.example"], &["b.example.org"]),
            ("||b.example", &["b.example", "x.b.example", "b.example.org"], &["ab.example"]),
            ("|b.example", &["b.example", "b.example.org"], &["x.b.example"]),
            ("||b.", &["b.example", "x.b.example"], &["ab.example", "b"]),
            (
                "||us*.b.example^|",
                &["us.b.example", "x.us2.y.b.example"],
                &["xus.b.example", "usb.example"],
            ),
            ("|a*b*c^", &["abc", "a.b.c", "abcc"], &["abcd", "xabc", "acb"]),
            ("a*a^", &["aa", "xaya"], &["a", "ab"]),
            ("||*.b.example^", &["x.b.example"], &["b.example", "xb.example"]),
            ("ads.", &["ads.example", "x.ads.example", "myads.x"], &["ads", "adsx.example"]),
            ("||org^", &["org", "x.org"], &["xorg", "x.org.example"]),
            ("||B.Example^*", &["b.example"], &["b.example.org"]),
            (r"/^ok[0-9]+\.b\.example$/", &["ok7.b.example"], &["ok.b.example", "xok7.b.example"]),
            (r"/B\.example/", &["ab.examples"], &["b-example"]),
        ] {
            yes.iter().for_each(|host| assert!(fits(pattern, host), "{pattern} {host}"));
            no.iter().for_each(|host| assert!(!fits(pattern, host), "{pattern} {host}"));
        }
    }

    #[test]
    fn what_is_no_pattern_of_a_host_is_refused() {
        let long = "a".repeat(limits::LIST_PATTERN + 1);
        let large = format!("/{}/", "(a{100}){100}");
        for text in [
            "", "*", "||", "|", "^", "||.^", "a/b", "a:1", "a^b", "a|b", "ü", "a b", "//",
            "/(?!a)b/", r"/(a)\1/", "/a(/", &long, &large,
        ] {
            assert!(Pattern::parse(text, false).is_none(), "{text}");
        }
    }

    #[test]
    fn the_name_above_all_that_a_pattern_speaks_about_is_known() {
        for (pattern, name) in [
            ("-ds.a.example^|", Some("a.example")),
            ("||us*.b.example^", Some("b.example")),
            ("x.b.example^", Some("b.example")),
            ("b.example^", None),
            ("||b.example", None),
            ("*a.-..b^", None),
            (r"/a\.b\.example$/", None),
        ] {
            let parsed = Pattern::parse(pattern, false).unwrap();
            assert_eq!(parsed.above(), name, "{pattern}");
        }
    }
}
