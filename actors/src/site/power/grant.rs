//! How the controller's commands become profiles, and what stations' answers to them mean.

use model::{ChargingAnswer, StationId};
use power::{Answer, Command, CommandId};

use super::{
    Managed,
    lane::Lane,
    say::{About, Saying},
};
use crate::{Told, metrics};

impl Managed {
    /// What a station's answer means; what to say next.
    pub(super) fn take_answer(
        &mut self,
        station: &StationId,
        about: About,
        told: &Told,
        now_ms: i64,
    ) -> Option<Saying> {
        match about {
            About::Traits => {
                self.traits_are(station, told, now_ms);
                None
            }
            About::Before(index) => Some(self.floor_was_shown(index, told)),
            About::Floor(index, cleared) => self.floor_is_answered(index, cleared, told, now_ms),
            About::FloorShown(index, cleared) => self.floor_is_shown(index, cleared, told, now_ms),
            About::Defaults(index) => Some(self.defaults_are_gone(index)),
            About::Grant(index, id, amps, ends_ms) => {
                self.grant_is_answered(index, id, amps, ends_ms, told, now_ms)
            }
            About::Effect(index) => self.effect_is_shown(index, told, now_ms),
            About::Look(index, asked_ms) => {
                self.is_looked_at(index, asked_ms, told, now_ms);
                None
            }
            About::Forgotten => None,
        }
    }

    /// Those commands that are within what is remembered of grants, and those that are not, which are noted.
    pub(super) fn remembered(
        &mut self,
        commands: &[Command],
        now_ms: i64,
    ) -> (Vec<Command>, Vec<Command>) {
        let covers = |it: &Command| {
            let lane = &self.lanes[it.outlet];
            self.memory.covers(lane, it.amps, it.ends_ms)
        };
        let (covered, uncovered): (Vec<Command>, Vec<Command>) =
            commands.iter().partition(|command| covers(command));
        let lease_ms = self.settings.lease_ms;
        let holding: Vec<(&Lane, f64)> = (self.lanes.iter().enumerate())
            .map(|(index, lane)| (lane, self.controller.leased_a(index)))
            .filter(|(lane, leased_a)| *leased_a > lane.planned.floor_a)
            .collect();
        let lasts = |(lane, _): &(&Lane, f64)| self.memory.lasts(lane, lease_ms, now_ms);
        if uncovered.is_empty() && holding.iter().all(lasts) {
            return (covered, uncovered);
        }
        let told = uncovered.iter().map(|command| {
            let lane = &self.lanes[command.outlet];
            (lane, self.controller.leased_a(command.outlet))
        });
        for (lane, leased_a) in holding.into_iter().chain(told) {
            self.memory.note_lease(lane, leased_a, lease_ms, now_ms);
        }
        (covered, uncovered)
    }

    /// The controller's commands as they are said.
    pub(super) fn grant(&mut self, commands: &[Command], now_ms: i64) -> Vec<Saying> {
        (commands.iter())
            .filter_map(|command| self.granted(command, now_ms))
            .collect()
    }

    fn granted(&mut self, command: &Command, now_ms: i64) -> Option<Saying> {
        let index = command.outlet;
        let lane = &mut self.lanes[index];
        if lane.charging.is_none() {
            // A grant that outlives its session is booked, and nobody is there to be told.
            self.controller
                .answered(index, command.id, Answer::Accepted, now_ms);
            return None;
        }
        let told_a = lane.told_a.replace(command.amps);
        let before_a = told_a.unwrap_or(lane.planned.floor_a);
        let direction = if command.amps < before_a {
            lane.lowering = Some((command.amps, now_ms));
            "down"
        } else if command.amps > before_a {
            lane.lowering = None;
            "up"
        } else {
            "same"
        };
        if direction != "same" {
            lane.told_ms = now_ms;
        }
        ::metrics::counter!(metrics::POWER_GRANTS, "direction" => direction).increment(1);
        Some(self.grant_saying(index, command.id, command.amps, command.ends_ms, now_ms))
    }

