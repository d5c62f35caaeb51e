//! Rows of one table, many by one statement: what SQLite does for a statement is more than what it
//! does for a row. Never opens or ends a transaction; where a row fails, those before it stay, so
//! whoever calls undoes the transaction. That spares SQLite a copy of each page that it changes.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Result, params_from_iter};

/// Rows of the statements. Each count is a sum of few of them.
const SIZES: [usize; 6] = [32, 16, 8, 4, 2, 1];

/// Statements that insert into a table with so many columns.
pub(super) struct Many<const COLUMNS: usize>([String; SIZES.len()]);

impl<const COLUMNS: usize> Many<COLUMNS> {
    /// `into` is the table and its columns, as SQL has them.
    pub(super) fn new(into: &str) -> Self {
        let row = format!("({})", ["?"; COLUMNS].join(", "));
        let rows = |size| vec![row.as_str(); size].join(", ");
        Self(SIZES.map(|size| format!("INSERT OR FAIL INTO {into} VALUES {}", rows(size))))
    }

    /// Inserts rows in their order.
    pub(super) fn insert<'r>(
        &self,
        db: &Connection,
        mut rows: impl ExactSizeIterator<Item = [ToSqlOutput<'r>; COLUMNS]>,
    ) -> Result<()> {
        for (size, sql) in SIZES.into_iter().zip(&self.0) {
            while rows.len() >= size {
                let values = rows.by_ref().take(size).flatten();
                db.prepare_cached(sql)?.execute(params_from_iter(values))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_inserted_in_its_order() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)").unwrap();
        let many = Many::<2>::new("t (a, b)");
        for count in 0_i64..100 {
            let rows: Vec<_> = (0..count).map(|n| (n, format!("text {n}"))).collect();
            let values = rows.iter().map(|(n, text)| [(*n).into(), text.as_str().into()]);
            many.insert(&db, values).unwrap();
            let stored: Vec<(i64, String)> = db
                .prepare("SELECT a, b FROM t ORDER BY id")
                .unwrap()
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(stored, rows);
            db.execute("DELETE FROM t", []).unwrap();
        }
    }
}
