//! A car as the charger sees it: it takes current by a curve and is full at some point.
//!
//! Pure arithmetic over simulated seconds, so that a two-hour session can run in two minutes. The current that the car
//! goes for is the least of: what the connector offers, what its cable may carry, what its charger can take, and what the
//! battery takes at its state of charge (all of it to 80 %, then a line down to a tenth at 100 %). It gets there over a
//! few seconds: up in eight from nothing to all, down in two (IEC 61851-1 gives a car five seconds to obey). Where
//! nothing is offered the car pauses.
//!
//! Example: 32 A offered on three phases, an 11 kW car, 50 kWh battery at 30 % with a target of 80 %: it needs 25 kWh, so
//! it is full after about 2 h 16 min.

use rand::RngExt;

use crate::evse::Offer;

/// Seconds from nothing to all that the car can take.
const RISE_SECONDS: f64 = 8.0;
/// Seconds from all that the car can take to nothing.
const FALL_SECONDS: f64 = 2.0;
/// State of charge from which the battery takes less and less.
const TAPER_FROM: f64 = 0.8;
/// Share of the full power that is left at a state of charge of 100 %.
const TAPER_FLOOR: f64 = 0.1;
/// Longest step of the integration, in simulated seconds.
const STEP_SECONDS: f64 = 10.0;
/// Longest step while the current rises or falls.
const RAMP_STEP_SECONDS: f64 = 0.5;
/// What "full" leaves open, in watt-hours: the last crumb would take for ever.
const FULL_WITHIN_WH: f64 = 1.0;
/// The power of a DC charge over the battery's capacity, in W per Wh.
const DC_RATE: f64 = 2.0;

/// One car at a connector, from plugging in until it leaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Car {
    capacity_wh: f64,
    /// What its AC charger can take, per phase.
    most_a: f64,
    phases: u8,
    /// What its cable may carry, per phase.
    cable_a: f64,
    state_of_charge: f64,
    target: f64,
    /// What it takes now, per phase.
    drawn_a: f64,
    taken_wh: f64,
}

impl Car {
    /// A car with the given battery (Wh), greatest AC current (A per phase) and phases (1–3), at `state_of_charge` (0–1),
    /// that wants to reach `target` (0–1).
    pub(crate) fn new(
        capacity_wh: f64,
        most_a: f64,
        phases: u8,
        state_of_charge: f64,
        target: f64,
    ) -> Self {
        let state_of_charge = state_of_charge.clamp(0.0, 1.0);
        let most_a = most_a.max(0.0);
        Self {
            capacity_wh: capacity_wh.max(1.0),
            most_a,
            phases: phases.clamp(1, 3),
            // Cables are sold for 20 and for 32 A.
            cable_a: if most_a <= 20.0 {
                20.0
            } else {
                most_a.max(32.0)
            },
            state_of_charge,
            target: target.clamp(state_of_charge, 1.0),
            drawn_a: 0.0,
            taken_wh: 0.0,
        }
    }

    /// A car that wants this much energy (Wh), and takes all that it can until it has it.
    pub(crate) fn wanting(energy_wh: f64, most_a: f64, phases: u8) -> Self {
        Self::new(
            energy_wh.max(1.0) / TAPER_FROM,
            most_a,
            phases,
            0.0,
            TAPER_FROM,
        )
    }

    /// A car drawn at random from what drives on European roads.
    pub(crate) fn arriving(rng: &mut impl rand::Rng) -> Self {
        const KINDS: [(f64, f64, u8); 5] = [
            (17_800.0, 16.0, 1),
            (41_000.0, 32.0, 1),
            (52_000.0, 16.0, 3),
            (77_000.0, 16.0, 3),
            (94_000.0, 32.0, 3),
        ];
        let (capacity_wh, most_a, phases) = KINDS[rng.random_range(0..KINDS.len())];
        let state_of_charge = rng.random_range(0.10..0.70);
        let target = if rng.random_bool(0.4) { 1.0 } else { 0.8 };
        Self::new(capacity_wh, most_a, phases, state_of_charge, target)
    }

