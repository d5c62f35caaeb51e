//! The body of a request: its framing is taken off, its first bytes are kept. Never holds more
//! than [`limits::HTTP_BODY`] bytes.

use super::{Broken, Request, head::Framing};
use crate::limits;

/// Hexadecimal digits of a chunk's size; more would not fit into 64 bits.
const SIZE_DIGITS: u8 = 16;

/// How much of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Bytes left of a body of known length.
    Length(u64),
    /// In a chunked body (RFC 9112 §7.1).
    Chunked(Chunk),
}

/// Where in a chunked body the stream stands. Line ends are CR LF and nothing else: to read a bare
/// LF as one is how requests are smuggled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size {
        digits: u8,
        value: u64,
    },
    /// White space or extensions after the size; how long they are so far.
    Extension {
        size: u64,
        len: usize,
    },
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// A trailer line begins; bytes of the trailers so far.
    TrailerStart(usize),
    Trailer(usize),
    TrailerLf(usize),
    /// The last LF is due.
    EndLf,
}

/// What a piece of the stream did to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// All was taken and the body goes on.
    More,
    /// The body ended after so many bytes of the piece.
    End(usize),
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunk::Size { digits: 0, value: 0 }),
        }
    }

    /// Takes the next bytes; the content goes into the request.
    pub(super) fn feed(&mut self, bytes: &[u8], request: &mut Request) -> Result<Fed, Broken> {
        match self {
            Self::Length(left) => {
                let (taken, _) = take(bytes, left, request);
                Ok(if *left == 0 { Fed::End(taken) } else { Fed::More })
            }
            Self::Chunked(chunk) => chunk.feed(bytes, request),
        }
    }
}

/// Moves up to `left` bytes of content into the request; returns how many, and the rest.
fn take<'a>(bytes: &'a [u8], left: &mut u64, request: &mut Request) -> (usize, &'a [u8]) {
    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    let (content, rest) = bytes.split_at(count);
    *left -= count as u64;
    request.body_size = request.body_size.saturating_add(count as u64);
    keep(&mut request.body, content);
    (count, rest)
}

/// Appends what there is room for. The capacity never exceeds the bound either.
fn keep(body: &mut Vec<u8>, content: &[u8]) {
    let room = limits::HTTP_BODY.saturating_sub(body.len());
    let kept = content.get(..room).unwrap_or(content);
    let needed = body.len() + kept.len();
    if needed > body.capacity() {
        let capacity = needed.max(2 * body.capacity()).min(limits::HTTP_BODY);
        body.reserve_exact(capacity - body.len());
    }
    body.extend_from_slice(kept);
}

impl Chunk {
    fn feed(&mut self, bytes: &[u8], request: &mut Request) -> Result<Fed, Broken> {
        let mut rest = bytes;
        loop {
            if let Self::Data(left) = self {
                rest = take(rest, left, request).1;
                if *left > 0 {
                    return Ok(Fed::More);
                }
                *self = Self::DataCr;
            }
            let Some((&byte, after)) = rest.split_first() else { return Ok(Fed::More) };
            rest = after;
            match self.step(byte).ok_or(Broken::Chunk)? {
                Some(next) => *self = next,
                None => return Ok(Fed::End(bytes.len() - rest.len())),
            }
        }
    }

    /// The state after one byte of framing: `None` where it breaks the rules, `Some(None)` where it
    /// ends the body.
    fn step(self, byte: u8) -> Option<Option<Self>> {
        let next = match (self, byte) {
            (Self::Size { digits: 1.., value }, b'\r') => Self::SizeLf(value),
            (Self::Size { digits: 1.., value }, b' ' | b'\t' | b';') => {
                Self::Extension { size: value, len: 0 }
            }
            (Self::Size { digits: 0..SIZE_DIGITS, .. }, _) => self.size_digit(byte)?,
            (Self::Extension { size, .. }, b'\r') => Self::SizeLf(size),
            (Self::Extension { .. }, b'\n') => return None,
            (Self::Extension { size, len }, _) => Self::Extension { size, len: longer(len)? },
            (Self::SizeLf(0), b'\n') => Self::TrailerStart(0),
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { digits: 0, value: 0 },
            (Self::TrailerStart(_), b'\r') => Self::EndLf,
            (Self::Trailer(len), b'\r') => Self::TrailerLf(len),
            (Self::TrailerStart(_) | Self::Trailer(_), b'\n') => return None,
            (Self::TrailerStart(len) | Self::Trailer(len), _) => Self::Trailer(longer(len)?),
            (Self::TrailerLf(len), b'\n') => Self::TrailerStart(len),
            (Self::EndLf, b'\n') => return Some(None),
            _ => return None,
        };
        Some(Some(next))
    }

    fn size_digit(self, byte: u8) -> Option<Self> {
        let Self::Size { digits, value } = self else { return None };
        let digit = char::from(byte).to_digit(16)?;
        Some(Self::Size { digits: digits + 1, value: value << 4 | u64::from(digit) })
    }
}

/// Counts a byte of extensions or trailers, which are bounded like a head.
fn longer(len: usize) -> Option<usize> {
    (len < limits::HTTP_HEAD).then_some(len + 1)
}
