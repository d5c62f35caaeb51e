//! Files as another reader finds them, and what is left when writing fails.

mod sqlite;

use super::*;
use crate::event::{Field, IdKind, Identifier, Kind, Record, Verdict};
use crate::store::tests::{Fixture, NOW, decoded, facts, flow};

fn field(path: &str, value: &str, kind: Kind) -> Field {
    Field { path: path.into(), value: value.into(), kind }
}

/// A store with awkward texts in it.
pub(crate) fn store() -> Fixture {
    let store = Fixture::new();
    let page = Event {
        event: Some("=HYPERLINK(\"http://x\")".to_owned()),
        kinds: vec![Kind::VisitedPage, Kind::Search],
        fields: vec![
            field("props.url", "https://a.example/?q=\"x\",y", Kind::VisitedPage),
            field("props.url2", "https://a.example/?q=\"x\",y", Kind::VisitedPage),
            field("props.word", "-погода\r\nin two lines", Kind::Search),
        ],
        ids: vec![Identifier {
            kind: IdKind::Oaid,
            value: "9774d56d".into(),
            path: "props.oaid".into(),
        }],
        ..decoded()
    };
    store.send(flow(1, NOW, &[page, decoded()]));
    store.send([Record::Blocked(facts(2, "com.miui.home", "t.example", Verdict::Block))]);
    store
}

fn plain(filter: &Filter, format: Format) -> Order<'_> {
    Order { filter, format, redaction: None, scratch: Path::new("/tmp") }
}

fn written(store: &Fixture, format: Format, filter: &Filter) -> Vec<u8> {
    let (mut out, mut seen) = (Vec::new(), 0);
    let mut progress = |count| {
        seen = count;
        true
    };
    let count =
        to_writer(&store.reader(), &plain(filter, format), &mut out, &mut progress).unwrap();
    assert_eq!(count, seen);
    out
}

#[test]
fn json_lines_are_read_back_as_the_same_events() {
    let store = store();
    let text = String::from_utf8(written(&store, Format::Jsonl, &Filter::default())).unwrap();
    let read: Vec<Event> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(read, store.reader().events(&Filter::default()).unwrap());
    assert_eq!(read.len(), 3);
    assert!(text.ends_with("}\n"));
}

#[test]
fn a_table_is_read_back_cell_by_cell() {
    let store = store();
    let bytes = written(&store, Format::Csv, &Filter::default());
    let mut table = ::csv::Reader::from_reader(bytes.as_slice());
    assert_eq!(table.headers().unwrap(), &csv::COLUMNS[..]);
    let rows: Vec<::csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    let cell =
        |row: usize, name: &str| &rows[row][csv::COLUMNS.iter().position(|c| *c == name).unwrap()];
    assert_eq!(cell(0, "event"), "'=HYPERLINK(\"http://x\")");
    assert_eq!(cell(0, "page"), "https://a.example/?q=\"x\",y", "one value is told once");
    assert_eq!(cell(0, "search"), "'-погода\r\nin two lines");
    assert_eq!(cell(0, "kinds"), "visited-page search");
    assert_eq!(cell(0, "identifiers"), "oaid=9774d56d");
    assert_eq!((cell(0, "bytes_up"), cell(0, "server_port")), ("812", "80"));
    let fields: Vec<Field> = serde_json::from_str(cell(0, "fields")).unwrap();
    assert_eq!(fields, store.reader().event(1).unwrap().unwrap().fields);
    assert_eq!((cell(2, "state"), cell(2, "verdict")), ("blocked", "block"));
    assert_eq!((cell(2, "fields"), cell(2, "server_addr")), ("[]", ""));
}

#[test]
fn a_filter_chooses_what_is_written() {
    let filter = Filter { verdict: Some(Verdict::Block), ..Filter::default() };
    let text = String::from_utf8(written(&store(), Format::Jsonl, &filter)).unwrap();
    assert_eq!(text.lines().count(), 1);
}

/// Every text and number in a JSON value that an owner may have said.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|one| texts(one, found)),
        serde_json::Value::Object(object) => object.values().for_each(|one| texts(one, found)),
        _ => {}
    }
}

