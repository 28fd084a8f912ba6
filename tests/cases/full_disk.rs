//! When nothing more can be kept, chargers keep it.

use serde_json::{Value, json};
use tests::{Charger, Dialect, HubProcess, until};
use tokio_tungstenite::tungstenite;

fn meter_values(number: u64) -> Value {
    // Some weight, so that the disk is full soon.
    let values: Vec<Value> = (0..20)
        .map(|_| json!({"value": number.to_string(), "measurand": "Energy.Active.Import.Register"}))
        .collect();
    json!([2, format!("m{number}"), "MeterValues", {"connectorId": 1, "meterValue": [
        {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": values}]}])
}

/// Sends meter values until the hub takes no more; returns how many it acknowledged.
async fn fill(charger: &mut Charger) -> u64 {
    for number in 0..20_000 {
        charger.send(&meter_values(number).to_string()).await;
        loop {
            match charger.read_message().await {
                Some(Ok(tungstenite::Message::Text(answer))) => {
                    assert_eq!(
                        answer.as_str(),
                        format!(r#"[3,"m{number}",{{}}]"#),
                        "never an error"
                    );
                    break;
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    assert_eq!(frame.map(|frame| u16::from(frame.code)), Some(1013));
                    return number;
                }
                Some(Ok(_)) => {}
                other => panic!("expected an answer or a goodbye, got {other:?}"),
            }
        }
    }
    panic!("the disk never filled");
}

#[tokio::test]
async fn a_full_disk_closes_sockets_refuses_new_ones_and_loses_nothing() {
    let full = [
        ("DATA__MAX_BYTES", "1500000"),
        ("MESSAGE_LOG__ENABLED", "false"),
    ];
    let mut hub = HubProcess::start(&full);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let acknowledged = fill(&mut charger).await;
    assert!(acknowledged > 0);
    until("new sockets are refused", || async {
        match Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6"))
            .await
            .err()
            .map(|e| *e)
        {
            Some(tungstenite::Error::Http(refusal)) => {
                assert_eq!(refusal.status(), 503);
                assert!(refusal.headers().contains_key("Retry-After"));
                Some(())
            }
            // One a second is let in as a trial, and let down with its first message.
            _ => None,
        }
    })
    .await;

    hub.kill();
    hub.set("DATA__MAX_BYTES", "100000000");
    hub.start_again();
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.send(&meter_values(acknowledged).to_string()).await;
    assert_eq!(charger.read().await[0], 3);
    let api = hub.api("viewer");
    let (mut kept, mut after) = (0, String::new());
    loop {
        let page = api
            .get(&format!("/stations/CP/readings?limit=500{after}"))
            .await;
        kept += page["items"].as_array().unwrap().len() as u64;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(
        kept,
        acknowledged + 1,
        "what was acknowledged, each once, and the one sent again"
    );
}
