//! A list of hosts as people write it: CSV with a few comment lines at its head.
//!
//! This module never opens a file and never decides; it turns text into [`Rule`]s or says where
//! the text is wrong. The build script uses the same source for the lists that are compiled in.
//! `docs/signatures.md` describes the form.

use super::address::Prefix;
use crate::event::{Protocol, codes};
use std::collections::HashMap;

codes!(
    /// What a list says about a host, before the owner's choices.
    Listing {
        /// Nothing should reach it.
        Block = "block",
        /// Too useful or too shared to be blocked; what is said is recorded.
        Record = "record",
        /// Known, and left alone because stopping it hurts.
        Allow = "allow",
        /// Left alone whatever another list or a setting says; only a host override beats it.
        Never = "never",
    }
);

codes!(
    /// What a host is for.
    Category {
        Analytics = "analytics",
        /// What is visited, searched and read in a browser.
        BrowserAnalytics = "browser-analytics",
        Crash = "crash",
        Ads = "ads",
        Push = "push",
        /// Hands out or collects identifiers of the phone.
        DeviceId = "device-id",
        /// Tells a tracker or an app what to do.
        Config = "config",
        /// Resolves names beside the phone's resolver.
        ResolverBypass = "resolver-bypass",
        Location = "location",
        Security = "security",
        /// Where the operator of a tracker looks at the data.
        Console = "console",
        /// Hands out a tracker's program.
        Sdk = "sdk",
        /// Takes logs of any customer.
        LogService = "log-service",
        Account = "account",
        Update = "update",
        /// Sync and anti-theft.
        Cloud = "cloud",
        /// Devices at home.
        Home = "home",
        CaptivePortal = "captive-portal",
        Other = "other",
    }
);

codes!(
    /// Whose phones send there: the vendor's programs choose the server by where a phone is sold.
    Region {
        China = "cn",
        India = "in",
        Russia = "ru",
        /// Outside China. Of India and Russia where these have no server of their own.
        World = "intl",
    }
);

/// The host of what somebody typed or pasted: lower case, without scheme, user, port, path and
/// trailing dot.
pub fn host_of(input: &str) -> String {
    let input = input.trim();
    let rest = input.split_once("://").map_or(input, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The columns of a list, in their order. A list may do without the last one.
pub const COLUMNS: [&str; 9] = [
    "host",
    "owner",
    "category",
    "default",
    "side_effect",
    "protocol",
    "source",
    "licence",
    "region",
];

/// Names that so many share that no list may block them with everything under them; nor a name
/// above them.
pub const SHARED: [&str; 3] = ["miui.com", "xiaomi.com", "log.aliyuncs.com"];

const PATTERN: &str = "a host in lower case such as a.example.com, .example.com for all under it, \
    or an address such as 203.0.113.9 or 203.0.113.0/24";

/// Longest host, characters (RFC 1035 §2.3.4: 255 bytes on the wire).
pub(crate) const HOST: usize = 253;

/// One row of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// A host, or with a leading dot a host and everything under it, lower case; or an address,
    /// or with `/` and a number of bits a group of addresses.
    pub pattern: &'a str,
    /// Who runs it.
    pub owner: &'a str,
    /// What it is for.
    pub category: Category,
    /// What happens to it by default.
    pub listing: Listing,
    /// What stops working without it; empty where nothing is known.
    pub side_effect: &'a str,
    /// The format that is sent there.
    pub protocol: Option<Protocol>,
    /// Whose phones send there, where that is known.
    pub region: Option<Region>,
    /// Where the row was learned.
    pub source: &'a str,
    /// Licences of the sources; `fact` for what is nobody's text.
    pub licence: &'a str,
    /// List and version, `xiaomi@3`.
    pub list: &'a str,
}

/// A parsed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<'a> {
    id: String,
    rules: Vec<Rule<'a>>,
}

impl List<'_> {
    /// List and version, `xiaomi@3`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The rows, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        self.rules.iter().map(|rule| Rule { list: &self.id, ..*rule })
    }
}

/// Why a list was refused: the first place that is wrong, and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: expected {expected}")]
pub struct ListError {
    /// The name that was given to [`parse_list`].
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What belongs there.
    pub expected: String,
}

