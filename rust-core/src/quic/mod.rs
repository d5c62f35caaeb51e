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

/// The connection that a long header is for: its Destination Connection ID, of version 1 and 2 at
/// most 20 bytes long (RFC 8999 §5.1, RFC 9000 §17.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionId {
    len: u8,
    bytes: [u8; 20],
}

impl ConnectionId {
    /// That of a datagram; `None` where there is none, or a longer one.
    pub fn of(datagram: &[u8]) -> Option<Self> {
        version(datagram)?;
        let (len, rest) = datagram.get(5..)?.split_first()?;
        let id = rest.get(..usize::from(*len))?;
        let mut bytes = [0; 20];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { len: *len, bytes })
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

    #[test]
    fn a_connection_is_known_by_its_id() {
        let [v1, _] = samples::of_the_rfcs();
        let id =
            |len: u8, bytes: &[u8]| ConnectionId::of(&[&[0xc0, 0, 0, 0, 1, len], bytes].concat());
        assert_eq!(ConnectionId::of(v1), id(8, &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]));
        assert_ne!(id(1, &[0]), id(2, &[0, 0]));
        assert!(id(20, &[1; 20]).is_some());
        assert_eq!([id(21, &[1; 21]), id(8, &[1; 7]), ConnectionId::of(&[0x40; 30])], [None; 3]);
        assert_eq!(ConnectionId::of(&[0xc0, 0, 0, 0, 1]), None);
    }
}
