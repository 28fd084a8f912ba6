//! Commands in the words of OCPP 1.6. Connectors are numbered only; the configuration is keys, not
//! variables of components.

use model::{Command, ResetKind};
use serde_json::{Value, json};

use super::{CommandFault, charging};
use crate::table::{self, Kind, Version};

pub(super) fn encode(command: &Command) -> Result<(&'static str, Value), CommandFault> {
    Ok(match command {
        Command::RemoteStart { evse, token } => (
            "RemoteStartTransaction",
            with_connector(json!({"idTag": token.uid}), *evse),
        ),
        Command::RemoteStop { transaction } => {
            let Ok(number) = transaction.parse::<i64>() else {
                return Err(CommandFault(format!(
                    "an OCPP 1.6 station knows its transactions by number; {transaction:?} is none"
                )));
            };
            ("RemoteStopTransaction", json!({"transactionId": number}))
        }
        Command::Reset { kind } => {
            let kind = match kind {
                ResetKind::WhenIdle => "Soft",
                ResetKind::Immediate => "Hard",
            };
            ("Reset", json!({"type": kind}))
        }
        // 1.6 has no connectors below the connector.
        Command::Unlock { evse, connector: _ } => ("UnlockConnector", json!({"connectorId": evse})),
        Command::ChangeAvailability { evse, operative } => {
            let kind = if *operative {
                "Operative"
            } else {
                "Inoperative"
            };
            (
                "ChangeAvailability",
                json!({"connectorId": evse.unwrap_or(0), "type": kind}),
            )
        }
        Command::Trigger { message, evse } => trigger(message, *evse),
        Command::GetVariables { variables } => {
            let keys: Vec<_> = variables.iter().map(|variable| &variable.name).collect();
            let payload = if keys.is_empty() {
                json!({})
            } else {
                json!({"key": keys})
            };
            ("GetConfiguration", payload)
        }
        Command::SetVariables { variables } => {
            let [variable] = variables.as_slice() else {
                return Err(CommandFault(format!(
                    "OCPP 1.6 writes one key at a time, this is {}: send a command for each",
                    variables.len()
                )));
            };
            let Some(value) = &variable.value else {
                return Err(CommandFault(format!(
                    "{}: a value to set is missing",
                    variable.name
                )));
            };
            (
                "ChangeConfiguration",
                json!({"key": variable.name, "value": value}),
            )
        }
        Command::SetChargingProfile { evse, profile } => charging::v16::set(*evse, profile)?,
        Command::ClearChargingProfile { id, evse, purpose } => {
            charging::v16::clear(*id, *evse, *purpose)
        }
        Command::GetCompositeSchedule {
            evse,
            duration_s,
            unit,
        } => charging::v16::composite(*evse, *duration_s, *unit),
    })
}

/// The security messages can be asked for by the extended action only (security whitepaper §4.10).
fn trigger(message: &str, evse: Option<u32>) -> (&'static str, Value) {
    let payload = with_connector(json!({"requestedMessage": message}), evse);
    let plain = table::check(Version::V16, "TriggerMessage", Kind::Request, &payload).is_ok();
    let extended = "ExtendedTriggerMessage";
    if !plain && table::check(Version::V16, extended, Kind::Request, &payload).is_ok() {
        return (extended, payload);
    }
    ("TriggerMessage", payload)
}

fn with_connector(mut payload: Value, evse: Option<u32>) -> Value {
    if let Some(connector_id) = evse {
        payload["connectorId"] = connector_id.into();
    }
    payload
}
