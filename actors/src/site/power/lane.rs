//! An outlet of a managed site: what charges there, how its station is told, what it was seen to do.

use std::collections::HashMap;

use model::{
    ChargingProfile, Command, PlannedOutlet, ProfileForm, ProfilePeriod, ProfilePurpose, RateUnit,
    ScheduleView, ScheduledLimit, SessionId, SessionPreferences, SitePower, StationId, Timestamp,
    TokenUid, Wiring,
};
use power::{Outlet, Priority, Site, Wish};

use super::{
    ClockLag, Draw, SessionFacts,
    absence::{Absence, Habits, Return},
    agreement::Agreement,
    appetite::Appetite,
    effect::Effect,
    floor::Bare,
    meter::greatest,
    others::Seen,
    register::Register,
    schedule::{Taken, shown_schedule},
};

/// Profiles of a site are numbered from here on, so that an operator's own are left alone.
const FIRST_ID: i32 = 610_000_000;
/// What a profile of an outlet is: its floor, or its grant.
const FLOOR: i32 = 1;
const GRANT: i32 = 2;
/// A profile begins so much before it is sent: a station whose clock is that far behind applies it at once.
const BEGINS_BEFORE_MS: i64 = 60_000;
/// How far ahead its composite schedule is asked for, in s.
const LOOKS_AHEAD_S: u32 = 60;

/// An outlet.
pub(super) struct Lane {
    pub(super) planned: PlannedOutlet,
    pub(super) outlet: Outlet,
    pub(super) phase_v: f64,
    /// It is the only outlet of its station that is planned.
    pub(super) alone: bool,
    pub(super) floor: Floor,
    /// How long it has not been known to have its floor, while it is not.
    pub(super) bare: Bare,
    /// What it is known to do while its station is away, and what is watched to know it.
    pub(super) habits: Habits,
    pub(super) back: Return,
    pub(super) absence: Option<Absence>,
    /// What its register showed last, in Wh, and when, in ms.
    pub(super) register_seen: Option<(i64, f64)>,
    /// What kind of profile its station takes as a grant, in what form it takes profiles, and whether grants have effect.
    pub(super) grants_by: ProfilePurpose,
    pub(super) form: ProfileForm,
    pub(super) effect: Effect,
    pub(super) unit: RateUnit,
    pub(super) stack_level_most: Option<u32>,
    pub(super) charging: Option<Charging>,
    /// When the last session ended, in ms.
    pub(super) over_ms: i64,
    /// Under which number the controller knows its session.
    pub(super) number: u64,
    /// Until then a grant may have effect that did not end with its session, or whose session is out of sight, in ms.
    pub(super) persists_until_ms: i64,
    pub(super) draw: Option<Draw>,
    /// The reading before that.
    pub(super) drew_before: Option<Draw>,
    pub(super) register: Register,
    pub(super) agreement: Agreement,
    pub(super) appetite: Appetite,
    /// A decrease that no meter has shown yet: to how much, and when it was sent.
    pub(super) lowering: Option<(f64, i64)>,
    /// The profiles that its station took.
    pub(super) taken: Taken,
    /// When its composite schedule was last asked for, in ms.
    pub(super) looked_ms: i64,
    /// How far its station's clock is behind that of the hub it is connected to, or ahead.
    pub(super) clock: ClockLag,
    /// How far the clock of that hub is ahead of ours, in ms.
    pub(super) hub_ahead_ms: i64,
    /// Until then its station is too slow for grants, in ms.
    pub(super) slow_until_ms: i64,
    /// What its station showed then, or before.
    pub(super) shown: Option<ScheduleView>,
    /// What it was last told, in A.
    pub(super) told_a: Option<f64>,
    /// Since when it has been told no other, in ms.
    pub(super) told_ms: i64,
}

/// Whether a station has its floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Floor {
    /// It is to be sent, from that time on.
    Due(i64),
    /// It was sent, or is being looked at.
    Asked,
    /// It is there.
    Kept,
}

/// What charges at an outlet.
pub(super) struct Charging {
    pub(super) facts: SessionFacts,
    pub(super) preferences: Option<SessionPreferences>,
    /// What its token's group weighs; none while that was not looked up.
    pub(super) group_weight: Option<f64>,
}

