//! OCPP 2.0.1 and 2.1: the payloads a charger sends and the answers it reads. Field names as in part 2 of the specification.
//! Each connector is an EVSE of its own, with one connector.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::message::{Message, Status, Step, StepKind, StopReason, timestamp};
use crate::meter::Reading;
use crate::settings::{Setting, Settings};

mod commands;

pub(crate) use commands::{command, variables, variables_set};

pub(crate) fn boot_notification(identity: &str) -> String {
    // 2.0.1 allows 25 characters of serial number.
    let serial: String = identity.chars().take(25).collect();
    json!({
        "reason": "PowerUp",
        "chargingStation": {
            "vendorName": "Simulated",
            "model": "SimCharger",
            "serialNumber": serial,
            "firmwareVersion": env!("CARGO_PKG_VERSION"),
        },
    })
    .to_string()
}

pub(crate) fn status_notification(connector: u32, status: Status, at: DateTime<Utc>) -> String {
    json!({
        "timestamp": timestamp(at),
        "connectorStatus": status_name(status),
        "evseId": connector,
        "connectorId": 1,
    })
    .to_string()
}

/// A NotifyEvent that tells the availability of a connector.
pub(crate) fn availability(connector: u32, status: Status, at: DateTime<Utc>) -> String {
    json!({
        "generatedAt": timestamp(at),
        "seqNo": 0,
        "eventData": [{
            // An event has a number of its own; that of its millisecond will do for a connector.
            "eventId": at.timestamp_millis() % i64::from(i32::MAX),
            "timestamp": timestamp(at),
            "trigger": "Delta",
            "actualValue": status_name(status),
            "component": { "name": "Connector", "evse": { "id": connector, "connectorId": 1 } },
            "variable": { "name": "AvailabilityState" },
            "eventNotificationType": "HardWiredNotification",
        }],
    })
    .to_string()
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Available => "Available",
        Status::Unavailable => "Unavailable",
        Status::Preparing
        | Status::Charging
        | Status::SuspendedEv
        | Status::SuspendedEvse
        | Status::Finishing => "Occupied",
    }
}

