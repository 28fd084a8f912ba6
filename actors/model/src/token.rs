//! What drivers identify with, and what the hub says to it.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, TokenUid};

/// A token as a station presents it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenRef {
    /// The uid.
    pub uid: TokenUid,
    /// Its kind, as far as the station told (OCPP 1.6 does not).
    #[serde(default)]
    pub kind: TokenKind,
}

/// Kinds of token (OCPP 2.0.1 `IdTokenEnumType`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TokenKind {
    /// Not told: an OCPP 1.6 idTag.
    #[default]
    Unspecified,
    /// The station started charging without asking who (OCPP 2.0.1 C02: answered as accepted).
    NoAuthorization,
    /// Started by an operator, an app or a partner.
    Central,
    /// Any other (`ISO14443`, `ISO15693`, `eMAID`, `KeyCode`, `Local`, `MacAddress`), as sent.
    Other(String),
}

impl From<String> for TokenKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "" => Self::Unspecified,
            "NoAuthorization" => Self::NoAuthorization,
            "Central" => Self::Central,
            _ => Self::Other(name),
        }
    }
}

impl From<TokenKind> for String {
    fn from(kind: TokenKind) -> Self {
        match kind {
            TokenKind::Unspecified => String::new(),
            TokenKind::NoAuthorization => "NoAuthorization".to_owned(),
            TokenKind::Central => "Central".to_owned(),
            TokenKind::Other(name) => name,
        }
    }
}

/// A token the operator knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// The uid; unique without regard to case.
    pub uid: TokenUid,
    /// Its kind.
    #[serde(default)]
    pub kind: TokenKind,
    /// Tokens of one group may stop each other's sessions (OCPP parentIdTag / groupIdToken) and
    /// share `max_concurrent`.
    #[serde(default)]
    pub group: Option<TokenUid>,
    /// Blocked: refused with `Blocked`.
    #[serde(default)]
    pub blocked: bool,
    /// Refused with `Expired` from this time on.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// How many sessions the token (its group, when it has one) may have at once; absent: no limit.
    #[serde(default)]
    pub max_concurrent: Option<u32>,
    /// A note for operators.
    #[serde(default)]
    pub note: String,
}

/// What the hub says to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// May charge.
    Accepted,
    /// Blocked by the operator.
    Blocked,
    /// Past `expires_at`.
    Expired,
    /// Not known.
    Unknown,
    /// Has as many sessions as it may.
    ConcurrentTx,
}
