//! The whole data plane, with a pair of sockets in place of the TUN.

use super::*;
use crate::dns::{self, qtype};
use crate::engine::{Config, Reach};
use crate::limits;
use crate::names::{RESOLVER_V4, TUN_V4};
use crate::policy::Policy;
use crate::signatures::HostTable;
use crate::wire::{DATAGRAM_V4, FiveTuple, datagram};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixDatagram;
use std::thread::JoinHandle;

const LISTED: &str = "tracking.intl.miui.com";
const WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

/// Says whose a flow is when the test says so.
struct Told(Receiver<Option<u32>>);

impl Owners for Told {
    fn owner(&mut self, _: &FiveTuple) -> Option<u32> {
        self.0.recv().ok().flatten()
    }
}

struct Phone {
    tun: UnixDatagram,
    owner: Sender<Option<u32>>,
    records: Receiver<Record>,
    control: Control,
    thread: JoinHandle<Result<Snapshot, IoError>>,
}

fn phone() -> Phone {
    let (tun, ours) = UnixDatagram::pair().unwrap();
    tun.set_read_timeout(Some(WITHIN)).unwrap();
    let (owner, told) = channel();
    let (sender, records) = channel();
    let resolvers = vec!["127.0.0.1:9".parse().unwrap()];
    let (reach, resolvers_too) = (Reach::Light, resolvers.clone());
    let config = Config { reach, resolvers: resolvers_too, seed: [1, 2], awake: limits::AWAKE };
    let table = Arc::new(HostTable::builtin().clone());
    let engine = Engine::new(config, Rules { table, policy: Policy::default() });
    let parts = Parts {
        tun: ours.into(),
        engine,
        resolvers,
        bypass: Bypass::Anyway,
        owners: Box::new(Told(told)),
        records: Box::new(move |record| sender.send(record).is_ok()),
    };
    let (plane, control) = DataPlane::new(parts).unwrap();
    let thread = std::thread::spawn(move || plane.run());
    Phone { tun, owner, records, control, thread }
}

impl Phone {
    fn send(&self, port: u16, to: SocketAddr, data: &[u8]) {
        let mut packet = vec![0; DATAGRAM_V4 + data.len()];
        packet[DATAGRAM_V4..].copy_from_slice(data);
        let from = SocketAddr::new(TUN_V4.into(), port);
        let len = datagram(from, to, data.len(), &mut packet).unwrap();
        self.tun.send(&packet[..len]).unwrap();
    }

    fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0; limits::PACKET];
        let len = self.tun.recv(&mut packet).expect("a packet in time");
        packet.truncate(len);
        packet
    }

    /// The fake address of a name.
    fn ask(&self, name: &str) -> Ipv4Addr {
        let mut question = [0; 512];
        let name = name.parse().unwrap();
        let len = dns::write_query(7, &name, qtype::A, &mut question).unwrap();
        self.send(5353, (RESOLVER_V4, 53).into(), &question[..len]);
        let reply = self.packet();
        let reply = dns::Response::parse(&reply[DATAGRAM_V4..]).unwrap();
        let mut found = None;
        dns::addresses(&reply, name.as_str(), &mut |addr, _| found = Some(addr));
        let Some(IpAddr::V4(addr)) = found else { panic!("an address of IPv4") };
        addr
    }
}

#[test]
fn packets_pass_while_an_owner_is_looked_up() {
    let phone = phone();
    let to = SocketAddr::new(phone.ask(LISTED).into(), 443);
    phone.send(6000, to, b"x");
    phone.send(6001, to, b"x");
    // The thread that asks waits for us, and everything else goes on.
    phone.ask(LISTED);
    for (uid, port) in [(Some(10_001), 6000u16), (None, 6001)] {
        phone.owner.send(uid).unwrap();
        let refused = phone.packet();
        assert_eq!(refused[9], 1, "ICMP");
        assert_eq!(refused[28 + 20..28 + 22], port.to_be_bytes(), "about the datagram that waited");
        let Ok(Record::Blocked(facts)) = phone.records.recv_timeout(WITHIN) else {
            panic!("it was refused")
        };
        assert_eq!(facts.uid, uid);
    }
    phone.control.stop();
    let counted = phone.thread.join().unwrap().unwrap();
    assert_eq!((counted.counters.blocked, counted.flows), (2, 0));
}

#[test]
fn the_tun_is_closed_by_its_reader_alone_and_after_its_end() {
    for _ in 0..20 {
        let Phone { tun, thread, control, owner: _owner, records } = phone();
        let flood = std::thread::spawn(move || {
            // Until the other end is closed.
            (0..).take_while(|_| tun.send(b"no packet").is_ok()).count() as u64
        });
        records.recv_timeout(WITHIN).expect("it reads");
        control.stop();
        let counted = thread.join().unwrap().expect("no error of a descriptor");
        let (read, sent) = (counted.counters.packets_in, flood.join().unwrap());
        assert!((1..=sent).contains(&read), "{read} of {sent}");
        assert!(control.snapshot().is_none());
    }
}

#[test]
fn what_is_dropped_is_told_and_shown_by_its_reason() {
    let phone = phone();
    phone.tun.send(b"no packet").unwrap();
    let told = phone.records.recv_timeout(WITHIN);
    assert_eq!(told, Ok(Record::Dropped(vec![("malformed-packet", 1)])));
    // Within a second, so it is told at the end.
    phone.tun.send(b"neither").unwrap();
    phone.ask(LISTED);
    // It answers the app before it shows what it counted.
    let begun = Instant::now();
    let shown = loop {
        let shown = phone.control.snapshot().unwrap();
        if shown.counters.questions > 0 || begun.elapsed() > WITHIN {
            break shown;
        }
    };
    let shown = serde_json::to_value(shown).unwrap();
    assert_eq!(shown["v"], SNAPSHOT_VERSION);
    assert_eq!(shown["drops"], serde_json::json!({"malformed-packet": 2}));
    assert_eq!((&shown["questions"], &shown["questions_waiting"]), (&1.into(), &0.into()));
    phone.control.stop();
    phone.thread.join().unwrap().unwrap();
    let told: Vec<_> = phone.records.try_iter().collect();
    assert_eq!(told, [Record::Dropped(vec![("malformed-packet", 1)])]);
}
