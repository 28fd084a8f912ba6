//! How an outlet comes to its floor, and how it is known to have it.

use model::{ChargingAnswer, ChargingAsk, StationId};

use super::{
    Managed,
    effect::Effect,
    lane::Floor,
    say::{About, Saying},
};
use crate::Told;

/// When a station that did not answer is sent its floor again, in ms.
const AGAIN_MS: i64 = 10_000;
/// When one that refused it is, in ms.
const REFUSED_AGAIN_MS: i64 = 300_000;
/// When one that shows another limit is, in ms.
const SHOWN_AGAIN_MS: i64 = 60_000;

/// An outlet that is not known to have its floor: when that is worth an alarm. It is booked at the most it can draw from
/// the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bare {
    since_ms: i64,
    /// Its station came.
    came: bool,
    /// Its station refused the floor, or shows another.
    is_refused: bool,
}

impl Bare {
    /// One of which nothing is known from that time on.
    pub(super) fn since(now_ms: i64) -> Self {
        Self {
            since_ms: now_ms,
            ..Self::default()
        }
    }

    /// Whether somebody is to be told: once something is known against it, or nothing for it for too long.
    pub(super) fn is_told(&self, now_ms: i64, patience_ms: i64) -> bool {
        self.is_refused || now_ms - self.since_ms >= patience_ms
    }

    /// Its station comes. It has the whole patience, once, if nobody was told yet.
    fn comes(&mut self, now_ms: i64, patience_ms: i64) {
        if !self.came && !self.is_told(now_ms, patience_ms) {
            self.since_ms = now_ms;
        }
        self.came = true;
    }
}

impl Managed {
    /// A station comes: it is asked for its traits, and sent its floors, in a moment.
    pub(super) fn is_expected_to_take_floors(&mut self, station: &StationId, now_ms: i64) {
        let patience_ms = self.settings.lasts_ms();
        for index in self.lanes_of(station) {
            self.lanes[index].bare.comes(now_ms, patience_ms);
        }
    }

    /// What stations are to be told so that they have their floors.
    pub(super) fn set_up(&mut self, now_ms: i64) -> Vec<Saying> {
        let mut sayings = Vec::new();
        for (station, state) in &mut self.stations {
            if state.online && state.is_to_be_asked(now_ms) {
                sayings.push(Saying {
                    station: station.clone(),
                    ask: ChargingAsk::Traits,
                    about: About::Traits,
                });
            }
        }
        // Only those of stations that this site's tree names are of interest.
        sayings.retain(|saying| !self.lanes_of(&saying.station).is_empty());
        for index in 0..self.lanes.len() {
            let lane = &self.lanes[index];
            let online = self.station_is_set_up(&lane.planned.station);
            if online
                && lane.planned.limitable
                && let Floor::Due(at_ms) = lane.floor
                && at_ms <= now_ms
            {
                let saying = match std::mem::take(&mut self.lanes[index].back.is_asked_first) {
                    true => self.look_before_floor(index),
                    false => self.send_floor(index, false),
                };
                sayings.push(saying);
            }
        }
        sayings
    }

    /// The station told what profiles it takes, or does not tell: its floors are sent.
    pub(super) fn traits_are(&mut self, station: &StationId, told: &Told, now_ms: i64) {
        let Some(state) = self.stations.get_mut(station) else {
            return;
        };
        if let Told::Answer(ChargingAnswer::Traits(traits)) = told {
            state.traits = traits.clone();
        }
        state.is_set_up = true;
        let traits = state.traits.clone();
        for index in self.lanes_of(station) {
            let lane = &mut self.lanes[index];
            lane.stack_level_most = traits.stack_level_most;
            let usual = super::plan::usual_unit(&lane.planned);
            let configured = lane.planned.unit.is_some();
            lane.unit = match traits.units.first() {
                Some(first) if !configured && !traits.units.contains(&usual) => *first,
                _ => usual,
            };
            lane.back.is_asked_first = lane.floor == Floor::Kept;
            lane.floor = Floor::Due(now_ms);
        }
    }

    /// A station that came is asked whether it still has its floor, so that one is known that does not keep it. It is sent
    /// its floor in any case.
    fn look_before_floor(&mut self, index: usize) -> Saying {
        let lane = &mut self.lanes[index];
        lane.floor = Floor::Asked;
        let command = lane.look();
        self.saying(index, command, About::Before(index))
    }

    pub(super) fn floor_was_shown(&mut self, index: usize, told: &Told) -> Saying {
        if let Told::Answer(ChargingAnswer::Accepted(limits)) = told {
            self.is_seen_first(index, limits);
        }
        self.send_floor(index, false)
    }

