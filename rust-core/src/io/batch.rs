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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Bypass;
    use crate::wire::Unreachable;
    use std::net::UdpSocket;

    const TOKEN: Token = Token { index: 3, generation: 9 };
    const HOSTS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

    fn conn(host: &str, to: Option<&UdpSocket>) -> (Conn, SocketAddr) {
        let socket = UdpSocket::bind(host).unwrap();
        let addr = socket.local_addr().unwrap();
        if let Some(to) = to {
            socket.connect(to.local_addr().unwrap()).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        sys::keep_complaints(&socket.try_clone().unwrap().into(), addr.is_ipv4());
        (Conn::new(TOKEN, Proto::Udp, addr.is_ipv4(), socket.into()), addr)
    }

    fn peer(host: &str) -> UdpSocket {
        let socket = UdpSocket::bind(host).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        socket
    }

    /// Sends datagrams of these sizes, each to the peer of that number, and sees that they come.
    fn send(conn: &mut Conn, named: bool, peers: &[UdpSocket], sizes: &[(usize, usize)]) {
        let (opener, mut outbox, mut lost) =
            (Opener::new(Bypass::Anyway), Outbox::default(), vec![]);
        let bytes = |n: usize, size: usize| vec![n as u8; size];
        for (n, (size, to)) in sizes.iter().enumerate() {
            assert!(outbox.has_room(TOKEN, *size) && may_wait(conn, *size));
            let to = named.then(|| peers[*to].local_addr().unwrap());
            outbox.push(TOKEN, &bytes(n, *size), to);
        }
        outbox.send(conn, &opener, &mut lost);
        assert!(lost.is_empty() && outbox.token().is_none(), "{lost:?}");
        let mut into = [0; 2000];
        for (n, (size, to)) in sizes.iter().enumerate() {
            let len = peers[*to].recv(&mut into).unwrap();
            assert!(into[..len] == bytes(n, *size), "{n}: {len} of {size}");
        }
    }

    #[test]
    fn datagrams_keep_their_edges_and_their_order_however_they_leave() {
        let even: Vec<_> = (0..DATAGRAM_BATCH).map(|_| (1200, 0)).collect();
        let mixed = [(100, 0), (100, 0), (0, 0), (1, 0), (1400, 0), (100, 0), (50, 0)];
        let short_end = [(64, 0), (64, 0), (10, 0)];
        for host in HOSTS {
            for segments in [true, false] {
                let to = [peer(host)];
                let (mut conn, _) = conn(host, Some(&to[0]));
                conn.segments &= segments;
                for sizes in [&even[..], &mixed, &short_end, &[(7, 0)], &[(0, 0), (0, 0)]] {
                    send(&mut conn, false, &to, sizes);
                }
            }
        }
    }

    #[test]
    fn one_socket_sends_to_many_in_one_batch() {
        for host in HOSTS {
            let peers = [peer(host), peer(host), peer(host)];
            let (mut conn, _) = conn(host, None);
            let sizes: Vec<_> = (0..30).map(|n| (200, n % 3)).collect();
            send(&mut conn, true, &peers, &sizes);
            send(&mut conn, true, &peers, &[(300, 1), (300, 1), (300, 1)]);
        }
    }

    #[test]
    fn what_waits_comes_in_order_with_whose_it_is_and_then_nothing() {
        for host in HOSTS {
            let (conn, addr) = conn(host, None);
            let peers = [peer(host), peer(host)];
            for n in 0..100 {
                let sent = peers[n % 2].send_to(&vec![n as u8; n * 10], addr);
                assert_eq!(sent.unwrap(), n * 10);
            }
            let (mut inbox, mut into) = (Inbox::default(), vec![0; PACKET]);
            for n in 0..100 {
                let head = inbox.next(&conn, &mut into).unwrap();
                assert_eq!(head.from, Some(peers[n % 2].local_addr().unwrap()));
                assert!(into[..head.len] == vec![n as u8; n * 10], "{n}");
            }
            assert_eq!(inbox.next(&conn, &mut into).err(), Some(Errno::AGAIN));
        }
    }

    #[test]
    fn a_closed_port_in_a_batch_is_told_and_the_others_get_theirs() {
        for host in HOSTS {
            let open = peer(host);
            let closed = UdpSocket::bind(host).unwrap().local_addr().unwrap();
            let (mut conn, _) = conn(host, None);
            let (opener, mut outbox) = (Opener::new(Bypass::Anyway), Outbox::default());
            for _ in 0..3 {
                outbox.push(TOKEN, b"x", Some(closed));
                outbox.push(TOKEN, b"yy", Some(open.local_addr().unwrap()));
            }
            outbox.send(&mut conn, &opener, &mut Vec::new());
            for _ in 0..3 {
                assert_eq!(open.recv(&mut [0; 9]).unwrap(), 2);
            }
            let told = sys::take_complaint(&conn.fd).expect("the network's word");
            assert_eq!((told.to, told.why), (closed, Unreachable::Port));
        }
    }
}
