//! Sessions, their logs, and readings outside sessions.

use async_trait::async_trait;
use model::{
    ConnectorRef, RetryKey, Session, SessionEventRecord, SessionId, SessionState, StationId,
    StoredReading, Timestamp, TokenUid,
};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use store::{
    Committed, Page, PageRequest, ReadError, SessionCommit, SessionFilter, SessionStore, WriteError,
};

use crate::{
    SqliteStore, identity, json,
    names::read_name,
    queue::Urgency,
    select::{OF_STATION, Select},
    session::Prepared,
};

fn one(db: &Connection, condition: &str, params: impl Params) -> rusqlite::Result<Option<Session>> {
    db.prepare_cached(&format!("SELECT snapshot FROM sessions WHERE {condition}"))?
        .query_row(params, |row| json::read(row, 0))
        .optional()
}

/// The session that a station calls so.
pub(crate) fn by_transaction(
    db: &Connection,
    station: i64,
    transaction: &str,
) -> rusqlite::Result<Option<Session>> {
    let condition = "station = ?1 AND transaction_name = ?2";
    one(db, condition, (station, transaction))
}

/// The session whose log holds a key.
pub(crate) fn by_key(
    db: &Connection,
    station: i64,
    key: &str,
) -> rusqlite::Result<Option<Session>> {
    let condition =
        "no = (SELECT session FROM session_events WHERE station = ?1 AND retry_key = ?2)";
    one(db, condition, (station, key))
}

/// The open sessions of a station, the oldest first.
pub(crate) fn open_of_station(db: &Connection, station: i64) -> rusqlite::Result<Vec<Session>> {
    db.prepare_cached("SELECT snapshot FROM sessions WHERE open = 1 AND station = ?1 ORDER BY id")?
        .query_map([station], |row| json::read(row, 0))?
        .collect()
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn commit_session(&self, commit: SessionCommit) -> Result<Committed, WriteError> {
        let prepared = Prepared::new(commit)?;
        self.writer
            .write_as(Urgency::Transaction, move |db| prepared.write(db))
            .await?
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.readers
            .read(move |db| one(db, "id = ?1", [id.0.as_bytes()]))
            .await
    }

    async fn session_by_transaction(
        &self,
        station: &StationId,
        transaction: &str,
    ) -> Result<Option<Session>, ReadError> {
        let (station, transaction) = (station.clone(), transaction.to_owned());
        self.readers
            .read(move |db| match identity::find(db, station.as_str())? {
                Some(identity) => by_transaction(db, identity.no, &transaction),
                None => Ok(None),
            })
            .await
    }

    async fn session_by_key(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Session>, ReadError> {
        let (station, key) = (station.clone(), key.clone());
        self.readers
            .read(move |db| match identity::find(db, station.as_str())? {
                Some(identity) => by_key(db, identity.no, &key.0),
                None => Ok(None),
            })
            .await
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>, ReadError> {
        let Ok(after) = page.place::<SessionId>() else {
            return Ok(Page::empty());
        };
        let mut select = select_sessions(&filter);
        select.and_if("id < ?", after.map(|id| id.0.as_bytes().to_vec()));
        self.readers
            .read(move |db| {
                select.page(db, "id DESC", &page, |row| {
                    let session: Session = json::read(row, 0)?;
                    Ok((session.id, session))
                })
            })
            .await
    }

    async fn session_events(
        &self,
        id: SessionId,
        page: PageRequest,
    ) -> Result<Page<SessionEventRecord>, ReadError> {
        let Ok(after) = page.place::<i64>() else {
            return Ok(Page::empty());
        };
        let from = "SELECT no, retry_key, kind, seq, at, received_at, cause, offline, samples, raw
            FROM session_events";
        let of_session = "session = (SELECT no FROM sessions WHERE id = ?)";
        let mut select = Select::new(from, of_session, id.0.as_bytes().to_vec());
        select.and_if("no > ?", after);
        self.readers
            .read(move |db| {
                select.page(db, "no", &page, |row| {
                    Ok((row.get::<_, i64>(0)?, read_event(row)?))
                })
            })
            .await
    }

    async fn record_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError> {
        let station = station.clone();
        let samples = json::write(&reading.samples)?;
        self.writer
            .write(move |db| {
                let station = identity::find_or_make(db, station.as_str())?;
                db.prepare_cached(
                    "INSERT INTO readings (station, retry_key, received_at, evse, connector,
                         samples, raw)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (station, retry_key) DO NOTHING",
                )?
                .execute((
                    station.no,
                    &reading.retry_key.0,
                    reading.received_at.0,
                    reading.connector.evse,
                    reading.connector.connector,
                    &samples,
                    &reading.raw,
                ))
                .map(drop)
            })
            .await
    }

    async fn readings(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<StoredReading>, ReadError> {
        let from = "SELECT no, received_at, retry_key, evse, connector, samples, raw FROM readings";
        let select = Select::new(from, OF_STATION, station.to_string());
        self.readers
            .read(move |db| {
                select.newest(db, "received_at", &page, |row| {
                    Ok(StoredReading {
                        received_at: Timestamp(row.get(1)?),
                        retry_key: RetryKey(row.get(2)?),
                        connector: ConnectorRef {
                            evse: row.get(3)?,
                            connector: row.get(4)?,
                        },
                        samples: json::read(row, 5)?,
                        raw: row.get(6)?,
                    })
                })
            })
            .await
    }
}

/// Each filter has an index that brings its rows in order; with station and token it is the station's,
/// as many may share a token (`NoAuthorization`) but a station has some thousands of sessions at most.
pub(crate) fn select_sessions(filter: &SessionFilter) -> Select {
    let from = "SELECT snapshot FROM sessions";
    let token = filter.token.as_ref().map(TokenUid::folded);
    let mut select = match &filter.station {
        Some(station) => {
            let mut select = Select::new(from, OF_STATION, station.to_string());
            // The sign keeps SQLite from the token's index.
            select.and_if("+token = ?", token);
            select
        }
        None => {
            let mut select = Select::all(from);
            select.and_if("token = ?", token);
            select
        }
    };
    // Literals, by which SQLite knows the partial indexes.
    match filter.state {
        Some(SessionState::Active) => select.and("open = 1"),
        Some(SessionState::Ended) => select.and("open = 0"),
        None => {}
    }
    select
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<SessionEventRecord> {
    Ok(SessionEventRecord {
        retry_key: RetryKey(row.get(1)?),
        kind: read_name(row, 2)?,
        seq: row.get(3)?,
        at: Timestamp(row.get(4)?),
        received_at: Timestamp(row.get(5)?),
        trigger: row.get(6)?,
        offline: row.get(7)?,
        samples: json::read_optional(row, 8)?.unwrap_or_default(),
        raw: row.get(9)?,
    })
}
