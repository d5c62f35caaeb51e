//! `muzzle replay`: what a capture would have told. Never opens a connection, and keeps what could
//! be read of a capture that is damaged.

use super::events::{at, print, shows_progress};
use super::files::{OwnLists, read_policy};
use super::progress::Progress;
use super::{Failure, words};
use crate::decode;
use crate::engine::Rules;
use crate::event::{Event, FlowFacts, FlowId, Record, State};
use crate::limits::{CAPTURE_READ, STORE_QUEUE, STORE_QUEUE_BYTES};
use crate::policy::Policy;
use crate::replay::{Capture, CaptureError, Counts, Replay};
use crate::store::{Config, StoreError, Summary, Writer};
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

/// Packets between two looks at the clock.
const PACKETS_PER_LOOK: u64 = 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What holds without a policy.
const RECORD: &str = "version = 1\ndefault = \"record\"\n";

/// Read a capture as if its connections passed now
///
/// Takes pcap and pcapng, plain or with gzip, of Ethernet, raw IP and Linux cooked packets.
/// Without a policy every listed host is recorded. What a policy would have blocked is told as
/// stopped, and not read. What PCAPdroid's trailer says of apps counts for the policy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  muzzle replay phone.pcap
  muzzle replay phone.pcapng.gz --json | jq .kinds
  muzzle replay phone.pcap --policy policy.toml --db phone.db
  tcpdump -i wlan0 -w - | muzzle replay -

Exit status: 0 if all was read, 1 if the end of the capture could not be read (what came before it
is printed and kept), 2 if there was nothing to read.")]
pub(crate) struct Args {
    /// The capture; - is standard input
    file: PathBuf,
    /// The owner's choices; without it every listed host is recorded
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    lists: OwnLists,
    /// Database to add the events to, in place of printing them; made where it is missing
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Print JSON Lines, also beside a database
    #[arg(long)]
    json: bool,
}

/// Why it ended early.
enum Stop {
    Capture(CaptureError),
    Store(StoreError),
    Output(io::Error),
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let rules = rules(&args)?;
    let source = Source::open(&args.file).map_err(|error| {
        Failure::with_code(2, format_args!("{}: {error}; check the path", args.file.display()))
    })?;
    let (read, total) = (Rc::clone(&source.read), source.total);
    let mut capture = unpacked(source)
        .map_err(CaptureError::from)
        .and_then(Capture::new)
        .map_err(|error| Failure::with_code(2, told(&args.file, &error)))?;
    let store = args.db.as_deref().map(|path| store(path).map_err(|error| at(path, error)));
    let store = store.transpose()?;
    let mut sink = Sink::new(store.as_ref(), output(args.json, store.is_some()), args.json);
    let mut replay = Replay::new(rules);
    let mut line = shows_progress().then(|| Progress::new(total));
    let outcome = packets(&mut capture, &mut replay, &mut sink, &mut |packets| {
        if let Some(line) = &mut line {
            let words = || format!("{}, {packets} packets", words::bytes(read.get()));
            line.tell(read.get(), words);
        }
    });
    if let Some(line) = line {
        line.clear();
    }
    let printed = sink.events;
    drop(sink);
    let closed = store.map(Writer::close).transpose();
    ended(&args, outcome, closed, &replay.counts(), printed)
}

