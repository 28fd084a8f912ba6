//! Times as chargers write them: RFC 3339, and what is found instead of it.
//!
//! `2026-11-24T09:30:00Z` is read, and so are no zone (taken as UTC, quirk 8), `+02` (quirk 9),
//! `+0200`, a blank for the `T`, missing seconds and single digits. What is not plain RFC 3339 is
//! told, so that it can be counted.

use chrono::NaiveDate;
use model::Timestamp;

use crate::repair::{self, Repair};

/// OCPP 1.6 is from 2015 and 1.5 from 2012: an earlier time is a clock that was never set.
const YEAR_MIN: i32 = 2010;

/// A time, and how it was odd.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReadTime {
    pub(crate) at: Timestamp,
    pub(crate) odd: Option<Repair>,
}

/// A time in any of the forms above; nothing where the text is none.
pub(crate) fn read(text: &str) -> Option<ReadTime> {
    let mut cursor = Cursor {
        rest: text.as_bytes(),
        odd: None,
    };
    let year = cursor.digits(4, 4)?;
    cursor.eat(b"-")?;
    let month = cursor.digits(1, 2)?;
    cursor.eat(b"-")?;
    let day = cursor.digits(1, 2)?;
    cursor.separator()?;
    let hour = cursor.digits(1, 2)?;
    cursor.eat(b":")?;
    let minute = cursor.digits(1, 2)?;
    let (second, millis) = cursor.seconds()?;
    let offset_s = cursor.offset_s()?;
    if !cursor.rest.is_empty() {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    // A leap second is counted as the one before it.
    let time = date.and_hms_milli_opt(hour, minute, second.min(59), millis)?;
    Some(ReadTime {
        at: Timestamp(time.and_utc().timestamp_millis() - i64::from(offset_s) * 1000),
        odd: cursor.odd,
    })
}

/// Whether the clock that wrote it had been set.
pub(crate) fn is_set(at: Timestamp) -> bool {
    let first = NaiveDate::from_ymd_opt(YEAR_MIN, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    first.is_some_and(|first| at.0 >= first.and_utc().timestamp_millis())
}

struct Cursor<'a> {
    rest: &'a [u8],
    odd: Option<Repair>,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn eat(&mut self, any_of: &[u8]) -> Option<u8> {
        let found = self.peek().filter(|b| any_of.contains(b))?;
        self.rest = &self.rest[1..];
        Some(found)
    }

    /// A number of `min` to `max` digits; fewer than `max` is odd.
    fn digits(&mut self, min: usize, max: usize) -> Option<u32> {
        let count = self
            .rest
            .iter()
            .take(max)
            .take_while(|b| b.is_ascii_digit());
        let count = count.count();
        if count < min {
            return None;
        }
        if count < max {
            self.note(repair::TIME_FORM);
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(digits.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0')))
    }

    fn separator(&mut self) -> Option<()> {
        if self.eat(b"Tt").is_some() {
            return Some(());
        }
        self.eat(b" ")?;
        while self.eat(b" ").is_some() {}
        self.note(repair::TIME_FORM);
        Some(())
    }

    fn seconds(&mut self) -> Option<(u32, u32)> {
        if self.eat(b":").is_none() {
            self.note(repair::TIME_FORM);
            return Some((0, 0));
        }
        let second = self.digits(1, 2).filter(|s| *s <= 60)?;
        let Some(point) = self.eat(b".,") else {
            return Some((second, 0));
        };
        if point == b',' {
            self.note(repair::TIME_FORM);
        }
        let length = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            self.note(repair::TIME_FORM);
        }
        let (fraction, rest) = self.rest.split_at(length);
        self.rest = rest;
        let digit = |at: usize| fraction.get(at).map_or(0, |b| u32::from(b - b'0'));
        Some((second, digit(0) * 100 + digit(1) * 10 + digit(2)))
    }

    fn offset_s(&mut self) -> Option<i32> {
        if self.eat(b" ").is_some() {
            self.note(repair::TIME_FORM);
        }
        if self.eat(b"Zz").is_some() {
            return Some(0);
        }
        let Some(sign) = self.eat(b"+-") else {
            self.note(repair::QUIRK_08_NO_ZONE);
            return Some(0);
        };
        let hours = self.digits(2, 2).filter(|h| *h < 24)?;
        let minutes = if self.eat(b":").is_some() {
            self.digits(2, 2)?
        } else if self.rest.is_empty() {
            self.note(repair::QUIRK_09_SHORT_OFFSET);
            0
        } else {
            self.note(repair::TIME_FORM);
            self.digits(2, 2)?
        };
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        (minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
    }

    /// The first oddity names the time.
    fn note(&mut self, odd: Repair) {
        self.odd.get_or_insert(odd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> (String, Option<Repair>) {
        let read = read(text).unwrap_or_else(|| panic!("{text:?} was not read"));
        (read.at.to_string(), read.odd)
    }

    #[test]
    fn plain_times_are_read_to_the_millisecond() {
        for (text, meant) in [
            ("2026-11-24T09:30:00Z", "2026-11-24T09:30:00.000Z"),
            ("2026-11-24T09:30:00.123456Z", "2026-11-24T09:30:00.123Z"),
            ("2026-11-24T09:30:00.5+02:00", "2026-11-24T07:30:00.500Z"),
            ("2026-11-24T23:30:00-01:30", "2026-11-25T01:00:00.000Z"),
            ("2016-12-31t23:59:60z", "2016-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(at(text), (meant.to_owned(), None), "{text}");
        }
    }

    #[test]
    fn quirk_08_a_time_without_a_zone_is_utc() {
        let read = at("2026-11-24T09:30:00.000");
        assert_eq!(read.0, "2026-11-24T09:30:00.000Z");
        assert_eq!(read.1, Some(repair::QUIRK_08_NO_ZONE));
    }

    #[test]
    fn quirk_09_an_offset_may_lack_its_minutes() {
        let read = at("2026-11-24T09:30:00+02");
        assert_eq!(read.0, "2026-11-24T07:30:00.000Z");
        assert_eq!(read.1, Some(repair::QUIRK_09_SHORT_OFFSET));
    }

    #[test]
    fn other_forms_with_one_meaning_are_read() {
        for (text, meant) in [
            ("2026-11-24 09:30:00Z", "2026-11-24T09:30:00.000Z"),
            ("2026-11-24T09:30:00+0200", "2026-11-24T07:30:00.000Z"),
            ("2026-11-24T09:30Z", "2026-11-24T09:30:00.000Z"),
            ("2026-1-4T9:05:07Z", "2026-01-04T09:05:07.000Z"),
            ("2026-11-24 09:30:00 +0000", "2026-11-24T09:30:00.000Z"),
        ] {
            assert_eq!(
                at(text),
                (meant.to_owned(), Some(repair::TIME_FORM)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_not_made_one() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-13-24T09:30:00Z",
            "2026-02-30T09:30:00Z",
            "2026-11-24T25:30:00Z",
            "2026-11-24T09:30:00ZZ",
            "2026-11-24T09:30:00+99:00",
            "１２３４-11-24T09:30:00Z",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn quirk_11_a_clock_that_was_never_set_is_told() {
        assert!(!is_set(read("1970-01-01T00:00:12Z").unwrap().at));
        assert!(!is_set(read("2000-01-01T00:00:00Z").unwrap().at));
        assert!(is_set(read("2026-11-24T09:30:00Z").unwrap().at));
    }
}
