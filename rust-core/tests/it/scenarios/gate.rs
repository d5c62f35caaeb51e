//! Deep reach, TCP to bare addresses: the app's first bytes tell the host before anybody is
//! connected to.

use crate::harness::*;
use muzzle::event::{Record, Transport, Verdict};
use std::net::{IpAddr, SocketAddr};

/// The name in the recorded hellos.
pub const HOST: &str = "collect.example.com";

macro_rules! hellos {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../data/tls/", $name, ".bin")))),+]
    };
}

/// Hellos of clients that name [`HOST`]. The first two exceed a segment of 1400 bytes, by the key
/// share of a post-quantum exchange.
pub const HELLOS: &[(&str, &[u8])] = hellos![
    "chromium",
    "boringssl-as-firefox",
    "curl-tls12-http11",
    "go",
    "java",
    "node",
    "openssl-tls10",
    "openssl-tls12",
    "openssl-tls13",
    "openssl-upper-case-dot",
    "python",
];

/// Blocks [`HOST`] for all apps but one, which is recorded.
pub fn blocking() -> String {
    format!(
        "{POLICY}[[host]]\nhost = \"{HOST}\"\nverdict = \"block\"\n\
         [[host]]\nhost = \"{HOST}\"\napp = \"org.example.record\"\nverdict = \"record\"\n"
    )
}

fn deep() -> (Sim, SocketAddr) {
    let mut sim = Sim::reaching(muzzle::engine::Reach::Deep, &blocking());
    sim.world.serve((SERVER, 443), Script::echo());
    sim.world.serve((SERVER, 80), Script::echo());
    let v6: IpAddr = SERVER_V6.parse().unwrap();
    sim.world.serve((v6, 443), Script::echo());
    (sim, (SERVER, 443).into())
}

#[test]
fn not_even_a_syn_goes_to_a_server_that_the_hello_shows_to_be_blocked() {
    for (client, hello) in HELLOS {
        let (mut sim, to) = deep();
        let app = sim.connect(BLOCK, to);
        sim.send(app, hello);
        sim.settle();
        assert!(sim.clients[app].was_open && sim.clients[app].was_reset, "{client}");
        assert_eq!(sim.world.tried(), [], "{client}");
        let [Record::Blocked(facts)] = &sim.world.records[..] else {
            panic!("{client}: {:?}", sim.world.records)
        };
        assert_eq!(facts.host.as_deref(), Some(HOST), "{client}");
        assert_eq!((facts.transport, facts.verdict), (Transport::Tls, Verdict::Block), "{client}");
        sim.assert_clean();
    }
}

#[test]
fn a_hello_in_pieces_of_any_size_tells_its_host() {
    for (client, hello) in &HELLOS[..3] {
        for piece in [1, 5, 6, 100, 1000] {
            let (mut sim, to) = deep();
            let app = sim.connect(BLOCK, to);
            for part in hello.chunks(piece) {
                assert!(!sim.clients[app].was_reset, "{client} {piece}");
                sim.send(app, part);
                sim.run(300);
            }
            assert!(sim.clients[app].was_reset, "{client} {piece}");
            assert_eq!(sim.world.tried(), [], "{client} {piece}");
        }
    }
}

#[test]
fn a_hello_over_many_records_tells_its_host() {
    for (client, hello) in HELLOS {
        // The same handshake message in records of 30 bytes (RFC 8446 §5.1).
        let message = &hello[5..];
        let records: Vec<u8> = message
            .chunks(30)
            .flat_map(|part| [&[22, 3, 1, 0, part.len() as u8][..], part].concat())
            .collect();
        let (mut sim, to) = deep();
        let app = sim.connect(BLOCK, to);
        sim.send(app, &records);
        sim.settle();
        assert!(sim.clients[app].was_reset && sim.world.tried().is_empty(), "{client}");
    }
}

#[test]
fn a_hello_that_may_pass_reaches_its_server_byte_for_byte() {
    let v6 = SocketAddr::new(SERVER_V6.parse().unwrap(), 443);
    for (client, hello) in HELLOS {
        for to in [(SERVER, 443).into(), v6] {
            let (mut sim, _) = deep();
            let app = sim.connect(RECORD, to);
            sim.send(app, hello);
            sim.settle();
            assert_eq!((sim.world.tried(), sim.received(app)), (vec![to], *hello), "{client}");
            assert_eq!(sim.world.conns[0].received, *hello, "{client}");
            let opened = sim.world.records.iter().find_map(|r| match r {
                Record::Opened(facts) => Some((facts.host.as_deref(), facts.transport)),
                _ => None,
            });
            assert_eq!(opened, Some((Some(HOST), Transport::Tls)), "{client}");
        }
    }
}

