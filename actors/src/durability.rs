//! Whether transaction messages can be made durable just now.
//!
//! While they cannot, it is kinder to a charger to stay offline, where it keeps its queue, than to be
//! taken in and let down with its first message. So after a transaction message could not be kept new
//! sockets are refused, but for one now and then: its message shows whether the store is back.
//!
//! Behind a load balancer none comes while the hub is not ready, so the hub asks the store itself too: as
//! often, it tries to note with the station that its message could not be kept, until that is written.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use model::{StationId, Timestamp};
use store::{NoticeRecord, Store};
use tokio::sync::Notify;

use crate::Clock;

/// How often one socket is let in, and the store is asked, while nothing can be kept.
const TRIAL_EVERY_MS: i64 = 1_000;
const ASK_EVERY: Duration = Duration::from_secs(1);
const FINE: i64 = i64::MIN;

/// Whether transaction messages can be made durable just now.
#[derive(Debug)]
pub(crate) struct Durability {
    /// When the last trial began; [`FINE`] while everything is kept.
    trial_at_ms: AtomicI64,
    /// The message that could not be kept: whose it was, and when.
    unkept: Mutex<Option<(StationId, Timestamp)>>,
    troubled: Notify,
}

impl Default for Durability {
    fn default() -> Self {
        Self {
            trial_at_ms: AtomicI64::new(FINE),
            unkept: Mutex::default(),
            troubled: Notify::new(),
        }
    }
}

impl Durability {
    /// A transaction message of that station was kept, or could not be.
    pub(crate) fn note(&self, kept: bool, station: &StationId, now: Timestamp) {
        let began = self.turn(kept, now);
        if began {
            *self.unkept() = Some((station.clone(), now));
            self.troubled.notify_one();
        }
    }

    /// Whether they are kept, as far as is known.
    pub(crate) fn is_fine(&self) -> bool {
        self.trial_at_ms.load(Ordering::Relaxed) == FINE
    }

    /// Asks the store whether it is back, whenever it was away, for as long as this is polled.
    pub(crate) async fn watch(&self, store: &dyn Store, clock: &dyn Clock) {
        loop {
            self.troubled.notified().await;
            while !self.is_fine() {
                tokio::time::sleep(ASK_EVERY).await;
                self.ask(store, clock).await;
            }
        }
    }

    async fn ask(&self, store: &dyn Store, clock: &dyn Clock) {
        let unkept = self.unkept().clone();
        let (false, Some((station, received_at))) = (self.is_fine(), unkept) else {
            return;
        };
        let notice = NoticeRecord {
            received_at,
            action: "NotKept".to_owned(),
            payload: serde_json::json!({
                "by": "hub",
                "because": "the store did not write; the socket was closed, so that the station sends it again",
            }),
        };
        if store.record_notice(&station, notice).await.is_ok() {
            self.turn(true, clock.now());
        }
    }

    /// Whether trouble begins with this outcome.
    fn turn(&self, kept: bool, now: Timestamp) -> bool {
        let before = if kept {
            self.trial_at_ms.swap(FINE, Ordering::Relaxed)
        } else {
            let first = self.trial_at_ms.compare_exchange(
                FINE,
                now.0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            first.unwrap_or_else(|trial| trial)
        };
        match (before == FINE, kept) {
            (true, false) => tracing::error!(
                "transaction messages cannot be kept: sockets close and new ones are refused until the store writes again; look at its disk"
            ),
            (false, true) => tracing::warn!("transaction messages are kept again"),
            _ => {}
        }
        before == FINE && !kept
    }

    fn unkept(&self) -> std::sync::MutexGuard<'_, Option<(StationId, Timestamp)>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a new socket may be taken in.
    pub(crate) fn admits(&self, now: Timestamp) -> bool {
        let trial = self.trial_at_ms.load(Ordering::Relaxed);
        if trial == FINE {
            return true;
        }
        // A clock that was set back must not put the next trial off for ever.
        let due = now.0 < trial || now.0 - trial >= TRIAL_EVERY_MS;
        due && self
            .trial_at_ms
            .compare_exchange(trial, now.0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_nothing_can_be_kept_one_socket_a_second_is_let_in() {
        let durability = Durability::default();
        let station = StationId::new("CP").unwrap();
        assert!(durability.admits(Timestamp(0)));
        durability.note(false, &station, Timestamp(0));
        assert!(!durability.is_fine());
        assert!(!durability.admits(Timestamp(10)));
        assert!(durability.admits(Timestamp(1_000)));
        assert!(!durability.admits(Timestamp(1_001)));
        assert!(durability.admits(Timestamp(500)), "the clock was set back");
        durability.note(true, &station, Timestamp(1_500));
        assert!(durability.admits(Timestamp(1_501)));
    }
}
