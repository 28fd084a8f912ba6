//! A station of a history: it charges by a plan, queues what it has to say, and says it until it is
//! acknowledged, as firmware does. It remembers what it was told and what its meter really counted.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actors::{Actors, Clock, CloseReason, Link, ManualClock, OutgoingCall};
use model::{
    Admission, ConnectorRef, Location, Measurand, MeterReading, MeterSample, Protocol, RetryKey,
    SampledValue, Station, StationEvent, StationId, StationReply, Timestamp, TokenKind, TokenRef,
    TokenUid, TransactionEvent, TransactionPhase,
};
use rand::{RngExt, rngs::StdRng};
use store::Store;

/// A hub in one of its lives.
#[derive(Clone)]
pub(super) struct LivingHub {
    pub(super) actors: Actors,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<ManualClock>,
}

/// A station, its queue, and the truth about it.
pub(super) struct SimStation {
    pub(super) id: StationId,
    pub(super) protocol: Protocol,
    pub(super) truth: Vec<Truth>,
    /// The keys of what was acknowledged, in the order it was.
    pub(super) acknowledged: Vec<RetryKey>,
    queue: VecDeque<Item>,
    /// Names its 1.6 transactions -1 (quirk 18).
    forgets_numbers: bool,
    keeps_ids: bool,
    sent: u64,
}

/// What really happened in a transaction.
pub(super) struct Truth {
    pub(super) energy_wh: f64,
    /// Every number the hub ever gave it.
    pub(super) numbers: Vec<i32>,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Values,
    Stop,
}

