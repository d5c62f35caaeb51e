//! Events on disk: one SQLite file, one writer thread, any number of readers.
//!
//! Never decides, never talks to the network, never blocks whoever sends it a record, and never
//! writes a record half: a transaction is there whole or counted as dropped. `docs/store-schema.md`
//! describes the tables.

mod brief;
mod copy;
mod db;
mod error;
mod filter;
mod gaps;
mod ingest;
mod kept;
mod many;
mod migrations;
mod names;
mod pack;
mod queue;
mod reader;
mod redecode;
mod refresh;
mod retention;
mod rows;
mod screens;
mod select;
mod stats;
mod tally;
mod writer;

pub use brief::{Brief, Outcome};
pub use copy::CopyError;
pub use error::{StoreError, StoreState};
pub use filter::{AppFilter, BadFilter, Filter};
pub use ingest::Decode;
pub use queue::{RecordSender, Watch};
pub use reader::{Reader, Source};
pub use redecode::{Redecoded, redecode};
pub use screens::{AppSums, Extent, HostSums, Outcomes, Stop};
pub use stats::{Count, Gap, KindCount, KindDay, SeenIdentifier, Stats};
pub use writer::{Summary, Writer};

#[cfg(test)]
pub(crate) mod tests;

use crate::servers::Servers;
use std::path::PathBuf;

/// Version of the schema that is written.
pub const SCHEMA: u32 = migrations::VERSION;
/// Days that events are kept, unless the owner says otherwise.
pub const RETENTION_DAYS: u32 = 7;
/// Size of the file above which the oldest events go, unless the owner says otherwise, bytes.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Where the store is and how much it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The database file; created where it is missing.
    pub path: PathBuf,
    /// Days that events are kept; 0 keeps them for ever. Counters stay a year.
    pub retention_days: u32,
    /// Size of the data above which the oldest events go, bytes; 0 sets no bound.
    pub max_bytes: u64,
    /// What is known of addresses.
    pub servers: Servers,
}

impl Config {
    /// A store at `path` with the usual retention and size.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            retention_days: RETENTION_DAYS,
            max_bytes: MAX_BYTES,
            servers: Servers::builtin(),
        }
    }
}
