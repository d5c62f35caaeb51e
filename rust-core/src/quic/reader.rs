//! Datagrams in, ClientHello out.

use super::keys::{Keys, Version};
use super::packet::{Packet, crypto_frames, looks_like_quic};
use super::pieces::Pieces;
use crate::limits;
use crate::tls::{ClientHello, TlsError, parse_client_hello};
use std::fmt;

/// What a datagram says, together with those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// QUIC; the ClientHello is not complete yet.
    More,
    /// Not the start of a QUIC connection.
    NotQuic,
    /// Perhaps QUIC, of a version that is not read here. The client may start again with another,
    /// so the next datagram is worth reading.
    Unsupported(u32),
    /// All of it is there.
    Done(ClientHello),
    /// QUIC, but not all of this datagram could be read. What a tag did not confirm changed
    /// nothing, so the next datagram is worth reading.
    Unreadable(Unreadable),
}

/// Why an Initial packet is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Shorter than its own lengths say.
    #[error("the packet ends too early")]
    Truncated,
    /// A length, a field or a frame that an Initial packet cannot have.
    #[error("the packet is malformed")]
    Malformed,
    /// Its tag does not confirm it: damaged, or protected with other keys.
    #[error("the packet does not open with the keys of its connection")]
    Tag,
    /// Two frames state different bytes for one place.
    #[error("two frames contradict each other")]
    Contradiction,
    /// More than [`limits::QUIC_DATAGRAMS`] datagrams or [`limits::QUIC_PIECES`] pieces.
    #[error("the ClientHello comes in too many pieces")]
    TooMany,
    /// The packets open; what they carry is no ClientHello that can be read.
    #[error(transparent)]
    Hello(TlsError),
}

/// Reads the first datagrams of one client's flow, in the order in which they come.
///
/// A Retry, and a server that speaks another version, make the client start again under other
/// keys; that is followed. A server's answer makes it name another connection ID under the same
/// keys; that is followed too.
#[derive(Default)]
pub struct InitialReader {
    datagrams: u8,
    connection: Option<Box<Connection>>,
}

/// A connection of which one packet was opened.
struct Connection {
    version: u32,
    keys: Keys,
    /// The largest packet number.
    largest: Option<u64>,
    crypto: Pieces,
}

impl fmt::Debug for InitialReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitialReader").field("datagrams", &self.datagrams).finish_non_exhaustive()
    }
}

impl InitialReader {
    /// Looks at the next datagram from the client.
    pub fn feed(&mut self, datagram: &[u8]) -> Outcome {
        if self.datagrams >= limits::QUIC_DATAGRAMS {
            return Outcome::Unreadable(Unreadable::TooMany);
        }
        self.datagrams += 1;
        match super::version(datagram) {
            // Later packets of a connection, or something else on the same port.
            None if self.connection.is_some() => Outcome::More,
            None | Some(0) => Outcome::NotQuic,
            Some(number) => match Version::of(number) {
                Some(version) => self.read(version, datagram).unwrap_or_else(Outcome::Unreadable),
                None if looks_like_quic(datagram) => Outcome::Unsupported(number),
                None => Outcome::NotQuic,
            },
        }
    }

    /// Whether a connection was begun: a packet opened with the keys that it names.
    pub fn has_begun(&self) -> bool {
        self.connection.is_some()
    }

    /// Reads the packets of one datagram (RFC 9000 §12.2).
    fn read(&mut self, version: &'static Version, datagram: &[u8]) -> Result<Outcome, Unreadable> {
        let mut failed = None;
        let mut rest = datagram;
        let mut fresh = None;
        let mut first_dcid = None;
        // Each turn passes one packet.
        while super::version(rest) == Some(version.number) {
            let packet = match Packet::parse(version, rest) {
                Ok(packet) => packet,
                // What follows other packets may be anything; it is dropped as a server would.
                Err(_) if first_dcid.is_some() => break,
                Err(error) => return Err(error),
            };
            // All packets of a datagram are for one connection.
            if *first_dcid.get_or_insert(packet.dcid) != packet.dcid {
                break;
            }
            if packet.initial
                && let Err(error) = self.take(&packet, &mut fresh)
            {
                failed.get_or_insert(error);
            }
            rest = rest.get(packet.bytes.len()..).unwrap_or_default();
        }
        let message = self.connection.as_ref().map_or(Ok(None), |c| c.crypto.message())?;
        match (message, failed) {
            (Some(message), _) => {
                parse_client_hello(&message).map(Outcome::Done).map_err(Unreadable::Hello)
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Outcome::More),
        }
    }

