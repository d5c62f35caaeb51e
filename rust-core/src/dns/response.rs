//! An answer as a resolver gives it. Never trusts that it answers what was asked:
//! [`Response::answers`] says so.

use super::{
    CLASS_IN, DnsError, HEADER, NameBuf, QR, RCODE, RawRecord, TC, name, qtype, raw_record, u16_at,
};
use crate::limits;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A response whose header and question were read. Records are read as they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    message: &'a [u8],
    flags: u16,
    questions: u16,
    answers: u16,
    /// Where the answer section begins.
    body: usize,
}

/// What a response says it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, lower-cased.
    pub name: NameBuf,
    /// One of [`qtype`], or any other.
    pub qtype: u16,
    /// [`CLASS_IN`] as a rule.
    pub qclass: u16,
}

/// One record of the answer section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whose record it is, lower-cased.
    pub name: NameBuf,
    /// One of [`qtype`], or any other.
    pub rtype: u16,
    /// [`CLASS_IN`] as a rule.
    pub class: u16,
    /// Seconds. A value with the top bit set counts as 0 (RFC 2181 §8).
    pub ttl: u32,
    /// What it says.
    pub rdata: Rdata<'a>,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rdata<'a> {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that this one stands for.
    Cname(NameBuf),
    /// SVCB or HTTPS (RFC 9460 §2.2).
    Https {
        /// 0 in AliasMode.
        priority: u16,
        /// Where to go; the root means the owner itself in ServiceMode, nowhere in AliasMode.
        target: NameBuf,
        /// Empty in AliasMode.
        params: SvcParams<'a>,
    },
    /// Any other type, or another class than IN; the bytes as they stand.
    Other(&'a [u8]),
}

impl<'a> Response<'a> {
    /// Reads header and question.
    ///
    /// # Errors
    /// [`DnsError::Direction`] for a query, [`DnsError::Malformed`] for more than one question or a
    /// broken name, [`DnsError::Truncated`] where the bytes end too early.
    pub fn parse(message: &'a [u8]) -> Result<Self, DnsError> {
        if message.len() < HEADER {
            return Err(DnsError::Truncated);
        }
        let flags = u16_at(message, 2)?;
        if flags & QR == 0 {
            return Err(DnsError::Direction);
        }
        let questions = u16_at(message, 4)?;
        let body = match questions {
            0 => HEADER,
            1 => name::skip(message, HEADER)? + 4,
            _ => return Err(DnsError::Malformed),
        };
        if body > message.len() {
            return Err(DnsError::Truncated);
        }
        Ok(Self { message, flags, questions, answers: u16_at(message, 6)?, body })
    }

    /// The id of the query that it answers.
    pub fn id(&self) -> u16 {
        super::id(self.message).unwrap_or_default()
    }

    /// One of [`mod@super::rcode`], or any other up to 15.
    pub fn rcode(&self) -> u8 {
        (self.flags & RCODE) as u8
    }

    /// TC: the answer has to be fetched over TCP.
    pub fn truncated(&self) -> bool {
        self.flags & TC != 0
    }

    /// What it says it was asked; `None` where it does not say or the name is broken.
    pub fn question(&self) -> Option<Question> {
        if self.questions == 0 {
            return None;
        }
        Some(Question {
            name: name::read(self.message, HEADER).ok()?,
            qtype: u16_at(self.message, self.body - 4).ok()?,
            qclass: u16_at(self.message, self.body - 2).ok()?,
        })
    }

    /// Whether it answers this question of class IN. Letter case does not count.
    pub fn answers(&self, name: &str, qtype: u16) -> bool {
        self.question().is_some_and(|q| {
            q.qtype == qtype && q.qclass == CLASS_IN && q.name.eq_ignore_ascii_case(name)
        })
    }

    /// The answer section in order. After a frame that cannot be read it ends; a record whose
    /// content cannot be read is an error of its own, and the next one follows.
    pub fn records(&self) -> Records<'a> {
        Records { raw: self.raw() }
    }

    fn raw(&self) -> RawRecords<'a> {
        RawRecords { message: self.message, at: self.body, left: self.answers }
    }
}

