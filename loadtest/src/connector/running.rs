//! A running session: time passes, energy is counted, steps are reported.

use std::time::{Duration, Instant};

use super::{Connector, FULL, session::Stage};
use crate::desk::{Desk, Now};
use crate::evse::Offer;
use crate::message::{Status, Step, StepKind, StopReason};
use crate::observer::Event;

/// Currents that differ by less, in amperes, are not told of again.
const SAME_A: f64 = 0.01;

impl Connector {
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
            reading: (self.meter.read(Some(&session.car), &offer, by_phase))
                .told_with(&desk.profile.faults),
            status: session.status,
            offline: !desk.online,
        };
        desk.record(session.number, &step);
        session.seq_no += 1;
    }

    /// Does what is due while a car charges.
    pub(super) fn charge(&mut self, desk: &mut Desk, now: Now) {
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

    /// Tells the observer what flows, if it wants to know and it has changed.
    pub(super) fn tell_flows(&mut self, desk: &Desk, offer: &Offer) {
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
    pub(super) fn tell_end(&mut self, desk: &mut Desk) {
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
