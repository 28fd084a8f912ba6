//! A master dies, Sentinels put a replica in its place: nothing moves, nobody is lost.

mod common;

use std::time::Instant;

use common::{Servers, cli, node, until};
use model::StationId;
use placement::{Event, Placement, ShardId, Timing};

const NOW: i64 = 1_764_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fail_over_moves_no_shard_and_no_charger() {
    let servers = Servers::up("sentinel");
    // At its real speed: the fail-over takes 2 s, a lease 10.
    let a = node(&servers.options(), "hub-a", Timing::default());
    let b = node(&servers.options(), "hub-b", Timing::default());
    let mut events = a.events().expect("nobody else listens");
    let mut others = b.events().expect("nobody else listens");
    tokio::spawn(async move { while others.recv().await.is_some() {} });
    let held = |node: &dyn Placement| {
        let shards = ShardId::all().map(|shard| node.shard_epoch(shard));
        shards.collect::<Vec<_>>()
    };
    until("the shards are spread", 40, async || {
        let count = |node: &dyn Placement| held(node).iter().flatten().count();
        count(&a) + count(&b) == 1024
    })
    .await;
    while events.try_recv().is_ok() {}
    let (held_a, held_b) = (held(&a), held(&b));
    let mut claims = Vec::new();
    for n in 0..200 {
        let cp = StationId::new(&format!("CP-{n}")).expect("a name");
        claims.push((a.claim(&cp, NOW).await.epoch, cp));
    }

    let mut ports = servers.ports();
    ports.retain(|port| cli(*port, &["info", "replication"]).contains("role:master"));
    let killed = Instant::now();
    servers.signal(ports[0], "-KILL");
    until("the old memory is gone", 5, async || !a.view().backend.up).await;
    // In between, a socket opens.
    let between = StationId::new("CP-BETWEEN").expect("a name");
    let claim = a.claim(&between, NOW).await;
    assert!(claim.provisional && claim.epoch == NOW);
    until("the new master answers", 20, async || {
        a.view().backend.up && b.view().backend.up
    })
    .await;
    eprintln!("the new master was found after {:?}", killed.elapsed());
    until("all is confirmed", 20, async || {
        a.view().chargers_provisional == 0
    })
    .await;
    claims.push((claim.epoch, between));
    for (epoch, cp) in &claims {
        until("it is found by the other node", 20, async || {
            let found = b.locate(cp).await;
            found.is_ok_and(|found| found.is_some_and(|found| found.epoch == *epoch))
        })
        .await;
        assert!(a.has(cp, *epoch));
    }
    until("it is quiet no more", 30, async || {
        !a.view().quiet && !b.view().quiet
    })
    .await;
    assert!(held(&a) == held_a && held(&b) == held_b, "shards moved");
    while let Ok(event) = events.try_recv() {
        assert!(
            !matches!(event, Event::Evicted { .. } | Event::Fenced),
            "{event:?}"
        );
    }
    // Notices come over the new master.
    let (epoch, cp) = &claims[0];
    let taken = b.claim(cp, NOW).await;
    assert!(taken.epoch > *epoch && !taken.provisional);
    until("a is told", 10, async || !a.has(cp, *epoch)).await;
}
