//! Connections that end here: DNS over TCP to the virtual resolver, and captured flows, which get
//! the answer that the vendor's collector would give. Nothing of them leaves the phone.

use crate::decode::answer::answer;
use crate::event::{FlowId, Record};
use crate::http::{Parser, Progress};
use crate::limits;

/// Answers that wait for the app to read them; above it no further bytes are taken from the app.
const BACKLOG: usize = 2 * limits::DNS_TCP;
/// Questions of one connection that wait for their answers; further ones wait to be asked.
const QUESTIONS: usize = 32;

/// A service of ours on one connection.
pub(super) struct Local {
    service: Service,
    out: Vec<u8>,
    written: usize,
    closing: bool,
}

enum Service {
    /// Length-prefixed questions (RFC 1035 §4.2.2): the bytes of those that were not asked yet,
    /// and how many were and have no answer.
    Resolver {
        begun: Vec<u8>,
        open: usize,
    },
    Collector {
        parser: Box<Parser>,
        continued: bool,
    },
}

/// What a piece of the stream came to.
pub(super) enum Taken {
    /// Go on.
    More,
    /// This service cannot be spoken so: end the connection by a reset.
    Refuse,
}

impl Local {
    pub(super) fn resolver() -> Self {
        Self::new(Service::Resolver { begun: Vec::new(), open: 0 })
    }

    pub(super) fn collector() -> Self {
        Self::new(Service::Collector { parser: Box::default(), continued: false })
    }

    fn new(service: Service) -> Self {
        Self { service, out: Vec::new(), written: 0, closing: false }
    }

    /// The request that was cut by the end of the connection.
    pub(super) fn finish(&mut self) -> Option<crate::http::Request> {
        match &mut self.service {
            Service::Resolver { .. } => None,
            Service::Collector { parser, .. } => std::mem::take(parser).finish(),
        }
    }

    /// Whether more bytes of the app are welcome.
    pub(super) fn wants_more(&self) -> bool {
        let held = match &self.service {
            Service::Resolver { begun, .. } => begun.len(),
            Service::Collector { .. } => 0,
        };
        self.out.len() - self.written < BACKLOG && held < BACKLOG && !self.closing
    }

    /// Whole questions of the stream, without their lengths, as many as may be asked now. Each is
    /// answered by [`Local::answer`].
    pub(super) fn next_questions(&mut self) -> Vec<Vec<u8>> {
        let full = self.out.len() - self.written >= BACKLOG;
        match &mut self.service {
            Service::Resolver { begun, open } if !full => {
                let questions = split_questions(begun, QUESTIONS.saturating_sub(*open));
                *open += questions.len();
                questions
            }
            _ => Vec::new(),
        }
    }

    /// Whether every question has its answer.
    pub(super) fn owes_nothing(&self) -> bool {
        match &self.service {
            Service::Resolver { begun, open } => *open == 0 && !starts_whole(begun),
            Service::Collector { .. } => true,
        }
    }

    /// Bytes for the app.
    pub(super) fn pending(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// So many of [`Local::pending`] were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Whether the connection ends once everything pending is written.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Puts a DNS answer before the app, with its length before it; an empty one is none.
    pub(super) fn answer(&mut self, message: &[u8]) {
        if let Service::Resolver { open, .. } = &mut self.service {
            *open = open.saturating_sub(1);
        }
        if message.is_empty() {
            return;
        }
        let Ok(length) = u16::try_from(message.len()) else { return };
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(message);
    }

    /// Takes bytes of the app.
    pub(super) fn take(
        &mut self,
        flow: FlowId,
        time_ms: i64,
        bytes: &[u8],
        record: &mut dyn FnMut(Record),
    ) -> Taken {
        match &mut self.service {
            Service::Resolver { begun, .. } => {
                begun.extend_from_slice(bytes);
                Taken::More
            }
            Service::Collector { parser, continued } => {
                let (out, closing) = (&mut self.out, &mut self.closing);
                let progress = parser.feed(bytes, &mut |request| {
                    out.extend_from_slice(&answer(&request));
                    *continued = false;
                    *closing |= wants_close(&request);
                    record(Record::Request { flow, time_ms, request: Box::new(request) });
                });
                if parser.awaits_continue() && !*continued {
                    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    *continued = true;
                }
                match progress {
                    Progress::More => Taken::More,
                    Progress::NotHttp | Progress::Done(_) => Taken::Refuse,
                }
            }
        }
    }
}

/// Whether the app asked for the connection to end after this request (RFC 9112 §9.6).
fn wants_close(request: &crate::http::Request) -> bool {
    let connection = request.header("connection").unwrap_or_default();
    connection.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"))
}

fn starts_whole(begun: &[u8]) -> bool {
    let length = begun.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
    length.is_some_and(|length| begun.len() >= 2 + length)
}

fn split_questions(begun: &mut Vec<u8>, most: usize) -> Vec<Vec<u8>> {
    let (mut questions, mut at) = (Vec::new(), 0);
    while let Some(&[high, low]) = begun.get(at..at + 2)
        && questions.len() < most
    {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(question) = begun.get(at + 2..at + 2 + length) else { break };
        questions.push(question.to_vec());
        at += 2 + length;
    }
    begun.drain(..at);
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_come_whole_however_the_stream_is_cut() {
        let stream = b"\x00\x03abc\x00\x01d\x00\x02e";
        for cut in 0..stream.len() {
            let mut begun = Vec::new();
            let mut seen = Vec::new();
            for piece in [&stream[..cut], &stream[cut..]] {
                begun.extend_from_slice(piece);
                seen.extend(split_questions(&mut begun, 9));
            }
            assert_eq!(seen, [b"abc".to_vec(), b"d".to_vec()], "{cut}");
            assert_eq!(begun, b"\x00\x02e");
        }
    }

    #[test]
    fn a_captured_stream_that_is_not_http_is_refused() {
        let taken = Local::collector().take(FlowId(1), 0, b"\x16\x03\x01\x00", &mut |_| {});
        assert!(matches!(taken, Taken::Refuse));
    }

    #[test]
    fn an_app_that_waits_to_send_its_body_is_told_to_go_on_once() {
        let mut local = Local::collector();
        let head = b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        local.take(FlowId(1), 0, head, &mut |_| {});
        assert_eq!(local.pending(), b"HTTP/1.1 100 Continue\r\n\r\n");
        local.wrote(local.pending().len());
        let mut records = 0;
        local.take(FlowId(1), 0, b"ab", &mut |_| records += 1);
        assert_eq!(records, 1);
        assert!(local.pending().starts_with(b"HTTP/1.1 200"));
    }
}
