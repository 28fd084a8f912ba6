//! Simulated chargers obey charging profiles as firmware does, seen over real sockets.

mod bench;
mod central_system;

use std::sync::Arc;
use std::time::Duration;

use bench::{ID, Notes, is_transaction_message, wait_for};
use central_system::{CentralSystem, Reaction, Received, is_answer};
use chrono::{SecondsFormat, TimeDelta, Utc};
use loadtest::{Evse, Faults, Orders, Profile, SimCharger, Target, Version, Visit};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A charger to which a car of 32 A on three phases comes at once, and stays.
struct Charger {
    version: Version,
    _orders: watch::Sender<Orders>,
}

impl Charger {
    fn start(system: &CentralSystem, version: Version, evse: Evse, faults: &str) -> Self {
        let target = Target::new(&system.url, None).expect("a good URL");
        let profile = Profile {
            speed: 20.0,
            meter_interval: Duration::from_millis(100),
            evse,
            faults: faults.parse::<Faults>().expect("known faults"),
            tells_phases: true,
            ..Profile::new(target, version)
        };
        let (orders, following) = watch::channel(Orders::default());
        let car = Visit {
            connector: 1,
            arrives: Duration::ZERO,
            leaves: Duration::from_secs(600),
            energy_wh: 500_000.0,
            most_a: 32.0,
            phases: 3,
        };
        let notes = Arc::new(Notes::default());
        let charger = SimCharger::new(Arc::new(profile), ID, 1, notes, following);
        tokio::spawn(charger.with_visits(vec![car]).run());
        Self {
            version,
            _orders: orders,
        }
    }

    /// Sets a profile on a connector; the status that is answered.
    async fn set(&self, system: &CentralSystem, evse: u32, profile: Value) -> String {
        let id = format!("central-{}", uuid::Uuid::new_v4());
        let payload = match self.version {
            Version::V16 => json!({ "connectorId": evse, "csChargingProfiles": profile }),
            Version::V201 | Version::V21 => json!({ "evseId": evse, "chargingProfile": profile }),
        };
        let answer = system.call(ID, &id, "SetChargingProfile", payload).await;
        answer.payload["status"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }

    /// A profile with one limit, that ends after so many seconds if at all.
    fn profile(
        &self,
        id: i64,
        purpose: &str,
        level: i64,
        limit: f64,
        ends_s: Option<i64>,
    ) -> Value {
        let at = |seconds| {
            (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Millis, true)
        };
        let schedule = json!({ "chargingRateUnit": "A", "startSchedule": at(-1),
            "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": limit }] });
        let mut profile = json!({ "stackLevel": level, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute" });
        if let Some(seconds) = ends_s {
            profile["validTo"] = at(seconds).into();
        }
        match self.version {
            Version::V16 => {
                profile["chargingProfileId"] = id.into();
                profile["chargingSchedule"] = schedule;
            }
            Version::V201 | Version::V21 => {
                profile["id"] = id.into();
                profile["chargingSchedule"] = json!([schedule]);
                profile["chargingSchedule"][0]["id"] = 1.into();
            }
        }
        profile
    }
}

/// The samples of a message, by measurand and phase.
fn sampled(call: &Received, measurand: &str, phase: Option<&str>) -> Option<f64> {
    let samples = call.payload["meterValue"][0]["sampledValue"].as_array()?;
    let sample = (samples.iter())
        .find(|it| it["measurand"] == measurand && it["phase"].as_str() == phase)?;
    sample["value"]
        .as_f64()
        .or_else(|| sample["value"].as_str()?.parse().ok())
}

/// Waits until the car takes so many amperes of each phase, as the meter says after what was received before.
async fn until_amps(system: &CentralSystem, amps: f64) -> Received {
    let seen = system.received(ID).len();
    let shows = |it: &&Received| {
        (["L1", "L2", "L3"].iter())
            .all(|phase| sampled(it, "Current.Import", Some(phase)) == Some(amps))
    };
    system
        .until(ID, |calls| calls.iter().skip(seen).find(shows).cloned())
        .await
}

/// The transaction id, as profiles name it.
async fn transaction(system: &CentralSystem, version: Version) -> Value {
    match version {
        Version::V16 => {
            system
                .until(ID, |calls| {
                    let named = calls.iter().find(|it| it.payload["transactionId"].is_i64());
                    named.map(|it| it.payload["transactionId"].clone())
                })
                .await
        }
        Version::V201 | Version::V21 => {
            let event = wait_for(system, "TransactionEvent").await;
            event.payload["transactionInfo"]["transactionId"].clone()
        }
    }
}

#[tokio::test]
async fn a_grant_lifts_a_car_above_its_floor_until_it_ends() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let charger = Charger::start(&system, version, Evse::default(), "");
        until_amps(&system, 32.0).await;
        let floor = charger.profile(1, "TxDefaultProfile", 0, 6.7, None);
        assert_eq!(charger.set(&system, 1, floor).await, "Accepted");
        let low = until_amps(&system, 6.0).await;
        let watts = sampled(&low, "Power.Active.Import", None);
        assert_eq!(watts, Some(6.0 * 3.0 * 230.0), "{version}");
        assert_eq!(sampled(&low, "Voltage", Some("L2-N")), Some(230.0));

