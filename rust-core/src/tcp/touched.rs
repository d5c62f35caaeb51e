//! How much of a connection's two buffers was ever written: the rest costs no memory.

use crate::limits::TCP_BUFFER;

/// Bytes that a page has at least.
const PAGE: usize = 4096;

/// See the module. Stays with the buffers when another connection gets them.
#[derive(Debug)]
pub(super) struct Touched {
    received: Reach,
    queued: Reach,
    /// What the sum of all connections has of it.
    counted: usize,
}

/// How far a ring was written.
#[derive(Debug)]
struct Reach {
    /// Since it began at its first byte.
    run: usize,
    /// Ever. One byte at least: the allocator's own words stand before the first.
    most: usize,
}

impl Reach {
    fn grow(&mut self, bytes: usize) {
        self.run = (self.run + bytes).min(TCP_BUFFER);
        self.most = self.most.max(self.run);
    }
}

impl Touched {
    pub(super) fn new() -> Self {
        let reach = || Reach { run: 0, most: 1 };
        Self { received: reach(), queued: reach(), counted: 0 }
    }

    /// Another connection begins: both rings are empty, and begin at their first byte.
    pub(super) fn begin_anew(&mut self) {
        (self.received.run, self.queued.run) = (0, 0);
    }

    /// Bytes came from the app. This ring begins anew only with another connection: what follows
    /// is written behind.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received.grow(bytes);
    }

    /// The queue to the app grew from `before` bytes to `after`. This ring begins anew whenever it
    /// is empty.
    pub(super) fn sent(&mut self, before: usize, after: usize) {
        if before == 0 {
            self.queued.run = 0;
        }
        self.queued.grow(after - before);
    }

    /// Bytes to the app that were queued at most.
    pub(super) fn queued(&self) -> usize {
        self.queued.most
    }

    /// Bytes in whole pages.
    pub(super) fn bytes(&self) -> usize {
        self.counted
    }

    /// How much more it is than when this was last asked.
    pub(super) fn grown(&mut self) -> usize {
        let now =
            self.received.most.next_multiple_of(PAGE) + self.queued.most.next_multiple_of(PAGE);
        now - std::mem::replace(&mut self.counted, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_counts_once_and_at_most_all() {
        let mut touched = Touched::new();
        assert_eq!(touched.grown(), 2 * PAGE);
        touched.received(1);
        touched.sent(0, 1);
        assert_eq!((touched.grown(), touched.bytes()), (0, 2 * PAGE));
        // Acknowledged, and written at the same place again.
        touched.sent(0, PAGE);
        assert_eq!(touched.grown(), 0);
        touched.sent(PAGE, PAGE + 1);
        assert_eq!(touched.grown(), PAGE);
        for _ in 0..3 {
            touched.received(TCP_BUFFER);
            touched.sent(1, TCP_BUFFER);
        }
        touched.grown();
        assert_eq!(touched.bytes(), 2 * TCP_BUFFER.next_multiple_of(PAGE));
    }

    #[test]
    fn what_one_connection_touched_the_next_one_touches_for_nothing() {
        let mut touched = Touched::new();
        touched.received(3 * PAGE);
        touched.grown();
        touched.begin_anew();
        touched.received(3 * PAGE);
        assert_eq!(touched.grown(), 0);
        touched.received(1);
        assert_eq!(touched.grown(), PAGE);
    }
}
