//! A managed site, told what happens step by step.

mod absence;
mod alarms;
mod appetite;
mod clock;
mod outside;
mod replan;
mod schedule;
mod shares;
mod site_meter;
mod unseen;
mod ways;

use std::cell::Cell;

use model::{
    ChargingAnswer, ChargingAsk, ChargingProfile, ChargingTraits, Command, HeldBy, PlannedOutlet,
    ProfilePurpose, RateUnit, RetryKey, ScheduledLimit, SiteLine, Timestamp, Wiring,
};
use store::contract::sample;

use super::*;

const SECOND_MS: i64 = 1_000;
const START_MS: i64 = 1_790_000_000_000;
const TIMING: Timing = Timing {
    lease_ms: 45_000,
    margin_ms: 15_000,
};

/// A station that obeys, or does not.
#[derive(Clone, Copy, Default)]
struct Nature {
    refuses: Option<ProfilePurpose>,
    refuses_also: Option<ProfilePurpose>,
    /// What its schedule shows at least, in A.
    shows_a: Option<f64>,
    watts_only: bool,
    /// It refuses profiles of which this is true.
    takes_not: Option<fn(&ChargingProfile) -> bool>,
    /// It minds being offline (2.1).
    minds_offline: bool,
}

/// A managed site, what its stations hold, and the time.
struct World {
    managed: Managed,
    now_ms: i64,
    nature: Nature,
    /// Stations lost their profiles, until they are sent one.
    lost: Cell<bool>,
    /// What was said, in order.
    said: Vec<(StationId, ChargingAsk)>,
    raised: Vec<PowerAlarmKind>,
}

fn outlet(station: &str, evse: u32) -> PlannedOutlet {
    PlannedOutlet {
        station: sample::station_id(station),
        evse,
        wiring: Wiring::Phases(vec![SiteLine::L1, SiteLine::L2, SiteLine::L3]),
        most_a: 32.0,
        floor_a: 6.0,
        least_a: None,
        steps_a: None,
        unit: None,
        limitable: true,
        weight: 1.0,
    }
}

/// Two outlets behind 40 A.
fn power() -> SitePower {
    let mut power = sample::site_power("A");
    power.set_points.clear();
    let grid = &mut power.plan.grid;
    grid.breaker_a = Some([40.0; 3]);
    grid.most_w = None;
    grid.unmanaged_a = [0.0; 3];
    grid.caps.clear();
    grid.outlets = vec![outlet("A", 1), outlet("B", 1)];
    power
}

impl World {
    fn new(power: SitePower, nature: Nature) -> Self {
        let site = sample::site_id("depot");
        let managed = Managed::new(site, power, None, START_MS, TIMING, START_MS);
        Self {
            managed: managed.expect("it can be"),
            now_ms: START_MS,
            nature,
            lost: Cell::new(false),
            said: Vec::new(),
            raised: Vec::new(),
        }
    }

    /// One whose stations A and B are there and set up, and that has learned.
    fn set_up(power: SitePower, nature: Nature) -> Self {
        let mut world = Self::new(power, nature);
        for station in ["A", "B"] {
            world.hear(station, StationNews::Connected(true));
        }
        world.pass(61);
        world
    }

    /// The station is connected to a hub whose clock is so far ahead.
    fn hub_ahead(&mut self, station: &str, ahead_ms: i64) {
        let station = sample::station_id(station);
        self.managed.is_heard_by_clock(&station, ahead_ms);
    }

    /// The next actor takes over, with what this one remembered.
    fn next_life(&mut self, memory: SiteMemory) {
        let site = sample::site_id("depot");
        let (epoch, now_ms) = (START_MS + 1, self.now_ms);
        let next = Managed::new(site, power(), Some(memory), epoch, TIMING, now_ms);
        self.managed = next.expect("it can be");
    }

    fn hear(&mut self, station: &str, news: StationNews) {
        let station = sample::station_id(station);
        self.managed.hear(&station, &news, self.now_ms);
    }

