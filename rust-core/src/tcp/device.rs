//! The device under smoltcp: one packet in, and a sink out.

use super::PacketSink;
use super::numbers::Numbers;
use super::window::Window;
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket};

/// One connection's turn at the device.
pub(super) struct Port<'a> {
    pub(super) packet: Option<&'a [u8]>,
    pub(super) caps: &'a DeviceCapabilities,
    pub(super) out: &'a mut [u8],
    pub(super) sink: &'a mut dyn PacketSink,
    pub(super) window: &'a mut Window,
    pub(super) numbers: &'a mut Numbers,
    /// Bytes of window that the connection may be offered.
    pub(super) allowed: u32,
}

pub(super) struct Rx<'a>(&'a [u8]);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(super) struct Tx<'a> {
    out: &'a mut [u8],
    sink: &'a mut dyn PacketSink,
    window: &'a mut Window,
    numbers: &'a mut Numbers,
    allowed: u32,
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let packet = &mut self.out[..len];
        let result = f(packet);
        complete(packet, |tcp| {
            self.numbers.stamp(tcp);
            self.window.stamp(tcp, self.allowed);
        });
        self.sink.write(packet);
        result
    }
}

/// Fills in what is ours, and the TCP checksum, which smoltcp leaves to the device where segments
/// may exceed the MTU.
fn complete(packet: &mut [u8], stamp: impl FnOnce(&mut TcpPacket<&mut [u8]>)) {
    match packet[0] >> 4 {
        4 => {
            let mut ip = Ipv4Packet::new_unchecked(packet);
            let (src, dst) = (IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()));
            let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
            stamp(&mut tcp);
            tcp.fill_checksum(&src, &dst);
        }
        _ => {
            let mut ip = Ipv6Packet::new_unchecked(packet);
            let (src, dst) = (IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()));
            let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
            stamp(&mut tcp);
            tcp.fill_checksum(&src, &dst);
        }
    }
}

impl Device for Port<'_> {
    type RxToken<'b>
        = Rx<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Tx<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        let packet = self.packet.take()?;
        Some((Rx(packet), self.sender()))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        self.sink.ready().then(|| self.sender())
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.caps.clone()
    }
}

impl Port<'_> {
    fn sender(&mut self) -> Tx<'_> {
        Tx {
            out: self.out,
            sink: self.sink,
            window: self.window,
            numbers: self.numbers,
            allowed: self.allowed,
        }
    }
}
