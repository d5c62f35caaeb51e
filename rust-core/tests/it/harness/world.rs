//! The world that the engine asks: scripted servers, resolvers with a table, owners, records.

use super::later::{Event, Later};
use super::message::{self, Rr};
use super::script::{Connect, Fin, Mode, Script};
use super::{Dice, READABLE, WRITABLE};
use muzzle::dns;
use muzzle::engine::{Complaint, ConnectError, Effects, Owner, Readiness, Received, Sent};
use muzzle::event::Record;
use muzzle::flow::Token;
use muzzle::tcp::PacketSink;
use muzzle::wire::{FiveTuple, Proto, Unreachable};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// One socket toward the network, kept after its end.
#[derive(Debug)]
pub struct Conn {
    pub to: SocketAddr,
    pub proto: Proto,
    /// Bytes, or all datagrams one after another.
    pub received: Vec<u8>,
    pub datagrams: Vec<Vec<u8>>,
    /// To whom each of them was.
    pub peers: Vec<SocketAddr>,
    /// How often the engine ended its direction.
    pub fins: u32,
    /// Closed by the engine; by a reset?
    pub closed: Option<bool>,
    pub connected: bool,
    script: Script,
    outcome: Option<Result<(), ConnectError>>,
    out: VecDeque<u8>,
    packets_out: VecDeque<(SocketAddr, Vec<u8>)>,
    complaints: VecDeque<Complaint>,
    ended: bool,
    broken: bool,
    unread: usize,
    blocked: bool,
    fin_sent: bool,
}

/// A question that reached a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub resolver: usize,
    pub name: String,
    pub qtype: u16,
    pub message: Vec<u8>,
}

/// See the module.
pub struct World {
    pub now_us: i64,
    pub conns: Vec<Conn>,
    pub asked: Vec<Asked>,
    pub modes: Vec<Mode>,
    pub answer_us: i64,
    /// By the app's port: user id, and how long the look-up takes; [`UNTOLD`] for no answer.
    pub owners: BTreeMap<u16, (Option<u32>, i64)>,
    /// Sockets that may be open at once.
    pub descriptors: usize,
    /// Servers that cannot be spoken to by sockets that are open now: their address is gone.
    pub cut_off: Vec<SocketAddr>,
    /// The resolvers that the engine told of last.
    pub resolvers: Vec<SocketAddr>,
    /// Look-ups that may wait at once, and all that were asked for.
    pub owner_queue: usize,
    pub owners_asked: usize,
    owners_waiting: usize,
    pub records: Vec<Record>,
    pub to_apps: VecDeque<Vec<u8>>,
    /// The TUN takes nothing before this moment.
    pub stalled_until: i64,
    /// One in so many packets to the apps is lost; 0 for none.
    pub loss: usize,
    pub lost: u64,
    pub written: u64,
    pub dice: Dice,
    zone: BTreeMap<String, Vec<Rr>>,
    servers: BTreeMap<SocketAddr, Script>,
    live: BTreeMap<Token, usize>,
    later: BTreeMap<(i64, u64), Later>,
    number: u64,
}

impl World {
    pub fn new(resolvers: Vec<SocketAddr>) -> Self {
        let mut servers = BTreeMap::new();
        for addr in &resolvers {
            servers.insert(*addr, Script { dns: true, ..Script::default() });
        }
        Self {
            now_us: SECOND_ZERO,
            conns: Vec::new(),
            asked: Vec::new(),
            modes: vec![Mode::Answer; resolvers.len()],
            answer_us: 1000,
            owners: BTreeMap::new(),
            descriptors: usize::MAX,
            cut_off: Vec::new(),
            resolvers: Vec::new(),
            owner_queue: usize::MAX,
            owners_asked: 0,
            owners_waiting: 0,
            records: Vec::new(),
            to_apps: VecDeque::new(),
            stalled_until: 0,
            loss: 0,
            lost: 0,
            written: 0,
            dice: Dice(0x9e37_79b9_7f4a_7c15),
            zone: BTreeMap::new(),
            servers,
            live: BTreeMap::new(),
            later: BTreeMap::new(),
            number: 0,
        }
    }

