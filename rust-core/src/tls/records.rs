//! The records that carry a ClientHello (RFC 8446 §5.1). Never holds bytes: remembers where in
//! the stream it stands, and copies the message once, when it is whole and cut over records.

use super::hello::{CLIENT_HELLO, message_len};
use super::{ClientHello, TlsError, parse_client_hello};
use crate::limits;
use std::borrow::Cow;

/// Content type of a record.
const HANDSHAKE: u8 = 22;
/// Type, version, length.
const HEADER: usize = 5;
/// Longest fragment of a record, bytes.
const FRAGMENT: usize = 1 << 14;

/// What the first bytes of a stream are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// Perhaps TLS; more bytes are needed.
    More,
    /// Not TLS, and never will be.
    NotTls,
    /// All of it is there.
    Done(ClientHello),
    /// TLS, but its ClientHello cannot be read.
    Broken(TlsError),
}

/// Reads the start of one client's stream as it grows. Constant size, without a buffer.
#[derive(Clone, Debug, Default)]
pub struct HelloReader {
    /// Where the next record begins.
    at: usize,
    /// Bytes of the handshake message in the records before.
    seen: usize,
    /// The header of the message, as far as it was seen.
    head: [u8; 4],
}

impl HelloReader {
    /// Looks at the client's bytes from the first one on, all that have come so far: each call
    /// shows what the one before showed, and more. Costs what is new, and the message once.
    ///
    /// Says the same again once it has said anything but [`Hello::More`].
    pub fn peek(&mut self, bytes: &[u8]) -> Hello {
        match self.walk(bytes) {
            Ok(hello) => hello,
            Err(error) => Hello::Broken(error),
        }
    }

    fn walk(&mut self, bytes: &[u8]) -> Result<Hello, TlsError> {
        // Each turn passes one record of at least one byte.
        loop {
            let left = bytes.get(self.at..).unwrap_or_default();
            let len = match header(left) {
                Header::Foreign if self.at == 0 => return Ok(Hello::NotTls),
                Header::Foreign => return Err(TlsError::Interrupted),
                Header::Short => return more(bytes),
                Header::Fragment(len) if (1..=FRAGMENT).contains(&len) => len,
                Header::Fragment(_) => return Err(TlsError::Malformed),
            };
            let here = left.get(HEADER..).map_or(&[][..], |rest| rest.get(..len).unwrap_or(rest));
            if let Some(total) = self.message(here)?
                && self.seen + here.len() >= total
            {
                let message = self.collect(bytes, here, total);
                return parse_client_hello(&message).map(Hello::Done);
            }
            if here.len() < len {
                return more(bytes);
            }
            self.at += HEADER + len;
            self.seen += len;
        }
    }

    /// Notes what of the message's header stands in this fragment; the message's length, once it
    /// is known.
    fn message(&mut self, here: &[u8]) -> Result<Option<usize>, TlsError> {
        let head = self.head.get_mut(self.seen..).unwrap_or_default();
        head.iter_mut().zip(here).for_each(|(to, from)| *to = *from);
        let known = self.seen + here.len();
        if known > 0 && self.head[0] != CLIENT_HELLO {
            return Err(TlsError::NotAHello);
        }
        let total = message_len(&self.head).filter(|_| known >= self.head.len());
        match total {
            Some(total) if total + HEADER > limits::CLIENT_HELLO => Err(TlsError::TooLarge),
            total => Ok(total),
        }
    }

    /// The message: where it lies if the record at hand holds all of it, else a copy.
    fn collect<'a>(&self, bytes: &'a [u8], here: &'a [u8], total: usize) -> Cow<'a, [u8]> {
        if self.seen == 0 {
            return Cow::Borrowed(here.get(..total).unwrap_or(here));
        }
        let mut message = Vec::with_capacity(total);
        let mut left = bytes;
        while message.len() < total
            && let Header::Fragment(len) = header(left)
            && let Some(rest) = left.get(HEADER..)
        {
            let (fragment, rest) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let wanted = total - message.len();
            message.extend_from_slice(fragment.get(..wanted).unwrap_or(fragment));
            left = rest;
        }
        Cow::Owned(message)
    }
}

enum Header {
    /// Not all of it is there; what is there fits.
    Short,
    /// Not a handshake record of SSL 3.0 or later.
    Foreign,
    /// Length of the fragment that follows.
    Fragment(usize),
}

/// Servers take any minor version here (RFC 5246 appendix E.1), so it says nothing.
fn header(left: &[u8]) -> Header {
    match *left {
        [HANDSHAKE, 3, _, a, b, ..] => Header::Fragment(u16::from_be_bytes([a, b]).into()),
        [] | [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, _] | [HANDSHAKE, 3, _, _] => {
            Header::Short
        }
        _ => Header::Foreign,
    }
}

fn more(bytes: &[u8]) -> Result<Hello, TlsError> {
    if bytes.len() < limits::CLIENT_HELLO { Ok(Hello::More) } else { Err(TlsError::TooLarge) }
}
