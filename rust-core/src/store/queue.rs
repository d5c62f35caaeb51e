//! The bounded way into the writer. Never blocks a sender and never grows past its bounds.
//!
//! A queue of its own instead of a channel, because the writer is to be woken once a batch and not
//! once a record.

use super::error::StateCell;
use super::{Gap, StoreError, StoreState};
use crate::event::Record;
use crate::limits::{STORE_BATCH, STORE_QUEUE, STORE_QUEUE_BYTES};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Hands records to the writer thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RecordSender(pub(super) Arc<Shared>);

impl RecordSender {
    /// Queues a record; `false` where it did not fit or the writer has ended, which is counted.
    pub fn send(&self, record: Record) -> bool {
        self.0.push(record)
    }

    /// Records lost since the writer was opened, in the queue or to a failed transaction.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// How the last batch went.
    pub fn state(&self) -> StoreState {
        self.0.state.get()
    }
}

/// Tells when events were committed.
#[derive(Clone, Debug)]
pub struct Watch(pub(super) Arc<Shared>);

impl Watch {
    /// A number that grows with each commit of events, and by [`Watch::wake`].
    pub fn count(&self) -> u64 {
        *self.0.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the count is another than `seen`, or until `deadline`.
    pub fn wait(&self, seen: u64, deadline: Instant) {
        let mut count = self.0.commits.lock().unwrap_or_else(PoisonError::into_inner);
        while *count == seen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.0.committed.wait_timeout(count, left);
            count = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wakes all who wait.
    pub fn wake(&self) {
        self.0.commit();
    }
}

/// Where the answer to an [`Order`] goes.
pub(super) type Reply = SyncSender<Result<(), StoreError>>;

/// What the owner of the writer asks of it, besides records. Taken after the records sent before.
#[derive(Debug)]
pub(super) enum Order {
    Gap(Gap, Reply),
    Version(String, String, Reply),
    RunBegins(Reply),
    RunEnds(Option<&'static str>, Reply),
    Flush(Reply),
    Wipe(Reply),
    Keep(u32, u64, Reply),
    Close,
    /// Runs on the writer's connection, for faults that cannot be had otherwise.
    #[cfg(test)]
    Sql(&'static str, Reply),
}

/// What both ends share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    wake: Condvar,
    /// Commits of events, for [`Watch`].
    commits: Mutex<u64>,
    committed: Condvar,
    /// Records sent and not yet released by the writer.
    waiting: AtomicUsize,
    /// Their bodies' bytes.
    bytes: AtomicUsize,
    pub(super) dropped: AtomicU64,
    pub(super) state: StateCell,
}

#[derive(Debug, Default)]
struct Inner {
    records: VecDeque<Record>,
    orders: VecDeque<Order>,
    ended: bool,
}

/// What the writer takes at once: the records first, then the orders.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) records: VecDeque<Record>,
    pub(super) orders: VecDeque<Order>,
}

/// Bytes of a record that the bound counts: a body is the only large part.
fn body_bytes(record: &Record) -> usize {
    match record {
        Record::Request { request, .. } => request.body.len(),
        _ => 0,
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, record: Record) -> bool {
        let bytes = body_bytes(&record);
        if !reserve(&self.waiting, 1, STORE_QUEUE) {
            return self.lose(1);
        }
        if !reserve(&self.bytes, bytes, STORE_QUEUE_BYTES) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return self.lose(1);
        }
        let mut inner = self.lock();
        if inner.ended {
            drop(inner);
            self.release(1, bytes);
            return self.lose(1);
        }
        inner.records.push_back(record);
        let count = inner.records.len();
        drop(inner);
        if count == 1 || count == STORE_BATCH {
            self.wake.notify_one();
        }
        true
    }

    /// Counts lost records; `false`, as the answer to whoever sent them.
    pub(super) fn lose(&self, records: u64) -> bool {
        self.dropped.fetch_add(records, Ordering::Relaxed);
        false
    }

    /// Gives the room of written records back.
    pub(super) fn release(&self, records: usize, bytes: usize) {
        self.waiting.fetch_sub(records, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Gives the room of these records back.
    pub(super) fn release_all<'a>(&self, records: impl Iterator<Item = &'a Record>) {
        let (count, bytes) =
            records.fold((0, 0), |(count, bytes), r| (count + 1, bytes + body_bytes(r)));
        self.release(count, bytes);
    }

    /// Tells who watches that there are new events.
    pub(super) fn commit(&self) {
        let mut count = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.wrapping_add(1);
        self.committed.notify_all();
    }

    pub(super) fn order(&self, order: Order) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.ended {
            return Err(StoreError::Closed);
        }
        inner.orders.push_back(order);
        drop(inner);
        self.wake.notify_one();
        Ok(())
    }

    /// Waits without a timeout for something to do, then until a batch is full, `delay` after the
    /// first record has passed or an order came, and takes all there is.
    pub(super) fn take(&self, delay: std::time::Duration) -> Taken {
        let mut inner = self.lock();
        while inner.records.is_empty() && inner.orders.is_empty() {
            inner = self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let deadline = Instant::now() + delay;
        while inner.records.len() < STORE_BATCH && inner.orders.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Taken {
            records: std::mem::take(&mut inner.records),
            orders: std::mem::take(&mut inner.orders),
        }
    }

    /// Refuses everything from now on; what is still queued is lost and counted.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let records = std::mem::take(&mut inner.records);
        inner.orders.clear();
        drop(inner);
        self.release_all(records.iter());
        self.lose(records.len() as u64);
        self.state.set(StoreState::Closed);
    }
}

/// Adds `amount` where the sum stays within `bound`.
fn reserve(counter: &AtomicUsize, amount: usize, bound: usize) -> bool {
    let add = |now: usize| now.checked_add(amount).filter(|sum| *sum <= bound);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FlowId;
    use crate::http::Request;
    use std::time::Duration;

    fn closed() -> Record {
        Record::Closed { flow: FlowId(1), time_ms: 0, up: 0, down: 0 }
    }

    fn request(size: usize) -> Record {
        let request = Box::new(Request { body: vec![0; size], ..Request::default() });
        Record::Request { flow: FlowId(1), time_ms: 0, request }
    }

    #[test]
    fn records_above_the_bound_are_dropped_and_counted() {
        let sender = RecordSender(Arc::default());
        for _ in 0..STORE_QUEUE {
            assert!(sender.send(closed()));
        }
        assert!(!sender.send(closed()));
        assert_eq!(sender.dropped(), 1);
        let taken = sender.0.take(Duration::ZERO);
        assert!(!sender.send(closed()), "taken is not yet released");
        sender.0.release_all(taken.records.iter());
        assert!(sender.send(closed()));
        assert_eq!(sender.dropped(), 2);
    }

    #[test]
    fn bodies_above_the_bound_are_dropped_and_small_records_still_pass() {
        let sender = RecordSender(Arc::default());
        for _ in 0..16 {
            assert!(sender.send(request(STORE_QUEUE_BYTES / 16)));
        }
        assert!(!sender.send(request(1)));
        assert!(sender.send(closed()));
        assert_eq!(sender.dropped(), 1);
    }

    #[test]
    fn an_ended_writer_refuses_and_counts_what_was_queued() {
        let sender = RecordSender(Arc::default());
        assert!(sender.send(closed()));
        sender.0.end();
        assert!(!sender.send(closed()));
        assert_eq!(sender.dropped(), 2);
        assert_eq!(sender.state(), StoreState::Closed);
        assert_eq!(sender.0.order(Order::Close), Err(StoreError::Closed));
    }
}
