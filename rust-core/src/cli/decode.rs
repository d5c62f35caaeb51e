//! `muzzle decode`: prints what one request says. Never opens a connection, whatever the URL.

use super::Failure;
use crate::event::{Event, Protocol, State};
use crate::http::{Parser, Request};
use crate::{decode, limits};
use anstyle::{AnsiColor, Style};
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Decode the body of one HTTP request.
///
/// Prints one JSON object per event, or on a terminal a readable form. Exits with 0 where it
/// could be decoded, 3 where the format is known but encrypted, 4 where no format was recognised,
/// 5 where the format is known but the bytes are broken, 2 where the command line is wrong.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    muzzle decode --url 'http://sa.example.com/sa?project=x' body.bin\n  \
    muzzle decode --url 'http://sa.example.com/sa.gif?data=eyJ0eXBl…'\n  \
    muzzle decode --raw --json request.txt | jq .fields")]
pub(crate) struct Args {
    /// Request method; POST where there is a body, else GET
    #[arg(long, value_name = "M", conflicts_with = "raw")]
    method: Option<String>,
    /// Address of the request; its query may hold the payload
    #[arg(long, conflicts_with = "raw")]
    url: Option<String>,
    /// A header line, may be repeated
    #[arg(long = "header", value_name = "'K: V'", conflicts_with = "raw")]
    headers: Vec<String>,
    /// The file holds a whole HTTP/1.1 request, head and body
    #[arg(long)]
    raw: bool,
    /// Print JSON Lines on a terminal too
    #[arg(long)]
    json: bool,
    /// File with the body; `-` is standard input, also the default where no URL is given
    file: Option<PathBuf>,
}

const ENCRYPTED: u8 = 3;
const UNKNOWN: u8 = 4;
const MALFORMED: u8 = 5;
const USAGE: u8 = 2;

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let stdin = Path::new("-");
    let bytes = match args.file.as_deref() {
        None if args.url.is_some() => Vec::new(),
        None => read(io::stdin().lock(), stdin)?,
        Some(file) if file == stdin => read(io::stdin().lock(), stdin)?,
        Some(file) => {
            let open = std::fs::File::open(file);
            read(open.map_err(|e| cannot_read(file, &e))?, file)?
        }
    };
    let request = request(&args, bytes)?;
    let events = decode::events(None, None, &request);
    let human = !args.json && io::stdout().is_terminal();
    let printed = if human {
        print_human(&mut anstream::stdout().lock(), &events)
    } else {
        // Not through anstream: it would strip control characters from the senders' texts.
        let mut out = io::BufWriter::new(io::stdout().lock());
        print_json(&mut out, &events).and_then(|()| out.flush())
    };
    match printed {
        // Whoever reads us may stop early, as `head` does.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format_args!("cannot write the events: {e}")))
        }
        _ => Ok(ExitCode::from(code(&events))),
    }
}

fn cannot_read(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!("cannot read {}: {error}; check the path", file.display()))
}

/// Reads at most [`limits::CONFIG_FILE`] bytes; more is an error.
fn read(from: impl Read, file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut from = from.take(limits::CONFIG_FILE + 1);
    from.read_to_end(&mut bytes).map_err(|e| cannot_read(file, &e))?;
    if bytes.len() as u64 > limits::CONFIG_FILE {
        let (name, most) = (file.display(), limits::CONFIG_FILE);
        return Err(Failure::new(format_args!("{name} is larger than {most} bytes; cut it")));
    }
    Ok(bytes)
}

