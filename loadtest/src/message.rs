//! What a charger says and obeys, in words that all OCPP versions share. `v16.rs` and `v2.rs` turn them into payloads
//! and back; [`Dialect`] picks the one by version.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use serde_json::value::RawValue;

use crate::charging::{
    ChargingProfile, Clear, CompositeRequest, Period, Refusal, SetProfile, composite_v2,
    composite_v16,
};
use crate::faults::RateUnit;
use crate::meter::Reading;
use crate::settings::{Setting, Settings, Verdict};
use crate::version::Version;
use crate::{v2, v16};

/// A CALL to be sent: its action and payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) action: &'static str,
    pub(crate) payload: String,
}

/// The state of a connector, as 1.6 knows it; 2.0.1 folds all with a car into Occupied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Available,
    Preparing,
    Charging,
    SuspendedEv,
    SuspendedEvse,
    Finishing,
    Unavailable,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Local,
    EvDisconnected,
    Remote,
    DeAuthorized,
    Reset,
    Unlock,
}

/// Why a session reports now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    Started { remote_start_id: Option<i64> },
    Sampled,
    StateChanged,
    Triggered,
    Ended(StopReason),
}

/// One report of a running session.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) kind: StepKind,
    pub(crate) connector: u32,
    pub(crate) token: &'a str,
    /// Our own id (2.0.1), or the one from the central system (1.6), once known.
    pub(crate) transaction: Option<&'a str>,
    /// 2.0.1 seqNo.
    pub(crate) seq_no: u32,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reading: Reading,
    pub(crate) status: Status,
    pub(crate) offline: bool,
}

/// What the central system said to a transaction message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TransactionAnswer {
    /// 1.6: the id that StartTransaction was given.
    pub(crate) transaction_id: Option<i64>,
    /// The status of the token, where the answer has one.
    pub(crate) token_status: Option<String>,
}

/// The answer to BootNotification.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BootAnswer {
    pub(crate) status: String,
    pub(crate) interval_s: u64,
}

/// Something that the central system wants done.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    RemoteStart {
        connector: Option<u32>,
        token: String,
        remote_start_id: Option<i64>,
        profile: Option<Box<ChargingProfile>>,
    },
    RemoteStop {
        transaction: String,
    },
    Reset,
    Unlock {
        connector: u32,
    },
    ChangeAvailability {
        connector: Option<u32>,
        operative: bool,
    },
    Trigger {
        message: Trigger,
        connector: Option<u32>,
    },
    GetSettings(Vec<Key>),
    SetSettings(Vec<(Key, String)>),
    SetProfile(Box<SetProfile>),
    ClearProfiles(Clear),
    Composite(CompositeRequest),
    BaseReport {
        request_id: i64,
    },
    TransactionStatus {
        transaction: Option<String>,
    },
}

/// The name of a setting as it was asked for, and the setting if there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) component: String,
    pub(crate) variable: String,
    pub(crate) setting: Option<Setting>,
}

/// What a trigger asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Boot,
    Heartbeat,
    Status,
    MeterValues,
    TransactionEvent,
    /// A message that this charger never sends.
    Unknown,
}

/// Why a CALL of the central system cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The version has no such action.
    NotImplemented,
    /// The version has it, this charger does not.
    NotSupported,
    /// The payload is not what the action needs.
    Malformed(String),
}

/// The words of one OCPP version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect(pub(crate) Version);

impl Dialect {
    pub(crate) fn boot(self, identity: &str) -> Message {
        self.message(
            "BootNotification",
            || v16::boot_notification(identity),
            || v2::boot_notification(identity),
        )
    }

    pub(crate) fn heartbeat(self) -> Message {
        Message {
            action: "Heartbeat",
            payload: "{}".into(),
        }
    }

    pub(crate) fn status(self, connector: u32, status: Status, at: DateTime<Utc>) -> Message {
        // 2.1 tells it as an event (B01, G01).
        if self.0 == Version::V21 {
            return Message {
                action: "NotifyEvent",
                payload: v2::availability(connector, status, at),
            };
        }
        self.message(
            "StatusNotification",
            || v16::status_notification(connector, status, at),
            || v2::status_notification(connector, status, at),
        )
    }

    /// Whether both states read the same in a status report of this version.
    pub(crate) fn reads_the_same(self, one: Status, other: Status) -> bool {
        match self.0 {
            Version::V16 => one == other,
            Version::V201 | Version::V21 => v2::status_name(one) == v2::status_name(other),
        }
    }

