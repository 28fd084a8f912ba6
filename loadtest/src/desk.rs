//! What a charger has to say and has not said yet, and what its connectors need to say it.
//!
//! Messages of a session go to the transaction queue, which outlives the socket. All others go to the outbox, which is
//! emptied when the socket goes: an old heartbeat or status is worth nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::charging::{Build, Charging, Transaction};
use crate::evse::Offer;
use crate::message::{Dialect, Message, Status, Step};
use crate::observer::{Event, Observer};
use crate::profile::{Pace, Profile};
use crate::queue::{TransactionMessage, TransactionQueue};
use crate::settings::Settings;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: DateTime<Utc>,
}

impl Now {
    /// Now, by a clock that is so much behind.
    pub(crate) fn read(behind: Duration) -> Self {
        Self {
            instant: Instant::now(),
            wall: Utc::now() - behind,
        }
    }
}

/// What an outstanding CALL is for, so that its answer finds its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Boot,
    Heartbeat,
    /// Of the connector with this index.
    Authorize(usize),
    /// The first of the transaction queue.
    Transaction,
    /// Nothing follows from the answer.
    Report,
}

/// The desk of one charger.
pub(crate) struct Desk {
    pub(crate) profile: Arc<Profile>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) identity: Box<str>,
    pub(crate) number: u64,
    pub(crate) rng: SmallRng,
    pub(crate) settings: Settings,
    pub(crate) pace: Pace,
    pub(crate) online: bool,
    pub(crate) outbox: VecDeque<(Message, Purpose)>,
    pub(crate) queue: TransactionQueue,
    /// The charging profiles, if there are any.
    pub(crate) charging: Option<Box<Charging>>,
    /// How many sessions share what the station as a whole may take; at least 1.
    pub(crate) sharing: u32,
    transactions: u32,
}

/// How often a charging connector with a profile looks at what that allows.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Desk {
    pub(crate) fn new(
        profile: Arc<Profile>,
        observer: Arc<dyn Observer>,
        identity: Box<str>,
        number: u64,
    ) -> Self {
        // An odd multiplier keeps the seeds of neighbours apart.
        let seed = profile.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            rng: SmallRng::seed_from_u64(seed),
            settings: Settings::new(&profile),
            profile,
            observer,
            identity,
            number,
            pace: Pace::Quiet,
            online: false,
            outbox: VecDeque::new(),
            queue: TransactionQueue::default(),
            charging: None,
            sharing: 1,
            transactions: 0,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        Dialect(self.profile.version)
    }

    /// What its charging profiles have to know of it.
    pub(crate) fn build(&self) -> Build<'_> {
        Build::of(&self.profile)
    }

    /// What an EVSE offers now, to a car with this transaction.
    pub(crate) fn offer(&self, evse: u32, running: Option<&Transaction<'_>>, now: Now) -> Offer {
        let limit = self.charging.as_ref().and_then(|charging| {
            let now_ms = now.wall.timestamp_millis();
            charging.limit(self.build(), evse, running, self.sharing, now_ms)
        });
        self.profile.evse.offer(limit)
    }

    /// How often a charging connector looks at its car and profiles; none if it need not.
    pub(crate) fn look_every(&self) -> Option<Duration> {
        let usual = self.charging.is_some().then_some(LOOK_EVERY);
        self.profile.look_every.or(usual)
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        self.observer.observe(&self.identity, event);
    }

    /// The token that drivers show at this connector.
    pub(crate) fn token(&self, connector: u32) -> String {
        self.profile
            .token
            .replace("{n}", &self.number.to_string())
            .replace("{c}", &connector.to_string())
    }

    /// A random span of real time, drawn in simulated seconds.
    pub(crate) fn span(&mut self, simulated_seconds: std::ops::Range<f64>) -> Duration {
        Duration::from_secs_f64(self.rng.random_range(simulated_seconds) / self.profile.speed)
    }

    /// The number of a new session.
    pub(crate) fn next_transaction(&mut self) -> u32 {
        self.transactions += 1;
        self.transactions
    }

    /// Puts a message into the outbox; without a socket there is none.
    pub(crate) fn say(&mut self, message: Message, purpose: Purpose) {
        if self.online {
            self.outbox.push_back((message, purpose));
        }
    }

    pub(crate) fn report_status(&mut self, connector: u32, status: Status, now: Now) {
        let message = self.dialect().status(connector, status, now.wall);
        self.say(message, Purpose::Report);
    }

    /// Puts one step of a session into the transaction queue, whether there is a socket or not.
    pub(crate) fn record(&mut self, transaction: u32, step: &Step<'_>) {
        let (message, awaits_id) = self.dialect().transaction(step);
        self.tell(&Event::Queued {
            action: message.action,
        });
        self.queue.push(TransactionMessage {
            action: message.action,
            transaction,
            payload: message.payload,
            awaits_id,
        });
    }
}
