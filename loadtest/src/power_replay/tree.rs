//! A network as a hub can be told it: a tree of breakers. And the same limits in the form that the other methods are
//! replayed with, so that all share what they share under the same limits.
//!
//! EVSEs of one phase angle hang on one phase; those of the angles of a delta (30°, −90°, 150°) between two. A constraint on
//! EVSEs of one angle, each counted once, is a circuit. What is left limits lines: on the side of the EVSEs as it is; on
//! the other side of a transformer, where no breaker of the tree is, by the line currents at which it can never be
//! exceeded.

use std::collections::BTreeMap;

use super::files::{Constraint, Network};
use crate::power_site::grid::{Circuit, Conductor, Grid, Outlet, Term, Wiring};

/// How far an angle may be off, in degrees.
const SAME_ANGLE: f64 = 1.0;
/// The angles of the voltages L1–L2, L2–L3 and L3–L1.
const DELTA: [f64; 3] = [30.0, -90.0, 150.0];

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
    let is_delta = (network.evses.iter())
        .any(|it| (it.phase_angle_deg - network.evses[0].phase_angle_deg).abs() > SAME_ANGLE);
    let mut circuits = vec![Circuit {
        name: "others".into(),
        most_a: f64::INFINITY,
    }];
    let mut on: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lines_a = f64::INFINITY;
    let mut constraints = Vec::new();
    for constraint in &network.constraints {
        let most_a = constraint.most_a(cap_kw)?;
        let is_all = constraint.coeff.len() == network.evses.len();
        match Kind::of(network, constraint) {
            Kind::Sum if !is_all => {
                for evse in constraint.coeff.keys() {
                    if on.insert(evse, circuits.len()).is_some() {
                        return Err(format!("{evse} is on two circuits: no tree can say so"));
                    }
                }
                circuits.push(Circuit {
                    name: constraint.name.clone(),
                    most_a,
                });
                constraints.push(constraint.clone());
            }
            Kind::Sum => lines_a = lines_a.min(most_a),
            Kind::Line if is_delta => lines_a = lines_a.min(most_a),
            Kind::FarSide(share) if is_delta => lines_a = lines_a.min(most_a / share),
            _ => {
                return Err(format!(
                    "constraint {} is none that a tree of breakers has",
                    constraint.name
                ));
            }
        }
    }
    if !lines_a.is_finite() {
        return Err("nothing limits the network as a whole".into());
    }
    circuits[0].most_a = lines_a;
    let outlets = (network.evses.iter())
        .map(|evse| {
            let wiring = if is_delta {
                between(evse.phase_angle_deg)?
            } else {
                Wiring::One(0)
            };
            let steps: Vec<f64> = evse
                .allowable_a
                .iter()
                .copied()
                .filter(|it| *it > 0.0)
                .collect();
            Ok(Outlet {
                station: name(&evse.id),
                wiring,
                most_a: evse.most_a(),
                floor_a: 0.0,
                steps_a: if evse.continuous { Vec::new() } else { steps },
                circuit: on.get(evse.id.as_str()).copied().unwrap_or(0),
            })
        })
        .collect::<Result<Vec<Outlet>, String>>()?;
    let volts = network.evses.first().map_or(230.0, |it| it.voltage_v);
    let grid = Grid {
        phase_v: if is_delta {
            volts / 3_f64.sqrt()
        } else {
            volts
        },
        most_a: lines_a,
        circuits,
        outlets,
    };
    constraints.extend(lines(network, &grid, is_delta));
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

/// What a constraint is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The sum of the currents of some EVSEs of one angle.
    Sum,
    /// A line that EVSEs between it and two others are on.
    Line,
    /// A line on the other side of a delta-wye transformer: at most this share of the greatest line current here.
    FarSide(f64),
    Other,
}

impl Kind {
    fn of(network: &Network, constraint: &Constraint) -> Self {
        // By angle: the one coefficient of all EVSEs that have it.
        let mut by_angle: [Option<f64>; 3] = [None; 3];
        let mut angles = Vec::new();
        for evse in &network.evses {
            let Some(&coeff) = constraint.coeff.get(&evse.id) else {
                continue;
            };
            if !angles
                .iter()
                .any(|it: &f64| (it - evse.phase_angle_deg).abs() < SAME_ANGLE)
            {
                angles.push(evse.phase_angle_deg);
            }
            let Some(place) = place(evse.phase_angle_deg) else {
                continue;
            };
            if by_angle[place].is_some_and(|known| known != coeff) {
                return Self::Other;
            }
            by_angle[place] = Some(coeff);
        }
        if angles.len() == 1 && constraint.coeff.values().all(|it| *it == 1.0) {
            return Self::Sum;
        }
        let all = by_angle.map(|it| it.unwrap_or(0.0));
        let sum: f64 = all.iter().sum();
        let (least, most) = (
            all.iter().copied().fold(0.0, f64::min),
            all.iter().copied().fold(0.0, f64::max),
        );
        if sum.abs() < 1e-9 && least == -1.0 && most == 1.0 {
            return Self::Line;
        }
        // a(x + y − 2z) is a times the difference of two line currents: at most 2a times the greater.
        let mut sorted = all;
        sorted.sort_by(f64::total_cmp);
        let unit = sorted[1];
        if sum.abs() < 1e-9 && (sorted[2] - unit).abs() < 1e-9 && unit > 0.0 {
            return Self::FarSide(2.0 * unit);
        }
        Self::Other
    }
}

