//! Events as files that other tools read. Never changes the store, never leaves half a file, and
//! never holds all events in memory. `docs/export-formats.md` describes the formats.

mod csv;
mod jsonl;
mod packets;
mod pcapng;
mod redact;
mod sqlite;

pub use redact::Redaction;

use crate::event::{Event, UnknownCode};
use crate::store::{Filter, Reader, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file format. A new one is a variant, a spelling and an arm in [`to_writer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A table, one row an event.
    Csv,
    /// A copy of the database.
    Sqlite,
    /// Packets, as from a capture.
    Pcapng,
}

impl Format {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Jsonl, Self::Csv, Self::Sqlite, Self::Pcapng];

    /// The spelling of the format, which is also the usual extension.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Sqlite => "sqlite",
            Self::Pcapng => "pcapng",
        }
    }

    /// Whether it can hide what events tell about the owner. Packets hold it byte for byte.
    pub const fn can_hide(self) -> bool {
        !matches!(self, Self::Pcapng)
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|f| f.as_str() == text).ok_or(UnknownCode)
    }
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store could not be read.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The target could not be written.
    #[error("output: {0}")]
    Output(#[from] io::Error),
    /// Whoever was told of the progress said no.
    #[error("cancelled")]
    Cancelled,
    /// The format holds what was sent as it was sent.
    #[error("{} cannot be redacted", .0.as_str())]
    CannotHide(Format),
}

/// What to write.
pub struct Order<'a> {
    /// Which events.
    pub filter: &'a Filter,
    /// In which form.
    pub format: Format,
    /// Hides what the events tell about the owner, where it is there.
    pub redaction: Option<&'a Redaction>,
    /// A folder for what a format has to make before it can be written.
    pub scratch: &'a Path,
}

/// What a format does with each event.
trait Sink {
    fn event(&mut self, event: &Event) -> Result<(), ExportError>;

    fn finish(&mut self) -> io::Result<()>;
}

/// Writes the events that fit to `out`, from one snapshot of the store; `progress` is told the
/// count so far, and cancels by `false`. Returns the count.
pub fn to_writer(
    reader: &Reader,
    order: &Order<'_>,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, ExportError> {
    if order.redaction.is_some() && !order.format.can_hide() {
        return Err(ExportError::CannotHide(order.format));
    }
    let mut out = BufWriter::new(out);
    let count = match order.format {
        Format::Jsonl => each(reader, order, &mut jsonl::Lines::new(&mut out), progress)?,
        Format::Csv => each(reader, order, &mut csv::Table::new(&mut out)?, progress)?,
        Format::Pcapng => {
            each(reader, order, &mut packets::Packets::new(reader, &mut out)?, progress)?
        }
        Format::Sqlite => sqlite::write(reader, order, &mut out, progress)?,
    };
    out.flush()?;
    Ok(count)
}

/// Gives each event that fits to a sink.
fn each(
    reader: &Reader,
    order: &Order<'_>,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, ExportError> {
    let mut count = 0;
    reader.for_each(order.filter, &mut |event| {
        let event = match order.redaction {
            Some(redaction) => redaction.event(event),
            None => event,
        };
        sink.event(&event)?;
        count += 1;
        if progress(count) { Ok(()) } else { Err(ExportError::Cancelled) }
    })?;
    sink.finish()?;
    Ok(count)
}

/// Like [`to_writer`] into a file, which is replaced when all is written and untouched otherwise.
/// A pipe or a device cannot be replaced and is written to as it stands.
pub fn to_file(
    reader: &Reader,
    order: &Order<'_>,
    path: &Path,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, ExportError> {
    // Behind a link, the file that it leads to is the one to replace.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if std::fs::metadata(&target).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let mut stream = OpenOptions::new().write(true).open(&target)?;
        return to_writer(reader, order, &mut stream, progress);
    }
    let mut partial = Partial::create(&target)?;
    let count = match order.format {
        Format::Sqlite => sqlite::make(reader, order, &partial.path, progress)?,
        _ => to_writer(reader, order, &mut partial.file, progress)?,
    };
    partial.finish(&target)?;
    Ok(count)
}

/// A file beside the target that goes unless it takes the target's place.
struct Partial {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Partial {
    fn create(target: &Path) -> io::Result<Self> {
        let name = target
            .file_name()
            .filter(|_| !target.is_dir())
            .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.partial", std::process::id()));
        let path = target.with_file_name(hidden);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // What is exported is as private as the database.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path, kept: false })
    }

    fn finish(mut self, target: &Path) -> io::Result<()> {
        // Without it a power cut may leave the new name with no content.
        self.file.sync_all()?;
        std::fs::rename(&self.path, target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod roundtrip;
#[cfg(test)]
pub(crate) mod tests;
