//! Readings outside sessions. Where a reading stands is claimed once by its key, before the row is
//! written: sent again, it finds its place, and the row there or the place still empty.

use model::{StationId, StoredReading, Timestamp};
use store::{TimePlace, WriteError};

use crate::{
    ScyllaStore, buckets,
    cql::{CqlError, Statement},
    json,
    time_log::{Entry, Log, log},
};

pub(crate) const READINGS: Log = log!("readings");

const CLAIM: Statement = Statement::once(
    "INSERT INTO ks.reading_keys (station, retry_key, at, no) VALUES (?, ?, ?, ?) IF NOT EXISTS",
);
const PLACE: Statement =
    Statement::serial("SELECT at, no FROM ks.reading_keys WHERE station = ? AND retry_key = ?");
const THERE: Statement = Statement::plain(
    "SELECT no FROM ks.readings WHERE station = ? AND day = ? AND at = ? AND no = ?",
);

const FOR_EVER: i32 = 0;

/// A reading as it is kept.
pub(crate) struct Reading(pub(crate) StoredReading);

impl Entry for Reading {
    fn columns(&self) -> Result<(String, String), WriteError> {
        Ok((self.0.retry_key.0.clone(), json::write(&self.0)?))
    }

    fn read(_: &StationId, _: Timestamp, _: &str, body: String) -> Result<Self, CqlError> {
        json::read(&body).map(Self)
    }
}

impl ScyllaStore {
    /// Keeps a reading, unless its key is there.
    pub(crate) async fn keep_reading(
        &self,
        station: &StationId,
        reading: StoredReading,
    ) -> Result<(), WriteError> {
        let mut place = TimePlace {
            at: reading.received_at,
            no: self.numbers.next(),
        };
        let key = reading.retry_key.0.clone();
        let (name, key) = (station.as_str(), key.as_str());
        let claim = (name, key, place.at.0, place.no);
        if !self.cql.once(CLAIM, claim).await? {
            let claimed: Option<(i64, i64)> = self.cql.row(PLACE, (name, key)).await?;
            let Some((at, no)) = claimed else {
                return Err(WriteError::Unknown(
                    "a reading's place was refused, and nobody has it".into(),
                ));
            };
            place = TimePlace {
                at: Timestamp(at),
                no,
            };
            let there = (name, buckets::day(place.at), at, no);
            if self.cql.row::<(i64,)>(THERE, there).await?.is_some() {
                return Ok(());
            }
        }
        let columns = Reading(reading).columns()?;
        self.log_row(&READINGS, station, place, &columns, FOR_EVER)
            .await?;
        Ok(())
    }
}
