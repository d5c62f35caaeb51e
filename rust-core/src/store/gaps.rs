//! When protection was wanted and did not run. A run leaves a mark that its end takes away, so the
//! next one sees whether it was killed.
//!
//! No clock ticks for this: a run's last sign of life is the last batch that it wrote, so a gap of a
//! quiet phone seems longer than it was, and never shorter.

use super::StoreError;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// Why a gap began: the run before did not come to its end.
const KILLED: &str = "killed";

/// See [`super::Writer::run_begins`].
pub(super) fn run_begins(db: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let alive: Option<i64> = transaction
        .query_row("SELECT value FROM meta WHERE key = 'run.alive'", [], |row| row.get(0))
        .optional()?;
    // A clock that was set back makes no gap that ends before it begins.
    transaction.execute("UPDATE gaps SET stop = max(start, ?1) WHERE stop IS NULL", [now_ms])?;
    if let Some(alive) = alive {
        transaction.execute(
            "INSERT INTO gaps (start, stop, reason) VALUES (?1, ?2, ?3)",
            params![alive.min(now_ms), now_ms, KILLED],
        )?;
    }
    transaction.execute("INSERT OR REPLACE INTO meta VALUES ('run.alive', ?1)", [now_ms])?;
    Ok(transaction.commit()?)
}

/// See [`super::Writer::run_ends`].
pub(super) fn run_ends(
    db: &mut Connection,
    now_ms: i64,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM meta WHERE key = 'run.alive'", [])?;
    if let Some(reason) = reason {
        transaction.execute(
            "INSERT INTO gaps (start, stop, reason) VALUES (?1, NULL, ?2)",
            params![now_ms, reason],
        )?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::super::{migrations, stats};
    use super::*;
    use crate::event::Time;

    fn database() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut db).unwrap();
        db
    }

    fn gaps(db: &Connection) -> Vec<(i64, Option<i64>, String)> {
        let all = stats::stats(db, None, None).unwrap().gaps;
        all.into_iter().map(|gap| (gap.start.0, gap.end.map(|Time(t)| t), gap.reason)).collect()
    }

    #[test]
    fn a_run_that_is_ended_leaves_no_gap() {
        let mut db = database();
        run_begins(&mut db, 10).unwrap();
        run_ends(&mut db, 20, None).unwrap();
        run_begins(&mut db, 30).unwrap();
        assert_eq!(gaps(&db), []);
    }

    #[test]
    fn a_run_that_is_killed_leaves_a_gap_from_its_last_sign_of_life() {
        let mut db = database();
        run_begins(&mut db, 10).unwrap();
        db.execute("UPDATE meta SET value = 15 WHERE key = 'run.alive'", []).unwrap();
        run_begins(&mut db, 30).unwrap();
        assert_eq!(gaps(&db), [(15, Some(30), KILLED.to_owned())]);
    }

    #[test]
    fn a_run_that_fails_leaves_a_gap_until_the_next_one() {
        let mut db = database();
        run_begins(&mut db, 10).unwrap();
        run_ends(&mut db, 20, Some("failed")).unwrap();
        assert_eq!(gaps(&db), [(20, None, "failed".to_owned())]);
        run_begins(&mut db, 30).unwrap();
        assert_eq!(gaps(&db), [(20, Some(30), "failed".to_owned())]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_gap_that_ends_before_it_begins() {
        let mut db = database();
        run_begins(&mut db, 100).unwrap();
        run_begins(&mut db, 50).unwrap();
        assert_eq!(gaps(&db), [(50, Some(50), KILLED.to_owned())]);
    }
}
