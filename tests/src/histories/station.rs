//! A station of a history: it charges, queues what it has to say, and says it until it is acknowledged,
//! as firmware does. It remembers what it was told and what its meter really counted.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use model::{Admission, Protocol, RetryKey, Station, StationId, Timestamp};
use rand::{RngExt, rngs::StdRng};

use super::message::{Answer, Line, Message, Reachable, Step};

/// How stations live.
pub(super) struct Conditions {
    /// No link breaks any more, and who has an empty queue is done.
    pub(super) calm: AtomicBool,
    /// Until then a station with an empty queue charges again.
    pub(super) charges_on: bool,
    /// From an answer to the next message, in ms.
    pub(super) between_messages_ms: Range<u64>,
    /// From a broken link to the next try, in ms.
    pub(super) before_reconnect_ms: Range<u64>,
    /// How many messages of all stations were acknowledged.
    pub(super) acknowledged: AtomicUsize,
}

impl Conditions {
    fn are_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }
}

/// A station, its queue, and the truth about it.
pub(super) struct SimStation {
    pub(super) id: StationId,
    pub(super) protocol: Protocol,
    pub(super) truth: Vec<Truth>,
    pub(super) acknowledged: Vec<Acknowledged>,
    /// The errors its messages were answered with.
    pub(super) refused: Vec<String>,
    queue: VecDeque<Item>,
    recently_said: VecDeque<Item>,
    /// Names its 1.6 transactions -1 (quirk 18).
    pub(super) forgets_numbers: bool,
    /// Its clock.
    now: Timestamp,
    /// Its meter.
    wh: f64,
    sent: u64,
}

/// What really happened in a transaction.
pub(super) struct Truth {
    pub(super) energy_wh: f64,
    /// Every number the hub ever gave it.
    pub(super) numbers: Vec<i32>,
}

/// A message the hub said it had taken.
pub(super) struct Acknowledged {
    pub(super) key: RetryKey,
    /// The reading it carried.
    pub(super) reading_wh: f64,
}

#[derive(Clone)]
struct Item {
    transaction: usize,
    step: Step,
    seq: i64,
    at: Timestamp,
    wh: f64,
    token: String,
}

impl SimStation {
    /// A station that has charged nothing yet.
    pub(super) fn new(number: u32, now: Timestamp, chance: &mut StdRng) -> Self {
        let protocol = match (chance.random_bool(0.5), number % 2) {
            (true, _) => Protocol::Ocpp16,
            (false, 0) => Protocol::Ocpp201,
            (false, _) => Protocol::Ocpp21,
        };
        Self {
            id: StationId::new(&format!("S{number}")).expect("a good id"),
            protocol,
            truth: Vec::new(),
            recently_said: VecDeque::new(),
            acknowledged: Vec::new(),
            refused: Vec::new(),
            queue: VecDeque::new(),
            forgets_numbers: chance.random_bool(0.15),
            now,
            wh: f64::from(chance.random_range(0..5_000u32)),
            sent: 0,
        }
    }

    /// Charges once: the meter counts, and what is to be said about it stands in the queue.
    pub(super) fn charge(&mut self, token: String, chance: &mut StdRng) {
        let started_wh = self.wh;
        let values = chance.random_range(0..6);
        let mut items = Vec::new();
        for seq in 0..values + 2 {
            let step = match seq {
                0 => Step::Start,
                last if last == values + 1 => Step::Stop,
                _ => Step::Values,
            };
            items.push(Item {
                transaction: self.truth.len(),
                step,
                seq,
                at: self.now,
                wh: self.wh,
                token: token.clone(),
            });
            self.now = self.now.plus_ms(60_000);
            if seq <= values {
                self.wh += f64::from(chance.random_range(0..900u32));
            }
        }
        self.truth.push(Truth {
            energy_wh: self.wh - started_wh,
            numbers: Vec::new(),
        });
        // 2.x events may come in any order (E04); a 1.6 queue keeps its own (§3.7.1).
        if self.protocol.is_2x() {
            for later in 1..items.len() {
                if chance.random_bool(0.2) {
                    items.swap(later - 1, later);
                }
            }
        }
        for item in items {
            if chance.random_bool(0.1) {
                self.queue.push_back(item.clone());
            }
            self.queue.push_back(item);
        }
    }

