//! What goes in comes out.

use super::*;
use crate::event::{
    App, Bytes, Check, Field, IdKind, Identifier, Kind, Payload, Problem, ProblemCode, Protocol,
    Server, Time,
};
use crate::store::queue::Order;
use crate::store::{AppFilter, Count, Filter, Gap, KindCount, StoreError, Summary};
use sha2::{Digest, Sha256};

/// Numbers that are the same in each run (Numerical Recipes).
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % bound
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| make(self))
    }

    fn text(&mut self) -> String {
        let texts =
            ["", "weather", "a\0b", "погода ☂", "'; DROP TABLE events; --", "\n\r\t\"", ","];
        if self.below(20) == 0 { "x".repeat(16 * 1024) } else { self.of(&texts).to_owned() }
    }

    fn list<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}

fn any_event(n: &mut Numbers) -> Event {
    Event {
        app: App { uid: None, package: None, hint: n.maybe(Numbers::text) },
        transport: n.maybe(|n| n.of(Transport::ALL)),
        protocol: n.maybe(|n| n.of(Protocol::ALL)),
        event: n.maybe(Numbers::text),
        event_time: n.maybe(|n| Time(n.of(&[0, -1, NOW, Time::MAX.0, Time::MIN.0]))),
        kinds: n.list(4, |n| n.of(Kind::ALL)),
        fields: n.list(12, |n| Field {
            path: n.text().into(),
            value: n.text().into(),
            kind: n.of(Kind::ALL),
        }),
        ids: n.list(3, |n| Identifier {
            kind: n.of(IdKind::ALL),
            value: n.text().into(),
            path: n.text().into(),
        }),
        checks: n.list(2, |n| (n.text(), n.of(Check::ALL))).into_iter().collect(),
        problems: n.list(2, |n| Problem { code: n.of(ProblemCode::ALL), path: n.text() }),
        decoder: n.maybe(Numbers::text),
        ..Event::empty(n.of(State::ALL))
    }
}

/// What the store adds: id, time, app and host of the flow, its bytes and the payload.
fn expected(id: i64, event: &Event, facts: &FlowFacts, body: &[u8]) -> Event {
    let hash: String = Sha256::digest(body).iter().map(|b| format!("{b:02x}")).collect();
    let own = facts.event(event.state);
    Event {
        id: Some(id),
        time: Some(Time(NOW + 5)),
        app: App { hint: event.app.hint.clone(), ..own.app },
        host: own.host,
        server: own.server,
        verdict: own.verdict,
        reason: own.reason,
        bytes: Some(Bytes { up: 812, down: 96 }),
        payload: Some(Payload { sha256: hash, size: body.len() as u64, stored: true }),
        ..event.clone()
    }
}

#[test]
fn events_of_many_shapes_come_out_as_they_went_in() {
    let store = Fixture::new();
    let mut numbers = Numbers(7);
    let mut wanted = Vec::new();
    for flow in 0..120_u64 {
        let mut facts = facts(flow, "com.mi.globalbrowser", "sa.example", Verdict::Record);
        facts.uid = numbers.maybe(|_| 10_123);
        facts.package = numbers.maybe(Numbers::text);
        facts.host = numbers.maybe(Numbers::text);
        facts.server = numbers.maybe(|n| {
            n.of(&["203.0.113.9:80", "[2001:db8::1]:443", "[::ffff:203.0.113.9]:1"])
                .parse()
                .unwrap()
        });
        facts.verdict = numbers.of(Verdict::ALL);
        facts.reason = Reason {
            code: numbers.of(ReasonCode::ALL),
            rule: numbers.maybe(Numbers::text),
            list: numbers.maybe(Numbers::text),
        };
        let events: Vec<Event> = (0..=numbers.below(4)).map(|_| any_event(&mut numbers)).collect();
        let body = serde_json::to_vec(&events).unwrap();
        for event in &events {
            wanted.push(expected(wanted.len() as i64 + 1, event, &facts, &body));
        }
        store.send([
            Record::Opened(facts.into()),
            request(flow, NOW + 5, &events),
            Record::Closed { flow: FlowId(flow), time_ms: NOW + 9, up: 812, down: 96 },
        ]);
    }
    let found = store.reader().events(&Filter::default()).unwrap();
    assert!(wanted.len() > 200);
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(serde_json::to_string(found).unwrap(), serde_json::to_string(wanted).unwrap());
    }
    assert_eq!(found, wanted);
    assert_eq!(store.writer.close().unwrap().dropped, 0);
}

