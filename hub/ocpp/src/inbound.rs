//! From a station's CALL to what it says, free of versions.
//!
//! The happy path is one plain parse. Only when that fails, or a field is missing, a second look is
//! taken: is it a 1.6 message on a socket of 2.x (quirk 41)? Can its values be given the right types
//! (`crate::repair`)? A transaction message comes out of it readable in any case; others are
//! answered with a [`CallFault`] that says what is wrong.

use model::{Notice, Protocol, StationEvent, Timestamp};
use serde_json::{Map, Value, value::RawValue};

use crate::{
    ErrorCode, carried,
    reading::{Reading, Unread},
    repair::{self, Repair},
    table::{self, Kind, Sender, Version},
    v2, v16,
};

/// What a CALL says.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// Free of versions.
    pub event: StationEvent,
    /// What had to be repaired; empty for nearly all messages. Each is also a metric label.
    pub repairs: Vec<Repair>,
    /// The version it is shaped by, and in which it is to be answered; [`crate::outbound::reply`] asks for it. On a
    /// socket of 2.x it may be 1.6 (quirk 41).
    pub shape: Version,
}

/// Why a CALL is answered with a CALLERROR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct CallFault {
    /// The code.
    pub code: ErrorCode,
    /// What is wrong, where, and what may stand there.
    pub description: String,
}

