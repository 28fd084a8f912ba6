//! When somebody should look at a site's power, in words that say what happens and what to do.

use std::collections::{BTreeMap, BTreeSet};

use model::{PlannedOutlet, PowerAlarm, PowerAlarmKind, StationId};
use power::{Alarm, Measure, Phase};

use super::{Managed, PowerAlarmKey, lane::Lane, surplus::Surplus};

/// The phases of a meter, in the order it tells them.
const PHASES: [Phase; 3] = [Phase::L1, Phase::L2, Phase::L3];
/// So many EVSEs are named.
const NAMED_MOST: usize = 5;

impl Managed {
    /// Takes the controller's alarms; those that are new (`true`) or over.
    pub(super) fn changed_alarms(
        &mut self,
        alarms: &[Alarm],
        now_ms: i64,
    ) -> Vec<(PowerAlarm, bool)> {
        let told = alarms.iter().filter(|alarm| self.is_told(alarm, now_ms));
        let mut now: Vec<PowerAlarm> = told.map(|alarm| self.in_words(alarm)).collect();
        now.extend(self.unplanned().into_iter().map(|station| PowerAlarm {
            kind: PowerAlarmKind::Unplanned,
            message: format!(
                "station {station} stands here and is in no part of the tree: nothing limits it; add its outlets to the plan"
            ),
            station: Some(station),
            evse: None,
            part: None,
        }));
        now.extend(self.strays_in_words());
        now.extend(self.fast_clocks_in_words());
        now.extend(self.habits_in_words());
        now.extend(self.idle_grants_in_words());
        now.extend(self.surpluses_in_words(now_ms));
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

    /// Stations that stand here and are in no part of the tree.
    pub(super) fn unplanned(&self) -> BTreeSet<StationId> {
        let here = self.stations.keys();
        here.filter(|station| !self.is_planned(station))
            .cloned()
            .collect()
    }

    /// An outlet that is about to be given its floor, or whose station is not expected to be there yet, is nobody's
    /// trouble.
    fn is_told(&self, alarm: &Alarm, now_ms: i64) -> bool {
        match alarm {
            Alarm::CannotLimit(index) => {
                let lane = &self.lanes[*index];
                let patience_ms = self.settings.lasts_ms();
                !lane.planned.limitable || lane.bare.is_told(now_ms, patience_ms)
            }
            _ => true,
        }
    }

    /// One alarm for each station, however many of its EVSEs charge that are in no plan.
    fn strays_in_words(&self) -> Vec<PowerAlarm> {
        let mut strays: BTreeMap<&StationId, Vec<u32>> = BTreeMap::new();
        for (station, evse) in self.strays.places() {
            strays.entry(station).or_default().push(*evse);
        }
        let in_words = |(station, evses): (&StationId, Vec<u32>)| PowerAlarm {
            kind: PowerAlarmKind::Unplanned,
            message: format!(
                "EVSE {} of station {station} charges and is in no part of the tree: nothing limits it, and what it draws \
                 is taken off what the others may; add it to the plan, or see why its station tells of it",
                listed(&evses.iter().map(u32::to_string).collect::<Vec<_>>())
            ),
            station: Some(station.clone()),
            evse: Some(evses[0]).filter(|_| evses.len() == 1),
            part: None,
        };
        strays.into_iter().map(in_words).collect()
    }

    /// Meters of the site that show more than is told, and whose reading may be too little.
    fn surpluses_in_words(&self, now_ms: i64) -> Vec<PowerAlarm> {
        let told = self.surpluses.told(now_ms, self.settings.fresh_ms);
        let in_words = |(node, surplus): (usize, &Surplus)| {
            let phase = PHASES[surplus.phase];
            let part = format!("{} {phase:?}", self.controller.site().node_name(node));
            PowerAlarm {
                kind: PowerAlarmKind::Unexplained,
                message: format!(
                    "the meter at {part} shows {:.0} A more than outlets tell there and was reckoned with for other \
                     load, which is taken off their shares. Either something else draws, or the meter of one of these \
                     tells too little; compare it with what flows: {}",
                    surplus.amps,
                    self.suspects(node, phase, now_ms)
                ),
                station: None,
                evse: None,
                part: Some(part),
            }
        };
        told.map(in_words).collect()
    }

    /// The outlets that charge below a node on that phase: of those that were not seen to obey lately, else of all.
    fn suspects(&self, node: usize, phase: Phase, now_ms: i64) -> String {
        let site = self.controller.site();
        let measure = Measure {
            node,
            phase: Some(phase),
        };
        let limit = (0..site.limits().len()).find(|limit| site.measure(*limit) == measure);
        let charge = |index: &usize| {
            let lane = &self.lanes[*index];
            let draws = lane.charging.is_some() || lane.draw.is_some();
            draws && limit.is_some_and(|limit| site.loads(*index, limit))
        };
        let charging: Vec<usize> = (0..self.lanes.len()).filter(charge).collect();
        let unseen = |index: &usize| !self.controller.is_seen_to_obey(*index, now_ms);
        let unseen: Vec<usize> = charging.iter().copied().filter(unseen).collect();
        let suspects = if unseen.is_empty() { charging } else { unseen };
        let names: Vec<String> = (suspects.iter())
            .map(|index| {
                let planned = &self.lanes[*index].planned;
                format!("EVSE {} of {}", planned.evse, planned.station)
            })
            .collect();
        listed(&names)
    }

    /// Stations that are here and whose clocks are so far ahead that grants are of no use.
    fn fast_clocks_in_words(&self) -> Vec<PowerAlarm> {
        let is_fast = |station: &StationId| {
            let lanes = self.lanes_of(station).into_iter();
            let clocks = lanes.map(|index| self.lanes[index].clock);
            let fast = clocks.filter(|clock| clock.ahead_ms > self.settings.lease_ms / 2);
            fast.map(|clock| clock.ahead_ms).max()
        };
        let here = self.stations.iter().filter(|(_, state)| state.online);
        let fast = here.filter_map(|(station, _)| Some((station, is_fast(station)?)));
        fast.map(|(station, ahead_ms)| PowerAlarm {
            kind: PowerAlarmKind::Clock,
            message: format!(
                "the clock of station {station} is {} s ahead: grants end there before they are renewed, so its outlets stay \
                 at their floors; set its clock (it is told the time in answers to BootNotification and Heartbeat)",
                ahead_ms / 1_000
            ),
            station: Some(station.clone()),
            evse: None,
            part: None,
        })
        .collect()
    }

    fn in_words(&self, alarm: &Alarm) -> PowerAlarm {
        let (kind, place, words) = match alarm {
            Alarm::CannotLimit(index) => (
                PowerAlarmKind::CannotLimit,
                Place::Outlet(*index),
                "cannot be limited, or is not known to keep its floor: it is booked at the most it can draw; see whether its \
                 station is there, and what it answers to SetChargingProfile",
            ),
            Alarm::Overdrawn(index) => (
                PowerAlarmKind::Overdrawn,
                Place::Outlet(*index),
                "drew more than it was granted, or shows a schedule that allows it: it is booked at the most it can draw until \
                 its meter shows that it keeps to a limit; see what its station makes of its charging profiles",
            ),
            Alarm::Unverified(index) => (
                PowerAlarmKind::Unverified,
                Place::Outlet(*index),
                "shows neither by meter values of now nor by its composite schedule what it draws, or its current and its energy \
                 register contradict each other: it is booked at the most it can draw; have its station tell \
                 Current.Import or the energy register, with the right unit and time",
            ),
            Alarm::Outside(index) => (
                PowerAlarmKind::Unplanned,
                Place::Outlet(*index),
                "draws, and no session is known there, so nothing limits it: it is booked at the most it can draw; see what \
                 its station tells of its transactions",
            ),
            Alarm::Refuses(index) => (
                PowerAlarmKind::Refuses,
                Place::Outlet(*index),
                "refuses grants: it gets no more for some minutes",
            ),
            Alarm::Silent(index) => (
                PowerAlarmKind::Silent,
                Place::Outlet(*index),
                "leaves commands unanswered: it gets no more until it answers",
            ),
            Alarm::MeterSilent(node) => (
                PowerAlarmKind::Silent,
                Place::Node(*node),
                "has a meter that says nothing any more: the worse of what it said and what is planned for is reckoned with for \
                 other load there, and after a minute what is planned for; see why it is silent",
            ),
            Alarm::Exceeded(limit) => (
                PowerAlarmKind::Exceeded,
                Place::Limit(*limit),
                "may be exceeded by what is booked, until grants end or outlets can be limited again",
            ),
            Alarm::BelowFloors(limit) => (
                PowerAlarmKind::Exceeded,
                Place::Limit(*limit),
                "leaves less than the floors of its outlets by a set-point, a cap or what else flows there: cars there go on \
                 at their floors, which is more than the limit; lift or raise that limit, or plan lower floors (0 pauses)",
            ),
        };
        let part = match place {
            Place::Outlet(index) => return self.lanes[index].alarm(kind, words),
            Place::Limit(limit) => match self.part_of(limit) {
                (part, Some(phase)) => format!("{part} {phase}"),
                (part, None) => format!("{part} power"),
            },
            Place::Node(node) => self.controller.site().node_name(node).to_owned(),
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

impl Lane {
    /// An alarm about this outlet; `words` go on from its name.
    pub(super) fn alarm(&self, kind: PowerAlarmKind, words: &str) -> PowerAlarm {
        let PlannedOutlet { station, evse, .. } = &self.planned;
        PowerAlarm {
            kind,
            message: format!("EVSE {evse} of station {station} {words}"),
            station: Some(station.clone()),
            evse: Some(*evse),
            part: None,
        }
    }
}

/// What an alarm is about, by its index.
enum Place {
    Outlet(usize),
    Limit(usize),
    Node(usize),
}

/// `2, 3 and 4`, as far as that can be read.
fn listed(named: &[String]) -> String {
    match named.len() {
        0..=1 => named.concat(),
        count if count > NAMED_MOST => {
            let first = named[..NAMED_MOST].join(", ");
            format!("{first} and {} more", count - NAMED_MOST)
        }
        count => format!("{} and {}", named[..count - 1].join(", "), named[count - 1]),
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
