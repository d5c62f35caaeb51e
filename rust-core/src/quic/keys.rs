//! Keys of a client's Initial packets (RFC 9001 §5.2, RFC 9369 §3.3), and how they open one.
//! Never used for anything but Initial packets, whose keys are public by design.
//!
//! RustCrypto's crates and not `ring`: they are Rust alone, so the Android build needs no C
//! compiler for them, they share `sha2` with the store, and they find the AES instructions of
//! x86-64 and arm64 at run time.

use super::Unreadable;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{AeadInOut, Aes128Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;

/// Length of the tag at the end of a packet (RFC 9001 §5.3).
const TAG: usize = 16;
/// Longest packet number, and where the sample begins behind its start (RFC 9001 §5.4.2).
const NUMBER: usize = 4;

/// How one version differs from another.
pub(super) struct Version {
    pub(super) number: u32,
    salt: [u8; 20],
    /// Labels of key, IV and header protection.
    labels: [&'static str; 3],
    /// Type bits of an Initial and of a Retry packet; 0-RTT and Handshake are the other two.
    pub(super) initial: u8,
    pub(super) retry: u8,
}

static VERSIONS: [Version; 2] = [
    Version {
        number: super::V1,
        salt: [
            0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
            0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
        ],
        labels: ["quic key", "quic iv", "quic hp"],
        initial: 0,
        retry: 3,
    },
    Version {
        number: super::V2,
        salt: [
            0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
            0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
        ],
        labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
        initial: 1,
        retry: 0,
    },
];

impl Version {
    pub(super) fn of(number: u32) -> Option<&'static Self> {
        VERSIONS.iter().find(|v| v.number == number)
    }
}

/// What protects the packets of one connection's client.
pub(super) struct Keys {
    aead: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

impl Keys {
    /// From the Destination Connection ID of the client's first Initial packet, or of its first
    /// after a Retry.
    pub(super) fn client(version: &Version, dcid: &[u8]) -> Self {
        let initial = Hkdf::<Sha256>::new(Some(&version.salt), dcid);
        let secret: [u8; 32] = expand(&initial, "client in");
        Self::from_secret(version, &secret)
    }

    fn from_secret(version: &Version, secret: &[u8; 32]) -> Self {
        let [key, iv, header] = version.labels;
        // Fails for secrets shorter than a hash; this one is as long.
        let secret =
            Hkdf::<Sha256>::from_prk(secret).unwrap_or_else(|_| Hkdf::<Sha256>::new(None, secret));
        let key: [u8; 16] = expand(&secret, key);
        let iv = expand(&secret, iv);
        let header: [u8; 16] = expand(&secret, header);
        Self { aead: Aes128Gcm::new(&key.into()), iv, header: Aes128::new(&header.into()) }
    }

    /// Opens a packet whose number begins at `number_at`: its number and what it carries.
    ///
    /// `largest` is the largest number seen before.
    pub(super) fn open(
        &self,
        packet: &[u8],
        number_at: usize,
        largest: Option<u64>,
    ) -> Result<(u64, Vec<u8>), Unreadable> {
        let sample = packet.get(number_at + NUMBER..).and_then(|rest| rest.first_chunk::<16>());
        let mask = self.mask(sample.ok_or(Unreadable::Truncated)?);
        let mut packet = packet.to_vec();
        let first = packet.first_mut().ok_or(Unreadable::Truncated)?;
        *first ^= mask[0] & 0x0f;
        let number_len = usize::from(*first & 3) + 1;
        let split = packet.split_at_mut_checked(number_at + number_len);
        let (head, sealed) = split.ok_or(Unreadable::Truncated)?;
        let mut stated = 0;
        for (byte, mask) in head.iter_mut().skip(number_at).zip(&mask[1..]) {
            *byte ^= mask;
            stated = stated << 8 | u64::from(*byte);
        }
        let number = whole_number(largest, stated, number_len);
        let split = sealed.len().checked_sub(TAG).ok_or(Unreadable::Truncated)?;
        let (body, tag) = sealed.split_at_mut(split);
        let tag = <&[u8; TAG]>::try_from(&*tag).map_err(|_| Unreadable::Truncated)?;
        self.aead
            .decrypt_inout_detached(
                &self.nonce(number).into(),
                head,
                InOutBuf::from(body),
                tag.into(),
            )
            .map_err(|_| Unreadable::Tag)?;
        let body = number_at + number_len..packet.len() - TAG;
        packet.truncate(body.end);
        packet.drain(..body.start);
        Ok((number, packet))
    }

    /// RFC 9001 §5.4.3.
    fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        let mut block = (*sample).into();
        self.header.encrypt_block(&mut block);
        let block: [u8; 16] = block.into();
        let [a, b, c, d, e, ..] = block;
        [a, b, c, d, e]
    }

    /// RFC 9001 §5.3.
    fn nonce(&self, number: u64) -> [u8; 12] {
        let mut nonce = self.iv;
        for (byte, number) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }
}

/// HKDF-Expand-Label without context (RFC 8446 §7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; N] {
    let (wanted, label_len) = ((N as u16).to_be_bytes(), [6 + label.len() as u8]);
    let mut out = [0; N];
    // Fails beyond 255 hashes; at most one is asked for.
    let _ = secret
        .expand_multi_info(&[&wanted, &label_len, b"tls13 ", label.as_bytes(), &[0]], &mut out);
    out
}

