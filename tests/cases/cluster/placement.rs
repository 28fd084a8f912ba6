//! Which hub holds which charger and site, whatever happens to hubs and Redis.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Charger, Dialect, HubProcess, until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    bench::{Cluster, living, node},
    servers::{Servers, cli},
};

#[tokio::test]
async fn the_newest_socket_wins_across_hubs_and_the_old_one_is_closed() {
    let cluster = Cluster::start(3, "single", &[]);
    let mut old = cluster.booted(0, "CP").await;
    for hop in 1..=30 {
        let mut new = cluster.booted(hop % 3, "CP").await;
        let goodbye = old.closed().await.expect("a close frame");
        assert_eq!(goodbye.code, CloseCode::Policy);
        assert_eq!(goodbye.reason.as_str(), "replaced by a newer connection");
        new.call("Heartbeat", serde_json::json!({})).await;
        old = new;
    }
    for hub in 0..3 {
        cluster
            .sees(hub, "it is at the first hub and nowhere else", |view| {
                let at = |name| node(view, name)["chargers"].as_u64();
                (at("hub-0"), at("hub-1"), at("hub-2")) == (Some(1), Some(0), Some(0))
            })
            .await;
    }
    drop(old);
    cluster
        .sees(1, "it is nowhere", |view| {
            node(view, "hub-0")["chargers"] == 0
        })
        .await;
}

#[tokio::test]
async fn a_hub_starts_without_redis_and_its_chargers_are_claimed_once_it_is_there() {
    let mut cluster = Cluster::start(1, "single", &[]);
    let port = cluster.redis.port();
    cluster.redis.signal(port, "-KILL");
    cluster.add(&[]);
    let began = Instant::now();
    let mut charger = cluster.booted(1, "CP").await;
    let waited = began.elapsed();
    assert!(
        waited < Duration::from_secs(5),
        "{waited:?} for a Redis that is away"
    );
    let never = "has not been reached since this hub was started";
    let told = |view: &Value, what: &str| {
        let trouble = view["backend"]["trouble"].as_str();
        trouble.is_some_and(|trouble| trouble.contains(what))
    };
    let view = cluster
        .sees(1, "it says so", |view| told(view, never))
        .await;
    assert_eq!(
        (&view["chargers_provisional"], &view["backend"]["up"]),
        (&1.into(), &false.into())
    );
    let (status, ready) = cluster.apis[1].page("/ready").await;
    assert!(status == 200 && ready.contains(never), "{status} {ready}");
    let reached = async |api: &tests::Api, is: &str| {
        let (_, metrics) = api.page("/metrics").await;
        metrics.contains(&format!("switchyard_placement_backend_reached {is}"))
    };
    assert!(reached(&cluster.apis[1], "0").await && reached(&cluster.apis[0], "1").await);
    cluster
        .sees(0, "the other one had reached it", |view| {
            told(view, "is away")
        })
        .await;
    let (_, ready) = cluster.apis[0].page("/ready").await;
    assert!(ready.contains("is away"), "{ready}");
    cluster.redis.restart(port);
    cluster
        .sees(1, "the claim is confirmed", |view| {
            view["chargers_provisional"] == 0
        })
        .await;
    assert!(reached(&cluster.apis[1], "1").await);
    let (_, ready) = cluster.apis[1].page("/ready").await;
    assert!(!ready.contains("trouble"), "{ready}");
    let _new = cluster.booted(0, "CP").await;
    assert!(
        charger.closed().await.is_some(),
        "the claim was known to the other hub"
    );
}

