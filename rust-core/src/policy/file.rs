//! The policy as text: TOML.
//!
//! This module never decides; it turns text into a [`Policy`] or says where the text is wrong.
//! What it does not know is an error, so that a misspelt choice is not silently no choice.

use super::{App, BlockAt, Override, Policy, PolicyError, Setting, WhenBlocked};
use crate::event::{Time, Verdict};
use crate::signatures::{Category, Listing, is_pattern};
use hashbrown::HashMap;
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
    paused_until: Option<Moment>,
    #[serde(default)]
    categories: BTreeMap<Category, Spanned<Listing>>,
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
    let mut policy = Policy {
        default: file.default,
        block_at: file.block_at,
        when_blocked: file.when_blocked,
        paused_until: file.paused_until.map(|m| m.0),
        ..Policy::default()
    };
    for (category, listing) in file.categories {
        if *listing.get_ref() == Listing::Never {
            return Err(at(listing.span(), "expected `allow`, `record` or `block`".to_owned()));
        }
        policy.categories.insert(category, listing.into_inner());
    }
    add_apps(&mut policy, file.app, &at)?;
    add_hosts(&mut policy, file.host, &at)?;
    Ok(policy)
}

type At<'a> = dyn Fn(Range<usize>, String) -> PolicyError + 'a;

fn add_apps(policy: &mut Policy, entries: Vec<AppEntry>, at: &At<'_>) -> Result<(), PolicyError> {
    let mut packages = HashMap::new();
    for (number, entry) in entries.into_iter().enumerate() {
        let span = entry.package.span();
        let package = entry.package.into_inner();
        if packages.insert(package.clone(), ()).is_some() {
            return Err(at(span, "expected each package once; list its user ids together".into()));
        }
        let span = entry.uid.span();
        let uids = match entry.uid.into_inner() {
            Uids::One(uid) => vec![(span, uid)],
            Uids::Many(uids) => uids.into_iter().map(|u| (u.span(), u.into_inner())).collect(),
        };
        for (span, uid) in uids {
            if policy.by_uid.insert(uid, number).is_some() {
                return Err(at(span, "expected each user id once".to_owned()));
            }
        }
        policy.apps.push(App {
            package,
            setting: entry.setting.unwrap_or(policy.default),
            when_blocked: entry.when_blocked.unwrap_or(policy.when_blocked),
        });
    }
    Ok(())
}

fn add_hosts(policy: &mut Policy, entries: Vec<HostEntry>, at: &At<'_>) -> Result<(), PolicyError> {
    for entry in entries {
        let pattern = entry.host.get_ref().to_ascii_lowercase();
        if !is_pattern(&pattern) {
            let expected =
                "expected a host such as a.example.com, or .example.com for all under it";
            return Err(at(entry.host.span(), expected.to_owned()));
        }
        let one = Override {
            pattern,
            verdict: entry.verdict,
            app: entry.app,
            until: entry.until.map(|m| m.0),
        };
        let name = one.pattern.trim_start_matches('.').to_owned();
        let here = policy.overrides.entry(name).or_default();
        let same = |o: &Override| {
            o.pattern == one.pattern && o.app == one.app && o.until.is_some() == one.until.is_some()
        };
        if here.iter().any(same) {
            let expected = "expected a host once for all apps or one, and once more with an end";
            return Err(at(entry.host.span(), expected.to_owned()));
        }
        // The first that holds counts, so that a choice for some time beats the lasting one.
        let place = if one.until.is_some() { 0 } else { here.len() };
        here.insert(place, one);
    }
    Ok(())
}
