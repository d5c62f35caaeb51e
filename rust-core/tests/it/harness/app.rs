//! One connection of an app, by a TCP that is not ours to fake: smoltcp's, with an address.

use super::Dice;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, IpEndpoint};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// The wire of one app.
pub struct Wire {
    pub inbox: VecDeque<Vec<u8>>,
    pub outbox: VecDeque<Vec<u8>>,
    pub mtu: usize,
}

pub struct Rx(Vec<u8>);
pub struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let packet = self.inbox.pop_front()?;
        Some((Rx(packet), Tx(&mut self.outbox)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.outbox))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.mtu;
        caps
    }
}

/// See the module.
pub struct Client {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub wire: Wire,
    /// Not yet taken by its TCP.
    pub to_send: Vec<u8>,
    /// Largest piece that is handed to TCP at once.
    pub piece: usize,
    /// Draws the size of each piece, where there is one.
    pub dice: Option<Dice>,
    /// Ends its direction once everything is taken.
    pub finish: bool,
    /// Whether it reads.
    pub reading: bool,
    pub received: Vec<u8>,
    /// The server ended its direction, and everything before that was read.
    pub peer_finished: bool,
    pub was_open: bool,
    pub was_reset: bool,
    /// An unreachable ended the connect, as it does in a kernel.
    pub unreachable: bool,
    iface: Interface,
    set: SocketSet<'static>,
    handle: SocketHandle,
}

impl Client {
    pub fn new(local: SocketAddr, remote: SocketAddr, mtu: usize, now_us: i64) -> Self {
        let mut wire = Wire { inbox: VecDeque::new(), outbox: VecDeque::new(), mtu };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = u64::from(local.port()) << 16 | now_us as u64;
        let mut iface = Interface::new(config, &mut wire, Instant::from_micros(now_us));
        iface.update_ip_addrs(|addrs| {
            let prefix = if local.is_ipv4() { 32 } else { 128 };
            addrs.push(IpCidr::new(local.ip().into(), prefix)).unwrap();
        });
        match remote.ip() {
            IpAddr::V4(via) => iface.routes_mut().add_default_ipv4_route(via).unwrap(),
            IpAddr::V6(via) => iface.routes_mut().add_default_ipv6_route(via).unwrap(),
        };
        let buffer = || SocketBuffer::new(vec![0; 128 * 1024]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        let end = |addr: SocketAddr| IpEndpoint::from(addr);
        socket.connect(iface.context(), end(remote), end(local)).unwrap();
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        Self {
            local,
            remote,
            wire,
            to_send: Vec::new(),
            piece: usize::MAX,
            dice: None,
            unreachable: false,
            finish: false,
            reading: true,
            received: Vec::new(),
            peer_finished: false,
            was_open: false,
            was_reset: false,
            iface,
            set,
            handle,
        }
    }

    fn tcp(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub fn state(&self) -> State {
        self.set.get::<Socket<'_>>(self.handle).state()
    }

    /// Ends the connection by a reset.
    pub fn abort(&mut self) {
        self.tcp().abort();
    }

    pub fn poll(&mut self, now_us: i64) {
        let now = Instant::from_micros(now_us);
        while !self.unreachable {
            self.iface.poll(now, &mut self.wire, &mut self.set);
            if !self.work() {
                return;
            }
        }
    }

    /// Moves bytes between the app and its TCP; whether any moved.
    fn work(&mut self) -> bool {
        let mut moved = false;
        let open = matches!(self.state(), State::Established | State::CloseWait);
        self.was_open |= open;
        let piece = self.dice.as_mut().map_or(self.piece, |dice| 1 + dice.below(20_000));
        let n = self.to_send.len().min(piece);
        if open && n > 0 {
            let socket = self.set.get_mut::<Socket<'_>>(self.handle);
            let sent = socket.send_slice(&self.to_send[..n]).unwrap_or(0);
            self.to_send.drain(..sent);
            moved |= sent > 0;
        }
        if open && self.finish && self.to_send.is_empty() {
            self.finish = false;
            self.tcp().close();
            moved = true;
        }
        while self.reading {
            let socket = self.set.get_mut::<Socket<'_>>(self.handle);
            let received = &mut self.received;
            let got = socket.recv(|bytes| {
                received.extend_from_slice(bytes);
                (bytes.len(), bytes.len())
            });
            match got {
                Ok(0) => break,
                Ok(_) => moved = true,
                Err(RecvError::Finished) => {
                    self.peer_finished = true;
                    break;
                }
                Err(RecvError::InvalidState) => break,
            }
        }
        moved
    }

    pub fn deadline(&mut self, now_us: i64) -> Option<i64> {
        if self.unreachable {
            return None;
        }
        let at = self.iface.poll_at(Instant::from_micros(now_us), &self.set)?;
        Some(at.total_micros().max(now_us + 1))
    }

    /// Whether nothing more will come of this connection.
    pub fn is_over(&self) -> bool {
        self.unreachable || matches!(self.state(), State::Closed | State::TimeWait)
    }
}
