//! What the apps are let send at once, and who waits for whom.

use crate::harness::*;
use muzzle::limits;

/// So many apps that send so much each, over a TUN of this MTU.
fn uploads(sim: &mut Sim, apps: usize, bytes: usize, mtu: usize) -> Vec<usize> {
    sim.offers.mss = mtu as i32 - 40;
    let to = sim.fake(LISTED);
    let now = sim.world.now_us;
    let open = |sim: &mut Sim| {
        let from = sim.source(OFF, to);
        let mut client = Client::new(from, (to, 80).into(), mtu, now);
        client.to_send = pattern(bytes, 3);
        client.finish = true;
        sim.clients.push(client);
        sim.clients.len() - 1
    };
    (0..apps).map(|_| open(sim)).collect()
}

#[test]
fn many_uploads_never_overflow_the_queue_of_the_tun() {
    for (apps, mtu) in [(1, 1500), (16, 1500), (60, 1500), (16, 9000), (60, 9000)] {
        let mut sim = Sim::with(Script { window: 100_000, read_us: 700, ..Script::default() });
        uploads(&mut sim, apps, 400_000, mtu);
        sim.run(60 * SECOND);
        let (most, retreat) = (sim.offers.most, sim.offers.retreat);
        assert!(most <= limits::TUN_QUEUE as i32, "{apps} apps, {mtu}: {most} segments");
        assert!(retreat <= 0, "{apps} apps, {mtu}: {retreat} bytes taken back");
        assert!(sim.world.conns.iter().all(|conn| conn.received.len() == 400_000));
        sim.assert_clean();
    }
}

#[test]
fn uploads_that_come_one_after_another_share_what_there_is() {
    let mut sim = Sim::with(Script { window: 100_000, read_us: 700, ..Script::default() });
    for _ in 0..40 {
        uploads(&mut sim, 1, 2_000_000, 1500);
        sim.run(10_000);
    }
    assert!(sim.clients.iter().any(|client| !client.to_send.is_empty()));
    sim.run(60 * SECOND);
    assert!(sim.offers.most <= limits::TUN_QUEUE as i32, "{}", sim.offers.most);
    assert!(sim.offers.retreat <= 0, "{}", sim.offers.retreat);
    assert!(sim.world.conns.iter().all(|conn| conn.received.len() == 2_000_000));
    sim.assert_clean();
}

#[test]
fn an_upload_alone_is_offered_its_whole_buffer() {
    let mut sim = Sim::with(Script::default());
    let app = uploads(&mut sim, 1, 3_000_000, 9000)[0];
    let local = sim.clients[app].local;
    let most = limits::TCP_BUFFER as i32;
    sim.run_while(sim.world.now_us + SECOND, |sim| sim.offers.open(local) < most - 8);
    assert!(sim.offers.open(local) >= most - 8, "{}", sim.offers.open(local));
}

#[test]
fn a_server_that_reads_nothing_for_long_gets_the_rest_when_it_does() {
    let mut sim = Sim::with(Script { window: 50_000, read_us: 20 * SECOND, ..Script::default() });
    uploads(&mut sim, 3, 1_000_000, 9000);
    sim.run(3000 * SECOND);
    assert!(sim.world.conns.iter().all(|conn| conn.received.len() == 1_000_000));
    assert!(sim.offers.retreat <= 0, "{}", sim.offers.retreat);
    sim.assert_clean();
}

#[test]
fn an_exchange_beside_many_uploads_waits_for_a_few_of_them_only() {
    let mut sim = Sim::with(Script { latency_us: 0, ..Script::default() });
    uploads(&mut sim, 16, 2 << 20, 9000);
    sim.run_while(sim.world.now_us + SECOND, |sim| {
        sim.world.conns.iter().map(|conn| conn.received.len()).sum::<usize>() < 4 << 20
    });
    sim.world.serve((SERVER, 80), Script { latency_us: 0, ..Script::echo() });
    let small = sim.open(OFF);
    let moved = |sim: &Sim| sim.world.conns[..16].iter().map(|c| c.received.len()).sum::<usize>();
    sim.run_while(sim.world.now_us + SECOND, |sim| !sim.clients[small].was_open);
    let before = moved(&sim);
    sim.send(small, b"x");
    sim.run_while(sim.world.now_us + SECOND, |sim| sim.received(small).is_empty());
    assert_eq!(sim.received(small), b"x");
    let passed = moved(&sim) - before;
    assert!(passed > 0 && passed <= 2 << 20, "{passed} bytes went before");
}
