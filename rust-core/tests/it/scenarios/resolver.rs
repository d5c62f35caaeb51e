//! Questions that go on to the resolver behind us, and come back.

use crate::harness::*;
use muzzle::dns;
use muzzle::engine::Drop;
use muzzle::limits;
use muzzle::names::FakePool;

const A: u16 = 1;
const TXT: u16 = 16;
const NAME: &str = "www.example.org";

fn with_name() -> Sim {
    let mut sim = Sim::new(POLICY);
    sim.world.zone(NAME, Rr::A([192, 0, 2, 7]));
    sim.world.zone(NAME, Rr::Txt(pattern(3000, 1)));
    sim
}

fn drops(sim: &Sim, why: Drop) -> u64 {
    sim.engine.counters().dropped(why)
}

/// Questions for a stream, with their lengths.
fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect()
}

/// The messages of a stream.
fn unframed(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (message, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        messages.push(message.to_vec());
        bytes = after;
    }
    messages
}

#[test]
fn an_answer_comes_back_byte_for_byte_under_the_id_of_the_app() {
    let mut sim = with_name();
    let question = query(0x1234, NAME, A);
    let answer = sim.ask_raw(&question).unwrap();
    assert_eq!(dns::id(&answer), Some(0x1234));
    let [asked] = &sim.world.asked[..] else { panic!("{:?}", sim.world.asked) };
    assert_ne!(dns::id(&asked.message), Some(0x1234));
    assert_eq!(asked.message[2..], question[2..]);
    let mut direct = sim.world.respond(&asked.message);
    dns::set_id(&mut direct, 0x1234);
    assert_eq!(answer, direct);
    assert_eq!(sim.world.records, []);
    sim.assert_idle();
}

#[test]
fn ids_toward_the_network_do_not_follow_one_another() {
    let mut sim = with_name();
    for _ in 0..50 {
        sim.ask(NAME, A).unwrap();
    }
    let ids: Vec<_> = sim.world.asked.iter().filter_map(|a| dns::id(&a.message)).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert!(sorted.len() >= 49, "{ids:?}");
    assert!(ids.windows(2).all(|w| w[1].wrapping_sub(w[0]) > 1), "{ids:?}");
}

#[test]
fn an_answer_with_a_wrong_id_or_question_is_dropped_and_counted() {
    for mode in [Mode::WrongId, Mode::WrongQuestion] {
        let mut sim = with_name();
        sim.world.modes.fill(mode);
        let answer = sim.ask(NAME, A).unwrap();
        assert_eq!(dns::rcode(&answer), Some(2), "{mode:?}");
        assert_eq!((drops(&sim, Drop::StrayAnswer), drops(&sim, Drop::DnsTimeout)), (2, 1));
        sim.assert_idle();
    }
}

#[test]
fn an_answer_that_comes_again_is_dropped() {
    let mut sim = with_name();
    sim.ask(NAME, A).unwrap();
    let again = sim.world.respond(&sim.world.asked[0].message.clone());
    let seen = sim.seen.len();
    sim.world.answer(again);
    sim.world.answer(vec![1]);
    sim.world.answer(Vec::new());
    sim.settle();
    assert_eq!((sim.seen.len(), drops(&sim, Drop::StrayAnswer)), (seen, 3));
}

#[test]
fn the_second_resolver_is_asked_where_the_first_is_silent() {
    let mut sim = with_name();
    sim.world.modes[0] = Mode::Silent;
    let begun = sim.world.now_us;
    let answer = sim.ask(NAME, A).unwrap();
    assert_eq!(dns::rcode(&answer), Some(0));
    let waited = sim.world.now_us - begun;
    assert!((3 * SECOND..4 * SECOND).contains(&waited), "{waited}");
    let asked: Vec<_> = sim.world.asked.iter().map(|a| a.resolver).collect();
    assert_eq!(asked, [0, 1]);
    sim.assert_idle();
}

#[test]
fn the_app_is_told_of_the_failure_where_all_are_silent() {
    let mut sim = with_name();
    sim.world.modes.fill(Mode::Silent);
    let answer = sim.ask(NAME, A).unwrap();
    assert_eq!(dns::rcode(&answer), Some(2));
    assert_eq!(sim.world.asked.len(), usize::from(limits::DNS_TRIES));
    assert_eq!(drops(&sim, Drop::DnsTimeout), 1);
    sim.assert_idle();
}

