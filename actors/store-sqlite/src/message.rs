//! The message log.

use async_trait::async_trait;
use model::{MessageEntry, StationId, Timestamp};
use store::{MessageFilter, MessageStore, Page, PageRequest, ReadError, WriteError};

use crate::{
    SqliteStore, identity,
    names::{Named, read_name},
    select::{OF_STATION, Select},
};

#[async_trait]
impl MessageStore for SqliteStore {
    async fn append_messages(&self, entries: Vec<MessageEntry>) -> Result<(), WriteError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.writer
            .write(move |db| {
                let mut insert = db.prepare_cached(
                    "INSERT INTO messages (station, at, direction, action, frame)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                for entry in &entries {
                    let station = identity::find_or_make(db, entry.station.as_str())?;
                    insert.execute((
                        station.no,
                        entry.at.0,
                        entry.direction.name(),
                        &entry.action,
                        &entry.frame,
                    ))?;
                }
                Ok(())
            })
            .await
    }

    async fn messages(
        &self,
        station: &StationId,
        filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<MessageEntry>, ReadError> {
        let walks = filter.action.is_some() || filter.direction.is_some() || filter.text.is_some();
        let select = select(station, filter);
        let station = station.clone();
        let read = move |db: &rusqlite::Connection| {
            select.newest(db, "at", &page, |row| {
                Ok(MessageEntry {
                    station: station.clone(),
                    at: Timestamp(row.get(1)?),
                    direction: read_name(row, 2)?,
                    action: row.get(3)?,
                    frame: row.get(4)?,
                })
            })
        };
        if walks {
            self.readers.walk(read).await
        } else {
            self.readers.read(read).await
        }
    }

    async fn prune_messages(&self, before: Timestamp, most: u32) -> Result<u32, WriteError> {
        self.writer
            .write(move |db| {
                let deleted = db
                    .prepare_cached(
                        "DELETE FROM messages WHERE no IN
                         (SELECT no FROM messages WHERE at < ?1 ORDER BY at, no LIMIT ?2)",
                    )?
                    .execute((before.0, most))?;
                Ok(u32::try_from(deleted).unwrap_or(u32::MAX))
            })
            .await
    }
}

pub(crate) fn select(station: &StationId, filter: MessageFilter) -> Select {
    let from = "SELECT no, at, direction, action, frame FROM messages";
    let mut select = Select::new(from, OF_STATION, station.to_string());
    select.and_if("at >= ?", filter.from.map(|from| from.0));
    select.and_if("at < ?", filter.to.map(|to| to.0));
    let direction = filter.direction.map(|way| way.name().to_owned());
    select.and_if("direction = ?", direction);
    select.and_if("action = ?", filter.action);
    // Both sides fold ASCII only.
    let text = filter.text.map(|text| text.to_ascii_lowercase());
    select.and_if("instr(lower(frame), ?) > 0", text);
    select
}
