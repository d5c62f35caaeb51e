//! Turns one HTTP request into the events that it carries. Never opens a socket, never needs a
//! key, never trusts a path or a header alone: the bytes decide.

pub mod answer;
#[cfg(test)]
mod broken;
mod cipher;
#[cfg(test)]
mod claims;
pub mod form;
mod generic;
#[cfg(test)]
mod hostile;
pub mod ids;
pub mod json;
pub mod kinds;
mod lz;
mod meaning;
mod mistat;
mod mistat3;
mod mistat_crash;
mod miui_analytics;
mod mixpanel;
mod multipart;
mod names;
mod onetrack;
mod onetrack_plain;
#[cfg(test)]
mod packings;
mod protobuf;
mod pubsub;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod recorded_generic;
#[cfg(test)]
mod recorded_sensors;
#[cfg(test)]
mod recorded_umeng;
mod report;
#[cfg(test)]
mod requests;
mod sensors;
mod sls;
pub mod telling;
mod thrift;
mod umeng;
pub mod unpack;
mod ut;
#[cfg(test)]
mod vectors;

use crate::event::{
    Check, Event, Field, FlowFacts, Identifier, Payload, Problem, ProblemCode, Protocol, State,
    Time, Transport,
};
use crate::http::{self, Request};
use form::Form;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use unpack::UnpackError;

/// What one request was found to carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Decoded, encrypted or undecodable; never blocked.
    pub state: State,
    /// The format, [`Protocol::Unknown`] where none was recognised.
    pub protocol: Protocol,
    /// Decoder and version, `sensors/1`; empty where nothing was read.
    pub decoder: &'static str,
    /// Outcome of the format's self-checks, by name.
    pub checks: BTreeMap<String, Check>,
    /// What could not be read of the request as a whole.
    pub problems: Vec<Problem>,
    /// Its events in the sender's order; may be empty.
    pub events: Vec<DecodedEvent>,
}

/// One event of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodedEvent {
    /// The format's own name of the event.
    pub event: Option<String>,
    /// When it happened, as the sender says.
    pub event_time: Option<Time>,
    /// The package that the payload names as its origin.
    pub app_hint: Option<String>,
    /// What was said, in the sender's order.
    pub fields: Vec<Field>,
    /// The identifiers among the fields.
    pub ids: Vec<Identifier>,
    /// What of this event could not be read.
    pub problems: Vec<Problem>,
}

impl Decoded {
    fn unknown(problems: Vec<Problem>) -> Self {
        Self {
            state: State::Undecodable,
            protocol: Protocol::Unknown,
            decoder: "",
            checks: BTreeMap::new(),
            problems,
            events: Vec::new(),
        }
    }
}

/// One request as decoders see it.
struct Input<'a> {
    request: &'a Request,
    /// The body, its content codings undone.
    body: &'a [u8],
    /// The body read as a form, its content codings undone.
    form: Form,
    /// The target's query.
    query: Form,
    /// The target's path.
    path: &'a str,
    /// Whether bytes of the body are missing.
    cut: bool,
    /// What was wrong with the body as a whole.
    problems: Vec<Problem>,
}

