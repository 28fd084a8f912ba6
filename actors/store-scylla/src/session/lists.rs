//! The lists a session is on: all of a month, and the open ones; of its station, its token, and of all. And, from its
//! end until it is recorded, those that are to be.

use futures_util::future::try_join_all;
use model::SessionId;

use super::Traits;
use crate::{ScyllaStore, buckets, cql::CqlError, ids::List};

/// The name list of the months that have sessions.
pub(crate) const MONTHS: &str = "months";

pub(crate) const STATION: &str = "station";
pub(crate) const TOKEN: &str = "token";
pub(crate) const SHARD: &str = "shard";
/// Of sessions that are to be recorded, in shards.
const TO_RECORD: &str = "to_record";

/// The lists of open sessions that one with these traits is on.
fn open_lists(id: SessionId, traits: &Traits) -> Vec<List> {
    if !traits.open {
        return Vec::new();
    }
    let token = traits.token.as_deref();
    let mut lists = vec![
        List::open(STATION, traits.station.as_str()),
        List::open(SHARD, &buckets::of_id(id.0).to_string()),
    ];
    lists.extend(token.map(|token| List::open(TOKEN, token)));
    lists
}

/// The lists of all sessions that one with these traits is on.
fn lists(id: SessionId, traits: &Traits) -> Vec<List> {
    let month = buckets::month(id.0);
    let token = traits.token.as_deref();
    let mut lists = vec![
        List::of(STATION, traits.station.as_str(), month),
        List::of(SHARD, &buckets::of_id(id.0).to_string(), month),
    ];
    lists.extend(token.map(|token| List::of(TOKEN, token, month)));
    lists
}

/// The lists of sessions that are to be recorded, of which each is on one.
pub(crate) fn to_record_lists() -> impl Iterator<Item = List> {
    (0..buckets::SHARDS).map(|shard| List::open(TO_RECORD, &shard.to_string()))
}

pub(crate) fn to_record(id: SessionId) -> List {
    List::open(TO_RECORD, &buckets::of_id(id.0).to_string())
}

fn all(id: SessionId, traits: &Traits) -> Vec<List> {
    [lists(id, traits), open_lists(id, traits)].concat()
}

impl ScyllaStore {
    /// Before a session is written: puts it on the lists that it will be on and was not (`before`:
    /// absent, where it is new).
    pub(crate) async fn put_on_lists(
        &self,
        id: SessionId,
        before: Option<&Traits>,
        now: &Traits,
        stamp: i64,
    ) -> Result<(), CqlError> {
        // After its end each entry may change what is charged.
        let record = async {
            match now.open {
                false => self.put_id(&to_record(id), id.0, stamp).await,
                true => Ok(()),
            }
        };
        if before == Some(now) {
            return record.await;
        }
        let known = before.map(|before| all(id, before)).unwrap_or_default();
        let mut wanted = all(id, now);
        wanted.retain(|list| !known.contains(list));
        let puts = wanted.iter().map(|list| self.put_id(list, id.0, stamp));
        let month = async {
            match before {
                None => {
                    self.put_name_once(MONTHS, &buckets::month(id.0).to_string())
                        .await
                }
                Some(_) => Ok(()),
            }
        };
        tokio::try_join!(try_join_all(puts), month, record)?;
        Ok(())
    }

    /// After a session was written: takes it off the lists of open ones that it is no longer on. If that
    /// fails, whoever reads the list sees it and does it.
    pub(crate) async fn take_off_lists(
        &self,
        id: SessionId,
        before: &Traits,
        now: &Traits,
        stamp: i64,
    ) {
        if before == now {
            return;
        }
        let stays = open_lists(id, now);
        let mut gone = open_lists(id, before);
        gone.retain(|list| !stays.contains(list));
        let takes = gone.iter().map(|list| self.take_id(list, id.0, stamp));
        if let Err(error) = try_join_all(takes).await {
            tracing::debug!(%error, session = %id, "a session stays on a list of open ones for now");
        }
    }
}