    /// Lets `seconds` of simulated time pass with this on offer; returns the energy taken, in watt-hours.
    pub(crate) fn advance(&mut self, seconds: f64, offer: &Offer) -> f64 {
        let mut left = seconds.max(0.0);
        let mut taken_wh = 0.0;
        while left > 0.0 {
            let goal_a = self.goal_a(offer);
            if goal_a == 0.0 && self.drawn_a == 0.0 {
                break;
            }
            let ramps = goal_a != self.drawn_a;
            let step = left.min(if ramps {
                RAMP_STEP_SECONDS
            } else {
                STEP_SECONDS
            });
            let before_a = self.drawn_a;
            let whole_a = self.most_a(offer);
            self.drawn_a = if goal_a > before_a {
                goal_a.min(before_a + whole_a * step / RISE_SECONDS)
            } else {
                goal_a.max(before_a - whole_a * step / FALL_SECONDS)
            };
            let mean_a = f64::midpoint(before_a, self.drawn_a);
            let energy_wh = (watts(mean_a, self.phases_at(offer), offer) * step / 3600.0)
                .min(self.missing_wh());
            self.state_of_charge =
                (self.state_of_charge + energy_wh / self.capacity_wh).min(self.target);
            if self.is_full() {
                self.drawn_a = 0.0;
            }
            taken_wh += energy_wh;
            left -= step;
        }
        self.taken_wh += taken_wh;
        taken_wh
    }

    /// What it takes now of each phase that it uses, in amperes.
    pub(crate) fn drawn_a(&self) -> f64 {
        self.drawn_a
    }

    /// How many phases it uses here.
    pub(crate) fn phases_at(&self, offer: &Offer) -> u8 {
        if offer.dc {
            offer.phases
        } else {
            self.phases.min(offer.phases)
        }
    }

    /// Whether the car has what it came for.
    pub(crate) fn is_full(&self) -> bool {
        self.missing_wh() <= FULL_WITHIN_WH
    }

    /// State of charge in percent.
    pub(crate) fn soc_percent(&self) -> f64 {
        self.state_of_charge * 100.0
    }

    /// What it has taken since it came, in watt-hours.
    pub(crate) fn taken_wh(&self) -> f64 {
        self.taken_wh
    }

    /// What it still wants, in watt-hours.
    pub(crate) fn missing_wh(&self) -> f64 {
        (self.target - self.state_of_charge) * self.capacity_wh
    }

    /// The current it goes for, per phase.
    fn goal_a(&self, offer: &Offer) -> f64 {
        if self.is_full() {
            return 0.0;
        }
        let over = ((self.state_of_charge - TAPER_FROM) / (1.0 - TAPER_FROM)).clamp(0.0, 1.0);
        let taper = 1.0 - over * (1.0 - TAPER_FLOOR);
        offer.amps.min(self.most_a(offer) * taper)
    }

    /// The most it can take here, per phase.
    fn most_a(&self, offer: &Offer) -> f64 {
        if offer.dc {
            self.capacity_wh * DC_RATE / offer.volts / f64::from(offer.phases.max(1))
        } else {
            self.most_a.min(self.cable_a)
        }
    }
}

