//! A site's power through the real hub: simulated chargers with cars, a limit, and what may fail.
//!
//! What is held against the limit is what outlets *offer* cars, as their chargers see it: a car may take that at any
//! moment. Leases are some seconds here, so that a life of a site fits into a test.

mod absent;
mod disproved;
mod hidden;
mod pretender;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actors::{Clock, SystemClock};
use loadtest::{Event, Faults, Observer, Orders, Profile, SimCharger, Target, Version, Visit};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess};
use tokio::{sync::watch, task::JoinSet, time::sleep};

/// How long a grant lasts, and how much later it may end, in ms.
pub(crate) const LEASE_MS: u64 = 4_000;
pub(crate) const MARGIN_MS: u64 = 2_000;
/// What an outlet falls back to, and the most it can draw, in A.
pub(crate) const FLOOR_A: f64 = 6.0;
const MOST_A: f64 = 32.0;
/// How long anything may take on a machine that is slow and loaded.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

fn hub() -> HubProcess {
    hub_with_lease(LEASE_MS)
}

fn hub_with_lease(lease_ms: u64) -> HubProcess {
    HubProcess::start(&[
        ("CHARGERS__ADMISSION", "accept"),
        ("CHARGING__UNKNOWN_TOKENS", "accept"),
        ("CHARGING__POWER_LEASE_MS", &lease_ms.to_string()),
        ("CHARGING__POWER_MARGIN_MS", &MARGIN_MS.to_string()),
    ])
}

/// What flows at the site's outlets, as its chargers tell.
#[derive(Default)]
pub(crate) struct Flows(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// By charger: what it offers its car, and what the car takes on L1, in A.
    now: BTreeMap<String, (f64, f64)>,
    /// The most that all offered together since this was last asked, in A.
    most_a: f64,
}

impl Observer for Flows {
    fn observe(&self, identity: &str, event: &Event<'_>) {
        let flows = match event {
            Event::Flows {
                amps, offered_a, ..
            } => (*offered_a, amps[0]),
            Event::Charged { .. } => (0.0, 0.0),
            _ => return,
        };
        let mut seen = self.seen();
        seen.now.insert(identity.to_owned(), flows);
        let sum = seen.now.values().map(|(offered_a, _)| offered_a).sum();
        seen.most_a = seen.most_a.max(sum);
    }
}

impl Flows {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all offer together, in A.
    pub(crate) fn offered_a(&self) -> f64 {
        let seen = self.seen();
        seen.now.values().map(|(offered_a, _)| offered_a).sum()
    }

    /// What one offers, in A.
    pub(crate) fn offered_by(&self, charger: &str) -> f64 {
        let seen = self.seen();
        seen.now
            .get(charger)
            .map_or(0.0, |(offered_a, _)| *offered_a)
    }

    /// The most that all offered together since this was last asked, in A.
    pub(crate) fn most_a(&self) -> f64 {
        std::mem::take(&mut self.seen().most_a)
    }
}

/// Chargers at a site, and what they show.
struct Site {
    api: Api,
    flows: Arc<Flows>,
    orders: watch::Sender<Orders>,
    chargers: JoinSet<()>,
}

