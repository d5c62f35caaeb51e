//! Exports through a descriptor that the app opened, and what they would be like.

use super::query::versioned;
use super::{Code, Core, Fault, ask, fault};
use crate::export::{self, ExportError, Format, Order, Redaction};
use crate::store::{Filter, Reader};
use serde_json::json;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often whoever waits for an export is told.
const TELL: Duration = Duration::from_millis(200);
/// Events that an estimate looks at.
const SAMPLE: u64 = 100;

impl Core {
    /// Writes the events that were asked for to a file; `progress` is told how many of how many,
    /// and cancels by `false`.
    ///
    /// # Errors
    /// `cancelled`, `unsupported`, `output-full`, `output-failed`, and those of a query.
    pub fn export(
        &self,
        file: File,
        text: &str,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<String, Fault> {
        self.open()?;
        let form = form(ask::parse(text)?)?;
        // A connection of its own: a long export keeps nobody waiting.
        let reader = Reader::open(&self.db)?;
        let total = reader.count(&form.filter)?;
        if !progress(0, total) {
            return Err(ExportError::Cancelled.into());
        }
        let mut told = Instant::now();
        let mut tell = |done| {
            if told.elapsed() < TELL {
                return true;
            }
            told = Instant::now();
            progress(done, total) && self.open().is_ok()
        };
        let mut out = Counted { to: &file, bytes: 0 };
        let order = form.order(&form.filter, &self.cache);
        let written = export::to_writer(&reader, &order, &mut out, &mut tell);
        let bytes = out.bytes;
        self.open()?;
        let events = written?;
        keep(&file).map_err(|error| Fault::new(fault::output_code(&error), error))?;
        progress(events, total);
        versioned(&json!({"events": events, "bytes": bytes}))
    }
}

/// Onto the disk, where the target is a file.
fn keep(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // A pipe or a provider's stream knows no disk.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        outcome => outcome,
    }
}

/// What is to be written.
struct Form {
    format: Format,
    filter: Filter,
    redaction: Option<Redaction>,
}

impl Form {
    fn order<'a>(&'a self, filter: &'a Filter, scratch: &'a Path) -> Order<'a> {
        Order { filter, format: self.format, redaction: self.redaction.as_ref(), scratch }
    }
}

fn form(asked: ask::Export) -> Result<Form, Fault> {
    let unknown = |_| Fault::new(Code::Unsupported, "this format");
    let no_key = |error| Fault::new(Code::System, format!("no key for pseudonyms: {error}"));
    let format: Format = asked.format.parse().map_err(unknown)?;
    if asked.redact && !format.can_hide() {
        return Err(ExportError::CannotHide(format).into());
    }
    Ok(Form {
        format,
        filter: asked.filter.0.try_into()?,
        redaction: asked.redact.then(Redaction::new).transpose().map_err(no_key)?,
    })
}

/// Counts bytes.
struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// How many events an export would hold and about how many bytes, from its newest ones.
pub(super) fn size(core: &Core, reader: &Reader, asked: ask::Export) -> Result<String, Fault> {
    let form = form(asked)?;
    let events = reader.count(&form.filter)?;
    let bytes = match form.format {
        // A copy of the part that fits; a few events would be lost beside its empty tables.
        Format::Sqlite => {
            let all = reader.extent()?;
            (all.bytes / all.events.max(1)).saturating_mul(events)
        }
        _ => {
            let sample = Filter { newest_first: true, limit: Some(SAMPLE), ..form.filter.clone() };
            let mut out = Counted { to: io::sink(), bytes: 0 };
            let order = form.order(&sample, &core.cache);
            let written = export::to_writer(reader, &order, &mut out, &mut |_| true)?;
            if written == events { out.bytes } else { out.bytes / written.max(1) * events }
        }
    };
    versioned(&json!({"events": events, "bytes": bytes}))
}

/// The newest event that fits, as it would be written.
pub(super) fn preview(core: &Core, reader: &Reader, asked: ask::Export) -> Result<String, Fault> {
    let form = form(asked)?;
    if matches!(form.format, Format::Pcapng | Format::Sqlite) {
        return Err(Fault::new(Code::Unsupported, "this format is no text"));
    }
    let newest = Filter { newest_first: true, limit: Some(1), ..form.filter.clone() };
    let mut out = Vec::new();
    let order = form.order(&newest, &core.cache);
    export::to_writer(reader, &order, &mut out, &mut |_| true)?;
    versioned(&json!({"text": String::from_utf8_lossy(&out)}))
}
