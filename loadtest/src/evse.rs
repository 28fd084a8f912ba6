//! How an EVSE is built, and what it offers to a car.
//!
//! Everything is told in amperes per phase on the side of the grid, for DC too: there it is what the rectifier takes of
//! each of its three phases. AC knows nothing between 0 and 6 A (IEC 61851-1), and the control pilot speaks in steps.
//!
//! Example: an EVSE of 32 A, three phases of 230 V and steps of 1 A that is limited to 9,500 W offers 13 A (13.77 rounded
//! down) on each of three phases, 8,970 W; limited to 4,000 W it offers nothing, since 5.8 A are below 6 A.

use crate::charging::Limit;

/// The least current that a car charges with, in amperes a phase (IEC 61851-1).
pub(crate) const MIN_AMPERES: f64 = 6.0;
/// What a limit may lack of a whole step and still count as that step: a sum of watts is rarely exact.
const STEP_SLACK_A: f64 = 1e-6;

/// How the EVSEs of a charger are built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evse {
    /// The phases it is wired to, 1 to 3. A DC EVSE has three.
    pub phases: u8,
    /// The most it can take, in amperes per phase.
    pub amps: f64,
    /// Volts between a phase and neutral, or, with one phase, between the two conductors it is wired to.
    pub volts: f64,
    /// AC current is set in steps of so many amperes; 0 for any current.
    pub step_a: f64,
    /// Whether it charges with DC: then it may be limited in watts only, and knows no least current.
    pub dc: bool,
}

impl Default for Evse {
    /// 22 kW AC, in whole amperes.
    fn default() -> Self {
        Self {
            phases: 3,
            amps: 32.0,
            volts: 230.0,
            step_a: 1.0,
            dc: false,
        }
    }
}

/// What a connector offers a car at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offer {
    /// Amperes per phase; 0 while it is paused.
    pub(crate) amps: f64,
    pub(crate) phases: u8,
    pub(crate) volts: f64,
    pub(crate) dc: bool,
}

impl Evse {
    /// What it takes at most, in watts.
    #[must_use]
    pub fn watts(&self) -> f64 {
        self.amps * self.volts * f64::from(self.phases)
    }

    /// What it offers under this limit; everything it can without one.
    pub(crate) fn offer(&self, limit: Option<Limit>) -> Offer {
        let phases = limit.map_or(self.phases, |limit| limit.phases.min(self.phases));
        let amps = limit.map_or(self.amps, |limit| limit.amps.clamp(0.0, self.amps));
        let amps = if self.dc {
            amps
        } else {
            let amps = if self.step_a > 0.0 {
                ((amps + STEP_SLACK_A) / self.step_a).floor() * self.step_a
            } else {
                amps
            };
            if amps < MIN_AMPERES { 0.0 } else { amps }
        };
        Offer {
            amps: if phases == 0 { 0.0 } else { amps },
            phases,
            volts: self.volts,
            dc: self.dc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(evse: Evse, amps: f64) -> f64 {
        evse.offer(Some(Limit { amps, phases: 3 })).amps
    }

    #[test]
    fn ac_is_offered_in_whole_amperes_of_six_or_more() {
        let evse = Evse::default();
        assert_eq!(evse.offer(None).amps, 32.0);
        for (limit, offer) in [
            (13.8, 13.0),
            (6.0, 6.0),
            (5.999, 0.0),
            (0.0, 0.0),
            (40.0, 32.0),
            (-3.0, 0.0),
        ] {
            assert_eq!(offered(evse, limit), offer, "{limit} A");
        }
        // 9,660 W over three phases are 14 A, though the division says 13.999….
        assert_eq!(offered(evse, 9_660.0 / 230.0 / 3.0), 14.0);
    }

    #[test]
    fn dc_has_neither_steps_nor_a_least_current() {
        let evse = Evse {
            amps: 100.0,
            dc: true,
            ..Evse::default()
        };
        assert_eq!(offered(evse, 2.35), 2.35);
    }

    #[test]
    fn a_profile_for_one_phase_leaves_one() {
        let offer = Evse::default().offer(Some(Limit {
            amps: 16.0,
            phases: 1,
        }));
        assert_eq!((offer.amps, offer.phases), (16.0, 1));
    }
}
