//! Reads one struct in Thrift's compact protocol (Apache Thrift,
//! `doc/specs/thrift-compact-protocol.md`): its top level alone, stepping over what is nested, or the
//! whole of it. Never goes deeper than [`limits::WIRE_DEPTH`], and keeps no more than
//! [`limits::WIRE_VALUES`] values.

use crate::event::ProblemCode;
use crate::limits;

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Of 8 to 64 bits.
    Int(i64),
    /// Binary or text; what is there of it where the bytes end too early.
    Bytes(&'a [u8]),
    /// Anything else.
    Other,
}

/// A value with what is nested in it, up to the first that could not be read.
#[derive(Debug, PartialEq)]
pub(super) enum Tree<'a> {
    One(Value<'a>),
    /// A list or set.
    List(Vec<Tree<'a>>),
    Map(Vec<(Tree<'a>, Tree<'a>)>),
    /// By field.
    Struct(Vec<(i16, Tree<'a>)>),
}

impl<'a> Tree<'a> {
    /// The struct that `bytes` are, and why there is no more of it.
    pub(super) fn parse(bytes: &'a [u8]) -> (Self, Option<ProblemCode>) {
        let mut tree = Self::Struct(Vec::new());
        let mut left = limits::WIRE_VALUES;
        let read = Reader { rest: bytes }.tree(STRUCT, 0, &mut left, &mut tree);
        (tree, read.err())
    }

    /// The field of a struct.
    pub(super) fn field(&self, id: i16) -> Option<&Self> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find_map(|(i, value)| (*i == id).then_some(value))
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        let Self::One(Value::Bytes(bytes)) = self else { return None };
        std::str::from_utf8(bytes).ok()
    }

    pub(super) fn int(&self) -> Option<i64> {
        let Self::One(Value::Int(int)) = self else { return None };
        Some(*int)
    }
}

/// The fields up to the first that could not be read.
#[derive(Debug, Default)]
pub(super) struct Struct<'a> {
    /// Ids and values as sent, at most [`limits::FIELDS_PER_EVENT`].
    pub(super) fields: Vec<(i16, Value<'a>)>,
    /// Why there are no more of them.
    pub(super) problem: Option<ProblemCode>,
}

impl<'a> Struct<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let mut read = Self::default();
        let mut reader = Reader { rest: bytes };
        read.problem = read.fill(&mut reader).err();
        read
    }

    fn fill(&mut self, reader: &mut Reader<'a>) -> Result<(), ProblemCode> {
        let mut id = 0;
        while let Some(kind) = reader.field(&mut id)? {
            if self.fields.len() == limits::FIELDS_PER_EVENT {
                return Err(ProblemCode::TooLarge);
            }
            if kind == BINARY {
                let (bytes, whole) = reader.binary()?;
                self.fields.push((id, Value::Bytes(bytes)));
                if !whole {
                    return Err(ProblemCode::Truncated);
                }
            } else {
                let value = reader.value(kind, 0)?;
                self.fields.push((id, value));
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self, id: i16) -> Option<&'a [u8]> {
        self.fields.iter().find_map(|(i, value)| match value {
            Value::Bytes(bytes) if *i == id => Some(*bytes),
            _ => None,
        })
    }

    pub(super) fn text(&self, id: i16) -> Option<&'a str> {
        self.bytes(id).and_then(|b| std::str::from_utf8(b).ok())
    }

    pub(super) fn int(&self, id: i16) -> Option<i64> {
        self.fields.iter().find_map(|(i, value)| match value {
            Value::Int(int) if *i == id => Some(*int),
            _ => None,
        })
    }
}

