//! A session: one actor from the first message of a transaction to its end.
//!
//! Each message goes through one function, [`SessionState::step`], in the order **gather, decide,
//! commit, reply, act**: facts are read, the pure [`core`] decides, the store takes snapshot and log
//! entry in one write, and only then anybody is told. The snapshot and the entry that led to it are
//! written together, so coming back after a crash is one read.
//!
//! A session actor is a child of its charger's. It may end at any time without loss: the next message
//! of the transaction starts another, which reads the session back.

pub(crate) mod again;
pub(crate) mod authorize;
pub(crate) mod core;
mod energy;
pub(crate) mod rebase;
mod sequence;

use std::sync::{Arc, atomic::Ordering};

use model::{
    LiveEvent, Protocol, Refusal, Session, SessionState as Phase, SiteId, StationId, StationReply,
    Timestamp, TokenRef, TokenVerdict, TransactionEvent, TransactionPhase,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use store::{Committed, SessionCommit, WriteError};

use self::core::{Closing, Decision, Facts, SessionInput, decide, plausible};
use crate::{
    charger::{Busy, ChargerMsg, Reply, SessionNews, Traits},
    deps::Deps,
    metrics,
    site::Draw,
};

/// What a session actor is told.
pub(crate) enum SessionMsg {
    /// Something happened.
    Input(Box<Envelope>),
    /// Somebody waits until all that came before has been dealt with.
    Settle(Busy),
}

/// Something that happened, and where the answer goes.
pub(crate) struct Envelope {
    pub(crate) input: SessionInput,
    pub(crate) received_at: Timestamp,
    pub(crate) epoch: i64,
    /// The event named the transaction by an id the hub did not hand out.
    pub(crate) guessed: bool,
    /// Where the answer goes; nobody waits for it when the hub closes a session.
    pub(crate) reply: Option<Reply>,
}

/// How the actor comes to its session.
pub(crate) enum Origin {
    /// It begins with the first message; so the hub calls it, if the station does not.
    New(String),
    /// It is read by this name, and begins with the first message if there is none.
    Named(String),
    /// As [`Origin::Named`], but the first message is its start, and nothing was heard of it before: if
    /// it cannot be read it begins all the same, and the commit says whether the start is a repeat.
    Started(String),
    /// It was read already.
    Read(Box<Session>),
}

impl Origin {
    /// What the session will be called, as far as can be told before it is read.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::New(name) | Self::Named(name) | Self::Started(name) => name,
            Self::Read(session) => &session.transaction,
        }
    }
}

/// What a session actor starts with.
pub(crate) struct Arguments {
    pub(crate) station: StationId,
    pub(crate) site: Option<SiteId>,
    pub(crate) protocol: Protocol,
    pub(crate) origin: Origin,
    pub(crate) charger: ActorRef<ChargerMsg>,
    pub(crate) deps: Arc<Deps>,
}

pub(crate) struct SessionActor;

pub(crate) struct SessionState {
    given: Arguments,
    session: Option<Box<Session>>,
    read: bool,
}

