//! Which store the hub remembers in, and how it is opened and closed.

use std::{sync::Arc, time::Duration};

use store::Store;
use store_scylla::ScyllaStore;
use store_sqlite::SqliteStore;

use crate::{
    HubError,
    config::{Config, StoreKind},
};

/// The store, opened.
pub enum Storage {
    /// A file of this hub.
    File(Arc<SqliteStore>),
    /// A cluster that many hubs share.
    Cluster(Arc<ScyllaStore>),
}

impl Storage {
    /// Opens the store that is configured.
    ///
    /// # Errors
    /// [`HubError::Store`]: the directory cannot be made or written, the file is not the hub's, the cluster
    /// cannot be reached.
    pub async fn open(config: &Config) -> Result<Self, HubError> {
        match config.store.kind {
            StoreKind::Sqlite => open_file(config).map(|store| Self::File(Arc::new(store))),
            StoreKind::Scylla => {
                // The hub deletes what is older; what it misses goes a day later.
                let days = u64::from(config.message_log.retention_days) + 1;
                let options = config.store.cluster(Duration::from_hours(24 * days));
                let options = options.map_err(HubError::Store)?;
                let opened = ScyllaStore::open(&options).await;
                let store = opened.map_err(|error| HubError::Store(error.to_string()))?;
                Ok(Self::Cluster(Arc::new(store)))
            }
        }
    }

    /// To those who use it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => store.clone(),
            Self::Cluster(store) => store.clone(),
        }
    }

    /// Completes what is under way.
    pub async fn close(&self) {
        match self {
            Self::File(store) => store.close().await,
            // A write there is complete when it returns.
            Self::Cluster(_) => {}
        }
    }
}

fn open_file(config: &Config) -> Result<SqliteStore, HubError> {
    let dir = &config.data.dir;
    std::fs::create_dir_all(dir).map_err(|error| {
        HubError::Store(format!(
            "data.dir {} cannot be made: {error}; set data.dir to a directory the hub may write",
            dir.display()
        ))
    })?;
    let options = store_sqlite::Options {
        max_bytes: config.data.max_bytes,
        ..Default::default()
    };
    SqliteStore::open(&dir.join("hub.sqlite"), &options)
        .map_err(|error| HubError::Store(error.to_string()))
}