    pub fn serve(&mut self, at: impl Into<SocketAddr>, script: Script) {
        self.servers.insert(at.into(), script);
    }

    pub fn zone(&mut self, name: &str, record: Rr) {
        self.zone.entry(name.to_owned()).or_default().push(record);
    }

    pub fn forget(&mut self, name: &str) {
        self.zone.remove(name);
    }

    /// Forgets all that is over, and what open sockets were sent: for runs of a million flows.
    pub fn forget_past(&mut self) {
        let mut past: Vec<_> = std::mem::take(&mut self.conns).into_iter().map(Some).collect();
        for at in self.live.values_mut() {
            let mut conn = past[*at].take().expect("one token a socket");
            if !conn.script.dns {
                conn.received.clear();
            }
            conn.datagrams.clear();
            conn.peers.clear();
            *at = self.conns.len();
            self.conns.push(conn);
        }
        self.asked.clear();
        self.records.clear();
    }

    /// Sockets that are open.
    pub fn open(&self) -> usize {
        self.live.len()
    }

    /// TCP connections that were asked for, to whatever address.
    pub fn tried(&self) -> Vec<SocketAddr> {
        self.conns.iter().map(|c| c.to).collect()
    }

    pub fn asked_for(&self, name: &str) -> usize {
        self.asked.iter().filter(|a| a.name == name).count()
    }

    /// Tells the engine of a datagram that claims to be an answer.
    pub fn answer(&mut self, message: Vec<u8>) {
        self.after(0, Later::Tell(Event::Answer(message)));
    }

    /// A server ends its direction now.
    pub fn end(&mut self, conn: usize) {
        let token = self.token(conn);
        self.server_fin(token, 0);
    }

    /// A server breaks the connection off now.
    pub fn break_off(&mut self, conn: usize) {
        let token = self.live.iter().find(|(_, at)| **at == conn).map(|(token, _)| *token);
        self.after(0, Later::Reset(token.expect("an open connection")));
    }

    /// What a resolver says to a question.
    pub fn respond(&self, message: &[u8]) -> Vec<u8> {
        message::respond(message, &self.zone)
    }

    fn after(&mut self, us: i64, what: Later) {
        self.number += 1;
        self.later.insert((self.now_us + us, self.number), what);
    }

    pub fn next(&self) -> Option<i64> {
        let stall = (self.stalled_until > self.now_us).then_some(self.stalled_until);
        self.later.first_key_value().map(|((at, _), _)| *at).into_iter().chain(stall).min()
    }

