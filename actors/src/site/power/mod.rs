//! A site whose power is managed: the shell around the pure [`power::Controller`], itself without clock, store or socket.
//!
//! It is told what stations say ([`Managed::hear`]), what became of what it sent ([`Managed::answered`]), what meters
//! and operators tell, and is asked every now and then what to do ([`Managed::round`]). What comes out is to be said to
//! stations: how it gets there is the actor's business.
//!
//! The life of an outlet: its station connects and is asked what profiles it takes; it is given its **floor**, a
//! TxDefaultProfile that holds whenever the hub is silent, and its composite schedule is compared with that. A session
//! that begins is then granted more by a TxProfile that ends by itself (`validTo`) and is renewed.
//!
//! Stations differ. One that refuses a grant, or takes it without effect, is told by `duration` instead, then without a
//! start; then by a second TxDefaultProfile above its floor. One that refuses the floor as TxDefaultProfile, with and without
//! a start, and has one outlet, gets floor and grants as its maximum as a whole; one that refuses that as well is booked at
//! the most it can draw, and an alarm says so. Grants that are not of one transaction do not end
//! with it: they stay booked until they end by themselves, and are taken away as well.

mod absence;
mod agreement;
mod alarms;
mod appetite;
mod effect;
mod floor;
mod grant;
mod lane;
mod memory;
mod meter;
mod others;
pub(super) mod plan;
mod register;
mod replan;
mod say;
mod schedule;
mod station;
mod stray;
mod surplus;
#[cfg(test)]
mod tests;
mod view;
mod way;

use std::collections::{BTreeSet, HashMap};

use model::{
    PowerAlarm, PowerAlarmKind, SessionId, SessionPreferences, SiteId, SiteMemory, SitePower,
    StationId, TokenUid,
};
use power::{Controller, Settings};

pub(crate) use self::meter::Draw;
pub(super) use self::say::{About, Saying};
pub use self::schedule::shown_schedule;
use self::{
    agreement::Agreement,
    floor::Bare,
    lane::{Floor, Lane, lanes_of, places_of},
    memory::Memory,
    others::Others,
    register::Register,
    station::StationState,
    stray::Strays,
    surplus::Surpluses,
};
use super::core::{ClockLag, SessionFacts, StationNews};
use crate::Told;

/// How often violations are counted, in ms.
const COUNT_EVERY_MS: i64 = 1_000;

/// How long grants last and how exact clocks are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timing {
    /// How long a grant lasts at the station, in ms.
    pub(super) lease_ms: i64,
    /// How much later than we think it may end there, in ms.
    pub(super) margin_ms: i64,
}

/// A site whose power is managed.
pub(super) struct Managed {
    site: SiteId,
    power: SitePower,
    settings: Settings,
    controller: Controller,
    /// By the outlet's index in the controller's site.
    lanes: Vec<Lane>,
    places: HashMap<(StationId, u32), usize>,
    stations: HashMap<StationId, StationState>,
    strays: Strays,
    /// By node: what flows there beside outlets, where a meter tells it with them.
    others: HashMap<usize, Others>,
    surpluses: Surpluses,
    memory: Memory,
    /// When violations were last counted, in ms.
    counted_ms: i64,
    /// Limits that are seen to be exceeded, by index.
    violated: BTreeSet<usize>,
    alarms: BTreeSet<PowerAlarmKey>,
    alarms_now: Vec<PowerAlarm>,
    /// What is to be said with the next round.
    unsaid: Vec<Saying>,
}

/// An alarm without its words.
type PowerAlarmKey = (
    PowerAlarmKind,
    Option<StationId>,
    Option<u32>,
    Option<String>,
);

/// What is to be done after a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// To be said to stations at once, in this order: all decreases are among them.
    pub(super) sayings: Vec<Saying>,
    /// To be said when what is remembered is written: should this life end, the next one knows of it.
    pub(super) when_written: Vec<Saying>,
    /// To be told to whoever watches: alarms that are new (`true`) or over.
    pub(super) alarms: Vec<(PowerAlarm, bool)>,
}

