//! Which partition a row goes to, where a list would grow too large for one.

use chrono::{DateTime, Datelike};
use model::Timestamp;
use uuid::Uuid;

/// How many partitions share a list that all stations are in.
pub(crate) const SHARDS: u8 = 16;

const DAY_MS: i64 = 86_400_000;

/// The month an id was made in, as 202611 (the first 48 bits of a UUID version 7 are ms since 1970).
pub(crate) fn month(id: Uuid) -> i32 {
    let ms = i64::from_be_bytes(std::array::from_fn(|i| match i {
        0 | 1 => 0,
        _ => id.as_bytes()[i - 2],
    }));
    let at = DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH);
    at.year() * 100 + i32::try_from(at.month()).unwrap_or(1)
}

/// The day of a time, counted from 1970-01-01.
pub(crate) fn day(at: Timestamp) -> i32 {
    let day = at.0.div_euclid(DAY_MS);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// The shard of an id.
pub(crate) fn of_id(id: Uuid) -> u8 {
    id.as_bytes()[15] % SHARDS
}

/// The shard of a name.
pub(crate) fn of_name(name: &str) -> u8 {
    let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
    (hash % u64::from(SHARDS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_month() {
        let of =
            |ms: u64| month(uuid::Builder::from_unix_timestamp_millis(ms, &[255; 10]).into_uuid());
        // 2026-11-24T00:00:00Z, the last ms of that year, and the first ever.
        assert_eq!(of(1_795_478_400_000), 202_611);
        assert_eq!(of(1_798_761_599_999), 202_612);
        assert_eq!(of(0), 197_001);
    }

    #[test]
    fn a_day_ends_at_midnight_before_and_after_1970() {
        assert_eq!(day(Timestamp(DAY_MS - 1)), 0);
        assert_eq!(day(Timestamp(DAY_MS)), 1);
        assert_eq!(day(Timestamp(-1)), -1);
        assert_eq!(day(Timestamp(i64::MAX)), i32::MAX);
    }
}
