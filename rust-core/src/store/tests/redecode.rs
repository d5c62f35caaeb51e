//! Requests that are read again.

use super::*;
use crate::event::{Field, IdKind, Identifier, Kind};
use crate::servers::Servers;
use crate::store::{Filter, Redecoded, StoreError, redecode};

fn said(value: &str, kind: Kind, decoder: &str) -> Event {
    Event {
        event: Some(value.to_owned()),
        kinds: vec![Kind::Identifier, kind],
        fields: vec![Field { path: "p".into(), value: value.into(), kind }],
        ids: vec![Identifier { kind: IdKind::Oaid, value: value.into(), path: "p".into() }],
        decoder: Some(decoder.to_owned()),
        ..decoded()
    }
}

/// What the body says, as `test/2` reads it.
fn whole() -> Vec<Event> {
    ["one", "two", "three"].iter().map(|value| said(value, Kind::Search, "test/2")).collect()
}

/// Reads the first event of a body, and takes it for something else.
fn old(facts: Option<&FlowFacts>, time: Option<i64>, request: &Request) -> Vec<Event> {
    let mut events = decode(facts, time, request);
    events.truncate(1);
    for event in &mut events {
        let old = said("mistaken", Kind::Other, "test/1");
        event.kinds = old.kinds;
        event.event = old.event;
        event.fields = old.fields;
        event.ids = old.ids;
        event.decoder = old.decoder;
    }
    events
}

/// A database as this decoder writes it, with nobody at it any more.
fn written(decode: crate::store::Decode) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muzzle.db");
    let writer = Writer::open_with(Config::new(&path), Hooks { decode, ..hooks() }).unwrap();
    for record in flow(1, NOW, &whole()).into_iter().chain(flow(2, NOW + 9, &[decoded()])) {
        writer.sender().send(record);
    }
    writer.sender().send(Record::Blocked(facts(3, "com.miui.home", "t.example", Verdict::Block)));
    writer.close().unwrap();
    (dir, path)
}

fn events(path: &std::path::Path) -> Vec<Event> {
    Reader::open(path).unwrap().events(&Filter::default()).unwrap()
}

fn again(path: &std::path::Path, decode: crate::store::Decode) -> Redecoded {
    let mut told = Vec::new();
    let done =
        redecode(path, decode, &Servers::default(), &mut |done, total| told.push((done, total)))
            .unwrap();
    assert_eq!(told.last(), Some(&(done.requests, 2)));
    done
}

/// The sums of two databases are the same, in whatever order.
fn same_sums(one: &std::path::Path, other: &std::path::Path) {
    let sums = |path: &std::path::Path| {
        let reader = Reader::open(path).unwrap();
        let mut stats = reader.stats(None, None).unwrap();
        stats.kinds.sort_by_key(|one| one.kind);
        let mut ids = reader.identifiers().unwrap();
        ids.sort_by(|a, b| a.value.cmp(&b.value));
        (stats, ids)
    };
    assert_eq!(sums(one), sums(other));
}

#[test]
fn an_event_that_reads_otherwise_now_changes_in_its_place_and_names_its_old_decoder() {
    let (_dir, path) = written(old);
    let (_other, wanted) = written(decode);
    let before = events(&path);
    assert_eq!(before[0].event.as_deref(), Some("mistaken"));
    let done = again(&path, decode);
    assert_eq!(done, Redecoded { requests: 2, changed: 2, not_kept: 0, servers: 0 });
    let found = events(&path);
    let ids: Vec<_> = found.iter().map(|event| event.id.unwrap()).collect();
    // Two more events than before stand behind the others.
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    let names: Vec<_> = found.iter().map(|event| event.event.as_deref()).collect();
    assert_eq!(names, [Some("one"), None, None, Some("two"), Some("three")]);
    for event in [&found[0], &found[3], &found[4]] {
        assert_eq!(event.decoder.as_deref(), Some("test/2"));
        assert_eq!(event.decoder_before.as_deref(), Some("test/1"));
        let kept = (&event.time, &event.app, &event.server, &event.reason, &event.payload);
        let first = &before[0];
        assert_eq!(kept, (&first.time, &first.app, &first.server, &first.reason, &first.payload));
    }
    assert_eq!((&found[2].decoder_before, &found[2]), (&None, &before[2]), "it was never decoded");
    same_sums(&path, &wanted);
    assert_eq!(Reader::open(&path).unwrap().check(), Ok(()));
    let unchanged = Redecoded { requests: 2, changed: 0, not_kept: 0, servers: 0 };
    assert_eq!((again(&path, decode), events(&path)), (unchanged, found));
}

#[test]
fn an_event_that_is_none_any_more_goes() {
    let (_dir, path) = written(decode);
    let (_other, wanted) = written(old);
    again(&path, old);
    let ids: Vec<_> = events(&path).iter().map(|event| event.id.unwrap()).collect();
    assert_eq!(ids, [1, 4, 5]);
    same_sums(&path, &wanted);
}

#[test]
fn what_a_decoder_panics_at_and_what_was_not_kept_stays() {
    fn panics(_: Option<&FlowFacts>, _: Option<i64>, _: &Request) -> Vec<Event> {
        panic!("as told")
    }
    let (_dir, path) = written(decode);
    let before = events(&path);
    assert_eq!(
        again(&path, panics),
        Redecoded { requests: 2, changed: 0, not_kept: 0, servers: 0 }
    );
    assert_eq!(events(&path), before);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE payloads SET data = NULL", []).unwrap();
    drop(db);
    assert_eq!(again(&path, old), Redecoded { requests: 2, changed: 0, not_kept: 2, servers: 0 });
    let names = |events: &[Event]| events.iter().map(|e| e.event.clone()).collect::<Vec<_>>();
    assert_eq!(names(&events(&path)), names(&before));
}

