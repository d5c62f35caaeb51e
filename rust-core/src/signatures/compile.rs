//! Makes the bytes of a [`super::HostTable`].
//!
//! This module never reads lists and never looks hosts up; it lays out what others parsed. The
//! build script uses the same source.

use super::table::{EXACT, HEAD, Hash, SLOT, TableError};
use super::{Category, Listing, Rule};
use crate::event::Protocol;
use std::collections::HashMap;

/// Longest way from a name's first slot to its place. Half of the slots are free, so names that
/// nobody chose stay far below it.
const RUN: usize = 256;
/// Seeds that are tried before the names are called chosen.
const SEEDS: u64 = 4;

/// The bytes of a table of these rules.
pub(crate) fn compile<'a>(
    rules: impl IntoIterator<Item = Rule<'a>>,
) -> Result<Vec<u8>, TableError> {
    let rules = distinct(rules);
    let never = rules.iter().filter(|r| r.listing == Listing::Never).count();
    let mut texts = Texts { bytes: vec![0], known: HashMap::new() };
    let mut sorts = Sorts::default();
    let (mut records, mut entries) = (Vec::new(), Vec::new());
    for (number, rule) in rules.iter().enumerate() {
        let entry = texts.entry(number, rule.pattern)?;
        let sort = sorts.number(rule, &mut texts)?;
        records.extend(entry.to_le_bytes());
        records.extend(sort.to_le_bytes());
        entries.push((entry, rule.pattern));
    }
    let count = (rules.len() * 2).next_power_of_two().max(16);
    let (seed, slots) = (0..SEEDS)
        .map(|n| 0x6d75_7a7a_6c65_0001_u64.wrapping_mul(2 * n + 1))
        .find_map(|seed| Some((seed, place(&entries, seed, count)?)))
        .ok_or(TableError::Clustered)?;
    let mut bytes = Vec::with_capacity(HEAD + count * SLOT + records.len() + texts.bytes.len());
    bytes.extend(seed.to_le_bytes());
    for word in [rules.len(), never, count, sorts.known.len()] {
        bytes.extend(short(word)?.to_le_bytes());
    }
    bytes.extend(slots.iter().flat_map(|s| s.to_le_bytes()));
    bytes.extend(records);
    bytes.extend(sorts.bytes);
    bytes.extend(texts.bytes);
    Ok(bytes)
}

fn short(number: usize) -> Result<u32, TableError> {
    u32::try_from(number).ok().filter(|n| n & EXACT == 0).ok_or(TableError::TooLarge)
}

/// One rule a pattern, the never-rules first, else in the given order.
fn distinct<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Vec<Rule<'a>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut kept: Vec<Rule<'a>> = Vec::new();
    for rule in rules {
        match places.get(rule.pattern).and_then(|&place| kept.get_mut(place)) {
            Some(old) if old.listing == Listing::Never && rule.listing != Listing::Never => {}
            Some(old) => *old = rule,
            None => {
                places.insert(rule.pattern, kept.len());
                kept.push(rule);
            }
        }
    }
    kept.sort_by_key(|rule| rule.listing != Listing::Never);
    kept
}

/// The slots, or nothing if a name would lie too far from its place.
fn place(entries: &[(u32, &str)], seed: u64, count: usize) -> Option<Vec<u64>> {
    let mut slots = vec![0_u64; count];
    for &(entry, pattern) in entries {
        let (name, exact) = match pattern.strip_prefix('.') {
            Some(name) => (name, 0),
            None => (pattern, EXACT),
        };
        let hash = Hash::of(seed, name.as_bytes());
        let first = (hash >> 32) as usize;
        let mut run = (0..RUN).map(|step| (first + step) & (count - 1));
        let free = run.find(|&slot| slots.get(slot) == Some(&0))?;
        *slots.get_mut(free)? = (hash << 32) | u64::from(entry | exact);
    }
    Some(slots)
}

struct Texts<'a> {
    bytes: Vec<u8>,
    known: HashMap<&'a str, u32>,
}

impl<'a> Texts<'a> {
    fn entry(&mut self, number: usize, pattern: &str) -> Result<u32, TableError> {
        let offset = short(self.bytes.len())?;
        self.bytes.extend(short(number)?.to_le_bytes());
        self.bytes.push(u8::try_from(pattern.len()).map_err(|_| TableError::TooLarge)?);
        self.bytes.extend(pattern.as_bytes());
        Ok(offset)
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

/// What a rule says apart from its pattern.
type Sort<'a> = ([&'a str; 5], Category, Listing, Option<Protocol>);

#[derive(Default)]
struct Sorts<'a> {
    bytes: Vec<u8>,
    known: HashMap<Sort<'a>, u32>,
}

impl<'a> Sorts<'a> {
    fn number(&mut self, rule: &Rule<'a>, texts: &mut Texts<'a>) -> Result<u32, TableError> {
        let parts = [rule.owner, rule.side_effect, rule.source, rule.licence, rule.list];
        let sort = (parts, rule.category, rule.listing, rule.protocol);
        if let Some(&number) = self.known.get(&sort) {
            return Ok(number);
        }
        for part in parts {
            self.bytes.extend(texts.shared(part)?.to_le_bytes());
            self.bytes.extend(short(part.len())?.to_le_bytes());
        }
        let protocol = rule.protocol.map_or(u8::MAX, |p| p as u8);
        self.bytes.extend([rule.category as u8, rule.listing as u8, protocol, 0]);
        let number = short(self.known.len())?;
        self.known.insert(sort, number);
        Ok(number)
    }
}
