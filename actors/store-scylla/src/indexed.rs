//! Which days of which logs this process has put into their index: it is not written with every row.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use xxhash_rust::xxh3::xxh3_128;

/// Days remembered; with more, all are forgotten, and written once more.
const MOST: usize = 500_000;

/// Which days are in the index, by a hash of log, station and day.
#[derive(Default)]
pub(crate) struct Indexed(Mutex<HashSet<u128>>);

impl Indexed {
    pub(crate) fn holds(&self, log: &str, station: impl ToString, day: i32) -> bool {
        self.days().contains(&hash(log, &station.to_string(), day))
    }

    pub(crate) fn note(&self, log: &str, station: &str, day: i32) {
        let mut days = self.days();
        if days.len() >= MOST {
            days.clear();
        }
        days.insert(hash(log, station, day));
    }

    pub(crate) fn forget(&self, log: &str, station: &str, day: i32) {
        self.days().remove(&hash(log, station, day));
    }

    fn days(&self) -> MutexGuard<'_, HashSet<u128>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(log: &str, station: &str, day: i32) -> u128 {
    // Neither a log's name nor a station's holds control characters.
    xxh3_128(format!("{log}\n{day}\n{station}").as_bytes())
}