/// Frames of records, ANCOUNT at most, up to the first that is broken.
#[derive(Clone, Debug)]
struct RawRecords<'a> {
    message: &'a [u8],
    at: usize,
    left: u16,
}

impl Iterator for RawRecords<'_> {
    type Item = Result<RawRecord, DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = raw_record(self.message, self.at);
        match &record {
            Ok(record) => self.at = record.end,
            Err(_) => self.left = 0,
        }
        Some(record)
    }
}

/// The answer section of a [`Response`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    raw: RawRecords<'a>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.raw.message;
        Some(self.raw.next()?.and_then(|raw| {
            Ok(Record {
                name: name::read(message, raw.name)?,
                rtype: raw.rtype,
                class: raw.class,
                ttl: lifetime(&raw),
                rdata: rdata(message, &raw)?,
            })
        }))
    }
}

fn lifetime(raw: &RawRecord) -> u32 {
    if raw.ttl & 0x8000_0000 == 0 { raw.ttl } else { 0 }
}

fn rdata<'a>(message: &'a [u8], raw: &RawRecord) -> Result<Rdata<'a>, DnsError> {
    let bytes = message.get(raw.rdata..raw.end).ok_or(DnsError::Truncated)?;
    if raw.class != CLASS_IN {
        return Ok(Rdata::Other(bytes));
    }
    Ok(match raw.rtype {
        qtype::A => Rdata::A(<[u8; 4]>::try_from(bytes).map_err(|_| DnsError::Malformed)?.into()),
        qtype::AAAA => {
            Rdata::Aaaa(<[u8; 16]>::try_from(bytes).map_err(|_| DnsError::Malformed)?.into())
        }
        qtype::CNAME => {
            if name::skip(message, raw.rdata)? != raw.end {
                return Err(DnsError::Malformed);
            }
            Rdata::Cname(name::read(message, raw.rdata)?)
        }
        qtype::SVCB | qtype::HTTPS => {
            let target = raw.rdata + 2;
            let params = name::skip(message, target)?;
            Rdata::Https {
                priority: u16_at(bytes, 0)?,
                target: name::read(message, target)?,
                params: SvcParams(message.get(params..raw.end).ok_or(DnsError::Malformed)?),
            }
        }
        _ => Rdata::Other(bytes),
    })
}

/// The parameters of a service binding in order; ends with the first that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvcParams<'a>(&'a [u8]);

/// One parameter of a service binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvcParam<'a> {
    /// Its number (RFC 9460 §14.3.2).
    pub key: u16,
    /// Its value as it stands.
    pub value: &'a [u8],
}

impl SvcParam<'_> {
    /// Protocols, each with its length before it (RFC 9460 §7.1).
    pub const ALPN: u16 = 1;
    /// IPv4 addresses (RFC 9460 §7.3).
    pub const IPV4HINT: u16 = 4;
    /// The key of an encrypted ClientHello (RFC 9848 §3).
    pub const ECH: u16 = 5;
    /// IPv6 addresses (RFC 9460 §7.3).
    pub const IPV6HINT: u16 = 6;

    /// The addresses that a hint holds; none for another key. Bytes left over are not read.
    pub fn hints(self) -> impl Iterator<Item = IpAddr> {
        let (v4, v6): (&[u8], &[u8]) = match self.key {
            Self::IPV4HINT => (self.value, &[]),
            Self::IPV6HINT => (&[], self.value),
            _ => (&[], &[]),
        };
        let v4 = v4.as_chunks::<4>().0.iter().map(|&octets| IpAddr::from(octets));
        v4.chain(v6.as_chunks::<16>().0.iter().map(|&octets| IpAddr::from(octets)))
    }
}

impl<'a> Iterator for SvcParams<'a> {
    type Item = SvcParam<'a>;

    fn next(&mut self) -> Option<SvcParam<'a>> {
        let key = u16_at(self.0, 0).ok()?;
        let end = 4 + usize::from(u16_at(self.0, 2).ok()?);
        let value = self.0.get(4..end)?;
        self.0 = self.0.get(end..)?;
        Some(SvcParam { key, value })
    }
}

