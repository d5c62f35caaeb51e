//! Makes the bytes of a [`super::HostTable`].
//!
//! This module never reads lists and never looks hosts up; it lays out what others parsed. The
//! build script uses the same source.

use super::address::Prefix;
use super::table::{Hash, TableError, bucket, filter};
use super::{Category, Listing, Region, Rule};
use crate::event::Protocol;
use std::collections::HashMap;

/// Most entries of a bucket. Two to four are usual, so names that nobody chose stay far below it.
const ENTRIES: usize = 32;
/// Seeds that are tried before the names are called chosen.
const SEEDS: u64 = 4;

/// The bytes of a table of these rules.
pub(crate) fn compile<'a>(
    rules: impl IntoIterator<Item = Rule<'a>>,
) -> Result<Vec<u8>, TableError> {
    let rules = distinct(rules);
    let never = rules.iter().filter(|r| r.listing == Listing::Never).count();
    let count = (rules.len() / 2).next_power_of_two().max(16);
    let (seed, buckets) = (0..SEEDS)
        .map(|n| 0x6d75_7a7a_6c65_0001_u64.wrapping_mul(2 * n + 1))
        .find_map(|seed| Some((seed, sort_in(&rules, seed, count)?)))
        .ok_or(TableError::Clustered)?;
    let mut texts = Texts { bytes: vec![0], known: HashMap::new() };
    let mut offsets = vec![0; rules.len()];
    let mut bytes = Vec::new();
    bytes.extend(seed.to_le_bytes());
    let mut sorts = Sorts::default();
    let numbers: Vec<u32> =
        rules.iter().map(|rule| sorts.number(rule, &mut texts)).collect::<Result<_, _>>()?;
    let groups = Groups::of(&rules, never);
    let words =
        [rules.len(), never, count, sorts.known.len(), groups.runs.len(), groups.prefixes.len()];
    for word in words {
        bytes.extend(short(word)?.to_le_bytes());
    }
    for bucket in &buckets {
        let (offset, filter) = texts.bucket(bucket, &rules, &mut offsets)?;
        bytes.extend(offset.to_le_bytes());
        bytes.extend(filter.to_le_bytes());
    }
    for (_, number) in &groups.prefixes {
        texts.entry(*number, &rules, &mut offsets)?;
    }
    for (offset, number) in offsets.iter().zip(numbers) {
        bytes.extend(offset.to_le_bytes());
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(sorts.bytes);
    groups.write(&mut bytes)?;
    bytes.extend(texts.bytes);
    Ok(bytes)
}

fn short(number: usize) -> Result<u32, TableError> {
    u32::try_from(number).map_err(|_| TableError::TooLarge)
}

/// One rule a pattern and list, the never-rules first, else in the given order. Lists are switched
/// one by one, so what two of them say is kept.
fn distinct<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Vec<Rule<'a>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut kept: Vec<Rule<'a>> = Vec::new();
    for rule in rules {
        let key = (rule.pattern, rule.list);
        match places.get(&key).and_then(|&place| kept.get_mut(place)) {
            Some(old) if old.listing == Listing::Never && rule.listing != Listing::Never => {}
            Some(old) => *old = rule,
            None => {
                places.insert(key, kept.len());
                kept.push(rule);
            }
        }
    }
    kept.sort_by_key(|rule| rule.listing != Listing::Never);
    kept
}

/// A rule's number and the hash of its name.
type Bucket = Vec<(usize, u64)>;

/// The rules by bucket, or nothing if one holds too many.
fn sort_in(rules: &[Rule<'_>], seed: u64, count: usize) -> Option<Vec<Bucket>> {
    let mut buckets = vec![Bucket::new(); count];
    for (number, rule) in rules.iter().enumerate() {
        if Prefix::parse(rule.pattern).is_some() {
            continue;
        }
        let name = rule.pattern.strip_prefix('.').unwrap_or(rule.pattern);
        let hash = Hash::of(seed, name.as_bytes());
        let here = buckets.get_mut(bucket(hash) & (count - 1))?;
        here.push((number, hash));
        if here.len() > ENTRIES {
            return None;
        }
    }
    Some(buckets)
}

struct Texts<'a> {
    bytes: Vec<u8>,
    known: HashMap<&'a str, u32>,
}

