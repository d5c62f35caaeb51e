//! Makes an [`Imported`] of a list that somebody else wrote, line by line.
//!
//! This module never holds the text: a name that is taken costs its own bytes and twelve more. What
//! is not taken is counted by its reason, with a few samples. Nothing here opens a file.

use super::foreign::{self, Refusal};
use super::imported::{About, BITS, BUCKET, HEAD, MAGIC, SIZES, VERSION, filter_of, hash};
use super::{Category, HostTable, Listing};
use crate::limits;
use hashbrown::HashSet;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Most entries of one bucket; two are usual. Names that were chosen to collide would make finding
/// slow.
const ENTRIES: usize = 64;

/// What the owner says about a list when importing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Lower-case letters, digits and `-`; another list of that name is replaced.
    pub name: String,
    /// Where the list came from, a file's name.
    pub source: String,
    /// What its hosts are for.
    pub category: Category,
    /// What happens to them; never [`Listing::Never`].
    pub listing: Listing,
}

/// Why a list was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The name is empty, too long, has other characters, or is that of a built-in list.
    #[error("a list's name has a-z, 0-9 and -, 32 at most, and is not that of a built-in list")]
    Name,
    /// More than [`limits::LIST_NAMES`].
    #[error("more than {} names", limits::LIST_NAMES)]
    TooManyNames,
    /// No line had a name.
    #[error("no line of it could be taken")]
    Nothing,
    /// Hosts chosen so that finding them would be slow.
    #[error("hosts that collide on purpose")]
    Clustered,
}

/// How often something was seen, with the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// All of them.
    pub count: u64,
    /// [`limits::LIST_SAMPLES`] at most.
    pub samples: Vec<Sample>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// From 1.
    pub line: u32,
    /// The line or the name, cut.
    pub text: String,
}

impl Seen {
    fn add(&mut self, line: u32, text: &str) {
        self.count += 1;
        if self.samples.len() < limits::LIST_SAMPLES {
            self.samples.push(Sample { line, text: text.chars().take(80).collect() });
        }
    }
}

/// What came of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All lines, empty ones too.
    pub lines: u32,
    /// Names that are listed, each once.
    pub names: u32,
    /// Names that the list leaves alone, each once.
    pub exceptions: u32,
    /// Names that stood there before.
    pub duplicates: Seen,
    /// Names that are never blocked, or that have such names under them: those stay as they are.
    pub never: Seen,
    /// What was not taken, by reason.
    pub refused: BTreeMap<Refusal, Seen>,
}

/// A name that was taken.
#[derive(Clone, Copy)]
struct Taken {
    /// The first half of its hash.
    hash: u32,
    /// Of its length and its bytes.
    at: u32,
    line: u32,
}

/// See the module.
pub struct Importer<'t> {
    builtin: &'t HostTable,
    /// All names above those that are never blocked.
    above_never: HashSet<&'t str>,
    entries: Vec<u8>,
    taken: Vec<Taken>,
    content: Sha256,
    report: Report,
    room: String,
    full: bool,
}

impl<'t> Importer<'t> {
    /// An importer that looks for conflicts with these lists.
    pub fn new(builtin: &'t HostTable) -> Self {
        let never = builtin.rules().take_while(|rule| rule.listing == Listing::Never);
        let above_never = never
            .flat_map(|rule| {
                let name = rule.pattern.trim_start_matches('.');
                name.match_indices('.').filter_map(move |(dot, _)| name.get(dot + 1..))
            })
            .collect();
        Self {
            builtin,
            above_never,
            entries: Vec::new(),
            taken: Vec::new(),
            content: Sha256::new(),
            report: Report::default(),
            room: String::new(),
            full: false,
        }
    }

    /// Takes one line, with or without its end.
    pub fn line(&mut self, line: &[u8]) {
        self.report.lines = self.report.lines.saturating_add(1);
        let number = self.report.lines;
        if line.len() > limits::LIST_LINE {
            return self.refuse(Refusal::LongLine, &String::from_utf8_lossy(&line[..80]));
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return self.refuse(Refusal::NotText, &String::from_utf8_lossy(line));
        };
        let text = text.trim_end_matches(['\r', '\n']);
        let outcome = foreign::read(text, &mut |name| {
            let mut room = std::mem::take(&mut self.room);
            let outcome = foreign::pattern(name, &mut room)
                .map(|pattern| self.take(number, pattern, name.exception));
            self.room = room;
            outcome
        });
        if let Err(reason) = outcome {
            self.refuse(reason, text);
        }
    }

    /// Whether there is no room for another name: the rest need not be read.
    pub fn is_full(&self) -> bool {
        self.full
    }

    fn refuse(&mut self, reason: Refusal, text: &str) {
        let line = self.report.lines;
        self.report.refused.entry(reason).or_default().add(line, text);
    }

    fn take(&mut self, line: u32, pattern: &str, exception: bool) {
        let name = pattern.strip_prefix('.').unwrap_or(pattern);
        if !exception {
            let rule = self.builtin.lookup(name).map(|id| self.builtin.rule(id).listing);
            let under = pattern.starts_with('.') && self.above_never.contains(name);
            if rule == Some(Listing::Never) || under {
                self.report.never.add(line, pattern);
            }
        }
        let length = pattern.len() + usize::from(exception);
        let (Ok(at), Ok(length)) = (u32::try_from(self.entries.len()), u8::try_from(length)) else {
            return;
        };
        if self.taken.len() >= limits::LIST_NAMES {
            self.full = true;
            return;
        }
        self.entries.push(length);
        self.entries.extend(exception.then_some(b'@'));
        self.entries.extend_from_slice(pattern.as_bytes());
        self.taken.push(Taken { hash: (hash(name.as_bytes()) >> 32) as u32, at, line });
    }

