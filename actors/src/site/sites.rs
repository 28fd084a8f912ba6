//! The sites that this node knows: those whose actors are here, and those of its stations that another node acts for.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use model::{SessionId, SessionPreferences, SiteId, SitePowerView, StationId, Timestamp};
use placement::{NodeAddress, ShardId};
use ractor::ActorRef;
use tokio::sync::{Notify, oneshot};

use super::{
    Metered, SiteMsg, SiteView,
    core::StationNews,
    hearing::{Heard, Hearing, Hears},
    outbox::{Outbox, SiteNews, StationSays},
    whereabouts::Place,
};
use crate::{charger::ChargerMsg, deps::Deps};

/// How long a site may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sites that stations here stand at, or whose power is managed here: who belongs to each, and its actor.
#[derive(Default)]
pub(crate) struct Sites {
    all: DashMap<SiteId, Entry>,
    /// Sites of other nodes that are to be told something.
    stirred: Mutex<HashSet<SiteId>>,
    stirs: Notify,
    /// Shards came to this node.
    gains: Notify,
    /// What tells one hearing from another.
    hearings: AtomicU64,
}

#[derive(Default)]
struct Entry {
    /// The stations here that stand there.
    members: HashSet<StationId>,
    actor: Option<ActorRef<SiteMsg>>,
    wanted: bool,
    /// Its power is managed, as far as is known: it has an actor though no station is here.
    managed: bool,
    /// Other nodes have stations of it.
    told_of: bool,
    /// Where it acts here: what it hears from other nodes.
    hearing: Hearing,
    /// Where another node acts for it: what that is to be told.
    outbox: Outbox,
    /// The highest epoch of its shard that is known here to have been acted under.
    obeyed: i64,
}

impl Sites {
    /// The station stands here; the site's actor is started with its first, if the site is this node's.
    pub(crate) fn join(&self, deps: &Arc<Deps>, site: &SiteId, station: &StationId) {
        let mut entry = self.all.entry(site.clone()).or_default();
        entry.members.insert(station.clone());
        drop(entry);
        self.want_if_ours(deps, site);
        self.stir(site);
    }

    /// The site's power is managed, or is to be read again: its actor runs though no station is here.
    pub(crate) fn wake(&self, deps: &Arc<Deps>, site: &SiteId) {
        self.all.entry(site.clone()).or_default().managed = true;
        self.want_if_ours(deps, site);
    }

    /// Asked after the site is known here: a shard that is gained meanwhile finds it.
    fn want_if_ours(&self, deps: &Arc<Deps>, site: &SiteId) {
        if let Some(epoch) = deps.placement.site_epoch(site) {
            self.want(deps, site, epoch);
        }
    }

    /// The shard is this node's from now on, under that epoch: so are the sites in it.
    pub(crate) fn gained(&self, deps: &Arc<Deps>, shard: ShardId, epoch: i64) {
        let here = self.all.iter();
        let here = here.filter(|entry| entry.managed || entry.told_of || !entry.members.is_empty());
        let sites: Vec<SiteId> = here
            .map(|entry| entry.key().clone())
            .filter(|site| ShardId::of_site(site) == shard)
            .collect();
        for site in sites {
            self.want(deps, &site, epoch);
        }
        self.gains.notify_one();
    }

    /// Returns when shards have come to this node since this was last asked.
    pub(crate) async fn gain(&self) {
        self.gains.notified().await;
    }

    /// The shard, or each where none is named, is not this node's any more. Returns what completes when no
    /// actor of its sites runs any more.
    pub(crate) fn lost(&self, shard: Option<ShardId>) -> impl Future<Output = ()> + use<> {
        let mut actors = Vec::new();
        for mut entry in self.all.iter_mut() {
            if shard.is_none_or(|shard| ShardId::of_site(entry.key()) == shard) {
                entry.wanted = false;
                entry.hearing = Hearing::default();
                actors.extend(entry.actor.take());
            }
        }
        async move {
            for actor in actors {
                // One that has ended by itself is as good.
                let _ = actor.stop_and_wait(None, None).await;
            }
        }
    }

    fn want(&self, deps: &Arc<Deps>, site: &SiteId, epoch: i64) {
        let Some(mut entry) = self.all.get_mut(site) else {
            return;
        };
        entry.obeyed = entry.obeyed.max(epoch);
        entry.outbox.forget();
        if std::mem::replace(&mut entry.wanted, true) {
            return;
        }
        drop(entry);
        if let Some(tree) = deps.tree.get() {
            tree.start_site(deps, site.clone());
        }
    }

