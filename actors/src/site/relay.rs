//! Takes news of the stations here along to the nodes that act for their sites.
//!
//! To each node one message is under way at a time, with the news of as many sites as fit, so what comes meanwhile is
//! taken along together. Who acts for a site is looked up each time: nobody has to be told that a shard moved.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use model::SiteId;
use placement::{NodeAddress, ShardId};
use tokio::{task::JoinSet, time::MissedTickBehavior};

use super::{Heard, SiteNews};
use crate::{SiteLinks, deps::Deps, metrics};

/// News that come together are one message: it begins so long after the first of them.
const SOON: Duration = Duration::from_millis(10);
/// How often it is looked for sites that moved, and for those that are to be told that there is nothing new.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How much one message takes, in bytes, about.
const MESSAGE_BYTES: usize = 256 << 10;

/// Takes news along for as long as it is polled.
pub(crate) async fn run(deps: Arc<Deps>, links: Arc<dyn SiteLinks>) {
    let mut relay = Relay {
        me: deps.placement.view().me,
        deps: Arc::clone(&deps),
        links,
        waiting: HashSet::new(),
        under_way: JoinSet::new(),
        busy: HashSet::new(),
    };
    let mut looks = tokio::time::interval(LOOKS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                deps.sites.miss_silent_nodes();
                relay.waiting.extend(deps.sites.without_actor(&deps));
            }
            () = deps.sites.stirring() => tokio::time::sleep(SOON).await,
            Some(arrived) = relay.under_way.join_next() => match arrived {
                Ok(arrived) => relay.has_arrived(arrived),
                // Whose message that was is not known; one too many does no harm.
                Err(_) => relay.busy.clear(),
            },
        }
        relay.waiting.extend(deps.sites.stirred());
        relay.send();
    }
}

struct Relay {
    /// This node.
    me: String,
    deps: Arc<Deps>,
    links: Arc<dyn SiteLinks>,
    /// Sites that may have to be told something.
    waiting: HashSet<SiteId>,
    under_way: JoinSet<Arrived>,
    /// The nodes that messages are under way to.
    busy: HashSet<NodeAddress>,
}

/// What became of a message.
struct Arrived {
    owner: NodeAddress,
    /// Whose news were in it, and what each site was believed to have heard.
    of: Vec<(SiteId, Option<Heard>)>,
    heard: Result<Vec<Option<Heard>>, String>,
}

/// A message that is being filled.
struct Message {
    news: Vec<SiteNews>,
    room: usize,
}

impl Relay {
    /// Sends what is to be told to nodes that no message is under way to. The rest goes on waiting.
    fn send(&mut self) {
        let mut messages: HashMap<NodeAddress, Message> = HashMap::new();
        let now = self.deps.clock.now();
        for site in std::mem::take(&mut self.waiting) {
            // One that is between two nodes is found by the next look.
            let Some(owner) = self.owner(&site) else {
                continue;
            };
            if self.busy.contains(&owner) {
                self.waiting.insert(site);
                continue;
            }
            let message = messages.entry(owner.clone()).or_insert(Message {
                news: Vec::new(),
                room: MESSAGE_BYTES,
            });
            if message.room == 0 {
                self.waiting.insert(site);
                continue;
            }
            let room = &mut message.room;
            let next = self.deps.sites.next_news(&site, &owner, now, room);
            if let Some((news, more)) = next {
                message.news.push(news);
                if more {
                    self.waiting.insert(site);
                }
            }
        }
        for (owner, message) in messages {
            if message.news.is_empty() {
                continue;
            }
            self.busy.insert(owner.clone());
            let links = Arc::clone(&self.links);
            self.under_way.spawn(async move {
                let news = message.news.iter();
                let of = news.map(|news| (news.site.clone(), news.heard)).collect();
                let heard = links.tell(&owner, message.news).await;
                Arrived { owner, of, heard }
            });
        }
    }

    fn has_arrived(&mut self, arrived: Arrived) {
        let Arrived { owner, of, heard } = arrived;
        self.busy.remove(&owner);
        let outcome = if heard.is_ok() { "heard" } else { "unheard" };
        ::metrics::counter!(metrics::SITE_NEWS, "outcome" => outcome).increment(1);
        let heard = heard.unwrap_or_else(|why| {
            tracing::debug!(node = %owner.name, why, "news of stations may not have been heard; they are told anew");
            Vec::new()
        });
        let heard = heard.into_iter().chain(std::iter::repeat(None));
        for ((site, believed), heard) in of.into_iter().zip(heard) {
            let told = (&site, believed);
            self.deps.sites.is_told(&self.deps, told, &owner, heard);
        }
    }

    /// The other node that acts for the site, if one does.
    fn owner(&self, site: &SiteId) -> Option<NodeAddress> {
        let placement = &self.deps.placement;
        if placement.site_epoch(site).is_some() {
            return None;
        }
        let node = placement.shard_node(ShardId::of_site(site))?;
        (node.name != self.me).then_some(node)
    }
}