    /// What the engine is told now.
    pub fn due(&mut self) -> Option<Event> {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > self.now_us {
                return None;
            }
            match entry.remove() {
                Later::Tell(event) => {
                    self.owners_waiting -= usize::from(matches!(event, Event::Owner(..)));
                    return Some(event);
                }
                Later::Connected(token) => {
                    let Some(conn) = self.conn(token) else { continue };
                    conn.connected = conn.outcome == Some(Ok(()));
                    if conn.connected {
                        let script = conn.script.clone();
                        if !script.greeting.is_empty() {
                            self.after(script.latency_us, Later::Bytes(token, script.greeting));
                        }
                        if script.fin == Fin::AfterGreeting {
                            self.server_fin(token, script.latency_us);
                        }
                        return Some(Event::Ready(token, WRITABLE));
                    }
                    return Some(Event::Ready(token, BROKEN));
                }
                Later::Bytes(token, bytes) => {
                    let Some(conn) = self.conn(token) else { continue };
                    conn.out.extend(bytes);
                    return Some(Event::Ready(token, READABLE));
                }
                Later::Datagram(token, from, bytes) => {
                    let Some(conn) = self.conn(token) else { continue };
                    conn.packets_out.push_back((from, bytes));
                    return Some(Event::Ready(token, READABLE));
                }
                Later::Fin(token) => {
                    let Some(conn) = self.conn(token) else { continue };
                    conn.ended = true;
                    return Some(Event::Ready(token, READABLE));
                }
                Later::Reset(token) => {
                    let Some(conn) = self.conn(token) else { continue };
                    conn.broken = true;
                    return Some(Event::Ready(token, BROKEN));
                }
                Later::Drain(token) => {
                    let Some(conn) = self.conn(token) else { continue };
                    conn.unread = conn.unread.saturating_sub(conn.script.window.div_ceil(2));
                    let (again, us) = (conn.unread > 0, conn.script.read_us);
                    let blocked = std::mem::take(&mut conn.blocked);
                    if again {
                        self.after(us, Later::Drain(token));
                    }
                    if blocked {
                        return Some(Event::Ready(token, WRITABLE));
                    }
                }
            }
        }
        None
    }

    fn conn(&mut self, token: Token) -> Option<&mut Conn> {
        self.conns.get_mut(*self.live.get(&token)?)
    }

    fn server_fin(&mut self, token: Token, after_us: i64) {
        let Some(conn) = self.conn(token) else { return };
        if !std::mem::replace(&mut conn.fin_sent, true) {
            self.after(after_us, Later::Fin(token));
        }
    }

    fn hold(
        &mut self,
        token: Token,
        to: SocketAddr,
        proto: Proto,
        script: Script,
        outcome: Option<Result<(), ConnectError>>,
    ) {
        self.live.insert(token, self.conns.len());
        self.conns.push(Conn {
            to,
            proto,
            received: Vec::new(),
            datagrams: Vec::new(),
            peers: Vec::new(),
            fins: 0,
            closed: None,
            connected: false,
            script,
            outcome,
            out: VecDeque::new(),
            packets_out: VecDeque::new(),
            complaints: VecDeque::new(),
            ended: false,
            broken: false,
            unread: 0,
            blocked: false,
            fin_sent: false,
        });
    }

    /// The network says something of what went out of a socket.
    pub fn complain(&mut self, conn: usize, to: impl Into<SocketAddr>, why: Unreachable) {
        self.conns[conn].complaints.push_back(Complaint { to: to.into(), why });
        let failed = Readiness { readable: true, writable: true, failed: true };
        let token = self.token(conn);
        self.after(0, Later::Tell(Event::Ready(token, failed)));
    }

    /// Somebody sends a datagram to a socket.
    pub fn arrive(&mut self, conn: usize, from: impl Into<SocketAddr>, bytes: &[u8]) {
        let token = self.token(conn);
        self.after(0, Later::Datagram(token, from.into(), bytes.to_vec()));
    }

    fn token(&self, conn: usize) -> Token {
        let token = self.live.iter().find(|(_, at)| **at == conn).map(|(token, _)| *token);
        token.expect("an open connection")
    }

    fn send_one(&mut self, token: Token, bytes: &[u8], to: SocketAddr, script: &Script) -> Sent {
        let Some(conn) = self.conn(token) else { return Sent::Failed };
        let head = if to.is_ipv4() { 28 } else { 48 };
        if bytes.len() + head > usize::from(script.mtu) {
            return Sent::TooLong(script.mtu);
        }
        conn.datagrams.push(bytes.to_vec());
        conn.peers.push(to);
        conn.received.extend_from_slice(bytes);
        if script.echo {
            let back = match conn.proto {
                Proto::Icmp => message::echo_reply(bytes, to.is_ipv4()),
                _ => bytes.to_vec(),
            };
            self.after(script.latency_us, Later::Datagram(token, to, back));
        }
        Sent::Bytes(bytes.len())
    }

    /// What a server does about bytes that it got.
    fn react(&mut self, token: Token, bytes: &[u8]) {
        let Some(conn) = self.conn(token) else { return };
        let total = conn.received.len();
        let before = total - bytes.len();
        let script = conn.script.clone();
        let wait = script.latency_us;
        if script.reset_after.is_some_and(|n| total >= n) {
            return self.after(wait, Later::Reset(token));
        }
        if script.dns {
            let conn = self.conn(token).expect("it is there");
            let whole = conn.received.clone();
            let Some(message) = whole.get(2..).filter(|m| {
                !m.is_empty() && usize::from(u16::from_be_bytes([whole[0], whole[1]])) == m.len()
            }) else {
                return;
            };
            let reply = message::respond(message, &self.zone);
            let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
            // In two pieces, because a stream has no edges.
            self.after(wait, Later::Bytes(token, framed[..1].to_vec()));
            return self.after(wait + 10, Later::Bytes(token, framed[1..].to_vec()));
        }
        if script.echo {
            self.after(wait, Later::Bytes(token, bytes.to_vec()));
        }
        for (at, reply) in script.replies {
            if before < at && at <= total {
                self.after(wait, Later::Bytes(token, reply));
            }
        }
        if matches!(script.fin, Fin::AfterBytes(n) if total >= n) {
            self.server_fin(token, wait);
        }
    }
}

