//! Stopping without loss, and without a storm for whoever takes over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Charger, Dialect, HubProcess, until};

const RESTART: u16 = 1012;

fn start(tag: &str) -> Value {
    json!({"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": "2026-11-24T10:00:00Z"})
}

async fn booted(hub: &HubProcess, identity: &str) -> Charger {
    let mut charger = Charger::connect(&hub.chargers, identity, Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    charger
}

async fn close_code(charger: &mut Charger) -> u16 {
    charger.closed().await.expect("a close frame").code.into()
}

#[cfg(not(feature = "cql"))]
#[tokio::test]
async fn a_message_in_flight_is_answered_before_the_socket_closes() {
    let mut hub = HubProcess::start(&[("MESSAGE_LOG__ENABLED", "false")]);
    let api = hub.api("viewer");
    let mut charger = booted(&hub, "CP").await;
    hub.inject("store", "slow 700");
    let call = json!([2, "s", "StartTransaction", start("T")]);
    charger.send(&call.to_string()).await;
    until("it is on its way to the disk", || async {
        hub.was_struck().then_some(())
    })
    .await;
    hub.ask_to_stop();
    let answer = charger.read().await;
    assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("s")));
    assert_eq!(close_code(&mut charger).await, RESTART);
    assert_eq!(hub.ended().await, Some(0));
    hub.mend("store");
    hub.start_again();
    let sessions = api.get("/sessions?station=CP").await["items"].clone();
    let number = answer[2]["transactionId"].to_string();
    assert_eq!(sessions[0]["transaction"], number);
}

#[tokio::test]
async fn a_command_in_flight_gets_its_answer_while_the_hub_lives_and_is_not_ready() {
    let mut hub = HubProcess::start(&[("DRAIN__CALLS_S", "20")]);
    let api = hub.api("operator");
    let mut charger = booted(&hub, "CP").await;
    let commanding = tokio::spawn({
        let api = api.clone();
        async move {
            let command = json!({"action": "ClearCache", "payload": {}, "timeout_s": 20});
            api.post("/stations/CP/commands", command).await
        }
    });
    let call = charger.read().await;
    hub.ask_to_stop();
    until("the hub is not ready", || async {
        (api.page("/ready").await.0 == 503).then_some(())
    })
    .await;
    assert_eq!(api.page("/live").await.0, 200);
    let newcomer = Charger::try_connect(&hub.chargers, "NEW", Some("ocpp1.6"));
    assert!(newcomer.await.is_err(), "nobody new is taken in");
    // What is said now is left to whoever takes over.
    charger.send(r#"[2,"late","Heartbeat",{}]"#).await;
    let answer = json!([3, call[1], {"status": "Accepted"}]);
    charger.send(&answer.to_string()).await;
    assert_eq!(close_code(&mut charger).await, RESTART);
    assert_eq!(commanding.await.unwrap()["state"], "answered");
    assert_eq!(hub.ended().await, Some(0));
}

#[tokio::test]
async fn sockets_close_in_turn_and_those_that_charge_last() {
    let mut hub = HubProcess::start(&[("DRAIN__CHARGERS_PER_S", "5")]);
    let mut charging = booted(&hub, "CHARGING").await;
    charging.call("StartTransaction", start("T")).await;
    let mut chargers = vec![charging];
    for number in 0..5 {
        chargers.push(booted(&hub, &format!("IDLE{number}")).await);
    }
    let closing: Vec<_> = chargers
        .into_iter()
        .map(|mut charger| {
            tokio::spawn(async move { (close_code(&mut charger).await, Instant::now()) })
        })
        .collect();
    let began = Instant::now();
    hub.ask_to_stop();
    let mut closed = Vec::new();
    for charger in closing {
        closed.push(charger.await.unwrap());
    }
    assert!(closed.iter().all(|(code, _)| *code == RESTART));
    let (charging, idle) = closed.split_first().unwrap();
    assert!(
        idle.iter().all(|(_, at)| *at < charging.1),
        "the last of all"
    );
    // Six at five a second: the last has its turn after one second.
    assert!(charging.1 - began >= Duration::from_secs(1));
    assert_eq!(hub.ended().await, Some(0));
}

#[tokio::test]
async fn a_charger_that_does_not_answer_the_goodbye_holds_the_drain_up_for_two_seconds() {
    let mut hub = HubProcess::start(&[]);
    let mut chargers = Vec::new();
    for number in 0..3 {
        chargers.push(booted(&hub, &format!("DEAF{number}")).await);
    }
    let began = Instant::now();
    // Nobody reads, so nobody answers.
    assert_eq!(hub.terminate().await, Some(0));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    for mut charger in chargers {
        assert_eq!(close_code(&mut charger).await, RESTART, "it was told");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_what_was_acknowledged_is_there() {
    let mut hub = HubProcess::start(&[("DRAIN__CALLS_S", "600")]);
    let api = hub.api("operator");
    let mut charger = booted(&hub, "CP").await;
    charger.call("StartTransaction", start("T")).await;
    // A command that is never answered holds the drain up.
    let commanding = tokio::spawn({
        let api = api.clone();
        async move {
            let command = json!({"action": "ClearCache", "payload": {}, "timeout_s": 120});
            api.send(
                reqwest::Method::POST,
                "/stations/CP/commands",
                Some(command),
            )
            .await
        }
    });
    charger.read().await;
    hub.ask_to_stop();
    until("the hub drains", || async {
        (api.page("/ready").await.0 == 503).then_some(())
    })
    .await;
    assert_eq!(hub.terminate().await, Some(0));
    commanding.abort();
    hub.start_again();
    let sessions = api.get("/sessions?station=CP").await["items"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1);
    assert_eq!(sessions[0]["state"], "active");
}

#[tokio::test]
async fn how_long_a_charger_was_away_is_measured_across_a_restart() {
    let mut hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let charger = booted(&hub, "CP").await;
    let (_, metrics) = api.page("/metrics").await;
    assert!(
        !metrics.contains("switchyard_station_away_seconds_count"),
        "it was never here: {metrics}"
    );
    drop(charger);
    assert_eq!(hub.terminate().await, Some(0));
    hub.start_again();
    let _charger = booted(&hub, "CP").await;
    let (_, metrics) = api.page("/metrics").await;
    let of = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse::<f64>().ok())
    };
    assert_eq!(
        of("switchyard_station_away_seconds_count"),
        Some(1.0),
        "{metrics}"
    );
    let away_s = of("switchyard_station_away_seconds_sum").unwrap();
    assert!(away_s > 0.0 && away_s < 20.0, "{away_s}");
}
