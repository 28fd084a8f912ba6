//! Which session's log holds a key, and the marks of a station.
//!
//! A key's row is written before the entry it points to, so it is believed only when the entry is
//! there and bears the key.

use model::{RetryKey, SessionId, StationId};
use uuid::Uuid;

use super::head::Head;
use crate::{
    ScyllaStore,
    cql::{CqlError, Statement},
};

const PLACES: Statement =
    Statement::plain("SELECT session, no FROM ks.retry_keys WHERE station = ? AND retry_key = ?");
const POINT: Statement = Statement::plain(
    "INSERT INTO ks.retry_keys (station, retry_key, session, no) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
);
const MARKS: Statement =
    Statement::plain("SELECT last_epoch, last_number FROM ks.marks WHERE station = ?");
const RAISE_EPOCH: Statement =
    Statement::plain("INSERT INTO ks.marks (station, last_epoch) VALUES (?, ?) USING TIMESTAMP ?");
const RAISE_NUMBER: Statement =
    Statement::plain("INSERT INTO ks.marks (station, last_number) VALUES (?, ?) USING TIMESTAMP ?");

impl ScyllaStore {
    /// The session whose log holds the key.
    pub(crate) async fn holder(
        &self,
        station: &StationId,
        key: &RetryKey,
    ) -> Result<Option<Head>, CqlError> {
        let places: Vec<(Uuid, i32)> = self
            .cql
            .rows(PLACES, (station.as_str(), key.0.as_str()))
            .await?;
        for (session, no) in places {
            if let Some(head) = self.head_if(SessionId(session), no, key).await? {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Says where a key is about to be.
    pub(crate) async fn point(
        &self,
        station: &StationId,
        key: &RetryKey,
        (session, no): (SessionId, i32),
        stamp: i64,
    ) -> Result<(), CqlError> {
        let values = (station.as_str(), key.0.as_str(), session.0, no, stamp);
        self.cql.write(POINT, values).await
    }

    /// The highest epoch that wrote a session of the station, and the highest 1.6 number in use there.
    pub(crate) async fn marks(
        &self,
        station: &StationId,
    ) -> Result<(Option<i64>, Option<i32>), CqlError> {
        let row = self.cql.row(MARKS, (station.as_str(),)).await?;
        Ok(row.unwrap_or_default())
    }

    /// Raises the mark of the epoch, if it is lower.
    pub(crate) async fn raise_epoch(
        &self,
        station: &StationId,
        epoch: i64,
    ) -> Result<(), CqlError> {
        let values = (station.as_str(), epoch, epoch);
        self.cql.write(RAISE_EPOCH, values).await
    }

    /// Raises the mark of the number, if it is lower.
    pub(crate) async fn raise_number(
        &self,
        station: &StationId,
        number: i32,
    ) -> Result<(), CqlError> {
        // Numbers below 0 want a timestamp too.
        let stamp = i64::from(number) - i64::from(i32::MIN) + 1;
        let values = (station.as_str(), number, stamp);
        self.cql.write(RAISE_NUMBER, values).await
    }
}
