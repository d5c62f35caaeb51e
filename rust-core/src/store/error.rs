//! What can go wrong with the file. Never holds a name, address or payload from the data.

use rusqlite::{ErrorCode, ffi};
use std::sync::atomic::{AtomicU8, Ordering};

/// Why the store could not be opened, read or written. Each text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such file, and a reader does not make one.
    #[error("no such database; check the path, or let `muzzle run --db` make it")]
    Missing,
    /// The file or its folder cannot be opened.
    #[error("cannot be opened; check that the folder exists and may be written to")]
    CannotOpen,
    /// The bytes are no SQLite database.
    #[error("not a database; name another file, or move this one away and a new one is made")]
    NotADatabase,
    /// A SQLite database of another program.
    #[error("a database of another program; name another file")]
    Foreign,
    /// Written by a later Muzzle.
    #[error("written by a later version (schema {found}, known up to {known}); update Muzzle")]
    Newer {
        /// Schema version of the file.
        found: u32,
        /// Highest schema version that this build reads.
        known: u32,
    },
    /// The database is damaged.
    #[error("damaged; move the file away and a new one is made, or try `sqlite3 FILE .recover`")]
    Corrupt,
    /// Another process writes to it.
    #[error("in use by another writer; stop that one first")]
    Locked,
    /// The file or its file system may not be written to.
    #[error("read-only; make the file and its folder writable")]
    ReadOnly,
    /// No space is left.
    #[error("the disk is full; free some space")]
    Full,
    /// The device failed to read or write.
    #[error("the disk failed to read or write; check the device")]
    Io,
    /// The writer thread has ended.
    #[error("the store's writer has ended; open it again")]
    Closed,
    /// Anything else that SQLite says, by its extended result code.
    #[error("SQLite error {0}; please report it")]
    Sqlite(i32),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, _) = &error else {
            // What we read is not what our schema writes: somebody else changed the rows.
            return Self::Corrupt;
        };
        match failure.code {
            ErrorCode::CannotOpen => Self::CannotOpen,
            ErrorCode::NotADatabase => Self::NotADatabase,
            ErrorCode::DatabaseCorrupt => Self::Corrupt,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly,
            ErrorCode::DiskFull => Self::Full,
            // The log's index finds no space before the database itself would.
            _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
            ErrorCode::SystemIoFailure => Self::Io,
            _ => Self::Sqlite(failure.extended_code),
        }
    }
}

/// How the writer fares. Traffic goes on whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// The last batch was committed, or there was none yet.
    #[default]
    Good,
    /// The last batch found no space.
    Full,
    /// The last batch found the file read-only.
    ReadOnly,
    /// The last batch found the file held by another writer.
    Locked,
    /// The last batch found the file damaged.
    Corrupt,
    /// The last batch failed in another way.
    Failed,
    /// The writer has ended.
    Closed,
}

impl StoreState {
    const ALL: [Self; 7] = [
        Self::Good,
        Self::Full,
        Self::ReadOnly,
        Self::Locked,
        Self::Corrupt,
        Self::Failed,
        Self::Closed,
    ];

    /// The spelling of the state, for JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Locked => "locked",
            Self::Corrupt => "corrupt",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

impl From<StoreError> for StoreState {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::Locked => Self::Locked,
            StoreError::Corrupt | StoreError::NotADatabase => Self::Corrupt,
            StoreError::Closed => Self::Closed,
            _ => Self::Failed,
        }
    }
}

/// A state that one thread sets and others read.
#[derive(Debug, Default)]
pub(super) struct StateCell(AtomicU8);

impl StateCell {
    pub(super) fn set(&self, state: StoreState) {
        self.0.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> StoreState {
        let index = usize::from(self.0.load(Ordering::Relaxed));
        StoreState::ALL.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_cell_gives_back_each_state() {
        let cell = StateCell::default();
        assert_eq!(cell.get(), StoreState::Good);
        for state in StoreState::ALL {
            cell.set(state);
            assert_eq!(cell.get(), state);
        }
    }

    #[test]
    fn result_codes_of_sqlite_become_typed_errors() {
        for (code, expected) in [
            (ffi::SQLITE_NOTADB, StoreError::NotADatabase),
            (ffi::SQLITE_CORRUPT, StoreError::Corrupt),
            (ffi::SQLITE_BUSY, StoreError::Locked),
            (ffi::SQLITE_READONLY, StoreError::ReadOnly),
            (ffi::SQLITE_FULL, StoreError::Full),
            (ffi::SQLITE_IOERR_SHMSIZE, StoreError::Full),
            (ffi::SQLITE_IOERR, StoreError::Io),
            (ffi::SQLITE_CANTOPEN, StoreError::CannotOpen),
            (ffi::SQLITE_MISUSE, StoreError::Sqlite(ffi::SQLITE_MISUSE)),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(StoreError::from(error), expected);
        }
    }
}
