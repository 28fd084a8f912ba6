//! A network as a hub can be told it: a tree of breakers. And the same limits in the form that the other methods are
//! replayed with, so that all share what they share under the same limits.
//!
//! EVSEs at the angles of a star (0°, −120°, 120°) hang on a phase each, those at the angles of a delta (30°, −90°, 150°)
//! between two; if all are at one angle, on one phase, whichever it is. A breaker limits lines, so each constraint is told
//! as a limit of the lines of its EVSEs, low enough that it is never exceeded ([`share`]): exact for a circuit and for the
//! lines of a delta, as near as a tree comes to the other side of a transformer. EVSEs that are limited together are a
//! part of the tree; parts that overlap are told as one.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{Constraint, Network};
use crate::power_site::grid::{Circuit, Conductor, Grid, Outlet, Term, Wiring};

/// How far an angle may be off, in degrees.
const SAME_ANGLE: f64 = 1.0;
/// The angles of the voltages L1, L2 and L3, then L1–L2, L2–L3 and L3–L1.
const ANGLES: [f64; 6] = [0.0, -120.0, 120.0, 30.0, -90.0, 150.0];

/// A network as it is told, at a cap.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) grid: Grid,
    /// The constraints that stand for it.
    pub(super) constraints: Vec<Constraint>,
}

/// The network at this cap; stations are called by `name`.
pub(super) fn told(
    network: &Network,
    cap_kw: f64,
    name: impl Fn(&str) -> String,
) -> Result<Told, String> {
    let wirings = wirings(network)?;
    let mut parts: Vec<Part> = Vec::new();
    for constraint in &network.constraints {
        let most_a = constraint.most_a(cap_kw)? / share(&factors(network, &wirings, constraint));
        add(&mut parts, Part::of(network, &wirings, constraint, most_a));
    }
    let mut parts = nested(parts);
    // Sites of one limit for all have it at the grid connection; the others have one there that never matters.
    let count = network.evses.len();
    let most_a = match parts.first() {
        Some(all) if all.outlets().count() == count => parts.remove(0).most_a,
        _ => network.evses.iter().map(|it| 2.0 * it.most_a()).sum(),
    };
    let smallest_with = |all: &[usize], before: usize| {
        (0..before)
            .rev()
            .find(|part| all.iter().all(|it| parts[*part].has(*it)))
    };
    let outlets = (network.evses.iter().zip(&wirings).enumerate())
        .map(|(index, (evse, wiring))| Outlet {
            station: name(&evse.id),
            wiring: *wiring,
            most_a: evse.most_a(),
            floor_a: 0.0,
            steps_a: match evse.continuous {
                true => Vec::new(),
                false => (evse.allowable_a.iter().copied())
                    .filter(|it| *it > 0.0)
                    .collect(),
            },
            circuit: smallest_with(&[index], parts.len()),
        })
        .collect();
    let circuits = (parts.iter().enumerate())
        .map(|(index, part)| Circuit {
            name: part.name.clone(),
            most_a: part.most_a,
            within: smallest_with(&part.outlets().collect::<Vec<_>>(), index),
        })
        .collect();
    let volts = network.evses.first().map_or(230.0, |it| it.voltage_v);
    let grid = Grid {
        phase_v: match wirings.first() {
            Some(Wiring::Between(..)) => volts / 3_f64.sqrt(),
            _ => volts,
        },
        most_a,
        circuits,
        outlets,
    };
    let constraints = lines(network, &grid);
    Ok(Told { grid, constraints })
}

impl Told {
    /// The conductors of the network, all its own constraints among them, whether they could be told or not.
    pub(super) fn conductors(
        &self,
        network: &Network,
        cap_kw: f64,
    ) -> Result<Vec<Conductor>, String> {
        (network.constraints.iter())
            .map(|constraint| {
                let terms = (network.evses.iter().enumerate())
                    .filter_map(|(outlet, evse)| {
                        let coeff = constraint.coeff.get(&evse.id)?;
                        let angle = evse.phase_angle_deg.to_radians();
                        Some(Term {
                            outlet,
                            phase: 0,
                            re: coeff * angle.cos(),
                            im: coeff * angle.sin(),
                        })
                    })
                    .collect();
                Ok(Conductor {
                    name: constraint.name.clone(),
                    most_a: constraint.most_a(cap_kw)?,
                    terms,
                })
            })
            .collect()
    }
}

