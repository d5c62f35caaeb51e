//! TCP toward the apps: smoltcp over a device that is one packet in and a sink out.
//!
//! Never touches the network side, never starts a timer while a connection is idle, and never
//! shares a socket set between connections: smoltcp walks a set from end to end for each packet,
//! so each connection has a set of its own and costs the same among ten thousand as alone.

mod device;
mod numbers;
mod park;
mod socket;
mod touched;
mod window;

pub use socket::Socket;

use crate::limits::{PACKET, SPARE_BYTES, SPARE_SOCKETS, WINDOW_FLOOR};
use crate::limits::{TCP_BUFFER, TOUCHED, TOUCHED_FLOOR, TOUCHED_SHARES};
use device::Port;
use numbers::Numbers;
use smoltcp::iface::{Config, Interface, PollResult};
use smoltcp::phy::{Checksum, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::TcpPacket;
use smoltcp::wire::{HardwareAddress, Ipv4Packet, Ipv6Packet};
use socket::Live;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use window::{Window, Windows};

/// The window of a SYN is not scaled, but smoltcp 0.14 takes it for scaled until it has sent
/// another: it then accepts bytes for which its buffer has no room, and panics when they join the
/// stream. So the largest window that can be said, scaled, must fit the buffer.
const fn fits(buffer: usize) -> bool {
    let scale = (usize::BITS - buffer.leading_zeros()).saturating_sub(16);
    (u16::MAX as usize) << scale <= buffer
}
const _: () = assert!(fits(TCP_BUFFER));

/// Takes packets for the apps.
pub trait PacketSink {
    /// Whether a packet would be taken now.
    fn ready(&self) -> bool;
    /// Takes one whole IP packet.
    fn write(&mut self, packet: &[u8]);
}

/// What is common to all connections: the interface, one buffer for a packet to write, and what
/// all of them together may hold.
pub struct Stack {
    iface: Interface,
    caps: DeviceCapabilities,
    out: Vec<u8>,
    /// A packet whose numbers are not those of the app; empty until the first one.
    inbound: Vec<u8>,
    windows: Windows,
    /// Bytes of buffers that hold, or held, something; those of spare ones, too.
    touched: usize,
    /// Connections that are not parked, and how many of the quiet ones may be.
    awake: usize,
    most_awake: usize,
    /// Buffers that nobody uses now.
    #[allow(clippy::vec_box, reason = "taken over as they are, without an allocation")]
    spare: Vec<Box<Live>>,
}

impl Stack {
    /// A stack whose segments to the apps are as large as a packet can be, whatever the MTU of the
    /// TUN: the kernel takes them whole, and the cost of one write is spread. What the apps send
    /// keeps to that MTU by itself. Of quiet connections so many keep their buffers.
    pub fn new(seed: u64, most_awake: usize) -> Self {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = PACKET;
        caps.checksum.ipv4 = Checksum::Tx;
        caps.checksum.tcp = Checksum::None;
        caps.segmentation.tcpv4 = NonZeroUsize::new(PACKET);
        caps.segmentation.tcpv6 = NonZeroUsize::new(PACKET);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut out = vec![0; PACKET];
        let mut port = Port {
            packet: None,
            caps: &caps,
            out: &mut out,
            sink: &mut Nowhere,
            window: &mut Window::default(),
            numbers: &mut Numbers::default(),
            allowed: 0,
        };
        let mut iface = Interface::new(config, &mut port, Instant::ZERO);
        iface.set_any_ip(true);
        Self {
            iface,
            caps,
            out,
            inbound: Vec::new(),
            windows: Windows::default(),
            touched: 0,
            awake: 0,
            most_awake,
            spare: Vec::new(),
        }
    }

    /// The connection that begins with this SYN to `local`, the address that the app wants to
    /// reach. `None` where the address or port is unspecified.
    pub fn accept(
        &mut self,
        now_us: i64,
        local: SocketAddr,
        syn: &[u8],
        sink: &mut dyn PacketSink,
    ) -> Option<Socket> {
        let segment = tcp_of(syn)?;
        let mut live = self.buffers();
        if !live.listen(local) {
            self.recycle(live);
            return None;
        }
        let mut socket = Socket::new(live, Window::of(&segment), Numbers::of(&segment));
        self.windows.join(now_us, &mut socket.window);
        self.ingress(now_us, syn, &mut socket, sink);
        Some(socket)
    }

    /// Buffers for a connection: used ones, because to map and unmap them costs as much as a short
    /// connection's own packets, or new ones.
    fn buffers(&mut self) -> Box<Live> {
        self.awake += 1;
        self.spare.pop().unwrap_or_else(|| {
            let mut live = Box::new(Live::new());
            self.touched += live.touched.grown();
            live
        })
    }

    /// Takes a connection back that is over.
    pub fn give_back(&mut self, mut socket: Socket) {
        self.windows.leave(&mut socket.window);
        if let Some(live) = socket.live.take() {
            self.recycle(live);
        }
    }

    fn recycle(&mut self, mut live: Box<Live>) {
        self.awake -= 1;
        self.touched += live.touched.grown();
        if live.touched.bytes() <= SPARE_BYTES && self.spare.len() < SPARE_SOCKETS {
            live.begin_anew();
            self.spare.push(live);
        } else {
            self.touched -= live.touched.bytes();
        }
    }

    /// Bytes of buffers that hold, or held, something.
    pub fn touched(&self) -> usize {
        self.touched
    }

    /// Whether [`TOUCHED`] is used up.
    pub fn is_full(&self) -> bool {
        self.touched >= TOUCHED
    }

    /// Bytes that one connection may have under way each way: a share of what is left, so that
    /// there is always something left for the next one, and never nothing.
    fn share(&self) -> usize {
        (TOUCHED.saturating_sub(self.touched) / TOUCHED_SHARES).max(TOUCHED_FLOOR)
    }

    /// Says how much the connection may hold of what goes to the app, in its next turn.
    pub fn allot(&self, socket: &mut Socket) {
        let had = socket.live.as_ref().map_or(0, |live| live.touched.queued());
        socket.limit = self.share().max(had);
    }

    /// Bytes of window that the connection may be offered.
    fn allowed(&mut self, now_us: i64, window: &mut Window) -> u32 {
        let share = u32::try_from(self.share()).unwrap_or(u32::MAX);
        let floor = WINDOW_FLOOR * window.mss();
        self.windows.allowed(now_us, window).min(share.max(floor))
    }

    /// Gives a packet to the connection that it belongs to. A parked one was woken before.
    pub fn ingress(
        &mut self,
        now_us: i64,
        packet: &[u8],
        to: &mut Socket,
        sink: &mut dyn PacketSink,
    ) {
        let allowed = self.allowed(now_us, &mut to.window);
        let Some(live) = &mut to.live else { return };
        let (before, held) = (live.tcp_ref().state(), live.tcp_ref().recv_queue());
        to.numbers.hear(packet, to.window.acked());
        let mut port = Port {
            packet: Some(to.numbers.for_smoltcp(packet, &mut self.inbound)),
            caps: &self.caps,
            out: &mut self.out,
            sink,
            window: &mut to.window,
            numbers: &mut to.numbers,
            allowed,
        };
        self.iface.poll_ingress_single(Instant::from_micros(now_us), &mut port, &mut live.set);
        let held_now = live.tcp_ref().recv_queue();
        if held_now > held {
            live.touched.received(held_now - held);
            self.touched += live.touched.grown();
            self.windows.join(now_us, &mut to.window);
        } else {
            self.windows.count(&mut to.window);
        }
        let closed = live.tcp_ref().state() == tcp::State::Closed;
        to.broken |= closed && before != tcp::State::LastAck;
        to.owed_since_us = None;
    }

    /// Writes what the connection has to say, until it or the sink has no more.
    pub fn egress(&mut self, now_us: i64, from: &mut Socket, sink: &mut dyn PacketSink) {
        if from.silent && !from.broken && from.can_recv() {
            // At the end of TIME-WAIT smoltcp would throw the app's last bytes away.
            return;
        }
        let allowed = self.allowed(now_us, &mut from.window);
        let Some(live) = &mut from.live else { return };
        self.touched += live.touched.grown();
        let mut port = Port {
            packet: None,
            caps: &self.caps,
            out: &mut self.out,
            sink,
            window: &mut from.window,
            numbers: &mut from.numbers,
            allowed,
        };
        let now = Instant::from_micros(now_us);
        while self.iface.poll_egress(now, &mut port, &mut live.set)
            == PollResult::SocketStateChanged
        {}
        let heard = port.sink.ready();
        self.windows.count(&mut from.window);
        from.silent = from.has_ended() && heard;
    }

    /// When the connection must be looked at again without a packet; `None` for an idle one.
    pub fn deadline(&mut self, now_us: i64, of: &Socket) -> Option<i64> {
        if of.silent {
            return None;
        }
        let at = self.iface.poll_at(Instant::from_micros(now_us), &of.live.as_ref()?.set)?;
        Some(at.total_micros())
    }
}

/// The segment in a whole IP packet.
fn tcp_of(packet: &[u8]) -> Option<TcpPacket<&[u8]>> {
    TcpPacket::new_checked(packet.get(segment_at(packet)?..)?).ok()
}

/// Where the segment begins in a packet that [`crate::wire::Packet::parse`] accepted.
fn segment_at(packet: &[u8]) -> Option<usize> {
    match packet.first()? >> 4 {
        4 => Some(usize::from(Ipv4Packet::new_checked(packet).ok()?.header_len())),
        _ => Some(Ipv6Packet::new_checked(packet).ok()?.header_len()),
    }
}

/// Takes packets that nobody gets.
struct Nowhere;

impl PacketSink for Nowhere {
    fn ready(&self) -> bool {
        true
    }
    fn write(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::SYN_V4;

    #[derive(Default)]
    struct Sink(Vec<Vec<u8>>);

    impl PacketSink for Sink {
        fn ready(&self) -> bool {
            true
        }
        fn write(&mut self, packet: &[u8]) {
            self.0.push(packet.to_vec());
        }
    }

    fn opened() -> (Stack, Socket, Sink) {
        let (mut stack, mut sink) = (Stack::new(7, 4), Sink::default());
        let to = "198.18.0.9:80".parse().unwrap();
        let mut socket = stack.accept(0, to, &SYN_V4, &mut sink).unwrap();
        stack.egress(0, &mut socket, &mut sink);
        (stack, socket, sink)
    }

    #[test]
    fn a_syn_is_answered_with_good_sums() {
        let (_, _, sink) = opened();
        assert_eq!(sink.0.len(), 1);
        let ip = Ipv4Packet::new_checked(&sink.0[0][..]).unwrap();
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(ip.verify_checksum());
        assert!(tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert!(tcp.syn() && tcp.ack());
    }

    #[test]
    fn an_aborted_connection_resets_and_is_over() {
        let (mut stack, mut socket, mut sink) = opened();
        socket.abort();
        stack.egress(0, &mut socket, &mut sink);
        let ip = Ipv4Packet::new_checked(&sink.0[1][..]).unwrap();
        assert!(TcpPacket::new_checked(ip.payload()).unwrap().rst());
        assert!(socket.is_over());
    }

    #[test]
    fn a_connection_in_the_place_of_another_begins_anew() {
        let (mut stack, mut socket, mut sink) = opened();
        socket.abort();
        stack.give_back(socket);
        assert_eq!(stack.spare.len(), 1);
        let to = "198.18.0.9:80".parse().unwrap();
        let mut socket = stack.accept(0, to, &SYN_V4, &mut sink).unwrap();
        assert!(stack.spare.is_empty());
        stack.egress(0, &mut socket, &mut sink);
        let ip = Ipv4Packet::new_checked(&sink.0[1][..]).unwrap();
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(tcp.syn() && tcp.ack() && !tcp.rst());
        assert!(!socket.is_over() && !socket.can_recv());
    }

    #[test]
    fn buffers_that_held_much_are_not_kept() {
        let (mut stack, mut socket, _) = opened();
        let before = stack.touched();
        socket.live.as_mut().unwrap().touched.received(SPARE_BYTES);
        stack.give_back(socket);
        assert!(stack.spare.is_empty());
        assert!(stack.touched() < before);
    }

    #[test]
    fn an_unspecified_address_is_no_place_to_listen() {
        let to = "198.18.0.9:0".parse().unwrap();
        assert!(Stack::new(7, 4).accept(0, to, &SYN_V4, &mut Sink::default()).is_none());
    }
}
