//! The table of faults in docs/testing.md names tests that exist.

use super::{crate_root, files, repository};
use std::fs;

/// Faults that other engines had; each has a row, in this order.
const FAULTS: usize = 24;
/// Under this heading the table stands.
const HEADING: &str = "## Faults that other engines had";

/// The rows of the table: a fault, and the tests that its second column names.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let section = text.split_once(HEADING).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    // The first is the head of the table.
    rows.skip(1)
        .map(|(fault, tests)| (fault, tests.split('`').skip(1).step_by(2).collect()))
        .collect()
}

/// What is wrong with a row: no test, or one that is in none of the sources.
fn wrong(fault: &str, tests: &[&str], sources: &[(String, String)]) -> Vec<String> {
    let missing = |test: &&&str| !sources.iter().any(|(path, text)| stands(test, path, text));
    let mut found: Vec<_> =
        tests.iter().filter(missing).map(|test| format!("{fault}: no test `{test}`")).collect();
    if tests.is_empty() {
        found.push(format!("{fault}: no test is named"));
    }
    found
}

/// Whether the test `file::name` is in this source.
fn stands(test: &str, path: &str, text: &str) -> bool {
    let Some((file, name)) = test.rsplit_once("::") else { return false };
    let (rust, python) = (format!("fn {name}() {{"), format!("def {name}("));
    let here = path.ends_with(&format!("/{file}.rs")) && text.contains(&rust);
    here || (path.ends_with(&format!("/{file}")) && text.contains(&python))
}

#[test]
fn each_fault_of_other_engines_has_a_test_here() {
    let folders = ["src", "tests"].map(|folder| crate_root().join(folder));
    let folders = folders.into_iter().chain([repository().join("tests/packets")]);
    let paths = folders.flat_map(|folder| files(&folder, &["data"]));
    let sources: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "rs" || e == "py"))
        .map(|path| (path.to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    let docs = fs::read_to_string(repository().join("docs/testing.md")).unwrap();
    let rows = rows(&docs);
    assert_eq!(rows.len(), FAULTS, "{rows:?}");
    let found: Vec<_> =
        rows.iter().flat_map(|(fault, tests)| wrong(fault, tests, &sources)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_row_without_a_test_and_one_with_a_wrong_name_are_found() {
    let text = format!(
        "{HEADING}\n\n| fault | tests |\n|---|---|\n| a | `x::good` |\n| b | - |\n| c | `x::bad` |\n"
    );
    let sources = [("/t/x.rs".to_owned(), "fn good() {\n".to_owned())];
    let found: Vec<_> = rows(&text).iter().map(|(f, t)| wrong(f, t, &sources).len()).collect();
    assert_eq!(found, [0, 1, 1]);
}
