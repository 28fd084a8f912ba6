//! Two devices with one identity are found and held; one device never is, whatever it does.

use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, HubProcess, until};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite;

/// A device with that serial number that connects as CP and boots.
async fn device(hub: &HubProcess, serial: &str) -> Charger {
    let mut device = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    boot(&mut device, serial).await;
    device
}

async fn boot(device: &mut Charger, serial: &str) {
    let boot = json!({
        "chargePointVendor": "Acme", "chargePointModel": "One", "chargePointSerialNumber": serial
    });
    device.call("BootNotification", boot).await;
}

/// A device that is there until its socket ends, as every real one is: pings and goodbyes are answered.
fn lives(mut device: Charger) -> JoinHandle<()> {
    tokio::spawn(async move { while matches!(device.try_read().await, Some(Ok(_))) {} })
}

async fn conflict(api: &Api) -> Value {
    api.get("/stations/CP").await["identity_conflict"].clone()
}

/// A and B evict each other until the hub holds them; A, which is on record, is connected afterwards.
async fn conflict_of_a_and_b(hub: &HubProcess, api: &Api) -> Charger {
    let mut there = lives(device(hub, "A").await);
    for serial in ["B", "A", "B"] {
        let next = device(hub, serial).await;
        there.await.expect("the evicted one closes too");
        assert_eq!(conflict(api).await, Value::Null);
        there = lives(next);
    }
    let keeper = device(hub, "A").await;
    there.await.expect("the evicted one closes too");
    until("the hub has found them", || async {
        conflict(api).await.is_object().then_some(())
    })
    .await;
    keeper
}

async fn refused(hub: &HubProcess) -> Option<tungstenite::http::Response<Option<Vec<u8>>>> {
    let tried = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
    match tried.err().map(|error| *error) {
        Some(tungstenite::Error::Http(response)) => Some(*response),
        Some(error) => panic!("{error}"),
        None => None,
    }
}

#[tokio::test]
async fn two_devices_with_one_identity_are_held_until_the_other_stays_away() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut keeper = conflict_of_a_and_b(&hub, &api).await;
    keeper.call("Heartbeat", json!({})).await;
    let keeper = lives(keeper);

    let refused_b = refused(&hub).await.expect("the other is turned away");
    assert_eq!(refused_b.status(), 409);
    let retry = refused_b.headers()["Retry-After"].to_str().unwrap();
    assert!((60..=120).contains(&retry.parse::<u32>().unwrap()));
    let text = String::from_utf8(refused_b.into_body().unwrap()).unwrap();
    assert!(text.contains("another device uses this identity"), "{text}");
    assert!(!keeper.is_finished(), "the keeper is not disturbed");

    let shown = conflict(&api).await;
    assert_eq!(shown["keeper"]["boot"]["serial"], "A", "{shown}");
    assert_eq!(shown["other"]["boot"]["serial"], "B", "{shown}");
    assert_eq!(shown["other"]["peer"], "127.0.0.1", "{shown}");
    assert_eq!(shown["turned_away"], 1, "{shown}");
    let (_, metrics) = api.page("/metrics").await;
    for line in [
        "switchyard_identity_conflicts_total 1",
        "switchyard_handshakes_total{outcome=\"identity_conflict\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }

    // Six minutes later nobody has tried.
    hub.inject("clock", "360000");
    until("it is over", || async {
        conflict(&api).await.is_null().then_some(())
    })
    .await;
    let newest = device(&hub, "B").await;
    keeper.await.expect("the newest socket wins again");
    drop(newest);
}

#[tokio::test]
async fn the_other_that_finds_the_place_free_is_known_by_its_boot() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    conflict_of_a_and_b(&hub, &api).await.vanish();
    until("the keeper is gone", || async {
        api.get("/stations/CP").await["connected"]
            .is_null()
            .then_some(())
    })
    .await;
    let mut other = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    other
        .send(r#"[2,"b","BootNotification",{"chargePointVendor":"Acme","chargePointModel":"One","chargePointSerialNumber":"B"}]"#)
        .await;
    let goodbye = other.closed().await.expect("a close frame");
    assert_eq!(u16::from(goodbye.code), 1008);
    assert!(goodbye.reason.contains("another device"), "{goodbye:?}");
    assert_eq!(api.get("/stations/CP").await["boot"]["serial"], "A");
    let mut keeper = device(&hub, "A").await;
    keeper.call("Heartbeat", json!({})).await;
}

#[tokio::test]
async fn the_other_that_does_not_say_who_it_is_is_asked_and_keeps_nobody_out() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    conflict_of_a_and_b(&hub, &api).await.vanish();
    until("the keeper is gone", || async {
        api.get("/stations/CP").await["connected"]
            .is_null()
            .then_some(())
    })
    .await;
    let mut other = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    // It does not know that one. So the keeper takes its place again.
    let (asked, payload) = other.answer(json!({ "status": "NotImplemented" })).await;
    assert_eq!(asked, "TriggerMessage");
    assert_eq!(payload["requestedMessage"], "BootNotification");
    let other = lives(other);
    let mut keeper = device(&hub, "A").await;
    other.await.expect("the newest socket wins");
    keeper.call("Heartbeat", json!({})).await;
}

#[tokio::test]
async fn the_other_is_put_out_if_it_is_in_when_they_are_found() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    // This one is on record, and does not answer its first eviction.
    let unanswered = device(&hub, "A").await;
    let mut there = lives(device(&hub, "B").await);
    for serial in ["A", "B", "A"] {
        let next = device(&hub, serial).await;
        there.await.expect("the evicted one closes too");
        there = lives(next);
    }
    let mut other = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    there.await.expect("the evicted one closes too");
    let goodbye = other.closed().await.expect("a close frame");
    assert!(goodbye.reason.contains("another device"), "{goodbye:?}");
    assert_eq!(conflict(&api).await["keeper"]["boot"]["serial"], "A");
    let mut keeper = device(&hub, "A").await;
    keeper.call("Heartbeat", json!({})).await;
    drop(unanswered);
}

#[tokio::test]
async fn a_keeper_that_comes_back_over_its_half_open_socket_is_let_in() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    // It is not read from again: as good as half-open.
    let half_open = conflict_of_a_and_b(&hub, &api).await;
    let mut keeper = device(&hub, "A").await;
    keeper.call("Heartbeat", json!({})).await;
    assert!(conflict(&api).await.is_object());
    drop(half_open);
}

#[tokio::test]
async fn a_device_that_comes_back_over_half_open_sockets_is_never_held() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut half_open = Vec::new();
    for serial in ["A", "B"].into_iter().cycle().take(12) {
        // Even if the serial number were not the same: nobody answers the evictions.
        half_open.push(device(&hub, serial).await);
    }
    let mut newest = half_open.pop().unwrap();
    newest.call("Heartbeat", json!({})).await;
    assert_eq!(conflict(&api).await, Value::Null);
    let mut again = device(&hub, "A").await;
    again.call("Heartbeat", json!({})).await;
}

#[tokio::test]
async fn a_device_that_opens_one_socket_beside_the_other_is_never_held() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("viewer");
    let mut there = lives(device(&hub, "A").await);
    for _ in 0..12 {
        let next = device(&hub, "A").await;
        there.await.expect("the evicted one closes too");
        there = lives(next);
    }
    assert_eq!(conflict(&api).await, Value::Null);
    assert!(refused(&hub).await.is_none());
}