    /// Rounds until nothing more is to be said.
    fn settle(&mut self) {
        loop {
            let round = self.managed.round(self.now_ms);
            let raised = round.alarms.iter().filter(|(_, raised)| *raised);
            self.raised.extend(raised.map(|(alarm, _)| alarm.kind));
            let sayings: Vec<Saying> = round
                .sayings
                .into_iter()
                .chain(round.when_written)
                .collect();
            if sayings.is_empty() {
                return;
            }
            for saying in sayings {
                let told = self.answer(&saying.ask);
                self.said.push((saying.station.clone(), saying.ask));
                self.managed
                    .answered(&saying.station, saying.about, &told, self.now_ms);
            }
        }
    }

    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now_ms += SECOND_MS;
            self.settle();
        }
    }

    fn answer(&self, ask: &ChargingAsk) -> Told {
        let yes = Told::Answer(ChargingAnswer::Accepted(Vec::new()));
        match ask {
            ChargingAsk::Traits if self.nature.watts_only => {
                Told::Answer(ChargingAnswer::Traits(ChargingTraits {
                    units: vec![RateUnit::W],
                    stack_level_most: Some(1),
                    ..ChargingTraits::default()
                }))
            }
            ChargingAsk::Traits if self.nature.minds_offline => {
                Told::Answer(ChargingAnswer::Traits(ChargingTraits {
                    minds_offline: true,
                    ..ChargingTraits::default()
                }))
            }
            ChargingAsk::Traits => Told::Failed("NotImplemented: ".into()),
            ChargingAsk::Do(Command::SetChargingProfile { profile, .. }) => {
                let purpose = Some(profile.purpose);
                let takes_not = self.nature.takes_not.is_some_and(|it| it(profile));
                if takes_not || [self.nature.refuses, self.nature.refuses_also].contains(&purpose) {
                    Told::Answer(ChargingAnswer::Refused("Rejected".into()))
                } else {
                    self.lost.set(false);
                    yes
                }
            }
            ChargingAsk::Do(Command::GetCompositeSchedule { .. }) => {
                let lost_a = self.lost.get().then_some(32.0);
                let limits = lost_a.or(self.nature.shows_a).map(|limit| ScheduledLimit {
                    start_s: 0,
                    limit,
                    unit: RateUnit::A,
                    phases: None,
                });
                Told::Answer(ChargingAnswer::Accepted(limits.into_iter().collect()))
            }
            ChargingAsk::Do(_) => yes,
        }
    }

    fn begins(&mut self, station: &str, key: &str) -> SessionId {
        let facts = facts(station, key, None);
        let id = facts.id;
        self.hear(station, StationNews::Session(1, Box::new(facts)));
        self.settle();
        id
    }

    fn draws(&mut self, station: &str, key: &str, amps: f64, ago_ms: i64) {
        let draw = Draw {
            at: Timestamp(self.now_ms - ago_ms),
            currents_a: Some([amps, 0.0, 0.0]),
            power_w: None,
            plain_a: None,
            register_wh: None,
            battery_pct: None,
        };
        let facts = facts(station, key, Some(draw));
        self.hear(station, StationNews::Session(1, Box::new(facts)));
        self.settle();
    }

    /// It draws all that it was granted.
    fn draws_all(&mut self, station: &str, key: &str) {
        let granted_a = self.outlet(station).granted_a;
        self.draws(station, key, granted_a, 0);
    }

    /// The profiles that were sent to a station since this was last asked.
    fn profiles(&mut self, station: &str) -> Vec<ChargingProfile> {
        let station = sample::station_id(station);
        let (of, others) = (self.said.drain(..)).partition(|(to, _)| *to == station);
        self.said = others;
        let of: Vec<(StationId, ChargingAsk)> = of;
        of.into_iter()
            .filter_map(|(_, ask)| match ask {
                ChargingAsk::Do(Command::SetChargingProfile { profile, .. }) => Some(profile),
                _ => None,
            })
            .collect()
    }

    fn outlet(&self, station: &str) -> model::OutletPowerView {
        let view = self.managed.view(self.now_ms);
        let mut outlets = view.outlets.into_iter();
        let of = |it: &model::OutletPowerView| it.station.as_str() == station;
        outlets.find(of).expect("it is planned")
    }

    fn alarms(&self) -> Vec<PowerAlarmKind> {
        let alarms = self.managed.view(self.now_ms).alarms;
        alarms.iter().map(|alarm| alarm.kind).collect()
    }
}

fn facts(station: &str, key: &str, draw: Option<Draw>) -> SessionFacts {
    let key = RetryKey(key.to_owned());
    SessionFacts {
        id: SessionId::of_first(&sample::station_id(station), &key, Timestamp(0)),
        transaction: "77".into(),
        token: Some(sample::uid("04A1")),
        energy_wh: 1_000.0,
        power_w: 0.0,
        draw,
        clock: None,
        rests: None,
    }
}

