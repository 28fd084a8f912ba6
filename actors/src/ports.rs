//! What actors ask of the outside: a charger's socket, its language, other nodes, and those who watch.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use model::{ChargingAnswer, ChargingAsk, LiveEvent, Protocol, SiteId, StationId};
use placement::{Claim, NodeAddress};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, oneshot};

use crate::{Heard, SiteNews};

/// A charger's socket, as its actor sees it. Nothing here waits.
pub trait Link: Send + Sync + 'static {
    /// Queues a CALL. Its outcome arrives through the call's own port, always: a link that goes away
    /// answers [`CallOutcome::Gone`] for all it had.
    fn call(&self, call: OutgoingCall);

    /// How long ago the station was last heard, in s.
    fn silent_s(&self) -> u32;

    /// Asks the station for a sign of life, which shows in [`Link::silent_s`].
    fn ping(&self);

    /// Closes the socket at once.
    fn close(&self, reason: CloseReason);

    /// Closes the socket when the station's CALL in hand has its answer and the hub's CALL on the wire
    /// has its outcome. Until then nothing new is taken on, from either side.
    fn finish(&self, reason: CloseReason);
}

/// A CALL to a charger, already in its version.
#[derive(Debug)]
pub struct OutgoingCall {
    /// The OCPP action.
    pub action: String,
    /// The payload, as JSON text.
    pub payload: String,
    /// How long the answer may take, waiting for the calls before it included.
    pub timeout: Duration,
    /// Told when the call goes over the wire.
    pub sent: oneshot::Sender<()>,
    /// Where the outcome goes.
    pub outcome: oneshot::Sender<CallOutcome>,
}

/// What became of a CALL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// Answered; the payload as JSON text.
    Answered(String),
    /// Answered with a CALLERROR.
    Failed {
        /// Its code, as sent.
        code: String,
        /// Its description, as sent.
        description: String,
    },
    /// Not answered in time.
    TimedOut,
    /// The socket went before the answer came, or there was none.
    Gone,
    /// As many calls as a charger may have are already waiting.
    Busy,
    /// The station has not been accepted yet (OCPP 2.0.1 B03.FR.03).
    NotAccepted,
}

/// Why the hub closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The station opened a newer one.
    Replaced,
    /// The station was deleted or turned away.
    Removed,
    /// Nothing durable is available; the station keeps its queue while it is offline.
    NotDurable,
    /// The hub stops.
    Draining,
    /// The station keeps crashing its actor.
    Quarantined,
    /// Another device has the station's identity, and keeps it.
    IdentityConflict,
}

/// Says in a station's version what a site asks of it, and reads what it answers.
pub trait Language: Send + Sync + 'static {
    /// The action and payload, as JSON text.
    ///
    /// # Errors
    /// Why it cannot be said in that version.
    fn say(&self, protocol: Protocol, ask: &ChargingAsk) -> Result<(String, String), String>;

    /// What an answer, as JSON text, says. One that cannot be read says no.
    fn read(&self, protocol: Protocol, ask: &ChargingAsk, answer: &str) -> ChargingAnswer;
}

/// The ways between a site's actor and those of its stations that other nodes hold. Nothing is kept on the way: what is
/// lost is told or asked again by those at its ends.
#[async_trait]
pub trait SiteLinks: Send + Sync + 'static {
    /// Brings news to the node that acts for these sites; what it heard, site by site ([`Actors::hear`]).
    ///
    /// [`Actors::hear`]: crate::Actors::hear
    ///
    /// # Errors
    /// Why that is not known: some of it may have been heard.
    async fn tell(
        &self,
        owner: &NodeAddress,
        news: Vec<SiteNews>,
    ) -> Result<Vec<Option<Heard>>, String>;

    /// Has a station asked that another node holds ([`Actors::ask_charging`]), at most once.
    ///
    /// [`Actors::ask_charging`]: crate::Actors::ask_charging
    async fn ask(&self, holder: &NodeAddress, asked: SiteAsk) -> Told;
}

/// What other nodes were told by stations and have not written yet: it waits in a spool of theirs, which whoever
/// reads the store does not see.
#[async_trait]
pub trait Unwritten: Send + Sync + 'static {
    /// Whether another node may hold something that the station said to it. From here on no other takes anything from
    /// it, as it was claimed here. `returns`: as far as is known it was last here.
    async fn may_be_elsewhere(&self, station: &StationId, claim: Claim, returns: bool) -> bool;
}

/// What a site asks of one of its stations.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteAsk {
    /// The site.
    pub site: SiteId,
    /// The epoch of the site's shard under which it asks: one that is lower than another that was obeyed is refused.
    pub under: i64,
    /// The station.
    pub station: StationId,
    /// What.
    pub ask: ChargingAsk,
    /// How long the answer may take.
    pub patience: Duration,
}

/// What became of something that a site asked of a station.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The station answered.
    Answer(ChargingAnswer),
    /// It answered with an error, or cannot be told so.
    Failed(String),
    /// It did not answer, is not there, or was not asked.
    Silence,
}

/// Tells those who watch. Best effort; nothing is built when nobody listens.
#[derive(Debug, Clone)]
pub struct Watchers(broadcast::Sender<Arc<LiveEvent>>);

impl Watchers {
    /// Watchers that may each lag by `backlog` events.
    pub fn new(backlog: usize) -> Self {
        Self(broadcast::Sender::new(backlog))
    }

    /// Starts watching.
    pub fn watch(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.0.subscribe()
    }

    /// Tells what `event` makes, if anybody listens.
    pub fn tell(&self, event: impl FnOnce() -> LiveEvent) {
        if self.0.receiver_count() > 0 {
            // The only error is that the last listener has just gone.
            let _ = self.0.send(Arc::new(event()));
        }
    }
}
