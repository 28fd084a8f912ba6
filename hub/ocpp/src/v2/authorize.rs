//! Authorize (OCPP 2.0.1 C01): may this token charge?

use model::{Authorize, StationEvent, TokenVerdict};
use serde::{Deserialize, Serialize};

use super::id_token::{IdToken, IdTokenInfo};
use crate::{
    inbound::Handler,
    outbound::json,
    reading::{Reading, Unread},
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
    id_token: Option<IdToken<'a>>,
}

fn read(payload: &str, reading: &mut Reading<'_>) -> Result<StationEvent, Unread> {
    let request: Request<'_> = reading.parse(payload)?;
    let id_token = reading.required(request.id_token, "idToken")?;
    let token = id_token.token(reading);
    let token = reading.required(token, "idToken.idToken")?;
    Ok(StationEvent::Authorize(Box::new(Authorize { token })))
}

pub(super) fn reply(verdict: &TokenVerdict) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        id_token_info: IdTokenInfo<'a>,
    }
    json(&Response {
        id_token_info: IdTokenInfo::of(verdict),
    })
}

#[cfg(test)]
mod tests {
    use model::{Authorization, Timestamp, TokenKind, TokenRef, TokenUid};

    use super::*;
    use crate::{
        ErrorCode,
        table::Version,
        testing::{decoded_201, fault_201},
    };

    fn token(payload: &str) -> TokenRef {
        match decoded_201("Authorize", payload).event {
            StationEvent::Authorize(asked) => asked.token,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_has_a_uid_and_a_kind() {
        let read = token(r#"{"idToken":{"idToken":"04A1B2","type":"ISO14443"}}"#);
        assert_eq!(read.uid.as_str(), "04A1B2");
        assert_eq!(read.kind, TokenKind::Other("ISO14443".into()));
    }

    #[test]
    fn no_authorization_has_an_empty_uid_and_is_a_token_all_the_same() {
        let read = token(r#"{"idToken":{"idToken":"","type":"NoAuthorization"}}"#);
        assert_eq!(read.kind, TokenKind::NoAuthorization);
    }

    #[test]
    fn quirk_41_a_1_6_authorize_is_answered_as_1_6() {
        let decoded = decoded_201("Authorize", r#"{"idTag":"04A1B2"}"#);
        assert_eq!(decoded.shape, Version::V16);
    }

    #[test]
    fn without_a_token_there_is_nothing_to_answer() {
        for payload in ["{}", r#"{"idToken":{"idToken":"","type":"ISO14443"}}"#] {
            let fault = fault_201("Authorize", payload);
            assert_eq!(fault.code, ErrorCode::OccurrenceConstraintViolation);
            assert!(fault.description.starts_with("idToken"), "{fault}");
        }
    }

    #[test]
    fn every_verdict_has_its_2_0_1_word() {
        for (authorization, word) in [
            (Authorization::Accepted, "Accepted"),
            (Authorization::Blocked, "Blocked"),
            (Authorization::Expired, "Expired"),
            (Authorization::Unknown, "Unknown"),
            (Authorization::ConcurrentTx, "ConcurrentTx"),
        ] {
            let verdict = TokenVerdict {
                authorization,
                group: None,
                expires_at: None,
            };
            let expected = format!(r#"{{"idTokenInfo":{{"status":"{word}"}}}}"#);
            assert_eq!(reply(&verdict), expected);
        }
        let verdict = TokenVerdict {
            authorization: Authorization::Accepted,
            group: TokenUid::new("fleet").ok(),
            expires_at: Some(Timestamp(1_790_000_000_000)),
        };
        assert_eq!(
            reply(&verdict),
            r#"{"idTokenInfo":{"status":"Accepted","cacheExpiryDateTime":"2026-09-21T14:13:20.000Z","groupIdToken":{"idToken":"fleet","type":"Central"}}}"#
        );
    }
}
