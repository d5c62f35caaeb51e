//! What an app may ask, as JSON: an object with `"v": 1`. What it has and `docs/jni.md` does not is
//! an error, so that a misspelt key is not silently no key.

use super::{Code, Fault};
use crate::event::{Kind, State, Time, Verdict};
use crate::limits;
use crate::policy::{Object, Policy};
use crate::signatures::{Category, Listing};
use crate::store::{self, AppFilter, Outcome};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Refuses what is not version 1. Reads the whole text, and keeps nothing of it.
pub(super) fn check_version(text: &str) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Version {
        v: Option<Value>,
    }
    let Object(Version { v }) = serde_json::from_str(text)?;
    match v.as_ref().and_then(Value::as_u64) {
        Some(1) => Ok(()),
        _ => Err(Fault::new(Code::BadVersion, "expected \"v\": 1")),
    }
}

/// An object without its version.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, Fault> {
    if text.len() > limits::ASKED {
        return Err(Fault::new(Code::BadArgument, "longer than a question may be"));
    }
    check_version(text)?;
    let mut object: Map<String, Value> = serde_json::from_str(text)?;
    object.remove("v");
    Ok(object)
}

/// An object of a known form.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    read(object(text)?)
}

/// The rest of an object whose name was taken out.
pub(super) fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Fault> {
    Ok(serde_json::from_value(Value::Object(object))?)
}

