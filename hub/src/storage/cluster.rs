//! The cluster behind the spool: what keeps it from being used, for whoever watches the hub.

use std::sync::Arc;

use store::Store;
use store_scylla::ScyllaStore;

use super::awaited::Awaited;

/// The cluster behind the spool.
#[derive(Clone)]
pub enum Cluster {
    /// It answered when the hub was started.
    Opened(Arc<ScyllaStore>),
    /// It did not.
    Awaited(Arc<Awaited>),
}

impl Cluster {
    /// Why it cannot be used yet; nothing, once it can.
    pub fn missing(&self) -> Option<String> {
        match self {
            Self::Opened(_) => None,
            Self::Awaited(awaited) => awaited.missing(),
        }
    }

    /// What it refuses the hub, and how an administrator grants it; nothing, while the hub may do all that it does.
    pub fn lacking(&self) -> Option<String> {
        match self {
            Self::Opened(cluster) => cluster.lacking(),
            Self::Awaited(awaited) => awaited.opened()?.lacking(),
        }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Opened(cluster) => cluster.clone(),
            Self::Awaited(awaited) => awaited.clone(),
        }
    }
}
