//! A virtual phone and network around the engine: apps with real TCP, scripted servers, a
//! resolver with a table, and a clock that jumps to the next thing that is due.
//!
//! Never opens a socket, sleeps or draws from chance: the same calls give the same run.

mod app;
mod later;
mod message;
mod offers;
mod packet;
mod script;
mod world;

pub use app::Client;
pub use message::{Rr, query};
pub use offers::Offers;
pub use packet::{EchoError, Icmp, Seen, Segment, Tcp, TooBig, echo, edit, tcp, udp};
pub use script::{Connect, Fin, Mode, Script};
pub use world::{UNTOLD, World};

use later::Event;
use muzzle::engine::{Config, Engine, Now, Reach, Readiness, Rules};
use muzzle::event::{Record, Verdict};
use muzzle::limits;
use muzzle::names;
use muzzle::policy::Policy;
use muzzle::signatures::HostTable;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// User ids of the apps that [`POLICY`] names.
pub const BLOCK: u32 = 10_001;
pub const RECORD: u32 = 10_002;
pub const OFF: u32 = 10_003;
pub const CAPTURE: u32 = 10_004;

/// An app of each kind.
pub const POLICY: &str = r#"
version = 1
[[app]]
package = "org.example.block"
uid = 10001
setting = "block"
[[app]]
package = "org.example.record"
uid = 10002
setting = "record"
[[app]]
package = "org.example.off"
uid = 10003
setting = "off"
[[app]]
package = "org.example.capture"
uid = 10004
setting = "block"
when_blocked = "capture"
"#;

/// Listed to be blocked, in the built-in table.
pub const LISTED: &str = "tracking.intl.miui.com";
/// Another one.
pub const LISTED_TOO: &str = "sa.api.intl.miui.com";
/// Never blocked, in the built-in table.
pub const NEVER: &str = "ruac.account.xiaomi.com";
/// Where the servers of these names are.
pub const SERVER: [u8; 4] = [203, 0, 113, 9];
pub const SERVER_TOO: [u8; 4] = [203, 0, 113, 10];
pub const SERVER_V6: &str = "2001:db8::9";

pub const SECOND: i64 = 1_000_000;
const WALL_MS: i64 = 1_795_248_000_000;

pub fn rules(policy: &str) -> Rules {
    let table = Arc::new(HostTable::builtin().clone());
    Rules { table, policy: Policy::parse(policy).unwrap() }
}

/// See the module.
pub struct Sim {
    pub engine: Engine,
    pub world: World,
    pub clients: Vec<Client>,
    /// Packets of apps that wait for the engine.
    pub to_engine: VecDeque<Vec<u8>>,
    /// What reached apps that have no [`Client`], in order.
    pub seen: Vec<Seen>,
    pub offers: Offers,
    /// The wall clock when the run began; a test may set it.
    pub wall_ms: i64,
    next_port: u16,
    next_id: u16,
}

impl Sim {
    pub fn new(policy: &str) -> Self {
        Self::reaching(Reach::Light, policy)
    }

    /// With everything that apps send routed to the engine.
    pub fn deep(policy: &str) -> Self {
        Self::reaching(Reach::Deep, policy)
    }

    pub fn reaching(reach: Reach, policy: &str) -> Self {
        Self::keeping(limits::AWAKE, reach, policy)
    }

    /// Of quiet connections so many keep their buffers.
    pub fn keeping(awake: usize, reach: Reach, policy: &str) -> Self {
        let resolvers = vec!["192.0.2.53:53".parse().unwrap(), "192.0.2.54:53".parse().unwrap()];
        let config = Config { reach, resolvers, seed: [3, 5], awake };
        let mut world = World::new(config.resolvers.clone());
        world.zone(LISTED, Rr::A(SERVER));
        world.zone(LISTED_TOO, Rr::A(SERVER_TOO));
        Self {
            engine: Engine::new(config, rules(policy)),
            world,
            clients: Vec::new(),
            to_engine: VecDeque::new(),
            seen: Vec::new(),
            offers: Offers::default(),
            wall_ms: WALL_MS,
            next_port: 40_000,
            next_id: 1,
        }
    }

