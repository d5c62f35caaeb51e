//! The parser that is fed the bytes of one direction of a connection. Never looks at responses.

use super::{
    Request,
    body::{Body, Fed},
    head::{self, Framing, Head, Scan, Step},
};
use crate::limits;

/// How far the stream was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Keep feeding.
    More,
    /// These bytes are no HTTP request (TLS, binary). Never feed again.
    NotHttp,
    /// It was HTTP and is no longer, or can be read no further. Never feed again.
    Done(End),
}

/// Why reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After this request the stream may speak another protocol: CONNECT, or Connection: upgrade.
    /// Whether the server agreed is not known here.
    Upgraded,
    /// The bytes break the rules, or a bound.
    Broken(Broken),
}

/// What broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A later head is no request line and headers (RFC 9112 §3, §5).
    #[error("the request head is malformed")]
    Head,
    /// The head is larger than [`crate::limits::HTTP_HEAD`] or has more lines than
    /// [`crate::limits::HTTP_HEADERS`].
    #[error("the request head is too large")]
    LargeHead,
    /// Content-Length is no number, or several differ (RFC 9112 §6.3).
    #[error("the content length is malformed")]
    Length,
    /// A transfer coding whose end cannot be known (RFC 9112 §6.3).
    #[error("the transfer coding is not supported")]
    Coding,
    /// Chunk framing (RFC 9112 §7.1).
    #[error("the chunked body is malformed")]
    Chunk,
}

/// Reads the requests of one connection, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct Parser {
    /// Bytes of a head that is not whole yet.
    head: Vec<u8>,
    scan: Scan,
    /// The request whose body is being read, or was when the stream broke.
    current: Option<Current>,
    /// Whether a request line was read, so that the stream is HTTP.
    http: bool,
    /// Why reading ended.
    ended: Option<Progress>,
}

/// A request whose head was read.
#[derive(Debug)]
struct Current {
    request: Request,
    body: Body,
    upgrade: bool,
    /// Whether it asks for 100 and no byte has followed the head.
    waits: bool,
}

/// How the bytes of one call are left: some unread, or the stream at its end.
type Rest<'a> = Result<&'a [u8], Progress>;

