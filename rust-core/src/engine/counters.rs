//! What the engine counts. Numbers only: no name, address or app.

use crate::wire::Refused;
use serde::{Serialize, Serializer};

/// Why something was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// A packet that ends too early or contradicts itself.
    Malformed,
    /// A fragment.
    Fragment,
    /// A protocol that is not carried; of ICMP all but echo requests.
    Unsupported,
    /// Multicast, broadcast.
    NotUnicast,
    /// To a fake address that stands for no name, or to a port of ours that is closed.
    NoName,
    /// A segment of a connection that is not known.
    NoFlow,
    /// A flow closed because the table was full.
    FlowLimit,
    /// A DNS message that could not be read.
    BadDns,
    /// A DNS answer that nobody waits for.
    StrayAnswer,
    /// A question dropped because too many wait.
    DnsLimit,
    /// A question that got no answer in time.
    DnsTimeout,
    /// A name that got no fake address because none was free.
    NameLimit,
    /// A connection that could not be made to the network.
    ConnectFailed,
    /// A datagram that found a queue full, or a verdict not fallen yet.
    Datagram,
    /// A flow whose owner stayed unknown because too many look-ups waited.
    OwnerLimit,
    /// A flow whose owner was not told in time.
    OwnerTimeout,
    /// A flow closed because another one found no descriptor free.
    DescriptorLimit,
    /// A connection closed because the buffers of all together held too much.
    MemoryLimit,
}

impl Drop {
    /// Every reason, in the order of [`Counters::drops`].
    pub const ALL: [Self; 18] = [
        Self::Malformed,
        Self::Fragment,
        Self::Unsupported,
        Self::NotUnicast,
        Self::NoName,
        Self::NoFlow,
        Self::FlowLimit,
        Self::BadDns,
        Self::StrayAnswer,
        Self::DnsLimit,
        Self::DnsTimeout,
        Self::NameLimit,
        Self::ConnectFailed,
        Self::Datagram,
        Self::OwnerLimit,
        Self::OwnerTimeout,
        Self::DescriptorLimit,
        Self::MemoryLimit,
    ];

    /// The code under which it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-packet",
            Self::Fragment => "fragment",
            Self::Unsupported => "unsupported-protocol",
            Self::NotUnicast => "not-unicast",
            Self::NoName => "no-name",
            Self::NoFlow => "no-flow",
            Self::FlowLimit => "flow-limit",
            Self::BadDns => "bad-dns",
            Self::StrayAnswer => "stray-answer",
            Self::DnsLimit => "dns-limit",
            Self::DnsTimeout => "dns-timeout",
            Self::NameLimit => "name-limit",
            Self::ConnectFailed => "connect-failed",
            Self::Datagram => "datagram-queue",
            Self::OwnerLimit => "owner-limit",
            Self::OwnerTimeout => "owner-timeout",
            Self::DescriptorLimit => "descriptor-limit",
            Self::MemoryLimit => "memory-limit",
        }
    }
}

impl From<Refused> for Drop {
    fn from(why: Refused) -> Self {
        match why {
            Refused::Truncated | Refused::Malformed => Self::Malformed,
            Refused::Fragment => Self::Fragment,
            Refused::Unsupported => Self::Unsupported,
            Refused::NotUnicast => Self::NotUnicast,
        }
    }
}

/// What was counted since the engine began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Packets of apps.
    pub packets_in: u64,
    /// Questions of apps.
    pub questions: u64,
    /// Questions answered with a fake address or a refusal.
    pub answered: u64,
    /// Flows and names refused.
    pub blocked: u64,
    /// Quiet connections that gave their buffers back.
    pub parked: u64,
    #[serde(serialize_with = "by_code")]
    drops: [u64; Drop::ALL.len()],
}

/// An object with the codes of what occurred.
fn by_code<S: Serializer>(
    drops: &[u64; Drop::ALL.len()],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let occurred = Drop::ALL.iter().zip(drops).filter(|(_, count)| **count > 0);
    serializer.collect_map(occurred.map(|(why, count)| (why.as_str(), count)))
}

impl Counters {
    pub(super) fn drop(&mut self, why: Drop) {
        self.drops[why as usize] += 1;
    }

    /// How often something was dropped for this reason.
    pub fn dropped(&self, why: Drop) -> u64 {
        self.drops[why as usize]
    }

    /// What was dropped since these were counted, by code.
    pub fn drops_since(&self, before: &Self) -> Vec<(&'static str, u64)> {
        let new = self.drops.iter().zip(before.drops).map(|(now, before)| now - before);
        Drop::ALL.iter().map(|why| why.as_str()).zip(new).filter(|(_, n)| *n > 0).collect()
    }

    /// Whether something was dropped since these were counted.
    pub fn dropped_since(&self, before: &Self) -> bool {
        self.drops != before.drops
    }

    /// Each reason that occurred, and how often.
    pub fn drops(&self) -> impl Iterator<Item = (Drop, u64)> + '_ {
        Drop::ALL.into_iter().zip(self.drops).filter(|(_, n)| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_counts_for_itself() {
        for (index, why) in Drop::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
            let mut counters = Counters::default();
            counters.drop(why);
            assert_eq!(counters.drops().collect::<Vec<_>>(), [(why, 1)]);
            assert!(counters.dropped_since(&Counters::default()));
            assert_eq!(counters.drops_since(&Counters::default()), [(why.as_str(), 1)]);
            assert_eq!(counters.drops_since(&counters.clone()), []);
        }
    }
}
