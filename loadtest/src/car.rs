//! A car as the charger sees it: it takes power by a curve and is full at some point.
//!
//! Pure arithmetic over simulated seconds, so that a two-hour session can run in two minutes. The power that the car
//! takes is the least of: what the charger offers, what the car can take while its charger ramps up (the first half
//! minute), and what the battery takes at its state of charge (full power to 80 %, then a line down to a tenth of it at
//! 100 %). A car cannot charge below 6 A a phase (IEC 61851-1): under that it takes nothing.
//!
//! Example: 22 kW offered, an 11 kW car, 50 kWh battery at 30 % with a target of 80 %: it needs 25 kWh, so it is full
//! after about 2 h 17 min.

use rand::RngExt;

/// Line voltage between a phase and neutral, in volts.
pub(crate) const VOLTS: f64 = 230.0;
/// The least current that a car charges with, in amperes a phase (IEC 61851-1).
pub(crate) const MIN_AMPERES: f64 = 6.0;
/// Seconds until the car takes the full power.
const RAMP_SECONDS: f64 = 30.0;
/// State of charge from which the battery takes less and less.
const TAPER_FROM: f64 = 0.8;
/// Share of the full power that is left at a state of charge of 100 %.
const TAPER_FLOOR: f64 = 0.1;
/// Longest step of the integration, in simulated seconds.
const STEP_SECONDS: f64 = 10.0;
/// What "full" leaves open, in watt-hours: the last crumb would take for ever.
const FULL_WITHIN_WH: f64 = 1.0;

/// One car at a connector, from plugging in until it leaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Car {
    capacity_wh: f64,
    max_power_w: f64,
    phases: u8,
    state_of_charge: f64,
    target: f64,
    charging_seconds: f64,
}

impl Car {
    /// A car with the given battery (Wh), greatest AC power (W) and phases (1–3), at `state_of_charge` (0–1), that
    /// wants to reach `target` (0–1).
    pub(crate) fn new(
        capacity_wh: f64,
        max_power_w: f64,
        phases: u8,
        state_of_charge: f64,
        target: f64,
    ) -> Self {
        let state_of_charge = state_of_charge.clamp(0.0, 1.0);
        Self {
            capacity_wh: capacity_wh.max(1.0),
            max_power_w: max_power_w.max(0.0),
            phases: phases.clamp(1, 3),
            state_of_charge,
            target: target.clamp(state_of_charge, 1.0),
            charging_seconds: 0.0,
        }
    }

    /// A car drawn at random from what drives on European roads.
    pub(crate) fn arriving(rng: &mut impl rand::Rng) -> Self {
        const KINDS: [(f64, f64, u8); 5] = [
            (17_800.0, 3_680.0, 1),
            (41_000.0, 7_360.0, 1),
            (52_000.0, 11_040.0, 3),
            (77_000.0, 11_040.0, 3),
            (94_000.0, 22_080.0, 3),
        ];
        let (capacity_wh, max_power_w, phases) = KINDS[rng.random_range(0..KINDS.len())];
        let state_of_charge = rng.random_range(0.10..0.70);
        let target = if rng.random_bool(0.4) { 1.0 } else { 0.8 };
        Self::new(capacity_wh, max_power_w, phases, state_of_charge, target)
    }

    /// Lets `seconds` of simulated time pass with `offered_w` on offer; returns the energy taken, in watt-hours.
    pub(crate) fn advance(&mut self, seconds: f64, offered_w: f64) -> f64 {
        let mut left = seconds.max(0.0);
        let mut taken_wh = 0.0;
        while left > 0.0 {
            let power_w = self.power_w(offered_w);
            if power_w == 0.0 {
                break;
            }
            let step = left.min(STEP_SECONDS);
            let energy_wh = (power_w * step / 3600.0).min(self.missing_wh());
            self.state_of_charge =
                (self.state_of_charge + energy_wh / self.capacity_wh).min(self.target);
            self.charging_seconds += step;
            taken_wh += energy_wh;
            left -= step;
        }
        taken_wh
    }