impl Managed {
    /// A managed site whose actor begins now, under an epoch that is higher than that of any before it. What the one
    /// before it remembered is known.
    ///
    /// # Errors
    /// Why it cannot be managed by this.
    pub(super) fn new(
        site: SiteId,
        power: SitePower,
        memory: Option<SiteMemory>,
        epoch: i64,
        timing: Timing,
        now_ms: i64,
    ) -> Result<Self, String> {
        let compiled = plan::site(&power)?;
        let memory = Memory::recall(memory, epoch);
        let settings = settings_of(&power, timing);
        let mut lanes = lanes_of(&power, &compiled);
        for lane in &mut lanes {
            memory.tell(lane);
            lane.bare = Bare::since(now_ms);
        }
        let has_floor: Vec<bool> = lanes.iter().map(|lane| lane.floor == Floor::Kept).collect();
        let epoch = u64::try_from(epoch).unwrap_or_default();
        let mut controller = Controller::new(compiled, settings, epoch, &has_floor, now_ms);
        if let Some(leases) = memory.leases(&lanes, now_ms, settings.margin_ms) {
            controller.recall(&leases, now_ms);
        }
        for (index, lane) in lanes.iter_mut().enumerate() {
            memory.tell_habits(lane, index, &mut controller);
        }
        Ok(Self {
            places: places_of(&lanes),
            site,
            power,
            settings,
            controller,
            lanes,
            stations: HashMap::new(),
            strays: Strays::default(),
            others: HashMap::new(),
            surpluses: Surpluses::default(),
            memory,
            counted_ms: 0,
            violated: BTreeSet::new(),
            alarms: BTreeSet::new(),
            alarms_now: Vec::new(),
            unsaid: Vec::new(),
        })
    }

    /// A station of the site says something.
    pub(super) fn hear(&mut self, station: &StationId, news: &StationNews, now_ms: i64) {
        match news {
            StationNews::Connected(online) => {
                let state = self.stations.entry(station.clone()).or_default();
                let was_online = state.online;
                state.is_online(*online, now_ms);
                for index in self.lanes_of(station) {
                    match (was_online, *online) {
                        (true, false) => self.goes_away(index, now_ms),
                        (_, true) => self.comes_back(index, now_ms),
                        (false, false) => {}
                    }
                }
                if *online {
                    self.is_expected_to_take_floors(station, now_ms);
                }
                // Also for one whose socket was replaced: what was under way to the one before got lost.
                self.is_online(station, *online);
            }
            StationNews::Booted => {
                // It may have forgotten its profiles: they are sent again.
                self.restarts(station);
                if let Some(state) = self.stations.get_mut(station) {
                    state.ask_at_ms = Some(now_ms);
                }
            }
            StationNews::Session(evse, facts) => {
                let evse = self.meant(station, *evse, facts.id);
                self.goes_on(station, evse, facts, now_ms);
            }
            StationNews::SessionOver(evse, session) => {
                let evse = self.meant(station, *evse, *session);
                self.is_over(station, evse, *session, now_ms);
            }
            StationNews::Draws(evse, draw, clock) => {
                if let Some(clock) = clock {
                    self.has_clock(station, *clock);
                }
                if let Some(index) = self.places.get(&(station.clone(), *evse)).copied() {
                    self.is_read(index, *draw, now_ms);
                }
            }
            StationNews::Sessions(sessions) => {
                let sessions: Vec<_> = (sessions.iter())
                    .map(|(evse, facts)| (self.meant(station, *evse, facts.id), facts))
                    .collect();
                for index in self.lanes_of(station) {
                    let evse = self.lanes[index].planned.evse;
                    let goes_on = sessions.iter().any(|(at, _)| *at == evse);
                    let here = self.lanes[index].charging.as_ref().map(|it| it.facts.id);
                    if let (false, Some(session)) = (goes_on, here) {
                        self.stays_booked(index, now_ms);
                        self.is_over(station, evse, session, now_ms);
                    }
                }
                self.strays
                    .retain(station, |evse| sessions.iter().any(|(at, _)| *at == evse));
                for (evse, facts) in sessions {
                    self.goes_on(station, evse, facts, now_ms);
                }
            }
            StationNews::Left => {
                if self.stations.remove(station).is_some_and(|it| it.online) {
                    for index in self.lanes_of(station) {
                        self.goes_away(index, now_ms);
                    }
                }
                self.strays.retain(station, |_| false);
                self.is_online(station, false);
            }
            StationNews::State(evse, state) => self.is_in_state(station, *evse, state, now_ms),
        }
    }

    /// What became of something that was said.
    pub(super) fn answered(&mut self, station: &StationId, about: About, told: &Told, now_ms: i64) {
        let next = self.take_answer(station, about, told, now_ms);
        self.unsaid.extend(next);
    }

