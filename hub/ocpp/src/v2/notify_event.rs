//! NotifyEvent (OCPP 2.0.1 N07, N08): what monitored variables became. It is kept as it is; where it tells the
//! `AvailabilityState` of a connector, it says what StatusNotification says, and 2.1 stations send it instead (OCPP 2.1
//! B01, G01).

use model::{Connector, ConnectorRef, ConnectorState, Notice, StationEvent};
use serde::Deserialize;

use crate::{
    inbound::Handler,
    reading::{Reading, Unread},
    wire::Text,
};

pub(super) const HANDLER: Handler = Handler {
    action: "NotifyEvent",
    is_transaction: false,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    event_data: Option<Vec<EventData<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventData<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    actual_value: Option<Text<'a>>,
    component: Option<Component<'a>>,
    variable: Option<Variable<'a>>,
}

#[derive(Deserialize)]
struct Component<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    evse: Option<Evse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evse {
    id: Option<i64>,
    connector_id: Option<i64>,
}

#[derive(Deserialize)]
struct Variable<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let events = reading.required(request.event_data, "eventData")?;
    let states = events.into_iter().filter_map(|event| state(event, reading));
    let states = states.collect();
    Ok(StationEvent::Notice(Box::new(Notice {
        action: HANDLER.action.to_owned(),
        payload: payload.to_owned(),
        states,
    })))
}

/// The state of a connector, where the event tells one. Names of components and variables are case-insensitive
/// (ComponentType, VariableType).
fn state(event: EventData<'_>, reading: &mut Reading<'_>) -> Option<Connector> {
    let is = |name: Option<&Text<'_>>, wanted: &str| {
        name.is_some_and(|name| name.eq_ignore_ascii_case(wanted))
    };
    let component = event.component?;
    let variable = event.variable?;
    if !is(component.name.as_ref(), "Connector") || !is(variable.name.as_ref(), "AvailabilityState")
    {
        return None;
    }
    let evse = component.evse?;
    let value = event.actual_value.filter(|value| !value.is_empty())?;
    Some(Connector {
        connector: ConnectorRef {
            evse: reading.number(evse.id)?,
            connector: reading.number(evse.connector_id)?,
        },
        state: ConnectorState::from(value.0.into_owned()),
        error_code: None,
        info: None,
        at: reading
            .time(event.timestamp.as_ref())
            .unwrap_or(reading.received_at),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{RECEIVED_AT, decoded_21, decoded_201, fault_21};

    fn event(component: Value, variable: &str, value: &str) -> Value {
        json!({
            "eventId": 1, "timestamp": "2026-11-24T09:30:00Z", "trigger": "Delta", "actualValue": value,
            "component": component, "variable": {"name": variable},
            "eventNotificationType": "HardWiredNotification"
        })
    }

    fn notify(events: &[Value]) -> String {
        json!({"generatedAt": "2026-11-24T09:30:00Z", "seqNo": 0, "eventData": events}).to_string()
    }

    fn connector(evse: u32, connector: u32) -> Value {
        json!({"name": "Connector", "evse": {"id": evse, "connectorId": connector}})
    }

    fn states(payload: &str) -> Vec<(u32, u32, ConnectorState)> {
        let StationEvent::Notice(notice) = decoded_21("NotifyEvent", payload).event else {
            panic!()
        };
        assert_eq!(notice.payload, payload);
        let of = |it: &Connector| (it.connector.evse, it.connector.connector, it.state.clone());
        notice.states.iter().map(of).collect()
    }

    #[test]
    fn the_availability_of_connectors_is_their_state() {
        let payload = notify(&[
            event(connector(1, 1), "AvailabilityState", "Available"),
            event(connector(1, 2), "availabilitystate", "Occupied"),
            event(json!({"name": "EVSE", "evse": {"id": 1}}), "Power", "11"),
            event(connector(2, 1), "AvailabilityState", "Faulted"),
        ]);
        assert_eq!(
            states(&payload),
            [
                (1, 1, ConnectorState::Available),
                (1, 2, ConnectorState::Occupied),
                (2, 1, ConnectorState::Faulted)
            ]
        );
        let StationEvent::Notice(notice) = decoded_201("NotifyEvent", &payload).event else {
            panic!()
        };
        assert_eq!(notice.states[0].at.to_string(), "2026-11-24T09:30:00.000Z");
    }

    #[test]
    fn what_tells_no_connectors_state_is_kept_and_changes_none() {
        for event in [
            event(connector(1, 1), "Problem", "true"),
            event(connector(1, 1), "AvailabilityState", ""),
            event(
                json!({"name": "Connector"}),
                "AvailabilityState",
                "Available",
            ),
            event(
                json!({"name": "Connector", "evse": {"id": 1}}),
                "AvailabilityState",
                "Available",
            ),
            event(
                json!({"name": "EVSE", "evse": {"id": 1}}),
                "AvailabilityState",
                "Available",
            ),
            json!({}),
        ] {
            assert_eq!(states(&notify(&[event])), []);
        }
    }

    #[test]
    fn a_state_without_a_readable_time_is_of_now() {
        let payload = notify(&[event(connector(1, 1), "AvailabilityState", "Available")]);
        let payload = payload.replace(r#""timestamp":"2026-11-24T09:30:00Z""#, r#""timestamp":"""#);
        let StationEvent::Notice(notice) = decoded_21("NotifyEvent", &payload).event else {
            panic!()
        };
        assert_eq!(notice.states[0].at, RECEIVED_AT);
    }

    #[test]
    fn one_without_events_is_refused_by_name() {
        let fault = fault_21("NotifyEvent", "{}");
        assert!(fault.description.starts_with("eventData"), "{fault}");
    }
}
