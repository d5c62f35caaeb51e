//! Each decoder on its vectors, in bytes of the request per second. Never a test: nothing here fails
//! because a machine is busy.

// A bench that cannot begin stops.
#![allow(clippy::expect_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use muzzle::decode;
use muzzle::http::Request;
use std::hint::black_box;
use std::path::Path;

/// Under `tests/data`.
const VECTORS: &[&str] = &[
    "sensors/android-batch-gzip.body",
    "onetrack/synthetic-android-v4.http",
    "onetrack/synthetic-plain-builtin-events.http",
    "miui-analytics/synthetic-v1-gzip.http",
    "mistat/synthetic-v2-ecb.http",
    "mistat/synthetic-v2-cbc.http",
    "mistat/synthetic-v3.http",
    "mistat/synthetic-crash.http",
    "umeng/synthetic-codex0.http",
    "umeng/synthetic-codex1.http",
    "ut/synthetic-rest-sur.http",
    "ut/synthetic-upload.http",
    "sls/python-sdk-0.9.52-raw.http",
    "sls/python-sdk-0.9.52-lz4.http",
    "sls/python-sdk-0.9.52-v4-zstd.http",
    "sls/synthetic-web-post-deflate.http",
    "mixpanel/python-5.4.1-buffered.http",
    "mixpanel/node-0.24.0-track-batch.http",
    "generic/synthetic-form-base64-gzip-json.http",
    "generic/synthetic-protobuf.http",
];

fn request(file: &Path) -> Request {
    let bytes = std::fs::read(file).expect("the vector is there");
    if file.extension().is_some_and(|e| e == "body") {
        let body_size = bytes.len() as u64;
        let (method, target) = ("POST".into(), "/".into());
        return Request { method, target, body: bytes, body_size, ..Request::default() };
    }
    let mut lines = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut lines);
    let end = head.parse(&bytes).expect("an HTTP request").unwrap();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Request {
        method: head.method.unwrap_or_default().into(),
        target: head.path.unwrap_or_default().into(),
        headers: head.headers.iter().map(|h| (h.name.into(), text(h.value))).collect(),
        body: bytes[end..].to_vec(),
        body_size: (bytes.len() - end) as u64,
        cut: false,
    }
}

fn vectors(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut group = c.benchmark_group("decode");
    for name in VECTORS {
        let request = request(&root.join(name));
        let protocol = decode::decode(&request).protocol;
        group.throughput(Throughput::Bytes(request.body_size));
        group.bench_function(format!("{protocol}/{name}"), |b| {
            b.iter(|| decode::decode(black_box(&request)));
        });
    }
    group.finish();
}

/// A body of ordinary size that nobody knows, so that every decoder looks at it.
fn unknown(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode unknown");
    // SplitMix64, the same bytes in every run.
    let noise = (0..8192u64).flat_map(|n| {
        let x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (x ^ (x >> 31)).to_le_bytes()
    });
    let page = "<p>Words of a page, with a = b &amp; c.</p>\n".repeat(1500).into_bytes();
    for (name, body) in [("64 KiB of noise", noise.collect::<Vec<u8>>()), ("64 KiB of text", page)]
    {
        let body_size = body.len() as u64;
        let (method, target) = ("POST".into(), "/".into());
        let request = Request { method, target, body, body_size, ..Request::default() };
        group.throughput(Throughput::Bytes(body_size));
        group.bench_function(name, |b| b.iter(|| decode::decode(black_box(&request))));
    }
    group.finish();
}

criterion_group!(benches, vectors, unknown);
criterion_main!(benches);
