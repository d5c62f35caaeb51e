//! Which hosts are known, whose they are and what is done about them by default.
//!
//! This module never decides a flow: it says what the lists say, and [`crate::policy`] decides.
//! It reads no file; lists come in as text, the built-in ones inside the program.

mod compile;
mod list;
mod table;

pub(crate) use list::is_pattern;
pub use list::{COLUMNS, Category, List, ListError, Listing, Rule, SHARED, parse_list};
pub use table::{HostTable, RuleId, TableError};

use std::borrow::Cow;

impl HostTable {
    /// The lists of `signatures/`, as the build script compiled them.
    pub fn builtin() -> &'static Self {
        static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hosts.bin"));
        static TABLE: HostTable = HostTable::open(Cow::Borrowed(BYTES));
        &TABLE
    }
}
