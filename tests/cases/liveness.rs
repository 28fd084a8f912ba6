//! Dead sockets are found, silent ones that live are kept.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Charger, Dialect, HubProcess, until};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

const PINGED_EVERY_2_S: (&str, &str) = ("CHARGERS__PING_INTERVAL_S", "2");

#[tokio::test]
async fn a_socket_that_stops_answering_is_dead_within_two_ping_intervals() {
    let hub = HubProcess::start(&[PINGED_EVERY_2_S]);
    let api = hub.api("viewer");
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    while !matches!(charger.read_message().await, Some(Ok(Message::Ping(_)))) {}
    // The pong goes out with the next read; after that the charger is as good as frozen.
    let _ = timeout(Duration::from_millis(200), charger.read_message()).await;
    let frozen = Instant::now();
    until("the hub notices", || async {
        api.get("/stations/CP").await["connected"]
            .is_null()
            .then_some(())
    })
    .await;
    let took = frozen.elapsed();
    assert!(
        took < Duration::from_secs(6),
        "two intervals of 2 s and some slack: {took:?}"
    );
}

#[tokio::test]
async fn quirk_25_a_charger_that_never_answers_pings_lives_by_its_messages() {
    let hub = HubProcess::start(&[("CHARGERS__PING_INTERVAL_S", "1")]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    // Nothing is read, so nothing is ponged, over several pings.
    let api = hub.api("viewer");
    let began = Instant::now();
    until("several ping intervals pass", || async {
        assert!(api.get("/stations/CP").await["connected"].is_object());
        (began.elapsed() > Duration::from_secs(5)).then_some(())
    })
    .await;
    charger.call("Heartbeat", json!({})).await;
}

#[tokio::test]
async fn quirk_27_the_newest_socket_wins_while_the_old_one_is_open() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut older = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    older.boot(Dialect::V16).await;
    let mut newer = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    newer.call("Heartbeat", json!({})).await;
    let goodbye = older.closed().await.expect("a close frame");
    assert_eq!(u16::from(goodbye.code), 1008);
    drop(older);
    newer.call("Heartbeat", json!({})).await;
    assert!(api.get("/stations/CP").await["connected"].is_object());
}
