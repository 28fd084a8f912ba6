//! What the spool keeps: the writes that a charger's acknowledgement waits for.

use model::{DeadLetter, SessionId, StationId, StoredReading, Timestamp};
use serde::{Deserialize, Serialize};
use store::SessionCommit;

/// A write that could not be brought to the remote store. As JSON, so that it can be read by people and
/// by the next version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// A session's snapshot and log entry.
    Session(Box<SessionCommit>),
    /// Readings outside a session.
    Reading {
        station: StationId,
        reading: StoredReading,
    },
    /// A message that crashed whoever handled it.
    DeadLetter(DeadLetter),
}

impl Record {
    /// The session it belongs to: its records are replayed one after the other.
    pub(crate) fn session(&self) -> Option<SessionId> {
        match self {
            Self::Session(commit) => Some(commit.session.id),
            Self::Reading { .. } | Self::DeadLetter(_) => None,
        }
    }

    /// When its message was received.
    pub(crate) fn received_at(&self) -> Timestamp {
        match self {
            Self::Session(commit) => commit.event.received_at,
            Self::Reading { reading, .. } => reading.received_at,
            Self::DeadLetter(letter) => letter.received_at,
        }
    }
}
