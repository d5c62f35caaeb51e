//! Datagrams in batches: those that go out of one socket one after another leave by one system
//! call, and what waits in a socket comes by one.
//!
//! Keeps the order of each socket, and holds nothing beyond one turn of the thread.

use super::sys;
use super::world::{Conn, Opener};
use crate::engine::{Sent, Undelivered};
use crate::flow::Token;
use crate::limits::{self, DATAGRAM_BATCH, PACKET};
use crate::wire::Proto;
use rustix::io::Errno;
use std::net::SocketAddr;

/// Bytes that leave together: what one packet may hold, whose place the system may give them.
const OUT: usize = 60_000;

/// Datagrams of one socket that wait for more of them.
#[derive(Default)]
pub(super) struct Outbox {
    token: Option<Token>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Where a datagram ends in the bytes, and to whom it is where its socket is connected to nobody.
pub(super) struct Piece {
    pub(super) end: usize,
    pub(super) to: Option<SocketAddr>,
}

impl Outbox {
    /// Whose datagrams wait.
    pub(super) fn token(&self) -> Option<Token> {
        self.token
    }

    /// Whether there is room for one more of this socket's.
    pub(super) fn has_room(&self, token: Token, len: usize) -> bool {
        let room = self.pieces.len() < DATAGRAM_BATCH && self.bytes.len() + len <= OUT;
        self.token.is_none_or(|other| other == token) && room
    }

    pub(super) fn push(&mut self, token: Token, bytes: &[u8], to: Option<SocketAddr>) {
        self.token = Some(token);
        self.bytes.extend_from_slice(bytes);
        self.pieces.push(Piece { end: self.bytes.len(), to });
    }

    fn clear(&mut self) {
        self.token = None;
        self.bytes.clear();
        self.pieces.clear();
    }

    fn piece(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).map_or(0, |before| self.pieces[before].end);
        &self.bytes[begin..self.pieces[at].end]
    }

    /// The size of all datagrams, if they are to one and the same and equal but for a shorter last
    /// one.
    fn even(&self) -> Option<usize> {
        let (size, last) = (self.piece(0).len(), self.pieces.len() - 1);
        let whole = |at: usize| self.piece(at).len() == size;
        let even = last > 0
            && size > 0
            && (1..last).all(whole)
            && (1..=size).contains(&self.piece(last).len())
            && self.pieces.iter().all(|piece| piece.to == self.pieces[0].to);
        even.then_some(size)
    }

    /// Sends everything, and notes what did not go.
    pub(super) fn send(&mut self, conn: &mut Conn, opener: &Opener, lost: &mut Vec<Undelivered>) {
        let Some(token) = self.token else { return };
        conn.allow_cutting(false);
        let mut sent = 0;
        if conn.segments
            && let Some(size) = self.even()
        {
            match sys::send_segments(&conn.fd, &self.bytes, size, self.pieces[0].to) {
                Ok(()) => sent = self.pieces.len(),
                // A way that cannot cut them; or one of them went wrong, which is told below.
                Err(Errno::IO | Errno::INVAL | Errno::OPNOTSUPP) => conn.segments = false,
                Err(_) => {}
            }
        }
        while sent < self.pieces.len() {
            if let Ok(count @ 1..) = sys::send_many(&conn.fd, &self.bytes, &self.pieces, sent) {
                sent += count;
                continue;
            }
            let to = self.pieces[sent].to;
            let bytes = self.piece(sent);
            match conn.send_datagram(bytes, to, opener) {
                Sent::Bytes(_) => {}
                why => lost.push(Undelivered { token, to, len: bytes.len(), why }),
            }
            sent += 1;
        }
        self.clear();
    }
}

/// Datagrams that came out of one socket together and were not asked for yet.
#[derive(Default)]
pub(super) struct Inbox {
    /// A place of [`PACKET`] bytes for each; empty until the first one.
    bytes: Vec<u8>,
    heads: Vec<Head>,
    next: usize,
    /// Whose they are.
    token: Option<Token>,
}

/// A datagram's length, and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) from: Option<SocketAddr>,
}

impl Inbox {
    /// The next datagram of a socket. Each is emptied before another one is asked.
    pub(super) fn next(&mut self, conn: &Conn, into: &mut [u8]) -> Result<Head, Errno> {
        if self.next == self.heads.len() || self.token != Some(conn.token) {
            self.bytes.resize(DATAGRAM_BATCH * PACKET, 0);
            self.heads.clear();
            self.next = 0;
            self.token = Some(conn.token);
            sys::recv_many(&conn.fd, &mut self.bytes, &mut self.heads)?;
        }
        let at = self.next;
        let head = *self.heads.get(at).ok_or(Errno::AGAIN)?;
        self.next += 1;
        let datagram = &self.bytes[at * PACKET..][..head.len];
        into.get_mut(..head.len).ok_or(Errno::MSGSIZE)?.copy_from_slice(datagram);
        Ok(head)
    }

    /// Forgets what was not asked for: its socket is gone.
    pub(super) fn clear(&mut self) {
        self.token = None;
    }
}

/// Whether a datagram may wait for others: not one that may be cut on its way, which needs the
/// socket's option to be another.
pub(super) fn may_wait(conn: &Conn, len: usize) -> bool {
    conn.proto == Proto::Udp && conn.packet(len) <= limits::UNCUT
}
