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
//! | head | seed u64, rules u32, never-rules u32, slots u32, sorts u32 |
//! | slots | per slot a u64: upper half the hash's lower half; bit 31 exact; lower 31 bits the entry's offset, 0 if free |
//! | rules | per rule two u32: the entry's offset, the sort's number |
//! | sorts | what rules share: owner, side effect, source, licence, list as offset and length; category, listing, protocol |
//! | texts | entries (rule u32, length u8, pattern) and the sorts' texts; offset 0 is no entry |
//!
//! Rules that are never blocked come first, so a rule's number tells whether it is one.

use super::{Category, Listing, Rule, list::HOST};
use crate::event::Protocol;
use std::borrow::Cow;

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

pub(super) const HEAD: usize = 24;
pub(super) const SLOT: usize = 8;
pub(super) const RULE: usize = 8;
pub(super) const SORT: usize = 44;
pub(super) const EXACT: u32 = 1 << 31;

/// All rules, found by host.
#[derive(Clone, Debug)]
pub struct HostTable {
    bytes: Cow<'static, [u8]>,
    seed: u64,
    rules: u32,
    never: u32,
    /// Slots are a power of two.
    mask: usize,
    rules_at: usize,
    sorts_at: usize,
    texts_at: usize,
}

/// What a walk over a host's suffixes has found so far.
#[derive(Clone, Copy)]
struct Hit {
    rule: u32,
    never: bool,
    exact: bool,
}

impl HostTable {
    /// A table over bytes that `compile` made.
    pub(super) const fn open(bytes: Cow<'static, [u8]>) -> Self {
        let head = match &bytes {
            Cow::Borrowed(bytes) => *bytes,
            Cow::Owned(bytes) => bytes.as_slice(),
        };
        let seed = word(head, 0) as u64 | ((word(head, 4) as u64) << 32);
        let (rules, never) = (word(head, 8), word(head, 12));
        let (slots, sorts) = (word(head, 16) as usize, word(head, 20) as usize);
        let rules_at = HEAD + slots * SLOT;
        let sorts_at = rules_at + rules as usize * RULE;
        let texts_at = sorts_at + sorts * SORT;
        Self { bytes, seed, rules, never, mask: slots - 1, rules_at, sorts_at, texts_at }
    }

    /// A table of any rules, their patterns as [`super::parse_list`] gives them. Of two rules with
    /// one pattern the later wins, unless only the earlier is [`Listing::Never`].
    pub fn from_rules<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Result<Self, TableError> {
        super::compile::compile(rules).map(|bytes| Self::open(Cow::Owned(bytes)))
    }

    /// The rule that speaks about a host: lower case, without a trailing dot.
    ///
    /// A rule that is never blocked beats the others; then an exact one beats a suffix, and a
    /// longer suffix a shorter one. Costs one probe a label and allocates nothing.
    pub fn lookup(&self, host: &str) -> Option<RuleId> {
        let name = host.as_bytes();
        if name.len() > HOST {
            return None;
        }
        let bytes: &[u8] = &self.bytes;
        let mut best = None;
        let mut hash = Hash::new(self.seed);
        let mut labels = 0;
        for (at, &byte) in name.iter().enumerate().rev() {
            if byte != b'.' {
                hash.push(byte);
                continue;
            }
            labels += 1;
            hash.end_label();
            // No rule has a single label.
            if labels > 1 {
                self.probe(bytes, hash.0, name.get(at + 1..)?, false, &mut best);
            }
        }
        hash.end_label();
        self.probe(bytes, hash.0, name, true, &mut best);
        best.map(|hit| RuleId(hit.rule))
    }

    /// Offers every rule of one name to `best`. `whole`: the name is the host and no suffix of it.
    #[inline]
    fn probe(&self, bytes: &[u8], hash: u64, name: &[u8], whole: bool, best: &mut Option<Hit>) {
        let mut slot = (hash >> 32) as usize & self.mask;
        // The builder bounds the length of a run of slots and leaves half of them free.
        while let Some(content) = u64_at(bytes, HEAD + slot * SLOT) {
            let entry = content as u32;
            if entry == 0 {
                return;
            }
            let exact = entry & EXACT != 0;
            if (content >> 32) as u32 == hash as u32 && (whole || !exact) {
                let at = self.texts_at + (entry & !EXACT) as usize;
                if let Some((rule, pattern)) = entry_at(bytes, at)
                    && pattern.get(usize::from(!exact)..) == Some(name)
                {
                    let hit = Hit { rule, never: rule < self.never, exact };
                    if best.is_none_or(|b| (hit.never, hit.exact) >= (b.never, b.exact)) {
                        *best = Some(hit);
                    }
                }
            }
            slot = (slot + 1) & self.mask;
        }
    }

    /// The rule of an id that [`Self::lookup`] gave. An id of another table may give an empty rule
    /// that allows.
    pub fn rule(&self, id: RuleId) -> Rule<'_> {
        let read = || {
            let record = self.rules_at + id.0 as usize * RULE;
            let entry = u32_at(&self.bytes, record)?;
            let sort = self.sorts_at + u32_at(&self.bytes, record + 4)? as usize * SORT;
            let (_, pattern) = entry_at(&self.bytes, self.texts_at + entry as usize)?;
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
            })
        };
        let known = (id.0 < self.rules).then(read).flatten();
        known.unwrap_or(Rule {
            pattern: "",
            owner: "",
            category: Category::Other,
            listing: Listing::Allow,
            side_effect: "",
            protocol: None,
            source: "",
            licence: "",
            list: "",
        })
    }

    /// Every rule, those that are never blocked first.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        (0..self.rules).map(|id| self.rule(RuleId(id)))
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules as usize
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }
}

/// For the head, whose size `compile` vouches for; the compiler checks it for the built-in table.
const fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Number and pattern of a rule.
fn entry_at(bytes: &[u8], at: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<5>()?;
    let [a, b, c, d, length] = *head;
    Some((u32::from_le_bytes([a, b, c, d]), rest.get(..usize::from(length))?))
}

/// A hash of a name that is read from its end, so that each suffix has one on the way.
///
/// Folded 128-bit multiplication, as in wyhash. The same on every machine, because the table is
/// built on one and read on another. Who asks for names cannot make it slow: runs of slots come
/// from the listed names alone, and the builder bounds them.
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
