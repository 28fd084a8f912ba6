//! The hub's own clock is set, forward and back, by hours and by years.

use serde_json::{Value, json};
#[cfg(not(feature = "cql"))]
use tests::until;
use tests::{Charger, Dialect, HubProcess};
use tokio_tungstenite::tungstenite::Message;

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

fn start() -> Value {
    json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"})
}

/// Sets the clock and waits until the hub shows it.
async fn set(hub: &HubProcess, charger: &mut Charger, ahead_ms: i64) {
    let before = charger.call("Heartbeat", json!({})).await["currentTime"].clone();
    hub.inject("clock", &ahead_ms.to_string());
    for _ in 0..1000 {
        let now = charger.call("Heartbeat", json!({})).await["currentTime"].clone();
        // To the hour: nothing but the injection changes that so fast.
        if now.as_str().unwrap()[..13] != before.as_str().unwrap()[..13] {
            return;
        }
    }
    panic!("the clock does not jump from {before}");
}

#[tokio::test]
async fn a_clock_that_jumps_costs_no_session_no_message_and_no_socket() {
    let mut hub = HubProcess::start(&[
        ("CHARGERS__PING_INTERVAL_S", "1"),
        ("SESSIONS__SWEEP_EVERY_S", "1"),
    ]);
    let api = hub.api("viewer");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let first = charger.call("StartTransaction", start()).await;
    let number = &first["transactionId"];
    let jumps = [
        3 * HOUR_MS,
        -3 * HOUR_MS,
        5 * YEAR_MS,
        -5 * YEAR_MS,
        2 * HOUR_MS,
    ];
    for (jump, wh) in jumps.into_iter().zip([100, 200, 300, 400, 500]) {
        set(&hub, &mut charger, jump).await;
        // Liveness goes on, on the same socket.
        while !matches!(charger.read_message().await, Some(Ok(Message::Ping(_)))) {}
        let values = json!({"connectorId": 1, "transactionId": number, "meterValue": [
            {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": wh.to_string()}]}]});
        charger.call("MeterValues", values).await;
        // The newest socket wins, and its writes count: its epoch is higher.
        charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
        assert_eq!(
            charger.call("StartTransaction", start()).await,
            first,
            "{jump}"
        );
        let session = api.get("/sessions?station=CP").await["items"].clone();
        assert_eq!(session.as_array().unwrap().len(), 1, "{jump}: {session}");
        assert_eq!(session[0]["state"], "active", "{jump}: {session}");
        assert_eq!(session[0]["energy_wh"], f64::from(wh), "{jump}: {session}");
    }

    // A hub that starts again with an earlier clock than the one that last wrote.
    hub.inject("clock", &(-5 * YEAR_MS).to_string());
    hub.kill();
    hub.start_again();
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    let stop =
        json!({"transactionId": number, "meterStop": 900, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop.clone()).await;
    charger.call("StopTransaction", stop).await;
    let sessions = api.get("/sessions?station=CP").await["items"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    let session = &sessions[0];
    assert_eq!(session["state"], "ended");
    assert_eq!(session["energy_wh"], 900.0);
    assert!(session["duration_s"].as_i64().unwrap() >= 0, "{session}");
    assert!(
        session["ended_at"].as_str() >= session["started_at"].as_str(),
        "{session}"
    );
}

#[cfg(not(feature = "cql"))]
#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_a_hub_from_finding_its_store_well_again() {
    let hub = HubProcess::start(&[("MESSAGE_LOG__ENABLED", "false")]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    hub.inject("store", "no-sync");
    let payload = start().to_string();
    assert_eq!(charger.try_ask("StartTransaction", &payload).await, None);
    hub.inject("clock", &(-YEAR_MS).to_string());
    hub.mend("store");
    let answer = until("the start is taken", || async {
        let back = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
        back.ok()?.0.try_ask("StartTransaction", &payload).await
    })
    .await;
    assert_eq!(answer[0], 3, "{answer}");
}
