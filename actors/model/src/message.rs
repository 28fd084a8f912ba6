//! The message log: what a station and the hub said to each other, frame by frame.

use serde::{Deserialize, Serialize};

use crate::{StationId, Timestamp};

/// One frame, as it went over the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageEntry {
    /// Whose.
    pub station: StationId,
    /// When the hub read or wrote it.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// The OCPP action; of an answer, that of its call. Empty when not to be told.
    pub action: String,
    /// The frame itself, shortened where it is longer than the log keeps.
    pub frame: String,
}

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Station to hub.
    In,
    /// Hub to station.
    Out,
}