    /// The station does not stand here any more; its socket is of that epoch.
    pub(crate) fn leave(&self, site: &SiteId, station: &StationId, epoch: i64) {
        self.tell(site, station, epoch, StationNews::Left);
        if let Some(mut entry) = self.all.get_mut(site) {
            entry.members.remove(station);
        }
    }

    /// Tells a site, wherever its actor is, what a station says whose newest socket here is of that epoch. An actor that
    /// is just being started hears it when the station announces itself.
    pub(crate) fn tell(&self, site: &SiteId, station: &StationId, epoch: i64, news: StationNews) {
        let Some(mut entry) = self.all.get_mut(site) else {
            return;
        };
        let waits = match &entry.actor {
            Some(actor) => {
                let says = StationSays {
                    station: station.clone(),
                    epoch,
                    news,
                };
                let _ = actor.cast(SiteMsg::News(Place::Here, 0, Box::new(says)));
                false
            }
            None => entry.outbox.put(station, epoch, news),
        };
        drop(entry);
        if waits {
            self.stir(site);
        }
    }

    /// The site's configuration changed.
    pub(crate) fn changed(&self, site: &SiteId) {
        if let Some(actor) = self.actor(site) {
            let _ = actor.cast(SiteMsg::Configured);
        }
    }

    /// The site as it now is, if it has an actor.
    pub(crate) async fn view(&self, site: &SiteId) -> Option<SiteView> {
        self.ask(site, SiteMsg::View).await
    }

    /// Its power as it now is, if it is managed here.
    pub(crate) async fn power_view(&self, site: &SiteId) -> Option<SitePowerView> {
        self.ask(site, SiteMsg::PowerView).await?
    }

    /// Its meter says something; none if its power is not managed here.
    pub(crate) async fn metered(
        &self,
        site: &SiteId,
        metered: Metered,
    ) -> Option<Result<(), String>> {
        let metered = Box::new(metered);
        self.ask(site, |port| SiteMsg::Metered(metered, port))
            .await?
    }

    /// A driver says something; `false` if the session does not charge here.
    pub(crate) async fn prefer(&self, site: &SiteId, preferences: SessionPreferences) -> bool {
        let preferences = Box::new(preferences);
        let kept = self.ask(site, |port| SiteMsg::Prefer(preferences, port));
        kept.await.unwrap_or(false)
    }

    /// What a driver said.
    pub(crate) async fn preferences(
        &self,
        site: &SiteId,
        session: SessionId,
    ) -> Option<SessionPreferences> {
        self.ask(site, |port| SiteMsg::Preferences(session, port))
            .await?
    }

    /// The sites that should have an actor.
    pub(crate) fn wanted(&self) -> Vec<SiteId> {
        self.all
            .iter()
            .filter(|entry| entry.wanted)
            .map(|entry| entry.key().clone())
            .collect()
    }

    async fn ask<T>(
        &self,
        site: &SiteId,
        message: impl FnOnce(oneshot::Sender<T>) -> SiteMsg,
    ) -> Option<T> {
        let (port, answer) = oneshot::channel();
        self.actor(site)?.cast(message(port)).ok()?;
        tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
    }

    fn actor(&self, site: &SiteId) -> Option<ActorRef<SiteMsg>> {
        self.all.get(site)?.actor.clone()
    }

    /// `false` when the site is not wanted here any more, so that no actor of it should run.
    pub(super) fn actor_is(&self, site: &SiteId, actor: Option<ActorRef<SiteMsg>>) -> bool {
        let Some(mut entry) = self.all.get_mut(site) else {
            return false;
        };
        entry.actor = actor.filter(|_| entry.wanted);
        entry.wanted
    }

    /// Has every station of the site say all there is to say: at once who is here, and who is at another node with the
    /// next that this one tells.
    pub(super) fn have_announced(&self, deps: &Deps, site: &SiteId) {
        if let Some(mut entry) = self.all.get_mut(site) {
            entry.hearing.begin_anew();
        }
        self.have_members_announced(deps, site);
    }

    fn have_members_announced(&self, deps: &Deps, site: &SiteId) {
        let members: Vec<StationId> = match self.all.get(site) {
            Some(entry) => entry.members.iter().cloned().collect(),
            None => return,
        };
        for station in members {
            let slot = deps.directory.find(&station);
            if let Some(charger) = slot.and_then(|slot| slot.actor()) {
                let _ = charger.cast(ChargerMsg::Announce);
            }
        }
    }

