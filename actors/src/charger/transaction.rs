//! From a transaction message to its session's actor.

use model::{
    ConnectorRef, MeterReading, Protocol, Refusal, Session, StationReply, Timestamp,
    TransactionEvent, TransactionPhase,
};
use ractor::{Actor, ActorRef};
use store::ReadError;

use super::{
    ChargerMsg, ChargerState, Reply, SessionNews, number,
    open::{Open, Said, evse_of},
};
use crate::{
    guard::Rule,
    session::{
        Arguments, Envelope, Origin, SessionActor, SessionMsg, again,
        core::{Closing, SessionInput, id_time, plausible},
    },
    site::{Draw, StationNews},
};

/// The session a message is for.
struct Target {
    origin: Origin,
    guessed: bool,
}

/// Where a reading belongs.
enum MeterTarget {
    Session(Target),
    /// A session's log holds it already.
    Kept,
    Outside,
}

impl Target {
    fn of(open: &Open, guessed: bool) -> Self {
        Self::new(Origin::Named(open.transaction.clone()), guessed)
    }

    fn new(origin: Origin, guessed: bool) -> Self {
        Self { origin, guessed }
    }
}

impl ChargerState {
    pub(super) async fn on_transaction(
        &mut self,
        myself: &ActorRef<ChargerMsg>,
        event: TransactionEvent,
        received_at: Timestamp,
        reply: Reply,
    ) {
        match self.target_of(&event, received_at).await {
            Ok(target) => {
                let input = SessionInput::Transaction(event);
                self.pass_on(myself, target, input, received_at, Some(reply))
                    .await;
            }
            Err(error) => refuse(reply, &error),
        }
    }

    pub(super) async fn on_meter(
        &mut self,
        myself: &ActorRef<ChargerMsg>,
        reading: MeterReading,
        received_at: Timestamp,
        reply: Reply,
    ) {
        match self.meter_target_of(&reading).await {
            Ok(MeterTarget::Session(target)) => {
                let input = SessionInput::Meter(reading);
                self.pass_on(myself, target, input, received_at, Some(reply))
                    .await;
            }
            Ok(MeterTarget::Kept) => {
                let _ = reply.send(Ok(StationReply::Received));
            }
            Ok(MeterTarget::Outside) => {
                if let Some(draw) = Draw::of(&reading.samples) {
                    self.draws_outside_a_session(reading.connector.evse, draw);
                }
                self.keep_reading(reading, received_at, reply).await;
            }
            Err(error) => refuse(reply, &error),
        }
    }

    async fn target_of(
        &mut self,
        event: &TransactionEvent,
        received_at: Timestamp,
    ) -> Result<Target, ReadError> {
        let Some(name) = &event.transaction else {
            return Ok(self.target_of_start(event, received_at));
        };
        if self.protocol().is_2x() {
            return self.use_of(name, event, received_at).await;
        }
        if event.phase == TransactionPhase::Started {
            // A dead letter that is replayed, with the number that was given in answer.
            return Ok(match self.sessions.named(name) {
                Some(open) => Target::of(open, false),
                None => Target::new(Origin::Started(name.clone()), false),
            });
        }
        if let Some(target) = self.target_by_number(name).await? {
            return Ok(target);
        }
        // The name means nothing here: the station's own, 0, -1, or another central system's.
        let repeated = self
            .deps
            .store
            .session_by_key(&self.slot.station, &event.retry_key)
            .await?;
        if let Some(session) = repeated {
            return Ok(Target::new(Origin::Read(Box::new(session)), true));
        }
        let said = Said::by(event);
        Ok(match self.sessions.meant_by(name, event.connector, &said) {
            Some(open) => Target::of(open, true),
            None => Target::new(Origin::New(format!("orphan:{}", event.retry_key)), true),
        })
    }

    async fn meter_target_of(&mut self, reading: &MeterReading) -> Result<MeterTarget, ReadError> {
        if let Some(name) = &reading.transaction
            && let Some(target) = self.target_by_number(name).await?
        {
            return Ok(MeterTarget::Session(target));
        }
        let outlet = reading.connector;
        let open = match &reading.transaction {
            None => self.sessions.at(outlet),
            Some(name) => {
                let said = Said::default();
                self.sessions.meant_by(name, Some(outlet), &said)
            }
        };
        // One that was taken before the session began is another's.
        let taken_at = reading.samples.iter().map(|sample| sample.at).max();
        if let Some(open) = open.filter(|open| taken_at.is_none_or(|at| open.has_begun(at))) {
            let guessed = reading.transaction.is_some();
            return Ok(MeterTarget::Session(Target::of(open, guessed)));
        }
        // Said again after its session was over, or new.
        let store = &self.deps.store;
        let holder = store.session_by_key(&self.slot.station, &reading.retry_key);
        Ok(match holder.await? {
            Some(_) => MeterTarget::Kept,
            None => MeterTarget::Outside,
        })
    }

