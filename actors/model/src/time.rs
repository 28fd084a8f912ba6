//! Points in time: milliseconds since 1970, UTC. Only `actors::clock` asks what time it is.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 with
/// milliseconds (`2026-11-24T09:30:00.000Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.000Z"))]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds from `earlier` to `self`; negative when `earlier` is later.
    pub fn ms_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time and `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339; a time beyond what a calendar holds is written as its nearest end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        });
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;
    fn from_str(text: &str) -> Result<Self, chrono::ParseError> {
        // RFC 3339 ends with the year 9999; what `Display` writes beyond it must be readable too:
        // 9999-12-31T23:59:59-01:00, which a station may send, lies there.
        let at = match text.as_bytes().first() {
            Some(b'+' | b'-') => text.parse::<DateTime<Utc>>(),
            _ => DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)),
        };
        at.map(Self::from)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            // What was sent may be long.
            let sent: String = text.chars().take(40).collect();
            serde::de::Error::custom(format!(
                "{sent:?} is no time; write it as RFC 3339 with its offset, like 2026-11-24T09:30:00Z or \
                 2026-11-24T10:30:00+01:00"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_back_to_the_millisecond() {
        let at = Timestamp(1_790_000_000_123);
        assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
    }

    #[test]
    fn what_is_no_time_is_told_how_to_write_one() {
        for wrong in ["soon", "", "2026-11-24", "2026-11-24T09:30:00", "18:00"] {
            let error = serde_json::from_value::<Timestamp>(wrong.into()).unwrap_err();
            let words = error.to_string();
            assert!(words.contains(&format!("{wrong:?} is no time")), "{words}");
            assert!(words.contains("2026-11-24T09:30:00Z"), "{words}");
        }
        let long = serde_json::from_value::<Timestamp>("x".repeat(10_000).into()).unwrap_err();
        assert!(long.to_string().len() < 300, "{long}");
    }

    #[test]
    fn a_time_beyond_the_year_9999_is_read_back() {
        let at: Timestamp = "9999-12-31T23:59:59-01:00".parse().unwrap();
        assert_eq!(at.to_string(), "+10000-01-01T00:59:59.000Z");
        assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        let before_christ = Timestamp(-63_000_000_000_000);
        let read = before_christ.to_string().parse::<Timestamp>();
        assert_eq!(read.unwrap(), before_christ);
    }
}
