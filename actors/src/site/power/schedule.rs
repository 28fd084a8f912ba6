//! What an outlet is held to by the profiles its station took, as the hub calculates it, and what its station says.

use model::{
    ChargingProfile, ProfilePurpose, RateUnit, SchedulePart, ScheduleView, ScheduledLimit,
    Timestamp, Wiring,
};
use power::{
    CommandId,
    composite::{self, Kind, Period, Profile, Purpose, Situation, Unit},
};

use super::lane::Lane;

/// A station's schedule begins when it answers, and counts whole seconds: what changes so near to it may be either, in ms.
const NEAR_MS: i64 = 2_000;

/// The profiles that an outlet's station took.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) floor: Option<ChargingProfile>,
    grant: Option<ChargingProfile>,
    /// The grant that was sent last.
    asked: Option<(CommandId, ChargingProfile)>,
}

impl Taken {
    /// A grant is sent.
    pub(super) fn is_asked(&mut self, id: CommandId, grant: ChargingProfile) {
        self.asked = Some((id, grant));
    }

    /// The station took that grant: one without a start begins now.
    pub(super) fn takes(&mut self, id: CommandId, now_ms: i64) {
        if let Some((_, mut grant)) = self.asked.take_if(|(asked, _)| *asked == id) {
            grant.start.get_or_insert(Timestamp(now_ms));
            self.grant = Some(grant);
        }
    }
}

impl Lane {
    /// The composite schedule of the profiles its station took, from now on, in the unit it takes.
    pub(super) fn schedule(&self, now_ms: i64) -> Vec<SchedulePart> {
        let (profiles, situation) = (self.profiles(), self.situation());
        // Beyond the last of these times nothing changes.
        let by_duration = |it: &Profile| Some(it.start_ms? + 1_000 * it.duration_s?);
        let ends = profiles
            .iter()
            .filter_map(|profile| profile.valid_to_ms.max(by_duration(profile)));
        let to_ms = ends.fold(now_ms, i64::max) + 1;
        let unit = unit(self.unit);
        let parts = composite::composite(&profiles, &situation, unit, now_ms, to_ms);
        let ends = parts.iter().skip(1).map(|next| Timestamp(next.from_ms));
        let ends = ends.map(Some).chain([None]);
        (parts.iter().zip(ends))
            .map(|(part, until)| SchedulePart {
                until,
                limit: part.limit,
                unit: self.unit,
            })
            .collect()
    }

    fn profiles(&self) -> Vec<Profile> {
        let taken = [&self.taken.floor, &self.taken.grant];
        let taken = taken.into_iter().flatten();
        taken
            .map(|profile| profile_of(profile, self.planned.evse))
            .collect()
    }

    fn situation(&self) -> Situation {
        let phases = match &self.planned.wiring {
            Wiring::Phases(lines) => u8::try_from(lines.len()).unwrap_or(3),
            Wiring::Between(_) => 1,
            Wiring::Dc => 3,
        };
        let transaction = self.charging.as_ref().map(|it| &it.facts.transaction);
        Situation {
            evse: self.planned.evse,
            // Profiles of a site begin at times of their own, not with the transaction.
            transaction: transaction.map(|name| (name.clone(), 0)),
            phase_v: self.watts(1.0) / f64::from(phases),
            phases,
        }
    }
}

/// What a station says of its schedule, asked at that time, beside what it should be.
pub fn shown_schedule(
    expected: &[SchedulePart],
    limits: &[ScheduledLimit],
    at: Timestamp,
) -> ScheduleView {
    let begins = |limit: &ScheduledLimit| at.plus_ms(1_000 * i64::from(limit.start_s));
    let ends = limits.iter().skip(1).map(|next| Some(begins(next)));
    let parts = limits.iter().zip(ends.chain([None]));
    let parts: Vec<SchedulePart> = parts
        .map(|(limit, until)| SchedulePart {
            until,
            limit: Some(limit.limit),
            unit: limit.unit,
        })
        .collect();
    ScheduleView {
        at,
        agrees: limits
            .iter()
            .map(|limit| agrees(expected, limit, begins(limit)))
            .reduce(|all, this| Some(all? && this?))
            .flatten(),
        parts,
    }
}

