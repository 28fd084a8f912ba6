//! What a station makes of its charging profiles: the composite schedule of OCPP, free of a version.
//!
//! Within a purpose the profile of the highest stack level that has a period at the time holds; of the purposes the least
//! holds; a TxProfile stands in for the TxDefaultProfile (1.6 §3.13, 2.0.1 K01 and K08). So a profile that has ended,
//! or not begun, uncovers the one below it.

use serde::{Deserialize, Serialize};

/// What a profile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// ChargePointMaxProfile, ChargingStationMaxProfile: the station as a whole. On EVSE 0 only, and never Relative.
    StationMax,
    /// ChargingStationExternalConstraints: set by others than the CSMS.
    External,
    /// TxDefaultProfile: any transaction; on EVSE 0 for those EVSEs that have none of their own.
    TxDefault,
    /// TxProfile: one transaction.
    Tx,
}

/// When a profile's periods begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// At its start, or with the transaction if it has none.
    Absolute,
    /// At its start and every day from then on.
    Daily,
    /// At its start and every week from then on.
    Weekly,
    /// With the transaction.
    Relative,
}

/// The unit of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Per phase.
    A,
    /// All phases together.
    W,
}

/// A limit from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// When it begins, in s after the schedule.
    pub start_s: i64,
    /// The limit, in the schedule's unit.
    pub limit: f64,
    /// How many phases may be used; 3 if absent.
    #[serde(default)]
    pub phases: Option<u8>,
}

/// A charging profile; times in ms since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The EVSE (1.6: connector) it is set on; 0 is the station.
    pub evse: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// Of several of a purpose the highest level holds.
    pub stack_level: u32,
    /// When its periods begin.
    pub kind: Kind,
    /// It counts from then on.
    #[serde(default)]
    pub valid_from_ms: Option<i64>,
    /// It counts until then.
    #[serde(default)]
    pub valid_to_ms: Option<i64>,
    /// Its schedule's start.
    #[serde(default)]
    pub start_ms: Option<i64>,
    /// Its schedule ends so many s after it began; otherwise its last period goes on.
    #[serde(default)]
    pub duration_s: Option<i64>,
    /// The unit of its limits.
    pub unit: Unit,
    /// In the order of their starts, the first at 0.
    pub periods: Vec<Period>,
    /// The transaction of a TxProfile; the current one if absent (1.6 allows that).
    #[serde(default)]
    pub transaction: Option<String>,
}

/// The EVSE that is asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    /// Its number.
    pub evse: u32,
    /// Its transaction, and when that began, in ms since 1970.
    pub transaction: Option<(String, i64)>,
    /// The voltage of a phase to neutral.
    pub phase_v: f64,
    /// How many phases it has.
    pub phases: u8,
}

/// A part of a composite schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// When it begins, in ms since 1970.
    pub from_ms: i64,
    /// The limit, in the unit asked for; none if no profile limits the EVSE.
    pub limit: Option<f64>,
    /// How many phases may be used.
    pub phases: u8,
}

/// The limits of an EVSE from `from_ms` until before `to_ms`, each until the next begins.
pub fn composite(
    profiles: &[Profile],
    situation: &Situation,
    unit: Unit,
    from_ms: i64,
    to_ms: i64,
) -> Vec<Part> {
    let mut times = vec![from_ms];
    for profile in profiles {
        profile.changes(situation, from_ms, to_ms, &mut times);
    }
    times.retain(|time| (from_ms..to_ms).contains(time));
    times.sort_unstable();
    times.dedup();
    let mut parts: Vec<Part> = Vec::new();
    for from_ms in times {
        let part = at(profiles, situation, unit, from_ms);
        let same = |last: &Part| last.limit == part.limit && last.phases == part.phases;
        if !parts.last().is_some_and(same) {
            parts.push(part);
        }
    }
    parts
}

