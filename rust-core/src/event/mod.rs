//! The event, version 1: what was sent about the owner, by whom, to whom, and what became of it.
//!
//! Values only. This module never decides, decodes or stores. `docs/events.md` is its public
//! description.

mod codes;
mod record;
mod time;

pub(crate) use codes::codes;
pub use codes::{
    Check, IdKind, Kind, ProblemCode, Protocol, ReasonCode, State, Transport, UnknownCode, Verdict,
};
pub use record::{FlowFacts, FlowId, Record};
pub use time::Time;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Version of the JSON form.
pub const VERSION: u8 = 1;

/// One event. Serialises to one JSON object with its keys in this order; absent facts are left
/// out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// [`VERSION`].
    pub v: u8,
    /// Row id in the store; absent where nothing was stored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<i64>,
    /// When it was seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time: Option<Time>,
    /// Who sent it.
    #[serde(skip_serializing_if = "App::is_empty", default)]
    pub app: App,
    /// The name that was contacted, lower case, without a trailing dot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    /// The address that was contacted; where a flow without a name was blocked, the one that the
    /// app asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<Server>,
    /// What carried it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transport: Option<Transport>,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verdict: Option<Verdict>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// How much could be read.
    pub state: State,
    /// The format that was recognised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub protocol: Option<Protocol>,
    /// The format's own name of the event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<String>,
    /// When it happened, as the sender says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_time: Option<Time>,
    /// Union of the fields' kinds, in the order of [`Kind`].
    pub kinds: Vec<Kind>,
    /// What was said, in the sender's order.
    pub fields: Vec<Field>,
    /// Identifiers among the fields.
    pub ids: Vec<Identifier>,
    /// Self-checks of the format, by name: `crc`, `sign`, `checksum`, `size`.
    pub checks: std::collections::BTreeMap<String, Check>,
    /// What was there and could not be read.
    pub problems: Vec<Problem>,
    /// Bytes of the whole flow so far.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<Bytes>,
    /// The body that the event was read from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<Payload>,
    /// Decoder and its version, `sensors/1`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decoder: Option<String>,
    /// What had read it before, where it was read again; `none` where nothing could.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decoder_before: Option<String>,
}

/// Who sent an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The user id that owns the socket.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uid: Option<u32>,
    /// Its package, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<String>,
    /// The app that the payload names, where a shared uploader sends for others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl App {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The address that was contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The real address, never a fake one.
    pub addr: IpAddr,
    /// TCP or UDP port.
    pub port: u16,
    /// ISO 3166 code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub country: Option<String>,
    /// Autonomous system number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asn: Option<u32>,
    /// Name of the network's operator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operator: Option<String>,
}

/// Why a verdict fell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The kind of reason.
    pub code: ReasonCode,
    /// The rule's pattern: a host, or a suffix with a leading dot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// List and version, `xiaomi@3`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub list: Option<String>,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Where in the payload, names joined by dots, list places as numbers.
    pub path: CompactString,
    /// The value as text; text values without quotes, others as JSON.
    pub value: CompactString,
    /// What it tells about the owner.
    pub kind: Kind,
}

/// A value that names a person, a phone or an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// What it identifies.
    pub kind: IdKind,
    /// The value as sent.
    pub value: CompactString,
    /// Where in the payload.
    pub path: CompactString,
}

/// Something that was there and could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// `truncated`, `malformed`, `unsupported`, `encrypted`, `too-large`, …
    pub code: ProblemCode,
    /// Where in the payload; empty for the whole.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub path: String,
}

impl Problem {
    /// Path of the event's own host: the name in clear may stand for one that is encrypted (ECH).
    pub const HOST: &str = "host";
}

/// Bytes of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// App to network.
    pub up: u64,
    /// Network to app.
    pub down: u64,
}

/// The body that an event was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Lower-case hex of the stored bytes' SHA-256.
    pub sha256: String,
    /// Size of the body as sent, in bytes.
    pub size: u64,
    /// Whether the bytes are in the store.
    pub stored: bool,
}
