//! Turns one HTTP request into the events that it carries. Never opens a socket, never needs a
//! key, never trusts a path or a header alone: the bytes decide.

pub mod answer;
pub mod form;
pub mod unpack;

use crate::event::{Check, Event, Field, FlowFacts, Identifier, Problem, Protocol, State, Time};
use crate::http::Request;
use std::collections::BTreeMap;

/// What one request was found to carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Decoded, encrypted or undecodable; never blocked.
    pub state: State,
    /// The format, [`Protocol::Unknown`] where none was recognised.
    pub protocol: Protocol,
    /// Decoder and version, `sensors/1`; empty where the format is unknown.
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

/// Reads a request. Total: any bytes give an answer.
pub fn decode(_request: &Request) -> Decoded {
    Decoded::unknown(Vec::new())
}

/// The events of one request of a flow; never empty.
pub fn events(facts: Option<&FlowFacts>, time_ms: Option<i64>, request: &Request) -> Vec<Event> {
    let decoded = decode(request);
    let mut event = facts.map_or_else(|| Event::empty(decoded.state), |f| f.event(decoded.state));
    event.time = time_ms.map(Time).or(event.time);
    event.protocol = Some(decoded.protocol);
    vec![event]
}
