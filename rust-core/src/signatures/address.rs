//! Addresses and groups of addresses in lists.
//!
//! This module never asks who has an address; it turns text into a [`Prefix`] and says which
//! addresses one covers.

use std::net::IpAddr;

/// Fewest leading bits of a group in a list. A shorter prefix would be a mistake: it would hold a
/// large part of the internet.
const SHORTEST: [u8; 2] = [8, 16];

/// Addresses that share their first bits. IPv4 lies inside IPv6, at ::ffff:0:0/96.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// How many bits, 1 to 128.
    pub(crate) length: u8,
    /// The bits, zeros after them.
    pub(crate) bits: u128,
}

impl Prefix {
    /// Reads `203.0.113.9`, `203.0.113.0/24`, `2001:db8::9` or `2001:db8::/32`, spelt as usual
    /// (RFC 5952) and without a bit behind the prefix.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, given) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let addr: IpAddr = address.parse().ok()?;
        let (width, shortest) = if addr.is_ipv4() { (32, SHORTEST[0]) } else { (128, SHORTEST[1]) };
        let length = match given {
            Some(digits) => digits.parse().ok().filter(|n: &u8| n.to_string() == digits)?,
            None => width,
        };
        let mapped = matches!(addr, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if mapped || addr.to_string() != address || !(shortest..=width).contains(&length) {
            return None;
        }
        let prefix = Self { length: 128 - width + length, bits: bits(addr) };
        (prefix.bits & !mask(prefix.length) == 0).then_some(prefix)
    }
}

/// An address as a number.
pub(crate) fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The first bits set; `length` from 1 to 128.
pub(crate) fn mask(length: u8) -> u128 {
    u128::MAX << (128 - u32::from(length.clamp(1, 128)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_groups_are_read() {
        for (text, length, first) in [
            ("203.0.113.9", 128, "203.0.113.9"),
            ("203.0.113.0/24", 120, "203.0.113.0"),
            ("10.0.0.0/8", 104, "10.0.0.0"),
            ("2001:db8::9", 128, "2001:db8::9"),
            ("2001:db8::/32", 32, "2001:db8::"),
        ] {
            let expected = Prefix { length, bits: bits(first.parse().unwrap()) };
            assert_eq!(Prefix::parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_spelt_otherwise_or_holds_too_much_is_none() {
        for text in [
            "",
            "203.0.113",
            "203.0.113.9/24",
            "203.0.113.0/33",
            "203.0.113.0/024",
            "0.0.0.0/0",
            "8.0.0.0/7",
            "2001:DB8::9",
            "2001:0db8::9",
            "2001:db8::9/32",
            "::/0",
            "2000::/3",
            "::ffff:203.0.113.9",
            "203.0.113.0/",
            "203.0.113.0/+8",
            "example.com",
        ] {
            assert_eq!(Prefix::parse(text), None, "{text}");
        }
    }
}
