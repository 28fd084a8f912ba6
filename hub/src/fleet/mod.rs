//! The stations and sites of all hubs of a cluster, wherever their sockets and actors are.
//!
//! A command goes to the one hub that holds its station: placement says which ([`Fleet::call`]); there a dead letter is
//! replayed too ([`Fleet::replay`]). What the API shows of a station's socket, or of a site's actor, every other hub is
//! asked for ([`Fleet::look`]), and so is told that an operator changed something ([`Fleet::tell`]); whoever does not
//! answer in time is named. A hub that is alone asks nobody.
//!
//! Before a station is taken in that was at another hub, that one is asked whether it has [written](unwritten) all of
//! what the station said to it.
//!
//! The power of a site is seen to by the hub that acts for it ([`sites`]), which speaks with the site's stations at other
//! hubs ([`links`]).
//!
//! Whether this hub reaches the others, and they it, is shown and told of ([`reach`]).
//!
//! What hubs say to each other is in [`ask`], how they say it in crate `peer`, what a hub does when it is asked
//! in [`here`], what happens at the others in [`elsewhere`].

mod ask;
mod certificate;
mod elsewhere;
mod gone;
mod here;
mod links;
mod reach;
mod sites;
mod unwritten;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Actors, CallOutcome, SiteLinks, Unwritten};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use model::{CommandId, DeadLetterId, Protocol, SiteId, StationId};
use peer::{Answer, AskError, Message, Peers, Present, Serving, Settings, Target, Uuid};
use placement::{Location, NodeAddress};
use tokio::{net::TcpListener, sync::oneshot};

pub(crate) use self::{
    ask::{Ask, Live, PowerAsk, Seen},
    elsewhere::{Elsewhere, Heard},
    reach::OtherHub,
};
use self::{here::Here, links::Links};
use crate::{
    Cluster, HubError,
    config::Member,
    dead_letters::{DeadLetters, ReplayError},
    socket::Conflicts,
};

/// How long another hub may take for what the API shows.
const LOOK_MOST: Duration = Duration::from_secs(2);
/// How long another hub may take to replay a dead letter.
const REPLAY_MOST: Duration = Duration::from_secs(20);
/// Room in a frame beside the longest answer of a station.
const AROUND_AN_ANSWER: usize = 256 << 10;

/// All stations and sites; cheap to clone.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    here: Here,
    others: Option<Others>,
}

/// The other hubs.
struct Others {
    peers: Arc<Peers>,
    /// Which of them reach this one.
    present: Present,
    elsewhere: Elsewhere,
    /// How this hub takes part.
    member: Member,
}

/// A CALL to a station, in the version it speaks.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its command.
    pub(crate) id: CommandId,
    /// To whom.
    pub(crate) station: StationId,
    /// The version it is in.
    pub(crate) protocol: Protocol,
    /// The OCPP action.
    pub(crate) action: String,
    /// The payload, as JSON text.
    pub(crate) payload: String,
    /// When it must be answered.
    pub(crate) deadline: Instant,
}

/// What became of a CALL.
#[derive(Debug)]
pub(crate) enum Reached {
    /// The hub that holds the station tells.
    Told(CallOutcome),
    /// It did not go out, or that hub failed; why.
    Failed(String),
    /// The hub that holds the station does not answer: whether the station got it is not known.
    Lost(String),
}

impl Fleet {
    /// Of a hub that is alone.
    pub fn alone(actors: Actors, conflicts: Arc<Conflicts>, dead_letters: DeadLetters) -> Self {
        let here = Here::new(actors, conflicts, dead_letters, None);
        Self(Arc::new(Inner { here, others: None }))
    }

    /// Of a hub among others, which can ask this one from now on.
    ///
    /// # Errors
    /// [`HubError`]: its address cannot be listened on.
    pub(crate) async fn among_others(
        member: &Member,
        max_message_bytes: usize,
        actors: Actors,
        conflicts: Arc<Conflicts>,
        dead_letters: DeadLetters,
        spool: Option<Cluster>,
    ) -> Result<(Self, Serving), HubError> {
        let error = |error: io::Error| HubError::Listen {
            name: "cluster.listen",
            address: member.listen,
            error,
        };
        let listener = TcpListener::bind(member.listen).await.map_err(error)?;
        let here = Here::new(actors, conflicts, dead_letters, spool);
        let defaults = Settings::new(&member.name);
        let settings = Settings {
            // As text in text, most of an answer may be twice as long.
            max_frame_bytes: defaults
                .max_frame_bytes
                .max(2 * max_message_bytes + AROUND_AN_ANSWER),
            ..defaults
        };
        let receive = Arc::new(here.clone());
        let serving = peer::serve(listener, &member.security, &settings, receive)
            .map_err(|error| HubError::Cluster(format!("cluster.tls_certificate: {error}")))?;
        let others = Some(Others {
            peers: Arc::new(Peers::new(settings, member.security.clone())),
            present: serving.present(),
            member: member.clone(),
            elsewhere: Elsewhere::new(here.actors.settings().live_backlog),
        });
        Ok((Self(Arc::new(Inner { here, others })), serving))
    }

