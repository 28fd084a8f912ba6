//! Priorities as weights: of a station, of a group of users, of an empty battery, of a driver who must leave.

use serde::{Deserialize, Serialize};

/// What speaks for a session. Its weight is the product: of two sessions the one with twice the weight gets twice the
/// share, and by urgency goes first when both can wait equally long. Nobody is starved by another's priority.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Priority {
    /// Of its station; 1 is usual.
    pub station: f64,
    /// Of the group its user belongs to; 1 is usual.
    pub group: f64,
    /// Its battery's charge in percent, if known.
    pub battery_pct: Option<f64>,
    /// How long its driver says it stays, in hours, where its energy is not known (where it is, the need says it all).
    pub stays_h: Option<f64>,
}

/// How much more an empty battery weighs than a full one.
const EMPTY: f64 = 1.0;
/// How much more weighs who leaves at once than who stays long.
const LEAVING: f64 = 1.0;
/// The range of weights, so that no product of settings starves anybody.
const RANGE: std::ops::RangeInclusive<f64> = 0.1..=10.0;

impl Priority {
    /// Its weight.
    pub fn weight(&self) -> f64 {
        let battery = self.battery_pct.map_or(1.0, |pct| {
            1.0 + EMPTY * (1.0 - pct.clamp(0.0, 100.0) / 100.0)
        });
        let leaving = self
            .stays_h
            .map_or(1.0, |hours| 1.0 + LEAVING / (1.0 + hours.max(0.0)));
        let weight = self.station * self.group * battery * leaving;
        if weight.is_nan() {
            return 1.0;
        }
        weight.clamp(*RANGE.start(), *RANGE.end())
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self {
            station: 1.0,
            group: 1.0,
            battery_pct: None,
            stays_h: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_for_a_session_is_multiplied_within_bounds() {
        let usual = Priority::default();
        assert_eq!(usual.weight(), 1.0);
        assert_eq!(
            Priority {
                group: 2.0,
                battery_pct: Some(0.0),
                ..usual
            }
            .weight(),
            4.0
        );
        assert_eq!(
            Priority {
                battery_pct: Some(100.0),
                ..usual
            }
            .weight(),
            1.0
        );
        assert_eq!(
            Priority {
                stays_h: Some(-1.0),
                ..usual
            }
            .weight(),
            2.0
        );
        assert_eq!(
            Priority {
                station: 1e9,
                ..usual
            }
            .weight(),
            10.0
        );
        assert_eq!(
            Priority {
                station: f64::NAN,
                ..usual
            }
            .weight(),
            1.0
        );
    }
}
