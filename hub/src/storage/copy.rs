//! `hub store copy`: an embedded hub's data moves to a cluster.

use std::{pin::pin, time::Duration};

use store::{CopyError, Inventory, Progress, WriteError};
use store_scylla::ScyllaStore;
use store_sqlite::SqliteStore;
use tokio::time::{Instant, interval_at};

use super::{FILE, cluster_options, open_file};
use crate::{
    HubError,
    config::{Config, StoreKind},
    data_dir::DataDir,
};

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Copies all that is kept in `data.dir` into the cluster that is configured; returns what that now holds. `tell` is
/// called every few seconds. The keyspace is marked meanwhile: no hub starts on it, and a copy that was interrupted goes
/// on when it is asked for again.
///
/// # Errors
/// [`HubError::Store`]: no cluster is configured, there is no file, a hub uses it, the cluster holds something
/// else already, or what arrived is not what was sent.
pub async fn copy_to_cluster(
    config: &Config,
    tell: impl Fn(&Progress),
) -> Result<Inventory, HubError> {
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
    let opened = ScyllaStore::open_to_copy(&cluster_options(config)?).await;
    let to = opened.map_err(|error| HubError::Store(error.to_string()))?;
    let copied = copy(&from, &to, &file.display().to_string(), tell).await;
    from.close().await;
    copied.map_err(|error| {
        let keyspace = &config.store.keyspace;
        let then = match error {
            CopyError::NotEmpty(_) => format!(
                "set store.keyspace to another one, or drop {keyspace} and make it anew, if nobody needs what it holds"
            ),
            CopyError::Differs { .. } => format!(
                "no hub starts on keyspace {keyspace}: drop it, make it anew and copy again"
            ),
            CopyError::Read(_) | CopyError::Write { .. } => format!(
                "what data.dir holds is as it was; run this again: it goes on where it was interrupted, and until it is done no hub starts on keyspace {keyspace}"
            ),
        };
        HubError::Store(format!("{error}; {then}"))
    })
}

async fn copy(
    from: &SqliteStore,
    to: &ScyllaStore,
    origin: &str,
    tell: impl Fn(&Progress),
) -> Result<Inventory, CopyError> {
    // What a former try has left is of use.
    if to.unfinished_copy().await?.is_none() {
        store::must_be_empty(to).await?;
        let marked = to.begin_copy(origin).await;
        marked.map_err(|error| unmarked("begins", error))?;
    }
    let progress = Progress::default();
    let mut copying = pin!(store::copy(from, to, &progress));
    let mut ticks = interval_at(Instant::now() + TELL_EVERY, TELL_EVERY);
    let copied = loop {
        tokio::select! {
            copied = &mut copying => break copied?,
            _ = ticks.tick() => tell(&progress),
        }
    };
    let unmarked_now = to.end_copy().await;
    unmarked_now.map_err(|error| unmarked("is done", error))?;
    Ok(copied)
}

fn unmarked(what: &str, error: WriteError) -> CopyError {
    CopyError::Write {
        what: format!("the note that the copy {what}"),
        error,
    }
}
