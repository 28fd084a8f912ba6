//! How a managed site's decisions come into the world: its configuration and memory from the store, what it says to
//! stations, here or at other nodes, its rounds by events and by the clock.

use std::{sync::Arc, time::Duration};

use model::{
    LiveEvent, SessionId, SessionPreferences, SiteId, SitePower, SitePowerView, StationId,
};
use ractor::ActorRef;

use super::{
    Answered, Metered, SiteMsg, StationNews,
    power::{Managed, Saying, Timing},
    whereabouts::{Place, Whereabouts},
};
use crate::{SiteAsk, Told, charger::charging, deps::Deps, metrics};

/// Events that come together are one round: it begins so long after the first of them.
const SOON: Duration = Duration::from_millis(20);
/// How often there is a round though nothing happened: leases end, and limits begin.
const TICK: Duration = Duration::from_secs(1);

/// The power of a site: managed or not.
pub(super) struct Powered {
    myself: ActorRef<SiteMsg>,
    site: SiteId,
    deps: Arc<Deps>,
    /// Where its stations are.
    pub(super) whereabouts: Whereabouts,
    managed: Option<Box<Managed>>,
    /// What answers belong to: the epoch of `managed`, and more with each plan it is given.
    life: i64,
    /// The placement's epoch under which it acts.
    acts_under: i64,
    soon: bool,
    ticks: bool,
    /// How many of its outlets the gauge counts as unlimited.
    unlimited: usize,
}

impl Powered {
    pub(super) fn new(myself: ActorRef<SiteMsg>, site: SiteId, deps: Arc<Deps>) -> Self {
        Self {
            myself,
            site,
            deps,
            whereabouts: Whereabouts::default(),
            managed: None,
            life: 0,
            acts_under: 0,
            soon: false,
            ticks: false,
            unlimited: 0,
        }
    }

    /// Reads what the site's power is managed by. What cannot be read is read again.
    pub(super) async fn configure(&mut self) {
        let power = match self.deps.store.site_power(&self.site).await {
            Ok(power) => power,
            Err(error) => {
                tracing::warn!(site = %self.site, %error, "the site's power plan could not be read; the last one known stays");
                return self.configure_later();
            }
        };
        let may_act = self.may_act();
        match (power, &mut self.managed) {
            (None, _) => self.end().await,
            (Some(power), Some(managed)) if managed.is_planned_as(&power) => {
                managed.set_points_are(power.set_points);
                self.happens();
            }
            // Where another node may have acted meanwhile, what is known here is not all.
            (Some(power), Some(_)) if may_act => self.replan(power),
            (Some(power), _) => self.begin(power).await,
        }
    }

    /// Another plan of the same site, which goes on.
    fn replan(&mut self, power: SitePower) {
        let (now, timing) = (self.deps.clock.now(), self.timing());
        let Some(managed) = &mut self.managed else {
            return;
        };
        match managed.replan(power, timing, now.0) {
            Ok(has_new_outlets) => {
                self.life += 1;
                if has_new_outlets {
                    self.deps.sites.have_announced(&self.deps, &self.site);
                }
                self.happens();
            }
            // The API checks what it takes.
            Err(error) => {
                tracing::error!(site = %self.site, error, "the site's power cannot be managed by its new plan; the one before stays")
            }
        }
    }

    fn timing(&self) -> Timing {
        let settings = &self.deps.settings;
        Timing {
            lease_ms: i64::from(settings.power_lease_ms),
            margin_ms: i64::from(settings.power_margin_ms),
        }
    }

    /// The site's power is managed no more.
    async fn end(&mut self) {
        let Some(managed) = &mut self.managed else {
            return;
        };
        for saying in managed.farewell() {
            self.say(saying);
        }
        self.remember().await;
        self.managed = None;
        self.show_unlimited();
    }

