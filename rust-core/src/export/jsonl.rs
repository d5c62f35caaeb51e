//! JSON Lines: each event exactly as [`Event`] serialises. Never breaks a line inside an event.

use super::{ExportError, Sink};
use crate::event::Event;
use std::io::{self, Write};

pub(super) struct Lines<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Lines<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }
}

impl Sink for Lines<'_> {
    fn event(&mut self, event: &Event) -> Result<(), ExportError> {
        // The conversion keeps the kind of an output error, such as a broken pipe.
        serde_json::to_writer(&mut *self.out, event).map_err(io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
