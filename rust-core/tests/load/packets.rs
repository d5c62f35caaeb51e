//! Packets of apps that know something of what they break: most belong to a connection that is
//! really open, carry what some protocol says, and have a fault in one place.

use crate::harness::*;
use smoltcp::wire::TcpControl;
use std::net::{IpAddr, SocketAddr};

/// App sockets that take part; each keeps its address.
const SOCKETS: usize = 96;
/// Largest packet that is made.
const LARGEST: usize = 4000;

/// Bytes as clients of several protocols send them first.
const FIRST_BYTES: &[&[u8]] = &[
    b"POST /sa?project=x HTTP/1.1\r\nHost: tracking.intl.miui.com\r\nContent-Length: 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nHost: good.example.org\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"SSH-2.0-x\r\n",
    include_bytes!("../data/tls/openssl-tls13.bin"),
    include_bytes!("../data/tls/chromium.bin"),
    include_bytes!("../data/http/gzip.bin"),
    include_bytes!("../data/http/two-posts.bin"),
];

/// Datagrams behind their lengths.
const QUIC: &[&[u8]] = &[
    include_bytes!("../data/quic/aioquic-v1.bin"),
    include_bytes!("../data/quic/aioquic-v2-large.bin"),
    include_bytes!("../data/quic/chromium.bin"),
    include_bytes!("../data/quic/aioquic-unknown-version.bin"),
];

const NAMES: &[&str] = &[LISTED, LISTED_TOO, NEVER, "www.example.org", "", "a.b.c.d.e.f.g.example"];

/// Values at which lengths and numbers go wrong.
const EDGES: &[u16] =
    &[0, 1, 2, 3, 4, 7, 8, 15, 16, 19, 20, 39, 40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff];

/// One socket of an app: what a next segment would have to say to be heard.
#[derive(Clone, Copy)]
struct Socket {
    from: SocketAddr,
    to: SocketAddr,
    seq: i32,
    ack: i32,
}

pub struct Maker {
    dice: Dice,
    sockets: Vec<Socket>,
    /// Kept back, so that packets overtake one another.
    late: Option<Vec<u8>>,
}

