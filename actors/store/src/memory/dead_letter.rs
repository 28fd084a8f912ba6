//! Dead letters.

use async_trait::async_trait;
use model::{DeadLetter, DeadLetterId};

use super::MemoryStore;
use crate::{DeadLetterStore, Page, PageRequest, ReadError, WriteError};

#[async_trait]
impl DeadLetterStore for MemoryStore {
    async fn record_dead_letter(&self, letter: DeadLetter) -> Result<DeadLetter, WriteError> {
        let mut tables = self.tables();
        let known = tables
            .dead_letters
            .values()
            .find(|kept| kept.station == letter.station && kept.retry_key == letter.retry_key);
        if let Some(known) = known {
            return Ok(known.clone());
        }
        tables.dead_letters.insert(letter.id, letter.clone());
        Ok(letter)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, ReadError> {
        Ok(self.tables().dead_letters.get(&id).cloned())
    }

    async fn dead_letters(&self, page: PageRequest) -> Result<Page<DeadLetter>, ReadError> {
        let Ok(after) = page.place::<DeadLetterId>() else {
            return Ok(Page::empty());
        };
        let tables = self.tables();
        let following = tables
            .dead_letters
            .iter()
            .rev()
            .filter(|(id, _)| after.is_none_or(|after| **id < after))
            .map(|(id, letter)| (*id, letter.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn delete_dead_letter(&self, id: DeadLetterId) -> Result<bool, WriteError> {
        Ok(self.tables().dead_letters.remove(&id).is_some())
    }
}