#[test]
fn a_station_gets_its_floor_and_its_session_a_lease() {
    let mut world = World::new(power(), Nature::default());
    assert_eq!(world.outlet("A").reserved_a, 32.0, "nothing is known of it");
    world.hear("A", StationNews::Connected(true));
    world.hear("B", StationNews::Connected(true));
    world.settle();
    assert!(world.said.is_empty(), "it settles first");
    world.pass(2);
    let floor = &world.profiles("A")[0];
    assert_eq!(floor.purpose, ProfilePurpose::TxDefault);
    assert_eq!((floor.periods[0].limit, floor.valid_to), (6.0, None));
    assert_eq!(world.outlet("A").reserved_a, 6.0);

    world.begins("A", "one");
    assert!(
        world.profiles("A").is_empty(),
        "what was granted before it began may still hold"
    );
    let held_by = world.outlet("A").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::Learning));
    world.pass(60);
    let grants = world.profiles("A");
    let grant = &grants[0];
    assert_eq!(grant.purpose, ProfilePurpose::Tx);
    assert_eq!(grant.transaction.as_deref(), Some("77"));
    assert_eq!(grant.periods[0].limit, 32.0);
    assert!(grant.stack_level > floor.stack_level);
    let ends_ms = grant.valid_to.expect("it ends").0;
    assert!(ends_ms <= world.now_ms + TIMING.lease_ms);
    assert_eq!(world.outlet("A").granted_a, 32.0);
    assert!(world.alarms().is_empty(), "{:?}", world.alarms());
}

#[test]
fn a_grant_ends_sooner_at_a_station_that_minds_being_offline_and_is_booked_as_any_other() {
    for minds_offline in [false, true] {
        let nature = Nature {
            minds_offline,
            ..Nature::default()
        };
        let mut world = World::set_up(power(), nature);
        world.profiles("A");
        world.begins("A", "one");
        let grant = world.profiles("A").pop().expect("it is granted");
        let within_s = minds_offline.then_some(15);
        assert_eq!(grant.max_offline_s, within_s, "a third of a lease");
        world.hear("A", StationNews::Connected(false));
        let booked_until_ms = grant.valid_to.expect("it ends").0 + TIMING.margin_ms;
        let seconds = (booked_until_ms - world.now_ms) / SECOND_MS;
        world.pass(seconds - 1);
        assert_eq!(world.outlet("A").reserved_a, 32.0);
        world.pass(2);
        assert_eq!(world.outlet("A").reserved_a, 6.0);
    }
}

#[test]
fn two_sessions_share_and_a_set_point_lowers_both_at_once() {
    let shows_its_floor = Nature {
        shows_a: Some(6.0),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), shows_its_floor);
    world.begins("A", "one");
    world.begins("B", "two");
    assert_eq!(world.outlet("A").granted_a, 20.0);
    world.pass(70);
    assert_eq!(world.outlet("A").granted_a, 20.0);
    assert_eq!(world.outlet("B").granted_a, 20.0);
    world.profiles("A");
    world.managed.set_points_are(vec![model::SetPoint {
        name: "dso".into(),
        part: "grid".into(),
        most_a: Some([16.0; 3]),
        most_w: None,
        from: Timestamp(world.now_ms),
        expires_at: Timestamp(world.now_ms + 600 * SECOND_MS),
    }]);
    world.settle();
    assert_eq!(world.profiles("A")[0].periods[0].limit, 8.0);
    assert!(world.raised.contains(&PowerAlarmKind::Exceeded));
    world.pass(61);
    let limit = &world.managed.view(world.now_ms).limits[0];
    assert_eq!((limit.limit, limit.reserved), (16.0, 16.0));
    world.managed.set_points_are(Vec::new());
    world.settle();
    assert_eq!(world.outlet("B").granted_a, 20.0);
}

