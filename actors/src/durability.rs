//! Whether transaction messages can be made durable just now.
//!
//! While they cannot, it is kinder to a charger to stay offline, where it keeps its queue, than to be
//! taken in and let down with its first message. So after a transaction message could not be kept new
//! sockets are refused, but for one now and then: its message shows whether the store is back.

use std::sync::atomic::{AtomicI64, Ordering};

use model::Timestamp;

/// How often one socket is let in while nothing can be kept.
const TRIAL_EVERY_MS: i64 = 1_000;
const FINE: i64 = i64::MIN;

/// Whether transaction messages can be made durable just now.
#[derive(Debug)]
pub(crate) struct Durability {
    /// When the last trial began; [`FINE`] while everything is kept.
    trial_at_ms: AtomicI64,
}

impl Default for Durability {
    fn default() -> Self {
        Self {
            trial_at_ms: AtomicI64::new(FINE),
        }
    }
}

impl Durability {
    /// A transaction message was kept, or could not be.
    pub(crate) fn note(&self, kept: bool, now: Timestamp) {
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
        assert!(durability.admits(Timestamp(0)));
        durability.note(false, Timestamp(0));
        assert!(!durability.admits(Timestamp(10)));
        assert!(durability.admits(Timestamp(1_000)));
        assert!(!durability.admits(Timestamp(1_001)));
        assert!(durability.admits(Timestamp(500)), "the clock was set back");
        durability.note(true, Timestamp(1_500));
        assert!(durability.admits(Timestamp(1_501)));
    }
}
