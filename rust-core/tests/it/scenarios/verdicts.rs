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
