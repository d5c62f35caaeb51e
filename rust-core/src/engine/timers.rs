//! When flows want to be looked at without a packet. One entry a flow in the heap, moved when it
//! comes up and not when it changes: a busy flow's deadline changes with every packet.

use super::{Engine, Flow};
use crate::flow::Token;
use std::cmp::Reverse;

/// A flow's deadline, on the clock of [`super::Now::mono_us`].
#[derive(Debug, Default)]
pub(super) struct Timer {
    due: Option<i64>,
    /// Where the flow's entry stands in the heap; never later than `due`.
    armed: Option<i64>,
}

impl Flow {
    fn timer(&mut self) -> &mut Timer {
        match self {
            Self::Tcp(flow) => &mut flow.timer,
            Self::Udp(flow) => &mut flow.timer,
            Self::Nat(flow) => &mut flow.timer,
            Self::Quic(gate) => &mut gate.timer,
            Self::Lookup(flow) => &mut flow.timer,
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
