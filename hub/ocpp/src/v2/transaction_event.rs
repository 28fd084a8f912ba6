//! TransactionEvent (OCPP 2.0.1 E01–E08): a transaction began, goes on, or ended. It is always read
//! and answered.

use model::{
    ConnectorRef, MeterSample, RetryKey, StationEvent, TokenVerdict, TransactionEvent,
    TransactionPhase,
};
use serde::{Deserialize, Serialize};

use super::{
    id_token::{IdToken, IdTokenInfo},
    meter_value::{self, MeterValue},
};
use crate::{
    inbound::Handler,
    outbound::json,
    reading::{Reading, Unread},
    repair,
    wire::{Text, said},
};

pub(super) const HANDLER: Handler = Handler {
    action: "TransactionEvent",
    is_transaction: true,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    event_type: Option<Text<'a>>,
    timestamp: Option<Text<'a>>,
    trigger_reason: Option<Text<'a>>,
    seq_no: Option<i64>,
    offline: Option<bool>,
    transaction_info: Option<TransactionInfo<'a>>,
    evse: Option<Evse>,
    id_token: Option<IdToken<'a>>,
    meter_value: Option<Vec<MeterValue<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct TransactionInfo<'a> {
    #[serde(borrow)]
    transaction_id: Option<Text<'a>>,
    charging_state: Option<Text<'a>>,
    stopped_reason: Option<Text<'a>>,
    remote_start_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evse {
    id: Option<i64>,
    connector_id: Option<i64>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let event_type = reading.expected(request.event_type)?;
    let seq = reading.expected(request.seq_no)?;
    let timestamp = reading.expected(request.timestamp)?;
    let info = reading
        .expected(request.transaction_info)?
        .unwrap_or_default();
    let transaction = reading.expected(said(info.transaction_id))?;
    let at = reading.time(timestamp.as_ref());
    let trigger = said(request.trigger_reason);
    if trigger.is_none() {
        reading.note(repair::QUIRK_43_NO_TRIGGER);
    }
    let token = request.id_token.and_then(|token| token.token(reading));
    let samples = meter_value::samples(request.meter_value.unwrap_or_default(), at, reading);
    let said_at = timestamp.as_deref().unwrap_or_default();
    let retry_key = match (transaction.as_deref(), seq, event_type.as_deref()) {
        (Some(transaction), Some(seq), Some(event_type)) => {
            let readings = samples.iter().filter_map(MeterSample::energy_wh);
            let readings: Vec<String> = readings.map(|wh| wh.to_string()).collect();
            let uid = token.as_ref().map_or("", |token| token.uid.as_str());
            let step = [transaction, &seq.to_string(), event_type];
            RetryKey::of(
                "event",
                &[&step[..], &[said_at, uid, &readings.join(" ")]].concat(),
            )
        }
        // An event that does not say which step it is, is recognised by all it says.
        _ => RetryKey::of("event", &[reading.sent]),
    };
    Ok(StationEvent::Transaction(Box::new(TransactionEvent {
        phase: phase(event_type.as_deref(), reading),
        retry_key,
        transaction,
        seq,
        connector: request.evse.and_then(|evse| outlet(&evse, reading)),
        token,
        at,
        meter_wh: None,
        samples,
        stop_reason: said(info.stopped_reason),
        trigger,
        charging_state: said(info.charging_state),
        offline: request.offline.unwrap_or(false),
        remote_start_id: info.remote_start_id,
        raw: reading.raw(),
    })))
}

/// A step of an unknown name neither begins a transaction nor ends one.
fn phase(event_type: Option<&str>, reading: &mut Reading<'_>) -> TransactionPhase {
    match event_type {
        Some("Started") => TransactionPhase::Started,
        Some("Updated") => TransactionPhase::Updated,
        Some("Ended") => TransactionPhase::Ended,
        _ => {
            reading.note(repair::FIELD_UNREADABLE);
            TransactionPhase::Updated
        }
    }
}

/// Quirk 42: some name the EVSE and not its connector.
fn outlet(evse: &Evse, reading: &mut Reading<'_>) -> Option<ConnectorRef> {
    Some(ConnectorRef {
        evse: reading.number(evse.id)?,
        connector: reading.number(evse.connector_id).unwrap_or(0),
    })
}

/// The verdict is in it only where a token was named (OCPP 2.0.1 E01.FR.12).
pub(super) fn reply(token: Option<&TokenVerdict>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id_token_info: Option<IdTokenInfo<'a>>,
    }
    json(&Response {
        id_token_info: token.map(IdTokenInfo::of),
    })
}

#[cfg(test)]
mod tests {
    use model::{StationReply, TokenKind};

    use super::*;
    use crate::{
        outbound,
        table::Version,
        testing::{RECEIVED_AT, decoded_201},
    };