const BROKEN: Readiness = Readiness { readable: true, writable: true, failed: true };

/// A look-up of an owner that is never answered.
pub const UNTOLD: i64 = -1;

/// Not zero, so that a moment that was forgotten shows.
const SECOND_ZERO: i64 = 1_000_000;

impl PacketSink for World {
    fn ready(&self) -> bool {
        self.now_us >= self.stalled_until
    }

    fn write(&mut self, packet: &[u8]) {
        self.written += 1;
        if !self.ready() || (self.loss > 0 && self.dice.one_in(self.loss)) {
            self.lost += 1;
            return;
        }
        self.to_apps.push_back(packet.to_vec());
    }
}

impl Effects for World {
    fn connect(&mut self, token: Token, proto: Proto, to: SocketAddr) -> Result<(), ConnectError> {
        assert!(!self.live.contains_key(&token), "two sockets for one token");
        if self.live.len() >= self.descriptors {
            return Err(ConnectError::Limit);
        }
        let missing = if proto == Proto::Tcp { Connect::Unreachable } else { Connect::Accept };
        let script = self.servers.get(&to).cloned();
        let script = script.unwrap_or_else(|| Script::connect(missing));
        let outcome = match script.connect {
            Connect::Accept => Some(Ok(())),
            Connect::Refuse => Some(Err(ConnectError::Refused)),
            Connect::Unreachable => Some(Err(ConnectError::Unreachable)),
            Connect::Silent => None,
            Connect::NoRoute => return Err(ConnectError::Unreachable),
            Connect::NoDescriptor => return Err(ConnectError::Limit),
        };
        if outcome.is_some() && proto == Proto::Tcp {
            self.after(script.latency_us, Later::Connected(token));
        }
        self.hold(token, to, proto, script, outcome);
        Ok(())
    }

    fn open_datagrams(&mut self, token: Token, ipv4: bool) -> Result<(), ConnectError> {
        let anybody = if ipv4 { "0.0.0.0:0" } else { "[::]:0" };
        let to = anybody.parse().expect("it is an address");
        self.hold(token, to, Proto::Udp, Script::default(), Some(Ok(())));
        Ok(())
    }

    fn send_to(&mut self, token: Token, bytes: &[u8], to: SocketAddr) -> Sent {
        let script = self.servers.get(&to).cloned().unwrap_or_default();
        self.send_one(token, bytes, to, &script)
    }

    fn recv_from(&mut self, token: Token, into: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let (from, datagram) = self.conn(token)?.packets_out.pop_front()?;
        into[..datagram.len()].copy_from_slice(&datagram);
        Some((datagram.len(), from))
    }

    fn complaint(&mut self, token: Token) -> Option<Complaint> {
        self.conn(token)?.complaints.pop_front()
    }

    fn take_over(&mut self, from: Token, to: Token) {
        assert!(!self.live.contains_key(&to), "two sockets for one token");
        let at = self.live.remove(&from).expect("the engine gives away what it has");
        self.live.insert(to, at);
        for later in self.later.values_mut() {
            later.take_over(from, to);
        }
    }

    fn connect_result(&mut self, token: Token) -> Result<(), ConnectError> {
        let conn = self.conn(token).expect("the engine asks for sockets that it has");
        if conn.broken {
            return Err(ConnectError::Unreachable);
        }
        conn.outcome.expect("the engine asks after it was told")
    }

