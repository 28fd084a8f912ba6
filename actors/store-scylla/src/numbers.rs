//! Numbers that rise: they order what hubs write, and come after what a hub wrote before it was started again.
//!
//! They go by the store's clock ([`crate::store_clock`] asks for it), not by the hub's: two hubs whose clocks differ
//! by seconds would else lose what the one with the right clock changes just after the other. Between two readings
//! they count what has passed, so that a hub's clock that is set meanwhile moves none.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use model::Timestamp;
use scylla::policies::timestamp_generator::TimestampGenerator;

use crate::store_clock::Reading;

/// A hub's clock: how long ago 1970 began.
pub type HubClock = fn() -> Duration;

/// Numbers that rise; each is about the µs since 1970 it was asked for, by the store's clock.
#[derive(Debug)]
pub(crate) struct Numbers {
    last: AtomicI64,
    begun: Instant,
    /// What the store's clock showed then. 0 until it is read: nothing is written before, but the driver asks for numbers
    /// for its reads too, and one by a hub's clock that is fast would hold all that follow ahead.
    store_began_us: AtomicI64,
    hub_clock: HubClock,
}

impl Numbers {
    pub(crate) fn new(hub_clock: HubClock) -> Self {
        Self {
            last: AtomicI64::new(0),
            begun: Instant::now(),
            store_began_us: AtomicI64::new(0),
            hub_clock,
        }
    }

    /// The next.
    pub(crate) fn next(&self) -> i64 {
        let now = self.store_us();
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(following(last, now))
            });
        following(before.unwrap_or(0), now)
    }

    /// How many µs have passed since these numbers were begun: what readings are measured by.
    pub(crate) fn passed_us(&self) -> i64 {
        as_us(self.begun.elapsed())
    }

    /// Goes by what the store's clock was found to show.
    pub(crate) fn set(&self, reading: Reading) {
        let known = self.store_began_us.load(Ordering::Relaxed);
        self.store_began_us
            .store(reading.corrected(known), Ordering::Relaxed);
    }

    /// How far the hub's clock is ahead of the store's.
    pub(crate) fn hub_is_ahead_us(&self) -> i64 {
        as_us((self.hub_clock)()) - self.store_us()
    }

    fn store_us(&self) -> i64 {
        self.store_began_us.load(Ordering::Relaxed) + self.passed_us()
    }
}

/// Orders all writes that bear no timestamp of their own.
impl TimestampGenerator for Numbers {
    fn next_timestamp(&self) -> i64 {
        self.next()
    }
}

fn following(last: i64, now: i64) -> i64 {
    now.max(last + 1)
}

/// The clock of the machine.
pub(crate) fn machine_clock() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The time, where a row's own does not say: whether a command may still be answered elsewhere.
pub(crate) fn now() -> Timestamp {
    Timestamp(as_us(machine_clock()) / 1000)
}

fn as_us(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    /// The store's clock shows so many µs since 1970 just now.
    fn store_shows(numbers: &Numbers, store_ms: i64) {
        let now = numbers.passed_us();
        numbers.set(Reading {
            asked_us: now,
            answered_us: now,
            store_ms,
        });
    }

    #[test]
    fn each_is_after_the_one_before_though_the_clock_stands_or_goes_back() {
        assert_eq!(following(7, 9), 9);
        assert_eq!(following(9, 9), 10);
        assert_eq!(following(10, 3), 11);
        let numbers = Numbers::new(machine_clock);
        store_shows(&numbers, 5_000_000_000);
        let before = numbers.next();
        store_shows(&numbers, (before - HOUR_US) / 1000);
        let mut last = before;
        for _ in 0..1000 {
            let next = numbers.next();
            assert!(next > last);
            last = next;
        }
        assert!(last < before + 1_000_000, "it has not run ahead: {last}");
    }

    #[test]
    fn they_go_by_the_stores_clock_whatever_the_hubs_shows() {
        let ahead = Numbers::new(|| Duration::from_secs(5_000_003));
        let behind = Numbers::new(|| Duration::from_secs(4_999_997));
        ahead.next();
        store_shows(&ahead, 5_000_010_000);
        store_shows(&behind, 5_000_010_000);
        for numbers in [&ahead, &behind] {
            let off = numbers.next() - 5_000_010_000_000;
            assert!((0..1_000_000).contains(&off), "{off}");
        }
        let off = ahead.hub_is_ahead_us() - behind.hub_is_ahead_us();
        assert!((off - 6_000_000).abs() < 1_000_000, "{off}");
    }
}
