//! Logs of a station, the newest first: messages, notices, readings. A partition a station and day; an
//! index says which days there are.

use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt, stream};
use model::{StationId, Timestamp};
use store::{NoSuchPlace, Page, PageRequest, TimePlace};

use crate::{
    ScyllaStore, buckets,
    cql::{CqlError, Statement},
};

const INDEX: Statement = Statement::plain(
    "INSERT INTO ks.days (log, owner, day, station) VALUES (?, ?, ?, ?) USING TTL ?",
);
const DAYS: Statement =
    Statement::plain("SELECT day, station FROM ks.days WHERE log = ? AND owner = ? AND day <= ?");
const FORGET: Statement =
    Statement::plain("DELETE FROM ks.days WHERE log = ? AND owner = ? AND day = ? AND station = ?");

/// Rows read at once, at least and at most.
const CHUNK: (usize, usize) = (16, 500);
/// Rows deleted side by side.
const ABREAST: usize = 64;
/// What the index outlives the rows by: they were written on its day, it perhaps at the beginning.
const INDEX_MORE_S: i32 = 2 * 86_400;

/// The table of a log.
pub(crate) struct Log {
    pub(crate) name: &'static str,
    pub(crate) insert: Statement,
    pub(crate) read: Statement,
    pub(crate) oldest: Statement,
    pub(crate) delete: Statement,
}

/// The statements on the table of that name.
macro_rules! log {
    ($table:literal) => {
        $crate::time_log::Log {
            name: $table,
            insert: $crate::cql::Statement::plain(concat!(
                "INSERT INTO ks.",
                $table,
                " (station, day, at, no, heading, body) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
            )),
            read: $crate::cql::Statement::plain(concat!(
                "SELECT at, no, heading, body FROM ks.",
                $table,
                " WHERE station = ? AND day = ? AND (at, no) < (?, ?) AND (at, no) >= (?, ?) LIMIT ?"
            )),
            oldest: $crate::cql::Statement::plain(concat!(
                "SELECT at, no FROM ks.",
                $table,
                " WHERE station = ? AND day = ? AND (at, no) < (?, ?)",
                " ORDER BY at ASC, no ASC LIMIT ?"
            )),
            delete: $crate::cql::Statement::plain(concat!(
                "DELETE FROM ks.",
                $table,
                " WHERE station = ? AND day = ? AND at = ? AND no = ?"
            )),
        }
    };
}
pub(crate) use log;

/// What a log holds.
pub(crate) trait Entry: Sized {
    /// Its columns `heading` and `body`.
    fn columns(&self) -> Result<(String, String), store::WriteError>;
    /// From its columns.
    fn read(
        station: &StationId,
        at: Timestamp,
        heading: &str,
        body: String,
    ) -> Result<Self, CqlError>;
}

impl ScyllaStore {
    /// Writes a row, kept for `ttl_s` (0: for ever). Done twice, it is done once.
    pub(crate) async fn log_row(
        &self,
        log: &Log,
        station: &StationId,
        place: TimePlace,
        (heading, body): &(String, String),
        ttl_s: i32,
    ) -> Result<(), CqlError> {
        let day = buckets::day(place.at);
        self.index_day(log, station, day, ttl_s).await?;
        let values = (
            station.as_str(),
            day,
            place.at.0,
            place.no,
            heading.as_str(),
            body.as_str(),
            ttl_s,
        );
        self.cql.write(log.insert, values).await
    }

    async fn index_day(
        &self,
        log: &Log,
        station: &StationId,
        day: i32,
        ttl_s: i32,
    ) -> Result<(), CqlError> {
        if self.indexed.holds(log.name, station, day) {
            return Ok(());
        }
        let ttl_s = match ttl_s {
            0 => 0,
            ttl_s => ttl_s.saturating_add(INDEX_MORE_S),
        };
        let (station, shard) = (station.as_str(), shard(buckets::of_name(station.as_str())));
        let of_station = of_station(station);
        tokio::try_join!(
            self.cql
                .write(INDEX, (log.name, of_station.as_str(), day, "", ttl_s)),
            self.cql
                .write(INDEX, (log.name, shard.as_str(), day, station, ttl_s)),
        )?;
        self.indexed.note(log.name, station, day);
        Ok(())
    }