#[test]
fn a_redacted_export_holds_no_original_in_any_format() {
    let store = store();
    let filter = Filter::default();
    let redaction = Redaction::new().unwrap();
    let mut originals = Vec::new();
    for event in store.reader().events(&filter).unwrap() {
        let said = (&event.app, &event.host, &event.event, &event.fields, &event.ids);
        texts(&serde_json::to_value(said).unwrap(), &mut originals);
        originals.extend(event.payload.map(|payload| payload.sha256));
    }
    let public = |text: &String| {
        let kind = Kind::ALL.iter().any(|k| k.as_str() == text);
        kind || IdKind::ALL.iter().any(|k| k.as_str() == text)
    };
    originals.retain(|text| !public(text));
    assert!(originals.len() > 15, "{originals:?}");
    for format in Format::ALL {
        let order = Order { redaction: Some(&redaction), ..plain(&filter, *format) };
        let mut out = Vec::new();
        let written = to_writer(&store.reader(), &order, &mut out, &mut |_| true);
        if !format.can_hide() {
            assert!(matches!(written, Err(ExportError::CannotHide(refused)) if refused == *format));
            assert!(out.is_empty(), "nothing of it is written");
            continue;
        }
        written.unwrap();
        let text = String::from_utf8_lossy(&out);
        for original in &originals {
            assert!(!text.contains(original.as_str()), "{original} in {text}");
        }
        for piece in ["a.example", "погода", "HYPERLINK", "9774d56d", "10123", "203.0.113"] {
            assert!(!text.contains(piece), "{piece} in {text}");
        }
        let hidden = redaction.event(store.reader().event(1).unwrap().unwrap());
        assert!(text.contains(hidden.ids[0].value.as_str()), "one key, one pseudonym: {text}");
    }
}

#[test]
fn a_file_is_replaced_whole() {
    let store = store();
    let path = store.dir.path().join("events.jsonl");
    std::fs::write(&path, "before").unwrap();
    let filter = Filter::default();
    let count =
        to_file(&store.reader(), &plain(&filter, Format::Jsonl), &path, &mut |_| true).unwrap();
    assert_eq!(count, 3);
    assert_eq!(std::fs::read(&path).unwrap(), written(&store, Format::Jsonl, &filter));
}

fn names(store: &Fixture) -> Vec<String> {
    let list = std::fs::read_dir(store.dir.path()).unwrap();
    list.map(|f| f.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_failed_export_leaves_the_target_as_it_was_and_no_partial_file() {
    let store = store();
    let path = store.dir.path().join("events.csv");
    std::fs::write(&path, "before").unwrap();
    let db = rusqlite::Connection::open(store.path()).unwrap();
    // The third event cannot be read, so the export breaks off when two are written.
    db.execute("UPDATE events SET state = 'nonsense' WHERE id = 3", []).unwrap();
    let mut seen = 0;
    let mut progress = |count| {
        seen = count;
        true
    };
    let failed =
        to_file(&store.reader(), &plain(&Filter::default(), Format::Csv), &path, &mut progress);
    assert!(matches!(failed, Err(ExportError::Store(StoreError::Corrupt))));
    assert_eq!(seen, 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    assert!(!names(&store).iter().any(|n| n.ends_with(".partial")));
}

#[test]
fn a_target_that_cannot_be_made_is_an_output_error() {
    let store = store();
    let reader = store.reader();
    let export = |path: &Path| {
        to_file(&reader, &plain(&Filter::default(), Format::Csv), path, &mut |_| true)
    };
    let missing = store.dir.path().join("none/events.csv");
    assert!(
        matches!(export(&missing), Err(ExportError::Output(e)) if e.kind() == io::ErrorKind::NotFound)
    );
    let folder = store.dir.path();
    assert!(
        matches!(export(folder), Err(ExportError::Output(e)) if e.kind() == io::ErrorKind::IsADirectory)
    );
}

struct Broken(usize);

impl Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_is_told_as_one() {
    let store = store();
    for format in Format::ALL {
        for room in [0, 100] {
            let failed = to_writer(
                &store.reader(),
                &plain(&Filter::default(), *format),
                &mut Broken(room),
                &mut |_| true,
            );
            assert!(matches!(
                failed,
                Err(ExportError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe
            ));
        }
    }
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(*format));
    }
    assert_eq!("xlsx".parse::<Format>(), Err(UnknownCode));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_and_a_link_is_followed() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let store = store();
    let export = |path: &Path| {
        to_file(&store.reader(), &plain(&Filter::default(), Format::Jsonl), path, &mut |_| true)
            .unwrap()
    };
    let (file, link) = (store.dir.path().join("real.jsonl"), store.dir.path().join("link.jsonl"));
    std::fs::write(&file, "before").unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(export(&link), 3);
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);

    let pipe = store.dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let other_end = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    assert_eq!(export(&pipe), 3);
    assert_eq!(other_end.join().unwrap().lines().count(), 3);
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
}
