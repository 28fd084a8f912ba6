//! A site: the live picture of its stations and the limit it may draw. Enforcing the limit is decided
//! here too, from the same picture (see `core`).
//!
//! A site actor remembers nothing: when it starts, for the first time or after a crash, it has every
//! member station announce itself.
//!
//! Among other nodes it runs at the one that holds the site's shard, and ends when the shard goes.

mod core;

use std::{collections::HashSet, sync::Arc, time::Duration};

use dashmap::DashMap;
use model::{SiteId, StationId};
use placement::ShardId;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::oneshot;

use self::core::Picture;
pub use self::core::SiteView;
pub(crate) use self::core::StationNews;
use crate::{charger::ChargerMsg, deps::Deps, supervisor::Child};

/// The sites that stations here stand at: who belongs to each, and its actor.
#[derive(Default)]
pub(crate) struct Sites(DashMap<SiteId, Entry>);

#[derive(Default)]
struct Entry {
    members: HashSet<StationId>,
    actor: Option<ActorRef<SiteMsg>>,
    wanted: bool,
}

impl Sites {
    /// The station stands here; the site's actor is started with its first, if the site is this node's.
    pub(crate) fn join(&self, deps: &Arc<Deps>, site: &SiteId, station: &StationId) {
        let mut entry = self.0.entry(site.clone()).or_default();
        entry.members.insert(station.clone());
        drop(entry);
        // Asked after the station is known here: a shard that is gained meanwhile finds it.
        if deps.placement.site_epoch(site).is_some() {
            self.want(deps, site);
        }
    }

    /// The shard is this node's from now on: so are the sites in it.
    pub(crate) fn gained(&self, deps: &Arc<Deps>, shard: ShardId) {
        let here = self.0.iter().filter(|entry| !entry.members.is_empty());
        let sites: Vec<SiteId> = here
            .map(|entry| entry.key().clone())
            .filter(|site| ShardId::of_site(site) == shard)
            .collect();
        for site in sites {
            self.want(deps, &site);
        }
    }