#[test]
fn a_server_with_its_country_and_operator_comes_out_whole() {
    let mut event = decoded();
    event.server = Some(Server {
        addr: "2001:db8::9".parse().unwrap(),
        port: 443,
        country: Some("SG".to_owned()),
        asn: Some(45_102),
        operator: Some("Alibaba".to_owned()),
    });
    let store = Fixture::new();
    // Without its flow the test decoder leaves the event as it is.
    store.send([request(1, NOW, std::slice::from_ref(&event))]);
    let found = store.reader().event(1).unwrap().unwrap();
    assert_eq!(found.server, event.server);
    assert_eq!(found.app, App::default());
    assert_eq!(found.bytes, None);
}

#[test]
fn an_event_says_who_runs_the_server_and_where_it_is_registered() {
    let store = Fixture::new();
    let mut facts = facts(1, "com.mi.globalbrowser", "sa.example", Verdict::Record);
    facts.server = Some("161.117.0.1:443".parse().unwrap());
    store.send([Record::Opened(facts.into()), request(1, NOW, &[decoded()])]);
    let server = store.reader().event(1).unwrap().unwrap().server.unwrap();
    assert_eq!((server.country.as_deref(), server.asn), (Some("SG"), Some(45_102)));
    assert_eq!(server.operator.as_deref(), Some("Alibaba (US) Technology Co., Ltd."));
    let hosts = store.reader().hosts(&Filter::default()).unwrap();
    assert_eq!(hosts[0].server.as_ref(), Some(&server));
}

#[test]
fn a_request_comes_out_as_it_was_sent() {
    let store = Fixture::new();
    let Record::Request { request, .. } = request(1, NOW, &[decoded()]) else { unreachable!() };
    let sent = Record::Request { flow: FlowId(1), time_ms: NOW, request: request.clone() };
    store.send([sent]);
    assert_eq!(store.reader().request(1), Ok(Some(*request)));
    assert_eq!(store.reader().request(2), Ok(None));
}

#[test]
fn a_body_that_never_came_has_its_size_and_no_body_has_no_payload() {
    let store = Fixture::new();
    for (flow, body_size) in [(1, 613), (2, 0)] {
        let request = Box::new(Request { body_size, cut: true, ..Request::default() });
        store.send([Record::Request { flow: FlowId(flow), time_ms: NOW, request }]);
    }
    let payloads: Vec<_> = store
        .reader()
        .events(&Filter::default())
        .unwrap()
        .into_iter()
        .map(|event| event.payload.map(|p| p.size))
        .collect();
    assert_eq!(payloads, [Some(613), None]);
}

#[test]
fn a_blocked_flow_is_one_event_and_one_flow() {
    let store = Fixture::new();
    let facts = facts(1, "com.miui.home", "tracking.example", Verdict::Block);
    store.send([Record::Blocked(facts.clone())]);
    let found = store.reader().events(&Filter::default()).unwrap();
    assert_eq!(found, [Event { id: Some(1), ..facts.event(State::Blocked) }]);
    let stats = store.reader().stats(None, None).unwrap();
    let count = Count { key: "block".to_owned(), flows: 1, events: 1, up: 0, down: 0 };
    assert_eq!(stats.verdicts, [count]);
}

#[test]
fn what_cannot_be_read_says_so() {
    let store = Fixture::new();
    let transports = [Transport::Tls, Transport::Quic, Transport::Tcp];
    for (flow, transport) in (1..).zip(transports) {
        store.send([
            Record::Opened(facts(flow, "a", "h.example", Verdict::Record).into()),
            Record::Opaque { flow: FlowId(flow), time_ms: NOW + 1, transport },
        ]);
    }
    let found = store.reader().events(&Filter::default()).unwrap();
    let states: Vec<_> = found.iter().map(|e| (e.state, e.transport)).collect();
    assert_eq!(
        states,
        [
            (State::Encrypted, Some(Transport::Tls)),
            (State::Encrypted, Some(Transport::Quic)),
            (State::Undecodable, Some(Transport::Tcp)),
        ]
    );
    let problem = Problem { code: ProblemCode::Unsupported, path: String::new() };
    assert_eq!(found[2].problems, [problem]);
    assert!(found[0].problems.is_empty());
    assert_eq!(found[0].time, Some(Time(NOW + 1)));
}

