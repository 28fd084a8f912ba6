//! A charger: one actor per station, from its first connection until it has been away for a while.
//!
//! It holds what the station's messages need at hand: whether it may charge, where it stands, its open
//! sessions. A message of a transaction is passed on to that session's actor together with the port
//! for the answer; everything else is answered here. It never waits for the station: calls go out
//! through the [`Link`](crate::Link), and their outcome goes to whoever asked.

pub(crate) mod ask;
pub(crate) mod charging;
mod clock;
mod hydrate;
mod message;
mod number;
mod open;
mod session_actors;
mod transaction;

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
    time::Duration,
};

use model::{
    Admission, BootStatus, Connector, LiveEvent, MeterSample, Protocol, Refusal, SiteId,
    StationEvent, StationId, StationReply, Timestamp, TokenRef,
};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use store::{NoticeRecord, ReadError};

pub use self::ask::Connection;
pub(crate) use self::message::{Busy, ChargerMsg, EventEnvelope, Reply, SessionNews};
pub(crate) use self::open::Traits;
use self::{
    clock::StationClock,
    number::Numbers,
    open::{OpenSessions, evse_of},
    session_actors::SessionActors,
};
use crate::{
    CallOutcome, CloseReason, OutgoingCall, deps::Deps, directory::Slot, metrics,
    session::authorize, site::StationNews, supervisor::Child,
};

/// The slot of a station whose actor is wanted though no socket is there; it is there soon.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn reach(
    deps: &Arc<Deps>,
    station: &StationId,
    protocol: Protocol,
) -> Result<Arc<Slot>, ReadError> {
    loop {
        let hydration = deps.store.hydrate(station).await?;
        let slot = deps.directory.slot(station);
        match slot.want(protocol, hydration) {
            Some(true) => {
                if let Some(tree) = deps.tree.get() {
                    tree.start_charger(deps, &slot);
                }
                return Ok(slot);
            }
            Some(false) => return Ok(slot),
            // It was given up in this very moment: look again.
            None => {}
        }
    }
}

/// A charger's actor, to its supervisor.
pub(crate) struct ChargerChild {
    pub(crate) slot: Arc<Slot>,
    pub(crate) deps: Arc<Deps>,
}

impl Child for ChargerChild {
    const KIND: &'static str = "charger";

    async fn start(&self, supervisor: ActorCell) -> Result<ActorCell, SpawnErr> {
        let arguments = (Arc::clone(&self.slot), Arc::clone(&self.deps));
        let (actor, _) = Actor::spawn_linked(None, ChargerActor, arguments, supervisor).await?;
        // Before anybody can find the actor, so that it comes first.
        let _ = actor.cast(ChargerMsg::Hydrate);
        self.slot.actor_is(actor.clone());
        Ok(actor.get_cell())
    }

    fn down(&self) {
        self.slot.actor_gone();
    }

    fn crashed(&self) {
        self.slot.crashed();
    }

    fn quarantined(&self, wait: Duration) {
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.slot.quarantine(self.deps.clock.now().plus_ms(wait_ms));
    }

    fn name(&self) -> String {
        format!("charger {}", self.slot.station)
    }
}

struct ChargerActor;

/// A charger's state; boxed, since ractor holds it inside each task.
struct ChargerState {
    /// It knows what the store holds of its station.
    is_read: bool,
    slot: Arc<Slot>,
    deps: Arc<Deps>,
    admission: Admission,
    site: Option<SiteId>,
    sessions: OpenSessions,
    session_actors: SessionActors,
    numbers: Numbers,
    /// The states of outlets that the store did not take.
    unkept_states: Vec<Connector>,
    clock: StationClock,
}

impl Actor for ChargerActor {
    type Msg = ChargerMsg;
    type State = Box<ChargerState>;
    type Arguments = (Arc<Slot>, Arc<Deps>);

    async fn pre_start(
        &self,
        _myself: ActorRef<ChargerMsg>,
        (slot, deps): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(Box::new(ChargerState {
            is_read: false,
            slot,
            deps,
            admission: Admission::Pending,
            site: None,
            sessions: OpenSessions::default(),
            session_actors: SessionActors::default(),
            numbers: Numbers::default(),
            unkept_states: Vec::new(),
            clock: StationClock::default(),
        }))
    }

