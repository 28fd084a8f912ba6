//! How a socket reaches its charger's actor.

use std::{sync::Arc, time::Duration};

use model::{Refusal, StationEvent, StationId, StationReply, Timestamp};
use tokio::sync::oneshot;

use super::{ChargerMsg, EventEnvelope};
use crate::{deps::Deps, directory::Slot, metrics};

/// A socket's hold on its charger. Dropping it gives up the claim, and tells the actor that the socket is gone.
pub struct Connection {
    pub(crate) slot: Arc<Slot>,
    pub(crate) deps: Arc<Deps>,
    pub(crate) epoch: i64,
}

impl Connection {
    /// Whose it is.
    pub fn station(&self) -> &StationId {
        &self.slot.station
    }

    /// The epoch of this connection: higher than that of any before it.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Whether the station may charge, as far as its actor knows.
    pub fn is_accepted(&self) -> bool {
        self.slot.accepted()
    }

    /// Brings what the station said to its actor and waits for the answer.
    ///
    /// # Errors
    /// As [`Actors::ask`](crate::Actors::ask).
    pub async fn ask(
        &self,
        event: StationEvent,
        received_at: Timestamp,
    ) -> Result<StationReply, Refusal> {
        ask(&self.slot, &self.deps, event, received_at).await
    }

    /// A transaction number that nobody else is given, for a start that no actor could handle.
    pub async fn spare_number(&self) -> Option<i32> {
        let actor = self.slot.actor_within(deadline(&self.deps)).await?;
        let (reply, number) = oneshot::channel();
        actor.cast(ChargerMsg::SpareNumber(reply)).ok()?;
        number.await.ok()
    }
}

/// What became of an attempt to have an event answered.
enum Attempt {
    Answered(Result<StationReply, Refusal>),
    /// The actor ended before it answered.
    Crashed,
    /// There was no actor, or no answer, in time.
    NoTime,
}

/// Has an event answered. An actor that crashes over it is started again and asked once more, if the
/// message may not be lost; the retry key keeps that from counting twice.
pub(crate) async fn ask(
    slot: &Slot,
    deps: &Deps,
    event: StationEvent,
    received_at: Timestamp,
) -> Result<StationReply, Refusal> {
    if !event.is_transactional() {
        return match attempt(slot, deps, event, received_at).await {
            Attempt::Answered(answer) => answer,
            Attempt::Crashed | Attempt::NoTime => Err(Refusal::Internal),
        };
    }
    let mut crashes = 0;
    for _ in 0..ATTEMPTS_MOST {
        let before = slot.crashes();
        match attempt(slot, deps, event.clone(), received_at).await {
            Attempt::Answered(answer) => return answer,
            Attempt::NoTime => return Err(Refusal::Close),
            Attempt::Crashed => {}
        }
        // An actor that was just ending drops its messages too; only a crash counts as one.
        if slot.crash_after(before, CRASH_IS_KNOWN_WITHIN).await {
            crashes += 1;
        }
        if crashes == CRASHES_MOST {
            return Err(Refusal::Crashed);
        }
    }
    Err(Refusal::Close)
}

/// A message that crashed its actor so often is not tried again.
const CRASHES_MOST: u32 = 2;
/// How often a message is tried at all.
const ATTEMPTS_MOST: u32 = 5;
/// How long a supervisor may take to learn of a crash.
const CRASH_IS_KNOWN_WITHIN: Duration = Duration::from_millis(200);

async fn attempt(slot: &Slot, deps: &Deps, event: StationEvent, received_at: Timestamp) -> Attempt {
    let deadline = deadline(deps);
    let Some(actor) = slot.actor_within(deadline).await else {
        return Attempt::NoTime;
    };
    let (reply, answer) = oneshot::channel();
    let envelope = Box::new(EventEnvelope {
        event,
        received_at,
        reply,
    });
    if actor.cast(ChargerMsg::Event(envelope)).is_err() {
        return Attempt::Crashed;
    }
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(answer)) => Attempt::Answered(answer),
        Ok(Err(_)) => Attempt::Crashed,
        Err(_) => Attempt::NoTime,
    }
}

fn deadline(deps: &Deps) -> Duration {
    Duration::from_millis(deps.settings.event_deadline_ms)
}

impl Drop for Connection {
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::STATIONS_CONNECTED).decrement(1.0);
        let placement = &self.deps.placement;
        placement.release(&self.slot.station, self.epoch);
        match self.slot.actor() {
            Some(actor) => {
                let _ = actor.cast(ChargerMsg::Disconnected(self.epoch));
            }
            // The actor is being restarted: it will find no socket.
            None => {
                self.slot.detach(self.epoch);
            }
        }
    }
}