        let mut grant = charger.profile(2, "TxProfile", 1, 16.0, Some(3));
        grant["transactionId"] = transaction(&system, version).await;
        assert_eq!(charger.set(&system, 1, grant).await, "Accepted");
        until_amps(&system, 16.0).await;
        // Nobody says another word.
        until_amps(&system, 6.0).await;
    }
}

#[tokio::test]
async fn below_six_amperes_a_car_pauses_and_the_status_says_who_wants_it() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let charger = Charger::start(&system, version, Evse::default(), "");
        until_amps(&system, 32.0).await;
        let pause = charger.profile(1, "TxDefaultProfile", 0, 5.9, None);
        assert_eq!(charger.set(&system, 1, pause).await, "Accepted");
        until_amps(&system, 0.0).await;
        let suspended = |it: &&Received| {
            it.payload["status"] == "SuspendedEVSE"
                || it.payload["transactionInfo"]["chargingState"] == "SuspendedEVSE"
        };
        system
            .until(ID, |calls| calls.iter().find(suspended).cloned())
            .await;
        let clear = match version {
            Version::V16 => {
                json!({ "connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile" })
            }
            Version::V201 | Version::V21 => {
                json!({ "chargingProfileCriteria": { "evseId": 1, "chargingProfilePurpose": "TxDefaultProfile" } })
            }
        };
        let call = async |id: &str, payload: Value| {
            let answer = system.call(ID, id, "ClearChargingProfile", payload).await;
            answer.payload["status"].clone()
        };
        assert_eq!(call("central-1", clear.clone()).await, "Accepted");
        until_amps(&system, 32.0).await;
        assert_eq!(call("central-2", clear).await, "Unknown");
    }
}

#[tokio::test]
async fn the_composite_schedule_says_what_holds_and_when_that_ends() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let charger = Charger::start(&system, version, Evse::default(), "");
        until_amps(&system, 32.0).await;
        charger
            .set(
                &system,
                1,
                charger.profile(1, "TxDefaultProfile", 0, 6.0, None),
            )
            .await;
        let mut grant = charger.profile(2, "TxProfile", 1, 16.5, Some(100));
        grant["transactionId"] = transaction(&system, version).await;
        assert_eq!(charger.set(&system, 1, grant).await, "Accepted");
        let (evse, schedule) = match version {
            Version::V16 => ("connectorId", "chargingSchedule"),
            Version::V201 | Version::V21 => ("evseId", "schedule"),
        };
        for (unit, high, low) in [("A", 16.5, 6.0), ("W", 11_385.0, 4_140.0)] {
            let ask = json!({ evse: 1, "duration": 300, "chargingRateUnit": unit });
            let answer = system
                .call(ID, &format!("central-{unit}"), "GetCompositeSchedule", ask)
                .await;
            assert_eq!(answer.payload["status"], "Accepted");
            let periods = &answer.payload[schedule]["chargingSchedulePeriod"];
            assert_eq!(answer.payload[schedule]["chargingRateUnit"], unit);
            assert_eq!(periods[0]["limit"], high, "{version}: {answer:?}");
            assert_eq!(periods[1]["limit"], low);
            let ends = periods[1]["startPeriod"].as_i64().expect("a second");
            assert!((60..=101).contains(&ends), "the grant ends after {ends} s");
            assert_eq!(periods.as_array().map(Vec::len), Some(2));
        }
        let unknown = json!({ evse: 9, "duration": 300 });
        let refused = system
            .call(ID, "central-9", "GetCompositeSchedule", unknown)
            .await;
        assert_eq!(refused.payload["status"], "Rejected");
    }
}

