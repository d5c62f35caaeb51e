//! ICMP echoes: a flow for each identifier and host, carried by a datagram socket of ICMP, which
//! the system gives to every app. The system rewrites the identifier on the way out; on the way
//! back it is the app's again.
//!
//! Never asks for the owner: no system tells whose an echo is. So choices for one app do not reach
//! echoes, and those for all apps decide. Messages of ICMP other than echo requests are dropped.

use super::udp::UdpFlow;
use super::{Drop, Effects, Engine, Flow, Now, Sent};
use crate::flow::Token;
use crate::limits;
use crate::names::FakePool;
use crate::wire::{Echo, Packet, Proto};
use std::net::SocketAddr;
use std::ops::Range;

impl Engine {
    pub(super) fn handle_echo(
        &mut self,
        now: Now,
        packet: &Packet,
        bytes: &[u8],
        message: Range<usize>,
        fx: &mut dyn Effects,
    ) {
        if let Some(token) = self.flows.find(&packet.tuple) {
            self.flows.touch(token);
            if let Some(Flow::Udp(flow)) = self.flows.get_mut(token)
                && flow.is_refused()
            {
                flow.idle.used(now);
                return self.refuse(bytes, Proto::Icmp, fx);
            }
            return self.send_datagram(now, token, &bytes[message], fx);
        }
        let dst = packet.tuple.dst;
        let slot = FakePool::slot(dst.ip()).filter(|s| self.pool.entry(*s).is_some());
        if slot.is_none() && !self.is_carried(dst) {
            self.counters.drop(Drop::NoName);
            if FakePool::covers(dst.ip()) {
                self.unreachable(bytes, fx);
            }
            return;
        }
        self.make_room_for_echo(now, fx);
        let flow = UdpFlow::waiting(now, packet.tuple, slot, bytes);
        let token = self.begin(now, Some(packet.tuple), Flow::Udp(flow), fx);
        self.echoes.push_back(token);
        self.watch_idle(token);
        if let Some(slot) = slot {
            self.pool.pin(slot);
        }
        self.udp_owner(now, token, None, fx);
    }

    /// Each echo flow holds a descriptor, and a program that looks for hosts makes many.
    fn make_room_for_echo(&mut self, now: Now, fx: &mut dyn Effects) {
        if self.echoes.len() >= limits::ECHOES
            && let Some(first) = self.echoes.pop_front()
        {
            self.counters.drop(Drop::FlowLimit);
            self.evict(now, first, fx);
        }
    }

    /// Sends a request as the server's family has it.
    pub(super) fn send_echo(
        &mut self,
        token: Token,
        message: &[u8],
        server: SocketAddr,
        fx: &mut dyn Effects,
    ) -> Sent {
        let Some(copy) = self.datagram.get_mut(..message.len()) else { return Sent::Failed };
        copy.copy_from_slice(message);
        if let Some(kind) = copy.first_mut() {
            *kind = Echo::Request.kind(server.is_ipv4());
        }
        fx.send(token, copy)
    }
}