#[test]
fn a_request_of_no_known_format_is_kept_undecoded() {
    let store = Fixture::new();
    store.send(flow(1, NOW, &[]));
    let found = store.reader().event(1).unwrap().unwrap();
    assert_eq!(found.state, State::Undecodable);
    assert_eq!(found.transport, Some(Transport::Http));
    assert_eq!(found.problems[0].code, ProblemCode::Unsupported);
    assert!(found.payload.unwrap().stored);
}

#[test]
fn a_decoder_that_panics_costs_one_request_its_reading() {
    let store = Fixture::new();
    let Record::Request { mut request, .. } = request(1, NOW, &[]) else { unreachable!() };
    request.body = b"panic".to_vec();
    store.send([
        Record::Opened(facts(1, "a", "h.example", Verdict::Record).into()),
        Record::Request { flow: FlowId(1), time_ms: NOW, request },
    ]);
    store.send(flow(2, NOW, &[decoded()]));
    let found = store.reader().events(&Filter::default()).unwrap();
    assert_eq!(found[0].state, State::Undecodable);
    assert_eq!(found[0].problems[0].code, ProblemCode::Malformed);
    assert_eq!(found[0].host.as_deref(), Some("h.example"));
    assert_eq!(found[1].state, State::Decoded);
    let summary = store.writer.close().unwrap();
    assert_eq!(summary, Summary { records: 5, events: 2, dropped: 0 });
}

#[test]
fn counters_add_up_over_batches() {
    let store = Fixture::new();
    let passed = |flow, time_ms| Record::Passed {
        facts: FlowFacts { time_ms, ..facts(flow, "b", "private.example", Verdict::Allow) },
        up: 10,
        down: 20,
    };
    store.send([passed(1, NOW), passed(2, NOW)]);
    store.send([passed(3, NOW + DAY)]);
    store.send(flow(4, NOW, &[decoded(), decoded()]));
    // Carried nothing: no event, but counted.
    store.send([
        Record::Opened(facts(5, "c", "empty.example", Verdict::Record).into()),
        Record::Closed { flow: FlowId(5), time_ms: NOW, up: 1, down: 0 },
    ]);
    let stats = store.reader().stats(None, None).unwrap();
    let count =
        |key: &str, flows, events, up, down| Count { key: key.to_owned(), flows, events, up, down };
    assert_eq!(
        stats.days,
        [count("2026-11-21", 4, 2, 833, 136), count("2026-11-22", 1, 0, 10, 20)]
    );
    assert_eq!(
        stats.apps,
        [
            count("com.mi.globalbrowser", 1, 2, 812, 96),
            count("b", 3, 0, 30, 60),
            count("c", 1, 0, 1, 0)
        ]
    );
    let hosts = [count("sa.example", 1, 2, 812, 96), count("empty.example", 1, 0, 1, 0)];
    assert_eq!(stats.hosts, hosts, "an allowed host leaves no name");
    let verdicts = [count("allow", 3, 0, 30, 60), count("record", 2, 2, 813, 96)];
    assert_eq!(stats.verdicts, verdicts);
    let later = store.reader().stats(Some(Time(NOW + DAY)), None).unwrap();
    assert_eq!(later.days, [count("2026-11-22", 1, 0, 10, 20)]);
}

