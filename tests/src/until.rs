//! Waiting for a condition, with a deadline, instead of sleeping for luck.

use std::{
    future::Future,
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_secs(20);

/// Asks again and again until `condition` gives something, and fails with `what` after 20 s.
///
/// # Panics
/// When the deadline passes.
pub async fn until<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "did not come about within {DEADLINE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
