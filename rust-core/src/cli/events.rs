//! `muzzle events`, and the filters that other commands share. Never makes or changes a database.

use super::{Failure, words};
use crate::event::{Event, Kind, State, Time, Verdict};
use crate::http::Request;
use crate::store::{AppFilter, Filter, Reader, StoreError};
use anstyle::{Effects, Style};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a follower asks whether something was committed.
const POLL: Duration = Duration::from_millis(500);

/// Shows what was sent, and what was stopped, as a timeline
#[derive(clap::Args)]
#[command(after_help = "Examples:
  muzzle events --db muzzle.db --since 2h
  muzzle events --db muzzle.db --kind visited-page --app com.mi.globalbrowser
  muzzle events --db muzzle.db --follow --json | jq .host
  muzzle events --db muzzle.db --raw 17 | muzzle decode --raw -")]
pub(crate) struct Args {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    #[command(flatten)]
    filters: Filters,
    /// Only the newest N events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
    /// Wait for new events until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Print the bytes of the request that event N was read from, N being its id
    #[arg(long, value_name = "N", conflicts_with_all = ["limit", "json", "follow"])]
    raw: Option<i64>,
}

/// Which events a command is about.
#[derive(clap::Args)]
pub(crate) struct Filters {
    /// Only this app, by package or uid
    #[arg(long, value_name = "APP")]
    app: Option<AppFilter>,
    /// Only events that tell this
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// Only events in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<State>,
    /// Only this host and names below it
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only events with this verdict
    #[arg(long, value_name = "VERDICT", value_parser = verdicts())]
    verdict: Option<Verdict>,
    /// From this time on: 2026-11-21, 2026-11-21T08:00:00Z, or 15m, 2h, 7d ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Before this time, written likewise
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.iter().map(|c| c.as_str())).try_map(|t| t.parse::<Kind>())
}

fn states() -> impl TypedValueParser<Value = State> {
    let names = State::ALL.iter().map(|c| c.as_str());
    PossibleValuesParser::new(names).try_map(|t| t.parse::<State>())
}

fn verdicts() -> impl TypedValueParser<Value = Verdict> {
    let names = Verdict::ALL.iter().map(|c| c.as_str());
    PossibleValuesParser::new(names).try_map(|t| t.parse::<Verdict>())
}

impl Filters {
    /// The filter that was asked for.
    pub(crate) fn filter(self) -> Filter {
        Filter {
            app: self.app,
            kind: self.kind,
            state: self.state,
            host: self.host,
            verdict: self.verdict,
            since: self.since,
            until: self.until,
            ..Filter::default()
        }
    }
}

/// A moment, or how long ago it was.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    time_at(text, now)
        .ok_or_else(|| "write 2026-11-21, 2026-11-21T08:00:00Z, 15m, 2h or 7d".to_owned())
}

fn time_at(text: &str, now_ms: i64) -> Option<Time> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let unit = text.chars().next_back()?;
    let ms = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ago = number.parse::<i64>().ok()?.checked_mul(ms)?;
    Time::from_ms(now_ms.checked_sub(ago)?)
}

/// Opens a database for reading; a failure names it.
pub(crate) fn open(path: &Path) -> Result<Reader, Failure> {
    Reader::open(path).map_err(|error| at(path, error))
}

/// A failure of a database as one line.
pub(crate) fn at(path: &Path, error: StoreError) -> Failure {
    Failure::new(format_args!("{}: {error}", path.display()))
}

