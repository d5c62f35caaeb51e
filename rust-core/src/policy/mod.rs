//! The owner's choices: which app may say what to whom.
//!
//! This module never looks at packets, files or clocks: text goes in, a [`Policy`] comes out, and
//! that answers questions about one app and one host at one time. A policy does not change; a new
//! one takes its place.

use crate::event::{Reason, ReasonCode, Verdict};
use crate::signatures::HostTable;
use serde::Deserialize;

/// What an app's listed hosts get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Setting {
    /// Each host gets what its list says.
    #[default]
    Block,
    /// Listed hosts are recorded, none is blocked.
    Record,
    /// Nothing is looked at.
    Off,
}

/// What becomes of a flow or a name, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// Why a policy was refused: the first place that is wrong, and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {expected}")]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What belongs there.
    pub expected: String,
}

/// The owner's choices. Immutable; swapped whole.
#[derive(Clone, Debug, Default)]
pub struct Policy {}

impl Policy {
    /// Reads the TOML form, `docs/policy.md`.
    pub fn parse(_text: &str) -> Result<Self, PolicyError> {
        Ok(Self {})
    }

    /// The package of a user id, where the policy names it.
    pub fn package(&self, _uid: u32) -> Option<&str> {
        None
    }

    /// The setting of an app; the default for `None` and for ids that the policy does not name.
    pub fn setting(&self, _uid: Option<u32>) -> Setting {
        Setting::Block
    }

    /// The verdict for a flow of an app to a host; `None` for a bare address.
    pub fn decide(
        &self,
        _table: &HostTable,
        _now_ms: i64,
        _uid: Option<u32>,
        _host: Option<&str>,
    ) -> Decision {
        let reason = Reason { code: ReasonCode::UnknownAllow, rule: None, list: None };
        Decision { verdict: Verdict::Allow, reason }
    }

    /// Whether any app could get something other than allow for this name: such a name gets a
    /// fake address.
    pub fn concerns(&self, _table: &HostTable, _now_ms: i64, _host: &str) -> bool {
        false
    }

    /// Why the name itself is refused, where it is: `block_at = "name"`, and nobody would get
    /// anything but block for it.
    pub fn refuses_name(&self, _table: &HostTable, _now_ms: i64, _host: &str) -> Option<Reason> {
        None
    }

    /// Overrides that touch a never-block host, in the order of the file.
    pub fn warnings(&self, _table: &HostTable) -> Vec<Warning> {
        Vec::new()
    }
}

/// Something that the owner should know about the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// An override stops or reads a host that is never blocked otherwise.
    NeverBlockHost {
        /// The override's host.
        host: String,
        /// What the host is needed for.
        side_effect: String,
    },
}
