//! One line on the terminal that grows, for work that takes its time.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How often the line changes.
const TICK: Duration = Duration::from_millis(100);
/// Characters of a full bar.
const BAR: u64 = 30;

/// The line. A terminal that went away does not stop the work.
pub(crate) struct Progress {
    total: u64,
    told: Instant,
}

impl Progress {
    /// A line about so much work, 0 where that is not known; nothing is shown yet.
    pub(crate) fn new(total: u64) -> Self {
        Self { total, told: Instant::now() }
    }

    /// Shows how much is done, in words too, a few times a second at most.
    pub(crate) fn tell(&mut self, done: u64, words: impl FnOnce() -> String) {
        if self.told.elapsed() >= TICK {
            self.told = Instant::now();
            let _ = write!(io::stderr(), "\r{}{} ", bar(done, self.total), words());
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(self) {
        let _ = write!(io::stderr(), "\r{:79}\r", "");
    }
}

/// `[#########---------------------]  30 %  `; nothing where the total is not known.
fn bar(done: u64, total: u64) -> String {
    let Some(percent) = done.saturating_mul(100).checked_div(total) else { return String::new() };
    let percent = percent.min(100);
    let full = usize::try_from(percent * BAR / 100).unwrap_or_default();
    format!("[{:-<width$}] {percent:3} %  ", "#".repeat(full), width = BAR as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_to_its_end_and_not_beyond() {
        assert_eq!(bar(0, 10), "[------------------------------]   0 %  ");
        assert_eq!(bar(3, 10), "[#########---------------------]  30 %  ");
        assert_eq!(bar(11, 10), "[##############################] 100 %  ");
        assert_eq!(bar(5, 0), "");
    }
}
