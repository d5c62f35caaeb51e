//! DNS messages by hand: questions of apps, answers of the resolver behind us.

use muzzle::dns::{self, Rdata, Response, parse_query, qtype};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A record of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rr {
    A([u8; 4]),
    Aaaa([u8; 16]),
    Cname(String),
    Txt(Vec<u8>),
    Https(Vec<u8>),
}

impl Rr {
    pub fn v6(addr: &str) -> Self {
        Self::Aaaa(addr.parse::<std::net::Ipv6Addr>().unwrap().octets())
    }

    pub fn alias(name: &str) -> Self {
        Self::Cname(name.to_owned())
    }

    fn rtype(&self) -> u16 {
        match self {
            Self::A(_) => qtype::A,
            Self::Aaaa(_) => qtype::AAAA,
            Self::Cname(_) => qtype::CNAME,
            Self::Txt(_) => qtype::TXT,
            Self::Https(_) => qtype::HTTPS,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::A(addr) => addr.to_vec(),
            Self::Aaaa(addr) => addr.to_vec(),
            Self::Cname(name) => labels(name),
            Self::Txt(text) => {
                text.chunks(255).flat_map(|part| [&[part.len() as u8][..], part].concat()).collect()
            }
            Self::Https(raw) => raw.clone(),
        }
    }
}

pub fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

/// A question as an app's library asks it.
pub fn query(id: u16, name: &str, qtype: u16) -> Vec<u8> {
    let mut out = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    out.extend(labels(name));
    out.extend_from_slice(&qtype.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out
}

/// Answers from the table, following aliases, as a recursive resolver does.
pub fn respond(message: &[u8], zone: &BTreeMap<String, Vec<Rr>>) -> Vec<u8> {
    let asked = parse_query(message).unwrap();
    let mut records: Vec<(String, Rr)> = Vec::new();
    let mut name = asked.name.as_str().to_owned();
    for _ in 0..20 {
        let Some(here) = zone.get(&name) else { break };
        let own = here.iter().filter(|rr| rr.rtype() == asked.qtype);
        records.extend(own.map(|rr| (name.clone(), rr.clone())));
        let alias = here.iter().find_map(|rr| match rr {
            Rr::Cname(to) => Some(to.clone()),
            _ => None,
        });
        let Some(to) = alias else { break };
        records.push((name, Rr::Cname(to.clone())));
        name = to;
    }
    let known = zone.contains_key(asked.name.as_str());
    let code = if known { 0 } else { 3 };
    let mut out = [&message[..2], &[0x81, 0x80 | code, 0, 1]].concat();
    out.extend_from_slice(&(records.len() as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(asked.question());
    for (name, record) in records {
        let data = record.data();
        out.extend(labels(&name));
        out.extend_from_slice(&record.rtype().to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}

/// The same answer with nothing but its question, marked as truncated.
pub fn truncate(answer: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 600];
    let len = dns::truncate_for_udp(answer, 0, &mut out);
    let len = len.unwrap_or_else(|_| {
        let end = 12 + answer[12..].iter().position(|b| *b == 0).unwrap() + 5;
        out[..end].copy_from_slice(&answer[..end]);
        out[6..12].fill(0);
        out[2] |= 2;
        end
    });
    out.truncate(len);
    out
}

/// The first address in an answer.
pub fn first_address(message: &[u8]) -> Option<IpAddr> {
    let response = Response::parse(message).ok()?;
    response.records().flatten().find_map(|record| match record.rdata {
        Rdata::A(addr) => Some(addr.into()),
        Rdata::Aaaa(addr) => Some(addr.into()),
        _ => None,
    })
}

/// What a host says to an echo request as a datagram socket of ICMP carries it: with the type of
/// its family, and an identifier that the system has chosen.
pub fn echo_reply(request: &[u8], ipv4: bool) -> Vec<u8> {
    let (asks, answers) = if ipv4 { (8, 0) } else { (128, 129) };
    assert_eq!(request[..2], [asks, 0], "no echo request of this family");
    let mut reply = request.to_vec();
    reply[0] = answers;
    reply[4..6].copy_from_slice(&[0x5a, 0xa5]);
    reply
}
