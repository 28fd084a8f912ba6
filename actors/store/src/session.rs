//! Sessions, the log each was made from, and readings outside sessions.

use async_trait::async_trait;
use model::{
    RetryKey, Session, SessionEventRecord, SessionId, SessionState, StationId, StoredReading,
    TokenUid,
};

use serde::{Deserialize, Serialize};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Sessions, the log each was made from, and readings outside sessions.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Writes a session's new snapshot and the log entry that led to it, both or neither.
    ///
    /// Asked in this order: does the station's log hold the key ([`Committed::Repeat`], whatever the
    /// epoch: what is durable may be told to anyone); is the epoch too low ([`WriteError::Stale`]); is
    /// the name of a new session taken ([`Committed::Taken`]). A session keeps its station and its
    /// transaction name for life: a commit that changes either is [`WriteError::Refused`].
    async fn commit_session(&self, commit: SessionCommit) -> Result<Committed, WriteError>;

    /// The session of that id.
    async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError>;

    /// The session that the station calls so.
    async fn session_by_transaction(
        &self,
        station: &StationId,
        transaction: &str,
    ) -> Result<Option<Session>, ReadError>;

    /// The session whose log holds this key.
    async fn session_by_key(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Session>, ReadError>;

    /// Sessions, the newest first (by id, which sorts by time).
    async fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>, ReadError>;

    /// A session's log, in the order it was written.
    async fn session_events(
        &self,
        id: SessionId,
        page: PageRequest,
    ) -> Result<Page<SessionEventRecord>, ReadError>;

    /// Writes readings outside any session; a repeat (same station and key) changes nothing.
    async fn record_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError>;

    /// A station's readings outside sessions, the newest first (by `received_at`, then by when they were
    /// written).
    async fn readings(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<StoredReading>, ReadError>;
}

/// A session's new snapshot and the log entry that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionCommit {
    /// The snapshot after the entry.
    pub session: Session,
    /// The entry.
    pub event: SessionEventRecord,
    /// The epoch of the owner's claim on the station. A commit with a lower epoch than the session was
    /// last written with is [`WriteError::Stale`].
    pub epoch: i64,
}

impl SessionCommit {
    /// Whether it can be kept and read back; implementations ask before they write.
    ///
    /// # Errors
    /// [`WriteError::Refused`] where an energy is infinite or not a number (JSON has neither).
    pub fn check(&self) -> Result<(), WriteError> {
        let Session {
            energy_wh,
            energy_before_wh,
            ..
        } = self.session;
        if energy_wh.is_finite() && energy_before_wh.is_finite() {
            return Ok(());
        }
        Err(WriteError::Refused(format!(
            "session {} has energies of {energy_wh} and {energy_before_wh} Wh, which are no numbers",
            self.session.id
        )))
    }
}

/// What became of a [`SessionCommit`].
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Written.
    Written,
    /// Nothing written: the station's log already holds the key. This is the session it belongs to.
    Repeat(Box<Session>),
    /// Nothing written: the session is new, but the station has another one of that transaction name.
    Taken(Box<Session>),
}

/// Which sessions; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// At this station.
    pub station: Option<StationId>,
    /// Begun with this token, without regard to case.
    pub token: Option<TokenUid>,
    /// Going on or over.
    pub state: Option<SessionState>,
}

impl SessionFilter {
    /// Whether a session is wanted.
    pub fn is_met(&self, session: &Session) -> bool {
        let same = |token: &TokenUid| {
            let of_session = session.token.as_ref().map(|token| token.uid.folded());
            of_session == Some(token.folded())
        };
        self.station
            .as_ref()
            .is_none_or(|station| session.station == *station)
            && self.state.is_none_or(|state| session.state == state)
            && self.token.as_ref().is_none_or(same)
    }
}
