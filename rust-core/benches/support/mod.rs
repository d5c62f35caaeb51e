//! An app and a network that take everything and keep nothing but the last packet: what a packet
//! costs here, it costs in the engine.

use muzzle::engine::{
    Config, ConnectError, Effects, Engine, Now, Owner, Reach, Readiness, Received, Rules, Sent,
};
use muzzle::event::Record;
use muzzle::flow::Token;
use muzzle::limits;
use muzzle::names::RESOLVER_V4;
use muzzle::policy::Policy;
use muzzle::signatures::HostTable;
use muzzle::tcp::PacketSink;
use muzzle::wire::{self, FiveTuple, Proto};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// On the built-in list, with all that is under it.
pub const LISTED: &str = "tracking.miui.com";
pub const APP: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The application's port of [`Flow`], and the port it wants.
const PORTS: (u16, u16) = (40_000, 443);
const SYN: u8 = 2;
const PUSH_ACK: u8 = 0x18;
const ACK: u8 = 0x10;

/// The effects.
pub struct Quiet {
    /// The last packet for the app.
    pub packet: Vec<u8>,
    /// Bytes taken by the network.
    pub sent: usize,
    /// Bytes that the network has for the app.
    pub waiting: usize,
    asked: Vec<Vec<u8>>,
    flow: Option<Token>,
}

impl Default for Quiet {
    fn default() -> Self {
        let packet = Vec::with_capacity(limits::PACKET);
        Self { packet, sent: 0, waiting: 0, asked: Vec::new(), flow: None }
    }
}

impl PacketSink for Quiet {
    fn ready(&self) -> bool {
        true
    }
    fn write(&mut self, packet: &[u8]) {
        self.packet.clear();
        self.packet.extend_from_slice(packet);
    }
}

impl Effects for Quiet {
    fn connect(&mut self, token: Token, _: Proto, _: SocketAddr) -> Result<(), ConnectError> {
        self.flow = Some(token);
        Ok(())
    }
    fn take_over(&mut self, _: Token, _: Token) {}
    fn connect_result(&mut self, _: Token) -> Result<(), ConnectError> {
        Ok(())
    }
    fn recv(&mut self, _: Token, into: &mut [u8]) -> Received {
        let taken = self.waiting.min(into.len());
        self.waiting -= taken;
        if taken == 0 { Received::Later } else { Received::Bytes(taken) }
    }
    fn send(&mut self, _: Token, bytes: &[u8]) -> Sent {
        self.sent += bytes.len();
        Sent::Bytes(bytes.len())
    }
    fn finish(&mut self, _: Token) {}
    fn close(&mut self, _: Token, _: bool) {}
    fn ask(&mut self, _: usize, message: &[u8]) {
        self.asked.push(message.to_vec());
    }
    fn owner(&mut self, _: Token, _: &FiveTuple) -> Owner {
        Owner::Known(None)
    }
    fn record(&mut self, _: Record) {}
}

/// A moment, microseconds after the begin.
pub fn at(mono_us: i64) -> Now {
    Now { mono_us, wall_ms: 1_780_000_000_000 + mono_us / 1000 }
}

/// An engine with the built-in lists that records all listed hosts.
pub fn engine() -> Engine {
    let table = Arc::new(HostTable::builtin().clone());
    let policy = Policy::parse("version = 1\ndefault = \"record\"\n").expect("a policy");
    let resolvers = vec!["192.0.2.53:53".parse().expect("an address")];
    let config = Config { reach: Reach::Light, resolvers, seed: [1, 2], awake: limits::AWAKE };
    Engine::new(config, Rules { table, policy })
}

/// A question for the A record of a name, without its packet.
pub fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// The packet that asks the virtual resolver.
pub fn question_packet(name: &str) -> Vec<u8> {
    let message = question(name);
    let mut packet = vec![0; wire::DATAGRAM_V4 + message.len()];
    packet[wire::DATAGRAM_V4..].copy_from_slice(&message);
    let (app, resolver) = (SocketAddr::from((APP, 5353)), SocketAddr::from((RESOLVER_V4, 53)));
    wire::datagram(app, resolver, message.len(), &mut packet).expect("it fits");
    packet
}

