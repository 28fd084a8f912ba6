//! The limits of a site in the form that is computed with: how strongly each outlet's current loads each limit.
//!
//! A load is a vector, since currents of different phases meet in one conductor at an angle (a line of a delta, the
//! primary side of a transformer). A limit must hold **whatever the cars leave unused of their grants**: where vectors
//! partly cancel, a car that stops can make the sum larger. So what is compared with a limit is the largest magnitude
//! that any choice of draws between zero and the grants can reach ([`Limits::worst`]).

use std::collections::BTreeMap;

/// A load of less than this per ampere is none.
const NO_LOAD: f64 = 1e-9;
/// Two load vectors that differ by less than this (cosine from 1) have the same direction.
const SAME_DIRECTION: f64 = 1e-12;
/// A direction is at the edge of a half-plane if the sine of the angle between them is at most this.
const ON_THE_EDGE: f64 = 1e-6;

/// How strongly 1 A at an outlet loads a limit, as a vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// The outlet, by its index.
    pub outlet: usize,
    /// Real part, in units of the limit per ampere.
    pub re: f64,
    /// Imaginary part; zero where all loads are in phase.
    pub im: f64,
}

/// One limit: what loads it together stays at or below `most`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// What it is called, for people.
    pub name: String,
    /// The limit, in the unit of the terms: A for a conductor, W for a total.
    pub most: f64,
    directions: Vec<[f64; 2]>,
    /// The choices of directions whose sum can be the longest.
    choices: Vec<Vec<usize>>,
}

/// All limits of a site.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    limits: Vec<Limit>,
    /// By outlet: the limits it loads.
    loads: Vec<Vec<Load>>,
}

/// What 1 A of an outlet adds to one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) limit: usize,
    pub(crate) direction: usize,
    pub(crate) weight: f64,
}

impl Limits {
    /// No limits yet, for so many outlets.
    pub fn new(outlets: usize) -> Self {
        Self {
            limits: Vec::new(),
            loads: vec![Vec::new(); outlets],
        }
    }

    /// Adds a limit. Terms of one outlet are added up; those of outlets that are not there are ignored.
    pub fn push(&mut self, name: impl Into<String>, most: f64, terms: &[Term]) {
        let limit = self.limits.len();
        let mut vectors: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
        for term in terms.iter().filter(|term| term.outlet < self.loads.len()) {
            let vector = vectors.entry(term.outlet).or_default();
            *vector = [vector[0] + term.re, vector[1] + term.im];
        }
        let mut directions: Vec<[f64; 2]> = Vec::new();
        for (outlet, [re, im]) in vectors {
            let weight = re.hypot(im);
            if weight <= NO_LOAD {
                continue;
            }
            let unit = [re / weight, im / weight];
            let known = |d: &[f64; 2]| dot(*d, unit) > 1.0 - SAME_DIRECTION;
            let direction = directions.iter().position(known).unwrap_or_else(|| {
                directions.push(unit);
                directions.len() - 1
            });
            self.loads[outlet].push(Load {
                limit,
                direction,
                weight,
            });
        }
        self.limits.push(Limit {
            name: name.into(),
            most: most.max(0.0),
            choices: half_planes(&directions),
            directions,
        });
    }

    /// The limits, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter()
    }

    /// How many outlets there are.
    pub fn outlets(&self) -> usize {
        self.loads.len()
    }

    /// How many limits there are.
    pub fn len(&self) -> usize {
        self.limits.len()
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Sets what the limit of this index allows.
    pub fn set_most(&mut self, limit: usize, most: f64) {
        self.limits[limit].most = most.max(0.0);
    }

    /// The most that each limit can be loaded when each outlet draws anything up to `amps`.
    pub fn worst(&self, amps: &[f64]) -> Vec<f64> {
        let loading = Loading::new(self, amps);
        (0..self.limits.len()).map(|l| loading.worst(l)).collect()
    }

    pub(crate) fn limit(&self, limit: usize) -> &Limit {
        &self.limits[limit]
    }

    pub(crate) fn loads(&self, outlet: usize) -> &[Load] {
        &self.loads[outlet]
    }
}

impl Limit {
    pub(crate) fn directions(&self) -> &[[f64; 2]] {
        &self.directions
    }

    /// The longest sum that a choice of directions with these lengths has.
    pub(crate) fn worst_sum(&self, lengths: &[f64]) -> [f64; 2] {
        let sums = self.choices.iter().map(|c| self.sum_of(c, lengths));
        sums.max_by(|a, b| dot(*a, *a).total_cmp(&dot(*b, *b)))
            .unwrap_or_default()
    }

    fn sum_of(&self, choice: &[usize], lengths: &[f64]) -> [f64; 2] {
        choice.iter().fold([0.0, 0.0], |sum, &index| {
            let ([x, y], length) = (self.directions[index], lengths[index]);
            [sum[0] + x * length, sum[1] + y * length]
        })
    }

    /// What rounding may make of a sum that is exactly at the limit.
    pub(crate) fn tolerance(&self) -> f64 {
        1e-9 * self.most.abs().max(1.0)
    }
}

/// The limits under some currents.
#[derive(Debug, Clone)]
pub(crate) struct Loading<'a> {
    limits: &'a Limits,
    amps: Vec<f64>,
    /// By limit and direction.
    sums: Vec<Vec<f64>>,
}

