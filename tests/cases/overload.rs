//! A hub with more to do than it can: what matters goes first, what does not is shed, and nobody else
//! is let in.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite;

/// A hub that works on one CALL at a time.
fn hub_of_one(more: &[(&str, &str)]) -> HubProcess {
    let one = [
        ("OVERLOAD__CALLS_AT_ONCE", "1"),
        ("MESSAGE_LOG__ENABLED", "false"),
        ("CHARGING__UNKNOWN_TOKENS", "accept"),
    ];
    HubProcess::start(&[&one, more].concat())
}

fn status() -> Value {
    json!({"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": "2026-11-24T10:00:00Z"})
}

/// A charger that has booted.
async fn booted(hub: &HubProcess, identity: &str) -> Charger {
    let mut charger = Charger::connect(&hub.chargers, identity, Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    charger
}

/// Chargers that all report a status in the same moment, and when each is answered.
async fn all_report(hub: &HubProcess, count: usize) -> JoinSet<Instant> {
    let mut reports = JoinSet::new();
    let mut chargers = Vec::new();
    for n in 0..count {
        chargers.push(booted(hub, &format!("OTHER{n}")).await);
    }
    hub.inject("store", "slow 400");
    for mut charger in chargers {
        reports.spawn(async move {
            charger.call("StatusNotification", status()).await;
            Instant::now()
        });
    }
    reports
}

/// The value of a metric, 0 while it has none.
async fn metric(api: &Api, name: &str) -> f64 {
    let (_, page) = api.page("/metrics").await;
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().expect("a number"))
}

async fn waiting(api: &Api, class: &str, at_least: f64) {
    let name = format!("switchyard_calls_waiting{{class=\"{class}\"}}");
    until("so many wait", || async {
        (metric(api, &name).await >= at_least).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stop_does_not_wait_behind_those_that_came_before_it() {
    let hub = hub_of_one(&[]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, "CP").await;
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"});
    let number = charger.call("StartTransaction", start).await["transactionId"].clone();
    let reports = all_report(&hub, 12).await;
    waiting(&api, "other", 8.0).await;
    let stop =
        json!({"transactionId": number, "meterStop": 5, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    let stopped = Instant::now();
    hub.mend("store");
    let answered = reports.join_all().await;
    let before = answered.iter().filter(|at| **at < stopped).count();
    // Those that were answered before the stop was sent, the one at work, and one more by turn.
    assert!(before <= 12 - 8 + 2, "{before} of 12 went first");
}

#[tokio::test]
async fn a_heartbeat_is_answered_by_the_clock_when_its_turn_does_not_come() {
    let hub = hub_of_one(&[("OVERLOAD__HEARTBEAT_WAIT_MS", "200")]);
    let api = hub.api("operator");
    let mut charger = booted(&hub, "CP").await;
    let mut stranger = Charger::connect(&hub.chargers, "STRANGER", Dialect::V16).await;
    stranger.boot(Dialect::V16).await;
    let pending = json!({"admission": "pending"});
    api.ok(reqwest::Method::PATCH, "/stations/STRANGER", Some(pending))
        .await;
    // Its actor reads the change in its own time.
    let told = async { while stranger.ask("Heartbeat", json!({})).await[0] != 4 {} };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await;
    told.expect("the station is pending");
    let reports = all_report(&hub, 12).await;
    waiting(&api, "other", 8.0).await;
    let answer = charger.call("Heartbeat", json!({})).await;
    assert!(answer["currentTime"].is_string(), "{answer}");
    let refused = stranger.ask("Heartbeat", json!({})).await;
    assert_eq!(refused[2], "SecurityError", "shed or not: {refused}");
    assert!(
        !reports.is_empty() && waiting_now(&api).await > 0.0,
        "the line is still there"
    );
    let shed = "switchyard_calls_shed_total{action=\"Heartbeat\"}";
    assert_eq!(metric(&api, shed).await, 2.0);
    hub.mend("store");
    assert_eq!(reports.join_all().await.len(), 12);
    charger.call("Heartbeat", json!({})).await;
    assert_eq!(metric(&api, shed).await, 2.0);
}

async fn waiting_now(api: &Api) -> f64 {
    metric(api, "switchyard_calls_waiting{class=\"other\"}").await
}

#[tokio::test]
async fn nobody_is_let_in_while_those_inside_wait_too_long() {
    let hub = hub_of_one(&[("OVERLOAD__REFUSE_CONNECTIONS_AFTER_MS", "300")]);
    let api = hub.api("viewer");
    let reports = all_report(&hub, 12).await;
    let refused = until("a newcomer is refused", || async {
        let tried = Charger::try_connect(&hub.chargers, "NEW", Some("ocpp1.6")).await;
        match tried.err().map(|error| *error) {
            Some(tungstenite::Error::Http(response)) => Some(response),
            _ => None,
        }
    })
    .await;
    assert_eq!(refused.status(), 503);
    let retry = &refused.headers()["Retry-After"];
    let retry_s: u32 = retry.to_str().unwrap().parse().unwrap();
    assert!((15..=30).contains(&retry_s), "{retry_s}");
    let overloaded = "switchyard_handshakes_total{outcome=\"overloaded\"}";
    assert!(metric(&api, overloaded).await >= 1.0);
    hub.mend("store");
    assert_eq!(reports.join_all().await.len(), 12);
    let began = Instant::now();
    until("everybody is let in again", || async {
        let tried = Charger::try_connect(&hub.chargers, "NEW", Some("ocpp1.6")).await;
        tried.is_ok().then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_cannot_be_looked_up_in_time_is_told_to_come_back_at_a_time_of_its_own() {
    let hub = HubProcess::start(&[
        ("CHARGERS__HANDSHAKE_TIMEOUT_S", "1"),
        ("CHARGERS__MAX_HANDSHAKES", "4"),
        ("MESSAGE_LOG__ENABLED", "false"),
    ]);
    let mut known = booted(&hub, "CP").await;
    // Newcomers are written down before they are let in.
    hub.inject("store", "slow 60000");
    let mut newcomers = JoinSet::new();
    for n in 0..12 {
        let address = hub.chargers.clone();
        newcomers.spawn(async move {
            let identity = format!("NEW{n}");
            let tried = Charger::try_connect(&address, &identity, Some("ocpp1.6")).await;
            match tried.err().map(|error| *error) {
                Some(tungstenite::Error::Http(response)) => response,
                other => panic!("expected 503, got {other:?}"),
            }
        });
    }
    let mut retries: Vec<u32> = Vec::new();
    for response in newcomers.join_all().await {
        assert_eq!(response.status(), 503);
        let retry = response.headers()["Retry-After"].to_str().unwrap();
        retries.push(retry.parse().unwrap());
    }
    assert!(retries.iter().all(|s| (30..=60).contains(s)), "{retries:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 1, "all come back at once: {retries:?}");
    // Those who are in do not notice.
    known.call("Heartbeat", json!({})).await;
}
