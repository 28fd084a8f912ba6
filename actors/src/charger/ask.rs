//! How a socket reaches its charger's actor.

use std::{sync::Arc, time::Duration};

use model::{Refusal, StationEvent, StationReply, Timestamp};
use tokio::sync::oneshot;

use super::{ChargerMsg, EventEnvelope};
use crate::{deps::Deps, directory::Slot, metrics};

/// A socket's hold on its charger. Dropping it tells the actor that the socket is gone.
pub struct Connection {
    pub(crate) slot: Arc<Slot>,
    pub(crate) deps: Arc<Deps>,
    pub(crate) epoch: i64,
}

impl Connection {
    /// The epoch of this connection: higher than that of any before it.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Brings what the station said to its actor and waits for the answer.
    ///
    /// An actor that crashes over it is started again and asked once more, if the message may not be
    /// lost; the retry key keeps that from counting twice.
    ///
    /// # Errors
    /// The [`Refusal`] to act on. A message that may not be lost is never refused with
    /// [`Refusal::Internal`]: when it cannot be kept, the socket closes.
    pub async fn ask(
        &self,
        event: StationEvent,
        received_at: Timestamp,
    ) -> Result<StationReply, Refusal> {
        let refusal = if event.is_transactional() {
            Refusal::Close
        } else {
            Refusal::Internal
        };
        let again = event.is_transactional().then(|| event.clone());
        if let Some(answer) = self.ask_once(event, received_at).await {
            return answer;
        }
        match again {
            Some(event) => self
                .ask_once(event, received_at)
                .await
                .unwrap_or(Err(refusal)),
            None => Err(refusal),
        }
    }

    /// `None` when the actor crashed over it, or did not come or answer in time.
    async fn ask_once(
        &self,
        event: StationEvent,
        received_at: Timestamp,
    ) -> Option<Result<StationReply, Refusal>> {
        let deadline = Duration::from_millis(self.deps.settings.event_deadline_ms);
        let actor = self.slot.actor_within(deadline).await?;
        let (reply, answer) = oneshot::channel();
        let envelope = Box::new(EventEnvelope {
            event,
            received_at,
            reply,
        });
        actor.cast(ChargerMsg::Event(envelope)).ok()?;
        tokio::time::timeout(deadline, answer).await.ok()?.ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::STATIONS_CONNECTED).decrement(1.0);
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
