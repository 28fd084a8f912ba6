//! A charger without its socket: frames and time in, frames out. Everything that OCPP asks of a station is decided here,
//! so it can be tested without a network; `charger.rs` only carries the frames.
//!
//! Rules kept:
//! - one CALL outstanding; a CALL of the central system is answered at once, also while we wait (crossing calls);
//! - before the boot is accepted nothing but BootNotification is sent (2.0.1 B02, 1.6 §4.2);
//! - then the outbox goes first, then the transaction queue in order, then the closed loop's next message.

mod answers;
mod obey;
mod smart_charging;
mod visits;

use std::sync::Arc;
use std::time::Instant;

use ocpp::frame::{self, Frame};

use crate::closed_loop::ClosedLoop;
use crate::connector::Connector;
use crate::desk::{Desk, Now, Purpose};
use crate::hammer;
use crate::message::Message;
use crate::observer::{Event, Failure, Observer};
use crate::profile::{Pace, Profile};

use visits::Visits;

/// The state of one charger.
pub(crate) struct Station {
    pub(crate) desk: Desk,
    connectors: Box<[Connector]>,
    closed_loop: ClosedLoop,
    visits: Option<Box<Visits>>,
    pending: Option<Pending>,
    accepted: bool,
    /// When to send BootNotification; none when no boot is due.
    boot_at: Option<Instant>,
    heartbeat_at: Option<Instant>,
    message_prefix: u32,
    messages: u64,
}

/// The CALL that waits for its answer.
struct Pending {
    id: String,
    action: &'static str,
    purpose: Purpose,
    sent_at: Instant,
    deadline: Instant,
}

/// What the socket loop has to do after an input.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// To be sent, in this order.
    pub(crate) frames: Vec<String>,
    /// The charger restarts: close the socket and come back after a moment.
    pub(crate) restart: bool,
}

impl Station {
    pub(crate) fn new(
        profile: Arc<Profile>,
        observer: Arc<dyn Observer>,
        identity: Box<str>,
        number: u64,
    ) -> Self {
        let mut desk = Desk::new(profile, observer, identity, number);
        let connectors = (0..desk.profile.connectors as usize)
            .map(|i| Connector::new(i, &mut desk))
            .collect();
        Self {
            desk,
            connectors,
            closed_loop: ClosedLoop::default(),
            visits: None,
            pending: None,
            accepted: false,
            boot_at: None,
            heartbeat_at: None,
            // 2.0.1 wants message ids unique over connections and restarts; the seed may be the same in two runs.
            message_prefix: rand::random(),
            messages: 0,
        }
    }

    /// The socket is open.
    pub(crate) fn connected(&mut self, now: Now, out: &mut Output) {
        self.desk.online = true;
        self.profiles_online(now);
        self.desk.queue.reconnected();
        if self.accepted {
            self.report_all(now);
        } else {
            self.boot_at = Some(now.instant);
        }
        self.send_next(now, out);
    }

    /// The socket is gone; what was not acknowledged will be sent again.
    pub(crate) fn disconnected(&mut self, now: Now) {
        self.desk.online = false;
        self.profiles_offline(now);
        self.desk.outbox.clear();
        if let Some(pending) = self.pending.take() {
            self.failed(pending, Failure::Disconnected, now);
        }
    }

    /// The charger restarts: it boots again on the next socket.
    pub(crate) fn restarted(&mut self) {
        self.accepted = false;
        if self.desk.profile.faults.forgets_on_reboot {
            self.desk.charging = None;
        }
    }

    /// The fleet has a new pace.
    pub(crate) fn set_pace(&mut self, pace: Pace, now: Now, out: &mut Output) {
        self.desk.pace = pace;
        for connector in &mut self.connectors {
            connector.pace_changed(&mut self.desk, now);
        }
        self.closed_loop = ClosedLoop::default();
        self.send_next(now, out);
    }

    /// Sends MeterValues of at least `bytes` outside any session.
    pub(crate) fn send_meter_values(&mut self, bytes: usize, now: Now, out: &mut Output) {
        if let Some(connector) = self.connectors.first() {
            let reading = connector.reading(&self.desk, now);
            let message =
                self.desk
                    .dialect()
                    .meter_values(connector.id(), &reading, now.wall, bytes);
            self.desk.say(message, Purpose::Report);
        }
        self.send_next(now, out);
    }

    /// Whether no session runs and everything said so far was answered. Before the boot is accepted only what outlives
    /// the socket counts.
    pub(crate) fn has_said_all(&self) -> bool {
        let answered = self.pending.is_none() && self.desk.outbox.is_empty();
        let over = self
            .connectors
            .iter()
            .all(|connector| connector.session().is_none());
        over && self.desk.queue.is_empty() && (answered || !self.accepted)
    }

