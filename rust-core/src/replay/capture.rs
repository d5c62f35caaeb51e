//! Packets out of a capture file: pcap (draft-ietf-opsawg-pcap) and pcapng
//! (draft-ietf-opsawg-pcapng), of either byte order. Never holds more than one block, and never
//! trusts a length.

use super::link;
use crate::limits::{CAPTURE_BLOCK, CAPTURE_INTERFACES};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why reading a capture ended early.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The bytes are of another format.
    #[error("neither pcap nor pcapng")]
    NotCapture,
    /// The file is packed in a way that is not unpacked here.
    #[error("packed with {0}")]
    Packed(&'static str),
    /// No packet of this link type (IANA, "PCAP Link Types") can be read, and there are no others.
    #[error("link type {0} is not read")]
    LinkType(u32),
    /// The file ends within a packet or a header.
    #[error("ends in the middle of a packet")]
    Truncated,
    /// A length or a field that cannot be.
    #[error("damaged: {0}")]
    Malformed(&'static str),
    /// What the system said.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Truncated,
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                Self::Malformed("gzip cannot unpack it")
            }
            _ => Self::Io(error),
        }
    }
}

/// One packet as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Microseconds since 1970; 0 where the file does not say.
    pub time_us: i64,
    /// Link type (IANA, "PCAP Link Types").
    pub link: u32,
    /// From the link header on; the end may be missing where the capture kept only heads.
    pub bytes: &'a [u8],
    /// What the file remarks about the packet; empty for nothing.
    pub comment: &'a str,
}