impl Actor for SessionActor {
    type Msg = SessionMsg;
    type State = SessionState;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<SessionMsg>,
        given: Arguments,
    ) -> Result<SessionState, ActorProcessingErr> {
        Ok(SessionState {
            given,
            session: None,
            read: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionMsg>,
        message: SessionMsg,
        state: &mut SessionState,
    ) -> Result<(), ActorProcessingErr> {
        let envelope = match message {
            SessionMsg::Input(envelope) => envelope,
            SessionMsg::Settle(busy) => {
                drop(busy);
                return Ok(());
            }
        };
        let Envelope {
            input,
            received_at,
            epoch,
            guessed,
            reply,
        } = *envelope;
        #[cfg(feature = "chaos")]
        if let SessionInput::Transaction(event) = &input {
            crate::chaos::panic_if_asked("session", event.token.as_ref());
        }
        match state.step(&input, received_at, epoch, guessed).await {
            Ok(done) => {
                state.announce(&myself, done.written, draw_of(&input));
                answer(reply, Ok(done.reply));
                if !state.is_active() {
                    myself.stop(None);
                }
            }
            Err(refusal) => {
                answer(reply, Err(refusal));
                // What is written may differ from what is held here: the next message reads it anew.
                myself.stop(None);
            }
        }
        Ok(())
    }
}

struct Done {
    reply: StationReply,
    /// Something was written; otherwise the message was a repeat.
    written: bool,
}

impl SessionState {
    /// One message, from question to answer.
    async fn step(
        &mut self,
        input: &SessionInput,
        received_at: Timestamp,
        epoch: i64,
        guessed: bool,
    ) -> Result<Done, Refusal> {
        // Gather.
        self.read_back(input, received_at).await?;
        let keyed = self.keyed(input);
        let input = keyed.as_ref().unwrap_or(input);
        let (verdict, token_unchecked) = match token_of(input) {
            Some(token) => self
                .verdict(token)
                .await
                .map(|(verdict, unchecked)| (Some(verdict), unchecked))?,
            None => (None, false),
        };
        let mut name_offset = 0;
        loop {
            // Decide.
            let facts = Facts {
                station: &self.given.station,
                site: self.given.site.as_ref(),
                protocol: self.given.protocol,
                fresh_name: self.fresh_name(name_offset),
                verdict: verdict.as_ref(),
                token_unchecked,
                guessed,
                received_at,
            };
            let Some(decision) = decide(self.session.as_deref(), input, &facts) else {
                return Ok(Done {
                    reply: self.reply(input, verdict),
                    written: false,
                });
            };
            // Commit.
            match self.commit(decision, epoch).await? {
                Committed::Written => {
                    if let SessionInput::Close(closing) = input {
                        self.note_closing(closing);
                    }
                    let reply = self.reply(input, verdict);
                    return Ok(Done {
                        reply,
                        written: true,
                    });
                }
                Committed::Repeat(session) => {
                    self.session = Some(session);
                    let reply = self.reply_to_repeat(input, verdict);
                    return Ok(Done {
                        reply,
                        written: false,
                    });
                }
                // The number is in use: the next one. Whatever else has the name is the same transaction.
                Committed::Taken(session) => match &self.given.origin {
                    Origin::New(_) => name_offset += 1,
                    _ => self.session = Some(session),
                },
            }
        }
    }

    async fn read_back(
        &mut self,
        input: &SessionInput,
        received_at: Timestamp,
    ) -> Result<(), Refusal> {
        if self.read {
            return Ok(());
        }
        match &mut self.given.origin {
            Origin::New(_) => {}
            Origin::Read(session) => self.session = Some(session.clone()),
            Origin::Named(name) | Origin::Started(name) => {
                let found = self
                    .given
                    .deps
                    .store
                    .session_by_transaction(&self.given.station, name)
                    .await;
                self.session = match found {
                    Ok(session) => session.map(Box::new),
                    Err(_) if matches!(self.given.origin, Origin::Started(_)) => None,
                    Err(error) => return Err(close_for_now(error)),
                };
            }
        }
        if let SessionInput::Transaction(event) = input
            && self.given.protocol.is_2x()
        {
            self.find_use(event, received_at).await?;
        }
        self.read = true;
        Ok(())
    }

    /// Which use of the transaction's name a 2.x event belongs to; see [`again`].
    async fn find_use(
        &mut self,
        event: &TransactionEvent,
        received_at: Timestamp,
    ) -> Result<(), Refusal> {
        let (at, _) = plausible(event.at, received_at);
        let mut is_first = true;
        while let Some(session) = &self.session
            && session.state == Phase::Ended
        {
            let (store, station) = (&self.given.deps.store, &self.given.station);
            let holds = again::holds(&**store, session, event);
            if holds.await.map_err(close_for_now)? {
                return Ok(());
            }
            let later = match std::mem::take(&mut is_first) {
                true => again::first_of_latest(&**store, session).await,
                false => Ok(None),
            };
            let later = later.map_err(close_for_now)?;
            let are_between = later.is_some();
            let name = later.unwrap_or_else(|| again::next(&session.transaction));
            let found = store.session_by_transaction(station, &name);
            let next = found.await.map_err(close_for_now)?.map(Box::new);
            let stays = match &next {
                Some(_) if are_between => false,
                Some(next) => again::is_of_earlier(session, next.started_at, event, at),
                None => again::may_be_of(session, event),
            };
            if stays {
                return Ok(());
            }
            self.given.origin = Origin::Named(name);
            self.session = next;
        }
        Ok(())
    }

    /// The input as it is kept, where the station used the transaction's name before.
    fn keyed(&self, input: &SessionInput) -> Option<SessionInput> {
        let SessionInput::Transaction(event) = input else {
            return None;
        };
        let name = match &self.session {
            Some(session) => &session.transaction,
            None => self.given.origin.name(),
        };
        let retry_key = again::key_in(name, &event.retry_key)?;
        let event = TransactionEvent {
            retry_key,
            ..event.clone()
        };
        Some(SessionInput::Transaction(event))
    }

    /// What the hub says to a token, and whether it could not look all of it up.
    async fn verdict(&self, token: &TokenRef) -> Result<(TokenVerdict, bool), Refusal> {
        let deps = &self.given.deps;
        let unreadable = deps.settings.unreadable_tokens;
        let mut facts = authorize::gather(&*deps.store, token, unreadable)
            .await
            .map_err(close_for_now)?;
        if self
            .session
            .as_ref()
            .is_some_and(|session| session.token.is_some())
        {
            // The session is among those counted; it does not stand in its own way.
            facts.open_sessions = 0;
        }
        let unknown = deps.settings.unknown_tokens;
        let verdict = authorize::decide(token, &facts, unknown, deps.clock.now());
        Ok((verdict, facts.unchecked))
    }

    fn fresh_name(&self, offset: i32) -> String {
        match &self.given.origin {
            Origin::New(name) => match name.parse::<i32>() {
                Ok(number) => number.saturating_add(offset).to_string(),
                Err(_) => name.clone(),
            },
            Origin::Named(name) | Origin::Started(name) => name.clone(),
            Origin::Read(session) => session.transaction.clone(),
        }
    }

    async fn commit(&mut self, decision: Decision, epoch: i64) -> Result<Committed, Refusal> {
        let Decision { session, event } = decision;
        let commit = SessionCommit {
            session: session.clone(),
            event,
            epoch,
        };
        let outcome = self.given.deps.store.commit_session(commit).await;
        let kept = match &outcome {
            Ok(_) | Err(WriteError::Stale | WriteError::Outdated | WriteError::Refused(_)) => {
                Ok(())
            }
            Err(error) => Err(error),
        };
        self.given
            .deps
            .durability
            .note(kept, &self.given.station, self.given.deps.clock.now());
        let label = match &outcome {
            Ok(Committed::Written) => "written",
            Ok(Committed::Repeat(_)) => "repeat",
            Ok(Committed::Taken(_)) => "taken",
            Err(WriteError::NotWritten(_)) => "not_written",
            Err(WriteError::Refused(_)) => "refused",
            Err(WriteError::Unknown(_)) => "unknown",
            Err(WriteError::Stale) => {
                self.given
                    .deps
                    .fenced_writes
                    .fetch_add(1, Ordering::Relaxed);
                "stale"
            }
            Err(WriteError::Outdated) => "outdated",
        };
        ::metrics::counter!(metrics::SESSION_COMMITS, "outcome" => label).increment(1);
        if let Ok(Committed::Written) = outcome {
            self.session = Some(Box::new(session));
        }
        outcome.map_err(|error| match error {
            // It would be refused again: as if it had crashed the actor, which has a way out.
            WriteError::Refused(_) => Refusal::Crashed,
            error => close_for_now(error),
        })
    }

    fn note_closing(&self, closing: &Closing) {
        let rule = closing.rule.name();
        ::metrics::counter!(metrics::SESSIONS_CLOSED_BY_HUB, "reason" => rule).increment(1);
        tracing::info!(
            station = %self.given.station, transaction = closing.transaction, rule, because = closing.because,
            "the hub closed a session"
        );
    }

    fn reply(&self, input: &SessionInput, verdict: Option<TokenVerdict>) -> StationReply {
        match input {
            SessionInput::Transaction(_) => StationReply::Transaction {
                number: self.number(),
                token: verdict,
            },
            SessionInput::Meter(_) | SessionInput::Close(_) => StationReply::Received,
        }
    }

    /// A repeat gets the answer its first got: by now the session itself may count against its
    /// token's limit.
    fn reply_to_repeat(&self, input: &SessionInput, verdict: Option<TokenVerdict>) -> StationReply {
        let first = self
            .session
            .as_ref()
            .and_then(|session| session.authorization);
        let verdict = match (input, first) {
            (SessionInput::Transaction(event), Some(authorization))
                if event.phase == TransactionPhase::Started =>
            {
                verdict.map(|verdict| TokenVerdict {
                    authorization,
                    ..verdict
                })
            }
            _ => verdict,
        };
        self.reply(input, verdict)
    }

    /// The number of the transaction, for an answer that wants one: a 1.6 start, also on a 2.0.1 socket
    /// (quirk 41).
    fn number(&self) -> Option<i32> {
        self.session.as_ref()?.transaction.parse().ok()
    }

    fn is_active(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.state == Phase::Active)
    }

    /// Act: tell the charger's actor and those who watch. It may be lost; the store has it. A repeat may
    /// be the first that the charger's actor hears of the session: its first writing may have been
    /// reported as unknown.
    fn announce(&self, myself: &ActorRef<SessionMsg>, written: bool, draw: Option<Draw>) {
        let Some(session) = &self.session else {
            return;
        };
        let news = SessionNews {
            transaction: session.transaction.clone(),
            connector: session.connector,
            active: self.is_active(),
            token: session.token.as_ref().map(|token| token.uid.clone()),
            power_w: session.power_w,
            energy_wh: session.energy_wh,
            rests: session.car_rests(),
            draw: draw.filter(|_| written),
            traits: Traits::of(session),
            actor: myself.clone(),
        };
        let _ = self.given.charger.cast(ChargerMsg::Session(Box::new(news)));
        if written {
            self.given.deps.watchers.tell(|| LiveEvent::Session {
                station: session.station.clone(),
                session: session.id,
                state: session.state,
                energy_wh: session.energy_wh,
                power_w: session.power_w,
                at: session.updated_at,
            });
        }
    }
}

/// What the input says that is drawn.
fn draw_of(input: &SessionInput) -> Option<Draw> {
    match input {
        SessionInput::Transaction(event) => Draw::of(&event.samples),
        SessionInput::Meter(reading) => Draw::of(&reading.samples),
        SessionInput::Close(_) => None,
    }
}

/// The token whose verdict the answer carries.
fn token_of(input: &SessionInput) -> Option<&TokenRef> {
    match input {
        SessionInput::Transaction(TransactionEvent { token, .. }) => token.as_ref(),
        SessionInput::Meter(_) | SessionInput::Close(_) => None,
    }
}

fn answer(reply: Option<Reply>, with: Result<StationReply, Refusal>) {
    if let Some(reply) = reply {
        // Whoever asked may have gone; the station will ask again.
        let _ = reply.send(with);
    }
}

/// A transaction message that cannot be made durable is not answered: the socket closes, and the
/// station keeps its queue.
fn close_for_now(error: impl std::fmt::Display) -> Refusal {
    tracing::debug!(%error, "a transaction message could not be kept; the socket closes and the station sends it again");
    Refusal::Close
}
