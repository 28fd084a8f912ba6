//! Switchyard: the hub that EV chargers connect to.
//!
//! [`Hub::start`] is the one place that knows every concrete type: which store, which clock, which
//! listeners. Everything else knows traits and handles.

pub mod api;
#[cfg(feature = "chaos")]
mod chaos;
mod cluster;
pub mod commands;
pub mod config;
mod data_dir;
pub mod dead_letters;
pub mod demo;
mod drain;
mod fleet;
mod language;
mod message_log;
mod metrics;
pub mod socket;
mod storage;
pub mod telemetry;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{Actors, Clock, StartError, SystemClock};
use model::Timestamp;
use placement::Placement;
use store::Store;
use tokio::task::JoinHandle;

pub use storage::{Cluster, Storage, copy_to_cluster};

use crate::{
    commands::Commands,
    config::{Config, DrainConfig, StoreKind},
    data_dir::DataDir,
    dead_letters::DeadLetters,
    fleet::Fleet,
    message_log::MessageLog,
    socket::{Listening, Sockets},
};

/// The running hub.
pub struct Hub {
    /// Where chargers connect.
    pub chargers: SocketAddr,
    /// Where the API, the metrics and the health checks are served.
    pub api: SocketAddr,
    actors: Actors,
    placement: Arc<dyn Placement>,
    store: Storage,
    listening: Listening,
    serving: JoinHandle<()>,
    logging: JoinHandle<()>,
    guarding: JoinHandle<()>,
    /// Ends when another process has this hub's name.
    following: JoinHandle<()>,
    /// Other hubs may ask this one.
    asked: Option<peer::Serving>,
    drain: DrainConfig,
    ready: Arc<AtomicBool>,
    _data_dir: Option<DataDir>,
}

