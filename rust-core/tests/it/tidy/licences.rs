//! Every crate that is built in, or that builds or tests it, is under a licence that lets anybody
//! use the whole: `cargo metadata` tells.

use super::{assert_none, repository};
use serde_json::Value;
use std::process::Command;

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];
/// Licences that stand for one crate only.
const ONE_CRATE: &[(&str, &str)] = &[("tun", "WTFPL")];

/// Whether an SPDX expression can be met with allowed licences; `/` is the old way to write OR.
fn may_use(name: &str, expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = either(name, &words, &mut at);
    value && at == words.len()
}

fn either(name: &str, words: &[&str], at: &mut usize) -> bool {
    let mut value = all(name, words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= all(name, words, at);
    }
    value
}

fn all(name: &str, words: &[&str], at: &mut usize) -> bool {
    let mut value = one(name, words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(name, words, at);
    }
    value
}

fn one(name: &str, words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let value = either(name, words, at);
        *at += 1;
        return value && words.get(*at - 1) == Some(&")");
    }
    let mut licence = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    ALLOWED.contains(&&*licence) || ONE_CRATE.contains(&(name, &*licence))
}

#[test]
fn every_dependency_is_under_a_permissive_licence() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &host])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{}", packages.len());
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        if !may_use(name, licence) {
            faults.push(format!("{name}: {licence:?}"));
        }
    }
    assert_none(faults);
}

#[test]
fn a_licence_expression_is_judged_as_a_whole() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
    ] {
        assert!(may_use("x", good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-or-later",
        "MPL-2.0",
        "MIT AND GPL-2.0-only",
        "(MIT OR Apache-2.0) AND OpenSSL",
        "Apache-2.0 WITH other-exception",
        "WTFPL",
        "MIT)",
        "(MIT",
        "MIT MIT",
    ] {
        assert!(!may_use("x", bad), "{bad}");
    }
    assert!(may_use("tun", "WTFPL"));
}