    /// A new life: under a higher epoch than any before it, which is written before anything is said.
    async fn begin(&mut self, power: SitePower) {
        let now = self.deps.clock.now();
        // One that is not this node's site is stopped, or becomes its site again.
        let Some(acts_under) = self.deps.placement.site_epoch(&self.site) else {
            return self.configure_later();
        };
        let memory = match self.deps.store.site_memory(&self.site).await {
            Ok(memory) => memory,
            Err(error) => {
                tracing::warn!(site = %self.site, %error, "what the site remembers of its power could not be read");
                return self.configure_later();
            }
        };
        let before = memory.as_ref().map_or(0, |memory| memory.epoch);
        let epoch = now.0.max(acts_under).max(before + 1).max(self.life + 1);
        let timing = self.timing();
        let managed = Managed::new(self.site.clone(), power, memory, epoch, timing, now.0);
        let mut managed = match managed {
            Ok(managed) => Box::new(managed),
            Err(error) => {
                // The API checks what it takes.
                tracing::error!(site = %self.site, error, "the site's power cannot be managed by its plan");
                self.managed = None;
                return;
            }
        };
        if let Some(memory) = managed.changed_memory()
            && let Err(error) = self.deps.store.put_site_memory(&self.site, memory).await
        {
            tracing::warn!(site = %self.site, %error, "the site's new epoch could not be written");
            return self.configure_later();
        }
        self.life = epoch;
        self.acts_under = acts_under;
        self.managed = Some(managed);
        // Whoever is here says so to the new life.
        self.deps.sites.have_announced(&self.deps, &self.site);
        if !std::mem::replace(&mut self.ticks, true) {
            self.myself.send_after(TICK, || SiteMsg::Tick);
        }
    }

    fn configure_later(&self) {
        self.myself.send_after(TICK, || SiteMsg::Configured);
    }

    /// What a station says from now on comes from a node whose clock is so far ahead of ours, in ms.
    pub(super) fn is_heard_by_clock(&mut self, station: &StationId, ahead_ms: i64) {
        if let Some(managed) = &mut self.managed {
            managed.is_heard_by_clock(station, ahead_ms);
        }
    }

    pub(super) fn hear(&mut self, station: &StationId, news: &StationNews) {
        let now = self.deps.clock.now();
        if let Some(managed) = &mut self.managed {
            managed.hear(station, news, now.0);
            self.happens();
        }
    }

    pub(super) fn answered(&mut self, answered: &Answered) {
        let now = self.deps.clock.now();
        if let Some(managed) = &mut self.managed
            && answered.life == self.life
        {
            managed.has_taken(&answered.station, &answered.told, answered.took_ms, now.0);
            managed.answered(&answered.station, answered.about, &answered.told, now.0);
            self.happens();
        }
    }

    pub(super) fn metered(&mut self, metered: &Metered) -> Option<Result<(), String>> {
        let now = self.deps.clock.now();
        let managed = self.managed.as_mut()?;
        let Metered {
            part,
            amps,
            with_outlets,
            at,
        } = metered;
        let taken = managed.is_metered(part, *amps, *with_outlets, *at, now.0);
        self.happens();
        Some(taken)
    }

    /// `false` if the session does not charge here, or it cannot be kept.
    pub(super) async fn prefer(&mut self, preferences: SessionPreferences) -> bool {
        let Some(managed) = &mut self.managed else {
            return false;
        };
        let known = managed.prefer(preferences);
        self.happens();
        known && self.remember().await
    }

    pub(super) fn preferences(&self, session: SessionId) -> Option<SessionPreferences> {
        self.managed.as_ref()?.preferences(session)
    }

    pub(super) fn view(&self) -> Option<SitePowerView> {
        let managed = self.managed.as_ref()?;
        Some(managed.view(self.deps.clock.now().0))
    }

    /// A round every second, for as long as power is managed.
    pub(super) async fn tick(&mut self) {
        self.ticks = self.managed.is_some();
        if self.ticks {
            self.myself.send_after(TICK, || SiteMsg::Tick);
            self.round().await;
        }
    }

    pub(super) async fn soon(&mut self) {
        self.soon = false;
        self.round().await;
    }

    /// Something happened: a round is due.
    fn happens(&mut self) {
        if !std::mem::replace(&mut self.soon, true) {
            self.myself.send_after(SOON, || SiteMsg::Soon);
        }
    }

    /// Whether this node may act for the site, and may have all the time since this life began.
    fn may_act(&self) -> bool {
        self.deps.placement.site_epoch(&self.site) == Some(self.acts_under)
    }

