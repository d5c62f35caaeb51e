//! Questions that wait for the upstream resolver. One that is asked again while it waits, by
//! whomever, is not sent again: all who asked it get the one answer.
//!
//! Never reads an answer.

use super::{Now, keyed};
use crate::dns;
use crate::flow::Token;
use crate::limits;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::SocketAddr;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// An app, by a datagram.
    Datagram { app: SocketAddr, resolver: SocketAddr },
    /// An app, over a connection to the virtual resolver.
    Stream(Token),
    /// A flow of ours that wants to connect to the real name.
    Flow(Token),
}

impl Asker {
    /// Whether it is told of a truncated answer, and asks again by itself.
    pub(super) fn by_datagram(&self) -> bool {
        matches!(self, Self::Datagram { .. })
    }
}

/// One who asked, and the id under which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) asker: Asker,
    pub(super) id: u16,
}

pub(super) struct Question {
    first: Waiter,
    /// Who asked the same while it waited.
    more: Vec<Waiter>,
    /// Of all but the id of the message.
    hash: u64,
    pub(super) qtype: u16,
    /// The message as it went upstream. Its room is kept for the next question in this place.
    pub(super) message: Vec<u8>,
    pub(super) sent_us: i64,
    pub(super) tries: u8,
    pub(super) resolver: usize,
}

impl Question {
    pub(super) fn by_datagram(&self) -> bool {
        self.first.asker.by_datagram()
    }

    fn is(&self, asker: &Asker, message: &[u8]) -> bool {
        self.by_datagram() == asker.by_datagram() && self.message.get(2..) == message.get(2..)
    }
}

/// What became of a question.
pub(super) enum Asked {
    /// It is to be sent under this id.
    New(u16),
    /// It was sent already.
    Shared,
    /// Too many wait.
    Full,
}

/// See the module.
pub(super) struct Questions {
    by_id: HashMap<u16, u16>,
    by_hash: HashMap<u64, u16>,
    places: Vec<Question>,
    free: Vec<u16>,
    waiters: usize,
    /// In the order in which they were sent; entries that were answered are skipped.
    order: VecDeque<(i64, u16)>,
    seed: [u64; 2],
    ids_drawn: u64,
}

const TIMEOUT_US: i64 = limits::DNS_TIMEOUT.as_micros() as i64;

impl Questions {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            by_id: HashMap::new(),
            by_hash: HashMap::new(),
            places: Vec::new(),
            free: Vec::new(),
            waiters: 0,
            order: VecDeque::new(),
            seed,
            ids_drawn: 1,
        }
    }

    pub(super) fn add(&mut self, now: Now, asker: Asker, message: &[u8], qtype: u16) -> Asked {
        let first = Waiter { asker, id: dns::id(message).unwrap_or_default() };
        let hash = self.by_hash.hasher().hash_one((asker.by_datagram(), message.get(2..)));
        let full = self.waiters >= limits::DNS_PENDING;
        let same = self.by_hash.get(&hash).copied().and_then(|id| self.get(id));
        if let Some(question) = same.filter(|question| question.is(&asker, message))
            && question.more.len() < limits::DNS_SHARED
        {
            // An app that loses patience says the same once more, and hears once.
            if question.first == first || question.more.contains(&first) {
                return Asked::Shared;
            }
            if !full {
                question.more.push(first);
                self.waiters += 1;
                return Asked::Shared;
            }
        }
        if full {
            return Asked::Full;
        }
        let id = self.draw_id();
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Question {
                first,
                more: Vec::new(),
                hash,
                qtype,
                message: Vec::with_capacity(128),
                sent_us: 0,
                tries: 0,
                resolver: 0,
            });
            (self.places.len() - 1) as u16
        });
        let question = &mut self.places[usize::from(place)];
        (question.first, question.hash, question.qtype) = (first, hash, qtype);
        question.more.clear();
        question.message.clear();
        question.message.extend_from_slice(message);
        dns::set_id(&mut question.message, id);
        (question.sent_us, question.tries, question.resolver) = (now.mono_us, 1, 0);
        self.by_id.insert(id, place);
        self.by_hash.insert(hash, id);
        self.waiters += 1;
        self.order.push_back((now.mono_us, id));
        Asked::New(id)
    }

    fn draw_id(&mut self) -> u16 {
        loop {
            self.ids_drawn += 1;
            let id = keyed(self.seed, self.ids_drawn) as u16;
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// How many wait for an answer.
    pub(super) fn len(&self) -> usize {
        self.waiters
    }

    /// Those that wait, in the order in which they were asked.
    pub(super) fn waiting(&mut self) -> Vec<u16> {
        let mut waiting: Vec<_> = self.by_id.iter().map(|(id, place)| (*place, *id)).collect();
        waiting.sort_by_key(|(place, id)| {
            (self.places.get(usize::from(*place)).map(|question| question.sent_us), *id)
        });
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn get(&mut self, id: u16) -> Option<&mut Question> {
        let place = *self.by_id.get(&id)?;
        self.places.get_mut(usize::from(place))
    }

    /// Takes a question out; who waits for it.
    pub(super) fn remove(&mut self, id: u16) -> Option<Waiters> {
        let place = self.by_id.remove(&id)?;
        self.free.push(place);
        let question = self.places.get_mut(usize::from(place))?;
        if self.by_hash.get(&question.hash) == Some(&id) {
            self.by_hash.remove(&question.hash);
        }
        let waiters = Waiters { first: question.first, more: std::mem::take(&mut question.more) };
        self.waiters -= 1 + waiters.more.len();
        Some(waiters)
    }

    /// Leaves the room of a message that was taken out to the next question.
    pub(super) fn keep_room(&mut self, message: Vec<u8>) {
        if let Some(place) = self.free.last() {
            self.places[usize::from(*place)].message = message;
        }
    }

    /// Forgets what a flow of ours asked; others who ask the same go on waiting.
    pub(super) fn forget(&mut self, flow: Token) {
        let asker = Asker::Flow(flow);
        for id in self.waiting() {
            let Some(question) = self.get(id) else { continue };
            let before = question.more.len();
            question.more.retain(|waiter| waiter.asker != asker);
            let mut gone = before - question.more.len();
            if question.first.asker == asker {
                match question.more.pop() {
                    Some(next) => {
                        question.first = next;
                        gone += 1;
                    }
                    None => _ = self.remove(id),
                }
            }
            self.waiters -= gone;
        }
    }

    /// Puts a question at the end of those that wait for an answer.
    pub(super) fn sent(&mut self, now: Now, id: u16) {
        self.order.push_back((now.mono_us, id));
    }

    /// Takes the question that waits longest out of the order.
    pub(super) fn pop(&mut self) -> Option<u16> {
        self.order.pop_front().map(|(_, id)| id)
    }

    /// Forgets the order.
    pub(super) fn begin_anew(&mut self) {
        self.order.clear();
    }

    /// The earliest moment at which a question has waited too long.
    pub(super) fn deadline(&mut self) -> Option<i64> {
        while let Some(&(sent_us, id)) = self.order.front() {
            if self.get(id).is_some_and(|q| q.sent_us == sent_us) {
                return Some(sent_us + TIMEOUT_US);
            }
            self.order.pop_front();
        }
        None
    }
}

/// All who wait for one answer, the one who asked first in front.
pub(super) struct Waiters {
    first: Waiter,
    more: Vec<Waiter>,
}

impl IntoIterator for Waiters {
    type Item = Waiter;
    type IntoIter = std::iter::Chain<std::iter::Once<Waiter>, std::vec::IntoIter<Waiter>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.more)
    }
}