/// What a file holds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A packet.
    Packet(Captured<'a>),
    /// The file says what an address is called.
    Name(IpAddr, &'a str),
}

/// An interface of a pcapng file.
#[derive(Clone, Copy)]
struct Interface {
    link: u32,
    /// Units of the time stamps in a second.
    units: u64,
    /// Seconds to add to time stamps.
    offset_s: i64,
}

/// Where in a file the next bytes stand.
enum Place {
    /// In a pcap file, which has one interface.
    Packets(Interface),
    /// In a pcapng file, between blocks.
    Blocks,
    /// Within a block of names, so many bytes of it read.
    Names(usize),
}

/// Reads the packets of a file in their order.
pub struct Capture<R> {
    from: R,
    order: Order,
    place: Place,
    interfaces: Vec<Interface>,
    /// The packet or block that was read last, and its length.
    body: Vec<u8>,
    len: usize,
}

const PCAPNG: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const INTERFACE: u32 = 1;
/// Obsolete, and still in old files: an interface of two bytes and a count of drops in place of
/// one of four.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAMES: u32 = 4;
const ENHANCED_PACKET: u32 = 6;
const COMMENT: u16 = 1;
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;
const NAME_OF_IPV4: u16 = 1;
const NAME_OF_IPV6: u16 = 2;
/// Bytes of a pcap file's header after its magic number, and of that of a packet.
const FILE_HEADER: usize = 20;
const PACKET_HEADER: usize = 16;
/// Bytes before the packet in its block, and around each block.
const ENHANCED_HEADER: usize = 20;
const BLOCK: usize = 12;
/// 9999-12-31T23:59:59Z.
const LAST_US: i64 = 253_402_300_799_000_000;
/// Files that are often met packed, by their first four bytes: zstd, lz4, xz, bzip2, zip.
const PACKED: [([u8; 4], &str); 5] = [
    ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    ([0x04, 0x22, 0x4d, 0x18], "lz4"),
    ([0xfd, 0x37, 0x7a, 0x58], "xz"),
    ([0x42, 0x5a, 0x68, 0x39], "bzip2"),
    ([0x50, 0x4b, 0x03, 0x04], "zip"),
];

impl<R: Read> Capture<R> {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// [`CaptureError::NotCapture`] and [`CaptureError::Packed`] where it is none, and
    /// [`CaptureError::LinkType`] where all of its packets are of a type that is not read.
    pub fn new(mut from: R) -> Result<Self, CaptureError> {
        let mut magic = [0; 4];
        from.read_exact(&mut magic).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => CaptureError::NotCapture,
            _ => error.into(),
        })?;
        let mut capture = Self {
            from,
            order: Order::Big,
            place: Place::Blocks,
            interfaces: Vec::new(),
            body: Vec::new(),
            len: 0,
        };
        if u32::from_be_bytes(magic) == PCAPNG {
            let mut length = [0; 4];
            capture.from.read_exact(&mut length)?;
            capture.section(length)?;
            return Ok(capture);
        }
        let order = match u32::from_be_bytes(magic) {
            MICROS | NANOS => Order::Big,
            _ => Order::Little,
        };
        let units = match order.u32(&magic, 0) {
            MICROS => 1_000_000,
            NANOS => 1_000_000_000,
            _ => return Err(foreign(magic)),
        };
        capture.order = order;
        capture.take(FILE_HEADER)?;
        // The upper bits tell of a checksum at the end of frames.
        let link = order.u32(&capture.body, 16) & 0xffff;
        if !link::is_known(link) {
            return Err(CaptureError::LinkType(link));
        }
        capture.place = Place::Packets(Interface { link, units, offset_s: 0 });
        Ok(capture)
    }

    /// What comes next; `None` at the end of the file. After an error nothing more can be read.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, CaptureError> {
        let found = match self.place {
            Place::Packets(interface) => self.packet(interface)?,
            Place::Blocks | Place::Names(_) => self.block()?,
        };
        // A range and not the item itself: what borrows may not be returned out of a loop.
        Ok(found.map(|found| found.item(self.body.get(..self.len).unwrap_or_default())))
    }

    fn packet(&mut self, interface: Interface) -> Result<Option<Found>, CaptureError> {
        let Some(header) = self.head::<PACKET_HEADER>()? else { return Ok(None) };
        let Interface { link, units, .. } = interface;
        let fraction = u64::from(self.order.u32(&header, 4)) * 1_000_000 / units;
        let seconds = i64::from(self.order.u32(&header, 0));
        let time_us = moment(seconds * 1_000_000 + fraction as i64);
        let len = self.order.u32(&header, 8) as usize;
        self.take(len)?;
        Ok(Some(Found::Packet { time_us, link, at: 0, len, comment: (0, 0) }))
    }

    /// Passes blocks until one holds something.
    fn block(&mut self) -> Result<Option<Found>, CaptureError> {
        loop {
            if let Place::Names(read) = self.place {
                if let Some(found) = self.name(read) {
                    return Ok(Some(found));
                }
                self.place = Place::Blocks;
            }
            let Some(head) = self.head::<8>()? else { return Ok(None) };
            // A section's length is in the byte order that only its body tells.
            if self.order.u32(&head, 0) == PCAPNG {
                self.section([head[4], head[5], head[6], head[7]])?;
                continue;
            }
            let len = body_len(self.order.u32(&head, 4))?;
            let kind = self.order.u32(&head, 0);
            match kind {
                INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET | NAMES => {
                    self.take(len)?;
                    self.skip(4)?;
                }
                _ => self.skip(len + 4)?,
            }
            match kind {
                INTERFACE => self.interface()?,
                NAMES => self.place = Place::Names(0),
                PACKET => return self.enhanced(u32::from(self.order.u16(&self.body, 0))).map(Some),
                ENHANCED_PACKET => return self.enhanced(self.order.u32(&self.body, 0)).map(Some),
                SIMPLE_PACKET => return self.simple().map(Some),
                _ => {}
            }
        }
    }

    /// A section sets the byte order and forgets the interfaces of the one before.
    fn section(&mut self, length: [u8; 4]) -> Result<(), CaptureError> {
        let mut order = [0; 4];
        self.from.read_exact(&mut order)?;
        self.order = if order == BYTE_ORDER.to_be_bytes() { Order::Big } else { Order::Little };
        if self.order.u32(&order, 0) != BYTE_ORDER {
            return Err(CaptureError::Malformed("a section without a byte order"));
        }
        let len = body_len(self.order.u32(&length, 0))?;
        self.interfaces.clear();
        // Its other fields, and its length once more.
        self.skip(len.saturating_sub(4) + 4)
    }

    fn interface(&mut self) -> Result<(), CaptureError> {
        let body = self.body.get(..self.len).unwrap_or_default();
        let mut interface =
            Interface { link: u32::from(self.order.u16(body, 0)), units: 1_000_000, offset_s: 0 };
        for (code, at, len) in options(self.order, body, 8) {
            let value = body.get(at..at + len).unwrap_or_default();
            match (code, value) {
                (TIME_RESOLUTION, [power, ..]) => interface.units = units(*power)?,
                (TIME_OFFSET, [_, _, _, _, _, _, _, _]) => {
                    interface.offset_s = self.order.i64(value);
                }
                _ => {}
            }
        }
        if self.interfaces.len() >= CAPTURE_INTERFACES {
            return Err(CaptureError::Malformed("too many interfaces"));
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn of(&self, number: u32) -> Result<Interface, CaptureError> {
        let interface = self.interfaces.get(number as usize).copied();
        interface.ok_or(CaptureError::Malformed("a packet of no interface"))
    }

    fn enhanced(&self, interface: u32) -> Result<Found, CaptureError> {
        let Interface { link, units, offset_s } = self.of(interface)?;
        let body = self.body.get(..self.len).unwrap_or_default();
        let word = |at| self.order.u32(body, at);
        let stamp = u64::from(word(4)) << 32 | u64::from(word(8));
        let len = word(12) as usize;
        if body.len() < ENHANCED_HEADER || body.len() - ENHANCED_HEADER < len {
            return Err(CaptureError::Malformed("a packet longer than its block"));
        }
        let micros = u128::from(stamp) * 1_000_000 / u128::from(units);
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        let time_us = moment(micros.saturating_add(offset_s.saturating_mul(1_000_000)));
        let behind = ENHANCED_HEADER + len.next_multiple_of(4);
        let comment = options(self.order, body, behind).find(|(code, ..)| *code == COMMENT);
        let comment = comment.map_or((0, 0), |(_, at, len)| (at, len));
        Ok(Found::Packet { time_us, link, at: ENHANCED_HEADER, len, comment })
    }

    fn simple(&self) -> Result<Found, CaptureError> {
        let link = self.of(0)?.link;
        let room = self.len.saturating_sub(4);
        let len = (self.order.u32(&self.body, 0) as usize).min(room);
        Ok(Found::Packet { time_us: 0, link, at: 4, len, comment: (0, 0) })
    }

    /// The next record of a block of names that names an address; only the first name counts.
    fn name(&mut self, mut at: usize) -> Option<Found> {
        let body = self.body.get(..self.len)?;
        // Each turn passes the four bytes of a record's head at least.
        loop {
            let (kind, len) = (self.order.u16(body, at), self.order.u16(body, at + 2));
            let len = usize::from(len);
            let value = body.get(at + 4..at + 4 + len)?;
            let start = at + 4;
            at = start + len.next_multiple_of(4);
            let size = match kind {
                NAME_OF_IPV4 => 4,
                NAME_OF_IPV6 => 16,
                0 => return None,
                _ => continue,
            };
            let Some(addr) = value.get(..size).and_then(address) else { continue };
            let text = value.get(size..).unwrap_or_default();
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            self.place = Place::Names(at);
            return Some(Found::Name { addr, at: start + size, len: end });
        }
    }

    /// So many bytes, or none at the end of the file.
    fn head<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        let mut head = [0; N];
        let mut filled = 0;
        while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.from.read(room) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(CaptureError::Truncated),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(head))
    }

    /// Reads so many bytes into the body.
    fn take(&mut self, len: usize) -> Result<(), CaptureError> {
        if len > CAPTURE_BLOCK {
            return Err(CaptureError::Malformed("a packet larger than any is captured"));
        }
        if self.body.len() < len {
            self.body.resize(len, 0);
        }
        self.len = len;
        let room = self.body.get_mut(..len).unwrap_or_default();
        Ok(self.from.read_exact(room)?)
    }

    fn skip(&mut self, len: usize) -> Result<(), CaptureError> {
        let skipped = io::copy(&mut self.from.by_ref().take(len as u64), &mut io::sink())?;
        if skipped < len as u64 { Err(CaptureError::Truncated) } else { Ok(()) }
    }
}

