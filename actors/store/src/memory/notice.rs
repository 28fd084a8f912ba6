//! Kept messages.

use async_trait::async_trait;
use model::{StationId, Timestamp};

use super::MemoryStore;
use crate::{NoticeRecord, NoticeStore, Page, PageRequest, ReadError, WriteError};

#[async_trait]
impl NoticeStore for MemoryStore {
    async fn record_notice(
        &self,
        station: &StationId,
        notice: NoticeRecord,
    ) -> Result<(), WriteError> {
        let at = notice.received_at;
        self.tables().notices.append(station.clone(), at, notice);
        Ok(())
    }

    async fn notices(
        &self,
        station: &StationId,
        action: Option<String>,
        page: PageRequest,
    ) -> Result<Page<NoticeRecord>, ReadError> {
        let wanted = |notice: &NoticeRecord| {
            action
                .as_ref()
                .is_none_or(|wanted| notice.action == *wanted)
        };
        Ok(self.tables().notices.page(station, &page, wanted))
    }

    async fn prune_notices(&self, before: Timestamp, most: u32) -> Result<u32, WriteError> {
        Ok(self.tables().notices.prune(before, most))
    }
}
