//! What a charger's actor is told.

use std::convert::Infallible;

use model::{ConnectorRef, Refusal, StationEvent, StationReply, Timestamp, TokenUid};
use ractor::ActorRef;
use tokio::sync::{mpsc, oneshot};

use super::Traits;
use crate::{
    OutgoingCall,
    session::{SessionMsg, core::Closing},
    site::Draw,
};

/// Where the answer to a charger's message goes.
pub(crate) type Reply = oneshot::Sender<Result<StationReply, Refusal>>;

/// What a charger's actor is told. Payloads are boxed: a mailbox holds 32 places of this size.
pub(crate) enum ChargerMsg {
    /// Read everything back from the store. Always the first.
    Hydrate,
    /// The station said something.
    Event(Box<EventEnvelope>),
    /// Its socket opened.
    Connected,
    /// The socket of that epoch closed.
    Disconnected(i64),
    /// The station has been away for as long as its actor waits.
    Retire,
    /// Somebody wants a CALL to be sent.
    Call(Box<OutgoingCall>),
    /// Somebody answers a start in the actor's place and needs a number for it.
    SpareNumber(oneshot::Sender<i32>),
    /// A session's actor tells what became of it.
    Session(Box<SessionNews>),
    /// The hub closes a session whose station does not.
    Close(Box<Closing>),
    /// The operator changed the station's configuration.
    Configured,
    /// The site's actor is new and wants to know everything.
    Announce,
    /// Somebody waits until all that came before has been dealt with.
    Settle(Busy),
}

/// Held by those who have something in hand that somebody waits for; nothing is ever sent.
pub(crate) type Busy = mpsc::Sender<Infallible>;

/// What the station said, and where the answer goes.
pub(crate) struct EventEnvelope {
    pub(crate) event: StationEvent,
    pub(crate) received_at: Timestamp,
    pub(crate) reply: Reply,
}

/// What became of a session.
pub(crate) struct SessionNews {
    pub(crate) transaction: String,
    pub(crate) connector: Option<ConnectorRef>,
    pub(crate) active: bool,
    pub(crate) token: Option<TokenUid>,
    pub(crate) power_w: Option<f64>,
    pub(crate) energy_wh: f64,
    /// Whether its car suspends charging, where it says that.
    pub(crate) rests: Option<bool>,
    /// What its meter just said, if it said something.
    pub(crate) draw: Option<Draw>,
    pub(crate) traits: Traits,
    pub(crate) actor: ActorRef<SessionMsg>,
}
