//! What goes on at a connector: no car, one that waits, a session.

use std::time::Instant;

use crate::car::Car;
use crate::charging::Transaction;
use crate::message::Status;

/// A car that stays until a known time, full or not.
pub(crate) struct Visitor {
    pub(crate) car: Car,
    pub(crate) leaves: Instant,
}

/// What goes on at a connector.
pub(super) enum Stage {
    /// No car; the next one comes at this time, if cars come at all.
    Free {
        until: Option<Instant>,
    },
    /// A car is plugged in; its driver shows the token at this time.
    Plugged {
        until: Instant,
    },
    /// The central system was asked about the token.
    Authorising,
    Charging(Box<Session>),
    /// The session is over, the plug still in.
    Finishing {
        until: Instant,
    },
}

/// A running session.
pub(crate) struct Session {
    /// The charger's own number of it.
    pub(super) number: u32,
    /// Our id in 2.0.1, the one from the central system in 1.6.
    pub(super) id: Option<String>,
    pub(super) token: String,
    pub(super) car: Car,
    pub(super) status: Status,
    pub(super) seq_no: u32,
    pub(super) counted_to: Instant,
    /// None: someone else decides when to sample and to stop.
    pub(super) sample_at: Option<Instant>,
    pub(super) leaves_at: Option<Instant>,
    /// When to look at the car and the profiles though nothing else is due.
    pub(super) look_at: Option<Instant>,
    /// When it began, in ms since 1970.
    pub(super) began_ms: i64,
    /// It leaves then and not before.
    pub(super) stays_until: Option<Instant>,
    /// What was last told of its current, and of what it is offered; no number before that.
    pub(super) told: ([f64; 3], f64),
}

impl Session {
    /// The id that the central system knows the session by; none until it has said it (1.6).
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The charger's own number of it.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// It, as charging profiles see it.
    pub(crate) fn transaction(&self) -> Transaction<'_> {
        Transaction {
            session: self.number,
            id: self.id(),
            began_ms: self.began_ms,
        }
    }
}
