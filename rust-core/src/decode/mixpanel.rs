//! Mixpanel: events and profile updates as JSON, in a parameter `data`, in base64 or not, or as the
//! body itself. Never needs the path.
//!
//! Evidence: recorded from mixpanel 5.4.1 (Python), mixpanel 0.24.0 (Node) and mixpanel-browser 2.83.0
//! (npm); bodies of JSON are synthetic.

use super::form::Form;
use super::json::{self, Flat};
use super::report::{Report, is_json, json_moment, pairs, text};
use super::{Decoded, Input, unpack};
use crate::event::{ProblemCode, Protocol};
use crate::limits;
use std::borrow::Cow;

const DECODER: &str = "mixpanel/2";

/// Properties of an event, of which one must be there.
const PROPERTIES: &[&str] =
    &["token", "$token", "distinct_id", "$distinct_id", "$device_id", "$insert_id", "mp_lib"];

/// What an update of a profile or a group does.
const UPDATES: &[&str] = &[
    "$set",
    "$set_once",
    "$add",
    "$append",
    "$union",
    "$remove",
    "$unset",
    "$delete",
    "$increment",
];

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    let form = |place, form: &Form| {
        let data = form.get("data")?.trim();
        let unpacked = (!is_json(data.as_bytes())).then(|| unpack::base64(data));
        let bytes = unpacked.as_ref().map_or(data.as_bytes(), |u| &u.bytes);
        let error = unpacked.as_ref().and_then(|u| u.error);
        carried(input, place, form, bytes, error)
    };
    let bare = || carried(input, "", &Form::default(), input.body, None);
    form("form", &input.form).or_else(|| form("query", &input.query)).or_else(bare)
}

fn carried(
    input: &Input<'_>,
    place: &str,
    form: &Form,
    bytes: &[u8],
    error: Option<unpack::UnpackError>,
) -> Option<Decoded> {
    let unzipped = unpack::by_magic(bytes);
    let error = error.or(unzipped.as_ref().and_then(|u| u.error));
    let bytes = unzipped.as_ref().map_or(bytes, |u| &u.bytes);
    if !is_json(bytes) {
        return None;
    }
    let (text, broken) = text(bytes, input.cut || error.is_some());
    let single = || json::Parts { items: vec![text.as_str()], problem: None };
    let listed = text.starts_with('[');
    let parts = if listed { json::list(&text, limits::EVENTS_PER_REQUEST) } else { single() };
    if !parts.items.iter().any(|item| Item::of(item).is_known()) {
        return None;
    }
    let mut report = Report::new(input, Protocol::Mixpanel, DECODER);
    let path = if place.is_empty() { String::new() } else { format!("{place}.data") };
    if let Some(code) = error.map(|e| e.code()).or(parts.problem) {
        report.problem(code, &path);
    } else if let Some(code) = broken {
        // The text was read, apart from a letter somewhere.
        report.problem(code, if path.is_empty() { "body" } else { &path });
    }
    if !place.is_empty() {
        report.beside(pairs(place, form, &["data"]));
    }
    if place != "query" {
        report.beside(pairs("query", &input.query, &["data"]));
    }
    for (number, item) in parts.items.iter().enumerate() {
        if item.starts_with('{') {
            event(&mut report, item);
        } else {
            let path = format!("{path}.{number}");
            report.problem(ProblemCode::Malformed, path.trim_start_matches('.'));
        }
    }
    Some(report.read())
}

/// Members of one record.
struct Item<'a>(json::Parts<json::Member<'a>>);

impl<'a> Item<'a> {
    fn of(text: &'a str) -> Self {
        Self(json::object(text, limits::FIELDS_PER_EVENT))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.items.iter().find(|(n, _)| n == name).map(|(_, text)| *text)
    }

    fn properties(&self) -> Self {
        Self::of(self.get("properties").unwrap_or("{}"))
    }

    /// An event with its own properties, or an update of a profile or group. Records that have a
    /// `type` are those of another vendor.
    fn is_known(&self) -> bool {
        let properties = self.properties();
        let event = self.get("event").is_some_and(|e| e.starts_with('"'))
            && PROPERTIES.iter().any(|name| properties.get(name).is_some());
        let whose = self.get("$distinct_id").is_some() || self.get("$group_key").is_some();
        let update = self.get("$token").is_some() && whose;
        (event || update) && self.get("type").is_none()
    }
}

fn event(report: &mut Report, text: &str) {
    let item = Item::of(text);
    let mut flat = Flat::default();
    if let Some(code) = item.0.problem {
        flat.problem(code, "");
    }
    for (name, value) in &item.0.items {
        flat.add_text(&mut report.budget, name, name, value);
    }
    let update = || UPDATES.iter().find(|u| item.get(u).is_some()).map(|u| (*u).to_owned());
    let name = item.get("event").and_then(json::unquote).map(Cow::into_owned).or_else(update);
    let time = [(item.properties().get("time"), "properties.time"), (item.get("$time"), "$time")];
    let time = time.into_iter().find_map(|(text, path)| Some((text?, path)));
    let at = time.and_then(|(text, _)| json_moment(text));
    if let (Some((_, path)), None) = (time, at) {
        flat.problem(ProblemCode::Malformed, path);
    }
    report.event(name, at, flat);
}
