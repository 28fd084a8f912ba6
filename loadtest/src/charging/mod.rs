//! The charging profiles of a charger, kept as real firmware keeps them: set, refused, cleared, outlived, and what they
//! allow at a moment.
//!
//! Written from the specifications (1.6 §3.13 and §5.16, 2.0.1 block K) and on purpose without the calculation of
//! this project's central system, so that a mistake in one of them shows. Rules kept here:
//! - a profile of the same id takes the old one's place (K01.FR.05); in 1.6 also one of the same purpose, level and
//!   connector (§5.16), in 2.x that is refused while both could be valid at one time (K01.FR.06, .39, .52, .53);
//! - a TxProfile needs the transaction it is for (§3.13.1, K01.FR.09) and goes with it;
//! - a station maximum is for the station as a whole and never relative (K01.FR.35, .38);
//! - external constraints are not for a central system to set (K01.FR.22);
//! - 2.x wants a start for absolute and recurring schedules, and none for relative ones (K01.FR.40, .41);
//! - in 2.1 one may say how long it outlives the socket, and whether it is gone for good then (maxOfflineDuration,
//!   invalidAfterOfflineDuration).
//!
//! A charger without profiles has none of this: it is kept in a box.

mod allowed;
mod check;
mod composite;
mod profile;
mod wire;

use std::collections::VecDeque;

pub(crate) use allowed::{Limit, Transaction};
pub(crate) use check::may_come_with_start;
pub(crate) use composite::composite;
pub(crate) use profile::{ChargingProfile, Clear, Kind, Period, Purpose};
pub(crate) use wire::{CompositeRequest, SetProfile, composite_v2, composite_v16};

use crate::evse::Evse;
use crate::faults::{Faults, RateUnit};
use crate::profile::Profile;
use crate::version::Version;

/// How many profiles a charger keeps (1.6 MaxChargingProfilesInstalled).
pub(crate) const MOST_PROFILES: usize = 20;
/// The highest stack level it takes (1.6 ChargeProfileMaxStackLevel, 2.x ProfileStackLevel).
pub(crate) const HIGHEST_LEVEL: i64 = 99;
/// How many periods a schedule may have (1.6 ChargingScheduleMaxPeriods, 2.x PeriodsPerSchedule).
pub(crate) const MOST_PERIODS: usize = 24;

/// What a charger was told.
#[derive(Debug, Default)]
pub(crate) struct Charging {
    installed: Vec<Installed>,
    /// Accepted, but obeyed only at this time (ms since 1970).
    slow: VecDeque<(i64, Change)>,
    /// Without a socket since then.
    offline_since_ms: Option<i64>,
}

/// A profile in its place.
#[derive(Debug, Clone, PartialEq)]
struct Installed {
    /// The EVSE it is set on; 0 is the station.
    evse: u32,
    /// Of a TxProfile: the charger's own number of the session it is for; none for whichever comes next.
    session: Option<u32>,
    /// Its charger has been offline for too long; it holds again when it is online.
    suspended: bool,
    profile: ChargingProfile,
}

#[derive(Debug)]
enum Change {
    Install(Installed),
    Clear(Clear),
}

/// Why a profile is not taken; the reason code of 2.x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str);

/// What a charger is, as far as profiles go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build<'a> {
    pub(crate) version: Version,
    pub(crate) evse: &'a Evse,
    pub(crate) evses: u32,
    pub(crate) faults: &'a Faults,
}

impl<'a> Build<'a> {
    /// The build of the chargers of a fleet.
    pub(crate) fn of(fleet: &'a Profile) -> Self {
        Self {
            version: fleet.version,
            evse: &fleet.evse,
            evses: fleet.connectors,
            faults: &fleet.faults,
        }
    }

    /// The units it takes limits in.
    pub(crate) fn takes(self, unit: RateUnit) -> bool {
        let other = match unit {
            RateUnit::Amperes => RateUnit::Watts,
            RateUnit::Watts => RateUnit::Amperes,
        };
        self.faults.only != Some(other) && !(self.evse.dc && unit == RateUnit::Amperes)
    }

    /// The unit of a composite schedule where none is asked for.
    pub(crate) fn usual_unit(self) -> RateUnit {
        if self.takes(RateUnit::Amperes) {
            RateUnit::Amperes
        } else {
            RateUnit::Watts
        }
    }
}

impl Charging {
    /// Takes a profile for an EVSE, or refuses it. `running` is the transaction there, if any.
    pub(crate) fn set(
        &mut self,
        build: Build<'_>,
        evse: u32,
        profile: ChargingProfile,
        running: Option<&Transaction<'_>>,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        check::check(build, evse, &profile)?;
        let session = check::session_of(build, evse, &profile, running)?;
        let new = Installed {
            evse,
            session,
            suspended: false,
            profile,
        };
        if build.version != Version::V16 && self.installed.iter().any(|old| old.rivals(&new)) {
            return Err(Refusal("DuplicateProfile"));
        }
        if self.installed.len() + self.slow.len() >= MOST_PROFILES
            && !self
                .installed
                .iter()
                .any(|old| old.gives_way_to(&new, build.version))
        {
            return Err(Refusal("TooManyProfiles"));
        }
        if build.faults.ignores {
            return Ok(());
        }
        self.change(build, Change::Install(new), now_ms);
        Ok(())
    }

