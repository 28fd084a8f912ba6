//! Names of things. Each is its own type, so that a station cannot be looked up by a session's name.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::{RetryKey, Timestamp};

/// Why a text cannot be an id; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub String);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, max $max:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest text this id may be, in characters.
            pub const MAX_CHARS: usize = $max;

            /// # Errors
            /// Empty, longer than [`Self::MAX_CHARS`], or holding control characters.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                if text.is_empty() {
                    return Err(InvalidId(format!("{} must not be empty", $what)));
                }
                if text.chars().count() > $max {
                    return Err(InvalidId(format!("{} must be at most {} characters", $what, $max)));
                }
                if text.chars().any(char::is_control) {
                    return Err(InvalidId(format!("{} must not hold control characters", $what)));
                }
                Ok(Self(text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A charger's identity: the last, percent-decoded segment of the URL it connects to
    /// (OCPP-J 1.6 §3.1.1, OCPP 2.0.1 Part 4 §3.1.1: at most 48 characters there; vendors exceed it).
    StationId, max 255, "a station identity"
);
text_id!(
    /// A site: stations behind one grid connection.
    SiteId, max 64, "a site id"
);
text_id!(
    /// What a driver identifies with: an RFID uid, an app's token, an eMAID. Compared without
    /// regard to case, as OCPP's idTag is a `CiString`; kept as it was first written.
    TokenUid, max 255, "a token uid"
);

impl TokenUid {
    /// The form in which two uids are compared and looked up (OCPP 1.6 §4.1: idTag is case-insensitive).
    pub fn folded(&self) -> String {
        self.as_str().to_ascii_lowercase()
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = uuid::Uuid))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id that sorts by the time it was made (UUID version 7).
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::from_str(text)
                    .map(Self)
                    .map_err(|_| InvalidId(format!("{text:?} is not a UUID")))
            }
        }
    };
}

uuid_id!(
    /// One charging session, from plug or card to unplug or stop.
    SessionId
);
uuid_id!(
    /// One command to a station.
    CommandId
);
uuid_id!(
    /// One message that crashed whoever handled it.
    DeadLetterId
);
uuid_id!(
    /// One charge detail record.
    CdrId
);

impl CdrId {
    /// The id of a session's record of that number. UUID version 7 in form: it bears the time of the session's id, so
    /// records sort by when their sessions began, and those of one session by their number.
    pub fn of(session: SessionId, number: u32) -> Self {
        let hash = RetryKey::hash(&[&session.to_string()]).to_be_bytes();
        let number = number.to_be_bytes();
        // The number is not at the end: lists are shared out by the last byte.
        let rest = std::array::from_fn(|i| match i {
            0..5 => hash[i],
            5..9 => number[i - 5],
            _ => hash[5],
        });
        let ms = session.0.as_bytes().iter().take(6);
        let ms = ms.fold(0, |ms, byte| ms << 8 | u64::from(*byte));
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &rest).into_uuid())
    }

    /// The first id that a record of a session that began then, or later, can have.
    pub fn first_at(at: Timestamp) -> Self {
        let ms = u64::try_from(at.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid())
    }
}

impl SessionId {
    /// The id of the session that a message begins: the same for the message sent again, wherever it is
    /// handled. UUID version 7 in form: it sorts by `at`, and what is random there is a hash of the
    /// station and the message's key here.
    pub fn of_first(station: &StationId, key: &RetryKey, at: Timestamp) -> Self {
        let hash = RetryKey::hash(&[station.as_str(), &key.0]).to_be_bytes();
        let at_ms = u64::try_from(at.0).unwrap_or(0);
        let random = std::array::from_fn(|i| hash[i]);
        Self(uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid())
    }

    /// Whether that message of the station is the one the session began with.
    pub fn began_with(self, station: &StationId, key: &RetryKey) -> bool {
        let Some((seconds, nanos)) = self.0.get_timestamp().map(|at| at.to_unix()) else {
            return false;
        };
        let at_ms = seconds * 1_000 + u64::from(nanos) / 1_000_000;
        i64::try_from(at_ms).is_ok_and(|at| self == Self::of_first(station, key, Timestamp(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_begun_twice_by_one_message_has_one_id() {
        let id = |station: &str, key: &str, at| {
            let station = StationId::new(station).unwrap();
            SessionId::of_first(&station, &RetryKey(key.to_owned()), Timestamp(at))
        };
        assert_eq!(id("A", "k", 5_000), id("A", "k", 5_000));
        assert_ne!(id("A", "k", 5_000), id("A", "l", 5_000));
        assert_ne!(id("A", "k", 5_000), id("B", "k", 5_000));
        assert!(id("A", "k", 5_000) < id("A", "k", 5_001));
        assert_eq!(id("A", "k", 5_000).0.get_version_num(), 7);
        let begins = |key: &str| {
            let station = StationId::new("A").unwrap();
            id("A", "k", 5_000).began_with(&station, &RetryKey(key.to_owned()))
        };
        assert!(begins("k") && !begins("l"));
    }

    #[test]
    fn records_sort_by_the_beginning_of_their_session_then_by_their_number() {
        let session =
            |at| SessionId(uuid::Builder::from_unix_timestamp_millis(at, &[7; 10]).into_uuid());
        let of = |at, number| CdrId::of(session(at), number);
        assert_eq!(of(5_000, 1), of(5_000, 1));
        assert!(of(5_000, 0) < of(5_000, 1) && of(5_000, 255) < of(5_000, 256));
        assert!(of(5_000, u32::MAX) < of(5_001, 1));
        assert!(CdrId::first_at(Timestamp(5_000)) < of(5_000, 0));
        assert!(of(5_000, 1) < CdrId::first_at(Timestamp(5_001)));
        let other =
            SessionId(uuid::Builder::from_unix_timestamp_millis(5_000, &[8; 10]).into_uuid());
        assert_ne!(CdrId::of(other, 1), of(5_000, 1));
        assert_eq!(of(5_000, 1).0.get_version_num(), 7);
    }

    #[test]
    fn an_id_says_why_it_is_refused() {
        assert!(StationId::new("").unwrap_err().0.contains("empty"));
        assert!(StationId::new("a\nb").unwrap_err().0.contains("control"));
        assert!(SiteId::new(&"s".repeat(65)).unwrap_err().0.contains("64"));
        assert_eq!(StationId::new("RDAM|123").unwrap().as_str(), "RDAM|123");
    }

    #[test]
    fn token_uids_are_looked_up_without_regard_to_case() {
        assert_eq!(TokenUid::new("04A1b2").unwrap().folded(), "04a1b2");
    }
}
