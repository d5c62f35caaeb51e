//! The head of a request: where it ends, and what it says about its body. Never holds bytes.

use super::{Broken, Request};
use crate::limits;
use std::mem::MaybeUninit;

/// Longest method that is taken for one.
const METHOD: u8 = 32;
const VERSION: &[u8; 7] = b"HTTP/1.";

/// Where in a head the stream stands. Each byte is looked at once, however the stream is split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scan {
    /// Before the request line, where empty lines are skipped (RFC 9112 §2.2).
    #[default]
    Start,
    StartCr,
    /// Length so far.
    Method(u8),
    /// Whether it has a byte.
    Target(bool),
    /// Bytes matched.
    Version(u8),
    RequestLineCr,
    LineStart,
    /// After CR in an empty line.
    LineStartCr,
    Line,
}

/// What one byte does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The head goes on.
    Next(Scan),
    /// The byte ends the head.
    End,
    /// No request line begins so.
    NoRequest,
    /// The head breaks the rules after its request line.
    Broken,
}

impl Scan {
    /// The step that `byte` leads to.
    pub(super) fn step(self, byte: u8) -> Step {
        Step::Next(match (self, byte) {
            (Self::Start, b'\r') => Self::StartCr,
            (Self::Start | Self::StartCr, b'\n') => Self::Start,
            (Self::Start, _) if byte.is_ascii_alphabetic() => Self::Method(1),
            (Self::Method(_), b' ') => Self::Target(false),
            (Self::Method(len), b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z') if len < METHOD => {
                Self::Method(len + 1)
            }
            (Self::Target(true), b' ') => Self::Version(0),
            (Self::Target(_), b'!'..=b'~' | 0x80..) => Self::Target(true),
            (Self::Version(8), b'\r') => Self::RequestLineCr,
            (Self::Version(8), b'\n') | (Self::RequestLineCr, b'\n') => Self::LineStart,
            (Self::Version(7), b'0' | b'1') => Self::Version(8),
            (Self::Version(at), _) if VERSION.get(usize::from(at)) == Some(&byte) => {
                Self::Version(at + 1)
            }
            (Self::LineStart, b'\r') => Self::LineStartCr,
            (Self::LineStart | Self::LineStartCr, b'\n') => return Step::End,
            (Self::LineStartCr, _) => return Step::Broken,
            (Self::Line, b'\n') => Self::LineStart,
            (Self::LineStart | Self::Line, _) => Self::Line,
            _ => return Step::NoRequest,
        })
    }

    /// Whether no byte of a request line was seen.
    pub(super) fn at_start(self) -> bool {
        matches!(self, Self::Start | Self::StartCr)
    }
}

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// A head as it was read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request,
    pub(super) framing: Result<Framing, Broken>,
    /// Whether another protocol may follow the request.
    pub(super) upgrade: bool,
    /// Whether the client waits for 100 (RFC 9110 §10.1.1).
    pub(super) expects: bool,
}

/// Reads a whole head, with its empty line.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Broken> {
    let mut lines = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS];
    let mut head = httparse::Request::new(&mut []);
    match head.parse_with_uninit_headers(bytes, &mut lines) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Broken::LargeHead),
        _ => return Err(Broken::Head),
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect(),
        ..Request::default()
    };
    let connect = request.method == "CONNECT";
    let later = head.version == Some(1);
    Ok(Head {
        framing: if connect { Ok(Framing::Length(0)) } else { framing(&request) },
        upgrade: connect || tokens(&request, "connection").any(|t| is(t, "upgrade")),
        expects: later && tokens(&request, "expect").any(|t| is(t, "100-continue")),
        request,
    })
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

/// The members of a header that is a list, over all of its lines (RFC 9110 §5.6.1).
fn tokens<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = request.headers.iter().filter(move |(n, _)| is(n, name));
    lines.flat_map(|(_, value)| value.split(',')).map(|t| t.trim_matches([' ', '\t']))
}