#[tokio::test]
async fn a_redis_that_is_killed_and_has_forgotten_everything_disturbs_no_charger() {
    let cluster = Cluster::start(2, "single", &[]);
    cluster.shares_sites().await;
    let before = cluster.view(0).await["shard_epoch_max"].clone();
    let mut charger = cluster.booted(0, "CP").await;
    let port = cluster.redis.port();
    cluster.redis.signal(port, "-KILL");
    cluster
        .sees(0, "Redis is away", |view| view["backend"]["up"] == false)
        .await;
    charger.call("Heartbeat", serde_json::json!({})).await;
    let mut other = cluster.booted(1, "CP-2").await;
    other.call("Heartbeat", serde_json::json!({})).await;
    cluster.redis.restart(port);
    for hub in 0..2 {
        cluster
            .sees(hub, "all is claimed again", |view| {
                view["chargers_provisional"] == 0
                    && view["shards_unowned"] == 0
                    && view["shard_epoch_max"].as_i64() >= before.as_i64()
                    && ["hub-0", "hub-1"]
                        .iter()
                        .all(|name| node(view, name)["chargers"] == 1)
            })
            .await;
    }
    charger.call("Heartbeat", serde_json::json!({})).await;
    until("the claim is written down again", || async {
        cli(port, &["exists", "switchyard:c:CP"])
            .ends_with('1')
            .then_some(())
    })
    .await;
    let _new = cluster.booted(1, "CP").await;
    assert!(charger.closed().await.is_some(), "and heeded");
}

#[tokio::test]
async fn a_redis_that_is_wiped_disturbs_no_charger() {
    let cluster = Cluster::start(2, "single", &[]);
    cluster.shares_sites().await;
    let mut charger = cluster.booted(0, "CP").await;
    let port = cluster.redis.port();
    cli(port, &["flushall"]);
    until("the claim is written down again", || async {
        cli(port, &["exists", "switchyard:c:CP"])
            .ends_with('1')
            .then_some(())
    })
    .await;
    charger.call("Heartbeat", serde_json::json!({})).await;
    let _new = cluster.booted(1, "CP").await;
    assert!(charger.closed().await.is_some());
    cluster.shares_sites().await;
}

#[tokio::test]
async fn a_hub_that_was_frozen_acts_for_no_site_and_lets_its_chargers_go() {
    let cluster = Cluster::start(3, "single", &[]);
    cluster.shares_sites().await;
    let mut charger = cluster.booted(0, "CP").await;
    cluster.hubs[0].signal("-STOP");
    let frozen = Instant::now();
    // The charger gives its dead socket up and comes back elsewhere.
    let mut back = cluster.booted(1, "CP").await;
    for hub in [1, 2] {
        cluster
            .sees(hub, "the others have its sites", |view| {
                living(view).count() == 2 && view["shards_unowned"] == 0
            })
            .await;
    }
    tokio::time::sleep(Duration::from_secs(30).saturating_sub(frozen.elapsed())).await;
    let epochs = cluster.view(1).await["shard_epoch_max"].clone();
    cluster.hubs[0].signal("-CONT");
    let goodbye = charger.closed().await.expect("a close frame");
    assert_eq!(goodbye.code, CloseCode::Policy);
    cluster
        .sees(
            0,
            "it knows that it was fenced, and has its share again, under higher epochs",
            |view| {
                view["happened"]["fenced"] == 1
                    && living(view).all(|node| node["shards"] != 0)
                    && living(view).count() == 3
                    && view["shard_epoch_max"].as_i64() > epochs.as_i64()
            },
        )
        .await;
    back.call("Heartbeat", serde_json::json!({})).await;
}

#[tokio::test]
async fn the_sites_and_chargers_of_a_hub_that_is_killed_go_to_the_others_and_it_comes_back() {
    let mut cluster = Cluster::start(3, "single", &[]);
    cluster.shares_sites().await;
    let charger = cluster.booted(2, "CP").await;
    cluster.hubs[2].kill();
    drop(charger);
    let _back = cluster.booted(0, "CP").await;
    cluster
        .sees(0, "the others have its sites", |view| {
            living(view).count() == 2 && view["shards_unowned"] == 0
        })
        .await;
    cluster.hubs[2].start_again();
    cluster.shares_sites().await;
}

#[tokio::test]
async fn a_hub_that_stops_hands_its_sites_over_before_its_chargers_go() {
    let mut cluster = Cluster::start(2, "single", &[("DRAIN__CHARGERS_PER_S", "1")]);
    cluster.shares_sites().await;
    let mut chargers = Vec::new();
    for number in 0..5 {
        chargers.push(cluster.booted(1, &format!("CP-{number}")).await);
    }
    cluster.hubs[1].ask_to_stop();
    // Long before a lease runs out.
    let view = cluster
        .sees(0, "the other one has all sites", |view| {
            node(view, "hub-0")["shards"] == 1024 && view["shards_unowned"] == 0
        })
        .await;
    assert_eq!(
        node(&view, "hub-1")["alive"],
        true,
        "its chargers are still there: {view}"
    );
    let mut last = chargers.pop().expect("five");
    let goodbye = last.closed().await.expect("a close frame");
    assert_eq!(goodbye.code, CloseCode::Restart);
    assert_eq!(cluster.hubs[1].ended().await, Some(0));
    cluster
        .sees(0, "it has gone", |view| living(view).count() == 1)
        .await;
}