    async fn handle(
        &self,
        myself: ActorRef<ChargerMsg>,
        message: ChargerMsg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Boxed: the state machine of a message is kept only while there is one.
        Box::pin(state.handle(&myself, message)).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<ChargerMsg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                state.session_actors.ended(actor.get_id())
            }
            SupervisionEvent::ActorFailed(actor, error) => {
                ::metrics::counter!(metrics::ACTOR_CRASHES, "kind" => "session").increment(1);
                tracing::warn!(station = %state.slot.station, %error, "a session's actor crashed; the next message reads the session back");
                state.session_actors.ended(actor.get_id());
                state.slot.crashed();
            }
            _ => {}
        }
        Ok(())
    }
}

impl ChargerState {
    async fn handle(&mut self, myself: &ActorRef<ChargerMsg>, message: ChargerMsg) {
        if !self.is_read {
            return self.handle_unread(myself, message).await;
        }
        match message {
            // It was read already.
            ChargerMsg::Hydrate => {}
            ChargerMsg::Event(envelope) => self.on_event(myself, *envelope).await,
            ChargerMsg::Connected => self.on_connected().await,
            ChargerMsg::Disconnected(epoch) => self.on_disconnected(myself, epoch).await,
            ChargerMsg::Retire => self.retire(myself).await,
            ChargerMsg::Call(call) => self.call(*call),
            ChargerMsg::SpareNumber(reply) => {
                // Whoever asked may have given up.
                let now = self.deps.clock.now();
                let _ = reply.send(self.numbers.next_spare(now));
            }
            ChargerMsg::Session(news) => self.on_session_news(myself, *news),
            ChargerMsg::Close(closing) => self.close_session(myself, *closing).await,
            ChargerMsg::Configured => self.on_configured().await,
            ChargerMsg::Announce => self.announce().await,
            ChargerMsg::Settle(busy) => self.session_actors.settle(&busy),
        }
    }

    async fn on_connected(&mut self) {
        let Some(attached) = self.slot.connection() else {
            return;
        };
        self.tell_site(StationNews::Connected(true));
        let station = &self.slot.station;
        self.deps.watchers.tell(|| LiveEvent::Connected {
            station: station.clone(),
            at: attached.since,
            protocol: attached.protocol,
        });
        self.note_presence(attached.protocol, attached.since).await;
    }

    async fn on_disconnected(&mut self, myself: &ActorRef<ChargerMsg>, epoch: i64) {
        let Some(attached) = self
            .slot
            .connection()
            .filter(|attached| attached.epoch == epoch)
        else {
            // A newer socket is open: the station never was away.
            return;
        };
        if !self.slot.detach(epoch) {
            return;
        }
        let now = self.deps.clock.now();
        self.tell_site(StationNews::Connected(false));
        let station = &self.slot.station;
        self.deps.watchers.tell(|| LiveEvent::Disconnected {
            station: station.clone(),
            at: now,
        });
        self.retire_later(myself);
        self.note_presence(attached.protocol, now).await;
    }

    async fn note_presence(&self, protocol: Protocol, at: Timestamp) {
        let noted = self
            .deps
            .store
            .record_presence(&self.slot.station, protocol, at)
            .await;
        if let Err(error) = noted {
            tracing::debug!(station = %self.slot.station, %error, "when the station was last seen could not be kept");
        }
    }

    fn retire_later(&self, myself: &ActorRef<ChargerMsg>) {
        let linger = Duration::from_millis(self.deps.settings.linger_ms);
        myself.send_after(linger, || ChargerMsg::Retire);
    }

    async fn retire(&mut self, myself: &ActorRef<ChargerMsg>) {
        if self.slot.connection().is_some() {
            return;
        }
        // While the store is away the station could not come back to a hub that has forgotten it.
        if self.deps.store.station(&self.slot.station).await.is_err() {
            return self.retire_later(myself);
        }
        // An open session goes on without an actor: it is in the store, and the site keeps its power.
        if self.deps.directory.retire(&self.slot) {
            myself.stop(None);
        }
    }

    async fn on_configured(&mut self) {
        let station = match self.deps.store.station(&self.slot.station).await {
            Ok(station) => station,
            Err(error) => {
                tracing::warn!(station = %self.slot.station, %error, "the station's new configuration could not be read; it holds from the next connection on");
                return;
            }
        };
        let (admission, site) = match station {
            Some(station) => (station.admission, station.site),
            None => (Admission::Rejected, None),
        };
        self.is_admitted(admission);
        self.stands_at(site);
        self.announce().await;
        if let (Admission::Rejected, Some(attached)) = (admission, self.slot.connection()) {
            attached.link.close(CloseReason::Removed);
        }
    }

