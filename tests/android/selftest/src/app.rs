//! An app on the other end of the TUN: datagrams by hand, TCP by smoltcp.

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixDatagram;
use std::thread::sleep;
use std::time::{Duration, Instant as Clock};

/// An emulated processor is slow; a test that hangs is worse.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const MTU: usize = 1500;

/// The app's end of the wire; it never waits.
pub(crate) struct Wire(pub(crate) UnixDatagram);

pub(crate) struct Rx(Vec<u8>);
pub(crate) struct Tx<'a>(&'a UnixDatagram);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.send(&packet).unwrap();
        result
    }
}

impl Wire {
    fn read(&self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 65_536];
        let len = self.0.recv(&mut packet).ok()?;
        packet.truncate(len);
        Some(packet)
    }
}

impl Device for Wire {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.read()?), Tx(&self.0)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = MTU;
        caps
    }
}

/// Sends a datagram and returns the payload of the first one that comes back.
pub(crate) fn ask(wire: &Wire, port: u16, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    wire.0.send(&datagram(SocketAddrV4::new(ADDRESS, port), to, payload)).unwrap();
    let begun = Clock::now();
    while begun.elapsed() < PATIENCE {
        let Some(packet) = wire.read() else {
            sleep(Duration::from_millis(1));
            continue;
        };
        let ip = Ipv4Packet::new_checked(&packet[..]).unwrap();
        let udp = UdpPacket::new_checked(ip.payload()).unwrap();
        assert!(udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert_eq!((udp.src_port(), udp.dst_port()), (to.port(), port));
        return udp.payload().to_vec();
    }
    panic!("no answer to a datagram")
}

fn datagram(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv4Repr {
        src_addr: *from.ip(),
        dst_addr: *to.ip(),
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; ip.buffer_len() + ip.payload_len];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    let mut udp = UdpPacket::new_unchecked(&mut bytes[ip.buffer_len()..]);
    udp.set_src_port(from.port());
    udp.set_dst_port(to.port());
    udp.set_len(8 + payload.len() as u16);
    udp.payload_mut().copy_from_slice(payload);
    udp.fill_checksum(&(*from.ip()).into(), &(*to.ip()).into());
    bytes
}

/// Connects, sends, and reads to the end; `None` where the connection was refused.
pub(crate) fn exchange(
    wire: &mut Wire,
    port: u16,
    to: SocketAddrV4,
    request: &[u8],
) -> Option<Vec<u8>> {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = u64::from(port);
    let begun = Clock::now();
    let now = || Instant::from_micros(begun.elapsed().as_micros() as i64);
    let mut iface = Interface::new(config, wire, now());
    iface.update_ip_addrs(|addrs| addrs.push(IpCidr::new(ADDRESS.into(), 15)).unwrap());
    let mut socket =
        Socket::new(SocketBuffer::new(vec![0; 65_536]), SocketBuffer::new(vec![0; 65_536]));
    socket.connect(iface.context(), (*to.ip(), to.port()), port).unwrap();
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);
    let (mut sent, mut open, mut received) = (0, false, Vec::new());
    while begun.elapsed() < PATIENCE {
        iface.poll(now(), wire, &mut sockets);
        let socket = sockets.get_mut::<Socket<'_>>(handle);
        match socket.state() {
            State::Closed if !open => return None,
            State::Closed | State::CloseWait if socket.recv_queue() == 0 => return Some(received),
            State::Established | State::CloseWait => open = true,
            _ => {}
        }
        if socket.can_send() && sent < request.len() {
            sent += socket.send_slice(&request[sent..]).unwrap();
        }
        if socket.can_recv() {
            let got = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap();
            received.extend_from_slice(&got);
        } else {
            sleep(Duration::from_millis(1));
        }
    }
    panic!("a connection neither ended nor failed")
}
