//! The most urgent energy first: a linear program over this one step, in which a car's ampere counts the more the less
//! time it can still wait.
//!
//! A limit on a sum of vectors is a circle, not a line. The program starts with a few tangents to it and gets the one
//! it needs whenever a solution lies outside, so it ends at the circle itself rather than at a polygon within.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

use crate::limits::{Limits, Load, Loading, dot};

use super::ask::{Ask, SAME_A};
use super::urgency;

/// How far outside a limit a solution may lie before another tangent is added, relative to the limit. What is left is
/// taken off at the end.
const OUTSIDE: f64 = 1e-5;
/// The most tangents a solution may ask for; two or three are usual.
const ROUNDS: usize = 30;

/// The currents that serve what is urgent best, in the order of `asks`, beside what `loading` has at other outlets; none
/// if there is nothing to solve or the solver failed.
pub(crate) fn solve(loading: &Loading<'_>, asks: &[&Ask]) -> Option<Vec<f64>> {
    if asks.is_empty() {
        return None;
    }
    let limits = loading.limits();
    let mut loading = loading.clone();
    for ask in asks {
        loading.set(ask.outlet, 0.0);
    }
    let mut rows: Vec<Row> = (0..limits.len())
        .flat_map(|limit| first_rows(limits, limit))
        .collect();
    for _ in 0..ROUNDS {
        let amps = optimum(&loading, asks, &rows)?;
        let mut with = loading.clone();
        for (ask, amps) in asks.iter().zip(&amps) {
            with.set(ask.outlet, *amps);
        }
        let before = rows.len();
        rows.extend((0..limits.len()).filter_map(|limit| tangent(&with, limits, limit)));
        if rows.len() == before {
            return Some(amps);
        }
    }
    None
}

/// A half-plane that the sum of a limit must lie in.
struct Row {
    limit: usize,
    /// What the sum's component in the half-plane's direction gains by each direction of the limit; never below zero,
    /// since a car may draw less than it was granted.
    gain: Vec<f64>,
}

impl Row {
    fn towards(limits: &Limits, limit: usize, normal: [f64; 2]) -> Self {
        let directions = limits.limit(limit).directions().iter();
        Self {
            limit,
            gain: directions.map(|d| dot(*d, normal).max(0.0)).collect(),
        }
    }
}

/// For loads in phase the limit itself; otherwise its tangents in the direction of each load and between them.
fn first_rows(limits: &Limits, limit: usize) -> Vec<Row> {
    let directions = limits.limit(limit).directions();
    let mut normals = directions.to_vec();
    for (index, a) in directions.iter().enumerate() {
        for b in &directions[index + 1..] {
            let sum = [a[0] + b[0], a[1] + b[1]];
            let length = sum[0].hypot(sum[1]);
            if length > 1e-6 {
                normals.push([sum[0] / length, sum[1] / length]);
            }
        }
    }
    (normals.into_iter())
        .map(|normal| Row::towards(limits, limit, normal))
        .collect()
}

/// The tangent that cuts this solution off, if it lies outside the limit.
fn tangent(with: &Loading<'_>, limits: &Limits, limit: usize) -> Option<Row> {
    let it = limits.limit(limit);
    let [x, y] = it.worst_sum(with.sums(limit));
    let length = x.hypot(y);
    let outside = length > it.most * (1.0 + OUTSIDE) + SAME_A;
    (outside && it.directions().len() > 1)
        .then(|| Row::towards(limits, limit, [x / length, y / length]))
}

fn optimum(loading: &Loading<'_>, asks: &[&Ask], rows: &[Row]) -> Option<Vec<f64>> {
    let limits = loading.limits();
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let variables: Vec<Variable> = (asks.iter())
        .map(|ask| problem.add_var(urgency::weight(ask), (ask.least_a, ask.most())))
        .collect();
    let mut by_limit: Vec<Vec<(Variable, Load)>> = vec![Vec::new(); limits.len()];
    for (ask, variable) in asks.iter().zip(&variables) {
        for load in limits.loads(ask.outlet) {
            by_limit[load.limit].push((*variable, *load));
        }
    }
    for row in rows {
        let taken: f64 = (row.gain.iter().zip(loading.sums(row.limit)))
            .map(|(gain, sum)| gain * sum)
            .sum();
        let terms: Vec<(Variable, f64)> = (by_limit[row.limit].iter())
            .map(|(variable, load)| (*variable, row.gain[load.direction] * load.weight))
            .filter(|(_, factor)| *factor > SAME_A)
            .collect();
        if !terms.is_empty() && limits.limit(row.limit).most.is_finite() {
            let room = limits.limit(row.limit).most - taken;
            problem.add_constraint(terms, ComparisonOp::Le, room);
        }
    }
    let solution = problem.solve().ok()?.into_solution().ok()?;
    Some(variables.iter().map(|v| solution.var_value(*v)).collect())
}
