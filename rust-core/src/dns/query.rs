//! A question as an app asks it. Never answers it, and never keeps it longer than its message.

use super::{
    CD, DnsError, HEADER, NameBuf, OPCODE, QR, RD, UDP_WITHOUT_EDNS, name, qtype, raw_record,
    u16_at,
};
use crate::limits;

/// A standard query with one question.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// To be repeated in the answer.
    pub id: u16,
    /// RD: the asker wants recursion.
    pub recursion_desired: bool,
    /// CD: the asker checks signatures itself (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The name, lower-cased.
    pub name: NameBuf,
    /// One of [`qtype`], or any other.
    pub qtype: u16,
    /// [`super::CLASS_IN`] as a rule.
    pub qclass: u16,
    /// What the asker can take, where it says so.
    pub edns: Option<Edns>,
    question: &'a [u8],
}

/// The facts of an OPT record (RFC 6891 §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Largest message over UDP that the asker takes, octets, as it says.
    pub udp_size: u16,
    /// DO: send signatures too (RFC 3225 §3).
    pub dnssec_ok: bool,
}

impl Query<'_> {
    /// The question section as it was asked, letter case and all.
    pub fn question(&self) -> &[u8] {
        self.question
    }

    /// Largest response over UDP that the asker takes and that we send, octets.
    pub fn udp_limit(&self) -> usize {
        let asked = self.edns.map_or(UDP_WITHOUT_EDNS, |edns| usize::from(edns.udp_size));
        asked.clamp(UDP_WITHOUT_EDNS, limits::DNS_UDP)
    }
}

/// Reads a query. Allocates nothing.
///
/// # Errors
/// [`DnsError::Direction`] for a response, [`DnsError::Unsupported`] for another opcode than QUERY
/// or a later EDNS than version 0, [`DnsError::Malformed`] for any other count of questions than
/// one (RFC 9619) or two OPT records, [`DnsError::Truncated`] where the bytes end too early.
pub fn parse_query(message: &[u8]) -> Result<Query<'_>, DnsError> {
    if message.len() < HEADER {
        return Err(DnsError::Truncated);
    }
    let flags = u16_at(message, 2)?;
    if flags & QR != 0 {
        return Err(DnsError::Direction);
    }
    if flags & OPCODE != 0 {
        return Err(DnsError::Unsupported);
    }
    if u16_at(message, 4)? != 1 {
        return Err(DnsError::Malformed);
    }
    let fixed = name::skip(message, HEADER)?;
    let end = fixed + 4;
    let query = Query {
        id: u16_at(message, 0)?,
        recursion_desired: flags & RD != 0,
        checking_disabled: flags & CD != 0,
        name: name::read(message, HEADER)?,
        qtype: u16_at(message, fixed)?,
        qclass: u16_at(message, fixed + 2)?,
        edns: find_edns(message, end)?,
        question: message.get(HEADER..end).ok_or(DnsError::Truncated)?,
    };
    Ok(query)
}

/// Walks the records after the question and returns the OPT record's facts. Each record has at
/// least eleven octets, so the message bounds the walk, whatever the counts say.
pub(super) fn find_edns(message: &[u8], mut at: usize) -> Result<Option<Edns>, DnsError> {
    let before = u32::from(u16_at(message, 6)?) + u32::from(u16_at(message, 8)?);
    let mut edns = None;
    for index in 0..before + u32::from(u16_at(message, 10)?) {
        let record = raw_record(message, at)?;
        at = record.end;
        if index < before || record.rtype != qtype::OPT {
            continue;
        }
        if edns.is_some() || message.get(record.name) != Some(&0) {
            return Err(DnsError::Malformed);
        }
        if record.ttl & 0x00ff_0000 != 0 {
            return Err(DnsError::Unsupported);
        }
        edns = Some(Edns { udp_size: record.class, dnssec_ok: record.ttl & 0x8000 != 0 });
    }
    Ok(edns)
}
