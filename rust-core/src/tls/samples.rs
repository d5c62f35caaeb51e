//! ClientHellos for tests: recorded ones, and made ones for what clients do not send.

use super::{Reader, message_len};

/// What a hello recorded from a client says: file, bytes, name, protocols, version, ECH.
pub(crate) type Sample =
    (&'static str, &'static [u8], Option<&'static str>, &'static [&'static str], u16, bool);

const HOST: Option<&str> = Some("collect.example.com");
const WEB: &[&str] = &["h2", "http/1.1"];

macro_rules! recorded {
    ($file:literal) => {
        ($file, include_bytes!(concat!("../../tests/data/tls/", $file, ".bin")))
    };
}

/// Hellos recorded from clients, with what Go's server reads in them.
pub(crate) fn recorded() -> Vec<Sample> {
    let with = |(file, bytes): (&'static str, &'static [u8]), name, alpn, version, ech| {
        (file, bytes, name, alpn, version, ech)
    };
    vec![
        with(recorded!("chromium"), HOST, WEB, 0x0304, true),
        with(recorded!("boringssl-as-chrome"), HOST, WEB, 0x0304, true),
        with(recorded!("boringssl-as-firefox"), HOST, WEB, 0x0304, true),
        with(recorded!("boringssl-as-safari"), HOST, WEB, 0x0304, false),
        with(recorded!("curl-h2"), HOST, WEB, 0x0304, false),
        with(recorded!("curl-tls12-http11"), HOST, &["http/1.1"], 0x0303, false),
        with(recorded!("go"), HOST, WEB, 0x0304, false),
        with(recorded!("java"), HOST, WEB, 0x0304, false),
        with(recorded!("node"), HOST, WEB, 0x0304, false),
        with(recorded!("openssl-address"), None, &[], 0x0304, false),
        with(recorded!("openssl-no-name"), None, &[], 0x0304, false),
        with(recorded!("openssl-tls10"), HOST, &[], 0x0301, false),
        with(recorded!("openssl-tls12"), HOST, &[], 0x0303, false),
        with(recorded!("openssl-tls13"), HOST, WEB, 0x0304, false),
        with(recorded!("openssl-upper-case-dot"), HOST, &[], 0x0304, false),
        with(recorded!("python"), HOST, WEB, 0x0304, false),
    ]
}

/// The handshake message of a recorded hello, which lies in one record.
pub(crate) fn message(stream: &[u8]) -> &[u8] {
    let message = Reader::new(&stream[3..]).only_vec16().unwrap();
    assert_eq!(message_len(message), Some(message.len()));
    message
}

/// Appends `bytes` behind their length, which takes `width` bytes.
pub(crate) fn put(out: &mut Vec<u8>, width: usize, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&len[4 - width..]);
    out.extend_from_slice(bytes);
}

/// A TLS 1.2 hello with these extensions, as a handshake message.
pub(crate) fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut inner = Vec::new();
    for (kind, data) in extensions {
        inner.extend_from_slice(&kind.to_be_bytes());
        put(&mut inner, 2, data);
    }
    let mut body = vec![3, 3];
    body.extend_from_slice(&[0x5a; 32]);
    body.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0]);
    put(&mut body, 2, &inner);
    let mut message = vec![1];
    put(&mut message, 3, &body);
    message
}

/// The body of a server name extension with these entries.
pub(crate) fn names(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, name) in entries {
        list.push(*kind);
        put(&mut list, 2, name);
    }
    let mut data = Vec::new();
    put(&mut data, 2, &list);
    data
}

/// A message in records of `size` bytes each.
pub(crate) fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for fragment in message.chunks(size) {
        out.extend_from_slice(&[22, 3, 1]);
        put(&mut out, 2, fragment);
    }
    out
}

/// The same numbers in every run (SplitMix64).
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % bound as u64) as usize
    }
}
