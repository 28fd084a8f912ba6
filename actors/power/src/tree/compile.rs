//! The tree as a flat list of limits, and what each of them allows at a time.

use std::collections::HashMap;

use crate::limits::{Limits, Term};

use super::check;
use super::{Cap, Feed, Node, Outlet, Phase, SiteError};

/// A checked site: its outlets in one list, its limits in another.
#[derive(Debug, Clone)]
pub struct Site {
    outlets: Vec<Outlet>,
    nodes: Vec<Part>,
    /// By node: the index behind the last one below it.
    ends: Vec<usize>,
    measures: Vec<Measure>,
    limits: Limits,
    phase_v: f64,
}

/// What a limit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The node, by its index.
    pub node: usize,
    /// The phase, in A; none for all together, in W.
    pub phase: Option<Phase>,
}

/// A node without what hangs on it.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    most_a: Option<[f64; 3]>,
    most_w: Option<f64>,
    unmanaged_a: [f64; 3],
    caps: Vec<Cap>,
}

impl Site {
    /// Checks the tree; `phase_v` is the voltage of a phase to neutral.
    ///
    /// # Errors
    ///
    /// What makes the tree impossible, or impossible to keep safe while its stations are on their own.
    pub fn new(root: &Node, phase_v: f64) -> Result<Self, SiteError> {
        check::shape(root)?;
        let mut site = Self {
            outlets: Vec::new(),
            nodes: Vec::new(),
            ends: Vec::new(),
            measures: Vec::new(),
            limits: Limits::default(),
            phase_v,
        };
        let mut members = Vec::new();
        site.gather(root, &mut members);
        site.limits = Limits::new(site.outlets.len());
        for (node, outlets) in members.iter().enumerate() {
            site.add_limits(node, outlets);
        }
        site.check_floors()?;
        Ok(site)
    }

    /// Lists a node and all below it; returns the outlets below.
    fn gather(&mut self, node: &Node, members: &mut Vec<Vec<usize>>) -> Vec<usize> {
        let index = self.nodes.len();
        self.nodes.push(Part {
            name: node.name.clone(),
            most_a: node.most_a,
            most_w: node.most_w,
            unmanaged_a: node.unmanaged_a,
            caps: node.caps.clone(),
        });
        self.ends.push(0);
        members.push(Vec::new());
        let mut below: Vec<usize> = Vec::new();
        for outlet in &node.outlets {
            below.push(self.outlets.len());
            self.outlets.push(outlet.clone());
        }
        for child in &node.nodes {
            below.extend(self.gather(child, members));
        }
        self.ends[index] = self.nodes.len();
        members[index].clone_from(&below);
        below
    }

    /// Every node has all four limits, some of them infinite, since a cap may come later.
    fn add_limits(&mut self, node: usize, outlets: &[usize]) {
        for phase in [Phase::L1, Phase::L2, Phase::L3] {
            let terms: Vec<Term> = (outlets.iter())
                .filter_map(|&outlet| term(outlet, &self.outlets[outlet].feed, phase))
                .collect();
            self.push(node, Some(phase), &terms);
        }
        let terms: Vec<Term> = (outlets.iter())
            .map(|&outlet| Term {
                outlet,
                re: self.outlets[outlet].watts(1.0, self.phase_v),
                im: 0.0,
            })
            .collect();
        self.push(node, None, &terms);
    }

    fn push(&mut self, node: usize, phase: Option<Phase>, terms: &[Term]) {
        let part = &self.nodes[node];
        let name = match phase {
            Some(phase) => format!("{} {phase:?}", part.name),
            None => format!("{} power", part.name),
        };
        let most = part.most(phase).unwrap_or(f64::INFINITY);
        self.measures.push(Measure { node, phase });
        self.limits.push(name, most, terms);
    }

    /// Floors must fit below every limit that ever holds, with the unmanaged load at its most.
    fn check_floors(&self) -> Result<(), SiteError> {
        let floors: Vec<f64> = self.outlets.iter().map(Outlet::always_a).collect();
        let worst = self.limits.worst(&floors);
        for (index, (measure, limit)) in self.measures.iter().zip(self.limits.iter()).enumerate() {
            let part = &self.nodes[measure.node];
            let most = (part.caps.iter())
                .filter_map(|cap| cap_most(cap, measure.phase))
                .fold(limit.most, f64::min);
            let unmanaged: f64 = (self.within(measure.node))
                .map(|node| self.unmanaged(index, self.nodes[node].unmanaged_a))
                .sum();
            let booked = worst[index] + unmanaged;
            if booked > most + 1e-6 {
                return Err(SiteError::Floors {
                    limit: limit.name.clone(),
                    booked,
                    most,
                });
            }
        }
        Ok(())
    }

    /// Its outlets; an outlet's index is its place here.
    pub fn outlets(&self) -> &[Outlet] {
        &self.outlets
    }

    /// Its limits at their configured values, without caps and unmanaged load.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the limit of this index measures.
    pub fn measure(&self, limit: usize) -> Measure {
        self.measures[limit]
    }

