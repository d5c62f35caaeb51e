//! Connections that are quiet keep no buffers, and all buffers together have a bound.
//!
//! No timer parks: what is quiet is looked at when something else happens, so that an idle phone
//! sleeps on.

use super::pipe::{Open, Peer};
use super::tcp::Phase;
use super::{Drop, Effects, Engine, Flow, Now};
use crate::flow::Token;
use crate::limits;

const PARK_AFTER_US: i64 = limits::PARK_AFTER.as_micros() as i64;

/// Since when a connection is quiet.
#[derive(Debug, Default)]
pub(super) struct Rest {
    since_us: i64,
    /// It stands in the queue of those that may be parked.
    listed: bool,
}

impl Open {
    /// Whether nothing is under way, here and as far as the network told.
    fn is_quiet(&self) -> bool {
        matches!(self.peer, Peer::Network { readable: false, ended: false, finished: false, .. })
            && self.socket.is_quiet()
    }
}

impl Flow {
    /// Bytes of buffers that the flow holds.
    fn touched(&self) -> usize {
        match self {
            Self::Tcp(flow) => match &flow.phase {
                Phase::Open(open) => open.socket.touched(),
                _ => 0,
            },
            _ => 0,
        }
    }
}

impl Engine {
    /// A connection waits for nothing but the next packet: it may be parked if that is far off.
    pub(super) fn rest(&mut self, now: Now, token: Token) {
        let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { return };
        flow.rest.since_us = now.mono_us;
        if std::mem::replace(&mut flow.rest.listed, true) {
            return;
        }
        if self.resting.len() >= 2 * self.flows.len() {
            // Most of them have ended.
            self.resting.retain(|(_, token)| self.flows.get_mut(*token).is_some());
        }
        self.resting.push_back((now.mono_us, token));
    }

    /// Parks connections that are quiet longest, until enough are.
    pub(super) fn park_quiet(&mut self, now: Now) {
        while self.stack.is_crowded()
            && let Some(&(since, token)) = self.resting.front()
        {
            if now.mono_us - since < PARK_AFTER_US && !self.stack.is_full() {
                return;
            }
            self.resting.pop_front();
            let Some(Flow::Tcp(flow)) = self.flows.get_mut(token) else { continue };
            if flow.rest.since_us > since {
                self.resting.push_back((flow.rest.since_us, token));
                continue;
            }
            flow.rest.listed = false;
            let queued = flow.is_queued();
            if let Phase::Open(open) = &mut flow.phase
                && !queued
                && open.is_quiet()
            {
                self.stack.park(&mut open.socket);
                self.counters.parked += 1;
            }
        }
    }

    /// Where no buffer may be touched any more: parks what is quiet, and closes others that hold
    /// bytes, those first that nobody used for longest and that hold more than a little. Never
    /// the one that needs the room.
    pub(super) fn make_room(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        if !self.stack.is_full() {
            return;
        }
        self.park_quiet(now);
        while self.stack.is_full() {
            let holds = |bytes| move |at: Token, flow: &Flow| at != token && flow.touched() > bytes;
            let oldest = self.flows.oldest_where(holds(2 * limits::TOUCHED_FLOOR));
            let Some(oldest) = oldest.or_else(|| self.flows.oldest_where(holds(0))) else { return };
            self.counters.drop(Drop::MemoryLimit);
            self.evict(now, oldest, fx);
        }
    }
}
