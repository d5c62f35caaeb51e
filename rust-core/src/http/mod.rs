//! HTTP/1.1 requests, read from a byte stream that passes by. Never delays, changes or answers it.

mod body;
mod head;
mod host;
mod parser;

pub(crate) use host::authority;
pub use host::{Addressed, HeadReader};
pub use parser::{Broken, End, Parser, Progress};

/// A request as it was sent (RFC 9112), chunked coding removed, content coding still on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// The request target as sent, `/sa?project=x`.
    pub target: String,
    /// Header lines in order, names as sent; values that are not UTF-8 with replacement characters.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body, at most [`crate::limits::HTTP_BODY`].
    pub body: Vec<u8>,
    /// Size of the whole body as sent, without chunk framing, bytes.
    pub body_size: u64,
    /// Whether the stream ended or broke before the body did.
    pub cut: bool,
}

impl Request {
    /// Value of the first header of this name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Whether it states both a length and a transfer coding. The coding was followed; a server that
    /// follows the length reads other requests (RFC 9112 §6.1).
    pub fn states_two_lengths(&self) -> bool {
        self.header("content-length").is_some() && self.header("transfer-encoding").is_some()
    }
}
