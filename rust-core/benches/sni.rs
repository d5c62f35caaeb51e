//! Finding the name that a client asks for: over TCP, and over QUIC, where its first packets are
//! opened. Never a test: nothing here fails because a machine is busy.

// A bench that cannot begin stops.
#![allow(clippy::expect_used, clippy::panic)]

use criterion::{Criterion, criterion_group, criterion_main};
use muzzle::quic::{InitialReader, Outcome};
use muzzle::tls::{Hello, HelloReader};
use std::hint::black_box;

fn tls(c: &mut Criterion) {
    let hellos: [(&str, &[u8]); 3] = [
        ("openssl, 343 bytes", include_bytes!("../tests/data/tls/openssl-tls13.bin")),
        ("go, 1529 bytes", include_bytes!("../tests/data/tls/go.bin")),
        ("chromium, 1959 bytes", include_bytes!("../tests/data/tls/chromium.bin")),
    ];
    for (what, stream) in hellos {
        assert!(matches!(HelloReader::default().peek(stream), Hello::Done(_)), "{what}");
        c.bench_function(&format!("tls/{what}"), |b| {
            b.iter(|| HelloReader::default().peek(black_box(stream)));
        });
    }
    // The worst that a client can do within the rules: a byte a record, a byte a call.
    let slow: Vec<u8> = hellos[2].1[5..].iter().flat_map(|b| [22, 3, 1, 0, 1, *b]).collect();
    c.bench_function("tls/chromium, a byte a record and a call", |b| {
        b.iter(|| {
            let mut reader = HelloReader::default();
            (0..=slow.len()).map(|len| reader.peek(black_box(&slow[..len]))).last()
        });
    });
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

fn quic(c: &mut Criterion) {
    let flows: [(&str, &[u8]); 3] = [
        ("RFC 9001 A.2, one datagram", include_bytes!("../tests/data/quic/rfc9001-a2.bin")),
        ("RFC 9369 A.2, one datagram", include_bytes!("../tests/data/quic/rfc9369-a2.bin")),
        ("chromium, two datagrams", include_bytes!("../tests/data/quic/chromium.bin")),
    ];
    for (what, framed) in flows {
        let datagrams = datagrams(framed);
        let read = || {
            let mut reader = InitialReader::default();
            datagrams.iter().map(|d| reader.feed(black_box(d))).last()
        };
        assert!(matches!(read(), Some(Outcome::Done(_))), "{what}");
        c.bench_function(&format!("quic/{what}"), |b| b.iter(read));
    }
}

criterion_group!(benches, tls, quic);
criterion_main!(benches);
