//! The bridge without a JVM: an app that speaks JSON, and a pair of sockets in place of a TUN.

mod lists;

use super::*;
use crate::event::{FlowId, Record, Transport, Verdict};
use crate::http::Request;
use crate::signatures::HostTable;
use crate::store::tests as fixtures;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;

const WITHIN: Duration = Duration::from_secs(20);
const ATTACH: &str = r#"{"v":1,"reach":"light","resolvers":["127.0.0.1:9"]}"#;

struct App(mpsc::Sender<Code>);

impl Upcalls for App {
    fn connection_owner(&self, _: &FiveTuple) -> Option<u32> {
        None
    }

    fn protect(&self, _: BorrowedFd<'_>) -> bool {
        false
    }

    fn ended(&self, code: Code) {
        let _ = self.0.send(code);
    }
}

struct Opened {
    core: Arc<Core>,
    ended: mpsc::Receiver<Code>,
    folder: tempfile::TempDir,
}

fn opened() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let (sender, ended) = mpsc::channel();
    let core = Core::start(&config(&folder, ""), Arc::new(App(sender))).unwrap();
    Opened { core: Arc::new(core), ended, folder }
}

fn config(folder: &tempfile::TempDir, more: &str) -> String {
    let db = folder.path().join("muzzle.db");
    let (db, cache) = (db.display(), folder.path().display());
    format!(r#"{{"v":1,"db":"{db}","cache":"{cache}","api":34,"retention_days":0{more}}}"#)
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> Code {
    outcome.unwrap_err().code
}

fn json(outcome: Result<String, Fault>) -> Value {
    let value: Value = serde_json::from_str(&outcome.unwrap()).unwrap();
    assert_eq!(value["v"], 1);
    value
}

/// A request that names a page in plain JSON, as Sensors' web SDK sends it.
fn visited_page() -> Request {
    Request {
        method: "POST".to_owned(),
        target: "/sa?project=default".to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
        body: include_bytes!("../../tests/data/sensors/web-plain.body").to_vec(),
        body_size: 0,
        cut: false,
    }
}

impl Opened {
    fn attach(&self) -> UnixDatagram {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        self.core.attach(theirs.into(), ATTACH).unwrap();
        ours
    }

    /// Two stops of one app, and of another a request in plain text and a TLS flow.
    fn fill(&self) {
        let at = fixtures::NOW;
        let stopped = fixtures::facts(1, "com.stopped", "tracking.miui.com", Verdict::Block);
        let mut read = fixtures::facts(2, "com.read", "sa.api.intl.miui.com", Verdict::Record);
        read.uid = Some(10_200);
        let closed = crate::event::FlowFacts { flow: FlowId(3), ..read.clone() };
        let sender = self.core.service.store();
        for record in [
            Record::Blocked(stopped.clone()),
            Record::Blocked(stopped),
            Record::Opened(read.into()),
            Record::Request { flow: FlowId(2), time_ms: at + 5, request: visited_page().into() },
            Record::Opened(closed.into()),
            Record::Opaque { flow: FlowId(3), time_ms: at + 6, transport: Transport::Tls },
        ] {
            assert!(sender.send(record));
        }
        self.core.command(r#"{"v":1,"do":"flush"}"#).unwrap();
    }

    fn query(&self, rest: &str) -> Value {
        json(self.core.query(&format!(r#"{{"v":1,{rest}}}"#)))
    }

    fn export(&self, request: &str, progress: bool) -> (Result<String, Fault>, String) {
        let mut file = tempfile::tempfile_in(&self.folder).unwrap();
        let out = file.try_clone().unwrap();
        let outcome = self.core.export(out, request, &mut |_, _| progress);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (outcome, text)
    }
}

#[test]
fn screens_are_told_what_was_stopped_read_and_closed() {
    let app = opened();
    app.fill();
    let now = fixtures::NOW;
    let bounds = format!(r#""q":"chart","bounds":[{},{now},{}]"#, now - 1000, now + 1000);
    let bars = app.query(&bounds);
    assert_eq!(bars["bars"][0]["stopped"], 0);
    let today = &bars["bars"][1];
    assert_eq!((&today["stopped"], &today["readable"]), (&json!(2), &json!(1)));
    assert_eq!((&today["encrypted"], &today["answered"]), (&json!(1), &json!(0)));

    let apps = app.query(r#""q":"apps""#);
    assert_eq!(apps["apps"].as_array().unwrap().len(), 2);
    assert_eq!(apps["apps"][0]["package"], "com.stopped");
    assert_eq!(apps["apps"][0]["stopped"], 2);

    let kinds = app.query(r#""q":"kinds","package":"com.read""#);
    assert!(kinds["kinds"].to_string().contains("visited-page"), "{kinds}");

    let hosts = app.query(r#""q":"hosts","uid":10200"#);
    assert_eq!(hosts["hosts"][0]["host"], "sa.api.intl.miui.com");
    assert_eq!(hosts["hosts"][0]["server"]["addr"], "203.0.113.9");
    assert_eq!(hosts["hosts"][0]["decision"]["verdict"], "block");
    assert!(hosts["hosts"][0]["rule"]["owner"].as_str().unwrap().contains("Xiaomi"));

    let stops = app.query(r#""q":"stops","package":"com.stopped""#);
    assert_eq!(stops["stops"][0]["count"], 2);
    assert_eq!(stops["stops"][0]["rule"]["default"], "block");
    assert_eq!(stops["stops"].as_array().unwrap().len(), 1);

    let known = app.query(r#""q":"identifiers","package":"com.read""#);
    assert_eq!(known["identifiers"][0]["apps"][0]["uid"], 10_200);
    assert_eq!(app.query(r#""q":"identifiers","uid":1"#)["identifiers"], json!([]));
    let store = app.query(r#""q":"store""#);
    assert_eq!((&store["events"], &store["dropped"]), (&json!(4), &json!(0)));
}

#[test]
fn the_timeline_pages_both_ways_and_filters() {
    let app = opened();
    app.fill();
    let newest = app.query(r#""q":"events","limit":3"#);
    let ids = |page: &Value| -> Vec<i64> {
        page["rows"].as_array().unwrap().iter().map(|r| r["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(&newest), [4, 3, 2]);
    let page = format!(r#""q":"events","before_id":{}"#, newest["last"]);
    assert_eq!(ids(&app.query(&page)), [1]);
    assert_eq!(ids(&app.query(r#""q":"events","after_id":2"#)), [3, 4]);
    for (filter, expected) in [
        (r#"{"outcome":"stopped"}"#, &[2, 1][..]),
        (r#"{"outcome":"readable"}"#, &[3]),
        (r#"{"outcome":"encrypted"}"#, &[4]),
        (r#"{"outcome":"unread"}"#, &[]),
        (r#"{"kind":"visited-page"}"#, &[3]),
        (r#"{"uid":10200,"state":"encrypted"}"#, &[4]),
        (r#"{"host":"miui.com","verdict":"block"}"#, &[2, 1]),
        (r#"{"text":"TRACKING."}"#, &[2, 1]),
        (r#"{"text":"%"}"#, &[]),
        (r#"{"since":1795248000005}"#, &[4, 3]),
        (r#"{"until":1795248000005}"#, &[2, 1]),
    ] {
        let found = app.query(&format!(r#""q":"events","filter":{filter}"#));
        assert_eq!(ids(&found), expected, "{filter}");
    }
    let row = &app.query(r#""q":"events","filter":{"kind":"visited-page"}"#)["rows"][0];
    assert_eq!(row["kinds"][0], "visited-page");
    assert!(row["value"].as_str().unwrap().starts_with("http"), "{row}");
    let event = app.query(r#""q":"event","id":3"#);
    assert_eq!(event["event"]["protocol"], "sensors");
    assert!(app.query(r#""q":"event","id":9"#).get("event").is_none());
    let raw = app.query(r#""q":"raw","id":3"#);
    assert_eq!(raw["raw"]["method"], "POST");
    assert!(!raw["raw"]["body"].as_str().unwrap().is_empty());
    assert!(app.query(r#""q":"raw","id":1"#).get("raw").is_none());
}

#[test]
fn new_events_wake_who_waits_and_a_close_does_too() {
    let app = opened();
    let wait = |after| {
        let core = Arc::clone(&app.core);
        std::thread::spawn(move || core.next_events(after, 1000, WITHIN))
    };
    let waiting = wait(0);
    app.fill();
    let rows = json(waiting.join().unwrap());
    assert_eq!(rows["rows"][0]["package"], "com.stopped");
    let rest = json(app.core.next_events(0, 3, Duration::ZERO));
    assert_eq!(rest["last"], 3);
    let none = json(app.core.next_events(4, 1, Duration::from_millis(1)));
    assert_eq!((&none["rows"], &none["last"]), (&json!([]), &json!(4)));
    let waiting = wait(4);
    std::thread::sleep(Duration::from_millis(20));
    app.core.close().unwrap();
    assert_eq!(code(waiting.join().unwrap()), Code::Closed);
}

#[test]
fn a_closed_core_answers_nothing() {
    let app = opened();
    app.attach();
    app.core.close().unwrap();
    let core = &app.core;
    assert_eq!(code(core.close()), Code::Closed);
    assert_eq!(code(core.snapshot()), Code::Closed);
    assert_eq!(code(core.query(r#"{"v":1,"q":"apps"}"#)), Code::Closed);
    assert_eq!(code(core.command(r#"{"v":1,"do":"flush"}"#)), Code::Closed);
    assert_eq!(code(core.set_policy(r#"{"v":1}"#)), Code::Closed);
    assert_eq!(code(core.set_lists(vec![])), Code::Closed);
    assert_eq!(code(core.next_events(0, 1, Duration::ZERO)), Code::Closed);
    assert_eq!(code(core.detach()), Code::Closed);
    assert_eq!(code(app.export(r#"{"v":1,"format":"csv"}"#, true).0), Code::Closed);
    let (_, tun) = UnixDatagram::pair().unwrap();
    assert_eq!(code(core.attach(tun.into(), ATTACH)), Code::Closed);
    // The database is free again.
    let (sender, _ended) = mpsc::channel();
    Core::start(&config(&app.folder, ""), Arc::new(App(sender))).unwrap().close().unwrap();
}

#[test]
fn a_snapshot_says_what_the_data_plane_is_at() {
    let app = opened();
    let state = || json(app.core.snapshot())["plane"]["state"].clone();
    assert_eq!(state(), "detached");
    let ours = app.attach();
    assert_eq!(state(), "running");
    app.core.network_changed(r#"{"v":1,"resolvers":["[::1]:9","127.0.0.1"]}"#).unwrap();
    app.core.detach().unwrap();
    assert_eq!(state(), "detached");
    // The TUN was closed, so this end of it reaches nobody.
    assert!(ours.send(b"x").is_err());
    let ours = app.attach();
    ours.shutdown(std::net::Shutdown::Both).unwrap();
    drop(ours);
    assert!(app.ended.try_recv().is_err(), "a stop that was asked for is not told");
    assert_eq!(json(app.core.snapshot())["lists"].as_array().unwrap().len(), 6);
}

#[test]
fn a_policy_takes_effect_and_warns() {
    let app = opened();
    let host = r#""q":"host","host":"https://Tracking.miui.com/x","uid":10123"#;
    assert_eq!(app.query(host)["decision"]["verdict"], "block");
    let policy = r#"{"v":1,"apps":[{"package":"com.a","uid":[10123],"setting":"record"}],
        "hosts":[{"host":"account.xiaomi.com","verdict":"block"},
                 {"host":"a.example","app":"com.none","verdict":"allow"}]}"#;
    let warned = json(app.core.set_policy(policy));
    let codes: Vec<_> = warned["warnings"].as_array().unwrap().iter().map(|w| &w["code"]).collect();
    assert_eq!(codes, ["unknown-app", "never-block-host"]);
    let told = app.query(host);
    assert_eq!(told["host"], "tracking.miui.com");
    assert_eq!(told["decision"]["verdict"], "record");
    let told = app.query(r#""q":"host","host":"tracking.miui.com""#);
    assert_eq!(told["decision"]["verdict"], "block");
    assert_eq!(told["decisions"][0]["package"], "com.a");
    let hosts = |of: &str| app.query(&format!(r#""q":"hosts"{of}"#))["hosts"].clone();
    assert_eq!(hosts(r#","package":"com.a""#), json!([]), "it has sent nothing yet");
    let facts = fixtures::facts(1, "com.a", "tracking.miui.com", Verdict::Block);
    assert!(app.core.service.store().send(Record::Blocked(facts)));
    app.core.command(r#"{"v":1,"do":"flush"}"#).unwrap();
    for (of, expected) in [
        ("", "block"),
        (r#","package":"com.a""#, "record"),
        (r#","uid":10123"#, "record"),
        (r#","package":"com.a","uid":10123"#, "record"),
        (r#","package":"com.a","uid":10124"#, "block"),
    ] {
        assert_eq!(hosts(of)[0]["decision"]["verdict"], expected, "{of}");
    }
    assert_eq!(hosts(r#","package":"com.b","uid":10123"#), json!([]), "events are the package's");
    let snapshot = json(app.core.snapshot());
    assert_eq!((&snapshot["policy"]["apps"], &snapshot["policy"]["hosts"]), (&json!(1), &json!(2)));
    let twice =
        r#"{"v":1,"hosts":[{"host":"a.b","verdict":"allow"},{"host":"a.b","verdict":"block"}]}"#;
    assert_eq!(code(app.core.set_policy(twice)), Code::BadPolicy);
    assert_eq!(app.query(host)["decision"]["verdict"], "record", "the one before stays");
}

/// Its packets never come here, so a name that all others are refused is refused.
#[test]
fn an_app_that_is_off_is_one_outside_the_vpn() {
    let app = opened();
    let refused = |setting: &str| {
        let policy = format!(
            r#"{{"v":1,"block_at":"name","apps":[{{"package":"a","uid":[10123],"setting":"{setting}"}}]}}"#
        );
        app.core.set_policy(&policy).unwrap();
        app.core.service.with_rules(|rules| {
            rules.policy.refuses_name(&rules.table, fixtures::NOW, "tracking.miui.com").is_some()
        })
    };
    assert!(refused("off"));
    assert!(!refused("record"));
}

#[test]
fn own_lists_come_before_the_built_in_ones_and_go_again() {
    let app = opened();
    let list = |text: &str| {
        let mut file = tempfile::tempfile_in(&app.folder).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        file
    };
    let own = "# list: own\n# version: 7\n\
        host,owner,category,default,side_effect,protocol,source,licence\n\
        own.example,Me,other,block,,,me,fact\n";
    let taken = json(app.core.set_lists(vec![list(own)]));
    assert_eq!(taken["lists"], json!([{"name": "own", "version": "7", "rules": 1}]));
    let found = app.query(r#""q":"rules","text":"own.EX""#);
    assert_eq!((&found["total"], &found["rules"][0]["list"]), (&json!(1), &json!("own@7")));
    assert_eq!(code(app.core.set_lists(vec![list("no list")])), Code::BadList);
    assert_eq!(app.query(r#""q":"rules","list":"own""#)["total"], 1);
    app.core.set_lists(vec![]).unwrap();
    assert_eq!(app.query(r#""q":"rules","list":"own""#)["total"], 0);
    let all = app.query(r#""q":"lists""#);
    let rules = |key: &str| -> u64 {
        all[key].as_array().unwrap().iter().map(|line| line["rules"].as_u64().unwrap()).sum()
    };
    assert_eq!(rules("lists"), HostTable::builtin().len() as u64);
    assert_eq!(rules("categories"), rules("lists"));
}

#[test]
fn gaps_open_and_end_and_a_wipe_leaves_nothing() {
    let app = opened();
    app.fill();
    app.core.command(r#"{"v":1,"do":"gap","start":1000,"reason":"killed"}"#).unwrap();
    app.core.command(r#"{"v":1,"do":"gap","start":1000,"end":2000,"reason":"killed"}"#).unwrap();
    let gaps = app.query(r#""q":"gaps""#);
    assert_eq!(gaps["gaps"], json!([{"start": 1000, "end": 2000, "reason": "killed"}]));
    app.core.command(r#"{"v":1,"do":"keep","days":0,"max_bytes":0}"#).unwrap();
    app.core.command(r#"{"v":1,"do":"wipe"}"#).unwrap();
    assert_eq!(app.query(r#""q":"store""#)["events"], 0);
    assert_eq!(app.query(r#""q":"gaps""#)["gaps"], json!([]));
}

#[test]
fn an_export_is_whole_or_says_why_not() {
    let app = opened();
    app.fill();
    let all = r#"{"v":1,"format":"jsonl"}"#;
    let (outcome, text) = app.export(all, true);
    let told = json(outcome);
    assert_eq!((told["events"].as_u64(), text.lines().count()), (Some(4), 4));
    assert_eq!(told["bytes"], text.len());
    let size = app.query(r#""q":"export-size","format":"jsonl""#);
    assert_eq!((&size["events"], &size["bytes"]), (&told["events"], &told["bytes"]));
    let preview = app.query(r#""q":"preview","format":"jsonl","filter":{"outcome":"readable"}"#);
    assert!(preview["text"].as_str().unwrap().contains("visited-page"));
    let hidden = r#"{"v":1,"format":"jsonl","redact":true}"#;
    let (outcome, redacted) = app.export(hidden, true);
    assert_eq!(json(outcome)["events"], told["events"]);
    let preview = app.query(r#""q":"preview","format":"csv","redact":true"#);
    for said in ["com.read", "com.stopped", "10200", "10123"] {
        assert!(text.contains(said), "{said}");
        assert!(!redacted.contains(said), "{said} in {redacted}");
        assert!(!preview["text"].as_str().unwrap().contains(said), "{said} in {preview}");
    }
    let stopped = r#"{"v":1,"format":"jsonl","filter":{"outcome":"stopped"}}"#;
    assert_eq!(app.export(stopped, true).1.lines().count(), 2);
    assert_eq!(code(app.export(all, false).0), Code::Cancelled);
    for more in ["", r#","redact":true"#, r#","filter":{"outcome":"stopped"}"#] {
        let mut file = tempfile::NamedTempFile::new_in(&app.folder).unwrap();
        let asked = format!(r#"{{"v":1,"format":"sqlite"{more}}}"#);
        let out = file.as_file_mut().try_clone().unwrap();
        let told = json(app.core.export(out, &asked, &mut |_, _| true));
        let copy = Reader::open(file.path()).unwrap();
        assert_eq!(copy.check(), Ok(()));
        assert_eq!(told["events"], copy.count(&Filter::default()).unwrap(), "{more}");
        assert_eq!(told["bytes"], std::fs::metadata(file.path()).unwrap().len());
        let bytes = std::fs::read(file.path()).unwrap();
        let said = bytes.windows(8).any(|window| window == b"com.read");
        assert_eq!(said, more.is_empty(), "{more}");
        let size = app.query(&format!(r#""q":"export-size","format":"sqlite"{more}"#));
        assert_eq!(size["events"], told["events"]);
    }
    let preview = r#"{"v":1,"q":"preview","format":"sqlite"}"#;
    assert_eq!(code(app.core.query(preview)), Code::Unsupported);
    let left = std::fs::read_dir(&app.folder).unwrap();
    let left =
        left.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "export"));
    assert_eq!(left.count(), 0);
    assert_eq!(code(app.export(r#"{"v":1,"format":"docx"}"#, true).0), Code::Unsupported);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(code(app.core.export(full, all, &mut |_, _| true)), Code::OutputFull);
    let closed = File::open("/dev/null").unwrap();
    assert_eq!(code(app.core.export(closed, all, &mut |_, _| true)), Code::OutputFailed);
}

#[test]
fn packets_are_exported_as_they_are_and_never_redacted_or_shown() {
    let app = opened();
    app.fill();
    let mut file = tempfile::tempfile().unwrap();
    let (out, order) = (file.try_clone().unwrap(), r#"{"v":1,"format":"pcapng"}"#);
    let told = json(app.core.export(out, order, &mut |_, _| true));
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!((&told["events"], &told["bytes"]), (&json!(4), &json!(bytes.len())));
    let mut capture = crate::replay::Capture::new(&bytes[..]).unwrap();
    let mut packets = 0;
    while let Some(item) = capture.next_item().unwrap() {
        packets += usize::from(matches!(item, crate::replay::Item::Packet(_)));
    }
    assert!(packets > 4, "{packets}");
    let size = app.query(r#""q":"export-size","format":"pcapng""#);
    assert_eq!(size["events"], 4);
    let hidden = r#"{"v":1,"format":"pcapng","redact":true}"#;
    assert_eq!(code(app.export(hidden, true).0), Code::Unsupported);
    let preview = r#"{"v":1,"q":"preview","format":"pcapng"}"#;
    assert_eq!(code(app.core.query(preview)), Code::Unsupported);
}

#[test]
fn what_cannot_be_understood_is_refused_by_its_code() {
    let app = opened();
    let core = &app.core;
    let deep = "[".repeat(10_000);
    for text in ["", "{", "[]", "[1]", "null", "7", "{\"v\":1,}", "\u{0}", &deep] {
        assert_eq!(code(core.query(text)), Code::BadJson, "{text}");
        assert_eq!(code(core.set_policy(text)), Code::BadJson, "{text}");
        assert_eq!(code(core.command(text)), Code::BadJson, "{text}");
        assert_eq!(code(core.network_changed(text)), Code::BadJson, "{text}");
        assert_eq!(code(app.export(text, true).0), Code::BadJson, "{text}");
        let (_, tun) = UnixDatagram::pair().unwrap();
        assert_eq!(code(core.attach(tun.into(), text)), Code::BadJson, "{text}");
    }
    for text in ["{}", r#"{"v":2}"#, r#"{"v":"1"}"#, r#"{"v":1.5}"#, r#"{"v":null,"q":"apps"}"#] {
        assert_eq!(code(core.query(text)), Code::BadVersion, "{text}");
        assert_eq!(code(core.set_policy(text)), Code::BadVersion, "{text}");
        assert_eq!(code(core.command(text)), Code::BadVersion, "{text}");
        assert_eq!(code(core.network_changed(text)), Code::BadVersion, "{text}");
        assert_eq!(code(app.export(text, true).0), Code::BadVersion, "{text}");
        let (_, tun) = UnixDatagram::pair().unwrap();
        assert_eq!(code(core.attach(tun.into(), text)), Code::BadVersion, "{text}");
    }
    for rest in [
        r#""q":5"#,
        r#""q":"none""#,
        r#""q":"apps","colour":1"#,
        r#""q":"events","limit":0"#,
        r#""q":"events","limit":1001"#,
        r#""q":"events","filter":{"kind":"none"}"#,
        r#""q":"events","filter":{"outcome":"none"}"#,
        r#""q":"events","filter":{"outcome":"stopped","state":"decoded"}"#,
        r#""q":"events","filter":{"uid":1,"package":"a"}"#,
        r#""q":"events","filter":[]"#,
        r#""q":"events","filter":{"since":9223372036854775807}"#,
        r#""q":"event","id":"1""#,
        r#""q":"chart","bounds":[1]"#,
        r#""q":"chart","bounds":[2,1]"#,
        r#""q":"identifiers","limit":5"#,
        r#""q":"store","x":1"#,
    ] {
        assert_eq!(code(core.query(&format!("{{\"v\":1,{rest}}}"))), Code::BadJson, "{rest}");
    }
    for rest in [
        r#""do":"none""#,
        r#""do":"gap","start":1,"reason":"Not a word""#,
        r#""do":"gap","start":1,"reason":"""#,
        r#""do":"keep","days":-1,"max_bytes":0"#,
        r#""do":"flush","now":true"#,
    ] {
        assert_eq!(code(core.command(&format!("{{\"v\":1,{rest}}}"))), Code::BadJson, "{rest}");
    }
    for resolvers in ["[]", r#"["x"]"#, r#"["198.18.0.2"]"#, r#"["1.1.1.1:99999"]"#] {
        let network = format!(r#"{{"v":1,"resolvers":{resolvers}}}"#);
        assert_eq!(code(core.network_changed(&network)), Code::BadJson, "{resolvers}");
    }
    let long = format!(r#"{{"v":1,"q":"host","host":"{}"}}"#, "a".repeat(limits::ASKED));
    assert_eq!(code(core.query(&long)), Code::BadArgument);
    let long = format!(r#"{{"v":1,"x":"{}"}}"#, "a".repeat(limits::POLICY_TEXT));
    assert_eq!(code(core.set_policy(&long)), Code::BadArgument);
    for (after, max) in [(-1, 1), (0, 0), (0, limits::PAGE + 1)] {
        assert_eq!(code(core.next_events(after, max, Duration::ZERO)), Code::BadArgument);
    }
    assert_eq!(code(core.next_events(0, 1, Duration::from_secs(61))), Code::BadArgument);
}

#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let app = opened();
    let open = |config: &str| {
        let (sender, _) = mpsc::channel();
        Core::start(config, Arc::new(App(sender))).map(drop)
    };
    assert_eq!(code(open(&config(&app.folder, ""))), Code::StoreLocked);
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("muzzle.db"), "no database at all, only some text").unwrap();
    assert_eq!(code(open(&config(&other, ""))), Code::StoreNotADatabase);
    let nowhere = r#"{"v":1,"db":"/nowhere/at/all.db","cache":"/","api":34}"#;
    assert_eq!(code(open(nowhere)), Code::StoreCannotOpen);
    assert_eq!(code(open(&config(&other, r#","log":"loud""#))), Code::BadJson);
    assert_eq!(code(open(r#"{"v":1,"db":"a"}"#)), Code::BadJson);
    assert_eq!(code(open(r#"[1,"a","/",34]"#)), Code::BadJson);
    assert_eq!(code(open(r#"{"v":2,"db":"a","cache":"/","api":34}"#)), Code::BadVersion);
}

#[test]
fn the_examples_of_the_docs_are_understood() {
    let app = opened();
    let doc = include_str!("../../../docs/jni.md");
    let example = |name: &str| {
        let after = doc.split(&format!("### `{name}`")).nth(1).unwrap();
        after.split("```json\n").nth(1).unwrap().split("```").next().unwrap()
    };
    app.core.set_policy(example("policy")).unwrap();
    app.core.network_changed(example("network")).unwrap();
    let (ours, tun) = UnixDatagram::pair().unwrap();
    app.core.attach(tun.into(), example("attach")).unwrap();
    let export = example("export`, `exported").lines().next().unwrap();
    app.export(export, true).0.unwrap();
    let open: Value = serde_json::from_str(example("open")).unwrap();
    ask::parse::<ask::Open>(&open.to_string()).unwrap();
    let import = example("import`, `imported").lines().next().unwrap();
    ask::parse::<ask::ImportList>(import).unwrap();
    drop(ours);
}
