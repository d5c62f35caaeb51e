//! Which hosts are known, whose they are and what is done about them by default.
//!
//! This module never decides a flow: it says what the lists say, and [`crate::policy`] decides.
//! It reads no file; lists come in as text, the built-in ones inside the program.

mod adblock;
mod address;
mod compile;
mod foreign;
mod import;
mod imported;
mod kind;
mod layers;
mod list;
mod packed;
mod pattern;
mod table;

pub use foreign::Refusal;
pub use import::{Choice, Compiled, ImportError, Importer, Report, Sample, Seen};
pub(crate) use imported::HEAD;
pub use imported::{About, Imported, ImportedError};
pub use kind::Kind;
pub use layers::HostTable;
pub use list::{
    COLUMNS, Category, List, ListError, Listing, Region, Rule, SHARED, host_of, parse_list,
};
pub(crate) use list::{HOST, is_pattern};
pub use table::{RuleId, TableError};

#[cfg(test)]
mod tests {
    use super::*;

    /// What `docs/signatures.md` and the page on formats promise, host by host.
    #[test]
    fn the_built_in_lists_say_what_the_design_says() {
        let table = HostTable::builtin();
        for (host, expected) in [
            ("sa.api.intl.miui.com", Some(Listing::Block)),
            ("tracking.intl.miui.com", Some(Listing::Block)),
            ("new.tracking.rus.miui.com", Some(Listing::Block)),
            ("data.mistat.xiaomi.com", Some(Listing::Block)),
            ("ulogs.umeng.com", Some(Listing::Block)),
            ("h-adashx.ut.taobao.com", Some(Listing::Block)),
            ("tenant.datasink.sensorsdata.cn", Some(Listing::Block)),
            ("fineboost-loghub.ap-southeast-1.log.aliyuncs.com", Some(Listing::Block)),
            ("other.cn-hangzhou.log.aliyuncs.com", Some(Listing::Record)),
            ("apilocate.amap.com", Some(Listing::Record)),
            ("register.xmpush.xiaomi.com", Some(Listing::Allow)),
            ("resolver.msg.global.xiaomi.net", Some(Listing::Allow)),
            ("api.sec.miui.com", Some(Listing::Allow)),
            ("msg.umengcloud.com", Some(Listing::Allow)),
            ("ruac.account.xiaomi.com", Some(Listing::Never)),
            ("new.account.xiaomi.com", Some(Listing::Never)),
            ("update.intl.miui.com", Some(Listing::Never)),
            ("bigota.d.miui.com", Some(Listing::Never)),
            ("global.market.xiaomi.com", Some(Listing::Never)),
            ("us.find.api.micloud.xiaomi.net", Some(Listing::Never)),
            ("api.micloud.xiaomi.net", Some(Listing::Never)),
            ("api.io.mi.com", Some(Listing::Never)),
            ("app.chat.xiaomi.net", Some(Listing::Never)),
            ("connect.rom.miui.com", Some(Listing::Never)),
            ("connect.intl.rom.miui.com", Some(Listing::Never)),
            ("api.device.xiaomi.net", Some(Listing::Never)),
            ("www.xiaomi.com", None),
            ("miui.com", None),
            ("oss-cn-hangzhou.aliyuncs.com", None),
            ("example.org", None),
        ] {
            let listing = table.lookup(host).map(|id| table.rule(id).listing);
            assert_eq!(listing, expected, "{host}");
        }
    }

    #[test]
    fn every_built_in_rule_is_complete_and_found_by_its_own_host() {
        let table = HostTable::builtin();
        assert!(table.len() > 150, "{}", table.len());
        for rule in table.rules() {
            let host = rule.pattern.trim_start_matches('.');
            let first = rule.pattern.split('/').next().and_then(|text| text.parse().ok());
            let found = first.map_or_else(|| table.lookup(host), |a| table.lookup_address(a));
            let found = found.map(|id| table.rule(id).pattern.trim_start_matches('.'));
            assert_eq!(found, Some(host));
            for text in [rule.owner, rule.source, rule.licence, rule.list] {
                assert_ne!(text, "", "{}", rule.pattern);
            }
            let effect = !rule.side_effect.is_empty() || rule.listing == Listing::Block;
            assert!(effect, "{} is spared without a reason", rule.pattern);
            let never = rule.listing == Listing::Never;
            assert_eq!(rule.list.starts_with("never-block@"), never, "{}", rule.pattern);
        }
    }

    #[test]
    fn a_host_whose_name_tells_a_region_is_of_that_region() {
        let table = HostTable::builtin();
        for rule in table.rules() {
            let told = rule.pattern.split('.').find_map(|label| match label {
                "india" => Some(Region::India),
                "rus" => Some(Region::Russia),
                "intl" | "global" => Some(Region::World),
                _ => None,
            });
            assert!(told.is_none() || rule.region == told, "{} {told:?}", rule.pattern);
        }
        for (host, region) in [
            ("tracking.miui.com", Some(Region::China)),
            ("data.mistat.xiaomi.com", Some(Region::China)),
            ("data.mistat.india.xiaomi.com", Some(Region::India)),
            ("new.tracking.rus.miui.com", Some(Region::Russia)),
            ("sa.api.intl.miui.com", Some(Region::World)),
            ("stat.xiaomi.com", None),
        ] {
            assert_eq!(table.rule(table.lookup(host).unwrap()).region, region, "{host}");
        }
    }

