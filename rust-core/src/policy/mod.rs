//! The owner's choices: which app may say what to whom.
//!
//! This module never looks at packets, files or clocks: text goes in, a [`Policy`] comes out, and
//! that answers questions about one app and one host at one time. A policy does not change; a new
//! one takes its place. `docs/policy.md` describes the text.

mod draft;
mod file;
mod json;

pub use json::JsonError;
pub(crate) use json::Object;

use crate::event::{Reason, ReasonCode, Time, Verdict};
use crate::signatures::{Category, HOST, HostTable, Listing, Rule, RuleId};
use hashbrown::HashMap;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

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

/// What an app wants to reach, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target<'a> {
    /// Lower case, without a trailing dot; `None` where only an address is known.
    pub host: Option<&'a str>,
    /// The address that the app named; none where it was given a fake one.
    pub addr: Option<IpAddr>,
    /// TCP or UDP port; 0 where only a name is asked about.
    pub port: u16,
}

impl From<IpAddr> for Target<'_> {
    fn from(addr: IpAddr) -> Self {
        Self { host: None, addr: Some(addr), port: 0 }
    }
}

impl<'a> From<Option<&'a str>> for Target<'a> {
    fn from(host: Option<&'a str>) -> Self {
        Self { host, addr: None, port: 0 }
    }
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
    /// What is wrong and what belongs there.
    pub expected: String,
}

/// Something that the owner should know about a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// An override stops or reads a host that is otherwise never blocked.
    NeverBlockHost {
        /// The override's host.
        host: String,
        /// The rule that keeps it from being blocked.
        rule: String,
        /// What stops working without it.
        side_effect: String,
    },
    /// An override is for an app that no `[[app]]` names, so it never applies.
    UnknownApp {
        /// The override's host.
        host: String,
        /// The app.
        package: String,
    },
    /// A list is switched that there is none of.
    UnknownList {
        /// Its name.
        list: String,
    },
}

/// Where block takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BlockAt {
    #[default]
    Connection,
    Name,
}

/// What an app is told where a list says block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenBlocked {
    #[default]
    Refuse,
    Capture,
}

/// Whose ways past the phone's resolver are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RefuseBypass {
    Off,
    /// Apps that the policy names and that are on block.
    #[default]
    ListedApps,
    /// All that are not off.
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct App {
    package: String,
    setting: Setting,
    when_blocked: WhenBlocked,
}

/// What the owner said about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Override {
    pattern: String,
    verdict: Verdict,
    app: Option<String>,
    until: Option<Time>,
}

/// The owner's choices. Immutable; swapped whole. The default blocks for all.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    default: Setting,
    block_at: BlockAt,
    when_blocked: WhenBlocked,
    refuse_bypass: RefuseBypass,
    paused_until: Option<Time>,
    categories: BTreeMap<Category, Listing>,
    /// Names of lists that are passed over.
    lists_off: Vec<String>,
    apps: Vec<App>,
    by_uid: HashMap<u32, usize>,
    /// By host without a leading dot; those with an end first.
    overrides: HashMap<String, Vec<Override>>,
    /// Likewise, about addresses.
    by_address: HashMap<IpAddr, Vec<Override>>,
    /// Apps that are off never come here.
    off_is_outside: bool,
}

/// Port of DNS over TLS (RFC 7858), over DTLS and over QUIC (RFC 9250).
pub(crate) const ENCRYPTED_DNS: u16 = 853;

/// What the lists say about a target.
struct Listed {
    rule: RuleId,
    /// With the owner's choice for its category.
    listing: Listing,
    category: Category,
    /// About the address and not the name.
    by_address: bool,
}

/// What is known about a target, before any app is.
struct Case<'a> {
    target: Target<'a>,
    now_ms: i64,
    /// The owner's override for all apps.
    general: Option<&'a Override>,
    /// Whether there are overrides for single apps.
    special: bool,
    listed: Option<Listed>,
    paused: bool,
}

impl Case<'_> {
    /// A list or the owner says something about it.
    fn is_spoken_of(&self) -> bool {
        self.listed.is_some() || self.general.is_some() || self.special
    }

    /// A way to resolve names past the phone's resolver.
    fn is_bypass(&self) -> bool {
        let listed = self.listed.as_ref();
        self.target.port == ENCRYPTED_DNS
            || listed.is_some_and(|l| l.category == Category::ResolverBypass)
    }
}