    /// Keeps to the hubs that are there, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        match &self.0.others {
            Some(others) => {
                tokio::join!(
                    others.elsewhere.follow(self, &others.peers),
                    self.tell_if_unreached(&others.present),
                    self.tell_of_the_gone(),
                    certificate::tell_of_its_end(&others.member),
                );
            }
            None => std::future::pending().await,
        }
    }

    /// The ways of sites here to their stations at other hubs, and back; `None` where there are none.
    pub(crate) fn site_links(&self) -> Option<Arc<dyn SiteLinks>> {
        let others = self.0.others.as_ref()?;
        Some(Arc::new(Links(Arc::clone(&others.peers))))
    }

    /// What the other hubs have not written yet of what stations said to them; `None` where there are none. A hub that
    /// died over something is waited for for so long.
    pub(crate) fn unwritten(&self, patience: Duration) -> Option<Arc<dyn Unwritten>> {
        let others = self.0.others.as_ref()?;
        Some(Arc::new(unwritten::Elsewhere {
            peers: Arc::clone(&others.peers),
            placement: Arc::clone(self.0.here.actors.placement()),
            patience_ms: i64::try_from(patience.as_millis()).unwrap_or(i64::MAX),
        }))
    }

    /// What happens at the other hubs; `None` where there are none.
    pub(crate) fn elsewhere(&self) -> Option<&Elsewhere> {
        self.0.others.as_ref().map(|others| &others.elsewhere)
    }

    /// Sends a CALL to a station, wherever it is, at most once for its id. `sent` is told when it goes over the
    /// wire.
    pub(crate) async fn call(&self, call: Call, sent: oneshot::Sender<()>) -> Reached {
        let Some(others) = &self.0.others else {
            return self.call_here(call, sent).await;
        };
        let located = self.0.here.actors.placement().locate(&call.station).await;
        let at = match located {
            Ok(Some(Location { here: true, .. })) => return self.call_here(call, sent).await,
            Ok(Some(Location { node, epoch, .. })) => (node, epoch),
            Ok(None) => return Reached::Told(CallOutcome::Gone),
            Err(_) => {
                return Reached::Failed(
                    "the station is not at this hub, and where it is cannot be found out while Redis does not answer; try again"
                        .to_owned(),
                );
            }
        };
        self.call_there(&others.peers, at, call, sent).await
    }

    async fn call_here(&self, call: Call, sent: oneshot::Sender<()>) -> Reached {
        Reached::Told(self.0.here.call(call, sent).await)
    }

    /// Follows the station once, where it is not there any more.
    async fn call_there(
        &self,
        peers: &Peers,
        mut at: (NodeAddress, i64),
        call: Call,
        sent: oneshot::Sender<()>,
    ) -> Reached {
        let body = Ask::call(&call).to_bytes();
        let (mut sent, mut followed) = (Some(sent), false);
        loop {
            let message = Message {
                id: call.id.0,
                to: Target::Charger(call.station.clone()),
                epoch: Some(at.1),
                deadline: call.deadline,
                once: true,
                body: body.clone(),
            };
            let (tell, told) = oneshot::channel();
            let asking = peers.ask(&at.0, message, Some(tell));
            match noting(asking, told, &mut sent).await {
                Ok(Answer::NotHere { at: Some(there) }) if !followed => at = there,
                Ok(Answer::Stale { epoch }) if !followed => at.1 = epoch,
                Ok(answer) => return told_by(&at.0.name, answer),
                Err(error) => return not_answered(error),
            }
            followed = true;
            // It was not under way, so nobody was told.
            if let Some(sent) = sent.take_if(|_| at.0.name == self.0.here.name()) {
                return self.call_here(call, sent).await;
            }
        }
    }

    /// Has a dead letter handled after all, where its station is; here, if no hub holds that.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub(crate) async fn replay(&self, id: DeadLetterId) -> Result<(), ReplayError> {
        let here = &self.0.here;
        let letter = here.dead_letters.read(id).await?;
        let is_here = here.actors.socket(&letter.station).is_some();
        let (false, Some(others)) = (is_here, &self.0.others) else {
            return here.dead_letters.replay(letter).await;
        };
        let elsewhere = |why: String| Err(ReplayError::Elsewhere(why));
        let node = match here.actors.placement().locate(&letter.station).await {
            Ok(Some(Location {
                here: false, node, ..
            })) => node,
            Ok(_) => return here.dead_letters.replay(letter).await,
            Err(_) => {
                return elsewhere("which one is not known while Redis does not answer".into());
            }
        };
        let message = Message {
            id: Uuid::new_v4(),
            to: Target::Node,
            epoch: None,
            deadline: Instant::now() + REPLAY_MOST,
            once: true,
            body: Ask::Replay { letter: id }.to_bytes(),
        };
        match others.peers.ask(&node, message, None).await {
            Ok(Answer::Ok(answer)) => match serde_json::from_slice(&answer) {
                Ok(replayed) => replayed,
                Err(_) => elsewhere(format!("{} is of another version", node.name)),
            },
            Ok(answer) => elsewhere(format!("{} answers {answer:?}", node.name)),
            Err(error) => elsewhere(error.to_string()),
        }
    }

    /// What all hubs together see of these stations and sites, and the names of those that did not answer.
    pub(crate) async fn look(
        &self,
        stations: Vec<StationId>,
        sites: Vec<SiteId>,
    ) -> (Seen, Vec<String>) {
        let mut seen = self.0.here.look(&stations, &sites).await;
        let ask = Ask::Look { stations, sites };
        let (answers, mut unanswered) = self.ask_all(&ask, false).await;
        for (node, answer) in answers {
            match serde_json::from_slice(&answer) {
                Ok(more) => seen.add(more),
                Err(_) => unanswered.push(node),
            }
        }
        (seen, unanswered)
    }

    /// Tells all hubs that something changed, this one too; the names of those that did not hear it.
    pub(crate) async fn tell(&self, change: Ask) -> Vec<String> {
        let (_, (_, unanswered)) =
            tokio::join!(self.0.here.heed(&change), self.ask_all(&change, true));
        unanswered
    }

    /// Asks every other hub; what they answer, and the names of those that do not.
    async fn ask_all(&self, ask: &Ask, once: bool) -> (Vec<(String, Bytes)>, Vec<String>) {
        let Some(others) = &self.0.others else {
            return Default::default();
        };
        let (body, deadline) = (ask.to_bytes(), Instant::now() + LOOK_MOST);
        let nodes = self.nodes();
        let asked = nodes.into_iter().map(|node| {
            let message = Message {
                id: Uuid::new_v4(),
                to: Target::Node,
                epoch: None,
                deadline,
                once,
                body: body.clone(),
            };
            async move {
                let answer = others.peers.ask(&node, message, None).await;
                (node.name, answer)
            }
        });
        let (mut answers, mut unanswered) = (Vec::new(), Vec::new());
        let mut asked: FuturesUnordered<_> = asked.collect();
        while let Some((node, answer)) = asked.next().await {
            match answer {
                Ok(Answer::Ok(answer)) => answers.push((node, answer)),
                Ok(_) | Err(_) => unanswered.push(node),
            }
        }
        unanswered.sort();
        (answers, unanswered)
    }

    /// The other hubs that live, each process after those before it.
    fn nodes(&self) -> Vec<NodeAddress> {
        reach::others_of(self.0.here.actors.placement().view())
    }
}