#[tokio::test]
async fn a_remote_start_may_bring_the_profile_of_its_session() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let charger = Charger::start(&system, version, Evse::default(), "");
        until_amps(&system, 32.0).await;
        let stop = match version {
            Version::V16 => "RemoteStopTransaction",
            Version::V201 | Version::V21 => "RequestStopTransaction",
        };
        let id = transaction(&system, version).await;
        let stopped = system
            .call(ID, "central-stop", stop, json!({ "transactionId": id }))
            .await;
        assert_eq!(stopped.payload["status"], "Accepted");
        let mut profile = charger.profile(5, "TxProfile", 0, 10.0, None);
        let start = |profile: &Value| match version {
            Version::V16 => (
                "RemoteStartTransaction",
                json!({ "idTag": "REMOTE", "connectorId": 1, "chargingProfile": profile }),
            ),
            Version::V201 | Version::V21 => (
                "RequestStartTransaction",
                json!({ "remoteStartId": 1, "evseId": 1,
                "idToken": { "idToken": "REMOTE", "type": "Central" }, "chargingProfile": profile }),
            ),
        };
        // Only a profile for that very session may come with it.
        let (action, payload) = start(&charger.profile(5, "TxDefaultProfile", 0, 10.0, None));
        let refused = system.call(ID, "central-bad", action, payload).await;
        assert_eq!(refused.payload["status"], "Rejected");
        profile["stackLevel"] = 3.into();
        let (action, payload) = start(&profile);
        let started = system.call(ID, "central-start", action, payload).await;
        assert_eq!(started.payload["status"], "Accepted");
        let offered = |calls: &[Received]| {
            let beginning = calls
                .iter()
                .rposition(|it| it.payload.to_string().contains("REMOTE"))?;
            let most = (calls.iter().skip(beginning))
                .filter_map(|it| sampled(it, "Current.Import", Some("L1")))
                .fold(None, |most: Option<f64>, amps| {
                    Some(most.unwrap_or(0.0).max(amps))
                });
            most.filter(|amps| *amps >= 10.0)
        };
        assert_eq!(system.until(ID, offered).await, 10.0, "{version}");
    }
}

#[tokio::test]
async fn faulty_firmware_says_yes_and_does_as_it_likes() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let charger = Charger::start(&system, Version::V16, Evse::default(), "ignores");
    until_amps(&system, 32.0).await;
    let floor = charger.profile(1, "TxDefaultProfile", 0, 6.0, None);
    assert_eq!(charger.set(&system, 1, floor).await, "Accepted");
    for _ in 0..5 {
        until_amps(&system, 32.0).await;
    }

    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let charger = Charger::start(&system, Version::V16, Evse::default(), "rejects");
    until_amps(&system, 32.0).await;
    let floor = charger.profile(1, "TxDefaultProfile", 0, 6.0, None);
    assert_eq!(charger.set(&system, 1, floor).await, "Rejected");
}

#[tokio::test]
async fn profiles_outlive_a_reset_unless_the_firmware_forgets_them() {
    for (faults, periods) in [("", json!(6.0)), ("forgets", json!(32.0))] {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let charger = Charger::start(&system, Version::V16, Evse::default(), faults);
        until_amps(&system, 32.0).await;
        let floor = charger.profile(1, "TxDefaultProfile", 0, 6.0, None);
        assert_eq!(charger.set(&system, 1, floor).await, "Accepted");
        system
            .call(ID, "central-reset", "Reset", json!({ "type": "Soft" }))
            .await;
        let boots = |calls: &[Received]| {
            let boots = calls.iter().filter(|it| it.action == "BootNotification");
            (boots.count() == 2).then_some(())
        };
        system.until(ID, boots).await;
        let ask = json!({ "connectorId": 1, "duration": 10 });
        let answer = system
            .call(ID, "central-ask", "GetCompositeSchedule", ask)
            .await;
        let first = &answer.payload["chargingSchedule"]["chargingSchedulePeriod"][0];
        assert_eq!(first["limit"], periods, "{faults}");
    }
}

