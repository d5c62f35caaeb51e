//! Who was refused a moment ago. A datagram outlives its socket: by the time it comes here the app
//! may have closed, and the system knows no owner. A retry, or the second of two, then gets the
//! answer of the first.

use super::Now;
use crate::limits;
use crate::wire::FiveTuple;
use std::collections::VecDeque;

/// See the module. Bounded by count; what is too old is passed over.
#[derive(Default)]
pub(super) struct Refusals {
    recent: VecDeque<Refusal>,
}

struct Refusal {
    tuple: FiveTuple,
    uid: u32,
    until_us: i64,
}

impl Refusals {
    pub(super) fn remember(&mut self, now: Now, tuple: FiveTuple, uid: u32) {
        self.recent.retain(|old| old.tuple != tuple && old.until_us > now.mono_us);
        if self.recent.len() >= limits::REFUSALS {
            self.recent.pop_front();
        }
        let until_us = now.mono_us + limits::REFUSAL.as_micros() as i64;
        self.recent.push_back(Refusal { tuple, uid, until_us });
    }

    /// The owner of a flow like this one that was refused lately.
    pub(super) fn owner(&self, now: Now, tuple: &FiveTuple) -> Option<u32> {
        let same = |old: &&Refusal| old.tuple == *tuple && old.until_us > now.mono_us;
        self.recent.iter().find(same).map(|old| old.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Proto;

    fn tuple(port: u16) -> FiveTuple {
        let (src, dst) = (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 443).into());
        FiveTuple { proto: Proto::Udp, src, dst }
    }

    fn at(mono_us: i64) -> Now {
        Now { mono_us, wall_ms: 0 }
    }

    #[test]
    fn an_owner_is_remembered_for_a_while() {
        let mut refusals = Refusals::default();
        let end = limits::REFUSAL.as_micros() as i64;
        refusals.remember(at(0), tuple(1), 7);
        assert_eq!(refusals.owner(at(end - 1), &tuple(1)), Some(7));
        assert_eq!(refusals.owner(at(end - 1), &tuple(2)), None);
        assert_eq!(refusals.owner(at(end), &tuple(1)), None);
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let mut refusals = Refusals::default();
        for port in 0..=limits::REFUSALS as u16 {
            refusals.remember(at(0), tuple(port), 7);
        }
        assert_eq!(refusals.recent.len(), limits::REFUSALS);
        assert_eq!(refusals.owner(at(1), &tuple(0)), None);
        assert_eq!(refusals.owner(at(1), &tuple(1)), Some(7));
    }
}
