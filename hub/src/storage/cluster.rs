//! A cluster with the spool in front: what keeps it from being used, for whoever watches the hub.

use std::sync::Arc;

use model::StationId;
use store::Store;
use store_scylla::ScyllaStore;
use store_spool::Spooled;
use tokio::sync::watch;

use super::awaited::Awaited;

/// A cluster with the spool in front.
#[derive(Clone)]
pub struct Cluster {
    pub(super) spooled: Arc<Spooled>,
    pub(super) behind: Behind,
}

/// The cluster alone.
#[derive(Clone)]
pub(super) enum Behind {
    /// It answered when the hub was started.
    Opened(Arc<ScyllaStore>),
    /// It did not.
    Awaited(Arc<Awaited>),
}

impl Cluster {
    /// Why it cannot be used yet; nothing, once it can.
    pub fn missing(&self) -> Option<String> {
        match &self.behind {
            Behind::Opened(_) => None,
            Behind::Awaited(awaited) => awaited.missing(),
        }
    }

    /// Whether messages of sessions wait in the spool, from now on.
    pub(crate) fn holds(&self) -> watch::Receiver<bool> {
        self.spooled.holds()
    }

    /// Others know it by now, or cannot be told.
    pub(crate) fn is_known(&self, holds: bool) {
        self.spooled.is_known(holds);
    }

    /// Whether one of that station does.
    pub(crate) fn holds_any_of(&self, station: &StationId) -> bool {
        self.spooled.holds_any_of(station)
    }

    /// What somebody has to mend, while the spool keeps what stations say: what the cluster refuses the hub and how an
    /// administrator grants it, or why it takes nothing.
    pub fn trouble(&self) -> Option<String> {
        let lacking = match &self.behind {
            Behind::Opened(cluster) => cluster.lacking(),
            Behind::Awaited(awaited) => awaited.opened().and_then(ScyllaStore::lacking),
        };
        lacking.or_else(|| {
            let why = self.spooled.trouble()?;
            Some(format!(
                "the cluster does not take writes, they wait in the spool: {why}"
            ))
        })
    }
}

impl Behind {
    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Opened(cluster) => cluster.clone(),
            Self::Awaited(awaited) => awaited.clone(),
        }
    }
}
