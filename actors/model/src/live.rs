//! What happens now, for those who watch.

use serde::{Deserialize, Serialize};

use crate::{
    CommandRecord, Connector, PowerAlarm, Protocol, SessionId, SessionState, SiteId, StationId,
    Timestamp,
};

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
    /// Something about a site's power is to be looked at, or is over.
    PowerAlarm {
        /// Which site.
        site: SiteId,
        /// When.
        at: Timestamp,
        /// What.
        alarm: PowerAlarm,
        /// Whether it is new; otherwise it is over.
        raised: bool,
    },
}

impl LiveEvent {
    /// The station it is about, if it is about one.
    pub fn station(&self) -> Option<&StationId> {
        match self {
            Self::Connected { station, .. }
            | Self::Disconnected { station, .. }
            | Self::Status { station, .. }
            | Self::Session { station, .. } => Some(station),
            Self::Command(record) => Some(&record.station),
            Self::PowerAlarm { alarm, .. } => alarm.station.as_ref(),
        }
    }
}
