//! Fake addresses: each listed name gets one of IPv4 and one of IPv6, so that a flow to it tells
//! the name whoever asked for it.
//!
//! Never decides a verdict and never resolves: it only remembers. A name's address follows from
//! the name, so that it is most likely the same after a restart, when apps still hold old answers.

use crate::limits::{FAKE_HOLD, FAKE_NAMES, REAL_ADDRESSES};
use hashbrown::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Our end of the TUN, IPv4; the prefix is 198.18.0.0/15 (RFC 2544, not routed anywhere).
pub const TUN_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The virtual resolver, IPv4.
pub const RESOLVER_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Prefix length of the fake IPv4 addresses.
pub const PREFIX_V4: u8 = 15;
/// Our end of the TUN, IPv6; the prefix is of RFC 4193, its global id spells "muzzl".
pub const TUN_V6: Ipv6Addr = Ipv6Addr::new(0xfd6d, 0x757a, 0x7a6c, 0, 0, 0, 0, 1);
/// The virtual resolver, IPv6.
pub const RESOLVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd6d, 0x757a, 0x7a6c, 0, 0, 0, 0, 2);
/// Prefix length of the fake IPv6 addresses.
pub const PREFIX_V6: u8 = 48;

const FIRST_V4: u32 = 0xc612_0100; // 198.18.1.0: the 256 before it are our own
const SLOTS: u32 = (1 << 17) - 256;
const FIRST_V6: u128 = 0xfd6d_757a_7a6c_0001 << 64;

/// The place of a name in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

/// Every place is held by a name that is still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fake address is free")]
pub struct PoolFull;

/// A name with a fake address.
#[derive(Debug)]
pub struct Entry {
    /// The name that was asked for.
    pub name: Arc<str>,
    /// The name that a rule speaks about: `name` itself, or an alias on its CNAME chain.
    pub listed: Arc<str>,
    flows: u32,
    held_until_us: i64,
    real: Vec<IpAddr>,
    real_until_us: i64,
}

impl Entry {
    /// Real addresses, while they are fresh.
    pub fn real(&self, now_us: i64) -> Option<&[IpAddr]> {
        (now_us < self.real_until_us && !self.real.is_empty()).then_some(&self.real)
    }
}

/// Names and their fake addresses, both ways.
#[derive(Debug, Default)]
pub struct FakePool {
    slots: HashMap<Slot, Entry>,
    by_name: HashMap<Arc<str>, Slot>,
    /// When full: the earliest moment at which another look for a free place can succeed.
    full_until_us: i64,
}

impl FakePool {
    /// Names that hold an address.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no name holds an address.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The name's place, which is its own from now for [`FAKE_HOLD`] and while a flow lives.
    /// `name` and `listed` are lower case, without a trailing dot.
    pub fn assign(&mut self, now_us: i64, name: &str, listed: &str) -> Result<Slot, PoolFull> {
        let held_until_us = now_us + FAKE_HOLD.as_micros() as i64;
        if let Some(&slot) = self.by_name.get(name) {
            if let Some(entry) = self.slots.get_mut(&slot) {
                entry.held_until_us = held_until_us;
                if *entry.listed != *listed {
                    entry.listed = listed.into();
                }
            }
            return Ok(slot);
        }
        if self.slots.len() >= FAKE_NAMES {
            self.make_room(now_us)?;
        }
        let slot = self.free_slot(name);
        let shared: Arc<str> = name.into();
        let listed = if name == listed { Arc::clone(&shared) } else { listed.into() };
        self.by_name.insert(Arc::clone(&shared), slot);
        let entry = Entry {
            name: shared,
            listed,
            flows: 0,
            held_until_us,
            real: Vec::new(),
            real_until_us: 0,
        };
        self.slots.insert(slot, entry);
        Ok(slot)
    }

    /// First free place from the one that the name's hash points at. There is one: places are
    /// four times as many as names.
    fn free_slot(&self, name: &str) -> Slot {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        let start = (hash % u64::from(SLOTS)) as u32;
        (0..SLOTS)
            .map(|step| Slot((start + step) % SLOTS))
            .find(|slot| !self.slots.contains_key(slot))
            .unwrap_or(Slot(start))
    }

    fn make_room(&mut self, now_us: i64) -> Result<(), PoolFull> {
        if now_us < self.full_until_us {
            return Err(PoolFull);
        }
        let by_name = &mut self.by_name;
        let mut earliest = i64::MAX;
        self.slots.retain(|_, entry| {
            let keep = entry.flows > 0 || now_us < entry.held_until_us;
            if keep {
                earliest = earliest.min(entry.held_until_us.max(now_us + 1_000_000));
            } else {
                by_name.remove(&entry.name);
            }
            keep
        });
        if self.slots.len() < FAKE_NAMES {
            return Ok(());
        }
        self.full_until_us = earliest;
        Err(PoolFull)
    }

    /// The place that a fake address stands for; `None` for other addresses and our own.
    pub fn slot(addr: IpAddr) -> Option<Slot> {
        let index = match addr {
            IpAddr::V4(a) => u32::from(a).checked_sub(FIRST_V4)?,
            IpAddr::V6(a) => u32::try_from(u128::from(a).checked_sub(FIRST_V6)?).ok()?,
        };
        (index < SLOTS).then_some(Slot(index))
    }

