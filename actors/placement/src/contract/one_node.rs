//! Rules for every placement, with one node.

use std::collections::BTreeSet;

use super::{station, until};
use crate::{Placement, SHARDS, ShardId};

const NOW: i64 = 1_764_000_000_000;

/// The epoch is what the caller asks for, or more.
pub async fn a_claim_is_never_lower_than_told(placement: &dyn Placement) {
    let cp = station("CP-1");
    for at_least in [NOW, NOW + 60_000, NOW + 5] {
        let claim = placement.claim(&cp, at_least).await;
        assert!(claim.epoch >= at_least);
        assert!(placement.has(&cp, claim.epoch));
    }
}

/// Whatever the caller asks for.
pub async fn a_later_claim_is_higher_and_replaces_the_earlier(placement: &dyn Placement) {
    let cp = station("CP-1");
    let first = placement.claim(&cp, NOW).await.epoch;
    let second = placement.claim(&cp, NOW).await.epoch;
    let third = placement.claim(&cp, NOW - 1_000_000).await.epoch;
    assert!(first < second && second < third);
    assert!(!placement.has(&cp, first) && !placement.has(&cp, second));
    let location = placement.locate(&cp).await.expect("it answers");
    assert_eq!(
        location.map(|found| (found.epoch, found.here)),
        Some((third, true))
    );
}

/// As is one that never was.
pub async fn a_released_charger_is_nowhere(placement: &dyn Placement) {
    let cp = station("CP-1");
    // A node that has not joined yet cannot tell.
    until("it answers", async || placement.view().backend.up).await;
    assert_eq!(placement.locate(&cp).await, Ok(None));
    let epoch = placement.claim(&cp, NOW).await.epoch;
    placement.release(&cp, epoch);
    assert!(!placement.has(&cp, epoch));
    until("it is nowhere", async || {
        placement.locate(&cp).await == Ok(None)
    })
    .await;
}

/// Nor one of a charger that nobody holds.
pub async fn a_release_of_an_older_claim_changes_nothing(placement: &dyn Placement) {
    let cp = station("CP-1");
    placement.release(&cp, NOW);
    let first = placement.claim(&cp, NOW).await.epoch;
    let second = placement.claim(&cp, NOW).await.epoch;
    placement.release(&cp, first);
    assert!(placement.has(&cp, second));
}

/// Even where the clock of who asks next is slow.
pub async fn epochs_do_not_go_back_after_a_release(placement: &dyn Placement) {
    until("it takes part", async || {
        placement.view().incarnation.is_some()
    })
    .await;
    let cp = station("CP-1");
    // Later than any clock here.
    let ahead = 4_000_000_000_000;
    let first = placement.claim(&cp, ahead).await.epoch;
    placement.release(&cp, first);
    until("it is nowhere", async || {
        placement.locate(&cp).await == Ok(None)
    })
    .await;
    let second = placement.claim(&cp, NOW).await.epoch;
    assert!(second > first, "{second} comes after {first}");
}

/// They may come in any order.
pub async fn claims_at_once_have_different_epochs(placement: &dyn Placement) {
    let cp = station("CP-1");
    until("it takes part", async || {
        placement.view().incarnation.is_some()
    })
    .await;
    let claims = (0..32).map(|_| placement.claim(&cp, NOW));
    let claims = futures_util::future::join_all(claims).await;
    let epochs: BTreeSet<i64> = claims.iter().map(|claim| claim.epoch).collect();
    assert_eq!(epochs.len(), 32);
    let last = epochs.last().copied().expect("32");
    assert!(placement.has(&cp, last));
    assert_eq!(placement.view().chargers_here, 1);
}

/// Names are taken as they are.
pub async fn chargers_do_not_get_into_each_others_way(placement: &dyn Placement) {
    let names = ["CP", "cp", "CP ", "C{P}", "C:P", "Säule 1", "%00", "*"];
    let mut epochs = Vec::new();
    for name in names {
        epochs.push(placement.claim(&station(name), NOW).await.epoch);
    }
    placement.release(&station("CP"), epochs[0]);
    for (name, epoch) in names.iter().zip(epochs).skip(1) {
        assert!(placement.has(&station(name), epoch), "{name:?}");
    }
}

/// By a node that is alone.
pub async fn every_shard_is_held_in_the_end(placement: &dyn Placement) {
    until("all shards are held", async || {
        ShardId::all().all(|shard| placement.shard_epoch(shard).is_some())
    })
    .await;
    let shard = ShardId::new(17).expect("there is one");
    let node = placement.shard_node(shard).expect("somebody holds it");
    assert_eq!(node.name, placement.view().me);
}

/// So nobody misses any.
pub async fn events_have_one_receiver(placement: &dyn Placement) {
    let mut events = placement.events().expect("the first to ask");
    assert!(placement.events().is_none());
    let mut gained = BTreeSet::new();
    while gained.len() < usize::from(SHARDS) {
        let event = super::event(&mut events, "a shard is gained", |event| match event {
            crate::Event::ShardGained { shard, epoch } => {
                std::ops::ControlFlow::Break((shard, epoch))
            }
            _ => std::ops::ControlFlow::Continue(()),
        });
        let (shard, epoch) = event.await;
        assert!(epoch > 0);
        gained.insert(shard);
    }
}

/// Nodes, shards, chargers, epochs, health.
pub async fn the_view_shows_what_is_held(placement: &dyn Placement) {
    for name in ["CP-1", "CP-2", "CP-3"] {
        placement.claim(&station(name), NOW).await;
    }
    until("all is told", async || {
        let view = placement.view();
        let me = view.nodes.iter().find(|node| node.name == view.me);
        me.is_some_and(|me| {
            me.alive && me.settled && me.chargers == 3 && me.shards == usize::from(SHARDS)
        })
    })
    .await;
    until("all are confirmed", async || {
        placement.view().chargers_provisional == 0
    })
    .await;
    let view = placement.view();
    assert_eq!((view.chargers_here, view.shards_unowned), (3, 0));
    assert!(view.backend.up && !view.fenced && !view.quiet);
    assert!(view.shard_epoch_max > 0 && view.incarnation.is_some());
}
