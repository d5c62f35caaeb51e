//! When flows want to be looked at without a packet. One entry a flow in the heap, moved when it
//! comes up and not when it changes: a busy flow's deadline changes with every packet.

use super::{Effects, Engine, Flow, Now};
use crate::flow::Token;
use std::cmp::Reverse;
use std::time::Duration;

/// A flow's deadline, on the clock of [`super::Now::mono_us`].
#[derive(Debug, Default)]
pub(super) struct Timer {
    due: Option<i64>,
    /// Where the flow's entry stands in the heap; never later than `due`.
    armed: Option<i64>,
}

/// Since when a flow that no end is said of was not used, and for how long it may be.
#[derive(Debug)]
pub(super) struct Idle {
    used_us: i64,
    limit_us: i64,
}

impl Idle {
    pub(super) fn new(now: Now, limit: Duration) -> Self {
        Self { used_us: now.mono_us, limit_us: limit.as_micros() as i64 }
    }

    pub(super) fn used(&mut self, now: Now) {
        self.used_us = now.mono_us;
    }

    fn until_us(&self) -> i64 {
        self.used_us + self.limit_us
    }
}

impl Flow {
    fn idle(&self) -> Option<&Idle> {
        match self {
            Self::Udp(flow) => Some(&flow.idle),
            Self::Nat(flow) => Some(&flow.idle),
            Self::Tcp(_) | Self::Quic(_) | Self::Lookup(_) | Self::Rival(_) => None,
        }
    }

    fn timer(&mut self) -> &mut Timer {
        match self {
            Self::Tcp(flow) => &mut flow.timer,
            Self::Udp(flow) => &mut flow.timer,
            Self::Nat(flow) => &mut flow.timer,
            Self::Quic(gate) => &mut gate.timer,
            Self::Lookup(flow) => &mut flow.timer,
            Self::Rival(rival) => &mut rival.timer,
        }
    }
}

impl Engine {
    /// Sets when the flow is to be looked at; `None` for never.
    pub(super) fn set_timer(&mut self, token: Token, due: Option<i64>) {
        let Some(timer) = self.flows.get_mut(token).map(Flow::timer) else { return };
        timer.due = due;
        if let Some(at) = due
            && timer.armed.is_none_or(|armed| at < armed)
        {
            timer.armed = Some(at);
            self.timers.push(Reverse((at, token)));
        }
    }

    /// Wakes the flow up when it will have been idle for too long; not at each use.
    pub(super) fn watch_idle(&mut self, token: Token) {
        let until = self.flows.get_mut(token).and_then(|flow| flow.idle()).map(Idle::until_us);
        self.set_timer(token, until);
    }

    /// Ends the flow, or goes on watching where it was used meanwhile.
    pub(super) fn idle_due(&mut self, now: Now, token: Token, fx: &mut dyn Effects) {
        let until = self.flows.get_mut(token).and_then(|flow| flow.idle()).map(Idle::until_us);
        match until {
            Some(at) if at <= now.mono_us => self.evict(now, token, fx),
            _ => self.set_timer(token, until),
        }
    }

    /// The flow that is due first, and when.
    pub(super) fn first_timer(&mut self) -> Option<(i64, Token)> {
        while let Some(&Reverse((at, token))) = self.timers.peek() {
            let timer = self.flows.get_mut(token).map(Flow::timer);
            if let Some(timer) = timer
                && timer.armed == Some(at)
            {
                if timer.due == Some(at) {
                    return Some((at, token));
                }
                timer.armed = None;
                let due = timer.due;
                self.timers.pop();
                self.set_timer(token, due);
            } else {
                self.timers.pop();
            }
        }
        None
    }

    /// Takes the first flow that is due by now off the heap.
    pub(super) fn take_due(&mut self, now_us: i64) -> Option<Token> {
        let (_, token) = self.first_timer().filter(|(at, _)| *at <= now_us)?;
        self.timers.pop();
        if let Some(flow) = self.flows.get_mut(token) {
            *flow.timer() = Timer::default();
        }
        Some(token)
    }
}
