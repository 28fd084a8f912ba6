//! Turns by name: who waits for the same name in this process waits in line. Two names may share a line.

use std::hash::{BuildHasher, RandomState};

use model::StationId;
use tokio::sync::{Mutex, MutexGuard};

const LINES: usize = 256;

/// Turns by name.
pub(crate) struct Turns {
    lines: Vec<Mutex<()>>,
    hashes: RandomState,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            lines: (0..LINES).map(|_| Mutex::default()).collect(),
            hashes: RandomState::new(),
        }
    }

    /// Waits for the turn of that station; it ends when the guard is dropped.
    pub(crate) async fn turn(&self, station: &StationId) -> MutexGuard<'_, ()> {
        let hash = self.hashes.hash_one(station.as_str());
        let line = usize::try_from(hash % LINES as u64).unwrap_or(0);
        self.lines[line].lock().await
    }
}