impl Lane {
    pub(super) fn new(planned: PlannedOutlet, outlet: Outlet, phase_v: f64, alone: bool) -> Self {
        Self {
            unit: super::plan::usual_unit(&planned),
            planned,
            outlet,
            phase_v,
            alone,
            floor: Floor::Due(0),
            bare: Bare::default(),
            habits: Habits::default(),
            back: Return::default(),
            absence: None,
            register_seen: None,
            grants_by: ProfilePurpose::Tx,
            form: ProfileForm::default(),
            effect: Effect::default(),
            stack_level_most: None,
            charging: None,
            over_ms: 0,
            number: 0,
            persists_until_ms: 0,
            draw: None,
            drew_before: None,
            register: Register::default(),
            agreement: Agreement::default(),
            appetite: Appetite::default(),
            lowering: None,
            taken: Taken::default(),
            looked_ms: 0,
            clock: ClockLag {
                ms: 0,
                is_certain: true,
                ahead_ms: 0,
            },
            hub_ahead_ms: 0,
            slow_until_ms: 0,
            shown: None,
            told_a: None,
            told_ms: 0,
        }
    }

    /// What its station falls back to by itself, where it takes such profiles.
    pub(super) fn floor_profile(&self) -> ChargingProfile {
        let purpose = self.floor_purpose();
        // It holds whatever the station's clock says: it began long ago.
        let start = Timestamp(1_577_836_800_000);
        ChargingProfile {
            start: Some(start).filter(|_| !self.form.floor_is_relative),
            stack_level: self.floor_level(),
            ..self.profile(FLOOR, purpose, self.planned.floor_a)
        }
    }

    /// A grant of so much until then, by our clock; it ends sooner at a station that was offline for so long.
    pub(super) fn grant_profile(
        &self,
        amps: f64,
        ends_ms: i64,
        max_offline_s: Option<u32>,
        now_ms: i64,
    ) -> ChargingProfile {
        let start_ms = now_ms - BEGINS_BEFORE_MS;
        let is_relative = self.form.grant_is_relative;
        let begins_ms = if is_relative { now_ms } else { start_ms };
        let lasts_s = u32::try_from((ends_ms - begins_ms) / 1_000).unwrap_or_default();
        let by_duration = self.form.ends_by_duration;
        let mut profile = self.profile(GRANT, self.grants_by, amps);
        profile.start = (!is_relative).then_some(Timestamp(start_ms));
        profile.stack_level = self.grant_level();
        profile.max_offline_s = max_offline_s;
        profile.valid_to = (!by_duration).then_some(Timestamp(ends_ms));
        profile.duration_s = by_duration.then_some(lasts_s);
        if self.grants_by == ProfilePurpose::Tx {
            let transaction = self.charging.as_ref().map(|it| &it.facts.transaction);
            profile.transaction = transaction.cloned();
        }
        profile
    }

    /// Takes away what was granted.
    pub(super) fn forget_grant(&self) -> Command {
        self.forget(GRANT)
    }

    /// Takes away the floor.
    pub(super) fn forget_floor(&self) -> Command {
        self.forget(FLOOR)
    }

    fn forget(&self, kind: i32) -> Command {
        Command::ClearChargingProfile {
            id: Some(self.id(kind)),
            evse: None,
            purpose: None,
        }
    }

    /// Takes away every default profile: somebody else's may hold above the floor.
    pub(super) fn forget_defaults(&self) -> Command {
        Command::ClearChargingProfile {
            id: None,
            evse: Some(self.evse_of(self.floor_purpose())),
            purpose: Some(self.floor_purpose()),
        }
    }

    /// Asks what holds at the outlet.
    pub(super) fn look(&self) -> Command {
        Command::GetCompositeSchedule {
            evse: self.planned.evse,
            duration_s: LOOKS_AHEAD_S,
            unit: Some(self.unit),
        }
    }

    /// Has its station take a profile, which begins and ends by the station's own clock.
    pub(super) fn set(&self, mut profile: ChargingProfile) -> Command {
        let ahead_ms = self.hub_ahead_ms - self.clock.known_ms();
        let its_clock = |at: Timestamp| at.plus_ms(ahead_ms);
        profile.start = profile.start.map(its_clock);
        profile.valid_to = profile.valid_to.map(its_clock);
        Command::SetChargingProfile {
            evse: self.evse_of(profile.purpose),
            profile,
        }
    }

    fn profile(&self, kind: i32, purpose: ProfilePurpose, amps: f64) -> ChargingProfile {
        let period = ProfilePeriod {
            start_s: 0,
            limit: match self.unit {
                RateUnit::A => amps,
                RateUnit::W => self.watts(amps),
            },
            phases: match &self.planned.wiring {
                Wiring::Phases(lines) => u8::try_from(lines.len()).ok(),
                Wiring::Between(_) => Some(1),
                Wiring::Dc => None,
            },
        };
        ChargingProfile {
            id: self.id(kind),
            stack_level: 0,
            purpose,
            transaction: None,
            valid_to: None,
            max_offline_s: None,
            start: None,
            duration_s: None,
            unit: self.unit,
            periods: vec![period],
        }
    }

