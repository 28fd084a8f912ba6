//! Rules for placements with many nodes. Time runs five times as fast in them.

use std::{
    ops::ControlFlow::{Break, Continue},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Bench, event, station, until};
use crate::{Event, Placement, SHARDS, ShardId, Timing};

const NOW: i64 = 1_764_000_000_000;

fn fast() -> Timing {
    Timing::default().sped_up(5)
}

fn held(node: &dyn Placement) -> usize {
    ShardId::all()
        .filter(|shard| node.shard_epoch(*shard).is_some())
        .count()
}

async fn three(bench: &dyn Bench) -> [Box<dyn Placement>; 3] {
    let a = bench.node("hub-a", fast()).await;
    let b = bench.node("hub-b", fast()).await;
    let c = bench.node("hub-c", fast()).await;
    for node in [&a, &b, &c] {
        until("it takes part", async || node.view().incarnation.is_some()).await;
    }
    [a, b, c]
}

/// All shards are held, by each about its share.
async fn spread(nodes: &[&dyn Placement]) {
    until("the shards are spread", async || {
        let shares: Vec<usize> = nodes.iter().map(|node| held(*node)).collect();
        let mean = usize::from(SHARDS) / nodes.len();
        shares.iter().sum::<usize>() == usize::from(SHARDS)
            && shares.iter().all(|share| *share > mean * 3 / 4)
    })
    .await;
}

/// Lets everything go at once that is to leave.
fn obey(node: &dyn Placement) {
    let mut events = node.events().expect("nobody else listens");
    tokio::spawn(async move { while events.recv().await.is_some() {} });
}

/// Across nodes, at once.
pub async fn the_newest_socket_wins_and_the_old_one_is_told(bench: &dyn Bench) {
    let [a, b, _c] = three(bench).await;
    let mut told = a.events().expect("nobody else listens");
    let cp = station("CP-1");
    let first = a.claim(&cp, NOW).await;
    let second = b.claim(&cp, NOW).await;
    assert!(second.epoch > first.epoch && !second.provisional);
    let epoch = event(&mut told, "a is told", |event| match event {
        Event::Evicted { station, epoch } if station == cp => Break(epoch),
        _ => Continue(()),
    });
    assert!(epoch.await >= first.epoch);
    assert!(!a.has(&cp, first.epoch) && b.has(&cp, second.epoch));
    // What the old one still does is late.
    a.release(&cp, first.epoch);
    assert!(b.has(&cp, second.epoch));
}

/// Whether what a node remembers of a charger still holds.
pub async fn a_claim_tells_whether_another_came_between(bench: &dyn Bench) {
    let [a, b, _c] = three(bench).await;
    obey(&*a);
    obey(&*b);
    let cp = station("CP-1");
    // A claim that was released is remembered for a minute after its epoch.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis() as i64;
    let first = a.claim(&cp, now).await;
    assert!(first.continues(0), "nobody held it before");
    let second = a.claim(&cp, now).await;
    assert!(second.continues(first.epoch) && !second.continues(0));
    a.release(&cp, second.epoch);
    let third = a.claim(&cp, now).await;
    assert!(third.continues(second.epoch), "it was only released");
    let elsewhere = b.claim(&cp, now).await;
    assert!(!elsewhere.continues(0));
    b.release(&cp, elsewhere.epoch);
    let back = a.claim(&cp, now).await;
    assert!(!back.continues(third.epoch), "{back:?}");
}

/// And by its node, nowhere else.
pub async fn a_charger_is_found_from_every_node(bench: &dyn Bench) {
    let [a, b, c] = three(bench).await;
    let cp = station("CP-1");
    let claim = b.claim(&cp, NOW).await;
    for (node, here) in [(&a, false), (&b, true), (&c, false)] {
        // A node knows another from the next round on.
        until("it is found", async || {
            node.locate(&cp).await.is_ok_and(|found| found.is_some())
        })
        .await;
        let found = node.locate(&cp).await.expect("it answers").expect("found");
        assert_eq!((found.epoch, found.here), (claim.epoch, here));
        assert_eq!(
            (found.node.name.as_str(), found.node.address.as_str()),
            ("hub-b", "hub-b:1")
        );
    }
    b.release(&cp, claim.epoch);
    until("it is nowhere", async || a.locate(&cp).await == Ok(None)).await;
}

/// Epochs rise with each hop.
pub async fn a_charger_that_hops_is_held_once(bench: &dyn Bench) {
    let nodes = three(bench).await;
    for node in &nodes {
        obey(&**node);
    }
    let cp = station("CP-1");
    let mut last = 0;
    for hop in 0..300 {
        let epoch = nodes[hop % 3].claim(&cp, NOW).await.epoch;
        assert!(epoch > last);
        last = epoch;
    }
    until("one node holds it", async || {
        let holders = nodes.iter().filter(|node| node.view().chargers_here == 1);
        holders.count() == 1
    })
    .await;
    assert!(nodes[299 % 3].has(&cp, last));
}

