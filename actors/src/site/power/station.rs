//! A station of a managed site: whether it is there, and whether it was set up since it came.

use model::{ChargingTraits, ConnectorState, StationId};

use super::Managed;
use crate::Told;

/// How long after its socket opened a station is left alone, in ms: some cannot take a CALL before they have booted
/// (quirk 30).
const SETTLES_MS: i64 = 1_000;

/// How long one that is too slow for grants is granted nothing, in ms.
const SLOW_MS: i64 = 300_000;
/// So many answers in a row that come late show that it is too slow: one may have been held up on the way.
const LATE_ANSWERS: u32 = 2;
/// No station is waited for longer, in ms.
const PATIENCE_MOST_MS: i64 = 60_000;

/// A station.
#[derive(Debug, Default)]
pub(super) struct StationState {
    pub(super) online: bool,
    /// When to ask what profiles it takes; none: it was asked.
    pub(super) ask_at_ms: Option<i64>,
    /// It told what profiles it takes, or that it does not tell, since it came.
    pub(super) is_set_up: bool,
    pub(super) traits: ChargingTraits,
    /// How long its answers may take, in ms, as far as it needs longer than others.
    needs_ms: i64,
    /// So many answers in a row came too late for grants.
    late_answers: u32,
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

    /// It answered after so long: it may take twice as long the next time, and not as long as before for ever.
    fn answers(&mut self, took_ms: i64) {
        let needs_ms = (2 * took_ms).min(PATIENCE_MOST_MS);
        let slowly_ms = self.needs_ms - (self.needs_ms - needs_ms) / 4;
        self.needs_ms = needs_ms.max(slowly_ms);
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
    /// How long an answer of this station may take, in ms.
    pub(in crate::site) fn patience_ms(&self, station: &StationId) -> i64 {
        let needs_ms = self.stations.get(station).map_or(0, |it| it.needs_ms);
        self.settings.silent_ms.max(needs_ms)
    }

    /// A station answered after so long, or is not waited for any more. One that is there and did not answer in time is given
    /// as long as any from now on. Whose answers take longer than half a lease has a grant for less than it takes to renew it, so
    /// it stays at its floor for some minutes, or until it answers sooner.
    pub(in crate::site) fn has_taken(
        &mut self,
        station: &StationId,
        told: &Told,
        took_ms: i64,
        now_ms: i64,
    ) {
        let patience_ms = self.patience_ms(station);
        let Some(state) = self.stations.get_mut(station) else {
            return;
        };
        match told {
            Told::Silence if took_ms < patience_ms || !state.online => return,
            Told::Silence => state.needs_ms = PATIENCE_MOST_MS,
            Told::Answer(_) | Told::Failed(_) => {
                state.answers(took_ms);
                state.late_answers = match took_ms > self.settings.lease_ms / 2 {
                    true => state.late_answers + 1,
                    false => 0,
                };
            }
        }
        let slow_until_ms = match state.late_answers {
            0 => Some(0),
            LATE_ANSWERS.. => Some(now_ms + SLOW_MS),
            _ => None,
        };
        let patience_ms = self.patience_ms(station);
        for index in self.lanes_of(station) {
            self.controller.patience(index, patience_ms);
            if let Some(slow_until_ms) = slow_until_ms {
                self.lanes[index].slow_until_ms = slow_until_ms;
            }
        }
    }

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
