//! StartTransaction (OCPP 1.6 §4.8): a transaction began, and wants a number. It is always read and
//! answered.

use model::{RetryKey, StationEvent, TokenKind, TokenVerdict, TransactionEvent, TransactionPhase};
use serde::{Deserialize, Serialize};

use super::id_tag_info::IdTagInfo;
use crate::{
    inbound::Handler,
    outbound::json,
    reading::{Reading, Unread},
    wire::Text,
};

pub(super) const HANDLER: Handler = Handler {
    action: "StartTransaction",
    is_transaction: true,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    connector_id: Option<i64>,
    #[serde(borrow)]
    id_tag: Option<Text<'a>>,
    meter_start: Option<f64>,
    timestamp: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let retry_key = retry_key(&request, reading.sent);
    let connector_id = reading.expected(request.connector_id)?;
    let id_tag = reading.expected(request.id_tag)?;
    let meter_wh = reading.expected(request.meter_start)?;
    let timestamp = reading.expected(request.timestamp)?;
    Ok(StationEvent::Transaction(Box::new(TransactionEvent {
        phase: TransactionPhase::Started,
        transaction: None,
        retry_key,
        seq: None,
        connector: reading.connector_16(connector_id),
        token: id_tag.and_then(|uid| reading.token(&uid, TokenKind::Unspecified)),
        at: reading.time(timestamp.as_ref()),
        meter_wh,
        samples: Vec::new(),
        stop_reason: None,
        trigger: None,
        charging_state: None,
        offline: false,
        remote_start_id: None,
        raw: reading.raw(),
    })))
}

/// Connector, token, time and meter make a start recognisable when it is sent again; a start that
/// lacks one of them is recognised by all it says.
fn retry_key(request: &Request<'_>, sent: &str) -> RetryKey {
    match request {
        Request {
            connector_id: Some(connector),
            id_tag: Some(id_tag),
            meter_start: Some(meter),
            timestamp: Some(timestamp),
        } => RetryKey::of(
            "start",
            &[
                &connector.to_string(),
                id_tag,
                timestamp,
                &meter.to_string(),
            ],
        ),
        _ => RetryKey::of("start", &[sent]),
    }
}

/// A number and a verdict are always in it; without a token the verdict is that it is not valid.
pub(super) fn reply(number: Option<i32>, token: Option<&TokenVerdict>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        transaction_id: i32,
        id_tag_info: IdTagInfo<'a>,
    }
    json(&Response {
        // −1 is what stations themselves write for a transaction without a number.
        transaction_id: number.unwrap_or(-1),
        id_tag_info: token.map_or_else(IdTagInfo::without_token, IdTagInfo::of),
    })
}

#[cfg(test)]
mod tests {
    use model::{Authorization, ConnectorRef};

    use super::*;
    use crate::{repair, testing::decoded_16};

    const START: &str = r#"{"connectorId":1,"idTag":"04A1B2","meterStart":1500,"timestamp":"2026-11-24T09:30:00Z"}"#;

    fn start(payload: &str) -> TransactionEvent {
        match decoded_16("StartTransaction", payload).event {
            StationEvent::Transaction(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_start_says_where_who_when_and_the_meter() {
        let event = start(START);
        assert_eq!(event.phase, TransactionPhase::Started);
        assert_eq!((event.transaction, event.raw), (None, None));
        assert_eq!(event.connector, Some(ConnectorRef::of_16(1)));
        assert_eq!(event.token.unwrap().uid.as_str(), "04A1B2");
        assert_eq!(event.at.unwrap().to_string(), "2026-11-24T09:30:00.000Z");
        assert_eq!(event.meter_wh, Some(1500.0));
    }

    #[test]
    fn quirk_08_quirk_09_and_quirk_11_odd_times_do_not_stop_a_start() {
        for (time, read, odd) in [
            (
                "2026-11-24T09:30:00",
                Some("2026-11-24T09:30:00.000Z"),
                repair::QUIRK_08_NO_ZONE,
            ),
            (
                "2026-11-24T09:30:00+02",
                Some("2026-11-24T07:30:00.000Z"),
                repair::QUIRK_09_SHORT_OFFSET,
            ),
            ("1970-01-01T00:00:09Z", None, repair::QUIRK_11_CLOCK_NOT_SET),
            ("", None, repair::QUIRK_12_EMPTY_TIME),
            ("yesterday", None, repair::TIME_UNREADABLE),
        ] {
            let payload = START.replace("2026-11-24T09:30:00Z", time);
            let event = start(&payload);
            assert_eq!(event.at.map(|at| at.to_string()).as_deref(), read, "{time}");
            assert_eq!(event.raw.as_deref(), Some(&*payload));
            assert_eq!(decoded_16("StartTransaction", &payload).repairs, [odd]);
        }
    }

    #[test]
    fn quirk_10_local_time_labelled_utc_is_kept_as_sent() {
        // Nothing in the message tells; the hub keeps the time of arrival beside it.
        let payload = START.replace("09:30", "11:30");
        assert_eq!(
            start(&payload).at.unwrap().to_string(),
            "2026-11-24T11:30:00.000Z"
        );
    }

    #[test]
    fn quirk_22_a_start_sent_twice_has_one_retry_key() {
        let reordered = r#"{"timestamp":"2026-11-24T09:30:00Z","meterStart":1500,"idTag":"04A1B2","connectorId":1,"x":0}"#;
        assert_eq!(start(START).retry_key, start(reordered).retry_key);
        for (part, other) in [
            ("1500", "1501"),
            ("04A1B2", "04A1B3"),
            (":30:00Z", ":31:00Z"),
        ] {
            assert_ne!(
                start(START).retry_key,
                start(&START.replace(part, other)).retry_key,
                "{part}"
            );
        }
    }

    #[test]
    fn quirk_23_whatever_it_carries_it_is_read() {
        for payload in [
            "{}",
            "[]",
            "null",
            r#""{\"connectorId\":1""#,
            r#"{"connectorId":{},"idTag":[]}"#,
        ] {
            let event = start(payload);
            assert_eq!(event.phase, TransactionPhase::Started, "{payload}");
            assert_eq!(event.raw.as_deref(), Some(payload));
        }
    }

    #[test]
    fn types_that_are_off_are_repaired() {
        let payload = r#"{"connectorId":"1","idTag":4711,"meterStart":"1500","timestamp":"2026-11-24T09:30:00Z"}"#;
        let event = start(payload);
        assert_eq!(event.connector, Some(ConnectorRef::of_16(1)));
        assert_eq!(event.token.unwrap().uid.as_str(), "4711");
        assert_eq!(event.meter_wh, Some(1500.0));
    }

    #[test]
    fn the_answer_always_has_a_number_and_a_verdict() {
        let accepted = TokenVerdict {
            authorization: Authorization::Accepted,
            group: None,
            expires_at: None,
        };
        assert_eq!(
            reply(Some(7), Some(&accepted)),
            r#"{"transactionId":7,"idTagInfo":{"status":"Accepted"}}"#
        );
        assert_eq!(
            reply(Some(7), None),
            r#"{"transactionId":7,"idTagInfo":{"status":"Invalid"}}"#
        );
    }
}
