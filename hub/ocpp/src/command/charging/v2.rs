//! Charging profiles in the words of OCPP 2.0.1 and 2.1.

use model::{ChargingProfile, ProfilePurpose, Protocol, RateUnit};
use serde_json::{Map, Value, json};

use super::super::CommandFault;

/// SetChargingProfile.
///
/// # Errors
/// What 2.x cannot say.
pub(in super::super) fn set(
    protocol: Protocol,
    evse: u32,
    profile: &ChargingProfile,
) -> Result<(&'static str, Value), CommandFault> {
    super::check(evse, profile)?;
    Ok((
        "SetChargingProfile",
        json!({"evseId": evse, "chargingProfile": written(protocol, profile)}),
    ))
}

/// ClearChargingProfile: by number, or by what is named.
pub(in super::super) fn clear(
    id: Option<i32>,
    evse: Option<u32>,
    purpose: Option<ProfilePurpose>,
) -> (&'static str, Value) {
    let mut criteria = Map::new();
    if let Some(evse) = evse {
        criteria.insert("evseId".into(), json!(evse));
    }
    if let Some(purpose) = purpose {
        criteria.insert("chargingProfilePurpose".into(), json!(name(purpose)));
    }
    let payload = match id {
        Some(id) => json!({"chargingProfileId": id}),
        None if criteria.is_empty() => json!({}),
        None => json!({"chargingProfileCriteria": criteria}),
    };
    ("ClearChargingProfile", payload)
}

/// GetCompositeSchedule.
pub(in super::super) fn composite(
    evse: u32,
    duration_s: u32,
    unit: Option<RateUnit>,
) -> (&'static str, Value) {
    let mut payload = json!({"evseId": evse, "duration": duration_s});
    if let Some(unit) = unit {
        payload["chargingRateUnit"] = super::unit(unit).into();
    }
    ("GetCompositeSchedule", payload)
}

/// What tells which units and stack levels a station takes (2.0.1 Part 2 §2.11), of this component.
pub(super) const TRAITS: [&str; 2] = ["RateUnit", "ProfileStackLevel"];
/// What tells whether a 2.1 station minds how long it has been offline (2.1 Part 2 §2.13), of the same component.
pub(super) const MINDS_OFFLINE: &str = "SupportsMaxOfflineDuration";
/// See [`TRAITS`].
pub(super) const COMPONENT: &str = "SmartChargingCtrlr";

fn name(purpose: ProfilePurpose) -> &'static str {
    match purpose {
        ProfilePurpose::StationMax => "ChargingStationMaxProfile",
        ProfilePurpose::TxDefault => "TxDefaultProfile",
        ProfilePurpose::Tx => "TxProfile",
    }
}

fn written(protocol: Protocol, profile: &ChargingProfile) -> Value {
    // One schedule each, so that the profile's number names it as well.
    let mut schedule = json!({
        "id": profile.id,
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
        "id": profile.id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": name(profile.purpose),
        "chargingProfileKind": kind,
        "chargingSchedule": [schedule],
    });
    if let Some(transaction) = &profile.transaction {
        written["transactionId"] = transaction.as_str().into();
    }
    if let Some(valid_to) = profile.valid_to {
        written["validTo"] = json!(valid_to);
    }
    if let (Some(max_offline_s), Protocol::Ocpp21) = (profile.max_offline_s, protocol) {
        written["maxOfflineDuration"] = max_offline_s.into();
        written["invalidAfterOfflineDuration"] = true.into();
    }
    written
}

/// The variables and values of a GetVariables answer that are there.
pub(super) fn variables(answer: &Value) -> Vec<(String, String)> {
    let results = answer["getVariableResult"].as_array();
    let pair = |result: &Value| {
        let name = result["variable"]["name"].as_str()?;
        Some((
            name.to_owned(),
            result["attributeValue"].as_str()?.to_owned(),
        ))
    };
    results.into_iter().flatten().filter_map(pair).collect()
}
