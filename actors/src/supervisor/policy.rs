//! When to start a crashed actor again. Pure.
//!
//! The first crash is mended at once; each further one within the window waits longer, doubling; more
//! than `most` within the window is a quarantine: the child rests, its neighbours never notice.
//! Example with the default: crashes at 0 s, 1 s and 2 s restart after 0, 100 and 200 ms; the sixth
//! within a minute rests for five minutes.

use std::time::Duration;

use model::Timestamp;

/// When to start a crashed child again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestartPolicy {
    /// So many restarts within the window.
    pub most: usize,
    /// The window, in ms.
    pub window_ms: i64,
    /// The wait before the second restart within the window, in ms; it doubles from there.
    pub first_wait_ms: u64,
    /// How long a child rests that crashed too often, in ms.
    pub quarantine_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            most: 5,
            window_ms: 60_000,
            first_wait_ms: 100,
            quarantine_ms: 300_000,
        }
    }
}

/// What to do with a crashed child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterCrash {
    /// Start it again after this wait.
    RestartIn(Duration),
    /// Let it rest this long, then start it again.
    QuarantineFor(Duration),
}

/// The crashes of one child.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrashHistory(Vec<Timestamp>);

impl CrashHistory {
    /// Takes a crash at `now` into account.
    pub(crate) fn crashed(&mut self, policy: &RestartPolicy, now: Timestamp) -> AfterCrash {
        // A crash "in the future" was recorded before the clock was set back: how long ago, nobody knows.
        self.0
            .retain(|at| (0..=policy.window_ms).contains(&now.ms_since(*at)));
        let earlier = self.0.len();
        if earlier >= policy.most {
            self.0.clear();
            return AfterCrash::QuarantineFor(Duration::from_millis(policy.quarantine_ms));
        }
        self.0.push(now);
        let wait_ms = match earlier {
            0 => 0,
            n => policy.first_wait_ms << (n - 1).min(16),
        };
        AfterCrash::RestartIn(Duration::from_millis(wait_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(policy: &RestartPolicy, crashes_at_ms: &[i64]) -> Vec<AfterCrash> {
        let mut history = CrashHistory::default();
        crashes_at_ms
            .iter()
            .map(|at| history.crashed(policy, Timestamp(*at)))
            .collect()
    }

    fn restart(ms: u64) -> AfterCrash {
        AfterCrash::RestartIn(Duration::from_millis(ms))
    }

    #[test]
    fn the_wait_doubles_and_too_many_crashes_are_a_quarantine() {
        let policy = RestartPolicy {
            most: 3,
            ..RestartPolicy::default()
        };
        assert_eq!(
            waits(&policy, &[0, 1, 2, 3]),
            [
                restart(0),
                restart(100),
                restart(200),
                AfterCrash::QuarantineFor(Duration::from_secs(300))
            ]
        );
    }

    #[test]
    fn a_clock_that_was_set_back_puts_nobody_in_quarantine() {
        let policy = RestartPolicy {
            most: 3,
            ..RestartPolicy::default()
        };
        let year_ms = 365 * 86_400_000;
        assert_eq!(
            waits(&policy, &[year_ms, year_ms + 1, year_ms + 2, 0, 60_001]),
            [
                restart(0),
                restart(100),
                restart(200),
                restart(0),
                restart(0)
            ]
        );
    }

    #[test]
    fn crashes_far_apart_are_each_mended_at_once() {
        let policy = RestartPolicy::default();
        assert_eq!(
            waits(&policy, &[0, 60_001, 120_002]),
            [restart(0), restart(0), restart(0)]
        );
    }
}
