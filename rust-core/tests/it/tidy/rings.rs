//! Rings point inward, and what a ring must not name, it does not name.

use super::{Source, assert_none, crate_root, holds, sources};
use std::collections::BTreeMap;
use std::fs;

/// What rings 0 and 1 must not name: descriptors, files, threads, clocks, locks.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::thread",
    "thread",
    "std::process",
    "std::env",
    "std::time::Instant",
    "Instant::now",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "OwnedFd",
    "RawFd",
    "rustix",
    "libc",
    "Mutex",
    "RwLock",
    "Condvar",
    "mpsc",
    "LazyLock",
    "static mut",
    "thread_local",
];

/// Crates that only some modules may name.
const KEPT: &[(&str, &[&str])] = &[
    ("rusqlite", &["store", "export"]),
    ("smoltcp", &["wire", "tcp"]),
    ("jni", &["jni"]),
    ("tun", &["io", "cli"]),
    ("clap", &["cli"]),
];

type Rings = BTreeMap<String, u8>;

/// The ring of each module, as the documentation of `lib.rs` states it.
fn rings(lib: &str) -> Rings {
    let mut rings = Rings::new();
    let mut ring = None;
    for line in lib.lines().filter_map(|line| line.strip_prefix("//!")) {
        if let Some((_, rest)) = line.split_once("- ring ") {
            ring = rest.get(..1).and_then(|digit| digit.parse().ok());
        }
        let Some(ring) = ring else { continue };
        // A module behind a feature is named without a link.
        for name in line.split('`').skip(1).step_by(2) {
            rings.insert(name.to_owned(), ring);
        }
    }
    rings
}

fn lib() -> String {
    fs::read_to_string(crate_root().join("src/lib.rs")).unwrap()
}

/// Modules of the crate that a source names, with the line.
fn named(source: &Source, rings: &Rings) -> Vec<(usize, String)> {
    let depth = match source.path.matches('/').count() {
        0 => 0,
        n if source.path.ends_with("/mod.rs") => n,
        n => n + 1,
    };
    let climb = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", "$crate::", "muzzle::", &climb] {
        for (at, _) in source.code.match_indices(prefix) {
            let before = source.code[..at].chars().next_back();
            if prefix.is_empty() || before.is_some_and(|c| c.is_alphanumeric() || c == ':') {
                continue;
            }
            let line = source.code[..at].matches('\n').count() + 1;
            let rest = &source.code[at + prefix.len()..];
            for name in first_names(rest) {
                if rings.contains_key(&name) {
                    found.push((line, name));
                }
            }
        }
    }
    found
}

/// The first segments of a path: one name, or those of a group in braces.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut names, mut fresh) = (1, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if fresh && c.is_alphabetic() => {
                names.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn outward(source: &Source, rings: &Rings) -> Vec<String> {
    let Some(own) = rings.get(source.module()) else { return Vec::new() };
    named(source, rings)
        .into_iter()
        .filter(|(_, name)| rings[name] > *own)
        .map(|(line, name)| format!("{}:{line}: ring {own} names {name}", source.path))
        .collect()
}

fn effects(source: &Source, rings: &Rings) -> Vec<String> {
    match rings.get(source.module()) {
        Some(0 | 1) => EFFECTS.iter().flat_map(|word| source.find(word)).collect(),
        _ => Vec::new(),
    }
}

/// A crate is named by `use x`, `x::` or `::x`.
fn kept(source: &Source) -> Vec<String> {
    let foreign = KEPT.iter().filter(|(_, homes)| !homes.contains(&source.module()));
    foreign
        .flat_map(|(name, _)| {
            let path = format!("{name}::");
            let mut found = source.find(&path);
            found.retain(|fault| {
                let line: usize = fault.split(':').nth(1).unwrap().parse().unwrap();
                let text = source.code.lines().nth(line - 1).unwrap();
                // `super::tun::` and `crate::jni::` are modules of ours.
                !text.contains(&format!(":{path}")) || text.contains(&format!(" ::{path}"))
            });
            found.extend(source.find(&format!("use {name}")));
            found
        })
        .collect()
}

fn unmapped(lib: &str, rings: &Rings) -> Vec<String> {
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules
        .filter(|name| !rings.contains_key(*name))
        .map(|name| format!("lib.rs: {name} is in no ring"))
        .collect()
}

#[test]
fn rings_point_inward() {
    let rings = rings(&lib());
    assert!(rings.len() >= 15, "{rings:?}");
    assert_none(unmapped(&lib(), &rings));
    holds(|source| outward(source, &rings));
}

#[test]
fn an_outward_path_is_seen() {
    let rings = rings(&lib());
    for code in [
        "use crate::engine::Engine;",
        "use crate::{event::Time, store::{self, Reader}};",
        "fn f() { crate::io::run(); }",
        "use super::super::engine;",
    ] {
        let found = outward(&Source::new("dns/name.rs", code), &rings);
        assert_eq!(found.len(), 1, "{code}: {found:?}");
    }
    assert_eq!(outward(&Source::new("dns/mod.rs", "use super::engine;"), &rings).len(), 1);
    assert_eq!(outward(&Source::new("tcp/mod.rs", "use crate::cli::X;"), &rings).len(), 1);
    let inward = "use crate::{wire, dns::name, limits}; use super::store; // crate::io";
    assert_eq!(outward(&Source::new("engine/tcp.rs", inward), &rings), [""; 0]);
    assert_eq!(unmapped("pub mod smtp;", &rings), ["lib.rs: smtp is in no ring"]);
}

#[test]
fn the_inner_rings_have_no_effects() {
    let rings = rings(&lib());
    holds(|source| effects(source, &rings));
    // The words are real ones: the outer ring has to use some of them.
    let outer: Vec<_> = sources().iter().flat_map(|s| s.find("OwnedFd")).collect();
    assert!(!outer.is_empty());
}

#[test]
fn an_effect_in_an_inner_ring_is_seen() {
    let rings = rings(&lib());
    for word in EFFECTS {
        let code = format!("let x = {word}(y);");
        assert!(!effects(&Source::new("engine/udp.rs", &code), &rings).is_empty(), "{word}");
        assert!(effects(&Source::new("io/mod.rs", &code), &rings).is_empty(), "{word}");
    }
    let fine = "let now = Now { mono_us }; // Instant::now\nuse smoltcp::time::Instant;";
    assert_eq!(effects(&Source::new("tcp/mod.rs", fine), &rings), [""; 0]);
}

#[test]
fn each_kept_crate_is_named_by_its_modules_only() {
    holds(kept);
}

#[test]
fn a_kept_crate_elsewhere_is_seen() {
    for (name, homes) in KEPT {
        for code in
            [format!("use {name}::X;"), format!("    {name}::open()"), format!("use {name};")]
        {
            assert!(!kept(&Source::new("engine/mod.rs", &code)).is_empty(), "{code}");
            let home = format!("{}/mod.rs", homes[0]);
            assert_eq!(kept(&Source::new(&home, &code)), [""; 0], "{code}");
        }
    }
    assert_eq!(kept(&Source::new("store/mod.rs", "use crate::jni::X; tunnel::x")), [""; 0]);
}
