//! The energy meter of a connector, and what it shows at one moment.

use crate::car::{Car, VOLTS};

/// The import register of one connector. It never runs backwards and lives as long as the charger.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Meter {
    register_wh: f64,
}

impl Meter {
    /// A meter that already shows `register_wh` watt-hours.
    pub(crate) fn at(register_wh: f64) -> Self {
        Self {
            register_wh: register_wh.max(0.0),
        }
    }

    /// Counts energy, in watt-hours.
    pub(crate) fn count(&mut self, energy_wh: f64) {
        self.register_wh += energy_wh.max(0.0);
    }

    /// What the meter shows while `car` (if any) is offered `offered_w`.
    pub(crate) fn read(&self, car: Option<&Car>, offered_w: f64) -> Reading {
        let power_w = car.map_or(0.0, |car| car.power_w(offered_w));
        let phases = car.map_or(1.0, |car| f64::from(car.phases()));
        Reading {
            register_wh: self.register_wh as i64,
            power_w,
            current_a: power_w / VOLTS / phases,
            voltage_v: VOLTS,
            soc_percent: car.map(|car| car.soc_percent() as u8),
        }
    }
}

/// The measurands a charger reports at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    /// Energy.Active.Import.Register, in watt-hours.
    pub(crate) register_wh: i64,
    /// Power.Active.Import, in watts.
    pub(crate) power_w: f64,
    /// Current.Import a phase, in amperes.
    pub(crate) current_a: f64,
    /// Voltage, in volts.
    pub(crate) voltage_v: f64,
    /// SoC, in percent; none when no car is there.
    pub(crate) soc_percent: Option<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_goes_on_over_sessions_and_never_back() {
        let mut meter = Meter::at(1_000.0);
        meter.count(250.4);
        meter.count(-50.0);
        assert_eq!(meter.read(None, 11_000.0).register_wh, 1_250);
    }
}
