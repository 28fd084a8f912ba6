//! Charging profiles as 1.6 and 2.x write them. What is missing or unknown is an error with its name; what is there but
//! not allowed is for [`Charging::set`](super::Charging::set) to refuse.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::profile::{ChargingProfile, Clear, Kind, Period, Purpose};
use crate::faults::RateUnit;
use crate::message::timestamp;

/// SetChargingProfile.
#[derive(Debug, PartialEq)]
pub(crate) struct SetProfile {
    pub(crate) evse: u32,
    pub(crate) profile: ChargingProfile,
}

/// GetCompositeSchedule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompositeRequest {
    pub(crate) evse: u32,
    pub(crate) duration_s: i64,
    pub(crate) unit: RateUnit,
}

impl SetProfile {
    pub(crate) fn v16(fields: &Value) -> Result<Self, String> {
        Ok(Self {
            evse: number(fields, "connectorId")?,
            profile: ChargingProfile::v16(&fields["csChargingProfiles"])?,
        })
    }

    pub(crate) fn v2(fields: &Value) -> Result<Self, String> {
        Ok(Self {
            evse: number(fields, "evseId")?,
            profile: ChargingProfile::v2(&fields["chargingProfile"])?,
        })
    }
}

impl ChargingProfile {
    pub(crate) fn v16(fields: &Value) -> Result<Self, String> {
        let transaction = fields["transactionId"].as_i64().map(|id| id.to_string());
        let id = integer(fields, "chargingProfileId")?;
        Self::read(fields, id, transaction, &fields["chargingSchedule"])
    }

    pub(crate) fn v2(fields: &Value) -> Result<Self, String> {
        let transaction = fields["transactionId"].as_str().map(str::to_owned);
        let id = integer(fields, "id")?;
        // A second and third schedule are for cars that speak ISO 15118; these do not.
        Self::read(fields, id, transaction, &fields["chargingSchedule"][0])
    }

    fn read(
        fields: &Value,
        id: i64,
        transaction: Option<String>,
        schedule: &Value,
    ) -> Result<Self, String> {
        let purpose = match text(fields, "chargingProfilePurpose")? {
            "ChargePointMaxProfile" | "ChargingStationMaxProfile" => Purpose::StationMax,
            "ChargingStationExternalConstraints" => Purpose::External,
            "TxDefaultProfile" => Purpose::TxDefault,
            "TxProfile" => Purpose::Tx,
            other => return Err(format!("chargingProfilePurpose {other} is not known")),
        };
        let kind = match text(fields, "chargingProfileKind")? {
            "Absolute" => Kind::Absolute,
            "Relative" => Kind::Relative,
            "Recurring" => match text(fields, "recurrencyKind")? {
                "Daily" => Kind::Daily,
                "Weekly" => Kind::Weekly,
                other => return Err(format!("recurrencyKind {other} is not known")),
            },
            other => return Err(format!("chargingProfileKind {other} is not known")),
        };
        let periods = (schedule["chargingSchedulePeriod"].as_array())
            .ok_or("chargingSchedulePeriod is missing")?;
        Ok(Self {
            id,
            stack_level: integer(fields, "stackLevel")?,
            purpose,
            kind,
            valid_from_ms: time(fields, "validFrom")?,
            valid_to_ms: time(fields, "validTo")?,
            max_offline_s: fields["maxOfflineDuration"].as_i64(),
            invalid_after_offline: fields["invalidAfterOfflineDuration"] == true,
            transaction,
            start_ms: time(schedule, "startSchedule")?,
            duration_s: schedule["duration"].as_i64(),
            unit: unit(text(schedule, "chargingRateUnit")?)?,
            periods: periods.iter().map(period).collect::<Result<_, _>>()?,
        })
    }
}

impl Clear {
    pub(crate) fn v16(fields: &Value) -> Result<Self, String> {
        Self::read(fields["id"].as_i64(), "connectorId", fields)
    }

    pub(crate) fn v2(fields: &Value) -> Result<Self, String> {
        let criteria = &fields["chargingProfileCriteria"];
        Self::read(fields["chargingProfileId"].as_i64(), "evseId", criteria)
    }

