//! A moment in UTC, to the millisecond, written as RFC 3339.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z. Written as `2026-11-21T08:00:00.123Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// A text that is not a moment in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time such as 2026-11-21T08:00:00Z")]
pub struct BadTime;

const MS_PER_DAY: i64 = 86_400_000;

impl Time {
    /// Latest moment that can be written, 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);
    /// Earliest moment that can be written, 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(-62_167_219_200_000);

    /// A moment from a sender's milliseconds; `None` outside the years 1 to 9999.
    pub fn from_ms(ms: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&ms).then_some(Self(ms))
    }

    /// The day in UTC, `2026-11-21`.
    pub fn day(self) -> String {
        self.to_string()[..10].to_owned()
    }
}

/// Days since 1970-01-01 to year, month, day in the Gregorian calendar (H. Hinnant,
/// "chrono-compatible low-level date algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.clamp(Self::MIN.0, Self::MAX.0);
        let (year, month, day) = civil(ms.div_euclid(MS_PER_DAY));
        let rest = ms.rem_euclid(MS_PER_DAY);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1000 % 60, rest % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl std::str::FromStr for Time {
    type Err = BadTime;

    /// Takes `2026-11-21`, `2026-11-21T08:00:00Z` and fractions of a second up to nine digits.
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let number = |range: std::ops::Range<usize>, low: i64, high: i64| {
            let digits = text.get(range).ok_or(BadTime)?;
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(BadTime);
            }
            digits.parse().ok().filter(|n| (low..=high).contains(n)).ok_or(BadTime)
        };
        let separated = |at: usize, byte: u8| text.as_bytes().get(at) == Some(&byte);
        let date = (number(0..4, 0, 9999)?, number(5..7, 1, 12)?, number(8..10, 1, 31)?);
        let day = days(date.0, date.1, date.2);
        if !(separated(4, b'-') && separated(7, b'-')) || civil(day) != date {
            return Err(BadTime);
        }
        if text.len() == 10 {
            return Ok(Self(day * MS_PER_DAY));
        }
        let (hour, minute) = (number(11..13, 0, 23)?, number(14..16, 0, 59)?);
        let second = number(17..19, 0, 59)?;
        if !(separated(10, b'T') && separated(13, b':') && separated(16, b':')) {
            return Err(BadTime);
        }
        let rest = text.get(19..).and_then(|r| r.strip_suffix('Z')).ok_or(BadTime)?;
        let milli = match rest.strip_prefix('.') {
            None if rest.is_empty() => 0,
            Some(f) if (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{f:0<3}")[..3].parse().map_err(|_| BadTime)?
            }
            _ => return Err(BadTime),
        };
        let seconds = (hour * 60 + minute) * 60 + second;
        Ok(Self(day * MS_PER_DAY + seconds * 1000 + milli))
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_and_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_248_000_123, "2026-11-21T08:00:00.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (Time::MAX.0, "9999-12-31T23:59:59.999Z"),
            (Time::MIN.0, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Time(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Time(ms)));
        }
    }

    #[test]
    fn short_forms_are_read() {
        assert_eq!("2026-11-21".parse(), Ok(Time(1_795_219_200_000)));
        assert_eq!("2026-11-21T08:00:00Z".parse(), Ok(Time(1_795_248_000_000)));
        assert_eq!("2026-11-21T08:00:00.5Z".parse(), Ok(Time(1_795_248_000_500)));
        assert_eq!("2026-11-21T08:00:00.123456789Z".parse(), Ok(Time(1_795_248_000_123)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-11-21T24:00:00Z",
            "2026-11-21 08:00:00Z",
            "2026-11-21T08:00:00",
            "2026-11-21T08:00:00.Z",
            "+026-11-21",
            "2026-11-21T08:00:00ZZ",
            "２０２６-11-21",
        ] {
            assert_eq!(text.parse::<Time>(), Err(BadTime), "{text}");
        }
    }
}
