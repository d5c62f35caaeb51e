//! DNS messages (RFC 1035, RFC 2181, RFC 6891, RFC 9460), read and written over byte slices.
//!
//! Never sends, waits, caches or allocates for a message; never decides what is answered. Each
//! loop over peer bytes is bounded by the message, by 255 octets of a name, or by a count.

mod name;
mod query;
mod response;
#[cfg(test)]
mod samples;
mod write;

pub use name::{DomainName, NameBuf, NameError};
pub use query::{Edns, Query, parse_query};
pub use response::{
    Question, Rdata, Record, Records, Response, SvcParam, SvcParams, addresses, aliases,
};
pub use write::{
    truncate_for_udp, write_address, write_error, write_error_for, write_nodata, write_query,
};

/// Octets of the header (RFC 1035 §4.1.1).
pub const HEADER: usize = 12;
/// Largest message over UDP for who does not say otherwise, octets (RFC 1035 §4.2.1).
pub const UDP_WITHOUT_EDNS: usize = 512;
/// The UDP size that we announce: it fits the least MTU of IPv6, 1280, so nothing is cut into
/// fragments.
pub const UDP_ANNOUNCED: u16 = 1232;

/// Record types that this core names (IANA, "DNS Parameters").
pub mod qtype {
    /// IPv4 address (RFC 1035 §3.4.1).
    pub const A: u16 = 1;
    /// Alias (RFC 1035 §3.3.1).
    pub const CNAME: u16 = 5;
    /// Start of a zone (RFC 1035 §3.3.13).
    pub const SOA: u16 = 6;
    /// Name of an address (RFC 1035 §3.3.12).
    pub const PTR: u16 = 12;
    /// Text (RFC 1035 §3.3.14).
    pub const TXT: u16 = 16;
    /// IPv6 address (RFC 3596 §2.1).
    pub const AAAA: u16 = 28;
    /// EDNS pseudo-record (RFC 6891 §6.1).
    pub const OPT: u16 = 41;
    /// Service binding (RFC 9460 §2).
    pub const SVCB: u16 = 64;
    /// Service binding of HTTPS (RFC 9460 §9).
    pub const HTTPS: u16 = 65;
    /// Every type (RFC 1035 §3.2.3, RFC 8482).
    pub const ANY: u16 = 255;
}

/// The class of the Internet (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;

/// Response codes (RFC 1035 §4.1.1).
pub mod rcode {
    /// The name exists; the answer may be empty.
    pub const NOERROR: u8 = 0;
    /// The question could not be read.
    pub const FORMERR: u8 = 1;
    /// The server could not find out.
    pub const SERVFAIL: u8 = 2;
    /// The name does not exist.
    pub const NXDOMAIN: u8 = 3;
    /// The kind of question is not supported.
    pub const NOTIMP: u8 = 4;
    /// The server does not want to answer.
    pub const REFUSED: u8 = 5;
}

/// Why a message could not be read or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The bytes end before the message does.
    #[error("the DNS message is cut short")]
    Truncated,
    /// The bytes break the rules of RFC 1035 or of a record's own.
    #[error("the DNS message is malformed")]
    Malformed,
    /// Legal, and not a thing that this core speaks: another opcode, a later EDNS, a name whose
    /// text is longer than 253 bytes because of its escapes.
    #[error("the DNS message uses what is not supported")]
    Unsupported,
    /// A response where a query was due, or the other way round.
    #[error("the DNS message goes the other way")]
    Direction,
    /// The caller's buffer is too small for what is to be written.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// The caller's buffer is too small for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for the DNS message")]
pub struct NoRoom;

const QR: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const CD: u16 = 0x0010;
const RCODE: u16 = 0x000f;

/// The id of a message; `None` where it has not even two bytes.
pub fn id(message: &[u8]) -> Option<u16> {
    u16_at(message, 0).ok()
}