#[test]
fn a_flood_of_questions_is_bounded_counted_and_ends() {
    let mut sim = with_name();
    sim.world.modes.fill(Mode::Silent);
    let flood = limits::DNS_PENDING + 900;
    let app = sim.app(resolver().ip(), 5);
    for n in 0..flood {
        sim.send_packet(udp(app, resolver(), &query(n as u16, &format!("n{n}.example.org"), A)));
    }
    sim.settle();
    assert_eq!(sim.world.asked.len(), limits::DNS_PENDING);
    assert_eq!(drops(&sim, Drop::DnsLimit), 900);
    let listed = sim.fake(LISTED);
    assert!(FakePool::covers(listed), "what is answered here is answered all the same");
    sim.run(20 * SECOND);
    assert_eq!(sim.datagrams(app).len(), flood);
    assert!(sim.datagrams(app).iter().all(|answer| dns::rcode(answer) == Some(2)));
    sim.assert_idle();
    sim.world.modes.fill(Mode::Answer);
    assert_eq!(dns::rcode(&sim.ask(NAME, A).unwrap()), Some(0), "and it is over");
}

#[test]
fn what_is_no_question_is_counted_and_told_so_or_left_unanswered() {
    let mut sim = with_name();
    let good = query(7, NAME, A);
    let mut answer_bit = good.clone();
    answer_bit[2] |= 0x80;
    let mut update = good.clone();
    update[2] |= 0x28;
    for (message, code) in [
        (good[..good.len() - 1].to_vec(), Some(1)),
        (update, Some(4)),
        (answer_bit, None),
        (vec![1, 2, 3], None),
        (vec![], None),
    ] {
        let before = drops(&sim, Drop::BadDns);
        let answer = sim.ask_raw(&message);
        assert_eq!(answer.as_deref().and_then(dns::rcode), code, "{message:02x?}");
        assert_eq!(drops(&sim, Drop::BadDns), before + 1);
    }
    assert_eq!(sim.world.asked, []);
}

#[test]
fn a_truncated_answer_reaches_who_asked_by_a_datagram_as_it_is() {
    let mut sim = with_name();
    sim.world.modes.fill(Mode::Truncate);
    let answer = sim.ask(NAME, TXT).unwrap();
    assert!(dns::is_truncated(&answer));
    assert_eq!(sim.world.conns.len(), 0);
}

#[test]
fn who_asks_what_is_asked_already_gets_the_same_answer_under_its_own_id() {
    let mut sim = with_name();
    sim.world.answer_us = SECOND;
    let apps: Vec<_> = (0..20).map(|_| sim.source(RECORD, resolver().ip())).collect();
    for (n, app) in apps.iter().enumerate() {
        sim.send_packet(udp(*app, resolver(), &query(n as u16, NAME, A)));
        // Once more, out of impatience; and another type.
        sim.send_packet(udp(*app, resolver(), &query(n as u16, NAME, A)));
    }
    sim.send_packet(udp(apps[0], resolver(), &query(99, NAME, 28)));
    let stream = sim.connect(RECORD, resolver());
    sim.send(stream, &framed(&[query(7, NAME, A), query(8, NAME, A)]));
    sim.settle();
    // By datagram, of the other type, and by stream: those may get another answer.
    assert_eq!(sim.world.asked.len(), 3, "{:?}", sim.world.asked);
    assert_eq!(sim.engine.questions_waiting(), 23);
    sim.run(2 * SECOND);
    for (n, app) in apps.iter().enumerate() {
        let ids: Vec<_> = sim.datagrams(*app).iter().map(|m| dns::id(m)).collect();
        let both = [Some(n as u16), Some(99)];
        assert_eq!(ids, both[..if n == 0 { 2 } else { 1 }], "{n}");
    }
    let ids: Vec<_> = unframed(sim.received(stream)).iter().map(|m| dns::id(m)).collect();
    assert_eq!((ids, sim.engine.questions_waiting()), (vec![Some(7), Some(8)], 0));
}

