//! A site: the live picture of its stations, and, where its power is managed, the limits it keeps (see [`power`]).
//!
//! When a site actor starts, for the first time or after a crash, it has every member station announce itself. What it
//! must not forget of its power (which stations keep their floors, what drivers want) it reads from the store.
//!
//! Among other nodes it runs at the one that holds the site's shard, and ends when the shard goes.

mod core;
mod power;
mod powered;

use std::{collections::HashSet, sync::Arc, time::Duration};

use dashmap::DashMap;
use model::{SessionId, SessionPreferences, SiteId, SitePowerView, StationId, Timestamp};
use placement::ShardId;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::oneshot;

use self::{
    core::Picture,
    power::{About, Told},
    powered::Powered,
};
pub use self::{
    core::SiteView,
    power::{plan::check_power, shown_schedule},
};
pub(crate) use self::{
    core::{SessionFacts, StationNews},
    power::Draw,
};
use crate::{charger::ChargerMsg, deps::Deps, supervisor::Child};

/// How long a site may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sites that stations here stand at, or whose power is managed here: who belongs to each, and its actor.
#[derive(Default)]
pub(crate) struct Sites(DashMap<SiteId, Entry>);

#[derive(Default)]
struct Entry {
    members: HashSet<StationId>,
    actor: Option<ActorRef<SiteMsg>>,
    wanted: bool,
    /// Its power is managed, as far as is known: it has an actor though no station is here.
    managed: bool,
}

impl Sites {
    /// The station stands here; the site's actor is started with its first, if the site is this node's.
    pub(crate) fn join(&self, deps: &Arc<Deps>, site: &SiteId, station: &StationId) {
        let mut entry = self.0.entry(site.clone()).or_default();
        entry.members.insert(station.clone());
        drop(entry);
        self.want_if_ours(deps, site);
    }

    /// The site's power is managed, or is to be read again: its actor runs though no station is here.
    pub(crate) fn wake(&self, deps: &Arc<Deps>, site: &SiteId) {
        self.0.entry(site.clone()).or_default().managed = true;
        self.want_if_ours(deps, site);
    }

    /// Asked after the site is known here: a shard that is gained meanwhile finds it.
    fn want_if_ours(&self, deps: &Arc<Deps>, site: &SiteId) {
        if deps.placement.site_epoch(site).is_some() {
            self.want(deps, site);
        }
    }

    /// The shard is this node's from now on: so are the sites in it.
    pub(crate) fn gained(&self, deps: &Arc<Deps>, shard: ShardId) {
        let here = self.0.iter();
        let here = here.filter(|entry| entry.managed || !entry.members.is_empty());
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
        self.0
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

    /// Has every station that stands here, and is here, say all there is to say.
    fn have_announced(&self, deps: &Deps, site: &SiteId) {
        for station in self.members(site) {
            let slot = deps.directory.find(&station);
            if let Some(charger) = slot.and_then(|slot| slot.actor()) {
                let _ = charger.cast(ChargerMsg::Announce);
            }
        }
    }
}

/// What a site's meter says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metered {
    /// Of which part of the site.
    pub(crate) part: String,
    /// What flows there, per phase in A.
    pub(crate) amps: [f64; 3],
    /// Whether what the outlets below draw is in it.
    pub(crate) with_outlets: bool,
    /// When.
    pub(crate) at: Timestamp,
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
        let _ = actor.cast(SiteMsg::Configured);
        self.deps.sites.have_announced(&self.deps, &self.site);
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
    /// Its configuration is to be read, anew.
    Configured,
    View(oneshot::Sender<SiteView>),
    PowerView(oneshot::Sender<Option<SitePowerView>>),
    Metered(Box<Metered>, oneshot::Sender<Option<Result<(), String>>>),
    Prefer(Box<SessionPreferences>, oneshot::Sender<bool>),
    Preferences(SessionId, oneshot::Sender<Option<SessionPreferences>>),
    /// A station answered something that was said in that life of the site's power.
    Answered(Box<Answered>),
    /// Something happened: its limits are computed anew.
    Soon,
    /// As [`SiteMsg::Soon`], every second.
    Tick,
}

struct Answered {
    life: i64,
    station: StationId,
    about: About,
    told: Told,
}

struct SiteState {
    site: SiteId,
    deps: Arc<Deps>,
    picture: Picture,
    powered: Powered,
}

impl Actor for SiteActor {
    type Msg = SiteMsg;
    type State = SiteState;
    type Arguments = (SiteId, Arc<Deps>);

    async fn pre_start(
        &self,
        myself: ActorRef<SiteMsg>,
        (site, deps): Self::Arguments,
    ) -> Result<SiteState, ActorProcessingErr> {
        Ok(SiteState {
            powered: Powered::new(myself, site.clone(), Arc::clone(&deps)),
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
                state.picture.take(&station, &news);
                state.powered.hear(&station, &news);
            }
            SiteMsg::Configured => {
                match state.deps.store.site(&state.site).await {
                    Ok(site) => state.picture.limit_w = site.and_then(|site| site.limit_w),
                    Err(error) => {
                        tracing::warn!(site = %state.site, %error, "the site's limit could not be read; the last one known stays");
                    }
                }
                state.powered.configure().await;
            }
            SiteMsg::View(port) => {
                #[cfg(feature = "chaos")]
                crate::chaos::panic_if_named("site", state.site.as_str());
                // Whoever asked may have given up.
                let _ = port.send(state.picture.view());
            }
            SiteMsg::PowerView(port) => {
                let _ = port.send(state.powered.view());
            }
            SiteMsg::Metered(metered, port) => {
                let _ = port.send(state.powered.metered(&metered));
            }
            SiteMsg::Prefer(preferences, port) => {
                let _ = port.send(state.powered.prefer(*preferences).await);
            }
            SiteMsg::Preferences(session, port) => {
                let _ = port.send(state.powered.preferences(session));
            }
            SiteMsg::Answered(answered) => state.powered.answered(&answered),
            SiteMsg::Soon => state.powered.soon().await,
            SiteMsg::Tick => state.powered.tick().await,
        }
        Ok(())
    }
}
