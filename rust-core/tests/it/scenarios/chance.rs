//! Many flows with faults drawn by a seed. Whatever happens: bytes that were delivered are the
//! right ones, nothing is left behind, and nothing panics.

use crate::harness::*;
use muzzle::engine::Reach;
use muzzle::event::Record;
use muzzle::limits;
use std::net::SocketAddr;

/// A server of some temper.
fn script(dice: &mut Dice) -> Script {
    let connect = match dice.below(10) {
        0 => Connect::Refuse,
        1 => Connect::Unreachable,
        2 => Connect::NoRoute,
        3 => Connect::Silent,
        _ => Connect::Accept,
    };
    Script {
        connect,
        latency_us: dice.below(300_000) as i64,
        greeting: pattern(dice.below(3) * dice.below(100_000), 12),
        echo: true,
        fin: [Fin::AfterApp, Fin::AfterApp, Fin::AfterGreeting, Fin::Never][dice.below(4)],
        reset_after: dice.one_in(6).then(|| 1 + dice.below(50_000)),
        window: 1 + dice.below(100_000),
        read_us: dice.below(3) as i64 * dice.below(20_000) as i64,
        piece: 1 + dice.below(60_000),
        ..Script::default()
    }
}

/// What an app sent, so that the echo can be held against it.
struct Sent {
    client: usize,
    bytes: Vec<u8>,
    greeting: Vec<u8>,
}

/// In every second storm each connection that is quiet is parked.
fn awake(seed: u64) -> usize {
    [0, limits::AWAKE][(seed % 2) as usize]
}

/// A storm of so many flows.
pub fn storm(seed: u64, flows: usize) -> Sim {
    let mut dice = Dice(seed * 0x9e37_79b9 + 1);
    let mut sim = Sim::keeping(awake(seed), Reach::Light, POLICY);
    sim.world.dice = Dice(dice.next() | 1);
    sim.world.loss = [0, 0, 10, 40][dice.below(4)];
    sim.world.zone(LISTED, Rr::A(SERVER_TOO));
    let mut sent = Vec::new();
    for n in 0..flows {
        let port = 1000 + n as u16;
        let behind = script(&mut dice);
        sim.world.serve((SERVER, port), behind.clone());
        sim.world.serve((SERVER_TOO, port), behind.clone());
        let fake = address(&mut sim, &mut dice);
        let to = SocketAddr::new(fake, port);
        let uid = [BLOCK, RECORD, RECORD, OFF, OFF, CAPTURE][dice.below(6)];
        let from = sim.source(uid, fake);
        let wait = if dice.one_in(3) { dice.below(2_000_000) as i64 } else { 0 };
        sim.world.owners.insert(from.port(), (Some(uid), wait));
        if dice.one_in(5) {
            sim.send_packet(udp(from, to, &pattern(dice.below(2000), seed)));
        } else {
            let now = sim.world.now_us;
            let mut client = Client::new(from, to, 1280 + dice.below(8000), now);
            client.dice = Some(Dice(dice.next() | 1));
            client.reading = !dice.one_in(8);
            client.finish = dice.one_in(2);
            let bytes = pattern(dice.below(4) * dice.below(100_000), seed + n as u64);
            client.to_send = bytes.clone();
            sim.clients.push(client);
            sent.push(Sent { client: sim.clients.len() - 1, bytes, greeting: behind.greeting });
        }
        disturb(&mut sim, &mut dice);
    }
    sim.run(5 * SECOND);
    for client in &mut sim.clients {
        client.reading = true;
    }
    sim.run(30 * SECOND);
    for one in sent {
        let client = &sim.clients[one.client];
        if client.received.starts_with(b"HTTP/1.1 ") {
            continue;
        }
        let expected = [&one.greeting[..], &one.bytes].concat();
        // The echo may begin before the greeting is over; their bytes are told apart by count.
        let got = &client.received;
        assert!(!one.greeting.is_empty() || expected.starts_with(got), "seed {seed}");
        assert!(got.len() <= expected.len(), "{} > {}", got.len(), expected.len());
    }
    sim
}

fn address(sim: &mut Sim, dice: &mut Dice) -> std::net::IpAddr {
    let slot = FakeOf(LISTED);
    match dice.below(3) {
        0 => slot.v6(sim),
        _ => slot.v4(sim),
    }
}