/// At any instant.
pub async fn shards_are_spread_and_none_has_two_nodes(bench: &dyn Bench) {
    let a = bench.node("hub-a", fast()).await;
    obey(&*a);
    spread(&[&*a]).await;
    let b = bench.node("hub-b", fast()).await;
    let c = bench.node("hub-c", fast()).await;
    obey(&*b);
    obey(&*c);
    until("the shards are spread", async || {
        for shard in ShardId::all() {
            let nodes = [&a, &b, &c];
            // Asked one after the other: a shard that moves meanwhile is seen twice only under two epochs.
            let epochs: Vec<i64> = nodes
                .iter()
                .filter_map(|node| node.shard_epoch(shard))
                .collect();
            assert!(
                epochs.len() < 2 || epochs[0] < epochs[1],
                "{shard:?} has two nodes"
            );
        }
        let shares = [held(&*a), held(&*b), held(&*c)];
        shares.iter().sum::<usize>() == usize::from(SHARDS)
            && shares.iter().all(|share| *share > 256)
    })
    .await;
}

/// And nobody acts for them in between.
pub async fn a_node_that_leaves_hands_its_shards_over_first(bench: &dyn Bench) {
    let a = bench.node("hub-a", fast()).await;
    let b = bench.node("hub-b", fast()).await;
    obey(&*b);
    let mut events = a.events().expect("nobody else listens");
    until("the shards are spread", async || {
        held(&*a) > 256 && held(&*b) > 256
    })
    .await;
    let give_up = a.give_up_shards();
    let hand_over = async {
        loop {
            let leaving = event(&mut events, "a shard leaves", |event| match event {
                Event::ShardLeaving { shard, hand_over } => Break((shard, hand_over)),
                _ => Continue(()),
            });
            let (shard, hand_over) = leaving.await;
            assert_eq!(b.shard_epoch(shard), None, "it has not been handed over");
            assert!(a.shard_epoch(shard).is_some());
            drop(hand_over);
        }
    };
    tokio::select! {
        () = give_up => {}
        () = hand_over => {}
    }
    assert_eq!(held(&*a), 0);
    let cp = station("CP-1");
    a.claim(&cp, NOW).await;
    let found = b.locate(&cp).await.expect("it answers");
    assert!(found.is_some(), "its chargers are still there");
    a.leave().await;
    until("its lease has ended", async || {
        b.locate(&cp).await == Ok(None)
    })
    .await;
    spread(&[&*b]).await;
}

/// Whoever comes after it may have to wait for that. It is its first word when it is back.
pub async fn what_a_node_has_not_written_is_known_when_it_has_left(bench: &dyn Bench) {
    let [a, b, c] = three(bench).await;
    let seen = |name: &str| {
        let nodes = b.view().nodes.into_iter();
        let latest = nodes.filter(|node| node.name == name);
        latest
            .max_by_key(|node| node.incarnation)
            .map(|node| (node.alive, node.unwritten))
    };
    a.tell_unwritten(true).await;
    assert_eq!(seen("hub-a"), Some((true, true)), "it is known by then");
    obey(&*a);
    obey(&*c);
    a.leave().await;
    c.leave().await;
    until("both have gone", async || seen("hub-c").is_none()).await;
    assert_eq!(seen("hub-a"), Some((false, true)));
    bench.wipe().await;
    b.tell_unwritten(false).await;
    assert_eq!(seen("hub-a"), Some((false, true)), "b remembers it");
    let again = bench.node("hub-a", fast()).await;
    until("it is back, with nothing", async || {
        seen("hub-a") == Some((true, false))
    })
    .await;
    drop(again);
}

/// When its lease has run out, under higher epochs.
pub async fn the_shards_of_a_dead_node_go_to_others(bench: &dyn Bench) {
    let nodes = three(bench).await;
    for node in &nodes {
        obey(&**node);
    }
    spread(&nodes.each_ref().map(|node| &**node)).await;
    let [a, b, c] = nodes;
    let before: Vec<_> = ShardId::all().map(|shard| c.shard_epoch(shard)).collect();
    let kept: Vec<_> = ShardId::all().map(|shard| a.shard_epoch(shard)).collect();
    drop(c);
    spread(&[&*a, &*b]).await;
    for (shard, old) in ShardId::all().zip(before) {
        let now = a.shard_epoch(shard).or(b.shard_epoch(shard));
        assert!(old.is_none_or(|old| now.expect("all are held") > old));
    }
    for (shard, kept) in ShardId::all().zip(kept) {
        assert!(
            kept.is_none() || a.shard_epoch(shard) == kept,
            "it need not have moved"
        );
    }
}