    fn recv(&mut self, token: Token, into: &mut [u8]) -> Received {
        let Some(conn) = self.conn(token) else { return Received::Failed };
        if conn.proto != Proto::Tcp {
            let Some((_, datagram)) = conn.packets_out.pop_front() else { return Received::Later };
            into[..datagram.len()].copy_from_slice(&datagram);
            return Received::Bytes(datagram.len());
        }
        assert!(!into.is_empty(), "a read without room says that the stream ended");
        let n = conn.out.len().min(into.len()).min(conn.script.piece);
        match n {
            0 if conn.broken => Received::Failed,
            0 if conn.ended => Received::End,
            0 => Received::Later,
            _ => {
                for (place, byte) in into.iter_mut().zip(conn.out.drain(..n)) {
                    *place = byte;
                }
                Received::Bytes(n)
            }
        }
    }

    fn send(&mut self, token: Token, bytes: &[u8]) -> Sent {
        let Some(conn) = self.conn(token) else { return Sent::Failed };
        assert_eq!(conn.fins, 0, "bytes after the end");
        if conn.broken {
            return Sent::Failed;
        }
        if conn.proto != Proto::Tcp {
            let (to, script) = (conn.to, conn.script.clone());
            return self.send_one(token, bytes, to, &script);
        }
        assert!(conn.connected, "bytes before the connection");
        let n = bytes.len().min(conn.script.window - conn.unread);
        conn.received.extend_from_slice(&bytes[..n]);
        let (window, wait) = (conn.script.window, conn.script.read_us);
        if n < bytes.len() {
            conn.blocked = true;
        }
        if conn.unread == 0 && n > 0 && (wait > 0 || conn.blocked) {
            self.after(wait, Later::Drain(token));
        }
        let conn = self.conn(token).expect("it is there");
        if wait > 0 || n < bytes.len() {
            conn.unread = (conn.unread + n).min(window);
        }
        if n == 0 {
            return Sent::Later;
        }
        self.react(token, &bytes[..n]);
        Sent::Bytes(n)
    }

    fn finish(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        conn.fins += 1;
        let wait = conn.script.latency_us;
        if conn.script.fin == Fin::AfterApp {
            self.server_fin(token, wait);
        }
    }

    fn close(&mut self, token: Token, reset: bool) {
        if let Some(at) = self.live.remove(&token) {
            self.conns[at].closed = Some(reset);
        }
    }

    fn ask(&mut self, resolver: usize, message: &[u8]) {
        let Ok(asked) = dns::parse_query(message) else {
            panic!("an unreadable question went out")
        };
        let (name, qtype) = (asked.name.as_str().to_owned(), asked.qtype);
        self.asked.push(Asked { resolver, name, qtype, message: message.to_vec() });
        let mut reply = message::respond(message, &self.zone);
        let mode = self.modes[resolver];
        match mode {
            Mode::Answer => {}
            Mode::Silent => return,
            Mode::WrongId => reply[1] ^= 1,
            Mode::WrongQuestion => reply[13] = if reply[13] == b'x' { b'y' } else { b'x' },
            Mode::Truncate | Mode::TruncateTwice => reply = message::truncate(&reply),
        }
        if mode == Mode::TruncateTwice {
            self.after(self.answer_us, Later::Tell(Event::Answer(reply.clone())));
        }
        self.after(self.answer_us, Later::Tell(Event::Answer(reply)));
    }

    fn network_changed(&mut self, resolvers: &[SocketAddr]) {
        self.resolvers = resolvers.to_vec();
        // What was asked before goes to nobody.
        self.later.retain(|_, later| !matches!(later, Later::Tell(Event::Answer(_))));
        self.modes.resize(resolvers.len(), Mode::Answer);
        self.modes.fill(Mode::Answer);
    }

    fn is_dead(&mut self, token: Token) -> bool {
        let to = self.conn(token).map(|conn| conn.to);
        to.is_some_and(|to| self.cut_off.contains(&to))
    }

    fn owner(&mut self, token: Token, tuple: &FiveTuple) -> Owner {
        let (uid, wait) = self.owners.get(&tuple.src.port()).copied().unwrap_or((None, 0));
        self.owners_asked += 1;
        match wait {
            0 => return Owner::Known(uid),
            _ if self.owners_waiting >= self.owner_queue => return Owner::Busy,
            UNTOLD => return Owner::Later,
            _ => self.owners_waiting += 1,
        }
        self.after(wait, Later::Tell(Event::Owner(token, uid)));
        Owner::Later
    }

    fn record(&mut self, record: Record) {
        self.records.push(record);
    }
}
