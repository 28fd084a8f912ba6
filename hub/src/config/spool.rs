//! The spool: where writes wait while the cluster of `[store]` does not take them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Where writes wait while the cluster of `[store]` does not take them. `sqlite` needs none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// Its directory, on a disk that survives the hub and for this hub alone. Absent: `spool` in `data.dir`.
    pub dir: Option<PathBuf>,
    /// What it may take on that disk, in bytes. Beyond it transaction messages are not taken, and the
    /// chargers keep theirs.
    pub max_bytes: u64,
    /// How long the cluster may take for a write before the spool takes it, in ms.
    pub patience_ms: u64,
    /// How long another hub of `[cluster]` that went with messages in its spool is waited for, in ms: stations that
    /// may have said something to it are told to come back later. It is back by then, or what it holds is added to
    /// their sessions when it is.
    pub await_others_ms: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        let defaults = store_spool::Options::default();
        Self {
            dir: None,
            max_bytes: defaults.max_bytes,
            patience_ms: defaults.patience.as_millis() as u64,
            await_others_ms: 30_000,
        }
    }
}

impl SpoolConfig {
    /// What no single value shows: whether a rule is broken, and its words.
    pub(super) fn rules(&self) -> [(bool, &'static str); 3] {
        [
            (
                self.max_bytes < 1 << 20,
                "spool.max_bytes must be at least 1048576, room for about 700 transaction messages",
            ),
            (
                !(100..=10_000).contains(&self.patience_ms),
                "spool.patience_ms must be from 100 to 10000; chargers wait for as long",
            ),
            (
                self.await_others_ms > 600_000,
                "spool.await_others_ms must be at most 600000: after ten minutes a hub that went is forgotten",
            ),
        ]
    }

    /// Where the spool is.
    pub fn dir(&self, data_dir: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data_dir.join("spool"))
    }

    /// How it behaves.
    pub fn options(&self) -> store_spool::Options {
        store_spool::Options {
            max_bytes: self.max_bytes,
            patience: Duration::from_millis(self.patience_ms),
            ..Default::default()
        }
    }
}
