//! The one thread that writes. It sleeps without a timeout while nothing is pending, and goes on
//! after every failure: what a failed transaction held is counted as dropped.

use super::db::{WriterDb, open_writer};
use super::gaps;
use super::ingest::{Decode, Ingest, add_to_meta};
use super::queue::{Order, RecordSender, Reply, Shared, Watch};
use super::{Config, Gap, StoreError, StoreState, retention};
use crate::event::Record;
use crate::limits::{STORE_BATCH, STORE_DELAY};
use rusqlite::TransactionBehavior;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

const MS_PER_DAY: i64 = 86_400_000;
/// Batches between two looks at the size.
const BATCHES_PER_LOOK: u64 = 64;

/// What a writer did, told when it is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records committed.
    pub records: u64,
    /// Events committed.
    pub events: u64,
    /// Records lost.
    pub dropped: u64,
}

/// What a test replaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hooks {
    pub(super) decode: Decode,
    pub(super) now_ms: fn() -> i64,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { decode: crate::decode::events, now_ms }
    }
}

/// Wall clock, milliseconds since 1970; decides only what is too old to keep.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Owner of the writer thread. Dropping it closes it too, without telling how it went.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Summary, StoreError>>>,
}

impl Writer {
    /// Opens or makes the database, brings it to today's schema and starts the thread.
    pub fn open(config: Config) -> Result<Self, StoreError> {
        Self::open_with(config, Hooks::default())
    }

    /// Like [`Writer::open`], with a reader of requests of the caller's choice.
    pub fn open_with_decoder(config: Config, decode: Decode) -> Result<Self, StoreError> {
        Self::open_with(config, Hooks { decode, ..Hooks::default() })
    }

    pub(super) fn open_with(config: Config, hooks: Hooks) -> Result<Self, StoreError> {
        let db = open_writer(&config.path)?;
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            db,
            ingest: Ingest::new(hooks.decode, config.servers.clone()),
            shared: Arc::clone(&shared),
            config,
            hooks,
            summary: Summary::default(),
            drops_stored: 0,
            batches: 0,
            day: 0,
            running: false,
        };
        let thread = std::thread::Builder::new()
            .name("muzzle-store".to_owned())
            .spawn(move || worker.run())
            .map_err(|_| StoreError::Io)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A way in for records.
    pub fn sender(&self) -> RecordSender {
        RecordSender(Arc::clone(&self.shared))
    }

    /// Tells when there are new events.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    /// How the last batch went.
    pub fn state(&self) -> StoreState {
        self.shared.state.get()
    }

    /// Stores a time when protection was wanted and did not run; one that began then and was still
    /// open gets its end.
    pub fn gap(&self, gap: Gap) -> Result<(), StoreError> {
        self.ask(|reply| Order::Gap(gap, reply))
    }

    /// Protection begins to run: an open gap ends. Where the run before was not ended, it was
    /// killed: the time from its last sign of life (the last batch that it wrote) is a gap.
    pub fn run_begins(&self) -> Result<(), StoreError> {
        self.ask(Order::RunBegins)
    }

    /// Protection ends: as its owner wished, or for a reason (a code) that makes a gap.
    pub fn run_ends(&self, reason: Option<&'static str>) -> Result<(), StoreError> {
        self.ask(|reply| Order::RunEnds(reason, reply))
    }

    /// Stores the version of a list or decoder that is in use, by name.
    pub fn version(&self, name: &str, version: &str) -> Result<(), StoreError> {
        self.ask(|reply| Order::Version(name.to_owned(), version.to_owned(), reply))
    }

