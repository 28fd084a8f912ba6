//! What the controller goes by.

use crate::allocate::Rules;

/// What the controller goes by; times in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How long a grant lasts at the station.
    pub lease_ms: i64,
    /// How much later than we think it may end there: its clock may be so much behind, and it takes time to obey.
    pub margin_ms: i64,
    /// When a grant is renewed, after it was sent.
    pub renew_ms: i64,
    /// Who leaves a command unanswered for so long is silent: it is told no more until it says something.
    pub silent_ms: i64,
    /// Who leaves a decrease unanswered for so long is not waited for: the others make room for what it has.
    pub lowers_ms: i64,
    /// How long one who refused is offered no more; twice as long each time it refuses again.
    pub refused_ms: i64,
    /// Who has more than its floor and shows nothing of what it does for so long is taken for unverified.
    pub verify_ms: i64,
    /// How old a reading may be.
    pub fresh_ms: i64,
    /// How much more than allowed a meter may show, in A.
    pub tolerance_a: f64,
    /// How current is shared.
    pub rules: Rules,
}

impl Settings {
    /// How long a grant may have effect after it was sent: the longest for which a site whose hub is gone is above the sum
    /// of its floors.
    pub fn lasts_ms(&self) -> i64 {
        self.lease_ms + self.margin_ms
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_ms: 45_000,
            margin_ms: 15_000,
            renew_ms: 15_000,
            silent_ms: 30_000,
            lowers_ms: 3_000,
            refused_ms: 300_000,
            verify_ms: 120_000,
            fresh_ms: 60_000,
            tolerance_a: 1.0,
            rules: Rules::default(),
        }
    }
}
