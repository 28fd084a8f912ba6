//! Whether what an outlet tells of its current and of its energy register can both be true. Pure.
//!
//! A current that is told in the wrong unit, or of a meter that is broken, is no proof that its station obeys. Where the
//! register tells of far more or far less than all currents that were told meanwhile, one of the two is wrong, and nobody
//! knows which: so the greater counts against the station, and neither for it.

use model::Timestamp;

use super::register::step_wh;

/// For so long, in ms, both are watched: some stations read their register only now and then.
const WATCHED_MS: i64 = 30_000;
/// What differs by no more than this may be a matter of phases and voltages.
const FACTOR: f64 = 5.0;

/// What an outlet tells of its current and its register.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Agreement {
    watched: Option<Watched>,
    /// The average by the register, in W, where it was last far from what was told.
    contradicts_w: Option<f64>,
}

/// Since a reading of the register.
#[derive(Debug, Clone, Copy)]
struct Watched {
    since: Timestamp,
    wh: f64,
    /// The least and the most that was told of the power since, in W.
    told_w: (f64, f64),
}

impl Agreement {
    /// An outlet tells its power, and its register if it does so. `slight_w` is no difference.
    pub(super) fn reads(&mut self, at: Timestamp, wh: Option<f64>, told_w: f64, slight_w: f64) {
        let begins = |wh| Watched {
            since: at,
            wh,
            told_w: (told_w, told_w),
        };
        let Some(watched) = &mut self.watched else {
            self.watched = wh.map(begins);
            return;
        };
        let (least_w, most_w) = watched.told_w;
        watched.told_w = (least_w.min(told_w), most_w.max(told_w));
        let Some(wh) = wh else {
            return;
        };
        if wh < watched.wh || at < watched.since {
            // Another meter, or another clock.
            self.watched = Some(begins(wh));
            return;
        }
        let ms = at.ms_since(watched.since);
        if ms < WATCHED_MS {
            return;
        }
        let hours = ms as f64 / 3_600_000.0;
        let average_w = (wh - watched.wh) / hours;
        let error_w = step_wh(watched.wh, wh) / hours;
        let (least_w, most_w) = watched.told_w;
        let stands_still = least_w > FACTOR * (average_w + error_w) + slight_w;
        let tells_little = average_w - error_w > FACTOR * most_w + slight_w;
        if stands_still || tells_little {
            self.contradicts_w = Some(average_w);
        } else if error_w <= slight_w {
            self.contradicts_w = None;
        } else {
            return;
        }
        self.watched = Some(begins(wh));
    }

    /// The average by the register, in W, while it and what is told cannot both be true.
    pub(super) fn contradicts_w(&self) -> Option<f64> {
        self.contradicts_w
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLIGHT_W: f64 = 345.0;

    /// What comes of readings each ten seconds: what is told, and what is drawn by the register, in W.
    fn reads(readings: &[(f64, f64)], step_wh: f64) -> Option<f64> {
        let mut agreement = Agreement::default();
        let mut wh = 5_123.4;
        for (index, (told_w, drawn_w)) in readings.iter().enumerate() {
            let at = Timestamp(10_000 * index as i64);
            let shown = (wh / step_wh).floor() * step_wh;
            agreement.reads(at, Some(shown), *told_w, SLIGHT_W);
            wh += drawn_w / 360.0;
        }
        agreement.contradicts_w()
    }

    #[test]
    fn a_current_of_another_scale_contradicts_its_register_and_so_does_a_register_that_stands_still()
     {
        let average = reads(&[(11.0, 11_040.0); 6], 1.0).expect("milliamperes");
        assert!((average - 11_040.0).abs() < 150.0, "{average}");
        assert!(reads(&[(11.0e6, 11_040.0); 6], 1.0).is_some());
        assert_eq!(reads(&[(11_040.0, 0.0); 6], 0.1), Some(0.0));
        assert_eq!(reads(&[(11_040.0, 0.0); 3], 0.1), None, "too early");
    }

    #[test]
    fn a_register_of_large_steps_is_watched_for_longer() {
        assert_eq!(reads(&[(11_040.0, 11_040.0); 60], 1_000.0), None);
        assert_eq!(reads(&[(11_040.0, 0.0); 60], 1_000.0), None);
        assert_eq!(reads(&[(11_040.0, 0.0); 400], 1_000.0), Some(0.0));
    }

    #[test]
    fn what_agrees_again_is_forgiven() {
        let mut readings = vec![(11.0, 11_040.0); 6];
        readings.extend([(11_040.0, 11_040.0); 8]);
        assert_eq!(reads(&readings, 1.0), None);
    }

    proptest! {
        /// Whatever a car draws, of a station that tells it, or a third or three times of it, nothing is said.
        #[test]
        fn an_honest_station_never_contradicts_itself(
            drawn in prop::collection::vec(0.0_f64..22_000.0, 2..80),
            counts in prop::sample::select(vec![1.0 / 3.0, 1.0, 3.0]),
            step in prop::sample::select(vec![0.1, 1.0, 10.0, 100.0]),
        ) {
            let mut agreement = Agreement::default();
            let (mut wh, mut at_ms) = (0.0_f64, 0);
            for drawn_w in drawn {
                // Told at the beginning and the end of the time it draws so much.
                for _ in 0..2 {
                    let shown = (wh / step).floor() * step;
                    agreement.reads(Timestamp(at_ms), Some(shown), drawn_w * counts, SLIGHT_W);
                    prop_assert_eq!(agreement.contradicts_w(), None);
                    wh += drawn_w / 360.0;
                    at_ms += 10_000;
                }
            }
        }
    }
}
