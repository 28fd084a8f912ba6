//! From register readings to energy delivered. Pure.
//!
//! A meter's import register only counts up, so a reading's worth does not depend on a clock: a higher
//! reading is a later one. A lower reading is either late (taken before the last one: left out) or the
//! register fell back (a replaced or reset meter: what was delivered before is kept, and counting goes
//! on from the lower reading). Energy never goes down and is never negative.
//!
//! Example: 1000 Wh at the start, 1500, then a reset to 20, then 120: 500 + 100 = 600 Wh.

use model::{Flag, Session, Timestamp};

/// Takes a reading of `wh` Wh, taken at `at`, into account.
pub(super) fn take_reading(session: &mut Session, wh: f64, at: Timestamp) {
    if !wh.is_finite() || wh < 0.0 {
        session.flags.insert(Flag::MeterImplausible);
        return;
    }
    let (Some(last), Some(last_at)) = (session.meter_last_wh, session.meter_last_at) else {
        begin_at(session, wh, at);
        return;
    };
    if wh >= last {
        session.meter_last_wh = Some(wh);
        session.meter_last_at = Some(at.max(last_at));
    } else if at >= last_at {
        session.flags.insert(Flag::MeterFellBack);
        session.energy_before_run_wh = session.energy_wh;
        session.meter_run_start_wh = Some(wh);
        session.meter_last_wh = Some(wh);
        session.meter_last_at = Some(at);
    } else {
        take_late_reading(session, wh);
    }
    total(session);
}

/// The reading the session began with, told by its start.
pub(super) fn take_start_reading(session: &mut Session, wh: f64, at: Timestamp) {
    if !wh.is_finite() || wh < 0.0 {
        session.flags.insert(Flag::MeterImplausible);
        return;
    }
    session.meter_start_wh = Some(wh);
    session.flags.remove(&Flag::MeterStartMissing);
    match session.meter_last_wh {
        None => begin_at(session, wh, at),
        // The start came after later readings: it is where the register's run began.
        Some(last) if wh <= last && !session.flags.contains(&Flag::MeterFellBack) => {
            session.meter_run_start_wh = Some(wh);
            total(session);
        }
        Some(_) => {}
    }
}

fn begin_at(session: &mut Session, wh: f64, at: Timestamp) {
    session.meter_run_start_wh = Some(wh);
    session.meter_last_wh = Some(wh);
    session.meter_last_at = Some(at);
    if session.meter_start_wh.is_none() {
        session.flags.insert(Flag::MeterStartMissing);
    }
}

/// Without a start reading, an earlier one tells better where counting began.
fn take_late_reading(session: &mut Session, wh: f64) {
    let unsure = session.flags.contains(&Flag::MeterStartMissing)
        && !session.flags.contains(&Flag::MeterFellBack);
    if unsure && session.meter_run_start_wh.is_some_and(|start| wh < start) {
        session.meter_run_start_wh = Some(wh);
    }
}

fn total(session: &mut Session) {
    let run = match (session.meter_run_start_wh, session.meter_last_wh) {
        (Some(start), Some(last)) => (last - start).max(0.0),
        _ => 0.0,
    };
    session.energy_wh = session.energy_before_run_wh + run;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::core::tests::empty_session;

    fn after(start: Option<f64>, readings: &[(f64, i64)]) -> Session {
        let mut session = empty_session();
        if let Some(wh) = start {
            take_start_reading(&mut session, wh, Timestamp(0));
        }
        for (wh, at) in readings {
            take_reading(&mut session, *wh, Timestamp(*at));
        }
        session
    }

    #[test]
    fn energy_is_the_last_reading_less_the_first() {
        assert_eq!(
            after(Some(1000.0), &[(1500.0, 1), (1700.0, 2)]).energy_wh,
            700.0
        );
    }

    #[test]
    fn a_meter_that_falls_back_costs_nothing_that_was_counted() {
        let session = after(Some(1000.0), &[(1500.0, 1), (20.0, 2), (120.0, 3)]);
        assert_eq!(session.energy_wh, 600.0);
        assert!(session.flags.contains(&Flag::MeterFellBack));
    }

    #[test]
    fn a_late_lower_reading_changes_nothing() {
        let session = after(Some(1000.0), &[(1500.0, 5), (1200.0, 2)]);
        assert_eq!(session.energy_wh, 500.0);
        assert!(session.flags.is_empty());
    }

    #[test]
    fn a_higher_reading_counts_even_when_the_clock_was_set_back() {
        assert_eq!(
            after(Some(1000.0), &[(1500.0, 9), (1600.0, 2)]).energy_wh,
            600.0
        );
    }

    #[test]
    fn without_a_start_the_earliest_reading_counts() {
        let session = after(None, &[(1500.0, 5), (1800.0, 9), (1400.0, 2)]);
        assert_eq!(session.energy_wh, 400.0);
        assert!(session.flags.contains(&Flag::MeterStartMissing));
    }

    #[test]
    fn a_start_that_comes_late_corrects_the_total() {
        let mut session = after(None, &[(1500.0, 5), (1800.0, 9)]);
        take_start_reading(&mut session, 1000.0, Timestamp(1));
        assert_eq!(session.energy_wh, 800.0);
        assert!(!session.flags.contains(&Flag::MeterStartMissing));
    }

    proptest! {
        #[test]
        fn energy_is_never_negative_and_never_shrinks(
            start in proptest::option::of(-10.0..1e6f64),
            readings in proptest::collection::vec((prop_oneof![-1e3..1e7f64, Just(f64::NAN)], 0i64..1000), 0..40),
        ) {
            let mut session = after(start, &[]);
            let mut before = 0.0;
            for (wh, at) in readings {
                take_reading(&mut session, wh, Timestamp(at));
                prop_assert!(session.energy_wh >= before);
                before = session.energy_wh;
            }
        }

        #[test]
        fn rising_readings_in_any_order_give_the_same_energy(
            mut steps in proptest::collection::vec(0.0..1e4f64, 1..20),
            seed in any::<u64>(),
        ) {
            let mut wh = 0.0;
            for step in &mut steps {
                wh += *step;
                *step = wh;
            }
            let mut shuffled: Vec<(f64, i64)> = steps.iter().copied().zip(1..).collect();
            let len = shuffled.len();
            let mut random = seed;
            for i in (1..len).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(i, (random >> 33) as usize % (i + 1));
            }
            let session = after(Some(0.0), &shuffled);
            prop_assert!((session.energy_wh - wh).abs() < 1e-6);
        }
    }
}
