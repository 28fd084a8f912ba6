//! How far a station's clock is behind ours, or ahead of it, by the times its messages tell. Pure.
//!
//! What a station grants itself ends by its own clock, so one that is behind holds a grant for longer than it was given.
//! A message arrives some time after the time it tells: the lag of the clock, and what it took on the way or waited in a
//! queue. Waiting is never negative, so the least difference lately is the nearest to the lag, and not below it: it errs to
//! the side where a grant ends early.
//!
//! - What waited through a time offline tells too much. A great difference is certain only if two messages that came
//!   some seconds apart agree on it: those of a queue come together and tell of times far apart.
//! - One time that is ahead of ours tells nothing: it must not hide that a clock is slow. Two that came some seconds apart
//!   and agree tell of a clock that is fast, until a message shows another; waiting only takes off its lead. What a station
//!   with such a clock grants itself ends early, which is safe: so the lead is told, and no grant is made longer for it,
//!   since one that was would last too long once the clock is set.

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
/// A time that is ahead of ours by no more, in ms, is on time.
const AHEAD_MS: i64 = 5_000;

/// What the messages of one station tell of its clock since it booted.
#[derive(Debug, Default)]
pub(super) struct StationClock {
    /// When a message came, and how much earlier the time in it was, in ms.
    heard: VecDeque<(i64, i64)>,
    /// Of those since that told times ahead of ours: when one came, and how much later the time in it was, in ms.
    ahead: VecDeque<(i64, i64)>,
}

impl StationClock {
    /// A message came that tells the time.
    pub(super) fn hear(&mut self, tells: Timestamp, received_at: Timestamp) {
        let lag_ms = received_at.0.saturating_sub(tells.0);
        // Where no time could be read, it is the hub's own.
        if lag_ms == 0 {
            return;
        }
        if lag_ms < -AHEAD_MS {
            note(&mut self.ahead, received_at.0, -lag_ms);
            return;
        }
        if lag_ms <= SMALL_MS {
            self.ahead.clear();
        }
        note(&mut self.heard, received_at.0, lag_ms);
    }

    /// How far the clock is behind, or ahead; none while nothing tells.
    pub(super) fn lag(&self) -> Option<ClockLag> {
        let last_ms = self.heard.back().map(|(at_ms, _)| *at_ms);
        match self.lead() {
            Some((at_ms, ahead_ms)) if last_ms.is_none_or(|last_ms| last_ms < at_ms) => {
                Some(ClockLag {
                    ms: 0,
                    is_certain: true,
                    ahead_ms,
                })
            }
            _ => self.behind(),
        }
    }

    /// The newest lead that two messages agree on, and when the later of them came.
    fn lead(&self) -> Option<(i64, i64)> {
        let newest_first = self.ahead.iter().rev().enumerate();
        let mut agreed = newest_first.filter_map(|(index, (at_ms, lead_ms))| {
            let earlier = self.ahead.iter().rev().skip(index + 1);
            let agrees = |(other_at_ms, other_ms): &&(i64, i64)| {
                at_ms - other_at_ms >= APART_MS && (lead_ms - other_ms).abs() <= ALIKE_MS
            };
            let other = earlier.clone().find(agrees);
            other.map(|(_, other_ms)| (*at_ms, *lead_ms.max(other_ms)))
        });
        agreed.next()
    }

    fn behind(&self) -> Option<ClockLag> {
        let (at_ms, least_ms) = self.heard.iter().min_by_key(|(_, lag_ms)| *lag_ms)?;
        let agrees = |(other_at_ms, lag_ms): &(i64, i64)| {
            (other_at_ms - at_ms).abs() >= APART_MS && lag_ms - least_ms <= ALIKE_MS
        };
        Some(ClockLag {
            ms: (*least_ms).max(0),
            is_certain: *least_ms <= SMALL_MS || self.heard.iter().any(agrees),
            ahead_ms: 0,
        })
    }
}

/// Notes a difference; those of long ago are forgotten.
fn note(differences: &mut VecDeque<(i64, i64)>, now_ms: i64, difference_ms: i64) {
    differences.push_back((now_ms, difference_ms));
    let is_old = |(at_ms, _): &(i64, i64)| now_ms - at_ms > LATELY_MS;
    while differences.len() > HEARD_MOST || differences.front().is_some_and(is_old) {
        differences.pop_front();
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
    fn one_time_ahead_and_the_hubs_own_say_nothing() {
        assert_eq!(heard(&[(0, 50_000), (10_000, 10_000)]), None);
        let slow = heard(&[(0, -50_000), (9_000, -41_000), (10_000, 80_000)]);
        assert_eq!(slow.map(|lag| lag.ms), Some(50_000), "one wrong time");
        assert_eq!(heard(&[(0, 50_000), (1_000, 51_000)]), None, "together");
        assert_eq!(heard(&[(0, 50_000), (9_000, 50_000)]), None, "it stands");
    }

    #[test]
    fn a_clock_is_fast_once_two_messages_agree_until_one_is_on_time() {
        let fast = [(0, 50_000), (9_000, 58_700), (20_000, 70_000)];
        let lag = heard(&fast).expect("it tells");
        assert_eq!((lag.ms, lag.is_certain, lag.ahead_ms), (0, true, 50_000));
        let mut queue = vec![(0, -900_000), (300, -800_000)];
        queue.extend([(1_000, 51_000), (4_000, 54_000)]);
        let lag = heard(&queue).expect("it tells");
        assert_eq!((lag.is_certain, lag.ahead_ms), (true, 50_000));
        let mut set = fast.to_vec();
        set.push((30_000, 29_900));
        let lag = heard(&set).expect("it tells");
        assert_eq!((lag.ms, lag.is_certain, lag.ahead_ms), (100, true, 0));
        let mut late = fast.to_vec();
        late.extend([(30_000, -20_000), (33_000, -17_000)]);
        let lag = heard(&late).expect("it tells");
        assert_eq!((lag.ms, lag.is_certain, lag.ahead_ms), (50_000, true, 0));
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
        /// However late messages are, a clock is never taken to be further ahead than it is.
        #[test]
        fn a_lead_is_never_taken_for_more(
            lead_ms in 0_i64..100_000_000,
            messages in prop::collection::vec((0_i64..20_000, 0_i64..100_000), 0..40),
        ) {
            let mut clock = StationClock::default();
            let mut now_ms = START_MS;
            for (gap_ms, late_ms) in messages {
                now_ms += gap_ms;
                clock.hear(Timestamp(now_ms + lead_ms - late_ms), Timestamp(now_ms));
                prop_assert!(clock.lag().is_none_or(|lag| lag.ahead_ms <= lead_ms));
                prop_assert!(clock.ahead.len() <= HEARD_MOST);
            }
        }

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
