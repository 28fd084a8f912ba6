//! Kept messages.

use async_trait::async_trait;
use model::{StationId, Timestamp};
use store::{NoticeRecord, NoticeStore, Page, PageRequest, ReadError, TimePlace, WriteError};

use crate::{
    ScyllaStore,
    cql::CqlError,
    json,
    time_log::{Entry, Log, log},
};

const NOTICES: Log = log!("notices");

impl Entry for NoticeRecord {
    fn columns(&self) -> Result<(String, String), WriteError> {
        Ok((self.action.clone(), json::write(&self.payload)?))
    }

    fn read(_: &StationId, at: Timestamp, heading: &str, body: String) -> Result<Self, CqlError> {
        Ok(Self {
            received_at: at,
            action: heading.to_owned(),
            payload: json::read(&body)?,
        })
    }
}

#[async_trait]
impl NoticeStore for ScyllaStore {
    async fn record_notice(
        &self,
        station: &StationId,
        notice: NoticeRecord,
    ) -> Result<(), WriteError> {
        let place = TimePlace {
            at: notice.received_at,
            no: self.numbers.next(),
        };
        let columns = notice.columns()?;
        self.log_row(&NOTICES, station, place, &columns, self.log_ttl_s)
            .await?;
        Ok(())
    }

    async fn notices(
        &self,
        station: &StationId,
        action: Option<String>,
        page: PageRequest,
    ) -> Result<Page<NoticeRecord>, ReadError> {
        let wanted = |notice: &NoticeRecord| {
            let action = action.as_ref();
            action.is_none_or(|action| *action == notice.action)
        };
        Ok(self
            .entries(&NOTICES, station, &page, None..None, wanted)
            .await?)
    }

    async fn prune_notices(&self, before: Timestamp, most: u32) -> Result<u32, WriteError> {
        Ok(self.prune(&NOTICES, before, most).await?)
    }
}
