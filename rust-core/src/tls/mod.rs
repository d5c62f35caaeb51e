//! The ClientHello, the first message of a TLS client: which name it asks for, and how.
//!
//! Never decrypts, answers, delays or changes anything, and never keeps bytes: [`HelloReader`] is
//! shown what the client has sent so far and remembers only how far it has read.
//!
//! Peeking was chosen over feeding: whoever holds a flow back until its name is known has the
//! bytes anyway, so the reader needs no buffer of its own, and a hello that lies in one record, as
//! nearly all do, is read where it lies. The remembered position keeps the cost linear even when
//! each call brings one byte.

mod hello;
mod reader;
mod records;
#[cfg(test)]
pub(crate) mod samples;

pub(crate) use hello::message_len;
pub use hello::{ClientHello, Ech, ServerName, Version, parse_client_hello};
pub(crate) use reader::Reader;
pub use records::{Hello, HelloReader};

/// Why a ClientHello is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Shorter than the message's own length says.
    #[error("the ClientHello ends too early")]
    Truncated,
    /// A length or a value that TLS does not allow.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// An extension that is read, or a host name, stands there twice. Servers refuse it, and whose
    /// reading would count is anyone's guess.
    #[error("the ClientHello states something twice")]
    Duplicate,
    /// Another handshake message stands in its place.
    #[error("the message is no ClientHello")]
    NotAHello,
    /// A record of another type within the message (RFC 8446 §5.1 forbids it).
    #[error("another record interrupts the ClientHello")]
    Interrupted,
    /// Larger than [`crate::limits::CLIENT_HELLO`].
    #[error("the ClientHello is too large")]
    TooLarge,
}
