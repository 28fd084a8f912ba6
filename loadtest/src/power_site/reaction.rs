//! How fast a site obeys a set-point: the limit of the grid connection is cut through the API, and what the chargers hear
//! and their cars draw is timed from before the request was sent.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::api::{Api, ApiError};
use super::grid::CONNECTION;
use super::monitor::Monitor;

/// How long a cut is waited for at most.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the monitor looks while it waits.
const LOOK: Duration = Duration::from_millis(20);
/// The set-point's name.
const NAME: &str = "loadtest";
/// Nothing lowers an offer for this long: all are lowered that will be.
const QUIET: Duration = Duration::from_secs(3);

/// How cuts are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cuts {
    /// What each phase of the grid connection may carry otherwise, in A.
    pub(crate) most_a: f64,
    /// What is left of it.
    pub(crate) share: f64,
    /// How long after a cut what is above it is counted apart.
    pub(crate) grace: Duration,
}

/// What a cut came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cut {
    /// What flowed in the fullest phase before, in A.
    pub(crate) before_a: f64,
    /// The new limit, in A.
    pub(crate) limit_a: f64,
    /// When each charger that was lowered was so for the first time, in s.
    pub(crate) lowered_s: Vec<f64>,
    /// When the cars drew no more than the new limit, in s; none if they never did.
    pub(crate) below_s: Option<f64>,
    /// When the API had answered, in s.
    pub(crate) answered_s: f64,
}

/// Cuts once, waits until all obey, and lifts the cut again.
pub(crate) async fn cut(
    api: &Api,
    site: &str,
    monitor: &Monitor,
    cuts: Cuts,
) -> Result<Cut, ApiError> {
    let limit_a = cuts.most_a * cuts.share;
    let before_a = monitor.drawn_a();
    let began = Instant::now();
    monitor.limit(limit_a, cuts.grace);
    api.put_set_point(site, NAME, &set_point(limit_a)).await?;
    let answered_s = began.elapsed().as_secs_f64();
    let mut below_s = None;
    while began.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
        monitor.look(Instant::now());
        if monitor.drawn_a() > limit_a + 0.05 {
            below_s = None;
        } else if below_s.is_none() {
            below_s = Some(began.elapsed().as_secs_f64());
        }
        let last = monitor.lowered().last().map_or(began, |(at, _)| *at);
        if below_s.is_some() && last.elapsed() > QUIET {
            break;
        }
    }
    let mut outlets = HashSet::new();
    let lowered_s = (monitor.lowered().iter())
        .filter(|(_, outlet)| outlets.insert(*outlet))
        .map(|(at, _)| at.saturating_duration_since(began).as_secs_f64())
        .collect();
    monitor.limit(cuts.most_a, Duration::ZERO);
    api.delete_set_point(site, NAME).await?;
    Ok(Cut {
        before_a,
        limit_a,
        lowered_s,
        below_s,
        answered_s,
    })
}

fn set_point(limit_a: f64) -> Value {
    let at = |minutes| {
        (Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Millis, true)
    };
    let lines = [limit_a; 3];
    json!({ "part": CONNECTION, "most_a": lines, "expires_at": at(60) })
}
