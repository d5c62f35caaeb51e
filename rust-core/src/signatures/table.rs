//! All rules in one block of bytes, found by host without parsing, copying or allocating.
//!
//! This module never decides and never trusts a hash: a hit is compared with the stored pattern,
//! so a collision costs time and cannot misjudge a host. One form serves the lists that are
//! compiled in and those read at run time.
//!
//! Little-endian, sections without gaps:
//!
//! | section | content |
//! |---|---|
//! | head | seed u64; u32 each: rules, never-rules, buckets, sorts, runs, prefixes |
//! | buckets | offset u32 of the bucket's entries, 0 if none; filter u32: two bits per entry, from its hash |
//! | rules | offset u32 of the entry, number u32 of the sort |
//! | sorts | what rules share: owner, side effect, source, licence, list as offset and length; category, listing, protocol, region |
//! | runs | of prefixes of one length, the longest first: length u32, count u32 |
//! | prefixes | by run, then by bits: bits u128, rule u32 |
//! | texts | per bucket a count u8 and entries (rule u32, length u8, pattern); the sorts' texts |
//!
//! A name that is not listed is mostly told from the filter alone, and a listed one from one more
//! place in memory, where its bucket's patterns lie together. Rules that are never blocked come
//! first, so a rule's number tells whether it is one. Addresses are found by one binary search for
//! each length that occurs.

use super::address::{bits, mask};
use super::{Category, Listing, Region, Rule, list::HOST};
use crate::event::Protocol;
use std::borrow::Cow;
use std::net::IpAddr;

/// A rule of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// Why no table could be made of some rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// More rules or longer texts than a table can number.
    #[error("too many rules for one table")]
    TooLarge,
    /// Hosts chosen so that finding them would be slow.
    #[error("hosts that collide on purpose")]
    Clustered,
}

pub(super) const HEAD: usize = 32;
pub(super) const BUCKET: usize = 8;
pub(super) const RULE: usize = 8;
pub(super) const SORT: usize = 44;
pub(super) const RUN: usize = 8;
pub(super) const PREFIX: usize = 20;
/// Of an entry, before its pattern.
pub(super) const ENTRY: usize = 5;

/// All rules, found by host.
#[derive(Clone, Debug)]
pub(super) struct RuleTable {
    bytes: Cow<'static, [u8]>,
    seed: u64,
    rules: u32,
    never: u32,
    /// Buckets are a power of two.
    mask: usize,
    rules_at: usize,
    sorts_at: usize,
    runs: usize,
    runs_at: usize,
    texts_at: usize,
}

/// What a walk over a host's suffixes has found so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) rule: u32,
    pub(super) never: bool,
    pub(super) exact: bool,
    /// Of the name, without a leading dot.
    pub(super) length: usize,
}

impl RuleTable {
    /// A table over bytes that `compile` made.
    pub(super) const fn open(bytes: Cow<'static, [u8]>) -> Self {
        let head = match &bytes {
            Cow::Borrowed(bytes) => *bytes,
            Cow::Owned(bytes) => bytes.as_slice(),
        };
        let seed = word(head, 0) as u64 | ((word(head, 4) as u64) << 32);
        let (rules, never) = (word(head, 8), word(head, 12));
        let (buckets, sorts) = (word(head, 16) as usize, word(head, 20) as usize);
        let (runs, prefixes) = (word(head, 24) as usize, word(head, 28) as usize);
        let rules_at = HEAD + buckets * BUCKET;
        let sorts_at = rules_at + rules as usize * RULE;
        let runs_at = sorts_at + sorts * SORT;
        let texts_at = runs_at + runs * RUN + prefixes * PREFIX;
        let mask = buckets - 1;
        Self { bytes, seed, rules, never, mask, rules_at, sorts_at, runs, runs_at, texts_at }
    }

    /// The rule that speaks about a host: lower case, without a trailing dot. Lists of the names
    /// in `off` are passed over.
    ///
    /// A rule that is never blocked beats the others; then an exact one beats a suffix, and a
    /// longer suffix a shorter one. Costs one probe a label and allocates nothing.
    pub(super) fn find(&self, name: &[u8], off: &[String]) -> Option<Hit> {
        let mut best = None;
        each_suffix(self.seed, name, |hash, suffix, whole| {
            self.probe(hash, (suffix, whole), off, &mut best);
        });
        best
    }

