//! Recorded flows as packets that Wireshark opens: each flow a connection, each stored request its
//! bytes. Answers were never stored, and the phone's own address neither: both are made, and the
//! file says so. Never makes up what was sent: bytes that were not kept are missing, like those
//! that a capture lost, and what was encrypted is a connection without data.

use super::pcapng::Blocks;
use super::{ExportError, Sink};
use crate::event::{Event, State, Transport};
use crate::http::Request;
use crate::limits::{FAKE_NAMES, FLOWS};
use crate::names::{RESOLVER_V4, TUN_V4, TUN_V6};
use crate::replay::app_line;
use crate::store::{Reader, Source, StoreError};
use crate::wire::{
    Control, DATAGRAM_V6, ECHO_V4, ECHO_V6, Echo, NoRoom, Segment, Unreachable, datagram, echo,
    segment, unreachable,
};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const ABOUT: &str = "Made from the store of Muzzle, not captured: requests as they were sent, and \
    of what is encrypted or was stopped no content. Answers were not stored. Addresses 198.18.* \
    and fd6d:757a:7a6c::* stand for the phone and for hosts whose address is not known; port 0 is \
    one that is not known.";
/// Data of one segment: with the headers of IPv6 and TCP what Ethernet carries.
const SEGMENT: usize = 1440;
const PACKET: usize = 1500;
const ECHO_HEAD: usize = 8;
/// The phone's ports: of flows, and of what was stopped before it was one.
const FLOW_PORTS: u16 = 49_152;
const STOPPED_PORTS: u16 = 32_768;
const PORTS: i64 = 16_384;
const DNS: u16 = 53;

pub(super) struct Packets<'a> {
    blocks: Blocks<'a>,
    reader: &'a Reader,
    /// Connections that go on, by the row of their flow.
    open: BTreeMap<i64, Connection>,
    /// What addresses were called last.
    names: BTreeMap<IpAddr, String>,
    /// Addresses that stand for hosts without a known one.
    standins: BTreeMap<String, Ipv4Addr>,
    /// The request that was written last: events of one come one after the other.
    request: Option<i64>,
    packet: Vec<u8>,
}

/// A connection as far as it was written.
#[derive(Clone, Copy)]
struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    /// Number of the client's next byte.
    next: u32,
}

/// Number of the server's first byte: it never sends data.
const ANSWERED: u32 = 1;

impl<'a> Packets<'a> {
    pub(super) fn new(reader: &'a Reader, out: &'a mut dyn Write) -> io::Result<Self> {
        Ok(Self {
            blocks: Blocks::new(out, ABOUT)?,
            reader,
            open: BTreeMap::new(),
            names: BTreeMap::new(),
            standins: BTreeMap::new(),
            request: None,
            packet: vec![0; PACKET],
        })
    }

    /// A flow over TCP: its beginning with its first event, requests as they come, its end with its
    /// last event.
    fn connection(&mut self, event: &Event, source: &Source) -> Result<(), ExportError> {
        // A request without a flow, whose beginning was lost, is a connection of its own.
        if source.flow.is_none() && source.request.is_some() && source.request == self.request {
            return Ok(());
        }
        let begun = source.flow.and_then(|row| self.open.remove(&row));
        let mut connection = match begun {
            Some(connection) => connection,
            None => self.begin(event, source)?,
        };
        if source.request != self.request
            && let (Some(row), Some(id)) = (source.request, event.id)
            && let Some(request) = self.reader.request(id)?
        {
            self.request = Some(row);
            self.send(&mut connection, event, &request)?;
        }
        let Some(row) = source.flow.filter(|_| !source.last) else {
            return Ok(self.close(&connection, time_us(event))?);
        };
        if self.open.len() >= FLOWS {
            self.open.pop_first();
        }
        self.open.insert(row, connection);
        Ok(())
    }

