//! Charge detail records.

use async_trait::async_trait;
use model::{CdrId, ChargeDetailRecord, SessionId, SessionState};

use super::MemoryStore;
use crate::{
    CdrCreated, CdrFilter, CdrStore, Page, PageRequest, ReadError, SessionToRecord, WriteError,
    check_cdr,
};

#[async_trait]
impl CdrStore for MemoryStore {
    async fn create_cdr(&self, record: ChargeDetailRecord) -> Result<CdrCreated, WriteError> {
        check_cdr(&record)?;
        let mut tables = self.tables();
        if let Some(kept) = tables.cdrs.get(&record.id) {
            return Ok(CdrCreated::instead(&record, kept.clone()));
        }
        tables.cdrs.insert(record.id, record);
        Ok(CdrCreated::Written)
    }

    async fn cdr(&self, id: CdrId) -> Result<Option<ChargeDetailRecord>, ReadError> {
        Ok(self.tables().cdrs.get(&id).cloned())
    }

    async fn cdrs(
        &self,
        filter: CdrFilter,
        page: PageRequest,
    ) -> Result<Page<ChargeDetailRecord>, ReadError> {
        let Ok(after) = page.place::<CdrId>() else {
            return Ok(Page::empty());
        };
        let tables = self.tables();
        let following = tables
            .cdrs
            .iter()
            .rev()
            .filter(|(id, record)| after.is_none_or(|after| **id < after) && filter.is_met(record))
            .map(|(id, record)| (*id, record.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn sessions_to_record(&self, page: PageRequest) -> Result<Page<SessionId>, ReadError> {
        let Ok(after) = page.place::<SessionId>() else {
            return Ok(Page::empty());
        };
        let tables = self.tables();
        let following = tables
            .sessions
            .iter()
            .rev()
            .filter(|(id, kept)| kept.to_record.is_some() && after.is_none_or(|after| **id < after))
            .map(|(id, _)| (*id, *id));
        Ok(Page::cut(&page, following))
    }

    async fn session_to_record(&self, id: SessionId) -> Result<Option<SessionToRecord>, ReadError> {
        let tables = self.tables();
        let kept = tables.sessions.get(&id);
        let over = kept.filter(|kept| kept.session.state == SessionState::Ended);
        Ok(over.and_then(|kept| {
            Some(SessionToRecord {
                session: kept.session.clone(),
                version: kept.to_record?,
            })
        }))
    }

    async fn recorded(&self, id: SessionId, version: i64) -> Result<(), WriteError> {
        if let Some(kept) = self.tables().sessions.get_mut(&id)
            && kept.to_record == Some(version)
        {
            kept.to_record = None;
        }
        Ok(())
    }
}
