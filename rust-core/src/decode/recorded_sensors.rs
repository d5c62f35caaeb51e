//! Recorded requests of Sensors Analytics, Mixpanel and SLS against what their SDKs had been asked to
//! send.

use super::recorded::{Recorded, recorded};
use super::vectors::check;
use super::{Decoded, DecodedEvent, decode};
use crate::event::{Check, IdKind, Kind, ProblemCode, Protocol, State};
use serde_json::Value;

/// Every request of these, read.
fn all(prefix: &str) -> Vec<(Recorded, Decoded)> {
    let all = recorded(&[prefix]).into_iter();
    all.map(|one| (decode(&one.request), one)).map(|(decoded, one)| (one, decoded)).collect()
}

fn field<'a>(event: &'a DecodedEvent, path: &str) -> Option<(&'a str, Kind)> {
    let field = event.fields.iter().find(|field| field.path == path)?;
    Some((field.value.as_str(), field.kind))
}

/// A value as the fields of an event show it.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Name, own properties below `properties`, and whose event it is.
fn is_told(name: &str, event: &DecodedEvent, truth: &Value, properties: &str) {
    for (key, value) in truth["properties_subset"].as_object().unwrap() {
        let (told, kind) = field(event, &format!("{properties}{key}")).unwrap();
        assert_eq!(told, shown(value), "{name} {key}");
        match key.as_str() {
            "search_word" => assert_eq!(kind, Kind::Search, "{name}"),
            "url" => assert_eq!(kind, Kind::VisitedPage, "{name}"),
            _ => {}
        }
    }
    if let Some(whose) = truth["distinct_id"].as_str() {
        let fits = |id: &crate::event::Identifier| {
            id.kind == IdKind::DistinctId && id.value == whose && id.path.ends_with("distinct_id")
        };
        assert!(event.ids.iter().any(fits), "{name} {whose}: {:?}", event.ids);
    }
}

fn events(truth: &Value) -> &[Value] {
    truth["events"].as_array().unwrap()
}

#[test]
fn every_event_of_sensors_comes_out_under_its_own_name() {
    let mut count = 0;
    for (Recorded { name, truth, .. }, decoded) in all("sensors_") {
        assert_eq!(decoded.protocol, Protocol::Sensors, "{name}");
        let crc = match truth["checks"]["crc"].as_str() {
            Some("ok") => Check::Ok,
            _ => Check::Absent,
        };
        assert_eq!(decoded.checks["crc"], crc, "{name}");
        if truth["checks"]["encrypted"] == true {
            continue;
        }
        assert_eq!(decoded.state, State::Decoded, "{name}");
        assert_eq!(decoded.problems, [], "{name}");
        assert_eq!(decoded.events.len(), events(&truth).len(), "{name}");
        for (event, truth) in decoded.events.iter().zip(events(&truth)) {
            let kind = truth["type"].as_str().unwrap();
            assert_eq!(event.event.as_deref(), truth["event"].as_str().or(Some(kind)), "{name}");
            assert_eq!(field(event, "type").unwrap().0, kind, "{name}");
            assert_eq!(event.problems, [], "{name}");
            assert!(event.event_time.is_some(), "{name}");
            is_told(&name, event, truth, "properties.");
            count += 1;
        }
    }
    assert_eq!(count, 9);
}

#[test]
fn closed_forms_of_browsers_are_encrypted_and_show_their_sizes() {
    let mut count = 0;
    for (Recorded { name, truth, .. }, decoded) in all("sensors_") {
        if truth["checks"]["encrypted"] != true {
            continue;
        }
        count += 1;
        assert_eq!((decoded.protocol, decoded.state), (Protocol::Sensors, State::Encrypted));
        assert_eq!(decoded.problems, [], "{name}");
        let [event] = decoded.events.as_slice() else { panic!("{name} {decoded:?}") };
        let [closed] = event.problems.as_slice() else { panic!("{name} {event:?}") };
        assert_eq!(closed.code, ProblemCode::Encrypted, "{name}");
        let payload = |path: &str| path.starts_with("payload");
        let sizes: Vec<_> = event.fields.iter().filter(|f| payload(&f.path)).collect();
        let [size] = sizes.as_slice() else { panic!("{name} {sizes:?}") };
        assert!(size.path.ends_with(".size") && size.value.parse::<usize>().unwrap() > 100);
    }
    assert_eq!(count, 4);
}

#[test]
fn a_page_of_a_mini_program_is_a_feature() {
    let mut count = 0;
    for (Recorded { name, .. }, decoded) in all("sensors_mini_") {
        for event in &decoded.events {
            let path = field(event, "properties.$url_path");
            assert!(path.is_none_or(|(_, kind)| kind == Kind::FeatureUsed), "{name} {path:?}");
            count += usize::from(path.is_some());
        }
    }
    assert!(count >= 2, "{count}");
    for (Recorded { name, .. }, decoded) in all("sensors_js_plugins_") {
        for event in &decoded.events {
            let path = field(event, "properties.$url_path");
            assert!(path.is_none_or(|(_, kind)| kind == Kind::VisitedPage), "{name} {path:?}");
        }
    }
}

#[test]
fn every_event_of_mixpanel_comes_out_of_plain_json() {
    let [(Recorded { name, truth, .. }, decoded)] = &*all("mixpanel_browser_") else { panic!() };
    assert_eq!((decoded.protocol, decoded.state), (Protocol::Mixpanel, State::Decoded));
    assert_eq!((decoded.problems.len(), decoded.events.len()), (0, 4));
    for (event, truth) in decoded.events.iter().zip(events(truth)) {
        assert_eq!(event.event.as_deref(), truth["event"].as_str(), "{name}");
        assert_eq!(event.problems, [], "{name}");
        assert!(event.event_time.is_some(), "{name}");
        is_told(name, event, truth, "properties.");
    }
}

#[test]
fn every_log_of_sls_comes_out_with_its_store() {
    let [(Recorded { name, truth, .. }, decoded)] = &*all("sls_rust_") else { panic!() };
    assert_eq!((decoded.protocol, decoded.state), (Protocol::Sls, State::Decoded));
    assert_eq!((decoded.problems.len(), decoded.events.len()), (0, 3));
    assert_eq!(decoded.checks["size"], Check::Ok);
    for (event, truth) in decoded.events.iter().zip(events(truth)) {
        assert_eq!(field(event, "path.logstore").map(|f| f.0), truth["logstore"].as_str());
        assert_eq!(event.problems, [], "{name}");
        assert!(event.event_time.is_some(), "{name}");
        is_told(name, event, truth, "log.");
    }
}

#[test]
fn every_truncation_and_flipped_bit_of_these_is_survived() {
    for prefix in ["sensors_", "mixpanel_browser_", "sls_rust_"] {
        for (Recorded { name, mut request, .. }, whole) in all(prefix) {
            let body = std::mem::take(&mut request.body);
            for end in 0..body.len() {
                request.body = body[..end].to_vec();
                request.cut = true;
                check(&request);
                let cut = decode(&request);
                assert!(cut.events.len() <= whole.events.len().max(1), "{name} {end}");
                let told = cut.problems.iter().any(|p| p.code == ProblemCode::Truncated);
                assert!(told, "{name} {end}");
                assert!(!cut.checks.values().any(|c| *c == Check::Mismatch), "{name} {end}");
            }
            (request.body, request.cut) = (body, false);
            for at in 0..request.body.len() {
                request.body[at] ^= 1 << (at % 8);
                check(&request);
                request.body[at] ^= 1 << (at % 8);
            }
        }
    }
}
