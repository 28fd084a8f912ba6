//! Somebody writes into what the nodes share what no node has written: it is removed, nobody is fenced, and no shard has
//! two nodes.

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Servers, cli, node, options, until};
use model::StationId;
use placement::{Node, Placement, ShardId, Timing};
use placement_redis::RedisBackend;

const NODES: &str = "switchyard:{hubs}:nodes";
const SHARDS: &str = "switchyard:{hubs}:shards";
const MEMORY: &str = "switchyard:{hubs}:memory";
const CLAIM: &str = "switchyard:c:CP-1";

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_millis() as i64
}

fn station() -> StationId {
    StationId::new("CP-1").expect("a name")
}

fn held(node: &dyn Placement) -> Vec<Option<i64>> {
    let shards = ShardId::all().map(|shard| node.shard_epoch(shard));
    shards.collect()
}

/// Two nodes that have shared out the shards, and let go what is to leave.
async fn two(servers: &Servers) -> [Node<RedisBackend>; 2] {
    let options = servers.options();
    let nodes = ["hub-a", "hub-b"].map(|name| node(&options, name, Timing::default().sped_up(5)));
    for node in &nodes {
        let mut events = node.events().expect("nobody else listens");
        tokio::spawn(async move { while events.recv().await.is_some() {} });
    }
    until("the shards are spread", 40, async || {
        let counts = nodes
            .each_ref()
            .map(|node| held(node).iter().flatten().count());
        counts.iter().sum::<usize>() == 1024 && counts.iter().all(|count| *count > 256)
    })
    .await;
    nodes
}