    /// Writes what was sent so far; returns when it is committed or was counted as dropped.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.ask(Order::Flush)
    }

    /// Deletes everything and gives the space back. Event ids are not used again.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where a reader kept the log from being truncated: no query finds
    /// the data any more, but its bytes stay in the log; ask again when the reader is done.
    pub fn wipe(&self) -> Result<(), StoreError> {
        self.ask(Order::Wipe)
    }

    /// Keeps events for so many days and in so many bytes from now on; 0 sets no bound.
    pub fn keep(&self, retention_days: u32, max_bytes: u64) -> Result<(), StoreError> {
        self.ask(|reply| Order::Keep(retention_days, max_bytes, reply))
    }

    /// Writes what is queued, checkpoints and ends.
    pub fn close(mut self) -> Result<Summary, StoreError> {
        self.end()
    }

    fn end(&mut self) -> Result<Summary, StoreError> {
        let Some(thread) = self.thread.take() else { return Err(StoreError::Closed) };
        // Refused where the thread has ended by itself; joining then tells how.
        let _ = self.shared.order(Order::Close);
        thread.join().unwrap_or(Err(StoreError::Closed))
    }

    /// Sends an order and waits for its answer.
    fn ask(&self, order: impl FnOnce(Reply) -> Order) -> Result<(), StoreError> {
        let (reply, answer) = sync_channel(1);
        self.shared.order(order(reply))?;
        answer.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Runs SQL on the writer's connection.
    #[cfg(test)]
    pub(super) fn sql(&self, sql: &'static str) -> Result<(), StoreError> {
        self.ask(|reply| Order::Sql(sql, reply))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

struct Worker {
    db: WriterDb,
    ingest: Ingest,
    shared: Arc<Shared>,
    config: Config,
    hooks: Hooks,
    summary: Summary,
    /// Drops of this run that the database knows of.
    drops_stored: u64,
    batches: u64,
    /// Day of the last retention, days since 1970.
    day: i64,
    /// Whether each batch is a sign of life.
    running: bool,
}

/// Tells senders that nobody writes any more, however the thread ends.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Worker {
    fn run(mut self) -> Result<Summary, StoreError> {
        let guard = EndGuard(Arc::clone(&self.shared));
        self.retain_daily();
        loop {
            let mut taken = self.shared.take(STORE_DELAY);
            while !taken.records.is_empty() {
                let rest = taken.records.split_off(taken.records.len().min(STORE_BATCH));
                self.write(&Vec::from(std::mem::replace(&mut taken.records, rest)));
            }
            for order in taken.orders {
                match order {
                    Order::Close => {
                        drop(guard);
                        return self.close();
                    }
                    order => self.obey(order),
                }
            }
        }
    }

    fn close(mut self) -> Result<Summary, StoreError> {
        let stored = self.write_batch(&[]);
        self.summary.dropped = self.shared.dropped.load(Ordering::Relaxed);
        let checkpoint = self.db.checkpoint();
        stored.and(checkpoint).map(|()| self.summary)
    }

    fn obey(&mut self, order: Order) {
        let (reply, result) = match order {
            Order::Gap(gap, reply) => (reply, self.gap(&gap)),
            Order::Version(name, version, reply) => (reply, self.version(&name, &version)),
            Order::RunBegins(reply) => (reply, self.run_begins()),
            Order::RunEnds(reason, reply) => (reply, self.run_ends(reason)),
            Order::Flush(reply) => (reply, Ok(())),
            Order::Wipe(reply) => (reply, self.wipe()),
            Order::Keep(days, bytes, reply) => (reply, self.keep(days, bytes)),
            #[cfg(test)]
            Order::Sql(sql, reply) => {
                (reply, self.db.db.execute_batch(sql).map_err(StoreError::from))
            }
            Order::Close => return,
        };
        // Whoever asked may have stopped waiting.
        let _ = reply.send(result);
    }

    /// Writes records as one transaction, or counts them as lost.
    fn write(&mut self, records: &[Record]) {
        let count = records.len() as u64;
        match self.write_batch(records) {
            Ok(()) => {
                self.summary.records += count;
                self.shared.state.set(StoreState::Good);
            }
            Err(error) => self.lost(count, error),
        }
        self.shared.release_all(records.iter());
        self.batches += 1;
        self.retain_daily();
        if self.batches.is_multiple_of(BATCHES_PER_LOOK) {
            let shrunk =
                retention::shrink(&mut self.db.db, &mut self.ingest, self.config.max_bytes);
            self.note("size limit", shrunk);
        }
    }

    fn write_batch(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        self.ingest.begin();
        let outcome = self.transact(records, dropped - self.drops_stored);
        match outcome {
            Ok(()) => {
                self.ingest.done();
                self.drops_stored = dropped;
                self.summary.events += self.ingest.events;
                if self.ingest.events > 0 {
                    self.shared.commit();
                }
            }
            Err(_) => self.ingest.undo(),
        }
        outcome
    }

    fn transact(&mut self, records: &[Record], drops: u64) -> Result<(), StoreError> {
        let transaction = self.db.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in records {
            self.ingest.record(&transaction, record)?;
        }
        self.ingest.write_counts(&transaction)?;
        if drops > 0 {
            add_to_meta(&transaction, "drops", drops)?;
        }
        if self.running {
            transaction
                .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'run.alive'")?
                .execute([(self.hooks.now_ms)()])?;
        }
        Ok(transaction.commit()?)
    }

    fn lost(&mut self, records: u64, error: StoreError) {
        self.shared.lose(records);
        self.shared.state.set(error.into());
        log::warn!("store: {records} records lost: {error}");
    }

    /// At the first call and whenever the day has changed.
    fn retain_daily(&mut self) {
        let now_ms = (self.hooks.now_ms)();
        let day = now_ms.div_euclid(MS_PER_DAY);
        if day == self.day {
            return;
        }
        self.day = day;
        let outcome = self.retain(now_ms);
        self.note("retention", outcome);
    }

    fn retain(&mut self, now_ms: i64) -> Result<u64, StoreError> {
        let bounds = (self.config.retention_days, self.config.max_bytes);
        retention::retain(&mut self.db.db, &mut self.ingest, now_ms, bounds)
    }

    fn keep(&mut self, retention_days: u32, max_bytes: u64) -> Result<(), StoreError> {
        self.config.retention_days = retention_days;
        self.config.max_bytes = max_bytes;
        self.retain((self.hooks.now_ms)()).map(drop)
    }

    fn note(&self, what: &str, outcome: Result<u64, StoreError>) {
        match outcome {
            Ok(0) => {}
            Ok(events) => log::info!("store: {what}: {events} events deleted"),
            Err(error) => {
                self.shared.state.set(error.into());
                log::warn!("store: {what}: {error}");
            }
        }
    }

    fn gap(&self, gap: &Gap) -> Result<(), StoreError> {
        let ended = self.db.db.execute(
            "UPDATE gaps SET stop = ?2 WHERE start = ?1 AND stop IS NULL",
            (gap.start.0, gap.end.map(|t| t.0)),
        )?;
        if ended > 0 {
            return Ok(());
        }
        self.db.db.execute(
            "INSERT INTO gaps (start, stop, reason) VALUES (?1, ?2, ?3)",
            (gap.start.0, gap.end.map(|t| t.0), &gap.reason),
        )?;
        Ok(())
    }

    fn run_begins(&mut self) -> Result<(), StoreError> {
        gaps::run_begins(&mut self.db.db, (self.hooks.now_ms)())?;
        self.running = true;
        Ok(())
    }

    fn run_ends(&mut self, reason: Option<&str>) -> Result<(), StoreError> {
        self.running = false;
        gaps::run_ends(&mut self.db.db, (self.hooks.now_ms)(), reason)
    }

    fn version(&self, name: &str, version: &str) -> Result<(), StoreError> {
        self.db.db.execute(
            "INSERT INTO meta (key, value) VALUES ('version.' || ?1, ?2)
             ON CONFLICT DO UPDATE SET value = excluded.value",
            (name, version),
        )?;
        Ok(())
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let outcome = retention::wipe(&mut self.db.db, &mut self.ingest);
        if matches!(outcome, Ok(()) | Err(StoreError::Locked)) {
            self.drops_stored = dropped;
        }
        outcome
    }
}
