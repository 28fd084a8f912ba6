//! Max-min fairness by progressive filling: all rise together, each at its weight, until a limit holds it back or it has
//! what it asked for; the others rise on.

use crate::limits::Loading;

use super::ask::{Ask, SAME_A};

/// Raises the currents of these asks as far as is fair, from what `loading` has on. Who has more than a share already
/// waits until the others have as much.
pub(crate) fn fill(loading: &mut Loading<'_>, asks: &[&Ask]) {
    let share = |loading: &Loading<'_>, ask: &Ask| loading.amps()[ask.outlet] / weight(ask);
    let mut open: Vec<&Ask> = asks.to_vec();
    loop {
        // Whose next bit does not fit is held back for good: nobody falls again.
        open.retain(|ask| {
            let amps = loading.amps()[ask.outlet];
            amps + SAME_A < ask.most() && loading.room(ask.outlet) > BIT_A
        });
        let level = (open.iter())
            .map(|ask| share(loading, ask))
            .fold(f64::INFINITY, f64::min);
        let (lowest, others): (Vec<&Ask>, Vec<&Ask>) =
            (open.iter()).partition(|ask| share(loading, ask) <= level + SAME_A);
        let mut rates = loading.unloaded();
        for ask in &lowest {
            rates.set(ask.outlet, weight(ask));
        }
        let until_served = (lowest.iter())
            .map(|ask| (ask.most() - loading.amps()[ask.outlet]) / weight(ask))
            .fold(f64::INFINITY, f64::min);
        let until_joined = (others.iter())
            .map(|ask| share(loading, ask) - level)
            .fold(f64::INFINITY, f64::min);
        let rise = until_served.min(until_joined).min(loading.headroom(&rates));
        // Nobody is left; or together they do not fit though each alone would, by less than rounding.
        if !rise.is_finite() || rise * weight_of(&lowest) <= SAME_A {
            return;
        }
        for ask in &lowest {
            let after = loading.amps()[ask.outlet] + rise * weight(ask);
            loading.set(ask.outlet, after.min(ask.most()));
        }
    }
}

/// Room for less than this, in A, is none.
const BIT_A: f64 = 1e-6;

fn weight(ask: &Ask) -> f64 {
    ask.weight.max(SAME_A)
}

fn weight_of(asks: &[&Ask]) -> f64 {
    asks.iter().map(|ask| weight(ask)).fold(0.0, f64::max)
}
