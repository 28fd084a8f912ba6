//! The message log.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Direction, MessageEntry, StationId, Timestamp};
use store::{MessageFilter, MessageStore, Page, PageRequest, ReadError, TimePlace, WriteError};

use crate::{
    ScyllaStore,
    cql::CqlError,
    time_log::{Entry, Log, log},
};

const MESSAGES: Log = log!("messages");
/// Rows written side by side.
const ABREAST: usize = 128;

impl Entry for MessageEntry {
    fn columns(&self) -> Result<(String, String), WriteError> {
        let direction = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        Ok((format!("{direction} {}", self.action), self.frame.clone()))
    }

    fn read(
        station: &StationId,
        at: Timestamp,
        heading: &str,
        body: String,
    ) -> Result<Self, CqlError> {
        let (direction, action) = match heading.split_once(' ') {
            Some(("in", action)) => (Direction::In, action),
            Some(("out", action)) => (Direction::Out, action),
            _ => return Err(CqlError::unreadable(&format!("{heading:?} is no heading"))),
        };
        Ok(Self {
            station: station.clone(),
            at,
            direction,
            action: action.to_owned(),
            frame: body,
        })
    }
}

#[async_trait]
impl MessageStore for ScyllaStore {
    async fn append_messages(&self, entries: Vec<MessageEntry>) -> Result<(), WriteError> {
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let (at, no) = (entry.at, self.numbers.next());
            rows.push((entry.columns()?, entry.station, TimePlace { at, no }));
        }
        let write = async |(columns, station, place): (_, StationId, _)| {
            self.log_row(&MESSAGES, &station, place, &columns, self.log_ttl_s)
                .await
        };
        stream::iter(rows)
            .map(write)
            .buffer_unordered(ABREAST)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    async fn messages(
        &self,
        station: &StationId,
        filter: MessageFilter,
        page: PageRequest,
    ) -> Result<Page<MessageEntry>, ReadError> {
        let text = filter.text.map(|text| text.to_ascii_lowercase());
        let wanted = |entry: &MessageEntry| {
            filter.direction.is_none_or(|way| way == entry.direction)
                && filter.action.as_ref().is_none_or(|it| *it == entry.action)
                && text
                    .as_ref()
                    .is_none_or(|text| entry.frame.to_ascii_lowercase().contains(text))
        };
        let times = filter.from..filter.to;
        Ok(self
            .entries(&MESSAGES, station, &page, times, wanted)
            .await?)
    }

    async fn prune_messages(&self, before: Timestamp, most: u32) -> Result<u32, WriteError> {
        Ok(self.prune(&MESSAGES, before, most).await?)
    }
}
