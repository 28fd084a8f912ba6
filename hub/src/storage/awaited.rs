//! A cluster that does not answer when the hub starts. The hub runs without it meanwhile: whoever reads or
//! writes is told so at once, and it is asked again until it answers. So what the spool holds goes to the cluster as
//! soon as there is one, and whoever watches the hub learns what it waits for.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use store::{CommandStore, ReadError, WriteError};
use store_scylla::{OpenError, Options, ScyllaStore};
use tokio::{
    sync::SetOnce,
    time::{Instant, sleep},
};

/// The cluster is asked again after so long, and up to half as long more: hubs that wait together must not
/// ask together.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// A cluster, from when it answers.
pub(super) struct Awaited {
    cluster: SetOnce<ScyllaStore>,
    why: Mutex<String>,
}

impl Awaited {
    /// Waits for a cluster that could not be opened because of this, until it can or nobody holds the
    /// result any more.
    pub(super) fn begin(options: Options, because: &OpenError) -> Arc<Self> {
        let awaited = Arc::new(Self {
            cluster: SetOnce::new(),
            why: Mutex::default(),
        });
        awaited.note(because);
        tokio::spawn(ask(Arc::downgrade(&awaited), options));
        awaited
    }

    /// Why it cannot be used yet; nothing, once it can.
    pub(super) fn missing(&self) -> Option<String> {
        match self.cluster.get() {
            Some(_) => None,
            None => Some(self.why().clone()),
        }
    }

    /// The cluster, once it has answered.
    pub(super) fn opened(&self) -> Option<&ScyllaStore> {
        self.cluster.get()
    }

    fn cluster(&self) -> Result<&ScyllaStore, String> {
        let missing = || "the hub has not reached its cluster since it was started".to_owned();
        self.cluster.get().ok_or_else(missing)
    }

    fn note(&self, error: &OpenError) {
        let why = error.to_string();
        if *self.why() == why {
            return;
        }
        match error.may_pass() {
            true => tracing::warn!(
                "{why}; until it answers no station is taken in and nothing is shown"
            ),
            // Somebody has to do something.
            false => tracing::error!("{why}"),
        }
        *self.why() = why;
    }

    fn why(&self) -> MutexGuard<'_, String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(awaited: Weak<Awaited>, options: Options) {
    let began = Instant::now();
    loop {
        sleep(ASK_EVERY.mul_f64(rand::random_range(1.0..1.5))).await;
        if awaited.strong_count() == 0 {
            return;
        }
        let opened = ScyllaStore::open(&options).await;
        let Some(awaited) = awaited.upgrade() else {
            return;
        };
        match opened {
            Ok(cluster) => {
                // Before anybody can begin new ones.
                let closed = cluster.close_unfinished_commands(crate::NOT_ANSWERED).await;
                if let Err(error) = closed {
                    tracing::warn!(%error, "the cluster answers and does not write; it is asked again");
                    continue;
                }
                let after_s = began.elapsed().as_secs();
                tracing::warn!(after_s, "the cluster answers");
                // Set once, here.
                let _ = awaited.cluster.set(cluster);
                return;
            }
            Err(error) => awaited.note(&error),
        }
    }
}

store::delegate! {
    StationStore, SiteStore, PowerStore, CdrStore, TokenStore, SessionStore, NoticeStore, CommandStore, DeadLetterStore,
    MessageStore, ApiKeyStore for Awaited;
    read |this| this.cluster().map_err(ReadError)?;
    write |this| this.cluster().map_err(WriteError::NotWritten)?;
}
