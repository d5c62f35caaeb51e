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
