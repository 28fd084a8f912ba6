//! The rules of OCPP-J frames (protocol §2.2).

use serde_json::json;
use tests::{Charger, Dialect, HubProcess};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn each_kind_of_wrong_call_has_its_error_in_its_version() {
    let hub = HubProcess::start(&[]);
    for (dialect, missing) in [
        (Dialect::V16, "OccurenceConstraintViolation"),
        (Dialect::V201, "OccurrenceConstraintViolation"),
        (Dialect::V21, "OccurrenceConstraintViolation"),
    ] {
        let mut charger = Charger::connect(&hub.chargers, "CP", dialect).await;
        charger.boot(dialect).await;
        for (action, payload, code) in [
            ("Sing", json!({}), "NotImplemented"),
            ("Reset", json!({}), "NotSupported"),
            ("StatusNotification", json!({}), missing),
        ] {
            let answer = charger.ask(action, payload).await;
            assert_eq!(
                (&answer[0], &answer[2]),
                (&json!(4), &json!(code)),
                "{answer}"
            );
            assert_eq!(answer.as_array().unwrap().len(), 5);
        }
        charger.call("Heartbeat", json!({})).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_by_version_and_costs_no_socket() {
    let hub = HubProcess::start(&[]);
    let mut v201 = Charger::connect(&hub.chargers, "CP201", Dialect::V201).await;
    v201.send("this is not JSON").await;
    let answer = v201.read().await;
    assert_eq!(
        (&answer[0], &answer[1], &answer[2]),
        (&json!(4), &json!("-1"), &json!("RpcFrameworkError"))
    );
    v201.send(r#"[9,"x","Heartbeat",{}]"#).await;
    assert_eq!(v201.read().await[2], "MessageTypeNotSupported");
    v201.call("Heartbeat", json!({})).await;

    // 2.1 ignores what it does not know, and its SEND and CALLRESULTERROR want no answer.
    let mut v21 = Charger::connect(&hub.chargers, "CP21", Dialect::V21).await;
    v21.send("this is not JSON").await;
    assert_eq!(v21.read().await[2], "RpcFrameworkError");
    v21.send(r#"[9,"x","Heartbeat",{}]"#).await;
    v21.send(r#"[6,"y","NotifyPeriodicEventStream",{}]"#).await;
    v21.send(r#"[5,"z","InternalError","",{}]"#).await;
    v21.call("Heartbeat", json!({})).await;

    let mut v16 = Charger::connect(&hub.chargers, "CP16", Dialect::V16).await;
    v16.send("this is not JSON").await;
    v16.send(r#"[9,"x","Heartbeat",{}]"#).await;
    v16.call("Heartbeat", json!({})).await;
}

#[tokio::test]
async fn a_call_whose_id_is_no_text_is_logged_and_answered_where_the_version_can() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let call = r#"[2,{},"StatusNotification",{}]"#;
    for dialect in Dialect::ALL {
        let identity = dialect.subprotocol();
        let mut charger = Charger::connect(&hub.chargers, identity, dialect).await;
        charger.boot(dialect).await;
        charger.send(call).await;
        if dialect != Dialect::V16 {
            let answer = charger.read().await;
            assert_eq!(
                (&answer[0], &answer[1], &answer[2]),
                (&json!(4), &json!("-1"), &json!("RpcFrameworkError"))
            );
        }
        // 1.6 has no id to answer to: the next frame is the next call's answer.
        charger.call("Heartbeat", json!({})).await;
        let path = format!("/stations/{identity}/messages?direction=in&text=StatusNotification");
        let entries = tests::until("the message log has it", || async {
            let page = api.get(&path).await;
            let entries = page["items"].as_array()?.clone();
            (!entries.is_empty()).then_some(entries)
        })
        .await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0]["frame"], call);
    }
}

#[tokio::test]
async fn calls_that_cross_are_both_served() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let command = tokio::spawn(async move {
        api.post(
            "/stations/CP/commands",
            json!({"action": "ClearCache", "payload": {}}),
        )
        .await
    });
    let call = charger.read().await;
    assert_eq!(call[2], "ClearCache");
    // The charger's own CALL goes out before it answers.
    charger.send(r#"[2,"mine","Heartbeat",{}]"#).await;
    assert_eq!(charger.read().await[1], "mine");
    charger
        .send(&json!([3, call[1], {"status": "Accepted"}]).to_string())
        .await;
    let record = command.await.unwrap();
    assert_eq!(record["state"], "answered");
    assert_eq!(record["answer"]["status"], "Accepted");
}

#[tokio::test]
async fn calls_sent_ahead_are_answered_in_order() {
    let hub = HubProcess::start(&[]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    for n in 0..40 {
        let start = json!([2, format!("m{n}"), "StartTransaction", {
            "connectorId": 1, "idTag": "T", "meterStart": n, "timestamp": "2026-11-24T10:00:00Z"}]);
        charger.send(&start.to_string()).await;
    }
    for n in 0..40 {
        assert_eq!(charger.read().await[1], format!("m{n}"));
    }
}

#[tokio::test]
async fn a_message_too_long_closes_only_its_own_socket() {
    let hub = HubProcess::start(&[]);
    let mut other = Charger::connect(&hub.chargers, "OTHER", Dialect::V16).await;
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger
        .send_message(Message::text(" ".repeat(300_000)))
        .await;
    if let Some(frame) = charger.closed().await {
        assert_eq!(u16::from(frame.code), 1009);
    }
    other.call("Heartbeat", json!({})).await;
}
