//! Names: as text for people and tables, and as they stand in a message. Never resolves one.

use super::{DnsError, HEADER};
use std::fmt;
use std::sync::Arc;

/// Longest text of a name, bytes, without the trailing dot (RFC 1035 §2.3.4).
const TEXT: usize = 253;
/// Longest name in a message, octets, with lengths and the root (RFC 1035 §2.3.4).
const WIRE: usize = 255;
/// Longest label, octets.
const LABEL: usize = 63;
/// Pointers followed in one name; a name has at most this many labels.
const JUMPS: usize = 127;

/// A name as text: lower case, no trailing dot, the root is empty.
///
/// Octets of a label that are no printable ASCII, and a dot or a backslash in a label, are written
/// `\DDD`. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, or one at the start.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("the name has a label longer than 63 octets")]
    LongLabel,
    /// More than 253 bytes of text or 255 octets in a message.
    #[error("the name is longer than 253 bytes")]
    TooLong,
    /// A space, a control character, or a letter that is not ASCII.
    #[error("the name has a character other than printable ASCII")]
    Character,
    /// A backslash that three digits up to 255, or one character, do not follow.
    #[error("the name has an unfinished escape")]
    Escape,
}

impl DomainName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::ops::Deref for DomainName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for DomainName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for DomainName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for DomainName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl From<&NameBuf> for DomainName {
    fn from(name: &NameBuf) -> Self {
        Self(name.as_str().into())
    }
}

impl std::str::FromStr for DomainName {
    type Err = NameError;

    /// Takes any case, one trailing dot, and the escapes `\DDD` and `\X`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse().map(|name: NameBuf| Self::from(&name))
    }
}

/// A name as text on the stack, in the same form as [`DomainName`].
#[derive(Clone)]
pub struct NameBuf {
    len: u8,
    bytes: [u8; TEXT],
}

impl NameBuf {
    pub(super) const fn new() -> Self {
        Self { len: 0, bytes: [0; TEXT] }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.text()).unwrap_or_default()
    }

    /// The text, to keep.
    pub fn to_name(&self) -> DomainName {
        self.into()
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Appends raw text; false where it does not fit.
    fn push(&mut self, text: &[u8]) -> bool {
        let start = usize::from(self.len);
        let Some(place) = self.bytes.get_mut(start..start + text.len()) else { return false };
        place.copy_from_slice(text);
        self.len += text.len() as u8;
        true
    }

    /// Appends one octet of a label, lower-cased and escaped.
    fn push_octet(&mut self, octet: u8) -> bool {
        match octet {
            b'.' | b'\\' | 0..=b' ' | 0x7f.. => {
                let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|d| b'0' + d);
                self.push(b"\\") && self.push(&digits)
            }
            _ => self.push(&[octet.to_ascii_lowercase()]),
        }
    }

    /// Appends a label, after a dot where it is not the first.
    fn push_label(&mut self, label: &[u8]) -> bool {
        (self.len == 0 || self.push(b".")) && label.iter().all(|&octet| self.push_octet(octet))
    }
}