    async fn round(&mut self) {
        self.look_groups_up().await;
        if self.managed.is_some() && !self.may_act() {
            tracing::info!(site = %self.site, "another node may have acted for the site's power: it begins anew");
            self.managed = None;
            self.show_unlimited();
            return self.configure_later();
        }
        let now = self.deps.clock.now();
        let Some(managed) = &mut self.managed else {
            return;
        };
        let round = managed.round(now.0);
        for saying in round.sayings {
            self.say(saying);
        }
        // What is not remembered is not granted: stations stay at what they have, and fall to their floors.
        if self.remember().await && self.may_act() {
            for saying in round.when_written {
                self.say(saying);
            }
        }
        for (alarm, raised) in round.alarms {
            if raised {
                tracing::warn!(site = %self.site, alarm = alarm.message, "power alarm");
            } else {
                tracing::info!(site = %self.site, alarm = alarm.message, "power alarm is over");
            }
            self.deps.watchers.tell(|| LiveEvent::PowerAlarm {
                site: self.site.clone(),
                at: now,
                alarm,
                raised,
            });
        }
        self.show_unlimited();
    }

    async fn look_groups_up(&mut self) {
        let Some(managed) = &mut self.managed else {
            return;
        };
        for token in managed.unknown_tokens() {
            match self.deps.store.token(&token).await {
                Ok(known) => {
                    let group = known.and_then(|known| known.group);
                    managed.group_is(&token, group.as_ref());
                }
                Err(error) => {
                    tracing::debug!(site = %self.site, %error, "a token's group could not be read; it weighs as usual until it can");
                }
            }
        }
    }

    /// Writes what changed; `false` where that is to be done again.
    async fn remember(&mut self) -> bool {
        let Some(managed) = &mut self.managed else {
            return true;
        };
        let Some(memory) = managed.changed_memory() else {
            return true;
        };
        let written = self.deps.store.put_site_memory(&self.site, memory).await;
        if let Err(error) = &written {
            managed.is_not_written();
            tracing::debug!(site = %self.site, %error, "what the site remembers of its power could not be written; it is tried again");
        }
        written.is_ok()
    }

    fn show_unlimited(&mut self) {
        let unlimited = self.managed.as_ref().map_or(0, |it| it.unlimited());
        let more = unlimited as f64 - self.unlimited as f64;
        ::metrics::gauge!(metrics::POWER_UNLIMITED).increment(more);
        self.unlimited = unlimited;
    }

    /// Says something to a station, if this node may act for the site at this instant. What becomes of it comes back as
    /// a message, always. What is said at about the same time may overtake each other.
    fn say(&self, saying: Saying) {
        let Saying {
            station,
            ask,
            about,
        } = saying;
        let managed = self.managed.as_ref();
        let patience_ms = managed.map_or(0, |it| it.patience_ms(&station));
        let (myself, life) = (self.myself.clone(), self.life);
        let (deps, asked_at) = (Arc::clone(&self.deps), self.deps.clock.now());
        let back = move |station, told| {
            let answered = Answered {
                life,
                station,
                about,
                told,
                took_ms: deps.clock.now().ms_since(asked_at),
            };
            let _ = myself.cast(SiteMsg::Answered(Box::new(answered)));
        };
        let place = self.whereabouts.of(&station).filter(|_| self.may_act());
        let asked = SiteAsk {
            site: self.site.clone(),
            under: self.acts_under,
            station: station.clone(),
            ask,
            patience: Duration::from_millis(u64::try_from(patience_ms).unwrap_or_default()),
        };
        match (place, self.deps.links.get()) {
            (Some(Place::Here), _) => {
                let told = charging::ask(&self.deps, asked);
                tokio::spawn(async move { back(station, told.await) });
            }
            (Some(Place::There(node)), Some(links)) => {
                let (node, links) = (Arc::clone(node), Arc::clone(links));
                tokio::spawn(async move { back(station, links.ask(&node, asked).await) });
            }
            (None, _) | (_, None) => back(station, Told::Silence),
        }
    }
}

impl Drop for Powered {
    /// Also when the actor crashed.
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::POWER_UNLIMITED).decrement(self.unlimited as f64);
    }
}