    /// Opens one packet and keeps its CRYPTO frames. `fresh` is the connection that this datagram
    /// may begin, made when it is first needed; its inside is gone once it took the known one's
    /// place.
    fn take(&mut self, packet: &Packet<'_>, fresh: &mut Fresh) -> Result<(), Unreadable> {
        let known = self.connection.as_mut().filter(|c| c.version == packet.version.number);
        let payload = match known.map(|c| c.open(packet)) {
            Some(Ok(payload)) => payload,
            _ => {
                let begun = fresh.get_or_insert_with(|| Some(Box::new(Connection::new(packet))));
                let payload = begun.as_mut().ok_or(Unreadable::Tag)?.open(packet)?;
                self.connection = begun.take();
                payload
            }
        };
        let Some(connection) = &mut self.connection else { return Ok(()) };
        crypto_frames(&payload, &mut connection.crypto)
    }
}

type Fresh = Option<Option<Box<Connection>>>;

impl Connection {
    fn new(packet: &Packet<'_>) -> Self {
        let keys = Keys::client(packet.version, packet.dcid);
        let version = packet.version.number;
        Self { version, keys, largest: None, crypto: Pieces::default() }
    }

    fn open(&mut self, packet: &Packet<'_>) -> Result<Vec<u8>, Unreadable> {
        let (number, payload) = self.keys.open(packet.bytes, packet.number_at, self.largest)?;
        self.largest = self.largest.max(Some(number));
        Ok(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{
        DCID, crypto, named, of_the_rfcs, packet, recorded, restarted, sealed,
    };
    use super::super::{V1, V2};
    use super::*;
    use crate::tls::samples::{Random, hello, names};
    use crate::tls::{Ech, ServerName, Version as Tls};

    fn feed_all(datagrams: &[&[u8]]) -> Vec<Outcome> {
        let mut reader = InitialReader::default();
        datagrams.iter().map(|d| reader.feed(d)).collect()
    }

    fn feed(datagram: &[u8]) -> Outcome {
        InitialReader::default().feed(datagram)
    }

    fn name_of(outcome: &Outcome) -> Option<&str> {
        match outcome {
            Outcome::Done(hello) => hello.name().map(|name| name.as_str()),
            _ => None,
        }
    }

    fn unreadable(why: Unreadable) -> Outcome {
        Outcome::Unreadable(why)
    }

    /// Length of the first packet; some clients fill the datagram up behind it.
    fn packet_len(datagram: &[u8]) -> usize {
        let version = Version::of(super::super::version(datagram).unwrap()).unwrap();
        Packet::parse(version, datagram).unwrap().bytes.len()
    }

    /// A hello for `a.example`, as large as wanted.
    fn made(size: usize) -> Vec<u8> {
        hello(&[(51, &vec![7; size]), (0, &names(&[(0, b"a.example")]))])
    }

    #[test]
    fn the_initials_of_the_rfcs_ask_for_example_com() {
        for datagram in of_the_rfcs() {
            let Outcome::Done(hello) = feed(datagram) else { panic!("not read") };
            assert_eq!(hello.name().unwrap(), "example.com");
            assert_eq!(hello.alpn, ["alpn"]);
            assert_eq!((hello.version, hello.ech), (Tls(0x0304), Ech::None));
        }
    }

    #[test]
    fn recorded_clients_ask_for_the_name_they_were_given() {
        for (file, datagrams, needed) in recorded() {
            let outcomes = feed_all(&datagrams[..needed]);
            let (last, before) = outcomes.split_last().unwrap();
            assert!(before.iter().all(|o| *o == Outcome::More), "{file} {before:?}");
            let Outcome::Done(hello) = last else { panic!("{file}: {last:?}") };
            assert_eq!(hello.name().unwrap(), "collect.example.com", "{file}");
            assert_eq!(hello.alpn[0], "h3", "{file}");
            assert_eq!(hello.version, Tls(0x0304), "{file}");
        }
    }

    #[test]
    fn recorded_datagrams_give_the_same_in_any_order_and_twice() {
        for (file, datagrams, needed) in recorded() {
            let straight = feed_all(&datagrams[..needed]).pop().unwrap();
            let mut turned: Vec<_> = datagrams[..needed].to_vec();
            turned.reverse();
            assert_eq!(feed_all(&turned).pop().unwrap(), straight, "{file}");
            let twice: Vec<_> = turned.iter().flat_map(|d| [*d, *d]).collect();
            assert_eq!(feed_all(&twice).pop().unwrap(), straight, "{file}");
        }
    }

    #[test]
    fn after_a_retry_the_client_is_read_under_its_new_keys() {
        let datagrams = named("aioquic-v1-retry");
        // The first hello, shown or not: the next stands for itself.
        let after = feed(datagrams[1]);
        assert_eq!(name_of(&after), Some("collect.example.com"));
        assert_eq!(feed_all(&datagrams[..2])[1], after);
        // Cut over two datagrams, where the first of them came before the Retry.
        let message = made(600);
        let (a, b) = message.split_at(300);
        let before = packet(V1, 0, &DCID, 0, &crypto(0, a));
        let again = packet(V1, 0, b"retry-id", 1, &crypto(0, a));
        let rest = packet(V1, 0, b"retry-id", 2, &crypto(300, b));
        let outcomes = feed_all(&[&before, &again, &rest]);
        assert_eq!(outcomes[..2], [Outcome::More, Outcome::More]);
        assert_eq!(name_of(&outcomes[2]), Some("a.example"));
        assert_eq!(feed_all(&[&before, &rest])[1], Outcome::More);
    }

    #[test]
    fn after_an_answer_the_client_keeps_its_keys_under_another_id() {
        let datagrams = named("aioquic-v1-answered");
        let outcomes = feed_all(&datagrams);
        assert!(outcomes[..2].iter().all(|o| name_of(o) == Some("collect.example.com")));
        // Its second packet alone, with an acknowledgement, cannot be opened.
        assert_eq!(feed(datagrams[1]), unreadable(Unreadable::Tag));
        let message = made(600);
        let (a, b) = message.split_at(300);
        let first = packet(V1, 0, &DCID, 0, &crypto(0, a));
        let second = sealed((V1, 0), (b"server", &DCID), 1, &crypto(300, b));
        assert_eq!(name_of(&feed_all(&[&first, &second])[1]), Some("a.example"));
    }

    #[test]
    fn a_client_that_starts_again_with_another_version_is_read() {
        let outcomes = feed_all(&restarted());
        assert_eq!(outcomes[0], Outcome::Unsupported(0x1a2a_3a4a));
        assert_eq!(name_of(&outcomes[1]), Some("collect.example.com"));
        let message = made(600);
        let first = packet(V2, 1, &DCID, 0, &crypto(0, &message[..300]));
        let second = packet(V1, 0, &DCID, 1, &crypto(0, &message));
        assert_eq!(name_of(&feed_all(&[&first, &second])[1]), Some("a.example"));
    }

    #[test]
    fn coalesced_packets_are_read_up_to_what_is_not_theirs() {
        let message = made(300);
        let (a, b) = message.split_at(100);
        let initial = |number, frame: Vec<u8>| packet(V1, 0, &DCID, number, &frame);
        let (first, second) = (initial(0, crypto(0, a)), initial(1, crypto(100, b)));
        let zero_rtt = packet(V1, 1, &DCID, 0, &[0; 40]);
        let handshake = packet(V1, 2, &DCID, 0, &[0; 40]);
        let whole = [&zero_rtt[..], &first, &handshake, &second, &[0; 300]].concat();
        assert_eq!(name_of(&feed(&whole)), Some("a.example"));
        assert_eq!(feed(&[&first[..], b"\x40short"].concat()), Outcome::More);
        assert_eq!(feed(&zero_rtt), Outcome::More);
        assert_eq!(feed(&handshake), Outcome::More);
        // One for another connection is dropped, and so is one that is cut.
        let other = packet(V1, 0, b"other-id", 1, &crypto(100, b));
        assert_eq!(feed(&[&first[..], &other].concat()), Outcome::More);
        assert_eq!(feed(&[&first[..], &second[..second.len() - 1]].concat()), Outcome::More);
        assert_eq!(feed(&[&first[..], &second].concat()), feed(&whole));
    }

    #[test]
    fn the_fixed_bit_may_be_off() {
        // RFC 9287. The bit is part of what the tag confirms, so it is off when sealed.
        let message = made(10);
        let [head, ..] = packet(V1, 0, &DCID, 0, &crypto(0, &message))[..] else { panic!() };
        assert_eq!(head & 0xc0, 0xc0);
        let mut bytes = vec![0x80];
        bytes.extend_from_slice(&V1.to_be_bytes());
        crate::tls::samples::put(&mut bytes, 1, &DCID);
        bytes.extend_from_slice(&[0, 0]);
        let payload = crypto(0, &message);
        bytes.extend_from_slice(&(0x4000 | (payload.len() + 17) as u16).to_be_bytes());
        let keys = Keys::client(Version::of(V1).unwrap(), &DCID);
        assert_eq!(name_of(&feed(&keys.seal(bytes, 0, &payload))), Some("a.example"));
    }

    #[test]
    fn what_is_not_quic_is_told_apart_from_other_versions() {
        let dns = include_bytes!("../../tests/data/dns/query-plain-aaaa.hex");
        let dtls = b"\x16\xfe\xff\0\0\0\0\0\0\0\0";
        let stun = b"\0\x01\0\0\x21\x12\xa4\x42";
        let rtp = [&b"\x80\x60\x12\x34\0\0\0\x01"[..], &[9; 160]].concat();
        let others: [&[u8]; 6] = [dns, dtls, stun, &rtp, b"", b"\xc0\0\0\0"];
        for bytes in others {
            assert_eq!(feed(bytes), Outcome::NotQuic, "{bytes:?}");
        }
        let mut negotiation = of_the_rfcs()[0].to_vec();
        negotiation[1..5].fill(0);
        assert_eq!(feed(&negotiation), Outcome::NotQuic);
        let mut draft = of_the_rfcs()[0].to_vec();
        draft[1..5].copy_from_slice(b"\xff\0\0\x1d");
        assert_eq!(feed(&draft), Outcome::Unsupported(0xff00_001d));
        assert_eq!(feed(&draft[..1199]), Outcome::NotQuic);
        draft[5] = 21;
        assert_eq!(feed(&draft), Outcome::NotQuic);
        // Once a connection is known, packets with short headers belong to it.
        let first = packet(V1, 0, &DCID, 0, &crypto(0, &made(9)[..9]));
        assert_eq!(feed_all(&[&first, b"\x40short"]), [Outcome::More, Outcome::More]);
    }

    #[test]
    fn a_damaged_packet_is_unreadable_and_changes_nothing() {
        for (file, datagrams, needed) in recorded() {
            let mut damaged = datagrams[0].to_vec();
            damaged[packet_len(datagrams[0]) - 1] ^= 1;
            let mut reader = InitialReader::default();
            assert_eq!(reader.feed(&damaged), unreadable(Unreadable::Tag), "{file}");
            assert!(reader.connection.is_none());
            let after: Vec<_> = datagrams[..needed].iter().map(|d| reader.feed(d)).collect();
            assert_eq!(after, feed_all(&datagrams[..needed]), "{file}");
        }
    }

    #[test]
    fn every_cut_of_a_packet_is_truncated() {
        for (file, datagrams, _) in recorded() {
            for len in 5..packet_len(datagrams[0]) {
                let outcome = feed(&datagrams[0][..len]);
                assert_eq!(outcome, unreadable(Unreadable::Truncated), "{file} {len}");
            }
            for len in 0..5 {
                assert_eq!(feed(&datagrams[0][..len]), Outcome::NotQuic, "{file} {len}");
            }
        }
    }

    #[test]
    fn flipped_bits_never_panic_and_never_give_another_hello() {
        let mut random = Random(5);
        let samples = recorded();
        let whole: Vec<_> =
            samples.iter().map(|(_, d, n)| feed_all(&d[..*n]).pop().unwrap()).collect();
        let mut seen = [0; 2];
        for _ in 0..20_000 {
            let which = random.below(samples.len());
            let (file, datagrams, needed) = &samples[which];
            let mut reader = InitialReader::default();
            for datagram in &datagrams[..*needed] {
                let mut bytes = datagram.to_vec();
                let at = random.below(bytes.len());
                bytes[if random.below(2) == 0 { at } else { at % 40 }] ^= 1 << random.below(8);
                match reader.feed(&bytes) {
                    // What follows the packets of a datagram is confirmed by nothing.
                    Outcome::Done(hello) => {
                        assert_eq!(Outcome::Done(hello), whole[which], "{file}");
                        seen[0] += 1;
                    }
                    _ => seen[1] += 1,
                }
            }
        }
        assert!(seen[1] > 20_000, "{seen:?}");
    }

    #[test]
    fn mutated_frames_under_a_right_tag_never_panic() {
        let mut random = Random(9);
        let message = made(200);
        let frames: Vec<u8> = (0..message.len())
            .step_by(20)
            .flat_map(|at| crypto(at, &message[at..(at + 20).min(message.len())]))
            .chain(*b"\x02\x09\x00\x01\x00\x01\x02\x1c\x01\x06\x02no\0\0\x01")
            .collect();
        let mut seen = [0; 3];
        for _ in 0..20_000 {
            let mut payload = frames.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(payload.len());
                payload[at] ^= 1 << random.below(8);
            }
            seen[match feed(&packet(V1, 0, &DCID, 0, &payload)) {
                Outcome::Done(_) => 0,
                Outcome::More => 1,
                Outcome::Unreadable(why) => {
                    assert!(!matches!(why, Unreadable::Tag | Unreadable::Truncated), "{why}");
                    2
                }
                other => panic!("{other:?}"),
            }] += 1;
        }
        assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
    }

    #[test]
    fn bytes_behind_the_packets_are_not_believed() {
        let first = packet(V1, 0, &DCID, 0, &crypto(0, &made(9)[..9]));
        let mut damaged = packet(V1, 0, &DCID, 1, &[0; 40]);
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(feed(&[first, damaged].concat()), unreadable(Unreadable::Tag));
    }

    #[test]
    fn datagrams_pieces_and_bytes_are_bounded() {
        let mut reader = InitialReader::default();
        let early = packet(V1, 0, &DCID, 0, &crypto(4, b"never the start"));
        for _ in 0..limits::QUIC_DATAGRAMS {
            assert_eq!(reader.feed(&early), Outcome::More);
        }
        assert_eq!(reader.feed(&early), unreadable(Unreadable::TooMany));
        assert_eq!(reader.feed(of_the_rfcs()[0]), unreadable(Unreadable::TooMany));
        let gaps: Vec<u8> =
            (1..=limits::QUIC_PIECES + 1).flat_map(|i| crypto(2 * i, b"x")).collect();
        assert_eq!(feed(&packet(V1, 0, &DCID, 0, &gaps)), unreadable(Unreadable::TooMany));
        let far = packet(V1, 0, &DCID, 0, &crypto(limits::CLIENT_HELLO, b"x"));
        assert_eq!(feed(&far), unreadable(Unreadable::Hello(TlsError::TooLarge)));
    }

    #[test]
    fn a_large_synthetic_hello_over_many_datagrams_is_read() {
        let message = made(14_000);
        let cuts: Vec<_> = message
            .chunks(1100)
            .enumerate()
            .map(|(i, part)| packet(V2, 1, &DCID, i as u8, &crypto(1100 * i, part)))
            .collect();
        let all: Vec<&[u8]> = cuts.iter().rev().map(Vec::as_slice).collect();
        let outcomes = feed_all(&all);
        assert_eq!(name_of(outcomes.last().unwrap()), Some("a.example"));
        assert!(outcomes[..all.len() - 1].iter().all(|o| *o == Outcome::More));
    }

    #[test]
    fn streams_that_are_no_hello_are_named() {
        let of = |stream: &[u8]| feed(&packet(V1, 0, &DCID, 0, &crypto(0, stream)));
        let why = |error| unreadable(Unreadable::Hello(error));
        assert_eq!(of(b"\x02\0\0\0"), why(TlsError::NotAHello));
        assert_eq!(of(b"\x01\0\0\x01\x03"), why(TlsError::Malformed));
        assert_eq!(of(b"\x01\xff\0\0"), why(TlsError::TooLarge));
        let Outcome::Done(hello) = of(&hello(&[])) else { panic!("not read") };
        assert_eq!(hello.server_name, ServerName::Absent);
    }
}
