//! What an outlet does while its station is away: whether it keeps its floor through a restart, and falls back to it when
//! its grant ends.
//!
//! Who is seen not to is booked at what it may draw then from the moment it goes: one that forgets its profiles at the most
//! its outlet can draw, one that keeps its grant at that grant, both until they are known to have their floors again.

use model::{PowerAlarm, PowerAlarmKind, ScheduledLimit, StationId};

use super::{
    Draw, Managed,
    effect::Effect,
    floor::Bare,
    lane::Lane,
    meter::{VOLTS_MOST, greatest},
    register::step_wh,
};

/// So many restarts in a row through which an outlet kept its floor show that it forgets it no more.
const KEPT_RESTARTS: u32 = 5;
/// How far a station's clock may be off without being known to be, in ms.
const CLOCK_MS: i64 = 5_000;
/// The shortest time after the end of a grant that shows anything, in ms.
const BEYOND_MS: i64 = 5_000;

/// What is known of an outlet at whose station nobody looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// It lacked its floor after its station had been away.
    pub(super) forgets: bool,
    /// It drew more than its floor after its grant had ended.
    pub(super) keeps_grants: bool,
}

/// What was seen of an outlet when its station came, before it was sent its floor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Return {
    /// Its station said that it restarted.
    restarted: bool,
    /// It should have its floor, so it is to be asked first.
    pub(super) is_asked_first: bool,
    /// It showed none, or a higher limit.
    lacked_floor: bool,
    /// How many restarts in a row it kept its floor through.
    kept: u32,
}

/// A time for which an outlet was away that had more than its floor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absence {
    /// What its register showed last, in Wh, and when, in ms.
    register: Option<(i64, f64)>,
    /// What it was granted, in A, and when the last grant had ended whatever its clock says, in ms.
    granted_a: f64,
    ended_ms: i64,
    /// When it came back, in ms.
    back_ms: Option<i64>,
}

/// What bounds the energy that an outlet was given.
struct Bounds<'a> {
    floor_a: f64,
    /// What it may draw since it is back, in A.
    now_a: f64,
    tolerance_a: f64,
    watts: &'a dyn Fn(f64) -> f64,
}

impl Absence {
    /// It goes away again before anything was seen: as if it had been away all the time.
    fn goes_on(self, earlier: Self) -> Self {
        Self {
            register: earlier.register,
            granted_a: self.granted_a.max(earlier.granted_a),
            ended_ms: self.ended_ms.max(earlier.ended_ms),
            back_ms: None,
        }
    }

    /// Whether a reading of so much is of a time when it was away and its grant had ended.
    fn is_beyond(&self, at_ms: i64) -> bool {
        let back_ms = self.back_ms.unwrap_or(i64::MAX);
        at_ms > self.ended_ms && at_ms.saturating_add(CLOCK_MS) < back_ms
    }

    /// Whether its register shows, after it came back, that it drew more than its floor once its grant had ended; none: it
    /// shows nothing. Whatever it may have drawn counts for it.
    fn shows_kept(&self, at_ms: i64, wh: f64, bounds: &Bounds) -> Option<bool> {
        let ((since_ms, before_wh), back_ms) = (self.register?, self.back_ms?);
        let ended_ms = self.ended_ms.max(since_ms);
        if back_ms - ended_ms < BEYOND_MS || wh < before_wh || at_ms < back_ms {
            return None;
        }
        let energy_wh = |amps: f64, ms: i64| (bounds.watts)(amps) * ms as f64 / 3_600_000.0;
        let may_wh = energy_wh(self.granted_a, ended_ms - since_ms + CLOCK_MS)
            + energy_wh(bounds.floor_a, back_ms - ended_ms)
            + energy_wh(bounds.now_a.max(bounds.floor_a), at_ms - back_ms);
        let slight_wh = energy_wh(bounds.tolerance_a, at_ms - since_ms) + step_wh(before_wh, wh);
        Some(wh - before_wh > VOLTS_MOST * may_wh + slight_wh)
    }
}

