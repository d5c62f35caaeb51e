//! Datagrams for tests: recorded ones, those of the RFCs, and made ones for what clients do not
//! send.

use super::keys::{Keys, Version};
use crate::tls::samples::{self, put};

/// The Destination Connection ID of RFC 9001 appendix A and RFC 9369 appendix A.
pub(super) const DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

macro_rules! framed {
    ($file:literal) => {
        ($file, datagrams(include_bytes!(concat!("../../tests/data/quic/", $file, ".bin"))))
    };
}

fn datagrams(mut framed: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((len, rest)) = framed.split_first_chunk() {
        let (datagram, rest) = rest.split_at(u16::from_be_bytes(*len).into());
        all.push(datagram);
        framed = rest;
    }
    all
}

/// Datagrams recorded from clients, and how many of them it takes until the hello is whole.
pub(super) fn recorded() -> Vec<(&'static str, Vec<&'static [u8]>, usize)> {
    let with = |(file, datagrams), needed| (file, datagrams, needed);
    vec![
        with(framed!("aioquic-v1"), 1),
        with(framed!("aioquic-v1-answered"), 1),
        with(framed!("aioquic-v1-large"), 2),
        with(framed!("aioquic-v1-retry"), 1),
        with(framed!("aioquic-v2"), 1),
        with(framed!("aioquic-v2-large"), 2),
        with(framed!("chromium"), 2),
        with(framed!("ngtcp2-as-chrome"), 2),
        with(framed!("ngtcp2-as-firefox"), 2),
    ]
}

/// The same client's datagrams, of this recording.
pub(super) fn named(file: &str) -> Vec<&'static [u8]> {
    recorded().into_iter().find(|r| r.0 == file).unwrap().1
}

/// A version nobody speaks, then version 1.
pub(super) fn restarted() -> Vec<&'static [u8]> {
    framed!("aioquic-unknown-version").1
}

/// The protected packets of RFC 9001 and RFC 9369, appendix A.2 each.
pub(super) fn of_the_rfcs() -> [&'static [u8]; 2] {
    [framed!("rfc9001-a2").1[0], framed!("rfc9369-a2").1[0]]
}

/// A long header packet that carries `payload`; `kind` is its type bits.
pub(super) fn packet(version: u32, kind: u8, dcid: &[u8], number: u8, payload: &[u8]) -> Vec<u8> {
    sealed((version, kind), (dcid, dcid), number, payload)
}

/// The first datagram of a synthetic client that names this host.
pub(crate) fn hello_to(host: &[u8]) -> Vec<u8> {
    let names = samples::names(&[(0, host)]);
    packet(1, 0, b"eight by", 0, &crypto(0, &samples::hello(&[(0, &names)])))
}

/// The same, with the keys of another connection ID than that in its header.
pub(super) fn sealed(
    (version, kind): (u32, u8),
    (dcid, keyed): (&[u8], &[u8]),
    number: u8,
    payload: &[u8],
) -> Vec<u8> {
    let known = Version::of(version).unwrap();
    let mut head = vec![0xc0 | kind << 4];
    head.extend_from_slice(&version.to_be_bytes());
    put(&mut head, 1, dcid);
    put(&mut head, 1, &[]);
    if kind == known.initial {
        put(&mut head, 1, b"token");
    }
    let len = 1 + payload.len() + 16;
    head.extend_from_slice(&(0x8000_0000 | len as u32).to_be_bytes());
    Keys::client(known, keyed).seal(head, number, payload)
}

/// A CRYPTO frame.
pub(super) fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![6];
    frame.extend_from_slice(&(0x8000_0000 | offset as u32).to_be_bytes());
    frame.extend_from_slice(&(0x4000 | data.len() as u16).to_be_bytes());
    frame.extend_from_slice(data);
    frame
}