#[test]
fn kinds_are_counted_by_day() {
    let store = Fixture::new();
    let search = Event { kinds: vec![Kind::Search, Kind::Identifier], ..decoded() };
    let page = Event { kinds: vec![Kind::Search], ..decoded() };
    store.send(flow(1, NOW, &[search, page.clone()]));
    store.send(flow(2, NOW + DAY, &[page]));
    let stats = store.reader().stats(None, None).unwrap();
    let count = |kind, events| KindCount { kind, events };
    assert_eq!(stats.kinds, [count(Kind::Search, 3), count(Kind::Identifier, 1)]);
    let days: Vec<_> = stats.kind_days.iter().map(|d| (d.day.as_str(), d.events)).collect();
    assert_eq!(days, [("2026-11-21", 2), ("2026-11-21", 1), ("2026-11-22", 1)]);
}

#[test]
fn an_identifier_knows_its_first_and_last_sighting_apps_and_hosts() {
    let store = Fixture::new();
    let found = |value: &str| Identifier {
        kind: IdKind::Oaid,
        value: value.into(),
        path: "props.oaid".into(),
    };
    let event = Event { ids: vec![found("shared")], ..decoded() };
    let alone = Event { ids: vec![found("alone"), found("shared")], ..decoded() };
    let from = |flow, package: &str, host: &str, time_ms, event: &Event| {
        [
            Record::Opened(facts(flow, package, host, Verdict::Record).into()),
            request(flow, time_ms, std::slice::from_ref(event)),
        ]
    };
    store.send(from(1, "a", "x.example", NOW + 10, &event));
    store.send(from(2, "b", "y.example", NOW + 30, &event));
    // The clock jumped back: the first sighting moves, the ids keep the order of writing.
    store.send(from(3, "a", "x.example", NOW - 5, &alone));
    let all = store.reader().identifiers().unwrap();
    let summary: Vec<_> = all
        .iter()
        .map(|i| (i.value.as_str(), i.first.0, i.last.0, i.apps.len(), i.hosts.len()))
        .collect();
    assert_eq!(summary, [("shared", NOW - 5, NOW + 30, 2, 2), ("alone", NOW - 5, NOW - 5, 1, 1)]);
    assert_eq!(all[0].hosts, ["x.example", "y.example"]);
    assert_eq!(all[0].apps[1].package.as_deref(), Some("b"));
    let order: Vec<_> = store
        .reader()
        .events(&Filter::default())
        .unwrap()
        .iter()
        .map(|e| e.time.unwrap().0 - NOW)
        .collect();
    assert_eq!(order, [10, 30, -5]);
}

#[test]
fn events_of_one_request_share_one_payload_and_so_do_equal_requests() {
    let store = Fixture::new();
    store.send(flow(1, NOW, &[decoded(), decoded()]));
    store.send(flow(2, NOW, &[decoded(), decoded()]));
    let found = store.reader().events(&Filter::default()).unwrap();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|e| e.payload == found[0].payload && e.payload.is_some()));
    let db = rusqlite::Connection::open(store.path()).unwrap();
    let payloads: i64 = db.query_row("SELECT count(*) FROM payloads", [], |r| r.get(0)).unwrap();
    assert_eq!(payloads, 1);
}

#[test]
fn filters_choose_and_pages_follow() {
    let store = Fixture::new();
    let search = Event { kinds: vec![Kind::Search], ..decoded() };
    store.send(flow(1, NOW, std::slice::from_ref(&search)));
    store.send([Record::Blocked(facts(2, "b", "x.sa.example", Verdict::Block))]);
    store.send([Record::Blocked(facts(3, "b", "notsa.example", Verdict::Block))]);
    store.send(flow(4, NOW + 1000, &[search]));
    let reader = store.reader();
    let ids = |filter: Filter| -> Vec<i64> {
        assert_eq!(reader.count(&filter).unwrap(), reader.events(&filter).unwrap().len() as u64);
        reader.events(&filter).unwrap().iter().map(|e| e.id.unwrap()).collect()
    };
    let all = Filter::default;
    assert_eq!(ids(all()), [1, 2, 3, 4]);
    assert_eq!(ids(Filter { app: Some("b".parse().unwrap()), ..all() }), [2, 3]);
    assert_eq!(ids(Filter { app: Some(AppFilter::Uid(10_123)), ..all() }), [1, 2, 3, 4]);
    assert_eq!(ids(Filter { app: Some(AppFilter::Uid(1)), ..all() }), [0; 0]);
    assert_eq!(ids(Filter { kind: Some(Kind::Search), ..all() }), [1, 4]);
    assert_eq!(ids(Filter { state: Some(State::Blocked), ..all() }), [2, 3]);
    assert_eq!(ids(Filter { verdict: Some(Verdict::Record), ..all() }), [1, 4]);
    assert_eq!(ids(Filter { host: Some("SA.example.".to_owned()), ..all() }), [1, 2, 4]);
    assert_eq!(ids(Filter { since: Some(Time(NOW + 1)), ..all() }), [4]);
    assert_eq!(ids(Filter { since: Some(Time(NOW + 9999)), ..all() }), [0; 0]);
    assert_eq!(ids(Filter { until: Some(Time(NOW + 1)), ..all() }), [1, 2, 3]);
    assert_eq!(ids(Filter { after_id: Some(2), limit: Some(1), ..all() }), [3]);
    let newest = Filter { newest_first: true, limit: Some(2), ..all() };
    assert_eq!(ids(newest.clone()), [4, 3]);
    assert_eq!(ids(Filter { before_id: Some(3), ..newest }), [2, 1]);
    assert_eq!(reader.max_id(), Ok(4));
}

