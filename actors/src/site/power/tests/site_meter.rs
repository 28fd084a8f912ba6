//! A meter at the grid connection that measures outlets and all else together, more often than stations tell.

use proptest::prelude::*;

use super::*;

/// A site behind 60 A, planned for 20 A of other load: cars that take what they are granted after some seconds, and
/// tell it every so many seconds.
struct Metered {
    world: World,
    tell_every_s: i64,
    meter_every_s: i64,
    /// How fast a car follows.
    car_a_per_s: f64,
    draws_a: Vec<f64>,
    /// What else flows, in A.
    other_a: f64,
    /// Of A: what it draws in truth, whatever it tells.
    lies_a: Option<f64>,
    /// By station: what it was last granted, and how often that changed.
    granted: Vec<(f64, u32)>,
}

const STATIONS: [&str; 3] = ["A", "B", "C"];

impl Metered {
    fn new(tell_every_s: i64) -> Self {
        let mut power = power();
        let grid = &mut power.plan.grid;
        grid.breaker_a = Some([60.0; 3]);
        grid.unmanaged_a = [20.0; 3];
        grid.outlets.push(outlet("C", 1));
        let mut world = World::new(power, Nature::default());
        for station in STATIONS {
            world.hear(station, StationNews::Connected(true));
        }
        world.pass(61);
        for station in STATIONS {
            world.begins(station, station);
        }
        Self {
            world,
            tell_every_s,
            meter_every_s: 1,
            car_a_per_s: 12.0,
            draws_a: vec![0.0; STATIONS.len()],
            other_a: 5.0,
            lies_a: None,
            granted: vec![(0.0, 0); STATIONS.len()],
        }
    }

    fn flows_a(&self) -> f64 {
        let honest: f64 = self.draws_a.iter().sum();
        let lie = self.lies_a.map_or(0.0, |truth| truth - self.draws_a[0]);
        honest + lie + self.other_a
    }

    /// Seconds in which cars follow, stations tell at their own times, and the meter tells each second.
    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            let second = self.world.now_ms / SECOND_MS;
            for (number, station) in STATIONS.iter().enumerate() {
                let granted = self.world.outlet(station).granted_a;
                if self.granted[number].0 != granted {
                    self.granted[number] = (granted, self.granted[number].1 + 1);
                }
                let draws = &mut self.draws_a[number];
                *draws += (granted - *draws).clamp(-self.car_a_per_s, self.car_a_per_s);
                if (second + 7 * number as i64) % self.tell_every_s == 0 {
                    let amps = *draws;
                    self.tells(station, amps);
                }
            }
            if second % self.meter_every_s == 0 {
                let (flows, now) = (self.flows_a(), Timestamp(self.world.now_ms));
                let metered = (self.world.managed).is_metered("grid", [flows; 3], true, now, now.0);
                assert_eq!(metered, Ok(()));
            }
            self.world.pass(1);
        }
    }

    fn tells(&mut self, station: &str, amps: f64) {
        let draw = Draw {
            at: Timestamp(self.world.now_ms),
            currents_a: Some([amps; 3]),
            power_w: None,
            plain_a: None,
            register_wh: None,
            battery_pct: None,
        };
        let facts = facts(station, station, Some(draw));
        self.world
            .hear(station, StationNews::Session(1, Box::new(facts)));
    }
}

#[test]
fn a_site_meter_that_tells_more_often_than_stations_has_set_points_settle() {
    for tell_every_s in [5, 10, 30, 60] {
        let mut site = Metered::new(tell_every_s);
        site.pass(360);
        let changes: Vec<u32> = site.granted.iter().map(|(_, changes)| *changes).collect();
        assert!(
            changes.iter().all(|changes| *changes <= 4),
            "told each {tell_every_s} s: {changes:?}"
        );
        let granted: f64 = site.granted.iter().map(|(amps, _)| amps).sum();
        assert!(granted >= 52.0, "told each {tell_every_s} s: {granted}");
        assert!(site.flows_a() <= 60.0 + 0.1, "{}", site.flows_a());
        let before = site.granted.clone();
        site.pass(360);
        assert_eq!(site.granted, before, "told each {tell_every_s} s");
    }
}

#[test]
fn a_rise_of_other_load_is_met_at_once_and_its_fall_a_lease_later() {
    let mut site = Metered::new(10);
    site.pass(360);
    site.other_a = 25.0;
    site.pass(8);
    assert!(site.flows_a() <= 60.0 + 1.0, "{}", site.flows_a());
    site.other_a = 5.0;
    let granted = |site: &Metered| site.granted.iter().map(|(amps, _)| amps).sum::<f64>();
    site.pass(50);
    assert!(granted(&site) <= 36.0);
    site.pass(120);
    assert!(granted(&site) >= 52.0);
}

#[test]
fn what_a_station_draws_beyond_what_its_meter_tells_is_met_at_once_by_the_others() {
    for tell_every_s in [10, 60] {
        let mut site = Metered::new(tell_every_s);
        site.pass(360);
        site.lies_a = Some(32.0);
        site.pass(1);
        let over_a = site.flows_a() - 60.0;
        site.pass(7);
        assert!(site.flows_a() - 60.0 < over_a / 2.0, "most of it at once");
        // It was told to make room as well, and does not: that shows when it had time to.
        site.pass(17);
        assert!(
            site.flows_a() <= 60.0 + 1.0,
            "told each {tell_every_s} s: {}",
            site.flows_a()
        );
        // It is so for as long as the lie goes on.
        for _ in 0..300 {
            site.pass(1);
            assert!(site.flows_a() <= 60.0 + 8.0, "{}", site.flows_a());
        }
        assert!(site.flows_a() <= 60.0 + 1.0, "{}", site.flows_a());
    }
}

