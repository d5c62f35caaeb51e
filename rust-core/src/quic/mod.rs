//! The first datagrams of a QUIC client: which name it asks for. Versions 1 (RFC 9000, RFC 9001)
//! and 2 (RFC 9369), whose Initial packets are protected with keys that anyone on the path can
//! derive.
//!
//! Never answers, delays or changes anything, never reads what is protected with secret keys, and
//! never believes a packet that its tag does not confirm.

mod keys;
mod packet;
mod pieces;
mod reader;
#[cfg(test)]
pub(crate) mod samples;

pub use reader::{InitialReader, Outcome, Unreadable};

/// A version of QUIC as it stands in a long header.
pub const V1: u32 = 1;
/// RFC 9369 §3.1.
pub const V2: u32 = 0x6b33_43cf;

/// Smallest datagram that begins a connection, bytes (RFC 9000 §14.1): servers drop smaller ones.
pub const LEAST: usize = 1200;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_long_headers_alone() {
        let [v1, v2] = samples::of_the_rfcs();
        assert_eq!((version(v1), version(v2)), (Some(V1), Some(V2)));
        assert_eq!(version(&[0xc0, 0, 0, 0]), None);
        assert_eq!(version(&[0x40, 0, 0, 0, 1]), None);
        assert!(is_long_header(v1) && !is_long_header(b"\x40\0\0\0\x01"));
    }
}
