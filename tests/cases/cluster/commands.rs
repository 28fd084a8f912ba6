//! Whatever hub is asked, it reaches the station at whatever hub that is, and shows what all hubs see.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, Charger, Dialect, until};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::bench::Cluster;

const HOPS: usize = 1_000;
/// Who sends commands, at each hub, one after the other.
const SENDERS: usize = 2;

/// Has the hubs know each other, and all of them the station, whether or not they share a store.
async fn known_everywhere(cluster: &Cluster, identity: &str) {
    // The hubs know each other by then.
    cluster.shares_sites().await;
    for hub in 0..cluster.hubs.len() {
        drop(cluster.booted(hub, identity).await);
    }
}

fn no_conflicts() -> [(&'static str, &'static str); 1] {
    // Nobody else has its identity, however often it comes back.
    [("CHARGERS__IDENTITY_CONFLICT_S", "0")]
}

fn transfer(marker: &str, timeout_s: u32) -> Value {
    let payload = json!({"vendorId": "hop", "messageId": marker});
    json!({"action": "DataTransfer", "payload": payload, "timeout_s": timeout_s})
}

#[tokio::test]
async fn a_command_reaches_its_station_from_every_hub_and_is_recorded_once() {
    let cluster = Cluster::start(3, "single", &no_conflicts());
    known_everywhere(&cluster, "CP").await;
    let mut charger = cluster.booted(2, "CP").await;
    for hub in 0..3 {
        let marker = format!("from {hub}");
        let asking = cluster.apis[hub].post("/stations/CP/commands", transfer(&marker, 20));
        let answer = json!({"status": "Accepted", "data": marker});
        let (record, (action, payload)) = tokio::join!(asking, charger.answer(answer.clone()));
        assert_eq!(
            (action.as_str(), &payload["messageId"]),
            ("DataTransfer", &json!(marker))
        );
        assert_eq!(
            (&record["state"], &record["answer"]),
            (&json!("answered"), &answer)
        );
        let kept = cluster.apis[hub].get("/stations/CP/commands").await;
        let of_this_one = kept["items"].as_array().into_iter().flatten();
        let of_this_one = of_this_one.filter(|kept| kept["id"] == record["id"]);
        assert_eq!(of_this_one.count(), 1);
    }
    let (_, metrics) = cluster.apis[0].page("/metrics").await;
    assert!(
        metrics.contains(r#"switchyard_peer_messages_total{node="hub-2",outcome="ok"}"#),
        "{metrics}"
    );
    // A CALLERROR of the station is no fault of the way.
    let asking = cluster.apis[0].post("/stations/CP/commands", transfer("error", 20));
    let refusing = async {
        let call = charger.read().await;
        let error = json!([4, call[1], "NotSupported", "no transfers", {}]);
        charger.send(&error.to_string()).await;
    };
    let (record, ()) = tokio::join!(asking, refusing);
    assert_eq!(record["state"], "failed", "{record}");
    // Nor is its silence.
    let record = cluster.apis[1].post("/stations/CP/commands", transfer("silence", 1));
    assert_eq!(record.await["state"], "expired");
    drop(charger);
    until("it is known to be gone", || async {
        let asked = cluster.apis[1].post("/stations/CP/commands", transfer("gone", 5));
        (asked.await["state"] == "station_gone").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_all_hubs_see_is_shown_by_each_and_who_does_not_answer_is_named() {
    let cluster = Cluster::start(3, "single", &no_conflicts());
    known_everywhere(&cluster, "CP").await;
    let mut charger = cluster.booted(2, "CP").await;
    for api in &cluster.apis {
        let shown = api.get("/stations/CP").await;
        assert_eq!(shown["connected"]["protocol"], "ocpp1.6", "{shown}");
        let listed = api.get("/stations").await["items"][0].clone();
        assert_eq!(listed["connected"]["since"], shown["connected"]["since"]);
        assert_eq!(listed["unanswered_hubs"], json!([]));
    }
    let watching = cluster.apis[0].send(Method::GET, "/events?station=CP", None);
    let mut events = watching.await.bytes_stream();
    let mut heard = String::new();
    let mut hears = async |what: &str| {
        let end = Instant::now() + Duration::from_secs(30);
        while !heard.contains(what) {
            let more = tokio::time::timeout_at(end, events.next()).await;
            let more = more.unwrap_or_else(|_| panic!("{what} in {heard}"));
            heard.push_str(&String::from_utf8_lossy(
                &more.expect("open").expect("a chunk"),
            ));
        }
    };
    let status = json!({"connectorId": 1, "errorCode": "NoError", "status": "Preparing"});
    charger.call("StatusNotification", status).await;
    hears("Preparing").await;

    // Turned away at one hub, it is closed at another.
    let rejected = json!({"admission": "rejected"});
    let shown = cluster.apis[0]
        .ok(Method::PATCH, "/stations/CP", Some(rejected))
        .await;
    assert_eq!(shown["unanswered_hubs"], json!([]));

    cluster.hubs[2].signal("-STOP");
    let shown = cluster.apis[0].get("/stations/CP").await;
    assert_eq!(
        (&shown["connected"], &shown["unanswered_hubs"]),
        (&Value::Null, &json!(["hub-2"]))
    );
    hears("hub_away").await;
    cluster.hubs[2].signal("-CONT");
    hears("hub_back").await;
}

/// What became of a command, as its sender was told.
struct Told {
    hub: usize,
    marker: String,
    record: Value,
}

#[tokio::test]
async fn commands_to_a_charger_that_hops_a_thousand_times_are_executed_at_most_once_and_answered() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Arc::new(Cluster::start(3, "single", &no_conflicts()));
    known_everywhere(&cluster, "CP").await;
    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let told = Arc::new(Mutex::new(Vec::new()));
    let senders: Vec<_> = (0..3 * SENDERS)
        .map(|sender| {
            let hub = sender % 3;
            let (over, sent, told) = (over.clone(), sent.clone(), told.clone());
            let api: Api = cluster.apis[hub].clone();
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    let marker = sent.fetch_add(1, Ordering::SeqCst).to_string();
                    let body = Some(transfer(&marker, 5));
                    let path = "/stations/CP/commands";
                    let (status, record) = api.ask(Method::POST, path, body).await;
                    assert_eq!(status, 200, "{record}");
                    told.lock().unwrap().push(Told {
                        hub,
                        marker,
                        record,
                    });
                }
            })
        })
        .collect();

    // Which commands it got, how often, and what it said over which socket.
    let mut got: HashMap<String, Vec<Value>> = HashMap::new();
    let mut left_open = Vec::new();
    let mut charger = Charger::connect(cluster.chargers(0), "CP", Dialect::V16).await;
    for hop in 1..=HOPS {
        let stays = Instant::now() + Duration::from_millis(random.random_range(0..40));
        while let Ok(Some(Ok(message))) = tokio::time::timeout_at(stays, charger.try_read()).await {
            let Message::Text(text) = message else {
                continue;
            };
            let call: Value = serde_json::from_str(&text).expect("the hub sends JSON");
            let marker = call[3]["messageId"].as_str().expect("a marker").to_owned();
            let answer = json!({"status": "Accepted", "data": format!("{marker} over {hop}")});
            let frame = json!([3, call[1], answer]).to_string();
            got.entry(marker).or_default().push(answer);
            // The hub may have closed it meanwhile.
            let _ = charger.try_send(Message::text(frame)).await;
        }
        let to = cluster
            .chargers((hop + random.random_range(0..2)) % 3)
            .to_owned();
        // A socket that is closed first, one that is closed after, one that nobody reads any more.
        let connecting = Charger::connect(&to, "CP", Dialect::V16);
        charger = match random.random_range(0..3) {
            0 => {
                drop(charger);
                connecting.await
            }
            1 => connecting.await,
            _ => {
                left_open.push(charger);
                connecting.await
            }
        };
    }
    over.store(true, Ordering::SeqCst);
    for sender in senders {
        let ended = timeout(Duration::from_secs(60), sender).await;
        ended.expect("every command is answered").expect("with 200");
    }

    let told = told.lock().unwrap();
    assert_eq!(
        told.len(),
        sent.load(Ordering::SeqCst),
        "seed {seed}: each is answered"
    );
    let mut states: HashMap<(usize, &str), usize> = HashMap::new();
    for Told {
        hub,
        marker,
        record,
    } in told.iter()
    {
        let answers = got.get(marker).map_or(&[][..], Vec::as_slice);
        assert!(
            answers.len() <= 1,
            "seed {seed}: {record} went out as {answers:?}"
        );
        let state = record["state"].as_str().expect("a state is text");
        *states.entry((*hub, state)).or_default() += 1;
        assert!(
            !["queued", "sent"].contains(&state),
            "seed {seed}: {record}"
        );
        if state == "answered" {
            assert_eq!(
                [&record["answer"]],
                answers.iter().collect::<Vec<_>>()[..],
                "seed {seed}"
            );
        }
    }
    for hub in 0..3 {
        let answered = states.get(&(hub, "answered")).copied().unwrap_or(0);
        assert!(
            answered > 20,
            "seed {seed}: too few to prove anything: {states:?}"
        );
    }
    let mut states: Vec<_> = states.into_iter().collect();
    states.sort();
    eprintln!(
        "{HOPS} hops, {} commands, {} of them got by the charger: {states:?}",
        told.len(),
        got.len()
    );
}
