//! This hub among others: which placement it goes by, and what one of them does for all.

use std::{sync::Arc, time::Duration};

use placement::{AddressUse, LocalPlacement, Node, Placement, Settings, ShardId};
use placement_redis::RedisBackend;
use store::Store;
use tokio::{sync::watch, time::timeout};

use crate::{Cluster, HubError, config::Member};

/// What a hub that is alone is called.
const ALONE: &str = "hub";

/// How long Redis may take to tell who else is at this hub's address; a lease may have to run out meanwhile.
const ADDRESS_MOST: Duration = Duration::from_secs(15);

/// Takes part in the cluster, or is alone, but for others that may write to a store it `shares`. Does not wait for Redis,
/// which may be away; where a hub that is gone was at this one's address, its lease has run out when this returns.
/// `now`: ms since 1970.
///
/// # Errors
/// [`HubError::Cluster`]: a file for TLS cannot be used, Redis will not do until somebody mends something, or another
/// hub that lives is at this one's address.
pub(crate) async fn placement(
    member: Option<&Member>,
    shares: bool,
    now: i64,
) -> Result<Arc<dyn Placement>, HubError> {
    let Some(member) = member else {
        let alone = LocalPlacement::new(ALONE, now);
        return Ok(Arc::new(match shares {
            true => alone.beside_strangers(),
            false => alone,
        }));
    };
    let unusable = |error| HubError::Cluster(format!("cluster.redis: {error}"));
    let backend = RedisBackend::new(&member.redis).map_err(unusable)?;
    backend.try_out().await.map_err(unusable)?;
    let settings = Settings::new(&member.name, &member.address);
    tracing::info!(name = %member.name, address = %member.address, "this hub is one of a cluster");
    let node = Node::start(backend, settings);
    if let Ok(Some(other)) = timeout(ADDRESS_MOST, node.rival()).await {
        // Nobody has heard of this one but as a node that holds nothing.
        let _ = timeout(TELLING_MOST, node.leave()).await;
        return Err(HubError::Cluster(shared_address(member, &other.name)));
    }
    tokio::spawn(tell_of_address(member.clone(), node.address_use()));
    Ok(Arc::new(node))
}

fn shared_address(member: &Member, other: &str) -> String {
    let Member { name, address, .. } = member;
    format!(
        "hub {other} is reached at cluster.address = {address}, as this one ({name}) would be; set it to an address of its own on each, or stop {other}"
    )
}

/// Tells the log when another hub comes to this one's address, and when it has gone, for as long as this one takes part.
async fn tell_of_address(member: Member, mut address: watch::Receiver<AddressUse>) {
    let mut shared_with = None;
    loop {
        let now = match &*address.borrow_and_update() {
            AddressUse::Shared(other) => Some(other.name.clone()),
            _ => None,
        };
        match (&shared_with, &now) {
            (None, Some(other)) => tracing::error!(
                "two hubs are at one address, and one of them gets no messages of the others: {}",
                shared_address(&member, other)
            ),
            (Some(other), None) => tracing::warn!(
                address = %member.address,
                "hub {other} is not at this one's address any more"
            ),
            _ => {}
        }
        shared_with = now;
        // The sender goes with the node.
        if address.changed().await.is_err() {
            return;
        }
    }
}

/// How long it may take to let the others know something.
const TELLING_MOST: Duration = Duration::from_secs(4);

/// Tells the others, for ever, whether the spool here holds messages that the store does not have yet.
pub(crate) async fn tell_unwritten(storage: Option<Cluster>, placement: &dyn Placement) {
    let Some(storage) = storage else {
        return;
    };
    let mut holds = storage.holds();
    loop {
        let now = *holds.borrow_and_update();
        // While Redis is away others ask all hubs anyhow.
        let _ = timeout(TELLING_MOST, placement.tell_unwritten(now)).await;
        storage.is_known(now);
        // The sender goes with the spool.
        if holds.changed().await.is_err() {
            return;
        }
    }
}

/// How often commands are looked for whose hub is gone.
const LOST_COMMANDS_EVERY: Duration = Duration::from_mins(5);

/// Brings commands to their end whose hub went before it could, for ever: those of a store that many hubs `shared`,
/// of which the holder of the first shard looks after this.
pub(crate) async fn close_lost_commands(shared: Option<Arc<dyn Store>>, placement: &dyn Placement) {
    let (Some(store), Some(first)) = (shared, ShardId::new(0)) else {
        return;
    };
    loop {
        tokio::time::sleep(LOST_COMMANDS_EVERY).await;
        if placement.shard_epoch(first).is_none() {
            continue;
        }
        match store.close_unfinished_commands(crate::NOT_ANSWERED).await {
            Ok(0) => {}
            Ok(closed) => tracing::info!(
                closed,
                "commands whose hub is gone were brought to their end"
            ),
            Err(error) => {
                tracing::warn!(%error, "commands whose hub is gone could not all be brought to their end; the next look does");
            }
        }
    }
}
