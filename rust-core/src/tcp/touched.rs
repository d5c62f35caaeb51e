//! How much of a connection's two buffers was ever written: the rest costs no memory.

use crate::limits::TCP_BUFFER;

/// Bytes that a page has at least.
const PAGE: usize = 4096;

/// See the module. Stays with the buffers when another connection gets them.
#[derive(Debug)]
pub(super) struct Touched {
    size: usize,
    /// Bytes from the app. Its ring never begins anew: what follows is written behind.
    received: usize,
    /// Bytes to the app since all were acknowledged, and the most of that. Its ring begins anew.
    run: usize,
    queued: usize,
    /// What the sum of all connections has of it.
    counted: usize,
}

impl Touched {
    pub(super) fn new(size: usize) -> Self {
        // A small buffer may be memory that was used before, and is cleared as a whole.
        let all = if size < TCP_BUFFER { size } else { 0 };
        Self { size, received: all, run: 0, queued: all, counted: 0 }
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.received = (self.received + bytes).min(self.size);
    }

    /// The queue to the app grew from `before` bytes to `after`.
    pub(super) fn queued(&mut self, before: usize, after: usize) {
        let run = if before == 0 { 0 } else { self.run };
        self.run = (run + after - before).min(self.size);
        self.queued = self.queued.max(self.run);
    }

    /// Bytes in whole pages.
    pub(super) fn bytes(&self) -> usize {
        self.counted
    }

    /// How much more it is than when this was last asked.
    pub(super) fn grown(&mut self) -> usize {
        let now = self.received.next_multiple_of(PAGE) + self.queued.next_multiple_of(PAGE);
        now - std::mem::replace(&mut self.counted, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_counts_once_and_at_most_all() {
        let mut touched = Touched::new(TCP_BUFFER);
        assert_eq!(touched.grown(), 0);
        touched.received(1);
        touched.queued(0, 1);
        assert_eq!((touched.grown(), touched.bytes()), (2 * PAGE, 2 * PAGE));
        // Acknowledged, and written at the same place again.
        touched.queued(0, PAGE);
        assert_eq!(touched.grown(), 0);
        touched.queued(PAGE, PAGE + 1);
        assert_eq!(touched.grown(), PAGE);
        for _ in 0..3 {
            touched.received(TCP_BUFFER);
            touched.queued(1, TCP_BUFFER);
        }
        touched.grown();
        assert_eq!(touched.bytes(), 2 * TCP_BUFFER.next_multiple_of(PAGE));
    }

    #[test]
    fn a_small_buffer_counts_whole() {
        assert_eq!(Touched::new(PAGE).grown(), 2 * PAGE);
    }
}