impl SimStation {
    pub(super) fn plan(
        number: u32,
        begin: Timestamp,
        keeps_ids: bool,
        chance: &mut StdRng,
    ) -> Self {
        let protocol = if chance.random_bool(0.5) {
            Protocol::Ocpp16
        } else {
            Protocol::Ocpp201
        };
        let mut station = Self {
            id: StationId::new(&format!("S{number}")).expect("a good id"),
            protocol,
            truth: Vec::new(),
            acknowledged: Vec::new(),
            queue: VecDeque::new(),
            forgets_numbers: chance.random_bool(0.15),
            keeps_ids,
            sent: 0,
        };
        let (mut at, mut wh) = (begin, f64::from(chance.random_range(0..5_000u32)));
        for transaction in 0..chance.random_range(1..=3) {
            let mut items = Vec::new();
            let token = match chance.random_range(0..10) {
                0 => format!(
                    "!panic-session-once-{number}-{transaction}-{}",
                    chance.random::<u32>()
                ),
                _ => format!("TAG{transaction}"),
            };
            let started_wh = wh;
            let values = chance.random_range(0..6);
            for seq in 0..values + 2 {
                let step = match seq {
                    0 => Step::Start,
                    last if last == values + 1 => Step::Stop,
                    _ => Step::Values,
                };
                items.push(Item {
                    transaction,
                    step,
                    seq,
                    at,
                    wh,
                    token: token.clone(),
                });
                at = at.plus_ms(60_000);
                if seq <= values {
                    wh += f64::from(chance.random_range(0..900u32));
                }
            }
            let energy_wh = items.last().map_or(0.0, |stop| stop.wh) - started_wh;
            station.truth.push(Truth {
                energy_wh,
                numbers: Vec::new(),
            });
            // 2.x events may come in any order (E04); a 1.6 queue keeps its own (§3.7.1).
            if protocol == Protocol::Ocpp201 {
                for later in 1..items.len() {
                    if chance.random_bool(0.2) {
                        items.swap(later - 1, later);
                    }
                }
            }
            for item in items {
                if chance.random_bool(0.1) {
                    station.queue.push_back(item.clone());
                }
                station.queue.push_back(item);
            }
        }
        station
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

    /// Connects and sends until the queue is empty; in a life that is not calm, links break.
    pub(super) async fn live(&mut self, hub: &LivingHub, mut chance: StdRng, calm: bool) {
        while !self.queue.is_empty() {
            self.connect_once(hub, &mut chance, calm).await;
            tokio::time::sleep(Duration::from_millis(chance.random_range(1..50))).await;
        }
    }

    async fn connect_once(&mut self, hub: &LivingHub, chance: &mut StdRng, calm: bool) {
        let LivingHub {
            actors,
            store,
            clock,
        } = hub;
        // As a handshake does.
        let Ok(hydration) = store.hydrate(&self.id).await else {
            return;
        };
        let link: Arc<dyn Link> = Arc::new(NoCalls);
        let Ok(connection) = actors.connect(&self.id, self.protocol, &link, &hydration) else {
            return;
        };
        while let Some(item) = self.queue.front().cloned() {
            let event = self.event(&item);
            let key = key_of(&event);
            clock.advance_ms(chance.random_range(0..2_000));
            let asked = connection.ask(event, clock.now());
            let patience = match (calm, chance.random_range(0..8)) {
                (false, 0) => Duration::from_millis(chance.random_range(0..5)),
                _ => Duration::from_secs(60),
            };
            let Ok(Ok(reply)) = tokio::time::timeout(patience, asked).await else {
                return;
            };
            if !calm && chance.random_bool(0.1) {
                // The answer was under way when the link broke.
                return;
            }
            self.acknowledged.push(key);
            if let StationReply::Transaction {
                number: Some(number),
                ..
            } = reply
                && item.step == Step::Start
            {
                self.truth[item.transaction].numbers.push(number);
            }
            self.queue.pop_front();
            if !calm && chance.random_bool(0.1) {
                return;
            }
        }
    }

    fn event(&mut self, item: &Item) -> StationEvent {
        self.sent += 1;
        match (self.protocol, item.step) {
            (Protocol::Ocpp16, Step::Values) => StationEvent::Meter(Box::new(MeterReading {
                transaction: Some(self.number_of(item)),
                connector: ConnectorRef::of_16(1),
                retry_key: self.key(item),
                samples: vec![sample(item)],
                raw: None,
            })),
            _ => StationEvent::Transaction(Box::new(self.transaction_event(item))),
        }
    }

    fn transaction_event(&self, item: &Item) -> TransactionEvent {
        let is_16 = self.protocol == Protocol::Ocpp16;
        TransactionEvent {
            phase: match item.step {
                Step::Start => TransactionPhase::Started,
                Step::Values => TransactionPhase::Updated,
                Step::Stop => TransactionPhase::Ended,
            },
            transaction: match (is_16, item.step) {
                (true, Step::Start) => None,
                (true, _) => Some(self.number_of(item)),
                (false, _) => Some(format!("tx-{}", item.transaction)),
            },
            retry_key: self.key(item),
            seq: (!is_16).then_some(item.seq),
            connector: (!is_16 || item.step == Step::Start).then_some(ConnectorRef::of_16(1)),
            token: (item.step == Step::Start).then(|| TokenRef {
                uid: TokenUid::new(&item.token).expect("a good uid"),
                kind: TokenKind::default(),
            }),
            at: Some(item.at),
            meter_wh: is_16.then_some(item.wh),
            samples: if is_16 {
                Vec::new()
            } else {
                vec![sample(item)]
            },
            stop_reason: None,
            trigger: None,
            charging_state: None,
            offline: false,
            remote_start_id: None,
            raw: None,
        }
    }

    fn number_of(&self, item: &Item) -> String {
        match self.truth[item.transaction].numbers.first() {
            Some(number) if !self.forgets_numbers => number.to_string(),
            _ => "-1".to_owned(),
        }
    }

    fn key(&self, item: &Item) -> RetryKey {
        let step = match item.step {
            Step::Start => "start",
            Step::Values => "values",
            Step::Stop => "stop",
        };
        let attempt = if self.keeps_ids { 0 } else { self.sent };
        let parts = [
            item.transaction.to_string(),
            item.seq.to_string(),
            item.at.to_string(),
            attempt.to_string(),
        ];
        RetryKey::of(step, &parts.each_ref().map(String::as_str))
    }
}

fn key_of(event: &StationEvent) -> RetryKey {
    match event {
        StationEvent::Transaction(event) => event.retry_key.clone(),
        StationEvent::Meter(reading) => reading.retry_key.clone(),
        _ => unreachable!("stations of a history send transaction messages only"),
    }
}

fn sample(item: &Item) -> MeterSample {
    MeterSample {
        at: item.at,
        values: vec![SampledValue {
            measurand: Measurand::EnergyImportRegister,
            value: Some(item.wh),
            unit: "Wh".to_owned(),
            phase: None,
            location: Location::Outlet,
            context: None,
            raw: None,
        }],
    }
}

/// A link that takes no calls: the hub has none to make.
struct NoCalls;

impl Link for NoCalls {
    fn call(&self, _call: OutgoingCall) {}
    fn close(&self, _reason: CloseReason) {}
}