/// All of a capture through the replay; its flows end with it, however it ends.
fn packets(
    capture: &mut Capture<impl Read>,
    replay: &mut Replay,
    sink: &mut Sink<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Stop> {
    let read = loop {
        match capture.next_item() {
            Ok(Some(item)) => replay.take(item, &mut |record| sink.take(record)),
            Ok(None) => break Ok(()),
            Err(error) => break Err(Stop::Capture(error)),
        }
        if let Some(failed) = sink.failed.take() {
            return Err(failed);
        }
        if replay.counts().packets.is_multiple_of(PACKETS_PER_LOOK) {
            progress(replay.counts().packets);
        }
    };
    replay.finish(&mut |record| sink.take(record));
    sink.failed.take().map_or(Ok(()), Err).and(read)
}

/// Says how it went.
fn ended(
    args: &Args,
    outcome: Result<(), Stop>,
    closed: Result<Option<Summary>, StoreError>,
    counts: &Counts,
    printed: u64,
) -> Result<ExitCode, Failure> {
    let file = &args.file;
    let db = args.db.as_deref().unwrap_or(Path::new(""));
    match outcome {
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        Err(Stop::Output(error)) => {
            return Err(Failure::new(format_args!("output: {error}; check where it is sent")));
        }
        Err(Stop::Store(error)) => return Err(at(db, error)),
        Err(Stop::Capture(_)) | Ok(()) => {}
    }
    let stored = closed.map_err(|error| at(db, error))?;
    if let Some(lost) = stored.map(|s| s.dropped).filter(|lost| *lost > 0) {
        let lost = words::count(lost, "record");
        return Err(Failure::new(format_args!(
            "{}: {lost} could not be written; make room and replay into another file",
            db.display()
        )));
    }
    if let Err(Stop::Capture(error)) = outcome {
        let kept = words::count(counts.packets, "packet");
        return Err(Failure::new(format_args!(
            "{}; what was in {kept} before it is kept",
            told(file, &error)
        )));
    }
    if let Some(link) = counts.foreign_link.filter(|_| counts.foreign == counts.packets) {
        return Err(Failure::with_code(2, told(file, &CaptureError::LinkType(link))));
    }
    let events = stored.map_or(printed, |stored| stored.events);
    if shows_progress() || counts.cut + counts.foreign + counts.unjoined > 0 {
        anstream::eprintln!("{}", summary(counts, events));
    }
    Ok(ExitCode::SUCCESS)
}

fn told(file: &Path, error: &CaptureError) -> String {
    let advice = match error {
        CaptureError::NotCapture => "; give a capture of tcpdump, Wireshark or PCAPdroid",
        CaptureError::Packed(_) => "; unpack it first",
        CaptureError::LinkType(_) => {
            "; Ethernet (1), raw IP (101) and Linux cooked packets (113, 276) are"
        }
        _ => "",
    };
    format!("{}: {error}{advice}", file.display())
}

/// What was read, and what was not.
fn summary(counts: &Counts, events: u64) -> String {
    let [packets, flows] = [(counts.packets, "packet"), (counts.flows, "flow")]
        .map(|(number, one)| words::count(number, one));
    let mut text = format!("{packets}, {flows}, {}", words::count(events, "event"));
    for (count, why) in [
        (counts.cut, "captured without their end"),
        (counts.passed_over, "neither TCP nor UDP"),
        (counts.unjoined, "in fragments that make no packet"),
        (counts.foreign, "of a link type that is not read"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {count} {why}"));
        }
    }
    text
}

fn rules(args: &Args) -> Result<Rules, Failure> {
    let policy = match args.policy.as_deref() {
        Some(path) => read_policy(Some(path))?,
        None => Policy::parse(RECORD).map_err(Failure::new)?,
    };
    let table = args.lists.table()?;
    Ok(Rules { table: Arc::new(table), policy })
}

/// Captures may be old: their events are kept until somebody says otherwise.
fn store(path: &Path) -> Result<Writer, StoreError> {
    Writer::open(Config { retention_days: 0, max_bytes: 0, ..Config::new(path) })
}

/// Where events are printed, if they are. Lines of JSON do not go through anstream: it would take
/// control characters out of the senders' texts.
fn output(json: bool, stored: bool) -> Option<Box<dyn Write>> {
    match (json, stored) {
        (true, _) => Some(Box::new(io::stdout().lock())),
        (false, false) => Some(Box::new(anstream::stdout().lock())),
        (false, true) => None,
    }
}

/// Bytes of a file that are counted as they are read.
struct Source {
    from: Box<dyn Read>,
    read: Rc<Cell<u64>>,
    /// 0 where it is not known.
    total: u64,
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        let (from, total): (Box<dyn Read>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), 0)
        } else {
            let file = File::open(path)?;
            let total = file.metadata()?.len();
            (Box::new(file), total)
        };
        Ok(Self { from, read: Rc::default(), total })
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Through gzip where it begins so.
fn unpacked(mut source: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut first = Vec::new();
    source.by_ref().take(GZIP.len() as u64).read_to_end(&mut first)?;
    let packed = first == GZIP;
    let whole = BufReader::with_capacity(CAPTURE_READ, Cursor::new(first).chain(source));
    if !packed {
        return Ok(Box::new(whole));
    }
    Ok(Box::new(BufReader::with_capacity(CAPTURE_READ, MultiGzDecoder::new(whole))))
}

