//! How much a car is asked for: what its meter shows that it takes, and some room to rise, where that is clearly less than
//! it may take. What it leaves goes to others. Pure.
//!
//! Only grants follow from this, never what is booked: a car that takes less is told less, and what it gives up is somebody
//! else's once that holds at its station, as after any decrease.
//!
//! - A car is asked for less once each of its readings over a minute, three at least, has shown that this frees enough to
//!   be worth a message; at once if its station says that the car suspends charging.
//! - It wants all again at the first reading that shows it clearly above what it took: it has room to show that. So it
//!   does when its readings fail to come, or cannot be trusted.
//! - Each time it does, the next decrease takes four times as long, so that a car whose appetite comes and goes is told
//!   few times a day.

use power::Outlet;

/// For so long, in ms, and in so many readings, a car takes less before it is asked for less.
const LASTS_MS: i64 = 60_000;
const READINGS: u32 = 3;
/// How long a car may take to follow what it is told, in ms: what is read before says nothing.
const REACTS_MS: i64 = 10_000;
/// How far a car may rise above what it takes, in A, or as a part of it.
const ROOM_A: f64 = 4.0;
const ROOM: f64 = 0.1;
/// It uses so much of its room once it wants more. The rest is for cars that draw a little less than they may, and for
/// changes that are too small to be told.
const USED: f64 = 0.375;
/// What is to become free at least, in A, and as a part of what it may take. With the room this is more than stations lie
/// apart that round down to what they can be set to, unless their steps are configured.
const WORTH_A: f64 = 3.0;
const WORTH: f64 = 1.0 / 6.0;
/// How many times as long the next decrease takes after the appetite came back.
const SLOWER: i64 = 4;
/// So often at most: by then it is days.
const SLOWER_MOST: u32 = 6;

/// How much the car of one session takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Appetite {
    /// It is asked for no more than this.
    bound: Option<Bound>,
    /// Readings in a row that show that it takes clearly less than it may.
    spell: Option<Spell>,
    /// How many times it wanted all again.
    returns: u32,
    /// Whether its station says that the car suspends charging.
    is_said_to_rest: bool,
    /// Since when it does, as far as its meter does not show otherwise, in ms.
    rests_since_ms: Option<i64>,
    /// The last reading, and the longest time between two, in ms.
    last_ms: Option<i64>,
    every_ms: i64,
}

/// A reading of what a car takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    /// The greatest of its phases, in A.
    pub(super) amps: f64,
    /// What it may take, in A.
    pub(super) may_a: f64,
    /// Since when it may, in ms.
    pub(super) told_ms: i64,
    /// When it was read, in ms; of an average, when it began and ended.
    pub(super) since_ms: i64,
    pub(super) at_ms: i64,
}

/// What is asked for at most.
#[derive(Debug, Clone, Copy)]
struct Bound {
    amps: f64,
    /// From here on it wants more, in A.
    wants_more_from_a: f64,
}

/// Readings in a row.
#[derive(Debug, Clone, Copy)]
struct Spell {
    since_ms: i64,
    readings: u32,
    /// The most that it took, in A.
    most_a: f64,
}

impl Appetite {
    /// The most that is asked for, per phase in A; none: all that its outlet can give.
    pub(super) fn most_a(&self) -> Option<f64> {
        self.bound.map(|bound| bound.amps)
    }

    /// Its meter is read, and can be trusted.
    pub(super) fn takes(&mut self, taking: Taking, outlet: &Outlet) {
        let Taking { amps, at_ms, .. } = taking;
        match self.last_ms {
            Some(last_ms) if at_ms <= last_ms => return,
            Some(last_ms) => self.every_ms = at_ms - last_ms,
            None => {}
        }
        self.last_ms = Some(at_ms);
        let changed_ms = taking.told_ms.max(self.rests_since_ms.unwrap_or(0));
        if taking.since_ms < changed_ms + REACTS_MS {
            return;
        }
        let rests = (self.rests_since_ms).map(|_| Bound::of(0.0, outlet));
        let wants_more = |bound: Bound| amps >= bound.wants_more_from_a;
        if self.bound.is_some_and(wants_more) {
            return self.wants_all();
        } else if rests.is_some_and(wants_more) {
            self.rests_since_ms = None;
        }
        let frees_a = |took_a: f64| taking.may_a - Bound::of(took_a, outlet).amps;
        let worth_a = (WORTH * taking.may_a).max(WORTH_A);
        if frees_a(amps) < worth_a {
            self.spell = None;
            return;
        }
        let mut spell = self.spell.unwrap_or(Spell {
            since_ms: taking.since_ms,
            readings: 0,
            most_a: amps,
        });
        spell.readings += 1;
        spell.most_a = spell.most_a.max(amps);
        self.spell = Some(spell);
        let is_long =
            spell.readings >= READINGS && at_ms - spell.since_ms >= self.patience_ms(LASTS_MS);
        if is_long && frees_a(spell.most_a) >= worth_a {
            self.bound = Some(Bound::of(spell.most_a, outlet));
            self.spell = None;
        }
    }

    /// Its meter cannot be trusted.
    pub(super) fn is_in_doubt(&mut self) {
        self.spell = None;
        self.last_ms = None;
        if self.bound.is_some() && self.rests_since_ms.is_none() {
            self.wants_all();
        }
    }

    /// Its station says whether the car suspends charging. What it said before and its meter refuted since is nothing new.
    /// Where its meter is read often, it is the meter that shows whether the car goes on.
    pub(super) fn is_said_to_rest(&mut self, rests: bool, now_ms: i64) {
        if self.is_said_to_rest == rests {
            return;
        }
        self.is_said_to_rest = rests;
        self.rests_since_ms = rests.then_some(now_ms);
        let is_read_often = self.last_ms.is_some() && self.every_ms <= LASTS_MS;
        if !rests && self.bound.is_some() && !is_read_often {
            self.wants_all();
        }
    }

    /// Time passes.
    pub(super) fn passes(&mut self, outlet: &Outlet, now_ms: i64) {
        match (self.rests_since_ms, self.last_ms) {
            (Some(since_ms), _) => {
                let soon_ms = if self.returns == 0 { 0 } else { LASTS_MS };
                if now_ms - since_ms >= self.patience_ms(soon_ms) {
                    self.bound = Some(Bound::of(0.0, outlet));
                }
            }
            (None, Some(last_ms)) if now_ms - last_ms > LASTS_MS + 2 * self.every_ms => {
                self.is_in_doubt();
            }
            _ => {}
        }
    }

    fn wants_all(&mut self) {
        self.bound = None;
        self.spell = None;
        self.rests_since_ms = None;
        self.returns = (self.returns + 1).min(SLOWER_MOST);
    }

    fn patience_ms(&self, first_ms: i64) -> i64 {
        first_ms * SLOWER.pow(self.returns)
    }
}

impl Bound {
    /// Of a car that takes so much. It can begin again: never less than the least current of its outlet, nor its floor.
    fn of(took_a: f64, outlet: &Outlet) -> Self {
        let room_a = (ROOM * took_a).max(ROOM_A);
        let least_a = outlet.floor_a.max(outlet.steps.first());
        let amps = outlet.steps.at_least((took_a + room_a).max(least_a));
        Self {
            amps,
            wants_more_from_a: amps - (1.0 - USED) * room_a,
        }
    }
}

#[cfg(test)]
mod tests;
