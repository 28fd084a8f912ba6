//! A site whose plan changes while its stations charge.

use super::*;

/// Behind 40 A: A and B have 20 A each.
fn charging() -> World {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("A", "one");
    world.begins("B", "two");
    world.pass_charging(70);
    assert_eq!(world.outlet("A").granted_a, 20.0);
    assert_eq!(world.outlet("B").granted_a, 20.0);
    world.profiles("A");
    world.profiles("B");
    world
}

impl World {
    /// Cars draw all they may, where they are planned.
    fn pass_charging(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.pass(1);
            for (station, key) in [("A", "one"), ("B", "two")] {
                if self.managed.is_planned(&sample::station_id(station)) {
                    self.draws_all(station, key);
                }
            }
        }
    }

    fn replan(&mut self, change: impl Fn(&mut model::Fuse)) -> bool {
        let mut power = self.managed.power.clone();
        change(&mut power.plan.grid);
        let replanned = self.managed.replan(power, TIMING, self.now_ms);
        self.settle();
        replanned.expect("it can be")
    }
}

fn limits(profiles: &[ChargingProfile]) -> Vec<(ProfilePurpose, f64)> {
    let limit = |it: &ChargingProfile| (it.purpose, it.periods[0].limit);
    profiles.iter().map(limit).collect()
}

#[test]
fn a_plan_that_lowers_a_limit_has_its_decreases_out_at_once_as_a_set_point_has() {
    let mut world = charging();
    let is_new = world.replan(|grid| grid.breaker_a = Some([24.0; 3]));
    assert!(!is_new, "nobody has to tell anything anew");
    for station in ["A", "B"] {
        let told = world.profiles(station);
        assert_eq!(limits(&told), [(ProfilePurpose::Tx, 12.0)], "{station}");
        let outlet = world.outlet(station);
        assert_eq!((outlet.granted_a, outlet.reserved_a), (12.0, 20.0));
    }
    let view = world.managed.view(world.now_ms);
    assert_eq!(view.learns_until, None);
    assert!(world.raised.contains(&PowerAlarmKind::Exceeded));
    world.pass_charging(61);
    assert_eq!(world.outlet("A").reserved_a, 12.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
}

#[test]
fn an_outlet_whose_floor_is_planned_lower_is_booked_at_the_one_it_has_until_it_has_the_other() {
    let mut world = World::set_up(power(), Nature::default());
    world.profiles("A");
    let mut power = world.managed.power.clone();
    power.plan.grid.outlets[0].floor_a = 0.0;
    let replanned = world.managed.replan(power, TIMING, world.now_ms);
    replanned.expect("it can be");
    assert_eq!(world.outlet("A").reserved_a, 6.0);
    world.settle();
    assert_eq!(
        limits(&world.profiles("A")),
        [(ProfilePurpose::TxDefault, 0.0)]
    );
    assert_eq!(world.outlet("A").reserved_a, 0.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
}

#[test]
fn what_an_outlet_that_left_the_plan_was_granted_may_still_flow_so_nothing_is_raised_for_a_lease() {
    let mut world = charging();
    world.replan(|grid| {
        grid.outlets.remove(1);
        grid.breaker_a = Some([16.0; 3]);
    });
    assert_eq!(
        limits(&world.profiles("A")),
        [(ProfilePurpose::Tx, 16.0)],
        "a decrease waits for nothing"
    );
    world.replan(|grid| grid.breaker_a = Some([32.0; 3]));
    world.pass_charging(50);
    assert_eq!(world.outlet("A").granted_a, 16.0, "and is renewed");
    world.pass_charging(11);
    assert_eq!(world.outlet("A").granted_a, 32.0);
}

#[test]
fn an_outlet_that_comes_into_the_plan_is_set_up_and_those_of_before_go_on() {
    let mut world = charging();
    world.hear("C", StationNews::Connected(true));
    world.pass(3);
    let is_new = world.replan(|grid| grid.outlets.insert(0, outlet("C", 1)));
    assert!(is_new, "it may charge there");
    assert_eq!(world.outlet("C").reserved_a, 6.0, "its floor was sent");
    assert_eq!(
        limits(&world.profiles("C")),
        [(ProfilePurpose::TxDefault, 6.0)]
    );
    world.begins("C", "three");
    world.pass_charging(61);
    let granted = ["A", "B", "C"].map(|it| world.outlet(it).granted_a);
    assert!(granted.iter().all(|amps| *amps >= 13.0), "{granted:?}");
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
}

#[test]
fn an_impossible_plan_changes_nothing() {
    let mut world = charging();
    let mut power = world.managed.power.clone();
    power.plan.grid.breaker_a = Some([10.0; 3]);
    let refused = world.managed.replan(power, TIMING, world.now_ms);
    assert!(refused.is_err_and(|words| words.contains("lower the floors")));
    world.settle();
    assert_eq!(world.outlet("A").granted_a, 20.0);
}
