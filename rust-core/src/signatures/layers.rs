//! All lists together: the compiled rules, and imported lists above them.
//!
//! This module never decides: it says which rule speaks about a host or an address. Lists that the
//! owner switched off are passed over, so that what others say of the same host counts.

use super::compile::compile;
use super::imported::{Imported, SEED, Walk};
use super::table::{Hit, RuleTable, each_suffix};
use super::{Rule, RuleId, TableError};
use crate::limits;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The bits of a rule's number within its layer; those above say which layer.
const NUMBER: u32 = 28;

/// Which hosts and addresses are known. Immutable; swapped whole.
#[derive(Clone, Debug)]
pub struct HostTable {
    rules: RuleTable,
    imported: Vec<Arc<Imported>>,
}

impl HostTable {
    /// The lists of `signatures/`, as the build script compiled them.
    pub fn builtin() -> &'static Self {
        static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hosts.bin"));
        static TABLE: HostTable =
            HostTable { rules: RuleTable::open(Cow::Borrowed(BYTES)), imported: Vec::new() };
        &TABLE
    }

    /// A table of any rules, their patterns as [`super::parse_list`] gives them. Of two rules with
    /// one pattern the later counts, unless only the earlier is [`super::Listing::Never`].
    pub fn from_rules<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Result<Self, TableError> {
        let rules = RuleTable::open(Cow::Owned(compile(rules)?));
        Ok(Self { rules, imported: Vec::new() })
    }

    /// The same rules with these lists above them, [`limits::LISTS`] at most.
    #[must_use]
    pub fn with_imported(self, mut lists: Vec<Arc<Imported>>) -> Self {
        lists.truncate(limits::LISTS);
        Self { imported: lists, ..self }
    }

    /// The rule that speaks about a host: lower case, without a trailing dot.
    ///
    /// A rule that is never blocked beats the others; then an exact one beats a suffix, and a
    /// longer suffix a shorter one; then the later list counts. Allocates nothing.
    pub fn lookup(&self, host: &str) -> Option<RuleId> {
        self.lookup_without(host, &[])
    }

    /// The same where lists of these names are switched off.
    pub fn lookup_without(&self, host: &str, off: &[String]) -> Option<RuleId> {
        let name = host.as_bytes();
        if self.imported.is_empty() {
            return self.rules.find(name, off).map(|hit| RuleId(hit.rule));
        }
        let mut walks = [Walk::default(); limits::LISTS];
        let own = self.walk(name, off, &mut walks);
        if let Some(hit) = own.filter(|hit| hit.never) {
            return Some(RuleId(hit.rule));
        }
        let mut best = own.map(|hit| (hit.exact, hit.length, hit.rule));
        for (layer, (list, walk)) in (1..).zip(self.imported.iter().zip(&walks)) {
            let Some(found) = list.found(walk, host) else { continue };
            if off.iter().any(|name| name == list.name()) {
                continue;
            }
            let rank = (found.exact, usize::from(found.length));
            if best.is_none_or(|(exact, length, _)| rank >= (exact, length)) {
                best = Some((rank.0, rank.1, layer << NUMBER | found.entry));
            }
        }
        best.map(|(_, _, rule)| RuleId(rule))
    }

    /// Goes over a host's suffixes, once for the rules and the lists where one hash serves both.
    #[inline]
    fn walk(&self, name: &[u8], off: &[String], walks: &mut [Walk]) -> Option<Hit> {
        let mut own = None;
        let shared = self.rules.seed() == SEED;
        each_suffix(SEED, name, |hash, suffix, whole| {
            if shared {
                self.rules.probe(hash, (suffix, whole), off, &mut own);
            }
            for (list, walk) in self.imported.iter().zip(&mut *walks) {
                list.probe(hash, suffix, whole, walk);
            }
        });
        if !shared {
            own = self.rules.find(name, off);
        }
        own
    }

    /// The rule that speaks about an address. Imported lists have none.
    ///
    /// A rule that is never blocked beats the others; then a longer prefix a shorter one.
    pub fn lookup_address(&self, addr: IpAddr) -> Option<RuleId> {
        self.lookup_address_without(addr, &[])
    }

    /// The same where lists of these names are switched off.
    pub fn lookup_address_without(&self, addr: IpAddr, off: &[String]) -> Option<RuleId> {
        self.rules.find_address(addr, off).map(RuleId)
    }

    /// The rule of an id that a look-up gave. An id of another table may give an empty rule that
    /// allows.
    pub fn rule(&self, id: RuleId) -> Rule<'_> {
        let (layer, number) = ((id.0 >> NUMBER) as usize, id.0 & ((1 << NUMBER) - 1));
        let imported = layer.checked_sub(1).and_then(|layer| self.imported.get(layer));
        imported.and_then(|list| list.rule(number)).unwrap_or_else(|| self.rules.rule(id.0))
    }

    /// Every compiled rule, those that are never blocked first.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        (0..self.rules.len()).map(|number| self.rules.rule(number))
    }

    /// The imported lists.
    pub fn imported(&self) -> &[Arc<Imported>] {
        &self.imported
    }

    /// Every list with its version, `xiaomi@3`, and how many rules it has.
    pub fn lists(&self) -> BTreeMap<&str, usize> {
        let mut lists = BTreeMap::new();
        for rule in self.rules() {
            *lists.entry(rule.list).or_default() += 1;
        }
        let names = |list: &Imported| (list.about().names + list.about().exceptions) as usize;
        lists.extend(self.imported.iter().map(|list| (&*list.about().id, names(list))));
        lists
    }

    /// How many compiled rules there are.
    pub fn len(&self) -> usize {
        self.rules.len() as usize
    }

    /// Whether no rule was compiled.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Category, Choice, Importer, Listing};
    use super::*;

    fn rule(pattern: &'static str, listing: Listing, list: &'static str) -> Rule<'static> {
        Rule {
            pattern,
            owner: "O",
            category: Category::Analytics,
            listing,
            side_effect: "",
            protocol: None,
            region: None,
            source: "S",
            licence: "fact",
            list,
        }
    }

    fn imported(name: &str, text: &str) -> Arc<Imported> {
        let mut importer = Importer::new(HostTable::builtin(), false);
        text.lines().for_each(|line| importer.line(line.as_bytes()));
        let choice = Choice {
            name: name.to_owned(),
            source: "s".to_owned(),
            category: Category::Ads,
            listing: Listing::Block,
            below: false,
        };
        Arc::new(Imported::open(importer.finish(&choice).unwrap().0.to_bytes()).unwrap())
    }

    fn table() -> HostTable {
        let rules = [
            rule(".never.example.com", Listing::Never, "never-block@1"),
            rule(".a.example.com", Listing::Record, "one@1"),
            rule("x.a.example.com", Listing::Allow, "one@1"),
            rule("both.example.com", Listing::Block, "one@1"),
            rule("both.example.com", Listing::Record, "two@1"),
            rule("192.0.2.0/24", Listing::Block, "one@1"),
            rule("192.0.2.0/24", Listing::Record, "two@1"),
        ];
        let lists = vec![
            imported("first", "||never.example.com^\n||example.com^\n@@||good.a.example.com^"),
            imported("second", "x.a.example.com\ngood.a.example.com\n||a.example.com^"),
        ];
        HostTable::from_rules(rules).unwrap().with_imported(lists)
    }

    /// The list's name and the pattern.
    fn said(table: &HostTable, host: &str, off: &[&str]) -> Option<String> {
        let off: Vec<_> = off.iter().map(ToString::to_string).collect();
        let id = match host.parse() {
            Ok(addr) => table.lookup_address_without(addr, &off),
            Err(_) => table.lookup_without(host, &off),
        };
        let rule = table.rule(id?);
        Some(format!("{} {}", rule.list.split('@').next().unwrap(), rule.pattern))
    }

    #[test]
    fn the_more_exact_rule_counts_and_then_the_later_list() {
        let table = table();
        for (host, off, expected) in [
            ("b.never.example.com", &[][..], Some("never-block .never.example.com")),
            ("x.a.example.com", &[], Some("second x.a.example.com")),
            ("x.a.example.com", &["second"], Some("one x.a.example.com")),
            ("y.a.example.com", &[], Some("second .a.example.com")),
            ("y.a.example.com", &["second"], Some("one .a.example.com")),
            ("y.a.example.com", &["second", "one"], Some("first .example.com")),
            ("y.a.example.com", &["second", "one", "first"], None),
            ("good.a.example.com", &[], Some("second good.a.example.com")),
            ("good.a.example.com", &["second", "one"], None),
            ("both.example.com", &[], Some("two both.example.com")),
            ("both.example.com", &["two"], Some("one both.example.com")),
            ("both.example.com", &["one", "two"], Some("first .example.com")),
            ("192.0.2.9", &[], Some("two 192.0.2.0/24")),
            ("192.0.2.9", &["two"], Some("one 192.0.2.0/24")),
            ("192.0.2.9", &["two", "one"], None),
            ("www.example.org", &[], None),
        ] {
            assert_eq!(said(&table, host, off).as_deref(), expected, "{host} without {off:?}");
        }
    }

    #[test]
    fn each_list_is_counted() {
        let table = table();
        let sizes: Vec<_> = table.lists().into_iter().map(|(id, size)| (&id[..3], size)).collect();
        assert_eq!(sizes, [("fir", 3), ("nev", 1), ("one", 4), ("sec", 3), ("two", 2)]);
        assert_eq!((table.len(), table.imported().len()), (7, 2));
    }

    #[test]
    fn an_id_that_nothing_gave_is_an_empty_rule() {
        for id in [u32::MAX, 15 << NUMBER, 2 << NUMBER | 0xff_ffff, 1000] {
            let rule = table().rule(RuleId(id)).pattern.to_owned();
            assert_eq!(rule, "", "{id:x}");
        }
    }
}
