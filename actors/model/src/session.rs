//! Charging sessions as they are kept: a snapshot, and the log of events it was made from.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Authorization, ConnectorRef, MeterSample, Protocol, SessionId, SiteId, StationId, Timestamp,
    TokenRef,
};

/// What makes a repeated message recognisable. A charger's retry has a new message id, so the key is
/// made from the payload (crate `ocpp` makes it): OCPP 2.x (transactionId, seqNo, eventType), OCPP 1.6
/// StartTransaction (connector, idTag, timestamp, meterStart), others a hash of the whole payload.
/// Unique within a station.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct RetryKey(pub String);

impl RetryKey {
    /// A key from the parts that identify a message: `kind` and a 128-bit hash of `parts`.
    pub fn of(kind: &str, parts: &[&str]) -> Self {
        Self(format!("{kind}:{:032x}", Self::hash(parts)))
    }

    pub(crate) fn hash(parts: &[&str]) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for part in parts {
            // The length keeps ("ab","c") and ("a","bc") apart.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.digest128()
    }
}

impl fmt::Display for RetryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A charging session as it now stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The station.
    pub station: StationId,
    /// The site the station stood at when the session began.
    pub site: Option<SiteId>,
    /// The outlet; absent where no message named it.
    pub connector: Option<ConnectorRef>,
    /// The protocol it was begun in.
    pub protocol: Protocol,
    /// What the station calls it: the 2.x transactionId, or the number the hub handed out (1.6).
    /// Unique within a station: a 2.x name that its station uses for another transaction is followed by
    /// ` again 2`, and so on.
    pub transaction: String,
    /// Going on or over.
    pub state: SessionState,
    /// Who charges.
    pub token: Option<TokenRef>,
    /// What the hub said to the token.
    pub authorization: Option<Authorization>,
    /// When it began, by the station's clock (by the hub's where the station's is plainly wrong).
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// From start to end in seconds; to the last event while it goes on.
    pub duration_s: i64,
    /// Energy delivered in Wh; never negative.
    pub energy_wh: f64,
    /// The import register when it began, in Wh; absent where not told.
    pub meter_start_wh: Option<f64>,
    /// The last reading of the import register, in Wh.
    pub meter_last_wh: Option<f64>,
    /// When `meter_last_wh` was taken.
    pub meter_last_at: Option<Timestamp>,
    /// The readings that `energy_wh` is counted from, in the order they were taken: where each rise of
    /// the register began and ended, and those beside 2.x messages that have not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meter_points: Vec<MeterPoint>,
    /// Wh delivered before the first of `meter_points`.
    #[serde(alias = "energy_before_run_wh")]
    pub energy_before_wh: f64,
    /// The last power reading, in W.
    pub power_w: Option<f64>,
    /// Why it ended, as the station said (OCPP `reason` / `stoppedReason`).
    pub stop_reason: Option<String>,
    /// The 2.x charging state, as sent.
    pub charging_state: Option<String>,
    /// The remote start that caused it (2.x `remoteStartId`).
    pub remote_start_id: Option<i64>,
    /// The highest 2.x sequence number seen.
    pub last_seq: Option<i64>,
    /// The 2.x sequence numbers that have not come, in rising order; many gaps are told as one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_seqs: Vec<SeqRange>,
    /// What was odd about it.
    pub flags: BTreeSet<Flag>,
    /// When the hub last wrote it.
    pub updated_at: Timestamp,
}

impl Session {
    /// The number the hub handed out for the transaction: of OCPP 1.6 sessions only, in 2.x the
    /// station makes the name.
    pub fn number(&self) -> Option<i32> {
        match self.protocol {
            Protocol::Ocpp16 => self.transaction.parse().ok(),
            Protocol::Ocpp201 | Protocol::Ocpp21 => None,
        }
    }

    /// Whether its car suspends charging, by its charging state; none where the station tells none.
    pub fn car_rests(&self) -> Option<bool> {
        let state = self.charging_state.as_deref()?;
        Some(state == "SuspendedEV")
    }
}