    #[test]
    fn the_built_in_lists_know_resolvers_by_name_and_address() {
        let table = HostTable::builtin();
        for host in ["dns.google", "abc123.dns.nextdns.io", "mozilla.cloudflare-dns.com"] {
            let rule = table.lookup(host).map(|id| table.rule(id));
            let found = rule.map(|r| (r.category, r.listing));
            assert_eq!(found, Some((Category::ResolverBypass, Listing::Allow)), "{host}");
        }
        for addr in ["8.8.4.4", "203.107.1.65", "45.90.28.77", "119.29.29.98", "2620:fe::fe"] {
            let id = table.lookup_address(addr.parse().unwrap());
            let category = id.map(|id| table.rule(id).category);
            assert_eq!(category, Some(Category::ResolverBypass), "{addr}");
        }
        assert_eq!(table.lookup_address("192.0.2.1".parse().unwrap()), None);
    }

    /// Names of `tests/data/hosts-2026-11.txt` with the word that says what is known of them.
    fn hosts_of_today() -> impl Iterator<Item = (&'static str, &'static str)> {
        let text = include_str!("../../tests/data/hosts-2026-11.txt");
        text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split_once(' ').unwrap())
    }

    #[test]
    fn hosts_of_today_are_known_and_what_breaks_is_not_blocked_silently() {
        let table = HostTable::builtin();
        for (known, host) in hosts_of_today() {
            let id = table.lookup(host).unwrap_or_else(|| panic!("{host} is not known"));
            let rule = table.rule(id);
            let good = match known {
                "missing" | "sdk" => rule.listing != Listing::Never,
                "push" => rule.listing == Listing::Allow && rule.category == Category::Push,
                "breaks" => rule.listing != Listing::Block && rule.side_effect.len() > 10,
                _ => panic!("{known}"),
            };
            assert!(good, "{known} {host}: {rule:?}");
        }
        for (host, listing) in [
            ("data.sec.miui.com", Listing::Record),
            ("errnewlog.umeng.com", Listing::Record),
            ("pubsub.googleapis.com", Listing::Record),
            ("tenant-default-cn.rum.aliyuncs.com", Listing::Record),
            ("arms-retcode.aliyuncs.com", Listing::Block),
            ("sdkconfig.ad.rus.xiaomi.com", Listing::Block),
            ("mcs.volceapplog.com", Listing::Block),
        ] {
            assert_eq!(table.rule(table.lookup(host).unwrap()).listing, listing, "{host}");
        }
    }

    #[test]
    fn names_beside_a_known_one_follow_it_and_neighbours_of_another_kind_do_not() {
        let table = HostTable::builtin();
        for (host, expected) in [
            ("v6-adashx.ut.taobao.com", Some(Listing::Block)),
            ("dualstack-adashx.ut.amap.com", Some(Listing::Block)),
            ("s12.cnzz.com", Some(Listing::Block)),
            ("logserver.insight.ucweb.com", Some(Listing::Block)),
            ("ru.o2o.api.xiaomi.com", Some(Listing::Block)),
            ("api.ad.rus.xiaomi.com", Some(Listing::Block)),
            ("abtest.mistat.rus.xiaomi.com", Some(Listing::Block)),
            ("ulogs.umeng.com.gds.alibabadns.com", Some(Listing::Block)),
            ("errlog.umeng.com.gds.alibabadns.com", Some(Listing::Record)),
            ("umengacs.m.taobao.com.gds.alibabadns.com", Some(Listing::Allow)),
            ("errnewlog2.umeng.com", Some(Listing::Record)),
            ("www.umeng.com", Some(Listing::Record)),
            ("s-adashx.ut.alibaba.com", Some(Listing::Block)),
            ("www.alibaba.com", None),
            ("acs.m.taobao.com", None),
            ("restapi.amap.com", None),
            ("www.taobao.com.gds.alibabadns.com", None),
            ("bucket.oss-cn-hangzhou.aliyuncs.com.gds.alibabadns.com", None),
            ("storage.googleapis.com", None),
            ("api.browser.miui.com", None),
            ("www.quark.cn", None),
        ] {
            let listing = table.lookup(host).map(|id| table.rule(id).listing);
            assert_eq!(listing, expected, "{host}");
        }
    }

    #[test]
    fn no_built_in_row_names_a_list_under_a_licence_that_binds() {
        for rule in HostTable::builtin().rules() {
            let source = rule.source.to_ascii_lowercase();
            // An issue there is a fact, and has a number; a page is its operator's own.
            let sources = source.split("; ").filter(|s| !s.contains('#') && !s.contains("://"));
            for source in sources {
                for list in ["hagezi", "adguard", "awavenue", "mullvad"] {
                    assert!(!source.contains(list), "{}: {source}", rule.pattern);
                }
            }
        }
    }

    #[test]
    fn the_licences_that_the_rows_name_are_those_of_the_notice() {
        let notice = include_str!("../../../NOTICE");
        for rule in HostTable::builtin().rules() {
            for licence in rule.licence.split(" AND ") {
                assert!(licence == "fact" || notice.contains(licence), "{licence}");
            }
            let adaway = rule.source.contains("AdAway");
            assert_eq!(adaway, rule.licence.contains("CC-BY-3.0"), "{}", rule.pattern);
            for (name, _) in rule.source.split("; ").filter_map(|s| s.split_once("@20")) {
                assert!(notice.contains(name), "{name} of {}", rule.pattern);
            }
        }
    }
}
