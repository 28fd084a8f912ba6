//! The rules of the OCPP-J handshake (protocol §2.1).

use tests::{Charger, Dialect, HubProcess};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite;

async fn answer_to(hub: &HubProcess, request: &str) -> String {
    let mut stream = TcpStream::connect(&hub.chargers).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

fn upgrade(target: &str, extra: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

#[tokio::test]
async fn the_version_is_the_first_of_the_stations_list_that_the_hub_speaks() {
    let hub = HubProcess::start(&[]);
    for (offer, agreed) in [
        ("ocpp1.6", "ocpp1.6"),
        ("ocpp2.0.1, ocpp1.6", "ocpp2.0.1"),
        ("ocpp1.5, ocpp1.6, ocpp2.0.1", "ocpp1.6"),
        ("ocpp2.1, ocpp2.0.1, ocpp1.6", "ocpp2.1"),
        ("ocpp2.2, ocpp2.0.1, ocpp2.1", "ocpp2.0.1"),
    ] {
        let tried = Charger::try_connect(&hub.chargers, "CP", Some(offer)).await;
        assert_eq!(tried.ok().unwrap().1.as_deref(), Some(agreed));
    }
}

#[tokio::test]
async fn without_a_common_subprotocol_the_handshake_completes_and_the_socket_closes() {
    let hub = HubProcess::start(&[]);
    for extra in ["Sec-WebSocket-Protocol: ocpp1.5\r\n", ""] {
        let answer = answer_to(&hub, &upgrade("/ocpp/CP", extra)).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(
            !answer
                .to_ascii_lowercase()
                .contains("sec-websocket-protocol"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn quirk_01_a_station_without_a_subprotocol_may_be_taken_for_16() {
    let hub = HubProcess::start(&[]);
    let api = hub.api("admin");
    api.post(
        "/stations",
        serde_json::json!({"id": "OLD", "assume_16": true}),
    )
    .await;
    let (mut charger, agreed) = Charger::try_connect(&hub.chargers, "OLD", None)
        .await
        .ok()
        .unwrap();
    assert_eq!(agreed, None);
    assert_eq!(charger.boot(Dialect::V16).await["status"], "Accepted");
}

#[tokio::test]
async fn quirk_02_absolute_targets_are_understood() {
    let hub = HubProcess::start(&[]);
    let target = format!("http://{}/ocpp/tenant/ABS1", hub.chargers);
    let answer = answer_to(
        &hub,
        &upgrade(&target, "Sec-WebSocket-Protocol: ocpp1.6\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert_eq!(hub.api("viewer").get("/stations/ABS1").await["id"], "ABS1");
}

#[tokio::test]
async fn quirk_03_an_encoded_identity_is_decoded() {
    let hub = HubProcess::start(&[]);
    let mut charger = Charger::connect(&hub.chargers, "RDAM%7C123", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    assert_eq!(
        hub.api("viewer").get("/stations/RDAM%7C123").await["id"],
        "RDAM|123"
    );
}

#[tokio::test]
async fn an_unknown_station_is_told_404_where_only_known_ones_may_connect() {
    let hub = HubProcess::start(&[("CHARGERS__ADMISSION", "known")]);
    let tried = Charger::try_connect(&hub.chargers, "CP", Some("ocpp1.6")).await;
    match tried.err().map(|error| *error) {
        Some(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("expected 404, got {other:?}"),
    }
    hub.api("admin")
        .post("/stations", serde_json::json!({"id": "CP"}))
        .await;
    Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
}

#[tokio::test]
async fn slow_requests_do_not_hold_up_others() {
    let hub = HubProcess::start(&[("CHARGERS__MAX_HANDSHAKES", "2")]);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(&hub.chargers).await.unwrap();
        stream
            .write_all(b"GET /ocpp/SLOW HTTP/1.1\r\n")
            .await
            .unwrap();
        slow.push(stream);
    }
    Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
}

#[tokio::test]
async fn places_that_say_nothing_are_free_again_in_time() {
    let hub = HubProcess::start(&[
        ("CHARGERS__MAX_UNOPENED", "4"),
        ("CHARGERS__HANDSHAKE_TIMEOUT_S", "1"),
    ]);
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(&hub.chargers).await.unwrap());
    }
    Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
}

#[tokio::test]
async fn what_is_not_a_charger_is_told_what_to_do() {
    let hub = HubProcess::start(&[]);
    let answer = answer_to(&hub, "GET / HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.contains("/ocpp/{identity}"),
        "{answer}"
    );
    let answer = answer_to(&hub, "GET /ocpp/CP HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let answer = answer_to(&hub, "\x16\x03\x01 nonsense\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
