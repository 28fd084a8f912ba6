//! Lists of ids, the newest first.

use futures_util::future::try_join_all;
use uuid::Uuid;

use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
};

const PUT: Statement = Statement::plain(
    "INSERT INTO ks.lists (kind, name, bucket, id) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
);
const PUT_OPEN: Statement = Statement::plain(
    "INSERT INTO ks.open_lists (kind, name, id) VALUES (?, ?, ?) USING TIMESTAMP ?",
);
const TAKE_OPEN: Statement = Statement::plain(
    "DELETE FROM ks.open_lists USING TIMESTAMP ? WHERE kind = ? AND name = ? AND id = ?",
);
const READ: Statement = Statement::plain(
    "SELECT id FROM ks.lists WHERE kind = ? AND name = ? AND bucket = ? AND id < ? LIMIT ?",
);
const READ_OPEN: Statement =
    Statement::plain("SELECT id FROM ks.open_lists WHERE kind = ? AND name = ? AND id < ? LIMIT ?");

/// Sorts after every id.
const END: [u8; 17] = [0xff; 17];

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    kind: &'static str,
    name: String,
    /// Absent: a list of what is there for a while.
    bucket: Option<i32>,
}

impl List {
    /// A list that only grows.
    pub(crate) fn of(kind: &'static str, name: &str, bucket: i32) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            bucket: Some(bucket),
        }
    }

    /// A list of what is there for a while.
    pub(crate) fn open(kind: &'static str, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            bucket: None,
        }
    }
}

impl ScyllaStore {
    pub(crate) async fn put_id(&self, list: &List, id: Uuid, stamp: i64) -> Result<(), CqlError> {
        let (name, id) = (list.name.as_str(), id.as_bytes().as_slice());
        match list.bucket {
            Some(bucket) => {
                let values = (list.kind, name, bucket, id, stamp);
                self.cql.write(PUT, values).await
            }
            None => {
                let values = (list.kind, name, id, stamp);
                self.cql.write(PUT_OPEN, values).await
            }
        }
    }

    /// Takes an id off a list of what is there for a while.
    pub(crate) async fn take_id(&self, list: &List, id: Uuid, stamp: i64) -> Result<(), CqlError> {
        let values = (
            stamp,
            list.kind,
            list.name.as_str(),
            id.as_bytes().as_slice(),
        );
        self.cql.write(TAKE_OPEN, values).await
    }

    /// Up to `limit` ids that follow `after` in these lists together.
    pub(crate) async fn newest(
        &self,
        lists: &[List],
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Uuid>, CqlError> {
        let reads = lists.iter().map(|list| self.ids(list, after, limit));
        let mut ids = try_join_all(reads).await?.concat();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.dedup();
        ids.truncate(limit);
        Ok(ids)
    }

    async fn ids(
        &self,
        list: &List,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Uuid>, CqlError> {
        let after = after.map_or_else(|| END.to_vec(), |id| id.as_bytes().to_vec());
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (kind, name) = (list.kind, list.name.as_str());
        let rows: Vec<(Vec<u8>,)> = match list.bucket {
            Some(bucket) => {
                let values = (kind, name, bucket, after, limit);
                self.cql.rows(READ, values).await?
            }
            None => self.cql.rows(READ_OPEN, (kind, name, after, limit)).await?,
        };
        rows.into_iter()
            .map(|(id,)| Uuid::from_slice(&id).map_err(|error| CqlError::unreadable(&error)))
            .collect()
    }
}
