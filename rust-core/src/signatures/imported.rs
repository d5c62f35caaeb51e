//! A list that somebody else wrote, as one compact block of bytes: up to two million names that share
//! all else.
//!
//! This module never reads a file and never trusts one: the bytes carry their hash, and whatever
//! they say, a look-up stays within them.
//!
//! Little-endian, sections without gaps:
//!
//! | section | content |
//! |---|---|
//! | head | `MUZLIST` and the version u8; SHA-256 of all that follows |
//! | sizes | u32 each: bytes of the description, bits of a bucket's number, bytes of the entries |
//! | description | [`About`] as JSON |
//! | buckets | offset u32 of the first entry; filter u32: two bits per entry, from its hash |
//! | entries | by bucket: length u8, marks and name |
//! | patterns | a line each: `!` for an important one or a blank, and the pattern |
//!
//! A name's bucket is the first bits of its hash. A bucket ends where the next one begins. The marks
//! of an entry say what the list wants and then how far the name reaches:
//!
//! | marks | |
//! |---|---|
//! | none | is blocked |
//! | `@` | is left alone |
//! | `@@` | is blocked in spite of that |
//! | `@@@` | is left alone in spite of that too |
//! | `@@@@` | is left alone unless a longer name is blocked |
//! | `@@@@@` | some pattern speaks about what is under it |
//! | none | the name alone |
//! | `.` | the name and everything under it |
//! | `*.` | everything under it |
//!
//! Patterns are exceptions that name no host. They are asked only about a host that the list would
//! otherwise speak about. Version 1 has none of them, and no marks but `@` and `.`.

use super::pattern::Pattern;
use super::table::{Hash, filter};
use super::{Category, Listing, Rule};
use crate::limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash of names begins with this: the same in every file, so that tables share it.
pub(super) const SEED: u64 = 0x6d75_7a7a_6c65_0001;
pub(super) const MAGIC: &[u8; 7] = b"MUZLIST";
pub(super) const VERSION: u8 = 2;
/// The mark of an entry that says where patterns have to be asked.
pub(super) const PATTERNS: &str = "@@@@@";
/// Bytes before what the hash is of.
pub(crate) const HEAD: usize = 8 + 32;
pub(super) const SIZES: usize = 12;
pub(super) const BUCKET: usize = 8;
/// Fewest and most bits of a bucket's number.
pub(super) const BITS: std::ops::RangeInclusive<u32> = 4..=20;

/// What an imported list says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Name and version, `hagezi@1f0c9a2b`; the version comes from the content.
    pub id: String,
    /// Where it came from, a file's name.
    pub source: String,
    /// What its hosts are for.
    pub category: Category,
    /// What happens to them.
    pub listing: Listing,
    /// Names that are listed, exceptions not among them.
    pub names: u32,
    /// Names that the list leaves alone.
    pub exceptions: u32,
    /// Plain names were taken with all that is under them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

/// Why bytes are no imported list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportedError {
    /// Something else.
    #[error("no imported list of Muzzle")]
    NotAList,
    /// Made by a later Muzzle.
    #[error("made by another version of Muzzle; import the list again")]
    Version,
    /// The bytes end too early, or are not those that were written.
    #[error("damaged; import the list again")]
    Damaged,
}

/// An imported list.
#[derive(Debug)]
pub struct Imported {
    bytes: Vec<u8>,
    about: About,
    /// By how much a hash is shifted to get the bucket.
    shift: u32,
    buckets_at: usize,
    entries_at: usize,
    /// Behind the last entry.
    end: u32,
    /// Those that have to be asked about every host.
    open: Vec<Pattern>,
    /// Those that have to be asked where an entry says so.
    anchored: Vec<Pattern>,
}

/// What a list says about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where the entry is.
    pub(super) entry: u32,
    pub(super) exact: bool,
    /// Beats exceptions.
    important: bool,
    /// Of the name, without a leading dot; a host has [`super::list::HOST`] bytes at most.
    pub(super) length: u8,
}

