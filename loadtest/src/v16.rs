//! OCPP 1.6: the payloads a charger sends, and the commands it reads. Field names as in the specification, edition 2.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::message::{
    BootAnswer, Command, Denial, Key, Limit, Message, Status, Step, StepKind, StopReason,
    TransactionAnswer, Trigger, timestamp,
};
use crate::meter::Reading;
use crate::settings::{Setting, Settings, Verdict};

/// Actions of 1.6 and its security extension that a central system sends and this charger does not know.
const UNSUPPORTED: [&str; 16] = [
    "CancelReservation",
    "CertificateSigned",
    "ClearCache",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetCompositeSchedule",
    "GetDiagnostics",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "InstallCertificate",
    "ReserveNow",
    "SendLocalList",
    "SignedUpdateFirmware",
    "UpdateFirmware",
];

pub(crate) fn boot_notification(identity: &str) -> String {
    // 1.6 allows 25 characters of serial number.
    let serial: String = identity.chars().take(25).collect();
    json!({
        "chargePointVendor": "Simulated",
        "chargePointModel": "SimCharger",
        "chargePointSerialNumber": serial,
        "firmwareVersion": env!("CARGO_PKG_VERSION"),
    })
    .to_string()
}

pub(crate) fn status_notification(connector: u32, status: Status, at: DateTime<Utc>) -> String {
    let status = match status {
        Status::Available => "Available",
        Status::Preparing => "Preparing",
        Status::Charging => "Charging",
        Status::SuspendedEv => "SuspendedEV",
        Status::SuspendedEvse => "SuspendedEVSE",
        Status::Finishing => "Finishing",
        Status::Unavailable => "Unavailable",
    };
    json!({ "connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": timestamp(at) })
        .to_string()
}

pub(crate) fn authorize(token: &str) -> String {
    json!({ "idTag": token }).to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartTransaction<'a> {
    connector_id: u32,
    id_tag: &'a str,
    meter_start: i64,
    timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StopTransaction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<i64>,
    id_tag: &'a str,
    meter_stop: i64,
    timestamp: String,
    reason: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MeterValues<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<i64>,
    connector_id: u32,
    meter_value: [MeterValue<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MeterValue<'a> {
    timestamp: String,
    sampled_value: &'a [SampledValue],
}

#[derive(Serialize)]
struct SampledValue {
    value: String,
    context: &'static str,
    measurand: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    unit: &'static str,
}

/// The message of one step of a session, and whether the transaction id has still to be written into it.
pub(crate) fn transaction(step: &Step<'_>) -> (Message, bool) {
    let id = step.transaction.and_then(|id| id.parse::<i64>().ok());
    match step.kind {
        StepKind::Started { .. } => {
            let start = StartTransaction {
                connector_id: step.connector,
                id_tag: step.token,
                meter_start: step.reading.register_wh,
                timestamp: timestamp(step.at),
            };
            (
                Message {
                    action: "StartTransaction",
                    payload: to_text(&start),
                },
                false,
            )
        }
        StepKind::Ended(reason) => {
            let stop = StopTransaction {
                transaction_id: id,
                id_tag: step.token,
                meter_stop: step.reading.register_wh,
                timestamp: timestamp(step.at),
                reason: stop_reason(reason),
            };
            (
                Message {
                    action: "StopTransaction",
                    payload: to_text(&stop),
                },
                id.is_none(),
            )
        }
        StepKind::Sampled | StepKind::StateChanged | StepKind::Triggered => {
            let context = if step.kind == StepKind::Triggered {
                "Trigger"
            } else {
                "Sample.Periodic"
            };
            let samples = samples(&step.reading, context);
            let payload = to_text(&MeterValues {
                transaction_id: id,
                connector_id: step.connector,
                meter_value: [MeterValue {
                    timestamp: timestamp(step.at),
                    sampled_value: &samples,
                }],
            });
            (
                Message {
                    action: "MeterValues",
                    payload,
                },
                id.is_none(),
            )
        }
    }
}

/// MeterValues outside a session, padded with voltages of the phases to at least `bytes`.
pub(crate) fn meter_values(
    connector: u32,
    reading: &Reading,
    at: DateTime<Utc>,
    bytes: usize,
) -> String {
    let mut samples = samples(reading, "Sample.Clock");
    for phase in ["L1-N", "L2-N", "L3-N"].into_iter().cycle() {
        let payload = to_text(&MeterValues {
            transaction_id: None,
            connector_id: connector,
            meter_value: [MeterValue {
                timestamp: timestamp(at),
                sampled_value: &samples,
            }],
        });
        if payload.len() >= bytes {
            return payload;
        }
        let value = format!("{:.1}", reading.voltage_v);
        samples.push(SampledValue {
            value,
            context: "Sample.Clock",
            measurand: "Voltage",
            phase: Some(phase),
            unit: "V",
        });
    }
    unreachable!("the cycle of phases has no end")
}

fn samples(reading: &Reading, context: &'static str) -> Vec<SampledValue> {
    let sample = |value, measurand, unit| SampledValue {
        value,
        context,
        measurand,
        phase: None,
        unit,
    };
    let mut samples = Vec::with_capacity(5);
    samples.push(sample(
        reading.register_wh.to_string(),
        "Energy.Active.Import.Register",
        "Wh",
    ));
    samples.push(sample(
        format!("{:.0}", reading.power_w),
        "Power.Active.Import",
        "W",
    ));
    samples.push(sample(
        format!("{:.2}", reading.current_a),
        "Current.Import",
        "A",
    ));
    samples.push(sample(format!("{:.1}", reading.voltage_v), "Voltage", "V"));
    if let Some(percent) = reading.soc_percent {
        samples.push(sample(percent.to_string(), "SoC", "Percent"));
    }
    samples
}

fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Local => "Local",
        StopReason::EvDisconnected => "EVDisconnected",
        StopReason::Remote => "Remote",
        StopReason::DeAuthorized => "DeAuthorized",
        StopReason::Reset => "SoftReset",
        StopReason::Unlock => "UnlockCommand",
    }
}