/// Looks a name up even where the answer is lost on the way.
struct FakeOf(&'static str);

impl FakeOf {
    fn again(&self, sim: &mut Sim, qtype: u16) -> std::net::IpAddr {
        let loss = std::mem::take(&mut sim.world.loss);
        let stalled = std::mem::take(&mut sim.world.stalled_until);
        let addr = if qtype == 1 { sim.fake(self.0) } else { sim.fake_v6(self.0) };
        sim.world.loss = loss;
        sim.world.stalled_until = stalled;
        addr
    }

    fn v4(&self, sim: &mut Sim) -> std::net::IpAddr {
        self.again(sim, 1)
    }

    fn v6(&self, sim: &mut Sim) -> std::net::IpAddr {
        self.again(sim, 28)
    }
}

/// Time passes, and something may go wrong.
fn disturb(sim: &mut Sim, dice: &mut Dice) {
    sim.run(dice.below(80_000) as i64);
    match dice.below(14) {
        0 => sim.world.stalled_until = sim.world.now_us + dice.below(500_000) as i64,
        1 => {
            let at = dice.below(sim.clients.len().max(1));
            if let Some(client) = sim.clients.get_mut(at) {
                client.abort();
            }
        }
        2 => {
            // An app that is gone without a word.
            let at = dice.below(sim.clients.len().max(1));
            if let Some(client) = sim.clients.get_mut(at) {
                client.unreachable = true;
            }
        }
        3 => {
            let at = dice.below(2);
            sim.world.modes[at] = [Mode::Silent, Mode::WrongId, Mode::Answer][dice.below(3)];
        }
        4 => sim.set_rules(POLICY),
        _ => {}
    }
}

#[test]
fn whatever_happens_nothing_is_left_behind() {
    for seed in 1..=100 {
        let mut sim = storm(seed, 60);
        let flows = sim.engine.flow_count();
        for client in &mut sim.clients {
            client.abort();
        }
        sim.world.loss = 0;
        sim.run(1000 * SECOND);
        assert_eq!(sim.engine.deadline(), None, "seed {seed}: a timer is left of {flows} flows");
        sim.shut_down();
        sim.assert_clean();
        let blocked = sim.blocked() as u64;
        assert!(blocked > 0 && blocked == sim.engine.counters().blocked, "seed {seed}");
    }
}

#[test]
fn a_storm_over_good_servers_delivers_every_byte_once() {
    for seed in 1..=40 {
        let mut dice = Dice(seed * 77 + 5);
        let mut sim = Sim::keeping(awake(seed), Reach::Light, POLICY);
        let fakes = [sim.fake(LISTED), sim.fake_v6(LISTED)];
        sim.world.loss = [0, 25, 60][dice.below(3)];
        let mut sent = Vec::new();
        for n in 0..25 {
            let port = 1000 + n;
            let good = Script { connect: Connect::Accept, reset_after: None, ..script(&mut dice) };
            let good = Script { fin: Fin::AfterApp, greeting: Vec::new(), ..good };
            let window = 2000 + good.window;
            sim.world.serve((SERVER, port), Script { window, ..good });
            let to = (fakes[dice.below(2)], port).into();
            let app = sim.connect([RECORD, OFF][dice.below(2)], to);
            sim.clients[app].dice = Some(Dice(dice.next() | 1));
            let bytes = pattern(dice.below(200_000), seed + u64::from(port));
            sim.send(app, &bytes);
            sim.clients[app].finish = true;
            sent.push(bytes);
            sim.run(dice.below(50_000) as i64);
            if dice.one_in(6) {
                sim.world.stalled_until = sim.world.now_us + dice.below(400_000) as i64;
            }
        }
        sim.run(900 * SECOND);
        for (app, bytes) in sent.iter().enumerate() {
            assert!(
                sim.received(app) == bytes,
                "seed {seed}, app {app}: {} of {}",
                sim.received(app).len(),
                bytes.len()
            );
            assert!(!sim.clients[app].was_reset, "seed {seed}, app {app}");
        }
        let sums: u64 = sim.sums().iter().map(|(up, _)| up).sum();
        assert_eq!(sums, sent.iter().map(|b| b.len() as u64).sum::<u64>(), "seed {seed}");
        assert_eq!(sim.count(|r| matches!(r, Record::Blocked(_))), 0);
        sim.assert_clean();
    }
}
