//! The descriptors: TUN, one socket a flow, one a resolver.

use super::batch::{Inbox, Outbox, may_wait};
use super::lookups::Lookups;
use super::{Bypass, IoError};
use crate::engine::{Complaint, ConnectError, Effects, Owner, Received, Sent, Undelivered};
use crate::event::Record;
use crate::flow::Token;
use crate::limits;
use crate::tcp::PacketSink;
use crate::wire::{self, FiveTuple, Proto, Unreachable};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, bind, connect,
    getsockname, ipproto, recv, send, sendto, shutdown, socket_with, sockopt,
};
use rustix::process::Resource;
use std::net::{IpAddr, SocketAddr};

/// Bytes that the kernel holds unsent of one flow, so that back-pressure reaches the app.
const NOT_SENT: u32 = 128 * 1024;

/// Errors that one read of a socket may tell before there is nothing to read.
const ERRORS: usize = 8;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Tun,
    Wake,
    Network,
    Resolver(usize),
    Flow(Token),
}

const TUN: u64 = u64::MAX;
const WAKE: u64 = u64::MAX - 1;
const NETWORK: u64 = u64::MAX - 2;
const RESOLVERS: u64 = u64::MAX - 1000;

impl Source {
    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Tun => TUN,
            Self::Wake => WAKE,
            Self::Network => NETWORK,
            Self::Resolver(index) => RESOLVERS + index as u64,
            Self::Flow(token) => token.to_u64(),
        })
    }

    pub(super) fn of(event: epoll::Event) -> Self {
        match event.data.u64() {
            TUN => Self::Tun,
            WAKE => Self::Wake,
            NETWORK => Self::Network,
            data if data >= RESOLVERS => Self::Resolver((data - RESOLVERS) as usize),
            data => Self::Flow(Token::from_u64(data)),
        }
    }
}

/// An upstream resolver. Without a socket there was no way to it; the next question tries again.
struct Resolver {
    addr: SocketAddr,
    fd: Option<OwnedFd>,
}

pub(super) struct Conn {
    pub(super) token: Token,
    pub(super) proto: Proto,
    ipv4: bool,
    /// Whether the system may cut what is sent: the state of the socket's option.
    cuts: bool,
    /// Whether it takes many datagrams as one and cuts them itself.
    pub(super) segments: bool,
    pub(super) fd: OwnedFd,
}

impl Conn {
    pub(super) fn new(token: Token, proto: Proto, ipv4: bool, fd: OwnedFd) -> Self {
        let segments = proto == Proto::Udp && super::sys::knows_segments(&fd);
        Self { token, proto, ipv4, cuts: true, segments, fd }
    }

    /// Length of the packet around so many bytes.
    pub(super) fn packet(&self, len: usize) -> usize {
        len + if self.ipv4 { wire::DATAGRAM_V4 } else { wire::DATAGRAM_V6 }
    }

    pub(super) fn allow_cutting(&mut self, cut: bool) {
        if self.cuts != cut {
            super::sys::allow_cutting(&self.fd, self.ipv4, cut);
            self.cuts = cut;
        }
    }

    /// Sends a datagram; `to` where the socket is connected to nobody.
    pub(super) fn send_datagram(
        &mut self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        opener: &Opener,
    ) -> Sent {
        if self.proto == Proto::Udp {
            self.allow_cutting(self.packet(bytes.len()) > limits::UNCUT);
        }
        // An error that an earlier datagram brought about is told once, and this one is not sent.
        for _ in 0..2 {
            let sent = match &to {
                Some(to) => sendto(&self.fd, bytes, SendFlags::NOSIGNAL, to),
                None => send(&self.fd, bytes, SendFlags::NOSIGNAL),
            };
            match sent {
                Ok(len) => return Sent::Bytes(len),
                Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => return Sent::Later,
                Err(Errno::MSGSIZE) => {
                    if let Some(mtu) = self.path_mtu(to, opener)
                        && self.packet(bytes.len()) > usize::from(mtu)
                    {
                        return Sent::TooLong(mtu);
                    }
                }
                Err(_) => {}
            }
        }
        Sent::Failed
    }

