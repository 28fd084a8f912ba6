//! Commands.

use async_trait::async_trait;
use model::{CommandId, CommandRecord, CommandState, StationId};

use super::MemoryStore;
use crate::{CommandStore, Page, PageRequest, ReadError, WriteError};

#[async_trait]
impl CommandStore for MemoryStore {
    async fn put_command(&self, record: CommandRecord) -> Result<(), WriteError> {
        let mut tables = self.tables();
        let ended = tables
            .commands
            .get(&record.id)
            .is_some_and(|kept| kept.state.is_final());
        if record.state.is_final() || !ended {
            tables.commands.insert(record.id, record);
        }
        Ok(())
    }

    async fn command(&self, id: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        Ok(self.tables().commands.get(&id).cloned())
    }

    async fn commands(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<CommandRecord>, ReadError> {
        let Ok(after) = page.place::<CommandId>() else {
            return Ok(Page::empty());
        };
        let tables = self.tables();
        let following = tables
            .commands
            .iter()
            .rev()
            .filter(|(id, _)| after.is_none_or(|after| **id < after))
            .filter(|(_, record)| record.station == *station)
            .map(|(id, record)| (*id, record.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn close_unfinished_commands(&self, error: &str) -> Result<u32, WriteError> {
        let mut closed = 0;
        for record in self.tables().commands.values_mut() {
            if !record.state.is_final() {
                record.state = CommandState::Expired;
                record.error = Some(error.to_owned());
                closed += 1;
            }
        }
        Ok(closed)
    }
}