#[test]
fn a_grant_that_is_refused_for_its_transaction_becomes_a_default_that_stays_booked() {
    let nature = Nature {
        refuses: Some(ProfilePurpose::Tx),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), nature);
    let session = world.begins("A", "one");
    let grants = world.profiles("A");
    let grant = grants.last().expect("it is granted");
    assert_eq!(grant.purpose, ProfilePurpose::TxDefault);
    assert_eq!(grant.transaction, None);
    assert!(grant.valid_to.is_some());
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert!(!world.alarms().contains(&PowerAlarmKind::Refuses));

    world.hear("A", StationNews::SessionOver(1, session));
    world.settle();
    let gone = |(_, ask): &(StationId, ChargingAsk)| {
        matches!(
            ask,
            ChargingAsk::Do(Command::ClearChargingProfile { id: Some(id), .. }) if *id == grant.id
        )
    };
    assert!(world.said.iter().any(gone), "it is taken away");
    assert_eq!(
        world.outlet("A").reserved_a,
        32.0,
        "the next session would have it"
    );
    world.begins("B", "two");
    assert!(world.outlet("B").granted_a <= 8.0);
    world.pass(61);
    assert_eq!(world.outlet("A").reserved_a, 6.0);
    assert_eq!(world.outlet("B").granted_a, 32.0);
}

#[test]
fn a_station_that_takes_no_defaults_is_limited_as_a_whole() {
    let nature = Nature {
        refuses: Some(ProfilePurpose::TxDefault),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), nature);
    let floor = world.profiles("A").pop().expect("it has a floor");
    assert_eq!(floor.purpose, ProfilePurpose::StationMax);
    world.begins("A", "one");
    let grant = world.profiles("A").pop().expect("it is granted");
    assert_eq!(grant.purpose, ProfilePurpose::StationMax);
    assert!(world.alarms().is_empty());

    let mut power = power();
    power.plan.grid.breaker_a = Some([100.0; 3]);
    power.plan.grid.outlets.push(outlet("A", 2));
    let mut world = World::set_up(power, nature);
    assert_eq!(
        world.alarms(),
        [PowerAlarmKind::CannotLimit, PowerAlarmKind::CannotLimit],
        "its two outlets cannot be limited apart"
    );
    world.begins("A", "one");
    assert_eq!(world.outlet("A").reserved_a, 32.0);
}

#[test]
fn a_station_that_takes_nothing_is_booked_at_the_most_it_can_draw() {
    let nature = Nature {
        refuses: Some(ProfilePurpose::TxDefault),
        refuses_also: Some(ProfilePurpose::StationMax),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), nature);
    world.begins("B", "two");
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert!(world.alarms().contains(&PowerAlarmKind::CannotLimit));
    let held_by = world.outlet("B").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::NotObeying));
}

#[test]
fn a_station_that_accepts_and_shows_another_limit_is_not_believed() {
    let nature = Nature {
        shows_a: Some(32.0),
        ..Nature::default()
    };
    let mut world = World::set_up(power(), nature);
    let cleared = |(_, ask): &(StationId, ChargingAsk)| {
        let defaults = Some(ProfilePurpose::TxDefault);
        matches!(
            ask,
            ChargingAsk::Do(Command::ClearChargingProfile { purpose, .. }) if *purpose == defaults
        )
    };
    assert!(
        world.said.iter().any(cleared),
        "somebody else's may have been there"
    );
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert!(world.alarms().contains(&PowerAlarmKind::CannotLimit));
    // One that shows its floor only while there is a transaction is believed then.
    world.nature.shows_a = Some(6.0);
    world.begins("A", "one");
    world.pass(1);
    assert!(world.outlet("A").reserved_a < 32.0 || world.outlet("A").granted_a > 6.0);
    let of_a = |alarm: &&PowerAlarm| alarm.station == Some(sample::station_id("A"));
    let alarms = world.managed.view(world.now_ms).alarms;
    assert_eq!(alarms.iter().filter(of_a).count(), 0, "{alarms:?}");
}

#[test]
fn a_station_that_counts_in_watts_is_told_watts() {
    let nature = Nature {
        watts_only: true,
        ..Nature::default()
    };
    let mut world = World::set_up(power(), nature);
    let floor = world.profiles("A").pop().expect("it has a floor");
    assert_eq!(floor.unit, RateUnit::W);
    assert_eq!(floor.periods[0].limit, 3.0 * 230.0 * 6.0);
    assert_eq!(floor.stack_level, 0, "its highest is 1");
}