    /// The power the car takes now, in watts, when `offered_w` is on offer.
    pub(crate) fn power_w(&self, offered_w: f64) -> f64 {
        if self.is_full() || offered_w < MIN_AMPERES * VOLTS * f64::from(self.phases) {
            return 0.0;
        }
        let ramp = (0.1 + 0.9 * self.charging_seconds / RAMP_SECONDS).min(1.0);
        let over = ((self.state_of_charge - TAPER_FROM) / (1.0 - TAPER_FROM)).clamp(0.0, 1.0);
        let taper = 1.0 - over * (1.0 - TAPER_FLOOR);
        offered_w.min(self.max_power_w * ramp * taper)
    }

    /// Whether the car has what it came for.
    pub(crate) fn is_full(&self) -> bool {
        self.missing_wh() <= FULL_WITHIN_WH
    }

    /// State of charge in percent.
    pub(crate) fn soc_percent(&self) -> f64 {
        self.state_of_charge * 100.0
    }

    /// How many phases the car charges with.
    pub(crate) fn phases(&self) -> u8 {
        self.phases
    }

    fn missing_wh(&self) -> f64 {
        (self.target - self.state_of_charge) * self.capacity_wh
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn an_eleven_kilowatt_car_needs_two_and_a_quarter_hours_for_25_kwh() {
        let mut car = Car::new(50_000.0, 11_000.0, 3, 0.3, 0.8);
        let mut seconds = 0.0;
        let mut energy = 0.0;
        while !car.is_full() {
            energy += car.advance(60.0, 22_000.0);
            seconds += 60.0;
            assert!(seconds < 4.0 * 3600.0, "the car never became full");
        }
        assert!((energy - 25_000.0).abs() < 2.0, "took {energy} Wh");
        assert!((8_100.0..8_400.0).contains(&seconds), "took {seconds} s");
    }

    #[test]
    fn power_ramps_up_then_tapers_off() {
        let mut car = Car::new(50_000.0, 10_000.0, 3, 0.7, 1.0);
        let first = car.power_w(22_000.0);
        car.advance(60.0, 22_000.0);
        let plateau = car.power_w(22_000.0);
        while car.soc_percent() < 95.0 {
            car.advance(60.0, 22_000.0);
        }
        let late = car.power_w(22_000.0);
        assert!(first < 0.2 * plateau, "no ramp: {first} then {plateau}");
        assert!(late < 0.4 * plateau, "no taper: {plateau} then {late}");
    }

    #[test]
    fn below_six_amperes_nothing_flows() {
        let mut car = Car::new(50_000.0, 11_000.0, 3, 0.3, 0.8);
        assert_eq!(car.advance(600.0, 4_000.0), 0.0);
        assert!(car.advance(600.0, 4_140.0) > 0.0);
    }

    proptest! {
        #[test]
        fn energy_never_shrinks_and_power_stays_within_the_offer(
            seed in any::<u64>(),
            steps in proptest::collection::vec((0.0_f64..600.0, 0.0_f64..30_000.0), 1..60),
        ) {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut car = Car::arriving(&mut rng);
            let before = car.soc_percent();
            let mut total = 0.0;
            for (seconds, offered) in steps {
                let power = car.power_w(offered);
                prop_assert!((0.0..=offered).contains(&power));
                let energy = car.advance(seconds, offered);
                prop_assert!(energy >= 0.0);
                prop_assert!(energy <= offered * seconds / 3600.0 + 1e-6);
                total += energy;
            }
            let gained = (car.soc_percent() - before) / 100.0 * car.capacity_wh;
            prop_assert!((gained - total).abs() < 1e-3, "battery gained {} Wh, meter saw {} Wh", gained, total);
            prop_assert!(car.soc_percent() <= 100.0);
        }
    }
}
