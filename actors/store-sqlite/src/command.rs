//! Commands.

use async_trait::async_trait;
use model::{CommandId, CommandRecord, CommandState, StationId};
use rusqlite::{Connection, OptionalExtension};
use store::{CommandStore, Page, PageRequest, ReadError, WriteError};

use crate::{
    SqliteStore, identity, json,
    names::unreadable,
    select::{OF_STATION, Select},
};

#[async_trait]
impl CommandStore for SqliteStore {
    async fn put_command(&self, record: CommandRecord) -> Result<(), WriteError> {
        let text = json::write(&record)?;
        self.writer
            .write(move |db| {
                let station = identity::find_or_make(db, record.station.as_str())?;
                db.prepare_cached(
                    "INSERT INTO commands (id, station, final, record) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET
                         station = excluded.station, final = excluded.final, record = excluded.record
                     WHERE excluded.final OR NOT final",
                )?
                .execute((record.id.0.as_bytes(), station.no, record.state.is_final(), &text))
                .map(drop)
            })
            .await
    }

    async fn command(&self, id: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        self.readers
            .read(move |db| {
                db.prepare_cached("SELECT record FROM commands WHERE id = ?1")?
                    .query_row([id.0.as_bytes()], |row| json::read(row, 0))
                    .optional()
            })
            .await
    }

    async fn commands(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<CommandRecord>, ReadError> {
        let Ok(after) = page.place::<CommandId>() else {
            return Ok(Page::empty());
        };
        let from = "SELECT record FROM commands";
        let mut select = Select::new(from, OF_STATION, station.to_string());
        select.and_if("id < ?", after.map(|id| id.0.as_bytes().to_vec()));
        self.readers
            .read(move |db| {
                select.page(db, "id DESC", &page, |row| {
                    let record: CommandRecord = json::read(row, 0)?;
                    Ok((record.id, record))
                })
            })
            .await
    }

    async fn close_unfinished_commands(&self, error: &str) -> Result<u32, WriteError> {
        let error = error.to_owned();
        self.writer.write(move |db| close_all(db, &error)).await
    }
}

fn close_all(db: &Connection, error: &str) -> rusqlite::Result<u32> {
    let unfinished = db
        .prepare_cached("SELECT no, record FROM commands WHERE final = 0")?
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, json::read(row, 1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, CommandRecord)>>>()?;
    let mut update =
        db.prepare_cached("UPDATE commands SET final = 1, record = ?2 WHERE no = ?1")?;
    let mut closed = 0;
    for (no, mut record) in unfinished {
        record.state = CommandState::Expired;
        record.error = Some(error.to_owned());
        let text = json::write(&record).map_err(|error| unreadable(1, error))?;
        update.execute((no, text))?;
        closed += 1;
    }
    Ok(closed)
}
