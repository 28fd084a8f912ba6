//! Charging profiles: how the commands about them are said in each version, and what stations answer.
//!
//! A profile without a start is `Relative`: it begins with its transaction (1.6 §3.13.2, 2.0.1 K01.FR.41); one with a
//! start is `Absolute`. A station's maximum may not be `Relative` (2.0.1 K01.FR.38): it needs a start.

pub(super) mod v16;
pub(super) mod v2;

use model::{
    ChargingAnswer, ChargingAsk, ChargingProfile, ChargingTraits, Command, ProfilePurpose,
    Protocol, RateUnit, ScheduledLimit, Variable,
};
use serde_json::Value;

use super::{CommandFault, Outgoing, encode};

/// What is sent to ask a station that.
///
/// # Errors
/// As [`super::encode`].
pub fn encode_charging(protocol: Protocol, ask: &ChargingAsk) -> Result<Outgoing, CommandFault> {
    match ask {
        ChargingAsk::Do(command) => encode(protocol, command),
        ChargingAsk::Traits => {
            let (component, mut names) = match protocol {
                Protocol::Ocpp16 => (None, v16::TRAITS.to_vec()),
                Protocol::Ocpp201 | Protocol::Ocpp21 => {
                    (Some(v2::COMPONENT.to_owned()), v2::TRAITS.to_vec())
                }
            };
            if protocol == Protocol::Ocpp21 {
                names.push(v2::MINDS_OFFLINE);
            }
            let variable = |name: &str| Variable {
                component: component.clone(),
                name: name.to_owned(),
                value: None,
            };
            let variables = names.into_iter().map(variable).collect();
            encode(protocol, &Command::GetVariables { variables })
        }
    }
}

/// What a station's answer to that says. One that cannot be read says no.
pub fn read_charging_answer(
    protocol: Protocol,
    ask: &ChargingAsk,
    answer: &Value,
) -> ChargingAnswer {
    if *ask == ChargingAsk::Traits {
        let variables = match protocol {
            Protocol::Ocpp16 => v16::variables(answer),
            Protocol::Ocpp201 | Protocol::Ocpp21 => v2::variables(answer),
        };
        return ChargingAnswer::Traits(traits(protocol, &variables));
    }
    match (answer["status"].as_str(), protocol) {
        (Some("Accepted"), Protocol::Ocpp16) => {
            ChargingAnswer::Accepted(limits(&answer["chargingSchedule"]))
        }
        (Some("Accepted"), Protocol::Ocpp201 | Protocol::Ocpp21) => {
            ChargingAnswer::Accepted(limits(&answer["schedule"]))
        }
        (status, _) => ChargingAnswer::Refused(status.unwrap_or("no status").to_owned()),
    }
}

/// Names differ in case, and lists may stand in quotes (quirk 36); 1.6 says `Current` and `Power`, 2.x `A` and `W`,
/// and some stations say one in the other version.
fn traits(protocol: Protocol, variables: &[(String, String)]) -> ChargingTraits {
    let told = |names: &[&str]| {
        let of = |name: &str| names.iter().any(|it| it.eq_ignore_ascii_case(name));
        let found = variables.iter().find(|(name, _)| of(name));
        found.map(|(_, value)| value.trim_matches(|c| c == '"' || c == ' '))
    };
    let units = told(&[v16::TRAITS[0], v2::TRAITS[0]]).unwrap_or_default();
    let unit = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "a" | "current" => Some(RateUnit::A),
        "w" | "power" => Some(RateUnit::W),
        _ => None,
    };
    ChargingTraits {
        units: units.split(',').filter_map(unit).collect(),
        stack_level_most: told(&[v16::TRAITS[1], v2::TRAITS[1]]).and_then(|text| text.parse().ok()),
        // A station that minds it need not say so: the variable is an optional one.
        minds_offline: protocol == Protocol::Ocpp21
            && told(&[v2::MINDS_OFFLINE]).is_none_or(|text| !text.eq_ignore_ascii_case("false")),
    }
}

/// The limits of a schedule; all versions write them alike. Where one cannot be read, nobody knows what holds from its
/// start on, and nothing was shown: 2.1 has periods without a limit (setpoints), which the hub never asks for.
fn limits(schedule: &Value) -> Vec<ScheduledLimit> {
    let unit = match schedule["chargingRateUnit"].as_str() {
        Some("A") => RateUnit::A,
        Some("W") => RateUnit::W,
        _ => return Vec::new(),
    };
    let periods = schedule["chargingSchedulePeriod"].as_array();
    let limit = |period: &Value| {
        Some(ScheduledLimit {
            start_s: u32::try_from(period["startPeriod"].as_u64()?).ok()?,
            limit: highest(period)?,
            unit,
            phases: period["numberPhases"]
                .as_u64()
                .and_then(|phases| u8::try_from(phases).ok()),
        })
    };
    let limits = periods.into_iter().flatten().map(limit);
    limits.collect::<Option<_>>().unwrap_or_default()
}

/// The limit of a period, on any of its phases: 2.1 may have others on the second and third.
fn highest(period: &Value) -> Option<f64> {
    let limit = period["limit"].as_f64()?;
    let others = ["limit_L2", "limit_L3"].map(|name| period[name].as_f64().unwrap_or(limit));
    Some(others.into_iter().fold(limit, f64::max))
}

/// What neither version can say.
fn check(evse: u32, profile: &ChargingProfile) -> Result<(), CommandFault> {
    let fault = |words: &str| {
        Err(CommandFault(format!(
            "charging profile {}: {words}",
            profile.id
        )))
    };
    match profile.purpose {
        ProfilePurpose::StationMax if evse != 0 => {
            fault("one of purpose station_max is for EVSE 0, the station as a whole")
        }
        ProfilePurpose::StationMax if profile.start.is_none() => {
            fault("one of purpose station_max needs a start, since it is of no transaction")
        }
        ProfilePurpose::Tx if evse == 0 => {
            fault("one of purpose tx is for the EVSE of its transaction, not for EVSE 0")
        }
        ProfilePurpose::Tx if profile.transaction.is_none() => {
            fault("one of purpose tx names its transaction")
        }
        ProfilePurpose::StationMax | ProfilePurpose::TxDefault if profile.transaction.is_some() => {
            fault("only one of purpose tx names a transaction")
        }
        _ if profile
            .periods
            .first()
            .is_none_or(|first| first.start_s != 0) =>
        {
            fault("the first of its periods begins at 0")
        }
        _ => Ok(()),
    }
}

/// A limit as stations take it: a multiple of 0.1 (1.6 §7.11), and never above what is meant.
fn tenth_below(limit: f64) -> f64 {
    ((limit * 10.0) + 1e-6).floor() / 10.0
}

fn unit(unit: RateUnit) -> &'static str {
    match unit {
        RateUnit::A => "A",
        RateUnit::W => "W",
    }
}

#[cfg(test)]
mod tests;
