//! A charger charges, and the API shows it.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};

async fn with_token(hub: &HubProcess, uid: &str) -> Api {
    let api = hub.api("admin");
    api.post("/tokens", json!({"uid": uid})).await;
    api
}

async fn only_session(api: &Api, station: &str) -> Value {
    let sessions = api.get(&format!("/sessions?station={station}")).await;
    let items = sessions["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{sessions}");
    items[0].clone()
}

#[tokio::test]
async fn a_16_charger_charges_from_boot_to_stop() {
    let hub = HubProcess::start(&[]);
    let api = with_token(&hub, "TAG1").await;
    let mut charger = Charger::connect(&hub.chargers, "CP16", Dialect::V16).await;
    let boot = charger.boot(Dialect::V16).await;
    assert_eq!(boot["status"], "Accepted");
    assert!(boot["interval"].as_u64().unwrap() > 0);
    charger
        .call(
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}),
        )
        .await;
    let authorized = charger.call("Authorize", json!({"idTag": "tag1"})).await;
    assert_eq!(authorized["idTagInfo"]["status"], "Accepted");

    let started = charger
        .call(
            "StartTransaction",
            json!({"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": "2026-11-24T10:00:00Z"}),
        )
        .await;
    let transaction = started["transactionId"].as_i64().unwrap();
    assert!(transaction > 0);
    assert_eq!(started["idTagInfo"]["status"], "Accepted");
    charger
        .call(
            "MeterValues",
            json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{
                "timestamp": "2026-11-24T10:30:00Z",
                "sampledValue": [
                    {"value": "3.5", "unit": "kWh", "measurand": "Energy.Active.Import.Register"},
                    {"value": "7000", "unit": "W", "measurand": "Power.Active.Import"}
                ]
            }]}),
        )
        .await;
    let going_on = only_session(&api, "CP16").await;
    assert_eq!(going_on["state"], "active");
    assert_eq!(going_on["energy_wh"], 2500.0);
    assert_eq!(going_on["power_w"], 7000.0);

    charger
        .call(
            "StopTransaction",
            json!({"transactionId": transaction, "meterStop": 8000, "timestamp": "2026-11-24T11:00:00Z", "reason": "Local"}),
        )
        .await;
    let over = only_session(&api, "CP16").await;
    assert_eq!(over["state"], "ended");
    assert_eq!(over["energy_wh"], 7000.0);
    assert_eq!(over["duration_s"], 3600);
    assert_eq!(over["stop_reason"], "Local");
    let id = over["id"].as_str().unwrap();
    let values = api.get(&format!("/sessions/{id}/meter-values")).await;
    assert!(
        values["items"].to_string().contains("3500"),
        "kWh are kept as Wh: {values}"
    );
    let events = api.get(&format!("/sessions/{id}/events")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 3);

    let station = api.get("/stations/CP16").await;
    assert_eq!(station["boot"]["vendor"], "Acme");
    assert_eq!(station["connectors"][0]["state"], "Preparing");
}

fn event(kind: &str, seq: u32, at: &str, wh: f64) -> Value {
    json!({
        "eventType": kind, "timestamp": at, "triggerReason": "Authorized", "seqNo": seq,
        "transactionInfo": {"transactionId": "tx-1", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "TAG2", "type": "ISO14443"},
        "meterValue": [{"timestamp": at, "sampledValue": [
            {"value": wh, "measurand": "Energy.Active.Import.Register"}
        ]}]
    })
}

#[tokio::test]
async fn a_charger_of_2_x_charges_from_boot_to_end() {
    let hub = HubProcess::start(&[]);
    let api = with_token(&hub, "TAG2").await;
    for dialect in Dialect::OF_2X {
        let name = dialect.subprotocol();
        let mut charger = Charger::connect(&hub.chargers, name, dialect).await;
        assert_eq!(charger.boot(dialect).await["status"], "Accepted");
        let started = charger
            .call(
                "TransactionEvent",
                event("Started", 0, "2026-11-24T10:00:00Z", 500.0),
            )
            .await;
        assert_eq!(started["idTokenInfo"]["status"], "Accepted");
        charger
            .call(
                "TransactionEvent",
                event("Updated", 1, "2026-11-24T10:10:00Z", 900.0),
            )
            .await;
        charger
            .call(
                "TransactionEvent",
                event("Ended", 2, "2026-11-24T10:20:00Z", 1500.0),
            )
            .await;
        let session = only_session(&api, name).await;
        assert_eq!(session["state"], "ended");
        assert_eq!(session["energy_wh"], 1000.0);
        assert_eq!(session["duration_s"], 1200);
        assert_eq!(session["transaction"], "tx-1");
        assert_eq!(session["protocol"], name);
        let station = api.get(&format!("/stations/{name}")).await;
        assert_eq!(station["connected"]["protocol"], name, "{station:#}");
    }
}

