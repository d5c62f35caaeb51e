//! The first datagrams of a QUIC client: which name it asks for. Versions 1 (RFC 9000, RFC 9001)
//! and 2 (RFC 9369), whose Initial packets are protected with keys that anyone on the path can
//! derive.
//!
//! Never answers, delays or changes anything, never reads what is protected with secret keys, and
//! never believes a packet that its tag does not confirm.

mod reader;

pub use reader::{InitialReader, Outcome, Unreadable};

/// A version of QUIC as it stands in a long header.
pub const V1: u32 = 1;
/// RFC 9369 §3.1.
pub const V2: u32 = 0x6b33_43cf;

/// Whether a datagram begins with a long header (RFC 8999 §5.1), as those of a new connection do.
pub fn is_long_header(datagram: &[u8]) -> bool {
    version(datagram).is_some()
}

/// The version that a long header states (RFC 8999 §5.1); 0 is version negotiation.
pub fn version(datagram: &[u8]) -> Option<u32> {
    match *datagram {
        [first, a, b, c, d, ..] if first & 0x80 != 0 => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}