/// Why a listing ended early.
pub(crate) enum Stop {
    Store(StoreError),
    Output(io::Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Turns an outcome into an exit: whoever read our output may leave without a word.
pub(crate) fn finish(outcome: Result<(), Stop>, path: &Path) -> Result<ExitCode, Failure> {
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(Stop::Output(error)) => {
            Err(Failure::new(format_args!("output: {error}; check where it is sent")))
        }
        Err(Stop::Store(error)) => Err(at(path, error)),
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let reader = open(&args.db)?;
    if let Some(id) = args.raw {
        return raw(&reader, id, &args.db);
    }
    let mut out = anstream::stdout().lock();
    let outcome = list(&reader, args.filters.filter(), (args.limit, args.follow), &mut |event| {
        print(&mut out, event, args.json)
    });
    finish(outcome, &args.db)
}

fn raw(reader: &Reader, id: i64, path: &Path) -> Result<ExitCode, Failure> {
    let request = reader.request(id).map_err(|error| at(path, error))?;
    let Some(request) = request else {
        let why =
            "no request is kept of it; `muzzle events --json` shows the ids of those that are";
        return Err(Failure::new(format_args!("event {id}: {why}")));
    };
    if (request.body.len() as u64) < request.body_size {
        let (kept, size) = (request.body.len(), request.body_size);
        anstream::eprintln!("muzzle: event {id}: {kept} of {size} bytes of the body were kept");
    }
    finish(write_request(&mut io::stdout().lock(), &request).map_err(Stop::Output), path)
}

/// As HTTP/1.1 would carry it, its body in one piece.
fn write_request(out: &mut impl Write, request: &Request) -> io::Result<()> {
    write!(out, "{} {} HTTP/1.1\r\n", request.method, request.target)?;
    let framing = ["content-length", "transfer-encoding"];
    let kept = |name: &str| !framing.iter().any(|f| f.eq_ignore_ascii_case(name));
    for (name, value) in request.headers.iter().filter(|(name, _)| kept(name)) {
        write!(out, "{name}: {value}\r\n")?;
    }
    if !request.body.is_empty() {
        write!(out, "Content-Length: {}\r\n", request.body.len())?;
    }
    out.write_all(b"\r\n")?;
    out.write_all(&request.body)
}

type Each<'a> = dyn FnMut(&Event) -> io::Result<()> + 'a;

fn list(
    reader: &Reader,
    filter: Filter,
    (limit, follow): (Option<u64>, bool),
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    // Before the first look, so that no event falls between it and the next one.
    let stop = if follow { Some(signals()?) } else { None };
    let mut version = reader.data_version()?;
    let mut last = reader.max_id()?;
    let before_id = last.checked_add(1);
    if let Some(limit) = limit {
        let newest = Filter { limit: Some(limit), newest_first: true, before_id, ..filter.clone() };
        for event in reader.events(&newest)?.iter().rev() {
            each(event)?;
        }
    } else {
        show(reader, &Filter { before_id, ..filter.clone() }, each)?;
    }
    let Some(stop) = stop else { return Ok(()) };
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(POLL) {
        let seen = reader.data_version()?;
        if seen == version {
            continue;
        }
        version = seen;
        let newest = reader.max_id()?.max(last);
        let (after_id, before_id) = (Some(last), newest.checked_add(1));
        show(reader, &Filter { after_id, before_id, ..filter.clone() }, each)?;
        last = newest;
    }
    Ok(())
}

fn show(reader: &Reader, filter: &Filter, each: &mut Each<'_>) -> Result<(), Stop> {
    reader.for_each(filter, &mut |event| each(&event).map_err(Stop::Output)).map(|_| ())
}

/// Tells of the first Ctrl-C or request to end.
fn signals() -> io::Result<Receiver<()>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let (tell, told) = channel();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // The listing may have ended already.
            let _ = tell.send(());
        }
    });
    Ok(told)
}

/// One event, for people or as JSON.
pub(crate) fn print(out: &mut impl Write, event: &Event, json: bool) -> io::Result<()> {
    if json {
        let line = serde_json::to_string(event).map_err(io::Error::from)?;
        return write_line(out, &line);
    }
    let dim = Style::new().effects(Effects::DIMMED);
    let bold = Style::new().effects(Effects::BOLD);
    let (sign, word, style) = words::state(event.state);
    let time = event.time.map_or_else(|| "at an unknown time".to_owned(), moment);
    let verdict = event.verdict.map_or("", words::verdict);
    let app = words::app(&event.app);
    let place = words::place(event).map_or_else(String::new, |place| format!(" ({place})"));
    let host = words::target(event);
    let protocol = event.protocol.map_or("", words::protocol);
    let gap = if protocol.is_empty() { "" } else { "  " };
    let (text, when) = (words::sentence(event), happened(event));
    write_line(
        out,
        &format!(
            "{dim}{time}{dim:#}  {style}{sign} {word}{style:#}  {bold}{app}{bold:#}  {host}{dim}{place}{dim:#}  \
             {dim}{verdict}{gap}{protocol}{dim:#}\n    {text}{when}"
        ),
    )
}

/// When it happened, where the sender says another minute than that in which it was sent: events
/// are sent in batches.
fn happened(event: &Event) -> String {
    match (event.event_time, event.time) {
        (Some(then), Some(seen)) if then.0.abs_diff(seen.0) >= 60_000 => {
            format!("; it happened {}", moment(then))
        }
        _ => String::new(),
    }
}

/// One write a line or two: a follower's reader gets them whole and at once.
fn write_line(out: &mut impl Write, line: &str) -> io::Result<()> {
    out.write_all(format!("{line}\n").as_bytes())
}

/// `2026-11-21 08:00:00 UTC`.
fn moment(time: Time) -> String {
    let text = time.to_string();
    format!("{} {} UTC", &text[..10], &text[11..19])
}

