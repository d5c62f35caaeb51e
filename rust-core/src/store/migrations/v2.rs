//! Schema 2: an event tells which decoder read it before, where it was read again. Frozen.

/// From schema 1 to schema 2.
pub(super) const SQL: &str = "
ALTER TABLE events ADD COLUMN decoder_before TEXT;
";
