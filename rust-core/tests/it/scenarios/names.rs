//! What the virtual resolver says of listed names.

use crate::harness::*;
use muzzle::dns::{self, Response};
use muzzle::engine::Drop;
use muzzle::event::{ReasonCode, Record, Transport, Verdict};
use muzzle::limits;
use muzzle::names::FakePool;
use std::net::IpAddr;

const A: u16 = 1;
const AAAA: u16 = 28;
const TXT: u16 = 16;

fn is_fake(answer: &[u8]) -> bool {
    let response = Response::parse(answer).unwrap();
    let mut found = Vec::new();
    let asked = response.question().unwrap();
    dns::addresses(&response, asked.name.as_str(), &mut |addr, _| found.push(addr));
    found.len() == 1 && FakePool::covers(found[0])
}

fn count(answer: &[u8], section: usize) -> u16 {
    u16::from_be_bytes([answer[4 + 2 * section], answer[5 + 2 * section]])
}

/// No records, and nothing wrong: the name exists.
fn is_blank(answer: &[u8]) -> bool {
    dns::rcode(answer) == Some(0) && count(answer, 1) == 0
}

#[test]
fn a_listed_name_has_one_fake_address_of_each_family_whoever_asks() {
    let mut sim = Sim::new(POLICY);
    let (v4, v6) = (sim.fake(LISTED), sim.fake_v6(LISTED));
    assert!(v4.is_ipv4() && v6.is_ipv6() && FakePool::covers(v4) && FakePool::covers(v6));
    assert_eq!(FakePool::slot(v4), FakePool::slot(v6));
    assert_eq!((sim.fake(LISTED), sim.fake(&LISTED.to_uppercase())), (v4, v4));
    assert_ne!(sim.fake(LISTED_TOO), v4);
    let sub = sim.fake("a.tracking.intl.miui.com");
    assert!(FakePool::covers(sub) && sub != v4);
    assert_eq!(sim.world.asked, []);
    assert_eq!(sim.engine.counters().answered, 6);
    assert_eq!(sim.world.records, [], "a question is no event");
}

#[test]
fn the_answer_repeats_id_and_question_and_lives_shortly() {
    let mut sim = Sim::new(POLICY);
    let asked = query(0xbeef, LISTED, A);
    let answer = sim.ask_raw(&asked).unwrap();
    assert_eq!((dns::id(&answer), &answer[12..asked.len()]), (Some(0xbeef), &asked[12..]));
    let response = Response::parse(&answer).unwrap();
    let ttls: Vec<_> = response.records().flatten().map(|r| r.ttl).collect();
    assert_eq!(ttls, [limits::FAKE_TTL]);
}

#[test]
fn service_bindings_of_a_listed_name_are_blank_and_other_types_are_asked_on() {
    let mut sim = Sim::new(POLICY);
    sim.world.zone(LISTED, Rr::Https(vec![0, 1, 0]));
    for qtype in [64, 65, 255] {
        assert!(is_blank(&sim.ask(LISTED, qtype).unwrap()), "{qtype}");
    }
    assert_eq!(sim.world.asked, []);
    sim.world.zone(LISTED, Rr::Txt(b"v=spf1".to_vec()));
    let answer = sim.ask(LISTED, TXT).unwrap();
    assert!(answer.ends_with(b"\x06v=spf1"));
    assert_eq!(sim.world.asked_for(LISTED), 1);
}

#[test]
fn discovery_of_encrypted_resolvers_is_answered_here() {
    let mut sim = Sim::new(POLICY);
    for name in ["_dns.resolver.arpa", "resolver.arpa"] {
        assert!(is_blank(&sim.ask(name, 64).unwrap()), "{name}");
    }
    assert_eq!(sim.world.asked, []);
    sim.ask("xresolver.arpa", A).unwrap();
    assert_eq!(sim.world.asked.len(), 1);
}

#[test]
fn with_block_at_name_the_name_itself_is_refused_for_a_short_time() {
    let mut sim = Sim::new("version = 1\nblock_at = \"name\"\n");
    for qtype in [A, AAAA] {
        let answer = sim.ask(LISTED, qtype).unwrap();
        assert!(is_blank(&answer));
        // The SOA record carries the time for which that may be kept (RFC 2308 §5).
        assert_eq!(count(&answer, 2), 1);
        assert!(answer.ends_with(&limits::BLOCKED_TTL.to_be_bytes()));
    }
    assert_eq!(sim.world.asked, []);
    let facts: Vec<_> = sim
        .world
        .records
        .iter()
        .filter_map(|r| match r {
            Record::Blocked(facts) => Some(facts),
            _ => None,
        })
        .collect();
    assert_eq!(facts.len(), 2);
    assert_eq!((facts[0].transport, facts[0].verdict), (Transport::Dns, Verdict::Block));
    assert_eq!((facts[0].host.as_deref(), facts[0].uid), (Some(LISTED), None));
    assert_eq!(facts[0].reason.code, ReasonCode::ListedHost);
}

