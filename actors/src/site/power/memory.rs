//! What a site's actor remembers: which outlets are known to keep their floor, or not to obey, how they are told, what
//! drivers want, and what grants allow.
//!
//! Grants are written before they are sent, some time ahead and as a bound, so that decreases and renewals need no
//! writing: the next life books the bounds and goes on at once.

use model::{
    KnownLease, KnownOutlet, ProfileForm, SessionId, SessionPreferences, SiteMemory, Timestamp,
};

use power::Controller;

use super::{
    absence::Habits,
    lane::{Floor, Lane},
};

/// Preferences of more sessions than this are not remembered; of outlets there are no more.
const PREFERENCES_MOST: usize = 4_000;

/// A clock that is no further behind, in ms, is not worth remembering, nor is a change of less.
const CLOCK_LAG_MS: i64 = 3_000;
/// A change of what an outlet draws that does not obey, in A, is not worth remembering if it is less.
const DRAWN_A: f64 = 1.0;
/// What grants allow is remembered for so much longer than they last, in leases: so long none has to be written.
const AHEAD_LEASES: i64 = 1;
/// A grant that lasts from when its station takes it may be taken so much later than it was sent, in ms.
const TAKEN_LATE_MS: i64 = 60_000;

/// What is remembered, and whether it was written.
pub(super) struct Memory {
    memory: SiteMemory,
    /// There was a life before this one, that wrote what it granted before it did.
    is_recalled: bool,
    changed: bool,
}

impl Memory {
    /// What the actor before remembered; to be written under the new epoch before anything is said.
    pub(super) fn recall(memory: Option<SiteMemory>, epoch: i64) -> Self {
        Self {
            is_recalled: memory.is_some(),
            memory: SiteMemory {
                epoch,
                revision: 0,
                ..memory.unwrap_or_default()
            },
            changed: true,
        }
    }

    /// Tells an outlet what is known of it. A floor other than the one that is planned is none.
    pub(super) fn tell(&self, lane: &mut Lane) {
        let Some(known) = self.known(lane) else {
            return;
        };
        if let Some(purpose) = known.grants_by {
            lane.grants_by = purpose;
        }
        lane.form = known.form;
        if let (Some(unit), None) = (known.unit, lane.planned.unit) {
            lane.unit = unit;
        }
        if let Some(ms) = known.clock_lag_ms {
            lane.clock.ms = ms;
        }
        if known.floor_a == Some(lane.planned.floor_a) {
            lane.floor = Floor::Kept;
        }
    }

    /// Notes how an outlet is told, and whether it has its floor.
    pub(super) fn note(&mut self, lane: &Lane, has_floor: bool) {
        let known = KnownOutlet {
            floor_a: has_floor.then_some(lane.planned.floor_a),
            grants_by: Some(lane.grants_by),
            form: lane.form,
            unit: Some(lane.unit),
            ..self.known_or_new(lane)
        };
        self.replace(known);
    }

    /// Notes how far the clock of an outlet's station is behind.
    pub(super) fn note_clock(&mut self, lane: &Lane) {
        let lag_ms = Some(lane.clock.ms).filter(|ms| *ms > CLOCK_LAG_MS);
        let known = self.known(lane).and_then(|it| it.clock_lag_ms);
        let moved_ms = lag_ms.unwrap_or(0) - known.unwrap_or(0);
        if moved_ms.abs() > CLOCK_LAG_MS {
            self.replace(KnownOutlet {
                clock_lag_ms: lag_ms,
                ..self.known_or_new(lane)
            });
        }
    }

    /// Tells an outlet, and the controller of it, what its station is known to do against its profiles.
    pub(super) fn tell_habits(&self, lane: &mut Lane, index: usize, controller: &mut Controller) {
        let Some(known) = self.known(lane) else {
            return;
        };
        lane.habits = Habits {
            forgets: known.forgets,
            keeps_grants: known.keeps_grants,
        };
        if let Some(drew_a) = known.disobeyed_a {
            controller.recall_disobedience(index, drew_a);
        }
        controller.grants_float(index, lane.grants_float());
        if known.keeps_grants {
            let last_a = known.lease.map_or(0.0, |lease| lease.amps);
            controller.recall_kept(index, last_a);
        }
        if known.forgets {
            controller.has_no_floor(index);
        }
    }

    /// Notes what an outlet is known to do while its station is away.
    pub(super) fn note_habits(&mut self, lane: &Lane) {
        let Habits {
            forgets,
            keeps_grants,
        } = lane.habits;
        self.replace(KnownOutlet {
            forgets,
            keeps_grants,
            ..self.known_or_new(lane)
        });
    }

    /// The most an outlet was seen to draw since its meter showed that it does not obey.
    fn disobeyed_a(&self, lane: &Lane) -> Option<f64> {
        self.known(lane).and_then(|it| it.disobeyed_a)
    }

    /// Notes whether an outlet's meter shows that it does not obey, and the most it drew since.
    pub(super) fn note_disobeyed(&mut self, lane: &Lane, drew_a: Option<f64>) {
        let known_a = self.disobeyed_a(lane);
        let same = match (known_a, drew_a) {
            (Some(known_a), Some(drew_a)) => (known_a - drew_a).abs() < DRAWN_A,
            (known_a, drew_a) => known_a == drew_a,
        };
        if !same {
            self.replace(KnownOutlet {
                disobeyed_a: drew_a,
                ..self.known_or_new(lane)
            });
        }
    }

