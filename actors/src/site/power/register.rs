//! What an outlet draws on average where its station tells its energy register and nothing else. Pure.

use model::Timestamp;

/// Registers count in steps of these, in Wh; what fits a greater one is taken for it.
const STEPS_WH: [f64; 4] = [1_000.0, 100.0, 10.0, 1.0];

/// The energy register of an outlet: where an average begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Register {
    since: Option<(Timestamp, f64)>,
}

/// What was drawn between two readings of a register.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Average {
    /// All phases together, in W.
    pub(super) watts: f64,
    /// When the first was taken, in ms.
    pub(super) since_ms: i64,
}

impl Register {
    /// It is read. An average follows once the step it counts in is worth no more than `step_w` over the time between.
    pub(super) fn reads(&mut self, wh: Option<f64>, at: Timestamp, step_w: f64) -> Option<Average> {
        let wh = wh?;
        let (since, before_wh) = *self.since.get_or_insert((at, wh));
        if wh < before_wh || at < since {
            // Another meter, or another clock.
            self.since = Some((at, wh));
            return None;
        }
        let hours = at.ms_since(since) as f64 / 3_600_000.0;
        if step_wh(before_wh, wh) > step_w * hours {
            return None;
        }
        self.since = Some((at, wh));
        Some(Average {
            watts: (wh - before_wh) / hours,
            since_ms: since.0,
        })
    }
}

/// The greatest step that both are whole numbers of.
pub(super) fn step_wh(one: f64, other: f64) -> f64 {
    let fits = |step: &&f64| one % **step == 0.0 && other % **step == 0.0;
    STEPS_WH.iter().find(fits).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_register_that_counts_in_large_steps_is_watched_for_longer() {
        let mut register = Register::default();
        let mut reads =
            |wh, second: i64| register.reads(Some(wh), Timestamp(second * 1_000), 345.0);
        assert_eq!(reads(1_000.0, 0), None);
        assert_eq!(reads(1_100.0, 60), None, "it may be 0 to 12 kW");
        let average = reads(4_600.0, 1_200).expect("it has been long enough");
        assert_eq!((average.watts, average.since_ms), (10_800.0, 0));
        assert_eq!(reads(4_600.0, 1_201), None, "a second tells nothing");
    }

    #[test]
    fn a_register_that_runs_backwards_begins_anew() {
        let mut register = Register::default();
        let mut reads =
            |wh, second: i64| register.reads(Some(wh), Timestamp(second * 1_000), 345.0);
        assert_eq!(reads(5_001.0, 0), None);
        assert_eq!(reads(17.0, 60), None, "another meter");
        assert_eq!(reads(77.0, 120).map(|it| it.watts), Some(3_600.0));
        assert_eq!(reads(77.0, 100), None, "the clock was set back");
    }

    proptest! {
        /// Whatever a station draws and however often it tells: no average is further from what was drawn than the step
        /// that its register counts in.
        #[test]
        fn an_average_is_what_was_drawn(
            watts in prop::collection::vec((0.0_f64..22_000.0, 1_i64..120), 2..60),
            step in prop::sample::select(vec![1.0_f64, 10.0, 100.0]),
            start_wh in 0.0_f64..1e6,
        ) {
            let mut register = Register::default();
            let (mut true_wh, mut at_ms) = (start_wh, 0);
            let mut told = vec![(0_i64, start_wh)];
            register.reads(Some((start_wh / step).floor() * step), Timestamp(0), 345.0);
            for (watts, seconds) in watts {
                true_wh += watts * seconds as f64 / 3_600.0;
                at_ms += seconds * 1_000;
                told.push((at_ms, true_wh));
                let wh = (true_wh / step).floor() * step;
                let Some(average) = register.reads(Some(wh), Timestamp(at_ms), 345.0) else {
                    continue;
                };
                let since = told.iter().find(|(at, _)| *at == average.since_ms).expect("it was told");
                let hours = (at_ms - since.0) as f64 / 3_600_000.0;
                let drawn_w = (true_wh - since.1) / hours;
                prop_assert!((average.watts - drawn_w).abs() <= 345.0 + 1e-6);
            }
        }
    }
}
