//! What the hub asks of a station: commands in the station's version, checked against the table
//! before they go out, and a look at the answers.

mod advice;
mod charging;
mod v16;
mod v2;

pub use charging::{encode_charging, read_charging_answer};
use model::{Command, Protocol};
use serde_json::Value;

use crate::{
    repair::{self, Repair},
    table::{self, Kind, Sender, Version},
};

/// A CALL to a station.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The OCPP action.
    pub action: &'static str,
    /// The payload, which the table allows.
    pub payload: Value,
}

/// Why a command is not sent, or an answer is odd; the words say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandFault(pub String);

/// The command in the station's version.
///
/// Some stations overrun a buffer when a remote start's token has 20 characters (quirk 40): tokens
/// of an app or partner are best at most 16 long.
///
/// # Errors
/// The version cannot say it, or a value is not one the table allows.
pub fn encode(protocol: Protocol, command: &Command) -> Result<Outgoing, CommandFault> {
    let (action, payload) = match protocol {
        Protocol::Ocpp16 => v16::encode(command)?,
        Protocol::Ocpp201 | Protocol::Ocpp21 => v2::encode(protocol, command)?,
    };
    let action = check(protocol, action, &payload)?;
    Ok(Outgoing { action, payload })
}

/// Checks a payload for any action that a station of that version takes; gives the action's own
/// name.
///
/// # Errors The version has no such action, a station does not take it, or the payload is not one
/// the table allows: where, what is wrong, and what to do.
pub fn check(
    protocol: Protocol,
    action: &str,
    payload: &Value,
) -> Result<&'static str, CommandFault> {
    let version = Version::from(protocol);
    let name = match version.named(action) {
        Some((name, Sender::Csms | Sender::Both)) => name,
        Some((name, Sender::Station)) => {
            return Err(CommandFault(format!(
                "{name} is sent by stations, not to them; TriggerMessage asks a station to send it"
            )));
        }
        None => return Err(CommandFault(advice::unknown_action(protocol, action))),
    };
    match table::check(version, name, Kind::Request, payload) {
        Ok(()) => Ok(name),
        Err(violation) => Err(CommandFault(format!(
            "{name} ({}): {violation}",
            protocol.subprotocol()
        ))),
    }
}

/// Whether a station's answer is one the table allows. An answer that is not is kept all the same.
///
/// # Errors
/// What is odd about it.
pub fn check_answer(protocol: Protocol, action: &str, payload: &Value) -> Result<(), CommandFault> {
    table::check(protocol.into(), action, Kind::Response, payload)
        .map_err(|violation| CommandFault(format!("the answer to {action}: {violation}")))
}

/// Gives the values of a station's answer the types they should have (quirk 16: configuration
/// values as numbers, `readonly` as 0 or 1); what has no one meaning stays as it was sent.
pub fn coerce_answer(protocol: Protocol, action: &str, payload: &mut Value) -> Vec<Repair> {
    let mut repairs = Vec::new();
    repair::coerce(
        protocol.into(),
        action,
        Kind::Response,
        payload,
        &mut repairs,
    );
    repairs
}

#[cfg(test)]
mod tests {
    use model::{ResetKind, TokenKind, TokenRef, TokenUid, Variable};
    use serde_json::json;

    use super::*;

    fn sent(protocol: Protocol, command: &Command) -> (String, Value) {
        let outgoing =
            encode(protocol, command).unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
        (outgoing.action.to_owned(), outgoing.payload)
    }

    fn token() -> TokenRef {
        TokenRef {
            uid: TokenUid::new("app-17").unwrap(),
            kind: TokenKind::Unspecified,
        }
    }

    #[test]
    fn every_command_is_said_in_both_versions() {
        let variable = |component: Option<&str>, value: Option<&str>| Variable {
            component: component.map(Into::into),
            name: "HeartbeatInterval".into(),
            value: value.map(Into::into),
        };
        let component = json!({"name": "OCPPCommCtrlr"});
        let name = json!({"name": "HeartbeatInterval"});
        let cases = [
            (
                Command::RemoteStop {
                    transaction: "7".into(),
                },
                ("RemoteStopTransaction", json!({"transactionId": 7})),
                ("RequestStopTransaction", json!({"transactionId": "7"})),
            ),
            (
                Command::Reset {
                    kind: ResetKind::WhenIdle,
                },
                ("Reset", json!({"type": "Soft"})),
                ("Reset", json!({"type": "OnIdle"})),
            ),
            (
                Command::Reset {
                    kind: ResetKind::Immediate,
                },
                ("Reset", json!({"type": "Hard"})),
                ("Reset", json!({"type": "Immediate"})),
            ),
            (
                Command::Unlock {
                    evse: 2,
                    connector: None,
                },
                ("UnlockConnector", json!({"connectorId": 2})),
                ("UnlockConnector", json!({"evseId": 2, "connectorId": 1})),
            ),
            (
                Command::ChangeAvailability {
                    evse: Some(1),
                    operative: true,
                },
                (
                    "ChangeAvailability",
                    json!({"connectorId": 1, "type": "Operative"}),
                ),
                (
                    "ChangeAvailability",
                    json!({"evse": {"id": 1}, "operationalStatus": "Operative"}),
                ),
            ),
            (
                Command::ChangeAvailability {
                    evse: None,
                    operative: false,
                },
                (
                    "ChangeAvailability",
                    json!({"connectorId": 0, "type": "Inoperative"}),
                ),
                (
                    "ChangeAvailability",
                    json!({"operationalStatus": "Inoperative"}),
                ),
            ),
            (
                Command::Trigger {
                    message: "StatusNotification".into(),
                    evse: Some(1),
                },
                (
                    "TriggerMessage",
                    json!({"requestedMessage": "StatusNotification", "connectorId": 1}),
                ),
                (
                    "TriggerMessage",
                    json!({"requestedMessage": "StatusNotification", "evse": {"id": 1}}),
                ),
            ),
            (
                Command::GetVariables {
                    variables: vec![variable(Some("OCPPCommCtrlr"), None)],
                },
                ("GetConfiguration", json!({"key": ["HeartbeatInterval"]})),
                (
                    "GetVariables",
                    json!({"getVariableData": [{"component": component, "variable": name}]}),
                ),
            ),
            (
                Command::SetVariables {
                    variables: vec![variable(Some("OCPPCommCtrlr"), Some("60"))],
                },
                (
                    "ChangeConfiguration",
                    json!({"key": "HeartbeatInterval", "value": "60"}),
                ),
                (
                    "SetVariables",
                    json!({"setVariableData": [
                        {"component": component, "variable": name, "attributeValue": "60"}
                    ]}),
                ),
            ),
        ];
        for (command, (action_16, payload_16), (action_201, payload_201)) in cases {
            assert_eq!(
                sent(Protocol::Ocpp16, &command),
                (action_16.to_owned(), payload_16)
            );
            assert_eq!(
                sent(Protocol::Ocpp201, &command),
                (action_201.to_owned(), payload_201)
            );
        }
    }

