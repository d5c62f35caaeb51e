//! Fields of one protobuf message (the "Encoding" page of the Protocol Buffers documentation). Never
//! needs a schema and never descends by itself.

use crate::event::ProblemCode;

/// The value of a field, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Fields in the sender's order. Ends after the first error; each step takes a byte at least.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), ProblemCode>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u32, Value<'a>), ProblemCode> {
        let tag = self.varint()?;
        // Field numbers have 29 bits.
        let number = u32::try_from(tag >> 3).ok().filter(|n| (1..1 << 29).contains(n));
        let number = number.ok_or(ProblemCode::Malformed)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let size = usize::try_from(self.varint()?).map_err(|_| ProblemCode::Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(size).ok_or(ProblemCode::Truncated)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups are out of use.
            3 | 4 => return Err(ProblemCode::Unsupported),
            _ => return Err(ProblemCode::Malformed),
        };
        Ok((number, value))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProblemCode> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(ProblemCode::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u64, ProblemCode> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(ProblemCode::Truncated)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProblemCode::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Result<(u32, Value<'_>), ProblemCode>> {
        Fields(bytes).collect()
    }

    #[test]
    fn each_wire_type_is_read() {
        // 150 and "testing" are the examples of the documentation.
        assert_eq!(all(b"\x08\x96\x01"), [Ok((1, Value::Varint(150)))]);
        assert_eq!(all(b"\x12\x07testing"), [Ok((2, Value::Bytes(b"testing")))]);
        assert_eq!(all(b"\x25\x01\0\0\0"), [Ok((4, Value::Fixed32(1)))]);
        assert_eq!(all(b"\x09\x02\0\0\0\0\0\0\0"), [Ok((1, Value::Fixed64(2)))]);
    }

    #[test]
    fn errors_end_the_message() {
        let first = Ok((1, Value::Varint(1)));
        for (bytes, code) in [
            (b"\x08\x01\x12\x07test".as_slice(), ProblemCode::Truncated),
            (b"\x08\x01\x25\x01", ProblemCode::Truncated),
            (b"\x08\x01\x80", ProblemCode::Truncated),
            (b"\x08\x01\x00\x01", ProblemCode::Malformed),
            (b"\x08\x01\x0f", ProblemCode::Malformed),
            (b"\x08\x01\x0b", ProblemCode::Unsupported),
            (b"\x08\x01\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ProblemCode::Malformed),
        ] {
            assert_eq!(all(bytes), [first, Err(code)], "{bytes:?}");
        }
    }
}