/// Replaces the id. A message of less than two bytes stays as it is.
pub fn set_id(message: &mut [u8], id: u16) {
    if let Some(place) = message.get_mut(..2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

/// Whether the TC flag is set, so that the question has to be asked again over TCP.
pub fn is_truncated(message: &[u8]) -> bool {
    u16_at(message, 2).is_ok_and(|flags| flags & TC != 0)
}

/// The response code in the header; `None` where the header is not whole.
pub fn rcode(message: &[u8]) -> Option<u8> {
    (message.len() >= HEADER).then(|| message[3] & RCODE as u8)
}

fn u16_at(message: &[u8], at: usize) -> Result<u16, DnsError> {
    let bytes = message.get(at..).and_then(|m| m.first_chunk()).ok_or(DnsError::Truncated)?;
    Ok(u16::from_be_bytes(*bytes))
}

fn u32_at(message: &[u8], at: usize) -> Result<u32, DnsError> {
    let bytes = message.get(at..).and_then(|m| m.first_chunk()).ok_or(DnsError::Truncated)?;
    Ok(u32::from_be_bytes(*bytes))
}

/// A record's place in its message; names unread, lengths checked.
#[derive(Clone, Copy, Debug)]
struct RawRecord {
    name: usize,
    rtype: u16,
    class: u16,
    ttl: u32,
    rdata: usize,
    end: usize,
}

/// Reads the frame of the record at `at` (RFC 1035 §4.1.3).
fn raw_record(message: &[u8], at: usize) -> Result<RawRecord, DnsError> {
    let fixed = name::skip(message, at)?;
    let rdata = fixed + 10;
    let end = rdata + usize::from(u16_at(message, fixed + 8)?);
    if end > message.len() {
        return Err(DnsError::Truncated);
    }
    Ok(RawRecord {
        name: at,
        rtype: u16_at(message, fixed)?,
        class: u16_at(message, fixed + 2)?,
        ttl: u32_at(message, fixed + 4)?,
        rdata,
        end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_helpers_bear_any_length() {
        let mut message = [0x12, 0x34, 0x83, 0x85, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!((id(&message), rcode(&message)), (Some(0x1234), Some(rcode::REFUSED)));
        assert!(is_truncated(&message));
        set_id(&mut message, 0xabcd);
        assert_eq!(id(&message), Some(0xabcd));
        assert_eq!((id(&message[..1]), rcode(&message[..11])), (None, None));
        assert!(!is_truncated(&message[..3]));
        set_id(&mut message[..1], 0);
        assert_eq!(id(&message), Some(0xabcd));
    }

    /// Everything that a caller may do with bytes from outside.
    fn use_all(message: &[u8], out: &mut [u8]) {
        if let Ok(query) = parse_query(message) {
            assert!(query.name.len() <= 253);
            let _ = write_address(&query, [198, 18, 0, 1].into(), 60, out);
            let _ = write_nodata(&query, 5, out);
        }
        let _ = write_error_for(message, rcode::SERVFAIL, out);
        let _ = truncate_for_udp(message, 100, out);
        let Ok(response) = Response::parse(message) else { return };
        let asked = response.question().map_or_else(NameBuf::new, |q| q.name);
        let mut names = 0;
        aliases(&response, &asked, &mut |_| names += 1);
        assert!(names <= crate::limits::CNAME_CHAIN);
        addresses(&response, &asked, &mut |_, _| {});
        assert!(response.records().count() <= usize::from(u16_at(message, 6).unwrap()));
    }

    #[test]
    fn every_truncation_of_every_sample_is_borne() {
        for (name, _) in samples::FILES {
            let whole = samples::sample(name);
            let answers = u16_at(&whole, 6).unwrap();
            for len in 0..whole.len() {
                let cut = &whole[..len];
                use_all(cut, &mut [0; 600]);
                if name.starts_with("query") {
                    assert_eq!(parse_query(cut).err(), Some(DnsError::Truncated), "{name} {len}");
                } else if let Ok(response) = Response::parse(cut) {
                    let read = response.records().filter(Result::is_ok).count();
                    assert!(read <= usize::from(answers), "{name} {len}");
                } else {
                    assert_eq!(Response::parse(cut).err(), Some(DnsError::Truncated), "{name}");
                }
            }
        }
    }

    #[test]
    fn mutated_samples_are_borne() {
        let mut dice = samples::Dice(0x6d75_7a7a_6c65);
        let files: Vec<_> = samples::FILES.iter().map(|(name, _)| samples::sample(name)).collect();
        let (mut queries, mut responses) = (0, 0);
        for _ in 0..150_000 {
            let mut message = files[dice.below(files.len())].clone();
            for _ in 0..=dice.below(4) {
                let at = dice.below(message.len());
                match dice.below(4) {
                    0 => message[at] = dice.below(256) as u8,
                    1 => message[at] ^= 1 << dice.below(8),
                    2 => message[at] = [0, 0x3f, 0x40, 0xc0, 0xff][dice.below(5)],
                    _ => message.truncate(at.max(1)),
                }
            }
            use_all(&message, &mut [0; 600]);
            queries += usize::from(parse_query(&message).is_ok());
            responses += usize::from(Response::parse(&message).is_ok());
        }
        // The mutations reach behind the header, and do not leave everything whole.
        assert!((5_000..75_000).contains(&queries), "{queries}");
        assert!((30_000..140_000).contains(&responses), "{responses}");
    }
}
