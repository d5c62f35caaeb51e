//! Each decoder on its vectors, in bytes of the request per second. Never a test: nothing here fails
//! because a machine is busy.

// A bench that cannot begin stops.
#![allow(clippy::expect_used)]

use base64::Engine as _;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use muzzle::decode;
use muzzle::http::Request;
use std::hint::black_box;
use std::io::Write as _;
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
    "recorded/umeng_938_01.http",
    "recorded/umeng_apm_efs_180.http",
    "recorded/umeng_zdata_json_121.http",
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

fn post(body: Vec<u8>) -> Request {
    let body_size = body.len() as u64;
    let (method, target) = ("POST".into(), "/".into());
    Request { method, target, body, body_size, ..Request::default() }
}

/// As many events as the SDK sends at most, made of those of a recorded batch, which has nine.
fn fifty_events(root: &Path) -> Request {
    let batch = request(&root.join("sensors/android-batch-gzip.body"));
    let form = decode::form::Form::parse(&batch.body);
    let packed = decode::unpack::base64(form.get("data_list").expect("a batch"));
    let clear = decode::unpack::gunzip(&packed.bytes).bytes;
    let events: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(&clear).expect("a list of events");
    let fifty: Vec<_> = events.iter().cycle().take(50).collect();
    let clear = serde_json::to_vec(&fifty).expect("it was JSON");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&clear).expect("memory takes it");
    let text = base64::engine::general_purpose::STANDARD.encode(gzip.finish().expect("it ends"));
    let text = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    println!("fifty events: {} bytes of JSON", clear.len());
    post(format!("gzip=1&data_list={text}").into_bytes())
}

/// The figures that have a bar, in docs/benchmarks.md.
fn bars(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let fifty = fifty_events(&root);
    assert_eq!(decode::decode(&fifty).events.len(), 50);
    let mistat = request(&root.join("mistat/synthetic-v2-ecb.http"));
    println!("MiStat: {} bytes", mistat.body_size);
    let umeng = request(&root.join("recorded/umeng_989_encrypted_03.http"));
    let umeng_clear = request(&root.join("recorded/umeng_956_03.http"));
    for request in [&umeng, &umeng_clear] {
        assert_eq!(decode::decode(request).events.len(), 6);
    }
    let mut group = c.benchmark_group("bars");
    for (name, request) in [
        ("sensors, 50 events", fifty),
        ("umeng, six events", umeng),
        ("umeng, six events, not closed", umeng_clear),
        ("mistat, 1.2 kB", mistat),
    ] {
        group.bench_function(name, |b| b.iter(|| decode::decode(black_box(&request))));
    }
    for (name, body) in strangers(4096) {
        let request = post(body);
        assert!(decode::decode(&request).events.is_empty(), "{name}");
        group.bench_function(format!("unknown, 4 KiB of {name}"), |b| {
            b.iter(|| decode::decode(black_box(&request)));
        });
    }
    group.finish();
}

/// Bodies that nobody knows, so that every decoder looks at them.
fn strangers(size: usize) -> [(&'static str, Vec<u8>); 3] {
    // SplitMix64, the same bytes in every run.
    let noise = (1..=size as u64 / 8).flat_map(|n| {
        let x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ (x >> 27)).to_le_bytes()
    });
    let mut page = "<p>Words of a page, with a = b &amp; c.</p>\n".repeat(size / 43 + 1);
    page.truncate(size);
    let mut words = "Plain words of a letter without any mark. ".repeat(size / 42 + 1);
    words.truncate(size);
    [("noise", noise.collect()), ("a page", page.into()), ("words", words.into())]
}

/// Larger bodies of nobody.
fn unknown(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode unknown");
    for (name, body) in strangers(64 * 1024) {
        let request = post(body);
        group.throughput(Throughput::Bytes(request.body_size));
        group.bench_function(format!("64 KiB of {name}"), |b| {
            b.iter(|| decode::decode(black_box(&request)));
        });
    }
    group.finish();
}

/// The table of kinds and the names of identifiers, a field at a time.
fn kinds(c: &mut Criterion) {
    use muzzle::event::Protocol::Sensors;
    let mut group = c.benchmark_group("kind of a field");
    for (name, path, key) in [
        ("an early rule", "properties.url", "url"),
        ("the last rule", "properties.campaign", "campaign"),
        ("no rule", "properties.whatever_this_is", "whatever_this_is"),
    ] {
        let (path, key) = (black_box(path), black_box(key));
        group.bench_function(name, |b| {
            b.iter(|| decode::kinds::kind(Sensors, black_box("search"), path, key, "x"));
        });
    }
    group.finish();
}

criterion_group!(benches, bars, kinds, vectors, unknown);
criterion_main!(benches);
