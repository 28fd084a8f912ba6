//! Charge detail records of sessions that are over: made by a sweep over those that are to be recorded, far from the
//! messages' way, in pages with pauses between.
//!
//! Of several nodes the holder of a session's shard makes its records. That is only to save work: a record's id is made
//! from the session and its number, and stores create each id once. So two nodes at once, or a node that dies
//! anywhere, give each record once.
//!
//! The last record is read before the session: so the session is never older than what was recorded of it, and a node
//! that dawdled cannot take a newer record back.

mod due;

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge};
use model::SessionId;
use store::{CdrCreated, CdrFilter, PageRequest, ReadError, SessionToRecord, WriteError};

use crate::{deps::Deps, guard::is_of_our_shards, metrics as names};

/// How many sessions are looked at before a pause.
const PAGE: u32 = 100;
/// How long to wait between two pages.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// The list is looked at so many times while a session waits for its record, though not oftener, nor more seldom, than
/// these.
const LOOKS: u32 = 10;
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(60);
/// So many sessions in a row that cannot be recorded end a sweep: then the store is away.
const MOST_FAILURES: u32 = 10;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What a sweep left to be recorded.
#[derive(Default)]
struct Left {
    sessions: u32,
    oldest_ms: i64,
}

/// Sweeps for ever, the first time after the part `first` (0 to 1) of the interval.
pub(crate) async fn run(deps: Arc<Deps>, first: f64) {
    let after = Duration::from_millis(deps.settings.record_after_ms.into());
    let every = (after / LOOKS).clamp(SHORTEST, LONGEST);
    let mut wait = every.mul_f64(first.clamp(0.0, 1.0));
    let mut failing = false;
    let mut left = Left::default();
    loop {
        tokio::time::sleep(wait).await;
        wait = every;
        let mut seen = Left::default();
        let swept = sweep(&deps, &mut seen).await;
        // What a sweep that ended early did not see is there as it was, and older.
        left = match swept {
            Ok(()) => seen,
            Err(_) => left.or_more(&seen, every),
        };
        gauge!(names::CDRS_DUE).set(left.sessions);
        gauge!(names::CDRS_OLDEST_DUE_SECONDS).set(left.oldest_ms as f64 / 1_000.0);
        match swept {
            Ok(()) => {
                if std::mem::replace(&mut failing, false) {
                    tracing::warn!("charge detail records are made again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "charge detail records cannot be made; it is tried again until they can");
                }
            }
        }
    }
}

/// A session that cannot be recorded holds up no other.
async fn sweep(deps: &Deps, left: &mut Left) -> Result<(), Failed> {
    let (mut in_a_row, mut why) = (0, None);
    let mut request = PageRequest::first(PAGE);
    loop {
        let page = deps.store.sessions_to_record(request).await?;
        for id in page.items {
            let Err(error) = look_at(deps, id, left).await else {
                in_a_row = 0;
                continue;
            };
            tracing::debug!(session = %id, %error, "a charge detail record cannot be made now");
            left.add(0);
            in_a_row += 1;
            if in_a_row == MOST_FAILURES {
                return Err(error);
            }
            why.get_or_insert(error);
        }
        let Some(next) = page.next else {
            return why.map_or(Ok(()), Err);
        };
        request = PageRequest {
            limit: PAGE,
            after: Some(next),
        };
        tokio::time::sleep(PAGE_PAUSE).await;
    }
}

async fn look_at(deps: &Deps, id: SessionId, left: &mut Left) -> Result<(), Failed> {
    let newest = PageRequest::first(1);
    let of_session = deps.store.cdrs(CdrFilter::of_session(id), newest).await?;
    let last = of_session.items.first();
    let Some(SessionToRecord { session, version }) = deps.store.session_to_record(id).await? else {
        return Ok(());
    };
    if !is_of_our_shards(deps, &session) {
        return Ok(());
    }
    let now = deps.clock.now();
    let unchanged_ms = now.ms_since(session.updated_at);
    if unchanged_ms < i64::from(deps.settings.record_after_ms) {
        left.add(unchanged_ms);
        return Ok(());
    }
    for record in due::due(&session, last, now) {
        let (number, kind) = match record.credits {
            None => (record.number, "record"),
            Some(_) => (record.number, "credit"),
        };
        match deps.store.create_cdr(record).await? {
            CdrCreated::Written => counter!(names::CDRS_CREATED, "kind" => kind).increment(1),
            CdrCreated::Known => {}
            CdrCreated::Differs(_) => {
                counter!(names::CDRS_DIFFERENT).increment(1);
                tracing::error!(
                    session = %id, number,
                    "the charge detail record of this number says something else than the session; it stays, and the next sweep goes on from it"
                );
                left.add(unchanged_ms);
                return Ok(());
            }
        }
    }
    deps.store.recorded(id, version).await?;
    Ok(())
}

impl Left {
    /// This, so much later, or what was seen by then, if that is more.
    fn or_more(&self, seen: &Self, later: Duration) -> Self {
        let later_ms = match self.sessions {
            0 => 0,
            _ => i64::try_from(later.as_millis()).unwrap_or(i64::MAX),
        };
        Self {
            sessions: self.sessions.max(seen.sessions),
            oldest_ms: self.oldest_ms.saturating_add(later_ms).max(seen.oldest_ms),
        }
    }

    fn add(&mut self, unchanged_ms: i64) {
        self.sessions += 1;
        self.oldest_ms = self.oldest_ms.max(unchanged_ms);
    }
}
