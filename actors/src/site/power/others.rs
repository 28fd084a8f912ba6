//! What else flows at a part of the site whose meter measures it together with the outlets below it. Pure.
//!
//! The meter tells a sum. What outlets draw is told by their stations, each at its own time and mostly later, so it is
//! subtracted only where it is known for the time of the sum ([`Seen`]). Of another outlet no more is known than that it
//! draws something from nothing up to what it is booked at; what else flows lies between the two bounds that follow. What
//! was known of it is kept as far as it lies within: so an outlet that obeys moves nothing, whenever it is told and tells.
//!
//! - A rise counts at once, a fall once it has been so for the longest that a grant lasts. One that goes on is counted
//!   ahead: by the time outlets have followed it will be so much more.
//! - Where the sum is above the limit and stays so, somebody draws more than is known: all above it is taken for load
//!   that is not ours, so that the outlets make room; and as much more as one of them leaves to the others that is told to
//!   make room as well and does not.

use std::collections::VecDeque;

/// Sums that come closer together than this are one, in ms.
const TOGETHER_MS: i64 = 1_000;
/// How long outlets have to react, in ms, before an overload that stays counts as a load of its own.
const REACTS_MS: i64 = 10_000;
/// A rise goes on that was one in each half of so long, in ms: about what outlets need to follow.
const GOES_ON_MS: i64 = 5_000;
/// An overload of less is none, in A; and a rise of less is no reaction.
const SLIGHT_A: f64 = 1.0;

/// What else flows at one part.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// What was taken for it, and when, in ms; the newest last.
    taken: VecDeque<(i64, [f64; 3])>,
    /// By phase: when it last rose, in ms.
    rose_ms: [i64; 3],
    /// What it was known to be for as long as a rise is looked at, and when, in ms; the newest last.
    course: VecDeque<(i64, [f64; 3])>,
}

/// A sum of one phase, in A, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sum {
    /// What the meter shows.
    pub(super) amps: f64,
    /// The least and the most that outlets draw of it.
    pub(super) outlets: (f64, f64),
    /// What may flow in all.
    pub(super) limit: f64,
    /// How many outlets may draw more than their floors.
    pub(super) sharing: usize,
}

impl Sum {
    /// Whether more flows than may.
    pub(super) fn is_overload(&self) -> bool {
        self.amps - self.limit > SLIGHT_A
    }

    /// What is to be taken for other load of an overload, in A: so much that it is over if all but one make their room.
    fn relief_a(&self) -> f64 {
        let over = self.amps - self.limit;
        match self.sharing {
            0 | 1 => over,
            sharing => over * sharing as f64 / (sharing - 1) as f64,
        }
    }
}

impl Others {
    /// What else is to be reckoned with on each phase once the meter shows these sums. `configured` is what was planned
    /// for; falls count after `holds_ms`.
    pub(super) fn take(
        &mut self,
        at_ms: i64,
        sums: [Sum; 3],
        configured: [f64; 3],
        holds_ms: i64,
    ) -> [f64; 3] {
        let last = self.taken.back().copied();
        let before = self.course.back().map_or(configured, |(_, amps)| *amps);
        let at_ms = last.map_or(at_ms, |(last_ms, _)| at_ms.max(last_ms));
        let known: [f64; 3] = std::array::from_fn(|phase| {
            let Sum { amps, outlets, .. } = sums[phase];
            let (least, most) = (amps - outlets.1, amps - outlets.0);
            before[phase].min(most).max(least).max(0.0)
        });
        let ahead = self.goes_on(at_ms, known);
        let mut now: [f64; 3] = std::array::from_fn(|phase| known[phase] + ahead[phase]);
        let held = self.most();
        for (phase, sum) in sums.iter().enumerate() {
            let held = held.map_or(0.0, |held| held[phase]);
            if sum.is_overload() && at_ms - self.rose_ms[phase] >= REACTS_MS {
                now[phase] = now[phase].max(held + sum.relief_a());
            }
            if now[phase] > held + SLIGHT_A {
                self.rose_ms[phase] = at_ms;
            }
        }
        match self.taken.back_mut() {
            Some((last_ms, amps)) if at_ms - *last_ms < TOGETHER_MS => {
                *amps = std::array::from_fn(|phase| amps[phase].max(now[phase]));
            }
            _ => self.taken.push_back((at_ms, now)),
        }
        let is_over = |(taken_ms, _): &(i64, [f64; 3])| at_ms - taken_ms > holds_ms;
        while self.taken.len() > 1 && self.taken.front().is_some_and(is_over) {
            self.taken.pop_front();
        }
        self.most().unwrap_or(now)
    }

