//! The copy of the database, as other programs find it.

use super::*;
use crate::event::{ReasonCode, Time};
use crate::store::tests::DAY;
use crate::store::{CopyError, Gap};
use rusqlite::Connection;

fn exported(store: &Fixture, order: &Order<'_>) -> (u64, PathBuf) {
    let path = store.dir.path().join("copy.db");
    let count = to_file(&store.reader(), order, &path, &mut |_| true).unwrap();
    (count, path)
}

/// Sound, in one file, and ours.
fn check(path: &Path) {
    let db = Connection::open(path).unwrap();
    let text = |sql: &str| -> String { db.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    assert_eq!(text("PRAGMA journal_mode"), "delete");
    assert_eq!(text("SELECT printf('%x', application_id) FROM pragma_application_id"), "4d757a6c");
    drop(db);
    for beside in ["-wal", "-shm", "-journal"] {
        let name = format!("{}{beside}", path.display());
        assert!(!Path::new(&name).exists(), "{name}");
    }
}

fn events(path: &Path) -> Vec<Event> {
    Reader::open(path).unwrap().events(&Filter::default()).unwrap()
}

fn holds(path: &Path, text: &str) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_whole_copy_is_read_back_as_the_same_events_and_sums() {
    let store = store();
    let filter = Filter::default();
    let (count, path) = exported(&store, &plain(&filter, Format::Sqlite));
    check(&path);
    assert_eq!((count, events(&path)), (3, store.reader().events(&filter).unwrap()));
    let copy = Reader::open(&path).unwrap();
    assert_eq!(copy.stats(None, None), store.reader().stats(None, None));
    assert_eq!(copy.request(1), store.reader().request(1));
    assert!(copy.request(1).unwrap().is_some());
    let streamed = written(&store, Format::Sqlite, &filter);
    assert!(streamed.starts_with(b"SQLite format 3\0"));
    assert_eq!(streamed.len() as u64, std::fs::metadata(&path).unwrap().len());
}

#[test]
fn a_copy_holds_what_was_committed_and_nothing_that_was_deleted() {
    let store = Fixture::new();
    let said = |text: &str| {
        [Event { fields: vec![field("p", &text.repeat(50), Kind::Search)], ..decoded() }]
    };
    for number in 0..40 {
        store.send(flow(number, NOW - 30 * DAY, &said("thrown-away")));
    }
    store.send(flow(50, NOW, &said("kept-until-now")));
    store.writer.keep(7, 0).unwrap();
    let filter = Filter::default();
    let (count, path) = exported(&store, &plain(&filter, Format::Sqlite));
    check(&path);
    assert_eq!(count, 1);
    assert!(holds(&path, "kept-until-now"));
    assert!(!holds(&path, "thrown-away"));
}

#[test]
fn a_copy_of_a_part_holds_that_part_and_sums_over_it() {
    let store = store();
    store.send(flow(9, NOW + DAY, &[decoded(), decoded()]));
    let gap = Gap { start: Time(NOW), end: Some(Time(NOW + 5)), reason: "killed".to_owned() };
    store.writer.gap(gap.clone()).unwrap();
    let filter = Filter { until: Some(Time(NOW + DAY)), ..Filter::default() };
    let filter = Filter { verdict: Some(Verdict::Record), ..filter };
    let (count, path) = exported(&store, &plain(&filter, Format::Sqlite));
    check(&path);
    assert_eq!((count, events(&path)), (2, store.reader().events(&filter).unwrap()));
    let copy = Reader::open(&path).unwrap();
    assert_eq!(copy.request(2), store.reader().request(2));
    let stats = copy.stats(None, None).unwrap();
    let [day] = &stats.days[..] else { panic!("one day: {stats:?}") };
    assert_eq!((day.flows, day.events, day.up, day.down), (1, 2, 812, 96));
    assert_eq!(stats.gaps, [gap]);
    assert_eq!(copy.identifiers().unwrap().len(), 1);
    assert!(!holds(&path, "t.example"), "the host of the event that does not fit");
}

#[test]
fn a_redacted_copy_says_what_redacted_lines_say_and_keeps_no_request() {
    let store = store();
    let filter = Filter::default();
    let redaction = Redaction::new().unwrap();
    let order = Order { redaction: Some(&redaction), ..plain(&filter, Format::Sqlite) };
    let (count, path) = exported(&store, &order);
    check(&path);
    let wanted: Vec<Event> = store
        .reader()
        .events(&filter)
        .unwrap()
        .into_iter()
        .map(|event| redaction.event(event))
        .map(|event| {
            let payload =
                event.payload.clone().map(|p| crate::event::Payload { stored: false, ..p });
            Event { payload, ..event }
        })
        .collect();
    assert_eq!((count, events(&path)), (3, wanted));
    for said in [
        "a.example",
        "sa.example",
        "t.example",
        "HYPERLINK",
        "9774d56d",
        "globalbrowser",
        "/sa?project",
    ] {
        assert!(!holds(&path, said), "{said}");
    }
    let request = Reader::open(&path).unwrap().request(1).unwrap().unwrap();
    assert_eq!((request.body.len(), &*request.target, request.headers.len()), (0, "", 0));
    assert!(request.body_size > 0);
}

#[test]
fn no_table_of_the_store_is_forgotten_by_a_copy_of_a_part() {
    let store = store();
    let gap = Gap { start: Time(NOW), end: None, reason: "killed".to_owned() };
    store.writer.gap(gap).unwrap();
    let filled = |path: &Path| -> Vec<String> {
        let db = Connection::open(path).unwrap();
        let tables =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let tables: Vec<String> = db
            .prepare(tables)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let has_rows = |table: &String| -> bool {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {table})");
            db.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        // Versions of lists and lost records are facts of the store, not of its events.
        tables.into_iter().filter(|table| table != "meta" && has_rows(table)).collect()
    };
    let filter = Filter { since: Some(Time(0)), ..Filter::default() };
    let (_, path) = exported(&store, &plain(&filter, Format::Sqlite));
    let wanted = filled(&store.path());
    assert_eq!(wanted.len(), 16);
    assert_eq!(filled(&path), wanted);
}

#[test]
fn a_copy_that_is_stopped_or_finds_no_room_leaves_nothing() {
    let store = store();
    let path = store.dir.path().join("copy.db");
    let filters =
        [Filter::default(), Filter { verdict: Some(Verdict::Record), ..Filter::default() }];
    for filter in &filters {
        let order = plain(filter, Format::Sqlite);
        let stopped = to_file(&store.reader(), &order, &path, &mut |_| false);
        assert!(matches!(stopped, Err(ExportError::Cancelled)), "{stopped:?}");
        let left: Vec<_> = names(&store).into_iter().filter(|n| n.contains("copy")).collect();
        assert_eq!(left, [""; 0]);
    }
    let no = store.dir.path().join("none/copy.db");
    let failed = store.reader().copy_all(&no, &mut |_, _| true);
    assert_eq!(failed, Err(CopyError::Write(StoreError::CannotOpen)));
}

#[test]
fn a_large_store_is_copied_step_by_step_beside_its_writer() {
    let store = Fixture::new();
    let text = "0123456789".repeat(100);
    let reason = |n: u64| crate::event::Reason {
        code: ReasonCode::HostOverride,
        rule: Some(format!("{n}{text}")),
        list: None,
    };
    let blocked = |n: u64| {
        let facts = facts(n, "com.miui.home", "t.example", Verdict::Block);
        Record::Blocked(crate::event::FlowFacts { reason: reason(n), ..facts })
    };
    for n in 0..1500 {
        store.sender.send(blocked(n));
        if n % 250 == 0 {
            store.writer.flush().unwrap();
        }
    }
    store.writer.flush().unwrap();
    let path = store.dir.path().join("copy.db");
    let mut asked = 0;
    let copied = store.reader().copy_all(&path, &mut |done, pages| {
        assert!(done <= pages);
        asked += 1;
        // The copy is of the moment at which it began.
        store.send([blocked(10_000 + asked)]);
        true
    });
    assert_eq!(copied, Ok(()));
    assert!(asked > 1, "{asked}");
    check(&path);
    assert_eq!(events(&path).len(), 1500);
    let stopped = store.reader().copy_all(&store.dir.path().join("other.db"), &mut |_, _| false);
    assert_eq!(stopped, Err(CopyError::Stopped));
}
