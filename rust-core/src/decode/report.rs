//! What decoders share: leaves from beside the payload, moments, and the collecting of events within
//! the bounds of one request. Never reads a payload.

use super::form::Form;
use super::json::{self, Budget, Flat, Leaf};
use super::meaning::{Meanings, Told};
use super::{Decoded, DecodedEvent, Input, problem, unpack};
use crate::event::{Check, ProblemCode, Protocol, State, Time};
use crate::limits;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What one decoder found so far.
pub(super) struct Report {
    decoded: Decoded,
    /// What may still be read and kept.
    pub(super) budget: Budget,
    /// Bytes of the body are missing.
    cut: bool,
    /// Added to the end of each event.
    beside: Vec<Leaf>,
    meanings: Meanings,
    full: bool,
}

impl Report {
    pub(super) fn new(input: &Input<'_>, protocol: Protocol, decoder: &'static str) -> Self {
        let decoded = Decoded {
            state: State::Undecodable,
            protocol,
            decoder,
            checks: BTreeMap::new(),
            problems: input.problems.clone(),
            events: Vec::new(),
        };
        let (budget, cut) = (Budget::default(), input.cut);
        let meanings = Meanings::new(protocol);
        Self { decoded, budget, cut, beside: Vec::new(), meanings, full: false }
    }

    /// Leaves that each event gets.
    pub(super) fn beside(&mut self, leaves: Vec<Leaf>) {
        for mut leaf in leaves {
            // Cut once instead of for each event, still visibly longer than the bound.
            leaf.value.truncate(leaf.value.floor_char_boundary(limits::FIELD_VALUE + 4));
            self.beside.push(leaf);
        }
    }

    pub(super) fn problem(&mut self, code: ProblemCode, path: &str) {
        let problem = problem(code, path);
        let room = self.decoded.problems.len() < limits::FIELDS_PER_EVENT;
        if room && !self.decoded.problems.contains(&problem) {
            self.decoded.problems.push(problem);
        }
    }

    /// Notes the outcome of a self-check. Missing bytes explain a mismatch; it would say nothing
    /// about the sender, so it is left out then.
    pub(super) fn check(&mut self, name: &str, outcome: Check) {
        if outcome == Check::Mismatch {
            if self.cut {
                return;
            }
            self.problem(ProblemCode::CheckFailed, name);
        }
        self.decoded.checks.insert(name.to_owned(), outcome);
    }

    /// What [`Report::check`] noted.
    pub(super) fn outcome(&self, name: &str) -> Option<Check> {
        self.decoded.checks.get(name).copied()
    }

    /// Whether one more event would be too many; notes it the first time.
    pub(super) fn is_full(&mut self, path: &str) -> bool {
        if self.decoded.events.len() < limits::EVENTS_PER_REQUEST {
            return false;
        }
        if !self.full {
            self.full = true;
            self.problem(ProblemCode::TooLarge, path);
        }
        true
    }

    /// Adds one event, at most [`limits::EVENTS_PER_REQUEST`].
    pub(super) fn event(&mut self, name: Option<String>, time: Option<Time>, mut flat: Flat) {
        if self.is_full("") {
            return;
        }
        for leaf in &self.beside {
            let (path, key) = (&leaf.path, leaf.key());
            flat.put(&mut self.budget, path, key, leaf.value.clone(), leaf.text);
        }
        let event = name.filter(|n| !n.is_empty());
        let event = event.map(|n| json::cut(&n, limits::FIELD_PATH).to_owned());
        let name = event.as_deref().unwrap_or_default();
        let Told { fields, ids, app_hint, .. } = self.meanings.told(name, flat.leaves);
        let problems = flat.problems;
        let event = DecodedEvent { event, event_time: time, app_hint, fields, ids, problems };
        self.decoded.events.push(event);
    }

    /// The events so far, for what a format adds to them.
    pub(super) fn events(&mut self) -> &mut Vec<DecodedEvent> {
        &mut self.decoded.events
    }

    pub(super) fn count(&self) -> usize {
        self.decoded.events.len()
    }

    pub(super) fn done(mut self, state: State) -> Decoded {
        self.decoded.state = state;
        self.decoded
    }

    /// Decoded where an event came out; otherwise undecodable, and never without a reason.
    pub(super) fn read(mut self) -> Decoded {
        if self.decoded.events.is_empty() {
            if self.decoded.problems.is_empty() {
                self.problem(ProblemCode::Malformed, "");
            }
            return self.done(State::Undecodable);
        }
        self.done(State::Decoded)
    }
}

/// Text leaf.
pub(super) fn leaf(path: &str, key: &str, value: &str) -> Leaf {
    Leaf::new(path, key, value, true)
}