    fn id(&self, kind: i32) -> i32 {
        let evse = i32::try_from(self.planned.evse % 100_000).unwrap_or_default();
        FIRST_ID + 10 * evse + kind
    }

    fn evse_of(&self, purpose: ProfilePurpose) -> u32 {
        match purpose {
            ProfilePurpose::StationMax => 0,
            ProfilePurpose::TxDefault | ProfilePurpose::Tx => self.planned.evse,
        }
    }

    /// What kind of profile its floor is: a grant as the station's maximum would not rise above a default that is lower,
    /// nor the other way round.
    pub(super) fn floor_purpose(&self) -> ProfilePurpose {
        match self.grants_by {
            ProfilePurpose::StationMax => ProfilePurpose::StationMax,
            ProfilePurpose::TxDefault | ProfilePurpose::Tx => ProfilePurpose::TxDefault,
        }
    }

    /// Whether a grant ends by itself only, and not with its session.
    pub(super) fn grants_persist(&self) -> bool {
        self.grants_by != ProfilePurpose::Tx
    }

    /// The power at so many A per phase, in W.
    pub(super) fn watts(&self, amps: f64) -> f64 {
        self.outlet.watts(amps, self.phase_v)
    }

    /// The most that a composite schedule allows as far as it was asked for, per phase in A; none if it tells nothing.
    pub(super) fn shown_a(&self, limits: &[ScheduledLimit]) -> Option<f64> {
        let asked = limits.iter().filter(|limit| limit.start_s < LOOKS_AHEAD_S);
        let amps = asked.map(|limit| match limit.unit {
            RateUnit::A => limit.limit,
            RateUnit::W => limit.limit / self.watts(1.0),
        });
        amps.reduce(f64::max)
    }

    /// Its station shows this when it is asked for its composite schedule.
    pub(super) fn shows(&mut self, limits: &[ScheduledLimit], now_ms: i64) {
        let shown = shown_schedule(&self.schedule(now_ms), limits, Timestamp(now_ms));
        self.shown = Some(shown).filter(|it| !it.parts.is_empty());
    }

    /// What was seen to be drawn, per phase of the station in A.
    pub(super) fn drawn_a(&self, draw: &Draw) -> Option<[f64; 3]> {
        let even = |amps: f64| {
            let phases = match &self.planned.wiring {
                Wiring::Phases(lines) => lines.len(),
                Wiring::Between(_) => 1,
                Wiring::Dc => 3,
            };
            std::array::from_fn(|phase| if phase < phases { amps } else { 0.0 })
        };
        match (&self.planned.wiring, draw.currents_a) {
            // What is measured of DC is not what the rectifier takes in.
            (Wiring::Phases(_) | Wiring::Between(_), Some(currents)) => Some(currents),
            _ => draw
                .power_w
                .map(|watts| even(watts / self.watts(1.0)))
                .or_else(|| draw.plain_a.map(even)),
        }
    }

    /// The power of what is drawn per phase, in W.
    pub(super) fn drawn_w(&self, phases: [f64; 3]) -> f64 {
        match &self.planned.wiring {
            Wiring::Phases(_) => phases.iter().sum::<f64>() * self.phase_v,
            Wiring::Between(_) | Wiring::Dc => self.watts(greatest(phases)),
        }
    }

    /// What it is known to draw at that time.
    pub(super) fn draws_at(&self, at_ms: i64) -> Option<Draw> {
        let of = |draw: Draw| Some((draw.at.0, greatest(self.drawn_a(&draw)?)));
        let seen = Seen {
            told_ms: self.told_ms,
            before: self.drew_before.and_then(of),
            last: self.draw.and_then(of)?,
        };
        self.draw
            .filter(|_| seen.holds_at(at_ms) && !self.is_in_doubt())
    }

