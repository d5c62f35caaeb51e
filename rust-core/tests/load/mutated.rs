//! Mutated packets of apps: no panic, nothing left behind, and no other flow is harmed.

use crate::harness::*;
use crate::packets::{Maker, places};
use crate::{held, number};
use muzzle::engine::Reach;
use muzzle::limits;
use std::net::{IpAddr, SocketAddr};

/// Packets of one world, before everything must be gone again.
const ROUND: u64 = 50_000;
/// Packets between two looks at the good flows.
const STEP: u64 = 250;
/// Port of the good flows' server.
const GOOD: u16 = 7777;
/// What a world may hold after its end beyond one that never saw a packet: the buffers of
/// connections that wait for the next ones, and vectors that keep their room.
const KEPT: i64 = (limits::SPARE_SOCKETS * 2 * limits::TCP_BUFFER) as i64 + (8 << 20);

/// A server of some temper at each place.
fn serve(sim: &mut Sim, dice: &mut Dice) {
    let v6: IpAddr = SERVER_V6.parse().unwrap();
    for addr in [SERVER.into(), SERVER_TOO.into(), v6] {
        for port in [80, 443, 5222] {
            let connect = [Connect::Accept, Connect::Accept, Connect::Refuse, Connect::Silent];
            let script = Script {
                connect: connect[dice.below(4)],
                latency_us: dice.below(20_000) as i64,
                greeting: pattern(dice.below(2) * dice.below(9000), 5),
                echo: dice.one_in(2),
                fin: [Fin::AfterApp, Fin::AfterGreeting, Fin::Never][dice.below(3)],
                reset_after: dice.one_in(4).then(|| 1 + dice.below(500)),
                window: 1 + dice.below(100_000),
                read_us: dice.below(2) as i64 * 10_000,
                ..Script::default()
            };
            sim.world.serve((addr, port), script);
        }
        sim.world.serve((addr, GOOD), Script { fin: Fin::Never, ..Script::echo() });
    }
}

/// Connections that must not notice anything: of addresses that no mutated packet is from.
struct Good {
    clients: Vec<usize>,
    sent: Vec<u8>,
}

impl Good {
    fn new(sim: &mut Sim, deep: bool) -> Self {
        let v6: IpAddr = SERVER_V6.parse().unwrap();
        let (four, six) =
            if deep { (SERVER.into(), v6) } else { (sim.fake(LISTED), sim.fake_v6(LISTED)) };
        let from: [SocketAddr; 2] =
            ["198.18.7.7:7001".parse().unwrap(), "[fd6d:757a:7a6c::7:7]:7002".parse().unwrap()];
        let clients = from.into_iter().zip([four, six]).map(|(from, to)| {
            sim.world.owners.insert(from.port(), (Some(RECORD), 0));
            sim.connect_from(from, (to, GOOD).into())
        });
        let good = Self { clients: clients.collect(), sent: Vec::new() };
        sim.settle();
        good
    }

    /// Sends more on each, and sees that all came back so far.
    fn go_on(&mut self, sim: &mut Sim, what: &str) {
        let bytes = pattern(100, self.sent.len() as u64);
        for client in &self.clients {
            sim.send(*client, &bytes);
        }
        self.sent.extend(bytes);
        sim.settle();
        for client in &self.clients {
            assert!(sim.received(*client) == self.sent, "{what}: a good flow lost bytes");
            assert!(!sim.clients[*client].was_reset, "{what}: a good flow was reset");
        }
    }
}

/// One world with so many packets; it is closed, but kept.
fn round(seed: u64, packets: u64) -> Sim {
    let what = format!("MUZZLE_SEED={seed}");
    let deep = seed % 2 == 1;
    let mut sim = Sim::reaching(if deep { Reach::Deep } else { Reach::Light }, POLICY);
    let mut dice = Dice(seed.wrapping_add(77) << 8 | 1);
    serve(&mut sim, &mut dice);
    let to = places(&mut sim, deep);
    let mut maker = Maker::new(seed, &mut sim, &to);
    let mut good = Good::new(&mut sim, deep);
    let before = sim.engine.counters().packets_in;
    let (mut done, mut own) = (0, 0);
    while done < packets {
        let burst = 1 + dice.below(60) as u64;
        for _ in 0..burst {
            sim.send_packet(maker.next());
        }
        sim.run([0, 500, 20_000][dice.below(3)]);
        done += burst;
        maker.learn(&sim.seen);
        sim.seen.clear();
        assert!(sim.engine.flow_count() <= limits::FLOWS && sim.world.open() <= limits::FLOWS);
        if done / STEP != (done - burst) / STEP {
            let counted = sim.engine.counters().packets_in;
            good.go_on(&mut sim, &what);
            own += sim.engine.counters().packets_in - counted;
            assert_eq!(first_answer(&mut sim), Some(true), "{what}: no answer to a question");
            own += 1;
            sim.forget_past();
            if dice.one_in(20) {
                sim.set_rules(POLICY);
            }
        }
    }
    let counted = sim.engine.counters().packets_in - before;
    assert!(counted >= done && own > 0, "{what}: {counted} of {done} came to the engine");
    // Open connections of apps that are silent now stay for ever; the end closes them.
    sim.run(1000 * SECOND);
    sim.shut_down();
    sim.run(SECOND);
    assert_eq!((sim.engine.flow_count(), sim.world.open()), (0, 0), "{what}: something is left");
    assert_eq!(sim.engine.deadline(), None, "{what}: a timer is left");
    sim.clients.clear();
    sim.forget_past();
    sim
}

/// Whether the resolver still answers with a fake address.
fn first_answer(sim: &mut Sim) -> Option<bool> {
    let answer = sim.ask(LISTED, 1)?;
    Some(answer.windows(2).any(|pair| matches!(pair, [198, 18 | 19])))
}

#[test]
fn mutated_packets_harm_no_other_flow_and_leave_nothing() {
    let (all, seed) = (number("MUZZLE_PACKETS", 100_000), number("MUZZLE_SEED", 1));
    println!("{all} mutated packets, MUZZLE_SEED={seed}");
    let mut fresh = None;
    let bare = held(|| fresh = Some(Sim::new(POLICY)));
    let (mut done, mut world) = (0, seed);
    while done < all {
        let packets = ROUND.min(all - done);
        let mut kept = None;
        let bytes = held(|| kept = Some(round(world, packets)));
        assert!(bytes - bare < KEPT, "MUZZLE_SEED={world}: {bytes} bytes are held at the end");
        drop(kept);
        done += packets;
        world += 1;
    }
}