/// Pairs of a form or query, apart from those in `without`, below `place`.
pub(super) fn pairs(place: &str, form: &Form, without: &[&str]) -> Vec<Leaf> {
    let shown = form.pairs.iter().filter(|(n, _)| !n.is_empty() && !without.contains(&n.as_str()));
    shown
        .map(|(name, value)| {
            let key = json::cut(name, limits::FIELD_PATH / 2);
            Leaf::new([place, ".", key].concat(), key, value.as_str(), true)
        })
        .collect()
}

/// The header lines of these names that the request has.
pub(super) fn headers(input: &Input<'_>, names: &[&str]) -> Vec<Leaf> {
    let value =
        |name: &str| input.request.header(name).map(|v| leaf(&format!("header.{name}"), name, v));
    names.iter().filter_map(|name| value(name)).collect()
}

/// Seconds or milliseconds since 1970, with or without a fraction. Below 10^11 they are seconds:
/// as milliseconds that would be before March 1973.
pub(super) fn moment(digits: &str) -> Option<Time> {
    let (whole, fraction) = digits.trim().split_once('.').unwrap_or((digits.trim(), ""));
    let whole: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if whole.unsigned_abs() >= 100_000_000_000 {
        return Time::from_ms(whole);
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Time::from_ms(whole.checked_mul(1000)?.checked_add(ms)?)
}

/// As [`moment`], from JSON text, a number or digits in quotes.
pub(super) fn json_moment(text: &str) -> Option<Time> {
    moment(&json::unquote(text).unwrap_or(Cow::Borrowed(text)))
}

/// UTF-8 text without a byte order mark; broken bytes become replacement characters, and that is
/// said. The end of a character that was cut off is dropped silently where `cut`.
pub(super) fn text(bytes: &[u8], cut: bool) -> (String, Option<ProblemCode>) {
    let whole = match std::str::from_utf8(bytes) {
        Err(e) if cut && e.error_len().is_none() => bytes.get(..e.valid_up_to()).unwrap_or(bytes),
        _ => bytes,
    };
    let text = String::from_utf8_lossy(whole);
    let broken = matches!(text, Cow::Owned(_)).then_some(ProblemCode::Malformed);
    (text.trim_start_matches('\u{feff}').trim().to_owned(), broken)
}

/// Whether bytes begin like a JSON list or object.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether bytes are text or packed, and so not closed under a key.
pub(super) fn is_open(bytes: &[u8]) -> bool {
    let plain = |c: char| !c.is_control() || c.is_whitespace();
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // The end of a letter may be cut off.
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok())
        }
        Err(_) => None,
    };
    unpack::is_gzip(bytes) || whole.is_some_and(|text| text.chars().all(plain))
}

/// What each byte is worth as a hex digit; above 15 it is none.
const DIGITS: [u8; 256] = {
    let (mut digits, mut value) = ([u8::MAX; 256], 0);
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Bytes of a text of hex digits, up to what is none.
pub(super) fn hex(text: &str) -> (Vec<u8>, Option<ProblemCode>) {
    let (pairs, lone) = text.as_bytes().as_chunks::<2>();
    let mut bytes = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
        if high | low > 15 {
            break;
        }
        bytes.push(high << 4 | low);
    }
    let rest = if bytes.len() < pairs.len() { &text.as_bytes()[bytes.len() * 2..] } else { lone };
    let problem = match rest {
        [] => None,
        [lone] if DIGITS[usize::from(*lone)] < 16 => Some(ProblemCode::Truncated),
        _ => Some(ProblemCode::Malformed),
    };
    (bytes, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_or_milliseconds() {
        for (text, ms) in [
            ("1795248000", Some(1_795_248_000_000)),
            ("1795248000123", Some(1_795_248_000_123)),
            ("1795258693.9304068", Some(1_795_258_693_930)),
            ("1795248000.5", Some(1_795_248_000_500)),
            (" 1795248000 ", Some(1_795_248_000_000)),
            ("", None),
            ("1e9", None),
            ("1.x", None),
            ("1.é", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(moment(text), ms.map(Time), "{text}");
        }
        assert_eq!(json_moment("\"1795248000\""), Some(Time(1_795_248_000_000)));
    }

    #[test]
    fn hex_is_read_up_to_what_is_none() {
        assert_eq!(hex("00fF"), (vec![0, 255], None));
        assert_eq!(hex("00f"), (vec![0], Some(ProblemCode::Truncated)));
        assert_eq!(hex("00fg"), (vec![0], Some(ProblemCode::Malformed)));
    }

    #[test]
    fn text_says_what_was_no_text() {
        assert_eq!(text(b"\xef\xbb\xbf {} ", false), ("{}".to_owned(), None));
        assert_eq!(text(b"a\xff", true).1, Some(ProblemCode::Malformed));
        assert_eq!(text(b"a\xe5\xa4", true), ("a".to_owned(), None));
        assert_eq!(text(b"a\xe5\xa4", false).1, Some(ProblemCode::Malformed));
    }
}
