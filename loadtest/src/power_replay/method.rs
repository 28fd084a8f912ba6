//! The methods that can be compared, and the project's own among them.

use std::fmt;
use std::str::FromStr;

use power::{Ask, Need, Rules, Steps, allocate};

use super::baseline;
use super::files::Site;

/// A way to share current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Uncontrolled,
    FirstCome,
    EarliestDeadline,
    LeastLaxity,
    RoundRobin,
    Fair,
    Urgent,
}

/// A car that is plugged in and wants energy, as a method sees it.
#[derive(Debug, Clone)]
pub(crate) struct Car {
    pub(crate) outlet: usize,
    pub(crate) arrival: i64,
    /// What its driver said, in periods from now.
    pub(crate) leaves_in: Option<i64>,
    /// What it still wants: the current that would give it all in one period, in A.
    pub(crate) amp_periods: f64,
    /// What the car takes, in A.
    pub(crate) most_a: f64,
    /// What it is set to now, in A.
    pub(crate) now_a: f64,
    /// For how many periods it has been charging, or waiting.
    pub(crate) since: i64,
}

impl Method {
    pub(crate) const ALL: [Self; 7] = [
        Self::Uncontrolled,
        Self::FirstCome,
        Self::EarliestDeadline,
        Self::LeastLaxity,
        Self::RoundRobin,
        Self::Fair,
        Self::Urgent,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uncontrolled => "unctrl",
            Self::FirstCome => "fcfs",
            Self::EarliestDeadline => "edf",
            Self::LeastLaxity => "llf",
            Self::RoundRobin => "rr",
            Self::Fair => "fair",
            Self::Urgent => "urgent",
        }
    }

    /// Whether it is this project's, and so must keep the limits.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Fair | Self::Urgent)
    }

    /// What each car is set to for this period, in the order of `cars`.
    pub(crate) fn schedule(self, site: &Site, cars: &[Car], period_h: f64) -> Vec<f64> {
        match self {
            Self::Uncontrolled => (cars.iter())
                .map(|car| site.outlets[car.outlet].most_a())
                .collect(),
            Self::FirstCome => baseline::sorted(site, cars, |car| car.arrival as f64),
            Self::EarliestDeadline => baseline::sorted(site, cars, Car::deadline),
            Self::LeastLaxity => baseline::sorted(site, cars, |car| {
                car.deadline() - car.amp_periods / site.outlets[car.outlet].most_a()
            }),
            Self::RoundRobin => baseline::round_robin(site, cars),
            Self::Fair => ours(site, cars, period_h, power::Method::Fair),
            Self::Urgent => ours(site, cars, period_h, power::Method::Urgent),
        }
    }
}

impl Car {
    fn deadline(&self) -> f64 {
        self.leaves_in
            .map_or(f64::INFINITY, |periods| periods as f64)
    }
}

fn ours(site: &Site, cars: &[Car], period_h: f64, method: power::Method) -> Vec<f64> {
    let asks: Vec<Ask> = (cars.iter())
        .map(|car| {
            let outlet = &site.outlets[car.outlet];
            let most_a = car.most_a.min(outlet.most_a());
            Ask {
                outlet: car.outlet,
                least_a: 0.0,
                most_a: most_a.min(car.amp_periods),
                steps: if outlet.continuous {
                    Steps::From(0.0)
                } else {
                    Steps::Only(outlet.allowable_a.clone())
                },
                weight: 1.0,
                need: car.leaves_in.map(|periods| Need {
                    ah: car.amp_periods * period_h,
                    hours: periods as f64 * period_h,
                }),
                // Cars that have their energy are not among them.
                served: false,
                now_a: car.now_a,
                since_h: car.since as f64 * period_h,
            }
        })
        .collect();
    let rules = Rules {
        method,
        ..Rules::default()
    };
    let idle = vec![0.0; site.outlets.len()];
    (allocate(&site.limits, &idle, &asks, &rules).iter())
        .map(|grant| grant.amps)
        .collect()
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "lp" => Ok(Self::Urgent),
            "maxmin" => Ok(Self::Fair),
            _ => (Self::ALL.into_iter().find(|it| it.name() == name)).ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("no such method; there are {names}")
            }),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
