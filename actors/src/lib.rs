//! What decides or remembers: charger, session and site actors under their supervisors.
//!
//! The rest of the hub holds an [`Actors`]: a socket connects through [`Actors::connect`] and asks
//! through the [`Connection`] it gets; commands go through [`Actors::call`]. No actor knows an OCPP
//! version or a database.

#[cfg(feature = "chaos")]
mod chaos;
mod charger;
mod clock;
mod deps;
mod directory;
mod durability;
mod guard;
mod metrics;
mod placing;
mod ports;
mod records;
mod session;
mod settings;
mod site;
mod supervisor;
mod tree;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

pub use charger::Connection;
pub use clock::{Clock, ManualClock, SystemClock};
pub use guard::SessionPolicy;
pub use metrics::{AWAY_SECONDS, describe as describe_metrics};
use model::{
    LiveEvent, Protocol, Refusal, SessionId, SessionPreferences, SiteId, SitePowerView,
    StationEvent, StationId, StationReply, Timestamp,
};
use placement::{Claim, NodeAddress, Placement};
pub use ports::{
    CallOutcome, CloseReason, Language, Link, OutgoingCall, SiteAsk, SiteLinks, Told, Unwritten,
    Watchers,
};
use serde::{Deserialize, Serialize};
pub use session::{
    authorize::{UnknownTokens, UnreadableTokens},
    rebase::rebase,
};
pub use settings::Settings;
pub use site::{Heard, SiteNews, SiteView, check_power, shown_schedule};
use store::{Hydration, PageRequest, ReadError, Store};
use tokio::sync::broadcast;

use crate::{
    charger::ChargerMsg,
    deps::Deps,
    directory::{Attach, Directory},
    durability::Durability,
    site::{Metered, Sites},
    tree::Tree,
};

/// Sites that are read at once when they are woken.
const SITES_AT_ONCE: u32 = 500;

/// The running actors; cheap to clone.
#[derive(Clone)]
pub struct Actors {
    deps: Arc<Deps>,
    tree: Arc<Tree>,
}

/// A station's socket, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectionView {
    /// What it speaks.
    pub protocol: Protocol,
    /// Since when it has been open.
    pub since: Timestamp,
    /// When the station was last heard, to the second.
    pub last_heard_at: Timestamp,
}

/// Why a station may not connect now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectError {
    /// It crashed its actor again and again and rests until then.
    Quarantined(Timestamp),
    /// Its actor would have to be started, and nobody read what it needs to know.
    Unread,
    /// A newer socket of it was opened meanwhile, here or at another node.
    Overtaken,
    /// Another node may hold something that it said there, and that is not in the store yet.
    Unwritten,
}

/// The actors could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the actors could not be started: {0}")]
pub struct StartError(String);