    fn begin(&mut self, event: &Event, source: &Source) -> io::Result<Connection> {
        let server = self.server(event, source.port)?;
        let row = row(event, source);
        let client = client(server, FLOW_PORTS, row);
        let first = first_number(row);
        let time = time_us(event);
        let syn = Segment { control: Control::Syn, seq: first, ack: None, data: b"" };
        self.segment(time, (client, server), syn, &remark(event))?;
        let next = first.wrapping_add(1);
        let answer = Segment { control: Control::Syn, seq: 0, ack: Some(next), data: b"" };
        self.segment(time, (server, client), answer, "")?;
        let connection = Connection { client, server, next };
        self.data(&connection, time, b"", "")?;
        Ok(connection)
    }

    /// A request in segments, and the server's word that it came.
    fn send(&mut self, to: &mut Connection, event: &Event, request: &Request) -> io::Result<()> {
        let time = time_us(event);
        let (before, missing, after) = stream(request);
        let mut comment = of_request(event);
        for piece in before.chunks(SEGMENT) {
            self.data(to, time, piece, &comment)?;
            to.next = to.next.wrapping_add(piece.len() as u32);
            comment.clear();
        }
        to.next = to.next.wrapping_add(missing as u32);
        if !after.is_empty() {
            self.data(to, time, after, "")?;
            to.next = to.next.wrapping_add(after.len() as u32);
        }
        self.answer(to, Control::None, time)
    }

    fn close(&mut self, connection: &Connection, time: i64) -> io::Result<()> {
        let Connection { client, server, next } = *connection;
        let fin = Segment { control: Control::Fin, seq: next, ack: Some(ANSWERED), data: b"" };
        self.segment(time, (client, server), fin, "")?;
        let next = next.wrapping_add(1);
        self.answer(&Connection { next, ..*connection }, Control::Fin, time)?;
        let ack = Some(ANSWERED + 1);
        let last = Segment { control: Control::None, seq: next, ack, data: b"" };
        self.segment(time, (client, server), last, "")
    }

    fn data(&mut self, of: &Connection, time: i64, data: &[u8], comment: &str) -> io::Result<()> {
        let Connection { client, server, next } = *of;
        let sent = Segment { control: Control::None, seq: next, ack: Some(ANSWERED), data };
        self.segment(time, (client, server), sent, comment)
    }

    fn answer(&mut self, of: &Connection, control: Control, time: i64) -> io::Result<()> {
        let answer = Segment { control, seq: ANSWERED, ack: Some(of.next), data: b"" };
        self.segment(time, (of.server, of.client), answer, "")
    }

    /// What was refused: what the app tried, and what it was told.
    fn stopped(&mut self, event: &Event, source: &Source) -> io::Result<()> {
        let time = time_us(event);
        match event.transport {
            Some(Transport::Udp | Transport::Quic | Transport::Icmp | Transport::Dns) => {
                let len = self.datagram(event, source, STOPPED_PORTS)?;
                let why = match event.transport {
                    Some(Transport::Icmp) => Unreachable::Prohibited,
                    _ => Unreachable::Port,
                };
                let mut told = vec![0; PACKET];
                let asked = self.packet.get(..len).unwrap_or_default();
                let len = unreachable(asked, why, &mut told).map_err(no_room)?;
                self.blocks.packet(time, told.get(..len).unwrap_or_default(), "")
            }
            _ => {
                let id = event.id.unwrap_or_default();
                let server = self.server(event, source.port)?;
                let client = client(server, STOPPED_PORTS, id);
                let first = first_number(id);
                let syn = Segment { control: Control::Syn, seq: first, ack: None, data: b"" };
                self.segment(time, (client, server), syn, &remark(event))?;
                let ack = Some(first.wrapping_add(1));
                let reset = Segment { control: Control::Rst, seq: 0, ack, data: b"" };
                self.segment(time, (server, client), reset, "")
            }
        }
    }

