//! One line on the terminal that counts up, for work that takes its time.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How often the line changes.
const TICK: Duration = Duration::from_millis(100);

/// The line.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    told: Instant,
}

impl Progress {
    /// A line about so many of something, `events`; nothing is shown yet.
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, told: Instant::now() }
    }

    /// Shows how many are done, a few times a second at most.
    pub(crate) fn tell(&mut self, count: u64) {
        if self.told.elapsed() < TICK {
            return;
        }
        self.told = Instant::now();
        let percent = count.saturating_mul(100).checked_div(self.total).unwrap_or(100).min(100);
        // A terminal that went away does not stop the work.
        let _ = write!(io::stderr(), "\r{count} of {} {}, {percent} %", self.total, self.what);
    }

    /// Takes the line away.
    pub(crate) fn clear(self) {
        let _ = write!(io::stderr(), "\r{:60}\r", "");
    }
}
