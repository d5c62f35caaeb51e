//! Makes an [`Imported`] of a list that somebody else wrote, line by line.
//!
//! This module never holds the text: a name that is taken costs two thirds of its own bytes and
//! thirteen more. What is not taken is counted by its reason, with a few samples. Nothing here opens
//! a file.

use super::foreign::{self, Note, Reader, Refusal, Said, Stance, What};
use super::imported::{About, BITS, BUCKET, HEAD, MAGIC, PATTERNS, SIZES, VERSION, hash};
use super::kind::{Kind, Watch};
use super::packed::{LONGEST, Packed};
use super::pattern::Pattern;
use super::table::filter;
use super::{Category, HostTable, Listing};
use crate::limits;
use hashbrown::{HashMap, HashSet};
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
    /// Names of hosts files and plain names stand for all that is under them, too.
    pub below: bool,
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
    /// More than [`limits::LIST_LINES`].
    #[error("more than {} lines", limits::LIST_LINES)]
    TooManyLines,
    /// More than [`limits::LIST_PATTERNS`], or than [`limits::LIST_REGEXES`] that are expressions.
    #[error(
        "more than {} exceptions without a host, or more than {} by expressions",
        limits::LIST_PATTERNS,
        limits::LIST_REGEXES
    )]
    TooManyPatterns,
    /// More than [`limits::LIST_TAKEN_BACK`].
    #[error("more than {} rules that take others back", limits::LIST_TAKEN_BACK)]
    TooManyTakenBack,
    /// The names are too long together for one table.
    #[error("too many long names")]
    TooLarge,
    /// No line blocks a name. The report says why.
    #[error("no line of it could be taken")]
    Nothing(Box<Report>),
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
    /// Rules that block other names, too, and were taken for the one that they name.
    pub narrowed: Seen,
    /// Exceptions under conditions, which were taken for all conditions.
    pub widened: Seen,
    /// Names that the list takes back with `$badfilter`.
    pub taken_back: Seen,
    /// What was not taken, by reason.
    pub refused: BTreeMap<Refusal, Seen>,
    /// What the file is, where that is no list of names.
    pub kind: Option<Kind>,
    /// The list says of itself that its names stand for all that is under them, and they were not
    /// taken so.
    pub means_below: bool,
}

/// A rule that takes others back: which entry, how written.
type TakenBack = HashMap<Box<[u8]>, Vec<u64>>;

/// A name that was taken.
#[derive(Clone, Copy)]
struct Taken {
    /// The first half of its hash.
    hash: u32,
    /// Of its entry.
    at: u32,
    /// Its line while lines are read, and then what its bucket has to know.
    told: u32,
}

/// Of an entry in its bucket: its length, and the bits of its hash that its filter is made of.
fn tell(length: usize, hash: u64) -> u32 {
    (hash as u32 & 0x3ff) << 8 | length as u32
}

impl Taken {
    /// Bytes of the entry, its length not among them.
    fn length(&self) -> usize {
        (self.told & 0xff) as usize
    }

    fn filter(&self) -> u32 {
        filter((self.told >> 8).into())
    }
}

/// See the module.
pub struct Importer<'t> {
    builtin: &'t HostTable,
    /// All names above those that are never blocked.
    above_never: HashSet<&'t str>,
    entries: Packed,
    taken: Vec<Taken>,
    content: Sha256,
    report: Report,
    room: String,
    full: Option<ImportError>,
    reader: Reader,
    below: bool,
    watch: Watch,
    /// Exceptions without a host, by how they are written to the file and their form.
    patterns: HashMap<(Box<str>, u64), Pattern>,
    /// Expressions that were made ready, or could not be.
    tries: usize,
    /// Entries of rules with modifiers, by place.
    forms: Vec<(u32, u64)>,
    taken_back: TakenBack,
}

