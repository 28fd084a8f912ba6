//! Whether hubs reach each other at the addresses that they say: two at one, and one that the network hides.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tests::until;

use super::{
    bench::{Cluster, PATIENCE, free_address, living, node},
    way::Way,
};

/// What a hub with the settings of the first one would start as, under another name and with ports of its own.
fn namesake_of_the_address(cluster: &Cluster, name: &str, dir: &tempfile::TempDir) -> Command {
    let mut command = cluster.hubs[0].command();
    command
        .env("SWITCHYARD_CLUSTER__NAME", name)
        .env("SWITCHYARD_CLUSTER__LISTEN", free_address())
        .env("SWITCHYARD_CHARGERS__LISTEN", "127.0.0.1:0")
        .env("SWITCHYARD_API__LISTEN", "127.0.0.1:0")
        .env("SWITCHYARD_DATA__DIR", dir.path())
        .env("SWITCHYARD_SPOOL__DIR", dir.path().join("spool"));
    command
}

/// What that hub says of its way to the other.
fn other<'a>(view: &'a Value, name: &str) -> &'a Value {
    let others = view["others"].as_array().into_iter().flatten();
    let mut named = others.filter(|other| other["name"] == name);
    named.next().unwrap_or(&Value::Null)
}

/// Whether that hub reaches the other or says why not.
fn reaches(view: &Value, name: &str, is: bool) -> bool {
    let other = other(view, name);
    other["reached"] == is && other["why_not"].is_null() == is
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_at_the_address_of_one_that_lives_ends_and_names_it() {
    let mut cluster = Cluster::start(1, "single", &[]);
    let dir = tempfile::tempdir().expect("a directory");
    let ended = namesake_of_the_address(&cluster, "rival", &dir).output();
    let ended = ended.expect("the hub runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(
        said.contains("hub hub-0 is reached at cluster.address"),
        "{said}"
    );
    cluster
        .sees(0, "the other has gone", |view| living(view).count() == 1)
        .await;

    // One that died is no reason to end: its lease runs out.
    cluster.hubs[0].kill();
    cluster.hubs[0].set("CLUSTER__NAME", "renamed");
    cluster.hubs[0].start_again();
    let view = cluster.view(0).await;
    assert_eq!(view["me"], "renamed");
    assert_eq!(living(&view).count(), 1, "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hubs_at_one_address_none_answers_for_the_other() {
    let accept = [("CHARGERS__ADMISSION", "accept")];
    let mut cluster = Cluster::start(2, "single", &accept);
    // While Redis is away a hub cannot know who else there is.
    let redis = cluster.redis.url().to_owned();
    let (_, at) = redis.rsplit_once("//").expect("a URL");
    let way = Way::to(at);
    let redis = redis.replace(at, &way.address);
    let address = cluster.hubs[0].setting("CLUSTER__ADDRESS");
    let (address, listen) = (address.expect("it has one").to_owned(), free_address());
    way.cut();
    cluster.add(&[
        accept[0],
        ("CLUSTER__REDIS", &redis),
        ("CLUSTER__ADDRESS", &address),
        ("CLUSTER__LISTEN", &listen),
    ]);
    way.mend();
    for hub in [0, 2] {
        until("both say so", || async {
            let (_, metrics) = cluster.apis[hub].page("/metrics").await;
            metrics
                .contains("switchyard_placement_address_shared 1")
                .then_some(())
        })
        .await;
    }
    let refused = cluster
        .sees(1, "it is told who answers there", |view| {
            let why_not = other(view, "hub-2")["why_not"].as_str();
            why_not.is_some_and(|why_not| why_not.contains("hub-0 answers"))
        })
        .await;
    assert_eq!(other(&refused, "hub-0")["reached"], true, "{refused}");
    for hub in [0, 1, 2] {
        drop(cluster.booted(hub, "CP").await);
    }
    let _charger = cluster.booted(2, "CP").await;
    cluster
        .sees(1, "it is there", |view| {
            node(view, "hub-2")["chargers"] == 1
        })
        .await;
    let transfer = json!({"action": "DataTransfer", "payload": {"vendorId": "v"}, "timeout_s": 5});
    let record = cluster.apis[1]
        .post("/stations/CP/commands", transfer)
        .await;
    assert_eq!(record["state"], "failed", "{record}");
    let why = record["error"].as_str().expect("it says why");
    assert!(
        why.contains("hub-0 answers at the address of hub-2"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_cannot_be_reached_is_shown_by_the_others_and_by_a_gauge() {
    let cluster = Cluster::apart(2, &[]);
    for (hub, name) in [(0, "hub-1"), (1, "hub-0")] {
        cluster
            .sees(hub, "they reach each other", |view| {
                reaches(view, name, true) && other(view, name)["reaches_this"] == true
            })
            .await;
    }
    cluster.lines[1].peers.cut();
    cluster
        .sees(0, "it does not reach the other any more", |view| {
            reaches(view, "hub-1", false) && living(view).count() == 2
        })
        .await;
    cluster
        .sees(1, "nobody reaches it, and it reaches the other", |view| {
            reaches(view, "hub-0", true) && other(view, "hub-0")["reaches_this"] == false
        })
        .await;
    let api = cluster.apis[0].clone();
    let shows = async |value: &str| {
        let line = format!("switchyard_peer_up{{node=\"hub-1\"}} {value}\n");
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (_, metrics) = api.page("/metrics").await;
            if metrics.contains(&line) {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "no {line}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    shows("0").await;
    let (ready, _) = cluster.apis[1].page("/ready").await;
    assert_eq!(ready, 200, "chargers may stay");
    cluster.lines[1].peers.mend();
    cluster
        .sees(0, "it reaches the other again", |view| {
            reaches(view, "hub-1", true)
        })
        .await;
    shows("1").await;
    cluster.hubs[1].ask_to_stop();
    shows("NaN").await;
}

#[tokio::test]
async fn a_hub_that_died_and_is_back_is_reached_as_one_hub_before_its_former_lease_has_run_out() {
    let mut cluster = Cluster::start(2, "single", &[]);
    let view = cluster
        .sees(0, "it reaches the other", |view| {
            reaches(view, "hub-1", true)
        })
        .await;
    let before = node(&view, "hub-1")["incarnation"].clone();
    cluster.hubs[1].kill();
    cluster.hubs[1].start_again();
    let again = cluster
        .sees(0, "it reaches the next process", |view| {
            reaches(view, "hub-1", true) && other(view, "hub-1")["incarnation"] != before
        })
        .await;
    assert_eq!(again["others"].as_array().map(Vec::len), Some(1), "{again}");
}
