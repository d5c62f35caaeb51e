//! The names of a list that is being imported, three characters in two bytes.
//!
//! Names have 39 characters, and `@` stands before an exception: three of forty are fewer than
//! 65 536. Blocks, for one that grew would be copied and lie in memory twice meanwhile.

/// What an entry may be made of: [`super::is_pattern`]'s characters and `@`.
const ALPHABET: &[u8; 40] = b"abcdefghijklmnopqrstuvwxyz0123456789-_.@";
/// Most characters of an entry.
pub(super) const LONGEST: usize = u8::MAX as usize;
const BLOCK_BITS: u32 = 20;
const BLOCK: usize = 1 << BLOCK_BITS;

/// Place in [`ALPHABET`] of each byte; that of a byte which is not in it is none.
const PLACES: [u8; 256] = {
    let mut places = [u8::MAX; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        places[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    places
};

/// See the module. An entry is its length in characters and then its pairs of bytes.
#[derive(Default)]
pub(super) struct Packed {
    blocks: Vec<Vec<u8>>,
}

impl Packed {
    /// Adds an entry, given in parts; where it is. None where it is longer than [`LONGEST`], has
    /// another character, or is beyond what 32 bits can number.
    pub(super) fn push(&mut self, mark: &str, pattern: &str) -> Option<u32> {
        let length = mark.len() + pattern.len();
        let mut entry = [0; 1 + LONGEST.div_ceil(3) * 2];
        *entry.first_mut()? = u8::try_from(length).ok()?;
        let size = 1 + length.div_ceil(3) * 2;
        let mut bytes = mark.bytes().chain(pattern.bytes());
        for room in entry.get_mut(1..size)?.chunks_exact_mut(2) {
            let mut place = || match bytes.next() {
                Some(byte) => Some(PLACES[usize::from(byte)]).filter(|place| *place != u8::MAX),
                None => Some(0),
            };
            let three = [place()?, place()?, place()?].map(u16::from);
            let pair = (three[0] * 40 + three[1]) * 40 + three[2];
            room.copy_from_slice(&pair.to_le_bytes());
        }
        self.add(entry.get(..size)?)
    }

    fn add(&mut self, entry: &[u8]) -> Option<u32> {
        if self.blocks.last().is_none_or(|block| block.len() + entry.len() > BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let number = self.blocks.len() - 1;
        let block = self.blocks.last_mut()?;
        let at = u32::try_from((number << BLOCK_BITS) + block.len()).ok()?;
        block.extend_from_slice(entry);
        Some(at)
    }

    /// An entry as it lies here: two are the same where these are.
    pub(super) fn raw(&self, at: u32) -> &[u8] {
        let block = self.blocks.get((at >> BLOCK_BITS) as usize);
        let rest = block.and_then(|block| block.get(at as usize % BLOCK..)).unwrap_or_default();
        let size = rest.first().map_or(0, |length| 1 + usize::from(*length).div_ceil(3) * 2);
        rest.get(..size).unwrap_or_default()
    }

    /// Whether an entry begins so.
    pub(super) fn starts(&self, at: u32, beginning: &str) -> bool {
        let mut room = [0; LONGEST];
        self.text(at, &mut room).starts_with(beginning.as_bytes())
    }

    /// An entry's characters, put into `room`.
    pub(super) fn text<'r>(&self, at: u32, room: &'r mut [u8; LONGEST]) -> &'r [u8] {
        let Some((length, pairs)) = self.raw(at).split_first() else { return &[] };
        let (pairs, _) = pairs.as_chunks();
        for (room, pair) in room.chunks_exact_mut(3).zip(pairs) {
            let pair = usize::from(u16::from_le_bytes(*pair));
            let places = [pair / 1600 % 40, pair / 40 % 40, pair % 40];
            room.copy_from_slice(&places.map(|place| ALPHABET[place]));
        }
        room.get(..usize::from(*length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_out_as_it_went_in() {
        let mut packed = Packed::default();
        let longest = "z.".repeat(LONGEST / 2);
        let texts = ["a", "ab", "abc", "a-b_c.0129", "", ".com", "xn--p1ai.", &longest];
        let at: Vec<_> = texts
            .iter()
            .flat_map(|text| ["", "@"].map(|mark| packed.push(mark, text).unwrap()))
            .collect();
        for (number, at) in at.into_iter().enumerate() {
            let mark = if number % 2 == 0 { "" } else { "@" };
            let expected = format!("{mark}{}", texts[number / 2]);
            let mut room = [0; LONGEST];
            assert_eq!(packed.text(at, &mut room), expected.as_bytes());
            assert_eq!(packed.raw(at).len(), 1 + expected.len().div_ceil(3) * 2);
        }
    }

    #[test]
    fn what_does_not_fit_is_not_added() {
        let mut packed = Packed::default();
        for text in ["A", "a b", "ü", &"a".repeat(LONGEST + 1)] {
            assert_eq!(packed.push("", text), None, "{text}");
        }
        assert!(packed.blocks.is_empty());
    }

    #[test]
    fn entries_lie_in_one_block_each() {
        let mut packed = Packed::default();
        let name = |number: usize| format!("{number}.{}", "a".repeat(number % 200));
        let at: Vec<_> = (0..30_000).map(|n| packed.push("", &name(n)).unwrap()).collect();
        assert!(packed.blocks.len() > 1);
        assert!(packed.blocks.iter().all(|block| block.capacity() == BLOCK));
        let mut room = [0; LONGEST];
        for (number, at) in at.into_iter().enumerate() {
            assert_eq!(packed.text(at, &mut room), name(number).as_bytes());
        }
    }
}
