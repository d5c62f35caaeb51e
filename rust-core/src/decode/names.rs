//! Tables of names, found by a hash instead of a scan: each field of each event is looked up in
//! hundreds. Never compares anything itself. A leading `$` is left out, in the tables and of what is
//! looked for, so that one hash serves all tables.

const BUCKETS: usize = 1024;
const END: u16 = u16::MAX;

/// A name that is looked for in tables, its hash taken once.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    /// As it was sent.
    pub(super) text: &'a str,
    bucket: usize,
}

impl<'a> Name<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bucket: bucket(text.as_bytes()) }
    }
}

/// Places of a table by the names that stand there, without ASCII case; made while compiling.
pub(super) struct Index<const N: usize> {
    first: [u16; BUCKETS],
    next: [u16; N],
}

impl<const N: usize> Index<N> {
    /// Of a table with these names, fewer than 65 535.
    pub(super) const fn new(names: [&str; N]) -> Self {
        assert!(N < END as usize);
        let mut index = Self { first: [END; BUCKETS], next: [END; N] };
        let mut at = N;
        while at > 0 {
            at -= 1;
            let bucket = bucket(names[at].as_bytes());
            index.next[at] = index.first[bucket];
            index.first[bucket] = at as u16;
        }
        index
    }

    /// Every place at which the name stands, in order, perhaps among others: compare.
    pub(super) fn of(&self, name: Name<'_>) -> impl Iterator<Item = usize> {
        let mut at = self.first[name.bucket];
        std::iter::from_fn(move || {
            let place = usize::from(at);
            at = *self.next.get(place)?;
            Some(place)
        })
    }
}

/// A hash that takes eight bytes at a time and no notice of ASCII case.
const fn bucket(name: &[u8]) -> usize {
    let mut rest = match name {
        [b'$', rest @ ..] => rest,
        whole => whole,
    };
    let mut hash = rest.len() as u64;
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        hash = mix(hash, u64::from_le_bytes(*eight));
        rest = tail;
    }
    let mut last = 0;
    while let [byte, tail @ ..] = rest {
        last = last << 8 | *byte as u64;
        rest = tail;
    }
    hash = mix(hash, last);
    (hash ^ hash >> 32) as usize % BUCKETS
}

/// This bit tells letters of either case apart; that it does so with other bytes, too, only makes
/// more of them alike.
const CASE: u64 = 0x2020_2020_2020_2020;

const fn mix(hash: u64, bytes: u64) -> u64 {
    let hash = (hash ^ (bytes | CASE)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_name_is_found_in_order_whatever_its_case() {
        const TABLE: [&str; 6] = ["url", "", "A_longer_Query", "URL", "x", "$url"];
        static INDEX: Index<6> = Index::new(TABLE);
        let found = |name: &str| {
            let fits = |at: &usize| TABLE[*at].eq_ignore_ascii_case(name);
            INDEX.of(Name::new(name)).filter(fits).collect::<Vec<_>>()
        };
        assert_eq!(found("Url"), [0, 3]);
        assert_eq!(found("$URL"), [5]);
        assert_eq!(found("a_LONGER_qUERY"), [2]);
        assert_eq!((found(""), found("nothing")), (vec![1], vec![]));
        assert_eq!(Name::new("$url").bucket, Name::new("url").bucket);
    }
}
