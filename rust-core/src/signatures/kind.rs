//! What a file is of which little or nothing can be taken, so that its owner knows what to do.
//!
//! This module never decides whether a line is taken; it looks at the first bytes, at comments
//! before the first name, and at lines that were refused.

use super::foreign::Refusal;
use super::import::Report;
use crate::event::codes;

codes!(
    /// What a file is, where that is no list of names.
    Kind {
        /// Nothing but comments.
        Empty = "empty",
        /// Files packed into one: unpack it.
        Zip = "zip",
        /// Packed with xz, bzip2, zstd, 7z or rar, or twice with gzip: unpack it.
        Packed = "packed",
        /// Text of two bytes a character: save it as UTF-8.
        Utf16 = "utf-16",
        Picture = "picture",
        /// A page of the web, or another text with tags.
        Page = "page",
        /// JSON, or a document for printing.
        Document = "document",
        /// Other bytes that are no text.
        Binary = "binary",
        /// A response policy zone.
        Rpz = "rpz",
        /// Settings of unbound.
        Unbound = "unbound",
        Addresses = "addresses",
        /// Regular expressions.
        Expressions = "expressions",
        /// Rules about parts of pages.
        PageRules = "page-rules",
        /// Names to leave alone, none to block.
        Exceptions = "exceptions",
    }
);

/// Comment lines that are looked at.
const HEAD_LINES: u32 = 100;

/// Looks at the lines of a list as they are read.
#[derive(Default)]
pub(super) struct Watch {
    first: Option<Kind>,
    /// Comments and empty lines so far.
    quiet: u32,
    /// Other lines.
    spoken: u64,
    means_below: bool,
    zone: u64,
    unbound: u64,
    expressions: u64,
    tags: u64,
}

impl Watch {
    /// Looks at the first line as it is in the file.
    pub(super) fn begin(&mut self, bytes: &[u8]) {
        self.first = magic(bytes);
    }

    /// Looks at a line and what came of it.
    #[inline]
    pub(super) fn line(&mut self, text: &str, outcome: Result<(), Refusal>) {
        match outcome {
            Ok(()) if self.spoken == 0 && self.quiet < HEAD_LINES => self.head(text),
            Ok(()) => {}
            Err(reason) => self.refused(text, reason),
        }
    }

    fn head(&mut self, text: &str) {
        if !text.trim_start_matches('\u{feff}').trim_start().starts_with(['#', '!', ';', '/']) {
            self.spoken += u64::from(!text.trim().is_empty());
            return;
        }
        self.quiet += 1;
        let text = text.to_ascii_lowercase();
        let words = ["wildcard", "without subdomains", "should block access to"];
        self.means_below |= words.iter().any(|word| text.contains(word));
    }

    #[cold]
    fn refused(&mut self, text: &str, reason: Refusal) {
        self.spoken += 1;
        let text = text.trim_start();
        let record = |word: &str| matches!(word, "CNAME" | "SOA" | "NS" | "A" | "AAAA" | "TXT");
        match reason {
            Refusal::Unknown if text.starts_with('<') => self.tags += 1,
            Refusal::Unknown if text.starts_with("local-") => self.unbound += 1,
            Refusal::Unknown
                if text.starts_with('$') || text.split_ascii_whitespace().any(record) =>
            {
                self.zone += 1;
            }
            Refusal::Pattern if text.contains(['\\', '(', '^', '[']) || text.starts_with('/') => {
                self.expressions += 1;
            }
            _ => {}
        }
    }

    /// Whether the list says that its names stand for all that is under them.
    pub(super) fn means_below(&self) -> bool {
        self.means_below
    }

    /// What the file is, where more lines are of that kind than names were taken.
    pub(super) fn kind(&self, report: &Report) -> Option<Kind> {
        let refused = |reason| report.refused.get(&reason).map_or(0, |seen| seen.count);
        let all: u64 = report.refused.values().map(|seen| seen.count).sum();
        if report.names == 0 && self.first.is_some() {
            return self.first;
        }
        if report.names == 0 && all == 0 {
            return Some(if report.exceptions > 0 { Kind::Exceptions } else { Kind::Empty });
        }
        let kinds = [
            (Kind::Rpz, self.zone),
            (Kind::Unbound, self.unbound),
            (Kind::Addresses, refused(Refusal::Address)),
            (Kind::Expressions, self.expressions),
            (Kind::PageRules, refused(Refusal::NotDns)),
            (Kind::Page, self.tags),
            (Kind::Binary, refused(Refusal::NotText)),
        ];
        let (kind, most) = kinds.into_iter().max_by_key(|(_, count)| *count)?;
        let rules = !matches!(kind, Kind::Page | Kind::Binary);
        let told = if rules { most > u64::from(report.names) } else { report.names == 0 };
        let told = told && most > 0 && most * 2 >= all;
        let exceptions = report.names == 0 && report.exceptions > 0;
        told.then_some(kind).or(exceptions.then_some(Kind::Exceptions))
    }
}