    /// Whether what its meter tells contradicts itself.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.agreement.contradicts_w().is_some()
    }

    /// What its session still wants, in Wh, if its driver told.
    pub(super) fn wanted_wh(&self) -> Option<f64> {
        let charging = self.charging.as_ref()?;
        let whole = charging.preferences?.energy_wh?;
        Some((whole - charging.facts.energy_wh).max(0.0))
    }

    /// What its session weighs.
    pub(super) fn weight(&self, now_ms: i64) -> f64 {
        let charging = self.charging.as_ref();
        let preferences = charging.and_then(|it| it.preferences);
        let told = preferences.and_then(|it| it.weight).unwrap_or(1.0);
        let group = charging.and_then(|it| it.group_weight).unwrap_or(1.0);
        let priority = Priority {
            station: self.planned.weight,
            group: group * told,
            battery_pct: self.draw.as_ref().and_then(|draw| draw.battery_pct),
            // Where the energy is known too, the need says it all.
            stays_h: preferences
                .filter(|it| it.energy_wh.is_none())
                .and_then(|it| it.departure_at)
                .map(|leaves| (leaves.0 - now_ms) as f64 / 3_600_000.0),
        };
        priority.weight()
    }

    /// Whether a grant makes no sense by its station's clock: nobody knows when it would end there, or it ends before it is
    /// renewed, so that what is booked for it is of no use to anybody.
    pub(super) fn is_held_by_clock(&self, lease_ms: i64) -> bool {
        !self.clock.is_certain || self.clock.ahead_ms > lease_ms / 2
    }

    /// What its session wants; none where nothing charges and no grant persists.
    pub(super) fn wish(&self, lease_ms: i64, now_ms: i64) -> Option<Wish> {
        let Some(charging) = &self.charging else {
            // A grant that persists is still booked.
            return (now_ms < self.persists_until_ms).then_some(Wish {
                session: self.number,
                most_a: 0.0,
                weight: 1.0,
                need: None,
                served: false,
            });
        };
        let leaves = charging.preferences.and_then(|it| it.departure_at);
        let wanted_wh = self.wanted_wh();
        let need = wanted_wh.zip(leaves);
        Some(Wish {
            session: self.number,
            most_a: match self.is_held_by_clock(lease_ms) || now_ms < self.slow_until_ms {
                false => self.appetite.most_a().unwrap_or(self.outlet.most_a),
                true => self.outlet.floor_a,
            },
            weight: self.weight(now_ms),
            need: need.map(|(wh, leaves)| (wh / self.watts(1.0), leaves.0)),
            served: wanted_wh == Some(0.0),
        })
    }

    /// A session begins, or goes on.
    pub(super) fn begins(&mut self, facts: SessionFacts, now_ms: i64) {
        if let Some(charging) = &mut self.charging
            && charging.facts.id == facts.id
        {
            charging.facts = facts;
            return self.says_whether_it_rests(now_ms);
        }
        // A station may show only now what its floor is.
        if let Floor::Due(_) = self.floor {
            self.floor = Floor::Due(now_ms);
        }
        self.looked_ms = 0;
        // While a grant of the session before may still hold, the new one inherits its number, so that it stays booked.
        if now_ms >= self.persists_until_ms {
            self.number = number_of(facts.id);
        }
        self.charging = Some(Charging {
            facts,
            preferences: None,
            group_weight: None,
        });
        self.told_a = None;
        self.lowering = None;
        self.register = Register::default();
        self.agreement = Agreement::default();
        self.appetite = Appetite::default();
        self.drew_before = None;
        self.told_ms = now_ms;
        self.says_whether_it_rests(now_ms);
    }

    /// Its session may say whether the car suspends charging.
    fn says_whether_it_rests(&mut self, now_ms: i64) {
        let facts = self.charging.as_ref().map(|it| &it.facts);
        if let Some(rests) = facts.and_then(|facts| facts.rests) {
            self.appetite.is_said_to_rest(rests, now_ms);
        }
    }

    /// The token whose group is to be looked up.
    pub(super) fn unknown_token(&self) -> Option<&TokenUid> {
        let charging = self.charging.as_ref()?;
        charging
            .facts
            .token
            .as_ref()
            .filter(|_| charging.group_weight.is_none())
    }
}

/// The outlets of a plan, by their index in its site; nothing is known of them yet.
pub(super) fn lanes_of(power: &SitePower, site: &Site) -> Vec<Lane> {
    let planned = power.plan.outlets();
    (planned.iter().zip(site.outlets()))
        .map(|(it, outlet)| {
            let of_station = |other: &&&PlannedOutlet| other.station == it.station;
            let alone = planned.iter().filter(of_station).count() == 1;
            Lane::new((*it).clone(), outlet.clone(), power.plan.phase_v, alone)
        })
        .collect()
}

/// Where outlets are found, by station and EVSE.
pub(super) fn places_of(lanes: &[Lane]) -> HashMap<(StationId, u32), usize> {
    let planned = lanes.iter().map(|lane| &lane.planned).enumerate();
    planned
        .map(|(index, it)| ((it.station.clone(), it.evse), index))
        .collect()
}

/// A session's number for the controller: what its id ends with, which is random.
fn number_of(id: SessionId) -> u64 {
    id.0.as_u64_pair().1
}
