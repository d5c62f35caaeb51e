//! Who runs an address, and in which country: a table that is read where it lies.
//!
//! This module never asks anybody and never reads a file. `scripts/update-lists` makes the table;
//! whatever its bytes say, a look-up stays within them.
//!
//! Little-endian, sections without gaps:
//!
//! | section | content |
//! |---|---|
//! | head | `MUZSERV` and the version u8 |
//! | sizes | u32 each: the data's date as 20260617; countries, operators, bytes of names, pairs; of each list its blocks and its bytes |
//! | countries | two letters each (ISO 3166) |
//! | operators | number u32 of each network; then the end u32 of each name |
//! | names | UTF-8 |
//! | pairs | u16 place of a country, u16 place of an operator |
//! | lists | pairs by IPv4 address, countries by IPv6 address, operators by IPv6 address |
//!
//! A list says where its value changes, in groups of addresses: 24 bits of IPv4, 32 of IPv6 for
//! countries and 48 for operators. It has the first group of each block (u32, for IPv6 u64), the
//! offset u32 of each block, and the blocks: the first value (LEB128), then up to 15 changes. A
//! change is a byte, the distance from the one before above and below how many changes ago its value
//! stood there; where one of them is 0, the distance less 16, or the value, follows as LEB128. A
//! value is a place in its section, from 1; 0 is none. Where both change at nearly the same places,
//! as in IPv4, pairs take less room and half the time of two lists.

use crate::event::Server;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"MUZSERV\x02";
const NUMBERS: usize = 11;
/// Changes of one block, its first value among them.
const BLOCK: usize = 16;
/// A distance, or a change before, that fits four bits.
const NEAR: u64 = 15;

/// Bytes that are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no table of servers of this version of Muzzle")]
pub struct NoTable;

/// What is known of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// ISO 3166 code.
    pub country: Option<&'a str>,
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// The network's operator.
    pub operator: Option<&'a str>,
}

/// Where one list lies.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    at: usize,
    end: usize,
    blocks: usize,
    /// Bytes of a group's number.
    width: usize,
}

type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

struct Table {
    bytes: Bytes,
    date: u32,
    countries: Range<usize>,
    operators: usize,
    networks_at: usize,
    names: Range<usize>,
    pairs: Range<usize>,
    lists: [List; 3],
}

/// The table, or none. Cheap to clone.
#[derive(Clone, Default)]
pub struct Servers(Option<Arc<Table>>);

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Servers").field(&self.date()).finish()
    }
}

impl PartialEq for Servers {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() == other.is_none(),
        }
    }
}

impl Eq for Servers {}

impl Servers {
    /// The table of `signatures/`. The library for Android has none inside: there it is a file.
    pub fn builtin() -> Self {
        #[cfg(any(feature = "cli", test))]
        {
            let bytes: &'static [u8] = include_bytes!("../../signatures/servers.bin");
            Self::open(Arc::new(bytes)).unwrap_or_default()
        }
        #[cfg(not(any(feature = "cli", test)))]
        Self::default()
    }

    /// A table in these bytes.
    pub fn open(bytes: Bytes) -> Result<Self, NoTable> {
        let table = Table::open(bytes).ok_or(NoTable)?;
        Ok(Self(Some(Arc::new(table))))
    }

    /// The day of the data, as 20260617.
    pub fn date(&self) -> Option<u32> {
        self.0.as_ref().map(|table| table.date)
    }

    /// What is known of an address. Allocates nothing.
    pub fn lookup(&self, addr: IpAddr) -> Facts<'_> {
        self.0.as_deref().map(|table| table.lookup(addr)).unwrap_or_default()
    }

    /// Adds what is known of a server, where nothing stands there yet.
    pub fn complete(&self, server: &mut Server) {
        if server.country.is_some() || server.asn.is_some() || server.operator.is_some() {
            return;
        }
        let Facts { country, asn, operator } = self.lookup(server.addr);
        server.country = country.map(str::to_owned);
        server.asn = asn;
        server.operator = operator.map(str::to_owned);
    }
}