    /// An empty datagram, or an echo request without data; what it held was not stored. Leaves it
    /// in `packet`, and returns its length.
    fn datagram(&mut self, event: &Event, source: &Source, ports: u16) -> io::Result<usize> {
        let server = match event.transport {
            Some(Transport::Dns) => (RESOLVER_V4, DNS).into(),
            _ => self.server(event, source.port)?,
        };
        let client = client(server, ports, row(event, source));
        let built = if event.transport == Some(Transport::Icmp) {
            let at = if server.is_ipv4() { ECHO_V4 } else { ECHO_V6 };
            self.packet.get_mut(at..at + ECHO_HEAD).unwrap_or_default().fill(0);
            echo(client, server, Echo::Request, ECHO_HEAD, &mut self.packet)
        } else {
            self.packet.get_mut(..DATAGRAM_V6).unwrap_or_default().fill(0);
            datagram(client, server, 0, &mut self.packet)
        };
        let len = built.map_err(no_room)?;
        let packet = self.packet.get(..len).unwrap_or_default();
        self.blocks.packet(time_us(event), packet, &remark(event))?;
        Ok(len)
    }

    fn segment(
        &mut self,
        time: i64,
        (src, dst): (SocketAddr, SocketAddr),
        sent: Segment<'_>,
        comment: &str,
    ) -> io::Result<()> {
        let len = segment(src, dst, sent, &mut self.packet).map_err(no_room)?;
        self.blocks.packet(time, self.packet.get(..len).unwrap_or_default(), comment)
    }

    /// The address that was contacted, called by the host's name, or one that stands for it.
    fn server(&mut self, event: &Event, port: Option<u16>) -> io::Result<SocketAddr> {
        let known = event.server.as_ref().map(|server| (server.addr, server.port));
        let host = event.host.as_deref().unwrap_or_default();
        let (addr, port) =
            known.unwrap_or_else(|| (self.standin(host).into(), port.unwrap_or_default()));
        let called = self.names.get(&addr).is_some_and(|name| name == host);
        let room = self.names.len() < FAKE_NAMES || self.names.contains_key(&addr);
        if !called && room && !host.is_empty() {
            self.blocks.name(addr, host)?;
            self.names.insert(addr, host.to_owned());
        }
        Ok((addr, port).into())
    }

    /// One address for each host, from 198.18.1.0 on; the last of all stands for those that there
    /// is no room for.
    fn standin(&mut self, host: &str) -> Ipv4Addr {
        if let Some(addr) = self.standins.get(host) {
            return *addr;
        }
        let place = self.standins.len();
        if place >= FAKE_NAMES {
            return Ipv4Addr::new(198, 19, 255, 254);
        }
        let addr = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 1, 0).to_bits() + place as u32);
        self.standins.insert(host.to_owned(), addr);
        addr
    }
}

