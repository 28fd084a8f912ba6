//! Which store the hub remembers in, and how it is opened and closed.

use std::{sync::Arc, time::Duration};

use store::{Inventory, Store};
use store_scylla::ScyllaStore;
use store_spool::{Directory, OpenError, Spooled};
use store_sqlite::SqliteStore;

use crate::{
    HubError,
    config::{Config, StoreKind},
    data_dir::{self, DataDir},
};

/// The embedded store's file, in `data.dir`.
const FILE: &str = "hub.sqlite";

/// The store, opened.
pub enum Storage {
    /// A file of this hub.
    File(Arc<SqliteStore>),
    /// A cluster that many hubs share.
    Cluster(Arc<ScyllaStore>),
    /// The same, with a spool in front.
    SpooledCluster(Arc<Spooled>),
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

    /// Puts the spool in front of a cluster, for the one hub that owns its directory.
    ///
    /// # Errors
    /// [`HubError::Store`]: the spool's directory cannot be made or written, or is another hub's.
    pub fn spooled(self, config: &Config) -> Result<Self, HubError> {
        let cluster = match self {
            Self::Cluster(cluster) => cluster,
            other => return Ok(other),
        };
        let dir = config.spool.dir(&config.data.dir);
        let opened = Directory::open(&dir).map_err(OpenError::from);
        let opened = opened.and_then(|files| {
            let options = config.spool.options();
            Spooled::open(cluster, Arc::new(files), actors::rebase, &options)
        });
        let spooled = opened.map_err(|error| HubError::Store(error.to_string()))?;
        Ok(Self::SpooledCluster(Arc::new(spooled)))
    }

    /// To those who use it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => store.clone(),
            Self::Cluster(store) => store.clone(),
            Self::SpooledCluster(store) => store.clone(),
        }
    }

    /// Completes what is under way.
    pub async fn close(&self) {
        match self {
            Self::File(store) => store.close().await,
            // A write there is complete when it returns.
            Self::Cluster(_) => {}
            Self::SpooledCluster(store) => store.close().await,
        }
    }
}

/// Copies all that is kept in `data.dir` into the cluster that is configured; returns what that now holds.
///
/// # Errors
/// [`HubError::Store`]: no cluster is configured, there is no file, a hub uses it, the cluster holds something
/// already, or what arrived is not what was sent.
pub async fn copy_to_cluster(config: &Config) -> Result<Inventory, HubError> {
    let file = config.data.dir.join(FILE);
    if config.store.kind != StoreKind::Scylla {
        return Err(HubError::Store(
            "there is no cluster to copy to; set store.kind = \"scylla\" and store.contact_points"
                .to_owned(),
        ));
    }
    if !file.is_file() {
        return Err(HubError::Store(format!(
            "there is no {}; set data.dir to the directory of the hub to copy",
            file.display()
        )));
    }
    let _alone = DataDir::take(&config.data.dir).await?;
    let from = open_file(config)?;
    let to = Storage::open(config).await?;
    let copied = store::copy(&from, &*to.store()).await;
    from.close().await;
    to.close().await;
    copied.map_err(|error| HubError::Store(error.to_string()))
}

fn open_file(config: &Config) -> Result<SqliteStore, HubError> {
    let dir = &config.data.dir;
    data_dir::make(dir)?;
    let options = store_sqlite::Options {
        max_bytes: Some(config.data.max_bytes).filter(|most| *most > 0),
        ..Default::default()
    };
    SqliteStore::open(&dir.join(FILE), &options).map_err(|error| HubError::Store(error.to_string()))
}
