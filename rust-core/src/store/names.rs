//! Ids of values that recur: apps, hosts, servers, rules, identifiers. Each is written once; a
//! bounded cache saves the look-up. Never outlives the rows that it speaks of: whoever rolls back
//! or deletes rows calls [`Names::clear`].

use crate::event::{App, IdKind, Reason, ReasonCode, Server};
use crate::servers::Servers;
use rusqlite::{Connection, Result, params};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

/// Values of one sort whose ids are remembered; full, it starts anew.
const CACHED: usize = 4096;

#[derive(Debug)]
struct Cache<K>(HashMap<K, i64>);

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Cache<K> {
    fn id(&mut self, key: K, insert: impl FnOnce(&K) -> Result<i64>) -> Result<i64> {
        if let Some(id) = self.0.get(&key) {
            return Ok(*id);
        }
        let id = insert(&key)?;
        if self.0.len() >= CACHED {
            self.0.clear();
        }
        self.0.insert(key, id);
        Ok(id)
    }
}

type ServerKey = (IpAddr, u16, Option<String>, Option<u32>, Option<String>);

/// The ids that are remembered.
#[derive(Debug, Default)]
pub(super) struct Names {
    apps: Cache<(Option<u32>, Option<String>)>,
    hosts: Cache<String>,
    servers: Cache<ServerKey>,
    rules: Cache<(ReasonCode, Option<String>, Option<String>)>,
    identifiers: Cache<(IdKind, String)>,
    known: Servers,
}

impl Names {
    /// Without any yet. A server of which nothing is said gets what is known of its address.
    pub(super) fn new(known: Servers) -> Self {
        Self { known, ..Self::default() }
    }

    /// Forgets every id.
    pub(super) fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.known));
    }

    /// Id of an app by uid and package; `None` where neither is known.
    pub(super) fn app(&mut self, db: &Connection, app: &App) -> Result<Option<i64>> {
        if app.uid.is_none() && app.package.is_none() {
            return Ok(None);
        }
        let key = (app.uid, app.package.clone());
        let insert = |key: &(Option<u32>, Option<String>)| {
            db.prepare_cached(
                "INSERT INTO apps (uid, package) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET uid = uid RETURNING id",
            )?
            .query_row(params![key.0, key.1], |row| row.get(0))
        };
        self.apps.id(key, insert).map(Some)
    }

    /// Id of a host name.
    pub(super) fn host(&mut self, db: &Connection, host: Option<&str>) -> Result<Option<i64>> {
        let Some(host) = host else { return Ok(None) };
        let insert = |name: &String| {
            db.prepare_cached(
                "INSERT INTO hosts (name) VALUES (?1)
                 ON CONFLICT DO UPDATE SET name = name RETURNING id",
            )?
            .query_row([name], |row| row.get(0))
        };
        self.hosts.id(host.to_owned(), insert).map(Some)
    }

    /// Id of a server.
    pub(super) fn server(
        &mut self,
        db: &Connection,
        server: Option<&Server>,
    ) -> Result<Option<i64>> {
        let Some(mut server) = server.cloned() else { return Ok(None) };
        self.known.complete(&mut server);
        let Server { addr, port, country, asn, operator } = server;
        let insert = |(addr, port, country, asn, operator): &ServerKey| {
            db.prepare_cached(
                "INSERT INTO servers (addr, port, country, asn, operator)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET port = port RETURNING id",
            )?
            .query_row(params![addr.to_string(), port, country, asn, operator], |row| row.get(0))
        };
        self.servers.id((addr, port, country, asn, operator), insert).map(Some)
    }

    /// Id of a reason with its rule and list.
    pub(super) fn rule(&mut self, db: &Connection, reason: &Reason) -> Result<i64> {
        let key = (reason.code, reason.rule.clone(), reason.list.clone());
        self.rules.id(key, |(code, rule, list)| {
            db.prepare_cached(
                "INSERT INTO rules (code, rule, list) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET code = code RETURNING id",
            )?
            .query_row(params![code.as_str(), rule, list], |row| row.get(0))
        })
    }

    /// Id of an identifier, made where it is new as seen at `time_ms`.
    pub(super) fn identifier(
        &mut self,
        db: &Connection,
        kind: IdKind,
        value: &str,
        time_ms: i64,
    ) -> Result<i64> {
        self.identifiers.id((kind, value.to_owned()), |(kind, value)| {
            db.prepare_cached(
                "INSERT INTO identifiers (kind, value, first_seen, last_seen)
                 VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT DO UPDATE SET kind = kind RETURNING id",
            )?
            .query_row(params![kind.as_str(), value, time_ms], |row| row.get(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrations;

    #[test]
    fn one_value_has_one_id_with_and_without_the_cache() {
        let mut db = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut db).unwrap();
        let mut names = Names::default();
        let first = names.host(&db, Some("a.example")).unwrap();
        let other = names.host(&db, Some("b.example")).unwrap();
        assert_ne!(first, other);
        assert_eq!(names.host(&db, Some("a.example")).unwrap(), first);
        names.clear();
        assert_eq!(names.host(&db, Some("a.example")).unwrap(), first);
    }

    #[test]
    fn an_empty_text_and_no_text_are_two_values() {
        let mut db = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut db).unwrap();
        let mut names = Names::default();
        let reason = |rule: Option<&str>| Reason {
            code: ReasonCode::Limit,
            rule: rule.map(str::to_owned),
            list: None,
        };
        let none = names.rule(&db, &reason(None)).unwrap();
        let empty = names.rule(&db, &reason(Some(""))).unwrap();
        assert_ne!(none, empty);
        names.clear();
        assert_eq!(names.rule(&db, &reason(None)).unwrap(), none);
    }

    #[test]
    fn a_full_cache_starts_anew() {
        let mut cache = Cache::default();
        for key in 0..CACHED {
            cache.id(key, |_| Ok(1)).unwrap();
        }
        assert_eq!(cache.0.len(), CACHED);
        cache.id(CACHED, |_| Ok(2)).unwrap();
        assert_eq!(cache.0.len(), 1);
    }
}
