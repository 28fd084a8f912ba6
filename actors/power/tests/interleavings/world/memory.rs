//! What is remembered of grants, for the next controller: written before they are sent, as a bound, some time ahead.

use power::{Command, Controller};
use rand::RngExt;

use super::{Mutant, SECOND_MS, World};

/// By outlet: the most that grants allow, in A, and until when.
pub(super) type Memory = Vec<Option<(f64, i64)>>;

/// How far ahead it is written.
const AHEAD_MS: i64 = 90 * SECOND_MS;

impl World {
    /// Whether a command is within what is remembered, or that could be written.
    pub(super) fn is_remembered(&mut self, command: &Command, leased_a: f64) -> bool {
        let late_ms = self.stations[command.outlet].habits.taken_late_ms();
        let covers = |(amps, ends_ms): (f64, i64)| {
            command.amps <= amps && command.ends_ms + late_ms <= ends_ms
        };
        let known = self.memory[command.outlet];
        if known.is_some_and(covers) || self.mutant == Mutant::RemembersLess {
            return true;
        }
        if self.random.random_bool(0.05) {
            return false;
        }
        self.memory[command.outlet] = Some((leased_a, self.now_ms + AHEAD_MS + late_ms));
        true
    }

    /// Tells a new controller what the one before it may have granted, so that it has nothing to learn. Of an outlet that
    /// is in the plan no more nobody can be told.
    pub(super) fn recall(&self, controller: &mut Controller) {
        let lasts = |(_, ends_ms): &(f64, i64)| ends_ms + self.settings.margin_ms > self.now_ms;
        let known = self.memory.iter().enumerate();
        let leases: Option<Vec<(usize, f64, i64)>> = known
            .filter_map(|(outlet, lease)| Some((outlet, lease.filter(lasts)?)))
            .map(|(outlet, (amps, ends_ms))| Some((self.plan.place(outlet)?, amps, ends_ms)))
            .collect();
        if let Some(leases) = leases {
            controller.recall(&leases, self.now_ms);
        }
    }
}
