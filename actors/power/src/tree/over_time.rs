//! Limits that hold at times: peak hours, set-points of the grid operator.
//!
//! What comes again does so at the same hour of the clock on the wall: where clocks are set forward or back, the time
//! between two beginnings is 23 or 25 hours. An hour that the clock shows twice counts both times.

use std::fmt;

use jiff::{Span, Timestamp, tz::TimeZone};

/// A tighter limit for a time. Of several the tightest holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Cap {
    /// From when, in ms since 1970 (UTC).
    pub from_ms: i64,
    /// Until when; none for until it is lifted.
    pub until_ms: Option<i64>,
    /// Whether it comes again.
    pub recurs: Option<Recurrence>,
    /// What each phase may carry, in A.
    pub most_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W.
    pub most_w: Option<f64>,
}

/// How something comes again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurrence {
    /// How often.
    pub every: Every,
    /// Whose clocks it goes by.
    pub zone: Zone,
}

/// How often something comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// At this time of each day.
    Day,
    /// At this time of this day of each week.
    Week,
}

/// Where clocks show the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// There is no such time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTimeZone(String);

impl Cap {
    /// Whether it holds at any time from `from_ms` up to and with `to_ms`.
    pub fn holds_within(&self, from_ms: i64, to_ms: i64) -> bool {
        let Some(until_ms) = self.until_ms else {
            return to_ms >= self.from_ms;
        };
        let once = || to_ms >= self.from_ms && from_ms < until_ms;
        (self.recurs.as_ref()).map_or_else(once, |recurs| {
            recurs.holds_within((self.from_ms, until_ms), (from_ms, to_ms))
        })
    }
}

impl Recurrence {
    /// When what begins then begins for the second time, in ms since 1970.
    pub fn begins_again_ms(&self, from_ms: i64) -> i64 {
        self.shifted(from_ms, 1, Twice::First)
    }

    /// Whether what held from the first to before the second of `held`, in ms since 1970, holds again within `window`.
    fn holds_within(&self, held: (i64, i64), window: (i64, i64)) -> bool {
        const DAY_MS: i64 = 86_400_000;
        // Where clocks are set, a time begins up to hours earlier or later than by counting days of 24 hours.
        let about = (window.1 - held.0).div_euclid(DAY_MS * self.every.days());
        (about - 1..=about + 1)
            .filter(|times| *times >= 0)
            .any(|times| {
                let from_ms = self.shifted(held.0, times, Twice::First);
                let until_ms = self.shifted(held.1, times, Twice::Second);
                from_ms < until_ms && from_ms <= window.1 && window.0 < until_ms
            })
    }

    /// The time so many recurrences later, at which clocks show the same, in ms since 1970. What they show never is
    /// moved forward by as much as they are.
    fn shifted(&self, at_ms: i64, times: i64, twice: Twice) -> i64 {
        let shift = || {
            let at = Timestamp::from_millisecond(at_ms).ok()?;
            let shown = self.zone.0.to_datetime(at);
            let days = times.checked_mul(self.every.days())?;
            let shown = shown.checked_add(Span::new().try_days(days).ok()?).ok()?;
            let meant = self.zone.0.to_ambiguous_timestamp(shown);
            let meant = match twice {
                Twice::First => meant.compatible(),
                Twice::Second => meant.later(),
            };
            Some(meant.ok()?.as_millisecond())
        };
        // Beyond the year 9999 nothing comes again.
        shift().unwrap_or(i64::MAX)
    }
}

/// Which of the two is meant, where clocks show a time twice.
#[derive(Clone, Copy)]
enum Twice {
    First,
    Second,
}

impl Every {
    fn days(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
        }
    }
}

impl Zone {
    /// Where clocks show universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of this name of the IANA database, such as `Europe/Berlin`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn named(name: &str) -> Result<Self, UnknownTimeZone> {
        TimeZone::get(name)
            .map(Self)
            .map_err(|_| UnknownTimeZone(name.to_owned()))
    }
}

impl fmt::Display for UnknownTimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no time zone is called {:?}: give one of the IANA database, such as \"Europe/Berlin\" or \"UTC\"",
            self.0
        )
    }
}