fn place(angle: f64) -> Option<usize> {
    (DELTA.iter()).position(|known| (angle - known).abs() < SAME_ANGLE)
}

fn between(angle: f64) -> Result<Wiring, String> {
    let place = place(angle).ok_or_else(|| format!("no two phases are at {angle} degrees"))?;
    Ok(Wiring::Between(place, (place + 1) % 3))
}

/// The lines of the grid connection as constraints.
fn lines(network: &Network, grid: &Grid, is_delta: bool) -> Vec<Constraint> {
    let count = if is_delta { 3 } else { 1 };
    (0..count)
        .map(|line| Constraint {
            name: format!("line L{}", line + 1),
            coeff: (network.evses.iter().zip(&grid.outlets))
                .filter_map(|(evse, outlet)| {
                    let coeff = match outlet.wiring {
                        Wiring::Between(from, _) if from == line => 1.0,
                        Wiring::Between(_, to) if to == line => -1.0,
                        Wiring::One(phase) if phase == line => 1.0,
                        _ => return None,
                    };
                    Some((evse.id.clone(), coeff))
                })
                .collect(),
            limit_a: Some(grid.most_a),
            limit_a_per_kw: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Six EVSEs on a delta, two of them on a pod of their own, behind a transformer.
    fn network() -> Network {
        let evses: Vec<_> = (0..6)
            .map(|n| {
                json!({ "id": format!("E{n}"), "voltage_v": 208.0, "phase_angle_deg": DELTA[n % 3],
                    "continuous": false, "allowable_a": [0.0, 8.0, 16.0, 32.0] })
            })
            .collect();
        let line = |factors: [f64; 3]| -> serde_json::Map<String, serde_json::Value> {
            (0..6)
                .filter(|n| factors[n % 3] != 0.0)
                .map(|n| (format!("E{n}"), json!(factors[n % 3])))
                .collect()
        };
        serde_json::from_value(json!({
            "network": "small", "evses": evses,
            "constraints": [
                { "name": "pod", "coeff": { "E0": 1.0, "E3": 1.0 }, "limit_a": 40.0 },
                { "name": "secondary A", "coeff": line([1.0, 0.0, -1.0]), "limit_a_per_kw": 2.8 },
                { "name": "primary A", "coeff": line([0.25, 0.25, -0.5]), "limit_a_per_kw": 1.2 },
            ],
        }))
        .expect("a network")
    }

    #[test]
    fn a_delta_behind_a_transformer_is_told_as_lines_and_circuits() {
        let network = network();
        let told = told(&network, 10.0, |id| format!("X-{id}")).expect("a tree");
        assert!(
            (told.grid.most_a - 24.0).abs() < 1e-9,
            "1.2 A per kW on the far side are 2.4 here"
        );
        assert_eq!(told.grid.circuits.len(), 2);
        assert_eq!(
            (
                told.grid.circuits[1].name.as_str(),
                told.grid.circuits[1].most_a
            ),
            ("pod", 40.0)
        );
        let outlet = &told.grid.outlets[4];
        assert_eq!(
            (outlet.station.as_str(), outlet.wiring),
            ("X-E4", Wiring::Between(1, 2))
        );
        assert_eq!(outlet.steps_a, [8.0, 16.0, 32.0]);
        assert!((told.grid.phase_v - 120.09).abs() < 0.01);
        assert_eq!(told.constraints.len(), 4);
    }

    #[test]
    fn what_keeps_the_told_limits_keeps_those_of_the_network() {
        let network = network();
        let told = told(&network, 10.0, str::to_owned).expect("a tree");
        let theirs = told.conductors(&network, 10.0).expect("conductors");
        let ours = told.grid.conductors();
        let mut checked = 0;
        for case in 0..4_096_u32 {
            let amps: Vec<[f64; 3]> = (0..6)
                .map(|n| {
                    [
                        [0.0, 8.0, 16.0, 32.0][(case >> (2 * n)) as usize % 4],
                        0.0,
                        0.0,
                    ]
                })
                .collect();
            let keeps =
                |all: &[Conductor]| all.iter().all(|it| it.load_a(&amps) <= it.most_a + 1e-9);
            if keeps(&ours) {
                checked += 1;
                assert!(keeps(&theirs), "{amps:?}");
            }
        }
        assert!(checked > 50, "only {checked} cases keep the limits");
    }

    #[test]
    fn what_no_tree_can_say_is_an_error() {
        let mut odd = network();
        odd.constraints[0].coeff.insert("E1".into(), 0.7);
        let refused = told(&odd, 10.0, str::to_owned).expect_err("no tree");
        assert!(refused.contains("pod"), "{refused}");
    }
}
