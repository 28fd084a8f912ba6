//! What cars leave of what they may take, and who gets it.

use model::ConnectorState;

use super::*;

/// Behind 40 A: A and B have 20 A each, of which A takes so much, for so long.
fn pass(world: &mut World, seconds: i64, amps: f64) {
    for _ in 0..seconds / 5 {
        world.pass(5);
        let granted_a = world.outlet("A").granted_a;
        world.draws("A", "one", amps.min(granted_a), 0);
        world.draws_all("B", "two");
    }
}

fn charging(sharing: model::Sharing) -> World {
    let mut power = power();
    power.plan.sharing = sharing;
    let mut world = World::set_up(power, Nature::default());
    world.begins("A", "one");
    world.begins("B", "two");
    pass(&mut world, 70, 32.0);
    assert_eq!(world.outlet("A").granted_a, 20.0);
    assert_eq!(world.outlet("B").granted_a, 20.0);
    world
}

fn held_by(world: &World, station: &str) -> Option<HeldBy> {
    let session = world.outlet(station).session.expect("it charges");
    session.held_by
}

#[test]
fn what_a_car_leaves_is_given_to_others_once_its_own_grant_is_lower_and_comes_back_when_it_wants_it()
 {
    for sharing in [model::Sharing::Fair, model::Sharing::Urgent] {
        let mut world = charging(sharing);
        pass(&mut world, 90, 8.0);
        assert_eq!(world.outlet("A").granted_a, 12.0);
        assert_eq!(held_by(&world, "A"), Some(HeldBy::TakesLess));
        assert_eq!(world.outlet("A").reserved_a, 20.0, "its lease goes on");
        assert_eq!(world.outlet("B").granted_a, 20.0, "decreases first");
        pass(&mut world, 60, 8.0);
        assert_eq!(world.outlet("A").reserved_a, 12.0);
        assert_eq!(world.outlet("B").granted_a, 28.0);
        pass(&mut world, 80, 32.0);
        assert_eq!(world.outlet("A").granted_a, 20.0);
        assert_eq!(world.outlet("B").granted_a, 20.0);
        assert!(world.alarms().is_empty(), "{:?}", world.alarms());
    }
}

fn by_its_outlet(world: &mut World, rests: bool) {
    let state = match rests {
        true => ConnectorState::SuspendedEv,
        false => ConnectorState::Charging,
    };
    world.hear("A", StationNews::State(1, state));
}

fn by_its_session(world: &mut World, rests: bool) {
    let facts = SessionFacts {
        rests: Some(rests),
        ..facts("A", "one", None)
    };
    world.hear("A", StationNews::State(1, ConnectorState::Occupied));
    world.hear("A", StationNews::Session(1, Box::new(facts)));
}

#[test]
fn a_car_that_suspends_charging_by_its_stations_word_keeps_its_least() {
    for tell in [by_its_outlet, by_its_session] {
        let mut world = charging(model::Sharing::Urgent);
        tell(&mut world, true);
        world.settle();
        assert_eq!(world.outlet("A").granted_a, 6.0);
        pass(&mut world, 60, 0.0);
        assert_eq!(world.outlet("B").granted_a, 32.0);
        assert_eq!(held_by(&world, "A"), Some(HeldBy::TakesLess));
        tell(&mut world, false);
        pass(&mut world, 80, 32.0);
        assert_eq!(world.outlet("A").granted_a, 20.0);
    }
}

#[test]
fn the_appetite_of_a_session_is_not_that_of_the_next() {
    let mut world = charging(model::Sharing::Urgent);
    world.hear("A", StationNews::State(1, ConnectorState::SuspendedEv));
    world.settle();
    assert_eq!(world.outlet("A").granted_a, 6.0);
    let session = facts("A", "one", None).id;
    world.hear("A", StationNews::SessionOver(1, session));
    world.begins("A", "three");
    world.pass(61);
    assert_eq!(world.outlet("A").granted_a, 20.0);
}
