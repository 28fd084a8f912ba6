//! Which store the hub remembers in, and how it is opened and closed.

mod awaited;
mod cluster;
mod copy;

use std::{sync::Arc, time::Duration};

use store::Store;
use store_scylla::ScyllaStore;
use store_spool::{Directory, OpenError, Spooled};
use store_sqlite::SqliteStore;

use awaited::Awaited;
use cluster::Behind;
pub use cluster::Cluster;
pub use copy::copy_to_cluster;

use crate::{
    HubError,
    config::{Config, StoreKind},
    data_dir,
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
    SpooledCluster(Cluster),
}

impl Storage {
    /// Opens the store that is configured, for a tool.
    ///
    /// # Errors
    /// [`HubError::Store`]: the directory cannot be made or written, the file is not the hub's, the cluster
    /// cannot be reached.
    pub async fn open(config: &Config) -> Result<Self, HubError> {
        match config.store.kind {
            StoreKind::Sqlite => open_file(config).map(|store| Self::File(Arc::new(store))),
            StoreKind::Scylla => {
                let opened = ScyllaStore::open(&cluster_options(config)?).await;
                let store = opened.map_err(|error| HubError::Store(error.to_string()))?;
                Ok(Self::Cluster(Arc::new(store)))
            }
        }
    }

    /// Opens the store that is configured, for the one hub that owns `data.dir` and the spool's directory. A
    /// cluster gets the spool in front, and need not answer yet.
    ///
    /// # Errors
    /// [`HubError::Store`]: a directory cannot be made or written, or is another hub's; the file is not the
    /// hub's; the cluster answers and cannot be used.
    pub async fn of_hub(config: &Config) -> Result<Self, HubError> {
        if config.store.kind == StoreKind::Sqlite {
            return Self::open(config).await;
        }
        let files = Directory::open(&config.spool.dir(&config.data.dir)).map_err(OpenError::from);
        let files = files.map_err(|error| HubError::Store(error.to_string()))?;
        let options = cluster_options(config)?;
        let behind = match ScyllaStore::open(&options).await {
            Ok(cluster) => Behind::Opened(Arc::new(cluster)),
            Err(error) if error.may_pass() => Behind::Awaited(Awaited::begin(options, &error)),
            Err(error) => return Err(HubError::Store(error.to_string())),
        };
        let options = config.spool.options();
        let spooled = Spooled::open(behind.store(), Arc::new(files), actors::rebase, &options);
        let spooled = spooled.map_err(|error| HubError::Store(error.to_string()))?;
        Ok(Self::SpooledCluster(Cluster {
            spooled: Arc::new(spooled),
            behind,
        }))
    }

    /// The cluster with the spool in front, where there is one.
    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::SpooledCluster(cluster) => Some(cluster),
            Self::File(_) | Self::Cluster(_) => None,
        }
    }

    /// To those who use it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => store.clone(),
            Self::Cluster(store) => store.clone(),
            Self::SpooledCluster(cluster) => cluster.spooled.clone(),
        }
    }

    /// Completes what is under way.
    pub async fn close(&self) {
        match self {
            Self::File(store) => store.close().await,
            // A write there is complete when it returns.
            Self::Cluster(_) => {}
            Self::SpooledCluster(cluster) => cluster.spooled.close().await,
        }
    }
}

fn cluster_options(config: &Config) -> Result<store_scylla::Options, HubError> {
    // The hub deletes what is older; what it misses goes a day later.
    let days = u64::from(config.message_log.retention_days) + 1;
    let options = config.store.cluster(Duration::from_hours(24 * days));
    options.map_err(HubError::Store)
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
