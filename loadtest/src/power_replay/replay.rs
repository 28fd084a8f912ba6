//! The replay itself.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::files::{Session, Sessions, Site};
use super::method::{Car, Method};

/// A car that wants less than this, in kWh, has all it wanted.
const SERVED_KWH: f64 = 1e-3;
/// Settings that differ by less, in A, are the same.
const SAME_A: f64 = 1e-3;
/// A constraint whose load is above its limit by more than this factor is violated.
const VIOLATED: f64 = 1.0001;

/// When new settings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// All at once, at the beginning of a period.
    Instant,
    /// What rises waits until what falls is confirmed; until then a car is booked at both its old and its new current,
    /// whichever is greater.
    Safe,
}

impl Ordering {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Safe => "safe",
        }
    }
}

impl FromStr for Ordering {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "instant" => Ok(Self::Instant),
            "safe" => Ok(Self::Safe),
            _ => Err("instant or safe"),
        }
    }
}

/// What a replay brought.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) wanted_kwh: f64,
    pub(crate) delivered_kwh: f64,
    /// By session: the part of its energy it got.
    pub(crate) shares: Vec<f64>,
    /// How often an outlet was set to something else while a car wanted energy there.
    pub(crate) changes: u64,
    /// Of these, to nothing though the car was charging.
    pub(crate) pauses: u64,
    pub(crate) worst_utilisation: f64,
    /// Constraints over their limit, each in each period.
    pub(crate) violations: u64,
    /// Periods in which a car wanted energy.
    pub(crate) steps: u64,
    /// What scheduling took, all steps together.
    pub(crate) cpu: Duration,
    /// What the slowest step took.
    pub(crate) slowest: Duration,
}

/// A session while it is plugged in.
#[derive(Debug, Clone)]
struct Plugged {
    session: usize,
    outlet: usize,
    remaining_kwh: f64,
    now_a: f64,
    since: i64,
}

/// How a month is replayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) method: Method,
    pub(crate) ordering: Ordering,
    /// A period, in hours.
    pub(crate) period_h: f64,
    /// How long a decrease takes to be confirmed, in hours.
    pub(crate) confirmed_h: f64,
}

/// Replays the sessions at the site.
pub(crate) fn replay(site: &Site, sessions: &Sessions, way: Way) -> Result<Outcome, String> {
    let all = &sessions.sessions;
    let mut arrivals: BTreeMap<i64, Vec<Plugged>> = BTreeMap::new();
    for (index, session) in all.iter().enumerate() {
        let plugged = Plugged {
            session: index,
            outlet: site.outlet(&session.evse)?,
            remaining_kwh: session.energy_kwh,
            now_a: 0.0,
            since: session.arrival,
        };
        arrivals.entry(session.arrival).or_default().push(plugged);
    }
    let mut outcome = Outcome::default();
    let mut left = vec![0.0; all.len()];
    let mut present: Vec<Plugged> = Vec::new();
    let last = all.iter().map(|s| s.departure).max().unwrap_or(0);
    let first = arrivals.keys().next().copied().unwrap_or(last);
    for t in first..last {
        present.retain(|p| {
            let stays = t < all[p.session].departure;
            if !stays {
                left[p.session] = p.remaining_kwh;
            }
            stays
        });
        for plugged in arrivals.remove(&t).unwrap_or_default() {
            // Whoever stood there has left, whatever the file says.
            present.retain(|p| {
                let stays = p.outlet != plugged.outlet;
                if !stays {
                    left[p.session] = p.remaining_kwh;
                }
                stays
            });
            if all[plugged.session].departure > t {
                present.push(plugged);
            } else {
                left[plugged.session] = plugged.remaining_kwh;
            }
        }
        step(site, all, way, t, &mut present, &mut outcome);
    }
    for plugged in &present {
        left[plugged.session] = plugged.remaining_kwh;
    }
    for (session, left) in all.iter().zip(left) {
        let delivered = session.energy_kwh - left;
        outcome.wanted_kwh += session.energy_kwh;
        outcome.delivered_kwh += delivered;
        if session.energy_kwh > 0.0 {
            outcome.shares.push(delivered / session.energy_kwh);
        }
    }
    Ok(outcome)
}

