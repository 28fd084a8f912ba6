//! Charging profiles at a station: what it is told of them, and when they change what its cars are offered.

use super::Station;
use super::obey::status;
use crate::charging::{
    self, Build, ChargingProfile, Clear, CompositeRequest, Refusal, SetProfile, Transaction,
};
use crate::connector::Session;
use crate::desk::Now;

impl Station {
    pub(super) fn set_profile(&mut self, set: SetProfile, now: Now) -> String {
        let outcome = self.install(set.evse, set.profile, now);
        self.desk.dialect().profile_answer(outcome)
    }

    /// Installs a profile for whatever runs at its EVSE.
    pub(super) fn install(
        &mut self,
        evse: u32,
        profile: ChargingProfile,
        now: Now,
    ) -> Result<(), Refusal> {
        self.before_change(now);
        let fleet = self.desk.profile.clone();
        let running = (evse.checked_sub(1))
            .and_then(|index| self.connectors.get(index as usize)?.session())
            .map(Session::transaction);
        let charging = self.desk.charging.get_or_insert_default();
        let now_ms = now.wall.timestamp_millis();
        let outcome = charging.set(Build::of(&fleet), evse, profile, running.as_ref(), now_ms);
        self.after_change(now);
        outcome
    }

    pub(super) fn clear_profiles(&mut self, which: Clear, now: Now) -> String {
        self.before_change(now);
        let fleet = self.desk.profile.clone();
        let cleared = self.desk.charging.as_mut().is_some_and(|charging| {
            charging.clear(Build::of(&fleet), which, now.wall.timestamp_millis())
        });
        self.after_change(now);
        status(if cleared { "Accepted" } else { "Unknown" })
    }

    pub(super) fn composite(&self, request: &CompositeRequest, now: Now) -> String {
        let build = self.desk.build();
        let refused =
            build.faults.no_schedule || request.evse > build.evses || !build.takes(request.unit);
        // Schedules are told in whole seconds.
        let from_s = now.wall.timestamp();
        let from = chrono::DateTime::from_timestamp(from_s, 0).unwrap_or(now.wall);
        let periods = (!refused).then(|| {
            let running: Vec<Option<Transaction<'_>>> = (self.connectors.iter())
                .map(|connector| connector.session().map(Session::transaction))
                .collect();
            let charging = self.desk.charging.as_deref();
            charging::composite(charging, build, &running, request, 1_000 * from_s)
        });
        (self.desk.dialect()).composite(request, periods.as_deref(), from)
    }

    /// The socket went, and with it, for some firmware, the time.
    pub(super) fn profiles_offline(&mut self, now: Now) {
        if let Some(charging) = &mut self.desk.charging {
            charging.offline(now.wall.timestamp_millis());
        }
    }

    /// The socket is back.
    pub(super) fn profiles_online(&mut self, now: Now) {
        let build = Build::of(&self.desk.profile);
        if let Some(charging) = &mut self.desk.charging {
            charging.online(build, now.wall.timestamp_millis());
        }
    }

    /// Does what was accepted earlier and is due, and forgets what is over.
    pub(super) fn settle_profiles(&mut self, now: Now) {
        let Some(charging) = &mut self.desk.charging else {
            return;
        };
        charging.settle(Build::of(&self.desk.profile), now.wall.timestamp_millis());
        if charging.is_empty() {
            self.desk.charging = None;
        }
    }

    /// How many sessions share what the station as a whole may take.
    pub(super) fn count_sharers(&mut self) {
        let sessions = (self.connectors.iter()).filter(|it| it.session().is_some());
        self.desk.sharing = (sessions.count() as u32).max(1);
    }

    /// Cars have charged until now under what held until now.
    fn before_change(&mut self, now: Now) {
        for connector in &mut self.connectors {
            connector.catch_up(&self.desk, now);
        }
    }

    /// What holds now is obeyed at once.
    fn after_change(&mut self, now: Now) {
        self.settle_profiles(now);
        for connector in &mut self.connectors {
            connector.tick(&mut self.desk, now);
        }
    }
}