    /// The shard, or each where none is named, is not this node's any more. Returns what completes when no
    /// actor of its sites runs any more.
    pub(crate) fn lost(&self, shard: Option<ShardId>) -> impl Future<Output = ()> + use<> {
        let mut actors = Vec::new();
        for mut entry in self.0.iter_mut() {
            if shard.is_none_or(|shard| ShardId::of_site(entry.key()) == shard) {
                entry.wanted = false;
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

    fn want(&self, deps: &Arc<Deps>, site: &SiteId) {
        let Some(mut entry) = self.0.get_mut(site) else {
            return;
        };
        if std::mem::replace(&mut entry.wanted, true) {
            return;
        }
        drop(entry);
        if let Some(tree) = deps.tree.get() {
            tree.start_site(deps, site.clone());
        }
    }

    /// The station does not stand here any more.
    pub(crate) fn leave(&self, site: &SiteId, station: &StationId) {
        self.tell(site, station, StationNews::Left);
        if let Some(mut entry) = self.0.get_mut(site) {
            entry.members.remove(station);
        }
    }

    /// Tells a site. A site whose actor is just being started hears it when the station announces itself.
    pub(crate) fn tell(&self, site: &SiteId, station: &StationId, news: StationNews) {
        if let Some(actor) = self.actor(site) {
            let _ = actor.cast(SiteMsg::News(Box::new((station.clone(), news))));
        }
    }

    /// The site's configuration changed.
    pub(crate) fn changed(&self, site: &SiteId) {
        if let Some(actor) = self.actor(site) {
            let _ = actor.cast(SiteMsg::ReadLimit);
        }
    }

    /// The site as it now is, if it has an actor.
    pub(crate) async fn view(&self, site: &SiteId) -> Option<SiteView> {
        let (port, view) = oneshot::channel();
        self.actor(site)?.cast(SiteMsg::View(port)).ok()?;
        tokio::time::timeout(Duration::from_secs(2), view)
            .await
            .ok()?
            .ok()
    }

    /// The sites that should have an actor.
    pub(crate) fn wanted(&self) -> Vec<SiteId> {
        self.0
            .iter()
            .filter(|entry| entry.wanted)
            .map(|entry| entry.key().clone())
            .collect()
    }

    fn actor(&self, site: &SiteId) -> Option<ActorRef<SiteMsg>> {
        self.0.get(site)?.actor.clone()
    }

    /// `false` when the site is not wanted here any more, so that no actor of it should run.
    fn actor_is(&self, site: &SiteId, actor: Option<ActorRef<SiteMsg>>) -> bool {
        let Some(mut entry) = self.0.get_mut(site) else {
            return false;
        };
        entry.actor = actor.filter(|_| entry.wanted);
        entry.wanted
    }

    fn members(&self, site: &SiteId) -> Vec<StationId> {
        self.0
            .get(site)
            .map(|entry| entry.members.iter().cloned().collect())
            .unwrap_or_default()
    }
}

/// A site's actor, to its supervisor.
pub(crate) struct SiteChild {
    pub(crate) site: SiteId,
    pub(crate) deps: Arc<Deps>,
}

impl Child for SiteChild {
    const KIND: &'static str = "site";

    async fn start(&self, supervisor: ActorCell) -> Result<ActorCell, SpawnErr> {
        let arguments = (self.site.clone(), Arc::clone(&self.deps));
        let (actor, _) = Actor::spawn_linked(None, SiteActor, arguments, supervisor).await?;
        if !self.deps.sites.actor_is(&self.site, Some(actor.clone())) {
            actor.stop(None);
            return Ok(actor.get_cell());
        }
        // The order matters: whoever finds the actor from here on tells it itself.
        let _ = actor.cast(SiteMsg::ReadLimit);
        for station in self.deps.sites.members(&self.site) {
            let charger = self
                .deps
                .directory
                .find(&station)
                .and_then(|slot| slot.actor());
            if let Some(charger) = charger {
                let _ = charger.cast(ChargerMsg::Announce);
            }
        }
        Ok(actor.get_cell())
    }

    fn down(&self) {
        self.deps.sites.actor_is(&self.site, None);
    }

    fn quarantined(&self, _wait: Duration) {}

    fn name(&self) -> String {
        format!("site {}", self.site)
    }
}

struct SiteActor;

enum SiteMsg {
    News(Box<(StationId, StationNews)>),
    ReadLimit,
    View(oneshot::Sender<SiteView>),
}

struct SiteState {
    site: SiteId,
    deps: Arc<Deps>,
    picture: Picture,
}

impl Actor for SiteActor {
    type Msg = SiteMsg;
    type State = SiteState;
    type Arguments = (SiteId, Arc<Deps>);

    async fn pre_start(
        &self,
        _myself: ActorRef<SiteMsg>,
        (site, deps): Self::Arguments,
    ) -> Result<SiteState, ActorProcessingErr> {
        Ok(SiteState {
            site,
            deps,
            picture: Picture::default(),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SiteMsg>,
        message: SiteMsg,
        state: &mut SiteState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SiteMsg::News(news) => {
                let (station, news) = *news;
                state.picture.take(station, news);
            }
            SiteMsg::ReadLimit => match state.deps.store.site(&state.site).await {
                Ok(site) => state.picture.limit_w = site.and_then(|site| site.limit_w),
                Err(error) => {
                    tracing::warn!(site = %state.site, %error, "the site's limit could not be read; the last one known stays");
                }
            },
            SiteMsg::View(port) => {
                #[cfg(feature = "chaos")]
                crate::chaos::panic_if_named("site", state.site.as_str());
                // Whoever asked may have given up.
                let _ = port.send(state.picture.view());
            }
        }
        Ok(())
    }
}
