//! Sockets where descriptors are short: the flow that was idle longest gives its own away.
//!
//! Never closes more than a few flows for one, and none that holds no socket.

use super::pipe::Peer;
use super::tcp::Phase;
use super::{ConnectError, Drop, Effects, Engine, Flow, Now};
use crate::flow::Token;
use crate::limits;
use crate::wire::Proto;
use std::net::SocketAddr;

impl Flow {
    /// Whether the flow has a socket that it may lose.
    fn can_give_way(&self) -> bool {
        match self {
            Self::Tcp(flow) => match &flow.phase {
                Phase::Connecting(_) | Phase::Connected { .. } => true,
                Phase::Open(open) => {
                    matches!(open.peer, Peer::Joining { .. } | Peer::Network { .. })
                }
                Phase::Owner | Phase::Resolving { .. } => false,
            },
            Self::Udp(flow) => flow.is_open(),
            Self::Nat(_) => true,
            // A question of ours is over soon, and flows wait for it; so is a race.
            Self::Quic(_) | Self::Lookup(_) | Self::Rival(_) => false,
        }
    }
}

impl Engine {
    /// Connects, as [`Effects::connect`] does.
    pub(super) fn connect(
        &mut self,
        now: Now,
        token: Token,
        (proto, to): (Proto, SocketAddr),
        fx: &mut dyn Effects,
    ) -> Result<(), ConnectError> {
        self.with_descriptor(now, token, fx, |fx| fx.connect(token, proto, to))
    }

    /// Opens a socket, as [`Effects::open_datagrams`] does.
    pub(super) fn open_datagrams(
        &mut self,
        now: Now,
        token: Token,
        ipv4: bool,
        fx: &mut dyn Effects,
    ) -> Result<(), ConnectError> {
        self.with_descriptor(now, token, fx, |fx| fx.open_datagrams(token, ipv4))
    }

    fn with_descriptor(
        &mut self,
        now: Now,
        token: Token,
        fx: &mut dyn Effects,
        open: impl Fn(&mut dyn Effects) -> Result<(), ConnectError>,
    ) -> Result<(), ConnectError> {
        for _ in 0..limits::DESCRIPTOR_TRIES {
            let tried = open(fx);
            if tried != Err(ConnectError::Limit) {
                return tried;
            }
            let oldest = self.flows.oldest_where(|at, flow| at != token && flow.can_give_way());
            let Some(oldest) = oldest else { return tried };
            self.counters.drop(Drop::DescriptorLimit);
            self.evict(now, oldest, fx);
        }
        open(fx)
    }
}