impl<'a> Loading<'a> {
    pub(crate) fn new(limits: &'a Limits, amps: &[f64]) -> Self {
        let mut loading = Self {
            limits,
            amps: vec![0.0; limits.outlets()],
            sums: (limits.iter().map(|l| vec![0.0; l.directions.len()])).collect(),
        };
        for (outlet, &amps) in amps.iter().enumerate() {
            loading.set(outlet, amps);
        }
        loading
    }

    /// The same limits with nothing on.
    pub(crate) fn unloaded(&self) -> Self {
        Self::new(self.limits, &[])
    }

    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// By outlet.
    pub(crate) fn amps(&self) -> &[f64] {
        &self.amps
    }

    pub(crate) fn sums(&self, limit: usize) -> &[f64] {
        &self.sums[limit]
    }

    pub(crate) fn set(&mut self, outlet: usize, amps: f64) {
        let change = amps - self.amps[outlet];
        if change == 0.0 {
            return;
        }
        for load in self.limits.loads(outlet) {
            self.sums[load.limit][load.direction] += change * load.weight;
        }
        self.amps[outlet] = amps;
    }

    pub(crate) fn worst(&self, limit: usize) -> f64 {
        let [x, y] = self.limits.limit(limit).worst_sum(&self.sums[limit]);
        x.hypot(y)
    }

    /// Whether the limit holds.
    pub(crate) fn holds(&self, limit: usize) -> bool {
        let it = self.limits.limit(limit);
        self.worst(limit) <= it.most + it.tolerance()
    }

    /// Whether the outlet's limits hold with so much at it.
    pub(crate) fn fits(&mut self, outlet: usize, amps: f64) -> bool {
        let before = self.amps[outlet];
        self.set(outlet, amps);
        let fits = (self.limits.loads(outlet).iter()).all(|load| self.holds(load.limit));
        self.set(outlet, before);
        fits
    }

    /// The first of the outlet's limits that does not hold with so much at it.
    pub(crate) fn first_broken(&self, outlet: usize, amps: f64) -> Option<usize> {
        let mut with = self.clone();
        with.set(outlet, amps);
        let mut limits = self.limits.loads(outlet).iter().map(|load| load.limit);
        limits.find(|limit| !with.holds(*limit))
    }

    /// By how much the outlet can rise before one of its limits is met, in A.
    pub(crate) fn room(&self, outlet: usize) -> f64 {
        let of = |load: &Load| {
            let it = self.limits.limit(load.limit);
            let [x, y] = it.directions[load.direction];
            let rise = [x * load.weight, y * load.weight];
            (it.choices.iter())
                .filter(|choice| choice.contains(&load.direction))
                .map(|c| crossing(it.sum_of(c, &self.sums[load.limit]), rise, it.most))
                .fold(f64::INFINITY, f64::min)
        };
        (self.limits.loads(outlet).iter())
            .map(of)
            .fold(f64::INFINITY, f64::min)
    }

    /// By how much every outlet can rise at once, each at its rate, before a limit is met.
    pub(crate) fn headroom(&self, rates: &Loading<'_>) -> f64 {
        let of = |limit: usize| {
            let it = self.limits.limit(limit);
            let (sums, rates) = (&self.sums[limit], &rates.sums[limit]);
            (it.choices.iter())
                .map(|c| crossing(it.sum_of(c, sums), it.sum_of(c, rates), it.most))
                .fold(f64::INFINITY, f64::min)
        };
        (0..self.limits.len()).map(of).fold(f64::INFINITY, f64::min)
    }
}

/// The choices of directions whose sum can be the longest: those that lie within one half-plane. The half-plane turns
/// once around; which directions it holds changes only where its edge passes one.
fn half_planes(directions: &[[f64; 2]]) -> Vec<Vec<usize>> {
    let mut choices = Vec::new();
    for edge in directions {
        for side in [1.0, -1.0] {
            for with_edge in [true, false] {
                let holds = |d: &[f64; 2]| {
                    let cross = side * (edge[0] * d[1] - edge[1] * d[0]);
                    cross > ON_THE_EDGE
                        || (with_edge && cross >= -ON_THE_EDGE && dot(*edge, *d) > 0.0)
                };
                let choice: Vec<usize> = (directions.iter().enumerate())
                    .filter(|(_, direction)| holds(direction))
                    .map(|(index, _)| index)
                    .collect();
                if !choice.is_empty() && !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
        }
    }
    choices
}

/// The greatest t >= 0 up to which |at + t * rise| <= most; 0 if it is at or above that already.
fn crossing(at: [f64; 2], rise: [f64; 2], most: f64) -> f64 {
    let (a, b, c) = (dot(rise, rise), dot(at, rise), dot(at, at) - most * most);
    if a <= f64::MIN_POSITIVE || most == f64::INFINITY {
        return f64::INFINITY;
    }
    if c >= 0.0 {
        return 0.0;
    }
    // One root on each side of zero; written so that nothing cancels.
    let root = (b * b - a * c).sqrt();
    if b > 0.0 {
        -c / (b + root)
    } else {
        (root - b) / a
    }
}

pub(crate) fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}
