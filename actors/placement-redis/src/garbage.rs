//! What is in Redis and no hub has written: told once each, until no more of it is found.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many are named; of the rest it is told how many they were.
const NAMED_MOST: usize = 16;

/// Something that no hub has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Garbage {
    pub(crate) key: String,
    /// Of a hash.
    pub(crate) field: String,
    /// Its beginning, or what Redis says to it.
    pub(crate) read: String,
}

/// What was found lately.
#[derive(Default)]
pub(crate) struct Found(Mutex<Option<Lately>>);

struct Lately {
    named: BTreeSet<(String, String)>,
    count: u64,
    last: Instant,
}

impl Found {
    /// Some was found, so many in all, and removed or overwritten.
    pub(crate) fn note(&self, some: Vec<Garbage>, count: u64) {
        if count == 0 {
            return;
        }
        let now = Instant::now();
        let mut lately = self.lately();
        let lately = lately.get_or_insert_with(|| Lately {
            named: BTreeSet::new(),
            count: 0,
            last: now,
        });
        lately.count += count;
        lately.last = now;
        for Garbage { key, field, read } in some {
            if lately.named.len() < NAMED_MOST && lately.named.insert((key.clone(), field.clone()))
            {
                tracing::error!(
                    key,
                    field,
                    read,
                    "Redis held something of the cluster that no hub of this version writes; it was removed, and is told no more until none is found: see who else writes there"
                );
            }
        }
    }

    /// A round is over; where none was found for so long, that is told.
    pub(crate) fn look(&self, quiet: Duration) {
        let mut lately = self.lately();
        if let Some(over) = lately.take_if(|lately| lately.last.elapsed() > quiet) {
            let count = over.count;
            tracing::warn!(
                count,
                "nothing more was found in Redis that no hub of this version writes"
            );
        }
    }

    fn lately(&self) -> MutexGuard<'_, Option<Lately>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