/// And all is as before when it is back.
pub async fn while_it_is_away_claims_are_provisional_and_nodes_are_fenced(bench: &dyn Bench) {
    let a = bench.node("hub-a", fast()).await;
    let mut events = a.events().expect("nobody else listens");
    spread(&[&*a]).await;
    let (old, new) = (station("CP-1"), station("CP-2"));
    let before = a.claim(&old, NOW).await;
    bench.away(true).await;
    event(&mut events, "it fences itself", |event| match event {
        Event::Fenced => Break(()),
        _ => Continue(()),
    })
    .await;
    assert_eq!(held(&*a), 0);
    assert!(
        a.has(&old, before.epoch),
        "connected chargers are untouched"
    );
    let claim = a.claim(&new, NOW).await;
    assert_eq!((claim.epoch, claim.provisional), (NOW, true));
    assert!(a.has(&new, NOW) && a.view().chargers_provisional == 1);
    assert!(!a.view().backend.up && a.view().fenced);
    bench.away(false).await;
    until("it is confirmed", async || {
        a.view().chargers_provisional == 0
    })
    .await;
    spread(&[&*a]).await;
    assert!(a.has(&old, before.epoch) && a.has(&new, NOW));
}

/// Nobody is evicted by it, and no shard moves.
pub async fn after_a_wipe_claims_and_shards_are_written_down_again(bench: &dyn Bench) {
    let nodes = [
        bench.node("hub-a", fast()).await,
        bench.node("hub-b", fast()).await,
    ];
    let [a, b] = &nodes;
    obey(&**b);
    let mut events = a.events().expect("nobody else listens");
    spread(&[&**a, &**b]).await;
    // Events come after what they tell of is to be seen.
    until("all moves were told", async || {
        let moves = a.view().happened;
        moves.shards_gained == moves.shards_given + moves.shards_lost + held(&**a) as u64
    })
    .await;
    let moves = a.view().happened;
    for _ in 0..moves.shards_gained + moves.shards_given + moves.shards_lost {
        event(&mut events, "a shard moved", Break).await;
    }
    let mut epochs = Vec::new();
    for n in 0..500 {
        let cp = station(&format!("CP-{n}"));
        epochs.push((a.claim(&cp, NOW).await.epoch, cp));
    }
    let shards: Vec<_> = ShardId::all().map(|shard| a.shard_epoch(shard)).collect();
    bench.wipe().await;
    for (epoch, cp) in &epochs {
        until("it is found by the other node", async || {
            let found = b.locate(cp).await;
            found.is_ok_and(|found| found.is_some_and(|found| found.epoch == *epoch && !found.here))
        })
        .await;
        assert!(a.has(cp, *epoch));
    }
    until("it is quiet no more", async || {
        !a.view().quiet && !b.view().quiet
    })
    .await;
    spread(&[&**a, &**b]).await;
    let after: Vec<_> = ShardId::all().map(|shard| a.shard_epoch(shard)).collect();
    assert!(shards == after, "shards moved");
    if let Ok(event) = events.try_recv() {
        panic!("{event:?}");
    }
}

/// And it is the one that the store would take.
pub async fn two_provisional_claims_leave_one_in_the_end(bench: &dyn Bench) {
    let [a, b, _c] = three(bench).await;
    bench.away(true).await;
    let cp = station("CP-1");
    let low = a.claim(&cp, NOW).await;
    let high = b.claim(&cp, NOW + 3).await;
    assert!(low.provisional && high.provisional);
    let equal = station("CP-2");
    a.claim(&equal, NOW).await;
    b.claim(&equal, NOW).await;
    bench.away(false).await;
    until("one is evicted", async || !a.has(&cp, low.epoch)).await;
    assert!(b.has(&cp, high.epoch));
    until("one of equals is evicted", async || {
        a.has(&equal, NOW) != b.has(&equal, NOW)
    })
    .await;
    for node in [&a, &b] {
        until("all are confirmed", async || {
            node.view().chargers_provisional == 0
        })
        .await;
    }
    assert!(a.has(&equal, NOW) != b.has(&equal, NOW));
}

/// As soon as that hears of it.
pub async fn a_second_process_of_one_name_puts_the_first_out(bench: &dyn Bench) {
    let first = bench.node("hub-a", fast()).await;
    let mut events = first.events().expect("nobody else listens");
    spread(&[&*first]).await;
    let second = bench.node("hub-a", fast()).await;
    obey(&*second);
    event(&mut events, "it is told", |event| match event {
        Event::Superseded => Break(()),
        _ => Continue(()),
    })
    .await;
    assert_eq!(held(&*first), 0);
    spread(&[&*second]).await;
}
