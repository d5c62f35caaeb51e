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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one body, in one piece and byte by byte; both have to come out alike.
    fn read(framing: Framing, bytes: &[u8]) -> Result<(Fed, Vec<u8>), Broken> {
        let mut request = Request::default();
        let whole = Body::new(framing).feed(bytes, &mut request);
        let (mut body, mut other, mut at) = (Body::new(framing), Request::default(), 0);
        let steps = bytes.chunks(1).map(|byte| {
            at += 1;
            body.feed(byte, &mut other)
        });
        let last = steps.take_while(|fed| *fed == Ok(Fed::More)).count();
        assert_eq!(whole.is_ok_and(|fed| fed == Fed::More), last == bytes.len());
        assert_eq!(request, other);
        assert_eq!(request.body_size, request.body.len() as u64);
        if let Ok(Fed::End(len)) = whole {
            assert_eq!(len, at);
        }
        whole.map(|fed| (fed, request.body))
    }

    fn chunked(text: &str) -> Result<(Fed, Vec<u8>), Broken> {
        read(Framing::Chunked, text.as_bytes())
    }

    #[test]
    fn a_stated_length_is_read_to_its_end() {
        assert_eq!(read(Framing::Length(3), b"abcd"), Ok((Fed::End(3), b"abc".to_vec())));
        assert_eq!(read(Framing::Length(5), b"abcd"), Ok((Fed::More, b"abcd".to_vec())));
        assert_eq!(read(Framing::Length(u64::MAX), b"abcd"), Ok((Fed::More, b"abcd".to_vec())));
    }

    #[test]
    fn chunks_are_joined_and_extensions_and_trailers_dropped() {
        for text in [
            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "0003;a=b;c=\"d e\"\r\nabc\r\n2 \t;x\r\nde\r\n00;y\r\n\r\n",
            "5\r\nabcde\r\n0\r\nChecksum: 1\r\nOther: 2\r\n\r\n",
            "00000000000005\r\nabcde\r\n0000000000000000\r\n\r\n",
        ] {
            assert_eq!(chunked(text), Ok((Fed::End(text.len()), b"abcde".to_vec())), "{text}");
            let with_next = format!("{text}GET");
            assert_eq!(chunked(&with_next), Ok((Fed::End(text.len()), b"abcde".to_vec())));
        }
        assert_eq!(chunked("a\r\n0123456789\r\nA\r\n").unwrap().1.len(), 10);
        assert_eq!(chunked("ffffffffffffffff\r\nab").unwrap(), (Fed::More, b"ab".to_vec()));
    }

    #[test]
    fn wrong_framing_breaks_the_body() {
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "0x3\r\nabc\r\n",
            " 3\r\nabc\r\n",
            ";a\r\n",
            "00000000000000000\r\n",
            "3\nabc\r\n",
            "3\r\r\nabc\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nab\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabc\r0\r\n\r\n",
            "3;a\nb\r\nabc\r\n",
            "3;a\rb\r\nabc\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\na: b\n\r\n",
            "0\r\na: b\rc\r\n\r\n",
        ] {
            assert_eq!(chunked(text), Err(Broken::Chunk), "{text:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let long = "a".repeat(limits::HTTP_HEAD);
        assert!(chunked(&format!("1;{long}\r\n")).is_ok());
        assert_eq!(chunked(&format!("1;{long}a")), Err(Broken::Chunk));
        assert_eq!(chunked(&format!("0\r\n{long}a")), Err(Broken::Chunk));
        let lines = "a: b\r\n".repeat(limits::HTTP_HEAD / 4);
        assert!(chunked(&format!("0\r\n{lines}\r\n")).is_ok());
        assert_eq!(chunked(&format!("0\r\n{lines}a: b\r\n")), Err(Broken::Chunk));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_rest_is_counted() {
        let size = 3 * limits::HTTP_BODY + 7;
        let bytes = vec![b'x'; 70_000];
        for framing in [Framing::Length(size as u64), Framing::Chunked] {
            let (mut body, mut request) = (Body::new(framing), Request::default());
            if framing == Framing::Chunked {
                body.feed(format!("{size:x}\r\n").as_bytes(), &mut request).unwrap();
            }
            let mut left = size;
            while left > 0 {
                let piece = &bytes[..left.min(bytes.len())];
                left -= piece.len();
                let fed = body.feed(piece, &mut request).unwrap();
                assert_eq!(fed == Fed::More, left > 0 || framing == Framing::Chunked);
                assert!(request.body.capacity() <= limits::HTTP_BODY);
            }
            assert_eq!(request.body.len(), limits::HTTP_BODY);
            assert_eq!(request.body_size, size as u64);
        }
    }
}