    /// Clears profiles; whether there was one to clear.
    pub(crate) fn clear(&mut self, build: Build<'_>, which: Clear, now_ms: i64) -> bool {
        let any = self
            .installed
            .iter()
            .any(|it| which.means(it.evse, &it.profile));
        if !build.faults.ignores {
            self.change(build, Change::Clear(which), now_ms);
        }
        any
    }

    /// Does what was accepted and is due, and drops what can never hold again.
    /// What ends is only forgotten while time passes.
    pub(crate) fn settle(&mut self, build: Build<'_>, now_ms: i64) {
        while self
            .slow
            .front()
            .is_some_and(|(due_ms, _)| *due_ms <= now_ms)
        {
            if let Some((_, change)) = self.slow.pop_front() {
                self.make(build, change);
            }
        }
        if build.faults.keeps_offline && self.offline_since_ms.is_some() {
            return;
        }
        (self.installed).retain(|it| it.profile.valid_to_ms.is_none_or(|to| now_ms < to));
        if let (Version::V21, Some(since_ms)) = (build.version, self.offline_since_ms) {
            self.offline_for(now_ms - since_ms);
        }
    }

    /// What may not outlive so long without a socket does not hold; part of it never again.
    fn offline_for(&mut self, ms: i64) {
        let too_long = |it: &Installed| {
            it.profile
                .max_offline_s
                .is_some_and(|most| ms >= 1_000 * most)
        };
        (self.installed).retain(|it| !(too_long(it) && it.profile.invalid_after_offline));
        for it in &mut self.installed {
            it.suspended = too_long(it);
        }
    }

    /// The session of this number is over, and its TxProfiles with it.
    pub(crate) fn session_ended(&mut self, number: u32) {
        self.installed.retain(|it| it.session != Some(number));
        self.slow.retain(
            |(_, change)| !matches!(change, Change::Install(it) if it.session == Some(number)),
        );
    }

    /// A session began: a TxProfile that waited for one at this EVSE is its own now.
    pub(crate) fn session_began(&mut self, evse: u32, number: u32) {
        for it in &mut self.installed {
            if it.profile.purpose == Purpose::Tx && it.evse == evse && it.session.is_none() {
                it.session = Some(number);
            }
        }
    }

    /// The socket went: firmware that keeps the last profile offline stops the clock of its profiles.
    pub(crate) fn offline(&mut self, now_ms: i64) {
        self.offline_since_ms.get_or_insert(now_ms);
    }

    /// The socket is back.
    pub(crate) fn online(&mut self, build: Build<'_>, now_ms: i64) {
        self.settle(build, now_ms);
        self.offline_since_ms = None;
        for it in &mut self.installed {
            it.suspended = false;
        }
    }

    /// Whether nothing is kept, so that the box can go.
    pub(crate) fn is_empty(&self) -> bool {
        self.installed.is_empty() && self.slow.is_empty()
    }

    /// What the profiles allow an EVSE now; `sharing` sessions share what the station as a whole may draw.
    pub(crate) fn limit(
        &self,
        build: Build<'_>,
        evse: u32,
        transaction: Option<&Transaction<'_>>,
        sharing: u32,
        now_ms: i64,
    ) -> Option<Limit> {
        let at_ms = match self.offline_since_ms {
            Some(since_ms) if build.faults.keeps_offline => since_ms,
            _ => now_ms,
        };
        let sharing = if build.faults.each_connector {
            1
        } else {
            sharing
        };
        allowed::at(
            &self.installed,
            build.evse,
            evse,
            transaction,
            sharing,
            at_ms,
        )
    }

    fn change(&mut self, build: Build<'_>, change: Change, now_ms: i64) {
        let delay_ms = build.faults.obeys_after.as_millis() as i64;
        if delay_ms == 0 {
            self.make(build, change);
        } else {
            self.slow.push_back((now_ms + delay_ms, change));
        }
    }

    fn make(&mut self, build: Build<'_>, change: Change) {
        match change {
            Change::Install(new) => {
                (self.installed).retain(|old| !old.gives_way_to(&new, build.version));
                self.installed.push(new);
            }
            Change::Clear(which) => self
                .installed
                .retain(|it| !which.means(it.evse, &it.profile)),
        }
    }
}

impl Installed {
    /// Whether the new one takes its place.
    fn gives_way_to(&self, new: &Self, version: Version) -> bool {
        let same_place = self.evse == new.evse
            && self.profile.purpose == new.profile.purpose
            && self.profile.stack_level == new.profile.stack_level;
        self.profile.id == new.profile.id || (version == Version::V16 && same_place)
    }

    /// Whether both could hold at one time though neither is above the other (2.x).
    fn rivals(&self, new: &Self) -> bool {
        let (one, other) = (&self.profile, &new.profile);
        let from = one.valid_from_ms.max(other.valid_from_ms);
        let to = (one.valid_to_ms.into_iter()).chain(other.valid_to_ms).min();
        let overlap = to.is_none_or(|to| from.is_none_or(|from| from < to));
        let same_place = self.evse == new.evse
            || (one.purpose == Purpose::TxDefault && (self.evse == 0 || new.evse == 0));
        one.id != other.id
            && one.purpose == other.purpose
            && one.stack_level == other.stack_level
            && self.session == new.session
            && same_place
            && overlap
    }
}

#[cfg(test)]
mod tests;
