//! What counts first, and whether names agree with flows.

use super::*;

const NOW: i64 = 1_795_248_000_000; // 2026-11-21T08:00:00Z

const ROW: Rule<'_> = Rule {
    pattern: "",
    owner: "O",
    category: Category::Other,
    listing: Listing::Block,
    side_effect: "E",
    protocol: None,
    region: None,
    source: "S",
    licence: "fact",
    list: "t@1",
};

fn table() -> HostTable {
    let row = |pattern, category, listing| Rule { pattern, category, listing, ..ROW };
    HostTable::from_rules([
        row("block.example.com", Category::Analytics, Listing::Block),
        row(".record.example.com", Category::LogService, Listing::Record),
        row("allow.example.com", Category::Push, Listing::Allow),
        row(".never.example.com", Category::Account, Listing::Never),
    ])
    .unwrap()
}

fn policy(text: &str) -> Policy {
    Policy::parse(&format!("version = 1\n{text}")).unwrap()
}

const APPS: &str = "
[[app]]
package = \"block\"
uid = 1
[[app]]
package = \"record\"
uid = [2, 102]
setting = \"record\"
[[app]]
package = \"off\"
uid = 3
setting = \"off\"
[[app]]
package = \"capture\"
uid = 4
setting = \"block\"
when_blocked = \"capture\"
";

fn host(host: &str, verdict: &str, more: &str) -> String {
    format!("[[host]]\nhost = \"{host}\"\nverdict = \"{verdict}\"\n{more}\n")
}

/// Verdict, reason and rule, written short.
fn decided(policy: &Policy, uid: Option<u32>, host: &str) -> String {
    let host = Some(host).filter(|h| !h.is_empty());
    let Decision { verdict, reason } = policy.decide(&table(), NOW, uid, host);
    let listed = matches!(
        reason.code,
        ReasonCode::ListedHost | ReasonCode::AppRecord | ReasonCode::NeverBlock
    );
    assert_eq!(reason.list.as_deref(), listed.then_some("t@1"));
    format!("{verdict} {} {}", reason.code, reason.rule.unwrap_or_default()).trim_end().to_owned()
}

#[test]
fn each_step_beats_those_below_it() {
    let paused = "paused_until = 2026-11-21T08:00:01Z";
    let block = "block.example.com";
    let own = host(block, "record", "app = \"block\"");
    let all = host(block, "capture", "");
    let never = host(".never.example.com", "block", "");
    let cases: &[(&str, Option<u32>, &str, &str)] = &[
        // The list.
        (APPS, Some(1), block, "block listed-host block.example.com"),
        (APPS, None, block, "block listed-host block.example.com"),
        (APPS, Some(99), block, "block listed-host block.example.com"),
        (APPS, Some(4), block, "capture listed-host block.example.com"),
        (APPS, Some(1), "x.record.example.com", "record listed-host .record.example.com"),
        (APPS, Some(4), "x.record.example.com", "record listed-host .record.example.com"),
        (APPS, Some(1), "allow.example.com", "allow listed-host allow.example.com"),
        (APPS, Some(1), "never.example.com", "allow never-block .never.example.com"),
        (APPS, Some(1), "example.com", "allow unknown-allow"),
        (APPS, Some(1), "", "allow unknown-allow"),
        // The app.
        (APPS, Some(2), block, "record app-record block.example.com"),
        (APPS, Some(102), block, "record app-record block.example.com"),
        (APPS, Some(2), "record.example.com", "record app-record .record.example.com"),
        (APPS, Some(2), "allow.example.com", "allow listed-host allow.example.com"),
        (APPS, Some(2), "never.example.com", "allow never-block .never.example.com"),
        (APPS, Some(2), "example.com", "allow unknown-allow"),
        (APPS, Some(3), block, "allow app-off"),
        (APPS, Some(3), "", "allow app-off"),
        (APPS, Some(3), "never.example.com", "allow app-off"),
        // The file's own settings.
        ("default = \"off\"", None, block, "allow app-off"),
        ("default = \"record\"", Some(9), block, "record app-record block.example.com"),
        ("when_blocked = \"capture\"", None, block, "capture listed-host block.example.com"),
        (
            "[categories]\npush = \"block\"",
            None,
            "allow.example.com",
            "block listed-host allow.example.com",
        ),
        ("[categories]\nanalytics = \"allow\"", None, block, "allow listed-host block.example.com"),
        (
            "[categories]\naccount = \"block\"",
            None,
            "never.example.com",
            "allow never-block .never.example.com",
        ),
        // Pause.
        (paused, None, block, "allow paused"),
        (paused, None, "", "allow paused"),
        (paused, None, "never.example.com", "allow paused"),
        (&format!("{paused}\n{APPS}"), Some(3), block, "allow app-off"),
        (&format!("{paused}\n{all}"), None, block, "allow paused"),
        // Overrides.
        (&never, None, "x.never.example.com", "block host-override .never.example.com"),
        (&format!("{APPS}{all}"), Some(3), block, "allow app-off"),
        (&format!("{APPS}{all}{own}"), Some(1), block, "record host-override block.example.com"),
        (&format!("{APPS}{all}{own}"), Some(2), block, "capture host-override block.example.com"),
        (&format!("{APPS}{own}"), None, block, "block listed-host block.example.com"),
        (
            &host("new.example.com", "block", ""),
            None,
            "new.example.com",
            "block host-override new.example.com",
        ),
        (&host("new.example.com", "block", ""), None, "a.new.example.com", "allow unknown-allow"),
    ];
    for (text, uid, host, expected) in cases {
        assert_eq!(decided(&policy(text), *uid, host), *expected, "{uid:?} {host} under {text}");
    }
}