#[test]
fn who_draws_more_than_granted_is_booked_at_all_it_can_and_old_readings_count_for_nothing() {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("A", "one");
    world.begins("B", "two");
    // Shortly after a decrease a reading may be of before.
    world.pass(90);
    world.draws("A", "one", 32.0, 120 * SECOND_MS);
    assert!(world.alarms().is_empty(), "it was queued while offline");
    world.draws("A", "one", 20.4, 0);
    assert!(world.alarms().is_empty());
    assert_eq!(world.outlet("A").measured_a, Some([20.4, 0.0, 0.0]));
    world.draws("A", "one", 30.0, 0);
    assert!(world.alarms().contains(&PowerAlarmKind::Overdrawn));
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert_eq!(world.outlet("B").granted_a, 8.0, "it makes room");
}

#[test]
fn the_site_meter_takes_room_and_when_it_is_silent_the_worst_is_taken() {
    let mut power = power();
    power.plan.grid.unmanaged_a = [20.0; 3];
    let mut world = World::set_up(power, Nature::default());
    world.begins("A", "one");
    world.begins("B", "two");
    assert_eq!(world.outlet("A").granted_a, 10.0);
    world.pass(15);
    world.draws("A", "one", 10.0, 0);
    let now = Timestamp(world.now_ms);
    let metered = world
        .managed
        .is_metered("grid", [14.0, 4.0, 4.0], true, now, now.0);
    assert_eq!(metered, Ok(()));
    world.settle();
    assert_eq!(
        world.managed.view(world.now_ms).limits[0].limit,
        36.0,
        "10 of the 14 A are the outlet's own"
    );
    world.pass(61);
    assert_eq!(world.managed.view(world.now_ms).limits[0].limit, 20.0);
    let metered = world
        .managed
        .is_metered("cellar", [0.0; 3], false, now, now.0);
    assert!(metered.is_err());
}

#[test]
fn a_later_life_remembers_which_stations_keep_their_floor() {
    let mut world = World::set_up(power(), Nature::default());
    let memory = world
        .managed
        .changed_memory()
        .expect("it learned something");
    assert_eq!(world.managed.changed_memory(), None);
    assert_eq!(memory.epoch, START_MS);
    let later = |power: SitePower| {
        let site = sample::site_id("depot");
        let memory = Some(memory.clone());
        let managed = Managed::new(site, power, memory, START_MS + 1, TIMING, world.now_ms);
        managed.expect("it can be").view(world.now_ms)
    };
    assert_eq!(later(power()).outlets[0].reserved_a, 6.0);
    let mut other_floor = power();
    other_floor.plan.grid.outlets[0].floor_a = 8.0;
    assert_eq!(later(other_floor).outlets[0].reserved_a, 32.0);
}

#[test]
fn a_station_that_is_in_no_part_of_the_tree_is_told_of() {
    let mut world = World::set_up(power(), Nature::default());
    world.hear("C", StationNews::Connected(true));
    world.pass(2);
    assert_eq!(world.alarms(), [PowerAlarmKind::Unplanned]);
    let to_c = |(station, _): &&(StationId, ChargingAsk)| station.as_str() == "C";
    assert_eq!(world.said.iter().filter(to_c).count(), 0);
    world.hear("C", StationNews::Left);
    world.settle();
    assert!(world.alarms().is_empty());
}

#[test]
fn a_session_at_an_outlet_that_is_in_no_plan_is_told_of_and_what_it_draws_is_taken_off() {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("B", "two");
    assert_eq!(world.outlet("B").granted_a, 32.0);
    let strays = |world: &mut World, currents_a: Option<[f64; 3]>, at_ms: i64| {
        let draw = currents_a.map(|currents_a| Draw {
            at: Timestamp(at_ms),
            currents_a: Some(currents_a),
            power_w: None,
            plain_a: None,
            register_wh: None,
            battery_pct: None,
        });
        let facts = facts("A", "stray", draw);
        let id = facts.id;
        world.hear("A", StationNews::Session(2, Box::new(facts)));
        world.settle();
        id
    };
    strays(&mut world, None, 0);
    let alarms = world.managed.view(world.now_ms).alarms;
    let unplanned = |alarm: &&PowerAlarm| alarm.kind == PowerAlarmKind::Unplanned;
    let alarm = alarms.iter().find(unplanned).expect("it is told of");
    assert_eq!(alarm.evse, Some(2));
    let limit = |world: &World| world.managed.view(world.now_ms).limits[0].limit;
    assert_eq!(
        limit(&world),
        8.0,
        "the most an outlet of its station draws"
    );
    let sees = |world: &mut World| {
        let now_ms = world.now_ms;
        strays(world, Some([0.0, 10.0, 0.0]), now_ms)
    };
    let session = sees(&mut world);
    assert_eq!(limit(&world), 30.0, "what it is seen to draw, on any phase");
    for _ in 0..7 {
        world.pass(10);
        sees(&mut world);
    }
    assert_eq!(world.outlet("B").granted_a, 24.0, "A keeps its floor");
    strays(&mut world, None, 0);
    world.pass(61);
    assert_eq!(limit(&world), 8.0, "it was seen too long ago");

    world.hear("A", StationNews::SessionOver(2, session));
    world.settle();
    assert_eq!(limit(&world), 40.0);
    assert!(!world.alarms().contains(&PowerAlarmKind::Unplanned));
    strays(&mut world, None, 0);
    world.hear("A", StationNews::Sessions(Vec::new()));
    assert_eq!(world.managed.strays.places().count(), 0);
    let facts = facts("C", "elsewhere", None);
    world.hear("C", StationNews::Session(1, Box::new(facts)));
    assert_eq!(world.managed.strays.places().count(), 0, "C as a whole is");
}