impl std::error::Error for UnknownTimeZone {}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn cap(from_ms: i64, until_ms: Option<i64>, recurs: Option<Recurrence>) -> Cap {
        Cap {
            from_ms,
            until_ms,
            recurs,
            most_a: None,
            most_w: None,
        }
    }

    fn every(every: Every, zone: &str) -> Option<Recurrence> {
        let zone = Zone::named(zone).expect("there is such a zone");
        Some(Recurrence { every, zone })
    }

    fn ms(utc: &str) -> i64 {
        let at: Timestamp = utc.parse().expect("a time");
        at.as_millisecond()
    }

    /// What the cap says of each of these times, at which it begins or ends: the minute before, and the minute itself.
    fn holds(cap: &Cap, times: &[&str]) -> Vec<(bool, bool)> {
        let at = |ms| cap.holds_within(ms, ms);
        (times.iter().map(|utc| ms(utc)))
            .map(|ms| (at(ms - MINUTE_MS), at(ms)))
            .collect()
    }

    const BEGINS: (bool, bool) = (false, true);
    const ENDS: (bool, bool) = (true, false);

    #[test]
    fn a_cap_holds_from_its_begin_until_its_end() {
        let once = cap(100, Some(200), None);
        assert!(!once.holds_within(0, 99));
        assert!(once.holds_within(0, 100));
        assert!(once.holds_within(199, 300));
        assert!(!once.holds_within(200, 300));
        assert!(cap(100, None, None).holds_within(1_000_000, 1_000_000));
    }

    #[test]
    fn a_cap_comes_again() {
        const DAY_MS: i64 = 86_400_000;
        let daily = cap(100, Some(200), every(Every::Day, "UTC"));
        assert!(daily.holds_within(3 * DAY_MS + 150, 3 * DAY_MS + 150));
        assert!(!daily.holds_within(3 * DAY_MS + 200, 4 * DAY_MS + 99));
        assert!(daily.holds_within(3 * DAY_MS + 200, 4 * DAY_MS + 100));
        assert!(daily.holds_within(0, 10 * DAY_MS), "a window of many days");
        assert!(!daily.holds_within(0, 50), "not before it began");
        let weekly = cap(100, Some(200), every(Every::Week, "UTC"));
        assert!(weekly.holds_within(7 * DAY_MS + 150, 7 * DAY_MS + 150));
        assert!(!weekly.holds_within(DAY_MS, 7 * DAY_MS + 99));
    }

    #[test]
    fn peak_hours_stay_where_they_are_on_the_clock_when_clocks_are_set() {
        // 17 to 20 o'clock in winter; clocks are set forward on 2026-03-29 and back on 2026-10-25.
        let (from, until) = (ms("2026-01-12T16:00:00Z"), ms("2026-01-12T19:00:00Z"));
        let peak = cap(from, Some(until), every(Every::Day, "Europe/Berlin"));
        let winter = ["2026-03-28T16:00:00Z", "2026-03-28T19:00:00Z"];
        let summer = ["2026-03-29T15:00:00Z", "2026-03-29T18:00:00Z"];
        let autumn = ["2026-10-24T15:00:00Z", "2026-10-24T18:00:00Z"];
        let again = ["2026-10-25T16:00:00Z", "2026-10-25T19:00:00Z"];
        for day in [winter, summer, autumn, again] {
            assert_eq!(holds(&peak, &day), [BEGINS, ENDS], "{day:?}");
        }
        // Of a week: Monday in Sydney, where summer is in January.
        let (from, until) = (ms("2026-01-11T20:00:00Z"), ms("2026-01-11T22:00:00Z"));
        let monday = cap(from, Some(until), every(Every::Week, "Australia/Sydney"));
        let winter = ["2026-07-05T21:00:00Z", "2026-07-05T23:00:00Z"];
        assert_eq!(holds(&monday, &winter), [BEGINS, ENDS]);
        assert_eq!(
            holds(&monday, &["2026-07-06T21:00:00Z"]),
            [(false, false)],
            "Tuesday"
        );
    }

    #[test]
    fn an_hour_that_is_shown_twice_counts_twice_and_one_that_is_left_out_not_at_all() {
        // 2 to 3 o'clock at night.
        let (from, until) = (ms("2026-01-12T01:00:00Z"), ms("2026-01-12T02:00:00Z"));
        let night = cap(from, Some(until), every(Every::Day, "Europe/Berlin"));
        let twice = ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"];
        assert_eq!(holds(&night, &twice), [BEGINS, ENDS], "two hours");
        let (first, last) = (ms("2026-03-28T22:00:00Z"), ms("2026-03-29T22:00:00Z"));
        assert!(!night.holds_within(first, last));
        // 2 o'clock to half past: until the second half past.
        let until = ms("2026-01-12T01:30:00Z");
        let half = cap(from, Some(until), every(Every::Day, "Europe/Berlin"));
        let last = ["2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z"];
        assert_eq!(holds(&half, &last), [BEGINS, ENDS]);
    }

    #[test]
    fn a_zone_that_is_not_there_is_refused_with_what_to_do() {
        let refused = Zone::named("Europe/Bern").expect_err("it is called Europe/Zurich");
        assert!(refused.to_string().contains("IANA"), "{refused}");
    }
}
