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

#[cfg(test)]
mod tests {
    use super::super::samples::{Random, hello, message, names, put, recorded};
    use super::*;

    fn named(entries: &[(u8, &[u8])]) -> Result<ServerName, TlsError> {
        parse_client_hello(&hello(&[(0, &names(entries))])).map(|hello| hello.server_name)
    }

    fn name(text: &str) -> ServerName {
        ServerName::Name(text.parse().unwrap())
    }

    #[test]
    fn recorded_hellos_say_what_their_clients_were_told() {
        for (file, stream, host, protocols, version, ech) in recorded() {
            let hello = parse_client_hello(message(stream)).unwrap();
            assert_eq!(hello.name().map(|n| n.as_str()), host, "{file}");
            assert_eq!(hello.alpn, protocols, "{file}");
            assert_eq!(hello.version, Version(version), "{file}");
            assert_eq!(hello.ech == Ech::Offered, ech, "{file}");
        }
    }

    #[test]
    fn a_recorded_address_and_a_missing_name_are_told_apart() {
        let of = |wanted| {
            let (_, stream, ..) = recorded().into_iter().find(|s| s.0 == wanted).unwrap();
            parse_client_hello(message(stream)).unwrap().server_name
        };
        assert_eq!(of("openssl-address"), ServerName::Address("192.0.2.7".parse().unwrap()));
        assert_eq!(of("openssl-no-name"), ServerName::Absent);
    }

    #[test]
    fn every_cut_of_a_recorded_hello_is_truncated() {
        for (file, stream, ..) in recorded() {
            let message = message(stream);
            for len in 0..message.len() {
                let cut = parse_client_hello(&message[..len]);
                assert_eq!(cut, Err(TlsError::Truncated), "{file} {len}");
            }
        }
    }

    #[test]
    fn a_body_cut_under_a_right_length_is_malformed_or_without_its_tail() {
        let (_, stream, ..) = recorded()[0];
        let whole = message(stream);
        for len in 4..whole.len() {
            let mut cut = vec![1];
            put(&mut cut, 3, &whole[4..len]);
            match parse_client_hello(&cut) {
                Err(error) => assert_eq!(error, TlsError::Malformed, "{len}"),
                // A hello may end before its extensions.
                Ok(hello) => assert_eq!(hello.server_name, ServerName::Absent, "{len}"),
            }
        }
    }

    #[test]
    fn mutated_hellos_never_panic_and_stay_small() {
        let mut random = Random(7);
        let samples = recorded();
        let mut read = 0;
        for _ in 0..20_000 {
            let mut bytes = message(samples[random.below(samples.len())].1).to_vec();
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            if let Ok(hello) = parse_client_hello(&bytes) {
                assert!(hello.alpn.len() <= limits::ALPN);
                assert!(hello.name().is_none_or(|n| !n.is_empty() && n.len() <= 253));
                read += 1;
            }
        }
        assert!((2_000..19_000).contains(&read), "{read}");
    }

    #[test]
    fn names_are_lower_case_without_the_last_dot() {
        assert_eq!(named(&[(0, b"A_b-1.Example.COM.")]), Ok(name("a_b-1.example.com")));
        assert_eq!(named(&[(0, &[b'a'; 63])]), Ok(name(&"a".repeat(63))));
    }

    #[test]
    fn addresses_are_no_names() {
        for text in ["2001:db8::7", "[2001:db8::7]"] {
            let address = ServerName::Address("2001:db8::7".parse().unwrap());
            assert_eq!(named(&[(0, text.as_bytes())]), Ok(address));
        }
    }

    #[test]
    fn what_is_no_host_name_is_invalid() {
        let long = [b'a'; 64];
        let bytes: [&[u8]; 10] = [
            b"",
            b".",
            b"a..b",
            b".a",
            b"a b",
            b"a\0.b",
            b"a\\046b",
            b"\xff\xfe",
            "\u{e4}.de".as_bytes(),
            &long,
        ];
        for bytes in bytes {
            assert_eq!(named(&[(0, bytes)]), Ok(ServerName::Invalid), "{bytes:?}");
        }
    }

    #[test]
    fn names_of_other_types_are_passed_over() {
        assert_eq!(named(&[(9, b"\xff\x00"), (0, b"a.example")]), Ok(name("a.example")));
        assert_eq!(named(&[(9, b"a.example")]), Ok(ServerName::Absent));
        assert_eq!(named(&[]), Ok(ServerName::Absent));
    }

    #[test]
    fn a_list_that_lies_about_its_length_is_malformed() {
        let lists: [(u16, &[&[u8]]); 3] = [
            (0, &[&[], &[0], &[0, 1, 0], &[0, 4, 0, 0, 1], &[0, 4, 0, 0, 2, b'a'], &[0, 0, 0]]),
            (16, &[&[], &[0], &[0, 2, 1], &[0, 1, 1], &[0, 2, 2, b'h'], &[0, 0, 0]]),
            (43, &[&[], &[0], &[1, 3], &[3, 3, 4, 3], &[2, 3, 4, 0], &[4, 3, 4]]),
        ];
        for (kind, bodies) in lists {
            for body in bodies {
                let hello = parse_client_hello(&hello(&[(kind, body)]));
                assert_eq!(hello, Err(TlsError::Malformed), "{kind} {body:?}");
            }
        }
    }

