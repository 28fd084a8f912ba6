//! Dead letters.

use async_trait::async_trait;
use model::{DeadLetter, DeadLetterId};
use rusqlite::{Connection, OptionalExtension};
use store::{DeadLetterStore, Page, PageRequest, ReadError, WriteError};

use crate::{SqliteStore, identity, json, queue::Urgency, select::Select};

#[async_trait]
impl DeadLetterStore for SqliteStore {
    async fn record_dead_letter(&self, letter: DeadLetter) -> Result<DeadLetter, WriteError> {
        let text = json::write(&letter)?;
        self.writer
            .write_as(Urgency::Transaction, move |db| record(db, &letter, &text))
            .await
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, ReadError> {
        self.readers
            .read(move |db| {
                db.prepare_cached("SELECT letter FROM dead_letters WHERE id = ?1")?
                    .query_row([id.0.as_bytes()], |row| json::read(row, 0))
                    .optional()
            })
            .await
    }

    async fn dead_letters(&self, page: PageRequest) -> Result<Page<DeadLetter>, ReadError> {
        let Ok(after) = page.place::<DeadLetterId>() else {
            return Ok(Page::empty());
        };
        let select = select(after);
        self.readers
            .read(move |db| {
                select.page(db, NEWEST_FIRST, &page, |row| {
                    let letter: DeadLetter = json::read(row, 0)?;
                    Ok((letter.id, letter))
                })
            })
            .await
    }

    async fn delete_dead_letter(&self, id: DeadLetterId) -> Result<bool, WriteError> {
        self.writer
            .write(move |db| {
                let deleted = db
                    .prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?
                    .execute([id.0.as_bytes()])?;
                Ok(deleted > 0)
            })
            .await
    }
}

pub(crate) const NEWEST_FIRST: &str = "id DESC";

/// All of them, or those that follow `after`.
pub(crate) fn select(after: Option<DeadLetterId>) -> Select {
    let mut select = Select::all("SELECT letter FROM dead_letters");
    select.and_if("id < ?", after.map(|id| id.0.as_bytes().to_vec()));
    select
}

fn record(db: &Connection, letter: &DeadLetter, text: &str) -> rusqlite::Result<DeadLetter> {
    let station = identity::find_or_make(db, letter.station.as_str())?.no;
    let added = db
        .prepare_cached(
            "INSERT INTO dead_letters (id, station, retry_key, letter) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (station, retry_key) DO NOTHING",
        )?
        .execute((letter.id.0.as_bytes(), station, &letter.retry_key.0, text))?;
    if added > 0 {
        return Ok(letter.clone());
    }
    db.prepare_cached("SELECT letter FROM dead_letters WHERE station = ?1 AND retry_key = ?2")?
        .query_row((station, &letter.retry_key.0), |row| json::read(row, 0))
}