    /// With [`POLICY`], and a server with this script behind [`LISTED`], port 80.
    pub fn with(script: Script) -> Self {
        let mut sim = Self::new(POLICY);
        sim.world.serve((SERVER, 80), script);
        sim
    }

    pub fn now(&self) -> Now {
        Now { mono_us: self.world.now_us, wall_ms: self.wall_ms + self.world.now_us / 1000 }
    }

    fn port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    pub fn app(&self, to: IpAddr, port: u16) -> SocketAddr {
        match to {
            IpAddr::V4(_) => SocketAddr::new(names::TUN_V4.into(), port),
            IpAddr::V6(_) => SocketAddr::new(names::TUN_V6.into(), port),
        }
    }

    /// A free address of an app of this user id that wants to speak to `to`.
    pub fn source(&mut self, uid: u32, to: IpAddr) -> SocketAddr {
        let port = self.port();
        self.world.owners.insert(port, (Some(uid), 0));
        self.app(to, port)
    }

    /// Opens a connection; nothing is sent before the clock runs.
    pub fn connect(&mut self, uid: u32, to: SocketAddr) -> usize {
        let from = self.source(uid, to.ip());
        self.connect_from(from, to)
    }

    pub fn connect_from(&mut self, from: SocketAddr, to: SocketAddr) -> usize {
        self.clients.push(Client::new(from, to, 9000, self.world.now_us));
        self.clients.len() - 1
    }

    /// Asks for [`LISTED`] and opens a connection to its port 80.
    pub fn open(&mut self, uid: u32) -> usize {
        let to = self.fake(LISTED);
        self.connect(uid, (to, 80).into())
    }

    /// The IPv4 address that the virtual resolver gives for a name.
    pub fn fake(&mut self, name: &str) -> IpAddr {
        self.lookup(name, 1).unwrap_or_else(|| panic!("{name} has no address"))
    }

    pub fn fake_v6(&mut self, name: &str) -> IpAddr {
        self.lookup(name, 28).unwrap_or_else(|| panic!("{name} has no address"))
    }

    fn lookup(&mut self, name: &str, qtype: u16) -> Option<IpAddr> {
        message::first_address(&self.ask(name, qtype)?)
    }

    /// Asks the virtual resolver over UDP and runs until the answer is there.
    pub fn ask(&mut self, name: &str, qtype: u16) -> Option<Vec<u8>> {
        self.next_id = self.next_id.wrapping_add(7919);
        let message = query(self.next_id, name, qtype);
        self.ask_raw(&message)
    }

    /// The same with any message.
    pub fn ask_raw(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let app = self.app(names::RESOLVER_V4.into(), self.next_port + 1);
        self.port();
        self.send_packet(udp(app, resolver(), message));
        let limit = self.world.now_us + 20 * SECOND;
        let before = self.seen.len();
        self.run_while(limit, |sim| sim.answer_to(before, app).is_none());
        self.answer_to(before, app)
    }

    /// The datagram that the resolver sent to this app after so many things were seen.
    pub fn answer_to(&self, from: usize, app: SocketAddr) -> Option<Vec<u8>> {
        self.seen[from..].iter().find_map(|seen| match seen {
            Seen::Datagram { src, dst, data } if *dst == app && *src == resolver() => {
                Some(data.clone())
            }
            _ => None,
        })
    }

    pub fn send_packet(&mut self, packet: Vec<u8>) {
        self.to_engine.push_back(packet);
    }

