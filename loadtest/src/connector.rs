//! One connector: cars come, are authorised, charge and leave; the central system may start, stop, limit or close it.
//!
//! ```text
//! Free -> Plugged -> Authorising -> Charging -> Finishing -> Free
//!           ^  (remote start comes here from anywhere but Charging)
//! ```

mod running;
mod session;

use std::time::Instant;

use rand::RngExt;
use uuid::Uuid;

use crate::car::Car;
use crate::desk::{Desk, Now, Purpose};
use crate::evse::Offer;
use crate::message::{Status, StepKind, StopReason};
use crate::meter::{Meter, Reading};
use crate::profile::Pace;
use session::Stage;
pub(crate) use session::{Session, Visitor};

/// Simulated seconds that a connector stays free between two cars.
const FREE: std::ops::Range<f64> = 30.0..1_200.0;
/// From plugging in to showing the token.
const PLUGGED: std::ops::Range<f64> = 5.0..30.0;
/// How long a driver lets the car charge at most.
const PARKED: std::ops::Range<f64> = 1_200.0..10_800.0;
/// How long a full car stays.
const FULL: std::ops::Range<f64> = 10.0..300.0;
/// From the end of the session to pulling the plug.
const FINISHING: std::ops::Range<f64> = 10.0..120.0;
/// Pause before a driver shows a token again that was not answered.
const TRY_AGAIN: std::ops::Range<f64> = 20.0..60.0;

/// One connector with its meter and the car at it.
pub(crate) struct Connector {
    index: usize,
    meter: Meter,
    /// The car that has just come, if its stay is known beforehand.
    visitor: Option<Box<Visitor>>,
    operative: bool,
    stage: Stage,
    reported: Option<Status>,
}

impl Connector {
    pub(crate) fn new(index: usize, desk: &mut Desk) -> Self {
        Self {
            index,
            meter: Meter::at(desk.rng.random_range(0.0..2_000_000.0)),
            visitor: None,
            operative: true,
            stage: Stage::Free { until: None },
            reported: None,
        }
    }

    /// The connector's number in messages, from 1.
    pub(crate) fn id(&self) -> u32 {
        self.index as u32 + 1
    }

    /// Whether a new session can begin here.
    pub(crate) fn is_free(&self) -> bool {
        self.operative && !matches!(self.stage, Stage::Charging(_))
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.stage {
            Stage::Charging(session) => Some(session),
            _ => None,
        }
    }

