//! AES-128 for formats whose key derives from fields of the same request. Never guesses a key and
//! never encrypts.

use super::unpack::UnpackError;
use aes::Aes128;
use aes::cipher::{
    Array, BlockCipherDecrypt as _, BlockModeDecrypt as _, KeyInit as _, KeyIvInit as _,
};

/// Key or initialisation vector.
pub(super) type Block = [u8; 16];

/// Clear bytes, and why there are no more of them.
pub(super) struct Clear {
    pub(super) bytes: Vec<u8>,
    pub(super) error: Option<UnpackError>,
}

/// Undoes AES-128 (FIPS 197) in ECB mode, or in CBC mode where there is an `iv` (NIST SP 800-38A),
/// and its PKCS #7 padding (RFC 5652 §6.3). Whole blocks before the end of cut bytes come out.
pub(super) fn decrypt(key: &Block, iv: Option<&Block>, closed: &[u8]) -> Clear {
    let rest = closed.len() % 16;
    let mut bytes = closed[..closed.len() - rest].to_vec();
    let blocks = Array::cast_slice_from_core_mut(bytes.as_chunks_mut::<16>().0);
    let key = Array::from(*key);
    match iv {
        None => Aes128::new(&key).decrypt_blocks(blocks),
        Some(iv) => {
            cbc::Decryptor::<Aes128>::new(&key, &Array::from(*iv)).decrypt_blocks(blocks);
        }
    }
    let padding = padding(&bytes).filter(|_| rest == 0);
    bytes.truncate(bytes.len() - padding.unwrap_or(0));
    let error = match padding {
        Some(_) => None,
        None if rest != 0 || closed.is_empty() => Some(UnpackError::Truncated),
        None => Some(UnpackError::Malformed),
    };
    Clear { bytes, error }
}

/// How many bytes pad the end.
fn padding(bytes: &[u8]) -> Option<usize> {
    let last = *bytes.last()?;
    let count = usize::from(last);
    let pad = bytes.len().checked_sub(count).and_then(|start| bytes.get(start..))?;
    ((1..=16).contains(&count) && pad.iter().all(|&b| b == last)).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        super::super::report::hex(hex).0
    }

    fn block(hex: &str) -> Block {
        bytes(hex).try_into().unwrap()
    }

    /// SP 800-38A, F.1.1 and F.2.1: the same first two blocks of clear text.
    const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
    const CLEAR: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";

    #[test]
    fn vectors_of_nist_decrypt() {
        let ecb = bytes("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf");
        let clear = decrypt(&block(KEY), None, &ecb);
        assert_eq!((clear.bytes, clear.error), (bytes(CLEAR), Some(UnpackError::Malformed)));
        let cbc = bytes("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
        let iv = block("000102030405060708090a0b0c0d0e0f");
        assert_eq!(decrypt(&block(KEY), Some(&iv), &cbc).bytes, bytes(CLEAR));
        let cut = decrypt(&block(KEY), Some(&iv), &cbc[..31]);
        assert_eq!((cut.bytes, cut.error), (bytes(&CLEAR[..32]), Some(UnpackError::Truncated)));
        assert_eq!(decrypt(&block(KEY), None, b"").error, Some(UnpackError::Truncated));
    }

    #[test]
    fn padding_must_be_whole() {
        assert_eq!(padding(b"abc\x01"), Some(1));
        assert_eq!(padding(b"ab\x02\x02"), Some(2));
        assert_eq!(padding(&[16; 16]), Some(16));
        for bad in [b"ab\x03\x02".as_slice(), b"a\0", b"\x11", b"\x02", b""] {
            assert_eq!(padding(bad), None, "{bad:?}");
        }
    }
}