/// One period: schedule, then charge.
fn step(
    site: &Site,
    sessions: &[Session],
    way: Way,
    t: i64,
    present: &mut [Plugged],
    outcome: &mut Outcome,
) {
    let period_h = way.period_h;
    let voltage = |p: &Plugged| site.outlets[p.outlet].voltage_v;
    let amp_periods = |p: &Plugged| 1000.0 * p.remaining_kwh / voltage(p) / period_h;
    let wants = |p: &&mut Plugged| {
        let outlet = &site.outlets[p.outlet];
        p.remaining_kwh > SERVED_KWH && (outlet.continuous || amp_periods(p) > outlet.first_a())
    };
    let mut active: Vec<&mut Plugged> = present.iter_mut().filter(wants).collect();
    if active.is_empty() {
        return;
    }
    let cars: Vec<Car> = (active.iter())
        .map(|p| {
            let session = &sessions[p.session];
            Car {
                outlet: p.outlet,
                arrival: session.arrival,
                leaves_in: session.est_departure.map(|at| at - t),
                amp_periods: amp_periods(p),
                most_a: 1000.0 * session.max_kw / voltage(p),
                now_a: p.now_a,
                since: t - p.since,
            }
        })
        .collect();
    let started = Instant::now();
    let goal = way.method.schedule(site, &cars, period_h);
    let took = started.elapsed();
    outcome.cpu += took;
    outcome.slowest = outcome.slowest.max(took);
    outcome.steps += 1;

    // With the safe ordering the period has two parts: before and after the decreases are confirmed.
    let waiting_h = match way.ordering {
        Ordering::Instant => 0.0,
        Ordering::Safe => way.confirmed_h.min(period_h),
    };
    let mut parts = Vec::new();
    if waiting_h > 0.0 {
        parts.push((held_back(site, &cars, &goal), waiting_h));
    }
    if waiting_h < period_h {
        parts.push((goal, period_h - waiting_h));
    }
    for (amps, hours) in parts {
        let mut at_outlets = vec![0.0; site.outlets.len()];
        for (plugged, amps) in active.iter_mut().zip(&amps) {
            at_outlets[plugged.outlet] = *amps;
            set(plugged, *amps, t, outcome);
            let kw = (amps * voltage(plugged) / 1000.0)
                .min(sessions[plugged.session].max_kw)
                .min(plugged.remaining_kwh / hours);
            plugged.remaining_kwh -= kw * hours;
        }
        for used in site.utilisation(&at_outlets) {
            outcome.worst_utilisation = outcome.worst_utilisation.max(used);
            outcome.violations += u64::from(used > VIOLATED);
        }
    }
}

/// Sets an outlet.
fn set(plugged: &mut Plugged, amps: f64, t: i64, outcome: &mut Outcome) {
    if (amps - plugged.now_a).abs() > SAME_A {
        outcome.changes += 1;
    }
    let (was, is) = (plugged.now_a > SAME_A, amps > SAME_A);
    outcome.pauses += u64::from(was && !is);
    if was != is {
        plugged.since = t;
    }
    plugged.now_a = amps;
}

/// The goal, but for what rises: that only as far as there is room beside the old currents of those that fall.
fn held_back(site: &Site, cars: &[Car], goal: &[f64]) -> Vec<f64> {
    let mut booked = vec![0.0; site.outlets.len()];
    for car in cars {
        booked[car.outlet] = car.now_a;
    }
    let fits = |booked: &[f64]| {
        (site.limits.worst(booked).iter().zip(site.limits.iter()))
            .all(|(worst, limit)| *worst <= limit.most * (1.0 + 1e-9))
    };
    (cars.iter().zip(goal))
        .map(|(car, goal)| {
            if *goal > car.now_a {
                booked[car.outlet] = *goal;
                if !fits(&booked) {
                    booked[car.outlet] = car.now_a;
                    return car.now_a;
                }
            }
            *goal
        })
        .collect()
}