#[test]
fn a_request_that_nothing_could_read_is_read_by_todays_decoders() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muzzle.db");
    let none = Hooks { decode: |_, _, _| Vec::new(), ..hooks() };
    let writer = Writer::open_with(Config::new(&path), none).unwrap();
    let body = include_bytes!("../../../tests/data/sensors/web-plain.body").to_vec();
    let form = "application/x-www-form-urlencoded".to_owned();
    let request = Request {
        method: "POST".to_owned(),
        target: "/sa?project=default".to_owned(),
        headers: vec![("Content-Type".to_owned(), form)],
        body_size: body.len() as u64,
        body,
        cut: false,
    };
    let facts = facts(1, "com.read", "sa.example", Verdict::Record);
    for record in [
        Record::Opened(facts.into()),
        Record::Request { flow: FlowId(1), time_ms: NOW, request: request.into() },
    ] {
        writer.sender().send(record);
    }
    writer.close().unwrap();
    assert_eq!(events(&path)[0].state, State::Undecodable);
    let done = redecode(&path, crate::decode::events, &Servers::default(), &mut |_, _| {}).unwrap();
    assert_eq!(done.changed, 1);
    let event = &events(&path)[0];
    assert_eq!((event.state, event.id), (State::Decoded, Some(1)));
    assert!(event.kinds.contains(&Kind::VisitedPage), "{event:?}");
    assert_eq!(event.decoder_before.as_deref(), Some("none"));
}

#[test]
fn a_database_of_schema_1_is_brought_up_and_what_reads_the_same_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v1.db");
    std::fs::copy("tests/data/db/v1.db", &path).unwrap();
    let before = events(&path);
    assert_eq!(again(&path, decode).changed, 0);
    assert_eq!(events(&path), before);
    again(&path, old);
    let changed: Vec<_> =
        events(&path).into_iter().filter(|event| event.decoder_before.is_some()).collect();
    assert_eq!(changed.len(), 2);
    assert!(changed.iter().all(|event| event.decoder_before.as_deref() == Some("sensors/1")));
}

#[test]
fn a_database_that_is_written_to_is_left_alone() {
    let (store, known) = (Fixture::new(), Servers::default());
    assert_eq!(redecode(&store.path(), decode, &known, &mut |_, _| {}), Err(StoreError::Locked));
    let none = store.dir.path().join("none.db");
    assert_eq!(redecode(&none, decode, &known, &mut |_, _| {}), Err(StoreError::Missing));
    assert!(!none.exists());
}

/// A database whose events were written while nothing, or something else, was known of servers.
fn servers_of(known: &Servers, facts: &[(&str, u64)], path: &std::path::Path) {
    let config = Config { servers: known.clone(), ..Config::new(path) };
    let writer = Writer::open_with(config, hooks()).unwrap();
    for (addr, flow) in facts {
        let mut record = super::facts(*flow, "com.read", "sa.example", Verdict::Block);
        record.server = Some(format!("{addr}:443").parse().unwrap());
        writer.sender().send(Record::Blocked(record));
    }
    writer.close().unwrap();
}

#[test]
fn country_and_operator_of_stored_servers_are_those_of_todays_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muzzle.db");
    let (alibaba, private) = ("47.88.0.1", "192.168.1.1");
    servers_of(&Servers::default(), &[(alibaba, 1), (private, 2)], &path);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE servers SET country = 'XX' WHERE addr = ?1", [private]).unwrap();
    drop(db);
    // The same server, of which all is known: told apart from the one before.
    servers_of(&Servers::builtin(), &[(alibaba, 3), ("8.8.8.8", 4)], &path);
    let told = |path: &std::path::Path| -> Vec<_> {
        let server = |event: Event| event.server.map(|s| (s.addr.to_string(), s.country, s.asn));
        events(path).into_iter().map(server).collect()
    };
    let before = told(&path);
    assert_eq!(
        (&before[0], before[0] == before[2]),
        (&Some((alibaba.to_owned(), None, None)), false)
    );
    let again = || redecode(&path, decode, &Servers::builtin(), &mut |_, _| {}).unwrap();
    assert_eq!(again(), Redecoded { requests: 0, changed: 0, not_kept: 0, servers: 1 });
    let after = told(&path);
    assert_eq!(after[0], before[2]);
    assert!(after[0].as_ref().is_some_and(|(_, country, asn)| country.is_some() && asn.is_some()));
    assert_eq!(after[1..], before[1..], "what is not known stays");
    let db = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM servers"), 3);
    assert_eq!(count("SELECT count(DISTINCT server) FROM events"), 3);
    assert_eq!(again(), Redecoded::default());
    assert_eq!(told(&path), after);
}

#[test]
fn a_server_that_moved_is_told_at_its_new_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muzzle.db");
    servers_of(&Servers::builtin(), &[("8.8.8.8", 1)], &path);
    let wanted = events(&path)[0].server.clone();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE servers SET country = 'XX', asn = 1, operator = 'before'", []).unwrap();
    drop(db);
    let done = redecode(&path, decode, &Servers::builtin(), &mut |_, _| {}).unwrap();
    assert_eq!((done.servers, events(&path)[0].server.clone()), (1, wanted));
}
