//! Commands.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{CommandId, CommandRecord, CommandState, StationId};
use store::{CommandStore, Page, PageRequest, ReadError, WriteError};
use uuid::Uuid;

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
    ids::List,
    json, numbers,
};

const READ: Statement = Statement::plain("SELECT unfinished, final FROM ks.commands WHERE id = ?");
const PUT: Statement = Statement::plain("INSERT INTO ks.commands (id, unfinished) VALUES (?, ?)");
const FINISH: Statement = Statement::plain("INSERT INTO ks.commands (id, final) VALUES (?, ?)");

/// Commands read side by side.
const ABREAST: usize = 32;

fn of_station(station: &StationId) -> List {
    List::of("commands", station.as_str(), 0)
}

/// All that are not finished.
fn unfinished() -> List {
    List::open("commands", "unfinished")
}

impl ScyllaStore {
    async fn read_command(&self, id: Uuid) -> Result<Option<CommandRecord>, CqlError> {
        let row: Option<(Option<String>, Option<String>)> = self.cql.row(READ, (id,)).await?;
        let text = row.and_then(|(unfinished, last)| last.or(unfinished));
        text.map(|text| json::read(&text)).transpose()
    }

    async fn put(&self, record: &CommandRecord) -> Result<(), WriteError> {
        let (id, stamp) = (record.id.0, self.numbers.next());
        let text = json::write(record)?;
        let list = of_station(&record.station);
        let listed = self.put_id(&list, id, stamp).await;
        listed.map_err(CqlError::before_writing)?;
        if record.state.is_final() {
            self.cql.write(FINISH, (id, text)).await?;
            self.take_id(&unfinished(), id, stamp).await?;
        } else {
            let listed = self.put_id(&unfinished(), id, stamp).await;
            listed.map_err(CqlError::before_writing)?;
            self.cql.write(PUT, (id, text)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl CommandStore for ScyllaStore {
    async fn put_command(&self, record: CommandRecord) -> Result<(), WriteError> {
        self.put(&record).await
    }

    async fn command(&self, id: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        Ok(self.read_command(id.0).await?)
    }

    async fn commands(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<CommandRecord>, ReadError> {
        let Ok(after) = page.place::<CommandId>() else {
            return Ok(Page::empty());
        };
        let list = of_station(station);
        let mut after = after.map(|id| id.0);
        let mut found = Vec::new();
        loop {
            let limit = page.to_read() - found.len();
            let ids = self
                .newest(std::slice::from_ref(&list), after, limit)
                .await?;
            let is_last = ids.len() < limit;
            after = ids.last().copied().or(after);
            let records = stream::iter(ids).map(|id| self.read_command(id));
            let records: Vec<Option<CommandRecord>> =
                records.buffered(ABREAST).try_collect().await?;
            found.extend(records.into_iter().flatten());
            if is_last || found.len() >= page.to_read() {
                break;
            }
        }
        let following = found.into_iter().map(|record| (record.id, record));
        Ok(Page::cut(&page, following))
    }

    /// Only those that have expired: others may be under way at another hub.
    async fn close_unfinished_commands(&self, error: &str) -> Result<u32, WriteError> {
        let read = self.newest(&[unfinished()], None, usize::MAX).await;
        let ids = read.map_err(CqlError::before_writing)?;
        let now = numbers::now();
        let mut closed = 0;
        for id in ids {
            match self.read_command(id).await? {
                Some(record) if record.state.is_final() => {
                    self.take_id(&unfinished(), id, self.numbers.next()).await?;
                }
                Some(record) if record.expires_at <= now => {
                    self.put(&CommandRecord {
                        state: CommandState::Expired,
                        error: Some(error.to_owned()),
                        ..record
                    })
                    .await?;
                    closed += 1;
                }
                Some(_) | None => {}
            }
        }
        Ok(closed)
    }
}
