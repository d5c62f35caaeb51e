//! What lists and policy say: a host, a search through the rules, the lists themselves.

use super::ask::{self, limit};
use super::query::{decision, versioned};
use super::{Core, Fault, locked};
use crate::engine::Rules;
use crate::event::Protocol;
use crate::limits::PAGE;
use crate::policy::Decision;
use crate::signatures::{Category, HostTable, List, Listing, Region, Rule};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is known about a host.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Known<'a> {
    rule: &'a str,
    list: &'a str,
    owner: &'a str,
    category: Category,
    default: Listing,
    side_effect: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
    source: &'a str,
    licence: &'a str,
}

impl<'a> From<Rule<'a>> for Known<'a> {
    fn from(rule: Rule<'a>) -> Self {
        Self {
            rule: rule.pattern,
            list: rule.list,
            owner: rule.owner,
            category: rule.category,
            default: rule.listing,
            side_effect: rule.side_effect,
            protocol: rule.protocol,
            region: rule.region,
            source: rule.source,
            licence: rule.licence,
        }
    }
}

/// The rule about a host, where there is one.
pub(super) fn known<'a>(rules: &'a Rules, host: &str) -> Option<Known<'a>> {
    rules.policy.rule(&rules.table, Some(host)).map(|id| rules.table.rule(id).into())
}

/// What happens now to a flow of an app to a host.
pub(super) fn decide(rules: &Rules, uid: Option<u32>, host: &str) -> Decision {
    rules.policy.decide(&rules.table, now_ms(), uid, Some(host))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn host(core: &Core, asked: ask::Host) -> Result<String, Fault> {
    let host = crate::signatures::host_of(&asked.host);
    core.service.with_rules(|rules| {
        let usual = decide(rules, asked.uid, &host);
        let others: Vec<_> = rules
            .policy
            .apps()
            .map(|(package, uid)| (package, decide(rules, Some(uid), &host)))
            .filter(|(_, other)| other.verdict != usual.verdict)
            .map(|(package, other)| {
                json!({"package": package, "verdict": other.verdict, "reason": other.reason})
            })
            .collect();
        let mut found = json!({"host": host, "decision": decision(&usual), "decisions": others});
        if let Some(rule) = known(rules, &host) {
            found["rule"] = serde_json::to_value(rule)?;
        }
        versioned(&found)
    })
}

pub(super) fn search(core: &Core, asked: ask::Rules) -> Result<String, Fault> {
    let limit = limit(asked.limit, 100, PAGE)? as usize;
    let text = asked.text.unwrap_or_default().trim().to_ascii_lowercase();
    core.service.with_rules(|rules| {
        let fits = |rule: &Rule<'_>| {
            rule.pattern.contains(&text)
                && asked.category.is_none_or(|category| rule.category == category)
                && asked.list.as_ref().is_none_or(|list| name_of(rule.list) == list)
        };
        let all = || rules.table.rules().filter(fits);
        let page: Vec<Known<'_>> = all().skip(asked.offset).take(limit).map(Known::from).collect();
        versioned(&json!({"total": all().count(), "rules": page}))
    })
}

/// `xiaomi` of `xiaomi@3`.
fn name_of(list: &str) -> &str {
    list.split_once('@').map_or(list, |(name, _)| name)
}

#[derive(Clone, Copy, Default, Serialize)]
struct Sums {
    rules: u32,
    block: u32,
    record: u32,
    allow: u32,
    never: u32,
}

pub(super) fn lists(core: &Core) -> Result<String, Fault> {
    core.service.with_rules(|rules| {
        let categories: Vec<_> = Category::ALL
            .iter()
            .map(|category| {
                let mut sums = Sums::default();
                for rule in rules.table.rules().filter(|rule| rule.category == *category) {
                    sums.rules += 1;
                    *match rule.listing {
                        Listing::Block => &mut sums.block,
                        Listing::Record => &mut sums.record,
                        Listing::Allow => &mut sums.allow,
                        Listing::Never => &mut sums.never,
                    } += 1;
                }
                let mut line = serde_json::to_value(sums)?;
                line["category"] = serde_json::to_value(category)?;
                if let Some(setting) = rules.policy.category(*category) {
                    line["setting"] = serde_json::to_value(setting)?;
                }
                Ok(line)
            })
            .collect::<Result<Vec<Value>, Fault>>()?;
        let lists = locked(&core.lists).clone();
        versioned(&json!({"lists": lists, "categories": categories}))
    })
}

/// One list, as its file says.
pub(super) fn list_line(list: &List<'_>) -> Value {
    let (name, version) = list.id().split_once('@').unwrap_or((list.id(), ""));
    json!({"name": name, "version": version, "rules": list.rules().count()})
}

/// The lists of a table, in the order in which they count; imported ones say what they are.
pub(super) fn list_lines(table: &HostTable) -> Vec<Value> {
    let line = |(name, version, rules): (&str, &str, usize)| json!({"name": name, "version": version, "rules": rules});
    let imported = table.imported().iter().map(|list| {
        let about = list.about();
        let version = about.id.split_once('@').map_or("", |(_, version)| version);
        let mut line = json!({"name": list.name(), "version": version,
            "rules": about.names + about.exceptions, "imported": true, "source": about.source,
            "category": about.category, "default": about.listing});
        if about.below {
            line["below"] = json!(true);
        }
        line
    });
    crate::service::lists(table).into_iter().map(line).chain(imported).collect()
}
