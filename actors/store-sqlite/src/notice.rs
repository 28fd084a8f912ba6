//! Kept messages.

use async_trait::async_trait;
use model::{StationId, Timestamp};
use store::{NoticeRecord, NoticeStore, Page, PageRequest, ReadError, WriteError};

use crate::{
    SqliteStore, identity, json,
    select::{OF_STATION, Select},
};

#[async_trait]
impl NoticeStore for SqliteStore {
    async fn record_notice(
        &self,
        station: &StationId,
        notice: NoticeRecord,
    ) -> Result<(), WriteError> {
        let station = station.clone();
        let payload = json::write(&notice.payload)?;
        self.writer
            .write(move |db| {
                let station = identity::find_or_make(db, station.as_str())?;
                db.prepare_cached(
                    "INSERT INTO notices (station, received_at, action, payload)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((station.no, notice.received_at.0, &notice.action, &payload))
                .map(drop)
            })
            .await
    }

    async fn notices(
        &self,
        station: &StationId,
        action: Option<String>,
        page: PageRequest,
    ) -> Result<Page<NoticeRecord>, ReadError> {
        let from = "SELECT no, received_at, action, payload FROM notices";
        let mut select = Select::new(from, OF_STATION, station.to_string());
        select.and_if("action = ?", action);
        self.readers
            .read(move |db| {
                select.newest(db, "received_at", &page, |row| {
                    Ok(NoticeRecord {
                        received_at: Timestamp(row.get(1)?),
                        action: row.get(2)?,
                        payload: json::read(row, 3)?,
                    })
                })
            })
            .await
    }

    async fn prune_notices(&self, before: Timestamp, most: u32) -> Result<u32, WriteError> {
        self.writer
            .write(move |db| {
                let deleted = db
                    .prepare_cached(
                        "DELETE FROM notices WHERE no IN (SELECT no FROM notices
                         WHERE received_at < ?1 ORDER BY received_at, no LIMIT ?2)",
                    )?
                    .execute((before.0, most))?;
                Ok(u32::try_from(deleted).unwrap_or(u32::MAX))
            })
            .await
    }
}
