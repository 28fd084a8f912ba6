//! What is checked when a site is configured: whether it can be kept within its limits at all.

use std::collections::HashSet;
use std::fmt;

use super::{Cap, Feed, Node, Outlet};

/// Why a site cannot be.
#[derive(Debug, Clone, PartialEq)]
pub enum SiteError {
    /// Two nodes have this name.
    NodeTwice(String),
    /// Two outlets have this station and EVSE.
    OutletTwice(String, u32),
    /// Nothing limits the site: its root has neither a current nor a power.
    NoLimit(String),
    /// This is no number, or below zero: what, where.
    NotANumber(&'static str, String),
    /// This outlet's floor is neither 0 nor a current it can be set to, or above the most it can draw.
    Floor(String, u32, f64),
    /// This outlet is wired to no phase, to one phase twice, or between a phase and itself.
    Feed(String, u32),
    /// This cap of a node ends before it begins, or is longer than the time after which it comes again.
    CapTimes(String),
    /// What is booked in any case (floors, outlets that cannot be limited, unmanaged load) is more than this limit
    /// allows: which, what is booked, what is allowed.
    Floors {
        /// The limit.
        limit: String,
        /// What is booked in any case, in A or W.
        booked: f64,
        /// What it allows, in A or W.
        most: f64,
    },
}

impl fmt::Display for SiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeTwice(name) => write!(f, "two nodes are called {name}"),
            Self::OutletTwice(station, evse) => {
                write!(f, "EVSE {evse} of station {station} is there twice")
            }
            Self::NoLimit(name) => write!(f, "{name}, the root, has no limit in A or W"),
            Self::NotANumber(what, name) => {
                write!(f, "{what} of {name} must be a number of 0 or more")
            }
            Self::Floor(station, evse, floor_a) => write!(
                f,
                "the floor of {floor_a} A of EVSE {evse} of station {station} is not 0 and not a current it can be set to"
            ),
            Self::Feed(station, evse) => write!(
                f,
                "EVSE {evse} of station {station} must be wired to one, two or three different phases"
            ),
            Self::CapTimes(name) => write!(
                f,
                "a cap of {name} must end after it begins, and before it comes again"
            ),
            Self::Floors {
                limit,
                booked,
                most,
            } => write!(
                f,
                "{limit} allows {most:.1}, but floors and unmanaged load come to {booked:.1}: lower the floors"
            ),
        }
    }
}

impl std::error::Error for SiteError {}

/// What is wrong with the tree itself; the sums of floors are checked on the compiled limits.
pub(super) fn shape(root: &Node) -> Result<(), SiteError> {
    if root.most_a.is_none() && root.most_w.is_none() {
        return Err(SiteError::NoLimit(root.name.clone()));
    }
    node(root, &mut HashSet::new(), &mut HashSet::new())
}

fn node<'a>(
    it: &'a Node,
    names: &mut HashSet<&'a str>,
    outlets: &mut HashSet<(&'a str, u32)>,
) -> Result<(), SiteError> {
    if !names.insert(&it.name) {
        return Err(SiteError::NodeTwice(it.name.clone()));
    }
    number("most_a", &it.name, it.most_a.iter().flatten())?;
    number("most_w", &it.name, &it.most_w)?;
    number("unmanaged_a", &it.name, &it.unmanaged_a)?;
    for it_cap in &it.caps {
        cap(it_cap, &it.name)?;
    }
    for it in &it.outlets {
        if !outlets.insert((&it.station, it.evse)) {
            return Err(SiteError::OutletTwice(it.station.clone(), it.evse));
        }
        outlet(it)?;
    }
    it.nodes.iter().try_for_each(|it| node(it, names, outlets))
}

/// Whether a cap of the node with this name can be.
pub(super) fn cap(it: &Cap, name: &str) -> Result<(), SiteError> {
    number("the most_a of a cap", name, it.most_a.iter().flatten())?;
    number("the most_w of a cap", name, &it.most_w)?;
    let sound = match (it.until_ms, &it.recurs) {
        (None, recurs) => recurs.is_none(),
        (Some(until_ms), None) => it.from_ms < until_ms,
        (Some(until_ms), Some(recurs)) => {
            it.from_ms < until_ms && until_ms <= recurs.begins_again_ms(it.from_ms)
        }
    };
    sound
        .then_some(())
        .ok_or_else(|| SiteError::CapTimes(name.to_owned()))
}

fn outlet(it: &Outlet) -> Result<(), SiteError> {
    number("most_a", &it.station, [&it.most_a])?;
    number("floor_a", &it.station, [&it.floor_a])?;
    let settable = (it.steps.at_most(it.floor_a) - it.floor_a).abs() < 1e-6;
    if !settable || it.floor_a > it.most_a {
        return Err(SiteError::Floor(it.station.clone(), it.evse, it.floor_a));
    }
    let wired = match &it.feed {
        Feed::Phases(phases) => {
            let different: HashSet<_> = phases.iter().collect();
            !phases.is_empty() && different.len() == phases.len()
        }
        Feed::Between(a, b) => a != b,
        Feed::Dc => true,
    };
    wired
        .then_some(())
        .ok_or_else(|| SiteError::Feed(it.station.clone(), it.evse))
}

fn number<'a>(
    what: &'static str,
    name: &str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<(), SiteError> {
    let sound = |value: &&f64| value.is_finite() && **value >= 0.0;
    match values.into_iter().find(|value| !sound(value)) {
        Some(_) => Err(SiteError::NotANumber(what, name.to_owned())),
        None => Ok(()),
    }
}