/// Waits for the answer, and passes on that the CALL is under way.
async fn noting(
    asking: impl Future<Output = Result<Answer, AskError>>,
    under_way: oneshot::Receiver<()>,
    sent: &mut Option<oneshot::Sender<()>>,
) -> Result<Answer, AskError> {
    tokio::pin!(asking);
    tokio::select! {
        answer = &mut asking => return answer,
        under_way = under_way => if let (Ok(()), Some(sent)) = (under_way, sent.take()) {
            // Nobody may want to know.
            let _ = sent.send(());
        }
    }
    asking.await
}

/// What the answer of the hub means that was asked last.
fn told_by(hub: &str, answer: Answer) -> Reached {
    match answer {
        Answer::Ok(outcome) => match serde_json::from_slice(&outcome) {
            Ok(outcome) => Reached::Told(outcome),
            Err(error) => Reached::Lost(format!(
                "hub {hub} answered something that this one does not understand: {error}"
            )),
        },
        // It moves faster than it can be followed, or has gone.
        Answer::NotHere { .. } | Answer::Stale { .. } => Reached::Told(CallOutcome::Gone),
        Answer::Deadline => Reached::Told(CallOutcome::TimedOut),
        Answer::Busy => Reached::Failed(format!(
            "hub {hub}, which holds the station, has too much to do; try again"
        )),
        Answer::Refused(why) => Reached::Failed(format!("hub {hub}: {why}")),
    }
}

fn not_answered(error: AskError) -> Reached {
    match error {
        AskError::TimedOut(hub) | AskError::Lost(hub) => Reached::Lost(format!(
            "hub {hub}, which holds the station, does not answer; whether the station got the command is not known"
        )),
        error => Reached::Failed(format!("{error}; nothing was sent to the station")),
    }
}
