//! What happens at the other hubs, for those who watch here.
//!
//! The others are watched only while somebody watches here, each once, however many watch.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use model::LiveEvent;
use peer::{Peers, Watched};
use placement::NodeAddress;
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{Fleet, ask::Happened};

/// How often it is looked at which hubs there are.
const LOOK: Duration = Duration::from_secs(1);
/// How long whoever begins to watch waits for all hubs to be heard.
const OPENING_MOST: Duration = Duration::from_secs(2);

/// What happens at the other hubs.
pub(crate) struct Elsewhere {
    heard: broadcast::Sender<Heard>,
    /// Which hubs are watched, and whether each is heard; absent: that is not known yet.
    watched: watch::Sender<HashMap<NodeAddress, Option<bool>>>,
    /// Somebody began to watch.
    begun: Notify,
}

/// What is heard of the other hubs.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// An event.
    Event(Arc<LiveEvent>),
    /// So many events were missed.
    Missed(u64),
    /// Nothing is heard of that hub until it is back.
    Away(String),
    /// That hub is heard again.
    Back(String),
}

impl Elsewhere {
    /// Watchers may each lag by `backlog` events.
    pub(super) fn new(backlog: usize) -> Self {
        Self {
            heard: broadcast::Sender::new(backlog),
            watched: watch::Sender::default(),
            begun: Notify::new(),
        }
    }

    /// Hears what happens from now on, and the names of the hubs that are not heard.
    pub(crate) async fn watch(&self, fleet: &Fleet) -> (broadcast::Receiver<Heard>, Vec<String>) {
        let heard = self.heard.subscribe();
        self.begun.notify_one();
        let nodes = fleet.nodes();
        let mut watched = self.watched.subscribe();
        let is_known = |watched: &HashMap<NodeAddress, Option<bool>>| {
            let mut known = nodes
                .iter()
                .map(|node| watched.get(node).copied().flatten());
            known.all(|is_heard| is_heard.is_some())
        };
        // Whoever is not known by then is not heard.
        let _ = timeout(OPENING_MOST, watched.wait_for(is_known)).await;
        let watched = self.watched.borrow();
        let is_heard = |node: &&NodeAddress| watched.get(*node) == Some(&Some(true));
        let away = nodes.iter().filter(|node| !is_heard(node));
        let mut away: Vec<String> = away.map(|node| node.name.clone()).collect();
        away.sort();
        (heard, away)
    }

    /// Watches the hubs that there are while somebody wants to know, and lets go of those that went; for as long as
    /// it is polled.
    pub(super) async fn follow(&self, fleet: &Fleet, peers: &Peers) {
        let mut watching = Watching(HashMap::new());
        loop {
            let _ = timeout(LOOK, self.begun.notified()).await;
            let nodes = fleet.nodes();
            peers.keep(&nodes);
            let is_wanted = self.heard.receiver_count() > 0;
            if !is_wanted {
                self.watched.send_modify(HashMap::clear);
            }
            watching.0.retain(|node, task| {
                let stays = is_wanted && nodes.contains(node);
                if !stays {
                    task.abort();
                    if is_wanted {
                        self.has_gone(node);
                    }
                }
                stays
            });
            for node in nodes.into_iter().filter(|_| is_wanted) {
                watching.0.entry(node).or_insert_with_key(|node| {
                    let stream = peers.watch(node);
                    let (heard, watched) = (self.heard.clone(), self.watched.clone());
                    tokio::spawn(hear(node.clone(), stream.boxed(), heard, watched))
                });
            }
        }
    }

    /// A hub's lease has run out. It is remembered, so that its return is told.
    fn has_gone(&self, node: &NodeAddress) {
        let mut before = None;
        self.watched.send_modify(|watched| {
            before = watched.insert(node.clone(), Some(false)).flatten();
        });
        if before == Some(true) {
            // Whoever watched may have gone too.
            let _ = self.heard.send(Heard::Away(node.name.clone()));
        }
    }
}

/// The tasks that hear a hub each; they end with this.
struct Watching(HashMap<NodeAddress, JoinHandle<()>>);

impl Drop for Watching {
    fn drop(&mut self) {
        for task in self.0.values() {
            task.abort();
        }
    }
}

async fn hear(
    node: NodeAddress,
    mut stream: futures_util::stream::BoxStream<'static, Watched>,
    heard: broadcast::Sender<Heard>,
    watched: watch::Sender<HashMap<NodeAddress, Option<bool>>>,
) {
    let began = Instant::now();
    while let Some(what) = stream.next().await {
        let what = match what {
            Watched::Event(text) => match serde_json::from_slice(&text) {
                Ok(Happened::Event(event)) => Heard::Event(Arc::new(event)),
                Ok(Happened::Missed(count)) => Heard::Missed(count),
                // Of a later version: there is no word for it here.
                Err(_) => Heard::Missed(1),
            },
            Watched::Open | Watched::Broken(_) => {
                let is_heard = what == Watched::Open;
                let mut before = None;
                watched.send_modify(|watched| {
                    before = watched.insert(node.clone(), Some(is_heard)).flatten();
                });
                if let Watched::Broken(why) = &what {
                    tracing::info!(node = %node.name, why, "what happens at another hub is not heard");
                }
                // Whoever began to watch was told of those that were not heard by then.
                let was_heard = before.unwrap_or(began.elapsed() < OPENING_MOST && is_heard);
                match (was_heard, is_heard) {
                    (true, false) => Heard::Away(node.name.clone()),
                    (false, true) => Heard::Back(node.name.clone()),
                    _ => continue,
                }
            }
        };
        // Whoever watched may have gone.
        let _ = heard.send(what);
    }
}
