//! Sessions, their logs, and readings outside sessions.

use async_trait::async_trait;
use model::{
    RetryKey, Session, SessionEventRecord, SessionId, SessionState, StationId, StoredReading,
};

use super::{KeptSession, MemoryStore, Tables};
use crate::{
    Committed, Page, PageRequest, ReadError, SessionCommit, SessionFilter, SessionStore, WriteError,
};

impl Tables {
    fn session(&self, id: SessionId) -> Option<Session> {
        self.sessions.get(&id).map(|kept| kept.session.clone())
    }

    fn commit(&mut self, commit: SessionCommit) -> Result<Committed, WriteError> {
        commit.check()?;
        let number = commit.session.number();
        let SessionCommit {
            session,
            event,
            epoch,
        } = commit;
        let key = (session.station.clone(), event.retry_key.clone());
        let name = (session.station.clone(), session.transaction.clone());
        if let Some(known) = self.event_keys.get(&key).and_then(|id| self.session(*id)) {
            return Ok(Committed::Repeat(Box::new(known)));
        }
        match self.sessions.get(&session.id) {
            Some(kept) if epoch < kept.epoch => return Err(WriteError::Stale),
            Some(kept)
                if kept.session.station != session.station
                    || kept.session.transaction != session.transaction =>
            {
                return Err(WriteError::Refused(format!(
                    "session {} cannot change its station or its transaction name",
                    session.id
                )));
            }
            Some(_) => {}
            None => {
                let holder = self.transactions.get(&name);
                if let Some(holder) = holder.and_then(|id| self.session(*id)) {
                    return Ok(Committed::Taken(Box::new(holder)));
                }
            }
        }
        self.event_keys.insert(key, session.id);
        self.transactions.insert(name, session.id);
        self.events.push((session.id, event));
        let version = i64::try_from(self.events.len()).unwrap_or(i64::MAX);
        let kept = KeptSession {
            to_record: (session.state == SessionState::Ended).then_some(version),
            session,
            epoch,
            number,
        };
        self.sessions.insert(kept.session.id, kept);
        Ok(Committed::Written)
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn commit_session(&self, commit: SessionCommit) -> Result<Committed, WriteError> {
        self.tables().commit(commit)
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError> {
        Ok(self.tables().session(id))
    }

    async fn session_by_transaction(
        &self,
        station: &StationId,
        transaction: &str,
    ) -> Result<Option<Session>, ReadError> {
        let tables = self.tables();
        let name = (station.clone(), transaction.to_owned());
        let id = tables.transactions.get(&name);
        Ok(id.and_then(|id| tables.session(*id)))
    }

    async fn session_by_key(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Session>, ReadError> {
        let tables = self.tables();
        let id = tables.event_keys.get(&(station.clone(), key.clone()));
        Ok(id.and_then(|id| tables.session(*id)))
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>, ReadError> {
        let Ok(after) = page.place::<SessionId>() else {
            return Ok(Page::empty());
        };
        let tables = self.tables();
        let following = tables
            .sessions
            .iter()
            .rev()
            .filter(|(id, _)| after.is_none_or(|after| **id < after))
            .map(|(id, kept)| (*id, &kept.session))
            .filter(|(_, session)| filter.is_met(session))
            .map(|(id, session)| (id, session.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn session_events(
        &self,
        id: SessionId,
        page: PageRequest,
    ) -> Result<Page<SessionEventRecord>, ReadError> {
        let Ok(after) = page.place::<usize>() else {
            return Ok(Page::empty());
        };
        let tables = self.tables();
        let following = tables
            .events
            .iter()
            .enumerate()
            .filter(|(no, (of, _))| *of == id && after.is_none_or(|after| *no > after))
            .map(|(no, (_, event))| (no, event.clone()));
        Ok(Page::cut(&page, following))
    }

    async fn record_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError> {
        let mut tables = self.tables();
        let key = (station.clone(), reading.retry_key.clone());
        if tables.reading_keys.insert(key) {
            let at = reading.received_at;
            tables.readings.append(station.clone(), at, reading);
        }
        Ok(())
    }

    async fn readings(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<StoredReading>, ReadError> {
        Ok(self.tables().readings.page(station, &page, |_| true))
    }
}