pub(crate) fn boot_answer(payload: &RawValue) -> Option<BootAnswer> {
    #[derive(Deserialize)]
    struct Answer {
        status: String,
        #[serde(default)]
        interval: i64,
    }
    let answer: Answer = serde_json::from_str(payload.get()).ok()?;
    Some(BootAnswer {
        status: answer.status,
        interval_s: u64::try_from(answer.interval).unwrap_or(0),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    transaction_id: Option<i64>,
    id_tag_info: Option<IdTagInfo>,
}

#[derive(Deserialize)]
struct IdTagInfo {
    status: String,
}

/// The answer to StartTransaction, MeterValues or StopTransaction.
pub(crate) fn transaction_answer(payload: &RawValue) -> TransactionAnswer {
    // Most answers are `{}`.
    if payload.get().len() <= 2 {
        return TransactionAnswer::default();
    }
    serde_json::from_str::<Answer>(payload.get()).map_or_else(
        |_| TransactionAnswer::default(),
        |answer| TransactionAnswer {
            transaction_id: answer.transaction_id,
            token_status: answer.id_tag_info.map(|info| info.status),
        },
    )
}

pub(crate) fn token_status(payload: &RawValue) -> Option<String> {
    transaction_answer(payload).token_status
}

/// Reads a CALL of the central system.
pub(crate) fn command(action: &str, payload: &RawValue) -> Result<Command, Denial> {
    if UNSUPPORTED.contains(&action) {
        return Err(Denial::NotSupported);
    }
    let fields: Value = serde_json::from_str(payload.get())
        .map_err(|error| Denial::Malformed(error.to_string()))?;
    let text = |name: &str| {
        fields[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Denial::Malformed(format!("{name} is missing")))
    };
    // Connector 0 is the charger as a whole.
    let connector = fields["connectorId"]
        .as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .filter(|&id| id > 0);
    match action {
        "RemoteStartTransaction" => Ok(Command::RemoteStart {
            connector,
            token: text("idTag")?,
            remote_start_id: None,
            limit: limit(&fields["chargingProfile"]),
        }),
        "RemoteStopTransaction" => {
            let id = fields["transactionId"].as_i64();
            let id = id.ok_or_else(|| Denial::Malformed("transactionId is missing".into()))?;
            Ok(Command::RemoteStop {
                transaction: id.to_string(),
            })
        }
        "Reset" => Ok(Command::Reset),
        "UnlockConnector" => {
            let connector =
                connector.ok_or_else(|| Denial::Malformed("connectorId is missing".into()))?;
            Ok(Command::Unlock { connector })
        }
        "ChangeAvailability" => Ok(Command::ChangeAvailability {
            connector,
            operative: text("type")? == "Operative",
        }),
        "TriggerMessage" => Ok(Command::Trigger {
            message: trigger(&text("requestedMessage")?),
            connector,
        }),
        "GetConfiguration" => {
            let keys = fields["key"]
                .as_array()
                .map_or(&[] as &[Value], Vec::as_slice);
            Ok(Command::GetSettings(
                keys.iter().filter_map(Value::as_str).map(key).collect(),
            ))
        }
        "ChangeConfiguration" => Ok(Command::SetSettings(vec![(
            key(&text("key")?),
            text("value")?,
        )])),
        "SetChargingProfile" => {
            let limit = limit(&fields["csChargingProfiles"]);
            let limit = limit.ok_or_else(|| {
                Denial::Malformed("csChargingProfiles has no period with a limit".into())
            })?;
            Ok(Command::SetLimit { connector, limit })
        }
        "ClearChargingProfile" => Ok(Command::ClearLimit { connector }),
        _ => Err(Denial::NotImplemented),
    }
}

fn trigger(name: &str) -> Trigger {
    match name {
        "BootNotification" => Trigger::Boot,
        "Heartbeat" => Trigger::Heartbeat,
        "StatusNotification" => Trigger::Status,
        "MeterValues" => Trigger::MeterValues,
        _ => Trigger::Unknown,
    }
}

fn limit(profile: &Value) -> Option<Limit> {
    let schedule = &profile["chargingSchedule"];
    let limit = schedule["chargingSchedulePeriod"][0]["limit"].as_f64()?;
    Some(if schedule["chargingRateUnit"] == "W" {
        Limit::Watts(limit)
    } else {
        Limit::Amperes(limit)
    })
}

fn key(name: &str) -> Key {
    Key {
        component: String::new(),
        variable: name.to_owned(),
        setting: Setting::by_key(name),
    }
}

/// The answer to GetConfiguration; no key asks for all.
pub(crate) fn configuration(keys: &[Key], settings: &Settings) -> String {
    let asked: Vec<Setting> = if keys.is_empty() {
        Setting::ALL.to_vec()
    } else {
        keys.iter().filter_map(|key| key.setting).collect()
    };
    let known: Vec<Value> = asked
        .into_iter()
        .map(|it| json!({ "key": it.key(), "readonly": it.is_read_only(), "value": settings.get(it) }))
        .collect();
    let unknown: Vec<&str> = keys
        .iter()
        .filter(|key| key.setting.is_none())
        .map(|key| key.variable.as_str())
        .collect();
    json!({ "configurationKey": known, "unknownKey": unknown }).to_string()
}

/// The answer to ChangeConfiguration, which has one key.
pub(crate) fn configuration_changed(outcomes: &[(Key, Verdict)]) -> String {
    let status = match outcomes.first().map(|(_, verdict)| *verdict) {
        Some(Verdict::Accepted) => "Accepted",
        Some(Verdict::Rejected) => "Rejected",
        Some(Verdict::UnknownComponent | Verdict::Unknown) | None => "NotSupported",
    };
    json!({ "status": status }).to_string()
}

fn to_text(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).expect("plain structs of text and numbers always serialise")
}
