//! Long headers (RFC 9000 §17.2) and the frames of an Initial packet (RFC 9000 §17.2.2). Never
//! copies: hands out pieces of the datagram.

use super::Unreadable;
use super::keys::Version;
use super::pieces::Pieces;
use crate::tls::Reader;

/// Longest connection ID of versions 1 and 2.
const CONNECTION_ID: usize = 20;

/// One packet of a datagram.
pub(super) struct Packet<'a> {
    pub(super) version: &'static Version,
    pub(super) dcid: &'a [u8],
    /// Whether it is an Initial one.
    pub(super) initial: bool,
    /// All of it.
    pub(super) bytes: &'a [u8],
    /// Where its number begins.
    pub(super) number_at: usize,
}

impl<'a> Packet<'a> {
    /// Reads the header of the packet at the start of `bytes`, of a version that is known. A Retry
    /// packet, which no client sends, is malformed.
    pub(super) fn parse(version: &'static Version, bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut r = Reader::new(bytes);
        let first = r.u8().ok_or(Unreadable::Truncated)?;
        let dcid = connection_ids(&mut r)?;
        let kind = first >> 4 & 3;
        if kind == version.retry {
            return Err(Unreadable::Malformed);
        }
        let initial = kind == version.initial;
        if initial {
            let token = varint(&mut r).and_then(|len| usize::try_from(len).ok());
            token.and_then(|len| r.take(len)).ok_or(Unreadable::Truncated)?;
        }
        let len = varint(&mut r).and_then(|len| usize::try_from(len).ok());
        let number_at = bytes.len() - r.len();
        len.and_then(|len| r.take(len)).ok_or(Unreadable::Truncated)?;
        let bytes = bytes.get(..bytes.len() - r.len()).unwrap_or(bytes);
        Ok(Self { version, dcid, initial, bytes, number_at })
    }
}

/// Passes over version and connection IDs; the destination's.
fn connection_ids<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Unreadable> {
    r.u32().ok_or(Unreadable::Truncated)?;
    let dcid = r.vec8().ok_or(Unreadable::Truncated)?;
    let scid = r.vec8().ok_or(Unreadable::Truncated)?;
    if dcid.len().max(scid.len()) > CONNECTION_ID {
        return Err(Unreadable::Malformed);
    }
    Ok(dcid)
}

/// Whether a datagram has the shape of a client's first in some version: connection IDs that fit,
/// and the size below which servers do not answer (RFC 9000 §14.1). Other versions may allow
/// longer IDs; none does.
pub(super) fn looks_like_quic(datagram: &[u8]) -> bool {
    let mut r = Reader::new(datagram);
    datagram.len() >= super::LEAST && r.u8().is_some() && connection_ids(&mut r).is_ok()
}

