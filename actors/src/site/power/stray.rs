//! Sessions of planned stations at outlets that are in no plan: nothing limits them, so what they draw is taken off what
//! the others may.

use std::collections::{BTreeMap, HashMap};

use model::{SessionId, StationId};

use super::{Draw, Managed, SessionFacts, meter::greatest};

/// No more of them are looked at: they have left nothing to share out long before.
const STRAYS_MOST: usize = 200;

/// Such sessions, by station and EVSE.
#[derive(Default)]
pub(super) struct Strays(BTreeMap<(StationId, u32), Stray>);

/// Such a session.
struct Stray {
    session: SessionId,
    draw: Option<Draw>,
}

impl Strays {
    /// It begins or goes on.
    pub(super) fn goes_on(&mut self, station: &StationId, evse: u32, facts: &SessionFacts) {
        let place = (station.clone(), evse);
        if self.0.len() >= STRAYS_MOST && !self.0.contains_key(&place) {
            return;
        }
        let new = || Stray {
            session: facts.id,
            draw: None,
        };
        let stray = self.0.entry(place).or_insert_with(new);
        if stray.session != facts.id {
            *stray = new();
        }
        let to_hubs_ms = facts.clock.unwrap_or_default().to_hubs_ms();
        if let Some(mut draw) = facts.draw {
            draw.at = draw.at.plus_ms(to_hubs_ms);
            stray.draw = Some(draw);
        }
    }

    /// It is over.
    pub(super) fn is_over(&mut self, station: &StationId, evse: u32, session: SessionId) {
        if self.holds(station, evse, session) {
            self.0.remove(&(station.clone(), evse));
        }
    }

    /// Whether the session was taken for one at this place.
    pub(super) fn holds(&self, station: &StationId, evse: u32, session: SessionId) -> bool {
        let place = (station.clone(), evse);
        self.0.get(&place).is_some_and(|it| it.session == session)
    }

    /// Of this station only those go on for which this is true of the EVSE.
    pub(super) fn retain(&mut self, station: &StationId, goes_on: impl Fn(u32) -> bool) {
        self.0
            .retain(|(of, evse), _| of != station || goes_on(*evse));
    }

    /// These places are in the plan now.
    pub(super) fn are_planned(&mut self, places: &HashMap<(StationId, u32), usize>) {
        self.0.retain(|place, _| !places.contains_key(place));
    }

    /// Where they are.
    pub(super) fn places(&self) -> impl Iterator<Item = &(StationId, u32)> {
        self.0.keys()
    }
}

impl Managed {
    /// What strays are booked at, by node of the site, per phase in A: what was seen lately, else the most that an outlet
    /// of the same station draws. Nobody knows how they are wired, so it is so much on each phase, in the part of the site
    /// where the first planned outlet of their station is.
    pub(super) fn strays_a(&self, now_ms: i64) -> HashMap<usize, [f64; 3]> {
        let mut booked: HashMap<usize, [f64; 3]> = HashMap::new();
        for ((station, _), stray) in &self.strays.0 {
            let lanes = self.lanes_of(station);
            let Some(&first) = lanes.first() else {
                continue;
            };
            let is_fresh = |draw: &Draw| (now_ms - draw.at.0).abs() <= self.settings.fresh_ms;
            let seen = stray.draw.filter(is_fresh);
            let seen_a = seen.and_then(|draw| self.lanes[first].drawn_a(&draw));
            let most_a = || lanes.iter().map(|it| self.lanes[*it].outlet.most_a);
            let amps = match seen_a {
                Some(phases) => greatest(phases),
                None => most_a().fold(0.0, f64::max),
            };
            let at = booked.entry(self.controller.site().node_of(first));
            for phase in at.or_default() {
                *phase += amps;
            }
        }
        booked
    }
}