impl std::ops::Deref for NameBuf {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for NameBuf {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for NameBuf {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for NameBuf {}

impl PartialEq<str> for NameBuf {
    fn eq(&self, other: &str) -> bool {
        self.text() == other.as_bytes()
    }
}

impl PartialEq<&str> for NameBuf {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::str::FromStr for NameBuf {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut name = Self::new();
        if text.is_empty() || text == "." {
            return Ok(name);
        }
        let mut octets = Octets { text: text.as_bytes() };
        let (mut label, mut wire) = (0, 1);
        while let Some(octet) = octets.next()? {
            if octet == Octet::Dot {
                if label == 0 {
                    return Err(NameError::EmptyLabel);
                }
                label = 0;
                continue;
            }
            if label == 0 {
                wire += 1;
                if name.len > 0 && !name.push(b".") {
                    return Err(NameError::TooLong);
                }
            }
            (label, wire) = (label + 1, wire + 1);
            if label > LABEL {
                return Err(NameError::LongLabel);
            }
            if wire > WIRE || !octet.value().is_some_and(|value| name.push_octet(value)) {
                return Err(NameError::TooLong);
            }
        }
        Ok(name)
    }
}

/// One step through the text of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Octet {
    Dot,
    Value(u8),
}

impl Octet {
    fn value(self) -> Option<u8> {
        match self {
            Self::Dot => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// The octets that a text stands for. Ends with the text.
struct Octets<'a> {
    text: &'a [u8],
}

impl Octets<'_> {
    fn next(&mut self) -> Result<Option<Octet>, NameError> {
        let (octet, rest) = match self.text {
            [] => return Ok(None),
            [b'.', rest @ ..] => (Octet::Dot, rest),
            [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
                let value = [a, b, c].iter().fold(0u16, |v, d| v * 10 + u16::from(**d - b'0'));
                (Octet::Value(u8::try_from(value).map_err(|_| NameError::Escape)?), rest)
            }
            [b'\\', b'0'..=b'9', ..] | [b'\\'] => return Err(NameError::Escape),
            [b'\\', value @ b'!'..=b'~', rest @ ..] => (Octet::Value(*value), rest),
            [value @ b'!'..=b'~', rest @ ..] if *value != b'\\' => (Octet::Value(*value), rest),
            _ => return Err(NameError::Character),
        };
        self.text = rest;
        Ok(Some(octet))
    }
}

/// The labels of a text that is a name already, as they go into a message: length, octets, …, 0.
pub(super) fn encode(
    name: &DomainName,
    mut put: impl FnMut(&[u8]) -> Result<(), super::NoRoom>,
) -> Result<(), super::NoRoom> {
    let mut octets = Octets { text: name.as_str().as_bytes() };
    let (mut label, mut len) = ([0; LABEL + 1], 0);
    while let Ok(Some(octet)) = octets.next() {
        match octet {
            Octet::Value(value) => {
                len += 1;
                *label.get_mut(len).ok_or(super::NoRoom)? = value;
            }
            Octet::Dot => {
                label[0] = len as u8;
                put(&label[..=len])?;
                len = 0;
            }
        }
    }
    if len > 0 {
        label[0] = len as u8;
        put(&label[..=len])?;
    }
    put(&[0])
}

/// Reads the name at `at`, following pointers (RFC 1035 §4.1.4).
///
/// A pointer has to lead before the piece that it ends, so no loop is possible. A legal name whose
/// escaped text exceeds 253 bytes is [`DnsError::Unsupported`].
pub(super) fn read(message: &[u8], mut at: usize) -> Result<NameBuf, DnsError> {
    let mut name = NameBuf::new();
    let (mut piece, mut wire, mut jumps) = (at, 1, 0);
    loop {
        let &len = message.get(at).ok_or(DnsError::Truncated)?;
        let count = usize::from(len);
        match len {
            0 => return Ok(name),
            1..=63 => {
                let label = message.get(at + 1..at + 1 + count).ok_or(DnsError::Truncated)?;
                wire += 1 + count;
                if wire > WIRE {
                    return Err(DnsError::Malformed);
                }
                if !name.push_label(label) {
                    return Err(DnsError::Unsupported);
                }
                at += 1 + count;
            }
            0xc0.. => {
                let target = usize::from(super::u16_at(message, at)? & 0x3fff);
                jumps += 1;
                if target >= piece || target < HEADER || jumps > JUMPS {
                    return Err(DnsError::Malformed);
                }
                (piece, at) = (target, target);
            }
            _ => return Err(DnsError::Malformed),
        }
    }
}

/// Where the name at `at` ends in the message. Does not follow pointers.
pub(super) fn skip(message: &[u8], at: usize) -> Result<usize, DnsError> {
    let mut next = at;
    while next - at < WIRE {
        let &len = message.get(next).ok_or(DnsError::Truncated)?;
        match len {
            0 => return Ok(next + 1),
            1..=63 => next += 1 + usize::from(len),
            0xc0.. if next + 1 < message.len() => return Ok(next + 2),
            0xc0.. => return Err(DnsError::Truncated),
            _ => return Err(DnsError::Malformed),
        }
    }
    Err(DnsError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::super::{NoRoom, samples::message};
    use super::*;

    fn parsed(text: &str) -> Result<String, NameError> {
        text.parse::<DomainName>().map(|name| name.to_string())
    }

    fn encoded(text: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        let put = |label: &[u8]| {
            wire.extend(label);
            Ok(())
        };
        encode(&text.parse().unwrap(), put).unwrap();
        wire
    }

    /// The name at the start of a message's body.
    fn read_body(body: &[u8]) -> Result<String, DnsError> {
        read(&message(0, [1, 0, 0, 0], body), HEADER).map(|name| name.to_string())
    }

    #[test]
    fn text_is_brought_to_one_form() {
        for (text, form) in [
            ("", ""),
            (".", ""),
            ("Sa.Api.Intl.MIUI.com.", "sa.api.intl.miui.com"),
            ("_dns.resolver.arpa", "_dns.resolver.arpa"),
            ("a\\.b.C", "a\\046b.c"),
            ("\\065\\255\\-", "a\\255-"),
            ("a\\\\b", "a\\092b"),
        ] {
            assert_eq!(parsed(text), Ok(form.to_owned()), "{text}");
            assert_eq!(parsed(form), Ok(form.to_owned()), "{form}");
        }
        let name: DomainName = "Example.COM".parse().unwrap();
        assert!(name == "example.com" && !name.is_root() && name.ends_with(".com"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let label = "a".repeat(64);
        let long = format!("{}a", "ab.".repeat(84));
        let wide = format!("{}.\\000", "\\000".repeat(63));
        for (text, error) in [
            (".a", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            ("a..", NameError::EmptyLabel),
            ("..", NameError::EmptyLabel),
            (&label, NameError::LongLabel),
            (&format!("{long}bc"), NameError::TooLong),
            (&wide, NameError::TooLong),
            ("a b", NameError::Character),
            ("ü.example", NameError::Character),
            ("a\n", NameError::Character),
            ("a\\", NameError::Escape),
            ("a\\25", NameError::Escape),
            ("a\\256", NameError::Escape),
        ] {
            assert_eq!(parsed(text), Err(error), "{text}");
        }
        assert_eq!(parsed(&long).map(|name| name.len()), Ok(253));
    }

    #[test]
    fn names_are_equal_as_texts_are() {
        let set: std::collections::HashSet<DomainName> = ["a.example".parse().unwrap()].into();
        assert!(set.contains("a.example"));
    }

    #[test]
    fn one_byte_array_serves_both_ways() {
        for (text, wire) in [
            ("", &b"\x00"[..]),
            ("f.isi.arpa", b"\x01f\x03isi\x04arpa\x00"),
            ("a\\046b.\\000\\255", b"\x03a.b\x02\x00\xff\x00"),
        ] {
            assert_eq!(encoded(text), wire);
            assert_eq!(read_body(wire), Ok(text.to_owned()));
            assert_eq!(skip(wire, 0), Ok(wire.len()));
        }
        let mut room = 3;
        let put = |label: &[u8]| {
            room = usize::checked_sub(room, label.len()).ok_or(NoRoom)?;
            Ok(())
        };
        assert_eq!(encode(&"f.isi.arpa".parse().unwrap(), put), Err(NoRoom));
    }

    #[test]
    fn the_compression_example_of_rfc_1035_is_read() {
        let mut bytes = vec![0; 93];
        bytes[20..32].copy_from_slice(b"\x01F\x03ISI\x04ARPA\x00");
        bytes[40..46].copy_from_slice(b"\x03FOO\xc0\x14");
        bytes[64..66].copy_from_slice(b"\xc0\x1a");
        for (at, text, end) in
            [(20, "f.isi.arpa", 32), (40, "foo.f.isi.arpa", 46), (64, "arpa", 66), (92, "", 93)]
        {
            assert_eq!(read(&bytes, at).unwrap(), *text);
            assert_eq!(skip(&bytes, at), Ok(end));
        }
    }

    #[test]
    fn a_pointer_leads_back_and_nowhere_else() {
        for body in [
            &b"\xc0\x0c"[..], // itself
            b"\x01a\xc0\x0c", // the name that it ends
            b"\xc0\x0e\x00",  // forward
            b"\xc0\x00",      // into the header
            b"\xc0\x0b",      // its last octet
            b"\x40",          // a label type of 01
            b"\x80",          // a label type of 10
        ] {
            assert_eq!(read_body(body), Err(DnsError::Malformed), "{body:?}");
        }
        let two = message(0, [1, 0, 0, 0], b"\x01a\xc0\x10\xc0\x0c");
        assert_eq!(read(&two, 16), Err(DnsError::Malformed));
        for body in [&b""[..], b"\x01", b"\x01a", b"\xc0"] {
            assert_eq!(read_body(body), Err(DnsError::Truncated), "{body:?}");
        }
    }

    #[test]
    fn pointers_are_followed_127_times() {
        let mut body = vec![0, 0];
        for index in 0..128u16 {
            let target = if index == 0 { 12 } else { 12 + 2 * index };
            body.extend((0xc000 | target).to_be_bytes());
        }
        let bytes = message(0, [0; 4], &body);
        assert!(read(&bytes, 14 + 2 * 126).unwrap().is_empty());
        assert_eq!(read(&bytes, 14 + 2 * 127), Err(DnsError::Malformed));
    }

    #[test]
    fn the_longest_names_and_labels_are_read() {
        let label = |len: usize| {
            let mut bytes = vec![len as u8];
            bytes.extend(vec![b'X'; len]);
            bytes
        };
        let name = |last: usize| [label(63), label(63), label(63), label(last), vec![0]].concat();
        assert_eq!(name(61).len(), 255);
        assert_eq!(read_body(&name(61)).unwrap().len(), 253);
        assert_eq!(skip(&name(61), 0), Ok(255));
        assert_eq!(read_body(&name(62)), Err(DnsError::Malformed));
        assert_eq!(skip(&name(62), 0), Err(DnsError::Malformed));
        assert_eq!(read_body(&[label(63), vec![0]].concat()), Ok("x".repeat(63)));
        let short = b"\x01a".repeat(127);
        assert_eq!(read_body(&[&short[..], &[0]].concat()).unwrap().len(), 253);
    }

    #[test]
    fn a_name_whose_escapes_are_too_long_is_unsupported() {
        let body = [&[63][..], &[0xff; 63], &[1, 0xff, 0]].concat();
        assert_eq!(read_body(&body), Err(DnsError::Unsupported));
        assert_eq!(skip(&body, 0), Ok(body.len()));
    }
}
