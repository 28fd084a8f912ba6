//! One session after the other, as fast as the answers come: Authorize, start, eight meter values, stop, status.
//!
//! The loop puts its next message on the desk only when nothing else waits there, so exactly one message is under way
//! and the rate is what the central system can take. Under [`Pace::Overload`](crate::Pace) it rests between two sessions:
//! there it stands for the chargers that behave, and no charger begins two sessions in one second.

use std::time::{Duration, Instant};

use crate::connector::Connector;
use crate::desk::{Desk, Now, Purpose};
use crate::message::{Status, StepKind, StopReason};

/// Meter values of one session.
const METER_VALUES: u8 = 8;
/// The part of the loop's messages that are meter values: there are an authorisation, a start, a stop and a status besides.
pub const METER_SHARE: f64 = METER_VALUES as f64 / (METER_VALUES as f64 + 4.0);
/// Simulated seconds between two of them.
const METER_SECONDS: f64 = 60.0;

/// How long it rests between two sessions, where it does.
const REST: Duration = Duration::from_secs(1);

/// Where in the session the loop is.
#[derive(Debug, Default)]
pub(crate) struct ClosedLoop {
    next: Next,
    rests_until: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Next {
    #[default]
    Authorize,
    /// Authorize is under way.
    Wait,
    Start,
    /// This many meter values are left.
    Meter(u8),
    Stop,
    Status,
}

impl ClosedLoop {
    /// Authorize was answered. The loop goes on whatever the answer: refusals are counted where they are seen.
    pub(crate) fn authorised(&mut self) {
        if self.next == Next::Wait {
            self.next = Next::Start;
        }
    }

    /// Authorize was not answered: ask again.
    pub(crate) fn not_authorised(&mut self) {
        if self.next == Next::Wait {
            self.next = Next::Authorize;
        }
    }

    /// When a rest is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Puts the next message on the desk, if this charger runs the loop and the desk is empty.
    pub(crate) fn prepare(&mut self, desk: &mut Desk, connectors: &mut [Connector], now: Now) {
        self.rests_until = self.rests_until.filter(|until| now.instant < *until);
        let Some(connector) = connectors.first_mut() else {
            return;
        };
        let rests = self.rests_until.is_some();
        if rests
            || !desk.pace.loops(desk.number)
            || !desk.outbox.is_empty()
            || !desk.queue.is_empty()
        {
            return;
        }
        self.next = match self.next {
            Next::Authorize => {
                let message = desk.dialect().authorize(&desk.token(connector.id()));
                desk.say(message, Purpose::Authorize(0));
                Next::Wait
            }
            Next::Wait => Next::Wait,
            Next::Start => {
                connector.begin(desk, None, None, now);
                Next::Meter(METER_VALUES)
            }
            Next::Meter(left) => {
                connector.advance(desk, METER_SECONDS, now);
                connector.step(desk, StepKind::Sampled, now);
                if left > 1 {
                    Next::Meter(left - 1)
                } else {
                    Next::Stop
                }
            }
            Next::Stop => {
                connector.end(desk, StopReason::Local, now);
                connector.clear();
                Next::Status
            }
            Next::Status => {
                desk.report_status(connector.id(), Status::Available, now);
                self.rests_until = desk.pace.rests().then(|| now.instant + REST);
                Next::Authorize
            }
        };
    }
}
