//! Lists that the owner brings: own ones, and those that somebody else wrote.

use super::ask::{self, ImportList};
use super::{Code, Core, Fault, answer, rules};
use crate::io::locked;
use crate::limits;
use crate::lists;
use crate::service::{self, ListsError};
use crate::signatures::{Choice, HostTable, ImportError, Report, Seen, parse_list};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What the table in force is made of.
pub(super) struct Sources {
    /// The built-in lists and the owner's own.
    own: HostTable,
    /// Where imported lists are.
    folder: Option<PathBuf>,
    /// Names of imported lists that cannot be read.
    damaged: Vec<String>,
}

impl Sources {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { own: HostTable::builtin().clone(), folder, damaged: Vec::new() }
    }

    /// The table of all lists. One that is damaged must not keep protection from starting.
    pub(super) fn table(&mut self) -> Result<HostTable, Fault> {
        let (imported, damaged) = match &self.folder {
            Some(folder) => lists::load_sound(folder)?,
            None => Default::default(),
        };
        self.damaged = damaged;
        Ok(self.own.clone().with_imported(imported))
    }

    /// A line for each list of a table, and for each that is damaged.
    pub(super) fn lines(&self, table: &HostTable) -> Vec<Value> {
        let damaged = |name| json!({"name": name, "imported": true, "damaged": true});
        rules::list_lines(table).into_iter().chain(self.damaged.iter().map(damaged)).collect()
    }

    fn folder(&self) -> Result<&Path, Fault> {
        let none = || Fault::new(Code::Unsupported, "`open` named no folder for lists");
        self.folder.as_deref().ok_or_else(none)
    }
}

impl Core {
    /// Takes the owner's own lists: `lists`.
    ///
    /// # Errors
    /// `bad-list`, `bad-argument`, `system`, `closed`, and those of the store.
    pub fn set_lists(&self, files: Vec<File>) -> Result<String, Fault> {
        self.open()?;
        if files.len() > limits::OWN_LISTS {
            return Err(Fault::new(Code::BadArgument, "more lists than there may be"));
        }
        let own = files
            .into_iter()
            .enumerate()
            .map(|(number, file)| Ok((format!("list {}", number + 1), read_list(file)?)))
            .collect::<Result<Vec<_>, Fault>>()?;
        let table = service::table(&own)?;
        let taken = own
            .iter()
            .map(|(name, text)| Ok(rules::list_line(&parse_list(text, name)?)))
            .collect::<Result<Vec<_>, ListsError>>()?;
        let mut sources = locked(&self.sources);
        sources.own = table;
        self.put_in_force(&mut sources)?;
        answer("lists", &taken)
    }

    /// Takes in a list that somebody else wrote: `import`, answered by `imported`.
    ///
    /// # Errors
    /// `bad-json`, `bad-version`, `bad-list`, `limit`, `system`, `unsupported`, `closed`, and those
    /// of the store.
    pub fn import_list(&self, file: File, text: &str) -> Result<String, Fault> {
        self.open()?;
        let asked: ImportList = ask::parse(text)?;
        let folder = locked(&self.sources).folder()?.to_owned();
        let choice = Choice {
            name: asked.name,
            source: asked.source.chars().filter(|c| !c.is_control()).take(100).collect(),
            category: asked.category,
            listing: asked.default.into(),
            below: asked.below,
        };
        let read = lists::read_file(file, Path::new("the list"), &choice);
        let (compiled, report) = match read {
            // Nothing changed, and the report says why; it has no version.
            Err(lists::ListsError::Import { error: ImportError::Nothing(report), .. }) => {
                return Ok(imported(&choice.name, "", &report).to_string());
            }
            read => read?,
        };
        if !asked.check {
            // Held from here on, so that two imports do not undo each other.
            let mut sources = locked(&self.sources);
            lists::keep(&compiled, &folder, &choice)?;
            self.put_in_force(&mut sources)?;
        }
        let id = &compiled.about().id;
        let version = id.split_once('@').map_or("", |(_, version)| version);
        Ok(imported(&choice.name, version, &report).to_string())
    }

    /// Takes an imported list away.
    pub(super) fn remove_list(&self, name: &str) -> Result<(), Fault> {
        let mut sources = locked(&self.sources);
        if !lists::remove(sources.folder()?, name)? {
            return Err(Fault::new(Code::BadList, "no imported list has this name"));
        }
        self.put_in_force(&mut sources)
    }

    fn put_in_force(&self, sources: &mut Sources) -> Result<(), Fault> {
        let table = sources.table()?;
        *locked(&self.lists) = sources.lines(&table);
        Ok(self.service.set_table(table)?)
    }
}

fn read_list(file: File) -> Result<String, Fault> {
    let mut text = String::new();
    let read = file.take(limits::CONFIG_FILE + 1).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Fault::new(Code::BadList, "a list must be UTF-8 text"),
        _ => Fault::new(Code::System, format_args!("cannot read a list ({error})")),
    })?;
    if text.len() as u64 > limits::CONFIG_FILE {
        return Err(Fault::new(Code::BadList, "a list is larger than 16 MB"));
    }
    Ok(text)
}

fn imported(name: &str, version: &str, report: &Report) -> Value {
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|(reason, lines)| {
            let mut line = seen(lines);
            line["reason"] = json!(reason);
            line
        })
        .collect();
    let mut answer = json!({"v": 1, "name": name, "version": version, "lines": report.lines,
        "names": report.names, "exceptions": report.exceptions,
        "duplicates": seen(&report.duplicates), "never": seen(&report.never),
        "narrowed": seen(&report.narrowed), "widened": seen(&report.widened),
        "taken_back": seen(&report.taken_back), "refused": refused});
    if let Some(kind) = report.kind {
        answer["kind"] = json!(kind);
    }
    if report.means_below {
        answer["means_below"] = json!(true);
    }
    answer
}

fn seen(lines: &Seen) -> Value {
    let sample =
        |sample: &crate::signatures::Sample| json!({"line": sample.line, "text": sample.text});
    json!({"count": lines.count, "samples": lines.samples.iter().map(sample).collect::<Vec<_>>()})
}