/// Aliases looked at in one message: four times the longest chain. A resolver sends no others than
/// those of the chain.
const EDGES: usize = 4 * limits::CNAME_CHAIN;

/// A record that says that one name stands for another: where both names are in the message.
#[derive(Clone, Copy, Default)]
struct Edge {
    owner: usize,
    target: usize,
    ttl: u32,
}

impl Edge {
    fn of(message: &[u8], raw: &RawRecord) -> Option<Self> {
        let target = match raw.rtype {
            _ if raw.class != CLASS_IN => return None,
            qtype::CNAME if name::skip(message, raw.rdata).ok()? == raw.end => raw.rdata,
            // The target of a binding comes after its priority.
            qtype::SVCB | qtype::HTTPS if name::skip(message, raw.rdata + 2).ok()? <= raw.end => {
                raw.rdata + 2
            }
            _ => return None,
        };
        Some(Self { owner: raw.name, target, ttl: lifetime(raw) })
    }
}

/// The asked name and the names that it turns out to stand for.
struct Chain {
    names: [NameBuf; limits::CNAME_CHAIN + 1],
    len: usize,
    /// Least TTL of the aliases.
    ttl: u32,
}

impl Chain {
    fn names(&self) -> &[NameBuf] {
        self.names.get(..self.len).unwrap_or_default()
    }

    fn holds(&self, name: &NameBuf) -> bool {
        self.names().contains(name)
    }

    /// Adds a name, once, while there is room.
    fn add(&mut self, name: NameBuf, ttl: u32) {
        if self.holds(&name) {
            return;
        }
        let Some(place) = self.names.get_mut(self.len) else { return };
        *place = name;
        self.len += 1;
        self.ttl = self.ttl.min(ttl);
    }

    /// Follows aliases from `asked`, in whatever order they stand. Each name is added once, so a
    /// loop ends; names and edges are bounded.
    fn follow(response: &Response<'_>, asked: &str) -> Option<Self> {
        let message = response.message;
        let mut chain = Self {
            names: [const { NameBuf::new() }; limits::CNAME_CHAIN + 1],
            len: 0,
            ttl: u32::MAX,
        };
        chain.add(asked.parse().ok()?, u32::MAX);
        let mut edges = [Edge::default(); EDGES];
        let found = response.raw().flatten().filter_map(|raw| Edge::of(message, &raw));
        let count = edges.iter_mut().zip(found).map(|(place, edge)| *place = edge).count();
        let mut step = 0;
        while let Some(owner) = chain.names().get(step).cloned() {
            for edge in edges.iter().take(count) {
                if name::read(message, edge.owner).is_ok_and(|name| name == owner)
                    && let Ok(target) = name::read(message, edge.target)
                    && !target.is_empty()
                {
                    chain.add(target, edge.ttl);
                }
            }
            step += 1;
        }
        Some(chain)
    }
}

/// Calls `each` with the names that `asked` leads to: along the CNAME chain in its order, then the
/// targets of service bindings. `asked` itself is not among them, and no name comes twice; at most
/// [`limits::CNAME_CHAIN`] names come.
pub fn aliases(response: &Response<'_>, asked: &str, each: &mut dyn FnMut(&str)) {
    let Some(chain) = Chain::follow(response, asked) else { return };
    chain.names().iter().skip(1).for_each(|name| each(name));
}

