//! Charge detail records, and which sessions may need one.

use async_trait::async_trait;
use model::{CdrId, ChargeDetailRecord, Session, SessionId, StationId, Timestamp, TokenUid};

use crate::{Page, PageRequest, ReadError, WriteError};

/// Charge detail records, and which sessions may need one.
///
/// A session is to be recorded from the commit that ended it, or changed it after its end, until
/// [`CdrStore::recorded`]; whether a record is due is for whoever goes through them.
#[async_trait]
pub trait CdrStore: Send + Sync + 'static {
    /// Writes a record, unless there is one of its id: that one stays as it is.
    async fn create_cdr(&self, record: ChargeDetailRecord) -> Result<CdrCreated, WriteError>;

    /// The record of that id.
    async fn cdr(&self, id: CdrId) -> Result<Option<ChargeDetailRecord>, ReadError>;

    /// Records, the newest first (by id: by when their sessions began, then by number).
    async fn cdrs(
        &self,
        filter: CdrFilter,
        page: PageRequest,
    ) -> Result<Page<ChargeDetailRecord>, ReadError>;

    /// Sessions that are to be recorded, perhaps with some that are not (any more), the newest first (by id).
    async fn sessions_to_record(&self, page: PageRequest) -> Result<Page<SessionId>, ReadError>;

    /// The session, if it is over and may be recorded now.
    async fn session_to_record(&self, id: SessionId) -> Result<Option<SessionToRecord>, ReadError>;

    /// The session needs no record any more, unless it has changed since that version.
    async fn recorded(&self, id: SessionId, version: i64) -> Result<(), WriteError>;
}

/// What became of a record that was to be created.
#[derive(Debug, Clone, PartialEq)]
pub enum CdrCreated {
    /// Written.
    Written,
    /// Nothing written: it is there and says the same.
    Known,
    /// Nothing written: the record of that id says something else.
    Differs(Box<ChargeDetailRecord>),
}

impl CdrCreated {
    /// What is answered to `wanted` where there is `kept`.
    pub fn instead(wanted: &ChargeDetailRecord, kept: ChargeDetailRecord) -> Self {
        match kept.says_the_same(wanted) {
            true => Self::Known,
            false => Self::Differs(Box::new(kept)),
        }
    }
}

/// A session that is over, to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionToRecord {
    /// The session.
    pub session: Session,
    /// Another after each change of the session; the store's own.
    pub version: i64,
}

/// Whether a record can be kept and read back; implementations ask before they write.
///
/// # Errors
/// [`WriteError::Refused`] where its energy is infinite or not a number (JSON has neither).
pub fn check_cdr(record: &ChargeDetailRecord) -> Result<(), WriteError> {
    let ChargeDetailRecord { id, energy_wh, .. } = record;
    if energy_wh.is_finite() {
        return Ok(());
    }
    let why = format!("record {id} has an energy of {energy_wh} Wh, which is no number");
    Err(WriteError::Refused(why))
}

/// Which records; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CdrFilter {
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of sessions at this station.
    pub station: Option<StationId>,
    /// Of sessions begun with this token, without regard to case.
    pub token: Option<TokenUid>,
    /// Of sessions that began then or later.
    pub from: Option<Timestamp>,
    /// Of sessions that began before.
    pub to: Option<Timestamp>,
}

impl CdrFilter {
    /// The records of a session.
    pub fn of_session(session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..Self::default()
        }
    }

    /// The least id that is wanted, if there is one.
    pub fn least(&self) -> Option<CdrId> {
        let of_session = self.session.map(|session| CdrId::of(session, 0));
        of_session.max(self.from.map(CdrId::first_at))
    }

    /// The id from which on none is wanted, if there is one.
    pub fn end(&self) -> Option<CdrId> {
        let of_session = self.session.map(|session| CdrId::of(session, u32::MAX));
        let to = self.to.map(CdrId::first_at);
        of_session.into_iter().chain(to).min()
    }

    /// Whether a record is wanted.
    pub fn is_met(&self, record: &ChargeDetailRecord) -> bool {
        let token = record.token.as_ref().map(|token| token.uid.folded());
        self.session.is_none_or(|session| record.session == session)
            && (self.station.as_ref()).is_none_or(|station| record.station == *station)
            && (self.token.as_ref()).is_none_or(|wanted| token == Some(wanted.folded()))
            && self.least().is_none_or(|least| record.id >= least)
            && self.end().is_none_or(|end| record.id < end)
    }
}
