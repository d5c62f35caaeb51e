//! What moves bytes between an app's connection and its other end, one bounded turn at a time.
//!
//! Never copies into a buffer of its own: bytes go from a ring into a socket, and from a socket
//! into a ring.

use super::gate::Gate;
use super::inspect::Inspect;
use super::local::{Local, Taken};
use super::{Effects, Now, Received, Sent};
use crate::event::FlowId;
use crate::flow::Token;
use crate::limits;
use crate::tcp::Socket;

/// A connection of an app, and what it is joined to.
pub(super) struct Open {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) inspect: Inspect,
}

/// The other end.
pub(super) enum Peer {
    /// Not known yet: the app's first bytes will tell.
    Gate(Box<Gate>),
    /// Being connected to.
    Joining {
        until_us: i64,
    },
    Network {
        readable: bool,
        writable: bool,
        ended: bool,
        finished: bool,
    },
    Local(Local),
}

/// What a turn of pumping came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing more to do until something happens.
    Rest,
    /// The budget is used up, and there is more.
    Again,
    /// The network side broke.
    Broken,
    /// A captured flow that cannot be answered.
    Refused,
}

/// One turn of a flow that is joined to the network.
pub(super) struct Pipe {
    pub(super) token: Token,
    pub(super) id: FlowId,
    pub(super) now: Now,
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Pipe {
    pub(super) fn turn(&mut self, open: &mut Open, fx: &mut dyn Effects) -> Turn {
        match self.send_up(open, fx) {
            Turn::Rest => self.fetch_down(open, fx),
            Turn::Again => match self.fetch_down(open, fx) {
                Turn::Rest => Turn::Again,
                other => other,
            },
            other => other,
        }
    }

    /// App to network, straight out of the receive ring.
    fn send_up(&mut self, open: &mut Open, fx: &mut dyn Effects) -> Turn {
        let Open { socket, peer, inspect } = open;
        let Peer::Network { writable, finished, .. } = peer else { return Turn::Rest };
        // smoltcp takes bytes that follow the app's end; the network side cannot.
        if *finished && socket.can_recv() {
            return Turn::Broken;
        }
        while *writable && socket.can_recv() {
            if self.up >= limits::PUMP_BUDGET as u64 {
                return Turn::Again;
            }
            let sent = socket.recv(|bytes| {
                let sent = fx.send(self.token, bytes);
                let Sent::Bytes(n) = sent else { return (0, sent) };
                inspect.feed(self.id, self.now.wall_ms, &bytes[..n], &mut |r| fx.record(r));
                *writable = n == bytes.len();
                (n, sent)
            });
            match sent {
                Some(Sent::Bytes(n)) => self.up += n as u64,
                Some(Sent::Later) | None => *writable = false,
                Some(Sent::TooLong(_) | Sent::Failed) => return Turn::Broken,
            }
        }
        if socket.app_finished() && !*finished {
            fx.finish(self.token);
            *finished = true;
        }
        Turn::Rest
    }

    /// Network to app, straight into the send ring.
    fn fetch_down(&mut self, open: &mut Open, fx: &mut dyn Effects) -> Turn {
        let Open { socket, peer, .. } = open;
        let Peer::Network { readable, ended, .. } = peer else { return Turn::Rest };
        // A reset behind the server's end shows in no read, and an app that is silent would never
        // hear of it.
        if *ended && std::mem::take(readable) && fx.socket_error(self.token) {
            return Turn::Broken;
        }
        while *readable && !*ended && socket.can_send() {
            if self.down >= limits::PUMP_BUDGET as u64 {
                return Turn::Again;
            }
            let received = socket.send(|room| match fx.recv(self.token, room) {
                Received::Bytes(n) => (n, Received::Bytes(n)),
                other => (0, other),
            });
            match received {
                Some(Received::Bytes(n)) => self.down += n as u64,
                Some(Received::Later) | None => *readable = false,
                Some(Received::Failed) => return Turn::Broken,
                Some(Received::End) if fx.socket_error(self.token) => return Turn::Broken,
                Some(Received::End) => {
                    (*ended, *readable) = (true, false);
                    socket.finish();
                }
            }
        }
        Turn::Rest
    }
}

/// One turn of a flow that ends here: takes what the app says. Returns the bytes taken, too.
pub(super) fn take_local(
    id: FlowId,
    now: Now,
    socket: &mut Socket,
    local: &mut Local,
    fx: &mut dyn Effects,
) -> (Turn, u64) {
    let mut up = 0;
    while socket.can_recv() && local.wants_more() {
        if up >= limits::PUMP_BUDGET {
            return (Turn::Again, up as u64);
        }
        let taken = socket.recv(|bytes| {
            up += bytes.len();
            (bytes.len(), local.take(id, now.wall_ms, bytes, &mut |r| fx.record(r)))
        });
        match taken {
            Some(Taken::Refuse) => return (Turn::Refused, up as u64),
            Some(Taken::More) | None => {}
        }
    }
    (Turn::Rest, up as u64)
}

/// Writes what a service of ours has to say; ends the stream when the app has ended its own.
/// Returns the bytes written.
pub(super) fn give_local(socket: &mut Socket, local: &mut Local) -> u64 {
    let mut down = 0;
    while !local.pending().is_empty() && socket.can_send() {
        let written = socket.send(|room| {
            let pending = local.pending();
            let n = room.len().min(pending.len());
            room[..n].copy_from_slice(&pending[..n]);
            (n, n)
        });
        let Some(n) = written else { break };
        local.wrote(n);
        down += n as u64;
    }
    let heard = socket.app_finished() && local.owes_nothing();
    if local.pending().is_empty() && (heard || local.is_closing()) {
        socket.finish();
    }
    down
}