/// What a walk over a host's suffixes has found so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    best: Option<Found>,
    /// How far the best one reaches: what lies under a name is more than the name.
    reach: u16,
    /// Likewise of the longest name that is left alone unless a longer one is blocked.
    free: u16,
    excepted: bool,
    /// Excepted in spite of an important rule.
    spared: bool,
    /// Some pattern has to be asked.
    patterns: bool,
}

impl Imported {
    /// Checks bytes that [`super::Importer`] made.
    pub fn open(bytes: Vec<u8>) -> Result<Self, ImportedError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ImportedError::NotAList)?;
        let (&version, rest) = rest.split_first().ok_or(ImportedError::Damaged)?;
        if !(1..=VERSION).contains(&version) {
            return Err(ImportedError::Version);
        }
        let (hash, body) = rest.split_first_chunk::<32>().ok_or(ImportedError::Damaged)?;
        if *hash != *Sha256::digest(body) {
            return Err(ImportedError::Damaged);
        }
        let read = || {
            let described = u32_at(body, 0)? as usize;
            let bits = u32_at(body, 4).filter(|bits| BITS.contains(bits))?;
            let about =
                serde_json::from_slice(body.get(SIZES..SIZES.checked_add(described)?)?).ok()?;
            let buckets_at = HEAD + SIZES + described;
            let entries_at = buckets_at + (1 << bits) * BUCKET;
            let end = u32_at(body, 8)?;
            let patterns = bytes.get(entries_at.checked_add(end as usize)?..)?;
            let (open, anchored) = patterns_of(patterns)?;
            Some((about, 64 - bits, buckets_at, entries_at, end, open, anchored))
        };
        let (about, shift, buckets_at, entries_at, end, open, anchored) =
            read().ok_or(ImportedError::Damaged)?;
        Ok(Self { about, shift, buckets_at, entries_at, end, open, anchored, bytes })
    }

    /// What the list says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The name without the version.
    pub fn name(&self) -> &str {
        self.about.id.split('@').next().unwrap_or_default()
    }

    /// The entry that speaks about a host; none where an exception does.
    #[cfg(test)]
    pub(super) fn lookup(&self, name: &[u8]) -> Option<Found> {
        let mut walk = Walk::default();
        super::table::each_suffix(SEED, name, |hash, suffix, whole| {
            self.probe(hash, suffix, whole, &mut walk);
        });
        self.found(&walk, std::str::from_utf8(name).unwrap_or_default())
    }

    /// The entry that speaks about the host of a walk; none where an exception does.
    #[inline]
    pub(super) fn found(&self, walk: &Walk, host: &str) -> Option<Found> {
        let best = walk.best?;
        let freed = walk.spared
            || (!best.important && (walk.excepted || (walk.free > 0 && walk.free >= walk.reach)));
        if freed || self.is_excepted(walk, best.important, host) { None } else { Some(best) }
    }

    /// Whether a pattern frees a host.
    fn is_excepted(&self, walk: &Walk, important: bool, host: &str) -> bool {
        if self.open.is_empty() && !walk.patterns {
            return false;
        }
        let anchored = if walk.patterns { self.anchored.as_slice() } else { &[] };
        let mut asked = self.open.iter().chain(anchored);
        asked.any(|pattern| (!important || pattern.important) && pattern.fits(host))
    }

    /// Offers every entry of one name, by its hash under [`SEED`].
    #[inline]
    pub(super) fn probe(&self, hash: u64, name: &[u8], whole: bool, walk: &mut Walk) {
        let at = self.buckets_at + (hash >> self.shift) as usize * BUCKET;
        let Some(content) = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk()) else {
            return;
        };
        let content = u64::from_le_bytes(*content);
        let wanted = filter(hash);
        if (content >> 32) as u32 & wanted == wanted {
            self.compare(at, content as u32, (name, whole), walk);
        }
    }

    /// Goes through the entries of a bucket; the importer bounds their number.
    fn compare(
        &self,
        bucket_at: usize,
        start: u32,
        (name, whole): (&[u8], bool),
        walk: &mut Walk,
    ) -> Option<()> {
        let next = bucket_at + BUCKET;
        let end = if next < self.entries_at { u32_at(&self.bytes, next)? } else { self.end };
        let mut at = start;
        while at < end {
            let entry = self.entry(at)?;
            if entry.ends_with(name) {
                self.offer(at, entry, (name, whole), walk);
            }
            at += 1 + entry.len() as u32;
        }
        Some(())
    }

    /// Offers an entry whose end is a name.
    fn offer(
        &self,
        at: u32,
        entry: &[u8],
        (name, whole): (&[u8], bool),
        walk: &mut Walk,
    ) -> Option<()> {
        let marks = entry.get(..entry.len() - name.len())?;
        let stances = marks.iter().take_while(|byte| **byte == b'@').count();
        let length = u8::try_from(name.len()).ok()?;
        let (fits, exact, under) = match marks.get(stances..)? {
            b"" => (whole || stances == PATTERNS.len(), true, 0),
            b"." => (true, false, 0),
            b"*." => (!whole, false, 1),
            _ => return None,
        };
        if !fits {
            return None;
        }
        let reach = u16::from(length) * 2 + under;
        let important = stances == 2;
        match stances {
            0 | 2 => {
                let found = Found { entry: at, exact, important, length };
                let rank = |found: Found| (found.important, found.exact, found.length);
                if walk.best.is_none_or(|best| rank(found) >= rank(best)) {
                    walk.best = Some(found);
                    walk.reach = reach;
                }
            }
            1 => walk.excepted = true,
            3 => walk.spared = true,
            4 => walk.free = walk.free.max(reach),
            _ => walk.patterns = true,
        }
        Some(())
    }

    fn entry(&self, at: u32) -> Option<&[u8]> {
        let (&length, rest) = self.bytes.get(self.entries_at + at as usize..)?.split_first()?;
        rest.get(..usize::from(length))
    }

    /// The rule of an entry that [`Self::lookup`] gave.
    pub(super) fn rule(&self, entry: u32) -> Option<Rule<'_>> {
        Some(Rule {
            pattern: std::str::from_utf8(self.entry(entry)?).ok()?.trim_start_matches('@'),
            owner: "not stated",
            category: self.about.category,
            listing: self.about.listing,
            side_effect: "",
            protocol: None,
            region: None,
            source: &self.about.source,
            licence: "not stated",
            list: &self.about.id,
        })
    }
}

