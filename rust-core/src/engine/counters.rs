//! What the engine counts. Numbers only: no name, address or app.

use crate::wire::Refused;

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
    /// A datagram that found a queue full.
    Datagram,
}

impl Drop {
    /// Every reason, in the order of [`Counters::drops`].
    pub const ALL: [Self; 14] = [
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets of apps.
    pub packets_in: u64,
    /// Questions of apps.
    pub questions: u64,
    /// Questions answered with a fake address or a refusal.
    pub answered: u64,
    /// Flows and names refused.
    pub blocked: u64,
    drops: [u64; Drop::ALL.len()],
}

impl Counters {
    pub(super) fn drop(&mut self, why: Drop) {
        self.drops[why as usize] += 1;
    }

    /// How often something was dropped for this reason.
    pub fn dropped(&self, why: Drop) -> u64 {
        self.drops[why as usize]
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
        }
    }
}