/// The upstream's answer to a message that the engine sent: [`SERVER`] for A, nothing for others.
fn upstream_answer(asked: &[u8]) -> Vec<u8> {
    let name = asked[12..].iter().position(|byte| *byte == 0).expect("a name");
    let mut message = asked[..12 + name + 5].to_vec();
    let is_a = message[message.len() - 3] == 1;
    (message[2], message[3]) = (0x81, 0x80);
    message[11] = 0;
    if is_a {
        message[7] = 1;
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
        message.extend_from_slice(&SERVER.octets());
    }
    message
}

/// A TCP segment of the app. Sums are left out: the engine does not look at them.
pub fn segment(to: Ipv4Addr, flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    let syn = flags & SYN != 0;
    let options: &[u8] = if syn { &[2, 4, 0x23, 0, 3, 3, 7, 0] } else { &[] };
    let length = 40 + options.len() + data.len();
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(length as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend_from_slice(&APP.octets());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(&PORTS.0.to_be_bytes());
    packet.extend_from_slice(&PORTS.1.to_be_bytes());
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&ack.to_be_bytes());
    packet.extend_from_slice(&[((20 + options.len()) as u8 / 4) << 4, flags]);
    packet.extend_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
    packet.extend_from_slice(options);
    packet.extend_from_slice(data);
    packet
}

/// The packet that opens a connection.
#[allow(dead_code, reason = "one of the two users only")]
pub fn syn(to: Ipv4Addr) -> Vec<u8> {
    segment(to, SYN, 1000, 0, &[])
}

/// A recorded connection of the app that is open, and of which the first bytes were no request.
pub struct Flow {
    pub engine: Engine,
    pub world: Quiet,
    pub fake: Ipv4Addr,
    token: Token,
    now: i64,
    seq: u32,
    acked: u32,
}

impl Flow {
    pub fn open() -> Self {
        let (mut engine, mut world, mut now) = (engine(), Quiet::default(), 0);
        engine.handle_packet(at(now), &question_packet(LISTED), &mut world);
        let tail: [u8; 4] = world.packet[world.packet.len() - 4..].try_into().expect("four bytes");
        let fake = Ipv4Addr::from(tail);
        engine.handle_packet(at(now), &syn(fake), &mut world);
        for message in std::mem::take(&mut world.asked) {
            engine.handle_answer(at(now), &mut upstream_answer(&message), &mut world);
        }
        let token = world.flow.expect("the engine connects");
        let ready = Readiness { writable: true, ..Readiness::default() };
        engine.handle_socket(at(now), token, ready, &mut world);
        engine.flush(at(now), &mut world);
        now += 100;
        let theirs = u32::from_be_bytes(world.packet[24..28].try_into().expect("a SYN-ACK"));
        let mut flow = Self { engine, world, fake, token, now, seq: 1001, acked: theirs + 1 };
        flow.up(&[0; 64]);
        flow
    }

    /// The next segment of the app.
    pub fn next(&self, data: &[u8]) -> Vec<u8> {
        segment(self.fake, PUSH_ACK, self.seq, self.acked, data)
    }

    /// The app sends, the network takes it.
    pub fn up(&mut self, data: &[u8]) {
        let packet = self.next(data);
        self.handle(&packet);
        self.seq += data.len() as u32;
    }

    /// A packet that was built before, with everything that follows.
    pub fn handle(&mut self, packet: &[u8]) {
        self.now += 10;
        let now = at(self.now);
        self.engine.handle_packet(now, packet, &mut self.world);
        self.engine.handle_timeout(now, &mut self.world);
        self.engine.flush(now, &mut self.world);
        self.engine.deadline();
    }

    /// The network has bytes; the app will acknowledge the packet given back.
    #[allow(dead_code, reason = "one of the two users only")]
    pub fn down(&mut self, bytes: usize) {
        self.now += 10;
        let now = at(self.now);
        self.world.waiting = bytes;
        let ready = Readiness { readable: true, ..Readiness::default() };
        self.engine.handle_socket(now, self.token, ready, &mut self.world);
        self.engine.flush(now, &mut self.world);
        self.engine.deadline();
        self.acked += bytes as u32;
    }

    /// The acknowledgement of all that was fetched.
    #[allow(dead_code, reason = "one of the two users only")]
    pub fn ack(&self) -> Vec<u8> {
        segment(self.fake, ACK, self.seq, self.acked, &[])
    }
}
