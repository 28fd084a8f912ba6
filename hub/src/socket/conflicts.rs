//! Who asks and tells [`super::rivals`]: one entry for each identity that was taken over lately, so that
//! nothing is held for the others.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actors::{Actors, CloseReason, Link, OutgoingCall};
use dashmap::DashMap;
use model::{BootInfo, StationId, Timestamp};
use tokio::{net::TcpStream, sync::oneshot, time::Instant};

use super::{
    Sockets,
    request::Refused,
    rivals::{IdentityConflict, Judgement, Rivals},
};
use crate::metrics;

/// How long the keeper's socket may take to show that it is alive.
const PROBE_MOST: Duration = Duration::from_secs(3);
/// A device that boots says so sooner after it has connected.
const SAYS_BY_ITSELF: Duration = Duration::from_secs(3);
/// How long somebody may take to say whether it will tell what it is.
const ASK_MOST: Duration = Duration::from_secs(30);
/// How often it is looked at meanwhile.
const PROBE_LOOK: Duration = Duration::from_millis(100);
/// When the other device may try again at the earliest, in s.
const RETRY_S: u32 = 60;

/// The identities that were taken over lately.
pub struct Conflicts {
    of: DashMap<StationId, Rivals>,
    window_ms: i64,
}

impl Conflicts {
    /// `window_s`: what is longer ago does not count; 0: nothing is ever held.
    pub(crate) fn new(window_s: u32) -> Self {
        Self {
            of: DashMap::new(),
            window_ms: i64::from(window_s) * 1000,
        }
    }

    /// A new socket takes the identity over from that of epoch `from`. `recorded`: what the station's last
    /// boot said before.
    pub(crate) fn taken_over(
        &self,
        station: &StationId,
        from: i64,
        recorded: Option<&BootInfo>,
        now: Timestamp,
    ) {
        if self.window_ms > 0 {
            self.of
                .entry(station.clone())
                .or_insert_with(|| Rivals::new(recorded.cloned(), from, now))
                .taken_over(now);
        }
    }

    /// Whether it is of interest what a device of that identity says it is.
    pub(crate) fn concern(&self, station: &StationId) -> bool {
        !self.of.is_empty() && self.of.contains_key(station)
    }

    /// A device says what it is; whether it may stay.
    pub(crate) fn boots(
        &self,
        station: &StationId,
        epoch: i64,
        peer: IpAddr,
        boot: &BootInfo,
        now: Timestamp,
    ) -> bool {
        let Some(mut rivals) = self.of.get_mut(station) else {
            return true;
        };
        let may_stay = rivals.boots(epoch, peer, boot, now) == Judgement::Fine;
        if !may_stay {
            rivals.turned_away(false, now);
        }
        may_stay
    }

    /// The device at the socket of that epoch answered its eviction. If this shows that there are two, and
    /// the one that is connected now is the one to be turned away, its socket is closed.
    pub(crate) fn evicted(
        &self,
        station: &StationId,
        epoch: i64,
        peer: IpAddr,
        now: Timestamp,
        actors: &Actors,
    ) {
        let Some(mut rivals) = self.of.get_mut(station) else {
            return;
        };
        let Some(held) = rivals.evicted(epoch, peer, now, self.window_ms) else {
            return;
        };
        ::metrics::counter!(metrics::IDENTITY_CONFLICTS).increment(1);
        tracing::warn!(
            %station, keeper = ?held.keeper, other = ?held.other,
            "two devices use this identity; one keeps it, the other is turned away until it stays away: give it an identity of its own"
        );
        if held.evicted_keeps {
            actors.disconnect(station, CloseReason::IdentityConflict);
        }
    }

    fn must_ask(&self, station: &StationId, epoch: i64) -> bool {
        let rivals = self.of.get(station);
        rivals.is_some_and(|rivals| rivals.must_ask(epoch))
    }

    /// The conflict over an identity, while it is held.
    pub(crate) fn of(&self, station: &StationId) -> Option<IdentityConflict> {
        self.of.get(station)?.held().cloned()
    }

    /// Forgets what is over.
    pub(crate) fn forget(&self, now: Timestamp) {
        self.of
            .retain(|_, rivals| !rivals.is_over(now, self.window_ms));
    }
}

/// Turns somebody away who is the other device of an identity that is held.
pub(crate) async fn admit(
    station: &StationId,
    stream: &TcpStream,
    sockets: &Sockets,
) -> Result<(), Refused> {
    if !sockets.conflicts.concern(station) {
        return Ok(());
    }
    let Ok(peer) = stream.peer_addr() else {
        return Ok(());
    };
    let there = sockets.actors.socket(station);
    let judgement = match sockets.conflicts.of.get(station) {
        Some(rivals) => rivals.connects(peer.ip(), there.as_ref().map(|(_, epoch)| *epoch)),
        None => return Ok(()),
    };
    let keeper_lives = match (judgement, there) {
        (Judgement::Fine, _) => return Ok(()),
        (_, Some((keeper, _))) => lives(&keeper).await,
        (_, None) => false,
    };
    if judgement == Judgement::OtherIfKeeperLives && !keeper_lives {
        return Ok(());
    }
    if let Some(mut rivals) = sockets.conflicts.of.get_mut(station) {
        rivals.turned_away(keeper_lives, sockets.clock.now());
    }
    Err(Refused {
        retry_after_s: Some(RETRY_S),
        outcome: "identity_conflict",
        ..Refused::new(
            409,
            "another device uses this identity; give each an identity of its own",
        )
    })
}

/// Asks somebody who was let in at an identity that is held which device it is, unless it says so by
/// itself; many connect again without. The answer is judged by [`Conflicts::boots`].
pub(crate) fn ask_who(
    station: &StationId,
    epoch: i64,
    link: &Arc<dyn Link>,
    conflicts: &Arc<Conflicts>,
) {
    if !conflicts.must_ask(station, epoch) {
        return;
    }
    let (station, conflicts) = (station.clone(), Arc::clone(conflicts));
    let link = Arc::downgrade(link);
    tokio::spawn(async move {
        // Those that evict each other may not be there for long.
        if conflicts.of(&station).is_some() {
            tokio::time::sleep(SAYS_BY_ITSELF).await;
        }
        let Some(link) = link.upgrade() else {
            return;
        };
        if !conflicts.must_ask(&station, epoch) {
            return;
        }
        // Nobody waits: what tells is the BootNotification that follows.
        let (sent, outcome) = (oneshot::channel().0, oneshot::channel().0);
        link.call(OutgoingCall {
            // The same in every version (OCPP 1.6 §5.17, 2.0.1 F06).
            action: "TriggerMessage".to_owned(),
            payload: r#"{"requestedMessage":"BootNotification"}"#.to_owned(),
            timeout: ASK_MOST,
            sent,
            outcome,
        });
    });
}

/// Whether the station at a socket shows that it is alive.
async fn lives(link: &Arc<dyn Link>) -> bool {
    let asked = Instant::now();
    let mut pinged_s = None;
    loop {
        let elapsed = asked.elapsed();
        // Heard fewer whole seconds ago than have passed: so after it was asked.
        if u64::from(link.silent_s()) < elapsed.as_secs() {
            return true;
        }
        if elapsed >= PROBE_MOST {
            return false;
        }
        if pinged_s != Some(elapsed.as_secs()) {
            pinged_s = Some(elapsed.as_secs());
            link.ping();
        }
        tokio::time::sleep(PROBE_LOOK).await;
    }
}
