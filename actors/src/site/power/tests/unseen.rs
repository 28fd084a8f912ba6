//! Stations that show little or nothing of what they draw.

use model::{Location, Measurand, MeterSample, SampledValue};

use super::*;

const LASTS_S: i64 = (TIMING.lease_ms + TIMING.margin_ms) / SECOND_MS;

/// What a station tells with one measurand, of each of these phases.
fn tells(world: &World, measurand: &Measurand, values: &[(Option<&str>, f64)]) -> Option<Draw> {
    let values = values.iter().map(|(phase, value)| SampledValue {
        measurand: measurand.clone(),
        value: Some(*value),
        unit: String::new(),
        phase: phase.map(str::to_owned),
        location: Location::Outlet,
        context: None,
        raw: None,
    });
    Draw::of(&[MeterSample {
        at: Timestamp(world.now_ms),
        values: values.collect(),
    }])
}

fn says(world: &mut World, draw: Option<Draw>) {
    let facts = facts("A", "one", draw);
    world.hear("A", StationNews::Session(1, Box::new(facts)));
    world.settle();
}

/// Behind 40 A: A charges, and B beside it.
fn charging(nature: Nature) -> World {
    let mut world = World::set_up(power(), nature);
    world.begins("A", "one");
    world.begins("B", "two");
    world
}

#[test]
fn what_is_below_zero_or_no_number_is_no_reading() {
    let world = World::set_up(power(), Nature::default());
    let current = Measurand::CurrentImport;
    let of = |values: &[(Option<&str>, f64)]| tells(&world, &current, values);
    assert_eq!(of(&[(Some("L1"), -16.0), (Some("L2"), 3.0)]), None);
    assert_eq!(of(&[(Some("L1"), f64::NAN)]), None);
    assert_eq!(of(&[(None, f64::INFINITY)]), None);
    let half = [(Some("L1"), 0.0), (Some("L2"), f64::NAN)];
    assert_eq!(of(&half), None, "nor is one of which half is");
    assert_eq!(
        tells(&world, &Measurand::PowerImport, &[(None, -7_000.0)]),
        None
    );
    let noise = of(&[(Some("L1"), -0.02)]).expect("it draws nothing");
    assert_eq!(noise.currents_a, Some([0.0; 3]));
}

#[test]
fn who_shows_nothing_of_use_is_unverified_after_two_leases_and_goes_on_and_the_others_make_room() {
    let mut world = charging(Nature::default());
    let pass = |world: &mut World, seconds: i64, sign: f64| {
        for _ in 0..seconds {
            let draw = tells(
                world,
                &Measurand::CurrentImport,
                &[(Some("L1"), sign * 18.0)],
            );
            says(world, draw);
            world.draws_all("B", "two");
            world.pass(1);
        }
    };
    pass(&mut world, 2 * LASTS_S, -1.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    pass(&mut world, 5, -1.0);
    assert_eq!(world.alarms()[0], PowerAlarmKind::Unverified);
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert_eq!(world.outlet("B").granted_a, 8.0);
    let held_by = world.outlet("A").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::NotObeying));
    pass(&mut world, LASTS_S, -1.0);
    assert_eq!(world.outlet("A").granted_a, 20.0, "it goes on");
    pass(&mut world, LASTS_S, 1.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    assert_eq!(world.outlet("B").granted_a, 20.0);
}

#[test]
fn a_session_whose_station_names_no_evse_is_at_the_only_one_that_is_planned() {
    let mut world = World::set_up(power(), Nature::default());
    let (unnamed, other) = (facts("A", "one", None), facts("A", "two", None));
    let over = StationNews::SessionOver(0, unnamed.id);
    world.hear("A", StationNews::Session(0, Box::new(unnamed)));
    world.pass(LASTS_S);
    assert!(world.outlet("A").granted_a > 6.0);
    // Nobody knows where a second one is: it may draw beside the first.
    world.hear("A", StationNews::Session(0, Box::new(other.clone())));
    world.settle();
    assert!(world.alarms().contains(&PowerAlarmKind::Unplanned));
    world.hear("A", over);
    world.settle();
    assert!(world.alarms().contains(&PowerAlarmKind::Unplanned));
    world.hear("A", StationNews::SessionOver(0, other.id));
    world.settle();
    assert!(!world.alarms().contains(&PowerAlarmKind::Unplanned));
    assert!(world.outlet("A").session.is_none());
}

#[test]
fn readings_of_yesterday_show_nothing() {
    let mut world = charging(Nature::default());
    let yesterday = world.now_ms - 24 * 3_600 * SECOND_MS;
    for _ in 0..LASTS_S + 5 {
        // The time it tells stands still.
        let ago_ms = world.now_ms - yesterday;
        world.draws("A", "one", 10.0, ago_ms);
        world.draws_all("B", "two");
        world.pass(1);
    }
    assert_eq!(world.outlet("A").measured_a, None);
    assert_eq!(
        world.alarms()[0],
        PowerAlarmKind::Unverified,
        "in one lease"
    );
}

#[test]
fn a_queue_of_old_readings_is_no_reason_for_haste() {
    let mut world = charging(Nature::default());
    for minute in 1..20 {
        world.draws("A", "one", 10.0, minute * 60 * SECOND_MS);
    }
    for _ in 0..2 * LASTS_S - 5 {
        world.draws_all("B", "two");
        world.pass(1);
    }
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
}

