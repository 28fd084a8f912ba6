//! Outlets that draw while no session is known there.

use super::*;

impl World {
    /// The station tells a reading that is of no session.
    fn draws_outside(&mut self, station: &str, amps: f64) {
        let draw = Draw {
            at: Timestamp(self.now_ms),
            currents_a: Some([amps; 3]),
            power_w: None,
            plain_a: None,
            register_wh: None,
            battery_pct: None,
        };
        self.hear(station, StationNews::Draws(1, draw, None));
        self.settle();
    }
}

#[test]
fn what_draws_without_a_session_is_booked_at_all_it_can_draw_until_it_draws_nothing() {
    let mut world = World::set_up(power(), Nature::default());
    world.draws_outside("A", 0.0);
    assert_eq!(world.outlet("A").reserved_a, 6.0, "it stands idle");
    world.draws_outside("A", 5.0);
    assert_eq!(world.outlet("A").reserved_a, 32.0, "no floor holds");
    assert_eq!(world.outlet("A").measured_a, Some([5.0; 3]));
    assert!(world.alarms().contains(&PowerAlarmKind::Unplanned));
    world.begins("B", "two");
    world.pass(200);
    assert_eq!(world.outlet("B").granted_a, 8.0, "silence proves nothing");
    world.draws_outside("A", 0.0);
    assert_eq!(world.outlet("A").reserved_a, 6.0);
    assert!(!world.alarms().contains(&PowerAlarmKind::Unplanned));
}

#[test]
fn what_goes_on_after_its_session_is_over_is_told_from_the_last_reading_of_the_session() {
    let mut world = World::set_up(power(), Nature::default());
    let session = world.begins("A", "one");
    world.pass(1);
    world.hear("A", StationNews::SessionOver(1, session));
    world.draws_outside("A", 30.0);
    assert_eq!(world.outlet("A").reserved_a, 6.0, "of the session");
    world.pass(4);
    world.draws_outside("A", 30.0);
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    world.begins("A", "two");
    assert!(
        !world.alarms().contains(&PowerAlarmKind::Unplanned),
        "it is known"
    );
}
