//! Real packets through the data plane's own thread: a socket pair in place of the TUN, a resolver
//! and a server on the loopback in place of the network.

use crate::app::{self, Wire};
use crate::store;
use muzzle::engine::{Config, Engine, Reach, Rules};
use muzzle::event::{Protocol, State, Verdict};
use muzzle::io::{Bypass, DataPlane, Owners, Parts};
use muzzle::limits;
use muzzle::policy::Policy;
use muzzle::signatures::HostTable;
use muzzle::store::{Config as StoreConfig, Filter, Reader, Writer};
use muzzle::wire::FiveTuple;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::thread;

const HOST: &str = "tracking.intl.miui.com";
const POLICY: &str = r#"
version = 1
[[app]]
package = "com.example.recorded"
uid = 10101
setting = "record"
"#;
const RECORDED: u32 = 10101;
const BLOCKED: u32 = 10102;
/// Ports below are the recorded app's, the others the blocked one's.
const BORDER: u16 = 50_000;

struct ByPort;

impl Owners for ByPort {
    fn owner(&mut self, tuple: &FiveTuple) -> Option<u32> {
        Some(if tuple.src.port() < BORDER { RECORDED } else { BLOCKED })
    }
}

/// One app's telemetry is recorded and read, another's is refused before anything leaves.
pub(crate) fn all(folder: &Path, data: &Path) -> String {
    let body = std::fs::read(data.join("sensors/android-batch-gzip.body")).unwrap();
    let expected =
        std::fs::read_to_string(data.join("sensors/android-batch-gzip.expected.jsonl")).unwrap();
    let upstream = resolver();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || serve(&listener));

    let writer = Writer::open(StoreConfig::new(store::path(folder))).unwrap();
    let sender = writer.sender();
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let rules = Rules {
        table: Arc::new(HostTable::builtin().clone()),
        policy: Policy::parse(POLICY).unwrap(),
    };
    let resolvers = vec![upstream];
    let config = Config { reach: Reach::Light, resolvers, seed: [1, 2], awake: limits::AWAKE };
    let (plane, control) = DataPlane::new(Parts {
        tun: ours.into(),
        engine: Engine::new(config, rules),
        resolvers: vec![upstream],
        bypass: Bypass::Anyway,
        owners: Box::new(ByPort),
        records: Box::new(move |record| sender.send(record)),
    })
    .unwrap();
    let plane = thread::spawn(move || plane.run());

    let mut wire = Wire(theirs);
    let fake = SocketAddrV4::new(look_up(&wire), port);
    let head =
        format!("POST /sa HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", body.len());
    let request = [head.as_bytes(), &body].concat();
    let answer = app::exchange(&mut wire, 40_000, fake, &request).unwrap();
    assert!(answer.ends_with(b"delivered"), "{} bytes came back", answer.len());
    assert_eq!(app::exchange(&mut wire, BORDER, fake, &request), None, "it was not refused");

    control.stop();
    plane.join().unwrap().unwrap();
    writer.close().unwrap();
    assert_eq!(server.join().unwrap(), body, "the server received something else");
    let events = Reader::open(&store::path(folder)).unwrap().events(&Filter::default()).unwrap();
    let of = |verdict| events.iter().filter(move |event| event.verdict == Some(verdict));
    assert_eq!(of(Verdict::Block).count(), 1);
    assert!(of(Verdict::Block).all(|event| event.app.uid == Some(BLOCKED)));
    assert_eq!(of(Verdict::Record).count(), expected.lines().count());
    assert!(of(Verdict::Record).all(|event| {
        (event.app.uid, event.protocol, event.state, event.host.as_deref())
            == (Some(RECORDED), Some(Protocol::Sensors), State::Decoded, Some(HOST))
    }));
    format!("{} events recorded, 1 connection refused", of(Verdict::Record).count())
}

/// Asks Muzzle for the host; what comes back is one of its own addresses.
fn look_up(wire: &Wire) -> Ipv4Addr {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in HOST.split('.') {
        question.push(label.len() as u8);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    let answer =
        app::ask(wire, 40_053, SocketAddrV4::new(muzzle::names::RESOLVER_V4, 53), &question);
    let response = muzzle::dns::Response::parse(&answer).unwrap();
    let mut found = None;
    muzzle::dns::addresses(&response, HOST, &mut |address, _| found = Some(address));
    let Some(IpAddr::V4(fake)) = found else { panic!("no address in the answer") };
    assert!(muzzle::names::FakePool::covers(fake.into()), "{fake}");
    fake
}

/// An upstream resolver for which every name is on the loopback.
fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let query = muzzle::dns::parse_query(&buffer[..len]).unwrap();
            let mut answer = [&buffer[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
            answer.extend_from_slice(query.question());
            let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1];
            answer.extend_from_slice(&record);
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

/// Takes one request and returns its body. A second connection would stay unanswered.
fn serve(listener: &TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let len = stream.read(&mut buffer).unwrap();
        received.extend_from_slice(&buffer[..len]);
        let Some(end) = received.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(received[..end].to_vec()).unwrap();
        let (_, length) = head.split_once("Content-Length: ").unwrap();
        if received.len() == end + 4 + length.lines().next().unwrap().parse::<usize>().unwrap() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndelivered").unwrap();
            return received.split_off(end + 4);
        }
    }
}