    /// When [`Self::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let socket = match &self.pending {
            Some(pending) => Some(pending.deadline),
            None if !self.desk.online => None,
            None if !self.accepted => self.boot_at,
            None => self.desk.queue.retry_at(),
        };
        let heartbeat = self
            .heartbeat_at
            .filter(|_| self.desk.online && self.accepted);
        let rest = self
            .closed_loop
            .deadline()
            .filter(|_| self.desk.online && self.accepted && self.pending.is_none());
        let connectors = self.connectors.iter().filter_map(Connector::deadline);
        let visit = self.visits.as_ref().and_then(|visits| visits.next());
        let all = socket.into_iter().chain(heartbeat).chain(rest).chain(visit);
        all.chain(connectors).min()
    }

    /// Does what time asks for.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Output) {
        if let Some(pending) = self
            .pending
            .take_if(|pending| pending.deadline <= now.instant)
        {
            self.failed(pending, Failure::TimedOut, now);
        }
        if self.desk.online && self.heartbeat_at.is_some_and(|at| at <= now.instant) {
            self.heartbeat_at = Some(now.instant + self.desk.settings.heartbeat);
            self.queue_heartbeat();
        }
        self.welcome_visitors(now);
        self.settle_profiles(now);
        for connector in &mut self.connectors {
            connector.tick(&mut self.desk, now);
        }
        self.send_next(now, out);
    }

    /// A text frame came.
    pub(crate) fn received(&mut self, text: &str, now: Now, out: &mut Output) {
        match frame::parse(text) {
            Ok(Frame::Call {
                id,
                action,
                payload,
            }) => {
                let answer = self.obey(&id, &action, payload, now, out);
                out.frames.push(answer);
                self.desk.tell(&Event::Obeyed { action: &action });
            }
            Ok(Frame::CallResult { id, payload }) => match self.claim(&id) {
                Some(pending) => self.answered(pending, payload, now),
                None => self.desk.tell(&Event::Unexpected {
                    problem: "an answer that nobody waits for",
                }),
            },
            Ok(Frame::CallError { id, code, .. }) => match self.claim(&id) {
                Some(pending) => self.failed(pending, Failure::CallError(&code), now),
                None => self.desk.tell(&Event::Unexpected {
                    problem: "an error that nobody waits for",
                }),
            },
            Ok(Frame::Unknown { .. }) => {
                self.desk.tell(&Event::Unexpected {
                    problem: "an unknown message type",
                });
            }
            Err(_) => self.desk.tell(&Event::Unexpected {
                problem: "a frame that is no OCPP-J",
            }),
        }
        self.send_next(now, out);
    }

    fn queue_heartbeat(&mut self) {
        let waiting = self
            .desk
            .outbox
            .iter()
            .any(|(_, purpose)| *purpose == Purpose::Heartbeat);
        if !waiting {
            let message = self.desk.dialect().heartbeat();
            self.desk.say(message, Purpose::Heartbeat);
        }
    }

    fn claim(&mut self, id: &str) -> Option<Pending> {
        self.pending.take_if(|pending| pending.id == id)
    }

    fn report_all(&mut self, now: Now) {
        if !self.desk.profile.statuses {
            return;
        }
        for connector in &mut self.connectors {
            connector.repeat_status(&mut self.desk, now);
        }
    }

    /// Sends the next CALL if none is outstanding.
    fn send_next(&mut self, now: Now, out: &mut Output) {
        self.count_sharers();
        if !self.desk.online || self.pending.is_some() {
            return;
        }
        if self.boot_at.is_some_and(|at| at <= now.instant) {
            self.boot_at = None;
            let boot = self.desk.dialect().boot(&self.desk.identity);
            return self.send(&boot, Purpose::Boot, now, out);
        }
        if !self.accepted {
            return;
        }
        self.closed_loop
            .prepare(&mut self.desk, &mut self.connectors, now);
        hammer::prepare(&mut self.desk, &mut self.connectors, now);
        if let Some((message, purpose)) = self.desk.outbox.pop_front() {
            return self.send(&message, purpose, now, out);
        }
        if let Some(first) = self.desk.queue.due(now.instant) {
            let message = Message {
                action: first.action,
                payload: first.payload.clone(),
            };
            self.send(&message, Purpose::Transaction, now, out);
        }
    }

    fn send(&mut self, message: &Message, purpose: Purpose, now: Now, out: &mut Output) {
        self.messages += 1;
        let id = format!("{:08x}-{}", self.message_prefix, self.messages);
        out.frames
            .push(frame::call(&id, message.action, &message.payload));
        self.desk.tell(&Event::Sent {
            action: message.action,
        });
        self.pending = Some(Pending {
            id,
            action: message.action,
            purpose,
            sent_at: now.instant,
            deadline: now.instant + self.desk.profile.answer_timeout,
        });
    }
}