#[test]
fn among_overrides_the_app_counts_first_and_then_the_longer_host() {
    let text = [
        APPS,
        &host(".example.com", "record", "app = \"block\""),
        &host(".a.example.com", "capture", ""),
        &host("a.example.com", "block", ""),
        &host(".example.com", "allow", ""),
    ]
    .concat();
    let policy = policy(&text);
    for (uid, host, expected) in [
        (Some(1), "a.example.com", "record host-override .example.com"),
        (None, "a.example.com", "block host-override a.example.com"),
        (None, "b.a.example.com", "capture host-override .a.example.com"),
        (None, "example.com", "allow host-override .example.com"),
        (None, "notexample.com", "allow unknown-allow"),
    ] {
        assert_eq!(decided(&policy, uid, host), expected, "{uid:?} {host}");
    }
}

/// Verdict, reason and rule for a flow to an address, written short.
fn reached(policy: &Policy, uid: Option<u32>, host: Option<&str>, to: &str) -> String {
    let to: std::net::SocketAddr = to.parse().unwrap();
    let target = Target { host, addr: Some(to.ip()), port: to.port() };
    let Decision { verdict, reason } = policy.decide(&addresses(), NOW, uid, target);
    format!("{verdict} {} {}", reason.code, reason.rule.unwrap_or_default()).trim_end().to_owned()
}

fn addresses() -> HostTable {
    let row = |pattern, category, listing| Rule { pattern, category, listing, ..ROW };
    HostTable::from_rules([
        row("doh.example.com", Category::ResolverBypass, Listing::Allow),
        row("block.example.com", Category::Analytics, Listing::Block),
        row("never.example.com", Category::Account, Listing::Never),
        row("192.0.2.8", Category::ResolverBypass, Listing::Allow),
        row("192.0.2.0/24", Category::Analytics, Listing::Block),
        row("198.51.100.0/24", Category::Account, Listing::Never),
        row("2001:db8::/32", Category::LogService, Listing::Record),
    ])
    .unwrap()
}

#[test]
fn a_rule_about_the_address_counts_where_none_is_about_the_name() {
    let policy = policy(APPS);
    for (host, to, expected) in [
        (None, "192.0.2.1:443", "block listed-address 192.0.2.0/24"),
        (Some("www.example.org"), "192.0.2.1:443", "block listed-address 192.0.2.0/24"),
        (Some("never.example.com"), "192.0.2.1:443", "allow never-block never.example.com"),
        (Some("block.example.com"), "203.0.113.1:443", "block listed-host block.example.com"),
        (Some("block.example.com"), "198.51.100.1:443", "allow never-block 198.51.100.0/24"),
        (None, "[2001:db8::1]:443", "record listed-address 2001:db8::/32"),
        (None, "203.0.113.1:443", "allow unknown-allow"),
    ] {
        assert_eq!(reached(&policy, Some(1), host, to), expected, "{host:?} {to}");
    }
    let record = "record app-record 192.0.2.0/24";
    assert_eq!(reached(&policy, Some(2), None, "192.0.2.1:443"), record);
    assert_eq!(reached(&policy, Some(3), None, "192.0.2.1:443"), "allow app-off");
}

