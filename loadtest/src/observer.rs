//! What a simulated charger tells the one who watches it: counts for a report, acknowledged messages for a test.

use std::time::Duration;

use crate::connect::ConnectError;

/// Sees everything that happens to simulated chargers. Called from the charger's task, so it must not block.
pub trait Observer: Send + Sync + 'static {
    /// `event` happened to the charger `identity`.
    fn observe(&self, identity: &str, event: &Event<'_>);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _identity: &str, _event: &Event<'_>) {}
}

/// One thing that happened to a charger.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The WebSocket is open; `took` counts from the TCP connect.
    Connected {
        /// TCP connect and handshake together.
        took: Duration,
    },
    /// The WebSocket could not be opened.
    ConnectFailed(&'a ConnectError),
    /// The socket went. `reason` is short and the same for like causes.
    Disconnected {
        /// Why, such as `closed by the central system`; `dropped on order` when the scenario asked for it.
        reason: &'static str,
    },
    /// BootNotification was answered with Accepted.
    Booted,
    /// A CALL was sent.
    Sent {
        /// The OCPP action.
        action: &'static str,
    },
    /// A CALL was answered with a CALLRESULT.
    Answered {
        /// The OCPP action.
        action: &'static str,
        /// From sending to the answer.
        took: Duration,
    },
    /// A CALL got no good answer.
    Failed {
        /// The OCPP action.
        action: &'static str,
        /// How it failed.
        failure: Failure<'a>,
    },
    /// A token or boot was answered, but with no: the status that the central system gave.
    Refused {
        /// The OCPP action.
        action: &'static str,
        /// The status, such as `Invalid`.
        status: &'a str,
    },
    /// The central system sent a CALL, which was answered.
    Obeyed {
        /// The OCPP action.
        action: &'a str,
    },
    /// What flows at a connector: when its session begins, and whenever it has changed; only with a [`Profile::look_every`](crate::Profile).
    Flows {
        /// The connector's number, from 1.
        connector: u32,
        /// What the car takes of each of the charger's phases, in amperes.
        amps: [f64; 3],
        /// What the connector offers the car, in amperes per phase; 0 while it is paused.
        offered_a: f64,
    },
    /// A session is over, and nothing flows any more.
    Charged {
        /// The connector's number, from 1.
        connector: u32,
        /// What the car came for, in watt-hours.
        wanted_wh: f64,
        /// What it got.
        got_wh: f64,
    },
    /// A frame came that is no OCPP-J, or an answer that nobody waits for.
    Unexpected {
        /// What was wrong with it.
        problem: &'static str,
    },
    /// A transaction message was put into the offline queue, to be sent as soon as the ones before it are answered.
    Queued {
        /// The OCPP action.
        action: &'static str,
    },
    /// The central system acknowledged a transaction message: from now on it must know it for ever.
    Acknowledged {
        /// The OCPP action.
        action: &'static str,
        /// The payload as sent.
        payload: &'a str,
        /// The payload of the answer.
        answer: &'a str,
    },
    /// A transaction message was refused too often and given up, as 1.6 §3.7 asks.
    Discarded {
        /// The OCPP action.
        action: &'static str,
        /// The payload as sent.
        payload: &'a str,
    },
}

/// Why a CALL got no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure<'a> {
    /// No answer in time.
    TimedOut,
    /// The socket went before the answer.
    Disconnected,
    /// A CALLERROR with this code.
    CallError(&'a str),
    /// The answer lacks what the action needs; says what.
    BadAnswer(&'static str),
}
