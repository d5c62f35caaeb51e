//! Messages written into the caller's buffer. Never allocates, never compresses more than the
//! asked name.

use super::{
    CD, CLASS_IN, DnsError, DomainName, Edns, HEADER, NoRoom, OPCODE, QR, Query, RA, RCODE, RD, TC,
    UDP_ANNOUNCED, name, parse_query, qtype, query::find_edns, rcode, u16_at,
};
use std::net::IpAddr;

/// A pointer to the name in the question, which always stands at octet 12.
const ASKED_NAME: [u8; 2] = [0xc0, HEADER as u8];

/// Bytes put one after another, never past the end.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.at + bytes.len();
        self.out.get_mut(self.at..end).ok_or(NoRoom)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    fn put_u16(&mut self, value: u16) -> Result<(), NoRoom> {
        self.put(&value.to_be_bytes())
    }

    fn put_u32(&mut self, value: u32) -> Result<(), NoRoom> {
        self.put(&value.to_be_bytes())
    }

    /// The header: id, flags, and the counts of the four sections.
    fn header(&mut self, id: u16, flags: u16, counts: [u16; 4]) -> Result<(), NoRoom> {
        self.put_u16(id)?;
        self.put_u16(flags)?;
        counts.into_iter().try_for_each(|count| self.put_u16(count))
    }

    /// Header and question of the answer to a query.
    fn reply(&mut self, query: &Query<'_>, rcode: u8, counts: [u16; 2]) -> Result<(), NoRoom> {
        let flags = QR
            | RA
            | if query.recursion_desired { RD } else { 0 }
            | if query.checking_disabled { CD } else { 0 }
            | u16::from(rcode) & RCODE;
        let [answers, authority] = counts;
        self.header(query.id, flags, [1, answers, authority, u16::from(query.edns.is_some())])?;
        self.put(query.question())
    }

    /// The front of a record of the asked name, up to and with its data's length.
    fn record(&mut self, rtype: u16, ttl: u32, rdata: usize) -> Result<(), NoRoom> {
        self.put(&ASKED_NAME)?;
        self.put_u16(rtype)?;
        self.put_u16(CLASS_IN)?;
        self.put_u32(ttl)?;
        self.put_u16(rdata as u16)
    }

    /// An OPT record, where the other side sent one. It repeats DO (RFC 3225 §3).
    fn opt(&mut self, edns: Option<Edns>) -> Result<(), NoRoom> {
        let Some(edns) = edns else { return Ok(()) };
        self.put(&[0])?;
        self.put_u16(qtype::OPT)?;
        self.put_u16(UDP_ANNOUNCED)?;
        self.put_u32(if edns.dnssec_ok { 0x8000 } else { 0 })?;
        self.put_u16(0)
    }
}

/// Answers with one address; returns the length.
///
/// The record's type is the address's, A or AAAA: the caller hands over the family that was asked.
///
/// # Errors
/// [`NoRoom`] where `out` is too small.
pub fn write_address(
    query: &Query<'_>,
    addr: IpAddr,
    ttl: u32,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    writer.reply(query, rcode::NOERROR, [1, 0])?;
    match addr {
        IpAddr::V4(addr) => {
            writer.record(qtype::A, ttl, 4)?;
            writer.put(&addr.octets())?;
        }
        IpAddr::V6(addr) => {
            writer.record(qtype::AAAA, ttl, 16)?;
            writer.put(&addr.octets())?;
        }
    }
    writer.opt(query.edns)?;
    Ok(writer.at)
}

/// Answers that the name has no record of this type; returns the length.
///
/// The SOA record lets the asker keep that for `soa_ttl` seconds (RFC 2308 §5).
///
/// # Errors
/// [`NoRoom`] where `out` is too small.
pub fn write_nodata(query: &Query<'_>, soa_ttl: u32, out: &mut [u8]) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    writer.reply(query, rcode::NOERROR, [0, 1])?;
    writer.record(qtype::SOA, soa_ttl, 22)?;
    // MNAME and RNAME are the root: no server and no person stand behind this zone.
    writer.put(&[0, 0])?;
    // SERIAL, REFRESH, RETRY, EXPIRE speak to secondary servers, of which there are none.
    for field in [1, 3600, 600, 86_400, soa_ttl] {
        writer.put_u32(field)?;
    }
    writer.opt(query.edns)?;
    Ok(writer.at)
}