/// Why the hub cannot start, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The store cannot be opened.
    #[error("{0}")]
    Store(String),
    /// An address cannot be listened on.
    #[error("{name} = {address} cannot be listened on: {error}; stop what uses it or set another")]
    Listen {
        /// The setting.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The cluster cannot be taken part in as configured.
    #[error("{0}")]
    Cluster(String),
    /// The actors cannot be started.
    #[error(transparent)]
    Actors(#[from] StartError),
    /// The metrics cannot be recorded.
    #[error("the metrics cannot be recorded: {0}")]
    Metrics(String),
}

impl Hub {
    /// Starts everything; on return chargers and operators can connect.
    ///
    /// # Errors
    /// See [`HubError`]; nothing keeps running then.
    pub async fn start(config: Config) -> Result<Self, HubError> {
        let member = config.cluster.member().map_err(HubError::Cluster)?;
        let metrics = telemetry::metrics().map_err(|error| HubError::Metrics(error.to_string()))?;
        // Before anything is read. A cluster is for many hubs.
        let data_dir = match config.store.kind {
            StoreKind::Sqlite => Some(DataDir::take(&config.data.dir).await?),
            StoreKind::Scylla => None,
        };
        let storage = Storage::of_hub(&config).await?;
        let store = storage.store();
        // A cluster that does not answer yet is told when it does.
        if storage.cluster().and_then(Cluster::missing).is_none() {
            let closed = store.close_unfinished_commands(NOT_ANSWERED).await;
            closed.map_err(|error| HubError::Store(error.to_string()))?;
        }
        #[cfg(not(feature = "chaos"))]
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        #[cfg(feature = "chaos")]
        let clock: Arc<dyn Clock> = Arc::new(chaos::JumpingClock::new());
        let shares = config.store.kind == StoreKind::Scylla;
        if member.is_some() && !shares {
            tracing::warn!(
                "this hub is one of a cluster and has a store of its own: sessions, tokens and plans of the other hubs are not known here; set store.kind = \"scylla\""
            );
        }
        let placement = cluster::placement(member.as_ref(), shares, clock.now().0).await?;
        let actors = Actors::start(
            store.clone(),
            clock.clone(),
            placement.clone(),
            config.charging,
        )
        .await?;
        actors.speak(Arc::new(language::Ocpp));
        let (log, logging) = MessageLog::start(&config.message_log, store.clone(), clock.clone());
        let dead_letters = DeadLetters::new(store.clone(), actors.clone());
        let sockets = Sockets::new(
            actors.clone(),
            store.clone(),
            clock.clone(),
            log,
            dead_letters.clone(),
            config.chargers.clone(),
            &config.overload,
        );
        let listen_error = |name, address| {
            move |error| HubError::Listen {
                name,
                address,
                error,
            }
        };
        let api_listener = socket::bind(config.api.listen)
            .await
            .map_err(listen_error("api.listen", config.api.listen))?;
        let conflicts = sockets.conflicts.clone();
        let api = api_listener
            .local_addr()
            .map_err(listen_error("api.listen", config.api.listen))?;
        let ready = Arc::new(AtomicBool::new(true));
        let shared = shares.then(|| store.clone());
        let (fleet, asked) = match &member {
            Some(member) => {
                let longest = config.chargers.max_message_bytes;
                let actors = actors.clone();
                let spool = storage.cluster().cloned();
                let joined =
                    Fleet::among_others(member, longest, actors, conflicts, dead_letters, spool);
                let (fleet, asked) = joined.await?;
                (fleet, Some(asked))
            }
            None => (Fleet::alone(actors.clone(), conflicts, dead_letters), None),
        };
        let patience = Duration::from_millis(config.spool.await_others_ms);
        if let Some(unwritten) = fleet.unwritten(patience) {
            actors.wait_for(unwritten);
        }
        let listening = socket::listen(Arc::new(sockets))
            .await
            .map_err(listen_error("chargers.listen", config.chargers.listen))?;
        let router = api::router(api::ApiState {
            commands: Commands::new(store.clone(), actors.clone(), fleet.clone(), clock.clone()),
            fleet: fleet.clone(),
            store,
            actors: actors.clone(),
            clock,
            ready: ready.clone(),
            cluster: storage.cluster().cloned(),
            metrics,
            limits: api::RateLimits::new(config.api.requests_per_s),
        });
        let serving = tokio::spawn(api::serve(api_listener, router));
        let guarding = tokio::spawn({
            let (actors, policy) = (actors.clone(), config.sessions);
            let (placement, spooled) = (placement.clone(), storage.cluster().cloned());
            async move {
                tokio::join!(
                    actors.guard_sessions(policy, rand::random()),
                    actors.record_charges(rand::random()),
                    actors.watch_store(),
                    cluster::close_lost_commands(shared, &*placement),
                    cluster::tell_unwritten(spooled, &*placement),
                    fleet.follow(),
                    link_sites(&actors, &fleet),
                    wake_sites(&actors),
                );
            }
        });
        let following = tokio::spawn({
            let actors = actors.clone();
            async move { actors.follow_placement().await }
        });
        Ok(Self {
            chargers: listening.address,
            api,
            actors,
            placement,
            store: storage,
            listening,
            serving,
            logging,
            guarding,
            following,
            asked,
            drain: config.drain,
            ready,
            _data_dir: data_dir,
        })
    }

    /// The store, for what runs beside the hub in the same process.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.store()
    }

    /// What keeps the hub from taking chargers though it runs: its cluster does not answer yet.
    pub fn waits_for(&self) -> Option<String> {
        self.store.cluster()?.missing()
    }

    /// Whether anybody may use the API yet.
    pub async fn has_api_keys(&self) -> bool {
        let keys = self.store().api_keys().await;
        keys.is_ok_and(|keys| !keys.is_empty())
    }

    /// Returns when another, newer process has this hub's name: then it should be drained, since it gets no
    /// sites any more.
    pub async fn superseded(&mut self) {
        // A panic in it is no reason to stop.
        if (&mut self.following).await.is_err() {
            std::future::pending().await
        }
    }

    fn not_ready(&self) {
        self.ready.store(false, Ordering::SeqCst);
    }
}

/// What becomes of commands that a former life had under way.
const NOT_ANSWERED: &str = "the hub stopped before the station answered";

/// How long after a failed reading the sites are read again.
const WAKE_AGAIN: Duration = Duration::from_secs(5);
/// Shards come many at a time: the sites in them are read so long after the first.
const GAINED_TOGETHER: Duration = Duration::from_millis(500);

/// Wakes the sites whose power is managed, as soon as the store says which, and again when sites came from other hubs:
/// some may be managed only since this was last read.
async fn wake_sites(actors: &Actors) {
    loop {
        let mut unread = false;
        while let Err(error) = actors.wake_sites().await {
            if !std::mem::replace(&mut unread, true) {
                tracing::warn!(%error, "the sites whose power is managed could not be read; they are read again until they can");
            }
            tokio::time::sleep(WAKE_AGAIN).await;
        }
        if unread {
            tracing::warn!("the sites whose power is managed were read");
        }
        actors.sites_gained().await;
        tokio::time::sleep(GAINED_TOGETHER).await;
    }
}

/// Brings sites together with their stations at other hubs, if there are any.
async fn link_sites(actors: &Actors, fleet: &Fleet) {
    match fleet.site_links() {
        Some(links) => actors.link_sites(links).await,
        None => std::future::pending().await,
    }
}

/// The time now, for tools that run without a hub.
pub fn now() -> Timestamp {
    SystemClock.now()
}
