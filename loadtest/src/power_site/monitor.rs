//! The judge of a site: it sees what each car takes, sums it in every conductor many times a second, and knows the limits.
//! It hears nothing from the central system.
//!
//! Where a limit was cut a moment ago, what is above it is counted apart for the time of a grace: the cars need some
//! seconds to obey. Everything else above a limit is a violation.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use loadtest::{Event, Observer};

use super::grid::Conductor;

/// What a conductor may be above its limit, in A: the rounding of sums.
const TOLERANCE_A: f64 = 0.05;
/// Offers that differ by less, in A, are the same.
const SAME_A: f64 = 0.05;

/// Sees what flows.
#[derive(Debug)]
pub(crate) struct Monitor {
    outlets: HashMap<String, usize>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    conductors: Vec<Conductor>,
    /// By outlet and phase, in A.
    amps: Vec<[f64; 3]>,
    /// By outlet: what its session is offered, if it has one.
    offered_a: Vec<Option<f64>>,
    looked: Instant,
    /// What is above a limit until then counts as a cut that is being obeyed.
    grace_until: Option<Instant>,
    lowered: Vec<(Instant, usize)>,
    counts: Counts,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counts {
    /// Chargers whose boot was accepted.
    pub(crate) booted: u64,
    /// Sessions that began.
    pub(crate) begun: u64,
    /// What all cars drew that have left, in Wh.
    pub(crate) got_wh: f64,
    /// What they came for, in Wh.
    pub(crate) wanted_wh: f64,
    /// What each of them got of what it wanted.
    pub(crate) shares: Vec<f64>,
    /// Changes of what a car was offered.
    pub(crate) changes: u64,
    /// Times that a car that was offered something was paused.
    pub(crate) pauses: u64,
    /// SetChargingProfile commands that were answered.
    pub(crate) profiles: u64,
    /// Ampere-seconds above limits, beyond any grace.
    pub(crate) above_as: f64,
    /// Seconds in which a limit was exceeded, beyond any grace.
    pub(crate) above_s: f64,
    /// Ampere-seconds above a limit that was cut, in the grace.
    pub(crate) grace_as: f64,
    /// The highest load of a conductor over its limit, beyond any grace.
    pub(crate) highest: f64,
    /// The conductor that this was, with its load and limit in A.
    pub(crate) worst: Option<(String, f64, f64)>,
    /// Sockets that went though nobody asked for it.
    pub(crate) lost_sockets: u64,
}

impl Conductor {
    /// What flows in it when the EVSEs take so much, in A.
    pub(crate) fn load_a(&self, amps: &[[f64; 3]]) -> f64 {
        let (re, im) = self.terms.iter().fold((0.0, 0.0), |(re, im), term| {
            let amps = amps[term.outlet][term.phase];
            (re + term.re * amps, im + term.im * amps)
        });
        re.hypot(im)
    }
}

impl Monitor {
    /// Watches these stations, each an outlet by its place.
    pub(crate) fn new(stations: &[String], conductors: Vec<Conductor>) -> Self {
        let outlets = (stations.iter().enumerate())
            .map(|(index, station)| (station.clone(), index))
            .collect();
        Self {
            outlets,
            state: Mutex::new(State {
                conductors,
                amps: vec![[0.0; 3]; stations.len()],
                offered_a: vec![None; stations.len()],
                looked: Instant::now(),
                grace_until: None,
                lowered: Vec::new(),
                counts: Counts::default(),
            }),
        }
    }

    /// Sums what flows and counts what is above limits since the last look.
    pub(crate) fn look(&self, now: Instant) {
        let state = &mut *self.state();
        let seconds = now.saturating_duration_since(state.looked).as_secs_f64();
        state.looked = now;
        let in_grace = state.grace_until.is_some_and(|until| now < until);
        let counts = &mut state.counts;
        let mut above_any = false;
        for conductor in &state.conductors {
            let (load, most) = (conductor.load_a(&state.amps), conductor.most_a);
            let above = if load > most + TOLERANCE_A {
                load - most
            } else {
                0.0
            };
            if in_grace {
                counts.grace_as += above * seconds;
                continue;
            }
            above_any |= above > 0.0;
            counts.above_as += above * seconds;
            let over = load / most.max(f64::MIN_POSITIVE);
            if over > counts.highest {
                counts.highest = over;
                counts.worst = Some((conductor.name.clone(), load, most));
            }
        }
        if above_any {
            counts.above_s += seconds;
        }
    }

    /// The first three conductors, the grid connection, may carry so much from now on. After a cut there is a grace.
    pub(crate) fn limit(&self, most_a: f64, grace: Duration) {
        let now = Instant::now();
        self.look(now);
        let mut state = self.state();
        if most_a < state.conductors[0].most_a {
            state.grace_until = Some(now + grace);
            state.lowered.clear();
        }
        for line in state.conductors.iter_mut().take(3) {
            line.most_a = most_a;
        }
    }

    /// When which outlets were offered less than before, since the last cut.
    pub(crate) fn lowered(&self) -> Vec<(Instant, usize)> {
        self.state().lowered.clone()
    }

