//! A site as a tree of limits: grid connection, panels, circuits, outlets.
//!
//! Currents are per phase, in A, and phases are never taken for balanced: each outlet loads the phases it is wired to, in
//! the order it is wired. A three-phase outlet is booked on all of its phases whatever the car uses, since cars change that.

mod check;
mod compile;
mod over_time;

pub use check::SiteError;
pub use compile::{Measure, Site};
pub use over_time::{Cap, Every, Recurrence, UnknownTimeZone, Zone};

use crate::allocate::Steps;

/// A phase of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first.
    L1,
    /// The second.
    L2,
    /// The third.
    L3,
}

/// A part of a site that has limits: the grid connection, a panel, a circuit.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is called; unique in the site.
    pub name: String,
    /// What each phase may carry (L1, L2, L3), in A; none if only what is above limits it.
    pub most_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W.
    pub most_w: Option<f64>,
    /// What else is fed from here at most, per phase in A: booked while no meter tells.
    pub unmanaged_a: [f64; 3],
    /// Tighter limits at times.
    pub caps: Vec<Cap>,
    /// What is fed from here.
    pub nodes: Vec<Node>,
    /// Outlets that are fed from here.
    pub outlets: Vec<Outlet>,
}

/// An EVSE as the site feeds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlet {
    /// Its station's identity.
    pub station: String,
    /// Its number at the station (the connector of 1.6).
    pub evse: u32,
    /// How it is wired.
    pub feed: Feed,
    /// What it can draw at most, per phase in A.
    pub most_a: f64,
    /// What its station falls back to by itself, per phase in A (the limit of its TxDefaultProfile): 0, or a current it
    /// can be set to.
    pub floor_a: f64,
    /// What it can be set to.
    pub steps: Steps,
    /// Whether it cannot be limited, or forgets its floor: then it is always booked at the most it can draw.
    pub unlimitable: bool,
}

/// How an outlet is wired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// AC between phases and neutral: the site's phase at the station's L1, L2 … in this order (its rotation).
    Phases(Vec<Phase>),
    /// AC between two phases, as in North America.
    Between(Phase, Phase),
    /// DC from a three-phase rectifier: granted in A per phase of its input, which are turned into W for the station.
    Dc,
}

impl Outlet {
    /// What is booked for it in any case, in A.
    pub fn always_a(&self) -> f64 {
        if self.unlimitable {
            self.most_a
        } else {
            self.floor_a
        }
    }

    /// The power at so many A per phase, in W, where a phase has so many V to neutral.
    pub fn watts(&self, amps: f64, phase_v: f64) -> f64 {
        let volts = match &self.feed {
            Feed::Phases(phases) => phase_v * phases.len() as f64,
            Feed::Between(..) => phase_v * 3_f64.sqrt(),
            Feed::Dc => phase_v * 3.0,
        };
        amps * volts
    }
}