    const STARTED: &str = r#"{"eventType":"Started","timestamp":"2026-11-24T09:30:00Z","triggerReason":"Authorized","seqNo":0,"transactionInfo":{"transactionId":"t-1","chargingState":"EVConnected","remoteStartId":12},"evse":{"id":1,"connectorId":2},"idToken":{"idToken":"04A1B2","type":"ISO14443"},"meterValue":[{"timestamp":"2026-11-24T09:30:00Z","sampledValue":[{"value":1500,"context":"Transaction.Begin"}]}]}"#;

    fn event(payload: &str) -> TransactionEvent {
        match decoded_201("TransactionEvent", payload).event {
            StationEvent::Transaction(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_says_which_step_of_which_transaction_and_all_about_it() {
        let event = event(STARTED);
        assert_eq!(event.phase, TransactionPhase::Started);
        assert_eq!(
            (event.transaction.as_deref(), event.seq),
            (Some("t-1"), Some(0))
        );
        assert_eq!(
            event.connector,
            Some(ConnectorRef {
                evse: 1,
                connector: 2
            })
        );
        let token = event.token.unwrap();
        assert_eq!(
            (token.uid.as_str(), token.kind),
            ("04A1B2", TokenKind::Other("ISO14443".into()))
        );
        assert_eq!(event.trigger.as_deref(), Some("Authorized"));
        assert_eq!(event.charging_state.as_deref(), Some("EVConnected"));
        assert_eq!(
            (event.remote_start_id, event.offline, event.raw),
            (Some(12), false, None)
        );
        assert_eq!(event.samples[0].energy_wh(), Some(1500.0));
    }

    #[test]
    fn quirk_22_a_repeat_has_the_same_retry_key_though_it_says_offline() {
        let offline = STARTED.replacen('{', r#"{"offline":true,"#, 1);
        assert_eq!(event(STARTED).retry_key, event(&offline).retry_key);
        for (told, other) in [
            (r#""seqNo":0"#, r#""seqNo":1"#),
            ("04A1B2", "04A1B3"),
            ("09:30:00Z\",\"trigger", "09:30:01Z\",\"trigger"),
            ("1500", "1501"),
        ] {
            let next = STARTED.replace(told, other);
            assert_ne!(event(STARTED).retry_key, event(&next).retry_key, "{other}");
        }
        let without = STARTED.replace(r#""seqNo":0,"#, "");
        assert_ne!(
            event(&without).retry_key,
            event(&without.replace("t-1", "t-2")).retry_key
        );
    }

    #[test]
    fn quirk_42_an_event_may_name_its_evse_only() {
        let event = event(&STARTED.replace(r#","connectorId":2"#, ""));
        assert_eq!(
            event.connector,
            Some(ConnectorRef {
                evse: 1,
                connector: 0
            })
        );
        assert_eq!(event.raw, None);
    }

    #[test]
    fn quirk_43_an_event_without_a_trigger_is_read_and_told() {
        let payload = STARTED.replace(r#""triggerReason":"Authorized","#, "");
        assert_eq!(event(&payload).trigger, None);
        assert_eq!(
            decoded_201("TransactionEvent", &payload).repairs,
            [repair::QUIRK_43_NO_TRIGGER]
        );
    }

    #[test]
    fn quirk_41_a_1_6_start_on_a_2_0_1_socket_is_read_and_answered_as_such() {
        let decoded = decoded_201(
            "StartTransaction",
            r#"{"connectorId":1,"idTag":"04A1B2","meterStart":0,"timestamp":"2026-11-24T09:30:00Z"}"#,
        );
        assert_eq!(decoded.shape, Version::V16);
        assert_eq!(decoded.repairs, [repair::QUIRK_41_OTHER_VERSION]);
        let answer = StationReply::Transaction {
            number: Some(5),
            token: None,
        };
        assert_eq!(
            outbound::reply(decoded.shape, "StartTransaction", &answer),
            r#"{"transactionId":5,"idTagInfo":{"status":"Invalid"}}"#
        );
    }

    #[test]
    fn a_number_that_no_counter_reaches_is_left_out_and_the_rest_is_read() {
        for seq in ["9223372036854775808", "1e30"] {
            let event = event(&STARTED.replace(r#""seqNo":0"#, &format!(r#""seqNo":{seq}"#)));
            assert_eq!(
                (event.transaction.as_deref(), event.seq),
                (Some("t-1"), None)
            );
        }
    }

    #[test]
    fn readings_without_a_time_are_of_the_events_time() {
        let at =
            event(&STARTED.replace(r#"[{"timestamp":"2026-11-24T09:30:00Z","#, "[{")).samples[0].at;
        assert_eq!(at.to_string(), "2026-11-24T09:30:00.000Z");
    }

    #[test]
    fn quirk_23_whatever_it_carries_it_is_read() {
        for payload in [
            "{}",
            "[]",
            "null",
            r#""cut""#,
            r#"{"eventType":7,"seqNo":{},"evse":[],"meterValue":{}}"#,
        ] {
            let event = event(payload);
            assert_eq!(event.phase, TransactionPhase::Updated, "{payload}");
            assert_eq!(event.raw.as_deref(), Some(payload));
            assert!(event.samples.iter().all(|sample| sample.at == RECEIVED_AT));
        }
    }
}