impl<'t> Importer<'t> {
    /// An importer that looks for conflicts with these lists. `below` as in [`Choice`].
    pub fn new(builtin: &'t HostTable, below: bool) -> Self {
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
            entries: Packed::default(),
            taken: Vec::new(),
            content: Sha256::new(),
            report: Report::default(),
            room: String::new(),
            full: None,
            reader: Reader::new(below),
            below,
            watch: Watch::default(),
            patterns: HashMap::new(),
            tries: 0,
            forms: Vec::new(),
            taken_back: TakenBack::default(),
        }
    }

    /// Takes one line, with or without its end.
    pub fn line(&mut self, line: &[u8]) {
        self.report.lines = self.report.lines.saturating_add(1);
        let number = self.report.lines;
        if number == 1 {
            self.watch.begin(line);
        }
        if number > limits::LIST_LINES {
            self.full = Some(ImportError::TooManyLines);
            return;
        }
        if line.len() > limits::LIST_LINE {
            return self.refuse(Refusal::LongLine, &String::from_utf8_lossy(&line[..80]));
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return self.refuse(Refusal::NotText, &String::from_utf8_lossy(line));
        };
        let text = text.trim_end_matches(['\r', '\n']);
        let mut reader = self.reader;
        let outcome = reader.read(text, &mut |said| self.take(number, text, said));
        self.reader = reader;
        self.watch.line(text, outcome);
        if let Err(reason) = outcome {
            self.refuse(reason, text);
        }
    }

    /// Whether there is no room for more: the rest need not be read.
    pub fn is_full(&self) -> bool {
        self.full.is_some()
    }

    fn refuse(&mut self, reason: Refusal, text: &str) {
        let line = self.report.lines;
        self.report.refused.entry(reason).or_default().add(line, text);
    }

    fn take(&mut self, line: u32, text: &str, said: Said<'_>) -> Result<(), Refusal> {
        match said.what {
            What::Name(name) => {
                let mut room = std::mem::take(&mut self.room);
                let outcome = foreign::pattern(name, said.stance, &mut room)
                    .and_then(|pattern| self.take_name(line, pattern, &said));
                self.room = room;
                outcome?;
            }
            What::Pattern { text, at_host } => {
                let text = format!("{}{text}", if at_host { "|" } else { "" });
                self.take_pattern(&text, &said)?;
            }
        }
        match said.note.filter(|_| !said.taken_back) {
            Some(Note::Narrowed) => self.report.narrowed.add(line, text),
            Some(Note::Widened) => self.report.widened.add(line, text),
            None => {}
        }
        Ok(())
    }

    fn take_name(&mut self, line: u32, pattern: &str, said: &Said<'_>) -> Result<(), Refusal> {
        let mark = mark(said.stance);
        if said.taken_back {
            self.take_back(format!("{mark}{pattern}").into_bytes().into(), said.form);
            return Ok(());
        }
        let name = pattern.trim_start_matches('.');
        if matches!(said.stance, Stance::Block | Stance::Important) {
            let rule = self.builtin.lookup(name).map(|id| self.builtin.rule(id).listing);
            let under = pattern.starts_with('.') && self.above_never.contains(name);
            if rule == Some(Listing::Never) || under {
                self.report.never.add(line, pattern);
            }
        }
        if self.taken.len() >= limits::LIST_NAMES {
            self.full = Some(ImportError::TooManyNames);
            return Ok(());
        }
        // Only a name of the greatest length finds no room for its marks.
        let at = self.entries.push(mark, pattern).ok_or(Refusal::NotAHost)?;
        if said.form != 0 {
            self.forms.push((at, said.form));
        }
        self.taken.push(Taken { hash: (hash(name.as_bytes()) >> 32) as u32, at, told: line });
        Ok(())
    }

    fn take_pattern(&mut self, text: &str, said: &Said<'_>) -> Result<(), Refusal> {
        let important = said.stance == Stance::ImportantException;
        // No entry of a name begins so.
        let key = format!("{}{text}", if important { '!' } else { ' ' }).into_boxed_str();
        if said.taken_back {
            self.take_back(key.as_bytes().into(), said.form);
            return Ok(());
        }
        let key = (key, said.form);
        if self.patterns.contains_key(&key) {
            return Ok(());
        }
        self.tries += usize::from(text.starts_with('/'));
        if self.tries > limits::LIST_REGEX_TRIES {
            self.full = Some(ImportError::TooManyPatterns);
            return Ok(());
        }
        let pattern = Pattern::parse(text, important).ok_or(Refusal::Exception)?;
        self.patterns.insert(key, pattern);
        let regexes = || self.patterns.values().filter(|pattern| pattern.is_regex()).count();
        if self.patterns.len() > limits::LIST_PATTERNS
            || (text.starts_with('/') && regexes() > limits::LIST_REGEXES)
        {
            self.full = Some(ImportError::TooManyPatterns);
        }
        Ok(())
    }

    fn take_back(&mut self, what: Box<[u8]>, form: u64) {
        if self.taken_back.len() >= limits::LIST_TAKEN_BACK {
            self.full = Some(ImportError::TooManyTakenBack);
            return;
        }
        let forms = self.taken_back.entry(what).or_default();
        if !forms.contains(&form) && forms.len() < ENTRIES {
            forms.push(form);
        }
    }

    /// The list, and what came of it.
    pub fn finish(mut self, choice: &Choice) -> Result<(Compiled, Report), ImportError> {
        check_name(&choice.name, self.builtin)?;
        if let Some(error) = self.full {
            return Err(error);
        }
        self.drop_taken_back();
        let lines = self.report.lines;
        for pattern in self.patterns.values() {
            // Says at which names patterns have to be asked.
            let Some(name) = pattern.above() else { continue };
            let hash = (hash(name.as_bytes()) >> 32) as u32;
            let at = self.entries.push(PATTERNS, name).ok_or(ImportError::TooLarge)?;
            self.taken.push(Taken { hash, at, told: lines });
        }
        self.taken.sort_unstable_by_key(|taken| (taken.hash, taken.at));
        self.drop_duplicates();
        let mut room = [0; LONGEST];
        let mut size = 0;
        for taken in &mut self.taken {
            let entry = self.entries.text(taken.at, &mut room);
            self.content.update(entry);
            size += 1 + entry.len();
            let marks = entry.iter().take_while(|byte| **byte == b'@').count();
            match marks {
                0 | 2 => self.report.names += 1,
                1 | 3 | 4 => self.report.exceptions += 1,
                _ => {}
            }
            let name = entry.get(marks..).unwrap_or_default();
            let dots = name.iter().take_while(|byte| **byte == b'.').count();
            taken.told = tell(entry.len(), hash(name.get(dots..).unwrap_or_default()));
        }
        let mut patterns: Vec<_> = self.patterns.into_keys().map(|(text, _)| text).collect();
        patterns.sort_unstable();
        patterns.dedup();
        for text in &patterns {
            self.content.update(text.as_bytes());
            self.content.update(b"\n");
        }
        self.report.exceptions += patterns.len() as u32;
        self.report.means_below = self.watch.means_below() && !self.below;
        self.report.kind = self.watch.kind(&self.report);
        if self.report.names == 0 {
            return Err(ImportError::Nothing(Box::new(self.report)));
        }
        if size >= limits::LIST_TABLE {
            return Err(ImportError::TooLarge);
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
            below: self.below,
        };
        let compiled = Compiled::new(about, self.entries, self.taken, patterns)?;
        Ok((compiled, self.report))
    }

    /// Takes back what the list takes back, wherever in it that stands.
    fn drop_taken_back(&mut self) {
        if self.taken_back.is_empty() {
            return;
        }
        let (entries, forms, gone) = (&self.entries, &self.forms, &self.taken_back);
        let report = &mut self.report.taken_back;
        let mut room = [0; LONGEST];
        self.taken.retain(|taken| {
            let entry = entries.text(taken.at, &mut room);
            let form = forms.binary_search_by_key(&taken.at, |(at, _)| *at);
            let form = form.ok().and_then(|index| forms.get(index)).map_or(0, |(_, form)| *form);
            let goes = gone.get(entry).is_some_and(|forms| forms.contains(&form));
            if goes {
                report.add(taken.told, &String::from_utf8_lossy(entry));
            }
            !goes
        });
        self.patterns.retain(|(text, form), _| {
            !gone.get(text.as_bytes()).is_some_and(|forms| forms.contains(form))
        });
    }

    /// Of equal entries the first stays. They have equal hashes, so they lie together.
    fn drop_duplicates(&mut self) {
        let (entries, taken) = (&self.entries, &mut self.taken);
        let (mut kept, mut first) = (0, 0);
        for next in 0..taken.len() {
            let one = taken[next];
            if taken[first].hash != one.hash {
                first = kept;
            }
            let same = |other: &Taken| entries.raw(other.at) == entries.raw(one.at);
            if !taken[first..kept].iter().take(ENTRIES).any(same) {
                // What is not kept gathers behind it.
                taken.swap(kept, next);
                kept += 1;
            }
        }
        let (_, again) = taken.split_at_mut(kept);
        again.sort_unstable_by_key(|taken| taken.at);
        let mut room = [0; LONGEST];
        let own = |taken: &&Taken| !entries.starts(taken.at, PATTERNS);
        for again in again.iter().filter(own) {
            let text = String::from_utf8_lossy(entries.text(again.at, &mut room));
            self.report.duplicates.add(again.told, &text);
        }
        taken.truncate(kept);
    }
}