    /// The session of a 2.x name, which is the station's to give, and to use again; see [`again`]. One that
    /// nobody knows yet begins a session.
    async fn use_of(
        &self,
        name: &str,
        event: &TransactionEvent,
        received_at: Timestamp,
    ) -> Result<Target, ReadError> {
        let starts = event.phase == TransactionPhase::Started;
        let Some(open) = self.sessions.newest_use(name) else {
            // Its actor looks at those that are over.
            let origin = if starts {
                Origin::Started
            } else {
                Origin::Named
            };
            return Ok(Target::new(origin(name.to_owned()), false));
        };
        let (at, _) = plausible(event.at, received_at);
        let newest = &open.transaction;
        let began = open.began().unwrap_or(at);
        let is_older = at < began && again::name_used_again(newest).is_some();
        if !starts && !is_older {
            return Ok(Target::of(open, false));
        }
        let known = self.holds(newest, event).await?;
        if known.as_ref().is_none_or(|(_, holds)| *holds) {
            return Ok(Target::of(open, false));
        }
        if let Some(previous) = again::previous(newest)
            && let Some((session, holds)) = self.holds(&previous, event).await?
            && (holds || again::is_of_earlier(&session, began, event, at))
        {
            return Ok(Target::new(Origin::Read(Box::new(session)), false));
        }
        let begins = known.is_some_and(|(session, _)| !again::may_be_of(&session, event));
        Ok(match starts && begins {
            true => Target::new(Origin::Started(again::next(newest)), false),
            false => Target::of(open, false),
        })
    }

    /// The session that is called so, and whether it holds the event already.
    async fn holds(
        &self,
        transaction: &str,
        event: &TransactionEvent,
    ) -> Result<Option<(Session, bool)>, ReadError> {
        let store = &*self.deps.store;
        let session = store.session_by_transaction(&self.slot.station, transaction);
        let Some(session) = session.await? else {
            return Ok(None);
        };
        let holds = again::holds(store, &session, event).await?;
        Ok(Some((session, holds)))
    }

    /// The session of that number, open or over; none, if nobody handed it out.
    async fn target_by_number(&mut self, number: &str) -> Result<Option<Target>, ReadError> {
        if let Some(open) = self.sessions.named(number) {
            return Ok(Some(Target::of(open, false)));
        }
        let store = &self.deps.store;
        let over = store.session_by_transaction(&self.slot.station, number);
        Ok(match over.await? {
            Some(session) => Some(Target::new(Origin::Read(Box::new(session)), false)),
            // Its start waits as a dead letter, or was lost with a disk.
            None if number::is_ours(number, self.deps.clock.now()) => {
                Some(Target::new(Origin::Named(number.to_owned()), false))
            }
            None => None,
        })
    }

    /// The session of a start to which the hub gives the number. A session that holds its number
    /// and began as it says is the same: the start was sent again.
    fn target_of_start(&mut self, event: &TransactionEvent, received_at: Timestamp) -> Target {
        let began = id_time(event.at, received_at);
        let station = &self.slot.station;
        let other = |number: i32| {
            let name = number.to_string();
            let holder = self.sessions.iter().find(|open| open.transaction == name);
            holder.is_some_and(|open| !open.began_with(event, station, received_at))
        };
        let name = self.numbers.of_start(began, other).to_string();
        let origin = match self.sessions.named(&name) {
            Some(_) => Origin::Named(name),
            None => Origin::New(name),
        };
        Target::new(origin, false)
    }

    fn protocol(&self) -> Protocol {
        self.slot.protocol()
    }

