//! The packed identifiers of the header: base64, broken into lines, of a Thrift struct. Field 1 maps
//! names to {1 value, 2 milliseconds, 3 version}; field 2 lists {1 name, 2 former value, 3 value,
//! 4 milliseconds}, what changed and was not told before.

use super::super::report::Report;
use super::super::thrift::Tree;
use super::super::{json, unpack};
use super::header::Facts;
use super::keys::{self, Says};
use crate::event::{IdKind, Kind, ProblemCode, Time};
use crate::limits;
use compact_str::{CompactString, format_compact};
use std::borrow::Cow;

const SNAPSHOT: i16 = 1;
const JOURNAL: i16 = 2;

/// Reads what is packed in `text`; where nothing can be read it stays as it is.
pub(super) fn read(facts: &mut Facts, report: &mut Report, path: &str, text: &str) {
    let blank = |c: char| c.is_ascii_whitespace();
    let packed =
        if text.contains(blank) { text.replace(blank, "").into() } else { Cow::Borrowed(text) };
    let unpacked = unpack::base64(&packed);
    let (tree, problem) = Tree::parse(&unpacked.bytes);
    let problem = unpacked.error.map(|e| e.code()).or(problem);
    if let Some(code) = problem.filter(|_| !text.is_empty()) {
        report.problem(code, path);
    }
    let mut found = false;
    if let Some(Tree::Map(entries)) = tree.field(SNAPSHOT) {
        for (name, entry) in entries {
            let Some(name) = name.text() else { continue };
            let of = [entry.field(1), entry.field(2)];
            found |= put(facts, report, (path, name), of);
            if let Some(version) = entry.field(3).and_then(Tree::int) {
                let path = format_compact!("{path}.{}.version", json::cut(name, NAME));
                let version = Cow::Owned(version.to_string());
                facts.fact(report, path, version, Kind::Other);
            }
        }
    }
    if let Some(Tree::List(entries)) = tree.field(JOURNAL) {
        for (place, entry) in entries.iter().enumerate() {
            let Some(name) = entry.field(1).and_then(Tree::text) else { continue };
            let path = format!("{path}.journal.{place}");
            found |= put(facts, report, (&path, name), [entry.field(3), entry.field(4)]);
            let former = format!("{path}.former");
            found |= put(facts, report, (&former, name), [entry.field(2), None]);
        }
    }
    if !found {
        let kind = if text.is_empty() { Kind::Other } else { Kind::Identifier };
        facts.fact(report, path.into(), Cow::Borrowed(text), kind);
    }
}

/// Longest name of an identifier, bytes: the rest of a path has room beside it.
const NAME: usize = limits::FIELD_PATH / 4;

/// Adds an identifier and the moment at which it was seen; whether there was one.
fn put(
    facts: &mut Facts,
    report: &mut Report,
    (root, name): (&str, &str),
    [value, time]: [Option<&Tree<'_>>; 2],
) -> bool {
    let Some(value) = value.and_then(Tree::text) else { return false };
    let key = keys::find(name);
    let says = match key.map(|key| key.says) {
        Some(says @ (Says::Id(_) | Says::Digest | Says::DeviceId)) => says,
        _ => Says::Id(IdKind::InstanceId),
    };
    let [path, moment] = match key.filter(|_| root == keys::TRACKED) {
        Some(key) => key.tracked.map(CompactString::const_new),
        None => {
            let path = format_compact!("{root}.{}", json::cut(name, NAME));
            [path.clone(), format_compact!("{path}.time")]
        }
    };
    facts.id(report, path, Cow::Borrowed(value), says);
    match time.and_then(Tree::int).map(Time::from_ms) {
        Some(Some(time)) => {
            facts.fact(report, moment, Cow::Owned(time.to_string()), Kind::Identifier);
        }
        Some(None) => report.problem(ProblemCode::Malformed, &moment),
        None => {}
    }
    true
}
