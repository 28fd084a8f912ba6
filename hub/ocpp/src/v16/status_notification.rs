//! StatusNotification (OCPP 1.6 §4.9): what an outlet does.

use model::{Connector, ConnectorState, StationEvent};
use serde::Deserialize;

use crate::{
    inbound::Handler,
    reading::{Reading, Unread},
    wire::{Text, said},
};

pub(super) const HANDLER: Handler = Handler {
    action: "StatusNotification",
    is_transaction: false,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    connector_id: Option<i64>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    error_code: Option<Text<'a>>,
    info: Option<Text<'a>>,
    vendor_error_code: Option<Text<'a>>,
    timestamp: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let connector = reading.connector_16(request.connector_id);
    let connector = reading.required(connector, "connectorId")?;
    let status = reading.required(request.status, "status")?;
    let at = reading.time(request.timestamp.as_ref());
    Ok(StationEvent::Status(Box::new(Connector {
        connector,
        state: ConnectorState::from(status.0.into_owned()),
        error_code: said(request.error_code).filter(|code| code != "NoError"),
        info: match (said(request.info), said(request.vendor_error_code)) {
            (Some(info), Some(code)) => Some(format!("{info} ({code})")),
            (info, code) => info.or(code),
        },
        at: at.unwrap_or(reading.received_at),
    })))
}

#[cfg(test)]
mod tests {
    use model::ConnectorRef;

    use super::*;
    use crate::{
        ErrorCode,
        testing::{RECEIVED_AT, decoded_16, fault_16},
    };

    fn status(payload: &str) -> Connector {
        match decoded_16("StatusNotification", payload).event {
            StationEvent::Status(connector) => *connector,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_status_is_that_of_an_outlet_since_a_time() {
        let read = status(
            r#"{"connectorId":2,"errorCode":"NoError","status":"SuspendedEV","timestamp":"2026-11-24T09:30:00Z"}"#,
        );
        assert_eq!(
            read.connector,
            ConnectorRef {
                evse: 2,
                connector: 1
            }
        );
        assert_eq!(read.state, ConnectorState::SuspendedEv);
        assert_eq!((read.error_code, read.info), (None, None));
        assert_eq!(read.at.to_string(), "2026-11-24T09:30:00.000Z");
    }

    #[test]
    fn quirk_13_an_error_code_that_ocpp_does_not_name_is_kept() {
        let read = status(r#"{"connectorId":1,"errorCode":"Error","status":"Warming"}"#);
        assert_eq!(read.error_code.as_deref(), Some("Error"));
        assert_eq!(read.state.as_str(), "Warming");
        assert_eq!(read.at, RECEIVED_AT);
    }

    #[test]
    fn quirk_45_info_that_says_null_says_nothing() {
        let read = status(
            r#"{"connectorId":1,"errorCode":"OtherError","status":"Faulted","info":"null","vendorErrorCode":"E7"}"#,
        );
        assert_eq!(read.info.as_deref(), Some("E7"));
    }

    #[test]
    fn quirk_12_an_empty_time_is_the_time_of_arrival() {
        let read = status(
            r#"{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":""}"#,
        );
        assert_eq!(read.at, RECEIVED_AT);
    }

    #[test]
    fn a_status_of_no_outlet_is_refused_by_name() {
        let fault = fault_16(
            "StatusNotification",
            r#"{"status":"Available","errorCode":"NoError"}"#,
        );
        assert_eq!(fault.code, ErrorCode::OccurrenceConstraintViolation);
        assert!(fault.description.starts_with("connectorId"), "{fault}");
    }
}
