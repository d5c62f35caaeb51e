//! ICMP echoes: a flow for each identifier and host, carried by a datagram socket of ICMP, which
//! the system gives to every app. The system rewrites the identifier on the way out; on the way
//! back it is the app's again.
//!
//! Never asks for the owner: no system tells whose an echo is. So choices for one app do not reach
//! echoes, and those for all apps decide. Messages of ICMP other than echo requests are dropped.
//!
//! And what the network says of datagrams and echoes, passed on to who sent them.

use super::udp::UdpFlow;
use super::{Complaint, Drop, Effects, Engine, Flow, Now, Sent};
use crate::flow::Token;
use crate::limits;
use crate::names::FakePool;
use crate::wire::{self, Echo, FiveTuple, Packet, Proto, Unreachable};
use std::net::SocketAddr;
use std::ops::Range;

/// The size of a packet of the app that leaves as one of `mtu` bytes.
fn app_mtu(mtu: u16, server: SocketAddr, app: SocketAddr) -> u16 {
    let longer = wire::DATAGRAM_V6 as u16 - wire::DATAGRAM_V4 as u16;
    match (app.is_ipv4(), server.is_ipv4()) {
        (true, false) => mtu.saturating_sub(longer),
        (false, true) => mtu.saturating_add(longer),
        _ => mtu,
    }
}

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

    /// Passes on what the network said of a flow's packets.
    pub(super) fn hear(&mut self, token: Token, fx: &mut dyn Effects) {
        while let Some(Complaint { to, why }) = fx.complaint(token) {
            self.complain(token, to, why, fx);
        }
    }

    /// Tells the app what became of a packet of its flow; `server` is who should have got it.
    pub(super) fn complain(
        &mut self,
        token: Token,
        server: SocketAddr,
        why: Unreachable,
        fx: &mut dyn Effects,
    ) {
        let tuple = match self.flows.get_mut(token) {
            Some(Flow::Udp(flow)) => flow.tuple,
            Some(Flow::Nat(flow)) => FiveTuple { dst: server, ..flow.tuple() },
            _ => return,
        };
        let number = match self.flows.get_mut(token) {
            Some(Flow::Udp(flow)) => flow.last,
            _ => 0,
        };
        // Headers alone: the app's system tells by them whose packet it was.
        let quoted = match tuple.proto {
            Proto::Icmp => {
                let at = if tuple.src.is_ipv4() { wire::ECHO_V4 } else { wire::ECHO_V6 };
                self.datagram[at + 6..at + 8].copy_from_slice(&number.to_be_bytes());
                wire::echo(tuple.src, tuple.dst, Echo::Request, 8, &mut self.datagram)
            }
            Proto::Tcp | Proto::Udp => wire::datagram(tuple.src, tuple.dst, 0, &mut self.datagram),
        };
        let Ok(len) = quoted else { return };
        let why = match why {
            Unreachable::TooBig(mtu) => Unreachable::TooBig(app_mtu(mtu, server, tuple.src)),
            why => why,
        };
        if let Ok(len) = wire::unreachable(&self.datagram[..len], why, &mut self.scratch) {
            fx.write(&self.scratch[..len]);
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
        if let (Some(Flow::Udp(flow)), Some(&[.., high, low])) =
            (self.flows.get_mut(token), message.first_chunk::<8>())
        {
            flow.last = u16::from_be_bytes([high, low]);
        }
        let Some(copy) = self.datagram.get_mut(..message.len()) else { return Sent::Failed };
        copy.copy_from_slice(message);
        if let Some(kind) = copy.first_mut() {
            *kind = Echo::Request.kind(server.is_ipv4());
        }
        fx.send(token, copy)
    }
}