impl Table {
    fn open(bytes: Bytes) -> Option<Self> {
        let all = (*bytes).as_ref();
        let head = all.strip_prefix(MAGIC)?;
        let mut numbers = [0; NUMBERS];
        for (place, number) in numbers.iter_mut().enumerate() {
            *number = u32_at(head, place * 4)? as usize;
        }
        let [date, countries, operators, names, pairs, sizes @ ..] = numbers;
        let mut at = MAGIC.len() + NUMBERS * 4;
        let mut section = |size: usize| {
            let begin = at;
            at = at.checked_add(size)?;
            Some(begin..at)
        };
        let countries = section(countries.checked_mul(2)?)?;
        let networks = section(operators.checked_mul(8)?)?;
        let names = section(names)?;
        let pairs = section(pairs.checked_mul(4)?)?;
        let mut lists = [List::default(); 3];
        for (list, (size, width)) in lists.iter_mut().zip(sizes.chunks_exact(2).zip([4, 8, 8])) {
            let &[blocks, bytes] = size else { return None };
            let place = section(bytes)?;
            *list = List { at: place.start, end: place.end, blocks, width };
        }
        let date = u32::try_from(date).ok()?;
        let whole = at == all.len();
        let networks_at = networks.start;
        let table = Self { bytes, date, countries, operators, networks_at, names, pairs, lists };
        whole.then_some(table)
    }

    fn lookup(&self, addr: IpAddr) -> Facts<'_> {
        let bytes = (*self.bytes).as_ref();
        let [both4, country6, operator6] = &self.lists;
        let (country, operator) = match addr.to_canonical() {
            IpAddr::V4(v4) => {
                let place = both4.value(bytes, u64::from(v4.to_bits() >> 8));
                place.and_then(|place| self.pair(bytes, place)).unzip()
            }
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                let group = |length: u32| (bits >> (128 - length)) as u64;
                (country6.value(bytes, group(32)), operator6.value(bytes, group(48)))
            }
        };
        let country = country.and_then(|place| self.country(bytes, place));
        let operator = operator.and_then(|place| self.operator(bytes, place));
        let (asn, operator) = operator.unzip();
        Facts { country, asn, operator }
    }

    fn pair(&self, bytes: &[u8], value: usize) -> Option<(usize, usize)> {
        let at = value.checked_sub(1)?.checked_mul(4)?;
        let both = u32_at(bytes.get(self.pairs.clone())?, at)?;
        Some(((both & 0xffff) as usize, (both >> 16) as usize))
    }

    fn country<'a>(&self, bytes: &'a [u8], value: usize) -> Option<&'a str> {
        let at = value.checked_sub(1)?.checked_mul(2)?;
        let code = bytes.get(self.countries.clone())?.get(at..at.checked_add(2)?)?;
        std::str::from_utf8(code).ok()
    }

    fn operator<'a>(&self, bytes: &'a [u8], value: usize) -> Option<(u32, &'a str)> {
        let place = value.checked_sub(1).filter(|place| *place < self.operators)?;
        let end = |place: usize| u32_at(bytes, self.networks_at + (self.operators + place) * 4);
        let begin = place.checked_sub(1).map_or(Some(0), end)?;
        let name = bytes.get(self.names.clone())?.get(begin as usize..end(place)? as usize)?;
        Some((u32_at(bytes, self.networks_at + place * 4)?, std::str::from_utf8(name).ok()?))
    }
}

impl List {
    /// The value at a group; none where the list has none, or is damaged.
    fn value(&self, bytes: &[u8], group: u64) -> Option<usize> {
        let list = bytes.get(self.at..self.end)?;
        let starts = list.get(..self.blocks.checked_mul(self.width)?)?;
        // No branch depends on what is found, for none could be foreseen.
        let (mut block, mut left) = (0, self.blocks);
        while left > 1 {
            let half = left / 2;
            block += usize::from(self.start(starts, block + half)? <= group) * half;
            left -= half;
        }
        if left == 0 || self.start(starts, block)? > group {
            return None;
        }
        let offset = |block: usize| u32_at(list, starts.len() + block * 4);
        let entries = list.get(starts.len() + self.blocks * 4..)?;
        let next = block + 1;
        let end = if next < self.blocks { offset(next)? as usize } else { entries.len() };
        let entries = entries.get(offset(block)? as usize..end)?;
        let value = walk(entries, self.start(starts, block)?, group)?;
        usize::try_from(value).ok()
    }

    fn start(&self, starts: &[u8], block: usize) -> Option<u64> {
        let at = block * self.width;
        match self.width {
            4 => u32_at(starts, at).map(u64::from),
            _ => Some(u64::from_le_bytes(*starts.get(at..)?.first_chunk()?)),
        }
    }
}

