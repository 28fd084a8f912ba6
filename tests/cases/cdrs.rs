//! A session that is over gets its charge detail record once, whatever dies; what its station says later costs a credit
//! and a new record.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};

/// A session of 800 Wh that is over; its charger, its number, and the hub, which records it after so many ms.
async fn charged(record_after_ms: &str) -> (HubProcess, Charger, Value) {
    let hub = HubProcess::start(&[("CHARGING__RECORD_AFTER_MS", record_after_ms)]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let start = json!({"connectorId": 1, "idTag": "T", "meterStart": 100, "timestamp": "2026-11-24T10:00:00Z"});
    let number = charger.call("StartTransaction", start).await["transactionId"].clone();
    let stop =
        json!({"transactionId": number, "meterStop": 900, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    (hub, charger, number)
}

/// The station's records, the oldest first, when there are so many.
async fn records(api: &Api, count: usize) -> Vec<Value> {
    until("the records are there", || async {
        let listed = api.get("/cdrs?station=CP").await["items"].clone();
        let mut listed = listed.as_array().unwrap().clone();
        listed.reverse();
        assert!(listed.len() <= count, "{listed:?}");
        (listed.len() == count).then_some(listed)
    })
    .await
}

#[tokio::test]
async fn a_charge_is_recorded_once_and_a_late_reading_costs_a_credit_and_a_new_record() {
    let (hub, mut charger, number) = charged("500").await;
    let api = hub.api("viewer");
    let first = records(&api, 1).await.remove(0);
    assert_eq!(first["energy_wh"], 800.0);
    assert_eq!(
        (&first["number"], &first["credits"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(first["token"]["uid"], "T");
    assert_eq!(first["duration_s"], 1800);

    let late = json!({"connectorId": 1, "transactionId": number, "meterValue": [{
        "timestamp": "2026-11-24T10:30:05Z", "sampledValue": [{"value": "950"}]}]});
    charger.call("MeterValues", late).await;
    let all = records(&api, 3).await;
    assert_eq!(all[0], first, "it never changes");
    assert_eq!(all[1]["credits"], first["id"]);
    assert_eq!(all[1]["energy_wh"], -800.0);
    let path = format!("/sessions/{}", first["session"].as_str().unwrap());
    let session = api.get(&path).await;
    assert_ne!(session["energy_wh"], 800.0, "{session}");
    assert_eq!(all[2]["energy_wh"], session["energy_wh"]);
    let mut ids: Vec<&Value> = all.iter().map(|record| &record["id"]).collect();
    ids.reverse();
    assert_eq!(json!(ids), session["cdrs"]);
    let path = format!("/cdrs/{}", first["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await, first);
    assert_eq!(
        api.get("/cdrs?token=t").await["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let before = "/cdrs?to=2026-11-24T10:00:00Z";
    assert_eq!(api.get(before).await["items"], json!([]));
}

#[tokio::test]
async fn a_hub_that_is_killed_between_end_and_record_makes_it_in_its_next_life() {
    let (mut hub, charger, _) = charged("600000").await;
    let api = hub.api("viewer");
    assert_eq!(records(&api, 0).await, Vec::<Value>::new());
    hub.kill();
    charger.vanish();
    hub.set("CHARGING__RECORD_AFTER_MS", "500");
    hub.start_again();
    let first = records(&api, 1).await;
    hub.kill();
    hub.start_again();
    // A sweep of the new life has been, and the session is recorded as before.
    until("nothing is due", || async {
        let (_, metrics) = api.page("/metrics").await;
        metrics.contains("switchyard_cdrs_due 0").then_some(())
    })
    .await;
    assert_eq!(records(&api, 1).await, first);
}
