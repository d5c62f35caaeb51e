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

#[cfg(test)]
mod tests {
    use super::super::samples::{Random, hello, in_records, message, names, recorded};
    use super::*;

    fn peek(bytes: &[u8]) -> Hello {
        HelloReader::default().peek(bytes)
    }

    /// A hello of about this size, named `a.example`, with a key share of that size.
    fn large(size: usize) -> Vec<u8> {
        hello(&[(51, &vec![0x77; size]), (0, &names(&[(0, b"a.example")]))])
    }

    #[test]
    fn recorded_hellos_are_whole_at_their_last_byte_and_not_before() {
        for (file, stream, ..) in recorded() {
            let whole = parse_client_hello(message(stream)).unwrap();
            let mut reader = HelloReader::default();
            for len in 0..stream.len() {
                assert_eq!(reader.peek(&stream[..len]), Hello::More, "{file} {len}");
                assert_eq!(peek(&stream[..len]), Hello::More, "{file} {len}");
            }
            assert_eq!(reader.peek(stream), Hello::Done(whole.clone()), "{file}");
            assert_eq!(reader.peek(stream), Hello::Done(whole.clone()), "{file}");
            let more = [stream, b"\x14\x03\x03\0\x01\x01"].concat();
            assert_eq!(peek(&more), Hello::Done(whole), "{file}");
        }
    }

    #[test]
    fn records_of_any_size_and_segments_of_any_size_give_the_same() {
        for (file, stream, ..) in recorded() {
            let message = message(stream);
            let whole = Hello::Done(parse_client_hello(message).unwrap());
            for size in (1..9).chain([64, 500, message.len() - 1, message.len()]) {
                let cut = in_records(message, size);
                assert_eq!(peek(&cut), whole, "{file} {size}");
                let mut reader = HelloReader::default();
                for len in 0..cut.len() {
                    assert_eq!(reader.peek(&cut[..len]), Hello::More, "{file} {size} {len}");
                }
                assert_eq!(reader.peek(&cut), whole, "{file} {size}");
            }
        }
    }

    #[test]
    fn every_cut_into_two_records_gives_the_same() {
        for (file, stream, ..) in recorded() {
            let message = message(stream);
            let whole = Hello::Done(parse_client_hello(message).unwrap());
            for at in 1..message.len() {
                let (a, b) = message.split_at(at);
                let cut = [in_records(a, a.len()), in_records(b, b.len())].concat();
                assert_eq!(peek(&cut), whole, "{file} {at}");
            }
        }
    }

    #[test]
    fn a_synthetic_hello_larger_than_a_record_is_read() {
        let message = large(40_000);
        let stream = in_records(&message, FRAGMENT);
        assert_eq!(peek(&stream), Hello::Done(parse_client_hello(&message).unwrap()));
        assert_eq!(peek(&stream[..stream.len() - 1]), Hello::More);
    }

    #[test]
    fn the_bound_holds_for_the_message_and_for_the_stream() {
        let fits = large(limits::CLIENT_HELLO - 200);
        assert!(matches!(peek(&in_records(&fits, FRAGMENT)), Hello::Done(_)));
        // Told by the first bytes of the message, before the rest is there.
        let large = in_records(&large(limits::CLIENT_HELLO), FRAGMENT);
        assert_eq!(peek(&large[..8]), Hello::More);
        assert_eq!(peek(&large[..9]), Hello::Broken(TlsError::TooLarge));
        // One byte a record: six times the size.
        let slow = in_records(&fits, 1);
        assert_eq!(peek(&slow[..limits::CLIENT_HELLO - 1]), Hello::More);
        assert_eq!(peek(&slow[..limits::CLIENT_HELLO]), Hello::Broken(TlsError::TooLarge));
    }

