//! Messages that are kept and on which the hub does not act yet: reports, events, security events.

use async_trait::async_trait;
use model::{StationId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Page, PageRequest, ReadError, WriteError};

/// Kept messages.
#[async_trait]
pub trait NoticeStore: Send + Sync + 'static {
    /// Keeps one.
    async fn record_notice(
        &self,
        station: &StationId,
        notice: NoticeRecord,
    ) -> Result<(), WriteError>;

    /// A station's, the newest first (by `received_at`, then by when they were kept); of one action where given.
    async fn notices(
        &self,
        station: &StationId,
        action: Option<String>,
        page: PageRequest,
    ) -> Result<Page<NoticeRecord>, ReadError>;

    /// Deletes up to `most` of those received before; returns how many.
    async fn prune_notices(&self, before: Timestamp, most: u32) -> Result<u32, WriteError>;
}

/// A kept message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeRecord {
    /// When the hub received it.
    pub received_at: Timestamp,
    /// The OCPP action.
    pub action: String,
    /// The payload.
    pub payload: Value,
}
