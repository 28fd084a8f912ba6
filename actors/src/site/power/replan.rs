//! A site whose plan changes: what is known of its stations and outlets goes over to the new one.

use model::{PlannedOutlet, ProfilePurpose, SitePower};

use super::{
    About, Managed, Timing,
    floor::Bare,
    lane::{Floor, Lane, lanes_of, places_of},
    plan, settings_of,
};

impl Managed {
    /// Goes on under another plan: what outlets that are in both were told, hold, drew and were seen to do stays known, so
    /// the next round has all decreases. Answers to what was said before must not come any more: outlets may be counted
    /// otherwise. `true` if there are outlets that were in no plan before: their stations are to tell what charges there.
    ///
    /// # Errors
    /// Why it cannot be managed by this; it goes on as before.
    pub(in crate::site) fn replan(
        &mut self,
        power: SitePower,
        timing: Timing,
        now_ms: i64,
    ) -> Result<bool, String> {
        let compiled = plan::site(&power)?;
        let settings = settings_of(&power, timing);
        let new = lanes_of(&power, &compiled);
        let before: Vec<Option<usize>> = (new.iter())
            .map(|lane| self.place_of(&lane.planned))
            .collect();
        self.others = std::mem::take(&mut self.others)
            .into_iter()
            .filter_map(|(node, it)| {
                let name = self.controller.site().node_name(node);
                Some((compiled.node(name)?, it))
            })
            .collect();
        self.controller.replan(compiled, settings, &before, now_ms);
        let mut old: Vec<Option<Lane>> = self.lanes.drain(..).map(Some).collect();
        for (index, (mut lane, before)) in new.into_iter().zip(&before).enumerate() {
            match before.and_then(|before| old[before].take()) {
                Some(mut known) => {
                    let has_floor = known.replan(lane, now_ms);
                    // A floor that is to be another is booked as it was until it is.
                    if !has_floor {
                        known.bare = Bare::since(now_ms);
                        self.controller.has_no_floor(index);
                    }
                    lane = known;
                }
                None => {
                    self.memory.tell(&mut lane);
                    lane.bare = Bare::since(now_ms);
                    if let Some(station) = self.stations.get_mut(&lane.planned.station) {
                        station.is_asked_again(now_ms);
                    }
                    if lane.floor == Floor::Kept {
                        self.controller.has_floor(index, now_ms);
                    }
                    self.memory
                        .tell_habits(&mut lane, index, &mut self.controller);
                    if let Some(lease) = self.memory.lease(&lane) {
                        self.controller
                            .recall_one(index, lease.amps, lease.ends_at.0);
                    }
                }
            }
            self.lanes.push(lane);
        }
        self.places = places_of(&self.lanes);
        self.strays.are_planned(&self.places);
        self.violated.clear();
        self.surpluses.clear();
        self.unsaid.retain(|it| it.about == About::Forgotten);
        for (station, state) in &mut self.stations {
            // Whoever is being asked answers to nobody.
            if !state.is_set_up {
                state.is_asked_again(now_ms);
            }
            for index in 0..self.lanes.len() {
                if self.lanes[index].planned.station == *station {
                    self.controller.online(index, state.online);
                }
            }
        }
        self.settings = settings;
        self.power = power;
        Ok(before.contains(&None))
    }

    fn place_of(&self, planned: &PlannedOutlet) -> Option<usize> {
        let place = (planned.station.clone(), planned.evse);
        self.places.get(&place).copied()
    }
}

impl Lane {
    /// It is planned like this from now on. `false` if the floor that its station has limits it no more.
    fn replan(&mut self, new: Lane, now_ms: i64) -> bool {
        let unit = plan::usual_unit(&new.planned);
        let same_unit = plan::usual_unit(&self.planned) == unit;
        // A maximum of the station as a whole is none for an outlet that is not alone.
        let limits = new.alone || self.grants_by != ProfilePurpose::StationMax;
        if !same_unit {
            self.unit = unit;
        }
        if !limits {
            self.grants_by = ProfilePurpose::Tx;
        }
        let same_floor = same_unit && limits && self.planned.floor_a == new.planned.floor_a;
        if self.floor != Floor::Kept || !same_floor {
            self.floor = Floor::Due(now_ms);
        }
        if self.planned.wiring != new.planned.wiring {
            // They are of other phases.
            (self.draw, self.drew_before) = (None, None);
        }
        self.planned = new.planned;
        self.outlet = new.outlet;
        self.phase_v = new.phase_v;
        self.alone = new.alone;
        limits
    }
}