impl Actors {
    /// Starts the tree of actors.
    ///
    /// # Errors
    /// A [`StartError`] when a supervisor cannot be started; nothing runs then.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        placement: Arc<dyn Placement>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        let deps = Arc::new(Deps {
            store,
            clock,
            placement,
            watchers: Watchers::new(settings.live_backlog),
            directory: Directory::default(),
            sites: Sites::default(),
            settings,
            durability: Durability::default(),
            fenced_writes: AtomicU64::new(0),
            language: OnceLock::new(),
            links: OnceLock::new(),
            unwritten: OnceLock::new(),
            tree: OnceLock::new(),
        });
        let tree = Tree::grow(&deps)
            .await
            .map_err(|error| StartError(error.to_string()))?;
        // Set once, here.
        let _ = deps.tree.set(Arc::clone(&tree));
        Ok(Self { deps, tree })
    }

    /// What sites say to stations with; to be set before the first station connects. Without one they say nothing.
    pub fn speak(&self, language: Arc<dyn Language>) {
        // Whoever sets it a second time is late: sites speak already.
        let _ = self.deps.language.set(language);
    }

    /// Whom to ask what other nodes have not written yet; to be set before the first station connects.
    pub fn wait_for(&self, unwritten: Arc<dyn Unwritten>) {
        // Whoever sets it a second time is late: stations connect already.
        let _ = self.deps.unwritten.set(unwritten);
    }

    /// Brings sites together with their stations at other nodes, for as long as it is polled. Other nodes may
    /// [tell](Self::hear) of theirs, and [ask](Self::ask_charging) those that are here, at any time.
    pub async fn link_sites(&self, links: Arc<dyn SiteLinks>) {
        // Whoever sets it a second time is late: the links are used already.
        let _ = self.deps.links.set(Arc::clone(&links));
        site::relay::run(Arc::clone(&self.deps), links).await;
    }

    /// Another node tells of its stations; what each site heard, in their order. None: this node does not act for it, or
    /// not yet, and nothing was heard.
    pub fn hear(&self, from: &NodeAddress, news: Vec<SiteNews>) -> Vec<Option<Heard>> {
        let news = news.into_iter();
        news.map(|news| self.deps.sites.hear(&self.deps, from, news))
            .collect()
    }

    /// Asks a station whose socket is here what its site asks, unless another node is known to act for the site by now.
    pub async fn ask_charging(&self, asked: SiteAsk) -> Told {
        charger::charging::ask(&self.deps, asked).await
    }

    /// Completes when shards of sites have come to this node: their sites may have to be [woken](Self::wake_sites).
    pub async fn sites_gained(&self) {
        self.deps.sites.gain().await;
    }

    /// Starts the actors of all sites whose power is managed: they book their stations before those are back.
    ///
    /// # Errors
    /// The store cannot be read; those before that have been started.
    pub async fn wake_sites(&self) -> Result<(), ReadError> {
        let mut page = PageRequest::first(SITES_AT_ONCE);
        loop {
            let sites = self.deps.store.powered_sites(page).await?;
            for site in &sites.items {
                self.deps.sites.wake(&self.deps, site);
            }
            let Some(next) = sites.next else {
                return Ok(());
            };
            page = PageRequest {
                limit: SITES_AT_ONCE,
                after: Some(next),
            };
        }
    }

    /// Claims a station and connects its socket: the newest wins, the one before it is closed, here or at
    /// another node. `hydration` is what the handshake read of the station; it can do without while the station
    /// is [remembered](Self::remembers). Waits for the placement, which does not keep anybody for long.
    ///
    /// # Errors
    /// A [`ConnectError`]; the station should come back later.
    pub async fn connect(
        &self,
        station: &StationId,
        protocol: Protocol,
        link: &Arc<dyn Link>,
        hydration: Option<&Hydration>,
    ) -> Result<Connection, ConnectError> {
        let placement = &self.deps.placement;
        let known = self.deps.directory.find(station);
        let known = known.map_or(0, |slot| slot.epoch());
        let written = hydration.and_then(|read| read.last_epoch).unwrap_or(0);
        let at_least = self.deps.clock.now().0.max(known + 1).max(written + 1);
        let claim = placement.claim(station, at_least).await;
        let connection = match self.is_unwritten_elsewhere(station, claim).await {
            false => self.attach(station, protocol, link, claim, hydration),
            true => Err(ConnectError::Unwritten),
        };
        if connection.is_err() {
            placement.release(station, claim.epoch);
        }
        // An eviction that came between claim and attach found no socket to close.
        let connection = connection?;
        let is_held = placement.has(station, claim.epoch);
        is_held.then_some(connection).ok_or(ConnectError::Overtaken)
    }

    /// Whether another node may hold something that the station said to it, and that would be missed here.
    async fn is_unwritten_elsewhere(&self, station: &StationId, claim: Claim) -> bool {
        let slot = self.deps.directory.find(station);
        let last = slot.map_or(0, |slot| slot.claimed());
        match self.deps.unwritten.get() {
            Some(unwritten) => {
                let returns = claim.follows_own(last);
                unwritten.may_be_elsewhere(station, claim, returns).await
            }
            None => false,
        }
    }

    /// Lets go of a station that another node claimed under that epoch: what it said here is in the store, or its
    /// spool, or nowhere, when this is over.
    pub async fn give_way(&self, station: &StationId, epoch: i64) {
        placing::give_way(&self.deps, station, epoch).await;
    }

    fn attach(
        &self,
        station: &StationId,
        protocol: Protocol,
        link: &Arc<dyn Link>,
        claim: Claim,
        hydration: Option<&Hydration>,
    ) -> Result<Connection, ConnectError> {
        let mut was_here = false;
        loop {
            let slot = self.deps.directory.slot(station);
            let now = self.deps.clock.now();
            match slot.attach(Arc::clone(link), protocol, claim, hydration.cloned(), now) {
                Attach::Retired => {}
                Attach::Outdated { replaced, actor } => {
                    self.deps.directory.forget(&slot);
                    was_here |= replaced.is_some();
                    close_replaced(replaced);
                    if let Some(actor) = actor {
                        actor.stop(None);
                    }
                }
                Attach::Quarantined(until) => return Err(ConnectError::Quarantined(until)),
                Attach::Unread => return Err(ConnectError::Unread),
                Attach::Overtaken => return Err(ConnectError::Overtaken),
                Attach::Done {
                    replaced,
                    actor,
                    start,
                } => {
                    was_here |= replaced.is_some();
                    close_replaced(replaced);
                    if start {
                        self.tree.start_charger(&self.deps, &slot);
                    } else if let Some(actor) = actor {
                        // One that is just being restarted finds the socket itself.
                        let _ = actor.cast(ChargerMsg::Connected);
                    }
                    ::metrics::gauge!(metrics::STATIONS_CONNECTED).increment(1.0);
                    if let (false, Some(away_ms)) = (was_here, away_ms(hydration, now)) {
                        ::metrics::histogram!(metrics::AWAY_SECONDS)
                            .record(away_ms as f64 / 1000.0);
                    }
                    return Ok(Connection {
                        slot,
                        deps: Arc::clone(&self.deps),
                        epoch: claim.epoch,
                    });
                }
            }
        }
    }

    /// Heeds what happens to this node's chargers and sites, for as long as it is polled. Returns when another,
    /// newer process has this node's name: then this one should end.
    pub async fn follow_placement(&self) {
        placing::follow(&self.deps).await;
    }

    /// How many writes the store refused since the start, because another node held the charger by then.
    pub fn fenced_writes(&self) -> u64 {
        self.deps.fenced_writes.load(Ordering::Relaxed)
    }

    /// Which chargers and sites are this node's.
    pub fn placement(&self) -> &Arc<dyn Placement> {
        &self.deps.placement
    }

    /// Whether a new socket may be taken in. While transaction messages cannot be kept only one now and
    /// then may, as a trial.
    pub fn admits(&self) -> bool {
        self.deps.durability.admits(self.deps.clock.now())
    }

    /// Why transaction messages cannot be kept now, as far as is known; nothing, while they can.
    pub fn trouble(&self) -> Option<String> {
        self.deps.durability.trouble()
    }

    /// Finds out whether the store is back whenever it was away, for as long as it is polled.
    pub async fn watch_store(&self) {
        self.deps.durability.watch(&*self.deps.store).await;
    }

    /// Has an event of a station answered that comes from no socket: a dead letter that is replayed.
    ///
    /// # Errors
    /// The [`Refusal`] to act on. A message that may not be lost is never refused with
    /// [`Refusal::Internal`]: [`Refusal::Crashed`] when it crashed its actor twice, [`Refusal::Close`] when
    /// it cannot be kept now.
    pub async fn ask(
        &self,
        station: &StationId,
        protocol: Protocol,
        event: StationEvent,
        received_at: Timestamp,
    ) -> Result<StationReply, Refusal> {
        let slot = charger::reach(&self.deps, station, protocol)
            .await
            .map_err(|_| Refusal::Close)?;
        charger::ask::ask(&slot, &self.deps, event, received_at).await
    }

    /// Closes the sessions that their stations do not, by this policy, for as long as it is polled. The
    /// first sweep comes after the part `first` (0 to 1) of the interval.
    pub async fn guard_sessions(&self, policy: SessionPolicy, first: f64) {
        if policy.sweep_every_s > 0 {
            guard::run(Arc::clone(&self.deps), policy, first).await;
        }
    }

    /// Makes the charge detail records of sessions that are over, for as long as it is polled. The first sweep comes
    /// after the part `first` (0 to 1) of the interval.
    pub async fn record_charges(&self, first: f64) {
        records::run(Arc::clone(&self.deps), first).await;
    }

    /// Sends a CALL to a station; its outcome arrives through the call's port.
    pub fn call(&self, station: &StationId, call: OutgoingCall) {
        let Some(actor) = self
            .deps
            .directory
            .find(station)
            .and_then(|slot| slot.actor())
        else {
            let _ = call.outcome.send(CallOutcome::Gone);
            return;
        };
        // An actor that ends before it reads this drops the port, which says the same as `Gone`.
        let _ = actor.cast(ChargerMsg::Call(Box::new(call)));
    }

    /// The station's socket, if it has one here.
    pub fn connection(&self, station: &StationId) -> Option<ConnectionView> {
        let attached = self.deps.directory.find(station)?.connection()?;
        Some(ConnectionView {
            protocol: attached.protocol,
            since: attached.since,
            // Counted in whole seconds, it may seem to have been before the socket was there.
            last_heard_at: self
                .deps
                .clock
                .now()
                .plus_ms(-1000 * i64::from(attached.link.silent_s()))
                .max(attached.since),
        })
    }

    /// Until when a station rests whose actor crashed too often: no socket of it is let in here.
    pub fn rests_until(&self, station: &StationId) -> Option<Timestamp> {
        let slot = self.deps.directory.find(station)?;
        slot.rests_until(self.deps.clock.now())
    }

    /// What a station spoke when it was last here, if its actor is still here and lets it charge: enough to
    /// take it back while the store cannot be read.
    pub fn remembers(&self, station: &StationId) -> Option<Protocol> {
        self.deps.directory.find(station)?.remembers()
    }

    /// The station's socket, if it has one here, and its epoch.
    pub fn socket(&self, station: &StationId) -> Option<(Arc<dyn Link>, i64)> {
        let attached = self.deps.directory.find(station)?.connection()?;
        Some((attached.link, attached.epoch))
    }

    /// What the actors hold to.
    pub fn settings(&self) -> &Settings {
        &self.deps.settings
    }

    /// Watches what happens from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.deps.watchers.watch()
    }

    /// Where those who cause events outside the actors tell them.
    pub fn watchers(&self) -> &Watchers {
        &self.deps.watchers
    }

    /// The site as it now is; absent while none of its stations has been seen since the start.
    pub async fn site_view(&self, site: &SiteId) -> Option<SiteView> {
        self.deps.sites.view(site).await
    }

    /// An operator changed the station's configuration: its actor reads it anew.
    pub async fn station_changed(&self, station: &StationId) {
        if let Some(actor) = self
            .deps
            .directory
            .find(station)
            .and_then(|slot| slot.actor())
        {
            let _ = actor.cast(ChargerMsg::Configured);
        }
    }

    /// An operator changed the site's configuration: its actor reads it anew.
    pub async fn site_changed(&self, site: &SiteId) {
        self.deps.sites.changed(site);
    }

    /// An operator changed what the site's power is managed by: its actor, started if there is none, reads it anew.
    pub fn site_power_changed(&self, site: &SiteId) {
        self.deps.sites.wake(&self.deps, site);
        self.deps.sites.changed(site);
    }

    /// The site's power as it now is; absent while it is not managed here.
    pub async fn site_power_view(&self, site: &SiteId) -> Option<SitePowerView> {
        self.deps.sites.power_view(site).await
    }

    /// The site's meter says what flows at a part of it, per phase in A; `with_outlets`: what the outlets below draw is in
    /// it. `at`: when, and what the same clock shows, if that is not ours. Absent while the site's power is not managed here.
    ///
    /// # Errors
    /// There is no such part.
    pub async fn site_metered(
        &self,
        site: &SiteId,
        part: String,
        amps: [f64; 3],
        with_outlets: bool,
        (at, now): (Timestamp, Option<Timestamp>),
    ) -> Option<Result<(), String>> {
        let ahead_ms = now.map_or(0, |now| now.ms_since(self.deps.clock.now()));
        let metered = Metered {
            part,
            amps,
            with_outlets,
            at: at.plus_ms(-ahead_ms),
        };
        self.deps.sites.metered(site, metered).await
    }

    /// A driver says what they want of a session; `false` unless it goes on at an outlet of the site whose power is
    /// managed here, and it is kept.
    pub async fn prefer(&self, site: &SiteId, preferences: SessionPreferences) -> bool {
        self.deps.sites.prefer(site, preferences).await
    }

    /// What a driver said of a session that goes on at the site.
    pub async fn preferences(
        &self,
        site: &SiteId,
        session: SessionId,
    ) -> Option<SessionPreferences> {
        self.deps.sites.preferences(site, session).await
    }

    /// Closes the station's socket, if it has one here.
    pub fn disconnect(&self, station: &StationId, reason: CloseReason) {
        let attached = self
            .deps
            .directory
            .find(station)
            .and_then(|slot| slot.connection());
        if let Some(attached) = attached {
            attached.link.close(reason);
        }
    }

    /// Every open socket; those of stations that charge come last.
    pub fn links(&self) -> Vec<Arc<dyn Link>> {
        let mut slots = self.deps.directory.slots(|_| true);
        slots.sort_by_cached_key(|slot| slot.charges());
        let attached = slots.iter().filter_map(|slot| slot.connection());
        attached.map(|attached| attached.link).collect()
    }

    /// Ends every actor, once each is done with the message it has in hand.
    pub async fn stop(&self) {
        self.tree.fell().await;
    }
}

fn close_replaced(replaced: Option<Arc<dyn Link>>) {
    if let Some(replaced) = replaced {
        ::metrics::counter!(metrics::SOCKETS_REPLACED).increment(1);
        replaced.close(CloseReason::Replaced);
    }
}

/// How long a station was away that is back now: since its socket closed, or since it opened where a hub
/// that crashed could not note more. Absent for one that was never here, or that left "in the future",
/// before the clock was set back.
fn away_ms(hydration: Option<&Hydration>, now: Timestamp) -> Option<i64> {
    let last_seen_at = hydration?.station.as_ref()?.last_seen_at?;
    Some(now.ms_since(last_seen_at)).filter(|away_ms| *away_ms >= 0)
}
