//! Sessions that go on at another hub, in a store that the hubs share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Charger, Dialect, until};

use super::bench::{Cluster, living, node};

const SETTINGS: [(&str, &str); 1] = [("CHARGING__UNKNOWN_TOKENS", "accept")];

pub(super) fn start(meter_wh: u32) -> Value {
    json!({"connectorId": 1, "idTag": "T", "meterStart": meter_wh, "timestamp": "2026-11-24T10:00:00Z"})
}

pub(super) fn values(transaction: &Value, meter_wh: u32, minute: u32) -> Value {
    json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{
        "timestamp": format!("2026-11-24T10:{minute:02}:00Z"),
        "sampledValue": [{"value": meter_wh.to_string(), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}],
    }]})
}

pub(super) fn stop(transaction: &Value, meter_wh: u32) -> Value {
    json!({"transactionId": transaction, "meterStop": meter_wh, "timestamp": "2026-11-24T10:50:00Z"})
}

/// The sessions of a station, as that hub tells them.
pub(super) async fn sessions(cluster: &Cluster, hub: usize, station: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/sessions?station={station}&limit=500{after}");
        let page = cluster.apis[hub].get(&path).await;
        found.extend(page["items"].as_array().expect("a list").iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_where_its_station_is_whichever_hub_is_asked() {
    let cluster = Cluster::start(3, "single", &SETTINGS);
    let mut charger = cluster.booted(2, "CP").await;
    // A hub that knows of nobody who holds the station would replay it itself, and crash over it anew.
    cluster
        .sees(0, "the station is there", |view| {
            node(view, "hub-2")["chargers"] == 1
        })
        .await;
    let started = json!({"connectorId": 1, "idTag": "!panic-session-twice-9", "meterStart": 100,
        "timestamp": "2026-11-24T10:00:00Z"});
    let started = charger.call("StartTransaction", started).await;
    let transaction = &started["transactionId"];
    let letter = cluster.apis[1].get("/dead-letters").await["items"][0].clone();
    assert_eq!(&letter["number"], transaction, "{letter}");
    let path = format!("/dead-letters/{}/replay", letter["id"].as_str().unwrap());
    let (status, answer) = cluster.apis[0].ask(Method::POST, &path, None).await;
    assert_eq!(status, 204, "{answer}");
    let (status, _) = cluster.apis[0].ask(Method::POST, &path, None).await;
    assert_eq!(status, 404);
    // Its own hub goes on with the session, and wrote under its own epoch.
    charger
        .call("MeterValues", values(transaction, 600, 5))
        .await;
    charger
        .call("StopTransaction", stop(transaction, 1_100))
        .await;
    let sessions = sessions(&cluster, 1, "CP").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["energy_wh"], 1_000.0, "{sessions:?}");
    for hub in [0, 1] {
        let (_, metrics) = cluster.apis[hub].page("/metrics").await;
        let commits = metrics
            .lines()
            .filter(|line| line.starts_with("switchyard_session_commits_total"));
        assert_eq!(commits.count(), 0, "hub {hub} wrote");
    }
}

#[tokio::test]
async fn a_session_goes_on_at_another_hub_when_its_own_is_killed() {
    let mut cluster = Cluster::start(3, "single", &SETTINGS);
    let mut charger = cluster.booted(0, "CP").await;
    let started = charger.call("StartTransaction", start(100)).await;
    let transaction = &started["transactionId"];
    charger
        .call("MeterValues", values(transaction, 600, 5))
        .await;
    cluster.hubs[0].kill();
    drop(charger);
    let mut charger = cluster.booted(1, "CP").await;
    charger
        .call("MeterValues", values(transaction, 1_100, 10))
        .await;
    // It may hop while nothing is wrong, too.
    let mut charger = {
        let next = cluster.booted(2, "CP").await;
        assert!(charger.closed().await.is_some());
        next
    };
    charger
        .call("StopTransaction", stop(transaction, 2_100))
        .await;
    for hub in [1, 2] {
        let sessions = sessions(&cluster, hub, "CP").await;
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        assert_eq!(sessions[0]["state"], "ended", "{sessions:?}");
        assert_eq!(sessions[0]["energy_wh"], 2_000.0, "{sessions:?}");
    }
}

#[tokio::test]
async fn a_hub_that_had_the_charger_before_reads_anew_what_happened_elsewhere() {
    let cluster = Cluster::start(2, "single", &SETTINGS);
    let mut here = cluster.booted(0, "CP").await;
    let started = here.call("StartTransaction", start(0)).await;
    let transaction = started["transactionId"].clone();
    for hop in 0..10u32 {
        let hub = 1 - (hop as usize % 2);
        let mut there = cluster.booted(hub, "CP").await;
        assert!(here.closed().await.is_some());
        let meter_wh = 100 * (hop + 1);
        there
            .call("MeterValues", values(&transaction, meter_wh, hop + 1))
            .await;
        here = there;
    }
    here.call("StopTransaction", stop(&transaction, 1_500))
        .await;
    // Ended here, begun again there: the first hub must not take it for the old one.
    let mut there = cluster.booted(1, "CP").await;
    let again = json!({"connectorId": 1, "idTag": "T", "meterStart": 1_500, "timestamp": "2026-11-24T11:00:00Z"});
    let started = there.call("StartTransaction", again).await;
    assert_ne!(started["transactionId"], transaction);
    let stopped = json!({"transactionId": started["transactionId"], "meterStop": 1_600, "timestamp": "2026-11-24T11:30:00Z"});
    there.call("StopTransaction", stopped).await;
    let mut energies: Vec<f64> = sessions(&cluster, 0, "CP")
        .await
        .iter()
        .map(|session| session["energy_wh"].as_f64().expect("a number"))
        .collect();
    energies.sort_by(f64::total_cmp);
    assert_eq!(energies, [100.0, 1_500.0]);
}

#[tokio::test]
async fn what_a_frozen_hub_still_had_in_hand_counts_once() {
    let cluster = Cluster::start(2, "single", &SETTINGS);
    let mut charger = cluster.booted(0, "CP").await;
    let started = charger.call("StartTransaction", start(0)).await;
    let transaction = started["transactionId"].clone();
    cluster.hubs[0].signal("-STOP");
    // Said to a hub that cannot hear it, and then, since no answer came, to another.
    let lost = json!([2, "lost", "MeterValues", values(&transaction, 500, 5)]);
    charger.send(&lost.to_string()).await;
    let mut there = cluster.booted(1, "CP").await;
    there
        .call("MeterValues", values(&transaction, 500, 5))
        .await;
    there.call("StopTransaction", stop(&transaction, 800)).await;
    cluster.hubs[0].signal("-CONT");
    // Whether its late write is refused as stale or known as a repeat: it changes nothing.
    charger.closed().await;
    until("it has closed its socket", || async {
        (cluster.view(0).await["chargers_here"] == 0).then_some(())
    })
    .await;
    let sessions = sessions(&cluster, 0, "CP").await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (&sessions[0]["state"], &sessions[0]["energy_wh"]),
        (&json!("ended"), &json!(800.0))
    );
}

