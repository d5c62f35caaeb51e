//! The thread that asks who owns a flow, so that no packet waits for the answer.
//!
//! Never decides anything, and sleeps without a timeout while nobody asks. An owner is not
//! remembered from one flow to the next: ports are used again by other apps.

use super::{Command, Control, IoError, Owners};
use crate::engine::Owner;
use crate::flow::Token;
use crate::limits;
use crate::wire::FiveTuple;
use rustix::io::Errno;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

type Question = (Token, FiveTuple);

/// The way to the thread. It ends when this is dropped, after the look-up that it is at.
pub(super) struct Lookups(SyncSender<Question>);

impl Lookups {
    pub(super) fn begin(owners: Box<dyn Owners>, control: Control) -> Result<Self, IoError> {
        let (questions, asked) = sync_channel(limits::OWNER_QUEUE);
        std::thread::Builder::new()
            .name("owners".to_owned())
            .spawn(move || answer_all(owners, &asked, &control))
            .map_err(|error| {
                let error = Errno::from_io_error(&error).unwrap_or(Errno::AGAIN);
                IoError::System { what: "start a thread", error }
            })?;
        Ok(Self(questions))
    }

    /// Asks; never waits.
    pub(super) fn ask(&self, token: Token, tuple: &FiveTuple) -> Owner {
        match self.0.try_send((token, *tuple)) {
            Ok(()) => Owner::Later,
            Err(TrySendError::Full(_)) => Owner::Busy,
            Err(TrySendError::Disconnected(_)) => Owner::Known(None),
        }
    }
}

fn answer_all(mut owners: Box<dyn Owners>, asked: &Receiver<Question>, control: &Control) {
    while let Ok((token, tuple)) = asked.recv() {
        control.say(Command::Owner(token, owners.owner(&tuple)));
    }
}
