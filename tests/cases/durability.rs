//! What was acknowledged is there after kill -9, once.

use serde_json::{Value, json};
use tests::{Charger, Dialect, HubProcess};

fn start() -> Value {
    json!({"connectorId": 1, "idTag": "T", "meterStart": 100, "timestamp": "2026-11-24T10:00:00Z"})
}

#[tokio::test]
async fn each_acknowledged_transaction_message_survives_a_kill() {
    let mut hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let transaction = charger.call("StartTransaction", start()).await["transactionId"].clone();
    hub.kill();
    hub.start_again();
    let session = &api.get("/sessions?station=CP&state=active").await["items"][0];
    assert_eq!(
        session["transaction"].as_str().unwrap(),
        transaction.to_string()
    );

    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    let meter = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [
        {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": "350"}]}]});
    charger.call("MeterValues", meter).await;
    hub.kill();
    hub.start_again();
    let session = &api.get("/sessions?station=CP").await["items"][0];
    assert_eq!(session["energy_wh"], 250.0);

    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    let stop = json!({"transactionId": transaction, "meterStop": 900, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    hub.kill();
    hub.start_again();
    let session = &api.get("/sessions?station=CP").await["items"][0];
    assert_eq!(session["state"], "ended");
    assert_eq!(session["energy_wh"], 800.0);
}

#[tokio::test]
async fn quirk_22_a_start_sent_twice_is_one_session_with_one_number_also_across_a_restart() {
    let mut hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let first = charger.call("StartTransaction", start()).await;
    let again = charger.call("StartTransaction", start()).await;
    assert_eq!(again, first);
    hub.kill();
    hub.start_again();
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    assert_eq!(charger.call("StartTransaction", start()).await, first);
    let stop = json!({"transactionId": first["transactionId"], "meterStop": 200, "timestamp": "2026-11-24T11:00:00Z"});
    charger.call("StopTransaction", stop.clone()).await;
    charger.call("StopTransaction", stop).await;
    assert_eq!(
        charger.call("StartTransaction", start()).await,
        first,
        "also after its end"
    );
    assert_eq!(
        api.get("/sessions?station=CP").await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn twenty_stations_that_drop_and_reconnect_at_once_fifty_times_are_all_back() {
    let hub = HubProcess::start(&[]);
    let stations = (0..20).map(|number| {
        let address = hub.chargers.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                let identity = format!("CP{number}");
                let mut charger = Charger::connect(&address, &identity, Dialect::V16).await;
                charger.call("Heartbeat", json!({})).await;
                charger.vanish();
            }
        })
    });
    for station in stations.collect::<Vec<_>>() {
        station.await.unwrap();
    }
    let mut again = Charger::connect(&hub.chargers, "CP0", Dialect::V16).await;
    again.call("Heartbeat", json!({})).await;
}
