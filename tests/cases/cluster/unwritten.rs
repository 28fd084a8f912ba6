//! A station that leaves a hub while the store is away from that one: what it said there is in the hub's spool, where no
//! other hub sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Charger, Dialect};
use tokio_tungstenite::tungstenite::{Error, http::Response};

use super::{
    bench::{Cluster, PATIENCE, node},
    sessions::{sessions, start, stop, values},
    way::Way,
};

/// Two hubs, and the way of the first to its CQL server.
fn two_hubs() -> (Cluster, Way) {
    let points = std::env::var("CQL_CONTACT_POINTS").expect("deploy/dev/cql up");
    let way = Way::to(points.split(',').next().expect("an address"));
    let mut cluster = Cluster::start(0, "single", &[]);
    let contact = json!([way.address]).to_string();
    let accept = ("CHARGING__UNKNOWN_TOKENS", "accept");
    cluster.add(&[accept, ("STORE__CONTACT_POINTS", &contact)]);
    cluster.add(&[accept]);
    (cluster, way)
}

/// A hub's refusal to take a station.
async fn refusal(cluster: &Cluster, hub: usize) -> Option<Response<Option<Vec<u8>>>> {
    match Charger::try_connect(cluster.chargers(hub), "CP", Some("ocpp1.6")).await {
        Err(error) => match *error {
            Error::Http(answer) => Some(*answer),
            other => panic!("{other}"),
        },
        Ok(_) => None,
    }
}

/// That hub says to the other that it holds something, or no more.
async fn holds(cluster: &Cluster, hub: usize, is: bool) {
    let name = format!("hub-{hub}");
    cluster
        .sees(1 - hub, "whether the spool holds something", |view| {
            node(view, &name)["unwritten"] == is
        })
        .await;
}

/// A station at the first hub that starts to charge while its store is away.
async fn started_in_the_spool(cluster: &Cluster, way: &Way) -> (Charger, Value) {
    let mut charger = cluster.booted(0, "CP").await;
    way.cut();
    let started = charger.call("StartTransaction", start(100)).await;
    holds(cluster, 0, true).await;
    (charger, started["transactionId"].clone())
}

/// Waits until that hub takes the station; how often it did not.
async fn is_taken(cluster: &Cluster, hub: usize) -> usize {
    let end = Instant::now() + PATIENCE;
    let mut refused = 0;
    while refusal(cluster, hub).await.is_some() {
        refused += 1;
        assert!(Instant::now() < end, "refused {refused} times");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    refused
}

/// It goes on at the second hub, as soon as that takes it.
async fn goes_on(cluster: &Cluster, transaction: &Value) {
    is_taken(cluster, 1).await;
    let mut charger = cluster.booted(1, "CP").await;
    charger
        .call("MeterValues", values(transaction, 1_100, 10))
        .await;
    charger
        .call("StopTransaction", stop(transaction, 2_100))
        .await;
    let sessions = sessions(cluster, 1, "CP").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["state"], "ended", "{sessions:?}");
    assert_eq!(sessions[0]["energy_wh"], 2_000.0, "{sessions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hub_takes_a_station_when_all_it_said_to_the_first_is_written() {
    let (cluster, way) = two_hubs();
    let (mut charger, transaction) = started_in_the_spool(&cluster, &way).await;
    charger
        .call("MeterValues", values(&transaction, 600, 5))
        .await;
    let answer = refusal(&cluster, 1).await.expect("it is told to wait");
    assert_eq!(answer.status(), 503);
    let after = answer.headers()["Retry-After"].to_str().unwrap();
    assert!((3..=6).contains(&after.parse().unwrap()), "{after}");
    let said = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned();
    assert!(said.contains("another hub has not written yet"), "{said}");
    assert!(charger.closed().await.is_some(), "the first lets go of it");
    // The others are no concern of it.
    cluster.booted(1, "OTHER").await;
    way.mend();
    goes_on(&cluster, &transaction).await;
    holds(&cluster, 0, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_died_over_its_spool_is_waited_for() {
    let (mut cluster, way) = two_hubs();
    let (_charger, transaction) = started_in_the_spool(&cluster, &way).await;
    cluster.hubs[0].kill();
    for dead in [false, true] {
        cluster
            .sees(1, "whether its lease lasts", |view| {
                node(view, "hub-0")["alive"] == !dead
            })
            .await;
        let answer = refusal(&cluster, 1).await.expect("it is told to wait");
        assert_eq!(answer.status(), 503);
    }
    way.mend();
    cluster.hubs[0].start_again();
    goes_on(&cluster, &transaction).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_does_not_come_back_is_waited_for_as_long_as_is_set() {
    let (mut cluster, way) = two_hubs();
    let wait_ms = 12_000;
    cluster.hubs[1].set("SPOOL__AWAIT_OTHERS_MS", &wait_ms.to_string());
    cluster.hubs[1].kill();
    cluster.hubs[1].start_again();
    let (_charger, _) = started_in_the_spool(&cluster, &way).await;
    cluster.hubs[0].kill();
    cluster
        .sees(1, "its lease is over", |view| {
            node(view, "hub-0")["alive"] == false
        })
        .await;
    let over = Instant::now();
    let refused = is_taken(&cluster, 1).await;
    assert!(refused > 0, "it was taken at once");
    let waited = over.elapsed();
    assert!(
        waited > Duration::from_millis(wait_ms - 3_000),
        "{waited:?} after {refused} tries"
    );
    assert_eq!(
        cluster.booted(1, "CP").await.boot(Dialect::V16).await["status"],
        "Accepted"
    );
}
