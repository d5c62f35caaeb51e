//! What the engine asks of the world: packets to the apps, sockets to the network, owners of
//! flows, and a place for records. Ring 2 implements it with descriptors, tests with fakes.

use crate::event::Record;
use crate::flow::Token;
use crate::tcp::PacketSink;
use crate::wire::{FiveTuple, Proto, Unreachable};
use std::net::SocketAddr;

/// The moment at which something is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// A clock that never jumps, microseconds.
    pub mono_us: i64,
    /// The wall clock, milliseconds since 1970 UTC. May jump.
    pub wall_ms: i64,
}

/// Why there is no connection to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The host answered with a reset.
    #[error("connection refused")]
    Refused,
    /// No way to the host, or no answer.
    #[error("host unreachable")]
    Unreachable,
    /// No descriptor is left.
    #[error("too many open connections")]
    Limit,
}

/// What reading a socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes; for a datagram socket one datagram, perhaps an empty one.
    Bytes(usize),
    /// The stream has ended.
    End,
    /// Nothing yet; the engine is told when that changes.
    Later,
    /// The connection broke.
    Failed,
}

/// What writing a socket did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes were taken.
    Bytes(usize),
    /// Nothing was taken; the engine is told when that changes.
    Later,
    /// A datagram that the path does not take whole; the largest packet that it takes, bytes.
    TooLong(u16),
    /// The connection broke.
    Failed,
}

/// A datagram that was taken and could not be sent after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Of which socket.
    pub token: Token,
    /// To whom it was, where the socket is connected to nobody.
    pub to: Option<SocketAddr>,
    /// Its bytes.
    pub len: usize,
    /// What the system said; never [`Sent::Bytes`].
    pub why: Sent,
}

/// What the network said of a packet that a datagram socket had sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// To whom it was.
    pub to: SocketAddr,
    /// What became of it.
    pub why: Unreachable,
}

/// Who owns a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user id; `None` where the system does not know either.
    Known(Option<u32>),
    /// [`super::Engine::handle_owner`] will be called, unless the answer never comes.
    Later,
    /// Too many look-ups wait already: nobody will say.
    Busy,
}

/// What a socket is ready for, since the last time it was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Bytes, the end, or an error wait.
    pub readable: bool,
    /// Room, the connection, or an error.
    pub writable: bool,
    /// An error; for a datagram socket perhaps a [`Complaint`].
    pub failed: bool,
}

/// What the engine asks of the world. One socket a token at most.
pub trait Effects: PacketSink {
    /// Begins to connect; [`super::Engine::handle_socket`] follows.
    fn connect(&mut self, token: Token, proto: Proto, to: SocketAddr) -> Result<(), ConnectError>;
    /// Opens a datagram socket that is connected to nobody. Only Deep reach asks for one; a world
    /// without it has none.
    fn open_datagrams(&mut self, _token: Token, _ipv4: bool) -> Result<(), ConnectError> {
        Err(ConnectError::Unreachable)
    }
    /// Sends a datagram from it.
    fn send_to(&mut self, _token: Token, _bytes: &[u8], _to: SocketAddr) -> Sent {
        Sent::Failed
    }
    /// Takes a datagram from it, and tells whose it is; `None` when there is none.
    fn recv_from(&mut self, _token: Token, _into: &mut [u8]) -> Option<(usize, SocketAddr)> {
        None
    }
    /// Sends the datagrams that wait for others to leave with them, and tells of the next one that
    /// did not go; `None` when that is all.
    fn undelivered(&mut self) -> Option<Undelivered> {
        None
    }
    /// The next thing that the network said of what a datagram socket sent; `None` when that is
    /// all.
    fn complaint(&mut self, _token: Token) -> Option<Complaint> {
        None
    }
    /// Gives the socket of one token to another, which has none.
    fn take_over(&mut self, from: Token, to: Token);
    /// How the connect of a writable socket ended.
    fn connect_result(&mut self, token: Token) -> Result<(), ConnectError>;
    /// Whether a connected socket broke: what no read tells once the stream has ended.
    fn socket_error(&mut self, token: Token) -> bool {
        self.connect_result(token).is_err()
    }
    /// Reads.
    fn recv(&mut self, token: Token, into: &mut [u8]) -> Received;
    /// Writes.
    fn send(&mut self, token: Token, bytes: &[u8]) -> Sent;
    /// Ends our direction of the stream.
    fn finish(&mut self, token: Token);
    /// Closes the socket, if there is one; `reset` tells the other end that it was no peaceful end.
    fn close(&mut self, token: Token, reset: bool);
    /// Sends a datagram to the upstream resolver of this number.
    fn ask(&mut self, resolver: usize, message: &[u8]);
    /// The network is another one: resolvers are these, and spoken to by new sockets.
    fn network_changed(&mut self, _resolvers: &[SocketAddr]) {}
    /// Whether there is a socket that can carry nothing any more, because the address that it
    /// speaks from is none of this device's. Asked after [`Effects::network_changed`].
    fn is_dead(&mut self, _token: Token) -> bool {
        false
    }
    /// Looks up who owns a flow. Never blocks.
    fn owner(&mut self, token: Token, tuple: &FiveTuple) -> Owner;
    /// Hands a record to the store. Never blocks.
    fn record(&mut self, record: Record);
}
