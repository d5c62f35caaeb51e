//! The store under a writer that is killed.

use muzzle::event::{FlowFacts, FlowId, Reason, ReasonCode, Record, Transport, Verdict};
use muzzle::store::{Config, Filter, Reader, Writer};
use std::path::{Path, PathBuf};

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("events.db")
}

/// Writes events without end, and says after each commit how many there are.
pub(crate) fn write(folder: &Path) -> String {
    let writer = Writer::open(Config::new(path(folder))).unwrap();
    let sender = writer.sender();
    let before = Reader::open(&path(folder)).unwrap().count(&Filter::default()).unwrap();
    for flow in 0.. {
        assert!(sender.send(Record::Blocked(facts(flow))), "the queue is full");
        if flow % 7 == 6 {
            writer.flush().unwrap();
            println!("committed {}", before + flow + 1);
        }
    }
    unreachable!()
}

/// Reads everything that was written, and the whole file for faults.
pub(crate) fn check(folder: &Path) -> String {
    let reader = Reader::open(&path(folder)).unwrap();
    reader.check().unwrap();
    let count = reader.count(&Filter::default()).unwrap();
    let page = reader.events(&Filter::default()).unwrap();
    assert!(page.iter().all(|event| event.host.as_deref() == Some("tracking.example")));
    assert!(!page.is_empty());
    // A store that was killed opens for writing again, too.
    Writer::open(Config::new(path(folder))).unwrap().close().unwrap();
    format!("{count} events")
}

fn facts(flow: u64) -> FlowFacts {
    FlowFacts {
        flow: FlowId(flow),
        time_ms: now_ms(),
        uid: Some(10101),
        package: Some("com.example".to_owned()),
        host: Some("tracking.example".to_owned()),
        ech: false,
        server: None,
        port: 443,
        transport: Transport::Tls,
        verdict: Verdict::Block,
        reason: Reason { code: ReasonCode::ListedHost, rule: None, list: None },
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}
