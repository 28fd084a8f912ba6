//! What a hub does for itself and, when it is asked, for another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Actors, CallOutcome, CloseReason, OutgoingCall, SiteAsk};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, future, stream::BoxStream};
use model::{CommandId, DeadLetterId, SiteId, StationId};
use peer::{Answer, Receive, Received, Target, UnderWay};
use placement::NodeAddress;
use tokio::sync::oneshot;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{
    Call,
    ask::{Ask, Happened, Live, Seen, to_bytes},
};
use crate::{
    Cluster,
    dead_letters::{DeadLetters, ReplayError},
    socket::Conflicts,
};

/// How long a station may take from its claim to its open socket; whoever was told of the claim may be faster.
const OPENING_MOST: Duration = Duration::from_secs(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// This hub.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) actors: Actors,
    conflicts: Arc<Conflicts>,
    pub(super) dead_letters: DeadLetters,
    /// Where messages wait that the store does not have yet.
    spool: Option<Cluster>,
}

impl Here {
    pub(super) fn new(
        actors: Actors,
        conflicts: Arc<Conflicts>,
        dead_letters: DeadLetters,
        spool: Option<Cluster>,
    ) -> Self {
        Self {
            actors,
            conflicts,
            dead_letters,
            spool,
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        self.actors.placement().view().me
    }

    /// Sends a CALL to a station whose socket is here.
    pub(super) async fn call(&self, call: Call, sent: oneshot::Sender<()>) -> CallOutcome {
        let (outcome, told) = oneshot::channel();
        let outgoing = OutgoingCall {
            action: call.action,
            payload: call.payload,
            timeout: call.deadline.saturating_duration_since(Instant::now()),
            sent,
            outcome,
        };
        self.actors.call(&call.station, outgoing);
        // A port that is dropped belonged to a socket that went.
        told.await.unwrap_or(CallOutcome::Gone)
    }

    /// What is seen here of these.
    pub(super) async fn look(&self, stations: &[StationId], sites: &[SiteId]) -> Seen {
        let mut seen = Seen::default();
        for station in stations {
            let live = Live {
                connected: self.actors.connection(station),
                epoch: self.actors.socket(station).map_or(0, |(_, epoch)| epoch),
                identity_conflict: self.conflicts.of(station),
                resting_until: self.actors.rests_until(station),
            };
            if live != Live::default() {
                seen.stations.insert(station.clone(), live);
            }
        }
        let views = sites.iter().map(|site| self.actors.site_view(site));
        let views = future::join_all(views).await;
        let known = sites.iter().zip(views);
        seen.sites
            .extend(known.filter_map(|(site, view)| Some((site.clone(), view?))));
        seen
    }

    /// Heeds a change; `false` where that is none.
    pub(super) async fn heed(&self, change: &Ask) -> bool {
        match change {
            Ask::StationChanged { station } => self.actors.station_changed(station).await,
            Ask::StationRemoved { station } => {
                self.actors.disconnect(station, CloseReason::Removed);
                self.actors.station_changed(station).await;
            }
            Ask::SiteChanged { site } => self.actors.site_changed(site).await,
            Ask::Call { .. }
            | Ask::Look { .. }
            | Ask::Replay { .. }
            | Ask::SiteNews { .. }
            | Ask::Charging { .. }
            | Ask::Power { .. }
            | Ask::GiveWay { .. } => return false,
        }
        true
    }

    /// Replays a dead letter for another hub, which found its station here.
    async fn replay(&self, id: DeadLetterId) -> Result<(), ReplayError> {
        let letter = self.dead_letters.read(id).await?;
        let socket = self.actors.socket(&letter.station);
        let placement = self.actors.placement();
        match socket.is_some_and(|(_, epoch)| placement.has(&letter.station, epoch)) {
            true => self.dead_letters.replay(letter).await,
            false => Err(ReplayError::Elsewhere("it has just gone".to_owned())),
        }
    }

    /// Whether the station's socket is here under the epoch that is expected; why not.
    async fn holds(
        &self,
        station: &StationId,
        expected: i64,
        until: Instant,
    ) -> Result<(), Answer> {
        let until = until.min(Instant::now() + OPENING_MOST);
        loop {
            let epoch = self.actors.socket(station).map(|(_, epoch)| epoch);
            match epoch {
                Some(epoch) if epoch == expected => return Ok(()),
                Some(epoch) if epoch > expected => return Err(Answer::Stale { epoch }),
                _ => {}
            }
            let placement = self.actors.placement();
            if !placement.has(station, expected) || Instant::now() > until {
                // An older socket than the claim may still be closing: it is not the station's any more.
                let located = placement.locate(station).await.ok().flatten();
                let elsewhere = located.filter(|located| !located.here);
                let at = elsewhere.map(|located| (located.node, located.epoch));
                return Err(Answer::NotHere { at });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends another hub's CALL.
    async fn call_for(&self, call: Call, epoch: Option<i64>, under_way: UnderWay) -> Answer {
        if let Some(expected) = epoch
            && let Err(why_not) = self.holds(&call.station, expected, call.deadline).await
        {
            return why_not;
        }
        let speaks = self.actors.connection(&call.station);
        let speaks = speaks.map(|connection| connection.protocol);
        if let Some(speaks) = speaks.filter(|speaks| *speaks != call.protocol) {
            return Answer::Refused(format!(
                "the station speaks {speaks:?} now, and the command is for {:?}; send it again",
                call.protocol
            ));
        }
        let (sent, on_the_wire) = oneshot::channel();
        let noting = async {
            if on_the_wire.await.is_ok() {
                under_way.tell();
            }
        };
        let (outcome, ()) = tokio::join!(self.call(call, sent), noting);
        Answer::Ok(to_bytes(&outcome))
    }

    /// The hub of that name that lives, the latest of its processes.
    fn node(&self, name: &str) -> Option<NodeAddress> {
        let nodes = self.actors.placement().view().nodes.into_iter();
        let named = nodes.filter(|node| node.alive && node.name == name);
        let latest = named.max_by_key(|node| node.incarnation)?;
        Some(NodeAddress {
            name: latest.name,
            address: latest.address,
            incarnation: latest.incarnation,
        })
    }
}

#[async_trait]
impl Receive for Here {
    fn incarnation(&self) -> Option<i64> {
        self.actors.placement().view().incarnation
    }

    async fn receive(&self, message: Received, under_way: UnderWay) -> Answer {
        let ask = match serde_json::from_slice(&message.body) {
            Ok(ask) => ask,
            Err(error) => {
                return Answer::Refused(format!(
                    "this hub does not understand what it is asked; it may be of another version: {error}"
                ));
            }
        };
        match (ask, message.to) {
            (
                Ask::Call {
                    protocol,
                    action,
                    payload,
                },
                Target::Charger(station),
            ) => {
                let call = Call {
                    id: CommandId(message.id),
                    station,
                    protocol,
                    action,
                    payload,
                    deadline: message.deadline,
                };
                self.call_for(call, message.epoch, under_way).await
            }
            (Ask::Look { stations, sites }, Target::Node) => {
                Answer::Ok(to_bytes(&self.look(&stations, &sites).await))
            }
            (Ask::Replay { letter }, Target::Node) => {
                Answer::Ok(to_bytes(&self.replay(letter).await))
            }
            (Ask::SiteNews { news }, Target::Node) => match self.node(&message.from) {
                Some(from) => Answer::Ok(to_bytes(&self.actors.hear(&from, news))),
                None => Answer::Refused(format!("hub {} is not known here yet", message.from)),
            },
            (Ask::Charging { site, under, what }, Target::Charger(station)) => {
                let asked = SiteAsk {
                    site,
                    under,
                    station,
                    ask: what,
                    patience: message.deadline.saturating_duration_since(Instant::now()),
                };
                Answer::Ok(to_bytes(&self.actors.ask_charging(asked).await))
            }
            (Ask::Power { what }, Target::Site(site)) => self.power_for(&site, what).await,
            (Ask::GiveWay { epoch }, Target::Charger(station)) => {
                self.actors.give_way(&station, epoch).await;
                let spool = self.spool.as_ref();
                let holds = spool.is_some_and(|spool| spool.holds_any_of(&station));
                Answer::Ok(to_bytes(&!holds))
            }
            (change, Target::Node) => match self.heed(&change).await {
                true => Answer::Ok(Bytes::new()),
                false => Answer::Refused("that is asked of a charger, not of a hub".to_owned()),
            },
            (_, to) => Answer::Refused(format!("that cannot be asked of a {to:?}")),
        }
    }

    fn watch(&self) -> BoxStream<'static, Bytes> {
        let events = BroadcastStream::new(self.actors.watch());
        let events = events.map(|heard| match heard {
            Ok(event) => to_bytes(&Happened::Event((*event).clone())),
            Err(BroadcastStreamRecvError::Lagged(count)) => to_bytes(&Happened::Missed(count)),
        });
        events.boxed()
    }
}
