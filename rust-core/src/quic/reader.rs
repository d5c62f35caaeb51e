//! Datagrams in, ClientHello out.

use crate::tls::{ClientHello, TlsError};

/// What the datagrams so far say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// QUIC; the ClientHello is not complete yet.
    More,
    /// Not the start of a QUIC connection.
    NotQuic,
    /// QUIC of a version that cannot be read. The client may yet start again with another.
    Unsupported(u32),
    /// All of it is there.
    Done(ClientHello),
    /// QUIC, but this datagram cannot be read. It changed nothing.
    Unreadable(Unreadable),
}

/// Why an Initial packet is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Shorter than its own lengths say.
    #[error("the packet ends too early")]
    Truncated,
    /// A length, a field or a frame that an Initial packet cannot have.
    #[error("the packet is malformed")]
    Malformed,
    /// Its tag does not confirm it: damaged, or protected with other keys.
    #[error("the packet does not open with the keys of its connection")]
    Tag,
    /// Two frames state different bytes for one place.
    #[error("two frames contradict each other")]
    Contradiction,
    /// More datagrams or pieces than are read for one ClientHello.
    #[error("the ClientHello comes in too many pieces")]
    TooMany,
    /// The ClientHello.
    #[error(transparent)]
    Hello(TlsError),
}

/// Reads the first datagrams of one client's flow.
#[derive(Debug, Default)]
pub struct InitialReader;

impl InitialReader {
    /// Looks at the next datagram from the client.
    pub fn feed(&mut self, _datagram: &[u8]) -> Outcome {
        Outcome::More
    }
}
