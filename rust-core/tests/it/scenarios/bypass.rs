//! Ways past the phone's resolver: encrypted DNS and HTTPDNS, by port, name and address.

use crate::harness::*;
use muzzle::dns;
use muzzle::event::{FlowFacts, Reason, ReasonCode, Record, Transport, Verdict};
use std::net::SocketAddr;

const A: u16 = 1;
/// In the built-in table.
const DOH: &str = "dns.google";
const DOH_ADDR: [u8; 4] = [8, 8, 8, 8];
const HTTPDNS: [u8; 4] = [203, 107, 1, 65];
/// On no list.
const OTHER: [u8; 4] = [203, 0, 113, 77];
const CANARY: &str = "use-application-dns.net";

fn deep(setting: &str) -> Sim {
    let policy =
        POLICY.replace("version = 1", &format!("version = 1\nrefuse_bypass = \"{setting}\""));
    let mut sim = Sim::deep(&policy);
    for addr in [DOH_ADDR, HTTPDNS, OTHER] {
        for port in [80, 443, 853, 8443] {
            sim.world.serve((addr, port), Script::echo());
        }
    }
    sim
}

/// A ClientHello of TLS 1.2 that names a host (RFC 5246 §7.4.1.2, RFC 6066 §3).
fn hello(host: &str) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let name = with_length(&[&[0], &with_length(host.as_bytes())[..]].concat());
    let extensions = with_length(&[&[0, 0], &with_length(&name)[..]].concat());
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(extensions);
    let handshake = [&[1, 0], &with_length(&body)[..]].concat();
    [&[22, 3, 1], &with_length(&handshake)[..]].concat()
}

fn stopped(sim: &Sim) -> &FlowFacts {
    let [Record::Blocked(facts)] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    assert_eq!((facts.verdict, facts.reason.code), (Verdict::Block, ReasonCode::ResolverBypass));
    facts
}

#[test]
fn dns_over_tls_is_refused_whoever_serves_it_and_nobody_is_connected_to() {
    for (first, host) in [(hello("dot.example.org"), Some("dot.example.org")), (vec![0; 40], None)]
    {
        let mut sim = deep("listed-apps");
        let to: SocketAddr = (OTHER, 853).into();
        let app = sim.connect(BLOCK, to);
        sim.send(app, &first);
        sim.settle();
        assert!(sim.clients[app].was_reset);
        assert_eq!((sim.world.tried(), sim.received(app)), (vec![], &b""[..]));
        let facts = stopped(&sim);
        assert_eq!((facts.host.as_deref(), facts.port), (host, 853));
        assert_eq!(facts.server, host.is_none().then_some(to), "the address stands for the name");
        assert_eq!(
            facts.reason,
            Reason { code: ReasonCode::ResolverBypass, rule: None, list: None }
        );
        sim.assert_clean();
    }
}

#[test]
fn dns_over_https_is_refused_by_its_name_and_by_its_address() {
    for (addr, first, rule) in [
        (OTHER, hello(DOH), DOH),
        (DOH_ADDR, hello("front.example.org"), "8.8.8.8"),
        (
            HTTPDNS,
            b"GET /1/d?host=a HTTP/1.1\r\nHost: 203.107.1.65\r\n\r\n".to_vec(),
            "203.107.1.0/24",
        ),
    ] {
        let mut sim = deep("listed-apps");
        let port = if first[0] == 22 { 443 } else { 80 };
        let app = sim.connect(BLOCK, (addr, port).into());
        sim.send(app, &first);
        sim.settle();
        assert!(sim.clients[app].was_reset, "{rule}");
        assert_eq!(sim.world.tried(), [], "{rule}");
        let facts = stopped(&sim);
        assert_eq!(facts.reason.rule.as_deref(), Some(rule));
        assert!(facts.reason.list.as_deref().is_some_and(|list| list.starts_with("resolvers@")));
        sim.assert_clean();
    }
}

#[test]
fn a_listed_address_is_refused_at_any_port_before_the_app_is_answered() {
    let mut sim = deep("listed-apps");
    let app = sim.connect(BLOCK, (DOH_ADDR, 8443).into());
    sim.settle();
    assert!(sim.clients[app].was_reset && !sim.clients[app].was_open);
    assert_eq!(stopped(&sim).server, Some((DOH_ADDR, 8443).into()));
    sim.assert_clean();
}

#[test]
fn an_app_that_says_nothing_to_a_resolver_is_refused_after_the_wait() {
    let mut sim = deep("listed-apps");
    let app = sim.connect(BLOCK, (DOH_ADDR, 443).into());
    sim.run(2 * SECOND);
    assert!(sim.clients[app].was_reset);
    assert_eq!((sim.world.tried(), sim.blocked()), (vec![], 1));
    sim.assert_clean();
}

