//! A site as it is wired: its conductors, and what each EVSE's current is in them. This is the truth that the monitor
//! sums over; what the central system is told of it is written from the same description ([`plan`]).
//!
//! Currents meet in a conductor as vectors. Between a phase and neutral a car's current is in phase with that phase's
//! voltage, between two phases with the voltage between them; with EVSEs of the one kind only, the sum is the plain one.
//! Written on purpose without this project's own calculation of limits.
//!
//! Example: 16 A between L1 and L2 and 16 A between L2 and L3 are 16 A in L1, 16 A in L3, and 27.7 A in L2.

use serde_json::{Value, json};

/// How an EVSE is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Its L1, L2, L3 are these phases of the site (0 to 2), in this order: its rotation.
    Three([usize; 3]),
    /// One phase and neutral.
    One(usize),
    /// Two phases, no neutral.
    Between(usize, usize),
    /// A rectifier on all three.
    Dc,
}

/// An EVSE of the site: one charger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outlet {
    pub(crate) station: String,
    pub(crate) wiring: Wiring,
    /// The most it can take, per phase in A.
    pub(crate) most_a: f64,
    /// What it falls back to by itself, per phase in A.
    pub(crate) floor_a: f64,
    /// What it can be set to beside 0, in A; empty for any current from 6 A on.
    pub(crate) steps_a: Vec<f64>,
    /// The circuit it hangs on; none: the grid connection itself.
    pub(crate) circuit: Option<usize>,
}

/// A circuit below the grid connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Circuit {
    pub(crate) name: String,
    /// What each phase may carry, in A.
    pub(crate) most_a: f64,
    /// The circuit that feeds it; none: the grid connection.
    pub(crate) within: Option<usize>,
}

/// A site: a grid connection, circuits, and EVSEs on them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// Volts between a phase and neutral.
    pub(crate) phase_v: f64,
    /// What each phase of the grid connection may carry, in A.
    pub(crate) most_a: f64,
    pub(crate) circuits: Vec<Circuit>,
    pub(crate) outlets: Vec<Outlet>,
}

/// One conductor: what flows in it, as a sum of vectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conductor {
    pub(crate) name: String,
    /// What it may carry, in A.
    pub(crate) most_a: f64,
    /// By EVSE and its phase: what 1 A there is here.
    pub(crate) terms: Vec<Term>,
}

/// What 1 A of a phase of an EVSE is in a conductor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Term {
    pub(crate) outlet: usize,
    pub(crate) phase: usize,
    pub(crate) re: f64,
    pub(crate) im: f64,
}

/// The name of the grid connection in the plan; set-points are for it.
pub(crate) const CONNECTION: &str = "grid";

impl Grid {
    /// Its conductors: three of the grid connection first, then three of each circuit.
    pub(crate) fn conductors(&self) -> Vec<Conductor> {
        let all = |_: &Outlet| true;
        let mut conductors = self.of(CONNECTION, self.most_a, all);
        for (index, circuit) in self.circuits.iter().enumerate() {
            let is_on = |it: &Outlet| self.feeds(index, it.circuit);
            conductors.extend(self.of(&circuit.name, circuit.most_a, is_on));
        }
        conductors
    }

    /// Whether what hangs on the one circuit hangs on the other as well.
    fn feeds(&self, circuit: usize, on: Option<usize>) -> bool {
        let up = |it: &usize| self.circuits[*it].within;
        std::iter::successors(on, up).any(|it| it == circuit)
    }

    fn of(&self, name: &str, most_a: f64, which: impl Fn(&Outlet) -> bool) -> Vec<Conductor> {
        (0..3)
            .map(|line| Conductor {
                name: format!("{name} L{}", line + 1),
                most_a,
                terms: (self.outlets.iter().enumerate())
                    .filter(|(_, outlet)| which(outlet))
                    .flat_map(|(index, outlet)| terms(index, outlet.wiring, line))
                    .collect(),
            })
            .collect()
    }

