//! What the spool answers and takes as a store, and what it leaves to the remote one.

use async_trait::async_trait;
use model::{
    BootInfo, CdrId, ChargeDetailRecord, Connector, DeadLetter, DeadLetterId, Protocol, RetryKey,
    Session, SessionEventRecord, SessionId, Station, StationId, StoredReading, Timestamp, Token,
    TokenUid,
};
use store::{
    CdrCreated, CdrFilter, CdrStore, Committed, DeadLetterStore, Hydration, Page, PageRequest,
    ReadError, SessionCommit, SessionFilter, SessionStore, SessionToRecord, StationFilter,
    StationStore, TokenStore, WriteError,
};

use super::Spooled;
use crate::record::Record;

#[async_trait]
impl SessionStore for Spooled {
    async fn commit_session(&self, commit: SessionCommit) -> Result<Committed, WriteError> {
        commit.check()?;
        let shared = &self.shared;
        if let Some(told) = shared.state().waiting.objection(&commit) {
            return told;
        }
        let id = commit.session.id;
        if shared.state().twins.stops(id) {
            return Err(WriteError::Stale);
        }
        if !shared.goes_on_here(Some(id)) {
            match shared
                .remotely(shared.remote.commit_session(commit.clone()))
                .await
            {
                Err(WriteError::NotWritten(_) | WriteError::Unknown(_)) => {}
                told => return told,
            }
        }
        shared.spool(&Record::Session(Box::new(commit))).await?;
        Ok(Committed::Written)
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError> {
        if let Some(session) = self.shared.state().waiting.by_id(id) {
            return Ok(Some(session.clone()));
        }
        self.shared.for_reading()?.session(id).await
    }

    async fn session_by_transaction(
        &self,
        station: &StationId,
        transaction: &str,
    ) -> Result<Option<Session>, ReadError> {
        let shared = &self.shared;
        if let Some(session) = shared.state().waiting.by_name(station, transaction) {
            return Ok(Some(session.clone()));
        }
        let read = shared.remote.session_by_transaction(station, transaction);
        shared.look_up(read).await
    }

    async fn session_by_key(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Session>, ReadError> {
        if let Some(session) = self.shared.state().waiting.by_key(station, key) {
            return Ok(Some(session.clone()));
        }
        let shared = &self.shared;
        shared
            .look_up(shared.remote.session_by_key(station, key))
            .await
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>, ReadError> {
        let shared = &self.shared;
        loop {
            let before = shared.state().segments_gone;
            let remote = shared.for_reading()?;
            let read = remote.sessions(filter.clone(), page.clone()).await?;
            let state = shared.state();
            // As in `hydrate`.
            if state.segments_gone == before {
                return Ok(state.waiting.over_list(&filter, &page, read));
            }
        }
    }

    async fn session_events(
        &self,
        id: SessionId,
        page: PageRequest,
    ) -> Result<Page<SessionEventRecord>, ReadError> {
        self.shared.for_reading()?.session_events(id, page).await
    }

    async fn record_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError> {
        let shared = &self.shared;
        if !shared.goes_on_here(None) {
            let write = shared.remote.record_reading(station, reading.clone());
            if shared.remotely(write).await.is_ok() {
                return Ok(());
            }
        }
        let station = station.clone();
        shared.spool(&Record::Reading { station, reading }).await
    }

    async fn readings(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<StoredReading>, ReadError> {
        self.shared.for_reading()?.readings(station, page).await
    }
}

#[async_trait]
impl DeadLetterStore for Spooled {
    async fn record_dead_letter(&self, letter: DeadLetter) -> Result<DeadLetter, WriteError> {
        let shared = &self.shared;
        if !shared.goes_on_here(None) {
            let write = shared.remote.record_dead_letter(letter.clone());
            if let Ok(kept) = shared.remotely(write).await {
                return Ok(kept);
            }
        }
        shared.spool(&Record::DeadLetter(letter.clone())).await?;
        Ok(letter)
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, ReadError> {
        self.shared.for_reading()?.dead_letter(id).await
    }

    async fn dead_letters(&self, page: PageRequest) -> Result<Page<DeadLetter>, ReadError> {
        self.shared.for_reading()?.dead_letters(page).await
    }

    async fn delete_dead_letter(&self, id: DeadLetterId) -> Result<bool, WriteError> {
        self.shared.for_writing()?.delete_dead_letter(id).await
    }
}

#[async_trait]
impl TokenStore for Spooled {
    async fn token(&self, uid: &TokenUid) -> Result<Option<Token>, ReadError> {
        let shared = &self.shared;
        match shared.look_up(shared.remote.token(uid)).await {
            Ok(token) => {
                shared.tokens.note(uid, token.clone());
                Ok(token)
            }
            Err(error) => shared.tokens.last_known(uid).ok_or(error),
        }
    }

    async fn put_token(&self, token: Token) -> Result<(), WriteError> {
        let uid = token.uid.clone();
        self.shared.for_writing()?.put_token(token.clone()).await?;
        self.shared.tokens.note(&uid, Some(token));
        Ok(())
    }

    async fn delete_token(&self, uid: &TokenUid) -> Result<bool, WriteError> {
        let deleted = self.shared.for_writing()?.delete_token(uid).await?;
        self.shared.tokens.note(uid, None);
        Ok(deleted)
    }

    async fn tokens(&self, page: PageRequest) -> Result<Page<Token>, ReadError> {
        self.shared.for_reading()?.tokens(page).await
    }

    async fn open_sessions_of(&self, token: &Token) -> Result<u32, ReadError> {
        let shared = &self.shared;
        shared.look_up(shared.remote.open_sessions_of(token)).await
    }
}

#[async_trait]
impl StationStore for Spooled {
    async fn hydrate(&self, id: &StationId) -> Result<Hydration, ReadError> {
        let shared = &self.shared;
        loop {
            let before = shared.state().segments_gone;
            let mut hydration = shared.look_up(shared.remote.hydrate(id)).await?;
            let state = shared.state();
            // What went to the remote after it was read would be seen neither here nor there.
            if state.segments_gone == before {
                state.waiting.over(id, &mut hydration);
                return Ok(hydration);
            }
        }
    }

    async fn station(&self, id: &StationId) -> Result<Option<Station>, ReadError> {
        self.shared.for_reading()?.station(id).await
    }

    async fn create_station(&self, station: Station) -> Result<bool, WriteError> {
        self.shared.for_writing()?.create_station(station).await
    }

    async fn configure_station(&self, station: Station) -> Result<bool, WriteError> {
        self.shared.for_writing()?.configure_station(station).await
    }

    async fn record_boot(&self, id: &StationId, boot: BootInfo) -> Result<(), WriteError> {
        self.shared.for_writing()?.record_boot(id, boot).await
    }

    async fn record_presence(
        &self,
        id: &StationId,
        protocol: Protocol,
        at: Timestamp,
    ) -> Result<(), WriteError> {
        self.shared
            .for_writing()?
            .record_presence(id, protocol, at)
            .await
    }

    async fn delete_station(&self, id: &StationId) -> Result<bool, WriteError> {
        self.shared.for_writing()?.delete_station(id).await
    }

    async fn stations(
        &self,
        filter: StationFilter,
        page: PageRequest,
    ) -> Result<Page<Station>, ReadError> {
        self.shared.for_reading()?.stations(filter, page).await
    }

    async fn connectors(&self, id: &StationId) -> Result<Vec<Connector>, ReadError> {
        self.shared.for_reading()?.connectors(id).await
    }

    async fn put_connector(&self, id: &StationId, connector: Connector) -> Result<(), WriteError> {
        self.shared
            .for_writing()?
            .put_connector(id, connector)
            .await
    }
}

/// Records are no messages of a transaction: what the remote does not take is tried again by whoever makes them, and
/// nothing is kept here.
#[async_trait]
impl CdrStore for Spooled {
    async fn create_cdr(&self, record: ChargeDetailRecord) -> Result<CdrCreated, WriteError> {
        self.shared.for_writing()?.create_cdr(record).await
    }

    async fn cdr(&self, id: CdrId) -> Result<Option<ChargeDetailRecord>, ReadError> {
        self.shared.for_reading()?.cdr(id).await
    }

    async fn cdrs(
        &self,
        filter: CdrFilter,
        page: PageRequest,
    ) -> Result<Page<ChargeDetailRecord>, ReadError> {
        self.shared.for_reading()?.cdrs(filter, page).await
    }

    async fn sessions_to_record(&self, page: PageRequest) -> Result<Page<SessionId>, ReadError> {
        self.shared.for_reading()?.sessions_to_record(page).await
    }

    /// Not while something of it waits here.
    async fn session_to_record(&self, id: SessionId) -> Result<Option<SessionToRecord>, ReadError> {
        if self.shared.state().waiting.holds(id) {
            return Ok(None);
        }
        self.shared.for_reading()?.session_to_record(id).await
    }

    async fn recorded(&self, id: SessionId, version: i64) -> Result<(), WriteError> {
        self.shared.for_writing()?.recorded(id, version).await
    }
}

// What is the remote's alone.
store::delegate! {
    SiteStore, PowerStore, NoticeStore, CommandStore, MessageStore, ApiKeyStore for Spooled;
    read |this| this.shared.for_reading()?;
    write |this| this.shared.for_writing()?;
}
