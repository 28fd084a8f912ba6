//! A store that is slow, refuses, or does not know whether it wrote, as the seed will have it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use model::{RetryKey, Session, SessionEventRecord, SessionId, StationId, StoredReading};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{
    Committed, MemoryStore, Page, PageRequest, ReadError, SessionCommit, SessionFilter,
    SessionStore, WriteError,
};

/// How often what goes wrong, in percent of operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    unreadable: u32,
    refused: u32,
    unknown: u32,
    slow_ms: u64,
    /// Says "written" and writes later: what a hub that acknowledges early amounts to.
    pub(super) early: bool,
}

impl Faults {
    /// A store that does its job.
    const NONE: Self = Self {
        unreadable: 0,
        refused: 0,
        unknown: 0,
        slow_ms: 1,
        early: false,
    };

    /// None, but for a hub that acknowledges early.
    pub(super) fn none(early: bool) -> Self {
        Self {
            early,
            ..Self::NONE
        }
    }

    pub(super) fn of(chance: &mut StdRng, early: bool) -> Self {
        Self {
            unreadable: chance.random_range(0..15),
            refused: chance.random_range(0..20),
            unknown: chance.random_range(0..20),
            slow_ms: chance.random_range(1..30),
            early,
        }
    }
}

/// What becomes of a write.
enum Fate {
    Written,
    Refused,
    WrittenUnknown,
    LostUnknown,
    /// It comes through after all, when everybody has given it up.
    LateUnknown,
}

pub(super) struct FaultyStore {
    truth: Arc<MemoryStore>,
    faults: Faults,
    chance: Mutex<StdRng>,
}

impl FaultyStore {
    pub(super) fn new(truth: Arc<MemoryStore>, faults: Faults, seed: u64) -> Self {
        Self {
            truth,
            faults,
            chance: Mutex::new(StdRng::seed_from_u64(!seed)),
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn dawdle(&self) {
        let wait = self.draw(|chance| chance.random_range(0..=self.faults.slow_ms));
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    async fn read(&self) -> Result<(), ReadError> {
        self.dawdle().await;
        match self.draw(|chance| chance.random_range(0..100)) < self.faults.unreadable {
            true => Err(ReadError("the history says so".to_owned())),
            false => Ok(()),
        }
    }

    fn fate(&self) -> Fate {
        let Faults {
            refused, unknown, ..
        } = self.faults;
        self.draw(|chance| match chance.random_range(0..100) {
            n if n < refused => Fate::Refused,
            n if n < refused + unknown => match n % 3 {
                0 => Fate::WrittenUnknown,
                1 => Fate::LostUnknown,
                _ => Fate::LateUnknown,
            },
            _ => Fate::Written,
        })
    }

    async fn write(&self) -> Result<(), WriteError> {
        self.dawdle().await;
        match self.fate() {
            Fate::Refused => Err(WriteError::NotWritten("the history says so".to_owned())),
            _ => Ok(()),
        }
    }
}

fn unknown() -> WriteError {
    WriteError::Unknown("the history says so".to_owned())
}

#[async_trait]
impl SessionStore for FaultyStore {
    async fn commit_session(&self, commit: SessionCommit) -> Result<Committed, WriteError> {
        if self.faults.early {
            let truth = Arc::clone(&self.truth);
            let wait = Duration::from_millis(self.draw(|chance| chance.random_range(1..100)));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let _ = truth.commit_session(commit).await;
            });
            return Ok(Committed::Written);
        }
        self.dawdle().await;
        match self.fate() {
            Fate::Written => self.truth.commit_session(commit).await,
            Fate::Refused => Err(WriteError::NotWritten("the history says so".to_owned())),
            Fate::LostUnknown => Err(unknown()),
            Fate::WrittenUnknown => {
                let _ = self.truth.commit_session(commit).await;
                Err(unknown())
            }
            Fate::LateUnknown => {
                let truth = Arc::clone(&self.truth);
                let wait = Duration::from_millis(self.draw(|chance| chance.random_range(1..200)));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let _ = truth.commit_session(commit).await;
                });
                Err(unknown())
            }
        }
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.read().await?;
        self.truth.session(id).await
    }

    async fn session_by_transaction(
        &self,
        station: &StationId,
        transaction: &str,
    ) -> Result<Option<Session>, ReadError> {
        self.read().await?;
        self.truth
            .session_by_transaction(station, transaction)
            .await
    }

    async fn session_by_key(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Session>, ReadError> {
        self.read().await?;
        self.truth.session_by_key(station, key).await
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>, ReadError> {
        self.read().await?;
        self.truth.sessions(filter, page).await
    }

    async fn session_events(
        &self,
        id: SessionId,
        page: PageRequest,
    ) -> Result<Page<SessionEventRecord>, ReadError> {
        self.read().await?;
        self.truth.session_events(id, page).await
    }

    async fn record_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError> {
        self.write().await?;
        self.truth.record_reading(station, reading).await
    }

    async fn readings(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<StoredReading>, ReadError> {
        self.read().await?;
        self.truth.readings(station, page).await
    }
}

// The rest fails as plainly as a read or a write may.
store::delegate! {
    StationStore, SiteStore, PowerStore, CdrStore, TokenStore, NoticeStore, CommandStore, DeadLetterStore, MessageStore,
    ApiKeyStore for FaultyStore;
    read |this| {
        this.read().await?;
        &this.truth
    };
    write |this| {
        this.write().await?;
        &this.truth
    };
}
