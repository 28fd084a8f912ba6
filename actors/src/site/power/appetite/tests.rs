//! Cars of all appetites, told by what they are asked for.

use power::{Feed, Phase, Steps};
use proptest::prelude::*;

use super::*;

const MINUTE_MS: i64 = 60_000;

fn outlet(steps: Steps) -> Outlet {
    Outlet {
        station: "CP".into(),
        evse: 1,
        feed: Feed::Phases(vec![Phase::L1, Phase::L2, Phase::L3]),
        most_a: 32.0,
        floor_a: 6.0,
        steps,
        unlimitable: false,
    }
}

/// A car at an outlet whose share is `share_a`, and what it was told.
struct World {
    appetite: Appetite,
    outlet: Outlet,
    now_ms: i64,
    every_ms: i64,
    may_a: f64,
    told_ms: i64,
    told: u32,
}

impl World {
    fn new(every_s: i64) -> Self {
        Self {
            appetite: Appetite::default(),
            outlet: outlet(Steps::From(6.0)),
            now_ms: 1_790_000_000_000,
            every_ms: every_s * 1_000,
            may_a: 32.0,
            told_ms: 0,
            told: 0,
        }
    }

    fn is_told(&mut self, share_a: f64) {
        self.appetite.passes(&self.outlet, self.now_ms);
        let amps = share_a.min(self.appetite.most_a().unwrap_or(32.0));
        if amps != self.may_a {
            (self.may_a, self.told_ms) = (amps, self.now_ms);
            self.told += 1;
        }
    }

    /// It would take so much, of a share, for so long; its meter is read now and then.
    fn wants(&mut self, amps: f64, share_a: f64, for_ms: i64) {
        let until_ms = self.now_ms + for_ms;
        while self.now_ms < until_ms {
            self.is_told(share_a);
            self.now_ms += self.every_ms;
            let taking = Taking {
                amps: amps.min(self.may_a),
                may_a: self.may_a,
                told_ms: self.told_ms,
                since_ms: self.now_ms,
                at_ms: self.now_ms,
            };
            self.appetite.takes(taking, &self.outlet);
            self.is_told(share_a);
        }
    }

    fn rests(&mut self, rests: bool) {
        self.appetite.is_said_to_rest(rests, self.now_ms);
        self.is_told(21.0);
    }
}

#[test]
fn a_car_that_takes_half_for_a_minute_is_asked_for_that_and_some_room_and_for_all_once_it_uses_it()
{
    let mut world = World::new(10);
    world.wants(10.0, 21.0, MINUTE_MS);
    assert_eq!(world.appetite.most_a(), None, "not so soon");
    world.wants(10.0, 21.0, 20_000);
    assert_eq!(world.appetite.most_a(), Some(14.0));
    world.wants(10.9, 21.0, 10 * MINUTE_MS);
    assert_eq!(world.appetite.most_a(), Some(14.0), "within its room");
    world.wants(32.0, 21.0, 10_000);
    assert_eq!(world.appetite.most_a(), None);
}

#[test]
fn a_full_car_can_begin_again() {
    let mut world = World::new(10);
    world.wants(0.0, 21.0, 2 * MINUTE_MS);
    assert_eq!(world.appetite.most_a(), Some(6.0));
    world.wants(32.0, 21.0, 10_000);
    assert_eq!(world.appetite.most_a(), None);
}

#[test]
fn a_car_whose_battery_fills_is_asked_for_less_and_less_and_told_few_times() {
    let mut world = World::new(10);
    for tenths in (0..=320).rev() {
        world.wants(f64::from(tenths) / 10.0, 32.0, 20_000);
    }
    assert!(world.may_a < 10.0, "{}", world.may_a);
    assert!(world.told <= 8, "{} times", world.told);
}

#[test]
fn a_meter_that_is_read_every_five_minutes_is_read_three_times() {
    let mut world = World::new(300);
    world.wants(10.0, 21.0, 600_000);
    assert_eq!(world.appetite.most_a(), None);
    world.wants(10.0, 21.0, 300_000);
    assert_eq!(world.appetite.most_a(), Some(14.0));
    world.wants(10.0, 21.0, 3_000_000);
    assert_eq!(world.appetite.most_a(), Some(14.0), "nothing is missing");
}

#[test]
fn a_meter_that_falls_silent_or_is_doubted_gives_all_back() {
    let mut silent = World::new(10);
    silent.wants(10.0, 21.0, 2 * MINUTE_MS);
    silent.now_ms += 81_000;
    silent.is_told(21.0);
    assert_eq!(silent.appetite.most_a(), None);
    let mut doubted = World::new(10);
    doubted.wants(10.0, 21.0, 2 * MINUTE_MS);
    doubted.appetite.is_in_doubt();
    assert_eq!(doubted.appetite.most_a(), None);
}

#[test]
fn a_share_that_shrinks_below_the_appetite_is_no_appetite() {
    let mut world = World::new(10);
    world.wants(12.0, 32.0, 2 * MINUTE_MS);
    assert_eq!(world.appetite.most_a(), Some(16.0));
    world.wants(12.0, 10.0, 5 * MINUTE_MS);
    assert_eq!(world.appetite.most_a(), Some(16.0));
}