/// How each EVSE is wired, by its angle.
fn wirings(network: &Network) -> Result<Vec<Wiring>, String> {
    let angle = |index: usize| network.evses[index].phase_angle_deg;
    let count = network.evses.len();
    if (1..count).all(|index| (angle(index) - angle(0)).abs() < SAME_ANGLE) {
        return Ok(vec![Wiring::One(0); count]);
    }
    (0..count)
        .map(|index| {
            let place = (ANGLES.iter()).position(|it| (angle(index) - it).abs() < SAME_ANGLE);
            match place {
                Some(phase @ 0..3) => Ok(Wiring::One(phase)),
                Some(pair) => Ok(Wiring::Between(pair - 3, (pair - 2) % 3)),
                None => Err(format!(
                    "evse {}: no phase and no two phases of a three-phase system are at {} degrees",
                    network.evses[index].id,
                    angle(index)
                )),
            }
        })
        .collect()
}

/// The place of a wiring among [`ANGLES`].
fn place(wiring: Wiring) -> usize {
    match wiring {
        Wiring::Between(from, _) => 3 + from,
        Wiring::One(phase) => phase,
        Wiring::Three(_) | Wiring::Dc => 0,
    }
}

/// The factors of a constraint by the place of their EVSEs; of several at one place the least and the greatest.
fn factors(
    network: &Network,
    wirings: &[Wiring],
    constraint: &Constraint,
) -> BTreeMap<usize, (f64, f64)> {
    let mut factors = BTreeMap::new();
    for (evse, wiring) in network.evses.iter().zip(wirings) {
        if let Some(&factor) = constraint.coeff.get(&evse.id) {
            let (least, most) = factors.entry(place(*wiring)).or_insert((factor, factor));
            (*least, *most) = (least.min(factor), most.max(factor));
        }
    }
    factors
}

/// How much a constraint's sum can be at most for each ampere in the line that carries most.
fn share(factors: &BTreeMap<usize, (f64, f64)>) -> f64 {
    let size = |(least, most): &(f64, f64)| f64::max(least.abs(), most.abs());
    let greatest = factors.values().map(size).fold(0.0, f64::max);
    let one_kind = factors.keys().all(|it| *it < 3) || factors.keys().all(|it| *it >= 3);
    let one_sign = factors.values().all(|it| it.0 >= 0.0) || factors.values().all(|it| it.1 <= 0.0);
    // Currents a third of a turn apart are together no more than the greatest of them.
    if factors.len() == 1 || (one_kind && one_sign) {
        return greatest;
    }
    let is_delta = factors.keys().all(|it| *it >= 3);
    let exact: Vec<f64> = (factors.values())
        .filter(|it| it.0 == it.1)
        .map(|it| it.0)
        .collect();
    let mut sorted = exact.clone();
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    match sorted[..] {
        // A line of a delta is the difference of two currents.
        [a, b] if is_delta && factors.len() == 2 && same(a, -b) => a.abs(),
        // a(x + y − 2z) is a times the difference of two line currents.
        [a, b, c] if is_delta && same(a, b) && same(c, -2.0 * a) => 2.0 * a.abs(),
        // No line carries less than any of its EVSEs' currents.
        _ => factors.values().map(size).sum(),
    }
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// EVSEs that are limited together.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    /// By place: the EVSEs.
    evses: BTreeMap<usize, BTreeSet<usize>>,
    /// What each line may carry, in A.
    most_a: f64,
}

impl Part {
    fn of(network: &Network, wirings: &[Wiring], constraint: &Constraint, most_a: f64) -> Self {
        let mut evses: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (index, (evse, wiring)) in network.evses.iter().zip(wirings).enumerate() {
            if constraint.coeff.contains_key(&evse.id) {
                evses.entry(place(*wiring)).or_default().insert(index);
            }
        }
        Self {
            name: constraint.name.clone(),
            evses,
            most_a,
        }
    }

    fn outlets(&self) -> impl Iterator<Item = usize> {
        self.evses.values().flatten().copied()
    }

    fn has(&self, outlet: usize) -> bool {
        self.outlets().any(|it| it == outlet)
    }

    /// Whether both limit lines of the same panel: at the places that both have, they have the same EVSEs.
    fn is_of_one_panel(&self, other: &Self) -> bool {
        let shared = |(place, evses): (&usize, &BTreeSet<usize>)| {
            other.evses.get(place).map(|others| others == evses)
        };
        let both: Vec<bool> = self.evses.iter().filter_map(shared).collect();
        let are_alike = self.evses.len() == other.evses.len();
        let several = self.evses.len() > 1 && other.evses.len() > 1;
        !both.is_empty() && both.iter().all(|it| *it) && (are_alike || several)
    }

    /// Whether each has EVSEs that the other has, and others.
    fn overlaps(&self, other: &Self) -> bool {
        let common = self.outlets().filter(|it| other.has(*it)).count();
        common > 0 && common < self.outlets().count() && common < other.outlets().count()
    }

    fn join(&mut self, other: Self) {
        for (place, evses) in other.evses {
            self.evses.entry(place).or_default().extend(evses);
        }
        self.most_a = self.most_a.min(other.most_a);
    }
}

