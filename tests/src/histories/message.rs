//! What a station says, and how it gets to a hub: the seam between the stations of a history and the two
//! hubs they talk to, the actors in this process and the real binary behind a socket.

use model::{Protocol, RetryKey, StationId, Timestamp};
use rand::rngs::StdRng;

/// A step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Start,
    Values,
    Stop,
}

/// A transaction message of a station.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) protocol: Protocol,
    pub(super) step: Step,
    /// What the station calls the transaction; absent in a 1.6 start, which asks for the name.
    pub(super) transaction: Option<String>,
    /// Of its transaction: 0 for the start.
    pub(super) seq: i64,
    pub(super) at: Timestamp,
    /// What the meter shows.
    pub(super) wh: f64,
    pub(super) token: String,
    /// Tells this sending from all others, which is what a message id does.
    pub(super) sending: u64,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken: the hub holds it under `key` from now on.
    Taken {
        key: RetryKey,
        /// The number it gave to the transaction (1.6 starts).
        number: Option<i32>,
    },
    /// It was answered with an error, which no transaction message may ever be.
    Refused(String),
}

/// A hub that stations can connect to.
pub(super) trait Reachable: Sync {
    /// An open connection to it.
    type Line: Line;

    /// Connects; `None` when the hub cannot be reached.
    fn connect(
        &self,
        station: &StationId,
        protocol: Protocol,
        chance: &mut StdRng,
    ) -> impl Future<Output = Option<Self::Line>> + Send;
}

/// An open connection.
pub(super) trait Line: Send {
    /// Sends a message and waits for its answer; `None` when the line breaks first. Given up half-way,
    /// the message may have arrived.
    fn say(&mut self, message: &Message) -> impl Future<Output = Option<Answer>> + Send;
}
