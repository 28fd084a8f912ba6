//! The store for many hubs: ScyllaDB or Apache Cassandra.
//!
//! - **The CQL** is what both run: no counters, views, secondary indexes or CDC. Light-weight transactions are
//!   for what happens once: the start of a session, the place of a reading, a charge
//!   detail record, a dead letter, an API key, the lock of a
//!   schema change. ScyllaDB has them on tablets from 2025.4; before, the keyspace must be one without.
//! - **Statements** (`cql.rs`) are prepared, sent to a replica of their row, changed nothing by being
//!   sent twice, bounded in number and time. `Ok` means written by a quorum of the datacentre; a time-out
//!   is [`Unknown`](store::WriteError::Unknown).
//! - **Other writes** are ordered by the store's clock (`numbers.rs`, `store_clock.rs`); those of the hubs may differ.
//! - **Session commits** (`session/`) are one insert into one partition, fenced by timestamps that come
//!   from epochs. How that loses and doubles nothing is told in `session/mod.rs`.
//! - **Lists** (`ids.rs`, `names.rs`, `time_log.rs`) are written before what they name and deleted after it. Who reads one
//!   looks at what it names.
//! - **What the role lacks** (`permission.rs`) ends the opening, and is told where it is withdrawn later.
//! - **The schema** is made by numbered changes (`schema.rs`, `migrations/`).
//! - Each other trait of crate `store` is implemented in the file of its name.
//!
//! All hubs of a keyspace name the same datacentre: a quorum, and what happens once, is of one.

mod access;
mod buckets;
mod cdr;
mod command;
mod connect;
mod copying;
mod cql;
mod dead_letter;
mod ids;
mod indexed;
mod json;
mod message;
mod metrics;
mod names;
mod notice;
mod numbers;
mod open_error;
mod options;
mod permission;
mod power;
mod reading;
mod schema;
mod schema_lock;
mod session;
mod site;
mod station;
mod store_clock;
mod time_log;
mod token;
mod turns;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

pub use copying::UnfinishedCopy;
pub use metrics::describe_metrics;
pub use numbers::HubClock;
pub use open_error::OpenError;
pub use options::{Credentials, Options, Tls};

use cql::Cql;
use indexed::Indexed;
use numbers::Numbers;
use schema_lock::once_known;
use session::{held::Held, owner::Writer};
use turns::Turns;

/// The store for many hubs.
pub struct ScyllaStore {
    cql: Arc<Cql>,
    /// This process, to other hubs.
    writer: Writer,
    held: Held,
    starting: Turns,
    numbers: Arc<Numbers>,
    /// Names that stay on their lists, and were put there.
    put_names: Mutex<HashSet<(String, String)>>,
    indexed: Indexed,
    log_ttl_s: i32,
}

impl ScyllaStore {
    /// Connects to the cluster, brings the keyspace's schema up to date, and finds out whether we may read and write
    /// there.
    ///
    /// # Errors
    /// One line that says what to do; see [`OpenError`].
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        Self::open_by_clock(options, numbers::machine_clock).await
    }

    /// As [`Self::open`], by another clock than the machine's.
    ///
    /// # Errors
    /// As there.
    pub async fn open_by_clock(options: &Options, clock: HubClock) -> Result<Self, OpenError> {
        let store = Self::open_whole_or_not(options, clock).await?;
        let keyspace = &options.keyspace;
        match once_known(|| copying::unfinished(&store.cql)).await {
            Ok(None) => {
                let cql = Arc::downgrade(&store.cql);
                tokio::spawn(permission::watch(cql, store.cql.lacking()));
                Ok(store)
            }
            Ok(Some(UnfinishedCopy { origin, began_at })) => Err(OpenError::HalfCopied {
                keyspace: keyspace.clone(),
                origin,
                began_at,
            }),
            Err(error) => Err(error.of_opening(keyspace)),
        }
    }

    /// What the cluster refuses us, and how an administrator grants it; nothing, while we may do all that we do.
    pub fn lacking(&self) -> Option<String> {
        self.cql.lacking().borrow().clone()
    }

    /// As [`Self::open`], also where a copy into the keyspace has not come to its end.
    ///
    /// # Errors
    /// As there.
    pub async fn open_to_copy(options: &Options) -> Result<Self, OpenError> {
        Self::open_whole_or_not(options, numbers::machine_clock).await
    }

    async fn open_whole_or_not(options: &Options, clock: HubClock) -> Result<Self, OpenError> {
        let numbers = Arc::new(Numbers::new(clock));
        let cql = connect::connect(options, &numbers).await?;
        let writer = Writer::fresh();
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        let hub = format!(
            "process {} on {host}, writer {}",
            std::process::id(),
            writer.0
        );
        schema::migrate(&cql, &options.keyspace, &hub).await?;
        let proven = once_known(|| permission::prove(&cql)).await;
        proven.map_err(|error| error.of_opening(&options.keyspace))?;
        let cql = Arc::new(cql);
        tokio::spawn(store_clock::follow(Arc::downgrade(&cql), numbers.clone()));
        Ok(Self {
            cql,
            writer,
            held: Held::new(),
            starting: Turns::new(),
            numbers,
            put_names: Mutex::default(),
            indexed: Indexed::default(),
            // CQL takes no more than 20 years.
            log_ttl_s: i32::try_from(options.log_ttl.as_secs().clamp(1, 600_000_000)).unwrap_or(1),
        })
    }
}
