//! What the controller shows, and when somebody should look.

use crate::allocate::Held;
use crate::limits::Limits;
use crate::tree::Outlet;

use super::Controller;

/// An outlet, for people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutletView {
    /// What it was last told, or falls back to, per phase in A.
    pub granted_a: f64,
    /// What it is to be told as soon as there is room for it, per phase in A; none if it cannot be told.
    pub goal_a: Option<f64>,
    /// What it may draw, as far as can be known, per phase in A.
    pub booked_a: f64,
    /// What it was last seen to draw, the greatest of its phases in A.
    pub measured_a: Option<f64>,
    /// Why it does not get more; none if it gets all it asks for, or asks for nothing.
    pub held_by: Option<Held>,
}

/// Something that somebody should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// This outlet cannot be limited, or is not known to have its floor: it is booked at the most it can draw.
    CannotLimit(usize),
    /// This outlet drew more than it may.
    Overdrawn(usize),
    /// This outlet has more than its floor and shows nothing of what it draws: it is booked at the most it can draw.
    Unverified(usize),
    /// This outlet draws and no session is known there: it is booked at the most it can draw.
    Outside(usize),
    /// This outlet refuses grants.
    Refuses(usize),
    /// This outlet's station leaves commands unanswered.
    Silent(usize),
    /// The meter of this node tells less often than it did: the worse of what it told and what is planned for is reckoned with.
    MeterSilent(usize),
    /// What may be drawn below this limit is more than it allows, after a sudden cut or while outlets cannot be limited.
    Exceeded(usize),
    /// What this limit leaves is less than outlets draw in any case: they stay at their floors.
    BelowFloors(usize),
}

impl Controller {
    /// The outlet of this index.
    pub fn view(&self, outlet: usize, now_ms: i64) -> OutletView {
        let state = &self.outlets[outlet];
        OutletView {
            granted_a: state.set_to(&self.site.outlets()[outlet], now_ms),
            goal_a: state.grant.map(|grant| grant.amps),
            booked_a: self.booked_a(outlet),
            measured_a: state.measured_a.map(|(amps, _)| amps),
            held_by: state.grant.and_then(|grant| grant.held_by),
        }
    }

    /// Whether the outlet has more than its floor by what it was told and did not refuse.
    pub fn is_raised(&self, outlet: usize, now_ms: i64) -> bool {
        let floor_a = self.site.outlets()[outlet].floor_a;
        self.outlets[outlet].book.is_raised(floor_a, now_ms)
    }

    /// Whether it still learns what its predecessor granted.
    pub fn is_learning(&self, now_ms: i64) -> bool {
        now_ms < self.learns_until_ms
    }

    /// Until when it does, if it still does, in ms since 1970.
    pub fn learns_until_ms(&self, now_ms: i64) -> Option<i64> {
        self.is_learning(now_ms).then_some(self.learns_until_ms)
    }

    pub(super) fn alarms(&self, budget: Option<&Limits>, now_ms: i64) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for (outlet, (it, state)) in self.site.outlets().iter().zip(&self.outlets).enumerate() {
            if it.unlimitable || state.floor_a.is_none() {
                alarms.push(Alarm::CannotLimit(outlet));
            }
            if state.book.is_suspect() {
                alarms.push(Alarm::Overdrawn(outlet));
            }
            if state.is_unverified {
                alarms.push(Alarm::Unverified(outlet));
            }
            if state.is_outside {
                alarms.push(Alarm::Outside(outlet));
            }
            if state.refused_until_ms.is_some() {
                alarms.push(Alarm::Refuses(outlet));
            }
            if state.is_silent(&self.settings, now_ms) {
                alarms.push(Alarm::Silent(outlet));
            }
        }
        let metered = self.metered.iter();
        let silent = metered.filter(|(_, metered)| metered.is_silent(now_ms));
        let mut silent: Vec<usize> = silent.map(|(node, _)| *node).collect();
        silent.sort_unstable();
        alarms.extend(silent.into_iter().map(Alarm::MeterSilent));
        if let Some(budget) = budget {
            let outlets = self.site.outlets().iter();
            let always: Vec<f64> = outlets.map(Outlet::always_a).collect();
            let (worst, least) = (budget.worst(&self.booked()), budget.worst(&always));
            for (index, limit) in budget.iter().enumerate() {
                let is_above = |amps: f64| amps > limit.most + 1e-6;
                if is_above(least[index]) {
                    alarms.push(Alarm::BelowFloors(index));
                } else if is_above(worst[index]) {
                    alarms.push(Alarm::Exceeded(index));
                }
            }
        }
        alarms
    }
}
