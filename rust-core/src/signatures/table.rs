//! The host table.

use super::{Category, Listing, Rule};

/// A rule of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// Why no table could be made of some rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// More rules or longer texts than a table can number.
    #[error("too many rules for one table")]
    TooLarge,
}

/// All rules, found by host.
#[derive(Clone, Debug)]
pub struct HostTable {}

impl HostTable {
    /// The lists that are compiled in.
    pub fn builtin() -> &'static Self {
        static TABLE: HostTable = HostTable {};
        &TABLE
    }

    /// A table of any rules. Of two rules with one pattern the later wins, unless the earlier is
    /// [`Listing::Never`].
    pub fn from_rules<'a>(_rules: impl IntoIterator<Item = Rule<'a>>) -> Result<Self, TableError> {
        Ok(Self {})
    }

    /// The rule that speaks about a host: lower case, without a trailing dot.
    pub fn lookup(&self, _host: &str) -> Option<RuleId> {
        None
    }

    /// The rule of an id that [`Self::lookup`] gave. An id of another table gives an empty rule
    /// that allows.
    pub fn rule(&self, _id: RuleId) -> Rule<'_> {
        Rule {
            pattern: "",
            owner: "",
            category: Category::Analytics,
            listing: Listing::Allow,
            side_effect: "",
            protocol: None,
            source: "",
            licence: "",
            list: "",
        }
    }

    /// Every rule.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        (0..self.len()).map(|id| self.rule(RuleId(id as u32)))
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