#[test]
fn who_is_offline_stays_booked_at_its_lease_then_at_its_floor() {
    let mut world = World::set_up(power(), Nature::default());
    world.begins("A", "one");
    world.hear("A", StationNews::Connected(false));
    world.begins("B", "two");
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    assert!(world.outlet("B").granted_a <= 8.0);
    let held_by = world.outlet("A").session.and_then(|it| it.held_by);
    assert_eq!(held_by, Some(HeldBy::Offline));
    world.pass(61);
    assert_eq!(world.outlet("A").reserved_a, 6.0, "never 0");
    assert_eq!(world.outlet("B").granted_a, 32.0);
}

#[test]
fn a_grant_is_remembered_before_it_is_sent_and_the_next_life_books_it_and_goes_on() {
    let mut world = World::set_up(power(), Nature::default());
    world.managed.changed_memory();
    let facts = facts("A", "one", None);
    world.hear("A", StationNews::Session(1, Box::new(facts)));
    let round = world.managed.round(world.now_ms);
    let grants = |sayings: &[Saying]| {
        let of = |saying: &&Saying| matches!(saying.about, About::Grant(..));
        sayings.iter().filter(of).count()
    };
    assert_eq!(grants(&round.sayings), 0);
    assert_eq!(grants(&round.when_written), 1);
    let memory = world.managed.changed_memory().expect("it is to be written");
    let lease = memory.outlets[0].lease.expect("it is granted");
    assert_eq!(lease.amps, 32.0);
    assert!(lease.ends_at.0 > world.now_ms + TIMING.lease_ms);
    // A decrease is within what is remembered.
    world.begins("B", "two");
    let lowered = world.profiles("A").pop().expect("it makes room");
    assert_eq!(lowered.periods[0].limit, 20.0);

    world.next_life(memory);
    let view = world.managed.view(world.now_ms);
    assert_eq!(view.learns_until, None);
    assert_eq!(world.outlet("A").reserved_a, 32.0);
    for station in ["A", "B"] {
        world.hear(station, StationNews::Connected(true));
    }
    world.begins("A", "one");
    world.begins("B", "two");
    assert_eq!(world.outlet("B").granted_a, 8.0, "beside what A may have");
    assert!(world.outlet("A").granted_a >= 20.0);
    world.pass(120);
    assert_eq!(world.outlet("B").granted_a, 20.0);
}

#[test]
fn a_site_that_is_managed_no_more_has_its_stations_forget_floors_and_grants() {
    let mut world = World::set_up(power(), Nature::default());
    world.hear("B", StationNews::Connected(false));
    world.managed.changed_memory();
    let sayings = world.managed.farewell();
    let ids: Vec<Option<i32>> = sayings
        .iter()
        .map(|saying| match &saying.ask {
            ChargingAsk::Do(Command::ClearChargingProfile { id, .. }) => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    let floor = world.profiles("A").remove(0);
    assert_eq!(ids, [Some(floor.id + 1), Some(floor.id)]);
    let memory = world.managed.changed_memory().expect("it is forgotten");
    let floors: Vec<Option<f64>> = memory.outlets.iter().map(|it| it.floor_a).collect();
    assert_eq!(floors, [None, Some(6.0)], "who was away still has it");
}
