//! Tables of names, found by a hash instead of a scan: each field of each event is looked up in
//! hundreds. Never compares anything itself.

const BUCKETS: usize = 1024;
const END: u16 = u16::MAX;

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
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = usize> {
        let mut at = self.first[bucket(name.as_bytes())];
        std::iter::from_fn(move || {
            let place = usize::from(at);
            at = *self.next.get(place)?;
            Some(place)
        })
    }
}

/// FNV-1a over the bytes in lower case.
const fn bucket(name: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ hash >> 16) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_name_is_found_in_order_whatever_its_case() {
        const TABLE: [&str; 5] = ["url", "", "Query", "URL", "x"];
        static INDEX: Index<5> = Index::new(TABLE);
        let found = |name: &str| {
            let fits = |at: &usize| TABLE[*at].eq_ignore_ascii_case(name);
            INDEX.of(name).filter(fits).collect::<Vec<_>>()
        };
        assert_eq!(found("Url"), [0, 3]);
        assert_eq!(found("qUERY"), [2]);
        assert_eq!((found(""), found("nothing")), (vec![1], vec![]));
    }
}