impl Managed {
    /// An outlet's station went away.
    pub(super) fn goes_away(&mut self, index: usize, now_ms: i64) {
        let granted_a = self.controller.leased_a(index);
        let lane = &mut self.lanes[index];
        if lane.habits.forgets {
            self.controller.has_no_floor(index);
            lane.bare = Bare::since(now_ms);
        }
        if lane.charging.is_none() || granted_a <= lane.planned.floor_a + self.settings.tolerance_a
        {
            return;
        }
        let absence = Absence {
            register: lane.register_seen,
            granted_a,
            ended_ms: self.controller.leased_until_ms(index).unwrap_or(now_ms),
            back_ms: None,
        };
        lane.absence = Some(match lane.absence {
            Some(earlier) => absence.goes_on(earlier),
            None => absence,
        });
    }

    /// An outlet's station came back.
    pub(super) fn comes_back(&mut self, index: usize, now_ms: i64) {
        if let Some(absence) = &mut self.lanes[index].absence {
            absence.back_ms.get_or_insert(now_ms);
        }
    }

    /// An outlet's station says that it restarted.
    pub(super) fn restarts(&mut self, station: &StationId) {
        for index in self.lanes_of(station) {
            let lane = &mut self.lanes[index];
            lane.back.restarted = true;
            // It may be another firmware.
            lane.effect = Effect::default();
            if lane.habits.forgets {
                self.controller.has_no_floor(index);
            }
        }
    }

    /// What an outlet of a station that came showed before it was sent its floor.
    pub(super) fn is_seen_first(&mut self, index: usize, limits: &[ScheduledLimit]) {
        let most_a = self.controller.leased_a(index) + self.settings.tolerance_a;
        let lane = &mut self.lanes[index];
        let shown_a = lane.shown_a(limits);
        lane.back.lacked_floor = shown_a.is_none_or(|shown_a| shown_a > most_a);
        let restarted = std::mem::take(&mut lane.back.restarted);
        if lane.back.lacked_floor {
            lane.back.kept = 0;
        } else if restarted {
            lane.back.kept += 1;
        }
        if lane.habits.forgets && lane.back.kept >= KEPT_RESTARTS {
            lane.habits.forgets = false;
            self.memory.note_habits(lane);
        }
    }

    /// An outlet shows the floor that it was just sent: if it did not before, it had lost it.
    pub(super) fn shows_floor(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        if std::mem::take(&mut lane.back.lacked_floor) && !lane.habits.forgets {
            tracing::warn!(
                site = %self.site, station = %lane.planned.station, evse = lane.planned.evse,
                "the station came back without its floor; while it is away it is booked at the most it can draw from now on"
            );
            lane.habits.forgets = true;
            self.memory.note_habits(lane);
        }
    }

    /// An outlet's meter is read: is it known by that that its grant did not end while its station was away?
    pub(super) fn is_read_after_absence(&mut self, index: usize, draw: &Draw) {
        let now_a = self.controller.leased_a(index);
        let tolerance_a = self.settings.tolerance_a;
        let lane = &mut self.lanes[index];
        let at_ms = draw.at.0;
        let is_back = |absence: &Absence| absence.back_ms.is_some_and(|back_ms| at_ms >= back_ms);
        let kept = lane.absence.and_then(|absence| {
            let drawn_a = lane.drawn_a(draw).map(greatest);
            let draws_more = drawn_a.is_some_and(|amps| amps > lane.planned.floor_a + tolerance_a);
            if draws_more && absence.is_beyond(at_ms) {
                return Some(true);
            }
            let bounds = Bounds {
                floor_a: lane.planned.floor_a,
                now_a,
                tolerance_a,
                watts: &|amps| lane.watts(amps),
            };
            absence.shows_kept(at_ms, draw.register_wh?, &bounds)
        });
        if draw.register_wh.is_some() && lane.absence.as_ref().is_some_and(is_back) {
            lane.absence = None;
        }
        if let Some(wh) = draw.register_wh {
            lane.register_seen = Some((at_ms, wh));
        }
        if kept == Some(true) && !lane.habits.keeps_grants {
            tracing::warn!(
                site = %self.site, station = %lane.planned.station, evse = lane.planned.evse,
                "the outlet drew more than its floor after its grant had ended, while its station was away; it is booked at its last grant then from now on"
            );
            lane.habits.keeps_grants = true;
            self.memory.note_habits(lane);
            self.controller.keeps_grants(index, true);
        }
    }