/// The power of a current per phase.
pub(crate) fn watts(amps: f64, phases: u8, offer: &Offer) -> f64 {
    amps * offer.volts * f64::from(phases)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::charging::Limit;
    use crate::evse::Evse;

    fn offer(amps: f64) -> Offer {
        Evse::default().offer(Some(Limit { amps, phases: 3 }))
    }

    #[test]
    fn an_eleven_kilowatt_car_needs_two_and_a_quarter_hours_for_25_kwh() {
        let mut car = Car::new(50_000.0, 16.0, 3, 0.3, 0.8);
        let mut seconds = 0.0;
        let mut energy = 0.0;
        while !car.is_full() {
            energy += car.advance(60.0, &offer(32.0));
            seconds += 60.0;
            assert!(seconds < 4.0 * 3600.0, "the car never became full");
        }
        assert!((energy - 25_000.0).abs() < 2.0, "took {energy} Wh");
        assert!((8_100.0..8_400.0).contains(&seconds), "took {seconds} s");
        assert_eq!(car.drawn_a(), 0.0, "a full car takes nothing");
    }

    #[test]
    fn current_rises_in_eight_seconds_falls_in_two_then_tapers_off() {
        let mut car = Car::new(50_000.0, 16.0, 3, 0.7, 1.0);
        car.advance(4.0, &offer(32.0));
        assert_eq!(car.drawn_a(), 8.0);
        car.advance(4.0, &offer(32.0));
        assert_eq!(car.drawn_a(), 16.0);
        car.advance(0.5, &offer(6.0));
        assert_eq!(car.drawn_a(), 12.0);
        car.advance(1.0, &offer(6.0));
        assert_eq!(car.drawn_a(), 6.0);
        while car.soc_percent() < 95.0 {
            car.advance(60.0, &offer(32.0));
        }
        assert!(car.drawn_a() < 0.4 * 16.0, "no taper: {} A", car.drawn_a());
    }

    #[test]
    fn below_six_amperes_nothing_flows() {
        let mut car = Car::new(50_000.0, 16.0, 3, 0.3, 0.8);
        assert_eq!(car.advance(600.0, &offer(5.9)), 0.0);
        assert!(car.advance(600.0, &offer(6.0)) > 0.0);
    }

    #[test]
    fn a_one_phase_car_takes_one_phase_and_a_thin_cable_limits_it() {
        let mut car = Car::new(50_000.0, 32.0, 1, 0.3, 0.8);
        car.advance(60.0, &offer(32.0));
        assert_eq!((car.drawn_a(), car.phases_at(&offer(32.0))), (32.0, 1));
        let mut thin = Car {
            cable_a: 20.0,
            ..Car::new(50_000.0, 32.0, 1, 0.3, 0.8)
        };
        thin.advance(60.0, &offer(32.0));
        assert_eq!(thin.drawn_a(), 20.0);
    }

    #[test]
    fn a_car_that_wants_so_much_takes_it_at_full_current_and_no_more() {
        let mut car = Car::wanting(6_600.0, 32.0, 1);
        let evse = Evse {
            phases: 1,
            volts: 208.0,
            ..Evse::default()
        };
        let taken = car.advance(1_800.0, &evse.offer(None));
        assert!((taken - 32.0 * 208.0 / 2.0).abs() < 10.0, "took {taken} Wh");
        car.advance(7_200.0, &evse.offer(None));
        assert!(car.is_full() && (car.taken_wh() - 6_600.0).abs() < 2.0);
    }

    proptest! {
        #[test]
        fn energy_never_shrinks_and_the_draw_is_within_the_offer_two_seconds_later(
            seed in any::<u64>(),
            steps in proptest::collection::vec((2.0_f64..600.0, 0.0_f64..40.0), 1..60),
        ) {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut car = Car::arriving(&mut rng);
            let before = car.soc_percent();
            let mut total = 0.0;
            let mut last_w = 0.0;
            for (seconds, amps) in steps {
                let offer = offer(amps);
                let energy = car.advance(seconds, &offer);
                prop_assert!(car.drawn_a() <= offer.amps + 1e-9);
                let offered_w = watts(offer.amps, 3, &offer);
                prop_assert!(energy >= 0.0);
                // For up to two seconds it may still take what it took before.
                prop_assert!(energy <= (offered_w * seconds + last_w * FALL_SECONDS) / 3600.0 + 1e-6);
                last_w = watts(car.drawn_a(), 3, &offer);
                total += energy;
            }
            let gained = (car.soc_percent() - before) / 100.0 * car.capacity_wh;
            prop_assert!((gained - total).abs() < 1e-3, "battery gained {} Wh, meter saw {} Wh", gained, total);
            prop_assert!(car.soc_percent() <= 100.0);
        }
    }
}