    #[test]
    fn a_remote_start_names_the_token_and_in_2_0_1_has_an_id_of_its_own() {
        let command = Command::RemoteStart {
            evse: Some(1),
            token: token(),
        };
        let (action, payload) = sent(Protocol::Ocpp16, &command);
        assert_eq!(action, "RemoteStartTransaction");
        assert_eq!(payload, json!({"connectorId": 1, "idTag": "app-17"}));
        let (action, payload) = sent(Protocol::Ocpp201, &command);
        assert_eq!(action, "RequestStartTransaction");
        assert_eq!(
            payload["idToken"],
            json!({"idToken": "app-17", "type": "Central"})
        );
        assert_eq!(payload["evseId"], json!(1));
        let (_, again) = sent(Protocol::Ocpp201, &command);
        assert_ne!(payload["remoteStartId"], again["remoteStartId"]);
    }

    #[test]
    fn what_a_version_cannot_say_is_told_with_a_way_out() {
        let fault = |protocol, command: Command| encode(protocol, &command).unwrap_err().0;
        let not_a_number = Command::RemoteStop {
            transaction: "t-1".into(),
        };
        assert!(fault(Protocol::Ocpp16, not_a_number).contains("number"));
        let no_component = Variable {
            component: None,
            name: "X".into(),
            value: None,
        };
        let read = Command::GetVariables {
            variables: vec![no_component.clone()],
        };
        assert!(fault(Protocol::Ocpp201, read).contains("component"));
        let two = Command::SetVariables {
            variables: vec![no_component.clone(), no_component],
        };
        assert!(fault(Protocol::Ocpp16, two).contains("one"));
        let long = TokenRef {
            uid: TokenUid::new(&"x".repeat(21)).unwrap(),
            ..token()
        };
        let start = Command::RemoteStart {
            evse: None,
            token: long,
        };
        let words = fault(Protocol::Ocpp16, start);
        assert!(
            words.contains("idTag: must be at most 20 characters, is 21"),
            "{words}"
        );
    }

    #[test]
    fn a_1_6_trigger_of_a_security_message_goes_by_the_extended_action() {
        let command = Command::Trigger {
            message: "SignChargePointCertificate".into(),
            evse: None,
        };
        assert_eq!(sent(Protocol::Ocpp16, &command).0, "ExtendedTriggerMessage");
    }

    #[test]
    fn any_action_is_taken_as_checked_json() {
        let payload = json!({"requestId": 1, "reportBase": "FullInventory"});
        assert_eq!(
            check(Protocol::Ocpp201, "GetBaseReport", &payload).unwrap(),
            "GetBaseReport"
        );
        let fault = |protocol, action: &str, payload: Value| {
            check(protocol, action, &payload).unwrap_err().0
        };
        assert_eq!(
            fault(
                Protocol::Ocpp201,
                "GetBaseReport",
                json!({"requestId": 1, "reportBase": "All"})
            ),
            "GetBaseReport (ocpp2.0.1): reportBase: must be one of ConfigurationInventory, FullInventory, \
             SummaryInventory; is \"All\""
        );
        assert!(fault(Protocol::Ocpp16, "Heartbeat", json!({})).contains("TriggerMessage"));
    }

    #[test]
    fn quirk_16_an_answer_with_values_of_other_types_is_evened_out() {
        let mut answer = json!({"configurationKey": [{"key": "A", "readonly": 1, "value": 5}]});
        assert!(check_answer(Protocol::Ocpp16, "GetConfiguration", &answer).is_err());
        let repairs = coerce_answer(Protocol::Ocpp16, "GetConfiguration", &mut answer);
        assert_eq!(repairs, [repair::QUIRK_16_CONFIGURATION_VALUE]);
        assert_eq!(
            check_answer(Protocol::Ocpp16, "GetConfiguration", &answer),
            Ok(())
        );
    }
}