impl Parser {
    /// A parser at the start of a connection. Allocates nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream and calls `each` with every request that they complete.
    ///
    /// Every byte is looked at once and a head is read once, so the work is linear in the bytes.
    /// After anything but [`Progress::More`] further bytes are ignored and the answer stays.
    pub fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Request)) -> Progress {
        if let Some(ended) = self.ended {
            return ended;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let fed = match self.current {
                None => self.feed_head(rest, each),
                Some(_) => self.feed_body(rest, each),
            };
            match fed {
                Ok(after) => rest = after,
                Err(ended) => {
                    self.ended = Some(ended);
                    self.head = Vec::new();
                    return ended;
                }
            }
        }
        Progress::More
    }

    /// The request whose head was complete and whose body was not, marked as cut: the stream ended
    /// or its framing broke.
    pub fn finish(self) -> Option<Request> {
        self.current.map(|current| Request { cut: true, ..current.request })
    }

    /// Whether a head with `Expect: 100-continue` was read and no byte of its body yet, so that
    /// whoever answers for the server has to send 100 (RFC 9110 §10.1.1).
    pub fn awaits_continue(&self) -> bool {
        self.ended.is_none() && self.current.as_ref().is_some_and(|current| current.waits)
    }

    /// Whether the stream stands between requests, with no byte of a next one. Empty lines are
    /// nothing.
    pub fn idle(&self) -> bool {
        self.ended.is_none() && self.current.is_none() && self.scan.at_start()
    }

    /// Bytes on the heap that hold a head or a body, for the caller's budget.
    pub fn held(&self) -> usize {
        self.head.capacity() + self.current.as_ref().map_or(0, |c| c.request.body.capacity())
    }

    fn feed_head<'a>(&mut self, bytes: &'a [u8], each: &mut dyn FnMut(Request)) -> Rest<'a> {
        let mut start = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            match self.scan.step(byte) {
                Step::Next(next) => {
                    if next.at_start() {
                        start = at + 1;
                    }
                    self.http |= next == Scan::LineStart;
                    self.scan = next;
                }
                Step::End => {
                    let (head, rest) = bytes.split_at(at + 1);
                    self.scan = Scan::Start;
                    self.begin(head.get(start..).unwrap_or_default(), each)?;
                    return Ok(rest);
                }
                Step::NoRequest if !self.http => return Err(Progress::NotHttp),
                Step::NoRequest | Step::Broken => return Err(broken(Broken::Head)),
            }
            if self.head.len() + at + 1 - start > limits::HTTP_HEAD {
                return Err(broken(Broken::LargeHead));
            }
        }
        self.head.extend_from_slice(bytes.get(start..).unwrap_or_default());
        Ok(&[])
    }

    /// Reads a head that is whole with these bytes.
    fn begin(&mut self, last: &[u8], each: &mut dyn FnMut(Request)) -> Result<(), Progress> {
        if self.head.len() + last.len() > limits::HTTP_HEAD {
            return Err(broken(Broken::LargeHead));
        }
        let head = if self.head.is_empty() {
            head::parse(last)
        } else {
            self.head.extend_from_slice(last);
            head::parse(&std::mem::take(&mut self.head))
        };
        let Head { request, framing, upgrade, expects } = head.map_err(broken)?;
        let body = Body::new(framing.unwrap_or(Framing::Length(0)));
        let waits = expects && body != Body::Length(0);
        self.current = Some(Current { request, body, upgrade, waits });
        framing.map_err(broken)?;
        if body == Body::Length(0) { self.complete(each) } else { Ok(()) }
    }

    fn feed_body<'a>(&mut self, bytes: &'a [u8], each: &mut dyn FnMut(Request)) -> Rest<'a> {
        let Some(current) = &mut self.current else { return Ok(bytes) };
        current.waits = false;
        match current.body.feed(bytes, &mut current.request).map_err(broken)? {
            Fed::More => Ok(&[]),
            Fed::End(len) => {
                self.complete(each)?;
                Ok(bytes.get(len..).unwrap_or_default())
            }
        }
    }

    /// Hands over the current request.
    fn complete(&mut self, each: &mut dyn FnMut(Request)) -> Result<(), Progress> {
        let Some(current) = self.current.take() else { return Ok(()) };
        each(current.request);
        if current.upgrade { Err(Progress::Done(End::Upgraded)) } else { Ok(()) }
    }
}