    fn read(id: Option<i64>, evse: &str, criteria: &Value) -> Result<Self, String> {
        let purpose = match criteria["chargingProfilePurpose"].as_str() {
            None => None,
            Some("ChargePointMaxProfile" | "ChargingStationMaxProfile") => {
                Some(Purpose::StationMax)
            }
            Some("ChargingStationExternalConstraints") => Some(Purpose::External),
            Some("TxDefaultProfile") => Some(Purpose::TxDefault),
            Some("TxProfile") => Some(Purpose::Tx),
            Some(other) => return Err(format!("chargingProfilePurpose {other} is not known")),
        };
        Ok(Self {
            id,
            evse: criteria[evse].as_u64().and_then(|it| it.try_into().ok()),
            purpose,
            stack_level: criteria["stackLevel"].as_i64(),
        })
    }
}

impl CompositeRequest {
    /// `evse` is the field's name; `usual` the unit where none is asked for.
    pub(crate) fn read(fields: &Value, evse: &str, usual: RateUnit) -> Result<Self, String> {
        Ok(Self {
            evse: number(fields, evse)?,
            duration_s: integer(fields, "duration")?,
            unit: match fields["chargingRateUnit"].as_str() {
                None => usual,
                Some(name) => unit(name)?,
            },
        })
    }
}

/// The answer to GetCompositeSchedule of 1.6; `None` refuses.
pub(crate) fn composite_v16(
    request: &CompositeRequest,
    periods: Option<&[Period]>,
    from: DateTime<Utc>,
) -> String {
    let Some(periods) = periods else {
        return json!({ "status": "Rejected" }).to_string();
    };
    json!({
        "status": "Accepted",
        "connectorId": request.evse,
        "scheduleStart": timestamp(from),
        "chargingSchedule": {
            "duration": request.duration_s,
            "startSchedule": timestamp(from),
            "chargingRateUnit": unit_name(request.unit),
            "chargingSchedulePeriod": written(periods),
        },
    })
    .to_string()
}

/// The answer to GetCompositeSchedule of 2.x; `None` refuses.
pub(crate) fn composite_v2(
    request: &CompositeRequest,
    periods: Option<&[Period]>,
    from: DateTime<Utc>,
) -> String {
    let Some(periods) = periods else {
        return json!({ "status": "Rejected" }).to_string();
    };
    json!({
        "status": "Accepted",
        "schedule": {
            "evseId": request.evse,
            "duration": request.duration_s,
            "scheduleStart": timestamp(from),
            "chargingRateUnit": unit_name(request.unit),
            "chargingSchedulePeriod": written(periods),
        },
    })
    .to_string()
}

fn written(periods: &[Period]) -> Vec<Value> {
    let one = |it: &Period| {
        // A limit has one decimal on the wire (1.6 §7.14); down, so that it is never more than is obeyed.
        let limit = ((it.limit + 1e-6) * 10.0).floor() / 10.0;
        json!({ "startPeriod": it.start_s, "limit": limit, "numberPhases": it.phases })
    };
    periods.iter().map(one).collect()
}

fn period(fields: &Value) -> Result<Period, String> {
    let phases = match &fields["numberPhases"] {
        Value::Null => None,
        given => Some(
            (given.as_u64())
                .and_then(|it| u8::try_from(it).ok())
                .ok_or("numberPhases is no number of phases")?,
        ),
    };
    Ok(Period {
        start_s: integer(fields, "startPeriod")?,
        limit: fields["limit"].as_f64().ok_or("limit is missing")?,
        phases,
    })
}

fn unit(name: &str) -> Result<RateUnit, String> {
    match name {
        "A" => Ok(RateUnit::Amperes),
        "W" => Ok(RateUnit::Watts),
        other => Err(format!("chargingRateUnit {other} is not known")),
    }
}

fn unit_name(unit: RateUnit) -> &'static str {
    match unit {
        RateUnit::Amperes => "A",
        RateUnit::Watts => "W",
    }
}

fn text<'a>(fields: &'a Value, name: &str) -> Result<&'a str, String> {
    fields[name]
        .as_str()
        .ok_or_else(|| format!("{name} is missing"))
}

fn integer(fields: &Value, name: &str) -> Result<i64, String> {
    fields[name]
        .as_i64()
        .ok_or_else(|| format!("{name} is missing"))
}

fn number(fields: &Value, name: &str) -> Result<u32, String> {
    let found = fields[name].as_u64().and_then(|it| it.try_into().ok());
    found.ok_or_else(|| format!("{name} is missing"))
}

fn time(fields: &Value, name: &str) -> Result<Option<i64>, String> {
    let Some(text) = fields[name].as_str() else {
        return Ok(None);
    };
    DateTime::parse_from_rfc3339(text)
        .map(|at| Some(at.timestamp_millis()))
        .map_err(|error| format!("{name} is no time: {error}"))
}
