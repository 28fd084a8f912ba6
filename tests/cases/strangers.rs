//! Hubs that share a keyspace and do not know of each other, as they are in no cluster: not what anybody should set
//! up, but what a replacement is that was started while the old hub lived.

use serde_json::{Value, json};
use tests::{Charger, Dialect, HubProcess};

async fn booted(hub: &HubProcess) -> Charger {
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    charger
}

fn values(transaction: &Value, meter_wh: u32, minute: u32) -> Value {
    json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{
        "timestamp": format!("2026-11-24T10:{minute:02}:00Z"),
        "sampledValue": [{"value": meter_wh.to_string()}]}]})
}

#[tokio::test]
async fn a_hub_does_not_go_by_what_it_remembers_of_a_station_that_was_at_another_meanwhile() {
    let accept = ("CHARGING__UNKNOWN_TOKENS", "accept");
    let first = HubProcess::start(&[accept]);
    let keyspace = first.setting("STORE__KEYSPACE").expect("there is one");
    let second = HubProcess::start(&[accept, ("STORE__KEYSPACE", keyspace)]);
    let start = |meter_wh: u32, minute: u32| {
        json!({"connectorId": 1, "idTag": "T", "meterStart": meter_wh,
        "timestamp": format!("2026-11-24T10:{minute:02}:00Z")})
    };

    let mut charger = booted(&first).await;
    let started = charger.call("StartTransaction", start(1_000, 0)).await;
    let transaction = &started["transactionId"];
    charger
        .call("MeterValues", values(transaction, 1_100, 10))
        .await;
    let mut charger = booted(&second).await;
    charger
        .call("MeterValues", values(transaction, 1_300, 20))
        .await;
    let stop = json!({"transactionId": transaction, "meterStop": 1_500, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    let mut charger = booted(&first).await;
    charger.call("StartTransaction", start(1_500, 40)).await;

    let sessions = second.api("viewer").get("/sessions?station=CP").await;
    let items = sessions["items"].as_array().expect("a list");
    let ended = items
        .iter()
        .find(|session| session["state"] == "ended")
        .expect("one is over");
    assert_eq!(items.len(), 2, "{sessions}");
    assert_eq!(ended["energy_wh"], 500.0, "{ended}");
    assert_eq!(ended["ended_at"], "2026-11-24T10:30:00.000Z", "{ended}");
}