/// Where records go: into a database, onto the screen, or both.
struct Sink<'a> {
    opened: BTreeMap<FlowId, Arc<FlowFacts>>,
    /// Records and bytes of bodies sent since the store was last waited for.
    waiting: (usize, usize),
    store: Option<&'a Writer>,
    out: Option<Box<dyn Write + 'a>>,
    json: bool,
    /// Events printed.
    events: u64,
    failed: Option<Stop>,
}

impl<'a> Sink<'a> {
    fn new(store: Option<&'a Writer>, out: Option<Box<dyn Write + 'a>>, json: bool) -> Self {
        let opened = BTreeMap::new();
        Self { opened, waiting: (0, 0), store, out, json, events: 0, failed: None }
    }

    fn take(&mut self, record: Record) {
        if self.failed.is_none() {
            let printed = self.print(&record).map_err(Stop::Output);
            self.failed = printed.and_then(|()| self.keep(record).map_err(Stop::Store)).err();
        }
    }

    fn print(&mut self, record: &Record) -> io::Result<()> {
        if self.out.is_none() {
            return Ok(());
        }
        let events = self.events_of(record);
        self.events += events.len() as u64;
        let Some(out) = &mut self.out else { return Ok(()) };
        events.iter().try_for_each(|event| print(out, event, self.json))
    }

    /// What a record says, as the store would write it.
    fn events_of(&mut self, record: &Record) -> Vec<Event> {
        let known = |flow| self.opened.get(flow).map(|facts| &**facts);
        match record {
            Record::Blocked(facts) => vec![facts.event(State::Blocked)],
            Record::Request { flow, time_ms, request } => {
                decode::events(known(flow), Some(*time_ms), request)
            }
            Record::Opaque { flow, time_ms, transport } => {
                known(flow).map(|facts| facts.opaque(*time_ms, *transport)).into_iter().collect()
            }
            Record::Opened(facts) => {
                self.opened.insert(facts.flow, Arc::clone(facts));
                Vec::new()
            }
            Record::Closed { flow, .. } => {
                self.opened.remove(flow);
                Vec::new()
            }
            Record::Passed { .. } | Record::Dropped(_) => Vec::new(),
        }
    }