    fn grant_saying(
        &mut self,
        index: usize,
        id: CommandId,
        amps: f64,
        ends_ms: i64,
        now_ms: i64,
    ) -> Saying {
        let max_offline_s = self.max_offline_s(&self.lanes[index].planned.station);
        let lane = &mut self.lanes[index];
        if lane.grants_persist() {
            let ends_ms = ends_ms + self.settings.margin_ms;
            lane.persists_until_ms = lane.persists_until_ms.max(ends_ms);
        }
        let grant = lane.grant_profile(amps, ends_ms, max_offline_s, now_ms);
        lane.taken.is_asked(id, grant.clone());
        let command = lane.set(grant);
        self.saying(index, command, About::Grant(index, id, amps, ends_ms))
    }

    /// How long a grant outlives the station's connection at the station: until the next renewal would have come, so that a
    /// socket that breaks and comes back at once changes nothing. Nothing is booked less for it: who obeys it is not
    /// known, nor when a station finds that it is offline.
    fn max_offline_s(&self, station: &StationId) -> Option<u32> {
        let told = self.stations.get(station);
        let minds = told.is_some_and(|it| it.traits.minds_offline);
        let renew_s = (self.settings.renew_ms + 999) / 1_000;
        minds.then(|| u32::try_from(renew_s).unwrap_or(u32::MAX))
    }

    fn grant_is_answered(
        &mut self,
        index: usize,
        id: CommandId,
        amps: f64,
        ends_ms: i64,
        told: &Told,
        now_ms: i64,
    ) -> Option<Saying> {
        match told.is_refused() {
            // The controller sees for itself who is silent.
            None => {}
            Some(false) => {
                self.controller
                    .answered(index, id, Answer::Accepted, now_ms);
                let lane = &mut self.lanes[index];
                lane.taken.takes(id, now_ms);
                self.memory.note_grants(lane);
                return self.is_taken(index, amps);
            }
            Some(true) => {
                self.lanes[index].told_a = None;
                if self.lanes[index].charging.is_some() && self.is_granted_otherwise(index) {
                    let lane = &self.lanes[index];
                    tracing::info!(
                        site = %self.site, station = %lane.planned.station, evse = lane.planned.evse, answer = ?told,
                        purpose = ?lane.grants_by, form = ?lane.form, "the station refuses a grant; it is said otherwise from now on"
                    );
                    return Some(self.grant_saying(index, id, amps, ends_ms, now_ms));
                }
                self.controller.answered(index, id, Answer::Refused, now_ms);
            }
        }
        None
    }

    /// A grant that is of no transaction is taken away with its session, as far as the station lets it go.
    pub(super) fn forget_grant(&self, index: usize) -> Saying {
        let command = self.lanes[index].forget_grant();
        self.saying(index, command, About::Forgotten)
    }

    /// Outlets that charge and whose meters have said nothing of use for a lease are asked what limits they have, once a lease:
    /// before they are taken for unverified.
    pub(super) fn look_at_silent_meters(&mut self, now_ms: i64) -> Vec<Saying> {
        let every_ms = self.settings.lasts_ms();
        let mut sayings = Vec::new();
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            let drawn = lane.draw.filter(|_| !lane.is_in_doubt());
            let drawn_ms = drawn.map_or(i64::MIN, |draw| draw.at.0);
            let due = lane.charging.is_some()
                && lane.planned.limitable
                && now_ms.saturating_sub(drawn_ms) > every_ms
                && now_ms - lane.looked_ms > every_ms;
            let station = self.stations.get(&lane.planned.station);
            if due && station.is_some_and(|it| it.online && it.is_set_up) {
                lane.looked_ms = now_ms;
                let look = lane.look();
                sayings.push(self.saying(index, look, About::Look(index, now_ms)));
            }
        }
        sayings
    }

    fn is_looked_at(&mut self, index: usize, asked_ms: i64, told: &Told, now_ms: i64) {
        let Told::Answer(ChargingAnswer::Accepted(limits)) = told else {
            return;
        };
        let lane = &mut self.lanes[index];
        lane.shows(limits, now_ms);
        if let Some(shown_a) = lane.shown_a(limits) {
            self.controller.shown(index, shown_a, asked_ms, now_ms);
        }
    }
}
