//! From what would be ideal to what outlets can be set to: whose turn it is where not all can charge at once, steps,
//! steadiness, leftovers.

use crate::limits::Loading;

use super::ask::{Ask, SAME_A, Steps};
use super::{Grant, Held, Method, Rules, urgency};

/// The `sharing` asks that charge, where not all can have their outlet's least current at once; `loading` gets that
/// current for each. The others wait, and the longer they wait the sooner it is their turn.
pub(crate) fn admit<'a>(
    loading: &mut Loading<'_>,
    sharing: &[&'a Ask],
    rules: &Rules,
) -> Vec<&'a Ask> {
    let mut line = sharing.to_vec();
    line.sort_by(|a, b| place(a, rules).total_cmp(&place(b, rules)));
    line.retain(|ask| {
        let first = ask.least_a.max(ask.steps.first());
        let fits = first <= ask.most() + SAME_A && loading.fits(ask.outlet, first);
        if fits {
            loading.set(ask.outlet, first);
        }
        fits
    });
    line
}

/// Where in line an ask is, the first lowest: whose turn has not ended, then who waits, the longest first, then whose
/// turn has ended, the longest last.
fn place(ask: &Ask, rules: &Rules) -> f64 {
    /// Longer than anybody waits, in hours.
    const BEYOND: f64 = 1e6;
    match (ask.is_charging(), ask.since_h < rules.turn_h) {
        _ if !ask.may_pause() => -2.0 * BEYOND,
        (true, true) => ask.since_h - BEYOND,
        (false, _) => -ask.since_h * ask.weight,
        (true, false) => ask.since_h + BEYOND,
    }
}

/// Turns the ideal currents into such as the outlets can be set to. `floor` has what is given in any case.
pub(crate) fn settle(floor: Loading<'_>, ideal: &[f64], asks: &[Ask], rules: &Rules) -> Vec<Grant> {
    let mut loading = floor;
    let line = in_line(asks, rules);
    for ask in &line {
        // The solver's tolerance may have left the ideal a little outside.
        let fitting = ideal[ask.outlet].min(loading.amps()[ask.outlet] + loading.room(ask.outlet));
        let amps = ask.steps.at_most(fitting).max(ask.least_a);
        loading.set(ask.outlet, amps);
    }
    stay(&mut loading, asks, rules);
    hand_out(&mut loading, &line, rules);
    (asks.iter())
        .map(|ask| Grant {
            amps: loading.amps()[ask.outlet],
            held_by: held_by(&loading, ask, rules),
        })
        .collect()
}

/// Who gets what is left over first; who is served, last.
fn in_line<'a>(asks: &'a [Ask], rules: &Rules) -> Vec<&'a Ask> {
    let mut line: Vec<&Ask> = asks.iter().collect();
    match rules.method {
        Method::Urgent => {
            line.sort_by(|a, b| urgency::weight(b).total_cmp(&urgency::weight(a)));
        }
        Method::Fair => line.sort_by(|a, b| place(a, rules).total_cmp(&place(b, rules))),
    }
    line.sort_by_key(|ask| ask.served);
    line
}

/// Leaves outlets at what they are set to where the change would be small: first those that would rise, which makes
/// room, then those that would fall, as far as there is room.
fn stay(loading: &mut Loading<'_>, asks: &[Ask], rules: &Rules) {
    let small = |ask: &Ask, amps: f64| {
        ask.is_charging()
            && (amps - ask.now_a).abs() < rules.steady_a
            && (ask.least_a..=ask.most()).contains(&ask.now_a)
    };
    for ask in asks {
        let amps = loading.amps()[ask.outlet];
        if amps > ask.now_a && small(ask, amps) {
            loading.set(ask.outlet, ask.now_a);
        }
    }
    for ask in asks {
        let amps = loading.amps()[ask.outlet];
        if amps < ask.now_a && small(ask, amps) && loading.fits(ask.outlet, ask.now_a) {
            loading.set(ask.outlet, ask.now_a);
        }
    }
}

/// Gives what is left over to those who want it, then to those who are served: by urgency all that the first in line can
/// take, where departures are known; the others in turn.
fn hand_out(loading: &mut Loading<'_>, line: &[&Ask], rules: &Rules) {
    let (served, wanting): (Vec<&Ask>, Vec<&Ask>) = line.iter().partition(|it| it.served);
    for open in [wanting, served] {
        let (known, unknown): (Vec<&Ask>, Vec<&Ask>) =
            (open.iter()).partition(|it| rules.method == Method::Urgent && it.need.is_some());
        for ask in known {
            while raise(loading, ask, ask.most(), rules) {}
        }
        raise_in_turn(loading, unknown, rules);
    }
}

/// A step each to whoever has least for its weight, as far as there is room.
fn raise_in_turn(loading: &mut Loading<'_>, mut open: Vec<&Ask>, rules: &Rules) {
    while let Some(next) = (0..open.len()).min_by(|a, b| {
        let share = |i: usize| loading.amps()[open[i].outlet] / open[i].weight.max(SAME_A);
        share(*a).total_cmp(&share(*b))
    }) {
        let ask = open[next];
        let step = step_above(loading.amps()[ask.outlet], ask, rules);
        if !raise(loading, ask, step, rules) {
            open.remove(next);
        }
    }
}

/// How far an outlet that has so much rises in a turn: where any current goes, as little as is worth a message, or to
/// where it is set already.
fn step_above(amps: f64, ask: &Ask, rules: &Rules) -> f64 {
    let is_near = ask.now_a > amps + SAME_A && ask.now_a <= amps + 2.0 * rules.steady_a;
    match ask.steps {
        Steps::From(_) if amps > SAME_A && is_near => ask.now_a,
        Steps::From(_) if amps > SAME_A => amps + rules.steady_a,
        _ => ask.most(),
    }
}

/// Raises an outlet to its next step, no higher than `to` and as far as there is room, if that is worth it; false if it
/// stays.
fn raise(loading: &mut Loading<'_>, ask: &Ask, to: f64, rules: &Rules) -> bool {
    let amps = loading.amps()[ask.outlet];
    let most = ask.most().min(to).min(amps + loading.room(ask.outlet));
    let Some(next) = ask.steps.next(amps, most) else {
        return false;
    };
    if next - ask.now_a >= rules.steady_a - SAME_A {
        loading.set(ask.outlet, next);
        return true;
    }
    // Back to where it is set already costs no message.
    let back = ask.steps.at_most(next.min(ask.now_a));
    let is_back = back > amps + SAME_A;
    if is_back {
        loading.set(ask.outlet, back);
    }
    is_back
}

fn held_by(loading: &Loading<'_>, ask: &Ask, rules: &Rules) -> Option<Held> {
    let amps = loading.amps()[ask.outlet];
    let next = ask.steps.next(amps, ask.most())?;
    // Where any current goes, the least that is worth a message is what does not fit.
    let next = match ask.steps {
        Steps::From(_) if amps > SAME_A => next.min(amps + rules.steady_a.max(0.1)),
        _ => next,
    };
    Some((loading.first_broken(ask.outlet, next)).map_or(Held::Step, Held::Limit))
}