    async fn pass_on(
        &mut self,
        myself: &ActorRef<ChargerMsg>,
        target: Target,
        input: SessionInput,
        received_at: Timestamp,
        reply: Option<Reply>,
    ) {
        let Target { origin, guessed } = target;
        let epoch = self.slot.epoch();
        let envelope = Box::new(Envelope {
            input,
            received_at,
            epoch,
            guessed,
            reply,
        });
        let name = origin.name().to_owned();
        let unheard = match self.session_actors.of(&name) {
            Some(actor) => match actor.cast(SessionMsg::Input(envelope)) {
                Ok(()) => return,
                // It ended since; its successor reads the session back.
                Err(ractor::MessagingErr::SendErr(SessionMsg::Input(envelope))) => envelope,
                Err(_) => return,
            },
            None => envelope,
        };
        let arguments = Arguments {
            station: self.slot.station.clone(),
            site: self.site.clone(),
            protocol: self.protocol(),
            origin,
            charger: myself.clone(),
            deps: std::sync::Arc::clone(&self.deps),
        };
        match Actor::spawn_linked(None, SessionActor, arguments, myself.get_cell()).await {
            Ok((actor, _)) => {
                let _ = actor.cast(SessionMsg::Input(unheard));
                self.session_actors.started(name, actor);
            }
            Err(error) => {
                tracing::error!(station = %self.slot.station, %error, "a session's actor could not be started");
            }
        }
    }

    fn draws_outside_a_session(&self, evse: u32, draw: Draw) {
        self.tell_site(StationNews::Draws(evse, draw, self.clock.lag()));
    }

    async fn keep_reading(&self, reading: MeterReading, received_at: Timestamp, reply: Reply) {
        let stored = model::StoredReading {
            retry_key: reading.retry_key,
            connector: reading.connector,
            received_at,
            samples: reading.samples,
            raw: reading.raw.or_else(|| {
                let named = reading.transaction.as_ref()?;
                Some(serde_json::json!({ "transactionId": named }).to_string())
            }),
        };
        let outcome = self
            .deps
            .store
            .record_reading(&self.slot.station, stored)
            .await;
        let now = self.deps.clock.now();
        self.deps
            .durability
            .note(outcome.as_ref().map(drop), &self.slot.station, now);
        match outcome {
            Ok(()) => {
                let _ = reply.send(Ok(StationReply::Received));
            }
            Err(error) => refuse(reply, &error),
        }
    }

    pub(super) fn on_session_news(&mut self, myself: &ActorRef<ChargerMsg>, news: SessionNews) {
        self.session_actors
            .turned_out(&news.transaction, &news.actor);
        let evse = evse_of(news.connector);
        if !news.active {
            self.sessions.remove(&news.transaction);
            self.slot.charges_is(!self.sessions.is_empty());
            self.tell_site(StationNews::SessionOver(evse, news.traits.id));
            // It may go on drawing under the name of the session that is over.
            if let Some(draw) = news.draw {
                self.draws_outside_a_session(evse, draw);
            }
            return;
        }
        let is_new = self.sessions.named(&news.transaction).is_none();
        if is_new {
            self.sessions.insert(Open::new(news.transaction.clone()));
            self.slot.charges_is(true);
        }
        if let Ok(number) = news.transaction.parse::<i32>() {
            self.numbers.note(number);
        }
        if let Some(open) = self.sessions.named(&news.transaction) {
            let moves = !is_new && evse_of(open.connector) != evse;
            open.connector = news.connector;
            open.token = news.token;
            open.traits = Some(news.traits);
            open.power_w = news.power_w;
            open.energy_wh = news.energy_wh;
            open.rests = news.rests;
            let facts = open.facts(news.draw, self.clock.lag());
            if moves {
                // Where it is was not known: it is not there any more.
                self.tell_all_sessions();
            }
            if let Some(facts) = facts {
                self.tell_site(StationNews::Session(evse, Box::new(facts)));
            }
        }
        if let (true, Some(connector)) = (is_new, news.connector) {
            self.supersede(myself, connector, &news.transaction);
        }
    }

    /// An outlet has one transaction at a time: when one begins, those before it are over, though the
    /// station never said so.
    fn supersede(&mut self, myself: &ActorRef<ChargerMsg>, connector: ConnectorRef, by: &str) {
        for transaction in self.sessions.others_at(connector, by) {
            let closing = Closing {
                transaction,
                rule: Rule::Superseded,
                because: format!("transaction {by} began at its outlet"),
                as_written_at: None,
            };
            let _ = myself.cast(ChargerMsg::Close(Box::new(closing)));
        }
    }

    pub(super) async fn close_session(&mut self, myself: &ActorRef<ChargerMsg>, closing: Closing) {
        let target = Target::new(Origin::Named(closing.transaction.clone()), false);
        let now = self.deps.clock.now();
        self.pass_on(myself, target, SessionInput::Close(closing), now, None)
            .await;
    }
}

fn refuse(reply: Reply, error: &impl std::fmt::Display) {
    tracing::debug!(%error, "a transaction message could not be kept; the socket closes and the station sends it again");
    let _ = reply.send(Err(Refusal::Close));
}
