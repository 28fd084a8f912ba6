//! IdTokenType and IdTokenInfoType (OCPP 2.0.1 part 2, §2.29, §2.28): a token, and what it is
//! answered.

use model::{Authorization, Timestamp, TokenKind, TokenRef, TokenVerdict};
use serde::{Deserialize, Serialize};

use crate::{reading::Reading, wire::Text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdToken<'a> {
    #[serde(borrow)]
    id_token: Option<Text<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
}

impl IdToken<'_> {
    /// The token; nothing where its uid says nothing. `NoAuthorization` has an empty uid (OCPP
    /// 2.0.1 C02.FR.03), and is called what it is.
    pub(super) fn token(self, reading: &mut Reading<'_>) -> Option<TokenRef> {
        let kind = self
            .kind
            .map(|kind| kind.0.into_owned())
            .unwrap_or_default();
        let kind = TokenKind::from(kind);
        match self.id_token.as_deref() {
            Some("") | None if kind == TokenKind::NoAuthorization => {
                reading.token("NoAuthorization", kind)
            }
            uid => reading.token(uid?, kind),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdTokenInfo<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_expiry_date_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id_token: Option<GroupIdToken<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupIdToken<'a> {
    id_token: &'a str,
    r#type: &'static str,
}

impl<'a> IdTokenInfo<'a> {
    pub(super) fn of(verdict: &'a TokenVerdict) -> Self {
        Self {
            status: match verdict.authorization {
                Authorization::Accepted => "Accepted",
                Authorization::Blocked => "Blocked",
                Authorization::Expired => "Expired",
                Authorization::Unknown => "Unknown",
                Authorization::ConcurrentTx => "ConcurrentTx",
            },
            cache_expiry_date_time: verdict.expires_at,
            // A group is named by the operator, so it is of the central system's kind.
            group_id_token: verdict.group.as_ref().map(|group| GroupIdToken {
                id_token: group.as_str(),
                r#type: "Central",
            }),
        }
    }
}