    pub(crate) fn authorize(self, token: &str) -> Message {
        self.message(
            "Authorize",
            || v16::authorize(token),
            || v2::authorize(token),
        )
    }

    /// The message of one step of a session, and whether it still lacks the transaction id.
    pub(crate) fn transaction(self, step: &Step<'_>) -> (Message, bool) {
        match self.0 {
            Version::V16 => v16::transaction(step),
            Version::V201 | Version::V21 => (v2::transaction_event(step), false),
        }
    }

    /// MeterValues outside a session, padded with further sampled values to at least `bytes`.
    pub(crate) fn meter_values(
        self,
        connector: u32,
        reading: &Reading,
        at: DateTime<Utc>,
        bytes: usize,
    ) -> Message {
        self.message(
            "MeterValues",
            || v16::meter_values(connector, reading, at, bytes),
            || v2::meter_values(connector, reading, at, bytes),
        )
    }

    /// Whether a session that changes its charging state says so in a message of its own.
    pub(crate) fn reports_state_changes(self) -> bool {
        self.0 != Version::V16
    }

    /// Whether the charger names its sessions itself, rather than the central system.
    pub(crate) fn names_transactions(self) -> bool {
        self.0 != Version::V16
    }

    /// NotifyReport with every setting; 1.6 has no such message.
    pub(crate) fn base_report(
        self,
        request_id: i64,
        settings: &Settings,
        at: DateTime<Utc>,
    ) -> Message {
        v2::notify_report(request_id, settings, at)
    }

    pub(crate) fn boot_answer(self, payload: &RawValue) -> Option<BootAnswer> {
        // All versions name these fields alike.
        v16::boot_answer(payload)
    }

    /// The status of the token in the answer to Authorize.
    pub(crate) fn authorize_answer(self, payload: &RawValue) -> Option<String> {
        match self.0 {
            Version::V16 => v16::token_status(payload),
            Version::V201 | Version::V21 => v2::token_status(payload),
        }
    }

    pub(crate) fn transaction_answer(self, payload: &RawValue) -> TransactionAnswer {
        match self.0 {
            Version::V16 => v16::transaction_answer(payload),
            Version::V201 | Version::V21 => TransactionAnswer {
                transaction_id: None,
                token_status: v2::token_status(payload),
            },
        }
    }

    /// Reads a CALL of the central system. `usual` is the unit of a composite schedule where none is asked for.
    pub(crate) fn command(
        self,
        action: &str,
        payload: &RawValue,
        usual: RateUnit,
    ) -> Result<Command, Denial> {
        match self.0 {
            Version::V16 => v16::command(action, payload, usual),
            Version::V201 | Version::V21 => v2::command(action, payload, usual),
        }
    }

    /// The answer to SetChargingProfile.
    pub(crate) fn profile_answer(self, outcome: Result<(), Refusal>) -> String {
        match (outcome, self.0) {
            (Ok(()), _) => json!({ "status": "Accepted" }),
            (Err(_), Version::V16) => json!({ "status": "Rejected" }),
            (Err(Refusal(reason)), Version::V201 | Version::V21) => {
                json!({ "status": "Rejected", "statusInfo": { "reasonCode": reason } })
            }
        }
        .to_string()
    }

    /// The answer to GetCompositeSchedule; without periods it is refused.
    pub(crate) fn composite(
        self,
        request: &CompositeRequest,
        periods: Option<&[Period]>,
        from: DateTime<Utc>,
    ) -> String {
        match self.0 {
            Version::V16 => composite_v16(request, periods, from),
            Version::V201 | Version::V21 => composite_v2(request, periods, from),
        }
    }

    pub(crate) fn settings(self, keys: &[Key], settings: &Settings) -> String {
        match self.0 {
            Version::V16 => v16::configuration(keys, settings),
            Version::V201 | Version::V21 => v2::variables(keys, settings),
        }
    }

    pub(crate) fn settings_changed(self, outcomes: &[(Key, Verdict)]) -> String {
        match self.0 {
            Version::V16 => v16::configuration_changed(outcomes),
            Version::V201 | Version::V21 => v2::variables_set(outcomes),
        }
    }

    fn message(
        self,
        action: &'static str,
        v16: impl FnOnce() -> String,
        v2: impl FnOnce() -> String,
    ) -> Message {
        let payload = match self.0 {
            Version::V16 => v16(),
            Version::V201 | Version::V21 => v2(),
        };
        Message { action, payload }
    }
}

/// A timestamp as all versions write it: RFC 3339 in UTC with milliseconds.
pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
