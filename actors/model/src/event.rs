//! What a charger says and what it is answered, free of OCPP versions.

use crate::{
    Authorization, BootInfo, Connector, ConnectorRef, MeterSample, RetryKey, Timestamp, TokenRef,
    TokenUid,
};

/// What a charger says.
#[derive(Debug, Clone, PartialEq)]
pub enum StationEvent {
    /// It booted.
    Boot(Box<BootInfo>),
    /// It is alive.
    Heartbeat,
    /// An outlet changed state.
    Status(Box<Connector>),
    /// May this token charge?
    Authorize(Box<Authorize>),
    /// A transaction began, goes on, or ended.
    Transaction(Box<TransactionEvent>),
    /// Meter values outside a transaction event.
    Meter(Box<MeterReading>),
    /// A message that is kept and answered, and on which the hub does not act
    /// (NotifyReport, NotifyEvent, SecurityEventNotification, FirmwareStatusNotification …).
    Notice(Box<Notice>),
}

impl StationEvent {
    /// Whether it may not be lost: such a message is answered only when it is durable, and never
    /// with an error (OCPP 1.6 §3.7: a station discards it after a few failed attempts).
    pub fn is_transactional(&self) -> bool {
        matches!(self, Self::Transaction(_) | Self::Meter(_))
    }
}

/// A question whether a token may charge.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorize {
    /// The token.
    pub token: TokenRef,
}

/// A step of a transaction: 1.6 StartTransaction and StopTransaction, 2.x TransactionEvent.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionEvent {
    /// Which step.
    pub phase: TransactionPhase,
    /// What the station calls the transaction; absent where the hub is to hand out a number (1.6 start).
    /// A 1.6 number is given in decimal, as sent: it may be 0, negative or invented.
    pub transaction: Option<String>,
    /// What makes it recognisable when it is sent again.
    pub retry_key: RetryKey,
    /// The 2.x sequence number.
    pub seq: Option<i64>,
    /// The outlet, where told.
    pub connector: Option<ConnectorRef>,
    /// The token, where told; on `Ended` the one that stopped it.
    pub token: Option<TokenRef>,
    /// When it happened, by the station's clock; absent where the payload held no readable time.
    pub at: Option<Timestamp>,
    /// 1.6 meterStart or meterStop, in Wh. (2.x carries the register in `samples`.)
    pub meter_wh: Option<f64>,
    /// The readings it carried.
    pub samples: Vec<MeterSample>,
    /// Why it ended, as sent.
    pub stop_reason: Option<String>,
    /// What caused it (2.x `triggerReason`), as sent.
    pub trigger: Option<String>,
    /// The 2.x charging state, as sent.
    pub charging_state: Option<String>,
    /// It was queued while the station was offline (2.x says so).
    pub offline: bool,
    /// The remote start that caused it (2.x).
    pub remote_start_id: Option<i64>,
    /// The payload as sent, where it had to be repaired or could not be read in full.
    pub raw: Option<String>,
}

/// A step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionPhase {
    /// It began.
    Started,
    /// It goes on.
    Updated,
    /// It ended.
    Ended,
}

/// Meter values outside a transaction event: MeterValues of either version.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterReading {
    /// The transaction, where told (1.6).
    pub transaction: Option<String>,
    /// The outlet.
    pub connector: ConnectorRef,
    /// What makes it recognisable when it is sent again.
    pub retry_key: RetryKey,
    /// The readings.
    pub samples: Vec<MeterSample>,
    /// The payload as sent, where it had to be repaired or could not be read in full.
    pub raw: Option<String>,
}

/// A message that is kept and answered as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The OCPP action.
    pub action: String,
    /// The payload, as JSON text.
    pub payload: String,
    /// The states of outlets that it tells (2.x NotifyEvent), oldest first.
    pub states: Vec<Connector>,
}

/// What a charger is answered; crate `ocpp` writes it in the station's version and action.
#[derive(Debug, Clone, PartialEq)]
pub enum StationReply {
    /// To BootNotification.
    Boot {
        /// May it charge?
        status: BootStatus,
        /// Heartbeat interval, or when to try again unless accepted, in s.
        interval_s: u32,
        /// The hub's time.
        now: Timestamp,
    },
    /// To Heartbeat.
    Now(Timestamp),
    /// To Authorize.
    Token(TokenVerdict),
    /// To a transaction event.
    Transaction {
        /// The number of the transaction (the answer to a 1.6 start needs one).
        number: Option<i32>,
        /// What the hub says to the token, where the event named one.
        token: Option<TokenVerdict>,
    },
    /// To anything that wants no more than "received".
    Received,
}

/// What a token is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenVerdict {
    /// May it charge?
    pub authorization: Authorization,
    /// Its group.
    pub group: Option<TokenUid>,
    /// Until when the station may remember the answer.
    pub expires_at: Option<Timestamp>,
}

/// The answer to a BootNotification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootStatus {
    /// Charge.
    Accepted,
    /// Wait for an operator.
    Pending,
    /// No.
    Rejected,
}

/// Why a charger is not given a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// CALLERROR SecurityError: the station has not been accepted (OCPP 2.0.1 B02.FR.09, B03.FR.07).
    NotAccepted,
    /// CALLERROR InternalError; never to a transactional message.
    Internal,
    /// It crashed whoever handled it, twice: the message is to be kept as a dead letter, and acknowledged.
    Crashed,
    /// The socket is closed without an answer: nothing durable is available, and a station keeps
    /// its queue while it is offline.
    Close,
}
