//! Wrong files, damaged files, files that others hold, disks that are full.

use super::*;
use crate::limits::STORE_QUEUE;
use crate::store::{Filter, StoreError, StoreState};
use rusqlite::Connection;
use std::path::Path;

fn open_writer(path: &Path) -> Result<(), StoreError> {
    Writer::open(Config::new(path)).map(|_| ())
}

fn open_reader(path: &Path) -> Result<(), StoreError> {
    Reader::open(path).map(|_| ())
}

#[test]
fn a_missing_file_is_an_error_for_a_reader_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.db");
    assert_eq!(open_reader(&path), Err(StoreError::Missing));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(open_writer(&dir.path().join("no/folder.db")), Err(StoreError::CannotOpen));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "These are notes. ".repeat(1000);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(open_writer(&path), Err(StoreError::NotADatabase));
    assert_eq!(open_reader(&path), Err(StoreError::NotADatabase));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(open_writer(&path), Err(StoreError::Foreign));
    assert_eq!(open_reader(&path), Err(StoreError::Foreign));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused() {
    let store = Fixture::new();
    let path = store.path();
    store.writer.close().unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let newer = StoreError::Newer { found: 9, known: crate::store::SCHEMA };
    assert_eq!(open_writer(&path), Err(newer));
    assert_eq!(open_reader(&path), Err(newer));
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let store = Fixture::new();
    assert_eq!(open_writer(&store.path()), Err(StoreError::Locked));
    let path = store.path();
    store.writer.close().unwrap();
    assert_eq!(open_writer(&path), Ok(()));
}

#[test]
fn a_file_that_another_program_holds_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muzzle.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(open_writer(&path), Err(StoreError::Locked));
}

#[test]
fn a_batch_that_meets_a_lock_is_counted_and_the_next_one_is_written() {
    let store = Fixture::new();
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.send(flow(1, NOW, &[decoded()]));
    assert_eq!((store.sender.state(), store.sender.dropped()), (StoreState::Locked, 3));
    other.execute_batch("ROLLBACK").unwrap();
    store.send(flow(2, NOW, &[decoded()]));
    assert_eq!((store.sender.state(), store.sender.dropped()), (StoreState::Good, 3));
    assert_eq!(store.reader().drops(), Ok(3), "the count is in the file too");
}

#[test]
fn a_full_disk_loses_nothing_committed_and_the_writer_goes_on() {
    let store = Fixture::new();
    store.send(flow(1, NOW, &[decoded()]));
    store.send([Record::Opened(facts(2, "a", "h.example", Verdict::Record).into())]);
    store.writer.sql("PRAGMA max_page_count = 1").unwrap();
    let large = Event { event: Some("x".repeat(1_000_000)), ..decoded() };
    store.send([request(2, NOW, &[large])]);
    assert_eq!((store.sender.state(), store.sender.dropped()), (StoreState::Full, 1));
    assert_eq!(store.reader().max_id(), Ok(1));
    store.writer.sql("PRAGMA max_page_count = 1000000").unwrap();
    // The flow's row went with the failed transaction; its next event makes it anew.
    store.send([
        request(2, NOW, &[decoded()]),
        Record::Closed { flow: FlowId(2), time_ms: NOW, up: 1, down: 2 },
    ]);
    assert_eq!(store.sender.state(), StoreState::Good);
    let found = store.reader().events(&Filter::default()).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].host.as_deref(), Some("h.example"));
    assert_eq!(found[1].bytes.unwrap().down, 2);
    assert_eq!(store.reader().check(), Ok(()));
}

#[test]
fn a_read_only_database_is_a_state_and_the_writer_goes_on() {
    let store = Fixture::new();
    store.writer.sql("PRAGMA query_only = 1").unwrap();
    store.send(flow(1, NOW, &[decoded()]));
    assert_eq!((store.sender.state(), store.sender.dropped()), (StoreState::ReadOnly, 3));
    store.writer.sql("PRAGMA query_only = 0").unwrap();
    store.send(flow(2, NOW, &[decoded()]));
    assert_eq!(store.sender.state(), StoreState::Good);
    assert_eq!(store.reader().max_id(), Ok(1));
}

