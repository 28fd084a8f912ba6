//! The mark of a keyspace that something is copied into. It is there before the first row and goes when all has arrived,
//! so that no hub takes a part for the whole ([`crate::ScyllaStore::open`]).

use model::Timestamp;
use store::{ReadError, WriteError};

use crate::{
    ScyllaStore,
    cql::{Cql, CqlError, Statement},
    numbers,
};

const MARK: Statement = Statement::once(
    "INSERT INTO ks.unfinished_copy (bucket, origin, began_at) VALUES (0, ?, ?) IF NOT EXISTS",
);
const READ: Statement =
    Statement::serial("SELECT origin, began_at FROM ks.unfinished_copy WHERE bucket = 0");
const UNMARK: Statement =
    Statement::once("DELETE FROM ks.unfinished_copy WHERE bucket = 0 IF EXISTS");

/// A copy that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedCopy {
    /// What is copied, as whoever began it called it.
    pub origin: String,
    /// When the first try began.
    pub began_at: Timestamp,
}

pub(crate) async fn unfinished(cql: &Cql) -> Result<Option<UnfinishedCopy>, CqlError> {
    let row: Option<(String, i64)> = cql.row(READ, ()).await?;
    Ok(row.map(|(origin, began_at)| UnfinishedCopy {
        origin,
        began_at: Timestamp(began_at),
    }))
}

impl ScyllaStore {
    /// The copy into this keyspace that has not come to its end, if there is one.
    ///
    /// # Errors
    /// The cluster cannot be read.
    pub async fn unfinished_copy(&self) -> Result<Option<UnfinishedCopy>, ReadError> {
        Ok(unfinished(&self.cql).await?)
    }

    /// Notes that a copy of `origin` begins; one that has begun already stays noted. On `Ok` no hub takes the keyspace
    /// for whole.
    ///
    /// # Errors
    /// It is not certain to be noted.
    pub async fn begin_copy(&self, origin: &str) -> Result<(), WriteError> {
        let values = (origin, numbers::now().0);
        self.cql.once(MARK, values).await?;
        Ok(())
    }

    /// Notes that all has arrived: hubs may use the keyspace.
    ///
    /// # Errors
    /// It is not certain to be noted.
    pub async fn end_copy(&self) -> Result<(), WriteError> {
        self.cql.once(UNMARK, ()).await?;
        Ok(())
    }
}