/// Answers with a response code and no records; returns the length.
///
/// # Errors
/// [`NoRoom`] where `out` is too small.
pub fn write_error(query: &Query<'_>, rcode: u8, out: &mut [u8]) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    writer.reply(query, rcode, [0, 0])?;
    writer.opt(query.edns)?;
    Ok(writer.at)
}

/// Answers a message that could perhaps not be read; returns the length.
///
/// A readable query gets its question back, anything else a bare header with its id and opcode.
///
/// # Errors
/// [`DnsError::Truncated`] where there is no whole header, [`DnsError::Direction`] for a response,
/// which is never answered, [`DnsError::NoRoom`] where `out` is too small.
pub fn write_error_for(message: &[u8], rcode: u8, out: &mut [u8]) -> Result<usize, DnsError> {
    match parse_query(message) {
        Ok(query) => Ok(write_error(&query, rcode, out)?),
        Err(DnsError::Direction) => Err(DnsError::Direction),
        Err(_) if message.len() < HEADER => Err(DnsError::Truncated),
        Err(_) => {
            let asked = u16_at(message, 2)?;
            let flags = QR | RA | asked & (OPCODE | RD | CD) | u16::from(rcode) & RCODE;
            let mut writer = Writer::new(out);
            writer.header(u16_at(message, 0)?, flags, [0; 4])?;
            Ok(writer.at)
        }
    }
}

/// Asks for a name, with recursion and EDNS; returns the length.
///
/// # Errors
/// [`NoRoom`] where `out` is too small; 300 bytes always do.
pub fn write_query(
    id: u16,
    name: &DomainName,
    qtype: u16,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    writer.header(id, RD, [1, 0, 0, 1])?;
    name::encode(name, |label| writer.put(label))?;
    writer.put_u16(qtype)?;
    writer.put_u16(CLASS_IN)?;
    writer.opt(Some(Edns { udp_size: UDP_ANNOUNCED, dnssec_ok: false }))?;
    Ok(writer.at)
}