    /// What the path takes whole. The system tells it of connected sockets only.
    fn path_mtu(&self, to: Option<SocketAddr>, opener: &Opener) -> Option<u16> {
        let Some(to) = to else { return super::sys::path_mtu(&self.fd, self.ipv4) };
        let probe = opener.open(Proto::Udp, self.ipv4).ok()?;
        connect(&probe, &to).ok()?;
        super::sys::path_mtu(&probe, self.ipv4)
    }
}

/// See the module.
pub(super) struct World {
    epoll: OwnedFd,
    tun: OwnedFd,
    /// A packet that the TUN had no room for; empty as a rule.
    stalled: Vec<u8>,
    conns: Vec<Option<Conn>>,
    outbox: Outbox,
    inbox: Inbox,
    /// Datagrams that did not go, until the engine asks.
    lost: Vec<Undelivered>,
    resolvers: Vec<Resolver>,
    /// Which addresses that sockets speak from are ours, since the network changed last.
    ours: Vec<(IpAddr, bool)>,
    opener: Opener,
    lookups: Lookups,
    records: Box<dyn FnMut(Record) -> bool + Send>,
}

fn system(what: &'static str) -> impl Fn(Errno) -> IoError {
    move |error| IoError::System { what, error }
}

/// Opens sockets whose packets pass by the TUN.
pub(super) struct Opener {
    bypass: Bypass,
    /// Descriptors from this one on are left to the rest of the process.
    first_reserved: RawFd,
}

impl Opener {
    pub(super) fn new(bypass: Bypass) -> Self {
        let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let ours = limit.saturating_sub(limits::RESERVED_DESCRIPTORS).max(limit / 2);
        Self { bypass, first_reserved: RawFd::try_from(ours).unwrap_or(RawFd::MAX) }
    }

    fn open(&self, proto: Proto, ipv4: bool) -> Result<OwnedFd, Errno> {
        let family = if ipv4 { AddressFamily::INET } else { AddressFamily::INET6 };
        let (kind, protocol) = match (proto, ipv4) {
            (Proto::Tcp, _) => (SocketType::STREAM, None),
            (Proto::Udp, _) => (SocketType::DGRAM, None),
            // A datagram socket of ICMP takes echo requests alone, and needs no privilege
            // (icmp(7), ping_group_range).
            (Proto::Icmp, true) => (SocketType::DGRAM, Some(ipproto::ICMP)),
            (Proto::Icmp, false) => (SocketType::DGRAM, Some(ipproto::ICMPV6)),
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = socket_with(family, kind, flags, protocol)?;
        // The system gives the lowest number that is free.
        if fd.as_raw_fd() >= self.first_reserved {
            return Err(Errno::MFILE);
        }
        match &self.bypass {
            Bypass::Anyway => {}
            Bypass::Mark(mark) => super::sys::set_mark(&fd, *mark)?,
            Bypass::Ask(protect) => {
                if !protect(fd.as_fd()) {
                    return Err(Errno::ACCESS);
                }
            }
        }
        Ok(fd)
    }
}

fn connect_error(errno: Errno) -> ConnectError {
    match errno {
        Errno::CONNREFUSED => ConnectError::Refused,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => ConnectError::Limit,
        _ => ConnectError::Unreachable,
    }
}

impl World {
    pub(super) fn new(
        tun: OwnedFd,
        resolvers: &[SocketAddr],
        bypass: Bypass,
        lookups: Lookups,
        records: Box<dyn FnMut(Record) -> bool + Send>,
    ) -> Result<Self, IoError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system("make an epoll"))?;
        rustix::io::ioctl_fionbio(&tun, true).map_err(system("prepare the TUN"))?;
        let mut world = Self {
            epoll,
            tun,
            stalled: Vec::with_capacity(limits::PACKET),
            conns: Vec::new(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            lost: Vec::new(),
            resolvers: Vec::new(),
            ours: Vec::new(),
            opener: Opener::new(bypass),
            lookups,
            records,
        };
        world.set_resolvers(resolvers);
        world.watch(&world.tun, Source::Tun)?;
        Ok(world)
    }

