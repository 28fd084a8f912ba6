//! OCPP 1.6: the payloads a charger sends and the answers it reads. Field names as in the specification, edition 2.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::message::{
    BootAnswer, Message, Status, Step, StepKind, StopReason, TransactionAnswer, timestamp,
};
use crate::meter::Reading;

mod commands;

pub(crate) use commands::{command, configuration, configuration_changed};

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
    if !reading.only_voltage {
        samples.push(sample(
            reading.register_wh.to_string(),
            "Energy.Active.Import.Register",
            "Wh",
        ));
    }
    if reading.only_register {
        return samples;
    }
    if !reading.only_voltage {
        samples.push(sample(
            format!("{:.0}", reading.power_w),
            "Power.Active.Import",
            "W",
        ));
    }
    for (phase, amps, volts) in reading.lines() {
        if !reading.only_voltage {
            samples.push(SampledValue {
                phase: phase.map(|it| ["L1", "L2", "L3"][it]),
                ..sample(format!("{amps:.2}"), "Current.Import", "A")
            });
        }
        samples.push(SampledValue {
            phase: phase.map(|it| ["L1-N", "L2-N", "L3-N"][it]),
            ..sample(format!("{volts:.1}"), "Voltage", "V")
        });
    }
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

fn to_text(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).expect("plain structs of text and numbers always serialise")
}
