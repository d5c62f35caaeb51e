//! The parser that is fed the bytes of one direction of a connection. Never looks at responses.

use super::Request;

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
pub struct Parser {}

impl Parser {
    /// A parser at the start of a connection. Allocates nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream and calls `each` with every request that they complete.
    pub fn feed(&mut self, _bytes: &[u8], _each: &mut dyn FnMut(Request)) -> Progress {
        Progress::More
    }

    /// The request whose head was complete and whose body was not, marked as cut.
    pub fn finish(self) -> Option<Request> {
        None
    }

    /// Whether a head with `Expect: 100-continue` was read and no byte of its body yet, so that
    /// whoever answers for the server has to send 100 (RFC 9110 §10.1.1).
    pub fn awaits_continue(&self) -> bool {
        false
    }

    /// Whether the stream stands between requests, with no byte of a next one.
    pub fn idle(&self) -> bool {
        true
    }
}
