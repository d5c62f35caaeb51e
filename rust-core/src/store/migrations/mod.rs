//! Forward-only steps from one schema to the next. A step that was shipped is never edited.

mod v1;
mod v2;

use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// `application_id` of our files: the letters `Muzl`.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"Muzl");

/// Step `i` leads from schema `i` to schema `i + 1`.
const STEPS: &[&str] = &[v1::SQL, v2::SQL];

/// The schema that this build writes.
#[allow(clippy::cast_possible_truncation)]
pub(super) const VERSION: u32 = STEPS.len() as u32;

/// What a file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// No table and no mark: a new file.
    Empty,
    /// Ours, with its schema version.
    Ours(u32),
}

/// Reads the marks of a file.
pub(super) fn identify(db: &Connection) -> Result<Identity, StoreError> {
    let application: i32 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    let version: u32 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if application == APPLICATION_ID {
        if version > VERSION {
            return Err(StoreError::Newer { found: version, known: VERSION });
        }
        return Ok(Identity::Ours(version));
    }
    if application == 0 && version == 0 && tables == 0 {
        return Ok(Identity::Empty);
    }
    Err(StoreError::Foreign)
}

/// Brings a file to today's schema. Each step is one transaction, so a kill leaves the schema
/// before or after it.
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    loop {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = match identify(&transaction)? {
            Identity::Empty => 0,
            Identity::Ours(version) => version,
        };
        let Some(step) = usize::try_from(version).ok().and_then(|v| STEPS.get(v)) else {
            return Ok(());
        };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_todays_schema_and_a_second_run_changes_nothing() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(identify(&db), Ok(Identity::Empty));
        migrate(&mut db).unwrap();
        assert_eq!(identify(&db), Ok(Identity::Ours(VERSION)));
        let cookie = |db: &Connection| -> i64 {
            db.query_row("PRAGMA schema_version", [], |r| r.get(0)).unwrap()
        };
        let before = cookie(&db);
        migrate(&mut db).unwrap();
        assert_eq!(cookie(&db), before);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        db.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert_eq!(migrate(&mut db), Err(StoreError::Newer { found: VERSION + 1, known: VERSION }));
    }

    #[test]
    fn a_database_of_another_program_is_refused_and_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert_eq!(migrate(&mut db), Err(StoreError::Foreign));
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!(tables, 1);
    }

    #[test]
    fn every_step_is_frozen() {
        // Changing a shipped step leaves old files with a schema that no code expects.
        use sha2::Digest;
        let hex = |sql: &str| -> String {
            sha2::Sha256::digest(sql.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
        };
        let steps: Vec<_> = STEPS.iter().map(|sql| hex(sql)).collect();
        assert_eq!(
            steps,
            [
                "15eecc77d3fc498a3e377a49f2a60be1532cf4acc1dbe6f0ca2778ce2e740596",
                "2606859b0c9c1c029ea2cbdd4623820f5ef6e04da00ea0dbb90680c67a5dad13",
            ]
        );
    }
}