#[test]
fn all_who_share_a_question_are_told_of_its_failure_and_of_its_alias() {
    for (name, code) in [("none.example.org", 2), ("alias.example.org", 0)] {
        let mut sim = with_name();
        sim.world.zone("alias.example.org", Rr::alias(LISTED));
        sim.world.answer_us = SECOND;
        if code == 2 {
            sim.world.modes.fill(Mode::Silent);
        }
        let apps: Vec<_> = (0..5).map(|_| sim.source(RECORD, resolver().ip())).collect();
        for (n, app) in apps.iter().enumerate() {
            sim.send_packet(udp(*app, resolver(), &query(n as u16, name, A)));
        }
        sim.run(20 * SECOND);
        let first = sim.datagrams(apps[0])[0].to_vec();
        for (n, app) in apps.iter().enumerate() {
            let mut same = first.clone();
            dns::set_id(&mut same, n as u16);
            assert_eq!(sim.datagrams(*app), [&same[..]], "{name} {n}");
        }
        assert_eq!(dns::rcode(&first), Some(code));
        sim.assert_idle();
    }
}

#[test]
fn a_flood_of_one_question_is_bounded_too() {
    let mut sim = with_name();
    sim.world.modes.fill(Mode::Silent);
    for port in 1..=limits::DNS_PENDING as u16 + 100 {
        let app = sim.app(resolver().ip(), port);
        sim.send_packet(udp(app, resolver(), &query(port, NAME, A)));
    }
    sim.settle();
    assert_eq!(drops(&sim, Drop::DnsLimit), 100);
    assert_eq!(sim.engine.questions_waiting(), limits::DNS_PENDING);
    let sent = limits::DNS_PENDING.div_ceil(1 + limits::DNS_SHARED);
    assert_eq!(sim.world.asked.len(), sent);
    sim.run(20 * SECOND);
    sim.assert_idle();
}

#[test]
fn two_questions_in_one_segment_get_two_answers() {
    let mut sim = with_name();
    let app = sim.connect(RECORD, resolver());
    sim.send(app, &framed(&[query(1, LISTED, A), query(2, NAME, A)]));
    sim.settle();
    let answers = unframed(sim.received(app));
    let ids: Vec<_> = answers.iter().map(|m| dns::id(m)).collect();
    assert_eq!(ids, [Some(1), Some(2)]);
    assert!(answers.iter().all(|m| dns::rcode(m) == Some(0)));
    sim.clients[app].finish = true;
    sim.settle();
    assert_eq!(sim.world.records, []);
    sim.assert_clean();
}

#[test]
fn a_question_may_come_byte_by_byte() {
    let mut sim = with_name();
    let app = sim.connect(RECORD, resolver());
    sim.clients[app].piece = 1;
    sim.send(app, &framed(&[query(1, NAME, A), query(2, LISTED, A)]));
    sim.settle();
    let mut ids: Vec<_> = unframed(sim.received(app)).iter().map(|m| dns::id(m)).collect();
    ids.sort_unstable();
    assert_eq!(ids, [Some(1), Some(2)]);
}

#[test]
fn a_large_answer_is_fetched_over_tcp_for_who_asked_over_tcp() {
    for mode in [Mode::Truncate, Mode::TruncateTwice] {
        let mut sim = with_name();
        sim.world.modes.fill(mode);
        let app = sim.connect(RECORD, resolver());
        let question = query(9, NAME, TXT);
        sim.send(app, &framed(std::slice::from_ref(&question)));
        sim.settle();
        let answers = unframed(sim.received(app));
        assert_eq!(answers, [sim.world.respond(&question)]);
        assert_eq!(sim.world.tried(), ["192.0.2.53:53".parse().unwrap()], "{mode:?}");
        assert_eq!(sim.world.open(), 0);
        assert_eq!(drops(&sim, Drop::DnsTimeout), 0, "{mode:?}");
    }
}

#[test]
fn a_resolver_that_refuses_tcp_is_a_failure_to_the_app() {
    for connect in [Connect::Refuse, Connect::NoRoute, Connect::Silent] {
        let mut sim = with_name();
        sim.world.modes.fill(Mode::Truncate);
        sim.world.serve(
            "192.0.2.53:53".parse::<std::net::SocketAddr>().unwrap(),
            Script::connect(connect),
        );
        let app = sim.connect(RECORD, resolver());
        sim.send(app, &framed(&[query(9, NAME, TXT)]));
        sim.run(10 * SECOND);
        let answers = unframed(sim.received(app));
        assert_eq!(answers.len(), 1, "{connect:?}");
        assert_eq!((dns::id(&answers[0]), dns::rcode(&answers[0])), (Some(9), Some(2)));
        sim.clients[app].finish = true;
        sim.settle();
        sim.assert_clean();
    }
}