/// A charger: what it speaks, what is wrong with it, and when its car comes and leaves, in s.
pub(crate) type Plan = (&'static str, Version, Faults, Vec<(u64, u64)>);

pub(crate) const LONG: u64 = 3_600;

impl Site {
    /// A site behind so many A per phase, with one outlet for each charger. Cars come once every outlet has its floor, or
    /// is known to have none.
    async fn start(hub: &HubProcess, limit_a: f64, plans: Vec<Plan>) -> Self {
        let api = hub.api("operator");
        api.post("/sites", json!({"id": "depot"})).await;
        let outlets: Vec<Value> = plans.iter().map(|(id, ..)| outlet(id)).collect();
        for (id, ..) in &plans {
            api.post("/stations", json!({"id": id, "site": "depot"}))
                .await;
        }
        let grid =
            json!({"name": "grid", "breaker_a": [limit_a, limit_a, limit_a], "outlets": outlets});
        let plan = json!({"grid": grid, "sharing": "fair"});
        api.ok(Method::PUT, "/sites/depot/power", Some(plan)).await;
        let mut site = Self {
            api,
            flows: Arc::default(),
            orders: watch::Sender::default(),
            chargers: JoinSet::new(),
        };
        for (number, plan) in plans.into_iter().enumerate() {
            let orders = site.orders.subscribe();
            let charger = charger(&hub.chargers, plan, number as u64, &site.flows, orders);
            site.chargers.spawn(charger.run());
        }
        site
    }

    async fn live(&self) -> Value {
        self.api.get("/sites/depot/power/live").await
    }

    /// Waits until the site's view is so.
    async fn until(&self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let (status, view) = self
                .api
                .ask(Method::GET, "/sites/depot/power/live", None)
                .await;
            if status == 200 && so(&view) {
                return view;
            }
            assert!(started.elapsed() < PATIENCE, "{what}: {view:#}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every station has its floor. Cars come later, but on a machine that is slow: they, too, are limited then.
    async fn until_floors(&self, limit_a: f64) {
        self.until("every station has its floor", floors_are_kept)
            .await;
        self.until_flows("the floors hold", |flows| flows.offered_a() <= limit_a)
            .await;
        self.flows.most_a();
    }

    /// Waits until what flows is so; returns how long it took.
    async fn until_flows(&self, what: &str, so: impl Fn(&Flows) -> bool) -> Duration {
        let started = Instant::now();
        while !so(&self.flows) {
            let now = self.flows.seen().now.clone();
            assert!(started.elapsed() < PATIENCE, "{what}: {now:?}");
            sleep(Duration::from_millis(20)).await;
        }
        started.elapsed()
    }
}

/// What chargers are that connect there.
fn profile(address: &str, version: Version, faults: Faults) -> Profile {
    let target = format!("ws://{address}/ocpp/{{id}}");
    let target = Target::new(&target, None).expect("a target");
    Profile {
        faults,
        tells_phases: true,
        look_every: Some(Duration::from_millis(50)),
        meter_interval: Duration::from_secs(1),
        token: "DRIVER".into(),
        ..Profile::new(target, version)
    }
}

/// A charger that connects there, with one outlet.
pub(crate) fn charger(
    address: &str,
    (id, version, faults, visits): Plan,
    number: u64,
    flows: &Arc<Flows>,
    orders: watch::Receiver<Orders>,
) -> SimCharger {
    let profile = Profile {
        seed: number,
        ..profile(address, version, faults)
    };
    let visits = visits.into_iter().map(|(arrives, leaves)| Visit {
        connector: 1,
        arrives: Duration::from_secs(arrives),
        leaves: Duration::from_secs(leaves),
        energy_wh: 100_000.0,
        most_a: MOST_A,
        phases: 3,
    });
    let charger = SimCharger::new(Arc::new(profile), id, number, flows.clone(), orders);
    charger.with_visits(visits.collect())
}

pub(crate) fn outlet(station: &str) -> Value {
    json!({
        "station": station, "wiring": {"phases": ["L1", "L2", "L3"]},
        "most_a": MOST_A, "floor_a": FLOOR_A,
    })
}

pub(crate) fn alarms(view: &Value) -> Vec<(&str, &str)> {
    let alarms = view["alarms"].as_array().expect("a list");
    let about = |alarm| (text(alarm, "kind"), text(alarm, "station"));
    alarms.iter().map(about).collect()
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_default()
}

pub(crate) fn of<'a>(view: &'a Value, station: &str) -> &'a Value {
    let outlets = view["outlets"].as_array().expect("a list");
    let of = |outlet: &&Value| outlet["station"] == station;
    outlets.iter().find(of).expect("it is planned")
}

/// Every station keeps its floor, as far as the hub knows.
pub(crate) fn floors_are_kept(view: &Value) -> bool {
    let outlets = view["outlets"].as_array().expect("a list");
    // Without it, all that it can draw is reserved.
    let has_floor = |it: &Value| it["reserved_a"] != MOST_A || it["granted_a"] == MOST_A;
    let keeps = |it: &Value| it["online"] == true && has_floor(it);
    outlets.iter().all(keeps) && alarms(view).is_empty()
}

#[tokio::test]
async fn a_site_stays_within_its_limit_while_cars_come_and_go() {
    let hub = hub();
    let visits = [
        vec![(8, LONG)],
        vec![(10, 14), (16, LONG)],
        vec![(12, LONG)],
        vec![(14, LONG)],
    ];
    let versions = [Version::V16, Version::V201, Version::V21, Version::V201];
    let names = ["A", "B", "C", "D"];
    let plans = (names.into_iter().zip(versions).zip(visits))
        .map(|((name, version), visits)| (name, version, Faults::default(), visits))
        .collect();
    let site = Site::start(&hub, 40.0, plans).await;
    site.until_floors(40.0).await;
    site.until_flows("all charge with more than their floors", |flows| {
        names
            .iter()
            .all(|name| flows.offered_by(name) > FLOOR_A + 1.0)
    })
    .await;
    let most_a = site.flows.most_a();
    assert!((30.0..=40.0).contains(&most_a), "{most_a}");
}

#[tokio::test]
async fn a_station_that_does_not_obey_is_booked_at_all_it_can_draw_and_the_others_make_room() {
    let rejects = Faults {
        rejects: true,
        ..Faults::default()
    };
    let ignores = Faults {
        ignores: true,
        ..Faults::default()
    };
    for (fault, version) in [(rejects, Version::V16), (ignores, Version::V21)] {
        let hub = hub();
        let plans = vec![
            ("GOOD", Version::V16, Faults::default(), vec![(10, LONG)]),
            ("BAD", version, fault, vec![(10, LONG)]),
        ];
        let site = Site::start(&hub, 40.0, plans).await;
        let view = site
            .until("an alarm is raised", |view| {
                alarms(view).contains(&("cannot_limit", "BAD"))
                    && of(view, "GOOD")["online"] == true
            })
            .await;
        assert_eq!(of(&view, "BAD")["reserved_a"], MOST_A, "{view:#}");
        site.until_flows("both charge", |flows| {
            flows.offered_by("BAD") >= MOST_A && flows.offered_by("GOOD") > FLOOR_A
        })
        .await;
        let view = site.live().await;
        assert_eq!(of(&view, "BAD")["reserved_a"], MOST_A, "{view:#}");
        assert!(of(&view, "GOOD")["granted_a"].as_f64() <= Some(8.0));
        let most_a = site.flows.most_a();
        assert!(most_a <= 40.0, "{most_a}: {fault:?}");
    }
}

#[tokio::test]
async fn nobody_takes_the_limits_of_a_planned_station_away_by_a_command() {
    let hub = hub();
    let plans = vec![
        ("A", Version::V16, Faults::default(), vec![]),
        ("B", Version::V21, Faults::default(), vec![]),
    ];
    let site = Site::start(&hub, 40.0, plans).await;
    site.until_floors(40.0).await;
    let sent = async |station: &str, action: &str, payload: Value| {
        let command = json!({"action": action, "payload": payload});
        let path = format!("/stations/{station}/commands");
        site.api.ask(Method::POST, &path, Some(command)).await
    };
    // A remote start may bring a profile along, of a stack level above the plan's.
    let profile = json!({
        "chargingProfileId": 99, "stackLevel": 9, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": MOST_A}],
        },
    });
    let start = json!({"connectorId": 1, "idTag": "TAG1", "chargingProfile": profile});
    let priority = json!({"transactionId": "tx", "activate": true});
    let update = json!({"chargingProfileId": 1, "scheduleUpdate": {"limit": MOST_A}});
    for (station, action, payload) in [
        ("A", "ClearChargingProfile", json!({})),
        ("A", "RemoteStartTransaction", start),
        ("B", "UsePriorityCharging", priority),
        ("B", "UpdateDynamicSchedule", update),
    ] {
        let (status, refused) = sent(station, action, payload).await;
        assert_eq!(status, 409, "{refused}");
        assert!(text(&refused, "detail").contains("power plan of site depot"));
    }
    site.api
        .ok(Method::DELETE, "/sites/depot/power", None)
        .await;
    let (status, done) = sent("A", "ClearChargingProfile", json!({})).await;
    assert_eq!((status, text(&done, "state")), (200, "answered"), "{done}");
}

