//! Requests of SDKs that have no decoder of their own, against what the SDKs had been asked to send.

use super::recorded::{Recorded, recorded};
use super::{Decoded, DecodedEvent, decode};
use crate::event::{IdKind, Kind, Protocol, State};
use crate::http::Request;

fn of(name: &str) -> Decoded {
    let [Recorded { request, .. }] =
        <[Recorded; 1]>::try_from(recorded(&[name]).into_iter().collect::<Vec<_>>())
            .unwrap_or_else(|_| panic!("{name}"));
    let decoded = decode(&request);
    assert_eq!((decoded.state, decoded.protocol), (State::Decoded, Protocol::Unknown), "{name}");
    decoded
}

fn names(decoded: &Decoded) -> Vec<&str> {
    decoded.events.iter().map(|event| event.event.as_deref().unwrap_or("-")).collect()
}

fn field<'a>(event: &'a DecodedEvent, path: &str) -> (&'a str, Kind) {
    let field = event.fields.iter().find(|field| field.path == path);
    field.map_or(("", Kind::Other), |field| (field.value.as_str(), field.kind))
}

#[test]
fn each_event_of_datarangers_has_its_name_time_parameters_and_user() {
    let [Recorded { truth, .. }] =
        <[Recorded; 1]>::try_from(recorded(&["datarangers"])).unwrap_or_else(|_| panic!());
    let decoded = of("datarangers");
    let sent = truth["events_truth"].as_array().unwrap();
    assert_eq!(decoded.events.len(), sent.len());
    for (event, sent) in decoded.events.iter().zip(sent) {
        assert_eq!(event.event.as_deref(), sent["event"].as_str());
        assert_eq!(event.event_time.map(|time| time.0), Some(1_796_077_303_258));
        for (name, value) in sent["params"].as_object().into_iter().flatten() {
            assert_eq!(Some(field(event, &format!("params.{name}")).0), value.as_str());
        }
        let user = event.ids.iter().find(|id| id.kind == IdKind::LoginId).unwrap();
        assert_eq!((user.value.as_str(), user.path.as_str()), ("h6-user-1", "user.user_unique_id"));
    }
    assert_eq!(field(&decoded.events[1], "params.search_word").1, Kind::Search);
    assert_eq!(field(&decoded.events[1], "params.url").1, Kind::VisitedPage);
}

#[test]
fn each_event_of_arms_rum_has_its_name_and_time() {
    let decoded = of("arms_rum");
    let expected = ["view", "view", "h6_search", "exception", "resource", "resource", "exception"];
    assert_eq!(names(&decoded), expected);
    assert!(decoded.events.iter().all(|event| event.event_time.is_some()));
    assert!(
        decoded.events.iter().all(|event| field(event, "user.name") == ("h6 name", Kind::Account))
    );
    assert_eq!(
        field(&decoded.events[2], "properties.search_word"),
        ("weather in pune", Kind::Search)
    );
    assert_eq!(field(&decoded.events[3], "message"), ("h6 boom", Kind::Crash));
}

#[test]
fn a_beacon_of_old_arms_is_one_event_named_by_its_query() {
    let decoded = of("arms_retcode");
    assert_eq!(names(&decoded), ["custom"]);
    let [event] = decoded.events.as_slice() else { panic!() };
    assert_eq!(event.event_time.map(|time| time.0), Some(1_796_077_362_198));
    assert_eq!(field(event, "query.x-search_word").0, "weather in pune");
    assert_eq!(event.ids[0].value, "h6-user-1");
}

fn post(body: &str) -> Request {
    let (method, target) = ("POST".into(), "/".into());
    let (body, body_size) = (body.as_bytes().to_vec(), body.len() as u64);
    Request { method, target, body, body_size, ..Request::default() }
}

#[test]
fn lists_of_events_are_found_where_senders_put_them() {
    let one = r#"{"event_name":"open_folder","ts":1796077303258,"folder_name":"Games"}"#;
    let text = serde_json::to_string(&format!("[{one}]")).unwrap();
    for body in [
        format!("[{one},{one}]"),
        format!(r#"{{"events":[{one},{one}],"imei":"352099001761481"}}"#),
        format!(r#"{{"data":{{"eventList":[{one},{one}]}},"v":1}}"#),
        format!(r#"{{"payload":{text}}}"#),
        format!("data={one}"),
        one.to_owned(),
    ] {
        let decoded = decode(&post(&body));
        assert!(names(&decoded).iter().all(|name| *name == "open_folder"), "{body} {decoded:?}");
        let times = decoded.events.iter().map(|event| event.event_time.map(|t| t.0));
        assert!(times.into_iter().all(|time| time == Some(1_796_077_303_258)), "{body}");
        let count = body.matches("event_name").count();
        assert_eq!(decoded.events.len(), count, "{body}");
    }
}

#[test]
fn what_has_no_name_or_no_time_is_no_event() {
    for body in [
        r#"{"items":[{"name":"tea","price":5},{"name":"milk","price":2}],"imei":"352099001761481"}"#,
        r#"{"events":["a","b"],"imei":"352099001761481"}"#,
        r#"{"events":[{"event":"x"}],"imei":"352099001761481"}"#,
        r#"{"events":[{"time":1796077303258}],"imei":"352099001761481"}"#,
        r#"{"shops":[{"name":"tea","time":1796077303258}],"imei":"352099001761481"}"#,
        r#"{"events":[{"event":"x","time":12}],"imei":"352099001761481"}"#,
    ] {
        let decoded = decode(&post(body));
        assert_eq!((decoded.events.len(), names(&decoded)), (1, vec!["-"]), "{body}");
        assert_eq!(decoded.events[0].ids.len(), 1, "{body}");
    }
}

#[test]
fn json_in_strings_is_opened_up_to_a_depth_and_then_shown_as_it_is() {
    let mut text = r#"{"imei":"352099001761481"}"#.to_owned();
    for depth in 0..12 {
        let decoded = decode(&post(&text));
        let [event] = decoded.events.as_slice() else { panic!("{depth} {decoded:?}") };
        let opened = event.fields.iter().any(|f| f.value == "352099001761481");
        let told = event.problems.iter().any(|p| p.code == crate::event::ProblemCode::TooDeep);
        assert_eq!((opened, told), (depth < 8, depth >= 8), "{depth} {decoded:?}");
        text = format!(r#"{{"a":{}}}"#, serde_json::to_string(&text).unwrap());
    }
}

#[test]
fn more_events_than_the_bound_are_told() {
    let one = r#"{"event":"e","time":1796077303258}"#;
    let body = format!(r#"{{"events":[{}]}}"#, vec![one; 1500].join(","));
    let decoded = decode(&post(&body));
    assert_eq!(decoded.events.len(), crate::limits::EVENTS_PER_REQUEST);
    let problems = &decoded.events[0].problems;
    assert!(problems.iter().any(|p| p.code == crate::event::ProblemCode::TooLarge), "{problems:?}");
}
