//! OCPP 2.0.1 and 2.1: the commands a charger reads, and the answers that are more than a status.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::charging::{ChargingProfile, Clear, CompositeRequest, SetProfile};
use crate::faults::RateUnit;
use crate::message::{Command, Denial, Key, Trigger};
use crate::settings::{Setting, Settings, Verdict};

/// Actions of 2.0.1 that a central system sends and this charger does not know.
const UNSUPPORTED: [&str; 27] = [
    "CancelReservation",
    "CertificateSigned",
    "ClearCache",
    "ClearDisplayMessage",
    "ClearVariableMonitoring",
    "CostUpdated",
    "CustomerInformation",
    "DataTransfer",
    "DeleteCertificate",
    "GetChargingProfiles",
    "GetDisplayMessages",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "GetMonitoringReport",
    "GetReport",
    "InstallCertificate",
    "PublishFirmware",
    "ReserveNow",
    "SendLocalList",
    "SetDisplayMessage",
    "SetMonitoringBase",
    "SetMonitoringLevel",
    "SetNetworkProfile",
    "SetVariableMonitoring",
    "UnpublishFirmware",
    "UpdateFirmware",
];

/// Reads a CALL of the central system. `usual` is the unit of a composite schedule where none is asked for.
pub(crate) fn command(
    action: &str,
    payload: &RawValue,
    usual: RateUnit,
) -> Result<Command, Denial> {
    if UNSUPPORTED.contains(&action) {
        return Err(Denial::NotSupported);
    }
    let fields: Value = serde_json::from_str(payload.get())
        .map_err(|error| Denial::Malformed(error.to_string()))?;
    let missing = |name: &str| Denial::Malformed(format!("{name} is missing"));
    let text = |value: &Value, name: &str| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| missing(name))
    };
    // EVSE 0 is the charging station as a whole.
    let number = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .filter(|&id| id > 0)
    };
    match action {
        "RequestStartTransaction" => Ok(Command::RemoteStart {
            connector: number(&fields["evseId"]),
            token: text(&fields["idToken"]["idToken"], "idToken")?,
            remote_start_id: Some(
                fields["remoteStartId"]
                    .as_i64()
                    .ok_or_else(|| missing("remoteStartId"))?,
            ),
            profile: match &fields["chargingProfile"] {
                Value::Null => None,
                given => Some(Box::new(
                    ChargingProfile::v2(given).map_err(Denial::Malformed)?,
                )),
            },
        }),
        "RequestStopTransaction" => Ok(Command::RemoteStop {
            transaction: text(&fields["transactionId"], "transactionId")?,
        }),
        "Reset" => Ok(Command::Reset),
        "UnlockConnector" => Ok(Command::Unlock {
            connector: number(&fields["evseId"]).ok_or_else(|| missing("evseId"))?,
        }),
        "ChangeAvailability" => Ok(Command::ChangeAvailability {
            connector: number(&fields["evse"]["id"]),
            operative: text(&fields["operationalStatus"], "operationalStatus")? == "Operative",
        }),
        "TriggerMessage" => Ok(Command::Trigger {
            message: trigger(&text(&fields["requestedMessage"], "requestedMessage")?),
            connector: number(&fields["evse"]["id"]),
        }),
        "GetVariables" => {
            let asked = fields["getVariableData"]
                .as_array()
                .ok_or_else(|| missing("getVariableData"))?;
            Ok(Command::GetSettings(asked.iter().map(key).collect()))
        }
        "SetVariables" => {
            let asked = fields["setVariableData"]
                .as_array()
                .ok_or_else(|| missing("setVariableData"))?;
            let pair = |item| Ok((key(item), text(&item["attributeValue"], "attributeValue")?));
            Ok(Command::SetSettings(
                asked.iter().map(pair).collect::<Result<_, _>>()?,
            ))
        }
        "SetChargingProfile" => {
            let set = SetProfile::v2(&fields).map_err(Denial::Malformed)?;
            Ok(Command::SetProfile(Box::new(set)))
        }
        "ClearChargingProfile" => Clear::v2(&fields)
            .map(Command::ClearProfiles)
            .map_err(Denial::Malformed),
        "GetCompositeSchedule" => CompositeRequest::read(&fields, "evseId", usual)
            .map(Command::Composite)
            .map_err(Denial::Malformed),
        "GetBaseReport" => Ok(Command::BaseReport {
            request_id: fields["requestId"]
                .as_i64()
                .ok_or_else(|| missing("requestId"))?,
        }),
        "GetTransactionStatus" => Ok(Command::TransactionStatus {
            transaction: fields["transactionId"].as_str().map(str::to_owned),
        }),
        _ => Err(Denial::NotImplemented),
    }
}

fn trigger(name: &str) -> Trigger {
    match name {
        "BootNotification" => Trigger::Boot,
        "Heartbeat" => Trigger::Heartbeat,
        "StatusNotification" => Trigger::Status,
        "MeterValues" => Trigger::MeterValues,
        "TransactionEvent" => Trigger::TransactionEvent,
        _ => Trigger::Unknown,
    }
}

fn key(item: &Value) -> Key {
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let (component, variable) = (name(&item["component"]), name(&item["variable"]));
    let setting = Setting::by_variable(&component, &variable);
    Key {
        component,
        variable,
        setting,
    }
}

/// The answer to GetVariables.
pub(crate) fn variables(keys: &[Key], settings: &Settings) -> String {
    let results: Vec<Value> = keys
        .iter()
        .map(|key| {
            let status = match key.setting {
                Some(_) => "Accepted",
                None if Setting::has_component(&key.component) => "UnknownVariable",
                None => "UnknownComponent",
            };
            let mut result = result_of(key, status);
            if let Some(setting) = key.setting {
                result["attributeValue"] = settings.get(setting).into();
            }
            result
        })
        .collect();
    json!({ "getVariableResult": results }).to_string()
}

/// The answer to SetVariables.
pub(crate) fn variables_set(outcomes: &[(Key, Verdict)]) -> String {
    let results: Vec<Value> = outcomes
        .iter()
        .map(|(key, verdict)| {
            let status = match verdict {
                Verdict::Accepted => "Accepted",
                Verdict::Rejected => "Rejected",
                Verdict::UnknownComponent => "UnknownComponent",
                Verdict::Unknown => "UnknownVariable",
            };
            result_of(key, status)
        })
        .collect();
    json!({ "setVariableResult": results }).to_string()
}

fn result_of(key: &Key, status: &str) -> Value {
    json!({
        "attributeStatus": status,
        "component": { "name": key.component },
        "variable": { "name": key.variable },
    })
}