    /// Bytes for the server; they go as there is room.
    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        self.clients[client].to_send.extend_from_slice(bytes);
    }

    /// Forgets all that is over, apart from the clients.
    pub fn forget_past(&mut self) {
        self.seen.clear();
        self.offers.forget_all();
        self.world.forget_past();
    }

    /// Everything said and done at this moment; whether anything was.
    fn turn(&mut self) -> bool {
        let now = self.now();
        let mut busy = false;
        for client in &mut self.clients {
            client.poll(now.mono_us);
            if client.is_over() {
                self.offers.forget(client.local);
            }
            self.to_engine.extend(client.wire.outbox.drain(..));
        }
        while let Some(event) = self.world.due() {
            busy = true;
            self.handle(now, event);
        }
        let mut bytes = 0;
        for _ in 0..limits::TUN_BATCH {
            if bytes >= limits::TUN_BATCH_BYTES {
                break;
            }
            let Some(packet) = self.to_engine.pop_front() else { break };
            busy = true;
            bytes += packet.len();
            self.engine.handle_packet(now, &packet, &mut self.world);
        }
        busy |= self.engine.deadline().is_some_and(|at| at <= now.mono_us);
        self.engine.handle_timeout(now, &mut self.world);
        busy |= self.engine.flush(now, &mut self.world);
        while let Some(bytes) = self.world.to_apps.pop_front() {
            busy = true;
            self.deliver(&bytes);
        }
        busy
    }

    fn handle(&mut self, now: Now, event: Event) {
        let (engine, world) = (&mut self.engine, &mut self.world);
        match event {
            Event::Ready(token, ready) => engine.handle_socket(now, token, ready, world),
            Event::Owner(token, uid) => engine.handle_owner(now, token, uid, world),
            Event::Answer(mut message) => engine.handle_answer(now, &mut message, world),
        }
    }

    fn deliver(&mut self, bytes: &[u8]) {
        let seen = packet::read(bytes);
        if let Seen::Segment(segment) = &seen {
            self.offers.see(segment);
            let tuple = |c: &&mut Client| c.local == segment.dst && c.remote == segment.src;
            if let Some(client) = self.clients.iter_mut().rev().find(tuple) {
                client.was_reset |= segment.rst;
                client.wire.inbox.push_back(bytes.to_vec());
                return;
            }
        }
        if let Seen::Icmp(about) = &seen {
            let ports = (about.src_port, about.dst_port);
            for client in &mut self.clients {
                let same = (client.local.port(), client.remote.port()) == ports;
                client.unreachable |= same && client.local.ip() == about.to && !client.was_open;
            }
        }
        self.seen.push(seen);
    }

    /// When something is due next, of whatever kind.
    fn next(&mut self) -> Option<i64> {
        let now = self.world.now_us;
        let clients = self.clients.iter_mut().filter_map(|c| c.deadline(now));
        let all = clients.chain(self.engine.deadline()).chain(self.world.next());
        all.min().map(|at| at.max(now))
    }

    /// Runs until `go_on` says no, nothing is left to do, or the moment `until` has come.
    pub fn run_while(&mut self, until: i64, go_on: impl Fn(&Self) -> bool) {
        let (mut turns, mut moment) = (0, self.world.now_us);
        while go_on(self) {
            if self.world.now_us != moment {
                (turns, moment) = (0, self.world.now_us);
            }
            turns += 1;
            assert!(turns < 200_000, "the engine spins at {moment} µs");
            if self.turn() {
                continue;
            }
            match self.next() {
                Some(at) if at <= until => self.world.now_us = at,
                _ => {
                    self.world.now_us = self.world.now_us.max(until);
                    return;
                }
            }
        }
    }

    /// Runs for so long.
    pub fn run(&mut self, us: i64) {
        self.run_while(self.world.now_us + us, |_| true);
    }

    /// Runs a quarter of a second: everything that needs no time-out has happened.
    pub fn settle(&mut self) {
        self.run(SECOND / 4);
    }

    /// New lists and choices, from this moment on.
    pub fn set_rules(&mut self, policy: &str) {
        let now = self.now();
        self.engine.set_rules(now, rules(policy), &mut self.world);
    }

    /// The network changes now; sockets to these servers are dead.
    pub fn move_to(&mut self, resolvers: &[SocketAddr], cut_off: &[SocketAddr]) {
        self.world.cut_off = cut_off.to_vec();
        let now = self.now();
        self.engine.handle_network_change(now, resolvers, &mut self.world);
    }

    pub fn shut_down(&mut self) {
        let now = self.now();
        self.engine.shut_down(now, &mut self.world);
        while let Some(bytes) = self.world.to_apps.pop_front() {
            self.deliver(&bytes);
        }
    }

    // What came of it.

    pub fn received(&self, client: usize) -> &[u8] {
        &self.clients[client].received
    }

    pub fn icmp(&self) -> Vec<&Icmp> {
        self.seen
            .iter()
            .filter_map(|s| if let Seen::Icmp(i) = s { Some(i) } else { None })
            .collect()
    }

    pub fn segments(&self) -> Vec<&Segment> {
        let all = self.seen.iter();
        all.filter_map(|s| if let Seen::Segment(t) = s { Some(t) } else { None }).collect()
    }

    pub fn datagrams(&self, to: SocketAddr) -> Vec<&[u8]> {
        let all = self.seen.iter().filter_map(|s| match s {
            Seen::Datagram { dst, data, .. } if *dst == to => Some(&data[..]),
            _ => None,
        });
        all.collect()
    }

    /// Echo replies to this address and identifier: from whom, number, data.
    pub fn echoes(&self, to: SocketAddr) -> Vec<(IpAddr, u16, &[u8])> {
        let all = self.seen.iter().filter_map(|s| match s {
            Seen::Echo { src, dst, number, data } if *dst == to => Some((*src, *number, &data[..])),
            _ => None,
        });
        all.collect()
    }

    pub fn too_big(&self) -> Vec<TooBig> {
        let all = self.seen.iter();
        all.filter_map(|s| if let Seen::TooBig(t) = s { Some(*t) } else { None }).collect()
    }

    pub fn echo_errors(&self) -> Vec<EchoError> {
        let all = self.seen.iter();
        all.filter_map(|s| if let Seen::EchoError(e) = s { Some(*e) } else { None }).collect()
    }

    pub fn opened(&self) -> usize {
        self.count(|r| matches!(r, Record::Opened(_)))
    }

    pub fn closed(&self) -> usize {
        self.count(|r| matches!(r, Record::Closed { .. }))
    }

    pub fn blocked(&self) -> usize {
        self.count(|r| matches!(r, Record::Blocked(f) if f.verdict == Verdict::Block))
    }

    pub fn count(&self, f: impl Fn(&Record) -> bool) -> usize {
        self.world.records.iter().filter(|r| f(r)).count()
    }

    /// The bodies of the requests that were recorded, in order.
    pub fn bodies(&self) -> Vec<&[u8]> {
        let all = self.world.records.iter().filter_map(|r| match r {
            Record::Request { request, .. } => Some(&request.body[..]),
            _ => None,
        });
        all.collect()
    }

    /// Bytes up and down of the flows that ended, in order.
    pub fn sums(&self) -> Vec<(u64, u64)> {
        let all = self.world.records.iter().filter_map(|r| match r {
            Record::Closed { up, down, .. } | Record::Passed { up, down, .. } => Some((*up, *down)),
            _ => None,
        });
        all.collect()
    }

    /// Nothing is held any more, on either side, and each record that was begun was ended.
    pub fn assert_clean(&mut self) {
        assert_eq!(self.engine.flow_count(), 0, "flows are left");
        assert_eq!(self.world.open(), 0, "sockets are left");
        assert_eq!(self.opened(), self.closed(), "{:?}", self.world.records);
        self.assert_idle();
    }

    pub fn assert_idle(&mut self) {
        assert_eq!(self.engine.deadline(), None, "a timer is left");
    }
}

/// Where the virtual resolver listens.
pub fn resolver() -> SocketAddr {
    (names::RESOLVER_V4, 53).into()
}

pub const READABLE: Readiness = Readiness { readable: true, writable: false, failed: false };
pub const WRITABLE: Readiness = Readiness { readable: false, writable: true, failed: false };

/// Bytes that differ at every place that a fault would mix up.
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed | 1);
    (0..len).map(|_| dice.next() as u8).collect()
}

/// xorshift64: a fixed seed gives a fixed run.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 8) as usize % n.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