    /// The sum of the floors in each phase of the grid connection, at its worst, in A.
    pub(crate) fn floors_a(&self) -> f64 {
        let floor = |term: &Term| self.outlets[term.outlet].floor_a * term.re.hypot(term.im);
        (self.conductors()[..3].iter())
            .map(|line| line.terms.iter().map(floor).sum())
            .fold(0.0, f64::max)
    }

    /// What the central system is told: `PUT /api/v1/sites/{id}/power`.
    pub(crate) fn plan(&self, sharing: &str) -> Value {
        json!({
            "phase_v": self.phase_v,
            "sharing": sharing,
            "grid": self.part(CONNECTION, self.most_a, None),
        })
    }

    fn part(&self, name: &str, most_a: f64, circuit: Option<usize>) -> Value {
        let parts: Vec<Value> = (self.circuits.iter().enumerate())
            .filter(|(_, it)| it.within == circuit)
            .map(|(index, it)| self.part(&it.name, it.most_a, Some(index)))
            .collect();
        let outlets: Vec<Value> = (self.outlets.iter())
            .filter(|outlet| outlet.circuit == circuit)
            .map(Outlet::planned)
            .collect();
        let lines = [most_a; 3];
        json!({ "name": name, "breaker_a": lines, "parts": parts, "outlets": outlets })
    }
}

impl Outlet {
    fn planned(&self) -> Value {
        let line = |phase: usize| format!("L{}", phase + 1);
        let wiring = match self.wiring {
            Wiring::Three(order) => json!({ "phases": order.map(line) }),
            Wiring::One(phase) => json!({ "phases": [line(phase)] }),
            Wiring::Between(one, other) => json!({ "between": [line(one), line(other)] }),
            Wiring::Dc => json!("dc"),
        };
        let mut planned = json!({
            "station": self.station,
            "evse": 1,
            "wiring": wiring,
            "most_a": self.most_a,
            "floor_a": self.floor_a,
        });
        if !self.steps_a.is_empty() {
            planned["steps_a"] = json!(self.steps_a);
        }
        planned
    }
}

/// What the phases of an EVSE are in one line of the site.
fn terms(outlet: usize, wiring: Wiring, line: usize) -> Vec<Term> {
    let term = |phase: usize, re: f64, im: f64| Term {
        outlet,
        phase,
        re,
        im,
    };
    match wiring {
        Wiring::Three(order) => (order.iter().enumerate())
            .filter(|(_, own)| **own == line)
            .map(|(phase, _)| {
                let (re, im) = unit(angle(line));
                term(phase, re, im)
            })
            .collect(),
        Wiring::One(own) if own == line => {
            let (re, im) = unit(angle(line));
            vec![term(0, re, im)]
        }
        Wiring::Between(one, other) if one == line || other == line => {
            // In phase with the voltage from the one to the other; it comes back on the other.
            let (from, to) = (unit(angle(one)), unit(angle(other)));
            let (re, im) = (from.0 - to.0, from.1 - to.1);
            let length = re.hypot(im);
            let sign = if one == line { 1.0 } else { -1.0 };
            vec![term(0, sign * re / length, sign * im / length)]
        }
        Wiring::Dc => {
            let (re, im) = unit(angle(line));
            vec![term(line, re, im)]
        }
        Wiring::One(_) | Wiring::Between(..) => Vec::new(),
    }
}

/// The angle of a phase's voltage.
fn angle(phase: usize) -> f64 {
    -120.0 * phase as f64
}