fn request(args: &Args, bytes: Vec<u8>) -> Result<Request, Failure> {
    if args.raw {
        return raw(&bytes);
    }
    let mut headers = Vec::new();
    for line in &args.headers {
        let pair = line.split_once(':').filter(|(name, _)| !name.trim().is_empty());
        let (name, value) =
            pair.ok_or_else(|| usage("a header is written 'Name: value', with a colon"))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let default = if bytes.is_empty() { "GET" } else { "POST" };
    let method = args.method.clone().unwrap_or_else(|| default.to_owned()).to_ascii_uppercase();
    let target = args.url.clone().unwrap_or_else(|| "/".to_owned());
    if !(target.starts_with("http://") || target.starts_with("https://") || target.starts_with('/'))
    {
        return Err(usage("an address starts with http://, https:// or /"));
    }
    let body_size = bytes.len() as u64;
    Ok(Request { method, target, headers, body: bytes, body_size, cut: false })
}

fn usage(message: &str) -> Failure {
    Failure::with_code(USAGE, message)
}

/// The first request of a stream; it may be cut.
fn raw(bytes: &[u8]) -> Result<Request, Failure> {
    let mut parser = Parser::new();
    let mut first = None;
    parser.feed(bytes, &mut |request| {
        first.get_or_insert(request);
    });
    let none = || Failure::with_code(UNKNOWN, "no HTTP request with a whole head in these bytes");
    first.or_else(|| parser.finish()).ok_or_else(none)
}

/// The exit code that tells scripts how much could be read.
fn code(events: &[Event]) -> u8 {
    let known = events.iter().any(|e| e.protocol.is_some_and(|p| p != Protocol::Unknown));
    match events.first().map(|e| e.state) {
        Some(State::Decoded) => 0,
        Some(State::Encrypted) => ENCRYPTED,
        _ if known => MALFORMED,
        _ => UNKNOWN,
    }
}

fn print_json(out: &mut impl Write, events: &[Event]) -> io::Result<()> {
    for event in events {
        serde_json::to_writer(&mut *out, event)?;
        writeln!(out)?;
    }
    Ok(())
}

const TITLE: Style = Style::new().bold();
const NAME: Style = AnsiColor::Cyan.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();

fn print_human(out: &mut impl Write, events: &[Event]) -> io::Result<()> {
    if let Some(first) = events.first() {
        let protocol = first.protocol.map_or("unknown", |p| p.as_str());
        write!(out, "{TITLE}{protocol}{TITLE:#}, {}", first.state)?;
        if let Some(host) = &first.host {
            write!(out, ", to {}", plain(host))?;
        }
        if let Some(payload) = &first.payload {
            write!(out, ", {} bytes", payload.size)?;
        }
        writeln!(out, ", {} event{}", events.len(), if events.len() == 1 { "" } else { "s" })?;
        for (name, check) in &first.checks {
            writeln!(out, "  check {}: {check}", plain(name))?;
        }
    }
    for event in events {
        print_event(out, event)?;
    }
    Ok(())
}

fn print_event(out: &mut impl Write, event: &Event) -> io::Result<()> {
    writeln!(out)?;
    write!(out, "{TITLE}{}{TITLE:#}", plain(event.event.as_deref().unwrap_or("(no name)")))?;
    if let Some(time) = event.event_time {
        write!(out, "  {time}")?;
    }
    if let Some(app) = &event.app.hint {
        write!(out, "  from {}", plain(app))?;
    }
    writeln!(out)?;
    for problem in &event.problems {
        let place = if problem.path.is_empty() { "the whole" } else { &problem.path };
        writeln!(out, "  {WARN}problem: {} at {}{WARN:#}", problem.code, plain(place))?;
    }
    for kind in &event.kinds {
        let fields = event.fields.iter().filter(|f| f.kind == *kind);
        print_fields(out, kind.as_str(), fields)?;
    }
    if event.kinds.iter().all(|k| *k != crate::event::Kind::Other) {
        let rest = event.fields.iter().filter(|f| f.kind == crate::event::Kind::Other);
        print_fields(out, "other", rest)?;
    }
    if !event.ids.is_empty() {
        writeln!(out, "  {NAME}identifiers{NAME:#}")?;
    }
    for id in &event.ids {
        writeln!(out, "    {}: {}  ({})", id.kind, plain(&id.value), plain(&id.path))?;
    }
    Ok(())
}

fn print_fields<'a>(
    out: &mut impl Write,
    title: &str,
    fields: impl Iterator<Item = &'a crate::event::Field>,
) -> io::Result<()> {
    let mut fields = fields.peekable();
    if fields.peek().is_some() {
        writeln!(out, "  {NAME}{title}{NAME:#}")?;
    }
    for field in fields {
        writeln!(out, "    {}: {}", plain(&field.path), plain(&field.value))?;
    }
    Ok(())
}