/// An entry as the file has it: `..` of what is only under a name is `*.` there, for which there
/// is no room while lists are read.
fn marked(entry: &mut [u8]) -> &[u8] {
    let marks = entry.iter().take_while(|byte| **byte == b'@').count();
    if let Some([first @ b'.', b'.', ..]) = entry.get_mut(marks..) {
        *first = b'*';
    }
    entry
}

/// What stands before the entry of a name.
fn mark(stance: Stance) -> &'static str {
    match stance {
        Stance::Block => "",
        Stance::Exception => "@",
        Stance::Important => "@@",
        Stance::ImportantException => "@@@",
        Stance::Free => "@@@@",
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

/// An imported list that is to be written.
pub struct Compiled {
    about: About,
    entries: Packed,
    taken: Vec<Taken>,
    patterns: Vec<Box<str>>,
    bits: u32,
}

impl Compiled {
    fn new(
        about: About,
        entries: Packed,
        taken: Vec<Taken>,
        patterns: Vec<Box<str>>,
    ) -> Result<Self, ImportError> {
        let bits = (taken.len() / 2).next_power_of_two().ilog2().clamp(*BITS.start(), *BITS.end());
        let compiled = Self { about, entries, taken, patterns, bits };
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

    /// All bytes of the file behind its head, in pieces of any size, and then the head, which has
    /// their hash.
    pub fn write<E>(&self, put: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<[u8; HEAD], E> {
        let mut hash = Sha256::new();
        self.body(&mut |piece: &[u8]| {
            hash.update(piece);
            put(piece)
        })?;
        let mut head = [0; HEAD];
        let parts = MAGIC.iter().copied().chain([VERSION]).chain(hash.finalize());
        head.iter_mut().zip(parts).for_each(|(room, byte)| *room = byte);
        Ok(head)
    }

    fn body<E>(&self, put: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let about = serde_json::to_vec(&self.about).unwrap_or_default();
        let size = |taken: &[Taken]| taken.iter().map(|t| 1 + t.length()).sum::<usize>();
        let mut sizes = [0; SIZES];
        let counts = [about.len(), self.bits as usize, size(&self.taken)];
        for (room, count) in sizes.chunks_exact_mut(4).zip(counts) {
            room.copy_from_slice(&(count as u32).to_le_bytes());
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
            let bits = bucket.iter().fold(0, |bits, taken| bits | taken.filter());
            let (offset, filter) = content.split_at_mut(4);
            offset.copy_from_slice(&(at as u32).to_le_bytes());
            filter.copy_from_slice(&bits.to_le_bytes());
            put(&content)?;
            at += size(bucket);
        }
        let mut room = [0; LONGEST];
        for taken in &self.taken {
            let length = self.entries.text(taken.at, &mut room).len();
            let entry = room.get_mut(..length).unwrap_or_default();
            put(&[entry.len() as u8])?;
            put(marked(entry))?;
        }
        for text in &self.patterns {
            put(text.as_bytes())?;
            put(b"\n")?;
        }
        Ok(())
    }

    /// All bytes of the file in memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        let head: Result<_, std::convert::Infallible> = self.write(&mut |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        let head = head.unwrap_or_else(|never| match never {});
        bytes[..HEAD].copy_from_slice(&head);
        bytes
    }
}