/// How one action is read.
pub(crate) struct Handler {
    pub(crate) action: &'static str,
    /// A message that may not be lost: it is never answered with a fault, and all its fields may be
    /// missing.
    pub(crate) is_transaction: bool,
    pub(crate) read: fn(&str, &mut Reading<'_>) -> Result<StationEvent, Unread>,
}

/// What becomes of an action that a station sends.
pub(crate) enum Route {
    Handled(Version, &'static Handler),
    /// Kept and answered as it is.
    Carried(Version, &'static str),
}

/// # Errors
/// The action is not one a station may send.
pub(crate) fn route(protocol: Protocol, action: &str) -> Result<Route, CallFault> {
    let own = Version::from(protocol);
    if let Some(handler) = handler(own, action) {
        return Ok(Route::Handled(own, handler));
    }
    if let Some(why) = carried::refused(own, action) {
        return Err(CallFault {
            code: ErrorCode::NotSupported,
            description: why.to_owned(),
        });
    }
    match own.named(action) {
        Some((name, Sender::Station | Sender::Both)) => return Ok(Route::Carried(own, name)),
        Some((name, Sender::Csms)) => {
            return Err(CallFault {
                code: ErrorCode::NotSupported,
                description: format!("{name} is sent by the central system, not to it"),
            });
        }
        None => {}
    }
    // Quirk 41: actions that only 1.6 has, on a socket of 2.x.
    if let Some(handler) = handler(Version::V16, action) {
        return Ok(Route::Handled(Version::V16, handler));
    }
    if let Some((name, Sender::Station)) = Version::V16.named(action) {
        return Ok(Route::Carried(Version::V16, name));
    }
    Err(CallFault {
        code: ErrorCode::NotImplemented,
        description: format!("{} has no action {action:?}", protocol.subprotocol()),
    })
}

pub(crate) fn handler(shape: Version, action: &str) -> Option<&'static Handler> {
    let handled: &[Handler] = match shape {
        Version::V16 => &v16::HANDLED,
        Version::V201 | Version::V21 => &v2::HANDLED,
    };
    handled.iter().find(|handler| handler.action == action)
}

/// Reads a CALL.
///
/// # Errors What to answer instead: the action is not one a station may send, or its payload cannot
/// be read. Never for a transaction message: 1.6 StartTransaction, StopTransaction and MeterValues,
/// 2.x TransactionEvent and MeterValues.
pub fn decode(
    protocol: Protocol,
    action: &str,
    payload: &RawValue,
    received_at: Timestamp,
) -> Result<Decoded, CallFault> {
    let payload = payload.get();
    match route(protocol, action)? {
        Route::Carried(shape, name) => carry(shape, name, payload),
        Route::Handled(shape, handler) => {
            let mut reading = Reading::first(payload, received_at);
            match (handler.read)(payload, &mut reading) {
                Ok(event) => {
                    let mut repairs = reading.repairs;
                    if shape == Version::V16 && protocol.is_2x() {
                        repair::note(&mut repairs, repair::QUIRK_41_OTHER_VERSION);
                    }
                    Ok(Decoded {
                        event,
                        repairs,
                        shape,
                    })
                }
                Err(Unread::Fault(fault)) => Err(fault),
                Err(Unread::LookCloser) => {
                    look_closer(protocol, shape, handler, payload, received_at)
                }
            }
        }
    }
}

fn look_closer(
    protocol: Protocol,
    shape: Version,
    handler: &'static Handler,
    payload: &str,
    received_at: Timestamp,
) -> Result<Decoded, CallFault> {
    let mut repairs = Vec::new();
    let value = repair::value_of(payload, &mut repairs);
    let (shape, handler) = match (&value, self::handler(Version::V16, handler.action)) {
        (Some(Value::Object(members)), Some(older)) if shape != Version::V16 && is_16(members) => {
            (Version::V16, older)
        }
        _ => (shape, handler),
    };
    if shape == Version::V16 && protocol.is_2x() {
        repair::note(&mut repairs, repair::QUIRK_41_OTHER_VERSION);
    }
    let mut repaired = value.clone().unwrap_or_default();
    repair::coerce_or_drop(shape, handler.action, &mut repaired, &mut repairs);
    let mut reading = Reading::after(payload, received_at, repairs);
    let read = (handler.read)(&repaired.to_string(), &mut reading);
    let read = match read {
        Err(Unread::LookCloser) if handler.is_transaction => {
            reading.note(repair::PAYLOAD_UNREADABLE);
            (handler.read)("{}", &mut reading)
        }
        other => other,
    };
    match read {
        Ok(event) => Ok(Decoded {
            event,
            repairs: reading.repairs,
            shape,
        }),
        Err(Unread::Fault(fault)) => Err(fault),
        Err(Unread::LookCloser) => Err(verdict(shape, handler.action, value.as_ref())),
    }
}

/// Why a payload that nothing helped is refused.
fn verdict(shape: Version, action: &str, payload: Option<&Value>) -> CallFault {
    let Some(payload) = payload else {
        return CallFault {
            code: ErrorCode::FormatViolation,
            description: "the payload is not JSON".to_owned(),
        };
    };
    match table::check_readable(shape, action, Kind::Request, payload) {
        Err(violation) => CallFault {
            code: violation.code,
            description: violation.to_string(),
        },
        Ok(()) => CallFault {
            code: ErrorCode::FormatViolation,
            description: format!("the payload cannot be read as {action}"),
        },
    }
}

/// Whether a payload that does not read as 2.x is a 1.6 one: it has a field that only 1.6 has in
/// messages of that name, and none that only 2.x has.
fn is_16(members: &Map<String, Value>) -> bool {
    const ONLY_IN_16: [&str; 6] = [
        "idTag",
        "chargePointModel",
        "chargePointVendor",
        "errorCode",
        "status",
        "transactionId",
    ];
    const ONLY_IN_2: [&str; 4] = ["idToken", "chargingStation", "connectorStatus", "evseId"];
    let has_any = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
    let measures_connector =
        members.contains_key("connectorId") && members.contains_key("meterValue");
    (has_any(&ONLY_IN_16) || measures_connector) && !has_any(&ONLY_IN_2)
}

fn carry(shape: Version, action: &'static str, payload: &str) -> Result<Decoded, CallFault> {
    let mut repairs = Vec::new();
    let Some(mut value) = repair::value_of(payload, &mut repairs) else {
        return Err(verdict(shape, action, None));
    };
    let mut checked = table::check_readable(shape, action, Kind::Request, &value);
    if checked.is_err() {
        repair::coerce(shape, action, Kind::Request, &mut value, &mut repairs);
        checked = table::check_readable(shape, action, Kind::Request, &value);
    }
    if checked.is_err() {
        return Err(verdict(shape, action, Some(&value)));
    }
    let payload = if repairs.is_empty() {
        payload.to_owned()
    } else {
        value.to_string()
    };
    let event = StationEvent::Notice(Box::new(Notice {
        action: action.to_owned(),
        payload,
        states: Vec::new(),
    }));
    Ok(Decoded {
        event,
        repairs,
        shape,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{decoded_16, decoded_21, decoded_201, fault_16, fault_21, fault_201};

    #[test]
    fn quirk_44_optional_messages_are_kept_and_answered() {
        for (action, payload) in [
            ("FirmwareStatusNotification", r#"{"status":"Installed"}"#),
            (
                "FirmwareStatusNotification",
                r#"{"status":"SomethingNew","more":1}"#,
            ),
            ("DiagnosticsStatusNotification", r#"{"status":"Idle"}"#),
            (
                "LogStatusNotification",
                r#"{"status":"Uploaded","requestId":1}"#,
            ),
            (
                "SecurityEventNotification",
                r#"{"type":"StartupOfTheDevice","timestamp":"2026-11-24T09:30:00Z"}"#,
            ),
        ] {
            for decoded in [decoded_16(action, payload), decoded_201(action, payload)] {
                let kept = Notice {
                    action: action.to_owned(),
                    payload: payload.to_owned(),
                    states: Vec::new(),
                };
                assert_eq!(decoded.event, StationEvent::Notice(Box::new(kept)));
            }
        }
    }

    #[test]
    fn a_carried_message_is_repaired_where_it_must_be_and_else_refused_by_path() {
        let decoded = decoded_16(
            "LogStatusNotification",
            r#"{"status":"Uploaded","requestId":"7"}"#,
        );
        let StationEvent::Notice(notice) = decoded.event else {
            panic!()
        };
        assert_eq!(notice.payload, r#"{"requestId":7,"status":"Uploaded"}"#);
        assert_eq!(decoded.repairs, [repair::NUMBER_IN_QUOTES]);
        let fault = fault_16(
            "LogStatusNotification",
            r#"{"status":"Uploaded","requestId":"x"}"#,
        );
        assert_eq!(fault.code, ErrorCode::TypeConstraintViolation);
        assert_eq!(fault.description, "requestId: must be an integer");
    }

    #[test]
    fn an_action_in_the_wrong_direction_is_told_from_one_that_is_not_known() {
        assert_eq!(fault_16("Reset", "{}").code, ErrorCode::NotSupported);
        assert_eq!(
            fault_201("SetVariables", "{}").code,
            ErrorCode::NotSupported
        );
        for action in ["TransactionEvent", "Frobnicate", "heartbeat", ""] {
            assert_eq!(
                fault_16(action, "{}").code,
                ErrorCode::NotImplemented,
                "{action}"
            );
        }
        assert_eq!(fault_21("AFRRSignal", "{}").code, ErrorCode::NotSupported);
        for action in ["NotifyDERAlarm", "RemoteStartTransaction", "Frobnicate"] {
            assert_eq!(
                fault_201(action, "{}").code,
                ErrorCode::NotImplemented,
                "{action}"
            );
        }
    }

    #[test]
    fn quirk_41_a_2_0_1_message_with_an_odd_field_is_not_taken_for_1_6() {
        let decoded = decoded_201(
            "MeterValues",
            r#"{"evseId":"1","transactionId":"t","connectorId":1,"meterValue":[]}"#,
        );
        assert_eq!(decoded.shape, Version::V201);
        for decoded in [decoded_201, decoded_21] {
            let older = decoded("DiagnosticsStatusNotification", r#"{"status":"Idle"}"#);
            assert_eq!(older.shape, Version::V16);
        }
    }
}
