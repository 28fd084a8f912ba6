//! What is configured: a tree of limits, from the grid connection down to the outlets, and set-points that are told
//! meanwhile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{StationId, Timestamp};

/// What a site's power is managed by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SitePower {
    /// The configuration.
    pub plan: PowerPlan,
    /// What was told since, at most one of each name.
    #[serde(default)]
    pub set_points: Vec<SetPoint>,
}

/// A site's power configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PowerPlan {
    /// The voltage of a phase to neutral, in V.
    #[serde(default = "usual_volts")]
    pub phase_v: f64,
    /// By whose clocks caps come again: a name of the IANA database, such as `Europe/Berlin`; null: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// How current is shared.
    #[serde(default)]
    pub sharing: Sharing,
    /// What the sessions of a group of tokens weigh; 1 is usual, 2 gets twice the share.
    #[serde(default)]
    pub group_weights: BTreeMap<String, f64>,
    /// The grid connection, and all that is fed from it.
    pub grid: Fuse,
}

impl PowerPlan {
    /// All outlets: those of a part before those of the parts that it feeds.
    pub fn outlets(&self) -> Vec<&PlannedOutlet> {
        fn gather<'a>(fuse: &'a Fuse, into: &mut Vec<&'a PlannedOutlet>) {
            into.extend(&fuse.outlets);
            fuse.parts.iter().for_each(|part| gather(part, into));
        }
        let mut all = Vec::new();
        gather(&self.grid, &mut all);
        all
    }
}

fn usual_volts() -> f64 {
    230.0
}

/// How current is shared. Where it is not enough for all to charge at once, they take turns of an hour. Last comes,
/// either way, a session that has the energy that its driver wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Sessions whose energy and departure are known by urgency, the others by fair shares.
    #[default]
    Urgent,
    /// Fair shares, whatever is known.
    Fair,
}

/// A part of a site that has limits: the grid connection, a panel, a circuit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fuse {
    /// What it is called; unique in the site.
    pub name: String,
    /// What the breaker of each phase (L1, L2, L3) carries, in A; null where only what is above limits it.
    #[serde(default)]
    pub breaker_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W; null: not limited.
    #[serde(default)]
    pub most_w: Option<f64>,
    /// What else is fed from here at most, per phase in A: booked while no meter tells what it is.
    #[serde(default)]
    pub unmanaged_a: [f64; 3],
    /// Tighter limits at times.
    #[serde(default)]
    pub caps: Vec<FuseCap>,
    /// What is fed from here.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub parts: Vec<Fuse>,
    /// The outlets fed from here.
    #[serde(default)]
    pub outlets: Vec<PlannedOutlet>,
}

/// A tighter limit for a time; of several the tightest holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FuseCap {
    /// From when.
    pub from: Timestamp,
    /// Until when; null: for good.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whether it comes again: at the same hour of the clocks in the plan's `time_zone`, also where they are set forward or
    /// back.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// What each phase may carry, in A.
    #[serde(default)]
    pub most_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W.
    #[serde(default)]
    pub most_w: Option<f64>,
}

/// How often a cap comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
}

/// An outlet as the site feeds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PlannedOutlet {
    /// Its station.
    pub station: StationId,
    /// Its EVSE there (1.6: connectorId), from 1.
    #[serde(default = "first")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub evse: u32,
    /// How it is wired.
    pub wiring: Wiring,
    /// What it can draw at most, per phase in A.
    pub most_a: f64,
    /// What its station falls back to by itself when it hears nothing, per phase in A: 0, or a current it can be set to.
    /// The floors of a site must fit below each of its limits.
    #[serde(default)]
    pub floor_a: f64,
    /// The least it can be set to above 0, per phase in A; null: 6 on AC (IEC 61851), 0 on DC.
    #[serde(default)]
    pub least_a: Option<f64>,
    /// All it can be set to beside 0, in rising order, per phase in A; null: anything from `least_a` on.
    #[serde(default)]
    pub steps_a: Option<Vec<f64>>,
    /// The unit its station takes; null: what the station says, else A on AC and W on DC.
    #[serde(default)]
    pub unit: Option<crate::RateUnit>,
    /// Whether it obeys limits, and keeps its floor when it is switched off: otherwise it is always booked at the most it
    /// can draw.
    #[serde(default = "yes")]
    pub limitable: bool,
    /// What its sessions weigh; 1 is usual, 2 gets twice the share.
    #[serde(default = "usual_weight")]
    pub weight: f64,
}

fn first() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn usual_weight() -> f64 {
    1.0
}

/// How an outlet is wired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Wiring {
    /// AC to neutral: the site's phase at the station's L1, L2 … in this order (its rotation).
    Phases(Vec<SiteLine>),
    /// AC between two phases.
    Between([SiteLine; 2]),
    /// DC from a three-phase rectifier; its currents are per phase of the rectifier's input.
    Dc,
}

/// A phase of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SiteLine {
    /// The first.
    L1,
    /// The second.
    L2,
    /// The third.
    L3,
}

/// A limit that is told while the site runs, as by the grid operator, until it expires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetPoint {
    /// What it is called.
    pub name: String,
    /// The part of the site that it limits.
    pub part: String,
    /// What each phase may carry, in A.
    #[serde(default)]
    pub most_a: Option<[f64; 3]>,
    /// What all phases together may carry, in W.
    #[serde(default)]
    pub most_w: Option<f64>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}