/// Takes the name of a query or command out of its object.
pub(super) fn name(object: &mut Map<String, Value>, key: &str) -> Result<String, Fault> {
    match object.remove(key) {
        Some(Value::String(name)) => Ok(name),
        _ => Err(Fault::new(Code::BadJson, format_args!("expected a text in `{key}`"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    pub(super) db: PathBuf,
    pub(super) cache: PathBuf,
    pub(super) lists: Option<PathBuf>,
    pub(super) servers: Option<ServersFile>,
    pub(super) api: u32,
    #[serde(default = "retention")]
    pub(super) retention_days: u32,
    #[serde(default = "max_bytes")]
    pub(super) max_bytes: u64,
    #[serde(default)]
    pub(super) log: LogLevel,
}

fn retention() -> u32 {
    store::RETENTION_DAYS
}

fn max_bytes() -> u64 {
    store::MAX_BYTES
}

/// Where the table of servers lies: a file, or a part of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServersFile {
    pub(super) path: PathBuf,
    #[serde(default)]
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

/// What goes to the system's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    /// Names and addresses too.
    Debug,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reach {
    Light,
    Deep,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attach {
    pub(super) reach: Reach,
    pub(super) resolvers: Vec<String>,
    #[serde(default)]
    pub(super) protect: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub(super) resolvers: Vec<String>,
}

/// Addresses, with port 53 where none is named.
pub(super) fn resolvers(given: &[String]) -> Result<Vec<SocketAddr>, Fault> {
    if given.is_empty() || given.len() > limits::RESOLVERS {
        let expected = format!("expected 1 to {} resolvers", limits::RESOLVERS);
        return Err(Fault::new(Code::BadJson, expected));
    }
    let wrong = || Fault::new(Code::BadJson, "expected the address of a resolver that is not ours");
    given
        .iter()
        .map(|text| {
            // Android writes the interface behind a link-local address: fe80::1%wlan0.
            let plain = text.split_once('%').map_or(text.as_str(), |(addr, _)| addr);
            let with_port = || plain.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
            let addr = plain.parse().or_else(|_| with_port()).map_err(|_| wrong())?;
            if crate::names::FakePool::covers(addr.ip()) { Err(wrong()) } else { Ok(addr) }
        })
        .collect()
}

/// Which events are meant, without paging.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    uid: Option<u32>,
    package: Option<String>,
    kind: Option<Kind>,
    outcome: Option<String>,
    state: Option<State>,
    verdict: Option<Verdict>,
    host: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    text: Option<String>,
}

impl TryFrom<Filter> for store::Filter {
    type Error = Fault;

    fn try_from(asked: Filter) -> Result<Self, Fault> {
        let mut filter = Self {
            app: app(asked.uid, asked.package)?,
            kind: asked.kind,
            state: asked.state,
            host: asked.host,
            verdict: asked.verdict,
            text: asked.text.filter(|text| !text.is_empty()),
            ..range(asked.since, asked.until)?
        };
        if let Some(name) = asked.outcome {
            let outcome = Outcome::ALL.into_iter().find(|one| one.as_str() == name);
            let unknown = || Fault::new(Code::BadJson, "unknown `outcome`");
            let (verdict, state) = outcome.ok_or_else(unknown)?.parts();
            if filter.verdict.is_some() || filter.state.is_some() {
                let expected = "expected `outcome`, or `verdict` and `state`";
                return Err(Fault::new(Code::BadJson, expected));
            }
            filter.verdict = Some(verdict);
            filter.state = state;
        }
        Ok(filter)
    }
}

/// The app that is meant.
pub(super) fn app(uid: Option<u32>, package: Option<String>) -> Result<Option<AppFilter>, Fault> {
    match (uid, package) {
        (None, None) => Ok(None),
        (Some(uid), None) => Ok(Some(AppFilter::Uid(uid))),
        (None, Some(package)) => Ok(Some(AppFilter::Package(package))),
        (Some(_), Some(_)) => Err(Fault::new(Code::BadJson, "expected `uid` or `package`")),
    }
}

/// A filter for a range of time alone.
pub(super) fn range(since: Option<i64>, until: Option<i64>) -> Result<store::Filter, Fault> {
    let (since, until) = (since.map(time).transpose()?, until.map(time).transpose()?);
    Ok(store::Filter { since, until, ..store::Filter::default() })
}

pub(super) fn time(ms: i64) -> Result<Time, Fault> {
    Time::from_ms(ms).ok_or_else(|| Fault::new(Code::BadJson, "expected milliseconds since 1970"))
}

/// A count of rows within its bound.
pub(super) fn limit(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, Fault> {
    match asked.unwrap_or(usual) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(Fault::new(Code::BadJson, format_args!("expected a `limit` of 1 to {most}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    #[serde(default)]
    pub(super) filter: Object<Filter>,
    pub(super) before_id: Option<i64>,
    pub(super) after_id: Option<i64>,
    pub(super) limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    pub(super) id: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chart {
    pub(super) bounds: Vec<i64>,
}

/// A range of time and an app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    since: Option<i64>,
    until: Option<i64>,
    uid: Option<u32>,
    package: Option<String>,
}

impl Scope {
    /// The user id that is meant; that of a package where the policy names it.
    pub(super) fn uid(&self, policy: &Policy) -> Option<u32> {
        let named = || {
            let package = self.package.as_deref()?;
            policy.apps().find(|(name, _)| *name == package).map(|(_, uid)| uid)
        };
        self.uid.or_else(named)
    }

    /// With both, the events are the package's: it may have had another user id.
    pub(super) fn of_package(mut self) -> Self {
        self.uid = self.uid.filter(|_| self.package.is_none());
        self
    }
}

impl TryFrom<Scope> for store::Filter {
    type Error = Fault;

    fn try_from(scope: Scope) -> Result<Self, Fault> {
        let app = app(scope.uid, scope.package)?;
        Ok(Self { app, ..range(scope.since, scope.until)? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfApp {
    pub(super) uid: Option<u32>,
    pub(super) package: Option<String>,
    pub(super) limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) host: String,
    pub(super) uid: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    pub(super) text: Option<String>,
    pub(super) category: Option<Category>,
    pub(super) list: Option<String>,
    #[serde(default)]
    pub(super) offset: usize,
    pub(super) limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    pub(super) format: String,
    #[serde(default)]
    pub(super) redact: bool,
    #[serde(default)]
    pub(super) filter: Object<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportList {
    pub(super) name: String,
    #[serde(default)]
    pub(super) source: String,
    #[serde(default = "other")]
    pub(super) category: Category,
    #[serde(default)]
    pub(super) default: ImportDefault,
    /// Plain names stand for all that is under them.
    #[serde(default)]
    pub(super) below: bool,
    #[serde(default)]
    pub(super) check: bool,
}

fn other() -> Category {
    Category::Other
}

/// What happens to the hosts of an imported list; it cannot say that one is never blocked.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImportDefault {
    #[default]
    Block,
    Record,
    Allow,
}

impl From<ImportDefault> for Listing {
    fn from(default: ImportDefault) -> Self {
        match default {
            ImportDefault::Block => Self::Block,
            ImportDefault::Record => Self::Record,
            ImportDefault::Allow => Self::Allow,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GapEntry {
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    pub(super) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keep {
    pub(super) days: u32,
    pub(super) max_bytes: u64,
}
