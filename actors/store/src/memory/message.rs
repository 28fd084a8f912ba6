//! The message log.

use async_trait::async_trait;
use model::{MessageEntry, StationId, Timestamp};

use super::MemoryStore;
use crate::{MessageFilter, MessageStore, Page, PageRequest, ReadError, WriteError};

#[async_trait]
impl MessageStore for MemoryStore {
    async fn append_messages(&self, entries: Vec<MessageEntry>) -> Result<(), WriteError> {
        let mut tables = self.tables();
        for entry in entries {
            let station = entry.station.clone();
            tables.messages.append(station, entry.at, entry);
        }
        Ok(())
    }

    async fn messages(
        &self,
        station: &StationId,
        filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<MessageEntry>, ReadError> {
        let text = filter.text.map(|text| text.to_ascii_lowercase());
        let wanted = |entry: &MessageEntry| {
            filter
                .action
                .as_ref()
                .is_none_or(|action| entry.action == *action)
                && filter.direction.is_none_or(|way| entry.direction == way)
                && filter.from.is_none_or(|from| entry.at >= from)
                && filter.to.is_none_or(|to| entry.at < to)
                && text
                    .as_ref()
                    .is_none_or(|text| entry.frame.to_ascii_lowercase().contains(text))
        };
        Ok(self.tables().messages.page(station, &page, wanted))
    }

    async fn prune_messages(&self, before: Timestamp, most: u32) -> Result<u32, WriteError> {
        Ok(self.tables().messages.prune(before, most))
    }
}
