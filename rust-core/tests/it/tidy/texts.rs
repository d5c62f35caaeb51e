//! What every source, and every text of the repository, has or has not.

use super::{Source, assert_none, crate_root, files, has_word, holds, repository};
use std::fs;
use std::path::Path;

const LINES: usize = 600;

fn too_long(source: &Source) -> Vec<String> {
    let lines = source.code.trim_end().lines().count();
    if lines > LINES { vec![format!("{}: {lines} lines of code", source.path)] } else { Vec::new() }
}

fn undocumented(source: &Source) -> Vec<String> {
    let fault = !source.text.starts_with("//! ");
    fault.then(|| format!("{}: no module documentation", source.path)).into_iter().collect()
}

/// `unsafe` stands in two places only, and each time says why it is sound.
fn unsound(source: &Source) -> Vec<String> {
    let home = source.path == "io/sys.rs" || source.module() == "jni";
    let text: Vec<_> = source.text.lines().collect();
    source
        .lines()
        .filter(|(_, line)| has_word(line, "unsafe"))
        .filter(|(number, _)| {
            let above = &text[number.saturating_sub(4)..number - 1];
            !home || !above.iter().any(|line| line.trim_start().starts_with("// SAFETY: "))
        })
        .map(|(number, _)| format!("{}:{number}: unsafe", source.path))
        .collect()
}

/// Log calls above DEBUG, without their places: whoever adds one looks at what it formats, and
/// adds it here. None may format a name, an address or what a peer sent.
const LOGGED: &[(&str, &str)] = &[
    ("bridge/mod.rs", r#"log::warn!("no table of servers: {error}""#),
    ("cli/run.rs", r#"log::info!("no sock_diag ({error}); owners are read from /proc/net""#),
    ("cli/tun.rs", r#"log::warn!("no IPv6 on the TUN ({error}): "#),
    (
        "store/ingest.rs",
        r#"log::error!("store: a decoder panicked; its request is kept undecoded""#,
    ),
    ("jni/logcat.rs", r#"log::error!("a panic at {place}; please report it""#),
    ("store/writer.rs", r#"log::warn!("store: {records} records lost: {error}""#),
    ("store/writer.rs", r#"log::info!("store: {what}: {events} events deleted""#),
    ("store/writer.rs", r#"log::warn!("store: {what}: {error}""#),
];

fn logged(source: &Source) -> Vec<String> {
    let known =
        |line: &str| LOGGED.iter().any(|(at, call)| *at == source.path && line.contains(call));
    let calls = ["warn!", "info!", "error!", "log!", "println!", "eprintln!"];
    let command = source.module() == "cli";
    source
        .lines()
        .filter(|(_, line)| {
            let here = |call: &&str| has_word(line, call) && !(command && call.contains("println"));
            calls.iter().any(here) && !known(line)
        })
        .map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim()))
        .collect()
}

/// Words in pieces, so that this file passes its own test.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("dbg", "!(")];
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
    concat!("/tmp/ba", "sh"),
];
const REGISTRIES: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("static.rust-", "lang.org"),
    concat!("repo.maven.", "apache.org"),
    concat!("repo1.", "maven.org"),
    concat!("maven.", "google.com"),
    concat!("dl.", "google.com"),
    concat!("files.python", "hosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("deb.", "debian.org"),
];
const IGNORED: &str = concat!("#[ig", "nore");

fn in_text(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{path}:{}: {what}", number + 1));
        for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
            fault(word);
        }
        for start in MACHINE {
            // A URL's path may look like one of ours.
            let found = line.match_indices(start).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-~".contains(c))
            });
            if found {
                fault(start);
            }
        }
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            let toolchain = host.contains("rust-") && path.starts_with("scripts/");
            if !toolchain {
                fault(host);
            }
        }
        if path.ends_with(".rs") && line.contains(IGNORED) {
            fault("an ignored test");
        }
    }
    faults
}

