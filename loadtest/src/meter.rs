//! The energy meter of a connector, and what it shows at one moment.

use crate::car::{Car, watts};
use crate::evse::Offer;
use crate::faults::Faults;

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

    /// What the meter shows with `car` (if any) at this offer.
    pub(crate) fn read(&self, car: Option<&Car>, offer: &Offer, by_phase: bool) -> Reading {
        let (amps, phases) = car.map_or((0.0, offer.phases), |car| {
            (car.drawn_a(), car.phases_at(offer))
        });
        let mut current_a = [0.0; 3];
        current_a[..usize::from(phases.min(3))].fill(amps);
        Reading {
            register_wh: self.register_wh as i64,
            power_w: watts(amps, phases, offer),
            current_a,
            // Behind a rectifier there are no phases to tell of.
            by_phase: (by_phase && !offer.dc).then_some(offer.phases),
            voltage_v: offer.volts,
            soc_percent: car.map(|car| car.soc_percent() as u8),
            only_register: false,
            only_voltage: false,
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
    /// Current.Import of each phase, in amperes.
    pub(crate) current_a: [f64; 3],
    /// Current and voltage are told for each of so many phases; else once, the current that of the phase with the most.
    pub(crate) by_phase: Option<u8>,
    /// Voltage, in volts.
    pub(crate) voltage_v: f64,
    /// SoC, in percent; none when no car is there.
    pub(crate) soc_percent: Option<u8>,
    /// Nothing but the register is told.
    pub(crate) only_register: bool,
    /// Nothing but the voltage is told.
    pub(crate) only_voltage: bool,
}

impl Reading {
    /// As a meter with such faults tells it.
    pub(crate) fn told_with(mut self, faults: &Faults) -> Self {
        self.only_register = faults.only_register;
        self.only_voltage = faults.only_voltage;
        self
    }

    /// What is told of current and voltage: the phase, if it is told, with its amperes and volts.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Option<usize>, f64, f64)> {
        let most = self.current_a.iter().copied().fold(0.0, f64::max);
        let lines = match self.by_phase {
            None => vec![(None, most, self.voltage_v)],
            Some(phases) => (0..usize::from(phases.min(3)))
                .map(|phase| (Some(phase), self.current_a[phase], self.voltage_v))
                .collect(),
        };
        lines.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evse::Evse;

    #[test]
    fn the_register_goes_on_over_sessions_and_never_back() {
        let mut meter = Meter::at(1_000.0);
        meter.count(250.4);
        meter.count(-50.0);
        let offer = Evse::default().offer(None);
        assert_eq!(meter.read(None, &offer, true).register_wh, 1_250);
    }

    #[test]
    fn what_a_meter_shows_of_a_one_phase_car_fits_together() {
        let offer = Evse::default().offer(None);
        let mut car = Car::new(50_000.0, 16.0, 1, 0.3, 0.8);
        car.advance(60.0, &offer);
        let reading = Meter::default().read(Some(&car), &offer, true);
        assert_eq!(reading.current_a, [16.0, 0.0, 0.0]);
        assert_eq!(reading.power_w, 16.0 * 230.0);
        let lines: Vec<_> = reading.lines().collect();
        assert_eq!(
            lines,
            [
                (Some(0), 16.0, 230.0),
                (Some(1), 0.0, 230.0),
                (Some(2), 0.0, 230.0)
            ]
        );
        let plain = Meter::default().read(Some(&car), &offer, false);
        assert_eq!(plain.lines().collect::<Vec<_>>(), [(None, 16.0, 230.0)]);
    }
}
