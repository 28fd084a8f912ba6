//! Authorize (OCPP 1.6 §4.1): may this token charge?

use model::{Authorize, StationEvent, TokenKind, TokenVerdict};
use serde::{Deserialize, Serialize};

use super::id_tag_info::IdTagInfo;
use crate::{
    inbound::Handler,
    outbound::json,
    reading::{Reading, Unread},
    wire::Text,
};

pub(super) const HANDLER: Handler = Handler {
    action: "Authorize",
    is_transaction: false,
    read,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    id_tag: Option<Text<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let id_tag = reading.required(request.id_tag, "idTag")?;
    let token = reading.token(&id_tag, TokenKind::Unspecified);
    let token = reading.required(token, "idTag")?;
    Ok(StationEvent::Authorize(Box::new(Authorize { token })))
}

pub(super) fn reply(verdict: &TokenVerdict) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        id_tag_info: IdTagInfo<'a>,
    }
    json(&Response {
        id_tag_info: IdTagInfo::of(verdict),
    })
}

#[cfg(test)]
mod tests {
    use model::{Authorization, Timestamp, TokenUid};

    use super::*;
    use crate::{
        ErrorCode,
        testing::{decoded_16, fault_16},
    };

    fn uid(payload: &str) -> String {
        match decoded_16("Authorize", payload).event {
            StationEvent::Authorize(asked) => asked.token.uid.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_may_be_a_number_or_longer_than_it_should() {
        assert_eq!(uid(r#"{"idTag":"04A1B2"}"#), "04A1B2");
        assert_eq!(uid(r#"{"idTag":4711}"#), "4711");
        let long = "x".repeat(40);
        assert_eq!(uid(&format!(r#"{{"idTag":"{long}"}}"#)), long);
    }

    #[test]
    fn quirk_07_garbage_in_a_token_leaves_a_token_that_can_be_answered() {
        assert_eq!(uid(r#"{"idTag":"04\u0000A1\ud800"}"#), "04A1\u{fffd}");
    }

    #[test]
    fn without_a_token_there_is_nothing_to_answer() {
        let fault = fault_16("Authorize", "{}");
        assert_eq!(fault.code, ErrorCode::OccurrenceConstraintViolation);
        assert!(fault.description.starts_with("idTag"), "{fault}");
    }

    #[test]
    fn every_verdict_has_its_1_6_word() {
        let status = |authorization| {
            reply(&TokenVerdict {
                authorization,
                group: None,
                expires_at: None,
            })
        };
        for (authorization, word) in [
            (Authorization::Accepted, "Accepted"),
            (Authorization::Blocked, "Blocked"),
            (Authorization::Expired, "Expired"),
            (Authorization::Unknown, "Invalid"),
            (Authorization::ConcurrentTx, "ConcurrentTx"),
        ] {
            assert_eq!(
                status(authorization),
                format!(r#"{{"idTagInfo":{{"status":"{word}"}}}}"#)
            );
        }
        let verdict = TokenVerdict {
            authorization: Authorization::Accepted,
            group: TokenUid::new("fleet").ok(),
            expires_at: Some(Timestamp(1_790_000_000_000)),
        };
        assert_eq!(
            reply(&verdict),
            r#"{"idTagInfo":{"status":"Accepted","expiryDate":"2026-09-21T14:13:20.000Z","parentIdTag":"fleet"}}"#
        );
    }
}