/// Every text file of the repository, by its path from the top.
fn texts() -> Vec<(String, String)> {
    let root = repository();
    let skip = ["target", ".git", ".gradle", ".idea", "build", "out", "node_modules", "corpus"];
    files(&root, &skip)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != ".git"))
        .filter(|path| fs::metadata(path).is_ok_and(|m| m.len() < 4 << 20))
        .filter_map(|path| Some((short(&path, &root), fs::read_to_string(&path).ok()?)))
        .collect()
}

fn short(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/")
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    holds(too_long);
    let long = "let x = 1;\n".repeat(LINES + 1);
    assert_eq!(too_long(&Source::new("a/b.rs", &long)), ["a/b.rs: 601 lines of code"]);
    let tested = format!("let x = 1;\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(too_long(&Source::new("a/b.rs", &tested)), [""; 0]);
}

#[test]
fn every_module_says_what_it_is() {
    holds(undocumented);
    assert_eq!(undocumented(&Source::new("a.rs", "use x;")), ["a.rs: no module documentation"]);
    for folder in ["tests", "benches"] {
        for path in files(&crate_root().join(folder), &["data"]) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let rust = path.extension().is_some_and(|e| e == "rs");
            assert!(!rust || text.starts_with("//! "), "{}", path.display());
        }
    }
}

#[test]
fn unsafe_stands_where_it_may_and_says_why() {
    holds(unsound);
    let planted = "//! Doc.\nfn f() {\n    unsafe { g() }\n}\n";
    assert_eq!(unsound(&Source::new("io/sys.rs", planted)), ["io/sys.rs:3: unsafe"]);
    let sound = planted.replace("    unsafe", "    // SAFETY: g is safe.\n    unsafe");
    assert_eq!(unsound(&Source::new("io/sys.rs", &sound)), [""; 0]);
    assert_eq!(unsound(&Source::new("io/mod.rs", &sound)), ["io/mod.rs:4: unsafe"]);
}

#[test]
fn every_log_call_above_debug_is_known() {
    holds(logged);
    for (path, call) in LOGGED {
        let text = fs::read_to_string(crate_root().join("src").join(path)).unwrap();
        assert!(text.contains(call), "{path} has no longer {call}");
    }
    let planted = Source::new("engine/tcp.rs", r#"    log::warn!("lost {name}");"#);
    assert_eq!(logged(&planted), [r#"engine/tcp.rs:1: log::warn!("lost {name}");"#]);
    assert_eq!(logged(&Source::new("dns/mod.rs", r#"log::debug!("{name}");"#)), [""; 0]);
    assert_eq!(logged(&Source::new("dns/mod.rs", r#"eprintln!("{name}");"#)).len(), 1);
}

#[test]
fn nothing_is_left_unfinished_and_no_text_names_this_machine() {
    let texts = texts();
    for needed in ["Cargo.toml", "rust-core/src/lib.rs", "docs/policy.md", "Cargo.lock"] {
        assert!(texts.iter().any(|(path, _)| path == needed), "{needed} was not looked at");
    }
    assert_none(texts.iter().flat_map(|(path, text)| in_text(path, text)).collect());
}

#[test]
fn what_a_text_must_not_have_is_seen() {
    for word in UNFINISHED.iter().chain(MACHINE).chain(REGISTRIES) {
        let found = in_text("docs/a.md", &format!("x\n({word} z)"));
        assert_eq!(found, [format!("docs/a.md:2: {word}")]);
    }
    let toolchain = REGISTRIES.iter().find(|host| host.contains("rust-")).unwrap();
    assert_eq!(in_text("scripts/setup", toolchain), [""; 0]);
    assert_eq!(in_text("src/a.rs", &format!("{IGNORED}]")), ["src/a.rs:1: an ignored test"]);
    assert_eq!(in_text("a.md", "https://example.org/network/a, mktemp"), [""; 0]);
}
