//! Numbers that rise: they order what one hub writes, and come after what it wrote before it was
//! started again.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use model::Timestamp;

/// Numbers that rise; each is about the µs since 1970 it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicI64);

impl Numbers {
    /// The next.
    pub(crate) fn next(&self) -> i64 {
        let now = now_us();
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(now.max(last + 1))
            });
        now.max(before.unwrap_or(0) + 1)
    }
}

/// The time, where a row's own does not say: whether a command may still be answered elsewhere.
pub(crate) fn now() -> Timestamp {
    Timestamp(now_us() / 1000)
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}
