//! Hubs that run and cannot reach Redis, or each other: chargers stay where they are, nobody acts for a site whose lease
//! may have ended, and all is as before once the network is whole again.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    bench::{Cluster, living, node},
    sites::Spread,
};
use crate::power::{FLOOR_A, floors_are_kept, of};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_cut_off_from_redis_keeps_its_chargers_and_gives_its_sites_up() {
    let cluster = Cluster::apart(3, &[("CHARGERS__ADMISSION", "accept")]);
    cluster.shares_sites().await;
    let mut stays = cluster.booted(2, "STAYS").await;
    let mut moves = cluster.booted(2, "MOVES").await;
    cluster.lines[2].redis.cut();
    cluster
        .sees(2, "it knows that it is cut off", |view| {
            view["fenced"] == true && view["backend"]["up"] == false
        })
        .await;
    for hub in [0, 1] {
        cluster
            .sees(hub, "the others have its sites", |view| {
                living(view).count() == 2 && view["shards_unowned"] == 0
            })
            .await;
    }
    stays.call("Heartbeat", json!({})).await;
    let mut new = cluster.booted(2, "NEW").await;
    let mut moved = cluster.booted(0, "MOVES").await;
    // The hub it was at does not hear of it, and so keeps its socket.
    moves.call("Heartbeat", json!({})).await;

    cluster.lines[2].redis.mend();
    let goodbye = moves.closed().await.expect("a close frame");
    assert_eq!(goodbye.code, CloseCode::Policy);
    cluster.shares_sites().await;
    cluster
        .sees(0, "two chargers are there for sure", |view| {
            node(view, "hub-2")["chargers"] == 2
        })
        .await;
    cluster
        .sees(2, "it holds what it holds", |view| {
            view["fenced"] == false && view["chargers_provisional"] == 0
        })
        .await;
    for charger in [&mut stays, &mut moved, &mut new] {
        charger.call("Heartbeat", json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_to_a_hub_that_cannot_be_reached_is_not_carried_out_later() {
    let cluster = Cluster::apart(2, &[("CHARGERS__ADMISSION", "accept")]);
    for hub in [0, 1] {
        drop(cluster.booted(hub, "CP").await);
    }
    let mut charger = cluster.booted(1, "CP").await;
    cluster
        .sees(0, "it is there", |view| {
            node(view, "hub-1")["chargers"] == 1
        })
        .await;
    let transfer = |marker: &str| {
        let payload = json!({"vendorId": "cut", "messageId": marker});
        let body = json!({"action": "DataTransfer", "payload": payload, "timeout_s": 3});
        cluster.apis[0].post("/stations/CP/commands", body)
    };
    let accepts = json!({"status": "Accepted"});
    let (before, _) = tokio::join!(transfer("before"), charger.answer(accepts.clone()));
    assert_eq!(before["state"], "answered", "{before}");
    cluster.lines[1].peers.cut();
    let cut = transfer("cut").await;
    assert_ne!(cut["state"], "answered", "{cut}");
    charger.call("Heartbeat", json!({})).await;

    cluster.lines[1].peers.mend();
    let (after, (_, heard)) = tokio::join!(transfer("after"), charger.answer(accepts));
    assert_eq!(heard["messageId"], "after", "the other was given up");
    assert_eq!(after["state"], "answered", "{after}");
    let more = timeout(Duration::from_secs(3), charger.read_message()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stations_that_their_site_cannot_reach_keep_their_floors() {
    let spread = Spread::over(2, |settings| Cluster::apart(3, settings)).await;
    spread.both_charge_with_half_of_it().await;
    for lines in &spread.cluster.lines {
        lines.peers.cut();
    }
    spread
        .sees(2, "it hears of neither", |view| {
            ["A", "B"].iter().all(|it| of(view, it)["online"] == false)
        })
        .await;
    spread
        .flow("both have their floors", |flows| {
            flows.offered_by("A") == FLOOR_A && flows.offered_by("B") == FLOOR_A
        })
        .await;
    for lines in &spread.cluster.lines {
        lines.peers.mend();
    }
    spread
        .sees(2, "it hears of both", |view| {
            ["A", "B"].iter().all(|it| of(view, it)["online"] == true)
        })
        .await;
    spread.both_charge_with_half_of_it().await;
    spread.is_within_its_limit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_hub_is_cut_off_from_redis_goes_to_another_which_alone_commands() {
    let spread = Spread::over(2, |settings| Cluster::apart(3, settings)).await;
    spread.both_charge_with_half_of_it().await;
    spread.cluster.lines[2].redis.cut();
    spread.moves(0).await;
    let before = spread.grants(2).await;
    let next = usize::from(spread.hub(0).await == "hub-1");
    spread
        .sees(1 - next, "the next one knows both", |view| {
            floors_are_kept(view) && view["learns_until"].is_null()
        })
        .await;
    spread.both_charge_with_half_of_it().await;
    assert_eq!(spread.grants(2).await, before);
    spread.is_within_its_limit();
    // With a store of its own it would now go by what it remembers, not by what the other one did meanwhile.
    #[cfg(feature = "cql")]
    {
        spread.cluster.lines[2].redis.mend();
        spread.cluster.shares_sites().await;
        spread.both_charge_with_half_of_it().await;
        spread.is_within_its_limit();
    }
}
