//! Sessions that their stations never end are closed by the hub, which says why; the station's word still
//! counts when it comes.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};

/// A hub that sweeps every second, and closes sessions by one rule after a second, by the others never.
fn hub(rule: &str) -> HubProcess {
    let mut settings = vec![("SESSIONS__SWEEP_EVERY_S", "1")];
    for other in [
        "SESSIONS__ORPHANED_S",
        "SESSIONS__SILENT_S",
        "SESSIONS__STATION_AWAY_S",
    ] {
        settings.push((other, if other == rule { "1" } else { "1000000" }));
    }
    HubProcess::start(&settings)
}

/// A charger that charges, and the number of its transaction.
async fn charging(hub: &HubProcess) -> (Charger, Value) {
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 100, "timestamp": "2026-11-24T10:00:00Z"});
    let number = charger.call("StartTransaction", start).await["transactionId"].clone();
    (charger, number)
}

async fn the_session(api: &Api) -> Value {
    let sessions = api.get("/sessions?station=CP").await["items"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    sessions[0].clone()
}

/// Waits until the hub has closed the session; checks that it says why, in log and metric.
async fn closed(api: &Api, rule: &str, setting: &str, flag: &str) -> Value {
    let session = until("the hub closes the session", || async {
        let session = the_session(api).await;
        (session["state"] == "ended").then_some(session)
    })
    .await;
    assert!(
        session["flags"].as_array().unwrap().contains(&json!(flag)),
        "{session}"
    );
    let path = format!("/sessions/{}/events", session["id"].as_str().unwrap());
    let events = api.get(&path).await["items"].clone();
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "closed_by_hub", "{events}");
    assert_eq!(last["trigger"], rule);
    assert!(last["raw"].as_str().unwrap().contains(setting), "{last}");
    // It counts a moment after what is written can be read.
    let counted = format!("switchyard_sessions_closed_by_hub_total{{reason=\"{rule}\"}} 1");
    until("it is counted", || async {
        let (_, metrics) = api.page("/metrics").await;
        metrics.contains(&counted).then_some(())
    })
    .await;
    session
}

#[tokio::test]
async fn a_session_whose_outlet_is_free_again_is_closed_and_its_end_still_counts() {
    let hub = hub("SESSIONS__ORPHANED_S");
    let api = hub.api("viewer");
    let (mut charger, number) = charging(&hub).await;
    let free = json!({"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": "2026-11-24T10:31:00Z"});
    charger.call("StatusNotification", free).await;
    closed(&api, "outlet_free", "sessions.orphaned_s = 1", "abandoned").await;

    let stop =
        json!({"transactionId": number, "meterStop": 900, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    let session = the_session(&api).await;
    assert_eq!(session["energy_wh"], 800.0);
    assert_eq!(session["duration_s"], 1800);
}

#[tokio::test]
async fn a_session_of_a_silent_station_is_closed() {
    let hub = hub("SESSIONS__SILENT_S");
    let api = hub.api("viewer");
    let (mut charger, _) = charging(&hub).await;
    closed(&api, "silent", "sessions.silent_s = 1", "abandoned").await;
    // The actor knows: the next start supersedes nothing.
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 100, "timestamp": "2026-11-24T11:00:00Z"});
    charger.call("StartTransaction", start).await;
    let open = api.get("/sessions?station=CP&state=active").await["items"].clone();
    assert_eq!(open.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_of_a_station_that_stays_away_is_closed_also_by_the_next_process() {
    let mut hub = hub("SESSIONS__STATION_AWAY_S");
    let api = hub.api("viewer");
    let (charger, _) = charging(&hub).await;
    hub.kill();
    charger.vanish();
    // Nobody connects, so the sweep alone starts the actors.
    hub.start_again();
    closed(
        &api,
        "station_away",
        "sessions.station_away_s = 1",
        "station_gone",
    )
    .await;
}

#[tokio::test]
async fn a_session_that_outlives_its_station_is_closed() {
    let hub = hub("SESSIONS__ORPHANED_S");
    let api = hub.api("operator");
    let _charger = charging(&hub).await;
    api.ok(reqwest::Method::DELETE, "/stations/CP", None).await;
    closed(
        &api,
        "station_deleted",
        "sessions.orphaned_s = 1",
        "station_gone",
    )
    .await;
}
