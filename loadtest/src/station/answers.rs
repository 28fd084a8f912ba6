//! What follows from the answers of the central system, and from answers that do not come.

use std::time::Duration;

use rand::RngExt;
use serde_json::value::RawValue;

use super::{Pending, Station};
use crate::desk::{Now, Purpose};
use crate::message::StopReason;
use crate::observer::{Event, Failure};

/// Pause before BootNotification is sent again when the central system names none.
const BOOT_AGAIN: Duration = Duration::from_secs(10);
/// Shortest heartbeat interval that is followed: an answer with 0 leaves the choice to us.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);

impl Station {
    pub(super) fn answered(&mut self, pending: Pending, payload: &RawValue, now: Now) {
        let took = now.instant.saturating_duration_since(pending.sent_at);
        let action = pending.action;
        self.desk.tell(&Event::Answered { action, took });
        match pending.purpose {
            Purpose::Boot => self.boot_answered(payload, now),
            Purpose::Authorize(index) => {
                let status = self.desk.dialect().authorize_answer(payload);
                let accepted = status.as_deref() == Some("Accepted");
                match status.as_deref() {
                    Some("Accepted") => {}
                    Some(status) => self.desk.tell(&Event::Refused { action, status }),
                    None => {
                        let failure = Failure::BadAnswer("no token status");
                        self.desk.tell(&Event::Failed { action, failure });
                    }
                }
                if let Some(connector) = self.connectors.get_mut(index) {
                    connector.authorised(&mut self.desk, accepted, now);
                }
                self.closed_loop.authorised();
            }
            Purpose::Transaction => self.transaction_answered(payload, now),
            Purpose::Heartbeat | Purpose::Report => {}
        }
    }

    fn boot_answered(&mut self, payload: &RawValue, now: Now) {
        let action = "BootNotification";
        let Some(answer) = self.desk.dialect().boot_answer(payload) else {
            self.desk.tell(&Event::Failed {
                action,
                failure: Failure::BadAnswer("no status"),
            });
            self.boot_at = Some(now.instant + BOOT_AGAIN);
            return;
        };
        let interval = Duration::from_secs(answer.interval_s);
        if answer.status != "Accepted" {
            self.desk.tell(&Event::Refused {
                action,
                status: &answer.status,
            });
            let pause = if interval.is_zero() {
                BOOT_AGAIN
            } else {
                interval
            };
            self.boot_at = Some(now.instant + pause);
            return;
        }
        self.accepted = true;
        self.boot_at = None;
        self.desk.tell(&Event::Booted);
        if self.desk.profile.heartbeat.is_none() && interval >= SHORTEST_HEARTBEAT {
            self.desk.settings.heartbeat = interval;
        }
        // The first heartbeat comes somewhere in the interval, as it does in a fleet that was not started in one minute.
        let first = self.desk.settings.heartbeat.mul_f64(self.desk.rng.random());
        self.heartbeat_at = Some(now.instant + first.max(SHORTEST_HEARTBEAT));
        self.report_all(now);
    }

    fn transaction_answered(&mut self, payload: &RawValue, now: Now) {
        let Some(message) = self.desk.queue.acknowledge() else {
            return;
        };
        let action = message.action;
        self.desk.tell(&Event::Acknowledged {
            action,
            payload: &message.payload,
            answer: payload.get(),
        });
        let answer = self.desk.dialect().transaction_answer(payload);
        if action == "StartTransaction" {
            if answer.transaction_id.is_none() {
                let failure = Failure::BadAnswer("no transactionId");
                self.desk.tell(&Event::Failed { action, failure });
            }
            // -1 is what firmware sends when it never learnt the id.
            self.name_transaction(message.transaction, answer.transaction_id.unwrap_or(-1));
        }
        if let Some(status) = answer.token_status.filter(|status| status != "Accepted") {
            self.desk.tell(&Event::Refused {
                action,
                status: &status,
            });
            self.deauthorise(message.transaction, now);
        }
    }

    fn name_transaction(&mut self, number: u32, id: i64) {
        self.desk.queue.resolve(number, id);
        for connector in &mut self.connectors {
            connector.named(number, id);
        }
    }

    /// The token turned out to be bad: the session ends (1.6 StopTransactionOnInvalidId, 2.0.1 E05). A closed loop goes
    /// on: it measures, and the refusal is counted.
    fn deauthorise(&mut self, number: u32, now: Now) {
        if self.desk.pace.loops(self.desk.number) {
            return;
        }
        for connector in &mut self.connectors {
            if connector
                .session()
                .is_some_and(|session| session.number() == number)
            {
                connector.end(&mut self.desk, StopReason::DeAuthorized, now);
            }
        }
    }

    pub(super) fn failed(&mut self, pending: Pending, failure: Failure<'_>, now: Now) {
        let action = pending.action;
        self.desk.tell(&Event::Failed { action, failure });
        match pending.purpose {
            Purpose::Boot => self.boot_at = Some(now.instant + BOOT_AGAIN),
            Purpose::Authorize(index) => {
                if let Some(connector) = self.connectors.get_mut(index) {
                    connector.not_authorised_yet(&mut self.desk, now);
                }
                self.closed_loop.not_authorised();
            }
            Purpose::Transaction => self.transaction_failed(failure, now),
            Purpose::Heartbeat | Purpose::Report => {}
        }
    }

    fn transaction_failed(&mut self, failure: Failure<'_>, now: Now) {
        let interval = self.desk.settings.retry_interval;
        if !matches!(failure, Failure::CallError(_)) {
            self.desk.queue.unanswered(now.instant, interval);
            return;
        }
        let attempts = self.desk.settings.attempts;
        if let Some(message) = self.desk.queue.refused(now.instant, attempts, interval) {
            let action = message.action;
            self.desk.tell(&Event::Discarded {
                action,
                payload: &message.payload,
            });
            if action == "StartTransaction" {
                self.name_transaction(message.transaction, -1);
            }
        }
    }
}