    /// A station's rows that are wanted, the newest first, from a time on and before another.
    pub(crate) async fn entries<E: Entry>(
        &self,
        log: &Log,
        station: &StationId,
        page: &PageRequest,
        times: Range<Option<Timestamp>>,
        wanted: impl Fn(&E) -> bool,
    ) -> Result<Page<E>, CqlError> {
        let after = match page.place::<TimePlace>() {
            Ok(after) => after,
            Err(NoSuchPlace) => return Ok(Page::empty()),
        };
        let first_of = |at| TimePlace { at, no: i64::MIN };
        let mut before = first_of(times.end.unwrap_or(Timestamp(i64::MAX)));
        before = after.map_or(before, |after| before.min(after));
        let from = first_of(times.start.unwrap_or(Timestamp(i64::MIN)));
        let mut found = Vec::new();
        for day in self.days(log, station, before.at).await? {
            if day < buckets::day(from.at) {
                break;
            }
            let mut before = before;
            loop {
                let limit = (page.to_read() - found.len()).clamp(CHUNK.0, CHUNK.1);
                let rows = self.day(log, station, day, from..before, limit).await?;
                let is_last = rows.len() < limit;
                for (place, heading, body) in rows {
                    before = place;
                    let entry = E::read(station, place.at, &heading, body)?;
                    if wanted(&entry) {
                        found.push((place, entry));
                    }
                }
                if found.len() >= page.to_read() {
                    return Ok(Page::cut(page, found));
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(Page::cut(page, found))
    }

    /// The days of a station's log up to that of a time, the latest first.
    async fn days(
        &self,
        log: &Log,
        station: &StationId,
        to: Timestamp,
    ) -> Result<Vec<i32>, CqlError> {
        let owner = of_station(station.as_str());
        let values = (log.name, owner.as_str(), buckets::day(to));
        let rows: Vec<(i32, String)> = self.cql.rows(DAYS, values).await?;
        Ok(rows.into_iter().rev().map(|(day, _)| day).collect())
    }

    async fn day(
        &self,
        log: &Log,
        station: &StationId,
        day: i32,
        places: Range<TimePlace>,
        limit: usize,
    ) -> Result<Vec<(TimePlace, String, String)>, CqlError> {
        let (from, before) = (places.start, places.end);
        let values = (
            station.as_str(),
            day,
            before.at.0,
            before.no,
            from.at.0,
            from.no,
            i32::try_from(limit).unwrap_or(i32::MAX),
        );
        let rows: Vec<(i64, i64, String, String)> = self.cql.rows(log.read, values).await?;
        let place = |at, no| TimePlace {
            at: Timestamp(at),
            no,
        };
        Ok(rows
            .into_iter()
            .map(|(at, no, heading, body)| (place(at, no), heading, body))
            .collect())
    }

    /// Deletes up to `most` rows older than `before`, day by day; returns how many. What has a time to live
    /// goes by itself; this is for what is to go earlier.
    pub(crate) async fn prune(
        &self,
        log: &Log,
        before: Timestamp,
        most: u32,
    ) -> Result<u32, CqlError> {
        let mut days = Vec::new();
        for owner in (0..buckets::SHARDS).map(shard) {
            let values = (log.name, owner.as_str(), buckets::day(before));
            let rows: Vec<(i32, String)> = self.cql.rows(DAYS, values).await?;
            days.extend(rows.into_iter().map(|(day, of)| (day, owner.clone(), of)));
        }
        days.sort_unstable();
        let mut left = most;
        for (day, owner, station) in days {
            if left == 0 {
                break;
            }
            let limit = i32::try_from(left).unwrap_or(i32::MAX);
            let values = (station.as_str(), day, before.0, i64::MIN, limit);
            let rows: Vec<(i64, i64)> = self.cql.rows(log.oldest, values).await?;
            let deleted = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            let station = station.as_str();
            stream::iter(rows)
                .map(|(at, no)| self.cql.write(log.delete, (station, day, at, no)))
                .buffer_unordered(ABREAST)
                .try_collect::<()>()
                .await?;
            let is_empty = deleted < left && day < buckets::day(before);
            left -= deleted;
            if is_empty {
                let of_station = of_station(station);
                tokio::try_join!(
                    self.cql
                        .write(FORGET, (log.name, owner.as_str(), day, station)),
                    self.cql
                        .write(FORGET, (log.name, of_station.as_str(), day, "")),
                )?;
                self.indexed.forget(log.name, station, day);
            }
        }
        Ok(most - left)
    }
}

fn of_station(station: &str) -> String {
    format!("station/{station}")
}

fn shard(shard: u8) -> String {
    format!("shard/{shard}")
}
