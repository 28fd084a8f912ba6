//! Charging profiles, and what stations answer to them, free of OCPP versions.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a station may draw, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChargingProfile {
    /// Its number at the station; one of the same number is replaced.
    pub id: i32,
    /// Of several of a purpose the highest level holds.
    pub stack_level: u32,
    /// What it is for.
    pub purpose: ProfilePurpose,
    /// The transaction of a `tx` profile, as the station calls it.
    #[serde(default)]
    pub transaction: Option<String>,
    /// It counts until then; absent: for good.
    #[serde(default)]
    pub valid_to: Option<Timestamp>,
    /// It ends for good once its station has been without a hub for so many s. Stations before OCPP 2.1 are not told: they
    /// know no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_offline_s: Option<u32>,
    /// When its periods begin; absent: with the transaction.
    #[serde(default)]
    pub start: Option<Timestamp>,
    /// It ends so many s after its start.
    #[serde(default)]
    pub duration_s: Option<u32>,
    /// The unit of its limits.
    pub unit: RateUnit,
    /// Its limits in the order of their starts, the first at 0.
    pub periods: Vec<ProfilePeriod>,
}

/// What a charging profile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProfilePurpose {
    /// The station as a whole: 1.6 ChargePointMaxProfile, 2.x ChargingStationMaxProfile.
    StationMax,
    /// Any transaction at an outlet: TxDefaultProfile.
    TxDefault,
    /// One transaction: TxProfile.
    Tx,
}

/// In what form a station takes its floor and its grants, where it refuses the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileForm {
    /// Its floor begins with the transaction: it refuses a start.
    pub floor_is_relative: bool,
    /// So do its grants.
    pub grant_is_relative: bool,
    /// Its grants end by their duration: it refuses `validTo`, or does not heed it.
    pub ends_by_duration: bool,
    /// All have the stack level 0, as far as they may: it refuses a higher one.
    pub is_lowest: bool,
}

/// A unit of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RateUnit {
    /// Amperes per phase.
    A,
    /// Watts of all phases together.
    W,
}

/// A limit from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProfilePeriod {
    /// When it begins, in s after the profile's start.
    pub start_s: u32,
    /// The limit, in the profile's unit.
    pub limit: f64,
    /// How many phases may be used; absent: 3 on AC.
    #[serde(default)]
    pub phases: Option<u8>,
}

/// What a station answered to a command about charging profiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargingAnswer {
    /// It says it will. To a question for its composite schedule: from when and with what limits, as far as told.
    Accepted(Vec<ScheduledLimit>),
    /// It will not; its words (`Rejected`, `NotSupported` …).
    Refused(String),
    /// What profiles it takes, as far as it told.
    Traits(ChargingTraits),
}

/// What the hub asks a station about charging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargingAsk {
    /// To carry this out.
    Do(crate::Command),
    /// What profiles it takes.
    Traits,
}

/// What charging profiles a station takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChargingTraits {
    /// In which units; empty where not told.
    pub units: Vec<RateUnit>,
    /// The highest stack level.
    pub stack_level_most: Option<u32>,
    /// Whether it may mind [`ChargingProfile::max_offline_s`]: it speaks 2.1 and does not say that it does not.
    #[serde(default)]
    pub minds_offline: bool,
}

/// A part of a composite schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScheduledLimit {
    /// When it begins, in s after the schedule.
    pub start_s: u32,
    /// The limit.
    pub limit: f64,
    /// Its unit.
    pub unit: RateUnit,
    /// How many phases it counts on.
    pub phases: Option<u8>,
}