/// Calls `each` with every address that `asked` leads to, and for how many seconds: the least TTL
/// on the way. Hints in service bindings count as addresses, for clients use them so.
pub fn addresses(response: &Response<'_>, asked: &str, each: &mut dyn FnMut(IpAddr, u32)) {
    let Some(chain) = Chain::follow(response, asked) else { return };
    for raw in response.raw().flatten() {
        let Ok(data) = rdata(response.message, &raw) else { continue };
        if matches!(data, Rdata::Cname(_) | Rdata::Other(_))
            || !name::read(response.message, raw.name).is_ok_and(|name| chain.holds(&name))
        {
            continue;
        }
        let ttl = lifetime(&raw).min(chain.ttl);
        match data {
            Rdata::A(addr) => each(addr.into(), ttl),
            Rdata::Aaaa(addr) => each(addr.into(), ttl),
            Rdata::Https { params, .. } => {
                params.flat_map(SvcParam::hints).for_each(|addr| each(addr, ttl));
            }
            Rdata::Cname(_) | Rdata::Other(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{message, sample};
    use super::*;

    fn aliases_of(message: &[u8], asked: &str) -> Vec<String> {
        let mut names = Vec::new();
        let response = Response::parse(message).unwrap();
        aliases(&response, asked, &mut |name| names.push(name.to_owned()));
        names
    }

    fn addresses_of(message: &[u8], asked: &str) -> Vec<(String, u32)> {
        let mut found = Vec::new();
        let response = Response::parse(message).unwrap();
        addresses(&response, asked, &mut |addr, ttl| found.push((addr.to_string(), ttl)));
        found
    }

    /// A CNAME record from one letter to another.
    fn alias(from: u8, to: u8) -> Vec<u8> {
        [&[1, from, 0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3][..], &[1, to, 0]].concat()
    }

    fn answer(records: &[Vec<u8>]) -> Vec<u8> {
        message(QR, [0, records.len() as u16, 0, 0], &records.concat())
    }

    #[test]
    fn a_chain_is_followed_in_any_order_of_records() {
        let bytes = sample("answer-chain");
        let response = Response::parse(&bytes).unwrap();
        assert_eq!((response.id(), response.rcode(), response.truncated()), (0x4242, 0, false));
        assert_eq!(response.records().filter(Result::is_ok).count(), 6);
        let chain = ["shop.example", "tracker.example", "edge.cdn.example"];
        assert_eq!(aliases_of(&bytes, "www.shop.example"), chain);
        assert_eq!(aliases_of(&bytes, "Shop.Example."), chain[1..]);
        assert_eq!(aliases_of(&bytes, "stranger.example"), [""; 0]);
        assert_eq!(aliases_of(&bytes, "not a name"), [""; 0]);
        let found = addresses_of(&bytes, "www.shop.example");
        assert_eq!(found, [("192.0.2.11".to_owned(), 20), ("192.0.2.10".to_owned(), 20)]);
        assert_eq!(addresses_of(&bytes, "stranger.example"), [("192.0.2.99".to_owned(), 10)]);
    }

    #[test]
    fn the_question_is_matched_without_case() {
        let bytes = sample("answer-a");
        let response = Response::parse(&bytes).unwrap();
        assert!(response.answers("tracking.miui.example", qtype::A));
        assert!(response.answers("TRACKING.miui.example", qtype::A));
        assert!(!response.answers("tracking.miui.example", qtype::AAAA));
        assert!(!response.answers("miui.example", qtype::A));
        let empty = message(QR | 2, [0; 4], b"");
        let response = Response::parse(&empty).unwrap();
        assert_eq!((response.rcode(), response.question()), (2, None));
        assert!(!response.answers("", qtype::A));
    }

    #[test]
    fn service_bindings_are_read() {
        let bytes = sample("answer-https");
        let records: Vec<_> =
            Response::parse(&bytes).unwrap().records().collect::<Result<_, _>>().unwrap();
        let Rdata::Https { priority: 2, ref target, .. } = records[0].rdata else { panic!() };
        assert_eq!(target, "backup.example");
        let Rdata::Https { priority: 1, ref target, params } = records[1].rdata else { panic!() };
        assert_eq!(target, "");
        let keys: Vec<u16> = params.map(|p| p.key).collect();
        let known = [SvcParam::ALPN, SvcParam::IPV4HINT, SvcParam::ECH, SvcParam::IPV6HINT];
        assert_eq!(keys, known);
        assert_eq!(aliases_of(&bytes, "shop.example"), ["backup.example"]);
        let found: Vec<_> = addresses_of(&bytes, "shop.example");
        let hints = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|a| (a.to_owned(), 300));
        assert_eq!(found, hints);
        let bytes = sample("answer-https-alias");
        assert_eq!(aliases_of(&bytes, "shop.example"), ["pool.example"]);
        assert_eq!(addresses_of(&bytes, "shop.example"), [("192.0.2.3".to_owned(), 60)]);
    }

    #[test]
    fn odd_names_and_absent_ones_are_read() {
        let bytes = sample("answer-odd-name");
        let record = Response::parse(&bytes).unwrap().records().next().unwrap().unwrap();
        assert_eq!(record.name, *"a\\046b\\092c.\\000\\255\\032d.example");
        assert_eq!(record.rdata, Rdata::Other(b"\x03v=1"));
        let bytes = sample("answer-nxdomain");
        let response = Response::parse(&bytes).unwrap();
        assert_eq!((response.rcode(), response.records().count()), (3, 0));
    }

    #[test]
    fn loops_of_aliases_end() {
        let one = answer(&[alias(b'a', b'a')]);
        assert_eq!(aliases_of(&one, "a"), [""; 0]);
        let two = answer(&[alias(b'b', b'a'), alias(b'a', b'b')]);
        assert_eq!(aliases_of(&two, "a"), ["b"]);
        let tail = answer(&[alias(b'c', b'b'), alias(b'b', b'c'), alias(b'a', b'b')]);
        assert_eq!(aliases_of(&tail, "a"), ["b", "c"]);
    }

    #[test]
    fn a_chain_is_followed_for_sixteen_steps() {
        let records: Vec<_> = (b'a'..=b'y').rev().map(|from| alias(from, from + 1)).collect();
        let names = aliases_of(&answer(&records), "a");
        assert_eq!(names.len(), limits::CNAME_CHAIN);
        assert_eq!(names.last().unwrap(), "q");
    }

    #[test]
    fn broken_content_is_an_error_and_the_next_record_follows() {
        let mut long = alias(b'a', b'b');
        long[12] = 4;
        long.push(0);
        let short = b"\x01a\x00\x00\x01\x00\x01\x80\x00\x00\x00\x00\x03\x01\x02\x03".to_vec();
        let good = b"\x01a\x00\x00\x01\x00\x01\x80\x00\x00\x09\x00\x04\x01\x02\x03\x04".to_vec();
        let bytes = answer(&[long, short, good]);
        let records: Vec<_> = Response::parse(&bytes).unwrap().records().collect();
        assert_eq!(records[0], Err(DnsError::Malformed));
        assert_eq!(records[1], Err(DnsError::Malformed));
        assert_eq!(records[2].as_ref().unwrap().ttl, 0);
        assert_eq!(addresses_of(&bytes, "a"), [("1.2.3.4".to_owned(), 0)]);
        assert_eq!(aliases_of(&bytes, "a"), [""; 0]);
    }

    #[test]
    fn records_are_bounded_by_the_count_and_the_message() {
        let mut bytes = answer(&[alias(b'a', b'b'), alias(b'b', b'c')]);
        bytes[7] = 1;
        assert_eq!(Response::parse(&bytes).unwrap().records().count(), 1);
        bytes[6..8].copy_from_slice(&[0xff, 0xff]);
        let records: Vec<_> = Response::parse(&bytes).unwrap().records().collect();
        assert_eq!(records.len(), 3);
        assert_eq!(records[2], Err(DnsError::Truncated));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let error = |bytes: &[u8]| Response::parse(bytes).err();
        assert_eq!(error(&sample("query-edns-a")), Some(DnsError::Direction));
        assert_eq!(error(&message(QR, [2, 0, 0, 0], &[0; 64])), Some(DnsError::Malformed));
        assert_eq!(
            error(&message(QR, [1, 0, 0, 0], b"\x00\x00\x01\x00")),
            Some(DnsError::Truncated)
        );
        assert_eq!(error(&message(QR, [1, 0, 0, 0], b"\x40")), Some(DnsError::Malformed));
        assert_eq!(error(&[0; 11]), Some(DnsError::Truncated));
    }

    #[test]
    fn other_classes_are_not_addresses() {
        let record = b"\x01a\x00\x00\x01\x00\x03\x00\x00\x00\x09\x00\x04\x01\x02\x03\x04".to_vec();
        assert_eq!(addresses_of(&answer(&[record]), "a"), []);
    }
}