/// The patterns of a list: those that have to be asked about every host, and the others.
fn patterns_of(bytes: &[u8]) -> Option<(Vec<Pattern>, Vec<Pattern>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lines = text.lines().take(limits::LIST_PATTERNS + 1).map(|line| {
        let important = line.starts_with('!');
        Pattern::parse(line.get(1..)?, important)
    });
    let patterns = lines.collect::<Option<Vec<_>>>()?;
    let few = patterns.len() <= limits::LIST_PATTERNS;
    few.then(|| patterns.into_iter().partition(|pattern| pattern.above().is_none()))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The hash of a name.
pub(super) fn hash(name: &[u8]) -> u64 {
    Hash::of(SEED, name)
}

#[cfg(test)]
mod tests {
    use super::super::{Choice, HostTable, ImportError, Importer, Refusal, Report, Sample};
    use super::*;

    fn choice() -> Choice {
        let (name, source) = ("mine".to_owned(), "mine.txt".to_owned());
        Choice { name, source, category: Category::Ads, listing: Listing::Block, below: false }
    }

    fn import(text: &str) -> Result<(Vec<u8>, Report), ImportError> {
        let mut importer = Importer::new(HostTable::builtin(), false);
        text.split_inclusive('\n').for_each(|line| importer.line(line.as_bytes()));
        importer.finish(&choice()).map(|(compiled, report)| (compiled.to_bytes(), report))
    }

    fn open(text: &str) -> Imported {
        Imported::open(import(text).unwrap().0).unwrap()
    }

    fn found<'a>(list: &'a Imported, host: &str) -> Option<&'a str> {
        let found = list.lookup(host.as_bytes())?;
        list.rule(found.entry).map(|rule| rule.pattern)
    }

    #[test]
    fn names_are_found_as_the_list_means_them() {
        let list = open(
            "0.0.0.0 exact.example.com\n||under.example.com^\n@@||good.under.example.com^\n\
             a.b.under.example.com\n*.wild.example.com\n||both.example.com^\nboth.example.com\n",
        );
        for (host, expected) in [
            ("exact.example.com", Some("exact.example.com")),
            ("a.exact.example.com", None),
            ("under.example.com", Some(".under.example.com")),
            ("x.under.example.com", Some(".under.example.com")),
            ("a.b.under.example.com", Some("a.b.under.example.com")),
            ("good.under.example.com", None),
            ("x.good.under.example.com", None),
            ("notgood.under.example.com", Some(".under.example.com")),
            ("wild.example.com", Some(".wild.example.com")),
            ("both.example.com", Some("both.example.com")),
            ("x.both.example.com", Some(".both.example.com")),
            ("example.com", None),
            ("com", None),
            ("", None),
        ] {
            assert_eq!(found(&list, host), expected, "{host}");
        }
        let about = list.about();
        assert_eq!((about.names, about.exceptions, list.name()), (6, 1, "mine"));
        let rule = list.rule(list.lookup(b"exact.example.com").unwrap().entry).unwrap();
        assert_eq!((rule.category, rule.listing), (Category::Ads, Listing::Block));
        assert_eq!((rule.list, rule.source), (&*about.id, "mine.txt"));
    }

    #[test]
    fn thousands_of_names_are_found_and_no_others() {
        let name = |n: u32| format!("n{}.{}.example.com", n, n % 97);
        let text: String = (0..20_000).map(|n| format!("{}\n", name(n))).collect();
        let list = open(&text);
        for n in 0..20_000 {
            assert_eq!(found(&list, &name(n)), Some(&*name(n)));
            assert_eq!(found(&list, &name(n + 20_000)), None);
        }
    }

    #[test]
    fn what_was_taken_and_what_was_not_is_told_with_its_lines() {
        let text = "# head\na.example.com\nA.example.com.\nb c\n\n0.0.0.0 x.example.com y..z\n\
                    ||account.xiaomi.com^\n||example.com^$popup\nupdate.intl.miui.com\n";
        let (_, report) = import(text).unwrap();
        assert_eq!((report.lines, report.names, report.exceptions), (9, 4, 0));
        let seen = |count, line, text: &str| {
            let samples = vec![Sample { line, text: text.to_owned() }];
            super::super::Seen { count, samples }
        };
        assert_eq!(report.duplicates, seen(1, 3, "a.example.com"));
        assert_eq!(report.never.count, 2);
        let never: Vec<_> = report.never.samples.iter().map(|s| (s.line, &*s.text)).collect();
        assert_eq!(never, [(7, ".account.xiaomi.com"), (9, "update.intl.miui.com")]);
        let refused: Vec<_> = report.refused.into_iter().collect();
        let expected = [
            (Refusal::NotAHost, seen(1, 6, "0.0.0.0 x.example.com y..z")),
            (Refusal::Condition, seen(1, 8, "||example.com^$popup")),
            (Refusal::Unknown, seen(1, 4, "b c")),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_list_above_hosts_that_are_never_blocked_says_so() {
        let (_, report) = import("||micloud.xiaomi.net^\nmicloud.xiaomi.net\n").unwrap();
        assert_eq!((report.names, report.never.count), (2, 1));
        assert_eq!(report.never.samples[0].text, ".micloud.xiaomi.net");
    }

    #[test]
    fn samples_are_few_and_short() {
        let line = format!("{} {}\n", "ü".repeat(500), "b");
        let (_, report) = import(&format!("a.example.com\n{}", line.repeat(1000))).unwrap();
        let seen = &report.refused[&Refusal::Unknown];
        assert_eq!((seen.count, seen.samples.len()), (1000, limits::LIST_SAMPLES));
        assert!(seen.samples.iter().all(|sample| sample.text.chars().count() == 80));
    }

    #[test]
    fn what_is_no_list_at_all_is_refused_whole() {
        let nothing = |error| matches!(error, ImportError::Nothing(_));
        assert!(nothing(import("").unwrap_err()));
        assert!(nothing(import("# only words\n").unwrap_err()));
        assert!(nothing(import("<html>\n<body>\n").unwrap_err()));
        let mut importer = Importer::new(HostTable::builtin(), false);
        let mut dice = 7_u64;
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..dice % 90)
                .map(|_| {
                    dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    (dice >> 56) as u8 | 0x80
                })
                .collect();
            dice = dice.rotate_left(7) | 1;
            importer.line(&bytes);
        }
        assert!(importer.finish(&choice()).err().is_some_and(nothing));
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_costs_itself_alone() {
        let mut importer = Importer::new(HostTable::builtin(), false);
        importer.line(b"a.example.com\n");
        importer.line(&vec![b'a'; limits::LIST_LINE + 1]);
        importer.line(b"b.\xff.example.com\n");
        importer.line(b"c.example.com");
        let (_, report) = importer.finish(&choice()).unwrap();
        assert_eq!((report.lines, report.names), (4, 2));
        let reasons: Vec<_> = report.refused.iter().map(|(r, seen)| (*r, seen.count)).collect();
        assert_eq!(reasons, [(Refusal::NotText, 1), (Refusal::LongLine, 1)]);
        assert_eq!(report.refused[&Refusal::LongLine].samples[0].line, 2);
    }

    #[test]
    fn names_of_lists_are_plain_and_none_of_ours() {
        for (name, fits) in [
            ("hagezi-pro-2", true),
            ("", false),
            ("Mine", false),
            ("../mine", false),
            ("xiaomi", false),
            ("never-block", false),
            (&"a".repeat(33), false),
        ] {
            let mut importer = Importer::new(HostTable::builtin(), false);
            importer.line(b"a.example.com");
            let outcome = importer.finish(&Choice { name: name.to_owned(), ..choice() });
            assert_eq!(outcome.err(), (!fits).then_some(ImportError::Name), "{name}");
        }
    }

    #[test]
    fn a_version_follows_from_what_is_listed_and_not_from_its_order() {
        let id = |text: &str| open(text).about().id.clone();
        let one = id("a.example.com\nb.example.com\n");
        assert_eq!(one, id("# x\nb.example.com\na.example.com\na.example.com\n"));
        assert_ne!(one, id("a.example.com\nc.example.com\n"));
    }

    #[test]
    fn damage_at_any_byte_is_seen() {
        let (good, _) = import("a.example.com\n||b.example.com^\n").unwrap();
        assert!(Imported::open(good.clone()).is_ok());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let expected = match at {
                0..=6 => ImportedError::NotAList,
                7 => ImportedError::Version,
                _ => ImportedError::Damaged,
            };
            assert_eq!(Imported::open(bad).err(), Some(expected), "{at}");
            let cut = Imported::open(good[..at].to_vec()).err();
            assert!(cut.is_some(), "cut at {at}");
        }
    }

    #[test]
    fn bytes_with_a_good_hash_and_bad_content_stay_within_bounds() {
        let (good, _) = import("a.example.com\n||b.example.com^\nc.example.com\n").unwrap();
        for at in HEAD..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let hash = Sha256::digest(&bad[HEAD..]);
                bad[8..HEAD].copy_from_slice(&hash);
                let Ok(list) = Imported::open(bad) else { continue };
                for host in ["a.example.com", "x.b.example.com", "none.example.org", "c"] {
                    let entry = list.lookup(host.as_bytes()).map(|found| found.entry);
                    let rule = entry.and_then(|entry| list.rule(entry));
                    assert!(rule.is_none_or(|rule| rule.list == list.about().id));
                }
            }
        }
    }
}