    /// As the operator knows it.
    pub(super) fn known(&self, since: Timestamp) -> Station {
        Station {
            id: self.id.clone(),
            site: None,
            admission: Admission::Accepted,
            assume_16: false,
            note: String::new(),
            boot: None,
            protocol: None,
            last_seen_at: None,
            created_at: since,
        }
    }

    /// Connects and sends until there is no more to say; while it is not calm, links break.
    pub(super) async fn live<H: Reachable>(
        &mut self,
        hub: &H,
        mut chance: StdRng,
        conditions: &Conditions,
    ) {
        while self.has_more_to_say(&mut chance, conditions) {
            if let Some(line) = hub.connect(&self.id, self.protocol, &mut chance).await {
                self.talk(line, &mut chance, conditions).await;
            }
            pause(&conditions.before_reconnect_ms, &mut chance).await;
        }
    }

    fn has_more_to_say(&mut self, chance: &mut StdRng, conditions: &Conditions) -> bool {
        if self.queue.is_empty() && conditions.charges_on && !conditions.are_calm() {
            self.charge(format!("TAG{}", self.truth.len()), chance);
        }
        !self.queue.is_empty()
    }

    async fn talk(&mut self, mut line: impl Line, chance: &mut StdRng, conditions: &Conditions) {
        while self.has_more_to_say(chance, conditions)
            && let Some(item) = self.queue.front().cloned()
        {
            let calm = conditions.are_calm();
            let message = self.message(&item);
            let patience = match (calm, chance.random_range(0..8)) {
                (false, 0) => Duration::from_millis(chance.random_range(0..5)),
                _ => Duration::from_secs(60),
            };
            let said = tokio::time::timeout(patience, line.say(&message)).await;
            let Ok(Some(answer)) = said else {
                return;
            };
            if !calm && chance.random_bool(0.1) {
                // The answer was under way when the link broke.
                return;
            }
            self.take(answer, &item, &message);
            // A start said again while the store is away begins a session; that values with no number
            // are not meant for that one, nobody can tell.
            if !(item.step == Step::Start && self.forgets_numbers) {
                self.recently_said.push_front(item);
                self.recently_said.truncate(4);
            }
            if !calm && chance.random_bool(0.05) {
                self.repeat_something(chance);
            }
            conditions.acknowledged.fetch_add(1, Ordering::Relaxed);
            if !calm && chance.random_bool(0.1) {
                return;
            }
            pause(&conditions.between_messages_ms, chance).await;
        }
    }

    /// It has forgotten that something was acknowledged, as after a power cut: it says it again.
    fn repeat_something(&mut self, chance: &mut StdRng) {
        let number = chance.random_range(0..4);
        if let Some(again) = self.recently_said.get(number) {
            self.queue.push_front(again.clone());
        }
    }

    fn take(&mut self, answer: Answer, item: &Item, message: &Message) {
        match answer {
            Answer::Taken { key, number } => {
                self.acknowledged.push(Acknowledged {
                    key,
                    reading_wh: message.wh,
                });
                if let (Some(number), Step::Start) = (number, item.step) {
                    self.truth[item.transaction].numbers.push(number);
                }
            }
            // Firmware drops what it is told is wrong: the checker has to miss it.
            Answer::Refused(error) => self.refused.push(error),
        }
        self.queue.pop_front();
    }

    fn message(&mut self, item: &Item) -> Message {
        self.sent += 1;
        Message {
            protocol: self.protocol,
            step: item.step,
            transaction: match (self.protocol, item.step) {
                (Protocol::Ocpp16, Step::Start) => None,
                (Protocol::Ocpp16, _) => Some(self.number_of(item)),
                (Protocol::Ocpp201 | Protocol::Ocpp21, _) => {
                    Some(format!("tx-{}", item.transaction))
                }
            },
            seq: item.seq,
            at: item.at,
            wh: item.wh,
            token: item.token.clone(),
            sending: self.sent,
        }
    }

    fn number_of(&self, item: &Item) -> String {
        match self.truth[item.transaction].numbers.first() {
            Some(number) if !self.forgets_numbers => number.to_string(),
            _ => "-1".to_owned(),
        }
    }
}

async fn pause(ms: &Range<u64>, chance: &mut StdRng) {
    if !ms.is_empty() {
        tokio::time::sleep(Duration::from_millis(chance.random_range(ms.clone()))).await;
    }
}
