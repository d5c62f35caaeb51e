//! Country and operator of stored servers, as today's table has them. Never forgets: what nothing is
//! known of today stays as it was stored.

use crate::limits::STORE_BATCH;
use crate::servers::{Facts, Servers};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use std::net::IpAddr;

/// A stored server.
struct Stored {
    id: i64,
    addr: String,
    port: u16,
    country: Option<String>,
    asn: Option<u32>,
    operator: Option<String>,
}

/// Brings all servers up to what is known now. How many were told otherwise before.
///
/// Servers that were told apart by their facts alone become one.
pub(super) fn servers(db: &Connection, known: &Servers) -> Result<u64> {
    db.execute_batch("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")?;
    let (mut changed, mut moved, mut last) = (0, false, 0);
    loop {
        let batch = after(db, last)?;
        let Some(newest) = batch.last() else { break };
        last = newest.id;
        for server in &batch {
            let Some(facts) = news(server, known) else { continue };
            changed += 1;
            moved |= put(db, server, &facts)?;
        }
    }
    if moved {
        for table in ["flows", "events"] {
            db.execute_batch(&format!(
                "UPDATE {table} SET server = (SELECT new FROM moved WHERE old = server)
                 WHERE server IN (SELECT old FROM moved)"
            ))?;
        }
    }
    db.execute_batch("DROP TABLE moved")?;
    Ok(changed)
}

fn after(db: &Connection, last: i64) -> Result<Vec<Stored>> {
    let stored = |row: &Row<'_>| {
        Ok(Stored {
            id: row.get(0)?,
            addr: row.get(1)?,
            port: row.get(2)?,
            country: row.get(3)?,
            asn: row.get(4)?,
            operator: row.get(5)?,
        })
    };
    db.prepare_cached(
        "SELECT id, addr, port, country, asn, operator FROM servers
         WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?
    .query_map(params![last, STORE_BATCH as i64], stored)?
    .collect()
}

/// What is known of a server, where it differs from what is stored.
fn news<'a>(server: &Stored, known: &'a Servers) -> Option<Facts<'a>> {
    let facts = known.lookup(server.addr.parse::<IpAddr>().ok()?);
    let Stored { country, asn, operator, .. } = server;
    let stored = Facts { country: country.as_deref(), asn: *asn, operator: operator.as_deref() };
    (facts != Facts::default() && facts != stored).then_some(facts)
}

/// Writes the facts of a server, or notes which other one has them already: then that one stands for
/// both.
fn put(db: &Connection, server: &Stored, facts: &Facts<'_>) -> Result<bool> {
    let Facts { country, asn, operator } = facts;
    let same: Option<i64> = db
        .prepare_cached(
            "SELECT id FROM servers WHERE addr = ?1 AND port = ?2 AND ifnull(country, x'') = ifnull(?3, x'')
             AND ifnull(asn, -1) = ifnull(?4, -1) AND ifnull(operator, x'') = ifnull(?5, x'')",
        )?
        .query_row(params![server.addr, server.port, country, asn, operator], |row| row.get(0))
        .optional()?;
    match same {
        Some(new) => {
            db.prepare_cached("INSERT INTO moved (old, new) VALUES (?1, ?2)")?
                .execute([server.id, new])?;
            db.prepare_cached("DELETE FROM servers WHERE id = ?1")?.execute([server.id])?;
        }
        None => {
            db.prepare_cached(
                "UPDATE servers SET country = ?2, asn = ?3, operator = ?4 WHERE id = ?1",
            )?
            .execute(params![server.id, country, asn, operator])?;
        }
    }
    Ok(same.is_some())
}