#[test]
fn with_block_at_name_one_app_that_may_pass_keeps_the_name_alive() {
    let mut sim = Sim::new(&POLICY.replacen("version = 1", "version = 1\nblock_at = \"name\"", 1));
    assert!(FakePool::covers(sim.fake(LISTED)));
    assert_eq!(sim.world.records, []);
}

/// A chain from `www.example.org` through these names, with an address at its end.
fn chain(names: &[&str]) -> Sim {
    let mut sim = Sim::new(POLICY);
    sim.world.forget(LISTED);
    let mut at = "www.example.org";
    for name in names {
        sim.world.zone(at, Rr::alias(name));
        at = name;
    }
    sim.world.zone(at, Rr::A(SERVER));
    sim.world.zone(at, Rr::v6(SERVER_V6));
    sim
}

#[test]
fn a_listed_name_is_found_wherever_it_stands_in_a_chain() {
    for names in [
        &[LISTED, "b.example.org", "c.example.org"][..],
        &["b.example.org", LISTED, "c.example.org"],
        &["b.example.org", "c.example.org", LISTED],
        &[LISTED],
    ] {
        let mut sim = chain(names);
        for qtype in [A, AAAA] {
            let answer = sim.ask("www.example.org", qtype).unwrap();
            assert!(is_fake(&answer), "{names:?} {qtype}");
        }
    }
}

#[test]
fn a_flow_to_an_alias_is_judged_by_the_listed_name_and_connects_to_the_asked_one() {
    let mut sim = chain(&["b.example.org", LISTED]);
    sim.world.serve((SERVER, 80), Script::echo());
    let to = (sim.fake("www.example.org"), 80).into();
    let (stopped, passed) = (sim.connect(BLOCK, to), sim.connect(RECORD, to));
    sim.send(passed, b"GET / HTTP/1.1\r\n\r\n");
    sim.settle();
    assert!(sim.clients[stopped].was_reset);
    assert_eq!(sim.received(passed), b"GET / HTTP/1.1\r\n\r\n");
    let facts: Vec<_> = sim
        .world
        .records
        .iter()
        .filter_map(|r| match r {
            Record::Blocked(facts) => Some(facts),
            Record::Opened(facts) => Some(&**facts),
            _ => None,
        })
        .collect();
    for fact in &facts {
        assert_eq!(fact.host.as_deref(), Some("www.example.org"));
        assert_eq!(fact.reason.rule.as_deref(), Some(".tracking.intl.miui.com"));
    }
    assert_eq!(facts.len(), 2);
}

#[test]
fn with_block_at_name_an_alias_of_a_refused_name_is_refused() {
    let mut sim = chain(&["b.example.org", LISTED]);
    sim.set_rules("version = 1\nblock_at = \"name\"\n");
    assert!(is_blank(&sim.ask("www.example.org", A).unwrap()));
    let [Record::Blocked(facts)] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    assert_eq!(facts.host.as_deref(), Some("www.example.org"));
    assert_eq!(facts.reason.rule.as_deref(), Some(".tracking.intl.miui.com"));
}

#[test]
fn service_bindings_of_an_alias_are_blank() {
    let mut sim = chain(&[LISTED]);
    sim.world.zone(LISTED, Rr::Https(vec![0, 1, 0]));
    assert!(is_blank(&sim.ask("www.example.org", 65).unwrap()));
}

#[test]
fn a_chain_that_runs_in_a_circle_comes_back_unchanged() {
    let mut sim = Sim::new(POLICY);
    sim.world.zone("a.example.org", Rr::alias("b.example.org"));
    sim.world.zone("b.example.org", Rr::alias("a.example.org"));
    let answer = sim.ask("a.example.org", A).unwrap();
    assert_eq!(count(&answer, 1), 20);
}

#[test]
fn a_name_that_is_never_blocked_stays_itself_behind_an_alias() {
    let mut sim = Sim::new(POLICY);
    sim.world.zone(NEVER, Rr::alias(LISTED));
    let addr = sim.fake(NEVER);
    assert_eq!(addr, IpAddr::from(SERVER));
}

#[test]
fn an_alias_of_an_unlisted_name_leaves_the_answer_alone() {
    let mut sim = chain(&["b.example.org"]);
    assert_eq!(sim.fake("www.example.org"), IpAddr::from(SERVER));
}

#[test]
fn when_no_fake_address_is_free_the_name_fails_and_is_counted() {
    let mut sim = Sim::new(POLICY);
    let app = sim.app(resolver().ip(), 7);
    for n in 0..limits::FAKE_NAMES {
        let name = format!("n{n}.{LISTED}");
        sim.send_packet(udp(app, resolver(), &query(1, &name, A)));
    }
    sim.settle();
    sim.seen.clear();
    let answer = sim.ask(LISTED, A).unwrap();
    assert_eq!(dns::rcode(&answer), Some(2));
    assert_eq!(sim.engine.counters().dropped(Drop::NameLimit), 1);
    assert!(FakePool::covers(sim.fake(&format!("n7.{LISTED}"))), "known names go on");
    sim.run(limits::FAKE_HOLD.as_micros() as i64 + SECOND);
    assert!(FakePool::covers(sim.fake(LISTED)), "after a time there is room again");
}