/// Text that cannot steer the terminal: control characters are written as escapes.
fn plain(text: &str) -> String {
    let hidden =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .flat_map(|c| {
            let escape = hidden(c).then(|| c.escape_unicode());
            let own = (!hidden(c)).then_some(c);
            escape.into_iter().flatten().chain(own)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Line::parse_from(std::iter::once("decode").chain(line.iter().copied())).args
    }

    fn decoded(line: &[&str], body: &[u8]) -> Vec<Event> {
        decode::events(None, None, &request(&args(line), body.to_vec()).unwrap())
    }

    const BODY: &[u8] = include_bytes!("../../tests/data/sensors/web-plain.body");

    #[test]
    fn exit_codes_tell_how_much_was_read() {
        let encrypted = br#"gzip=9&data_list=[{"ekey":"a","pkv":1,"payloads":["QUJD"]}]"#;
        for (body, expected) in [
            (BODY, 0),
            (encrypted.as_slice(), ENCRYPTED),
            (b"hello=world", UNKNOWN),
            (b"\x01\0\0\0\x01\0\0\0\x1f\x8b\x08", MALFORMED),
        ] {
            assert_eq!(code(&decoded(&[], body)), expected);
        }
    }

    #[test]
    fn method_url_and_headers_reach_the_request() {
        let line = args(&["--url", "http://Sa.Example.com:80/sa?x=1", "--header", "Dry-Run: true"]);
        let built = request(&line, b"a".to_vec()).unwrap();
        assert_eq!((built.method.as_str(), built.body_size), ("POST", 1));
        assert_eq!(built.header("dry-run"), Some("true"));
        assert_eq!(decode::events(None, None, &built)[0].host.as_deref(), Some("sa.example.com"));
        let bare = request(&args(&["--url", "/debug"]), Vec::new()).unwrap();
        assert_eq!(bare.method, "GET");
        let named = request(&args(&["--method", "put"]), Vec::new()).unwrap();
        assert_eq!(named.method, "PUT");
    }

    #[test]
    fn bad_headers_and_addresses_are_usage_errors() {
        for line in [["--header", "no colon"], ["--header", ": x"], ["--url", "ftp://x"]] {
            assert_eq!(request(&args(&line), Vec::new()).unwrap_err().code, USAGE, "{line:?}");
        }
    }

    #[test]
    fn a_raw_request_is_taken_apart() {
        let head =
            format!("POST /sa HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", BODY.len());
        let bytes = [head.as_bytes(), BODY, b"next"].concat();
        let whole = request(&args(&["--raw"]), bytes.clone()).unwrap();
        assert_eq!((whole.body.as_slice(), whole.cut), (BODY, false));
        assert_eq!(
            decode::events(None, None, &whole)[0].event.as_deref(),
            Some("product_exposure")
        );
        let cut = request(&args(&["--raw"]), bytes[..head.len() + 9].to_vec()).unwrap();
        assert_eq!((cut.body.len(), cut.body_size, cut.cut), (9, 9, true));
        for broken in [&b"POST /sa HTTP/1.1\r\nHo"[..], b"\0\0\0\r\n\r\n"] {
            let failure = request(&args(&["--raw"]), broken.to_vec()).unwrap_err();
            assert_eq!(failure.code, UNKNOWN);
        }
    }

    #[test]
    fn json_lines_read_back_as_the_same_events() {
        let events = decoded(&[], BODY);
        let mut out = Vec::new();
        print_json(&mut out, &events).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(serde_json::from_str::<Event>(text.trim_end()).unwrap(), events[0]);
    }

    #[test]
    fn the_readable_form_shows_kinds_identifiers_and_problems() {
        let mut out = anstream::StripStream::new(Vec::new());
        print_human(&mut out, &decoded(&["--url", "http://h/sa"], BODY)).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        for line in [
            "sensors, decoded, to h, 1462 bytes, 1 event",
            "  check crc: ok",
            "product_exposure  2024-04-23T08:28:08.369Z",
            "  visited-page",
            "    properties.$title: Retail Demo Store",
            "  other",
            "    properties.currency: USD",
            "    cookie_id: 18f0a02b36b0-04eecaf953edbd4-1c525637-3686400-18f0a02b36ce78  \
             (identities.$identity_cookie_id)",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let mut out = anstream::StripStream::new(Vec::new());
        print_human(&mut out, &decoded(&[], br#"{"H":{"event":"e","e_ts":"x"},"B":{}}"#)).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        assert!(text.contains("  problem: malformed at H.e_ts\n"), "{text}");
    }

    #[test]
    fn peers_cannot_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2Jé\u{202e}\n"), "a\\u{1b}[2Jé\\u{202e}\\u{a}");
    }

    #[test]
    fn a_file_beyond_the_bound_is_refused() {
        let failure = read(io::repeat(0), Path::new("x")).unwrap_err();
        assert_eq!(failure.to_string(), "x is larger than 16777216 bytes; cut it");
    }
}
