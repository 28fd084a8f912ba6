//! How much an ampere counts, by how long its car can still wait.

use super::ask::Ask;

/// How much more an ampere counts for a car that must charge from now on than for one that has all day. The more, the
/// more energy is delivered by departure; from here on it hardly matters.
const URGENT: f64 = 6.0;
/// The laxity, in hours, at which half of that is left.
const HALF_AT_H: f64 = 1.0;
/// What a car that charges is ahead of its equals. Without it two of the same laxity take turns at every step, each
/// turn a pause for one of them and a message to both.
const CHARGING: f64 = 1.1;

/// The share, beside a car that told nothing, of one that must charge from now on.
const URGENT_SHARE: f64 = 2.0;
/// The laxity, in hours, at which half of that is left: who told nothing is taken for one that can wait so long.
const EQUAL_AT_H: f64 = 2.0;

/// What an ask with a known need weighs among those that told nothing.
pub(crate) fn share(ask: &Ask) -> f64 {
    let laxity_h = ask.laxity_h().unwrap_or(EQUAL_AT_H).max(0.0);
    ask.weight * URGENT_SHARE / (1.0 + laxity_h / EQUAL_AT_H)
}

/// The weight of an ask with a known need. One that has outstayed its word counts like one that must charge from now
/// on: it may leave at any time.
pub(crate) fn weight(ask: &Ask) -> f64 {
    let laxity_h = ask.laxity_h().unwrap_or(f64::INFINITY).max(0.0);
    let urgency = 1.0 + URGENT / (1.0 + laxity_h / HALF_AT_H);
    let charging = if ask.is_charging() { CHARGING } else { 1.0 };
    ask.weight * urgency * charging
}
