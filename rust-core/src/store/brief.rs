//! Events in short, for lists of them: what a line on a screen shows. One statement a page and one
//! a value; nothing is copied that is not shown.

use super::{Filter, Reader, StoreError, select};
use crate::decode::telling;
use crate::event::{Kind, State, Verdict};
use crate::limits::BRIEF_VALUE;
use rusqlite::{Row, Statement, params_from_iter};
use serde::Serialize;

/// What an event means to its owner, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Refused; nothing left.
    Stopped,
    /// Answered on the phone; nothing left.
    Answered,
    /// Passed, and was read.
    Readable,
    /// Passed, closed.
    Encrypted,
    /// Passed, not understood.
    Unread,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Stopped, Self::Answered, Self::Readable, Self::Encrypted, Self::Unread];

    /// Of an event; `None` where it was let through unseen, or was not watched live.
    pub fn of(verdict: Option<Verdict>, state: State) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| {
            let (wanted, how) = outcome.parts();
            verdict == Some(wanted) && how.is_none_or(|how| how == state)
        })
    }

    /// The verdict that it needs, and the state, where only one will do.
    pub const fn parts(self) -> (Verdict, Option<State>) {
        match self {
            Self::Stopped => (Verdict::Block, None),
            Self::Answered => (Verdict::Capture, None),
            Self::Readable => (Verdict::Record, Some(State::Decoded)),
            Self::Encrypted => (Verdict::Record, Some(State::Encrypted)),
            Self::Unread => (Verdict::Record, Some(State::Undecodable)),
        }
    }

    /// The code of the outcome.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Answered => "answered",
            Self::Readable => "readable",
            Self::Encrypted => "encrypted",
            Self::Unread => "unread",
        }
    }
}

/// One event in short. Times are milliseconds since 1970, UTC.
#[derive(Debug, Serialize)]
pub struct Brief<'a> {
    /// Row of the event.
    pub id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    kinds: &'a [Kind],
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

impl Reader {
    /// Gives each event that fits to `each` in short. An error of `each` ends it.
    pub fn briefs<E: From<StoreError>>(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(&Brief<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let snapshot = self.db.unchecked_transaction().map_err(StoreError::from)?;
        let query = select::briefs(filter);
        let mut select = self.db.prepare_cached(&query.sql).map_err(StoreError::from)?;
        let mut values = self.db.prepare_cached(VALUES).map_err(StoreError::from)?;
        let mut rows = select.query(params_from_iter(query.values)).map_err(StoreError::from)?;
        let (mut kinds, mut value) = (Vec::new(), String::new());
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            each(&brief(row, &mut values, &mut kinds, &mut value)?)?;
        }
        drop(rows);
        drop(select);
        snapshot.finish().map_err(StoreError::from)?;
        Ok(())
    }
}

/// At most [`crate::limits::FIELDS_PER_EVENT`] rows.
const VALUES: &str = "SELECT path, value FROM fields WHERE event = ?1 AND kind = ?2 ORDER BY place";

/// The columns are those of [`select::briefs`].
fn brief<'a>(
    row: &'a Row<'_>,
    values: &mut Statement<'_>,
    kinds: &'a mut Vec<Kind>,
    value: &'a mut String,
) -> Result<Brief<'a>, StoreError> {
    let text = |at: usize| -> Result<Option<&'a str>, StoreError> {
        row.get_ref(at)?.as_str_or_null().map_err(|_| StoreError::Corrupt)
    };
    let id = row.get(0)?;
    let verdict = text(7)?.map(str::parse).transpose().map_err(|_| StoreError::Corrupt)?;
    let state = text(8)?.unwrap_or_default().parse().map_err(|_| StoreError::Corrupt)?;
    let event = text(10)?;
    read_kinds(text(11)?.unwrap_or_default(), event, kinds)?;
    let found = match kinds.first() {
        Some(kind) => read_value(values, id, *kind, value)?,
        None => false,
    };
    Ok(Brief {
        id,
        time: row.get(1)?,
        uid: row.get(2)?,
        package: text(3)?,
        hint: text(4)?,
        host: text(5)?,
        transport: text(6)?,
        verdict,
        state,
        outcome: Outcome::of(verdict, state).map(Outcome::as_str),
        protocol: text(9)?,
        event,
        kinds,
        value: found.then_some(value.as_str()),
    })
}