    pub(super) fn floor_is_answered(
        &mut self,
        index: usize,
        cleared: bool,
        told: &Told,
        now_ms: i64,
    ) -> Option<Saying> {
        let lane = &mut self.lanes[index];
        match told.is_refused() {
            None => lane.floor = Floor::Due(now_ms + AGAIN_MS),
            Some(false) => {
                lane.taken.floor = Some(lane.floor_profile());
                return Some(self.look_at_floor(index, cleared));
            }
            Some(true) => match lane.takes_other_floor() {
                true => {
                    lane.effect = Effect::default();
                    return Some(self.send_floor(index, cleared));
                }
                false => {
                    tracing::warn!(
                        site = %self.site, station = %lane.planned.station, evse = lane.planned.evse, answer = ?told,
                        "the station refuses its floor; it is booked at the most it can draw"
                    );
                    self.has_no_floor(index, now_ms + REFUSED_AGAIN_MS);
                }
            },
        }
        None
    }

    /// A schedule that allows more than is booked is not ours: whatever else is at the outlet is taken away, once.
    ///
    /// "Accepted" is not "applied". A station that shows its schedule must show the floor; some do so only while there is
    /// a transaction, and are booked at the most they can draw until then. One that does not tell at all is believed, and
    /// its meter watched.
    pub(super) fn floor_is_shown(
        &mut self,
        index: usize,
        cleared: bool,
        told: &Told,
        now_ms: i64,
    ) -> Option<Saying> {
        let shown = match told {
            Told::Answer(ChargingAnswer::Accepted(limits)) => {
                let lane = &mut self.lanes[index];
                lane.shows(limits, now_ms);
                lane.shown_a(limits)
            }
            Told::Answer(_) | Told::Failed(_) => None,
            Told::Silence => {
                self.lanes[index].floor = Floor::Due(now_ms + AGAIN_MS);
                return None;
            }
        };
        let lane = &self.lanes[index];
        let allowed_a = self.controller.leased_a(index) + self.settings.tolerance_a;
        match shown {
            Some(shown_a) if shown_a > allowed_a && !cleared => {
                return Some(self.saying(index, lane.forget_defaults(), About::Defaults(index)));
            }
            Some(shown_a) if shown_a > allowed_a => {
                tracing::warn!(
                    site = %self.site, station = %lane.planned.station, evse = lane.planned.evse, shown_a, allowed_a,
                    "the station took its floor and shows a higher limit; it is booked at the most it can draw"
                );
                self.has_no_floor(index, now_ms + SHOWN_AGAIN_MS);
            }
            Some(_) => {
                self.shows_floor(index);
                self.has_floor(index, now_ms);
            }
            None => self.has_floor(index, now_ms),
        }
        None
    }

    /// Other defaults are gone, as far as the station lets them go; the floor, gone with them, is sent once more.
    pub(super) fn defaults_are_gone(&mut self, index: usize) -> Saying {
        self.lanes[index].taken.floor = None;
        self.send_floor(index, true)
    }

    /// The site's power is managed no more: stations that are here are told to forget their floors and grants, and are
    /// not known to keep them any more.
    pub(in crate::site) fn farewell(&mut self) -> Vec<Saying> {
        let mut sayings = Vec::new();
        for index in 0..self.lanes.len() {
            let lane = &self.lanes[index];
            if !self.station_is_set_up(&lane.planned.station) || lane.floor != Floor::Kept {
                continue;
            }
            for command in [lane.forget_grant(), lane.forget_floor()] {
                sayings.push(self.saying(index, command, About::Forgotten));
            }
            self.memory.note(&self.lanes[index], false);
        }
        sayings
    }

    fn look_at_floor(&self, index: usize, cleared: bool) -> Saying {
        let command = self.lanes[index].look();
        self.saying(index, command, About::FloorShown(index, cleared))
    }

    fn send_floor(&mut self, index: usize, cleared: bool) -> Saying {
        let lane = &mut self.lanes[index];
        lane.floor = Floor::Asked;
        let command = lane.set(lane.floor_profile());
        self.saying(index, command, About::Floor(index, cleared))
    }

    fn has_floor(&mut self, index: usize, now_ms: i64) {
        self.lanes[index].floor = Floor::Kept;
        self.lanes[index].bare.is_refused = false;
        self.controller.has_floor(index, now_ms);
        self.controller
            .grants_float(index, self.lanes[index].grants_float());
        self.memory.note(&self.lanes[index], true);
    }

    fn has_no_floor(&mut self, index: usize, again_ms: i64) {
        self.lanes[index].floor = Floor::Due(again_ms);
        self.lanes[index].bare.is_refused = true;
        self.controller.has_no_floor(index);
        self.memory.note(&self.lanes[index], false);
    }

    fn station_is_set_up(&self, station: &StationId) -> bool {
        let state = self.stations.get(station);
        state.is_some_and(|state| state.online && state.is_set_up)
    }

    pub(super) fn saying(&self, index: usize, command: model::Command, about: About) -> Saying {
        Saying {
            station: self.lanes[index].planned.station.clone(),
            ask: ChargingAsk::Do(command),
            about,
        }
    }
}