    /// What hashes of names begin with.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Offers every rule of one name to `best`. `whole`: the name is the host and no suffix of it.
    #[inline]
    pub(super) fn probe(
        &self,
        hash: u64,
        (name, whole): (&[u8], bool),
        off: &[String],
        best: &mut Option<Hit>,
    ) {
        let bytes: &[u8] = &self.bytes;
        let at = HEAD + (bucket(hash) & self.mask) * BUCKET;
        let Some(content) = bytes.get(at..).and_then(|b| b.first_chunk()) else { return };
        let content = u64::from_le_bytes(*content);
        let wanted = filter(hash);
        if (content >> 32) as u32 & wanted == wanted {
            self.compare(bytes, content as u32, (name, whole), off, best);
        }
    }

    /// Goes through the entries of a bucket; the builder bounds their number.
    fn compare(
        &self,
        bytes: &[u8],
        offset: u32,
        (name, whole): (&[u8], bool),
        off: &[String],
        best: &mut Option<Hit>,
    ) -> Option<()> {
        let (&count, mut rest) = bytes.get(self.texts_at + offset as usize..)?.split_first()?;
        for _ in 0..count {
            let (rule, pattern) = entry(rest)?;
            rest = rest.get(ENTRY + pattern.len()..)?;
            let exact = pattern.len() == name.len();
            let fits = if exact { whole } else { pattern.len() == name.len() + 1 };
            if fits && pattern.ends_with(name) && !self.is_off(rule, off) {
                let hit = Hit { rule, never: rule < self.never, exact, length: name.len() };
                if best.is_none_or(|b| (hit.never, hit.exact) >= (b.never, b.exact)) {
                    *best = Some(hit);
                }
            }
        }
        Some(())
    }

    /// Whether a rule's list is one of these. What is never blocked is not switched.
    fn is_off(&self, rule: u32, off: &[String]) -> bool {
        let list = || self.rule(rule).list.split('@').next().unwrap_or_default();
        rule >= self.never && off.iter().any(|name| name == list())
    }

    /// The rule that speaks about an address. Lists of the names in `off` are passed over.
    ///
    /// A rule that is never blocked beats the others; then a longer prefix a shorter one.
    pub(super) fn find_address(&self, addr: IpAddr, off: &[String]) -> Option<u32> {
        let wanted = bits(addr);
        let mut prefixes_at = self.runs_at + self.runs * RUN;
        let mut best = None;
        for run in 0..self.runs {
            let at = self.runs_at + run * RUN;
            let length = u8::try_from(u32_at(&self.bytes, at)?).ok()?;
            let end = prefixes_at + u32_at(&self.bytes, at + 4)? as usize * PREFIX;
            let prefixes = self.bytes.get(prefixes_at..end)?;
            prefixes_at = end;
            let mut rules = same(prefixes, wanted & mask(length)).filter(|r| !self.is_off(*r, off));
            let Some(rule) = rules.next() else { continue };
            if rule < self.never {
                return Some(rule);
            }
            best = best.or(Some(rule));
        }
        best
    }

    /// The rule of a number; an empty one that allows where there is none.
    pub(super) fn rule(&self, number: u32) -> Rule<'_> {
        let read = || {
            let record = self.rules_at + number as usize * RULE;
            let offset = u32_at(&self.bytes, record)?;
            let sort = self.sorts_at + u32_at(&self.bytes, record + 4)? as usize * SORT;
            let (_, pattern) = entry(self.bytes.get(self.texts_at + offset as usize..)?)?;
            let text = |index: usize| {
                let start = self.texts_at + u32_at(&self.bytes, sort + index * 8)? as usize;
                let end = start + u32_at(&self.bytes, sort + index * 8 + 4)? as usize;
                std::str::from_utf8(self.bytes.get(start..end)?).ok()
            };
            let code = |index: usize| self.bytes.get(sort + 40 + index).map(|&c| usize::from(c));
            Some(Rule {
                pattern: std::str::from_utf8(pattern).ok()?,
                owner: text(0)?,
                side_effect: text(1)?,
                source: text(2)?,
                licence: text(3)?,
                list: text(4)?,
                category: *Category::ALL.get(code(0)?)?,
                listing: *Listing::ALL.get(code(1)?)?,
                protocol: Protocol::ALL.get(code(2)?).copied(),
                region: Region::ALL.get(code(3)?).copied(),
            })
        };
        let known = (number < self.rules).then(read).flatten();
        known.unwrap_or(Rule {
            pattern: "",
            owner: "",
            category: Category::Other,
            listing: Listing::Allow,
            side_effect: "",
            protocol: None,
            region: None,
            source: "",
            licence: "",
            list: "",
        })
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> u32 {
        self.rules
    }
}

