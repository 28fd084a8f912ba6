//! What is said to stations, and what comes back.

use model::{ChargingAnswer, ChargingAsk, StationId};
use power::CommandId;

use crate::Told;

/// Something to be said to a station.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::site) struct Saying {
    /// To whom.
    pub(in crate::site) station: StationId,
    /// What.
    pub(in crate::site) ask: ChargingAsk,
    /// Told back with the answer.
    pub(in crate::site) about: About,
}

/// What something that was said is about. Outlets are told by their index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::site) enum About {
    /// What profiles the station takes.
    Traits,
    /// What an outlet shows before its station, that came, is sent its floor.
    Before(usize),
    /// An outlet's floor; and whether other defaults were taken away before.
    Floor(usize, bool),
    /// Whether an outlet shows its floor; and whether other defaults were taken away before.
    FloorShown(usize, bool),
    /// Other defaults of an outlet are taken away.
    Defaults(usize),
    /// A grant: of which command, of how much, in A, and until when, in ms.
    Grant(usize, CommandId, f64, i64),
    /// What an outlet shows of a grant that its station took.
    Effect(usize),
    /// What an outlet shows; asked when, in ms.
    Look(usize, i64),
    /// A grant that is taken away.
    Forgotten,
}

impl Told {
    /// Whether the station said no; none if it said nothing.
    pub(super) fn is_refused(&self) -> Option<bool> {
        match self {
            Self::Answer(ChargingAnswer::Refused(_)) | Self::Failed(_) => Some(true),
            Self::Answer(_) => Some(false),
            Self::Silence => None,
        }
    }
}
