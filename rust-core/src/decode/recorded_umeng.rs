//! Umeng's recorded requests against what its SDKs had been asked to send.

use super::hostile::packing::umeng;
use super::recorded::{Recorded, recorded};
use super::vectors::{Random, check, mutate};
use super::{Decoded, DecodedEvent, decode};
use crate::event::{Check, IdKind, Kind, ProblemCode, Protocol, State};
use crate::http::Request;
use serde_json::Value;

/// Short names of the header and those that SDKs had before 9.5.
const NAMES: &[(&str, &str)] = &[
    ("#dm", "device_model"),
    ("#db", "device_brand"),
    ("#dmf", "device_manufacturer"),
    ("#ov", "os_version"),
    ("#ct", "country"),
    ("#lang", "language"),
    ("#car", "carrier"),
    ("#av", "app_version"),
    ("#disn", "display_name"),
    ("#chn", "channel"),
    ("#ak", "appkey"),
    ("#pkg", "package_name"),
    ("#did", "device_manuid"),
    ("#dn", "device_name"),
    ("#boa", "device_board"),
    ("#dd", "device_id"),
];

fn long(name: &str) -> &str {
    NAMES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long)
}

/// Requests with the analytics of an app, read.
fn analytics() -> Vec<(Recorded, Decoded)> {
    let all = recorded(&["umeng_"]).into_iter().filter(|one| one.truth["header_truth"].is_object());
    all.map(|one| (decode(&one.request), one)).map(|(decoded, one)| (one, decoded)).collect()
}

fn one(name: &str) -> Recorded {
    let mut found = recorded(&[name]);
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

fn value<'a>(event: &'a DecodedEvent, path: &str) -> Option<(&'a str, Kind)> {
    let field = event.fields.iter().find(|field| field.path == path)?;
    Some((field.value.as_str(), field.kind))
}

fn strings(value: &Value) -> Vec<(&str, &str)> {
    value.as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect()
}

#[test]
fn every_request_is_read_whole() {
    let all = analytics();
    assert_eq!(all.len(), 7);
    for (Recorded { name, truth, .. }, decoded) in all {
        assert_eq!((decoded.protocol, decoded.state), (Protocol::Umeng, State::Decoded), "{name}");
        assert_eq!(decoded.problems, [], "{name}");
        assert!(decoded.events.iter().all(|event| event.problems.is_empty()), "{name}");
        for (check, said) in [("checksum", "checksum"), ("size", "length")] {
            assert_eq!(truth["checks"][said], "ok", "{name}");
            assert_eq!(decoded.checks[check], Check::Ok, "{name}");
        }
    }
}

#[test]
fn each_event_has_the_facts_of_the_header_and_their_kinds() {
    for (Recorded { name, truth, .. }, decoded) in analytics() {
        let truth = strings(&truth["header_truth"]);
        assert_eq!(truth.len(), NAMES.len(), "{name}");
        for (key, expected) in truth {
            let kind = match long(key) {
                "device_id" => Kind::Identifier,
                "carrier" => Kind::NetworkFact,
                "channel" | "appkey" => Kind::Other,
                _ => Kind::DeviceFact,
            };
            let path = format!("entity.header.{}", long(key));
            for event in &decoded.events {
                assert_eq!(value(event, &path), Some((expected, kind)), "{name} {key}");
            }
        }
        for event in &decoded.events {
            assert_eq!(event.app_hint.as_deref(), Some("org.robolectric.default"), "{name}");
            assert!(!event.ids.iter().any(|id| id.path.ends_with("device_manuid")), "{name}");
        }
    }
}

#[test]
fn each_packed_identifier_is_one_of_its_kind_with_its_time() {
    for (Recorded { name, truth, .. }, decoded) in analytics() {
        let truth = strings(&truth["id_tracking"]);
        assert!(truth.len() >= 3, "{name}");
        for (key, expected) in truth {
            let kind = match key {
                "imei" => IdKind::Imei,
                "android_id" => IdKind::AndroidId,
                "mac" => IdKind::Mac,
                "oaid" => IdKind::Oaid,
                // The driver's phone gave its OAID out for a device's id.
                "idmd5" => IdKind::OaidHash,
                other => panic!("{other}"),
            };
            let path = format!("entity.header.id_tracking.{key}");
            for event in &decoded.events {
                let id = event.ids.iter().find(|id| id.path == path).unwrap();
                assert_eq!((id.kind, id.value.as_str()), (kind, expected), "{name} {key}");
                let (time, kind) = value(event, &format!("{path}.time")).unwrap();
                assert!(time.starts_with("2026-11-30T22:") && kind == Kind::Identifier, "{time}");
            }
        }
        let id = |path: &str| {
            let id = decoded.events[0].ids.iter().find(|id| id.path == path);
            id.map(|id| (id.kind, id.value.as_str()))
        };
        let device = id("entity.header.device_id");
        assert_eq!(device, Some((IdKind::Oaid, "0aid0aid0aid0001")), "{name}");
        let digest = id("entity.header.idmd5");
        assert_eq!(digest, Some((IdKind::OaidHash, "e083ea92f3b9f5e07f4fd77a601b3d7")), "{name}");
    }
}