/// Where in the body something stands, in bytes: from where on, and how many.
enum Found {
    Packet { time_us: i64, link: u32, at: usize, len: usize, comment: (usize, usize) },
    Name { addr: IpAddr, at: usize, len: usize },
}

impl Found {
    fn item(self, body: &[u8]) -> Item<'_> {
        let part = |at: usize, len: usize| body.get(at..at + len).unwrap_or_default();
        let text = |at, len| std::str::from_utf8(part(at, len)).unwrap_or_default();
        match self {
            Self::Packet { time_us, link, at, len, comment } => Item::Packet(Captured {
                time_us,
                link,
                bytes: part(at, len),
                comment: text(comment.0, comment.1),
            }),
            Self::Name { addr, at, len } => Item::Name(addr, text(at, len)),
        }
    }
}

/// The order of a number's bytes.
#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Order {
    /// 0 where it does not fit.
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let Some(Ok(two)) = bytes.get(at..at + 2).map(<[u8; 2]>::try_from) else { return 0 };
        match self {
            Self::Big => u16::from_be_bytes(two),
            Self::Little => u16::from_le_bytes(two),
        }
    }

    /// 0 where it does not fit.
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let Some(Ok(four)) = bytes.get(at..at + 4).map(<[u8; 4]>::try_from) else { return 0 };
        match self {
            Self::Big => u32::from_be_bytes(four),
            Self::Little => u32::from_le_bytes(four),
        }
    }

    /// Of eight bytes.
    fn i64(self, bytes: &[u8]) -> i64 {
        let (first, second) = (u64::from(self.u32(bytes, 0)), u64::from(self.u32(bytes, 4)));
        let (high, low) = match self {
            Self::Big => (first, second),
            Self::Little => (second, first),
        };
        (high << 32 | low) as i64
    }
}

