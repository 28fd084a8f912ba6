//! Sessions that never end, and sessions that outlive their station: found by a sweep over the open
//! sessions, closed through the session's actor, the reason kept in the session's log.
//!
//! Nothing is kept of a session before its first transaction message: an accepted token or remote start
//! that no transaction follows leaves nothing to close.
//!
//! Among other nodes each looks at the sessions whose stations are connected to it, and the holder of a site's shard
//! at those whose stations are connected nowhere.
//!
//! The sweep is far from the messages' way: it reads pages, pauses between them, and looks closer only at
//! sessions that have been quiet for a while.

mod rule;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use model::{Session, SessionState, Timestamp};
use placement::ShardId;
use serde::{Deserialize, Serialize};
use store::{PageRequest, ReadError, SessionFilter};

pub(crate) use self::rule::Rule;
use self::rule::{Seen, over_by};
use crate::{
    charger::{ChargerMsg, reach},
    deps::Deps,
    session::core::Closing,
};

/// How many sessions are read at once.
const PAGE: u32 = 100;
/// How long to wait between two pages.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// A clock that is off by more than this between two sweeps was set.
const CLOCK_SET_MS: i64 = 60_000;

/// When the hub closes a session whose station does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// How often the open sessions are looked at, in s; 0: never.
    pub sweep_every_s: u32,
    /// How long after its last message a session is closed whose outlet is free, or has another session,
    /// or is gone with its deleted station, in s.
    pub orphaned_s: u32,
    /// How long after its last message a session is closed whose station is connected, in s. A station
    /// that came back is given this long anew.
    pub silent_s: u32,
    /// How long a station may be away before its sessions are closed, in s.
    pub station_away_s: u32,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            sweep_every_s: 300,
            orphaned_s: 3_600,
            // A car may stand at an outlet over the weekend, and some stations send no meter values.
            silent_s: 172_800,
            station_away_s: 14 * 86_400,
        }
    }
}

impl SessionPolicy {
    /// No rule closes a session that has been quiet for less, in ms.
    fn least_ms(&self) -> i64 {
        let least_s = self.orphaned_s.min(self.silent_s).min(self.station_away_s);
        1000 * i64::from(least_s)
    }
}

/// Sweeps for ever, the first time after the part `first` (0 to 1) of the interval, so that the nodes of
/// a fleet that started together do not sweep together.
pub(crate) async fn run(deps: Arc<Deps>, policy: SessionPolicy, first: f64) {
    let every = Duration::from_secs(policy.sweep_every_s.into());
    let mut evidence = Evidence::new(deps.clock.now(), Instant::now());
    let mut wait = every.mul_f64(first.clamp(0.0, 1.0));
    loop {
        tokio::time::sleep(wait).await;
        wait = every;
        let evidence_ms = evidence.ms(deps.clock.now(), Instant::now());
        if let Err(error) = sweep(&deps, &policy, evidence_ms).await {
            tracing::warn!(%error, "the open sessions could not all be looked at; the next sweep does");
        }
    }
}

async fn sweep(
    deps: &Arc<Deps>,
    policy: &SessionPolicy,
    evidence_ms: i64,
) -> Result<(), ReadError> {
    let filter = SessionFilter {
        state: Some(SessionState::Active),
        ..SessionFilter::default()
    };
    let mut request = PageRequest::first(PAGE);
    loop {
        let page = deps.store.sessions(filter.clone(), request).await?;
        for session in &page.items {
            let quiet_ms = deps.clock.now().ms_since(session.updated_at);
            if quiet_ms >= policy.least_ms() {
                look_at(deps, policy, session, evidence_ms).await?;
            }
        }
        let Some(next) = page.next else {
            return Ok(());
        };
        request = PageRequest {
            limit: PAGE,
            after: Some(next),
        };
        tokio::time::sleep(PAGE_PAUSE).await;
    }
}

/// Whether it is for this node to close the session: its station is connected here; or it is connected nowhere, and
/// the shard of its site is this node's.
async fn is_ours(deps: &Deps, session: &Session, connected: bool) -> bool {
    if connected {
        return true;
    }
    is_of_our_shards(deps, session) && deps.placement.locate(&session.station).await == Ok(None)
}

/// Whether the session's site, or its station where that has none, is in a shard of this node.
pub(crate) fn is_of_our_shards(deps: &Deps, session: &Session) -> bool {
    let shard = match &session.site {
        Some(site) => ShardId::of_site(site),
        None => ShardId::of_station(&session.station),
    };
    deps.placement.shard_epoch(shard).is_some()
}

async fn look_at(
    deps: &Arc<Deps>,
    policy: &SessionPolicy,
    session: &Session,
    evidence_ms: i64,
) -> Result<(), ReadError> {
    let connection = deps
        .directory
        .find(&session.station)
        .and_then(|slot| slot.connection());
    if !is_ours(deps, session, connection.is_some()).await {
        return Ok(());
    }
    let hydration = deps.store.hydrate(&session.station).await?;
    let seen = Seen {
        session,
        station: hydration.station.as_ref(),
        connectors: &hydration.connectors,
        open: &hydration.open_sessions,
        connected_since: connection.map(|attached| attached.since),
        now: deps.clock.now(),
        evidence_ms,
    };
    let Some(rule) = over_by(&seen, policy) else {
        return Ok(());
    };
    let closing = Closing {
        transaction: session.transaction.clone(),
        rule,
        because: rule.setting(policy),
        as_written_at: Some(session.updated_at),
    };
    let slot = reach(deps, &session.station, session.protocol).await?;
    if let Some(actor) = slot.actor_within(PATIENCE).await {
        // One that ends before it reads this leaves the session to the next sweep.
        let _ = actor.cast(ChargerMsg::Close(Box::new(closing)));
    }
    Ok(())
}

/// How long a charger's actor may take to start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Since when the hub's clock has not been set: what it showed before says nothing of how long ago
/// something was.
struct Evidence {
    last: (Timestamp, Instant),
    set_at: Option<Instant>,
}

impl Evidence {
    fn new(now: Timestamp, instant: Instant) -> Self {
        Self {
            last: (now, instant),
            set_at: None,
        }
    }

    /// The longest silence that counts, in ms.
    fn ms(&mut self, now: Timestamp, instant: Instant) -> i64 {
        let (last_now, last_instant) = std::mem::replace(&mut self.last, (now, instant));
        let off_ms = now.ms_since(last_now) - millis(instant - last_instant);
        if off_ms.abs() > CLOCK_SET_MS {
            tracing::warn!(
                off_ms,
                "the hub's clock was set; no session is closed for a silence before that"
            );
            self.set_at = Some(last_instant);
        }
        self.set_at
            .map_or(i64::MAX, |set_at| millis(instant - set_at))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_when_the_clock_was_set() {
        let begun = Instant::now();
        let at = |s: u64| begun + Duration::from_secs(s);
        let mut evidence = Evidence::new(Timestamp(0), begun);
        assert_eq!(evidence.ms(Timestamp(300_000), at(300)), i64::MAX);
        // Set forward by a year at some moment between second 300 and second 600.
        let year_ms = 365 * 86_400_000;
        assert_eq!(evidence.ms(Timestamp(600_000 + year_ms), at(600)), 300_000);
        assert_eq!(evidence.ms(Timestamp(900_000 + year_ms), at(900)), 600_000);
        // And back.
        assert_eq!(evidence.ms(Timestamp(1_200_000), at(1_200)), 300_000);
    }
}
