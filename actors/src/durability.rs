//! Whether transaction messages can be made durable just now.
//!
//! While they cannot, it is kinder to a charger to stay offline, where it keeps its queue, than to be
//! taken in and let down with its first message. So after a transaction message could not be kept new
//! sockets are refused, but for one now and then: its message shows whether the store is back.
//!
//! Behind a load balancer none comes while the hub is not ready, so the hub asks the store itself too: as
//! often, it tries to note with the station that its message could not be kept, until that is written.
//!
//! A store that keeps some messages and others not, one that is all but full say, must not have all chargers come and
//! go each second: the sooner trouble comes back, the longer until the next trial.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use model::{StationId, Timestamp};
use store::{NoticeRecord, Store, WriteError};
use tokio::sync::Notify;

/// How often one socket is let in, and the store is asked, while nothing can be kept: at first, and at most where
/// trouble comes back again and again.
const TRIAL_EVERY_MS: i64 = 1_000;
const TRIAL_EVERY_MOST_MS: i64 = 16_000;
/// Trouble that comes back after this is new trouble.
const CALM_MS: i64 = 60_000;
const FINE: i64 = i64::MIN;

/// Whether transaction messages can be made durable just now.
#[derive(Debug)]
pub(crate) struct Durability {
    /// When the last trial began; [`FINE`] while everything is kept.
    trial_at_ms: AtomicI64,
    /// What trouble began with: that of now, or the last.
    unkept: Mutex<Option<Unkept>>,
    troubled: Notify,
}

/// A message that could not be kept: the first since all were.
#[derive(Debug, Clone)]
struct Unkept {
    station: StationId,
    received_at: Timestamp,
    why: String,
    /// How often there is a trial until all are kept again.
    trial_every_ms: i64,
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
    pub(crate) fn note(&self, kept: Result<(), &WriteError>, station: &StationId, now: Timestamp) {
        let Err(error) = kept else {
            self.kept();
            return;
        };
        if !self.unkept_at(now) {
            return;
        }
        let why = error.to_string();
        tracing::error!(
            why,
            "transaction messages cannot be kept: sockets close and new ones are refused until the store writes again"
        );
        let mut unkept = self.unkept();
        let trial_every_ms = trial_every_ms(unkept.as_ref(), now);
        *unkept = Some(Unkept {
            station: station.clone(),
            received_at: now,
            why,
            trial_every_ms,
        });
        drop(unkept);
        self.troubled.notify_one();
    }

    /// Why transaction messages cannot be kept now, as far as is known; nothing, while they can.
    pub(crate) fn trouble(&self) -> Option<String> {
        if self.is_fine() {
            return None;
        }
        let why = self.unkept().as_ref().map(|unkept| unkept.why.clone());
        Some(why.unwrap_or_else(|| "the store did not write".to_owned()))
    }

    /// Whether they are kept, as far as is known.
    pub(crate) fn is_fine(&self) -> bool {
        self.trial_at_ms.load(Ordering::Relaxed) == FINE
    }

    /// Asks the store whether it is back, whenever it was away, for as long as this is polled.
    pub(crate) async fn watch(&self, store: &dyn Store) {
        loop {
            self.troubled.notified().await;
            while !self.is_fine() {
                let pause = self.trial_every_ms().unsigned_abs();
                tokio::time::sleep(Duration::from_millis(pause)).await;
                self.ask(store).await;
            }
        }
    }

    async fn ask(&self, store: &dyn Store) {
        let unkept = self.unkept().clone();
        let (false, Some(unkept)) = (self.is_fine(), unkept) else {
            return;
        };
        let notice = NoticeRecord {
            received_at: unkept.received_at,
            action: "NotKept".to_owned(),
            payload: serde_json::json!({
                "by": "hub",
                "because": "the store did not write; the socket was closed, so that the station sends it again",
            }),
        };
        if store.record_notice(&unkept.station, notice).await.is_ok() {
            self.kept();
        }
    }

    fn kept(&self) {
        if self.trial_at_ms.swap(FINE, Ordering::Relaxed) != FINE {
            tracing::warn!("transaction messages are kept again");
        }
    }

    /// Whether trouble begins with this.
    fn unkept_at(&self, now: Timestamp) -> bool {
        let first =
            self.trial_at_ms
                .compare_exchange(FINE, now.0, Ordering::Relaxed, Ordering::Relaxed);
        first.is_ok()
    }

    fn unkept(&self) -> std::sync::MutexGuard<'_, Option<Unkept>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trial_every_ms(&self) -> i64 {
        let unkept = self.unkept();
        unkept
            .as_ref()
            .map_or(TRIAL_EVERY_MS, |unkept| unkept.trial_every_ms)
    }

    /// Whether a new socket may be taken in.
    pub(crate) fn admits(&self, now: Timestamp) -> bool {
        let trial = self.trial_at_ms.load(Ordering::Relaxed);
        if trial == FINE {
            return true;
        }
        // A clock that was set back must not put the next trial off for ever.
        let due = now.0 < trial || now.0 - trial >= self.trial_every_ms();
        due && self
            .trial_at_ms
            .compare_exchange(trial, now.0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// How often there is a trial in trouble that begins now, after that of `last`.
fn trial_every_ms(last: Option<&Unkept>, now: Timestamp) -> i64 {
    // Nothing is known of a clock that was set back.
    let back_soon = last.filter(|last| (0..CALM_MS).contains(&(now.0 - last.received_at.0)));
    back_soon.map_or(TRIAL_EVERY_MS, |last| {
        (last.trial_every_ms * 2).min(TRIAL_EVERY_MOST_MS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_nothing_can_be_kept_one_socket_a_second_is_let_in() {
        let durability = Durability::default();
        let station = StationId::new("CP").unwrap();
        assert!(durability.admits(Timestamp(0)));
        let error = WriteError::NotWritten("the disk is full".to_owned());
        durability.note(Err(&error), &station, Timestamp(0));
        let told = durability.trouble().unwrap();
        assert!(told.contains("the disk is full"), "{told}");
        assert!(!durability.admits(Timestamp(10)));
        assert!(durability.admits(Timestamp(1_000)));
        assert!(!durability.admits(Timestamp(1_001)));
        assert!(durability.admits(Timestamp(500)), "the clock was set back");
        durability.note(Ok(()), &station, Timestamp(1_500));
        assert_eq!(durability.trouble(), None);
        assert!(durability.admits(Timestamp(1_501)));
    }

    #[test]
    fn trouble_that_comes_back_is_tried_less_often() {
        let durability = Durability::default();
        let station = StationId::new("CP").unwrap();
        let error = WriteError::NotWritten("all but full".to_owned());
        let mut now = 0;
        let mut pause_after = |calm_ms| {
            now += calm_ms;
            durability.note(Err(&error), &station, Timestamp(now));
            let began = now;
            while !durability.admits(Timestamp(now)) {
                now += 100;
            }
            durability.note(Ok(()), &station, Timestamp(now));
            now - began
        };
        let pauses = [0, 10, 10, 10, 10, 10].map(&mut pause_after);
        assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000]);
        assert_eq!(pause_after(CALM_MS), 1_000);
    }
}