    /// Outlets that are known not to do as they should while their stations are away.
    pub(super) fn habits_in_words(&self) -> Vec<PowerAlarm> {
        let of = |lane: &Lane| {
            let forgets = lane.habits.forgets.then(|| {
                lane.alarm(
                    PowerAlarmKind::Forgets,
                    "lost its floor while its station was away, as when it restarts: whenever that is away it is booked at the \
                     most it can draw, until it has taken its floor again; see whether its firmware can keep charging profiles",
                )
            });
            let keeps = lane.habits.keeps_grants.then(|| {
                lane.alarm(
                    PowerAlarmKind::KeepsGrants,
                    "drew more than its floor after its grant had ended, while its station was away: whenever that is away it is \
                     booked at its last grant; see whether its firmware heeds the end of charging profiles without a connection",
                )
            });
            forgets.into_iter().chain(keeps)
        };
        self.lanes.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VOLTS: f64 = 230.0;

    fn shows_kept(absence: Absence, at_ms: i64, wh: f64, now_a: f64) -> Option<bool> {
        let bounds = Bounds {
            floor_a: 6.0,
            now_a,
            tolerance_a: 1.0,
            watts: &|amps| amps * VOLTS,
        };
        absence.shows_kept(at_ms, wh, &bounds)
    }

    proptest! {
        /// Whatever it is granted and draws: one that falls to its floor when its grant ends, by a clock within the margin,
        /// is not taken for one that does not; one that goes on for as long again is, if it draws enough to be seen.
        #[test]
        fn only_who_goes_on_beyond_its_grant_is_taken_for_one_that_does(
            granted_a in 12.0_f64..32.0,
            takes in 0.0_f64..1.0,
            lasts_s in 10_i64..60,
            away_s in 10_i64..600,
            before_s in 0_i64..10,
            after_s in 0_i64..20,
            step_wh in prop::sample::select(vec![0.1, 1.0, 10.0]),
            start_wh in 0.0_f64..1e6,
        ) {
            let second = |s: i64| 1_000 * s;
            let absence = Absence {
                register: None,
                granted_a,
                ended_ms: second(lasts_s),
                back_ms: Some(second(away_s)),
            };
            let shown = |wh: f64| (wh / step_wh).floor() * step_wh;
            let absence = Absence { register: Some((-second(before_s), shown(start_wh))), ..absence };
            let wh = |amps: f64, s: i64| amps * VOLTS * s as f64 / 3_600.0;
            let (on_s, off_s) = (lasts_s.min(away_s), (away_s - lasts_s).max(0));
            let now_a = granted_a / 2.0;
            let draws = |beyond_a: f64, takes: f64| {
                let drawn = wh(granted_a, before_s + on_s) + wh(beyond_a, off_s) + wh(now_a, after_s);
                shown(start_wh + takes * drawn)
            };
            let at_ms = second(away_s + after_s);
            prop_assert_ne!(shows_kept(absence, at_ms, draws(6.0, takes), now_a), Some(true));
            if granted_a >= 16.0 && off_s >= 60 + 2 * on_s {
                prop_assert_eq!(shows_kept(absence, at_ms, draws(granted_a, 1.0), now_a), Some(true));
            }
        }
    }
}