#[test]
fn what_changed_since_the_last_request_is_told_too() {
    let decoded = decode(&one("umeng_938_01").request);
    let ids = &decoded.events[0].ids;
    let journal: Vec<_> = ids.iter().filter(|id| id.path.contains(".journal.")).collect();
    let kinds: Vec<_> = journal.iter().map(|id| id.kind).collect();
    use IdKind::{AndroidId, Imei, Mac, Oaid, OaidHash};
    assert_eq!(kinds, [Mac, Imei, AndroidId, OaidHash, Oaid]);
    assert_eq!(journal[4].path, "entity.header.id_tracking.journal.4.oaid");
}

#[test]
fn each_event_that_was_sent_comes_out_by_its_name() {
    for (Recorded { name, truth, .. }, decoded) in analytics() {
        let sent = truth["events"].as_array().unwrap();
        let names: Vec<_> = decoded.events.iter().map(|e| e.event.as_deref().unwrap()).collect();
        let expected: Vec<_> = sent
            .iter()
            .map(|event| event["event"].as_str().unwrap_or(event["type"].as_str().unwrap()))
            .collect();
        assert_eq!(names, expected, "{name}");
        for (event, sent) in decoded.events.iter().zip(sent) {
            let root = match sent["type"].as_str().unwrap() {
                "event" => "entity.ekv".to_owned(),
                sort => format!("entity.{sort}"),
            };
            for (key, expected) in sent["properties_subset"].as_object().unwrap() {
                let path = format!("{root}.{key}");
                let expected =
                    expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
                let found = value(event, &path).unwrap();
                assert_eq!(found.0, expected, "{name} {path}");
            }
            if let Some(session) = sent["session"].as_str() {
                assert_eq!(value(event, "entity.session.id").unwrap().0, session, "{name}");
            }
            if let Some(login) = sent["distinct_id"].as_str() {
                let id = event.ids.iter().find(|id| id.kind == IdKind::LoginId).unwrap();
                assert_eq!(
                    (id.value.as_str(), id.path.as_str()),
                    (login, "entity.active_user.puid")
                );
                assert_eq!(
                    value(event, "entity.active_user.provider"),
                    Some(("wx", Kind::Account))
                );
            }
        }
    }
}

#[test]
fn events_have_their_own_times_pages_and_places() {
    let decoded = decode(&one("umeng_938_03").request);
    let times: Vec<_> = decoded.events.iter().map(|e| e.event_time.unwrap().0).collect();
    let label = 1_796_077_115_301;
    let expected = [1_796_077_113_839, 1_796_077_113_818, label, label, label, label];
    assert_eq!(times, expected);
    let session = &decoded.events[0];
    for (path, expected) in [
        ("entity.session.pages.0.page_name", ("PageOne", Kind::FeatureUsed)),
        ("entity.session.locations.0.lat", ("12.9716", Kind::Location)),
        ("entity.session.locations.0.lng", ("77.5946", Kind::Location)),
        ("entity.session._$pp.tier", ("gold", Kind::Other)),
        ("entity.session.duration", ("1794", Kind::FeatureUsed)),
    ] {
        assert_eq!(value(session, path), Some(expected), "{path}");
    }
    let object = &decoded.events[4];
    for (path, expected) in [
        ("entity.ekv.id", ("h6_obj", Kind::FeatureUsed)),
        ("entity.ekv.search_word", ("weather in pune", Kind::Search)),
        ("entity.ekv.url", ("https://news.example.net/p/1", Kind::VisitedPage)),
        ("entity.ekv.count", ("3", Kind::FeatureUsed)),
    ] {
        assert_eq!(value(object, path), Some(expected), "{path}");
    }
}

