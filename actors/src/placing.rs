//! What happens to this node among others: chargers that another node took over, shards of sites that come and
//! go.
//!
//! Nothing here is what keeps two nodes from acting for one site: whoever acts asks
//! [`Placement::site_epoch`](placement::Placement::site_epoch) right before. This starts and ends site actors, so
//! that each runs where it may act.

use std::sync::Arc;

use model::StationId;
use placement::Event;
use tokio::sync::mpsc;

use crate::{CloseReason, charger::ChargerMsg, deps::Deps, metrics};

/// Heeds what happens; returns when another process has this node's name.
pub(crate) async fn follow(deps: &Arc<Deps>) {
    let Some(mut events) = deps.placement.events() else {
        return;
    };
    while let Some(event) = events.recv().await {
        match event {
            Event::Evicted { station, epoch } => evict(deps, &station, epoch),
            Event::ShardGained { shard, epoch } => deps.sites.gained(deps, shard, epoch),
            Event::ShardLeaving { shard, hand_over } => {
                let ended = deps.sites.lost(Some(shard));
                // Others are waited for meanwhile.
                tokio::spawn(async move {
                    ended.await;
                    drop(hand_over);
                });
            }
            Event::ShardLost { shard } => drop(tokio::spawn(deps.sites.lost(Some(shard)))),
            Event::Fenced => drop(tokio::spawn(deps.sites.lost(None))),
            Event::Superseded => return,
        }
    }
    // One that is alone has heard all there is.
    std::future::pending().await
}

/// Closes a station's socket that is older than that claim, and waits until what it said has been dealt with.
pub(crate) async fn give_way(deps: &Deps, station: &StationId, epoch: i64) {
    let Some(slot) = deps.directory.find(station) else {
        return;
    };
    evict(deps, station, epoch);
    slot.is_rid_of(epoch).await;
    let Some(actor) = slot.actor() else {
        return;
    };
    let (busy, mut all_done) = mpsc::channel(1);
    // An actor that has ended has nothing in hand.
    let _ = actor.cast(ChargerMsg::Settle(busy));
    let _ = all_done.recv().await;
}

/// Closes the station's socket here, unless it is newer than what another node holds.
fn evict(deps: &Deps, station: &StationId, epoch: i64) {
    let slot = deps.directory.find(station);
    let attached = slot.and_then(|slot| slot.connection());
    if let Some(attached) = attached.filter(|attached| attached.epoch <= epoch) {
        ::metrics::counter!(metrics::SOCKETS_REPLACED).increment(1);
        attached.link.close(CloseReason::Replaced);
    }
}
