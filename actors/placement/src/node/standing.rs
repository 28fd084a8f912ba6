//! Whether the claims of this node stand: what others say of them, what the audit finds, and what is given up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use model::StationId;
use tokio::time::Instant;

use super::{
    Inner,
    unconfirmed::{Told, Unconfirmed},
};
use crate::{Away, Backend, Event, Notice, Standing, metrics};

/// How many questions of the audit, or releases, are under way at once.
const AT_ONCE: usize = 64;
/// How often the audit takes its next share.
const AUDIT_TICK: Duration = Duration::from_millis(100);
/// How soon a broken subscription is tried again.
const RESUBSCRIBE: Duration = Duration::from_millis(500);

impl<B: Backend> Inner<B> {
    pub(super) async fn heed_notices(self: Arc<Self>) {
        let mut incarnation = self.incarnation.subscribe();
        loop {
            let Ok(Some(me)) = incarnation.wait_for(Option::is_some).await.map(|me| *me) else {
                return;
            };
            if let Ok(mut notices) = self.backend.notices(me).await {
                // Some may have gone by before.
                self.audit_all.store(true, Ordering::SeqCst);
                let mut some = Vec::new();
                while notices.recv_many(&mut some, AT_ONCE).await > 0 {
                    stream::iter(some.drain(..))
                        .for_each_concurrent(AT_ONCE, |notice| self.heed_notice(notice, me))
                        .await;
                }
            }
            tokio::time::sleep(RESUBSCRIBE).await;
        }
    }

    /// Looks at the claim first: what came over a channel may be late, or not from a node.
    async fn heed_notice(&self, notice: Notice, me: i64) {
        let still_mine = match self.backend.holder(&notice.station).await {
            Ok(holder) => holder.is_some_and(|holder| holder.incarnation == me),
            // The notice came from there: its word is enough.
            Err(_) => false,
        };
        if !still_mine {
            self.evict(notice.station, notice.epoch).await;
        }
    }

    async fn evict(&self, station: StationId, epoch: i64) {
        if self.claims.taken(&station, epoch) {
            ::metrics::counter!(metrics::EVICTIONS).increment(1);
            self.happened().evictions += 1;
            // Nobody may want events any more.
            let _ = self.events.send(Event::Evicted { station, epoch }).await;
        }
    }

    pub(super) async fn audit(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(AUDIT_TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let per_second = |ticks_of: usize| (ticks_of / 10).max(1);
        let mut in_a_hurry = false;
        let mut left: Vec<StationId> = Vec::new();
        // Not yet due, in thousandths of a claim.
        let mut saved = 0;
        let mut unconfirmed = Unconfirmed::default();
        loop {
            ticks.tick().await;
            let Some(me) = *self.incarnation.borrow() else {
                continue;
            };
            if !self.health().up {
                continue;
            }
            if self.audit_all.swap(false, Ordering::SeqCst)
                || (!in_a_hurry && self.claims.provisional() > 0)
            {
                in_a_hurry = true;
                left = self.claims.stations();
                left.reverse();
            } else if left.is_empty() {
                in_a_hurry = false;
                left = self.claims.stations();
                left.reverse();
            }
            let share = if in_a_hurry {
                per_second(self.settings.confirms_per_s)
            } else {
                saved += self.claims.len() as u64 * 100 / self.settings.audit_s.max(1);
                let share = saved / 1000;
                saved %= 1000;
                usize::try_from(share).unwrap_or(usize::MAX)
            };
            let from = left.len().saturating_sub(share);
            let these = left.split_off(from);
            let failed = stream::iter(these)
                .map(|station| self.confirm(station, me))
                .buffer_unordered(AT_ONCE)
                .filter_map(async |confirmed| confirmed.err())
                .fold(None, async |_, last| Some(last))
                .await;
            self.note_unconfirmed(&mut unconfirmed, failed);
        }
    }

    /// Tells of claims that are not confirmed although the backend answers, and why.
    fn note_unconfirmed(&self, unconfirmed: &mut Unconfirmed, failed: Option<Away>) {
        let count = self.claims.provisional();
        let told = unconfirmed.look(count > 0, failed.is_some(), Instant::now());
        match (told, failed) {
            (Some(Told::Unconfirmed), Some(error)) => {
                let trouble = "claims of chargers are not confirmed by the placement backend (Redis), which answers otherwise: other hubs do not find these chargers; see what it refuses";
                tracing::warn!(chargers = count, %error, "{trouble}");
                self.health().claims_trouble = Some(format!("{trouble}: {error}"));
            }
            (Some(Told::Confirmed), _) => {
                tracing::warn!("all claims of chargers are confirmed again");
                self.health().claims_trouble = None;
            }
            _ => {}
        }
    }

    /// Asks whether a claim stands. Where that fails the next audit asks again.
    async fn confirm(&self, station: StationId, me: i64) -> Result<(), Away> {
        let Some(epoch) = self.claims.epoch(&station) else {
            return Ok(());
        };
        match self.backend.confirm(&station, epoch, me).await? {
            Standing::Held => {
                self.claims.confirmed(&station, epoch);
            }
            Standing::Restored => {
                ::metrics::counter!(metrics::RESTORED).increment(1);
                if self.claims.confirmed(&station, epoch) {
                    // Where one was forgotten, others may be.
                    self.audit_all.store(true, Ordering::SeqCst);
                }
            }
            // Lost to a newer claim of this node: that one stays.
            Standing::Lost(to) if to.incarnation == me => {
                self.evict(station, to.epoch - 1).await;
            }
            Standing::Lost(to) => self.evict(station, to.epoch).await,
        }
        Ok(())
    }

    pub(super) async fn give_up_releases(self: Arc<Self>) {
        let mut incarnation = self.incarnation.subscribe();
        loop {
            let these = self.claims.next_releases().await;
            let Ok(Some(me)) = incarnation.wait_for(Option::is_some).await.map(|me| *me) else {
                return;
            };
            let failed: Vec<(StationId, i64)> = stream::iter(these)
                .map(async |(station, epoch)| {
                    let outcome = self.backend.release(&station, epoch, me).await;
                    outcome.is_err().then_some((station, epoch))
                })
                .buffer_unordered(AT_ONCE)
                .filter_map(async |failed| failed)
                .collect()
                .await;
            if !failed.is_empty() {
                self.claims.release_later(failed);
                tokio::time::sleep(RESUBSCRIBE).await;
            }
        }
    }
}