/// One part more; lines of one panel are one part.
fn add(parts: &mut Vec<Part>, part: Part) {
    match parts.iter_mut().find(|it| it.is_of_one_panel(&part)) {
        Some(panel) => panel.join(part),
        None => parts.push(part),
    }
}

/// The parts, each before those within it; those that overlap, or are the same EVSEs, are one.
fn nested(mut parts: Vec<Part>) -> Vec<Part> {
    let clash = |parts: &[Part]| {
        let pairs = (0..parts.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let mut pairs = pairs.filter(|(a, b)| {
            let (a, b) = (&parts[*a], &parts[*b]);
            a.overlaps(b) || a.outlets().eq(b.outlets())
        });
        pairs.next()
    };
    while let Some((later, earlier)) = clash(&parts) {
        let part = parts.remove(later);
        parts[earlier].join(part);
    }
    parts.sort_by_key(|it| std::cmp::Reverse(it.outlets().count()));
    parts
}

/// The lines of the grid connection and of all circuits as constraints.
fn lines(network: &Network, grid: &Grid) -> Vec<Constraint> {
    let factor = |wiring: Wiring, term: &Term| {
        let angle = ANGLES[place(wiring)].to_radians();
        (term.re * angle.cos() + term.im * angle.sin()).signum()
    };
    (grid.conductors().into_iter())
        .filter(|conductor| !conductor.terms.is_empty())
        .map(|conductor| Constraint {
            coeff: (conductor.terms.iter())
                .map(|term| {
                    let wiring = grid.outlets[term.outlet].wiring;
                    let id = network.evses[term.outlet].id.clone();
                    (id, factor(wiring, term))
                })
                .collect(),
            name: conductor.name,
            limit_a: Some(conductor.most_a),
            limit_a_per_kw: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// EVSEs at these angles, called E0 and so on, under these constraints: name, factors, amperes.
    fn network(angles: &[f64], constraints: &[(&str, &[f64], f64)]) -> Network {
        let evses: Vec<_> = (angles.iter().enumerate())
            .map(|(n, angle)| {
                json!({ "id": format!("E{n}"), "voltage_v": 208.0, "phase_angle_deg": angle,
                    "continuous": false, "allowable_a": [0.0, 8.0, 16.0, 32.0] })
            })
            .collect();
        let constraints: Vec<_> = (constraints.iter())
            .map(|(name, factors, most_a)| {
                let coeff: serde_json::Map<_, _> = (factors.iter().enumerate())
                    .filter(|(_, factor)| **factor != 0.0)
                    .map(|(n, factor)| (format!("E{n}"), json!(factor)))
                    .collect();
                json!({ "name": name, "coeff": coeff, "limit_a": most_a })
            })
            .collect();
        let network = json!({ "network": "small", "evses": evses, "constraints": constraints });
        serde_json::from_value(network).expect("a network")
    }

    fn delta(count: usize) -> Vec<f64> {
        (0..count).map(|n| ANGLES[3 + n % 3]).collect()
    }

    /// What a part is called, what it carries, what feeds it.
    fn circuits(grid: &Grid) -> Vec<(&str, f64, Option<usize>)> {
        (grid.circuits.iter())
            .map(|it| (it.name.as_str(), it.most_a, it.within))
            .collect()
    }

    #[test]
    fn a_delta_behind_a_transformer_is_told_as_lines_and_circuits() {
        let network = network(
            &delta(6),
            &[
                ("pod", &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 40.0),
                ("secondary A", &[1.0, 0.0, -1.0, 1.0, 0.0, -1.0], 28.0),
                ("primary A", &[0.25, 0.25, -0.5, 0.25, 0.25, -0.5], 12.0),
            ],
        );
        let told = told(&network, 10.0, |id| format!("X-{id}")).expect("a tree");
        assert!(
            (told.grid.most_a - 24.0).abs() < 1e-9,
            "12 A on the far side are 24 here"
        );
        assert_eq!(circuits(&told.grid), [("pod", 40.0, None)]);
        let outlet = &told.grid.outlets[4];
        assert_eq!(
            (outlet.station.as_str(), outlet.wiring, outlet.circuit),
            ("X-E4", Wiring::Between(1, 2), None)
        );
        assert_eq!(told.grid.outlets[3].circuit, Some(0));
        assert_eq!(outlet.steps_a, [8.0, 16.0, 32.0]);
        assert!((told.grid.phase_v - 120.09).abs() < 0.01);
        let lines = told.constraints.iter().map(|it| it.name.as_str());
        assert_eq!(
            lines.collect::<Vec<_>>(),
            ["grid L1", "grid L2", "grid L3", "pod L1", "pod L2"]
        );
    }

    #[test]
    fn each_floor_of_a_house_is_a_panel_with_its_circuits() {
        let ground = |factors: [f64; 3]| [factors, [0.0; 3]].concat();
        let upper = |factors: [f64; 3]| [[0.0; 3], factors].concat();
        let network = network(
            &delta(6),
            &[
                ("ground A", &ground([1.0, 0.0, -1.0]), 50.0),
                ("ground B", &ground([-1.0, 1.0, 0.0]), 45.0),
                ("upper B", &upper([-1.0, 1.0, 0.0]), 30.0),
                ("upper primary", &upper([0.5, 0.5, -1.0]), 20.0),
                ("pod", &ground([1.0, 0.0, 0.0]), 16.0),
            ],
        );
        let grid = told(&network, 10.0, str::to_owned).expect("a tree").grid;
        assert_eq!(
            circuits(&grid),
            [
                ("ground A", 45.0, None),
                ("upper B", 20.0, None),
                ("pod", 16.0, Some(0)),
            ]
        );
        let places: Vec<_> = grid.outlets.iter().map(|it| it.circuit).collect();
        assert_eq!(
            places,
            [Some(2), Some(0), Some(0), Some(1), Some(1), Some(1)]
        );
    }

    #[test]
    fn a_star_has_its_phases_and_its_neutral() {
        let angles: Vec<f64> = (0..6).map(|n| ANGLES[n % 3]).collect();
        let network = network(
            &angles,
            &[
                ("L1", &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 30.0),
                ("L2", &[0.0, 1.0, 0.0, 0.0, 1.0, 0.0], 31.0),
                ("N", &[1.0; 6], 32.0),
            ],
        );
        let grid = told(&network, 10.0, str::to_owned).expect("a tree").grid;
        assert_eq!(grid.most_a, 32.0);
        assert_eq!(circuits(&grid), [("L1", 30.0, None), ("L2", 31.0, None)]);
        assert_eq!(grid.outlets[1].wiring, Wiring::One(1));
        assert_eq!(grid.outlets[2].circuit, None);
        assert!((grid.phase_v - 208.0).abs() < 1e-9);
    }

    #[test]
    fn an_angle_of_no_phase_is_an_error() {
        let odd = network(&[0.0, 45.0], &[("all", &[1.0, 1.0], 32.0)]);
        let refused = told(&odd, 10.0, str::to_owned).expect_err("no tree");
        assert!(
            refused.contains("E1") && refused.contains("45"),
            "{refused}"
        );
    }

    fn any_network() -> impl Strategy<Value = Network> {
        let places = prop_oneof![Just(0..3_usize), Just(3..6), Just(0..6)];
        let angles = places.prop_flat_map(|places| proptest::collection::vec(places, 2..8));
        let factor = || {
            let usual = prop_oneof![Just(0.0), Just(1.0), Just(-1.0), Just(0.25), Just(-0.5)];
            prop_oneof![4 => usual, 1 => -2.0..2.0_f64]
        };
        let constraint = || (proptest::collection::vec(factor(), 8), 5.0..60.0_f64);
        let constraints = proptest::collection::vec(constraint(), 1..5);
        (angles, constraints).prop_map(|(places, constraints)| {
            let angles: Vec<f64> = places.iter().map(|place| ANGLES[*place]).collect();
            let names: Vec<String> = (0..constraints.len()).map(|n| format!("C{n}")).collect();
            let constraints: Vec<(&str, &[f64], f64)> = (names.iter().zip(&constraints))
                .map(|(name, (factors, most_a))| (name.as_str(), &factors[..places.len()], *most_a))
                .filter(|(_, factors, _)| factors.iter().any(|it| *it != 0.0))
                .collect();
            network(&angles, &constraints)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_keeps_the_told_limits_keeps_those_of_the_network(
            network in any_network(),
            draws in proptest::collection::vec(proptest::collection::vec(0.0..1.0_f64, 8), 32),
        ) {
            let told = told(&network, 10.0, str::to_owned).expect("a tree");
            let theirs = told.conductors(&network, 10.0).expect("conductors");
            let ours = told.grid.conductors();
            let used = |all: &[Conductor], amps: &[[f64; 3]]| {
                (all.iter()).map(|it| it.load_a(amps) / it.most_a).fold(0.0, f64::max)
            };
            for draw in draws {
                let amps: Vec<[f64; 3]> = draw.iter().map(|it| [*it, 0.0, 0.0]).collect();
                let full = used(&ours, &amps);
                prop_assume!(full > 1e-9);
                // As much as the told limits allow in these proportions.
                let amps: Vec<[f64; 3]> = amps.iter().map(|it| it.map(|a| a / full)).collect();
                prop_assert!(used(&theirs, &amps) <= 1.0 + 1e-9, "{:?}", told.grid);
            }
        }
    }
}