    /// What to do now.
    pub(super) fn round(&mut self, now_ms: i64) -> Round {
        let mut sayings = std::mem::take(&mut self.unsaid);
        sayings.extend(self.set_up(now_ms));
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            lane.appetite.passes(&lane.outlet, now_ms);
            let wish = lane.wish(self.settings.lease_ms, now_ms);
            self.controller.wish(index, wish, now_ms);
        }
        self.controller.strays(self.strays_a(now_ms));
        let plan = self.controller.reconcile(now_ms);
        for (index, lane) in self.lanes.iter().enumerate() {
            let drew_a = self.controller.disobeyed_a(index);
            self.memory.note_disobeyed(lane, drew_a);
        }
        let (covered, uncovered) = self.remembered(&plan.commands, now_ms);
        sayings.extend(self.grant(&covered, now_ms));
        let when_written = self.grant(&uncovered, now_ms);
        sayings.extend(self.look_at_silent_meters(now_ms));
        if now_ms - self.counted_ms >= COUNT_EVERY_MS {
            self.counted_ms = now_ms;
            self.count_violations(now_ms);
        }
        let alarms = self.changed_alarms(&plan.alarms, now_ms);
        Round {
            sayings,
            when_written,
            alarms,
        }
    }

    /// Limits that are told meanwhile, in place of those told before.
    pub(super) fn set_points_are(&mut self, set_points: Vec<model::SetPoint>) {
        let site = self.controller.site_mut();
        for old in &self.power.set_points {
            if let Some(node) = site.node(&old.part) {
                let cap = plan::cap_of(old);
                site.lift_caps(node, |it| *it == cap);
            }
        }
        for new in &set_points {
            if let Some(node) = site.node(&new.part)
                && let Err(error) = site.add_cap(node, plan::cap_of(new))
            {
                // The API checks each of them.
                tracing::error!(site = %self.site, name = new.name, %error, "a set-point cannot be");
            }
        }
        self.power.set_points = set_points;
    }

    /// Whether only set-points differ from what it is managed by.
    pub(super) fn is_planned_as(&self, power: &SitePower) -> bool {
        self.power.plan == power.plan
    }

    /// What a driver wants of a session that charges here; `false` if it does not.
    pub(super) fn prefer(&mut self, preferences: SessionPreferences) -> bool {
        let of = |lane: &&mut Lane| {
            let charging = lane.charging.as_ref();
            charging.is_some_and(|it| it.facts.id == preferences.session)
        };
        let Some(lane) = self.lanes.iter_mut().find(of) else {
            return false;
        };
        if let Some(charging) = &mut lane.charging {
            charging.preferences = Some(preferences);
        }
        self.memory.prefer(preferences);
        true
    }

    /// What is known of what a driver wants.
    pub(super) fn preferences(&self, session: SessionId) -> Option<SessionPreferences> {
        self.memory.preferences(session)
    }

    /// Tokens whose groups are to be looked up; none if groups make no difference.
    pub(super) fn unknown_tokens(&self) -> Vec<TokenUid> {
        if self.power.plan.group_weights.is_empty() {
            return Vec::new();
        }
        let unknown = self.lanes.iter().filter_map(Lane::unknown_token);
        unknown.cloned().collect()
    }

    /// The group of a token.
    pub(super) fn group_is(&mut self, token: &TokenUid, group: Option<&TokenUid>) {
        let weights = &self.power.plan.group_weights;
        let weight = group.and_then(|group| {
            let same = |name: &&String| name.eq_ignore_ascii_case(group.as_str());
            weights.keys().find(same).map(|name| weights[name])
        });
        for lane in &mut self.lanes {
            if lane.unknown_token() == Some(token)
                && let Some(charging) = &mut lane.charging
            {
                charging.group_weight = Some(weight.unwrap_or(1.0));
            }
        }
    }

    /// What it remembers, if that changed since it was last written.
    pub(super) fn changed_memory(&mut self) -> Option<SiteMemory> {
        self.memory.changed()
    }

    /// It could not be written: it is still to be.
    pub(super) fn is_not_written(&mut self) {
        self.memory.is_not_written();
    }

    fn lanes_of(&self, station: &StationId) -> Vec<usize> {
        let of = |(_, lane): &(usize, &Lane)| lane.planned.station == *station;
        let lanes = self.lanes.iter().enumerate().filter(of);
        lanes.map(|(index, _)| index).collect()
    }

    /// Whether an outlet of the station is in the plan.
    fn is_planned(&self, station: &StationId) -> bool {
        let of = |lane: &Lane| lane.planned.station == *station;
        self.lanes.iter().any(of)
    }

    fn is_online(&mut self, station: &StationId, online: bool) {
        for index in self.lanes_of(station) {
            self.controller.online(index, online);
        }
    }

    /// The station is connected to a hub whose clock is so far ahead of ours, in ms.
    pub(super) fn is_heard_by_clock(&mut self, station: &StationId, ahead_ms: i64) {
        for index in self.lanes_of(station) {
            self.lanes[index].hub_ahead_ms = ahead_ms;
        }
    }

    /// A station's messages tell how far its clock is behind.
    fn has_clock(&mut self, station: &StationId, clock: ClockLag) {
        for index in self.lanes_of(station) {
            let lane = &mut self.lanes[index];
            let before = std::mem::replace(&mut lane.clock, clock);
            if clock.is_certain {
                self.memory.note_clock(lane);
            } else if before.is_certain {
                tracing::info!(site = %self.site, %station, lag_ms = clock.ms, "the station's messages are late, or its clock is behind: it is granted nothing until that is known");
            }
        }
    }

    /// The EVSE of a session whose station names none (0): the only one that is planned, unless another session is, or
    /// was, there.
    fn meant(&self, station: &StationId, evse: u32, session: SessionId) -> u32 {
        if evse != 0 || self.strays.holds(station, evse, session) {
            return evse;
        }
        let lanes = self.lanes_of(station);
        let [only] = lanes[..] else {
            return evse;
        };
        let lane = &self.lanes[only];
        let here = lane.charging.as_ref().map(|it| it.facts.id);
        match here.is_none_or(|here| here == session) {
            true => lane.planned.evse,
            false => evse,
        }
    }

    fn goes_on(&mut self, station: &StationId, evse: u32, facts: &SessionFacts, now_ms: i64) {
        if let Some(clock) = facts.clock {
            self.has_clock(station, clock);
        }
        let Some(index) = self.places.get(&(station.clone(), evse)).copied() else {
            if self.is_planned(station) {
                self.strays.goes_on(station, evse, facts);
            }
            return;
        };
        let session = facts.id;
        let lane = &mut self.lanes[index];
        lane.begins(facts.clone(), now_ms);
        let known = self.memory.preferences(session);
        if let Some(charging) = &mut lane.charging {
            charging.preferences = known;
        }
        if let Some(draw) = facts.draw {
            self.is_read(index, draw, now_ms);
        }
    }

    /// The meter of an outlet is read, by its station's clock.
    fn is_read(&mut self, index: usize, mut draw: Draw, now_ms: i64) {
        draw.at = draw.at.plus_ms(self.lanes[index].clock.to_hubs_ms());
        self.is_read_after_absence(index, &draw);
        self.is_measured(index, draw, now_ms);
    }

    /// Nobody says that the session is over: its station may have come to a hub that does not know of it yet, and still
    /// do as it was told.
    fn stays_booked(&mut self, index: usize, now_ms: i64) {
        if self.controller.leased_a(index) > self.lanes[index].planned.floor_a {
            let until_ms = now_ms + self.settings.lasts_ms();
            let persists = &mut self.lanes[index].persists_until_ms;
            *persists = until_ms.max(*persists);
        }
    }

    fn is_over(&mut self, station: &StationId, evse: u32, session: SessionId, now_ms: i64) {
        let Some(index) = self.places.get(&(station.clone(), evse)).copied() else {
            return self.strays.is_over(station, evse, session);
        };
        let lane = &mut self.lanes[index];
        if lane.charging.as_ref().map(|it| it.facts.id) == Some(session) {
            lane.charging = None;
            lane.over_ms = now_ms;
            lane.draw = None;
            lane.drew_before = None;
            lane.register = Register::default();
            lane.agreement = Agreement::default();
            lane.lowering = None;
            lane.told_a = None;
            self.memory.is_over(session);
            if lane.grants_persist() {
                let saying = self.forget_grant(index);
                self.unsaid.push(saying);
            }
        }
    }
}

fn settings_of(power: &SitePower, timing: Timing) -> Settings {
    Settings {
        lease_ms: timing.lease_ms,
        margin_ms: timing.margin_ms,
        renew_ms: timing.lease_ms / 3,
        silent_ms: timing.lease_ms * 2 / 3,
        verify_ms: 2 * (timing.lease_ms + timing.margin_ms),
        rules: power::Rules {
            method: plan::method(power.plan.sharing),
            ..power::Rules::default()
        },
        ..Settings::default()
    }
}
