//! Sites and cars that are made up from a seed.

use std::time::Duration;

use loadtest::{Evse, Visit};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::grid::{Circuit, Grid, Outlet, Wiring};

/// EVSEs on a circuit.
const ON_A_CIRCUIT: usize = 10;
/// Seconds that an EVSE is free between two cars.
const FREE_S: std::ops::Range<f64> = 5.0..30.0;

/// How a made-up site is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    pub(crate) evses: usize,
    /// What each phase of the grid connection may carry, in A.
    pub(crate) most_a: f64,
    /// What each EVSE falls back to by itself, in A.
    pub(crate) floor_a: f64,
    /// Whether EVSEs differ in their wiring: most have three phases in some rotation, some one, some are DC.
    pub(crate) mixed: bool,
}

/// A site of European EVSEs of 32 A, ten to a circuit. Stations are called by `name`.
pub(crate) fn grid(build: Build, name: impl Fn(usize) -> String, rng: &mut SmallRng) -> Grid {
    let outlets: Vec<Outlet> = (0..build.evses)
        .map(|index| Outlet {
            station: name(index),
            wiring: wiring(build.mixed, index, rng),
            most_a: 32.0,
            floor_a: build.floor_a,
            steps_a: Vec::new(),
            circuit: Some(index / ON_A_CIRCUIT),
        })
        .collect();
    let circuits = build.evses.div_ceil(ON_A_CIRCUIT);
    let share_a = build.most_a / circuits.max(1) as f64;
    Grid {
        phase_v: 230.0,
        most_a: build.most_a,
        circuits: (0..circuits)
            .map(|index| Circuit {
                name: format!("circuit {index}"),
                // Half as much again as its share: a circuit can be full while the site is not.
                most_a: (1.5 * share_a).max(32.0),
                within: None,
            })
            .collect(),
        outlets,
    }
}

fn wiring(mixed: bool, index: usize, rng: &mut SmallRng) -> Wiring {
    const ROTATIONS: [[usize; 3]; 3] = [[0, 1, 2], [1, 2, 0], [2, 0, 1]];
    let rotated = Wiring::Three(ROTATIONS[index % 3]);
    match rng.random_range(0..10) {
        _ if !mixed => rotated,
        0..2 => Wiring::One(index % 3),
        2 => Wiring::Dc,
        _ => rotated,
    }
}

impl Outlet {
    /// How its EVSE is built, at a site with so many volts between phase and neutral.
    pub(crate) fn evse(&self, phase_v: f64) -> Evse {
        let (phases, volts, dc) = match self.wiring {
            Wiring::Three(_) => (3, phase_v, false),
            Wiring::One(_) => (1, phase_v, false),
            Wiring::Between(..) => (1, phase_v * 3_f64.sqrt(), false),
            Wiring::Dc => (3, phase_v, true),
        };
        Evse {
            phases,
            amps: self.most_a,
            volts,
            step_a: 1.0,
            dc,
        }
    }
}

/// The cars that come to an EVSE within `span` and stay about `stay` each, one after the other, the first within
/// `first`. Each wants what it could just have in its time at full current.
pub(crate) fn visits(
    evse: &Evse,
    first: Duration,
    stay: Duration,
    span: Duration,
    rng: &mut SmallRng,
) -> Vec<Visit> {
    const CARS: [(f64, u8); 4] = [(16.0, 3), (32.0, 3), (32.0, 1), (16.0, 1)];
    let mut visits = Vec::new();
    let mut arrives = rng.random_range(0.0..1.0) * first.as_secs_f64();
    while arrives < span.as_secs_f64() {
        let (most_a, phases) = CARS[rng.random_range(0..CARS.len())];
        let stays = stay.as_secs_f64() * rng.random_range(0.5..1.5);
        let phases = phases.min(evse.phases);
        let most_w = if evse.dc {
            evse.watts()
        } else {
            most_a.min(evse.amps) * evse.volts * f64::from(phases)
        };
        visits.push(Visit {
            connector: 1,
            arrives: Duration::from_secs_f64(arrives),
            leaves: Duration::from_secs_f64(arrives + stays),
            energy_wh: most_w * stays / 3_600.0,
            most_a,
            phases,
        });
        arrives += stays + rng.random_range(FREE_S);
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_made_up_site_is_the_same_for_the_same_seed_and_its_cars_never_meet() {
        let build = Build {
            evses: 25,
            most_a: 200.0,
            floor_a: 0.0,
            mixed: true,
        };
        let site = |seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            let grid = grid(build, |index| format!("S{index}"), &mut rng);
            let span = Duration::from_secs(600);
            let cars: Vec<Vec<Visit>> = (grid.outlets.iter())
                .map(|it| {
                    let evse = it.evse(grid.phase_v);
                    visits(
                        &evse,
                        Duration::from_secs(20),
                        Duration::from_secs(60),
                        span,
                        &mut rng,
                    )
                })
                .collect();
            (grid, cars)
        };
        let (grid, cars) = site(3);
        assert_eq!(site(3), (grid.clone(), cars.clone()));
        assert_ne!(site(4).0, grid);
        assert_eq!((grid.circuits.len(), grid.outlets.len()), (3, 25));
        for visits in cars {
            assert!(visits.len() > 3 && visits[0].arrives < Duration::from_secs(20));
            assert!(
                visits
                    .windows(2)
                    .all(|pair| pair[0].leaves < pair[1].arrives)
            );
        }
    }
}
