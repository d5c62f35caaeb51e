//! Alibaba UT: the query and the parts of `/rest/sur`, whose bodies are closed under a key that is
//! not shipped here, and the frames of `/upload`, which are open. Never decrypts.
//!
//! Evidence: read in a description; the vectors are synthetic. How a UTDID proves itself: see `ids`. How
//! the fields within a record are ordered is not known, so records are shown as text.

use super::ids;
use super::json::{Flat, Leaf};
use super::report::{Report, headers, is_open, leaf, moment, pairs, text};
use super::{Decoded, Input, multipart, unpack};
use crate::event::{ProblemCode, Protocol, State};

const DECODER: &str = "ut/4";

/// Headers of an upload.
const HEADERS: &[&str] = &["x-k", "x-s", "x-t"];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    upload(input).or_else(|| sur(input))
}

/// App key, sign and a time, and a UTDID that proves itself or the usual path.
fn sur(input: &Input<'_>) -> Option<Decoded> {
    let query = |name| input.query.get(name);
    let (Some(_), Some(_), Some(time)) = (query("ak"), query("s"), query("t")) else { return None };
    let utdid = query("d").map(|d| d.replace(' ', "+"));
    let usual = input.path.trim_end_matches('/').ends_with("/rest/sur");
    if !(usual || utdid.as_deref().is_some_and(ids::is_utdid) && query("v").is_some()) {
        return None;
    }
    let parts = multipart::parts(input.body);
    let proved = utdid.as_deref().is_some_and(ids::is_utdid);
    let closed = if parts.is_empty() {
        !input.body.is_empty() && !is_open(input.body)
    } else {
        parts.iter().any(|part| !is_open(part.bytes))
    };
    // Without something closed, the query alone is left to speak for itself.
    if !(closed || input.body.is_empty() && proved) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Ut, DECODER);
    let mut flat = Flat::default();
    for pair in pairs("query", &input.query, &[]) {
        let (key, value) = match pair.key() {
            "d" => ("utdid", pair.value.replace(' ', "+").into()),
            key => (key, pair.value.clone()),
        };
        flat.put(&mut report.budget, &pair.path, key, value, true);
    }
    for part in parts {
        let path = format!("form.{}", part.name);
        if is_open(part.bytes) {
            let value = String::from_utf8_lossy(part.bytes);
            flat.put(&mut report.budget, &path, &part.name, value, true);
            continue;
        }
        flat.problem(ProblemCode::Encrypted, &path);
        if !part.whole {
            flat.problem(ProblemCode::Truncated, &path);
        }
        let size = part.bytes.len().to_string();
        flat.put(&mut report.budget, &format!("{path}.size"), "size", size, false);
    }
    if flat.problems.is_empty() && !input.body.is_empty() {
        flat.problem(ProblemCode::Encrypted, "body");
    }
    report.event(None, moment(time), flat);
    Some(report.done(if closed { State::Encrypted } else { State::Decoded }))
}

/// `01`, length in 24 bits, `01`, flags, `00 00`, gzip.
fn upload(input: &Input<'_>) -> Option<Decoded> {
    let (head, packed) = input.body.split_first_chunk::<8>()?;
    let [1, l0, l1, l2, 1, flags, 0, 0] = *head else { return None };
    if !unpack::is_gzip(packed) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Ut, DECODER);
    let unpacked = unpack::gunzip(packed);
    if let Some(error) = unpacked.error {
        report.problem(error.code(), "body");
    }
    let number = |name: &str, value: String| Leaf::new(format!("frame.{name}"), name, value, false);
    let mut beside = headers(input, HEADERS);
    beside.push(number("length", u32::from_be_bytes([0, l0, l1, l2]).to_string()));
    beside.push(number("flags", flags.to_string()));
    report.beside(beside);
    let short = input.cut || unpacked.error.is_some();
    let mut rest = common(&mut report, &unpacked.bytes, short)?;
    let mut place = 0;
    // Each turn takes eight bytes at least.
    while !rest.is_empty() && !report.is_full("body") {
        rest = section(&mut report, rest, place, short);
        place += 1;
    }
    if report.count() == 0 && !unpacked.bytes.is_empty() {
        report.event(None, None, Flat::default());
    }
    for event in report.events() {
        ids::add_within(event);
    }
    Some(report.read())
}

/// Takes the header that all records share; each event gets it. `None` where there is none: it is
/// text, and ends within the bytes.
fn common<'a>(report: &mut Report, bytes: &'a [u8], short: bool) -> Option<&'a [u8]> {
    let Some((size, rest)) = bytes.split_first_chunk::<2>() else {
        if !bytes.is_empty() {
            report.problem(ProblemCode::Truncated, "common");
        }
        return Some(&[]);
    };
    let size = usize::from(u16::from_be_bytes(*size));
    if size > rest.len() {
        report.problem(ProblemCode::Truncated, "common");
    }
    let (header, rest) = rest.split_at(size.min(rest.len()));
    let broken = text(header, short).1.is_some();
    if broken || size > header.len() && !short {
        return None;
    }
    let pieces = header.split(|&b| b == 1);
    let single = !header.contains(&1);
    let leaves = pieces.take(crate::limits::PARTS).enumerate().map(|(place, piece)| {
        let path = if single { "common".to_owned() } else { format!("common.{place}") };
        leaf(&path, "common", &text(piece, short).0)
    });
    report.beside(leaves.filter(|l| !l.value.is_empty()).collect());
    Some(rest)
}

/// Takes an event id, a length and the records of that event.
fn section<'a>(report: &mut Report, bytes: &'a [u8], place: usize, short: bool) -> &'a [u8] {
    let path = format!("records.{place}");
    let Some((&[i0, i1, i2, i3, s0, s1, s2, s3], rest)) = bytes.split_first_chunk::<8>() else {
        report.problem(ProblemCode::Truncated, &path);
        return &[];
    };
    let id = u32::from_be_bytes([i0, i1, i2, i3]);
    let size = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
    if size > rest.len() {
        report.problem(ProblemCode::Truncated, &path);
    }
    let (records, rest) = rest.split_at(size.min(rest.len()));
    for record in records.split(|&b| b == 1).filter(|r| !r.is_empty()) {
        if report.is_full(&path) {
            break;
        }
        let (value, broken) = text(record, short);
        let mut flat = Flat::default();
        if let Some(code) = broken {
            flat.problem(code, "record");
        }
        flat.put(&mut report.budget, "record", "record", value, true);
        report.event(Some(id.to_string()), None, flat);
    }
    rest
}