fn unit(degrees: f64) -> (f64, f64) {
    let radians = degrees.to_radians();
    (radians.cos(), radians.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(wirings: &[Wiring]) -> Grid {
        Grid {
            phase_v: 230.0,
            most_a: 100.0,
            circuits: vec![Circuit {
                name: "circuit".into(),
                most_a: 100.0,
                within: None,
            }],
            outlets: (wirings.iter().enumerate())
                .map(|(number, wiring)| Outlet {
                    station: format!("S{number}"),
                    wiring: *wiring,
                    most_a: 32.0,
                    floor_a: 6.0,
                    steps_a: Vec::new(),
                    circuit: Some(0),
                })
                .collect(),
        }
    }

    /// What flows in the lines of the grid connection when the EVSEs take so much.
    fn flows(grid: &Grid, amps: &[[f64; 3]]) -> [f64; 3] {
        let conductors = grid.conductors();
        [0, 1, 2].map(|line| conductors[line].load_a(amps))
    }

    #[test]
    fn phases_are_added_where_they_are_wired() {
        let site = grid(&[
            Wiring::Three([0, 1, 2]),
            Wiring::Three([1, 2, 0]),
            Wiring::One(2),
            Wiring::Dc,
        ]);
        // One-phase cars at three-phase EVSEs use the EVSE's L1.
        let amps = [
            [16.0, 0.0, 0.0],
            [10.0, 0.0, 0.0],
            [7.0, 0.0, 0.0],
            [2.0, 2.0, 2.0],
        ];
        let lines = flows(&site, &amps);
        for (line, expected) in lines.iter().zip([18.0, 12.0, 9.0]) {
            assert!((line - expected).abs() < 1e-9, "{lines:?}");
        }
        assert!((site.floors_a() - 24.0).abs() < 1e-9);
    }

    #[test]
    fn between_phases_currents_add_as_vectors() {
        let site = grid(&[Wiring::Between(0, 1), Wiring::Between(1, 2)]);
        let lines = flows(&site, &[[16.0, 0.0, 0.0], [16.0, 0.0, 0.0]]);
        for (line, expected) in lines.iter().zip([16.0, 16.0 * 3_f64.sqrt(), 16.0]) {
            assert!((line - expected).abs() < 1e-9, "{lines:?}");
        }
    }

    #[test]
    fn the_monitor_and_the_central_system_agree_on_what_loads_a_line() {
        use power::{Feed, Node, Phase, Site, Steps};
        let all = [Phase::L1, Phase::L2, Phase::L3];
        let wirings = [
            Wiring::Three([2, 0, 1]),
            Wiring::One(1),
            Wiring::Between(0, 1),
            Wiring::Between(1, 2),
            Wiring::Dc,
        ];
        let feed = |wiring: &Wiring| match wiring {
            Wiring::Three(order) => Feed::Phases(order.map(|it| all[it]).to_vec()),
            Wiring::One(phase) => Feed::Phases(vec![all[*phase]]),
            Wiring::Between(one, other) => Feed::Between(all[*one], all[*other]),
            Wiring::Dc => Feed::Dc,
        };
        let root = Node {
            name: "grid".into(),
            most_a: Some([200.0; 3]),
            most_w: None,
            unmanaged_a: [0.0; 3],
            caps: Vec::new(),
            nodes: Vec::new(),
            outlets: (wirings.iter().enumerate())
                .map(|(number, wiring)| power::Outlet {
                    station: format!("S{number}"),
                    evse: 1,
                    feed: feed(wiring),
                    most_a: 32.0,
                    floor_a: 0.0,
                    steps: Steps::From(6.0),
                    unlimitable: false,
                })
                .collect(),
        };
        let theirs = Site::new(&root, 230.0).expect("a site");
        // A car that uses all phases of its EVSE is what the central system books.
        let drawn = [9.0, 14.0, 20.0, 11.0, 25.0];
        let booked = theirs.limits().worst(&drawn);
        let ours = flows(&grid(&wirings), &drawn.map(|amps| [amps; 3]));
        for (line, booked) in ours.iter().zip(&booked) {
            assert!(line <= &(booked + 1e-9), "{ours:?} {booked:?}");
        }
        // Without vectors that partly cancel they are the same.
        let plain = [9.0, 14.0, 0.0, 0.0, 25.0];
        let booked = theirs.limits().worst(&plain);
        let ours = flows(&grid(&wirings), &plain.map(|amps| [amps; 3]));
        for (line, booked) in ours.iter().zip(&booked) {
            assert!((line - booked).abs() < 1e-9, "{ours:?} {booked:?}");
        }
    }
}