fn broken(what: Broken) -> Progress {
    Progress::Done(End::Broken(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream came to: its requests, the answer, what was cut.
    #[derive(Debug, PartialEq)]
    struct Outcome {
        requests: Vec<Request>,
        progress: Progress,
        cut: Option<Request>,
    }

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let (mut parser, mut requests, mut progress) = (Parser::new(), vec![], Progress::More);
        for piece in pieces {
            progress = parser.feed(piece, &mut |request| requests.push(request));
        }
        Outcome { requests, progress, cut: parser.finish() }
    }

    fn capture(name: &str) -> &'static [u8] {
        let (_, bytes) = CAPTURES.iter().find(|(file, _)| *file == name).unwrap();
        bytes
    }

    macro_rules! captures {
        ($($name:literal),+ $(,)?) => {
            const CAPTURES: &[(&str, &[u8])] =
                &[$(($name, include_bytes!(concat!("../../tests/data/http/", $name, ".bin")))),+];
        };
    }

    captures!(
        "chunked",
        "chunked-stdin",
        "connect",
        "expect",
        "form",
        "get",
        "gzip",
        "http2",
        "multipart",
        "tls",
        "two-posts",
        "upgrade-h2c",
    );

    const EVENT: &str =
        r#"{"type":"track","event":"search","properties":{"search_word":"weather"}}"#;

    const PIPELINE: &[u8] = b"\r\n\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /2 HTTP/1.1\nContent-Length: 4\n\nbody\
        HEAD /3 HTTP/1.0\r\n\r\n\r\n\
        PUT /4 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n\
        POST /5 HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf";

    #[test]
    fn every_split_of_a_pipeline_gives_the_same_requests() {
        let whole = read([PIPELINE]);
        let seen: Vec<_> = whole.requests.iter().map(|r| (&*r.target, &*r.body)).collect();
        let bodies: [(&str, &[u8]); 4] =
            [("/1", b""), ("/2", b"body"), ("/3", b""), ("/4", b"abcd")];
        assert_eq!(seen, bodies);
        let cut = whole.cut.as_ref().unwrap();
        assert_eq!(
            (&*cut.target, &*cut.body, cut.body_size, cut.cut),
            ("/5", &b"half"[..], 4, true)
        );
        assert_eq!(whole.progress, Progress::More);
        for first in 0..PIPELINE.len() {
            let (a, rest) = PIPELINE.split_at(first);
            for second in 0..rest.len() {
                let (b, c) = rest.split_at(second);
                assert_eq!(read([a, b, c]), whole, "{first} {second}");
            }
        }
        for size in 1..9 {
            assert_eq!(read(PIPELINE.chunks(size)), whole, "{size}");
        }
    }

    #[test]
    fn what_curl_sends_is_read_in_any_pieces() {
        for (name, bytes) in CAPTURES {
            let whole = read([*bytes]);
            assert_eq!(read(bytes.chunks(1)), whole, "{name}");
            for at in 0..bytes.len() {
                let (a, b) = bytes.split_at(at);
                assert_eq!(read([a, b]), whole, "{name} {at}");
            }
            assert_eq!(whole.cut, None, "{name}");
        }
    }

    #[test]
    fn bodies_of_curl_are_whole() {
        for (name, body) in [
            ("form", "data_list=W10%3D&gzip=0".to_owned()),
            ("chunked", EVENT.to_owned()),
            ("chunked-stdin", EVENT.repeat(3)),
            ("expect", EVENT.to_owned()),
        ] {
            let outcome = read([capture(name)]);
            assert_eq!((outcome.requests.len(), outcome.progress), (1, Progress::More), "{name}");
            let request = &outcome.requests[0];
            assert_eq!(request.body, body.as_bytes(), "{name}");
            assert_eq!(request.body_size, body.len() as u64, "{name}");
            assert_eq!(request.target, "/sa?project=x");
            assert_eq!(request.header("host"), Some("sa.example"));
            assert!(!request.cut);
        }
        let multipart = read([capture("multipart")]);
        let text = String::from_utf8(multipart.requests[0].body.clone()).unwrap();
        assert!(text.starts_with("----") && text.contains(EVENT) && text.ends_with("--\r\n"));
        assert!(read([capture("gzip")]).requests[0].body.starts_with(&[0x1f, 0x8b]));
        assert_eq!(read([capture("get")]).requests.len(), 2);
        assert_eq!(read([capture("two-posts")]).requests.len(), 2);
    }

    #[test]
    fn after_an_upgrade_nothing_is_read() {
        for name in ["upgrade-h2c", "connect"] {
            let bytes = capture(name);
            let outcome = read([bytes, b"GET / HTTP/1.1\r\n\r\n"]);
            assert_eq!(outcome.requests.len(), 1, "{name}");
            assert_eq!(outcome.progress, Progress::Done(End::Upgraded), "{name}");
        }
        let post = b"POST / HTTP/1.1\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab\x81\x00";
        let outcome = read([&post[..]]);
        assert_eq!(outcome.requests[0].body, b"ab");
        assert_eq!(outcome.progress, Progress::Done(End::Upgraded));
    }

    /// After how many bytes the answer changes.
    fn length_until(bytes: &[u8], wanted: Progress) -> Option<usize> {
        let mut parser = Parser::new();
        bytes.iter().position(|b| parser.feed(&[*b], &mut |_| {}) == wanted).map(|at| at + 1)
    }

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        for (bytes, len) in [
            (capture("tls"), 1),
            (capture("http2"), 12),
            (b"\0\x01", 1),
            (b"\x82\xff", 1),
            (b"SSH-2.0-OpenSSH", 5),
            (b"EHLO mail\r\n", 10),
            (b"GET /\r\n", 6),
            (b"GET  / HTTP/1.1", 5),
            (b"GET / HTTP/1.2", 14),
            (b"GET / http/1.1", 7),
            (b"RTSPRTSPRTSPRTSPRTSPRTSPRTSPRTSPR", 33),
        ] {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(length_until(bytes, Progress::NotHttp), Some(len), "{text}");
        }
    }

    #[test]
    fn garbage_after_a_request_breaks_the_stream() {
        let stream = b"GET / HTTP/1.1\r\n\r\n\x16\x03\x01";
        let outcome = read([&stream[..]]);
        assert_eq!(outcome.requests.len(), 1);
        assert_eq!(outcome.progress, Progress::Done(End::Broken(Broken::Head)));
        let broken = Progress::Done(End::Broken(Broken::Head));
        assert_eq!(read([&b"GET / HTTP/1.1\r\n\rx"[..]]).progress, broken);
        assert_eq!(read([&b"GET / HTTP/1.1\r\nno colon\r\n\r\n"[..]]).progress, broken);
    }

    #[test]
    fn broken_framing_leaves_what_was_read_as_cut() {
        for (stream, what, body) in [
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nab", Broken::Length, ""),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nab", Broken::Coding, ""),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX", Broken::Chunk, "ab"),
        ] {
            let outcome = read([stream.as_bytes(), b"GET / HTTP/1.1\r\n\r\n"]);
            assert_eq!(outcome.requests, []);
            assert_eq!(outcome.progress, Progress::Done(End::Broken(what)));
            let cut = outcome.cut.unwrap();
            assert_eq!((&*cut.body, cut.cut), (body.as_bytes(), true));
        }
    }

    #[test]
    fn smuggled_requests_are_not_read_as_requests() {
        // CL.TE: the coding counts, and what follows the last chunk is the next request.
        let stream = b"POST /a HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
            0\r\n\r\nGPOST /b HTTP/1.1\r\n\r\n";
        let outcome = read([&stream[..]]);
        let methods: Vec<_> = outcome.requests.iter().map(|r| &*r.method).collect();
        assert_eq!(methods, ["POST", "GPOST"]);
        assert!(outcome.requests[0].states_two_lengths());
        // A request hidden in a body, by shapes that servers disagree about.
        for head in [
            "Transfer-Encoding: xchunked\r\nContent-Length: 28",
            "Transfer-Encoding : chunked\r\nContent-Length: 28",
            "Transfer-Encoding: chunked, identity",
            "Content-Length: 28\r\nContent-Length: 0",
            "Content-Length: 0\r\n Content-Length: 28",
        ] {
            let stream =
                format!("POST / HTTP/1.1\r\n{head}\r\n\r\nGET /hidden HTTP/1.1\r\nA: b\r\n\r\n");
            let outcome = read([stream.as_bytes()]);
            assert_eq!(outcome.requests, [], "{head}");
            assert!(matches!(outcome.progress, Progress::Done(End::Broken(_))), "{head}");
        }
    }

    #[test]
    fn a_client_that_waits_is_known() {
        let bytes = capture("expect");
        let head = bytes.len() - EVENT.len();
        let mut parser = Parser::new();
        parser.feed(&bytes[..head - 1], &mut |_| panic!());
        assert!(!parser.awaits_continue());
        parser.feed(&bytes[head - 1..head], &mut |_| panic!());
        assert!(parser.awaits_continue() && !parser.idle());
        parser.feed(&bytes[head..=head], &mut |_| panic!());
        assert!(!parser.awaits_continue());
        let mut count = 0;
        parser.feed(&bytes[head + 1..], &mut |_| count += 1);
        assert!(count == 1 && parser.idle());
        let mut parser = Parser::new();
        let empty = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n";
        parser.feed(empty, &mut |_| {});
        assert!(!parser.awaits_continue());
    }

    #[test]
    fn idle_is_between_requests() {
        let mut parser = Parser::new();
        assert!(parser.idle());
        for (piece, idle) in [
            (&b"\r\n"[..], true),
            (b"G", false),
            (b"ET / HTTP/1.1\r\n\r", false),
            (b"\n", true),
            (b"\r", true),
            (b"\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", false),
            (b"x", true),
            (b"\0", false),
        ] {
            parser.feed(piece, &mut |_| {});
            assert_eq!(parser.idle(), idle, "{piece:?}");
        }
        assert_eq!(parser.finish(), None);
    }

    #[test]
    fn empty_lines_before_a_request_take_no_memory() {
        let mut parser = Parser::new();
        let lines = b"\r\n".repeat(limits::HTTP_HEAD);
        assert_eq!(parser.feed(&lines, &mut |_| {}), Progress::More);
        assert_eq!((parser.held(), parser.idle()), (0, true));
        let mut count = 0;
        parser.feed(b"\nGET / HTTP/1.1\r\n\r\n", &mut |_| count += 1);
        assert_eq!(count, 1);
    }

    #[test]
    fn an_incomplete_head_is_no_request() {
        assert_eq!(read([&b"GET / HTTP/1.1\r\nHost: a\r\n"[..]]).cut, None);
    }

    #[test]
    fn heads_are_bounded() {
        let start = "GET / HTTP/1.1\r\nA: ";
        let large = |len: usize| format!("{start}{}\r\n\r\n", "a".repeat(len - start.len() - 4));
        let most = large(limits::HTTP_HEAD);
        assert_eq!(read([most.as_bytes()]).requests.len(), 1);
        assert_eq!(read(most.as_bytes().chunks(1)).requests.len(), 1);
        let more = large(limits::HTTP_HEAD + 1);
        let ended = Progress::Done(End::Broken(Broken::LargeHead));
        assert_eq!(read([more.as_bytes()]).progress, ended);
        assert_eq!(length_until(more.as_bytes(), ended), Some(limits::HTTP_HEAD + 1));
        let mut parser = Parser::new();
        parser.feed(&more.as_bytes()[..limits::HTTP_HEAD], &mut |_| {});
        assert!(parser.held() >= limits::HTTP_HEAD && parser.held() <= 2 * limits::HTTP_HEAD);
        parser.feed(b"aa", &mut |_| {});
        assert_eq!(parser.held(), 0);
        let lines =
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(limits::HTTP_HEADERS + 1));
        assert_eq!(read([lines.as_bytes()]).progress, ended);
    }

    #[test]
    fn mutated_streams_are_borne_in_bounded_memory() {
        let mut state = 0x6d75_7a7a_6c65_u64;
        let mut below = |bound: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let (mut requests, mut ended) = (0u32, 0u32);
        for round in 0..120_000 {
            let source = CAPTURES.get(round % (CAPTURES.len() + 1)).map_or(PIPELINE, |(_, b)| b);
            let mut bytes = source.to_vec();
            for _ in 0..=below(3) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes[at] = below(256) as u8,
                    1 => bytes[at] ^= 1 << below(8),
                    2 => bytes.insert(at, b"\r\n ,:;0f"[below(8)]),
                    _ => drop(bytes.remove(at)),
                }
            }
            let (mut parser, mut last) = (Parser::new(), Progress::More);
            for piece in bytes.chunks(1 + below(bytes.len())) {
                last = parser.feed(piece, &mut |request| {
                    requests += 1;
                    assert!(!request.cut && request.body.len() <= bytes.len());
                });
                assert!(parser.held() <= 4 * bytes.len());
            }
            ended += u32::from(last != Progress::More);
            assert!(parser.finish().is_none_or(|request| request.cut));
        }
        // The mutations leave some requests whole, and break some streams.
        assert!(requests > 60_000 && (20_000..110_000).contains(&ended), "{requests} {ended}");
    }
}