/// A reading of a session's import register.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeterPoint {
    /// What it read, in Wh.
    pub wh: f64,
    /// When it was taken.
    pub at: Timestamp,
    /// The number of the 2.x message it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// No message is missing before it: it counts, whatever comes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
}

impl MeterPoint {
    /// A reading that is new: the register's, in Wh, when it was taken, and the number of its 2.x message.
    pub fn new(wh: f64, at: Timestamp, seq: Option<i64>) -> Self {
        Self {
            wh,
            at,
            seq,
            settled: false,
        }
    }
}

/// Sequence numbers that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeqRange {
    /// The lowest.
    pub first: i64,
    /// The highest.
    pub last: i64,
}

/// Going on or over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Going on.
    Active,
    /// Over.
    Ended,
}

/// What was odd about a session: nothing is refused for it, but billing wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Its first message was not a start.
    StartMissing,
    /// A message named it by an id the hub did not hand out; matched by its connector.
    TransactionGuessed,
    /// The station's clock was plainly wrong; the receive time was used.
    ClockReplaced,
    /// The import register fell back; energy counts on from the lower reading.
    MeterFellBack,
    /// A register reading was left out (below zero or not a number), or the register rose by more than an
    /// outlet delivers in that time, which is not counted.
    MeterImplausible,
    /// No start reading: energy counts from the first one seen.
    MeterStartMissing,
    /// A message came after the end.
    EventAfterEnd,
    /// Messages of it have not come, by their 2.x sequence numbers; withdrawn when they do.
    EventsMissing,
    /// Its station had used the 2.x transactionId before, for a transaction that is over.
    TransactionReused,
    /// A message's payload had to be repaired to be read.
    PayloadRepaired,
    /// Started offline, or reported later than it happened.
    ReportedLate,
    /// Begun though the token was not accepted.
    TokenNotAccepted,
    /// The token could not be looked up when it began, since the store was away.
    TokenUnchecked,
    /// Another session began on the same outlet while this one was open; it was closed by the hub.
    Superseded,
    /// Its station was there and said nothing of it any more; it was closed by the hub. Its log says why.
    Abandoned,
    /// Its station was deleted or did not come back; it was closed by the hub. Its log says why.
    StationGone,
}

/// One entry of a session's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionEventRecord {
    /// What makes it recognisable when it is sent again.
    pub retry_key: RetryKey,
    /// What it is.
    pub kind: SessionEventKind,
    /// The 2.x sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// When it happened, by the station's clock.
    pub at: Timestamp,
    /// When the hub received it.
    pub received_at: Timestamp,
    /// What caused it (2.x `triggerReason`), as sent; of [`SessionEventKind::ClosedByHub`], the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// It was queued while the station was offline.
    #[serde(default)]
    pub offline: bool,
    /// The readings it carried.
    #[serde(default)]
    pub samples: Vec<MeterSample>,
    /// The payload as sent, kept where it had to be repaired or could not be read in full; of a guessed
    /// transaction, at least what the station called it. Of [`SessionEventKind::ClosedByHub`], by what
    /// setting or session, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// What a session's log entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionEventKind {
    /// It began.
    Started,
    /// It goes on.
    Updated,
    /// Meter values outside a transaction event.
    Meter,
    /// It ended.
    Ended,
    /// The hub closed it.
    ClosedByHub,
}

/// Readings outside any session (clock-aligned values of an idle outlet).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredReading {
    /// What makes the message recognisable when it is sent again.
    pub retry_key: RetryKey,
    /// The outlet.
    pub connector: ConnectorRef,
    /// When the hub received them.
    pub received_at: Timestamp,
    /// The readings.
    pub samples: Vec<MeterSample>,
    /// The payload as sent, where it had to be repaired or could not be read in full; else what the
    /// station called the transaction, where it named one that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_keys_tell_apart_what_only_joins_alike() {
        assert_ne!(
            RetryKey::of("m", &["ab", "c"]),
            RetryKey::of("m", &["a", "bc"])
        );
        assert_eq!(RetryKey::of("m", &["a"]), RetryKey::of("m", &["a"]));
        assert_ne!(RetryKey::of("m", &["a"]), RetryKey::of("s", &["a"]));
    }
}