/// Looks, until it is quiet no more, that both act for what they acted for, and none is fenced.
async fn nothing_moves(
    nodes: &[Node<RedisBackend>; 2],
    before: &[Vec<Option<i64>>; 2],
    what: &str,
) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    let mut was_quiet = false;
    loop {
        let quiet = nodes.iter().any(|node| node.view().quiet);
        was_quiet |= quiet;
        for (node, before) in nodes.iter().zip(before) {
            let view = node.view();
            assert!(!view.fenced && view.backend.up, "{what}: {view:?}");
            assert!(held(node) == *before, "{what}: shards moved");
        }
        let settled = nodes.iter().all(|node| node.view().nodes.len() == 2);
        if was_quiet && !quiet && settled {
            return;
        }
        assert!(std::time::Instant::now() < end, "{what}: {was_quiet}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_took_the_place_of_leases_and_shards_is_removed_and_nothing_moves() {
    let servers = Servers::up("single");
    let port = servers.port();
    let nodes = two(&servers).await;
    let before = nodes.each_ref().map(|node| held(node));
    let me = nodes[0]
        .view()
        .incarnation
        .expect("it has joined")
        .to_string();
    let far = "9223372036854775807";
    let long = "x".repeat(100_000);
    for (key, field, value) in [
        (NODES, &*me, "garbage"),
        (NODES, &me, ""),
        (NODES, &me, &long),
        (NODES, &me, &format!("{far} 1 1 0 0 0 0 0 1 a b")),
        (NODES, &me, "1e9 1 1 0 0 0 0 0 1 a b"),
        (NODES, "17", "-5 1 1 0 0 0 0 0 1 a b"),
        (SHARDS, "7", "garbage"),
        (SHARDS, "7", &format!("{me} {far}")),
        (SHARDS, "7", &format!("{me} -4")),
        (SHARDS, "7", &format!("somebody {}", now())),
        (MEMORY, "last", "yesterday"),
        (MEMORY, "version", "-1"),
        (MEMORY, "quiet", far),
    ] {
        cli(port, &["hset", key, field, value]);
        nothing_moves(&nodes, &before, &format!("{key} {field} {:.40}", value)).await;
        let there = cli(port, &["hget", key, field]);
        assert!(there != value, "{key} {field} is {there:.80}");
    }
    cli(port, &["hdel", NODES, &me]);
    nothing_moves(&nodes, &before, "a lease is taken away").await;
    for key in [NODES, SHARDS, MEMORY] {
        cli(port, &["set", key, "no hash"]);
        nothing_moves(&nodes, &before, key).await;
        cli(port, &["del", key]);
        nothing_moves(&nodes, &before, key).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_took_nobodys_place_is_removed_and_not_even_waited_for() {
    let servers = Servers::up("single");
    let port = servers.port();
    let nodes = two(&servers).await;
    let before = nodes.each_ref().map(|node| held(node));
    for (key, field) in [
        (NODES, "garbage"),
        (SHARDS, "1024"),
        (SHARDS, "\u{1}\u{ff}"),
    ] {
        cli(port, &["hset", key, field, "\u{2}garbage\u{fe}"]);
        until("it is removed", 10, async || {
            assert!(nodes.iter().all(|node| !node.view().quiet));
            cli(port, &["hexists", key, field]) == "0"
        })
        .await;
        assert!(nodes.each_ref().map(|node| held(node)) == before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_into_the_far_future_ends_like_any_other() {
    let servers = Servers::up("single");
    let port = servers.port();
    let [a, b] = two(&servers).await;
    let lease = |node: &Node<RedisBackend>| node.view().incarnation.expect("it has joined");
    let gone = lease(&b).to_string();
    let record = cli(port, &["hget", NODES, &gone]);
    drop(b);
    let (_, rest) = record.split_once(' ').expect("words");
    let far = now() + 3_600_000;
    cli(port, &["hset", NODES, &gone, &format!("{far} {rest}")]);
    cli(port, &["hset", MEMORY, "quiet", &far.to_string()]);
    until("the other one has its shards", 20, async || {
        held(&a).iter().flatten().count() == 1024
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_socket_wins_over_a_claim_that_cannot_be_read_and_the_one_before_is_told() {
    let servers = Servers::up("single");
    let port = servers.port();
    let [a, b] = two(&servers).await;
    let garble = |value: &str| {
        cli(port, &["set", CLAIM, value]);
    };
    let mut last = a.claim(&station(), now()).await;
    let mut holders = [&a, &b];
    for value in [
        "garbage",
        "",
        "-4 17",
        "9223372036854775807 17",
        "12 somebody",
        "list",
    ] {
        match value {
            "list" => {
                cli(port, &["del", CLAIM]);
                cli(port, &["rpush", CLAIM, "1"]);
            }
            value => garble(value),
        }
        let [old, new] = holders;
        // A hub whose clock is behind.
        let claim = new.claim(&station(), last.epoch - 500_000).await;
        assert!(
            claim.epoch > last.epoch && !claim.provisional,
            "{value:?}: {claim:?} after {last:?}"
        );
        until("the one before is told", 10, async || {
            !old.has(&station(), last.epoch)
        })
        .await;
        assert!(new.has(&station(), claim.epoch));
        let found = old.locate(&station()).await.expect("it answers");
        assert_eq!(found.map(|found| found.epoch), Some(claim.epoch));
        last = claim;
        holders = [new, old];
    }
    // What nobody wins over is written down again by whose it is.
    let mut settings = placement::Settings::new("hub-c", "hub-c:1");
    (settings.timing, settings.audit_s) = (Timing::default().sped_up(5), 1);
    let backend = RedisBackend::new(&options(servers.url())).expect("it can be addressed");
    let c = Node::start(backend, settings);
    until("it takes part", 20, async || c.view().incarnation.is_some()).await;
    let claim = c.claim(&station(), now() + 1_000_000).await;
    garble("garbage");
    until("it is written down again", 20, async || {
        cli(port, &["get", CLAIM]).starts_with(&claim.epoch.to_string())
    })
    .await;
    cli(port, &["del", CLAIM]);
    cli(port, &["rpush", CLAIM, "1"]);
    c.release(&station(), claim.epoch);
    let again = a.claim(&station(), now()).await;
    assert!(!again.provisional);
}

/// Of a node that holds shards, nobody takes one before its lease is over, also when nothing is to be read of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shards_of_a_node_whose_lease_cannot_be_read_are_given_anew_when_it_is_gone() {
    let servers = Servers::up("single");
    let port = servers.port();
    let [a, b] = two(&servers).await;
    let gone = b.view().incarnation.expect("it has joined").to_string();
    let before = held(&a);
    drop(b);
    let began = std::time::Instant::now();
    cli(port, &["hset", NODES, &gone, "garbage"]);
    cli(port, &["hset", SHARDS, "7", "garbage"]);
    until("the other one has its shards", 20, async || {
        held(&a).iter().flatten().count() == 1024
    })
    .await;
    // Two seconds, sped up.
    assert!(began.elapsed() > Duration::from_millis(1_900));
    let kept = before.iter().zip(held(&a)).filter(|(old, _)| old.is_some());
    assert!(kept.clone().all(|(old, new)| *old == new), "some moved");
}
