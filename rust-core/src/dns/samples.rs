//! Messages for the tests: those of `tests/data/dns`, and small ones built by hand.

macro_rules! samples {
    ($($name:literal),+ $(,)?) => {
        /// Every file, by its name.
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../tests/data/dns/", $name, ".hex")))),+];
    };
}

samples!(
    "answer-a",
    "answer-aaaa",
    "answer-chain",
    "answer-https",
    "answer-https-alias",
    "answer-large",
    "answer-large-truncated",
    "answer-nodata",
    "answer-nxdomain",
    "answer-odd-name",
    "answer-refused",
    "query-edns-a",
    "query-longest-name",
    "query-ours",
    "query-plain-aaaa",
);

/// The bytes of one file.
pub(super) fn sample(name: &str) -> Vec<u8> {
    let (_, hex) = FILES.iter().find(|(file, _)| *file == name).expect("a known sample");
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| (high * 16 + low) as u8).collect()
}

/// A message with the given flags, counts and bytes after the header.
pub(super) fn message(flags: u16, counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    bytes.extend(flags.to_be_bytes());
    counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
    bytes.extend(body);
    bytes
}

/// A fixed sequence of numbers (xorshift64*, Marsaglia and Vigna).
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}
