//! Dead letters: transaction messages that crash whoever handles them.
//!
//! Such a message must not be lost, must not be answered with an error, and must not stop the station's
//! queue for ever. So it is kept as it was sent, durably, and then acknowledged. When the cause is
//! mended, somebody replays it, and it takes the way it would have taken.

use std::sync::Arc;

use actors::{Actors, Connection};
use model::{
    DeadLetter, DeadLetterId, Protocol, Refusal, RetryKey, StationEvent, StationReply, Timestamp,
    TransactionPhase,
};
use ocpp::inbound;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Store;

use crate::metrics;

/// Keeps and replays dead letters; cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    store: Arc<dyn Store>,
    actors: Actors,
}

/// Why a dead letter could not be replayed; it stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayError {
    /// There is none of that id.
    #[error("there is no such dead letter; it may have been replayed or deleted")]
    Unknown,
    /// It crashed its actor again.
    #[error("it crashed its actor again and stays; mend the cause first")]
    CrashedAgain,
    /// The station was turned away.
    #[error("its station is not accepted; accept it first")]
    NotAccepted,
    /// It cannot be read at all.
    #[error("its payload cannot be read: {0}; keep a copy and delete it")]
    Unreadable(String),
    /// Its station is at another hub, which did not replay it.
    #[error("its station is at another hub: {0}; try again")]
    Elsewhere(String),
    /// The store could not be read or written.
    #[error("the store could not take it now: {0}; try again")]
    Store(String),
}

impl DeadLetters {
    /// Dead letters in this store, replayed to these actors.
    pub fn new(store: Arc<dyn Store>, actors: Actors) -> Self {
        Self { store, actors }
    }

    /// Keeps a message that crashed its actor twice; the reply acknowledges it.
    ///
    /// # Errors
    /// [`Refusal::Close`] when it cannot be kept either.
    pub(crate) async fn keep(
        &self,
        keepsake: Keepsake,
        protocol: Protocol,
        action: &str,
        received_at: Timestamp,
        connection: &Connection,
    ) -> Result<StationReply, Refusal> {
        let number = match keepsake.is_start_16 {
            true => Some(connection.spare_number().await.ok_or(Refusal::Close)?),
            false => None,
        };
        let letter = DeadLetter {
            id: DeadLetterId::fresh(),
            station: connection.station().clone(),
            protocol,
            retry_key: keepsake.retry_key,
            received_at,
            action: action.to_owned(),
            payload: keepsake.payload,
            number,
        };
        let kept = self
            .store
            .record_dead_letter(letter)
            .await
            .map_err(|_| Refusal::Close)?;
        ::metrics::counter!(metrics::DEAD_LETTERS).increment(1);
        tracing::error!(station = %kept.station, action, id = %kept.id, "a transaction message crashed its actor twice and is kept as a dead letter; mend the cause and replay it");
        Ok(StationReply::Transaction {
            number: kept.number,
            token: None,
        })
    }

    /// The dead letter of that id.
    ///
    /// # Errors
    /// [`ReplayError::Unknown`] and [`ReplayError::Store`].
    pub(crate) async fn read(&self, id: DeadLetterId) -> Result<DeadLetter, ReplayError> {
        let letter = self.store.dead_letter(id).await;
        let letter = letter.map_err(|error| ReplayError::Store(error.to_string()))?;
        letter.ok_or(ReplayError::Unknown)
    }

    /// Has a dead letter handled after all, and forgets it when it was. Only where its station is, or where no
    /// other hub holds that: one actor writes for a station ([`Fleet::replay`](crate::fleet::Fleet::replay)).
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub(crate) async fn replay(&self, letter: DeadLetter) -> Result<(), ReplayError> {
        let store_error = |error: &dyn std::fmt::Display| ReplayError::Store(error.to_string());
        let id = letter.id;
        let event = event_of(&letter).map_err(ReplayError::Unreadable)?;
        self.actors
            .ask(&letter.station, letter.protocol, event, letter.received_at)
            .await
            .map_err(|refusal| match refusal {
                Refusal::Crashed => ReplayError::CrashedAgain,
                Refusal::NotAccepted => ReplayError::NotAccepted,
                Refusal::Close | Refusal::Internal => store_error(&"the message was not written"),
            })?;
        self.store
            .delete_dead_letter(id)
            .await
            .map_err(|error| store_error(&error))?;
        Ok(())
    }
}

/// What was sent, with the number that was given in answer.
fn event_of(letter: &DeadLetter) -> Result<StationEvent, String> {
    let payload: &RawValue =
        serde_json::from_str(&letter.payload).map_err(|error| error.to_string())?;
    let decoded = inbound::decode(letter.protocol, &letter.action, payload, letter.received_at)
        .map_err(|fault| fault.description)?;
    let mut event = decoded.event;
    if let (StationEvent::Transaction(start), Some(number)) = (&mut event, letter.number)
        && start.phase == TransactionPhase::Started
    {
        start.transaction = Some(number.to_string());
    }
    Ok(event)
}

/// What has to be at hand to keep a message, should it crash its actor.
pub(crate) struct Keepsake {
    retry_key: RetryKey,
    /// Its answer has to give a number.
    is_start_16: bool,
    payload: String,
}

impl Keepsake {
    /// Of a message that may not be lost.
    pub(crate) fn of(event: &StationEvent, payload: &RawValue) -> Option<Self> {
        let (retry_key, is_start_16) = match event {
            StationEvent::Transaction(event) => {
                let starts = event.phase == TransactionPhase::Started;
                (
                    event.retry_key.clone(),
                    starts && event.transaction.is_none(),
                )
            }
            StationEvent::Meter(reading) => (reading.retry_key.clone(), false),
            _ => return None,
        };
        Some(Self {
            retry_key,
            is_start_16,
            payload: payload.get().to_owned(),
        })
    }
}
