//! A policy in the making: what both of its forms, TOML and JSON, must not say.

use super::{App, Override, Policy, Setting, WhenBlocked};
use crate::event::{Time, Verdict};
use crate::signatures::{Category, Listing, is_pattern};
use hashbrown::HashMap;
use serde::Deserialize;
use std::net::IpAddr;

/// The built-in list of what a phone needs.
const NEVER_BLOCK: &str = "never-block";

/// Whether a list is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Switch {
    On,
    Off,
}

/// What part of an app's entry is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Package,
    /// The user id of this number, from 0.
    Uid(usize),
}

/// Takes one choice after the other, each checked against those before.
pub(super) struct Draft {
    policy: Policy,
    packages: HashMap<String, ()>,
}

impl Draft {
    /// Begins with a policy that names neither categories nor apps nor hosts.
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, packages: HashMap::new() }
    }

    pub(super) fn category(
        &mut self,
        category: Category,
        listing: Listing,
    ) -> Result<(), &'static str> {
        if listing == Listing::Never {
            return Err("expected `allow`, `record` or `block`");
        }
        self.policy.categories.insert(category, listing);
        Ok(())
    }

    pub(super) fn list_off(&mut self, list: String) -> Result<(), &'static str> {
        if list == NEVER_BLOCK {
            return Err("expected another list: this one is always on");
        }
        self.policy.lists_off.push(list);
        Ok(())
    }

    pub(super) fn app(
        &mut self,
        package: String,
        uids: &[u32],
        setting: Option<Setting>,
        when_blocked: Option<WhenBlocked>,
    ) -> Result<(), (Part, &'static str)> {
        if self.packages.insert(package.clone(), ()).is_some() {
            let expected = "expected each package once; list its user ids together";
            return Err((Part::Package, expected));
        }
        let app = self.policy.apps.len();
        for (number, uid) in uids.iter().enumerate() {
            if self.policy.by_uid.insert(*uid, app).is_some() {
                return Err((Part::Uid(number), "expected each user id once"));
            }
        }
        self.policy.apps.push(App {
            package,
            setting: setting.unwrap_or(self.policy.default),
            when_blocked: when_blocked.unwrap_or(self.policy.when_blocked),
        });
        Ok(())
    }

    pub(super) fn host(
        &mut self,
        host: &str,
        verdict: Verdict,
        app: Option<String>,
        until: Option<Time>,
    ) -> Result<(), &'static str> {
        let pattern = host.to_ascii_lowercase();
        let addr: Option<IpAddr> = pattern.parse().ok();
        if addr.is_none() && !is_pattern(&pattern) {
            return Err("expected a host such as a.example.com, .example.com for all under it, \
                or an address");
        }
        let one = Override { pattern, verdict, app, until };
        let here = match addr {
            Some(addr) => self.policy.by_address.entry(addr.to_canonical()).or_default(),
            None => {
                let name = one.pattern.trim_start_matches('.').to_owned();
                self.policy.overrides.entry(name).or_default()
            }
        };
        let same = |o: &Override| {
            o.pattern == one.pattern && o.app == one.app && o.until.is_some() == one.until.is_some()
        };
        if here.iter().any(same) {
            return Err("expected a host once for all apps or one, and once more with an end");
        }
        // The first that holds counts, so that a choice for some time beats the lasting one.
        let place = if one.until.is_some() { 0 } else { here.len() };
        here.insert(place, one);
        Ok(())
    }

    pub(super) fn finish(self) -> Policy {
        self.policy
    }
}
