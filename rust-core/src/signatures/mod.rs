//! Which hosts are known, whose they are and what is done about them by default.
//!
//! This module never decides a flow: it says what the lists say, and [`crate::policy`] decides.
//! It reads no file; lists come in as text, the built-in ones inside the program.

mod list;
mod table;

pub use list::{Category, List, ListError, Listing, Rule, parse_list};
pub use table::{HostTable, RuleId, TableError};
