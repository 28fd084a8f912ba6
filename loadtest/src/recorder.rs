//! The observer of a worker's fleet: it counts, and lets a scenario wait for a count.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loadtest::{Event, Failure, Observer};
use serde::{Deserialize, Serialize};

use crate::acknowledged::AcknowledgedFile;
use crate::roll_call::RollCall;
use crate::tally::{Tally, count};

/// How often a waiting scenario looks; also the resolution of the time of a round.
const LOOK: Duration = Duration::from_millis(1);

/// How CALLs are counted whose socket went before the answer.
pub(crate) const SOCKET_LOST: &str = "socket lost before the answer";

/// Counts what happens to a fleet.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    tally: Mutex<Tally>,
    /// Latencies count no more: the fleet leaves, all at once, as no fleet does in life.
    leaving: AtomicBool,
    /// A limit of this machine that the fleet has hit: the run says nothing about the central system.
    own_limit: Mutex<Option<String>>,
    roll_call: Mutex<Option<RollCall>>,
    acknowledged: Mutex<Option<AcknowledgedFile>>,
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
        locked(&self.tally)
    }

    /// The limit of this machine that the fleet has hit, if any, and what to do about it.
    pub(crate) fn own_limit(&self) -> Option<String> {
        locked(&self.own_limit).clone()
    }

    /// From now on every acknowledged transaction message is written to a new file at `path`.
    pub(crate) fn write_acknowledged(&self, path: &Path) -> io::Result<()> {
        *locked(&self.acknowledged) = Some(AcknowledgedFile::create(path)?);
        Ok(())
    }

    /// Brings the file of acknowledged messages, if there is one, to its end.
    pub(crate) fn close_acknowledged(&self) -> io::Result<()> {
        locked(&self.acknowledged)
            .take()
            .map_or(Ok(()), AcknowledgedFile::close)
    }

    /// A storm begins: all of these chargers have to come back.
    pub(crate) fn call_roll(&self, identities: impl Iterator<Item = String>) {
        *locked(&self.roll_call) = Some(RollCall::begin(identities));
    }

    /// A round that began at `began` is over: all are back, or not in time.
    pub(crate) fn end_round(&self, began: Instant, all_back: bool) {
        let mut tally = self.tally();
        if all_back {
            tally.rounds.push(began.elapsed());
        } else {
            tally.rounds_failed += 1;
        }
    }

    /// Waits until all chargers are back; false when they are not by `deadline`.
    pub(crate) async fn wait_for_all(&self, deadline: Instant) -> bool {
        poll(deadline, || {
            locked(&self.roll_call)
                .as_ref()
                .is_none_or(RollCall::is_complete)
        })
        .await
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
        poll(deadline, || wanted(&self.tally())).await
    }

    fn hit_own_limit(&self, limit: String) {
        *locked(&self.own_limit) = Some(limit);
    }
}

async fn poll(deadline: Instant, wanted: impl Fn() -> bool) -> bool {
    while !wanted() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts stay usable after a panic elsewhere.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this transaction message is the first of its session.
fn begins_session(action: &str, payload: &str) -> bool {
    match action {
        "StartTransaction" => true,
        "TransactionEvent" => payload.contains(r#""eventType":"Started""#),
        _ => false,
    }
}

impl Observer for Recorder {
    fn observe(&self, identity: &str, event: &Event<'_>) {
        let back = locked(&self.roll_call)
            .as_mut()
            .and_then(|roll| roll.note(identity, event));
        let mut tally = self.tally();
        if let Some(back) = back {
            tally.returns.record(back.after);
            tally.away.record(back.away);
        }
        match event {
            Event::Connected { took } => tally.connects.record(*took),
            Event::ConnectFailed(error) => {
                count(&mut tally.connect_failures, error.kind());
                if error.is_own_limit() {
                    self.hit_own_limit(error.to_string());
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
                    Failure::Disconnected => SOCKET_LOST.into(),
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
            Event::Acknowledged {
                action,
                payload,
                answer,
            } => {
                tally.acknowledged += 1;
                if begins_session(action, payload) {
                    tally.begun += 1;
                }
                if let Some(file) = locked(&self.acknowledged).as_mut()
                    && let Err(problem) = file.write(identity, action, payload, answer)
                {
                    self.hit_own_limit(format!(
                        "cannot write acknowledged messages: {problem}; free some disk space or name another file with --acknowledged"
                    ));
                }
            }
            Event::Discarded { .. } => tally.discarded += 1,
            _ => {}
        }
    }
}