/// Makes a response fit into `limit` bytes of UDP; returns the length.
///
/// One that fits is copied as it is. Of a larger one the header with TC, the question and the OPT
/// record remain: half an answer is of no use to the asker (RFC 2181 §9).
///
/// # Errors
/// [`DnsError::NoRoom`] where `out` or `limit` is too small, [`DnsError::Truncated`] or
/// [`DnsError::Malformed`] where header or question cannot be read.
pub fn truncate_for_udp(response: &[u8], limit: usize, out: &mut [u8]) -> Result<usize, DnsError> {
    let room = out.len().min(limit);
    let mut writer = Writer::new(out.get_mut(..room).ok_or(NoRoom)?);
    if response.len() <= limit {
        writer.put(response)?;
        return Ok(writer.at);
    }
    let flags = u16_at(response, 2)? | TC;
    let questions = u16_at(response, 4)?;
    let end = match questions {
        0 => HEADER,
        1 => name::skip(response, HEADER)? + 4,
        _ => return Err(DnsError::Malformed),
    };
    let question = response.get(HEADER..end).ok_or(DnsError::Truncated)?;
    let edns = find_edns(response, end).unwrap_or_default();
    let additional = u16::from(edns.is_some());
    writer.header(u16_at(response, 0)?, flags, [questions, 0, 0, additional])?;
    writer.put(question)?;
    writer.opt(edns)?;
    Ok(writer.at)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{message, sample};
    use super::*;

    /// Writes into a buffer that just fits, after one that is a byte too small.
    fn written(
        expected: &[u8],
        mut write: impl FnMut(&mut [u8]) -> Result<usize, NoRoom>,
    ) -> Vec<u8> {
        let mut out = vec![0xaa; expected.len()];
        assert_eq!(write(&mut out[1..]), Err(NoRoom));
        let len = write(&mut out).unwrap();
        out.truncate(len);
        out
    }

    #[test]
    fn answers_equal_those_of_another_implementation() {
        let edns = sample("query-edns-a");
        let edns = parse_query(&edns).unwrap();
        let plain = sample("query-plain-aaaa");
        let plain = parse_query(&plain).unwrap();

        let expected = sample("answer-a");
        let addr = "198.18.0.7".parse().unwrap();
        assert_eq!(written(&expected, |out| write_address(&edns, addr, 60, out)), expected);
        let expected = sample("answer-aaaa");
        let addr = "fd00::7".parse().unwrap();
        assert_eq!(written(&expected, |out| write_address(&plain, addr, 60, out)), expected);
        let expected = sample("answer-nodata");
        assert_eq!(written(&expected, |out| write_nodata(&edns, 5, out)), expected);
        let expected = sample("answer-refused");
        assert_eq!(written(&expected, |out| write_error(&edns, rcode::REFUSED, out)), expected);
    }

    #[test]
    fn our_question_equals_that_of_another_implementation() {
        let expected = sample("query-ours");
        let name = "sdk.example".parse().unwrap();
        let bytes = written(&expected, |out| write_query(0xbeef, &name, qtype::HTTPS, out));
        assert_eq!(bytes, expected);
        let longest = sample("query-longest-name");
        let name = parse_query(&longest).unwrap().name.to_name();
        let mut out = [0; 300];
        let len = write_query(1, &name, qtype::A, &mut out).unwrap();
        assert_eq!(parse_query(&out[..len]).unwrap().name, *name.as_str());
    }

    #[test]
    fn the_letter_case_of_the_question_is_kept() {
        let bytes = sample("query-edns-a");
        let query = parse_query(&bytes).unwrap();
        let mut out = [0; 512];
        write_address(&query, [192, 0, 2, 1].into(), 1, &mut out).unwrap();
        assert_eq!(out[12..12 + query.question().len()], bytes[12..12 + query.question().len()]);
        assert!(out.windows(8).any(|w| w == b"TrAcking"));
    }

    #[test]
    fn flags_follow_the_question() {
        let question = b"\x00\x00\x01\x00\x01";
        for (asked, answered) in [(0, 0x8080), (RD, 0x8180), (RD | CD, 0x8190), (0x0020, 0x8080)] {
            let bytes = message(asked, [1, 0, 0, 0], question);
            let mut out = [0; 64];
            write_error(&parse_query(&bytes).unwrap(), 0, &mut out).unwrap();
            assert_eq!(u16_at(&out, 2), Ok(answered), "{asked:04x}");
        }
    }

    #[test]
    fn a_broken_query_gets_a_bare_header() {
        let broken = message(RD, [2, 0, 0, 0], b"junk");
        let mut out = [0xaa; 64];
        assert_eq!(write_error_for(&broken, rcode::FORMERR, &mut out), Ok(HEADER));
        assert_eq!(out[..12], message(0x8181, [0; 4], b""));
        let notify = message(0x2000, [1, 0, 0, 0], b"");
        assert_eq!(write_error_for(&notify, rcode::NOTIMP, &mut out), Ok(HEADER));
        assert_eq!(out[..12], message(0xa084, [0; 4], b""));
        let whole = sample("query-edns-a");
        let len = write_error_for(&whole, rcode::REFUSED, &mut out).unwrap();
        assert_eq!(out[..len], sample("answer-refused"));
    }

    #[test]
    fn what_cannot_be_answered_is_an_error() {
        let query = sample("query-edns-a");
        let out = &mut [0; 64];
        assert_eq!(write_error_for(&query[..11], 2, out), Err(DnsError::Truncated));
        assert_eq!(write_error_for(&sample("answer-a"), 2, out), Err(DnsError::Direction));
        assert_eq!(write_error_for(&query, 2, &mut out[..20]), Err(NoRoom.into()));
        let broken = message(RD, [2, 0, 0, 0], b"");
        assert_eq!(write_error_for(&broken, 2, &mut out[..11]), Err(NoRoom.into()));
    }

    #[test]
    fn a_large_response_leaves_its_question_and_opt() {
        let (large, expected) = (sample("answer-large"), sample("answer-large-truncated"));
        let mut out = [0; 2048];
        let len = truncate_for_udp(&large, 512, &mut out).unwrap();
        assert_eq!(out[..len], expected);
        assert_eq!(truncate_for_udp(&large, large.len(), &mut out), Ok(large.len()));
        assert_eq!(out[..large.len()], large);
        assert_eq!(truncate_for_udp(&large, large.len() - 1, &mut out), Ok(len));
        assert_eq!(truncate_for_udp(&large, len - 1, &mut out), Err(NoRoom.into()));
        assert_eq!(truncate_for_udp(&large, 512, &mut out[..len - 1]), Err(NoRoom.into()));
        assert_eq!(truncate_for_udp(&large, 4096, &mut out[..512]), Err(NoRoom.into()));
        assert_eq!(truncate_for_udp(&large[..20], 13, &mut out), Err(DnsError::Truncated));
        let two = message(QR, [2, 0, 0, 0], &[0; 64]);
        assert_eq!(truncate_for_udp(&two, 20, &mut out), Err(DnsError::Malformed));
    }
}
