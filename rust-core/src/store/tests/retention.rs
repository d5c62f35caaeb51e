//! What goes and what stays.

use super::*;
use crate::event::{Field, IdKind, Identifier, Kind};
use crate::store::Filter;
use rusqlite::Connection;

fn rows(path: &std::path::Path, table: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
}

/// An event with a field and an identifier of this value.
fn event(value: &str) -> Event {
    Event {
        kinds: vec![Kind::Identifier],
        fields: vec![Field { path: "p".into(), value: value.into(), kind: Kind::Identifier }],
        ids: vec![Identifier { kind: IdKind::Oaid, value: value.into(), path: "p".into() }],
        ..decoded()
    }
}

/// Opens the store again, `days` later.
fn later(store: Fixture, now_ms: fn() -> i64, days: u32) -> Fixture {
    let Fixture { dir, writer, .. } = store;
    writer.close().unwrap();
    let mut config = Config::new(dir.path().join("muzzle.db"));
    config.retention_days = days;
    let writer = Writer::open_with(config, Hooks { decode, now_ms }).unwrap();
    writer.flush().unwrap();
    let sender = writer.sender();
    Fixture { dir, writer, sender }
}

#[test]
fn old_events_go_with_all_that_hangs_on_them_and_counters_stay() {
    let store = Fixture::new();
    store.send(flow(1, NOW - 3 * DAY, &[event("old"), event("both")]));
    store.send(flow(2, NOW, &[event("both")]));
    let store = later(store, || NOW + 5 * DAY, 7);
    let found = store.reader().events(&Filter::default()).unwrap();
    assert_eq!(found.iter().map(|e| e.id.unwrap()).collect::<Vec<_>>(), [3]);
    for (table, count) in [
        ("events", 1),
        ("fields", 1),
        ("identifier_events", 1),
        ("identifiers", 1),
        ("identifier_apps", 1),
        ("requests", 1),
        ("payloads", 1),
        ("flows", 1),
        ("counters", 2),
        ("hosts", 1),
    ] {
        assert_eq!(rows(&store.path(), table), count, "{table}");
    }
    let first = store.reader().identifiers().unwrap()[0].first.0;
    assert_eq!(first, NOW - 3 * DAY, "one that recurs keeps its first sighting");
}

#[test]
fn zero_days_keep_events_for_ever() {
    let store = Fixture::new();
    store.send(flow(1, NOW, &[event("a")]));
    let store = later(store, || NOW + 5000 * DAY, 0);
    assert_eq!(rows(&store.path(), "events"), 1);
}

#[test]
fn counters_and_names_go_after_a_year() {
    let store = Fixture::new();
    store.send(flow(1, NOW, &[event("a")]));
    let store = later(store, || NOW + 367 * DAY, 7);
    for table in
        ["events", "counters", "kind_counters", "hosts", "apps", "rules", "servers", "identifiers"]
    {
        assert_eq!(rows(&store.path(), table), 0, "{table}");
    }
}

#[test]
fn above_the_size_the_oldest_go_and_the_file_shrinks() {
    let store = Fixture::new();
    let large = Event {
        fields: vec![Field {
            path: "p".into(),
            value: "x".repeat(10_000).into(),
            kind: Kind::Other,
        }],
        ..decoded()
    };
    for n in 0..300 {
        store.send(flow(n, NOW, std::slice::from_ref(&large)));
    }
    let Fixture { dir, writer, .. } = store;
    writer.close().unwrap();
    let path = dir.path().join("muzzle.db");
    let before = std::fs::metadata(&path).unwrap().len();
    let config = Config { max_bytes: 1_000_000, ..Config::new(&path) };
    let writer = Writer::open_with(config, hooks()).unwrap();
    let sender = writer.sender();
    let store = Fixture { dir, writer, sender };
    store.writer.flush().unwrap();
    let left = store.reader().events(&Filter::default()).unwrap();
    assert!((30..100).contains(&left.len()), "{} left", left.len());
    assert_eq!(left.last().unwrap().id, Some(300), "the newest stay");
    assert_eq!(left[0].id, Some(301 - left.len() as i64));
    store.writer.close().unwrap();
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after < 1_000_000 && before > 3_000_000, "{before} to {after}");
}

#[test]
fn a_wipe_leaves_nothing_and_an_open_flow_goes_on() {
    let store = Fixture::new();
    let needle = "very-private-value";
    store.send([Record::Opened(facts(1, "a", "secret.example", Verdict::Record).into())]);
    store.send([request(1, NOW, &[event(needle)])]);
    store.writer.wipe().unwrap();
    for file in std::fs::read_dir(store.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for text in [needle, "secret.example"] {
            assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()));
        }
    }
    let stats = store.reader().stats(None, None).unwrap();
    assert_eq!(stats, crate::store::Stats::default());
    store.send([
        request(1, NOW, &[event("next")]),
        Record::Closed { flow: FlowId(1), time_ms: NOW, up: 5, down: 6 },
    ]);
    let found = store.reader().events(&Filter::default()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, Some(2), "whoever follows by id misses nothing");
    assert_eq!(found[0].host.as_deref(), Some("secret.example"));
    assert_eq!(found[0].bytes.unwrap().up, 5);
}