#[test]
fn a_car_that_rests_by_its_stations_word_makes_room_at_once_until_it_charges_by_its_word_or_its_meter()
 {
    let mut unread = World::new(10);
    unread.rests(true);
    assert_eq!(unread.may_a, 6.0);
    unread.rests(false);
    assert_eq!(unread.may_a, 21.0);
    unread.rests(true);
    assert_eq!(unread.may_a, 21.0, "it comes and goes");
    unread.now_ms += 4 * MINUTE_MS;
    unread.is_told(21.0);
    assert_eq!(unread.may_a, 6.0);

    let mut read = World::new(10);
    read.wants(32.0, 21.0, MINUTE_MS);
    read.rests(true);
    read.wants(0.0, 21.0, MINUTE_MS);
    read.rests(false);
    assert_eq!(read.may_a, 6.0, "nothing flows");
    read.wants(32.0, 21.0, 10_000);
    assert_eq!(read.may_a, 21.0);

    let mut forgotten = World::new(10);
    forgotten.rests(true);
    forgotten.wants(32.0, 21.0, 2 * MINUTE_MS);
    assert_eq!(
        forgotten.may_a, 21.0,
        "its station did not say that it goes on"
    );
    forgotten.rests(true);
    assert_eq!(forgotten.may_a, 21.0, "and says nothing new");
}

#[test]
fn a_reading_of_shortly_after_the_car_was_told_something_else_says_nothing() {
    let mut world = World::new(4);
    for share in 0..30 {
        world.wants(6.0, 20.0 + 5.0 * f64::from(share % 2), 8_000);
    }
    assert_eq!(world.appetite.most_a(), None);
}

#[test]
fn an_outlet_of_steps_is_asked_for_one_of_them() {
    let mut world = World::new(10);
    world.outlet = outlet(Steps::Only(vec![6.0, 16.0, 32.0]));
    world.wants(10.0, 32.0, 2 * MINUTE_MS);
    assert_eq!(world.appetite.most_a(), Some(16.0));
    let mut world = World::new(10);
    world.outlet = outlet(Steps::Only(vec![6.0, 16.0, 32.0]));
    world.wants(16.0, 32.0, 10 * MINUTE_MS);
    assert_eq!(world.appetite.most_a(), None, "16 A would be no room");
}

proptest! {
    /// Whatever a car did before: once it takes all it may, or an ampere less, it wants all again within two readings, or
    /// as soon as it can have followed what it was told last.
    #[test]
    fn a_car_that_wants_all_is_not_kept_below_its_share(
        before in prop::collection::vec((0.0_f64..32.0, 6.0_f64..32.0, 1_i64..400), 0..30),
        every_s in 2_i64..60,
        share_a in 6.0_f64..32.0,
        less_a in 0.0_f64..1.0,
        rests in prop::bool::ANY,
    ) {
        let mut world = World::new(every_s);
        for (amps, share_a, seconds) in before {
            world.wants(amps, share_a, 1_000 * seconds);
        }
        world.rests(rests);
        let begins_ms = world.now_ms;
        while world.now_ms - begins_ms <= 2 * world.every_ms + 2 * REACTS_MS {
            let takes_a = (world.may_a - less_a).max(0.0);
            world.wants(takes_a, share_a, world.every_ms);
        }
        prop_assert!(world.may_a >= share_a - 1e-9, "{} of {share_a}", world.may_a);
    }

    /// However often a car begins and ceases to take little, and whatever its station says of that: it is told another
    /// limit ten times in eight hours at most.
    #[test]
    fn an_appetite_that_comes_and_goes_is_told_few_times(
        turns in prop::collection::vec((prop::bool::ANY, 5_i64..3_000), 1..200),
        little_a in 0.0_f64..10.0,
        is_said in prop::bool::ANY,
    ) {
        let mut world = World::new(10);
        let end_ms = world.now_ms + 8 * 60 * MINUTE_MS;
        for (hungry, seconds) in turns.iter().cycle() {
            if is_said {
                world.rests(!hungry);
            }
            let amps = if *hungry { 32.0 } else { little_a };
            world.wants(amps, 21.0, 1_000 * seconds);
            if world.now_ms > end_ms {
                break;
            }
        }
        prop_assert!(world.told <= 1 + 10, "{} times", world.told);
    }

    /// What is asked for leaves room to rise, is never less than a car needs to begin, and what is freed is worth it.
    #[test]
    fn nobody_is_asked_for_less_than_it_takes(
        takes in prop::collection::vec(0.0_f64..32.0, 1..200),
        share_a in 6.0_f64..32.0,
    ) {
        let mut world = World::new(10);
        for amps in takes {
            world.wants(amps, share_a, 30_000);
            let Some(most_a) = world.appetite.most_a() else {
                continue;
            };
            prop_assert!(most_a >= 6.0);
            prop_assert!(most_a >= amps.min(world.may_a));
        }
    }
}
