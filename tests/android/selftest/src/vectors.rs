//! Every committed request against its committed events.

use muzzle::decode;
use muzzle::http::{Parser, Request};
use std::fs;
use std::path::{Path, PathBuf};

/// Decodes all vectors; panics at the first that differs.
pub(crate) fn all(data: &Path) -> String {
    let mut count = 0;
    let mut events = 0;
    for folder in sorted(data).into_iter().filter(|path| path.is_dir()) {
        for file in sorted(&folder) {
            let Some(request) = request(&file) else { continue };
            let expected = fs::read_to_string(file.with_extension("expected.jsonl")).unwrap();
            let got = decode::events(None, None, &request);
            let got: Vec<_> = got.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
            assert_eq!(got, expected.lines().collect::<Vec<_>>(), "{}", file.display());
            count += 1;
            events += got.len();
        }
    }
    assert!(count > 40, "only {count} vectors were found");
    format!("{count} vectors, {events} events")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

/// A whole request, or a body that was posted to `/`.
fn request(file: &Path) -> Option<Request> {
    let kind = file.extension()?;
    if kind == "body" {
        let body = fs::read(file).unwrap();
        let body_size = body.len() as u64;
        let (method, target) = ("POST".into(), "/".into());
        return Some(Request { method, target, body, body_size, ..Request::default() });
    }
    (kind == "http").then(|| parse(&fs::read(file).unwrap()))
}

fn parse(bytes: &[u8]) -> Request {
    let mut found = None;
    Parser::new().feed(bytes, &mut |request| found = Some(request));
    found.unwrap()
}
