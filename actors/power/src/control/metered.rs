//! What a meter of the site says of the load that is not ours, and for how long that counts.

/// A meter that was silent for so many of its usual pauses, and for so long in ms, tells nothing of now.
const PAUSES: i64 = 3;
const SILENT_MS: i64 = 5_000;

/// What a meter said last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metered {
    amps: [f64; 3],
    at_ms: i64,
    /// Its last two pauses, in ms, once there was one.
    pauses_ms: Option<(i64, i64)>,
}

impl Metered {
    /// It says so much, per phase in A, as of that time; `before` is what it said before.
    pub(super) fn says(before: Option<Self>, amps: [f64; 3], at_ms: i64) -> Self {
        let pauses_ms = before.map(|before| {
            let pause_ms = (at_ms - before.at_ms).max(0);
            (pause_ms, before.pauses_ms.map_or(pause_ms, |it| it.0))
        });
        Self {
            amps,
            at_ms,
            pauses_ms,
        }
    }

    /// Whether it tells less often than it did.
    pub(super) fn is_silent(&self, now_ms: i64) -> bool {
        self.pauses_ms.is_some_and(|(one_ms, other_ms)| {
            now_ms - self.at_ms > PAUSES * one_ms.max(other_ms) + SILENT_MS
        })
    }

    /// What is to be reckoned with, per phase in A, where so much was planned for: of a meter that is silent the worse of
    /// both; none, as if there were no meter, if it said nothing for `fresh_ms`.
    pub(super) fn counts(&self, planned: [f64; 3], fresh_ms: i64, now_ms: i64) -> Option<[f64; 3]> {
        let counts = match self.is_silent(now_ms) {
            true => std::array::from_fn(|phase| self.amps[phase].max(planned[phase])),
            false => self.amps,
        };
        (now_ms - self.at_ms <= fresh_ms).then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_counts_once_a_meter_says_nothing_for_longer_than_it_used_to() {
        let planned = [20.0, 5.0, 5.0];
        let mut metered = Metered::says(None, [8.0; 3], 0);
        let counts = |it: Metered, now_ms: i64| it.counts(planned, 60_000, now_ms);
        assert_eq!(counts(metered, 60_000), Some([8.0; 3]), "it may be slow");
        assert_eq!(counts(metered, 60_001), None);
        for second in 1..=10 {
            metered = Metered::says(Some(metered), [8.0; 3], second * 1_000);
        }
        assert_eq!(counts(metered, 18_000), Some([8.0; 3]));
        assert!(!metered.is_silent(18_000) && metered.is_silent(18_001));
        assert_eq!(counts(metered, 18_001), Some([20.0, 8.0, 8.0]));
        assert_eq!(counts(metered, 70_001), None);
        metered = Metered::says(Some(metered), [8.0; 3], 30_000);
        assert_eq!(counts(metered, 31_000), Some([8.0; 3]), "it is back");
    }
}
