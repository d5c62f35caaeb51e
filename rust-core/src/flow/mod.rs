//! The table of flows: found by five-tuple, named by token, ordered by last use.
//!
//! Never looks into a flow, never closes one by itself, and never gives a token twice.

use crate::wire::FiveTuple;
use hashbrown::HashMap;

/// Names a flow toward the effects; a token of a flow that is gone finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    /// Place in the table, small and reused.
    pub index: u32,
    /// Tells apart those who use the place one after another.
    pub generation: u32,
}

impl Token {
    /// One number, for an event queue's user data.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`Token::to_u64`].
    pub fn from_u64(value: u64) -> Self {
        Self { index: value as u32, generation: (value >> 32) as u32 }
    }
}

const NONE: u32 = u32::MAX;
/// Places that an empty table keeps.
const KEPT: usize = 1024;

struct Place<F> {
    generation: u32,
    tuple: Option<FiveTuple>,
    /// Used more recently than this one.
    newer: u32,
    /// Used less recently than this one.
    older: u32,
    flow: Option<F>,
}

/// Flows by five-tuple and token.
pub struct Table<F> {
    by_tuple: HashMap<FiveTuple, u32>,
    places: Vec<Place<F>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    tokens_given: u32,
}

impl<F> Default for Table<F> {
    fn default() -> Self {
        Self {
            by_tuple: HashMap::new(),
            places: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            tokens_given: 0,
        }
    }
}

impl<F> Table<F> {
    /// Flows in the table.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a flow in, as the one used last. `tuple` is free, or `None` for a flow that no packet
    /// belongs to.
    pub fn insert(&mut self, tuple: Option<FiveTuple>, flow: F) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                tuple: None,
                newer: NONE,
                older: NONE,
                flow: None,
            });
            (self.places.len() - 1) as u32
        });
        if let Some(tuple) = tuple {
            self.by_tuple.insert(tuple, index);
        }
        let place = &mut self.places[index as usize];
        self.tokens_given = self.tokens_given.wrapping_add(1);
        let generation = self.tokens_given;
        (place.tuple, place.flow, place.generation) = (tuple, Some(flow), generation);
        self.link(index);
        Token { index, generation }
    }

    /// The flow of a packet.
    pub fn find(&self, tuple: &FiveTuple) -> Option<Token> {
        let index = *self.by_tuple.get(tuple)?;
        Some(Token { index, generation: self.places[index as usize].generation })
    }

    /// The flow of a token.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut F> {
        let place = self.places.get_mut(token.index as usize)?;
        if place.generation != token.generation {
            return None;
        }
        place.flow.as_mut()
    }

    /// Marks the flow as the one used last.
    pub fn touch(&mut self, token: Token) {
        if self.newest != token.index && self.get_mut(token).is_some() {
            self.unlink(token.index);
            self.link(token.index);
        }
    }

    /// The flow that was used least recently.
    pub fn oldest(&self) -> Option<Token> {
        let place = self.places.get(self.oldest as usize)?;
        Some(Token { index: self.oldest, generation: place.generation })
    }

    /// The flow that was used least recently of those that are meant.
    pub fn oldest_where(&self, meant: impl Fn(Token, &F) -> bool) -> Option<Token> {
        let mut index = self.oldest;
        while let Some(place) = self.places.get(index as usize) {
            let token = Token { index, generation: place.generation };
            if place.flow.as_ref().is_some_and(|flow| meant(token, flow)) {
                return Some(token);
            }
            index = place.newer;
        }
        None
    }

    /// Takes a flow out.
    pub fn remove(&mut self, token: Token) -> Option<F> {
        self.get_mut(token)?;
        self.unlink(token.index);
        let place = &mut self.places[token.index as usize];
        if let Some(tuple) = place.tuple.take() {
            self.by_tuple.remove(&tuple);
        }
        let flow = place.flow.take();
        self.free.push(token.index);
        if self.is_empty() && self.places.capacity() > KEPT {
            // A busy time is over.
            (self.places, self.free, self.by_tuple) = Default::default();
        }
        flow
    }

    /// All tokens, the one used last first.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(self.len());
        let mut index = self.newest;
        while let Some(place) = self.places.get(index as usize) {
            tokens.push(Token { index, generation: place.generation });
            index = place.older;
        }
        tokens
    }

    fn link(&mut self, index: u32) {
        let second = std::mem::replace(&mut self.newest, index);
        let place = &mut self.places[index as usize];
        (place.newer, place.older) = (NONE, second);
        match self.places.get_mut(second as usize) {
            Some(place) => place.newer = index,
            None => self.oldest = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let Place { newer, older, .. } = self.places[index as usize];
        match self.places.get_mut(newer as usize) {
            Some(place) => place.older = older,
            None => self.newest = older,
        }
        match self.places.get_mut(older as usize) {
            Some(place) => place.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Proto;

    fn tuple(port: u16) -> FiveTuple {
        FiveTuple {
            proto: Proto::Tcp,
            src: ([10, 0, 0, 1], port).into(),
            dst: ([10, 0, 0, 2], 80).into(),
        }
    }

    #[test]
    fn a_flow_is_found_by_tuple_and_token_until_it_is_removed() {
        let mut table = Table::default();
        let token = table.insert(Some(tuple(1)), "a");
        assert_eq!(table.find(&tuple(1)), Some(token));
        assert_eq!(table.get_mut(token), Some(&mut "a"));
        assert_eq!(Token::from_u64(token.to_u64()), token);
        assert_eq!(table.remove(token), Some("a"));
        assert_eq!(table.find(&tuple(1)), None);
        assert_eq!(table.remove(token), None);
        assert!(table.is_empty());
    }

    #[test]
    fn an_old_token_finds_nothing_in_a_reused_place() {
        let mut table = Table::default();
        let old = table.insert(Some(tuple(1)), "a");
        table.remove(old);
        let new = table.insert(None, "b");
        assert_eq!(new.index, old.index);
        assert_eq!(table.get_mut(old), None);
        assert_eq!(table.get_mut(new), Some(&mut "b"));
    }

    #[test]
    fn the_order_is_that_of_use() {
        let mut table = Table::default();
        let tokens: Vec<_> = (1..=4).map(|n| table.insert(Some(tuple(n)), n)).collect();
        assert_eq!(table.oldest(), Some(tokens[0]));
        table.touch(tokens[0]);
        table.touch(tokens[2]);
        table.touch(tokens[2]);
        table.remove(tokens[3]);
        assert_eq!(table.tokens(), [tokens[2], tokens[0], tokens[1]]);
        assert_eq!(table.oldest(), Some(tokens[1]));
        assert_eq!(table.oldest_where(|_, n| *n % 2 == 1), Some(tokens[0]));
        assert_eq!(table.oldest_where(|_, n| *n > 4), None);
        for token in tokens {
            table.remove(token);
        }
        assert_eq!((table.oldest(), table.len()), (None, 0));
    }
}