fn read_kinds(text: &str, event: Option<&str>, into: &mut Vec<Kind>) -> Result<(), StoreError> {
    into.clear();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        into.push(name.parse().map_err(|_| StoreError::Corrupt)?);
    }
    into.sort_by_key(|kind| telling::place(event, *kind));
    Ok(())
}

/// The value that stands for the kind; false where there is none.
fn read_value(
    values: &mut Statement<'_>,
    id: i64,
    kind: Kind,
    into: &mut String,
) -> Result<bool, StoreError> {
    let mut rows = values.query((id, kind.as_str()))?;
    let mut nearest = usize::MAX;
    while let Some(row) = rows.next()? {
        let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
        let (path, value): (&str, &str) = (text(0)?, text(1)?);
        // A location is all of its numbers, which may be the same one.
        let more = kind == Kind::Location && nearest != usize::MAX && into.len() < BRIEF_VALUE;
        let fits = |rank: &usize| more || *rank < nearest;
        let Some(rank) = telling::rank(kind, path, value).filter(fits) else { continue };
        nearest = rank;
        let end = value.char_indices().nth(BRIEF_VALUE).map_or(value.len(), |(at, _)| at);
        if more {
            into.push_str(", ");
        } else {
            into.clear();
        }
        into.push_str(value.get(..end).unwrap_or_default());
    }
    Ok(nearest != usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Field};
    use crate::store::tests::{Fixture, NOW, decoded, flow};

    #[test]
    fn a_location_of_equal_numbers_is_kept_and_shown_whole() {
        let field =
            |path: &str| Field { path: path.into(), value: "12.5".into(), kind: Kind::Location };
        let mut event = decoded();
        event.fields = vec![field("lat"), field("lng")];
        event.kinds = vec![Kind::Location];
        assert_eq!(shown(event).as_deref(), Some("12.5, 12.5"));
    }

    fn shown(event: Event) -> Option<String> {
        let store = Fixture::new();
        store.send(flow(1, NOW, &[event]));
        let mut value = None;
        let done: Result<(), StoreError> =
            store.reader().briefs(&Filter::default(), &mut |brief| {
                value = brief.value.map(str::to_owned);
                Ok(())
            });
        done.unwrap();
        value
    }

    #[test]
    fn a_line_shows_the_words_of_a_search_and_not_its_engine() {
        let field =
            |path: &str, value: &str, kind| Field { path: path.into(), value: value.into(), kind };
        let mut search = Event {
            event: Some("search".to_owned()),
            kinds: vec![Kind::VisitedPage, Kind::Search],
            fields: vec![
                field("properties.used_searchengine", "google", Kind::Search),
                field("properties.$url", "https://search.example/", Kind::VisitedPage),
                field("properties.search_word", "monsoon", Kind::Search),
            ],
            ..decoded()
        };
        assert_eq!(shown(search.clone()).as_deref(), Some("monsoon"));
        search.event = Some("$pageview".to_owned());
        assert_eq!(shown(search.clone()).as_deref(), Some("https://search.example/"));
        search.fields.truncate(1);
        search.kinds = vec![Kind::Search];
        assert_eq!(shown(search), None);
    }

    #[test]
    fn an_outcome_follows_from_verdict_and_state() {
        for (verdict, state, expected) in [
            (Verdict::Block, State::Blocked, Some("stopped")),
            (Verdict::Capture, State::Decoded, Some("answered")),
            (Verdict::Capture, State::Encrypted, Some("answered")),
            (Verdict::Record, State::Decoded, Some("readable")),
            (Verdict::Record, State::Encrypted, Some("encrypted")),
            (Verdict::Record, State::Undecodable, Some("unread")),
            (Verdict::Allow, State::Decoded, None),
        ] {
            assert_eq!(Outcome::of(Some(verdict), state).map(Outcome::as_str), expected);
        }
        assert_eq!(Outcome::of(None, State::Decoded), None);
    }
}
