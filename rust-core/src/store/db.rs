//! Connections: flags, pragmas, the writer's lock. Never writes rows.

use super::StoreError;
use super::migrations::{self, Identity};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(2);

/// The writer's connection and the lock that makes it the only one.
#[derive(Debug)]
pub(super) struct WriterDb {
    pub(super) db: Connection,
    _lock: File,
}

impl WriterDb {
    /// Moves the log into the database as far as readers allow; what they hold back stays in the
    /// log, which is as safe.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Opens or makes a database for writing, at today's schema.
pub(super) fn open_writer(path: &Path) -> Result<WriterDb, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    make(path)?;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    let identity = migrations::identify(&db)?;
    if db.is_readonly("main")? {
        return Err(StoreError::ReadOnly);
    }
    let lock = lock(path)?;
    if identity == Identity::Empty {
        // There is nothing to lose yet: one wait for the disk at the end, not one a step.
        db.pragma_update(None, "synchronous", "OFF")?;
        // Only an empty file can take it without a rewrite.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    if identity == Identity::Empty {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| cannot(&error))?;
    }
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", 4 * 1024 * 1024, |_| Ok(()))?;
    db.set_prepared_statement_cache_capacity(64);
    migrations::migrate(&mut db)?;
    Ok(WriterDb { db, _lock: lock })
}

/// Opens an existing database for reading. Opened for writing where that is possible, so that the
/// last one to leave can tidy the WAL away, but `query_only` refuses every change. Gives the schema
/// of the file, too.
pub(super) fn open_reader(path: &Path) -> Result<(Connection, u32), StoreError> {
    must_exist(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.set_prepared_statement_cache_capacity(64);
    match migrations::identify(&db)? {
        Identity::Ours(schema) => Ok((db, schema)),
        Identity::Empty => Err(StoreError::Foreign),
    }
}

/// Refuses where there is no file.
pub(super) fn must_exist(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Missing),
        _ => Ok(()),
    }
}

/// Makes the file where it is missing, for its owner only; SQLite's side files take its mode.
fn make(path: &Path) -> Result<(), StoreError> {
    match private().write(true).create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(cannot(&error)),
        _ => Ok(()),
    }
}

/// Options that make a file which only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Why a file could not be made.
fn cannot(error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::CannotOpen,
    }
}

/// Takes the lock that keeps a second writer out. It is a file of its own: closing another
/// descriptor of the database itself would drop SQLite's locks on it.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let opened = private().write(true).create(true).truncate(false).open(PathBuf::from(name));
    let file = opened.map_err(|error| cannot(&error))?;
    // Not the standard library's lock, which does nothing but fail on Android.
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Locked),
        Err(_) => Err(StoreError::Io),
    }
}