    #[test]
    fn what_stands_twice_is_refused() {
        assert_eq!(named(&[(0, b"a.example"), (0, b"b.example")]), Err(TlsError::Duplicate));
        let (name, alpn) = (names(&[(0, b"a.example")]), [0, 3, 2, b'h', b'2']);
        let versions = [2, 3, 4];
        for twice in [(0, &name[..]), (16, &alpn), (43, &versions)] {
            assert_eq!(
                parse_client_hello(&hello(&[twice, (10, &[]), twice])),
                Err(TlsError::Duplicate)
            );
        }
    }

    #[test]
    fn unknown_extensions_change_nothing_wherever_they_stand() {
        let sni = names(&[(0, b"a.example")]);
        let grease: (u16, &[u8]) = (0x3a3a, &[0]);
        for order in
            [[grease, (0, &sni), grease], [(0, &sni), grease, grease], [grease, grease, (0, &sni)]]
        {
            let hello = parse_client_hello(&hello(&order)).unwrap();
            assert_eq!(hello.server_name, name("a.example"));
            assert_eq!((hello.version, hello.ech), (Version(0x0303), Ech::None));
        }
    }

    #[test]
    fn the_highest_version_leaves_grease_out() {
        let of = |list: &[u8]| parse_client_hello(&hello(&[(43, list)])).map(|h| h.version);
        assert_eq!(of(&[6, 0x3a, 0x3a, 3, 2, 3, 4]), Ok(Version(0x0304)));
        assert_eq!(of(&[4, 3, 1, 3, 2]), Ok(Version(0x0302)));
        assert_eq!(of(&[2, 0xfa, 0xfa]), Ok(Version(0x0303)));
        assert_eq!(Version(0x0304).to_string(), "TLS 1.3");
        assert_eq!(Version(0x7f1c).to_string(), "0x7f1c");
    }

    #[test]
    fn protocols_are_bounded_and_printable() {
        let mut list = Vec::new();
        for entry in [&b"h2"[..], b"\xfa\xfa", b"\x0a\x0a", b"", b"http/1.1"] {
            put(&mut list, 1, entry);
        }
        let mut data = Vec::new();
        put(&mut data, 2, &list);
        assert_eq!(parse_client_hello(&hello(&[(16, &data)])).unwrap().alpn, ["h2", "http/1.1"]);
        let many = [2, b'h', b'2'].repeat(limits::ALPN + 1);
        let mut data = Vec::new();
        put(&mut data, 2, &many);
        assert_eq!(parse_client_hello(&hello(&[(16, &data)])).unwrap().alpn.len(), limits::ALPN);
    }

    #[test]
    fn both_forms_of_an_encrypted_name_are_seen() {
        for kind in [0xfe0d, 0xffce] {
            assert_eq!(parse_client_hello(&hello(&[(kind, &[0])])).unwrap().ech, Ech::Offered);
        }
    }

    #[test]
    fn a_hello_without_extensions_is_whole() {
        let mut body = vec![3, 1];
        body.extend_from_slice(&[0; 32]);
        body.extend_from_slice(&[0, 0, 2, 0, 0x2f, 1, 0]);
        let mut message = vec![1];
        put(&mut message, 3, &body);
        let hello = parse_client_hello(&message).unwrap();
        assert_eq!((hello.server_name, hello.version), (ServerName::Absent, Version(0x0301)));
    }

    #[test]
    fn odd_shapes_before_the_extensions_are_malformed() {
        let tail: [(&str, &[u8]); 4] = [
            ("session of 33", &[&[33][..], &[0; 33], &[0, 2, 0, 0x2f, 1, 0]].concat()),
            ("no ciphers", &[0, 0, 0, 1, 0]),
            ("odd ciphers", &[0, 0, 1, 0, 1, 0]),
            ("no compression", &[0, 0, 2, 0, 0x2f, 0]),
        ];
        for (what, tail) in tail {
            let body = [&[3, 3][..], &[0; 32], tail].concat();
            let mut message = vec![1];
            put(&mut message, 3, &body);
            assert_eq!(parse_client_hello(&message), Err(TlsError::Malformed), "{what}");
        }
    }

    #[test]
    fn other_messages_and_sizes_are_named() {
        assert_eq!(parse_client_hello(&[2, 0, 0, 0]), Err(TlsError::NotAHello));
        assert_eq!(parse_client_hello(&[2]), Err(TlsError::NotAHello));
        assert_eq!(parse_client_hello(&[1, 1, 0, 0]), Err(TlsError::TooLarge));
        let whole = hello(&[]);
        let more = [&whole[..], &[0xee; 9]].concat();
        assert_eq!(parse_client_hello(&more), parse_client_hello(&whole));
    }
}