impl Sink for Packets<'_> {
    fn event(&mut self, event: &Event) -> Result<(), ExportError> {
        let id = event.id.ok_or(StoreError::Corrupt)?;
        let source = self.reader.source(id)?;
        if event.state == State::Blocked {
            return Ok(self.stopped(event, &source)?);
        }
        match event.transport {
            Some(Transport::Udp | Transport::Quic | Transport::Icmp | Transport::Dns) => {
                self.datagram(event, &source, FLOW_PORTS)?;
                Ok(())
            }
            Some(Transport::Http | Transport::Tls | Transport::Tcp) | None => {
                self.connection(event, &source)
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.blocks.flush()
    }
}

/// A number that the flow, or an event without one, has for itself.
fn row(event: &Event, source: &Source) -> i64 {
    source.flow.or(event.id).unwrap_or_default()
}

/// The phone's end: a port and a first number that follow from the row, so that one export is like
/// the next.
fn client(server: SocketAddr, ports: u16, row: i64) -> SocketAddr {
    let addr = if server.is_ipv4() { IpAddr::from(TUN_V4) } else { TUN_V6.into() };
    SocketAddr::new(addr, ports + row.rem_euclid(PORTS) as u16)
}

/// Rows that share a port have numbers far apart: the golden ratio (Knuth, TAOCP §6.4).
fn first_number(row: i64) -> u32 {
    (row as u32).wrapping_mul(0x9e37_79b9)
}

fn time_us(event: &Event) -> i64 {
    event.time.map_or(0, |time| time.0.saturating_mul(1000))
}

fn no_room(_: NoRoom) -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// The bytes of a request: those before what was not kept, how many these are, and those behind.
/// The version was not stored; it is 1.1 for nearly all. A chunked body has one chunk.
fn stream(request: &Request) -> (Vec<u8>, u64, &'static [u8]) {
    let Request { method, target, headers, body, body_size, cut } = request;
    let mut before = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        before.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    before.extend_from_slice(b"\r\n");
    let missing = body_size.saturating_sub(body.len() as u64);
    if request.header("transfer-encoding").is_none() {
        before.extend_from_slice(body);
        return (before, missing, b"");
    }
    let end: &[u8] = match (*body_size, *cut) {
        (_, true) => b"",
        (0, false) => return ([before, b"0\r\n\r\n".to_vec()].concat(), 0, b""),
        (_, false) => b"\r\n0\r\n\r\n",
    };
    before.extend_from_slice(format!("{body_size:x}\r\n").as_bytes());
    before.extend_from_slice(body);
    (before, missing, end)
}

/// Who, to whom, why and what, for the first packet of a flow. Codes, as in events.
fn remark(event: &Event) -> String {
    let mut lines = vec![app_line(&event.app).unwrap_or_else(|| "unknown app".to_owned())];
    lines.extend(event.host.clone());
    if let (Some(verdict), Some(reason)) = (event.verdict, &event.reason) {
        let because = [reason.rule.as_deref(), reason.list.as_deref()].into_iter().flatten();
        let words: Vec<&str> =
            [verdict.as_str(), reason.code.as_str()].into_iter().chain(because).collect();
        lines.push(words.join(" "));
    }
    let carried = event.transport.map(|transport| format!("{transport} "));
    lines.push(format!("{}{}", carried.unwrap_or_default(), event.state));
    if let Some(bytes) = event.bytes {
        lines.push(format!("{} bytes up, {} bytes down", bytes.up, bytes.down));
    }
    lines.join("\n")
}

/// Who, and which event tells what the request says.
fn of_request(event: &Event) -> String {
    let app = app_line(&event.app).unwrap_or_else(|| "unknown app".to_owned());
    let protocol = event.protocol.map_or_else(String::new, |protocol| format!("{protocol}, "));
    format!("{app}\n{protocol}event {}", event.id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Parser;

    fn request(headers: &[(&str, &str)], body: &[u8], body_size: u64, cut: bool) -> Request {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let (method, target) = ("POST".to_owned(), "/sa?x=y".to_owned());
        Request { method, target, headers, body: body.to_vec(), body_size, cut }
    }

    /// What a parser makes of the bytes, if all of them were kept.
    fn read(request: &Request) -> Request {
        let (before, missing, after) = stream(request);
        assert_eq!(missing, 0);
        let (mut parser, mut found) = (Parser::new(), Vec::new());
        for piece in [&before[..], after] {
            parser.feed(piece, &mut |request| found.push(request));
        }
        found.extend(parser.finish());
        let [found] = &found[..] else { panic!("{found:?}") };
        found.clone()
    }

    #[test]
    fn requests_of_every_framing_are_read_as_they_were_stored() {
        let (plain, chunked) = (("Content-Length", "4"), ("Transfer-Encoding", "chunked"));
        for whole in [
            request(&[("Host", "a"), plain], b"body", 4, false),
            request(&[plain], b"bo", 2, true),
            request(&[("Host", "a"), chunked], b"body", 4, false),
            request(&[chunked], b"", 0, false),
            request(&[chunked], b"body", 4, true),
            request(&[], b"", 0, false),
        ] {
            assert_eq!(read(&whole), whole);
        }
    }

    #[test]
    fn bytes_that_were_not_kept_are_a_hole() {
        let large = request(&[("Transfer-Encoding", "chunked")], b"head", 1000, false);
        let (before, missing, after) = stream(&large);
        assert!(before.ends_with(b"\r\n3e8\r\nhead"));
        assert_eq!((missing, after), (996, &b"\r\n0\r\n\r\n"[..]));
    }
}
