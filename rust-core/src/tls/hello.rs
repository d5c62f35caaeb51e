//! The body of a ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). Never allocates but for the
//! name and the protocols that it hands out.

use super::{Reader, TlsError};
use crate::dns::DomainName;
use crate::limits;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Handshake type (RFC 8446 §4).
pub(super) const CLIENT_HELLO: u8 = 1;
/// Extensions: RFC 6066 §3, RFC 7301 §3.1, RFC 8446 §4.2.1, RFC 9849 §5.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ECH: u16 = 0xfe0d;
/// The draft that came before ECH, which hid the name alone.
const ESNI: u16 = 0xffce;

/// What a client says of itself in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The host that it asks for. With [`Ech::Offered`] it may be that of a front.
    pub server_name: ServerName,
    /// Protocols that it offers in its order, `h2`; at most [`limits::ALPN`]. Those that are not
    /// printable ASCII are left out.
    pub alpn: Vec<String>,
    /// The highest that it offers.
    pub version: Version,
    /// Whether the name may stand elsewhere, encrypted.
    pub ech: Ech,
}

impl ClientHello {
    /// The name asked for, where it is one.
    pub fn name(&self) -> Option<&DomainName> {
        match &self.server_name {
            ServerName::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// The host name of the server name indication (RFC 6066 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// None is given.
    Absent,
    /// Lower case, no trailing dot.
    Name(DomainName),
    /// An address, which the RFC forbids and some clients send.
    Address(IpAddr),
    /// Empty, too long, or of other characters than letters, digits, `-`, `_` and `.`.
    Invalid,
}

/// A protocol version as TLS numbers it: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl fmt::Display for Version {
    /// `TLS 1.3`; one without a name as `0x7f1c`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            0x0300 => "SSL 3.0",
            0x0301 => "TLS 1.0",
            0x0302 => "TLS 1.1",
            0x0303 => "TLS 1.2",
            0x0304 => "TLS 1.3",
            other => return write!(f, "{other:#06x}"),
        })
    }
}

/// Encrypted ClientHello (RFC 9849).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ech {
    /// Not offered: the name in clear is the one that counts.
    None,
    /// Offered. Whether in earnest or as GREASE cannot be told from outside, by design.
    Offered,
}

/// Reads one ClientHello with its handshake header of four bytes, without record headers: what a
/// QUIC client's CRYPTO frames carry. Bytes after the message are not looked at.
pub fn parse_client_hello(handshake: &[u8]) -> Result<ClientHello, TlsError> {
    match message_len(handshake) {
        _ if handshake.first().is_some_and(|kind| *kind != CLIENT_HELLO) => {
            Err(TlsError::NotAHello)
        }
        None => Err(TlsError::Truncated),
        Some(len) if len > limits::CLIENT_HELLO => Err(TlsError::TooLarge),
        Some(len) => {
            let body = handshake.get(4..len).ok_or(TlsError::Truncated)?;
            body_of(Reader::new(body))
        }
    }
}

/// Length of a handshake message with its header, by that header; none where it is not all there.
pub(crate) fn message_len(handshake: &[u8]) -> Option<usize> {
    let [_, a, b, c] = *handshake.first_chunk()?;
    Some(4 + u32::from_be_bytes([0, a, b, c]) as usize)
}

fn body_of(mut r: Reader<'_>) -> Result<ClientHello, TlsError> {
    let (legacy, extensions) = head(&mut r).ok_or(TlsError::Malformed)?;
    let mut found = Found::default();
    let mut r = Reader::new(extensions);
    while !r.is_empty() {
        let kind = r.u16().ok_or(TlsError::Malformed)?;
        let data = r.vec16().ok_or(TlsError::Malformed)?;
        found.keep(kind, data)?;
    }
    Ok(ClientHello {
        server_name: found.server_name.map_or(Ok(ServerName::Absent), server_name)?,
        alpn: found.alpn.map_or(Some(Vec::new()), alpn).ok_or(TlsError::Malformed)?,
        version: found
            .versions
            .map_or(Some(Version(legacy)), |data| highest(data, legacy))
            .ok_or(TlsError::Malformed)?,
        ech: if found.ech { Ech::Offered } else { Ech::None },
    })
}

