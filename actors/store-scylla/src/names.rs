//! Lists of names, ascending. A list that all stations or tokens are on is spread over shards.

use std::sync::PoisonError;

use futures_util::future::try_join_all;

use crate::{
    ScyllaStore, buckets,
    cql::{CqlError, Statement},
};

const PUT: Statement = Statement::plain("INSERT INTO ks.names (list, name) VALUES (?, ?)");
const TAKE: Statement = Statement::plain("DELETE FROM ks.names WHERE list = ? AND name = ?");
const READ: Statement =
    Statement::plain("SELECT name FROM ks.names WHERE list = ? AND name > ? LIMIT ?");

/// The shards of a list.
pub(crate) fn shards(list: &str) -> Vec<String> {
    (0..buckets::SHARDS)
        .map(|shard| format!("{list}/{shard}"))
        .collect()
}

/// The shard of a list that a name is on.
pub(crate) fn shard(list: &str, name: &str) -> String {
    format!("{list}/{}", buckets::of_name(name))
}

impl ScyllaStore {
    pub(crate) async fn put_name(&self, list: &str, name: &str) -> Result<(), CqlError> {
        self.cql.write(PUT, (list, name)).await
    }

    /// As [`Self::put_name`], where there is a list for it.
    pub(crate) async fn put_name_if(&self, list: Option<&str>, name: &str) -> Result<(), CqlError> {
        match list {
            Some(list) => self.put_name(list, name).await,
            None => Ok(()),
        }
    }

    /// As [`Self::put_name`], of one that is never taken off: not asked of the cluster twice.
    pub(crate) async fn put_name_once(&self, list: &str, name: &str) -> Result<(), CqlError> {
        let key = (list.to_owned(), name.to_owned());
        let known = || {
            self.put_names
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if known().contains(&key) {
            return Ok(());
        }
        self.put_name(list, name).await?;
        known().insert(key);
        Ok(())
    }

    pub(crate) async fn take_name(&self, list: &str, name: &str) -> Result<(), CqlError> {
        self.cql.write(TAKE, (list, name)).await
    }

    /// Up to `limit` names that follow `after` in these lists together.
    pub(crate) async fn following(
        &self,
        lists: &[String],
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, CqlError> {
        let most = i32::try_from(limit).unwrap_or(i32::MAX);
        let reads = lists.iter().map(|list| {
            self.cql
                .rows::<(String,)>(READ, (list.as_str(), after, most))
        });
        let rows = try_join_all(reads).await?.concat();
        let mut names: Vec<String> = rows.into_iter().map(|(name,)| name).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(limit);
        Ok(names)
    }
}
