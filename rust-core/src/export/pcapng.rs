//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, of raw IP packets.

use crate::replay::RAW;
use std::io::{self, Write};
use std::net::IpAddr;

const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const ENHANCED_PACKET: u32 = 6;
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const APPLICATION: u16 = 4;
const NAME_OF_IPV4: u16 = 1;
const NAME_OF_IPV6: u16 = 2;

/// Writes blocks one after the other.
pub(super) struct Blocks<'a> {
    out: &'a mut dyn Write,
    body: Vec<u8>,
}

impl<'a> Blocks<'a> {
    /// Begins a file with one interface; the comment is about the whole.
    pub(super) fn new(out: &'a mut dyn Write, comment: &str) -> io::Result<Self> {
        let mut blocks = Self { out, body: Vec::new() };
        // Version 1.0, and a length of the section that is not stated.
        blocks.words(&[BYTE_ORDER, 1, u32::MAX, u32::MAX]);
        blocks.option(COMMENT, comment.as_bytes());
        blocks.option(APPLICATION, concat!("muzzle ", env!("CARGO_PKG_VERSION")).as_bytes());
        blocks.option(0, b"");
        blocks.end(SECTION)?;
        // No bound on packets; time stamps are microseconds where nothing else is said.
        blocks.words(&[RAW, 0]);
        blocks.option(INTERFACE_NAME, b"muzzle");
        blocks.option(0, b"");
        blocks.end(INTERFACE)?;
        Ok(blocks)
    }

    /// A packet; an empty comment is none.
    pub(super) fn packet(&mut self, time_us: i64, packet: &[u8], comment: &str) -> io::Result<()> {
        let stamp = time_us.max(0).cast_unsigned();
        let len = packet.len() as u32;
        self.words(&[0, (stamp >> 32) as u32, stamp as u32, len, len]);
        self.body.extend_from_slice(packet);
        self.pad();
        if !comment.is_empty() {
            self.option(COMMENT, comment.as_bytes());
            self.option(0, b"");
        }
        self.end(ENHANCED_PACKET)
    }

    /// What an address is called from here on.
    pub(super) fn name(&mut self, addr: IpAddr, name: &str) -> io::Result<()> {
        let (kind, mut value) = match addr {
            IpAddr::V4(addr) => (NAME_OF_IPV4, addr.octets().to_vec()),
            IpAddr::V6(addr) => (NAME_OF_IPV6, addr.octets().to_vec()),
        };
        value.extend_from_slice(name.as_bytes());
        value.push(0);
        // Records of names have the form of options.
        self.option(kind, &value);
        self.option(0, b"");
        self.end(NAMES)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn words(&mut self, words: &[u32]) {
        self.body.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// An option; what is longer than one can be is cut.
    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.body.extend_from_slice(&code.to_le_bytes());
        self.body.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.body.extend_from_slice(value);
        self.pad();
    }

    fn pad(&mut self) {
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    /// Writes the body as a block of this kind.
    fn end(&mut self, kind: u32) -> io::Result<()> {
        let len = (self.body.len() as u32 + 12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len)?;
        self.out.write_all(&self.body)?;
        self.out.write_all(&len)?;
        self.body.clear();
        Ok(())
    }
}