/// The legacy version and the extensions. What stands between is checked for its shape alone.
fn head<'a>(r: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    let legacy = r.u16()?;
    r.take(32)?;
    let session = r.vec8()?;
    let ciphers = r.vec16()?;
    let compression = r.vec8()?;
    let fits = session.len() <= 32
        && !ciphers.is_empty()
        && ciphers.len() % 2 == 0
        && !compression.is_empty();
    // Before TLS 1.3 a hello may end here.
    let extensions = if r.is_empty() { &[] } else { r.only_vec16()? };
    fits.then_some((legacy, extensions))
}

/// The bodies of the extensions that are read.
#[derive(Default)]
struct Found<'a> {
    server_name: Option<&'a [u8]>,
    alpn: Option<&'a [u8]>,
    versions: Option<&'a [u8]>,
    ech: bool,
}

impl<'a> Found<'a> {
    fn keep(&mut self, kind: u16, data: &'a [u8]) -> Result<(), TlsError> {
        let place = match kind {
            SERVER_NAME => &mut self.server_name,
            ALPN => &mut self.alpn,
            SUPPORTED_VERSIONS => &mut self.versions,
            ECH | ESNI => {
                self.ech = true;
                return Ok(());
            }
            _ => return Ok(()),
        };
        match place.replace(data) {
            None => Ok(()),
            Some(_) => Err(TlsError::Duplicate),
        }
    }
}

fn server_name(data: &[u8]) -> Result<ServerName, TlsError> {
    let mut list = Reader::new(data).only_vec16().map(Reader::new).ok_or(TlsError::Malformed)?;
    let mut host = None;
    while !list.is_empty() {
        let kind = list.u8().ok_or(TlsError::Malformed)?;
        // Names of other types have a length in the same place.
        let name = list.vec16().ok_or(TlsError::Malformed)?;
        if kind == 0 && host.replace(name).is_some() {
            return Err(TlsError::Duplicate);
        }
    }
    Ok(host.map_or(ServerName::Absent, host_name))
}

fn host_name(bytes: &[u8]) -> ServerName {
    let Ok(text) = std::str::from_utf8(bytes) else { return ServerName::Invalid };
    if let Some(address) = address(text) {
        return ServerName::Address(address);
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return ServerName::Invalid;
    }
    match text.parse::<DomainName>() {
        Ok(name) if !name.is_root() => ServerName::Name(name),
        _ => ServerName::Invalid,
    }
}

fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(address.into());
    }
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    inner.parse::<Ipv6Addr>().ok().map(Into::into)
}

fn alpn(data: &[u8]) -> Option<Vec<String>> {
    let mut list = Reader::new(Reader::new(data).only_vec16()?);
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let name = list.vec8()?;
        let text = std::str::from_utf8(name).ok();
        let text = text.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic()));
        if let Some(text) = text.filter(|_| protocols.len() < limits::ALPN) {
            protocols.push(text.to_owned());
        }
    }
    Some(protocols)
}

/// The highest version of the list that is not GREASE (RFC 8701 §2); the legacy one where all are.
fn highest(data: &[u8], legacy: u16) -> Option<Version> {
    let mut r = Reader::new(data);
    let mut list = Reader::new(r.vec8().filter(|l| !l.is_empty() && l.len() % 2 == 0)?);
    if !r.is_empty() {
        return None;
    }
    let mut highest = None;
    while let Some(version) = list.u16() {
        if !is_grease(version) {
            highest = highest.max(Some(version));
        }
    }
    Some(Version(highest.unwrap_or(legacy)))
}

fn is_grease(value: u16) -> bool {
    let [a, b] = value.to_be_bytes();
    a == b && a & 0x0f == 0x0a
}
