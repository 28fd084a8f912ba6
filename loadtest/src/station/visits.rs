//! Cars whose stay is known beforehand.

use std::time::Instant;

use super::Station;
use crate::car::Car;
use crate::connector::Visitor;
use crate::desk::Now;
use crate::visit::Visit;

/// The cars that are still to come, the first last.
pub(super) struct Visits {
    from: Instant,
    coming: Vec<Visit>,
}

impl Visits {
    pub(super) fn new(from: Instant, mut coming: Vec<Visit>) -> Self {
        coming.sort_by_key(|visit| std::cmp::Reverse(visit.arrives));
        Self { from, coming }
    }

    /// When the next one comes.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(self.from + self.coming.last()?.arrives)
    }
}

impl Station {
    /// These cars will come.
    pub(crate) fn expect(&mut self, from: Instant, visits: Vec<Visit>) {
        self.visits = Some(Box::new(Visits::new(from, visits)));
    }

    /// Lets those in that are due.
    pub(super) fn welcome_visitors(&mut self, now: Now) {
        while let Some(visits) = &mut self.visits {
            if visits.next().is_none_or(|at| at > now.instant) {
                return;
            }
            let from = visits.from;
            let Some(visit) = visits.coming.pop() else {
                return;
            };
            let visitor = Visitor {
                car: Car::wanting(visit.energy_wh, visit.most_a, visit.phases),
                leaves: from + visit.leaves,
            };
            let index = (visit.connector as usize).checked_sub(1);
            if let Some(connector) = index.and_then(|index| self.connectors.get_mut(index)) {
                connector.arrive(&mut self.desk, visitor, now);
            }
        }
    }
}
