//! A cursor over a peer's bytes. Never reads past its end; every step shortens what is left.

/// What is left to read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes left.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, left) = self.0.split_first_chunk()?;
        self.0 = left;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A vector behind a length of one byte (RFC 8446 §3.4).
    pub(crate) fn vec8(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// A vector behind a length of two bytes.
    pub(crate) fn vec16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// The one vector that fills the rest, behind a length of two bytes.
    pub(crate) fn only_vec16(&mut self) -> Option<&'a [u8]> {
        let inner = self.vec16()?;
        self.is_empty().then_some(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_where_too_little_is_left() {
        let mut r = Reader::new(&[0, 3, 1, 2]);
        let mut same = r;
        assert_eq!(same.vec16(), None);
        assert_eq!(r.u16(), Some(3));
        assert_eq!(r.take(3), None);
        assert_eq!(r.u32(), None);
        assert_eq!((r.len(), r.u16(), r.u8()), (2, Some(0x0102), None));
        assert!(r.is_empty());
    }

    #[test]
    fn a_vector_that_must_fill_the_rest_does() {
        assert_eq!(Reader::new(&[0, 1, 9]).only_vec16(), Some(&[9][..]));
        assert_eq!(Reader::new(&[0, 1, 9, 9]).only_vec16(), None);
        assert_eq!(Reader::new(&[1, 9, 9]).vec8(), Some(&[9][..]));
    }
}
