//! The policy as text: TOML.
//!
//! This module never decides; it turns text into a [`Policy`] or says where the text is wrong.
//! What it does not know is an error, so that a misspelt choice is not silently no choice.

use super::draft::{Draft, Part, Switch};
use super::{BlockAt, Policy, PolicyError, RefuseBypass, Setting, WhenBlocked};
use crate::event::{Time, Verdict};
use crate::signatures::{Category, Listing};
use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::value::{Datetime, Offset};

#[derive(Deserialize)]
struct Version {
    version: Spanned<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    default: Setting,
    #[serde(default)]
    block_at: BlockAt,
    #[serde(default)]
    when_blocked: WhenBlocked,
    #[serde(default)]
    refuse_bypass: RefuseBypass,
    paused_until: Option<Moment>,
    #[serde(default)]
    categories: BTreeMap<Category, Spanned<Listing>>,
    #[serde(default)]
    lists: BTreeMap<Spanned<String>, Switch>,
    #[serde(default)]
    app: Vec<AppEntry>,
    #[serde(default)]
    host: Vec<HostEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppEntry {
    package: Spanned<String>,
    uid: Spanned<Uids>,
    setting: Option<Setting>,
    when_blocked: Option<WhenBlocked>,
}

/// One user id or several; Android gives one to each user of the phone.
enum Uids {
    One(u32),
    Many(Vec<Spanned<u32>>),
}

/// By hand, because serde's untagged enums lose the place of what they read.
impl<'de> Deserialize<'de> for Uids {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Uids;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a user id such as 10123, or a list of them")
            }

            fn visit_i64<E: Error>(self, uid: i64) -> Result<Uids, E> {
                let wrong = |_| E::invalid_value(Unexpected::Signed(uid), &self);
                u32::try_from(uid).map(Uids::One).map_err(wrong)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Uids, A::Error> {
                let mut uids = Vec::new();
                while let Some(uid) = seq.next_element()? {
                    uids.push(uid);
                }
                Ok(Uids::Many(uids))
            }
        }

        d.deserialize_any(OneOrMany)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostEntry {
    host: Spanned<String>,
    verdict: Verdict,
    app: Option<String>,
    until: Option<Moment>,
}

/// A moment, written as a TOML date-time or as the same in quotes; an offset is needed.
struct Moment(Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let moment = match toml::Value::deserialize(d)? {
            toml::Value::Datetime(datetime) => time(&datetime),
            toml::Value::String(text) => text.parse().ok().and_then(|datetime| time(&datetime)),
            _ => None,
        };
        let wrong = || D::Error::custom("expected a time such as 2026-11-21T08:00:00Z");
        moment.map(Self).ok_or_else(wrong)
    }
}

fn time(datetime: &Datetime) -> Option<Time> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let utc: Time = format!("{date}T{time}Z").parse().ok()?;
    Time::from_ms(utc.0 - minutes * 60_000)
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let at = |span: Range<usize>, expected: String| {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        PolicyError { line, column, expected }
    };
    let misread =
        |e: toml::de::Error| at(e.span().unwrap_or_default(), e.message().replace('\n', " "));
    // First, so that a later version is not taken for a misspelt first one.
    let Version { version } = toml::from_str(text).map_err(misread)?;
    if *version.get_ref() != 1 {
        return Err(at(version.span(), "expected version 1".to_owned()));
    }
    let file: File = toml::from_str(text).map_err(misread)?;
    let policy = Policy {
        default: file.default,
        block_at: file.block_at,
        when_blocked: file.when_blocked,
        refuse_bypass: file.refuse_bypass,
        paused_until: file.paused_until.map(|m| m.0),
        ..Policy::default()
    };
    let mut draft = Draft::new(policy);
    for (category, listing) in file.categories {
        let span = listing.span();
        draft
            .category(category, listing.into_inner())
            .map_err(|wrong| at(span, wrong.to_owned()))?;
    }
    for (list, _) in file.lists.into_iter().filter(|(_, switch)| *switch == Switch::Off) {
        let span = list.span();
        draft.list_off(list.into_inner()).map_err(|wrong| at(span, wrong.to_owned()))?;
    }
    for entry in file.app {
        let (spans, uids) = spans_of(entry.uid);
        let package = entry.package.span();
        let added = draft.app(entry.package.into_inner(), &uids, entry.setting, entry.when_blocked);
        added.map_err(|(part, wrong)| {
            let uid = |number| spans.get(number).cloned().unwrap_or_default();
            let span = match part {
                Part::Package => package,
                Part::Uid(number) => uid(number),
            };
            at(span, wrong.to_owned())
        })?;
    }
    for entry in file.host {
        let span = entry.host.span();
        let until = entry.until.map(|m| m.0);
        draft
            .host(entry.host.get_ref(), entry.verdict, entry.app, until)
            .map_err(|wrong| at(span, wrong.to_owned()))?;
    }
    Ok(draft.finish())
}

