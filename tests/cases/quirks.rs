//! What real chargers do that the specification does not foresee (protocol §2.6), over a real socket.
//! The quirks of payloads alone have their tests in `hub/ocpp`.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess};

async fn booted(hub: &HubProcess, dialect: Dialect) -> Charger {
    let mut charger = Charger::connect(&hub.chargers, "CP", dialect).await;
    charger.boot(dialect).await;
    charger
}

async fn sessions(api: &Api) -> Vec<Value> {
    api.get("/sessions?station=CP").await["items"]
        .as_array()
        .unwrap()
        .clone()
}

fn start(meter: u32) -> Value {
    json!({"connectorId": 1, "idTag": "T", "meterStart": meter, "timestamp": "2026-11-24T10:00:00Z"})
}

#[tokio::test]
async fn quirk_06_a_value_left_out_of_the_json_is_answered_by_its_id() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    charger.call("StartTransaction", start(100)).await;
    charger
        .send(r#"[2,"gap","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[{"timestamp":"2026-11-24T10:10:00Z","sampledValue":[{"value":"400"}]}]}]"#)
        .await;
    assert_eq!(charger.read().await, json!([3, "gap", {}]));
    let session = &sessions(&hub.api("viewer")).await[0];
    assert_eq!(session["energy_wh"], 300.0);
}

#[tokio::test]
async fn a_message_whose_frame_is_damaged_around_a_whole_payload_counts() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    let number = charger.call("StartTransaction", start(100)).await["transactionId"].clone();
    let stop =
        json!({"transactionId": number, "meterStop": 900, "timestamp": "2026-11-24T10:30:00Z"});
    charger
        .send(&format!(r#"[2,"cut","StopTransaction",{stop}"#))
        .await;
    assert_eq!(charger.read().await, json!([3, "cut", {}]));
    let sessions = sessions(&hub.api("viewer")).await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (&sessions[0]["state"], &sessions[0]["energy_wh"]),
        (&json!("ended"), &json!(800.0))
    );
}