/// The number nearest to the next one that ends in what is stated (RFC 9000 appendix A.3).
fn whole_number(largest: Option<u64>, stated: u64, bytes: usize) -> u64 {
    let window = 1 << (8 * bytes);
    let expected = largest.map_or(0, |n| n + 1);
    let near = expected & !(window - 1) | stated;
    if near + window / 2 <= expected && near + window < 1 << 62 {
        near + window
    } else if near > expected + window / 2 && near >= window {
        near - window
    } else {
        near
    }
}

#[cfg(test)]
impl Keys {
    /// Protects a payload behind `head` under a number of one byte.
    pub(super) fn seal(&self, mut head: Vec<u8>, number: u8, payload: &[u8]) -> Vec<u8> {
        let number_at = head.len();
        head.push(number);
        let mut body = payload.to_vec();
        let nonce = self.nonce(number.into());
        let buffer = InOutBuf::from(&mut body[..]);
        let tag = self.aead.encrypt_inout_detached(&nonce.into(), &head, buffer).unwrap();
        let mut packet = [&head[..], &body, &tag].concat();
        let sample = packet[number_at + NUMBER..].first_chunk::<16>().unwrap();
        let mask = self.mask(sample);
        packet[0] ^= mask[0] & 0x0f;
        packet[number_at] ^= mask[1];
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{DCID, of_the_rfcs};
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    /// Version, IV (A.1), sample and mask (A.2).
    const VECTORS: [(u32, &str, &str, &str); 2] = [
        (1, "fa044b2f42a3fd3b46fb255c", "d1b1c98dd7689fb8ec11d242b123dc9b", "437b9aec36"),
        (0x6b33_43cf, "91f73e2351d8fa91660e909f", "ffe67b6abcdb4298b485dd04de806071", "94a0c95e80"),
    ];

    #[test]
    fn keys_are_those_of_rfc_9001_and_rfc_9369_appendix_a1() {
        for (version, iv, sample, mask) in VECTORS {
            let keys = Keys::client(Version::of(version).unwrap(), &DCID);
            assert_eq!(keys.iv, hex(iv), "{version:#x}");
            assert_eq!(keys.mask(&hex(sample)), hex(mask), "{version:#x}");
        }
    }

    #[test]
    fn the_packets_of_appendix_a2_open() {
        for ((version, ..), packet) in VECTORS.into_iter().zip(of_the_rfcs()) {
            let keys = Keys::client(Version::of(version).unwrap(), &DCID);
            let (number, payload) = keys.open(packet, 18, None).unwrap();
            assert_eq!((number, payload.len()), (2, 1162));
            assert_eq!(payload[..8], hex::<8>("060040f1010000ed"));
            assert_eq!(payload[240..245], hex::<5>("048000ffff"));
            assert!(payload[245..].iter().all(|b| *b == 0));
        }
    }

    #[test]
    fn a_packet_opens_under_its_own_keys_alone() {
        let [v1, _] = of_the_rfcs();
        let version = Version::of(1).unwrap();
        let other = Keys::client(version, &DCID[..7]);
        assert_eq!(other.open(v1, 18, None), Err(Unreadable::Tag));
        let keys = Keys::client(version, &DCID);
        assert_eq!(keys.open(&v1[..1199], 18, None), Err(Unreadable::Tag));
        assert_eq!(keys.open(&v1[..37], 18, None), Err(Unreadable::Truncated));
        assert_eq!(keys.open(&v1[..38], 18, None), Err(Unreadable::Tag));
        assert_eq!(keys.open(&[], 18, None), Err(Unreadable::Truncated));
    }

    #[test]
    fn numbers_are_completed_as_in_rfc_9000_appendix_a3() {
        assert_eq!(whole_number(Some(0xa82f_30ea), 0x9b32, 2), 0xa82f_9b32);
        assert_eq!(whole_number(None, 7, 1), 7);
        assert_eq!(whole_number(None, 255, 1), 255);
        assert_eq!(whole_number(Some(255), 0, 1), 256);
        assert_eq!(whole_number(Some(256), 255, 1), 255);
        assert_eq!(whole_number(Some(u64::MAX >> 2), 0, 4), 1 << 62);
    }
}