/// Whether the limit is the one that is expected then; none if it cannot be compared.
fn agrees(expected: &[SchedulePart], limit: &ScheduledLimit, begins: Timestamp) -> Option<bool> {
    let mut comparable = [-NEAR_MS, 0, NEAR_MS]
        .into_iter()
        .filter_map(|near_ms| at(expected, begins.plus_ms(near_ms)))
        .filter(|part| part.unit == limit.unit)
        .filter_map(|part| part.limit)
        .peekable();
    comparable.peek()?;
    Some(comparable.any(|expected| (expected - limit.limit).abs() <= tolerance(limit)))
}

fn at(parts: &[SchedulePart], at: Timestamp) -> Option<&SchedulePart> {
    parts
        .iter()
        .find(|part| part.until.is_none_or(|until| at < until))
}

/// How far a station may round.
fn tolerance(limit: &ScheduledLimit) -> f64 {
    match limit.unit {
        RateUnit::A => 0.5,
        RateUnit::W => 150.0,
    }
}

fn profile_of(profile: &ChargingProfile, evse: u32) -> Profile {
    let purpose = match profile.purpose {
        ProfilePurpose::StationMax => Purpose::StationMax,
        ProfilePurpose::TxDefault => Purpose::TxDefault,
        ProfilePurpose::Tx => Purpose::Tx,
    };
    let periods = profile.periods.iter().map(|period| Period {
        start_s: i64::from(period.start_s),
        limit: period.limit,
        phases: period.phases,
    });
    Profile {
        evse: if purpose == Purpose::StationMax {
            0
        } else {
            evse
        },
        purpose,
        stack_level: profile.stack_level,
        kind: match profile.start {
            Some(_) => Kind::Absolute,
            None => Kind::Relative,
        },
        valid_from_ms: None,
        valid_to_ms: profile.valid_to.map(|until| until.0),
        start_ms: profile.start.map(|start| start.0),
        duration_s: profile.duration_s.map(i64::from),
        unit: unit(profile.unit),
        periods: periods.collect(),
        transaction: profile.transaction.clone(),
    }
}

fn unit(unit: RateUnit) -> Unit {
    match unit {
        RateUnit::A => Unit::A,
        RateUnit::W => Unit::W,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn expected() -> Vec<SchedulePart> {
        let part = |until, limit| SchedulePart {
            until,
            limit: Some(limit),
            unit: RateUnit::A,
        };
        vec![part(Some(NOW.plus_ms(40_000)), 20.0), part(None, 6.0)]
    }

    fn shown(limits: &[(u32, f64)]) -> ScheduleView {
        let limits: Vec<ScheduledLimit> = (limits.iter())
            .map(|(start_s, limit)| ScheduledLimit {
                start_s: *start_s,
                limit: *limit,
                unit: RateUnit::A,
                phases: None,
            })
            .collect();
        shown_schedule(&expected(), &limits, NOW)
    }

    #[test]
    fn a_schedule_agrees_that_changes_when_it_should_to_what_it_should() {
        let agreed = shown(&[(0, 20.0), (39, 6.0)]);
        assert_eq!(agreed.agrees, Some(true));
        assert_eq!(agreed.parts[0].until, Some(NOW.plus_ms(39_000)));
        assert_eq!(agreed.parts[1].until, None);
        assert_eq!(shown(&[(0, 6.0)]).agrees, Some(false));
        assert_eq!(shown(&[(0, 20.0), (20, 6.0)]).agrees, Some(false), "early");
        assert_eq!(shown(&[(0, 20.0), (39, 32.0)]).agrees, Some(false));
    }

    #[test]
    fn what_cannot_be_compared_neither_agrees_nor_differs() {
        assert_eq!(shown(&[]).agrees, None, "it tells nothing");
        let unknown = SchedulePart {
            until: None,
            limit: None,
            unit: RateUnit::A,
        };
        let limit = ScheduledLimit {
            start_s: 0,
            limit: 16.0,
            unit: RateUnit::A,
            phases: None,
        };
        let watts = ScheduledLimit {
            unit: RateUnit::W,
            ..limit
        };
        assert_eq!(shown_schedule(&[unknown], &[limit], NOW).agrees, None);
        assert_eq!(shown_schedule(&expected(), &[watts], NOW).agrees, None);
    }
}
