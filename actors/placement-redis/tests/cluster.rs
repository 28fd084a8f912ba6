//! The rules of every placement, on a Redis Cluster of six servers; and one of its masters dies.

mod common;

use common::{Servers, cli, node, until};
use model::StationId;
use placement::{Placement, Timing, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_keep_the_rules() {
    // One cluster for all, each on memory of its own.
    let servers = Servers::up("cluster");
    use placement::contract::Bench;
    contract::nodes::the_newest_socket_wins_and_the_old_one_is_told(&servers).await;
    servers.wipe().await;
    contract::nodes::a_charger_is_found_from_every_node(&servers).await;
    servers.wipe().await;
    contract::nodes::a_charger_that_hops_is_held_once(&servers).await;
    servers.wipe().await;
    contract::nodes::after_a_wipe_claims_and_shards_are_written_down_again(&servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_the_place_of_each_master_and_no_claim_is_lost() {
    let servers = Servers::up("cluster");
    let a = node(&servers.options(), "hub-a", Timing::default().sped_up(5));
    let b = node(&servers.options(), "hub-b", Timing::default().sped_up(5));
    for node in [&a, &b] {
        until("it takes part", 20, async || {
            node.view().incarnation.is_some()
        })
        .await;
    }
    let mut claims = Vec::new();
    for n in 0..300 {
        let cp = StationId::new(&format!("CP-{n}")).expect("a name");
        claims.push((a.claim(&cp, 1_764_000_000_000).await.epoch, cp));
    }
    let mut ports = servers.ports();
    ports.retain(|port| cli(*port, &["role"]).starts_with("master"));
    let dead = ports[0];
    servers.signal(dead, "-KILL");
    ports.remove(0);
    // Claims whose master is dead are provisional until the replica has its place.
    until("all claims can be confirmed again", 40, async || {
        a.view().backend.up && cli(ports[0], &["cluster", "info"]).contains("cluster_state:ok")
    })
    .await;
    for (epoch, cp) in &claims {
        until("it is found by the other node", 40, async || {
            let found = b.locate(cp).await;
            found.is_ok_and(|found| found.is_some_and(|found| found.epoch == *epoch))
        })
        .await;
        assert!(a.has(cp, *epoch));
        // A node whose connections have just broken claims without the others, for a moment.
        until("the other node's claim is written down", 40, async || {
            let next = b.claim(cp, *epoch).await;
            assert!(next.provisional || next.epoch > *epoch);
            !next.provisional
        })
        .await;
    }
}
