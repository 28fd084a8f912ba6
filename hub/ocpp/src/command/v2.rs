//! Commands in the words of OCPP 2.0.1 and 2.1.

use std::hash::{BuildHasher, Hasher, RandomState};

use model::{Command, Protocol, ResetKind, TokenKind, Variable};
use serde_json::{Value, json};

use super::{CommandFault, charging};

pub(super) fn encode(
    protocol: Protocol,
    command: &Command,
) -> Result<(&'static str, Value), CommandFault> {
    Ok(match command {
        Command::RemoteStart { evse, token } => {
            let kind = match &token.kind {
                TokenKind::Unspecified => TokenKind::Central,
                told => told.clone(),
            };
            let mut payload = json!({
                "remoteStartId": fresh_remote_start_id(),
                "idToken": {"idToken": token.uid, "type": kind}
            });
            if let Some(evse) = evse {
                payload["evseId"] = (*evse).into();
            }
            ("RequestStartTransaction", payload)
        }
        Command::RemoteStop { transaction } => (
            "RequestStopTransaction",
            json!({"transactionId": transaction}),
        ),
        Command::Reset { kind } => {
            let kind = match kind {
                ResetKind::WhenIdle => "OnIdle",
                ResetKind::Immediate => "Immediate",
            };
            ("Reset", json!({"type": kind}))
        }
        Command::Unlock { evse, connector } => {
            let connector_id = connector.unwrap_or(1);
            (
                "UnlockConnector",
                json!({"evseId": evse, "connectorId": connector_id}),
            )
        }
        Command::ChangeAvailability { evse, operative } => {
            let status = if *operative {
                "Operative"
            } else {
                "Inoperative"
            };
            (
                "ChangeAvailability",
                with_evse(json!({"operationalStatus": status}), *evse),
            )
        }
        Command::Trigger { message, evse } => (
            "TriggerMessage",
            with_evse(json!({"requestedMessage": message}), *evse),
        ),
        Command::GetVariables { variables } => {
            let data: Vec<_> = variables.iter().map(variable).collect::<Result<_, _>>()?;
            ("GetVariables", json!({"getVariableData": data}))
        }
        Command::SetVariables { variables } => {
            let data: Vec<_> = variables
                .iter()
                .map(variable_and_value)
                .collect::<Result<_, _>>()?;
            ("SetVariables", json!({"setVariableData": data}))
        }
        Command::SetChargingProfile { evse, profile } => {
            charging::v2::set(protocol, *evse, profile)?
        }
        Command::ClearChargingProfile { id, evse, purpose } => {
            charging::v2::clear(*id, *evse, *purpose)
        }
        Command::GetCompositeSchedule {
            evse,
            duration_s,
            unit,
        } => charging::v2::composite(*evse, *duration_s, *unit),
    })
}

/// An absent EVSE, or EVSE 0, is the whole station.
fn with_evse(mut payload: Value, evse: Option<u32>) -> Value {
    if let Some(evse) = evse.filter(|evse| *evse != 0) {
        payload["evse"] = json!({"id": evse});
    }
    payload
}

fn variable(variable: &Variable) -> Result<Value, CommandFault> {
    let Some(component) = &variable.component else {
        return Err(CommandFault(format!(
            "{}: OCPP 2.0.1 needs the component that has the variable, as \"OCPPCommCtrlr\"",
            variable.name
        )));
    };
    Ok(json!({"component": {"name": component}, "variable": {"name": variable.name}}))
}

fn variable_and_value(set: &Variable) -> Result<Value, CommandFault> {
    let Some(value) = &set.value else {
        return Err(CommandFault(format!(
            "{}: a value to set is missing",
            set.name
        )));
    };
    let mut data = variable(set)?;
    data["attributeValue"] = value.as_str().into();
    Ok(data)
}

/// Tells this request's transaction from others' (OCPP 2.0.1 F01.FR.25); a random one needs no
/// memory. 31 bits, as stations read it into an i32.
fn fresh_remote_start_id() -> u32 {
    // Every RandomState has fresh keys, which is all the chance this needs.
    (RandomState::new().build_hasher().finish() >> 33) as u32
}
