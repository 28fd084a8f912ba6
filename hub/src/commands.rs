//! Commands to stations: the one path from a request to the station's answer.
//!
//! A command is an OCPP action of the station's version with its payload, checked against the table of
//! facts before anything is sent; or one of the version-free [`model::Command`]s, written in the
//! station's version. Its record is durable before it goes out, and tells what became of it. It is kept by the hub
//! that was asked, whichever hub the station's socket is at.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Actors, CallOutcome, Clock};
use model::{
    Command, CommandId, CommandRecord, CommandState, LiveEvent, Protocol, SiteId, StationId,
};
use serde_json::{Value, json};
use store::{ReadError, Store};
use tokio::sync::oneshot;

use crate::{
    fleet::{Call, Fleet, Reached},
    metrics,
};

/// Sends commands; cheap to clone.
#[derive(Clone)]
pub struct Commands {
    store: Arc<dyn Store>,
    actors: Actors,
    fleet: Fleet,
    clock: Arc<dyn Clock>,
}

/// What somebody asks of a station.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandAsk {
    /// To whom.
    pub station: StationId,
    /// An OCPP action of the station's version, or the name of a [`model::Command`] (`remote_start` …).
    pub action: String,
    /// Its payload.
    pub payload: Value,
    /// How long to wait for the answer.
    pub timeout: Duration,
    /// Whose key asks.
    pub by: String,
}

/// Why a command was not even tried. (One that was tried has a [`CommandRecord`] that tells.)
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommandRefused {
    /// No station of that identity is known.
    #[error("no station {0} is known; create it with POST /api/v1/stations or let it connect")]
    UnknownStation(StationId),
    /// The action or its payload is wrong; the text says where and what to do.
    #[error("{0}")]
    Invalid(String),
    /// What it sets is the site's: a station that its site's plan limits gets its charging profiles from there alone.
    #[error(
        "station {station} gets its charging profiles from the power plan of site {site}, which would no longer hold; \
         change the plan, a set-point (PUT /api/v1/sites/{site}/power/set-points/…) or the session's preferences instead"
    )]
    OfItsSite {
        /// The station.
        station: StationId,
        /// Its site.
        site: SiteId,
    },
    /// The store could not be asked or did not take the record.
    #[error("the command could not be recorded: {0}; try again")]
    Store(String),
}

impl Commands {
    /// Commands to these stations, recorded in this store and told to those who watch these actors.
    pub fn new(store: Arc<dyn Store>, actors: Actors, fleet: Fleet, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            actors,
            fleet,
            clock,
        }
    }

    /// Sends a command and waits for its end. It goes on to its end, and is recorded, though whoever
    /// asked goes away.
    ///
    /// # Errors
    /// See [`CommandRefused`].
    pub async fn issue(&self, ask: CommandAsk) -> Result<CommandRecord, CommandRefused> {
        let protocol = self.protocol_of(&ask.station).await?;
        let (action, payload) = in_version(protocol, &ask.action, ask.payload)?;
        if changes_profiles(&action, &payload) {
            self.is_free_to_be_limited(&ask.station).await?;
        }
        let now = self.clock.now();
        let timeout_ms = i64::try_from(ask.timeout.as_millis()).unwrap_or(i64::MAX);
        let record = CommandRecord {
            id: CommandId::fresh(),
            station: ask.station,
            action,
            payload,
            state: CommandState::Queued,
            answer: None,
            error: None,
            by: ask.by,
            created_at: now,
            expires_at: now.plus_ms(timeout_ms),
            finished_at: None,
        };
        self.keep(&record).await?;
        let this = self.clone();
        let to_its_end = tokio::spawn(async move { this.run(protocol, record, ask.timeout).await });
        to_its_end
            .await
            .map_err(|error| CommandRefused::Store(error.to_string()))?
    }

    /// What the station speaks: now, or when it was last connected.
    pub(crate) async fn protocol_of(
        &self,
        station: &StationId,
    ) -> Result<Protocol, CommandRefused> {
        if let Some(connection) = self.actors.connection(station) {
            return Ok(connection.protocol);
        }
        let known = self.store.station(station).await;
        let known = known.map_err(|error| CommandRefused::Store(error.to_string()))?;
        let known = known.ok_or_else(|| CommandRefused::UnknownStation(station.clone()))?;
        // A station that never connected is told "gone" whatever the action; 1.6 is as good as any.
        Ok(known.protocol.unwrap_or(Protocol::Ocpp16))
    }

    /// Whether no plan of its site limits the station.
    async fn is_free_to_be_limited(&self, station: &StationId) -> Result<(), CommandRefused> {
        let unread = |error: ReadError| CommandRefused::Store(error.to_string());
        let known = self.store.station(station).await.map_err(unread)?;
        let Some(site) = known.and_then(|known| known.site) else {
            return Ok(());
        };
        let power = self.store.site_power(&site).await.map_err(unread)?;
        let is_planned = power.is_some_and(|power| {
            let mut outlets = power.plan.outlets().into_iter();
            outlets.any(|outlet| outlet.station == *station)
        });
        match is_planned {
            true => Err(CommandRefused::OfItsSite {
                station: station.clone(),
                site,
            }),
            false => Ok(()),
        }
    }

    async fn run(
        &self,
        protocol: Protocol,
        mut record: CommandRecord,
        timeout: Duration,
    ) -> Result<CommandRecord, CommandRefused> {
        let (sent, on_the_wire) = oneshot::channel();
        let call = Call {
            id: record.id,
            station: record.station.clone(),
            protocol,
            action: record.action.clone(),
            payload: record.payload.to_string(),
            deadline: Instant::now() + timeout,
        };
        let reaching = self.fleet.call(call, sent);
        let noting = async {
            if on_the_wire.await.is_ok() {
                record.state = CommandState::Sent;
                // Where this is not kept, the outcome may be.
                let _ = self.keep(&record).await;
            }
        };
        let (reached, ()) = tokio::join!(reaching, noting);
        match reached {
            Reached::Told(outcome) => take_outcome(protocol, &mut record, outcome),
            Reached::Failed(why) => {
                (record.state, record.error) = (CommandState::Failed, Some(why));
            }
            Reached::Lost(why) => {
                (record.state, record.error) = (CommandState::Expired, Some(why));
            }
        }
        record.finished_at = Some(self.clock.now());
        let label = label_of(record.state);
        ::metrics::counter!(metrics::COMMANDS, "outcome" => label).increment(1);
        self.keep(&record).await?;
        self.actors
            .watchers()
            .tell(|| LiveEvent::Command(record.clone()));
        Ok(record)
    }

    async fn keep(&self, record: &CommandRecord) -> Result<(), CommandRefused> {
        let kept = self.store.put_command(record.clone()).await;
        kept.map_err(|error| CommandRefused::Store(error.to_string()))
    }
}

