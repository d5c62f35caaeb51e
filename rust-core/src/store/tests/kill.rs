//! A writer that is killed at any moment leaves a sound database with all that it had committed.

use super::*;
use crate::store::Filter;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Names the database to the child process.
const VARIABLE: &str = "MUZZLE_TEST_KILL_DB";
/// Sets another number of kills, for a soak by hand.
const KILLS: &str = "MUZZLE_TEST_KILLS";

/// What the child runs under where an emulator runs this test: a command and its arguments.
const EMULATOR: &str = "MUZZLE_TEST_EMULATOR";

/// The child's part: writes until it is killed, telling how many events are committed. Without
/// the variable, as in a plain run, it writes a few and checks its own count.
#[test]
fn a_loop_of_writes_tells_what_is_committed() {
    let told = std::env::var_os(VARIABLE);
    let dir = tempfile::tempdir().unwrap();
    let path = told.as_ref().map_or_else(|| dir.path().join("own.db"), PathBuf::from);
    let rounds = if told.is_some() { u64::MAX } else { 3 };
    let writer = Writer::open_with(Config::new(&path), hooks()).unwrap();
    let sender = writer.sender();
    let reader = Reader::open(&path).unwrap();
    let start = reader.count(&Filter::default()).unwrap();
    for round in 0..rounds {
        for n in 0..10 {
            for record in flow(n, NOW, &[decoded(), decoded()]) {
                assert!(sender.send(record));
            }
        }
        writer.flush().unwrap();
        let committed = start + (round + 1) * 20;
        // Written past the harness, which would hold printed lines back.
        let line = format!("\ncommitted {committed}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(reader.count(&Filter::default()), Ok(start + rounds * 20));
}

fn spawn(path: &Path) -> Child {
    let emulator = std::env::var(EMULATOR).unwrap_or_default();
    let mut words: Vec<_> = emulator.split_whitespace().map(PathBuf::from).collect();
    words.push(std::env::current_exe().unwrap());
    Command::new(&words[0])
        .args(&words[1..])
        .args(["--exact", "store::tests::kill::a_loop_of_writes_tells_what_is_committed"])
        .arg("--nocapture")
        .env(VARIABLE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn fifty_kills_lose_no_committed_event_and_damage_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("muzzle.db");
    let mut before = 0;
    let rounds = std::env::var(KILLS).map_or(50, |text| text.parse().unwrap());
    for round in 0..rounds {
        let mut child = spawn(&path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = before;
        let mut read = |told: &mut u64| {
            for line in &mut lines {
                if let Some(count) = line.unwrap().strip_prefix("committed ") {
                    *told = count.parse().unwrap();
                    return;
                }
            }
        };
        if round % 5 > 0 {
            read(&mut told);
        }
        // Some kills hit the opening, the others a place in the loop.
        std::thread::sleep(Duration::from_micros(round * 7919 % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        loop {
            let last = told;
            read(&mut told);
            if told == last {
                break;
            }
        }
        if !path.exists() {
            continue;
        }
        let Ok(reader) = Reader::open(&path) else {
            // Killed before the schema was there: the next writer makes it.
            assert_eq!(told, 0);
            continue;
        };
        reader.check().unwrap();
        let count = reader.count(&Filter::default()).unwrap();
        assert!(count >= told && told >= before, "{count} of {told}, {before} before");
        before = count;
    }
    assert!(before > 100, "{before} events");
}