#[test]
fn a_follower_sees_that_something_was_committed() {
    let store = Fixture::new();
    let reader = store.reader();
    let before = reader.data_version().unwrap();
    assert_eq!(reader.data_version(), Ok(before));
    store.send(flow(1, NOW, &[decoded()]));
    assert_ne!(reader.data_version(), Ok(before));
    assert_eq!(reader.max_id(), Ok(1));
}

#[test]
fn a_close_loses_no_record_and_tidies_up() {
    let store = Fixture::new();
    for record in flow(1, NOW, &[decoded()]) {
        assert!(store.sender.send(record));
    }
    let summary = store.writer.close().unwrap();
    assert_eq!(summary, Summary { records: 3, events: 1, dropped: 0 });
    assert!(!store.sender.send(Record::Blocked(facts(1, "a", "h", Verdict::Block))));
    let path = store.dir.path().join("muzzle.db");
    assert_eq!(Reader::open(&path).unwrap().max_id(), Ok(1));
    assert!(!store.dir.path().join("muzzle.db-wal").exists(), "checkpointed and tidied away");
}

#[test]
fn gaps_and_versions_are_kept() {
    let store = Fixture::new();
    let gap = |start, end: Option<i64>, reason: &str| Gap {
        start: Time(start),
        end: end.map(Time),
        reason: reason.to_owned(),
    };
    store.writer.gap(gap(NOW, Some(NOW + 10), "killed")).unwrap();
    store.writer.gap(gap(NOW + 20, None, "revoked")).unwrap();
    store.writer.version("xiaomi", "2").unwrap();
    store.writer.version("xiaomi", "3").unwrap();
    let reader = store.reader();
    let all = [gap(NOW, Some(NOW + 10), "killed"), gap(NOW + 20, None, "revoked")];
    assert_eq!(reader.stats(None, None).unwrap().gaps, all);
    assert_eq!(reader.stats(Some(Time(NOW + 15)), None).unwrap().gaps, all[1..]);
    let db = rusqlite::Connection::open(store.path()).unwrap();
    let sql = "SELECT value FROM meta WHERE key = 'version.xiaomi'";
    assert_eq!(db.query_row(sql, [], |r| r.get(0)), Ok("3".to_owned()));
}

#[test]
fn an_ended_writer_answers_orders_with_closed() {
    let store = Fixture::new();
    store.sender.0.order(Order::Close).unwrap();
    while store.sender.state() != crate::store::StoreState::Closed {
        std::thread::yield_now();
    }
    assert_eq!(store.writer.flush(), Err(StoreError::Closed));
}

#[test]
fn a_record_is_committed_after_a_delay_without_being_asked_for() {
    let store = Fixture::new();
    let reader = store.reader();
    for record in flow(1, NOW, &[decoded()]) {
        assert!(store.sender.send(record));
    }
    let start = std::time::Instant::now();
    while reader.max_id().unwrap() == 0 {
        assert!(start.elapsed() < crate::limits::STORE_DELAY * 30);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