/// What the first bytes of a file say.
fn magic(bytes: &[u8]) -> Option<Kind> {
    let begins = |marks: &[&[u8]]| marks.iter().any(|mark| bytes.starts_with(mark));
    let text = bytes.trim_ascii_start().to_ascii_lowercase();
    let says = |marks: &[&str]| marks.iter().any(|mark| text.starts_with(mark.as_bytes()));
    let pairs = bytes.first_chunk::<4>();
    let wide = pairs.is_some_and(|[a, b, c, d]| {
        (*a == 0) != (*b == 0) && (*a == 0) == (*c == 0) && (*b == 0) == (*d == 0)
    });
    let riff = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    if begins(&[b"PK\x03\x04", b"PK\x05\x06"]) {
        Some(Kind::Zip)
    } else if begins(&[
        b"\xfd7zXZ\0",
        b"BZh",
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf",
        b"Rar!",
        b"\x1f\x8b",
    ]) {
        Some(Kind::Packed)
    } else if riff
        || begins(&[b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\0\0\x01\0", b"II*\0", b"MM\0*"])
    {
        Some(Kind::Picture)
    } else if begins(&[b"\xff\xfe", b"\xfe\xff"]) || wide {
        Some(Kind::Utf16)
    } else if says(&["<!doctype", "<html", "<head", "<?xml", "<svg"]) {
        Some(Kind::Page)
    } else if says(&["%pdf-", "{\\rtf", "{\"", "[{", "[\""]) || &text[..] == b"{" {
        Some(Kind::Document)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Category, Choice, HostTable, ImportError, Importer, Listing};
    use super::*;

    fn report(bytes: &[u8]) -> Report {
        let mut importer = Importer::new(HostTable::builtin(), false);
        bytes.split_inclusive(|b| *b == b'\n').for_each(|line| importer.line(line));
        let (name, source) = ("mine".to_owned(), "s".to_owned());
        let (category, listing) = (Category::Ads, Listing::Block);
        match importer.finish(&Choice { name, source, category, listing, below: false }) {
            Ok((_, report)) => report,
            Err(ImportError::Nothing(report)) => *report,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_file_of_which_nothing_is_taken_says_what_it_is() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let zone = "$TTL 300\n@ SOA localhost. root.localhost. 1 2 3 4 5\n NS localhost.\n\
            ; words\nads.example.com CNAME .\n*.ads.example.com CNAME .\n";
        for (bytes, kind) in [
            (&b""[..], Kind::Empty),
            (b"# words\n\n! more\n", Kind::Empty),
            (b"PK\x03\x04\x14\0\0\0\x08\0\n\xff\xfe", Kind::Zip),
            (b"\xfd7zXZ\0\0\x04\n", Kind::Packed),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0", Kind::Picture),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Kind::Picture),
            (&wide("\u{feff}0.0.0.0 a.example.com\n"), Kind::Utf16),
            (&wide("0.0.0.0 a.example.com\n"), Kind::Utf16),
            (b"<!DOCTYPE html>\n<html><body>\nads\n</body>", Kind::Page),
            (b"\n\n<p>\n<b>\n", Kind::Page),
            (b"{\"domains\": [\"a.example.com\"]}", Kind::Document),
            (b"%PDF-1.7\n", Kind::Document),
            (b"a\0\x01\n\xff\n\x80\n", Kind::Binary),
            (zone.as_bytes(), Kind::Rpz),
            (b"server:\nlocal-zone: \"a.example.com\" always_nxdomain\n", Kind::Unbound),
            (b"192.0.2.1\n198.51.100.0/24 ; words\n2001:db8::/32\n", Kind::Addresses),
            (br"(\.|^)ads\.example\.com$", Kind::Expressions),
            (b"/ads[0-9]+/\n/^x\\.y$/\n", Kind::Expressions),
            (b"! head\n##.banner\na.example.com##.x\n||a.example.com/b\n", Kind::PageRules),
            (b"@@||a.example.com^\n", Kind::Exceptions),
            (b"server=/a.example.com/192.0.2.1\n", Kind::Exceptions),
        ] {
            let report = report(bytes);
            assert_eq!((report.names, report.kind), (0, Some(kind)), "{bytes:?}");
        }
    }

    #[test]
    fn a_list_of_names_is_of_no_other_kind() {
        for text in ["a.example.com\n", "a.example.com\n192.0.2.1\n", "||a.example.com^\nx##.y\n"] {
            assert_eq!(report(text.as_bytes()).kind, None, "{text}");
        }
        assert_eq!(report(b"a.example.com\n192.0.2.1\n192.0.2.2\n").kind, Some(Kind::Addresses));
    }

    #[test]
    fn a_head_may_say_that_names_stand_for_all_under_them() {
        for (text, means) in [
            ("# Syntax: Domains (wildcards) without *.\na.example.com\n", true),
            ("# Syntax: Domains (without subdomains)\na.example.com\n", true),
            ("# Syntax: Domains (including possible subdomains)\na.example.com\n", false),
            ("# Title: ads\na.example.com\n# wildcard\n", false),
        ] {
            assert_eq!(report(text.as_bytes()).means_below, means, "{text}");
        }
    }
}