    fn call(&self, call: OutgoingCall) {
        let refused = match (self.admission, self.slot.connection()) {
            (_, None) => CallOutcome::Gone,
            (Admission::Rejected, _) => CallOutcome::NotAccepted,
            // A pending station may be asked things (OCPP 2.0.1 B02), but a rejected one may not (B03.FR.03).
            (_, Some(attached)) => {
                attached.link.call(call);
                return;
            }
        };
        let _ = call.outcome.send(refused);
    }

    async fn on_event(&mut self, myself: &ActorRef<ChargerMsg>, envelope: EventEnvelope) {
        let EventEnvelope {
            event,
            received_at,
            reply,
        } = envelope;
        if let Some(refusal) = self.refusal(&event) {
            let _ = reply.send(Err(refusal));
            return;
        }
        self.hear_clock(&event, received_at);
        let answer = match event {
            StationEvent::Transaction(event) => {
                return self
                    .on_transaction(myself, *event, received_at, reply)
                    .await;
            }
            StationEvent::Meter(reading) => {
                return self.on_meter(myself, *reading, received_at, reply).await;
            }
            StationEvent::Boot(info) => {
                let kept = self.deps.store.record_boot(&self.slot.station, *info).await;
                self.log_unkept("what the station's boot said", kept);
                self.tell_site(StationNews::Booted);
                Ok(self.boot_reply())
            }
            StationEvent::Heartbeat => {
                self.keep_states().await;
                Ok(StationReply::Now(self.deps.clock.now()))
            }
            StationEvent::Status(connector) => {
                self.on_status(*connector).await;
                Ok(StationReply::Received)
            }
            StationEvent::Authorize(asked) => self.authorize(&asked.token).await,
            StationEvent::Notice(notice) => {
                for state in notice.states {
                    self.on_status(state).await;
                }
                let payload = serde_json::from_str(&notice.payload)
                    .unwrap_or(serde_json::Value::String(notice.payload));
                let record = NoticeRecord {
                    received_at,
                    action: notice.action,
                    payload,
                };
                let kept = self
                    .deps
                    .store
                    .record_notice(&self.slot.station, record)
                    .await;
                self.log_unkept("a notice", kept);
                Ok(StationReply::Received)
            }
        };
        // The link may have gone with the station; it will ask again.
        let _ = reply.send(answer);
    }

    /// What a message tells of the station's clock. One that says that it was queued is late, and one that boots may have
    /// another time.
    fn hear_clock(&mut self, event: &StationEvent, received_at: Timestamp) {
        let newest = |samples: &[MeterSample]| samples.iter().map(|sample| sample.at).max();
        let tells = match event {
            StationEvent::Boot(_) => {
                self.clock = StationClock::default();
                None
            }
            StationEvent::Transaction(event) if event.offline => None,
            StationEvent::Transaction(event) => event.at.max(newest(&event.samples)),
            StationEvent::Meter(reading) => newest(&reading.samples),
            StationEvent::Status(connector) => Some(connector.at),
            StationEvent::Heartbeat | StationEvent::Authorize(_) | StationEvent::Notice(_) => None,
        };
        if let Some(tells) = tells {
            self.clock.hear(tells, received_at);
        }
    }

    /// OCPP 2.0.1 B02.FR.09, B03.FR.07; 1.6 errata 3.8: before a station is accepted it may only boot.
    fn refusal(&self, event: &StationEvent) -> Option<Refusal> {
        match (self.admission, event) {
            (Admission::Accepted, _) | (_, StationEvent::Boot(_)) => None,
            _ => Some(Refusal::NotAccepted),
        }
    }

    fn boot_reply(&self) -> StationReply {
        let settings = &self.deps.settings;
        let (status, interval_s) = match self.admission {
            Admission::Accepted => (BootStatus::Accepted, settings.heartbeat_interval_s),
            Admission::Pending => (BootStatus::Pending, settings.boot_retry_s),
            Admission::Rejected => (BootStatus::Rejected, settings.boot_retry_s),
        };
        StationReply::Boot {
            status,
            interval_s: spread(interval_s, &self.slot.station),
            now: self.deps.clock.now(),
        }
    }

