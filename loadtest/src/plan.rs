//! What one worker process has to do: its share of the fleet and the scenario. It travels as JSON on the worker's stdin.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use loadtest::{Profile, Target, TargetError, Version};
use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// Chargers that one process holds well below the usual limit of 20,000 open files and 28,000 local ports.
const CHARGERS_PER_WORKER: u64 = 15_000;

/// The share of one worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    /// Number of the worker's first charger in the fleet.
    pub(crate) first: u64,
    /// Chargers of this worker.
    pub(crate) count: u64,
    /// Chargers of all workers.
    pub(crate) fleet: u64,
    /// New connections a second, of this worker.
    pub(crate) rate: f64,
    /// Local address to connect from.
    pub(crate) source: Option<IpAddr>,
    pub(crate) traits: Traits,
}

/// What all chargers of the fleet have in common, as the command line says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Traits {
    pub(crate) url: String,
    pub(crate) basic_auth: Option<String>,
    pub(crate) version: Version,
    pub(crate) id_prefix: String,
    pub(crate) token: String,
    pub(crate) connectors: u32,
    pub(crate) speed: f64,
    pub(crate) meter_interval: Duration,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) seed: u64,
}

impl Plan {
    /// Shares a fleet of `chargers`, connecting at `rate` a second in all, among `workers` (chosen when none is given).
    pub(crate) fn share(
        scenario: &Scenario,
        traits: &Traits,
        chargers: u64,
        rate: f64,
        workers: Option<u64>,
    ) -> Result<Vec<Self>, TargetError> {
        let target = Target::new(&traits.url, traits.basic_auth.as_deref())?;
        let workers = workers
            .unwrap_or_else(|| chargers.div_ceil(CHARGERS_PER_WORKER))
            .clamp(1, chargers.max(1));
        let bounds = |worker: u64| chargers * worker / workers;
        Ok((0..workers)
            .map(|worker| Self {
                scenario: scenario.clone(),
                first: bounds(worker),
                count: bounds(worker + 1) - bounds(worker),
                fleet: chargers,
                rate: rate / workers as f64,
                source: own_loopback(target.address().ip(), worker),
                traits: traits.clone(),
            })
            .collect())
    }

    /// What the chargers of this worker have in common.
    pub(crate) fn profile(&self) -> Result<Profile, TargetError> {
        let traits = &self.traits;
        let target = Target::new(&traits.url, traits.basic_auth.as_deref())?;
        Ok(Profile {
            connectors: traits.connectors,
            token: traits.token.clone(),
            speed: traits.speed,
            meter_interval: traits.meter_interval,
            heartbeat: traits.heartbeat,
            statuses: self.scenario.reports_status(),
            source: self.source,
            seed: traits.seed,
            ..Profile::new(target, traits.version)
        })
    }

    /// The identity of the charger with this number.
    pub(crate) fn identity(&self, number: u64) -> String {
        format!("{}-{number:06}", self.traits.id_prefix)
    }
}

/// A loopback address for each worker but the first, so that each has all local ports for itself.
fn own_loopback(target: IpAddr, worker: u64) -> Option<IpAddr> {
    let loopback_v4 = target.is_ipv4() && target.is_loopback();
    let host = u32::try_from(worker)
        .ok()
        .filter(|&worker| worker > 0 && loopback_v4)?;
    // 127.0.1.1, 127.0.1.2, … stay away from 127.0.0.1, where servers listen.
    Some(IpAddr::V4(Ipv4Addr::from_bits(0x7F00_0100 + host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_fleet_without_gap_or_overlap() {
        let traits = Traits {
            url: "ws://127.0.0.1:9220/ocpp/{id}".into(),
            basic_auth: None,
            version: Version::V16,
            id_prefix: "SIM".into(),
            token: "TAG{n}".into(),
            connectors: 1,
            speed: 1.0,
            meter_interval: Duration::from_secs(60),
            heartbeat: None,
            seed: 1,
        };
        for (chargers, workers, expected) in [(10, Some(3), 3), (40_000, None, 3), (2, Some(8), 2)]
        {
            let scenario = Scenario::Ramp {
                hold: Duration::ZERO,
            };
            let plans = Plan::share(&scenario, &traits, chargers, 100.0, workers).expect("valid");
            assert_eq!(plans.len(), expected);
            let mut next = 0;
            for plan in &plans {
                assert_eq!(plan.first, next);
                next += plan.count;
            }
            assert_eq!(next, chargers);
            assert_eq!(plans[0].source, None);
            assert_eq!(
                plans[1].source,
                Some("127.0.1.1".parse().expect("an address"))
            );
        }
    }
}
