//! MiStat, version 3: forms whose payload `p` is closed under a session key. Never opens it.
//!
//! Evidence: read in a description; the vectors are synthetic.

use super::json::Flat;
use super::report::{Report, is_open, pairs};
use super::{Decoded, Input, unpack};
use crate::event::{ProblemCode, Protocol, State};

const DECODER: &str = "mistat3/2";

/// The last step of the paths that are known.
const PATHS: &[&str] = &["v3", "key_get", "deviceid_get"];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let forms = [("form", &input.form), ("query", &input.query)];
    let (place, form) = forms.into_iter().find(|(_, f)| f.get("p").is_some())?;
    let has = |name: &str| form.get(name).is_some();
    let step = input.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let usual = PATHS.contains(&step);
    if !(has("ai") && has("sv") && (has("sid") || usual)) {
        return None;
    }
    let packed = unpack::base64(form.get("p").unwrap_or_default());
    // A short parameter of that name is something else, and so is one that anybody can read.
    if packed.bytes.len() < 16 || is_open(&packed.bytes) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Mistat3, DECODER);
    let path = format!("{place}.p");
    let mut flat = Flat::default();
    flat.problem(ProblemCode::Encrypted, &path);
    if let Some(error) = packed.error {
        flat.problem(error.code(), &path);
    }
    let size = packed.bytes.len().to_string();
    flat.put(&mut report.budget, &format!("{path}.size"), "size", size, false);
    report.beside(pairs(place, form, &["p"]));
    let name = (step == "key_get" || step == "deviceid_get").then(|| step.to_owned());
    report.event(name, None, flat);
    Some(report.done(State::Encrypted))
}