#[tokio::test]
async fn a_start_without_a_stop_before_it_does_not_swallow_what_was_charged() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    let start = |connector: u32, meter: u32, second: u32| {
        json!({"connectorId": connector, "idTag": "T", "meterStart": meter,
            "timestamp": format!("2026-11-24T10:00:{second:02}Z")})
    };
    charger.call("StartTransaction", start(1, 0, 0)).await;
    let mut numbers = Vec::new();
    // A power cut after 4000 Wh; then at the very same time again, since the clock has no battery.
    for (meter, second) in [(0, 0), (4000, 1), (4000, 1), (6000, 1)] {
        let began = charger
            .call("StartTransaction", start(2, meter, second))
            .await;
        numbers.push(began["transactionId"].as_i64().unwrap());
        let meter_values = json!({"connectorId": 2, "transactionId": began["transactionId"], "meterValue": [
            {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": (meter + 2000).to_string()}]}]});
        charger.call("MeterValues", meter_values).await;
    }
    assert_eq!(numbers[1], numbers[2], "a start sent again is the same");
    let mut delivered: Vec<f64> = sessions(&hub.api("viewer"))
        .await
        .iter()
        .filter(|session| {
            session["connector"]["connector"] == 2 || session["connector"]["evse"] == 2
        })
        .map(|session| session["energy_wh"].as_f64().unwrap())
        .collect();
    delivered.sort_by(f64::total_cmp);
    assert_eq!(delivered, [2000.0, 2000.0, 2000.0]);
}

#[tokio::test]
async fn quirk_07_garbage_in_an_id_tag_is_answered_by_its_id() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    charger
        .send(r#"[2,"garbage","Authorize",{"idTag":"\xA0\q"}]"#)
        .await;
    let answer = charger.read().await;
    assert_eq!(answer[1], "garbage", "{answer}");
}

#[tokio::test]
async fn quirk_17_and_18_meter_values_of_transaction_0_or_minus_1_count() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    charger.call("StartTransaction", start(1000)).await;
    for (number, wh) in [(0, "1500"), (-1, "1700")] {
        let meter = json!({"connectorId": 1, "transactionId": number, "meterValue": [
            {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": wh}]}]});
        charger.call("MeterValues", meter).await;
    }
    let stop = json!({"transactionId": 0, "meterStop": 1900, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    let sessions = sessions(&hub.api("viewer")).await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["state"], "ended");
    assert_eq!(sessions[0]["energy_wh"], 900.0);
    assert!(
        sessions[0]["flags"]
            .to_string()
            .contains("transaction_guessed")
    );
}

#[tokio::test]
async fn quirk_19_a_transaction_number_beyond_32_bits_is_recorded_and_answered() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    let stop =
        json!({"transactionId": i64::MAX, "meterStop": 7, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop.clone()).await;
    charger.call("StopTransaction", stop).await;
    let api = hub.api("viewer");
    let sessions = sessions(&api).await;
    assert_eq!(sessions.len(), 1, "a repeat is recognised: {sessions:?}");
    let events = api
        .get(&format!(
            "/sessions/{}/events",
            sessions[0]["id"].as_str().unwrap()
        ))
        .await;
    assert!(
        events.to_string().contains("9223372036854775807"),
        "what it was called is kept: {events}"
    );
    assert!(sessions[0]["flags"].to_string().contains("start_missing"));
}

#[tokio::test]
async fn quirk_20_a_transaction_that_is_over_is_not_reopened() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    let number = charger.call("StartTransaction", start(0)).await["transactionId"].clone();
    charger
        .call(
            "StopTransaction",
            json!({"transactionId": number, "meterStop": 500, "timestamp": "2026-11-24T10:30:00Z"}),
        )
        .await;
    charger
        .call(
            "MeterValues",
            json!({"connectorId": 1, "transactionId": number, "meterValue": [
            {"timestamp": "2026-11-24T10:40:00Z", "sampledValue": [{"value": "500"}]}]}),
        )
        .await;
    let sessions = sessions(&hub.api("viewer")).await;
    assert_eq!(
        (sessions.len(), &sessions[0]["state"]),
        (1, &json!("ended"))
    );
}

#[tokio::test]
async fn quirk_21_a_charger_that_invents_its_numbers_is_understood() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    charger.call("StartTransaction", start(100)).await;
    charger
        .call(
            "MeterValues",
            json!({"connectorId": 1, "transactionId": 424_242, "meterValue": [
            {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": "150"}]}]}),
        )
        .await;
    let stop =
        json!({"transactionId": 424_242, "meterStop": 300, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop.clone()).await;
    charger.call("StopTransaction", stop).await;
    let sessions = sessions(&hub.api("viewer")).await;
    assert_eq!(
        (sessions.len(), &sessions[0]["energy_wh"]),
        (1, &json!(200.0)),
        "{sessions:?}"
    );
}

#[tokio::test]
async fn quirk_23_transaction_messages_are_answered_whatever_they_carry() {
    let hub = HubProcess::start(&[]);
    let mut v16 = booted(&hub, Dialect::V16).await;
    for action in ["StartTransaction", "StopTransaction", "MeterValues"] {
        for payload in [
            json!({}),
            json!([]),
            json!(null),
            json!({"timestamp": 5, "meterStop": {}}),
        ] {
            v16.call(action, payload).await;
        }
    }
    let mut v201 = Charger::connect(&hub.chargers, "CP2", Dialect::V201).await;
    for payload in [
        json!({}),
        json!([]),
        json!({"eventType": "Paused", "seqNo": "x"}),
    ] {
        v201.call("TransactionEvent", payload.clone()).await;
        v201.call("MeterValues", payload).await;
    }
}

#[tokio::test]
async fn quirk_24_a_flood_of_history_at_first_connect_is_taken_in_order() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V16).await;
    for n in 0..200 {
        let meter = json!([2, format!("h{n}"), "MeterValues", {"connectorId": 1, "meterValue": [
            {"timestamp": "2026-11-20T10:10:00Z", "sampledValue": [{"value": n.to_string()}]}]}]);
        charger.send(&meter.to_string()).await;
    }
    for n in 0..200 {
        assert_eq!(charger.read().await[1], format!("h{n}"));
    }
    let readings = hub
        .api("viewer")
        .get("/stations/CP/readings?limit=500")
        .await;
    assert_eq!(readings["items"].as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn quirk_41_a_16_message_on_a_201_socket_is_understood() {
    let hub = HubProcess::start(&[]);
    let mut charger = booted(&hub, Dialect::V201).await;
    charger
        .call(
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
        )
        .await;
    let station = hub.api("viewer").get("/stations/CP").await;
    assert_eq!(station["connectors"][0]["state"], "Available");
}

#[tokio::test]
async fn quirk_44_optional_messages_are_answered() {
    let hub = HubProcess::start(&[]);
    let mut v16 = booted(&hub, Dialect::V16).await;
    v16.call("FirmwareStatusNotification", json!({"status": "Installed"}))
        .await;
    v16.call(
        "SecurityEventNotification",
        json!({"type": "StartupOfTheDevice", "timestamp": "2026-11-24T10:00:00Z"}),
    )
    .await;
    let notices = hub.api("viewer").get("/stations/CP/notices").await;
    assert_eq!(notices["items"].as_array().unwrap().len(), 2);
}