/// The last value of a block that begins at or before `group`.
fn walk(mut entries: &[u8], start: u64, group: u64) -> Option<u64> {
    let mut values = [0; BLOCK];
    let mut at = start;
    *values.first_mut()? = number(&mut entries)?;
    let mut place = 0;
    while let Some((token, rest)) = entries.split_first() {
        entries = rest;
        let (distance, near) = (u64::from(token >> 4), usize::from(token & 15));
        let distance = match distance {
            0 => number(&mut entries)?.checked_add(NEAR + 1)?,
            near => near,
        };
        at = at.checked_add(distance)?;
        if at > group {
            break;
        }
        let value = match near {
            0 => number(&mut entries)?,
            near => *values.get((place + 1_usize).checked_sub(near)?)?,
        };
        place += 1;
        *values.get_mut(place)? = value;
    }
    values.get(place).copied()
}

/// LEB128 of up to 63 bits.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(value);
        }
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(servers: &'a Servers, addr: &str) -> Facts<'a> {
        servers.lookup(addr.parse().unwrap())
    }

    #[test]
    fn alibaba_in_singapore_is_told_by_its_addresses() {
        let servers = Servers::builtin();
        assert_eq!(servers.date(), Some(20_260_617));
        for addr in ["8.214.160.1", "161.117.0.1"] {
            let found = facts(&servers, addr);
            assert_eq!(found.country, Some("SG"), "{addr}");
            assert!(found.operator.unwrap().contains("Alibaba"), "{found:?}");
            assert!(matches!(found.asn, Some(45_102 | 134_963)), "{found:?}");
        }
    }

    #[test]
    fn known_networks_of_both_families_are_told() {
        let servers = Servers::builtin();
        for (addr, asn, operator) in [
            ("8.8.8.8", 15_169, "Google"),
            ("::ffff:8.8.8.8", 15_169, "Google"),
            ("1.1.1.1", 13_335, "Cloudflare"),
            ("223.5.5.5", 45_102, "Alibaba"),
            ("77.88.8.8", 13_238, "YANDEX"),
            ("2001:4860:4860::8888", 15_169, "Google"),
            ("2606:4700:4700::1111", 13_335, "Cloudflare"),
        ] {
            let found = facts(&servers, addr);
            assert_eq!(found.asn, Some(asn), "{addr}: {found:?}");
            assert!(found.operator.unwrap().contains(operator), "{addr}: {found:?}");
            assert_eq!(found.country.map(str::len), Some(2), "{addr}: {found:?}");
        }
    }

    #[test]
    fn addresses_that_are_nobodys_have_no_facts() {
        let servers = Servers::builtin();
        for addr in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "192.168.1.1",
            "198.18.0.2",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fd00::1",
            "2001:db8::1",
            "2001::1",
            "2002:808:808::1",
            "ff02::1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert_eq!(facts(&servers, addr), Facts::default(), "{addr}");
        }
        assert_eq!(facts(&Servers::default(), "8.8.8.8"), Facts::default());
    }

    #[test]
    fn what_a_server_says_of_itself_stays() {
        let mut server = Server {
            addr: "8.8.8.8".parse().unwrap(),
            port: 443,
            country: None,
            asn: None,
            operator: None,
        };
        Servers::builtin().complete(&mut server);
        assert_eq!(server.asn, Some(15_169));
        server.asn = Some(1);
        Servers::builtin().complete(&mut server);
        assert_eq!(server.asn, Some(1));
    }

    #[test]
    fn damaged_bytes_are_refused_or_give_an_answer_within_them() {
        let whole: &[u8] = include_bytes!("../../signatures/servers.bin");
        for length in [0, 1, 7, 8, 20, 55, 56, 1000, whole.len() - 1] {
            assert_eq!(Servers::open(Arc::new(&whole[..length])).err(), Some(NoTable), "{length}");
        }
        let mut dice = 7_u64;
        for _ in 0..200 {
            let mut bytes = whole.to_vec();
            for _ in 0..2000 {
                dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                let at = (dice >> 20) as usize % (bytes.len() - 56) + 56;
                bytes[at] = (dice >> 56) as u8;
            }
            let servers = Servers::open(Arc::new(bytes)).unwrap();
            for _ in 0..20 {
                dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                servers.lookup(IpAddr::from(((dice >> 32) as u32).to_be_bytes()));
                servers.lookup(IpAddr::from((u128::from(dice) << 62 | 1 << 125).to_be_bytes()));
            }
        }
    }
}
