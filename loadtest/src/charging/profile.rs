//! A charging profile as it is set, free of a version.

use crate::faults::RateUnit;

/// What a profile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// 1.6 ChargePointMaxProfile, 2.x ChargingStationMaxProfile.
    StationMax,
    /// ChargingStationExternalConstraints (2.x).
    External,
    TxDefault,
    Tx,
}

/// When its periods begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Absolute,
    Daily,
    Weekly,
    Relative,
}

/// A charging profile; times in ms since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChargingProfile {
    pub(crate) id: i64,
    pub(crate) stack_level: i64,
    pub(crate) purpose: Purpose,
    pub(crate) kind: Kind,
    pub(crate) valid_from_ms: Option<i64>,
    pub(crate) valid_to_ms: Option<i64>,
    /// It does not hold while its charger has been offline for longer (2.1).
    pub(crate) max_offline_s: Option<i64>,
    /// And never again after that.
    pub(crate) invalid_after_offline: bool,
    pub(crate) transaction: Option<String>,
    pub(crate) start_ms: Option<i64>,
    pub(crate) duration_s: Option<i64>,
    pub(crate) unit: RateUnit,
    pub(crate) periods: Vec<Period>,
}

/// A limit from a second of the schedule on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Period {
    pub(crate) start_s: i64,
    pub(crate) limit: f64,
    /// How many phases may be used; absent means 3 on AC.
    pub(crate) phases: Option<u8>,
}

/// Which profiles ClearChargingProfile means: those for which all that is given is so.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Clear {
    pub(crate) id: Option<i64>,
    pub(crate) evse: Option<u32>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) stack_level: Option<i64>,
}

impl ChargingProfile {
    /// The period that holds at this time, for a transaction that began then.
    pub(crate) fn period_at(&self, began_ms: Option<i64>, at_ms: i64) -> Option<&Period> {
        if self.valid_from_ms.is_some_and(|from| at_ms < from)
            || self.valid_to_ms.is_some_and(|to| at_ms >= to)
        {
            return None;
        }
        let start_ms = match self.kind {
            Kind::Relative => began_ms?,
            // Without a start it starts as the transaction does.
            Kind::Absolute => self.start_ms.or(began_ms)?,
            Kind::Daily | Kind::Weekly => self.start_ms?,
        };
        let mut second = (at_ms - start_ms).div_euclid(1_000);
        if second < 0 {
            return None;
        }
        match self.kind {
            Kind::Daily => second %= 86_400,
            Kind::Weekly => second %= 7 * 86_400,
            Kind::Absolute | Kind::Relative => {}
        }
        if self.duration_s.is_some_and(|duration| second >= duration) {
            return None;
        }
        self.periods.iter().rfind(|period| period.start_s <= second)
    }
}

impl Clear {
    /// Whether it means this profile.
    pub(crate) fn means(&self, evse: u32, profile: &ChargingProfile) -> bool {
        // An id alone says enough, whatever else is said (1.6 §5.3, K10).
        if let Some(id) = self.id {
            return id == profile.id;
        }
        self.evse.is_none_or(|it| it == evse)
            && self.purpose.is_none_or(|it| it == profile.purpose)
            && self.stack_level.is_none_or(|it| it == profile.stack_level)
    }
}