    /// Whether the address is of the fake prefixes, our own addresses among them.
    pub fn covers(addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(a) => u32::from(a) >> 17 == u32::from(TUN_V4) >> 17,
            IpAddr::V6(a) => a.segments()[..3] == TUN_V6.segments()[..3],
        }
    }

    /// The IPv4 address of a place.
    pub fn v4(slot: Slot) -> Ipv4Addr {
        Ipv4Addr::from(FIRST_V4 + slot.0)
    }

    /// The IPv6 address of a place.
    pub fn v6(slot: Slot) -> Ipv6Addr {
        Ipv6Addr::from(FIRST_V6 + u128::from(slot.0))
    }

    /// The name at a place.
    pub fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.slots.get(&slot)
    }

    /// A flow to the name began: its place is kept until [`FakePool::unpin`].
    pub fn pin(&mut self, slot: Slot) {
        if let Some(entry) = self.slots.get_mut(&slot) {
            entry.flows += 1;
        }
    }

    /// A flow to the name ended.
    pub fn unpin(&mut self, slot: Slot) {
        if let Some(entry) = self.slots.get_mut(&slot) {
            entry.flows = entry.flows.saturating_sub(1);
        }
    }

    /// Forgets all real addresses: another network may have others.
    pub fn forget_real(&mut self) {
        for entry in self.slots.values_mut() {
            entry.real.clear();
            entry.real_until_us = 0;
        }
    }

    /// Remembers real addresses of the name; further ones join those that are fresh.
    pub fn set_real(&mut self, slot: Slot, addresses: &[IpAddr], now_us: i64, until_us: i64) {
        let Some(entry) = self.slots.get_mut(&slot) else { return };
        if now_us >= entry.real_until_us {
            entry.real.clear();
            entry.real_until_us = until_us;
        }
        entry.real_until_us = entry.real_until_us.min(until_us);
        for addr in addresses {
            if entry.real.len() < REAL_ADDRESSES && !entry.real.contains(addr) {
                entry.real.push(*addr);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: i64 = FAKE_HOLD.as_micros() as i64;

    #[test]
    fn a_name_keeps_its_address_and_the_address_tells_the_name() {
        let mut pool = FakePool::default();
        let slot = pool.assign(0, "a.example", "a.example").unwrap();
        assert_eq!(pool.assign(5, "a.example", "a.example"), Ok(slot));
        for addr in [IpAddr::V4(FakePool::v4(slot)), IpAddr::V6(FakePool::v6(slot))] {
            assert!(FakePool::covers(addr));
            assert_eq!(FakePool::slot(addr), Some(slot));
        }
        assert_eq!(&*pool.entry(slot).unwrap().name, "a.example");
    }

    #[test]
    fn after_a_restart_the_address_is_the_same() {
        let slot = FakePool::default().assign(0, "sa.api.intl.miui.com", "x").unwrap();
        let mut other = FakePool::default();
        other.assign(9, "tracking.miui.com", "x").unwrap();
        assert_eq!(other.assign(9, "sa.api.intl.miui.com", "x"), Ok(slot));
    }

    #[test]
    fn our_own_and_foreign_addresses_are_no_places() {
        for addr in ["198.18.0.2", "198.20.0.0", "198.17.255.255", "fd6d:757a:7a6c::2", "fd00::1"] {
            assert_eq!(FakePool::slot(addr.parse().unwrap()), None, "{addr}");
        }
        assert!(FakePool::covers("198.19.255.255".parse().unwrap()));
        assert!(FakePool::slot("198.19.255.255".parse().unwrap()).is_some());
        assert!(!FakePool::covers("198.20.0.0".parse().unwrap()));
        assert!(!FakePool::covers("fd6d:757a:7a6d::1".parse().unwrap()));
    }

    fn full() -> FakePool {
        let mut pool = FakePool::default();
        for n in 0..FAKE_NAMES {
            pool.assign(0, &format!("n{n}.example"), ".example").unwrap();
        }
        pool
    }

    #[test]
    fn a_full_pool_refuses_until_a_name_is_out_of_use() {
        let mut pool = full();
        assert_eq!(pool.assign(HOLD - 1, "late.example", ".example"), Err(PoolFull));
        assert!(pool.assign(HOLD - 1, "n7.example", ".example").is_ok(), "known names go on");
        let second = 1_000_000;
        assert_eq!(
            pool.assign(HOLD, "late.example", ".example"),
            Err(PoolFull),
            "one look a second"
        );
        assert!(pool.assign(HOLD + second, "late.example", ".example").is_ok());
        assert_eq!(pool.len(), 2, "n7 and late");
    }

    #[test]
    fn a_name_with_a_live_flow_keeps_its_place() {
        let mut pool = full();
        let slot = pool.assign(0, "n7.example", ".example").unwrap();
        pool.pin(slot);
        pool.assign(2 * HOLD, "late.example", ".example").unwrap();
        assert_eq!(&*pool.entry(slot).unwrap().name, "n7.example");
        pool.unpin(slot);
        assert_eq!(pool.entry(slot).unwrap().flows, 0);
    }

    #[test]
    fn real_addresses_are_kept_while_fresh_and_bounded() {
        let mut pool = FakePool::default();
        let slot = pool.assign(0, "a.example", "a.example").unwrap();
        let many: Vec<IpAddr> = (0..20).map(|n| Ipv4Addr::new(192, 0, 2, n).into()).collect();
        pool.set_real(slot, &many[..2], 0, 100);
        pool.set_real(slot, &many[1..], 0, 50);
        let entry = pool.entry(slot).unwrap();
        assert_eq!(entry.real(49).map(<[_]>::len), Some(REAL_ADDRESSES));
        assert_eq!(entry.real(50), None);
        pool.set_real(slot, &many[..1], 60, 100);
        assert_eq!(pool.entry(slot).unwrap().real(60), Some(&many[..1]));
    }
}
