//! One connection of an app, terminated here.

use super::numbers::Numbers;
use super::touched::Touched;
use super::window::Window;
use crate::limits::{TCP_BUFFER, TCP_TIMEOUT};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};
use std::net::SocketAddr;

/// See the module. All that is asked of a parked one is answered as of one in which nothing is
/// under way, which is what it is.
pub struct Socket {
    /// What bytes need to flow; `None` while the connection is parked.
    pub(super) live: Option<Box<Live>>,
    pub(super) window: Window,
    pub(super) numbers: Numbers,
    /// One side broke the connection off: bytes that wait here are of no use any more.
    pub(super) broken: bool,
    /// Both ends are told, and the app's last bytes wait here: nothing more is written.
    pub(super) silent: bool,
    /// The end of our stream waits until the app has acknowledged all that was written.
    finishing: bool,
    /// Since when the app owes the acknowledgement of a SYN or FIN, and was not heard.
    pub(super) owed_since_us: Option<i64>,
    /// Bytes to the app that may wait here.
    pub(super) limit: usize,
}

/// A socket of smoltcp's with its buffers.
pub(super) struct Live {
    pub(super) set: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) touched: Touched,
}

impl Live {
    pub(super) fn new() -> Self {
        let buffer = || tcp::SocketBuffer::new(vec![0; TCP_BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Self { set, handle, touched: Touched::new() }
    }

    pub(super) fn tcp(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub(super) fn tcp_ref(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    /// Waits for a SYN to this address; whether there is such an address.
    pub(super) fn listen(&mut self, at: SocketAddr) -> bool {
        let endpoint = IpEndpoint::from(at);
        let listen = IpListenEndpoint { addr: Some(endpoint.addr), port: endpoint.port };
        self.tcp().listen(listen).is_ok()
    }

    /// Forgets the connection that used it.
    pub(super) fn begin_anew(&mut self) {
        self.tcp().abort();
        self.tcp().set_timeout(None);
        self.touched.begin_anew();
    }
}

impl Socket {
    /// A connection of which nothing has happened yet.
    pub(super) fn new(live: Box<Live>, window: Window, numbers: Numbers) -> Self {
        Self {
            live: Some(live),
            window,
            numbers,
            broken: false,
            silent: false,
            finishing: false,
            owed_since_us: None,
            limit: TCP_BUFFER,
        }
    }

    fn tcp(&mut self) -> Option<&mut tcp::Socket<'static>> {
        self.live.as_mut().map(|live| live.tcp())
    }

    fn tcp_ref(&self) -> Option<&tcp::Socket<'static>> {
        self.live.as_ref().map(|live| live.tcp_ref())
    }

    fn state(&self) -> tcp::State {
        self.tcp_ref().map_or(tcp::State::Established, tcp::Socket::state)
    }

    fn send_queue(&self) -> usize {
        self.tcp_ref().map_or(0, tcp::Socket::send_queue)
    }

    /// Bytes of buffers that hold, or held, something.
    pub fn touched(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.touched.bytes())
    }

    /// Whether nothing is under way, either way, and both directions are open: all that can be
    /// said of the connection is where its numbers stand. A timer of smoltcp's may still run.
    pub fn is_quiet(&self) -> bool {
        self.state() == tcp::State::Established
            && !self.can_recv()
            && self.is_flushed()
            && !(self.broken || self.finishing)
            && !self.numbers.has_holes(self.window.acked())
    }

    /// Whether bytes from the app wait.
    pub fn can_recv(&self) -> bool {
        self.tcp_ref().is_some_and(tcp::Socket::can_recv)
    }

    /// Whether the app has ended its direction in peace and all its bytes were taken.
    pub fn app_finished(&self) -> bool {
        let finished = matches!(
            self.state(),
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
        let room = self.tcp_ref().is_some_and(tcp::Socket::can_send);
        room && self.send_queue() < self.limit
    }

    /// Whether the app has acknowledged all that was written.
    pub fn is_flushed(&self) -> bool {
        self.send_queue() == 0
    }

    /// Lends a run of bytes from the app; `f` says how many it took.
    pub fn recv<R>(&mut self, f: impl FnOnce(&[u8]) -> (usize, R)) -> Option<R> {
        self.tcp()?.recv(|bytes| f(bytes)).ok()
    }

    /// Shows the bytes from the app that wait, without taking them; of a ring that wraps, those
    /// before its end.
    pub fn peek<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self.tcp() {
            Some(tcp) => f(tcp.peek(tcp.recv_queue()).unwrap_or_default()),
            None => f(&[]),
        }
    }

    /// Lends room for bytes to the app; `f` says how many it filled.
    pub fn send<R>(&mut self, f: impl FnOnce(&mut [u8]) -> (usize, R)) -> Option<R> {
        let live = self.live.as_mut()?;
        let before = live.tcp_ref().send_queue();
        let most = self.limit.saturating_sub(before);
        let lend = |room: &mut [u8]| {
            let most = most.min(room.len());
            f(&mut room[..most])
        };
        let result = live.tcp().send(lend).ok();
        let after = live.tcp_ref().send_queue();
        live.touched.sent(before, after);
        result
    }

    /// No more bytes to the app: its end of the stream comes after what is queued.
    ///
    /// Not together with it, where the app has ended first: in LAST-ACK smoltcp 0.14 takes an app
    /// that opens its window for one that repeats itself, and goes on only after a time-out.
    pub fn finish(&mut self) {
        let app_ended = self.state() == tcp::State::CloseWait;
        self.finishing = app_ended && !self.is_flushed();
        if !self.finishing {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(tcp) = self.tcp() {
            tcp.close();
        }
    }

    /// Ends the connection by a reset. A parked one was woken before.
    pub fn abort(&mut self) {
        self.broken = true;
        if let Some(tcp) = self.tcp() {
            tcp.abort();
        }
    }

    /// Whether both directions have ended and nothing of the app's waits here, or one side broke
    /// the connection off. What remains to be said is said by one more [`super::Stack::egress`].
    pub fn is_over(&self) -> bool {
        self.has_ended() && (self.broken || !self.can_recv())
    }

    /// Whether both directions have ended. Before the handshake is complete a reset leads back to
    /// LISTEN, and so does a SYN that is none.
    pub fn has_ended(&self) -> bool {
        matches!(self.state(), tcp::State::Closed | tcp::State::TimeWait | tcp::State::Listen)
    }

    /// Bounds how long bytes to the app, and our SYN and FIN, may stay unacknowledged. An idle
    /// connection has no bound, and so no timer. Called after each change, before the egress.
    pub fn watch_acks(&mut self, now_us: i64) {
        if self.finishing && self.is_flushed() {
            self.finishing = false;
            self.close();
        }
        let pending = !self.is_flushed();
        if let Some(tcp) = self.tcp() {
            tcp.set_timeout(pending.then_some(TCP_TIMEOUT.into()));
        }
        // smoltcp's own bound counts from the last segment, which may be long ago, and looks only
        // when it sends; a SYN or FIN that is owed is sent again and again.
        let owed = matches!(
            self.state(),
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
