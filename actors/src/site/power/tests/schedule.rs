//! What an outlet is held to, as the hub calculates it, and what its station shows.

use super::*;

#[test]
fn the_schedule_of_an_outlet_is_its_grant_until_that_ends_and_then_its_floor() {
    let mut world = World::set_up(power(), Nature::default());
    let limits = |world: &World| -> Vec<(Option<i64>, Option<f64>)> {
        let schedule = world.outlet("A").schedule;
        let until = |part: &model::SchedulePart| part.until.map(|until| until.0 - world.now_ms);
        schedule.iter().map(|it| (until(it), it.limit)).collect()
    };
    assert_eq!(limits(&world), [(None, Some(6.0))]);
    assert_eq!(world.outlet("A").shown, None, "it tells nothing");
    let session = world.begins("A", "one");
    let granted = [(Some(TIMING.lease_ms), Some(32.0)), (None, Some(6.0))];
    assert_eq!(limits(&world), granted);
    world.hear("A", StationNews::SessionOver(1, session));
    world.settle();
    assert_eq!(limits(&world), [(None, Some(6.0))], "it is of no other");
}

#[test]
fn what_a_station_shows_is_held_against_what_it_should_do() {
    let nature = Nature {
        shows_a: Some(6.0),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), nature);
    let agrees = |world: &World| world.outlet("A").shown.and_then(|it| it.agrees);
    assert_eq!(agrees(&world), Some(true));
    // It is granted more, its meter is silent, and it goes on showing its floor.
    world.begins("A", "one");
    world.pass(61);
    assert_eq!(agrees(&world), Some(false));
    world.nature.shows_a = Some(32.0);
    world.pass(61);
    assert_eq!(agrees(&world), Some(true));
}
