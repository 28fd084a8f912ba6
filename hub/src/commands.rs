//! Commands to stations: the one typed path from a request to the station's answer.

use std::time::Duration;

use model::{CommandRecord, StationId};
use serde_json::Value;

/// Sends commands; cheap to clone.
#[derive(Clone)]
pub struct Commands {}

/// What somebody asks of a station.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandAsk {
    /// To whom.
    pub station: StationId,
    /// An OCPP action of the station's version, or the name of a [`model::Command`] (`remote_start` …).
    pub action: String,
    /// Its payload.
    pub payload: Value,
    /// How long to wait for the answer.
    pub timeout: Duration,
    /// Whose key asks.
    pub by: String,
}

/// Why a command was not even tried. (One that was tried has a [`CommandRecord`] that tells.)
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommandRefused {
    /// No station of that identity is known.
    #[error("no station {0} is known; create it with POST /api/v1/stations or let it connect")]
    UnknownStation(StationId),
    /// The action or its payload is wrong; the text says where and what to do.
    #[error("{0}")]
    Invalid(String),
    /// The store could not be asked or did not take the record.
    #[error("the command could not be recorded: {0}; try again")]
    Store(String),
}

impl Commands {
    /// Sends a command and waits for its end.
    ///
    /// # Errors
    /// See [`CommandRefused`].
    pub async fn issue(&self, ask: CommandAsk) -> Result<CommandRecord, CommandRefused> {
        Err(CommandRefused::UnknownStation(ask.station))
    }
}
