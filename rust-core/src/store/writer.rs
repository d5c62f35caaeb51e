//! The one thread that writes.

use super::{Config, Gap, RecordSender, StoreError, StoreState};

/// What a writer did, told when it is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records committed.
    pub records: u64,
    /// Events committed.
    pub events: u64,
    /// Records lost.
    pub dropped: u64,
}

/// Owner of the writer thread. Dropping it closes it too, without telling how it went.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// Opens or makes the database, brings it to today's schema and starts the thread.
    pub fn open(_config: Config) -> Result<Self, StoreError> {
        Ok(Self {})
    }

    /// A way in for records.
    pub fn sender(&self) -> RecordSender {
        RecordSender {}
    }

    /// How the last batch went.
    pub fn state(&self) -> StoreState {
        StoreState::Good
    }

    /// Stores a time when protection was wanted and did not run.
    pub fn gap(&self, _gap: Gap) -> Result<(), StoreError> {
        Ok(())
    }

    /// Stores the version of a list or decoder that is in use, by name.
    pub fn version(&self, _name: &str, _version: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Writes what was sent so far; returns when it is committed.
    pub fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Deletes everything and gives the space back. Event ids are not used again.
    pub fn wipe(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Writes what is queued, checkpoints and ends.
    pub fn close(self) -> Result<Summary, StoreError> {
        Ok(Summary::default())
    }
}
