//! Charge detail records, and the sessions that are to be recorded.

use async_trait::async_trait;
use model::{CdrId, ChargeDetailRecord, SessionId, TokenUid};
use rusqlite::{Connection, OptionalExtension};
use store::{
    CdrCreated, CdrFilter, CdrStore, Page, PageRequest, ReadError, SessionToRecord, WriteError,
    check_cdr,
};
use uuid::Uuid;

use crate::{
    SqliteStore, identity, json,
    names::unreadable,
    select::{OF_STATION, Select},
};

#[async_trait]
impl CdrStore for SqliteStore {
    async fn create_cdr(&self, record: ChargeDetailRecord) -> Result<CdrCreated, WriteError> {
        check_cdr(&record)?;
        let text = json::write(&record)?;
        self.writer
            .write(move |db| create(db, &record, &text))
            .await
    }

    async fn cdr(&self, id: CdrId) -> Result<Option<ChargeDetailRecord>, ReadError> {
        self.readers.read(move |db| one(db, id)).await
    }

    async fn cdrs(
        &self,
        filter: CdrFilter,
        page: PageRequest,
    ) -> Result<Page<ChargeDetailRecord>, ReadError> {
        let Ok(after) = page.place::<CdrId>() else {
            return Ok(Page::empty());
        };
        let select = select_cdrs(&filter, after);
        self.readers
            .read(move |db| {
                select.page(db, "id DESC", &page, |row| {
                    let record: ChargeDetailRecord = json::read(row, 0)?;
                    Ok((record.id, record))
                })
            })
            .await
    }

    async fn sessions_to_record(&self, page: PageRequest) -> Result<Page<SessionId>, ReadError> {
        let Ok(after) = page.place::<SessionId>() else {
            return Ok(Page::empty());
        };
        let select = select_to_record(after);
        self.readers
            .read(move |db| {
                select.page(db, "id DESC", &page, |row| {
                    let id = Uuid::from_slice(row.get_ref(0)?.as_blob()?);
                    let id = SessionId(id.map_err(|error| unreadable(0, error))?);
                    Ok((id, id))
                })
            })
            .await
    }

    async fn session_to_record(&self, id: SessionId) -> Result<Option<SessionToRecord>, ReadError> {
        self.readers
            .read(move |db| {
                db.prepare_cached(
                    "SELECT snapshot, to_record FROM sessions
                     WHERE id = ?1 AND open = 0 AND to_record IS NOT NULL",
                )?
                .query_row([id.0.as_bytes()], |row| {
                    Ok(SessionToRecord {
                        session: json::read(row, 0)?,
                        version: row.get(1)?,
                    })
                })
                .optional()
            })
            .await
    }

    async fn recorded(&self, id: SessionId, version: i64) -> Result<(), WriteError> {
        self.writer
            .write(move |db| {
                db.prepare_cached(
                    "UPDATE sessions SET to_record = NULL WHERE id = ?1 AND to_record = ?2",
                )?
                .execute((id.0.as_bytes(), version))
                .map(drop)
            })
            .await
    }
}

fn create(
    db: &Connection,
    record: &ChargeDetailRecord,
    text: &str,
) -> rusqlite::Result<CdrCreated> {
    let station = identity::find_or_make(db, record.station.as_str())?.no;
    let token = record.token.as_ref().map(|token| token.uid.folded());
    let added = db
        .prepare_cached(
            "INSERT INTO cdrs (id, station, token, record) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute((record.id.0.as_bytes(), station, token, text))?;
    match one(db, record.id)? {
        Some(kept) if added == 0 => Ok(CdrCreated::instead(record, kept)),
        _ => Ok(CdrCreated::Written),
    }
}

fn one(db: &Connection, id: CdrId) -> rusqlite::Result<Option<ChargeDetailRecord>> {
    db.prepare_cached("SELECT record FROM cdrs WHERE id = ?1")?
        .query_row([id.0.as_bytes()], |row| json::read(row, 0))
        .optional()
}

/// As with sessions, a station's index is used where a token is given too. A session's records follow each other by id.
pub(crate) fn select_cdrs(filter: &CdrFilter, after: Option<CdrId>) -> Select {
    let from = "SELECT record FROM cdrs";
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
    let bytes = |id: CdrId| id.0.as_bytes().to_vec();
    let end = filter.end().into_iter().chain(after).min();
    select.and_if("id >= ?", filter.least().map(bytes));
    select.and_if("id < ?", end.map(bytes));
    select
}

pub(crate) fn select_to_record(after: Option<SessionId>) -> Select {
    let mut select = Select::all("SELECT id FROM sessions");
    select.and("to_record IS NOT NULL");
    select.and_if("id < ?", after.map(|id| id.0.as_bytes().to_vec()));
    select
}