/// Reads a list. `file` only names it in errors.
pub fn parse_list<'a>(text: &'a str, file: &str) -> Result<List<'a>, ListError> {
    let mut head = Head::default();
    let mut rules = Vec::new();
    let mut seen = HashMap::new();
    let mut number = 0;
    for text in text.lines() {
        number += 1;
        let line = Line { file, number, text };
        if let Some(at) = text.find(char::is_control) {
            return Err(line.wrong(at, "no control character"));
        }
        if let Some(comment) = text.strip_prefix('#') {
            head.comment(&line, comment)?;
        } else if text.is_empty() {
        } else if head.columns == 0 {
            head.check(&line)?;
        } else {
            let rule = row(&line, head.columns)?;
            if let Some(first) = seen.insert(rule.pattern, number) {
                return Err(line.wrong(0, format!("a host other than that of line {first}")));
            }
            rules.push(rule);
        }
    }
    let end = Line { file, number: number + 1, text: "" };
    let id = if head.columns > 0 { head.id(&end)? } else { return Err(head.absent(&end)) };
    Ok(List { id, rules })
}

/// What precedes the rows.
#[derive(Default)]
struct Head<'a> {
    list: Option<&'a str>,
    version: Option<u32>,
    /// How many there are, once they were named.
    columns: usize,
}

impl<'a> Head<'a> {
    fn comment(&mut self, line: &Line<'a, '_>, comment: &'a str) -> Result<(), ListError> {
        let Some((key, value)) = comment.split_once(':').filter(|_| self.columns == 0) else {
            return Ok(());
        };
        let value = value.trim();
        let at = line.offset(value);
        match key.trim() {
            "list" => {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                if value.is_empty() || !value.bytes().all(fits) {
                    return Err(line.wrong(at, "a name of a-z, 0-9 and -"));
                }
                self.list = Some(value);
            }
            "version" => {
                let version = value.parse().map_err(|_| line.wrong(at, "a whole number"))?;
                self.version = Some(version);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the line that names the columns.
    fn check(&mut self, line: &Line<'a, '_>) -> Result<(), ListError> {
        self.id(line)?;
        let least = COLUMNS.len() - 1;
        let count = if line.text.split(',').count() > least { COLUMNS.len() } else { least };
        for (cell, name) in line.cells(count)?.iter().zip(COLUMNS).take(count) {
            if cell.text != name {
                return Err(line.wrong(cell.at, format!("the column name {name}")));
            }
        }
        self.columns = count;
        Ok(())
    }

    fn id(&self, line: &Line<'_, '_>) -> Result<String, ListError> {
        let list = self.list.ok_or_else(|| line.wrong(0, "`# list: NAME` before the columns"))?;
        let missing = || line.wrong(0, "`# version: NUMBER` before the columns");
        Ok(format!("{list}@{}", self.version.ok_or_else(missing)?))
    }

    fn absent(&self, line: &Line<'_, '_>) -> ListError {
        line.wrong(0, format!("a line with the columns {}", COLUMNS.join(",")))
    }
}

/// A field of a line and the byte where it starts.
#[derive(Clone, Copy, Default)]
struct Cell<'a> {
    at: usize,
    text: &'a str,
}

struct Line<'a, 'f> {
    file: &'f str,
    number: usize,
    text: &'a str,
}

impl<'a> Line<'a, '_> {
    fn wrong(&self, at: usize, expected: impl Into<String>) -> ListError {
        let column = self.text.get(..at).unwrap_or(self.text).chars().count() + 1;
        let (file, line) = (self.file.to_owned(), self.number);
        ListError { file, line, column, expected: expected.into() }
    }

    /// Where a part of this line starts.
    fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    /// The first `count` fields, the others empty. Split here and not by a CSV reader, because those
    /// do not tell a field's column.
    fn cells(&self, count: usize) -> Result<[Cell<'a>; COLUMNS.len()], ListError> {
        let mut cells = [Cell::default(); COLUMNS.len()];
        let mut at = 0;
        let names = COLUMNS.get(..count).unwrap_or(&COLUMNS);
        for (index, cell) in cells.iter_mut().enumerate().take(count) {
            let (found, end) = self.cell(at)?;
            *cell = found;
            match (self.text.as_bytes().get(end), names.get(index + 1)) {
                (Some(_), Some(_)) => at = end + 1,
                (None, None) => {}
                (Some(_), None) => return Err(self.wrong(end, "the end of the line")),
                (None, Some(next)) => {
                    return Err(self.wrong(end, format!("a comma and the column {next}")));
                }
            }
        }
        Ok(cells)
    }

    /// The field that starts at a byte, and the byte after it: a comma or the end.
    fn cell(&self, start: usize) -> Result<(Cell<'a>, usize), ListError> {
        let rest = self.text.get(start..).unwrap_or_default();
        let Some(quoted) = rest.strip_prefix('"') else {
            let text = rest.split(',').next().unwrap_or_default();
            if let Some(quote) = text.find('"') {
                return Err(self.wrong(start + quote, "no quotation mark inside a field"));
            }
            return Ok((Cell { at: start, text }, start + text.len()));
        };
        let length = quoted
            .find('"')
            .ok_or_else(|| self.wrong(self.text.len(), "a closing quotation mark"))?;
        let end = start + length + 2;
        if !matches!(self.text.as_bytes().get(end), None | Some(b',')) {
            return Err(self.wrong(end, "a comma or the end of the line"));
        }
        let text = quoted.get(..length).unwrap_or_default();
        Ok((Cell { at: start + 1, text }, end))
    }
}

fn row<'a>(line: &Line<'a, '_>, columns: usize) -> Result<Rule<'a>, ListError> {
    let [host, owner, category, default, side_effect, protocol, source, licence, region] =
        line.cells(columns)?;
    let filled = |cell: Cell<'a>, what: &str| match cell.text.trim() {
        "" => Err(line.wrong(cell.at, what)),
        text => Ok(text),
    };
    if !is_pattern(host.text) && Prefix::parse(host.text).is_none() {
        return Err(line.wrong(host.at, PATTERN));
    }
    let listing = code(line, default, Listing::ALL)?;
    if listing == Listing::Block && shared(host.text) {
        return Err(line.wrong(
            default.at,
            "record or allow: too much that is no telemetry lives under this name",
        ));
    }
    Ok(Rule {
        pattern: host.text,
        owner: filled(owner, "the owner's name")?,
        category: code(line, category, Category::ALL)?,
        listing,
        side_effect: side_effect.text.trim(),
        protocol: match protocol.text {
            "" => None,
            _ => Some(code(line, protocol, Protocol::ALL)?),
        },
        region: match region.text {
            "" => None,
            _ => Some(code(line, region, Region::ALL)?),
        },
        source: filled(source, "where this was learned")?,
        licence: filled(licence, "the source's licence, or fact")?,
        list: "",
    })
}

