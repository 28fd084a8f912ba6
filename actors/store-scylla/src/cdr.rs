//! Charge detail records: each claimed once by its id, found through lists that are written before. And the sessions
//! that are to be recorded: put on their list before the entry that was the reason, with its timestamp, and taken off
//! with that of the entry they were recorded after; so a later entry keeps them there.

use async_trait::async_trait;
use futures_util::{
    StreamExt, TryStreamExt,
    future::{try_join, try_join_all},
    stream,
};
use model::{CdrId, ChargeDetailRecord, SessionId, SessionState, TokenUid};
use store::{
    CdrCreated, CdrFilter, CdrStore, Page, PageRequest, ReadError, SessionToRecord, WriteError,
    check_cdr,
};
use uuid::Uuid;

use crate::{
    ScyllaStore, buckets,
    cql::{CqlError, Statement},
    ids::List,
    json,
    session::{
        find::{ABREAST, CHUNK},
        lists::{MONTHS, to_record, to_record_lists},
    },
};

const CREATE: Statement =
    Statement::once("INSERT INTO ks.cdrs (id, record) VALUES (?, ?) IF NOT EXISTS");
const READ: Statement = Statement::plain("SELECT record FROM ks.cdrs WHERE id = ?");
const READ_SERIAL: Statement = Statement::serial("SELECT record FROM ks.cdrs WHERE id = ?");

const STATION: &str = "cdrs_station";
const TOKEN: &str = "cdrs_token";
const SHARD: &str = "cdrs_shard";

/// The lists a record is on: of its station, its token, and of all.
fn lists_of(record: &ChargeDetailRecord) -> Vec<List> {
    let (id, token) = (record.id.0, record.token.as_ref());
    let month = buckets::month(id);
    let mut lists = vec![
        List::of(STATION, record.station.as_str(), month),
        List::of(SHARD, &buckets::of_id(id).to_string(), month),
    ];
    lists.extend(token.map(|token| List::of(TOKEN, &token.uid.folded(), month)));
    lists
}

impl ScyllaStore {
    async fn read_cdr(
        &self,
        read: Statement,
        id: Uuid,
    ) -> Result<Option<ChargeDetailRecord>, CqlError> {
        let row: Option<(String,)> = self.cql.row(read, (id,)).await?;
        row.map(|(record,)| json::read(&record)).transpose()
    }

    /// The lists that the records are on which are wanted, by month, the newest first.
    async fn lists_with(
        &self,
        wanted: &CdrFilter,
        end: Option<Uuid>,
    ) -> Result<Vec<Vec<List>>, CqlError> {
        let shards = || (0..buckets::SHARDS).map(|shard| shard.to_string());
        let (kind, names): (_, Vec<String>) =
            match (&wanted.session, &wanted.station, &wanted.token) {
                (Some(session), _, _) => {
                    let shard = buckets::of_id(CdrId::of(*session, 0).0);
                    (SHARD, vec![shard.to_string()])
                }
                (None, Some(station), _) => (STATION, vec![station.to_string()]),
                (None, None, Some(token)) => (TOKEN, vec![TokenUid::folded(token)]),
                (None, None, None) => (SHARD, shards().collect()),
            };
        let least = wanted.least().map(|id| id.0);
        let months = match wanted.session {
            // A session's records are all of the month that its own id is of.
            Some(session) => vec![buckets::month(session.0)],
            None => self.months(least, end).await?,
        };
        let of = |month| names.iter().map(move |name| List::of(kind, name, month));
        let lists = months.into_iter().map(|month| of(month).collect());
        Ok(lists.collect())
    }

    /// Adds what is wanted of these lists and comes before `end`, until `most` are found.
    async fn find_cdrs(
        &self,
        lists: &[List],
        wanted: &CdrFilter,
        mut end: Option<Uuid>,
        most: usize,
        found: &mut Vec<ChargeDetailRecord>,
    ) -> Result<(), CqlError> {
        let least = wanted.least().map(|id| id.0);
        loop {
            let limit = (most - found.len()).clamp(CHUNK.0, CHUNK.1);
            let mut ids = self.newest(lists, end, limit).await?;
            end = ids.last().copied().or(end);
            ids.retain(|id| least.is_none_or(|least| *id >= least));
            let is_last = ids.len() < limit;
            let records = stream::iter(ids).map(|id| self.read_cdr(READ, id));
            let records: Vec<_> = records.buffered(ABREAST).try_collect().await?;
            let records = records.into_iter().flatten();
            found.extend(records.filter(|record| wanted.is_met(record)));
            if is_last || found.len() >= most {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl CdrStore for ScyllaStore {
    async fn create_cdr(&self, record: ChargeDetailRecord) -> Result<CdrCreated, WriteError> {
        check_cdr(&record)?;
        // One at a time of a station in this process: they would only get in each other's way.
        let _turn = self.starting.turn(&record.station).await;
        let (id, text) = (record.id.0, json::write(&record)?);
        let lists = lists_of(&record);
        let stamp = self.numbers.next();
        let puts = lists.iter().map(|list| self.put_id(list, id, stamp));
        let month = buckets::month(id).to_string();
        let listed = try_join(try_join_all(puts), self.put_name_once(MONTHS, &month)).await;
        listed.map_err(CqlError::before_writing)?;
        if self.cql.once(CREATE, (id, text)).await? {
            return Ok(CdrCreated::Written);
        }
        match self.read_cdr(READ_SERIAL, id).await? {
            Some(kept) => Ok(CdrCreated::instead(&record, kept)),
            None => Err(WriteError::Unknown(
                "a charge detail record was refused, and there is none of its id".into(),
            )),
        }
    }

    async fn cdr(&self, id: CdrId) -> Result<Option<ChargeDetailRecord>, ReadError> {
        Ok(self.read_cdr(READ, id.0).await?)
    }

    async fn cdrs(
        &self,
        filter: CdrFilter,
        page: PageRequest,
    ) -> Result<Page<ChargeDetailRecord>, ReadError> {
        let Ok(after) = page.place::<CdrId>() else {
            return Ok(Page::empty());
        };
        let end = filter.end().into_iter().chain(after).min();
        let end = end.map(|id| id.0);
        let mut found = Vec::new();
        for lists in self.lists_with(&filter, end).await? {
            self.find_cdrs(&lists, &filter, end, page.to_read(), &mut found)
                .await?;
            if found.len() >= page.to_read() {
                break;
            }
        }
        let following = found.into_iter().map(|record| (record.id, record));
        Ok(Page::cut(&page, following))
    }

    async fn sessions_to_record(&self, page: PageRequest) -> Result<Page<SessionId>, ReadError> {
        let Ok(after) = page.place::<SessionId>() else {
            return Ok(Page::empty());
        };
        let lists: Vec<List> = to_record_lists().collect();
        let after = after.map(|id| id.0);
        let ids = self.newest(&lists, after, page.to_read()).await?;
        let following = ids.into_iter().map(|id| (SessionId(id), SessionId(id)));
        Ok(Page::cut(&page, following))
    }

    async fn session_to_record(&self, id: SessionId) -> Result<Option<SessionToRecord>, ReadError> {
        let head = self.head(id).await?;
        let over = head.filter(|head| head.session.state == SessionState::Ended);
        Ok(over.map(|head| SessionToRecord {
            session: head.session,
            version: head.version.stamp,
        }))
    }

    async fn recorded(&self, id: SessionId, version: i64) -> Result<(), WriteError> {
        Ok(self.take_id(&to_record(id), id.0, version).await?)
    }
}