/// Gives every name of two labels or more that a host ends with, the shortest first and the host
/// itself last, with its hash and whether it is the host. Nothing for what is too long to be one.
#[inline]
pub(super) fn each_suffix<'n>(
    seed: u64,
    name: &'n [u8],
    mut give: impl FnMut(u64, &'n [u8], bool),
) {
    if name.len() > HOST {
        return;
    }
    let mut hash = Hash::new(seed);
    let mut labels = 0;
    for (at, &byte) in name.iter().enumerate().rev() {
        if byte != b'.' {
            hash.push(byte);
            continue;
        }
        labels += 1;
        hash.end_label();
        // No rule has a single label.
        if labels > 1
            && let Some(suffix) = name.get(at + 1..)
        {
            give(hash.0, suffix, false);
        }
    }
    hash.end_label();
    give(hash.0, name, true);
}

/// For the head, whose size `compile` vouches for; the compiler checks it for the built-in table.
const fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The rules of a prefix among those of one length, the latest first; those that are never blocked
/// before the others.
fn same(prefixes: &[u8], bits: u128) -> impl Iterator<Item = u32> {
    let (prefixes, _) = prefixes.as_chunks::<PREFIX>();
    let read = |prefix: &[u8; PREFIX]| {
        Some((u128::from_le_bytes(*prefix.first_chunk()?), u32_at(prefix, PREFIX - 4)?))
    };
    let start = prefixes.partition_point(|p| read(p).is_some_and(|(found, _)| found < bits));
    let rest = prefixes.get(start..).unwrap_or_default();
    rest.iter().map_while(read).take_while(move |(found, _)| *found == bits).map(|(_, rule)| rule)
}

/// Number and pattern of the rule whose entry these bytes begin with.
fn entry(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<ENTRY>()?;
    let [a, b, c, d, length] = *head;
    Some((u32::from_le_bytes([a, b, c, d]), rest.get(..usize::from(length))?))
}

/// The bucket of a hash, before the mask.
pub(super) fn bucket(hash: u64) -> usize {
    (hash >> 32) as usize
}

/// The bits that a hash sets in its bucket's filter.
pub(super) fn filter(hash: u64) -> u32 {
    1 << (hash & 31) | 1 << (hash >> 5 & 31)
}

/// A hash of a name that is read from its end, so that each suffix has one on the way.
///
/// Folded 128-bit multiplication, as in wyhash. The same on every machine, because the table is
/// built on one and read on another. Who asks for names cannot make it slow: what lies in a bucket
/// comes from the listed names alone, and the builder bounds it.
#[derive(Clone, Copy)]
pub(super) struct Hash(pub(super) u64, u64, u32);

impl Hash {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed, 0, 0)
    }

    /// Takes one byte of a label, from its end.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if self.2 & 7 == 0 && self.2 != 0 {
            self.0 = fold(self.0 ^ self.1);
            self.1 = 0;
        }
        self.1 = (self.1 << 8) | u64::from(byte);
        self.2 += 1;
    }

    /// Ends a label: its hash so far is that of the suffix.
    #[inline]
    pub(super) fn end_label(&mut self) {
        let length = u64::from(self.2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = fold(self.0 ^ self.1 ^ length);
        (self.1, self.2) = (0, 0);
    }

    /// Of a whole name.
    pub(super) fn of(seed: u64, name: &[u8]) -> u64 {
        let mut hash = Self::new(seed);
        for &byte in name.iter().rev() {
            if byte == b'.' { hash.end_label() } else { hash.push(byte) }
        }
        hash.end_label();
        hash.0
    }
}