    /// How much more it will be soon if it goes on to rise as it did, where it was known to be so much at these times.
    fn goes_on(&mut self, at_ms: i64, known: [f64; 3]) -> [f64; 3] {
        let was = |ago_ms: i64| {
            let by_then = |(then_ms, _): &&(i64, [f64; 3])| at_ms - then_ms >= ago_ms;
            self.course.iter().rfind(by_then).map(|(_, amps)| *amps)
        };
        let (begin, half) = (was(GOES_ON_MS), was(GOES_ON_MS / 2));
        let ahead = begin.zip(half).map_or([0.0; 3], |(begin, half)| {
            std::array::from_fn(|phase| {
                let halves = (half[phase] - begin[phase], known[phase] - half[phase]);
                2.0 * halves.0.min(halves.1).max(0.0)
            })
        });
        self.course.push_back((at_ms, known));
        while self
            .course
            .get(1)
            .is_some_and(|(then_ms, _)| at_ms - then_ms >= GOES_ON_MS)
        {
            self.course.pop_front();
        }
        ahead
    }

    /// What is reckoned with by now.
    pub(super) fn known(&self, configured: [f64; 3]) -> [f64; 3] {
        self.most().unwrap_or(configured)
    }

    /// The most on each phase that was taken for it lately.
    fn most(&self) -> Option<[f64; 3]> {
        let taken = self.taken.iter().map(|(_, amps)| *amps);
        taken.reduce(|one, other| std::array::from_fn(|it| one[it].max(other[it])))
    }
}

/// Readings of an outlet that differ by less, in A, are of a car that draws the same all the time.
const STEADY_A: f64 = 2.0;
/// A reading so near to a sum in time, in ms, is of the same time.
const SAME_TIME_MS: i64 = 3_000;

/// What the last two readings of an outlet say of other times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// When the outlet was last told something else, in ms.
    pub(super) told_ms: i64,
    /// The reading before the last: when, in ms, and the greatest of its phases, in A.
    pub(super) before: Option<(i64, f64)>,
    /// The last one.
    pub(super) last: (i64, f64),
}