    /// Hands a record to the store; whether it had room.
    pub(super) fn tell(&mut self, record: Record) -> bool {
        (self.records)(record)
    }

    pub(super) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Watches a descriptor for reading.
    pub(super) fn watch(&self, fd: impl AsFd, source: Source) -> Result<(), IoError> {
        epoll::add(&self.epoll, fd, source.data(), EventFlags::IN).map_err(system("watch a socket"))
    }

    /// Writes what was stalled. Returns whether packets can be read.
    pub(super) fn tun_event(&mut self, flags: EventFlags) -> bool {
        if flags.contains(EventFlags::OUT) && !self.stalled.is_empty() {
            let packet = std::mem::take(&mut self.stalled);
            self.write(&packet);
            if self.stalled.is_empty() {
                self.stalled = packet;
                self.stalled.clear();
                let _ = epoll::modify(&self.epoll, &self.tun, Source::Tun.data(), EventFlags::IN);
            }
        }
        flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP)
    }

    pub(super) fn read_packet(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.tun, into)
    }

    fn set_resolvers(&mut self, resolvers: &[SocketAddr]) {
        self.resolvers = resolvers.iter().map(|addr| Resolver { addr: *addr, fd: None }).collect();
        for index in 0..resolvers.len() {
            self.reach(index);
        }
    }

    /// Opens a new socket to a resolver; none where there is no way to it now.
    fn reach(&mut self, index: usize) {
        let Some(Resolver { addr, .. }) = self.resolvers.get(index) else { return };
        let opened = self.opener.open(Proto::Udp, addr.is_ipv4()).and_then(|fd| {
            connect(&fd, addr)?;
            epoll::add(&self.epoll, &fd, Source::Resolver(index).data(), EventFlags::IN)?;
            Ok(fd)
        });
        if let Err(error) = &opened {
            log::debug!("no way to resolver {index} ({error})");
        }
        self.resolvers[index].fd = opened.ok();
    }

    /// Whether an address is this device's: only those can be bound to.
    fn is_ours(&self, addr: SocketAddr) -> bool {
        let probe = self.opener.open(Proto::Udp, addr.is_ipv4());
        probe.and_then(|fd| bind(&fd, &addr)) != Err(Errno::ADDRNOTAVAIL)
    }

    /// A datagram of a resolver; `None` when there is none.
    pub(super) fn read_answer(&self, resolver: usize, into: &mut [u8]) -> Option<usize> {
        loop {
            match recv(self.resolvers.get(resolver)?.fd.as_ref()?, &mut *into, RecvFlags::empty()) {
                Ok((_, len)) => return Some(len),
                // The resolver's port was closed for a moment: the question is asked again later.
                Err(Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    fn conn(&self, token: Token) -> Option<&Conn> {
        self.conns.get(token.index as usize)?.as_ref().filter(|conn| conn.token == token)
    }

    /// A flow's socket, and what opens more like it.
    fn conn_mut(&mut self, token: Token) -> Option<(&mut Conn, &Opener)> {
        let conn = self.conns.get_mut(token.index as usize)?.as_mut()?;
        (conn.token == token).then_some((conn, &self.opener))
    }

    fn try_connect(&mut self, token: Token, proto: Proto, to: SocketAddr) -> Result<(), Errno> {
        let fd = self.opener.open(proto, to.is_ipv4())?;
        if proto == Proto::Tcp {
            sockopt::set_tcp_nodelay(&fd, true)?;
            super::sys::set_not_sent_low_water(&fd, NOT_SENT);
        }
        match connect(&fd, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => self.hold(token, proto, to.is_ipv4(), fd),
            Err(errno) => Err(errno),
        }
    }

    /// Keeps a flow's socket and watches it.
    fn hold(&mut self, token: Token, proto: Proto, ipv4: bool, fd: OwnedFd) -> Result<(), Errno> {
        if proto != Proto::Tcp {
            super::sys::keep_complaints(&fd, ipv4);
        }
        // Datagrams never wait for room; a word of room after each that left would wake us in vain.
        let flags = match proto {
            Proto::Tcp => EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET,
            Proto::Udp | Proto::Icmp => EventFlags::IN | EventFlags::ET,
        };
        epoll::add(&self.epoll, &fd, Source::Flow(token).data(), flags)?;
        let index = token.index as usize;
        if self.conns.len() <= index {
            self.conns.resize_with(index + 1, || None);
        }
        self.conns[index] = Some(Conn::new(token, proto, ipv4, fd));
        Ok(())
    }

    /// Takes a datagram, which leaves with those that follow it in this turn.
    fn post(&mut self, token: Token, bytes: &[u8], to: Option<SocketAddr>) -> Sent {
        let Some(conn) = self.conn(token) else { return Sent::Failed };
        let waits = may_wait(conn, bytes.len());
        if !waits || !self.outbox.has_room(token, bytes.len()) {
            self.send_posted();
        }
        if waits {
            self.outbox.push(token, bytes, to);
            return Sent::Bytes(bytes.len());
        }
        match self.conn_mut(token) {
            Some((conn, opener)) => conn.send_datagram(bytes, to, opener),
            None => Sent::Failed,
        }
    }

    fn send_posted(&mut self) {
        let Some(token) = self.outbox.token() else { return };
        let conn = self.conns.get_mut(token.index as usize).and_then(Option::as_mut);
        if let Some(conn) = conn.filter(|conn| conn.token == token) {
            self.outbox.send(conn, &self.opener, &mut self.lost);
        }
    }

    /// A datagram, and whose it is; `None` when there is none.
    fn take_datagram(
        &mut self,
        token: Token,
        into: &mut [u8],
    ) -> Option<(usize, Option<SocketAddr>)> {
        let conn = self.conns.get(token.index as usize)?.as_ref();
        let conn = conn.filter(|conn| conn.token == token)?;
        for _ in 0..ERRORS {
            match self.inbox.next(conn, into) {
                Ok(head) => return Some((head.len, head.from)),
                Err(Errno::AGAIN) => return None,
                // A datagram that nobody took does not end the flow. The error is told once, and
                // datagrams behind it are announced no more.
                Err(_) => {}
            }
        }
        None
    }
}

impl PacketSink for World {
    fn ready(&self) -> bool {
        self.stalled.is_empty()
    }

    fn write(&mut self, packet: &[u8]) {
        let full = match rustix::io::write(&self.tun, packet) {
            Err(Errno::AGAIN | Errno::NOBUFS) => self.stalled.is_empty(),
            // Not taken for another reason, or by a TUN that is going away: TCP sends it again,
            // datagrams may be lost.
            _ => false,
        };
        if full {
            self.stalled.clear();
            self.stalled.extend_from_slice(packet);
            let both = EventFlags::IN | EventFlags::OUT;
            let _ = epoll::modify(&self.epoll, &self.tun, Source::Tun.data(), both);
        }
    }
}

impl Effects for World {
    fn connect(&mut self, token: Token, proto: Proto, to: SocketAddr) -> Result<(), ConnectError> {
        self.try_connect(token, proto, to).map_err(connect_error)
    }

    fn open_datagrams(&mut self, token: Token, ipv4: bool) -> Result<(), ConnectError> {
        self.opener
            .open(Proto::Udp, ipv4)
            .and_then(|fd| self.hold(token, Proto::Udp, ipv4, fd))
            .map_err(connect_error)
    }

    fn send_to(&mut self, token: Token, bytes: &[u8], to: SocketAddr) -> Sent {
        self.post(token, bytes, Some(to))
    }

    fn undelivered(&mut self) -> Option<Undelivered> {
        self.send_posted();
        self.lost.pop()
    }

    fn recv_from(&mut self, token: Token, into: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let (len, from) = self.take_datagram(token, into)?;
        Some((len, from?))
    }

    fn complaint(&mut self, token: Token) -> Option<Complaint> {
        let conn = self.conn(token)?;
        loop {
            let complaint = super::sys::take_complaint(&conn.fd)?;
            // What may be cut is cut smaller from now on, and the app need not know.
            if !(conn.cuts && matches!(complaint.why, Unreachable::TooBig(_))) {
                return Some(complaint);
            }
        }
    }

    fn take_over(&mut self, from: Token, to: Token) {
        if self.conn(from).is_none() {
            return;
        }
        let conn = self.conns.get_mut(from.index as usize).and_then(Option::take);
        let Some(Conn { proto, ipv4, fd, .. }) = conn else { return };
        let _ = epoll::delete(&self.epoll, &fd);
        // Where the system has no room for it, the flow ends as if the network had broken it.
        let _ = self.hold(to, proto, ipv4, fd);
    }

    fn connect_result(&mut self, token: Token) -> Result<(), ConnectError> {
        let conn = self.conn(token).ok_or(ConnectError::Unreachable)?;
        match sockopt::socket_error(&conn.fd) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(errno)) | Err(errno) => Err(connect_error(errno)),
        }
    }

    fn recv(&mut self, token: Token, into: &mut [u8]) -> Received {
        let Some(conn) = self.conn(token) else { return Received::Failed };
        if conn.proto != Proto::Tcp {
            let taken = self.take_datagram(token, into);
            return taken.map_or(Received::Later, |(len, _)| Received::Bytes(len));
        }
        loop {
            return match recv(&conn.fd, &mut *into, RecvFlags::empty()) {
                Ok((_, 0)) => Received::End,
                Ok((_, len)) => Received::Bytes(len),
                Err(Errno::AGAIN) => Received::Later,
                Err(Errno::INTR) => continue,
                Err(_) => Received::Failed,
            };
        }
    }

    fn send(&mut self, token: Token, bytes: &[u8]) -> Sent {
        let Some(conn) = self.conn(token) else { return Sent::Failed };
        if conn.proto != Proto::Tcp {
            return self.post(token, bytes, None);
        }
        match send(&conn.fd, bytes, SendFlags::NOSIGNAL) {
            Ok(len) => Sent::Bytes(len),
            Err(Errno::AGAIN | Errno::INTR) => Sent::Later,
            Err(_) => Sent::Failed,
        }
    }

    fn finish(&mut self, token: Token) {
        if let Some(conn) = self.conn(token) {
            let _ = shutdown(&conn.fd, Shutdown::Write);
        }
    }

    fn close(&mut self, token: Token, reset: bool) {
        let Some(conn) = self.conn(token) else { return };
        if conn.proto != Proto::Tcp {
            self.send_posted();
            self.inbox.clear();
        }
        let Some(place) = self.conns.get_mut(token.index as usize) else { return };
        if let Some(conn) = place.take()
            && reset
            && conn.proto == Proto::Tcp
        {
            let _ = sockopt::set_socket_linger(&conn.fd, Some(std::time::Duration::ZERO));
        }
    }

    fn ask(&mut self, resolver: usize, message: &[u8]) {
        // What is not sent is asked again after a time. A socket that cannot send, because its
        // address or its way is gone, gives way to a new one.
        for _ in 0..2 {
            let fd = self.resolvers.get(resolver).and_then(|resolver| resolver.fd.as_ref());
            match fd.map(|fd| send(fd, message, SendFlags::NOSIGNAL)) {
                Some(Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::MSGSIZE)) => return,
                Some(Err(Errno::CONNREFUSED)) => {}
                Some(Err(_)) | None => self.reach(resolver),
            }
        }
    }

    fn network_changed(&mut self, resolvers: &[SocketAddr]) {
        self.ours.clear();
        self.set_resolvers(resolvers);
    }

    fn is_dead(&mut self, token: Token) -> bool {
        let local = self.conn(token).and_then(|conn| getsockname(&conn.fd).ok());
        let Some(mut addr) = local.and_then(|addr| SocketAddr::try_from(addr).ok()) else {
            return false;
        };
        if addr.ip().is_unspecified() {
            return false;
        }
        if let Some((_, ours)) = self.ours.iter().find(|(ip, _)| *ip == addr.ip()) {
            return !ours;
        }
        addr.set_port(0);
        let ours = self.is_ours(addr);
        self.ours.push((addr.ip(), ours));
        !ours
    }

    fn owner(&mut self, token: Token, tuple: &FiveTuple) -> Owner {
        self.lookups.ask(token, tuple)
    }

    fn record(&mut self, record: Record) {
        self.tell(record);
    }
}