#[inline]
fn fold(value: u64) -> u64 {
    let product = u128::from(value) * 0xa076_1d64_78bd_642f_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::HostTable;
    use super::*;

    fn rule(pattern: &str, listing: Listing) -> Rule<'_> {
        Rule {
            pattern,
            owner: "O",
            category: Category::Ads,
            listing,
            side_effect: "E",
            protocol: Some(Protocol::Ut),
            region: Some(Region::India),
            source: "S",
            licence: "L",
            list: "t@1",
        }
    }

    fn found<'a>(table: &'a HostTable, host: &str) -> Option<&'a str> {
        table.lookup(host).map(|id| table.rule(id).pattern)
    }

    #[test]
    fn exact_beats_suffix_and_longer_beats_shorter() {
        let patterns = [".example.com", ".a.example.com", "a.example.com", "x.y.a.example.com"];
        for turn in 0..patterns.len() {
            let mut order = patterns;
            order.rotate_left(turn);
            let table = HostTable::from_rules(order.map(|p| rule(p, Listing::Block))).unwrap();
            for (host, expected) in [
                ("example.com", Some(".example.com")),
                ("b.example.com", Some(".example.com")),
                ("a.example.com", Some("a.example.com")),
                ("b.a.example.com", Some(".a.example.com")),
                ("y.a.example.com", Some(".a.example.com")),
                ("x.y.a.example.com", Some("x.y.a.example.com")),
                ("w.x.y.a.example.com", Some(".a.example.com")),
                ("notexample.com", None),
                ("example.com.evil.org", None),
                ("com", None),
                ("", None),
                (".", None),
                ("..example.com", Some(".example.com")),
                ("xample.com", None),
            ] {
                assert_eq!(found(&table, host), expected, "{host}");
            }
        }
    }

    #[test]
    fn never_block_beats_every_other_rule() {
        let table = HostTable::from_rules([
            rule("a.d.example.com", Listing::Block),
            rule(".b.d.example.com", Listing::Record),
            rule(".d.example.com", Listing::Never),
            rule("c.d.example.com", Listing::Never),
            rule(".example.com", Listing::Block),
        ])
        .unwrap();
        for (host, expected) in [
            ("a.d.example.com", ".d.example.com"),
            ("x.b.d.example.com", ".d.example.com"),
            ("c.d.example.com", "c.d.example.com"),
            ("d.example.com", ".d.example.com"),
            ("example.com", ".example.com"),
        ] {
            assert_eq!(found(&table, host), Some(expected), "{host}");
        }
    }

    #[test]
    fn of_two_rules_with_one_pattern_the_later_wins_unless_the_earlier_is_never() {
        use Listing::{Allow, Block, Never};
        for (first, second, kept) in
            [(Block, Allow, Allow), (Never, Block, Never), (Block, Never, Never)]
        {
            let rules = [rule("a.example.com", first), rule("a.example.com", second)];
            let table = HostTable::from_rules(rules).unwrap();
            assert_eq!(table.len(), 1);
            let id = table.lookup("a.example.com").unwrap();
            assert_eq!(table.rule(id).listing, kept);
        }
    }

    #[test]
    fn a_rule_comes_back_as_it_was_given() {
        let mut given = vec![rule("a.example.com", Listing::Block)];
        given.push(Rule {
            protocol: None,
            region: None,
            side_effect: "",
            ..rule(".b.example.com", Listing::Allow)
        });
        for category in Category::ALL {
            for listing in [Listing::Record, Listing::Block] {
                let mut one = rule("c.example.com", listing);
                one.category = *category;
                given.truncate(2);
                given.push(one);
                let table = HostTable::from_rules(given.iter().copied()).unwrap();
                assert_eq!(table.rules().collect::<Vec<_>>(), given);
            }
        }
    }

    #[test]
    fn an_empty_table_knows_nothing() {
        let table = HostTable::from_rules([]).unwrap();
        assert!(table.is_empty());
        assert_eq!(table.lookup("a.example.com"), None);
        assert_eq!(table.rule(RuleId(0)).listing, Listing::Allow);
        assert_eq!(HostTable::builtin().rule(RuleId(u32::MAX)).pattern, "");
    }

    #[test]
    fn a_host_that_is_too_long_is_not_looked_for() {
        let table = HostTable::from_rules([rule(".example.com", Listing::Block)]).unwrap();
        let long = format!("{}example.com", "a.".repeat(121));
        assert_eq!(long.len(), HOST);
        assert_eq!(found(&table, &long), Some(".example.com"));
        assert_eq!(found(&table, &format!("b{long}")), None);
    }

    #[test]
    fn an_address_is_found_by_the_longest_prefix_unless_a_shorter_one_is_never() {
        let table = HostTable::from_rules([
            rule("203.0.113.0/24", Listing::Block),
            rule("203.0.113.9", Listing::Record),
            rule("203.0.112.0/20", Listing::Allow),
            rule("198.51.100.0/24", Listing::Never),
            rule("198.51.100.7", Listing::Block),
            rule("2001:db8::/32", Listing::Block),
            rule("2001:db8:1::/48", Listing::Record),
            rule("a.example.com", Listing::Block),
        ])
        .unwrap();
        for (addr, expected) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.8", Some("203.0.113.0/24")),
            ("203.0.112.1", Some("203.0.112.0/20")),
            ("203.0.128.1", None),
            ("198.51.100.7", Some("198.51.100.0/24")),
            ("2001:db8:1::5", Some("2001:db8:1::/48")),
            ("2001:db8:2::5", Some("2001:db8::/32")),
            ("2001:db9::", None),
            ("::ffff:203.0.113.9", Some("203.0.113.9")),
            ("0.0.0.0", None),
            ("::", None),
        ] {
            let found = table.lookup_address(addr.parse().unwrap());
            assert_eq!(found.map(|id| table.rule(id).pattern), expected, "{addr}");
        }
        assert_eq!(found(&table, "a.example.com"), Some("a.example.com"));
        assert_eq!(found(&table, "203.0.113.9"), None, "a text is no address");
    }

    /// What the table does, written down once more without hashes.
    fn slow<'a>(rules: &[Rule<'a>], host: &str) -> Option<&'a str> {
        let covers = |r: &&Rule<'a>| {
            r.pattern == host
                || r.pattern.starts_with('.')
                    && (host.ends_with(r.pattern) || host == &r.pattern[1..])
        };
        let rank = |r: &&Rule<'a>| {
            let never = r.listing == Listing::Never;
            (never, !r.pattern.starts_with('.'), r.pattern.len())
        };
        rules.iter().filter(covers).max_by_key(rank).map(|r| r.pattern)
    }

    #[test]
    fn thousands_of_names_are_found_as_by_comparing_them_one_by_one() {
        let words = ["a", "bb", "tracker8", "tracker09", "eighteen-character"];
        let mut level = vec!["com".to_owned(), "cn".to_owned()];
        let mut names = level.clone();
        for _ in 0..5 {
            let under = |parent: &String| words.map(|word| format!("{word}.{parent}"));
            level = level.iter().flat_map(under).collect();
            names.extend(level.iter().cloned());
        }
        let patterns: Vec<_> = names
            .iter()
            .enumerate()
            .filter(|(n, name)| name.contains('.') && n % 3 == 0)
            .map(|(n, name)| if n % 2 == 0 { format!(".{name}") } else { name.clone() })
            .collect();
        let listing = |n: usize| if n.is_multiple_of(50) { Listing::Never } else { Listing::Block };
        let rules: Vec<_> =
            patterns.iter().enumerate().map(|(n, pattern)| rule(pattern, listing(n))).collect();
        let table = HostTable::from_rules(rules.iter().copied()).unwrap();
        let mut hits = 0;
        for name in names.iter().step_by(7) {
            for host in [name.clone(), format!("x.{name}"), format!("{name}x")] {
                let expected = slow(&rules, &host);
                hits += usize::from(expected.is_some());
                assert_eq!(found(&table, &host), expected, "{host}");
            }
        }
        assert!(hits > 500, "{hits}");
    }
}
