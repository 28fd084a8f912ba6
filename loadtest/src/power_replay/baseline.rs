//! What others do, to compare with: cars sorted by a rule, each in turn given the most that is feasible; and round robin.

use super::files::{Outlet, Site};
use super::method::Car;

/// How exactly the greatest feasible current is found, in A.
const EXACT_A: f64 = 0.01;
/// What round robin adds in a turn where any current goes, in A.
const TURN_A: f64 = 0.1;

/// Cars in the order of `key`, ties in that of the outlets; each gets the greatest feasible current.
pub(crate) fn sorted(site: &Site, cars: &[Car], key: impl Fn(&Car) -> f64) -> Vec<f64> {
    let mut amps = vec![0.0; site.outlets.len()];
    for index in in_order(cars, key) {
        let car = &cars[index];
        let outlet = &site.outlets[car.outlet];
        let most = outlet.most_a().min(car.amp_periods);
        let mut feasible = |at: f64| {
            amps[car.outlet] = at;
            site.is_feasible(&amps)
        };
        let found = if outlet.continuous {
            greatest(most, &mut feasible)
        } else {
            (steps(outlet, most).into_iter().rev())
                .find(|step| feasible(*step))
                .unwrap_or(0.0)
        };
        amps[car.outlet] = found;
    }
    cars.iter().map(|car| amps[car.outlet]).collect()
}

/// In order of arrival each car gets a little more per turn while that is feasible; then it drops out.
pub(crate) fn round_robin(site: &Site, cars: &[Car]) -> Vec<f64> {
    let mut amps = vec![0.0; site.outlets.len()];
    let ladder: Vec<Vec<f64>> = (cars.iter())
        .map(|car| {
            let outlet = &site.outlets[car.outlet];
            let most = outlet.most_a().min(car.amp_periods);
            if outlet.continuous {
                let count = ((most + TURN_A / 2.0) / TURN_A).ceil() as usize;
                (0..count).map(|turn| turn as f64 * TURN_A).collect()
            } else {
                steps(outlet, most)
            }
        })
        .collect();
    let mut at = vec![0; cars.len()];
    let mut line = in_order(cars, |car| car.arrival as f64);
    while !line.is_empty() {
        line.retain(|&index| {
            let outlet = cars[index].outlet;
            let Some(next) = ladder[index].get(at[index] + 1) else {
                return false;
            };
            let before = amps[outlet];
            amps[outlet] = *next;
            let feasible = site.is_feasible(&amps);
            if feasible {
                at[index] += 1;
            } else {
                amps[outlet] = before;
            }
            feasible
        });
    }
    cars.iter().map(|car| amps[car.outlet]).collect()
}

fn in_order(cars: &[Car], key: impl Fn(&Car) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cars.len()).collect();
    order.sort_by_key(|index| cars[*index].outlet);
    order.sort_by(|a, b| key(&cars[*a]).total_cmp(&key(&cars[*b])));
    order
}

fn steps(outlet: &Outlet, most: f64) -> Vec<f64> {
    (outlet.allowable_a.iter().copied())
        .filter(|a| *a <= most)
        .collect()
}

fn greatest(most: f64, feasible: &mut impl FnMut(f64) -> bool) -> f64 {
    if feasible(most) {
        return most;
    }
    let (mut low, mut high) = (0.0, most);
    while high - low > EXACT_A {
        let middle = f64::midpoint(low, high);
        if feasible(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
