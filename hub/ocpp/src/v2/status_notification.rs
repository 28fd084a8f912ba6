//! StatusNotification (OCPP 2.0.1 G01): what a connector does.

use model::{Connector, ConnectorRef, ConnectorState, StationEvent};
use serde::Deserialize;

use crate::{
    inbound::Handler,
    reading::{Reading, Unread},
    wire::Text,
};

pub(super) const HANDLER: Handler = Handler {
    action: "StatusNotification",
    is_transaction: false,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    evse_id: Option<i64>,
    connector_id: Option<i64>,
    #[serde(borrow)]
    connector_status: Option<Text<'a>>,
    timestamp: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let evse = reading.number(request.evse_id);
    let evse = reading.required(evse, "evseId")?;
    let connector = reading.number(request.connector_id);
    let connector = reading.required(connector, "connectorId")?;
    let status = reading.required(request.connector_status, "connectorStatus")?;
    let at = reading.time(request.timestamp.as_ref());
    Ok(StationEvent::Status(Box::new(Connector {
        connector: ConnectorRef { evse, connector },
        state: ConnectorState::from(status.0.into_owned()),
        error_code: None,
        info: None,
        at: at.unwrap_or(reading.received_at),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        table::Version,
        testing::{RECEIVED_AT, decoded_201, fault_201},
    };

    #[test]
    fn a_status_is_that_of_a_connector_of_an_evse_since_a_time() {
        let decoded = decoded_201(
            "StatusNotification",
            r#"{"timestamp":"2026-11-24T09:30:00Z","connectorStatus":"Occupied","evseId":2,"connectorId":1}"#,
        );
        let StationEvent::Status(status) = decoded.event else {
            panic!()
        };
        assert_eq!(
            status.connector,
            ConnectorRef {
                evse: 2,
                connector: 1
            }
        );
        assert_eq!(status.state, ConnectorState::Occupied);
        assert_eq!(status.at.to_string(), "2026-11-24T09:30:00.000Z");
    }

    #[test]
    fn quirk_41_a_1_6_status_on_a_2_0_1_socket_is_read_as_such() {
        let decoded = decoded_201(
            "StatusNotification",
            r#"{"connectorId":1,"errorCode":"NoError","status":"Charging"}"#,
        );
        assert_eq!(decoded.shape, Version::V16);
        let StationEvent::Status(status) = decoded.event else {
            panic!()
        };
        assert_eq!(status.connector, ConnectorRef::of_16(1));
        assert_eq!(
            (status.state, status.at),
            (ConnectorState::Charging, RECEIVED_AT)
        );
    }

    #[test]
    fn a_status_of_nothing_is_refused_by_name() {
        let fault = fault_201("StatusNotification", r#"{"connectorStatus":"Occupied"}"#);
        assert!(fault.description.starts_with("evseId"), "{fault}");
    }
}
