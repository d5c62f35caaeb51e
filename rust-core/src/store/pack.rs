//! Bodies under zlib. Never holds more than one, and none above the bound.

use crate::limits::STORE_PAYLOAD;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Packs one body after another with the same tables, which are larger than most bodies.
#[derive(Debug, Default)]
pub(super) struct Packer(Option<Compress>);

impl Packer {
    /// The body under zlib; `None` where it stays above the bound.
    pub(super) fn pack(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let packer = self.0.get_or_insert_with(|| Compress::new(Compression::fast(), true));
        packer.reset();
        let mut packed = Vec::with_capacity(body.len() / 2 + 64);
        loop {
            let rest = body.get(usize::try_from(packer.total_in()).ok()?..)?;
            let status = packer.compress_vec(rest, &mut packed, FlushCompress::Finish).ok()?;
            if packed.len() > STORE_PAYLOAD {
                return None;
            }
            if status == Status::StreamEnd {
                return Some(packed);
            }
            packed.reserve(packed.capacity());
        }
    }

    /// Gives the tables back.
    pub(super) fn rest(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// A linear congruential sequence (Numerical Recipes) does not compress.
    fn noise(size: usize) -> Vec<u8> {
        let mut seed = 1_u32;
        let next = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        });
        next.take(size).collect()
    }

    #[test]
    fn a_body_that_stays_too_large_is_not_kept() {
        let mut packer = Packer::default();
        assert_eq!(packer.pack(&noise(STORE_PAYLOAD + 1000)), None);
        assert!(packer.pack(&vec![b'a'; STORE_PAYLOAD * 2]).is_some());
    }

    #[test]
    fn each_body_is_packed_as_if_it_were_the_first() {
        let mut packer = Packer::default();
        let bodies = [b"again".to_vec(), noise(100_000), Vec::new(), b"again".to_vec(), noise(70)];
        for body in bodies {
            let packed = packer.pack(&body).unwrap();
            assert_eq!(Packer::default().pack(&body), Some(packed.clone()));
            let mut clear = Vec::new();
            flate2::read::ZlibDecoder::new(&*packed).read_to_end(&mut clear).unwrap();
            assert_eq!(clear, body);
        }
    }
}