    /// What grants allow an outlet, as far as is remembered.
    pub(super) fn lease(&self, lane: &Lane) -> Option<KnownLease> {
        self.known(lane).and_then(|it| it.lease)
    }

    /// Whether a grant of so much until then is within what is remembered.
    pub(super) fn covers(&self, lane: &Lane, amps: f64, ends_ms: i64) -> bool {
        self.lease(lane).is_some_and(|lease| {
            amps <= lease.amps && ends_ms + taken_late_ms(lane) <= lease.ends_at.0
        })
    }

    /// Whether grants of an outlet may be renewed for a third of a lease more within what is remembered.
    pub(super) fn lasts(&self, lane: &Lane, lease_ms: i64, now_ms: i64) -> bool {
        self.lease(lane).is_none_or(|lease| {
            let over = lease.ends_at.0 <= now_ms;
            over || lease.ends_at.0 >= now_ms + lease_ms + lease_ms / 3 + taken_late_ms(lane)
        })
    }

    /// Notes that grants may allow an outlet so much from now on, for a while ahead.
    pub(super) fn note_lease(&mut self, lane: &Lane, amps: f64, lease_ms: i64, now_ms: i64) {
        let lease = KnownLease {
            amps,
            ends_at: Timestamp(now_ms + lease_ms * (1 + AHEAD_LEASES) + taken_late_ms(lane)),
        };
        let known = KnownOutlet {
            lease: Some(lease),
            ..self.known_or_new(lane)
        };
        self.replace(known);
    }

    /// What grants of the life before may still allow: of these outlets, by index; none if it is not known of all, or
    /// somebody else's outlet is among them.
    pub(super) fn leases(
        &self,
        lanes: &[Lane],
        now_ms: i64,
        margin_ms: i64,
    ) -> Option<Vec<(usize, f64, i64)>> {
        if !self.is_recalled {
            return None;
        }
        let holding = self.memory.outlets.iter().filter_map(|known| {
            let lease = known.lease?;
            (lease.ends_at.0 + margin_ms > now_ms).then_some((known, lease))
        });
        holding
            .map(|(known, lease)| {
                let of = |lane: &Lane| {
                    lane.planned.station == known.station && lane.planned.evse == known.evse
                };
                let index = lanes.iter().position(of)?;
                Some((index, lease.amps, lease.ends_at.0))
            })
            .collect()
    }

    fn replace(&mut self, known: KnownOutlet) {
        let same = |it: &&mut KnownOutlet| it.station == known.station && it.evse == known.evse;
        match self.memory.outlets.iter_mut().find(same) {
            Some(before) if *before == known => return,
            Some(before) => *before = known,
            None => self.memory.outlets.push(known),
        }
        self.changed = true;
    }

    /// Notes how an outlet is granted.
    pub(super) fn note_grants(&mut self, lane: &Lane) {
        if let Some(has_floor) = self.known(lane).map(|it| it.floor_a.is_some()) {
            self.note(lane, has_floor);
        }
    }

    pub(super) fn prefer(&mut self, preferences: SessionPreferences) {
        self.is_over(preferences.session);
        if self.memory.preferences.len() < PREFERENCES_MOST {
            self.memory.preferences.push(preferences);
        }
        self.changed = true;
    }

    pub(super) fn preferences(&self, session: SessionId) -> Option<SessionPreferences> {
        let mut all = self.memory.preferences.iter();
        all.find(|it| it.session == session).copied()
    }

    pub(super) fn is_over(&mut self, session: SessionId) {
        let before = self.memory.preferences.len();
        self.memory.preferences.retain(|it| it.session != session);
        self.changed |= self.memory.preferences.len() < before;
    }

    /// What is to be written, if anything is.
    pub(super) fn changed(&mut self) -> Option<SiteMemory> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.memory.revision += 1;
        Some(self.memory.clone())
    }

    pub(super) fn is_not_written(&mut self) {
        self.changed = true;
    }

    fn known_or_new(&self, lane: &Lane) -> KnownOutlet {
        self.known(lane).cloned().unwrap_or_else(|| KnownOutlet {
            station: lane.planned.station.clone(),
            evse: lane.planned.evse,
            floor_a: None,
            grants_by: None,
            form: ProfileForm::default(),
            unit: None,
            lease: None,
            clock_lag_ms: None,
            disobeyed_a: None,
            forgets: false,
            keeps_grants: false,
        })
    }

    fn known(&self, lane: &Lane) -> Option<&KnownOutlet> {
        let of =
            |it: &&KnownOutlet| it.station == lane.planned.station && it.evse == lane.planned.evse;
        self.memory.outlets.iter().find(of)
    }
}

/// How much later than it was sent a grant of the outlet may begin to last, in ms.
fn taken_late_ms(lane: &Lane) -> i64 {
    if lane.grants_float() {
        TAKEN_LATE_MS
    } else {
        0
    }
}
