//! One connector: cars come, are authorised, charge and leave; the central system may start, stop, limit or close it.
//!
//! ```text
//! Free -> Plugged -> Authorising -> Charging -> Finishing -> Free
//!           ^  (remote start comes here from anywhere but Charging)
//! ```

use std::time::{Duration, Instant};

use rand::RngExt;
use uuid::Uuid;

use crate::car::Car;
use crate::charging::Transaction;
use crate::desk::{Desk, Now, Purpose};
use crate::evse::Offer;
use crate::message::{Status, Step, StepKind, StopReason};
use crate::meter::{Meter, Reading};
use crate::observer::Event;
use crate::profile::Pace;

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
/// Currents that differ by less, in amperes, are not told of again.
const SAME_A: f64 = 0.01;

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

/// A car that stays until a known time, full or not.
pub(crate) struct Visitor {
    pub(crate) car: Car,
    pub(crate) leaves: Instant,
}

enum Stage {
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
    number: u32,
    /// Our id in 2.0.1, the one from the central system in 1.6.
    id: Option<String>,
    token: String,
    car: Car,
    status: Status,
    seq_no: u32,
    counted_to: Instant,
    /// None: someone else decides when to sample and to stop.
    sample_at: Option<Instant>,
    leaves_at: Option<Instant>,
    /// When to look at the car and the profiles though nothing else is due.
    look_at: Option<Instant>,
    /// When it began, in ms since 1970.
    began_ms: i64,
    /// It leaves then and not before.
    stays_until: Option<Instant>,
    /// What was last told of its current, and of what it is offered; no number before that.
    told: ([f64; 3], f64),
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

    /// Lets the car charge for this many simulated seconds.
    pub(crate) fn advance(&mut self, desk: &Desk, seconds: f64, now: Now) {
        let offer = self.offer(desk, now);
        if let Stage::Charging(session) = &mut self.stage {
            self.meter.count(session.car.advance(seconds, &offer));
        }
    }

    /// Reports one step of the running session.
    pub(crate) fn step(&mut self, desk: &mut Desk, kind: StepKind, now: Now) {
        let connector = self.id();
        let offer = self.offer(desk, now);
        let by_phase = desk.profile.tells_phases;
        let Stage::Charging(session) = &mut self.stage else {
            return;
        };
        let step = Step {
            kind,
            connector,
            token: &session.token,
            transaction: session.id.as_deref(),
            seq_no: session.seq_no,
            at: now.wall,
            reading: self.meter.read(Some(&session.car), &offer, by_phase),
            status: session.status,
            offline: !desk.online,
        };
        desk.record(session.number, &step);
        session.seq_no += 1;
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
        self.meter.read(
            self.session().map(|session| &session.car),
            &self.offer(desk, now),
            desk.profile.tells_phases,
        )
    }

    fn charge(&mut self, desk: &mut Desk, now: Now) {
        self.catch_up(desk, now);
        let offer = self.offer(desk, now);
        self.tell_flows(desk, &offer);
        let Stage::Charging(session) = &mut self.stage else {
            return;
        };
        // A loop that reports by itself also lets time pass by itself.
        let lives = session.sample_at.is_some();
        session.look_at = desk
            .look_every()
            .filter(|_| lives)
            .map(|every| now.instant + every);
        let status = if session.car.is_full() {
            Status::SuspendedEv
        } else if offer.amps == 0.0 {
            Status::SuspendedEvse
        } else {
            Status::Charging
        };
        let changed = status != session.status;
        session.status = status;
        if changed && status == Status::SuspendedEv && session.stays_until.is_none() {
            let leaves = now.instant + desk.span(FULL);
            session.leaves_at = session.leaves_at.map(|at| at.min(leaves));
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        let (leaves, samples) = (due(session.leaves_at), due(session.sample_at));
        if samples {
            // A charger that was held up takes one late sample, not all the missed ones at once.
            let interval = desk.settings.meter_interval.max(Duration::from_millis(1));
            session.sample_at = Some(now.instant + interval);
        }
        if changed {
            if desk.dialect().reports_state_changes() {
                self.step(desk, StepKind::StateChanged, now);
            }
            self.report(desk, status, now);
        }
        if leaves {
            self.end(desk, StopReason::Local, now);
        } else if samples {
            self.step(desk, StepKind::Sampled, now);
        }
    }

    /// Counts the energy of the time since the last look.
    pub(crate) fn catch_up(&mut self, desk: &Desk, now: Now) {
        let Stage::Charging(session) = &mut self.stage else {
            return;
        };
        if session.sample_at.is_none() {
            return;
        }
        let passed = now.instant.saturating_duration_since(session.counted_to);
        session.counted_to = now.instant;
        self.advance(desk, passed.as_secs_f64() * desk.profile.speed, now);
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

    /// Tells the observer what flows, if it wants to know and it has changed.
    fn tell_flows(&mut self, desk: &Desk, offer: &Offer) {
        let connector = self.id();
        let Stage::Charging(session) = &mut self.stage else {
            return;
        };
        let mut amps = [0.0; 3];
        amps[..usize::from(session.car.phases_at(offer))].fill(session.car.drawn_a());
        let (told, offered_a) = session.told;
        let moved = (told.iter().zip(amps)).any(|(told, amps)| (told - amps).abs() >= SAME_A);
        if desk.profile.look_every.is_some() && (moved || offered_a != offer.amps) {
            session.told = (amps, offer.amps);
            desk.tell(&Event::Flows {
                connector,
                amps,
                offered_a: offer.amps,
            });
        }
    }

    /// The session is over: its profiles go, and somebody may want to know what it got.
    fn tell_end(&mut self, desk: &mut Desk) {
        let connector = self.id();
        let Stage::Charging(session) = &self.stage else {
            return;
        };
        let got_wh = session.car.taken_wh();
        desk.tell(&Event::Charged {
            connector,
            wanted_wh: got_wh + session.car.missing_wh(),
            got_wh,
        });
        if let Some(charging) = &mut desk.charging {
            charging.session_ended(session.number);
        }
    }
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
