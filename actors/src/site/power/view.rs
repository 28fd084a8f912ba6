//! What a managed site shows, and when somebody should look.

use std::collections::BTreeSet;

use model::{
    HeldBy, LimitView, OutletPowerView, PowerAlarm, PowerAlarmKind, SessionPowerView,
    SitePowerView, StationId, Timestamp,
};
use power::{Alarm, Held};

use super::{Managed, PowerAlarmKey};

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
            alarm.station.as_ref() == Some(&lane.planned.station)
                && alarm.evse == Some(lane.planned.evse)
        };
        let seen = self.controller.view(index, now_ms);
        match seen.held_by {
            _ if !online => Some(HeldBy::Offline),
            _ if self.controller.is_learning(now_ms) => Some(HeldBy::Learning),
            _ if self.alarms_now.iter().any(here) => Some(HeldBy::NotObeying),
            _ if !lane.clock.is_certain => Some(HeldBy::Clock),
            // It has not been told yet what it is to get.
            _ if seen
                .goal_a
                .is_some_and(|goal_a| seen.granted_a + 0.1 < goal_a) =>
            {
                Some(HeldBy::Waits)
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
    fn part_of(&self, limit: usize) -> (String, Option<String>) {
        let site = self.controller.site();
        let measure = site.measure(limit);
        let phase = measure.phase.map(|phase| format!("{phase:?}"));
        (site.node_name(measure.node).to_owned(), phase)
    }

    /// Takes the controller's alarms; those that are new (`true`) or over.
    pub(super) fn changed_alarms(&mut self, alarms: &[Alarm]) -> Vec<(PowerAlarm, bool)> {
        let mut now: Vec<PowerAlarm> = alarms.iter().map(|alarm| self.in_words(alarm)).collect();
        now.extend(self.unplanned().into_iter().map(|station| PowerAlarm {
            kind: PowerAlarmKind::Unplanned,
            message: format!(
                "station {station} stands here and is in no part of the tree: nothing limits it; add its outlets to the plan"
            ),
            station: Some(station),
            evse: None,
            part: None,
        }));
        now.extend(self.strays.places().map(|(station, evse)| PowerAlarm {
            kind: PowerAlarmKind::Unplanned,
            message: format!(
                "EVSE {evse} of station {station} charges and is in no part of the tree: nothing limits it, and what it \
                 draws is taken off what the others may; add it to the plan"
            ),
            station: Some(station.clone()),
            evse: Some(*evse),
            part: None,
        }));
        let keys: BTreeSet<PowerAlarmKey> = now.iter().map(key).collect();
        let is_new = |alarm: &&PowerAlarm| !self.alarms.contains(&key(alarm));
        let is_over = |alarm: &&PowerAlarm| !keys.contains(&key(alarm));
        let new = now.iter().filter(is_new).map(|it| (it.clone(), true));
        let over = (self.alarms_now.iter().filter(is_over)).map(|it| (it.clone(), false));
        let changed: Vec<_> = new.chain(over).collect();
        self.alarms = keys;
        self.alarms_now = now;
        changed
    }

    fn in_words(&self, alarm: &Alarm) -> PowerAlarm {
        let (kind, place, words) = match alarm {
            Alarm::CannotLimit(index) => (
                PowerAlarmKind::CannotLimit,
                Ok(*index),
                "cannot be limited, or is not known to keep its floor: it is booked at the most it can draw; see what its \
                 station answers to SetChargingProfile",
            ),
            Alarm::Overdrawn(index) => (
                PowerAlarmKind::Overdrawn,
                Ok(*index),
                "drew more than it was granted, or shows a schedule that allows it: it is booked at the most it can draw until \
                 its meter shows that it keeps to a limit; see what its station makes of its charging profiles",
            ),
            Alarm::Unverified(index) => (
                PowerAlarmKind::Unverified,
                Ok(*index),
                "shows neither by meter values nor by its composite schedule what it draws: it is booked at the most it can \
                 draw; have its station tell Current.Import, or the energy register",
            ),
            Alarm::Outside(index) => (
                PowerAlarmKind::Unplanned,
                Ok(*index),
                "draws, and no session is known there, so nothing limits it: it is booked at the most it can draw; see what \
                 its station tells of its transactions",
            ),
            Alarm::Refuses(index) => (
                PowerAlarmKind::Refuses,
                Ok(*index),
                "refuses grants: it gets no more for some minutes",
            ),
            Alarm::Silent(index) => (
                PowerAlarmKind::Silent,
                Ok(*index),
                "leaves commands unanswered: it gets no more until it answers",
            ),
            Alarm::Exceeded(limit) => (
                PowerAlarmKind::Exceeded,
                Err(*limit),
                "may be exceeded by what is booked, until grants end or outlets can be limited again",
            ),
        };
        match place {
            Ok(index) => {
                let planned = &self.lanes[index].planned;
                PowerAlarm {
                    kind,
                    message: format!(
                        "EVSE {} of station {} {words}",
                        planned.evse, planned.station
                    ),
                    station: Some(planned.station.clone()),
                    evse: Some(planned.evse),
                    part: None,
                }
            }
            Err(limit) => {
                let (part, phase) = self.part_of(limit);
                let part = match phase {
                    Some(phase) => format!("{part} {phase}"),
                    None => format!("{part} power"),
                };
                PowerAlarm {
                    kind,
                    message: format!("{part} {words}"),
                    station: None,
                    evse: None,
                    part: Some(part),
                }
            }
        }
    }

    /// Stations that stand here and are in no part of the tree.
    fn unplanned(&self) -> BTreeSet<StationId> {
        let here = self.stations.keys();
        here.filter(|station| !self.is_planned(station))
            .cloned()
            .collect()
    }
}

fn key(alarm: &PowerAlarm) -> PowerAlarmKey {
    (
        alarm.kind,
        alarm.station.clone(),
        alarm.evse,
        alarm.part.clone(),
    )
}

/// To a tenth, for people.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
