//! What happens now, for those who watch.

use serde::{Deserialize, Serialize};

use crate::{CommandRecord, Connector, Protocol, SessionId, SessionState, StationId, Timestamp};

/// Something that just happened. Watching is best effort: the store holds the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveEvent {
    /// A station's socket opened.
    Connected {
        /// Which.
        station: StationId,
        /// When.
        at: Timestamp,
        /// Speaking what.
        protocol: Protocol,
    },
    /// A station's socket closed.
    Disconnected {
        /// Which.
        station: StationId,
        /// When.
        at: Timestamp,
    },
    /// An outlet changed state.
    Status {
        /// Whose.
        station: StationId,
        /// The outlet.
        connector: Connector,
    },
    /// A session began, went on or ended.
    Session {
        /// Where.
        station: StationId,
        /// Which.
        session: SessionId,
        /// Going on or over.
        state: SessionState,
        /// Energy so far, in Wh.
        energy_wh: f64,
        /// Power now, in W.
        power_w: Option<f64>,
        /// When.
        at: Timestamp,
    },
    /// A command came to its end.
    Command(CommandRecord),
}

impl LiveEvent {
    /// The station it is about.
    pub fn station(&self) -> &StationId {
        match self {
            Self::Connected { station, .. }
            | Self::Disconnected { station, .. }
            | Self::Status { station, .. }
            | Self::Session { station, .. } => station,
            Self::Command(record) => &record.station,
        }
    }
}