/// The limit of an EVSE at a time.
pub fn at(profiles: &[Profile], situation: &Situation, unit: Unit, at_ms: i64) -> Part {
    let highest = |purpose: Purpose, evse: u32| {
        (profiles.iter())
            .filter(|it| it.purpose == purpose && it.evse == evse)
            .filter_map(|it| Some((it, it.period_at(situation, at_ms)?)))
            .max_by_key(|(it, _)| it.stack_level)
    };
    let transaction = highest(Purpose::Tx, situation.evse)
        .or_else(|| highest(Purpose::TxDefault, situation.evse))
        .or_else(|| highest(Purpose::TxDefault, 0));
    let external = highest(Purpose::External, situation.evse).into_iter();
    let holding: Vec<(&Profile, &Period)> = [highest(Purpose::StationMax, 0), transaction]
        .into_iter()
        .flatten()
        .chain(external.chain(highest(Purpose::External, 0)))
        .collect();
    let phases = (holding.iter())
        .map(|(_, period)| period.phases.unwrap_or(3))
        .fold(situation.phases, u8::min);
    // Amperes are per phase: what they are in W depends on how many phases all leave.
    let amps_per_watt = 1.0 / (situation.phase_v * f64::from(phases.max(1)));
    let limit = (holding.iter())
        .map(|(profile, period)| match (profile.unit, unit) {
            (Unit::A, Unit::W) => period.limit / amps_per_watt,
            (Unit::W, Unit::A) => period.limit * amps_per_watt,
            _ => period.limit,
        })
        .reduce(f64::min);
    Part {
        from_ms: at_ms,
        limit,
        phases,
    }
}

impl Profile {
    /// Its period at this time, if it has one for this EVSE then.
    fn period_at(&self, situation: &Situation, at_ms: i64) -> Option<&Period> {
        let early = self.valid_from_ms.is_some_and(|from| at_ms < from);
        let late = self.valid_to_ms.is_some_and(|to| at_ms >= to);
        if early || late || !self.is_about(situation) {
            return None;
        }
        let since_ms = at_ms - self.start(situation)?;
        if since_ms < 0 {
            return None;
        }
        let since_ms = self.every_ms().map_or(since_ms, |every| since_ms % every);
        if self.duration_s.is_some_and(|s| since_ms >= 1_000 * s) {
            return None;
        }
        (self.periods.iter().rev()).find(|period| 1_000 * period.start_s <= since_ms)
    }

    /// Whether it can have effect at the EVSE as it is.
    fn is_about(&self, situation: &Situation) -> bool {
        match self.purpose {
            Purpose::StationMax => self.evse == 0 && self.kind != Kind::Relative,
            Purpose::External | Purpose::TxDefault => [0, situation.evse].contains(&self.evse),
            Purpose::Tx => {
                let current = situation.transaction.as_ref().map(|(id, _)| id);
                current.is_some()
                    && (self.transaction.is_none() || self.transaction.as_ref() == current)
            }
        }
    }

    fn start(&self, situation: &Situation) -> Option<i64> {
        let transaction_ms = situation.transaction.as_ref().map(|(_, began)| *began);
        match self.kind {
            Kind::Relative => transaction_ms,
            Kind::Absolute => self.start_ms.or(transaction_ms),
            Kind::Daily | Kind::Weekly => self.start_ms,
        }
    }

    fn every_ms(&self) -> Option<i64> {
        const DAY_MS: i64 = 86_400_000;
        match self.kind {
            Kind::Daily => Some(DAY_MS),
            Kind::Weekly => Some(7 * DAY_MS),
            Kind::Absolute | Kind::Relative => None,
        }
    }

    /// Adds the times at which it may change what holds.
    fn changes(&self, situation: &Situation, from_ms: i64, to_ms: i64, times: &mut Vec<i64>) {
        times.extend(self.valid_from_ms);
        times.extend(self.valid_to_ms);
        let Some(start_ms) = self.start(situation) else {
            return;
        };
        let mut begin_ms = start_ms;
        if let Some(every) = self.every_ms() {
            // The occurrence before the window may still run in it.
            begin_ms += every * ((from_ms - start_ms).div_euclid(every)).max(0);
        }
        while begin_ms < to_ms {
            times.extend(self.periods.iter().map(|it| begin_ms + 1_000 * it.start_s));
            times.extend(self.duration_s.map(|s| begin_ms + 1_000 * s));
            let Some(every) = self.every_ms() else {
                break;
            };
            begin_ms += every;
            times.push(begin_ms);
        }
    }
}
