//! Stations whose clocks are behind, or ahead.

use super::*;

const LAG_MS: i64 = 50 * SECOND_MS;

fn with_clock(world: &mut World, ms: i64, is_certain: bool) {
    let clock = ClockLag {
        ms,
        is_certain,
        ahead_ms: 0,
    };
    has_clock(world, clock);
}

fn ahead(world: &mut World, ahead_ms: i64) {
    let clock = ClockLag {
        ms: 0,
        is_certain: true,
        ahead_ms,
    };
    has_clock(world, clock);
}

fn has_clock(world: &mut World, clock: ClockLag) {
    let facts = SessionFacts {
        clock: Some(clock),
        ..facts("A", "one", None)
    };
    world.hear("A", StationNews::Session(1, Box::new(facts)));
    world.settle();
}

fn ends_ms(profile: &ChargingProfile) -> i64 {
    profile.valid_to.expect("it ends").0
}

#[test]
fn a_grant_ends_by_the_stations_own_clock_when_it_should_by_ours() {
    let mut world = World::set_up(power(), Nature::default());
    world.profiles("A");
    with_clock(&mut world, LAG_MS, true);
    let grant = world.profiles("A").pop().expect("it is granted");
    assert_eq!(ends_ms(&grant), world.now_ms + TIMING.lease_ms - LAG_MS);
    let began = grant.start.expect("it has begun");
    assert!(
        began.0 < world.now_ms - LAG_MS,
        "by the station's clock too"
    );
    let until = world.outlet("A").schedule[0].until;
    assert_eq!(
        until.map(|until| until.0),
        Some(world.now_ms + TIMING.lease_ms),
        "people are told our time"
    );
    // What its meter says now counts as said now.
    world.draws("A", "one", 32.0, LAG_MS + 20 * SECOND_MS);
    let seen = world.outlet("A").measured_at;
    assert_eq!(seen.map(|at| at.0), Some(world.now_ms - 20 * SECOND_MS));
    assert_eq!(world.outlet("A").measured_a, Some([32.0, 0.0, 0.0]));
}

#[test]
fn a_grant_ends_by_the_stations_clock_whatever_the_clocks_of_its_hub_and_ours_show() {
    for hub_ahead_ms in [-3_600, 3_600].map(|seconds| seconds * SECOND_MS) {
        for lag_ms in [0, LAG_MS] {
            let mut world = World::set_up(power(), Nature::default());
            world.hub_ahead("A", hub_ahead_ms);
            with_clock(&mut world, lag_ms, true);
            let grant = world.profiles("A").pop().expect("it is granted");
            let at_station_ms = world.now_ms + hub_ahead_ms - lag_ms;
            assert_eq!(ends_ms(&grant), at_station_ms + TIMING.lease_ms);
            assert!(grant.start.is_some_and(|began| began.0 <= at_station_ms));
            assert!(world.alarms().is_empty(), "{:?}", world.alarms());
            let until = world.outlet("A").schedule[0].until;
            assert_eq!(
                until.map(|until| until.0),
                Some(world.now_ms + TIMING.lease_ms),
                "people are told our time"
            );
        }
    }
}

#[test]
fn a_station_whose_time_is_not_certain_stays_at_its_floor_until_it_is() {
    let mut world = World::set_up(power(), Nature::default());
    world.profiles("A");
    with_clock(&mut world, LAG_MS, false);
    assert!(world.profiles("A").is_empty());
    let held_by = world.outlet("A").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::Clock));
    with_clock(&mut world, 200, true);
    let grant = world.profiles("A").pop().expect("it is granted");
    assert_eq!(grant.periods[0].limit, 32.0);
    assert_eq!(ends_ms(&grant), world.now_ms + TIMING.lease_ms - 200);
}

#[test]
fn the_next_life_knows_which_clocks_are_behind() {
    let mut world = World::set_up(power(), Nature::default());
    with_clock(&mut world, LAG_MS, true);
    let memory = world.managed.changed_memory().expect("it is to be written");
    world.managed.changed_memory();
    with_clock(&mut world, LAG_MS + 900, true);
    assert_eq!(world.managed.changed_memory(), None, "about the same");
    world.next_life(memory);
    world.hear("A", StationNews::Connected(true));
    world.pass(2);
    world.profiles("A");
    world.begins("A", "one");
    let grant = world.profiles("A").pop().expect("it is granted");
    assert_eq!(ends_ms(&grant), world.now_ms + TIMING.lease_ms - LAG_MS);
}

#[test]
fn a_station_whose_clock_is_far_ahead_stays_at_its_floor_and_leaves_its_share_to_others_until_it_is_set()
 {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("A", "one");
    world.begins("B", "two");
    let pass = |world: &mut World| {
        for _ in 0..61 {
            world.draws_all("B", "two");
            world.pass(1);
        }
    };
    pass(&mut world);
    assert_eq!(world.outlet("A").granted_a, 20.0);
    for ahead_ms in [50, 3_600, 86_400].map(|seconds| seconds * SECOND_MS) {
        ahead(&mut world, ahead_ms);
        pass(&mut world);
        let alarms = world.managed.view(world.now_ms).alarms;
        let [alarm] = &alarms[..] else {
            panic!("{alarms:?}");
        };
        assert_eq!(alarm.kind, PowerAlarmKind::Clock);
        let words = format!("station A is {} s ahead", ahead_ms / SECOND_MS);
        assert!(alarm.message.contains(&words), "{}", alarm.message);
        let held_by = world.outlet("A").session.and_then(|it| it.held_by);
        assert_eq!(held_by, Some(HeldBy::Clock));
        assert_eq!(world.outlet("A").granted_a, 6.0);
        assert_eq!(world.outlet("B").granted_a, 32.0);
    }
    ahead(&mut world, 0);
    pass(&mut world);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    assert_eq!(world.outlet("A").granted_a, 20.0);
}

#[test]
fn a_small_lead_holds_nobody_up_and_lengthens_no_grant() {
    let mut world = World::set_up(power(), Nature::default());
    ahead(&mut world, 20 * SECOND_MS);
    let grant = world.profiles("A").pop().expect("it is granted");
    assert_eq!(grant.periods[0].limit, 32.0);
    assert_eq!(ends_ms(&grant), world.now_ms + TIMING.lease_ms);
    assert!(world.alarms().is_empty());
}

#[test]
fn what_a_station_with_a_fast_clock_tells_of_its_meter_counts() {
    let mut world = World::set_up(power(), Nature::default());
    ahead(&mut world, 3_600 * SECOND_MS);
    world.draws("A", "one", 30.0, -3_600 * SECOND_MS);
    assert_eq!(world.outlet("A").measured_a, Some([30.0, 0.0, 0.0]));
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
}