impl<'a> Texts<'a> {
    /// Writes a bucket's entries and notes where each is. The bucket's offset and filter.
    fn bucket(
        &mut self,
        bucket: &Bucket,
        rules: &[Rule<'_>],
        offsets: &mut [u32],
    ) -> Result<(u32, u32), TableError> {
        if bucket.is_empty() {
            return Ok((0, 0));
        }
        let start = short(self.bytes.len())?;
        self.bytes.push(bucket.len() as u8);
        let mut bits = 0;
        for &(number, hash) in bucket {
            bits |= filter(hash);
            self.entry(number, rules, offsets)?;
        }
        Ok((start, bits))
    }

    /// Writes the entry of a rule and notes where it is.
    fn entry(
        &mut self,
        number: usize,
        rules: &[Rule<'_>],
        offsets: &mut [u32],
    ) -> Result<(), TableError> {
        let (Some(rule), Some(offset)) = (rules.get(number), offsets.get_mut(number)) else {
            return Ok(());
        };
        *offset = short(self.bytes.len())?;
        self.bytes.extend(short(number)?.to_le_bytes());
        self.bytes.push(u8::try_from(rule.pattern.len()).map_err(|_| TableError::TooLarge)?);
        self.bytes.extend(rule.pattern.as_bytes());
        Ok(())
    }

    fn shared(&mut self, text: &'a str) -> Result<u32, TableError> {
        if let Some(&offset) = self.known.get(text) {
            return Ok(offset);
        }
        let offset = short(self.bytes.len())?;
        self.bytes.extend(text.as_bytes());
        self.known.insert(text, offset);
        Ok(offset)
    }
}

/// The rules about addresses.
struct Groups {
    /// Each length with how many prefixes have it, the longest first.
    runs: Vec<(u8, usize)>,
    /// In the order of the runs, then by their bits, each with the number of its rule.
    prefixes: Vec<(Prefix, usize)>,
}

impl Groups {
    fn of(rules: &[Rule<'_>], never: usize) -> Self {
        let rules = rules.iter().enumerate();
        let mut prefixes: Vec<_> =
            rules.filter_map(|(n, rule)| Some((Prefix::parse(rule.pattern)?, n))).collect();
        // Of one prefix the never-rule first, then the latest.
        prefixes.sort_by_key(|(prefix, n)| {
            (u8::MAX - prefix.length, prefix.bits, *n >= never, usize::MAX - n)
        });
        let lengths = prefixes.chunk_by(|(a, _), (b, _)| a.length == b.length);
        let runs = lengths
            .filter_map(|run| run.first().map(|(prefix, _)| (prefix.length, run.len())))
            .collect();
        Self { runs, prefixes }
    }

    fn write(&self, bytes: &mut Vec<u8>) -> Result<(), TableError> {
        for &(length, count) in &self.runs {
            bytes.extend(u32::from(length).to_le_bytes());
            bytes.extend(short(count)?.to_le_bytes());
        }
        for &(prefix, number) in &self.prefixes {
            bytes.extend(prefix.bits.to_le_bytes());
            bytes.extend(short(number)?.to_le_bytes());
        }
        Ok(())
    }
}

/// What a rule says apart from its pattern.
type Sort<'a> = ([&'a str; 5], Category, Listing, Option<Protocol>, Option<Region>);

#[derive(Default)]
struct Sorts<'a> {
    bytes: Vec<u8>,
    known: HashMap<Sort<'a>, u32>,
}

impl<'a> Sorts<'a> {
    fn number(&mut self, rule: &Rule<'a>, texts: &mut Texts<'a>) -> Result<u32, TableError> {
        let parts = [rule.owner, rule.side_effect, rule.source, rule.licence, rule.list];
        let sort = (parts, rule.category, rule.listing, rule.protocol, rule.region);
        if let Some(&number) = self.known.get(&sort) {
            return Ok(number);
        }
        for part in parts {
            self.bytes.extend(texts.shared(part)?.to_le_bytes());
            self.bytes.extend(short(part.len())?.to_le_bytes());
        }
        let protocol = rule.protocol.map_or(u8::MAX, |p| p as u8);
        let region = rule.region.map_or(u8::MAX, |r| r as u8);
        self.bytes.extend([rule.category as u8, rule.listing as u8, protocol, region]);
        let number = short(self.known.len())?;
        self.known.insert(sort, number);
        Ok(number)
    }
}
