//! Where the charger actors are: identity -> slot. The only look-up.
//!
//! A slot outlives the actor in it: when the actor crashes, its successor finds the station's socket
//! here and goes on. Whoever has an event for the station waits at the slot until there is an actor
//! again.
//!
//! Among other nodes a slot is only as good as its last claim: when somebody else held the station since, what
//! the actor remembers may be old, and the next socket gets a new slot.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dashmap::DashMap;
use model::{Protocol, StationId, Timestamp};
use placement::Claim;
use ractor::ActorRef;
use store::Hydration;
use tokio::sync::Notify;

use crate::{Link, charger::ChargerMsg};

/// All slots of this node.
#[derive(Default)]
pub(crate) struct Directory(DashMap<StationId, Arc<Slot>>);

/// A station's place.
pub(crate) struct Slot {
    pub(crate) station: StationId,
    inside: Mutex<Inside>,
    actor_came: Notify,
}

#[derive(Default)]
struct Inside {
    actor: Option<ActorRef<ChargerMsg>>,
    /// An actor was asked for and has not retired since (a crashed one is being restarted).
    wanted: bool,
    connection: Option<Attached>,
    /// What the station speaks, or spoke when it was last here.
    protocol: Option<Protocol>,
    last_epoch: i64,
    /// The epoch of the last claim that a socket was attached under; 0: none was.
    claimed: i64,
    hydration: Option<Box<Hydration>>,
    quarantined_until: Option<Timestamp>,
    retired: bool,
    crashes: u64,
    /// It has a session open, as far as its actor knows.
    charges: bool,
    /// It may charge, as far as its actor knows.
    accepted: bool,
}

/// A station's open socket.
#[derive(Clone)]
pub(crate) struct Attached {
    pub(crate) link: Arc<dyn Link>,
    pub(crate) protocol: Protocol,
    pub(crate) epoch: i64,
    pub(crate) since: Timestamp,
}

/// What became of an attempt to attach a socket.
pub(crate) enum Attach {
    /// Attached.
    Done {
        /// The socket it replaces.
        replaced: Option<Arc<dyn Link>>,
        /// The actor to tell; absent when one has to be started (or is being restarted).
        actor: Option<ActorRef<ChargerMsg>>,
        /// An actor has to be started.
        start: bool,
    },
    /// The slot was given up in this very moment: look again.
    Retired,
    /// Another node held the station since its actor learnt what it knows, so the slot was given up: look
    /// again.
    Outdated {
        /// The socket that was still there.
        replaced: Option<Arc<dyn Link>>,
        /// The actor to end.
        actor: Option<ActorRef<ChargerMsg>>,
    },
    /// Something newer is known of the station than the claim.
    Overtaken,
    /// The station rests.
    Quarantined(Timestamp),
    /// An actor would have to be started, or another node held the station since, and nobody read what is to be
    /// known.
    Unread,
}

impl Directory {
    /// The station's slot, made where there is none.
    pub(crate) fn slot(&self, station: &StationId) -> Arc<Slot> {
        if let Some(slot) = self.0.get(station) {
            return Arc::clone(&slot);
        }
        let slot = self
            .0
            .entry(station.clone())
            .or_insert_with(|| Arc::new(Slot::new(station)));
        Arc::clone(&slot)
    }

    /// The station's slot, if there is one.
    pub(crate) fn find(&self, station: &StationId) -> Option<Arc<Slot>> {
        self.0.get(station).map(|slot| Arc::clone(&slot))
    }

    /// Gives up a slot that nobody is attached to; `false` when somebody is.
    pub(crate) fn retire(&self, slot: &Arc<Slot>) -> bool {
        if !slot.retire() {
            return false;
        }
        self.forget(slot);
        true
    }

    /// Forgets a slot that was given up.
    pub(crate) fn forget(&self, slot: &Arc<Slot>) {
        self.0
            .remove_if(&slot.station, |_, there| Arc::ptr_eq(there, slot));
    }

    /// All slots that `wanted` says yes to.
    pub(crate) fn slots(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        self.0
            .iter()
            .filter(|slot| wanted(slot))
            .map(|slot| Arc::clone(&slot))
            .collect()
    }
}