/// Charges again and again at whichever hub takes it, until told to stop; returns the transactions that were
/// acknowledged from start to stop.
async fn charge_on(hubs: Vec<String>, identity: String, enough: Arc<AtomicBool>) -> u32 {
    let mut done = 0;
    let mut at = 0;
    // What was not answered is said again, elsewhere if need be.
    let mut waiting: Vec<(&str, Value)> = Vec::new();
    loop {
        let Ok((mut charger, _)) =
            Charger::try_connect(&hubs[at % hubs.len()], &identity, Some("ocpp1.6")).await
        else {
            at += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let boot = Dialect::V16.boot().to_string();
        if charger.try_ask("BootNotification", &boot).await.is_none() {
            continue;
        }
        loop {
            if waiting.is_empty() {
                if enough.load(Ordering::SeqCst) {
                    return done;
                }
                let begin = json!({"connectorId": 1, "idTag": "T", "meterStart": done * 100,
                    "timestamp": format!("2026-11-24T10:{:02}:{:02}Z", done / 60 % 60, done % 60)});
                waiting = vec![("StartTransaction", begin)];
            }
            let (action, payload) = waiting[0].clone();
            let Some(answer) = charger.try_ask(action, &payload.to_string()).await else {
                break;
            };
            assert_eq!(answer[0], 3, "{action}: {answer}");
            waiting.remove(0);
            match action {
                "StartTransaction" => {
                    let transaction = answer[2]["transactionId"].clone();
                    let begun = payload["meterStart"].as_u64().expect("a register");
                    let end = json!({"transactionId": transaction, "meterStop": begun + 100,
                        "timestamp": payload["timestamp"]});
                    waiting.push(("StopTransaction", end));
                }
                _ => done += 1,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        at += 1;
    }
}

#[tokio::test]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    let mut cluster = Cluster::start(3, "single", &SETTINGS);
    cluster.shares_sites().await;
    let enough = Arc::new(AtomicBool::new(false));
    let hubs: Vec<String> = (0..3).map(|hub| cluster.chargers(hub).to_owned()).collect();
    let charging: Vec<_> = (0..30)
        .map(|number| {
            let mut hubs = hubs.clone();
            hubs.rotate_left(number % 3);
            tokio::spawn(charge_on(hubs, format!("CP-{number}"), Arc::clone(&enough)))
        })
        .collect();
    for hub in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(cluster.hubs[hub].terminate().await, Some(0));
        cluster.hubs[hub].start_again();
        cluster.shares_sites().await;
    }
    enough.store(true, Ordering::SeqCst);
    let mut transactions = 0;
    for (number, charging) in charging.into_iter().enumerate() {
        let done = charging.await.expect("it charges");
        // A slow server has some of it wait in the spool of the hub that was told, which the others do not see.
        cluster
            .sees(0, "all is written", |view| {
                living(view).all(|node| node["unwritten"] == false)
            })
            .await;
        let station = format!("CP-{number}");
        let sessions = sessions(&cluster, number % 3, &station).await;
        assert_eq!(sessions.len(), done as usize, "CP-{number}");
        let are_whole =
            |session: &&Value| session["state"] == "ended" && session["energy_wh"] == 100.0;
        assert_eq!(
            sessions.iter().filter(are_whole).count(),
            done as usize,
            "CP-{number}"
        );
        transactions += done;
    }
    assert!(transactions > 100, "only {transactions} transactions");
}
