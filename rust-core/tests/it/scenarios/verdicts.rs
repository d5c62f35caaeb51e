//! Block, record, off, capture: what the app sees, what is stored, what leaves.

use crate::harness::*;
use muzzle::event::{Reason, ReasonCode, Record, Transport, Verdict};

pub const POST: &[u8] = b"POST /sa?project=x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_blocked_app_is_reset_and_nothing_leaves() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(BLOCK);
    sim.send(app, POST);
    sim.settle();
    assert!(sim.clients[app].was_reset && !sim.clients[app].was_open);
    assert_eq!(sim.world.tried(), []);
    assert_eq!(sim.world.asked, []);
    let [Record::Blocked(facts)] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    assert_eq!(facts.verdict, Verdict::Block);
    assert_eq!(facts.host.as_deref(), Some(LISTED));
    assert_eq!((facts.uid, facts.package.as_deref()), (Some(BLOCK), Some("org.example.block")));
    assert_eq!((facts.server, facts.port, facts.transport), (None, 80, Transport::Tcp));
    let rule = Some(".tracking.intl.miui.com".to_owned());
    let Reason { code: ReasonCode::ListedHost, rule: given, list: Some(list) } = &facts.reason
    else {
        panic!("{:?}", facts.reason)
    };
    assert_eq!(*given, rule);
    assert!(list.starts_with("xiaomi@"));
    sim.assert_clean();
}

#[test]
fn a_recorded_request_arrives_whole_both_ways_and_is_stored() {
    let script = Script { replies: vec![(POST.len(), OK.to_vec())], ..Script::default() };
    let mut sim = Sim::with(script);
    let app = sim.open(RECORD);
    sim.send(app, POST);
    sim.clients[app].finish = true;
    sim.settle();
    assert_eq!(sim.received(app), OK);
    assert!(sim.clients[app].peer_finished && !sim.clients[app].was_reset);
    let [conn] = &sim.world.conns[..] else { panic!("{:?}", sim.world.conns) };
    assert_eq!((&conn.received[..], conn.fins, conn.closed), (POST, 1, Some(false)));
    let records = &sim.world.records[..];
    let [Record::Opened(facts), Record::Request { flow, request, .. }, Record::Closed { .. }] =
        records
    else {
        panic!("{records:?}")
    };
    assert_eq!((facts.verdict, facts.flow), (Verdict::Record, *flow));
    assert_eq!(facts.server, Some((SERVER, 80).into()));
    assert_eq!(facts.reason.code, ReasonCode::AppRecord);
    assert_eq!((&*request.method, &*request.target), ("POST", "/sa?project=x"));
    assert_eq!((&request.body[..], request.body_size, request.cut), (&b"hello"[..], 5, false));
    assert_eq!(sim.sums(), [(POST.len() as u64, OK.len() as u64)]);
    sim.assert_clean();
}

#[test]
fn an_app_that_is_off_passes_and_only_its_bytes_are_counted() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(OFF);
    sim.send(app, POST);
    sim.clients[app].finish = true;
    sim.settle();
    assert_eq!(sim.received(app), POST);
    let [Record::Passed { facts, up, down }] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    assert_eq!((facts.verdict, facts.reason.code), (Verdict::Allow, ReasonCode::AppOff));
    assert_eq!((*up, *down), (POST.len() as u64, POST.len() as u64));
    sim.assert_clean();
}

#[test]
fn one_cached_answer_gives_each_app_its_own_verdict() {
    let mut sim = Sim::with(Script::echo());
    let cached = (sim.fake(LISTED), 80).into();
    let apps = [BLOCK, RECORD, OFF, BLOCK].map(|uid| sim.connect(uid, cached));
    for app in apps {
        sim.send(app, POST);
    }
    sim.settle();
    assert_eq!(apps.map(|app| sim.clients[app].was_reset), [true, false, false, true]);
    assert_eq!(apps.map(|app| sim.received(app).len()), [0, POST.len(), POST.len(), 0]);
    assert_eq!((sim.blocked(), sim.opened(), sim.world.conns.len()), (2, 1, 2));
    let uids = sim.world.records.iter().filter_map(|r| match r {
        Record::Blocked(facts) => facts.uid,
        _ => None,
    });
    assert_eq!(uids.collect::<Vec<_>>(), [BLOCK, BLOCK]);
}

#[test]
fn both_families_of_a_name_are_judged_alike() {
    let mut sim = Sim::with(Script::echo());
    let v6 = sim.fake_v6(LISTED);
    let app = sim.connect(BLOCK, (v6, 443).into());
    sim.settle();
    assert!(sim.clients[app].was_reset);
    assert_eq!((sim.blocked(), sim.world.conns.len()), (1, 0));
}