impl Slot {
    fn new(station: &StationId) -> Self {
        Self {
            station: station.clone(),
            inside: Mutex::default(),
            actor_came: Notify::new(),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // No code panics while it holds the lock for more than plain assignments.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a socket under a claim: the newest wins.
    pub(crate) fn attach(
        &self,
        link: Arc<dyn Link>,
        protocol: Protocol,
        claim: Claim,
        hydration: Option<Hydration>,
        now: Timestamp,
    ) -> Attach {
        let mut inside = self.inside();
        if inside.retired {
            return Attach::Retired;
        }
        if let Some(until) = inside.quarantined_until.filter(|until| *until > now) {
            return Attach::Quarantined(until);
        }
        if claim.epoch <= inside.last_epoch {
            return Attach::Overtaken;
        }
        let start = !inside.wanted;
        if start && hydration.is_none() {
            return Attach::Unread;
        }
        let knows = claim.continues(inside.claimed);
        // What somebody else did with it is in the store, which could not be read.
        if !start && hydration.is_none() && claim.follows_another(inside.claimed) {
            return Attach::Unread;
        }
        // While nobody else is known to have held it there is nothing better to go by.
        if !start && !knows && hydration.is_some() {
            inside.retired = true;
            return Attach::Outdated {
                replaced: inside.connection.take().map(|old| old.link),
                actor: inside.actor.take(),
            };
        }
        let epoch = claim.epoch;
        inside.last_epoch = epoch;
        inside.claimed = epoch;
        inside.protocol = Some(protocol);
        let attached = Attached {
            link,
            protocol,
            epoch,
            since: now,
        };
        let replaced = inside.connection.replace(attached).map(|old| old.link);
        if start {
            inside.wanted = true;
            // The one before may have written between the reading and the claim.
            inside.hydration = hydration.filter(|_| knows).map(Box::new);
        }
        Attach::Done {
            replaced,
            actor: inside.actor.clone(),
            start,
        }
    }

    /// Wants an actor though no socket is there; `None` when the slot was given up in this very moment,
    /// else whether one has to be started.
    pub(crate) fn want(&self, protocol: Protocol, hydration: Hydration) -> Option<bool> {
        let mut inside = self.inside();
        if inside.retired {
            return None;
        }
        inside.protocol.get_or_insert(protocol);
        inside.last_epoch = inside.last_epoch.max(hydration.last_epoch.unwrap_or(0));
        let start = !std::mem::replace(&mut inside.wanted, true);
        if start {
            inside.hydration = Some(Box::new(hydration));
        }
        Some(start)
    }

    /// The epoch to write with: that of the newest socket, or above all that was written before.
    pub(crate) fn epoch(&self) -> i64 {
        self.inside().last_epoch
    }

    /// The epoch of the last claim that a socket was attached under; 0: none was.
    pub(crate) fn claimed(&self) -> i64 {
        self.inside().claimed
    }

    /// Waits until no socket is attached that is older than that epoch.
    pub(crate) async fn is_rid_of(&self, epoch: i64) {
        let is_there = || self.connection().is_some_and(|old| old.epoch < epoch);
        while is_there() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What the station spoke when it was last here, if its actor is still here and lets it charge.
    pub(crate) fn remembers(&self) -> Option<Protocol> {
        let inside = self.inside();
        let knows = inside.wanted && inside.accepted && !inside.retired;
        inside.protocol.filter(|_| knows)
    }

    /// What the station speaks, or spoke when it was last here.
    pub(crate) fn protocol(&self) -> Protocol {
        self.inside().protocol.unwrap_or(Protocol::Ocpp16)
    }

    /// Detaches the socket of that epoch; `false` when a newer one is attached.
    pub(crate) fn detach(&self, epoch: i64) -> bool {
        let mut inside = self.inside();
        let current = inside
            .connection
            .as_ref()
            .is_some_and(|attached| attached.epoch == epoch);
        if current {
            inside.connection = None;
        }
        current
    }

    /// The open socket.
    pub(crate) fn connection(&self) -> Option<Attached> {
        self.inside().connection.clone()
    }

    /// What the socket's handshake read from the store for the first actor; once.
    pub(crate) fn take_hydration(&self) -> Option<Box<Hydration>> {
        self.inside().hydration.take()
    }

    /// The actor is there.
    pub(crate) fn actor_is(&self, actor: ActorRef<ChargerMsg>) {
        let mut inside = self.inside();
        inside.quarantined_until = None;
        inside.actor = Some(actor);
        drop(inside);
        self.actor_came.notify_waiters();
    }

    /// The actor is gone.
    pub(crate) fn actor_gone(&self) {
        self.inside().actor = None;
    }

    /// The actor tells whether it has a session open.
    pub(crate) fn charges_is(&self, charges: bool) {
        self.inside().charges = charges;
    }

    /// Whether it has a session open, as far as its actor knows.
    pub(crate) fn charges(&self) -> bool {
        self.inside().charges
    }

    /// The actor tells whether the station may charge.
    pub(crate) fn accepted_is(&self, accepted: bool) {
        self.inside().accepted = accepted;
    }

    /// Whether the station may charge, as far as its actor knows.
    pub(crate) fn accepted(&self) -> bool {
        self.inside().accepted
    }

    /// The actor, or that of one of its sessions, crashed.
    pub(crate) fn crashed(&self) {
        self.inside().crashes += 1;
    }

    /// How often that happened.
    pub(crate) fn crashes(&self) -> u64 {
        self.inside().crashes
    }

    /// Waits for a crash after the first `before`; `false` when there is none in time.
    pub(crate) async fn crash_after(&self, before: u64, within: Duration) -> bool {
        let known = async {
            while self.crashes() == before {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(within, known).await.is_ok()
    }

    /// The station rests until then.
    pub(crate) fn quarantine(&self, until: Timestamp) {
        let mut inside = self.inside();
        inside.quarantined_until = Some(until);
        let attached = inside.connection.clone();
        drop(inside);
        if let Some(attached) = attached {
            attached.link.close(crate::CloseReason::Quarantined);
        }
    }

    /// Until when the station rests, if it does.
    pub(crate) fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.inside().quarantined_until.filter(|until| *until > now)
    }

    /// The actor, if it is there.
    pub(crate) fn actor(&self) -> Option<ActorRef<ChargerMsg>> {
        self.inside().actor.clone()
    }

    /// The actor, waited for up to `deadline` while it is being restarted.
    pub(crate) async fn actor_within(&self, deadline: Duration) -> Option<ActorRef<ChargerMsg>> {
        if let Some(actor) = self.actor() {
            return Some(actor);
        }
        let wait = async {
            loop {
                let came = self.actor_came.notified();
                if let Some(actor) = self.actor() {
                    return actor;
                }
                came.await;
            }
        };
        tokio::time::timeout(deadline, wait).await.ok()
    }

    fn retire(&self) -> bool {
        let mut inside = self.inside();
        if inside.connection.is_some() {
            return false;
        }
        inside.retired = true;
        inside.actor = None;
        true
    }
}