    /// Waits for the store before its queue is full: a replay loses nothing to its own speed.
    fn keep(&mut self, record: Record) -> Result<(), StoreError> {
        let Some(store) = self.store else { return Ok(()) };
        let body = match &record {
            Record::Request { request, .. } => request.body.len(),
            _ => 0,
        };
        self.waiting = (self.waiting.0 + 1, self.waiting.1 + body);
        store.sender().send(record);
        if self.waiting.0 >= STORE_QUEUE / 2 || self.waiting.1 >= STORE_QUEUE_BYTES / 2 {
            self.waiting = (0, 0);
            store.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::tests::{exchange, pcap, vector};

    /// What a replay of these bytes prints, and how it ended.
    fn replayed(bytes: &[u8], policy: &str) -> (Result<(), Stop>, Vec<Event>) {
        let mut capture = Capture::new(unpacked(Cursor::new(bytes.to_vec())).unwrap()).unwrap();
        let table = Arc::new(OwnLists::default().table().unwrap());
        let mut replay = Replay::new(Rules { table, policy: Policy::parse(policy).unwrap() });
        let mut out = Vec::new();
        let mut sink = Sink::new(None, Some(Box::new(&mut out)), true);
        let outcome = packets(&mut capture, &mut replay, &mut sink, &mut |_| {});
        let count = sink.events;
        drop(sink);
        let text = String::from_utf8(out).unwrap();
        let events: Vec<Event> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(events.len() as u64, count);
        (outcome, events)
    }

    fn args(file: &Path) -> Args {
        let file = file.to_owned();
        Args { file, policy: None, lists: OwnLists::default(), db: None, json: true }
    }

    fn listed() -> Vec<u8> {
        pcap(101, &exchange(&vector("tracking.miui.com"), 500))
    }

    #[test]
    fn a_gzipped_capture_prints_the_same_events_as_the_plain_one() {
        let plain = listed();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let packed = gzip.finish().unwrap();
        let (outcome, events) = replayed(&plain, RECORD);
        assert!(outcome.is_ok());
        assert_eq!(events[0].host.as_deref(), Some("tracking.miui.com"));
        assert_eq!(events[0].state, State::Decoded);
        assert_eq!(replayed(&packed, RECORD).1, events);
        let cut = replayed(&packed[..packed.len() / 2], RECORD).0;
        assert!(matches!(cut, Err(Stop::Capture(CaptureError::Truncated))));
    }

    #[test]
    fn a_cut_capture_prints_what_came_before() {
        let whole = listed();
        let (outcome, events) = replayed(&whole[..whole.len() - 3], RECORD);
        assert!(matches!(outcome, Err(Stop::Capture(CaptureError::Truncated))));
        assert_eq!(events, replayed(&whole, RECORD).1);
    }

    #[test]
    fn what_a_policy_blocks_is_told_and_not_read() {
        let (_, events) = replayed(&listed(), "version = 1\ndefault = \"block\"\n");
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((event.state, event.fields.len()), (State::Blocked, 0));
    }

    #[test]
    fn a_database_gets_what_the_screen_shows() {
        let folder = tempfile::tempdir().unwrap();
        let (path, db) = (folder.path().join("x.pcap"), folder.path().join("x.db"));
        std::fs::write(&path, listed()).unwrap();
        run(Args { db: Some(db.clone()), json: false, ..args(&path) }).unwrap();
        let reader = crate::store::Reader::open(&db).unwrap();
        let stored = reader.events(&crate::store::Filter::default()).unwrap();
        let shown = replayed(&listed(), RECORD).1;
        assert_eq!(stored.len(), shown.len());
        for (stored, mut shown) in stored.into_iter().zip(shown) {
            (shown.id, shown.bytes) = (stored.id, stored.bytes);
            shown.payload.as_mut().unwrap().stored = true;
            assert_eq!(stored, shown);
        }
    }

    #[test]
    fn what_cannot_be_replayed_is_told_in_one_line_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let fails = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let db = Some(folder.path().join("x.db"));
            let failure = run(Args { db, json: false, ..args(&path) }).unwrap_err();
            let text = failure.to_string();
            assert!(text.starts_with(&format!("{}: ", path.display())), "{text}");
            assert!(!text.contains('\n'), "{text}");
            (failure.code, text[path.display().to_string().len() + 2..].to_owned())
        };
        let none = "neither pcap nor pcapng; give a capture of tcpdump, Wireshark or PCAPdroid";
        assert_eq!(fails(b""), (2, none.to_owned()));
        assert_eq!(fails(b"no capture at all"), (2, none.to_owned()));
        let zstd = "packed with zstd; unpack it first";
        assert_eq!(fails(b"\x28\xb5\x2f\xfd and more"), (2, zstd.to_owned()));
        assert_eq!(fails(b"\x1f\x8bbroken, whatever follows").1, "damaged: gzip cannot unpack it");
        let foreign = fails(&pcap(147, &exchange(&vector("tracking.miui.com"), 500)));
        assert!(foreign.1.starts_with("link type 147 is not read; "), "{foreign:?}");
        assert_eq!(foreign.0, 2);
        let cut = listed();
        let packets = exchange(&vector("tracking.miui.com"), 500).len() - 1;
        let told = format!(
            "ends in the middle of a packet; what was in {packets} packets before it is kept"
        );
        assert_eq!(fails(&cut[..cut.len() - 50]), (1, told));
        std::fs::remove_file(&path).unwrap();
        assert!(run(args(&path)).unwrap_err().to_string().ends_with("; check the path"));
    }
}