#[test]
fn what_does_not_fit_the_queue_is_counted_and_the_count_stored() {
    let store = Fixture::new();
    let other = Connection::open(store.path()).unwrap();
    // While another one holds the file the writer waits, and the queue fills.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let blocked = Record::Blocked(facts(1, "a", "h.example", Verdict::Block));
    let total = STORE_QUEUE as u64 + 500;
    let sent = (0..total).filter(|_| store.sender.send(blocked.clone())).count() as u64;
    other.execute_batch("ROLLBACK").unwrap();
    store.writer.flush().unwrap();
    assert!(sent < total);
    let dropped = store.sender.dropped();
    assert!(dropped >= total - sent);
    assert_eq!(store.reader().count(&Filter::default()), Ok(total - dropped));
    let path = store.path();
    let summary = store.writer.close().unwrap();
    assert_eq!((summary.records, summary.dropped), (total - dropped, dropped));
    assert_eq!(Reader::open(&path).unwrap().drops(), Ok(dropped));
}

#[test]
fn flipped_bytes_are_an_error_and_never_a_panic() {
    let store = Fixture::new();
    for n in 0..40 {
        store.send(flow(n, NOW, &[decoded(), decoded()]));
    }
    let path = store.path();
    store.writer.close().unwrap();
    let sound = std::fs::read(&path).unwrap();
    let (mut found, mut seed) = (0, 1_u32);
    for _ in 0..150 {
        let mut bytes = sound.clone();
        for _ in 0..20 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = seed as usize % bytes.len();
            bytes[at] ^= 0xff;
        }
        std::fs::write(&path, &bytes).unwrap();
        let read = Reader::open(&path).and_then(|reader| {
            reader.events(&Filter::default())?;
            reader.stats(None, None)?;
            reader.identifiers()?;
            reader.check()
        });
        if read.is_err() {
            found += 1;
        }
        if let Ok(writer) = Writer::open_with(Config::new(&path), hooks()) {
            for record in flow(1, NOW, &[decoded()]) {
                writer.sender().send(record);
            }
            let _ = writer.close();
        }
    }
    assert!(found > 100, "{found} of 150 were noticed");
}

#[test]
fn a_damaged_page_of_tables_is_named_corrupt() {
    let store = Fixture::new();
    store.send(flow(1, NOW, &[decoded()]));
    let path = store.path();
    store.writer.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..1000].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(open_writer(&path), Err(StoreError::Corrupt));
    assert_eq!(open_reader(&path), Err(StoreError::Corrupt));
}

#[test]
fn a_database_of_schema_1_is_read_and_written_by_todays_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v1.db");
    std::fs::copy("tests/data/db/v1.db", &path).unwrap();
    let expected = std::fs::read_to_string("tests/data/db/v1.jsonl").unwrap();
    let written: String = Reader::open(&path)
        .unwrap()
        .events(&Filter::default())
        .unwrap()
        .iter()
        .map(|event| serde_json::to_string(event).unwrap() + "\n")
        .collect();
    assert_eq!(written, expected);
    let config = Config { retention_days: 0, ..Config::new(&path) };
    let writer = Writer::open_with(config, hooks()).unwrap();
    for record in flow(1, NOW, &[decoded()]) {
        writer.sender().send(record);
    }
    writer.close().unwrap();
    let count = Reader::open(&path).unwrap().count(&Filter::default()).unwrap();
    assert_eq!(count, expected.lines().count() as u64 + 1);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let store = Fixture::new();
    store.send(flow(1, NOW, &[decoded()]));
    let files: Vec<_> = std::fs::read_dir(store.dir.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 4, "database, log, shared memory, lock");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