fn spans_of(uids: Spanned<Uids>) -> (Vec<Range<usize>>, Vec<u32>) {
    let span = uids.span();
    match uids.into_inner() {
        Uids::One(uid) => (vec![span], vec![uid]),
        Uids::Many(uids) => uids.into_iter().map(|u| (u.span(), u.into_inner())).unzip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, usize, String) {
        let error = parse(text).unwrap_err();
        (error.line, error.column, error.expected)
    }

    #[test]
    fn the_shortest_policy_blocks_for_all() {
        let policy = parse("version = 1").unwrap();
        assert_eq!(format!("{policy:?}"), format!("{:?}", Policy::default()));
        assert_eq!(policy.setting(None), Setting::Block);
    }

    #[test]
    fn the_example_of_the_docs_is_read() {
        let doc = include_str!("../../../docs/policy.md");
        let example = doc.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let policy = parse(example).unwrap();
        assert_eq!(policy.setting(Some(10_123)), Setting::Record);
        assert_eq!(policy.setting(Some(10_200)), Setting::Off);
        assert_eq!(policy.setting(Some(1)), Setting::Block);
        for uid in [10_140, 1_010_140] {
            assert_eq!(policy.package(uid), Some("com.miui.player"));
        }
        assert_eq!(policy.paused_until, Some("2026-11-21T08:15:00Z".parse().unwrap()));
        assert_eq!(policy.refuse_bypass, RefuseBypass::All);
        assert_eq!(policy.apps[1].when_blocked, WhenBlocked::Capture);
        assert_eq!(policy.apps[0].when_blocked, WhenBlocked::Refuse);
        assert_eq!(policy.categories[&Category::Config], Listing::Record);
        let timed = &policy.overrides["tracking.intl.miui.com"][0];
        assert_eq!(timed.until, Some("2026-11-21T07:00:00Z".parse().unwrap()));
    }

    #[test]
    fn every_category_of_the_docs_is_one_and_none_is_missing() {
        let doc = include_str!("../../../docs/signatures.md");
        let row = doc.lines().find(|line| line.starts_with("| `category`")).unwrap();
        let words: Vec<_> = row.split('`').skip(3).step_by(2).collect();
        let known: Vec<_> = Category::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(words, known);
    }

    #[test]
    fn an_error_names_line_and_column() {
        let app = "version = 1\n[[app]]\npackage = \"a\"\nuid = 1\n";
        for (text, line, column, expected) in [
            ("", 1, 1, "missing field `version`"),
            ("version = 2\nnew = 1", 1, 11, "expected version 1"),
            ("version = \"1\"", 1, 11, "invalid type: string \"1\", expected i64"),
            (
                "version = 1\ndefualt = \"block\"",
                2,
                1,
                "unknown field `defualt`, expected one of `version`, `default`, `block_at`, `when_blocked`, `refuse_bypass`, `paused_until`, `categories`, `lists`, `app`, `host`",
            ),
            (
                "version = 1\ndefault = \"stop\"",
                2,
                11,
                "unknown variant `stop`, expected one of `block`, `record`, `off`",
            ),
            (
                "version = 1\npaused_until = \"soon\"",
                2,
                16,
                "expected a time such as 2026-11-21T08:00:00Z",
            ),
            (
                "version = 1\npaused_until = 2026-11-21T08:00:00",
                2,
                16,
                "expected a time such as 2026-11-21T08:00:00Z",
            ),
            (
                "version = 1\npaused_until = 2026-11-21",
                2,
                16,
                "expected a time such as 2026-11-21T08:00:00Z",
            ),
            ("version = 1\n[categories]\nspy = \"block\"", 3, 1, "unknown variant `spy`"),
            (
                "version = 1\n[categories]\npush = \"never\"",
                3,
                8,
                "expected `allow`, `record` or `block`",
            ),
            (
                "version = 1\n[lists]\nnever-block = \"off\"",
                3,
                1,
                "expected another list: this one is always on",
            ),
            (
                "version = 1\n[lists]\nxiaomi = \"block\"",
                3,
                10,
                "unknown variant `block`, expected `on` or `off`",
            ),
            (
                "version = 1\n[[host]]\nhost = \"a.example.com\"\nverdict = \"stop\"",
                4,
                11,
                "unknown variant `stop`, expected one of `allow`, `record`, `capture`, `block`",
            ),
            (
                "version = 1\n[[host]]\nhost = \"https://a\"\nverdict = \"allow\"",
                3,
                8,
                "expected a host such as a.example.com, .example.com for all under it, or an address",
            ),
            (
                "version = 1\n[[host]]\nhost = \"a.example.com\"\nverdict = \"allow\"\nuntil = 5",
                5,
                9,
                "expected a time such as 2026-11-21T08:00:00Z",
            ),
            (
                "version = 1\n[[app]]\npackage = \"a\"\nuid = -1",
                4,
                7,
                "invalid value: integer `-1`, expected a user id such as 10123, or a list of them",
            ),
            (
                "version = 1\n[[app]]\npackage = \"a\"\nuid = [1, \"2\"]",
                4,
                11,
                "invalid type: string \"2\", expected u32",
            ),
            (
                &format!("{app}colour = 1"),
                5,
                1,
                "unknown field `colour`, expected one of `package`, `uid`, `setting`, `when_blocked`",
            ),
            (
                &format!("{app}[[app]]\npackage = \"b\"\nuid = 1"),
                7,
                7,
                "expected each user id once",
            ),
            (
                &format!("{app}[[app]]\npackage = \"b\"\nuid = [2, 3, 2]"),
                7,
                14,
                "expected each user id once",
            ),
            (
                &format!("{app}[[app]]\npackage = \"a\"\nuid = 2"),
                6,
                11,
                "expected each package once; list its user ids together",
            ),
            ("version = 1\n[[app]]\nuid = 1", 2, 1, "missing field `package`"),
            ("version = 1\nwhen_blocked = \"ü\" x", 2, 20, "unexpected key or value"),
        ] {
            let (at_line, at_column, message) = refused(text);
            assert_eq!((at_line, at_column), (line, column), "{text}: {message}");
            assert!(message.starts_with(expected), "{text}: {message}");
        }
    }

    #[test]
    fn a_host_stands_once_for_good_and_once_for_a_time() {
        let host = "[[host]]\nhost = \"a.example.com\"\nverdict = \"allow\"\n";
        let timed = format!("{host}until = 2026-11-21T08:00:00Z\n");
        let own = format!("{host}app = \"a\"\n");
        assert!(parse(&format!("version = 1\n{host}{timed}{own}")).is_ok());
        for twice in [host, &timed, &own] {
            let (line, column, _) = refused(&format!("version = 1\n{twice}{twice}"));
            assert_eq!((line, column), (twice.lines().count() + 3, 8));
        }
    }

    #[test]
    fn a_time_is_read_bare_or_quoted_with_any_offset() {
        let utc: Time = "2026-11-21T08:00:00Z".parse().unwrap();
        for text in [
            "2026-11-21T08:00:00Z",
            "2026-11-21 08:00:00Z",
            "2026-11-21T09:30:00.000+01:30",
            "\"2026-11-20T23:00:00-09:00\"",
        ] {
            let policy = parse(&format!("version = 1\npaused_until = {text}")).unwrap();
            assert_eq!(policy.paused_until, Some(utc), "{text}");
        }
    }
}