#[tokio::test]
async fn a_station_that_counts_in_watts_is_limited_in_watts() {
    let hub = hub();
    let watts = Faults {
        only: Some(loadtest::RateUnit::Watts),
        ..Faults::default()
    };
    let plans = vec![
        ("A", Version::V16, watts, vec![(6, LONG)]),
        ("B", Version::V201, watts, vec![(6, LONG)]),
        ("C", Version::V21, watts, vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 60.0, plans).await;
    site.until_floors(60.0).await;
    site.until_flows("all charge with a third of it", |flows| {
        ["A", "B", "C"]
            .iter()
            .all(|it| flows.offered_by(it) == 20.0)
    })
    .await;
    assert!(site.flows.most_a() <= 60.0);
}

#[tokio::test]
async fn a_site_whose_hub_is_killed_falls_to_its_floors_and_goes_on_with_the_next_hub() {
    let mut hub = hub();
    let plans = vec![
        ("A", Version::V16, Faults::default(), vec![(6, LONG)]),
        ("B", Version::V201, Faults::default(), vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 50.0, plans).await;
    let both_have = |amps: f64| {
        move |flows: &Flows| flows.offered_by("A") >= amps && flows.offered_by("B") >= amps
    };
    site.until_flows("both charge with half of it", both_have(25.0))
        .await;
    hub.kill();
    let floors_a = 2.0 * FLOOR_A;
    let took = site
        .until_flows("the floors hold", |flows| flows.offered_a() <= floors_a)
        .await;
    // The chargers here have the hub's own clock.
    let lease = Duration::from_millis(LEASE_MS);
    assert!(took < lease + Duration::from_secs(5), "{took:?}");
    site.flows.most_a();
    hub.start_again();
    site.until_flows("both charge again", both_have(25.0)).await;
    assert!(site.flows.most_a() <= 50.0);
    let view = site.live().await;
    assert!(view["learns_until"].is_null(), "{view:#}");
    assert!(alarms(&view).is_empty(), "{view:#}");
}

#[tokio::test]
async fn a_2_1_station_that_loses_its_hub_falls_to_its_floor_before_its_lease_ends() {
    let lease_ms = 36_000;
    let mut hub = hub_with_lease(lease_ms);
    let plans = vec![
        ("OLD", Version::V201, Faults::default(), vec![(6, LONG)]),
        ("NEW", Version::V21, Faults::default(), vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 50.0, plans).await;
    let both_charge =
        |flows: &Flows| flows.offered_by("OLD") >= 25.0 && flows.offered_by("NEW") >= 25.0;
    site.until_flows("both charge with half of it", both_charge)
        .await;
    hub.kill();
    // A grant is renewed each third of a lease; a 2.1 station that is offline for so long has missed one.
    let took = site
        .until_flows("the 2.1 station is at its floor", |flows| {
            flows.offered_by("NEW") <= FLOOR_A
        })
        .await;
    assert!(took > Duration::from_millis(lease_ms / 4), "{took:?}");
    // The other keeps what it has for the rest of its lease: half of that at least.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(lease_ms / 6) {
        assert_eq!(site.flows.offered_by("OLD"), 25.0, "after {took:?}");
        assert_eq!(site.flows.offered_by("NEW"), FLOOR_A, "after {took:?}");
        sleep(Duration::from_millis(100)).await;
    }
    site.until_flows("both are", |flows| flows.offered_a() <= 2.0 * FLOOR_A)
        .await;
    site.flows.most_a();
    hub.start_again();
    site.until_flows("both charge again", both_charge).await;
    assert!(site.flows.most_a() <= 50.0);
}

#[tokio::test]
async fn an_outlet_shows_the_schedule_that_it_should_have() {
    let hub = hub();
    let plans = vec![
        ("A", Version::V16, Faults::default(), vec![(6, LONG)]),
        ("B", Version::V201, Faults::default(), vec![(6, LONG)]),
        ("C", Version::V21, Faults::default(), vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 60.0, plans).await;
    site.until("all have a third of it", |view| {
        ["A", "B", "C"]
            .iter()
            .all(|name| of(view, name)["granted_a"] == 20.0)
    })
    .await;
    for station in ["A", "B", "C"] {
        let path = format!("/sites/depot/power/outlets/{station}/1/schedule");
        let started = Instant::now();
        // A renewal may come between the calculation and the question.
        let both = loop {
            let both = site.api.ok(Method::POST, &path, None).await;
            if both["shown"]["agrees"] == true {
                break both;
            }
            assert!(started.elapsed() < PATIENCE, "{both:#}");
        };
        let calculated = both["calculated"].as_array().expect("a list");
        let limits: Vec<&Value> = calculated.iter().map(|part| &part["limit"]).collect();
        assert_eq!(limits, [20.0, FLOOR_A], "{both:#}");
        let shown = both["shown"]["parts"].as_array().expect("a list");
        let limits: Vec<&Value> = shown.iter().map(|part| &part["limit"]).collect();
        assert_eq!(limits, [20.0, FLOOR_A], "{both:#}");
        let live = of(&site.live().await, station).clone();
        assert_eq!(live["schedule"][1]["limit"], FLOOR_A, "{live:#}");
    }
}

#[tokio::test]
async fn a_set_point_of_the_grid_operator_holds_from_now_on_until_it_expires() {
    let hub = hub();
    let plans = vec![
        ("A", Version::V16, Faults::default(), vec![(6, LONG)]),
        ("B", Version::V201, Faults::default(), vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 60.0, plans).await;
    site.until_floors(60.0).await;
    let both_have = |amps: f64| {
        move |flows: &Flows| flows.offered_by("A") >= amps && flows.offered_by("B") >= amps
    };
    site.until_flows("both charge with half of it", both_have(30.0))
        .await;

    let now = || SystemClock.now();
    let expires_at = now().plus_ms(30_000);
    let set_point = json!({"most_w": 16_560, "expires_at": expires_at});
    let path = "/sites/depot/power/set-points/dso";
    site.api.ok(Method::PUT, path, Some(set_point)).await;
    let limit_a = 16_560.0 / 690.0;
    site.until_flows("they are below it", |flows| flows.offered_a() <= limit_a)
        .await;
    assert!(now() < expires_at, "it still holds");
    site.flows.most_a();
    site.until("it is shown why", |view| {
        let held_by = &of(view, "A")["session"]["held_by"];
        held_by["reason"] == "limit" && held_by["part"] == "grid" && held_by["phase"].is_null()
    })
    .await;
    // By the hub's own clock it is over no sooner than this.
    while now() < expires_at {
        assert!(site.flows.most_a() <= limit_a);
        sleep(Duration::from_millis(100)).await;
    }
    site.until_flows("it expired", both_have(30.0)).await;
    assert!(site.flows.most_a() <= 60.0);
    let power = site.api.get("/sites/depot/power").await;
    assert_eq!(power["set_points"], json!([]));
}

#[tokio::test]
async fn a_plan_that_lowers_the_limit_is_kept_long_before_grants_of_before_end_by_themselves() {
    let lease_ms = 24_000;
    let hub = hub_with_lease(lease_ms);
    let plans = vec![
        ("A", Version::V16, Faults::default(), vec![(6, LONG)]),
        ("B", Version::V201, Faults::default(), vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 60.0, plans).await;
    site.until_flows("both charge with half of it", |flows| {
        flows.offered_by("A") == 30.0 && flows.offered_by("B") == 30.0
    })
    .await;
    let plan = json!({"sharing": "fair", "grid": {
        "name": "grid", "breaker_a": [30, 30, 30], "outlets": [outlet("B"), outlet("A")],
    }});
    let path = "/sites/depot/power";
    site.api.ok(Method::PUT, path, Some(plan)).await;
    let took = site
        .until_flows("they are below it", |flows| flows.offered_a() <= 30.0)
        .await;
    // A grant that is renewed ends no sooner than two thirds of a lease later.
    assert!(took < Duration::from_millis(lease_ms / 2), "{took:?}");
    let view = site.live().await;
    for station in ["A", "B"] {
        let granted_a = &of(&view, station)["granted_a"];
        assert_eq!(granted_a, site.flows.offered_by(station), "{view:#}");
    }
    assert!(view["learns_until"].is_null(), "{view:#}");
}