    /// What flows in the fullest phase of the grid connection, in A.
    pub(crate) fn drawn_a(&self) -> f64 {
        let state = self.state();
        (state.conductors.iter().take(3))
            .map(|line| line.load_a(&state.amps))
            .fold(0.0, f64::max)
    }

    /// How many EVSEs have a car that takes current.
    pub(crate) fn charging(&self) -> usize {
        let flows = |amps: &&[f64; 3]| amps.iter().any(|amps| *amps > SAME_A);
        self.state().amps.iter().filter(flows).count()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }
}

impl Observer for Monitor {
    fn observe(&self, identity: &str, event: &Event<'_>) {
        let Some(&outlet) = self.outlets.get(identity) else {
            return;
        };
        match *event {
            Event::Flows {
                amps, offered_a, ..
            } => self.state().flows(outlet, amps, offered_a),
            Event::Charged {
                wanted_wh, got_wh, ..
            } => {
                let mut state = self.state();
                state.offered_a[outlet] = None;
                state.amps[outlet] = [0.0; 3];
                let counts = &mut state.counts;
                counts.got_wh += got_wh;
                counts.wanted_wh += wanted_wh;
                counts
                    .shares
                    .push(got_wh / wanted_wh.max(f64::MIN_POSITIVE));
            }
            Event::Obeyed {
                action: "SetChargingProfile",
            } => self.state().counts.profiles += 1,
            Event::Booted => self.state().counts.booted += 1,
            Event::Disconnected { reason } if reason != "closed by the charger" => {
                self.state().counts.lost_sockets += 1;
            }
            _ => {}
        }
    }
}

impl State {
    fn flows(&mut self, outlet: usize, amps: [f64; 3], offered_a: f64) {
        // With its first a session begins.
        if let Some(was) = self.offered_a[outlet].replace(offered_a) {
            self.counts.changes += u64::from((offered_a - was).abs() > SAME_A);
            self.counts.pauses += u64::from(was > SAME_A && offered_a <= SAME_A);
            if offered_a < was - SAME_A {
                self.lowered.push((Instant::now(), outlet));
            }
        } else {
            self.counts.begun += 1;
        }
        self.amps[outlet] = amps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power_site::grid::Term;

    /// Two EVSEs on one conductor of 20 A.
    fn monitor() -> Monitor {
        let term = |outlet| Term {
            outlet,
            phase: 0,
            re: 1.0,
            im: 0.0,
        };
        let line = Conductor {
            name: "line".into(),
            most_a: 20.0,
            terms: vec![term(0), term(1)],
        };
        Monitor::new(&["A".into(), "B".into()], vec![line])
    }

    fn flows(monitor: &Monitor, station: &str, amps: f64, offered_a: f64) {
        let event = Event::Flows {
            connector: 1,
            amps: [amps, 0.0, 0.0],
            offered_a,
        };
        monitor.observe(station, &event);
    }

    #[test]
    fn what_is_above_a_limit_is_counted_in_ampere_seconds() {
        let monitor = monitor();
        let began = monitor.state().looked;
        flows(&monitor, "A", 12.0, 16.0);
        monitor.look(began + Duration::from_secs(10));
        assert_eq!(monitor.counts().above_as, 0.0);
        flows(&monitor, "B", 11.0, 16.0);
        monitor.look(began + Duration::from_secs(14));
        let counts = monitor.counts();
        assert!((counts.above_as - 12.0).abs() < 1e-6, "{counts:?}");
        assert!((counts.above_s - 4.0).abs() < 1e-6);
        assert_eq!(counts.worst, Some(("line".into(), 23.0, 20.0)));
    }

    #[test]
    fn after_a_cut_there_is_a_grace_and_no_longer() {
        let monitor = monitor();
        flows(&monitor, "A", 12.0, 16.0);
        monitor.limit(10.0, Duration::from_secs(5));
        let cut = monitor.state().looked;
        monitor.look(cut + Duration::from_secs(4));
        let counts = monitor.counts();
        assert!(
            (counts.grace_as - 8.0).abs() < 1e-6 && counts.above_as == 0.0,
            "{counts:?}"
        );
        monitor.look(cut + Duration::from_secs(7));
        assert!(monitor.counts().above_as > 5.9);
    }

    #[test]
    fn changes_and_pauses_of_a_session_are_counted_and_its_beginning_is_none() {
        let monitor = monitor();
        for offered_a in [6.0, 16.0, 16.0, 0.0, 10.0] {
            flows(&monitor, "A", 6.0, offered_a);
        }
        let ended = Event::Charged {
            connector: 1,
            wanted_wh: 1_000.0,
            got_wh: 250.0,
        };
        monitor.observe("A", &ended);
        flows(&monitor, "A", 0.0, 6.0);
        let counts = monitor.counts();
        assert_eq!((counts.begun, counts.changes, counts.pauses), (2, 3, 1));
        assert_eq!(counts.shares, [0.25]);
        assert_eq!(monitor.lowered().len(), 1);
        assert_eq!(monitor.charging(), 0);
    }
}
