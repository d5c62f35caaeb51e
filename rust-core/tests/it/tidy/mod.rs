//! Holds the invariants by reading the sources. Each rule is a function from a text to what is
//! wrong in it, and is tried on a planted fault too: a check that was never seen to fail is none.
//!
//! Never compiles, runs or changes what it reads.

mod faults;
mod licences;
mod rings;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust source of the crate.
struct Source {
    /// From `src/`, with forward slashes: `tcp/mod.rs`.
    path: String,
    /// All of it.
    text: String,
    /// What is compiled into the product: without the tests at the bottom, comments blanked.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let tests = ["/tests.rs", "/samples.rs", "/requests.rs", "/recorded.rs"];
        let tests = tests.iter().any(|end| path.ends_with(end));
        let code = if tests { String::new() } else { without_comments(without_tests(text)) };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// `tcp` of `tcp/mod.rs`; empty for `lib.rs`.
    fn module(&self) -> &str {
        self.path.split_once('/').map_or("", |(module, _)| module)
    }

    /// The lines of the code, with their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    /// Each line of the code in which a word stands, as `path:line: what`.
    fn find(&self, word: &str) -> Vec<String> {
        self.lines()
            .filter(|(_, line)| has_word(line, word))
            .map(|(number, _)| format!("{}:{number}: {word}", self.path))
            .collect()
    }
}

fn crate_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn repository() -> PathBuf {
    crate_root().join("..")
}

/// All files under a folder, in order; `skip` names folders that are left out.
fn files(folder: &Path, skip: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !skip.contains(&&*name) {
            found.extend(files(&path, skip));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

fn sources() -> Vec<Source> {
    let root = crate_root().join("src");
    let found: Vec<_> = files(&root, &[])
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let short = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            Source::new(&short, &fs::read_to_string(&path).unwrap())
        })
        .collect();
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// Everything before the tests at the bottom.
fn without_tests(text: &str) -> &str {
    let mut at = 0;
    let mut marked = None;
    for line in text.split_inclusive('\n') {
        match marked {
            Some(start) if line.contains("mod ") && line.trim_end().ends_with('{') => {
                return &text[..start];
            }
            _ => marked = (line.trim_end() == "#[cfg(test)]").then_some(at),
        }
        at += line.len();
    }
    text
}

/// The text with its comments blanked; lines stay where they are. Knows strings well enough to
/// leave `//` in them alone.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut in_string = false;
        let mut end = line.len();
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if in_string => at += 1,
                b'"' if bytes.get(at + 1) != Some(&b'\'') => in_string = !in_string,
                b'/' if !in_string && bytes.get(at + 1) == Some(&b'/') => {
                    end = at;
                    break;
                }
                _ => {}
            }
            at += 1;
        }
        out.push_str(&line[..end]);
        out.push('\n');
    }
    out
}

/// Whether `word` stands in the text with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !(before.is_some_and(part) && word.starts_with(part)
            || after.is_some_and(part) && word.ends_with(part))
    })
}

/// Fails with every fault on a line of its own.
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn holds(rule: impl Fn(&Source) -> Vec<String>) {
    assert_none(sources().iter().flat_map(rule).collect());
}

#[test]
fn comments_and_tests_are_no_code() {
    let text = "//! Doc.\nlet a = \"http://b\"; // unsafe\n#[cfg(test)]\nuse x;\n\n#[cfg(test)]\n\
                mod tests {\n    unsafe {}\n}\n";
    let source = Source::new("m/mod.rs", text);
    assert_eq!(source.code, "\nlet a = \"http://b\"; \n#[cfg(test)]\nuse x;\n\n");
    assert!(source.find("unsafe").is_empty());
    assert_eq!(source.find("x"), ["m/mod.rs:4: x"]);
    assert!(has_word("a::tun;", "tun") && !has_word("TUN_V4, tunnel", "tun"));
}
