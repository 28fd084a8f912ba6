//! What a managed site shows.

use model::{
    HeldBy, LimitView, OutletPowerView, PowerAlarm, PowerAlarmKind, SessionPowerView,
    SitePowerView, Timestamp,
};
use power::Held;

use super::Managed;

impl Managed {
    /// The site's power as it now is.
    pub(in crate::site) fn view(&self, now_ms: i64) -> SitePowerView {
        SitePowerView {
            site: self.site.clone(),
            at: Timestamp(now_ms),
            learns_until: self.controller.learns_until_ms(now_ms).map(Timestamp),
            limits: self.limits(now_ms),
            outlets: (0..self.lanes.len())
                .map(|index| self.outlet(index, now_ms))
                .collect(),
            unplanned_stations: self.unplanned().into_iter().collect(),
            alarms: self.alarms_now.clone(),
        }
    }

    /// How many outlets cannot be limited, as far as is known.
    pub(in crate::site) fn unlimited(&self) -> usize {
        let kinds = self.alarms.iter().map(|(kind, ..)| *kind);
        kinds
            .filter(|kind| *kind == PowerAlarmKind::CannotLimit)
            .count()
    }

    fn limits(&self, now_ms: i64) -> Vec<LimitView> {
        let budget = self.controller.limits_now(now_ms);
        let outlets = 0..self.lanes.len();
        let granted: Vec<f64> = (outlets.clone())
            .map(|index| self.controller.view(index, now_ms).granted_a)
            .collect();
        let reserved: Vec<f64> = outlets.map(|it| self.controller.booked_a(it)).collect();
        let (granted, reserved) = (budget.worst(&granted), budget.worst(&reserved));
        let limits = budget.iter().enumerate();
        let set = limits.filter(|(_, limit)| limit.most.is_finite());
        set.map(|(index, limit)| {
            let (part, phase) = self.part_of(index);
            LimitView {
                part,
                unit: if phase.is_some() { "A" } else { "W" }.to_owned(),
                phase,
                limit: tenth(limit.most),
                measured: tenth(self.drawn_at(index, now_ms)),
                granted: tenth(granted[index]),
                reserved: tenth(reserved[index]),
            }
        })
        .collect()
    }

    fn outlet(&self, index: usize, now_ms: i64) -> OutletPowerView {
        let lane = &self.lanes[index];
        let seen = self.controller.view(index, now_ms);
        let online = self
            .stations
            .get(&lane.planned.station)
            .is_some_and(|it| it.online);
        let session = lane.charging.as_ref().map(|charging| SessionPowerView {
            session: charging.facts.id,
            weight: lane.weight(now_ms),
            departure_at: charging.preferences.and_then(|it| it.departure_at),
            wanted_wh: lane.wanted_wh(),
            held_by: self.held_by(index, online, now_ms),
        });
        OutletPowerView {
            station: lane.planned.station.clone(),
            evse: lane.planned.evse,
            online,
            floor_a: lane.planned.floor_a,
            granted_a: tenth(seen.granted_a),
            reserved_a: tenth(seen.booked_a),
            measured_a: lane
                .draw
                .as_ref()
                .and_then(|draw| lane.drawn_a(draw))
                .map(|phases| phases.map(tenth)),
            measured_at: lane.draw.map(|draw| draw.at),
            schedule: lane.schedule(now_ms),
            shown: lane.shown.clone(),
            session,
        }
    }

    fn held_by(&self, index: usize, online: bool, now_ms: i64) -> Option<HeldBy> {
        let lane = &self.lanes[index];
        let here = |alarm: &PowerAlarm| {
            // What its station does while it is away is no matter now.
            let is_of_now = !matches!(
                alarm.kind,
                PowerAlarmKind::Forgets | PowerAlarmKind::KeepsGrants
            );
            is_of_now
                && alarm.station.as_ref() == Some(&lane.planned.station)
                && alarm.evse == Some(lane.planned.evse)
        };
        let seen = self.controller.view(index, now_ms);
        match seen.held_by {
            _ if !online => Some(HeldBy::Offline),
            _ if self.controller.is_learning(now_ms) => Some(HeldBy::Learning),
            _ if self.alarms_now.iter().any(here) || now_ms < lane.slow_until_ms => {
                Some(HeldBy::NotObeying)
            }
            _ if lane.is_held_by_clock(self.settings.lease_ms) => Some(HeldBy::Clock),
            // It has not been told yet what it is to get, or is not known to have its floor yet.
            _ if seen
                .goal_a
                .is_none_or(|goal_a| seen.granted_a + 0.1 < goal_a) =>
            {
                Some(HeldBy::Waits)
            }
            _ if (lane.appetite.most_a()).is_some_and(|most_a| seen.granted_a + 0.1 >= most_a) => {
                Some(HeldBy::TakesLess)
            }
            Some(Held::Limit(limit)) => {
                let (part, phase) = self.part_of(limit);
                Some(HeldBy::Limit { part, phase })
            }
            Some(Held::Step) => Some(HeldBy::Step),
            // Its outlet has no setting that is nearer to the most it can draw.
            None if seen.granted_a + 0.1 < lane.outlet.most_a => Some(HeldBy::Step),
            None => None,
        }
    }

    /// The part and phase of the limit of this index.
    pub(super) fn part_of(&self, limit: usize) -> (String, Option<String>) {
        let site = self.controller.site();
        let measure = site.measure(limit);
        let phase = measure.phase.map(|phase| format!("{phase:?}"));
        (site.node_name(measure.node).to_owned(), phase)
    }
}

/// To a tenth, for people.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
