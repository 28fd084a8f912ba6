//! Whether the remote store takes writes, as far as its last answers tell. Pure.
//!
//! One write that fails among many that do not says little, and a store that has just come back is slow
//! and still fails now and then. So it takes [`FAILURES`] in a row to call it away, and [`CALM`] of
//! answers without as many failures in a row to call it back: one turn each, however it dithers between.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row, and the store is away.
const FAILURES: u32 = 3;
/// It has to answer for so long to be back.
pub(crate) const CALM: Duration = Duration::from_secs(5);

/// What an answer, or its absence, has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The store is away from now on.
    Away,
    /// It is back.
    Back,
}

/// Whether the remote store takes writes.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    in_a_row: u32,
    away: bool,
    /// While it is away: since when it has answered again.
    answers_since: Option<Instant>,
}

impl Reach {
    /// A write was not taken, or nobody knows whether it was.
    pub(crate) fn failed(&mut self) -> Option<Turn> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row < FAILURES {
            return None;
        }
        self.answers_since = None;
        (!std::mem::replace(&mut self.away, true)).then_some(Turn::Away)
    }

    /// A write was taken, or refused for good.
    pub(crate) fn answered(&mut self, now: Instant) -> Option<Turn> {
        self.in_a_row = 0;
        if !self.away {
            return None;
        }
        self.answers_since.get_or_insert(now);
        self.calm_by(now)
    }

    /// Time has passed: whether the store has answered for long enough.
    pub(crate) fn calm_by(&mut self, now: Instant) -> Option<Turn> {
        let calm = self.calm_at().is_some_and(|calm| now >= calm);
        if calm {
            *self = Self::default();
        }
        calm.then_some(Turn::Back)
    }

    /// When it will be back, if it goes on as it does now.
    pub(crate) fn calm_at(&self) -> Option<Instant> {
        self.answers_since.map(|since| since + CALM)
    }

    /// Whether it is away.
    pub(crate) fn is_away(&self) -> bool {
        self.away
    }

    /// Whether it is away, and has not answered since.
    pub(crate) fn is_silent(&self) -> bool {
        self.away && self.answers_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(reach: &mut Reach, count: u32) -> Vec<Turn> {
        (0..count).filter_map(|_| reach.failed()).collect()
    }

    #[test]
    fn a_failure_among_answers_changes_nothing() {
        let (mut reach, now) = (Reach::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(failures(&mut reach, FAILURES - 1), []);
            assert_eq!(reach.answered(now), None);
        }
        assert!(!reach.is_away());
    }

    #[test]
    fn a_store_that_dithers_when_it_returns_turns_once() {
        let (mut reach, mut now) = (Reach::default(), Instant::now());
        assert_eq!(failures(&mut reach, 50), [Turn::Away]);
        assert!(reach.is_silent());
        for _ in 0..10 {
            now += CALM / 2;
            assert_eq!(reach.answered(now), None);
            assert!(!reach.is_silent() && reach.is_away());
            assert_eq!(failures(&mut reach, FAILURES), []);
        }
        assert_eq!(reach.answered(now), None);
        assert_eq!(failures(&mut reach, 1), [], "one alone does not count");
        assert_eq!(reach.answered(now + CALM / 2), None);
        assert_eq!(reach.answered(now + CALM), Some(Turn::Back));
        assert!(!reach.is_away());
    }

    #[test]
    fn where_nobody_writes_any_more_it_is_back_after_a_while_too() {
        let (mut reach, now) = (Reach::default(), Instant::now());
        failures(&mut reach, FAILURES);
        assert_eq!(reach.calm_by(now + CALM * 9), None, "it has not answered");
        reach.answered(now);
        assert_eq!(reach.calm_at(), Some(now + CALM));
        assert_eq!(reach.calm_by(now + CALM), Some(Turn::Back));
        assert_eq!(reach.calm_at(), None);
    }
}
