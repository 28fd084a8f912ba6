//! A disk that fails in other ways than by being full: it has become read-only, its syncs fail, a COMMIT
//! finds no room. (The hub of the tests is built with hooks for these; see `chaos` in store-sqlite.)

use serde_json::{Value, json};
use tests::{Charger, Dialect, HubProcess, until};
use tokio_tungstenite::tungstenite;

fn meter_values(transaction: &Value, wh: u32) -> Value {
    json!({"connectorId": 1, "transactionId": transaction, "meterValue": [
        {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": wh.to_string()}]}]})
}

async fn refused_with_503(hub: &HubProcess) {
    until("new sockets are refused", || async {
        match Charger::try_connect(&hub.chargers, "OTHER", Some("ocpp1.6"))
            .await
            .map(drop)
            .map_err(|error| *error)
        {
            Err(tungstenite::Error::Http(refusal)) => {
                assert_eq!(refusal.status(), 503);
                assert!(refusal.headers().contains_key("Retry-After"));
                Some(())
            }
            _ => None,
        }
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_fails_closes_sockets_and_loses_nothing_and_the_hub_goes_on_when_it_is_well() {
    for fault in ["read-only", "no-sync", "full"] {
        let hub = HubProcess::start(&[("MESSAGE_LOG__ENABLED", "false")]);
        let api = hub.api("viewer");
        let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"});
        let number = charger.call("StartTransaction", start).await["transactionId"].clone();
        hub.inject("store", fault);
        let call = json!([2, "m", "MeterValues", meter_values(&number, 500)]);
        charger.send(&call.to_string()).await;
        match charger.read_message().await {
            Some(Ok(tungstenite::Message::Close(frame))) => {
                assert_eq!(
                    frame.map(|frame| u16::from(frame.code)),
                    Some(1013),
                    "{fault}"
                );
            }
            other => panic!("{fault}: expected a goodbye and no error, got {other:?}"),
        }
        refused_with_503(&hub).await;
        let live = api.page("/live").await.0;
        assert_eq!(live, 200, "{fault}: what can be read is served");

        hub.mend("store");
        let payload = meter_values(&number, 500).to_string();
        let answer = until("the same message is taken", || async {
            let back = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
            back.ok()?.0.try_ask("MeterValues", &payload).await
        })
        .await;
        assert_eq!(answer[0], 3, "{fault}: {answer}");
        let session = api.get("/sessions?station=CP").await["items"][0].clone();
        assert_eq!(session["energy_wh"], 500.0, "{fault}");
        let path = format!("/sessions/{}/events", session["id"].as_str().unwrap());
        let events = api.get(&path).await["items"].clone();
        assert_eq!(
            events.as_array().unwrap().len(),
            2,
            "{fault}: each once: {events}"
        );
    }
}

#[tokio::test]
async fn a_hub_that_cannot_keep_is_not_ready_and_finds_out_by_itself_when_it_can_again() {
    let hub = HubProcess::start(&[("MESSAGE_LOG__ENABLED", "false")]);
    let api = hub.api("viewer");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    assert_eq!(api.page("/ready").await.0, 200);
    hub.inject("store", "full");
    let call = json!([2, "m", "MeterValues", meter_values(&json!(1), 500)]);
    charger.send(&call.to_string()).await;
    assert!(charger.closed().await.is_some());
    let (status, why) = api.page("/ready").await;
    assert_eq!(status, 503);
    assert!(
        why.contains("transaction messages cannot be kept now"),
        "{why}"
    );
    // A load balancer sends nobody now, so nobody's message shows that the store is back.
    hub.mend("store");
    until("the hub is ready", || async {
        (api.page("/ready").await.0 == 200).then_some(())
    })
    .await;
    let notices = api.get("/stations/CP/notices?action=NotKept").await;
    assert_eq!(notices["items"].as_array().unwrap().len(), 1, "{notices}");
}
