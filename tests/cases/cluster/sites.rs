//! A site whose stations hang on different hubs: one hub acts for it, whatever happens to hubs.
//!
//! What is held against the limit is what outlets *offer* cars, as their chargers see it, at any time. Where the hubs do
//! not share a store each is told the plan, and the next hub that acts for the site remembers nothing of it.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use loadtest::{Faults, Orders, Version};
use model::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::sleep};

#[cfg(feature = "cql")]
use super::bench::node;
use super::{bench::Cluster, way::Way};
use crate::power::{
    FLOOR_A, Flows, LEASE_MS, LONG, MARGIN_MS, PATIENCE, charger, floors_are_kept, of, outlet,
};

/// What the site may draw, per phase in A.
const LIMIT_A: f64 = 40.0;
/// When cars come, in s: by then all stations have their floors, unless the machine is slow.
const CARS_COME: u64 = 15;

/// Three hubs, and a site of two stations: `A` at the first hub, `B` at the second.
pub(crate) struct Spread {
    pub(crate) cluster: Cluster,
    site: String,
    /// The hub that acts for the site.
    owner: usize,
    pub(crate) flows: Arc<Flows>,
    ways: [Way; 2],
    _orders: watch::Sender<Orders>,
    _chargers: JoinSet<()>,
}

impl Spread {
    /// The hub of this number acts for the site.
    async fn start(owner: usize) -> Self {
        Self::over(owner, |settings| Cluster::start(3, "single", settings)).await
    }

    /// As [`Self::start`], over hubs that are started so. Cars come once every station has its floor.
    pub(crate) async fn over(owner: usize, start: impl FnOnce(&[(&str, &str)]) -> Cluster) -> Self {
        let (lease, margin) = (LEASE_MS.to_string(), MARGIN_MS.to_string());
        let settings = [
            ("CHARGERS__ADMISSION", "accept"),
            ("CHARGERS__IDENTITY_CONFLICT_S", "0"),
            ("CHARGING__UNKNOWN_TOKENS", "accept"),
            ("CHARGING__POWER_LEASE_MS", &*lease),
            ("CHARGING__POWER_MARGIN_MS", &*margin),
        ];
        let cluster = start(&settings);
        cluster.shares_sites().await;
        let site = site_of(&cluster, owner).await;
        let grid = json!({"name": "grid", "breaker_a": [LIMIT_A, LIMIT_A, LIMIT_A], "outlets": [outlet("A"), outlet("B")]});
        let plan = json!({"grid": grid, "sharing": "fair"});
        for api in &cluster.apis {
            api.ok(Method::PUT, &format!("/sites/{site}"), Some(json!({})))
                .await;
            for station in ["A", "B"] {
                let station = json!({"id": station, "site": site});
                // In a store that they share it is there already.
                let (status, answer) = api.ask(Method::POST, "/stations", Some(station)).await;
                assert!([201, 409].contains(&status), "{answer}");
            }
            let path = format!("/sites/{site}/power");
            api.ok(Method::PUT, &path, Some(plan.clone())).await;
        }
        let ways = [Way::to(cluster.chargers(0)), Way::to(cluster.chargers(1))];
        let orders = watch::Sender::default();
        let flows = Arc::<Flows>::default();
        let mut chargers = JoinSet::new();
        let versions = [("A", Version::V16), ("B", Version::V201)];
        for (number, (id, version)) in versions.into_iter().enumerate() {
            let plan = (id, version, Faults::default(), vec![(CARS_COME, LONG)]);
            let address = &ways[number].address;
            let charger = charger(address, plan, number as u64, &flows, orders.subscribe());
            chargers.spawn(charger.run());
        }
        let spread = Self {
            cluster,
            site,
            owner,
            flows,
            ways,
            _orders: orders,
            _chargers: chargers,
        };
        spread
            .sees(0, "every station has its floor", floors_are_kept)
            .await;
        spread
            .flow("the floors hold", |flows| flows.offered_a() <= LIMIT_A)
            .await;
        spread.flows.most_a();
        spread
    }