#[test]
fn a_tracker_and_a_good_site_at_one_address_are_told_apart_by_name() {
    let (mut sim, _) = deep();
    let to = (SERVER, 80).into();
    for (host, passes) in [(HOST, false), ("good.example.org", true), (LISTED, false)] {
        let app = sim.connect(BLOCK, to);
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        sim.send(app, request.as_bytes());
        sim.settle();
        assert_eq!(sim.received(app) == request.as_bytes(), passes, "{host}");
        assert_eq!(sim.clients[app].was_reset, !passes, "{host}");
    }
    assert_eq!(sim.world.tried(), [to]);
}

#[test]
fn what_is_not_tls_passes_on_443_without_waiting() {
    let (mut sim, to) = deep();
    let app = sim.connect(BLOCK, to);
    sim.send(app, b"SSH-2.0-x\r\n");
    sim.run(SECOND / 10);
    assert_eq!(sim.received(app), b"SSH-2.0-x\r\n");
}

#[test]
fn a_server_that_speaks_first_on_443_is_heard_after_the_wait_for_first_bytes() {
    let (mut sim, _) = deep();
    sim.world.serve((SERVER, 443), Script::greets(b"220 ready"));
    let app = sim.connect(BLOCK, (SERVER, 443).into());
    sim.run(muzzle::limits::FIRST_BYTES.as_micros() as i64 - 1000);
    assert_eq!(sim.world.tried(), []);
    sim.run(SECOND);
    assert_eq!(sim.received(app), b"220 ready");
}

#[test]
fn new_rules_end_a_running_flow_of_a_name_that_is_blocked_now() {
    let (mut sim, to) = deep();
    let app = sim.connect(RECORD, to);
    sim.send(app, HELLOS[0].1);
    sim.settle();
    assert_eq!(sim.world.open(), 1);
    let all = format!("{POLICY}[[host]]\nhost = \"{HOST}\"\nverdict = \"block\"\n");
    sim.set_rules(&all);
    sim.settle();
    assert!(sim.clients[app].was_reset);
    sim.assert_clean();
}

#[test]
fn a_hello_that_offers_encryption_is_marked_for_its_name_may_be_a_front() {
    for (client, hello) in HELLOS {
        let offers = matches!(*client, "chromium" | "boringssl-as-firefox");
        for (uid, verdict) in [(BLOCK, Verdict::Block), (RECORD, Verdict::Record)] {
            let (mut sim, to) = deep();
            let app = sim.connect(uid, to);
            sim.send(app, hello);
            sim.settle();
            let facts = sim.world.records.iter().find_map(|record| match record {
                Record::Opened(facts) => Some(&**facts),
                Record::Blocked(facts) => Some(facts),
                _ => None,
            });
            let facts = facts.unwrap_or_else(|| panic!("{client}: {:?}", sim.world.records));
            assert_eq!((facts.verdict, facts.ech), (verdict, offers), "{client}");
            let event = facts.event(muzzle::event::State::Encrypted);
            let told = event.problems.iter().map(|p| (p.code.as_str(), &*p.path));
            let expected: &[_] = if offers { &[("encrypted", "host")] } else { &[] };
            assert_eq!(told.collect::<Vec<_>>(), expected, "{client}");
        }
    }
}

#[test]
fn servers_that_speak_first_on_other_ports_are_connected_to_at_once_and_heard() {
    // FTP, SSH, SMTP, POP3, IMAP, SMTP submission, MySQL.
    for port in [21, 22, 25, 110, 143, 587, 3306] {
        let (mut sim, _) = deep();
        sim.world.serve((SERVER, port), Script::greets(b"220 ready\r\n"));
        let app = sim.connect(RECORD, (SERVER, port).into());
        sim.run(10_000);
        assert_eq!(sim.received(app), b"220 ready\r\n", "port {port}");
        assert_eq!(sim.world.tried(), [SocketAddr::from((SERVER, port))]);
    }
}
