//! Who gets how much. Pure: limits and asks in, currents out.
//!
//! A car whose need is unknown gets its fair share ([`fill`]). Cars whose energy and departure are known trade their
//! shares among themselves by urgency ([`linear`]). Then each current becomes one that its outlet can be set to, what is
//! left over goes to whoever is first in line, and small changes are left out. Last in line is who has the energy that
//! its driver wanted.

mod ask;
mod fill;
mod linear;
mod priority;
mod settle;
mod urgency;

pub use ask::{Ask, Need, Steps};
pub use priority::Priority;
use serde::{Deserialize, Serialize};

use self::fill::Share;
use crate::limits::{Limits, Loading};

/// How currents are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Equal shares, by weight, whatever is known of departures.
    Fair,
    /// Known needs by urgency, unknown ones by fair shares.
    Urgent,
}

/// What allocation goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// How currents are shared.
    pub method: Method,
    /// A change of less than this, in A, is not worth a message, unless a limit needs it.
    pub steady_a: f64,
    /// How long a car charges before it makes room for one that waits, in hours.
    pub turn_h: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            method: Method::Urgent,
            steady_a: 1.5,
            turn_h: 1.0,
        }
    }
}

/// What a car gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grant {
    /// The current, in A.
    pub amps: f64,
    /// Why it is not more; none if it is all that the car asked for.
    pub held_by: Option<Held>,
}

/// Why a car does not get more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// By the limit of this index.
    Limit(usize),
    /// Its outlet has no setting in between, or a change would be too small.
    Step,
}

/// Shares out what the limits leave beside `base` (what to book for each outlet that has no ask, in A). The currents of
/// the asks, in their order; they keep all limits whatever each car draws below its own, if `base` and the least
/// currents of the asks do.
pub fn allocate(limits: &Limits, base: &[f64], asks: &[Ask], rules: &Rules) -> Vec<Grant> {
    let mut floor = Loading::new(limits, base);
    for ask in asks {
        floor.set(ask.outlet, ask.least_a);
    }
    let (known, unknown): (Vec<&Ask>, Vec<&Ask>) = (asks.iter().filter(|ask| !ask.served))
        .partition(|ask| rules.method == Method::Urgent && ask.need.is_some());
    let mut loading = floor.clone();
    let admitted = settle::admit(&mut loading, &unknown, rules);
    let sharing: Vec<Share> = (admitted.into_iter().map(Share::of_unknown))
        .chain(known.iter().copied().map(Share::of_known))
        .collect();
    fill::fill(&mut loading, &sharing);
    if let Some(amps) = linear::solve(&loading, &known) {
        for (ask, amps) in known.iter().zip(amps) {
            loading.set(ask.outlet, amps);
        }
    }
    settle::settle(floor, loading.amps(), asks, rules)
}
