//! The observer of a worker's fleet: it counts, and lets a scenario wait for a count.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loadtest::{Event, Failure, Observer};
use serde::{Deserialize, Serialize};

use crate::tally::{Tally, count};

/// How often a waiting scenario looks; also the resolution of the time of a round.
const LOOK: Duration = Duration::from_millis(1);

/// Counts what happens to a fleet.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    tally: Mutex<Tally>,
    /// Latencies count no more: the fleet leaves, all at once, as no fleet does in life.
    leaving: AtomicBool,
    /// A limit of this machine that the fleet has hit: the run says nothing about the central system.
    own_limit: Mutex<Option<String>>,
}

/// The few numbers to show while a run goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) connected: u64,
    pub(crate) booted: u64,
    pub(crate) answered: u64,
    pub(crate) errors: u64,
}

impl Recorder {
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counts stay usable after a panic elsewhere.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit of this machine that the fleet has hit, if any, and what to do about it.
    pub(crate) fn own_limit(&self) -> Option<String> {
        self.own_limit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on answers are counted, but their latencies are not.
    pub(crate) fn fleet_leaves(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self) -> Progress {
        let tally = self.tally();
        let opened = tally.connects.count();
        let gone: u64 = tally.disconnects.values().sum();
        Progress {
            connected: opened.saturating_sub(gone),
            booted: tally.booted,
            answered: tally.answered(),
            errors: tally.failed() + tally.connect_failures.values().sum::<u64>(),
        }
    }

    /// Waits until the counts are as wanted; false when they are not by `deadline`.
    pub(crate) async fn wait(&self, deadline: Instant, wanted: impl Fn(&Tally) -> bool) -> bool {
        while !wanted(&self.tally()) {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }
}

impl Observer for Recorder {
    fn observe(&self, _identity: &str, event: &Event<'_>) {
        let mut tally = self.tally();
        match event {
            Event::Connected { took } => tally.connects.record(*took),
            Event::ConnectFailed(error) => {
                count(&mut tally.connect_failures, error.kind());
                if error.is_own_limit() {
                    let mut limit = self
                        .own_limit
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    *limit = Some(error.to_string());
                }
            }
            Event::Disconnected { reason } => count(&mut tally.disconnects, *reason),
            Event::Booted => tally.booted += 1,
            Event::Sent { action } => tally.action(action).sent += 1,
            Event::Answered { action, took } => {
                let tally = tally.action(action);
                tally.answered += 1;
                if !self.leaving.load(Ordering::Relaxed) {
                    tally.latency.record(*took);
                }
            }
            Event::Failed { action, failure } => {
                let kind = match failure {
                    Failure::TimedOut => "timed out".into(),
                    Failure::Disconnected => "socket lost before the answer".into(),
                    Failure::CallError(code) => format!("CALLERROR {code}"),
                    Failure::BadAnswer(lack) => format!("answer with {lack}"),
                };
                count(&mut tally.action(action).failures, kind);
            }
            Event::Refused { action, status } => {
                count(&mut tally.action(action).refusals, (*status).to_owned());
            }
            Event::Obeyed { action } => count(&mut tally.obeyed, (*action).to_owned()),
            Event::Unexpected { problem } => count(&mut tally.unexpected, *problem),
            Event::Queued { .. } => tally.queued += 1,
            Event::Acknowledged { .. } => tally.acknowledged += 1,
            Event::Discarded { .. } => tally.discarded += 1,
            _ => {}
        }
    }
}
