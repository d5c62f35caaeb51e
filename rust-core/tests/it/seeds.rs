//! Every seed of every fuzz target, without a fuzzer; and that the targets are all there.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `tests/data` whose files are seeds too.
const SHARED: &[(&str, &[&str])] = &[
    ("dns", &["dns"]),
    ("tls", &["tls"]),
    ("quic", &["quic"]),
    ("http", &["http"]),
    (
        "decode",
        &[
            "generic",
            "mistat",
            "miui-analytics",
            "mixpanel",
            "onetrack",
            "recorded",
            "sensors",
            "sls",
            "umeng",
            "ut",
        ],
    ),
    ("sensors", &["recorded", "sensors"]),
    ("onetrack", &["onetrack"]),
    ("onetrack_plain", &["onetrack"]),
    ("miui_analytics", &["miui-analytics"]),
    ("mistat", &["mistat"]),
    ("mistat3", &["mistat"]),
    ("mistat_crash", &["mistat"]),
    ("umeng", &["recorded", "umeng"]),
    ("ut", &["ut"]),
    ("sls", &["sls"]),
    ("mixpanel", &["mixpanel"]),
    ("generic", &["generic", "recorded"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.is_file());
    all.sort();
    all
}

/// The bytes of a file; those that are written in hexadecimal digits are read so.
fn bytes(path: &Path) -> Vec<u8> {
    let raw = fs::read(path).unwrap();
    if path.extension().is_none_or(|e| e != "hex") {
        return raw;
    }
    let digits: Vec<u8> = raw.into_iter().filter(u8::is_ascii_hexdigit).collect();
    let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(pair).collect()
}

#[test]
fn every_seed_of_every_fuzz_target_is_borne() {
    for (name, target) in targets::ALL {
        let own = files(root().join("fuzz/seeds").join(name));
        assert!(own.len() >= 3, "{name} has {} seeds", own.len());
        let shared = SHARED.iter().filter(|(of, _)| of == name).flat_map(|(_, folders)| *folders);
        let shared = shared.flat_map(|folder| files(root().join("tests/data").join(folder)));
        for path in own.into_iter().chain(shared) {
            let bytes = bytes(&path);
            target(&bytes);
            // Cut, too: most faults are at an end.
            target(&bytes[..bytes.len() / 2]);
            target(&bytes[..bytes.len().saturating_sub(1)]);
        }
    }
}

#[test]
fn every_fuzz_target_is_built_and_replayed() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let built: Vec<_> = files(root().join("fuzz/fuzz_targets"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut replayed: Vec<_> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    replayed.sort();
    assert_eq!(built, replayed);
    for name in built {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        let source = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(source).unwrap();
        assert!(source.contains(&format!("targets::{name}(data)")), "{name}");
    }
}
