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