/// A decision before its texts are copied.
#[derive(Clone, Copy)]
enum Why<'a> {
    Override(&'a Override),
    Rule(ReasonCode, RuleId),
    Plain(ReasonCode),
}

impl Policy {
    /// Reads the TOML form.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text)
    }

    /// The same choices where the system keeps apps that are off out of the VPN, as Android does:
    /// they ask another resolver, so they do not keep a name alive for the others.
    #[must_use]
    pub fn without_off_apps(self) -> Self {
        Self { off_is_outside: true, ..self }
    }

    /// Reads the JSON form, version 1; whoever has the text has looked at its version.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        json::parse(text)
    }

    /// When the pause ends, where there is one.
    pub fn paused_until(&self) -> Option<Time> {
        self.paused_until
    }

    /// How many apps and how many hosts it names.
    pub fn sizes(&self) -> (usize, usize) {
        let hosts = self.overrides.values().chain(self.by_address.values());
        (self.apps.len(), hosts.map(Vec::len).sum())
    }

    /// What the owner chose for a category, where that is something.
    pub fn category(&self, category: Category) -> Option<Listing> {
        self.categories.get(&category).copied()
    }

    /// Every app that is named, with one of its user ids; the app without any is left out.
    pub fn apps(&self) -> impl Iterator<Item = (&str, u32)> {
        let mut uids: Vec<_> = self.by_uid.iter().map(|(uid, app)| (*app, *uid)).collect();
        uids.sort_unstable();
        uids.dedup_by_key(|(app, _)| *app);
        uids.into_iter().filter_map(|(app, uid)| Some((self.apps.get(app)?.package.as_str(), uid)))
    }

    /// The package of a user id, where the policy names it.
    pub fn package(&self, uid: u32) -> Option<&str> {
        self.app(Some(uid)).map(|app| app.package.as_str())
    }

    /// The setting of an app; the default for `None` and for ids that the policy does not name.
    pub fn setting(&self, uid: Option<u32>) -> Setting {
        self.setting_of(self.app(uid))
    }

    /// The verdict for a flow of an app.
    ///
    /// In the order of `docs/policy.md`. A rule about the name counts before one about the
    /// address. Whatever nothing speaks about is allowed.
    pub fn decide<'t>(
        &self,
        table: &HostTable,
        now_ms: i64,
        uid: Option<u32>,
        target: impl Into<Target<'t>>,
    ) -> Decision {
        let (verdict, why) = self.judge(&self.case(table, now_ms, target.into()), self.app(uid));
        Decision { verdict, reason: reason(table, why) }
    }

    /// Whether the owner switched a list off: `xiaomi`, or with its version.
    pub fn list_is_off(&self, list: &str) -> bool {
        self.lists_off.iter().any(|name| list.split('@').next() == Some(name))
    }

    /// Whether a list or the owner speaks about an address.
    pub fn knows_address(&self, table: &HostTable, addr: IpAddr) -> bool {
        table.lookup_address_without(addr, &self.lists_off).is_some()
            || self.by_address.contains_key(&addr)
    }

    /// Whether some app is kept from resolving names past the phone's resolver.
    pub fn refuses_bypass(&self, now_ms: i64) -> bool {
        !self.is_paused(now_ms) && self.anyone().any(|app| self.refuses_bypass_of(app))
    }

    /// Whether nothing is said about a target, by a list or the owner: every app may reach it.
    pub fn is_free(&self, table: &HostTable, now_ms: i64, target: Target<'_>) -> bool {
        let case = self.case(table, now_ms, target);
        !case.is_spoken_of() && !case.is_bypass()
    }

    /// Whether any app could get something other than allow for this name: such a name gets a
    /// fake address.
    pub fn concerns(&self, table: &HostTable, now_ms: i64, host: &str) -> bool {
        let case = self.case(table, now_ms, Some(host).into());
        case.is_spoken_of() && self.anyone().any(|app| self.judge(&case, app).0 != Verdict::Allow)
    }

    /// Why the name itself is refused, where it is: `block_at = "name"`, and nobody would get
    /// anything but block for it. One app that is off or recorded keeps the name alive; one that
    /// is off does not after [`Self::without_off_apps`].
    pub fn refuses_name(&self, table: &HostTable, now_ms: i64, host: &str) -> Option<Reason> {
        if self.block_at != BlockAt::Name {
            return None;
        }
        let case = self.case(table, now_ms, Some(host).into());
        let mut first = None;
        for app in self.anyone() {
            let (verdict, why) = self.judge(&case, app);
            if verdict != Verdict::Block {
                return None;
            }
            first.get_or_insert(why);
        }
        first.map(|why| reason(table, why))
    }

    /// What the owner should know about this policy, by host.
    pub fn warnings(&self, table: &HostTable) -> Vec<Warning> {
        let all = self.overrides.values().chain(self.by_address.values());
        let mut overrides: Vec<_> = all.flatten().collect();
        overrides.sort_by(|a, b| (&a.pattern, &a.app).cmp(&(&b.pattern, &b.app)));
        let mut warnings = Vec::new();
        let lists = table.lists();
        let known = |list: &str| lists.keys().any(|id| id.split('@').next() == Some(list));
        for list in self.lists_off.iter().filter(|list| !known(list)) {
            warnings.push(Warning::UnknownList { list: list.clone() });
        }
        for one in overrides {
            let host = one.pattern.clone();
            if let Some(package) = &one.app
                && !self.apps.iter().any(|app| app.package == *package)
            {
                warnings.push(Warning::UnknownApp { host: host.clone(), package: package.clone() });
            }
            if one.verdict != Verdict::Allow
                && let Some(rule) = covered_never(table, &one.pattern)
            {
                let (rule, side_effect) = (rule.pattern.to_owned(), rule.side_effect.to_owned());
                warnings.push(Warning::NeverBlockHost { host, rule, side_effect });
            }
        }
        warnings
    }

    fn app(&self, uid: Option<u32>) -> Option<&App> {
        self.apps.get(*self.by_uid.get(&uid?)?)
    }

    /// Every app that can be told from the others and comes here; `None` stands for all that are
    /// not named.
    fn anyone(&self) -> impl Iterator<Item = Option<&App>> {
        let all = std::iter::once(None).chain(self.apps.iter().map(Some));
        all.filter(|app| !self.off_is_outside || self.setting_of(*app) != Setting::Off)
    }

    fn setting_of(&self, app: Option<&App>) -> Setting {
        app.map_or(self.default, |app| app.setting)
    }

    fn refuses_bypass_of(&self, app: Option<&App>) -> bool {
        match self.refuse_bypass {
            RefuseBypass::Off => false,
            RefuseBypass::ListedApps => app.is_some_and(|app| app.setting == Setting::Block),
            RefuseBypass::All => self.setting_of(app) != Setting::Off,
        }
    }

    fn is_paused(&self, now_ms: i64) -> bool {
        self.paused_until.is_some_and(|t| now_ms < t.0)
    }

    /// The rule of the lists that counts for a target, as every decision takes it: what lists say
    /// that the owner switched off is passed over.
    pub fn rule<'t>(&self, table: &HostTable, target: impl Into<Target<'t>>) -> Option<RuleId> {
        self.listed(table, &target.into()).map(|listed| listed.rule)
    }

    fn listed(&self, table: &HostTable, target: &Target<'_>) -> Option<Listed> {
        let spoken = |id: Option<RuleId>, by_address| {
            let (rule, said) = id.map(|id| (id, table.rule(id)))?;
            let chosen = self.categories.get(&said.category);
            let listing = match said.listing {
                Listing::Never => Listing::Never,
                listing => *chosen.unwrap_or(&listing),
            };
            Some(Listed { rule, listing, category: said.category, by_address })
        };
        let off = &self.lists_off;
        let name = spoken(target.host.and_then(|host| table.lookup_without(host, off)), false);
        let addr =
            spoken(target.addr.and_then(|addr| table.lookup_address_without(addr, off)), true);
        match addr {
            Some(Listed { listing: Listing::Never, .. }) => addr,
            _ => name.or(addr),
        }
    }

    fn case<'a>(&'a self, table: &HostTable, now_ms: i64, target: Target<'a>) -> Case<'a> {
        Case {
            target,
            now_ms,
            general: self.overrides(target, now_ms).find(|one| one.app.is_none()),
            special: self.overrides(target, now_ms).any(|one| one.app.is_some()),
            listed: self.listed(table, &target),
            paused: self.is_paused(now_ms),
        }
    }

    /// The overrides about a target that hold now, the most exact first.
    fn overrides<'a>(
        &'a self,
        target: Target<'a>,
        now_ms: i64,
    ) -> impl Iterator<Item = &'a Override> {
        let by_address = target.addr.and_then(|addr| self.by_address.get(&addr));
        let by_name = target
            .host
            .filter(|host| !self.overrides.is_empty() && host.len() <= HOST)
            .into_iter()
            .flat_map(suffixes)
            .flat_map(|(name, whole)| {
                let here = self.overrides.get(name).map_or(&[][..], Vec::as_slice);
                let fits =
                    move |exact: bool| move |one: &&Override| one.pattern.starts_with('.') != exact;
                let exact = here.iter().filter(fits(true)).filter(move |_| whole);
                exact.chain(here.iter().filter(fits(false)))
            });
        by_name
            .chain(by_address.into_iter().flatten())
            .filter(move |one| one.until.is_none_or(|time| now_ms < time.0))
    }

    /// The override that counts for an app.
    fn override_for<'a>(&'a self, case: &Case<'a>, app: Option<&App>) -> Option<&'a Override> {
        let own = app.filter(|_| case.special).and_then(|app| {
            let package = Some(app.package.as_str());
            self.overrides(case.target, case.now_ms).find(|one| one.app.as_deref() == package)
        });
        own.or(case.general)
    }

    /// What one app gets; `None` for an app that the policy does not name.
    fn judge<'a>(&'a self, case: &Case<'a>, app: Option<&App>) -> (Verdict, Why<'a>) {
        let setting = self.setting_of(app);
        if setting == Setting::Off {
            return (Verdict::Allow, Why::Plain(ReasonCode::AppOff));
        }
        if case.paused {
            return (Verdict::Allow, Why::Plain(ReasonCode::Paused));
        }
        if let Some(one) = self.override_for(case, app) {
            return (one.verdict, Why::Override(one));
        }
        let listed = case.listed.as_ref();
        if let Some(Listed { rule, listing: Listing::Never, .. }) = listed {
            return (Verdict::Allow, Why::Rule(ReasonCode::NeverBlock, *rule));
        }
        if case.is_bypass() && self.refuses_bypass_of(app) {
            let code = ReasonCode::ResolverBypass;
            let why = listed.map_or(Why::Plain(code), |listed| Why::Rule(code, listed.rule));
            return (Verdict::Block, why);
        }
        let Some(&Listed { rule, listing, by_address, .. }) = listed else {
            return (Verdict::Allow, Why::Plain(ReasonCode::UnknownAllow));
        };
        let code = if by_address { ReasonCode::ListedAddress } else { ReasonCode::ListedHost };
        let listed = Why::Rule(code, rule);
        match (listing, setting) {
            (Listing::Allow | Listing::Never, _) | (_, Setting::Off) => (Verdict::Allow, listed),
            (_, Setting::Record) => (Verdict::Record, Why::Rule(ReasonCode::AppRecord, rule)),
            (Listing::Record, Setting::Block) => (Verdict::Record, listed),
            (Listing::Block, Setting::Block) => {
                match app.map_or(self.when_blocked, |app| app.when_blocked) {
                    WhenBlocked::Refuse => (Verdict::Block, listed),
                    WhenBlocked::Capture => (Verdict::Capture, listed),
                }
            }
        }
    }
}

