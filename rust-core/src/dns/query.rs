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

#[cfg(test)]
mod tests {
    use super::super::samples::{message, sample};
    use super::*;

    const QUESTION: &[u8] = b"\x01A\x00\x00\x01\x00\x01";
    const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";

    fn error(flags: u16, counts: [u16; 4], body: &[&[u8]]) -> Option<DnsError> {
        parse_query(&message(flags, counts, &body.concat())).err()
    }

    #[test]
    fn a_query_of_another_implementation_is_read() {
        let bytes = sample("query-edns-a");
        let query = parse_query(&bytes).unwrap();
        assert_eq!((query.id, query.qtype, query.qclass), (0x1234, qtype::A, 1));
        assert_eq!(query.name, *"tracking.miui.example");
        assert!(query.recursion_desired && !query.checking_disabled);
        assert_eq!(query.edns, Some(Edns { udp_size: 4096, dnssec_ok: true }));
        assert_eq!(&query.question()[..9], b"\x08TrAcking");
        assert_eq!(query.udp_limit(), 4096);
        let bytes = sample("query-plain-aaaa");
        let query = parse_query(&bytes).unwrap();
        assert_eq!((query.qtype, query.edns, query.udp_limit()), (qtype::AAAA, None, 512));
        let bytes = sample("query-longest-name");
        assert_eq!(parse_query(&bytes).unwrap().name.len(), 253);
    }

    #[test]
    fn there_is_one_question() {
        assert_eq!(error(RD, [0, 0, 0, 0], &[QUESTION]), Some(DnsError::Malformed));
        assert_eq!(error(RD, [2, 0, 0, 0], &[QUESTION, QUESTION]), Some(DnsError::Malformed));
        assert_eq!(error(RD, [1, 0, 0, 0], &[QUESTION]), None);
    }

    #[test]
    fn other_opcodes_and_responses_are_told_apart() {
        assert_eq!(error(0x2000, [1, 0, 0, 0], &[QUESTION]), Some(DnsError::Unsupported));
        assert_eq!(error(0x2800, [1, 0, 0, 0], &[]), Some(DnsError::Unsupported));
        assert_eq!(error(QR, [1, 0, 0, 0], &[QUESTION]), Some(DnsError::Direction));
    }

    #[test]
    fn there_is_one_opt_record_of_version_0_at_the_root() {
        let named = [b"\x01a", OPT].concat();
        let later = [&OPT[..6], &[1], &OPT[7..]].concat();
        assert_eq!(error(RD, [1, 0, 0, 1], &[QUESTION, OPT]), None);
        assert_eq!(error(RD, [1, 0, 0, 2], &[QUESTION, OPT, OPT]), Some(DnsError::Malformed));
        assert_eq!(error(RD, [1, 0, 0, 1], &[QUESTION, &named]), Some(DnsError::Malformed));
        assert_eq!(error(RD, [1, 0, 0, 1], &[QUESTION, &later]), Some(DnsError::Unsupported));
        assert_eq!(error(RD, [1, 0, 0, 9], &[QUESTION, OPT]), Some(DnsError::Truncated));
    }

    #[test]
    fn the_limit_of_udp_is_ours_or_the_askers() {
        for (asked, limit) in [(0u16, 512), (100, 512), (1232, 1232), (65_535, limits::DNS_UDP)] {
            let mut opt = OPT.to_vec();
            opt[3..5].copy_from_slice(&asked.to_be_bytes());
            let bytes = message(RD, [1, 0, 0, 1], &[QUESTION, &opt].concat());
            assert_eq!(parse_query(&bytes).unwrap().udp_limit(), limit);
        }
    }
}
