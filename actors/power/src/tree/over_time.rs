//! Limits that hold at times: peak hours, set-points of the grid operator.

use serde::{Deserialize, Serialize};

/// A tighter limit for a time. Of several the tightest holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cap {
    /// From when, in ms since 1970 (UTC).
    pub from_ms: i64,
    /// Until when; none for until it is lifted.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// It comes again every so many ms: a day, a week.
    #[serde(default)]
    pub every_ms: Option<i64>,
    /// What each phase may carry, in A.
    #[serde(default)]
    pub most_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W.
    #[serde(default)]
    pub most_w: Option<f64>,
}

impl Cap {
    /// Whether it holds at any time from `from_ms` up to and with `to_ms`.
    pub fn holds_within(&self, from_ms: i64, to_ms: i64) -> bool {
        let Some(until_ms) = self.until_ms else {
            return to_ms >= self.from_ms;
        };
        let Some(every_ms) = self.every_ms.filter(|every| *every > 0) else {
            return to_ms >= self.from_ms && from_ms < until_ms;
        };
        // The last time it begins before the window's end.
        let times = (to_ms - self.from_ms).div_euclid(every_ms);
        times >= 0 && from_ms < until_ms + times * every_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(until_ms: Option<i64>, every_ms: Option<i64>) -> Cap {
        Cap {
            from_ms: 100,
            until_ms,
            every_ms,
            most_a: None,
            most_w: None,
        }
    }

    #[test]
    fn a_cap_holds_from_its_begin_until_its_end() {
        let once = cap(Some(200), None);
        assert!(!once.holds_within(0, 99));
        assert!(once.holds_within(0, 100));
        assert!(once.holds_within(199, 300));
        assert!(!once.holds_within(200, 300));
        assert!(cap(None, None).holds_within(1_000_000, 1_000_000));
    }

    #[test]
    fn a_cap_comes_again() {
        let daily = cap(Some(200), Some(1_000));
        assert!(daily.holds_within(3_150, 3_150));
        assert!(!daily.holds_within(3_200, 4_099));
        assert!(daily.holds_within(3_200, 4_100));
        assert!(!daily.holds_within(0, 50));
    }
}
