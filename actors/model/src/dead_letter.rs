//! Transaction messages that crash whoever handles them.

use serde::{Deserialize, Serialize};

use crate::{DeadLetterId, Protocol, RetryKey, StationId, Timestamp};

/// A transaction message that crashed its actor twice. It is kept as it was sent, then acknowledged, so
/// that the station's queue goes on; somebody has to look at it, mend the cause and replay it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeadLetter {
    /// Its id.
    pub id: DeadLetterId,
    /// Who sent it.
    pub station: StationId,
    /// In which protocol.
    pub protocol: Protocol,
    /// What makes it recognisable when it is sent again.
    pub retry_key: RetryKey,
    /// When the hub received it.
    pub received_at: Timestamp,
    /// The OCPP action.
    pub action: String,
    /// The payload as sent, as JSON text.
    pub payload: String,
    /// The transaction number the station was given in answer (1.6 StartTransaction).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
}
