use proptest::prelude::*;

use super::*;
use crate::session::{
    core::tests::{empty_session, step},
    sequence,
};
use model::{Timestamp, TransactionPhase};

const MINUTE_MS: i64 = 60_000;

fn point(wh: f64, minute: i64) -> MeterPoint {
    MeterPoint::new(wh, Timestamp(minute * MINUTE_MS), None)
}

/// OCPP 1.6: a start reading at minute 0, then readings with the minute they were taken in.
fn after(start: Option<f64>, readings: &[(f64, i64)]) -> Session {
    let mut session = empty_session();
    if let Some(wh) = start {
        take_start_reading(&mut session, point(wh, 0));
    }
    for (wh, minute) in readings {
        take_reading(&mut session, point(*wh, *minute));
    }
    session
}

/// OCPP 2.x: the readings of a whole transaction, a minute apart, that come in the order of `numbers`.
fn in_order(readings: &[f64], numbers: &[usize]) -> Session {
    use model::TransactionPhase::{Ended, Started, Updated};
    let mut session = empty_session();
    for (nth, &number) in numbers.iter().enumerate() {
        let phase = match number {
            0 => Started,
            last if last + 1 == readings.len() => Ended,
            _ => Updated,
        };
        let seq = i64::try_from(number).unwrap();
        let mut event = step(phase, None, 0);
        event.seq = Some(seq);
        sequence::take(&mut session, &event, nth == 0);
        let reading = MeterPoint {
            seq: Some(seq),
            ..point(readings[number], seq)
        };
        match phase {
            Started => take_start_reading(&mut session, reading),
            _ => take_reading(&mut session, reading),
        }
    }
    session
}

/// Every order of `len` things.
fn orders(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(len - 1);
    let with_last = |order: &Vec<usize>| {
        let order = order.clone();
        (0..len).map(move |at| {
            let mut order = order.clone();
            order.insert(at, len - 1);
            order
        })
    };
    shorter.iter().flat_map(with_last).collect()
}

#[test]
fn energy_is_the_last_reading_less_the_first() {
    let session = after(Some(1000.0), &[(1500.0, 1), (1700.0, 2)]);
    assert_eq!(session.energy_wh, 700.0);
    assert_eq!(session.meter_points.len(), 2, "the first and the last");
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
    let session = after(Some(1000.0), &[(1500.0, 9), (1600.0, 2)]);
    assert_eq!(session.energy_wh, 600.0);
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
    take_start_reading(&mut session, point(1000.0, 1));
    assert_eq!(session.energy_wh, 800.0);
    assert!(!session.flags.contains(&Flag::MeterStartMissing));
}

#[test]
fn a_reading_that_strays_is_left_out_and_flagged() {
    for stray in [20e6, 0.0] {
        let session = after(Some(1e6), &[(1.0005e6, 20), (stray, 40), (1.001e6, 60)]);
        assert_eq!(session.energy_wh, 1000.0, "{stray}");
        assert!(session.flags.contains(&Flag::MeterImplausible));
    }
}

#[test]
fn what_no_outlet_delivers_is_not_billed() {
    let session = after(Some(1000.0), &[(20e6, 58)]);
    assert_eq!(session.energy_wh, 0.0);
    assert!(session.flags.contains(&Flag::MeterImplausible));
    // A meter that was replaced goes on from its own reading.
    let session = after(Some(1000.0), &[(20e6, 58), (20.001e6, 60), (20.002e6, 62)]);
    assert_eq!(session.energy_wh, 2000.0);
}

#[test]
fn samples_in_another_unit_do_not_spoil_the_total() {
    // The samples say kWh without saying so.
    let samples = [(1000.0, 15), (1003.0, 30), (1005.0, 45), (1_007_000.0, 60)];
    let session = after(Some(1_000_000.0), &samples);
    assert_eq!(session.energy_wh, 7000.0);
    assert!(session.flags.contains(&Flag::MeterImplausible));
}

#[test]
fn without_a_clock_a_whole_battery_may_come_at_once() {
    let mut session = empty_session();
    session.flags.insert(Flag::ClockReplaced);
    take_start_reading(&mut session, point(1000.0, 0));
    let ended = MeterPoint {
        at: Timestamp(200),
        ..point(91_000.0, 0)
    };
    take_reading(&mut session, ended);
    assert_eq!(session.energy_wh, 90_000.0);
}

#[test]
fn a_session_that_was_kept_without_its_points_goes_on() {
    let mut session = after(Some(1000.0), &[(1500.0, 1)]);
    session.meter_points.clear();
    take_reading(&mut session, point(1600.0, 2));
    assert_eq!(session.energy_wh, 600.0);
}

#[test]
fn a_reset_counts_the_same_whatever_order_the_messages_come_in() {
    let readings = [10_000.0, 10_500.0, 300.0, 800.0, 1300.0];
    for order in orders(readings.len()) {
        let session = in_order(&readings, &order);
        assert_eq!(session.energy_wh, 1500.0, "{order:?}");
        assert_eq!(session.meter_last_wh, Some(1300.0));
        assert!(
            session.meter_points.len() <= 4,
            "{:?}",
            session.meter_points
        );
    }
}

