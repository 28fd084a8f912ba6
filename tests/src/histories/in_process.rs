//! The actors in this process as a hub that stations can connect to.

use std::sync::Arc;

use actors::{Actors, Clock, CloseReason, Connection, Link, ManualClock, OutgoingCall};
use model::{
    ConnectorRef, Location, Measurand, MeterReading, MeterSample, Protocol, RetryKey, SampledValue,
    StationEvent, StationId, StationReply, TokenKind, TokenRef, TokenUid, TransactionEvent,
    TransactionPhase,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::Store;

use super::message::{Answer, Line, Message, Reachable, Step};

/// The actors in one of their lives.
#[derive(Clone)]
pub(super) struct LivingHub {
    pub(super) actors: Actors,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<ManualClock>,
    /// Stations send a repeat under a key of its own: what a hub sees that goes by message ids.
    pub(super) goes_by_message_ids: bool,
}

/// A station's connection to its actor.
pub(super) struct ActorLine {
    hub: LivingHub,
    connection: Connection,
    chance: StdRng,
}

impl Reachable for LivingHub {
    type Line = ActorLine;

    async fn connect(
        &self,
        station: &StationId,
        protocol: Protocol,
        chance: &mut StdRng,
    ) -> Option<ActorLine> {
        // As a handshake does.
        let hydration = self.store.hydrate(station).await.ok();
        if hydration.is_none() {
            self.actors.remembers(station)?;
        }
        let link: Arc<dyn Link> = Arc::new(NoCalls);
        let connection = self
            .actors
            .connect(station, protocol, &link, hydration.as_ref())
            .await;
        Some(ActorLine {
            hub: self.clone(),
            connection: connection.ok()?,
            chance: StdRng::seed_from_u64(chance.random()),
        })
    }
}

impl Line for ActorLine {
    async fn say(&mut self, message: &Message) -> Option<Answer> {
        let key = key(message, self.hub.goes_by_message_ids);
        let clock = &self.hub.clock;
        clock.advance_ms(self.chance.random_range(0..2_000));
        let event = event(message, key.clone());
        let reply = self.connection.ask(event, clock.now()).await.ok()?;
        let number = match reply {
            StationReply::Transaction { number, .. } => number,
            _ => None,
        };
        Some(Answer::Taken { key, number })
    }
}

fn key(message: &Message, goes_by_message_ids: bool) -> RetryKey {
    let step = match message.step {
        Step::Start => "start",
        Step::Values => "values",
        Step::Stop => "stop",
    };
    let sending = if goes_by_message_ids {
        message.sending
    } else {
        0
    };
    let parts = [
        message.seq.to_string(),
        message.at.to_string(),
        sending.to_string(),
    ];
    RetryKey::of(step, &parts.each_ref().map(String::as_str))
}

fn event(message: &Message, retry_key: RetryKey) -> StationEvent {
    match (message.protocol, message.step) {
        (Protocol::Ocpp16, Step::Values) => StationEvent::Meter(Box::new(MeterReading {
            transaction: message.transaction.clone(),
            connector: ConnectorRef::of_16(1),
            retry_key,
            samples: vec![sample(message)],
            raw: None,
        })),
        _ => StationEvent::Transaction(Box::new(transaction_event(message, retry_key))),
    }
}

fn transaction_event(message: &Message, retry_key: RetryKey) -> TransactionEvent {
    let is_16 = message.protocol == Protocol::Ocpp16;
    let is_start = message.step == Step::Start;
    TransactionEvent {
        phase: match message.step {
            Step::Start => TransactionPhase::Started,
            Step::Values => TransactionPhase::Updated,
            Step::Stop => TransactionPhase::Ended,
        },
        transaction: message.transaction.clone(),
        retry_key,
        seq: (!is_16).then_some(message.seq),
        connector: (!is_16 || is_start).then_some(ConnectorRef::of_16(1)),
        token: is_start.then(|| TokenRef {
            uid: TokenUid::new(&message.token).expect("a good uid"),
            kind: TokenKind::default(),
        }),
        at: Some(message.at),
        meter_wh: is_16.then_some(message.wh),
        samples: if is_16 {
            Vec::new()
        } else {
            vec![sample(message)]
        },
        stop_reason: None,
        trigger: None,
        charging_state: None,
        offline: false,
        remote_start_id: None,
        raw: None,
    }
}

fn sample(message: &Message) -> MeterSample {
    MeterSample {
        at: message.at,
        values: vec![SampledValue {
            measurand: Measurand::EnergyImportRegister,
            value: Some(message.wh),
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
    fn silent_s(&self) -> u32 {
        0
    }
    fn ping(&self) {}
    fn close(&self, _reason: CloseReason) {}

    fn finish(&self, _reason: CloseReason) {}
}