#[test]
fn dns_over_quic_and_datagrams_to_resolvers_are_answered_by_port_unreachable() {
    for (addr, port) in [(OTHER, 853), (DOH_ADDR, 443), (DOH_ADDR, 4433), (HTTPDNS, 853)] {
        let mut sim = deep("listed-apps");
        let to = (addr, port).into();
        let from = sim.source(BLOCK, [0, 0, 0, 0].into());
        sim.send_packet(udp(from, to, b"no QUIC"));
        sim.settle();
        let expected = Icmp { to: from.ip(), src_port: from.port(), dst_port: port, port: true };
        assert_eq!(sim.icmp(), [&expected]);
        let facts = stopped(&sim);
        assert_eq!((facts.server, facts.transport), (Some(to), Transport::Udp));
        assert_eq!(sim.world.conns.len(), 0);
        sim.assert_clean();
    }
}

#[test]
fn who_is_refused_follows_from_the_setting() {
    for (setting, refused) in [
        ("off", [false, false, false]),
        ("listed-apps", [true, false, false]),
        ("all", [true, true, false]),
    ] {
        for (uid, refused) in [BLOCK, RECORD, OFF].into_iter().zip(refused) {
            let mut sim = deep(setting);
            let app = sim.connect(uid, (DOH_ADDR, 443).into());
            sim.send(app, &hello(DOH));
            let datagrams = sim.source(uid, DOH_ADDR.into());
            sim.send_packet(udp(datagrams, (DOH_ADDR, 853).into(), b"x"));
            sim.settle();
            assert_eq!(sim.clients[app].was_reset, refused, "{setting} {uid}");
            let passed = if refused { 0 } else { 2 };
            assert_eq!(sim.world.conns.len(), passed, "{setting} {uid}");
            assert_eq!(sim.blocked(), 2 - passed, "{setting} {uid}");
        }
    }
}

#[test]
fn the_owner_may_let_one_resolver_through_by_name_although_its_address_is_listed() {
    let mut sim = deep("all");
    let allow = format!("[[host]]\nhost = \"{DOH}\"\nverdict = \"allow\"\n");
    sim.set_rules(&format!("{POLICY}{allow}"));
    for port in [443, 853] {
        let app = sim.connect(BLOCK, (DOH_ADDR, port).into());
        sim.send(app, &hello(DOH));
        sim.settle();
        assert_eq!(sim.received(app), hello(DOH), "{port}");
    }
    assert_eq!(sim.blocked(), 0);
}

#[test]
fn a_resolvers_name_gets_a_fake_address_and_its_flows_are_refused_in_light_too() {
    let mut sim = Sim::new(POLICY);
    sim.world.zone(DOH, Rr::A(SERVER));
    sim.world.serve((SERVER, 443), Script::echo());
    let to = (sim.fake(DOH), 443).into();
    let (blocked, recorded) = (sim.connect(BLOCK, to), sim.connect(RECORD, to));
    sim.send(recorded, &hello(DOH));
    sim.settle();
    assert!(sim.clients[blocked].was_reset);
    assert_eq!(sim.received(recorded), hello(DOH));
    let bypass =
        |r: &Record| matches!(r, Record::Blocked(f) if f.reason.code == ReasonCode::ResolverBypass);
    assert_eq!(sim.count(bypass), 1);
}

#[test]
fn firefox_is_told_to_use_the_phones_resolver_while_ways_past_it_are_refused() {
    for (setting, told) in [("off", false), ("listed-apps", true), ("all", true)] {
        let mut sim = deep(setting);
        sim.world.zone(CANARY, Rr::A(SERVER));
        let answer = sim.ask(CANARY, A).unwrap();
        assert_eq!(dns::rcode(&answer), Some(if told { 3 } else { 0 }), "{setting}");
        assert_eq!(sim.world.asked.is_empty(), told, "{setting}");
    }
}

#[test]
fn plain_dns_to_a_resolver_is_answered_here_as_ever() {
    let mut sim = deep("all");
    sim.world.zone("www.example.org", Rr::A(SERVER));
    let from = sim.source(BLOCK, DOH_ADDR.into());
    sim.send_packet(udp(from, (DOH_ADDR, 53).into(), &query(9, "www.example.org", A)));
    sim.settle();
    let [answer] = sim.datagrams(from)[..] else { panic!("{:?}", sim.seen) };
    assert_eq!((dns::id(answer), dns::rcode(answer)), (Some(9), Some(0)));
    assert_eq!(sim.blocked(), 0);
}

#[test]
fn an_echo_to_a_resolver_is_no_question() {
    let mut sim = deep("all");
    let from = sim.app(DOH_ADDR.into(), 7);
    sim.send_packet(echo(from, DOH_ADDR.into(), 1, b"ping"));
    sim.settle();
    assert_eq!((sim.blocked(), sim.world.conns.len()), (0, 1));
    sim.set_rules(&POLICY.replace("version = 1", "version = 1\nrefuse_bypass = \"all\""));
    assert_eq!(sim.world.open(), 1);
}

#[test]
fn a_refusal_that_is_turned_on_ends_what_runs() {
    let mut sim = deep("off");
    let app = sim.connect(BLOCK, (DOH_ADDR, 443).into());
    sim.send(app, &hello("front.example.org"));
    let from = sim.source(BLOCK, OTHER.into());
    sim.send_packet(udp(from, (OTHER, 853).into(), b"x"));
    sim.settle();
    assert_eq!(sim.world.open(), 2);
    sim.set_rules(POLICY);
    sim.settle();
    assert!(sim.clients[app].was_reset);
    assert_eq!(sim.world.open(), 0);
}
