//! Commands and what becomes of them.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess};

async fn ask(api: &Api, body: Value) -> (u16, Value) {
    api.ask(reqwest::Method::POST, "/stations/CP/commands", Some(body))
        .await
}

/// Sends a command and lets the charger answer it.
async fn exchange(
    api: &Api,
    charger: &mut Charger,
    body: Value,
    with: Value,
) -> (String, Value, Value) {
    let (asking, answered) = tokio::join!(ask(api, body), charger.answer(with));
    assert_eq!(asking.0, 200, "{}", asking.1);
    (answered.0, answered.1, asking.1)
}

#[tokio::test]
async fn the_common_commands_reach_a_charger_of_any_version() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let accepted = json!({"status": "Accepted"});
    for (dialects, cases) in [
        (
            &[Dialect::V16][..],
            vec![
                (
                    json!({"action": "remote_start", "payload": {"evse": 1, "token": {"uid": "T"}}}),
                    "RemoteStartTransaction",
                ),
                (
                    json!({"action": "remote_stop", "payload": {"transaction": "7"}}),
                    "RemoteStopTransaction",
                ),
                (
                    json!({"action": "reset", "payload": {"kind": "when_idle"}}),
                    "Reset",
                ),
                (
                    json!({"action": "change_availability", "payload": {"evse": 1, "operative": false}}),
                    "ChangeAvailability",
                ),
                (
                    json!({"action": "trigger", "payload": {"message": "Heartbeat"}}),
                    "TriggerMessage",
                ),
                (
                    json!({"action": "set_variables", "payload": {"variables": [{"name": "HeartbeatInterval", "value": "60"}]}}),
                    "ChangeConfiguration",
                ),
                (json!({"action": "ClearCache", "payload": {}}), "ClearCache"),
            ],
        ),
        (
            &Dialect::OF_2X,
            vec![
                (
                    json!({"action": "remote_start", "payload": {"evse": 1, "token": {"uid": "T"}}}),
                    "RequestStartTransaction",
                ),
                (
                    json!({"action": "remote_stop", "payload": {"transaction": "tx"}}),
                    "RequestStopTransaction",
                ),
                (
                    json!({"action": "reset", "payload": {"kind": "immediate"}}),
                    "Reset",
                ),
                (
                    json!({"action": "change_availability", "payload": {"evse": 1, "operative": false}}),
                    "ChangeAvailability",
                ),
                (
                    json!({"action": "trigger", "payload": {"message": "Heartbeat"}}),
                    "TriggerMessage",
                ),
                (
                    json!({"action": "GetLocalListVersion", "payload": {}}),
                    "GetLocalListVersion",
                ),
            ],
        ),
    ] {
        for (&dialect, (body, action)) in
            (dialects.iter()).flat_map(|it| cases.iter().map(move |case| (it, case)))
        {
            let mut charger = Charger::connect(&hub.chargers, "CP", dialect).await;
            charger.boot(dialect).await;
            let body = body.clone();
            let (sent, _, record) = exchange(&api, &mut charger, body, accepted.clone()).await;
            assert_eq!(sent, *action, "{dialect:?}");
            assert_eq!(record["state"], "answered");
            assert_eq!(record["answer"], accepted);
            let id = record["id"].as_str().unwrap();
            assert_eq!(
                api.get(&format!("/commands/{id}")).await["state"],
                "answered"
            );
        }
    }
}

#[tokio::test]
async fn a_session_is_stopped_without_knowing_the_version() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"});
    let number = charger.call("StartTransaction", start).await["transactionId"].clone();
    let session = api.get("/sessions?station=CP").await["items"][0]["id"].clone();
    let path = format!("/sessions/{}/stop", session.as_str().unwrap());
    let stopping = api.post(&path, json!({}));
    let (record, (action, payload)) =
        tokio::join!(stopping, charger.answer(json!({"status": "Accepted"})));
    assert_eq!(action, "RemoteStopTransaction");
    assert_eq!(payload["transactionId"], number);
    assert_eq!(record["state"], "answered");
}

#[tokio::test]
async fn a_wrong_command_is_refused_with_the_place_and_the_remedy() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let (status, problem) = ask(
        &api,
        json!({"action": "RequestStartTransaction", "payload": {}}),
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("RemoteStartTransaction"),
        "{problem}"
    );
    let (status, problem) = ask(
        &api,
        json!({"action": "Reset", "payload": {"type": "Medium"}}),
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        problem["detail"].as_str().unwrap().contains("type"),
        "{problem}"
    );
    let missing = api.ask(
        reqwest::Method::POST,
        "/stations/NOBODY/commands",
        Some(json!({"action": "Reset", "payload": {"type": "Hard"}})),
    );
    assert_eq!(missing.await.0, 404);
}

#[tokio::test]
async fn a_command_that_is_not_answered_ends_all_the_same() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let command =
        |timeout_s: u32| json!({"action": "ClearCache", "payload": {}, "timeout_s": timeout_s});
    let (_, expired) = ask(&api, command(1)).await;
    assert_eq!(expired["state"], "expired");

    let (gone, ()) = tokio::join!(ask(&api, command(20)), async {
        charger.read().await;
        charger.vanish();
    });
    assert_eq!(gone.1["state"], "station_gone");
    let (_, never) = ask(&api, command(20)).await;
    assert_eq!(never["state"], "station_gone");
}

#[tokio::test]
async fn a_callerror_is_a_failed_command_also_with_odd_details() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let (failed, ()) = tokio::join!(
        ask(&api, json!({"action": "ClearCache", "payload": {}})),
        async {
            let call = charger.read().await;
            // Quirk 46: details that are a string.
            charger
                .send(&json!([4, call[1], "NotSupported", "no cache", "none"]).to_string())
                .await;
        }
    );
    assert_eq!(failed.1["state"], "failed");
    assert!(failed.1["error"].as_str().unwrap().contains("no cache"));
}