#[test]
fn an_app_that_nobody_knows_gets_the_default() {
    let mut sim = Sim::with(Script::echo());
    let to = (sim.fake(LISTED), 80).into();
    let from = sim.source(0, SERVER.into());
    sim.world.owners.insert(from.port(), (None, 0));
    let app = sim.connect_from(from, to);
    sim.settle();
    assert!(sim.clients[app].was_reset);
    let [Record::Blocked(facts)] = &sim.world.records[..] else {
        panic!("{:?}", sim.world.records)
    };
    assert_eq!((facts.uid, facts.package.as_deref()), (None, None));
}

#[test]
fn a_slow_look_up_of_the_owner_holds_up_its_own_flow_only() {
    let mut sim = Sim::with(Script::echo());
    let slow = sim.open(RECORD);
    sim.world.owners.insert(sim.clients[slow].local.port(), (Some(RECORD), 5 * SECOND - 1));
    let quick = sim.open(RECORD);
    sim.send(slow, POST);
    sim.send(quick, POST);
    sim.run(4 * SECOND);
    assert_eq!(sim.received(quick), POST);
    assert!(!sim.clients[slow].was_open && !sim.clients[slow].was_reset);
    assert_eq!(sim.world.conns.len(), 1);
    sim.run(4 * SECOND);
    // Its SYN came several times meanwhile, and made one connection.
    assert_eq!(sim.received(slow), POST);
    assert_eq!((sim.world.conns.len(), sim.opened()), (2, 2));
}

#[test]
fn a_verdict_that_comes_late_still_blocks() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(BLOCK);
    sim.world.owners.insert(sim.clients[app].local.port(), (Some(BLOCK), 2 * SECOND));
    sim.run(3 * SECOND);
    assert!(sim.clients[app].was_reset);
    assert_eq!((sim.world.conns.len(), sim.blocked()), (0, 1));
    sim.assert_clean();
}

#[test]
fn an_app_that_gives_up_before_its_owner_is_known_leaves_nothing() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(RECORD);
    sim.world.owners.insert(sim.clients[app].local.port(), (Some(RECORD), SECOND));
    sim.settle();
    sim.clients[app].abort();
    sim.run(2 * SECOND);
    assert_eq!(sim.world.conns.len(), 0);
    assert_eq!(sim.world.records, []);
    sim.assert_clean();
}

#[test]
fn new_rules_hold_for_new_flows_and_end_old_ones_that_they_block() {
    let mut sim = Sim::with(Script::echo());
    let old = sim.open(RECORD);
    sim.send(old, POST);
    sim.settle();
    sim.set_rules("version = 1\ndefault = \"block\"\n");
    let new = sim.open(RECORD);
    sim.send(old, POST);
    sim.settle();
    assert!(sim.clients[new].was_reset && sim.clients[old].was_reset);
    assert_eq!(sim.received(old).len(), POST.len());
    assert_eq!((sim.blocked(), sim.opened(), sim.closed()), (1, 1, 1));
}

#[test]
fn an_address_that_was_given_before_the_rules_changed_is_judged_by_the_new_ones() {
    let mut sim = Sim::with(Script::echo());
    let cached = (sim.fake(LISTED), 80).into();
    sim.set_rules("version = 1\ndefault = \"off\"\n");
    let app = sim.connect(BLOCK, cached);
    sim.send(app, POST);
    sim.settle();
    assert_eq!(sim.received(app), POST);
    assert_eq!(sim.blocked(), 0);
}

#[test]
fn what_is_not_http_is_named_once_and_passes_unchanged() {
    let hello: &[u8] = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03";
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, hello);
    sim.settle();
    sim.send(app, b"more");
    sim.clients[app].finish = true;
    sim.settle();
    assert_eq!(sim.received(app), [hello, b"more"].concat());
    let opaque = |t: Transport| move |r: &Record| matches!(r, Record::Opaque { transport, .. } if *transport == t);
    assert_eq!(sim.count(opaque(Transport::Tls)), 1);
    assert_eq!((sim.world.records.len(), sim.bodies().len()), (3, 0));
    sim.assert_clean();
}

#[test]
fn a_request_that_is_cut_is_stored_as_cut() {
    let mut sim = Sim::with(Script::echo());
    let app = sim.open(RECORD);
    sim.send(app, &POST[..POST.len() - 2]);
    sim.settle();
    sim.clients[app].abort();
    sim.settle();
    let cut = |r: &Record| matches!(r, Record::Request { request, .. } if request.cut && request.body == b"hel");
    assert_eq!((sim.count(cut), sim.closed()), (1, 1));
    sim.assert_clean();
}
