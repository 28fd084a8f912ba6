//! The file formats: a network of outlets and limits, and the sessions of a site.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::fs;
use std::path::Path;

use power::{Limits, Term};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A site's outlets and limits.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Network {
    #[serde(rename = "network")]
    pub(crate) name: String,
    pub(crate) evses: Vec<Outlet>,
    pub(crate) constraints: Vec<Constraint>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Outlet {
    pub(crate) id: String,
    pub(crate) voltage_v: f64,
    pub(crate) phase_angle_deg: f64,
    /// Anything between the least and the greatest of `allowable_a`, or only those.
    pub(crate) continuous: bool,
    /// Ascending.
    #[serde(deserialize_with = "ascending")]
    pub(crate) allowable_a: Vec<f64>,
}

/// A conductor: the magnitude of the sum of coefficient times current is at most the limit.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    pub(crate) coeff: BTreeMap<String, f64>,
    #[serde(default)]
    pub(crate) limit_a: Option<f64>,
    /// The limit grows with what the site may draw.
    #[serde(default)]
    pub(crate) limit_a_per_kw: Option<f64>,
}

/// What happened at a site.
#[derive(Debug, Deserialize)]
pub(crate) struct Sessions {
    pub(crate) site: String,
    pub(crate) period_min: f64,
    pub(crate) sessions: Vec<Session>,
}

/// One car's stay; times in periods.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Session {
    pub(crate) evse: String,
    pub(crate) arrival: i64,
    pub(crate) departure: i64,
    /// What its driver said; absent if nothing.
    #[serde(default)]
    pub(crate) est_departure: Option<i64>,
    pub(crate) energy_kwh: f64,
    pub(crate) max_kw: f64,
}

/// A network at a cap.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) outlets: Vec<Outlet>,
    by_id: HashMap<String, usize>,
    /// By constraint: what each outlet adds to its current, in A per A, as (real, imaginary).
    pub(crate) vectors: Vec<Vec<(usize, f64, f64)>>,
    pub(crate) limits: Limits,
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // Some editors begin a file with a mark of its encoding.
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| said_of(path, &error))
}

/// What is wrong with a file.
pub(crate) fn said_of(path: &Path, why: &impl Display) -> String {
    format!("{}: {why}", path.display())
}

fn ascending<'a, D: Deserializer<'a>>(file: D) -> Result<Vec<f64>, D::Error> {
    let mut amps = Vec::<f64>::deserialize(file)?;
    amps.sort_by(f64::total_cmp);
    Ok(amps)
}

impl Network {
    /// The site at this cap, in kW.
    pub(crate) fn site(&self, cap_kw: f64) -> Result<Site, String> {
        let by_id: HashMap<String, usize> = (self.evses.iter().enumerate())
            .map(|(index, outlet)| (outlet.id.clone(), index))
            .collect();
        let mut limits = Limits::new(self.evses.len());
        let mut vectors = Vec::new();
        for constraint in &self.constraints {
            let most = constraint.most_a(cap_kw)?;
            let mut terms = Vec::new();
            for (id, factor) in &constraint.coeff {
                let outlet = *by_id.get(id).ok_or_else(|| {
                    format!(
                        "constraint {} names {id}, which is no evse",
                        constraint.name
                    )
                })?;
                let angle = self.evses[outlet].phase_angle_deg.to_radians();
                terms.push(Term {
                    outlet,
                    re: factor * angle.cos(),
                    im: factor * angle.sin(),
                });
            }
            limits.push(&constraint.name, most, &terms);
            vectors.push(terms.iter().map(|t| (t.outlet, t.re, t.im)).collect());
        }
        Ok(Site {
            outlets: self.evses.clone(),
            by_id,
            vectors,
            limits,
        })
    }
}

impl Constraint {
    /// The limit at this cap, in A.
    pub(crate) fn most_a(&self, cap_kw: f64) -> Result<f64, String> {
        (self.limit_a)
            .or_else(|| Some(self.limit_a_per_kw? * cap_kw))
            .ok_or_else(|| format!("constraint {} has no limit", self.name))
    }
}

impl Site {
    /// The outlet with this id.
    pub(crate) fn outlet(&self, id: &str) -> Result<usize, String> {
        (self.by_id.get(id).copied()).ok_or_else(|| format!("{id} is no evse of this network"))
    }

    /// What the currents make of each constraint: its load over its limit. The vectors are added as they are.
    pub(crate) fn utilisation(&self, amps: &[f64]) -> Vec<f64> {
        (self.vectors.iter().zip(self.limits.iter()))
            .map(|(terms, limit)| {
                let (x, y) = (terms.iter()).fold((0.0, 0.0), |(x, y), (outlet, re, im)| {
                    (x + re * amps[*outlet], y + im * amps[*outlet])
                });
                f64::hypot(x, y) / limit.most.max(f64::MIN_POSITIVE)
            })
            .collect()
    }

    /// Whether the currents are feasible as the baselines see it.
    pub(crate) fn is_feasible(&self, amps: &[f64]) -> bool {
        (self.utilisation(amps).iter().zip(self.limits.iter())).all(|(used, limit)| {
            used * limit.most <= limit.most + f64::max(1e-5, 1e-7 * limit.most)
        })
    }
}

impl Outlet {
    /// The greatest current, in A.
    pub(crate) fn most_a(&self) -> f64 {
        self.allowable_a.iter().copied().fold(0.0, f64::max)
    }

    /// The least current above 0, in A.
    pub(crate) fn first_a(&self) -> f64 {
        (self.allowable_a.iter().copied())
            .filter(|a| *a > 0.0)
            .fold(f64::INFINITY, f64::min)
    }
}