#[test]
fn ways_past_the_resolver_are_refused_to_those_whom_the_policy_says() {
    let doh = "block resolver-bypass doh.example.com";
    let by_address = "block resolver-bypass 192.0.2.8";
    let by_port = "block resolver-bypass";
    let none = "allow listed-host doh.example.com";
    // The setting, then for an app on block, one on record, one that is off, and an unknown one.
    for (setting, expected) in [
        ("off", [none, none, "allow app-off", none]),
        ("listed-apps", [doh, none, "allow app-off", none]),
        ("all", [doh, doh, "allow app-off", doh]),
    ] {
        let policy = policy(&format!("refuse_bypass = \"{setting}\"\n{APPS}"));
        let got = [Some(1), Some(2), Some(3), None]
            .map(|uid| reached(&policy, uid, Some("doh.example.com"), "203.0.113.1:443"));
        assert_eq!(got, expected, "{setting}");
        assert_eq!(policy.refuses_bypass(NOW), setting != "off", "{setting}");
    }
    let policy = policy(APPS);
    for (host, to, expected) in [
        (None, "192.0.2.8:443", by_address),
        (Some("front.example.org"), "192.0.2.8:443", by_address),
        (None, "203.0.113.1:853", by_port),
        (Some("www.example.org"), "203.0.113.1:853", by_port),
        (Some("block.example.com"), "203.0.113.1:853", "block resolver-bypass block.example.com"),
        (Some("never.example.com"), "192.0.2.8:853", "allow never-block never.example.com"),
        (None, "198.51.100.1:853", "allow never-block 198.51.100.0/24"),
    ] {
        assert_eq!(reached(&policy, Some(1), host, to), expected, "{host:?} {to}");
    }
    // An app that captures is refused like the others: nobody here could answer.
    assert_eq!(reached(&policy, Some(4), None, "192.0.2.8:443"), by_address);
}

#[test]
fn the_owner_and_a_pause_outweigh_the_refusal_of_ways_past_the_resolver() {
    let to = "192.0.2.8:853";
    let doh = Some("doh.example.com");
    for (text, host, expected) in [
        (host("doh.example.com", "allow", ""), doh, "allow host-override doh.example.com"),
        (host("192.0.2.8", "allow", ""), None, "allow host-override 192.0.2.8"),
        (host("192.0.2.8", "record", "app = \"block\""), None, "record host-override 192.0.2.8"),
        ("paused_until = 2026-11-21T08:00:01Z\n".to_owned(), None, "allow paused"),
    ] {
        let text = if text.starts_with("paused") {
            format!("{text}{APPS}")
        } else {
            format!("{APPS}{text}")
        };
        let policy = policy(&text);
        assert_eq!(reached(&policy, Some(1), host, to), expected);
        assert_eq!(policy.refuses_bypass(NOW), !text.starts_with("paused"));
    }
}

#[test]
fn an_address_is_known_from_a_list_or_from_the_owner() {
    let (policy, table) = (policy(&host("203.0.113.7", "block", "")), addresses());
    for (addr, known) in [("203.0.113.7", true), ("192.0.2.77", true), ("203.0.113.8", false)] {
        assert_eq!(policy.knows_address(&table, addr.parse().unwrap()), known, "{addr}");
    }
    let expected = "block host-override 203.0.113.7";
    assert_eq!(reached(&policy, None, None, "203.0.113.7:80"), expected);
}

#[test]
fn an_override_ends_with_the_millisecond_that_it_names() {
    let text = [
        host("block.example.com", "allow", "until = 2026-11-21T08:00:00Z"),
        host("block.example.com", "record", ""),
    ]
    .concat();
    let (policy, table) = (policy(&text), table());
    let at = |now| policy.decide(&table, now, None, Some("block.example.com")).verdict;
    assert_eq!([at(NOW - 1), at(NOW)], [Verdict::Allow, Verdict::Record]);
}

#[test]
fn a_pause_ends_with_the_millisecond_that_it_names() {
    let (policy, table) = (policy("paused_until = 2026-11-21T08:00:00Z"), table());
    let at = |now| policy.decide(&table, now, None, Some("block.example.com")).reason.code;
    assert_eq!([at(NOW - 1), at(NOW)], [ReasonCode::Paused, ReasonCode::ListedHost]);
}

/// Policies that differ in everything that bears on a verdict.
fn many() -> Vec<Policy> {
    let mut policies = Vec::new();
    for default in ["block", "record", "off"] {
        for head in ["", "when_blocked = \"capture\"", "paused_until = 2026-11-22T08:00:00Z"] {
            for apps in ["", APPS] {
                for over in [
                    String::new(),
                    host(".example.com", "allow", ""),
                    host(".never.example.com", "block", "app = \"off\""),
                    host("example.com", "capture", "app = \"nobody\""),
                    host("block.example.com", "allow", "app = \"block\""),
                    host("block.example.com", "block", ""),
                    host(".example.com", "block", "until = 2026-11-21T07:59:59Z"),
                ] {
                    for at in ["connection", "name"] {
                        let lead = format!("default = \"{default}\"\nblock_at = \"{at}\"\n{head}");
                        policies.push(policy(&format!("{lead}\n{apps}{over}")));
                    }
                }
            }
        }
    }
    policies
}

const HOSTS: [&str; 6] = [
    "block.example.com",
    "a.record.example.com",
    "allow.example.com",
    "never.example.com",
    "example.com",
    "example.org",
];