    /// Waits until the site's power is so, as that hub shows it.
    pub(crate) async fn sees(&self, hub: usize, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let (path, end) = (
            format!("/sites/{}/power/live", self.site),
            Instant::now() + PATIENCE,
        );
        loop {
            let (status, view) = self.cluster.apis[hub].ask(Method::GET, &path, None).await;
            if status == 200 && so(&view) {
                return view;
            }
            assert!(Instant::now() < end, "{what}: {status} {view:#}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until what flows is so. At no time do the stations offer more than the limit.
    pub(crate) async fn flow(&self, what: &str, so: impl Fn(&Flows) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so(&self.flows) {
            let now = ["A", "B"].map(|station| self.flows.offered_by(station));
            assert!(Instant::now() < end, "{what}: {now:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn both_charge_with_half_of_it(&self) {
        let half = LIMIT_A / 2.0;
        self.flow("both charge with half of it", |flows| {
            flows.offered_by("A") == half && flows.offered_by("B") == half
        })
        .await;
    }

    pub(crate) fn is_within_its_limit(&self) {
        let most_a = self.flows.most_a();
        assert!(most_a <= LIMIT_A, "{most_a} A were offered");
    }

    /// The hub that acts for the site, as that hub knows it.
    pub(crate) async fn hub(&self, asked: usize) -> Value {
        self.cluster.apis[asked]
            .get(&format!("/sites/{}", self.site))
            .await["hub"]
            .clone()
    }

    /// Waits until another hub acts for the site, as that hub knows it.
    pub(crate) async fn moves(&self, asked: usize) {
        let (owner, end) = (format!("hub-{}", self.owner), Instant::now() + PATIENCE);
        loop {
            let hub = self.hub(asked).await;
            if hub.is_string() && hub != *owner {
                return;
            }
            assert!(Instant::now() < end, "{hub} acts for it");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// For how long the grant lasted that a station was sent last, in ms, by the clock of the hub it is at.
    async fn last_grant_ms(&self, station: &str, hub: usize) -> i64 {
        let path = format!("/stations/{station}/messages?direction=out&text=validTo&limit=1");
        let page = self.cluster.apis[hub].get(&path).await;
        let sent = &page["items"][0];
        let frame = sent["frame"].as_str().expect("a frame");
        let (_, ends) = frame.split_once("\"validTo\":\"").expect("it ends");
        let (ends, _) = ends.split_once('"').expect("a time");
        let time = |text: &str| Timestamp::from_str(text).expect("a time");
        time(ends).ms_since(time(sent["at"].as_str().expect("a time")))
    }

    /// How many grants that hub has sent.
    pub(crate) async fn grants(&self, hub: usize) -> u64 {
        let (_, metrics) = self.cluster.apis[hub].page("/metrics").await;
        let lines = metrics.lines();
        let of = lines.filter(|line| line.starts_with("switchyard_power_grants_total{"));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

/// A site's id for which that hub acts.
async fn site_of(cluster: &Cluster, hub: usize) -> String {
    let (api, name) = (&cluster.apis[0], format!("hub-{hub}"));
    for number in 0..1_000 {
        let site = format!("depot-{number}");
        let path = format!("/sites/{site}");
        let shown = api.ok(Method::PUT, &path, Some(json!({}))).await;
        if shown["hub"] == *name {
            return site;
        }
    }
    panic!("{name} acts for none of a thousand sites");
}

#[tokio::test]
async fn stations_at_two_hubs_share_the_limit_that_a_third_one_keeps() {
    let spread = Spread::start(2).await;
    spread.both_charge_with_half_of_it().await;
    spread.is_within_its_limit();
    assert!(spread.grants(2).await > 0);
    assert_eq!((spread.grants(0).await, spread.grants(1).await), (0, 0));

    for hub in 0..3 {
        let view = spread
            .sees(hub, "each hub shows both", |view| {
                ["A", "B"].iter().all(|it| {
                    of(view, it)["granted_a"] == LIMIT_A / 2.0 && of(view, it)["online"] == true
                })
            })
            .await;
        assert_eq!(view["unplanned_stations"], json!([]));
    }
    // Whoever is told, the hub that acts for the site hears it.
    #[cfg(feature = "cql")]
    {
        use actors::Clock;
        let expires_at = actors::SystemClock.now().plus_ms(3_600_000);
        let lower = json!({"most_a": [30, 30, 30], "expires_at": expires_at});
        let path = format!("/sites/{}/power/set-points/dso", spread.site);
        let api = &spread.cluster.apis[1];
        api.ok(Method::PUT, &path, Some(lower)).await;
        spread
            .flow("both charge with less", |flows| flows.offered_a() <= 30.0)
            .await;
        spread.is_within_its_limit();
        api.ok(Method::DELETE, &path, None).await;
        spread.both_charge_with_half_of_it().await;
    }
    let outlet = format!("/sites/{}/power/outlets/A/1/schedule", spread.site);
    let both = spread.cluster.apis[1].ok(Method::POST, &outlet, None).await;
    assert_eq!(both["command"]["state"], "answered", "{both:#}");
    let path = format!("/sites/{}/power/meters/grid", spread.site);
    let reading = json!({"amps": [0, 0, 0]});
    spread.cluster.apis[0]
        .ok(Method::PUT, &path, Some(reading))
        .await;
    spread.is_within_its_limit();
}

/// A station goes by the clock of the hub that it is connected to; its own shows the same.
#[tokio::test]
async fn grants_last_as_long_as_they_should_where_the_clock_of_the_sites_hub_is_an_hour_off() {
    for ahead_ms in [3_600_000, -3_600_000] {
        let spread = Spread::over(2, |settings| {
            let cluster = Cluster::start(3, "single", settings);
            cluster.hubs[2].inject("clock", &ahead_ms.to_string());
            cluster
        });
        let spread = spread.await;
        spread.both_charge_with_half_of_it().await;
        for (station, hub) in [("A", 0), ("B", 1)] {
            let lasts_ms = spread.last_grant_ms(station, hub).await;
            let lease_ms = i64::try_from(LEASE_MS).expect("seconds");
            assert!(
                (lease_ms / 2..=lease_ms).contains(&lasts_ms),
                "{station}: {lasts_ms} ms, with a clock {ahead_ms} ms ahead"
            );
        }
        // Told to another hub, what is read now counts as read now.
        let path = format!("/sites/{}/power/meters/grid", spread.site);
        let reading = json!({"amps": [7, 7, 7]});
        let api = &spread.cluster.apis[0];
        api.ok(Method::PUT, &path, Some(reading)).await;
        spread
            .flow("they share what is left", |flows| flows.offered_a() <= 33.0)
            .await;
        spread.is_within_its_limit();
    }
}

#[tokio::test]
async fn a_site_whose_hub_is_killed_is_kept_within_its_limit_by_the_next_one() {
    let mut spread = Spread::start(2).await;
    spread.both_charge_with_half_of_it().await;
    spread.cluster.hubs[2].kill();
    spread.moves(0).await;
    // The stations have not moved, and charge on; they may have been at their floors meanwhile.
    assert!(spread.flows.offered_a() >= 2.0 * FLOOR_A);
    let next = usize::from(spread.hub(0).await == "hub-1");
    let grants = spread.grants(next).await;
    spread
        .sees(1 - next, "the next one knows both", |view| {
            floors_are_kept(view) && view["learns_until"].is_null()
        })
        .await;
    spread.both_charge_with_half_of_it().await;
    assert!(spread.grants(next).await > grants);
    spread.is_within_its_limit();
}

#[tokio::test]
async fn stations_of_a_hub_that_is_killed_keep_their_floors_and_are_back_at_another_one() {
    let mut spread = Spread::start(2).await;
    spread.both_charge_with_half_of_it().await;
    spread.cluster.hubs[0].kill();
    spread
        .sees(1, "its station is offline", |view| {
            of(view, "A")["online"] == false && of(view, "B")["online"] == true
        })
        .await;
    spread
        .flow("the other one gets what is left", |flows| {
            flows.offered_by("B") > LIMIT_A / 2.0 && flows.offered_by("A") >= FLOOR_A
        })
        .await;
    spread.ways[0].leads_to(spread.cluster.chargers(1));
    spread
        .sees(2, "it is back", |view| of(view, "A")["online"] == true)
        .await;
    spread.both_charge_with_half_of_it().await;
    spread.is_within_its_limit();
}

/// With a store of its own the next hub would not know the session, and the site would take it to be over.
#[cfg(feature = "cql")]
#[tokio::test]
async fn a_station_that_hops_from_hub_to_hub_is_in_the_plan_once_and_charges_on() {
    let spread = Spread::start(2).await;
    spread.both_charge_with_half_of_it().await;
    for hop in 1..=6 {
        // Also to the hub that acts for the site.
        let hub = hop % 3;
        spread.ways[0].leads_to(spread.cluster.chargers(hub));
        let held = format!("hub-{hub}");
        spread
            .cluster
            .sees(1, "the station is there", |view| {
                node(view, &held)["chargers"] == if hub == 1 { 2 } else { 1 }
            })
            .await;
        let view = spread
            .sees((hub + 1) % 3, "both are there", |view| {
                let outlets = view["outlets"].as_array().expect("a list");
                floors_are_kept(view)
                    && outlets.len() == 2
                    && outlets.iter().all(|it| it["session"].is_object())
            })
            .await;
        assert_eq!(view["unplanned_stations"], json!([]));
        spread.both_charge_with_half_of_it().await;
        let site = format!("/sites/{}", spread.site);
        let live = spread.cluster.apis[hub].get(&site).await["live"].clone();
        let counted = (&live["stations_connected"], &live["outlets_charging"]);
        assert_eq!(counted, (&json!(2), &json!(2)), "{live:#}");
    }
    spread.is_within_its_limit();
}

/// With a store of its own the woken hub would go by what it remembers, not by what the others did meanwhile.
#[cfg(feature = "cql")]
#[tokio::test]
async fn a_hub_that_was_frozen_commands_no_more_until_the_site_is_its_own_again() {
    let spread = Spread::start(2).await;
    spread.both_charge_with_half_of_it().await;
    spread.cluster.hubs[2].signal("-STOP");
    spread.moves(0).await;
    spread
        .sees(0, "the next hub knows both", floors_are_kept)
        .await;
    spread.both_charge_with_half_of_it().await;
    spread.cluster.hubs[2].signal("-CONT");
    let before = spread.grants(2).await;
    spread
        .cluster
        .sees(2, "it knows that it was fenced", |view| {
            view["happened"]["fenced"] == 1 && view["fenced"] == false
        })
        .await;
    let end = Instant::now() + PATIENCE;
    loop {
        let grants = spread.grants(2).await;
        // Asked after that: if the site is not its own now, it was not then.
        let hub = spread.hub(2).await;
        if hub == "hub-2" {
            break;
        }
        assert_eq!(grants, before, "{hub} acts for the site");
        assert!(Instant::now() < end, "{hub} acts for the site for too long");
        sleep(Duration::from_millis(20)).await;
    }
    spread
        .sees(1, "it has the site again", floors_are_kept)
        .await;
    spread.both_charge_with_half_of_it().await;
    assert!(spread.grants(2).await > before);
    spread.is_within_its_limit();
}
