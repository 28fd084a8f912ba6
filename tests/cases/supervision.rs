//! A panic costs at most one message, and nobody else anything. (The hub of the tests is built with
//! hooks that panic on a token `!panic-…`; see `actors::chaos`.)

use serde_json::{Value, json};
use tests::{Charger, Dialect, HubProcess, until};

fn start(tag: &str) -> Value {
    json!({"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"})
}

#[tokio::test]
async fn a_panic_in_a_charger_actor_costs_one_message_and_no_socket() {
    let hub = HubProcess::start(&[]);
    let mut neighbour = Charger::connect(&hub.chargers, "NEXT", Dialect::V16).await;
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let number = charger.call("StartTransaction", start("T")).await["transactionId"].clone();
    let answer = charger
        .ask("Authorize", json!({"idTag": "!panic-charger"}))
        .await;
    assert_eq!(
        (&answer[0], &answer[2]),
        (&json!(4), &json!("InternalError"))
    );
    neighbour.call("Heartbeat", json!({})).await;
    // The same socket, and the actor knows its open session again.
    let stop =
        json!({"transactionId": number, "meterStop": 5, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    let sessions = hub.api("viewer").get("/sessions?station=CP").await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    assert_eq!(sessions["items"][0]["state"], "ended");
}

#[tokio::test]
async fn a_panic_in_a_session_actor_does_not_even_cost_the_message() {
    let hub = HubProcess::start(&[]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let started = charger
        .call("StartTransaction", start("!panic-session-once-1"))
        .await;
    assert!(started["transactionId"].as_i64().unwrap() > 0);
    let sessions = hub.api("viewer").get("/sessions?station=CP").await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_that_crashes_its_actor_twice_is_kept_acknowledged_and_replayed() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    let started = charger
        .call("StartTransaction", start("!panic-session-twice-1"))
        .await;
    let number = started["transactionId"].as_i64().unwrap();
    assert!(number > 0);
    let again = charger
        .call("StartTransaction", start("!panic-session-always"))
        .await;
    assert_ne!(again["transactionId"], number);

    let letters = api.get("/dead-letters").await["items"]
        .as_array()
        .unwrap()
        .clone();
    let (always, twice) = (&letters[0], &letters[1]);
    assert_eq!((letters.len(), &twice["number"]), (2, &json!(number)));
    let replay = |letter: &Value| {
        let path = format!("/dead-letters/{}/replay", letter["id"].as_str().unwrap());
        let api = api.clone();
        async move { api.ask(reqwest::Method::POST, &path, None).await.0 }
    };
    assert_eq!(replay(twice).await, 204);
    assert_eq!(replay(always).await, 409, "it crashes still");
    assert_eq!(
        api.get("/dead-letters").await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // The session is the one that the station was told of.
    let stop =
        json!({"transactionId": number, "meterStop": 700, "timestamp": "2026-11-24T10:30:00Z"});
    charger.call("StopTransaction", stop).await;
    let sessions = api.get("/sessions?station=CP").await["items"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["transaction"], number.to_string());
    assert_eq!(sessions[0]["energy_wh"], 700.0);
}

#[tokio::test]
async fn a_panic_in_a_site_actor_costs_nothing_it_does_not_learn_again() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("operator");
    api.post("/sites", json!({"id": "!panic-site-once-1"}))
        .await;
    api.post(
        "/stations",
        json!({"id": "CP", "site": "!panic-site-once-1"}),
    )
    .await;
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    charger.call("StartTransaction", start("T")).await;
    until(
        "the site has crashed and knows its station again",
        || async {
            let site = api.get("/sites/!panic-site-once-1").await;
            let live = &site["live"];
            (live["stations_connected"] == 1 && live["outlets_charging"] == 1).then_some(())
        },
    )
    .await;
    let (_, metrics) = api.page("/metrics").await;
    assert!(
        metrics.contains("switchyard_actor_crashes_total{kind=\"site\"} 1"),
        "{metrics}"
    );
    charger.call("Heartbeat", json!({})).await;
}

#[tokio::test]
async fn a_station_that_keeps_crashing_its_actor_rests_and_the_others_do_not_notice() {
    let hub = HubProcess::start(&[]);
    let mut neighbour = Charger::connect(&hub.chargers, "NEXT", Dialect::V16).await;
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    // Six crashes within a minute are one too many. Not each message causes one: some find the actor dead.
    for _ in 0..1000 {
        charger
            .send(r#"[2,"p","Authorize",{"idTag":"!panic-charger"}]"#)
            .await;
        if let Some(Ok(message)) = charger.read_message().await
            && message.is_close()
        {
            break;
        }
        neighbour.call("Heartbeat", json!({})).await;
    }
    until("the station is told to come back later", || async {
        let tried = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
        tried.is_err().then_some(())
    })
    .await;
    neighbour.call("Heartbeat", json!({})).await;
    let shown = hub.api("viewer").get("/stations/CP").await;
    assert!(shown["resting_until"].is_string(), "{shown}");
    let (_, metrics) = hub.api("viewer").page("/metrics").await;
    assert!(
        metrics.contains("switchyard_quarantines_total{kind=\"charger\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_panic_in_a_supervisor_of_chargers_costs_no_socket_and_no_message() {
    let hub = HubProcess::start(&[]);
    // Enough that some share the supervisor, of which there are 64.
    let mut chargers = Vec::new();
    for number in 0..256 {
        let mut charger =
            Charger::connect(&hub.chargers, &format!("CP{number}"), Dialect::V16).await;
        let started = charger.call("StartTransaction", start("T")).await;
        chargers.push((charger, started["transactionId"].clone()));
    }
    let talking: Vec<_> = chargers
        .into_iter()
        .map(|(mut charger, number)| {
            tokio::spawn(async move {
                for wh in 1..=10 {
                    let values = json!({"connectorId": 1, "transactionId": number, "meterValue": [
                        {"timestamp": "2026-11-24T10:10:00Z", "sampledValue": [{"value": wh.to_string()}]}]});
                    charger.call("MeterValues", values).await;
                }
                let stop = json!({"transactionId": number, "meterStop": 11, "timestamp": "2026-11-24T10:30:00Z"});
                charger.call("StopTransaction", stop).await;
            })
        })
        .collect();
    let mut culprit = Charger::connect(&hub.chargers, "!panic-shard-once-1", Dialect::V16).await;
    culprit.boot(Dialect::V16).await;
    for charger in talking {
        charger.await.unwrap();
    }
    let api = hub.api("viewer");
    let sessions = api.get("/sessions?limit=500").await["items"].clone();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 256);
    for session in sessions {
        assert_eq!(
            (&session["state"], &session["energy_wh"]),
            (&json!("ended"), &json!(11.0))
        );
    }
    let (_, metrics) = api.page("/metrics").await;
    assert!(
        metrics.contains("switchyard_actor_crashes_total{kind=\"shard\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("switchyard_stations_connected 1\n"),
        "{metrics}"
    );
}

#[cfg(not(feature = "cql"))]
#[tokio::test]
async fn a_panic_of_the_stores_writer_costs_the_message_in_hand_and_that_is_sent_again() {
    for fault in ["crash-before-commit", "crash-after-commit"] {
        let hub = HubProcess::start(&[("MESSAGE_LOG__ENABLED", "false")]);
        let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        let payload = start("T").to_string();
        hub.inject("store", fault);
        let answer = charger.try_ask("StartTransaction", &payload).await;
        assert_eq!(answer, None, "{fault}: closed without an answer");
        let answer = until("the charger has its start taken", || async {
            let back = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
            back.ok()?.0.try_ask("StartTransaction", &payload).await
        })
        .await;
        assert_eq!(answer[0], 3, "{fault}: {answer}");
        let api = hub.api("viewer");
        let sessions = api.get("/sessions?station=CP").await["items"].clone();
        assert_eq!(sessions.as_array().unwrap().len(), 1, "{fault}: {sessions}");
        let (_, metrics) = api.page("/metrics").await;
        assert!(
            metrics.contains("switchyard_store_writer_crashes_total 1\n"),
            "{metrics}"
        );
    }
}