/// A host and the names above it, the longest first, each with whether it is the host itself.
fn suffixes(host: &str) -> impl Iterator<Item = (&str, bool)> {
    let above = host.match_indices('.').filter_map(|(dot, _)| Some((host.get(dot + 1..)?, false)));
    std::iter::once((host, true)).chain(above)
}

/// The never-block rule that an override would touch: one that covers it, or one that it covers.
fn covered_never<'t>(table: &'t HostTable, pattern: &str) -> Option<Rule<'t>> {
    let name = pattern.trim_start_matches('.');
    let over = pattern.parse().map_or_else(|_| table.lookup(name), |a| table.lookup_address(a));
    let over = over.map(|id| table.rule(id)).filter(|r| r.listing == Listing::Never);
    over.or_else(|| {
        let never = table.rules().take_while(|rule| rule.listing == Listing::Never);
        let under = |rule: &Rule<'_>| {
            pattern.starts_with('.')
                && rule
                    .pattern
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        never.into_iter().find(under)
    })
}

fn reason(table: &HostTable, why: Why<'_>) -> Reason {
    match why {
        Why::Plain(code) => Reason { code, rule: None, list: None },
        Why::Override(one) => {
            Reason { code: ReasonCode::HostOverride, rule: Some(one.pattern.clone()), list: None }
        }
        Why::Rule(code, id) => {
            let rule = table.rule(id);
            Reason { code, rule: Some(rule.pattern.to_owned()), list: Some(rule.list.to_owned()) }
        }
    }
}

#[cfg(test)]
mod tests;
