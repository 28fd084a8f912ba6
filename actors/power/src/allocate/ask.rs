//! What a car asks for, and which currents its outlet can be set to.

use serde::{Deserialize, Serialize};

/// What a car at an outlet asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The outlet, by its index in the [`Limits`](crate::Limits).
    pub outlet: usize,
    /// What it has in any case, in A: the floor to which its station falls back by itself.
    pub least_a: f64,
    /// The most it can take now, in A: the least of what outlet, cable, car and the energy still wanted allow. An outlet
    /// that cannot be set to that is set to its next step above, and the car draws less.
    pub most_a: f64,
    /// What its outlet can be set to.
    pub steps: Steps,
    /// Its share compared with that of others; 1 if nobody has priority.
    pub weight: f64,
    /// How much it needs and by when, if that is known.
    pub need: Option<Need>,
    /// It has the energy that its driver wanted: it gets what nobody else wants.
    pub served: bool,
    /// What it is set to now, in A; 0 while it is paused or new.
    pub now_a: f64,
    /// For how long it has been charging, or waiting, without a break, in hours.
    pub since_h: f64,
}

/// How much charge a car needs and how long it stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// Charge still wanted, in Ah of one phase.
    pub ah: f64,
    /// Time until it leaves, in hours; below zero when it has outstayed its word.
    pub hours: f64,
}

/// The currents an outlet can be set to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// 0, or anything from so many A on. On AC that is 6 A (IEC 61851 knows nothing between 0 and 6 A), on DC it may be 0.
    From(f64),
    /// These only, in A; in ascending order, 0 among them by implication.
    Only(Vec<f64>),
}

/// Currents that differ by less, in A, are the same.
pub(crate) const SAME_A: f64 = 1e-9;

impl Steps {
    /// The largest current at or below `amps`.
    pub fn at_most(&self, amps: f64) -> f64 {
        match self {
            Self::From(least) if amps + SAME_A < *least => 0.0,
            Self::From(_) => amps.max(0.0),
            Self::Only(steps) => (steps.iter().copied())
                .take_while(|step| *step <= amps + SAME_A)
                .last()
                .map_or(0.0, |step| step.max(0.0)),
        }
    }

    /// The least current at or above `amps`; the greatest there is if none is.
    pub fn at_least(&self, amps: f64) -> f64 {
        match self {
            _ if amps <= SAME_A => 0.0,
            Self::From(least) => amps.max(*least),
            Self::Only(steps) => (steps.iter().copied())
                .find(|step| *step >= amps - SAME_A)
                .or(steps.last().copied())
                .unwrap_or(0.0),
        }
    }

    /// The next current above `amps` that is not above `most`, if there is one.
    pub fn next(&self, amps: f64, most: f64) -> Option<f64> {
        match self {
            Self::From(least) => {
                let next = if amps + SAME_A < *least { *least } else { most };
                (next > amps + SAME_A && next <= most + SAME_A).then_some(next)
            }
            Self::Only(steps) => (steps.iter().copied())
                .find(|step| *step > amps + SAME_A)
                .filter(|step| *step <= most + SAME_A),
        }
    }

    /// The least current above 0, in A.
    pub fn first(&self) -> f64 {
        match self {
            Self::From(least) => *least,
            Self::Only(steps) => steps.iter().copied().find(|s| *s > SAME_A).unwrap_or(0.0),
        }
    }
}

impl Ask {
    /// How long it could still wait before it must charge at full current until it leaves, in hours.
    pub(crate) fn laxity_h(&self) -> Option<f64> {
        let need = self.need?;
        Some(need.hours - need.ah / self.most_a.max(SAME_A))
    }

    /// The most its outlet is set to, in A.
    pub(crate) fn most(&self) -> f64 {
        self.steps.at_least(self.most_a).max(self.least_a)
    }

    /// Whether it can be given nothing at all.
    pub(crate) fn may_pause(&self) -> bool {
        self.least_a <= SAME_A
    }

    /// Whether it is charging now.
    pub(crate) fn is_charging(&self) -> bool {
        self.now_a > SAME_A
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_between_0_and_6_amperes() {
        let steps = Steps::From(6.0);
        assert_eq!(steps.at_most(5.9), 0.0);
        assert_eq!(steps.at_most(6.0), 6.0);
        assert_eq!(steps.next(0.0, 32.0), Some(6.0));
        assert_eq!(steps.next(6.0, 32.0), Some(32.0));
        assert_eq!(steps.next(32.0, 32.0), None);
        assert_eq!(steps.next(0.0, 5.0), None);
    }

    #[test]
    fn an_outlet_with_steps_is_set_to_one_of_them() {
        let steps = Steps::Only(vec![0.0, 8.0, 16.0]);
        assert_eq!(steps.at_most(15.9), 8.0);
        assert_eq!(steps.at_most(40.0), 16.0);
        assert_eq!(steps.next(8.0, 32.0), Some(16.0));
        assert_eq!(steps.next(8.0, 12.0), None);
        assert_eq!(steps.at_least(8.1), 16.0);
        assert_eq!(steps.at_least(40.0), 16.0);
        assert_eq!(steps.first(), 8.0);
    }
}
