//! Whether grants that a station takes have effect: some take profiles that they do not heed.
//!
//! A meter that shows more than the floor proves it. Where none does, or a grant ends otherwise than usual, the composite
//! schedule is asked for, twice, before the grant is said in another form. One that has no form with effect is an alarm.

use model::{ChargingAnswer, Command, PowerAlarm, PowerAlarmKind, ScheduledLimit};

use super::{About, Managed, Saying, lane::Lane, meter::greatest};
use crate::Told;

/// A station that showed so often that a grant does not do what it should is believed.
const DOUBTS: u32 = 2;
/// So many grants that it takes are asked about.
const LOOKS_MOST: u32 = 5;
/// How much longer than a grant a schedule is looked at, in s.
const BEYOND_S: i64 = 15;

/// What is known of the effect of an outlet's grants in the form they are said in now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Effect {
    is_proven: bool,
    /// It took so many grants since.
    taken: u32,
    /// Its schedule showed so often that they have none, or do not end.
    doubts: u32,
    /// No form of grants has any.
    pub(super) is_none: bool,
}

/// What a schedule says of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// It holds, and ends where that is seen.
    Holds,
    /// The floor holds all the time.
    Nothing,
    /// It does not end.
    Endless,
}

impl Lane {
    /// Whether its meter shows that it has more than its floor.
    fn draws_above_floor(&self, tolerance_a: f64) -> bool {
        let drawn = self.draw.filter(|draw| draw.at.0 >= self.told_ms);
        let amps = drawn.and_then(|draw| self.drawn_a(&draw)).map(greatest);
        amps.is_some_and(|amps| amps > self.planned.floor_a + tolerance_a)
    }

    fn shown_of_grant(&self, limits: &[ScheduledLimit], tolerance_a: f64) -> Option<Shown> {
        let most_a = self.planned.floor_a + tolerance_a;
        let shows_more = |limits: &[ScheduledLimit]| Some(self.shown_a(limits)? > most_a);
        let last = limits.last()?;
        let last = ScheduledLimit {
            start_s: 0,
            ..*last
        };
        Some(match (shows_more(limits)?, shows_more(&[last])?) {
            (false, _) => Shown::Nothing,
            // Some show what holds now and not how it goes on, whatever they do: of the usual form that is believed.
            (true, true) if self.form.ends_by_duration => Shown::Endless,
            (true, _) => Shown::Holds,
        })
    }
}

impl Managed {
    /// A station took a grant of more than the outlet's floor: it is to be asked for its schedule where nothing shows yet
    /// that this has effect.
    pub(super) fn is_taken(&mut self, index: usize, amps: f64) -> Option<Saying> {
        let tolerance_a = self.settings.tolerance_a;
        let lane = &mut self.lanes[index];
        if amps <= lane.planned.floor_a + tolerance_a {
            return None;
        }
        let draws = lane.draws_above_floor(tolerance_a);
        if draws {
            lane.effect.is_none = false;
        }
        // That it has effect says nothing of whether it ends.
        let is_usual = !lane.form.ends_by_duration;
        lane.effect.is_proven |= draws && is_usual;
        lane.effect.taken = lane.effect.taken.saturating_add(1);
        // Its meter may show it by the next one.
        let first = if is_usual { 2 } else { 1 };
        let is_due = (first..first + LOOKS_MOST).contains(&lane.effect.taken);
        if lane.effect.is_proven || lane.effect.is_none || !is_due {
            return None;
        }
        let seconds = self.settings.lease_ms / 1_000 + BEYOND_S;
        let command = Command::GetCompositeSchedule {
            evse: lane.planned.evse,
            duration_s: u32::try_from(seconds).unwrap_or(u32::MAX),
            unit: Some(lane.unit),
        };
        Some(self.saying(index, command, About::Effect(index)))
    }

    /// What its schedule shows of a grant that the outlet took. One that has no effect, or does not end, is said otherwise from
    /// the next on.
    pub(super) fn effect_is_shown(
        &mut self,
        index: usize,
        told: &Told,
        now_ms: i64,
    ) -> Option<Saying> {
        let Told::Answer(ChargingAnswer::Accepted(limits)) = told else {
            return None;
        };
        let lane = &mut self.lanes[index];
        lane.shows(limits, now_ms);
        // What it was told to have no more may just have gone.
        if lane.charging.is_none() || !self.controller.is_raised(index, now_ms) {
            return None;
        }
        let shown = lane.shown_of_grant(limits, self.settings.tolerance_a)?;
        if shown == Shown::Holds {
            lane.effect.is_proven = true;
            lane.effect.is_none = false;
            return None;
        }
        lane.effect.doubts += 1;
        if lane.effect.doubts < DOUBTS {
            return None;
        }
        tracing::info!(
            site = %self.site, station = %lane.planned.station, evse = lane.planned.evse, ?shown,
            "a grant that the station took has no effect by its schedule, or no end; it is said otherwise from now on"
        );
        if !self.is_granted_otherwise(index) {
            self.lanes[index].effect.is_none = true;
        }
        (shown == Shown::Endless).then(|| self.forget_grant(index))
    }

    /// Outlets whose stations take grants that have no effect.
    pub(super) fn idle_grants_in_words(&self) -> Vec<PowerAlarm> {
        let without = self.lanes.iter().filter(|lane| lane.effect.is_none);
        let in_words = |lane: &Lane| {
            lane.alarm(
                PowerAlarmKind::WithoutEffect,
                "takes grants, and by its composite schedule its floor holds all the same: it gets no more than that; see what \
                 its firmware makes of charging profiles that end (validTo, duration)",
            )
        };
        without.map(in_words).collect()
    }
}
