//! A station of a managed site: whether it is there, and whether it was set up since it came.

use model::{ChargingTraits, ConnectorState, StationId};

use super::Managed;

/// How long after its socket opened a station is left alone, in ms: some cannot take a CALL before they have booted
/// (quirk 30).
const SETTLES_MS: i64 = 1_000;

/// A station.
#[derive(Debug, Default)]
pub(super) struct StationState {
    pub(super) online: bool,
    /// When to ask what profiles it takes; none: it was asked.
    pub(super) ask_at_ms: Option<i64>,
    /// It told what profiles it takes, or that it does not tell, since it came.
    pub(super) is_set_up: bool,
    pub(super) traits: ChargingTraits,
}

impl StationState {
    /// Its socket opened or closed.
    pub(super) fn is_online(&mut self, online: bool, now_ms: i64) {
        if self.online == online {
            return;
        }
        self.online = online;
        self.is_set_up = false;
        self.ask_at_ms = online.then_some(now_ms + SETTLES_MS);
    }

    /// It is to be asked, again, what profiles it takes.
    pub(super) fn is_asked_again(&mut self, now_ms: i64) {
        if self.online {
            self.ask_at_ms.get_or_insert(now_ms);
        }
    }

    /// Whether it is to be asked now what profiles it takes.
    pub(super) fn is_to_be_asked(&mut self, now_ms: i64) -> bool {
        let due = self.ask_at_ms.is_some_and(|at| at <= now_ms);
        if due {
            self.ask_at_ms = None;
        }
        due
    }
}

impl Managed {
    /// An outlet of a station is in this state: that may say whether the car there suspends charging.
    pub(super) fn is_in_state(
        &mut self,
        station: &StationId,
        evse: u32,
        state: &ConnectorState,
        now_ms: i64,
    ) {
        let place = self.places.get(&(station.clone(), evse)).copied();
        if let (Some(index), Some(rests)) = (place, state.car_rests()) {
            self.lanes[index].appetite.is_said_to_rest(rests, now_ms);
        }
    }
}