/// RFC 9000 §16.
pub(super) fn varint(r: &mut Reader<'_>) -> Option<u64> {
    let first = r.u8()?;
    let more = r.take((1 << (first >> 6)) - 1)?;
    Some(more.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

/// Adds what the CRYPTO frames of an Initial packet carry.
pub(super) fn crypto_frames(payload: &[u8], stream: &mut Pieces) -> Result<(), Unreadable> {
    let mut r = Reader::new(payload);
    // Each frame has at least one byte.
    while !r.is_empty() {
        if let Some((offset, data)) = frame(&mut r).ok_or(Unreadable::Malformed)? {
            stream.put(offset, data)?;
        }
    }
    Ok(())
}

/// Passes one frame; what it carries if it is CRYPTO. None for those that an Initial packet
/// cannot have, and for those that end too early (RFC 9000 §19).
fn frame<'a>(r: &mut Reader<'a>) -> Option<Option<(u64, &'a [u8])>> {
    match r.u8()? {
        // PADDING, PING.
        0 | 1 => {}
        kind @ (2 | 3) => ack(r, kind == 3)?,
        6 => {
            let offset = varint(r)?;
            let len = varint(r)?;
            return Some(Some((offset, r.take(len.try_into().ok()?)?)));
        }
        // CONNECTION_CLOSE of the transport.
        0x1c => {
            varint(r)?;
            varint(r)?;
            let reason = varint(r)?;
            r.take(reason.try_into().ok()?)?;
        }
        _ => return None,
    }
    Some(None)
}

fn ack(r: &mut Reader<'_>, counts: bool) -> Option<()> {
    varint(r)?;
    varint(r)?;
    let ranges = varint(r)?;
    varint(r)?;
    // Each range takes two bytes at least, so this ends with the packet.
    for _ in 0..ranges {
        varint(r)?;
        varint(r)?;
    }
    if counts {
        varint(r)?;
        varint(r)?;
        varint(r)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{DCID, crypto, of_the_rfcs, packet};
    use super::*;

    fn frames(payload: &[u8]) -> Result<Pieces, Unreadable> {
        let mut stream = Pieces::default();
        crypto_frames(payload, &mut stream).map(|()| stream)
    }

    fn parse(bytes: &[u8]) -> Result<Packet<'_>, Unreadable> {
        Packet::parse(Version::of(super::super::version(bytes).unwrap()).unwrap(), bytes)
    }

    #[test]
    fn integers_are_those_of_rfc_9000_appendix_a1() {
        let vectors: [(&[u8], u64); 5] = [
            (b"\xc2\x19\x7c\x5e\xff\x14\xe8\x8c", 151_288_809_941_952_652),
            (b"\x9d\x7f\x3e\x7d", 494_878_333),
            (b"\x7b\xbd", 15_293),
            (b"\x25", 37),
            (b"\x40\x25", 37),
        ];
        for (bytes, value) in vectors {
            assert_eq!(varint(&mut Reader::new(bytes)), Some(value));
            assert_eq!(varint(&mut Reader::new(&bytes[..bytes.len() - 1])), None);
        }
    }

    #[test]
    fn headers_of_the_rfcs_are_read() {
        for bytes in of_the_rfcs() {
            let packet = parse(bytes).unwrap();
            assert!(packet.initial);
            assert_eq!((packet.dcid, packet.number_at), (&DCID[..], 18));
            assert_eq!(packet.bytes.len(), 1200);
        }
    }

    #[test]
    fn every_cut_of_a_header_is_truncated() {
        for bytes in of_the_rfcs() {
            for len in 5..bytes.len() {
                let cut = parse(&bytes[..len]).map(|p| p.number_at);
                assert_eq!(cut, Err(Unreadable::Truncated), "{len}");
            }
        }
    }

    #[test]
    fn types_differ_by_version() {
        for (version, initial, retry) in [(1, 0, 3), (super::super::V2, 1, 0)] {
            for kind in 0..4 {
                let bytes = packet(version, kind, &DCID, 0, &[0; 20]);
                let is = parse(&bytes).map(|p| p.initial);
                let expected =
                    if kind == retry { Err(Unreadable::Malformed) } else { Ok(kind == initial) };
                assert_eq!(is, expected, "{version:#x} {kind}");
            }
        }
    }

    #[test]
    fn connection_ids_have_at_most_20_bytes() {
        let of = |len| parse(&packet(1, 0, &vec![1; len], 0, &[0; 20])).map(|p| p.dcid.len());
        assert_eq!((of(0), of(20)), (Ok(0), Ok(20)));
        assert_eq!(of(21), Err(Unreadable::Malformed));
    }

    #[test]
    fn frames_around_crypto_are_passed_over() {
        let mut payload = vec![0, 0, 1];
        payload.extend_from_slice(b"\x02\x09\x00\x01\x00\x01\x02");
        payload.extend_from_slice(b"\x03\x09\x00\x00\x00\x01\x02\x03");
        payload.extend_from_slice(b"\x1c\x01\x06\x02no");
        payload.extend_from_slice(&crypto(0, b"\x01\0\0\0"));
        payload.push(0);
        assert_eq!(frames(&payload).unwrap().message(), Ok(Some(b"\x01\0\0\0".to_vec())));
    }

    #[test]
    fn frames_that_end_early_or_do_not_belong_are_malformed() {
        let whole: [&[u8]; 4] = [
            b"\x02\x09\x00\x01\x00\x01\x02",
            b"\x03\x09\x00\x00\x00\x01\x02\x03",
            b"\x1c\x01\x06\x02no",
            &crypto(0, b"\x01\0\0\0"),
        ];
        for frame in whole {
            for len in 1..frame.len() {
                assert_eq!(frames(&frame[..len]).err(), Some(Unreadable::Malformed), "{frame:?}");
            }
        }
        for kind in [0x04, 0x05, 0x07, 0x08, 0x1d, 0x1e, 0x30, 0x40, 0xff] {
            assert_eq!(frames(&[kind, 0, 0, 0, 0]).err(), Some(Unreadable::Malformed), "{kind}");
        }
        // As many ranges as a number can say.
        assert_eq!(
            frames(b"\x02\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0").err(),
            Some(Unreadable::Malformed)
        );
    }
}
