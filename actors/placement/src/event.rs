//! What happens to a node.

use std::fmt;

use model::StationId;

use crate::ShardId;

/// What happens to a node.
#[derive(Debug)]
pub enum Event {
    /// Somebody else holds the charger: close its socket of this epoch, or of a lower one.
    Evicted {
        /// The charger.
        station: StationId,
        /// At most as high as that of the claim that won.
        epoch: i64,
    },
    /// This node acts for the shard from now on, under that epoch.
    ShardGained {
        /// The shard.
        shard: ShardId,
        /// Higher than that of all who held it before.
        epoch: i64,
    },
    /// The shard is to go to another node: stop acting for it, then drop `hand_over`. Until then it
    /// stays held, and no other node acts for it.
    ShardLeaving {
        /// The shard.
        shard: ShardId,
        /// Dropped when nothing here acts for it any more.
        hand_over: HandOver,
    },
    /// This node may not act for the shard any more.
    ShardLost {
        /// The shard.
        shard: ShardId,
    },
    /// Nobody renewed this node's lease in time: it may act for no shard until it gains it anew. Chargers
    /// and their sessions are untouched.
    Fenced,
    /// A later process has this node's name. It gets no shards again and should end.
    Superseded,
}

/// The say over a shard that is about to leave; dropped, it may go.
pub struct HandOver(Option<Box<dyn FnOnce() + Send>>);

impl HandOver {
    pub(crate) fn new(when_dropped: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(when_dropped)))
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandOver")
    }
}
