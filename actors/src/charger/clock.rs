//! How far a station's clock is behind ours, by the times its messages tell. Pure.
//!
//! What a station grants itself ends by its own clock, so one that is behind holds a grant for longer than it was given.
//! A message arrives some time after the time it tells: the lag of the clock, and what it took on the way or waited in a
//! queue. Waiting is never negative, so the least difference lately is the nearest to the lag, and not below it: it errs to
//! the side where a grant ends early.
//!
//! - What waited through a time offline tells too much. A great difference is certain only if two messages that came
//!   some seconds apart agree on it: those of a queue come together and tell of times far apart.
//! - A time that is ahead of ours tells nothing: a clock that is fast ends grants early by itself, and one wrong time must
//!   not hide that a clock is slow.

use std::collections::VecDeque;

use model::Timestamp;

use crate::site::ClockLag;

/// So many differences are looked at, of so long a time, in ms; the last one always.
const HEARD_MOST: usize = 16;
const LATELY_MS: i64 = 300_000;
/// A lag of less, in ms, is certain by one message.
const SMALL_MS: i64 = 5_000;
/// Messages that came so far apart, in ms, do not come out of a queue together.
const APART_MS: i64 = 2_000;
/// Differences that are no further apart, in ms, agree: some stations tell whole seconds.
const ALIKE_MS: i64 = 2_000;
/// A time that is ahead of ours by more, in ms, tells nothing.
const AHEAD_MS: i64 = 5_000;

/// What the messages of one station tell of its clock since it booted.
#[derive(Debug, Default)]
pub(super) struct StationClock {
    /// When a message came, and how much earlier the time in it was, in ms.
    heard: VecDeque<(i64, i64)>,
}

impl StationClock {
    /// A message came that tells the time.
    pub(super) fn hear(&mut self, tells: Timestamp, received_at: Timestamp) {
        let lag_ms = received_at.0.saturating_sub(tells.0);
        // Where no time could be read, it is the hub's own.
        if lag_ms < -AHEAD_MS || lag_ms == 0 {
            return;
        }
        let now_ms = received_at.0;
        self.heard.push_back((now_ms, lag_ms));
        let is_old = |(at_ms, _): &(i64, i64)| now_ms - at_ms > LATELY_MS;
        while self.heard.len() > HEARD_MOST || self.heard.front().is_some_and(is_old) {
            self.heard.pop_front();
        }
    }

    /// How far the clock is behind; none while nothing tells.
    pub(super) fn lag(&self) -> Option<ClockLag> {
        let (at_ms, least_ms) = self.heard.iter().min_by_key(|(_, lag_ms)| *lag_ms)?;
        let agrees = |(other_at_ms, lag_ms): &(i64, i64)| {
            (other_at_ms - at_ms).abs() >= APART_MS && lag_ms - least_ms <= ALIKE_MS
        };
        Some(ClockLag {
            ms: (*least_ms).max(0),
            is_certain: *least_ms <= SMALL_MS || self.heard.iter().any(agrees),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START_MS: i64 = 1_790_000_000_000;

    /// A clock by messages: when each came, and the time it told, in ms after the start.
    fn heard(messages: &[(i64, i64)]) -> Option<ClockLag> {
        let mut clock = StationClock::default();
        for (came_ms, tells_ms) in messages {
            clock.hear(
                Timestamp(START_MS + tells_ms),
                Timestamp(START_MS + came_ms),
            );
        }
        clock.lag()
    }

    #[test]
    fn a_queue_says_nothing_for_certain_and_the_first_message_of_now_ends_the_doubt() {
        let queue: Vec<(i64, i64)> = (0..10)
            .map(|it| (it * 300, it * 60_000 - 900_000))
            .collect();
        assert!(!heard(&queue).expect("it is behind").is_certain);
        let mut live = queue;
        live.push((4_000, 3_900));
        let lag = heard(&live).expect("it tells");
        assert_eq!((lag.ms, lag.is_certain), (100, true));
    }

    #[test]
    fn a_fast_clock_and_the_hubs_own_time_say_nothing() {
        assert_eq!(
            heard(&[(0, 50_000), (9_000, 59_000), (10_000, 10_000)]),
            None
        );
        let slow = heard(&[(0, -50_000), (9_000, -41_000), (10_000, 80_000)]);
        assert_eq!(slow.map(|lag| lag.ms), Some(50_000), "one wrong time");
    }

    #[test]
    fn a_clock_that_was_set_is_believed_at_once_and_one_that_falls_behind_in_some_minutes() {
        let set = heard(&[(0, -50_000), (9_000, -41_000), (12_000, 11_950)]);
        assert_eq!(set.map(|lag| lag.ms), Some(50));
        let minutes =
            (0..20).map(|it| (it * 30_000, it * 30_000 - if it < 5 { 1 } else { 70_000 }));
        let lag = heard(&minutes.collect::<Vec<_>>());
        assert_eq!(lag.map(|lag| lag.ms), Some(70_000));
    }

    proptest! {
        /// However late messages are, the clock is never taken to be nearer to ours than it is; and once two of them were
        /// on time, it is known to the second.
        #[test]
        fn the_lag_is_never_taken_for_less_and_two_messages_on_time_tell_it(
            lag_ms in 1_i64..100_000_000,
            messages in prop::collection::vec((0_i64..20_000, 0_i64..4_000_000), 0..40),
            on_time in (APART_MS..60_000, 0_i64..1_000, 0_i64..1_000),
        ) {
            let mut clock = StationClock::default();
            let mut now_ms = START_MS;
            for (gap_ms, late_ms) in messages {
                now_ms += gap_ms;
                clock.hear(Timestamp(now_ms - lag_ms - late_ms), Timestamp(now_ms));
                prop_assert!(clock.lag().expect("it tells").ms >= lag_ms);
                prop_assert!(clock.heard.len() <= HEARD_MOST);
            }
            let (gap_ms, first_late_ms, then_late_ms) = on_time;
            for (gap_ms, late_ms) in [(5_000, first_late_ms), (gap_ms, then_late_ms)] {
                now_ms += gap_ms;
                clock.hear(Timestamp(now_ms - lag_ms - late_ms), Timestamp(now_ms));
            }
            let lag = clock.lag().expect("it tells");
            prop_assert!((lag_ms..=lag_ms + 1_000).contains(&lag.ms));
            prop_assert!(lag.is_certain);
        }
    }
}
