//! Stations the operator has not accepted.

use serde_json::json;
use tests::{Charger, Dialect, HubProcess};

#[tokio::test]
async fn an_unknown_station_waits_until_an_operator_accepts_it() {
    let hub = HubProcess::start(&[("CHARGERS__ADMISSION", "pending")]);
    let api = hub.api("admin");
    for dialect in Dialect::ALL {
        let id = dialect.subprotocol();
        let mut charger = Charger::connect(&hub.chargers, id, dialect).await;
        let boot = charger.boot(dialect).await;
        assert_eq!(boot["status"], "Pending");
        let answer = charger.ask("Heartbeat", json!({})).await;
        assert_eq!(
            (&answer[0], &answer[2]),
            (&json!(4), &json!("SecurityError"))
        );
        api.ok(
            reqwest::Method::PATCH,
            &format!("/stations/{id}"),
            Some(json!({"admission": "accepted"})),
        )
        .await;
        assert_eq!(charger.boot(dialect).await["status"], "Accepted");
        charger.call("Heartbeat", json!({})).await;
    }
}

#[tokio::test]
async fn a_station_that_is_turned_away_is_disconnected_and_stays_out() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("admin");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    api.ok(
        reqwest::Method::PATCH,
        "/stations/CP",
        Some(json!({"admission": "rejected"})),
    )
    .await;
    assert_eq!(
        u16::from(charger.closed().await.expect("a close frame").code),
        1008
    );
    assert!(
        Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn quirk_29_a_known_station_need_not_boot_first() {
    let hub = HubProcess::start(&[]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger
        .call(
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
        )
        .await;
}
