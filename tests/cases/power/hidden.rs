//! What a hub cannot see at once: clocks that are behind, meters that say nothing of use, outlets that nobody planned.

use super::{pretender::Pretender, *};

#[tokio::test]
async fn a_station_whose_clock_is_behind_falls_to_its_floor_no_later_than_others() {
    let mut hub = hub();
    let behind = Faults {
        clock_behind: Duration::from_secs(120),
        ..Faults::default()
    };
    let plans = vec![
        ("A", Version::V16, behind, vec![(6, LONG)]),
        ("B", Version::V201, behind, vec![(6, LONG)]),
    ];
    let site = Site::start(&hub, 50.0, plans).await;
    site.until_flows("both charge with half of it", |flows| {
        flows.offered_by("A") >= 25.0 && flows.offered_by("B") >= 25.0
    })
    .await;
    let view = site.live().await;
    assert!(alarms(&view).is_empty(), "{view:#}");
    let measured = &of(&view, "A")["measured_a"];
    assert!(measured.is_array(), "its readings are of now: {view:#}");
    hub.kill();
    let took = site
        .until_flows("the floors hold", |flows| {
            flows.offered_a() <= 2.0 * FLOOR_A
        })
        .await;
    let lease = Duration::from_millis(LEASE_MS);
    assert!(took < lease + Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_station_whose_clock_is_far_ahead_is_told_of_and_stays_at_its_floor_until_it_is_set() {
    let hub = hub();
    let site = Site::start(&hub, 40.0, vec![]).await;
    let station = json!({"id": "FAST", "site": "depot"});
    site.api.post("/stations", station).await;
    let plan = json!({"sharing": "fair", "grid": {
        "name": "grid", "breaker_a": [40, 40, 40], "outlets": [outlet("FAST")],
    }});
    let path = "/sites/depot/power";
    site.api.ok(Method::PUT, path, Some(plan)).await;
    let mut fast = Pretender::connect(&hub, "FAST").await;
    fast.ahead = Duration::from_secs(3_600);
    fast.shows(1).await;
    let transaction = fast.begins().await;
    let until = async |fast: &mut Pretender, so: &dyn Fn(&Value) -> bool| {
        let started = Instant::now();
        loop {
            fast.draws(&transaction, FLOOR_A).await;
            let view = site.live().await;
            if so(&view) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{view:#}");
            sleep(Duration::from_millis(200)).await;
        }
    };
    until(&mut fast, &|view| {
        let seen = of(view, "FAST");
        let is_told = alarms(view).contains(&("clock", "FAST"));
        let reason = &seen["session"]["held_by"]["reason"];
        is_told && reason == "clock" && seen["granted_a"] == FLOOR_A
    })
    .await;
    fast.ahead = Duration::ZERO;
    until(&mut fast, &|view| {
        alarms(view).is_empty() && of(view, "FAST")["granted_a"] == MOST_A
    })
    .await;
}

fn unseen(ignores: bool, only_register: bool, no_schedule: bool) -> Faults {
    Faults {
        ignores,
        only_register,
        only_voltage: !only_register,
        no_schedule,
        ..Faults::default()
    }
}

#[tokio::test]
async fn a_station_that_shows_nothing_of_what_it_draws_is_booked_at_all_it_can_and_the_others_make_room()
 {
    for (version, only_register, alarm) in [
        (Version::V16, false, "unverified"),
        (Version::V201, true, "overdrawn"),
    ] {
        let hub = hub();
        let hides = unseen(true, only_register, true);
        let plans = vec![
            ("GOOD", Version::V16, Faults::default(), vec![(10, LONG)]),
            ("BAD", version, hides, vec![(10, LONG)]),
        ];
        let site = Site::start(&hub, 40.0, plans).await;
        let view = site
            .until("an alarm is raised", |view| {
                alarms(view).contains(&(alarm, "BAD"))
            })
            .await;
        assert_eq!(of(&view, "BAD")["reserved_a"], MOST_A, "{view:#}");
        site.until_flows("the other makes room", |flows| flows.offered_a() <= 40.0)
            .await;
        site.flows.most_a();
        let lasts = Duration::from_millis(LEASE_MS + MARGIN_MS);
        sleep(2 * lasts).await;
        let most_a = site.flows.most_a();
        assert!(most_a <= 40.0, "{most_a}: {alarm}");
        assert!(site.flows.offered_by("GOOD") >= FLOOR_A);
    }
}

#[tokio::test]
async fn a_station_without_a_meter_of_use_that_obeys_is_charged_by_like_any_other() {
    let hub = hub();
    let plans = vec![
        (
            "SHOWS",
            Version::V16,
            unseen(false, false, false),
            vec![(6, LONG)],
        ),
        (
            "COUNTS",
            Version::V201,
            unseen(false, true, true),
            vec![(6, LONG)],
        ),
    ];
    let site = Site::start(&hub, 40.0, plans).await;
    // One that tells how full its battery is weighs otherwise.
    let both_charge = |flows: &Flows| {
        flows.offered_by("SHOWS") > 2.0 * FLOOR_A && flows.offered_by("COUNTS") > 2.0 * FLOOR_A
    };
    site.until_flows("both charge with about half of it", both_charge)
        .await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(6 * (LEASE_MS + MARGIN_MS)) {
        let view = site.live().await;
        assert!(alarms(&view).is_empty(), "{view:#}");
        assert!(both_charge(&site.flows), "{view:#}");
        sleep(Duration::from_millis(200)).await;
    }
    assert!(site.flows.most_a() <= 40.0);
}

#[tokio::test]
async fn a_car_at_an_outlet_that_nobody_planned_takes_its_share_off_the_others() {
    for version in Version::ALL {
        let hub = hub();
        let plans = vec![("GOOD", Version::V16, Faults::default(), vec![(6, LONG)])];
        let mut site = Site::start(&hub, 40.0, plans).await;
        let station = json!({"id": "A", "site": "depot"});
        site.api.post("/stations", station).await;
        let plan = json!({"sharing": "fair", "grid": {
            "name": "grid", "breaker_a": [40, 40, 40], "outlets": [outlet("GOOD"), outlet("A")],
        }});
        let path = "/sites/depot/power";
        site.api.ok(Method::PUT, path, Some(plan)).await;
        // It has a second outlet, at which its car stands.
        let two = Profile {
            connectors: 2,
            ..profile(&hub.chargers, version, Faults::default())
        };
        let visit = Visit {
            connector: 2,
            arrives: Duration::from_secs(8),
            leaves: Duration::from_secs(LONG),
            energy_wh: 100_000.0,
            most_a: MOST_A,
            phases: 3,
        };
        let orders = site.orders.subscribe();
        let two = SimCharger::new(Arc::new(two), "A", 7, site.flows.clone(), orders);
        site.chargers.spawn(two.with_visits(vec![visit]).run());
        let view = site
            .until("an alarm is raised", |view| {
                let alarms = view["alarms"].as_array().expect("a list");
                alarms.iter().any(|alarm| {
                    (text(alarm, "kind"), text(alarm, "station")) == ("unplanned", "A")
                        && alarm["evse"] == 2
                })
            })
            .await;
        assert_eq!(view["unplanned_stations"], json!([]), "{view:#}");
        site.until_flows("the other makes room", |flows| {
            flows.offered_by("A") >= MOST_A && flows.offered_a() <= 40.0
        })
        .await;
        let view = site
            .until("it is taken off the limit", |view| {
                view["limits"][0]["limit"].as_f64() <= Some(8.5)
            })
            .await;
        assert!(of(&view, "GOOD")["granted_a"].as_f64() <= Some(8.5));
    }
}

#[tokio::test]
async fn a_station_that_does_not_obey_is_known_by_the_next_hub_before_it_is_heard_of() {
    let mut hub = hub();
    let good = ("GOOD", Version::V16, Faults::default(), vec![(8, LONG)]);
    let ignores = Faults {
        ignores: true,
        no_schedule: true,
        ..Faults::default()
    };
    let bad = ("BAD", Version::V201, ignores, vec![(8, LONG)]);
    let mut site = Site::start(&hub, 40.0, vec![good, bad]).await;
    let is_known = |view: &Value| {
        alarms(view).contains(&("overdrawn", "BAD")) && of(view, "BAD")["reserved_a"] == MOST_A
    };
    site.until("its meter shows it", is_known).await;
    site.until("the other makes room", |view| {
        of(view, "GOOD")["reserved_a"].as_f64() <= Some(40.0 - MOST_A)
    })
    .await;
    hub.kill();
    site.chargers.shutdown().await;
    hub.start_again();
    site.until("the next hub knows", is_known).await;
}

#[tokio::test]
async fn a_station_that_draws_without_a_transaction_is_booked_at_all_it_can_draw() {
    let hub = hub();
    let good = ("GOOD", Version::V16, Faults::default(), vec![(6, LONG)]);
    let site = Site::start(&hub, 40.0, vec![good]).await;
    let station = json!({"id": "FREE", "site": "depot"});
    site.api.post("/stations", station).await;
    let plan = json!({"sharing": "fair", "grid": {
        "name": "grid", "breaker_a": [40, 40, 40], "outlets": [outlet("GOOD"), outlet("FREE")],
    }});
    let path = "/sites/depot/power";
    site.api.ok(Method::PUT, path, Some(plan)).await;
    let mut free = Charger::connect(&hub.chargers, "FREE", Dialect::V16).await;
    free.boot(Dialect::V16).await;
    let started = Instant::now();
    let mut reads = async |amps: &str| {
        let at = SystemClock.now();
        let values = ["L1", "L2", "L3"].map(|phase| {
            json!({"value": amps, "measurand": "Current.Import", "phase": phase, "unit": "A"})
        });
        let reading = json!({"connectorId": 1, "meterValue": [
            {"timestamp": at, "sampledValue": values},
        ]});
        // Between its answers the hub has questions, which it leaves unanswered.
        let answered = free.try_ask("MeterValues", &reading.to_string()).await;
        assert!(answered.is_some(), "its socket stays open");
        assert!(started.elapsed() < PATIENCE, "{:#}", site.live().await);
        sleep(Duration::from_millis(200)).await;
        site.live().await
    };
    let is_told =
        |view: &Value| (alarms(view).into_iter()).any(|alarm| alarm == ("unplanned", "FREE"));
    loop {
        let view = reads("29.0").await;
        if is_told(&view) && of(&view, "GOOD")["reserved_a"].as_f64() <= Some(40.0 - MOST_A) {
            assert_eq!(of(&view, "FREE")["reserved_a"], MOST_A, "{view:#}");
            assert_eq!(of(&view, "FREE")["measured_a"][0], 29.0, "{view:#}");
            break;
        }
    }
    while is_told(&reads("0.0").await) {}
}
