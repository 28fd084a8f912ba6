//! Pings and the end of dead sockets: one task for all sockets, not a timer each.
//!
//! Each socket is visited once per ping interval. If nothing was read since the last visit it is
//! pinged; if it was pinged and has answered pings before, it is dead. A charger that never answers
//! pings (quirk 25) is left alone as long as it says something within three heartbeats. Besides,
//! the kernel ends a socket whose ping is not acknowledged (see `accept`). So a dead socket is found
//! within two intervals, and a silent one that lives is kept.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actors::Link;

use super::{Sockets, link::LinkHandle};
use crate::metrics;

/// All open sockets, in as many slots as the interval has seconds.
pub(crate) struct Liveness {
    started: Instant,
    slots: Vec<Mutex<Vec<Weak<LinkHandle>>>>,
    next_slot: AtomicUsize,
    silence_most_s: u32,
}

/// What a visit to a socket finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visit {
    /// It spoke since the last visit.
    Alive,
    /// It was silent: ping it.
    Ping,
    /// It is dead.
    Dead,
}

impl Liveness {
    pub(crate) fn new(ping_interval_s: u32, heartbeat_interval_s: u32) -> Self {
        Self {
            started: Instant::now(),
            slots: (0..ping_interval_s).map(|_| Mutex::default()).collect(),
            next_slot: AtomicUsize::new(0),
            silence_most_s: heartbeat_interval_s
                .saturating_mul(3)
                .max(ping_interval_s * 2),
        }
    }

    /// Seconds since the hub started.
    pub(crate) fn now_s(&self) -> u32 {
        seconds_since(self.started)
    }

    /// What those seconds count from.
    pub(crate) fn began(&self) -> Instant {
        self.started
    }

    /// Watches a socket from now on, until it is dropped.
    pub(crate) fn watch(&self, link: &Arc<LinkHandle>) {
        let slot = self.next_slot.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let mut slot = self.slots[slot]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slot.push(Arc::downgrade(link));
    }

    fn visit_slot(&self, slot: usize) {
        let now_s = self.now_s();
        let mut slot = self.slots[slot]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slot.retain(|link| {
            let Some(link) = link.upgrade() else {
                return false;
            };
            match link.visit(now_s, self.silence_most_s) {
                Visit::Alive => {}
                Visit::Ping => link.ping(),
                Visit::Dead => {
                    ::metrics::counter!(metrics::SOCKETS_DEAD).increment(1);
                    link.declare_dead();
                }
            }
            true
        });
    }
}

/// Whole seconds since then.
pub(crate) fn seconds_since(began: Instant) -> u32 {
    u32::try_from(began.elapsed().as_secs()).unwrap_or(u32::MAX)
}

/// Visits every socket, a slot each second.
pub(crate) async fn run(sockets: Arc<Sockets>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for slot in (0..sockets.liveness.slots.len()).cycle() {
        ticks.tick().await;
        sockets.liveness.visit_slot(slot);
        sockets.conflicts.forget(sockets.clock.now());
    }
}