#[test]
fn the_phone_tells_of_itself_and_its_card() {
    let decoded = decode(&one("umeng_938_01").request);
    let event = &decoded.events[0];
    for (path, expected) in [
        ("entity.inner.sinfo.a_root", ("1", Kind::DeviceFact)),
        ("entity.inner.scr.a_den", ("1", Kind::DeviceFact)),
        ("entity.inner.sinfo.hn", ("ad921d6048636625889553a3db49a4a", Kind::DeviceFact)),
        ("entity.inner.winfo.wl.0.ssid", ("\"HomeNet\"", Kind::NetworkFact)),
    ] {
        assert_eq!(value(event, path), Some(expected), "{path}");
    }
    for (path, kind) in [
        ("entity.inner.sinfo.a_meid", IdKind::Imei),
        ("entity.inner.sinfo.a_imsi", IdKind::Imsi),
        ("entity.inner.sinfo.a_iccid", IdKind::Iccid),
        ("entity.inner.winfo.wl.0.a_mac", IdKind::Mac),
        ("entity.header.mc", IdKind::Mac),
    ] {
        assert_eq!(
            event.ids.iter().find(|id| id.path == path).map(|id| id.kind),
            Some(kind),
            "{path}"
        );
    }
}

#[test]
fn short_and_long_names_read_alike() {
    let paths = |name: &str| {
        let decoded = decode(&one(name).request);
        let fields = decoded.events[2].fields.clone().into_iter();
        let shared = fields.filter(|field| field.path.starts_with("entity.header."));
        shared.map(|field| (field.path, field.kind)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let (old, new) = (paths("umeng_938_03"), paths("umeng_956_03"));
    assert!(new.len() > 30, "{new:?}");
    let both = old.keys().filter(|path| new.contains_key(*path)).count();
    for (path, kind) in &new {
        // Only the newer SDK says which system the phone claims to be.
        assert!(old.get(path) == Some(kind) || path == "entity.header.others_OS", "{path}");
    }
    assert_eq!(both, new.len() - 1);
}

#[test]
fn the_header_before_the_body_is_taken_apart_in_both_forms() {
    for (name, build) in [("umeng_938_03", Some("UKQ1.231003.002 display")), ("umeng_989_04", None)]
    {
        let decoded = decode(&one(name).request);
        let said = |path: &str| value(&decoded.events[0], path).map(|(value, _)| value);
        assert_eq!(said("sdk.app_version"), Some("3.4.5"), "{name}");
        assert_eq!(said("sdk.os"), Some("Android"), "{name}");
        assert_eq!(said("sdk.build"), build, "{name}");
        assert_eq!(said("sdk.os_version"), build.map(|_| "14"), "{name}");
        assert_eq!(said("sdk.app_key_md5"), Some("8b76fd25e7ec6882315c22c9717f4eca"), "{name}");
        assert_eq!(said("sdk.app_name"), None, "{name}");
    }
}

#[test]
fn the_collection_of_identifiers_is_read_or_said_to_be_closed() {
    let Recorded { request, truth, .. } = one("umeng_zdata_json_121");
    let decoded = decode(&request);
    assert_eq!((decoded.protocol, decoded.state), (Protocol::Umeng, State::Decoded));
    let [event] = decoded.events.as_slice() else { panic!("{decoded:?}") };
    for (name, expected) in strings(&truth["ids_truth"]) {
        let id = event.ids.iter().find(|id| id.path == name).unwrap();
        let kind: IdKind = name.parse().unwrap();
        assert_eq!((id.kind, id.value.as_str()), (kind, expected.split(' ').next().unwrap()));
    }
    assert_eq!(event.ids.len(), 5, "and one of the installation");
    assert_eq!(event.app_hint.as_deref(), Some("org.robolectric.default"));
    assert_eq!(value(event, "hostname").unwrap().1, Kind::DeviceFact);
    let decoded = decode(&one("umeng_zdata_opaque_163").request);
    assert_eq!((decoded.protocol, decoded.state), (Protocol::Umeng, State::Encrypted));
}

#[test]
fn a_body_is_not_called_closed_for_its_path_or_host_alone() {
    let Recorded { request, .. } = one("umeng_zdata_opaque_163");
    let elsewhere = Request { target: "/api/other".into(), ..request.clone() };
    let mut stranger = request.clone();
    stranger.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    stranger.headers.push(("Host".into(), "notumeng.com".into()));
    let mut text = Request { body: b"hello".to_vec(), body_size: 5, ..request };
    text.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    for request in [elsewhere, stranger, text] {
        assert_eq!(decode(&request).protocol, Protocol::Unknown, "{request:?}");
    }
    // A list or another object at the path is none of it, either.
    let mut other = one("umeng_zdata_json_121").request;
    other.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    for body in [b"[1]".as_slice(), br#"{"imei":"1"}"#] {
        other.body = body.to_vec();
        assert_eq!(decode(&other).protocol, Protocol::Unknown, "{other:?}");
    }
}

#[test]
fn the_performance_monitor_is_read_record_by_record() {
    let Recorded { request, truth, .. } = one("umeng_apm_efs_180");
    let decoded = decode(&request);
    assert_eq!((decoded.protocol, decoded.state), (Protocol::Umeng, State::Decoded));
    let sent = truth["events_truth"].as_array().unwrap();
    assert_eq!(decoded.events.len(), sent.len());
    for (event, sent) in decoded.events.iter().zip(sent) {
        assert_eq!(event.event.as_deref(), sent["type"].as_str());
        assert_eq!(event.event_time.map(|time| time.0), Some(1_796_078_431_705));
        for (key, expected) in sent.as_object().unwrap() {
            let expected = expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
            assert_eq!(value(event, &format!("record.{key}")).unwrap().0, expected);
        }
        // Made for the installation; nobody is signed in there.
        let kinds: Vec<_> = event.ids.iter().map(|id| (id.kind, id.path.as_str())).collect();
        let made = IdKind::InstanceId;
        assert_eq!(kinds, [(made, "record.uid"), (made, "record.wid")]);
        assert_eq!(event.app_hint.as_deref(), Some("org.robolectric.default"));
        assert!(value(event, "header.wpk-header.app").is_some());
    }
    let decoded = decode(&one("umeng_apm_config_180").request);
    assert_eq!((decoded.protocol, decoded.state), (Protocol::Umeng, State::Decoded));
    let [event] = decoded.events.as_slice() else { panic!("{decoded:?}") };
    assert_eq!(event.event.as_deref(), Some("apm_cc"));
    assert_eq!(value(event, "header.wpk-header.um_sdk_ver").unwrap().0, "1.8.0");
}

#[test]
fn records_of_the_performance_monitor_may_be_forms_or_bare() {
    let mut request = one("umeng_apm_efs_180").request;
    request.headers.retain(|(name, _)| name != "Content-Type");
    for (body, names) in [
        ("type=perf&uid=1a&stime=1796078431705\ntype=other&k=2", &["perf", "other"][..]),
        ("{\"type\":\"a\"}\n\n{\"type\":\"b\"}\n{\"k\":1}", &["a", "b", "h6json"]),
        ("[{\"type\":\"a\"},\n{\"type\":\"b\"}]", &["a", "b"]),
        ("{\n\"type\":\n\"a\"}", &["a"]),
    ] {
        request.body = body.as_bytes().to_vec();
        request.body_size = body.len() as u64;
        let decoded = decode(&request);
        let found: Vec<_> = decoded.events.iter().map(|e| e.event.clone().unwrap()).collect();
        assert_eq!(
            (decoded.state, found.as_slice()),
            (State::Decoded, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..]),
            "{body}"
        );
    }
    // The mark alone says whose report it is, and not what is in it.
    for body in [b"\xff\xfe\x00\x80closed".as_slice(), b"{broken}", b"words"] {
        request.body = body.to_vec();
        request.body_size = body.len() as u64;
        let decoded = decode(&request);
        assert_eq!((decoded.protocol, decoded.state), (Protocol::Umeng, State::Undecodable));
        assert_eq!(decoded.events.len(), 1);
    }
    request.headers.retain(|(name, _)| name != "wpk-header");
    assert_eq!(decode(&request).protocol, Protocol::Unknown, "{request:?}");
}

/// As docs/adding-a-decoder.md says.
#[test]
fn as_many_events_identifiers_and_fields_of_a_kind_are_found_as_the_docs_say() {
    let all = recorded(&["umeng_"]);
    let (mut events, mut ids, mut kinds) = ([0; 2], [0; 2], Vec::new());
    for Recorded { request, truth, .. } in &all {
        let decoded = decode(request);
        let found = |value: &str| {
            decoded.events.iter().any(|event| event.ids.iter().any(|id| id.value == *value))
        };
        for sent in ["events", "events_truth"].iter().filter_map(|key| truth[key].as_array()) {
            let name = |event: &Value| {
                event["event"].as_str().or(event["type"].as_str()).unwrap().to_owned()
            };
            let names: Vec<_> = sent.iter().map(name).collect();
            let read: Vec<_> = decoded.events.iter().filter_map(|e| e.event.clone()).collect();
            events[0] += names.iter().filter(|name| read.contains(*name)).count();
            events[1] += names.len();
            for login in sent.iter().filter_map(|event| event["distinct_id"].as_str()) {
                ids[0] += usize::from(found(login));
                ids[1] += 1;
            }
        }
        for sent in ["id_tracking", "ids_truth"].iter().filter(|key| truth[*key].is_object()) {
            for (_, value) in strings(&truth[*sent]) {
                ids[0] += usize::from(found(value.split(' ').next().unwrap()));
                ids[1] += 1;
            }
        }
        kinds.extend(decoded.events.iter().flat_map(|event| &event.fields).map(|field| field.kind));
    }
    assert_eq!((events, ids), ([24, 24], [32, 32]));
    let other = kinds.iter().filter(|kind| **kind == Kind::Other).count();
    assert_eq!(100 * other / kinds.len(), 30, "{other} of {}", kinds.len());
    let docs = include_str!("../../../docs/adding-a-decoder.md");
    let row = docs.lines().find(|line| line.starts_with("| Umeng |")).unwrap();
    for figure in ["24 of 24", "32 of 32", "30 %"] {
        assert!(row.contains(figure), "{figure}");
    }
}

/// What is never said together: that a body was read, and that there is something at its root that
/// is none.
fn is_honest(decoded: &Decoded) {
    let root = |path: &str| matches!(path, "" | "body" | "envelope" | "entity");
    let broken = decoded.problems.iter();
    let broken = broken.filter(|p| p.code == ProblemCode::Malformed && root(&p.path)).count();
    assert!(decoded.state != State::Decoded || broken == 0, "{decoded:?}");
}

#[test]
fn every_truncation_of_every_recorded_request_has_its_state() {
    for Recorded { name, mut request, .. } in recorded(&["umeng_"]) {
        let whole = decode(&request);
        let body = std::mem::take(&mut request.body);
        let mut most = 0;
        for end in 0..body.len() {
            request.body = body[..end].to_vec();
            request.cut = end % 2 == 0;
            check(&request);
            let cut = decode(&request);
            is_honest(&cut);
            assert!(cut.state == whole.state || cut.state == State::Undecodable, "{name} {end}");
            assert!(cut.problems.iter().any(|p| p.code == ProblemCode::Truncated), "{name} {end}");
            assert!(cut.events.len() <= whole.events.len(), "{name} {end}");
            most = most.max(cut.events.len());
        }
        assert!(most == whole.events.len() || body.is_empty(), "{name}");
    }
}

#[test]
fn a_flipped_bit_at_each_byte_of_every_recorded_request_is_survived() {
    for Recorded { name, mut request, .. } in recorded(&["umeng_"]) {
        let state = decode(&request).state;
        for at in 0..request.body.len() {
            let bit = 1 << (at * 5 % 8);
            request.body[at] ^= bit;
            check(&request);
            let decoded = decode(&request);
            is_honest(&decoded);
            let closed = decoded.state == State::Encrypted;
            assert_eq!(closed, state == State::Encrypted, "{name} {at}");
            request.body[at] ^= bit;
        }
    }
}

/// The packed identifiers of a recorded request.
const PACKED: &str = "GwOMBWlkbWQ1GB9lMDgzZWE5MmYzYjlmNWUwN2Y0ZmQ3N2E2MDFiM2Q3FtiyrejFaBUCAAphbmRyb2lkX2lkGBBhMWIyYzNkNGU1ZjYwNzE4FtiyrejFaBUCAARvYWlkGBAwYWlkMGFpZDBhaWQwMDAxFtiyrejFaBUCAAA=";

fn packed(text: &str) -> Decoded {
    let document = serde_json::json!({ "#h": { "#itr": text }, "#a": {} });
    decode(&umeng(document.to_string().as_bytes()))
}

#[test]
fn packed_identifiers_may_be_broken_into_lines_anywhere() {
    let whole = packed(PACKED);
    assert_eq!(whole.events[0].ids.len(), 3);
    for at in 0..=PACKED.len() {
        for space in ["\n", "\r\n", " \t"] {
            let broken = format!("{}{space}{}", &PACKED[..at], &PACKED[at..]);
            let ids = &packed(&broken).events[0].ids;
            assert_eq!(*ids, whole.events[0].ids, "{at}");
        }
    }
}

#[test]
fn packed_identifiers_that_end_early_tell_those_before() {
    let mut most = 0;
    for end in 0..PACKED.len() - 4 {
        let decoded = packed(&PACKED[..end]);
        let ids = decoded.events[0].ids.len();
        assert!((most..=3).contains(&ids), "{end} {ids}");
        most = ids;
        let told = decoded.problems.iter().any(|p| p.path == "entity.header.id_tracking");
        assert!(told || end == 0, "{end} {decoded:?}");
        // What cannot be read stays as it is.
        let kept = value(&decoded.events[0], "entity.header.id_tracking");
        assert!(ids > 0 || kept.map(|(value, _)| value) == Some(&PACKED[..end]), "{end}");
    }
    assert_eq!(most, 3);
    let mut random = Random(0x006b_6565_7073);
    for _ in 0..3000 {
        let mut text = PACKED.as_bytes().to_vec();
        mutate(&mut random, &mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        check(&umeng(
            serde_json::json!({ "header": { "id_tracking": text } }).to_string().as_bytes(),
        ));
    }
}

#[test]
fn many_digests_of_nothing_cost_what_a_few_do() {
    use base64::Engine as _;
    let entry = |n: usize| {
        let value = format!("{n:032x}");
        [b"\x05idmd5\x18\x20".as_slice(), value.as_bytes(), b"\0"].concat()
    };
    let entries: Vec<u8> = (0..2000).flat_map(entry).collect();
    let bytes = [b"\x1b\xd0\x0f\x8c".as_slice(), &entries, b"\0"].concat();
    let decoded = packed(&base64::engine::general_purpose::STANDARD.encode(bytes));
    assert!(
        decoded.problems.iter().any(|p| p.code == ProblemCode::TooLarge),
        "{:?}",
        decoded.problems
    );
    assert!(decoded.events[0].fields.len() <= crate::limits::FIELDS_PER_EVENT);
}

#[test]
fn what_an_md5_is_of_is_found_among_all_of_its_request() {
    // Python: ''.join('%x' % b for b in hashlib.md5(id).digest()).
    for (header, expected) in [
        (r##""#imd":"ef461623fa31ba35bdca9e9db3b47","imei":"860000000000012""##, IdKind::ImeiHash),
        (r#""idmd5":"5d509e54f67fcbe18a1ace4966bda15b","mc":"02:11:22:33:44:55""#, IdKind::MacHash),
        (
            r##""#dd":"a1b2c3d4e5f60718","#imd":"6d7e9146fdc6416658b5e148489e7172""##,
            IdKind::AndroidIdHash,
        ),
        (
            r##""#imd":"ad921d6048636625889553a3db49a4a","imei":"860000000000012""##,
            IdKind::DeviceIdHash,
        ),
    ] {
        let decoded = decode(&umeng(format!("{{\"#h\":{{{header}}}}}").as_bytes()));
        let id = decoded.events[0].ids.iter().find(|id| id.path == "entity.header.idmd5").unwrap();
        assert_eq!(id.kind, expected, "{header}");
    }
}

#[test]
fn a_header_alone_is_an_event_and_no_other_header_is() {
    let events = |text: &str| {
        let decoded = decode(&umeng(text.as_bytes()));
        decoded.events.into_iter().map(|event| event.event).collect::<Vec<_>>()
    };
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(events(r##"{"#h":{"#dm":"x"}}"##), [None]);
    assert_eq!(events(r##"{"#h":{"#dm":"x"},"#a":{}}"##), [None]);
    assert_eq!(events(r##"{"#a":{"sessions":[],"ekv":{}},"#h":{}}"##), [None]);
    assert_eq!(
        events(r#"{"push":{"a":1},"header":{},"dplus":{"b":2}}"#),
        [name("push"), name("dplus")]
    );
    assert_eq!(
        events(
            r#"{"analytics":{"error":[{"ts":1,"context":"x"}],"ekv":[{"id":"a"},{"S":[{"id":"b"},7]}],"x":1},"header":{}}"#
        ),
        [name("error"), name("a"), name("b"), name("analytics")]
    );
}