#[tokio::test]
async fn an_end_that_overtakes_its_start_makes_one_session() {
    let hub = HubProcess::start(&[]);
    let api = with_token(&hub, "TAG2").await;
    let mut charger = Charger::connect(&hub.chargers, "CP201", Dialect::V201).await;
    charger.boot(Dialect::V201).await;
    charger
        .call(
            "TransactionEvent",
            event("Ended", 2, "2026-11-24T10:20:00Z", 1500.0),
        )
        .await;
    charger
        .call(
            "TransactionEvent",
            event("Started", 0, "2026-11-24T10:00:00Z", 500.0),
        )
        .await;
    let session = only_session(&api, "CP201").await;
    assert_eq!(session["state"], "ended");
    assert_eq!(session["energy_wh"], 1000.0);
    assert_eq!(session["duration_s"], 1200);
}

#[tokio::test]
async fn tokens_are_told_why_they_may_not_charge() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("admin");
    api.post("/tokens", json!({"uid": "BLOCKED", "blocked": true}))
        .await;
    api.post(
        "/tokens",
        json!({"uid": "OLD", "expires_at": "2020-01-01T00:00:00Z"}),
    )
    .await;
    api.post(
        "/tokens",
        json!({"uid": "ONE", "group": "FLEET", "max_concurrent": 1}),
    )
    .await;
    let mut charger = Charger::connect(&hub.chargers, "CP1", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    for (tag, status) in [
        ("BLOCKED", "Blocked"),
        ("OLD", "Expired"),
        ("NOBODY", "Invalid"),
        ("ONE", "Accepted"),
    ] {
        let answer = charger.call("Authorize", json!({"idTag": tag})).await;
        assert_eq!(answer["idTagInfo"]["status"], status, "{tag}");
    }
    let start = |connector: u32| json!({"connectorId": connector, "idTag": "ONE", "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"});
    let first = charger.call("StartTransaction", start(1)).await;
    assert_eq!(
        first["idTagInfo"],
        json!({"status": "Accepted", "parentIdTag": "FLEET"})
    );
    let second = charger.call("StartTransaction", start(2)).await;
    assert_eq!(second["idTagInfo"]["status"], "ConcurrentTx");
    assert!(
        second["transactionId"].as_i64().unwrap() > 0,
        "it is recorded all the same"
    );
    let mut elsewhere = Charger::connect(&hub.chargers, "CP2", Dialect::V16).await;
    elsewhere.boot(Dialect::V16).await;
    let answer = elsewhere.call("Authorize", json!({"idTag": "ONE"})).await;
    assert_eq!(answer["idTagInfo"]["status"], "ConcurrentTx");
}

#[tokio::test]
async fn a_site_shows_what_its_stations_draw() {
    let hub = HubProcess::start(&[]);
    let api = with_token(&hub, "TAG2").await;
    api.post("/sites", json!({"id": "depot", "limit_w": 50000.0}))
        .await;
    api.post("/stations", json!({"id": "CP1", "site": "depot"}))
        .await;
    let mut charger = Charger::connect(&hub.chargers, "CP1", Dialect::V201).await;
    charger.boot(Dialect::V201).await;
    let mut start = event("Started", 0, "2026-11-24T10:00:00Z", 500.0);
    let power = json!({"value": 11000, "measurand": "Power.Active.Import"});
    start["meterValue"][0]["sampledValue"]
        .as_array_mut()
        .unwrap()
        .push(power);
    charger.call("TransactionEvent", start).await;
    until("the site sums its stations' power", || async {
        let site = api.get("/sites/depot").await;
        (site["live"]["power_w"] == 11000.0 && site["live"]["stations_connected"] == 1)
            .then_some(())
    })
    .await;
}
