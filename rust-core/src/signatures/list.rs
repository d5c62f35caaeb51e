//! The rule and the text form of a list of rules.

use crate::event::Protocol;

/// What a list says about its hosts, before the owner's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listing {
    /// `block`
    Block,
    /// `record`
    Record,
    /// `allow`: known, and left alone because stopping it hurts.
    Allow,
    /// `never`: left alone whatever another list or setting says; only a host override beats it.
    Never,
}

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// `analytics`
    Analytics,
}

/// One row of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// A host, or with a leading dot a host and everything under it. Lower case.
    pub pattern: &'a str,
    /// Who runs it.
    pub owner: &'a str,
    /// What it is for.
    pub category: Category,
    /// What happens to it by default.
    pub listing: Listing,
    /// What stops working without it; empty where nothing is known.
    pub side_effect: &'a str,
    /// The format that is sent there.
    pub protocol: Option<Protocol>,
    /// Where the row was learned.
    pub source: &'a str,
    /// Licence of the source.
    pub licence: &'a str,
    /// List and version, `xiaomi@3`.
    pub list: &'a str,
}

/// A parsed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<'a> {
    id: String,
    rules: Vec<Rule<'a>>,
}

impl List<'_> {
    /// List and version, `xiaomi@3`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The rows, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        self.rules.iter().map(|rule| Rule { list: &self.id, ..*rule })
    }
}

/// Why a list was refused: the first place that is wrong, and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: expected {expected}")]
pub struct ListError {
    /// The name that was given to [`parse_list`].
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What belongs there.
    pub expected: String,
}

/// Reads a list.
pub fn parse_list<'a>(_text: &'a str, _file: &str) -> Result<List<'a>, ListError> {
    Ok(List { id: String::new(), rules: Vec::new() })
}
