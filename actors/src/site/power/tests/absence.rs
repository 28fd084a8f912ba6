//! Stations that go away, and what they do meanwhile.

use super::*;

/// One that shows its floor.
const SHOWS_ITS_FLOOR: Nature = Nature {
    refuses: None,
    refuses_also: None,
    shows_a: Some(6.0),
    watts_only: false,
    takes_not: None,
    minds_offline: false,
};

impl World {
    fn goes(&mut self, station: &str) {
        self.hear(station, StationNews::Connected(false));
        self.settle();
    }

    fn comes(&mut self, station: &str) {
        self.hear(station, StationNews::Connected(true));
        self.hear(station, StationNews::Booted);
        self.pass(3);
    }

    /// Its register is read, and what it draws.
    fn shows(&mut self, station: &str, key: &str, amps: f64, register_wh: f64) {
        let draw = Draw {
            at: Timestamp(self.now_ms),
            currents_a: Some([amps; 3]),
            power_w: None,
            plain_a: None,
            register_wh: Some(register_wh),
            battery_pct: None,
        };
        let facts = facts(station, key, Some(draw));
        self.hear(station, StationNews::Session(1, Box::new(facts)));
        self.settle();
    }

    fn forgets_all_but_its_memory(&mut self) {
        let memory = self.managed.changed_memory();
        self.next_life(memory.expect("it learned something"));
    }
}

#[test]
fn a_station_that_comes_back_without_its_floor_is_booked_at_all_it_can_draw_whenever_it_is_away() {
    let mut world = World::set_up(power(), SHOWS_ITS_FLOOR);
    world.begins("B", "two");
    assert_eq!(world.outlet("B").granted_a, 32.0);
    world.goes("A");
    assert_eq!(world.outlet("A").reserved_a, 6.0, "nothing is known of it");
    world.lost.set(true);
    world.said.clear();
    world.comes("A");
    let sayings: Vec<String> = world.said.iter().map(|it| format!("{:?}", it.1)).collect();
    let place = |word: &str| sayings.iter().position(|it| it.contains(word));
    let (shown, sent) = (place("GetComposite"), place("SetChargingProfile"));
    assert!(
        shown.is_some() && shown < sent,
        "it is asked first: {sayings:?}"
    );
    assert_eq!(world.alarms(), [PowerAlarmKind::Forgets]);
    assert_eq!(world.outlet("A").reserved_a, 6.0, "it has its floor again");

    world.goes("A");
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert_eq!(world.outlet("B").granted_a, 8.0, "it makes room at once");
    world.comes("A");
    assert_eq!(world.outlet("A").reserved_a, 6.0);
    world.forgets_all_but_its_memory();
    assert_eq!(world.outlet("A").reserved_a, 32.0, "it is remembered");
    world.comes("A");
    assert_eq!(world.outlet("A").reserved_a, 6.0);
    for _ in 0..4 {
        assert_eq!(world.alarms(), [PowerAlarmKind::Forgets]);
        world.goes("A");
        world.comes("A");
    }
    assert!(world.alarms().is_empty(), "it kept it five times");
}

#[test]
fn a_station_that_shows_its_floor_only_after_it_was_sent_something_else_does_not_forget() {
    let mut world = World::set_up(power(), Nature::default());
    world.goes("A");
    world.comes("A");
    assert!(world.alarms().is_empty(), "one that shows nothing");
    world.nature.shows_a = Some(32.0);
    world.goes("A");
    world.comes("A");
    assert_eq!(world.alarms(), [PowerAlarmKind::CannotLimit]);
    assert!(!world.raised.contains(&PowerAlarmKind::Forgets));
}

#[test]
fn a_station_whose_register_shows_that_it_kept_its_grant_is_booked_at_its_last_whenever_it_is_away()
{
    // What it draws while it is away, for 120 s, of which 60 are within its grant.
    for (amps, keeps) in [(32.0, true), (19.0, false)] {
        let mut world = World::set_up(power(), SHOWS_ITS_FLOOR);
        world.begins("A", "one");
        world.shows("A", "one", 32.0, 1_000.0);
        world.goes("A");
        world.pass(120);
        assert_eq!(world.outlet("A").reserved_a, 6.0, "nothing is known of it");
        world.comes("A");
        let drawn_wh = 3.0 * 230.0 * amps * 123.0 / 3_600.0;
        world.shows("A", "one", 6.0, 1_000.0 + drawn_wh);
        let known = world.alarms().contains(&PowerAlarmKind::KeepsGrants);
        assert_eq!(known, keeps, "{amps} A on average");
        world.pass(10);
        world.goes("A");
        world.pass(300);
        let booked_a = if keeps { 32.0 } else { 6.0 };
        assert_eq!(world.outlet("A").reserved_a, booked_a);
        if keeps {
            world.forgets_all_but_its_memory();
            world.pass(1);
            assert_eq!(world.outlet("A").reserved_a, 32.0, "it is remembered");
            world.comes("A");
            assert_eq!(world.outlet("A").reserved_a, 6.0, "it has its floor");
        }
    }
}

#[test]
fn a_reading_of_the_time_away_after_the_grant_shows_it_too() {
    let mut world = World::set_up(power(), SHOWS_ITS_FLOOR);
    world.begins("A", "one");
    world.goes("A");
    world.pass(90);
    world.comes("A");
    world.draws("A", "one", 32.0, 50 * SECOND_MS);
    assert!(
        world.alarms().is_empty(),
        "its grant held then: {:?}",
        world.alarms()
    );
    world.draws("A", "one", 32.0, 20 * SECOND_MS);
    assert!(world.alarms().contains(&PowerAlarmKind::KeepsGrants));
}
