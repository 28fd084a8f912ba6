//! When somebody is told, and in what words.

use super::*;

impl World {
    /// What the alarms of a kind say.
    fn words(&self, kind: PowerAlarmKind) -> Vec<String> {
        let alarms = self.managed.view(self.now_ms).alarms;
        let of = alarms.into_iter().filter(|alarm| alarm.kind == kind);
        of.map(|alarm| alarm.message).collect()
    }
}

#[test]
fn a_station_that_comes_and_takes_its_floor_is_nobodys_trouble_and_one_that_never_comes_is() {
    let mut world = World::new(power(), Nature::default());
    world.pass(50);
    world.hear("A", StationNews::Connected(true));
    world.pass(11);
    assert!(!world.raised.is_empty(), "B is not there");
    let alarms = world.managed.view(world.now_ms).alarms;
    let [alarm] = &alarms[..] else {
        panic!("{alarms:?}");
    };
    assert_eq!(alarm.kind, PowerAlarmKind::CannotLimit);
    assert_eq!(alarm.station, Some(sample::station_id("B")));
    assert_eq!(world.outlet("B").reserved_a, 32.0);
    assert_eq!(world.raised.len(), 1);

    world.hear("B", StationNews::Connected(true));
    world.pass(2);
    assert!(world.alarms().is_empty());
}

#[test]
fn a_station_that_leaves_its_floor_unanswered_is_told_of_however_often_it_comes_again() {
    let mut world = World::new(power(), Nature::default());
    world.hear("A", StationNews::Connected(true));
    world.hear("B", StationNews::Connected(true));
    for _ in 0..30 {
        // What it was sent got lost each time.
        world.now_ms += 2 * SECOND_MS;
        let round = world.managed.round(world.now_ms);
        let raised = round.alarms.iter().filter(|(_, raised)| *raised);
        world.raised.extend(raised.map(|(alarm, _)| alarm.kind));
        assert_eq!(world.outlet("A").reserved_a, 32.0);
        world.hear("A", StationNews::Connected(false));
        world.hear("A", StationNews::Connected(true));
    }
    assert_eq!(world.words(PowerAlarmKind::CannotLimit).len(), 2);
}

#[test]
fn a_set_point_below_the_floors_says_what_happens_and_what_to_do() {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("A", "one");
    let mut dso = sample::site_power("A").set_points.remove(0);
    dso.part = world.managed.power.plan.grid.name.clone();
    dso.most_a = Some([10.0; 3]);
    dso.most_w = None;
    dso.from = Timestamp(world.now_ms);
    dso.expires_at = Timestamp(world.now_ms + 600_000);
    world.managed.set_points_are(vec![dso]);
    world.settle();
    assert_eq!(world.outlet("A").granted_a, 6.0);
    let words = world.words(PowerAlarmKind::Exceeded);
    assert_eq!(words.len(), 3, "one of each phase: {words:?}");
    for word in [
        "less than the floors",
        "set-point",
        "go on at their floors",
        "raise",
    ] {
        assert!(words[0].contains(word), "{}", words[0]);
    }
    world.managed.set_points_are(Vec::new());
    world.pass(61);
    assert!(world.alarms().is_empty());
}

#[test]
fn a_station_of_which_a_thousand_evses_charge_that_nobody_planned_is_one_alarm() {
    let mut world = World::set_up(power(), Nature::default());
    for evse in 2..1_002 {
        let facts = facts("A", &format!("stray {evse}"), None);
        world.hear("A", StationNews::Session(evse, Box::new(facts)));
        world.settle();
    }
    let words = world.words(PowerAlarmKind::Unplanned);
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].starts_with("EVSE 2, 3, 4, 5, 6 and 195 more of station A"));
    let raised = world.raised.iter();
    let unplanned = raised.filter(|kind| **kind == PowerAlarmKind::Unplanned);
    assert_eq!(unplanned.count(), 2, "of the one, then of all");
    let exceeded = world.words(PowerAlarmKind::Exceeded);
    assert_eq!(exceeded.len(), 3, "they leave nothing: {exceeded:?}");
}