#[tokio::test]
async fn a_dc_charger_obeys_watts_and_says_so() {
    for version in Version::ALL {
        let system = CentralSystem::start(|_| Reaction::Usual).await;
        let dc = Evse {
            amps: 100.0,
            dc: true,
            ..Evse::default()
        };
        let charger = Charger::start(&system, version, dc, "");
        let draws = |watts: f64| {
            let seen = system.received(ID).len();
            let system = &system;
            async move {
                let at = |it: &&Received| sampled(it, "Power.Active.Import", None) == Some(watts);
                system
                    .until(ID, |calls| calls.iter().skip(seen).find(at).cloned())
                    .await
            }
        };
        draws(69_000.0).await;
        let amperes = charger.profile(1, "TxDefaultProfile", 0, 20.0, None);
        assert_eq!(charger.set(&system, 1, amperes).await, "Rejected");
        let mut watts = charger.profile(1, "TxDefaultProfile", 0, 12_345.0, None);
        match version {
            Version::V16 => watts["chargingSchedule"]["chargingRateUnit"] = "W".into(),
            Version::V201 | Version::V21 => {
                watts["chargingSchedule"][0]["chargingRateUnit"] = "W".into()
            }
        }
        assert_eq!(charger.set(&system, 1, watts).await, "Accepted");
        draws(12_345.0).await;
        let asked = match version {
            Version::V16 => {
                let ask = json!({ "key": ["ChargingScheduleAllowedChargingRateUnit"] });
                let answer = system
                    .call(ID, "central-key", "GetConfiguration", ask)
                    .await;
                answer.payload["configurationKey"][0]["value"].clone()
            }
            Version::V201 | Version::V21 => {
                let ask = json!({ "getVariableData": [{ "component": { "name": "SmartChargingCtrlr" }, "variable": { "name": "RateUnit" } }] });
                let answer = system.call(ID, "central-key", "GetVariables", ask).await;
                answer.payload["getVariableResult"][0]["attributeValue"].clone()
            }
        };
        assert_eq!(
            asked,
            if version == Version::V16 {
                "Power"
            } else {
                "W"
            }
        );
    }
}

#[tokio::test]
async fn a_car_that_is_expected_comes_and_leaves_when_it_should() {
    let system = CentralSystem::start(|_| Reaction::Usual).await;
    let target = Target::new(&system.url, None).expect("a good URL");
    let profile = Profile {
        speed: 60.0,
        meter_interval: Duration::from_millis(50),
        ..Profile::new(target, Version::V16)
    };
    let (_orders, following) = watch::channel(Orders::default());
    let visit = |arrives_ms: u64, leaves_ms: u64, energy_wh: f64| Visit {
        connector: 1,
        arrives: Duration::from_millis(arrives_ms),
        leaves: Duration::from_millis(leaves_ms),
        energy_wh,
        most_a: 16.0,
        phases: 3,
    };
    // The second comes before the first has left. In a second of real time the cars live a minute.
    let visits = vec![visit(1_500, 2_500, 10_000.0), visit(200, 60_000, 50.0)];
    let notes = Arc::new(Notes::default());
    let charger = SimCharger::new(Arc::new(profile), ID, 1, notes, following);
    tokio::spawn(charger.with_visits(visits).run());
    let steps = system
        .until(ID, |calls| {
            let steps: Vec<Received> = (calls.iter())
                .filter(|it| {
                    !is_answer(it) && is_transaction_message(it) && it.action != "MeterValues"
                })
                .cloned()
                .collect();
            (steps.len() == 4).then_some(steps)
        })
        .await;
    let actions: Vec<&str> = steps.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "StartTransaction",
            "StopTransaction",
            "StartTransaction",
            "StopTransaction"
        ]
    );
    let taken = |from: usize| {
        steps[from + 1].payload["meterStop"]
            .as_i64()
            .expect("a register")
            - steps[from].payload["meterStart"]
                .as_i64()
                .expect("a register")
    };
    assert!(
        (49..=51).contains(&taken(0)),
        "the first was full after 50 Wh: {}",
        taken(0)
    );
    // At most a second of it, which is a minute of 11 kW for the car, and on a slow machine some more.
    assert!(
        (20..2_000).contains(&taken(2)),
        "the second took {} Wh",
        taken(2)
    );
}
