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
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one step of an iterator")]
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

    /// One of [`super::rcode`], or any other up to 15.
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
