//! OCPP 1.6: the commands a charger reads, and the answers that are more than a status.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::charging::{ChargingProfile, Clear, CompositeRequest, SetProfile};
use crate::faults::RateUnit;
use crate::message::{Command, Denial, Key, Trigger};
use crate::settings::{Setting, Settings, Verdict};

/// Actions of 1.6 and its security extension that a central system sends and this charger does not know.
const UNSUPPORTED: [&str; 15] = [
    "CancelReservation",
    "CertificateSigned",
    "ClearCache",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
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
            profile: match &fields["chargingProfile"] {
                Value::Null => None,
                given => Some(Box::new(
                    ChargingProfile::v16(given).map_err(Denial::Malformed)?,
                )),
            },
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
            let set = SetProfile::v16(&fields).map_err(Denial::Malformed)?;
            Ok(Command::SetProfile(Box::new(set)))
        }
        "ClearChargingProfile" => Clear::v16(&fields)
            .map(Command::ClearProfiles)
            .map_err(Denial::Malformed),
        "GetCompositeSchedule" => CompositeRequest::read(&fields, "connectorId", usual)
            .map(Command::Composite)
            .map_err(Denial::Malformed),
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
