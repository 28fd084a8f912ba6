//! Sessions found: by id, name, key, and by what a filter asks for.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use model::{
    RetryKey, Session, SessionEventRecord, SessionId, SessionState, StationId, StoredReading,
};
use store::{
    Committed, Page, PageRequest, ReadError, SessionCommit, SessionFilter, SessionStore, WriteError,
};
use uuid::Uuid;

use super::{
    Traits,
    begin::Sight,
    folded_token,
    head::Head,
    lists::{MONTHS, SHARD, STATION, TOKEN},
};
use crate::{
    ScyllaStore, buckets,
    cql::CqlError,
    ids::List,
    reading::{READINGS, Reading},
};

/// Sessions read side by side.
pub(crate) const ABREAST: usize = 32;
/// Ids read at once from a list, at least and at most.
pub(crate) const CHUNK: (usize, usize) = (16, 512);

#[async_trait]
impl SessionStore for ScyllaStore {
    async fn commit_session(&self, commit: SessionCommit) -> Result<Committed, WriteError> {
        self.commit(commit).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError> {
        Ok(self.head(id).await?.map(|head| head.session))
    }

    async fn session_by_transaction(
        &self,
        station: &StationId,
        transaction: &str,
    ) -> Result<Option<Session>, ReadError> {
        let found = self.called(station, transaction, Sight::Decided).await?;
        Ok(found.map(|head| self.handed_out(head)))
    }

    async fn session_by_key(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Session>, ReadError> {
        let (holder, start) = tokio::try_join!(
            self.holder(station, key),
            self.started_by(station, key, Sight::Decided),
        )?;
        Ok(holder.or(start).map(|head| self.handed_out(head)))
    }

    async fn sessions(
        &self,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>, ReadError> {
        let Ok(after) = page.place::<SessionId>() else {
            return Ok(Page::empty());
        };
        let after = after.map(|id| id.0);
        let mut found = Vec::new();
        for lists in self.lists(&filter, after).await? {
            self.find(&lists, &filter, after, page.to_read(), &mut found)
                .await?;
            if found.len() >= page.to_read() {
                break;
            }
        }
        let following = found.into_iter().map(|session| (session.id, session));
        Ok(Page::cut(&page, following))
    }

    async fn session_events(
        &self,
        id: SessionId,
        page: PageRequest,
    ) -> Result<Page<SessionEventRecord>, ReadError> {
        let Ok(after) = page.place::<i32>() else {
            return Ok(Page::empty());
        };
        let limit = i32::try_from(page.to_read()).unwrap_or(i32::MAX);
        let log = self.log(id, after.unwrap_or(0), limit).await?;
        Ok(Page::cut(&page, log))
    }

    async fn record_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError> {
        self.keep_reading(station, reading).await
    }

    async fn readings(
        &self,
        station: &StationId,
        page: PageRequest,
    ) -> Result<Page<StoredReading>, ReadError> {
        let all = |_: &Reading| true;
        let page = self.entries(&READINGS, station, &page, None..None, all);
        let page: Page<Reading> = page.await?;
        Ok(Page {
            items: page.items.into_iter().map(|reading| reading.0).collect(),
            next: page.next,
        })
    }
}

impl ScyllaStore {
    /// The session, to an actor that goes on from it.
    fn handed_out(&self, head: Head) -> Session {
        self.held.note(head.session.id, head.version);
        head.session
    }

    /// The open sessions of a station, the oldest first, to an actor that goes on from them.
    pub(crate) async fn open_of_station(
        &self,
        station: &StationId,
    ) -> Result<Vec<Session>, CqlError> {
        let list = List::open(STATION, station.as_str());
        let ids = self.newest(&[list], None, usize::MAX).await?;
        let open = self.still_open(ids, |session| session.station == *station);
        let mut open = open.await?;
        open.sort_by_key(|head| head.session.id);
        Ok(open.into_iter().map(|head| self.handed_out(head)).collect())
    }

    /// How many sessions are open that began with one of these tokens.
    pub(crate) async fn open_of_tokens(&self, folded: &HashSet<String>) -> Result<usize, CqlError> {
        let reads = folded.iter().map(|token| async move {
            let list = List::open(TOKEN, token);
            self.newest(&[list], None, usize::MAX).await
        });
        let mut ids = try_join_all(reads).await?.concat();
        ids.sort_unstable();
        ids.dedup();
        let one_of =
            |session: &Session| folded_token(session).is_some_and(|token| folded.contains(&token));
        Ok(self.still_open(ids, one_of).await?.len())
    }

    /// Those of a list of open ones that are, and that are wanted.
    async fn still_open(
        &self,
        ids: Vec<Uuid>,
        wanted: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Head>, CqlError> {
        let mut heads = self.heads(ids).await?;
        for head in &heads {
            self.mend_lists(head).await;
        }
        heads.retain(|head| head.session.state == SessionState::Active && wanted(&head.session));
        Ok(heads)
    }

    async fn heads(&self, ids: Vec<Uuid>) -> Result<Vec<Head>, CqlError> {
        let heads = stream::iter(ids).map(|id| self.head(SessionId(id)));
        let heads: Vec<Option<Head>> = heads.buffered(ABREAST).try_collect().await?;
        Ok(heads.into_iter().flatten().collect())
    }

    /// Takes a session that is over off the lists of open ones, where a hub died before it did.
    async fn mend_lists(&self, head: &Head) {
        let traits = Traits::of(&head.session);
        if traits.open {
            return;
        }
        let before = Traits {
            open: true,
            ..traits.clone()
        };
        let (id, stamp) = (head.session.id, head.version.stamp);
        self.take_off_lists(id, &before, &traits, stamp).await;
    }

    /// Where to look for what is wanted: lists that are read together, and in that order.
    async fn lists(
        &self,
        wanted: &SessionFilter,
        after: Option<Uuid>,
    ) -> Result<Vec<Vec<List>>, CqlError> {
        let shards = || (0..buckets::SHARDS).map(|shard| shard.to_string());
        let (kind, names): (_, Vec<String>) = match (&wanted.station, &wanted.token) {
            // A station has some thousands of sessions at most; many may share a token.
            (Some(station), _) => (STATION, vec![station.to_string()]),
            (None, Some(token)) => (TOKEN, vec![token.folded()]),
            (None, None) => (SHARD, shards().collect()),
        };
        if wanted.state == Some(SessionState::Active) {
            let lists = names.iter().map(|name| List::open(kind, name));
            return Ok(vec![lists.collect()]);
        }
        let months = self.months(None, after).await?;
        let of = |month| names.iter().map(move |name| List::of(kind, name, month));
        Ok(months
            .into_iter()
            .map(|month| of(month).collect())
            .collect())
    }

    /// The months that have sessions, the newest first: from that of the id `least` to that of `end`.
    pub(crate) async fn months(
        &self,
        least: Option<Uuid>,
        end: Option<Uuid>,
    ) -> Result<Vec<i32>, CqlError> {
        let known = self.following(&[MONTHS.to_owned()], "", usize::MAX).await?;
        let mut months: Vec<i32> = known
            .iter()
            .filter_map(|month| month.parse().ok())
            .collect();
        months.sort_unstable_by(|one, other| other.cmp(one));
        months.retain(|month| {
            least.is_none_or(|least| *month >= buckets::month(least))
                && end.is_none_or(|end| *month <= buckets::month(end))
        });
        Ok(months)
    }

    /// Adds what is wanted of these lists and follows `after`, until `most` are found.
    async fn find(
        &self,
        lists: &[List],
        wanted: &SessionFilter,
        mut after: Option<Uuid>,
        most: usize,
        found: &mut Vec<Session>,
    ) -> Result<(), CqlError> {
        loop {
            let limit = (most - found.len()).clamp(CHUNK.0, CHUNK.1);
            let ids = self.newest(lists, after, limit).await?;
            let is_last = ids.len() < limit;
            after = ids.last().copied().or(after);
            let heads = match wanted.state {
                Some(SessionState::Active) => self.still_open(ids, |_| true).await?,
                _ => self.heads(ids).await?,
            };
            let sessions = heads.into_iter().map(|head| head.session);
            found.extend(sessions.filter(|session| wanted.is_met(session)));
            if is_last || found.len() >= most {
                return Ok(());
            }
        }
    }
}