    /// The name of the node of this index.
    pub fn node_name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// The node that the outlet of this index hangs on.
    pub fn node_of(&self, outlet: usize) -> usize {
        // A node comes behind those above it.
        let loads = self.limits.loads(outlet).iter();
        let nodes = loads.map(|load| self.measures[load.limit].node);
        nodes.max().unwrap_or(0)
    }

    /// The first limit of the node of this index that the outlet of this index loads: none where it is not below.
    pub fn limit_of(&self, outlet: usize, node: usize) -> Option<usize> {
        let loads = self.limits.loads(outlet).iter();
        let mut limits = loads.map(|load| load.limit);
        limits.find(|limit| self.measures[*limit].node == node)
    }

    /// The most that is drawn at the node of this index beside outlets, as configured, per phase in A.
    pub fn unmanaged_a(&self, node: usize) -> [f64; 3] {
        self.nodes[node].unmanaged_a
    }

    /// Whether the outlet of this index loads the limit of this index.
    pub fn loads(&self, outlet: usize, limit: usize) -> bool {
        let mut loads = self.limits.loads(outlet).iter();
        loads.any(|load| load.limit == limit)
    }

    /// The voltage of a phase to neutral.
    pub fn phase_v(&self) -> f64 {
        self.phase_v
    }

    /// The node of this name, by its index.
    pub fn node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// Adds a cap to a node, such as a set-point of the grid operator. It may be below the floors: then outlets stay at
    /// their floors, and an alarm says so.
    ///
    /// # Errors
    ///
    /// A cap that cannot be.
    pub fn add_cap(&mut self, node: usize, cap: Cap) -> Result<(), SiteError> {
        check::cap(&cap, &self.nodes[node].name)?;
        self.nodes[node].caps.push(cap);
        Ok(())
    }

    /// Lifts the caps of a node for which this is true.
    pub fn lift_caps(&mut self, node: usize, lift: impl Fn(&Cap) -> bool) {
        self.nodes[node].caps.retain(|cap| !lift(cap));
    }

    /// The least that each limit leaves for outlets from `from_ms` up to and with `to_ms`, beside this unmanaged load
    /// (by node, per phase in A; none where no meter tells, and the configured most is booked).
    pub fn budget(
        &self,
        from_ms: i64,
        to_ms: i64,
        unmanaged_a: &HashMap<usize, [f64; 3]>,
    ) -> Limits {
        let mut limits = self.limits.clone();
        for (index, measure) in self.measures.iter().enumerate() {
            let most = self.most(index, from_ms, to_ms);
            let taken: f64 = (self.within(measure.node))
                .map(|node| {
                    let told = unmanaged_a.get(&node).copied();
                    self.unmanaged(index, told.unwrap_or(self.nodes[node].unmanaged_a))
                })
                .sum();
            limits.set_most(index, most - taken);
        }
        limits
    }

    /// The least that may flow through the limit of this index from `from_ms` up to and with `to_ms`, outlets and all else.
    pub fn most(&self, limit: usize, from_ms: i64, to_ms: i64) -> f64 {
        let Measure { node, phase } = self.measures[limit];
        let part = &self.nodes[node];
        (part.caps.iter())
            .filter(|cap| cap.holds_within(from_ms, to_ms))
            .filter_map(|cap| cap_most(cap, phase))
            .fold(part.most(phase).unwrap_or(f64::INFINITY), f64::min)
    }

    /// The node and all below it: they are listed right behind it.
    fn within(&self, node: usize) -> impl Iterator<Item = usize> {
        node..self.ends[node]
    }

    /// What an unmanaged load per phase is in the unit of a limit.
    fn unmanaged(&self, limit: usize, amps: [f64; 3]) -> f64 {
        match self.measures[limit].phase {
            Some(phase) => amps[phase as usize],
            None => self.phase_v * amps.iter().sum::<f64>(),
        }
    }
}

impl Part {
    fn most(&self, phase: Option<Phase>) -> Option<f64> {
        match phase {
            Some(phase) => Some(self.most_a?[phase as usize]),
            None => self.most_w,
        }
    }
}

fn cap_most(cap: &Cap, phase: Option<Phase>) -> Option<f64> {
    match phase {
        Some(phase) => Some(cap.most_a?[phase as usize]),
        None => cap.most_w,
    }
}

/// What 1 A at an outlet is in a phase: in phase with others between that phase and neutral, at an angle between phases.
fn term(outlet: usize, feed: &Feed, phase: Phase) -> Option<Term> {
    let (re, im) = match feed {
        Feed::Phases(phases) => phases.contains(&phase).then_some((1.0, 0.0))?,
        Feed::Dc => (1.0, 0.0),
        // Seen from the phase's own voltage, what flows between it and the next leads by 30 degrees, between it and
        // the one before lags by 30.
        Feed::Between(a, b) => {
            let other = if *a == phase {
                *b
            } else if *b == phase {
                *a
            } else {
                return None;
            };
            let next = (phase as usize + 1) % 3 == other as usize;
            let angle = if next { 30_f64 } else { -30_f64 }.to_radians();
            (angle.cos(), angle.sin())
        }
    };
    Some(Term { outlet, re, im })
}
