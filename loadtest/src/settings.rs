//! The configuration of a simulated charger: a few settings that it really obeys, and some that only inform.

use std::time::Duration;

use crate::charging::{Build, HIGHEST_LEVEL, MOST_PERIODS, MOST_PROFILES};
use crate::faults::RateUnit;
use crate::profile::Profile;
use crate::version::Version;

/// A setting, by its 1.6 key and its 2.0.1 component and variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    HeartbeatInterval,
    MeterInterval,
    Attempts,
    RetryInterval,
    Measurands,
    NumberOfConnectors,
    FeatureProfiles,
    StackLevels,
    RateUnits,
    Periods,
    Profiles,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Rejected,
    UnknownComponent,
    Unknown,
}

const MEASURANDS: &str =
    "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC";
/// Longest interval a charger takes, in seconds.
const MAX_SECONDS: u64 = 7 * 86_400;

impl Setting {
    pub(crate) const ALL: [Self; 11] = [
        Self::HeartbeatInterval,
        Self::MeterInterval,
        Self::Attempts,
        Self::RetryInterval,
        Self::Measurands,
        Self::NumberOfConnectors,
        Self::FeatureProfiles,
        Self::StackLevels,
        Self::RateUnits,
        Self::Periods,
        Self::Profiles,
    ];

    /// The 1.6 configuration key.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::HeartbeatInterval => "HeartbeatInterval",
            Self::MeterInterval => "MeterValueSampleInterval",
            Self::Attempts => "TransactionMessageAttempts",
            Self::RetryInterval => "TransactionMessageRetryInterval",
            Self::Measurands => "MeterValuesSampledData",
            Self::NumberOfConnectors => "NumberOfConnectors",
            Self::FeatureProfiles => "SupportedFeatureProfiles",
            Self::StackLevels => "ChargeProfileMaxStackLevel",
            Self::RateUnits => "ChargingScheduleAllowedChargingRateUnit",
            Self::Periods => "ChargingScheduleMaxPeriods",
            Self::Profiles => "MaxChargingProfilesInstalled",
        }
    }

    /// The 2.0.1 component and variable; none when 2.0.1 has no such setting.
    pub(crate) fn variable(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::HeartbeatInterval => Some(("OCPPCommCtrlr", "HeartbeatInterval")),
            Self::MeterInterval => Some(("SampledDataCtrlr", "TxUpdatedInterval")),
            Self::Attempts => Some(("OCPPCommCtrlr", "MessageAttempts")),
            Self::RetryInterval => Some(("OCPPCommCtrlr", "MessageAttemptInterval")),
            Self::Measurands => Some(("SampledDataCtrlr", "TxUpdatedMeasurands")),
            Self::StackLevels => Some(("SmartChargingCtrlr", "ProfileStackLevel")),
            Self::RateUnits => Some(("SmartChargingCtrlr", "RateUnit")),
            Self::Periods => Some(("SmartChargingCtrlr", "PeriodsPerSchedule")),
            Self::NumberOfConnectors | Self::FeatureProfiles | Self::Profiles => None,
        }
    }

    /// Finds a setting by its 1.6 key; case does not matter.
    pub(crate) fn by_key(key: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|setting| setting.key().eq_ignore_ascii_case(key))
    }

    /// Finds a setting by its 2.0.1 names; case does not matter.
    pub(crate) fn by_variable(component: &str, variable: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| {
            setting.variable().is_some_and(|(c, v)| {
                c.eq_ignore_ascii_case(component) && v.eq_ignore_ascii_case(variable)
            })
        })
    }

    /// Whether 2.0.1 has this component at all.
    pub(crate) fn has_component(component: &str) -> bool {
        Self::ALL.iter().any(|setting| {
            setting
                .variable()
                .is_some_and(|(c, _)| c.eq_ignore_ascii_case(component))
        })
    }

    /// Whether the central system may only read it.
    pub(crate) fn is_read_only(self) -> bool {
        !matches!(
            self,
            Self::HeartbeatInterval | Self::MeterInterval | Self::Attempts | Self::RetryInterval
        )
    }
}

/// The values in force for one charger.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) heartbeat: Duration,
    pub(crate) meter_interval: Duration,
    pub(crate) attempts: u32,
    pub(crate) retry_interval: Duration,
    connectors: u32,
    /// The units it takes limits in, as the version writes them.
    rate_units: &'static str,
}

impl Settings {
    pub(crate) fn new(profile: &Profile) -> Self {
        Self {
            heartbeat: profile.heartbeat.unwrap_or(Duration::from_secs(300)),
            meter_interval: profile.meter_interval,
            attempts: profile.attempts,
            retry_interval: profile.retry_interval,
            connectors: profile.connectors,
            rate_units: rate_units(profile),
        }
    }

    pub(crate) fn get(&self, setting: Setting) -> String {
        match setting {
            Setting::HeartbeatInterval => self.heartbeat.as_secs().to_string(),
            Setting::MeterInterval => self.meter_interval.as_secs().to_string(),
            Setting::Attempts => self.attempts.to_string(),
            Setting::RetryInterval => self.retry_interval.as_secs().to_string(),
            Setting::Measurands => MEASURANDS.into(),
            Setting::NumberOfConnectors => self.connectors.to_string(),
            Setting::FeatureProfiles => "Core,RemoteTrigger,SmartCharging".into(),
            Setting::StackLevels => HIGHEST_LEVEL.to_string(),
            Setting::RateUnits => self.rate_units.into(),
            Setting::Periods => MOST_PERIODS.to_string(),
            Setting::Profiles => MOST_PROFILES.to_string(),
        }
    }

    pub(crate) fn set(&mut self, setting: Setting, value: &str) -> Verdict {
        let Some(number) = value
            .trim()
            .parse::<u64>()
            .ok()
            .filter(|n| (1..=MAX_SECONDS).contains(n))
        else {
            return Verdict::Rejected;
        };
        match setting {
            Setting::HeartbeatInterval => self.heartbeat = Duration::from_secs(number),
            Setting::MeterInterval => self.meter_interval = Duration::from_secs(number),
            Setting::Attempts => self.attempts = number.min(u64::from(u32::MAX)) as u32,
            Setting::RetryInterval => self.retry_interval = Duration::from_secs(number),
            _ => return Verdict::Rejected,
        }
        Verdict::Accepted
    }
}

fn rate_units(profile: &Profile) -> &'static str {
    let build = Build::of(profile);
    let (amperes, watts) = (build.takes(RateUnit::Amperes), build.takes(RateUnit::Watts));
    match (amperes, watts, profile.version) {
        (true, true, Version::V16) => "Current,Power",
        (true, false, Version::V16) => "Current",
        (_, _, Version::V16) => "Power",
        (true, true, _) => "A,W",
        (true, false, _) => "A",
        _ => "W",
    }
}