    /// Another node tells of its stations. What it is told back; none where this node does not act for the site, or
    /// its actor is only being started: then nothing was heard.
    pub(crate) fn hear(
        &self,
        deps: &Arc<Deps>,
        from: &NodeAddress,
        news: SiteNews,
    ) -> Option<Heard> {
        let SiteNews {
            site,
            sent_at,
            heard,
            news,
        } = news;
        let looks_ahead_ms = sent_at.map_or(0, |sent_at| sent_at.ms_since(deps.clock.now()));
        let epoch = deps.placement.site_epoch(&site)?;
        self.all.entry(site.clone()).or_default().told_of = true;
        self.want(deps, &site, epoch);
        let mut entry = self.all.get_mut(&site)?;
        let actor = entry.actor.clone()?;
        let next = Heard {
            epoch,
            number: self.hearings.fetch_add(1, Ordering::Relaxed),
        };
        let (heard, how) =
            (entry.hearing).hear(from, heard, next, (Instant::now(), looks_ahead_ms));
        match how {
            Hears::On(node, ahead_ms) => {
                for mut says in news {
                    says.news.told_by_clock_ahead(ahead_ms);
                    let place = Place::There(Arc::clone(&node));
                    let _ = actor.cast(SiteMsg::News(place, ahead_ms, Box::new(says)));
                }
            }
            Hears::Anew(before) => {
                if let Some(before) = before {
                    let _ = actor.cast(SiteMsg::Silent(before));
                }
            }
        }
        Some(heard)
    }

    /// Tells sites of nodes from which nothing is heard any more.
    pub(super) fn miss_silent_nodes(&self) {
        let now = Instant::now();
        for mut entry in self.all.iter_mut() {
            for node in entry.hearing.silent(now) {
                tracing::info!(site = %entry.key(), node = %node.name, "nothing is heard of the site's stations at another node: they are taken to be offline");
                if let Some(actor) = &entry.actor {
                    let _ = actor.cast(SiteMsg::Silent(node));
                }
            }
        }
    }

    /// Whether something that a site asks under this epoch is to be done: the station stands there, and nobody has acted
    /// for the site under a higher one as far as is known here.
    pub(crate) fn obeys(&self, site: &SiteId, station: &StationId, under: i64) -> bool {
        let Some(mut entry) = self.all.get_mut(site) else {
            return false;
        };
        let obeys = entry.members.contains(station) && under >= entry.obeyed;
        if obeys {
            entry.obeyed = under;
        }
        obeys
    }

    fn stir(&self, site: &SiteId) {
        // No code panics while it holds the lock.
        let mut stirred = self.stirred.lock().unwrap_or_else(PoisonError::into_inner);
        stirred.insert(site.clone());
        drop(stirred);
        self.stirs.notify_one();
    }

    /// Waits until sites of other nodes are to be told something.
    pub(super) async fn stirring(&self) {
        self.stirs.notified().await;
    }

    /// Which ones, since this was last asked.
    pub(super) fn stirred(&self) -> HashSet<SiteId> {
        let mut stirred = self.stirred.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut stirred)
    }

    /// The sites of stations that are here, and have no actor here.
    pub(super) fn without_actor(&self, deps: &Deps) -> Vec<SiteId> {
        let is_here = |station: &StationId| deps.directory.find(station).is_some();
        let all = self.all.iter();
        all.filter(|entry| entry.actor.is_none() && entry.members.iter().any(is_here))
            .map(|entry| entry.key().clone())
            .collect()
    }

    /// What the site's actor at that node is to be told now; see [`Outbox::next`].
    pub(super) fn next_news(
        &self,
        site: &SiteId,
        owner: &NodeAddress,
        sent_at: Timestamp,
        room: &mut usize,
    ) -> Option<(SiteNews, bool)> {
        let mut entry = self.all.get_mut(site)?;
        (entry.outbox).next(site, owner, (Instant::now(), sent_at), room)
    }

    /// What became of that; see [`Outbox::is_told`].
    pub(super) fn is_told(
        &self,
        deps: &Deps,
        (site, believed): (&SiteId, Option<Heard>),
        owner: &NodeAddress,
        heard: Option<Heard>,
    ) {
        let Some(mut entry) = self.all.get_mut(site) else {
            return;
        };
        if let Some(heard) = heard {
            entry.obeyed = entry.obeyed.max(heard.epoch);
        }
        let is_new = entry.outbox.is_told(owner, believed, heard, Instant::now());
        drop(entry);
        if is_new {
            self.have_members_announced(deps, site);
        }
    }
}
