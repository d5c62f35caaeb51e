//! Finding a host among 500 000, and among the built-in rules. A `HashSet<String>` that is asked for
//! each suffix is the yardstick. Never a test: nothing here fails because a machine is busy.

// A bench that cannot begin stops.
#![allow(clippy::expect_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use muzzle::servers::Servers;
use muzzle::signatures::{Category, Choice, HostTable, Imported, Importer, Listing, Rule};
use std::collections::HashSet;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

const NAMES: u64 = 500_000;
const WORDS: [&str; 16] = [
    "tracking",
    "api",
    "log",
    "stat",
    "metrics",
    "ads",
    "cdn",
    "collect",
    "data",
    "events",
    "edge",
    "sdk",
    "push",
    "config",
    "beacon",
    "telemetry",
];
const ENDS: [&str; 8] = ["com", "net", "cn", "io", "co.uk", "com.cn", "org", "app"];

/// The same names in every run (SplitMix64).
fn name(number: u64) -> String {
    let mut x = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    let word = WORDS[(x & 15) as usize];
    let end = ENDS[(x >> 4 & 7) as usize];
    format!("{word}.{:x}.{end}", x >> 28)
}

fn listed(set: &HashSet<String>, host: &str) -> bool {
    let above = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
    std::iter::once(host).chain(above).any(|name| set.contains(name))
}

/// Measures one kind of question, each time about another name so that caches do not help.
fn ask(c: &mut Criterion, what: &str, hosts: &[String], mut answer: impl FnMut(&str) -> bool) {
    let mut hosts = hosts.iter().cycle();
    c.bench_function(what, |b| {
        b.iter(|| answer(black_box(hosts.next().map_or("", String::as_str))));
    });
}

fn lookup(c: &mut Criterion) {
    let patterns: Vec<_> = (0..NAMES).map(|n| format!(".{}", name(n))).collect();
    let rules = patterns.iter().map(|pattern| Rule {
        pattern,
        owner: "Nobody",
        category: Category::Other,
        listing: Listing::Block,
        side_effect: "",
        protocol: None,
        region: None,
        source: "made up",
        licence: "fact",
        list: "synthetic@1",
    });
    let table = HostTable::from_rules(rules).expect("these names fit");
    let imported = HostTable::builtin().clone().with_imported(vec![imported(&patterns)]);
    let set: HashSet<_> = (0..NAMES).map(name).collect();

    // In an order that is not that of the table. 4096 hosts are more than a phone asks for in a
    // week; among 100 000 each question finds cold memory.
    let mixed = |n: u64| n.wrapping_mul(0x5851_f42d) % NAMES;
    let hosts = |count: u64, make: &dyn Fn(u64) -> String| (0..count).map(make).collect::<Vec<_>>();
    let kinds = [
        ("hit", hosts(4096, &|n| name(mixed(n)))),
        ("hit two labels down", hosts(4096, &|n| format!("a1.eu.{}", name(mixed(n))))),
        ("miss", hosts(4096, &|n| name(NAMES + n))),
        ("deep miss", hosts(4096, &|n| format!("a.b.c.d.e.f.{}", name(NAMES + n)))),
        ("cold hit", hosts(100_000, &|n| name(mixed(n)))),
        ("cold miss", hosts(100_000, &|n| name(NAMES + n))),
    ];
    for (kind, hosts) in &kinds {
        let expected = kind.contains("hit");
        assert!(hosts.iter().all(|h| table.lookup(h).is_some() == expected));
        assert!(hosts.iter().all(|h| listed(&set, h) == expected));
        ask(c, &format!("500k/table/{kind}"), hosts, |host| table.lookup(host).is_some());
        assert!(hosts.iter().all(|h| imported.lookup(h).is_some() == expected));
        ask(c, &format!("500k/imported/{kind}"), hosts, |host| imported.lookup(host).is_some());
        ask(c, &format!("500k/set/{kind}"), hosts, |host| listed(&set, host));
    }
}

/// A list of others with these names.
fn imported(patterns: &[String]) -> Arc<Imported> {
    let mut importer = Importer::new(HostTable::builtin(), false);
    patterns.iter().for_each(|pattern| importer.line(pattern.as_bytes()));
    let choice = Choice {
        name: "synthetic".to_owned(),
        source: "made up".to_owned(),
        category: Category::Other,
        listing: Listing::Block,
        below: false,
    };
    let (compiled, _) = importer.finish(&choice).expect("these names fit");
    Arc::new(Imported::open(compiled.to_bytes()).expect("what was just made"))
}

/// The lists that are compiled in.
fn built_in(c: &mut Criterion) {
    let table = HostTable::builtin();
    let listed: Vec<_> = table
        .rules()
        .map(|rule| format!("a{}", rule.pattern))
        .filter(|h| table.lookup(h).is_some())
        .collect();
    let others: Vec<_> = (0..4096).map(name).collect();
    assert!(others.iter().all(|host| table.lookup(host).is_none()));
    ask(c, "built-in/hit", &listed, |host| table.lookup(host).is_some());
    ask(c, "built-in/miss", &others, |host| table.lookup(host).is_some());
}

/// Who runs an address: among all IPv4 addresses, and among IPv6 addresses that are announced.
fn servers(c: &mut Criterion) {
    let servers = Servers::builtin();
    let mut dice = 7_u64;
    let mut roll = || {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        dice
    };
    let v4: Vec<IpAddr> = (0..4096).map(|_| ((roll() >> 32) as u32).to_be_bytes().into()).collect();
    let v6: Vec<IpAddr> = (0..4096)
        .map(|_| (0x2400_u128 << 112 | u128::from(roll()) << 52).to_be_bytes().into())
        .collect();
    for (kind, addresses) in [("IPv4", &v4), ("IPv6", &v6)] {
        let known =
            addresses.iter().filter(|addr| servers.lookup(**addr).country.is_some()).count();
        assert!(known > 100, "{known}");
        let mut next = addresses.iter().cycle();
        c.bench_function(&format!("servers/{kind}"), |b| {
            b.iter(|| servers.lookup(*next.next().expect("a cycle")));
        });
    }
}

criterion_group!(benches, lookup, built_in, servers);
criterion_main!(benches);