    #[test]
    fn what_is_not_tls_is_known_by_its_first_bytes() {
        let http = include_bytes!("../../tests/data/http/get.bin");
        assert_eq!(peek(&http[..1]), Hello::NotTls);
        let ssl2 = b"\x80\x2e\x01\x00\x02";
        let alert = b"\x15\x03\x01\x00\x02\x02\x28";
        let change = b"\x14\x03\x01\x00\x01\x01";
        let dtls = b"\x16\xfe\xff\0\0\0\0\0\0\0\0";
        let others: [&[u8]; 6] = [http, ssl2, alert, change, dtls, b"\x16\x02"];
        for bytes in others {
            assert_eq!(peek(bytes), Hello::NotTls, "{bytes:?}");
        }
        assert_eq!(peek(&[]), Hello::More);
    }

    #[test]
    fn the_record_version_says_nothing() {
        let (_, stream, ..) = recorded()[0];
        for minor in 0..=4 {
            let mut stream = stream.to_vec();
            stream[2] = minor;
            assert!(matches!(peek(&stream), Hello::Done(_)), "{minor}");
        }
    }

    #[test]
    fn records_that_tls_forbids_are_malformed() {
        assert_eq!(peek(b"\x16\x03\x01\x00\x00"), Hello::Broken(TlsError::Malformed));
        assert_eq!(peek(b"\x16\x03\x01\x40\x01"), Hello::Broken(TlsError::Malformed));
        assert_eq!(peek(b"\x16\x03\x01\x40\x00"), Hello::More);
    }

    #[test]
    fn other_handshake_messages_are_named() {
        assert_eq!(peek(b"\x16\x03\x01\x00\x04\x02"), Hello::Broken(TlsError::NotAHello));
    }

    #[test]
    fn another_record_within_the_message_is_named() {
        let (_, stream, ..) = recorded()[0];
        let mut cut = in_records(&message(stream)[..100], 100);
        for intruder in [&b"\x15\x03\x01\x00\x02\x02\x28"[..], b"\x17", b"GET "] {
            let len = cut.len();
            cut.extend_from_slice(intruder);
            assert_eq!(peek(&cut), Hello::Broken(TlsError::Interrupted));
            cut.truncate(len);
        }
        assert_eq!(peek(&cut), Hello::More);
    }

    #[test]
    fn a_whole_message_that_does_not_parse_is_broken() {
        let twice = names(&[(0, b"a.example")]);
        let stream = in_records(&hello(&[(0, &twice), (0, &twice)]), 64);
        assert_eq!(peek(&stream), Hello::Broken(TlsError::Duplicate));
    }

    #[test]
    fn a_caller_that_shows_other_bytes_does_no_harm() {
        let (_, stream, ..) = recorded()[0];
        let cut = in_records(message(stream), 64);
        let mut reader = HelloReader::default();
        assert_eq!(reader.peek(&cut[..200]), Hello::More);
        assert_eq!(reader.peek(&cut[..10]), Hello::More);
        assert!(matches!(reader.peek(&vec![0; 5000]), Hello::Broken(TlsError::Interrupted)));
    }

    #[test]
    fn mutated_streams_never_panic_and_agree_however_they_are_cut() {
        let mut random = Random(11);
        let samples = recorded();
        let mut read = 0;
        for _ in 0..20_000 {
            let message = message(samples[random.below(samples.len())].1);
            let mut stream = in_records(message, 1 + random.below(message.len()));
            for _ in 0..=random.below(4) {
                let at = random.below(stream.len());
                stream[at] ^= 1 << random.below(8);
            }
            let whole = peek(&stream);
            let mut reader = HelloReader::default();
            let mut len = 0;
            let pieced = loop {
                len = (len + 1 + random.below(400)).min(stream.len());
                let hello = reader.peek(&stream[..len]);
                if hello != Hello::More || len == stream.len() {
                    break hello;
                }
            };
            assert_eq!(pieced, whole);
            read += usize::from(matches!(whole, Hello::Done(_)));
        }
        assert!((2_000..19_000).contains(&read), "{read}");
    }

    #[test]
    fn the_message_in_one_record_is_not_copied() {
        let (_, stream, ..) = recorded()[0];
        let here = &stream[HEADER..];
        let reader = HelloReader::default();
        assert!(matches!(reader.collect(stream, here, here.len()), Cow::Borrowed(_)));
    }
}
