//! A database of its own, in the form of `docs/store-schema.md`. Made in a file, as SQLite needs one,
//! and given on when it is whole.

use super::{ExportError, Order};
use crate::event::Event;
use crate::store::{CopyError, Filter, Reader, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes the database in an empty file. Returns how many events it holds.
pub(super) fn make(
    reader: &Reader,
    order: &Order<'_>,
    path: &Path,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, ExportError> {
    if order.redaction.is_some() || *order.filter != Filter::default() {
        let hide = order.redaction.map(|redaction| move |event: Event| redaction.event(event));
        let change = hide.as_ref().map(|hide| hide as &dyn Fn(Event) -> Event);
        return Ok(reader.copy_events(path, order.filter, change, progress)?);
    }
    let events = reader.count(order.filter)?;
    reader.copy_all(path, &mut |done, pages| progress(events * done / pages.max(1)))?;
    Ok(events)
}

/// Makes the database beside others of the scratch folder, and writes its bytes to `out`.
pub(super) fn write(
    reader: &Reader,
    order: &Order<'_>,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, ExportError> {
    let scratch = Scratch::new(order.scratch)?;
    let count = make(reader, order, &scratch.0, progress)?;
    io::copy(&mut File::open(&scratch.0)?, out)?;
    Ok(count)
}

/// A file that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path) -> io::Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("muzzle-{}-{number}.export", std::process::id()));
        // One that a killed process of the same number left.
        let _ = std::fs::remove_file(&path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // What is exported is as private as the database.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl From<CopyError> for ExportError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Read(error) => Self::Store(error),
            CopyError::Write(StoreError::Full) => Self::Output(io::ErrorKind::StorageFull.into()),
            CopyError::Write(error) => Self::Output(io::Error::other(error.to_string())),
            CopyError::Stopped => Self::Cancelled,
        }
    }
}
