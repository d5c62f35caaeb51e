//! Which events a reader wants. Values only; the SQL is made from fixed pieces and bound values,
//! never from text that came in.

use crate::event::{Kind, State, Time, Verdict};

/// An app by package or by uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFilter {
    /// The owner of the socket, by user id.
    Uid(u32),
    /// The package, of the socket's owner or as the payload names it.
    Package(String),
}

/// A text that names no app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a package name or a uid")]
pub struct BadFilter;

impl std::str::FromStr for AppFilter {
    type Err = BadFilter;

    /// Digits are a uid, other text is a package.
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        if text.is_empty() {
            return Err(BadFilter);
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Self::Uid).map_err(|_| BadFilter);
        }
        Ok(Self::Package(text.to_owned()))
    }
}

/// Which events to read. The default is every event, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this app's.
    pub app: Option<AppFilter>,
    /// Only events with this data kind among theirs.
    pub kind: Option<Kind>,
    /// Only events in this state.
    pub state: Option<State>,
    /// Only this host and names below it.
    pub host: Option<String>,
    /// Only events with this verdict.
    pub verdict: Option<Verdict>,
    /// Only events with this text in a field's value, the host or the event's name; ASCII letters
    /// match in upper and lower case.
    pub text: Option<String>,
    /// Seen at this time or later.
    pub since: Option<Time>,
    /// Seen before this time.
    pub until: Option<Time>,
    /// Only ids above this one: the next page, oldest first.
    pub after_id: Option<i64>,
    /// Only ids below this one: the next page, newest first.
    pub before_id: Option<i64>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: Option<u64>,
}
