//! What the fake world has still to do.

use muzzle::engine::Readiness;
use muzzle::flow::Token;
use std::net::SocketAddr;

/// What the world tells the engine.
pub enum Event {
    Ready(Token, Readiness),
    Owner(Token, Option<u32>),
    Answer(Vec<u8>),
}

/// What happens at a moment to come.
pub enum Later {
    Tell(Event),
    Connected(Token),
    Bytes(Token, Vec<u8>),
    Datagram(Token, SocketAddr, Vec<u8>),
    Fin(Token),
    Reset(Token),
    Drain(Token),
}

impl Later {
    /// What was meant for one socket is for the other now.
    pub fn take_over(&mut self, from: Token, to: Token) {
        let token = match self {
            Self::Tell(Event::Ready(token, _))
            | Self::Connected(token)
            | Self::Bytes(token, _)
            | Self::Datagram(token, ..)
            | Self::Fin(token)
            | Self::Reset(token)
            | Self::Drain(token) => token,
            Self::Tell(Event::Owner(..) | Event::Answer(_)) => return,
        };
        if *token == from {
            *token = to;
        }
    }
}