impl Maker {
    /// Makes packets to these addresses.
    pub fn new(seed: u64, sim: &mut Sim, to: &[SocketAddr]) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let uids = [RECORD, RECORD, RECORD, OFF, BLOCK, CAPTURE];
        let sockets = (0..SOCKETS)
            .map(|n| {
                let to = to[dice.below(to.len())];
                let from = sim.source(uids[n % uids.len()], to.ip());
                if dice.one_in(8) {
                    let wait = dice.below(50_000) as i64;
                    sim.world.owners.insert(from.port(), (Some(RECORD), wait));
                }
                Socket { from, to, seq: 1000, ack: 0 }
            })
            .collect();
        Self { dice, sockets, late: None }
    }

    /// Learns from what reached the apps where their connections stand.
    pub fn learn(&mut self, seen: &[Seen]) {
        for seen in seen {
            let Seen::Segment(segment) = seen else { continue };
            let same = |s: &&mut Socket| s.from == segment.dst && s.to == segment.src;
            if let Some(socket) = self.sockets.iter_mut().find(same) {
                let more = segment.data.len() as i32 + i32::from(segment.fin || segment.syn);
                socket.ack = segment.seq.wrapping_add(more);
                if segment.ack && !segment.rst {
                    socket.seq = segment.ack_number;
                }
            }
        }
    }

    /// The next packet; sometimes one that was made before.
    pub fn next(&mut self) -> Vec<u8> {
        let mut packet = self.good();
        // One in four is as it should be: otherwise little would ever be open.
        if !self.dice.one_in(4) {
            for _ in 0..1 + self.dice.below(3) {
                self.break_one(&mut packet);
            }
        }
        packet.truncate(LARGEST);
        if self.dice.one_in(20) {
            return self.late.replace(packet.clone()).unwrap_or(packet);
        }
        packet
    }

    fn good(&mut self) -> Vec<u8> {
        let at = self.dice.below(self.sockets.len());
        let Socket { from, to, .. } = self.sockets[at];
        match self.dice.below(16) {
            0 => {
                let payload = self.datagram();
                udp(from, to, &payload)
            }
            1 => {
                let question = self.question();
                let v6 = SocketAddr::new(muzzle::names::RESOLVER_V6.into(), 53);
                udp(from, if from.is_ipv4() { resolver() } else { v6 }, &question)
            }
            _ => self.segment(at),
        }
    }

    fn segment(&mut self, at: usize) -> Vec<u8> {
        let dice = &mut self.dice;
        let socket = &mut self.sockets[at];
        let Socket { from, to, seq, ack } = *socket;
        let (control, data): (_, &[u8]) = match dice.below(24) {
            0..6 => (TcpControl::Syn, b""),
            6 => (TcpControl::Rst, b""),
            7..9 => (TcpControl::Fin, b""),
            9..12 => (TcpControl::None, b""),
            _ => {
                let all = FIRST_BYTES[dice.below(FIRST_BYTES.len())];
                let end = if dice.one_in(3) { 1 + dice.below(all.len()) } else { all.len() };
                (TcpControl::Psh, &all[..end])
            }
        };
        let syn = control == TcpControl::Syn;
        if syn {
            (socket.seq, socket.ack) = (1000, 0);
        }
        let ack = (!syn).then_some(ack);
        let packet = tcp(from, to, Tcp { control, seq: if syn { 1000 } else { seq }, ack, data });
        if dice.one_in(6) {
            let window = EDGES[dice.below(EDGES.len())];
            return edit(packet, |tcp| tcp.set_window_len(window));
        }
        packet
    }

    fn datagram(&mut self) -> Vec<u8> {
        let dice = &mut self.dice;
        match dice.below(4) {
            0 => pattern(dice.below(1500), 1 + dice.below(9) as u64),
            1 => Vec::new(),
            _ => {
                let mut framed = QUIC[dice.below(QUIC.len())];
                let mut all = Vec::new();
                while let Some((len, rest)) = framed.split_first_chunk() {
                    let (datagram, rest) = rest.split_at(u16::from_be_bytes(*len).into());
                    all.push(datagram);
                    framed = rest;
                }
                all[dice.below(all.len())].to_vec()
            }
        }
    }

    fn question(&mut self) -> Vec<u8> {
        let dice = &mut self.dice;
        let name = NAMES[dice.below(NAMES.len())];
        let qtype = [1, 28, 65, 5, 16, 255][dice.below(6)];
        let mut message = query(dice.next() as u16, name, qtype);
        if dice.one_in(3) {
            let at = dice.below(message.len());
            message[at] = dice.next() as u8;
        }
        message
    }

    /// One fault, mostly in a field that says something about the rest.
    fn break_one(&mut self, packet: &mut Vec<u8>) {
        let dice = &mut self.dice;
        if packet.len() < 20 {
            return packet.push(dice.next() as u8);
        }
        let v4 = packet[0] >> 4 == 4;
        let head = if v4 { 20 } else { 40 };
        match dice.below(14) {
            0 => {
                let at = dice.below(packet.len());
                packet[at] = dice.next() as u8;
            }
            1 => {
                let at = dice.below(packet.len());
                packet[at] ^= 1 << dice.below(8);
            }
            // A header field of two bytes takes a value at an edge, or one beside its own.
            2..5 => {
                let at = 2 * dice.below((head + 20).min(packet.len()) / 2);
                let own = u16::from_be_bytes([packet[at], packet[at + 1]]);
                let value = match dice.below(3) {
                    0 => own.wrapping_add(1),
                    1 => own.wrapping_sub(1),
                    _ => EDGES[dice.below(EDGES.len())],
                };
                packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
            }
            5 => packet.truncate(dice.below(packet.len())),
            6 => packet.extend(pattern(dice.below(64), 3)),
            // Options: a header that is longer than before, with what was the payload in it.
            7 if packet.len() > head + 13 => packet[head + 12] = (dice.next() as u8) << 4,
            8 => packet[0] = packet[0] & 0xf0 | dice.next() as u8 & 15,
            // Fragments, or an extension header.
            9 => {
                packet[6] = if v4 { dice.next() as u8 } else { [0, 43, 44, 60, 50][dice.below(5)] }
            }
            10 if v4 => packet[9] = [1, 2, 6, 17, 58, 132][dice.below(6)],
            11 if packet.len() > head + 14 => packet[head + 13] = dice.next() as u8,
            // Bytes in the middle come twice or not at all.
            12 => {
                let from = dice.below(packet.len());
                let to = (from + dice.below(40)).min(packet.len());
                let piece = packet[from..to].to_vec();
                packet.splice(from..from, piece);
            }
            _ => {
                let from = dice.below(packet.len());
                let to = (from + dice.below(40)).min(packet.len());
                packet.drain(from..to);
            }
        }
    }
}

/// Where the servers of a run are: names in Light, addresses in Deep.
pub fn places(sim: &mut Sim, deep: bool) -> Vec<SocketAddr> {
    let v6: IpAddr = SERVER_V6.parse().unwrap();
    let addrs = if deep {
        vec![SERVER.into(), SERVER_TOO.into(), v6]
    } else {
        vec![sim.fake(LISTED), sim.fake(LISTED_TOO), sim.fake_v6(LISTED)]
    };
    addrs.iter().flat_map(|a| [80, 443, 5222, 53].map(|port| (*a, port).into())).collect()
}
