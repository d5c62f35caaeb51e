//! Requests recorded from current SDKs, against what the SDKs had been asked to send.

use super::hostile::packing::post;
use super::requests::{parse, samples};
use super::vectors::VECTORS;
use crate::event::Kind;
use crate::http::Request;
use serde_json::Value;
use std::path::Path;

/// One request under `tests/data/recorded` and what its driver says of it.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) request: Request,
    /// The keys are explained in the folder's README.
    pub(super) truth: Value,
}

/// Those whose names begin with one of the prefixes, sorted.
pub(super) fn recorded(prefixes: &[&str]) -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recorded");
    let mut files: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "http"))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let request = parse(&name, &std::fs::read(path).unwrap());
        let truth = std::fs::read(path.with_extension("truth.json")).unwrap();
        Recorded { name, request, truth: serde_json::from_slice(&truth).unwrap() }
    };
    let all = files.iter().map(read);
    all.filter(|one| prefixes.iter().any(|prefix| one.name.starts_with(prefix))).collect()
}

#[test]
fn every_recorded_request_has_its_truth() {
    let all = recorded(&[""]);
    assert_eq!(all.len(), 26);
    for Recorded { name, request, truth } in all {
        assert!(truth["client"].is_string(), "{name}");
        super::vectors::check(&request);
    }
}

/// Each row says how many fields of all requests of a protocol no rule has a kind for.
const SHARES: &str = include_str!("../../../docs/adding-a-decoder.md");

#[test]
fn at_most_a_third_of_all_fields_is_other_and_the_table_says_so() {
    let mut counts = std::collections::BTreeMap::<&str, (usize, usize)>::new();
    let batches = VECTORS.iter().map(|(_, body, _)| post(body));
    for request in samples().into_iter().map(|sample| sample.request).chain(batches) {
        let decoded = super::decode(&request);
        let fields = decoded.events.iter().flat_map(|event| &event.fields);
        let (other, all) = counts.entry(decoded.protocol.as_str()).or_default();
        for field in fields {
            *all += 1;
            *other += usize::from(field.kind == Kind::Other);
        }
    }
    let (other, all) = counts.values().fold((0, 0), |(o, a), (other, all)| (o + other, a + all));
    let row = |name: &str, other: usize, all: usize| {
        format!("| {name} | {all} | {other} | {} % |\n", (other * 100 + all / 2) / all)
    };
    let mut wanted: String =
        counts.iter().map(|(name, (other, all))| row(&format!("`{name}`"), *other, *all)).collect();
    wanted += &row("all", other, all);
    print!("{wanted}");
    assert!(other * 3 <= all, "{other} of {all}");
    assert!(SHARES.contains(&wanted), "docs/adding-a-decoder.md lacks these rows:\n{wanted}");
}
