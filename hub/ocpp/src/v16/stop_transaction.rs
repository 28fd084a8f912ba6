//! StopTransaction (OCPP 1.6 §4.10): a transaction ended. It is always read and answered.

use model::{RetryKey, StationEvent, TokenKind, TokenVerdict, TransactionEvent, TransactionPhase};
use serde::{Deserialize, Serialize};

use super::{
    id_tag_info::IdTagInfo,
    meter_value::{self, MeterValue},
};
use crate::{
    inbound::Handler,
    outbound::json,
    reading::{Reading, Unread},
    wire::{Text, TransactionNumber, said},
};

pub(super) const HANDLER: Handler = Handler {
    action: "StopTransaction",
    is_transaction: true,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    transaction_id: Option<TransactionNumber>,
    meter_stop: Option<f64>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    id_tag: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    transaction_data: Option<Vec<MeterValue<'a>>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let transaction_id = reading.expected(request.transaction_id)?;
    let meter_wh = reading.expected(request.meter_stop)?;
    let timestamp = reading.expected(request.timestamp)?;
    Ok(StationEvent::Transaction(Box::new(TransactionEvent {
        phase: TransactionPhase::Ended,
        transaction: reading.transaction_16(transaction_id),
        retry_key: RetryKey::of("stop", &[reading.sent]),
        seq: None,
        connector: None,
        token: said(request.id_tag).and_then(|uid| reading.token(&uid, TokenKind::Unspecified)),
        at: reading.time(timestamp.as_ref()),
        meter_wh,
        samples: meter_value::samples(request.transaction_data.unwrap_or_default(), reading),
        stop_reason: said(request.reason),
        trigger: None,
        charging_state: None,
        offline: false,
        remote_start_id: None,
        raw: reading.raw(),
    })))
}

/// The verdict is in it only where a token was named.
pub(super) fn reply(token: Option<&TokenVerdict>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id_tag_info: Option<IdTagInfo<'a>>,
    }
    json(&Response {
        id_tag_info: token.map(IdTagInfo::of),
    })
}

#[cfg(test)]
mod tests {
    use model::Authorization;

    use super::*;
    use crate::{repair, testing::decoded_16};

    const STOP: &str = r#"{"transactionId":7,"meterStop":9500,"timestamp":"2026-11-24T10:30:00Z","idTag":"04A1B2","reason":"EVDisconnected","transactionData":[{"timestamp":"2026-11-24T10:30:00Z","sampledValue":[{"value":"9.5","unit":"kWh","context":"Transaction.End"}]}]}"#;

    fn stop(payload: &str) -> TransactionEvent {
        match decoded_16("StopTransaction", payload).event {
            StationEvent::Transaction(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stop_says_which_when_why_and_the_meter() {
        let event = stop(STOP);
        assert_eq!(event.phase, TransactionPhase::Ended);
        assert_eq!(event.transaction.as_deref(), Some("7"));
        assert_eq!(event.meter_wh, Some(9500.0));
        assert_eq!(event.samples[0].energy_wh(), Some(9500.0));
        assert_eq!(event.stop_reason.as_deref(), Some("EVDisconnected"));
        assert_eq!(event.token.unwrap().uid.as_str(), "04A1B2");
        assert_eq!((event.connector, event.raw), (None, None));
    }

    #[test]
    fn quirk_17_quirk_18_and_quirk_19_any_transaction_number_is_told_as_sent() {
        for id in ["0", "-1", "9223372036854775807"] {
            let event = stop(&STOP.replace(":7,", &format!(":{id},")));
            assert_eq!(event.transaction.as_deref(), Some(id));
            assert_eq!(event.raw, None);
        }
        let payload = STOP.replace(":7,", ":99999999999999999999,");
        assert_eq!(stop(&payload).raw.as_deref(), Some(&*payload));
        let repairs = decoded_16("StopTransaction", &payload).repairs;
        assert_eq!(repairs, [repair::QUIRK_19_TRANSACTION_NUMBER]);
    }

    #[test]
    fn quirk_22_a_repeat_has_the_same_retry_key_and_another_stop_has_not() {
        assert_eq!(stop(STOP).retry_key, stop(STOP).retry_key);
        assert_ne!(
            stop(STOP).retry_key,
            stop(&STOP.replace("9500", "9501")).retry_key
        );
    }

    #[test]
    fn quirk_23_whatever_it_carries_it_is_read() {
        for payload in [
            "{}",
            "[]",
            "null",
            r#""cut""#,
            r#"{"transactionId":[],"meterStop":"?"}"#,
        ] {
            let event = stop(payload);
            assert_eq!(event.phase, TransactionPhase::Ended, "{payload}");
            assert_eq!(event.raw.as_deref(), Some(payload));
        }
    }

    #[test]
    fn the_answer_has_a_verdict_only_where_a_token_was_named() {
        let blocked = TokenVerdict {
            authorization: Authorization::Blocked,
            group: None,
            expires_at: None,
        };
        assert_eq!(reply(None), "{}");
        assert_eq!(
            reply(Some(&blocked)),
            r#"{"idTagInfo":{"status":"Blocked"}}"#
        );
    }
}
