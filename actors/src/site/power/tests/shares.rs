//! What sessions get beside each other, and why.

use super::*;

#[test]
fn drivers_and_groups_weigh_and_what_they_told_is_over_with_the_session() {
    let mut power = power();
    power.plan.sharing = model::Sharing::Fair;
    let mut world = World::set_up(power, Nature::default());
    let session = world.begins("A", "one");
    world.begins("B", "two");
    let token = sample::uid("04A1");
    assert_eq!(
        world.managed.unknown_tokens(),
        [token.clone(), token.clone()]
    );
    world
        .managed
        .group_is(&token, Some(&sample::uid("strangers")));
    assert!(world.managed.unknown_tokens().is_empty());
    let preferences = SessionPreferences {
        session,
        departure_at: None,
        energy_wh: Some(21_000.0),
        weight: Some(3.0),
    };
    assert!(world.managed.prefer(preferences));
    world.pass(61);
    assert_eq!(world.outlet("A").granted_a, 30.0);
    assert_eq!(world.outlet("B").granted_a, 10.0);
    let shown = world.outlet("A").session.expect("it charges");
    assert_eq!((shown.weight, shown.wanted_wh), (3.0, Some(20_000.0)));
    assert_eq!(world.managed.preferences(session), Some(preferences));
    world.hear("A", StationNews::Sessions(Vec::new()));
    assert_eq!(world.managed.preferences(session), None);
    assert!(!world.managed.prefer(preferences), "it is over");
}

#[test]
fn a_session_that_is_out_of_sight_stays_booked_while_its_grant_may_last() {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("A", "one");
    world.begins("B", "two");
    world.pass(61);
    assert_eq!(world.outlet("B").granted_a, 20.0);
    world.hear("A", StationNews::Sessions(Vec::new()));
    let mut passed_s = 0;
    while world.outlet("B").granted_a <= 20.0 {
        assert_eq!(world.outlet("A").session, None);
        world.pass(1);
        passed_s += 1;
    }
    // From its last renewal on, a lease and the margin.
    assert!((45..=60).contains(&passed_s), "{passed_s} s");
    assert_eq!(world.outlet("B").granted_a, 32.0);
}

#[test]
fn a_session_that_has_what_its_driver_wanted_makes_room() {
    let mut world = World::set_up(power(), Nature::default());
    let session = world.begins("A", "one");
    world.begins("B", "two");
    let charge = |world: &mut World| {
        for _ in 0..7 {
            world.pass(10);
            for (station, session) in [("A", "one"), ("B", "two")] {
                world.draws_all(station, session);
            }
        }
    };
    charge(&mut world);
    assert_eq!(world.outlet("A").granted_a, 20.0);
    let preferences = |energy_wh| SessionPreferences {
        session,
        departure_at: None,
        energy_wh: Some(energy_wh),
        weight: None,
    };
    assert!(world.managed.prefer(preferences(500.0)));
    charge(&mut world);
    assert_eq!(world.outlet("A").granted_a, 8.0, "what B leaves");
    assert_eq!(world.outlet("B").granted_a, 32.0);
    assert!(world.managed.prefer(preferences(90_000.0)));
    charge(&mut world);
    assert_eq!(world.outlet("A").granted_a, 20.0);
}

#[test]
fn a_session_is_told_why_it_does_not_get_more() {
    let mut power = power();
    power.plan.sharing = model::Sharing::Fair;
    let mut world = World::set_up(power, Nature::default());
    let held_by = |world: &World, station| {
        let session = world.outlet(station).session.expect("it charges");
        session.held_by
    };
    world.begins("A", "one");
    assert_eq!(held_by(&world, "A"), None, "it gets all");
    world.begins("B", "two");
    assert_eq!(held_by(&world, "B"), Some(HeldBy::Waits), "for A's lease");
    world.pass(61);
    let limit = Some(HeldBy::Limit {
        part: "grid".into(),
        phase: Some("L1".into()),
    });
    assert_eq!(held_by(&world, "B"), limit);
    assert_eq!(held_by(&world, "A"), limit);

    let mut coarse = super::tests::power();
    coarse.plan.grid.outlets[0].steps_a = Some(vec![6.0, 16.0]);
    let mut world = World::set_up(coarse, Nature::default());
    world.begins("A", "one");
    assert_eq!(world.outlet("A").granted_a, 16.0);
    assert_eq!(held_by(&world, "A"), Some(HeldBy::Step));
}
