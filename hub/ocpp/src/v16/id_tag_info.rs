//! IdTagInfo (OCPP 1.6 §7.27): what a token is answered.

use model::{Authorization, Timestamp, TokenVerdict};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdTagInfo<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id_tag: Option<&'a str>,
}

impl<'a> IdTagInfo<'a> {
    pub(super) fn of(verdict: &'a TokenVerdict) -> Self {
        Self {
            status: match verdict.authorization {
                Authorization::Accepted => "Accepted",
                Authorization::Blocked => "Blocked",
                Authorization::Expired => "Expired",
                Authorization::Unknown => "Invalid",
                Authorization::ConcurrentTx => "ConcurrentTx",
            },
            expiry_date: verdict.expires_at,
            parent_id_tag: verdict.group.as_ref().map(|group| group.as_str()),
        }
    }

    /// Where an answer has to say something and no token was named.
    pub(super) fn without_token() -> Self {
        Self {
            status: "Invalid",
            expiry_date: None,
            parent_id_tag: None,
        }
    }
}