/// Tried in this order; the first that recognises its format reads the request. The first six go
/// by names that only their format has; those after them look at the shape of what was unpacked,
/// the stricter before the laxer. A test feeds every vector to each of them. The last one takes what
/// nobody knows.
const DECODERS: &[fn(&Input<'_>) -> Option<Decoded>] = &[
    sensors::decode,
    mistat::decode,
    mistat_crash::decode,
    mistat3::decode,
    miui_analytics::decode,
    onetrack_plain::decode,
    pubsub::decode,
    umeng::decode,
    ut::decode,
    sls::decode,
    mixpanel::decode,
    onetrack::decode,
    generic::decode,
];

/// Reads a request. Total: any bytes give an answer.
pub fn decode(request: &Request) -> Decoded {
    let content = unpack::content_so_far(request);
    let input = Input::new(request, &content);
    let known = DECODERS.iter().find_map(|decoder| decoder(&input));
    let mut decoded = known.unwrap_or_else(|| Decoded::unknown(input.problems));
    decoded.state = state(decoded.state, &decoded.problems);
    decoded
}

/// What breaks the rules as a whole is not decoded, whatever was found in it.
fn state(state: State, problems: &[Problem]) -> State {
    let whole = |p: &Problem| p.code == ProblemCode::Malformed && p.path.is_empty();
    let broken = state == State::Decoded && problems.iter().any(whole);
    if broken { State::Undecodable } else { state }
}

impl<'a> Input<'a> {
    fn new(request: &'a Request, content: &'a unpack::Unpacked<'_>) -> Self {
        let mut problems = Vec::new();
        let cut = request.cut || request.body_size > request.body.len() as u64;
        if cut {
            problems.push(problem(ProblemCode::Truncated, ""));
        }
        let error = content.error.map(UnpackError::code);
        if let Some(code) = error.filter(|c| !(cut && *c == ProblemCode::Truncated)) {
            problems.push(problem(code, ""));
        }
        Self {
            request,
            body: &content.bytes,
            form: Form::of_body(&content.bytes),
            query: Form::of_target(&request.target),
            path: form::path(&request.target),
            cut,
            problems,
        }
    }
}

/// The events of one request of a flow; never empty. What is known of the flow, of the request
/// and of its payload stands in each of them, problems of the request as a whole in the first.
pub fn events(facts: Option<&FlowFacts>, time_ms: Option<i64>, request: &Request) -> Vec<Event> {
    let mut decoded = decode(request);
    let mut base = facts.map_or_else(|| Event::empty(decoded.state), |f| f.event(decoded.state));
    base.time = time_ms.map(Time).or(base.time);
    base.host = base.host.take().or_else(|| host(request));
    base.transport = Some(Transport::Http);
    base.protocol = Some(decoded.protocol);
    base.checks = std::mem::take(&mut decoded.checks);
    base.payload = payload(request);
    base.decoder = Some(decoded.decoder.to_owned()).filter(|d| !d.is_empty());
    if decoded.events.is_empty() {
        decoded.events.push(DecodedEvent::default());
    }
    let mut whole = std::mem::take(&mut decoded.problems);
    decoded.events.into_iter().map(|event| base.with(event, std::mem::take(&mut whole))).collect()
}

impl Event {
    /// A copy that holds what one decoded event says.
    fn with(&self, said: DecodedEvent, mut problems: Vec<Problem>) -> Self {
        problems.extend(said.problems);
        let mut event = self.clone();
        event.state = state(event.state, &problems);
        event.app.hint = said.app_hint.filter(|hint| self.app.package.as_ref() != Some(hint));
        event.event = said.event;
        event.event_time = said.event_time;
        event.kinds = kinds::union(&said.fields);
        event.fields = said.fields;
        event.ids = said.ids;
        event.problems = problems;
        event
    }
}

/// The host that the request names, lower case, without port and trailing dot.
fn host(request: &Request) -> Option<String> {
    let authority = http::authority(&request.method, &request.target);
    let authority = authority.or_else(|| request.header("host"))?.trim();
    let name = match authority.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or(literal),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (!name.is_empty() && name.len() <= 253).then_some(name)
}

/// Absent where the request has no body.
fn payload(request: &Request) -> Option<Payload> {
    if request.body.is_empty() && request.body_size == 0 {
        return None;
    }
    let digest = Sha256::digest(&request.body);
    let sha256 = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let size = request.body_size.max(request.body.len() as u64);
    Some(Payload { sha256, size, stored: false })
}

fn problem(code: ProblemCode, path: impl Into<String>) -> Problem {
    Problem { code, path: path.into() }
}

/// Keys under which payloads name the app that they speak of.
const APP_KEYS: &[&str] =
    &["$app_id", "app_id", "pkg", "package", "package_name", "packageName", "app_package"];

/// The place of a name among [`APP_KEYS`]; the first that holds something like a package counts.
fn app_key(name: &str) -> Option<u8> {
    let place = APP_KEYS.iter().position(|key| *key == name);
    place.and_then(|place| u8::try_from(place).ok())
}

/// Two or more identifiers joined by dots (Android's rules for an application id).
fn is_package(text: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic())
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    text.len() <= 255 && text.contains('.') && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{FlowId, Kind, Reason, ReasonCode, Verdict};

    const BODY: &[u8] =
        include_bytes!("../../tests/data/sensors/android-batch-gzip.body").as_slice();

    fn post(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
        Request {
            method: "POST".into(),
            target: target.into(),
            headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: body.to_vec(),
            body_size: body.len() as u64,
            cut: false,
        }
    }

    fn facts(package: &str) -> FlowFacts {
        FlowFacts {
            flow: FlowId(1),
            time_ms: 5,
            uid: Some(10_123),
            package: Some(package.into()),
            host: Some("sa.example.com".into()),
            ech: false,
            server: None,
            port: 80,
            transport: Transport::Tcp,
            verdict: Verdict::Record,
            reason: Reason { code: ReasonCode::ListedHost, rule: None, list: None },
        }
    }

    #[test]
    fn events_of_a_flow_share_its_facts_and_their_payload() {
        let request = post("/sa", &[("Host", "other.example.com")], BODY);
        let events = events(Some(&facts("com.uploader")), Some(9), &request);
        assert_eq!(events.len(), 9);
        for event in &events {
            assert_eq!((event.time, event.transport), (Some(Time(9)), Some(Transport::Http)));
            assert_eq!(event.host.as_deref(), Some("sa.example.com"));
            assert_eq!(event.verdict, Some(Verdict::Record));
            assert_eq!(event.payload, events[0].payload);
            assert_eq!(event.checks["crc"], Check::Ok);
        }
        let payload = events[0].payload.clone().unwrap();
        assert_eq!((payload.size, payload.stored), (BODY.len() as u64, false));
        assert_eq!(events[0].app.hint.as_deref(), Some("com.farmerbb.notepad"));
        assert_eq!(events[2].app.hint, None);
    }

    #[test]
    fn an_app_that_sends_for_itself_gets_no_hint() {
        let events = events(Some(&facts("com.farmerbb.notepad")), None, &post("/", &[], BODY));
        assert_eq!((events[0].time, events[0].app.hint.as_deref()), (Some(Time(5)), None));
    }

    #[test]
    fn what_nobody_recognises_is_still_one_event() {
        let events = events(None, None, &post("/", &[], b"abc"));
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(event.protocol, Some(Protocol::Unknown));
        assert_eq!((event.state, event.decoder.as_deref()), (State::Undecodable, None));
        assert_eq!(event.kinds, [Kind::Other]);
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(event.payload.as_ref().unwrap().sha256, abc);
    }

    #[test]
    fn problems_of_the_whole_stand_in_the_first_event() {
        let cut = Request { body_size: 9999, ..post("/", &[], BODY) };
        let events = events(None, None, &cut);
        assert_eq!(events[0].problems, [problem(ProblemCode::Truncated, "")]);
        assert!(events[1..].iter().all(|e| e.problems.is_empty()));
        assert_eq!(events[0].payload.as_ref().unwrap().size, 9999);
    }

    #[test]
    fn a_content_coding_that_cannot_be_undone_is_named() {
        let decoded = decode(&post("/sa", &[("Content-Encoding", "br")], b"x"));
        assert_eq!(decoded.problems, [problem(ProblemCode::Unsupported, "")]);
    }

    #[test]
    fn hosts_come_from_the_target_or_the_header() {
        for (target, header, expected) in [
            ("/", "Sa.Example.COM.:8106", Some("sa.example.com")),
            ("http://u:p@a.example:80/x?y", "b.example", Some("a.example")),
            ("http://a.example?x=http://b", "", Some("a.example")),
            ("/go?to=http://x/", "[fd00::1]:80", Some("fd00::1")),
            ("?to=http://x/", "b.example", Some("b.example")),
            ("/", "", None),
        ] {
            let request = post(target, &[("Host", header)], b"");
            assert_eq!(host(&request).as_deref(), expected, "{target} {header}");
        }
        assert_eq!(payload(&post("/", &[], b"")), None);
    }

    #[test]
    fn packages_are_told_from_other_text() {
        for good in ["com.miui.home", "a.b", "Com.x_1.y2"] {
            assert!(is_package(good), "{good}");
        }
        for bad in ["", "notepad", "com.", ".com", "com.1x", "com.a-b", "31000000.1"] {
            assert!(!is_package(bad), "{bad}");
        }
    }
}