    /// The list, and what came of it.
    pub fn finish(mut self, choice: &Choice) -> Result<(Compiled, Report), ImportError> {
        check_name(&choice.name, self.builtin)?;
        if self.full {
            return Err(ImportError::TooManyNames);
        }
        self.taken.sort_unstable_by_key(|taken| (taken.hash, taken.at));
        self.drop_duplicates();
        let listed = |taken: &&Taken| entry(&self.entries, taken.at).first() != Some(&b'@');
        let names = self.taken.iter().filter(listed).count();
        if self.taken.is_empty() {
            return Err(ImportError::Nothing);
        }
        self.report.names = names as u32;
        self.report.exceptions = (self.taken.len() - names) as u32;
        for taken in &self.taken {
            self.content.update(entry(&self.entries, taken.at));
        }
        let version: String =
            self.content.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let about = About {
            id: format!("{}@{version}", choice.name),
            source: choice.source.clone(),
            category: choice.category,
            listing: choice.listing,
            names: self.report.names,
            exceptions: self.report.exceptions,
        };
        let compiled = Compiled::new(about, self.entries, self.taken)?;
        Ok((compiled, self.report))
    }

    /// Of equal entries the first stays. They have equal hashes, so they lie together.
    fn drop_duplicates(&mut self) {
        let mut again = Vec::new();
        let (entries, taken) = (&self.entries, &mut self.taken);
        let (mut kept, mut first) = (0, 0);
        for next in 0..taken.len() {
            let one = taken[next];
            if taken[first].hash != one.hash {
                first = kept;
            }
            let same = |other: &Taken| entry(entries, other.at) == entry(entries, one.at);
            if taken[first..kept].iter().take(ENTRIES).any(same) {
                again.push((one.line, one.at));
                continue;
            }
            taken[kept] = one;
            kept += 1;
        }
        taken.truncate(kept);
        again.sort_unstable();
        for (line, at) in again {
            let text = String::from_utf8_lossy(entry(&self.entries, at)).into_owned();
            self.report.duplicates.add(line, &text);
        }
    }
}

fn check_name(name: &str, builtin: &HostTable) -> Result<(), ImportError> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let taken = builtin.rules().any(|rule| rule.list.split('@').next() == Some(name));
    if (1..=32).contains(&name.len()) && name.bytes().all(fits) && !taken {
        Ok(())
    } else {
        Err(ImportError::Name)
    }
}

fn entry(entries: &[u8], at: u32) -> &[u8] {
    let (length, rest) = entries
        .get(at as usize..)
        .and_then(|bytes| bytes.split_first())
        .map_or((0, &[][..]), |(length, rest)| (usize::from(*length), rest));
    rest.get(..length).unwrap_or_default()
}

/// An imported list that is to be written.
pub struct Compiled {
    about: About,
    entries: Vec<u8>,
    taken: Vec<Taken>,
    bits: u32,
}

impl Compiled {
    fn new(about: About, entries: Vec<u8>, taken: Vec<Taken>) -> Result<Self, ImportError> {
        let bits = (taken.len() / 2).next_power_of_two().ilog2().clamp(*BITS.start(), *BITS.end());
        let compiled = Self { about, entries, taken, bits };
        let clustered = compiled
            .taken
            .chunk_by(|a, b| compiled.bucket(a) == compiled.bucket(b))
            .any(|bucket| bucket.len() > ENTRIES);
        if clustered { Err(ImportError::Clustered) } else { Ok(compiled) }
    }

    fn bucket(&self, taken: &Taken) -> u32 {
        taken.hash >> (32 - self.bits)
    }

    /// What the list says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// All bytes of the file, in pieces of any size. They are made twice: the head has their hash.
    pub fn write<E>(&self, put: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut hash = Sha256::new();
        self.body(&mut |piece: &[u8]| {
            hash.update(piece);
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
        put(MAGIC)?;
        put(&[VERSION])?;
        put(&hash.finalize())?;
        self.body(put)
    }

    fn body<E>(&self, put: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let about = serde_json::to_vec(&self.about).unwrap_or_default();
        let whole: usize = self.taken.iter().map(|t| 1 + entry(&self.entries, t.at).len()).sum();
        let mut sizes = [0; SIZES];
        for (room, size) in sizes.chunks_exact_mut(4).zip([about.len(), self.bits as usize, whole])
        {
            room.copy_from_slice(&(size as u32).to_le_bytes());
        }
        put(&sizes)?;
        put(&about)?;
        let mut rest = self.taken.as_slice();
        let mut at = 0;
        for number in 0..1 << self.bits {
            let here = rest.iter().take_while(|taken| self.bucket(taken) == number).count();
            let (bucket, after) = rest.split_at(here);
            rest = after;
            let mut content = [0; BUCKET];
            let bits =
                bucket.iter().fold(0, |bits, t| bits | filter_of(entry(&self.entries, t.at)));
            let (offset, filter) = content.split_at_mut(4);
            offset.copy_from_slice(&(at as u32).to_le_bytes());
            filter.copy_from_slice(&bits.to_le_bytes());
            put(&content)?;
            at += bucket.iter().map(|t| 1 + entry(&self.entries, t.at).len()).sum::<usize>();
        }
        for taken in &self.taken {
            let entry = entry(&self.entries, taken.at);
            put(&[entry.len() as u8])?;
            put(entry)?;
        }
        Ok(())
    }

    /// The bytes of [`Self::write`] in memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.entries.len());
        let written: Result<(), std::convert::Infallible> = self.write(&mut |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        written.unwrap_or_else(|never| match never {});
        bytes
    }
}
