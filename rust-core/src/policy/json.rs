//! The policy as an app sends it: JSON, with times in milliseconds. Says the same as the TOML form.

use super::draft::{Draft, Part, Switch};
use super::{BlockAt, Policy, RefuseBypass, Setting, WhenBlocked};
use crate::event::{Time, Verdict};
use crate::signatures::{Category, Listing};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Why a policy in JSON was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not the JSON of a policy.
    #[error("{0}")]
    Malformed(String),
    /// A choice that cannot be, or that contradicts another.
    #[error("{path}: {expected}")]
    Contradiction {
        /// Where, such as `apps[2].uid[0]`.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
}

/// What must be written as an object: serde alone takes an array of its values for it, too.
#[derive(Clone, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "v")]
    _v: u32,
    #[serde(default)]
    default: Setting,
    #[serde(default)]
    block_at: BlockAt,
    #[serde(default)]
    when_blocked: WhenBlocked,
    #[serde(default)]
    refuse_bypass: RefuseBypass,
    paused_until: Option<i64>,
    #[serde(default)]
    categories: BTreeMap<Category, Listing>,
    #[serde(default)]
    lists: BTreeMap<String, Switch>,
    #[serde(default)]
    apps: Vec<Object<AppEntry>>,
    #[serde(default)]
    hosts: Vec<Object<HostEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppEntry {
    package: String,
    uid: Vec<u32>,
    setting: Option<Setting>,
    when_blocked: Option<WhenBlocked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostEntry {
    host: String,
    verdict: Verdict,
    app: Option<String>,
    until: Option<i64>,
}

/// Reads the JSON form; the caller has looked at its version.
pub(super) fn parse(text: &str) -> Result<Policy, JsonError> {
    let Object(document): Object<Document> =
        serde_json::from_str(text).map_err(|error| JsonError::Malformed(error.to_string()))?;
    let wrong = |path: String, expected| JsonError::Contradiction { path, expected };
    let moment = |ms: Option<i64>, path: &dyn Fn() -> String| {
        let expected = "expected milliseconds since 1970";
        ms.map(|ms| Time::from_ms(ms).ok_or_else(|| wrong(path(), expected))).transpose()
    };
    let mut draft = Draft::new(Policy {
        default: document.default,
        block_at: document.block_at,
        when_blocked: document.when_blocked,
        refuse_bypass: document.refuse_bypass,
        paused_until: moment(document.paused_until, &|| "paused_until".to_owned())?,
        ..Policy::default()
    });
    for (category, listing) in document.categories {
        let added = draft.category(category, listing);
        added.map_err(|expected| wrong(format!("categories.{category}"), expected))?;
    }
    for (list, _) in document.lists.into_iter().filter(|(_, switch)| *switch == Switch::Off) {
        let path = format!("lists.{list}");
        draft.list_off(list).map_err(|expected| wrong(path, expected))?;
    }
    for (number, Object(entry)) in document.apps.into_iter().enumerate() {
        let added = draft.app(entry.package, &entry.uid, entry.setting, entry.when_blocked);
        added.map_err(|(part, expected)| {
            let path = match part {
                Part::Package => format!("apps[{number}].package"),
                Part::Uid(uid) => format!("apps[{number}].uid[{uid}]"),
            };
            wrong(path, expected)
        })?;
    }
    for (number, Object(entry)) in document.hosts.into_iter().enumerate() {
        let until = moment(entry.until, &|| format!("hosts[{number}].until"))?;
        let added = draft.host(&entry.host, entry.verdict, entry.app, until);
        added.map_err(|expected| wrong(format!("hosts[{number}].host"), expected))?;
    }
    Ok(draft.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_toml_say_the_same() {
        let json = r#"{"v":1, "default":"record", "block_at":"name", "when_blocked":"capture", "refuse_bypass":"all",
            "paused_until":1763712900000, "categories":{"push":"allow"},
            "apps":[{"package":"a","uid":[10123,1010123],"setting":"off"},{"package":"b","uid":[]}],
            "hosts":[{"host":".Example.com","verdict":"allow"},{"host":"192.0.2.1","verdict":"block"},
                {"host":"a.example.com","verdict":"block","app":"a","until":1763712900000}]}"#;
        let toml = r#"
            version = 1
            default = "record"
            block_at = "name"
            when_blocked = "capture"
            refuse_bypass = "all"
            paused_until = 2025-11-21T08:15:00Z
            [categories]
            push = "allow"
            [[app]]
            package = "a"
            uid = [10123, 1010123]
            setting = "off"
            [[app]]
            package = "b"
            uid = []
            [[host]]
            host = ".Example.com"
            verdict = "allow"
            [[host]]
            host = "192.0.2.1"
            verdict = "block"
            [[host]]
            host = "a.example.com"
            verdict = "block"
            app = "a"
            until = 2025-11-21T08:15:00Z
        "#;
        let (json, toml) = (parse(json).unwrap(), Policy::parse(toml).unwrap());
        assert_eq!(json.apps, toml.apps);
        assert_eq!(json.by_uid, toml.by_uid);
        assert_eq!(json.overrides, toml.overrides);
        assert_eq!(json.by_address, toml.by_address);
        assert_eq!(json.categories, toml.categories);
        assert_eq!(json.paused_until, toml.paused_until);
        let plain = |p: &Policy| (p.default, p.block_at, p.when_blocked, p.refuse_bypass);
        assert_eq!(plain(&json), plain(&toml));
    }

    #[test]
    fn a_contradiction_names_its_place() {
        for (text, path) in [
            (r#"{"v":1,"categories":{"push":"never"}}"#, "categories.push"),
            (
                r#"{"v":1,"apps":[{"package":"a","uid":[1]},{"package":"b","uid":[2,1]}]}"#,
                "apps[1].uid[1]",
            ),
            (
                r#"{"v":1,"apps":[{"package":"a","uid":[1]},{"package":"a","uid":[2]}]}"#,
                "apps[1].package",
            ),
            (r#"{"v":1,"hosts":[{"host":"a b","verdict":"allow"}]}"#, "hosts[0].host"),
            (
                r#"{"v":1,"hosts":[{"host":"a.b","verdict":"allow","until":9223372036854775807}]}"#,
                "hosts[0].until",
            ),
            (r#"{"v":1,"paused_until":9223372036854775807}"#, "paused_until"),
        ] {
            match parse(text) {
                Err(JsonError::Contradiction { path: at, .. }) => assert_eq!(at, path),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in [
            "",
            "{}",
            "[1]",
            r#"[1,"record"]"#,
            r#"{"v":1,"apps":[["a",[1],null,null]]}"#,
            r#"{"v":1,"hosts":[["a.example","allow",null,null]]}"#,
            r#"{"v":1,"app":[]}"#,
            r#"{"v":1,"default":"stop"}"#,
            r#"{"v":1,"apps":[{"package":"a","uid":[-1]}]}"#,
        ] {
            assert!(matches!(parse(text), Err(JsonError::Malformed(_))), "{text}");
        }
    }
}
