//! Stations that take profiles in one form and not in another, or without effect.

use super::*;

fn that_takes_not(takes_not: fn(&ChargingProfile) -> bool) -> World {
    let nature = Nature {
        takes_not: Some(takes_not),
        ..Nature::default()
    };
    World::set_up(power(), nature)
}

/// Its floor, and the grant it took last.
fn floor_and_grant(world: &mut World) -> (ChargingProfile, ChargingProfile) {
    let floor = world.profiles("A").pop().expect("it has a floor");
    world.begins("A", "one");
    let grant = world.profiles("A").pop().expect("it is granted");
    assert_eq!(world.outlet("A").granted_a, 32.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    (floor, grant)
}

fn memory_of_a(world: &mut World) -> model::KnownOutlet {
    let memory = world.managed.changed_memory();
    let outlets = memory.expect("it is remembered").outlets;
    let of_a = |it: &&model::KnownOutlet| it.station.as_str() == "A";
    outlets.iter().find(of_a).expect("it is known").clone()
}

#[test]
fn a_station_that_takes_one_stack_level_has_floor_and_grant_there() {
    let mut world = that_takes_not(|profile| profile.stack_level > 0);
    let (floor, grant) = floor_and_grant(&mut world);
    assert_eq!((floor.stack_level, grant.stack_level), (0, 0));
    assert_eq!(floor.purpose, ProfilePurpose::TxDefault);
    assert_eq!(grant.purpose, ProfilePurpose::Tx);
    assert!(memory_of_a(&mut world).form.is_lowest);
}

#[test]
fn a_station_that_takes_no_date_is_told_how_long_a_grant_lasts() {
    let mut world = that_takes_not(|profile| profile.valid_to.is_some());
    let (_, grant) = floor_and_grant(&mut world);
    assert_eq!(grant.purpose, ProfilePurpose::Tx);
    let start = grant.start.expect("it has a start");
    let lasts_ms = 1_000 * i64::from(grant.duration_s.expect("it ends"));
    let ends_ms = start.0 + lasts_ms;
    assert!(ends_ms <= world.now_ms + TIMING.lease_ms);
    assert!(ends_ms > world.now_ms + TIMING.lease_ms - SECOND_MS);
    assert!(memory_of_a(&mut world).form.ends_by_duration);
    world.hear("A", StationNews::Connected(false));
    world.pass(61);
    assert_eq!(world.outlet("A").reserved_a, 6.0, "booked as any other");
}

#[test]
fn a_station_that_takes_no_start_is_told_when_a_grant_ends() {
    let mut world = that_takes_not(|profile| profile.start.is_some());
    let (floor, grant) = floor_and_grant(&mut world);
    assert_eq!(floor.purpose, ProfilePurpose::TxDefault);
    assert_eq!((floor.start, grant.start), (None, None));
    assert!(grant.valid_to.is_some());
}

#[test]
fn a_grant_without_start_and_date_is_booked_until_it_has_ended_whenever_it_was_taken() {
    let mut world = that_takes_not(|profile| profile.start.is_some() || profile.valid_to.is_some());
    let (_, grant) = floor_and_grant(&mut world);
    assert_eq!((grant.purpose, grant.start), (ProfilePurpose::Tx, None));
    assert_eq!(grant.duration_s, Some(45));
    assert!(memory_of_a(&mut world).form.ends_by_duration);
    world.hear("A", StationNews::Connected(false));
    world.pass(59);
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    world.pass(3);
    assert_eq!(world.outlet("A").reserved_a, 6.0);
}

#[test]
fn a_station_that_takes_nothing_is_offered_every_form_again_after_a_pause() {
    let mut world = that_takes_not(|profile| {
        profile.purpose != ProfilePurpose::TxDefault || profile.stack_level > 1
    });
    world.profiles("A");
    world.begins("A", "one");
    let tried = world.profiles("A");
    let forms = |tried: &[ChargingProfile]| -> Vec<_> {
        let form = |it: &ChargingProfile| (it.purpose, it.start.is_none(), it.valid_to.is_none());
        tried.iter().map(form).collect()
    };
    let mut different = forms(&tried);
    different.dedup();
    assert_eq!((tried.len(), different.len()), (7, 7), "{different:?}");
    assert!(world.alarms().contains(&PowerAlarmKind::Refuses));
    world.pass(301);
    assert_eq!(forms(&world.profiles("A")), different);
}

#[test]
fn a_grant_that_is_taken_without_effect_is_said_otherwise_and_an_alarm_says_if_none_has_any() {
    let shows_its_floor = Nature {
        shows_a: Some(6.0),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), shows_its_floor);
    world.profiles("A");
    world.begins("A", "one");
    let pass = |world: &mut World, times: usize| {
        for _ in 0..times {
            world.pass(5);
            world.draws("A", "one", 6.0, 0);
        }
    };
    pass(&mut world, 10);
    let ends = |grants: &[ChargingProfile]| grants.iter().any(|it| it.duration_s.is_some());
    assert!(ends(&world.profiles("A")), "by its duration");
    assert!(!world.alarms().contains(&PowerAlarmKind::WithoutEffect));
    pass(&mut world, 60);
    assert!(world.alarms().contains(&PowerAlarmKind::WithoutEffect));
    let held_by = world.outlet("A").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::NotObeying));
    // Its meter shows otherwise.
    for _ in 0..10 {
        world.pass(5);
        world.draws("A", "one", 10.0, 0);
    }
    assert!(!world.alarms().contains(&PowerAlarmKind::WithoutEffect));
}

#[test]
fn a_station_that_needs_long_is_given_time_up_to_a_minute_and_less_again_once_it_is_quick() {
    let mut world = World::set_up(power(), Nature::default());
    let station = sample::station_id("A");
    let patience_ms = |world: &World| world.managed.patience_ms(&station);
    let now_ms = world.now_ms;
    assert_eq!(patience_ms(&world), 30_000);
    world
        .managed
        .has_taken(&station, &Told::Silence, 2_000, now_ms);
    assert_eq!(patience_ms(&world), 30_000, "its socket went");
    world
        .managed
        .has_taken(&station, &Told::Silence, 30_000, now_ms);
    assert_eq!(patience_ms(&world), 60_000);
    let yes = Told::Answer(ChargingAnswer::Accepted(Vec::new()));
    world.managed.has_taken(&station, &yes, 40_000, now_ms);
    assert_eq!(patience_ms(&world), 60_000);
    world.begins("A", "one");
    assert_eq!(world.outlet("A").granted_a, 32.0, "one may be held up");
    world.managed.has_taken(&station, &yes, 40_000, now_ms);
    world.settle();
    assert_eq!(world.outlet("A").granted_a, 6.0, "too slow for a grant");
    let held_by = world.outlet("A").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::NotObeying));
    for _ in 0..4 {
        world.managed.has_taken(&station, &yes, 100, now_ms);
    }
    assert_eq!(patience_ms(&world), 30_000);
    world.pass(61);
    assert_eq!(world.outlet("A").granted_a, 32.0, "it is quick now");
    for _ in 0..2 {
        world
            .managed
            .has_taken(&station, &yes, 40_000, world.now_ms);
    }
    world.pass(299);
    assert_eq!(world.outlet("A").granted_a, 6.0);
    world.pass(61);
    assert_eq!(world.outlet("A").granted_a, 32.0, "it is tried again");
}
