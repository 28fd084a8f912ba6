//! A site: the live picture of its stations, and, where its power is managed, the limits it keeps (see [`power`]).
//!
//! When a site actor starts, for the first time or after a crash, it has every member station announce itself. What it
//! must not forget of its power (which stations keep their floors, what drivers want) it reads from the store.
//!
//! Among other nodes it runs at the one that holds the site's shard, and ends when the shard goes. Its stations may be
//! connected to any of them:
//!
//! ```text
//! node of the stations                        node of the site
//! charger ─> sites ─> outbox ─> relay ══════> sites ─> hearing ─> site's actor
//! charger <─ charging (fence) <══════════════════════════════════ site's actor
//! ```
//!
//! - **News** of stations go to the node that holds the shard ([`relay`]); what is lost is found out, and the stations
//!   tell everything again ([`hearing`], [`outbox`]). From a node that falls silent the site has no stations any more:
//!   they are offline, and booked as such. Which of two nodes is right about a station that hops, [`whereabouts`] knows.
//! - **Clocks** of nodes need not agree. What a station's messages tell of its clock is by that of its own node, so the site
//!   knows how far each node's clock is from ours: grants end by the station's, and readings count by ours.
//! - **Commands** go to the node that told of the station last, under the epoch of the site's shard. A node that has
//!   obeyed a higher one refuses it ([`Sites::obeys`]).
//!
//! A station of this node goes the same way, but for the wire.

mod core;
mod hearing;
mod outbox;
mod power;
mod powered;
pub(crate) mod relay;
mod sites;
mod whereabouts;

use std::{sync::Arc, time::Duration};

use model::{SessionId, SessionPreferences, SiteId, SitePowerView, StationId, Timestamp};
use placement::NodeAddress;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::oneshot;

use self::{
    core::Picture, outbox::StationSays, power::About, powered::Powered, whereabouts::Place,
};
pub use self::{
    core::SiteView,
    hearing::Heard,
    outbox::SiteNews,
    power::{plan::check_power, shown_schedule},
};
pub(crate) use self::{
    core::{ClockLag, SessionFacts, StationNews},
    power::Draw,
    sites::Sites,
};
use crate::{Told, deps::Deps, supervisor::Child};

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
    /// A station says something, at that node, whose clock is so far ahead of ours, in ms.
    News(Place, i64, Box<StationSays>),
    /// Nothing is heard of that node any more.
    Silent(Arc<NodeAddress>),
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
    /// How long that took, in ms.
    took_ms: i64,
}

struct SiteState {
    site: SiteId,
    deps: Arc<Deps>,
    picture: Picture,
    powered: Powered,
}

impl SiteState {
    fn hear(&mut self, station: &StationId, news: &StationNews) {
        self.picture.take(station, news);
        self.powered.hear(station, news);
    }
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
            SiteMsg::News(place, ahead_ms, says) => {
                let StationSays {
                    station,
                    epoch,
                    news,
                } = *says;
                let whereabouts = &mut state.powered.whereabouts;
                if whereabouts.hears(&station, (place, epoch), &news) {
                    state.powered.is_heard_by_clock(&station, ahead_ms);
                    state.hear(&station, &news);
                }
            }
            SiteMsg::Silent(node) => {
                for station in state.powered.whereabouts.at(&node) {
                    state.hear(&station, &StationNews::Connected(false));
                }
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