    /// When this connector wants to be looked at again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Free { until } => *until,
            Stage::Plugged { until } | Stage::Finishing { until } => Some(*until),
            Stage::Authorising => None,
            Stage::Charging(session) => {
                let due = session.sample_at.into_iter().chain(session.leaves_at);
                due.chain(session.look_at).min()
            }
        }
    }

    /// The fleet has a new pace.
    pub(crate) fn pace_changed(&mut self, desk: &mut Desk, now: Now) {
        match (desk.pace, &self.stage) {
            (Pace::Natural, Stage::Free { .. }) => {
                // The first cars come spread over a longest gap, so that a fleet does not start in step.
                let first = desk.span(0.0..FREE.end);
                self.stage = Stage::Free {
                    until: Some(now.instant + first),
                };
            }
            (Pace::Charging, Stage::Free { .. }) => {
                self.stage = Stage::Free {
                    until: Some(now.instant),
                };
            }
            (Pace::Leaving, Stage::Charging(_)) => self.end(desk, StopReason::EvDisconnected, now),
            (Pace::Leaving | Pace::Quiet, Stage::Plugged { .. } | Stage::Authorising) => {
                self.unplug(desk, now);
            }
            _ => {}
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, desk: &mut Desk, now: Now) {
        match &self.stage {
            Stage::Free { until: Some(until) } if *until <= now.instant => {
                self.stage = Stage::Free { until: None };
                if desk.pace.brings_cars() && self.operative {
                    self.stage = Stage::Plugged {
                        until: now.instant + desk.span(PLUGGED),
                    };
                    self.report(desk, Status::Preparing, now);
                }
            }
            Stage::Plugged { until } if *until <= now.instant => self.show_token(desk, now),
            Stage::Finishing { until } if *until <= now.instant => self.unplug(desk, now),
            Stage::Charging(_) => self.charge(desk, now),
            _ => {}
        }
    }

    /// A car comes whose stay is known. Who still stands there leaves.
    pub(crate) fn arrive(&mut self, desk: &mut Desk, visitor: Visitor, now: Now) {
        if self.session().is_some() {
            self.end(desk, StopReason::EvDisconnected, now);
        }
        if !matches!(self.stage, Stage::Free { .. }) {
            self.unplug(desk, now);
        }
        self.visitor = Some(Box::new(visitor));
        self.stage = Stage::Plugged { until: now.instant };
        self.report(desk, Status::Preparing, now);
    }

    /// Asks the central system about the token, or starts without it when there is no socket.
    pub(crate) fn show_token(&mut self, desk: &mut Desk, now: Now) {
        if !desk.online {
            self.begin_natural(desk, None, None, now);
            return;
        }
        self.stage = Stage::Authorising;
        let message = desk.dialect().authorize(&desk.token(self.id()));
        desk.say(message, Purpose::Authorize(self.index));
    }

    /// The answer to Authorize is there: the token is good, or it is not and the driver leaves.
    pub(crate) fn authorised(&mut self, desk: &mut Desk, accepted: bool, now: Now) {
        if !matches!(self.stage, Stage::Authorising) {
            return;
        }
        if accepted {
            self.begin_natural(desk, None, None, now);
        } else {
            self.unplug(desk, now);
        }
    }

    /// Authorize was not answered: the driver tries again, or starts offline once the socket is gone.
    pub(crate) fn not_authorised_yet(&mut self, desk: &mut Desk, now: Now) {
        if matches!(self.stage, Stage::Authorising) {
            self.stage = Stage::Plugged {
                until: now.instant + desk.span(TRY_AGAIN),
            };
        }
    }

    /// Begins a session that samples its meter and ends by itself. `token` is the driver's own when none is given.
    pub(crate) fn begin_natural(
        &mut self,
        desk: &mut Desk,
        token: Option<String>,
        remote_start_id: Option<i64>,
        now: Now,
    ) {
        let sample_at = now.instant + desk.settings.meter_interval;
        let leaves_at = now.instant + desk.span(PARKED);
        self.begin(desk, token, remote_start_id, now);
        if let Stage::Charging(session) = &mut self.stage {
            session.sample_at = Some(sample_at);
            session.leaves_at = session.stays_until.or(Some(leaves_at));
            session.look_at = desk.look_every().map(|every| now.instant + every);
        }
        let offer = self.offer(desk, now);
        self.tell_flows(desk, &offer);
    }

    /// Begins a session that only goes on when it is told to.
    pub(crate) fn begin(
        &mut self,
        desk: &mut Desk,
        token: Option<String>,
        remote_start_id: Option<i64>,
        now: Now,
    ) {
        let token = token.unwrap_or_else(|| desk.token(self.id()));
        let own_id = desk
            .dialect()
            .names_transactions()
            .then(|| Uuid::new_v4().to_string());
        let number = desk.next_transaction();
        let (car, stays_until) = match self.visitor.take() {
            Some(visitor) => (visitor.car, Some(visitor.leaves)),
            None => (Car::arriving(&mut desk.rng), None),
        };
        if let Some(charging) = &mut desk.charging {
            charging.session_began(self.id(), number);
        }
        self.stage = Stage::Charging(Box::new(Session {
            number,
            id: own_id,
            token,
            car,
            status: Status::Charging,
            seq_no: 0,
            counted_to: now.instant,
            sample_at: None,
            leaves_at: None,
            look_at: None,
            began_ms: now.wall.timestamp_millis(),
            stays_until,
            told: ([0.0; 3], f64::NAN),
        }));
        self.step(desk, StepKind::Started { remote_start_id }, now);
        self.report(desk, Status::Charging, now);
    }

    /// Ends the running session.
    pub(crate) fn end(&mut self, desk: &mut Desk, reason: StopReason, now: Now) {
        self.catch_up(desk, now);
        if let Stage::Charging(session) = &mut self.stage {
            session.status = Status::Finishing;
        }
        self.step(desk, StepKind::Ended(reason), now);
        self.tell_end(desk);
        self.stage = Stage::Finishing {
            until: now.instant + desk.span(FINISHING),
        };
        self.report(desk, Status::Finishing, now);
    }

    /// The answer to StartTransaction (1.6) named the running session.
    pub(crate) fn named(&mut self, number: u32, id: i64) {
        if let Stage::Charging(session) = &mut self.stage
            && session.number == number
        {
            session.id = Some(id.to_string());
        }
    }

    /// Takes the car away at once, without a word; for loops that report by themselves.
    pub(crate) fn clear(&mut self) {
        self.stage = Stage::Free { until: None };
    }

    /// Opens or closes the connector; a running session goes on. Returns whether it has to end first.
    pub(crate) fn set_operative(&mut self, desk: &mut Desk, operative: bool, now: Now) -> bool {
        self.operative = operative;
        let scheduled = self.session().is_some();
        if !scheduled {
            let status = self.status();
            self.report(desk, status, now);
        }
        scheduled
    }

    pub(crate) fn status(&self) -> Status {
        match &self.stage {
            Stage::Charging(session) => session.status,
            _ if !self.operative => Status::Unavailable,
            Stage::Free { .. } => Status::Available,
            Stage::Plugged { .. } | Stage::Authorising => Status::Preparing,
            Stage::Finishing { .. } => Status::Finishing,
        }
    }

    /// Reports the status even if the central system has heard it before.
    pub(crate) fn repeat_status(&mut self, desk: &mut Desk, now: Now) {
        self.reported = None;
        let status = self.status();
        self.report(desk, status, now);
    }

    pub(crate) fn reading(&self, desk: &Desk, now: Now) -> Reading {
        let reading = self.meter.read(
            self.session().map(|session| &session.car),
            &self.offer(desk, now),
            desk.profile.tells_phases,
        );
        reading.told_with(&desk.profile.faults)
    }

    fn unplug(&mut self, desk: &mut Desk, now: Now) {
        let until = match desk.pace {
            Pace::Natural => Some(now.instant + desk.span(FREE)),
            Pace::Charging => Some(now.instant),
            Pace::Quiet | Pace::ClosedLoop { .. } | Pace::Overload { .. } | Pace::Leaving => None,
        };
        self.stage = Stage::Free { until };
        self.visitor = None;
        let status = self.status();
        self.report(desk, status, now);
    }

    fn report(&mut self, desk: &mut Desk, status: Status, now: Now) {
        let dialect = desk.dialect();
        let heard = self
            .reported
            .is_some_and(|reported| dialect.reads_the_same(reported, status));
        // A closed loop reports once a session, by itself.
        if heard || !desk.profile.statuses || desk.pace.loops(desk.number) {
            return;
        }
        if desk.online {
            self.reported = Some(status);
        }
        desk.report_status(self.id(), status, now);
    }

    fn offer(&self, desk: &Desk, now: Now) -> Offer {
        let transaction = self.session().map(Session::transaction);
        desk.offer(self.id(), transaction.as_ref(), now)
    }
}