#[test]
fn a_reading_that_strays_is_left_out_whatever_order_the_messages_come_in() {
    for stray in [0.0, 10.1, 20e6, 1e18] {
        let readings = [10_000.0, 10_500.0, stray, 11_000.0, 11_500.0];
        for order in orders(readings.len()) {
            let session = in_order(&readings, &order);
            assert_eq!(session.energy_wh, 1500.0, "{stray} {order:?}");
            assert!(session.flags.contains(&Flag::MeterImplausible));
        }
    }
}

#[test]
fn a_register_that_was_small_may_be_reset_and_rise_past_it() {
    let session = after(Some(0.0), &[(300.0, 1), (0.0, 2), (300.0, 3), (600.0, 4)]);
    assert_eq!(session.energy_wh, 900.0);
    let past = [
        (9000.0, 10),
        (0.0, 11),
        (4000.0, 15),
        (8500.0, 20),
        (9500.0, 25),
    ];
    assert_eq!(after(Some(0.0), &past).energy_wh, 18_500.0);
}

#[test]
fn a_register_that_counts_each_session_may_be_reset_in_it() {
    let readings = [(5000.0, 10), (100.0, 20), (3000.0, 30)];
    let session = after(Some(0.0), &readings);
    assert_eq!(session.energy_wh, 7900.0);
    assert!(session.flags.contains(&Flag::MeterFellBack));
}

#[test]
fn while_the_clock_stands_still_a_reading_that_was_passed_is_late() {
    let readings = [(1500.0, 5), (1200.0, 5), (1400.0, 5), (1600.0, 5)];
    assert_eq!(after(Some(1000.0), &readings).energy_wh, 600.0);
    let reset = [(1500.0, 5), (20.0, 5), (120.0, 5)];
    assert_eq!(after(Some(1000.0), &reset).energy_wh, 600.0);
}

#[test]
fn around_a_reset_the_times_tell_in_which_order_readings_were_taken() {
    let taken = [(9500.0, 1), (10_000.0, 2), (100.0, 3), (600.0, 4)];
    for order in orders(taken.len()) {
        let readings: Vec<_> = order.iter().map(|nth| taken[*nth]).collect();
        let session = after(Some(9000.0), &readings);
        assert_eq!(session.energy_wh, 1500.0, "{order:?}");
    }
}

#[test]
fn a_number_that_falls_or_starts_again_loses_nothing_and_adds_nothing() {
    for numbers in [
        [5, 4, 3, 2, 1],
        [0, 1, 0, 1, 0],
        [1, 2, 3, 4, 0],
        [-1, -2, -3, -4, -5],
    ] {
        let mut session = empty_session();
        for (minute, seq) in (0..).zip(numbers) {
            let phase = match minute {
                0 => TransactionPhase::Started,
                _ => TransactionPhase::Updated,
            };
            let mut event = step(phase, None, minute * MINUTE_MS);
            event.seq = Some(seq);
            let told = sequence::take(&mut session, &event, minute == 0);
            let reading = MeterPoint {
                seq: Some(seq).filter(|_| told != sequence::Told::Anew),
                ..point(1000.0 * minute as f64, minute)
            };
            match minute {
                0 => take_start_reading(&mut session, reading),
                _ => take_reading(&mut session, reading),
            }
        }
        assert_eq!(session.energy_wh, 4000.0, "{numbers:?}");
        assert!(
            !session.flags.contains(&Flag::MeterFellBack),
            "{:?}",
            session.flags
        );
    }
}

proptest! {
    #[test]
    fn energy_is_never_negative_and_never_shrinks(
        start in proptest::option::of(-10.0..1e6f64),
        readings in proptest::collection::vec((prop_oneof![-1e3..1e7f64, Just(f64::NAN)], 0i64..1000), 0..40),
    ) {
        let mut session = after(start, &[]);
        let mut before = 0.0;
        for (wh, minute) in readings {
            take_reading(&mut session, point(wh, minute));
            prop_assert!(session.energy_wh >= before - 1e-6);
            prop_assert!(session.meter_points.len() <= POINTS_MOST);
            before = session.energy_wh;
        }
    }

    #[test]
    fn with_resets_any_order_gives_the_same_energy(
        steps in proptest::collection::vec((0.0..9e3f64, proptest::bool::weighted(0.2)), 2..10),
        shuffle in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let mut register = 50_000.0;
        let mut energy = 0.0;
        let mut readings = vec![register];
        for (wh, reset) in &steps {
            // One that falls by little and is back at the next reading is taken for a stray.
            if *reset && register > 10_000.0 {
                register = 0.0;
                readings.push(register);
            }
            register += wh;
            energy += wh;
            readings.push(register);
        }
        let mut order: Vec<usize> = (0..readings.len()).collect();
        let mut random = seed ^ shuffle.index(usize::MAX) as u64;
        for at in (1..order.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(at, (random >> 33) as usize % (at + 1));
        }
        let session = in_order(&readings, &order);
        prop_assert!((session.energy_wh - energy).abs() < 1e-6, "{order:?}");
    }

    #[test]
    fn rising_readings_of_any_number_in_any_order_give_the_same_energy(
        mut steps in proptest::collection::vec(0.0..1e4f64, 1..40),
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
