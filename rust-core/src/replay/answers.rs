//! What a resolver answers over a connection: DNS messages, each behind its length (RFC 1035
//! §4.2.2). Never guesses where the next message begins once bytes are missing.

use super::packet::Segment;
use super::stream::{Piece, Stream};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Answers {
    stream: Option<Stream>,
    /// The beginning of a message: with its length at most what two bytes can say.
    begun: Vec<u8>,
    lost: bool,
}

impl Answers {
    /// Takes what the resolver sends next.
    pub(super) fn put(&mut self, segment: &Segment<'_>, each: &mut dyn FnMut(&[u8])) {
        let first = segment.first();
        let Self { stream, begun, lost } = self;
        let stream = stream.get_or_insert_with(|| Stream::new(first));
        stream.put(first, segment.data, &mut |piece| match piece {
            Piece::Bytes(bytes) if !*lost => {
                begun.extend_from_slice(bytes);
                messages(begun, each);
            }
            Piece::Bytes(_) => {}
            Piece::Gap => {
                *lost = true;
                *begun = Vec::new();
            }
        });
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.begun.capacity() + self.stream.as_ref().map_or(0, Stream::held)
    }
}

/// Takes whole messages from the front.
fn messages(begun: &mut Vec<u8>, each: &mut dyn FnMut(&[u8])) {
    let mut rest = begun.as_slice();
    while let Some((length, after)) = rest.split_first_chunk()
        && let Some((message, after)) = after.split_at_checked(u16::from_be_bytes(*length).into())
    {
        each(message);
        rest = after;
    }
    let taken = begun.len() - rest.len();
    begun.drain(..taken);
}
