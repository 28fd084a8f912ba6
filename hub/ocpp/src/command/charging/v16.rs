//! Charging profiles in the words of OCPP 1.6.

use model::{ChargingProfile, ProfilePurpose, RateUnit};
use serde_json::{Map, Value, json};

use super::super::CommandFault;
/// SetChargingProfile.
///
/// # Errors
/// What 1.6 cannot say.
pub(in super::super) fn set(
    evse: u32,
    profile: &ChargingProfile,
) -> Result<(&'static str, Value), CommandFault> {
    super::check(evse, profile)?;
    let profile = written(profile)?;
    Ok((
        "SetChargingProfile",
        json!({"connectorId": evse, "csChargingProfiles": profile}),
    ))
}

/// ClearChargingProfile.
pub(in super::super) fn clear(
    id: Option<i32>,
    evse: Option<u32>,
    purpose: Option<ProfilePurpose>,
) -> (&'static str, Value) {
    let mut payload = Map::new();
    if let Some(id) = id {
        payload.insert("id".into(), json!(id));
    }
    if let Some(evse) = evse {
        payload.insert("connectorId".into(), json!(evse));
    }
    if let Some(purpose) = purpose {
        payload.insert("chargingProfilePurpose".into(), json!(name(purpose)));
    }
    ("ClearChargingProfile", Value::Object(payload))
}

/// GetCompositeSchedule.
pub(in super::super) fn composite(
    evse: u32,
    duration_s: u32,
    unit: Option<RateUnit>,
) -> (&'static str, Value) {
    let mut payload = json!({"connectorId": evse, "duration": duration_s});
    if let Some(unit) = unit {
        payload["chargingRateUnit"] = super::unit(unit).into();
    }
    ("GetCompositeSchedule", payload)
}

/// What tells which units and stack levels a station takes (1.6 §9.4).
pub(super) const TRAITS: [&str; 2] = [
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargeProfileMaxStackLevel",
];

fn name(purpose: ProfilePurpose) -> &'static str {
    match purpose {
        ProfilePurpose::StationMax => "ChargePointMaxProfile",
        ProfilePurpose::TxDefault => "TxDefaultProfile",
        ProfilePurpose::Tx => "TxProfile",
    }
}

fn written(profile: &ChargingProfile) -> Result<Value, CommandFault> {
    let mut schedule = json!({
        "chargingRateUnit": super::unit(profile.unit),
        "chargingSchedulePeriod": profile.periods.iter().map(|period| {
            let mut written = json!({"startPeriod": period.start_s, "limit": super::tenth_below(period.limit)});
            if let Some(phases) = period.phases {
                written["numberPhases"] = phases.into();
            }
            written
        }).collect::<Vec<_>>(),
    });
    if let Some(start) = profile.start {
        schedule["startSchedule"] = json!(start);
    }
    if let Some(duration_s) = profile.duration_s {
        schedule["duration"] = duration_s.into();
    }
    let kind = if profile.start.is_some() {
        "Absolute"
    } else {
        "Relative"
    };
    let mut written = json!({
        "chargingProfileId": profile.id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": name(profile.purpose),
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    });
    if let Some(transaction) = &profile.transaction {
        let Ok(number) = transaction.parse::<i64>() else {
            return Err(CommandFault(format!(
                "an OCPP 1.6 station knows its transactions by number; {transaction:?} is none"
            )));
        };
        written["transactionId"] = number.into();
    }
    if let Some(valid_to) = profile.valid_to {
        written["validTo"] = json!(valid_to);
    }
    Ok(written)
}

/// The keys and values of a GetConfiguration answer.
pub(super) fn variables(answer: &Value) -> Vec<(String, String)> {
    let keys = answer["configurationKey"].as_array();
    let pair = |key: &Value| {
        let name = key["key"].as_str()?;
        Some((name.to_owned(), key["value"].as_str()?.to_owned()))
    };
    keys.into_iter().flatten().filter_map(pair).collect()
}