fn code<T: Copy + std::fmt::Display + std::str::FromStr>(
    line: &Line<'_, '_>,
    cell: Cell<'_>,
    all: &[T],
) -> Result<T, ListError> {
    cell.text.parse().map_err(|_| {
        let words: Vec<_> = all.iter().map(T::to_string).collect();
        line.wrong(cell.at, format!("one of {}", words.join(", ")))
    })
}

/// Whether a pattern covers one of [`SHARED`] and everything under it.
pub(crate) fn shared(pattern: &str) -> bool {
    pattern.starts_with('.')
        && SHARED.iter().any(|name| {
            name.strip_suffix(pattern.trim_start_matches('.'))
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

/// Whether a text is a host of two labels or more, perhaps with a leading dot, in lower case.
/// Underscores occur in real names; a last label of digits would be an address.
pub(crate) fn is_pattern(text: &str) -> bool {
    let host = text.strip_prefix('.').unwrap_or(text);
    let fits = |label: usize| (1..=63).contains(&label);
    let (mut label, mut digits, mut dots) = (0, true, false);
    for byte in host.bytes() {
        match byte {
            b'.' if fits(label) => {
                (label, digits, dots) = (0, true, true);
                continue;
            }
            b'0'..=b'9' => {}
            b'a'..=b'z' | b'-' | b'_' => digits = false,
            _ => return false,
        }
        label += 1;
    }
    host.len() <= HOST && dots && fits(label) && !digits
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# list: mine\n# version: 3\n# free words: as many as you like\n\
        host,owner,category,default,side_effect,protocol,source,licence\n";

    fn list(rows: &str) -> String {
        format!("{HEAD}{rows}")
    }

    fn refused(text: &str) -> (usize, usize, String) {
        let error = parse_list(text, "mine.csv").unwrap_err();
        assert_eq!(error.file, "mine.csv");
        (error.line, error.column, error.expected)
    }

    #[test]
    fn a_row_is_read_whole() {
        let text = list(".a.example.com,Someone,ads,block,,sensors,\"a list, of 2020\",MIT\r\n");
        let list = parse_list(&text, "mine.csv").unwrap();
        assert_eq!(list.id(), "mine@3");
        let rule = Rule {
            pattern: ".a.example.com",
            owner: "Someone",
            category: Category::Ads,
            listing: Listing::Block,
            side_effect: "",
            protocol: Some(Protocol::Sensors),
            region: None,
            source: "a list, of 2020",
            licence: "MIT",
            list: "mine@3",
        };
        assert_eq!(list.rules().collect::<Vec<_>>(), [rule]);
    }

    #[test]
    fn a_region_may_be_the_last_column() {
        let head = HEAD.replace("licence", "licence,region");
        let rows = "a.example.com,O,ads,block,,,s,l,in\nb.example.com,O,ads,block,,,s,l,\n";
        let text = format!("{head}{rows}");
        let list = parse_list(&text, "mine.csv").unwrap();
        let regions: Vec<_> = list.rules().map(|rule| rule.region).collect();
        assert_eq!(regions, [Some(Region::India), None]);
        for (row, column, expected) in [
            ("a.example.com,O,ads,block,,,s,l,eu", 33, "one of cn, in, ru, intl"),
            ("a.example.com,O,ads,block,,,s,l", 32, "a comma and the column region"),
            ("a.example.com,O,ads,block,,,s,l,in,x", 35, "the end of the line"),
        ] {
            assert_eq!(refused(&format!("{head}{row}")), (5, column, expected.to_owned()), "{row}");
        }
        let other = HEAD.replace("licence", "licence,place");
        assert_eq!(refused(&other), (4, 65, "the column name region".to_owned()));
    }

    #[test]
    fn the_example_of_the_docs_is_read() {
        let doc = include_str!("../../../docs/signatures.md");
        let example = doc.split("```csv\n").nth(1).unwrap().split("```").next().unwrap();
        let list = parse_list(example, "docs").unwrap();
        let patterns: Vec<_> = list.rules().map(|rule| rule.pattern).collect();
        assert_eq!(patterns, [".sa.example.com", "push.in.example.com"]);
        let regions: Vec<_> = list.rules().map(|rule| rule.region).collect();
        assert_eq!(regions, [None, Some(Region::India)]);
    }

    #[test]
    fn an_address_or_a_group_of_them_may_stand_in_place_of_a_host() {
        let hosts = ["203.0.113.9", "203.0.113.0/24", "2001:db8::9", "2001:db8::/32"];
        let rows = hosts.map(|host| format!("{host},O,ads,block,,,s,l\n")).concat();
        let text = list(&rows);
        let list = parse_list(&text, "mine.csv").unwrap();
        assert_eq!(list.rules().map(|rule| rule.pattern).collect::<Vec<_>>(), hosts);
    }

    #[test]
    fn comments_and_empty_lines_may_stand_between_rows() {
        let text = list("\n# list: not a name any more\na.example.com,O,ads,block,,,s,l\n\n");
        assert_eq!(parse_list(&text, "mine.csv").unwrap().id(), "mine@3");
    }

    #[test]
    fn an_error_names_line_column_and_what_belongs_there() {
        let categories: Vec<_> = Category::ALL.iter().map(|c| c.as_str()).collect();
        let host = PATTERN;
        let shared = "record or allow: too much that is no telemetry lives under this name";
        for (row, column, expected) in [
            ("a.example.com,Ö,spy,block,,,s,l", 17, &*format!("one of {}", categories.join(", "))),
            ("a.example.com,O,ads,blok,,,s,l", 21, "one of block, record, allow, never"),
            ("A.example.com,O,ads,block,,,s,l", 1, host),
            ("203.0.113.9/24,O,ads,block,,,s,l", 1, host),
            ("0.0.0.0/0,O,ads,block,,,s,l", 1, host),
            (".com,O,ads,block,,,s,l", 1, host),
            ("a..example.com,O,ads,block,,,s,l", 1, host),
            ("a.example.com.,O,ads,block,,,s,l", 1, host),
            ("a.example.com, ,ads,block,,,s,l", 15, "the owner's name"),
            ("a.example.com,O,ads,block,,,,l", 29, "where this was learned"),
            ("a.example.com,O,ads,block,,,s,", 31, "the source's licence, or fact"),
            ("a.example.com,O,ads,block", 26, "a comma and the column side_effect"),
            ("a.example.com,O,ads,block,,,s,l,x", 32, "the end of the line"),
            ("a.example.com,O \"x\",ads,block,,,s,l", 17, "no quotation mark inside a field"),
            ("a.example.com,\"O,ads,block,,,s,l", 33, "a closing quotation mark"),
            ("a.example.com,\"O\"x,ads,block,,,s,l", 18, "a comma or the end of the line"),
            ("a.example.com,O\u{1b}[1m,ads,block,,,s,l", 16, "no control character"),
            (".miui.com,O,ads,block,,,s,l", 17, shared),
            (".xiaomi.com,O,ads,block,,,s,l", 19, shared),
            (".log.aliyuncs.com,O,ads,block,,,s,l", 25, shared),
            (".aliyuncs.com,O,ads,block,,,s,l", 21, shared),
        ] {
            assert_eq!(refused(&list(row)), (5, column, expected.to_owned()), "{row}");
        }
        let protocol = refused(&list("a.example.com,O,ads,block,,http,s,l"));
        assert_eq!((protocol.0, protocol.1), (5, 28));
        assert!(protocol.2.starts_with("one of sensors, onetrack,"), "{}", protocol.2);
    }

    #[test]
    fn a_shared_name_may_be_recorded_and_its_own_host_blocked() {
        for row in [
            ".log.aliyuncs.com,O,ads,record,,,s,l",
            ".xiaomi.com,O,ads,allow,,,s,l",
            "miui.com,O,ads,block,,,s,l",
            ".notmiui.com,O,ads,block,,,s,l",
            ".a.miui.com,O,ads,block,,,s,l",
        ] {
            assert_eq!(parse_list(&list(row), "").map(|l| l.rules().count()), Ok(1), "{row}");
        }
    }

    #[test]
    fn a_head_that_lacks_something_is_refused() {
        let columns = COLUMNS.join(",");
        let absent = format!("a line with the columns {columns}");
        let cases = [
            (columns.clone(), 1, 1, "`# list: NAME` before the columns"),
            (format!("# list: a\n{columns}"), 2, 1, "`# version: NUMBER` before the columns"),
            ("# list: A b\n".into(), 1, 9, "a name of a-z, 0-9 and -"),
            ("# list:\n".into(), 1, 8, "a name of a-z, 0-9 and -"),
            ("# list: a\n# version: -1\n".into(), 2, 12, "a whole number"),
            (HEAD.replace("default", "verdict"), 4, 21, "the column name default"),
            ("# list: a\n# version: 1\n".into(), 3, 1, &*absent),
        ];
        for (text, line, column, expected) in cases {
            assert_eq!(refused(&text), (line, column, expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_host_that_stands_twice_is_refused() {
        let row = "a.example.com,O,ads,block,,,s,l\n";
        let expected = "a host other than that of line 5".to_owned();
        assert_eq!(refused(&list(&format!("{row}.{row}{row}"))), (7, 1, expected));
    }

    #[test]
    fn any_text_is_a_list_or_an_error() {
        let good = list(
            "a.example.com,\"O, P\",ads,block,x,sensors,s,l\n# c\n.b.example.com,O,ads,never,,,s,l\n",
        );
        for cut in 0..good.len() {
            for put in ["", ",", "\"", "\n", "#", "é", "\0", ":"] {
                let text = format!("{}{put}{}", &good[..cut], &good[cut..]);
                if let Err(error) = parse_list(&text, "f") {
                    let line = text.lines().nth(error.line - 1).unwrap_or_default();
                    assert!(error.column <= line.chars().count() + 1, "{error}");
                }
            }
        }
    }
}