/// An id of every app, of none, and of no known one.
const UIDS: [Option<u32>; 7] = [None, Some(1), Some(2), Some(102), Some(3), Some(4), Some(99)];

#[test]
fn a_name_concerns_us_exactly_if_some_app_gets_other_than_allow() {
    let (table, mut concerned) = (table(), 0);
    for policy in many() {
        for host in HOSTS {
            let expected = UIDS
                .iter()
                .any(|&uid| policy.decide(&table, NOW, uid, Some(host)).verdict != Verdict::Allow);
            assert_eq!(policy.concerns(&table, NOW, host), expected, "{host} {policy:?}");
            concerned += usize::from(expected);
        }
    }
    assert!(concerned > 100, "{concerned}");
}

#[test]
fn a_name_is_refused_exactly_if_every_app_is_blocked_and_names_are_where_to_block() {
    let (table, mut refused) = (table(), 0);
    for policy in many() {
        for host in HOSTS {
            let decide = |uid| policy.decide(&table, NOW, uid, Some(host));
            let all = UIDS.iter().all(|&uid| decide(uid).verdict == Verdict::Block);
            let expected = (policy.block_at == BlockAt::Name && all).then(|| decide(None).reason);
            assert_eq!(policy.refuses_name(&table, NOW, host), expected, "{host} {policy:?}");
            refused += usize::from(all && policy.block_at == BlockAt::Name);
        }
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn apps_that_are_off_and_outside_do_not_keep_a_name_alive() {
    let off = "[[app]]\npackage = \"off\"\nuid = 3\nsetting = \"off\"\n";
    let record = "[[app]]\npackage = \"record\"\nuid = 2\nsetting = \"record\"\n";
    let block = "[[app]]\npackage = \"block\"\nuid = 1\nsetting = \"block\"\n";
    let at_name = "block_at = \"name\"\n";
    let name = "block.example.com";
    for (text, here, outside) in [
        (String::new(), true, true),
        (off.to_owned(), false, true),
        (format!("{off}{record}"), false, false),
        (format!("{off}{block}"), false, true),
        (format!("default = \"off\"\n{block}"), false, true),
        ("default = \"off\"\n".to_owned(), false, false),
    ] {
        let refuses = |policy: &Policy| policy.refuses_name(&table(), NOW, name).map(|r| r.code);
        let policy = policy(&format!("{at_name}{text}"));
        let listed = |yes: bool| yes.then_some(ReasonCode::ListedHost);
        assert_eq!(refuses(&policy), listed(here), "{text}");
        assert_eq!(refuses(&policy.without_off_apps()), listed(outside), "{text}");
    }
}

#[test]
fn a_list_that_is_off_says_nothing_and_one_that_nobody_knows_is_told_of() {
    for (text, expected) in [
        ("[lists]\nt = \"off\"", "allow unknown-allow"),
        ("[lists]\nt = \"on\"", "block listed-host block.example.com"),
        ("[lists]\nother = \"off\"", "block listed-host block.example.com"),
    ] {
        let policy = policy(text);
        assert_eq!(decided(&policy, None, "block.example.com"), expected, "{text}");
        assert_eq!(
            policy.concerns(&table(), NOW, "block.example.com"),
            !expected.contains("unknown")
        );
        let unknown = Warning::UnknownList { list: "other".to_owned() };
        let expected = if text.contains("other") { vec![unknown] } else { vec![] };
        assert_eq!(policy.warnings(&table()), expected);
    }
    let off = policy("[lists]\nt = \"off\"");
    assert_eq!(decided(&off, None, "a.never.example.com"), "allow never-block .never.example.com");
}

#[test]
fn a_rule_against_what_the_phone_needs_is_obeyed_with_a_warning() {
    let text = [
        host("a.never.example.com", "block", ""),
        host(".example.com", "record", "app = \"nobody\""),
        host("never.example.com", "allow", ""),
        host("example.com", "block", ""),
    ]
    .concat();
    let touched = |host: &str| Warning::NeverBlockHost {
        host: host.to_owned(),
        rule: ".never.example.com".to_owned(),
        side_effect: "E".to_owned(),
    };
    let unknown = Warning::UnknownApp { host: ".example.com".into(), package: "nobody".into() };
    let expected = [unknown, touched(".example.com"), touched("a.never.example.com")];
    assert_eq!(policy(&text).warnings(&table()), expected);
}

#[test]
fn a_host_that_is_too_long_to_be_one_is_unknown() {
    let policy = policy(&host(".example.com", "block", ""));
    let long = format!("{}example.com", "a.".repeat(122));
    assert_eq!(decided(&policy, None, &long), "allow unknown-allow");
    assert_eq!(decided(&policy, None, &long[2..]), "block host-override .example.com");
}
