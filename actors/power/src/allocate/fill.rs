//! Max-min fairness by progressive filling: all rise together, each at its weight, until a limit holds it back or it has
//! what it asked for; the others rise on.

use crate::limits::Loading;

use super::ask::{Ask, SAME_A};
use super::urgency;

/// An ask with what its share weighs.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    ask: &'a Ask,
    weight: f64,
}

impl<'a> Share<'a> {
    /// Of one whose need is unknown: its priority.
    pub(crate) fn of_unknown(ask: &'a Ask) -> Self {
        Self::weighing(ask, ask.weight)
    }

    /// Of one whose need is known: the less time it can wait, the more. What several of these have they trade.
    pub(crate) fn of_known(ask: &'a Ask) -> Self {
        Self::weighing(ask, urgency::share(ask))
    }

    fn weighing(ask: &'a Ask, weight: f64) -> Self {
        let weight = weight.max(SAME_A);
        Self { ask, weight }
    }

    fn amps(&self, loading: &Loading<'_>) -> f64 {
        loading.amps()[self.ask.outlet]
    }

    /// How high it has risen.
    fn level(&self, loading: &Loading<'_>) -> f64 {
        self.amps(loading) / self.weight
    }
}

/// Raises the currents of these asks as far as is fair, from what `loading` has on. Who has more than a share already
/// waits until the others have as much.
pub(crate) fn fill(loading: &mut Loading<'_>, shares: &[Share<'_>]) {
    let mut open = shares.to_vec();
    loop {
        // Whose next bit does not fit is held back for good: nobody falls again.
        open.retain(|it| {
            it.amps(loading) + SAME_A < it.ask.most() && loading.room(it.ask.outlet) > BIT_A
        });
        let level = (open.iter())
            .map(|it| it.level(loading))
            .fold(f64::INFINITY, f64::min);
        let (lowest, others): (Vec<Share>, Vec<Share>) =
            (open.iter()).partition(|it| it.level(loading) <= level + SAME_A);
        let mut rates = loading.unloaded();
        for it in &lowest {
            rates.set(it.ask.outlet, it.weight);
        }
        let until_served = (lowest.iter())
            .map(|it| (it.ask.most() - it.amps(loading)) / it.weight)
            .fold(f64::INFINITY, f64::min);
        let until_joined = (others.iter())
            .map(|it| it.level(loading) - level)
            .fold(f64::INFINITY, f64::min);
        let rise = until_served.min(until_joined).min(loading.headroom(&rates));
        let heaviest = lowest.iter().map(|it| it.weight).fold(0.0, f64::max);
        // Nobody is left; or together they do not fit though each alone would, by less than rounding.
        if !rise.is_finite() || rise * heaviest <= SAME_A {
            return;
        }
        for it in &lowest {
            let after = it.amps(loading) + rise * it.weight;
            loading.set(it.ask.outlet, after.min(it.ask.most()));
        }
    }
}

/// Room for less than this, in A, is none.
const BIT_A: f64 = 1e-6;