const BYTE: u8 = 3;
const I16: u8 = 4;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Shrinks with each step, so that reading ends.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, ProblemCode> {
        let (&byte, rest) = self.rest.split_first().ok_or(ProblemCode::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, ProblemCode> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProblemCode::Malformed)
    }

    fn zigzag(&mut self) -> Result<i64, ProblemCode> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Type of the next field, whose id follows the former one's; `None` at the end of the struct.
    fn field(&mut self, id: &mut i16) -> Result<Option<u8>, ProblemCode> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *id = match i16::from(head >> 4) {
            0 => i16::try_from(self.zigzag()?).map_err(|_| ProblemCode::Malformed)?,
            delta => id.checked_add(delta).ok_or(ProblemCode::Malformed)?,
        };
        Ok(Some(head & 15))
    }

    /// Bytes, and whether all of them are there.
    fn binary(&mut self) -> Result<(&'a [u8], bool), ProblemCode> {
        let size = usize::try_from(self.varint()?).map_err(|_| ProblemCode::Malformed)?;
        let whole = size <= self.rest.len();
        let (bytes, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        Ok((bytes, whole))
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value<'a>, ProblemCode> {
        if depth == limits::WIRE_DEPTH {
            return Err(ProblemCode::TooDeep);
        }
        match kind {
            1 | 2 => return Ok(Value::Other),
            BYTE => return Ok(Value::Int(i64::from(self.byte()?.cast_signed()))),
            I16..=I64 => return Ok(Value::Int(self.zigzag()?)),
            DOUBLE => {
                self.rest = self.rest.get(8..).ok_or(ProblemCode::Truncated)?;
            }
            BINARY => {
                let (_, true) = self.binary()? else { return Err(ProblemCode::Truncated) };
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                self.elements(count, &[kind], depth)?;
            }
            MAP => {
                let (count, kinds) = self.map()?;
                self.elements(count, &kinds, depth)?;
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.value(kind, depth + 1)?;
                }
            }
            _ => return Err(ProblemCode::Malformed),
        }
        Ok(Value::Other)
    }

    /// Number and type of the elements of a list or set.
    fn list(&mut self) -> Result<(u64, u8), ProblemCode> {
        let head = self.byte()?;
        let short = u64::from(head >> 4);
        let count = if short == 15 { self.varint()? } else { short };
        Ok((count, head & 15))
    }

    /// Number of the pairs of a map, and types of their halves.
    fn map(&mut self) -> Result<(u64, [u8; 2]), ProblemCode> {
        let count = self.varint()?;
        let kinds = if count > 0 { self.byte()? } else { 0 };
        Ok((count, [kinds >> 4, kinds & 15]))
    }

    /// Reads a value and what is nested in it; what came before an error stays in `into`. Each value
    /// counts one of `left`.
    fn tree(
        &mut self,
        kind: u8,
        depth: usize,
        left: &mut usize,
        into: &mut Tree<'a>,
    ) -> Result<(), ProblemCode> {
        if depth == limits::WIRE_DEPTH {
            return Err(ProblemCode::TooDeep);
        }
        *left = left.checked_sub(1).ok_or(ProblemCode::TooLarge)?;
        const NOTHING: Tree<'static> = Tree::One(Value::Other);
        match kind {
            BINARY => {
                // Half of a text would be another one.
                let (bytes, true) = self.binary()? else { return Err(ProblemCode::Truncated) };
                *into = Tree::One(Value::Bytes(bytes));
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                *into = Tree::List(Vec::new());
                let Tree::List(items) = into else { return Ok(()) };
                for _ in 0..count {
                    items.push(NOTHING);
                    let Some(item) = items.last_mut() else { break };
                    self.element(kind, depth + 1, left, item)?;
                }
            }
            MAP => {
                let (count, [key, value]) = self.map()?;
                *into = Tree::Map(Vec::new());
                let Tree::Map(pairs) = into else { return Ok(()) };
                for _ in 0..count {
                    pairs.push((NOTHING, NOTHING));
                    let Some(pair) = pairs.last_mut() else { break };
                    self.element(key, depth + 1, left, &mut pair.0)?;
                    self.element(value, depth + 1, left, &mut pair.1)?;
                }
            }
            STRUCT => {
                *into = Tree::Struct(Vec::new());
                let Tree::Struct(fields) = into else { return Ok(()) };
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    fields.push((id, NOTHING));
                    let Some((_, value)) = fields.last_mut() else { break };
                    self.tree(kind, depth + 1, left, value)?;
                }
            }
            _ => *into = Tree::One(self.value(kind, depth)?),
        }
        Ok(())
    }

    /// As [`Reader::tree`] within a list or map, where a truth value takes a byte.
    fn element(
        &mut self,
        kind: u8,
        depth: usize,
        left: &mut usize,
        into: &mut Tree<'a>,
    ) -> Result<(), ProblemCode> {
        if matches!(kind, 1 | 2) {
            *left = left.checked_sub(1).ok_or(ProblemCode::TooLarge)?;
            return self.byte().map(drop);
        }
        self.tree(kind, depth, left, into)
    }

    /// Elements take a byte each at least, also truth values within a list.
    fn elements(&mut self, count: u64, kinds: &[u8], depth: usize) -> Result<(), ProblemCode> {
        if count > self.rest.len() as u64 {
            return Err(ProblemCode::Truncated);
        }
        for _ in 0..count {
            for kind in kinds {
                if matches!(kind, 1 | 2) {
                    self.byte()?;
                } else {
                    self.value(*kind, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_by_id_and_others_are_stepped_over() {
        let bytes = [
            0x18, 2, b'h', b'i', // 1: "hi"
            0x15, 0x07, // 2: -4
            0x11, // 3: true
            0x19, 0x21, 1, 2, // 4: two truth values
            0x1b, 1, 0x58, 9, 1, b'x', // 5: {5: "x"}
            0x1c, 0x13, 7, 0, // 6: {1: 7}
            0x17, 0, 0, 0, 0, 0, 0, 0, 0, // 7: 0.0
            0x06, 0x50, 0x02, // 40: 1, id in full
            0,
        ];
        let read = Struct::parse(&bytes);
        assert_eq!(read.problem, None);
        assert_eq!((read.text(1), read.int(2), read.int(40)), (Some("hi"), Some(-4), Some(1)));
        assert_eq!(read.fields.len(), 8);
        for end in 0..bytes.len() {
            assert_eq!(Struct::parse(&bytes[..end]).problem, Some(ProblemCode::Truncated), "{end}");
        }
    }

    #[test]
    fn what_is_nested_comes_out_up_to_where_it_breaks_off() {
        let bytes = [
            0x1b, 2, 0x8c, // 1: map of text to structs
            1, b'a', 0x18, 1, b'x', 0x16, 4, 0, // "a": {1: "x", 2: 2}
            1, b'b', 0x18, 1, b'y', 0, // "b": {1: "y"}
            0x19, 0x15, 6, // 2: [3]
            0x19, 0x22, 1, 2, // 3: two truth values
            0,
        ];
        let text = |text: &'static str| Tree::One(Value::Bytes(text.as_bytes()));
        let (tree, problem) = Tree::parse(&bytes);
        assert_eq!(problem, None);
        let a = Tree::Struct(vec![(1, text("x")), (2, Tree::One(Value::Int(2)))]);
        let b = Tree::Struct(vec![(1, text("y"))]);
        assert_eq!(tree.field(1), Some(&Tree::Map(vec![(text("a"), a), (text("b"), b)])));
        assert_eq!(tree.field(2), Some(&Tree::List(vec![Tree::One(Value::Int(3))])));
        assert_eq!((tree.field(4), tree.text(), tree.int()), (None, None, None));
        for end in 0..bytes.len() {
            let (tree, problem) = Tree::parse(&bytes[..end]);
            assert_eq!(problem, Some(ProblemCode::Truncated), "{end}");
            let Some(Tree::Map(pairs)) = tree.field(1) else { continue };
            let whole = pairs.iter().filter(|(_, value)| value.field(1) == Some(&text("x")));
            assert_eq!(whole.count(), usize::from(end >= 8), "{end}");
        }
    }

    #[test]
    fn what_is_nested_is_bounded_in_depth_and_number() {
        for deep in [vec![0x1c; 100_000], [[0x19].as_slice(), &[0x19; 100_000]].concat()] {
            assert_eq!(Tree::parse(&deep).1, Some(ProblemCode::TooDeep));
        }
        // Empty structs: a value for each byte.
        let many = [&[0x19, 0xfc, 0xff, 0xff, 0x03][..], &[0; 100_000]].concat();
        assert_eq!(Tree::parse(&many).1, Some(ProblemCode::TooLarge));
        let huge = [0x1b, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x88];
        assert_eq!(Tree::parse(&huge).1, Some(ProblemCode::Truncated));
        assert_eq!(Tree::parse(&[0x1f]).1, Some(ProblemCode::Malformed));
    }

    #[test]
    fn mutated_structs_are_survived() {
        use crate::decode::vectors::{Random, mutate};
        let seed =
            b"\x1b\x02\x8c\x01a\x18\x01x\x16\x04\0\x01b\x18\x01y\0\x19\x1c\x18\x01z\x38\x01w\0\0";
        let mut random = Random(0x7468_7269_6674);
        for _ in 0..20_000 {
            let mut bytes = seed.to_vec();
            mutate(&mut random, &mut bytes);
            let (_, problem) = Tree::parse(&bytes);
            // Whoever steps over what is nested ends at the same place.
            if problem.is_none() {
                assert_eq!(Struct::parse(&bytes).problem, None, "{bytes:?}");
            }
        }
    }

    #[test]
    fn a_text_that_is_cut_keeps_its_beginning() {
        let read = Struct::parse(&[0x18, 9, b'h', b'i']);
        assert_eq!((read.text(1), read.problem), (Some("hi"), Some(ProblemCode::Truncated)));
    }

    #[test]
    fn depth_size_and_types_are_bounded() {
        let deep: Vec<u8> = std::iter::repeat_n(0x1c, 100_000).collect();
        assert_eq!(Struct::parse(&deep).problem, Some(ProblemCode::TooDeep));
        assert_eq!(Struct::parse(&[0x1f]).problem, Some(ProblemCode::Malformed));
        let huge = [0x19, 0xf3, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(Struct::parse(&huge).problem, Some(ProblemCode::Truncated));
        let many = vec![0x13; 4 * limits::FIELDS_PER_EVENT];
        assert_eq!(Struct::parse(&many).problem, Some(ProblemCode::TooLarge));
        assert_eq!(Struct::parse(&[0x15; 20]).fields.len(), 10);
        let endless = [[0x15].as_slice(), &[0xff; 20]].concat();
        assert_eq!(Struct::parse(&endless).problem, Some(ProblemCode::Malformed));
    }
}