/// The options of a block from a place on: code, where the value stands, its length.
fn options(
    order: Order,
    body: &[u8],
    mut at: usize,
) -> impl Iterator<Item = (u16, usize, usize)> + '_ {
    std::iter::from_fn(move || {
        let head = body.get(at..at.checked_add(4)?)?;
        let (code, len) = (order.u16(head, 0), usize::from(order.u16(head, 2)));
        let start = at + 4;
        at = start + len.next_multiple_of(4);
        Some((code, start, len)).filter(|_| code != 0)
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

fn foreign(magic: [u8; 4]) -> CaptureError {
    let packed = PACKED.iter().find(|(first, _)| *first == magic);
    packed.map_or(CaptureError::NotCapture, |(_, name)| CaptureError::Packed(name))
}

/// Length of a block's body, from that of the block.
fn body_len(len: u32) -> Result<usize, CaptureError> {
    let len = (len as usize).checked_sub(BLOCK).filter(|len| len.is_multiple_of(4));
    len.ok_or(CaptureError::Malformed("a block of an impossible length"))
}

/// A time between 1970 and the end of the year 9999; a damaged stamp may say anything.
fn moment(time_us: i64) -> i64 {
    time_us.clamp(0, LAST_US)
}

/// Units in a second: a power of ten, or with the top bit of two.
fn units(power: u8) -> Result<u64, CaptureError> {
    let base: u64 = if power & 0x80 == 0 { 10 } else { 2 };
    let units = base.checked_pow(u32::from(power & 0x7f));
    units.ok_or(CaptureError::Malformed("time stamps too fine"))
}