    async fn on_status(&mut self, connector: Connector) {
        self.tell_site(StationNews::State(
            connector.connector.evse,
            connector.state.clone(),
        ));
        let station = &self.slot.station;
        self.deps.watchers.tell(|| LiveEvent::Status {
            station: station.clone(),
            connector: connector.clone(),
        });
        let about = |unkept: &Connector| unkept.connector == connector.connector;
        self.unkept_states.retain(|unkept| !about(unkept));
        self.unkept_states.push(connector);
        self.keep_states().await;
    }

    /// Outlets may have nothing new to say for days: what could not be kept is tried again.
    async fn keep_states(&mut self) {
        for connector in std::mem::take(&mut self.unkept_states) {
            let station = &self.slot.station;
            let kept = self.deps.store.put_connector(station, connector.clone());
            if let Err(error) = kept.await {
                tracing::debug!(%station, %error, "the state of an outlet could not be kept; it is tried again");
                self.unkept_states.push(connector);
            }
        }
    }

    async fn authorize(&self, token: &TokenRef) -> Result<StationReply, Refusal> {
        #[cfg(feature = "chaos")]
        crate::chaos::panic_if_asked("charger", Some(token));
        let unreadable = self.deps.settings.unreadable_tokens;
        let facts = match authorize::gather(&*self.deps.store, token, unreadable).await {
            Ok(mut facts) => {
                if self.sessions.has_token(&token.uid) {
                    // It stands where it charges: this is about stopping.
                    facts.open_sessions = 0;
                }
                facts
            }
            Err(error) => {
                tracing::warn!(station = %self.slot.station, %error, "a token could not be looked up");
                return Err(Refusal::Internal);
            }
        };
        let now = self.deps.clock.now();
        let verdict = authorize::decide(token, &facts, self.deps.settings.unknown_tokens, now);
        Ok(StationReply::Token(verdict))
    }

    fn log_unkept(&self, what: &str, kept: Result<(), store::WriteError>) {
        if let Err(error) = kept {
            tracing::warn!(station = %self.slot.station, %error, "{what} could not be kept; the station is answered all the same");
        }
    }

    fn is_admitted(&mut self, admission: Admission) {
        self.admission = admission;
        self.slot.accepted_is(admission == Admission::Accepted);
    }

    fn stands_at(&mut self, site: Option<SiteId>) {
        let before = std::mem::replace(&mut self.site, site);
        if let Some(left) = before.filter(|before| self.site.as_ref() != Some(before)) {
            self.deps
                .sites
                .leave(&left, &self.slot.station, self.slot.epoch());
        }
        if let Some(site) = &self.site {
            self.deps.sites.join(&self.deps, site, &self.slot.station);
        }
    }

    /// Tells the site all there is to tell.
    async fn announce(&self) {
        if self.site.is_none() {
            return;
        }
        self.tell_site(StationNews::Connected(self.slot.connection().is_some()));
        self.tell_all_sessions();
        match self.deps.store.connectors(&self.slot.station).await {
            Ok(connectors) => {
                for connector in connectors {
                    self.tell_site(StationNews::State(
                        connector.connector.evse,
                        connector.state,
                    ));
                }
            }
            Err(error) => {
                tracing::warn!(station = %self.slot.station, %error, "the states of its outlets could not be read; the site learns them when they change");
            }
        }
    }

    fn tell_all_sessions(&self) {
        let sessions = self.sessions.iter().filter_map(|open| {
            let facts = open.facts(None, self.clock.lag())?;
            Some((evse_of(open.connector), facts))
        });
        self.tell_site(StationNews::Sessions(sessions.collect()));
    }

    fn tell_site(&self, news: StationNews) {
        if let Some(site) = &self.site {
            let slot = &self.slot;
            self.deps
                .sites
                .tell(site, &slot.station, slot.epoch(), news);
        }
    }
}

/// An interval up to a tenth shorter or longer, always the same for a station: stations that booted
/// together must not send together for ever.
fn spread(interval_s: u32, station: &StationId) -> u32 {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let permille = 900 + hasher.hash_one(station) % 201;
    let spread_s = u64::from(interval_s) * permille / 1000;
    u32::try_from(spread_s).unwrap_or(interval_s).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_get_intervals_a_tenth_around_the_one_that_is_set() {
        let intervals: Vec<u32> = (0..1000)
            .map(|n| spread(300, &StationId::new(&format!("CP{n}")).unwrap()))
            .collect();
        assert!(intervals.iter().all(|s| (270..=330).contains(s)));
        assert!(intervals.iter().any(|s| *s < 280) && intervals.iter().any(|s| *s > 320));
        assert_eq!(spread(1, &StationId::new("CP").unwrap()), 1);
    }
}