#[test]
fn who_ends_its_direction_after_asking_still_gets_the_answers() {
    let mut sim = with_name();
    sim.world.modes.fill(Mode::Truncate);
    let app = sim.connect(RECORD, resolver());
    sim.send(app, &framed(&[query(1, LISTED, A), query(2, NAME, TXT), vec![0; 3]]));
    sim.clients[app].finish = true;
    sim.settle();
    let ids: Vec<_> = unframed(sim.received(app)).iter().map(|m| dns::id(m)).collect();
    assert_eq!(ids, [Some(1), Some(2)]);
    assert!(sim.clients[app].peer_finished && !sim.clients[app].was_reset);
    sim.assert_clean();
}

#[test]
fn an_asker_that_left_before_the_answer_is_not_missed() {
    let mut sim = with_name();
    sim.world.answer_us = SECOND;
    let app = sim.connect(RECORD, resolver());
    sim.send(app, &framed(&[query(1, NAME, A)]));
    sim.settle();
    sim.clients[app].abort();
    sim.run(3 * SECOND);
    sim.assert_clean();
}

#[test]
fn a_stream_that_asks_much_and_reads_nothing_is_held_within_bounds() {
    let mut sim = with_name();
    let app = sim.connect(RECORD, resolver());
    sim.clients[app].reading = false;
    let many: Vec<_> = (0..3000).map(|n| query(n, NAME, TXT)).collect();
    sim.send(app, &framed(&many));
    sim.run(60 * SECOND);
    // 3000 answers of 3 KB would be 9 MB.
    assert!(sim.world.asked.len() < 1500, "{} were asked", sim.world.asked.len());
    sim.clients[app].reading = true;
    sim.run(60 * SECOND);
    assert_eq!(unframed(sim.received(app)).len(), 3000);
}

#[test]
fn a_flow_finds_its_server_even_where_the_answer_needs_tcp() {
    let mut sim = Sim::with(Script::echo());
    sim.world.modes.fill(Mode::Truncate);
    let app = sim.open(RECORD);
    sim.send(app, b"hello");
    sim.settle();
    assert_eq!(sim.received(app), b"hello");
    let resolver = "192.0.2.53:53".parse().unwrap();
    assert_eq!(sim.world.tried(), [resolver, resolver, (SERVER, 80).into()], "A and AAAA");
    sim.clients[app].finish = true;
    sim.settle();
    sim.assert_clean();
}

#[test]
fn mutated_answers_are_borne_and_reach_nobody_else() {
    let mut sim = with_name();
    sim.world.zone("alias.example.org", Rr::alias(LISTED));
    sim.world.modes.fill(Mode::Silent);
    let mut dice = Dice(0xd15ea5e);
    let app = sim.app(resolver().ip(), 9);
    let mut delivered = 0;
    for round in 0..6000u16 {
        let name = [NAME, "alias.example.org", "none.example.org"][dice.below(3)];
        let qtype = [A, 28, TXT, 65][dice.below(4)];
        sim.send_packet(udp(app, resolver(), &query(round, name, qtype)));
        sim.run(0);
        let asked = sim.world.asked.last().unwrap().message.clone();
        let mut answer = sim.world.respond(&asked);
        for _ in 0..dice.below(4) {
            let at = 2 + dice.below(answer.len() - 2);
            answer[at] = dice.next() as u8;
        }
        if dice.one_in(4) {
            answer.truncate(dice.below(answer.len()));
        }
        sim.world.answer(answer);
        sim.run(0);
        delivered += sim.datagrams(app).len();
        sim.seen.clear();
    }
    assert!((1000..6000).contains(&delivered), "{delivered}");
    sim.run(60 * SECOND);
    assert_eq!(sim.datagrams(app).len() + delivered, 6000, "each question has one answer");
    sim.assert_idle();
}