/// How long the body is (RFC 9112 §6.3). A transfer coding overrides a content length.
fn framing(request: &Request) -> Result<Framing, Broken> {
    if request.header("transfer-encoding").is_some() {
        let mut codings = tokens(request, "transfer-encoding").filter(|t| !t.is_empty());
        let chunked = codings.find(|t| is(t, "chunked")).is_some();
        // Chunked has to be the last coding and stand there once.
        return if chunked && codings.next().is_none() {
            Ok(Framing::Chunked)
        } else {
            Err(Broken::Coding)
        };
    }
    let mut length = None;
    for token in tokens(request, "content-length") {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Broken::Length);
        }
        let value: u64 = token.parse().map_err(|_| Broken::Length)?;
        if length.is_some_and(|known| known != value) {
            return Err(Broken::Length);
        }
        length = Some(value);
    }
    Ok(Framing::Length(length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Result<Head, Broken> {
        parse(format!("POST /p HTTP/1.1\r\n{lines}\r\n").as_bytes())
    }

    fn framed(lines: &str) -> Result<Framing, Broken> {
        head(lines).unwrap().framing
    }

    #[test]
    fn lines_are_kept_as_sent() {
        let read = parse(b"POST /a?b=%20 HTTP/1.1\nHost:  a \r\nx: \xff\nX:\n\n").unwrap();
        assert_eq!((&*read.request.method, &*read.request.target), ("POST", "/a?b=%20"));
        let lines = [("Host", "a"), ("x", "\u{fffd}"), ("X", "")];
        assert_eq!(read.request.headers, lines.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(read.request.header("HOST"), Some("a"));
    }

    #[test]
    fn lengths_have_to_agree() {
        assert_eq!(framed(""), Ok(Framing::Length(0)));
        assert_eq!(framed("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(
            framed("content-length: 5, 5\r\nContent-Length: 05\r\n"),
            Ok(Framing::Length(5))
        );
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 6\r\n",
            "Content-Length: 5,\r\n",
            "Content-Length:\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: 18446744073709551616\r\n",
        ] {
            assert_eq!(framed(lines), Err(Broken::Length), "{lines}");
        }
        assert_eq!(
            framed("Content-Length: 18446744073709551615\r\n"),
            Ok(Framing::Length(u64::MAX))
        );
    }

    #[test]
    fn chunked_is_the_last_coding_or_the_end_is_unknown() {
        for lines in [
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, CHUNKED\r\n",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding:\tchunked\t\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
        ] {
            assert_eq!(framed(lines), Ok(Framing::Chunked), "{lines}");
        }
        for lines in [
            "Transfer-Encoding: gzip\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        ] {
            assert_eq!(framed(lines), Err(Broken::Coding), "{lines}");
        }
    }

    #[test]
    fn two_lengths_are_marked() {
        let both = head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n").unwrap();
        assert!(both.request.states_two_lengths());
        assert!(!head("Content-Length: 5\r\n").unwrap().request.states_two_lengths());
    }

    #[test]
    fn expect_and_upgrade_are_lists_without_case() {
        let read = head("Expect: 100-Continue\r\nConnection: close, UPGRADE\r\n").unwrap();
        assert!(read.expects && read.upgrade);
        let read = head("Expect: x\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n").unwrap();
        assert!(!read.expects && !read.upgrade);
        // RFC 9110 §10.1.1: nobody waits in HTTP/1.0.
        assert!(!parse(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap().expects);
        assert!(parse(b"CONNECT a:1 HTTP/1.1\r\nContent-Length: x\r\n\r\n").unwrap().upgrade);
    }

    #[test]
    fn broken_lines_break_the_head() {
        for lines in [
            "Content-Length : 5\r\n",
            "Transfer-Encoding: chunked\r\n , gzip\r\n",
            "no colon\r\n",
            ": no name\r\n",
            "a: b\rc\r\n",
            "a: \0\r\n",
        ] {
            assert_eq!(head(lines).err(), Some(Broken::Head), "{lines}");
        }
    }

    #[test]
    fn lines_are_counted() {
        let lines = |count| "a: b\r\n".repeat(count);
        assert!(head(&lines(limits::HTTP_HEADERS)).is_ok());
        assert_eq!(head(&lines(limits::HTTP_HEADERS + 1)).err(), Some(Broken::LargeHead));
    }
}
