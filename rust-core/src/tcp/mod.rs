//! TCP toward the apps: smoltcp over a device that is one packet in and a sink out.
//!
//! Never touches the network side, never starts a timer while a connection is idle, and never
//! shares a socket set between connections: smoltcp walks a set from end to end for each packet,
//! so each connection has a set of its own and costs the same among ten thousand as alone.

mod device;
mod touched;
mod window;

use crate::limits::{PACKET, SMALL_BUFFER, SPARE_BYTES, SPARE_SOCKETS};
use crate::limits::{TCP_BUFFER, TCP_TIMEOUT, TOUCHED};
use device::Port;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::TcpPacket;
use smoltcp::wire::{HardwareAddress, IpEndpoint, IpListenEndpoint, Ipv4Packet, Ipv6Packet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use touched::Touched;
use window::{Window, Windows};

/// The window of a SYN is not scaled, but smoltcp 0.14 takes it for scaled until it has sent
/// another: it then accepts bytes for which its buffer has no room, and panics when they join the
/// stream. So the largest window that can be said, scaled, must fit the buffer.
const fn fits(buffer: usize) -> bool {
    let scale = (usize::BITS - buffer.leading_zeros()).saturating_sub(16);
    (u16::MAX as usize) << scale <= buffer
}
const _: () = assert!(fits(TCP_BUFFER) && fits(SMALL_BUFFER));

/// Takes packets for the apps.
pub trait PacketSink {
    /// Whether a packet would be taken now.
    fn ready(&self) -> bool;
    /// Takes one whole IP packet.
    fn write(&mut self, packet: &[u8]);
}

/// What is common to all connections: sizes, the interface, one buffer for a packet to write.
pub struct Stack {
    iface: Interface,
    caps: DeviceCapabilities,
    out: Vec<u8>,
    windows: Windows,
    /// Bytes of buffers that hold, or held, something; those of spare connections, too.
    touched: usize,
    /// Connections that are over, for their buffers.
    spare: Vec<Socket>,
}

/// One connection of an app, terminated here.
pub struct Socket {
    set: SocketSet<'static>,
    handle: SocketHandle,
    window: Window,
    touched: Touched,
    /// One side broke the connection off: bytes that wait here are of no use any more.
    broken: bool,
    /// Both ends are told, and the app's last bytes wait here: nothing more is written.
    silent: bool,
    /// The end of our stream waits until the app has acknowledged all that was written.
    finishing: bool,
    /// Since when the app owes the acknowledgement of a SYN or FIN, and was not heard.
    owed_since_us: Option<i64>,
}

impl Stack {
    /// A stack whose segments to the apps are as large as a packet can be, whatever the MTU of the
    /// TUN: the kernel takes them whole, and the cost of one write is spread. What the apps send
    /// keeps to that MTU by itself.
    pub fn new(seed: u64) -> Self {
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
        let (mut sink, mut window) = (Nowhere, Window::default());
        let mut port = Port {
            packet: None,
            caps: &caps,
            out: &mut out,
            sink: &mut sink,
            window: &mut window,
            allowed: 0,
        };
        let mut iface = Interface::new(config, &mut port, Instant::ZERO);
        iface.set_any_ip(true);
        Self { iface, caps, out, windows: Windows::default(), touched: 0, spare: Vec::new() }
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
        let mut socket = self.spare.pop().unwrap_or_else(|| self.new_socket());
        let endpoint = IpEndpoint::from(local);
        let listen = IpListenEndpoint { addr: Some(endpoint.addr), port: endpoint.port };
        socket.tcp().listen(listen).ok()?;
        socket.window = Window::of(&tcp_of(syn)?);
        self.windows.join(now_us, &mut socket.window);
        self.ingress(now_us, syn, &mut socket, sink);
        Some(socket)
    }

    /// A connection with new buffers: small ones where much is touched already.
    fn new_socket(&mut self) -> Socket {
        let size = if self.touched < TOUCHED { TCP_BUFFER } else { SMALL_BUFFER };
        let mut socket = Socket::new(size);
        self.touched += socket.touched.grown();
        socket
    }

    /// Takes back a connection that is over and moved so many bytes. The next one may have its
    /// buffers: to map and unmap them costs as much as a short connection's own packets.
    pub fn give_back(&mut self, mut socket: Socket, moved: u64) {
        self.windows.leave(&mut socket.window);
        let waiting = socket.tcp_ref().recv_queue() + socket.tcp_ref().send_queue();
        if moved + waiting as u64 <= SPARE_BYTES && self.spare.len() < SPARE_SOCKETS {
            socket.tcp().abort();
            self.spare.push(Socket::fresh(socket.set, socket.handle, socket.touched));
        } else {
            self.touched -= socket.touched.bytes();
        }
    }

    /// Gives a packet to the connection that it belongs to.
    pub fn ingress(
        &mut self,
        now_us: i64,
        packet: &[u8],
        to: &mut Socket,
        sink: &mut dyn PacketSink,
    ) {
        let (before, held) = (to.tcp_ref().state(), to.tcp_ref().recv_queue());
        let allowed = self.windows.allowed(now_us, &mut to.window);
        let mut port = Port {
            packet: Some(packet),
            caps: &self.caps,
            out: &mut self.out,
            sink,
            window: &mut to.window,
            allowed,
        };
        self.iface.poll_ingress_single(Instant::from_micros(now_us), &mut port, &mut to.set);
        let held_now = to.tcp_ref().recv_queue();
        if held_now > held {
            to.touched.received(held_now - held);
            self.touched += to.touched.grown();
            self.windows.join(now_us, &mut to.window);
        } else {
            self.windows.count(&mut to.window);
        }
        let closed = to.tcp_ref().state() == tcp::State::Closed;
        to.broken |= closed && before != tcp::State::LastAck;
        to.owed_since_us = None;
    }

    /// Writes what the connection has to say, until it or the sink has no more.
    pub fn egress(&mut self, now_us: i64, from: &mut Socket, sink: &mut dyn PacketSink) {
        if from.silent && !from.broken && from.can_recv() {
            // At the end of TIME-WAIT smoltcp would throw the app's last bytes away.
            return;
        }
        self.touched += from.touched.grown();
        let allowed = self.windows.allowed(now_us, &mut from.window);
        let mut port = Port {
            packet: None,
            caps: &self.caps,
            out: &mut self.out,
            sink,
            window: &mut from.window,
            allowed,
        };
        let now = Instant::from_micros(now_us);
        while self.iface.poll_egress(now, &mut port, &mut from.set)
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
        let at = self.iface.poll_at(Instant::from_micros(now_us), &of.set)?;
        Some(at.total_micros())
    }
}

/// The segment in a whole IP packet.
fn tcp_of(packet: &[u8]) -> Option<TcpPacket<&[u8]>> {
    let segment = match packet.first()? >> 4 {
        4 => Ipv4Packet::new_checked(packet).ok()?.payload(),
        _ => Ipv6Packet::new_checked(packet).ok()?.payload(),
    };
    TcpPacket::new_checked(segment).ok()
}

struct Nowhere;

impl PacketSink for Nowhere {
    fn ready(&self) -> bool {
        false
    }
    fn write(&mut self, _: &[u8]) {}
}

impl Socket {
    fn new(size: usize) -> Self {
        let buffer = || tcp::SocketBuffer::new(vec![0; size]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Self::fresh(set, handle, Touched::new(size))
    }

    /// A connection of which nothing has happened yet.
    fn fresh(set: SocketSet<'static>, handle: SocketHandle, touched: Touched) -> Self {
        Self {
            set,
            handle,
            window: Window::default(),
            touched,
            broken: false,
            silent: false,
            finishing: false,
            owed_since_us: None,
        }
    }

    fn tcp(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    fn tcp_ref(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    /// Whether bytes from the app wait.
    pub fn can_recv(&self) -> bool {
        self.tcp_ref().can_recv()
    }

    /// Whether the app has ended its direction in peace and all its bytes were taken.
    pub fn app_finished(&self) -> bool {
        let finished = matches!(
            self.tcp_ref().state(),
            tcp::State::CloseWait
                | tcp::State::LastAck
                | tcp::State::Closing
                | tcp::State::TimeWait
                | tcp::State::Closed
        );
        finished && !self.broken && !self.can_recv()
    }

    /// Whether there is room for bytes to the app.
    pub fn can_send(&self) -> bool {
        self.tcp_ref().can_send()
    }

    /// Whether the app has acknowledged all that was written.
    pub fn is_flushed(&self) -> bool {
        self.tcp_ref().send_queue() == 0
    }

    /// Lends a run of bytes from the app; `f` says how many it took.
    pub fn recv<R>(&mut self, f: impl FnOnce(&[u8]) -> (usize, R)) -> Option<R> {
        self.tcp().recv(|bytes| f(bytes)).ok()
    }

    /// Shows the bytes from the app that wait, without taking them; of a ring that wraps, those
    /// before its end.
    pub fn peek<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> R {
        let waiting = self.tcp_ref().recv_queue();
        f(self.tcp().peek(waiting).unwrap_or_default())
    }

    /// Lends room for bytes to the app; `f` says how many it filled.
    pub fn send<R>(&mut self, f: impl FnOnce(&mut [u8]) -> (usize, R)) -> Option<R> {
        let before = self.tcp_ref().send_queue();
        let result = self.tcp().send(f).ok();
        let after = self.tcp_ref().send_queue();
        self.touched.queued(before, after);
        result
    }

    /// No more bytes to the app: its end of the stream comes after what is queued.
    ///
    /// Not together with it, where the app has ended first: in LAST-ACK smoltcp 0.14 takes an app
    /// that opens its window for one that repeats itself, and goes on only after a time-out.
    pub fn finish(&mut self) {
        let app_ended = self.tcp_ref().state() == tcp::State::CloseWait;
        self.finishing = app_ended && !self.is_flushed();
        if !self.finishing {
            self.tcp().close();
        }
    }

    /// Ends the connection by a reset.
    pub fn abort(&mut self) {
        self.broken = true;
        self.tcp().abort();
    }

    /// Whether both directions have ended and nothing of the app's waits here, or one side broke
    /// the connection off. What remains to be said is said by one more [`Stack::egress`].
    pub fn is_over(&self) -> bool {
        self.has_ended() && (self.broken || !self.can_recv())
    }

    /// Whether both directions have ended. Before the handshake is complete a reset leads back to
    /// LISTEN, and so does a SYN that is none.
    pub fn has_ended(&self) -> bool {
        let state = self.tcp_ref().state();
        matches!(state, tcp::State::Closed | tcp::State::TimeWait | tcp::State::Listen)
    }

    /// Bounds how long bytes to the app, and our SYN and FIN, may stay unacknowledged. An idle
    /// connection has no bound, and so no timer. Called after each change, before the egress.
    pub fn watch_acks(&mut self, now_us: i64) {
        if self.finishing && self.is_flushed() {
            self.finishing = false;
            self.tcp().close();
        }
        let pending = !self.is_flushed();
        let timeout = pending.then_some(TCP_TIMEOUT.into());
        self.tcp().set_timeout(timeout);
        // smoltcp's own bound counts from the last segment, which may be long ago, and looks only
        // when it sends; a SYN or FIN that is owed is sent again and again.
        let owed = matches!(
            self.tcp_ref().state(),
            tcp::State::SynReceived
                | tcp::State::FinWait1
                | tcp::State::Closing
                | tcp::State::LastAck
        );
        if !owed {
            self.owed_since_us = None;
        } else if now_us - *self.owed_since_us.get_or_insert(now_us)
            >= TCP_TIMEOUT.as_micros() as i64
        {
            self.abort();
        }
    }
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
        let (mut stack, mut sink) = (Stack::new(7), Sink::default());
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
        stack.give_back(socket, 16);
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
        let (mut stack, socket, _) = opened();
        stack.give_back(socket, SPARE_BYTES + 1);
        assert!(stack.spare.is_empty());
    }

    #[test]
    fn an_unspecified_address_is_no_place_to_listen() {
        let to = "198.18.0.9:0".parse().unwrap();
        assert!(Stack::new(7).accept(0, to, &SYN_V4, &mut Sink::default()).is_none());
    }
}