/// Whether progress may be shown: standard error is a terminal.
pub(crate) fn shows_progress() -> bool {
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Fixture, NOW, decoded, facts, flow};

    #[test]
    fn times_are_moments_or_ages() {
        for (text, wanted) in [
            ("2026-11-21", Some(NOW - 8 * 3_600_000)),
            ("2026-11-21T08:00:00Z", Some(NOW)),
            ("90s", Some(NOW - 90_000)),
            ("15m", Some(NOW - 900_000)),
            ("2h", Some(NOW - 7_200_000)),
            ("7d", Some(NOW - 604_800_000)),
            ("", None),
            ("d", None),
            ("-1d", None),
            ("1w", None),
            ("7д", None),
            ("99999999999999d", None),
            ("9999999d", None),
        ] {
            assert_eq!(time_at(text, NOW).map(|t| t.0), wanted, "{text}");
        }
    }

    fn listed(store: &Fixture, filter: Filter, limit: Option<u64>) -> Vec<i64> {
        let mut ids = Vec::new();
        let listed = list(&store.reader(), filter, (limit, false), &mut |event| {
            ids.extend(event.id);
            Ok(())
        });
        assert!(listed.is_ok());
        ids
    }

    #[test]
    fn a_limit_takes_the_newest_and_keeps_the_order() {
        let store = Fixture::new();
        store.send(flow(1, NOW, &[decoded(), decoded(), decoded()]));
        assert_eq!(listed(&store, Filter::default(), None), [1, 2, 3]);
        assert_eq!(listed(&store, Filter::default(), Some(2)), [2, 3]);
    }

    #[test]
    fn an_event_is_two_plain_lines_without_colours() {
        let event = facts(1, "com.miui.home", "t.example", Verdict::Block).event(State::Blocked);
        let mut out = anstream::StripStream::new(Vec::new());
        print(&mut out, &event, false).unwrap();
        assert_eq!(
            String::from_utf8(out.into_inner()).unwrap(),
            "2026-11-21 08:00:00 UTC  ✕ stopped  com.miui.home  t.example  blocked\n    \
             was stopped before sending anything to t.example\n"
        );
    }

    #[test]
    fn an_event_that_waited_for_its_batch_says_when_it_happened() {
        let sent = |ago_ms: i64| Event {
            time: Some(Time(NOW)),
            event_time: Some(Time(NOW - ago_ms)),
            ..decoded()
        };
        assert_eq!(happened(&sent(3_600_000)), "; it happened 2026-11-21 07:00:00 UTC");
        assert_eq!(happened(&sent(59_999)), "");
        assert_eq!(happened(&Event { event_time: None, ..sent(0) }), "");
    }

    #[test]
    fn a_kept_request_is_written_as_http_carries_it() {
        let request = Request {
            method: "POST".into(),
            target: "/sa?a=b".into(),
            headers: vec![
                ("Host".into(), "a.example".into()),
                ("transfer-encoding".into(), "chunked".into()),
            ],
            body: b"data=\xff".to_vec(),
            body_size: 6,
            cut: false,
        };
        let mut out = Vec::new();
        write_request(&mut out, &request).unwrap();
        let wanted =
            b"POST /sa?a=b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\ndata=\xff";
        assert_eq!(out, wanted);
        let mut parser = crate::http::Parser::new();
        let mut read = Vec::new();
        parser.feed(&out, &mut |request| read.push(request));
        assert_eq!(read[0].body, request.body);
    }

    #[test]
    fn an_event_names_the_country_and_the_operator_of_its_server() {
        let mut facts = facts(1, "com.miui.home", "t.example", Verdict::Record);
        facts.server = Some("8.214.160.1:443".parse().unwrap());
        let mut event = facts.event(State::Encrypted);
        crate::servers::Servers::builtin().complete(event.server.as_mut().unwrap());
        let mut out = anstream::StripStream::new(Vec::new());
        print(&mut out, &event, false).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        let expected = "t.example (Singapore, Alibaba Cloud (Singapore) Private Limited)";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn an_event_as_json_is_one_line() {
        let mut out = Vec::new();
        print(&mut out, &decoded(), true).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line.trim_end(), serde_json::to_string(&decoded()).unwrap());
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let path = Path::new("x.db");
        let broken = Err(Stop::Output(io::ErrorKind::BrokenPipe.into()));
        assert!(finish(broken, path).is_ok());
        let failure = finish(Err(Stop::Store(StoreError::Missing)), path).unwrap_err();
        assert!(failure.to_string().starts_with("x.db: no such database; "));
    }
}
