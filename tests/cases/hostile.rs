//! Peers that mean harm, or are broken: the hub's memory stays bounded, and the others are answered.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::json;
use tests::{Charger, Dialect, HubProcess, until};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

const MIB: u64 = 1024 * 1024;

/// What the hub holds in memory of its own, in bytes.
fn held(hub: &HubProcess) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", hub.pid()));
    let rollup = rollup.expect("the hub runs");
    let kib = |name: &str| -> u64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.expect("a number").parse().expect("a number")
    };
    (kib("Anonymous:") + kib("Swap:")) * 1024
}

fn assert_grown_less(hub: &HubProcess, before: u64, most: u64) {
    let grown = held(hub).saturating_sub(before);
    assert!(
        grown < most,
        "grown by {} MiB of at most {}",
        grown / MIB,
        most / MIB
    );
}

/// A charger that is answered within a second or so, whatever the others do.
struct Neighbour(Charger);

impl Neighbour {
    async fn connect(hub: &HubProcess) -> Self {
        let mut charger = Charger::connect(&hub.chargers, "NEIGHBOUR", Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        Self(charger)
    }

    async fn is_answered(&mut self) {
        let asked = self.0.call("Heartbeat", json!({}));
        let answered = timeout(Duration::from_secs(5), asked).await;
        answered.expect("a neighbour is answered");
    }
}

/// An open WebSocket of which nothing is read, with little room for what is not.
async fn deaf(hub: &HubProcess, identity: &str) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = hub.chargers.parse().unwrap();
    let stream = socket.connect(address).await.unwrap();
    let url = format!("ws://{}/ocpp/{identity}", hub.chargers);
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
            .unwrap();
    let offer = "ocpp1.6".parse().unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", offer);
    let (socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    socket
}

fn fragment(text: &str, first: bool, last: bool) -> Message {
    let data = if first { Data::Text } else { Data::Continue };
    let payload = Bytes::copy_from_slice(text.as_bytes());
    Message::Frame(Frame::message(payload, OpCode::Data(data), last))
}

#[tokio::test]
async fn a_flood_from_peers_that_never_read_their_answers_is_held_off_and_ended() {
    let hub = HubProcess::start(&[("CHARGERS__WRITE_TIMEOUT_S", "3")]);
    let mut neighbour = Neighbour::connect(&hub).await;
    let before = held(&hub);
    // Each CALL is answered by its id, so each answer is as long.
    let call = format!(r#"[2,"{}","Heartbeat",{{}}]"#, "i".repeat(16 * 1024));
    let mut floods = JoinSet::new();
    for n in 0..40 {
        let mut socket = deaf(&hub, &format!("DEAF{n}")).await;
        let call = Message::text(call.clone());
        floods.spawn(async move {
            // Until the hub takes no more of it, and then until it ends it.
            while socket.send(call.clone()).await.is_ok() {}
        });
    }
    let closed = "switchyard_sockets_closed_total{reason=\"dead\"} 40";
    let api = hub.api("viewer");
    until("the hub has ended them all", || async {
        assert_grown_less(&hub, before, 24 * MIB);
        api.page("/metrics").await.1.contains(closed).then_some(())
    })
    .await;
    neighbour.is_answered().await;
    floods.join_all().await;
}

#[tokio::test]
async fn a_flood_of_long_frames_leaves_nothing_behind() {
    let hub = HubProcess::start(&[]);
    let mut neighbour = Neighbour::connect(&hub).await;
    let before = held(&hub);
    // Not OCPP, so it is not kept either.
    let frame = format!("{{{}", "x".repeat(64 * 1024 - 1));
    let mut floods = JoinSet::new();
    for n in 0..20 {
        let mut charger = Charger::connect(&hub.chargers, &format!("CP{n}"), Dialect::V16).await;
        let frame = frame.clone();
        floods.spawn(async move {
            for _ in 0..100 {
                charger.send(&frame).await;
            }
            charger.call("BootNotification", Dialect::V16.boot()).await;
            charger
        });
    }
    let mut idle = Vec::new();
    while let Some(charger) = floods.join_next().await {
        idle.push(charger.expect("a charger that is answered in the end"));
        neighbour.is_answered().await;
        assert_grown_less(&hub, before, 32 * MIB);
    }
}

#[tokio::test]
async fn a_charger_that_sent_one_long_message_is_none_the_larger() {
    let hub = HubProcess::start(&[("MESSAGE_LOG__ENABLED", "false")]);
    let mut chargers = Vec::new();
    for n in 0..300 {
        let mut charger = Charger::connect(&hub.chargers, &format!("CP{n}"), Dialect::V16).await;
        charger.boot(Dialect::V16).await;
        chargers.push(charger);
    }
    let before = held(&hub);
    let frame = format!("{{{}", "x".repeat(200 * 1024));
    for charger in &mut chargers {
        charger.send(&frame).await;
        charger.call("Heartbeat", json!({})).await;
    }
    // 60 MB were sent.
    assert_grown_less(&hub, before, 20 * MIB);
}

#[tokio::test]
async fn a_message_of_endless_fragments_ends_at_the_size_limit() {
    let hub = HubProcess::start(&[]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    let part = " ".repeat(4096);
    for n in 0..64 {
        charger.send_message(fragment(&part, n == 0, false)).await;
    }
    // That was all a message may have.
    charger.send_message(fragment(" ", false, false)).await;
    let goodbye = charger.closed().await.expect("a close frame");
    assert_eq!(u16::from(goodbye.code), 1009);
}

#[tokio::test]
async fn a_message_that_never_ends_is_given_up_however_much_it_is_pinged_in_between() {
    let hub = HubProcess::start(&[("CHARGERS__MESSAGE_TIMEOUT_S", "2")]);
    let mut neighbour = Neighbour::connect(&hub).await;
    let before = held(&hub);
    let mut endless = JoinSet::new();
    for n in 0..40 {
        let mut charger = Charger::connect(&hub.chargers, &format!("CP{n}"), Dialect::V16).await;
        endless.spawn(async move {
            let began = Instant::now();
            charger
                .send_message(fragment(&" ".repeat(200_000), true, false))
                .await;
            // Empty fragments, pings, and single bytes keep it alive, but do not end it.
            let parts = [
                fragment("", false, false),
                Message::Ping(Bytes::from_static(b"still there")),
                fragment(" ", false, false),
            ];
            let goodbye = loop {
                for part in &parts {
                    if charger.try_send(part.clone()).await.is_err() {
                        break;
                    }
                }
                match timeout(Duration::from_millis(20), charger.try_read()).await {
                    Ok(Some(Ok(Message::Close(goodbye)))) => break goodbye,
                    Ok(Some(Ok(_))) | Err(_) => {}
                    Ok(ended) => panic!("no close frame: {ended:?}"),
                }
                assert!(
                    began.elapsed() < Duration::from_secs(20),
                    "it goes on for ever"
                );
            };
            assert!(began.elapsed() >= Duration::from_secs(2), "it has its time");
            goodbye.expect("a close frame")
        });
    }
    while let Some(goodbye) = endless.join_next().await {
        let goodbye = goodbye.expect("the hub gives it up");
        assert_eq!(u16::from(goodbye.code), 1008, "{goodbye:?}");
        neighbour.is_answered().await;
        assert_grown_less(&hub, before, 40 * MIB / 4 + 24 * MIB);
    }
}

#[tokio::test]
async fn a_message_in_fragments_with_a_ping_between_them_is_answered() {
    let hub = HubProcess::start(&[("CHARGERS__MESSAGE_TIMEOUT_S", "1")]);
    let mut charger = Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
    charger.boot(Dialect::V16).await;
    charger
        .send_message(fragment(r#"[2,"f","#, true, false))
        .await;
    charger.send_message(Message::Ping(Bytes::new())).await;
    charger
        .send_message(fragment(r#""Heartbeat","#, false, false))
        .await;
    charger.send_message(fragment("{}]", false, true)).await;
    let answer = charger.read().await;
    assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("f")));
    // Nothing has begun now, so nothing can be late: several time-outs later it is still served.
    charger
        .send_message(Message::Ping(Bytes::from_static(b"x")))
        .await;
    let quiet = Instant::now();
    until("several time-outs pass", || async {
        (quiet.elapsed() > Duration::from_secs(3)).then_some(())
    })
    .await;
    charger.call("Heartbeat", json!({})).await;
}

/// Connections that send a request a byte at a time and never end it.
async fn slow_loris(hub: &HubProcess, count: usize) -> Vec<TcpStream> {
    let request = b"GET /ocpp/SLOW HTTP/1.1\r\nX-Filler: ";
    let mut all = Vec::new();
    for n in 0..count {
        let mut stream = TcpStream::connect(&hub.chargers).await.unwrap();
        let _ = stream.write_all(&request[..1 + n % request.len()]).await;
        all.push(stream);
    }
    all
}

#[tokio::test]
async fn thousands_that_send_their_request_a_byte_at_a_time_cost_little() {
    let hub = HubProcess::start(&[]);
    let mut neighbour = Neighbour::connect(&hub).await;
    let before = held(&hub);
    let mut slow = slow_loris(&hub, 3_000).await;
    for _ in 0..3 {
        for stream in &mut slow {
            let _ = stream.write_all(b"x").await;
        }
        neighbour.is_answered().await;
        assert_grown_less(&hub, before, 24 * MIB);
    }
    Charger::connect(&hub.chargers, "CP", Dialect::V16).await;
}

#[tokio::test]
async fn who_dawdles_makes_room_when_all_places_are_taken() {
    let hub = HubProcess::start(&[
        ("CHARGERS__MAX_UNOPENED", "50"),
        ("CHARGERS__HANDSHAKE_TIMEOUT_S", "600"),
    ]);
    let _slow = slow_loris(&hub, 150).await;
    let connected = Charger::connect(&hub.chargers, "CP", Dialect::V16);
    timeout(Duration::from_secs(20), connected)
        .await
        .expect("a charger need not wait for the slow ones to give up");
}