#[test]
fn an_overload_has_who_is_not_seen_to_obey_told_its_floor_first() {
    let mut site = Metered::new(10);
    site.pass(60);
    // A is not seen any more.
    site.tell_every_s = 10_000;
    site.pass(70);
    let metered = |site: &mut Metered, amps: f64| {
        let now = Timestamp(site.world.now_ms);
        site.tells("B", 13.0);
        site.tells("C", 13.0);
        let flows = (site.world.managed).is_metered("grid", [amps; 3], true, now, now.0);
        assert_eq!(flows, Ok(()));
        site.world.settle();
    };
    metered(&mut site, 58.0);
    let before = site.world.outlet("B").granted_a;
    assert!(site.world.outlet("A").granted_a > 6.0);
    metered(&mut site, 62.0);
    assert_eq!(site.world.outlet("A").granted_a, 6.0);
    assert!(site.world.outlet("B").granted_a >= before - 2.0);
}

#[test]
fn a_lie_is_met_by_the_first_reading_of_a_meter_that_tells_each_half_minute_and_those_who_may_lie_are_named()
 {
    let mut site = Metered::new(5);
    site.meter_every_s = 30;
    site.pass(600);
    assert!(site.world.alarms().is_empty(), "{:?}", site.world.alarms());
    site.lies_a = Some(32.0);
    assert!(site.flows_a() > 60.0 + 5.0, "it is to be one");
    let named = |site: &Metered| {
        let alarms = site.world.managed.view(site.world.now_ms).alarms;
        let mut of = (alarms.iter()).filter(|it| it.kind == PowerAlarmKind::Unexplained);
        of.next().map(|alarm| alarm.message.clone())
    };
    // Until the meter tells, and the cars follow.
    let seconds = (1..=30).find(|_| {
        site.pass(1);
        named(&site).is_some()
    });
    assert!(seconds.is_some(), "it is told of");
    let words = named(&site).expect("it is");
    assert!(words.contains("the meter at grid L1 shows"), "{words}");
    assert!(
        words.ends_with("EVSE 1 of A, EVSE 1 of B and EVSE 1 of C"),
        "{words}"
    );
    site.pass(6);
    assert!(site.flows_a() <= 60.0 + 1.0, "{}", site.flows_a());
    for _ in 0..300 {
        site.pass(1);
        assert!(site.flows_a() <= 60.0 + 8.0, "{}", site.flows_a());
    }
    site.lies_a = None;
    site.pass(61);
    assert_eq!(named(&site), None);
}

/// What else flows, second by second: it goes from one of these to the next in so many seconds.
fn course(turns: &[(f64, i64)]) -> Vec<f64> {
    let mut amps = vec![5.0];
    for (next_a, seconds) in turns {
        let from_a = amps[amps.len() - 1];
        let step_a = (next_a - from_a) / *seconds as f64;
        amps.extend((1..=*seconds).map(|second| from_a + step_a * second as f64));
    }
    amps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Steps, ramps, sawtooths, whatever stations tell and when.
    #[test]
    fn what_other_load_rises_by_is_made_room_for_within_seconds_however_it_rises(
        tell_every_s in 2_i64..60,
        car_a_per_s in 7.0_f64..32.0,
        turns in prop::collection::vec((0.0_f64..30.0, 1_i64..40), 1..6),
    ) {
        let mut site = Metered::new(tell_every_s);
        site.car_a_per_s = car_a_per_s;
        site.pass(360);
        let course = course(&turns);
        for (second, amps) in course.iter().enumerate() {
            site.other_a = *amps;
            site.pass(1);
            let lately = &course[second.saturating_sub(6)..second];
            let rise = lately.iter().map(|before| amps - before).fold(0.0, f64::max);
            let over = site.flows_a() - 60.0;
            prop_assert!(over <= rise + 1.5, "second {second}: {over} A above, {rise} A more");
        }
        // Made room for too much or not: what is left is used again.
        site.pass(480);
        prop_assert!((55.0..=60.5).contains(&site.flows_a()), "{}", site.flows_a());
    }
}

#[test]
fn a_meter_that_falls_silent_is_told_of_and_the_worst_is_taken_soon() {
    let mut site = Metered::new(10);
    site.pass(360);
    let limit_a = |site: &Metered| site.world.managed.view(site.world.now_ms).limits[0].limit;
    let told = |site: &Metered| {
        let alarms = site.world.managed.view(site.world.now_ms).alarms;
        let silent = |it: &&PowerAlarm| it.kind == PowerAlarmKind::Silent;
        alarms.iter().find(silent).map(|it| it.part.clone())
    };
    assert!(limit_a(&site) > 50.0);
    site.meter_every_s = 10_000_000;
    site.pass(7);
    assert_eq!(told(&site), None);
    site.pass(1);
    assert_eq!(limit_a(&site), 40.0, "as was planned");
    assert_eq!(told(&site), Some(Some("grid".to_owned())));
    site.meter_every_s = 1;
    site.pass(1);
    assert!(limit_a(&site) > 50.0);
    assert_eq!(told(&site), None);
}