pub(crate) fn authorize(token: &str) -> String {
    json!({ "idToken": { "idToken": token, "type": "ISO14443" } }).to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TransactionEvent<'a> {
    event_type: &'static str,
    timestamp: String,
    trigger_reason: &'static str,
    seq_no: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    offline: bool,
    transaction_info: TransactionInfo<'a>,
    evse: Evse,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<IdToken<'a>>,
    meter_value: [MeterValue<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TransactionInfo<'a> {
    transaction_id: &'a str,
    charging_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_start_id: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evse {
    id: u32,
    connector_id: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IdToken<'a> {
    id_token: &'a str,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MeterValues<'a> {
    evse_id: u32,
    meter_value: [MeterValue<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MeterValue<'a> {
    timestamp: String,
    sampled_value: &'a [SampledValue],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SampledValue {
    value: f64,
    context: &'static str,
    measurand: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    unit_of_measure: Unit,
}

#[derive(Serialize)]
struct Unit {
    unit: &'static str,
}

/// The TransactionEvent of one step of a session.
pub(crate) fn transaction_event(step: &Step<'_>) -> Message {
    let (event_type, context) = match step.kind {
        StepKind::Started { .. } => ("Started", "Transaction.Begin"),
        StepKind::Sampled | StepKind::StateChanged => ("Updated", "Sample.Periodic"),
        StepKind::Triggered => ("Updated", "Trigger"),
        StepKind::Ended(_) => ("Ended", "Transaction.End"),
    };
    let (stopped_reason, remote_start_id) = match step.kind {
        StepKind::Ended(reason) => (Some(stopped_reason(reason)), None),
        StepKind::Started { remote_start_id } => (None, remote_start_id),
        _ => (None, None),
    };
    // The token is told at the start, and again by the one who stops the session with it (E01.FR.03, E07.FR.02).
    let tells_token = matches!(
        step.kind,
        StepKind::Started { .. } | StepKind::Ended(StopReason::Local)
    );
    let samples = samples(&step.reading, context);
    let event = TransactionEvent {
        event_type,
        timestamp: timestamp(step.at),
        trigger_reason: trigger_reason(step.kind),
        seq_no: step.seq_no,
        offline: step.offline,
        transaction_info: TransactionInfo {
            transaction_id: step.transaction.unwrap_or_default(),
            charging_state: charging_state(step.status),
            stopped_reason,
            remote_start_id,
        },
        evse: Evse {
            id: step.connector,
            connector_id: 1,
        },
        id_token: tells_token.then_some(IdToken {
            id_token: step.token,
            r#type: "ISO14443",
        }),
        meter_value: [MeterValue {
            timestamp: timestamp(step.at),
            sampled_value: &samples,
        }],
    };
    Message {
        action: "TransactionEvent",
        payload: to_text(&event),
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
            evse_id: connector,
            meter_value: [MeterValue {
                timestamp: timestamp(at),
                sampled_value: &samples,
            }],
        });
        if payload.len() >= bytes {
            return payload;
        }
        samples.push(SampledValue {
            value: reading.voltage_v,
            context: "Sample.Clock",
            measurand: "Voltage",
            phase: Some(phase),
            unit_of_measure: Unit { unit: "V" },
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
        unit_of_measure: Unit { unit },
    };
    let mut samples = Vec::with_capacity(5);
    if !reading.only_voltage {
        samples.push(sample(
            reading.register_wh as f64,
            "Energy.Active.Import.Register",
            "Wh",
        ));
    }
    if reading.only_register {
        return samples;
    }
    if !reading.only_voltage {
        samples.push(sample(reading.power_w.round(), "Power.Active.Import", "W"));
    }
    for (phase, amps, volts) in reading.lines() {
        if !reading.only_voltage {
            samples.push(SampledValue {
                phase: phase.map(|it| ["L1", "L2", "L3"][it]),
                ..sample((amps * 100.0).round() / 100.0, "Current.Import", "A")
            });
        }
        samples.push(SampledValue {
            phase: phase.map(|it| ["L1-N", "L2-N", "L3-N"][it]),
            ..sample(volts, "Voltage", "V")
        });
    }
    if let Some(percent) = reading.soc_percent {
        samples.push(sample(f64::from(percent), "SoC", "Percent"));
    }
    samples
}

fn charging_state(status: Status) -> &'static str {
    match status {
        Status::Charging => "Charging",
        Status::SuspendedEv => "SuspendedEV",
        Status::SuspendedEvse => "SuspendedEVSE",
        Status::Preparing | Status::Finishing => "EVConnected",
        Status::Available | Status::Unavailable => "Idle",
    }
}

fn trigger_reason(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Started {
            remote_start_id: Some(_),
        } => "RemoteStart",
        StepKind::Started {
            remote_start_id: None,
        } => "Authorized",
        StepKind::Sampled => "MeterValuePeriodic",
        StepKind::StateChanged => "ChargingStateChanged",
        StepKind::Triggered => "Trigger",
        StepKind::Ended(StopReason::Local) => "StopAuthorized",
        StepKind::Ended(StopReason::EvDisconnected) => "EVDeparted",
        StepKind::Ended(StopReason::Remote) => "RemoteStop",
        StepKind::Ended(StopReason::DeAuthorized) => "Deauthorized",
        StepKind::Ended(StopReason::Reset) => "ResetCommand",
        StepKind::Ended(StopReason::Unlock) => "UnlockCommand",
    }
}

fn stopped_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Local => "Local",
        StopReason::EvDisconnected => "EVDisconnected",
        StopReason::Remote => "Remote",
        StopReason::DeAuthorized => "DeAuthorized",
        StopReason::Reset => "ImmediateReset",
        StopReason::Unlock => "Other",
    }
}

/// NotifyReport with every variable, as GetBaseReport asks for.
pub(crate) fn notify_report(request_id: i64, settings: &Settings, at: DateTime<Utc>) -> Message {
    let data: Vec<Value> = Setting::ALL
        .into_iter()
        .filter_map(|setting| setting.variable().map(|names| (setting, names)))
        .map(|(setting, (component, variable))| {
            let mutability = if setting.is_read_only() {
                "ReadOnly"
            } else {
                "ReadWrite"
            };
            json!({
                "component": { "name": component },
                "variable": { "name": variable },
                "variableAttribute": [{ "value": settings.get(setting), "mutability": mutability }],
            })
        })
        .collect();
    let payload = json!({
        "requestId": request_id,
        "generatedAt": timestamp(at),
        "seqNo": 0,
        "tbc": false,
        "reportData": data,
    });
    Message {
        action: "NotifyReport",
        payload: payload.to_string(),
    }
}

/// The status of the token in an answer to Authorize or TransactionEvent.
pub(crate) fn token_status(payload: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        id_token_info: Option<IdTokenInfo>,
    }
    #[derive(Deserialize)]
    struct IdTokenInfo {
        status: String,
    }
    // Most answers are `{}`.
    if payload.get().len() <= 2 {
        return None;
    }
    serde_json::from_str::<Answer>(payload.get())
        .ok()?
        .id_token_info
        .map(|info| info.status)
}

fn to_text(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).expect("plain structs of text and numbers always serialise")
}