#[tokio::test]
async fn a_sentinel_fail_over_moves_no_charger() {
    let cluster = Cluster::start(2, "sentinel", &[]);
    cluster.shares_sites().await;
    let mut charger = cluster.booted(0, "CP").await;
    let mut ports = cluster.redis.ports();
    ports.retain(|port| cli(*port, &["info", "replication"]).contains("role:master"));
    cluster.redis.signal(ports[0], "-KILL");
    cluster
        .sees(0, "the master is gone", |view| {
            view["backend"]["up"] == false
        })
        .await;
    let mut between = cluster.booted(1, "CP-BETWEEN").await;
    for hub in 0..2 {
        cluster
            .sees(hub, "a new master is there and knows all", |view| {
                view["backend"]["up"] == true
                    && view["chargers_provisional"] == 0
                    && view["shards_unowned"] == 0
            })
            .await;
    }
    for charger in [&mut charger, &mut between] {
        charger.call("Heartbeat", serde_json::json!({})).await;
    }
    let _new = cluster.booted(1, "CP").await;
    assert!(
        charger.closed().await.is_some(),
        "the new master tells of claims"
    );
}

// Several threads: the charger reads while the second hub starts. One that does not may find its socket reset.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_hubs_with_one_name_the_first_one_ends() {
    let mut cluster = Cluster::start(1, "single", &[]);
    cluster
        .sees(0, "it has joined", |view| view["incarnation"].is_number())
        .await;
    let mut charger = cluster.booted(0, "CP").await;
    let goodbye = tokio::spawn(async move { charger.closed().await });
    cluster.add(&[("CLUSTER__NAME", "hub-0")]);
    assert_eq!(cluster.hubs[0].ended().await, Some(1));
    let goodbye = goodbye.await.expect("it reads").expect("a close frame");
    assert_eq!(goodbye.code, CloseCode::Restart, "it was drained");
    let mut back = Charger::connect(cluster.chargers(1), "CP", Dialect::V16).await;
    back.boot(Dialect::V16).await;
}

#[test]
fn a_hub_whose_cluster_cannot_be_is_told_what_to_set() {
    let hub = HubProcess::start(&[]);
    let redis = Servers::up("single");
    let wrong_password = redis.url().replace("://", "://hub:wrong@");
    let no_redis = format!("redis://{}", hub.api_address);
    for (settings, word) in [
        (
            vec![
                ("CLUSTER__REDIS", "localhost:6379"),
                ("CLUSTER__ADDRESS", "127.0.0.1:9222"),
            ],
            "redis+sentinel://",
        ),
        (
            vec![("CLUSTER__REDIS", "redis://localhost")],
            "cluster.address",
        ),
        (
            vec![
                ("CLUSTER__REDIS_FILE", "/nowhere/url"),
                ("CLUSTER__ADDRESS", "127.0.0.1:9222"),
            ],
            "/nowhere/url",
        ),
        (
            vec![
                ("CLUSTER__REDIS", &*wrong_password),
                ("CLUSTER__ADDRESS", "127.0.0.1:9222"),
                ("DATA__DIR", "another"),
            ],
            "check user and password",
        ),
        (
            vec![
                ("CLUSTER__REDIS", &*no_redis),
                ("CLUSTER__ADDRESS", "127.0.0.1:9222"),
                ("DATA__DIR", "another"),
            ],
            "is no Redis",
        ),
    ] {
        let mut command = hub.command();
        for (key, value) in settings {
            command.env(format!("SWITCHYARD_{key}"), value);
        }
        let tried = command.output().expect("the hub runs");
        let said = String::from_utf8_lossy(&tried.stderr);
        assert!(!tried.status.success() && said.contains(word), "{said}");
    }
}