impl Seen {
    /// Whether what the last reading says is known to hold at this time: it is of then, or the next one is not due yet and
    /// the car draws the same all the time. One of shortly after the outlet was told something else says nothing.
    pub(super) fn holds_at(&self, at_ms: i64) -> bool {
        let (last_ms, last_a) = self.last;
        if last_ms < self.told_ms + REACTS_MS {
            return false;
        }
        if (at_ms - last_ms).abs() <= SAME_TIME_MS {
            return true;
        }
        self.before.is_some_and(|(before_ms, before_a)| {
            let every_ms = last_ms - before_ms;
            before_ms >= self.told_ms + REACTS_MS
                && (last_a - before_a).abs() <= STEADY_A
                && (0..=every_ms + SAME_TIME_MS).contains(&(at_ms - last_ms))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLDS_MS: i64 = 60_000;

    fn sum(amps: f64, least: f64, most: f64) -> [Sum; 3] {
        let outlets = (least, most);
        [Sum {
            amps,
            outlets,
            limit: 60.0,
            sharing: 0,
        }; 3]
    }

    fn take(others: &mut Others, second: i64, sums: [Sum; 3]) -> f64 {
        others.take(second * 1_000, sums, [20.0; 3], HOLDS_MS)[0]
    }

    #[test]
    fn what_was_planned_for_holds_until_a_sum_shows_otherwise_and_a_fall_counts_late() {
        let mut others = Others::default();
        assert_eq!(take(&mut others, 0, sum(40.0, 0.0, 32.0)), 20.0);
        assert_eq!(take(&mut others, 1, sum(40.0, 35.0, 35.0)), 20.0);
        assert_eq!(take(&mut others, 60, sum(40.0, 35.0, 35.0)), 20.0);
        assert_eq!(take(&mut others, 61, sum(40.0, 35.0, 35.0)), 5.0);
        assert_eq!(take(&mut others, 62, sum(50.0, 35.0, 35.0)), 15.0, "a rise");
    }

    #[test]
    fn an_overload_counts_at_once_and_what_stays_of_it_again_when_outlets_had_time_to_react() {
        let mut others = Others::default();
        take(&mut others, 0, sum(45.0, 40.0, 40.0));
        for second in 1..=61 {
            take(&mut others, second, sum(45.0, 40.0, 40.0));
        }
        // One draws 22 A more than its readings say.
        assert_eq!(take(&mut others, 62, sum(67.0, 40.0, 40.0)), 27.0);
        assert_eq!(take(&mut others, 70, sum(65.0, 20.0, 60.0)), 27.0);
        assert_eq!(take(&mut others, 72, sum(65.0, 20.0, 60.0)), 32.0);
        assert_eq!(take(&mut others, 82, sum(60.5, 20.0, 60.0)), 32.0, "slight");
    }

    #[test]
    fn an_overload_is_over_even_if_one_of_those_that_share_does_not_follow() {
        let mut others = Others::default();
        let shared =
            |amps: f64, told: f64| sum(amps, told, told).map(|sum| Sum { sharing: 3, ..sum });
        take(&mut others, 0, shared(60.0, 40.0));
        // Three draw 20 A each, of which one tells 0.
        let taken = take(&mut others, 10, shared(80.0, 40.0));
        assert_eq!(taken, 50.0);
        let each = (60.0 - taken) / 3.0;
        assert!(20.0 + 20.0 + 2.0 * each <= 60.0, "the other 20 A are real");
    }

    #[test]
    fn a_reading_holds_for_sums_of_its_time_and_of_a_steady_car_until_the_next_is_due() {
        let seen = |told_ms, before, last| Seen {
            told_ms,
            before,
            last,
        };
        let fresh = seen(0, None, (20_000, 16.0));
        assert!(fresh.holds_at(22_000) && fresh.holds_at(18_000));
        assert!(!fresh.holds_at(24_000));
        let steady = seen(0, Some((20_000, 16.0)), (80_000, 15.0));
        assert!(steady.holds_at(140_000) && !steady.holds_at(144_000));
        let ramps = seen(0, Some((20_000, 8.0)), (80_000, 16.0));
        assert!(!ramps.holds_at(100_000));
        let told = seen(75_000, Some((20_000, 16.0)), (80_000, 16.0));
        assert!(!told.holds_at(80_000), "it may not have reacted");
    }

    proptest! {
        /// Outlets that draw what they may, known or not, move nothing: what else flows is never taken for less than it
        /// is, and once it is known it stays.
        #[test]
        fn what_outlets_do_within_what_they_may_moves_nothing(
            truth in 0.0_f64..20.0,
            steps in prop::collection::vec((1_i64..30, 0.0_f64..40.0, 0.0_f64..1.0, prop::bool::ANY), 1..80),
        ) {
            let mut others = Others::default();
            let (mut second, mut before) = (0, 20.0_f64);
            let mut taken_before = Vec::new();
            for (gap, booked, share, known) in steps {
                second += gap;
                let drawn = booked * share;
                let (least, most) = if known { (drawn, drawn) } else { (0.0, booked) };
                let taken = take(&mut others, second, sum(truth + drawn, least, most));
                prop_assert!(taken >= truth - 1e-9);
                prop_assert!(taken <= before + 1e-9, "{taken} after {before}");
                before = taken;
                taken_before.push((second, known));
            }
            let knew = taken_before.iter().any(|(at, known)| *known && second - at > HOLDS_MS / 1_000);
            if knew {
                prop_assert!((before - truth).abs() < 1e-9);
            }
        }

        /// However sums come: what is taken for other load and what outlets may draw is never less than the sum.
        #[test]
        fn no_sum_is_left_unexplained(
            steps in prop::collection::vec((0_i64..30, 0.0_f64..100.0, 0.0_f64..50.0, 0.0_f64..50.0), 1..80),
        ) {
            let mut others = Others::default();
            let mut second = 0;
            for (gap, amps, least, more) in steps {
                second += gap;
                let taken = take(&mut others, second, sum(amps, least, least + more));
                prop_assert!(taken + least + more >= amps - 1e-9);
            }
            prop_assert!(others.taken.len() <= 62);
        }
    }
}
