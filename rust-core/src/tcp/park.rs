//! Connections without buffers. A connection in which nothing is under way is told by a few
//! numbers and its SYN; of ten thousand that are held, nearly all are such. It gets a socket again
//! when there is something for it: the handshake is repeated to smoltcp alone, with the numbers at
//! which the app stands.
//!
//! Never says anything to the app: it cannot tell that its connection was parked.

use super::device::Port;
use super::numbers::Numbers;
use super::socket::Live;
use super::window::Window;
use super::{Nowhere, Socket, Stack, segment_at};
use crate::limits::TOUCHED;
use crate::wire::Packet;
use smoltcp::time::Instant;
use smoltcp::wire::{TcpPacket, TcpSeqNumber};

impl Stack {
    /// Whether quiet connections should be parked.
    pub fn is_crowded(&self) -> bool {
        self.awake > self.most_awake || self.touched > TOUCHED / 2
    }

    /// Parks a quiet connection that has no deadline.
    pub fn park(&mut self, socket: &mut Socket) {
        if let Some(live) = socket.live.take() {
            self.recycle(live);
        }
    }

    /// Wakes a parked connection, which began with this SYN.
    pub fn wake(&mut self, now_us: i64, socket: &mut Socket, syn: &[u8]) {
        if socket.live.is_some() {
            return;
        }
        let mut live = self.buffers();
        if self.repeat(now_us, socket, &mut live, syn).is_none() {
            // Not to be had: it was done with this SYN before.
            socket.broken = true;
        }
        socket.live = Some(live);
    }

    fn repeat(&mut self, now_us: i64, of: &mut Socket, live: &mut Live, syn: &[u8]) -> Option<()> {
        let (to, at) = (Packet::parse(syn).ok()?.tuple.dst, segment_at(syn)?);
        let acked = of.window.acked();
        if !live.listen(to) {
            return None;
        }
        let mut ours = Numbers::default();
        let mut packet = std::mem::take(&mut self.inbound);
        packet.clear();
        packet.extend_from_slice(syn);
        let mut segment = TcpPacket::new_unchecked(&mut packet[at..]);
        segment.set_seq_number(TcpSeqNumber(acked.wrapping_sub(1) as i32));
        self.tell(now_us, live, &mut ours, &packet);
        let mut segment = TcpPacket::new_unchecked(&mut packet[at..]);
        segment.set_syn(false);
        segment.set_ack(true);
        segment.set_seq_number(TcpSeqNumber(acked as i32));
        segment.set_ack_number(TcpSeqNumber(ours.next() as i32));
        segment.set_window_len(of.numbers.window());
        let first = ours.next();
        self.tell(now_us, live, &mut ours, &packet);
        self.inbound = packet;
        of.numbers.go_on(first);
        of.silent = false;
        (live.tcp_ref().state() == smoltcp::socket::tcp::State::Established).then_some(())
    }

    /// Gives a packet to smoltcp, and its answer to nobody.
    fn tell(&mut self, now_us: i64, live: &mut Live, numbers: &mut Numbers, packet: &[u8]) {
        let mut port = Port {
            packet: Some(packet),
            caps: &self.caps,
            out: &mut self.out,
            sink: &mut Nowhere,
            window: &mut Window::default(),
            numbers,
            allowed: u32::MAX,
        };
        let now = Instant::from_micros(now_us);
        self.iface.poll_ingress_single(now, &mut port, &mut live.set);
        self.iface.poll_egress(now, &mut port, &mut live.set);
    }
}