/// Whether a command sets, changes or removes charging profiles of its station, or has one of another purpose hold instead
/// (2.1 K21, K28). A remote start may bring one along (OCPP 1.6 §5.11, 2.0.1 K05).
fn changes_profiles(action: &str, payload: &Value) -> bool {
    const ACTIONS: [&str; 4] = [
        "SetChargingProfile",
        "ClearChargingProfile",
        "UpdateDynamicSchedule",
        "UsePriorityCharging",
    ];
    ACTIONS.contains(&action) || payload.get("chargingProfile").is_some()
}

/// The action and payload in the station's version.
fn in_version(
    protocol: Protocol,
    action: &str,
    payload: Value,
) -> Result<(String, Value), CommandRefused> {
    let invalid = |error: &dyn std::fmt::Display| CommandRefused::Invalid(error.to_string());
    // OCPP's actions begin with a capital; the version-free ones do not.
    if action.starts_with(|first: char| first.is_ascii_lowercase()) {
        let command: Command = serde_json::from_value(
            json!({ "action": action, "payload": payload }),
        )
        .map_err(|error| invalid(&format!("the command {action:?} cannot be read: {error}")))?;
        let outgoing =
            ocpp::command::encode(protocol, &command).map_err(|fault| invalid(&fault))?;
        return Ok((outgoing.action.to_owned(), outgoing.payload));
    }
    let action =
        ocpp::command::check(protocol, action, &payload).map_err(|fault| invalid(&fault))?;
    Ok((action.to_owned(), payload))
}

fn take_outcome(protocol: Protocol, record: &mut CommandRecord, outcome: CallOutcome) {
    let (state, error) = match outcome {
        CallOutcome::Answered(answer) => {
            let mut answer = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
            for repair in ocpp::command::coerce_answer(protocol, &record.action, &mut answer) {
                ::metrics::counter!(metrics::REPAIRS, "repair" => repair).increment(1);
            }
            // An odd answer is an answer; whoever reads it is told what is odd.
            let odd = ocpp::command::check_answer(protocol, &record.action, &answer).err();
            record.answer = Some(answer);
            (CommandState::Answered, odd.map(|odd| odd.to_string()))
        }
        CallOutcome::Failed { code, description } => {
            (CommandState::Failed, Some(format!("{code}: {description}")))
        }
        CallOutcome::TimedOut => (
            CommandState::Expired,
            Some("the station did not answer in time".to_owned()),
        ),
        CallOutcome::Gone => (
            CommandState::StationGone,
            Some("the station is not connected, or went before it answered".to_owned()),
        ),
        CallOutcome::Busy => (
            CommandState::Failed,
            Some(
                "too many commands wait for this station; try again when they are done".to_owned(),
            ),
        ),
        CallOutcome::NotAccepted => (
            CommandState::Failed,
            Some("an operator turned this station away; accept it first".to_owned()),
        ),
    };
    record.state = state;
    record.error = error;
}

fn label_of(state: CommandState) -> &'static str {
    match state {
        CommandState::Queued => "queued",
        CommandState::Sent => "sent",
        CommandState::Answered => "answered",
        CommandState::Failed => "failed",
        CommandState::Expired => "expired",
        CommandState::StationGone => "station_gone",
    }
}
