//! Looks at what an app sends on a recorded flow, as it passes.
//!
//! Never holds the bytes up and never changes them. What cannot be read is named once and then
//! left alone.

use crate::event::{FlowId, Record, Transport};
use crate::http::{Parser, Progress};

/// How a flow is looked at.
pub(crate) enum Inspect {
    /// Not at all, or no longer.
    Off,
    /// As requests.
    Requests(Box<Parser>),
}

impl Inspect {
    pub(crate) fn requests() -> Self {
        Self::Requests(Box::default())
    }

    /// Takes the next bytes of the app; hands over a record for each request that they complete.
    pub(crate) fn feed(
        &mut self,
        flow: FlowId,
        time_ms: i64,
        bytes: &[u8],
        record: &mut dyn FnMut(Record),
    ) {
        let Self::Requests(parser) = self else { return };
        let progress = parser.feed(bytes, &mut |request| {
            record(Record::Request { flow, time_ms, request: Box::new(request) });
        });
        let transport = match progress {
            Progress::More => return,
            Progress::NotHttp => transport_of(bytes),
            Progress::Done(_) => Transport::Tcp,
        };
        if let Some(request) = self.finish() {
            record(Record::Request { flow, time_ms, request: Box::new(request) });
        }
        record(Record::Opaque { flow, time_ms, transport });
    }

    /// Whether requests are still looked for.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self, Self::Requests(_))
    }

    /// Whether it stands between requests.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Self::Requests(parser) if parser.idle())
    }

    /// Bytes on the heap.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Requests(parser) => parser.held(),
            Self::Off => 0,
        }
    }

    /// The request that was cut by the end of the flow.
    pub(crate) fn finish(&mut self) -> Option<crate::http::Request> {
        match std::mem::replace(self, Self::Off) {
            Self::Requests(parser) => parser.finish(),
            Self::Off => None,
        }
    }
}

/// What the first bytes of a stream that is not HTTP say: a TLS record begins with its type,
/// handshake (RFC 8446 §5.1).
fn transport_of(first: &[u8]) -> Transport {
    match first {
        [22, 3, ..] | [22] => Transport::Tls,
        _ => Transport::Tcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(pieces: &[&[u8]]) -> Vec<Record> {
        let mut seen = Vec::new();
        let mut inspect = Inspect::requests();
        for piece in pieces {
            inspect.feed(FlowId(1), 5, piece, &mut |r| seen.push(r));
        }
        seen
    }

    #[test]
    fn a_client_hello_is_named_tls_once() {
        let seen = records(&[b"\x16\x03\x01\x02\x00\x01", b"more", b"\x16\x03"]);
        let opaque = Record::Opaque { flow: FlowId(1), time_ms: 5, transport: Transport::Tls };
        assert_eq!(seen, [opaque]);
    }

    #[test]
    fn other_bytes_are_named_tcp() {
        let seen = records(&[b"\x00\x01\x02\x03"]);
        let opaque = Record::Opaque { flow: FlowId(1), time_ms: 5, transport: Transport::Tcp };
        assert_eq!(seen, [opaque]);
    }

    #[test]
    fn a_request_is_handed_over_whole() {
        let seen = records(&[b"POST /sa HTTP/1.1\r\nContent-Le", b"ngth: 4\r\n\r\nda", b"ta"]);
        let [Record::Request { flow: FlowId(1), time_ms: 5, request }] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert_eq!((&*request.method, &*request.body), ("POST", &b"data"[..]));
    }
}