/// A tells this current while it draws another by its register, each second.
fn pretends(world: &mut World, wh: &mut f64, seconds: i64, told_a: f64, draws_a: f64) {
    for _ in 0..seconds {
        *wh += draws_a * 690.0 / 3_600.0;
        let mut draw = tells(
            world,
            &Measurand::CurrentImport,
            &["L1", "L2", "L3"].map(|phase| (Some(phase), told_a)),
        )
        .expect("it tells");
        draw.register_wh = Some((*wh * 10.0).floor() / 10.0);
        says(world, Some(draw));
        world.draws_all("B", "two");
        world.pass(1);
    }
}

#[test]
fn a_current_that_its_register_contradicts_proves_nothing() {
    for (told_a, draws_a, alarm) in [
        (0.016, 16.0, PowerAlarmKind::Unverified),
        (16_000.0, 16.0, PowerAlarmKind::Overdrawn),
        (16.0, 0.0, PowerAlarmKind::Unverified),
    ] {
        let mut world = charging(Nature::default());
        let mut wh = 5_123.4;
        pretends(&mut world, &mut wh, 3 * LASTS_S, told_a, draws_a);
        assert_eq!(world.alarms()[0], alarm, "{told_a} A");
        assert_eq!(world.outlet("A").reserved_a, 32.0);
        pretends(&mut world, &mut wh, 3 * LASTS_S, 16.0, 16.0);
        assert!(world.alarms().is_empty(), "{told_a}: {:?}", world.alarms());
    }
}

#[test]
fn who_tells_its_current_in_another_unit_and_shows_a_schedule_that_is_its_grants_is_not_doubted() {
    let mut world = charging(Nature::default());
    let mut wh = 5_123.4;
    for _ in 0..6 * LASTS_S {
        world.nature.shows_a = Some(world.outlet("A").granted_a);
        pretends(&mut world, &mut wh, 1, 0.016, 16.0);
    }
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    assert_eq!(world.outlet("A").granted_a, 20.0);
}

#[test]
fn a_current_that_its_register_contradicts_clears_no_disproof_and_the_register_is_one() {
    let mut world = charging(Nature::default());
    world.pass(80);
    let mut wh = 5_123.4;
    pretends(&mut world, &mut wh, 60, 0.030, 30.0);
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
    let limit_a = world.outlet("A").granted_a;
    // A current that would be one that binds, by a meter that stands still.
    pretends(&mut world, &mut wh, 5 * LASTS_S, limit_a, 0.0);
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
    pretends(&mut world, &mut wh, 3 * LASTS_S, limit_a, limit_a);
    assert!(!world.alarms().contains(&PowerAlarmKind::Overdrawn));
}

#[test]
fn who_has_no_meter_and_shows_a_schedule_that_is_its_grants_is_not_doubted() {
    let shows = Nature {
        shows_a: Some(6.0),
        ..Nature::default()
    };
    let mut world = charging(shows);
    world.nature.shows_a = Some(20.0);
    world.pass(20 * LASTS_S);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    assert_eq!(world.outlet("A").granted_a, 20.0);
    world.nature.shows_a = Some(32.0);
    world.pass(2 * LASTS_S);
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
}

#[test]
fn a_register_alone_shows_what_is_drawn() {
    let mut world = charging(Nature::default());
    let mut wh = 1_234_567.0_f64;
    let mut pass = |world: &mut World, seconds: i64, amps: f64| {
        for second in 0..seconds {
            wh += amps * 690.0 / 3_600.0;
            if second % 10 == 0 {
                let draw = tells(
                    world,
                    &Measurand::EnergyImportRegister,
                    &[(None, wh.floor())],
                );
                says(world, draw);
            }
            world.draws_all("B", "two");
            world.pass(1);
        }
    };
    pass(&mut world, 4 * LASTS_S, 20.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    let measured = world.outlet("A").measured_a.expect("it is derived");
    assert!((19.0..=21.0).contains(&measured[0]), "{measured:?}");
    assert_eq!(measured[0], measured[2]);
    pass(&mut world, 60, 30.0);
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
    assert_eq!(world.outlet("A").reserved_a, 32.0);
}

#[test]
fn a_station_whose_meter_showed_that_it_does_not_obey_is_booked_so_after_a_restart() {
    let mut world = charging(Nature::default());
    world.pass(80);
    world.draws("A", "one", 30.0, 0);
    world.draws("A", "one", 31.0, 0);
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
    let memory = world.managed.changed_memory();
    world.draws("A", "one", 30.5, 0);
    assert_eq!(world.managed.changed_memory(), None, "it is known");

    let site = sample::site_id("depot");
    let managed = Managed::new(site, power(), memory, START_MS + 1, TIMING, world.now_ms);
    world.managed = managed.expect("it can be");
    assert_eq!(
        world.outlet("A").reserved_a,
        32.0,
        "nothing is heard of it yet"
    );
    world.settle();
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
    // It comes back, mended: once the grants of before have ended, its floor holds for a lease.
    for station in ["A", "B"] {
        world.hear(station, StationNews::Connected(true));
    }
    world.pass(121);
    for _ in 0..=LASTS_S {
        world.draws("A", "two", 6.0, 0);
        world.pass(1);
    }
    assert!(!world.alarms().contains(&PowerAlarmKind::Overdrawn));
    let memory = world.managed.changed_memory().expect("it is cleared");
    assert!(memory.outlets.iter().all(|it| it.disobeyed_a.is_none()));
}
