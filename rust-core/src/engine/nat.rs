//! Datagrams to bare addresses (Deep reach): one unconnected socket for each socket of an app,
//! whoever it talks to, so that what the app learns of its own address holds for all of them
//! (endpoint-independent mapping, RFC 4787 REQ-1).
//!
//! Never looks into a datagram.

use super::timers::{Idle, Timer};
use super::{Drop, Effects, Engine, Flow, Now, Readiness, Sent, Subject};
use crate::event::{FlowFacts, Record};
use crate::flow::Token;
use crate::limits;
use crate::wire::{self, FiveTuple, Packet, Proto, Unreachable};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// See the module.
pub(super) struct NatFlow {
    /// The app's socket, and to whom it spoke first.
    tuple: FiveTuple,
    facts: Option<Box<FlowFacts>>,
    pub(super) idle: Idle,
    pub(super) up: u64,
    down: u64,
    pub(super) timer: Timer,
}

impl NatFlow {
    /// Its key.
    pub(super) fn tuple(&self) -> FiveTuple {
        key(self.tuple.src)
    }
}

/// The key of an app's socket: all that it talks to is one flow.
fn key(app: SocketAddr) -> FiveTuple {
    let anybody: IpAddr =
        if app.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    FiveTuple { proto: Proto::Udp, src: app, dst: SocketAddr::new(anybody, 0) }
}

impl Engine {
    pub(super) fn nat_datagram(
        &mut self,
        now: Now,
        packet: &Packet,
        bytes: &[u8],
        data: &[u8],
        fx: &mut dyn Effects,
    ) {
        let app = packet.tuple.src;
        let token = match self.flows.find(&key(app)) {
            Some(token) => token,
            None => match self.nat_open(now, &packet.tuple, fx) {
                Some(token) => token,
                None => return self.unreachable(bytes, fx),
            },
        };
        self.flows.touch(token);
        let Some(Flow::Nat(flow)) = self.flows.get_mut(token) else { return };
        flow.idle.used(now);
        match fx.send_to(token, data, packet.tuple.dst) {
            Sent::Bytes(n) => flow.up += n as u64,
            // The queue is full: UDP may lose it.
            Sent::Later => self.counters.drop(Drop::Datagram),
            Sent::TooLong(mtu) => {
                self.complain(token, packet.tuple.dst, Unreachable::TooBig(mtu), fx);
            }
            Sent::Failed => self.unreachable(bytes, fx),
        }
    }

    fn nat_open(&mut self, now: Now, tuple: &FiveTuple, fx: &mut dyn Effects) -> Option<Token> {
        let flow = NatFlow {
            tuple: *tuple,
            facts: None,
            idle: Idle::new(now, limits::UDP_IDLE),
            up: 0,
            down: 0,
            timer: Timer::default(),
        };
        let token = self.begin(now, Some(key(tuple.src)), Flow::Nat(flow), fx);
        if self.open_datagrams(now, token, tuple.dst.is_ipv4(), fx).is_err() {
            self.counters.drop(Drop::ConnectFailed);
            self.flows.remove(token);
            return None;
        }
        // A bare address is allowed for every app, so nothing waits for the owner.
        let uid = self.owner(now, token, tuple, fx);
        self.nat_owner(now, token, uid.flatten());
        self.watch_idle(token);
        Some(token)
    }

    /// The owner is known, or is not yet.
    pub(super) fn nat_owner(&mut self, now: Now, token: Token, uid: Option<u32>) {
        let Some(Flow::Nat(flow)) = self.flows.get_mut(token) else { return };
        let tuple = flow.tuple;
        let facts = Box::new(self.decide(now, &tuple, Subject::Host(None), uid));
        if let Some(Flow::Nat(flow)) = self.flows.get_mut(token) {
            flow.facts = Some(facts);
        }
    }

    pub(super) fn nat_ready(
        &mut self,
        now: Now,
        token: Token,
        ready: Readiness,
        fx: &mut dyn Effects,
    ) {
        if ready.failed {
            self.hear(token, fx);
        }
        let Some(Flow::Nat(flow)) = self.flows.get_mut(token) else { return };
        if !ready.readable {
            return;
        }
        flow.idle.used(now);
        let app = flow.tuple.src;
        let head = if app.is_ipv4() { wire::DATAGRAM_V4 } else { wire::DATAGRAM_V6 };
        // The socket tells of readiness once, so it is emptied; its queue bounds the loop.
        while let Some((n, from)) = fx.recv_from(token, &mut self.datagram[head..]) {
            flow.down += n as u64;
            if let Ok(len) = wire::datagram(from, app, n, &mut self.datagram) {
                fx.write(&self.datagram[..len]);
            }
        }
    }

    pub(super) fn nat_end(&mut self, token: Token, fx: &mut dyn Effects) {
        fx.close(token, false);
        let Some(Flow::Nat(flow)) = self.flows.remove(token) else { return };
        if let Some(facts) = flow.facts {
            fx.record(Record::Passed { facts: *facts, up: flow.up, down: flow.down });
        }
    }
}
